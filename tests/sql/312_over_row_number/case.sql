CREATE TABLE ticks (symbol STRING, seq INT, price DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '20' SECOND) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/ticks.csv', 'format' = 'csv');
SELECT symbol, seq, ROW_NUMBER() OVER (PARTITION BY symbol ORDER BY ts) AS r FROM ticks;
