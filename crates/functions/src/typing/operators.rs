//! Operators, constructors, conditionals and the numeric functions whose result
//! type follows the argument.

use weir_core::{DataType, Field, Result, TypeKind};

use super::call::{Call, ScalarSignature};
use super::collection::merge;
use super::common::{
    as_decimal, common_numeric, common_type, comparison_type, decimal_add_type,
    decimal_divide_type, decimal_modulo_type, decimal_multiply_type, never_equal,
};
use super::table::{Arg, coerce, string_length};

pub(crate) fn resolve(call: &Call<'_>) -> Option<Result<ScalarSignature>> {
    Some(match call.name {
        "+" | "-" | "*" | "/" | "%" => arithmetic(call),
        "=" | "<>" | "<" | "<=" | ">" | ">=" => {
            let unknown = (0..call.len()).any(|i| has_nullable_field(call.ty(i)));
            comparison(call, call.any_nullable() || unknown)
        }
        "IS DISTINCT FROM" | "IS NOT DISTINCT FROM" => comparison(call, false),
        "AND" | "OR" => booleans(call, 2, usize::MAX, call.any_nullable()),
        "NOT" => booleans(call, 1, 1, call.any_nullable()),
        "IS TRUE" | "IS NOT TRUE" | "IS FALSE" | "IS NOT FALSE" | "IS UNKNOWN"
        | "IS NOT UNKNOWN" => booleans(call, 1, 1, false),
        "IS NULL" | "IS NOT NULL" => {
            call.count(1, 1).map(|()| call.keep(DataType::boolean().not_null()))
        }
        "LIKE" | "SIMILAR TO" => like(call),
        "||" => concat_operator(call),
        "CONCAT" => concat(call),
        "COALESCE" | "IFNULL" => coalesce(call),
        "NVL2" | "IF" => conditional(call),
        "NULLIF" => nullif(call),
        "GREATEST" | "LEAST" => extremum(call),
        "ABS" | "SIGN" => same_number(call),
        "ROUND" | "TRUNCATE" => round(call),
        "CEIL" | "FLOOR" if call.len() == 1 => integral(call),
        "ELT" => elt(call),
        "TRIM" => trim(call),
        "OVERLAY" => overlay(call),
        "TYPEOF" => call.count(1, 2).map(|()| call.keep(DataType::string())),
        "ARRAY" => array(call),
        "MAP" => map(call),
        "ROW" => row(call),
        _ => return None,
    })
}

/// Rows compare as unknown where one of their fields is NULL.
fn has_nullable_field(ty: &DataType) -> bool {
    match &ty.kind {
        TypeKind::Row(fields) => fields.iter().any(|f| f.ty.nullable || has_nullable_field(&f.ty)),
        _ => false,
    }
}

fn arithmetic(call: &Call<'_>) -> Result<ScalarSignature> {
    if call.len() == 1 && matches!(call.name, "+" | "-") {
        let t = call.or_default(0, DataType::int());
        if t.is_numeric() || t.is_interval() {
            return Ok(call.sig(vec![t.clone()], t));
        }
        return Err(call.reject("a number or an interval"));
    }
    call.count(2, 2)?;
    let (a, b) = (call.or_default(0, other(call, 1)), call.or_default(1, other(call, 0)));
    let nullable = call.any_nullable();
    if a.is_numeric() && b.is_numeric() {
        return numeric(call, &a, &b, nullable);
    }
    if let Some(sig) = super::temporal::interval_arithmetic(call, &a, &b) {
        return sig.map(|mut s| {
            s.return_type.nullable = nullable;
            s
        });
    }
    Err(call.reject(
        "two numbers, a time and an interval, or an interval and a number \
         (a difference of times is written TIMESTAMPDIFF or (a - b) DAY)",
    ))
}

fn other(call: &Call<'_>, i: usize) -> DataType {
    let t = call.ty(i);
    if t.kind == TypeKind::Null { DataType::int() } else { t.clone().null() }
}

fn numeric(call: &Call<'_>, a: &DataType, b: &DataType, nullable: bool) -> Result<ScalarSignature> {
    if call.name == "%" && (a.is_approximate() || b.is_approximate()) {
        return Err(call.reject("two exact numbers").hint("CAST the DOUBLE or FLOAT as DECIMAL"));
    }
    let decimal =
        matches!(a.kind, TypeKind::Decimal(..)) || matches!(b.kind, TypeKind::Decimal(..));
    if !decimal || a.is_approximate() || b.is_approximate() {
        let common = common_numeric(a, b).with_nullable(nullable);
        let args = vec![
            common.clone().with_nullable(a.nullable),
            common.clone().with_nullable(b.nullable),
        ];
        // The remainder of integers has the type of the divisor.
        let ret = if call.name == "%" && common.is_integer() {
            b.clone().with_nullable(nullable)
        } else {
            common
        };
        return Ok(call.sig(args, ret));
    }
    let (Some(x), Some(y)) = (as_decimal(a), as_decimal(b)) else {
        return Err(call.reject("numbers"));
    };
    let ret = match call.name {
        "+" | "-" => decimal_add_type(x, y),
        "*" => decimal_multiply_type(x, y),
        "/" => decimal_divide_type(x, y),
        _ => decimal_modulo_type(x, y),
    };
    let args = vec![
        DataType::decimal(x.0 as u8, x.1 as u8).with_nullable(a.nullable),
        DataType::decimal(y.0 as u8, y.1 as u8).with_nullable(b.nullable),
    ];
    Ok(call.sig(args, ret.with_nullable(nullable)))
}

fn comparison(call: &Call<'_>, nullable: bool) -> Result<ScalarSignature> {
    call.count(2, 2)?;
    let (a, b) = (call.ty(0), call.ty(1));
    let ordered = matches!(call.name, "<" | "<=" | ">" | ">=");
    if !ordered && never_equal(a, b) {
        return Ok(call.keep(DataType::boolean().with_nullable(nullable)));
    }
    let unordered_kind = |t: &DataType| {
        matches!(
            t.kind,
            TypeKind::Array(_) | TypeKind::Map(..) | TypeKind::Row(_) | TypeKind::Multiset(_)
        )
    };
    if ordered && (unordered_kind(a) || unordered_kind(b)) {
        return Err(call.reject("values that have an order"));
    }
    // The order of a number and a text is that of numbers; equality is refused.
    let common = match (a, b) {
        (n, s) | (s, n) if ordered && n.is_numeric() && s.is_string() => Some(n.clone()),
        _ => comparison_type(a, b),
    };
    let Some(common) = common else {
        return Err(call
            .reject("two comparable types")
            .hint(format!("write CAST(.. AS {}) around one side", a.clone().null())));
    };
    let args = vec![common.clone().with_nullable(a.nullable), common.with_nullable(b.nullable)];
    Ok(call.sig(args, DataType::boolean().with_nullable(nullable)))
}

fn booleans(call: &Call<'_>, min: usize, max: usize, nullable: bool) -> Result<ScalarSignature> {
    call.count(min, max)?;
    let args = (0..call.len()).map(|i| coerce(Arg::B, call, i)).collect::<Result<Vec<_>>>()?;
    Ok(call.sig(args, DataType::boolean().with_nullable(nullable)))
}

fn like(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(2, 3)?;
    let args = (0..call.len()).map(|i| coerce(Arg::S, call, i)).collect::<Result<Vec<_>>>()?;
    Ok(call.sig(args, DataType::boolean().with_nullable(call.any_nullable())))
}

fn concat_operator(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(2, 2)?;
    let class = if call.ty(0).is_binary() || call.ty(1).is_binary() { Arg::Y } else { Arg::S };
    let args = vec![coerce(class, call, 0)?, coerce(class, call, 1)?];
    let length = |t: &DataType| match t.kind {
        TypeKind::Char(n) | TypeKind::Varchar(n) | TypeKind::Binary(n) | TypeKind::Varbinary(n) => {
            n
        }
        _ => 0,
    };
    let n = length(&args[0]).saturating_add(length(&args[1])).min(weir_core::types::MAX_LENGTH);
    let fixed = args.iter().all(|t| matches!(t.kind, TypeKind::Char(_) | TypeKind::Binary(_)));
    let kind = match (class == Arg::Y, fixed) {
        (false, true) => TypeKind::Char(n),
        (false, false) => TypeKind::Varchar(n),
        (true, true) => TypeKind::Binary(n),
        (true, false) => TypeKind::Varbinary(n),
    };
    Ok(call.sig(args, DataType::from(kind).with_nullable(call.any_nullable())))
}

/// CONCAT of strings; of arrays it is ARRAY_CONCAT.
fn concat(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(1, usize::MAX)?;
    if matches!(call.ty(0).kind, TypeKind::Array(_)) {
        return merge(&Call { name: "ARRAY_CONCAT", args: call.args });
    }
    let args = (0..call.len()).map(|i| coerce(Arg::S, call, i)).collect::<Result<Vec<_>>>()?;
    Ok(call.sig(args, DataType::string().with_nullable(call.any_nullable())))
}

fn common_of(call: &Call<'_>, from: usize) -> Result<DataType> {
    let types: Vec<DataType> = call.args[from..].iter().map(|a| a.ty.clone()).collect();
    common_type(&types).ok_or_else(|| call.reject("arguments with a common type"))
}

fn coalesce(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(
        if call.name == "IFNULL" { 2 } else { 1 },
        if call.name == "IFNULL" { 2 } else { usize::MAX },
    )?;
    let common = widest(call, common_of(call, 0)?);
    let nullable = call.args.iter().all(|a| a.ty.nullable);
    let args = call.args.iter().map(|a| common.clone().with_nullable(a.ty.nullable)).collect();
    Ok(call.sig(args, common.with_nullable(nullable)))
}

/// Where Flink itself finds the common type, DOUBLE is wider than FLOAT.
fn widest(call: &Call<'_>, common: DataType) -> DataType {
    let doubles = call.args.iter().any(|a| a.ty.kind == TypeKind::Double);
    match common.kind {
        TypeKind::Float if doubles => DataType::double().with_nullable(common.nullable),
        _ => common,
    }
}

/// IF(condition, a, b), and NVL2(x, a, b) with any first argument.
fn conditional(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(3, 3)?;
    let common = common_of(call, 1)?;
    let first = if call.name == "IF" { coerce(Arg::B, call, 0)? } else { call.ty(0).clone() };
    let nullable = call.any_nullable();
    let args = vec![
        first,
        common.clone().with_nullable(call.ty(1).nullable),
        common.clone().with_nullable(call.ty(2).nullable),
    ];
    Ok(call.sig(args, common.with_nullable(nullable)))
}

fn nullif(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(2, 2)?;
    let a = call.or_default(0, DataType::int());
    if comparison_type(&a, call.ty(1)).is_none() {
        return Err(call.reject("two comparable types"));
    }
    // The second argument keeps its type; the kernel compares in the common one.
    let b = call.or_default(1, a.clone());
    Ok(call.sig(vec![a.clone(), b], a.null()))
}

fn extremum(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(1, usize::MAX)?;
    let common = widest(call, common_of(call, 0)?);
    let args = call.args.iter().map(|a| common.clone().with_nullable(a.ty.nullable)).collect();
    Ok(call.sig(args, common.with_nullable(call.any_nullable())))
}

fn same_number(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(1, 1)?;
    let t = coerce(Arg::N, call, 0)
        .or_else(|e| if call.ty(0).is_interval() { Ok(call.ty(0).clone()) } else { Err(e) })?;
    Ok(call.sig(vec![t.clone()], t))
}

fn round(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(1, 2)?;
    let t = coerce(Arg::N, call, 0)?;
    let mut args = vec![t.clone()];
    if call.len() == 2 {
        args.push(coerce(Arg::I, call, 1)?);
    }
    let nullable = call.any_nullable();
    let ret = match t.kind {
        TypeKind::Decimal(p, s) => {
            let digits = match call.args.get(1) {
                None => Some(0),
                Some(a) => a.literal.and_then(weir_core::Value::as_i64),
            };
            decimal_round(p, s, digits)
        }
        _ => t,
    };
    Ok(call.sig(args, ret.with_nullable(nullable)))
}

/// Result of rounding DECIMAL(p, s) to a number of decimals, if that is a literal.
fn decimal_round(p: u8, s: u8, digits: Option<i64>) -> DataType {
    let Some(r) = digits else {
        return DataType::decimal(p, s);
    };
    let (p64, s64) = (i64::from(p), i64::from(s));
    if r >= s64 {
        return DataType::decimal(p, s);
    }
    let scale = r.max(0);
    // Rounding may carry into one more digit; Flink types cutting off alike.
    let precision = (p64 - s64 + 1 + scale).clamp(1, 38);
    DataType::decimal(precision as u8, scale as u8)
}

fn integral(call: &Call<'_>) -> Result<ScalarSignature> {
    let t = coerce(Arg::N, call, 0)?;
    let ret = match t.kind {
        TypeKind::Decimal(p, _) => DataType::decimal(p, 0).with_nullable(t.nullable),
        _ => t.clone(),
    };
    Ok(call.sig(vec![t], ret))
}

fn elt(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(2, usize::MAX)?;
    let common = common_of(call, 1)?;
    if !common.is_string() && !common.is_binary() {
        return Err(call.reject("character or binary strings"));
    }
    let mut args = vec![coerce(Arg::I, call, 0)?];
    args.extend(call.args[1..].iter().map(|a| common.clone().with_nullable(a.ty.nullable)));
    Ok(call.sig(args, common.null()))
}

/// TRIM(s) or TRIM('BOTH' | 'LEADING' | 'TRAILING', characters, s).
fn trim(call: &Call<'_>) -> Result<ScalarSignature> {
    if call.len() != 1 {
        call.count(3, 3)?;
        if !matches!(call.text(0)?, "BOTH" | "LEADING" | "TRAILING") {
            return Err(call.reject("BOTH, LEADING or TRAILING"));
        }
    }
    let args = (0..call.len()).map(|i| coerce(Arg::S, call, i)).collect::<Result<Vec<_>>>()?;
    let n = string_length(&args[args.len() - 1]);
    Ok(call.sig(args, DataType::from(TypeKind::Varchar(n)).with_nullable(call.any_nullable())))
}

fn overlay(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(3, 4)?;
    let mut args = vec![coerce(Arg::S, call, 0)?, coerce(Arg::S, call, 1)?];
    for i in 2..call.len() {
        args.push(coerce(Arg::I, call, i)?);
    }
    let n = string_length(&args[0])
        .saturating_add(string_length(&args[1]))
        .min(weir_core::types::MAX_LENGTH);
    Ok(call.sig(args, DataType::from(TypeKind::Varchar(n)).with_nullable(call.any_nullable())))
}

fn array(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(1, usize::MAX)?;
    let common = common_of(call, 0)?;
    let args = call.args.iter().map(|a| common.clone().with_nullable(a.ty.nullable)).collect();
    Ok(call.sig(args, DataType::from(TypeKind::Array(Box::new(common))).not_null()))
}

fn map(call: &Call<'_>) -> Result<ScalarSignature> {
    if call.len() == 0 || !call.len().is_multiple_of(2) {
        return Err(call.reject("pairs of key and value"));
    }
    let pick = |from: usize| -> Result<DataType> {
        let types: Vec<DataType> =
            call.args.iter().skip(from).step_by(2).map(|a| a.ty.clone()).collect();
        common_type(&types).ok_or_else(|| call.reject("keys and values with a common type"))
    };
    let (k, v) = (pick(0)?, pick(1)?);
    let args = call
        .args
        .iter()
        .enumerate()
        .map(|(i, a)| if i % 2 == 0 { &k } else { &v }.clone().with_nullable(a.ty.nullable))
        .collect();
    Ok(call.sig(args, DataType::from(TypeKind::Map(Box::new(k), Box::new(v))).not_null()))
}

fn row(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(1, usize::MAX)?;
    let fields = call
        .args
        .iter()
        .enumerate()
        .map(|(i, a)| Field::new(format!("EXPR${i}"), a.ty.clone()))
        .collect();
    Ok(call.keep(DataType::from(TypeKind::Row(fields)).not_null()))
}
