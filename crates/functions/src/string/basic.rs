//! Concatenation, case, length, padding, repetition, formatting.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{Int32Type, Int64Type};
use weir_core::value::values_to_array;
use weir_core::{Error, Result, Value};

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
        "PRINTF" => Arc::new(printf),
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
        let have = chars(s);
        if have >= n {
            out.extend(s.chars().take(n));
            return Ok(true);
        }
        if p.is_empty() {
            return Ok(false);
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

/// Java's format strings: %d %s %f %e %x %c %b %n %% with flags, width, precision.
fn printf(a: &Args<'_>) -> Result<ArrayRef> {
    let format = a.strs(0)?;
    a.text_all(|i, out| {
        if format.is_null(i) {
            return Ok(false);
        }
        let values: Vec<Value> =
            (1..a.len()).map(|n| Value::from_array(a.col(n), a.at(n, i))).collect();
        let texts: Vec<Option<String>> = (1..a.len())
            .map(|n| crate::format::format_value(a.col(n), a.at(n, i), &a.types[n], a.ctx.zone))
            .collect();
        Ok(format_java(format.get(i), &values, &texts, out).is_ok())
    })
}

fn format_java(
    format: &str,
    values: &[Value],
    texts: &[Option<String>],
    out: &mut String,
) -> Result<()> {
    let mut next = 0;
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let spec = &rest[at + 1..];
        let end = spec
            .find(|c: char| c.is_ascii_alphabetic() || c == '%')
            .ok_or_else(|| Error::data(format!("unknown format '%{spec}'")))?;
        let (flags, conversion) = (&spec[..end], spec.as_bytes()[end]);
        rest = &spec[end + 1..];
        let piece = match conversion {
            b'%' => "%".to_owned(),
            b'n' => "\n".to_owned(),
            _ => {
                let (flags, index) = match flags.split_once('$') {
                    Some((n, f)) => (f, n.parse::<usize>().ok().and_then(|n| n.checked_sub(1))),
                    None => {
                        next += 1;
                        (flags, Some(next - 1))
                    }
                };
                let pair = index.and_then(|n| Some((values.get(n)?, texts.get(n)?)));
                let (value, text) = pair.ok_or_else(|| Error::data("too few arguments"))?;
                convert(conversion, flags, value, text.as_deref())?
            }
        };
        out.push_str(&piece);
    }
    out.push_str(rest);
    Ok(())
}

fn convert(conversion: u8, flags: &str, value: &Value, text: Option<&str>) -> Result<String> {
    let left = flags.contains('-');
    let digits = flags.trim_start_matches(['-', '+', ' ', '#', ',', '(']);
    let zero = digits.starts_with('0');
    let (width, precision) = digits.split_once('.').unwrap_or((digits, ""));
    let width: usize = width.trim_start_matches('0').parse().unwrap_or(0);
    let precision: Option<usize> = precision.parse().ok();
    let number = || match value {
        Value::Int(x) => Ok(*x as f64),
        Value::Float(x) => Ok(f64::from(*x)),
        Value::Double(x) => Ok(*x),
        _ => Err(Error::data("a format for numbers got another value")),
    };
    let mut body = match (conversion, value) {
        (_, Value::Null) => "null".to_owned(),
        (b'd', Value::Int(x)) if flags.contains(',') => grouped(&x.to_string()),
        (b'd', Value::Int(x)) => x.to_string(),
        (b'x', Value::Int(x)) => format!("{x:x}"),
        (b'X', Value::Int(x)) => format!("{x:X}"),
        (b'o', Value::Int(x)) => format!("{x:o}"),
        (b'f', _) => {
            let t = format!("{:.*}", precision.unwrap_or(6), number()?);
            if flags.contains(',') { grouped(&t) } else { t }
        }
        (b'e', _) => java_exponent(&format!("{:.*e}", precision.unwrap_or(6), number()?)),
        (b's' | b'S', Value::Boolean(b)) => b.to_string(),
        (b's' | b'S', _) => {
            let t: String =
                text.unwrap_or("null").chars().take(precision.unwrap_or(usize::MAX)).collect();
            if conversion == b'S' { t.to_uppercase() } else { t }
        }
        (b'b', Value::Boolean(b)) => b.to_string(),
        (b'b', _) => "true".to_owned(),
        (b'c', Value::Int(x)) => {
            u32::try_from(*x).ok().and_then(char::from_u32).map_or_else(String::new, String::from)
        }
        _ => return Err(Error::data(format!("format %{} does not fit", conversion as char))),
    };
    if flags.contains('+') && matches!(conversion, b'd' | b'f' | b'e') && !body.starts_with('-') {
        body.insert(0, '+');
    }
    let missing = width.saturating_sub(body.chars().count());
    Ok(match (left, zero) {
        (true, _) => body + &" ".repeat(missing),
        (_, true) if body.starts_with(['-', '+']) => {
            format!("{}{}{}", &body[..1], "0".repeat(missing), &body[1..])
        }
        (_, true) => "0".repeat(missing) + &body,
        _ => " ".repeat(missing) + &body,
    })
}

/// An exponent with a sign and at least two digits, as Java writes it.
fn java_exponent(text: &str) -> String {
    let Some((mantissa, exponent)) = text.split_once('e') else { return text.to_owned() };
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |d| ('-', d));
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// Thousands separators in the whole part.
fn grouped(text: &str) -> String {
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(w, f)| (w, Some(f)));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |w| ("-", w));
    let mut out = sign.to_owned();
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    if let Some(f) = fraction {
        out.push('.');
        out.push_str(f);
    }
    out
}
