//! `weir check` on what people write: what is accepted, what is understood as
//! something else, what is refused, each with its place and the fix.

use std::io::Write;
use std::process::{Command, Stdio};

struct Checked {
    good: bool,
    err: String,
    out: String,
}

/// Checks a script.
fn check(sql: &str) -> Checked {
    let mut child = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["check", "-", "--print"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("weir starts");
    child.stdin.take().expect("stdin").write_all(sql.as_bytes()).expect("write");
    let o = child.wait_with_output().expect("weir ends");
    Checked {
        good: o.status.success(),
        err: String::from_utf8_lossy(&o.stderr).into_owned(),
        out: String::from_utf8_lossy(&o.stdout).split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

/// A script that is accepted, with these pieces among its findings and in the canonical form.
fn accepted(sql: &str, findings: &[&str], canonical: &[&str]) {
    let c = check(sql);
    assert!(c.good, "{sql}\n{}", c.err);
    for f in findings {
        assert!(c.err.contains(f), "no '{f}' in\n{}", c.err);
    }
    for f in canonical {
        assert!(c.out.contains(f), "no '{f}' in\n{}", c.out);
    }
}

/// A script that is refused, with these pieces among its findings.
fn refused(sql: &str, findings: &[&str]) {
    let c = check(sql);
    assert!(!c.good, "{sql}\n{}", c.err);
    for f in findings {
        assert!(c.err.contains(f), "no '{f}' in\n{}", c.err);
    }
}

const EVENTS: &str = "CREATE TABLE events (id BIGINT, k STRING, start_ts BIGINT, ts_second BIGINT, amount DOUBLE) WITH ('connector' = 'datagen');\n";
const DIM: &str = "CREATE TABLE dim (k STRING, is_deleted TINYINT, name STRING) WITH ('connector' = 'jdbc', 'url' = 'jdbc:mysql://h/d', 'table-name' = 'dim', 'connection.pool.max-size' = '20');\n";
const SINK: &str =
    "CREATE TABLE sink (total BIGINT, auto BIGINT) WITH ('connector' = 'blackhole');\n";

#[test]
fn other_spellings_of_options_are_named() {
    accepted(
        "CREATE TABLE t (a INT) WITH ('connector' = 'kafka', 'topic' = 't', 'startup-mode' = 'earliest-offset', 'format' = 'json')",
        &[
            "'startup-mode'",
            "write 'scan.startup.mode' = 'earliest-offset'",
            "properties.bootstrap.servers",
        ],
        &["'scan.startup.mode' = 'earliest-offset'"],
    );
    accepted(
        "CREATE TABLE t (a INT) WITH ('connector' = 'fluss', 'table-path' = 's3://b/t', 'format' = 'columnar', 'write.flush-interval' = '5s', 'lookup.cache.enabled' = 'true')",
        &["no option of connector 'fluss'"],
        &[
            "WITH ( 'connector' = 'fluss', 'table.log.format' = 'ARROW', 'client.writer.batch-timeout' = '5s', 'lookup.cache' = 'PARTIAL' )",
        ],
    );
    accepted(
        "CREATE TABLE t (a INT) WITH ('connector' = 'doris', 'fenodes' = 'fe:8030', 'table.identifier' = 'default_cluster.dws.t', 'username' = 'u', 'password' = 'geheim', 'sink.batch.size' = '100', 'sink.batch.interval' = '10s')",
        &["sink.buffer-flush.max-rows"],
        &["'table.identifier' = 'dws.t'", "'sink.buffer-flush.interval' = '10s'"],
    );
    accepted(
        "SET 'table.optimizer.delta-join.enabled' = 'true'",
        &["table.optimizer.delta-join.strategy"],
        &["'AUTO'"],
    );
    accepted(
        "CREATE TABLE t (a INT) WITH ('connector' = 'filesystem', 'path' = '/tmp/x', 'format' = 'text')",
        &["write 'format' = 'raw'"],
        &["'format' = 'raw'"],
    );
}

#[test]
fn secrets_stay_out_of_findings() {
    let c = check(
        "CREATE CATALOG f WITH (\n'type' = 'fluss',\n'fluss.storage.s3.secret-key' = 'geheim');",
    );
    assert!(c.good && c.err.contains("secret-key") && !c.err.contains("geheim"), "{}", c.err);
}

#[test]
fn lake_options_of_other_spellings() {
    accepted(
        "CREATE TABLE t (a INT) WITH ('connector' = 'paimon', 'path' = '/tmp/t', 'compaction.strategy' = 'universal', 'compaction.max.file-size' = '128mb', 'scan.mode' = 'compiled', 'scan.snapshot-id' = 'null')",
        &["selects nothing"],
        &[
            "WITH ( 'connector' = 'paimon', 'path' = '/tmp/t', 'target-file-size' = '128mb', 'scan.mode' = 'compacted-full' )",
        ],
    );
}

#[test]
fn unknown_options_are_refused_with_the_nearest() {
    refused(
        "CREATE TABLE t (a INT) WITH (\n'connector' = 'doris',\n'fenode' = 'x')",
        &["unknown option 'fenode' of connector 'doris'", "did you mean 'fenodes'?"],
    );
    refused(
        "CREATE TABLE t (a INT) WITH (\n'connector' = 'datagen',\n'rows-per-secnd' = '1')",
        &[":3:1", "did you mean 'rows-per-second'?"],
    );
    refused(
        "CREATE TABLE t (a INT) WITH (\n'connector' = 'paimon', 'path' = '/tmp/t',\n'bucktet' = '1')",
        &["did you mean 'bucket'?"],
    );
}

#[test]
fn models_and_inference() {
    let model = "CREATE TABLE s (id STRING, address STRING) WITH ('connector' = 'datagen');
CREATE MODEL m INPUT (address STRING) OUTPUT (score DOUBLE, flag BOOLEAN)
WITH ('provider' = 'openai', 'type' = 'remote', 'openai.endpoint' = 'https://h/v1/chat/completions', 'openai.api_key' = '${KEY}', 'model' = 'x');\n";
    accepted(
        &format!(
            "{model}SELECT id, r.score FROM ML_PREDICT(INPUT => TABLE s, MODEL => MODEL m, ARGS => DESCRIPTOR(address), CONFIG => MAP['batch_size', '5']) AS r WHERE r.score > 0.5"
        ),
        &["'batch_size'"],
        &["'endpoint' = 'https", "'api-key' = '${KEY}'", "MAP['batch-size', '5']"],
    );
    accepted(
        &format!(
            "{model}SELECT id, r.score, r.flag FROM (SELECT id, r FROM ML_PREDICT(TABLE s, MODEL m, DESCRIPTOR(address)) AS r) WHERE r.score < 0.8 OR r.flag = true"
        ),
        &[],
        &[
            "SELECT id, score, flag FROM (SELECT id, r.score, r.flag",
            "WHERE score < 0.8 OR flag = TRUE",
        ],
    );
    refused(
        &format!("{model}SELECT * FROM ML_PREDICT(TABLE s, MODEL m, DESCRIPTOR(adress))"),
        &["Column 'adress' not found in the input of ML_PREDICT"],
    );
}

#[test]
fn functions_of_hive_and_mysql_are_rewritten() {
    accepted(
        &format!(
            "{EVENTS}SELECT DATE(FROM_UNIXTIME(ts_second)) AS d FROM events WHERE ts_second >= UNIX_TIMESTAMP(DATE_SUB(CURRENT_DATE, 1)) AND start_ts < UNIX_TIMESTAMP(CURRENT_TIMESTAMP - INTERVAL '6' HOUR) * 1000 AND ts_second < UNIX_TIMESTAMP('2025-01-01')"
        ),
        &[],
        &[
            "CAST(TO_TIMESTAMP(FROM_UNIXTIME(ts_second)) AS DATE) AS d",
            "UNIX_TIMESTAMP(CAST(CURRENT_DATE - INTERVAL '1' DAY AS STRING), 'yyyy-MM-dd')",
            "UNIX_TIMESTAMP(DATE_FORMAT(CURRENT_TIMESTAMP - INTERVAL '6' HOUR, 'yyyy-MM-dd HH:mm:ss'))",
            "UNIX_TIMESTAMP('2025-01-01', 'yyyy-MM-dd')",
        ],
    );
}

#[test]
fn lookups_as_of_proctime_and_flags() {
    accepted(
        &format!(
            "{EVENTS}{DIM}SELECT e.id, d.name FROM events e LEFT JOIN dim FOR SYSTEM_TIME AS OF PROCTIME() AS d ON e.k = d.k AND d.is_deleted = false"
        ),
        &[],
        &[
            "(SELECT *, PROCTIME() AS proc_time FROM events) AS e",
            "FOR SYSTEM_TIME AS OF e.proc_time",
        ],
    );
}

#[test]
fn doris_tables_and_templates() {
    accepted(
        "CREATE TABLE t (d DATE, k STRING) ENGINE=OLAP DUPLICATE KEY(d) PARTITION BY RANGE(d) (PARTITION p VALUES [(\"2025-01-01\"), (\"2025-02-01\"))) DISTRIBUTED BY HASH(k) BUCKETS 4 PROPERTIES (\"replication_num\" = \"3\");",
        &["a Doris table"],
        &["'connector' = 'doris'"],
    );
    accepted(
        "INSERT INTO {result} SELECT a FROM {source} s WHERE s.ds = '{{ ds }}'",
        &["'{result}' is not declared"],
        &["INSERT INTO {result}"],
    );
}

#[test]
fn variant_paths() {
    accepted(
        "CREATE TABLE t (v VARIANT) WITH ('connector' = 'paimon', 'path' = '/tmp/v'); SELECT v:a, v:b[0]:c FROM t WHERE v:status = 'active'",
        &["reads a VARIANT"],
        &["v['a']", "v['b'][1]['c']"],
    );
}

#[test]
fn names_out_of_reach_are_qualified() {
    accepted(
        &format!(
            "{EVENTS}CREATE CATALOG lake WITH ('type' = 'paimon', 'warehouse' = '/tmp/w'); USE CATALOG lake; CREATE TABLE t (id BIGINT) WITH ('bucket' = '1'); INSERT INTO t SELECT id FROM events"
        ),
        &[],
        &["FROM default_catalog.default_database.events"],
    );
}

#[test]
fn missing_columns_are_found_all_at_once() {
    refused(
        &format!(
            "{EVENTS}SELECT route_name, AVG(speed) FROM events e LEFT JOIN events m ON e.id = m.route_code GROUP BY route_name"
        ),
        &["'route_name' not found", "'speed' not found", "'m.route_code' not found"],
    );
}

#[test]
fn a_missing_column_names_the_tables_that_have_it() {
    let tables = "CREATE TABLE pose (car_id STRING, timestamp_ms BIGINT, velocity DOUBLE) WITH ('connector' = 'datagen');
        CREATE TABLE trip (trip_id INT, car_id STRING) WITH ('connector' = 'datagen');\n";
    refused(
        &format!("{tables}SELECT car_id, SUM(velocity) FROM trip GROUP BY car_id"),
        &["'velocity' not found", "velocity is a column of pose (join on car_id)"],
    );
    refused(
        &format!("{tables}SELECT car_id, ts_second FROM pose"),
        &["'ts_second' not found", "write FLOOR(timestamp_ms / 1000) AS ts_second"],
    );
}

#[test]
fn count_mismatch_and_swapped_columns() {
    refused(
        &format!("{EVENTS}{SINK}INSERT INTO sink SELECT * FROM events"),
        &["Different number of columns", "BY NAME"],
    );
    accepted(
        &format!("{EVENTS}{SINK}INSERT INTO sink SELECT id AS auto, start_ts AS total FROM events"),
        &["query column 'auto' is written to column 'total'", "BY NAME"],
        &[],
    );
}

#[test]
fn wrong_epoch_units() {
    accepted(
        &format!(
            "{EVENTS}SELECT FROM_UNIXTIME(start_ts) FROM events WHERE start_ts >= UNIX_TIMESTAMP() * 1000"
        ),
        &["wrong epoch unit", "FROM_UNIXTIME(start_ts / 1000)"],
        &[],
    );
    accepted(
        "CREATE TABLE t (timestamp_ms BIGINT, e AS TO_TIMESTAMP_LTZ(timestamp_ms, 0)) WITH ('connector' = 'datagen')",
        &["wrong epoch unit", "TO_TIMESTAMP_LTZ(timestamp_ms, 3)"],
        &[],
    );
    let c = check(&format!("{EVENTS}SELECT TO_TIMESTAMP_LTZ(ts_second, 0) FROM events"));
    assert!(!c.err.contains("epoch"), "{}", c.err);
}

#[test]
fn outer_joins_undone_by_where() {
    accepted(
        &format!(
            "{EVENTS}{DIM}SELECT e.id FROM events e LEFT JOIN dim d ON e.k = d.k WHERE d.is_deleted = 0"
        ),
        &["the LEFT JOIN is undone by WHERE", "into the ON condition of 'd'"],
        &[],
    );
    let c = check(&format!(
        "{EVENTS}{DIM}SELECT e.id FROM events e LEFT JOIN dim d ON e.k = d.k WHERE d.k IS NULL"
    ));
    assert!(!c.err.contains("undone"), "{}", c.err);
}

#[test]
fn predicates_that_are_never_true() {
    for predicate in [
        "id = NULL",
        "id = 1 AND id = 2",
        "amount > 10 AND amount < 5",
        "id BETWEEN 9 AND 1",
        "start_ts > (SELECT MAX(start_ts) FROM events)",
    ] {
        accepted(
            &format!("{EVENTS}SELECT id FROM events WHERE {predicate}"),
            &["never be true"],
            &[],
        );
    }
    let c = check(&format!(
        "{EVENTS}SELECT id FROM events WHERE amount > 5 AND amount < 10 AND id = 1"
    ));
    assert!(!c.err.contains("never"), "{}", c.err);
}

#[test]
fn updates_into_a_table_without_key() {
    accepted(
        &format!(
            "{EVENTS}CREATE TABLE d (k STRING, n BIGINT) WITH ('connector' = 'doris', 'fenodes' = 'h:1', 'table.identifier' = 'a.b'); INSERT INTO d SELECT k, COUNT(*) FROM events GROUP BY k"
        ),
        &["become duplicate rows", "UNIQUE KEY"],
        &[],
    );
}

#[test]
fn a_table_declared_twice() {
    accepted(
        "CREATE TABLE t (a INT) WITH ('connector' = 'datagen');\nCREATE TABLE IF NOT EXISTS t (a BIGINT, b INT) WITH ('connector' = 'datagen');",
        &["declared twice", "a: INT / BIGINT", "+ b INT", "first at line 1"],
        &[],
    );
}

#[test]
fn a_sink_that_nothing_declares_comes_with_its_table() {
    refused(
        &format!("{EVENTS}INSERT INTO bought SELECT id, k FROM events"),
        &["Cannot find table", "CREATE TABLE bought (`id` BIGINT, `k` STRING)"],
    );
}

#[test]
fn what_reads_itself_or_calls_what_nobody_registered() {
    refused(
        "CREATE TABLE p SELECT id FROM p",
        &["created from a query that reads p itself", "CREATE TABLE p_new"],
    );
    refused(
        "UPDATE t SET id = to_id(id)",
        &["function signature to_id", "CREATE TEMPORARY FUNCTION to_id"],
    );
}

#[test]
fn nothing_of_a_script_runs_when_its_end_is_wrong() {
    let dir = std::env::temp_dir().join(format!("weir-first-{}", std::process::id()));
    let sql = format!(
        "CREATE TABLE o (a INT) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv'); INSERT INTO o VALUES (1); SELECT nope FROM o;",
        dir.display()
    );
    let o = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["run", "-e", &sql])
        .output()
        .expect("weir starts");
    assert!(!o.status.success() && !dir.exists());
    assert!(String::from_utf8_lossy(&o.stderr).contains("'nope' not found"));
}

#[test]
fn effects_of_earlier_statements_count() {
    let o = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["run", "--format", "csv", "-e", "SET 'execution.runtime-mode' = 'batch'; CREATE DATABASE d; USE d; CREATE VIEW v AS SELECT 1 AS a; DROP VIEW v; CREATE VIEW v AS SELECT 2 AS b; SELECT b FROM v; SELECT b FROM d.v ORDER BY b"])
        .output()
        .expect("weir starts");
    assert_eq!(
        String::from_utf8_lossy(&o.stdout),
        "b\n2\n---\nb\n2\n",
        "{}",
        String::from_utf8_lossy(&o.stderr)
    );
}

#[test]
fn the_blocks_of_a_document_may_show_a_table_twice() {
    let sql = "# 文档\n```sql\nCREATE TABLE o (a INT, t AS PROCTIME()) WITH ('connector' = 'print')\n```\n```sql\nCREATE CATALOG c WITH ('type' = 'paimon', 'warehouse' = '/tmp/w');\nCREATE TABLE s (a INT, b INT) WITH ('connector' = 'datagen');\nCREATE TABLE IF NOT EXISTS c.`default`.o (a INT, b INT);\nUSE CATALOG c;\nINSERT INTO o SELECT * FROM s;\n```\n```sql\nCREATE CATALOG c WITH ('type' = 'paimon', 'warehouse' = '/tmp/w');\n```\n";
    accepted(
        sql,
        &["as declared at line 3 has 1 columns to write, but the query has 2", "declared twice"],
        &[],
    );
}

#[test]
fn functions_modules_and_replaced_tables() {
    let o = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["run", "--format", "csv", "-e", "CREATE FUNCTION f AS 'a.B' LANGUAGE PYTHON; SHOW USER FUNCTIONS; DESCRIBE FUNCTION f; DROP FUNCTION f; SHOW USER FUNCTIONS; SHOW FULL MODULES; CREATE OR REPLACE TABLE t WITH ('connector' = 'blackhole') AS SELECT 1 AS a; CREATE OR REPLACE TABLE t WITH ('connector' = 'blackhole') AS SELECT 'x' AS b; DESCRIBE t;"])
        .output()
        .expect("weir starts");
    let out = String::from_utf8_lossy(&o.stdout).into_owned();
    assert!(o.status.success(), "{}", String::from_utf8_lossy(&o.stderr));
    assert!(out.starts_with("function name\nf\n---\ninfo name,info value\n"), "{out}");
    assert!(out.contains("class name,a.B") && out.contains("module name,used\ncore,TRUE"), "{out}");
    assert!(out.ends_with("name,type,null,key,extras,watermark\nb,CHAR(1),FALSE,,,\n"), "{out}");
}

#[test]
fn explain_has_the_sections_of_flink() {
    let o = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args([
            "run",
            "-e",
            "EXPLAIN JSON_EXECUTION_PLAN SELECT a FROM (VALUES (1)) AS t(a) WHERE a > 0",
        ])
        .output()
        .expect("weir starts");
    let out = String::from_utf8_lossy(&o.stdout).into_owned();
    for section in [
        "Abstract Syntax Tree",
        "Optimized Physical Plan",
        "Optimized Execution Plan",
        "Physical Execution Plan",
    ] {
        assert!(out.contains(&format!("== {section} ==")), "{out}");
    }
}

#[test]
fn show_create_masks_secrets() {
    let o = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["run", "-e", "CREATE MODEL m WITH ('provider' = 'openai', 'api-key' = 'geheim'); SHOW CREATE MODEL m"])
        .output()
        .expect("weir starts");
    let out = String::from_utf8_lossy(&o.stdout).into_owned();
    assert!(out.contains("'api-key' = '******'") && !out.contains("geheim"), "{out}");
}
