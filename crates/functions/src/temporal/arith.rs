//! TIMESTAMPADD, TIMESTAMPDIFF, differences of times, OVERLAPS.

use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef};
use arrow::datatypes::{Int32Type, Int64Type};
use weir_core::{Error, Result, TypeKind};

use super::local::{from_local_micros, local_micros};
use crate::args::{Args, Kernel};
use crate::calendar::{add_months, civil_from_days};
use crate::intervals::{interval_array, interval_values};
use crate::site::Site;
use crate::ticks::{Ticks, timestamps, unit_of};

const DAY: i64 = 86_400_000_000;
const NANOS: i64 = 1_000_000_000;

/// Months or microseconds of a unit.
enum Step {
    Months(i64),
    Micros(i64),
}

fn step(unit: &str) -> Result<Step> {
    Ok(match unit {
        "YEAR" => Step::Months(12),
        "QUARTER" => Step::Months(3),
        "MONTH" => Step::Months(1),
        "DECADE" => Step::Months(120),
        "CENTURY" => Step::Months(1200),
        "MILLENNIUM" => Step::Months(12_000),
        "WEEK" => Step::Micros(7 * DAY),
        "DAY" => Step::Micros(DAY),
        "HOUR" => Step::Micros(3_600_000_000),
        "MINUTE" => Step::Micros(60_000_000),
        "SECOND" => Step::Micros(1_000_000),
        "MILLISECOND" => Step::Micros(1_000),
        "MICROSECOND" => Step::Micros(1),
        _ => return Err(Error::validation(format!("the unit {unit} cannot be used here"))),
    })
}

pub(super) fn kernel(site: &Site<'_>) -> Result<Option<Kernel>> {
    Ok(Some(match site.name {
        "TIMESTAMPADD" => {
            let step = step(site.keyword(0)?)?;
            Arc::new(move |a| add(a, &step))
        }
        "TIMESTAMPDIFF" if site.keyword(0)? == "NANOSECOND" => Arc::new(|a| {
            let (x, y) = (local_micros(a, 1)?, local_micros(a, 2)?);
            let nulls = a.nulls();
            Ok(Arc::new(a.plain::<Int64Type>(|i| {
                if nulls.as_ref().is_some_and(|n| n.is_null(i)) {
                    return 0;
                }
                (millis(y(i)) - millis(x(i))) / 1000 * 1_000_000_000
            })))
        }),
        "TIMESTAMPDIFF" => {
            let unit = site.keyword(0)?.to_owned();
            let step = step(&unit)?;
            Arc::new(move |a| {
                let (x, y) = (local_micros(a, 1)?, local_micros(a, 2)?);
                let nulls = a.nulls();
                Ok(Arc::new(a.plain::<Int32Type>(|i| {
                    if nulls.as_ref().is_some_and(|n| n.is_null(i)) {
                        return 0;
                    }
                    match step {
                        Step::Months(n) => (months_between(x(i), y(i)) / n) as i32,
                        Step::Micros(n) => difference(&unit, n, millis(y(i)) - millis(x(i))),
                    }
                })))
            })
        }
        "MINUS_DATE" => Arc::new(|a| {
            let (x, y) = (local_micros(a, 0)?, local_micros(a, 1)?);
            let months = matches!(a.ret.kind, TypeKind::IntervalYearMonth(..));
            let nulls = a.nulls();
            let out = a.plain::<Int64Type>(|i| {
                if nulls.as_ref().is_some_and(|n| n.is_null(i)) {
                    0
                } else if months {
                    months_between(y(i), x(i))
                } else {
                    x(i).div_euclid(1000) - y(i).div_euclid(1000)
                }
            });
            interval_array(out, a.ret)
        }),
        "OVERLAPS" => Arc::new(overlaps),
        _ => return Ok(None),
    }))
}

/// Flink looks at whole milliseconds.
fn millis(micros: i64) -> i64 {
    micros.div_euclid(1000)
}

/// A difference of milliseconds in units of so many microseconds. Weeks and what is shorter
/// than a second come from the difference in seconds, in 32 bits.
fn difference(unit: &str, micros: i64, millis: i64) -> i32 {
    let seconds = (millis / 1000) as i32;
    match unit {
        "WEEK" => seconds / 604_800,
        _ if micros < 1_000_000 => seconds.wrapping_mul((1_000_000 / micros) as i32),
        _ => (millis / (micros / 1000)) as i32,
    }
}

fn add(a: &Args<'_>, step: &Step) -> Result<ArrayRef> {
    let (n, t) = (a.nums::<Int64Type>(1)?, local_micros(a, 2)?);
    let time_of_day = matches!(a.types[2].kind, TypeKind::Time(_));
    let moved = from_local_micros(a, a.ret, |i| match step {
        Step::Micros(by) => t(i).wrapping_add(by.wrapping_mul(n.get(i))),
        Step::Months(_) if time_of_day => t(i),
        Step::Months(by) => shift_months(t(i), by.wrapping_mul(n.get(i))),
    })?;
    if !a.types[2].is_timestamp() || unit_of(a.ret) != NANOS || unit_of(&a.types[2]) != NANOS {
        return Ok(moved);
    }
    // The steps are no finer than microseconds: what a timestamp has below them stays.
    let (source, micros) = (Ticks::of(a.col(2))?, Ticks::of(moved.as_ref())?);
    let ticks =
        (0..a.rows).map(|i| micros.get(i) + source.get(a.at(2, i)).rem_euclid(1000)).collect();
    Ok(timestamps(ticks, moved.nulls().cloned(), a.ret))
}

fn shift_months(t: i64, months: i64) -> i64 {
    add_months(t.div_euclid(DAY), months) * DAY + t.rem_euclid(DAY)
}

/// Whole months from `x` to `y` as Calcite counts them: days first, and one month less where
/// the time of day has not come yet. Going back it takes one more instead.
pub(super) fn months_between(x: i64, y: i64) -> i64 {
    let (from, to) = (x.div_euclid(DAY), y.div_euclid(DAY));
    let months = months_of_days(from, to);
    let same_day = add_months(from, months) == to;
    months - i64::from(same_day && y.rem_euclid(DAY) < x.rem_euclid(DAY))
}

/// Whole months between two days, towards zero.
fn months_of_days(from: i64, to: i64) -> i64 {
    if to < from {
        return -months_of_days(to, from);
    }
    let (y1, m1, _) = civil_from_days(from);
    let (y2, m2, _) = civil_from_days(to);
    let months = (y2 - y1) * 12 + m2 - m1;
    months - i64::from(add_months(from, months) > to)
}

/// (start, end) OVERLAPS (start, end); an end may be an interval after the start.
fn overlaps(a: &Args<'_>) -> Result<ArrayRef> {
    let end =
        |s: usize| -> Result<Box<dyn Fn(usize) -> i64 + '_>> {
            let e = s + 1;
            if !a.types[e].is_interval() {
                return local_micros(a, e);
            }
            let (start, by) = (local_micros(a, s)?, interval_values(a, e)?);
            let months = matches!(a.types[e].kind, TypeKind::IntervalYearMonth(..));
            Ok(Box::new(move |i| {
                if months { shift_months(start(i), by(i)) } else { start(i) + by(i) * 1000 }
            }))
        };
    let (s1, e1, s2, e2) = (local_micros(a, 0)?, end(0)?, local_micros(a, 2)?, end(2)?);
    let nulls = a.nulls();
    Ok(Arc::new(a.boolean(|i| {
        if nulls.as_ref().is_some_and(|n| n.is_null(i)) {
            return false;
        }
        let (a1, b1) = (s1(i).min(e1(i)), s1(i).max(e1(i)));
        let (a2, b2) = (s2(i).min(e2(i)), s2(i).max(e2(i)));
        a1 <= b2 && a2 <= b1
    })))
}
