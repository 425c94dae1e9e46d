-- memory: 80m
-- Two million rows over a million keys in random order: every second row finds its group on disk.
CREATE TABLE t (k BIGINT, v BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '100000000', 'number-of-rows' = '2000000', 'fields.k.min' = '1', 'fields.k.max' = '1000000', 'fields.v.min' = '1', 'fields.v.max' = '1000');
CREATE TABLE s (k BIGINT, n BIGINT, v BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO s SELECT k, COUNT(*), SUM(v) FROM t GROUP BY k;
