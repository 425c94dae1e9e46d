CREATE TABLE t (a STRING, f STRING NOT NULL METADATA FROM 'file.name' VIRTUAL) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/customers.csv', 'format' = 'raw');
SELECT CHAR_LENGTH(a) > 3 AS l, f FROM t;
