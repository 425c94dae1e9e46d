//! DISTINCT over input that only grows: calls over the same arguments share one set of
//! values per slot, and a bit per call says which of them has met a value.
//!
//! Nothing is ever taken away, so neither rows per value nor their order are kept; calls
//! whose result depends on the order stay with [`super::distinct`].
//!
//! Source of the sharing: Flink's distinct views, one per argument list with a bit per
//! filter.

use std::hash::Hash;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::buffer::NullBuffer;
use hashbrown::HashMap;
use weir_core::types::TypeKind;
use weir_core::{ChangeBatch, DataType, Result};
use weir_state::bytes::{put_bytes, put_i64, put_varint};
use weir_state::{EncodedRows, Reader, RowCodec};

use super::Accumulator;
use super::fold::{Rows, SKIP, each_int, ints_to_array};

/// At most so many calls share a set: one bit of a word each.
pub const MAX_CALLS: usize = u64::BITS as usize;

/// Whether values of the types are keys that take 8 bytes.
fn is_word(types: &[DataType]) -> bool {
    use TypeKind as K;
    matches!(
        types,
        [t] if matches!(
            t.kind,
            K::TinyInt | K::SmallInt | K::Int | K::BigInt | K::Date | K::Time(_)
                | K::Timestamp(..) | K::TimestampLtz(..)
        )
    )
}

/// The values of the slots and the accumulators behind them.
pub trait SharedDistinct: Send {
    /// Makes room for slots `0..slots`.
    fn resize(&mut self, slots: usize);
    /// Empties a slot.
    fn clear(&mut self, slot: usize);
    /// Folds a batch; `slots` has one slot per row.
    fn update(&mut self, batch: &ChangeBatch, slots: &[u32], ops: Option<&[u8]>) -> Result<()>;
    /// Results of one of the calls.
    fn finish(&self, call: usize, slots: &[u32]) -> Result<ArrayRef>;
    /// Appends the slot's state.
    fn write(&self, slot: usize, out: &mut Vec<u8>);
    /// Adds a written state to a slot.
    fn merge(&mut self, slot: usize, input: &mut Reader<'_>) -> Result<()>;
}

/// Builds the set of calls over the same argument columns `args` of the given types; each
/// call has its filter column and its accumulator of values that arrive once.
pub fn build(
    args: Vec<usize>,
    types: &[DataType],
    calls: Vec<(Option<usize>, Box<dyn Accumulator>)>,
) -> Box<dyn SharedDistinct> {
    let codec = RowCodec::of_types(types.iter().cloned());
    match types {
        [one] if is_word(types) => {
            Box::new(Shared::new(args, Words { ty: one.clone(), rows: Vec::new() }, calls))
        }
        _ => Box::new(Shared::new(args, Encoded { codec }, calls)),
    }
}

/// How argument columns become keys and back.
trait Keys: Send {
    type Key: Eq + Hash + Send;
    type Column;
    fn column(&mut self, args: &[ArrayRef], rows: usize) -> Result<Self::Column>;
    fn bits<'a>(
        set: &'a mut HashMap<Self::Key, u64>,
        column: &Self::Column,
        row: usize,
    ) -> &'a mut u64;
    fn write(key: &Self::Key, out: &mut Vec<u8>);
    fn read(input: &mut Reader<'_>) -> Result<Self::Key>;
    /// The argument columns of keys.
    fn columns(&self, keys: &[&Self::Key]) -> Result<Vec<ArrayRef>>;
}

/// One argument of up to 64 bits.
struct Words {
    ty: DataType,
    /// 0, 1, 2, .. as slots, so that a fold over slots sees row numbers.
    rows: Vec<u32>,
}

impl Keys for Words {
    type Key = i64;
    type Column = Vec<i64>;

    fn column(&mut self, args: &[ArrayRef], rows: usize) -> Result<Vec<i64>> {
        while self.rows.len() < rows {
            self.rows.push(self.rows.len() as u32);
        }
        let mut out = vec![0; rows];
        let all = Rows { slots: &self.rows[..rows], ops: None };
        args.iter().try_for_each(|a| each_int(a, &all, |row, _, v| out[row] = v))?;
        Ok(out)
    }
    fn bits<'a>(set: &'a mut HashMap<i64, u64>, column: &Vec<i64>, row: usize) -> &'a mut u64 {
        set.entry(column[row]).or_insert(0)
    }
    fn write(key: &i64, out: &mut Vec<u8>) {
        put_i64(out, *key);
    }
    fn read(input: &mut Reader<'_>) -> Result<i64> {
        input.i64()
    }
    fn columns(&self, keys: &[&i64]) -> Result<Vec<ArrayRef>> {
        let values: Vec<i64> = keys.iter().map(|k| **k).collect();
        let valid = vec![true; values.len()];
        Ok(vec![ints_to_array(values, valid, &self.ty)?])
    }
}

/// Any arguments, as encoded rows.
struct Encoded {
    codec: RowCodec,
}

impl Keys for Encoded {
    type Key = Box<[u8]>;
    type Column = EncodedRows;

    fn column(&mut self, args: &[ArrayRef], rows: usize) -> Result<EncodedRows> {
        Ok(self.codec.encode(args, rows))
    }
    fn bits<'a>(
        set: &'a mut HashMap<Box<[u8]>, u64>,
        column: &EncodedRows,
        row: usize,
    ) -> &'a mut u64 {
        set.entry_ref(column.row(row)).or_insert(0)
    }
    fn write(key: &Box<[u8]>, out: &mut Vec<u8>) {
        put_bytes(out, key);
    }
    fn read(input: &mut Reader<'_>) -> Result<Box<[u8]>> {
        Ok(input.bytes()?.into())
    }
    fn columns(&self, keys: &[&Box<[u8]>]) -> Result<Vec<ArrayRef>> {
        self.codec.decode(keys.iter().map(|k| &k[..]))
    }
}

struct Shared<K: Keys> {
    args: Vec<usize>,
    keys: K,
    calls: Vec<(Option<usize>, Box<dyn Accumulator>)>,
    slots: Vec<HashMap<K::Key, u64>>,
    /// Per row: the calls that count it, then those for which it is new.
    bits: Vec<u64>,
    ops: Vec<u8>,
}

impl<K: Keys> Shared<K> {
    fn new(args: Vec<usize>, keys: K, calls: Vec<(Option<usize>, Box<dyn Accumulator>)>) -> Self {
        Self { args, keys, calls, slots: Vec::new(), bits: Vec::new(), ops: Vec::new() }
    }

    /// Sets the bits of the calls that count each row.
    fn wanted(&mut self, batch: &ChangeBatch, args: &[ArrayRef], ops: Option<&[u8]>) {
        let rows = batch.len();
        let all = (0..self.calls.len()).fold(0, |bits, call| bits | 1 << call);
        let unfiltered = self.calls.iter().enumerate();
        let unfiltered =
            unfiltered.fold(0, |bits, (call, (f, _))| bits | u64::from(f.is_none()) << call);
        self.bits.clear();
        self.bits.resize(rows, unfiltered);
        for (call, (filter, _)) in self.calls.iter().enumerate() {
            let Some(filter) = filter else { continue };
            let mask: &BooleanArray = batch.column(*filter).as_boolean();
            for (row, bits) in self.bits.iter_mut().enumerate() {
                *bits |= u64::from(mask.is_valid(row) && mask.value(row)) << call;
            }
        }
        if let Some(ops) = ops {
            let kept = ops.iter().map(|op| if op & SKIP == 0 { all } else { 0 });
            self.bits.iter_mut().zip(kept).for_each(|(bits, kept)| *bits &= kept);
        }
        // A NULL is no value of a single argument, and one of several.
        if let [one] = args
            && let Some(nulls) = one.logical_nulls()
        {
            clear_nulls(&mut self.bits, &nulls);
        }
    }

    /// Hands the rows to the calls that have them as new.
    fn feed(&mut self, slots: &[u32], args: &[ArrayRef]) -> Result<()> {
        for (call, (_, accumulator)) in self.calls.iter_mut().enumerate() {
            self.ops.clear();
            let new = self.bits.iter().map(|bits| bits >> call & 1 == 1);
            self.ops.extend(new.map(|new| if new { 0 } else { SKIP }));
            accumulator.update(&Rows { slots, ops: Some(&self.ops) }, args)?;
        }
        Ok(())
    }
}

fn clear_nulls(bits: &mut [u64], nulls: &NullBuffer) {
    for (row, bits) in bits.iter_mut().enumerate() {
        if nulls.is_null(row) {
            *bits = 0;
        }
    }
}

impl<K: Keys> SharedDistinct for Shared<K> {
    fn resize(&mut self, slots: usize) {
        self.slots.resize_with(slots, HashMap::new);
        self.calls.iter_mut().for_each(|(_, a)| a.resize(slots));
    }
    fn clear(&mut self, slot: usize) {
        self.slots[slot] = HashMap::new();
        self.calls.iter_mut().for_each(|(_, a)| a.clear(slot));
    }
    fn update(&mut self, batch: &ChangeBatch, slots: &[u32], ops: Option<&[u8]>) -> Result<()> {
        let args: Vec<ArrayRef> = self.args.iter().map(|&a| batch.column(a).clone()).collect();
        self.wanted(batch, &args, ops);
        let column = self.keys.column(&args, batch.len())?;
        for (row, (bits, &slot)) in self.bits.iter_mut().zip(slots).enumerate() {
            if *bits != 0 {
                let seen = K::bits(&mut self.slots[slot as usize], &column, row);
                *bits &= !*seen;
                *seen |= *bits;
            }
        }
        self.feed(slots, &args)
    }
    fn finish(&self, call: usize, slots: &[u32]) -> Result<ArrayRef> {
        self.calls[call].1.finish(slots)
    }
    fn write(&self, slot: usize, out: &mut Vec<u8>) {
        let set = &self.slots[slot];
        put_varint(out, set.len() as u64);
        for (key, bits) in set {
            K::write(key, out);
            put_varint(out, *bits);
        }
    }
    fn merge(&mut self, slot: usize, input: &mut Reader<'_>) -> Result<()> {
        let mut keys = Vec::new();
        self.bits.clear();
        for _ in 0..input.varint()? {
            keys.push(K::read(input)?);
            self.bits.push(input.varint()?);
        }
        let column = self.keys.columns(&keys.iter().collect::<Vec<_>>())?;
        let set = &mut self.slots[slot];
        for (key, bits) in keys.into_iter().zip(&mut self.bits) {
            let seen = set.entry(key).or_insert(0);
            *bits &= !*seen;
            *seen |= *bits;
        }
        let slots = vec![slot as u32; self.bits.len()];
        self.feed(&slots, &column)
    }
}
