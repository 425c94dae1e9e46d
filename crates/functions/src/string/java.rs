//! Java's regular expressions.
//!
//! Most patterns run on an engine of linear time. Look-around, back-references, atomic
//! groups and possessive quantifiers need one that tries alternatives; it gives up with an
//! error after a million steps, where Java's would go on.

use std::ops::Range;

use regex::Regex;
use weir_core::{Error, Result};

/// Where a match or group is in the text.
pub(crate) type Span = Range<usize>;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(crate) enum JavaRegex {
    Linear(Regex),
    Backtracking(Box<fancy_regex::Regex>),
}

fn gave_up(e: fancy_regex::Error) -> Error {
    Error::data(format!("a regular expression takes too long: {e}"))
        .hint("write it without nested repetition behind look-around or back-references")
}

impl JavaRegex {
    /// Compiles a Java pattern.
    pub fn new(pattern: &str) -> Result<Self> {
        let translated = translate(pattern);
        Regex::new(&translated).map(JavaRegex::Linear).or_else(|e| {
            match fancy_regex::Regex::new(&translated) {
                Ok(r) => Ok(JavaRegex::Backtracking(Box::new(r))),
                Err(_) => Err(Error::data(format!("invalid regular expression '{pattern}': {e}"))),
            }
        })
    }

    /// Whether the pattern matches anywhere.
    pub fn is_match(&self, text: &str) -> Result<bool> {
        match self {
            JavaRegex::Linear(r) => Ok(r.is_match(text)),
            JavaRegex::Backtracking(r) => r.is_match(text).map_err(gave_up),
        }
    }

    /// The first match.
    pub fn find(&self, text: &str) -> Result<Option<Span>> {
        match self {
            JavaRegex::Linear(r) => Ok(r.find(text).map(|m| m.range())),
            JavaRegex::Backtracking(r) => Ok(r.find(text).map_err(gave_up)?.map(|m| m.range())),
        }
    }

    /// All matches, one behind the other.
    pub fn find_all(&self, text: &str) -> Result<Vec<Span>> {
        match self {
            JavaRegex::Linear(r) => Ok(r.find_iter(text).map(|m| m.range()).collect()),
            JavaRegex::Backtracking(r) => {
                r.find_iter(text).map(|m| m.map(|m| m.range()).map_err(gave_up)).collect()
            }
        }
    }

    /// How many matches there are.
    pub fn count(&self, text: &str) -> Result<usize> {
        match self {
            JavaRegex::Linear(r) => Ok(r.find_iter(text).count()),
            JavaRegex::Backtracking(_) => Ok(self.find_all(text)?.len()),
        }
    }

    /// A group of the first match; 0 is the whole of it.
    pub fn group(&self, text: &str, group: usize) -> Result<Option<Span>> {
        Ok(match self {
            JavaRegex::Linear(r) => r.captures(text).and_then(|c| c.get(group).map(|m| m.range())),
            JavaRegex::Backtracking(r) => {
                let found = r.captures(text).map_err(gave_up)?;
                found.and_then(|c| c.get(group).map(|m| m.range()))
            }
        })
    }

    /// A group of every match.
    pub fn group_of_all(&self, text: &str, group: usize) -> Result<Vec<Option<Span>>> {
        match self {
            JavaRegex::Linear(r) => {
                Ok(r.captures_iter(text).map(|c| c.get(group).map(|m| m.range())).collect())
            }
            JavaRegex::Backtracking(r) => r
                .captures_iter(text)
                .map(|c| c.map(|c| c.get(group).map(|m| m.range())).map_err(gave_up))
                .collect(),
        }
    }

    /// Groups of the pattern, the whole match included.
    pub fn groups(&self) -> usize {
        match self {
            JavaRegex::Linear(r) => r.captures_len(),
            JavaRegex::Backtracking(r) => r.captures_len(),
        }
    }

    /// Appends the text with every match replaced.
    pub fn replace_all(&self, text: &str, by: &str, out: &mut String) -> Result<()> {
        let mut rest = 0;
        let mut put = |span: Span| {
            out.push_str(&text[rest..span.start]);
            out.push_str(by);
            rest = span.end;
        };
        match self {
            JavaRegex::Linear(r) => r.find_iter(text).for_each(|m| put(m.range())),
            JavaRegex::Backtracking(_) => self.find_all(text)?.into_iter().for_each(put),
        }
        out.push_str(&text[rest..]);
        Ok(())
    }
}

/// Java's spelling in that of the engines here.
fn translate(pattern: &str) -> String {
    // Perl classes are ASCII in Java, Unicode here.
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut chars = pattern.chars();
    let mut in_class = 0usize;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('d') => out.push_str(if in_class > 0 { "0-9" } else { "[0-9]" }),
                Some('w') => out.push_str(if in_class > 0 { "0-9A-Za-z_" } else { "[0-9A-Za-z_]" }),
                Some('s') => {
                    out.push_str(if in_class > 0 { r" \t\n\x0B\f\r" } else { r"[ \t\n\x0B\f\r]" })
                }
                Some('D') if in_class == 0 => out.push_str("[^0-9]"),
                Some('W') if in_class == 0 => out.push_str("[^0-9A-Za-z_]"),
                Some('S') if in_class == 0 => out.push_str(r"[^ \t\n\x0B\f\r]"),
                Some('Z') => out.push('$'),
                // Java allows an escape before every character that is no letter.
                Some(c) if !c.is_ascii_alphanumeric() => {
                    out.push_str(&regex::escape(&c.to_string()))
                }
                Some(c) => {
                    out.push('\\');
                    out.push(c);
                }
                None => out.push('\\'),
            },
            '[' => {
                in_class += 1;
                out.push(c);
            }
            ']' => {
                in_class = in_class.saturating_sub(1);
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_around_matches_too() {
        let replaced = |p: &str, t: &str| {
            let mut out = String::new();
            JavaRegex::new(p).unwrap().replace_all(t, "b", &mut out).unwrap();
            out
        };
        assert_eq!(replaced("a(?=a)", "aaa"), "bba");
        assert_eq!(replaced("(?<!x)a", "xaa"), "xab");
        assert_eq!(replaced(r"(\w)\1", "xaay"), "xby");
        assert_eq!(replaced("a++", "xaay"), "xby");
        assert!(matches!(JavaRegex::new("a+b"), Ok(JavaRegex::Linear(_))));
        assert!(JavaRegex::new("(").is_err());
    }

    #[test]
    fn endless_attempts_are_an_error() {
        let r = JavaRegex::new(r"(?:(a|b|ab)*)*\1(?=c)").unwrap();
        assert!(r.is_match(&"ab".repeat(100)).is_err());
    }
}
