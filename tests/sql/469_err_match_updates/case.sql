CREATE TABLE ticks (
  symbol STRING, seq INT, price DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '20' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/ticks.csv', 'format' = 'csv');
SELECT * FROM (SELECT symbol, COUNT(*) AS c, MAX(ts) AS ts FROM ticks GROUP BY symbol) MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts MEASURES A.c AS x PATTERN (A B) DEFINE B AS B.c > 3) AS m;
