//! Text to every other type.

use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, StringArray};
use arrow::datatypes::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType,
};
use weir_core::{DataType, Error, Result, TypeKind};

use crate::args::build_numbers;
use crate::calendar::{days_from_civil, smart_date, valid_date};
use crate::context::EvalContext;
use crate::decimal::{decimal, pow10, rescale};
use crate::ticks::{timestamps, unit_of};

pub(super) fn parse(
    array: &ArrayRef,
    to: &DataType,
    safe: bool,
    ctx: &EvalContext,
) -> Result<ArrayRef> {
    let Some(s) = array.as_string_opt::<i32>() else {
        return Err(Error::internal(format!("{} where text was planned", array.data_type())));
    };
    macro_rules! ints {
        ($t:ty, $n:ty) => {
            Arc::new(numbers::<$t>(s, safe, |x| {
                Ok(Some(int_of(x, <$n>::MIN.into(), <$n>::MAX.into())? as $n))
            })?)
        };
    }
    Ok(match to.kind {
        TypeKind::TinyInt => ints!(Int8Type, i8),
        TypeKind::SmallInt => ints!(Int16Type, i16),
        TypeKind::Int => ints!(Int32Type, i32),
        TypeKind::BigInt => ints!(Int64Type, i64),
        TypeKind::Float => Arc::new(numbers::<Float32Type>(s, safe, |x| float_of(x).map(Some))?),
        TypeKind::Double => Arc::new(numbers::<Float64Type>(s, safe, |x| float_of(x).map(Some))?),
        TypeKind::Decimal(p, d) => {
            let parse = |x: &str| match decimal_of(x, p, d)? {
                Some(v) => Ok(Some(v)),
                None => Err(bad_number(x, "Overflow.")),
            };
            decimal(numbers::<Decimal128Type>(s, safe, parse)?, p, d)?
        }
        TypeKind::Boolean => booleans(s, safe)?,
        TypeKind::Date => Arc::new(numbers::<Date32Type>(s, safe, |x| {
            let days = date_of(x).ok_or_else(|| bad("date", x))?;
            Ok(Some(days as i32))
        })?),
        TypeKind::Time(_) => Arc::new(numbers::<Time32MillisecondType>(s, safe, |x| {
            let ns = time_of(x.trim()).ok_or_else(|| bad("time", x))?;
            // Rounded; what would be the next day stays the last millisecond of this one.
            Ok(Some(((ns + 500_000) / 1_000_000).min(86_399_999) as i32))
        })?),
        TypeKind::Timestamp(p, _) | TypeKind::TimestampLtz(p, _) => {
            let unit = unit_of(to);
            let local = matches!(to.kind, TypeKind::TimestampLtz(..));
            let values = numbers::<Int64Type>(s, safe, |x| {
                let (seconds, nanos) = timestamp_of(x).ok_or_else(|| bad("timestamp", x))?;
                let seconds = if local { ctx.zone.to_instant(seconds, 1) } else { seconds };
                let ticks = seconds * unit + nanos / (1_000_000_000 / unit);
                Ok(Some(crate::ticks::truncate(ticks, unit, p)))
            })?;
            let (_, values, nulls) = values.into_parts();
            timestamps(values.to_vec(), nulls, to)
        }
        TypeKind::Binary(_) | TypeKind::Varbinary(_) => super::binary::cast(array, to)?,
        _ => return Err(Error::validation(format!("Unsupported cast from STRING to {to}"))),
    })
}

fn numbers<T: ArrowPrimitiveType>(
    s: &StringArray,
    safe: bool,
    f: impl Fn(&str) -> Result<Option<T::Native>>,
) -> Result<arrow::array::PrimitiveArray<T>> {
    build_numbers(s.len(), s.nulls().cloned(), &mut |i| match f(s.value(i)) {
        Err(_) if safe => Ok(None),
        other => other,
    })
}

fn bad(what: &str, text: &str) -> Error {
    Error::data(format!("Failed to cast '{text}' to a {what}: cannot parse it"))
        .hint("TRY_CAST gives NULL instead of an error")
}

fn bad_number(text: &str, why: &str) -> Error {
    Error::data(format!("NumberFormatException: For input string: '{text}'. {why}"))
        .hint("TRY_CAST gives NULL instead of an error")
}

/// An integer; decimals after a point are dropped, as Flink does.
fn int_of(text: &str, min: i64, max: i64) -> Result<i64> {
    let t = text.trim();
    let (negative, digits) = match t.as_bytes().first() {
        Some(b'-') => (true, &t[1..]),
        Some(b'+') => (false, &t[1..]),
        _ => (false, t),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if digits.is_empty() || !all_digits(whole) || !all_digits(fraction) || digits == "." {
        return Err(bad_number(text, "Invalid character found."));
    }
    let mut value: i64 = 0;
    for b in whole.bytes() {
        let digit = i64::from(b - b'0');
        value = value
            .checked_mul(10)
            .and_then(|v| if negative { v.checked_sub(digit) } else { v.checked_add(digit) })
            .ok_or_else(|| bad_number(text, "Overflow."))?;
    }
    if value < min || value > max {
        return Err(bad_number(text, "Overflow."));
    }
    Ok(value)
}

fn float_of<F: std::str::FromStr>(text: &str) -> Result<F> {
    let t = text.trim();
    // Java takes Infinity and NaN in this spelling only, and a type suffix.
    let t = t
        .strip_suffix(['d', 'D', 'f', 'F'])
        .filter(|r| r.ends_with(|c: char| c.is_ascii_digit() || c == '.'))
        .unwrap_or(t);
    let words = t.trim_start_matches(['+', '-']);
    let named = words.starts_with(|c: char| c.is_ascii_alphabetic());
    if named && words != "Infinity" && words != "NaN" {
        return Err(bad_number(text, "Invalid character found."));
    }
    t.parse().map_err(|_| bad_number(text, "Invalid character found."))
}

/// A decimal in plain or scientific notation, rounded half up; None if it has
/// too many digits.
pub(crate) fn decimal_of(text: &str, precision: u8, scale: u8) -> Result<Option<i128>> {
    let t = text.trim();
    let (mantissa, exponent) = match t.find(['e', 'E']) {
        Some(at) => {
            let e = t[at + 1..].parse::<i32>();
            (&t[..at], e.map_err(|_| bad_number(text, "Invalid character found."))?)
        }
        None => (t, 0),
    };
    let (negative, digits) = match mantissa.as_bytes().first() {
        Some(b'-') => (true, &mantissa[1..]),
        Some(b'+') => (false, &mantissa[1..]),
        _ => (false, mantissa),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let valid = whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
    if !valid || whole.len() + fraction.len() == 0 {
        return Err(bad_number(text, "Invalid character found."));
    }
    let Some((value, own_scale)) = unscaled(whole, fraction, exponent) else { return Ok(None) };
    let value = if own_scale < 0 {
        pow_checked(own_scale.unsigned_abs())
            .and_then(|f| value.checked_mul(f))
            .and_then(|v| rescale(v, 0, scale))
    } else if own_scale > 38 {
        Some(0)
    } else {
        rescale(value, own_scale as u8, scale)
    };
    Ok(value.map(|v| if negative { -v } else { v }).filter(|v| v.abs() < pow10(precision)))
}

fn pow_checked(n: u32) -> Option<i128> {
    10i128.checked_pow(n)
}

/// Significant digits as an integer and their scale; extra decimals are cut.
fn unscaled(whole: &str, fraction: &str, exponent: i32) -> Option<(i128, i32)> {
    let mut value: i128 = 0;
    let mut scale = -exponent;
    for b in whole.bytes() {
        value = value.checked_mul(10)?.checked_add((b - b'0').into())?;
    }
    for b in fraction.bytes() {
        let Some(next) = value.checked_mul(10).and_then(|v| v.checked_add((b - b'0').into()))
        else {
            break;
        };
        value = next;
        scale += 1;
    }
    Some((value, scale))
}

fn booleans(s: &StringArray, safe: bool) -> Result<ArrayRef> {
    let mut out = Vec::with_capacity(s.len());
    for x in s.iter() {
        out.push(match x.map(|x| boolean_of(x).ok_or(x)) {
            None => None,
            Some(Ok(b)) => Some(b),
            Some(Err(_)) if safe => None,
            Some(Err(text)) => return Err(bad("BOOLEAN", text)),
        });
    }
    Ok(Arc::new(BooleanArray::from(out)))
}

fn boolean_of(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// Days of `2024-02-29`, `2024-2-9`, `2024-02`, `2024`; a time part may follow.
pub(crate) fn date_of(text: &str) -> Option<i64> {
    let t = text.trim();
    let end = t.find(' ').unwrap_or(t.len());
    let mut parts = t[..end].splitn(3, '-');
    let number = |p: Option<&str>| -> Option<i64> {
        match p {
            None => Some(1),
            Some(p) if !p.is_empty() && p.len() <= 4 && p.bytes().all(|b| b.is_ascii_digit()) => {
                p.parse().ok()
            }
            _ => None,
        }
    };
    let first = parts.next();
    first.filter(|y| !y.is_empty())?;
    let year = number(first)?;
    valid_date(year, number(parts.next())?, number(parts.next())?)
}

/// Nanoseconds of the day of `10:20:30.123`, `10:20`, `10`.
pub(crate) fn time_of(text: &str) -> Option<i64> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut fields = [0i64; 3];
    for (i, part) in clock.split(':').enumerate() {
        if i > 2 || part.is_empty() || part.len() > 2 || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        fields[i] = part.parse().ok()?;
    }
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let [h, m, s] = fields;
    let mut nanos = 0i64;
    for i in 0..9 {
        nanos = nanos * 10 + fraction.as_bytes().get(i).map_or(0, |b| i64::from(b - b'0'));
    }
    (h < 24 && m < 60 && s < 60).then_some(((h * 60 + m) * 60 + s) * 1_000_000_000 + nanos)
}

/// (seconds since the epoch, nanoseconds) of `2024-01-01[ 10:00:00[.fff]]`, with the "smart"
/// resolution of Java: days up to the 31st are cut to the last one of the month, 24:00:00 is
/// the midnight that follows. Years have four digits and begin with 1.
pub(crate) fn timestamp_of(text: &str) -> Option<(i64, i64)> {
    let (date, clock) = text.split_once(' ').map_or((text, None), |(d, c)| (d, Some(c)));
    let (year, month, day) = date_fields(date).filter(|&(year, ..)| year > 0)?;
    let days = smart_date(year, month, day)?;
    let nanos = clock.map_or(Some(0), clock_of)?;
    Some((days * 86_400 + nanos / 1_000_000_000, nanos % 1_000_000_000))
}

/// Numbers of a year of four digits, a month and a day of one or two.
fn date_fields(date: &str) -> Option<(i64, i64, i64)> {
    let mut parts = date.split('-');
    let mut field = |widths: RangeInclusive<usize>| {
        let digits = parts.next()?;
        let valid = widths.contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        digits.parse().ok().filter(|_| valid)
    };
    let fields = (field(4..=4)?, field(1..=2)?, field(1..=2)?);
    parts.next().is_none().then_some(fields)
}

/// Nanoseconds since midnight of `10:20:30[.fff]` or 24:00:00, with up to nine decimals.
fn clock_of(text: &str) -> Option<i64> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    if clock.matches(':').count() != 2 || fraction.len() > 9 {
        return None;
    }
    let is_midnight = clock.split(':').map(str::parse).eq([Ok(24u8), Ok(0), Ok(0)]);
    if is_midnight && fraction.bytes().all(|b| b == b'0') {
        return Some(86_400 * 1_000_000_000);
    }
    time_of(text)
}

/// (seconds since the epoch, nanoseconds) of `2024-01-01[ 10:00:00[.fff]]` as Java's SQL types
/// read it: months and days that can be, then whatever overflows is carried on.
pub(crate) fn sql_timestamp_of(text: &str) -> Option<(i64, i64)> {
    let t = text.trim();
    let (date, clock) = t.split_once(' ').unwrap_or((t, "0:0:0"));
    let (year, month, day) = date_fields(date)
        .filter(|(_, month, day)| (1..=12).contains(month) && (1..=31).contains(day))?;
    let days = days_from_civil(year, month, 1) + day - 1;
    let (clock, fraction) = clock.split_once('.').map_or((clock, None), |(c, f)| (c, Some(f)));
    let is_number = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let nanos = match fraction {
        None => 0,
        Some(f) if is_number(f) && f.len() <= 9 => format!("{f:0<9}").parse().ok()?,
        Some(_) => return None,
    };
    let number = |s: &str| s.parse::<i32>().ok().filter(|_| is_number(s)).map(i64::from);
    let fields = clock.split(':').map(number).collect::<Option<Vec<_>>>()?;
    let [hours, minutes, seconds] = fields.try_into().ok()?;
    Some((days * 86_400 + (hours * 60 + minutes) * 60 + seconds, nanos))
}
