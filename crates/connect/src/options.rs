//! Checking of table options: nothing unknown and nothing without effect passes.

use weir_core::config::bad_value;
use weir_core::{Error, Options, Result, nearest};

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
    }
}
