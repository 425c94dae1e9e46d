//! ON CONFLICT of a sink whose primary key is not the query's key: the rows of one primary
//! key in the order of their arrival, of which the sink sees one.
//!
//! Per batch and key only the change from the first visible row to the last one leaves.

use arrow::datatypes::SchemaRef;
use weir_core::batch::TARGET_ROWS;
use weir_core::keys::EncodedKeys;
use weir_core::{ChangeBatch, Error, Result, Schema};
use weir_runtime::{Barrier, Mark, Operator, Out, Seal, Step, TaskContext, now_ms};
use weir_spec::ConflictAction;
use weir_state::bytes::{put_bytes, put_varint};
use weir_state::{KeyedTable, Reader, RowCodec, StateValue};

use crate::util::*;

/// Rows of one primary key by arrival.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Rivals(Vec<Box<[u8]>>);

impl StateValue for Rivals {
    fn write(&self, out: &mut Vec<u8>) {
        put_varint(out, self.0.len() as u64);
        self.0.iter().for_each(|row| put_bytes(out, row));
    }
    fn read(input: &mut Reader<'_>) -> Result<Self> {
        let mut rows = Vec::new();
        for _ in 0..input.varint()? {
            rows.push(input.bytes()?.into());
        }
        Ok(Rivals(rows))
    }
}

impl Rivals {
    fn visible(&self, action: ConflictAction) -> Option<&[u8]> {
        let row = match action {
            ConflictAction::Nothing => self.0.first(),
            ConflictAction::Error | ConflictAction::Deduplicate => self.0.last(),
        };
        row.map(|r| &**r)
    }

    /// Adds a row where its earlier version stood, or behind the others.
    fn add(&mut self, row: &[u8], place: Option<usize>) {
        self.0.insert(place.unwrap_or(self.0.len()).min(self.0.len()), row.into());
    }

    /// Takes a row out; where it stood.
    fn remove(&mut self, row: &[u8]) -> Option<usize> {
        let at = self.0.iter().position(|r| **r == *row)?;
        self.0.remove(at);
        Some(at)
    }
}

/// See the module.
pub struct Conflicts {
    keys: Vec<usize>,
    action: ConflictAction,
    ttl: i64,
    table: KeyedTable<Vec<Rivals>>,
    codec: RowCodec,
    schema: SchemaRef,
    encoded: EncodedKeys,
    slots: Vec<u32>,
    marks: Vec<u32>,
    /// Keys with more than one row, as DO ERROR counts them.
    contested: u64,
}

impl Conflicts {
    /// Builds the operator.
    pub fn new(
        keys: &[usize],
        action: ConflictAction,
        ttl: i64,
        schema: &Schema,
        max_parallelism: u32,
    ) -> Self {
        Self {
            keys: keys.to_vec(),
            action,
            ttl,
            table: KeyedTable::new(spilling_spec("rivals", ttl, max_parallelism), Vec::new()),
            codec: RowCodec::new(schema),
            schema: schema.to_arrow(),
            encoded: EncodedKeys::default(),
            slots: Vec::new(),
            marks: Vec::new(),
            contested: 0,
        }
    }

    /// Applies a batch; the visible rows of the touched keys as they were before.
    fn apply(&mut self, batch: &ChangeBatch) -> Vec<(u32, Option<Box<[u8]>>)> {
        let rows = self.codec.encode(batch.rows.columns(), batch.len());
        self.marks.resize(self.table.slots(), 0);
        let mut touched = Vec::new();
        // An update keeps the place of the first row: (slot, place) of the -U before it.
        let mut vacated = None;
        for row in 0..batch.len() {
            let slot = self.slots[row] as usize;
            let rivals = &mut self.table.store[slot];
            if self.marks[slot] == 0 {
                self.marks[slot] = 1;
                touched.push((slot as u32, rivals.visible(self.action).map(Into::into)));
            }
            let contested = rivals.0.len() > 1;
            let place = vacated.take().filter(|(at, _)| *at == slot).and_then(|(_, place)| place);
            if batch.kind(row).is_plus() {
                rivals.add(rows.row(row), place);
            } else {
                let place = rivals.remove(rows.row(row));
                let stays = self.action == ConflictAction::Nothing;
                vacated = stays.then_some((slot, place));
            }
            match (contested, rivals.0.len() > 1) {
                _ if self.action != ConflictAction::Error => {}
                (false, true) => self.contested += 1,
                (true, false) => self.contested -= 1,
                _ => {}
            }
        }
        touched.iter().for_each(|(slot, _)| self.marks[*slot as usize] = 0);
        touched
    }

    /// DO ERROR: no key may have two rows once everything up to a point in time is known.
    fn check(&self) -> Result<()> {
        if self.contested == 0 {
            return Ok(());
        }
        Err(Error::data(format!(
            "Primary key constraint violation: multiple distinct records with the same primary key, of {} keys",
            self.contested
        ))
        .hint("ON CONFLICT DO NOTHING keeps the first record, ON CONFLICT DO DEDUPLICATE the last"))
    }
}

impl Operator for Conflicts {
    fn push(&mut self, _: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        let now = if self.ttl > 0 { now_ms() } else { 0 };
        self.encoded.encode_into(&columns(&batch, &self.keys), batch.len())?;
        self.table.hydrate(&self.encoded, now, &mut self.slots)?;
        let mut result = RowsOut::new(&self.codec);
        for (slot, before) in self.apply(&batch) {
            let rivals = &self.table.store[slot as usize];
            match (before, rivals.visible(self.action)) {
                (None, Some(new)) => result.push(new, PLUS_I)?,
                (Some(old), None) => result.push(&old, MINUS_D)?,
                (Some(old), Some(new)) if *old != *new => result.push(new, PLUS_U)?,
                _ => {}
            }
            if rivals.0.is_empty() {
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

    fn watermark(&mut self, mark: Mark, out: &mut Out) -> Result<Step> {
        self.check()?;
        out.mark(mark);
        Ok(Step::Done)
    }

    fn finish(&mut self, _: &mut Out) -> Result<Step> {
        self.check()?;
        Ok(Step::Done)
    }

    fn barrier(&mut self, barrier: &Barrier, seal: &mut Seal) -> Result<()> {
        self.check()?;
        seal_table(&mut self.table, barrier, seal)
    }

    fn restore(&mut self, seal: &Seal, context: &TaskContext) -> Result<()> {
        // A barrier passes DO ERROR only where no key is contested.
        restore_table(&mut self.table, seal, context)
    }

    fn wants_full_batches(&self) -> bool {
        true
    }
}
