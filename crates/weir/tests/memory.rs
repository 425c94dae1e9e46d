//! Jobs whose state is larger than the memory of the process.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const SCRIPT: &str = "
SET 'io.tmp.dirs' = '{dir}/tmp';
SET 'execution.checkpointing.dir' = '{dir}/chk';
SET 'execution.checkpointing.interval' = '200 ms';
CREATE TABLE g (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '100000000',
    'number-of-rows' = '120000', 'fields.id.kind' = 'sequence', 'fields.id.start' = '0',
    'fields.id.end' = '119999');
CREATE VIEW keyed AS SELECT id, id * 7919 % 50001 AS k FROM g;
SELECT COUNT(*), SUM(c), SUM(s), MAX(c)
    FROM (SELECT k, COUNT(*) AS c, SUM(id) AS s FROM keyed GROUP BY k);
SELECT COUNT(*), SUM(a.id), SUM(b.id) FROM keyed a JOIN g b ON a.k = b.id;
SELECT COUNT(*), SUM(id) FROM (SELECT id, ROW_NUMBER() OVER (PARTITION BY k ORDER BY id DESC) AS n
    FROM keyed) WHERE n <= 2;
";

/// The rows that the script prints, and whether it used its folder for what does not fit.
fn run(dir: &Path, memory: &str) -> (String, bool) {
    let text = SCRIPT.replace("{dir}", &dir.to_string_lossy());
    let mut child = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["run", "-e", &text, "--format", "csv", "-p", "2", "--memory", memory])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("weir starts");
    let store = dir.join("tmp").join(format!("weir-state-{}", child.id()));
    let mut seen = false;
    while child.try_wait().expect("a child").is_none() {
        seen |= store.exists();
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().expect("a child");
    assert!(output.status.success());
    assert!(!store.exists(), "{} is left", store.display());
    (String::from_utf8_lossy(&output.stdout).into_owned(), seen)
}

#[test]
fn rows_are_the_same_with_little_memory() {
    let dir = std::env::temp_dir().join(format!("weir-memory-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("a folder");
    let (expected, spilled) = run(&dir.join("much"), "64g");
    assert!(!spilled);
    assert!(expected.contains("50001,120000,7199940000,3"), "{expected}");
    let (rows, spilled) = run(&dir.join("little"), "64mb");
    assert!(spilled, "nothing went to disk");
    assert_eq!(rows, expected);
    fs::remove_dir_all(&dir).expect("a folder");
}
