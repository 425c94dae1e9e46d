//! `weir jobs` and `weir savepoint`, SHOW JOBS and STOP JOB: asks the processes that run
//! jobs, by the sockets in the run folder (`control.rs` answers).

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};
use weir_core::{Error, Result};
use weir_sql::ResultTable;

use crate::control;

/// A running job and the socket of its process.
struct Job {
    socket: PathBuf,
    told: Value,
}

impl Job {
    fn text(&self, key: &str) -> &str {
        self.told.get(key).and_then(Value::as_str).unwrap_or_default()
    }
}

/// One request; none if nobody listens any more.
fn ask(socket: &Path, request: &Value) -> Result<Option<Value>> {
    let lost = |e: std::io::Error| Error::io(format!("{}: {e}", socket.display()));
    let mut stream = match UnixStream::connect(socket) {
        Ok(stream) => stream,
        Err(e) if matches!(e.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => {
            return Ok(None);
        }
        Err(e) => return Err(lost(e)),
    };
    stream.write_all(format!("{request}\n").as_bytes()).map_err(lost)?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).map_err(lost)?;
    serde_json::from_str(&line)
        .map(Some)
        .map_err(|_| Error::io(format!("{}: the process has ended meanwhile", socket.display())))
}

/// All jobs of this user's processes.
fn all() -> Result<Vec<Job>> {
    let mut jobs = Vec::new();
    for entry in fs::read_dir(control::run_folder()?)? {
        let socket = entry?.path();
        if socket.extension().is_none_or(|e| e != "sock") {
            continue;
        }
        let Some(answer) = ask(&socket, &json!({ "op": "jobs" }))? else {
            // Its process was killed.
            let _ = fs::remove_file(&socket);
            continue;
        };
        let told = answer.get("jobs").and_then(Value::as_array).cloned().unwrap_or_default();
        jobs.extend(told.into_iter().map(|told| Job { socket: socket.clone(), told }));
    }
    jobs.sort_by_key(|j| j.told.get("started").and_then(Value::as_u64));
    Ok(jobs)
}

/// The running jobs as a table, the first columns as Flink's SHOW JOBS has them.
pub fn table() -> Result<ResultTable> {
    let columns = [
        "job id",
        "job name",
        "status",
        "start time",
        "process",
        "checkpoints",
        "failed",
        "restarts",
    ];
    let row = |job: &Job| {
        let number = |key: &str| job.told.get(key).and_then(Value::as_i64).unwrap_or(0);
        let started = DateTime::from_timestamp_millis(number("started")).unwrap_or_default();
        vec![
            Some(job.text("id").to_owned()),
            Some(job.text("name").to_owned()),
            Some(job.text("status").to_owned()),
            Some(started.to_rfc3339_opts(SecondsFormat::Millis, true)),
            Some(number("process").to_string()),
            Some(number("checkpoints").to_string()),
            Some(number("failed").to_string()),
            Some(number("restarts").to_string()),
        ]
    };
    Ok(ResultTable::strings(&columns, all()?.iter().map(row).collect()))
}

/// The job that somebody means: its id or the start of it, its name, or a directory of
/// checkpoints in which its id stands.
fn find(wanted: &str) -> Result<Job> {
    let jobs = all()?;
    let known = jobs
        .iter()
        .map(|j| format!("  {}  {}", j.text("id"), j.text("name")))
        .collect::<Vec<_>>()
        .join("\n");
    let id = |j: &Job| {
        let id = j.text("id");
        id == wanted || wanted.split('/').any(|part| part == id)
    };
    let start = |j: &Job| wanted.len() >= 4 && j.text("id").starts_with(wanted);
    let name = |j: &Job| j.text("name") == wanted;
    for rule in [&id as &dyn Fn(&Job) -> bool, &start, &name] {
        match jobs.iter().filter(|j| rule(j)).count() {
            0 => {}
            1 => return jobs.into_iter().find(|j| rule(j)).ok_or_else(|| Error::internal("a job")),
            n => {
                return Err(Error::validation(format!("'{wanted}' are {n} running jobs"))
                    .hint(format!("give the id:\n{known}")));
            }
        }
    }
    let hint = match known.as_str() {
        "" => "no job of this user is running on this machine".to_owned(),
        known => format!("these are running:\n{known}"),
    };
    Err(Error::validation(format!("no job '{wanted}' is running")).hint(hint))
}

/// Sends a request to a job and waits for its answer.
fn send(wanted: &str, mut request: Value) -> Result<Option<String>> {
    let job = find(wanted)?;
    if let Some(fields) = request.as_object_mut() {
        fields.insert("job".to_owned(), job.text("id").into());
    }
    let answer = ask(&job.socket, &request)?
        .ok_or_else(|| Error::validation(format!("job '{wanted}' has ended")))?;
    match answer.get("error").and_then(Value::as_str) {
        Some(e) => Err(Error::io(e.to_owned())),
        None => Ok(answer.get("place").and_then(Value::as_str).map(str::to_owned)),
    }
}

/// Takes a savepoint of a job; answers its place.
pub fn savepoint(job: &str, dir: Option<&str>, stop: bool) -> Result<String> {
    // The job may run in another folder.
    let dir = match dir {
        Some(local) if !local.contains("://") => {
            let local = local.strip_prefix("file:").unwrap_or(local);
            Some(std::path::absolute(local)?.to_string_lossy().into_owned())
        }
        other => other.map(str::to_owned),
    };
    let place = send(job, json!({ "op": "savepoint", "dir": dir, "stop": stop }))?;
    place.ok_or_else(|| Error::io("the job has ended without a savepoint"))
}

/// Stops a job without a savepoint.
pub fn cancel(job: &str) -> Result<()> {
    send(job, json!({ "op": "cancel" })).map(drop)
}

/// STOP JOB: the table that it answers.
pub fn stop(job: &str, with_savepoint: bool, dir: Option<&str>) -> Result<ResultTable> {
    if !with_savepoint {
        cancel(job)?;
        return Ok(ResultTable::list("result", ["OK".to_owned()]));
    }
    Ok(ResultTable::list("savepoint path", [savepoint(job, dir, true)?]))
}
