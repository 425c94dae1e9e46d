SELECT a FROM (VALUES (1), (1), (2), (3)) AS t(a) INTERSECT ALL SELECT b FROM (VALUES (1), (1), (1), (3)) AS u(b);
SELECT a FROM (VALUES (1), (1), (1), (2)) AS t(a) EXCEPT ALL SELECT b FROM (VALUES (1), (3)) AS u(b);
