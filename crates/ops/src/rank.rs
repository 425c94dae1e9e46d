//! Top-N per partition, and LIMIT over a changelog.
//!
//! Every partition keeps its rows ordered by sort key, equal keys in order of
//! arrival; over insert-only input only rows that can still be visible. Per
//! batch and partition the difference between the visible rows before and after
//! leaves: by rank where the rank is an output column, else row by row.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::SchemaRef;
use hashbrown::HashMap;
use weir_core::batch::TARGET_ROWS;
use weir_core::keys::EncodedKeys;
use weir_core::{ChangeBatch, Error, Result, Schema};
use weir_runtime::{Barrier, Operator, Out, Seal, Step, TaskContext, now_ms};
use weir_spec::{RankSpec, SortKey};
use weir_state::bytes::{put_bytes, put_varint};
use weir_state::{KeyedTable, PieceSink, Reader, RowCodec, StateValue};

use crate::listed::{Held, Listed};
use crate::util::*;

type Bytes = Arc<[u8]>;
/// (rank, row) of the visible rows of a partition.
type Visible = Vec<(u64, Bytes)>;

/// How ranks are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    RowNumber,
    Rank,
    DenseRank,
}

impl Function {
    /// By its SQL name.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "ROW_NUMBER" => Ok(Function::RowNumber),
            "RANK" => Ok(Function::Rank),
            "DENSE_RANK" => Ok(Function::DenseRank),
            other => Err(Error::unsupported(format!("Top-N by {other}"))),
        }
    }
}

/// Rows of a partition: (sort key, row), ordered.
#[derive(Debug, Default)]
pub struct Partition {
    rows: Vec<(Bytes, Bytes)>,
}

impl Partition {
    /// Adds a row behind those with equal keys.
    pub fn insert(&mut self, key: &[u8], row: &[u8]) {
        let at = self.rows.partition_point(|r| *r.0 <= *key);
        self.rows.insert(at, (key.into(), row.into()));
    }

    /// Takes an equal row away; whether there was one.
    pub fn remove(&mut self, key: &[u8], row: &[u8]) -> bool {
        let from = self.rows.partition_point(|r| *r.0 < *key);
        let found =
            self.rows[from..].iter().take_while(|r| *r.0 == *key).position(|r| *r.1 == *row);
        found.map(|i| self.rows.remove(from + i)).is_some()
    }

    /// Whether a row with this key could not become visible among the first `end`.
    fn hopeless(&self, key: &[u8], end: u64, function: Function) -> bool {
        let Ok(end) = usize::try_from(end) else { return false };
        let Some(last) = end.checked_sub(1).and_then(|i| self.rows.get(i)) else { return end == 0 };
        match function {
            Function::RowNumber => *last.0 <= *key,
            Function::Rank => *last.0 < *key,
            Function::DenseRank => false,
        }
    }

    /// Forgets rows that can never be visible over insert-only input.
    pub fn truncate(&mut self, end: u64, function: Function) {
        let Ok(end) = usize::try_from(end) else { return };
        match function {
            Function::RowNumber => self.rows.truncate(end),
            Function::Rank if end > 0 && self.rows.len() > end => {
                let last = self.rows[end - 1].0.clone();
                let keep = self.rows.partition_point(|r| *r.0 <= *last);
                self.rows.truncate(keep);
            }
            _ => {}
        }
    }

    /// Makes the sort keys of restored rows again.
    pub fn rebuild_keys(
        &mut self,
        codec: &RowCodec,
        schema: &SchemaRef,
        order_by: &[SortKey],
    ) -> Result<()> {
        let columns = codec.decode(self.rows.iter().map(|r| &*r.1))?;
        let batch = batch_of(schema, columns, vec![PLUS_I; self.rows.len()])?;
        if let Some(keys) = sort_key_bytes(&batch, order_by)? {
            for (i, r) in self.rows.iter_mut().enumerate() {
                r.0 = keys.row(i).data().into();
            }
        }
        Ok(())
    }

    /// (rank, row) of the rows with ranks in `start..=end`.
    pub fn visible(&self, start: u64, end: u64, function: Function) -> Vec<(u64, Bytes)> {
        let mut out = Vec::new();
        let (mut rank, mut dense) = (0u64, 0u64);
        for (i, (key, row)) in self.rows.iter().enumerate() {
            if i == 0 || self.rows[i - 1].0 != *key {
                rank = i as u64 + 1;
                dense += 1;
            }
            let r = match function {
                Function::RowNumber => i as u64 + 1,
                Function::Rank => rank,
                Function::DenseRank => dense,
            };
            if r > end {
                break;
            }
            if r >= start {
                out.push((r, row.clone()));
            }
        }
        out
    }
}

impl StateValue for Partition {
    // Sort keys are made again from the rows when a partition is restored.
    fn write(&self, out: &mut Vec<u8>) {
        put_varint(out, self.rows.len() as u64);
        self.rows.iter().for_each(|r| put_bytes(out, &r.1));
    }
    fn read(input: &mut Reader<'_>) -> Result<Self> {
        let mut p = Partition::default();
        for _ in 0..input.varint()? {
            p.rows.push((Bytes::from([]), input.bytes()?.into()));
        }
        Ok(p)
    }
}

impl Listed for Partition {
    fn list(&self, each: &mut dyn FnMut(Held<'_>)) {
        self.rows.iter().for_each(|(_, row)| each(Held::row(0, row)));
    }
}

/// See the module.
pub struct Rank {
    spec: RankSpec,
    function: Function,
    retracts: bool,
    ttl: i64,
    table: KeyedTable<Vec<Partition>>,
    codec: RowCodec,
    input: SchemaRef,
    schema: SchemaRef,
    encoded: EncodedKeys,
    slots: Vec<u32>,
    marks: Vec<u32>,
}

impl Rank {
    /// Builds the operator.
    pub fn new(
        spec: &RankSpec,
        retracts: bool,
        ttl: i64,
        input: &Schema,
        output: &Schema,
        max_parallelism: u32,
    ) -> Result<Self> {
        Ok(Self {
            function: Function::parse(&spec.function)?,
            spec: spec.clone(),
            retracts,
            ttl,
            table: KeyedTable::new(spilling_spec("rows", ttl, max_parallelism), Vec::new()),
            codec: RowCodec::new(input),
            input: input.to_arrow(),
            schema: output.to_arrow(),
            encoded: EncodedKeys::default(),
            slots: Vec::new(),
            marks: Vec::new(),
        })
    }

    /// LIMIT and OFFSET over a changelog: ranks without order.
    pub fn limit(
        offset: u64,
        fetch: Option<u64>,
        update_before: bool,
        input: &Schema,
        output: &Schema,
        max_parallelism: u32,
    ) -> Result<Self> {
        let spec = RankSpec {
            partition: Vec::new(),
            order_by: Vec::new(),
            start: offset + 1,
            end: fetch.map_or(u64::MAX, |f| offset.saturating_add(f)),
            function: "ROW_NUMBER".into(),
            output_rank: false,
            update_before,
        };
        Self::new(&spec, true, 0, input, output, max_parallelism)
    }

    fn visible(&self, slot: u32) -> Vec<(u64, Bytes)> {
        let p = &self.table.store[slot as usize];
        p.visible(self.spec.start, self.spec.end, self.function)
    }

    /// Applies all rows; the touched partitions with what was visible before.
    fn apply(&mut self, batch: &ChangeBatch) -> Result<Vec<(u32, Visible)>> {
        let keys = sort_key_bytes(batch, &self.spec.order_by)?;
        let rows = self.codec.encode(batch.rows.columns(), batch.len());
        self.marks.resize(self.table.slots(), 0);
        let mut touched = Vec::new();
        for i in 0..batch.len() {
            let slot = self.slots[i];
            let key = keys.as_ref().map_or(&[][..], |k| k.row(i).data());
            let minus = is_minus(batch.kind(i) as u8);
            let partition = &self.table.store[slot as usize];
            if !self.retracts && partition.hopeless(key, self.spec.end, self.function) {
                continue;
            }
            if self.marks[slot as usize] == 0 {
                self.marks[slot as usize] = 1;
                touched.push((slot, self.visible(slot)));
            }
            let partition = &mut self.table.store[slot as usize];
            if minus {
                partition.remove(key, rows.row(i));
            } else {
                partition.insert(key, rows.row(i));
                if !self.retracts {
                    partition.truncate(self.spec.end, self.function);
                }
            }
        }
        touched.iter().for_each(|t| self.marks[t.0 as usize] = 0);
        Ok(touched)
    }

    fn difference(
        &self,
        old: &[(u64, Bytes)],
        new: &[(u64, Bytes)],
        d: &mut Difference,
    ) -> Result<()> {
        if self.spec.output_rank && self.function == Function::RowNumber {
            for i in 0..old.len().max(new.len()) {
                match (old.get(i), new.get(i)) {
                    (Some(o), Some(n)) if o.1 != n.1 => {
                        if self.spec.update_before {
                            d.put(o, MINUS_U)?;
                        }
                        d.put(n, PLUS_U)?;
                    }
                    (Some(o), None) => d.put(o, MINUS_D)?,
                    (None, Some(n)) => d.put(n, PLUS_I)?,
                    _ => {}
                }
            }
            return Ok(());
        }
        // With one visible row the partition is its key: the row is updated.
        if let ([o], [n], true) = (old, new, self.spec.start == self.spec.end) {
            if o.1 != n.1 {
                if self.spec.update_before {
                    d.put(o, MINUS_U)?;
                }
                d.put(n, PLUS_U)?;
            }
            return Ok(());
        }
        let with_rank = |r: &(u64, Bytes)| if self.spec.output_rank { r.0 } else { 0 };
        let mut counts: HashMap<(u64, &[u8]), i64> = HashMap::with_capacity(new.len());
        for n in new {
            *counts.entry((with_rank(n), &n.1)).or_insert(0) += 1;
        }
        for o in old {
            let left = counts.entry((with_rank(o), &o.1)).or_insert(0);
            *left -= 1;
            if *left < 0 {
                d.put(o, MINUS_D)?;
            }
        }
        for n in new {
            if let Some(left) = counts.get_mut(&(with_rank(n), &*n.1)).filter(|l| **l > 0) {
                *left -= 1;
                d.put(n, PLUS_I)?;
            }
        }
        Ok(())
    }
}

/// Sort keys as comparable bytes; None without sort columns.
pub fn sort_key_bytes(batch: &ChangeBatch, keys: &[SortKey]) -> Result<Option<arrow::row::Rows>> {
    if keys.is_empty() { Ok(None) } else { Ok(Some(sort_rows(batch, keys)?)) }
}

/// Collects output rows with their ranks.
pub struct Difference {
    rows: RowsOut,
    ranks: Vec<i64>,
}

impl Difference {
    /// For rows of the codec.
    pub fn new(codec: &RowCodec) -> Self {
        Self { rows: RowsOut::new(codec), ranks: Vec::new() }
    }
    /// Adds a row.
    pub fn put(&mut self, row: &(u64, Bytes), kind: u8) -> Result<()> {
        self.ranks.push(row.0 as i64);
        self.rows.push(&row.1, kind)
    }
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.ranks.len()
    }
    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.ranks.is_empty()
    }
    /// The batch; with the rank as last column if the schema has room for it.
    pub fn batch(self, schema: &SchemaRef) -> Result<ChangeBatch> {
        let (mut columns, kinds) = self.rows.finish()?;
        if schema.fields().len() > columns.len() {
            let ranks: ArrayRef = Arc::new(Int64Array::from(self.ranks));
            columns.push(ranks);
        }
        batch_of(schema, columns, kinds)
    }
}

impl Operator for Rank {
    fn push(&mut self, _: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        let now = if self.ttl > 0 { now_ms() } else { 0 };
        self.encoded.encode_into(&columns(&batch, &self.spec.partition), batch.len())?;
        self.table.hydrate(&self.encoded, now, &mut self.slots)?;
        let (codec, input, order) = (&self.codec, &self.input, &self.spec.order_by);
        self.table.each_recalled(|p| p.rebuild_keys(codec, input, order))?;
        let mut d = Difference::new(&self.codec);
        for (slot, old) in self.apply(&batch)? {
            self.difference(&old, &self.visible(slot), &mut d)?;
            if self.table.store[slot as usize].rows.is_empty() {
                self.table.remove(slot);
            }
            if d.len() >= TARGET_ROWS {
                let full = std::mem::replace(&mut d, Difference::new(&self.codec));
                out.data(full.batch(&self.schema)?);
            }
        }
        out.data(d.batch(&self.schema)?);
        Ok(Step::Done)
    }

    fn seal_ahead(&mut self, sink: &Arc<dyn PieceSink>) {
        seal_ahead(&mut self.table, 0, sink);
    }

    fn barrier(&mut self, barrier: &Barrier, seal: &mut Seal) -> Result<()> {
        seal_table(&mut self.table, barrier, seal)
    }

    fn restore(&mut self, seal: &Seal, context: &TaskContext) -> Result<()> {
        restore_table(&mut self.table, seal, context)?;
        for p in &mut self.table.store {
            p.rebuild_keys(&self.codec, &self.input, &self.spec.order_by)?;
        }
        Ok(())
    }

    fn wants_full_batches(&self) -> bool {
        true
    }
}

/// LIMIT and OFFSET over insert-only input: counts and forgets.
pub struct Limit {
    schema: SchemaRef,
    skip: u64,
    left: u64,
}

impl Limit {
    /// Builds the operator.
    pub fn new(offset: u64, fetch: Option<u64>, output: &Schema) -> Self {
        Self { schema: output.to_arrow(), skip: offset, left: fetch.unwrap_or(u64::MAX) }
    }
}

impl Operator for Limit {
    fn push(&mut self, _: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        let rows = batch.len() as u64;
        let from = self.skip.min(rows);
        let n = self.left.min(rows - from);
        self.skip -= from;
        self.left -= n;
        let piece = batch.slice(from as usize, n as usize);
        let columns = piece.rows.columns().to_vec();
        out.data(batch_of(&self.schema, columns, vec![PLUS_I; n as usize])?);
        Ok(Step::Done)
    }

    fn barrier(&mut self, _: &Barrier, seal: &mut Seal) -> Result<()> {
        seal.positions.push([self.skip.to_le_bytes(), self.left.to_le_bytes()].concat());
        Ok(())
    }

    fn restore(&mut self, seal: &Seal, context: &TaskContext) -> Result<()> {
        // Instance 0 did the counting: the furthest counters are its.
        for p in seal.positions.iter().filter(|_| context.subtask == 0) {
            let mut r = Reader::new(p);
            let (skip, left) = (r.i64()? as u64, r.i64()? as u64);
            self.skip = self.skip.min(skip);
            self.left = self.left.min(left);
        }
        Ok(())
    }
}
