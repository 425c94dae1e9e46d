//! Concatenation, case, length, padding, repetition, formatting.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{Int32Type, Int64Type};
use weir_core::value::values_to_array;
use weir_core::{Result, Value};

use crate::args::{Args, Kernel};
use crate::expr::Expr;
use crate::site::Site;

pub(crate) fn kernel(site: &Site<'_>) -> Result<Option<Kernel>> {
    Ok(Some(match site.name {
        "||" if site.ret.is_binary() => Arc::new(|a| {
            let (x, y) = (a.bytes(0)?, a.bytes(1)?);
            a.binary(|i, out| {
                out.extend_from_slice(x.get(i));
                out.extend_from_slice(y.get(i));
                Ok(true)
            })
        }),
        "||" | "CONCAT" if !matches!(site.ret.kind, weir_core::TypeKind::Array(_)) => {
            Arc::new(concat)
        }
        "CONCAT_WS" => Arc::new(concat_ws),
        "CHAR_LENGTH" => Arc::new(|a| {
            let s = a.strs(0)?;
            Ok(Arc::new(a.plain::<Int32Type>(|i| chars(s.get(i)) as i32)))
        }),
        "OCTET_LENGTH" => Arc::new(|a| {
            let s = a.bytes(0)?;
            Ok(Arc::new(a.plain::<Int32Type>(|i| s.get(i).len() as i32)))
        }),
        "UPPER" => cut_literal(
            site,
            map_text(|s, out| {
                if s.is_ascii() {
                    let start = out.len();
                    out.push_str(s);
                    out[start..].make_ascii_uppercase();
                } else {
                    out.push_str(&s.to_uppercase());
                }
            }),
        ),
        "LOWER" => cut_literal(
            site,
            map_text(|s, out| {
                if s.is_ascii() {
                    let start = out.len();
                    out.push_str(s);
                    out[start..].make_ascii_lowercase();
                } else {
                    out.push_str(&s.to_lowercase());
                }
            }),
        ),
        "INITCAP" => map_text(initcap),
        "REVERSE" => map_text(|s, out| out.extend(s.chars().rev())),
        "REPEAT" => Arc::new(|a| {
            let (s, n) = (a.strs(0)?, a.nums::<Int32Type>(1)?);
            a.text(|i, out| {
                (0..n.get(i)).for_each(|_| out.push_str(s.get(i)));
                Ok(true)
            })
        }),
        "LPAD" => Arc::new(|a| pad(a, true)),
        "RPAD" => Arc::new(|a| pad(a, false)),
        "ASCII" => Arc::new(|a| {
            let s = a.strs(0)?;
            Ok(Arc::new(a.plain::<Int32Type>(|i| {
                s.get(i).as_bytes().first().map_or(0, |b| i32::from(*b as i8))
            })))
        }),
        "CHR" => Arc::new(|a| {
            let n = a.nums::<Int64Type>(0)?;
            a.text(|i, out| {
                let n = n.get(i);
                if n >= 0 {
                    out.push(char::from((n & 0xff) as u8));
                }
                Ok(true)
            })
        }),
        "ELT" if site.ret.is_binary() => Arc::new(elt_binary),
        "ELT" => Arc::new(elt),
        "IS_ALPHA" => predicate(|s| !s.is_empty() && s.chars().all(char::is_alphabetic)),
        "IS_DIGIT" => predicate(|s| !s.is_empty() && s.chars().all(|c| c.is_numeric())),
        "IS_DECIMAL" => predicate(|s| crate::cast::text::decimal_of(s, 38, 10).is_ok()),
        _ => return Ok(None),
    }))
}

/// Number of characters.
#[inline]
pub(crate) fn chars(s: &str) -> usize {
    // Continuation bytes do not start a character.
    s.as_bytes().iter().filter(|b| (**b as i8) >= -0x40).count()
}

/// The upper or lower case of a literal may be longer than its CHAR(n): Flink folds the
/// call to a literal of that type, which cuts it.
fn cut_literal(site: &Site<'_>, kernel: Kernel) -> Kernel {
    use weir_core::TypeKind::{Char, Varchar};
    let (Char(n) | Varchar(n)) = site.ret.kind else { return kernel };
    let written = match site.args.first() {
        Some(Expr::Cast { arg, .. }) => arg,
        Some(other) => other,
        None => return kernel,
    };
    if !matches!(written, Expr::Literal { value: Value::String(s), .. } if !s.is_ascii()) {
        return kernel;
    }
    Arc::new(move |a| {
        let full = kernel(a)?;
        let text = arrow::array::AsArray::as_string::<i32>(&full);
        a.text(|i, out| {
            out.extend(text.value(i).chars().take(n as usize));
            Ok(true)
        })
    })
}

fn map_text(f: fn(&str, &mut String)) -> Kernel {
    Arc::new(move |a| {
        let s = a.strs(0)?;
        a.text(|i, out| {
            f(s.get(i), out);
            Ok(true)
        })
    })
}

fn concat(a: &Args<'_>) -> Result<ArrayRef> {
    let parts = (0..a.len()).map(|i| a.strs(i)).collect::<Result<Vec<_>>>()?;
    a.text(|i, out| {
        parts.iter().for_each(|p| out.push_str(p.get(i)));
        Ok(true)
    })
}

/// NULL arguments are skipped; a NULL separator gives NULL.
fn concat_ws(a: &Args<'_>) -> Result<ArrayRef> {
    let parts = (0..a.len()).map(|i| a.strs(i)).collect::<Result<Vec<_>>>()?;
    a.text_all(|i, out| {
        if parts[0].is_null(i) {
            return Ok(false);
        }
        let mut first = true;
        for p in parts[1..].iter().filter(|p| !p.is_null(i)) {
            if !first {
                out.push_str(parts[0].get(i));
            }
            first = false;
            out.push_str(p.get(i));
        }
        Ok(true)
    })
}

fn initcap(s: &str, out: &mut String) {
    let mut start = true;
    for c in s.chars() {
        let word = c.is_alphanumeric();
        if word && start {
            out.extend(c.to_uppercase());
        } else {
            out.extend(c.to_lowercase());
        }
        start = !word;
    }
}

fn pad(a: &Args<'_>, left: bool) -> Result<ArrayRef> {
    let (s, n, p) = (a.strs(0)?, a.nums::<Int32Type>(1)?, a.strs(2)?);
    a.text(|i, out| {
        let (s, p) = (s.get(i), p.get(i));
        let Ok(n) = usize::try_from(n.get(i)) else { return Ok(false) };
        // An empty pad makes no text, even where none is needed.
        if p.is_empty() {
            return Ok(false);
        }
        let have = chars(s);
        if have >= n {
            out.extend(s.chars().take(n));
            return Ok(true);
        }
        let fill = p.chars().cycle().take(n - have);
        if left {
            out.extend(fill);
            out.push_str(s);
        } else {
            out.push_str(s);
            out.extend(fill);
        }
        Ok(true)
    })
}

/// Which argument ELT(n, a, b, ..) picks in a row, if any.
fn elt_at(index: &crate::args::Nums<'_, Int32Type>, i: usize) -> Option<usize> {
    if index.is_null(i) {
        return None;
    }
    usize::try_from(index.get(i)).ok()?.checked_sub(1)
}

fn elt_binary(a: &Args<'_>) -> Result<ArrayRef> {
    let index = a.nums::<Int32Type>(0)?;
    let values: Vec<Value> = (0..a.rows)
        .map(|i| match elt_at(&index, i).filter(|n| n + 1 < a.len()) {
            Some(n) => Value::from_array(a.col(n + 1), a.at(n + 1, i)),
            None => Value::Null,
        })
        .collect();
    values_to_array(&values, a.ret)
}

fn elt(a: &Args<'_>) -> Result<ArrayRef> {
    let index = a.nums::<Int32Type>(0)?;
    let parts = (1..a.len()).map(|i| a.strs(i)).collect::<Result<Vec<_>>>()?;
    a.text_all(|i, out| {
        match elt_at(&index, i).and_then(|n| parts.get(n)).filter(|p| !p.is_null(i)) {
            Some(p) => out.push_str(p.get(i)),
            None => return Ok(false),
        }
        Ok(true)
    })
}

fn predicate(f: fn(&str) -> bool) -> Kernel {
    Arc::new(move |a| {
        // A number is judged by its text.
        let text = crate::cast::cast_column(
            a.cols[0].array(),
            &a.types[0],
            &weir_core::DataType::string(),
            false,
            a.ctx,
        )?;
        let s = arrow::array::AsArray::as_string::<i32>(&text);
        let values = (0..a.rows).map(|i| Some(s.is_valid(i) && f(s.value(i))));
        Ok(Arc::new(values.collect::<arrow::array::BooleanArray>()))
    })
}
