CREATE TABLE two (a STRING, b INT) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/blank.csv', 'format' = 'csv');
SELECT * FROM two;
