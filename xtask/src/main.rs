//! The few verbs of the project: `cargo xtask demo | test | check | bench | beside | corpus |
//! kill | outage | fuzz | tpch`.
//!
//! Everything a verb needs beyond cargo it installs itself (see `tools.rs`), or
//! it prints the one command to type.

mod beside;
mod check;
mod corpus;
mod crash;
mod csv;
mod demo;
mod fuzz;
mod kafka;
mod s3;
mod script;
mod tools;
mod tpch;

use anyhow::{Result, bail};

const USAGE: &str = "usage: cargo xtask VERB
  demo [CARS [SECONDS]]     run the driving-data pipeline on embedded defaults and print its tables
  test                      install or start what the tests need, then run every test
  check                     formatting, clippy, crate layers, licences
  corpus [-v] [--crash] [--seed S] [--only TEXT] [DIR..]
                            run the SQL corpus (default: tests/sql) with the debug build;
                            --crash: every case with checkpoints, aborted and restarted
  kill [N]                  kill running jobs N times each (default: 30) and compare what they wrote
  outage                    a broker that goes away in the middle of a job from topic to topic
  tpch [SCALE [THREADS]]    TPC-H from Parquet beside DuckDB: answers and times (default: 1, 2)
  fuzz [--crash] [--queries N] [--seed S]
                            random queries over random tables: streaming against batch;
                            --crash: aborted and restarted against undisturbed
  beside [FILE.sql.. -- ARGS..]
                            jobs alone and with more arguments of `weir run`; without files, jobs
                            whose state is ten times the memory budget
  bench [NAME]              run the criterion benches";

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let rest = args.get(1..).unwrap_or_default();
    match args.first().map(String::as_str) {
        Some("demo") => demo::run(rest),
        Some("test") => test(),
        Some("check") => check::run(),
        Some("corpus") => corpus::run(rest),
        Some("kill") => kafka::kill(rest),
        Some("outage") => kafka::outage_test(),
        Some("tpch") => tpch::run(rest),
        Some("beside") => beside::run(rest),
        Some("fuzz") => fuzz::run(rest),
        Some("bench") => tools::cargo(&["bench", "--workspace"], rest),
        _ => bail!("{USAGE}"),
    }
}

/// Every test: unit and crate tests, the SQL corpus, also over crashes, TPC-H's answers, the pipeline over a
/// real Kafka broker.
fn test() -> Result<()> {
    check::layers()?;
    tools::native_build_tools()?;
    let python = tools::python_with_pypaimon()?;
    // Tests and the binary in one build: dev-dependencies must not change features in between.
    tools::cargo(&["build", "--workspace", "--all-targets"], &[])?;
    {
        let store = s3::Store::start()?;
        let place = store.place();
        let places = [("WEIR_PYTHON", python.as_os_str()), ("WEIR_TEST_S3", place.as_ref())];
        tools::cargo_with(&["test", "--workspace"], &places)?;
    }
    corpus::check(&[])?;
    corpus::check(&["--crash".to_owned()])?;
    fuzz::check(&["--queries", "1000"].map(str::to_owned))?;
    tpch::check()?;
    kafka::pipeline_test(&python)
}
