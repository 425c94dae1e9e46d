SET 'execution.runtime-mode' = 'batch';
CREATE TABLE orders (
  order_id INT, customer STRING, product STRING, amount DECIMAL(10, 2), qty INT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv');
ANALYZE TABLE orders COMPUTE STATISTICS;
ANALYZE TABLE orders COMPUTE STATISTICS FOR COLUMNS qty, product;
SELECT product, COUNT(*) AS c FROM orders GROUP BY product;
SELECT COUNT(*) AS c FROM (SELECT * FROM orders ORDER BY amount LIMIT 0);
