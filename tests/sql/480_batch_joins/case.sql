-- @ordered
SET 'execution.runtime-mode' = 'batch';
CREATE TEMPORARY VIEW nations AS SELECT * FROM (VALUES (1, 'CN', 10), (2, 'DE', 20), (3, 'FR', 20), (4, 'JP', 10)) AS t (nid, nname, region);
CREATE TEMPORARY VIEW makers AS SELECT * FROM (VALUES (100, 1, 'ada'), (101, 2, 'bob'), (102, 2, 'cyd'), (103, CAST(NULL AS INT), 'dot'), (104, 9, 'eve')) AS t (mid, nid, mname);
CREATE TEMPORARY VIEW cars AS SELECT * FROM (VALUES (1, 100, 5.50), (2, 100, 7.25), (3, 101, 1.00), (4, 102, 3.75), (5, 103, 9.00), (6, CAST(NULL AS INT), 2.00), (7, 104, 4.00)) AS t (cid, mid, price);
-- comma joins that only meet through the third table
SELECT nname, mname, cid FROM nations n, cars c, makers m WHERE c.mid = m.mid AND m.nid = n.nid ORDER BY cid;
-- the key is common to all branches of an OR
SELECT cid, mname FROM cars c, makers m WHERE (c.mid = m.mid AND price > 7) OR (c.mid = m.mid AND mname = 'bob') OR (c.mid = m.mid AND cid = 4) ORDER BY cid;
-- outer joins with NULL keys
SELECT cid, mname, nname FROM cars c LEFT JOIN makers m ON c.mid = m.mid LEFT JOIN nations n ON m.nid = n.nid AND n.region = 20 ORDER BY cid;
SELECT cid, mname FROM cars c FULL JOIN makers m ON c.mid = m.mid AND price > 3 ORDER BY mname, cid;
SELECT mname, nname FROM nations n RIGHT JOIN makers m ON m.nid = n.nid ORDER BY mname;
-- NULL meets NULL
SELECT cid, mname FROM cars c JOIN (SELECT CAST(NULL AS INT) AS mid, 'none' AS mname UNION ALL SELECT 100, 'ada') m ON c.mid IS NOT DISTINCT FROM m.mid ORDER BY cid;
-- semi and anti joins, with and without NULLs in the set
SELECT mname FROM makers WHERE mid IN (SELECT mid FROM cars WHERE price > 3.5) ORDER BY mname;
SELECT mname FROM makers WHERE mid NOT IN (SELECT mid FROM cars WHERE price < 4 AND mid IS NOT NULL) ORDER BY mname;
SELECT nname FROM nations WHERE nid NOT IN (SELECT nid FROM makers WHERE nid IS NOT NULL) ORDER BY nname;
SELECT nname FROM nations WHERE nid NOT IN (SELECT nid FROM makers) ORDER BY nname;
-- no equality at all
SELECT c.cid, m.mid FROM cars c JOIN makers m ON c.price * 20 > m.mid ORDER BY cid, mid;
SELECT cid, (SELECT MAX(price) FROM cars) - price AS gap FROM cars ORDER BY cid;
