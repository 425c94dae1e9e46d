CREATE TABLE orders (
  order_id INT, customer STRING, product STRING, amount DECIMAL(10, 2), qty INT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv');
CREATE TABLE s (a INT) WITH ('connector' = 'filesystem', 'path' = '${OUT_DIR}/x', 'format' = 'csv');
INSERT INTO s SELECT COUNT(*) FROM orders;
