CREATE TABLE rh (currency STRING, rate DECIMAL(8, 3), rts TIMESTAMP(3), WATERMARK FOR rts AS rts) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/rh.csv', 'format' = 'csv');
CREATE TABLE o2 (id INT, cur STRING, ots TIMESTAMP(3), WATERMARK FOR ots AS ots) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/o2.csv', 'format' = 'csv');
CREATE VIEW rv AS SELECT currency, rate, rts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY currency ORDER BY rts DESC) AS rn FROM rh) WHERE rn = 1;
SELECT o2.id, o2.cur, r.rate FROM o2 LEFT JOIN rv FOR SYSTEM_TIME AS OF o2.ots AS r ON o2.cur = r.currency;
SELECT o2.id, r.rate FROM o2 JOIN rv FOR SYSTEM_TIME AS OF o2.ots AS r ON o2.cur = r.currency AND o2.id > 1;
CREATE TABLE wproducts (id INT, name STRING, price DECIMAL(10, 2), ts TIMESTAMP(3), PRIMARY KEY (id) NOT ENFORCED, WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/products_cdc.json', 'format' = 'debezium-json');
CREATE TABLE o3 (id INT, pid INT, ots TIMESTAMP(3), WATERMARK FOR ots AS ots) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/o3.csv', 'format' = 'csv');
SELECT o3.id, p.name, p.price FROM o3 LEFT JOIN wproducts FOR SYSTEM_TIME AS OF o3.ots AS p ON o3.pid = p.id;
