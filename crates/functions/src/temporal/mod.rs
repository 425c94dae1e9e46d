//! Date and time functions.

mod arith;
mod compat;
mod convert;
mod fields;
pub(crate) mod pattern;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Date32Array, Time32MillisecondArray};
use arrow::datatypes::{DataType as ArrowType, Date32Type, Time32MillisecondType};
use weir_core::{DataType, Result, TypeKind};

use crate::args::{Args, Kernel};
use crate::calendar::MS_PER_DAY;
use crate::context::is_ltz;
use crate::kernels::{Family, Site};
use crate::ticks::{Ticks, rescale, timestamps, unit_of};

pub(crate) fn kernel(site: &Site<'_>) -> Result<Option<Kernel>> {
    let families: [Family; 5] =
        [clock, fields::kernel, arith::kernel, convert::kernel, compat::kernel];
    for family in families {
        if let Some(kernel) = family(site)? {
            return Ok(Some(kernel));
        }
    }
    Ok(None)
}

/// Functions of the clock and the watermark.
fn clock(site: &Site<'_>) -> Result<Option<Kernel>> {
    Ok(Some(match site.name {
        "CURRENT_TIMESTAMP" | "NOW" | "CURRENT_ROW_TIMESTAMP" | "PROCTIME" => {
            Arc::new(|a| Ok(timestamps(vec![a.ctx.now_ms; a.rows], None, a.ret)))
        }
        "LOCALTIMESTAMP" => Arc::new(|a| Ok(timestamps(vec![local_now(a); a.rows], None, a.ret))),
        "CURRENT_DATE" => Arc::new(|a| {
            let day = local_now(a).div_euclid(MS_PER_DAY) as i32;
            Ok(Arc::new(Date32Array::from(vec![day; a.rows])))
        }),
        "CURRENT_TIME" | "LOCALTIME" => Arc::new(|a| {
            let ms = local_now(a).rem_euclid(MS_PER_DAY) / 1000 * 1000;
            Ok(Arc::new(Time32MillisecondArray::from(vec![ms as i32; a.rows])))
        }),
        "CURRENT_WATERMARK" => Arc::new(|a| {
            let unit = unit_of(a.ret);
            Ok(match a.ctx.watermark {
                Some(w) => timestamps(vec![w * (unit / 1000); a.rows], None, a.ret),
                None => weir_core::value::null_column(a.ret, a.rows),
            })
        }),
        _ => return Ok(None),
    }))
}

fn local_now(a: &Args<'_>) -> i64 {
    a.ctx.zone.to_local(a.ctx.now_ms, 1000)
}

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
