//! What tests of recovery need: sources that hand out a few rows per checkpoint, and a
//! process that dies at a chosen step of its checkpoints.
//!
//! | option | effect |
//! |---|---|
//! | `weir.testing.batch-rows` | sources hand out at most so many rows at a time, and at most twice between two barriers; watermarks move with rows only |
//! | `weir.testing.fail-every` | the job fails at every so many steps of its checkpoints, and starts again by its restart strategy |
//! | `weir.testing.crash-at-step` | the process is aborted when its checkpoints come to this step: a run to be stored, a decision, a commit, the clean-up after it |
//! | `weir.testing.resident-keys` | keyed tables that can move keys to disk keep at most so many in memory between two batches |

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use weir_core::config::bad_value;
use weir_core::{ChangeBatch, Error, Options, Result};
use weir_runtime::{
    Barrier, Mark, NodeBody, Operator, Out, Seal, SourcePoll, SourceTask, Step, TaskContext,
};

/// Rows per batch.
pub const BATCH_ROWS: &str = "weir.testing.batch-rows";

/// Keys in memory.
pub const RESIDENT_KEYS: &str = "weir.testing.resident-keys";

/// Step at which the process dies.
pub const CRASH_AT: &str = "weir.testing.crash-at-step";

/// Steps from one failure of a job to the next.
pub const FAIL_EVERY: &str = "weir.testing.fail-every";

/// Steps of all jobs of the process so far.
static STEPS: AtomicU64 = AtomicU64::new(0);

/// The options.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Testing {
    /// See the option.
    pub batch_rows: Option<usize>,
    /// See the option.
    pub crash_at: Option<u64>,
    /// See the option.
    pub fail_every: Option<u64>,
}

impl Testing {
    /// Reads the options.
    pub fn parse(options: &Options) -> Result<Self> {
        let number = |key: &str| match options.i64_opt(key)? {
            None => Ok(None),
            Some(n) if n > 0 => Ok(Some(n as u64)),
            Some(n) => Err(bad_value(key, &n.to_string(), "a number above 0")),
        };
        if let Some(keys) = number(RESIDENT_KEYS)? {
            weir_state::memory::limit_slots(keys as usize);
        }
        Ok(Self {
            batch_rows: number(BATCH_ROWS)?.map(|n| n as usize),
            crash_at: number(CRASH_AT)?,
            fail_every: number(FAIL_EVERY)?,
        })
    }

    /// Counts a step; dies if it is the chosen one. Nothing is flushed or undone.
    pub fn step(&self) -> Result<()> {
        if self.crash_at.is_none() && self.fail_every.is_none() {
            return Ok(());
        }
        let step = STEPS.fetch_add(1, Ordering::SeqCst) + 1;
        if self.crash_at == Some(step) {
            std::process::abort();
        }
        match self.fail_every {
            Some(n) if step.is_multiple_of(n) => {
                Err(Error::io(format!("'{FAIL_EVERY}' = '{n}': step {step}")))
            }
            _ => Ok(()),
        }
    }

    /// Slows a source down, where asked for.
    pub fn pace(&self, body: NodeBody, task: &TaskContext) -> NodeBody {
        match body {
            NodeBody::Source(source) if self.batch_rows.is_some() => {
                let seed = task.subtask as u64 + 1;
                NodeBody::Source(Box::new(Paced { source, left: 1 + seed % 2, seed }))
            }
            other => other,
        }
    }
}

/// An operator whose timers never come: rows that wait for barriers must not see a
/// watermark that only time has brought.
pub struct Untimed(pub Box<dyn Operator>);

impl Operator for Untimed {
    fn open(&mut self, context: &TaskContext) -> Result<()> {
        self.0.open(context)
    }
    fn push(&mut self, input: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        self.0.push(input, batch, out)
    }
    fn more(&mut self, out: &mut Out) -> Result<Step> {
        self.0.more(out)
    }
    fn watermark(&mut self, mark: Mark, out: &mut Out) -> Result<Step> {
        self.0.watermark(mark, out)
    }
    fn finish(&mut self, out: &mut Out) -> Result<Step> {
        self.0.finish(out)
    }
    fn flush(&mut self, out: &mut Out) -> Result<Step> {
        self.0.flush(out)
    }
    fn barrier(&mut self, barrier: &Barrier, seal: &mut Seal) -> Result<()> {
        self.0.barrier(barrier, seal)
    }
    fn restore(&mut self, seal: &Seal, context: &TaskContext) -> Result<()> {
        self.0.restore(seal, context)
    }
    fn wants_full_batches(&self) -> bool {
        self.0.wants_full_batches()
    }
}

/// A source that hands out none to two batches, then waits for a barrier.
struct Paced {
    source: Box<dyn SourceTask>,
    left: u64,
    seed: u64,
}

impl SourceTask for Paced {
    fn poll(&mut self) -> Result<SourcePoll> {
        if self.left == 0 {
            return Ok(SourcePoll::Pending(Duration::from_millis(1)));
        }
        let polled = self.source.poll()?;
        if matches!(&polled, SourcePoll::Batch(b) if !b.is_empty()) {
            self.left -= 1;
        }
        Ok(polled)
    }

    fn position(&mut self) -> Result<Vec<Vec<u8>>> {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.left = (self.seed >> 33) % 3;
        self.source.position()
    }

    fn completed(&mut self) -> Result<()> {
        self.source.completed()
    }

    fn restore(&mut self, splits: Vec<Vec<u8>>) -> Result<()> {
        self.source.restore(splits)
    }
}
