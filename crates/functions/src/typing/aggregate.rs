//! Aggregate and ranking functions.

use weir_core::{DataType, Result, TypeKind, Value};

use super::call::{ArgType, Call};
use super::names;
use super::table::{Arg, coerce};

/// How a call of an aggregate function is typed.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregateSignature {
    /// Canonical name.
    pub name: String,
    /// Types to cast the arguments to.
    pub arg_types: Vec<DataType>,
    /// Result type of an aggregation without GROUP BY.
    pub return_type: DataType,
    /// Whether the result is NULL only because a group can be empty, so that it
    /// is NOT NULL in an OVER window or in a GROUP BY with keys and no FILTER.
    pub null_only_if_empty: bool,
}

impl AggregateSignature {
    /// Result type where no group can be empty.
    pub fn non_empty_type(&self) -> DataType {
        let nullable = self.return_type.nullable && !self.null_only_if_empty;
        self.return_type.clone().with_nullable(nullable)
    }
}

/// Types a call of an aggregate or ranking function. `COUNT(*)` has no argument.
pub fn resolve_aggregate(
    name: &str,
    args: &[ArgType<'_>],
    distinct: bool,
) -> Result<AggregateSignature> {
    let upper = name.trim().to_ascii_uppercase();
    let canonical = match upper.as_str() {
        "STDDEV" => "STDDEV_SAMP",
        "VARIANCE" => "VAR_SAMP",
        other => other,
    };
    let call = Call { name: canonical, args };
    if !names::AGGREGATES.contains(&canonical) {
        return Err(names::unknown_function(name, args));
    }
    if distinct && is_ranking(canonical) {
        return Err(call.reject("no DISTINCT"));
    }
    resolve(&call)
}

fn is_ranking(name: &str) -> bool {
    matches!(
        name,
        "RANK"
            | "DENSE_RANK"
            | "ROW_NUMBER"
            | "PERCENT_RANK"
            | "CUME_DIST"
            | "NTILE"
            | "LAG"
            | "LEAD"
    )
}

fn resolve(call: &Call<'_>) -> Result<AggregateSignature> {
    match call.name {
        "COUNT" if call.len() > 1 => Err(call
            .reject("one argument")
            .hint("count a ROW of the columns, or CONCAT_WS of them")),
        "COUNT" | "APPROX_COUNT_DISTINCT" => keep(call, DataType::bigint().not_null()),
        "COUNT_IF" => {
            call.count(1, 1)?;
            let b = coerce(Arg::B, call, 0)?;
            Ok(signature(call, vec![b], DataType::bigint().not_null()))
        }
        "SUM" => numeric(call, |t| match t.kind {
            TypeKind::Decimal(_, s) => DataType::decimal(38, s),
            _ => t.clone(),
        }),
        "AVG" | "STDDEV_POP" | "STDDEV_SAMP" | "VAR_POP" | "VAR_SAMP" => {
            numeric(call, |t| match t.kind {
                TypeKind::Decimal(_, s) => DataType::decimal(38, s.max(6)),
                _ => t.clone(),
            })
        }
        "MIN" | "MAX" => extremum(call),
        "FIRST_VALUE" | "LAST_VALUE" | "ANY_VALUE" | "SINGLE_VALUE" => {
            call.count(1, 1)?;
            emptyable(call, call.ty(0).clone())
        }
        "ARG_MAX" | "ARG_MIN" => {
            call.count(2, 2)?;
            emptyable(call, call.ty(0).clone())
        }
        "COLLECT" => {
            call.count(1, 1)?;
            keep(call, DataType::from(TypeKind::Multiset(Box::new(call.ty(0).clone()))).not_null())
        }
        "ARRAY_AGG" => {
            call.count(1, 1)?;
            let t = call.ty(0);
            keep(
                call,
                DataType::from(TypeKind::Array(Box::new(t.clone()))).with_nullable(t.nullable),
            )
        }
        "LISTAGG" => listagg(call),
        "JSON_OBJECTAGG" => {
            call.count(2, 3)?;
            coerce(Arg::S, call, 0)?;
            keep(call, json_text())
        }
        "JSON_ARRAYAGG" => {
            call.count(1, 2)?;
            keep(call, json_text())
        }
        "PERCENTILE" | "APPROX_PERCENTILE" => percentile(call),
        "ROW_NUMBER" | "RANK" | "DENSE_RANK" => {
            call.count(0, 0)?;
            keep(call, DataType::bigint().not_null())
        }
        "PERCENT_RANK" | "CUME_DIST" => {
            call.count(0, 0)?;
            keep(call, DataType::double().not_null())
        }
        "NTILE" => {
            call.count(1, 1)?;
            let n = coerce(Arg::I, call, 0)?;
            Ok(signature(call, vec![n], DataType::bigint().not_null()))
        }
        "LAG" | "LEAD" => shift(call),
        _ => bitmap(call),
    }
}

fn json_text() -> DataType {
    DataType::from(TypeKind::Varchar(2000)).not_null()
}

fn signature(call: &Call<'_>, arg_types: Vec<DataType>, ret: DataType) -> AggregateSignature {
    AggregateSignature {
        name: call.name.to_owned(),
        arg_types,
        return_type: ret,
        null_only_if_empty: false,
    }
}

fn keep(call: &Call<'_>, ret: DataType) -> Result<AggregateSignature> {
    Ok(signature(call, call.args.iter().map(|a| a.ty.clone()).collect(), ret))
}

/// A result that is NULL for an empty group or a NULL argument.
fn emptyable(call: &Call<'_>, ret: DataType) -> Result<AggregateSignature> {
    let mut sig = keep(call, ret.null())?;
    sig.null_only_if_empty = !call.any_nullable();
    Ok(sig)
}

fn numeric(call: &Call<'_>, ret: impl Fn(&DataType) -> DataType) -> Result<AggregateSignature> {
    call.count(1, 1)?;
    let t = coerce(Arg::N, call, 0)?;
    let mut sig = emptyable(call, ret(&t))?;
    sig.arg_types = vec![t];
    Ok(sig)
}

fn extremum(call: &Call<'_>) -> Result<AggregateSignature> {
    call.count(1, 1)?;
    let t = call.ty(0);
    let unordered = matches!(
        t.kind,
        TypeKind::Array(_)
            | TypeKind::Map(..)
            | TypeKind::Multiset(_)
            | TypeKind::Row(_)
            | TypeKind::Variant
            | TypeKind::Bitmap
            | TypeKind::Raw(..)
    );
    if unordered {
        return Err(call.reject("a type with an order"));
    }
    emptyable(call, t.clone())
}

fn listagg(call: &Call<'_>) -> Result<AggregateSignature> {
    call.count(1, 2)?;
    let mut types = vec![coerce(Arg::S, call, 0)?];
    if call.len() == 2 {
        types.push(coerce(Arg::S, call, 1)?);
        call.text(1)?;
    }
    let ret = types[0].clone();
    let mut sig = emptyable(call, ret)?;
    sig.arg_types = types;
    Ok(sig)
}

/// PERCENTILE(value, fraction or array of fractions[, frequency]).
fn percentile(call: &Call<'_>) -> Result<AggregateSignature> {
    call.count(2, 3)?;
    let mut types = vec![coerce(Arg::D, call, 0)?];
    let many = matches!(&call.ty(1).kind, TypeKind::Array(e) if e.is_numeric());
    let double = DataType::double();
    if many {
        let array = DataType::from(TypeKind::Array(Box::new(double.clone().not_null())));
        types.push(array.with_nullable(call.ty(1).nullable));
    } else {
        types.push(coerce(Arg::D, call, 1)?);
    }
    if call.len() == 3 {
        types.push(coerce(Arg::L, call, 2)?);
    }
    let ret = if many { TypeKind::Array(Box::new(double)).into() } else { double };
    Ok(signature(call, types, ret))
}

/// LAG and LEAD(value[, offset[, default]]).
fn shift(call: &Call<'_>) -> Result<AggregateSignature> {
    call.count(1, 3)?;
    let t = call.ty(0);
    let mut types = vec![t.clone()];
    let mut nullable = true;
    if call.len() >= 2 {
        types.push(coerce(Arg::L, call, 1)?);
        if matches!(call.args[1].literal, Some(Value::Int(n)) if *n < 0) {
            return Err(call.reject("an offset that is not negative"));
        }
    }
    if call.len() == 3 {
        let default = call.ty(2);
        if !offset_default_fits(default, t) {
            return Err(call.reject(&format!(
                "a default of the value's type: explicitly cast default value {default} to {t}"
            )));
        }
        types.push(t.clone().with_nullable(default.nullable));
        // The default alone decides, also over nullable values.
        nullable = default.nullable;
    }
    Ok(signature(call, types, t.clone().with_nullable(nullable)))
}

/// Whether the default of LAG and LEAD fits the value's type without a written cast.
pub fn offset_default_fits(default: &DataType, value: &DataType) -> bool {
    use TypeKind::{BigInt, Decimal, Double, Float, Int, Null, SmallInt, TinyInt};
    if matches!(default.kind, Null)
        || default.same_kind(value)
        || default.is_string() && value.is_string()
    {
        return true;
    }
    let rank = |t: &DataType| match t.kind {
        TinyInt => Some(0),
        SmallInt => Some(1),
        Int => Some(2),
        BigInt => Some(3),
        Decimal(..) => Some(4),
        Float => Some(5),
        Double => Some(6),
        _ => None,
    };
    matches!((rank(default), rank(value)), (Some(a), Some(b)) if a <= b)
}

fn bitmap(call: &Call<'_>) -> Result<AggregateSignature> {
    call.count(1, 1)?;
    let builds = call.name.starts_with("BITMAP_BUILD");
    let types = if builds {
        vec![coerce(Arg::I, call, 0)?]
    } else if call.ty(0).kind == TypeKind::Bitmap {
        vec![call.ty(0).clone()]
    } else {
        return Err(call.reject("a BITMAP"));
    };
    let ret = if call.name.contains("CARDINALITY") {
        DataType::bigint()
    } else {
        TypeKind::Bitmap.into()
    };
    Ok(signature(call, types, ret))
}
