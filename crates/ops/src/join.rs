//! Regular join of two changelogs: inner, outer, semi and anti.
//!
//! Both sides keep their rows by join key. While rows of one side are processed
//! the other side's rows do not change, so the candidates of a whole stretch of
//! rows are evaluated against the residual predicate at once; what follows is a
//! sequential pass that keeps match counts (outer, semi, anti joins) and records
//! output as (own row, other row, kind), materialised with one `take` per own
//! column and one decode per other row.
//!
//! Rows with a NULL in a key that is not null-safe match nothing and are not kept.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, UInt32Array};
use arrow::compute;
use arrow::datatypes::SchemaRef;
use weir_core::batch::TARGET_ROWS;
use weir_core::keys::EncodedKeys;
use weir_core::{ChangeBatch, Result, Schema};
use weir_functions::EvalContext;
use weir_runtime::{Barrier, Operator, Out, Seal, Step, TaskContext, now_ms};
use weir_spec::{ChangelogMode, JoinKind, JoinSpec};
use weir_state::{EncodedRows, KeyedTable, PieceSink, RowCodec};

use crate::bucket::{Bucket, drop_empty};
use crate::program::Predicate;
use crate::util::*;

struct Side {
    keys: Vec<usize>,
    /// Unique key, where rows of an upsert input replace each other.
    unique: Option<Vec<usize>>,
    insert_only: bool,
    /// Rows of this side appear without a partner.
    outer: bool,
    codec: RowCodec,
    table: KeyedTable<Vec<Bucket>>,
}

/// A batch being processed.
struct Current {
    side: usize,
    batch: ChangeBatch,
    keys: EncodedKeys,
    rows: EncodedRows,
    ids: Option<EncodedKeys>,
    own: Vec<u32>,
    /// Slot of the same key on the other side.
    other: Vec<Option<u32>>,
    null_key: Vec<bool>,
    at: usize,
}

/// Recorded output rows.
#[derive(Default)]
struct Emission {
    own: Vec<Option<u32>>,
    /// (slot, position) on the other side.
    other: Vec<Option<(u32, u32)>>,
    kinds: Vec<u8>,
}

impl Emission {
    fn put(&mut self, own: Option<u32>, other: Option<(u32, u32)>, kind: u8) {
        self.own.push(own);
        self.other.push(other);
        self.kinds.push(kind);
    }
}

/// See the module.
pub struct Join {
    kind: JoinKind,
    null_safe: Vec<bool>,
    condition: Option<Predicate>,
    sides: [Side; 2],
    joined: SchemaRef,
    schema: SchemaRef,
    current: Option<Current>,
    context: EvalContext,
    /// State of a side is kept for a limited time.
    expires: bool,
}

impl Join {
    /// Builds the operator.
    pub fn new(
        spec: &JoinSpec,
        inputs: [&Schema; 2],
        modes: [ChangelogMode; 2],
        output: &Schema,
        context: EvalContext,
        ttl: i64,
        max_parallelism: u32,
    ) -> Result<Self> {
        let ttls = spec.state_ttl.map(|hint| hint.unwrap_or(ttl));
        let side = |i: usize, name, keys: &[usize], unique: &Option<Vec<usize>>, outer| Side {
            keys: keys.to_vec(),
            // Only rows that come without -U replace each other.
            unique: unique.clone().filter(|_| modes[i].update_after && !modes[i].update_before),
            insert_only: modes[i].is_insert_only(),
            outer,
            codec: RowCodec::new(inputs[i]),
            table: KeyedTable::new(spilling_spec(name, ttls[i], max_parallelism), Vec::new()),
        };
        let (left, right) = match spec.kind {
            JoinKind::Left => (true, false),
            JoinKind::Right => (false, true),
            JoinKind::Full => (true, true),
            _ => (false, false),
        };
        let mut fields = inputs[0].fields.clone();
        fields.extend(inputs[1].fields.iter().cloned());
        Ok(Self {
            kind: spec.kind,
            null_safe: spec.null_safe.clone(),
            condition: spec.condition.as_ref().map(Predicate::new).transpose()?,
            sides: [
                side(0, "left", &spec.left_keys, &spec.left_unique, left),
                side(1, "right", &spec.right_keys, &spec.right_unique, right),
            ],
            joined: Schema::new(fields).to_arrow(),
            schema: output.to_arrow(),
            current: None,
            context,
            expires: ttls.iter().any(|&t| t > 0),
        })
    }

    fn now(&self) -> i64 {
        if self.expires { now_ms() } else { 0 }
    }

    fn start(&mut self, input: usize, batch: ChangeBatch) -> Result<Current> {
        let now = self.now();
        let side = &mut self.sides[input];
        let key_columns = columns(&batch, &side.keys);
        let keys = EncodedKeys::encode(&key_columns, batch.len())?;
        let mut null_key = vec![false; batch.len()];
        for (c, safe) in key_columns.iter().zip(&self.null_safe) {
            if let (false, Some(nulls)) = (*safe, c.logical_nulls()) {
                null_key.iter_mut().enumerate().for_each(|(i, n)| *n |= nulls.is_null(i));
            }
        }
        let rows = side.codec.encode(batch.rows.columns(), batch.len());
        let ids = side
            .unique
            .as_ref()
            .map(|u| EncodedKeys::encode(&columns(&batch, u), batch.len()))
            .transpose()?;
        let mut own = Vec::new();
        side.table.hydrate(&keys, now, &mut own)?;
        let table = &mut self.sides[1 - input].table;
        table.fetch(&keys)?;
        let other = (0..batch.len())
            .map(|i| if null_key[i] { None } else { table.peek(keys.hash(i), keys.key(i), now) })
            .collect();
        Ok(Current { side: input, batch, keys, rows, ids, own, other, null_key, at: 0 })
    }

    /// Rows from `c.at` with about one batch of candidates: (end, pairs of row and position).
    fn candidates(&self, c: &Current) -> (usize, Vec<(u32, u32)>) {
        let table = &self.sides[1 - c.side].table;
        let mut pairs = Vec::new();
        let mut row = c.at;
        while row < c.batch.len() && pairs.len() < TARGET_ROWS {
            if let Some(slot) = c.other[row] {
                let n = table.store[slot as usize].rows().len() as u32;
                pairs.extend((0..n).map(|p| (row as u32, p)));
            }
            row += 1;
        }
        (row, pairs)
    }

    /// Which candidates pass the residual predicate.
    fn matching(&self, c: &Current, pairs: &[(u32, u32)]) -> Result<Option<BooleanArray>> {
        let Some(condition) = &self.condition else { return Ok(None) };
        let mut mask = Vec::with_capacity(pairs.len());
        for chunk in pairs.chunks(TARGET_ROWS) {
            let mut e = Emission::default();
            for &(row, p) in chunk {
                e.put(Some(row), c.other[row as usize].map(|s| (s, p)), PLUS_I);
            }
            let columns = self.joined_columns(c, &e)?;
            let rows =
                ChangeBatch::from_columns(Arc::clone(&self.joined), columns, chunk.len(), None)?;
            let passed = condition.eval(&rows.rows, &self.context)?;
            mask.extend((0..passed.len()).map(|i| passed.is_valid(i) && passed.value(i)));
        }
        Ok(Some(BooleanArray::from(mask)))
    }

    fn joined_columns(&self, c: &Current, e: &Emission) -> Result<Vec<ArrayRef>> {
        let own_indices = UInt32Array::from(e.own.clone());
        let own = take_all(c.batch.rows.columns(), &own_indices)?;
        let side = &self.sides[1 - c.side];
        let mut decoder = side.codec.decoder(e.other.len());
        for o in &e.other {
            match *o {
                Some((slot, p)) => {
                    decoder.push(&side.table.store[slot as usize].rows()[p as usize].row)?;
                }
                None => decoder.push_null(),
            }
        }
        let other = decoder.finish()?;
        Ok(if c.side == 0 { [own, other].concat() } else { [other, own].concat() })
    }

    /// Processes rows up to about one batch of output; false when the batch is done.
    fn advance(&mut self, c: &mut Current, out: &mut Out) -> Result<bool> {
        let (end, pairs) = self.candidates(c);
        let mask = self.matching(c, &pairs)?;
        let mut e = Emission::default();
        let mut next = 0;
        for row in c.at..end {
            let mut matched = Vec::new();
            while next < pairs.len() && pairs[next].0 as usize == row {
                if mask.as_ref().is_none_or(|m| m.value(next)) {
                    matched.push(pairs[next].1);
                }
                next += 1;
            }
            let kind = c.batch.kind(row) as u8;
            match self.kind {
                JoinKind::Semi | JoinKind::Anti => self.semi_row(c, row, kind, &matched, &mut e),
                _ => self.join_row(c, row, kind, &matched, &mut e),
            }
            self.keep(c, row, kind, matched.len() as u32);
        }
        c.at = end;
        self.emit(c, &e, out)?;
        Ok(end < c.batch.len())
    }

    fn join_row(&mut self, c: &Current, row: usize, kind: u8, matched: &[u32], e: &mut Emission) {
        let (own_outer, other_outer) = (self.sides[c.side].outer, self.sides[1 - c.side].outer);
        let minus = is_minus(kind);
        // Inner joins keep the input's kind; outer joins speak of inserts and deletes only.
        let pair_kind = match (own_outer || other_outer, minus) {
            (false, _) => kind,
            (true, false) => PLUS_I,
            (true, true) => MINUS_D,
        };
        let own = Some(row as u32);
        if matched.is_empty() && own_outer {
            e.put(own, None, pair_kind);
        }
        let Some(slot) = c.other[row] else { return };
        let table = &mut self.sides[1 - c.side].table;
        if other_outer && !matched.is_empty() {
            table.touch(slot);
        }
        let bucket = table.store[slot as usize].rows_mut();
        for &p in matched {
            let other = Some((slot, p));
            let matches = &mut bucket[p as usize].matches;
            if !other_outer {
                e.put(own, other, pair_kind);
            } else if minus {
                e.put(own, other, MINUS_D);
                *matches = matches.saturating_sub(1);
                if *matches == 0 {
                    e.put(None, other, PLUS_I);
                }
            } else {
                if *matches == 0 {
                    e.put(None, other, MINUS_D);
                }
                *matches += 1;
                e.put(own, other, PLUS_I);
            }
        }
    }

    fn semi_row(&mut self, c: &Current, row: usize, kind: u8, matched: &[u32], e: &mut Emission) {
        let anti = self.kind == JoinKind::Anti;
        if c.side == 0 {
            if matched.is_empty() == anti {
                e.put(Some(row as u32), None, kind);
            }
            return;
        }
        let Some(slot) = c.other[row] else { return };
        let table = &mut self.sides[0].table;
        if !matched.is_empty() {
            table.touch(slot);
        }
        let bucket = table.store[slot as usize].rows_mut();
        for &p in matched {
            let matches = &mut bucket[p as usize].matches;
            let other = Some((slot, p));
            if is_minus(kind) {
                *matches = matches.saturating_sub(1);
                if *matches == 0 {
                    e.put(None, other, if anti { PLUS_I } else { kind });
                }
            } else {
                *matches += 1;
                if *matches == 1 {
                    e.put(None, other, if anti { MINUS_D } else { kind });
                }
            }
        }
    }

    /// Applies the row to its own side's state.
    fn keep(&mut self, c: &Current, row: usize, kind: u8, matches: u32) {
        if c.null_key[row] {
            return;
        }
        let side = &mut self.sides[c.side];
        let bucket = &mut side.table.store[c.own[row] as usize];
        let bytes = c.rows.row(row);
        let id = c.ids.as_ref().map_or(&[][..], |ids| ids.key(row));
        let identity = if id.is_empty() { bytes } else { id };
        if is_minus(kind) {
            if let Some(at) = bucket.find(identity) {
                bucket.remove(at);
            }
        } else if let Some(at) = (!id.is_empty()).then(|| bucket.find(id)).flatten() {
            bucket.replace(at, bytes);
            bucket.rows_mut()[at].matches = matches;
        } else {
            bucket.push(bytes, id, matches, !side.insert_only);
        }
    }

    fn emit(&self, c: &Current, e: &Emission, out: &mut Out) -> Result<()> {
        if e.kinds.is_empty() {
            return Ok(());
        }
        let mut columns = if matches!(self.kind, JoinKind::Semi | JoinKind::Anti) && c.side == 0 {
            take_all(c.batch.rows.columns(), &UInt32Array::from(e.own.clone()))?
        } else {
            self.joined_columns(c, e)?
        };
        columns.truncate(self.schema.fields().len());
        for (column, field) in columns.iter_mut().zip(self.schema.fields()) {
            if column.data_type() != field.data_type() {
                *column = compute::cast(column, field.data_type())?;
            }
        }
        out.data(batch_of(&self.schema, columns, e.kinds.clone())?);
        Ok(())
    }
}

impl Operator for Join {
    fn push(&mut self, input: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        self.current = Some(self.start(input, batch)?);
        self.more(out)
    }

    fn more(&mut self, out: &mut Out) -> Result<Step> {
        let Some(mut c) = self.current.take() else { return Ok(Step::Done) };
        if self.advance(&mut c, out)? {
            self.current = Some(c);
            return Ok(Step::More);
        }
        drop_empty(&mut self.sides[c.side].table, &c.keys, &c.own);
        Ok(Step::Done)
    }

    fn seal_ahead(&mut self, sink: &Arc<dyn PieceSink>) {
        for (number, side) in self.sides.iter_mut().enumerate() {
            seal_ahead(&mut side.table, number, sink);
        }
    }

    fn barrier(&mut self, barrier: &Barrier, seal: &mut Seal) -> Result<()> {
        self.sides.iter_mut().try_for_each(|s| seal_table(&mut s.table, barrier, seal))
    }

    fn restore(&mut self, seal: &Seal, context: &TaskContext) -> Result<()> {
        self.sides.iter_mut().try_for_each(|s| restore_table(&mut s.table, seal, context))
    }

    fn wants_full_batches(&self) -> bool {
        true
    }
}
