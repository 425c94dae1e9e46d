//! The raw format: a record is one value of the table's only column. In files a
//! record is a line.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use weir_core::config::bad_value;
use weir_core::{DataType, Error, Options, Result, Schema, TypeKind};

use super::column::Column;
use super::json::{for_lines, is_utf8};
use super::{Decoded, Decoder, Encoder, FormatColumn, ReadSchema, RecordFormat, shown};

/// Options of the format, without prefix.
pub const OPTIONS: &[&str] = &["charset", "endianness"];

/// The raw format with its options.
#[derive(Debug, Clone)]
pub struct RawFormat {
    little_endian: bool,
}

impl RawFormat {
    /// Reads the format's options, whose full names start with `prefix`.
    pub fn new(options: &Options, prefix: &str) -> Result<Self> {
        if let Some(charset) = options.get("charset")
            && !charset.eq_ignore_ascii_case("utf-8")
            && !charset.eq_ignore_ascii_case("utf8")
        {
            return Err(bad_value(&format!("{prefix}charset"), charset, "'UTF-8'"));
        }
        let little_endian = match options.get("endianness") {
            None | Some("big-endian") => false,
            Some("little-endian") => true,
            Some(v) => {
                let key = format!("{prefix}endianness");
                return Err(bad_value(&key, v, "'big-endian' or 'little-endian'"));
            }
        };
        Ok(Self { little_endian })
    }
}

fn single(schema: &Schema) -> Result<DataType> {
    match schema.fields.as_slice() {
        [one] => Ok(one.ty.clone()),
        many => Err(Error::validation(format!(
            "format 'raw' needs exactly one physical column, the table has {}",
            many.len()
        ))),
    }
}

fn check(ty: &DataType) -> Result<()> {
    let fine = ty.is_string()
        || ty.is_binary()
        || ty.is_integer()
        || ty.is_approximate()
        || ty.kind == TypeKind::Boolean;
    if fine {
        return Ok(());
    }
    Err(Error::validation(format!("format 'raw' cannot hold type {ty}")))
}

impl RecordFormat for RawFormat {
    fn identifier(&self) -> &'static str {
        "raw"
    }

    fn decoder(&self, read: &ReadSchema) -> Result<Box<dyn Decoder>> {
        let ty = single(&read.physical)?;
        check(&ty)?;
        if let Some(FormatColumn::Metadata(key)) =
            read.columns.iter().find(|c| matches!(c, FormatColumn::Metadata(_)))
        {
            return Err(Error::validation(format!("format 'raw' has no metadata column '{key}'")));
        }
        Ok(Box::new(RawDecoder {
            column: Column::new(&ty),
            wanted: read.columns.len(),
            little_endian: self.little_endian,
        }))
    }

    fn encoder(&self, schema: &Schema) -> Result<Box<dyn Encoder>> {
        let ty = single(schema)?;
        check(&ty)?;
        Ok(Box::new(RawEncoder { ty, little_endian: self.little_endian }))
    }
}

struct RawDecoder {
    column: Column,
    wanted: usize,
    little_endian: bool,
}

impl RawDecoder {
    fn record(&mut self, record: &[u8]) -> Result<()> {
        let ty = self.column.ty().clone();
        if ty.is_string() {
            if is_utf8(record) {
                self.column.push_bytes(record);
            } else {
                // As Java's decoder does, broken bytes become U+FFFD.
                self.column.push_str(&String::from_utf8_lossy(record));
            }
            return Ok(());
        }
        if ty.is_binary() {
            self.column.push_bytes(record);
            return Ok(());
        }
        let width = match ty.kind {
            TypeKind::Boolean | TypeKind::TinyInt => 1,
            TypeKind::SmallInt => 2,
            TypeKind::Int | TypeKind::Float => 4,
            _ => 8,
        };
        if record.len() != width {
            return Err(Error::data(format!(
                "cannot read raw record as {ty}: it has {} bytes, expected {width}; record: {}",
                record.len(),
                shown(record)
            )));
        }
        let mut bytes = [0u8; 8];
        if self.little_endian {
            bytes[..width].copy_from_slice(record);
        } else {
            for (to, from) in bytes.iter_mut().zip(record.iter().rev()) {
                *to = *from;
            }
        }
        let v = i64::from_le_bytes(bytes);
        match ty.kind {
            TypeKind::Boolean => self.column.push_bool(v != 0),
            TypeKind::Float => self.column.push_f32(f32::from_bits(v as u32)),
            TypeKind::Double => self.column.push_f64(f64::from_bits(v as u64)),
            _ => self.column.push_integer(v),
        }
        Ok(())
    }
}

impl Decoder for RawDecoder {
    fn decode_record(&mut self, record: &[u8]) -> Result<()> {
        self.record(record)
    }

    fn decode_stream(&mut self, bytes: &[u8], last: bool, max_rows: usize) -> Result<usize> {
        for_lines(bytes, last, |line, _| {
            self.record(line.strip_suffix(b"\r").unwrap_or(line))?;
            Ok(self.column.len() < max_rows)
        })
    }

    fn rows(&self) -> usize {
        self.column.len()
    }

    fn finish(&mut self) -> Result<Decoded> {
        let rows = self.column.len();
        let array = self.column.finish()?;
        Ok(Decoded { columns: vec![array; self.wanted], rows, kinds: None })
    }
}

struct RawEncoder {
    ty: DataType,
    little_endian: bool,
}

impl RawEncoder {
    fn number<const N: usize>(&self, out: &mut Vec<u8>, mut little: [u8; N]) {
        if !self.little_endian {
            little.reverse();
        }
        out.extend_from_slice(&little);
    }

    fn value(&self, out: &mut Vec<u8>, a: &ArrayRef, row: usize) {
        match self.ty.kind {
            TypeKind::Boolean => out.push(u8::from(a.as_boolean().value(row))),
            TypeKind::TinyInt => {
                self.number(out, a.as_primitive::<Int8Type>().value(row).to_le_bytes());
            }
            TypeKind::SmallInt => {
                self.number(out, a.as_primitive::<Int16Type>().value(row).to_le_bytes());
            }
            TypeKind::Int => {
                self.number(out, a.as_primitive::<Int32Type>().value(row).to_le_bytes());
            }
            TypeKind::BigInt => {
                self.number(out, a.as_primitive::<Int64Type>().value(row).to_le_bytes());
            }
            TypeKind::Float => {
                self.number(out, a.as_primitive::<Float32Type>().value(row).to_le_bytes());
            }
            TypeKind::Double => {
                self.number(out, a.as_primitive::<Float64Type>().value(row).to_le_bytes());
            }
            _ if self.ty.is_binary() => out.extend_from_slice(a.as_binary::<i32>().value(row)),
            _ => out.extend_from_slice(a.as_string::<i32>().value(row).as_bytes()),
        }
    }
}

impl Encoder for RawEncoder {
    fn encode(
        &mut self,
        columns: &[ArrayRef],
        rows: usize,
        _kinds: Option<&[u8]>,
        out: &mut Vec<u8>,
        ends: &mut Vec<usize>,
    ) -> Result<()> {
        for row in 0..rows {
            if columns[0].is_valid(row) {
                self.value(out, &columns[0], row);
            }
            ends.push(out.len());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_core::{Field, Value};

    #[test]
    fn lines_and_numbers() {
        let s = Schema::new(vec![Field::new("line", DataType::string())]);
        let f = RawFormat::new(&Options::new(), "raw.").unwrap();
        let mut d = f.decoder(&ReadSchema::all(&s)).unwrap();
        d.decode_stream(b"a b\n\nlast", true, 10).unwrap();
        let out = d.finish().unwrap();
        assert_eq!(out.rows, 3);
        assert_eq!(out.columns[0].as_string::<i32>().value(2), "last");

        let s = Schema::new(vec![Field::new("n", DataType::int())]);
        let mut d = f.decoder(&ReadSchema::all(&s)).unwrap();
        d.decode_record(&[0, 0, 1, 2]).unwrap();
        assert!(d.decode_record(&[1]).is_err());
        let out = d.finish().unwrap();
        assert_eq!(Value::from_array(&out.columns[0], 0), Value::Int(258));
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        f.encoder(&s).unwrap().encode(&out.columns, 1, None, &mut bytes, &mut ends).unwrap();
        assert_eq!(bytes, [0, 0, 1, 2]);
    }
}
