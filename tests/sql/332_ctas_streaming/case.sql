CREATE TABLE orders (order_id INT, customer STRING, product STRING, amount DECIMAL(10, 2), qty INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv');
CREATE TABLE big WITH ('connector' = 'filesystem', 'path' = '${OUT_DIR}/o3', 'format' = 'json') AS SELECT order_id, amount FROM orders;
SELECT * FROM big;
