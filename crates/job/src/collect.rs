//! Rows on their way to the client.
//!
//! Where checkpoints are durable the rows that the client has are state of the job: after
//! a restore it is given them again, as inserted rows in their order of arrival.

use arrow::datatypes::SchemaRef;
use crossbeam_channel::Sender;
use weir_core::batch::TARGET_ROWS;
use weir_core::{ChangeBatch, Result, Schema};
use weir_runtime::{Barrier, Operator, Out, Seal, Step, TaskContext};
use weir_state::bytes::put_i64;
use weir_state::rows::ROW_VERSION;
use weir_state::{KeyedTable, Reader, RowCodec, StateValue, TableSpec};

use crate::adapters::ResultCheck;

/// Hands rows to the client; blocks when the client is slow.
pub struct Collect {
    sender: Sender<ChangeBatch>,
    shown: Option<Shown>,
    check: Option<ResultCheck>,
}

impl Collect {
    /// Lets only rows through that the check passes.
    pub fn checked(self, check: ResultCheck) -> Self {
        Self { check: Some(check), ..self }
    }

    /// For a client that starts from nothing, whatever happened before.
    pub fn new(sender: Sender<ChangeBatch>) -> Self {
        Self { sender, shown: None, check: None }
    }

    /// For a client whose rows survive the process.
    pub fn durable(sender: Sender<ChangeBatch>, schema: &Schema, task: &TaskContext) -> Self {
        let spec = TableSpec {
            name: "rows".to_owned(),
            version: ROW_VERSION,
            ttl: 0,
            max_parallelism: task.max_parallelism,
            prefix: 0,
            spills: false,
        };
        let shown = Shown {
            table: KeyedTable::new(spec, Vec::new()),
            codec: RowCodec::new(schema),
            schema: schema.to_arrow(),
            next: 0,
        };
        Self { sender, shown: Some(shown), check: None }
    }

    fn send(&self, batch: ChangeBatch) {
        // A client that went away does not make the job fail; it is cancelled anyway.
        let _ = self.sender.send(batch);
    }
}

/// What the client has: each row with its count.
struct Shown {
    table: KeyedTable<Vec<Copies>>,
    codec: RowCodec,
    schema: SchemaRef,
    /// Number of the next row that is new.
    next: i64,
}

#[derive(Debug, Default)]
struct Copies {
    count: i64,
    /// When the row first came.
    order: i64,
}

impl StateValue for Copies {
    fn write(&self, out: &mut Vec<u8>) {
        put_i64(out, self.count);
        put_i64(out, self.order);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self> {
        Ok(Self { count: input.i64()?, order: input.i64()? })
    }
}

impl Shown {
    fn apply(&mut self, batch: &ChangeBatch) -> Result<()> {
        let rows = self.codec.encode(batch.rows.columns(), batch.len());
        for i in 0..batch.len() {
            let slot = self.table.slot(rows.row(i), 0)?;
            let copies = &mut self.table.store[slot as usize];
            if batch.kind(i).is_plus() {
                if copies.count == 0 {
                    copies.order = self.next;
                    self.next += 1;
                }
                copies.count += 1;
            } else {
                copies.count = (copies.count - 1).max(0);
            }
            if copies.count == 0 {
                self.table.remove(slot);
            }
        }
        Ok(())
    }

    /// Everything as inserted rows.
    fn batches(&self) -> Result<Vec<ChangeBatch>> {
        let mut slots: Vec<u32> = self.table.live().collect();
        slots.sort_by_key(|&s| self.table.store[s as usize].order);
        let rows: Vec<&[u8]> = slots
            .iter()
            .flat_map(|&s| {
                let copies = self.table.store[s as usize].count.max(0) as usize;
                std::iter::repeat_n(self.table.key(s), copies)
            })
            .collect();
        rows.chunks(TARGET_ROWS)
            .map(|chunk| {
                let columns = self.codec.decode(chunk.iter().copied())?;
                ChangeBatch::from_columns(self.schema.clone(), columns, chunk.len(), None)
            })
            .collect()
    }
}

impl Operator for Collect {
    fn open(&mut self, _: &TaskContext) -> Result<()> {
        if let Some(shown) = &mut self.shown {
            let order = |s: u32| shown.table.store[s as usize].order + 1;
            shown.next = shown.table.live().map(order).max().unwrap_or(0);
            let batches = shown.batches()?;
            batches.into_iter().for_each(|b| self.send(b));
        }
        Ok(())
    }

    fn push(&mut self, _input: usize, batch: ChangeBatch, _out: &mut Out) -> Result<Step> {
        let batch = match &self.check {
            Some(check) => check.passing(batch)?,
            None => batch,
        };
        if let Some(shown) = &mut self.shown {
            shown.apply(&batch)?;
        }
        self.send(batch);
        Ok(Step::Done)
    }

    fn barrier(&mut self, barrier: &Barrier, seal: &mut Seal) -> Result<()> {
        if let Some(shown) = &mut self.shown {
            seal.tables.push(shown.table.seal(barrier.full)?);
        }
        Ok(())
    }

    fn restore(&mut self, seal: &Seal, context: &TaskContext) -> Result<()> {
        let Some(shown) = &mut self.shown else { return Ok(()) };
        // All rows go to instance 0, whatever their key group.
        seal.tables.iter().try_for_each(|t| shown.table.restore(t, |_| context.subtask == 0))
    }
}
