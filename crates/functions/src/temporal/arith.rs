//! TIMESTAMPADD, TIMESTAMPDIFF, differences of times, OVERLAPS.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{Int32Type, Int64Type};
use weir_core::{Error, Result, TypeKind};

use super::local::{from_local_micros, local_micros};
use crate::args::{Args, Kernel};
use crate::calendar::{add_months, civil_from_days};
use crate::intervals::{interval_array, interval_values};
use crate::site::Site;

const DAY: i64 = 86_400_000_000;

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
        "TIMESTAMPDIFF" => {
            let step = step(site.keyword(0)?)?;
            Arc::new(move |a| {
                let (x, y) = (local_micros(a, 1)?, local_micros(a, 2)?);
                let nulls = a.nulls();
                Ok(Arc::new(a.plain::<Int32Type>(|i| {
                    if nulls.as_ref().is_some_and(|n| n.is_null(i)) {
                        return 0;
                    }
                    match step {
                        Step::Months(n) => (months_between(x(i), y(i)) / n) as i32,
                        // Flink counts whole milliseconds.
                        Step::Micros(n) if n >= 1000 => {
                            ((y(i).div_euclid(1000) - x(i).div_euclid(1000)) / (n / 1000)) as i32
                        }
                        Step::Micros(n) => ((y(i) - x(i)) / n) as i32,
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

fn add(a: &Args<'_>, step: &Step) -> Result<ArrayRef> {
    let (n, t) = (a.nums::<Int64Type>(1)?, local_micros(a, 2)?);
    let time_of_day = matches!(a.types[2].kind, TypeKind::Time(_));
    from_local_micros(a, a.ret, |i| match step {
        Step::Micros(by) => t(i).wrapping_add(by.wrapping_mul(n.get(i))),
        Step::Months(_) if time_of_day => t(i),
        Step::Months(by) => shift_months(t(i), by.wrapping_mul(n.get(i))),
    })
}

fn shift_months(t: i64, months: i64) -> i64 {
    add_months(t.div_euclid(DAY), months) * DAY + t.rem_euclid(DAY)
}

/// Whole months from `x` to `y`, towards zero.
pub(super) fn months_between(x: i64, y: i64) -> i64 {
    let (x, y, sign) = if x <= y { (x, y, 1) } else { (y, x, -1) };
    let (y1, m1, _) = civil_from_days(x.div_euclid(DAY));
    let (y2, m2, _) = civil_from_days(y.div_euclid(DAY));
    let mut months = (y2 - y1) * 12 + m2 - m1;
    if shift_months(x, months) > y {
        months -= 1;
    }
    sign * months
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
