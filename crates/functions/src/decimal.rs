//! Unscaled 128-bit decimals: columns of them, and their scales.

use std::sync::Arc;

use arrow::array::{ArrayRef, PrimitiveArray};
use arrow::datatypes::Decimal128Type;
use weir_core::Result;

/// A column of DECIMAL(p, s) from unscaled values.
pub(crate) fn decimal(a: PrimitiveArray<Decimal128Type>, p: u8, s: u8) -> Result<ArrayRef> {
    Ok(Arc::new(a.with_precision_and_scale(p, s as i8)?))
}

/// A power of ten; the largest number where it has no place.
pub(crate) fn pow10(n: u8) -> i128 {
    10i128.checked_pow(n.into()).unwrap_or(i128::MAX)
}

/// The nearest double of an unscaled decimal.
pub(crate) fn float_of(x: i128, scale: u8) -> f64 {
    if x.unsigned_abs() < 1 << 53 && scale <= 22 {
        return x as f64 / 10f64.powi(scale.into());
    }
    format!("{x}e-{scale}").parse().unwrap_or(f64::NAN)
}

/// Another scale, rounding half up; None on overflow.
pub(crate) fn rescale(x: i128, from: u8, to: u8) -> Option<i128> {
    if to >= from {
        return x.checked_mul(pow10(to - from));
    }
    let unit = pow10(from - to);
    let (q, r) = (x / unit, x % unit);
    Some(if r.abs() >= unit - unit / 2 { q + x.signum() } else { q })
}
