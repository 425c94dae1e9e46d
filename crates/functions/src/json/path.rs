//! SQL/JSON paths: `lax $.a.b[0]['c'][*].*`, `strict $..d`.

use weir_core::{Error, Result};

use super::doc::Json;

/// A compiled path.
#[derive(Debug, Clone)]
pub(super) struct Path {
    /// A missing part is an error instead of an empty result.
    pub strict: bool,
    steps: Vec<Step>,
    /// Whether the path can select several values, so that it gives an array.
    indefinite: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Key(String),
    Index(i64),
    All,
    /// `..`: every descendant.
    Deep,
}

impl Path {
    pub fn new(text: &str) -> Result<Self> {
        let bad = || {
            Error::validation(format!("invalid JSON path '{text}'"))
                .hint("write a path such as 'lax $.store.items[0].name'")
        };
        let t = text.trim();
        let (strict, t) = match t.split_once(char::is_whitespace) {
            Some((mode, rest)) if mode.eq_ignore_ascii_case("strict") => (true, rest.trim()),
            Some((mode, rest)) if mode.eq_ignore_ascii_case("lax") => (false, rest.trim()),
            // Flink takes a path without a mode as strict.
            _ => (true, t),
        };
        let mut rest = t.strip_prefix('$').ok_or_else(bad)?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            rest = step(rest, &mut steps).ok_or_else(bad)?;
        }
        let indefinite = steps.iter().any(|s| matches!(s, Step::All | Step::Deep));
        Ok(Self { strict, steps, indefinite })
    }

    /// The selected value: None if a part is missing.
    pub fn get(&self, doc: &Json) -> Option<Json> {
        let mut current = vec![doc];
        let mut definite = true;
        for step in &self.steps {
            definite &= matches!(step, Step::Key(_) | Step::Index(_));
            let mut next = Vec::new();
            for value in current {
                select(step, value, &mut next);
            }
            if definite && next.is_empty() {
                // What stands before the first wildcard must be there.
                return None;
            }
            current = next;
        }
        if self.indefinite {
            return Some(Json::Array(current.into_iter().cloned().collect()));
        }
        current.first().map(|v| (*v).clone())
    }
}

fn select<'a>(step: &Step, value: &'a Json, out: &mut Vec<&'a Json>) {
    match (step, value) {
        (Step::Key(k), Json::Object(members)) => {
            out.extend(members.iter().rev().find(|(name, _)| name == k).map(|(_, v)| v));
        }
        (Step::Index(i), Json::Array(items)) => {
            let at = if *i < 0 { items.len() as i64 + i } else { *i };
            out.extend(usize::try_from(at).ok().and_then(|at| items.get(at)));
        }
        (Step::All, Json::Array(items)) => out.extend(items),
        (Step::All, Json::Object(members)) => out.extend(members.iter().map(|(_, v)| v)),
        (Step::Deep, _) => descend(value, out),
        _ => {}
    }
}

fn descend<'a>(value: &'a Json, out: &mut Vec<&'a Json>) {
    out.push(value);
    match value {
        Json::Array(items) => items.iter().for_each(|v| descend(v, out)),
        Json::Object(members) => members.iter().for_each(|(_, v)| descend(v, out)),
        _ => {}
    }
}

/// Reads one step and returns what is left.
fn step<'a>(text: &'a str, steps: &mut Vec<Step>) -> Option<&'a str> {
    if let Some(rest) = text.strip_prefix("..") {
        steps.push(Step::Deep);
        return if rest.starts_with('[') { Some(rest) } else { key(rest, steps) };
    }
    if let Some(rest) = text.strip_prefix('.') {
        return key(rest, steps);
    }
    let rest = text.strip_prefix('[')?;
    if let Some(quote) = rest.chars().next().filter(|c| matches!(c, '\'' | '"')) {
        let body = &rest[1..];
        let end = body.find(quote)?;
        steps.push(Step::Key(body[..end].to_owned()));
        return body[end + 1..].trim_start().strip_prefix(']');
    }
    let end = rest.find(']')?;
    let inner = rest[..end].trim();
    steps.push(if inner == "*" { Step::All } else { Step::Index(inner.parse().ok()?) });
    Some(&rest[end + 1..])
}

fn key<'a>(text: &'a str, steps: &mut Vec<Step>) -> Option<&'a str> {
    if let Some(rest) = text.strip_prefix('*') {
        steps.push(Step::All);
        return Some(rest);
    }
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let name = text[..end].trim();
    if name.is_empty() || name.contains(['?', '(', ')', '@']) {
        return None;
    }
    let name = name.trim_matches('"');
    steps.push(Step::Key(name.to_owned()));
    Some(&text[end..])
}
