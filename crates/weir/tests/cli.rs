//! The command line as a user meets it: results, and errors that name the
//! statement, the option and the fix.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

fn weir(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_weir")).args(args).output().expect("weir starts")
}

fn run(sql: &str) -> Output {
    weir(&["run", "-e", sql, "--format", "csv"])
}

fn out(o: &Output) -> String {
    String::from_utf8_lossy(&o.stdout).into_owned()
}

fn err(o: &Output) -> String {
    String::from_utf8_lossy(&o.stderr).into_owned()
}

/// A folder of its own for one test.
fn scratch(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("weir-cli-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("scratch folder");
    dir
}

#[test]
fn results_are_csv_blocks() {
    let o = run("SELECT 1 AS a, '' AS b, CAST(NULL AS INT) AS c; SELECT 'x,y' AS d;");
    assert!(o.status.success(), "{}", err(&o));
    assert_eq!(out(&o), "a,b,c\n1,\"\",\n---\nd\n\"x,y\"\n");
}

#[test]
fn a_changelog_shows_row_kinds() {
    let sql = "SELECT g, SUM(x) AS s FROM (VALUES (1, 2), (1, 3)) AS t(g, x) GROUP BY g";
    let o = weir(&["run", "-e", sql, "--format", "changelog"]);
    assert!(out(&o).contains("+I[1, "), "{}", out(&o));
}

#[test]
fn cume_dist_beside_rank_counts_equal_rows() {
    let o = run("SET 'execution.runtime-mode' = 'batch';
        SELECT v, RANK() OVER (ORDER BY v) AS r, CUME_DIST() OVER (ORDER BY v) AS c
        FROM (VALUES (1), (2), (2), (3)) AS t(v)");
    assert!(o.status.success(), "{}", err(&o));
    assert_eq!(out(&o), "v,r,c\n1,1,0.25\n2,2,0.75\n2,2,0.75\n3,4,1.0\n");
}

#[test]
fn every_syntax_error_is_reported_before_anything_runs() {
    let o = run("SELECT 1; SELEC 2; SELECT FROM;");
    assert!(!o.status.success());
    assert_eq!(out(&o), "");
    assert_eq!(err(&o).matches("SQL parse failed").count(), 2, "{}", err(&o));
}

#[test]
fn an_unknown_column_is_shown_with_its_place() {
    let o = run("SELECT a,\n  bee FROM (VALUES (1, 2)) AS t(a, bet)");
    let e = err(&o);
    assert!(e.contains(":2:3") && e.contains("did you mean `bet`"), "{e}");
}

#[test]
fn an_unknown_option_names_the_nearest() {
    let o = run(
        "CREATE TABLE t (a INT) WITH ('connector' = 'datagen', 'number-of-row' = '1'); SELECT * FROM t;",
    );
    assert!(!o.status.success());
    assert!(err(&o).contains("number-of-rows"), "{}", err(&o));
}

#[test]
fn a_missing_file_is_an_error() {
    let o = run(
        "CREATE TABLE t (a INT) WITH ('connector' = 'filesystem', 'path' = '/nowhere/at/all', 'format' = 'csv'); SELECT * FROM t;",
    );
    assert!(!o.status.success());
    assert!(err(&o).contains("/nowhere/at/all"), "{}", err(&o));
}

#[test]
fn a_wrong_broker_is_an_error_within_seconds() {
    let start = Instant::now();
    let o = run(
        "CREATE TABLE t (a INT) WITH ('connector' = 'kafka', 'topic' = 't', 'properties.bootstrap.servers' = '127.0.0.1:1', 'format' = 'json', 'scan.startup.mode' = 'earliest-offset'); SELECT * FROM t;",
    );
    assert!(!o.status.success());
    assert!(err(&o).contains("properties.bootstrap.servers"), "{}", err(&o));
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn malformed_json_fails_or_is_skipped_as_told() {
    let dir = scratch("json");
    fs::write(dir.join("t.json"), "{\"a\":1}\n{oops\n{\"a\":3}\n").expect("write");
    let table = |more: &str| {
        format!(
            "CREATE TABLE t (a INT) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'json'{more}); SELECT a FROM t;",
            dir.join("t.json").display()
        )
    };
    let o = run(&table(""));
    assert!(!o.status.success());
    assert!(err(&o).contains("json.ignore-parse-errors"), "{}", err(&o));
    let o = run(&table(", 'json.ignore-parse-errors' = 'true'"));
    assert_eq!(out(&o), "a\n1\n3\n", "{}", err(&o));
    let _ = fs::remove_dir_all(dir);
}

#[test]
fn a_type_mismatch_prints_both_schemas() {
    let o = run(
        "CREATE TABLE s (a INT, b STRING) WITH ('connector' = 'blackhole'); INSERT INTO s SELECT 'x', 1;",
    );
    let e = err(&o);
    assert!(e.contains("do not match") && e.contains("Sink schema"), "{e}");
}

#[test]
fn check_reports_all_findings_and_warns_of_swapped_columns() {
    let dir = scratch("check");
    let file = dir.join("s.sql");
    fs::write(
        &file,
        "CREATE TABLE s (total BIGINT, auto BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO s SELECT CAST(1 AS BIGINT) AS auto, CAST(2 AS BIGINT) AS total;
INSERT INTO s SELECT nope FROM missing;
SELECT FROM;",
    )
    .expect("write");
    let o = weir(&["check", file.to_str().expect("utf-8")]);
    let e = err(&o);
    assert!(e.contains("warning: query column 'auto'") && e.contains("BY NAME"), "{e}");
    assert!(e.contains("'missing' is not declared") && e.contains("SQL parse failed"), "{e}");
    let _ = fs::remove_dir_all(dir);
}

#[test]
fn check_prints_canonical_sql() {
    let dir = scratch("print");
    let file = dir.join("s.sql");
    fs::write(&file, "select a,b from t where a>1").expect("write");
    let o = weir(&["check", file.to_str().expect("utf-8"), "--print"]);
    let text = out(&o).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("SELECT a, b FROM t WHERE a > 1"), "{text}");
    let _ = fs::remove_dir_all(dir);
}

#[test]
fn update_delete_and_truncate_change_a_lake_table() {
    let lake = scratch("rows");
    let sql = format!(
        "SET 'execution.runtime-mode' = 'batch';
         CREATE CATALOG lake WITH ('type' = 'paimon', 'warehouse' = '{}');
         USE CATALOG lake;
         CREATE TABLE t (id INT, name STRING, v INT, PRIMARY KEY (id) NOT ENFORCED)
           WITH ('bucket' = '2');
         INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3);
         UPDATE t SET v = v * 2, name = UPPER(name) WHERE id >= 2;
         SELECT * FROM t ORDER BY id;
         DELETE FROM t AS x WHERE x.v IN (SELECT v FROM t WHERE id = 3);
         SELECT * FROM t ORDER BY id;
         TRUNCATE TABLE t;
         SELECT COUNT(*) AS n FROM t;",
        lake.display()
    );
    let o = run(&sql);
    let rows = "id,name,v\n1,a,1\n2,B,4\n3,C,6\n---\nid,name,v\n1,a,1\n2,B,4\n---\nn\n0\n";
    assert_eq!(out(&o), rows, "{}", err(&o));
    let streaming = run(&sql.replace("'batch'", "'streaming'"));
    assert!(err(&streaming).contains("not supported for streaming mode"), "{}", err(&streaming));
    let key = run(&sql.replace("SET v = v * 2", "SET id = 9"));
    assert!(err(&key).contains("primary key column 'id'"), "{}", err(&key));
}

#[test]
fn a_state_ttl_hint_forgets_groups() {
    let sql = "CREATE TABLE a (k INT) WITH ('connector' = 'datagen', 'number-of-rows' = '3', \
               'rows-per-second' = '1', 'fields.k.kind' = 'sequence', 'fields.k.start' = '1', \
               'fields.k.end' = '3'); \
               SELECT /*+ STATE_TTL('a' = '300 ms') */ k > 0 AS g, COUNT(*) AS c FROM a GROUP BY k > 0;";
    let o = run(sql);
    assert_eq!(out(&o), "g,c\nTRUE,1\nTRUE,1\nTRUE,1\n", "{}", err(&o));
}

#[test]
fn batch_mode_has_session_windows_and_time_ranges() {
    let dir = scratch("batch");
    fs::write(
        dir.join("t.csv"),
        "1,2024-01-01 00:00:00\n2,2024-01-01 00:00:04\n4,2024-01-01 00:00:20\n",
    )
    .expect("input");
    let sql = format!(
        "SET 'execution.runtime-mode' = 'batch';
         CREATE TABLE t (v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
           WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv');
         SELECT window_end, SUM(v) AS s
           FROM TABLE(SESSION(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND))
           GROUP BY window_start, window_end ORDER BY window_end;
         SELECT v, SUM(v) OVER (ORDER BY ts RANGE BETWEEN INTERVAL '5' SECOND PRECEDING
           AND CURRENT ROW) AS s FROM t ORDER BY v;",
        dir.join("t.csv").display()
    );
    let o = run(&sql);
    let sessions = "window_end,s\n2024-01-01 00:00:09.000,3\n2024-01-01 00:00:25.000,4\n";
    assert_eq!(out(&o), format!("{sessions}---\nv,s\n1,1\n2,3\n4,4\n"), "{}", err(&o));
}

#[test]
fn subqueries_in_on_read_one_side_of_an_outer_join_and_both_of_an_inner_one() {
    let rows = |query: &str| {
        let o = run(&format!(
            "SET 'execution.runtime-mode' = 'batch';
             CREATE VIEW a AS SELECT * FROM (VALUES (1, 10), (2, 20), (3, 30)) AS t(k, v);
             CREATE VIEW b AS SELECT * FROM (VALUES (1, 15), (2, 25)) AS t(k, w);
             CREATE VIEW c AS SELECT * FROM (VALUES (10), (15), (20)) AS t(x);
             SELECT a.k, v, w FROM a {query} ORDER BY k;"
        ));
        (o.status.success(), if o.status.success() { out(&o) } else { err(&o) })
    };
    let good = |query: &str, expected: &str| {
        assert_eq!(rows(query), (true, format!("k,v,w\n{expected}")), "{query}");
    };
    good("JOIN b ON a.k = b.k AND v IN (SELECT x FROM c)", "1,10,15\n2,20,25\n");
    let both = "EXISTS (SELECT 1 FROM c WHERE x > v AND x <= w)";
    good(&format!("JOIN b ON a.k = b.k AND {both}"), "1,10,15\n");
    let right = "w IN (SELECT x FROM c)";
    good(&format!("LEFT JOIN b ON a.k = b.k AND {right}"), "1,10,15\n2,20,\n3,30,\n");
    let left = "v > (SELECT MIN(x) FROM c)";
    good(&format!("LEFT JOIN b ON a.k = b.k AND {left}"), "1,10,\n2,20,25\n3,30,\n");
    let halves = format!("{left} AND NOT {right}");
    good(&format!("LEFT JOIN b ON a.k = b.k AND {halves}"), "1,10,\n2,20,25\n3,30,\n");
    let (done, text) = rows(&format!("LEFT JOIN b ON a.k = b.k AND {both}"));
    assert!(!done && text.contains("reads both sides"), "{text}");
}

#[test]
fn functions_are_listed_by_the_names_that_sql_calls_them() {
    let o = run("SHOW FUNCTIONS LIKE 'to_%'; SHOW FUNCTIONS LIKE 'TO_%'");
    let (lower, upper) =
        out(&o).split_once("---\n").map(|(a, b)| (a.to_owned(), b.to_owned())).expect("two");
    assert!(lower.contains("to_base64\n") && lower.contains("to_date\n"), "{lower}");
    assert_eq!(upper, "function name\n");
}
