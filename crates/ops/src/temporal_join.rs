//! Event-time temporal join: every left row meets the version of the right row
//! that was valid at the left row's time, once the watermark has passed it.

use std::collections::BTreeMap;

use arrow::array::Array;
use weir_core::batch::TARGET_ROWS;
use weir_core::keys::EncodedKeys;
use weir_core::{ChangeBatch, Result, Schema};
use weir_functions::EvalContext;
use weir_runtime::{Barrier, Mark, Operator, Out, Seal, Step, TaskContext};
use weir_spec::{JoinKind, JoinSpec};
use weir_state::bytes::{put_bytes, put_i64, put_varint};
use weir_state::{KeyedTable, Reader, StateValue};

use crate::event_time::EventTime;
use crate::listed::{Held, Listed};
use crate::pairs::{PairOut, Pairs};
use crate::util::*;

/// A probe row: time, kind, bytes, has a NULL key.
#[derive(Debug)]
struct Probe {
    ts: i64,
    kind: u8,
    null_key: bool,
    row: Box<[u8]>,
}

/// Waiting probe rows and versions of one key; a deleted version is None.
#[derive(Debug, Default)]
pub(crate) struct Key {
    probes: Vec<Probe>,
    versions: BTreeMap<i64, Option<Box<[u8]>>>,
}

impl StateValue for Key {
    fn write(&self, out: &mut Vec<u8>) {
        put_varint(out, self.probes.len() as u64);
        for p in &self.probes {
            put_i64(out, p.ts);
            out.extend_from_slice(&[p.kind, u8::from(p.null_key)]);
            put_bytes(out, &p.row);
        }
        put_varint(out, self.versions.len() as u64);
        for (ts, row) in &self.versions {
            put_i64(out, *ts);
            out.push(u8::from(row.is_some()));
            put_bytes(out, row.as_deref().unwrap_or_default());
        }
    }
    fn read(input: &mut Reader<'_>) -> Result<Self> {
        let mut key = Key::default();
        for _ in 0..input.varint()? {
            let (ts, kind, null_key) = (input.i64()?, input.u8()?, input.u8()? != 0);
            key.probes.push(Probe { ts, kind, null_key, row: input.bytes()?.into() });
        }
        for _ in 0..input.varint()? {
            let (ts, present) = (input.i64()?, input.u8()? != 0);
            let row = input.bytes()?;
            key.versions.insert(ts, present.then(|| row.into()));
        }
        Ok(key)
    }
}

impl Listed for Key {
    fn list(&self, each: &mut dyn FnMut(Held<'_>)) {
        self.probes.iter().for_each(|p| each(Held::row(0, &p.row).with("waiting".to_owned())));
        for (ts, row) in &self.versions {
            match row {
                Some(row) => each(Held::row(1, row).with(format!("from {ts}"))),
                None => each(Held::note(&format!("none from {ts}"))),
            }
        }
    }
}

/// See the module.
pub struct TemporalJoin {
    keys: [Vec<usize>; 2],
    null_safe: Vec<bool>,
    times: [usize; 2],
    left_outer: bool,
    pairs: Pairs,
    table: KeyedTable<Vec<Key>>,
    clock: EventTime,
}

impl TemporalJoin {
    /// Builds the operator.
    pub fn new(
        spec: &JoinSpec,
        times: [usize; 2],
        inputs: [&Schema; 2],
        output: &Schema,
        context: EvalContext,
        max_parallelism: u32,
    ) -> Result<Self> {
        Ok(Self {
            keys: [spec.left_keys.clone(), spec.right_keys.clone()],
            null_safe: spec.null_safe.clone(),
            times,
            left_outer: spec.kind == JoinKind::Left,
            pairs: Pairs::new(inputs, output, spec.condition.as_ref(), context)?,
            table: KeyedTable::new(spilling_spec("versions", 0, max_parallelism), Vec::new()),
            clock: EventTime::default(),
        })
    }

    /// Joins the probe rows of one key that the watermark has passed.
    fn release(&mut self, slot: u32, out: &mut PairOut) -> Result<()> {
        self.table.touch(slot);
        let key = &mut self.table.store[slot as usize];
        let n = key.probes.partition_point(|p| p.ts <= self.clock.watermark);
        let probes: Vec<Probe> = key.probes.drain(..n).collect();
        let mut hits: Vec<Option<&[u8]>> = Vec::with_capacity(n);
        for p in &probes {
            let version = key.versions.range(..=p.ts).next_back();
            hits.push(version.and_then(|v| v.1.as_deref()).filter(|_| !p.null_key));
        }
        let candidates: Vec<(&[u8], &[u8])> =
            probes.iter().zip(&hits).filter_map(|(p, h)| h.map(|h| (&*p.row, h))).collect();
        let mut passing = self.pairs.passing(&candidates)?.into_iter();
        for (p, hit) in probes.iter().zip(&hits) {
            let hit = hit.filter(|_| passing.next().unwrap_or(false));
            if hit.is_some() || self.left_outer {
                out.push(Some(&p.row), hit, p.kind)?;
            }
        }
        // Older versions than the one valid at the watermark are not asked for any more.
        if let Some(valid) = key.versions.range(..=self.clock.watermark).next_back().map(|v| *v.0) {
            key.versions = key.versions.split_off(&valid);
        }
        Ok(())
    }
}

impl Operator for TemporalJoin {
    fn push(&mut self, side: usize, batch: ChangeBatch, _: &mut Out) -> Result<Step> {
        let key_columns = columns(&batch, &self.keys[side]);
        let keys = EncodedKeys::encode(&key_columns, batch.len())?;
        let mut slots = Vec::new();
        self.table.hydrate(&keys, 0, &mut slots)?;
        let rows = self.pairs.codecs[side].encode(batch.rows.columns(), batch.len());
        let times = Times::of(batch.column(self.times[side]))?;
        for (i, &slot) in slots.iter().enumerate() {
            let (ts, kind) = (times.need(i)?, batch.kind(i) as u8);
            let key = &mut self.table.store[slot as usize];
            if side == 0 {
                let null_key =
                    key_columns.iter().zip(&self.null_safe).any(|(c, safe)| !safe && c.is_null(i));
                let at = key.probes.partition_point(|p| p.ts <= ts);
                key.probes.insert(at, Probe { ts, kind, null_key, row: rows.row(i).into() });
            } else if kind != MINUS_U {
                let row = (kind != MINUS_D).then(|| rows.row(i).into());
                key.versions.insert(ts, row);
            }
            self.table.set_timer(ts, slot);
        }
        Ok(Step::Done)
    }

    fn more(&mut self, out: &mut Out) -> Result<Step> {
        self.table.make_room()?;
        let mut result = self.pairs.output();
        for _ in 0..TARGET_ROWS {
            let Some((_, slot)) = self.table.due(self.clock.watermark)? else {
                result.emit(out)?;
                self.clock.pass_on(out);
                return Ok(Step::Done);
            };
            self.release(slot, &mut result)?;
            if result.len() >= TARGET_ROWS {
                break;
            }
        }
        result.emit(out)?;
        Ok(Step::More)
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
        restore_table_with(&mut self.table, seal, context, |keys, slot, _, set| {
            let key = &keys[slot];
            key.probes.iter().map(|p| p.ts).chain(key.versions.keys().copied()).for_each(set);
            Ok(())
        })
    }

    fn wants_full_batches(&self) -> bool {
        true
    }
}
