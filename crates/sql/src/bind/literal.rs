//! Literals and their types.

use weir_core::types::MAX_LENGTH;
use weir_core::{DataType, Error, Result, TypeKind, Value};
use weir_functions::Expr;
use weir_parser::ast;

use super::constant;
use super::types::interval_kind;

/// Binds a literal; its type is NOT NULL except for NULL itself.
pub fn bind_literal(literal: &ast::Literal) -> Result<Expr> {
    use ast::Literal as L;
    Ok(match literal {
        L::Null => Expr::literal(Value::Null, TypeKind::Null.into()),
        L::Unknown => Expr::literal(Value::Null, DataType::boolean()),
        L::Boolean(b) => Expr::literal(Value::Boolean(*b), DataType::boolean().not_null()),
        L::Number(text) => number(text, false)?,
        L::String(s) => string(s),
        L::Binary(hex) => binary(hex),
        L::Date(s) => from_text(s, TypeKind::Date)?,
        L::Time(s) => from_text(s, TypeKind::Time(fraction_digits(s)))?,
        L::Timestamp(s) => from_text(s, DataType::timestamp(fraction_digits(s)).kind)?,
        L::Interval(i) => interval_literal(i)?,
    })
}

/// A character string literal: CHAR of its length.
pub fn string(text: &str) -> Expr {
    let length = text.chars().count() as u32;
    Expr::literal(Value::String(text.to_owned()), DataType::from(TypeKind::Char(length)).not_null())
}

/// A numeric literal, perhaps with a minus sign in front.
pub fn number(text: &str, negative: bool) -> Result<Expr> {
    let signed = if negative { format!("-{text}") } else { text.to_owned() };
    let invalid = || Error::validation(format!("invalid number {signed}"));
    if text.contains(['e', 'E']) {
        let v: f64 = signed.parse().map_err(|_| invalid())?;
        if v.is_infinite() {
            return Err(out_of_range(&signed));
        }
        return Ok(Expr::literal(Value::Double(v), DataType::double().not_null()));
    }
    if !text.contains('.')
        && let Ok(v) = signed.parse::<i64>()
    {
        let ty = if i32::try_from(v).is_ok() { DataType::int() } else { DataType::bigint() };
        return Ok(Expr::literal(Value::Int(v), ty.not_null()));
    }
    let Some((whole, fraction)) = text.split_once('.') else {
        return Err(out_of_range(&signed));
    };
    if fraction.is_empty() {
        return number(whole, negative);
    }
    // Flink counts the digits as they are written, leading zeros included.
    let digits = format!("{whole}{fraction}");
    let (precision, scale) = (digits.len(), fraction.len());
    if precision > 38 {
        return Err(out_of_range(&signed));
    }
    let unscaled: i128 = digits.parse().map_err(|_| invalid())?;
    let unscaled = if negative { -unscaled } else { unscaled };
    let ty = DataType::decimal(precision as u8, scale as u8).not_null();
    Ok(Expr::literal(Value::Decimal(unscaled), ty))
}

fn out_of_range(number: &str) -> Error {
    Error::validation(format!("Numeric literal '{number}' out of range"))
        .hint("write larger numbers as CAST('..' AS DECIMAL(p, s))")
}

fn binary(hex: &str) -> Expr {
    let bytes: Vec<u8> = hex
        .as_bytes()
        .chunks(2)
        .filter_map(|c| u8::from_str_radix(std::str::from_utf8(c).ok()?, 16).ok())
        .collect();
    let ty = DataType::from(TypeKind::Binary(bytes.len() as u32)).not_null();
    Expr::literal(Value::Bytes(bytes), ty)
}

/// A typed literal of date or time: its text cast to the type, which has to succeed.
fn from_text(written: &str, kind: TypeKind) -> Result<Expr> {
    let text = written.trim();
    let (name, format) = match kind {
        TypeKind::Date => ("DATE", "yyyy-MM-dd"),
        TypeKind::Time(_) => ("TIME", "HH:mm:ss"),
        _ => ("TIMESTAMP", "yyyy-MM-dd HH:mm:ss"),
    };
    // A cast would take a time without seconds.
    let whole = !matches!(kind, TypeKind::Time(_)) || text.matches(':').count() == 2;
    let ty = DataType::from(kind).not_null();
    let cast = Expr::Cast { arg: Box::new(string(text)), ty: ty.clone(), safe: false };
    match constant::evaluate(&cast) {
        Ok(value) if whole => Ok(Expr::literal(value, ty)),
        _ => Err(Error::validation(format!(
            "Illegal {name} literal '{written}': not in format '{format}'"
        ))),
    }
}

/// Digits behind the point of the seconds.
fn fraction_digits(text: &str) -> u8 {
    text.trim().rsplit_once('.').map_or(0, |(_, f)| f.len().min(9) as u8)
}

/// `INTERVAL '..' unit [TO unit]`
pub fn interval_literal(i: &ast::IntervalLit) -> Result<Expr> {
    let q = &i.qualifier;
    let text = i.value.trim();
    let invalid = || {
        Error::validation(format!("Illegal interval literal format '{text}'"))
            .hint("write for example INTERVAL '5' SECOND or INTERVAL '1 02:03' DAY TO MINUTE")
    };
    let (negative, body) = match text.strip_prefix('-') {
        Some(rest) => (!i.negative, rest),
        None => (i.negative, text.strip_prefix('+').unwrap_or(text)),
    };
    let kind = interval_kind(q);
    let ty = DataType::from(kind.clone()).not_null();
    let sign = if negative { -1 } else { 1 };
    if matches!(kind, TypeKind::IntervalYearMonth(..)) {
        let months = year_month(body, q).ok_or_else(invalid)?;
        return Ok(Expr::literal(Value::Months(sign * months), ty));
    }
    let millis = day_time(body, q).ok_or_else(invalid)?;
    Ok(Expr::literal(Value::Millis(i64::from(sign) * millis), ty))
}

fn year_month(text: &str, q: &ast::IntervalQualifier) -> Option<i32> {
    use ast::TimeUnit as U;
    if let (U::Year, Some(U::Month)) = (q.from, q.to) {
        let (y, m) = text.split_once('-')?;
        return Some(y.trim().parse::<i32>().ok()? * 12 + m.trim().parse::<i32>().ok()?);
    }
    let n: i32 = text.parse().ok()?;
    n.checked_mul(match q.from {
        U::Year => 12,
        U::Quarter => 3,
        _ => 1,
    })
}

/// Milliseconds of `days hours:minutes:seconds.fraction`, with the fields that the qualifier names.
fn day_time(text: &str, q: &ast::IntervalQualifier) -> Option<i64> {
    use ast::TimeUnit as U;
    let unit = |u: U| match u {
        U::Week => Some(7 * 86_400_000),
        U::Day => Some(86_400_000),
        U::Hour => Some(3_600_000),
        U::Minute => Some(60_000),
        U::Second => Some(1000),
        _ => None,
    };
    let order = [U::Day, U::Hour, U::Minute, U::Second];
    let Some(to) = q.to else {
        return match q.from {
            U::Second => seconds(text),
            from => text.parse::<i64>().ok()?.checked_mul(unit(from)?),
        };
    };
    let first = order.iter().position(|u| *u == q.from)?;
    let last = order.iter().position(|u| *u == to)?;
    let parts: Vec<&str> = text.split([' ', ':']).filter(|p| !p.is_empty()).collect();
    if last < first || parts.len() != last - first + 1 {
        return None;
    }
    let mut total = 0i64;
    for (part, u) in parts.iter().zip(&order[first..=last]) {
        total += match u {
            U::Second => seconds(part)?,
            u => part.parse::<i64>().ok()?.checked_mul(unit(*u)?)?,
        };
    }
    Some(total)
}

fn seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let millis: String = fraction.chars().chain("000".chars()).take(3).collect();
    Some(whole.parse::<i64>().ok()?.checked_mul(1000)? + millis.parse::<i64>().ok()?)
}

/// A subscript that stands alone in SELECT: Flink shows a missing element as the default of
/// its type where elements are NOT NULL, though other functions see NULL.
pub fn subscript_default(item: Expr) -> Expr {
    use TypeKind as K;
    let Expr::Call { function, args, ty } = &item else { return item };
    let element = match args.first().map(|a| a.ty()) {
        Some(DataType { kind: K::Array(e) | K::Map(_, e), nullable: false }) => e,
        _ => return item,
    };
    if function != "ITEM" || element.nullable {
        return item;
    }
    let mut columns = Vec::new();
    item.collect_columns(&mut columns);
    let constant = columns.is_empty();
    let value = match element.kind {
        K::TinyInt | K::SmallInt | K::Int | K::BigInt => Value::Int(-1),
        K::Float => Value::Float(-1.0),
        K::Double => Value::Double(-1.0),
        K::Boolean => Value::Boolean(false),
        // Only a constant is padded to its length.
        K::Char(n) => Value::String(if constant { " ".repeat(n as usize) } else { String::new() }),
        K::Varchar(_) => Value::String(String::new()),
        K::Date => Value::Date(-1),
        _ => return item,
    };
    let (ty, default) = (ty.clone(), Expr::literal(value, (**element).clone()));
    Expr::call("COALESCE", vec![item, default], ty)
}

/// Casts a literal where that is only a change of type, not of meaning.
pub fn cast_literal(value: &Value, from: &DataType, to: &DataType) -> Option<Value> {
    use TypeKind as K;
    if value.is_null() {
        return Some(Value::Null);
    }
    match (value, &to.kind) {
        (Value::Int(x), K::BigInt) => Some(Value::Int(*x)),
        (Value::Int(x), K::Int) if i32::try_from(*x).is_ok() => Some(Value::Int(*x)),
        (Value::Int(x), K::SmallInt) if i16::try_from(*x).is_ok() => Some(Value::Int(*x)),
        (Value::Int(x), K::TinyInt) if i8::try_from(*x).is_ok() => Some(Value::Int(*x)),
        (Value::Int(x), K::Double) if x.unsigned_abs() < 1 << 53 => Some(Value::Double(*x as f64)),
        (Value::Int(x), K::Decimal(p, s)) => rescale(i128::from(*x), 0, *p, *s),
        (Value::Decimal(x), K::Decimal(p, s)) => match from.kind {
            K::Decimal(_, old) if old <= *s => rescale(*x, old, *p, *s),
            _ => None,
        },
        (Value::String(s), K::Varchar(n)) if *n == MAX_LENGTH || s.chars().count() as u32 <= *n => {
            Some(Value::String(s.clone()))
        }
        (Value::String(s), K::Char(n)) if s.chars().count() as u32 == *n => {
            Some(Value::String(s.clone()))
        }
        (Value::Millis(x), K::IntervalDayTime(..)) => Some(Value::Millis(*x)),
        (Value::Months(x), K::IntervalYearMonth(..)) => Some(Value::Months(*x)),
        _ => None,
    }
}

fn rescale(x: i128, from: u8, precision: u8, to: u8) -> Option<Value> {
    let y = x.checked_mul(10i128.checked_pow(u32::from(to - from))?)?;
    (y.unsigned_abs() < 10u128.checked_pow(u32::from(precision))?).then_some(Value::Decimal(y))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ty(text: &str) -> String {
        number(text, false).unwrap().ty().to_string()
    }

    #[test]
    fn number_types() {
        assert_eq!(ty("1"), "INT NOT NULL");
        assert_eq!(ty("3000000000"), "BIGINT NOT NULL");
        assert_eq!(ty("1.50"), "DECIMAL(3, 2) NOT NULL");
        assert_eq!(ty("0.05"), "DECIMAL(3, 2) NOT NULL");
        assert_eq!(ty(".05"), "DECIMAL(2, 2) NOT NULL");
        assert_eq!(ty("1e3"), "DOUBLE NOT NULL");
    }

    #[test]
    fn interval_fields() {
        use weir_parser::ast::{IntervalQualifier, TimeUnit};
        let q = IntervalQualifier {
            from: TimeUnit::Day,
            to: Some(TimeUnit::Second),
            precision: None,
            fraction: None,
        };
        assert_eq!(day_time("1 02:03:04.5", &q), Some(86_400_000 + 7_384_500));
        assert_eq!(seconds("1.25"), Some(1250));
    }
}
