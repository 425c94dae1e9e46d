CREATE TABLE clicks (
  usr STRING, page STRING, ts TIMESTAMP(3), n INT,
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/clicks.csv', 'format' = 'csv');
CREATE VIEW u AS SELECT usr, ts, n FROM clicks WHERE n < 6 UNION ALL SELECT usr, ts, n FROM clicks WHERE n > 8;
SELECT window_start, COUNT(*) c FROM TABLE(TUMBLE(TABLE u, DESCRIPTOR(ts), INTERVAL '20' SECOND)) GROUP BY window_start, window_end;
SELECT usr, n * 2 AS n FROM clicks WHERE n < 3 UNION ALL SELECT page, n FROM clicks UNION ALL SELECT 'x', n + 1 FROM clicks WHERE page = 'd';
SELECT usr FROM clicks WHERE n < 6 UNION SELECT page FROM clicks WHERE n > 8;
