//! Key-value options of tables and sessions, with Flink's spellings of values.

use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Options in declaration order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options(IndexMap<String, String>);

impl Options {
    /// No options.
    pub fn new() -> Self {
        Self::default()
    }
    /// The raw text of an option.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }
    /// Sets an option, keeping its place if it exists.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.insert(key.into(), value.into());
    }
    /// Removes an option.
    pub fn remove(&mut self, key: &str) -> Option<String> {
        self.0.shift_remove(key)
    }
    /// All options in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }
    /// Number of options.
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// The options whose key starts with `prefix`, with the prefix cut off.
    pub fn with_prefix(&self, prefix: &str) -> Options {
        self.iter()
            .filter_map(|(k, v)| Some((k.strip_prefix(prefix)?.to_owned(), v.to_owned())))
            .collect()
    }
    /// A mandatory option.
    pub fn require(&self, key: &str) -> Result<&str> {
        self.get(key).ok_or_else(|| {
            Error::option(format!("missing required option '{key}'"))
                .hint(format!("add '{key}' = '...' to the WITH clause"))
        })
    }
    /// A boolean option (`true` / `false`, any case).
    pub fn bool_or(&self, key: &str, default: bool) -> Result<bool> {
        match self.get(key) {
            None => Ok(default),
            Some(v) if v.eq_ignore_ascii_case("true") => Ok(true),
            Some(v) if v.eq_ignore_ascii_case("false") => Ok(false),
            Some(v) => Err(bad_value(key, v, "true or false")),
        }
    }
    /// An integer option.
    pub fn i64_opt(&self, key: &str) -> Result<Option<i64>> {
        self.get(key)
            .map(|v| v.trim().parse().map_err(|_| bad_value(key, v, "an integer")))
            .transpose()
    }
    /// A duration option in Flink's spelling (`10 s`, `1min`, `500ms`, a bare number = ms).
    pub fn duration_opt(&self, key: &str) -> Result<Option<Duration>> {
        self.get(key)
            .map(|v| {
                parse_duration(v).ok_or_else(|| bad_value(key, v, "a duration such as '10 s'"))
            })
            .transpose()
    }
    /// A memory size option in bytes (`64 kb`, `128mb`).
    pub fn memory_opt(&self, key: &str) -> Result<Option<u64>> {
        self.get(key)
            .map(|v| parse_memory(v).ok_or_else(|| bad_value(key, v, "a size such as '64 mb'")))
            .transpose()
    }
}

impl FromIterator<(String, String)> for Options {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(iter: T) -> Self {
        Self(iter.into_iter().collect())
    }
}

/// The error for a value that an option cannot have.
pub fn bad_value(key: &str, value: &str, expected: &str) -> Error {
    Error::option(format!("invalid value '{value}' for option '{key}': expected {expected}"))
}

/// Parses Flink's durations; a bare number is milliseconds.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text)?;
    let millis = match unit.as_str() {
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => 1.0,
        "ns" | "nano" | "nanos" | "nanosecond" | "nanoseconds" => 1e-6,
        "us" | "µs" | "micro" | "micros" | "microsecond" | "microseconds" => 1e-3,
        "s" | "sec" | "secs" | "second" | "seconds" => 1e3,
        "m" | "min" | "minute" | "minutes" => 6e4,
        "h" | "hour" | "hours" => 3.6e6,
        "d" | "day" | "days" => 8.64e7,
        _ => return None,
    };
    Some(Duration::from_nanos((number as f64 * millis * 1e6) as u64))
}

/// Parses Flink's memory sizes into bytes; a bare number is bytes.
pub fn parse_memory(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text)?;
    let factor = match unit.as_str() {
        "" | "b" | "bytes" => 1,
        "k" | "kb" | "kibibytes" => 1 << 10,
        "m" | "mb" | "mebibytes" => 1 << 20,
        "g" | "gb" | "gibibytes" => 1 << 30,
        "t" | "tb" | "tebibytes" => 1u64 << 40,
        _ => return None,
    };
    number.checked_mul(factor)
}

fn split_unit(text: &str) -> Option<(u64, String)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number = text[..digits].parse().ok()?;
    Some((number, text[digits..].trim().to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes() {
        assert_eq!(parse_duration("10 s"), Some(Duration::from_secs(10)));
        assert_eq!(parse_duration("60000"), Some(Duration::from_secs(60)));
        assert_eq!(parse_duration("1min"), Some(Duration::from_secs(60)));
        assert_eq!(parse_duration("x"), None);
        assert_eq!(parse_memory("64 kb"), Some(65536));
        assert_eq!(parse_memory("1 zb"), None);
    }

    #[test]
    fn boolean_values_are_checked() {
        let o: Options = [("a".to_owned(), "TRUE".to_owned()), ("b".to_owned(), "yes".to_owned())]
            .into_iter()
            .collect();
        assert!(o.bool_or("a", false).unwrap());
        assert!(o.bool_or("b", false).is_err());
    }
}
