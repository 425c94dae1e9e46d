//! From a table's wanted columns to what its format reads and what the connector
//! itself adds (its own metadata, partition values).

use std::sync::Arc;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::datatypes::SchemaRef;
use weir_core::{ChangeBatch, DataType, Error, Result, Schema, Value};
use weir_spec::{ReadColumn, SourceSpec};

use crate::format::{FormatColumn, ReadSchema};

/// Where an output column comes from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Part {
    /// Column of the format's output.
    Decoded(usize),
    /// Value that the connector gives, by its position among [`Layout::extra`].
    Extra(usize),
}

/// Value that a connector adds to rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Extra {
    /// Metadata column of the connector, by key.
    Metadata(String),
    /// Physical column (such as a partition column), by position.
    Physical(usize),
}

/// How output batches are put together.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) read: ReadSchema,
    pub(crate) extra: Vec<(Extra, DataType)>,
    pub(crate) parts: Vec<Part>,
    pub(crate) schema: SchemaRef,
}

impl Layout {
    /// Splits the wanted columns. `own` says whether the connector itself has the metadata key,
    /// `outside` holds the physical columns that records do not carry.
    pub(crate) fn new(
        spec: &SourceSpec,
        schema: &Schema,
        own: &[(&'static str, &'static str)],
        outside: &[usize],
        format_prefix: &str,
    ) -> Result<Self> {
        let inside: Vec<usize> =
            (0..spec.table.physical.len()).filter(|i| !outside.contains(i)).collect();
        let mut columns = Vec::new();
        let mut extra = Vec::new();
        let mut parts = Vec::new();
        if spec.columns.len() != schema.len() {
            return Err(Error::internal("scan columns and their schema differ in length"));
        }
        for (column, field) in spec.columns.iter().zip(&schema.fields) {
            let (part_extra, decoded) = match column {
                ReadColumn::Physical { path } => match path.split_first() {
                    Some((first, rest)) => match inside.iter().position(|i| i == first) {
                        Some(at) => {
                            let mut inner = vec![at];
                            inner.extend_from_slice(rest);
                            (None, Some(FormatColumn::Path(inner)))
                        }
                        None => (Some(Extra::Physical(*first)), None),
                    },
                    None => return Err(Error::internal("empty column path")),
                },
                ReadColumn::Metadata { key } if own.iter().any(|(k, _)| k == key) => {
                    (Some(Extra::Metadata(key.clone())), None)
                }
                ReadColumn::Metadata { key } => {
                    let inner = key.strip_prefix(format_prefix).unwrap_or(key);
                    (None, Some(FormatColumn::Metadata(inner.to_owned())))
                }
            };
            if let Some(e) = part_extra {
                parts.push(Part::Extra(extra.len()));
                extra.push((e, field.ty.clone()));
            }
            if let Some(d) = decoded {
                parts.push(Part::Decoded(columns.len()));
                columns.push(d);
            }
        }
        Ok(Self {
            read: ReadSchema {
                physical: spec.table.physical.project(&inside),
                columns,
                primary_key: Vec::new(),
            },
            extra,
            parts,
            schema: schema.to_arrow(),
        })
    }

    /// An output batch from the format's columns and the connector's.
    pub(crate) fn batch(
        &self,
        decoded: &[ArrayRef],
        extra: &[ArrayRef],
        rows: usize,
        kinds: Option<Vec<u8>>,
    ) -> Result<ChangeBatch> {
        let columns = self
            .parts
            .iter()
            .zip(self.schema.fields())
            .map(|(p, field)| {
                let array = match p {
                    Part::Decoded(i) => &decoded[*i],
                    Part::Extra(i) => &extra[*i],
                };
                if array.data_type() == field.data_type() {
                    return Ok(Arc::clone(array));
                }
                Ok(arrow::compute::cast(array, field.data_type())?)
            })
            .collect::<Result<Vec<_>>>()?;
        let kinds =
            kinds.filter(|k| k.iter().any(|&b| b != 0)).map(arrow::buffer::Buffer::from_vec);
        ChangeBatch::from_columns(Arc::clone(&self.schema), columns, rows, kinds)
    }
}

/// A column with the same value in all rows.
pub(crate) fn constant(value: &Value, ty: &DataType, rows: usize) -> Result<ArrayRef> {
    let one = value.to_array(ty)?;
    Ok(arrow::compute::take(&one, &UInt32Array::from(vec![0; rows]), None)?)
}
