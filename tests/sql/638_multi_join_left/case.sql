SET 'table.optimizer.multi-join.enabled' = 'true';
CREATE TABLE a (k INT, va INT, sa STRING) WITH ('connector'='filesystem','path'='${CASE_DIR}/a.csv','format'='csv','csv.null-literal'='');
CREATE TABLE b (k INT, vb INT, sb STRING) WITH ('connector'='filesystem','path'='${CASE_DIR}/b.csv','format'='csv','csv.null-literal'='');
CREATE TABLE c (k INT, vc INT, sc STRING) WITH ('connector'='filesystem','path'='${CASE_DIR}/c.csv','format'='csv','csv.null-literal'='');
SELECT a.k, va, vb, vc FROM a LEFT JOIN b ON a.k=b.k AND vb>100 LEFT JOIN c ON a.k=c.k AND vc > va - 5;
SELECT a.k, va, vb, vc FROM a LEFT JOIN b ON a.k=b.k LEFT JOIN c ON b.k=c.k;
