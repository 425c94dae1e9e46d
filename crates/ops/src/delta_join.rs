//! Delta join: a row of either input looks up the other input's table, so that the tables
//! themselves are the state of the join and a checkpoint holds nothing of it.
//!
//! A pair is found by whichever of its rows comes last, and perhaps by both: results are
//! updates by key, for a sink that takes them so. Both inputs come by the join key, and an
//! instance looks up in the order of what it emits; hence the last result of a pair is the
//! newest one. What is cached of a table goes when a change of it arrives.
//!
//! A lookup reads files, so rows are held for a moment and look up together.
//!
//! The planner sees to it that rows are never deleted and keep their join key; see
//! `delta_join.rs` there. Lookups themselves: `lookup_join.rs`.

use weir_core::{ChangeBatch, Result};
use weir_runtime::{Mark, Operator, Out, Step, now_ms};

use crate::lookup_join::LookupJoin;

/// Rows that look up together.
const TOGETHER: usize = 1 << 16;
/// How long rows are held at most, in milliseconds.
const HELD_MS: i64 = 20;

/// See the module.
pub struct DeltaJoin {
    /// Left rows in the right table, right rows in the left one.
    sides: [LookupJoin; 2],
    /// Rows of each side that have not looked up yet.
    held: [Vec<ChangeBatch>; 2],
    /// Until when they are held.
    due: Option<i64>,
    /// The watermark behind them.
    mark: Option<Mark>,
}

impl DeltaJoin {
    /// Joins the lookups of both directions.
    pub(crate) fn new(left: LookupJoin, right: LookupJoin) -> Self {
        Self { sides: [left, right.table_first()], held: Default::default(), due: None, mark: None }
    }

    /// Lets all rows look up, and hands out what they find.
    fn release(&mut self, out: &mut Out) -> Result<Step> {
        for side in 0..2 {
            if self.sides[side].more(out)? == Step::More {
                return Ok(Step::More);
            }
            let Some(batch) = together(&mut self.held[side])? else { continue };
            let keys = self.sides[side].keys_of(&batch)?;
            self.sides[1 - side].forget(&keys);
            if self.sides[side].push_keyed(batch, &keys, out)? == Step::More {
                return Ok(Step::More);
            }
        }
        self.due = None;
        if let Some(mark) = self.mark.take() {
            out.mark(mark);
        }
        Ok(Step::Done)
    }
}

/// The batches as one; none if there are none.
fn together(held: &mut Vec<ChangeBatch>) -> Result<Option<ChangeBatch>> {
    let batches = std::mem::take(held);
    match batches.as_slice() {
        [] => Ok(None),
        [first, ..] => ChangeBatch::concat(&first.rows.schema(), &batches).map(Some),
    }
}

impl Operator for DeltaJoin {
    fn push(&mut self, side: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        self.held[side].push(batch);
        self.due.get_or_insert_with(|| now_ms() + HELD_MS);
        let rows: usize = self.held.iter().flatten().map(ChangeBatch::len).sum();
        if rows >= TOGETHER { self.release(out) } else { Ok(Step::Done) }
    }

    fn more(&mut self, out: &mut Out) -> Result<Step> {
        self.release(out)
    }

    fn watermark(&mut self, mark: Mark, out: &mut Out) -> Result<Step> {
        self.mark = Some(mark);
        self.release(out)
    }

    fn finish(&mut self, out: &mut Out) -> Result<Step> {
        self.release(out)
    }

    fn flush(&mut self, out: &mut Out) -> Result<Step> {
        self.release(out)
    }

    fn next_timer(&self) -> Option<i64> {
        self.due
    }

    fn on_timer(&mut self, now: i64, out: &mut Out) -> Result<Step> {
        match self.due {
            Some(due) if due <= now => self.release(out),
            _ => Ok(Step::Done),
        }
    }

    fn wants_full_batches(&self) -> bool {
        true
    }
}
