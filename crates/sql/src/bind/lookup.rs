//! LOOKUP hints: `/*+ LOOKUP('table' = 'dim', 'retry-predicate' = 'lookup_miss', ..) */`.

use weir_core::config::parse_duration;
use weir_core::{Error, Result};
use weir_parser::ast;
use weir_spec::{LookupHint, LookupRetry};

use super::at::At;
use super::binder::{Binder, TableHint};

const KEYS: [&str; 10] = [
    "table",
    "async",
    "output-mode",
    "capacity",
    "timeout",
    "retry-predicate",
    "retry-strategy",
    "fixed-delay",
    "max-attempts",
    "shuffle",
];

impl Binder<'_> {
    /// What the LOOKUP hint of the current SELECT says of a table of its FROM.
    pub(super) fn lookup_hint(&self, name: &str) -> LookupHint {
        let mut hints = self.hints.borrow_mut();
        match hints.lookups.iter_mut().find(|h| h.table == name) {
            Some(h) => {
                h.used = true;
                h.hint.clone()
            }
            None => LookupHint::default(),
        }
    }
}

/// Reads the LOOKUP hints of a SELECT.
pub(super) fn lookup_hints(hints: &[ast::Hint]) -> Result<Vec<TableHint>> {
    let lookups = hints.iter().filter(|h| h.name.value.eq_ignore_ascii_case("LOOKUP"));
    lookups.map(|h| table_hint(h).at(h.span)).collect()
}

/// One hint's pairs of key and value.
struct Pairs<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Pairs<'a> {
    fn of(hint: &'a ast::Hint) -> Result<Self> {
        let mut pairs = Vec::new();
        for a in &hint.args {
            let ast::HintArg::KeyValue(o) = a else {
                return Err(Error::validation("LOOKUP takes 'key' = 'value' pairs"));
            };
            let key = o.key.value.as_str();
            if !KEYS.contains(&key) {
                return Err(Error::validation(format!(
                    "unknown option '{key}' of the hint LOOKUP"
                ))
                .hint(format!("known are {}", KEYS.join(", "))));
            }
            pairs.push((key, o.value.value.as_str()));
        }
        Ok(Self(pairs))
    }

    fn get(&self, key: &str) -> Option<&'a str> {
        self.0.iter().find(|(k, _)| *k == key).map(|(_, v)| *v)
    }

    fn bad(key: &str, value: &str, expected: &str) -> Error {
        Error::validation(format!(
            "invalid value '{value}' for option '{key}' of the hint LOOKUP: expected {expected}"
        ))
    }

    fn one_of(&self, key: &str, allowed: &[&str]) -> Result<Option<&'a str>> {
        match self.get(key) {
            Some(v) if !allowed.iter().any(|a| v.eq_ignore_ascii_case(a)) => {
                Err(Self::bad(key, v, &allowed.join(" or ")))
            }
            other => Ok(other),
        }
    }

    fn flag(&self, key: &str) -> Result<bool> {
        Ok(self.one_of(key, &["true", "false"])?.is_some_and(|v| v.eq_ignore_ascii_case("true")))
    }

    fn number(&self, key: &str) -> Result<Option<u32>> {
        self.get(key)
            .map(|v| {
                let n = v.trim().parse().ok().filter(|n| *n > 0);
                n.ok_or_else(|| Self::bad(key, v, "a positive number"))
            })
            .transpose()
    }

    fn millis(&self, key: &str) -> Result<Option<i64>> {
        self.get(key)
            .map(|v| match parse_duration(v) {
                Some(d) => Ok(d.as_millis() as i64),
                None => Err(Self::bad(key, v, "a duration such as '10 s'")),
            })
            .transpose()
    }
}

fn table_hint(hint: &ast::Hint) -> Result<TableHint> {
    let pairs = Pairs::of(hint)?;
    let Some(table) = pairs.get("table") else {
        return Err(Error::validation("Invalid LOOKUP hint: 'table' is missing")
            .hint("LOOKUP('table' = 'dim', ..)"));
    };
    // Whether a lookup is asynchronous is advice to Flink's connectors: ours answer whole
    // batches at once, and a row that waits holds up no other.
    let ahead = pairs.flag("async")?;
    let mode = pairs.one_of("output-mode", &["ordered", "allow_unordered"])?;
    let (capacity, timeout) = (pairs.number("capacity")?, pairs.millis("timeout")?);
    if !ahead && (mode.is_some() || capacity.is_some() || timeout.is_some()) {
        return Err(Error::validation(
            "'output-mode', 'capacity' and 'timeout' of the hint LOOKUP need 'async' = 'true'",
        ));
    }
    let retry = retry(&pairs)?;
    let hint_value = LookupHint { retry, shuffle: pairs.flag("shuffle")? };
    Ok(TableHint { table: table.to_owned(), hint: hint_value, used: false, span: hint.span })
}

fn retry(pairs: &Pairs<'_>) -> Result<Option<LookupRetry>> {
    let predicate = pairs.one_of("retry-predicate", &["lookup_miss"])?;
    let strategy = pairs.one_of("retry-strategy", &["fixed_delay"])?;
    let (delay, attempts) = (pairs.millis("fixed-delay")?, pairs.number("max-attempts")?);
    match (predicate, strategy, delay, attempts) {
        (None, None, None, None) => Ok(None),
        (Some(_), Some(_), Some(delay), Some(attempts)) => {
            Ok(Some(LookupRetry { delay, attempts }))
        }
        _ => Err(Error::validation(
            "Invalid LOOKUP hint: 'retry-predicate', 'retry-strategy', 'fixed-delay' and 'max-attempts' belong together",
        )),
    }
}
