-- The rows of a lookup join over tables that do not change are those of a regular join,
-- which Flink recorded (its filesystem connector cannot look up).
CREATE TABLE orders (order_id INT, customer STRING, product STRING, amount DECIMAL(10, 2), qty INT, ts TIMESTAMP(3), pt AS PROCTIME())
WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv');
CREATE TABLE customers (name STRING, city STRING, age INT)
WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/customers.csv', 'format' = 'csv');
CREATE TABLE uncached WITH ('lookup.cache' = 'NONE') LIKE customers;
CREATE TABLE partly WITH ('lookup.cache' = 'PARTIAL', 'lookup.partial-cache.max-rows' = '2') LIKE customers;
CREATE VIEW dim AS SELECT UPPER(name) AS name, city FROM customers WHERE age > 0;
SELECT o.order_id, c.city, c.age FROM orders o JOIN customers FOR SYSTEM_TIME AS OF o.pt AS c ON o.customer = c.name;
SELECT o.order_id, c.city, c.age FROM orders o LEFT JOIN uncached FOR SYSTEM_TIME AS OF o.pt AS c ON o.customer = c.name AND c.age > 40 AND o.qty > 1;
SELECT o.order_id, LOWER(c.name) AS name FROM orders o JOIN dim FOR SYSTEM_TIME AS OF o.pt AS c ON UPPER(o.customer) = c.name AND c.city = 'Paris';
SELECT c.city, COUNT(*) AS n, SUM(o.qty) AS s FROM orders o LEFT JOIN partly FOR SYSTEM_TIME AS OF PROCTIME() AS c ON o.customer = c.name GROUP BY c.city;
SELECT /*+ LOOKUP('table' = 'c', 'shuffle' = 'true') */ o.customer, o.n, c.city FROM (SELECT customer, COUNT(*) AS n, PROCTIME() AS pt FROM orders GROUP BY customer) o LEFT JOIN customers FOR SYSTEM_TIME AS OF o.pt AS c ON o.customer = c.name;
