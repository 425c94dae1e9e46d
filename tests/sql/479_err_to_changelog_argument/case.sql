CREATE TABLE t (id INT, name STRING) WITH ('connector' = 'datagen', 'number-of-rows' = '1');
SELECT * FROM TO_CHANGELOG(input => TABLE t, operation => 1);
