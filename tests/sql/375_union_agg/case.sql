CREATE TABLE orders (order_id INT, customer STRING, product STRING, amount DECIMAL(10, 2), qty INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv');
SELECT k, SUM(v) AS s FROM (SELECT product AS k, qty AS v FROM orders UNION ALL SELECT customer, 1 FROM orders) GROUP BY k;
