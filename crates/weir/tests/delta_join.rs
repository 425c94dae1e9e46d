//! Delta joins: two growing Paimon tables, each looked up by the rows of the other.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

mod common;

use common::{err, out, run, scratch};

fn catalog(dir: &Path) -> String {
    format!(
        "CREATE CATALOG lake WITH ('type' = 'paimon', 'warehouse' = '{}'); USE CATALOG lake;",
        dir.join("lake").display()
    )
}

/// Orders, payments of them, and the table of both.
fn tables(dir: &Path) -> String {
    format!(
        "{}
         CREATE TABLE orders (id BIGINT, item STRING, price INT, PRIMARY KEY (id) NOT ENFORCED)
           WITH ('bucket' = '2', 'ignore-delete' = 'true', 'continuous.discovery-interval' = '20 ms');
         CREATE TABLE payments (order_id BIGINT, part INT, note STRING,
           PRIMARY KEY (order_id, part) NOT ENFORCED)
           WITH ('bucket' = '1', 'ignore-delete' = 'true', 'continuous.discovery-interval' = '20 ms');
         CREATE TABLE paid (id BIGINT, part INT, text STRING, PRIMARY KEY (id, part) NOT ENFORCED)
           WITH ('bucket' = '2');",
        catalog(dir)
    )
}

const FORCE: &str = "SET 'table.optimizer.delta-join.strategy' = 'FORCE';";
const QUERY: &str = "INSERT INTO paid
    SELECT p.order_id, p.part, CONCAT_WS(' ', o.item, CAST(o.price AS STRING), p.note)
    FROM orders o JOIN payments p ON o.id = p.order_id AND p.part < 10 WHERE o.id > 0;";

/// A job that a test starts, kills and starts again.
struct Job {
    dir: PathBuf,
    settings: &'static str,
}

impl Job {
    fn start(&self) -> Child {
        let checkpoints = self.dir.join("checkpoints").display().to_string();
        let sql = format!(
            "{} {FORCE} {} SET 'execution.checkpointing.interval' = '100 ms';
             SET 'execution.checkpointing.dir' = '{checkpoints}'; {QUERY}",
            catalog(&self.dir),
            self.settings
        );
        Command::new(env!("CARGO_BIN_EXE_weir"))
            .args(["run", "-e", &sql, "-p", "2"])
            .args(["--from-savepoint", &format!("latest:{checkpoints}")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("weir starts")
    }

    fn write(&self, table: &str, rows: &str) {
        out(&run(&format!("{} INSERT INTO {table} VALUES {rows};", catalog(&self.dir))));
    }

    /// Waits until the joined table holds these rows.
    fn await_rows(&self, job: &mut Child, expected: &[&str]) {
        let sql = format!(
            "{} SET 'execution.runtime-mode' = 'batch'; SELECT * FROM paid ORDER BY id, part;",
            catalog(&self.dir)
        );
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let rows = out(&run(&sql));
            if rows.lines().skip(1).eq(expected.iter().copied()) {
                return;
            }
            let running = job.try_wait().expect("a job").is_none();
            assert!(running && Instant::now() < until, "running {running}: {rows}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn kill(mut job: Child) {
    job.kill().expect("the job is killed");
    job.wait().expect("the job has ended");
}

/// Rows of both tables come before the job, while it runs, and while it is down.
fn rows_meet(name: &str, settings: &'static str) {
    let dir = scratch(name);
    out(&run(&tables(&dir)));
    let job = Job { dir, settings };
    job.write("orders", "(1, 'pen', 5), (2, 'ink', 7), (-1, 'no', 0)");
    job.write("payments", "(1, 0, 'cash'), (-1, 0, 'no'), (1, 11, 'no')");
    let mut running = job.start();
    job.await_rows(&mut running, &["1,0,pen 5 cash"]);
    // A new row on either side, an update of either side, and keys that were missed before.
    job.write("payments", "(2, 0, 'card'), (3, 0, 'card'), (1, 1, 'rest')");
    job.write("orders", "(1, 'pen', 6), (3, 'cup', 1)");
    let expected = ["1,0,pen 6 cash", "1,1,pen 6 rest", "2,0,ink 7 card", "3,0,cup 1 card"];
    job.await_rows(&mut running, &expected);
    kill(running);
    job.write("payments", "(3, 0, 'gift')");
    job.write("orders", "(2, 'ink', 8)");
    let mut running = job.start();
    let expected = ["1,0,pen 6 cash", "1,1,pen 6 rest", "2,0,ink 8 card", "3,0,cup 1 gift"];
    job.await_rows(&mut running, &expected);
    job.write("payments", "(2, 0, 'cash')");
    let expected = ["1,0,pen 6 cash", "1,1,pen 6 rest", "2,0,ink 8 cash", "3,0,cup 1 gift"];
    job.await_rows(&mut running, &expected);
    kill(running);
}

#[test]
fn rows_of_two_growing_tables_meet() {
    rows_meet("delta-cached", "");
}

#[test]
fn rows_meet_without_caches_and_with_small_ones() {
    rows_meet("delta-uncached", "SET 'table.exec.delta-join.cache-enabled' = 'false';");
    rows_meet(
        "delta-small",
        "SET 'table.exec.delta-join.left.cache-size' = '1';
         SET 'table.exec.delta-join.right.cache-size' = '1';",
    );
}

#[test]
fn the_plan_keeps_no_state() {
    let dir = scratch("delta-plan");
    let explain = |set: &str| {
        out(&run(&format!(
            "{} {set} EXPLAIN {QUERY}",
            tables(&dir).replace("TABLE ", "TABLE IF NOT EXISTS ")
        )))
    };
    let plan = explain(FORCE);
    assert!(plan.contains("DeltaJoin(leftLookup=[table=[lake.default.payments]"), "{plan}");
    assert!(!plan.contains("state=["), "{plan}");
    // Flink has no index of a Paimon table and joins as ever.
    let plan = explain("");
    assert!(plan.contains("Join(") && !plan.contains("DeltaJoin"), "{plan}");
}

#[test]
fn what_a_delta_join_cannot_answer_is_refused() {
    let dir = scratch("delta-refused");
    let more =
        "CREATE TABLE gone (id BIGINT, v INT, PRIMARY KEY (id) NOT ENFORCED) WITH ('bucket' = '1');
        CREATE TABLE log (id BIGINT, v INT);
        CREATE TABLE seen (id BIGINT, v INT, PRIMARY KEY (id) NOT ENFORCED) WITH ('bucket' = '1');";
    out(&run(&format!("{} {more}", tables(&dir))));
    for (query, says) in [
        (
            "INSERT INTO seen SELECT o.id, g.v FROM orders o JOIN gone g ON o.id = g.id",
            "may be deleted",
        ),
        (
            "INSERT INTO seen SELECT o.id, l.v FROM orders o JOIN log l ON o.id = l.id",
            "has no PRIMARY KEY",
        ),
        (
            "INSERT INTO seen SELECT o.id, p.part FROM orders o JOIN payments p ON o.price = p.part",
            "does not compare `id`",
        ),
        (
            "INSERT INTO seen SELECT o.id, p.part FROM orders o JOIN payments p ON o.id = p.order_id AND o.price > p.part",
            "outside its primary key",
        ),
        (
            "INSERT INTO seen SELECT o.id, p.part FROM orders o LEFT JOIN payments p ON o.id = p.order_id",
            "only an inner join",
        ),
        (
            "SELECT o.id, p.part FROM orders o JOIN payments p ON o.id = p.order_id",
            "only an inner join",
        ),
    ] {
        let sql = format!("{} {FORCE} {query};", catalog(&dir));
        let answer = run(&sql);
        assert!(!answer.status.success(), "{query}");
        let message = err(&answer);
        assert!(
            message.contains("delta join optimization") && message.contains(says),
            "{query}: {message}"
        );
    }
}
