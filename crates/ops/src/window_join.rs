//! Window join and window Top-N: rows wait by window and key and go out when the
//! watermark passes the window's end.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, UInt32Array};
use arrow::datatypes::SchemaRef;
use weir_core::batch::TARGET_ROWS;
use weir_core::keys::EncodedKeys;
use weir_core::{ChangeBatch, DataType, Result, Schema};
use weir_functions::EvalContext;
use weir_runtime::{Barrier, Mark, Operator, Out, Seal, Step, TaskContext};
use weir_spec::{JoinKind, JoinSpec, RankSpec};
use weir_state::bytes::{put_bytes, put_varint};
use weir_state::{KeyedTable, Reader, RowCodec, SlotStore, StateValue, TableSpec};

use crate::listed::{Held, Listed};
use crate::pairs::Pairs;
use crate::rank::{Difference, Function, Partition, sort_key_bytes};
use crate::util::*;
use crate::window::Zone;

/// Bytes of the encoded (window end, window start) in front of keys.
const PREFIX: usize = 18;

/// A table keyed by window and key, with a timer at the end of the window.
struct WindowTable<S> {
    table: KeyedTable<S>,
    zone: Zone,
    watermark: i64,
    held_mark: Option<Mark>,
}

impl<S: SlotStore> WindowTable<S> {
    fn new(store: S, input: &Schema, zone: &str, max_parallelism: u32) -> Result<Self> {
        let spec = TableSpec { prefix: PREFIX, ..spilling_spec("windows", 0, max_parallelism) };
        // Windows over a TIMESTAMP_LTZ attribute have bounds in local time.
        let ltz = input
            .fields
            .iter()
            .map(|f| &f.ty)
            .rfind(|t| t.time_attribute() != weir_core::TimeAttribute::None);
        Ok(Self {
            table: KeyedTable::new(spec, store),
            zone: Zone::of(ltz.unwrap_or(&DataType::timestamp(3)), zone)?,
            watermark: i64::MIN,
            held_mark: None,
        })
    }

    /// The rows that are not late, with their slots; late ones are counted.
    fn admit(
        &mut self,
        mut batch: ChangeBatch,
        window: (usize, usize),
        keys: &[usize],
        out: &mut Out,
    ) -> Result<(ChangeBatch, Vec<u32>)> {
        let ends = Times::of(batch.column(window.1))?;
        let mut kept = Vec::with_capacity(batch.len());
        for i in 0..batch.len() {
            if self.zone.to_epoch(ends.need(i)? - 1) > self.watermark {
                kept.push(i as u32);
            }
        }
        if kept.len() < batch.len() {
            out.count_late((batch.len() - kept.len()) as u64);
            batch = batch.take(&UInt32Array::from(kept))?;
        }
        let (starts, ends) = (bounds(&batch, window.0)?, bounds(&batch, window.1)?);
        let mut key_columns: Vec<ArrayRef> = vec![Arc::new(ends.clone()), Arc::new(starts)];
        key_columns.extend(columns(&batch, keys));
        let encoded = EncodedKeys::encode(&key_columns, batch.len())?;
        let mut slots = Vec::new();
        self.table.hydrate(&encoded, 0, &mut slots)?;
        for (&end, &slot) in ends.values().iter().zip(&slots) {
            self.table.set_timer(self.zone.to_epoch(end - 1), slot);
        }
        Ok((batch, slots))
    }

    /// The next slot whose window is over.
    fn due(&mut self) -> Result<Option<u32>> {
        Ok(self.table.due(self.watermark)?.map(|t| t.1))
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

    /// Restores; `each` derives what is not sealed.
    fn restore(
        &mut self,
        seal: &Seal,
        context: &TaskContext,
        mut each: impl FnMut(&mut S, usize) -> Result<()>,
    ) -> Result<()> {
        restore_times([&mut self.watermark], seal);
        let zone = self.zone;
        restore_table_with(&mut self.table, seal, context, |store, slot, key, set| {
            each(store, slot)?;
            let mut r = Reader::new(key);
            let (_, end) = (r.u8()?, r.i64()?);
            set(zone.to_epoch(end - 1));
            Ok(())
        })
    }
}

/// Window bounds of a batch.
fn bounds(batch: &ChangeBatch, column: usize) -> Result<Int64Array> {
    let times = Times::of(batch.column(column))?;
    let values: Result<Vec<i64>> = (0..batch.len()).map(|i| times.need(i)).collect();
    Ok(Int64Array::from(values?))
}

/// Rows of both sides in one window and key.
#[derive(Debug, Default)]
pub(crate) struct Both([Vec<Box<[u8]>>; 2]);

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

impl Listed for Both {
    fn list(&self, each: &mut dyn FnMut(Held<'_>)) {
        for (input, side) in self.0.iter().enumerate() {
            side.iter().for_each(|r| each(Held::row(input, r)));
        }
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
        let (batch, slots) =
            self.state.admit(batch, self.windows[input], &self.keys[input], out)?;
        let rows = self.pairs.codecs[input].encode(batch.rows.columns(), batch.len());
        for (i, slot) in slots.into_iter().enumerate() {
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
        self.state.table.make_room()?;
        let mut result = self.pairs.output();
        for _ in 0..TARGET_ROWS {
            if result.len() >= TARGET_ROWS {
                break;
            }
            let Some(slot) = self.state.due()? else {
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
        self.state.restore(seal, context, |_, _| Ok(()))
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
        let (batch, slots) = self.state.admit(batch, self.window, &self.spec.partition, out)?;
        let (codec, input, order) = (&self.codec, &self.input, &self.spec.order_by);
        self.state.table.each_recalled(|p| p.rebuild_keys(codec, input, order))?;
        let keys = sort_key_bytes(&batch, &self.spec.order_by)?;
        let rows = self.codec.encode(batch.rows.columns(), batch.len());
        for (i, slot) in slots.into_iter().enumerate() {
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
        self.state.table.make_room()?;
        let mut result = Difference::new(&self.codec);
        while result.len() < TARGET_ROWS {
            self.state.table.bring_due(self.state.watermark)?;
            let (codec, input, order) = (&self.codec, &self.input, &self.spec.order_by);
            self.state.table.each_recalled(|p| p.rebuild_keys(codec, input, order))?;
            let Some((_, slot)) = self.state.table.pop_due(self.state.watermark) else {
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
        let (codec, input, order) = (&self.codec, &self.input, &self.spec.order_by);
        self.state.restore(seal, context, |partitions, slot| {
            partitions[slot].rebuild_keys(codec, input, order)
        })
    }
}
