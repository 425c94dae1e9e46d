//! VARIANT columns: canonical JSON text in the engine, Paimon's binary pair of
//! value and metadata in files.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, StringArray, StructArray};
use arrow::datatypes::DataType as ArrowType;
use paimon::variant::GenericVariant;
use weir_core::{Error, Result};

use crate::rt::lake_error;

/// JSON text of a binary variant column.
pub(crate) fn to_json(array: &ArrayRef) -> Result<ArrayRef> {
    let row = array.as_struct();
    let part = |name: &str| -> Result<BinaryArray> {
        row.column_by_name(name)
            .and_then(|c| c.as_binary_opt::<i32>())
            .cloned()
            .ok_or_else(|| Error::internal(format!("a VARIANT column has no binary '{name}'")))
    };
    let (value, metadata) = (part("value")?, part("metadata")?);
    let mut out = Vec::with_capacity(row.len());
    for i in 0..row.len() {
        out.push(if row.is_null(i) {
            None
        } else {
            let v = GenericVariant::from_parts(value.value(i).to_vec(), metadata.value(i).to_vec());
            Some(v.and_then(|v| v.to_json()).map_err(lake_error)?)
        });
    }
    Ok(Arc::new(StringArray::from_iter(out)))
}

/// A binary variant column from JSON text.
pub(crate) fn from_json(array: &ArrayRef, target: &ArrowType) -> Result<ArrayRef> {
    let text = array.as_string::<i32>();
    let (mut values, mut metadata) = (Vec::new(), Vec::new());
    for i in 0..text.len() {
        if text.is_null(i) {
            values.push(Vec::new());
            metadata.push(Vec::new());
            continue;
        }
        let v = GenericVariant::parse_json(text.value(i)).map_err(lake_error)?;
        values.push(v.value().to_vec());
        metadata.push(v.metadata().to_vec());
    }
    let ArrowType::Struct(fields) = target else {
        return Err(Error::internal("a VARIANT column is not a struct in Paimon"));
    };
    let columns = fields
        .iter()
        .map(|f| match f.name().as_str() {
            "value" => Ok(Arc::new(BinaryArray::from_iter_values(&values)) as ArrayRef),
            "metadata" => Ok(Arc::new(BinaryArray::from_iter_values(&metadata)) as ArrayRef),
            other => Err(Error::internal(format!("a VARIANT column has a part '{other}'"))),
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(StructArray::try_new(fields.clone(), columns, text.nulls().cloned())?))
}
