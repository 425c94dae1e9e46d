CREATE TABLE wproducts (id INT, name STRING, price DECIMAL(10, 2), ts TIMESTAMP(3), PRIMARY KEY (id) NOT ENFORCED, WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/products_cdc.json', 'format' = 'debezium-json');
SELECT window_start, window_end, COUNT(*) AS c, SUM(price) AS s, MIN(name) AS mn FROM TABLE(TUMBLE(TABLE wproducts, DESCRIPTOR(ts), INTERVAL '10' MINUTE)) GROUP BY window_start, window_end;
SELECT window_start, window_end, COUNT(*) AS c, MAX(price) AS s FROM TABLE(HOP(TABLE wproducts, DESCRIPTOR(ts), INTERVAL '5' MINUTE, INTERVAL '10' MINUTE)) GROUP BY window_start, window_end;
SELECT window_start, window_end, COUNT(*) AS c, MAX(price) AS s FROM TABLE(SESSION(TABLE wproducts, DESCRIPTOR(ts), INTERVAL '2' MINUTE)) GROUP BY window_start, window_end;
