CREATE TABLE nn (id INT, a DOUBLE, b DOUBLE) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/nn.csv', 'format' = 'csv');
SELECT id, a = b AS c1, a <> b AS c2, a < b AS c3, a >= b AS c4, NULLIF(a, b) AS c5, GREATEST(a, b) AS c6, LEAST(a, b) AS c7, CASE a WHEN b THEN 1 ELSE 2 END AS c8, ARRAY[a] = ARRAY[b] AS c9, ROW(a, 1) = ROW(b, 1) AS c10 FROM nn;
SELECT MAX(a) AS m, MIN(a) AS n, SUM(b) AS s, COUNT(DISTINCT a) AS d FROM nn WHERE id < 5;
SELECT MAX(b) AS m, MIN(b) AS n FROM nn WHERE id IN (2, 4);
SELECT MAX(a) AS m, MIN(a) AS n FROM nn WHERE id IN (2, 3);
