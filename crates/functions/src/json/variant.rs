//! PARSE_JSON, TRY_PARSE_JSON and item access of VARIANT.
//!
//! A VARIANT is stored as canonical JSON text: no spaces, object keys sorted,
//! decimals without trailing zeros, numbers with an exponent as doubles.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::Int32Type;
use weir_core::{Error, Result, TypeKind};

use super::doc::{Json, quote};
use crate::args::{Args, Kernel};
use crate::format::write_double;
use crate::site::Site;

pub(super) fn kernel(site: &Site<'_>) -> Result<Option<Kernel>> {
    let variant = site.ty(0).is_some_and(|t| t.kind == TypeKind::Variant);
    Ok(Some(match site.name {
        "PARSE_JSON" => Arc::new(|a| parse(a, false)),
        "TRY_PARSE_JSON" => Arc::new(|a| parse(a, true)),
        "ITEM" if variant => Arc::new(item),
        _ => return Ok(None),
    }))
}

fn parse(a: &Args<'_>, safe: bool) -> Result<ArrayRef> {
    let s = a.strs(0)?;
    let duplicates = if a.len() > 1 { Some(a.bools(1)?) } else { None };
    a.text(|i, out| {
        let allowed = duplicates.is_some_and(|d| d.get(i));
        let done = Json::parse(s.get(i)).is_some_and(|doc| canonical(&doc, allowed, out));
        if !done && !safe {
            return Err(Error::data(format!("Failed to parse json string: {}", s.get(i)))
                .hint("TRY_PARSE_JSON gives NULL instead of an error"));
        }
        Ok(done)
    })
}

/// Writes the canonical text; false for duplicate keys that are not allowed.
fn canonical(doc: &Json, duplicates: bool, out: &mut String) -> bool {
    match doc {
        Json::Number(n) => {
            number(n, out);
            true
        }
        Json::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                if !canonical(item, duplicates, out) {
                    return false;
                }
            }
            out.push(']');
            true
        }
        Json::Object(members) => {
            let mut sorted: Vec<&(String, Json)> = Vec::with_capacity(members.len());
            for member in members {
                match sorted.iter_mut().find(|m| m.0 == member.0) {
                    Some(_) if !duplicates => return false,
                    Some(earlier) => *earlier = member,
                    None => sorted.push(member),
                }
            }
            sorted.sort_by(|x, y| x.0.cmp(&y.0));
            out.push('{');
            for (i, (key, value)) in sorted.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                quote(key, out);
                out.push(':');
                if !canonical(value, duplicates, out) {
                    return false;
                }
            }
            out.push('}');
            true
        }
        other => {
            other.write(out);
            true
        }
    }
}

fn number(n: &str, out: &mut String) {
    if n.contains(['e', 'E']) {
        write_double(out, n.parse().unwrap_or(f64::NAN));
        return;
    }
    match n.split_once('.') {
        None => out.push_str(n),
        Some((whole, fraction)) if whole.len() + fraction.len() > 39 => {
            write_double(out, n.parse().unwrap_or(f64::NAN));
        }
        Some(_) => out.push_str(n.trim_end_matches('0').trim_end_matches('.')),
    }
}

/// `v['key']` and `v[n]` from 1; NULL where there is no such part.
fn item(a: &Args<'_>) -> Result<ArrayRef> {
    let v = a.strs(0)?;
    let emit = |part: Option<&Json>, out: &mut String| match part {
        Some(p) => {
            canonical(p, true, out);
            true
        }
        None => false,
    };
    if a.types[1].is_string() {
        let key = a.strs(1)?;
        return a.text(|i, out| {
            Ok(match Json::parse(v.get(i)) {
                Some(Json::Object(members)) => {
                    emit(members.iter().find(|(k, _)| k == key.get(i)).map(|(_, v)| v), out)
                }
                _ => false,
            })
        });
    }
    let index = a.nums::<Int32Type>(1)?;
    a.text(|i, out| {
        Ok(match Json::parse(v.get(i)) {
            Some(Json::Array(items)) => {
                let at = usize::try_from(index.get(i)).ok().and_then(|n| n.checked_sub(1));
                emit(at.and_then(|n| items.get(n)), out)
            }
            _ => false,
        })
    })
}
