//! What a connector implements: sources with readers, sinks with writers and
//! committers.
//!
//! One reader or writer belongs to one subtask and is driven by its worker
//! thread. A reader never blocks longer than a few milliseconds: IO happens on
//! the connector's own tokio tasks or threads, and [`SourceReader::poll`] returns
//! [`Poll::Pending`] when nothing is ready. Positions and committables are opaque
//! bytes for everyone else, so that a checkpoint can store them.

use std::sync::Arc;
use std::time::Duration;

use weir_core::{ChangeBatch, Error, Result, Schema};
use weir_spec::{ChangelogMode, SinkSpec, SourceSpec};

/// What a reader has for its worker.
#[derive(Debug)]
pub enum Poll {
    /// Rows in the order of [`SourceSpec::columns`].
    Batch(ChangeBatch),
    /// Nothing now; ask again after about this long.
    Pending(Duration),
    /// Bounded input is exhausted.
    End,
}

/// A table that can be scanned.
pub trait Source: Send + Sync {
    /// Whether the scan ends by itself.
    fn is_bounded(&self) -> bool;
    /// Row kinds that the scan produces.
    fn changelog_mode(&self) -> ChangelogMode {
        ChangelogMode::INSERT_ONLY
    }
    /// Rows of the whole scan before filters, where that is known without reading
    /// the data. A guess may be far off; it only chooses between equal plans.
    fn row_count(&self) -> Option<u64> {
        None
    }
    /// Makes readers hand out no more rows at a time than this; called before `reader`.
    fn limit_batches(&mut self, rows: usize) {
        let _ = rows;
    }
    /// Opens the reader of one subtask. Together the subtasks read everything once.
    fn reader(&self, subtask: usize, parallelism: usize) -> Result<Box<dyn SourceReader>>;
}

/// The part of a scan that one subtask runs.
pub trait SourceReader: Send {
    /// The next rows, at most about 8,192 or 1 MiB. Returns within milliseconds.
    fn poll(&mut self) -> Result<Poll>;
    /// Position after the rows handed out so far, to be stored in a checkpoint:
    /// one opaque entry per split, so that splits can move between subtasks.
    fn position(&mut self) -> Result<Vec<Vec<u8>>>;
    /// Starts from stored split positions instead of from the beginning. Called once, before
    /// `poll`, on every reader of a restored scan (if only with an empty list), with the positions
    /// of all readers of the earlier run; the readers deal the splits among themselves. An empty
    /// list means what `position` means by it: nothing begun, or nothing left.
    fn restore(&mut self, splits: Vec<Vec<u8>>) -> Result<()>;
    /// The checkpoint with the last `position` is durable (Kafka commits its offsets here).
    fn on_checkpoint(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Names a sink over all runs of its job, so that commits of an interrupted run can be
/// told from those of other jobs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SinkIdentity {
    /// Identifier of the job, kept in its checkpoints.
    pub job: String,
    /// `uid` of the sink's node.
    pub sink: String,
    /// What `prepare_commit` returns is kept in a durable checkpoint until the next one
    /// is complete. Without it every barrier must make all earlier rows visible.
    pub durable: bool,
}

impl SinkIdentity {
    /// The identity of a sink that no later run takes over.
    pub fn ephemeral() -> Self {
        Self {
            job: uuid::Uuid::new_v4().simple().to_string(),
            sink: "sink".to_owned(),
            durable: false,
        }
    }

    /// Job and sink in one word of letters, digits, `-`, `_` and `.`.
    pub fn name(&self) -> String {
        let keep = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        format!("{}-{}", self.job, self.sink)
            .chars()
            .map(|c| if keep(c) { c } else { '_' })
            .collect()
    }
}

/// A table that can be written.
pub trait Sink: Send + Sync {
    /// Tells the sink who it is; called at most once, before anything else. A sink that is
    /// never told writes under an identity of its own.
    fn identify(&mut self, identity: SinkIdentity) {
        let _ = identity;
    }
    /// Row kinds that the sink accepts.
    fn changelog_mode(&self) -> ChangelogMode;
    /// Opens the writer of one subtask.
    fn writer(&self, subtask: usize, parallelism: usize) -> Result<Box<dyn SinkWriter>>;
    /// The one committer of the job's sink, if writes become visible by commits.
    fn committer(&self) -> Result<Option<Box<dyn Committer>>> {
        Ok(None)
    }
    /// Destination subtask per row, when rows of one bucket must meet in one writer.
    fn partitioner(&self) -> Option<Arc<dyn SinkPartitioner>> {
        None
    }
    /// No more subtasks than this make sense (print to one console: 1).
    fn max_parallelism(&self) -> Option<usize> {
        None
    }
}

/// Routes rows to the writer of their bucket.
pub trait SinkPartitioner: Send + Sync {
    /// Appends one destination in `0..parallelism` per row of the batch.
    fn route(&self, batch: &ChangeBatch, parallelism: usize, out: &mut Vec<u32>) -> Result<()>;
}

/// Writes rows of one subtask.
pub trait SinkWriter: Send {
    /// Takes rows; may buffer.
    fn write(&mut self, batch: &ChangeBatch) -> Result<()>;
    /// Makes everything written so far durable and returns what the committer
    /// needs to make it visible; for sinks without a committer this is a flush.
    fn prepare_commit(&mut self, epoch: u64) -> Result<Vec<Vec<u8>>>;
    /// Event time (milliseconds since 1970) has reached this point; `i64::MAX` at the end
    /// of all input.
    fn watermark(&mut self, millis: i64) -> Result<()> {
        let _ = millis;
        Ok(())
    }
    /// Processing time (milliseconds since 1970) at which `on_timer` wants to be called.
    fn next_timer(&self) -> Option<i64> {
        None
    }
    /// The time of `next_timer` has come.
    fn on_timer(&mut self, now: i64) -> Result<()> {
        let _ = now;
        Ok(())
    }
    /// No more rows come: the next `prepare_commit` is the last one and hands over everything.
    fn end_of_input(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Makes prepared writes visible, idempotently by (job, sink, epoch).
pub trait Committer: Send {
    /// Commits the committables of all subtasks of one epoch; a second call for
    /// the same epoch changes nothing, in this run or a later one of the same job.
    /// Epochs grow over all runs of a job.
    fn commit(&mut self, epoch: u64, committables: Vec<Vec<u8>>) -> Result<()>;

    /// Called once, before the first writer is opened and before the first `commit`, with what
    /// the restored checkpoint holds: its epoch and the committables of all subtasks, whether
    /// they were committed or not; `None` where the job starts afresh. Commits what was not
    /// committed, then takes back everything else that earlier runs of this job left
    /// unfinished in this sink: open transactions, temporary and unreferenced files.
    fn recover(&mut self, restored: Option<(u64, Vec<Vec<u8>>)>) -> Result<()> {
        match restored {
            Some((epoch, committables)) => self.commit(epoch, committables),
            None => Ok(()),
        }
    }
}

/// Creates sources and sinks of one `'connector'`.
pub trait ConnectorFactory: Send + Sync {
    /// The `'connector'` value.
    fn identifier(&self) -> &'static str;
    /// Metadata columns it can read: (key, Flink type text).
    fn readable_metadata(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
    /// Metadata columns it can write.
    fn writable_metadata(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
    /// Checks options and builds the scan. `schema` are the produced columns.
    fn source(&self, spec: &SourceSpec, schema: &Schema) -> Result<Box<dyn Source>> {
        let _ = schema;
        Err(Error::option(format!(
            "connector '{}' of table {} cannot be read, it is a sink only",
            self.identifier(),
            spec.table.identifier
        )))
    }
    /// A number that changes whenever the table's content does, where that is cheap to tell.
    fn version(&self, table: &weir_spec::TableSpec) -> Result<Option<u64>> {
        let _ = table;
        Ok(None)
    }
    /// Checks options and builds the sink. `schema` are the columns that arrive.
    fn sink(&self, spec: &SinkSpec, schema: &Schema) -> Result<Box<dyn Sink>> {
        let _ = schema;
        Err(Error::option(format!(
            "connector '{}' of table {} cannot be written, it is a source only",
            self.identifier(),
            spec.table.identifier
        )))
    }
}
