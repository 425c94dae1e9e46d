//! Jobs whose process is killed at random times and started again from their newest
//! checkpoint, at another parallelism: what they have written in the end must be what a
//! run that was never killed writes, nothing lost and nothing doubled.
//!
//! `WEIR_KILLS` (default 3) is the number of kills per job, `WEIR_KILL_SEED` repeats a run.
//! Jobs over Kafka need a broker at `WEIR_KAFKA` (`cargo xtask kill` starts one).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Rows per input table.
const ROWS: usize = 6000;

/// The same where the process dies at a chosen step of its checkpoints.
const FEW_ROWS: usize = 600;

/// About so many steps has a job over few rows.
const STEPS: u64 = 60;

/// Kills of one job from its start to its end.
const KILLS_PER_ROUND: u64 = 5;

/// A process that has not ended by then hangs.
const PATIENCE: Duration = Duration::from_secs(120);

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % bound
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// A job's script, with `{in}` and `{out}` for its folders, and how its result is read.
struct Job {
    name: &'static str,
    tables: String,
    /// Fills the input, once, where it is not files.
    fill: Option<&'static str>,
    insert: &'static str,
    /// A query over the sink; none = the lines of the files that readers see.
    read: Option<&'static str>,
    /// Its checkpoints are on the object store at `WEIR_TEST_S3`.
    objects: bool,
}

const ORDERS: &str = "CREATE TABLE orders (id INT, usr INT, amount INT, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
    WITH ('connector' = 'filesystem', 'path' = '{in}/orders', 'format' = 'csv');";

/// Files end early, so that many become visible between two kills.
const FILES: &str = "WITH ('connector' = 'filesystem', 'path' = '{out}/files', 'format' = 'csv',
    'sink.rolling-policy.rollover-interval' = '50 ms', 'sink.rolling-policy.check-interval' = '10 ms');";

const LAKE: &str =
    "CREATE CATALOG lake WITH ('type' = 'paimon', 'warehouse' = '{out}/lake'); USE CATALOG lake;";

#[test]
fn files_to_files() {
    check(&Job {
        name: "files",
        tables: script(&[ORDERS, "CREATE TABLE sink (id INT, x INT)", FILES]),
        fill: None,
        insert: "INSERT INTO sink SELECT id, amount * 2 FROM orders WHERE amount <> 7;",
        read: None,
        objects: false,
    });
}

#[test]
fn files_to_paimon() {
    check(&Job {
        name: "paimon",
        tables: script(&[
            ORDERS,
            LAKE,
            "CREATE TABLE IF NOT EXISTS t (id INT, x INT) WITH ('bucket' = '2', 'bucket-key' = 'id');",
        ]),
        fill: None,
        insert: "INSERT INTO t SELECT id, amount * 2 FROM default_catalog.default_database.orders;",
        read: Some("SELECT * FROM t"),
        objects: false,
    });
}

#[test]
fn windowed_aggregate_to_files() {
    check(&Job {
        name: "windows",
        tables: script(&[
            ORDERS,
            "CREATE TABLE sink (w TIMESTAMP(3), usr INT, n BIGINT, total BIGINT)",
            FILES,
        ]),
        fill: None,
        insert: "INSERT INTO sink SELECT window_start, usr, COUNT(*), SUM(amount)
            FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '10' SECOND))
            GROUP BY window_start, window_end, usr;",
        read: None,
        objects: false,
    });
}

#[test]
fn two_stream_join_to_files() {
    check(&Job {
        name: "join",
        tables: script(&[
            ORDERS,
            "CREATE TABLE payments (id INT, paid INT) WITH ('connector' = 'filesystem',
                'path' = '{in}/payments', 'format' = 'csv');",
            "CREATE TABLE sink (id INT, amount INT, paid INT)",
            FILES,
        ]),
        fill: None,
        insert: "INSERT INTO sink SELECT o.id, o.amount, p.paid FROM orders o
            JOIN payments p ON o.id = p.id;",
        read: None,
        objects: false,
    });
}

#[test]
fn updates_of_an_outer_join_and_an_aggregate_to_paimon() {
    check(&updates("updates"));
}

#[test]
fn updates_with_checkpoints_on_s3() {
    if std::env::var("WEIR_TEST_S3").is_err() {
        println!("skipped: WEIR_TEST_S3 names no object store (cargo xtask test starts one)");
        return;
    }
    check(&Job { objects: true, ..updates("s3") });
}

fn updates(name: &'static str) -> Job {
    Job {
        name,
        tables: script(&[
            ORDERS,
            "CREATE TABLE payments (id INT, paid INT) WITH ('connector' = 'filesystem',
                'path' = '{in}/payments', 'format' = 'csv');",
            LAKE,
            "CREATE TABLE IF NOT EXISTS t (usr INT, n BIGINT, amount BIGINT, paid BIGINT,
                PRIMARY KEY (usr) NOT ENFORCED) WITH ('bucket' = '2');",
        ]),
        fill: None,
        insert: "INSERT INTO t SELECT o.usr, COUNT(*), SUM(o.amount), SUM(p.paid)
            FROM default_catalog.default_database.orders o
            LEFT JOIN default_catalog.default_database.payments p ON o.id = p.id GROUP BY o.usr;",
        read: Some("SELECT * FROM t"),
        objects: false,
    }
}

/// A topic, written in transactions and read by its committed records.
fn topic(table: &str, columns: &str, topic: &str, options: &str) -> String {
    let broker = std::env::var("WEIR_KAFKA").expect("WEIR_KAFKA is the address of a broker");
    format!(
        "CREATE TABLE {table} ({columns}) WITH ('connector' = 'kafka', 'topic' = '{topic}',
        'properties.bootstrap.servers' = '{broker}', 'format' = 'json', {options});"
    )
}

const COMMITTED: &str = "'scan.startup.mode' = 'earliest-offset',
    'scan.bounded.mode' = 'latest-offset', 'properties.isolation.level' = 'read_committed'";

const EXACTLY_ONCE: &str = "'sink.delivery-guarantee' = 'exactly-once',
    'sink.transactional-id-prefix' = '{id}', 'properties.transaction.timeout.ms' = '60000'";

/// The input of the jobs over Kafka: the orders, in a topic that is filled once.
const FILL: &str = "INSERT INTO topic_fill SELECT id, usr, amount FROM orders;";

#[test]
#[ignore = "needs a broker at WEIR_KAFKA"]
fn kafka_to_kafka() {
    let columns = "id INT, usr INT, amount INT";
    check(&Job {
        name: "kafka",
        tables: script(&[
            ORDERS,
            &topic("topic_fill", columns, "{run}-in", "'sink.parallelism' = '1'"),
            &topic("topic_in", columns, "{run}-in", COMMITTED),
            &topic("sink", "id INT, x INT", "{id}-out", EXACTLY_ONCE),
            &topic("topic_out", "id INT, x INT", "{id}-out", COMMITTED),
        ]),
        fill: Some(FILL),
        insert: "INSERT INTO sink SELECT id, amount * 2 FROM topic_in;",
        read: Some("SELECT * FROM topic_out"),
        objects: false,
    });
}

#[test]
#[ignore = "needs a broker at WEIR_KAFKA"]
fn kafka_to_paimon() {
    let columns = "id INT, usr INT, amount INT";
    check(&Job {
        name: "kafka-paimon",
        tables: script(&[
            ORDERS,
            &topic("topic_fill", columns, "{run}-in", "'sink.parallelism' = '1'"),
            &topic("topic_in", columns, "{run}-in", COMMITTED),
            LAKE,
            "CREATE TABLE IF NOT EXISTS t (id INT, x INT) WITH ('bucket' = '2', 'bucket-key' = 'id');",
        ]),
        fill: Some(
            "INSERT INTO default_catalog.default_database.topic_fill
            SELECT id, usr, amount FROM default_catalog.default_database.orders;",
        ),
        insert: "INSERT INTO t SELECT id, amount * 2 FROM default_catalog.default_database.topic_in;",
        read: Some("SELECT * FROM t"),
        objects: false,
    });
}

/// Statements one after the other.
fn script(parts: &[&str]) -> String {
    parts.join(
        "
",
    )
}

/// A folder that goes away when the test has passed.
fn scratch(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("weir-kill-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("scratch folder");
    dir
}

fn write_inputs(dir: &Path, rows: usize) {
    let (mut orders, mut payments) = (String::new(), String::new());
    for i in 0..rows {
        let (usr, amount) = (i * 7919 % 40, i * 31 % 100);
        let (minute, second, milli) = (i / 600, i / 10 % 60, i % 10 * 100);
        let time = format!("2024-05-01 12:{minute:02}:{second:02}.{milli:03}");
        writeln!(orders, "{i},{usr},{amount},{time}").expect("text");
        // Every id once, some of them twice, in another order.
        let id = i * 4801 % rows;
        if id % 10 != 3 {
            writeln!(payments, "{id},{}", id % 77).expect("text");
        }
        if id % 50 == 1 {
            writeln!(payments, "{id},1000").expect("text");
        }
    }
    for (table, text) in [("orders", orders), ("payments", payments)] {
        let folder = dir.join(table);
        fs::create_dir_all(&folder).expect("input folder");
        fs::write(folder.join("rows.csv"), text).expect("input file");
    }
}

/// How a run of the process ended.
enum End {
    Done,
    Killed,
}

struct Round<'a> {
    job: &'a Job,
    dir: PathBuf,
    input: &'a Path,
}

impl Round<'_> {
    fn script(&self, statement: &str) -> PathBuf {
        let text = format!("{}\n{statement}", self.job.tables)
            .replace("{in}", &self.input.to_string_lossy())
            .replace("{out}", &self.dir.to_string_lossy())
            .replace("{run}", &self.run_id())
            .replace("{id}", &self.id());
        let path = self.dir.join("job.sql");
        fs::write(&path, text).expect("script");
        path
    }

    /// A name for the input that rounds share.
    fn run_id(&self) -> String {
        let size = self.input.parent().and_then(Path::file_name).unwrap_or_default();
        format!("{}-{}-{}", self.job.name, std::process::id(), size.to_string_lossy())
    }

    /// A name of this round's own, for topics.
    fn id(&self) -> String {
        let round = self.dir.file_name().unwrap_or_default().to_string_lossy();
        format!("{}-{}-{round}", self.job.name, std::process::id())
    }

    /// Where its checkpoints are, and the options for that place.
    fn state(&self) -> (String, Vec<String>) {
        if !self.job.objects {
            return (self.dir.join("state").to_string_lossy().into_owned(), Vec::new());
        }
        let server = std::env::var("WEIR_TEST_S3").expect("http://host:port/bucket");
        let (endpoint, bucket) = server.rsplit_once('/').expect("a bucket");
        let options = [
            format!("s3.endpoint={endpoint}"),
            "s3.access-key=test".to_owned(),
            "s3.secret-key=test".to_owned(),
        ];
        let set = options.into_iter().flat_map(|o| ["--set".to_owned(), o]).collect();
        (format!("s3://{bucket}/{}", self.id()), set)
    }

    fn command(&self, statement: &str, args: &[String]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.arg("run").arg(self.script(statement)).args(["--format", "csv"]).args(args);
        command.stdin(Stdio::null());
        command
    }

    /// Runs the job; kills it after a while if asked to.
    fn run(&self, statement: &str, args: &[String], kill_after: Option<Duration>) -> End {
        let log = fs::File::create(self.dir.join("log")).expect("log");
        let mut child = self
            .command(statement, args)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("weir starts");
        let start = Instant::now();
        loop {
            if let Some(status) = child.try_wait().expect("status") {
                let log = fs::read_to_string(self.dir.join("log")).unwrap_or_default();
                assert!(status.success(), "{}: {status}: {log}", self.job.name);
                return End::Done;
            }
            if kill_after.is_some_and(|t| start.elapsed() >= t) {
                child.kill().expect("kill");
                child.wait().expect("wait");
                return End::Killed;
            }
            if start.elapsed() > PATIENCE {
                let _ = child.kill();
                panic!("{} does not end, see {}", self.job.name, self.dir.display());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// What readers of the sink see, each row with its count.
    fn result(&self) -> BTreeMap<String, usize> {
        let text = match self.job.read {
            Some(query) => {
                // What is bounded ends; committed transactions of a topic are read in streaming mode.
                let mode = if query.contains("topic") { "streaming" } else { "batch" };
                let statement = format!("SET 'execution.runtime-mode' = '{mode}'; {query};");
                let out = self.command(&statement, &[]).output().expect("weir starts");
                let error = String::from_utf8_lossy(&out.stderr);
                assert!(out.status.success(), "{}: {error}", self.job.name);
                String::from_utf8_lossy(&out.stdout).into_owned()
            }
            None => visible_files(&self.dir.join("files")),
        };
        let mut rows = BTreeMap::new();
        for line in text.lines() {
            *rows.entry(line.to_owned()).or_insert(0) += 1;
        }
        rows
    }
}

fn visible_files(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).expect("sink folder") {
        let path = entry.expect("entry").path();
        let hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(['.', '_']));
        if !hidden {
            text.push_str(&fs::read_to_string(path).expect("sink file"));
        }
    }
    text
}

/// The updates job failing and starting again within its process, which is never killed.
#[test]
fn failures_within_the_process() {
    fail_often("failures", true);
}

/// The same with checkpoints in memory only.
#[test]
fn failures_without_a_checkpoint_directory() {
    fail_often("memory", false);
}

fn fail_often(name: &'static str, directory: bool) {
    let job = updates(name);
    let dir = scratch(job.name);
    let input = dir.join("in");
    write_inputs(&input, ROWS);
    let plain = Round { job: &job, dir: dir.join("plain"), input: &input };
    let failing = Round { job: &job, dir: dir.join("failing"), input: &input };
    for round in [&plain, &failing] {
        fs::create_dir_all(&round.dir).expect("folder");
    }
    plain.run(job.insert, &[], None);
    let state = failing.dir.join("state").to_string_lossy().into_owned();
    let mut args = vec!["-p".to_owned(), "2".to_owned()];
    if directory {
        args.extend(["--set".to_owned(), format!("execution.checkpointing.dir={state}")]);
    }
    for (key, value) in [
        ("execution.checkpointing.interval", "5 ms"),
        ("restart-strategy.type", "fixed-delay"),
        ("restart-strategy.fixed-delay.attempts", "100000"),
        ("restart-strategy.fixed-delay.delay", "1 ms"),
        ("weir.testing.batch-rows", "100"),
        ("weir.testing.fail-every", "37"),
    ] {
        args.extend(["--set".to_owned(), format!("{key}={value}")]);
    }
    failing.run(job.insert, &args, None);
    let log = fs::read_to_string(failing.dir.join("log")).expect("log");
    assert!(log.matches("starts again").count() > 3, "{log}");
    assert_eq!(failing.result(), plain.result());
    fs::remove_dir_all(&dir).expect("clean up");
}

fn check(job: &Job) {
    let dir = scratch(job.name);
    let wanted = number("WEIR_KILLS").unwrap_or(3);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("clock").as_micros() as u64;
    let seed = number("WEIR_KILL_SEED").unwrap_or(now);
    let mut random = Random(seed);
    let what = format!("{}, seed {seed}", job.name);
    let (input, expected) = undisturbed(job, &dir.join("many"), ROWS);
    let (mut kills, mut rounds) = (0, 0);
    while kills < wanted {
        rounds += 1;
        let round = Round { job, dir: dir.join(format!("round-{rounds}")), input: &input };
        fs::create_dir_all(&round.dir).expect("folder");
        kills += one_round(&round, &mut random, (wanted - kills).min(KILLS_PER_ROUND));
        compare(&round, &expected, &what);
        assert!(rounds < 20 + wanted, "{what}: the job ends before it is killed");
    }
    let (input, expected) = undisturbed(job, &dir.join("few"), FEW_ROWS);
    for n in 0..wanted {
        let step = 1 + random.below(STEPS);
        let round = Round { job, dir: dir.join(format!("step-{n}")), input: &input };
        fs::create_dir_all(&round.dir).expect("folder");
        die_at_step(&round, &mut random, step);
        compare(&round, &expected, &format!("{what}, step {step}"));
    }
    fs::remove_dir_all(&dir).expect("clean up");
    println!("{}: {kills} kills in {rounds} rounds, {wanted} chosen steps", job.name);
}

/// Input of so many rows, and what a run that nobody disturbs makes of it.
fn undisturbed(job: &Job, dir: &Path, rows: usize) -> (PathBuf, BTreeMap<String, usize>) {
    let input = dir.join("in");
    write_inputs(&input, rows);
    let round = Round { job, dir: dir.join(format!("plain-{rows}")), input: &input };
    fs::create_dir_all(&round.dir).expect("folder");
    if let Some(fill) = job.fill {
        round.run(fill, &[], None);
    }
    round.run(job.insert, &[], None);
    let expected = round.result();
    assert!(expected.len() > 30, "{}: {} rows", job.name, expected.len());
    (input, expected)
}

fn compare(round: &Round<'_>, expected: &BTreeMap<String, usize>, what: &str) {
    let got = round.result();
    let lost: Vec<_> = expected.iter().filter(|(r, n)| got.get(*r) < Some(n)).take(5).collect();
    let extra: Vec<_> = got.iter().filter(|(r, n)| expected.get(*r) < Some(n)).take(5).collect();
    assert!(
        lost.is_empty() && extra.is_empty(),
        "{what} in {}: lost {lost:?}, too many {extra:?}",
        round.dir.display()
    );
    fs::remove_dir_all(&round.dir).expect("clean up");
}

fn options(round: &Round<'_>, random: &mut Random, batch_rows: &str) -> Vec<String> {
    let (state, mut args) = round.state();
    args.extend(["--from-savepoint".to_owned(), format!("latest:{state}")]);
    args.extend(["-p".to_owned(), (1 + random.below(3)).to_string()]);
    for (key, value) in [
        ("execution.checkpointing.dir", state.as_str()),
        ("execution.checkpointing.interval", "10 ms"),
        (
            "execution.checkpointing.max-concurrent-checkpoints",
            ["1", "3"][random.below(2) as usize],
        ),
        ("weir.testing.batch-rows", batch_rows),
    ] {
        args.extend(["--set".to_owned(), format!("{key}={value}")]);
    }
    args
}

/// Lets the process abort itself at a step, then runs the job to its end.
fn die_at_step(round: &Round<'_>, random: &mut Random, step: u64) {
    let mut args = options(round, random, "100");
    args.extend(["--set".to_owned(), format!("weir.testing.crash-at-step={step}")]);
    let mut command = round.command(round.job.insert, &args);
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("weir starts");
    round.run(round.job.insert, &options(round, random, "100"), None);
}

/// Runs the job from its start to its end; how often it was killed.
fn one_round(round: &Round<'_>, random: &mut Random, most: u64) -> u64 {
    let mut killed = 0;
    loop {
        let rows = ["50", "400"][random.below(2) as usize];
        let args = options(round, random, rows);
        let after = Duration::from_millis(60 + random.below(900));
        match round.run(round.job.insert, &args, (killed < most).then_some(after)) {
            End::Done => return killed,
            End::Killed => killed += 1,
        }
    }
}
