CREATE TABLE orders (order_id INT, customer STRING, product STRING, amount DECIMAL(10, 2), qty INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv');
SELECT order_id FROM orders WHERE (SELECT SUM(1) FROM orders WHERE FALSE) IS NULL AND order_id < 3;
SELECT o.order_id FROM orders o WHERE (SELECT SUM(1) FROM orders o2 WHERE o2.customer = 'nobody' AND o2.product = o.product) IS NULL AND o.order_id < 3;
SELECT o1.order_id, o2.s FROM orders o1 LEFT JOIN (SELECT qty, SUM(1) AS s FROM orders WHERE qty > 4 GROUP BY qty) o2 ON o1.qty = o2.qty WHERE o2.s IS NULL;
SELECT o1.order_id, COALESCE(o2.s, -1) AS c FROM orders o1 LEFT JOIN (SELECT qty, SUM(1) AS s FROM orders WHERE qty > 4 GROUP BY qty) o2 ON o1.qty = o2.qty;
