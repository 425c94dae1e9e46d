//! How values are written as text: in results (Flink's client) and by CAST AS STRING.

use std::fmt::Write as _;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    Date32Type, Decimal128Type, DurationMillisecondType, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalYearMonthType, Time32MillisecondType,
};
use weir_core::types::ticks_per_second;
use weir_core::{DataType, Error, Result, TypeKind};

use crate::calendar::civil_from_days;
use crate::context::{Zone, is_ltz};
use crate::ticks::Ticks;

/// Where the text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Result display: bytes as x'0a'.
    Print,
    /// CAST AS STRING: bytes as UTF-8.
    Cast,
}

/// The value of a row as Flink's client prints it; None for NULL. Meant for
/// results; `ty` must be the logical type of the array.
pub fn format_value(array: &dyn Array, row: usize, ty: &DataType, zone: Zone) -> Option<String> {
    if array.is_null(row) || ty.kind == TypeKind::Null {
        return None;
    }
    let mut out = String::new();
    match writer(array, ty, zone, Style::Print) {
        Ok(write) => write(row, &mut out),
        Err(e) => out.push_str(&e.to_string()),
    }
    Some(out)
}

/// Appends the text of a non-null row.
pub(crate) type Writer<'a> = Box<dyn Fn(usize, &mut String) + 'a>;

/// A writer for one column; the row must not be NULL.
pub(crate) fn writer<'a>(
    array: &'a dyn Array,
    ty: &DataType,
    zone: Zone,
    style: Style,
) -> Result<Writer<'a>> {
    macro_rules! int {
        ($t:ty) => {{
            let a = prim::<$t>(array, ty)?;
            Box::new(move |i, out: &mut String| {
                let _ = write!(out, "{}", a.value(i));
            })
        }};
    }
    Ok(match &ty.kind {
        TypeKind::Null => Box::new(|_, out| out.push_str("NULL")),
        TypeKind::Boolean => {
            let a = array.as_boolean_opt().ok_or_else(|| wrong(array, ty))?;
            Box::new(move |i, out| out.push_str(if a.value(i) { "TRUE" } else { "FALSE" }))
        }
        TypeKind::TinyInt => int!(Int8Type),
        TypeKind::SmallInt => int!(Int16Type),
        TypeKind::Int => int!(Int32Type),
        TypeKind::BigInt => int!(Int64Type),
        TypeKind::Float => {
            let a = prim::<Float32Type>(array, ty)?;
            Box::new(move |i, out| write_float(out, a.value(i)))
        }
        TypeKind::Double => {
            let a = prim::<Float64Type>(array, ty)?;
            Box::new(move |i, out| write_double(out, a.value(i)))
        }
        TypeKind::Decimal(_, s) => {
            let (a, s) = (prim::<Decimal128Type>(array, ty)?, *s);
            Box::new(move |i, out| write_decimal(out, a.value(i), s))
        }
        TypeKind::Char(_) | TypeKind::Varchar(_) | TypeKind::Variant => {
            let a = array.as_string_opt::<i32>().ok_or_else(|| wrong(array, ty))?;
            Box::new(move |i, out| out.push_str(a.value(i)))
        }
        TypeKind::Bitmap => {
            let a = array.as_binary_opt::<i32>().ok_or_else(|| wrong(array, ty))?;
            Box::new(move |i, out| crate::bitmap::write_text(a.value(i), out))
        }
        TypeKind::Binary(_) | TypeKind::Varbinary(_) | TypeKind::Raw(..) => {
            let a = array.as_binary_opt::<i32>().ok_or_else(|| wrong(array, ty))?;
            match style {
                Style::Cast => Box::new(move |i, out| {
                    out.push_str(&String::from_utf8_lossy(a.value(i)));
                }),
                Style::Print => Box::new(move |i, out| {
                    out.push_str("x'");
                    out.push_str(&hex::encode(a.value(i)));
                    out.push('\'');
                }),
            }
        }
        TypeKind::Date => {
            let a = prim::<Date32Type>(array, ty)?;
            Box::new(move |i, out| write_date(out, a.value(i).into()))
        }
        TypeKind::Time(p) => {
            let (a, p) = (prim::<Time32MillisecondType>(array, ty)?, *p);
            Box::new(move |i, out| write_clock(out, a.value(i).into(), p))
        }
        TypeKind::Timestamp(p, _) | TypeKind::TimestampLtz(p, _) => {
            let (ticks, p) = (Ticks::of(array)?, *p);
            let unit = ticks.per_second;
            let local = is_ltz(array.data_type());
            Box::new(move |i, out| {
                let t = ticks.get(i);
                let t = if local { zone.to_local(t, unit) } else { t };
                write_timestamp(out, t, unit, p);
            })
        }
        TypeKind::IntervalYearMonth(..) => {
            let a = prim::<IntervalYearMonthType>(array, ty)?;
            Box::new(move |i, out| {
                let m = i64::from(a.value(i));
                let sign = if m < 0 { '-' } else { '+' };
                let _ = write!(out, "{sign}{}-{:02}", m.abs() / 12, m.abs() % 12);
            })
        }
        TypeKind::IntervalDayTime(..) => {
            let a = prim::<DurationMillisecondType>(array, ty)?;
            Box::new(move |i, out| write_day_time(out, a.value(i)))
        }
        TypeKind::Array(e) => list_writer(array, e, zone, style)?,
        TypeKind::Map(k, v) => map_writer(array, k, v, zone, style)?,
        TypeKind::Multiset(e) => map_writer(array, e, &DataType::int(), zone, style)?,
        TypeKind::Row(_) | TypeKind::Structured(..) => row_writer(array, ty, zone, style)?,
    })
}

fn prim<'a, T: arrow::array::ArrowPrimitiveType>(
    array: &'a dyn Array,
    ty: &DataType,
) -> Result<&'a arrow::array::PrimitiveArray<T>> {
    array.as_primitive_opt::<T>().ok_or_else(|| wrong(array, ty))
}

fn wrong(array: &dyn Array, ty: &DataType) -> Error {
    Error::internal(format!("a column of type {ty} is stored as {}", array.data_type()))
}

fn nullable<'a>(
    array: &'a dyn Array,
    ty: &DataType,
    zone: Zone,
    style: Style,
) -> Result<Writer<'a>> {
    let write = writer(array, ty, zone, style)?;
    Ok(Box::new(move |i, out| if array.is_null(i) { out.push_str("NULL") } else { write(i, out) }))
}

fn list_writer<'a>(
    array: &'a dyn Array,
    e: &DataType,
    zone: Zone,
    style: Style,
) -> Result<Writer<'a>> {
    let a = array.as_list_opt::<i32>().ok_or_else(|| wrong(array, e))?;
    let item = nullable(a.values().as_ref(), e, zone, style)?;
    Ok(Box::new(move |i, out| {
        out.push('[');
        let (start, end) = (a.value_offsets()[i] as usize, a.value_offsets()[i + 1] as usize);
        for j in start..end {
            if j > start {
                out.push_str(", ");
            }
            item(j, out);
        }
        out.push(']');
    }))
}

fn map_writer<'a>(
    array: &'a dyn Array,
    k: &DataType,
    v: &DataType,
    zone: Zone,
    style: Style,
) -> Result<Writer<'a>> {
    let a = array.as_map_opt().ok_or_else(|| wrong(array, k))?;
    let key = nullable(a.keys().as_ref(), k, zone, style)?;
    let value = nullable(a.values().as_ref(), v, zone, style)?;
    Ok(Box::new(move |i, out| {
        out.push('{');
        let (start, end) = (a.value_offsets()[i] as usize, a.value_offsets()[i + 1] as usize);
        for j in start..end {
            if j > start {
                out.push_str(", ");
            }
            key(j, out);
            out.push('=');
            value(j, out);
        }
        out.push('}');
    }))
}

fn row_writer<'a>(
    array: &'a dyn Array,
    ty: &DataType,
    zone: Zone,
    style: Style,
) -> Result<Writer<'a>> {
    let a = array.as_struct_opt().ok_or_else(|| wrong(array, ty))?;
    let fields = ty.fields().unwrap_or_default();
    let named = matches!(ty.kind, TypeKind::Structured(..));
    let columns = fields
        .iter()
        .zip(a.columns())
        .map(|(f, c)| {
            let label = if named { format!("{}=", f.name) } else { String::new() };
            Ok((label, nullable(c.as_ref(), &f.ty, zone, style)?))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Box::new(move |i, out| {
        out.push('(');
        for (n, (label, write)) in columns.iter().enumerate() {
            if n > 0 {
                out.push_str(", ");
            }
            out.push_str(label);
            write(i, out);
        }
        out.push(')');
    }))
}

/// Java's `Double.toString`.
pub(crate) fn write_double(out: &mut String, x: f64) {
    if special(out, x) {
        return;
    }
    layout(out, x < 0.0 || (x == 0.0 && x.is_sign_negative()), &format!("{:e}", x.abs()));
}

/// Java's `Float.toString`.
pub(crate) fn write_float(out: &mut String, x: f32) {
    if special(out, x.into()) {
        return;
    }
    layout(out, x < 0.0 || (x == 0.0 && x.is_sign_negative()), &format!("{:e}", x.abs()));
}

fn special(out: &mut String, x: f64) -> bool {
    if x.is_nan() {
        out.push_str("NaN");
    } else if x.is_infinite() {
        out.push_str(if x > 0.0 { "Infinity" } else { "-Infinity" });
    } else {
        return false;
    }
    true
}

/// Lays out `d.ddde±x` as Java does: plain from 10^-3 to 10^7, else `d.dE±x`.
fn layout(out: &mut String, negative: bool, shortest: &str) {
    if negative {
        out.push('-');
    }
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (first, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if !(-3..7).contains(&exponent) {
        let rest = if rest.is_empty() { "0" } else { rest };
        let _ = write!(out, "{first}.{rest}E{exponent}");
        return;
    }
    let digits = format!("{first}{rest}");
    if exponent < 0 {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', (-exponent - 1) as usize));
        out.push_str(&digits);
        return;
    }
    let whole = exponent as usize + 1;
    if digits.len() <= whole {
        out.push_str(&digits);
        out.extend(std::iter::repeat_n('0', whole - digits.len()));
        out.push_str(".0");
    } else {
        out.push_str(&digits[..whole]);
        out.push('.');
        out.push_str(&digits[whole..]);
    }
}

/// Plain notation with exactly `scale` decimals.
pub(crate) fn write_decimal(out: &mut String, unscaled: i128, scale: u8) {
    if scale == 0 {
        let _ = write!(out, "{unscaled}");
        return;
    }
    if unscaled < 0 {
        out.push('-');
    }
    let power = 10u128.pow(scale.into());
    let x = unscaled.unsigned_abs();
    let _ = write!(out, "{}.{:0width$}", x / power, x % power, width = scale.into());
}

pub(crate) fn write_date(out: &mut String, days: i64) {
    let (y, m, d) = civil_from_days(days);
    digits(out, y, 4);
    out.push('-');
    digits(out, m, 2);
    out.push('-');
    digits(out, d, 2);
}

/// Zero-padded digits without the formatting machinery.
pub(crate) fn digits(out: &mut String, x: i64, width: usize) {
    let mut buffer = [b'0'; 20];
    let (mut at, mut rest) = (20, x.unsigned_abs());
    while rest > 0 || 20 - at < width.min(19) {
        at -= 1;
        buffer[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    if x < 0 {
        out.push('-');
    }
    for &b in &buffer[at..] {
        out.push(b as char);
    }
}

pub(crate) fn write_time(out: &mut String, ms: i64, precision: u8) {
    digits(out, ms / 3_600_000, 2);
    out.push(':');
    digits(out, ms / 60_000 % 60, 2);
    out.push(':');
    digits(out, ms / 1000 % 60, 2);
    if precision > 0 {
        fraction(out, (ms % 1000) * 1_000_000, precision);
    }
}

/// A TIME(p): at most `p` decimals, of which Flink writes no zeros behind the first.
fn write_clock(out: &mut String, ms: i64, precision: u8) {
    write_time(out, ms, precision.min(3));
    if precision > 1 {
        let keep = out.trim_end_matches('0').len();
        out.truncate(keep + usize::from(out[..keep].ends_with('.')));
    }
}

/// `.` and the first `precision` of nine digits.
fn fraction(out: &mut String, nanos: i64, precision: u8) {
    let precision = precision.min(9);
    out.push('.');
    digits(out, nanos / 10i64.pow(9 - u32::from(precision)), precision.into());
}

pub(crate) fn write_timestamp(out: &mut String, ticks: i64, per_second: i64, precision: u8) {
    let seconds = ticks.div_euclid(per_second);
    let days = seconds.div_euclid(86_400);
    write_date(out, days);
    out.push(' ');
    write_time(out, seconds.rem_euclid(86_400) * 1000, 0);
    if precision > 0 {
        fraction(out, ticks.rem_euclid(per_second) * (1_000_000_000 / per_second), precision);
    }
    debug_assert!(per_second <= ticks_per_second(9));
}

pub(crate) fn write_day_time(out: &mut String, ms: i64) {
    let sign = if ms < 0 { '-' } else { '+' };
    let x = ms.unsigned_abs();
    let _ = write!(out, "{sign}{} ", x / 86_400_000);
    write_time(out, (x % 86_400_000) as i64, 3);
}
