//! The loops: over primitive columns with the slot of every row at hand.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Date32Array, Decimal128Array,
    DurationMillisecondArray, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array,
    Int64Array, IntervalYearMonthArray, PrimitiveArray, Time32MillisecondArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    DataType as ArrowType, Date32Type, Decimal128Type, DurationMillisecondType, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalYearMonthType,
    Time32MillisecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType,
};
use weir_core::types::TypeKind;
use weir_core::value::timestamp_array;
use weir_core::{DataType, Error, Result};

/// Row flag: the row is taken away.
pub const MINUS: u8 = 1;
/// Row flag: the row does not count.
pub const SKIP: u8 = 2;
/// Row flag: the group was empty before this row; forget what is left of it.
pub const RESET: u8 = 4;

/// Slots and flags of the rows of a batch.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// Slot per row.
    pub slots: &'a [u32],
    /// Flags per row; absent = all plus.
    pub ops: Option<&'a [u8]>,
}

impl Rows<'_> {
    /// Flags of a row.
    pub fn op(&self, row: usize) -> u8 {
        self.ops.map_or(0, |o| o[row])
    }

    /// Calls `f(row, slot, flags)` for every row that counts.
    pub fn each(&self, mut f: impl FnMut(usize, usize, u8)) {
        match self.ops {
            None => self.slots.iter().enumerate().for_each(|(i, &s)| f(i, s as usize, 0)),
            Some(ops) => {
                for (i, (&s, &op)) in self.slots.iter().zip(ops).enumerate() {
                    if op & SKIP == 0 {
                        f(i, s as usize, op);
                    }
                }
            }
        }
    }
}

fn primitive<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    rows: &Rows<'_>,
    mut f: impl FnMut(usize, u8, T::Native),
) {
    let values = array.values();
    match (rows.ops, array.nulls()) {
        (None, None) => {
            for (&s, &v) in rows.slots.iter().zip(values.iter()) {
                f(s as usize, 0, v);
            }
        }
        (_, nulls) => rows.each(|i, s, op| {
            if nulls.is_none_or(|n| n.is_valid(i)) {
                f(s, op, values[i]);
            }
        }),
    }
}

/// Calls `f(slot, flags, value)` for non-NULL values of integer-like columns.
pub fn each_int(
    array: &ArrayRef,
    rows: &Rows<'_>,
    mut f: impl FnMut(usize, u8, i64),
) -> Result<()> {
    macro_rules! run {
        ($t:ty) => {
            primitive(array.as_primitive::<$t>(), rows, |s, op, v| f(s, op, i64::from(v)))
        };
    }
    match array.data_type() {
        ArrowType::Int8 => run!(Int8Type),
        ArrowType::Int16 => run!(Int16Type),
        ArrowType::Int32 => run!(Int32Type),
        ArrowType::Int64 => run!(Int64Type),
        ArrowType::Date32 => run!(Date32Type),
        ArrowType::Time32(_) => run!(Time32MillisecondType),
        ArrowType::Timestamp(TimeUnit::Microsecond, _) => run!(TimestampMicrosecondType),
        ArrowType::Timestamp(TimeUnit::Nanosecond, _) => run!(TimestampNanosecondType),
        ArrowType::Timestamp(..) => run!(TimestampMillisecondType),
        ArrowType::Interval(_) => run!(IntervalYearMonthType),
        ArrowType::Duration(_) => run!(DurationMillisecondType),
        ArrowType::Boolean => {
            let a = array.as_boolean();
            rows.each(|i, s, op| {
                if a.is_valid(i) {
                    f(s, op, i64::from(a.value(i)));
                }
            });
        }
        ArrowType::Null => {}
        other => return Err(Error::internal(format!("{other} is not integer-like"))),
    }
    Ok(())
}

/// Calls `f(slot, flags, value)` for non-NULL values of FLOAT, DOUBLE and integer columns.
pub fn each_float(
    array: &ArrayRef,
    rows: &Rows<'_>,
    mut f: impl FnMut(usize, u8, f64),
) -> Result<()> {
    match array.data_type() {
        ArrowType::Float32 => {
            primitive(array.as_primitive::<Float32Type>(), rows, |s, op, v| f(s, op, v.into()));
            Ok(())
        }
        ArrowType::Float64 => {
            primitive(array.as_primitive::<Float64Type>(), rows, f);
            Ok(())
        }
        ArrowType::Decimal128(_, scale) => {
            let unit = 10f64.powi((*scale).into());
            each_decimal(array, rows, |s, op, v| f(s, op, v as f64 / unit))
        }
        _ => each_int(array, rows, |s, op, v| f(s, op, v as f64)),
    }
}

/// Calls `f(slot, flags, unscaled value)` for non-NULL values of a DECIMAL column.
pub fn each_decimal(
    array: &ArrayRef,
    rows: &Rows<'_>,
    f: impl FnMut(usize, u8, i128),
) -> Result<()> {
    match array.as_primitive_opt::<Decimal128Type>() {
        Some(a) => primitive(a, rows, f),
        None => return Err(Error::internal(format!("{} is not DECIMAL", array.data_type()))),
    }
    Ok(())
}

/// Calls `f(slot, flags, bytes)` for non-NULL strings and bytes.
pub fn each_bytes(
    array: &ArrayRef,
    rows: &Rows<'_>,
    mut f: impl FnMut(usize, u8, &[u8]),
) -> Result<()> {
    match array.data_type() {
        ArrowType::Utf8 => {
            let a = array.as_string::<i32>();
            rows.each(|i, s, op| {
                if a.is_valid(i) {
                    f(s, op, a.value(i).as_bytes());
                }
            });
        }
        ArrowType::Binary => {
            let a = array.as_binary::<i32>();
            rows.each(|i, s, op| {
                if a.is_valid(i) {
                    f(s, op, a.value(i));
                }
            });
        }
        other => return Err(Error::internal(format!("{other} is neither text nor bytes"))),
    }
    Ok(())
}

/// Whether values of the type are folded as 64-bit integers.
pub fn is_int_like(ty: &DataType) -> bool {
    use TypeKind::*;
    matches!(
        ty.kind,
        Null | Boolean
            | TinyInt
            | SmallInt
            | Int
            | BigInt
            | Date
            | Time(_)
            | Timestamp(..)
            | TimestampLtz(..)
            | IntervalYearMonth(..)
            | IntervalDayTime(..)
    )
}

/// A column of the type from 64-bit integers (which wrap) and their validity.
pub fn ints_to_array(values: Vec<i64>, valid: Vec<bool>, ty: &DataType) -> Result<ArrayRef> {
    let nulls = valid.contains(&false).then(|| NullBuffer::from(valid));
    macro_rules! cast {
        ($array:ty, $native:ty) => {{
            let cast: Vec<$native> = values.into_iter().map(|v| v as $native).collect();
            Arc::new(<$array>::new(cast.into(), nulls)) as ArrayRef
        }};
    }
    Ok(match &ty.kind {
        TypeKind::Boolean => Arc::new(BooleanArray::new(
            values.into_iter().map(|v| v != 0).collect::<Vec<bool>>().into(),
            nulls,
        )),
        TypeKind::TinyInt => cast!(Int8Array, i8),
        TypeKind::SmallInt => cast!(Int16Array, i16),
        TypeKind::Int => cast!(Int32Array, i32),
        TypeKind::BigInt => cast!(Int64Array, i64),
        TypeKind::Float => cast!(Float32Array, f32),
        TypeKind::Double => cast!(Float64Array, f64),
        TypeKind::Date => cast!(Date32Array, i32),
        TypeKind::Time(_) => cast!(Time32MillisecondArray, i32),
        TypeKind::IntervalYearMonth(..) => cast!(IntervalYearMonthArray, i32),
        TypeKind::IntervalDayTime(..) => cast!(DurationMillisecondArray, i64),
        TypeKind::Timestamp(p, _) => {
            timestamp_array(Int64Array::new(values.into(), nulls), *p, false)
        }
        TypeKind::TimestampLtz(p, _) => {
            timestamp_array(Int64Array::new(values.into(), nulls), *p, true)
        }
        TypeKind::Decimal(..) => {
            return decimals_to_array(
                values.into_iter().map(i128::from).collect(),
                (0..).map_while(|i| nulls.as_ref().map(|n| i < n.len() && n.is_valid(i))).collect(),
                0,
                ty,
            );
        }
        _ => return Err(Error::internal(format!("{ty} does not hold integers"))),
    })
}

/// A column of the type from doubles and their validity; DECIMALs are rounded half up.
pub fn floats_to_array(values: Vec<f64>, valid: Vec<bool>, ty: &DataType) -> Result<ArrayRef> {
    let nulls = valid.contains(&false).then(|| NullBuffer::from(valid.clone()));
    Ok(match &ty.kind {
        TypeKind::Double => Arc::new(Float64Array::new(values.into(), nulls)),
        TypeKind::Float => {
            let values: Vec<f32> = values.into_iter().map(|v| v as f32).collect();
            Arc::new(Float32Array::new(values.into(), nulls))
        }
        TypeKind::Decimal(_, scale) => {
            let values = values.into_iter().map(|v| unscaled(v, *scale)).collect();
            return decimals_to_array(values, valid, *scale, ty);
        }
        TypeKind::TinyInt | TypeKind::SmallInt | TypeKind::Int => {
            // As Java narrows: to INT with saturation, and from there by cutting bits.
            let values = values.into_iter().map(|v| i64::from(v as i32)).collect();
            return ints_to_array(values, valid, ty);
        }
        _ => return ints_to_array(values.into_iter().map(|v| v as i64).collect(), valid, ty),
    })
}

/// A double as an unscaled decimal, rounded half up by its shortest text.
fn unscaled(v: f64, scale: u8) -> i128 {
    let text = format!("{}", v.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let scale = usize::from(scale);
    let kept = &fraction[..fraction.len().min(scale)];
    let digits = format!("{whole}{kept:0<scale$}");
    let up = fraction.as_bytes().get(scale).is_some_and(|d| *d >= b'5');
    let value = digits.parse::<i128>().unwrap_or(i128::MAX - 1) + i128::from(up);
    if v < 0.0 { -value } else { value }
}

/// A DECIMAL column from unscaled values of `scale`; what does not fit is NULL.
pub fn decimals_to_array(
    mut values: Vec<i128>,
    mut valid: Vec<bool>,
    scale: u8,
    ty: &DataType,
) -> Result<ArrayRef> {
    let TypeKind::Decimal(p, s) = ty.kind else {
        return Err(Error::internal(format!("{ty} is not DECIMAL")));
    };
    valid.resize(values.len(), true);
    let limit = 10i128.checked_pow(p.into()).unwrap_or(i128::MAX);
    for (v, ok) in values.iter_mut().zip(valid.iter_mut()).filter(|(_, ok)| **ok) {
        match rescale(*v, scale, s).filter(|r| r.abs() < limit) {
            Some(r) => *v = r,
            None => *ok = false,
        }
    }
    let nulls = valid.contains(&false).then(|| NullBuffer::from(valid));
    let array = Decimal128Array::new(values.into(), nulls);
    Ok(Arc::new(array.with_precision_and_scale(p, s as i8)?))
}

/// Changes the scale of an unscaled value, rounding half up.
pub fn rescale(v: i128, from: u8, to: u8) -> Option<i128> {
    if to >= from {
        return v.checked_mul(10i128.checked_pow(u32::from(to - from))?);
    }
    Some(div_half_up(v, 10i128.checked_pow(u32::from(from - to))?))
}

/// Division rounding half away from zero.
pub fn div_half_up(a: i128, b: i128) -> i128 {
    let (q, r) = (a / b, a % b);
    if r.unsigned_abs() * 2 >= b.unsigned_abs() {
        q + if (a < 0) == (b < 0) { 1 } else { -1 }
    } else {
        q
    }
}
