-- memory: 80m
-- Windows whose three million rows have one and a half million keys in random order.
CREATE TABLE t (k BIGINT, v BIGINT, i BIGINT, ts AS TO_TIMESTAMP_LTZ(i, 3), WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen', 'rows-per-second' = '100000000', 'number-of-rows' = '3000000', 'fields.k.min' = '1', 'fields.k.max' = '1500000', 'fields.v.min' = '1', 'fields.v.max' = '1000', 'fields.i.kind' = 'sequence', 'fields.i.start' = '1', 'fields.i.end' = '3000000');
CREATE TABLE s (k BIGINT, w TIMESTAMP(3), n BIGINT, v BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO s SELECT k, window_end, COUNT(*), SUM(v) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY k, window_start, window_end;
