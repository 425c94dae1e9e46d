CREATE TABLE a (k INT, va INT, sa STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH ('connector'='filesystem','path'='${CASE_DIR}/a.csv','format'='csv','csv.null-literal'='');
CREATE TABLE b (k INT, vb INT, sb STRING) WITH ('connector'='filesystem','path'='${CASE_DIR}/b.csv','format'='csv','csv.null-literal'='');
CREATE TABLE c (k INT, vc INT, sc STRING) WITH ('connector'='filesystem','path'='${CASE_DIR}/c.csv','format'='csv','csv.null-literal'='');
SELECT a.k, va, vb FROM a JOIN b ON a.k=b.k AND EXISTS (SELECT 1 FROM c WHERE c.k = a.k);
SELECT a.k, va, vb FROM a JOIN b ON a.k=b.k AND a.va > (SELECT MIN(vc) FROM c);
SELECT a.k, va, vb FROM a LEFT JOIN b ON a.k=b.k AND a.va > (SELECT MIN(vc) + 4 FROM c);
SELECT a.k, va, vb FROM a JOIN b ON a.va * 10 = b.vb AND b.vb = (SELECT MAX(vc) + 88 FROM c);
