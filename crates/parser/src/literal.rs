//! The text inside literals: quotes and escapes.

use std::fmt::Write;

/// Takes the quotes off and halves doubled quotes.
pub(crate) fn unquote(text: &str, quote: char) -> String {
    let inner = text.strip_prefix(quote).unwrap_or(text);
    let inner = inner.strip_suffix(quote).unwrap_or(inner);
    let mut out = String::with_capacity(inner.len());
    let mut skip = false;
    for c in inner.chars() {
        skip = c == quote && !skip;
        if !skip {
            out.push(c);
        }
    }
    out
}

/// Puts quotes around a text, doubling those inside.
pub(crate) fn quote(out: &mut String, text: &str, quote: char) {
    out.push(quote);
    for c in text.chars() {
        if c == quote {
            out.push(c);
        }
        out.push(c);
    }
    out.push(quote);
}

/// Resolves the `\XXXX` escapes of a `U&'..'` string.
pub(crate) fn decode_unicode(body: &str, escape: char) -> Result<String, String> {
    let mut units: Vec<u16> = Vec::with_capacity(body.len());
    let mut chars = body.chars();
    while let Some(c) = chars.next() {
        if c != escape {
            units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
            continue;
        }
        let mut code = String::new();
        for _ in 0..4 {
            match chars.next() {
                Some(c) if c == escape && code.is_empty() => break,
                Some(c) => code.push(c),
                None => break,
            }
        }
        if code.is_empty() {
            units.extend_from_slice(escape.encode_utf16(&mut [0; 2]));
            continue;
        }
        let digits = code.len() == 4 && code.bytes().all(|b| b.is_ascii_hexdigit());
        match u16::from_str_radix(&code, 16) {
            Ok(unit) if digits => units.push(unit),
            _ => {
                let mut why = String::new();
                let _ = write!(why, "`{escape}{code}` is no unicode escape (four hex digits)");
                return Err(why);
            }
        }
    }
    String::from_utf16(&units).map_err(|_| "the unicode escapes hold half a character".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_go_on_and_off() {
        assert_eq!(unquote("'it''s'", '\''), "it's");
        assert_eq!(unquote("''", '\''), "");
        assert_eq!(unquote("''''", '\''), "'");
        assert_eq!(unquote("''''''", '\''), "''");
        let mut out = String::new();
        quote(&mut out, "a`b", '`');
        assert_eq!(out, "`a``b`");
    }

    #[test]
    fn unicode_escapes() {
        assert_eq!(decode_unicode("\\00e9x", '\\').as_deref(), Ok("éx"));
        assert_eq!(decode_unicode("a\\\\b", '\\').as_deref(), Ok("a\\b"));
        assert_eq!(decode_unicode("!d83d!de00", '!').as_deref(), Ok("😀"));
        assert!(decode_unicode("\\12", '\\').is_err());
        assert!(decode_unicode("\\+123", '\\').is_err());
        assert!(decode_unicode("\\d83d", '\\').is_err());
    }
}
