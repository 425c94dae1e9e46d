//! Substrings and positions, counted in characters from 1.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::Int32Type;
use weir_core::Result;

use super::basic::chars;
use crate::args::{Args, Kernel, Strs};
use crate::site::Site;

pub(crate) fn kernel(site: &Site<'_>) -> Result<Option<Kernel>> {
    Ok(Some(match site.name {
        "SUBSTRING" => Arc::new(substring),
        "LEFT" => Arc::new(|a| {
            let (s, n) = (a.strs(0)?, a.nums::<Int32Type>(1)?);
            a.text(|i, out| {
                out.push_str(slice(s.get(i), 0, n.get(i).max(0) as usize));
                Ok(true)
            })
        }),
        "RIGHT" => Arc::new(|a| {
            let (s, n) = (a.strs(0)?, a.nums::<Int32Type>(1)?);
            a.text(|i, out| {
                let (s, n) = (s.get(i), n.get(i).max(0) as usize);
                out.push_str(slice(s, chars(s).saturating_sub(n), n));
                Ok(true)
            })
        }),
        "POSITION" | "LOCATE" => Arc::new(|a| position(a, 0, 1)),
        "INSTR" => Arc::new(instr),
        "OVERLAY" => Arc::new(overlay),
        "REPLACE" => Arc::new(|a| {
            let (s, from, to) = (a.strs(0)?, a.strs(1)?, a.strs(2)?);
            a.text(|i, out| {
                replace_into(s.get(i), from.get(i), to.get(i), out);
                Ok(true)
            })
        }),
        "TRANSLATE" => Arc::new(translate),
        "STARTSWITH" => Arc::new(|a| {
            let (s, p) = (a.bytes(0)?, a.bytes(1)?);
            Ok(Arc::new(a.boolean(|i| s.get(i).starts_with(p.get(i)))))
        }),
        "ENDSWITH" => Arc::new(|a| {
            let (s, p) = (a.bytes(0)?, a.bytes(1)?);
            Ok(Arc::new(a.boolean(|i| s.get(i).ends_with(p.get(i)))))
        }),
        _ => return Ok(None),
    }))
}

/// `len` characters from character `start`.
pub(crate) fn slice(s: &str, start: usize, len: usize) -> &str {
    if s.is_ascii() {
        let start = start.min(s.len());
        return &s[start..start.saturating_add(len).min(s.len())];
    }
    let at = |s: &str, n: usize| s.char_indices().nth(n).map_or(s.len(), |(i, _)| i);
    let rest = &s[at(s, start)..];
    &rest[..at(rest, len)]
}

/// SUBSTRING(s, start[, length]): start 0 counts as 1, a negative one from the end.
fn substring(a: &Args<'_>) -> Result<ArrayRef> {
    let (s, start) = (a.strs(0)?, a.nums::<Int32Type>(1)?);
    let len = if a.len() > 2 { Some(a.nums::<Int32Type>(2)?) } else { None };
    a.text(|i, out| {
        let (s, start) = (s.get(i), i64::from(start.get(i)));
        let len = len.map_or(i64::MAX, |l| l.get(i).into());
        if len < 0 {
            return Ok(false);
        }
        let from = match start {
            0 => 0,
            n if n > 0 => n - 1,
            n => chars(s) as i64 + n,
        };
        if from >= 0 {
            out.push_str(slice(s, from as usize, len as usize));
        }
        Ok(true)
    })
}

/// Position of the `from`-th or a later occurrence, 0 if there is none.
fn find_from(haystack: &str, needle: &str, from: i32) -> i32 {
    if needle.is_empty() {
        return 1;
    }
    let skip = from.max(1) as usize - 1;
    let Some((at, _)) = haystack.char_indices().chain([(haystack.len(), ' ')]).nth(skip) else {
        return 0;
    };
    haystack[at..].find(needle).map_or(0, |b| (chars(&haystack[..at + b]) + 1) as i32)
}

fn position(a: &Args<'_>, needle: usize, haystack: usize) -> Result<ArrayRef> {
    let (n, h) = (a.strs(needle)?, a.strs(haystack)?);
    let from = if a.len() > 2 { Some(a.nums::<Int32Type>(2)?) } else { None };
    Ok(Arc::new(
        a.plain::<Int32Type>(|i| find_from(h.get(i), n.get(i), from.map_or(1, |f| f.get(i)))),
    ))
}

/// INSTR(s, sub[, start[, nth]]); a negative start searches backwards.
fn instr(a: &Args<'_>) -> Result<ArrayRef> {
    let (s, sub) = (a.strs(0)?, a.strs(1)?);
    let start = if a.len() > 2 { Some(a.nums::<Int32Type>(2)?) } else { None };
    let nth = if a.len() > 3 { Some(a.nums::<Int32Type>(3)?) } else { None };
    Ok(Arc::new(a.plain::<Int32Type>(|i| {
        let start = start.map_or(1, |x| x.get(i));
        let nth = nth.map_or(1, |x| x.get(i));
        find_nth(s.get(i), sub.get(i), start, nth)
    })))
}

fn find_nth(s: &str, sub: &str, start: i32, nth: i32) -> i32 {
    if start == 0 || nth <= 0 {
        return 0;
    }
    let text: Vec<char> = s.chars().collect();
    let wanted: Vec<char> = sub.chars().collect();
    let hit = |at: usize| text[at..].starts_with(&wanted);
    let last = text.len().checked_sub(wanted.len());
    let Some(last) = last else { return 0 };
    let found = if start > 0 {
        (start as usize - 1..=last).filter(|at| hit(*at)).nth(nth as usize - 1)
    } else {
        let from = text.len() as i64 + i64::from(start);
        let Ok(from) = usize::try_from(from) else { return 0 };
        (0..=from.min(last)).rev().filter(|at| hit(*at)).nth(nth as usize - 1)
    };
    found.map_or(0, |at| at as i32 + 1)
}

/// OVERLAY(s, replacement, start[, length]).
fn overlay(a: &Args<'_>) -> Result<ArrayRef> {
    let (s, r, start) = (a.strs(0)?, a.strs(1)?, a.nums::<Int32Type>(2)?);
    let len = if a.len() > 3 { Some(a.nums::<Int32Type>(3)?) } else { None };
    a.text(|i, out| {
        let (s, r, start) = (s.get(i), r.get(i), i64::from(start.get(i)));
        let n = chars(s) as i64;
        if start <= 0 || start > n {
            out.push_str(s);
            return Ok(true);
        }
        let len = len.map_or(chars(r) as i64, |l| l.get(i).into());
        out.push_str(slice(s, 0, start as usize - 1));
        out.push_str(r);
        // As Flink: a length of 0 drops the rest.
        if len > 0 && start + len <= n {
            out.push_str(slice(s, (start - 1 + len) as usize, usize::MAX));
        }
        Ok(true)
    })
}

fn replace_into(s: &str, from: &str, to: &str, out: &mut String) {
    let mut last = 0;
    for (at, part) in s.match_indices(from) {
        out.push_str(&s[last..at]);
        out.push_str(to);
        last = at + part.len();
    }
    out.push_str(&s[last..]);
}

fn or_none<'a>(text: &Strs<'a>, i: usize) -> &'a str {
    if text.is_null(i) { "" } else { text.get(i) }
}

/// Replaces characters of `from` by those of `to`; surplus ones vanish. NULL of these two is
/// no character.
fn translate(a: &Args<'_>) -> Result<ArrayRef> {
    let (s, from, to) = (a.strs(0)?, a.strs(1)?, a.strs(2)?);
    a.text_all(|i, out| {
        if s.is_null(i) {
            return Ok(false);
        }
        let (from, to) = (or_none(&from, i), or_none(&to, i));
        for c in s.get(i).chars() {
            match from.chars().position(|f| f == c) {
                None => out.push(c),
                Some(at) => out.extend(to.chars().nth(at)),
            }
        }
        Ok(true)
    })
}
