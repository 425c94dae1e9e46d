//! Filters of JSON paths, as the library that Flink uses writes them:
//! `[?(@.price < 10 && @.category == 'fiction')]`.

use std::cmp::Ordering;

use super::doc::Json;
use super::path_tree::{Bad, Filter, Op, Operand, Path};
use crate::string::JavaRegex;

impl Filter {
    /// Reads a condition; returns what is left behind it.
    pub fn parse(text: &str) -> Result<(Self, &str), Bad> {
        let mut parser = Parser { rest: text };
        let filter = parser.any()?;
        Ok((filter, parser.rest.trim_start()))
    }

    /// Whether an element passes.
    pub fn passes(&self, element: &Json) -> bool {
        match self {
            Filter::Any(parts) => parts.iter().any(|p| p.passes(element)),
            Filter::All(parts) => parts.iter().all(|p| p.passes(element)),
            Filter::Not(inner) => !inner.passes(element),
            Filter::Exists(path) => path.get(element).is_some(),
            Filter::Compare(a, op, b) => {
                let (a, b) = (a.value(element), b.value(element));
                compare(a.as_ref(), *op, b.as_ref())
            }
            Filter::Matches(a, regex) => match a.value(element) {
                Some(Json::Text(t)) => regex.is_match(&t).unwrap_or(false),
                Some(Json::Number(n)) => regex.is_match(&n).unwrap_or(false),
                _ => false,
            },
            Filter::In(a, list, negated) => match a.value(element) {
                Some(v) => list.iter().any(|x| compare(Some(&v), Op::Eq, Some(x))) != *negated,
                None => *negated,
            },
        }
    }
}

impl Operand {
    fn value(&self, element: &Json) -> Option<Json> {
        match self {
            Operand::Path(p) => p.get(element),
            Operand::Value(v) => Some(v.clone()),
        }
    }
}

fn compare(a: Option<&Json>, op: Op, b: Option<&Json>) -> bool {
    let order = match (a, b) {
        (Some(Json::Number(x)), Some(Json::Number(y))) => numbers(x, y),
        (Some(Json::Text(x)), Some(Json::Text(y))) => Some(x.cmp(y)),
        _ => None,
    };
    let same = match (a, b) {
        (Some(Json::Number(_)), Some(Json::Number(_))) => order == Some(Ordering::Equal),
        (Some(x), Some(y)) => x == y,
        _ => false,
    };
    match op {
        Op::Eq => same,
        Op::Ne => !same,
        Op::Lt => order.is_some_and(Ordering::is_lt),
        Op::Le => order.is_some_and(Ordering::is_le),
        Op::Gt => order.is_some_and(Ordering::is_gt),
        Op::Ge => order.is_some_and(Ordering::is_ge),
    }
}

fn numbers(x: &str, y: &str) -> Option<Ordering> {
    if x == y {
        return Some(Ordering::Equal);
    }
    if let (Ok(x), Ok(y)) = (x.parse::<i64>(), y.parse::<i64>()) {
        return Some(x.cmp(&y));
    }
    x.parse::<f64>().ok()?.partial_cmp(&y.parse::<f64>().ok()?)
}

/// Operators of the library that are not built here.
const UNSUPPORTED: [&str; 10] = [
    "size", "empty", "contains", "all", "anyof", "noneof", "subsetof", "type", "matches", "before",
];

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn accept(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn any(&mut self) -> Result<Filter, Bad> {
        let mut parts = vec![self.all()?];
        while self.accept("||") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::Any(parts) })
    }

    fn all(&mut self) -> Result<Filter, Bad> {
        let mut parts = vec![self.term()?];
        while self.accept("&&") {
            parts.push(self.term()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::All(parts) })
    }

    fn term(&mut self) -> Result<Filter, Bad> {
        if self.accept("!") {
            return Ok(Filter::Not(Box::new(self.term()?)));
        }
        if self.accept("(") {
            let inner = self.any()?;
            return if self.accept(")") { Ok(inner) } else { Err(Bad::Malformed) };
        }
        let left = self.operand()?;
        const OPS: [(&str, Op); 6] = [
            ("==", Op::Eq),
            ("!=", Op::Ne),
            ("<=", Op::Le),
            (">=", Op::Ge),
            ("<", Op::Lt),
            (">", Op::Gt),
        ];
        for (token, op) in OPS {
            if self.accept(token) {
                return Ok(Filter::Compare(left, op, self.operand()?));
            }
        }
        if self.accept("=~") {
            return Ok(Filter::Matches(left, self.regex()?));
        }
        let word: String =
            self.rest.trim_start().chars().take_while(char::is_ascii_alphabetic).collect();
        match word.to_ascii_lowercase().as_str() {
            "in" | "nin" => {
                self.accept(&word);
                Ok(Filter::In(left, self.list()?, word.len() == 3))
            }
            w if UNSUPPORTED.contains(&w) => {
                Err(Bad::Unsupported(format!("the filter operator {word}")))
            }
            _ => match left {
                Operand::Path(p) => Ok(Filter::Exists(p)),
                Operand::Value(_) => Err(Bad::Malformed),
            },
        }
    }

    fn operand(&mut self) -> Result<Operand, Bad> {
        self.rest = self.rest.trim_start();
        if let Some(rest) = self.rest.strip_prefix('@') {
            let (path, rest) = Path::relative(rest)?;
            self.rest = rest;
            return Ok(Operand::Path(path));
        }
        if self.rest.starts_with('$') {
            return Err(Bad::Unsupported(
                "a filter that compares with another part of the document".into(),
            ));
        }
        self.literal().map(Operand::Value)
    }

    fn literal(&mut self) -> Result<Json, Bad> {
        self.rest = self.rest.trim_start();
        if let Some(quote) = self.rest.chars().next().filter(|c| matches!(c, '\'' | '"')) {
            let body = &self.rest[1..];
            let end = body.find(quote).ok_or(Bad::Malformed)?;
            self.rest = &body[end + 1..];
            return Ok(Json::Text(body[..end].to_owned()));
        }
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')))
            .unwrap_or(self.rest.len());
        let value = Json::parse(&self.rest[..end]).filter(Json::is_scalar).ok_or(Bad::Malformed)?;
        self.rest = &self.rest[end..];
        Ok(value)
    }

    fn list(&mut self) -> Result<Vec<Json>, Bad> {
        if !self.accept("[") {
            return Err(Bad::Malformed);
        }
        let mut out = Vec::new();
        while !self.accept("]") {
            if !out.is_empty() && !self.accept(",") {
                return Err(Bad::Malformed);
            }
            out.push(self.literal()?);
        }
        Ok(out)
    }

    /// `/pattern/flags`, which has to match the whole text.
    fn regex(&mut self) -> Result<JavaRegex, Bad> {
        if !self.accept("/") {
            return Err(Bad::Malformed);
        }
        let end = self.rest.find('/').ok_or(Bad::Malformed)?;
        let pattern = &self.rest[..end];
        let after = &self.rest[end + 1..];
        let flags: String = after.chars().take_while(char::is_ascii_alphabetic).collect();
        self.rest = &after[flags.len()..];
        let prefix = match flags.as_str() {
            "" => String::new(),
            f if f.chars().all(|c| matches!(c, 'i' | 's' | 'm' | 'x' | 'u')) => format!("(?{f})"),
            _ => return Err(Bad::Malformed),
        };
        JavaRegex::new(&format!("{prefix}\\A(?:{pattern})\\z")).map_err(|_| Bad::Malformed)
    }
}
