CREATE TABLE orders (
  order_id INT, customer STRING, product STRING, amount DECIMAL(10, 2), qty INT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv');
SELECT REGEXP_REPLACE('aaa', 'a(?=a)', 'b') AS a, REGEXP_EXTRACT('foobar', '(?<=foo)bar', 0) AS b, REGEXP('abab', '(ab)\1') AS c, REGEXP_COUNT('aXbX', '[a-z](?!X)') AS d, REGEXP_INSTR('xxab', '(?<=x)a') AS e, REGEXP_SUBSTR('aab', 'a++b') AS f, REGEXP_SUBSTR('aab', '(?>a+)ab') AS g, REGEXP_EXTRACT_ALL('a1b2', '((?<=[a-z])\d)') AS h, 'xay' SIMILAR TO '(x|y)a(x|y)' AS i;
SELECT order_id, REGEXP_REPLACE(customer, '(?<=a)[lr]', '*') AS a, REGEXP_EXTRACT(product, '(.)\1', 1) AS b, REGEXP(product, '^(?!.*pp)') AS c FROM orders;
SELECT STR_TO_MAP('a1=x,b2=y', '(?<=[xy]),', '=') AS a, REGEXP('a', '(') AS b;
