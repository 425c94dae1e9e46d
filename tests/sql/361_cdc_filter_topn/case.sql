CREATE TABLE products (id INT, name STRING, price DECIMAL(10, 2), ts TIMESTAMP(3), PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/products_cdc.json', 'format' = 'debezium-json');
SELECT id, name FROM products WHERE price > 1;
SELECT * FROM (SELECT id, price, ROW_NUMBER() OVER (ORDER BY price DESC) AS rn FROM products) WHERE rn <= 2;
