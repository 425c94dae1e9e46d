//! BITMAP functions: 32-bit roaring bitmaps in their standard serialisation.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{Int32Type, Int64Type};
use roaring::RoaringBitmap;
use weir_core::value::values_to_array;
use weir_core::{Error, Result, Value};

use crate::args::{Args, Kernel};
use crate::kernels::Site;

pub(crate) fn kernel(site: &Site<'_>) -> Result<Option<Kernel>> {
    Ok(Some(match site.name {
        "BITMAP_BUILD" => Arc::new(build),
        "BITMAP_FROM_BYTES" => Arc::new(|a| {
            let b = a.bytes(0)?;
            a.binary(|i, out| {
                write(&read(b.get(i))?, out)?;
                Ok(true)
            })
        }),
        "BITMAP_TO_BYTES" => Arc::new(|a| Ok(a.cols[0].array().clone())),
        "BITMAP_CARDINALITY" => Arc::new(|a| {
            let b = a.bytes(0)?;
            Ok(Arc::new(a.number::<Int64Type>(|i| Ok(Some(read(b.get(i))?.len() as i64)))?))
        }),
        "BITMAP_TO_STRING" => Arc::new(|a| {
            let b = a.bytes(0)?;
            a.text(|i, out| {
                write_text(b.get(i), out);
                Ok(true)
            })
        }),
        "BITMAP_TO_ARRAY" => Arc::new(to_array),
        "BITMAP_AND" => combine(|a, b| a & b),
        "BITMAP_OR" => combine(|a, b| a | b),
        "BITMAP_XOR" => combine(|a, b| a ^ b),
        "BITMAP_ANDNOT" => combine(|a, b| a - b),
        _ => return Ok(None),
    }))
}

fn read(bytes: &[u8]) -> Result<RoaringBitmap> {
    RoaringBitmap::deserialize_from(bytes)
        .map_err(|e| Error::data(format!("bytes that are no serialised BITMAP: {e}")))
}

fn write(bitmap: &RoaringBitmap, out: &mut Vec<u8>) -> Result<()> {
    Ok(bitmap.serialize_into(out)?)
}

/// The members in braces, as BITMAP_TO_STRING and results show them.
pub(crate) fn write_text(bytes: &[u8], out: &mut String) {
    out.push('{');
    for (n, x) in read(bytes).unwrap_or_default().iter().enumerate() {
        let comma = if n > 0 { "," } else { "" };
        let _ = write!(out, "{comma}{x}");
    }
    out.push('}');
}

/// Bits from the elements of an array; NULL elements are skipped. A negative
/// number is the bit of its unsigned form.
fn build(a: &Args<'_>) -> Result<ArrayRef> {
    let list = a.col(0).as_list::<i32>();
    a.binary(|i, out| {
        let items = list.value(a.at(0, i));
        let items = items.as_primitive::<Int32Type>();
        let bitmap: RoaringBitmap = items.iter().flatten().map(|x| x as u32).collect();
        write(&bitmap, out)?;
        Ok(true)
    })
}

fn to_array(a: &Args<'_>) -> Result<ArrayRef> {
    let b = a.bytes(0)?;
    let mut values = Vec::with_capacity(a.rows);
    for i in 0..a.rows {
        values.push(if a.is_null(0, i) {
            Value::Null
        } else {
            let bits = read(b.get(i))?;
            Value::Array(bits.iter().map(|x| Value::Int(i64::from(x as i32))).collect())
        });
    }
    values_to_array(&values, a.ret)
}

fn combine(op: fn(&RoaringBitmap, &RoaringBitmap) -> RoaringBitmap) -> Kernel {
    Arc::new(move |a| {
        let (x, y) = (a.bytes(0)?, a.bytes(1)?);
        a.binary(|i, out| {
            write(&op(&read(x.get(i))?, &read(y.get(i))?), out)?;
            Ok(true)
        })
    })
}
