//! GROUP BY window over TUMBLE, HOP, CUMULATE and attached windows, by slices.
//!
//! One group table serves all open slices: its key is (slice end, window start
//! of attached windows, group key), so that a batch is folded in one pass
//! whatever slices its rows belong to. When the watermark passes a window end,
//! the slices of the window are merged (tumbling windows are emitted as they
//! are) and a slice goes with the last window that needs it. Rows whose last
//! window has fired are dropped and counted.
//!
//! Where to look next: [`firing`] for how windows go out.

mod firing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, UInt32Array};
use arrow::datatypes::SchemaRef;
use weir_core::keys::EncodedKeys;
use weir_core::value::timestamp_array;
use weir_core::{ChangeBatch, DataType, Result, Schema};
use weir_runtime::{Barrier, Mark, Operator, Out, Seal, Step, TaskContext, now_ms};
use weir_spec::{AggregateCall, WindowSpec};
use weir_state::bytes::{put_bytes, put_i64};
use weir_state::{KeyedTable, Reader, RowCodec, SlotStore, TableSpec};

use crate::agg::{AggSet, MINUS};
use crate::util::*;
use crate::window::{Aligned, Zone};
use firing::Firing;

/// Bytes of the encoded (slice end, window start) in front of keys.
const PREFIX: usize = 18;

pub(crate) struct Groups {
    pub(crate) counts: Vec<i64>,
    keys: Vec<Option<Box<[u8]>>>,
    pub(crate) aggs: AggSet,
}

impl SlotStore for Groups {
    fn resize(&mut self, slots: usize) {
        self.counts.resize(slots.max(self.counts.len()), 0);
        self.keys.resize(slots.max(self.keys.len()), None);
        self.aggs.resize(slots);
    }
    fn clear(&mut self, slot: usize) {
        self.counts[slot] = 0;
        self.keys[slot] = None;
        self.aggs.clear(slot);
    }
    fn write(&self, slot: usize, out: &mut Vec<u8>) {
        put_i64(out, self.counts[slot]);
        put_bytes(out, self.keys[slot].as_deref().unwrap_or_default());
        self.aggs.write(slot, out);
    }
    fn read(&mut self, slot: usize, input: &mut Reader<'_>) -> Result<()> {
        self.counts[slot] = input.i64()?;
        self.keys[slot] = Some(input.bytes()?.into());
        self.aggs.read(slot, input)
    }
}

/// Empty groups of these calls.
pub(crate) fn store(calls: &[AggregateCall], input: &Schema, retracts: bool) -> Result<Groups> {
    let aggs = AggSet::new(calls, &types(input), retracts)?;
    Ok(Groups { counts: Vec::new(), keys: Vec::new(), aggs })
}

/// Slices by (end, start); start is 0 unless windows are attached.
type SliceId = (i64, i64);

/// Slice of an encoded key.
fn slice_of(key: &[u8]) -> Result<SliceId> {
    let mut r = Reader::new(key);
    let (_, end, _, start) = (r.u8()?, r.i64()?, r.u8()?, r.i64()?);
    Ok((end, start))
}

/// What is needed to rebuild accumulators for merging.
struct Recipe {
    calls: Vec<AggregateCall>,
    types: Vec<DataType>,
    retracts: bool,
}

/// See the module.
pub struct WindowAggregate {
    spec: WindowSpec,
    aligned: Option<Aligned>,
    attached: Option<(usize, usize, usize)>,
    oldest_first: bool,
    zone: Zone,
    keys: Vec<usize>,
    key_codec: RowCodec,
    recipe: Recipe,
    table: KeyedTable<Groups>,
    /// Open slices, with their slots while all are in memory.
    slices: BTreeMap<SliceId, Vec<u32>>,
    /// Windows to fire: (end, start).
    pending: BTreeSet<(i64, i64)>,
    firing: Option<Firing>,
    watermark: i64,
    held_mark: Option<Mark>,
    schema: SchemaRef,
    encoded: EncodedKeys,
    slots: Vec<u32>,
}

impl WindowAggregate {
    /// Builds the operator; SESSION windows that are not attached belong to `session`.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        spec: &WindowSpec,
        attached: Option<(usize, usize, usize)>,
        keys: &[usize],
        calls: &[AggregateCall],
        zone: &str,
        oldest_first: bool,
        retracts: bool,
        input: &Schema,
        output: &Schema,
        max_parallelism: u32,
    ) -> Result<Self> {
        let recipe = Recipe { calls: calls.to_vec(), types: types(input), retracts };
        let store = store(calls, input, retracts)?;
        let table = TableSpec { prefix: PREFIX, ..spilling_spec("slices", 0, max_parallelism) };
        Ok(Self {
            aligned: match attached {
                Some(_) => None,
                None => Aligned::new(&spec.kind)?,
            },
            zone: Zone::of(&spec.time_type, zone)?,
            spec: spec.clone(),
            attached,
            oldest_first,
            keys: keys.to_vec(),
            key_codec: RowCodec::new(&input.project(keys)),
            recipe,
            table: KeyedTable::new(table, store),
            slices: BTreeMap::new(),
            pending: BTreeSet::new(),
            firing: None,
            watermark: i64::MIN,
            held_mark: None,
            schema: output.to_arrow(),
            encoded: EncodedKeys::default(),
            slots: Vec::new(),
        })
    }

    /// Slice of every row.
    fn assign(&self, batch: &ChangeBatch) -> Result<Vec<SliceId>> {
        let rows = batch.len();
        if let Some((start, end, _)) = self.attached {
            let (s, e) = (Times::of(batch.column(start))?, Times::of(batch.column(end))?);
            return (0..rows).map(|i| Ok((e.need(i)?, s.need(i)?))).collect();
        }
        let Some(aligned) = self.aligned else { return Ok(Vec::new()) };
        if !self.spec.event_time {
            let slice = aligned.slice_end(self.zone.to_local(now_ms()));
            return Ok(vec![(slice, 0); rows]);
        }
        let times = Times::of(batch.column(self.spec.time_column))?;
        (0..rows).map(|i| Ok((aligned.slice_end(self.zone.to_local(times.need(i)?)), 0))).collect()
    }

    fn fired(&self, end: i64) -> bool {
        self.zone.to_epoch(end - 1) <= self.watermark
    }

    fn windows_of(&self, slice: SliceId) -> Vec<(i64, i64)> {
        match (self.attached, self.aligned) {
            (None, Some(a)) => a.window_ends(slice.0).map(|e| (e, a.start_of(e))).collect(),
            _ => vec![slice],
        }
    }

    /// Drops late rows; opens slices that are new.
    fn admit(
        &mut self,
        batch: ChangeBatch,
        ids: &mut Vec<SliceId>,
        out: &mut Out,
    ) -> Result<ChangeBatch> {
        let mut last: Option<(SliceId, bool)> = None;
        let mut keep = Vec::with_capacity(ids.len());
        for &id in ids.iter() {
            let ok = match last {
                Some((seen, ok)) if seen == id => ok,
                _ => {
                    let windows = self.windows_of(id);
                    let open = windows.iter().any(|w| !self.fired(w.0));
                    if open && !self.slices.contains_key(&id) {
                        self.slices.insert(id, Vec::new());
                        let waiting: Vec<_> =
                            windows.into_iter().filter(|w| !self.fired(w.0)).collect();
                        self.pending.extend(waiting);
                    }
                    last = Some((id, open));
                    open
                }
            };
            keep.push(ok);
        }
        if keep.iter().all(|&k| k) {
            return Ok(batch);
        }
        let indices: Vec<u32> = (0..ids.len() as u32).filter(|&i| keep[i as usize]).collect();
        // A row of a gap between sparse HOP windows belongs nowhere, it is not late.
        let late =
            (0..ids.len()).filter(|&i| !keep[i] && !self.windows_of(ids[i]).is_empty()).count();
        out.count_late(late as u64);
        let mut at = keep.iter();
        ids.retain(|_| at.next().copied().unwrap_or(false));
        batch.take(&UInt32Array::from(indices))
    }

    fn fold(&mut self, batch: &ChangeBatch, ids: &[SliceId]) -> Result<()> {
        let mut key_columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(ids.iter().map(|i| i.0))),
            Arc::new(Int64Array::from_iter_values(ids.iter().map(|i| i.1))),
        ];
        let group_columns = columns(batch, &self.keys);
        key_columns.extend(group_columns.iter().cloned());
        self.encoded.encode_into(&key_columns, batch.len())?;
        let listed = !self.table.is_spilled();
        self.table.hydrate(&self.encoded, 0, &mut self.slots)?;
        if listed && self.table.is_spilled() {
            self.slices.values_mut().for_each(|slots| *slots = Vec::new());
        }
        let listed = !self.table.is_spilled();
        let mut fresh = Vec::new();
        let store = &mut self.table.store;
        for (row, &slot) in self.slots.iter().enumerate() {
            if store.keys[slot as usize].is_none() {
                store.keys[slot as usize] = Some(Box::default());
                fresh.push(row as u32);
            }
        }
        if !fresh.is_empty() {
            let indices = UInt32Array::from(fresh);
            let rows = self.key_codec.encode(&take_all(&group_columns, &indices)?, indices.len());
            for (i, &row) in indices.values().iter().enumerate() {
                let slot = self.slots[row as usize];
                store.keys[slot as usize] = Some(rows.row(i).into());
                if listed {
                    self.slices.entry(ids[row as usize]).or_default().push(slot);
                }
            }
        }
        let ops: Option<Vec<u8>> = batch
            .kind_bytes()
            .map(|k| k.iter().map(|&k| if is_minus(k) { MINUS } else { 0 }).collect());
        for (row, &slot) in self.slots.iter().enumerate() {
            let minus = ops.as_ref().is_some_and(|o| o[row] == MINUS);
            store.counts[slot as usize] += if minus { -1 } else { 1 };
        }
        store.aggs.update(batch, &self.slots, ops.as_deref())
    }
}

/// window_start, window_end, window_time of `rows` equal rows.
pub fn window_columns(
    start: i64,
    end: i64,
    zone: Zone,
    time_type: &DataType,
    rows: usize,
) -> Vec<ArrayRef> {
    let of = |v: i64| Int64Array::from(vec![v; rows]);
    let (precision, ltz) = time_attribute_shape(time_type);
    vec![
        timestamp_array(of(start), 3, false),
        timestamp_array(of(end), 3, false),
        timestamp_array(of(zone.to_epoch(end - 1)), precision, ltz),
    ]
}

/// Precision (at most 3) and zone-ness of a time attribute's type.
pub fn time_attribute_shape(ty: &DataType) -> (u8, bool) {
    use weir_core::types::TypeKind::*;
    match ty.kind {
        TimestampLtz(p, _) => (p.min(3), true),
        Timestamp(p, _) => (p.min(3), false),
        _ => (3, false),
    }
}

impl Operator for WindowAggregate {
    fn push(&mut self, _: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        let mut ids = self.assign(&batch)?;
        let batch = self.admit(batch, &mut ids, out)?;
        if !batch.is_empty() {
            self.fold(&batch, &ids)?;
        }
        Ok(Step::Done)
    }

    fn more(&mut self, out: &mut Out) -> Result<Step> {
        if self.emit(out)? {
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
        let first = self.pending.first().filter(|_| !self.spec.event_time)?;
        Some(self.zone.to_epoch(first.0))
    }

    fn on_timer(&mut self, now: i64, out: &mut Out) -> Result<Step> {
        self.watermark = self.watermark.max(now - 1);
        self.more(out)
    }

    fn barrier(&mut self, barrier: &Barrier, seal: &mut Seal) -> Result<()> {
        // How far this instance has fired.
        seal_times(&[self.watermark], seal);
        seal_table(&mut self.table, barrier, seal)
    }

    fn restore(&mut self, seal: &Seal, context: &TaskContext) -> Result<()> {
        let mut seen = BTreeSet::new();
        restore_table_with(&mut self.table, seal, context, |_, _, key, _| {
            seen.insert(slice_of(key)?);
            Ok(())
        })?;
        restore_times([&mut self.watermark], seal);
        for id in seen {
            self.slices.entry(id).or_default();
        }
        self.slices.values_mut().for_each(Vec::clear);
        if !self.table.is_spilled() {
            for slot in self.table.live() {
                let id = slice_of(self.table.key(slot))?;
                self.slices.entry(id).or_default().push(slot);
            }
        }
        let windows = self.slices.keys().flat_map(|id| self.windows_of(*id));
        self.pending = windows.filter(|w| !self.fired(w.0)).collect();
        Ok(())
    }

    fn wants_full_batches(&self) -> bool {
        true
    }
}
