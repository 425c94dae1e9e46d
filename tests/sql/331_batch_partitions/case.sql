SET 'execution.runtime-mode' = 'batch';
CREATE TABLE orders (order_id INT, customer STRING, product STRING, amount DECIMAL(10, 2), qty INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv');
CREATE TABLE p (product STRING, s INT) PARTITIONED BY (product) WITH ('connector' = 'filesystem', 'path' = '${OUT_DIR}/p', 'format' = 'csv');
INSERT INTO p PARTITION (product = 'x') SELECT qty FROM orders WHERE qty > 4;
INSERT INTO p SELECT product, qty FROM orders WHERE qty = 1;
SELECT * FROM p;
