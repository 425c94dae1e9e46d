//! Sources, sinks and the client as nodes of the runtime.

use std::sync::Arc;

use arrow::array::{Array, BooleanArray};
use weir_connect::api::{Poll, SinkPartitioner, SinkWriter, SourceReader};
use weir_core::{ChangeBatch, Error, Result};
use weir_runtime::{Barrier, Mark, Operator, Out, Partitioner, Seal, SourcePoll, SourceTask, Step};

/// A reader as a source task.
pub struct SourceAdapter(pub Box<dyn SourceReader>);

impl SourceTask for SourceAdapter {
    fn poll(&mut self) -> Result<SourcePoll> {
        Ok(match self.0.poll()? {
            Poll::Batch(b) => SourcePoll::Batch(b),
            Poll::Pending(d) => SourcePoll::Pending(d),
            Poll::End => SourcePoll::End,
        })
    }

    fn position(&mut self) -> Result<Vec<Vec<u8>>> {
        self.0.position()
    }

    fn restore(&mut self, splits: Vec<Vec<u8>>) -> Result<()> {
        self.0.restore(splits)
    }

    fn completed(&mut self) -> Result<()> {
        self.0.on_checkpoint()
    }
}

/// What happens to NULL in a NOT NULL column of a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotNull {
    /// The job fails.
    Error,
    /// The row is dropped.
    Drop,
}

/// A writer as an operator.
pub struct SinkAdapter {
    /// The writer.
    pub writer: Box<dyn SinkWriter>,
    /// Table name, for messages.
    pub table: String,
    /// NOT NULL columns: (position, name).
    pub not_null: Vec<(usize, String)>,
    /// What their violation does.
    pub enforcer: NotNull,
}

impl SinkAdapter {
    /// Checks NOT NULL columns; `None` when the batch passes as it is.
    fn enforce(&self, batch: &ChangeBatch) -> Result<Option<ChangeBatch>> {
        let violated: Vec<&(usize, String)> =
            self.not_null.iter().filter(|(c, _)| batch.column(*c).null_count() > 0).collect();
        let Some((_, name)) = violated.first() else { return Ok(None) };
        if self.enforcer == NotNull::Error {
            return Err(Error::data(format!(
                "Column '{name}' of table {} is NOT NULL, however, a null value is being written into it",
                self.table
            ))
            .hint("SET 'table.exec.sink.not-null-enforcer' = 'DROP' to drop such records silently"));
        }
        let keep: BooleanArray = (0..batch.len())
            .map(|row| Some(violated.iter().all(|(c, _)| batch.column(*c).is_valid(row))))
            .collect();
        Ok(Some(batch.filter(&keep)?))
    }
}

impl Operator for SinkAdapter {
    fn push(&mut self, _input: usize, batch: ChangeBatch, _out: &mut Out) -> Result<Step> {
        let kept = self.enforce(&batch)?;
        let batch = kept.as_ref().unwrap_or(&batch);
        if !batch.is_empty() {
            self.writer.write(batch)?;
        }
        Ok(Step::Done)
    }

    fn watermark(&mut self, mark: Mark, out: &mut Out) -> Result<Step> {
        if let Mark::Ts(millis) = mark {
            self.writer.watermark(millis)?;
        }
        out.mark(mark);
        Ok(Step::Done)
    }

    fn finish(&mut self, _out: &mut Out) -> Result<Step> {
        self.writer.end_of_input()?;
        Ok(Step::Done)
    }

    fn next_timer(&self) -> Option<i64> {
        self.writer.next_timer()
    }

    fn on_timer(&mut self, now: i64, _out: &mut Out) -> Result<Step> {
        self.writer.on_timer(now)?;
        Ok(Step::Done)
    }

    fn barrier(&mut self, barrier: &Barrier, seal: &mut Seal) -> Result<()> {
        seal.committables = self.writer.prepare_commit(barrier.epoch)?;
        Ok(())
    }
}

/// Checks the rows of a result: a result is a sink like any other in Flink.
pub struct ResultCheck {
    /// NOT NULL columns: (position, name).
    pub not_null: Vec<(usize, String)>,
    /// What their violation does.
    pub enforcer: NotNull,
}

impl ResultCheck {
    /// The rows that pass. Rows that are taken away may be keys alone.
    pub fn passing(&self, batch: ChangeBatch) -> Result<ChangeBatch> {
        let bad = |row: usize, c: usize| batch.kind(row).is_plus() && batch.column(c).is_null(row);
        let mut keep = vec![true; batch.len()];
        for (c, name) in &self.not_null {
            if batch.column(*c).null_count() == 0 {
                continue;
            }
            for (_, keep) in keep.iter_mut().enumerate().filter(|(row, _)| bad(*row, *c)) {
                if self.enforcer == NotNull::Error {
                    return Err(Error::data(format!(
                        "Column '{name}' is NOT NULL, however, a null value is being written into it"
                    ))
                    .hint("SET 'table.exec.sink.not-null-enforcer' = 'DROP' to drop such rows silently"));
                }
                *keep = false;
            }
        }
        if keep.contains(&false) { batch.filter(&keep.into()) } else { Ok(batch) }
    }
}

/// A sink's routing for the runtime's exchange.
pub struct PartitionerAdapter(pub Arc<dyn SinkPartitioner>);

impl Partitioner for PartitionerAdapter {
    fn route(&self, batch: &ChangeBatch, parallelism: usize, out: &mut Vec<u32>) -> Result<()> {
        self.0.route(batch, parallelism, out)
    }
}
