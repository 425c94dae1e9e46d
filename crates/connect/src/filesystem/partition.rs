//! Partition values in directory names: `k=v/...`, escaped as Hive does.

use std::path::Path;

use weir_core::{DataType, Error, Result, TypeKind, Value};

use crate::format::json::encode::{EncodeRules, MapNullKey, write_datetime, write_value};
use crate::format::text::{
    DecimalText, TimestampStyle, parse_date, parse_decimal, parse_double, parse_integer,
    parse_time, parse_timestamp,
};

/// Name of the directory of NULL (`partition.default-name`).
pub(super) const DEFAULT_NAME: &str = "__DEFAULT_PARTITION__";

/// Characters that are written as `%XX`.
fn needs_escape(c: char) -> bool {
    c < ' ' || c == '\u{7f}' || "\"#%'*/:=?\\{[]^".contains(c)
}

/// Escapes a name or value for a directory name.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if needs_escape(c) {
            out.push_str(&format!("%{:02X}", c as u32));
        } else {
            out.push(c);
        }
    }
    out
}

/// The opposite of [`escape`].
pub(super) fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let code = (bytes[i] == b'%')
            .then(|| text.get(i + 1..i + 3))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code {
            Some(b) => {
                out.push(b);
                i += 3;
            }
            None => {
                out.push(bytes[i]);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The value of partition column `name` in a file's path below the root.
pub(super) fn find(relative: &Path, name: &str) -> Option<String> {
    relative.parent()?.components().find_map(|c| {
        let part = c.as_os_str().to_str()?;
        let (key, value) = part.split_once('=')?;
        (unescape(key) == name).then(|| unescape(value))
    })
}

/// A partition value as a value of the column's type.
pub(super) fn parse(text: &str, ty: &DataType, default_name: &str) -> Result<Value> {
    if text == default_name {
        return Ok(Value::Null);
    }
    let b = text.as_bytes();
    let value = match &ty.kind {
        TypeKind::Char(_) | TypeKind::Varchar(_) => Some(Value::String(text.to_owned())),
        TypeKind::TinyInt => parse_integer(b, i8::MIN.into(), i8::MAX.into()).map(Value::Int),
        TypeKind::SmallInt => parse_integer(b, i16::MIN.into(), i16::MAX.into()).map(Value::Int),
        TypeKind::Int => parse_integer(b, i32::MIN.into(), i32::MAX.into()).map(Value::Int),
        TypeKind::BigInt => parse_integer(b, i64::MIN, i64::MAX).map(Value::Int),
        TypeKind::Boolean => match text.to_ascii_lowercase().as_str() {
            "true" => Some(Value::Boolean(true)),
            "false" => Some(Value::Boolean(false)),
            _ => None,
        },
        TypeKind::Float => parse_double(b).map(|d| Value::Float(d as f32)),
        TypeKind::Double => parse_double(b).map(Value::Double),
        TypeKind::Decimal(p, s) => match parse_decimal(b, *p, *s) {
            DecimalText::Value(v) => Some(Value::Decimal(v)),
            DecimalText::Overflow => Some(Value::Null),
            DecimalText::Invalid => None,
        },
        // Flink itself writes the day number of a DATE.
        TypeKind::Date => parse_date(b, false)
            .or_else(|| parse_integer(b, i32::MIN.into(), i32::MAX.into()).map(|d| d as i32))
            .map(Value::Date),
        TypeKind::Time(_) => parse_time(b, true).map(|n| Value::Time((n / 1_000_000) as i32)),
        TypeKind::Timestamp(p, _) | TypeKind::TimestampLtz(p, _) => {
            let per_second = weir_core::types::ticks_per_second(*p);
            let zone = text.ends_with('Z');
            [TimestampStyle::Sql, TimestampStyle::Iso]
                .into_iter()
                .find_map(|style| parse_timestamp(b, style, zone, per_second))
                .map(Value::Timestamp)
        }
        _ => None,
    };
    value.ok_or_else(|| Error::data(format!("partition value '{text}' in the path is no {ty}")))
}

/// The directory name of a value.
pub(super) fn format(
    array: &arrow::array::ArrayRef,
    row: usize,
    ty: &DataType,
    default_name: &str,
) -> Result<String> {
    use arrow::array::{Array, AsArray};
    if array.is_null(row) {
        return Ok(default_name.to_owned());
    }
    let mut out = Vec::new();
    match &ty.kind {
        TypeKind::Char(_) | TypeKind::Varchar(_) => {
            let text = array.as_string::<i32>().value(row);
            // An empty name is no directory.
            return Ok(if text.is_empty() { default_name.to_owned() } else { escape(text) });
        }
        TypeKind::Date
        | TypeKind::Time(_)
        | TypeKind::Timestamp(..)
        | TypeKind::TimestampLtz(..) => {
            write_datetime(&mut out, array, row, ty, TimestampStyle::Sql);
        }
        _ => {
            let rules = EncodeRules {
                style: TimestampStyle::Sql,
                map_null_key: MapNullKey::Fail,
                plain_decimals: true,
                ignore_nulls: false,
            };
            write_value(&mut out, array, row, ty, &rules)?;
        }
    }
    Ok(escape(&String::from_utf8_lossy(&out)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaping_is_hives() {
        assert_eq!(escape("a b/c=1%"), "a b%2Fc%3D1%25");
        assert_eq!(unescape("a b%2Fc%3D1%25"), "a b/c=1%");
        assert_eq!(unescape("100%"), "100%");
        let p = Path::new("k=a%2Fb/d=2024-01-01/f.csv");
        assert_eq!(find(p, "k").as_deref(), Some("a/b"));
        assert_eq!(find(p, "x"), None);
        let date = DataType::from(TypeKind::Date);
        assert_eq!(parse("2024-01-01", &date, DEFAULT_NAME).unwrap(), Value::Date(19723));
        assert_eq!(parse("19723", &date, DEFAULT_NAME).unwrap(), Value::Date(19723));
        assert_eq!(parse(DEFAULT_NAME, &date, DEFAULT_NAME).unwrap(), Value::Null);
        assert!(parse("x", &date, DEFAULT_NAME).is_err());
    }
}
