//! LIKE, SIMILAR TO and regular expressions.
//!
//! Patterns are Java's: see [`super::java`].

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::datatypes::Int32Type;
use regex::Regex;
use weir_core::value::values_to_array;
use weir_core::{Error, ErrorKind, Result, Value};

use super::basic::chars;
use super::java::JavaRegex;
use crate::args::{Args, Kernel, Strs};
use crate::site::Site;

pub(crate) fn kernel(site: &Site<'_>) -> Result<Option<Kernel>> {
    Ok(Some(match site.name {
        "LIKE" => like_kernel(site)?,
        "SIMILAR TO" => {
            let mut cache = Cache::new(site, |p| similar_to_regex(p, None))?;
            if site.args.len() == 3 {
                let (Some(pattern), Some(escape)) = (site.text(1), site.text(2)) else {
                    return Err(Error::unsupported(
                        "SIMILAR TO with ESCAPE and a pattern that is not a literal",
                    ));
                };
                cache.fixed = Some(similar_to_regex(pattern, escape.chars().next())?);
            }
            Arc::new(move |a| matches(a, &cache))
        }
        "REGEXP" => {
            let cache = Cache::new(site, JavaRegex::new)?;
            // An empty pattern matches nothing in Flink.
            Arc::new(move |a| matches(a, &cache))
        }
        "REGEXP_COUNT" => numbers(site, |r, s| Ok(r.count(s)? as i32))?,
        "REGEXP_INSTR" => {
            numbers(site, |r, s| Ok(r.find(s)?.map_or(0, |m| chars(&s[..m.start]) as i32 + 1)))?
        }
        "REGEXP_SUBSTR" => {
            text(site, |r, s, _, out| Ok(r.find(s)?.map(|m| out.push_str(&s[m])).is_some()))?
        }
        "REGEXP_EXTRACT" => text(site, |r, s, group, out| {
            let Ok(group) = usize::try_from(group) else { return Ok(false) };
            Ok(r.group(s, group)?.map(|m| out.push_str(&s[m])).is_some())
        })?,
        "REGEXP_EXTRACT_ALL" => extract_all(site)?,
        "REGEXP_REPLACE" => replace(site)?,
        _ => return Ok(None),
    }))
}

/// Nothing for an invalid expression, which gives NULL or FALSE; an error for
/// one that Java would run and this engine cannot.
fn valid<T>(compiled: Result<T>) -> Result<Option<T>> {
    match compiled {
        Ok(r) => Ok(Some(r)),
        Err(e) if e.kind() == ErrorKind::Unsupported => Err(e),
        Err(_) => Ok(None),
    }
}

/// The expressions of a call: one if the pattern is a literal, else the last one used.
struct Cache {
    fixed: Option<JavaRegex>,
    compile: fn(&str) -> Result<JavaRegex>,
}

impl Cache {
    fn new(site: &Site<'_>, compile: fn(&str) -> Result<JavaRegex>) -> Result<Self> {
        // A broken literal pattern is reported when rows arrive, as NULL or error of the function.
        let fixed = site.text(1).map(|p| valid(compile(p))).transpose()?.flatten();
        Ok(Self { fixed, compile })
    }
    fn session<'a>(&'a self, patterns: Strs<'a>) -> Session<'a> {
        Session { cache: self, patterns, last: None }
    }
}

struct Session<'a> {
    cache: &'a Cache,
    patterns: Strs<'a>,
    last: Option<(&'a str, JavaRegex)>,
}

impl Session<'_> {
    fn get(&mut self, i: usize) -> Result<&JavaRegex> {
        if let Some(fixed) = &self.cache.fixed {
            return Ok(fixed);
        }
        let pattern = self.patterns.get(i);
        if self.last.as_ref().is_none_or(|(p, _)| *p != pattern) {
            self.last = Some((pattern, (self.cache.compile)(pattern)?));
        }
        match &self.last {
            Some((_, regex)) => Ok(regex),
            None => Err(Error::internal("no pattern")),
        }
    }
}

fn matches(a: &Args<'_>, cache: &Cache) -> Result<ArrayRef> {
    let (s, p) = (a.strs(0)?, a.strs(1)?);
    let mut session = cache.session(p);
    let nulls = a.nulls();
    let mut out = Vec::with_capacity(a.rows);
    for i in 0..a.rows {
        if nulls.as_ref().is_some_and(|n| n.is_null(i)) {
            out.push(None);
        } else {
            let hit = match valid(session.get(i))? {
                Some(r) => r.is_match(s.get(i))?,
                None => false,
            };
            out.push(Some(hit && !p.get(i).is_empty()));
        }
    }
    Ok(Arc::new(BooleanArray::from(out)))
}

fn numbers(site: &Site<'_>, f: fn(&JavaRegex, &str) -> Result<i32>) -> Result<Kernel> {
    let cache = Cache::new(site, JavaRegex::new)?;
    Ok(Arc::new(move |a| {
        let (s, p) = (a.strs(0)?, a.strs(1)?);
        let mut session = cache.session(p);
        Ok(Arc::new(
            a.number::<Int32Type>(|i| valid(session.get(i))?.map(|r| f(r, s.get(i))).transpose())?,
        ))
    }))
}

type Extract = fn(&JavaRegex, &str, i32, &mut String) -> Result<bool>;

fn text(site: &Site<'_>, f: Extract) -> Result<Kernel> {
    let cache = Cache::new(site, JavaRegex::new)?;
    Ok(Arc::new(move |a| {
        let (s, p) = (a.strs(0)?, a.strs(1)?);
        let group = if a.len() > 2 { Some(a.nums::<Int32Type>(2)?) } else { None };
        let mut session = cache.session(p);
        a.text(|i, out| match valid(session.get(i))? {
            Some(r) => f(r, s.get(i), group.map_or(0, |g| g.get(i)), out),
            None => Ok(false),
        })
    }))
}

fn extract_all(site: &Site<'_>) -> Result<Kernel> {
    let cache = Cache::new(site, JavaRegex::new)?;
    Ok(Arc::new(move |a| {
        let (s, p) = (a.strs(0)?, a.strs(1)?);
        let group = if a.len() > 2 { Some(a.nums::<Int32Type>(2)?) } else { None };
        let mut session = cache.session(p);
        let nulls = a.nulls();
        let mut values = Vec::with_capacity(a.rows);
        for i in 0..a.rows {
            let group = group.map_or(1, |g| g.get(i));
            let present = !nulls.as_ref().is_some_and(|n| n.is_null(i));
            let regex = if present { valid(session.get(i))? } else { None };
            let number = usize::try_from(group).ok();
            values.push(match (regex, number) {
                (Some(r), Some(g)) if g < r.groups() => {
                    let text = s.get(i);
                    let found = r.group_of_all(text, g)?.into_iter();
                    let value = |m: Option<super::java::Span>| {
                        m.map_or(Value::Null, |m| Value::String(text[m].into()))
                    };
                    Value::Array(found.map(value).collect())
                }
                _ => Value::Null,
            });
        }
        values_to_array(&values, a.ret)
    }))
}

/// The replacement is taken literally, as Flink does.
fn replace(site: &Site<'_>) -> Result<Kernel> {
    let cache = Cache::new(site, JavaRegex::new)?;
    Ok(Arc::new(move |a| {
        let (s, p, by) = (a.strs(0)?, a.strs(1)?, a.strs(2)?);
        let mut session = cache.session(p);
        a.text(|i, out| {
            let Some(regex) = valid(session.get(i))? else { return Ok(false) };
            regex.replace_all(s.get(i), by.get(i), out)?;
            Ok(true)
        })
    }))
}

/// A LIKE pattern in a form that matches without a regular expression.
enum Like {
    Exact(String),
    Prefix(String),
    Suffix(String),
    Contains(String),
    General(Regex),
}

impl Like {
    fn new(pattern: &str, escape: Option<char>) -> Result<Self> {
        let pieces = like_pieces(pattern, escape)?;
        Ok(match pieces.as_slice() {
            [] => Like::Exact(String::new()),
            [Piece::Text(t)] => Like::Exact(t.clone()),
            [Piece::Text(t), Piece::Many] => Like::Prefix(t.clone()),
            [Piece::Many, Piece::Text(t)] => Like::Suffix(t.clone()),
            [Piece::Many, Piece::Text(t), Piece::Many] => Like::Contains(t.clone()),
            pieces => {
                let mut regex = String::from("(?s)^");
                for p in pieces {
                    match p {
                        Piece::Text(t) => regex.push_str(&regex::escape(t)),
                        Piece::One => regex.push('.'),
                        Piece::Many => regex.push_str(".*"),
                    }
                }
                regex.push('$');
                Like::General(Regex::new(&regex).map_err(|e| Error::data(e.to_string()))?)
            }
        })
    }
    fn is_match(&self, s: &str) -> bool {
        match self {
            Like::Exact(t) => s == t,
            Like::Prefix(t) => s.starts_with(t.as_str()),
            Like::Suffix(t) => s.ends_with(t.as_str()),
            Like::Contains(t) => s.contains(t.as_str()),
            Like::General(r) => r.is_match(s),
        }
    }
}

#[derive(PartialEq)]
enum Piece {
    Text(String),
    One,
    Many,
}

fn like_pieces(pattern: &str, escape: Option<char>) -> Result<Vec<Piece>> {
    let mut out: Vec<Piece> = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        let literal = if Some(c) == escape {
            let next = chars.next();
            match next {
                Some(n) if n == '%' || n == '_' || Some(n) == escape => n,
                _ => return Err(Error::data(format!("Invalid escape sequence '{pattern}'"))),
            }
        } else if c == '%' {
            if out.last() != Some(&Piece::Many) {
                out.push(Piece::Many);
            }
            continue;
        } else if c == '_' {
            out.push(Piece::One);
            continue;
        } else {
            c
        };
        match out.last_mut() {
            Some(Piece::Text(t)) => t.push(literal),
            _ => out.push(Piece::Text(literal.to_string())),
        }
    }
    Ok(out)
}

fn escape_char(text: Option<&str>) -> Result<Option<char>> {
    let Some(text) = text else { return Ok(None) };
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => Ok(Some(c)),
        _ => Err(Error::data(format!("Invalid escape character '{text}'"))),
    }
}

fn like_kernel(site: &Site<'_>) -> Result<Kernel> {
    let escape = escape_char(site.text(2))?;
    let fixed = site.text(1).map(|p| Like::new(p, escape)).transpose()?;
    Ok(Arc::new(move |a| {
        let (s, p) = (a.strs(0)?, a.strs(1)?);
        if let Some(like) = &fixed {
            return Ok(Arc::new(a.boolean(|i| like.is_match(s.get(i)))));
        }
        let escapes = if a.len() > 2 { Some(a.strs(2)?) } else { None };
        let nulls = a.nulls();
        let mut out = Vec::with_capacity(a.rows);
        for i in 0..a.rows {
            if nulls.as_ref().is_some_and(|n| n.is_null(i)) {
                out.push(None);
                continue;
            }
            let escape = escape_char(escapes.map(|e| e.get(i)))?;
            out.push(Some(Like::new(p.get(i), escape)?.is_match(s.get(i))));
        }
        Ok(Arc::new(BooleanArray::from(out)))
    }))
}

/// SIMILAR TO: % and _ as in LIKE, the rest a regular expression over the whole text.
fn similar_to_regex(pattern: &str, escape: Option<char>) -> Result<JavaRegex> {
    let mut out = String::from("(?s)^(?:");
    let mut in_class = false;
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            c if Some(c) == escape => {
                let escaped = chars.next().map(String::from).unwrap_or_default();
                out.push_str(&regex::escape(&escaped));
            }
            '%' if !in_class => out.push_str(".*"),
            '_' if !in_class => out.push('.'),
            '^' | '$' | '\\' if !in_class => {
                out.push('\\');
                out.push(c);
            }
            _ => {
                in_class = (in_class || c == '[') && c != ']';
                out.push(c);
            }
        }
    }
    out.push_str(")$");
    Regex::new(&out)
        .map(JavaRegex::Linear)
        .map_err(|e| Error::data(format!("invalid SIMILAR TO pattern '{pattern}': {e}")))
}
