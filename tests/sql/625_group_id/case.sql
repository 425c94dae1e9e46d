CREATE TABLE orders (
  order_id INT, customer STRING, product STRING, amount DECIMAL(10, 2), qty INT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv');
SELECT customer, GROUP_ID() AS g, COUNT(*) AS c FROM orders GROUP BY GROUPING SETS ((customer), (customer), ());
SELECT customer, GROUP_ID() AS g, SUM(qty) AS c FROM orders GROUP BY customer, ROLLUP(customer);
SELECT GROUP_ID() AS g, COUNT(*) AS c FROM orders GROUP BY GROUPING SETS ((), ());
