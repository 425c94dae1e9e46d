//! TPC-H from Parquet: all 22 answers beside DuckDB's, and the times.
//!
//! The data comes from `tpchgen-cli`, the other side is DuckDB, both from PyPI,
//! in the cache folder. `tests/tpch/compare.py` does the comparing.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::tools;

/// How much slower than DuckDB the whole may be.
const RATIO: &str = "2";

/// `cargo xtask tpch [SCALE [THREADS]]`: a release build beside DuckDB.
pub fn run(args: &[String]) -> Result<()> {
    if args.len() > 2 {
        bail!("usage: cargo xtask tpch [SCALE [THREADS]]");
    }
    let scale = args.first().map_or("1", String::as_str);
    let threads = args.get(1).map_or("2", String::as_str);
    tools::cargo(&["build", "--release", "-p", "weir"], &[])?;
    let weir = tools::target_dir().join("release").join("weir");
    compare(&weir, scale, threads, &[RATIO])
}

/// The answers alone, at a small scale, by the debug build.
pub fn check() -> Result<()> {
    compare(&tools::weir(), "0.01", "2", &[])
}

fn compare(weir: &Path, scale: &str, threads: &str, more: &[&str]) -> Result<()> {
    let python = tools::python("tpch", &["duckdb==2.0.1", "tpchgen-cli==4.0.0"], "import duckdb")?;
    let data = data(&python, scale)?;
    let script = tools::root().join("tests").join("tpch").join("compare.py");
    let mut command = Command::new(&python);
    command.arg(script).arg(weir).arg(data).arg(threads).args(more);
    tools::run(&mut command)
}

/// The folder of one scale's tables, made once.
fn data(python: &Path, scale: &str) -> Result<PathBuf> {
    let folder = tools::cache().join("tpch").join(format!("sf{scale}"));
    if !folder.join("done").exists() {
        let generator = python.with_file_name("tpchgen-cli");
        let mut command = Command::new(generator);
        command.args(["parquet", "-s", scale]).arg(format!("--output-dir={}", folder.display()));
        tools::run(&mut command)?;
        std::fs::write(folder.join("done"), "")?;
    }
    Ok(folder)
}
