CREATE TABLE ltz (
  symbol STRING, seq INT, price DOUBLE, ts0 TIMESTAMP(3), ts AS CAST(ts0 AS TIMESTAMP_LTZ(3)), pt AS PROCTIME(),
  WATERMARK FOR ts AS ts - INTERVAL '20' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/ticks.csv', 'format' = 'csv');
SELECT * FROM ltz MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY pt MEASURES A.seq AS x, B.seq AS y PATTERN (A B) DEFINE B AS B.price > A.price) AS m;
SELECT * FROM ltz MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY pt MEASURES A.seq AS x, B.seq AS y PATTERN (A B) WITHIN INTERVAL '1' HOUR DEFINE B AS B.price > A.price) AS m;
