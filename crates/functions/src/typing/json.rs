//! JSON functions and VARIANT.

use weir_core::{DataType, Result, TypeKind};

use super::call::{Call, ScalarSignature};
use super::table::{Arg, coerce};

pub(crate) fn resolve(call: &Call<'_>) -> Option<Result<ScalarSignature>> {
    Some(match call.name {
        "IS JSON VALUE" | "IS JSON OBJECT" | "IS JSON ARRAY" | "IS JSON SCALAR"
        | "IS NOT JSON VALUE" | "IS NOT JSON OBJECT" | "IS NOT JSON ARRAY"
        | "IS NOT JSON SCALAR" => is_json(call),
        "JSON_VALUE" => json_value(call),
        "JSON_QUERY" => json_query(call),
        "JSON_EXISTS" => json_exists(call),
        "JSON_OBJECT" => json_object(call),
        "JSON_ARRAY" => json_array(call),
        "JSON_STRING" => json_string(call),
        "JSON" => json(call),
        "GET_JSON_OBJECT" => get_json_object(call),
        "PARSE_JSON" => parse_json(call, false),
        "TRY_PARSE_JSON" => parse_json(call, true),
        _ => return None,
    })
}

fn is_json(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(1, 1)?;
    let t = coerce(Arg::S, call, 0)?;
    Ok(call.sig(vec![t], DataType::boolean().not_null()))
}

/// The JSON input: text or VARIANT.
fn input(call: &Call<'_>) -> Result<DataType> {
    if call.ty(0).kind == TypeKind::Variant {
        Ok(call.ty(0).clone())
    } else {
        coerce(Arg::S, call, 0)
    }
}

fn with_input(call: &Call<'_>) -> Result<Vec<DataType>> {
    let mut types: Vec<DataType> = call.args.iter().map(|a| a.ty.clone()).collect();
    types[0] = input(call)?;
    types[1] = coerce(Arg::S, call, 1)?;
    Ok(types)
}

fn one_of(call: &Call<'_>, i: usize, words: &[&str]) -> Result<()> {
    if words.contains(&call.text(i)?) {
        Ok(())
    } else {
        Err(call.reject(&format!("one of {}", words.join(", "))))
    }
}

fn json_value(call: &Call<'_>) -> Result<ScalarSignature> {
    if call.len() != 2 {
        call.count(7, 7)?;
    } else {
        return Ok(call.sig(with_input(call)?, DataType::string()));
    }
    one_of(call, 3, &["NULL", "ERROR", "DEFAULT"])?;
    one_of(call, 5, &["NULL", "ERROR", "DEFAULT"])?;
    let ret = call.ty(2).clone().null();
    let scalar =
        ret.is_string() || matches!(ret.kind, TypeKind::Boolean | TypeKind::Int | TypeKind::Double);
    if !scalar {
        return Err(call.reject("RETURNING STRING, BOOLEAN, INTEGER or DOUBLE"));
    }
    let mut types = with_input(call)?;
    types[4] = ret.clone();
    types[6] = ret.clone();
    Ok(call.sig(types, ret))
}

fn json_query(call: &Call<'_>) -> Result<ScalarSignature> {
    if call.len() == 2 {
        return Ok(call.sig(with_input(call)?, DataType::string()));
    }
    call.count(6, 6)?;
    let behaviours = &["NULL", "EMPTY ARRAY", "EMPTY OBJECT", "ERROR"];
    one_of(call, 3, &["WITHOUT", "CONDITIONAL", "UNCONDITIONAL"])?;
    one_of(call, 4, behaviours)?;
    one_of(call, 5, behaviours)?;
    let ret = call.ty(2).clone().null();
    let fits = match &ret.kind {
        TypeKind::Array(e) => e.is_string(),
        _ => ret.is_string(),
    };
    if !fits {
        return Err(call.reject("RETURNING STRING or ARRAY<STRING>"));
    }
    Ok(call.sig(with_input(call)?, ret))
}

fn json_exists(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(2, 3)?;
    if call.len() == 3 {
        one_of(call, 2, &["TRUE", "FALSE", "UNKNOWN", "ERROR"])?;
    }
    Ok(call.sig(with_input(call)?, DataType::boolean()))
}

/// Whether values of the type can stand in a JSON document.
fn representable(t: &DataType) -> bool {
    match &t.kind {
        TypeKind::Date | TypeKind::Time(_) | TypeKind::Raw(..) | TypeKind::Bitmap => false,
        TypeKind::Array(e) => representable(e),
        TypeKind::Map(k, v) => k.is_string() && representable(v),
        TypeKind::Multiset(e) => e.is_string(),
        TypeKind::Row(f) | TypeKind::Structured(_, f) => f.iter().all(|f| representable(&f.ty)),
        _ => !t.is_interval(),
    }
}

fn check_value(call: &Call<'_>, i: usize) -> Result<()> {
    if representable(call.ty(i)) {
        return Ok(());
    }
    Err(call
        .reject(&format!(
            "a JSON value as argument {}: type '{}' is not scalar or cannot be converted into JSON",
            i + 1,
            call.ty(i)
        ))
        .hint("CAST it to STRING"))
}

fn null_clause(call: &Call<'_>) -> Result<()> {
    if call.len() == 0 {
        return Err(call.reject("a trailing NULL ON NULL or ABSENT ON NULL"));
    }
    one_of(call, call.len() - 1, &["NULL ON NULL", "ABSENT ON NULL"])
}

fn json_object(call: &Call<'_>) -> Result<ScalarSignature> {
    null_clause(call)?;
    let pairs = call.len() - 1;
    if !pairs.is_multiple_of(2) {
        return Err(call.reject("pairs of key and value"));
    }
    let mut types: Vec<DataType> = call.args.iter().map(|a| a.ty.clone()).collect();
    for i in (0..pairs).step_by(2) {
        types[i] = coerce(Arg::S, call, i)?;
        check_value(call, i + 1)?;
    }
    Ok(call.sig(types, DataType::string().not_null()))
}

fn json_array(call: &Call<'_>) -> Result<ScalarSignature> {
    null_clause(call)?;
    for i in 0..call.len() - 1 {
        check_value(call, i)?;
    }
    Ok(call.keep(DataType::string().not_null()))
}

fn json_string(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(1, 1)?;
    check_value(call, 0)?;
    Ok(call.keep(DataType::string().with_nullable(call.ty(0).nullable)))
}

fn json(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(1, 1)?;
    let t = coerce(Arg::S, call, 0)?;
    let nullable = t.nullable;
    Ok(call.sig(vec![t], DataType::string().with_nullable(nullable)))
}

fn get_json_object(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(2, 2)?;
    Ok(call.sig(with_input(call)?, DataType::string()))
}

fn parse_json(call: &Call<'_>, safe: bool) -> Result<ScalarSignature> {
    call.count(1, 2)?;
    let mut types = vec![coerce(Arg::S, call, 0)?];
    if call.len() == 2 {
        types.push(coerce(Arg::B, call, 1)?);
    }
    let nullable = safe || call.any_nullable();
    Ok(call.sig(types, DataType::from(TypeKind::Variant).with_nullable(nullable)))
}
