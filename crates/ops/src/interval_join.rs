//! Interval join of two insert-only inputs: rows of equal keys whose times differ
//! by `lower ..= upper`.
//!
//! A row is matched with the other side's kept rows when it comes, then kept as
//! long as rows that match it may come; rows of an outer side that go unmatched
//! leave padded with NULLs. The watermark is held back so that those are not late.

use arrow::array::Array;
use weir_core::batch::TARGET_ROWS;
use weir_core::keys::EncodedKeys;
use weir_core::{ChangeBatch, Result, Schema};
use weir_functions::EvalContext;
use weir_runtime::{Barrier, Mark, Operator, Out, Seal, Step, TaskContext, now_ms};
use weir_spec::{JoinKind, JoinSpec};
use weir_state::bytes::{put_bytes, put_i64, put_varint};
use weir_state::{KeyedTable, Reader, StateValue};

use crate::listed::{Held, Listed};
use crate::pairs::Pairs;
use crate::util::*;

#[derive(Debug)]
struct Row {
    ts: i64,
    bytes: Box<[u8]>,
    matched: bool,
}

/// Rows of both sides of one key, by time.
#[derive(Debug, Default)]
pub(crate) struct Both([Vec<Row>; 2]);

impl StateValue for Both {
    fn write(&self, out: &mut Vec<u8>) {
        for side in &self.0 {
            put_varint(out, side.len() as u64);
            for r in side {
                put_i64(out, r.ts);
                out.push(u8::from(r.matched));
                put_bytes(out, &r.bytes);
            }
        }
    }
    fn read(input: &mut Reader<'_>) -> Result<Self> {
        let mut both = Both::default();
        for side in &mut both.0 {
            for _ in 0..input.varint()? {
                let (ts, matched) = (input.i64()?, input.u8()? != 0);
                side.push(Row { ts, matched, bytes: input.bytes()?.into() });
            }
        }
        Ok(both)
    }
}

impl Listed for Both {
    fn list(&self, each: &mut dyn FnMut(Held<'_>)) {
        for (input, side) in self.0.iter().enumerate() {
            side.iter().for_each(|r| each(Held::row(input, &r.bytes)));
        }
    }
}

/// When rows match, and until when they are kept.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// Bounds of left time - right time.
    lower: i64,
    upper: i64,
    outer: [bool; 2],
}

impl Bounds {
    /// Times of the other side that match a row at `ts`.
    fn range(&self, side: usize, ts: i64) -> (i64, i64) {
        match side {
            0 => (ts.saturating_sub(self.upper), ts.saturating_sub(self.lower)),
            _ => (ts.saturating_add(self.lower), ts.saturating_add(self.upper)),
        }
    }

    /// Rows expire in steps, except where their expiry is visible.
    fn expiry(&self, side: usize, ts: i64) -> i64 {
        let last = self.range(side, ts).1;
        if self.outer[side] {
            return last;
        }
        let step = ((self.upper - self.lower) / 8).max(1);
        last.saturating_add(step - last.rem_euclid(step))
    }
}

/// See the module.
pub struct IntervalJoin {
    keys: [Vec<usize>; 2],
    null_safe: Vec<bool>,
    times: [usize; 2],
    bounds: Bounds,
    event_time: bool,
    pairs: Pairs,
    table: KeyedTable<Vec<Both>>,
    clock: i64,
    held_mark: Option<Mark>,
}

impl IntervalJoin {
    /// Builds the operator.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        spec: &JoinSpec,
        times: [usize; 2],
        bounds: (i64, i64),
        event_time: bool,
        inputs: [&Schema; 2],
        output: &Schema,
        context: EvalContext,
        max_parallelism: u32,
    ) -> Result<Self> {
        let full = spec.kind == JoinKind::Full;
        let outer = [full || spec.kind == JoinKind::Left, full || spec.kind == JoinKind::Right];
        Ok(Self {
            keys: [spec.left_keys.clone(), spec.right_keys.clone()],
            null_safe: spec.null_safe.clone(),
            times,
            bounds: Bounds { lower: bounds.0, upper: bounds.1, outer },
            event_time,
            pairs: Pairs::new(inputs, output, spec.condition.as_ref(), context)?,
            table: KeyedTable::new(spilling_spec("rows", 0, max_parallelism), Vec::new()),
            clock: i64::MIN,
            held_mark: None,
        })
    }

    /// Drops rows that match nothing any more; whether there may be more of them.
    fn expire(&mut self, out: &mut Out) -> Result<bool> {
        self.table.make_room()?;
        let (bounds, clock) = (self.bounds, self.clock);
        let mut result = self.pairs.output();
        let mut more = true;
        for _ in 0..TARGET_ROWS {
            if result.len() >= TARGET_ROWS {
                break;
            }
            let Some((_, slot)) = self.table.due(clock.saturating_sub(1))? else {
                more = false;
                break;
            };
            self.table.touch(slot);
            let both = &mut self.table.store[slot as usize];
            for (side, rows) in both.0.iter_mut().enumerate() {
                let over = rows.partition_point(|r| bounds.range(side, r.ts).1 < clock);
                for r in rows.drain(..over).filter(|r| bounds.outer[side] && !r.matched) {
                    let row = Some(&*r.bytes);
                    let (left, right) = if side == 0 { (row, None) } else { (None, row) };
                    result.push(left, right, PLUS_I)?;
                }
            }
            if both.0.iter().all(Vec::is_empty) {
                self.table.remove(slot);
            }
        }
        result.emit(out)?;
        Ok(more)
    }
}

impl Operator for IntervalJoin {
    fn push(&mut self, side: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        let key_columns = columns(&batch, &self.keys[side]);
        let keys = EncodedKeys::encode(&key_columns, batch.len())?;
        let mut slots = Vec::new();
        self.table.hydrate(&keys, 0, &mut slots)?;
        let rows = self.pairs.codecs[side].encode(batch.rows.columns(), batch.len());
        let times =
            if self.event_time { Some(Times::of(batch.column(self.times[side]))?) } else { None };
        let now = now_ms();
        let null_key = |i: usize| {
            key_columns.iter().zip(&self.null_safe).any(|(c, safe)| !safe && c.is_null(i))
        };
        // The other side does not change during the batch: all candidates are judged at once.
        let mut stamps = Vec::with_capacity(batch.len());
        let mut pairs: Vec<(&[u8], &[u8])> = Vec::new();
        let mut origins: Vec<(usize, usize)> = Vec::new();
        for (i, &slot) in slots.iter().enumerate() {
            let ts = times.as_ref().map_or(Ok(now), |t| t.need(i))?;
            stamps.push(ts);
            if null_key(i) {
                continue;
            }
            let (from, to) = self.bounds.range(side, ts);
            let other = &self.table.store[slot as usize].0[1 - side];
            let first = other.partition_point(|r| r.ts < from);
            for (p, r) in other[first..].iter().enumerate().take_while(|(_, r)| r.ts <= to) {
                let own = rows.row(i);
                pairs.push(if side == 0 { (own, &r.bytes) } else { (&r.bytes, own) });
                origins.push((i, first + p));
            }
        }
        let passing = self.pairs.passing(&pairs)?;
        let mut matched = vec![false; batch.len()];
        let mut result = self.pairs.output();
        let mut hits = Vec::new();
        for ((pair, origin), pass) in pairs.iter().zip(origins).zip(passing) {
            if pass {
                matched[origin.0] = true;
                hits.push((slots[origin.0], origin.1));
                result.push(Some(pair.0), Some(pair.1), PLUS_I)?;
                if result.len() >= TARGET_ROWS {
                    std::mem::replace(&mut result, self.pairs.output()).emit(out)?;
                }
            }
        }
        for (slot, p) in hits {
            self.table.store[slot as usize].0[1 - side][p].matched = true;
        }
        for (i, &slot) in slots.iter().enumerate() {
            let ts = stamps[i];
            let expired = self.bounds.range(side, ts).1 < self.clock;
            if (expired || null_key(i)) && self.bounds.outer[side] && !matched[i] {
                let row = Some(rows.row(i));
                let (left, right) = if side == 0 { (row, None) } else { (None, row) };
                result.push(left, right, PLUS_I)?;
            }
            if expired || null_key(i) {
                continue;
            }
            let list = &mut self.table.store[slot as usize].0[side];
            let at = list.partition_point(|r| r.ts <= ts);
            list.insert(at, Row { ts, bytes: rows.row(i).into(), matched: matched[i] });
            self.table.set_timer(self.bounds.expiry(side, ts), slot);
        }
        result.emit(out)?;
        for &slot in &slots {
            if self.table.is_live(slot)
                && self.table.store[slot as usize].0.iter().all(Vec::is_empty)
            {
                self.table.remove(slot);
            }
        }
        Ok(Step::Done)
    }

    fn more(&mut self, out: &mut Out) -> Result<Step> {
        if self.expire(out)? {
            return Ok(Step::More);
        }
        match self.held_mark.take() {
            Some(Mark::Ts(ts)) if ts != i64::MAX && self.event_time => {
                let delay = (-self.bounds.lower).max(self.bounds.upper).max(0);
                out.mark(Mark::Ts(ts.saturating_sub(delay)));
            }
            Some(mark) => out.mark(mark),
            None => {}
        }
        Ok(Step::Done)
    }

    fn watermark(&mut self, mark: Mark, out: &mut Out) -> Result<Step> {
        if let (Mark::Ts(ts), true) = (mark, self.event_time || mark == Mark::Ts(i64::MAX)) {
            self.clock = self.clock.max(ts);
        }
        self.held_mark = Some(mark);
        self.more(out)
    }

    fn next_timer(&self) -> Option<i64> {
        self.table.first_timer().filter(|_| !self.event_time).map(|at| at.saturating_add(1))
    }

    fn on_timer(&mut self, now: i64, out: &mut Out) -> Result<Step> {
        self.clock = self.clock.max(now);
        self.more(out)
    }

    fn barrier(&mut self, barrier: &Barrier, seal: &mut Seal) -> Result<()> {
        seal_times(&[self.clock], seal);
        seal_table(&mut self.table, barrier, seal)
    }

    fn restore(&mut self, seal: &Seal, context: &TaskContext) -> Result<()> {
        restore_times([&mut self.clock], seal);
        let bounds = self.bounds;
        restore_table_with(&mut self.table, seal, context, |keys, slot, _, set| {
            for (side, rows) in keys[slot].0.iter().enumerate() {
                rows.iter().for_each(|r| set(bounds.expiry(side, r.ts)));
            }
            Ok(())
        })
    }

    fn wants_full_batches(&self) -> bool {
        true
    }
}
