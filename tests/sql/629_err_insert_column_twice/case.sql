CREATE TABLE s (a INT, b INT) WITH ('connector' = 'filesystem', 'path' = '${OUT_DIR}/s', 'format' = 'csv');
INSERT INTO s (a, a) VALUES (1, 2);
