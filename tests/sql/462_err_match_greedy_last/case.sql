CREATE TABLE ticks (
  symbol STRING, seq INT, price DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '20' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/ticks.csv', 'format' = 'csv');
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts MEASURES A.seq AS x ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN (A B*)  DEFINE A AS A.price > 3) AS m;
