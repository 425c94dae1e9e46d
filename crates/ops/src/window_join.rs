//! Window join and window Top-N: rows wait by window and key and go out when the
//! watermark passes the window's end.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array};
use arrow::datatypes::SchemaRef;
use weir_core::batch::TARGET_ROWS;
use weir_core::keys::EncodedKeys;
use weir_core::{ChangeBatch, DataType, Result, Schema};
use weir_functions::EvalContext;
use weir_runtime::{Barrier, Mark, Operator, Out, Seal, Step, TaskContext};
use weir_spec::{JoinKind, JoinSpec, RankSpec};
use weir_state::bytes::{put_bytes, put_varint};
use weir_state::{KeyedTable, Reader, RowCodec, SlotStore, StateValue, TableSpec};

use crate::pairs::Pairs;
use crate::rank::{Difference, Function, Partition, sort_key_bytes};
use crate::util::*;
use crate::window::Zone;

/// Bytes of the encoded (window end, window start) in front of keys.
const PREFIX: usize = 18;

/// A table keyed by window and key, with the windows that are still open.
struct WindowTable<S> {
    table: KeyedTable<S>,
    /// (window end, slot)
    pending: BTreeSet<(i64, u32)>,
    zone: Zone,
    watermark: i64,
    held_mark: Option<Mark>,
}

impl<S: SlotStore> WindowTable<S> {
    fn new(store: S, input: &Schema, zone: &str, max_parallelism: u32) -> Result<Self> {
        let spec = TableSpec { prefix: PREFIX, ..table_spec("windows", 0, max_parallelism) };
        // Windows over a TIMESTAMP_LTZ attribute have bounds in local time.
        let ltz = input
            .fields
            .iter()
            .map(|f| &f.ty)
            .rfind(|t| t.time_attribute() != weir_core::TimeAttribute::None);
        Ok(Self {
            table: KeyedTable::new(spec, store),
            pending: BTreeSet::new(),
            zone: Zone::of(ltz.unwrap_or(&DataType::timestamp(3)), zone)?,
            watermark: i64::MIN,
            held_mark: None,
        })
    }

    /// Slot per row, None for late rows (which are counted).
    fn slots(
        &mut self,
        batch: &ChangeBatch,
        window: (usize, usize),
        keys: &[usize],
        out: &mut Out,
    ) -> Result<Vec<Option<u32>>> {
        let (starts, ends) =
            (Times::of(batch.column(window.0))?, Times::of(batch.column(window.1))?);
        let bounds = |t: &Times| -> Result<ArrayRef> {
            let v: Result<Vec<i64>> = (0..batch.len()).map(|i| t.need(i)).collect();
            Ok(Arc::new(Int64Array::from(v?)))
        };
        let mut key_columns = vec![bounds(&ends)?, bounds(&starts)?];
        key_columns.extend(columns(batch, keys));
        let encoded = EncodedKeys::encode(&key_columns, batch.len())?;
        let mut late = 0;
        let mut slots = Vec::with_capacity(batch.len());
        for i in 0..batch.len() {
            let end = ends.need(i)?;
            if self.zone.to_epoch(end - 1) <= self.watermark {
                late += 1;
                slots.push(None);
                continue;
            }
            let slot = self.table.slot(encoded.key(i), 0)?;
            self.pending.insert((end, slot));
            slots.push(Some(slot));
        }
        out.count_late(late);
        Ok(slots)
    }

    /// The next slot whose window is over.
    fn due(&mut self) -> Option<u32> {
        let &(end, slot) = self.pending.first()?;
        if self.zone.to_epoch(end - 1) > self.watermark {
            return None;
        }
        self.pending.pop_first();
        Some(slot)
    }

    fn on_mark(&mut self, mark: Mark) {
        if let Mark::Ts(ts) = mark {
            self.watermark = self.watermark.max(ts);
        }
        self.held_mark = Some(mark);
    }

    fn barrier(&mut self, barrier: &Barrier, seal: &mut Seal) -> Result<()> {
        seal_times(&[self.watermark], seal);
        seal_table(&mut self.table, barrier, seal)
    }

    fn restore(&mut self, seal: &Seal, context: &TaskContext) -> Result<()> {
        restore_times([&mut self.watermark], seal);
        restore_table(&mut self.table, seal, context)?;
        for slot in self.table.live() {
            let mut r = Reader::new(self.table.key(slot));
            let (_, end) = (r.u8()?, r.i64()?);
            self.pending.insert((end, slot));
        }
        Ok(())
    }
}

/// Rows of both sides in one window and key.
#[derive(Debug, Default)]
struct Both([Vec<Box<[u8]>>; 2]);

impl StateValue for Both {
    fn write(&self, out: &mut Vec<u8>) {
        for side in &self.0 {
            put_varint(out, side.len() as u64);
            side.iter().for_each(|r| put_bytes(out, r));
        }
    }
    fn read(input: &mut Reader<'_>) -> Result<Self> {
        let mut both = Both::default();
        for side in &mut both.0 {
            for _ in 0..input.varint()? {
                side.push(input.bytes()?.into());
            }
        }
        Ok(both)
    }
}

/// Joins rows of equal windows and keys.
pub struct WindowJoin {
    kind: JoinKind,
    keys: [Vec<usize>; 2],
    null_safe: Vec<bool>,
    windows: [(usize, usize); 2],
    pairs: Pairs,
    state: WindowTable<Vec<Both>>,
}

impl WindowJoin {
    /// Builds the operator.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        spec: &JoinSpec,
        windows: [(usize, usize); 2],
        inputs: [&Schema; 2],
        output: &Schema,
        zone: &str,
        context: EvalContext,
        max_parallelism: u32,
    ) -> Result<Self> {
        Ok(Self {
            kind: spec.kind,
            keys: [spec.left_keys.clone(), spec.right_keys.clone()],
            null_safe: spec.null_safe.clone(),
            windows,
            pairs: Pairs::new(inputs, output, spec.condition.as_ref(), context)?,
            state: WindowTable::new(Vec::new(), inputs[0], zone, max_parallelism)?,
        })
    }

    fn join(&self, both: &Both, null_key: bool, out: &mut crate::pairs::PairOut) -> Result<()> {
        let [left, right] = &both.0;
        let mut matched = [vec![false; left.len()], vec![false; right.len()]];
        let keep_pairs = !matches!(self.kind, JoinKind::Semi | JoinKind::Anti);
        // So many left rows at once that the predicate sees full batches.
        let step = (TARGET_ROWS / right.len().max(1)).max(1);
        let starts = (0..left.len()).step_by(step).filter(|_| !null_key && !right.is_empty());
        for start in starts {
            let rows = &left[start..left.len().min(start + step)];
            let candidates: Vec<(&[u8], &[u8])> =
                rows.iter().flat_map(|l| right.iter().map(move |r| (&**l, &**r))).collect();
            let passing = self.pairs.passing(&candidates)?;
            for (i, (l, r)) in candidates.into_iter().enumerate().filter(|(i, _)| passing[*i]) {
                matched[0][start + i / right.len()] = true;
                matched[1][i % right.len()] = true;
                if keep_pairs {
                    out.push(Some(l), Some(r), PLUS_I)?;
                }
            }
        }
        let (pad_left, pad_right) = match self.kind {
            JoinKind::Left | JoinKind::Anti => (Some(false), false),
            JoinKind::Semi => (Some(true), false),
            JoinKind::Right => (None, true),
            JoinKind::Full => (Some(false), true),
            JoinKind::Inner => (None, false),
        };
        for (row, m) in left.iter().zip(&matched[0]) {
            if pad_left == Some(*m) {
                out.push(Some(row), None, PLUS_I)?;
            }
        }
        for (row, m) in right.iter().zip(&matched[1]) {
            if pad_right && !m {
                out.push(None, Some(row), PLUS_I)?;
            }
        }
        Ok(())
    }

    /// Whether the key of a slot has a NULL that matches nothing.
    fn null_key(&self, row: &[u8], side: usize) -> Result<bool> {
        let columns = self.pairs.codecs[side].decode([row])?;
        Ok(self.keys[side]
            .iter()
            .zip(&self.null_safe)
            .any(|(&k, safe)| !safe && columns[k].is_null(0)))
    }
}

impl Operator for WindowJoin {
    fn push(&mut self, input: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        let slots = self.state.slots(&batch, self.windows[input], &self.keys[input], out)?;
        let rows = self.pairs.codecs[input].encode(batch.rows.columns(), batch.len());
        for (i, slot) in slots.into_iter().enumerate() {
            let Some(slot) = slot else { continue };
            let list = &mut self.state.table.store[slot as usize].0[input];
            if batch.kind(i).is_plus() {
                list.push(rows.row(i).into());
            } else if let Some(at) = list.iter().position(|r| **r == *rows.row(i)) {
                list.remove(at);
            }
        }
        Ok(Step::Done)
    }

    fn more(&mut self, out: &mut Out) -> Result<Step> {
        let mut result = self.pairs.output();
        while result.len() < TARGET_ROWS {
            let Some(slot) = self.state.due() else {
                result.emit(out)?;
                if let Some(mark) = self.state.held_mark.take() {
                    out.mark(mark);
                }
                return Ok(Step::Done);
            };
            let both = std::mem::take(&mut self.state.table.store[slot as usize]);
            self.state.table.remove(slot);
            let first = [0, 1].into_iter().find_map(|s| both.0[s].first().map(|r| (s, r)));
            let Some((side, row)) = first else { continue };
            self.join(&both, self.null_key(row, side)?, &mut result)?;
        }
        result.emit(out)?;
        Ok(Step::More)
    }

    fn watermark(&mut self, mark: Mark, out: &mut Out) -> Result<Step> {
        self.state.on_mark(mark);
        self.more(out)
    }

    fn barrier(&mut self, barrier: &Barrier, seal: &mut Seal) -> Result<()> {
        self.state.barrier(barrier, seal)
    }

    fn restore(&mut self, seal: &Seal, context: &TaskContext) -> Result<()> {
        self.state.restore(seal, context)
    }
}

/// Top-N within every window.
pub struct WindowRank {
    spec: RankSpec,
    function: Function,
    window: (usize, usize),
    retracts: bool,
    codec: RowCodec,
    input: SchemaRef,
    schema: SchemaRef,
    state: WindowTable<Vec<Partition>>,
}

impl WindowRank {
    /// Builds the operator.
    pub fn new(
        spec: &RankSpec,
        window: (usize, usize),
        retracts: bool,
        input: &Schema,
        output: &Schema,
        zone: &str,
        max_parallelism: u32,
    ) -> Result<Self> {
        Ok(Self {
            function: Function::parse(&spec.function)?,
            spec: spec.clone(),
            window,
            retracts,
            codec: RowCodec::new(input),
            input: input.to_arrow(),
            schema: output.to_arrow(),
            state: WindowTable::new(Vec::new(), input, zone, max_parallelism)?,
        })
    }
}

impl Operator for WindowRank {
    fn push(&mut self, _: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        let slots = self.state.slots(&batch, self.window, &self.spec.partition, out)?;
        let keys = sort_key_bytes(&batch, &self.spec.order_by)?;
        let rows = self.codec.encode(batch.rows.columns(), batch.len());
        for (i, slot) in slots.into_iter().enumerate() {
            let Some(slot) = slot else { continue };
            let key = keys.as_ref().map_or(&[][..], |k| k.row(i).data());
            let partition = &mut self.state.table.store[slot as usize];
            if batch.kind(i).is_plus() {
                partition.insert(key, rows.row(i));
            } else {
                partition.remove(key, rows.row(i));
            }
            if !self.retracts {
                partition.truncate(self.spec.end, self.function);
            }
        }
        Ok(Step::Done)
    }

    fn more(&mut self, out: &mut Out) -> Result<Step> {
        let mut result = Difference::new(&self.codec);
        while result.len() < TARGET_ROWS {
            let Some(slot) = self.state.due() else {
                out.data(result.batch(&self.schema)?);
                if let Some(mark) = self.state.held_mark.take() {
                    out.mark(mark);
                }
                return Ok(Step::Done);
            };
            let partition = &self.state.table.store[slot as usize];
            for row in partition.visible(self.spec.start, self.spec.end, self.function) {
                result.put(&row, PLUS_I)?;
            }
            self.state.table.remove(slot);
        }
        out.data(result.batch(&self.schema)?);
        Ok(Step::More)
    }

    fn watermark(&mut self, mark: Mark, out: &mut Out) -> Result<Step> {
        self.state.on_mark(mark);
        self.more(out)
    }

    fn barrier(&mut self, barrier: &Barrier, seal: &mut Seal) -> Result<()> {
        self.state.barrier(barrier, seal)
    }

    fn restore(&mut self, seal: &Seal, context: &TaskContext) -> Result<()> {
        self.state.restore(seal, context)?;
        for p in &mut self.state.table.store {
            p.rebuild_keys(&self.codec, &self.input, &self.spec.order_by)?;
        }
        Ok(())
    }
}
