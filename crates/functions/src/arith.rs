//! `+ - * / %` over numbers, and arithmetic of times and intervals.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use arrow::datatypes::{
    ArrowNativeTypeOp, DataType as ArrowType, Date32Type, Decimal128Type, DurationMillisecondType,
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalYearMonthType,
    Time32MillisecondType, i256,
};
use weir_core::{DataType, Error, Result, TypeKind};

use crate::args::{Args, Kernel};
use crate::calendar::{MS_PER_DAY, add_months};
use crate::decimal::{decimal, pow10};
use crate::intervals::{interval_array, interval_values};
use crate::site::Site;
use crate::ticks::{Ticks, timestamps, unit_of};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
}

pub(crate) fn kernel(site: &Site<'_>) -> Result<Option<Kernel>> {
    let op = match site.name {
        "+" => Op::Add,
        "-" => Op::Sub,
        "*" => Op::Mul,
        "/" => Op::Div,
        "%" => Op::Rem,
        _ => return Ok(None),
    };
    if site.args.len() == 1 {
        return Ok(Some(if op == Op::Sub { Arc::new(negate) } else { Arc::new(identity) }));
    }
    let (Some(a), Some(b)) = (site.ty(0), site.ty(1)) else {
        return Err(Error::internal(format!("'{}' needs two arguments", site.name)));
    };
    if a.is_numeric() && b.is_numeric() {
        return Ok(Some(numeric(op, a, site.ret)?));
    }
    Ok(Some(intervals(op, a, b)?))
}

fn identity(a: &Args<'_>) -> Result<ArrayRef> {
    Ok(a.cols[0].array().clone())
}

fn negate(a: &Args<'_>) -> Result<ArrayRef> {
    macro_rules! neg {
        ($t:ty) => {{
            let x = a.nums::<$t>(0)?;
            Arc::new(a.plain::<$t>(|i| x.get(i).neg_wrapping()))
        }};
    }
    Ok(match &a.ret.kind {
        TypeKind::TinyInt => neg!(Int8Type),
        TypeKind::SmallInt => neg!(Int16Type),
        TypeKind::Int => neg!(Int32Type),
        TypeKind::BigInt => neg!(Int64Type),
        TypeKind::Float => neg!(Float32Type),
        TypeKind::Double => neg!(Float64Type),
        TypeKind::IntervalYearMonth(..) => neg!(IntervalYearMonthType),
        TypeKind::IntervalDayTime(..) => neg!(DurationMillisecondType),
        TypeKind::Decimal(p, s) => {
            let x = a.nums::<Decimal128Type>(0)?;
            decimal(a.plain::<Decimal128Type>(|i| -x.get(i)), *p, *s)?
        }
        _ => return Err(Error::internal(format!("negation of {}", a.ret))),
    })
}

fn numeric(op: Op, operand: &DataType, ret: &DataType) -> Result<Kernel> {
    Ok(match operand.kind {
        TypeKind::TinyInt => integer::<Int8Type>(op, ret),
        TypeKind::SmallInt => integer::<Int16Type>(op, ret),
        TypeKind::Int => integer::<Int32Type>(op, ret),
        TypeKind::BigInt => integer::<Int64Type>(op, ret),
        TypeKind::Float => float::<Float32Type>(op),
        TypeKind::Double => float::<Float64Type>(op),
        TypeKind::Decimal(..) => Arc::new(move |a| decimals(op, a)),
        _ => return Err(Error::internal(format!("arithmetic on {operand}"))),
    })
}

fn by_zero() -> Error {
    Error::data("Division by zero (/ by zero)")
}

fn integer<T: ArrowPrimitiveType>(op: Op, ret: &DataType) -> Kernel
where
    T::Native: ArrowNativeTypeOp,
{
    let narrow = ret.to_arrow();
    Arc::new(move |a| {
        let (x, y) = (a.nums::<T>(0)?, a.nums::<T>(1)?);
        let out: PrimitiveArray<T> = match op {
            Op::Add => a.plain(|i| x.get(i).add_wrapping(y.get(i))),
            Op::Sub => a.plain(|i| x.get(i).sub_wrapping(y.get(i))),
            Op::Mul => a.plain(|i| x.get(i).mul_wrapping(y.get(i))),
            Op::Div | Op::Rem => a.number(|i| {
                let d = y.get(i);
                if d.is_zero() {
                    return Err(by_zero());
                }
                let n = x.get(i);
                Ok(Some(if op == Op::Div { n.div_wrapping(d) } else { n.mod_wrapping(d) }))
            })?,
        };
        let out: ArrayRef = Arc::new(out);
        if *out.data_type() == narrow { Ok(out) } else { Ok(arrow::compute::cast(&out, &narrow)?) }
    })
}

fn float<T: ArrowPrimitiveType>(op: Op) -> Kernel
where
    T::Native: ArrowNativeTypeOp,
{
    Arc::new(move |a| {
        let (x, y) = (a.nums::<T>(0)?, a.nums::<T>(1)?);
        let out: PrimitiveArray<T> = match op {
            Op::Add => a.plain(|i| x.get(i).add_wrapping(y.get(i))),
            Op::Sub => a.plain(|i| x.get(i).sub_wrapping(y.get(i))),
            Op::Mul => a.plain(|i| x.get(i).mul_wrapping(y.get(i))),
            Op::Div => a.plain(|i| x.get(i).div_wrapping(y.get(i))),
            Op::Rem => a.plain(|i| x.get(i).mod_wrapping(y.get(i))),
        };
        Ok(Arc::new(out))
    })
}

fn scale_of(t: &DataType) -> Result<(u8, u8)> {
    match t.kind {
        TypeKind::Decimal(p, s) => Ok((p, s)),
        _ => Err(Error::internal(format!("{t} where a DECIMAL was planned"))),
    }
}

fn decimals(op: Op, a: &Args<'_>) -> Result<ArrayRef> {
    let (p1, s1) = scale_of(&a.types[0])?;
    let (p2, s2) = scale_of(&a.types[1])?;
    let (p, s) = scale_of(a.ret)?;
    let (x, y) = (a.nums::<Decimal128Type>(0)?, a.nums::<Decimal128Type>(1)?);
    let limit = pow10(p);
    let out = match op {
        Op::Add | Op::Sub if p < 38 && s >= s1.max(s2) => {
            // Cannot overflow: the type was derived to hold every result.
            let (fx, fy) = (pow10(s - s1), pow10(s - s2));
            if op == Op::Add {
                a.plain::<Decimal128Type>(|i| {
                    (x.get(i).wrapping_mul(fx)).wrapping_add(y.get(i).wrapping_mul(fy))
                })
            } else {
                a.plain::<Decimal128Type>(|i| {
                    (x.get(i).wrapping_mul(fx)).wrapping_sub(y.get(i).wrapping_mul(fy))
                })
            }
        }
        Op::Mul if u32::from(p1) + u32::from(p2) < 38 && s == s1 + s2 => {
            a.plain::<Decimal128Type>(|i| x.get(i).wrapping_mul(y.get(i)))
        }
        Op::Mul if s <= s1 + s2 && s1 + s2 - s < 38 => {
            let unit = pow10(s1 + s2 - s);
            a.number::<Decimal128Type>(|i| {
                let (x, y) = (x.get(i), y.get(i));
                let exact = match x.checked_mul(y) {
                    Some(product) => Some(round(product, unit)),
                    None => wide(op, x, s1, y, s2, s)?,
                };
                Ok(exact.filter(|v| v.abs() < limit || limit < 0))
            })?
        }
        _ => a.number::<Decimal128Type>(|i| {
            let exact = wide(op, x.get(i), s1, y.get(i), s2, s)?;
            Ok(exact.filter(|v| v.abs() < limit || limit < 0))
        })?,
    };
    decimal(out, p, s)
}

/// Division by a power of ten, rounding half away from zero.
fn round(n: i128, unit: i128) -> i128 {
    if unit == 1 {
        return n;
    }
    let (quotient, rest) = match (i64::try_from(n), i64::try_from(unit)) {
        (Ok(n), Ok(unit)) => ((n / unit).into(), (n % unit).into()),
        _ => (n / unit, n % unit),
    };
    if rest.abs() >= unit - rest.abs() { quotient + n.signum() } else { quotient }
}

/// The general case in 256 bits; None if the result has no place in 128.
fn wide(op: Op, x: i128, s1: u8, y: i128, s2: u8, s: u8) -> Result<Option<i128>> {
    let (x, y) = (i256::from_i128(x), i256::from_i128(y));
    let common = s1.max(s2);
    let up = |v: i256, by: u8| v.wrapping_mul(power(by));
    let out = match op {
        Op::Add => rescale_wide(up(x, common - s1).wrapping_add(up(y, common - s2)), common, s),
        Op::Sub => rescale_wide(up(x, common - s1).wrapping_sub(up(y, common - s2)), common, s),
        Op::Mul => rescale_wide(x.wrapping_mul(y), s1 + s2, s),
        Op::Rem => {
            let d = up(y, common - s2);
            if d == i256::ZERO {
                return Err(by_zero());
            }
            rescale_wide(up(x, common - s1).wrapping_rem(d), common, s)
        }
        Op::Div => {
            if y == i256::ZERO {
                return Err(by_zero());
            }
            // x / 10^s1 / (y / 10^s2) * 10^s
            let shift = i32::from(s) + i32::from(s2) - i32::from(s1);
            let (n, d) =
                if shift >= 0 { (up(x, shift as u8), y) } else { (x, up(y, (-shift) as u8)) };
            round_div(n, d)
        }
    };
    Ok(out.to_i128())
}

fn power(n: u8) -> i256 {
    i256::from_i128(10).wrapping_pow(n.into())
}

fn rescale_wide(v: i256, from: u8, to: u8) -> i256 {
    if from <= to { v.wrapping_mul(power(to - from)) } else { round_div(v, power(from - to)) }
}

/// Division rounding half away from zero.
fn round_div(n: i256, d: i256) -> i256 {
    let (q, r) = (n.wrapping_div(d), n.wrapping_rem(d));
    let twice = r.wrapping_abs().wrapping_mul(i256::from_i128(2));
    if twice >= d.wrapping_abs() {
        let negative = (n < i256::ZERO) != (d < i256::ZERO);
        let one = i256::ONE;
        if negative { q.wrapping_sub(one) } else { q.wrapping_add(one) }
    } else {
        q
    }
}

fn intervals(op: Op, a: &DataType, b: &DataType) -> Result<Kernel> {
    if a.is_interval() && b.is_interval() {
        return Ok(if matches!(a.kind, TypeKind::IntervalYearMonth(..)) {
            integer::<IntervalYearMonthType>(op, a)
        } else {
            integer::<DurationMillisecondType>(op, a)
        });
    }
    if a.is_interval() && b.is_numeric() {
        return Ok(Arc::new(move |x| scale_interval(op, x, 0, 1)));
    }
    if b.is_interval() && a.is_numeric() {
        return Ok(Arc::new(move |x| scale_interval(op, x, 1, 0)));
    }
    if a.is_datetime() && b.is_interval() {
        return Ok(Arc::new(move |x| shift(x, 0, 1, op == Op::Sub)));
    }
    if b.is_datetime() && a.is_interval() {
        return Ok(Arc::new(move |x| shift(x, 1, 0, false)));
    }
    Err(Error::internal(format!("no arithmetic between {a} and {b}")))
}

fn scale_interval(op: Op, a: &Args<'_>, interval: usize, factor: usize) -> Result<ArrayRef> {
    let v = interval_values(a, interval)?;
    let out = if matches!(a.types[factor].kind, TypeKind::BigInt) {
        let f = a.nums::<Int64Type>(factor)?;
        a.number::<Int64Type>(|i| match (op, f.get(i)) {
            (Op::Div, 0) => Err(by_zero()),
            (Op::Div, n) => Ok(Some(v(i).wrapping_div(n))),
            (_, n) => Ok(Some(v(i).wrapping_mul(n))),
        })?
    } else {
        let f = a.nums::<Float64Type>(factor)?;
        a.plain::<Int64Type>(|i| {
            let x = v(i) as f64;
            (if op == Op::Div { x / f.get(i) } else { x * f.get(i) }) as i64
        })
    };
    interval_array(out, a.ret)
}

/// A time plus or minus an interval.
fn shift(a: &Args<'_>, time: usize, interval: usize, minus: bool) -> Result<ArrayRef> {
    let raw = interval_values(a, interval)?;
    let by = move |i: usize| if minus { raw(i).wrapping_neg() } else { raw(i) };
    let months = matches!(a.types[interval].kind, TypeKind::IntervalYearMonth(..));
    match a.col(time).data_type() {
        ArrowType::Date32 => {
            let d = a.nums::<Date32Type>(time)?;
            Ok(Arc::new(a.plain::<Date32Type>(|i| {
                let days = i64::from(d.get(i));
                (if months { add_months(days, by(i)) } else { days + by(i).div_euclid(MS_PER_DAY) })
                    as i32
            })))
        }
        ArrowType::Time32(_) => {
            let t = a.nums::<Time32MillisecondType>(time)?;
            Ok(Arc::new(a.plain::<Time32MillisecondType>(|i| {
                let ms = if months { 0 } else { by(i) };
                (i64::from(t.get(i)) + ms).rem_euclid(MS_PER_DAY) as i32
            })))
        }
        _ => {
            let t = Ticks::of(a.col(time))?;
            let unit = unit_of(&a.types[time]);
            let per_day = unit * 86_400;
            let zone = crate::context::is_ltz(a.col(time).data_type()).then_some(a.ctx.zone);
            let values = a.plain::<Int64Type>(|i| {
                let ticks = t.get(a.at(time, i));
                if !months {
                    return ticks.wrapping_add(by(i).wrapping_mul(unit / 1000));
                }
                let local = zone.map_or(ticks, |z| z.to_local(ticks, unit));
                let (day, rest) = (local.div_euclid(per_day), local.rem_euclid(per_day));
                let moved = add_months(day, by(i)) * per_day + rest;
                zone.map_or(moved, |z| z.to_instant(moved, unit))
            });
            let (_, values, nulls) = values.into_parts();
            Ok(timestamps(values.to_vec(), nulls, a.ret))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_round_as_in_256_bits() {
        let values = [0, 1, -1, 5, -5, 49, 50, -50, 51, 12_345_678_901_234_567_890, -i128::MAX / 3];
        for (x, y) in values.iter().flat_map(|x| values.iter().map(move |y| (*x, *y))) {
            for drop in 0..8 {
                let exact = wide(Op::Mul, x, 4, y, 4, 8 - drop).unwrap();
                if let Some(product) = x.checked_mul(y) {
                    assert_eq!(
                        Some(round(product, pow10(drop))),
                        exact,
                        "{x} * {y}, {drop} digits less"
                    );
                }
            }
        }
    }
}
