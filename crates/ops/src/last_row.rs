//! One row per key: DEDUPLICATE (first row by arrival, last row by arrival or by
//! rowtime) and CHANGELOG NORMALIZE (the row last upserted).
//!
//! Per batch and key only the change from the first pre-image to the last
//! post-image leaves; unchanged rows are silent.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use weir_core::batch::TARGET_ROWS;
use weir_core::keys::EncodedKeys;
use weir_core::{ChangeBatch, Result, Schema};
use weir_runtime::{Barrier, Operator, Out, Seal, Step, TaskContext, now_ms};
use weir_state::bytes::{put_bytes, put_i64};
use weir_state::{KeyedTable, PieceSink, Reader, RowCodec, StateValue};

use crate::listed::{Held, Listed};
use crate::util::*;

/// Which row of a key stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The first one to arrive.
    First,
    /// The last one (by rowtime if given).
    Last(Option<usize>),
    /// The one last inserted or updated, until it is deleted by key.
    Upserted,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Kept(Option<(i64, Box<[u8]>)>);

impl StateValue for Kept {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.0.is_some()));
        if let Some((ts, row)) = &self.0 {
            put_i64(out, *ts);
            put_bytes(out, row);
        }
    }
    fn read(input: &mut Reader<'_>) -> Result<Self> {
        Ok(Kept(match input.u8()? {
            0 => None,
            _ => Some((input.i64()?, input.bytes()?.into())),
        }))
    }
}

impl Listed for Kept {
    fn list(&self, each: &mut dyn FnMut(Held<'_>)) {
        if let Some((_, row)) = &self.0 {
            each(Held::row(0, row));
        }
    }
}

/// See the module.
pub struct LastRow {
    keys: Vec<usize>,
    keep: Keep,
    update_before: bool,
    ttl: i64,
    table: KeyedTable<Vec<Kept>>,
    codec: RowCodec,
    schema: SchemaRef,
    encoded: EncodedKeys,
    slots: Vec<u32>,
    marks: Vec<u32>,
}

impl LastRow {
    /// Builds the operator.
    pub fn new(
        keys: &[usize],
        keep: Keep,
        update_before: bool,
        ttl: i64,
        input: &Schema,
        output: &Schema,
        max_parallelism: u32,
    ) -> Self {
        Self {
            keys: keys.to_vec(),
            keep,
            update_before,
            ttl,
            table: KeyedTable::new(spilling_spec("rows", ttl, max_parallelism), Vec::new()),
            codec: RowCodec::new(input),
            schema: output.to_arrow(),
            encoded: EncodedKeys::default(),
            slots: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// Whether a new row takes the place of the kept one.
    fn replaces(&self, new: i64, kept: &Kept) -> bool {
        match (&kept.0, self.keep) {
            (None, _) | (_, Keep::Upserted | Keep::Last(None)) => true,
            (Some(_), Keep::First) => false,
            (Some((old, _)), Keep::Last(Some(_))) => new >= *old,
        }
    }
}

impl Operator for LastRow {
    fn push(&mut self, _: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        let now = if self.ttl > 0 { now_ms() } else { 0 };
        self.encoded.encode_into(&columns(&batch, &self.keys), batch.len())?;
        self.table.hydrate(&self.encoded, now, &mut self.slots)?;
        let rows = self.codec.encode(batch.rows.columns(), batch.len());
        let times = match self.keep {
            Keep::Last(Some(c)) => Some(Times::of(batch.column(c))?),
            _ => None,
        };
        self.marks.resize(self.table.slots(), 0);
        let mut touched: Vec<(u32, Kept)> = Vec::new();
        for row in 0..batch.len() {
            let slot = self.slots[row] as usize;
            let ts = times.as_ref().map_or(Ok(0), |t| t.need(row))?;
            let kind = batch.kind(row) as u8;
            let kept = &self.table.store[slot];
            let next = match kind {
                MINUS_U if self.keep == Keep::Upserted => continue,
                MINUS_D if self.keep == Keep::Upserted => Kept(None),
                MINUS_U | MINUS_D => match &kept.0 {
                    Some((_, old)) if **old == *rows.row(row) => Kept(None),
                    _ => continue,
                },
                _ if self.replaces(ts, kept) => Kept(Some((ts, rows.row(row).into()))),
                _ => continue,
            };
            let before = std::mem::replace(&mut self.table.store[slot], next);
            if self.marks[slot] == 0 {
                self.marks[slot] = 1;
                touched.push((slot as u32, before));
            }
        }
        let mut result = RowsOut::new(&self.codec);
        for (slot, before) in touched {
            self.marks[slot as usize] = 0;
            let after = &self.table.store[slot as usize];
            match (&before.0, &after.0) {
                (None, Some((_, new))) => result.push(new, PLUS_I)?,
                (Some((_, old)), None) => result.push(old, MINUS_D)?,
                (Some((_, old)), Some((_, new))) if old != new || self.ttl > 0 => {
                    if self.update_before {
                        result.push(old, MINUS_U)?;
                    }
                    result.push(new, PLUS_U)?;
                }
                _ => {}
            }
            if after.0.is_none() {
                self.table.remove(slot);
            }
            if result.len() >= TARGET_ROWS {
                let full = std::mem::replace(&mut result, RowsOut::new(&self.codec));
                out.data(full.batch(&self.schema)?);
            }
        }
        out.data(result.batch(&self.schema)?);
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
