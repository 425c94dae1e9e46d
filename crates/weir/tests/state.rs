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
    let one = ask("SELECT kind, parallelism FROM checkpoint");
    assert_eq!(one, "kind,parallelism\ncheckpoint,2\n");
    let wrong = weir(&["state", &format!("latest:{place}"), "-e", "SELECT x FROM operators"]);
    assert!(text(&wrong.stderr).contains("'x'"), "{}", text(&wrong.stderr));
    fs::remove_dir_all(&dir).expect("clean up");
}
