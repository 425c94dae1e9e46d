CREATE TABLE ticks (
  symbol STRING, seq INT, price DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '20' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/ticks.csv', 'format' = 'csv');
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts MEASURES SUM(A.price + B.price) AS c ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN (A B+ C)  DEFINE B AS B.price > 3, C AS C.price < 25) AS m;
