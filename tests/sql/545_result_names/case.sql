CREATE TABLE orders (
  order_id INT, customer STRING, product STRING, amount DECIMAL(10, 2), qty INT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv');
SELECT a.order_id, b.order_id FROM orders a JOIN orders b ON a.customer = b.customer AND a.order_id < b.order_id;
SELECT 1 AS a, 2 AS a, 3 AS a, 4 AS a0;
SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS x(id, v) FULL OUTER JOIN (VALUES (2, 'B'), (3, 'C')) AS y(id, w) ON x.id = y.id;
SELECT customer, customer, SUM(qty), SUM(qty) FROM orders GROUP BY customer;
