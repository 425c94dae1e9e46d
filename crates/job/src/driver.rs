//! The thread of a job: starts it, carries out what its coordinator decides, starts it
//! again after failures.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, never, select};
use weir_core::{Error, ErrorKind, Result};
use weir_runtime::{JobHandle, Report, RunConfig, now_ms};

use crate::checkpoint::coordinator::Coordinator;
use crate::checkpoint::facts::{Command, Fact, Policy, Request, Sealed};
use crate::checkpoint::io::{IoContext, IoThread, JobDescription};
use crate::checkpoint::manifest::ManifestKind;
use crate::checkpoint::options::{CheckpointOptions, Retention};
use crate::checkpoint::storage::{self, Places, Storage};
use crate::checkpoint::store::{self, Found, JobStore};
use crate::checkpoint::work::Task;
use crate::graph::Built;
use crate::recovery::{self, NodeState};
use crate::restart::{RestartStrategy, Restarts};
use crate::running::{Demand, RunningJob, Shared};
use crate::testing::Testing;

/// How often written data becomes visible when 'execution.checkpointing.interval' is not set.
const DEFAULT_COMMIT_INTERVAL: Duration = Duration::from_secs(10);

/// Longest wait of the thread for something to happen.
const TICK: Duration = Duration::from_millis(20);

/// The same where checkpoints come faster than that.
const SHORTEST_TICK: Duration = Duration::from_millis(1);

/// A checkpoint that is not done by then is told of.
const SLOW_CHECKPOINT: Duration = Duration::from_secs(10);

/// Builds the graph of a job: (job id, checkpoints are durable).
pub type Builder = Box<dyn Fn(&str, bool) -> Result<Built> + Send>;

/// Everything needed to start a job, again and again.
pub struct JobSpec {
    /// Display name.
    pub name: String,
    /// How identifiers of jobs of this statement start.
    pub prefix: String,
    /// Builds the graph.
    pub build: Builder,
    /// Workers and key groups.
    pub config: RunConfig,
    /// `pipeline.max-parallelism` was set.
    pub max_parallelism_set: bool,
    /// Rules of checkpoints.
    pub checkpoints: CheckpointOptions,
    /// Where its checkpoints and savepoints are found.
    pub places: Places,
    /// Rules of restarts.
    pub restart: RestartStrategy,
    /// The rows go to a client: a job that has ended is run again.
    pub query: bool,
    /// What tests of recovery ask for.
    pub testing: Testing,
}

/// Where a run of the job starts.
struct Origin {
    job_id: String,
    root: Option<Arc<dyn Storage>>,
    found: Option<Found>,
}

/// Starts a job and its thread. Errors of the first start come from here.
pub fn start(spec: JobSpec) -> Result<RunningJob> {
    let shared = Arc::new(Shared::default());
    let mut origin = first_origin(&spec, &shared)?;
    let finished = origin.found.as_ref().is_some_and(|f| f.manifest.kind == ManifestKind::Finished);
    if finished && spec.query {
        // Showing rows again does no harm.
        origin.found = None;
    } else if finished {
        let mut built = (spec.build)(&origin.job_id, true)?;
        recover(&mut built, origin.found.as_ref())?;
        shared.notice(format!(
            "{}: has read all its input in an earlier run, nothing is left to do",
            spec.name
        ));
        return Ok(RunningJob::ended(origin.job_id, spec.name.clone(), shared));
    }
    let attempt = Attempt::start(&spec, &origin, &shared)?;
    let (demands, inbox) = crossbeam_channel::unbounded();
    let (id, name, commits) = (origin.job_id.clone(), spec.name.clone(), attempt.commits);
    let thread = {
        let shared = Arc::clone(&shared);
        let name = format!("{}-job", spec.config.name);
        std::thread::Builder::new().name(name).spawn(move || {
            let result = drive(&spec, &mut origin, attempt, &shared, &inbox);
            // The builder holds the client's channel: it goes before the end is told.
            drop(spec);
            shared.end(result);
        })?
    };
    Ok(RunningJob { shared, demands, thread: Some(thread), id, name, commits })
}

/// Runs until the end, over failures as far as the restart strategy goes.
fn drive(
    spec: &JobSpec,
    origin: &mut Origin,
    first: Attempt,
    shared: &Arc<Shared>,
    demands: &Receiver<Demand>,
) -> Result<()> {
    let mut restarts = Restarts::new(spec.restart.clone());
    let mut attempt = Some(first);
    loop {
        let store = attempt.as_ref().and_then(|a| a.store.clone());
        let result = match attempt.take() {
            Some(mut running) => running.run(spec, shared, demands),
            None => Attempt::again(spec, origin, shared).map(|a| {
                attempt = Some(a);
                End::Restarted
            }),
        };
        let error = match result {
            Ok(End::Restarted) => {
                shared.update(|p| p.restarting = false);
                continue;
            }
            Ok(end) => return clean(spec, store.as_ref(), end),
            Err(e) => e,
        };
        let fatal = matches!(error.kind(), ErrorKind::Option | ErrorKind::Validation);
        let delay = if fatal { None } else { restarts.next(Instant::now()) };
        let Some(delay) = delay else {
            if spec.checkpoints.retention == Retention::Never
                && let Some(store) = store
            {
                delete(&store)?;
            }
            return Err(error);
        };
        shared.notice(format!(
            "{} failed and starts again in {:.1} s: {error}",
            spec.name,
            delay.as_secs_f64()
        ));
        shared.update(|p| {
            p.restarts += 1;
            p.restarting = true;
            p.last_error = Some(error.to_string());
        });
        if cancelled_within(demands, delay) {
            return Ok(());
        }
    }
}

/// Waits; true if the job was cancelled meanwhile.
fn cancelled_within(demands: &Receiver<Demand>, delay: Duration) -> bool {
    let deadline = Instant::now() + delay;
    loop {
        match demands.recv_deadline(deadline) {
            Ok(Demand::Cancel) | Err(crossbeam_channel::RecvTimeoutError::Disconnected) => {
                return true;
            }
            Ok(Demand::Savepoint { answer, .. }) => {
                let _ = answer.send(Err(Error::validation("the job is about to start again")));
            }
            Err(crossbeam_channel::RecvTimeoutError::Timeout) => return false,
        }
    }
}

/// How a run ended without an error.
enum End {
    Finished,
    Stopped,
    Cancelled,
    Restarted,
}

/// Deletes checkpoints that the options do not retain.
fn clean(spec: &JobSpec, store: Option<&JobStore>, end: End) -> Result<()> {
    let Some(store) = store else { return Ok(()) };
    match end {
        End::Finished => store.delete_all(!spec.query),
        End::Cancelled if spec.checkpoints.retention != Retention::OnCancellation => delete(store),
        _ => Ok(()),
    }
}

/// Deletes a job's checkpoints, unless another run has taken over the job.
fn delete(store: &JobStore) -> Result<()> {
    if store.check_owner().is_err() {
        return Ok(());
    }
    store.delete_all(false)
}

fn first_origin(spec: &JobSpec, shared: &Shared) -> Result<Origin> {
    let o = &spec.checkpoints;
    let root = match o.dir.as_deref() {
        Some(dir) => Some(spec.places.open(dir)?),
        // A job that starts again needs a checkpoint to start from, if only in memory.
        None => (spec.restart != RestartStrategy::None).then(storage::memory),
    };
    let mut latest = match &o.recovery {
        Some(r) => recovery::resolve(r, &spec.prefix, &spec.places)?,
        None => store::Latest::default(),
    };
    for damaged in &latest.damaged {
        shared.notice(format!("a damaged checkpoint is passed over: {damaged}"));
    }
    let found = latest.found.take();
    let known = found.as_ref().map(|f| f.manifest.job_id.clone()).filter(|id| !id.is_empty());
    let job_id = known.or(latest.job_id.take()).unwrap_or_else(|| {
        let random = uuid::Uuid::new_v4().simple().to_string();
        format!("{}{}", spec.prefix, &random[..32 - spec.prefix.len().min(32)])
    });
    if let Some(f) = &found {
        shared.notice(format!("{} starts from {}", spec.name, f.place));
    }
    Ok(Origin { job_id, root, found })
}

/// Tells the committers what the checkpoint holds, before any writer opens.
fn recover(built: &mut Built, found: Option<&Found>) -> Result<()> {
    for (node, committer) in &mut built.committers {
        let uid = built.graph.nodes.get(*node).map_or("", |n| n.uid.as_str());
        let restored = found.map(|f| (f.manifest.epoch, f.manifest.committables(uid)));
        committer.recover(restored)?;
    }
    Ok(())
}

/// One run of the job.
struct Attempt {
    handle: JobHandle,
    coordinator: Coordinator,
    io: IoThread,
    store: Option<JobStore>,
    notices: Receiver<String>,
    answers: HashMap<u64, (Sender<Result<String>>, String)>,
    requests: u64,
    commits: bool,
    outcome: Option<Result<End>>,
    /// The client wants the job to stop, without a savepoint.
    plain_stop: bool,
    /// Display names of the nodes.
    names: Vec<String>,
    /// The last slow checkpoint that was told of.
    slow: u64,
}

impl Attempt {
    /// A further run: from the newest checkpoint, which may be the one before.
    fn again(spec: &JobSpec, origin: &mut Origin, shared: &Arc<Shared>) -> Result<Self> {
        if let Some(root) = &origin.root {
            let latest = store::latest(root, &origin.job_id, &spec.places)?;
            for damaged in latest.damaged {
                shared.notice(format!("a damaged checkpoint is passed over: {damaged}"));
            }
            origin.found = latest.found.or(origin.found.take());
        }
        Self::start(spec, origin, shared)
    }

    fn start(spec: &JobSpec, origin: &Origin, shared: &Arc<Shared>) -> Result<Self> {
        let root = origin.root.as_ref();
        let store =
            root.map(|r| JobStore::claim(Arc::clone(r), origin.job_id.clone())).transpose()?;
        let mut built = (spec.build)(&origin.job_id, store.is_some())?;
        let mut config = RunConfig { aligned: spec.checkpoints.aligned, ..spec.config.clone() };
        let mut history = Vec::new();
        let nodes = std::mem::take(&mut built.states);
        if let Some(found) = &origin.found {
            restore(spec, &nodes, found, &mut config, shared)?;
            history = found.manifest.history.clone();
        }
        if let Some(store) = &store {
            config.epoch = config.epoch.max(store.newest_epoch()?);
        }
        recover(&mut built, origin.found.as_ref())?;
        let commits = !built.committers.is_empty();
        let interval = match spec.checkpoints.interval {
            Some(i) => Some(i),
            None if !built.bounded => Some(DEFAULT_COMMIT_INTERVAL),
            None => None,
        };
        let policy = Policy {
            interval: interval.filter(|_| commits || store.is_some()),
            timeout: spec.checkpoints.timeout,
            min_pause: spec.checkpoints.min_pause,
            max_concurrent: spec.checkpoints.max_concurrent,
            tolerable_failures: spec.checkpoints.tolerable_failures,
            durable: store.is_some(),
        };
        let instances: Vec<(usize, usize)> = (0..built.graph.nodes.len())
            .flat_map(|n| (0..config.parallelism.max(1)).map(move |s| (n, s)))
            .collect();
        let interval = policy.interval;
        let mut coordinator = Coordinator::new(policy, instances, config.epoch, now_ms());
        coordinator.history.restore(history);
        let names = nodes.iter().map(|n| n.name.clone()).collect();
        let (notices, told) = crossbeam_channel::unbounded();
        let io = IoThread::start(IoContext {
            job: JobDescription {
                name: spec.name.clone(),
                operators: nodes,
                parallelism: config.parallelism,
                max_parallelism: config.max_parallelism,
            },
            store: store.clone(),
            places: spec.places.clone(),
            committers: built.committers,
            retained: spec.checkpoints.retained,
            interval,
            patience: spec.checkpoints.timeout,
            deadline: (0, Instant::now()),
            testing: spec.testing,
            notices,
        })?;
        config.pieces = io.pieces.clone();
        let handle = weir_runtime::run(built.graph, config)?;
        Ok(Self {
            handle,
            coordinator,
            io,
            store,
            notices: told,
            answers: HashMap::new(),
            requests: 0,
            commits,
            outcome: None,
            plain_stop: false,
            names,
            slow: 0,
        })
    }

    /// Until the end, a failure or cancellation.
    fn run(&mut self, spec: &JobSpec, shared: &Shared, demands: &Receiver<Demand>) -> Result<End> {
        let nothing = never();
        let mut reports = self.handle.reports().clone();
        let mut last_progress = Instant::now();
        let tick = spec.checkpoints.interval.map_or(TICK, |i| i.clamp(SHORTEST_TICK, TICK));
        loop {
            let mut fact = Fact::Tick;
            select! {
                recv(reports) -> report => match report {
                    Ok(report) => fact = sealed(report),
                    Err(_) => {
                        // All workers have ended.
                        reports = nothing.clone();
                        self.handle.wait()?;
                        fact = Fact::Ended;
                    }
                },
                recv(self.io.facts) -> answer => match answer {
                    Ok(answer) => fact = answer?,
                    Err(_) => return Err(Error::internal("the checkpoint thread has died")),
                },
                recv(demands) -> demand => match demand {
                    Ok(Demand::Savepoint { dir, stop, answer }) => {
                        if let Some(request) = self.request(spec, dir, stop, answer) {
                            fact = Fact::Requested(request);
                        }
                    }
                    Ok(Demand::Cancel) | Err(_) => {
                        self.handle.cancel();
                        let _ = self.handle.wait();
                        return Ok(End::Cancelled);
                    }
                },
                default(tick) => {}
            }
            for command in self.coordinator.handle(fact, now_ms()) {
                self.execute(command, spec, shared);
            }
            for text in self.notices.try_iter() {
                shared.notice(format!("{}: {text}", spec.name));
            }
            let over = self.outcome.take();
            if over.is_some() || last_progress.elapsed() >= Duration::from_millis(100) {
                last_progress = Instant::now();
                self.tell_slow(spec, shared);
                self.show(shared);
            }
            if let Some(end) = over {
                return end;
            }
        }
    }

    /// Says once what a checkpoint that takes long waits for: a store or broker that is away.
    fn tell_slow(&mut self, spec: &JobSpec, shared: &Shared) {
        let Some((epoch, since, what)) = self.coordinator.waiting() else { return };
        let waited = now_ms() - since;
        if epoch != self.slow && waited >= SLOW_CHECKPOINT.as_millis() as i64 {
            self.slow = epoch;
            let seconds = waited / 1000;
            let of = self.coordinator.unsealed();
            let of: Vec<&str> =
                of.iter().filter_map(|&n| self.names.get(n)).map(String::as_str).collect();
            let of = if of.is_empty() { String::new() } else { format!(" ({})", of.join(", ")) };
            shared
                .notice(format!("{}: checkpoint {epoch} after {seconds} s: {what}{of}", spec.name));
        }
    }

    fn show(&self, shared: &Shared) {
        let history = &self.coordinator.history;
        let nodes = self.handle.metrics();
        let durable = self.store.is_some();
        shared.update(|p| {
            p.nodes = nodes;
            p.commits = history.completed;
            p.failed = history.failed;
            p.last = history.last_completed().filter(|_| durable).cloned();
            p.alignment_p99 = history.alignment_p99();
        });
    }

    fn execute(&mut self, command: Command, spec: &JobSpec, shared: &Shared) {
        match command {
            Command::Inject(barrier) => self.handle.trigger_barrier(barrier),
            Command::Notice(text) => shared.notice(format!("{}: {text}", spec.name)),
            Command::Answer { id, result } => {
                if let Some((answer, place)) = self.answers.remove(&id) {
                    let _ = answer.send(result.map(|()| place).map_err(Error::io));
                }
            }
            Command::Finish => self.outcome = Some(Ok(End::Finished)),
            Command::Stop => {
                self.handle.cancel();
                let end = if self.plain_stop { End::Cancelled } else { End::Stopped };
                self.outcome = Some(self.handle.wait().map(|()| end));
            }
            Command::Fail(why) => self.outcome = Some(Err(Error::io(why))),
            command => {
                // Sources know the positions of their last barrier only.
                let last = self.coordinator.epoch();
                if matches!(command, Command::Completed { epoch } if epoch == last) {
                    self.handle.completed();
                }
                let history = self.coordinator.history.tail();
                self.io.send(Task { command, history });
            }
        }
    }

    /// A client's demand as a request; none when it was answered at once.
    fn request(
        &mut self,
        spec: &JobSpec,
        dir: Option<String>,
        stop: bool,
        answer: Sender<Result<String>>,
    ) -> Option<Request> {
        self.requests += 1;
        let id = self.requests;
        let savepoint = match dir {
            None => {
                self.plain_stop |= stop;
                None
            }
            Some(dir) => {
                let dir =
                    if dir.is_empty() { spec.checkpoints.savepoint_dir.clone() } else { Some(dir) };
                let missing = match (&dir, &self.store) {
                    (None, _) => Some("execution.checkpointing.savepoint-dir"),
                    (_, None) => Some("execution.checkpointing.dir"),
                    _ => None,
                };
                let (Some(dir), None) = (dir, missing) else {
                    let key = missing.unwrap_or_default();
                    let e = Error::option(format!("a savepoint needs '{key}'"));
                    let _ = answer.send(Err(e.hint(format!("SET '{key}' = '/path'"))));
                    return None;
                };
                Some(self.savepoint_place(spec, &dir))
            }
        };
        self.answers.insert(id, (answer, savepoint.clone().unwrap_or_default()));
        Some(Request { id, savepoint, stop })
    }

    /// `DIR/savepoint-<start of the job id>-<random>`, as Flink names it.
    fn savepoint_place(&self, spec: &JobSpec, dir: &str) -> String {
        let job = self.store.as_ref().map_or(spec.prefix.as_str(), |s| s.job_id.as_str());
        let random = uuid::Uuid::new_v4().simple().to_string();
        let dir = match dir.contains("://") {
            true => dir.trim_end_matches('/').to_owned(),
            false => std::path::absolute(Path::new(dir))
                .map_or_else(|_| dir.to_owned(), |p| p.display().to_string()),
        };
        format!("{dir}/savepoint-{}-{}", &job[..job.len().min(6)], &random[..12])
    }
}

fn sealed(report: Report) -> Fact {
    Fact::Sealed(Sealed {
        id: (report.node, report.subtask),
        epoch: report.barrier.epoch,
        finished: report.finished,
        tables: report.seal.tables,
        committables: report.seal.committables,
        positions: report.seal.positions,
        cost: report.cost,
    })
}

/// Prepares a start from a checkpoint: the compatibility report, then the state.
fn restore(
    spec: &JobSpec,
    nodes: &[NodeState],
    found: &Found,
    config: &mut RunConfig,
    shared: &Shared,
) -> Result<()> {
    let manifest = &found.manifest;
    let groups = manifest.max_parallelism;
    if spec.max_parallelism_set && config.max_parallelism != groups {
        return Err(Error::option(format!(
            "{} was taken with 'pipeline.max-parallelism' = {groups}, which cannot be changed to {}",
            found.place, config.max_parallelism
        ))
        .hint(format!("SET 'pipeline.max-parallelism' = '{groups}'")));
    }
    config.max_parallelism = groups;
    config.epoch = manifest.epoch;
    let mapping = recovery::map(&manifest.operators, nodes);
    if mapping.verdicts.iter().any(|v| v.fate != recovery::Fate::Same) {
        shared.notice(format!("state of {} in {}:", spec.name, found.place));
        mapping.report().into_iter().for_each(|line| shared.notice(format!("  {line}")));
    }
    if mapping.loses() && !spec.checkpoints.ignore_unclaimed {
        return Err(recovery::refuse(&mapping, &found.place));
    }
    config.restore = recovery::load(found, &mapping)?;
    Ok(())
}
