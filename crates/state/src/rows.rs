//! Rows as bytes: how joins, ranks and buffers keep rows, in memory and in
//! checkpoints alike.
//!
//! Layout (version [`ROW_VERSION`]): a bitmap of NULL columns, then the values
//! of the other columns in order; fixed-width values little-endian, booleans one
//! byte, strings and bytes as u32 length and bytes, nested values as length and
//! the tagged form of single values. Two rows are equal iff their bytes are.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayData, ArrayRef, AsArray, BinaryArray, BooleanArray, NullArray, StringArray,
    make_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::DataType as ArrowType;
use weir_core::value::values_to_array;
use weir_core::{DataType, Error, Result, Schema, Value};

use crate::bytes::Reader;
use crate::value::{read_value, write_value};

/// Version of the row layout, stored with the tables that use it.
pub const ROW_VERSION: u16 = 1;

/// Encodes and decodes rows of one schema.
#[derive(Debug, Clone)]
pub struct RowCodec {
    types: Arc<[(DataType, ArrowType)]>,
}

/// Encoded rows of one batch.
#[derive(Debug, Default, Clone)]
pub struct EncodedRows {
    bytes: Vec<u8>,
    offsets: Vec<usize>,
}

impl EncodedRows {
    /// Bytes of a row.
    pub fn row(&self, row: usize) -> &[u8] {
        &self.bytes[self.offsets[row]..self.offsets[row + 1]]
    }
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }
    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn fixed_width(ty: &ArrowType) -> Option<usize> {
    ty.primitive_width()
}

enum Source<'a> {
    Null,
    Bool(&'a BooleanArray),
    Fixed { width: usize, bytes: Buffer, nulls: Option<&'a NullBuffer> },
    Text(&'a StringArray),
    Binary(&'a BinaryArray),
    Other(&'a dyn Array),
}

impl<'a> Source<'a> {
    fn new(array: &'a ArrayRef) -> Self {
        match array.data_type() {
            ArrowType::Null => Source::Null,
            ArrowType::Boolean => Source::Bool(array.as_boolean()),
            ArrowType::Utf8 => Source::Text(array.as_string()),
            ArrowType::Binary => Source::Binary(array.as_binary()),
            ty => match fixed_width(ty) {
                Some(width) => {
                    let data = array.to_data();
                    let bytes = data.buffers()[0]
                        .slice_with_length(data.offset() * width, data.len() * width);
                    Source::Fixed { width, bytes, nulls: array.nulls() }
                }
                None => Source::Other(array.as_ref()),
            },
        }
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Source::Null => true,
            Source::Bool(a) => a.is_null(row),
            Source::Fixed { nulls, .. } => nulls.is_some_and(|n| n.is_null(row)),
            Source::Text(a) => a.is_null(row),
            Source::Binary(a) => a.is_null(row),
            Source::Other(a) => a.is_null(row),
        }
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Source::Null => {}
            Source::Bool(a) => out.push(u8::from(a.value(row))),
            Source::Fixed { width, bytes, .. } => match width {
                8 => out.extend_from_slice(&bytes[row * 8..row * 8 + 8]),
                4 => out.extend_from_slice(&bytes[row * 4..row * 4 + 4]),
                w => out.extend_from_slice(&bytes[row * w..(row + 1) * w]),
            },
            Source::Text(a) => put(a.value(row).as_bytes(), out),
            Source::Binary(a) => put(a.value(row), out),
            Source::Other(a) => {
                let start = out.len();
                out.extend_from_slice(&[0; 4]);
                write_value(&Value::from_array(*a, row), out);
                let len = (out.len() - start - 4) as u32;
                out[start..start + 4].copy_from_slice(&len.to_le_bytes());
            }
        }
    }
}

fn put(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

impl RowCodec {
    /// A codec for rows of the schema.
    pub fn new(schema: &Schema) -> Self {
        Self::of_types(schema.fields.iter().map(|f| f.ty.clone()))
    }

    /// A codec for rows of these column types.
    pub fn of_types(types: impl IntoIterator<Item = DataType>) -> Self {
        Self { types: types.into_iter().map(|t| (t.clone(), t.to_arrow())).collect() }
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.types.len()
    }

    /// Encodes all rows of the columns.
    pub fn encode(&self, columns: &[ArrayRef], rows: usize) -> EncodedRows {
        let sources: Vec<Source<'_>> = columns.iter().map(Source::new).collect();
        let bitmap = columns.len().div_ceil(8);
        let mut out = EncodedRows {
            bytes: Vec::with_capacity(rows * (bitmap + 12 * columns.len())),
            offsets: Vec::with_capacity(rows + 1),
        };
        out.offsets.push(0);
        for row in 0..rows {
            let start = out.bytes.len();
            out.bytes.resize(start + bitmap, 0);
            for (i, s) in sources.iter().enumerate() {
                if s.is_null(row) {
                    out.bytes[start + i / 8] |= 1 << (i % 8);
                } else {
                    s.write(row, &mut out.bytes);
                }
            }
            out.offsets.push(out.bytes.len());
        }
        out
    }

    /// A decoder that collects rows into columns.
    pub fn decoder(&self, capacity: usize) -> RowDecoder {
        let columns =
            self.types.iter().map(|(ty, arrow)| Column::new(ty, arrow, capacity)).collect();
        RowDecoder { columns, rows: 0 }
    }

    /// Decodes rows into columns.
    pub fn decode<'a>(&self, rows: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<ArrayRef>> {
        let rows = rows.into_iter();
        let mut d = self.decoder(rows.size_hint().0);
        for r in rows {
            d.push(r)?;
        }
        d.finish()
    }
}

/// Collects encoded rows into Arrow columns.
#[derive(Debug)]
pub struct RowDecoder {
    columns: Vec<Column>,
    rows: usize,
}

#[derive(Debug)]
struct Column {
    valid: Vec<bool>,
    any_null: bool,
    ty: DataType,
    arrow: ArrowType,
    data: Data,
}

#[derive(Debug)]
enum Data {
    Null,
    Bool(Vec<bool>),
    Fixed { width: usize, bytes: Vec<u8> },
    Variable { offsets: Vec<i32>, bytes: Vec<u8> },
    Other(Vec<Value>),
}

impl RowDecoder {
    /// Number of rows so far.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether no row was added.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Adds one encoded row.
    pub fn push(&mut self, row: &[u8]) -> Result<()> {
        let mut r = Reader::new(row);
        let bitmap = r.take(self.columns.len().div_ceil(8))?;
        for (i, c) in self.columns.iter_mut().enumerate() {
            c.push(bitmap[i / 8] & (1 << (i % 8)) != 0, &mut r)?;
        }
        self.rows += 1;
        Ok(())
    }

    /// Adds a row of NULLs.
    pub fn push_null(&mut self) {
        for c in &mut self.columns {
            c.push_null();
        }
        self.rows += 1;
    }

    /// The columns.
    pub fn finish(self) -> Result<Vec<ArrayRef>> {
        let rows = self.rows;
        self.columns.into_iter().map(|c| c.finish(rows)).collect()
    }
}

impl Column {
    fn new(ty: &DataType, arrow: &ArrowType, capacity: usize) -> Self {
        let data = match arrow {
            ArrowType::Null => Data::Null,
            ArrowType::Boolean => Data::Bool(Vec::with_capacity(capacity)),
            ArrowType::Utf8 | ArrowType::Binary => {
                let mut offsets = Vec::with_capacity(capacity + 1);
                offsets.push(0);
                Data::Variable { offsets, bytes: Vec::with_capacity(capacity * 12) }
            }
            other => match fixed_width(other) {
                Some(width) => Data::Fixed { width, bytes: Vec::with_capacity(capacity * width) },
                None => Data::Other(Vec::with_capacity(capacity)),
            },
        };
        Self {
            valid: Vec::with_capacity(capacity),
            any_null: false,
            ty: ty.clone(),
            arrow: arrow.clone(),
            data,
        }
    }

    fn push_null(&mut self) {
        self.valid.push(false);
        self.any_null = true;
        match &mut self.data {
            Data::Null => {}
            Data::Bool(v) => v.push(false),
            Data::Fixed { width, bytes } => bytes.resize(bytes.len() + *width, 0),
            Data::Variable { offsets, bytes } => offsets.push(bytes.len() as i32),
            Data::Other(v) => v.push(Value::Null),
        }
    }

    fn push(&mut self, null: bool, r: &mut Reader<'_>) -> Result<()> {
        if null {
            self.push_null();
            return Ok(());
        }
        self.valid.push(true);
        match &mut self.data {
            Data::Null => {}
            Data::Bool(v) => v.push(r.u8()? != 0),
            Data::Fixed { width, bytes } => bytes.extend_from_slice(r.take(*width)?),
            Data::Variable { offsets, bytes } => {
                let n = r.u32()? as usize;
                bytes.extend_from_slice(r.take(n)?);
                let end = i32::try_from(bytes.len())
                    .map_err(|_| Error::data("a batch holds more than 2 GiB of text"))?;
                offsets.push(end);
            }
            Data::Other(v) => {
                let n = r.u32()? as usize;
                v.push(read_value(&mut Reader::new(r.take(n)?))?);
            }
        }
        Ok(())
    }

    fn finish(self, rows: usize) -> Result<ArrayRef> {
        let nulls = self.any_null.then(|| NullBuffer::from(self.valid));
        Ok(match self.data {
            Data::Null => Arc::new(NullArray::new(rows)),
            Data::Bool(v) => Arc::new(BooleanArray::new(BooleanBuffer::from(v), nulls)),
            Data::Fixed { bytes, .. } => {
                let data = ArrayData::builder(self.arrow)
                    .len(rows)
                    .add_buffer(Buffer::from_vec(bytes))
                    .nulls(nulls)
                    .align_buffers(true)
                    .build()?;
                make_array(data)
            }
            Data::Variable { offsets, bytes } => {
                let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
                let bytes = Buffer::from_vec(bytes);
                if self.arrow == ArrowType::Utf8 {
                    Arc::new(StringArray::try_new(offsets, bytes, nulls)?)
                } else {
                    Arc::new(BinaryArray::try_new(offsets, bytes, nulls)?)
                }
            }
            Data::Other(v) => values_to_array(&v, &self.ty)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int32Array};
    use weir_core::types::TypeKind;

    use super::*;

    #[test]
    fn rows_survive_a_round_trip() {
        let list: DataType = TypeKind::Array(Box::new(DataType::int())).into();
        let types = vec![
            DataType::int(),
            DataType::string(),
            DataType::boolean(),
            DataType::double(),
            DataType::decimal(10, 2),
            DataType::timestamp_ltz(3),
            list.clone(),
        ];
        let decimals = [Value::Decimal(150), Value::Null, Value::Decimal(-1)];
        let times = [Value::Timestamp(5), Value::Timestamp(-5), Value::Null];
        let lists =
            [Value::Array(vec![Value::Int(1), Value::Null]), Value::Null, Value::Array(vec![])];
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int32Array::from(vec![Some(1), None, Some(-3)])),
            Arc::new(StringArray::from(vec![Some("a"), Some("堰"), None])),
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
            Arc::new(Float64Array::from(vec![Some(0.5), Some(-0.0), None])),
            values_to_array(&decimals, &types[4]).unwrap(),
            values_to_array(&times, &types[5]).unwrap(),
            values_to_array(&lists, &list).unwrap(),
        ];
        let codec = RowCodec::of_types(types);
        let sliced: Vec<ArrayRef> = columns.iter().map(|c| c.slice(1, 2)).collect();
        for input in [columns, sliced] {
            let rows = codec.encode(&input, input[0].len());
            let back = codec.decode((0..rows.len()).map(|i| rows.row(i))).unwrap();
            for (a, b) in input.iter().zip(&back) {
                assert_eq!(a.as_ref(), b.as_ref());
            }
        }
    }

    #[test]
    fn cut_rows_are_errors() {
        let codec = RowCodec::of_types([DataType::bigint()]);
        assert!(codec.decode([&[0u8, 1, 2][..]]).is_err());
    }
}
