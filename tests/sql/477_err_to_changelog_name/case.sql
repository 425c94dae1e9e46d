CREATE TABLE products (id INT, name STRING, price DECIMAL(10, 2), ts TIMESTAMP(3), PRIMARY KEY (id) NOT ENFORCED)
WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/products_cdc.json', 'format' = 'debezium-json');
SELECT * FROM TO_CHANGELOG(input => TABLE products, op => DESCRIPTOR(name));
