//! Dates, times and timestamps as local microseconds, whatever column they stand in.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType as ArrowType, Date32Type, Time32MillisecondType};
use weir_core::{DataType, Result, TypeKind};

use crate::args::Args;
use crate::calendar::MS_PER_DAY;
use crate::context::is_ltz;
use crate::ticks::{Ticks, rescale, timestamps, unit_of};

/// Reads rows of a date, time or timestamp argument as local microseconds.
pub(crate) fn local_micros<'a>(a: &Args<'a>, i: usize) -> Result<Box<dyn Fn(usize) -> i64 + 'a>> {
    let mask = if a.cols[i].is_scalar() { 0 } else { usize::MAX };
    Ok(match a.col(i).data_type() {
        ArrowType::Date32 => {
            let d = a.nums::<Date32Type>(i)?;
            Box::new(move |r| i64::from(d.get(r)) * MS_PER_DAY * 1000)
        }
        ArrowType::Time32(_) => {
            let t = a.nums::<Time32MillisecondType>(i)?;
            Box::new(move |r| i64::from(t.get(r)) * 1000)
        }
        _ => {
            let t = Ticks::of(a.col(i))?;
            let unit = t.per_second;
            let zone = is_ltz(a.col(i).data_type()).then_some(a.ctx.zone);
            Box::new(move |r| {
                let ticks = t.get(r & mask);
                rescale(zone.map_or(ticks, |z| z.to_local(ticks, unit)), unit, 1_000_000)
            })
        }
    })
}

/// A column of the date, time or timestamp type from local microseconds.
pub(crate) fn from_local_micros(
    a: &Args<'_>,
    ty: &DataType,
    f: impl Fn(usize) -> i64,
) -> Result<ArrayRef> {
    let nulls = a.nulls();
    let valid = |i: usize| !nulls.as_ref().is_some_and(|n| n.is_null(i));
    Ok(match ty.kind {
        TypeKind::Date => Arc::new(a.plain::<Date32Type>(|i| {
            if valid(i) { f(i).div_euclid(MS_PER_DAY * 1000) as i32 } else { 0 }
        })),
        TypeKind::Time(_) => Arc::new(a.plain::<Time32MillisecondType>(|i| {
            if valid(i) { (f(i).div_euclid(1000)).rem_euclid(MS_PER_DAY) as i32 } else { 0 }
        })),
        _ => {
            let unit = unit_of(ty);
            let zone = matches!(ty.kind, TypeKind::TimestampLtz(..)).then_some(a.ctx.zone);
            let values = (0..a.rows)
                .map(|i| {
                    if !valid(i) {
                        return 0;
                    }
                    let local = f(i);
                    let utc = zone.map_or(local, |z| z.to_instant(local, 1_000_000));
                    rescale(utc, 1_000_000, unit)
                })
                .collect();
            timestamps(values, nulls.clone(), ty)
        }
    })
}

/// Whether row `i` of an array has a value.
pub(crate) fn present(a: &dyn Array, i: usize) -> bool {
    a.is_valid(i)
}
