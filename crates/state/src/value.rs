//! Our own bytes for single [`Value`]s: nested columns and the row-at-a-time
//! accumulators (LISTAGG, COLLECT, ...).

use weir_core::{Error, Result, Value};

use crate::bytes::{Reader, put_bytes, put_varint};

/// Appends a value: one tag byte, then the payload.
pub fn write_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0),
        Value::Boolean(x) => out.extend_from_slice(&[1, u8::from(*x)]),
        Value::Int(x) => tagged(out, 2, &x.to_le_bytes()),
        Value::Float(x) => tagged(out, 3, &x.to_le_bytes()),
        Value::Double(x) => tagged(out, 4, &x.to_le_bytes()),
        Value::Decimal(x) => tagged(out, 5, &x.to_le_bytes()),
        Value::String(x) => {
            out.push(6);
            put_bytes(out, x.as_bytes());
        }
        Value::Bytes(x) => {
            out.push(7);
            put_bytes(out, x);
        }
        Value::Date(x) => tagged(out, 8, &x.to_le_bytes()),
        Value::Time(x) => tagged(out, 9, &x.to_le_bytes()),
        Value::Timestamp(x) => tagged(out, 10, &x.to_le_bytes()),
        Value::Months(x) => tagged(out, 11, &x.to_le_bytes()),
        Value::Millis(x) => tagged(out, 12, &x.to_le_bytes()),
        Value::Array(items) => {
            out.push(13);
            write_all(items, out);
        }
        Value::Map(entries) => {
            out.push(14);
            put_varint(out, entries.len() as u64);
            for (k, v) in entries {
                write_value(k, out);
                write_value(v, out);
            }
        }
        Value::Row(items) => {
            out.push(15);
            write_all(items, out);
        }
    }
}

fn tagged(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    out.extend_from_slice(bytes);
}

fn write_all(items: &[Value], out: &mut Vec<u8>) {
    put_varint(out, items.len() as u64);
    for v in items {
        write_value(v, out);
    }
}

/// Reads what [`write_value`] wrote.
pub fn read_value(r: &mut Reader<'_>) -> Result<Value> {
    Ok(match r.u8()? {
        0 => Value::Null,
        1 => Value::Boolean(r.u8()? != 0),
        2 => Value::Int(r.i64()?),
        3 => Value::Float(f32::from_bits(r.u32()?)),
        4 => Value::Double(r.f64()?),
        5 => Value::Decimal(r.i128()?),
        6 => Value::String(
            String::from_utf8(r.bytes()?.to_vec())
                .map_err(|_| Error::data("state holds a string that is not UTF-8"))?,
        ),
        7 => Value::Bytes(r.bytes()?.to_vec()),
        8 => Value::Date(r.i32()?),
        9 => Value::Time(r.i32()?),
        10 => Value::Timestamp(r.i64()?),
        11 => Value::Months(r.i32()?),
        12 => Value::Millis(r.i64()?),
        13 => Value::Array(read_all(r)?),
        14 => {
            let n = r.varint()?;
            let mut entries = Vec::new();
            for _ in 0..n {
                entries.push((read_value(r)?, read_value(r)?));
            }
            Value::Map(entries)
        }
        15 => Value::Row(read_all(r)?),
        tag => return Err(Error::data(format!("state holds an unknown value tag {tag}"))),
    })
}

fn read_all(r: &mut Reader<'_>) -> Result<Vec<Value>> {
    let n = r.varint()?;
    (0..n).map(|_| read_value(r)).collect()
}
