CREATE TABLE o (id INT, usr STRING, p INT, amt DECIMAL(10, 2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE u (name STRING, city STRING, age INT, uid INT) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/users.csv', 'format' = 'csv', 'csv.null-literal' = '');
CREATE TABLE vals (v INT) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/vals.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT usr, COUNT(*) AS c FROM o GROUP BY usr HAVING COUNT(*) IN (SELECT uid FROM u);
SELECT usr, SUM(CASE WHEN p IN (SELECT v FROM vals) THEN 1 ELSE 0 END) AS c FROM o GROUP BY usr;
SELECT p IN (SELECT v FROM vals) AS b, COUNT(*) AS c FROM o GROUP BY p IN (SELECT v FROM vals);
SELECT usr, SUM(amt - (SELECT MIN(amt) FROM o)) AS c FROM o GROUP BY usr;
SELECT name FROM u WHERE EXISTS (SELECT usr FROM o WHERE o.usr = u.name GROUP BY usr HAVING COUNT(*) > 1);
