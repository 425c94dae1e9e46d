//! DEDUPLICATE that keeps the first row of a key by event time.
//!
//! The row of a key waits until the watermark passes its time: then no earlier one
//! can come, it leaves for good, and all later rows of the key are dropped. Rows
//! behind the watermark are late.

use arrow::datatypes::SchemaRef;
use weir_core::batch::TARGET_ROWS;
use weir_core::keys::EncodedKeys;
use weir_core::{ChangeBatch, Result, Schema};
use weir_runtime::{Barrier, Mark, Operator, Out, Seal, Step, TaskContext, now_ms};
use weir_state::bytes::{put_bytes, put_i64};
use weir_state::{KeyedTable, Reader, RowCodec, StateValue};

use crate::event_time::EventTime;
use crate::listed::{Held, Listed};
use crate::util::*;

/// What is known of a key.
#[derive(Debug, Default)]
pub(crate) enum First {
    #[default]
    Nothing,
    /// The earliest row so far.
    Waiting(i64, Box<[u8]>),
    /// It has left.
    Emitted,
}

impl StateValue for First {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            First::Nothing => out.push(0),
            First::Waiting(ts, row) => {
                out.push(1);
                put_i64(out, *ts);
                put_bytes(out, row);
            }
            First::Emitted => out.push(2),
        }
    }
    fn read(input: &mut Reader<'_>) -> Result<Self> {
        Ok(match input.u8()? {
            1 => First::Waiting(input.i64()?, input.bytes()?.into()),
            2 => First::Emitted,
            _ => First::Nothing,
        })
    }
}

impl Listed for First {
    fn list(&self, each: &mut dyn FnMut(Held<'_>)) {
        match self {
            First::Nothing => {}
            First::Waiting(_, row) => each(Held::row(0, row)),
            First::Emitted => each(Held::note("its first row has left")),
        }
    }
}

/// See the module.
pub struct FirstRow {
    keys: Vec<usize>,
    rowtime: usize,
    ttl: i64,
    table: KeyedTable<Vec<First>>,
    clock: EventTime,
    codec: RowCodec,
    schema: SchemaRef,
    encoded: EncodedKeys,
    slots: Vec<u32>,
}

impl FirstRow {
    /// Builds the operator.
    pub fn new(
        keys: &[usize],
        rowtime: usize,
        ttl: i64,
        input: &Schema,
        output: &Schema,
        max_parallelism: u32,
    ) -> Self {
        Self {
            keys: keys.to_vec(),
            rowtime,
            ttl,
            table: KeyedTable::new(spilling_spec("rows", ttl, max_parallelism), Vec::new()),
            clock: EventTime::default(),
            codec: RowCodec::new(input),
            schema: output.to_arrow(),
            encoded: EncodedKeys::default(),
            slots: Vec::new(),
        }
    }
}

impl Operator for FirstRow {
    fn push(&mut self, _: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        let now = if self.ttl > 0 { now_ms() } else { 0 };
        let times = Times::of(batch.column(self.rowtime))?;
        self.encoded.encode_into(&columns(&batch, &self.keys), batch.len())?;
        self.table.hydrate(&self.encoded, now, &mut self.slots)?;
        let rows = self.codec.encode(batch.rows.columns(), batch.len());
        let mut late = 0;
        for (i, &slot) in self.slots.iter().enumerate() {
            let ts = times.need(i)?;
            if ts <= self.clock.watermark {
                late += 1;
                continue;
            }
            match self.table.store[slot as usize] {
                First::Emitted => continue,
                First::Waiting(at, _) if at <= ts => continue,
                First::Waiting(at, _) => self.table.unset_timer(at, slot),
                First::Nothing => {}
            }
            self.table.store[slot as usize] = First::Waiting(ts, rows.row(i).into());
            self.table.set_timer(ts, slot);
        }
        out.count_late(late);
        Ok(Step::Done)
    }

    fn more(&mut self, out: &mut Out) -> Result<Step> {
        self.table.make_room()?;
        let mut result = RowsOut::new(&self.codec);
        while let Some((_, slot)) = self.table.due(self.clock.watermark)? {
            let kept = &mut self.table.store[slot as usize];
            if !matches!(kept, First::Waiting(at, _) if *at <= self.clock.watermark) {
                continue;
            }
            if let First::Waiting(_, row) = std::mem::replace(kept, First::Emitted) {
                result.push(&row, PLUS_I)?;
            }
            self.table.touch(slot);
            if result.len() >= TARGET_ROWS {
                out.data(result.batch(&self.schema)?);
                return Ok(Step::More);
            }
        }
        out.data(result.batch(&self.schema)?);
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
        restore_table_with(&mut self.table, seal, context, |rows, slot, _, set| {
            if let First::Waiting(ts, _) = &rows[slot] {
                set(*ts);
            }
            Ok(())
        })
    }

    fn wants_full_batches(&self) -> bool {
        true
    }
}
