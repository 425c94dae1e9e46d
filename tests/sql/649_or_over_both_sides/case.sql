-- An OR over both sides of a join says something of each side alone; the rows stay those of the OR.
CREATE TEMPORARY VIEW a AS SELECT * FROM (VALUES (1, 'FR', 5), (2, 'DE', 7), (3, 'CN', 9), (4, CAST(NULL AS STRING), 1), (5, 'FR', CAST(NULL AS INT)), (6, 'DE', 2)) AS t (id, na, x);
CREATE TEMPORARY VIEW b AS SELECT * FROM (VALUES (1, 'DE', 3), (2, 'FR', 4), (3, 'CN', 4), (4, 'FR', 6), (5, 'DE', 8), (6, CAST(NULL AS STRING), 2), (1, 'FR', 1)) AS t (id, nb, y);
CREATE TEMPORARY VIEW sums AS SELECT nb, COUNT(*) AS n, SUM(y) AS s FROM b GROUP BY nb;
SELECT a.id, na, nb, x, y FROM a JOIN b ON a.id = b.id AND ((na = 'FR' AND nb = 'DE') OR (na = 'DE' AND nb = 'FR'));
SELECT a.id, na, nb FROM a, b WHERE a.id = b.id AND ((na = 'FR' AND y > 2) OR (na IS NULL AND nb = 'FR') OR (x > 8 AND nb = 'CN'));
SELECT a.id, na, nb, y FROM a LEFT JOIN b ON a.id = b.id AND ((na = 'FR' AND nb = 'DE') OR (na = 'DE' AND nb = 'FR'));
SELECT b.id, na, nb, y FROM a RIGHT JOIN b ON a.id = b.id AND ((na = 'FR' AND nb = 'DE') OR (na = 'DE' AND nb = 'FR'));
SELECT a.id, b.id AS bid, na, nb FROM a FULL JOIN b ON a.id = b.id AND ((na = 'FR' AND nb = 'DE') OR (na = 'DE' AND nb = 'FR'));
-- above outer joins: the side of NULLs keeps its rows
SELECT a.id, na, nb FROM a LEFT JOIN b ON a.id = b.id AND y > 3 WHERE (na = 'FR' AND nb IS NULL) OR (na = 'DE' AND nb = 'FR');
SELECT b.id, na, nb FROM a RIGHT JOIN b ON a.id = b.id AND x > 5 WHERE (na IS NULL AND nb = 'FR') OR (na = 'DE' AND y < 5);
-- three tables, and results that change
SELECT a.id, na, b.nb, n FROM a JOIN b ON a.id = b.id JOIN sums ON sums.nb = b.nb WHERE (na = 'FR' AND b.nb = 'DE' AND n > 1) OR (na = 'DE' AND b.nb = 'FR' AND s > 10);
