CREATE TABLE raw_changes (id INT, op STRING, name STRING) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/c.csv', 'format' = 'csv');
SELECT * FROM FROM_CHANGELOG(TABLE raw_changes);
SELECT name, COUNT(*) AS c FROM FROM_CHANGELOG(input => TABLE raw_changes) GROUP BY name;
