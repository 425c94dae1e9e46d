//! Decimal derivation, the least restrictive type, literal types.

use weir_core::{DataType, Error, Field, Result, TimeAttribute, TypeKind};

const MAX_PRECISION: u32 = 38;
const MIN_SCALE: u32 = 6;

/// Precision and scale of a number seen as a decimal.
pub(crate) fn as_decimal(ty: &DataType) -> Option<(u32, u32)> {
    Some(match ty.kind {
        TypeKind::TinyInt => (3, 0),
        TypeKind::SmallInt => (5, 0),
        TypeKind::Int => (10, 0),
        TypeKind::BigInt => (19, 0),
        TypeKind::Decimal(p, s) => (p.into(), s.into()),
        _ => return None,
    })
}

/// Cuts to 38 digits, giving up decimals down to six of them.
fn adjust(precision: u32, scale: u32) -> DataType {
    if precision <= MAX_PRECISION {
        return DataType::decimal(precision as u8, scale as u8);
    }
    let digits = precision - scale;
    let keep = scale.min(MIN_SCALE);
    let scale = MAX_PRECISION.saturating_sub(digits).max(keep);
    DataType::decimal(MAX_PRECISION as u8, scale as u8)
}

/// Type of `a + b` and `a - b` for decimals (p, s).
pub fn decimal_add_type(a: (u32, u32), b: (u32, u32)) -> DataType {
    let scale = a.1.max(b.1);
    adjust((a.0 - a.1).max(b.0 - b.1) + scale + 1, scale)
}

/// Type of `a * b`.
pub fn decimal_multiply_type(a: (u32, u32), b: (u32, u32)) -> DataType {
    adjust(a.0 + b.0 + 1, a.1 + b.1)
}

/// Type of `a / b`.
pub fn decimal_divide_type(a: (u32, u32), b: (u32, u32)) -> DataType {
    let scale = (a.1 + b.0 + 1).max(MIN_SCALE);
    adjust(a.0 - a.1 + b.1 + scale, scale)
}

/// Type of `a % b`.
pub fn decimal_modulo_type(a: (u32, u32), b: (u32, u32)) -> DataType {
    let scale = a.1.max(b.1);
    adjust((a.0 - a.1).min(b.0 - b.1) + scale, scale)
}

/// Type of an exact numeric literal with a decimal point, such as `1.50`.
pub fn decimal_literal_type(text: &str) -> Result<DataType> {
    let digits = text.trim_start_matches(['-', '+']);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = whole.trim_start_matches('0');
    let scale = fraction.len();
    let precision = if whole.is_empty() {
        fraction.trim_start_matches('0').len().max(scale).max(1)
    } else {
        whole.len() + scale
    };
    if precision > 38 {
        return Err(Error::validation(format!("Numeric literal '{text}' out of range"))
            .hint("a DECIMAL has at most 38 digits"));
    }
    Ok(DataType::decimal(precision as u8, scale as u8).not_null())
}

/// Type of an integer literal: INT, or BIGINT if it needs 64 bits.
pub fn integer_literal_type(value: i64) -> DataType {
    if i32::try_from(value).is_ok() { DataType::int() } else { DataType::bigint() }.not_null()
}

/// The least restrictive type that holds all of them, as CASE, COALESCE, IN,
/// array constructors and set operations use it; None if there is none.
pub fn common_type(types: &[DataType]) -> Option<DataType> {
    let nullable = types.iter().any(|t| t.nullable || t.kind == TypeKind::Null);
    let mut known = types.iter().filter(|t| t.kind != TypeKind::Null);
    let Some(first) = known.next() else {
        return types.first().cloned();
    };
    let mut result = first.clone();
    for t in known {
        result = common_pair(&result, t)?;
    }
    Some(result.with_nullable(nullable))
}

fn common_pair(a: &DataType, b: &DataType) -> Option<DataType> {
    use TypeKind::*;
    if a.kind == b.kind {
        return Some(a.clone());
    }
    if a.is_numeric() && b.is_numeric() {
        return Some(common_numeric(a, b));
    }
    let strip = |t: &DataType| t.clone().with_time_attribute(TimeAttribute::None);
    let kind = match (&a.kind, &b.kind) {
        (Char(x) | Varchar(x), Char(y) | Varchar(y)) => Varchar(*x.max(y)),
        (Binary(x) | Varbinary(x), Binary(y) | Varbinary(y)) => Varbinary(*x.max(y)),
        (Timestamp(x, _), Timestamp(y, _)) => Timestamp(*x.max(y), TimeAttribute::None),
        (TimestampLtz(x, _), TimestampLtz(y, _)) => TimestampLtz(*x.max(y), TimeAttribute::None),
        (Timestamp(x, _), TimestampLtz(y, _)) | (TimestampLtz(x, _), Timestamp(y, _)) => {
            Timestamp(*x.max(y), TimeAttribute::None)
        }
        (Time(x), Time(y)) => Time(*x.max(y)),
        (IntervalDayTime(..), IntervalDayTime(..)) => super::call::day_time_interval().kind,
        (IntervalYearMonth(..), IntervalYearMonth(..)) => super::call::year_month_interval().kind,
        (Array(x), Array(y)) => Array(Box::new(common_nested(x, y)?)),
        (Multiset(x), Multiset(y)) => Multiset(Box::new(common_nested(x, y)?)),
        (Map(k1, v1), Map(k2, v2)) => {
            Map(Box::new(common_nested(k1, k2)?), Box::new(common_nested(v1, v2)?))
        }
        (Row(x), Row(y)) if x.len() == y.len() => Row(x
            .iter()
            .zip(y)
            .map(|(f, g)| Some(Field::new(f.name.clone(), common_nested(&f.ty, &g.ty)?)))
            .collect::<Option<Vec<_>>>()?),
        _ if strip(a).kind == strip(b).kind => return Some(strip(a)),
        _ => return None,
    };
    Some(kind.into())
}

fn common_nested(a: &DataType, b: &DataType) -> Option<DataType> {
    common_type(&[a.clone(), b.clone()])
}

/// The least restrictive of two numeric types.
pub(crate) fn common_numeric(a: &DataType, b: &DataType) -> DataType {
    use TypeKind::*;
    if a.kind == b.kind {
        return a.clone();
    }
    if a.is_approximate() && b.is_approximate() {
        // Calcite holds both for equally wide: the first one wins.
        return a.clone();
    }
    if a.is_approximate() || b.is_approximate() {
        let wide = |t: &DataType| matches!(t.kind, Double | Decimal(..));
        return if wide(a) || wide(b) { Double.into() } else { Float.into() };
    }
    if a.is_integer() && b.is_integer() {
        let (x, y) = (as_decimal(a), as_decimal(b));
        return if x >= y { a.clone() } else { b.clone() };
    }
    let (Some(x), Some(y)) = (as_decimal(a), as_decimal(b)) else {
        return Double.into();
    };
    // Unlike in arithmetic, digits before the point are never given up for decimals.
    let whole = (x.0 - x.1).max(y.0 - y.1);
    let scale = x.1.max(y.1).min(MAX_PRECISION - whole);
    DataType::decimal((whole + scale) as u8, scale as u8)
}

/// BOOLEAN and text: Flink compares them for equality as they are held, so that no text
/// equals a truth value, not even 'TRUE'.
pub(crate) fn never_equal(a: &DataType, b: &DataType) -> bool {
    let mixed = |x: &DataType, y: &DataType| x.kind == TypeKind::Boolean && y.is_string();
    mixed(a, b) || mixed(b, a)
}

/// The type in which two values are compared, or None if Flink refuses.
pub fn comparison_type(a: &DataType, b: &DataType) -> Option<DataType> {
    use TypeKind::*;
    if a.kind == Null {
        return Some(b.clone());
    }
    if b.kind == Null {
        return Some(a.clone());
    }
    let coerced = |t: &DataType| t.is_datetime() || matches!(t.kind, Boolean);
    if a.is_string() && coerced(b) {
        return Some(plain(b));
    }
    if b.is_string() && coerced(a) {
        return Some(plain(a));
    }
    match (&a.kind, &b.kind) {
        // The instant of a local timestamp depends on the session zone: compare as instants.
        (Timestamp(x, _), TimestampLtz(y, _)) | (TimestampLtz(x, _), Timestamp(y, _)) => {
            Some(DataType::timestamp_ltz(*x.max(y)))
        }
        _ => common_type(&[a.clone(), b.clone()]).map(|t| plain(&t)),
    }
}

fn plain(t: &DataType) -> DataType {
    t.clone().with_time_attribute(TimeAttribute::None)
}
