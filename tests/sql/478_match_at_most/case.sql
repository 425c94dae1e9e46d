-- Flink refuses {,m}, which its documentation has; these are its rows for {0,m}
CREATE TABLE ticks (
  symbol STRING, seq INT, price DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '20' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/ticks.csv', 'format' = 'csv');
SELECT * FROM ticks MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts MEASURES A.seq AS a, FIRST(B.seq) AS b1, LAST(B.seq) AS b2, COUNT(B.seq) AS n, C.seq AS c ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN (A B{,2} C)  DEFINE A AS A.price > 10, B AS B.price < 26, C AS C.price > 12) AS m;
