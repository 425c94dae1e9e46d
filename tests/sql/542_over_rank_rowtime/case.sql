CREATE TABLE ticks (
  symbol STRING, seq INT, price DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '20' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/ticks.csv', 'format' = 'csv');
CREATE TABLE ties (k STRING, v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/ties.csv', 'format' = 'csv');
SELECT k, v, RANK() OVER (PARTITION BY k ORDER BY ts) AS x, SUM(v) OVER (PARTITION BY k ORDER BY ts) AS y FROM ties;
SELECT symbol, seq, RANK() OVER (PARTITION BY symbol ORDER BY ts) AS a, DENSE_RANK() OVER (PARTITION BY symbol ORDER BY ts) AS b FROM ticks;
SELECT symbol, seq, LAG(symbol, 1, CAST('x' AS STRING)) OVER (PARTITION BY symbol ORDER BY ts) AS x FROM ticks;
