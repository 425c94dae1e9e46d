//! Comparisons, NULL-safe equality, NULLIF, GREATEST, LEAST.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Datum, Scalar};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::kernels::cmp;
use arrow::datatypes::DataType as ArrowType;
use arrow::datatypes::{Float32Type, Float64Type};
use weir_core::{DataType, Error, Result, Value};

use crate::args::{Args, Col, Kernel, with_nulls};
use crate::cast::cast_column;
use crate::site::Site;
use crate::typing::{comparison_type, never_equal};

pub(crate) fn kernel(site: &Site<'_>) -> Result<Option<Kernel>> {
    let op = match site.name {
        "=" => Cmp::Eq,
        "<>" => Cmp::Ne,
        "<" => Cmp::Lt,
        "<=" => Cmp::Le,
        ">" => Cmp::Gt,
        ">=" => Cmp::Ge,
        "IS DISTINCT FROM" => Cmp::Distinct,
        "IS NOT DISTINCT FROM" => Cmp::NotDistinct,
        "NULLIF" => return Ok(Some(nullif_kernel(site)?)),
        "GREATEST" => return Ok(Some(Arc::new(|a| extremum(a, Ordering::Greater)))),
        "LEAST" => return Ok(Some(Arc::new(|a| extremum(a, Ordering::Less)))),
        _ => return Ok(None),
    };
    if let (Some(x), Some(y)) = (site.ty(0), site.ty(1))
        && never_equal(x, y)
    {
        return Ok(Some(Arc::new(move |a| {
            let unequal = matches!(op, Cmp::Ne | Cmp::Distinct);
            Ok(Arc::new(by_row(op, a.rows, |i| a.is_null(0, i), |i| a.is_null(1, i), |_| unequal)))
        })));
    }
    Ok(Some(Arc::new(move |a| {
        Ok(Arc::new(compare(op, &a.cols[0], &a.cols[1], a.rows)?) as ArrayRef)
    })))
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cmp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Distinct,
    NotDistinct,
}

impl Cmp {
    fn test(self, o: Ordering) -> bool {
        match self {
            Cmp::Eq | Cmp::NotDistinct => o.is_eq(),
            Cmp::Ne | Cmp::Distinct => o.is_ne(),
            Cmp::Lt => o.is_lt(),
            Cmp::Le => o.is_le(),
            Cmp::Gt => o.is_gt(),
            Cmp::Ge => o.is_ge(),
        }
    }
}

/// Compares two columns of the same Arrow type.
pub(crate) fn compare(op: Cmp, a: &Col, b: &Col, rows: usize) -> Result<BooleanArray> {
    match a.array().data_type() {
        ArrowType::Float32 | ArrowType::Float64 => floats(op, a, b, rows),
        ArrowType::List(_) | ArrowType::Map(..) | ArrowType::Struct(_) | ArrowType::Null => {
            nested(op, a, b, rows)
        }
        _ => with_datums(op, a, b, rows),
    }
}

fn with_datums(op: Cmp, a: &Col, b: &Col, rows: usize) -> Result<BooleanArray> {
    let whole = rows == 1;
    let datum = |c: &Col| -> Box<dyn Datum> {
        if c.is_scalar() && !whole {
            Box::new(Scalar::new(c.array().clone()))
        } else {
            Box::new(c.array().clone())
        }
    };
    let (x, y) = (datum(a), datum(b));
    let (x, y) = (x.as_ref(), y.as_ref());
    let out = match op {
        Cmp::Eq => cmp::eq(x, y)?,
        Cmp::Ne => cmp::neq(x, y)?,
        Cmp::Lt => cmp::lt(x, y)?,
        Cmp::Le => cmp::lt_eq(x, y)?,
        Cmp::Gt => cmp::gt(x, y)?,
        Cmp::Ge => cmp::gt_eq(x, y)?,
        Cmp::Distinct => cmp::distinct(x, y)?,
        Cmp::NotDistinct => cmp::not_distinct(x, y)?,
    };
    Ok(out)
}

/// IEEE comparison: NaN equals nothing, as in Java's operators.
fn floats(op: Cmp, a: &Col, b: &Col, rows: usize) -> Result<BooleanArray> {
    macro_rules! go {
        ($t:ty) => {{
            let (x, y) = (a.array().as_primitive::<$t>(), b.array().as_primitive_opt::<$t>());
            let Some(y) = y else { return Err(mixed(a, b)) };
            let (mx, my) = (mask(a), mask(b));
            by_row(
                op,
                rows,
                |i| x.is_null(i & mx),
                |i| y.is_null(i & my),
                |i| {
                    let (p, q) = (x.value(i & mx), y.value(i & my));
                    match op {
                        Cmp::Eq | Cmp::NotDistinct => p == q,
                        Cmp::Ne | Cmp::Distinct => p != q,
                        Cmp::Lt => p < q,
                        Cmp::Le => p <= q,
                        Cmp::Gt => p > q,
                        Cmp::Ge => p >= q,
                    }
                },
            )
        }};
    }
    Ok(if *a.array().data_type() == ArrowType::Float32 {
        go!(Float32Type)
    } else {
        go!(Float64Type)
    })
}

fn mixed(a: &Col, b: &Col) -> Error {
    Error::internal(format!(
        "comparison of {} with {}",
        a.array().data_type(),
        b.array().data_type()
    ))
}

fn mask(c: &Col) -> usize {
    if c.is_scalar() { 0 } else { usize::MAX }
}

fn by_row(
    op: Cmp,
    rows: usize,
    left_null: impl Fn(usize) -> bool,
    right_null: impl Fn(usize) -> bool,
    test: impl Fn(usize) -> bool,
) -> BooleanArray {
    let null_safe = matches!(op, Cmp::Distinct | Cmp::NotDistinct);
    let mut valid = Vec::with_capacity(rows);
    let values = BooleanBuffer::collect_bool(rows, |i| {
        let (l, r) = (left_null(i), right_null(i));
        valid.push(null_safe || !(l || r));
        match (l, r) {
            (false, false) => test(i),
            (true, true) => op == Cmp::NotDistinct,
            _ => op == Cmp::Distinct,
        }
    });
    let nulls = valid.contains(&false).then(|| NullBuffer::from(valid));
    BooleanArray::new(values, nulls)
}

/// Arrays, maps and rows by value; maps without regard to order.
fn nested(op: Cmp, a: &Col, b: &Col, rows: usize) -> Result<BooleanArray> {
    let (x, y) = (a.array().as_ref(), b.array().as_ref());
    let (mx, my) = (mask(a), mask(b));
    if matches!(op, Cmp::Eq | Cmp::Ne) && matches!(x.data_type(), ArrowType::Struct(_)) {
        return Ok((0..rows)
            .map(|i| {
                let p = Value::from_array(x, i & mx);
                let q = Value::from_array(y, i & my);
                row_equal(&p, &q).map(|same| same == (op == Cmp::Eq))
            })
            .collect());
    }
    Ok(by_row(
        op,
        rows,
        |i| is_null(x, i & mx),
        |i| is_null(y, i & my),
        |i| {
            let p = Value::from_array(x, i & mx);
            let q = Value::from_array(y, i & my);
            let order =
                if equal(&p, &q) { Ordering::Equal } else { p.total_cmp(&q).then(Ordering::Less) };
            op.test(order)
        },
    ))
}

fn is_null(a: &dyn Array, i: usize) -> bool {
    a.data_type().is_null() || a.is_null(i)
}

/// Deep equality; NULL elements equal each other.
pub(crate) fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Map(x), Value::Map(y)) => {
            x.len() == y.len()
                && x.iter().all(|(k, v)| y.iter().any(|(l, w)| equal(k, l) && equal(v, w)))
        }
        (Value::Array(x), Value::Array(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(p, q)| same_bits(p, q))
        }
        (Value::Row(x), Value::Row(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(p, q)| equal(p, q))
        }
        _ => a == b,
    }
}

/// Equality of elements of arrays, which Flink compares by their bytes.
fn same_bits(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Double(x), Value::Double(y)) => x.total_cmp(y).is_eq(),
        (Value::Float(x), Value::Float(y)) => x.total_cmp(y).is_eq(),
        _ => equal(a, b),
    }
}

/// Equality of rows field by field: unknown where no field differs but one is NULL.
fn row_equal(a: &Value, b: &Value) -> Option<bool> {
    match (a, b) {
        (Value::Null, _) | (_, Value::Null) => None,
        (Value::Row(x), Value::Row(y)) if x.len() == y.len() => {
            let fields: Vec<_> = x.iter().zip(y).map(|(p, q)| row_equal(p, q)).collect();
            if fields.contains(&Some(false)) {
                return Some(false);
            }
            (!fields.contains(&None)).then_some(true)
        }
        _ => Some(equal(a, b)),
    }
}

fn nullif_kernel(site: &Site<'_>) -> Result<Kernel> {
    let (Some(a), Some(b)) = (site.ty(0), site.ty(1)) else {
        return Err(Error::internal("NULLIF needs two arguments"));
    };
    if never_equal(a, b) {
        return Ok(Arc::new(|args| args.cols[0].clone().into_array(args.rows)));
    }
    let common =
        comparison_type(a, b).ok_or_else(|| Error::internal(format!("NULLIF of {a} and {b}")))?;
    Ok(Arc::new(move |args| nullif(args, &common)))
}

fn nullif(a: &Args<'_>, common: &DataType) -> Result<ArrayRef> {
    let side = |i: usize| -> Result<Col> {
        let out = cast_column(a.cols[i].array(), &a.types[i], common, false, a.ctx)?;
        Ok(if a.cols[i].is_scalar() { Col::Scalar(out) } else { Col::Array(out) })
    };
    let same = compare(Cmp::Eq, &side(0)?, &side(1)?, a.rows)?;
    let first = a.cols[0].clone().into_array(a.rows)?;
    Ok(arrow::compute::nullif(&first, &same)?)
}

/// GREATEST and LEAST: NULL if any argument is.
fn extremum(a: &Args<'_>, wanted: Ordering) -> Result<ArrayRef> {
    let op = if wanted.is_gt() { Cmp::Gt } else { Cmp::Lt };
    let mut best = a.cols[0].clone().into_array(a.rows)?;
    for col in &a.cols[1..] {
        let other = col.clone().into_array(a.rows)?;
        // Java's compareTo: NaN is the greatest number, and 0.0 greater than -0.0.
        let sides = [&other, &best].map(|x| Col::Array((*x).clone()));
        let better = with_datums(op, &sides[0], &sides[1], a.rows)?;
        best = arrow::compute::kernels::zip::zip(&better, &other, &best)?;
    }
    match a.nulls() {
        Some(n) => with_nulls(&best, Some(&n)),
        None => Ok(best),
    }
}
