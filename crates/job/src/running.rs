//! A job while it runs, as its client sees it: progress, requests, the end.
//!
//! The work is done by a thread of the job (`driver`); what is here talks to it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use weir_core::{ChangeBatch, Error, Result, Schema};
use weir_runtime::NodeSnapshot;

use crate::checkpoint::history::CheckpointStats;

/// What a client may show of a running job.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Counters per node.
    pub nodes: Vec<NodeSnapshot>,
    /// Checkpoints completed (commits, where nothing is durable).
    pub commits: u64,
    /// Checkpoints given up.
    pub failed: u64,
    /// The last completed one; only where checkpoints are durable.
    pub last: Option<CheckpointStats>,
    /// 99th percentile of barrier alignment over the last checkpoints.
    pub alignment_p99: Duration,
    /// Times that the job has started again after a failure.
    pub restarts: u64,
    /// The job has failed and waits to start again.
    pub restarting: bool,
    /// The error that made it start again.
    pub last_error: Option<String>,
}

/// What a client asks of a job's thread.
pub(crate) enum Demand {
    /// A checkpoint or savepoint; the answer is the savepoint's place.
    Savepoint { dir: Option<String>, stop: bool, answer: Sender<Result<String>> },
    /// End without more.
    Cancel,
}

/// What the job's thread and its client share.
#[derive(Default)]
pub(crate) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    progress: Progress,
    notices: Vec<String>,
    end: Option<Result<()>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn update(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.lock().progress);
    }

    pub fn notice(&self, text: String) {
        self.lock().notices.push(text);
    }

    pub fn end(&self, result: Result<()>) {
        self.lock().end = Some(result);
        self.changed.notify_all();
    }
}

/// A started job. Dropping it cancels the job.
pub struct RunningJob {
    pub(crate) shared: Arc<Shared>,
    pub(crate) demands: Sender<Demand>,
    pub(crate) thread: Option<JoinHandle<()>>,
    /// Identifier, the same over restores.
    pub id: String,
    /// Display name.
    pub name: String,
    /// Sinks make their rows visible by commits.
    pub(crate) commits: bool,
}

impl RunningJob {
    /// A job that has nothing to do any more.
    pub(crate) fn ended(id: String, name: String, shared: Arc<Shared>) -> Self {
        shared.end(Ok(()));
        let (demands, _) = crossbeam_channel::bounded(1);
        Self { shared, demands, thread: None, id, name, commits: false }
    }

    /// Stops the job without its remaining rows; what was committed stays.
    pub fn cancel(&self) {
        // A thread that is gone has ended already.
        let _ = self.demands.send(Demand::Cancel);
    }

    /// Counters for a progress line.
    pub fn progress(&self) -> Progress {
        self.shared.lock().progress.clone()
    }

    /// What the job has to say since the last call: restarts, failed checkpoints.
    pub fn notices(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.lock().notices)
    }

    /// Waits at most `patience`; whether the job has ended.
    pub fn step(&mut self, patience: Duration) -> Result<bool> {
        let state = self.shared.lock();
        let running = |s: &mut State| s.end.is_none();
        let (state, _) = self
            .shared
            .changed
            .wait_timeout_while(state, patience, running)
            .unwrap_or_else(PoisonError::into_inner);
        Ok(state.end.is_some())
    }

    /// Waits for the end, commits what is left; the first error of the job. `tick` is
    /// called a few times a second and answers whether to go on.
    pub fn wait(&mut self, mut tick: impl FnMut(&Self) -> bool) -> Result<()> {
        while !self.step(Duration::from_millis(50))? {
            if !tick(self) {
                self.stop()?;
                break;
            }
        }
        self.finish()
    }

    /// Commits what has been written, then cancels: Ctrl-C loses nothing that was accepted.
    pub fn stop(&mut self) -> Result<()> {
        if self.commits {
            let (answer, answered) = crossbeam_channel::bounded(1);
            let _ = self.demands.send(Demand::Savepoint { dir: None, stop: true, answer });
            let deadline = Instant::now() + Duration::from_secs(30);
            while Instant::now() < deadline
                && answered.recv_timeout(Duration::from_millis(20)).is_err()
                && !self.step(Duration::ZERO)?
            {}
        }
        self.cancel();
        Ok(())
    }

    /// A handle for asking things of the job, however it is borrowed meanwhile.
    pub fn stopper(&self) -> Stopper {
        Stopper { demands: self.demands.clone(), shared: Arc::clone(&self.shared) }
    }

    /// The job has ended or was cancelled: reports its error.
    pub fn finish(&mut self) -> Result<()> {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.shared.lock().end.clone().unwrap_or(Ok(()))
    }
}

/// Asks a job for savepoints, its progress or its end.
#[derive(Clone)]
pub struct Stopper {
    demands: Sender<Demand>,
    shared: Arc<Shared>,
}

impl Stopper {
    /// Takes a savepoint below a directory, or where the options say; answers its place.
    /// With `stop` the job ends with it and emits nothing after it.
    pub fn savepoint(&self, dir: Option<String>, stop: bool) -> Receiver<Result<String>> {
        let (answer, answered) = crossbeam_channel::bounded(1);
        let demand = Demand::Savepoint { dir: Some(dir.unwrap_or_default()), stop, answer };
        if let Err(gone) = self.demands.send(demand)
            && let Demand::Savepoint { answer, .. } = gone.0
        {
            let _ = answer.send(Err(Error::validation("the job has ended")));
        }
        answered
    }

    /// Counters of the job.
    pub fn progress(&self) -> Progress {
        self.shared.lock().progress.clone()
    }

    /// Stops the job without a savepoint.
    pub fn cancel(&self) {
        // A thread that is gone has ended already.
        let _ = self.demands.send(Demand::Cancel);
    }
}

impl Drop for RunningJob {
    fn drop(&mut self) {
        self.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A query whose rows go to the client.
pub struct Query {
    /// Output columns.
    pub schema: Schema,
    /// The changelog.
    pub rows: Receiver<ChangeBatch>,
    /// The job behind it.
    pub job: RunningJob,
}

impl Query {
    /// Feeds every batch to `each` until the job ends, and asks `go_on` at least
    /// every 20 ms, rows or not, whether to continue.
    pub fn drain(
        &mut self,
        mut each: impl FnMut(ChangeBatch) -> Result<()>,
        mut go_on: impl FnMut() -> Result<bool>,
    ) -> Result<()> {
        loop {
            if !go_on()? {
                self.job.cancel();
                return Ok(());
            }
            match self.rows.recv_timeout(Duration::from_millis(20)) {
                Ok(batch) => each(batch)?,
                Err(crossbeam_channel::RecvTimeoutError::Timeout) => {
                    if self.job.step(Duration::ZERO)? && self.rows.is_empty() {
                        return self.job.finish();
                    }
                }
                Err(crossbeam_channel::RecvTimeoutError::Disconnected) => {
                    return self.job.finish();
                }
            }
        }
    }
}
