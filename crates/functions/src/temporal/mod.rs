//! Date and time functions.

mod arith;
mod compat;
mod convert;
mod fields;
mod local;
pub(crate) mod pattern;

use std::sync::Arc;

use arrow::array::{Date32Array, Time32MillisecondArray};
use weir_core::Result;

use crate::args::{Args, Kernel};
use crate::calendar::MS_PER_DAY;
use crate::site::{Family, Site};
use crate::ticks::{timestamps, unit_of};

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
