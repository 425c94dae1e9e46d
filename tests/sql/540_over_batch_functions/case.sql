SET 'execution.runtime-mode' = 'batch';
CREATE TABLE ticks (
  symbol STRING, seq INT, price DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '20' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/ticks.csv', 'format' = 'csv');
SELECT symbol, seq, LEAD(price) OVER (PARTITION BY symbol ORDER BY ts) AS a, LEAD(price, 2, -1.0) OVER (PARTITION BY symbol ORDER BY ts) AS b, LAG(price, 1) OVER (PARTITION BY symbol ORDER BY ts) AS c, RANK() OVER (PARTITION BY symbol ORDER BY ts) AS d, DENSE_RANK() OVER (PARTITION BY symbol ORDER BY ts) AS e, NTILE(3) OVER (PARTITION BY symbol ORDER BY ts) AS f, PERCENT_RANK() OVER (PARTITION BY symbol ORDER BY ts) AS g, CUME_DIST() OVER (PARTITION BY symbol ORDER BY ts) AS h, ROW_NUMBER() OVER (PARTITION BY symbol ORDER BY ts) AS i FROM ticks;
SELECT symbol, seq, LAG(symbol, 2, 'none') OVER (PARTITION BY symbol ORDER BY ts) AS x FROM ticks;
