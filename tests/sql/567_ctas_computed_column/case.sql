CREATE TABLE orders (
  order_id INT, customer STRING, product STRING, amount DECIMAL(10, 2), qty INT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv');
CREATE TABLE t (customer STRING, k BIGINT, z AS k + 1, extra STRING) WITH ('connector' = 'filesystem', 'path' = '${OUT_DIR}/x', 'format' = 'csv') AS SELECT order_id AS k, customer FROM orders;
DESCRIBE t;
SELECT * FROM t;
