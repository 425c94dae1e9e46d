//! Storage that fails while a job runs: an object store that answers errors or nothing at
//! all, a disk that is full. The job waits, gives up checkpoints or starts again, says why,
//! and what it has written in the end is what an undisturbed run writes.
//!
//! `WEIR_TEST_S3=http://host:port/bucket` names an S3-compatible store (`cargo xtask test`
//! starts one).

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Rows that a job reads.
const ROWS: usize = 40_000;

/// Everything goes through.
const PASS: u8 = 0;
/// Every request is answered with 503.
const REFUSE: u8 = 1;
/// Requests are taken and never answered.
const STALL: u8 = 2;
/// The store does not hear the condition under which it is to create objects.
const FORGET: u8 = 3;

/// Stands between a job and its object store, and misbehaves on demand.
struct Proxy {
    address: String,
    mode: Arc<AtomicU8>,
    refused: Arc<AtomicUsize>,
}

impl Proxy {
    fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("port");
        let address = listener.local_addr().expect("address").to_string();
        let mode = Arc::new(AtomicU8::new(PASS));
        let refused = Arc::new(AtomicUsize::new(0));
        let (server, m, r) = (server.to_owned(), Arc::clone(&mode), Arc::clone(&refused));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (server, m, r) = (server.clone(), Arc::clone(&m), Arc::clone(&r));
                std::thread::spawn(move || serve(client, &server, &m, &r));
            }
        });
        Self { address, mode, refused }
    }

    fn set(&self, mode: u8) {
        self.mode.store(mode, Ordering::SeqCst);
    }
}

/// One connection, to its end.
fn serve(mut client: TcpStream, server: &str, mode: &AtomicU8, refused: &AtomicUsize) {
    let Ok(mut upstream) = TcpStream::connect(server) else { return };
    let (Ok(mut back), Ok(mut answers)) = (client.try_clone(), upstream.try_clone()) else {
        return;
    };
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut answers, &mut back);
    });
    let mut buffer = vec![0; 64 << 10];
    while let Ok(n @ 1..) = client.read(&mut buffer) {
        match mode.load(Ordering::SeqCst) {
            REFUSE => {
                refused.fetch_add(1, Ordering::SeqCst);
                let answer =
                    "HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                let _ = client.write_all(answer.as_bytes());
                break;
            }
            STALL => {
                refused.fetch_add(1, Ordering::SeqCst);
                while mode.load(Ordering::SeqCst) == STALL {
                    std::thread::sleep(Duration::from_millis(20));
                }
                break;
            }
            mode => {
                if mode == FORGET {
                    forget_condition(&mut buffer[..n]);
                }
                if upstream.write_all(&buffer[..n]).is_err() {
                    break;
                }
            }
        }
    }
    let _ = client.shutdown(std::net::Shutdown::Both);
    let _ = upstream.shutdown(std::net::Shutdown::Both);
}

/// Renames the header of conditional writes.
fn forget_condition(request: &mut [u8]) {
    let header = b"if-none-match:";
    let at = request.windows(header.len()).position(|w| w.eq_ignore_ascii_case(header));
    if let Some(at) = at {
        request[at] = b'x';
    }
}

#[test]
fn a_store_that_ignores_conditions_is_refused() {
    let Some((server, bucket)) = store() else { return };
    let proxy = Proxy::start(&server);
    proxy.set(FORGET);
    let job = Job::new("conditions");
    let dir = format!("s3://{bucket}/conditions-{}", std::process::id());
    let endpoint = format!("http://{}", proxy.address);
    let status = job.start(&on_s3(&dir, &endpoint)).wait().expect("end");
    let log = job.log();
    assert!(!status.success() && log.contains("If-None-Match"), "{log}");
    assert!(log.contains("AWS S3"), "{log}");
    fs::remove_dir_all(&job.dir).expect("clean up");
}

/// A job over files whose process lives in a folder of its own.
struct Job {
    dir: PathBuf,
}

impl Job {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("weir-faults-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(dir.join("in")).expect("scratch folder");
        let mut rows = String::new();
        for i in 0..ROWS {
            writeln!(rows, "{i},{}", i % 1000).expect("text");
        }
        fs::write(dir.join("in/rows.csv"), rows).expect("input");
        Self { dir }
    }

    /// Its state grows, so that checkpoints write files of their own. A restart after a
    /// failure and the pace of the source are part of the options.
    fn start(&self, options: &[(&str, &str)]) -> Child {
        let dir = self.dir.display();
        let sql = format!(
            "CREATE TABLE rows_in (id INT, k INT) WITH ('connector' = 'filesystem',
                'path' = '{dir}/in', 'format' = 'csv');
            CREATE TABLE rows_out (id INT, k INT, n BIGINT) WITH ('connector' = 'filesystem',
                'path' = '{dir}/out', 'format' = 'csv',
                'sink.rolling-policy.rollover-interval' = '50 ms',
                'sink.rolling-policy.check-interval' = '10 ms');
            INSERT INTO rows_out SELECT id, k, n FROM (SELECT id, k,
                COUNT(*) OVER (PARTITION BY k ORDER BY p ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS n
                FROM (SELECT *, PROCTIME() AS p FROM rows_in));"
        );
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.args(["run", "-e", &sql]).stdin(Stdio::null()).stdout(Stdio::null());
        let steady = [
            ("execution.checkpointing.interval", "100 ms"),
            ("weir.testing.batch-rows", "400"),
            ("restart-strategy.type", "fixed-delay"),
            ("restart-strategy.fixed-delay.attempts", "100000"),
            ("restart-strategy.fixed-delay.delay", "300 ms"),
        ];
        for (key, value) in steady.iter().chain(options) {
            command.args(["--set", &format!("{key}={value}")]);
        }
        let log = fs::File::create(self.dir.join("log")).expect("log");
        command.stderr(log).spawn().expect("weir starts")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// Waits until the log says something.
    fn await_log(&self, child: &mut Child, text: &str) {
        self.await_that(child, text, || self.log().contains(text));
    }

    fn await_that(&self, child: &mut Child, what: &str, done: impl Fn() -> bool) {
        let start = Instant::now();
        while !done() {
            let ended = child.try_wait().expect("status");
            assert!(ended.is_none(), "{what}: ended with {ended:?}: {}", self.log());
            assert!(start.elapsed() < Duration::from_secs(60), "{what}: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until rows are committed, so that checkpoints have been made.
    fn await_rows(&self, child: &mut Child) {
        self.await_that(child, "committed rows", || !visible(&self.dir.join("out")).is_empty());
    }

    /// The same where checkpoints are on a disk that goes away afterwards.
    fn finish_on(self, child: Child, disk: SmallDisk) {
        self.complete(child);
        drop(disk);
        fs::remove_dir_all(&self.dir).expect("clean up");
    }

    fn finish(self, child: Child) {
        self.complete(child);
        fs::remove_dir_all(&self.dir).expect("clean up");
    }

    /// The job ends well; every row is there exactly once.
    fn complete(&self, mut child: Child) {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().expect("status") {
                break status;
            }
            if start.elapsed() > Duration::from_secs(120) {
                let _ = child.kill();
                panic!("the job does not end: {}", self.log());
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        assert!(status.success(), "{status}: {}", self.log());
        let text = visible(&self.dir.join("out"));
        let lines: BTreeSet<&str> = text.lines().collect();
        // Files that a lost checkpoint has committed stay, and the log says so.
        let twice = self.log().contains("a second time");
        assert!(text.lines().count() == ROWS || twice, "{}", self.log());
        assert_eq!(lines.len(), ROWS, "{}", self.log());
        let expected: Vec<String> =
            (0..ROWS).map(|i| format!("{i},{},{}", i % 1000, i / 1000 + 1)).collect();
        assert!(expected.iter().all(|e| lines.contains(e.as_str())), "{}", self.log());
    }
}

fn visible(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(['.', '_']) {
            text.push_str(&fs::read_to_string(entry.path()).unwrap_or_default());
        }
    }
    text
}

/// The store's host and port, and its bucket.
fn store() -> Option<(String, String)> {
    let place = std::env::var("WEIR_TEST_S3").ok();
    if place.is_none() {
        println!("skipped: WEIR_TEST_S3 names no object store (cargo xtask test starts one)");
    }
    let place = place?;
    let (endpoint, bucket) = place.rsplit_once('/')?;
    Some((endpoint.strip_prefix("http://")?.to_owned(), bucket.to_owned()))
}

fn on_s3<'a>(dir: &'a str, endpoint: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("execution.checkpointing.dir", dir),
        ("s3.endpoint", endpoint),
        ("s3.access-key", "test"),
        ("s3.secret-key", "never-shown"),
    ]
}

#[test]
fn a_store_that_fails_or_stalls_costs_checkpoints_only() {
    let Some((server, bucket)) = store() else { return };
    let proxy = Proxy::start(&server);
    let job = Job::new("tolerated");
    let dir = format!("s3://{bucket}/tolerated-{}", std::process::id());
    let endpoint = format!("http://{}", proxy.address);
    let mut options = on_s3(&dir, &endpoint);
    options.push(("execution.checkpointing.timeout", "2 s"));
    options.push(("execution.checkpointing.tolerable-failed-checkpoints", "1000"));
    let mut child = job.start(&options);
    job.await_rows(&mut child);
    for mode in [REFUSE, STALL] {
        let failures = job.log().matches(" failed: ").count();
        proxy.set(mode);
        job.await_that(&mut child, "a failed checkpoint", || {
            job.log().matches(" failed: ").count() > failures
        });
        proxy.set(PASS);
        let rows = visible(&job.dir.join("out")).len();
        job.await_that(&mut child, "more rows", || visible(&job.dir.join("out")).len() > rows);
    }
    assert!(proxy.refused.load(Ordering::SeqCst) > 0);
    let log = job.log();
    assert!(!log.contains("starts again") && !log.contains("never-shown"), "{log}");
    job.finish(child);
}

#[test]
fn a_store_that_fails_for_longer_makes_the_job_start_again() {
    let Some((server, bucket)) = store() else { return };
    let proxy = Proxy::start(&server);
    let job = Job::new("restarted");
    let dir = format!("s3://{bucket}/restarted-{}", std::process::id());
    let endpoint = format!("http://{}", proxy.address);
    let mut options = on_s3(&dir, &endpoint);
    options.push(("execution.checkpointing.timeout", "3 s"));
    let mut child = job.start(&options);
    job.await_rows(&mut child);
    proxy.set(REFUSE);
    job.await_log(&mut child, "tolerable-failed-checkpoints");
    job.await_log(&mut child, "starts again");
    // Nor can it start while the store is away; it says so and tries again.
    job.await_that(&mut child, "another attempt", || job.log().matches("starts again").count() > 1);
    let log = job.log();
    assert!(log.contains("503") || log.to_lowercase().contains("slow down"), "{log}");
    assert!(!log.contains("never-shown"), "{log}");
    proxy.set(PASS);
    job.finish(child);
}

/// A small file system of its own, for as long as this lives.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where this process may not mount.
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir_all(at).expect("mount point");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
            .arg(at)
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success());
        if !mounted {
            println!("skipped: a small disk can only be mounted by root");
        }
        mounted.then(|| Self(at.to_owned()))
    }

    /// Leaves no room; the file whose end makes room again.
    fn fill(&self) -> PathBuf {
        let ballast = self.0.join("ballast");
        let mut file = fs::File::create(&ballast).expect("ballast");
        while file.write_all(&[1; 4096]).is_ok() {}
        ballast
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Even while the job of a failed test is still there.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_costs_checkpoints_until_there_is_room() {
    let job = Job::new("disk");
    let dir = job.dir.join("chk");
    let Some(disk) = SmallDisk::mount(&dir) else { return };
    let dir = dir.to_string_lossy().into_owned();
    let options = [
        ("execution.checkpointing.dir", dir.as_str()),
        ("execution.checkpointing.timeout", "1 s"),
        ("execution.checkpointing.tolerable-failed-checkpoints", "1000"),
    ];
    let mut child = job.start(&options);
    job.await_rows(&mut child);
    let ballast = disk.fill();
    job.await_log(&mut child, "No space left on device");
    job.await_log(&mut child, " failed: ");
    fs::remove_file(ballast).expect("room");
    assert!(!job.log().contains("starts again"), "{}", job.log());
    job.finish_on(child, disk);
}

#[test]
fn a_damaged_state_file_gives_way_to_the_checkpoint_before() {
    let job = Job::new("damaged");
    let dir = job.dir.join("chk").to_string_lossy().into_owned();
    let options = [
        ("execution.checkpointing.dir", dir.as_str()),
        ("execution.checkpointing.num-retained", "3"),
    ];
    let mut child = job.start(&options);
    job.await_rows(&mut child);
    std::thread::sleep(Duration::from_secs(1));
    child.kill().expect("kill");
    child.wait().expect("wait");
    let id = fs::read_dir(&dir).expect("jobs").next().expect("one").expect("entry").path();
    let entries = |folder: &Path| -> Vec<String> {
        let names = fs::read_dir(folder).expect("folder").flatten().map(|e| e.file_name());
        names.map(|n| n.to_string_lossy().into_owned()).collect()
    };
    let checkpoints = entries(&id);
    let newest = checkpoints
        .iter()
        .filter(|n| id.join(n).join("_metadata").exists())
        .filter_map(|n| n.strip_prefix("chk-")?.parse::<u64>().ok())
        .max()
        .expect("a checkpoint");
    // GENERATION-CHECKPOINT-NODE-SUBTASK.run
    let own = |n: &&String| n.split('-').nth(1) == Some(newest.to_string().as_str());
    let runs = entries(&id.join("shared"));
    let run = id.join("shared").join(runs.iter().find(own).expect("a run of the newest"));
    let mut bytes = fs::read(&run).expect("run");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&run, bytes).expect("damage");
    let latest = format!("latest:{dir}");
    let mut again = options.to_vec();
    again.push(("execution.state-recovery.path", latest.as_str()));
    let mut child = job.start(&again);
    job.await_log(&mut child, "a damaged checkpoint is passed over");
    job.await_log(&mut child, &format!("chk-{}", newest - 1));
    job.finish(child);
}
