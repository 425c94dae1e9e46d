//! Running jobs as other processes see them: `weir jobs`, `weir savepoint`, SHOW JOBS and
//! STOP JOB.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const JOB: &str = "
SET 'execution.checkpointing.dir' = '{dir}/chk';
SET 'execution.checkpointing.savepoint-dir' = '{dir}/sav';
SET 'execution.checkpointing.interval' = '50 ms';
SET 'pipeline.name' = '{name}';
CREATE TABLE g (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '2000',
    'number-of-rows' = '{rows}', 'fields.id.kind' = 'sequence', 'fields.id.start' = '1',
    'fields.id.end' = '1000000');
SELECT COUNT(*) AS n, SUM(id) AS s FROM g;
SHOW CATALOGS;
";

struct Machine {
    dir: PathBuf,
}

impl Machine {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("weir-control-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).expect("scratch folder");
        Self { dir }
    }

    fn weir(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.args(args).env("WEIR_RUN_DIR", self.dir.join("run")).stdin(Stdio::null());
        command
    }

    fn ask(&self, args: &[&str]) -> Output {
        self.weir(args).output().expect("weir starts")
    }

    fn start(&self, name: &str, rows: u64, args: &[&str]) -> Child {
        let text = JOB
            .replace("{dir}", &self.dir.to_string_lossy())
            .replace("{rows}", &rows.to_string())
            .replace("{name}", name);
        let mut command = self.weir(&["run", "-e", &text, "--format", "csv"]);
        command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("weir starts")
    }

    /// The line of a job in `weir jobs`, once it has a checkpoint.
    fn await_job(&self, name: &str) -> Vec<String> {
        let start = Instant::now();
        loop {
            let shown = text(&self.ask(&["jobs", "--format", "csv"]).stdout);
            let mut lines = shown.lines().map(|l| l.split(',').map(str::to_owned).collect());
            if let Some(job) = lines.find(|l: &Vec<String>| l[1] == name && l[5] != "0") {
                return job;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "{shown}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn place(answer: &Output) -> String {
    assert!(answer.status.success(), "{}", text(&answer.stderr));
    text(&answer.stdout).trim().to_owned()
}

const WHOLE: &str = "n,s\n6000,18003000\n---\ncatalog name\ndefault_catalog\n";

#[test]
fn a_savepoint_of_a_running_job_and_one_that_ends_it() {
    let machine = Machine::new("savepoint");
    let child = machine.start("counting", 6000, &["-p", "2"]);
    let job = machine.await_job("counting");
    assert_eq!(job[2], "RUNNING");
    // By the start of the id, to the default place; the job goes on.
    let first = place(&machine.ask(&["savepoint", &job[0][..8]]));
    assert!(first.starts_with(&*machine.dir.join("sav").to_string_lossy()), "{first}");
    // By the directory of its checkpoints, to another place; the job ends.
    let chk = machine.dir.join("chk").join(&job[0]);
    let other = machine.dir.join("other");
    let (chk, other) = (chk.to_string_lossy(), other.to_string_lossy());
    let second = place(&machine.ask(&["savepoint", "--stop", &chk, &other]));
    assert!(second.starts_with(&*other), "{second}");
    let ended = child.wait_with_output().expect("end");
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    assert!(!text(&ended.stdout).contains("default_catalog"));
    for from in [&first, &second] {
        let rest = machine.start("counting", 6000, &["--from-savepoint", from, "-p", "3"]);
        let rest = rest.wait_with_output().expect("end");
        assert_eq!(text(&rest.stdout), WHOLE, "{}", text(&rest.stderr));
    }
    let gone = machine.ask(&["savepoint", &job[0]]);
    assert!(!gone.status.success() && text(&gone.stderr).contains("no job"));
    fs::remove_dir_all(&machine.dir).expect("clean up");
}

#[test]
fn statements_show_and_stop_jobs() {
    let machine = Machine::new("statements");
    let child = machine.start("first", 6000, &[]);
    let job = machine.await_job("first");
    let show = machine.ask(&["run", "--format", "csv", "-e", "SHOW JOBS"]);
    assert!(text(&show.stdout).contains(&job[0]), "{}", text(&show.stdout));
    let stop = format!(
        "SET 'execution.checkpointing.savepoint-dir' = '{}/stopped'; STOP JOB '{}' WITH SAVEPOINT;",
        machine.dir.display(),
        job[0]
    );
    let stopped = place(&machine.ask(&["run", "--format", "csv", "-e", &stop]));
    let saved = stopped.lines().last().unwrap_or_default().to_owned();
    assert!(Path::new(&saved).join("_metadata").exists(), "{stopped}");
    assert!(child.wait_with_output().expect("end").status.success());
    let rest = machine.start("first", 6000, &["--from-savepoint", &saved]);
    assert_eq!(text(&rest.wait_with_output().expect("end").stdout), WHOLE);

    let child = machine.start("second", 1_000_000, &[]);
    let job = machine.await_job("second");
    let stop = format!("STOP JOB '{}'", job[0]);
    assert!(place(&machine.ask(&["run", "--format", "csv", "-e", &stop])).contains("OK"));
    child.wait_with_output().expect("end");
    let drain = machine.ask(&["run", "-e", "STOP JOB 'x' WITH SAVEPOINT WITH DRAIN"]);
    assert!(text(&drain.stderr).contains("WITH DRAIN"), "{}", text(&drain.stderr));
    fs::remove_dir_all(&machine.dir).expect("clean up");
}

#[test]
fn a_killed_process_is_not_shown() {
    let machine = Machine::new("killed");
    let mut child = machine.start("victim", 1_000_000, &[]);
    machine.await_job("victim");
    child.kill().expect("kill");
    child.wait().expect("wait");
    let shown = machine.ask(&["jobs", "--format", "csv"]);
    assert!(shown.status.success() && text(&shown.stdout).lines().count() == 1);
    assert_eq!(fs::read_dir(machine.dir.join("run")).expect("run folder").count(), 0);
    fs::remove_dir_all(&machine.dir).expect("clean up");
}

#[test]
fn a_job_between_two_runs_is_shown_as_restarting() {
    let machine = Machine::new("restarting");
    let script = "CREATE TABLE g (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '100');
        CREATE TABLE s (id BIGINT) WITH ('connector' = 'blackhole'); INSERT INTO s SELECT id FROM g;";
    let chk = format!("execution.checkpointing.dir={}", machine.dir.join("chk").display());
    let mut command = machine.weir(&["run", "-e", script, "--set", &chk]);
    for option in [
        "execution.checkpointing.interval=50 ms",
        "weir.testing.fail-every=5",
        "restart-strategy.type=fixed-delay",
        "restart-strategy.fixed-delay.delay=1 h",
    ] {
        command.args(["--set", option]);
    }
    let mut child = command.stderr(Stdio::null()).spawn().expect("weir starts");
    let start = Instant::now();
    loop {
        let shown = text(&machine.ask(&["jobs", "--format", "csv"]).stdout);
        if shown.contains(",RESTARTING,") {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{shown}");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().expect("a child");
    child.wait().expect("a child");
}
