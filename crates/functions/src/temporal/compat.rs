//! Date functions that other dialects have: DATE, DATE_ADD, DATE_SUB, DATEDIFF,
//! LAST_DAY, MONTHS_BETWEEN. They take dates, timestamps and text.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{Date32Type, Float64Type, Int32Type};
use weir_core::{DataType, Result, TypeKind};

use crate::args::{Args, Kernel};
use crate::calendar::{civil_from_days, days_from_civil, days_in_month};
use crate::cast::cast_column;
use crate::site::Site;

pub(super) fn kernel(site: &Site<'_>) -> Result<Option<Kernel>> {
    Ok(Some(match site.name {
        "DATE" => day(|d| d),
        "LAST_DAY" => day(|d| {
            let (y, m, _) = civil_from_days(d);
            days_from_civil(y, m, days_in_month(y, m))
        }),
        "DATE_ADD" => shift(1),
        "DATE_SUB" => shift(-1),
        "DATEDIFF" => Arc::new(|a| {
            let (x, y) = (days(a, 0)?, days(a, 1)?);
            Ok(Arc::new(
                a.number::<Int32Type>(|i| Ok(x(i).zip(y(i)).map(|(x, y)| (x - y) as i32)))?,
            ))
        }),
        "MONTHS_BETWEEN" => Arc::new(|a| {
            let (x, y) = (days(a, 0)?, days(a, 1)?);
            Ok(Arc::new(a.number::<Float64Type>(|i| {
                Ok(x(i).zip(y(i)).map(|(x, y)| months_between(x, y)))
            })?))
        }),
        _ => return Ok(None),
    }))
}

/// Reads an argument as days; None where it is NULL or no date.
fn days<'a>(a: &Args<'a>, i: usize) -> Result<Box<dyn Fn(usize) -> Option<i64> + 'a>> {
    let date = DataType::from(TypeKind::Date);
    let dates = cast_column(a.cols[i].array(), &a.types[i], &date, true, a.ctx)?;
    let scalar = a.cols[i].is_scalar();
    Ok(Box::new(move |row| {
        let row = if scalar { 0 } else { row };
        super::local::present(dates.as_ref(), row)
            .then(|| dates.as_primitive::<Date32Type>().value(row).into())
    }))
}

fn day(f: fn(i64) -> i64) -> Kernel {
    Arc::new(move |a| {
        let x = days(a, 0)?;
        Ok(Arc::new(a.number::<Date32Type>(|i| Ok(x(i).map(|d| f(d) as i32)))?))
    })
}

fn shift(sign: i64) -> Kernel {
    Arc::new(move |a| {
        let (x, n) = (days(a, 0)?, a.nums::<Int32Type>(1)?);
        Ok(Arc::new(
            a.number::<Date32Type>(|i| Ok(x(i).map(|d| (d + sign * i64::from(n.get(i))) as i32)))?,
        ))
    })
}

/// Months with a 31-day fraction; whole when both are the same day or month ends.
fn months_between(x: i64, y: i64) -> f64 {
    let (y1, m1, d1) = civil_from_days(x);
    let (y2, m2, d2) = civil_from_days(y);
    let months = ((y1 - y2) * 12 + m1 - m2) as f64;
    let ends = d1 == days_in_month(y1, m1) && d2 == days_in_month(y2, m2);
    if d1 == d2 || ends { months } else { months + (d1 - d2) as f64 / 31.0 }
}
