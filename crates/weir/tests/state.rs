//! A checkpoint as tables: `weir state PATH -e 'SQL'`.

use std::fs;
use std::process::{Command, Output, Stdio};

fn weir(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(args).stdin(Stdio::null()).output().expect("weir starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_checkpoint_is_read_by_sql() {
    let dir = std::env::temp_dir().join(format!("weir-state-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    let place = dir.join("chk").to_string_lossy().into_owned();
    // The process dies at a step after its first checkpoints.
    let sql = format!(
        "CREATE TABLE g (id BIGINT, k BIGINT, name STRING) WITH ('connector' = 'datagen',
            'number-of-rows' = '2000', 'fields.id.kind' = 'sequence', 'fields.id.start' = '1',
            'fields.id.end' = '2000', 'fields.k.kind' = 'sequence', 'fields.k.start' = '0',
            'fields.k.end' = '1999', 'fields.name.length' = '4');
         CREATE TABLE s (k BIGINT, half BIGINT, n BIGINT) WITH ('connector' = 'filesystem',
            'format' = 'csv', 'path' = '{}/out');
         INSERT INTO s SELECT k, h, n FROM (SELECT k, MOD(k, 2) AS h, id, COUNT(*) OVER
            (PARTITION BY k ORDER BY p ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS n
            FROM (SELECT *, PROCTIME() AS p FROM g));",
        dir.display()
    );
    let died = weir(&[
        "run",
        "-e",
        &sql,
        "-p",
        "2",
        "--set",
        &format!("execution.checkpointing.dir={place}"),
        "--set",
        "execution.checkpointing.interval=1 ms",
        "--set",
        "weir.testing.batch-rows=50",
        "--set",
        "weir.testing.crash-at-step=60",
    ]);
    assert!(died.status.code().is_none(), "{}", text(&died.stderr));
    let ask = |sql: &str| {
        let asked = weir(&["state", &format!("latest:{place}"), "-e", sql, "--format", "csv"]);
        assert!(asked.status.success(), "{sql}: {}", text(&asked.stderr));
        text(&asked.stdout)
    };
    let tables = ask("SHOW TABLES");
    for table in ["checkpoint", "entries", "operators", "over_over", "positions", "state_tables"] {
        assert!(tables.lines().any(|l| l == table), "{tables}");
    }
    // The state has one key per row that was read; the same by every table.
    let keys = ask("SELECT COUNT(*) AS n, COUNT(DISTINCT k) AS k, MIN(k) AS low FROM over_over");
    let counted = ask("SELECT row_count, key_count FROM state_tables WHERE state = 'over'");
    let n = counted.lines().nth(1).and_then(|l| l.split(',').next()).expect("a count").to_owned();
    assert!(n.parse::<u64>().is_ok_and(|n| n > 0), "{counted}");
    assert_eq!(keys, format!("n,k,low\n{n},{n},0\n"));
    assert_eq!(counted, format!("row_count,key_count\n{n},{n}\n"));
    let entries = ask(
        "SELECT COUNT(*) AS n, MIN(key_text) AS t FROM entries e JOIN operators o ON e.uid = o.uid
         WHERE o.key_columns = 'k BIGINT'",
    );
    assert_eq!(entries, format!("n,t\n{n},k=0\n"));
    let history = ask("SELECT COUNT(*) > 0 AS taken, COUNT(*) = COUNT(longest_seal_us) AS timed,
            MAX(alignment_p99_us) <= 1000 * (MAX(aligned_ms) + 1) AS plausible FROM history");
    assert_eq!(history, "taken,timed,plausible\nTRUE,TRUE,TRUE\n");
    let one = ask("SELECT kind, parallelism FROM checkpoint");
    assert_eq!(one, "kind,parallelism\ncheckpoint,2\n");
    let wrong = weir(&["state", &format!("latest:{place}"), "-e", "SELECT x FROM operators"]);
    assert!(text(&wrong.stderr).contains("'x'"), "{}", text(&wrong.stderr));
    fs::remove_dir_all(&dir).expect("clean up");
}

#[test]
fn values_are_shown_as_rows_and_results() {
    let dir = std::env::temp_dir().join(format!("weir-values-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    let place = dir.join("chk").to_string_lossy().into_owned();
    let sql = "CREATE TABLE g (id BIGINT, k BIGINT, ts AS TO_TIMESTAMP_LTZ(id, 3),
            WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen', 'number-of-rows' = '2000',
            'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '2000',
            'fields.k.kind' = 'sequence', 'fields.k.start' = '0', 'fields.k.end' = '1999');
         CREATE TABLE a (k BIGINT, n BIGINT, m BIGINT) WITH ('connector' = 'blackhole');
         CREATE TABLE w (k BIGINT, n BIGINT) WITH ('connector' = 'blackhole');
         CREATE TABLE j (h BIGINT, id BIGINT, n BIGINT) WITH ('connector' = 'blackhole');
         CREATE TABLE r (h BIGINT, id BIGINT, n BIGINT) WITH ('connector' = 'blackhole');
         CREATE TABLE m (k BIGINT, id BIGINT, h BIGINT) WITH ('connector' = 'blackhole');
         EXECUTE STATEMENT SET BEGIN
         INSERT INTO a SELECT k, COUNT(*), MAX(id) FROM g GROUP BY k;
         INSERT INTO w SELECT k, COUNT(*) FROM g GROUP BY k, TUMBLE(ts, INTERVAL '1' DAY);
         INSERT INTO j SELECT x.k, x.id, y.m FROM g x LEFT JOIN
            (SELECT k, MAX(id) AS m FROM g GROUP BY k) y ON x.k = y.k;
         INSERT INTO r SELECT k, id, n FROM (SELECT k, id, ROW_NUMBER() OVER
            (PARTITION BY k ORDER BY id DESC) AS n FROM g) WHERE n <= 2;
         INSERT INTO m SELECT /*+ MULTI_JOIN(p, q, t) */ p.k, q.id, t.id FROM g p JOIN g q
            ON p.k = q.k LEFT JOIN g t ON p.k = t.k;
         END;";
    let set = [
        format!("execution.checkpointing.dir={place}"),
        "execution.checkpointing.interval=1 ms".to_owned(),
        "weir.testing.batch-rows=50".to_owned(),
        "weir.testing.crash-at-step=60".to_owned(),
    ];
    let mut args = vec!["run", "-e", sql, "-p", "2"];
    args.extend(set.iter().flat_map(|s| ["--set", s.as_str()]));
    let died = weir(&args);
    assert!(died.status.code().is_none(), "{}", text(&died.stderr));
    let ask = |sql: &str| {
        let asked = weir(&["state", &format!("latest:{place}"), "-e", sql, "--format", "csv"]);
        assert!(asked.status.success(), "{sql}: {}", text(&asked.stderr));
        text(&asked.stdout)
    };
    let one = |table: &str| ask(&format!("SELECT value_text AS v FROM {table} WHERE k = 0"));
    assert_eq!(one("group_aggregate_groups"), "v\n\"rows=1, COUNT(*)=1, MAX(id)=1\"\n");
    assert_eq!(one("join_left"), "v\n\"{k=0, id=1} matches 1\"\n");
    assert_eq!(one("rank_rows"), "v\n\"{k=0, id=1}\"\n");
    assert_eq!(one("multi_join_input2"), "v\n\"{id=1, k=0}\"\n");
    assert_eq!(state_tables(&explained(sql)), state_tables(&ask("SELECT state FROM state_tables")));
    let slices =
        ask("SELECT slice_end, k, value_text AS v FROM window_aggregate_slices WHERE k = 0");
    assert_eq!(slices, "slice_end,k,v\n1970-01-02 00:00:00.000,0,\"rows=1, COUNT(*)=1\"\n");
    fs::remove_dir_all(&dir).expect("clean up");
}

/// What EXPLAIN says of the state of the job.
fn explained(sql: &str) -> String {
    let explained = weir(&["run", "-e", &sql.replace("EXECUTE STATEMENT", "EXPLAIN STATEMENT")]);
    assert!(explained.status.success(), "{}", text(&explained.stderr));
    let plan = text(&explained.stdout);
    let states = plan.split("state=[").skip(1).filter_map(|s| s.split(']').next());
    states.flat_map(|s| s.split(", ")).map(|s| format!("{s}\n")).collect()
}

/// The names that lines begin with, below a header.
fn state_tables(lines: &str) -> std::collections::BTreeSet<&str> {
    let names = lines.lines().filter_map(|l| l.split(':').next());
    names.filter(|n| *n != "state").collect()
}
