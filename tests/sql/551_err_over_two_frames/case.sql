CREATE TABLE ticks (
  symbol STRING, seq INT, price DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '20' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/ticks.csv', 'format' = 'csv');
SELECT LAG(price) OVER (PARTITION BY symbol ORDER BY ts) AS a, SUM(price) OVER (PARTITION BY symbol ORDER BY ts ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS b FROM ticks;
