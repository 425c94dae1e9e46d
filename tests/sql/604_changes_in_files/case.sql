CREATE TABLE orders (order_id INT, customer STRING, product STRING, amount DECIMAL(10, 2), qty INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv');
CREATE TABLE outp (customer STRING, c BIGINT) WITH ('connector' = 'filesystem', 'path' = '${OUT_DIR}/d', 'format' = 'debezium-json');
INSERT INTO outp SELECT customer, COUNT(*) FROM orders GROUP BY customer;
CREATE TABLE rawin (line STRING) WITH ('connector' = 'filesystem', 'path' = '${OUT_DIR}/d', 'format' = 'raw');
SELECT * FROM rawin;
CREATE TABLE outp1 (order_id INT, amount DECIMAL(10, 2), rn BIGINT) WITH ('connector' = 'filesystem', 'path' = '${OUT_DIR}/d1', 'format' = 'canal-json');
INSERT INTO outp1 SELECT * FROM (SELECT order_id, amount, ROW_NUMBER() OVER (ORDER BY amount DESC) AS rn FROM orders) WHERE rn <= 2;
CREATE TABLE rawin1 (line STRING) WITH ('connector' = 'filesystem', 'path' = '${OUT_DIR}/d1', 'format' = 'raw');
SELECT * FROM rawin1;
