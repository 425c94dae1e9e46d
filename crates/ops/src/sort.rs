//! ORDER BY: of bounded input at its end, or by a time attribute as the
//! watermark passes.
//!
//! Rows are kept as they came; a retraction takes an equal row away. The sort is
//! stable.

use arrow::array::UInt32Array;
use arrow::datatypes::SchemaRef;
use weir_core::batch::TARGET_ROWS;
use weir_core::{ChangeBatch, Error, Result, Schema};
use weir_runtime::{Barrier, Mark, Operator, Out, Seal, Step, TaskContext};
use weir_spec::SortKey;
use weir_state::{KeyedTable, RowCodec};

use crate::bucket::Bucket;
use crate::util::*;

/// See the module.
pub struct Sort {
    order_by: Vec<SortKey>,
    offset: u64,
    fetch: Option<u64>,
    by_rowtime: bool,
    schema: SchemaRef,
    codec: RowCodec,
    buffer: Vec<ChangeBatch>,
    watermark: i64,
    /// Time of the last row that left: Flink calls a row late only behind that.
    last: i64,
    ready: Option<ChangeBatch>,
    at: usize,
    held_mark: Option<Mark>,
    max_parallelism: u32,
}

impl Sort {
    /// Builds the operator.
    pub fn new(
        order_by: &[SortKey],
        offset: u64,
        fetch: Option<u64>,
        by_rowtime: bool,
        input: &Schema,
        output: &Schema,
        max_parallelism: u32,
    ) -> Result<Self> {
        if by_rowtime && (offset > 0 || fetch.is_some() || order_by.is_empty()) {
            return Err(Error::internal("a sort by time attribute takes no limit"));
        }
        Ok(Self {
            order_by: order_by.to_vec(),
            offset,
            fetch,
            by_rowtime,
            schema: output.to_arrow(),
            codec: RowCodec::new(input),
            buffer: Vec::new(),
            watermark: i64::MIN,
            last: i64::MIN,
            ready: None,
            at: 0,
            held_mark: None,
            max_parallelism,
        })
    }

    /// Rows at `indices` in sort order.
    fn sorted(&self, all: &ChangeBatch, mut indices: Vec<u32>) -> Result<ChangeBatch> {
        if !self.order_by.is_empty() {
            let keys = sort_rows(all, &self.order_by)?;
            indices.sort_by(|&a, &b| keys.row(a as usize).cmp(&keys.row(b as usize)));
        }
        all.take(&UInt32Array::from(indices))
    }

    fn all(&mut self) -> Result<ChangeBatch> {
        let parts = std::mem::take(&mut self.buffer);
        ChangeBatch::concat(&self.schema, &parts)
    }

    /// Positions of the rows that are left when retractions have taken theirs.
    fn surviving(&self, all: &ChangeBatch) -> Vec<u32> {
        let Some(kinds) = all.kind_bytes() else { return (0..all.len() as u32).collect() };
        let rows = self.codec.encode(all.rows.columns(), all.len());
        let mut live: hashbrown::HashMap<&[u8], Vec<u32>> = hashbrown::HashMap::new();
        for (i, &kind) in kinds.iter().enumerate() {
            let list = live.entry(rows.row(i)).or_default();
            if is_minus(kind) {
                list.pop();
            } else {
                list.push(i as u32);
            }
        }
        let mut all: Vec<u32> = live.into_values().flatten().collect();
        all.sort_unstable();
        all
    }

    /// Splits off what the watermark has released.
    fn release(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let all = self.all()?;
        let times = Times::of(all.column(self.order_by[0].column))?;
        let due = |&i: &u32| times.get(i as usize).is_none_or(|t| t <= self.watermark);
        let (now, later): (Vec<u32>, Vec<u32>) = (0..all.len() as u32).partition(due);
        if !now.is_empty() {
            let newest = now.iter().filter_map(|&i| times.get(i as usize)).max();
            self.last = newest.unwrap_or(i64::MIN).max(self.last);
            self.ready = Some(self.sorted(&all, now)?);
            self.at = 0;
        }
        if !later.is_empty() {
            self.buffer.push(all.take(&UInt32Array::from(later))?);
        }
        Ok(())
    }
}

impl Operator for Sort {
    fn push(&mut self, _: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        if !self.by_rowtime {
            self.buffer.push(batch);
            return Ok(Step::Done);
        }
        let times = Times::of(batch.column(self.order_by[0].column))?;
        let keep: Vec<u32> = (0..batch.len() as u32)
            .filter(|&i| times.get(i as usize).is_some_and(|t| t > self.last))
            .collect();
        out.count_late((batch.len() - keep.len()) as u64);
        self.buffer.push(batch.take(&UInt32Array::from(keep))?);
        Ok(Step::Done)
    }

    fn more(&mut self, out: &mut Out) -> Result<Step> {
        if let Some(ready) = &self.ready {
            let n = TARGET_ROWS.min(ready.len() - self.at);
            let piece = ready.slice(self.at, n);
            let columns = piece.rows.columns().to_vec();
            out.data(batch_of(&self.schema, columns, vec![PLUS_I; n])?);
            self.at += n;
            if self.at < ready.len() {
                return Ok(Step::More);
            }
            self.ready = None;
        }
        if let Some(mark) = self.held_mark.take() {
            out.mark(mark);
        }
        Ok(Step::Done)
    }

    fn watermark(&mut self, mark: Mark, out: &mut Out) -> Result<Step> {
        self.held_mark = Some(mark);
        if let (Mark::Ts(ts), true) = (mark, self.by_rowtime) {
            self.watermark = ts;
            self.release()?;
        }
        self.more(out)
    }

    fn finish(&mut self, out: &mut Out) -> Result<Step> {
        if self.by_rowtime || self.buffer.is_empty() {
            return Ok(Step::Done);
        }
        let all = self.all()?;
        let sorted = self.sorted(&all, self.surviving(&all))?;
        let from = (self.offset as usize).min(sorted.len());
        let n = self.fetch.map_or(usize::MAX, |f| f as usize).min(sorted.len() - from);
        self.ready = Some(sorted.slice(from, n));
        self.at = 0;
        self.more(out)
    }

    fn barrier(&mut self, _: &Barrier, seal: &mut Seal) -> Result<()> {
        seal_times(&[self.watermark, self.last], seal);
        // All rows under one key: a sort runs in one instance.
        let mut table: KeyedTable<Vec<Bucket>> =
            KeyedTable::new(table_spec("buffer", 0, self.max_parallelism), Vec::new());
        let all = self.all()?;
        let live =
            if self.by_rowtime { (0..all.len() as u32).collect() } else { self.surviving(&all) };
        let rows = self.codec.encode(all.rows.columns(), all.len());
        let slot = table.slot(&[], 0)? as usize;
        live.iter().for_each(|&i| table.store[slot].push(rows.row(i as usize), &[], 0, false));
        seal.tables.push(table.seal(true)?);
        if !all.is_empty() {
            self.buffer.push(all);
        }
        Ok(())
    }

    fn restore(&mut self, seal: &Seal, context: &TaskContext) -> Result<()> {
        restore_times([&mut self.watermark, &mut self.last], seal);
        let mut table: KeyedTable<Vec<Bucket>> =
            KeyedTable::new(table_spec("buffer", 0, self.max_parallelism), Vec::new());
        restore_table(&mut table, seal, context)?;
        for bucket in &table.store {
            let columns = self.codec.decode(bucket.rows().iter().map(|e| &*e.row))?;
            let rows = bucket.rows().len();
            self.buffer.push(batch_of(&self.schema, columns, vec![PLUS_I; rows])?);
        }
        Ok(())
    }
}
