-- memory: 260m
-- Nine million groups of one row each, with a value of 110 bytes.
CREATE TABLE t (k BIGINT, v BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '100000000', 'number-of-rows' = '9000000', 'fields.k.kind' = 'sequence', 'fields.k.start' = '1', 'fields.k.end' = '9000000', 'fields.v.min' = '1', 'fields.v.max' = '1000');
CREATE TABLE s (k BIGINT, n BIGINT, m STRING) WITH ('connector' = 'blackhole');
INSERT INTO s SELECT k, COUNT(*), MAX(REPEAT('x', 100) || CAST(k AS STRING)) FROM t GROUP BY k;
