//! SQL/JSON paths: `lax $.a.b[0]['c'][*].*`, `strict $..d`.

use weir_core::{Error, Result};

use super::doc::Json;
use super::path_tree::{Bad, Filter, Path, Step};

impl Path {
    /// Compiles a path; `Err` where it is malformed.
    pub fn new(text: &str) -> Result<Result<Self, String>> {
        let t = text.trim();
        let (strict, t) = match t.split_once(char::is_whitespace) {
            Some((mode, rest)) if mode.eq_ignore_ascii_case("strict") => (true, rest.trim()),
            Some((mode, rest)) if mode.eq_ignore_ascii_case("lax") => (false, rest.trim()),
            // Flink takes a path without a mode as strict.
            _ => (true, t),
        };
        // A path may begin with a name of the root.
        let own;
        let rest = match t.strip_prefix('$') {
            Some(rest) => rest,
            None => {
                own = format!(".{t}");
                &own
            }
        };
        match Self::steps(rest, strict, false) {
            Ok((path, "")) => Ok(Ok(path)),
            Ok(_) | Err(Bad::Malformed) => Ok(Err(format!("invalid JSON path '{text}'"))),
            Err(Bad::Unsupported(what)) => {
                Err(Error::unsupported(format!("{what} in the JSON path '{text}'")))
            }
        }
    }

    /// The path behind the `@` of a filter, and what follows it.
    pub(super) fn relative(text: &str) -> Result<(Self, &str), Bad> {
        Self::steps(text, false, true)
    }

    /// Reads steps as long as there are any.
    fn steps(mut rest: &str, strict: bool, inside: bool) -> Result<(Self, &str), Bad> {
        let mut steps = Vec::new();
        while rest.starts_with(['.', '[']) {
            rest = step(rest, &mut steps, inside)?;
        }
        let one =
            |s: &Step| matches!(s, Step::Key(_) | Step::Index(_) | Step::Length | Step::Keys(_));
        let indefinite = !steps.iter().all(one);
        Ok((Self { strict, steps, indefinite }, rest))
    }

    /// A path with a step at `at` that makes a value of its own.
    fn get_computed(&self, doc: &Json, at: usize) -> Option<Json> {
        let part = |steps: &[Step]| Path { steps: steps.to_vec(), ..self.clone() };
        let value = computed(&self.steps[at], &part(&self.steps[..at]).get(doc)?)?;
        part(&self.steps[at + 1..]).get(&value)
    }

    /// The selected value: None if a part is missing.
    pub fn get(&self, doc: &Json) -> Option<Json> {
        if let Some(at) = self.steps.iter().position(|s| matches!(s, Step::Length | Step::Keys(_)))
        {
            return self.get_computed(doc, at);
        }
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

/// The value that a step makes of another.
fn computed(step: &Step, value: &Json) -> Option<Json> {
    let length = |n: usize| Some(Json::Number(n.to_string()));
    match (step, value) {
        (Step::Keys(keys), Json::Object(members)) => Some(Json::Object(
            keys.iter().filter_map(|k| members.iter().rfind(|(n, _)| n == k).cloned()).collect(),
        )),
        (Step::Length, Json::Array(items)) => length(items.len()),
        (Step::Length, Json::Object(members)) => length(members.len()),
        (Step::Length, Json::Text(t)) => length(t.chars().count()),
        _ => None,
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
        (Step::Several(steps), _) => steps.iter().for_each(|s| select(s, value, out)),
        (Step::Slice(from, to), Json::Array(items)) => {
            let place = |i: i64| if i < 0 { items.len() as i64 + i } else { i };
            let from = place(from.unwrap_or(0)).max(0) as usize;
            let to = place(to.unwrap_or(items.len() as i64)).clamp(0, items.len() as i64) as usize;
            out.extend(items.get(from..to).into_iter().flatten());
        }
        (Step::Filter(f), Json::Array(items)) => out.extend(items.iter().filter(|v| f.passes(v))),
        (Step::Filter(f), object) => out.extend(Some(object).filter(|v| f.passes(v))),
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
fn step<'a>(text: &'a str, steps: &mut Vec<Step>, inside: bool) -> Result<&'a str, Bad> {
    if let Some(rest) = text.strip_prefix("..") {
        steps.push(Step::Deep);
        return if rest.starts_with('[') { Ok(rest) } else { key(rest, steps, inside) };
    }
    if let Some(rest) = text.strip_prefix('.') {
        return if rest.starts_with('[') { Ok(rest) } else { key(rest, steps, inside) };
    }
    let rest = text.strip_prefix('[').ok_or(Bad::Malformed)?;
    if let Some(rest) = rest.trim_start().strip_prefix("?(") {
        let (filter, rest) = Filter::parse(rest)?;
        steps.push(Step::Filter(filter));
        let rest = rest.strip_prefix(')').ok_or(Bad::Malformed)?;
        return rest.trim_start().strip_prefix(']').ok_or(Bad::Malformed);
    }
    let (mut several, mut rest) = (Vec::new(), rest.trim_start());
    loop {
        let (one, after) = match rest.chars().next().filter(|c| matches!(c, '\'' | '"')) {
            Some(quote) => {
                let body = &rest[1..];
                let end = body.find(quote).ok_or(Bad::Malformed)?;
                (Step::Key(body[..end].to_owned()), &body[end + 1..])
            }
            None => {
                let end = rest.find([',', ']']).ok_or(Bad::Malformed)?;
                (position(rest[..end].trim())?, &rest[end..])
            }
        };
        several.push(one);
        let after = after.trim_start();
        match after.strip_prefix(',') {
            Some(more) => rest = more.trim_start(),
            None => {
                let only = if several.len() == 1 { several.pop() } else { None };
                steps.push(match only {
                    Some(only) => only,
                    None => union(several)?,
                });
                return after.strip_prefix(']').ok_or(Bad::Malformed);
            }
        }
    }
}

/// Several keys, or several positions.
fn union(steps: Vec<Step>) -> Result<Step, Bad> {
    let keys: Vec<String> = steps
        .iter()
        .filter_map(|s| if let Step::Key(k) = s { Some(k.clone()) } else { None })
        .collect();
    match (keys.len(), steps.iter().all(|s| matches!(s, Step::Index(_)))) {
        (_, true) => Ok(Step::Several(steps)),
        (n, _) if n == steps.len() => Ok(Step::Keys(keys)),
        _ => Err(Bad::Malformed),
    }
}

/// `*`, `3`, `-1`, `1:3`, `:2`, `-2:`
fn position(text: &str) -> Result<Step, Bad> {
    if text == "*" {
        return Ok(Step::All);
    }
    let number = |t: &str| t.trim().parse::<i64>().map_err(|_| Bad::Malformed);
    match text.split_once(':') {
        None => number(text).map(Step::Index),
        Some((from, to)) => {
            let bound = |t: &str| if t.trim().is_empty() { Ok(None) } else { number(t).map(Some) };
            Ok(Step::Slice(bound(from)?, bound(to)?))
        }
    }
}

fn key<'a>(text: &'a str, steps: &mut Vec<Step>, inside: bool) -> Result<&'a str, Bad> {
    if let Some(rest) = text.strip_prefix('*') {
        steps.push(Step::All);
        return Ok(rest);
    }
    // A name inside a filter ends where the filter goes on.
    let stop = |c: char| {
        matches!(c, '.' | '[') || inside && (c.is_whitespace() || ")=!<>&|,]".contains(c))
    };
    let end = text.find(stop).unwrap_or(text.len());
    let name = text[..end].trim();
    if name == "length()" {
        steps.push(Step::Length);
        return Ok(&text[end..]);
    }
    if name.ends_with("()") {
        return Err(Bad::Unsupported(format!("the function {name}")));
    }
    if name.is_empty() || name.contains(['?', '(', '@']) {
        return Err(Bad::Malformed);
    }
    steps.push(Step::Key(name.trim_matches('"').to_owned()));
    Ok(&text[end..])
}
