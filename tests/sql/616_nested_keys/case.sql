CREATE TABLE nested (id INT, tags ARRAY<STRING>, attrs MAP<STRING, INT>, pt ROW<lat DOUBLE, lon DOUBLE, name ROW<`first` STRING, `last` STRING>>, items ARRAY<ROW<sku STRING, qty INT>>) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/nested.json', 'format' = 'json');
SELECT tags, COUNT(*) AS c FROM nested GROUP BY tags;
SELECT DISTINCT pt FROM nested;
SELECT DISTINCT attrs, items FROM nested;
SELECT a.id, b.id AS bid FROM nested a JOIN nested b ON a.tags = b.tags;
SELECT id, k, v, o FROM nested CROSS JOIN UNNEST(attrs) WITH ORDINALITY AS m(k, v, o);
SELECT id, sku, qty, o FROM nested CROSS JOIN UNNEST(items) WITH ORDINALITY AS m(sku, qty, o);
SELECT id, t, o FROM nested LEFT JOIN UNNEST(tags) WITH ORDINALITY AS x(t, o) ON TRUE;
