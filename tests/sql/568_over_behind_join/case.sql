CREATE TABLE orders (
  order_id INT, customer STRING, product STRING, amount DECIMAL(10, 2), qty INT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv');
CREATE TABLE customers (name STRING, city STRING, age INT)
WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/customers.csv', 'format' = 'csv');
CREATE VIEW j AS SELECT o.order_id, o.ts, c.city FROM orders o JOIN customers c ON o.customer = c.name;
SELECT city, order_id, COUNT(*) OVER (PARTITION BY city ORDER BY ts) n FROM j;
SELECT TUMBLE_START(ts, INTERVAL '10' SECOND) w, COUNT(*) c FROM j GROUP BY TUMBLE(ts, INTERVAL '10' SECOND);
