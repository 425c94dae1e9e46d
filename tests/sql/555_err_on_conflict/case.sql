CREATE TABLE orders (
  order_id INT, customer STRING, product STRING, amount DECIMAL(10, 2), qty INT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv');
CREATE TABLE s (c STRING, n BIGINT, PRIMARY KEY (c) NOT ENFORCED) WITH ('connector' = 'filesystem', 'path' = '${OUT_DIR}/x', 'format' = 'debezium-json');
INSERT INTO s SELECT product, COUNT(*) FROM orders GROUP BY product, customer ON CONFLICT DO DEDUPLICATE;
