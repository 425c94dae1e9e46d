CREATE TABLE orders (
  order_id INT, customer STRING, product STRING, amount DECIMAL(10, 2), qty INT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv');
CREATE TABLE customers (name STRING, city STRING, age INT)
WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/customers.csv', 'format' = 'csv');
SELECT /*+ STATE_TTL('zzz' = '1d') */ o.order_id FROM orders o JOIN customers c ON o.customer = c.name;
