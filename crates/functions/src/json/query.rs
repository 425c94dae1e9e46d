//! JSON_VALUE, JSON_QUERY, JSON_EXISTS, IS JSON, GET_JSON_OBJECT.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use weir_core::value::values_to_array;
use weir_core::{DataType, Error, Result, TypeKind, Value};

use super::doc::Json;
use super::path_tree::Path;
use crate::args::{Args, Kernel};
use crate::site::Site;

pub(super) fn kernel(site: &Site<'_>) -> Result<Option<Kernel>> {
    if let Some(kind) = site.name.strip_prefix("IS JSON ") {
        return Ok(Some(is_json(kind.to_owned(), false)));
    }
    if let Some(kind) = site.name.strip_prefix("IS NOT JSON ") {
        return Ok(Some(is_json(kind.to_owned(), true)));
    }
    Ok(Some(match site.name {
        "JSON_VALUE" => json_value(site)?,
        "JSON_QUERY" => json_query(site)?,
        "JSON_EXISTS" => json_exists(site)?,
        "GET_JSON_OBJECT" => get_json_object(site)?,
        _ => return Ok(None),
    }))
}

fn is_json(kind: String, negate: bool) -> Kernel {
    Arc::new(move |a| {
        let s = a.strs(0)?;
        let test = |i: usize| {
            if s.is_null(i) {
                return false;
            }
            let doc = Json::parse_first(s.get(i));
            let hit = match (&doc, kind.as_str()) {
                (None, _) => false,
                (_, "VALUE") => true,
                (Some(Json::Object(_)), k) => k == "OBJECT",
                (Some(Json::Array(_)), k) => k == "ARRAY",
                (_, k) => k == "SCALAR",
            };
            hit != negate
        };
        Ok(Arc::new((0..a.rows).map(|i| Some(test(i))).collect::<BooleanArray>()))
    })
}

/// What a lookup found.
enum Found {
    Value(Json),
    /// The path selects nothing, or a lax one meets malformed JSON.
    Empty,
    /// Malformed JSON, or a missing part of a strict path.
    Failed(String),
}

/// The path argument: compiled once if it is a literal.
struct Lookup {
    fixed: Option<Result<Path, String>>,
}

impl Lookup {
    fn new(site: &Site<'_>) -> Result<Self> {
        Ok(Self { fixed: site.text(1).map(Path::new).transpose()? })
    }
    fn find(&self, a: &Args<'_>, i: usize) -> Result<Found> {
        let text = a.strs(0)?.get(i);
        let own;
        let path = match &self.fixed {
            Some(p) => p,
            None => {
                own = Path::new(a.strs(1)?.get(i))?;
                &own
            }
        };
        let path = match path {
            Ok(path) => path,
            Err(why) => return Ok(Found::Failed(why.clone())),
        };
        let Some(doc) = Json::parse_first(text) else {
            return Ok(match path.strict {
                true => Found::Failed(format!("malformed JSON: {text}")),
                false => Found::Empty,
            });
        };
        Ok(match path.get(&doc) {
            Some(Json::Null) if !path.strict => Found::Empty,
            Some(v) => Found::Value(v),
            None if path.strict => {
                Found::Failed("No results for path: no value at the strict JSON path".into())
            }
            None => Found::Empty,
        })
    }
}

fn present(a: &Args<'_>, i: usize) -> bool {
    !a.is_null(0, i) && !a.is_null(1, i)
}

fn json_value(site: &Site<'_>) -> Result<Kernel> {
    let lookup = Lookup::new(site)?;
    let behaviour = |i: usize| -> Result<String> {
        if site.args.len() > i { Ok(site.keyword(i)?.to_owned()) } else { Ok("NULL".into()) }
    };
    let (on_empty, on_error) = (behaviour(3)?, behaviour(5)?);
    Ok(Arc::new(move |a| {
        let fallback = |word: &str, column: usize, i: usize, why: &str| match word {
            "ERROR" => Err(Error::data(format!("JSON_VALUE: {why}"))),
            "DEFAULT" => Ok(Value::from_array(a.col(column), a.at(column, i))),
            _ => Ok(Value::Null),
        };
        let mut values = Vec::with_capacity(a.rows);
        for i in 0..a.rows {
            if !present(a, i) {
                values.push(Value::Null);
                continue;
            }
            values.push(match lookup.find(a, i)? {
                Found::Value(Json::Null) => Value::Null,
                Found::Empty => {
                    fallback(&on_empty, 4, i, "Empty result of JSON_VALUE function is not allowed")?
                }
                Found::Value(v) if v.is_scalar() => scalar(v, a.ret)?,
                Found::Value(_) => fallback(&on_error, 6, i, "the value is no scalar")?,
                Found::Failed(why) => fallback(&on_error, 6, i, &why)?,
            });
        }
        values_to_array(&values, a.ret)
    }))
}

/// A JSON scalar as the RETURNING type.
fn scalar(v: Json, ty: &DataType) -> Result<Value> {
    let wrong = |v: &Json| {
        let mut text = String::new();
        v.write(&mut text);
        Err(Error::data(format!("JSON_VALUE: cannot cast {text} to {}", ty.clone().null())))
    };
    Ok(match (&ty.kind, &v) {
        (TypeKind::Boolean, Json::Bool(b)) => Value::Boolean(*b),
        (TypeKind::Int, Json::Number(n)) => match n.parse::<i32>() {
            Ok(x) => Value::Int(x.into()),
            Err(_) => return wrong(&v),
        },
        (TypeKind::Double, Json::Number(n)) => match n.parse() {
            Ok(x) => Value::Double(x),
            Err(_) => return wrong(&v),
        },
        (TypeKind::Boolean | TypeKind::Int | TypeKind::Double, _) => return wrong(&v),
        (_, Json::Text(t)) => Value::String(t.clone()),
        _ => {
            let mut text = String::new();
            v.write(&mut text);
            Value::String(text)
        }
    })
}

fn json_query(site: &Site<'_>) -> Result<Kernel> {
    let lookup = Lookup::new(site)?;
    let word = |i: usize, default: &str| -> Result<String> {
        Ok(if site.args.len() > i { site.keyword(i)? } else { default }.to_owned())
    };
    let (wrapper, on_empty, on_error) = (word(3, "WITHOUT")?, word(4, "NULL")?, word(5, "NULL")?);
    Ok(Arc::new(move |a| {
        let fallback = |word: &str, why: &str| match word {
            "ERROR" => Err(Error::data(format!("JSON_QUERY: {why}"))),
            "EMPTY ARRAY" => Ok(Some(Json::Array(Vec::new()))),
            "EMPTY OBJECT" => Ok(Some(Json::Object(Vec::new()))),
            _ => Ok(None),
        };
        let mut values = Vec::with_capacity(a.rows);
        for i in 0..a.rows {
            if !present(a, i) {
                values.push(Value::Null);
                continue;
            }
            let found = match lookup.find(a, i)? {
                Found::Value(Json::Null) => None,
                Found::Empty => {
                    fallback(&on_empty, "Empty result of JSON_QUERY function is not allowed")?
                }
                Found::Value(v) => match (wrapper.as_str(), &v) {
                    ("CONDITIONAL", Json::Array(_)) => Some(v),
                    ("UNCONDITIONAL" | "CONDITIONAL", _) => Some(Json::Array(vec![v])),
                    (_, v) if v.is_scalar() => {
                        fallback(&on_error, "the value is no array or object")?
                    }
                    _ => Some(v),
                },
                Found::Failed(why) => fallback(&on_error, &why)?,
            };
            values.push(found.map_or(Value::Null, |v| returning(v, a.ret)));
        }
        values_to_array(&values, a.ret)
    }))
}

/// JSON text, or an array of the elements' texts.
fn returning(v: Json, ty: &DataType) -> Value {
    let v = v.sorted();
    let text = |v: &Json| {
        let mut out = String::new();
        v.write(&mut out);
        out
    };
    match (&ty.kind, v) {
        (TypeKind::Array(_), Json::Array(items)) => Value::Array(
            items
                .into_iter()
                .map(|x| match x {
                    Json::Null => Value::Null,
                    Json::Text(t) => Value::String(t),
                    other => Value::String(text(&other)),
                })
                .collect(),
        ),
        (TypeKind::Array(_), _) => Value::Null,
        (_, v) => Value::String(text(&v)),
    }
}

fn json_exists(site: &Site<'_>) -> Result<Kernel> {
    let lookup = Lookup::new(site)?;
    let on_error = if site.args.len() > 2 { site.keyword(2)? } else { "FALSE" }.to_owned();
    Ok(Arc::new(move |a| {
        let mut out = Vec::with_capacity(a.rows);
        for i in 0..a.rows {
            if !present(a, i) {
                out.push(None);
                continue;
            }
            out.push(match (lookup.find(a, i)?, on_error.as_str()) {
                (Found::Value(Json::Null), _) => Some(false),
                (Found::Value(_), _) => Some(true),
                (Found::Empty, _) => Some(false),
                (Found::Failed(why), "ERROR") => {
                    return Err(Error::data(format!("JSON_EXISTS: {why}")));
                }
                (Found::Failed(_), "TRUE") => Some(true),
                (Found::Failed(_), "UNKNOWN") => None,
                _ => Some(false),
            });
        }
        Ok(Arc::new(BooleanArray::from(out)))
    }))
}

/// The value at the path as text, scalars without quotes.
fn get_json_object(site: &Site<'_>) -> Result<Kernel> {
    let lookup = Lookup::new(site)?;
    Ok(Arc::new(move |a| -> Result<ArrayRef> {
        a.text(|i, out| {
            Ok(match lookup.find(a, i)? {
                Found::Value(Json::Text(t)) => {
                    out.push_str(&t);
                    true
                }
                Found::Value(Json::Null) | Found::Empty | Found::Failed(_) => false,
                Found::Value(v) => {
                    v.write(out);
                    true
                }
            })
        })
    }))
}
