CREATE TABLE o2 (a INT, b STRING, c ARRAY<INT>) WITH ('connector' = 'filesystem', 'path' = '${OUT_DIR}/x', 'format' = 'csv', 'csv.field-delimiter' = '|', 'csv.null-literal' = 'N', 'csv.array-element-delimiter' = ';');
INSERT INTO o2 VALUES (1, 'x|y', ARRAY[1, 2]), (2, CAST(NULL AS STRING), ARRAY[3]);
SELECT * FROM o2;
