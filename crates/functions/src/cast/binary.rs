//! Casts to bytes.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray};
use weir_core::{DataType, Error, Result, TypeKind};

/// Text as UTF-8, or bytes cut and padded to the length.
pub(super) fn cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let (limit, pad) = match to.kind {
        TypeKind::Binary(n) => (n as usize, true),
        TypeKind::Varbinary(n) => (n as usize, false),
        _ => (usize::MAX, false),
    };
    let fit = |b: &[u8]| -> Vec<u8> {
        let mut v = b[..b.len().min(limit)].to_vec();
        if pad {
            v.resize(limit, 0);
        }
        v
    };
    if let Some(b) = array.as_binary_opt::<i32>() {
        return Ok(Arc::new(b.iter().map(|x| x.map(fit)).collect::<BinaryArray>()));
    }
    match array.as_string_opt::<i32>() {
        Some(s) => {
            Ok(Arc::new(s.iter().map(|x| x.map(|x| fit(x.as_bytes()))).collect::<BinaryArray>()))
        }
        None => Err(Error::internal(format!("cast of {} to {to}", array.data_type()))),
    }
}
