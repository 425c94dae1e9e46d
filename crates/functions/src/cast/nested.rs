//! Casts of arrays, maps and rows, part by part.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, StructArray};
use arrow::datatypes::DataType as ArrowType;
use weir_core::{DataType, Error, Result, TypeKind};

use super::cast_column;
use crate::context::EvalContext;

pub(super) fn cast(
    array: &ArrayRef,
    from: &DataType,
    to: &DataType,
    safe: bool,
    ctx: &EvalContext,
) -> Result<ArrayRef> {
    match (&from.kind, &to.kind, to.to_arrow()) {
        (TypeKind::Array(a), TypeKind::Array(b), ArrowType::List(field)) => {
            let list = array.as_list::<i32>();
            let values = cast_column(list.values(), a, b, safe, ctx)?;
            let offsets = list.offsets().clone();
            Ok(Arc::new(ListArray::try_new(field, offsets, values, list.nulls().cloned())?))
        }
        (TypeKind::Map(k1, v1), TypeKind::Map(k2, v2), arrow) => {
            map(array, arrow, [k1, k2], [v1, v2], safe, ctx)
        }
        (TypeKind::Multiset(a), TypeKind::Multiset(b), arrow) => {
            let int = DataType::int();
            map(array, arrow, [a, b], [&int, &int], safe, ctx)
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
                .map(|(c, (f, g))| cast_column(c, &f.ty, &g.ty, safe, ctx))
                .collect::<Result<Vec<_>>>()?;
            if columns.is_empty() {
                return Ok(array.clone());
            }
            Ok(Arc::new(StructArray::try_new(fields, columns, row.nulls().cloned())?))
        }
        _ if *array.data_type() == to.to_arrow() => Ok(array.clone()),
        _ => Err(unsupported(from, to)),
    }
}

fn unsupported(from: &DataType, to: &DataType) -> Error {
    Error::validation(format!("Unsupported cast from {from} to {to}"))
}

fn map(
    array: &ArrayRef,
    arrow: ArrowType,
    keys: [&DataType; 2],
    values: [&DataType; 2],
    safe: bool,
    ctx: &EvalContext,
) -> Result<ArrayRef> {
    let ArrowType::Map(field, _) = arrow else {
        return Err(unsupported(keys[0], keys[1]));
    };
    let ArrowType::Struct(parts) = field.data_type().clone() else {
        return Err(Error::internal("a MAP without entries"));
    };
    let m = array.as_map();
    let k = cast_column(m.keys(), keys[0], keys[1], safe, ctx)?;
    let v = cast_column(m.values(), values[0], values[1], safe, ctx)?;
    let entries = StructArray::try_new(parts, vec![k, v], None)?;
    Ok(Arc::new(MapArray::try_new(field, m.offsets().clone(), entries, m.nulls().cloned(), false)?))
}
