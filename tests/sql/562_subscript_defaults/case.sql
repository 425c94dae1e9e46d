CREATE TABLE orders (
  order_id INT, customer STRING, product STRING, amount DECIMAL(10, 2), qty INT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv');
SELECT ARRAY[1, 2][9] AS a, ARRAY[CAST(1 AS BIGINT)][3] AS b, ARRAY[TRUE][3] AS c, ARRAY['a'][5] AS d, ARRAY['abc', 'd'][5] AS e, ARRAY[1.5][2] AS f, ARRAY[CAST(1 AS DOUBLE)][3] AS g, MAP['a', 1]['zz'] AS h, MAP['a', 'b']['c'] AS i, ARRAY[DATE '2024-01-01'][3] AS j, ARRAY[CAST(NULL AS INT), 1][5] AS k;
SELECT order_id, ARRAY[1, 2][qty] AS a, ARRAY[qty, order_id][5] AS b, MAP['alice', 1][customer] AS c, MAP['a', 'b'][customer] AS d, COALESCE(ARRAY[1, 2][qty + 3], 77) AS e, ARRAY[1, 2][qty + 3] + 1 AS f, CAST(ARRAY[1, 2][qty + 3] AS STRING) AS g FROM orders;
