SET 'execution.runtime-mode' = 'batch';
CREATE TABLE orders (
  order_id INT, customer STRING, product STRING, amount DECIMAL(10, 2), qty INT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv');
CREATE TABLE nums (id INT, i INT, l BIGINT, d DOUBLE, s STRING, b BOOLEAN, `dec` DECIMAL(10, 3))
WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/nums.json', 'format' = 'json');
SELECT order_id, SUM(qty) OVER (PARTITION BY customer) AS a, SUM(qty) OVER () AS b, AVG(qty) OVER (ORDER BY order_id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS c, MAX(qty) OVER (ORDER BY order_id ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS d, FIRST_VALUE(qty) OVER (ORDER BY order_id ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING) AS e, LAST_VALUE(qty) OVER (PARTITION BY customer ORDER BY order_id) AS f FROM orders;
SELECT order_id, SUM(qty) OVER (ORDER BY qty RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS a, COUNT(*) OVER (ORDER BY amount DESC) AS b, RANK() OVER (ORDER BY qty DESC) AS c, NTILE(4) OVER (ORDER BY amount) AS d FROM orders;
SELECT order_id, MIN(qty) OVER (PARTITION BY product ORDER BY order_id ROWS BETWEEN 1 FOLLOWING AND 2 FOLLOWING) AS m, COUNT(*) OVER (PARTITION BY product ORDER BY order_id ROWS BETWEEN 1 FOLLOWING AND 2 FOLLOWING) AS c, SUM(qty) OVER (PARTITION BY product ORDER BY order_id ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING) AS s FROM orders;
SELECT id, i, SUM(i) OVER (ORDER BY i) AS s, RANK() OVER (ORDER BY i) AS r, COUNT(i) OVER (ORDER BY i DESC) AS c FROM nums WHERE id <> 4;
