//! SESSION windows: as GROUP BY window and as a window table function.
//!
//! Every key has a short list of open sessions; a row opens one of length `gap`
//! and merges all that it touches. A session is emitted when the watermark
//! reaches its end. A row is late when the session it would be in is over.

use std::collections::BTreeMap;

use arrow::array::UInt32Array;
use arrow::datatypes::SchemaRef;
use weir_core::batch::TARGET_ROWS;
use weir_core::keys::EncodedKeys;
use weir_core::{ChangeBatch, Error, Result, Schema};
use weir_runtime::{Barrier, Mark, Operator, Out, Seal, Step, TaskContext, now_ms};
use weir_spec::{AggregateCall, WindowKind, WindowSpec};
use weir_state::bytes::{put_bytes, put_i64, put_varint};
use weir_state::{KeyedTable, Reader, RowCodec, SlotStore};

use crate::agg::{AggSet, MINUS};
use crate::util::*;
use crate::window::Zone;
use crate::window_aggregate::window_columns;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Session {
    start: i64,
    end: i64,
    /// Where its rows or accumulators are.
    slot: u32,
}

/// What sessions collect.
enum Content {
    Aggregates { aggs: AggSet, counts: Vec<i64> },
    Rows(Vec<Vec<Box<[u8]>>>),
}

struct Store {
    sessions: Vec<Vec<Session>>,
    keys: Vec<Option<Box<[u8]>>>,
    content: Content,
    used: usize,
    free: Vec<u32>,
}

impl Store {
    fn allocate(&mut self) -> u32 {
        if let Some(slot) = self.free.pop() {
            return slot;
        }
        self.used += 1;
        match &mut self.content {
            Content::Aggregates { aggs, counts } => {
                let room = self.used.next_power_of_two();
                aggs.resize(room);
                counts.resize(room, 0);
            }
            Content::Rows(rows) => rows.resize_with(self.used, Vec::new),
        }
        (self.used - 1) as u32
    }

    fn release(&mut self, slot: u32) {
        match &mut self.content {
            Content::Aggregates { aggs, counts } => {
                aggs.clear(slot as usize);
                counts[slot as usize] = 0;
            }
            Content::Rows(rows) => rows[slot as usize].clear(),
        }
        self.free.push(slot);
    }

    /// Rows that a session gives when it goes out.
    fn rows(&self, slot: u32) -> usize {
        match &self.content {
            Content::Aggregates { .. } => 1,
            Content::Rows(rows) => rows[slot as usize].len(),
        }
    }

    fn write_content(&self, slot: u32, out: &mut Vec<u8>) {
        match &self.content {
            Content::Aggregates { aggs, counts } => {
                put_i64(out, counts[slot as usize]);
                aggs.write(slot as usize, out);
            }
            Content::Rows(rows) => {
                put_varint(out, rows[slot as usize].len() as u64);
                rows[slot as usize].iter().for_each(|r| put_bytes(out, r));
            }
        }
    }

    fn merge_content(&mut self, slot: u32, input: &mut Reader<'_>) -> Result<()> {
        match &mut self.content {
            Content::Aggregates { aggs, counts } => {
                counts[slot as usize] += input.i64()?;
                aggs.merge(slot as usize, input)
            }
            Content::Rows(rows) => {
                for _ in 0..input.varint()? {
                    rows[slot as usize].push(input.bytes()?.into());
                }
                Ok(())
            }
        }
    }
}

impl SlotStore for Store {
    fn resize(&mut self, slots: usize) {
        self.sessions.resize(slots.max(self.sessions.len()), Vec::new());
        self.keys.resize(slots.max(self.keys.len()), None);
    }
    fn clear(&mut self, slot: usize) {
        for s in std::mem::take(&mut self.sessions[slot]) {
            self.release(s.slot);
        }
        self.keys[slot] = None;
    }
    fn write(&self, slot: usize, out: &mut Vec<u8>) {
        put_bytes(out, self.keys[slot].as_deref().unwrap_or_default());
        put_varint(out, self.sessions[slot].len() as u64);
        for s in &self.sessions[slot] {
            put_i64(out, s.start);
            put_i64(out, s.end);
            self.write_content(s.slot, out);
        }
    }
    fn read(&mut self, slot: usize, input: &mut Reader<'_>) -> Result<()> {
        self.keys[slot] = Some(input.bytes()?.into());
        for _ in 0..input.varint()? {
            let (start, end) = (input.i64()?, input.i64()?);
            let content = self.allocate();
            self.merge_content(content, input)?;
            self.sessions[slot].push(Session { start, end, slot: content });
        }
        Ok(())
    }
}

/// See the module.
pub struct SessionWindows {
    spec: WindowSpec,
    gap: i64,
    zone: Zone,
    keys: Vec<usize>,
    key_codec: RowCodec,
    row_codec: RowCodec,
    table: KeyedTable<Store>,
    watermark: i64,
    held_mark: Option<Mark>,
    schema: SchemaRef,
    encoded: EncodedKeys,
}

impl SessionWindows {
    /// GROUP BY SESSION and keys.
    pub fn aggregate(
        spec: &WindowSpec,
        keys: &[usize],
        calls: &[AggregateCall],
        zone: &str,
        schemas: (&Schema, &Schema),
        retracts: bool,
        max_parallelism: u32,
    ) -> Result<Self> {
        let aggs = AggSet::new(calls, &types(schemas.0), retracts)?;
        let content = Content::Aggregates { aggs, counts: Vec::new() };
        Self::new(spec, keys, content, zone, schemas, max_parallelism)
    }

    /// The SESSION table function: rows with their session's columns.
    pub fn table_function(
        spec: &WindowSpec,
        zone: &str,
        schemas: (&Schema, &Schema),
        max_parallelism: u32,
    ) -> Result<Self> {
        let WindowKind::Session { partition, .. } = &spec.kind else {
            return Err(Error::internal("not a SESSION window"));
        };
        Self::new(
            spec,
            &partition.clone(),
            Content::Rows(Vec::new()),
            zone,
            schemas,
            max_parallelism,
        )
    }

    fn new(
        spec: &WindowSpec,
        keys: &[usize],
        content: Content,
        zone: &str,
        (input, output): (&Schema, &Schema),
        max_parallelism: u32,
    ) -> Result<Self> {
        let WindowKind::Session { gap, .. } = spec.kind else {
            return Err(Error::internal("not a SESSION window"));
        };
        let store =
            Store { sessions: Vec::new(), keys: Vec::new(), content, used: 0, free: Vec::new() };
        Ok(Self {
            spec: spec.clone(),
            gap,
            zone: Zone::of(&spec.time_type, zone)?,
            keys: keys.to_vec(),
            key_codec: RowCodec::new(&input.project(keys)),
            row_codec: RowCodec::new(input),
            table: KeyedTable::new(spilling_spec("sessions", 0, max_parallelism), store),
            watermark: i64::MIN,
            held_mark: None,
            schema: output.to_arrow(),
            encoded: EncodedKeys::default(),
        })
    }

    fn fired(&self, end: i64) -> bool {
        self.zone.to_epoch(end - 1) <= self.watermark
    }

    /// Content slot for a row at `ts` of a key, None if the row is late. `before_merge` is
    /// called before contents move.
    fn place(
        &mut self,
        key: u32,
        ts: i64,
        before_merge: &mut dyn FnMut(&mut Store) -> Result<()>,
    ) -> Result<Option<u32>> {
        let mut merged = Session { start: ts, end: ts + self.gap, slot: u32::MAX };
        let store = &mut self.table.store;
        let touches = |s: &Session, m: &Session| s.start <= m.end && m.start <= s.end;
        let list = &store.sessions[key as usize];
        let hit: Vec<Session> = list.iter().filter(|s| touches(s, &merged)).copied().collect();
        for s in &hit {
            merged.start = merged.start.min(s.start);
            merged.end = merged.end.max(s.end);
        }
        if let [only] = hit.as_slice()
            && (only.start, only.end) == (merged.start, merged.end)
        {
            return Ok(Some(only.slot));
        }
        if self.zone.to_epoch(merged.end - 1) <= self.watermark {
            return Ok(None);
        }
        merged.slot = match hit.first() {
            Some(first) => first.slot,
            None => store.allocate(),
        };
        if hit.len() > 1 {
            before_merge(store)?;
            for other in &hit[1..] {
                let mut bytes = Vec::new();
                store.write_content(other.slot, &mut bytes);
                store.merge_content(merged.slot, &mut Reader::new(&bytes))?;
                store.release(other.slot);
            }
        }
        let list = &mut store.sessions[key as usize];
        list.retain(|s| !hit.contains(s));
        list.push(merged);
        for s in hit.iter().filter(|s| s.end != merged.end) {
            self.table.unset_timer(self.zone.to_epoch(s.end - 1), key);
        }
        self.table.set_timer(self.zone.to_epoch(merged.end - 1), key);
        Ok(Some(merged.slot))
    }

    fn fold(
        store: &mut Store,
        codec: &RowCodec,
        batch: &ChangeBatch,
        rows: &[u32],
        slots: &[u32],
    ) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let part = if rows.len() == batch.len() {
            batch.clone()
        } else {
            batch.take(&UInt32Array::from(rows.to_vec()))?
        };
        match &mut store.content {
            Content::Aggregates { aggs, counts } => {
                let ops: Option<Vec<u8>> = part
                    .kind_bytes()
                    .map(|k| k.iter().map(|&k| if is_minus(k) { MINUS } else { 0 }).collect());
                for (i, &s) in slots.iter().enumerate() {
                    let minus = ops.as_ref().is_some_and(|o| o[i] == MINUS);
                    counts[s as usize] += if minus { -1 } else { 1 };
                }
                aggs.update(&part, slots, ops.as_deref())
            }
            Content::Rows(lists) => {
                let encoded = codec.encode(part.rows.columns(), part.len());
                for (i, &s) in slots.iter().enumerate() {
                    let list = &mut lists[s as usize];
                    if part.kind(i).is_plus() {
                        list.push(encoded.row(i).into());
                    } else if let Some(at) = list.iter().position(|r| **r == *encoded.row(i)) {
                        list.remove(at);
                    }
                }
                Ok(())
            }
        }
    }

    /// Emits sessions that are over, up to about one batch; true if there may be more.
    fn fire(&mut self, out: &mut Out) -> Result<bool> {
        self.table.make_room()?;
        // All sessions of the same bounds go out together.
        let mut due: BTreeMap<(i64, i64), Vec<u32>> = BTreeMap::new();
        let mut more = true;
        let mut work = 0;
        while work < TARGET_ROWS {
            let Some((_, key)) = self.table.due(self.watermark)? else {
                more = false;
                break;
            };
            work += 1;
            let store = &self.table.store;
            for s in store.sessions[key as usize].iter().filter(|s| self.fired(s.end)) {
                due.entry((s.end, s.start)).or_default().push(key);
                work += store.rows(s.slot);
            }
        }
        for ((end, start), mut keys) in due {
            // A key may have had more than one timer.
            keys.sort_unstable();
            keys.dedup();
            self.emit(start, end, &keys, out)?;
        }
        Ok(more)
    }

    fn emit(&mut self, start: i64, end: i64, keys: &[u32], out: &mut Out) -> Result<()> {
        keys.iter().for_each(|&k| self.table.touch(k));
        let store = &mut self.table.store;
        let mut sessions = Vec::new();
        for &k in keys {
            let list = &mut store.sessions[k as usize];
            if let Some(at) = list.iter().position(|s| s.start == start && s.end == end) {
                sessions.push((k, list.swap_remove(at)));
            }
        }
        let mut result;
        let rows;
        match &store.content {
            Content::Aggregates { aggs, counts } => {
                let live: Vec<_> =
                    sessions.iter().filter(|s| counts[s.1.slot as usize] > 0).collect();
                let slots: Vec<u32> = live.iter().map(|s| s.1.slot).collect();
                let keys =
                    live.iter().map(|s| store.keys[s.0 as usize].as_deref().unwrap_or_default());
                result = self.key_codec.decode(keys)?;
                result.extend(aggs.finish(&slots)?);
                rows = slots.len();
            }
            Content::Rows(lists) => {
                let all =
                    sessions.iter().flat_map(|s| lists[s.1.slot as usize].iter().map(|r| &**r));
                let all: Vec<&[u8]> = all.collect();
                rows = all.len();
                result = self.row_codec.decode(all)?;
            }
        }
        result.extend(window_columns(start, end, self.zone, &self.spec.time_type, rows));
        out.data(batch_of(&self.schema, result, vec![PLUS_I; rows])?);
        for (_, s) in &sessions {
            store.release(s.slot);
        }
        for (key, _) in sessions {
            if self.table.store.sessions[key as usize].is_empty() {
                self.table.remove(key);
            } else {
                self.table.touch(key);
            }
        }
        Ok(())
    }
}

impl Operator for SessionWindows {
    fn push(&mut self, _: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        let key_columns = columns(&batch, &self.keys);
        self.encoded.encode_into(&key_columns, batch.len())?;
        let mut key_slots = Vec::new();
        self.table.hydrate(&self.encoded, 0, &mut key_slots)?;
        let key_rows = self.key_codec.encode(&key_columns, batch.len());
        let times = if self.spec.event_time {
            Some(Times::of(batch.column(self.spec.time_column))?)
        } else {
            None
        };
        let now = now_ms();
        let (mut rows, mut slots) = (Vec::new(), Vec::new());
        let mut late = 0;
        let codec = self.row_codec.clone();
        for (i, &key) in key_slots.iter().enumerate() {
            let ts = times.as_ref().map_or(Ok(now), |t| t.need(i))?;
            let ts = self.zone.to_local(ts);
            if self.table.store.keys[key as usize].is_none() {
                self.table.store.keys[key as usize] = Some(key_rows.row(i).into());
            }
            let mut fold = |store: &mut Store| {
                Self::fold(store, &codec, &batch, &rows, &slots)?;
                rows.clear();
                slots.clear();
                Ok(())
            };
            match self.place(key, ts, &mut fold)? {
                Some(slot) => {
                    rows.push(i as u32);
                    slots.push(slot);
                }
                None => late += 1,
            }
        }
        out.count_late(late);
        Self::fold(&mut self.table.store, &codec, &batch, &rows, &slots)?;
        Ok(Step::Done)
    }

    fn more(&mut self, out: &mut Out) -> Result<Step> {
        if self.fire(out)? {
            return Ok(Step::More);
        }
        if let Some(mark) = self.held_mark.take() {
            out.mark(mark);
        }
        Ok(Step::Done)
    }

    fn watermark(&mut self, mark: Mark, out: &mut Out) -> Result<Step> {
        let Mark::Ts(ts) = mark else {
            out.mark(mark);
            return Ok(Step::Done);
        };
        if self.spec.event_time {
            self.watermark = self.watermark.max(ts);
        }
        self.held_mark = Some(mark);
        self.more(out)
    }

    fn next_timer(&self) -> Option<i64> {
        // The clock has to be behind the last millisecond of the session.
        self.table.first_timer().filter(|_| !self.spec.event_time).map(|at| at + 1)
    }

    fn on_timer(&mut self, now: i64, out: &mut Out) -> Result<Step> {
        self.watermark = self.watermark.max(now - 1);
        self.more(out)
    }

    fn barrier(&mut self, barrier: &Barrier, seal: &mut Seal) -> Result<()> {
        seal_times(&[self.watermark], seal);
        seal_table(&mut self.table, barrier, seal)
    }

    fn restore(&mut self, seal: &Seal, context: &TaskContext) -> Result<()> {
        restore_times([&mut self.watermark], seal);
        let zone = self.zone;
        restore_table_with(&mut self.table, seal, context, |store, slot, _, set| {
            store.sessions[slot].iter().for_each(|s| set(zone.to_epoch(s.end - 1)));
            Ok(())
        })
    }
}
