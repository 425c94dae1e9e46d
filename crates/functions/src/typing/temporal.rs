//! Dates, times, timestamps and intervals.

use weir_core::{DataType, Result, TimeAttribute, TypeKind, Value};

use super::call::{Call, ScalarSignature, day_time_interval, year_month_interval};
use super::table::{Arg, coerce};

pub(crate) fn resolve(call: &Call<'_>) -> Option<Result<ScalarSignature>> {
    Some(match call.name {
        "CURRENT_TIMESTAMP" | "NOW" | "CURRENT_ROW_TIMESTAMP" => {
            constant(call, DataType::timestamp_ltz(3))
        }
        "LOCALTIMESTAMP" => constant(call, DataType::timestamp(3)),
        "CURRENT_DATE" => constant(call, TypeKind::Date.into()),
        "CURRENT_TIME" | "LOCALTIME" => constant(call, TypeKind::Time(0).into()),
        "PROCTIME" => constant(call, TypeKind::TimestampLtz(3, TimeAttribute::Proctime).into()),
        "SOURCE_WATERMARK" => call.count(0, 0).map(|()| call.keep(DataType::timestamp_ltz(3))),
        "CURRENT_WATERMARK" => current_watermark(call),
        "EXTRACT" => extract(call),
        "YEAR" | "QUARTER" | "MONTH" | "WEEK" | "DAYOFYEAR" | "DAYOFMONTH" | "DAYOFWEEK"
        | "HOUR" | "MINUTE" | "SECOND" => field(call, 0),
        "FLOOR" | "CEIL" => floor(call),
        "TIMESTAMPADD" => timestamp_add(call),
        "TIMESTAMPDIFF" => timestamp_diff(call),
        "MINUS_DATE" => minus_date(call),
        "OVERLAPS" => overlaps(call),
        "DATE_FORMAT" => date_format(call),
        "CONVERT_TZ" => strings(call, 3, 3, DataType::string()),
        "TO_DATE" => strings(call, 1, 2, TypeKind::Date.into()),
        "TO_TIMESTAMP" => to_timestamp(call),
        "TO_TIMESTAMP_LTZ" => to_timestamp_ltz(call),
        "FROM_UNIXTIME" => from_unixtime(call),
        "UNIX_TIMESTAMP" => unix_timestamp(call),
        "DATE" => one_datetime(call, TypeKind::Date.into()),
        "LAST_DAY" => one_datetime(call, TypeKind::Date.into()),
        "DATE_ADD" | "DATE_SUB" => date_add(call),
        "DATEDIFF" | "MONTHS_BETWEEN" => date_diff(call),
        _ => return None,
    })
}

fn constant(call: &Call<'_>, ty: DataType) -> Result<ScalarSignature> {
    call.count(0, 0)?;
    Ok(call.keep(ty.not_null()))
}

fn current_watermark(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(1, 1)?;
    let t = call.ty(0);
    if t.time_attribute() != TimeAttribute::Rowtime {
        return Err(call.reject("a rowtime attribute"));
    }
    Ok(call.keep(t.clone().null().with_time_attribute(TimeAttribute::None)))
}

/// Units of EXTRACT, FLOOR, CEIL, TIMESTAMPADD and TIMESTAMPDIFF.
const UNITS: &[&str] = &[
    "NANOSECOND",
    "MICROSECOND",
    "MILLISECOND",
    "SECOND",
    "MINUTE",
    "HOUR",
    "DAY",
    "WEEK",
    "MONTH",
    "QUARTER",
    "YEAR",
    "DECADE",
    "CENTURY",
    "MILLENNIUM",
    "DOW",
    "ISODOW",
    "DOY",
    "ISOYEAR",
    "EPOCH",
];

fn unit<'a>(call: &Call<'a>, i: usize) -> Result<&'a str> {
    let unit = call.text(i)?;
    if UNITS.contains(&unit) {
        Ok(unit)
    } else {
        Err(call.reject(&format!("a time unit, one of {}", UNITS.join(", "))))
    }
}

fn extract(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(2, 2)?;
    unit(call, 0)?;
    field(call, 1)
}

fn field(call: &Call<'_>, i: usize) -> Result<ScalarSignature> {
    call.count(i + 1, i + 1)?;
    let t = call.or_default(i, DataType::timestamp(3));
    if !t.is_datetime() && !t.is_interval() {
        return Err(call.reject("a date, time, timestamp or interval"));
    }
    let mut types: Vec<DataType> = call.args.iter().map(|a| a.ty.clone()).collect();
    types[i] = t.clone();
    Ok(call.sig(types, DataType::bigint().with_nullable(t.nullable)))
}

fn floor(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(2, 2)?;
    unit(call, 1)?;
    let t = call.or_default(0, DataType::timestamp(3)).with_time_attribute(TimeAttribute::None);
    if !t.is_datetime() {
        return Err(call.reject("a date, time or timestamp"));
    }
    Ok(call.sig(vec![t.clone(), call.ty(1).clone()], t))
}

fn timestamp_add(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(3, 3)?;
    let unit = unit(call, 0)?;
    let n = coerce(Arg::L, call, 1)?;
    let t = call.or_default(2, DataType::timestamp(3)).with_time_attribute(TimeAttribute::None);
    let ret = match t.kind {
        TypeKind::Date if unit_is_time(unit) => DataType::timestamp(6),
        _ if t.is_datetime() => t.clone(),
        _ => return Err(call.reject("a date, time or timestamp")),
    };
    let ret = ret.with_nullable(t.nullable || n.nullable);
    Ok(call.sig(vec![call.ty(0).clone(), n, t], ret))
}

fn unit_is_time(unit: &str) -> bool {
    matches!(unit, "HOUR" | "MINUTE" | "SECOND" | "MILLISECOND" | "MICROSECOND" | "NANOSECOND")
}

fn timestamp_diff(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(3, 3)?;
    let unit = unit(call, 0)?;
    if !(1..3).all(|i| call.ty(i).is_datetime() || call.ty(i).kind == TypeKind::Null) {
        return Err(call.reject("dates or timestamps"));
    }
    let default = |i| call.or_default(i, DataType::timestamp(3));
    let nullable = call.ty(1).nullable || call.ty(2).nullable;
    let types = vec![call.ty(0).clone(), default(1), default(2)];
    let ret = if unit == "NANOSECOND" { DataType::bigint() } else { DataType::int() };
    Ok(call.sig(types, ret.with_nullable(nullable)))
}

fn minus_date(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(3, 3)?;
    let unit = unit(call, 2)?;
    if !(0..2).all(|i| call.ty(i).is_datetime()) {
        return Err(call.reject("two dates or timestamps"));
    }
    let ret = if matches!(unit, "YEAR" | "QUARTER" | "MONTH") {
        year_month_interval()
    } else {
        day_time_interval()
    };
    Ok(call.keep(ret.with_nullable(call.ty(0).nullable || call.ty(1).nullable)))
}

fn overlaps(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(4, 4)?;
    if !(call.ty(0).is_datetime() && call.ty(2).is_datetime()) {
        return Err(call.reject("two pairs of times, or of a time and an interval"));
    }
    Ok(call.keep(DataType::boolean().with_nullable(call.any_nullable())))
}

fn strings(call: &Call<'_>, min: usize, max: usize, ret: DataType) -> Result<ScalarSignature> {
    call.count(min, max)?;
    let args = (0..call.len()).map(|i| coerce(Arg::S, call, i)).collect::<Result<Vec<_>>>()?;
    Ok(call.sig(args, ret))
}

/// DATE_FORMAT of a timestamp or of text.
fn date_format(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(2, 2)?;
    let t = call.or_default(0, DataType::timestamp(3));
    if !(t.is_timestamp() || t.is_string()) {
        let error = call.reject("a timestamp or a character string");
        return Err(match t.kind {
            TypeKind::Date => error.hint("write DATE_FORMAT(CAST(.. AS TIMESTAMP(3)), ..)"),
            _ => error,
        });
    }
    let pattern = coerce(Arg::S, call, 1)?;
    Ok(call.sig(vec![t, pattern], DataType::string()))
}

/// TO_TIMESTAMP(text[, format]).
fn to_timestamp(call: &Call<'_>) -> Result<ScalarSignature> {
    strings(call, 1, 2, DataType::timestamp(3))
}

/// TO_TIMESTAMP_LTZ(number[, precision]) or (text[, format[, zone]]).
fn to_timestamp_ltz(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(1, 3)?;
    let t = call.ty(0);
    if t.is_numeric() {
        call.count(1, 2)?;
        // A DECIMAL loses its decimals.
        let first = if t.is_approximate() { DataType::double() } else { DataType::bigint() };
        let mut args = vec![first.with_nullable(t.nullable)];
        let mut precision = 3;
        if call.len() == 2 {
            args.push(coerce(Arg::I, call, 1)?);
            if let Some(Value::Int(p)) = call.args[1].literal {
                if !matches!(p, 0 | 3 | 6 | 9) {
                    return Err(call.reject("a precision of 0, 3, 6 or 9"));
                }
                precision = (*p).max(3) as u8;
            }
        }
        return Ok(call.sig(args, DataType::timestamp_ltz(precision)));
    }
    strings(call, 1, 3, DataType::timestamp_ltz(3))
}

fn from_unixtime(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(1, 2)?;
    if !call.ty(0).is_numeric() && call.ty(0).kind != TypeKind::Null {
        return Err(call.reject("a number of seconds"));
    }
    let mut args = vec![DataType::bigint().with_nullable(call.ty(0).nullable)];
    if call.len() == 2 {
        args.push(coerce(Arg::S, call, 1)?);
    }
    Ok(call.sig(args, DataType::string()))
}

/// UNIX_TIMESTAMP(), (text[, format]); of a DATE or timestamp as an extension.
fn unix_timestamp(call: &Call<'_>) -> Result<ScalarSignature> {
    let bigint = DataType::bigint().with_nullable(call.any_nullable());
    if call.len() == 1 && (call.ty(0).is_timestamp() || call.ty(0).kind == TypeKind::Date) {
        return Ok(call.keep(bigint));
    }
    strings(call, 0, 2, bigint)
}

fn is_date_like(t: &DataType) -> bool {
    t.is_timestamp() || t.is_string() || matches!(t.kind, TypeKind::Date | TypeKind::Null)
}

fn one_datetime(call: &Call<'_>, ret: DataType) -> Result<ScalarSignature> {
    call.count(1, 1)?;
    if !is_date_like(call.ty(0)) {
        return Err(call.reject("a date, timestamp or text"));
    }
    let t = call.or_default(0, DataType::string());
    let nullable = t.nullable || t.is_string();
    Ok(call.sig(vec![t], ret.with_nullable(nullable)))
}

fn date_add(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(2, 2)?;
    if !is_date_like(call.ty(0)) {
        return Err(call.reject("a date, timestamp or text, and a number of days"));
    }
    let t = call.or_default(0, DataType::string());
    let n = coerce(Arg::I, call, 1)?;
    let nullable = t.nullable || n.nullable || t.is_string();
    Ok(call.sig(vec![t, n], DataType::from(TypeKind::Date).with_nullable(nullable)))
}

fn date_diff(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(2, 2)?;
    if !(is_date_like(call.ty(0)) && is_date_like(call.ty(1))) {
        return Err(call.reject("two dates, timestamps or texts"));
    }
    let args = vec![call.or_default(0, DataType::string()), call.or_default(1, DataType::string())];
    let nullable = args.iter().any(|t| t.nullable || t.is_string());
    let ret = if call.name == "DATEDIFF" { DataType::int() } else { DataType::double() };
    Ok(call.sig(args, ret.with_nullable(nullable)))
}

/// Times plus or minus intervals, and arithmetic of intervals.
pub(crate) fn interval_arithmetic(
    call: &Call<'_>,
    a: &DataType,
    b: &DataType,
) -> Option<Result<ScalarSignature>> {
    let plain = |t: &DataType| t.clone().with_time_attribute(TimeAttribute::None);
    if let Some(sig) = interval_number(call, a, b) {
        return Some(Ok(sig));
    }
    match call.name {
        "+" | "-" if a.is_datetime() && b.is_interval() => {
            Some(Ok(call.sig(vec![plain(a), b.clone()], plain(a))))
        }
        "+" if b.is_datetime() && a.is_interval() => {
            Some(Ok(call.sig(vec![a.clone(), plain(b)], plain(b))))
        }
        _ => None,
    }
}

/// `interval * number`, `number * interval`, `interval / number`, `interval ± interval`.
fn interval_number(call: &Call<'_>, a: &DataType, b: &DataType) -> Option<ScalarSignature> {
    let normal = |t: &DataType| {
        if matches!(t.kind, TypeKind::IntervalYearMonth(..)) {
            year_month_interval()
        } else {
            day_time_interval()
        }
    };
    // Integers multiply exactly; other numbers as DOUBLE.
    let factor = |t: &DataType| {
        if t.is_integer() { DataType::bigint() } else { DataType::double() }
            .with_nullable(t.nullable)
    };
    match call.name {
        "*" if a.is_interval() && b.is_numeric() => {
            Some(call.sig(vec![a.clone(), factor(b)], normal(a)))
        }
        "*" if b.is_interval() && a.is_numeric() => {
            Some(call.sig(vec![factor(a), b.clone()], normal(b)))
        }
        "/" if a.is_interval() && b.is_numeric() => {
            Some(call.sig(vec![a.clone(), factor(b)], normal(a)))
        }
        "+" | "-" if a.is_interval() && b.is_interval() && normal(a) == normal(b) => {
            Some(call.sig(vec![a.clone(), b.clone()], normal(a)))
        }
        _ => None,
    }
}
