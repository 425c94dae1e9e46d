//! OVER aggregation ordered by a time attribute.
//!
//! Rows wait per key until the watermark passes their time (processing time:
//! not at all). Released rows are folded in rounds: the k-th released row (RANGE:
//! group of peers) of every key together, so that a batch of many keys is folded
//! by column; rows that leave a bounded frame are taken away in the same round.
//!
//! Late rows, as in Flink: behind the last released time of their key for
//! bounded frames, behind the watermark for unbounded ones.

use std::collections::VecDeque;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute;
use arrow::datatypes::SchemaRef;
use weir_core::batch::TARGET_ROWS;
use weir_core::keys::EncodedKeys;
use weir_core::types::TimeAttribute;
use weir_core::{ChangeBatch, Error, Result, Schema};
use weir_runtime::{Barrier, Mark, Operator, Out, Seal, Step, TaskContext, now_ms};
use weir_spec::{OverFrame, OverSpec};
use weir_state::bytes::{put_bytes, put_i64, put_varint};
use weir_state::{KeyedTable, Reader, RowCodec, SlotStore};

use crate::agg::{AggSet, MINUS};
use crate::event_time::EventTime;
use crate::util::*;

type Timed = (i64, Box<[u8]>);

#[derive(Debug, Default)]
struct Key {
    /// Rows not released yet, by time, then arrival.
    pending: Vec<Timed>,
    /// Rows of a bounded frame.
    frame: VecDeque<Timed>,
    /// Time released last.
    last: Option<i64>,
    /// When a RANGE frame with a start forgets the key.
    cleanup: Option<i64>,
    /// When it would have done so, had later rows not put that off; times still to come.
    put_off: Vec<i64>,
}

struct Store {
    keys: Vec<Key>,
    aggs: AggSet,
}

fn write_rows<'a>(rows: impl ExactSizeIterator<Item = &'a Timed>, out: &mut Vec<u8>) {
    put_varint(out, rows.len() as u64);
    for (ts, row) in rows {
        put_i64(out, *ts);
        put_bytes(out, row);
    }
}

fn read_rows(input: &mut Reader<'_>) -> Result<Vec<Timed>> {
    let n = input.varint()?;
    (0..n).map(|_| Ok((input.i64()?, input.bytes()?.into()))).collect()
}

impl SlotStore for Store {
    fn resize(&mut self, slots: usize) {
        self.keys.resize_with(slots.max(self.keys.len()), Key::default);
        self.aggs.resize(slots);
    }
    fn clear(&mut self, slot: usize) {
        self.keys[slot] = Key::default();
        self.aggs.clear(slot);
    }
    fn write(&self, slot: usize, out: &mut Vec<u8>) {
        let k = &self.keys[slot];
        write_rows(k.pending.iter(), out);
        write_rows(k.frame.iter(), out);
        put_i64(out, k.last.unwrap_or(i64::MIN));
        put_i64(out, k.cleanup.unwrap_or(i64::MIN));
        self.aggs.write(slot, out);
        put_varint(out, k.put_off.len() as u64);
        k.put_off.iter().for_each(|&t| put_i64(out, t));
    }
    fn read(&mut self, slot: usize, input: &mut Reader<'_>) -> Result<()> {
        let k = &mut self.keys[slot];
        k.pending = read_rows(input)?;
        k.frame = read_rows(input)?.into();
        k.last = Some(input.i64()?).filter(|&t| t != i64::MIN);
        k.cleanup = Some(input.i64()?).filter(|&t| t != i64::MIN);
        self.aggs.read(slot, input)?;
        // Earlier checkpoints end here.
        let put_off = if input.is_empty() { 0 } else { input.varint()? };
        self.keys[slot].put_off = (0..put_off).map(|_| input.i64()).collect::<Result<_>>()?;
        Ok(())
    }
}

/// One step of a key: rows that leave, rows that come and are emitted.
struct Item {
    slot: u32,
    minus: Vec<u32>,
    plus: Vec<u32>,
}

/// What a release works on.
#[derive(Default)]
struct Plan {
    rows: Vec<Box<[u8]>>,
    rounds: Vec<Vec<Item>>,
    /// Emitted rows in time order: (row, round, item).
    emitted: Vec<(u32, u32, u32)>,
    /// Rounds used per slot.
    used: hashbrown::HashMap<u32, usize>,
}

impl Plan {
    fn row(&mut self, row: Box<[u8]>) -> u32 {
        self.rows.push(row);
        (self.rows.len() - 1) as u32
    }

    fn add(&mut self, slot: u32, minus: Vec<u32>, plus: Vec<u32>) {
        let used = self.used.entry(slot).or_insert(0);
        let round = *used;
        *used += 1;
        if self.rounds.len() == round {
            self.rounds.push(Vec::new());
        }
        let item = self.rounds[round].len() as u32;
        self.emitted.extend(plus.iter().map(|&p| (p, round as u32, item)));
        self.rounds[round].push(Item { slot, minus, plus });
    }
}

/// See the module.
pub struct Over {
    partition: Vec<usize>,
    time: usize,
    event_time: bool,
    frame: OverFrame,
    table: KeyedTable<Store>,
    clock: EventTime,
    codec: RowCodec,
    input: SchemaRef,
    schema: SchemaRef,
    encoded: EncodedKeys,
    slots: Vec<u32>,
}

impl Over {
    /// Builds the operator.
    pub fn new(
        spec: &OverSpec,
        input: &Schema,
        output: &Schema,
        max_parallelism: u32,
    ) -> Result<Self> {
        let order = spec.order_by.first().map(|k| k.column);
        let field = order.and_then(|c| input.fields.get(c));
        let (Some(time), Some(field)) = (order, field) else {
            return Err(Error::internal("OVER without its time attribute"));
        };
        let bounded = matches!(spec.frame, OverFrame::Rows(Some(_)) | OverFrame::Range(Some(_)));
        let aggs = AggSet::by_sums(&spec.calls, &types(input), bounded)?;
        let store = Store { keys: Vec::new(), aggs };
        Ok(Self {
            partition: spec.partition.clone(),
            time,
            event_time: field.ty.time_attribute() != TimeAttribute::Proctime,
            frame: spec.frame.clone(),
            table: KeyedTable::new(spilling_spec("over", 0, max_parallelism), store),
            clock: EventTime::default(),
            codec: RowCodec::new(input),
            input: input.to_arrow(),
            schema: output.to_arrow(),
            encoded: EncodedKeys::default(),
            slots: Vec::new(),
        })
    }

    fn is_late(&self, slot: u32, ts: i64) -> bool {
        match self.frame {
            OverFrame::Rows(None) | OverFrame::Range(None) => ts <= self.clock.watermark,
            _ => self.table.store.keys[slot as usize].last.is_some_and(|last| ts <= last),
        }
    }

    /// A key is forgotten some time after its last row, as Flink does it: then even rows
    /// behind the watermark begin it anew.
    fn register_cleanup(&mut self, slot: u32, ts: i64) {
        let OverFrame::Range(Some(limit)) = self.frame else { return };
        let key = &mut self.table.store.keys[slot as usize];
        if key.cleanup.is_none_or(|at| at < ts + limit + 1) {
            let at = ts + limit + limit / 2 + 1;
            key.put_off.extend(key.cleanup.replace(at));
            self.table.set_timer(at, slot);
        }
    }

    /// Plans the released rows of one key and time.
    fn plan(&mut self, slot: u32, ts: i64, rows: Vec<Box<[u8]>>, plan: &mut Plan) {
        let key = &mut self.table.store.keys[slot as usize];
        key.last = Some(ts);
        if let OverFrame::Range(limit) = self.frame {
            let mut minus = Vec::new();
            if let Some(limit) = limit {
                while key.frame.front().is_some_and(|r| r.0 < ts - limit) {
                    minus.extend(key.frame.pop_front().map(|r| plan.row(r.1)));
                }
                key.frame.extend(rows.iter().map(|r| (ts, r.clone())));
            }
            let plus = rows.into_iter().map(|r| plan.row(r)).collect();
            plan.add(slot, minus, plus);
            return;
        }
        let OverFrame::Rows(limit) = self.frame else { return };
        for row in rows {
            let mut minus = Vec::new();
            if let Some(limit) = limit {
                while key.frame.len() as u64 > limit {
                    minus.extend(key.frame.pop_front().map(|r| plan.row(r.1)));
                }
                key.frame.push_back((ts, row.clone()));
            }
            let plus = vec![plan.row(row)];
            plan.add(slot, minus, plus);
        }
    }

    fn run(&mut self, plan: Plan, out: &mut Out) -> Result<()> {
        if plan.emitted.is_empty() {
            return Ok(());
        }
        let columns = self.codec.decode(plan.rows.iter().map(|r| &**r))?;
        let all = batch_of(&self.input, columns, vec![PLUS_I; plan.rows.len()])?;
        let mut results: Vec<Vec<ArrayRef>> = Vec::new();
        let mut bases = Vec::with_capacity(plan.rounds.len());
        let mut base = 0u32;
        for round in &plan.rounds {
            let (mut indices, mut slots, mut ops) = (Vec::new(), Vec::new(), Vec::new());
            for item in round {
                for (rows, op) in [(&item.minus, MINUS), (&item.plus, 0)] {
                    indices.extend_from_slice(rows);
                    slots.resize(indices.len(), item.slot);
                    ops.resize(indices.len(), op);
                }
            }
            let rows = all.take(&UInt32Array::from(indices))?;
            let flags = ops.contains(&MINUS).then_some(ops.as_slice());
            self.table.store.aggs.update(&rows, &slots, flags)?;
            let of: Vec<u32> = round.iter().map(|i| i.slot).collect();
            results.push(self.table.store.aggs.finish(&of)?);
            bases.push(base);
            base += round.len() as u32;
        }
        let rows: Vec<u32> = plan.emitted.iter().map(|e| e.0).collect();
        let positions = plan.emitted.iter().map(|e| bases[e.1 as usize] + e.2);
        let positions = UInt32Array::from_iter_values(positions);
        let mut result = take_all(all.rows.columns(), &UInt32Array::from(rows))?;
        for call in 0..results.first().map_or(0, Vec::len) {
            let parts: Vec<_> = results.iter().map(|r| r[call].as_ref()).collect();
            result.push(compute::take(&compute::concat(&parts)?, &positions, None)?);
        }
        let kinds = vec![PLUS_I; plan.emitted.len()];
        out.data(batch_of(&self.schema, result, kinds)?);
        Ok(())
    }

    /// Releases rows up to about one batch; whether there may be more.
    fn release(&mut self, out: &mut Out) -> Result<bool> {
        self.table.make_room()?;
        let mut plan = Plan::default();
        let mut more = true;
        for _ in 0..TARGET_ROWS {
            if plan.emitted.len() >= TARGET_ROWS {
                break;
            }
            let Some((ts, slot)) = self.table.due(self.clock.watermark)? else {
                more = false;
                break;
            };
            let key = &mut self.table.store.keys[slot as usize];
            if key.cleanup.is_some_and(|at| at <= ts) {
                // What was planned of the key still needs its accumulators.
                if plan.used.contains_key(&slot) {
                    self.table.set_timer(ts, slot);
                    break;
                }
                self.table.remove(slot);
                continue;
            }
            let n = key.pending.partition_point(|r| r.0 <= ts);
            let rows: Vec<_> = key.pending.drain(..n).map(|r| r.1).collect();
            self.table.touch(slot);
            if rows.is_empty() {
                // A cleanup that a later row put off moves the border of late rows all the same.
                let key = &mut self.table.store.keys[slot as usize];
                key.put_off.retain(|&t| t > ts);
                key.last = key.last.max(Some(ts));
            } else {
                self.plan(slot, ts, rows, &mut plan);
            }
        }
        self.run(plan, out)?;
        Ok(more)
    }
}

impl Operator for Over {
    fn push(&mut self, _: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        self.encoded.encode_into(&columns(&batch, &self.partition), batch.len())?;
        let mut slots = std::mem::take(&mut self.slots);
        self.table.hydrate(&self.encoded, 0, &mut slots)?;
        let rows = self.codec.encode(batch.rows.columns(), batch.len());
        if self.event_time {
            let times = Times::of(batch.column(self.time))?;
            let mut late = 0;
            for (i, &slot) in slots.iter().enumerate() {
                let ts = times.need(i)?;
                if self.is_late(slot, ts) {
                    late += 1;
                    continue;
                }
                let pending = &mut self.table.store.keys[slot as usize].pending;
                let at = pending.partition_point(|r| r.0 <= ts);
                pending.insert(at, (ts, rows.row(i).into()));
                self.table.set_timer(ts, slot);
                self.register_cleanup(slot, ts);
            }
            out.count_late(late);
        } else {
            let (now, mut plan) = (now_ms(), Plan::default());
            for (i, &slot) in slots.iter().enumerate() {
                self.plan(slot, now, vec![rows.row(i).into()], &mut plan);
            }
            self.run(plan, out)?;
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
        restore_table_with(&mut self.table, seal, context, |store, slot, _, set| {
            let key = &store.keys[slot];
            let cleanups = key.put_off.iter().copied().chain(key.cleanup);
            key.pending.iter().map(|r| r.0).chain(cleanups).for_each(set);
            Ok(())
        })
    }

    fn wants_full_batches(&self) -> bool {
        true
    }
}
