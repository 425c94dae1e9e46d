//! Stopping with a savepoint, starting from it, and what is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const JOB: &str = "
SET 'execution.checkpointing.dir' = '{dir}/chk';
SET 'execution.checkpointing.interval' = '50 ms';
CREATE TABLE g (id BIGINT, k BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '2000',
    'number-of-rows' = '{rows}', 'fields.id.kind' = 'sequence', 'fields.id.start' = '1',
    'fields.id.end' = '1000000', 'fields.k.min' = '0', 'fields.k.max' = '9');
";

fn scratch(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("weir-savepoint-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("scratch folder");
    dir
}

fn weir(dir: &Path, rows: u64, statement: &str, args: &[&str]) -> Command {
    let text = format!("{JOB}{statement};")
        .replace("{dir}", &dir.to_string_lossy())
        .replace("{rows}", &rows.to_string());
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(["run", "-e", &text, "--format", "csv"]).args(args).stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Waits until the job has a complete checkpoint.
fn await_checkpoint(dir: &Path) {
    let start = Instant::now();
    loop {
        let state = state(&format!("latest:{}", dir.join("chk").display()));
        if state.status.success() {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{}", text(&state.stderr));
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn state(path: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(["state", path, "--format", "csv"]).output().expect("weir starts")
}

fn spawn(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("weir starts")
}

fn terminate(child: Child) -> Output {
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill").success());
    child.wait_with_output().expect("end")
}

#[test]
fn a_job_stopped_with_a_savepoint_goes_on_from_it() {
    let dir = scratch("stop");
    let count = "SELECT COUNT(*) AS n, COUNT(DISTINCT id) AS ids, SUM(id) AS s FROM g";
    let place = format!("--savepoint-on-term={}", dir.join("sav").display());
    let child = spawn(weir(&dir, 6000, count, &["-p", "2", &place]));
    await_checkpoint(&dir);
    let stopped = terminate(child);
    assert!(stopped.status.success(), "{}", text(&stopped.stderr));
    let saved = fs::read_dir(dir.join("sav")).expect("savepoints").next().expect("one");
    let saved = saved.expect("entry").path().to_string_lossy().into_owned();
    assert!(text(&stopped.stderr).contains(&saved), "{}", text(&stopped.stderr));

    let shown = text(&state(&saved).stdout);
    assert!(shown.contains("kind,savepoint") && shown.contains("GroupAggregate,"), "{shown}");

    // Another parallelism; every row counts once.
    let from = ["--from-savepoint", &saved, "-p", "3"];
    let rest = weir(&dir, 6000, count, &from).output().expect("weir starts");
    assert!(rest.status.success(), "{}", text(&rest.stderr));
    assert_eq!(text(&rest.stdout), format!("n,ids,s\n6000,6000,{}\n", 6000 * 6001 / 2));

    // Another aggregate keeps other state.
    let other = "SELECT COUNT(*) AS n, MAX(id) AS m FROM g";
    let refused = weir(&dir, 6000, other, &from).output().expect("weir starts");
    let error = text(&refused.stderr);
    assert!(!refused.status.success());
    assert!(error.contains("would lose state") && error.contains("GroupAggregate"), "{error}");
    assert!(error.contains("--allow-lost-state"), "{error}");

    // A filter above the source leaves the state as it is: no refusal.
    let filtered =
        "SELECT COUNT(*) AS n, COUNT(DISTINCT id) AS ids, SUM(id) AS s FROM g WHERE k >= 0";
    let kept = weir(&dir, 6000, filtered, &from).output().expect("weir starts");
    assert!(kept.status.success(), "{}", text(&kept.stderr));
    assert_eq!(text(&kept.stdout), text(&rest.stdout));
    fs::remove_dir_all(&dir).expect("clean up");
}

#[test]
fn without_a_place_for_it_the_job_goes_on() {
    let dir = scratch("nowhere");
    let count = "SELECT COUNT(*) AS n FROM g";
    let child = spawn(weir(&dir, 4000, count, &["--savepoint-on-term"]));
    await_checkpoint(&dir);
    let ended = terminate(child);
    assert!(text(&ended.stderr).contains("execution.checkpointing.savepoint-dir"));
    assert_eq!(text(&ended.stdout), "n\n4000\n");
    fs::remove_dir_all(&dir).expect("clean up");
}

#[test]
fn a_damaged_checkpoint_gives_way_to_the_one_before() {
    let dir = scratch("damaged");
    let count = "SELECT COUNT(*) AS n, SUM(id) AS s FROM g";
    let retained = ["--set", "execution.checkpointing.num-retained=3"];
    let mut child = spawn(weir(&dir, 6000, count, &retained));
    await_checkpoint(&dir);
    std::thread::sleep(Duration::from_millis(400));
    child.kill().expect("kill");
    child.wait().expect("wait");
    let job = fs::read_dir(dir.join("chk")).expect("jobs").next().expect("one").expect("entry");
    let newest = fs::read_dir(job.path())
        .expect("checkpoints")
        .filter_map(|e| {
            let path = e.ok()?.path();
            let n: u64 = path.file_name()?.to_str()?.strip_prefix("chk-")?.parse().ok()?;
            path.join("_metadata").exists().then_some((n, path))
        })
        .max()
        .expect("a checkpoint");
    fs::write(newest.1.join("_metadata"), b"garbage").expect("damage");
    let from = format!("latest:{}", dir.join("chk").display());
    let rest = weir(&dir, 6000, count, &["--from-savepoint", &from, "-p", "2"]).output();
    let rest = rest.expect("weir starts");
    assert!(rest.status.success(), "{}", text(&rest.stderr));
    assert!(text(&rest.stderr).contains("damaged"), "{}", text(&rest.stderr));
    assert_eq!(text(&rest.stdout), format!("n,s\n6000,{}\n", 6000 * 6001 / 2));
    fs::remove_dir_all(&dir).expect("clean up");
}

#[test]
fn a_savepoint_needs_a_checkpoint_directory() {
    let dir = scratch("nodir");
    let sql =
        "CREATE TABLE g (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '1000',
        'number-of-rows' = '2000'); SELECT COUNT(*) AS n FROM g";
    let place = format!("--savepoint-on-term={}", dir.display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(["run", "-e", sql, "--format", "csv", &place]).stdin(Stdio::null());
    let child = spawn(command);
    std::thread::sleep(Duration::from_millis(700));
    let ended = terminate(child);
    assert!(text(&ended.stderr).contains("needs 'execution.checkpointing.dir'"));
    assert_eq!(text(&ended.stdout), "n\n2000\n");
    fs::remove_dir_all(&dir).expect("clean up");
}

#[test]
fn what_has_ended_is_not_done_twice() {
    let dir = scratch("ended");
    let insert = format!(
        "CREATE TABLE s (id BIGINT) WITH ('connector' = 'filesystem', 'format' = 'csv', 'path' = '{}');
         INSERT INTO s SELECT id FROM g",
        dir.join("out").display()
    );
    let from = format!("latest:{}", dir.join("chk").display());
    for (run, said) in [(1, false), (2, true)] {
        let done = weir(&dir, 500, &insert, &["--from-savepoint", &from]).output();
        let done = done.expect("weir starts");
        let notice = text(&done.stderr);
        assert!(done.status.success(), "run {run}: {notice}");
        assert_eq!(notice.contains("nothing is left to do"), said, "run {run}: {notice}");
    }
    let rows: usize = fs::read_dir(dir.join("out"))
        .expect("files")
        .map(|f| fs::read_to_string(f.expect("entry").path()).expect("text").lines().count())
        .sum();
    assert_eq!(rows, 500);
    fs::remove_dir_all(&dir).expect("clean up");
}
