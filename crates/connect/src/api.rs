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
    /// `poll`, on every reader of a restored scan (if only with an empty list). A reader may be
    /// given all stored positions or a share of them; the readers deal the splits among themselves.
    fn restore(&mut self, splits: Vec<Vec<u8>>) -> Result<()>;
    /// The checkpoint with the last `position` is durable (Kafka commits its offsets here).
    fn on_checkpoint(&mut self) -> Result<()> {
        Ok(())
    }
}

/// A table that can be written.
pub trait Sink: Send + Sync {
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
}

/// Makes prepared writes visible, idempotently by epoch.
pub trait Committer: Send {
    /// Commits the committables of all subtasks of one epoch; a second call for
    /// the same epoch changes nothing.
    fn commit(&mut self, epoch: u64, committables: Vec<Vec<u8>>) -> Result<()>;
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
