//! Arrow columns between the engine's layout and Paimon's: the same values under
//! other field names, nullability and time units.
//!
//! Invariant: values never change, only the container; a NULL in a place that the
//! target declares NOT NULL is an error.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, ListArray, MapArray, StructArray,
};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::DataType as ArrowType;
use weir_core::{Error, Result};

use crate::variant;

/// Gives a column the target type.
pub(crate) fn conform(array: &ArrayRef, target: &ArrowType) -> Result<ArrayRef> {
    if array.data_type() == target {
        return Ok(Arc::clone(array));
    }
    match (array.data_type(), target) {
        (ArrowType::List(_), ArrowType::List(field)) => {
            let list = array.as_list::<i32>();
            let values = conform(list.values(), field.data_type())?;
            Ok(Arc::new(ListArray::try_new(
                Arc::clone(field),
                list.offsets().clone(),
                values,
                list.nulls().cloned(),
            )?))
        }
        (ArrowType::FixedSizeList(_, size), ArrowType::List(field)) => {
            vector_to_list(array, *size, field)
        }
        (ArrowType::Map(..), ArrowType::Map(field, sorted)) => {
            let map = array.as_map();
            let entries: ArrayRef = Arc::new(map.entries().clone());
            let entries = conform(&entries, field.data_type())?;
            Ok(Arc::new(MapArray::try_new(
                Arc::clone(field),
                map.offsets().clone(),
                entries.as_struct().clone(),
                map.nulls().cloned(),
                *sorted,
            )?))
        }
        (ArrowType::Struct(_), ArrowType::Utf8) => variant::to_json(array),
        (ArrowType::Utf8, ArrowType::Struct(_)) => variant::from_json(array, target),
        (ArrowType::Struct(from), ArrowType::Struct(fields)) if from.len() == fields.len() => {
            let row = array.as_struct();
            if fields.is_empty() {
                return Ok(Arc::clone(array));
            }
            let columns = row
                .columns()
                .iter()
                .zip(fields)
                .map(|(c, f)| conform(c, f.data_type()))
                .collect::<Result<Vec<_>>>()?;
            Ok(Arc::new(StructArray::try_new(fields.clone(), columns, row.nulls().cloned())?))
        }
        (from, to) if same_family(from, to) => Ok(cast(array, to)?),
        (from, to) => {
            Err(Error::internal(format!("a Paimon column of type {from} cannot be read as {to}")))
        }
    }
}

/// Pairs whose values are equal under an Arrow cast.
fn same_family(from: &ArrowType, to: &ArrowType) -> bool {
    use ArrowType as A;
    match (from, to) {
        (A::Timestamp(..), A::Timestamp(..)) => true,
        (A::Time32(_) | A::Time64(_), A::Time32(_) | A::Time64(_)) => true,
        (
            A::Binary | A::LargeBinary | A::BinaryView | A::FixedSizeBinary(_),
            A::Binary | A::LargeBinary,
        ) => true,
        (A::Utf8 | A::LargeUtf8 | A::Utf8View, A::Utf8 | A::LargeUtf8) => true,
        (A::Decimal128(_, a), A::Decimal128(_, b)) => a == b,
        (A::Dictionary(_, v), to) => v.as_ref() == to || same_family(v, to),
        (A::Null, _) => true,
        _ => from.is_integer() && to.is_integer(),
    }
}

fn vector_to_list(
    array: &ArrayRef,
    size: i32,
    field: &arrow::datatypes::FieldRef,
) -> Result<ArrayRef> {
    let list: &FixedSizeListArray = array.as_fixed_size_list();
    let values = conform(list.values(), field.data_type())?;
    let offsets: Vec<i32> = (0..=list.len() as i32).map(|i| i * size).collect();
    Ok(Arc::new(ListArray::try_new(
        Arc::clone(field),
        OffsetBuffer::new(ScalarBuffer::from(offsets)),
        values,
        list.nulls().cloned(),
    )?))
}

/// Follows a path of field positions into nested rows; NULL where a row on the way is NULL.
pub(crate) fn dig(array: &ArrayRef, path: &[usize]) -> Result<ArrayRef> {
    let Some((&first, rest)) = path.split_first() else { return Ok(Arc::clone(array)) };
    let row = array
        .as_struct_opt()
        .filter(|r| first < r.num_columns())
        .ok_or_else(|| Error::internal("a nested column path does not lead into a ROW"))?;
    let child = row.column(first);
    let nulls = arrow::buffer::NullBuffer::union(row.nulls(), child.nulls());
    let data = child.to_data().into_builder().nulls(nulls).build()?;
    dig(&arrow::array::make_array(data), rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int32Array, TimestampSecondArray};
    use arrow::buffer::NullBuffer;
    use arrow::datatypes::{Field, TimeUnit};

    #[test]
    fn seconds_become_milliseconds() {
        let a: ArrayRef = Arc::new(TimestampSecondArray::from(vec![Some(2), None]));
        let b = conform(&a, &ArrowType::Timestamp(TimeUnit::Millisecond, None)).unwrap();
        assert_eq!(weir_core::Value::from_array(&b, 0), weir_core::Value::Timestamp(2000));
        assert!(b.is_null(1));
    }

    #[test]
    fn paths_respect_outer_nulls() {
        let inner: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
        let row: ArrayRef = Arc::new(
            StructArray::try_new(
                vec![Field::new("x", ArrowType::Int32, true)].into(),
                vec![inner],
                Some(NullBuffer::from(vec![true, false])),
            )
            .unwrap(),
        );
        let x = dig(&row, &[0]).unwrap();
        assert!(x.is_valid(0) && x.is_null(1));
    }
}
