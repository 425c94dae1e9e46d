//! COUNT, SUM, AVG, the variances and the bit aggregates.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Int64Array};
use arrow::datatypes::{DataType as ArrowType, Decimal128Type, Int64Type};
use weir_core::types::TypeKind;
use weir_core::{DataType, Error, Result};
use weir_state::Reader;
use weir_state::bytes::put_i64;

use super::Accumulator;
use super::fold::*;

fn sign(op: u8) -> i64 {
    1 - 2 * i64::from(op & MINUS)
}

/// COUNT(*) with no nullable argument, else the rows whose arguments are all not NULL.
pub struct Count {
    nullable: usize,
    counts: Vec<i64>,
}

impl Count {
    pub fn new(nullable: usize) -> Self {
        Self { nullable, counts: Vec::new() }
    }
}

impl Accumulator for Count {
    fn resize(&mut self, slots: usize) {
        self.counts.resize(slots, 0);
    }
    fn clear(&mut self, slot: usize) {
        self.counts[slot] = 0;
    }
    fn update(&mut self, rows: &Rows<'_>, args: &[ArrayRef]) -> Result<()> {
        let nulls: Vec<_> = if self.nullable == 0 {
            Vec::new()
        } else {
            args.iter()
                .filter(|a| a.logical_null_count() > 0)
                .filter_map(|a| a.logical_nulls())
                .collect()
        };
        let counts = &mut self.counts;
        if nulls.is_empty() {
            rows.each(|_, s, op| counts[s] += sign(op));
        } else {
            rows.each(|i, s, op| {
                if nulls.iter().all(|n| n.is_valid(i)) {
                    counts[s] += sign(op);
                }
            });
        }
        Ok(())
    }
    fn finish(&self, slots: &[u32]) -> Result<ArrayRef> {
        let values = slots.iter().map(|&s| self.counts[s as usize]).collect();
        ints_to_array(values, Vec::new(), &DataType::bigint())
    }
    fn write(&self, slot: usize, out: &mut Vec<u8>) {
        put_i64(out, self.counts[slot]);
    }
    fn merge(&mut self, slot: usize, input: &mut Reader<'_>) -> Result<()> {
        self.counts[slot] += input.i64()?;
        Ok(())
    }
}

#[derive(Clone, Copy, Default)]
struct Sum<T> {
    sum: T,
    square: T,
    count: i64,
}

/// Counts of the slots, as the second column of a partial state.
fn counts<T>(sums: &[Sum<T>], slots: &[u32]) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(slots.iter().map(|&s| sums[s as usize].count)))
}

/// How a pair (sum, count) becomes the result.
#[derive(Clone, Copy, PartialEq)]
enum Finish {
    Sum,
    Sum0,
    Avg,
    Variance { sample: bool, root: bool },
}

/// Sums of 64-bit integers, which wrap.
struct IntSums {
    slots: Vec<Sum<i64>>,
    finish: Finish,
    ty: DataType,
    arg: DataType,
}

/// Sums of doubles (or floats, rounded at every step).
struct FloatSums {
    slots: Vec<Sum<f64>>,
    finish: Finish,
    ty: DataType,
    single: bool,
}

/// Sums of decimals; an overflow makes the sum NULL.
struct DecimalSums {
    slots: Vec<Sum<i128>>,
    finish: Finish,
    ty: DataType,
    scale: u8,
}

pub fn sum(arg: &DataType, ty: &DataType, zero: bool) -> Result<Box<dyn Accumulator>> {
    sums(arg, ty, if zero { Finish::Sum0 } else { Finish::Sum })
}

pub fn avg(arg: &DataType, ty: &DataType) -> Result<Box<dyn Accumulator>> {
    sums(arg, ty, Finish::Avg)
}

pub fn variance(name: &str, arg: &DataType, ty: &DataType) -> Result<Box<dyn Accumulator>> {
    let finish =
        Finish::Variance { sample: !name.ends_with("_POP"), root: name.starts_with("STDDEV") };
    if matches!(arg.kind, TypeKind::Decimal(..)) {
        let ty = ty.clone();
        return Ok(Box::new(FloatSums { slots: Vec::new(), finish, ty, single: false }));
    }
    sums(arg, ty, finish)
}

fn sums(arg: &DataType, ty: &DataType, finish: Finish) -> Result<Box<dyn Accumulator>> {
    let ty = ty.clone();
    Ok(match arg.kind {
        TypeKind::Decimal(_, scale) => {
            Box::new(DecimalSums { slots: Vec::new(), finish, ty, scale })
        }
        TypeKind::Float => {
            let single = matches!(finish, Finish::Sum | Finish::Sum0);
            Box::new(FloatSums { slots: Vec::new(), finish, ty, single })
        }
        TypeKind::Double => Box::new(FloatSums { slots: Vec::new(), finish, ty, single: false }),
        _ if is_int_like(arg) => {
            Box::new(IntSums { slots: Vec::new(), finish, ty, arg: arg.clone() })
        }
        _ => return Err(Error::validation(format!("a sum over {arg} is not possible"))),
    })
}

/// Wraps to the width of the integer type.
fn wrap(v: i64, ty: &DataType) -> i64 {
    match ty.kind {
        TypeKind::TinyInt => i64::from(v as i8),
        TypeKind::SmallInt => i64::from(v as i16),
        TypeKind::Int => i64::from(v as i32),
        _ => v,
    }
}

impl Accumulator for IntSums {
    fn resize(&mut self, slots: usize) {
        self.slots.resize(slots, Sum::default());
    }
    fn clear(&mut self, slot: usize) {
        self.slots[slot] = Sum::default();
    }
    fn update(&mut self, rows: &Rows<'_>, args: &[ArrayRef]) -> Result<()> {
        let slots = &mut self.slots;
        if matches!(self.finish, Finish::Variance { .. }) {
            let arg = &self.arg;
            return each_int(&args[0], rows, |s, op, v| {
                let sum = &mut slots[s];
                let sign = sign(op);
                sum.sum = sum.sum.wrapping_add(v.wrapping_mul(sign));
                sum.square =
                    sum.square.wrapping_add(wrap(v.wrapping_mul(v), arg).wrapping_mul(sign));
                sum.count += sign;
            });
        }
        each_int(&args[0], rows, |s, op, v| {
            let sum = &mut slots[s];
            let sign = sign(op);
            sum.sum = sum.sum.wrapping_add(v.wrapping_mul(sign));
            sum.count += sign;
        })
    }
    fn finish(&self, slots: &[u32]) -> Result<ArrayRef> {
        let mut values = Vec::with_capacity(slots.len());
        let mut valid = Vec::with_capacity(slots.len());
        if self.finish == Finish::Avg && self.ty.is_approximate() {
            let of = |s: &u32| &self.slots[*s as usize];
            let valid = slots.iter().map(|s| of(s).count != 0).collect();
            let avg = |s: &u32| of(s).sum as f64 / of(s).count as f64;
            return floats_to_array(slots.iter().map(avg).collect(), valid, &self.ty);
        }
        for &s in slots {
            let Sum { sum, square, count } = self.slots[s as usize];
            let result = match self.finish {
                Finish::Sum => (count != 0).then_some(sum),
                Finish::Sum0 => Some(sum),
                Finish::Avg => sum.checked_div(count),
                Finish::Variance { sample, root } => {
                    let wrapped = wrap(sum, &self.arg);
                    let mean_square =
                        wrap(wrapped.wrapping_mul(wrapped), &self.arg).checked_div(count);
                    let n = if sample { count - 1 } else { count };
                    mean_square
                        .and_then(|m| wrap(square, &self.arg).wrapping_sub(m).checked_div(n))
                        .map(|v| if root { (v as f64).sqrt() as i64 } else { v })
                }
            };
            values.push(result.unwrap_or_default());
            valid.push(result.is_some());
        }
        ints_to_array(values, valid, &self.ty)
    }
    fn write(&self, slot: usize, out: &mut Vec<u8>) {
        let s = self.slots[slot];
        put_i64(out, s.sum);
        put_i64(out, s.square);
        put_i64(out, s.count);
    }
    fn merge(&mut self, slot: usize, input: &mut Reader<'_>) -> Result<()> {
        let s = &mut self.slots[slot];
        s.sum = s.sum.wrapping_add(input.i64()?);
        s.square = s.square.wrapping_add(input.i64()?);
        s.count += input.i64()?;
        Ok(())
    }
    fn partial_types(&self) -> Option<Vec<ArrowType>> {
        let plain = !matches!(self.finish, Finish::Variance { .. });
        plain.then(|| vec![ArrowType::Int64; 2])
    }
    fn partial(&self, slots: &[u32]) -> Result<Vec<ArrayRef>> {
        let sums = slots.iter().map(|&s| self.slots[s as usize].sum);
        Ok(vec![Arc::new(Int64Array::from_iter_values(sums)), counts(&self.slots, slots)])
    }
    fn merge_partial(&mut self, slots: &[u32], state: &[ArrayRef]) -> Result<()> {
        let [sums, counts] = [0, 1].map(|i| state[i].as_primitive::<Int64Type>().values());
        for ((&slot, &sum), &count) in slots.iter().zip(sums).zip(counts) {
            let s = &mut self.slots[slot as usize];
            s.sum = s.sum.wrapping_add(sum);
            s.count += count;
        }
        Ok(())
    }
}

impl Accumulator for FloatSums {
    fn resize(&mut self, slots: usize) {
        self.slots.resize(slots, Sum::default());
    }
    fn clear(&mut self, slot: usize) {
        self.slots[slot] = Sum::default();
    }
    fn update(&mut self, rows: &Rows<'_>, args: &[ArrayRef]) -> Result<()> {
        let (slots, single) = (&mut self.slots, self.single);
        let squares = matches!(self.finish, Finish::Variance { .. });
        each_float(&args[0], rows, |s, op, v| {
            let sum = &mut slots[s];
            if op & RESET != 0 {
                *sum = Sum::default();
            }
            let sign = sign(op);
            sum.sum += v * sign as f64;
            if single {
                sum.sum = f64::from(sum.sum as f32);
            }
            if squares {
                sum.square += v * v * sign as f64;
            }
            sum.count += sign;
        })
    }
    fn finish(&self, slots: &[u32]) -> Result<ArrayRef> {
        let mut values = Vec::with_capacity(slots.len());
        let mut valid = Vec::with_capacity(slots.len());
        for &s in slots {
            let Sum { sum, square, count } = self.slots[s as usize];
            let n = count as f64;
            let result = match self.finish {
                Finish::Sum0 => Some(sum),
                Finish::Sum => (count != 0).then_some(sum),
                Finish::Avg => (count != 0).then_some(sum / n),
                Finish::Variance { sample, root } => {
                    let d = if sample { n - 1.0 } else { n };
                    let v = (square - sum * sum / n) / d;
                    (count != 0 && d != 0.0).then_some(if root { v.sqrt() } else { v })
                }
            };
            values.push(result.unwrap_or_default());
            valid.push(result.is_some());
        }
        floats_to_array(values, valid, &self.ty)
    }
    fn write(&self, slot: usize, out: &mut Vec<u8>) {
        let s = self.slots[slot];
        out.extend_from_slice(&s.sum.to_le_bytes());
        out.extend_from_slice(&s.square.to_le_bytes());
        put_i64(out, s.count);
    }
    fn merge(&mut self, slot: usize, input: &mut Reader<'_>) -> Result<()> {
        let s = &mut self.slots[slot];
        s.sum += input.f64()?;
        s.square += input.f64()?;
        s.count += input.i64()?;
        Ok(())
    }
}

impl Accumulator for DecimalSums {
    fn resize(&mut self, slots: usize) {
        self.slots.resize(slots, Sum::default());
    }
    fn clear(&mut self, slot: usize) {
        self.slots[slot] = Sum::default();
    }
    fn update(&mut self, rows: &Rows<'_>, args: &[ArrayRef]) -> Result<()> {
        let slots = &mut self.slots;
        each_decimal(&args[0], rows, |s, op, v| {
            let sum = &mut slots[s];
            let sign = sign(op);
            sum.sum = sum.sum.wrapping_add(v.wrapping_mul(sign.into()));
            sum.count += sign;
        })
    }
    fn finish(&self, slots: &[u32]) -> Result<ArrayRef> {
        let mut values = Vec::with_capacity(slots.len());
        let mut valid = Vec::with_capacity(slots.len());
        let to = if let TypeKind::Decimal(_, s) = self.ty.kind { s } else { self.scale };
        for &s in slots {
            let Sum { sum, count, .. } = self.slots[s as usize];
            let result = match self.finish {
                Finish::Sum0 => rescale(sum, self.scale, to),
                _ if count == 0 => None,
                Finish::Avg => rescale(sum, self.scale, to).map(|v| div_half_up(v, count.into())),
                _ => rescale(sum, self.scale, to),
            };
            values.push(result.unwrap_or_default());
            valid.push(result.is_some());
        }
        decimals_to_array(values, valid, to, &self.ty)
    }
    fn write(&self, slot: usize, out: &mut Vec<u8>) {
        let s = self.slots[slot];
        out.extend_from_slice(&s.sum.to_le_bytes());
        put_i64(out, s.count);
    }
    fn merge(&mut self, slot: usize, input: &mut Reader<'_>) -> Result<()> {
        let s = &mut self.slots[slot];
        s.sum = s.sum.wrapping_add(input.i128()?);
        s.count += input.i64()?;
        Ok(())
    }
    fn partial_types(&self) -> Option<Vec<ArrowType>> {
        Some(vec![ArrowType::Decimal128(38, 0), ArrowType::Int64])
    }
    fn partial(&self, slots: &[u32]) -> Result<Vec<ArrayRef>> {
        let sums = slots.iter().map(|&s| self.slots[s as usize].sum);
        let sums = Decimal128Array::from_iter_values(sums).with_precision_and_scale(38, 0)?;
        Ok(vec![Arc::new(sums), counts(&self.slots, slots)])
    }
    fn merge_partial(&mut self, slots: &[u32], state: &[ArrayRef]) -> Result<()> {
        let sums = state[0].as_primitive::<Decimal128Type>().values();
        let counts = state[1].as_primitive::<Int64Type>().values();
        for ((&slot, &sum), &count) in slots.iter().zip(sums).zip(counts) {
            let s = &mut self.slots[slot as usize];
            s.sum = s.sum.wrapping_add(sum);
            s.count += count;
        }
        Ok(())
    }
}

/// BIT_AND, BIT_OR, BIT_XOR by counting every bit, so that rows can be taken away.
struct Bits {
    which: char,
    slots: Vec<([u32; 64], i64)>,
    ty: DataType,
}

pub fn bits(name: &str, arg: &DataType, ty: &DataType) -> Result<Box<dyn Accumulator>> {
    if !arg.is_integer() {
        return Err(Error::validation(format!("{name} needs an integer, not {arg}")));
    }
    let which = if name.contains("AND") {
        '&'
    } else if name.contains("XOR") {
        '^'
    } else {
        '|'
    };
    Ok(Box::new(Bits { which, slots: Vec::new(), ty: ty.clone() }))
}

impl Accumulator for Bits {
    fn resize(&mut self, slots: usize) {
        self.slots.resize(slots, ([0; 64], 0));
    }
    fn clear(&mut self, slot: usize) {
        self.slots[slot] = ([0; 64], 0);
    }
    fn update(&mut self, rows: &Rows<'_>, args: &[ArrayRef]) -> Result<()> {
        let slots = &mut self.slots;
        each_int(&args[0], rows, |s, op, v| {
            let (bits, count) = &mut slots[s];
            *count += sign(op);
            for (i, b) in bits.iter_mut().enumerate() {
                let bit = ((v >> i) & 1) as u32;
                *b = if op & MINUS == 0 { b.wrapping_add(bit) } else { b.wrapping_sub(bit) };
            }
        })
    }
    fn finish(&self, slots: &[u32]) -> Result<ArrayRef> {
        let mut values = Vec::with_capacity(slots.len());
        for &s in slots {
            let (bits, count) = &self.slots[s as usize];
            let set = |b: u32| match self.which {
                '&' => i64::from(b) == *count,
                '^' => b % 2 == 1,
                _ => b > 0,
            };
            values.push(
                bits.iter().enumerate().fold(0i64, |v, (i, &b)| v | (i64::from(set(b)) << i)),
            );
        }
        let valid = slots.iter().map(|&s| self.slots[s as usize].1 != 0).collect();
        ints_to_array(values, valid, &self.ty)
    }
    fn write(&self, slot: usize, out: &mut Vec<u8>) {
        let (bits, count) = &self.slots[slot];
        bits.iter().for_each(|b| out.extend_from_slice(&b.to_le_bytes()));
        put_i64(out, *count);
    }
    fn merge(&mut self, slot: usize, input: &mut Reader<'_>) -> Result<()> {
        let (bits, count) = &mut self.slots[slot];
        for b in bits.iter_mut() {
            *b = b.wrapping_add(input.u32()?);
        }
        *count += input.i64()?;
        Ok(())
    }
}
