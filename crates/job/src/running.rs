//! A job while it runs: barriers at intervals, commits when all instances have
//! passed one, progress for the client, the end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use weir_connect::api::Committer;
use weir_core::{ChangeBatch, Result, Schema};
use weir_runtime::{BarrierKind, JobHandle, NodeSnapshot, Report};

/// What a client may show of a running job.
#[derive(Debug, Clone)]
pub struct Progress {
    /// Counters per node.
    pub nodes: Vec<NodeSnapshot>,
    /// Commits made so far.
    pub commits: u64,
}

/// A started job.
pub struct RunningJob {
    handle: JobHandle,
    committers: Vec<(usize, Box<dyn Committer>)>,
    interval: Option<Duration>,
    /// Added to barrier numbers: commits of different runs never share an identifier.
    base: u64,
    epoch: u64,
    open: Option<Instant>,
    last: Instant,
    passed: usize,
    finished: usize,
    pending: BTreeMap<usize, Vec<Vec<u8>>>,
    commits: u64,
}

impl RunningJob {
    /// Follows a started job. Without committers no barrier is sent.
    pub(crate) fn new(
        handle: JobHandle,
        committers: Vec<(usize, Box<dyn Committer>)>,
        interval: Option<Duration>,
    ) -> Self {
        Self {
            handle,
            committers,
            interval,
            base: weir_runtime::now_ms().max(0) as u64,
            epoch: 0,
            open: None,
            last: Instant::now(),
            passed: 0,
            finished: 0,
            pending: BTreeMap::new(),
            commits: 0,
        }
    }

    /// Stops the job without its remaining rows; what was committed stays.
    pub fn cancel(&self) {
        self.handle.cancel();
    }

    /// Counters for a progress line.
    pub fn progress(&self) -> Progress {
        Progress { nodes: self.handle.metrics(), commits: self.commits }
    }

    /// Lets the coordinator work for at most `patience`; whether the job has ended.
    pub fn step(&mut self, patience: Duration) -> Result<bool> {
        let ended = self.handle.wait_for(patience);
        self.drain_reports()?;
        if ended {
            return Ok(true);
        }
        if let (None, Some(interval)) = (self.open, self.interval)
            && !self.committers.is_empty()
            && self.last.elapsed() >= interval
        {
            self.trigger();
        }
        Ok(false)
    }

    /// Waits for the end, commits what is left; the first error of the job.
    pub fn wait(&mut self, mut tick: impl FnMut(&Progress) -> bool) -> Result<()> {
        loop {
            if self.step(Duration::from_millis(50))? {
                break;
            }
            if !tick(&self.progress()) {
                self.stop()?;
                break;
            }
        }
        self.finish()
    }

    /// Commits what has been written, then cancels: Ctrl-C loses nothing that was accepted.
    pub fn stop(&mut self) -> Result<()> {
        if !self.committers.is_empty() {
            let patience = Instant::now() + Duration::from_secs(30);
            let after = self.commits + 1;
            if self.open.is_none() {
                self.trigger();
            }
            while self.commits < after && Instant::now() < patience {
                if self.handle.wait_for(Duration::from_millis(20)) {
                    break;
                }
                self.drain_reports()?;
            }
        }
        self.handle.cancel();
        Ok(())
    }

    /// The job has ended: reports its error, or makes the rest visible.
    pub fn finish(&mut self) -> Result<()> {
        let cancelled = self.handle.is_cancelled();
        self.handle.wait()?;
        self.drain_reports()?;
        if !cancelled {
            self.commit()?;
        }
        Ok(())
    }

    fn trigger(&mut self) {
        self.epoch += 1;
        self.passed = 0;
        self.open = Some(Instant::now());
        self.handle.trigger_barrier(self.epoch, BarrierKind::Checkpoint);
    }

    fn drain_reports(&mut self) -> Result<()> {
        while let Ok(report) = self.handle.reports().try_recv() {
            self.take(report);
        }
        let all = self.passed + self.finished >= self.handle.instances();
        if self.open.is_some() && all && self.finished < self.handle.instances() {
            self.commit()?;
        }
        Ok(())
    }

    fn take(&mut self, report: Report) {
        if report.finished {
            self.finished += 1;
        } else if report.barrier.epoch == self.epoch {
            self.passed += 1;
        }
        if !report.seal.committables.is_empty() {
            self.pending.entry(report.node).or_default().extend(report.seal.committables);
        }
    }

    fn commit(&mut self) -> Result<()> {
        self.open = None;
        self.last = Instant::now();
        self.commits += 1;
        let epoch = self.base + self.commits;
        for (node, committer) in &mut self.committers {
            let committables = self.pending.remove(node).unwrap_or_default();
            committer.commit(epoch, committables)?;
        }
        Ok(())
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
    /// Feeds every batch to `each` until the job ends; `each` answers whether to go on.
    pub fn drain(&mut self, mut each: impl FnMut(ChangeBatch) -> Result<bool>) -> Result<()> {
        loop {
            match self.rows.recv_timeout(Duration::from_millis(20)) {
                Ok(batch) => {
                    if !each(batch)? {
                        self.job.cancel();
                        return Ok(());
                    }
                }
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
