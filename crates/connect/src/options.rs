//! Checking of table options: nothing unknown and nothing without effect passes.

use weir_core::config::bad_value;
use weir_core::{Error, Options, Result};

/// Options that every table may carry and that the engine itself handles.
const GLOBAL: &[&str] = &["connector", "property-version", "scan.watermark.emit.strategy"];

/// Checks a table's options against those that a connector knows.
///
/// `known` holds exact names, or prefixes ending in `*`; `not_yet` names options
/// that Flink has and this version refuses.
pub fn check(options: &Options, connector: &str, known: &[&str], not_yet: &[&str]) -> Result<()> {
    for (key, _) in options.iter() {
        if GLOBAL.contains(&key) || known.iter().any(|k| matches(k, key)) {
            continue;
        }
        if not_yet.iter().any(|k| matches(k, key)) {
            return Err(Error::unsupported(format!("option '{key}' of connector '{connector}'"))
                .hint("remove the option, it would have no effect"));
        }
        let error = Error::option(format!("unknown option '{key}' of connector '{connector}'"));
        let names = known.iter().chain(GLOBAL).copied().filter(|k| !k.ends_with('*'));
        return Err(match nearest(key, names.clone()) {
            Some(n) => error.hint(format!("did you mean '{n}'?")),
            None => error.hint(format!("known are: {}", list(names))),
        });
    }
    Ok(())
}

/// A parallelism option: at least 1.
pub fn parallelism(options: &Options, key: &str) -> Result<Option<usize>> {
    match options.i64_opt(key)? {
        None => Ok(None),
        Some(n) if n > 0 => Ok(Some(n as usize)),
        Some(n) => Err(bad_value(key, &n.to_string(), "a number above 0")),
    }
}

fn matches(known: &str, key: &str) -> bool {
    match known.strip_suffix('*') {
        Some(prefix) => key.starts_with(prefix),
        None => known == key,
    }
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<&str> = names.collect();
    let mut text = all.iter().take(12).map(|n| format!("'{n}'")).collect::<Vec<_>>().join(", ");
    if all.len() > 12 {
        text.push_str(", ...");
    }
    text
}

/// The name most like `name`, if any is like it at all.
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Words may be separated in any way, and leading words left out.
    let plain = |s: &str| -> String {
        s.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let wanted = plain(name);
    candidates
        .map(|c| {
            let other = plain(c);
            let part = wanted.len() > 3
                && other.len() > 3
                && (other.ends_with(&wanted) || wanted.ends_with(&other));
            (if part { 1 } else { distance(&wanted, &other) }, c)
        })
        .min_by_key(|(d, _)| *d)
        .filter(|(d, c)| *d <= 2.max(c.len() / 3))
        .map(|(_, c)| c)
}

/// Levenshtein distance in bytes.
fn distance(a: &str, b: &str) -> usize {
    let b = b.as_bytes();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_options_name_the_nearest() {
        let o: Options = [("connector", "x"), ("rows-per-secnd", "1")]
            .map(|(a, b)| (a.into(), b.into()))
            .into_iter()
            .collect();
        let e = check(&o, "x", &["rows-per-second", "fields.*"], &["lost"]).unwrap_err();
        assert_eq!(e.message(), "unknown option 'rows-per-secnd' of connector 'x'");
        assert_eq!(e.hint_text(), Some("did you mean 'rows-per-second'?"));
        let o: Options = [("fields.a.min".to_owned(), String::new())].into_iter().collect();
        assert!(check(&o, "x", &["fields.*"], &[]).is_ok());
        let o: Options = [("lost".to_owned(), String::new())].into_iter().collect();
        assert!(check(&o, "x", &[], &["lost"]).unwrap_err().message().starts_with("not yet"));
        assert_eq!(
            nearest("startup-mode", ["scan.startup.mode", "topic"].into_iter()),
            Some("scan.startup.mode")
        );
    }
}
