//! Key encoding, key hash, key groups.
//!
//! A key is encoded once per batch and hashed once; the bytes are both the
//! in-memory map key and what state files store, so the encoding is ours and
//! versioned ([`ENCODING_VERSION`]), never a library's in-memory format:
//!
//! * every column starts with one byte, 0 for NULL, 1 for a value;
//! * fixed-width values follow in little-endian (booleans one byte, -0.0 as 0.0,
//!   every NaN as one NaN);
//! * strings and bytes follow as u32 length and bytes;
//! * nested values follow element by element in the same way.
//!
//! The hash is XXH3-64 (frozen by its specification; golden vectors below), the
//! key group Flink's formula over it.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType as ArrowType, Date32Type, Decimal128Type, DurationMillisecondType,
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalYearMonthType,
    Time32MillisecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, ToByteSlice,
};

use crate::error::{Error, Result};

/// Version of the key encoding, stored with state.
pub const ENCODING_VERSION: u8 = 1;

/// Default of `pipeline.max-parallelism`.
pub const DEFAULT_MAX_PARALLELISM: u32 = 128;

/// Encoded keys of one batch, one per row, with their hashes.
#[derive(Debug, Clone, Default)]
pub struct EncodedKeys {
    bytes: Vec<u8>,
    offsets: Vec<u32>,
    hashes: Vec<u64>,
}

impl EncodedKeys {
    /// Encodes the given columns row by row. All columns have `rows` rows.
    pub fn encode(columns: &[ArrayRef], rows: usize) -> Result<Self> {
        let mut keys = Self::default();
        keys.encode_into(columns, rows)?;
        Ok(keys)
    }

    /// Like [`EncodedKeys::encode`], reusing the buffers.
    pub fn encode_into(&mut self, columns: &[ArrayRef], rows: usize) -> Result<()> {
        self.bytes.clear();
        self.offsets.clear();
        self.hashes.clear();
        self.offsets.reserve(rows + 1);
        self.hashes.reserve(rows);
        let encoders = columns.iter().map(ColumnEncoder::new).collect::<Result<Vec<_>>>()?;
        self.offsets.push(0);
        for row in 0..rows {
            let start = self.bytes.len();
            for e in &encoders {
                e.encode(row, &mut self.bytes);
            }
            self.hashes.push(hash_key(&self.bytes[start..]));
            let end = u32::try_from(self.bytes.len())
                .map_err(|_| Error::data("the keys of one batch take more than 4 GiB"))?;
            self.offsets.push(end);
        }
        Ok(())
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Bytes of the key of a row.
    pub fn key(&self, row: usize) -> &[u8] {
        &self.bytes[self.offsets[row] as usize..self.offsets[row + 1] as usize]
    }

    /// Hash of the key of a row.
    pub fn hash(&self, row: usize) -> u64 {
        self.hashes[row]
    }

    /// All hashes in row order.
    pub fn hashes(&self) -> &[u64] {
        &self.hashes
    }
}

/// The frozen 64-bit key hash.
pub fn hash_key(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}

/// Key group of a hash: `0 .. max_parallelism`.
pub fn key_group(hash: u64, max_parallelism: u32) -> u32 {
    // Multiply-shift over the upper half: as even as a modulo, without a division.
    (((hash >> 32) * u64::from(max_parallelism)) >> 32) as u32
}

/// Subtask that owns a key group (Flink's formula).
pub fn subtask_of_key_group(group: u32, max_parallelism: u32, parallelism: u32) -> u32 {
    group * parallelism / max_parallelism
}

/// Encodes a nested or unusual value through a boxed encoder per child.
enum ColumnEncoder<'a> {
    Null,
    Fixed(&'a ArrayRef, fn(&dyn Array, usize, &mut Vec<u8>)),
    Utf8(&'a ArrayRef),
    Binary(&'a ArrayRef),
    List(&'a ArrayRef),
    Struct(&'a ArrayRef),
    Map(&'a ArrayRef),
}

fn fixed<T: ArrowPrimitiveType>(array: &dyn Array, row: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(array.as_primitive::<T>().value(row).to_byte_slice());
}

fn float32(array: &dyn Array, row: usize, out: &mut Vec<u8>) {
    let v = array.as_primitive::<Float32Type>().value(row);
    let v = if v.is_nan() { f32::NAN } else { v + 0.0 };
    out.extend_from_slice(&v.to_le_bytes());
}

fn float64(array: &dyn Array, row: usize, out: &mut Vec<u8>) {
    let v = array.as_primitive::<Float64Type>().value(row);
    let v = if v.is_nan() { f64::NAN } else { v + 0.0 };
    out.extend_from_slice(&v.to_le_bytes());
}

fn boolean(array: &dyn Array, row: usize, out: &mut Vec<u8>) {
    out.push(u8::from(array.as_boolean().value(row)));
}

impl<'a> ColumnEncoder<'a> {
    fn new(column: &'a ArrayRef) -> Result<Self> {
        use ColumnEncoder::*;
        Ok(match column.data_type() {
            ArrowType::Null => Null,
            ArrowType::Boolean => Fixed(column, boolean),
            ArrowType::Int8 => Fixed(column, fixed::<Int8Type>),
            ArrowType::Int16 => Fixed(column, fixed::<Int16Type>),
            ArrowType::Int32 => Fixed(column, fixed::<Int32Type>),
            ArrowType::Int64 => Fixed(column, fixed::<Int64Type>),
            ArrowType::Float32 => Fixed(column, float32),
            ArrowType::Float64 => Fixed(column, float64),
            ArrowType::Decimal128(..) => Fixed(column, fixed::<Decimal128Type>),
            ArrowType::Date32 => Fixed(column, fixed::<Date32Type>),
            ArrowType::Time32(_) => Fixed(column, fixed::<Time32MillisecondType>),
            ArrowType::Timestamp(TimeUnit::Millisecond, _) => {
                Fixed(column, fixed::<TimestampMillisecondType>)
            }
            ArrowType::Timestamp(TimeUnit::Microsecond, _) => {
                Fixed(column, fixed::<TimestampMicrosecondType>)
            }
            ArrowType::Timestamp(TimeUnit::Nanosecond, _) => {
                Fixed(column, fixed::<TimestampNanosecondType>)
            }
            ArrowType::Interval(_) => Fixed(column, fixed::<IntervalYearMonthType>),
            ArrowType::Duration(_) => Fixed(column, fixed::<DurationMillisecondType>),
            ArrowType::Utf8 => Utf8(column),
            ArrowType::Binary => Binary(column),
            ArrowType::List(_) => List(column),
            ArrowType::Struct(_) => Struct(column),
            ArrowType::Map(..) => Map(column),
            other => return Err(Error::internal(format!("no key encoding for {other}"))),
        })
    }

    fn encode(&self, row: usize, out: &mut Vec<u8>) {
        let array = match self {
            ColumnEncoder::Null => {
                out.push(0);
                return;
            }
            ColumnEncoder::Fixed(a, _)
            | ColumnEncoder::Utf8(a)
            | ColumnEncoder::Binary(a)
            | ColumnEncoder::List(a)
            | ColumnEncoder::Struct(a)
            | ColumnEncoder::Map(a) => *a,
        };
        if array.is_null(row) {
            out.push(0);
            return;
        }
        out.push(1);
        match self {
            ColumnEncoder::Null => {}
            ColumnEncoder::Fixed(a, f) => f(a.as_ref(), row, out),
            ColumnEncoder::Utf8(a) => push_bytes(a.as_string::<i32>().value(row).as_bytes(), out),
            ColumnEncoder::Binary(a) => push_bytes(a.as_binary::<i32>().value(row), out),
            ColumnEncoder::List(a) => encode_all(&a.as_list::<i32>().value(row), out),
            ColumnEncoder::Struct(a) => {
                for c in a.as_struct().columns() {
                    encode_one(c, row, out);
                }
            }
            ColumnEncoder::Map(a) => {
                let entries = a.as_map().value(row);
                encode_all(entries.column(0), out);
                encode_all(entries.column(1), out);
            }
        }
    }
}

fn encode_all(elements: &ArrayRef, out: &mut Vec<u8>) {
    out.extend_from_slice(&(elements.len() as u32).to_le_bytes());
    for i in 0..elements.len() {
        encode_one(elements, i, out);
    }
}

/// Nested children have types whose encoder exists once the parent's was made, or encode as NULL.
fn encode_one(column: &ArrayRef, row: usize, out: &mut Vec<u8>) {
    match ColumnEncoder::new(column) {
        Ok(e) => e.encode(row, out),
        Err(_) => out.push(0),
    }
}

fn push_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int64Array, StringArray};

    use super::*;

    #[test]
    fn hash_has_golden_vectors() {
        assert_eq!(hash_key(b""), 0x2d06_8005_38d3_94c2);
        assert_eq!(hash_key(b"weir"), hash_key(b"weir"));
        assert_ne!(hash_key(b"weir"), hash_key(b"weis"));
    }

    #[test]
    fn key_groups_cover_the_range() {
        assert_eq!(key_group(0, 128), 0);
        assert_eq!(key_group(u64::MAX, 128), 127);
        assert_eq!(subtask_of_key_group(127, 128, 3), 2);
    }

    #[test]
    fn nulls_and_values_differ_and_zeroes_agree() {
        let a: ArrayRef = Arc::new(Float64Array::from(vec![Some(0.0), Some(-0.0), None]));
        let k = EncodedKeys::encode(&[a], 3).unwrap();
        assert_eq!(k.key(0), k.key(1));
        assert_ne!(k.key(0), k.key(2));
    }

    #[test]
    fn strings_are_self_delimiting() {
        let a: ArrayRef = Arc::new(StringArray::from(vec!["ab", "a"]));
        let b: ArrayRef = Arc::new(StringArray::from(vec!["c", "bc"]));
        let n: ArrayRef = Arc::new(Int64Array::from(vec![1, 1]));
        let k = EncodedKeys::encode(&[a, b, n], 2).unwrap();
        assert_ne!(k.key(0), k.key(1));
    }
}
