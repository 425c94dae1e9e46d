//! Casts between numbers, booleans and numbers of intervals.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Decimal128Array, PrimitiveArray,
};
use arrow::datatypes::{
    DataType as ArrowType, DurationMillisecondType, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, IntervalYearMonthType,
};
use weir_core::{DataType, Error, Result, TypeKind};

use crate::args::build_numbers;
use crate::decimal::{decimal, float_of, pow10, rescale};

fn unfit(array: &ArrayRef, to: &DataType) -> Error {
    Error::internal(format!("cast of {} to {to}", array.data_type()))
}

/// Number to number.
pub(super) fn cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    macro_rules! ints {
        ($t:ty) => {{
            let a = array.as_primitive::<$t>();
            from_int(a, to, |x| i64::from(x))
        }};
    }
    match array.data_type() {
        ArrowType::Int8 => ints!(Int8Type),
        ArrowType::Int16 => ints!(Int16Type),
        ArrowType::Int32 => ints!(Int32Type),
        ArrowType::Int64 => ints!(Int64Type),
        ArrowType::Float32 => {
            from_float(array.as_primitive::<Float32Type>(), to, f64::from, |x| format!("{x}"))
        }
        ArrowType::Float64 => {
            from_float(array.as_primitive::<Float64Type>(), to, |x| x, |x| format!("{x}"))
        }
        ArrowType::Decimal128(_, s) => from_decimal(array.as_primitive(), *s as u8, to),
        _ => Err(unfit(array, to)),
    }
}

/// Integers wrap when narrowed.
fn from_int<T: ArrowPrimitiveType>(
    a: &PrimitiveArray<T>,
    to: &DataType,
    wide: impl Fn(T::Native) -> i64,
) -> Result<ArrayRef> {
    Ok(match to.kind {
        TypeKind::TinyInt => Arc::new(a.unary::<_, Int8Type>(|x| wide(x) as i8)),
        TypeKind::SmallInt => Arc::new(a.unary::<_, Int16Type>(|x| wide(x) as i16)),
        TypeKind::Int => Arc::new(a.unary::<_, Int32Type>(|x| wide(x) as i32)),
        TypeKind::BigInt => Arc::new(a.unary::<_, Int64Type>(&wide)),
        TypeKind::Float => Arc::new(a.unary::<_, Float32Type>(|x| wide(x) as f32)),
        TypeKind::Double => Arc::new(a.unary::<_, Float64Type>(|x| wide(x) as f64)),
        TypeKind::Decimal(p, s) => {
            let (factor, limit) = (pow10(s), pow10(p));
            if p.saturating_sub(s) >= 19 {
                return decimal(a.unary(|x| i128::from(wide(x)) * factor), p, s);
            }
            let out: Decimal128Array = build_numbers(a.len(), a.nulls().cloned(), &mut |i| {
                let v = i128::from(wide(a.value(i))).checked_mul(factor);
                Ok(v.filter(|v| v.abs() < limit))
            })?;
            decimal(out, p, s)?
        }
        _ => return Err(Error::internal(format!("cast of an integer to {to}"))),
    })
}

/// Java's narrowing: NaN is 0, integers saturate, then bytes and shorts wrap.
fn from_float<T: ArrowPrimitiveType>(
    a: &PrimitiveArray<T>,
    to: &DataType,
    wide: impl Fn(T::Native) -> f64,
    text: impl Fn(T::Native) -> String,
) -> Result<ArrayRef> {
    Ok(match to.kind {
        TypeKind::TinyInt => Arc::new(a.unary::<_, Int8Type>(|x| wide(x) as i32 as i8)),
        TypeKind::SmallInt => Arc::new(a.unary::<_, Int16Type>(|x| wide(x) as i32 as i16)),
        TypeKind::Int => Arc::new(a.unary::<_, Int32Type>(|x| wide(x) as i32)),
        TypeKind::BigInt => Arc::new(a.unary::<_, Int64Type>(|x| wide(x) as i64)),
        TypeKind::Float => Arc::new(a.unary::<_, Float32Type>(|x| wide(x) as f32)),
        TypeKind::Double => Arc::new(a.unary::<_, Float64Type>(wide)),
        TypeKind::Decimal(p, s) => {
            let out: Decimal128Array = build_numbers(a.len(), a.nulls().cloned(), &mut |i| {
                Ok(super::text::decimal_of(&text(a.value(i)), p, s).ok().flatten())
            })?;
            decimal(out, p, s)?
        }
        _ => return Err(Error::internal(format!("cast of a float to {to}"))),
    })
}

/// Decimals truncate to integers and round to fewer decimals; NULL if too large.
fn from_decimal(a: &Decimal128Array, scale: u8, to: &DataType) -> Result<ArrayRef> {
    let unit = pow10(scale);
    Ok(match to.kind {
        TypeKind::TinyInt => Arc::new(a.unary::<_, Int8Type>(|x| (x / unit) as i8)),
        TypeKind::SmallInt => Arc::new(a.unary::<_, Int16Type>(|x| (x / unit) as i16)),
        TypeKind::Int => Arc::new(a.unary::<_, Int32Type>(|x| (x / unit) as i32)),
        TypeKind::BigInt => Arc::new(a.unary::<_, Int64Type>(|x| (x / unit) as i64)),
        TypeKind::Float => Arc::new(a.unary::<_, Float32Type>(|x| float_of(x, scale) as f32)),
        TypeKind::Double => Arc::new(a.unary::<_, Float64Type>(|x| float_of(x, scale))),
        TypeKind::Decimal(p, s) => {
            let limit = pow10(p);
            let out: Decimal128Array = build_numbers(a.len(), a.nulls().cloned(), &mut |i| {
                Ok(rescale(a.value(i), scale, s).filter(|v| v.abs() < limit || p == 38))
            })?;
            decimal(out, p, s)?
        }
        _ => return Err(Error::internal(format!("cast of a DECIMAL to {to}"))),
    })
}

pub(super) fn to_boolean(array: &ArrayRef) -> Result<ArrayRef> {
    let wide = cast(array, &DataType::double())?;
    let a = wide.as_primitive::<Float64Type>();
    Ok(Arc::new(BooleanArray::from_unary(a, |x| x != 0.0)))
}

pub(super) fn from_boolean(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let Some(b) = array.as_boolean_opt() else { return Err(unfit(array, to)) };
    let ints: PrimitiveArray<Int64Type> = b.iter().map(|x| x.map(i64::from)).collect();
    from_int(&ints, to, |x| x)
}

pub(super) fn from_interval(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    if let Some(m) = array.as_primitive_opt::<IntervalYearMonthType>() {
        return from_int(m, to, i64::from);
    }
    match array.as_primitive_opt::<DurationMillisecondType>() {
        Some(m) => from_int(m, to, |x| x),
        None => Err(unfit(array, to)),
    }
}
