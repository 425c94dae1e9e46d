CREATE TABLE clicks (usr STRING, page STRING, ts TIMESTAMP(3), n INT, WATERMARK FOR ts AS ts - INTERVAL '2' SECOND) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/clicks.csv', 'format' = 'csv');
SELECT TUMBLE_START(ts, INTERVAL '10' SECOND) AS s, TUMBLE_END(ts, INTERVAL '10' SECOND) AS e, usr, MAX(n) AS m FROM clicks GROUP BY TUMBLE(ts, INTERVAL '10' SECOND), usr;
