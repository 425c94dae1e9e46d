CREATE TABLE orders (order_id INT, customer STRING, product STRING, amount DECIMAL(10, 2), qty INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv');
CREATE TABLE customers (name STRING, city STRING, age INT) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/customers.csv', 'format' = 'csv');
SELECT name, (SELECT MAX(amount) FROM orders o WHERE o.customer = c.name) AS m, (SELECT COUNT(*) FROM orders o WHERE o.customer = c.name) AS k FROM customers c;
SELECT name FROM customers WHERE age > ALL (SELECT age FROM customers WHERE city = 'Paris');
SELECT name FROM customers WHERE age = SOME (SELECT MAX(age) FROM customers);
CREATE TABLE nums (id INT, i INT, l BIGINT, d DOUBLE, s STRING, b BOOLEAN, `dec` DECIMAL(10, 3)) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/nums.json', 'format' = 'json');
SELECT id FROM nums WHERE id NOT IN (SELECT i FROM nums);
SELECT id FROM nums WHERE i NOT IN (SELECT id FROM nums WHERE id < 3);
