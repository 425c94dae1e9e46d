//! What an option of `weir run` costs: each job without and with it, in turns.
//!
//! Without files it takes the jobs of `tests/spill`, whose first line says a
//! tenth of the memory that their state takes (`-- memory: 80m`), and runs them
//! within that. Prints medians; it judges nothing, because times of a shared
//! machine are no test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::tools;

/// Runs of each kind, in turns; the table has their medians.
const RUNS: usize = 3;
/// Marks a job's memory budget in its first line.
const BUDGET: &str = "-- memory: ";
const USAGE: &str = "usage: cargo xtask beside [FILE.sql.. -- ARGS..]";

/// One run of a job: wall time and resident memory at its peak, in MiB.
struct Run {
    seconds: f64,
    peak: u64,
}

/// `cargo xtask beside [FILE.sql.. -- ARGS..]`: a release build over each job.
pub fn run(args: &[String]) -> Result<()> {
    let mut halves = args.splitn(2, |arg| arg == "--");
    let files = halves.next().unwrap_or_default();
    let more = halves.next().unwrap_or_default();
    if files.is_empty() != more.is_empty() {
        bail!("{USAGE}");
    }
    tools::cargo(&["build", "--release", "-p", "weir"], &[])?;
    let weir = tools::target_dir().join("release").join("weir");
    println!("| job | alone | with | | throughput |\n|---|---|---|---|---|");
    for file in files {
        compare(&weir, Path::new(file), more)?;
    }
    if files.is_empty() {
        for job in shipped()? {
            compare(&weir, &job, &["--memory".to_owned(), budget_of(&job)?])?;
        }
    }
    Ok(())
}

/// The jobs of the repository, in the order of their names.
fn shipped() -> Result<Vec<PathBuf>> {
    let folder = tools::root().join("tests").join("spill");
    let mut jobs = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        jobs.push(entry?.path());
    }
    jobs.sort();
    Ok(jobs)
}

/// The budget in the first line of a job.
fn budget_of(job: &Path) -> Result<String> {
    let text = std::fs::read_to_string(job).with_context(|| job.display().to_string())?;
    match text.lines().next().and_then(|line| line.strip_prefix(BUDGET)) {
        Some(size) => Ok(size.trim().to_owned()),
        None => bail!("{}: expected `{BUDGET}SIZE` in its first line", job.display()),
    }
}

/// Runs a job both ways in turns and prints its row of the table.
fn compare(weir: &Path, job: &Path, more: &[String]) -> Result<()> {
    let (mut alone, mut with) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        alone.push(time(weir, job, &[])?);
        with.push(time(weir, job, more)?);
    }
    let (alone, with) = (median(alone), median(with));
    println!(
        "| {} | {:.1} s, {} MiB | {} | {:.1} s, {} MiB | {:.0} % |",
        job.file_stem().unwrap_or_default().to_string_lossy(),
        alone.seconds,
        alone.peak,
        more.join(" "),
        with.seconds,
        with.peak,
        100.0 * alone.seconds / with.seconds
    );
    Ok(())
}

/// The run with the median time.
fn median(mut runs: Vec<Run>) -> Run {
    runs.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    runs.swap_remove(runs.len() / 2)
}

/// One run of the job, parallelism 2.
fn time(weir: &Path, job: &Path, more: &[String]) -> Result<Run> {
    let start = Instant::now();
    let mut command = Command::new(weir);
    command.arg("run").arg(job).args(["-p", "2"]).args(more).stdout(Stdio::null());
    let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
    let mut peak = 0;
    let status = loop {
        peak = peak_mib(&child).unwrap_or(peak);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    if !status.success() {
        bail!("{command:?} failed: {status}");
    }
    Ok(Run { seconds: start.elapsed().as_secs_f64(), peak })
}

/// The high-water mark of a process's resident memory.
fn peak_mib(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib / 1024)
}
