//! Casts of arrays, maps and rows, part by part.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, StructArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType as ArrowType;
use weir_core::{DataType, Error, Result, TypeKind};

/// How a part is cast.
pub(super) type CastPart<'a> = &'a dyn Fn(&ArrayRef, &DataType, &DataType) -> Result<ArrayRef>;

pub(super) fn cast(
    array: &ArrayRef,
    from: &DataType,
    to: &DataType,
    safe: bool,
    part: CastPart<'_>,
) -> Result<ArrayRef> {
    match (&from.kind, &to.kind, to.to_arrow()) {
        (TypeKind::Array(a), TypeKind::Array(b), ArrowType::List(field)) => {
            let list = array.as_list::<i32>();
            let values = part(list.values(), a, b)?;
            let offsets = list.offsets().clone();
            let lost = safe.then(|| lost(list.values(), &values)).flatten();
            let nulls = without(list.nulls(), list.len(), |i| {
                let range = offsets[i] as usize..offsets[i + 1] as usize;
                lost.as_ref().is_some_and(|l| l[range].contains(&true))
            });
            Ok(Arc::new(ListArray::try_new(field, offsets, values, nulls)?))
        }
        (TypeKind::Map(k1, v1), TypeKind::Map(k2, v2), arrow) => {
            map(array, arrow, [k1, k2], [v1, v2], part)
        }
        (TypeKind::Multiset(a), TypeKind::Multiset(b), arrow) => {
            let int = DataType::int();
            map(array, arrow, [a, b], [&int, &int], part)
        }
        (_, _, ArrowType::Struct(fields)) if from.fields().is_some() => {
            let row = array.as_struct();
            let (x, y) = (from.fields().unwrap_or_default(), to.fields().unwrap_or_default());
            if x.len() != y.len() {
                return Err(unsupported(from, to));
            }
            let columns = row
                .columns()
                .iter()
                .zip(x.iter().zip(y))
                .map(|(c, (f, g))| part(c, &f.ty, &g.ty))
                .collect::<Result<Vec<_>>>()?;
            if columns.is_empty() {
                return Ok(array.clone());
            }
            let lost: Vec<Vec<bool>> = if safe {
                row.columns().iter().zip(&columns).filter_map(|(a, b)| lost(a, b)).collect()
            } else {
                Vec::new()
            };
            let nulls = without(row.nulls(), row.len(), |i| lost.iter().any(|l| l[i]));
            Ok(Arc::new(StructArray::try_new(fields, columns, nulls)?))
        }
        _ if *array.data_type() == to.to_arrow() => Ok(array.clone()),
        _ => Err(unsupported(from, to)),
    }
}

/// Rows that a safe cast turned into NULL; None if there are none.
fn lost(before: &ArrayRef, after: &ArrayRef) -> Option<Vec<bool>> {
    let lost: Vec<bool> =
        (0..before.len()).map(|i| before.is_valid(i) && after.is_null(i)).collect();
    lost.contains(&true).then_some(lost)
}

/// Validity without the rows of which a part was lost: TRY_CAST gives the whole value or NULL.
fn without(
    nulls: Option<&NullBuffer>,
    rows: usize,
    is_lost: impl Fn(usize) -> bool,
) -> Option<NullBuffer> {
    let lost: Vec<bool> = (0..rows).map(is_lost).collect();
    if !lost.contains(&true) {
        return nulls.cloned();
    }
    let valid = |i: usize| !lost[i] && nulls.is_none_or(|n| n.is_valid(i));
    Some((0..rows).map(valid).collect::<Vec<bool>>().into())
}

fn unsupported(from: &DataType, to: &DataType) -> Error {
    Error::validation(format!("Unsupported cast from {from} to {to}"))
}

fn map(
    array: &ArrayRef,
    arrow: ArrowType,
    keys: [&DataType; 2],
    values: [&DataType; 2],
    part: CastPart<'_>,
) -> Result<ArrayRef> {
    let ArrowType::Map(field, _) = arrow else {
        return Err(unsupported(keys[0], keys[1]));
    };
    let ArrowType::Struct(parts) = field.data_type().clone() else {
        return Err(Error::internal("a MAP without entries"));
    };
    let m = array.as_map();
    let k = part(m.keys(), keys[0], keys[1])?;
    let v = part(m.values(), values[0], values[1])?;
    let entries = StructArray::try_new(parts, vec![k, v], None)?;
    Ok(Arc::new(MapArray::try_new(field, m.offsets().clone(), entries, m.nulls().cloned(), false)?))
}
