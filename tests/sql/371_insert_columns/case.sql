CREATE TABLE s (a INT, b STRING, c DOUBLE) WITH ('connector' = 'filesystem', 'path' = '${OUT_DIR}/y', 'format' = 'json');
INSERT INTO s (c, a) VALUES (1.5, 1), (2, 2);
SELECT * FROM s;
