//! Batch mode over streaming operators: only final rows leave.
//!
//! An operator that updates its results is wrapped: its changes are applied to
//! a bag of rows, which leaves as +I rows when the input has ended.

use hashbrown::HashMap;
use weir_core::keys::EncodedKeys;
use weir_core::{ChangeBatch, Result};
use weir_runtime::{Barrier, Mark, Operator, Out, Seal, Step, TaskContext};

/// Where a row is, and how many copies count.
struct Entry {
    batch: usize,
    row: u32,
    copies: i64,
    order: usize,
}

/// An operator whose changelog is collapsed.
pub struct Collapse {
    inner: Box<dyn Operator>,
    batches: Vec<ChangeBatch>,
    rows: HashMap<Vec<u8>, Entry>,
    seen: usize,
}

impl Collapse {
    /// Wraps an operator.
    pub fn new(inner: Box<dyn Operator>) -> Self {
        Self { inner, batches: Vec::new(), rows: HashMap::new(), seen: 0 }
    }

    /// Runs a call of the inner operator to its end and applies what it emits.
    fn absorb(
        &mut self,
        call: impl FnOnce(&mut dyn Operator, &mut Out) -> Result<Step>,
    ) -> Result<()> {
        let mut out = Out::default();
        let mut step = call(self.inner.as_mut(), &mut out)?;
        loop {
            for batch in out.take_batches() {
                self.apply(batch)?;
            }
            if step == Step::Done {
                return Ok(());
            }
            step = self.inner.more(&mut out)?;
        }
    }

    fn apply(&mut self, batch: ChangeBatch) -> Result<()> {
        let keys = EncodedKeys::encode(batch.rows.columns(), batch.len())?;
        let at = self.batches.len();
        for row in 0..batch.len() {
            let change = if batch.kind(row).is_plus() { 1 } else { -1 };
            self.seen += 1;
            let order = self.seen;
            let key = keys.key(row);
            let entry = self.rows.entry_ref(key).or_insert_with(|| Entry {
                batch: at,
                row: row as u32,
                copies: 0,
                order,
            });
            entry.copies += change;
            if entry.copies == 0 {
                self.rows.remove(key);
            }
        }
        self.batches.push(ChangeBatch { kinds: None, ..batch });
        Ok(())
    }

    fn emit(&mut self, out: &mut Out) -> Result<()> {
        let mut entries: Vec<Entry> = self.rows.drain().map(|(_, e)| e).collect();
        entries.retain(|e| e.copies > 0);
        entries.sort_by_key(|e| e.order);
        let mut per_batch: Vec<Vec<u32>> = vec![Vec::new(); self.batches.len()];
        for e in entries {
            per_batch[e.batch].extend(std::iter::repeat_n(e.row, e.copies as usize));
        }
        for (batch, rows) in self.batches.drain(..).zip(per_batch) {
            if !rows.is_empty() {
                out.data(batch.take(&rows.into())?);
            }
        }
        Ok(())
    }
}

impl Operator for Collapse {
    fn open(&mut self, context: &TaskContext) -> Result<()> {
        self.inner.open(context)
    }

    fn push(&mut self, input: usize, batch: ChangeBatch, _out: &mut Out) -> Result<Step> {
        self.absorb(|op, out| op.push(input, batch, out))?;
        Ok(Step::Done)
    }

    fn watermark(&mut self, mark: Mark, out: &mut Out) -> Result<Step> {
        self.absorb(|op, o| op.watermark(mark, o))?;
        out.mark(mark);
        Ok(Step::Done)
    }

    fn finish(&mut self, out: &mut Out) -> Result<Step> {
        self.absorb(|op, o| op.finish(o))?;
        self.emit(out)?;
        Ok(Step::Done)
    }

    fn barrier(&mut self, barrier: &Barrier, seal: &mut Seal) -> Result<()> {
        self.inner.barrier(barrier, seal)
    }

    fn wants_full_batches(&self) -> bool {
        self.inner.wants_full_batches()
    }
}
