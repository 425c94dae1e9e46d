//! Growing columns that decoders write into, value by value, without knowing
//! anything of Arrow's builders: plain buffers that become arrays at the end.
//!
//! Invariant: the bytes of a string column are valid UTF-8 between any two
//! offsets; only [`Column::push_utf8`] relies on its caller for that.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, BooleanBufferBuilder, Date32Array, Decimal128Array,
    DurationMillisecondArray, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array,
    Int64Array, IntervalYearMonthArray, ListArray, MapArray, NullArray, NullBufferBuilder,
    StringArray, StructArray, Time32MillisecondArray, UInt32Array,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::take as pick_rows;
use arrow::datatypes::DataType as ArrowType;
use weir_core::value::timestamp_array;
use weir_core::{DataType, Error, Result, TypeKind};
use weir_functions::java_map;

/// The values of a column, without validity.
#[derive(Debug)]
pub(crate) enum Data {
    Bool(BooleanBufferBuilder),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    I128(Vec<i128>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    /// Strings and bytes.
    Bytes {
        offsets: Vec<i32>,
        bytes: Vec<u8>,
    },
    List {
        offsets: Vec<i32>,
        child: Box<Column>,
    },
    Map {
        offsets: Vec<i32>,
        key: Box<Column>,
        value: Box<Column>,
    },
    Struct(Vec<Column>),
    /// Type NULL.
    Nothing,
}

/// A growing column of one type.
#[derive(Debug)]
pub(crate) struct Column {
    ty: DataType,
    nulls: NullBufferBuilder,
    pub(crate) data: Data,
}

impl Column {
    /// An empty column.
    pub(crate) fn new(ty: &DataType) -> Self {
        let data = match &ty.kind {
            TypeKind::Null => Data::Nothing,
            TypeKind::Boolean => Data::Bool(BooleanBufferBuilder::new(0)),
            TypeKind::TinyInt => Data::I8(Vec::new()),
            TypeKind::SmallInt => Data::I16(Vec::new()),
            TypeKind::Int
            | TypeKind::Date
            | TypeKind::Time(_)
            | TypeKind::IntervalYearMonth(..) => Data::I32(Vec::new()),
            TypeKind::BigInt
            | TypeKind::Timestamp(..)
            | TypeKind::TimestampLtz(..)
            | TypeKind::IntervalDayTime(..) => Data::I64(Vec::new()),
            TypeKind::Float => Data::F32(Vec::new()),
            TypeKind::Double => Data::F64(Vec::new()),
            TypeKind::Decimal(..) => Data::I128(Vec::new()),
            TypeKind::Char(_)
            | TypeKind::Varchar(_)
            | TypeKind::Variant
            | TypeKind::Binary(_)
            | TypeKind::Varbinary(_)
            | TypeKind::Bitmap
            | TypeKind::Raw(..) => Data::Bytes { offsets: vec![0], bytes: Vec::new() },
            TypeKind::Array(e) => Data::List { offsets: vec![0], child: Box::new(Column::new(e)) },
            TypeKind::Map(k, v) => Data::Map {
                offsets: vec![0],
                key: Box::new(Column::new(k)),
                value: Box::new(Column::new(v)),
            },
            TypeKind::Multiset(e) => Data::Map {
                offsets: vec![0],
                key: Box::new(Column::new(e)),
                value: Box::new(Column::new(&DataType::int())),
            },
            TypeKind::Row(fields) | TypeKind::Structured(_, fields) => {
                Data::Struct(fields.iter().map(|f| Column::new(&f.ty)).collect())
            }
        };
        Self { ty: ty.clone(), nulls: NullBufferBuilder::new(0), data }
    }

    /// Type of the column.
    pub(crate) fn ty(&self) -> &DataType {
        &self.ty
    }

    /// Number of values.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.nulls.len()
    }

    /// Marks the value just written into `data` as present.
    #[inline]
    pub(crate) fn valid(&mut self) {
        self.nulls.append_non_null();
    }

    /// Appends NULL.
    pub(crate) fn push_null(&mut self) {
        match &mut self.data {
            Data::Bool(b) => b.append(false),
            Data::I8(v) => v.push(0),
            Data::I16(v) => v.push(0),
            Data::I32(v) => v.push(0),
            Data::I64(v) => v.push(0),
            Data::I128(v) => v.push(0),
            Data::F32(v) => v.push(0.0),
            Data::F64(v) => v.push(0.0),
            Data::Bytes { offsets, bytes } => offsets.push(bytes.len() as i32),
            Data::List { offsets, child } => offsets.push(child.len() as i32),
            Data::Map { offsets, key, .. } => offsets.push(key.len() as i32),
            Data::Struct(children) => children.iter_mut().for_each(Column::push_null),
            Data::Nothing => {}
        }
        self.nulls.append_null();
    }

    /// Appends a string or bytes.
    #[inline]
    pub(crate) fn push_str(&mut self, text: &str) {
        self.push_bytes(text.as_bytes());
    }

    /// Appends bytes; for string columns the caller has checked that they are UTF-8.
    #[inline]
    pub(crate) fn push_bytes(&mut self, value: &[u8]) {
        if let Data::Bytes { offsets, bytes } = &mut self.data {
            bytes.extend_from_slice(value);
            offsets.push(bytes.len() as i32);
            self.nulls.append_non_null();
        }
    }

    /// Appends a value to an I64 column (BIGINT, timestamps).
    #[inline]
    pub(crate) fn push_i64(&mut self, value: i64) {
        if let Data::I64(v) = &mut self.data {
            v.push(value);
            self.nulls.append_non_null();
        }
    }

    /// Appends a value to an I32 column (INT, DATE, TIME).
    #[inline]
    pub(crate) fn push_i32(&mut self, value: i32) {
        if let Data::I32(v) = &mut self.data {
            v.push(value);
            self.nulls.append_non_null();
        }
    }

    /// Appends a boolean.
    #[inline]
    pub(crate) fn push_bool(&mut self, value: bool) {
        if let Data::Bool(v) = &mut self.data {
            v.append(value);
            self.nulls.append_non_null();
        }
    }

    /// Appends a DOUBLE.
    #[inline]
    pub(crate) fn push_f64(&mut self, value: f64) {
        if let Data::F64(v) = &mut self.data {
            v.push(value);
            self.nulls.append_non_null();
        }
    }

    /// Appends a FLOAT.
    #[inline]
    pub(crate) fn push_f32(&mut self, value: f32) {
        if let Data::F32(v) = &mut self.data {
            v.push(value);
            self.nulls.append_non_null();
        }
    }

    /// Appends an unscaled decimal.
    #[inline]
    pub(crate) fn push_i128(&mut self, value: i128) {
        if let Data::I128(v) = &mut self.data {
            v.push(value);
            self.nulls.append_non_null();
        }
    }

    /// Appends an integer of the column's own width; the caller has checked the range.
    pub(crate) fn push_integer(&mut self, value: i64) {
        match &mut self.data {
            Data::I8(v) => v.push(value as i8),
            Data::I16(v) => v.push(value as i16),
            Data::I32(v) => v.push(value as i32),
            Data::I64(v) => v.push(value),
            _ => return,
        }
        self.nulls.append_non_null();
    }

    /// Drops all values from `len` on, nested ones included.
    pub(crate) fn truncate(&mut self, len: usize) {
        if self.len() <= len {
            // A half-written nested value leaves children behind without a value of its own.
            self.trim_children();
            return;
        }
        self.nulls.truncate(len);
        match &mut self.data {
            Data::Bool(b) => b.truncate(len),
            Data::I8(v) => v.truncate(len),
            Data::I16(v) => v.truncate(len),
            Data::I32(v) => v.truncate(len),
            Data::I64(v) => v.truncate(len),
            Data::I128(v) => v.truncate(len),
            Data::F32(v) => v.truncate(len),
            Data::F64(v) => v.truncate(len),
            Data::Bytes { offsets, bytes } => {
                offsets.truncate(len + 1);
                bytes.truncate(last(offsets));
            }
            Data::List { offsets, .. } | Data::Map { offsets, .. } => offsets.truncate(len + 1),
            Data::Struct(_) | Data::Nothing => {}
        }
        self.trim_children();
    }

    fn trim_children(&mut self) {
        let len = self.len();
        match &mut self.data {
            Data::List { offsets, child } => child.truncate(last(offsets)),
            Data::Map { offsets, key, value } => {
                key.truncate(last(offsets));
                value.truncate(last(offsets));
            }
            Data::Struct(children) => children.iter_mut().for_each(|c| c.truncate(len)),
            _ => {}
        }
    }

    /// Takes the values out as an array and leaves the column empty.
    pub(crate) fn finish(&mut self) -> Result<ArrayRef> {
        let len = self.len();
        let nulls = self.nulls.finish();
        let ty = &self.ty;
        Ok(match &mut self.data {
            Data::Nothing => Arc::new(NullArray::new(len)),
            Data::Bool(b) => Arc::new(BooleanArray::new(b.finish(), nulls)),
            Data::I8(v) => Arc::new(Int8Array::new(take(v), nulls)),
            Data::I16(v) => Arc::new(Int16Array::new(take(v), nulls)),
            Data::I32(v) => match ty.kind {
                TypeKind::Date => Arc::new(Date32Array::new(take(v), nulls)),
                TypeKind::Time(_) => Arc::new(Time32MillisecondArray::new(take(v), nulls)),
                TypeKind::IntervalYearMonth(..) => {
                    Arc::new(IntervalYearMonthArray::new(take(v), nulls))
                }
                _ => Arc::new(Int32Array::new(take(v), nulls)),
            },
            Data::I64(v) => match ty.kind {
                TypeKind::Timestamp(p, _) => {
                    timestamp_array(Int64Array::new(take(v), nulls), p, false)
                }
                TypeKind::TimestampLtz(p, _) => {
                    timestamp_array(Int64Array::new(take(v), nulls), p, true)
                }
                TypeKind::IntervalDayTime(..) => {
                    Arc::new(DurationMillisecondArray::new(take(v), nulls))
                }
                _ => Arc::new(Int64Array::new(take(v), nulls)),
            },
            Data::I128(v) => {
                let array = Decimal128Array::new(take(v), nulls);
                match ty.kind {
                    TypeKind::Decimal(p, s) => {
                        Arc::new(array.with_precision_and_scale(p, s as i8)?)
                    }
                    _ => Arc::new(array),
                }
            }
            Data::F32(v) => Arc::new(Float32Array::new(take(v), nulls)),
            Data::F64(v) => Arc::new(Float64Array::new(take(v), nulls)),
            Data::Bytes { offsets, bytes } => bytes_array(ty, offsets, bytes, nulls)?,
            Data::List { offsets, child } => {
                let ArrowType::List(field) = ty.to_arrow() else {
                    return Err(Error::internal("ARRAY without list type"));
                };
                let offsets = take_offsets(offsets)?;
                Arc::new(ListArray::try_new(field, offsets, child.finish()?, nulls)?)
            }
            Data::Map { offsets, key, value } => {
                let ArrowType::Map(field, _) = ty.to_arrow() else {
                    return Err(Error::internal("MAP without map type"));
                };
                let ArrowType::Struct(fields) = field.data_type().clone() else {
                    return Err(Error::internal("MAP without entry type"));
                };
                let (key, value) = (key.finish()?, value.finish()?);
                let (offsets, key, value) = as_hash_table(take_offsets(offsets)?, key, value)?;
                let entries = StructArray::try_new(fields, vec![key, value], None)?;
                Arc::new(MapArray::try_new(field, offsets, entries, nulls, false)?)
            }
            Data::Struct(children) => {
                let ArrowType::Struct(fields) = ty.to_arrow() else {
                    return Err(Error::internal("ROW without struct type"));
                };
                if children.is_empty() {
                    return Ok(Arc::new(StructArray::new_empty_fields(len, nulls)));
                }
                let arrays = children.iter_mut().map(Column::finish).collect::<Result<Vec<_>>>()?;
                Arc::new(StructArray::try_new(fields, arrays, nulls)?)
            }
        })
    }
}

fn last(offsets: &[i32]) -> usize {
    offsets.last().copied().unwrap_or(0) as usize
}

/// The filled buffer; an empty one of about the same capacity stays behind.
fn take<T: arrow::datatypes::ArrowNativeType>(v: &mut Vec<T>) -> ScalarBuffer<T> {
    let fresh = Vec::with_capacity(v.len());
    ScalarBuffer::from(std::mem::replace(v, fresh))
}

/// The entries of maps as Flink's decoders leave them, in a hash table: the last value of a
/// key that comes twice, and the order of the table.
fn as_hash_table(
    offsets: OffsetBuffer<i32>,
    key: ArrayRef,
    value: ArrayRef,
) -> Result<(OffsetBuffer<i32>, ArrayRef, ArrayRef)> {
    let Some(names) = key.as_any().downcast_ref::<StringArray>() else {
        return Ok((offsets, key, value));
    };
    let (mut keys, mut values) = (Vec::with_capacity(key.len()), Vec::with_capacity(key.len()));
    let mut lengths = Vec::with_capacity(offsets.len());
    for range in offsets.windows(2) {
        let (start, end) = (range[0] as usize, range[1] as usize);
        let mut distinct: Vec<(usize, usize)> = Vec::with_capacity(end - start);
        for at in start..end {
            match distinct.iter_mut().find(|(first, _)| names.value(*first) == names.value(at)) {
                Some(entry) => entry.1 = at,
                None => distinct.push((at, at)),
            }
        }
        let hash = |(at, _): &(usize, usize)| java_map::flink_string(names.value(*at).as_bytes());
        let hashes: Vec<u32> = distinct.iter().map(hash).collect();
        for i in java_map::walk(&hashes, java_map::BUCKETS) {
            keys.push(distinct[i].0 as u32);
            values.push(distinct[i].1 as u32);
        }
        lengths.push(distinct.len());
    }
    let pick =
        |column: &ArrayRef, rows: Vec<u32>| pick_rows(column, &UInt32Array::from(rows), None);
    Ok((OffsetBuffer::from_lengths(lengths), pick(&key, keys)?, pick(&value, values)?))
}

fn take_offsets(offsets: &mut Vec<i32>) -> Result<OffsetBuffer<i32>> {
    let mut fresh = Vec::with_capacity(offsets.len());
    fresh.push(0);
    let full = std::mem::replace(offsets, fresh);
    if full.windows(2).any(|w| w[0] > w[1]) {
        return Err(Error::data("the values of one batch exceed 2 GiB"));
    }
    Ok(OffsetBuffer::new(ScalarBuffer::from(full)))
}

fn bytes_array(
    ty: &DataType,
    offsets: &mut Vec<i32>,
    bytes: &mut Vec<u8>,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    let offsets = take_offsets(offsets)?;
    let fresh = Vec::with_capacity(bytes.len());
    let values = Buffer::from_vec(std::mem::replace(bytes, fresh));
    if ty.is_binary() || matches!(ty.kind, TypeKind::Bitmap | TypeKind::Raw(..)) {
        return Ok(Arc::new(BinaryArray::try_new(offsets, values, nulls)?));
    }
    // SAFETY: offsets are monotonic (checked above) and end inside `values`; every
    // stretch between two of them was pushed as checked UTF-8 (module invariant).
    Ok(Arc::new(unsafe { StringArray::new_unchecked(offsets, values, nulls) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Array, AsArray};
    use weir_core::Field;

    #[test]
    fn truncate_forgets_half_written_values() {
        let ty = DataType::from(TypeKind::Array(Box::new(DataType::string())));
        let mut c = Column::new(&ty);
        if let Data::List { offsets, child } = &mut c.data {
            child.push_str("a");
            offsets.push(1);
        }
        c.valid();
        if let Data::List { child, .. } = &mut c.data {
            child.push_str("half");
        }
        c.truncate(1);
        c.push_null();
        let a = c.finish().unwrap();
        assert_eq!((a.len(), a.null_count()), (2, 1));
        assert_eq!(a.as_list::<i32>().values().len(), 1);
        assert_eq!(c.len(), 0);
    }

    #[test]
    fn nested_nulls() {
        let ty = DataType::from(TypeKind::Row(vec![
            Field::new("a", DataType::int()),
            Field::new("b", DataType::string()),
        ]));
        let mut c = Column::new(&ty);
        c.push_null();
        let a = c.finish().unwrap();
        assert!(a.is_null(0));
        assert_eq!(a.as_struct().column(1).len(), 1);
    }
}
