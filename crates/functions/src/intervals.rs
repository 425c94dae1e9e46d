//! Interval columns as 64-bit months or milliseconds.

use std::sync::Arc;

use arrow::array::{ArrayRef, PrimitiveArray};
use arrow::datatypes::{DurationMillisecondType, Int64Type, IntervalYearMonthType};
use weir_core::{DataType, Result, TypeKind};

use crate::args::Args;

/// Milliseconds or months of an interval argument.
pub(crate) fn interval_values<'a>(
    a: &Args<'a>,
    i: usize,
) -> Result<Box<dyn Fn(usize) -> i64 + 'a>> {
    Ok(match a.types[i].kind {
        TypeKind::IntervalYearMonth(..) => {
            let v = a.nums::<IntervalYearMonthType>(i)?;
            Box::new(move |r| v.get(r).into())
        }
        _ => {
            let v = a.nums::<DurationMillisecondType>(i)?;
            Box::new(move |r| v.get(r))
        }
    })
}

/// A column of intervals from months or milliseconds.
pub(crate) fn interval_array(values: PrimitiveArray<Int64Type>, ty: &DataType) -> Result<ArrayRef> {
    Ok(match ty.kind {
        TypeKind::IntervalYearMonth(..) => {
            Arc::new(values.unary::<_, IntervalYearMonthType>(|x| x as i32))
        }
        _ => Arc::new(values.unary::<_, DurationMillisecondType>(|x| x)),
    })
}
