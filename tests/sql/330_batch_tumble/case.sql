SET 'execution.runtime-mode' = 'batch';
CREATE TABLE clicks (usr STRING, page STRING, ts TIMESTAMP(3), n INT, WATERMARK FOR ts AS ts - INTERVAL '2' SECOND) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/clicks.csv', 'format' = 'csv');
SELECT window_start, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '20' SECOND)) GROUP BY window_start, window_end;
