//! Delta join: a row of either input looks up the other input's table, so that the tables
//! themselves are the state of the join and a checkpoint holds nothing of it.
//!
//! A pair is found by whichever of its rows comes last, and perhaps by both: results are
//! updates by key, for a sink that takes them so. Both inputs come by the join key, and an
//! instance looks up in the order of what it emits; hence the last result of a pair is the
//! newest one. What is cached of a table goes when a change of it arrives.
//!
//! The planner sees to it that rows are never deleted and keep their join key; see
//! `delta_join.rs` there. Lookups themselves: `lookup_join.rs`.

use weir_core::{ChangeBatch, Result};
use weir_runtime::{Operator, Out, Step};

use crate::lookup_join::LookupJoin;

/// See the module.
pub struct DeltaJoin {
    /// Left rows in the right table, right rows in the left one.
    sides: [LookupJoin; 2],
}

impl DeltaJoin {
    /// Joins the lookups of both directions.
    pub(crate) fn new(left: LookupJoin, right: LookupJoin) -> Self {
        Self { sides: [left, right.table_first()] }
    }
}

impl Operator for DeltaJoin {
    fn push(&mut self, side: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        let keys = self.sides[side].keys_of(&batch)?;
        self.sides[1 - side].forget(&keys);
        self.sides[side].push(0, batch, out)
    }

    fn more(&mut self, out: &mut Out) -> Result<Step> {
        for side in &mut self.sides {
            if side.more(out)? == Step::More {
                return Ok(Step::More);
            }
        }
        Ok(Step::Done)
    }

    fn wants_full_batches(&self) -> bool {
        self.sides.iter().any(Operator::wants_full_batches)
    }
}
