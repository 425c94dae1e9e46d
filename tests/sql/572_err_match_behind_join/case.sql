CREATE TABLE orders (
  order_id INT, customer STRING, product STRING, amount DECIMAL(10, 2), qty INT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv');
CREATE TABLE customers (name STRING, city STRING, age INT)
WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/customers.csv', 'format' = 'csv');
CREATE VIEW j AS SELECT o.order_id, o.ts, c.city FROM orders o JOIN customers c ON o.customer = c.name;
SELECT * FROM j MATCH_RECOGNIZE (PARTITION BY city ORDER BY ts MEASURES A.order_id AS a, B.order_id AS b PATTERN (A B) DEFINE B AS B.order_id > A.order_id);
