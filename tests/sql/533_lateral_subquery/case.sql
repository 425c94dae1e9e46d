CREATE TABLE o (id INT, usr STRING, p INT, amt DECIMAL(10, 2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE u (name STRING, city STRING, age INT, uid INT) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/users.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT name, t.id FROM u, LATERAL (SELECT id FROM o WHERE o.usr = u.name) AS t;
SELECT name, t.id FROM u LEFT JOIN LATERAL (SELECT id FROM o WHERE o.usr = u.name) AS t ON TRUE;
SELECT name, t.c FROM u, LATERAL (SELECT COUNT(*) AS c FROM o WHERE o.usr = u.name) AS t;
SELECT name, t.c FROM u LEFT JOIN LATERAL (SELECT SUM(amt) AS c FROM o WHERE o.usr = u.name) AS t ON TRUE;
