//! Running scripts as a user does.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

/// Runs SQL, with results as CSV.
pub fn run(sql: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["run", "-e", sql, "--format", "csv"])
        .output()
        .expect("weir starts")
}

/// What a run that succeeded has printed.
pub fn out(o: &Output) -> String {
    assert!(o.status.success(), "{}", err(o));
    String::from_utf8_lossy(&o.stdout).into_owned()
}

/// What a run has told.
pub fn err(o: &Output) -> String {
    String::from_utf8_lossy(&o.stderr).into_owned()
}

/// An empty folder for one test.
pub fn scratch(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("weir-test-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("scratch folder");
    dir
}
