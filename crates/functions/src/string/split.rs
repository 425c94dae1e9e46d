//! Splitting text: SPLIT_INDEX, SPLIT, STR_TO_MAP, PARSE_URL.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{Int32Type, Int64Type};
use weir_core::value::values_to_array;
use weir_core::{Error, Result, Value};

use super::java::JavaRegex;
use crate::args::{Args, Kernel};
use crate::java_map;
use crate::site::Site;

pub(crate) fn kernel(site: &Site<'_>) -> Result<Option<Kernel>> {
    Ok(Some(match site.name {
        "SPLIT_INDEX" => Arc::new(split_index),
        "SPLIT" => Arc::new(split),
        "STR_TO_MAP" => Arc::new(str_to_map),
        "PARSE_URL" => Arc::new(parse_url),
        _ => return Ok(None),
    }))
}

/// SPLIT_INDEX(s, separator, n from 0); the separator is text or a character code.
fn split_index(a: &Args<'_>) -> Result<ArrayRef> {
    let (s, n) = (a.strs(0)?, a.nums::<Int32Type>(2)?);
    if a.types[1].is_string() {
        let sep = a.strs(1)?;
        if let Some([byte]) = sep.constant().map(str::as_bytes) {
            let byte = *byte;
            return a.text(|i, out| Ok(piece_by_byte(s.get(i), byte, n.get(i), out)));
        }
        return a.text(|i, out| Ok(piece(s.get(i), sep.get(i), n.get(i), out)));
    }
    let codes = crate::cast::cast_column(
        a.cols[1].array(),
        &a.types[1],
        &weir_core::DataType::bigint(),
        false,
        a.ctx,
    )?;
    let codes = codes.as_primitive::<Int64Type>();
    a.text(|i, out| {
        let code = codes.value(a.at(1, i));
        match u32::try_from(code).ok().filter(|c| (1..=255).contains(c)).and_then(char::from_u32) {
            Some(c) => Ok(piece(s.get(i), c.encode_utf8(&mut [0; 4]), n.get(i), out)),
            None => Ok(false),
        }
    })
}

#[inline]
fn piece_by_byte(s: &str, separator: u8, n: i32, out: &mut String) -> bool {
    if n < 0 || s.is_empty() {
        return false;
    }
    let bytes = s.as_bytes();
    let (mut start, mut left) = (0, n);
    loop {
        let end = bytes[start..].iter().position(|b| *b == separator).map(|p| start + p);
        if left == 0 {
            out.push_str(&s[start..end.unwrap_or(s.len())]);
            return true;
        }
        match end {
            Some(e) => start = e + 1,
            None => return false,
        }
        left -= 1;
    }
}

fn piece(s: &str, separator: &str, n: i32, out: &mut String) -> bool {
    if n < 0 || s.is_empty() {
        return false;
    }
    let found = if separator.is_empty() {
        (n == 0).then_some(s)
    } else {
        s.split(separator).nth(n as usize)
    };
    found.map(|p| out.push_str(p)).is_some()
}

fn strings(parts: impl Iterator<Item = String>) -> Value {
    Value::Array(parts.map(Value::String).collect())
}

fn split(a: &Args<'_>) -> Result<ArrayRef> {
    let (s, sep) = (a.strs(0)?, a.strs(1)?);
    let values: Vec<Value> = (0..a.rows)
        .map(|i| {
            if s.is_null(i) || sep.is_null(i) {
                return Value::Null;
            }
            let (s, sep) = (s.get(i), sep.get(i));
            match (s.is_empty(), sep.is_empty()) {
                (true, _) => Value::Array(Vec::new()),
                (_, true) => strings(s.chars().map(String::from)),
                _ => strings(s.split(sep).map(str::to_owned)),
            }
        })
        .collect();
    values_to_array(&values, a.ret)
}

/// STR_TO_MAP(s[, pair separator, key-value separator]); the separators are
/// regular expressions.
fn str_to_map(a: &Args<'_>) -> Result<ArrayRef> {
    if a.len() == 2 {
        return Err(Error::validation("STR_TO_MAP takes one or three arguments"));
    }
    let s = a.strs(0)?;
    let separators = if a.len() == 3 { Some((a.strs(1)?, a.strs(2)?)) } else { None };
    let mut values = Vec::with_capacity(a.rows);
    for i in 0..a.rows {
        let (pairs, keys) = match separators {
            Some((p, k)) if p.is_null(i) || k.is_null(i) => {
                values.push(Value::Null);
                continue;
            }
            Some((p, k)) => (p.get(i), k.get(i)),
            None => (",", "="),
        };
        if s.is_null(i) {
            values.push(Value::Null);
            continue;
        }
        let (pairs, keys) = (JavaRegex::new(pairs)?, JavaRegex::new(keys)?);
        let mut entries: Vec<(Value, Value)> = Vec::new();
        let pieces = java_split(&pairs, s.get(i))?;
        let buckets = pieces.len() as u32;
        for pair in pieces {
            let at = keys.find(pair)?;
            let key = Value::String(pair[..at.as_ref().map_or(pair.len(), |m| m.start)].to_owned());
            let value = at.map_or(Value::Null, |m| Value::String(pair[m.end..].to_owned()));
            match entries.iter_mut().find(|(k, _)| *k == key) {
                Some(entry) => entry.1 = value,
                None => entries.push((key, value)),
            }
        }
        let hash = |(k, _): &(Value, Value)| k.as_str().map_or(0, java_map::java_string);
        let hashes: Vec<u32> = entries.iter().map(hash).collect();
        let order = java_map::walk(&hashes, buckets).into_iter();
        values.push(Value::Map(order.map(|i| entries[i].clone()).collect()));
    }
    values_to_array(&values, a.ret)
}

/// Java's `String.split`: no empty pieces at the end, and none in front of a match of no width.
fn java_split<'a>(separator: &JavaRegex, text: &'a str) -> Result<Vec<&'a str>> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let mut pieces: Vec<&str> = Vec::new();
    let mut start = 0;
    for found in separator.find_all(text)? {
        if found.end == 0 {
            continue;
        }
        pieces.push(&text[start..found.start]);
        start = found.end;
    }
    pieces.push(&text[start..]);
    while pieces.len() > 1 && pieces.last().is_some_and(|p| p.is_empty()) {
        pieces.pop();
    }
    Ok(pieces)
}

/// PARSE_URL(url, part[, query key]).
fn parse_url(a: &Args<'_>) -> Result<ArrayRef> {
    let (url, part) = (a.strs(0)?, a.strs(1)?);
    let key = if a.len() > 2 { Some(a.strs(2)?) } else { None };
    a.text(|i, out| {
        let Some(parts) = Url::parse(url.get(i)) else { return Ok(false) };
        let found = match (part.get(i), key) {
            ("QUERY", Some(key)) => parts.query.and_then(|q| {
                q.split('&').find_map(|kv| {
                    kv.split_once('=').filter(|(k, _)| *k == key.get(i)).map(|(_, v)| v.to_owned())
                })
            }),
            (_, Some(_)) => None,
            ("PROTOCOL", _) => Some(parts.protocol.to_owned()),
            ("HOST", _) => Some(parts.host.to_owned()),
            ("PATH", _) => Some(parts.path.to_owned()),
            ("QUERY", _) => parts.query.map(str::to_owned),
            ("REF", _) => parts.reference.map(str::to_owned),
            ("AUTHORITY", _) => Some(parts.authority.to_owned()),
            ("USERINFO", _) => parts.user.map(str::to_owned),
            ("FILE", _) => Some(match parts.query {
                Some(q) => format!("{}?{q}", parts.path),
                None => parts.path.to_owned(),
            }),
            _ => None,
        };
        Ok(found.map(|f| out.push_str(&f)).is_some())
    })
}

struct Url<'a> {
    protocol: &'a str,
    authority: &'a str,
    user: Option<&'a str>,
    host: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    reference: Option<&'a str>,
}

impl<'a> Url<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (protocol, rest) = text.split_once("://")?;
        let (rest, reference) = rest.split_once('#').map_or((rest, None), |(a, b)| (a, Some(b)));
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(a, b)| (a, Some(b)));
        let at = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        let (user, host) =
            authority.rsplit_once('@').map_or((None, authority), |(u, h)| (Some(u), h));
        let host = host.rsplit_once(':').map_or(host, |(h, _)| h);
        let known = ["http", "https", "ftp", "file", "jar"];
        known.contains(&protocol).then_some(Self {
            protocol,
            authority,
            user,
            host,
            path,
            query,
            reference,
        })
    }
}
