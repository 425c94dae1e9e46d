//! The thread that stores, decides, commits and cleans for one run of a job. Tasks run
//! in order; answers come back as facts for the coordinator.

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use weir_connect::api::Committer;
use weir_core::{Error, Result};
use weir_runtime::PieceStore;
use weir_state::SealedTable;

use super::facts::{Command, Decision, Fact};
use super::manifest::{
    InstanceState, Manifest, ManifestKind, OperatorState, RunData, RunRef, RunTable,
};
use super::patience::Patience;
use super::pieces::{Arriving, Desk};
use super::run_file;
use super::storage::{Places, Storage};
use super::store::{self, JobStore, METADATA};
use super::work::{AHEAD, Piece, SealId, Task, Work};
use crate::recovery::NodeState;
use crate::testing::Testing;

/// Runs up to this size are kept in the manifest.
const INLINE_BYTES: usize = 16 << 10;

/// What manifests say of the job.
#[derive(Clone)]
pub struct JobDescription {
    /// Display name.
    pub name: String,
    /// The nodes.
    pub operators: Vec<NodeState>,
    /// Workers.
    pub parallelism: usize,
    /// Key groups.
    pub max_parallelism: u32,
}

/// Where and for whom the thread works.
pub struct IoContext {
    /// The job.
    pub job: JobDescription,
    /// Where its checkpoints are; none = nothing is durable.
    pub store: Option<JobStore>,
    /// Where savepoints are.
    pub places: Places,
    /// Committers by node.
    pub committers: Vec<(usize, Box<dyn Committer>)>,
    /// Checkpoints to keep.
    pub retained: usize,
    /// Time between checkpoints that come by themselves.
    pub interval: Option<Duration>,
    /// How long operations on storage are tried again for one checkpoint.
    pub patience: Duration,
    /// The newest checkpoint, and until when that is.
    pub deadline: (u64, Instant),
    /// Where tests want the process to die.
    pub testing: Testing,
    /// For telling the user.
    pub notices: Sender<String>,
}

/// A failure that ends the job rather than the checkpoint.
pub type IoResult = Result<Fact>;

/// Handle to the thread. Dropping it lets the thread finish what it has.
pub struct IoThread {
    work: Sender<Work>,
    /// Its answers.
    pub facts: Receiver<IoResult>,
    /// Takes large tables while they are sealed, where that is possible.
    pub pieces: Option<Arc<dyn PieceStore>>,
    thread: Option<JoinHandle<()>>,
}

impl IoThread {
    /// Starts the thread.
    pub fn start(context: IoContext) -> Result<Self> {
        let (work, inbox) = unbounded::<Work>();
        let (answers, facts) = unbounded();
        let always = context.testing != Testing::default();
        let (desk, spare) = Desk::new(work.clone(), always, context.interval);
        let local = context.store.as_ref().is_some_and(|s| s.run_path(0, 0, 0).is_some());
        let pieces = local.then(|| Arc::new(desk) as Arc<dyn PieceStore>);
        let mut io = Io { context, arriving: Arriving::default(), spare };
        let name = "checkpoint-io".to_owned();
        let thread =
            std::thread::Builder::new().name(name).spawn(move || io.run(&inbox, &answers))?;
        Ok(Self { work, facts, pieces, thread: Some(thread) })
    }

    /// Queues a task.
    pub fn send(&self, task: Task) {
        // A thread that is gone has left its error among the answers.
        let _ = self.work.send(Work::Task(task));
    }
}

impl Drop for IoThread {
    fn drop(&mut self) {
        let _ = self.work.send(Work::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread's own.
struct Io {
    context: IoContext,
    arriving: Arriving,
    spare: Sender<Vec<u8>>,
}

impl Deref for Io {
    type Target = IoContext;
    fn deref(&self) -> &IoContext {
        &self.context
    }
}

impl DerefMut for Io {
    fn deref_mut(&mut self) -> &mut IoContext {
        &mut self.context
    }
}

impl Io {
    fn run(&mut self, inbox: &Receiver<Work>, answers: &Sender<IoResult>) {
        for work in inbox {
            match work {
                Work::End => return,
                Work::Piece(piece) => self.add_piece(piece),
                Work::Adopt(seal) => {
                    self.extend_deadline(seal.0);
                    let path = self.run_path(seal);
                    self.arriving.adopt(seal, &path, self.patience());
                }
                Work::Forget(seal, table) => self.arriving.forget_table(seal, table),
                Work::Task(task) => {
                    if let Some(answer) = self.execute(task)
                        && answers.send(answer).is_err()
                    {
                        return;
                    }
                }
            }
        }
    }

    fn execute(&mut self, task: Task) -> Option<IoResult> {
        if let Err(e) = self.testing.step() {
            return Some(Err(e));
        }
        self.note_epoch(&task.command);
        match task.command {
            Command::Store { id, epoch, savepoint, tables } => {
                let stored = self.store_run(id, epoch, savepoint.as_deref(), &tables);
                Some(Ok(match stored {
                    Ok((data, tables)) => {
                        Fact::Stored { id, epoch, run: RunRef { epoch, tables, data } }
                    }
                    Err(e) => Fact::StoreFailed { epoch, error: e.to_string() },
                }))
            }
            Command::Decide(decision) => {
                let epoch = decision.epoch;
                Some(Ok(match self.decide(decision, task.history) {
                    Ok((written, state)) => Fact::Decided { epoch, written, state },
                    Err(e) => Fact::DecisionFailed { epoch, error: e.to_string() },
                }))
            }
            Command::Commit { epoch, mut committables } => {
                for (node, committer) in &mut self.committers {
                    let prepared = committables.remove(node).unwrap_or_default();
                    if let Err(e) = committer.commit(epoch, prepared) {
                        return Some(Err(e.context("while committing a checkpoint")));
                    }
                }
                Some(Ok(Fact::Committed { epoch }))
            }
            Command::Completed { epoch } => {
                self.arriving.forget(epoch);
                if let Some(store) = &self.store {
                    let cleaned = store
                        .mark_committed(epoch)
                        .and_then(|()| store.collect_garbage(self.retained, epoch));
                    if let Err(e) = cleaned {
                        let _ = self.notices.send(format!("old checkpoints stay for now: {e}"));
                    }
                }
                None
            }
            _ => None,
        }
    }

    /// Operations of one checkpoint share its time: a store that is away must not hold up
    /// the next checkpoint for ever more.
    fn note_epoch(&mut self, command: &Command) {
        let epoch = match command {
            Command::Store { epoch, .. } => *epoch,
            Command::Decide(decision) => decision.epoch,
            _ => return,
        };
        self.extend_deadline(epoch);
    }

    fn extend_deadline(&mut self, epoch: u64) {
        if epoch > self.deadline.0 {
            self.deadline = (epoch, Instant::now() + self.patience);
        }
    }

    fn patience(&self) -> Patience {
        Patience { deadline: self.deadline.1, notices: self.notices.clone() }
    }

    fn persist<T>(&self, what: &str, attempt: impl FnMut() -> Result<T>) -> Result<T> {
        self.patience().persist(what, attempt)
    }

    fn run_path(&self, (epoch, node, subtask): SealId) -> PathBuf {
        let path = self.store.as_ref().and_then(|s| s.run_path(epoch, node, subtask));
        path.unwrap_or_default()
    }

    fn add_piece(&mut self, piece: Piece) {
        self.extend_deadline(piece.seal.0);
        let patience = match piece.seal.0 {
            AHEAD => Patience { deadline: Instant::now() + self.patience, ..self.patience() },
            _ => self.patience(),
        };
        let path = self.run_path(piece.seal);
        self.arriving.add(&piece, &path, patience);
        let mut buffer = piece.bytes;
        buffer.clear();
        // More than are kept go back to the allocator.
        let _ = self.spare.try_send(buffer);
    }

    fn store_run(
        &mut self,
        (node, subtask): (usize, usize),
        epoch: u64,
        savepoint: Option<&str>,
        tables: &[SealedTable],
    ) -> Result<(RunData, Vec<RunTable>)> {
        if run_file::in_memory(tables).is_some_and(|n| n <= INLINE_BYTES) {
            let (bytes, summary) = run_file::encode(tables)?;
            return Ok((RunData::Inline(super::manifest::Blob(bytes)), summary));
        }
        if run_file::has_pieces(tables) {
            let store = self.store.as_ref();
            let path = store.map_or_else(String::new, |s| s.run_name(epoch, node, subtask));
            let (bytes, summary) = self.arriving.complete((epoch, node, subtask), tables)?;
            return Ok((RunData::File { path, bytes }, summary));
        }
        let (root, path) = match (savepoint, &self.store) {
            (Some(folder), _) => {
                let root = self.places.open(folder)?;
                (root, format!("{epoch}-{node}-{subtask}.run"))
            }
            (None, Some(store)) => (Arc::clone(&store.root), store.run_name(epoch, node, subtask)),
            (None, None) => return Err(Error::internal("a run without a checkpoint directory")),
        };
        let (bytes, summary) = self.persist("writing state", || {
            let mut written = (0, Vec::new());
            root.put_with(&path, &mut |out| {
                written = run_file::write(tables, out)?;
                Ok(())
            })?;
            Ok(written)
        })?;
        Ok((RunData::File { path, bytes }, summary))
    }

    /// (bytes written, bytes of state)
    fn decide(
        &self,
        decision: Decision,
        mut history: Vec<super::history::CheckpointStats>,
    ) -> Result<(u64, u64)> {
        history.push(decision.stats.clone());
        let operators = self.job.operators.iter().enumerate();
        let mut nodes = decision.nodes;
        let mut manifest = Manifest {
            kind: decision.kind,
            job_id: self.store.as_ref().map_or_else(String::new, |s| s.job_id.clone()),
            job_name: self.job.name.clone(),
            generation: self.store.as_ref().map_or(0, |s| s.generation),
            epoch: decision.epoch,
            parallelism: self.job.parallelism,
            max_parallelism: self.job.max_parallelism,
            history,
            operators: operators
                .map(|(i, node)| OperatorState {
                    uid: node.uid.clone(),
                    name: node.name.clone(),
                    layout: node.layout.clone(),
                    key: node.key.clone(),
                    spec: node.spec.clone(),
                    instances: nodes.remove(&i).unwrap_or_default(),
                })
                .collect(),
        };
        if decision.kind == ManifestKind::Finished {
            // Nothing runs from here: only what sinks still have to commit counts.
            instances(&mut manifest).for_each(|i| i.runs.clear());
        }
        let state = manifest.state_bytes();
        if let Some(stats) = manifest.history.last_mut() {
            stats.state = state;
        }
        let mut written = 0;
        if let Some(folder) = &decision.savepoint {
            written += self.write_savepoint(folder, &mut manifest)?;
            if !decision.stop {
                return Ok((written, state));
            }
            // The job's last checkpoint: its files are the savepoint's.
            manifest.kind = ManifestKind::Checkpoint;
            for instance in instances(&mut manifest) {
                for run in &mut instance.runs {
                    if let RunData::File { path, .. } = &mut run.data {
                        *path = format!("{}/{path}", self.places.open(folder)?.uri());
                    }
                }
            }
        }
        if let Some(store) = &self.store {
            written += self.persist("writing a checkpoint", || store.decide(&manifest))?;
        }
        Ok((written, state))
    }

    /// Writes a self-contained directory; files of ended instances are copied into it.
    fn write_savepoint(&self, folder: &str, manifest: &mut Manifest) -> Result<u64> {
        let root = self.places.open(folder)?;
        let mut written = 0;
        for instance in instances(manifest) {
            for run in &mut instance.runs {
                if let RunData::File { path, .. } = &mut run.data
                    && path.contains('/')
                {
                    written += self.copy_into(root.as_ref(), path)?;
                }
            }
        }
        let bytes = manifest.encode()?;
        let created = self.persist("writing a savepoint", || {
            Ok(root.create(METADATA, &bytes)? || root.get(METADATA)?.as_deref() == Some(&bytes))
        })?;
        if !created {
            return Err(Error::option(format!("{} holds another savepoint", root.uri())));
        }
        Ok(written + bytes.len() as u64)
    }

    fn copy_into(&self, root: &dyn Storage, path: &mut String) -> Result<u64> {
        let store = self.store.as_ref().ok_or_else(|| Error::internal("a run without a home"))?;
        let bytes = store::read_file(store.root.as_ref(), path, &self.places)?;
        let name = path.rsplit('/').next().unwrap_or(path).to_owned();
        self.persist("writing a savepoint", || root.put(&name, &bytes))?;
        *path = name;
        Ok(bytes.len() as u64)
    }
}

fn instances(manifest: &mut Manifest) -> impl Iterator<Item = &mut InstanceState> {
    manifest.operators.iter_mut().flat_map(|o| &mut o.instances)
}
