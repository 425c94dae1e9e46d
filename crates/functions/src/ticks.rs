//! Timestamp columns of any unit as 64-bit ticks.

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{
    DataType as ArrowType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType,
};
use weir_core::types::ticks_per_second;
use weir_core::value::timestamp_array;
use weir_core::{DataType, Error, Result, TypeKind};

/// Ticks of a timestamp column and their unit.
#[derive(Clone, Copy)]
pub(crate) struct Ticks<'a> {
    values: &'a [i64],
    /// Ticks per second.
    pub per_second: i64,
}

impl<'a> Ticks<'a> {
    pub fn of(array: &'a dyn Array) -> Result<Self> {
        let (values, per_second): (&[i64], i64) = match array.data_type() {
            ArrowType::Timestamp(TimeUnit::Millisecond, _) => {
                (array.as_primitive::<TimestampMillisecondType>().values(), 1_000)
            }
            ArrowType::Timestamp(TimeUnit::Microsecond, _) => {
                (array.as_primitive::<TimestampMicrosecondType>().values(), 1_000_000)
            }
            ArrowType::Timestamp(TimeUnit::Nanosecond, _) => {
                (array.as_primitive::<TimestampNanosecondType>().values(), 1_000_000_000)
            }
            other => {
                return Err(Error::internal(format!("{other} where a timestamp was planned")));
            }
        };
        Ok(Self { values, per_second })
    }
    #[inline]
    pub fn get(&self, i: usize) -> i64 {
        self.values[i]
    }
}

/// Ticks per second of a timestamp type.
pub(crate) fn unit_of(ty: &DataType) -> i64 {
    match ty.kind {
        TypeKind::Timestamp(p, _) | TypeKind::TimestampLtz(p, _) => ticks_per_second(p),
        _ => 1_000,
    }
}

/// A timestamp column of the logical type.
pub(crate) fn timestamps(values: Vec<i64>, nulls: Option<NullBuffer>, ty: &DataType) -> ArrayRef {
    let (precision, ltz) = match ty.kind {
        TypeKind::Timestamp(p, _) => (p, false),
        TypeKind::TimestampLtz(p, _) => (p, true),
        _ => (3, false),
    };
    timestamp_array(Int64Array::new(ScalarBuffer::from(values), nulls), precision, ltz)
}

/// Ticks in another unit, rounding towards the past.
#[inline]
pub(crate) fn rescale(ticks: i64, from: i64, to: i64) -> i64 {
    if from == to {
        ticks
    } else if from < to {
        ticks.wrapping_mul(to / from)
    } else {
        ticks.div_euclid(from / to)
    }
}

/// Drops the digits of a second below the precision, towards 1970.
pub(crate) fn truncate(ticks: i64, per_second: i64, precision: u8) -> i64 {
    let kept = 10i64.pow(precision.min(9).into());
    if kept >= per_second { ticks } else { ticks - ticks % (per_second / kept) }
}
