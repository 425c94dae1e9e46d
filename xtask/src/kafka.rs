//! The pipeline over a real Kafka broker: a million heartbeats into Paimon, every
//! row accounted for by pypaimon.
//!
//! The broker's jars come from Maven Central through Maven; one process runs as
//! broker and controller (KRaft) in a scratch folder.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::{demo, s3, tools};

const KAFKA: &str = "4.1.0";
const CARS: u64 = 1_000;
const SECONDS: u64 = 1_000;

/// `kill [N]`: kills each of the jobs of `crates/weir/tests/kill.rs` so many times (default:
/// 30, 240 in all), those over Kafka and with checkpoints on S3 included.
pub fn kill(args: &[String]) -> Result<()> {
    let kills: u64 = args.first().map_or(Ok(30), |n| n.parse()).context("kill takes a number")?;
    let (_home, broker) = fresh_broker()?;
    let store = s3::Store::start()?;
    let (kills, place) = (kills.to_string(), store.place());
    tools::cargo_with(
        &["test", "--workspace", "--test", "kill", "--", "--include-ignored", "--nocapture"],
        &[
            ("WEIR_KILLS", kills.as_ref()),
            ("WEIR_KAFKA", broker.address.as_ref()),
            ("WEIR_TEST_S3", place.as_ref()),
        ],
    )
}

/// A broker in an empty folder.
fn fresh_broker() -> Result<(PathBuf, Broker)> {
    let jars = jars()?;
    let home = tools::cache().join("kafka-test");
    if home.exists() {
        fs::remove_dir_all(&home)?;
    }
    fs::create_dir_all(&home)?;
    let broker = Broker::start(&jars, &home)?;
    Ok((home, broker))
}

/// The whole test.
pub fn pipeline_test(python: &Path) -> Result<()> {
    let (home, mut broker) = fresh_broker()?;
    // What only a real broker can show: transactions that outlive their process.
    let broker_tests = ["test", "--workspace", "--lib", "kafka::", "--", "--ignored"];
    tools::cargo_with(&broker_tests, &[("WEIR_KAFKA", broker.address.as_ref())])?;
    let script = write_scripts(&home, &broker.address)?;
    for s in script {
        tools::run(Command::new(tools::weir()).arg("run").arg(s).args(["-p", "2"]))?;
    }
    count_with_pypaimon(python, &home.join("warehouse"))?;
    outage(&home, &mut broker)?;
    println!("kafka to paimon: {} heartbeats, every row accounted for", CARS * SECONDS);
    println!("1 passed, 0 failed");
    Ok(())
}

/// `outage`: only the part of the test in which the broker goes away.
pub fn outage_test() -> Result<()> {
    let (home, mut broker) = fresh_broker()?;
    outage(&home, &mut broker)
}

/// Rows of the job whose broker goes away.
const OUTAGE_ROWS: usize = 20_000;

/// A job from topic to topic, exactly once, whose broker is killed in its middle and comes
/// back after a while: nothing is lost, nothing doubled.
fn outage(home: &Path, broker: &mut Broker) -> Result<()> {
    let data = home.join("outage");
    fs::create_dir_all(&data)?;
    let rows: Vec<String> = (0..OUTAGE_ROWS).map(|i| i.to_string()).collect();
    fs::write(data.join("rows.csv"), rows.join("\n"))?;
    let topic = |name: &str, options: &str| {
        format!(
            "CREATE TABLE {name} (id INT) WITH ('connector' = 'kafka', 'topic' = '{name}',
            'properties.bootstrap.servers' = '{}', 'format' = 'json', {options});",
            broker.address
        )
    };
    let committed = "'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset', 'properties.isolation.level' = 'read_committed'";
    let tables = format!(
        "CREATE TABLE files (id INT) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv');
{}{}",
        data.display(),
        topic("outage_in", committed),
        topic("outage_out", &format!("{committed}, 'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = 'outage', 'properties.transaction.timeout.ms' = '60000'")),
    );
    let weir = |sql: &str| {
        let mut command = Command::new(tools::weir());
        command.args(["run", "-e", &format!("{tables}\n{sql}"), "--format", "csv"]);
        command
    };
    tools::run(&mut weir("INSERT INTO outage_in SELECT * FROM files;"))?;
    let mut job = weir("INSERT INTO outage_out SELECT * FROM outage_in;");
    let state = home.join("outage-state").to_string_lossy().into_owned();
    for (key, value) in [
        ("execution.checkpointing.dir", state.as_str()),
        ("execution.checkpointing.interval", "100 ms"),
        ("execution.checkpointing.tolerable-failed-checkpoints", "1000"),
        ("restart-strategy.type", "fixed-delay"),
        ("restart-strategy.fixed-delay.attempts", "1000"),
        ("restart-strategy.fixed-delay.delay", "500 ms"),
        ("weir.testing.batch-rows", "100"),
    ] {
        job.args(["--set", &format!("{key}={value}")]);
    }
    let log = File::create(home.join("outage.log"))?;
    let mut job = job.stderr(log).spawn()?;
    std::thread::sleep(Duration::from_secs(4));
    if let Some(status) = job.try_wait()? {
        bail!("the job ended before its broker went away: {status}; see outage.log");
    }
    broker.restart_after(Duration::from_secs(12))?;
    let start = Instant::now();
    let status = loop {
        if let Some(status) = job.try_wait()? {
            break status;
        }
        if start.elapsed() > Duration::from_secs(180) {
            job.kill()?;
            bail!("the job does not end; see {}", home.join("outage.log").display());
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let told = fs::read_to_string(home.join("outage.log"))?;
    if !told.contains("checkpoint") {
        bail!("the job did not say that it waits: {told}");
    }
    if !status.success() {
        bail!("the job failed: {status}; see {}", home.join("outage.log").display());
    }
    let count =
        weir("SELECT COUNT(*) AS n, COUNT(DISTINCT id) AS ids, SUM(id) AS s FROM outage_out;")
            .output()?;
    let sum = (0..OUTAGE_ROWS).sum::<usize>();
    let (got, expected) = (
        String::from_utf8_lossy(&count.stdout).into_owned(),
        format!("n,ids,s\n{OUTAGE_ROWS},{OUTAGE_ROWS},{sum}\n"),
    );
    if got != expected {
        bail!("rows, ids, sum after the broker's return: {got:?}, expected {expected:?}");
    }
    println!("broker away for seconds: {OUTAGE_ROWS} rows, none lost, none doubled");
    Ok(())
}

/// Script 1 fills the topic from a file through our own Kafka sink, script 2 reads it into Paimon.
fn write_scripts(home: &Path, address: &str) -> Result<Vec<PathBuf>> {
    let data = home.join("data");
    fs::create_dir_all(&data)?;
    let mut file = BufWriter::new(File::create(data.join("heartbeats.json"))?);
    for second in 0..SECONDS {
        for car in 0..CARS {
            writeln!(file, "{}", demo::heartbeat_event(car, 1_735_689_600 + second))?;
        }
    }
    file.flush()?;
    let columns = "car_id STRING, ts_second BIGINT, driving_mode STRING, speed DOUBLE, road_type STRING, task_id STRING, task_status STRING, city STRING, area STRING, route_id STRING";
    let kafka = format!(
        "'connector' = 'kafka', 'topic' = 'heartbeat', 'properties.bootstrap.servers' = '{address}', 'format' = 'json'"
    );
    let fill = format!(
        "CREATE TABLE files ({columns}) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'json');
CREATE TABLE topic ({columns}) WITH ({kafka}, 'key.format' = 'raw', 'key.fields' = 'car_id');
INSERT INTO topic SELECT * FROM files;",
        data.display()
    );
    let read = format!(
        "CREATE TABLE topic ({columns}, part INT METADATA FROM 'partition' VIRTUAL, `offset` BIGINT METADATA VIRTUAL) WITH ({kafka}, 'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset');
CREATE CATALOG lake WITH ('type' = 'paimon', 'warehouse' = '{}');
CREATE TABLE lake.`default`.ods_heartbeat ({columns}, part INT, `offset` BIGINT, PRIMARY KEY (car_id, ts_second) NOT ENFORCED) WITH ('bucket' = '4', 'changelog-producer' = 'input');
INSERT INTO lake.`default`.ods_heartbeat SELECT * FROM topic;",
        home.join("warehouse").display()
    );
    let paths = vec![home.join("fill.sql"), home.join("read.sql")];
    fs::write(&paths[0], fill)?;
    fs::write(&paths[1], read)?;
    Ok(paths)
}

/// Counts keys and checks sums that a lost, doubled or changed row would break.
fn count_with_pypaimon(python: &Path, warehouse: &Path) -> Result<()> {
    let program = "
import sys
from pypaimon import CatalogFactory
table = CatalogFactory.create({'warehouse': sys.argv[1]}).get_table('default.ods_heartbeat')
builder = table.new_read_builder()
rows = builder.new_read().to_arrow(builder.new_scan().plan().splits())
import pyarrow.compute as pc
keys = set(zip(rows.column('car_id').to_pylist(), rows.column('ts_second').to_pylist()))
places = set(zip(rows.column('part').to_pylist(), rows.column('offset').to_pylist()))
print(rows.num_rows, len(keys), len(places), pc.sum(rows.column('ts_second')).as_py())
";
    let out = Command::new(python).args(["-c", program]).arg(warehouse).output()?;
    let text = String::from_utf8_lossy(&out.stdout).trim().to_owned();
    let n = CARS * SECONDS;
    let sum = CARS * (0..SECONDS).map(|s| 1_735_689_600 + s).sum::<u64>();
    let expected = format!("{n} {n} {n} {sum}");
    if text != expected {
        bail!(
            "pypaimon reads rows, keys, offsets, sum = {text:?}, expected {expected:?}\n{}",
            String::from_utf8_lossy(&out.stderr)
        );
    }
    Ok(())
}

/// The broker's class path in the cache, fetched once.
fn jars() -> Result<PathBuf> {
    let dir = tools::cache().join(format!("kafka-{KAFKA}"));
    if dir.join("done").exists() {
        return Ok(dir);
    }
    if !tools::has("java", "-version") || !tools::has("mvn", "--version") {
        tools::debian(&["default-jre-headless", "maven"])?;
    }
    fs::create_dir_all(&dir)?;
    let pom = format!(
        "<project><modelVersion>4.0.0</modelVersion><groupId>weir</groupId><artifactId>broker</artifactId><version>1</version><dependencies><dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA}</version></dependency></dependencies></project>"
    );
    fs::write(dir.join("pom.xml"), pom)?;
    let mut mvn = Command::new("mvn");
    mvn.args(["-q", "-B", "-f"]).arg(dir.join("pom.xml"));
    mvn.arg("dependency:copy-dependencies");
    mvn.arg(format!("-DoutputDirectory={}", dir.join("lib").display()));
    tools::run(&mut mvn)?;
    fs::write(dir.join("done"), "")?;
    Ok(dir)
}

struct Broker {
    process: Child,
    address: String,
    jars: PathBuf,
    home: PathBuf,
}

impl Broker {
    fn start(jars: &Path, home: &Path) -> Result<Self> {
        let (port, controller) = (free_port()?, free_port()?);
        let logs = home.join("broker");
        let config = format!(
            "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{controller}\nlisteners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\nadvertised.listeners=PLAINTEXT://127.0.0.1:{port}\ncontroller.listener.names=CONTROLLER\nlistener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\nlog.dirs={}\nnum.partitions=4\noffsets.topic.replication.factor=1\ntransaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n",
            logs.display()
        );
        let file = home.join("server.properties");
        fs::write(&file, config)?;
        let mut format = java(jars);
        format.args(["kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c"]);
        tools::run(format.arg(&file).stdout(Stdio::null()))?;
        let process = launch(jars, home)?;
        let (jars, home) = (jars.to_owned(), home.to_owned());
        let broker = Self { process, address: format!("127.0.0.1:{port}"), jars, home };
        broker.await_answer()?;
        Ok(broker)
    }

    fn await_answer(&self) -> Result<()> {
        let start = Instant::now();
        while TcpStream::connect(&self.address).is_err() {
            if start.elapsed() > Duration::from_secs(60) {
                let log = self.home.join("broker.log");
                bail!("the broker does not answer; see {}", log.display());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// Kills the broker; it comes back after a while, with what it had.
    fn restart_after(&mut self, pause: Duration) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        std::thread::sleep(pause);
        self.process = launch(&self.jars, &self.home)?;
        self.await_answer()
    }
}

/// Starts a formatted broker.
fn launch(jars: &Path, home: &Path) -> Result<Child> {
    let log = File::options().create(true).append(true).open(home.join("broker.log"))?;
    let mut server = java(jars);
    server.arg("kafka.Kafka").arg(home.join("server.properties"));
    server.stdout(log.try_clone()?).stderr(log).spawn().context("cannot start the broker")
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn java(jars: &Path) -> Command {
    let mut c = Command::new("java");
    c.args(["-Xmx512m", "-cp"]).arg(format!("{}/*", jars.join("lib").display()));
    c
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
