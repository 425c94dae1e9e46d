//! One run of a script by the binary.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::tools;

const TIMEOUT: Duration = Duration::from_secs(60);

/// How a run ended.
pub struct Ended {
    /// Exit code; none after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Runs a script. Output goes through files, so that nothing blocks.
pub fn execute(script: &Path, scratch: &Path, args: &[String]) -> Result<Ended> {
    let (out, err) = (scratch.join("stdout"), scratch.join("stderr"));
    let mut child = Command::new(tools::weir())
        .arg("run")
        .arg(script)
        .args(["--format", "csv"])
        .args(args)
        .stdin(Stdio::null())
        .stdout(fs::File::create(&out)?)
        .stderr(fs::File::create(&err)?)
        .spawn()
        .context("cannot start weir")?;
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if start.elapsed() > TIMEOUT {
            child.kill()?;
            child.wait()?;
            bail!("no end after {TIMEOUT:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let read = |p: &Path| fs::read(p).map(|b| String::from_utf8_lossy(&b).into_owned());
    Ok(Ended { code: status.code(), out: read(&out)?, err: read(&err)? })
}
