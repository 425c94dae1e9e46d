CREATE TABLE t (id INT, name STRING, w DOUBLE, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/canal.json', 'format' = 'canal-json');
SELECT * FROM t;
SELECT SUM(w) AS s, COUNT(*) AS c FROM t;
CREATE TABLE t1 (id INT, name STRING, w DECIMAL(5, 2), PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/ogg.json', 'format' = 'ogg-json');
SELECT * FROM t1;
