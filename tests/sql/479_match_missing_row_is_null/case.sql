-- Flink yields -1 and says INT NOT NULL
CREATE TABLE nn (
  symbol STRING NOT NULL, seq INT NOT NULL, price DOUBLE NOT NULL, ts TIMESTAMP(3) NOT NULL,
  WATERMARK FOR ts AS ts - INTERVAL '20' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/ticks.csv', 'format' = 'csv');
SELECT * FROM nn MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts MEASURES A.seq AS a, LAST(B.seq) AS b, LAST(B.seq, 1) AS b1 ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN (A B+ C) DEFINE B AS B.price > 3, C AS C.price < 25) AS m;
