CREATE TABLE orders (order_id INT, customer STRING, product STRING, amount DECIMAL(10, 2), qty INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv');
CREATE TABLE outp (customer STRING, c BIGINT) WITH ('connector' = 'filesystem', 'path' = '${OUT_DIR}/d', 'format' = 'maxwell-json');
INSERT INTO outp SELECT customer, COUNT(*) FROM orders GROUP BY customer;
CREATE TABLE rawin (line STRING) WITH ('connector' = 'filesystem', 'path' = '${OUT_DIR}/d', 'format' = 'raw');
SELECT * FROM rawin;
