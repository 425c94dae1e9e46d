SET 'table.optimizer.multi-join.enabled' = 'true';
CREATE TABLE a (k INT, va INT, sa STRING) WITH ('connector'='filesystem','path'='${CASE_DIR}/a.csv','format'='csv','csv.null-literal'='');
CREATE TABLE b (k INT, vb INT, sb STRING) WITH ('connector'='filesystem','path'='${CASE_DIR}/b.csv','format'='csv','csv.null-literal'='');
CREATE TABLE c (k INT, vc INT, sc STRING) WITH ('connector'='filesystem','path'='${CASE_DIR}/c.csv','format'='csv','csv.null-literal'='');
SELECT a.k, va, n, vc FROM a JOIN (SELECT k, COUNT(*) n FROM b GROUP BY k) b ON a.k=b.k LEFT JOIN c ON a.k=c.k;
SELECT g.k, g.n, h.m, c.vc FROM (SELECT k, SUM(va) n FROM a GROUP BY k) g LEFT JOIN (SELECT k, COUNT(*) m FROM b GROUP BY k) h ON g.k=h.k LEFT JOIN c ON g.k=c.k;
