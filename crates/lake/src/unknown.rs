//! The error for options that nobody knows.

use weir_core::{Error, nearest};

/// The error for an unknown key, naming the most similar known one.
pub(crate) fn unknown_key(key: &str, known: impl Iterator<Item = String>, what: &str) -> Error {
    let known: Vec<String> = known.collect();
    let error = Error::option(format!("unknown {what}: '{key}'"));
    match nearest(key, known.iter().map(String::as_str)) {
        Some(k) => error.hint(format!("did you mean '{k}'?")),
        None => error.hint("remove the option"),
    }
}
