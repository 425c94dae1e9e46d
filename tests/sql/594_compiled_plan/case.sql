CREATE TABLE orders (
  order_id INT, customer STRING, product STRING, amount DECIMAL(10, 2), qty INT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv');
CREATE TABLE counts (product STRING, n INT) WITH ('connector' = 'filesystem', 'path' = '${OUT_DIR}/x', 'format' = 'csv');
COMPILE PLAN '${OUT_DIR}/plan.json' IF NOT EXISTS FOR INSERT INTO counts SELECT product, qty * 2 FROM orders WHERE qty > 2;
COMPILE PLAN '${OUT_DIR}/plan.json' IF NOT EXISTS FOR INSERT INTO counts SELECT product, 0 FROM orders;
EXECUTE PLAN '${OUT_DIR}/plan.json';
SELECT * FROM counts;
