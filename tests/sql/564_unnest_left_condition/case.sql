CREATE TABLE orders (
  order_id INT, customer STRING, product STRING, amount DECIMAL(10, 2), qty INT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/orders.csv', 'format' = 'csv');
CREATE TABLE nested (
  id INT, tags ARRAY<STRING>, attrs MAP<STRING, INT>,
  pt ROW<lat DOUBLE, lon DOUBLE, name ROW<`first` STRING, `last` STRING>>,
  items ARRAY<ROW<sku STRING, qty INT>>
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/nested.json', 'format' = 'json');
SELECT o.order_id, t.x FROM orders o LEFT JOIN UNNEST(ARRAY[o.qty, o.order_id]) AS t(x) ON t.x > 4;
SELECT n.id, t.tag FROM nested n LEFT JOIN UNNEST(n.tags) AS t(tag) ON t.tag <> 'a';
