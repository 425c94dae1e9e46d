//! Casts among dates, times and timestamps.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, Time32MillisecondArray};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{Date32Type, Time32MillisecondType};
use weir_core::{DataType, Error, Result, TypeKind};

use crate::calendar::MS_PER_DAY;
use crate::context::Zone;
use crate::ticks::{Ticks, rescale, timestamps, truncate, unit_of};

pub(super) fn cast(
    array: &ArrayRef,
    from: &DataType,
    to: &DataType,
    zone: Zone,
) -> Result<ArrayRef> {
    let nulls = array.nulls().cloned();
    let local_from = matches!(from.kind, TypeKind::TimestampLtz(..));
    let local_to = matches!(to.kind, TypeKind::TimestampLtz(..));
    match (&from.kind, &to.kind) {
        (TypeKind::Time(_), TypeKind::Time(_)) => Ok(array.clone()),
        (
            TypeKind::Date | TypeKind::Time(_),
            TypeKind::Timestamp(..) | TypeKind::TimestampLtz(..),
        ) => {
            let unit = unit_of(to);
            let local: Vec<i64> = match array.as_primitive_opt::<Date32Type>() {
                Some(d) => d.values().iter().map(|d| i64::from(*d) * 86_400 * unit).collect(),
                None => array
                    .as_primitive::<Time32MillisecondType>()
                    .values()
                    .iter()
                    .map(|t| i64::from(*t) * (unit / 1000))
                    .collect(),
            };
            let ticks = if local_to {
                local.into_iter().map(|t| zone.to_instant(t, unit)).collect()
            } else {
                local
            };
            Ok(timestamps(ticks, nulls, to))
        }
        (_, TypeKind::Timestamp(p, _) | TypeKind::TimestampLtz(p, _)) if from.is_timestamp() => {
            let source = Ticks::of(array.as_ref())?;
            let (a, b) = (source.per_second, unit_of(to));
            let convert = |i: usize| {
                let t = source.get(i);
                let t = match (local_from, local_to) {
                    (true, false) => zone.to_local(t, a),
                    (false, true) => zone.to_instant(t, a),
                    _ => t,
                };
                truncate(rescale(t, a, b), b, *p)
            };
            Ok(timestamps((0..array.len()).map(convert).collect(), nulls, to))
        }
        (_, TypeKind::Date | TypeKind::Time(_)) if from.is_timestamp() => {
            let source = Ticks::of(array.as_ref())?;
            let unit = source.per_second;
            let ms = (0..array.len()).map(|i| {
                let t = source.get(i);
                rescale(if local_from { zone.to_local(t, unit) } else { t }, unit, 1000)
            });
            Ok(if to.kind == TypeKind::Date {
                let days: Vec<i32> = ms.map(|t| day_of(t, local_from)).collect();
                Arc::new(Date32Array::new(ScalarBuffer::from(days), nulls))
            } else {
                // TIME(0) keeps whole seconds, cut towards 1970.
                let seconds = |t: i64| if local_from { t.div_euclid(1000) } else { t / 1000 };
                let clock: Vec<i32> =
                    ms.map(|t| (seconds(t) * 1000).rem_euclid(MS_PER_DAY) as i32).collect();
                Arc::new(Time32MillisecondArray::new(ScalarBuffer::from(clock), nulls))
            })
        }
        _ => Err(Error::validation(format!("Unsupported cast from {from} to {to}"))),
    }
}

/// The day of a time in milliseconds. Flink cuts towards 1970 where the time is not bound to
/// a zone.
fn day_of(ms: i64, local: bool) -> i32 {
    let day = if local { ms.div_euclid(MS_PER_DAY) } else { ms / MS_PER_DAY };
    day as i32
}
