//! What goes into the coordinator and what comes out of it.
//!
//! Where to look next: [`super::coordinator`].

use std::collections::BTreeMap;
use std::time::Duration;

use weir_runtime::{Barrier, Cost};
use weir_state::SealedTable;

use super::history::CheckpointStats;
use super::manifest::{InstanceState, ManifestKind, RunRef};

/// Milliseconds of the caller's clock.
pub type Millis = i64;

/// (node, subtask)
pub type InstanceId = (usize, usize);

/// Rules of a job's checkpoints.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Time between triggers; none = only at the end and on request.
    pub interval: Option<Duration>,
    /// See the option.
    pub timeout: Duration,
    /// See the option.
    pub min_pause: Duration,
    /// Checkpoints that may be in flight at a time, at least 1; see the option.
    pub max_concurrent: usize,
    /// See the option.
    pub tolerable_failures: u32,
    /// State and decisions are stored; without it barriers only make sinks commit.
    pub durable: bool,
}

/// A checkpoint or savepoint that somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Number to answer with.
    pub id: u64,
    /// Where a savepoint goes; none = an ordinary checkpoint.
    pub savepoint: Option<String>,
    /// The job stops with it.
    pub stop: bool,
}

/// What has happened.
#[derive(Debug)]
pub enum Fact {
    /// Time has passed.
    Tick,
    /// An instance has sealed.
    Sealed(Sealed),
    /// Its tables are stored.
    Stored { id: InstanceId, epoch: u64, run: RunRef },
    /// They cannot be stored.
    StoreFailed { epoch: u64, error: String },
    /// The manifest exists.
    Decided { epoch: u64, written: u64, state: u64 },
    /// It could not be written.
    DecisionFailed { epoch: u64, error: String },
    /// The sinks have committed.
    Committed { epoch: u64 },
    /// Somebody wants a checkpoint or savepoint.
    Requested(Request),
    /// All instances have ended and reported.
    Ended,
}

/// One instance's seal.
#[derive(Debug, Default)]
pub struct Sealed {
    /// Who.
    pub id: InstanceId,
    /// For which barrier; for `finished` the first epoch that it counts for.
    pub epoch: u64,
    /// The instance has ended.
    pub finished: bool,
    /// State.
    pub tables: Vec<SealedTable>,
    /// What sinks prepared.
    pub committables: Vec<Vec<u8>>,
    /// Where sources are.
    pub positions: Vec<Vec<u8>>,
    /// What it cost.
    pub cost: Cost,
}

/// What is to be done.
#[derive(Debug)]
pub enum Command {
    /// Send this barrier.
    Inject(Barrier),
    /// Store an instance's tables, for a savepoint in its directory.
    Store { id: InstanceId, epoch: u64, savepoint: Option<String>, tables: Vec<SealedTable> },
    /// Write the manifest.
    Decide(Decision),
    /// Commit what the sinks prepared, by node.
    Commit { epoch: u64, committables: BTreeMap<usize, Vec<Vec<u8>>> },
    /// Tell the sources that their positions are durable; delete what nobody needs.
    Completed { epoch: u64 },
    /// Say this to the user.
    Notice(String),
    /// Answer a request.
    Answer { id: u64, result: Result<(), String> },
    /// Cancel the job: it has stopped with its last checkpoint.
    Stop,
    /// The job has ended and everything is committed.
    Finish,
    /// The job fails.
    Fail(String),
}

/// Contents of a manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// What it is.
    pub kind: ManifestKind,
    /// Its number.
    pub epoch: u64,
    /// Directory of a savepoint.
    pub savepoint: Option<String>,
    /// The job stops with it, so that it is also its last checkpoint.
    pub stop: bool,
    /// State by node.
    pub nodes: BTreeMap<usize, Vec<InstanceState>>,
    /// Times, as far as known.
    pub stats: CheckpointStats,
}
