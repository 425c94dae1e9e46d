CREATE TABLE orders (
  order_id INT, customer STRING, product STRING, amount DECIMAL(10, 2), qty INT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv');
SELECT customer, JSON_ARRAYAGG(JSON_OBJECT('id' VALUE order_id, 'p' VALUE product)) AS a FROM orders GROUP BY customer;
SELECT customer, JSON_OBJECTAGG(KEY CAST(order_id AS STRING) VALUE JSON_ARRAY(qty, amount)) AS a, JSON_ARRAYAGG(ts) AS t, JSON_ARRAYAGG(ROW(order_id, product)) AS r, JSON_ARRAYAGG(MAP['q', qty]) AS m FROM orders GROUP BY customer;
SELECT JSON_ARRAYAGG(o) AS a FROM (SELECT JSON_OBJECT('c' VALUE customer, 'n' VALUE qty) AS o FROM orders);
SELECT JSON_ARRAYAGG(x) AS a FROM (VALUES (1e-5), (1e-7), (1.5e-8), (123456789e0), (1e22), (1.25e7), (-2e8), (0e0)) AS t(x);
SELECT JSON_STRING(JSON_OBJECT('a' VALUE 1)) AS a, JSON_STRING(JSON_ARRAY(1)) AS b, JSON_STRING(JSON_QUERY('{"a":[1]}', '$.a')) AS c;
