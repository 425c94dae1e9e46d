CREATE TABLE orders (
  order_id INT, customer STRING, product STRING, amount DECIMAL(10, 2), qty INT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv');
SELECT order_id FROM orders o WHERE EXISTS (SELECT COUNT(*) FROM orders p WHERE p.order_id = o.order_id + 100);
SELECT order_id FROM orders o WHERE NOT EXISTS (SELECT MAX(qty) FROM orders p WHERE p.customer = o.product);
EXPLAIN PLAN_ADVICE SELECT customer, COUNT(*) AS c FROM orders GROUP BY customer;
