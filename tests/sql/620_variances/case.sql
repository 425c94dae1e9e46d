CREATE TABLE orders (
  order_id INT, customer STRING, product STRING, amount DECIMAL(10, 2), qty INT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv');
SELECT customer, STDDEV(qty) AS a, STDDEV_POP(qty) AS b, STDDEV_SAMP(amount) AS c, VAR_POP(qty) AS d, VAR_SAMP(qty) AS e, VARIANCE(amount) AS f FROM orders GROUP BY customer;
SELECT window_start, VAR_SAMP(qty) AS v, STDDEV_POP(qty) AS s, VAR_POP(amount) AS d FROM TABLE(HOP(TABLE orders, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND)) GROUP BY window_start, window_end;
SELECT order_id, VAR_POP(qty) OVER (PARTITION BY customer ORDER BY ts ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS w FROM orders;
SELECT VAR_SAMP(s) AS a, STDDEV_POP(s) AS b, VAR_POP(m) AS c FROM (SELECT customer, SUM(qty) AS s, MAX(amount) AS m FROM orders GROUP BY customer);
SELECT k, VAR_POP(v) AS a, VAR_SAMP(v) AS b, STDDEV_POP(v) AS c, STDDEV_SAMP(v) AS d FROM (VALUES (1, CAST(1 AS TINYINT)), (1, CAST(100 AS TINYINT)), (1, CAST(2 AS TINYINT))) AS t(k, v) GROUP BY k;
SELECT VAR_POP(v) AS a, STDDEV_SAMP(v) AS b FROM (VALUES (2000000000), (-2000000000), (7)) AS t(v);
