//! PRINTF: Java's format strings over Flink's internal values.
//!
//! The formatter sees what Flink's runtime holds: a DATE is its days, a TIME its milliseconds,
//! an INTERVAL its months or milliseconds. What Java's formatter would refuse makes the result
//! NULL.

use std::sync::Arc;

use arrow::array::ArrayRef;
use weir_core::{Error, Result, TypeKind, Value};

use crate::args::{Args, Kernel};
use crate::context::Zone;
use crate::format::{format_value, write_double, write_float};
use crate::site::Site;

pub(crate) fn kernel(site: &Site<'_>) -> Result<Option<Kernel>> {
    Ok((site.name == "PRINTF").then(|| Arc::new(printf) as Kernel))
}

fn printf(a: &Args<'_>) -> Result<ArrayRef> {
    let format = a.strs(0)?;
    a.text_all(|i, out| {
        if format.is_null(i) {
            return Ok(false);
        }
        let args: Vec<Arg> = (1..a.len()).map(|n| argument(a, n, i)).collect();
        Ok(format_into(format.get(i), &args, out).is_ok())
    })
}

/// An argument as Java's formatter sees it.
enum Arg {
    Null,
    Boolean(bool),
    /// An integer and its width in bits.
    Int(i64, u32),
    Float(f32),
    Double(f64),
    /// What only has a text.
    Text(String),
}

fn argument(a: &Args<'_>, n: usize, row: usize) -> Arg {
    let (row, ty) = (a.at(n, row), &a.types[n]);
    match Value::from_array(a.col(n), row) {
        Value::Null => Arg::Null,
        Value::Boolean(b) => Arg::Boolean(b),
        Value::Int(x) => Arg::Int(
            x,
            match ty.kind {
                TypeKind::TinyInt => 8,
                TypeKind::SmallInt => 16,
                TypeKind::Int => 32,
                _ => 64,
            },
        ),
        Value::Date(x) | Value::Time(x) | Value::Months(x) => Arg::Int(x.into(), 32),
        Value::Millis(x) => Arg::Int(x, 64),
        Value::Float(x) => Arg::Float(x),
        Value::Double(x) => Arg::Double(x),
        Value::Timestamp(_) => {
            Arg::Text(iso(&format_value(a.col(n), row, ty, Zone::UTC).unwrap_or_default()))
        }
        _ => Arg::Text(format_value(a.col(n), row, ty, a.ctx.zone).unwrap_or_default()),
    }
}

/// A timestamp as `LocalDateTime.toString` writes it: no seconds if there are none, the
/// fraction in groups of three digits.
fn iso(text: &str) -> String {
    let text = text.replacen(' ', "T", 1);
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let digits = fraction.trim_end_matches('0').len().div_ceil(3) * 3;
    if digits > 0 {
        return format!("{whole}.{fraction:0<digits$.digits$}");
    }
    whole.strip_suffix(":00").unwrap_or(whole).to_owned()
}

fn format_into(format: &str, args: &[Arg], out: &mut String) -> Result<()> {
    let (mut next, mut last) = (0, None);
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let (spec, after) = Spec::parse(&rest[at + 1..])?;
        rest = after;
        let body = match spec.conversion {
            '%' => "%".to_owned(),
            'n' => "\n".to_owned(),
            _ => {
                let index = match spec.index {
                    Index::Next => {
                        next += 1;
                        next - 1
                    }
                    Index::Last => last.ok_or_else(unfit)?,
                    Index::At(n) => n,
                };
                last = Some(index);
                spec.convert(args.get(index).ok_or_else(unfit)?)?
            }
        };
        spec.justify(&body, out);
    }
    out.push_str(rest);
    Ok(())
}

/// Java throws one of its many IllegalFormatExceptions.
fn unfit() -> Error {
    Error::data("the format does not fit its arguments")
}

enum Index {
    Next,
    Last,
    At(usize),
}

/// `%[index$][flags][width][.precision]conversion`
struct Spec {
    index: Index,
    flags: String,
    width: usize,
    precision: Option<usize>,
    conversion: char,
    upper: bool,
}

impl Spec {
    fn parse(text: &str) -> Result<(Spec, &str)> {
        let (mut index, mut rest) = (Index::Next, text);
        let digits = |s: &str| s.find(|c: char| !c.is_ascii_digit()).unwrap_or(s.len());
        let n = digits(rest);
        if n > 0 && rest[n..].starts_with('$') {
            let at: usize = rest[..n].parse().map_err(|_| unfit())?;
            index = Index::At(at.checked_sub(1).ok_or_else(unfit)?);
            rest = &rest[n + 1..];
        } else if let Some(after) = rest.strip_prefix('<') {
            (index, rest) = (Index::Last, after);
        }
        let n = rest.find(|c| !"-#+ 0,(".contains(c)).unwrap_or(rest.len());
        let (flags, after) = rest.split_at(n);
        let n = digits(after);
        let width = if n > 0 { Some(after[..n].parse().map_err(|_| unfit())?) } else { None };
        rest = &after[n..];
        let mut precision = None;
        if let Some(after) = rest.strip_prefix('.') {
            let n = digits(after);
            precision = Some(after[..n].parse().map_err(|_| unfit())?);
            rest = &after[n..];
        }
        let mut chars = rest.chars();
        let conversion = chars.next().ok_or_else(unfit)?;
        let upper = "BHSCXEG".contains(conversion);
        let conversion = if upper { conversion.to_ascii_lowercase() } else { conversion };
        let spec = Spec {
            index,
            flags: flags.to_owned(),
            width: width.unwrap_or(0),
            precision,
            conversion,
            upper,
        };
        spec.check(width.is_some())?;
        Ok((spec, chars.as_str()))
    }

    fn has(&self, flag: char) -> bool {
        self.flags.contains(flag)
    }

    fn check(&self, width: bool) -> Result<()> {
        let allowed = match self.conversion {
            'd' => "-+ 0,(",
            'f' => "-#+ 0,(",
            'e' => "-#+ 0(",
            'g' => "-+ 0,(",
            'x' | 'o' => "-#0",
            's' | 'b' | 'h' | 'c' | '%' => "-",
            'n' => "",
            _ => return Err(unfit()),
        };
        let no_precision = matches!(self.conversion, 'd' | 'x' | 'o' | 'c' | '%' | 'n');
        let bad = self.flags.chars().any(|f| !allowed.contains(f))
            || (self.has('-') || self.has('0')) && !width
            || self.has('-') && self.has('0')
            || self.has('+') && self.has(' ')
            || self.precision.is_some() && no_precision
            || self.conversion == 'n' && width;
        if bad { Err(unfit()) } else { Ok(()) }
    }

    fn convert(&self, arg: &Arg) -> Result<String> {
        let body = match (self.conversion, arg) {
            ('b', Arg::Null) => self.cut("false"),
            ('b', Arg::Boolean(b)) => self.cut(&b.to_string()),
            ('b', _) => self.cut("true"),
            (_, Arg::Null) => self.cut("null"),
            ('s', arg) => self.cut(&text_of(arg)),
            ('h', arg) => self.cut(&hash_of(arg).ok_or_else(unfit)?),
            ('c', Arg::Int(x, 8..=32)) => {
                u32::try_from(*x).ok().and_then(char::from_u32).ok_or_else(unfit)?.to_string()
            }
            ('d', Arg::Int(x, _)) => self.signed(*x < 0, x.unsigned_abs().to_string()),
            ('x' | 'o', Arg::Int(x, bits)) => self.unsigned(*x, *bits),
            ('f' | 'e' | 'g', Arg::Float(x)) => self.floating((*x).into()),
            ('f' | 'e' | 'g', Arg::Double(x)) => self.floating(*x),
            _ => return Err(unfit()),
        };
        Ok(if self.upper { body.to_uppercase() } else { body })
    }

    fn cut(&self, text: &str) -> String {
        text.chars().take(self.precision.unwrap_or(usize::MAX)).collect()
    }

    /// Two's complement in the width of the type.
    fn unsigned(&self, x: i64, bits: u32) -> String {
        let mask = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
        let x = x as u64 & mask;
        let (prefix, digits) = match self.conversion {
            'x' => ("0x", format!("{x:x}")),
            _ => ("0", format!("{x:o}")),
        };
        let prefix = if self.has('#') { prefix } else { "" };
        let width = if self.has('0') { self.width.saturating_sub(prefix.len()) } else { 0 };
        format!("{prefix}{digits:0>width$}")
    }

    fn floating(&self, x: f64) -> String {
        if x.is_nan() {
            return "NaN".to_owned();
        }
        let negative = x.is_sign_negative();
        if x.is_infinite() {
            let sign = self.sign(negative);
            return format!("{}Infinity{}", sign.0, sign.1);
        }
        let precision = self.precision.unwrap_or(6);
        let digits = Digits::of(x.abs());
        let magnitude = match self.conversion {
            'f' => digits.plain(precision),
            'e' => digits.scientific(precision),
            _ => digits.general(precision.max(1)),
        };
        self.signed(negative, magnitude)
    }

    fn sign(&self, negative: bool) -> (&'static str, &'static str) {
        match negative {
            true if self.has('(') => ("(", ")"),
            true => ("-", ""),
            false if self.has('+') => ("+", ""),
            false if self.has(' ') => (" ", ""),
            false => ("", ""),
        }
    }

    /// A magnitude with its sign, thousands separators and leading zeros.
    fn signed(&self, negative: bool, magnitude: String) -> String {
        let (before, after) = self.sign(negative);
        let grouping = self.has(',') && !magnitude.contains('e');
        let magnitude = if grouping { grouped(&magnitude) } else { magnitude };
        let used = before.len() + after.len();
        let width = if self.has('0') { self.width.saturating_sub(used) } else { 0 };
        format!("{before}{magnitude:0>width$}{after}")
    }

    fn justify(&self, body: &str, out: &mut String) {
        let missing = self.width.saturating_sub(body.encode_utf16().count());
        let fill = std::iter::repeat_n(' ', missing);
        if self.has('-') {
            out.push_str(body);
            out.extend(fill);
        } else {
            out.extend(fill);
            out.push_str(body);
        }
    }
}

fn text_of(arg: &Arg) -> String {
    let mut out = String::new();
    match arg {
        Arg::Null => out.push_str("null"),
        Arg::Boolean(b) => out.push_str(if *b { "true" } else { "false" }),
        Arg::Int(x, _) => out = x.to_string(),
        Arg::Float(x) => write_float(&mut out, *x),
        Arg::Double(x) => write_double(&mut out, *x),
        Arg::Text(s) => out.push_str(s),
    }
    out
}

/// Java's hash code in hexadecimal, where it does not depend on Flink's memory layout.
fn hash_of(arg: &Arg) -> Option<String> {
    let fold = |bits: u64| (bits ^ (bits >> 32)) as u32;
    let hash = match arg {
        Arg::Boolean(b) => 1237 - 6 * u32::from(*b),
        Arg::Int(x, 64) => fold(*x as u64),
        Arg::Int(x, _) => *x as u32,
        Arg::Float(x) => x.to_bits(),
        Arg::Double(x) => fold(x.to_bits()),
        Arg::Null | Arg::Text(_) => return None,
    };
    Some(format!("{hash:x}"))
}

/// The shortest decimal digits of a number: 0.d1d2d3.. times ten to `exponent`.
struct Digits {
    digits: Vec<u8>,
    exponent: i32,
}

impl Digits {
    fn of(x: f64) -> Digits {
        let text = format!("{x:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let digits = mantissa.bytes().filter(u8::is_ascii_digit).map(|b| b - b'0').collect();
        let exponent = exponent.parse::<i32>().unwrap_or(0) + 1;
        Digits { digits, exponent: if x == 0.0 { 1 } else { exponent } }
    }

    /// Keeps `n` digits, rounding half up.
    fn rounded(&self, n: i32) -> Digits {
        let mut digits = self.digits.clone();
        let mut exponent = self.exponent;
        let Ok(n) = usize::try_from(n) else { return Digits { digits: vec![0], exponent } };
        let up = digits.get(n).is_some_and(|d| *d >= 5);
        digits.truncate(n);
        if up {
            let nines = digits.iter().rev().take_while(|d| **d == 9).count();
            digits.truncate(digits.len() - nines);
            match digits.last_mut() {
                Some(d) => *d += 1,
                None => {
                    digits.push(1);
                    exponent += 1;
                }
            }
        }
        if digits.is_empty() {
            digits.push(0);
        }
        Digits { digits, exponent }
    }

    fn at(&self, i: i32) -> char {
        let digit = usize::try_from(i).ok().and_then(|i| self.digits.get(i));
        char::from(b'0' + digit.copied().unwrap_or(0))
    }

    fn plain(&self, precision: usize) -> String {
        let r = self.rounded(self.exponent.saturating_add(precision as i32));
        let mut out: String = (0..r.exponent).map(|i| r.at(i)).collect();
        if out.is_empty() {
            out.push('0');
        }
        if precision > 0 {
            out.push('.');
            out.extend((0..precision as i32).map(|i| r.at(r.exponent + i)));
        }
        out
    }

    fn scientific(&self, precision: usize) -> String {
        let r = self.rounded(precision as i32 + 1);
        let mut out = r.at(0).to_string();
        if precision > 0 {
            out.push('.');
            out.extend((1..=precision as i32).map(|i| r.at(i)));
        }
        let exponent = r.exponent - 1;
        let sign = if exponent < 0 { '-' } else { '+' };
        out.push_str(&format!("e{sign}{:02}", exponent.abs()));
        out
    }

    /// Plain from 10^-4 up to 10^precision, else scientific.
    fn general(&self, precision: usize) -> String {
        let zero = self.digits.iter().all(|d| *d == 0);
        let exponent = self.rounded(precision as i32).exponent;
        if zero || (-3..=precision as i32).contains(&exponent) {
            let whole = if zero { 1 } else { exponent };
            self.plain((precision as i32 - whole).max(0) as usize)
        } else {
            self.scientific(precision - 1)
        }
    }
}

/// Thousands separators in the whole part.
fn grouped(text: &str) -> String {
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = String::new();
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out + fraction
}
