CREATE TABLE s (a INT, p STRING) PARTITIONED BY (p) WITH ('connector' = 'filesystem', 'path' = '${OUT_DIR}/x', 'format' = 'csv');
ALTER TABLE s ADD PARTITION (p = 'k');
ALTER TABLE s ADD PARTITION (p = 'k');
