//! The running jobs of this process, for other processes: a socket in the run folder that
//! answers `weir jobs`, `weir savepoint`, SHOW JOBS and STOP JOB (`jobs.rs` asks).
//!
//! One line of JSON each way: `{"op":"jobs"}`, or `{"op":"savepoint","job":ID,"dir":DIR,
//! "stop":true}`, or `{"op":"cancel","job":ID}`; the answer has `jobs`, `place` or `error`.
//! The folder belongs to the user alone, so whoever can connect may stop jobs.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use weir_job::{RunningJob, Stopper};

/// Longest wait for a request of somebody who has connected.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// A job that others can see.
struct Entry {
    id: String,
    name: String,
    started: u64,
    job: Stopper,
    /// Held while a request is answered; true once the job was told to end.
    stopped: Mutex<bool>,
}

/// The jobs of this process.
struct Registry {
    jobs: Mutex<Vec<Arc<Entry>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The registry; its socket is opened on first use. A job runs without, if it must.
fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(|| {
        if let Err(e) = listen() {
            eprintln!("`weir jobs` will not see the jobs of this process: {e}");
        }
        Registry { jobs: Mutex::default() }
    })
}

/// Where processes have their sockets: `WEIR_RUN_DIR`, or a folder of the user's own.
pub fn run_folder() -> std::io::Result<PathBuf> {
    let folder = if let Some(folder) = std::env::var_os("WEIR_RUN_DIR") {
        PathBuf::from(folder)
    } else if let Some(runtime) = std::env::var_os("XDG_RUNTIME_DIR").filter(|d| !d.is_empty()) {
        PathBuf::from(runtime).join("weir")
    } else {
        std::env::temp_dir().join(format!("weir-{}", user()?))
    };
    match fs::DirBuilder::new().mode(0o700).recursive(true).create(&folder) {
        Ok(()) => {}
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(e),
    }
    let found = fs::symlink_metadata(&folder)?;
    if !found.is_dir() || found.uid() != user()? || found.permissions().mode() & 0o022 != 0 {
        let why = format!("{} is not a folder that only this user can change", folder.display());
        return Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, why));
    }
    Ok(folder)
}

/// The number of the user that this process runs as: the owner of what it creates.
fn user() -> std::io::Result<u32> {
    let own = Path::new("/proc/self");
    if own.exists() {
        return Ok(fs::metadata(own)?.uid());
    }
    let probe = std::env::temp_dir().join(format!(".weir-{}", std::process::id()));
    let uid = fs::File::create(&probe)?.metadata()?.uid();
    fs::remove_file(&probe)?;
    Ok(uid)
}

fn socket_path() -> std::io::Result<PathBuf> {
    Ok(run_folder()?.join(format!("{}.sock", std::process::id())))
}

fn listen() -> std::io::Result<()> {
    let path = socket_path()?;
    // A process before this one may have had the same number.
    let _ = fs::remove_file(&path);
    // Whoever finds a socket can connect to it.
    let hidden = path.with_extension("new");
    let _ = fs::remove_file(&hidden);
    let listener = UnixListener::bind(&hidden)?;
    fs::rename(&hidden, &path)?;
    std::thread::Builder::new().name("control".to_owned()).spawn(move || {
        for client in listener.incoming().flatten() {
            // A savepoint takes its time: others are answered meanwhile.
            let served = std::thread::Builder::new().name("control-client".to_owned());
            let _ = served.spawn(move || serve(&client));
        }
    })?;
    Ok(())
}

/// Takes the socket away at the end of the process.
pub struct Cleanup;

impl Drop for Cleanup {
    fn drop(&mut self) {
        if let Ok(path) = socket_path() {
            let _ = fs::remove_file(path);
        }
    }
}

fn serve(client: &UnixStream) {
    let _ = client.set_read_timeout(Some(REQUEST_TIMEOUT));
    let mut line = String::new();
    if BufReader::new(client).read_line(&mut line).is_err() {
        return;
    }
    let request = serde_json::from_str(&line).unwrap_or(Value::Null);
    answer(&request, |answer| {
        let mut client = client;
        // A client that is gone misses its answer.
        let _ = client.write_all(format!("{answer}\n").as_bytes());
    });
}

/// Answers a request; a job that ends with it does not end before the answer is out.
fn answer(request: &Value, send: impl FnOnce(Value)) {
    let text = |key: &str| request.get(key).and_then(Value::as_str);
    let jobs = lock(&registry().jobs).clone();
    if text("op") == Some("jobs") {
        let jobs: Vec<Value> = jobs.iter().map(|j| describe(j)).collect();
        return send(json!({ "jobs": jobs }));
    }
    let Some(job) = jobs.iter().find(|j| Some(j.id.as_str()) == text("job")) else {
        return send(json!({ "error": "the job is not running here any more" }));
    };
    let mut stopped = lock(&job.stopped);
    match text("op") {
        Some("savepoint") => {
            let stop = request.get("stop").and_then(Value::as_bool).unwrap_or(false);
            let answered = job.job.savepoint(text("dir").map(str::to_owned), stop).recv();
            match answered {
                Ok(Ok(place)) => {
                    *stopped |= stop;
                    send(json!({ "place": place }));
                }
                Ok(Err(e)) => send(json!({ "error": e.to_string() })),
                Err(_) => send(json!({ "error": "the job has ended" })),
            }
        }
        Some("cancel") => {
            *stopped = true;
            job.job.cancel();
            send(json!({ "place": Value::Null }));
        }
        _ => send(json!({ "error": "this version does not know the request" })),
    }
}

fn describe(job: &Entry) -> Value {
    let p = job.job.progress();
    json!({
        "id": job.id,
        "name": job.name,
        "status": if p.restarting { "RESTARTING" } else { "RUNNING" },
        "started": job.started,
        "process": std::process::id(),
        "checkpoints": p.commits,
        "failed": p.failed,
        "restarts": p.restarts,
    })
}

/// A job that others can see for as long as this lives.
pub struct Shown(Arc<Entry>);

impl Shown {
    /// Shows a job.
    pub fn new(job: &RunningJob) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let entry = Arc::new(Entry {
            id: job.id.clone(),
            name: job.name.clone(),
            started: now.as_millis() as u64,
            job: job.stopper(),
            stopped: Mutex::new(false),
        });
        lock(&registry().jobs).push(Arc::clone(&entry));
        Self(entry)
    }

    /// Whether somebody has stopped the job; waits for requests that are being answered.
    pub fn stopped(&self) -> bool {
        *lock(&self.0.stopped)
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        lock(&registry().jobs).retain(|e| !Arc::ptr_eq(e, &self.0));
        // A request that is being answered is answered first.
        self.stopped();
    }
}
