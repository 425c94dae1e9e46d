CREATE TABLE raw_changes (id INT, op STRING, name STRING) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/c.csv', 'format' = 'csv');
CREATE VIEW agg AS SELECT name, COUNT(*) AS c FROM raw_changes GROUP BY name;
CREATE VIEW topn AS SELECT id, name FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY id ORDER BY name DESC) AS rn FROM raw_changes) WHERE rn = 1;
SELECT * FROM TO_CHANGELOG(input => TABLE raw_changes, op => DESCRIPTOR(k));
SELECT * FROM TO_CHANGELOG(input => TABLE agg);
SELECT * FROM TO_CHANGELOG(input => TABLE topn);
SELECT * FROM TO_CHANGELOG(input => TABLE agg, op_mapping => MAP['INSERT','I','UPDATE_AFTER','U','DELETE','D']);
SELECT * FROM TO_CHANGELOG(input => TABLE agg, op_mapping => MAP['INSERT,UPDATE_AFTER','U','UPDATE_BEFORE,DELETE','D']);
SELECT op, id FROM TO_CHANGELOG(input => TABLE topn, op_mapping => MAP['INSERT, UPDATE_AFTER','U','DELETE','D']);
