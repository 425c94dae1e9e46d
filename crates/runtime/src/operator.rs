//! What operators and sources implement.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use weir_core::{ChangeBatch, Result, keys};
use weir_state::{PieceSink, SealedTable};

use crate::message::{Barrier, Mark, Message};
use crate::metrics::NodeMetrics;

/// Whether a call has emitted everything it had to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Yes.
    Done,
    /// No: the bounded output is full; call [`Operator::more`] when it has been passed on.
    More,
}

/// Where and how an operator instance runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskContext {
    /// Number of this instance, `0..parallelism`.
    pub subtask: usize,
    /// Number of instances.
    pub parallelism: usize,
    /// Number of key groups.
    pub max_parallelism: u32,
}

impl TaskContext {
    /// Whether this instance owns a key group.
    pub fn owns(&self, group: u32) -> bool {
        let p = self.parallelism as u32;
        keys::subtask_of_key_group(group, self.max_parallelism, p) == self.subtask as u32
    }
}

/// Collects what one call emits.
#[derive(Debug, Default)]
pub struct Out {
    pub(crate) queue: VecDeque<Message>,
    metrics: Option<Arc<NodeMetrics>>,
}

impl Out {
    pub(crate) fn for_node(metrics: Arc<NodeMetrics>) -> Self {
        Self { queue: VecDeque::new(), metrics: Some(metrics) }
    }

    /// Emits rows; empty batches vanish.
    pub fn data(&mut self, batch: ChangeBatch) {
        if !batch.is_empty() {
            self.queue.push_back(Message::Data(batch));
        }
    }

    /// Emits a watermark or a change of idleness.
    pub fn mark(&mut self, mark: Mark) {
        self.queue.push_back(Message::Mark(mark));
    }

    /// Counts rows that came too late and were dropped.
    pub fn count_late(&mut self, rows: u64) {
        if let (Some(m), true) = (&self.metrics, rows > 0) {
            m.late.fetch_add(rows, Ordering::Relaxed);
        }
    }

    /// Takes the emitted batches: for tests of single operators.
    pub fn take_batches(&mut self) -> Vec<ChangeBatch> {
        self.queue
            .drain(..)
            .filter_map(|m| if let Message::Data(b) = m { Some(b) } else { None })
            .collect()
    }

    /// Takes what was emitted in order, rows as `Ok`, marks as `Err`: for tests of single operators.
    pub fn take_all(&mut self) -> Vec<std::result::Result<ChangeBatch, Mark>> {
        self.queue
            .drain(..)
            .filter_map(|m| match m {
                Message::Data(b) => Some(Ok(b)),
                Message::Mark(w) => Some(Err(w)),
                _ => None,
            })
            .collect()
    }
}

/// What an operator hands to the checkpoint coordinator at a barrier.
#[derive(Debug, Default, Clone)]
pub struct Seal {
    /// Keyed state.
    pub tables: Vec<SealedTable>,
    /// What a committer needs to make written data visible.
    pub committables: Vec<Vec<u8>>,
    /// Split positions of sources.
    pub positions: Vec<Vec<u8>>,
    /// Takes large tables while they are sealed, where the barrier's seals may go there.
    pub pieces: Option<Arc<dyn PieceSink>>,
}

/// An operator instance: synchronous, called per batch by one worker thread.
///
/// A call may emit about 8,192 rows and then return [`Step::More`]; `more` is
/// called until it returns [`Step::Done`], before anything else is called.
pub trait Operator: Send {
    /// Called once before everything else but `restore`.
    fn open(&mut self, context: &TaskContext) -> Result<()> {
        let _ = context;
        Ok(())
    }
    /// Called after `open` where tables may send parts of the next seal before its barrier.
    fn seal_ahead(&mut self, sink: &Arc<dyn PieceSink>) {
        let _ = sink;
    }
    /// Rows of an input.
    fn push(&mut self, input: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step>;
    /// Goes on with an emission that was cut off.
    fn more(&mut self, out: &mut Out) -> Result<Step> {
        let _ = out;
        Ok(Step::Done)
    }
    /// The watermark of all inputs together; to be forwarded by the operator.
    fn watermark(&mut self, mark: Mark, out: &mut Out) -> Result<Step> {
        out.mark(mark);
        Ok(Step::Done)
    }
    /// All inputs have ended (after the watermark `i64::MAX`): emit what is left.
    fn finish(&mut self, out: &mut Out) -> Result<Step> {
        let _ = out;
        Ok(Step::Done)
    }
    /// Called before `barrier`: emit what is buffered only for speed.
    fn flush(&mut self, out: &mut Out) -> Result<Step> {
        let _ = out;
        Ok(Step::Done)
    }
    /// Seals state and prepares commits.
    fn barrier(&mut self, barrier: &Barrier, seal: &mut Seal) -> Result<()> {
        let _ = (barrier, seal);
        Ok(())
    }
    /// Adds the state of an earlier run, before `open`. Called once per sealed
    /// instance of the earlier run; only key groups that `context` owns count.
    fn restore(&mut self, seal: &Seal, context: &TaskContext) -> Result<()> {
        let _ = (seal, context);
        Ok(())
    }
    /// Processing time (milliseconds) at which `on_timer` is due.
    fn next_timer(&self) -> Option<i64> {
        None
    }
    /// The time of `next_timer` has come.
    fn on_timer(&mut self, now: i64, out: &mut Out) -> Result<Step> {
        let _ = (now, out);
        Ok(Step::Done)
    }
    /// Whether small batches should be re-assembled in front of this operator.
    fn wants_full_batches(&self) -> bool {
        false
    }
}

/// What a source has for its worker.
#[derive(Debug)]
pub enum SourcePoll {
    /// Rows.
    Batch(ChangeBatch),
    /// Nothing now; ask again after about this long.
    Pending(Duration),
    /// Bounded input is exhausted.
    End,
}

/// The part of a source that one worker drives. `poll` returns within milliseconds.
pub trait SourceTask: Send {
    /// The next rows.
    fn poll(&mut self) -> Result<SourcePoll>;
    /// Split positions after the rows handed out so far.
    fn position(&mut self) -> Result<Vec<Vec<u8>>> {
        Ok(Vec::new())
    }
    /// The positions handed out so far are durable.
    fn completed(&mut self) -> Result<()> {
        Ok(())
    }
    /// Starts from the split positions of an earlier run (of all instances; the
    /// source picks its own). Called once, before `poll`.
    fn restore(&mut self, splits: Vec<Vec<u8>>) -> Result<()> {
        let _ = splits;
        Ok(())
    }
}
