CREATE TABLE raw2 (id INT, kind STRING, name STRING) WITH ('connector' = 'filesystem', 'path' = '${CASE_DIR}/d.csv', 'format' = 'csv');
SELECT * FROM FROM_CHANGELOG(input => TABLE raw2, op => DESCRIPTOR(kind), op_mapping => MAP['u+','UPDATE_AFTER','c','INSERT']);
