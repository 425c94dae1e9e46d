//! Unbounded GROUP BY.
//!
//! Per batch: hydrate the slots of the keys, remember what the touched groups
//! showed so far, fold, and emit per touched group the change from the first
//! pre-image to the last post-image; unchanged groups are silent (unless state
//! expires, as in Flink). A group without rows is removed.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, UInt32Array};
use arrow::compute::interleave;
use arrow::compute::kernels::cmp;
use arrow::datatypes::SchemaRef;
use weir_core::keys::EncodedKeys;
use weir_core::{ChangeBatch, Result, Schema, Value};
use weir_runtime::{Barrier, Operator, Out, Seal, Step, TaskContext, now_ms};
use weir_spec::AggregateCall;
use weir_state::bytes::put_i64;
use weir_state::{KeyedTable, PieceSink, Reader, SlotStore};

use crate::agg::{AggSet, MINUS, RESET, SKIP};
use crate::util::*;

/// Row count and accumulators per group.
pub(crate) struct Groups {
    pub(crate) counts: Vec<i64>,
    pub(crate) aggs: AggSet,
}

impl SlotStore for Groups {
    fn resize(&mut self, slots: usize) {
        self.counts.resize(slots.max(self.counts.len()), 0);
        self.aggs.resize(slots);
    }
    fn clear(&mut self, slot: usize) {
        self.counts[slot] = 0;
        self.aggs.clear(slot);
    }
    fn write(&self, slot: usize, out: &mut Vec<u8>) {
        put_i64(out, self.counts[slot]);
        self.aggs.write(slot, out);
    }
    fn read(&mut self, slot: usize, input: &mut Reader<'_>) -> Result<()> {
        self.counts[slot] = input.i64()?;
        self.aggs.read(slot, input)
    }
}

/// See the module.
pub struct GroupAggregate {
    keys: Vec<usize>,
    table: KeyedTable<Groups>,
    update_before: bool,
    emit_unchanged: bool,
    ttl: i64,
    schema: SchemaRef,
    encoded: EncodedKeys,
    slots: Vec<u32>,
    /// Position + 1 in the touched list, per slot.
    marks: Vec<u32>,
    ops: Vec<u8>,
}

/// Empty groups of these calls.
pub(crate) fn store(calls: &[AggregateCall], input: &Schema, retracts: bool) -> Result<Groups> {
    let aggs = AggSet::new(calls, &types(input), retracts)?;
    Ok(Groups { counts: Vec::new(), aggs })
}

/// Groups that a batch touched.
#[derive(Default)]
struct Touched {
    slots: Vec<u32>,
    /// A row with the group's key.
    rows: Vec<u32>,
    existed: Vec<bool>,
}

impl GroupAggregate {
    /// Builds the operator.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        keys: &[usize],
        calls: &[AggregateCall],
        update_before: bool,
        retracts: bool,
        ttl: i64,
        input: &Schema,
        output: &Schema,
        max_parallelism: u32,
    ) -> Result<Self> {
        let store = store(calls, input, retracts)?;
        Ok(Self {
            keys: keys.to_vec(),
            table: KeyedTable::new(spilling_spec("groups", ttl, max_parallelism), store),
            update_before,
            emit_unchanged: ttl > 0,
            ttl,
            schema: output.to_arrow(),
            encoded: EncodedKeys::default(),
            slots: Vec::new(),
            marks: Vec::new(),
            ops: Vec::new(),
        })
    }

    fn touch(&mut self) -> Touched {
        let mut t = Touched::default();
        self.marks.resize(self.table.slots(), 0);
        for (row, &slot) in self.slots.iter().enumerate() {
            let mark = &mut self.marks[slot as usize];
            if *mark == 0 {
                *mark = 1;
                t.slots.push(slot);
                t.rows.push(row as u32);
                t.existed.push(self.table.store.counts[slot as usize] > 0);
            }
        }
        t.slots.iter().for_each(|&s| self.marks[s as usize] = 0);
        t
    }

    /// Moves the row counts and fills the flags of a changelog batch.
    fn count(&mut self, kinds: Option<&[u8]>) {
        let counts = &mut self.table.store.counts;
        self.ops.clear();
        let Some(kinds) = kinds else {
            self.slots.iter().for_each(|&s| counts[s as usize] += 1);
            return;
        };
        for (&slot, &kind) in self.slots.iter().zip(kinds) {
            let count = &mut counts[slot as usize];
            self.ops.push(match (is_minus(kind), *count) {
                // A retraction of a group that is not there has no effect.
                (true, 0) => SKIP,
                (true, _) => {
                    *count -= 1;
                    MINUS
                }
                (false, n) => {
                    *count += 1;
                    if n == 0 { RESET } else { 0 }
                }
            });
        }
    }

    fn emit(
        &mut self,
        batch: &ChangeBatch,
        t: &Touched,
        before: Option<&[ArrayRef]>,
        after: &[ArrayRef],
        out: &mut Out,
    ) -> Result<()> {
        let changed = match before {
            Some(before) if !self.emit_unchanged => {
                Some(differences(before, after, t.slots.len())?)
            }
            _ => None,
        };
        let mut picks = Vec::with_capacity(t.slots.len() * 2);
        let mut kinds = Vec::with_capacity(t.slots.len() * 2);
        let mut rows = Vec::with_capacity(t.slots.len() * 2);
        let mut put = |i: usize, side: usize, kind: u8| {
            picks.push((side, i));
            kinds.push(kind);
            rows.push(t.rows[i]);
        };
        for (i, &slot) in t.slots.iter().enumerate() {
            let alive = self.table.store.counts[slot as usize] > 0;
            match (t.existed[i], alive) {
                (false, true) => put(i, 1, PLUS_I),
                (true, true) if changed.as_ref().is_none_or(|c| c[i]) => {
                    if self.update_before {
                        put(i, 0, MINUS_U);
                    }
                    put(i, 1, PLUS_U);
                }
                (true, false) => put(i, 0, MINUS_D),
                _ => {}
            }
        }
        for &slot in &t.slots {
            if self.table.store.counts[slot as usize] <= 0 {
                self.table.remove(slot);
            }
        }
        let mut result = take_all(&columns(batch, &self.keys), &UInt32Array::from(rows))?;
        for (i, a) in after.iter().enumerate() {
            let b = before.map_or(a, |b| &b[i]);
            result.push(interleave(&[b.as_ref(), a.as_ref()], &picks)?);
        }
        out.data(batch_of(&self.schema, result, kinds)?);
        Ok(())
    }
}

/// Where any result column differs (NULL equals NULL).
fn differences(before: &[ArrayRef], after: &[ArrayRef], rows: usize) -> Result<Vec<bool>> {
    let mut changed = vec![false; rows];
    for (b, a) in before.iter().zip(after) {
        if b.data_type().is_nested() {
            for (i, c) in changed.iter_mut().enumerate() {
                *c |= Value::from_array(b, i) != Value::from_array(a, i);
            }
        } else {
            let different: BooleanArray = cmp::distinct(b, a)?;
            changed.iter_mut().enumerate().for_each(|(i, c)| *c |= different.value(i));
        }
    }
    Ok(changed)
}

impl Operator for GroupAggregate {
    fn push(&mut self, _: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        let now = if self.ttl > 0 { now_ms() } else { 0 };
        self.encoded.encode_into(&columns(&batch, &self.keys), batch.len())?;
        self.table.hydrate(&self.encoded, now, &mut self.slots)?;
        let touched = self.touch();
        let before = if touched.existed.contains(&true) {
            Some(self.table.store.aggs.finish(&touched.slots)?)
        } else {
            None
        };
        self.count(batch.kind_bytes());
        let ops = batch.kinds.is_some().then_some(self.ops.as_slice());
        self.table.store.aggs.update(&batch, &self.slots, ops)?;
        let after = self.table.store.aggs.finish(&touched.slots)?;
        self.emit(&batch, &touched, before.as_deref(), &after, out)?;
        Ok(Step::Done)
    }

    fn seal_ahead(&mut self, sink: &Arc<dyn PieceSink>) {
        seal_ahead(&mut self.table, 0, sink);
    }

    fn barrier(&mut self, barrier: &Barrier, seal: &mut Seal) -> Result<()> {
        seal_table(&mut self.table, barrier, seal)
    }

    fn restore(&mut self, seal: &Seal, context: &TaskContext) -> Result<()> {
        restore_table(&mut self.table, seal, context)
    }

    fn wants_full_batches(&self) -> bool {
        true
    }
}
