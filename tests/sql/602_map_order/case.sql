SELECT STR_TO_MAP('alpha=1,beta=2,gamma=3,delta=4,eps=5') AS a, MAP['zeta', 1, 'alpha', 2, 'beta', 3, 'gamma', 4] AS b, MAP_UNION(MAP['zeta', 1, 'alpha', 2], MAP['beta', 3, 'gamma', 4]) AS c, MAP_FROM_ARRAYS(ARRAY['zeta', 'alpha', 'beta', 'gamma'], ARRAY[1, 2, 3, 4]) AS d, CAST(MAP['zeta', 1, 'alpha', 2, 'beta', 3] AS MAP<STRING, BIGINT>) AS e, MAP_KEYS(STR_TO_MAP('alpha=1,beta=2,gamma=3')) AS f, JSON_STRING(MAP['zeta', 1, 'alpha', 2, 'beta', 3]) AS g;
CREATE TABLE m (id INT, mm MAP<STRING, INT>, mi MAP<STRING, ROW<a INT>>) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/maps.json', 'format' = 'json');
SELECT id, mm, mi FROM m;
SELECT id, k, v, o FROM m CROSS JOIN UNNEST(mm) WITH ORDINALITY AS t(k, v, o);
SELECT MAP_ENTRIES(mm) AS e, MAP_VALUES(mm) AS v, JSON_STRING(mm) AS j FROM m;
