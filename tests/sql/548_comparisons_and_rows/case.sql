CREATE TABLE nested (
  id INT, tags ARRAY<STRING>, attrs MAP<STRING, INT>,
  pt ROW<lat DOUBLE, lon DOUBLE, name ROW<`first` STRING, `last` STRING>>,
  items ARRAY<ROW<sku STRING, qty INT>>
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/nested.json', 'format' = 'json');
SELECT 1 < '2' AS a, 1.5 > '1' AS b, '2' >= 1 AS c, 1 IN ('1', '2') AS d, '1' IN (1, 2) AS e, 2 BETWEEN '1' AND '3' AS f, PI AS g;
SELECT ROW(1, CAST(NULL AS INT)) = ROW(1, 2) AS a, ROW(1, CAST(NULL AS INT)) = ROW(2, CAST(NULL AS INT)) AS b, TRY_CAST(ARRAY['1', 'x'] AS ARRAY<INT>) AS c, TRY_CAST(ROW('x', 1) AS ROW<a INT, b INT>) AS d, CAST('xyz' AS VARCHAR) AS e;
SELECT JSON_QUERY('{"b":1,"a":{"d":1,"c":2}}', '$') AS a, 'a%' SIMILAR TO 'a!%' ESCAPE '!' AS b, TRANSLATE3('abc', 'ab', 'x') AS c, CURRENT_DATABASE() AS d;
SELECT id, id > '2' AS x FROM nested;
