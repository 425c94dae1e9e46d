//! Writing JSON as Flink writes it: one object per row, NULLs included unless
//! told otherwise, decimals without trailing zeros, shortest fractions of seconds.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    Date32Type, Decimal128Type, DurationMillisecondType, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalYearMonthType, Time32MillisecondType,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
};
use base64::Engine as _;
use weir_core::types::ticks_per_second;
use weir_core::{DataType, Error, Field, Result, Schema, TypeKind};

use crate::format::Encoder;
use crate::format::text::{
    Fraction, TimestampStyle, strip_zeros, write_date, write_decimal, write_decimal_plain,
    write_double, write_float, write_time, write_timestamp,
};

/// `map-null-key.mode`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MapNullKey {
    Fail,
    Drop,
    Literal(String),
}

/// Options for writing.
#[derive(Debug, Clone)]
pub(crate) struct EncodeRules {
    pub style: TimestampStyle,
    pub map_null_key: MapNullKey,
    pub plain_decimals: bool,
    pub ignore_nulls: bool,
}

/// Writes rows as JSON objects.
pub(crate) struct JsonEncoder {
    fields: Vec<Field>,
    keys: Vec<Vec<u8>>,
    rules: EncodeRules,
}

impl JsonEncoder {
    pub(crate) fn new(schema: &Schema, rules: EncodeRules) -> Result<Self> {
        for f in &schema.fields {
            check(&f.ty)?;
        }
        let keys = schema.fields.iter().map(|f| quoted_key(&f.name)).collect();
        Ok(Self { fields: schema.fields.clone(), keys, rules })
    }

    /// Appends one row as an object.
    pub(crate) fn write_row(
        &self,
        columns: &[ArrayRef],
        row: usize,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        out.push(b'{');
        let mut first = true;
        for ((field, key), column) in self.fields.iter().zip(&self.keys).zip(columns) {
            if self.rules.ignore_nulls && column.is_null(row) {
                continue;
            }
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            out.extend_from_slice(key);
            write_value(out, column, row, &field.ty, &self.rules)?;
        }
        out.push(b'}');
        Ok(())
    }
}

impl Encoder for JsonEncoder {
    fn encode(
        &mut self,
        columns: &[ArrayRef],
        rows: usize,
        _kinds: Option<&[u8]>,
        out: &mut Vec<u8>,
        ends: &mut Vec<usize>,
    ) -> Result<()> {
        for row in 0..rows {
            self.write_row(columns, row, out)?;
            ends.push(out.len());
        }
        Ok(())
    }
}

fn check(ty: &DataType) -> Result<()> {
    match &ty.kind {
        TypeKind::Variant | TypeKind::Bitmap | TypeKind::Raw(..) => {
            Err(Error::validation(format!("the JSON format cannot write type {ty}")))
        }
        TypeKind::Map(k, _) if !k.is_string() => Err(Error::validation(format!(
            "the JSON format writes maps with string keys only, not with key type {k}"
        ))),
        TypeKind::Map(k, v) => check(k).and_then(|()| check(v)),
        TypeKind::Array(e) | TypeKind::Multiset(e) => check(e),
        TypeKind::Row(fields) | TypeKind::Structured(_, fields) => {
            fields.iter().try_for_each(|f| check(&f.ty))
        }
        _ => Ok(()),
    }
}

fn quoted_key(name: &str) -> Vec<u8> {
    let mut key = Vec::new();
    write_text(&mut key, name.as_bytes());
    key.push(b':');
    key
}

/// Appends a JSON string.
pub(crate) fn write_text(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    let mut from = 0;
    for (i, &b) in text.iter().enumerate() {
        if b >= b' ' && b != b'"' && b != b'\\' {
            continue;
        }
        out.extend_from_slice(&text[from..i]);
        from = i + 1;
        match b {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            8 => out.extend_from_slice(b"\\b"),
            12 => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => out.extend_from_slice(format!("\\u{b:04X}").as_bytes()),
        }
    }
    out.extend_from_slice(&text[from..]);
    out.push(b'"');
}

fn write_integer(out: &mut Vec<u8>, v: i64) {
    let mut buffer = [0u8; 20];
    let mut at = buffer.len();
    let mut rest = v.unsigned_abs();
    loop {
        at -= 1;
        buffer[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if v < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&buffer[at..]);
}

/// Ticks of a timestamp array in its own unit.
pub(crate) fn ticks(array: &ArrayRef, row: usize, precision: u8) -> i64 {
    match precision {
        0..=3 => array.as_primitive::<TimestampMillisecondType>().value(row),
        4..=6 => array.as_primitive::<TimestampMicrosecondType>().value(row),
        _ => array.as_primitive::<TimestampNanosecondType>().value(row),
    }
}

/// Appends one value.
pub(crate) fn write_value(
    out: &mut Vec<u8>,
    array: &ArrayRef,
    row: usize,
    ty: &DataType,
    rules: &EncodeRules,
) -> Result<()> {
    if array.is_null(row) {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    match &ty.kind {
        TypeKind::Null => out.extend_from_slice(b"null"),
        TypeKind::Boolean => {
            let v: &[u8] = if array.as_boolean().value(row) { b"true" } else { b"false" };
            out.extend_from_slice(v);
        }
        TypeKind::TinyInt => write_integer(out, array.as_primitive::<Int8Type>().value(row).into()),
        TypeKind::SmallInt => {
            write_integer(out, array.as_primitive::<Int16Type>().value(row).into());
        }
        TypeKind::Int => write_integer(out, array.as_primitive::<Int32Type>().value(row).into()),
        TypeKind::BigInt => write_integer(out, array.as_primitive::<Int64Type>().value(row)),
        TypeKind::IntervalYearMonth(..) => {
            write_integer(out, array.as_primitive::<IntervalYearMonthType>().value(row).into());
        }
        TypeKind::IntervalDayTime(..) => {
            write_integer(out, array.as_primitive::<DurationMillisecondType>().value(row));
        }
        TypeKind::Float => {
            let v = array.as_primitive::<Float32Type>().value(row);
            quote_unless(out, v.is_finite(), |out| write_float(out, v));
        }
        TypeKind::Double => {
            let v = array.as_primitive::<Float64Type>().value(row);
            quote_unless(out, v.is_finite(), |out| write_double(out, v));
        }
        TypeKind::Decimal(_, s) => {
            let v = array.as_primitive::<Decimal128Type>().value(row);
            let (v, s) = strip_zeros(v, i32::from(*s));
            if rules.plain_decimals {
                write_decimal_plain(out, v, s);
            } else {
                write_decimal(out, v, s);
            }
        }
        TypeKind::Char(_) | TypeKind::Varchar(_) | TypeKind::Variant => {
            write_text(out, array.as_string::<i32>().value(row).as_bytes());
        }
        TypeKind::Binary(_) | TypeKind::Varbinary(_) | TypeKind::Bitmap | TypeKind::Raw(..) => {
            let bytes = array.as_binary::<i32>().value(row);
            let text = base64::engine::general_purpose::STANDARD.encode(bytes);
            write_text(out, text.as_bytes());
        }
        TypeKind::Date
        | TypeKind::Time(_)
        | TypeKind::Timestamp(..)
        | TypeKind::TimestampLtz(..) => {
            out.push(b'"');
            write_datetime(out, array, row, ty, rules.style);
            out.push(b'"');
        }
        TypeKind::Array(e) => {
            let values = array.as_list::<i32>().value(row);
            out.push(b'[');
            for i in 0..values.len() {
                if i > 0 {
                    out.push(b',');
                }
                write_value(out, &values, i, e, rules)?;
            }
            out.push(b']');
        }
        TypeKind::Map(_, v) => write_map(out, array, row, v, rules)?,
        TypeKind::Multiset(_) => write_map(out, array, row, &DataType::int(), rules)?,
        TypeKind::Row(fields) | TypeKind::Structured(_, fields) => {
            let columns = array.as_struct().columns();
            out.push(b'{');
            let mut first = true;
            for (field, column) in fields.iter().zip(columns) {
                if rules.ignore_nulls && column.is_null(row) {
                    continue;
                }
                if !std::mem::take(&mut first) {
                    out.push(b',');
                }
                write_text(out, field.name.as_bytes());
                out.push(b':');
                write_value(out, column, row, &field.ty, rules)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

/// Appends a date, time or timestamp without quotes.
pub(crate) fn write_datetime(
    out: &mut Vec<u8>,
    array: &ArrayRef,
    row: usize,
    ty: &DataType,
    style: TimestampStyle,
) {
    match ty.kind {
        TypeKind::Date => write_date(out, array.as_primitive::<Date32Type>().value(row).into()),
        TypeKind::Time(_) => {
            let millis = array.as_primitive::<Time32MillisecondType>().value(row);
            write_time(out, i64::from(millis) * 1_000_000, Fraction::Shortest, false);
        }
        TypeKind::Timestamp(p, _) => {
            write_timestamp(out, ticks(array, row, p), ticks_per_second(p), style, false);
        }
        TypeKind::TimestampLtz(p, _) => {
            write_timestamp(out, ticks(array, row, p), ticks_per_second(p), style, true);
        }
        _ => {}
    }
}

fn quote_unless(out: &mut Vec<u8>, plain: bool, write: impl FnOnce(&mut Vec<u8>)) {
    if !plain {
        out.push(b'"');
    }
    write(out);
    if !plain {
        out.push(b'"');
    }
}

fn write_map(
    out: &mut Vec<u8>,
    array: &ArrayRef,
    row: usize,
    value_type: &DataType,
    rules: &EncodeRules,
) -> Result<()> {
    let entries = array.as_map().value(row);
    let (keys, values) = (entries.column(0), Arc::clone(entries.column(1)));
    out.push(b'{');
    let mut first = true;
    for i in 0..keys.len() {
        let key = if keys.is_valid(i) {
            keys.as_string::<i32>().value(i)
        } else {
            match &rules.map_null_key {
                MapNullKey::Drop => continue,
                MapNullKey::Literal(text) => text.as_str(),
                MapNullKey::Fail => {
                    return Err(Error::data("JSON cannot hold a NULL key of a map").hint(
                        "set 'json.map-null-key.mode' to 'DROP' or 'LITERAL' to allow NULL keys",
                    ));
                }
            }
        };
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        write_text(out, key.as_bytes());
        out.push(b':');
        write_value(out, &values, i, value_type, rules)?;
    }
    out.push(b'}');
    Ok(())
}
