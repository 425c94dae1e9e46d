//! EXTRACT and its short forms, FLOOR and CEIL to a unit.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::Int64Type;
use weir_core::{Error, Result, TypeKind};

use super::local::{from_local_micros, local_micros};
use crate::args::{Args, Kernel};
use crate::calendar::{
    civil_from_days, day_of_week, day_of_year, days_from_civil, iso_day_of_week, iso_week,
};
use crate::intervals::interval_values;
use crate::site::Site;
use crate::ticks::Ticks;

const DAY: i64 = 86_400_000_000;
const HOUR: i64 = 3_600_000_000;
const MINUTE: i64 = 60_000_000;
const SECOND: i64 = 1_000_000;

pub(super) fn kernel(site: &Site<'_>) -> Result<Option<Kernel>> {
    let (unit, arg) = match site.name {
        "EXTRACT" => (site.keyword(0)?, 1),
        "YEAR" | "QUARTER" | "MONTH" | "WEEK" | "HOUR" | "MINUTE" | "SECOND" => (site.name, 0),
        "DAYOFYEAR" => ("DOY", 0),
        "DAYOFMONTH" => ("DAY", 0),
        "DAYOFWEEK" => ("DOW", 0),
        "FLOOR" | "CEIL" if site.args.len() == 2 => {
            let (unit, up) = (site.keyword(1)?.to_owned(), site.name == "CEIL");
            return Ok(Some(Arc::new(move |a| round(a, &unit, up))));
        }
        _ => return Ok(None),
    };
    let interval = site.ty(arg).is_some_and(weir_core::DataType::is_interval);
    if unit == "NANOSECOND" && site.ty(arg).is_some_and(weir_core::DataType::is_timestamp) {
        return Ok(Some(Arc::new(move |a| {
            let t = Ticks::of(a.col(arg))?;
            let nanos = |i| t.get(a.at(arg, i)) % t.per_second * (1_000_000_000 / t.per_second);
            Ok(Arc::new(a.plain::<Int64Type>(nanos)))
        })));
    }
    let months = site.ty(arg).is_some_and(|t| matches!(t.kind, TypeKind::IntervalYearMonth(..)));
    let field = if interval { interval_field(unit, months)? } else { field(unit)? };
    Ok(Some(Arc::new(move |a| {
        let value = if interval { interval_values(a, arg)? } else { local_micros(a, arg)? };
        let nulls = a.nulls();
        Ok(Arc::new(a.plain::<Int64Type>(|i| {
            if nulls.as_ref().is_some_and(|n| n.is_null(i)) { 0 } else { field(value(i)) }
        })))
    })))
}

fn unknown(unit: &str) -> Error {
    Error::validation(format!("the unit {unit} cannot be used here"))
}

/// A field of local microseconds. Flink cuts towards 1970, so that times before it have
/// negative fields.
fn field(unit: &str) -> Result<fn(i64) -> i64> {
    Ok(match unit {
        "NANOSECOND" => |t| t % SECOND * 1000,
        "MICROSECOND" => |t| t % SECOND,
        "MILLISECOND" => |t| t % SECOND / 1000,
        "SECOND" => |t| t % MINUTE / SECOND,
        "MINUTE" => |t| t % HOUR / MINUTE,
        "HOUR" => |t| t % DAY / HOUR,
        "DAY" => |t| civil_from_days(t / DAY).2,
        "WEEK" => |t| iso_week(t / DAY).1,
        "MONTH" => |t| civil_from_days(t / DAY).1,
        "QUARTER" => |t| (civil_from_days(t / DAY).1 + 2) / 3,
        "YEAR" => |t| civil_from_days(t / DAY).0,
        "DECADE" => |t| civil_from_days(t / DAY).0.div_euclid(10),
        "CENTURY" => |t| (civil_from_days(t / DAY).0 + 99).div_euclid(100),
        "MILLENNIUM" => |t| (civil_from_days(t / DAY).0 + 999).div_euclid(1000),
        "DOW" => |t| day_of_week(t / DAY),
        "ISODOW" => |t| iso_day_of_week(t / DAY),
        "DOY" => |t| day_of_year(t / DAY),
        "ISOYEAR" => |t| iso_week(t / DAY).0,
        "EPOCH" => |t| t / SECOND,
        _ => return Err(unknown(unit)),
    })
}

/// A field of an interval in milliseconds or months.
fn interval_field(unit: &str, months: bool) -> Result<fn(i64) -> i64> {
    Ok(match (unit, months) {
        ("YEAR", true) => |m| m / 12,
        ("QUARTER", true) => |m| (m % 12) / 3 + 1,
        ("MONTH", true) => |m| m % 12,
        ("DAY", false) => |t| t / 86_400_000,
        ("HOUR", false) => |t| t / 3_600_000 % 24,
        ("MINUTE", false) => |t| t / 60_000 % 60,
        ("SECOND", false) => |t| t / 1000 % 60,
        ("MILLISECOND", false) => |t| t % 1000,
        ("EPOCH", false) => |t| t / 1000,
        _ => return Err(unknown(unit)),
    })
}

/// The start of the unit at or before a local time.
fn floor_micros(unit: &str, t: i64) -> Option<i64> {
    let width = match unit {
        "MICROSECOND" | "NANOSECOND" => 1,
        "MILLISECOND" => 1000,
        "SECOND" => SECOND,
        "MINUTE" => MINUTE,
        "HOUR" => HOUR,
        "DAY" => DAY,
        _ => 0,
    };
    if width > 0 {
        return Some(t - t.rem_euclid(width));
    }
    // Flink cuts to the day towards 1970.
    let days = t / DAY;
    let (y, m, _) = civil_from_days(days);
    let start = match unit {
        "WEEK" => days - (day_of_week(days) - 1),
        "MONTH" => days_from_civil(y, m, 1),
        "QUARTER" => days_from_civil(y, (m - 1) / 3 * 3 + 1, 1),
        "YEAR" => days_from_civil(y, 1, 1),
        "DECADE" => days_from_civil(y.div_euclid(10) * 10, 1, 1),
        "CENTURY" => days_from_civil((y - 1).div_euclid(100) * 100 + 1, 1, 1),
        "MILLENNIUM" => days_from_civil((y - 1).div_euclid(1000) * 1000 + 1, 1, 1),
        _ => return None,
    };
    Some(start * DAY)
}

/// The start of the unit after the one that starts at `start`.
fn next_micros(unit: &str, start: i64) -> i64 {
    let add = |n: i64| crate::calendar::add_months(start.div_euclid(DAY), n) * DAY;
    match unit {
        "MICROSECOND" | "NANOSECOND" => start + 1,
        "MILLISECOND" => start + 1000,
        "SECOND" => start + SECOND,
        "MINUTE" => start + MINUTE,
        "HOUR" => start + HOUR,
        "DAY" => start + DAY,
        "WEEK" => start + 7 * DAY,
        "MONTH" => add(1),
        "QUARTER" => add(3),
        "YEAR" => add(12),
        "DECADE" => add(120),
        "CENTURY" => add(1200),
        _ => add(12_000),
    }
}

/// Whether a unit is longer than a day.
fn longer_than_day(unit: &str) -> bool {
    matches!(unit, "WEEK" | "MONTH" | "QUARTER" | "YEAR" | "DECADE" | "CENTURY" | "MILLENNIUM")
}

/// Whether CEIL goes on to the next unit from the first day of this one: Calcite does so for
/// decades and longer units, and for quarters but the first.
fn passes_start(unit: &str, t: i64) -> bool {
    match unit {
        "QUARTER" => civil_from_days(t / DAY).1 > 1,
        "DECADE" | "CENTURY" | "MILLENNIUM" => true,
        _ => false,
    }
}

fn round(a: &Args<'_>, unit: &str, up: bool) -> Result<ArrayRef> {
    if floor_micros(unit, 0).is_none() {
        return Err(unknown(unit));
    }
    let value = local_micros(a, 0)?;
    from_local_micros(a, a.ret, |i| {
        let t = value(i);
        let floor = floor_micros(unit, t).unwrap_or(t);
        // Units from weeks on look at the day alone.
        let t = if longer_than_day(unit) { t / DAY * DAY } else { t };
        if up && (floor != t || passes_start(unit, t)) { next_micros(unit, floor) } else { floor }
    })
}
