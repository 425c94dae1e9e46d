//! MIN and MAX: one value per slot for insert-only input, an ordered multiset
//! where rows can be taken away.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, StringArray};
use weir_core::types::TypeKind;
use weir_core::{DataType, Error, Result};
use weir_state::Reader;
use weir_state::bytes::{put_bytes, put_i64, put_varint};

use super::Accumulator;
use super::fold::*;

/// A comparable form of a column's values.
trait Key: Ord + Clone + Send {
    /// Calls `f` for every non-NULL value that counts.
    fn each(
        array: &ArrayRef,
        rows: &Rows<'_>,
        ty: &DataType,
        f: impl FnMut(usize, u8, Self),
    ) -> Result<()>;
    fn column(keys: Vec<Option<Self>>, ty: &DataType) -> Result<ArrayRef>;
    /// Whether this is a NaN: neither less nor greater than any number.
    fn is_nan(&self) -> bool {
        false
    }
    fn write(&self, out: &mut Vec<u8>);
    fn read(input: &mut Reader<'_>) -> Result<Self>;
}

/// Maps a double to an integer of the same order; NaN is the largest.
fn ordered(v: f64) -> i64 {
    let bits = (v + 0.0).to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

fn unordered(k: i64) -> f64 {
    f64::from_bits((k ^ (((k >> 63) as u64) >> 1) as i64) as u64)
}

impl Key for i64 {
    fn each(
        array: &ArrayRef,
        rows: &Rows<'_>,
        ty: &DataType,
        mut f: impl FnMut(usize, u8, Self),
    ) -> Result<()> {
        if ty.is_approximate() {
            return each_float(array, rows, |s, op, v| f(s, op, ordered(v)));
        }
        each_int(array, rows, f)
    }
    fn column(keys: Vec<Option<Self>>, ty: &DataType) -> Result<ArrayRef> {
        let valid = keys.iter().map(Option::is_some).collect();
        if ty.is_approximate() {
            let values = keys.into_iter().map(|k| k.map_or(0.0, unordered)).collect();
            return floats_to_array(values, valid, ty);
        }
        ints_to_array(keys.into_iter().map(Option::unwrap_or_default).collect(), valid, ty)
    }
    fn is_nan(&self) -> bool {
        unordered(*self).is_nan()
    }
    fn write(&self, out: &mut Vec<u8>) {
        put_i64(out, *self);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self> {
        input.i64()
    }
}

impl Key for i128 {
    fn each(
        array: &ArrayRef,
        rows: &Rows<'_>,
        _: &DataType,
        f: impl FnMut(usize, u8, Self),
    ) -> Result<()> {
        each_decimal(array, rows, f)
    }
    fn column(keys: Vec<Option<Self>>, ty: &DataType) -> Result<ArrayRef> {
        let scale = if let TypeKind::Decimal(_, s) = ty.kind { s } else { 0 };
        let valid = keys.iter().map(Option::is_some).collect();
        let values = keys.into_iter().map(Option::unwrap_or_default).collect();
        decimals_to_array(values, valid, scale, ty)
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }
    fn read(input: &mut Reader<'_>) -> Result<Self> {
        input.i128()
    }
}

impl Key for Box<[u8]> {
    fn each(
        array: &ArrayRef,
        rows: &Rows<'_>,
        _: &DataType,
        mut f: impl FnMut(usize, u8, Self),
    ) -> Result<()> {
        each_bytes(array, rows, |s, op, v| f(s, op, v.into()))
    }
    fn column(keys: Vec<Option<Self>>, ty: &DataType) -> Result<ArrayRef> {
        if !ty.is_string() {
            return Ok(Arc::new(BinaryArray::from_iter(keys)));
        }
        let texts = keys
            .iter()
            .map(|k| k.as_deref().map(std::str::from_utf8).transpose())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| Error::internal("a string state is not UTF-8"))?;
        Ok(Arc::new(StringArray::from(texts)))
    }
    fn write(&self, out: &mut Vec<u8>) {
        put_bytes(out, self);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self> {
        Ok(input.bytes()?.into())
    }
}

/// Insert-only: the best value so far.
struct Best<K> {
    min: bool,
    ty: DataType,
    slots: Vec<Option<K>>,
}

/// With retractions: all values with their counts.
struct Multiset<K> {
    min: bool,
    ty: DataType,
    slots: Vec<BTreeMap<K, i64>>,
}

/// MIN or MAX over a comparable type.
pub fn build(
    arg: &DataType,
    ty: &DataType,
    min: bool,
    retracts: bool,
) -> Result<Box<dyn Accumulator>> {
    fn of<K: Key + 'static>(ty: &DataType, min: bool, retracts: bool) -> Box<dyn Accumulator> {
        let ty = ty.clone();
        if retracts {
            Box::new(Multiset::<K> { min, ty, slots: Vec::new() })
        } else {
            Box::new(Best::<K> { min, ty, slots: Vec::new() })
        }
    }
    Ok(if is_int_like(arg) || arg.is_approximate() {
        of::<i64>(ty, min, retracts)
    } else if matches!(arg.kind, TypeKind::Decimal(..)) {
        of::<i128>(ty, min, retracts)
    } else if arg.is_string() || arg.is_binary() {
        of::<Box<[u8]>>(ty, min, retracts)
    } else {
        return Err(Error::validation(format!("MIN and MAX do not work on {arg}")));
    })
}

impl<K: Key> Accumulator for Best<K> {
    fn resize(&mut self, slots: usize) {
        self.slots.resize(slots, None);
    }
    fn clear(&mut self, slot: usize) {
        self.slots[slot] = None;
    }
    fn update(&mut self, rows: &Rows<'_>, args: &[ArrayRef]) -> Result<()> {
        let (slots, min) = (&mut self.slots, self.min);
        let floats = self.ty.is_approximate();
        K::each(&args[0], rows, &self.ty, |s, _, v| match &mut slots[s] {
            // A NaN stays where it came first, and never comes later.
            Some(best) if floats && (v.is_nan() || best.is_nan()) => {}
            Some(best) if (v < *best) == min || v == *best => {
                if v != *best {
                    *best = v;
                }
            }
            Some(_) => {}
            empty => *empty = Some(v),
        })
    }
    fn finish(&self, slots: &[u32]) -> Result<ArrayRef> {
        K::column(slots.iter().map(|&s| self.slots[s as usize].clone()).collect(), &self.ty)
    }
    fn write(&self, slot: usize, out: &mut Vec<u8>) {
        out.push(u8::from(self.slots[slot].is_some()));
        if let Some(v) = &self.slots[slot] {
            v.write(out);
        }
    }
    fn merge(&mut self, slot: usize, input: &mut Reader<'_>) -> Result<()> {
        if input.u8()? == 1 {
            let v = K::read(input)?;
            let best = &mut self.slots[slot];
            if best.as_ref().is_none_or(|b| if self.min { v < *b } else { v > *b }) {
                *best = Some(v);
            }
        }
        Ok(())
    }
}

impl<K: Key> Accumulator for Multiset<K> {
    fn resize(&mut self, slots: usize) {
        self.slots.resize_with(slots, BTreeMap::new);
    }
    fn clear(&mut self, slot: usize) {
        self.slots[slot].clear();
    }
    fn update(&mut self, rows: &Rows<'_>, args: &[ArrayRef]) -> Result<()> {
        let slots = &mut self.slots;
        K::each(&args[0], rows, &self.ty, |s, op, v| {
            let delta = if op & MINUS == 0 { 1 } else { -1 };
            match slots[s].get_mut(&v) {
                // A count may be negative for a while: a -U can overtake its row.
                Some(n) if *n + delta != 0 => *n += delta,
                Some(_) => drop(slots[s].remove(&v)),
                None => drop(slots[s].insert(v, delta)),
            }
        })
    }
    fn finish(&self, slots: &[u32]) -> Result<ArrayRef> {
        let best = |&s: &u32| {
            let set = &self.slots[s as usize];
            let mut live = set.iter().filter(|(_, n)| **n > 0).map(|(k, _)| k);
            if self.min { live.next().cloned() } else { live.next_back().cloned() }
        };
        K::column(slots.iter().map(best).collect(), &self.ty)
    }
    fn write(&self, slot: usize, out: &mut Vec<u8>) {
        put_varint(out, self.slots[slot].len() as u64);
        for (k, n) in &self.slots[slot] {
            k.write(out);
            put_i64(out, *n);
        }
    }
    fn merge(&mut self, slot: usize, input: &mut Reader<'_>) -> Result<()> {
        for _ in 0..input.varint()? {
            let k = K::read(input)?;
            *self.slots[slot].entry(k).or_insert(0) += input.i64()?;
        }
        self.slots[slot].retain(|_, n| *n != 0);
        Ok(())
    }
}
