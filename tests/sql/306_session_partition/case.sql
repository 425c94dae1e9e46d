CREATE TABLE clicks (usr STRING, page STRING, ts TIMESTAMP(3), n INT, WATERMARK FOR ts AS ts - INTERVAL '2' SECOND) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/clicks.csv', 'format' = 'csv');
SELECT window_start, window_end, usr, COUNT(*) AS c FROM TABLE(SESSION(TABLE clicks PARTITION BY usr, DESCRIPTOR(ts), INTERVAL '6' SECOND)) GROUP BY window_start, window_end, usr;
