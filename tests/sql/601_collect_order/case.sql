CREATE TABLE orders (order_id INT, customer STRING, product STRING, amount DECIMAL(10, 2), qty INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv');
SELECT product, COLLECT(customer) AS m FROM orders GROUP BY product;
SELECT COLLECT(qty) AS m, COLLECT(DISTINCT qty) AS d FROM orders;
SELECT COLLECT(amount) AS m FROM orders;
SELECT COLLECT(x) AS m FROM (VALUES ('alpha'), ('beta'), ('gamma'), ('delta'), ('epsilon'), ('zeta'), ('eta'), ('theta'), ('a'), ('b'), ('c'), ('d'), ('bc'), ('def'), ('é')) AS t(x);
SELECT COLLECT(x) AS m FROM (VALUES (5), (3), (100), (17), (-1), (1000000)) AS t(x);
SELECT COLLECT(x) AS m FROM (VALUES (CAST(5 AS BIGINT)), (3), (10000000000), (-1)) AS t(x);
CREATE TABLE products (id INT, name STRING, price DECIMAL(10, 2), ts TIMESTAMP(3), PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/products_cdc.json', 'format' = 'debezium-json');
SELECT price, COUNT(*) AS c, LISTAGG(name) AS l, ARRAY_AGG(id) AS a, COLLECT(name) AS m FROM products GROUP BY price;
