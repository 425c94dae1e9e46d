CREATE TABLE customers (name STRING, city STRING, age INT)
WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/customers.csv', 'format' = 'csv');
CREATE TABLE orders (
  order_id INT, customer STRING, product STRING, amount DECIMAL(10, 2), qty INT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv');
CREATE TABLE nested (
  id INT, tags ARRAY<STRING>, attrs MAP<STRING, INT>,
  pt ROW<lat DOUBLE, lon DOUBLE, name ROW<`first` STRING, `last` STRING>>,
  items ARRAY<ROW<sku STRING, qty INT>>
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/nested.json', 'format' = 'json');
CREATE VIEW v0 AS SELECT * FROM customers;
SHOW CREATE VIEW v0;
CREATE VIEW v1 AS SELECT c.name, o.qty FROM customers AS c LEFT JOIN orders AS o ON c.name = o.customer AND o.qty > 3 WHERE c.age BETWEEN 20 AND 30;
SHOW CREATE VIEW v1;
CREATE VIEW v2 AS SELECT city, COUNT(*) AS c, SUM(age) AS s FROM customers GROUP BY city HAVING COUNT(*) > 1;
SHOW CREATE VIEW v2;
CREATE VIEW v3 AS SELECT name FROM customers UNION ALL SELECT product FROM orders;
SHOW CREATE VIEW v3;
CREATE VIEW v4 AS SELECT * FROM (SELECT name FROM customers WHERE age > 20) AS t;
SHOW CREATE VIEW v4;
CREATE VIEW v5 AS SELECT name FROM customers WHERE name IN (SELECT customer FROM orders);
SHOW CREATE VIEW v5;
CREATE VIEW v6 AS SELECT UPPER(name) AS u, CASE WHEN age > 30 THEN 'a' ELSE 'b' END AS k, CAST(age AS STRING) AS z, -age AS m FROM customers;
SHOW CREATE VIEW v6;
CREATE VIEW v7 AS SELECT name, ROW_NUMBER() OVER (PARTITION BY city ORDER BY age DESC) AS rn FROM customers;
SHOW CREATE VIEW v7;
CREATE VIEW v8 AS WITH t AS (SELECT name FROM customers) SELECT * FROM t;
SHOW CREATE VIEW v8;
CREATE VIEW v9 AS SELECT id, t FROM nested CROSS JOIN UNNEST(tags) AS x(t);
SHOW CREATE VIEW v9;
CREATE VIEW v10 AS SELECT id, pt.lat AS l FROM nested;
SHOW CREATE VIEW v10;
CREATE VIEW w (x, y) COMMENT 'hey' AS SELECT name, age FROM customers;
SHOW CREATE VIEW w;
CREATE DATABASE other;
USE other;
SELECT * FROM default_database.w;
CREATE TABLE d (a INT, b STRING) DISTRIBUTED BY HASH(a) INTO 4 BUCKETS WITH ('rows-per-second' = '5', 'connector' = 'datagen');
SHOW CREATE TABLE d;
