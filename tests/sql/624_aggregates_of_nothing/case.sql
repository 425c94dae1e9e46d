CREATE TABLE orders (
  order_id INT, customer STRING, product STRING, amount DECIMAL(10, 2), qty INT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv');
SELECT COUNT(*) AS c, MAX(qty) AS m FROM orders WHERE 1 = 2;
SELECT COUNT(*) + 1 AS c FROM (SELECT * FROM orders WHERE FALSE) WHERE qty > 1;
SELECT COUNT(*) AS c, SUM(qty) AS s FROM orders WHERE qty > 1 AND qty < 0;
SELECT COUNT(*) AS c FROM orders WHERE qty IS NULL AND qty > 2;
SELECT COUNT(*) AS c FROM orders o JOIN (SELECT * FROM orders WHERE FALSE) p ON o.order_id = p.order_id;
SELECT COUNT(*) AS c FROM (SELECT COUNT(*) AS c FROM orders WHERE CAST(NULL AS BOOLEAN));
SELECT SUM(qty) AS s, LISTAGG(customer) AS l FROM orders WHERE FALSE;
SELECT customer, COUNT(*) AS c FROM orders WHERE FALSE GROUP BY customer;
SELECT COUNT(*) AS c FROM orders WHERE qty > 1000;
SELECT COUNT(*) AS c FROM (SELECT * FROM orders ORDER BY ts LIMIT 0);
