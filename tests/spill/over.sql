-- memory: 100m
-- An unbounded OVER window per key, two million rows over a million keys in random order.
CREATE TABLE t (k BIGINT, v BIGINT, i BIGINT, ts AS TO_TIMESTAMP_LTZ(i, 3), WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen', 'rows-per-second' = '100000000', 'number-of-rows' = '2000000', 'fields.k.min' = '1', 'fields.k.max' = '1000000', 'fields.v.min' = '1', 'fields.v.max' = '1000', 'fields.i.kind' = 'sequence', 'fields.i.start' = '1', 'fields.i.end' = '2000000');
CREATE TABLE s (k BIGINT, n BIGINT, v BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO s SELECT k, COUNT(*) OVER w, SUM(v) OVER w FROM t WINDOW w AS (PARTITION BY k ORDER BY ts RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW);
