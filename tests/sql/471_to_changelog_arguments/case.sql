CREATE TABLE products (id INT, name STRING, price DECIMAL(10, 2), ts TIMESTAMP(3), PRIMARY KEY (id) NOT ENFORCED)
WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/products_cdc.json', 'format' = 'debezium-json');
SELECT * FROM TO_CHANGELOG(input => TABLE products, op => DESCRIPTOR(kind));
SELECT * FROM TO_CHANGELOG(input => TABLE products, op => DESCRIPTOR(kind), op_mapping => MAP['INSERT','I','UPDATE_AFTER','U']);
SELECT * FROM TO_CHANGELOG(input => TABLE products, op_mapping => MAP['INSERT, UPDATE_AFTER','UPSERT','DELETE','DEL']);
SELECT op, COUNT(*) AS n FROM TO_CHANGELOG(input => TABLE products) GROUP BY op;
SELECT * FROM TO_CHANGELOG(input => (SELECT id, name FROM products));
SELECT * FROM TO_CHANGELOG(input => TABLE products, uid => 'abc');
SELECT * FROM TO_CHANGELOG(TABLE products, DESCRIPTOR(kk), MAP['INSERT','I']);
