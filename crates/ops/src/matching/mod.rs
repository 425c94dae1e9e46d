//! MATCH_RECOGNIZE: row patterns over rows in time order, per key.
//!
//! Event time: rows wait per key until the watermark passes them, then move the
//! key's runs in time order (rows of one time by the further ORDER BY columns,
//! then by arrival); rows behind the watermark are late. Processing time: rows are
//! matched as they come. Which matches are found is Flink's CEP library's say, down
//! to the order among runs that began with the same row.
//!
//! Where to look next: [`nfa`] for the automaton, [`runs`] for matching, [`queue`]
//! for the order of runs, [`eval`] for conditions and measures, [`store`] for the
//! bytes of the state.

mod eval;
mod nfa;
mod queue;
mod run;
mod runs;
mod store;

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use weir_core::batch::TARGET_ROWS;
use weir_core::keys::EncodedKeys;
use weir_core::value::values_to_array;
use weir_core::{ChangeBatch, DataType, Error, Result, Schema, Value};
use weir_functions::EvalContext;
use weir_runtime::{Barrier, Mark, Operator, Out, Seal, Step, TaskContext, now_ms};
use weir_spec::MatchSpec;
use weir_state::KeyedTable;

use crate::event_time::EventTime;
use crate::util::*;
use eval::{Conditions, MatchProgram, View};
use runs::{Event, Node, Rules};
use store::KeyState;

/// See the module.
pub struct MatchRecognize {
    spec: MatchSpec,
    time: usize,
    rules: Rules,
    conditions: Conditions,
    measures: Vec<MatchProgram>,
    key_types: Vec<DataType>,
    context: EvalContext,
    table: KeyedTable<Vec<KeyState>>,
    clock: EventTime,
    /// Matches that were found and not emitted yet: last row, event time.
    found: Vec<(Arc<Node>, i64)>,
    schema: SchemaRef,
    encoded: EncodedKeys,
    slots: Vec<u32>,
}

impl MatchRecognize {
    /// Builds the operator.
    pub fn new(
        spec: &MatchSpec,
        input: &Schema,
        output: &Schema,
        context: EvalContext,
        max_parallelism: u32,
    ) -> Result<Self> {
        let Some(time) = spec.order_by.first().map(|k| k.column) else {
            return Err(Error::internal("MATCH_RECOGNIZE without its time attribute"));
        };
        let measures =
            spec.measures.iter().map(|m| MatchProgram::new(m, input)).collect::<Result<_>>()?;
        let key_types = types(input);
        Ok(Self {
            time,
            rules: Rules::new(&spec.pattern, spec.skip, spec.within),
            conditions: Conditions::new(&spec.pattern, input, context)?,
            measures,
            key_types: spec.partition.iter().map(|&p| key_types[p].clone()).collect(),
            context,
            table: KeyedTable::new(spilling_spec("match", 0, max_parallelism), Vec::new()),
            clock: EventTime::default(),
            found: Vec::new(),
            schema: output.to_arrow(),
            encoded: EncodedKeys::default(),
            slots: Vec::new(),
            spec: spec.clone(),
        })
    }

    /// The rows of a batch as events; `time` gives their times.
    fn events(
        &self,
        batch: &ChangeBatch,
        time: impl Fn(usize) -> Result<i64>,
    ) -> Result<Vec<Event>> {
        let known = self.conditions.row_wise(&batch.rows);
        let further = &self.spec.order_by[1..];
        let sorts = match further.is_empty() {
            true => None,
            false => Some(sort_rows(batch, further)?),
        };
        (0..batch.len())
            .map(|i| {
                Ok(Event {
                    ts: time(i)?,
                    sort: sorts.as_ref().map_or(Box::default(), |s| s.row(i).data().into()),
                    values: batch.rows.columns().iter().map(|c| Value::from_array(c, i)).collect(),
                    tested: known[i].0,
                    passed: known[i].1,
                })
            })
            .collect()
    }

    /// Moves a key to a time: runs that took too long end.
    fn advance(&mut self, slot: u32, now: i64) -> Result<()> {
        let matcher = &mut self.table.store[slot as usize].matcher;
        let due = matcher.advance_time(&self.rules, now)?;
        self.found.extend(due.into_iter().map(|m| (m, now)));
        Ok(())
    }

    fn process(&mut self, slot: u32, event: &Arc<Event>) -> Result<()> {
        let matcher = &mut self.table.store[slot as usize].matcher;
        let due = matcher.process(&self.rules, event, &mut self.conditions)?;
        self.found.extend(due.into_iter().map(|m| (m, event.ts)));
        Ok(())
    }

    /// Matches the waiting rows of a key that the watermark has passed.
    fn run_key(&mut self, slot: u32) -> Result<()> {
        self.table.touch(slot);
        let pending = &mut self.table.store[slot as usize].pending;
        let n = pending.partition_point(|e| e.ts <= self.clock.watermark);
        let rows: Vec<Arc<Event>> = pending.drain(..n).collect();
        let mut now = None;
        for event in &rows {
            if now != Some(event.ts) {
                self.advance(slot, event.ts)?;
                now = Some(event.ts);
            }
            self.process(slot, event)?;
            let ends = self.rules.within.map(|w| event.ts.saturating_add(w));
            if let Some(end) = ends.filter(|&e| e > self.clock.watermark) {
                self.table.set_timer(end, slot);
            }
        }
        self.advance(slot, self.clock.watermark)?;
        let state = &self.table.store[slot as usize];
        if state.pending.is_empty() && state.matcher.is_idle() {
            self.table.remove(slot);
        }
        Ok(())
    }

    /// Matches what the watermark has passed, up to about one batch of matches.
    fn release(&mut self, out: &mut Out) -> Result<bool> {
        self.table.make_room()?;
        let mut more = true;
        for _ in 0..TARGET_ROWS {
            if self.found.len() >= TARGET_ROWS {
                break;
            }
            let Some((_, slot)) = self.table.due(self.clock.watermark)? else {
                more = false;
                break;
            };
            self.run_key(slot)?;
        }
        self.emit(out)?;
        Ok(more)
    }

    fn emit(&mut self, out: &mut Out) -> Result<()> {
        let found = std::mem::take(&mut self.found);
        for part in found.chunks(TARGET_ROWS) {
            let columns = self.columns(part)?;
            out.data(batch_of(&self.schema, columns, vec![PLUS_I; part.len()])?);
        }
        Ok(())
    }

    fn columns(&mut self, found: &[(Arc<Node>, i64)]) -> Result<Vec<ArrayRef>> {
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        for (&key, ty) in self.spec.partition.iter().zip(&self.key_types) {
            let values: Vec<Value> =
                found.iter().map(|(m, _)| m.event.values[key].clone()).collect();
            columns.push(values_to_array(&values, ty)?);
        }
        let views: Vec<View<'_>> = found
            .iter()
            .map(|(m, rowtime)| View { tail: Some(m), current: None, rowtime: *rowtime })
            .collect();
        for m in &mut self.measures {
            columns.push(m.eval(&views, &self.context)?);
        }
        Ok(columns)
    }
}

impl Operator for MatchRecognize {
    fn push(&mut self, _: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        self.encoded.encode_into(&columns(&batch, &self.spec.partition), batch.len())?;
        let mut slots = std::mem::take(&mut self.slots);
        self.table.hydrate(&self.encoded, 0, &mut slots)?;
        if self.spec.event_time {
            let times = Times::of(batch.column(self.time))?;
            let events = self.events(&batch, |i| times.need(i))?;
            let mut late = 0;
            for (&slot, event) in slots.iter().zip(events) {
                if event.ts <= self.clock.watermark {
                    late += 1;
                    continue;
                }
                self.table.set_timer(event.ts, slot);
                self.table.store[slot as usize].insert(event);
            }
            out.count_late(late);
        } else {
            let now = now_ms();
            let mut rows: Vec<(u32, Event)> =
                slots.iter().copied().zip(self.events(&batch, |_| Ok(now))?).collect();
            rows.sort_by(|a, b| a.1.sort.cmp(&b.1.sort));
            for (slot, event) in rows {
                self.advance(slot, now)?;
                self.process(slot, &Arc::new(event))?;
            }
            self.emit(out)?;
        }
        self.slots = slots;
        Ok(Step::Done)
    }

    fn more(&mut self, out: &mut Out) -> Result<Step> {
        if self.release(out)? {
            return Ok(Step::More);
        }
        self.clock.pass_on(out);
        Ok(Step::Done)
    }

    fn watermark(&mut self, mark: Mark, out: &mut Out) -> Result<Step> {
        self.clock.hear(mark);
        self.more(out)
    }

    fn barrier(&mut self, barrier: &Barrier, seal: &mut Seal) -> Result<()> {
        self.clock.seal(seal);
        seal_table(&mut self.table, barrier, seal)
    }

    fn restore(&mut self, seal: &Seal, context: &TaskContext) -> Result<()> {
        self.clock.restore(seal);
        let within = self.rules.within;
        restore_table_with(&mut self.table, seal, context, |keys, slot, _, set| {
            let state = &keys[slot];
            state.pending.iter().for_each(|e| set(e.ts));
            if let Some(within) = within {
                let starts = state.matcher.partial.runs().iter().filter_map(|r| r.start);
                starts.for_each(|(ts, _)| set(ts.saturating_add(within)));
            }
            Ok(())
        })
    }

    fn wants_full_batches(&self) -> bool {
        true
    }
}
