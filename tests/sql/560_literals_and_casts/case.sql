CREATE TABLE orders (
  order_id INT, customer STRING, product STRING, amount DECIMAL(10, 2), qty INT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv');
CREATE TABLE nums (id INT, i INT, l BIGINT, d DOUBLE, s STRING, b BOOLEAN, `dec` DECIMAL(10, 3))
WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/nums.json', 'format' = 'json');
SELECT TRUE = 'true' AS a, TRUE = 'TRUE' AS b, TRUE <> 'true' AS c, TRUE IS NOT DISTINCT FROM 'true' AS d, NULLIF(TRUE, 'true') AS e, TRUE IN ('true', 'x') AS f;
SELECT id, b = 'true' AS x FROM nums;
SELECT CAST(CAST(0.1 AS FLOAT) AS DOUBLE) AS a, CAST(CAST(16777217 AS FLOAT) AS INT) AS b, CAST(0.1 AS FLOAT) = 0.1 AS c, CAST(0.1 AS FLOAT) + 0.2 AS d, CAST(0.1 AS FLOAT) * CAST(3 AS DOUBLE) AS e, CASE WHEN TRUE THEN CAST(1 AS FLOAT) ELSE CAST(1 AS DOUBLE) END AS f, ARRAY[CAST(1 AS FLOAT), CAST(2 AS DOUBLE)] AS g;
SELECT order_id, CAST(CAST(amount AS FLOAT) AS DOUBLE) AS a, CAST(amount AS FLOAT) * CAST(amount AS DOUBLE) AS b, CAST(amount AS DOUBLE) * CAST(amount AS FLOAT) AS c, CAST(amount AS FLOAT) = CAST(amount AS DOUBLE) AS d FROM orders;
SELECT CAST(CAST('10:11:12' AS TIME(3)) AS STRING) AS a, CAST(CAST('10:11:12.05' AS TIME(3)) AS STRING) AS b, CAST('10:11:12.5' AS TIME(3)) AS c, CAST(CAST('10:11:12.123' AS TIME(2)) AS STRING) AS d, CAST('10:11:12.123' AS TIME(1)) AS e;
SELECT UPPER('ß') AS a, UPPER('straße') AS b, UPPER(CAST('ß' AS STRING)) AS c, UPPER(CAST('ß' AS VARCHAR(1))) AS d, LOWER('İ') AS e;
