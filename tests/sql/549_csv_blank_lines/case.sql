CREATE TABLE t1 (a STRING) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/one.csv', 'format' = 'csv');
CREATE TABLE t2 (a STRING, b INT) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/blank.csv', 'format' = 'csv', 'csv.ignore-parse-errors' = 'true');
SELECT * FROM t1;
SELECT * FROM t2;
