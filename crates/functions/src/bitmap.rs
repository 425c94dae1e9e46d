//! BITMAP functions: 32-bit roaring bitmaps in their standard serialisation.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{Int32Type, Int64Type};
use roaring::RoaringBitmap;
use weir_core::value::values_to_array;
use weir_core::{Error, Result, Value};

use crate::args::{Args, Kernel};
use crate::site::Site;

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

/// How an aggregate joins bitmaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitmapFold {
    /// Members of all.
    And,
    /// Members of any.
    Or,
    /// Members of an odd number.
    Xor,
}

/// The serialised bitmap of numbers; a negative number is the bit of its unsigned form.
pub fn bitmap_of(numbers: impl Iterator<Item = i64>) -> Result<Vec<u8>> {
    let bitmap: RoaringBitmap = numbers.map(|x| x as i32 as u32).collect();
    let mut out = Vec::new();
    write(&bitmap, &mut out)?;
    Ok(out)
}

/// One serialised bitmap of many.
pub fn fold_bitmaps<'a>(
    fold: BitmapFold,
    bitmaps: impl Iterator<Item = &'a [u8]>,
) -> Result<Vec<u8>> {
    let mut result: Option<RoaringBitmap> = None;
    for bytes in bitmaps {
        let next = read(bytes)?;
        result = Some(match (result, fold) {
            (None, _) => next,
            (Some(r), BitmapFold::And) => r & next,
            (Some(r), BitmapFold::Or) => r | next,
            (Some(r), BitmapFold::Xor) => r ^ next,
        });
    }
    let mut out = Vec::new();
    write(&result.unwrap_or_default(), &mut out)?;
    Ok(out)
}

/// Members of a serialised bitmap.
pub fn bitmap_cardinality(bytes: &[u8]) -> Result<u64> {
    Ok(read(bytes)?.len())
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
