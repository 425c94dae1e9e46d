//! The few verbs of the project: `cargo xtask demo | test | check | bench | corpus`.
//!
//! Everything a verb needs beyond cargo it installs itself (see `tools.rs`), or
//! it prints the one command to type.

mod check;
mod corpus;
mod csv;
mod demo;
mod kafka;
mod tools;

use anyhow::{Result, bail};

const USAGE: &str = "usage: cargo xtask VERB
  demo [CARS [SECONDS]]     run the driving-data pipeline on embedded defaults and print its tables
  test                      install or start what the tests need, then run every test
  check                     formatting, clippy, crate layers, licences
  corpus [-v] [--only TEXT] [DIR..]
                            run the SQL corpus (default: tests/sql) with the debug build
  bench [NAME]              run the criterion benches";

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let rest = args.get(1..).unwrap_or_default();
    match args.first().map(String::as_str) {
        Some("demo") => demo::run(rest),
        Some("test") => test(),
        Some("check") => check::run(),
        Some("corpus") => corpus::run(rest),
        Some("bench") => tools::cargo(&["bench", "--workspace"], rest),
        _ => bail!("{USAGE}"),
    }
}

/// Every test: unit and crate tests, the SQL corpus, the pipeline over a real Kafka broker.
fn test() -> Result<()> {
    check::layers()?;
    tools::native_build_tools()?;
    let python = tools::python_with_pypaimon()?;
    // Tests and the binary in one build: dev-dependencies must not change features in between.
    tools::cargo(&["build", "--workspace", "--all-targets"], &[])?;
    tools::cargo_with(&["test", "--workspace"], &[("WEIR_PYTHON", python.as_os_str())])?;
    corpus::check(&[])?;
    kafka::pipeline_test(&python)
}
