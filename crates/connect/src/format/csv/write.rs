//! Writing CSV: quotes where Jackson's loose rule puts them.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    Decimal128Type, DurationMillisecondType, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, IntervalYearMonthType,
};
use base64::Engine as _;
use weir_core::{DataType, Result, Schema, TypeKind};

use super::CsvFormat;
use crate::format::Encoder;
use crate::format::json::encode::write_datetime;
use crate::format::text::{
    TimestampStyle, strip_zeros, write_decimal, write_decimal_plain, write_double, write_float,
};

/// Texts longer than this are quoted without looking.
const MAX_CHECKED: usize = 24;

pub(super) struct CsvEncoder {
    format: CsvFormat,
    types: Vec<DataType>,
    /// Characters below this one make quotes necessary.
    min_safe: u8,
    cell: Vec<u8>,
}

impl CsvEncoder {
    pub(super) fn new(format: CsvFormat, schema: &Schema) -> Self {
        let min_safe = format.delimiter.max(format.quote.unwrap_or(0)).max(b'\n') + 1;
        let types = schema.fields.iter().map(|f| f.ty.clone()).collect();
        Self { format, types, min_safe, cell: Vec::new() }
    }

    /// Appends a cell's text with quotes if it may need them.
    fn put(&self, out: &mut Vec<u8>, text: &[u8]) {
        let Some(quote) = self.format.quote else {
            return out.extend_from_slice(text);
        };
        // Jackson counts UTF-16 units; only lengths near the limit could differ.
        let long = text.len() > MAX_CHECKED
            && String::from_utf8_lossy(text).encode_utf16().count() > MAX_CHECKED;
        let special = |b: &u8| *b < self.min_safe || Some(*b) == self.format.escape;
        if !long && !text.iter().any(special) {
            return out.extend_from_slice(text);
        }
        out.push(quote);
        for &b in text {
            if b == quote {
                out.push(self.format.escape.unwrap_or(quote));
            } else if Some(b) == self.format.escape {
                out.push(b);
            }
            out.push(b);
        }
        out.push(quote);
    }
}

impl Encoder for CsvEncoder {
    fn encode(
        &mut self,
        columns: &[ArrayRef],
        rows: usize,
        _kinds: Option<&[u8]>,
        out: &mut Vec<u8>,
        ends: &mut Vec<usize>,
    ) -> Result<()> {
        let null = self.format.null_literal.clone().unwrap_or_default();
        for row in 0..rows {
            for (i, (column, ty)) in columns.iter().zip(&self.types).enumerate() {
                if i > 0 {
                    out.push(self.format.delimiter);
                }
                if column.is_null(row) {
                    out.extend_from_slice(null.as_bytes());
                    continue;
                }
                let mut cell = std::mem::take(&mut self.cell);
                cell.clear();
                let text = write_cell(&mut cell, column, row, ty, &self.format, &null);
                if text {
                    self.put(out, &cell);
                } else {
                    out.extend_from_slice(&cell);
                }
                self.cell = cell;
            }
            ends.push(out.len());
        }
        Ok(())
    }
}

/// Appends a value without quotes; returns whether it is a text rather than a number.
fn write_cell(
    out: &mut Vec<u8>,
    array: &ArrayRef,
    row: usize,
    ty: &DataType,
    format: &CsvFormat,
    null: &str,
) -> bool {
    let integer = |out: &mut Vec<u8>, v: i64| out.extend_from_slice(v.to_string().as_bytes());
    match &ty.kind {
        TypeKind::Boolean => {
            let v: &[u8] = if array.as_boolean().value(row) { b"true" } else { b"false" };
            out.extend_from_slice(v);
            return false;
        }
        TypeKind::TinyInt => integer(out, array.as_primitive::<Int8Type>().value(row).into()),
        TypeKind::SmallInt => integer(out, array.as_primitive::<Int16Type>().value(row).into()),
        TypeKind::Int => integer(out, array.as_primitive::<Int32Type>().value(row).into()),
        TypeKind::BigInt => integer(out, array.as_primitive::<Int64Type>().value(row)),
        TypeKind::IntervalYearMonth(..) => {
            integer(out, array.as_primitive::<IntervalYearMonthType>().value(row).into());
        }
        TypeKind::IntervalDayTime(..) => {
            integer(out, array.as_primitive::<DurationMillisecondType>().value(row));
        }
        TypeKind::Float => write_float(out, array.as_primitive::<Float32Type>().value(row)),
        TypeKind::Double => write_double(out, array.as_primitive::<Float64Type>().value(row)),
        TypeKind::Decimal(_, s) => {
            let v = array.as_primitive::<Decimal128Type>().value(row);
            let (v, s) = strip_zeros(v, i32::from(*s));
            if format.scientific {
                write_decimal(out, v, s);
            } else {
                write_decimal_plain(out, v, s);
            }
        }
        TypeKind::Char(_) | TypeKind::Varchar(_) => {
            out.extend_from_slice(array.as_string::<i32>().value(row).as_bytes());
            return true;
        }
        TypeKind::Binary(_) | TypeKind::Varbinary(_) => {
            let bytes = array.as_binary::<i32>().value(row);
            let text = base64::engine::general_purpose::STANDARD.encode(bytes);
            out.extend_from_slice(text.as_bytes());
            return true;
        }
        TypeKind::Array(e) => {
            let values = array.as_list::<i32>().value(row);
            for i in 0..values.len() {
                if i > 0 {
                    out.extend_from_slice(format.element_delimiter.as_bytes());
                }
                write_element(out, &values, i, e, format, null);
            }
            return true;
        }
        TypeKind::Row(fields) => {
            for (i, (f, c)) in fields.iter().zip(array.as_struct().columns()).enumerate() {
                if i > 0 {
                    out.extend_from_slice(format.element_delimiter.as_bytes());
                }
                write_element(out, c, row, &f.ty, format, null);
            }
            return true;
        }
        _ => {
            write_datetime(out, array, row, ty, TimestampStyle::Sql);
            return true;
        }
    }
    false
}

fn write_element(
    out: &mut Vec<u8>,
    array: &ArrayRef,
    row: usize,
    ty: &DataType,
    format: &CsvFormat,
    null: &str,
) {
    if array.is_null(row) {
        out.extend_from_slice(null.as_bytes());
    } else {
        write_cell(out, array, row, ty, format, null);
    }
}
