//! JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON, JSON_QUOTE, JSON_UNQUOTE.

use std::sync::Arc;

use arrow::array::ArrayRef;
use weir_core::{DataType, Error, Result, TypeKind, Value};

use super::doc::{Json, quote};
use crate::args::{Args, Kernel};
use crate::expr::Expr;
use crate::format::{write_decimal, write_double, write_timestamp};
use crate::site::Site;
use crate::ticks::unit_of;

pub(super) fn kernel(site: &Site<'_>) -> Result<Option<Kernel>> {
    Ok(Some(match site.name {
        "JSON_OBJECT" => object(site)?,
        "JSON_ARRAY" => array(site)?,
        "JSON_STRING" if site.ty(0).is_some_and(|t| t.kind == TypeKind::Variant) => {
            Arc::new(|a| Ok(a.cols[0].array().clone()))
        }
        // A document that was just built is no text to be quoted.
        "JSON_STRING" if is_built(&site.args[0]) => Arc::new(|a| Ok(a.cols[0].array().clone())),
        "JSON_STRING" => Arc::new(|a| {
            a.text(|i, out| {
                to_json(&Value::from_array(a.col(0), a.at(0, i)), &a.types[0]).sorted().write(out);
                Ok(true)
            })
        }),
        "JSON" => Arc::new(|a| {
            let s = a.strs(0)?;
            a.text(|i, out| match Json::parse(s.get(i)) {
                Some(v) => {
                    v.write(out);
                    Ok(true)
                }
                None => Err(Error::data(format!(
                    "Invalid JSON string in JSON(value) function: {}",
                    s.get(i)
                ))),
            })
        }),
        "JSON_QUOTE" => Arc::new(|a| {
            let s = a.strs(0)?;
            a.text(|i, out| {
                quote_ascii(s.get(i), out);
                Ok(true)
            })
        }),
        "JSON_UNQUOTE" => Arc::new(|a| {
            let s = a.strs(0)?;
            a.text(|i, out| {
                let text = s.get(i);
                match Json::parse(text) {
                    Some(Json::Text(t)) => out.push_str(&t),
                    _ => out.push_str(text),
                }
                Ok(true)
            })
        }),
        _ => return Ok(None),
    }))
}

/// A quoted JSON string in ASCII, with `/` escaped, as JSON_QUOTE writes it.
fn quote_ascii(s: &str, out: &mut String) {
    use std::fmt::Write as _;
    let mut quoted = String::new();
    quote(s, &mut quoted);
    for c in quoted.chars() {
        match c {
            '/' => out.push_str("\\/"),
            c if c.is_ascii() => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
}

/// Whether an expression builds a JSON document.
fn is_built(e: &Expr) -> bool {
    matches!(e, Expr::Call { function, .. }
        if matches!(function.as_str(), "JSON_OBJECT" | "JSON_ARRAY"))
}

/// Arguments that are JSON documents themselves are inserted, not quoted.
fn raw_arguments(site: &Site<'_>) -> Vec<bool> {
    let is_json = |e: &Expr| {
        is_built(e)
            || matches!(e, Expr::Call { function, .. }
                if matches!(function.as_str(), "JSON" | "JSON_QUERY"))
    };
    site.args.iter().map(is_json).collect()
}

fn absent_on_null(site: &Site<'_>) -> Result<bool> {
    let last = site.args.len().checked_sub(1);
    let last = last.ok_or_else(|| Error::internal("a JSON constructor without its clause"))?;
    Ok(site.keyword(last)? == "ABSENT ON NULL")
}

fn argument(a: &Args<'_>, n: usize, i: usize, raw: bool) -> Json {
    match Value::from_array(a.col(n), a.at(n, i)) {
        Value::String(s) if raw => Json::parse(&s).unwrap_or(Json::Raw(s)),
        v => to_json(&v, &a.types[n]),
    }
}

fn object(site: &Site<'_>) -> Result<Kernel> {
    let (raw, absent) = (raw_arguments(site), absent_on_null(site)?);
    Ok(Arc::new(move |a| -> Result<ArrayRef> {
        a.text_all(|i, out| {
            let mut members: Vec<(String, Json)> = Vec::new();
            for k in (0..a.len() - 1).step_by(2) {
                if a.is_null(k, i) {
                    return Err(Error::data("Key of JSON_OBJECT must not be NULL"));
                }
                let key = a.strs(k)?.get(i).to_owned();
                let value = argument(a, k + 1, i, raw[k + 1]);
                if absent && value == Json::Null {
                    continue;
                }
                match members.iter_mut().find(|(name, _)| *name == key) {
                    Some(member) => member.1 = value,
                    None => members.push((key, value)),
                }
            }
            Json::Object(members).sorted().write(out);
            Ok(true)
        })
    }))
}

fn array(site: &Site<'_>) -> Result<Kernel> {
    let (raw, absent) = (raw_arguments(site), absent_on_null(site)?);
    Ok(Arc::new(move |a| -> Result<ArrayRef> {
        a.text_all(|i, out| {
            let items = (0..a.len() - 1)
                .map(|n| argument(a, n, i, raw[n]))
                .filter(|v| !(absent && *v == Json::Null))
                .collect();
            Json::Array(items).sorted().write(out);
            Ok(true)
        })
    }))
}

/// A SQL value as JSON.
fn to_json(v: &Value, ty: &DataType) -> Json {
    let mut text = String::new();
    match (v, &ty.kind) {
        (Value::Null, _) => Json::Null,
        (Value::Boolean(b), _) => Json::Bool(*b),
        (Value::Int(x), _) => Json::Number(x.to_string()),
        (Value::Float(x), _) => {
            write_double(&mut text, f64::from(*x));
            Json::Number(text)
        }
        (Value::Double(x), _) => {
            write_double(&mut text, *x);
            Json::Number(text)
        }
        (Value::Decimal(x), TypeKind::Decimal(_, s)) => {
            write_decimal(&mut text, *x, *s);
            Json::Raw(text)
        }
        (Value::String(s), TypeKind::Variant) => Json::Raw(s.clone()),
        (Value::String(s), _) => Json::Text(s.clone()),
        (Value::Bytes(b), _) => {
            use base64::Engine as _;
            Json::Text(base64::engine::general_purpose::STANDARD.encode(b))
        }
        (Value::Timestamp(t), TypeKind::Timestamp(p, _)) => {
            write_timestamp(&mut text, *t, unit_of(ty), *p);
            Json::Text(iso(&text, ""))
        }
        (Value::Timestamp(t), TypeKind::TimestampLtz(p, _)) => {
            write_timestamp(&mut text, *t, unit_of(ty), *p);
            Json::Text(iso(&text, "Z"))
        }
        (Value::Array(items), TypeKind::Array(e)) => {
            Json::Array(items.iter().map(|x| to_json(x, e)).collect())
        }
        (Value::Map(entries), TypeKind::Map(_, t)) => Json::Object(
            entries
                .iter()
                .map(|(k, x)| (k.as_str().unwrap_or("null").to_owned(), to_json(x, t)))
                .collect(),
        ),
        (Value::Map(entries), TypeKind::Multiset(_)) => Json::Object(
            entries
                .iter()
                .map(|(k, x)| {
                    (k.as_str().unwrap_or("null").to_owned(), to_json(x, &DataType::int()))
                })
                .collect(),
        ),
        (Value::Row(values), TypeKind::Row(f) | TypeKind::Structured(_, f)) => Json::Object(
            f.iter().zip(values).map(|(f, x)| (f.name.clone(), to_json(x, &f.ty))).collect(),
        ),
        _ => Json::Null,
    }
}

/// `2024-01-01T10:00:00.5`: ISO-8601 without trailing zeros of the fraction.
fn iso(text: &str, suffix: &str) -> String {
    let t = text.replacen(' ', "T", 1);
    let t = if t.contains('.') { t.trim_end_matches('0').trim_end_matches('.') } else { &t };
    format!("{t}{suffix}")
}
