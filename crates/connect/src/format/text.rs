//! Numbers, dates and times as text, in Java's spellings: what Flink's formats
//! read and write. Parsers work on bytes and never allocate.

use std::fmt::Write as _;

/// Nanoseconds in a second.
const NANOS: i64 = 1_000_000_000;

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar.
pub(crate) fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let mp = i64::from((month + 9) % 12);
    let doy = (153 * mp + 2) / 5 + i64::from(day) - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

/// Year, month and day of a day number.
pub(crate) fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = (doy - (153 * mp + 2) / 5 + 1) as u32;
    let month = if mp < 10 { mp + 3 } else { mp - 9 } as u32;
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

fn month_length(year: i64, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[inline]
fn two(b: &[u8], at: usize) -> Option<u32> {
    let (x, y) = (b.get(at)?.wrapping_sub(b'0'), b.get(at + 1)?.wrapping_sub(b'0'));
    (x < 10 && y < 10).then(|| u32::from(x) * 10 + u32::from(y))
}

/// `yyyy-MM-dd`; `lenient` moves day 29 to 31 of a shorter month to its last day, as
/// Java's smart resolver does. Years of four digits only, with an optional sign and more digits.
pub(crate) fn parse_date(b: &[u8], lenient: bool) -> Option<i32> {
    let (negative, rest) = match b.first()? {
        b'-' => (true, &b[1..]),
        b'+' => (false, &b[1..]),
        _ => (false, b),
    };
    let digits = rest.iter().take_while(|c| c.is_ascii_digit()).count();
    let plain = rest.len() == b.len();
    if !(4..=9).contains(&digits) || (plain && digits != 4) || rest.len() != digits + 6 {
        return None;
    }
    let mut year = 0i64;
    for c in &rest[..digits] {
        year = year * 10 + i64::from(c - b'0');
    }
    if negative {
        year = -year;
    }
    let tail = &rest[digits..];
    let (month, day) = (two(tail, 1)?, two(tail, 4)?);
    if tail[0] != b'-' || tail[3] != b'-' || !(1..=12).contains(&month) || !(1..=31).contains(&day)
    {
        return None;
    }
    let longest = month_length(year, month);
    if day > longest && !lenient {
        return None;
    }
    i32::try_from(days_from_civil(year, month, day.min(longest))).ok()
}

/// `HH:mm:ss[.fraction]` in nanoseconds of the day; `short` also allows `HH:mm`.
#[inline]
pub(crate) fn parse_time(b: &[u8], short: bool) -> Option<i64> {
    let (hour, minute) = (two(b, 0)?, two(b, 3)?);
    if b[2] != b':' || hour > 23 || minute > 59 {
        return None;
    }
    let minutes = i64::from(hour * 60 + minute);
    if b.len() == 5 && short {
        return Some(minutes * 60 * NANOS);
    }
    let second = two(b, 6)?;
    if b[5] != b':' || second > 59 {
        return None;
    }
    let whole = (minutes * 60 + i64::from(second)) * NANOS;
    if b.len() == 8 {
        return Some(whole);
    }
    let fraction = &b[9..];
    if b[8] != b'.' || fraction.is_empty() || fraction.len() > 9 {
        return None;
    }
    let mut nanos = 0i64;
    for c in fraction {
        let d = c.wrapping_sub(b'0');
        if d > 9 {
            return None;
        }
        nanos = nanos * 10 + i64::from(d);
    }
    const SCALE: [i64; 10] =
        [1_000_000_000, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];
    Some(whole + nanos * SCALE[fraction.len()])
}

/// How a timestamp is spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimestampStyle {
    /// `2024-01-01 10:00:00.123`
    Sql,
    /// `2024-01-01T10:00:00.123`
    Iso,
}

impl TimestampStyle {
    fn separator(self) -> u8 {
        match self {
            TimestampStyle::Sql => b' ',
            TimestampStyle::Iso => b'T',
        }
    }
}

/// Parses a timestamp into ticks of the unit with `per_second` ticks. `zone`: a `Z` must follow.
#[inline]
pub(crate) fn parse_timestamp(
    b: &[u8],
    style: TimestampStyle,
    zone: bool,
    per_second: i64,
) -> Option<i64> {
    let b = if zone { b.strip_suffix(b"Z")? } else { b };
    let split = if b.get(10) == Some(&style.separator()) {
        10
    } else {
        b.iter().position(|&c| c == style.separator())?
    };
    let iso = style == TimestampStyle::Iso;
    let days = parse_date(&b[..split], !iso || zone)?;
    let nanos = parse_time(&b[split + 1..], iso && !zone)?;
    let seconds = i64::from(days).checked_mul(86_400)?;
    let ticks = nanos / (NANOS / per_second);
    seconds.checked_mul(per_second)?.checked_add(ticks)
}

/// Appends `yyyy-MM-dd`.
pub(crate) fn write_date(out: &mut Vec<u8>, days: i64) {
    let (year, month, day) = civil_from_days(days);
    if (0..=9999).contains(&year) {
        let y = year as u32;
        push_two(out, y / 100);
        push_two(out, y % 100);
    } else {
        let mut text = String::new();
        let sign = if year < 0 { "-" } else { "+" };
        let _ = write!(text, "{sign}{:04}", year.abs());
        out.extend_from_slice(text.as_bytes());
    }
    out.push(b'-');
    push_two(out, month);
    out.push(b'-');
    push_two(out, day);
}

#[inline]
fn push_two(out: &mut Vec<u8>, v: u32) {
    out.push(b'0' + (v / 10 % 10) as u8);
    out.push(b'0' + (v % 10) as u8);
}

/// How many digits of a second's fraction are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fraction {
    /// As many as are needed.
    Shortest,
    /// None, three, six or nine, as Java's `toString` does.
    Groups,
}

/// Appends `HH:mm:ss` with a fraction; `drop_zero_seconds` gives Java's `LocalTime` form `HH:mm`.
pub(crate) fn write_time(
    out: &mut Vec<u8>,
    nanos_of_day: i64,
    fraction: Fraction,
    drop_zero_seconds: bool,
) {
    let seconds = (nanos_of_day / NANOS) as u32;
    let nanos = (nanos_of_day % NANOS) as u32;
    push_two(out, seconds / 3600);
    out.push(b':');
    push_two(out, seconds / 60 % 60);
    if drop_zero_seconds && seconds.is_multiple_of(60) && nanos == 0 {
        return;
    }
    out.push(b':');
    push_two(out, seconds % 60);
    if nanos == 0 {
        return;
    }
    out.push(b'.');
    let mut digits = [0u8; 9];
    let mut rest = nanos;
    for d in digits.iter_mut().rev() {
        *d = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let needed = 9 - digits.iter().rev().take_while(|&&d| d == b'0').count();
    let count = match fraction {
        Fraction::Shortest => needed,
        Fraction::Groups => needed.div_ceil(3) * 3,
    };
    out.extend_from_slice(&digits[..count]);
}

/// Splits ticks into days and nanoseconds of the day.
pub(crate) fn split_ticks(ticks: i64, per_second: i64) -> (i64, i64) {
    let seconds = ticks.div_euclid(per_second);
    let part = ticks.rem_euclid(per_second) * (NANOS / per_second);
    (seconds.div_euclid(86_400), seconds.rem_euclid(86_400) * NANOS + part)
}

/// Appends a timestamp in the style of the formats; `zone` adds `Z`.
pub(crate) fn write_timestamp(
    out: &mut Vec<u8>,
    ticks: i64,
    per_second: i64,
    style: TimestampStyle,
    zone: bool,
) {
    let (days, nanos) = split_ticks(ticks, per_second);
    write_date(out, days);
    out.push(style.separator());
    write_time(out, nanos, Fraction::Shortest, false);
    if zone {
        out.push(b'Z');
    }
}

/// Appends what Java's `Double.toString` gives.
pub(crate) fn write_double(out: &mut Vec<u8>, v: f64) {
    let mut buffer = ryu::Buffer::new();
    write_java_float(out, v.is_nan(), v.is_infinite(), v.is_sign_negative(), v.abs(), || {
        buffer.format_finite(v.abs()).to_owned()
    });
}

/// Appends what Java's `Float.toString` gives.
pub(crate) fn write_float(out: &mut Vec<u8>, v: f32) {
    let mut buffer = ryu::Buffer::new();
    write_java_float(
        out,
        v.is_nan(),
        v.is_infinite(),
        v.is_sign_negative(),
        f64::from(v.abs()),
        || buffer.format_finite(v.abs()).to_owned(),
    );
}

fn write_java_float(
    out: &mut Vec<u8>,
    nan: bool,
    infinite: bool,
    negative: bool,
    magnitude: f64,
    shortest: impl FnOnce() -> String,
) {
    if nan {
        return out.extend_from_slice(b"NaN");
    }
    if negative {
        out.push(b'-');
    }
    if infinite {
        return out.extend_from_slice(b"Infinity");
    }
    if magnitude == 0.0 {
        return out.extend_from_slice(b"0.0");
    }
    let text = shortest();
    // ryu gives `123.45`, `1e20` or `1.5e-7`: digits and the exponent of the first digit.
    let (mantissa, exponent) = match text.split_once('e') {
        Some((m, e)) => (m, e.parse::<i32>().unwrap_or(0)),
        None => (text.as_str(), 0),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits: String = format!("{whole}{part}");
    let leading = digits.len() - digits.trim_start_matches('0').len();
    let first = whole.len() as i32 - 1 + exponent - leading as i32;
    digits = digits.trim_matches('0').to_owned();
    if digits.is_empty() {
        digits.push('0');
    }
    if (1e-3..1e7).contains(&magnitude) {
        if first < 0 {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + (-first - 1) as usize, b'0');
            return out.extend_from_slice(digits.as_bytes());
        }
        let whole_digits = first as usize + 1;
        while digits.len() < whole_digits {
            digits.push('0');
        }
        out.extend_from_slice(&digits.as_bytes()[..whole_digits]);
        out.push(b'.');
        let rest = &digits.as_bytes()[whole_digits..];
        out.extend_from_slice(if rest.is_empty() { b"0" } else { rest });
    } else {
        out.push(digits.as_bytes()[0]);
        out.push(b'.');
        let rest = &digits.as_bytes()[1..];
        out.extend_from_slice(if rest.is_empty() { b"0" } else { rest });
        out.extend_from_slice(format!("E{first}").as_bytes());
    }
}

/// Appends what Java's `BigDecimal.toString` gives for `unscaled * 10^-scale`.
pub(crate) fn write_decimal(out: &mut Vec<u8>, unscaled: i128, scale: i32) {
    let digits = unscaled.unsigned_abs().to_string();
    let exponent = digits.len() as i32 - 1 - scale;
    if scale >= 0 && exponent >= -6 {
        return write_decimal_plain(out, unscaled, scale);
    }
    if unscaled < 0 {
        out.push(b'-');
    }
    out.push(digits.as_bytes()[0]);
    if digits.len() > 1 {
        out.push(b'.');
        out.extend_from_slice(&digits.as_bytes()[1..]);
    }
    out.extend_from_slice(format!("E{exponent:+}").as_bytes());
}

/// Appends what Java's `BigDecimal.toPlainString` gives.
pub(crate) fn write_decimal_plain(out: &mut Vec<u8>, unscaled: i128, scale: i32) {
    if unscaled < 0 {
        out.push(b'-');
    }
    let mut digits = unscaled.unsigned_abs().to_string();
    if scale <= 0 {
        if unscaled != 0 {
            digits.extend(std::iter::repeat_n('0', (-scale) as usize));
        }
        return out.extend_from_slice(digits.as_bytes());
    }
    let scale = scale as usize;
    if digits.len() <= scale {
        digits.insert_str(0, &"0".repeat(scale + 1 - digits.len()));
    }
    let point = digits.len() - scale;
    out.extend_from_slice(&digits.as_bytes()[..point]);
    out.push(b'.');
    out.extend_from_slice(&digits.as_bytes()[point..]);
}

/// `BigDecimal.stripTrailingZeros`.
pub(crate) fn strip_zeros(mut unscaled: i128, mut scale: i32) -> (i128, i32) {
    if unscaled == 0 {
        return (0, 0);
    }
    while unscaled % 10 == 0 {
        unscaled /= 10;
        scale -= 1;
    }
    (unscaled, scale)
}

/// Result of reading a decimal number.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DecimalText {
    /// Unscaled value at the wanted scale.
    Value(i128),
    /// A number, but too large for the type: Flink makes it NULL.
    Overflow,
    /// Not a number.
    Invalid,
}

/// Reads a number into DECIMAL(precision, scale), rounding half up.
pub(crate) fn parse_decimal(b: &[u8], precision: u8, scale: u8) -> DecimalText {
    let (negative, rest) = match b.first() {
        Some(b'-') => (true, &b[1..]),
        Some(b'+') => (false, &b[1..]),
        _ => (false, b),
    };
    let (mantissa, exponent) = match rest.iter().position(|c| matches!(c, b'e' | b'E')) {
        None => (rest, 0i64),
        Some(at) => match parse_exponent(&rest[at + 1..]) {
            Some(e) => (&rest[..at], e),
            None => return DecimalText::Invalid,
        },
    };
    let mut digits: i128 = 0;
    let mut seen = 0usize;
    let mut fraction = 0i64;
    let mut point = false;
    // Digits beyond what i128 holds only decide about rounding, never about more.
    let mut dropped = 0i64;
    let mut round_digit: Option<u8> = None;
    for &c in mantissa {
        match c {
            b'0'..=b'9' => {
                seen += 1;
                fraction += i64::from(point);
                if digits < 10i128.pow(37) && round_digit.is_none() {
                    digits = digits * 10 + i128::from(c - b'0');
                } else {
                    round_digit.get_or_insert(c - b'0');
                    dropped += 1;
                }
            }
            b'.' if !point => point = true,
            _ => return DecimalText::Invalid,
        }
    }
    if seen == 0 {
        return DecimalText::Invalid;
    }
    // value = digits * 10^(exponent - fraction + dropped)
    let shift = exponent - fraction + dropped + i64::from(scale);
    let Some(magnitude) = rescale(digits, shift, round_digit) else {
        return DecimalText::Overflow;
    };
    if magnitude >= 10i128.pow(u32::from(precision.min(38))) {
        return DecimalText::Overflow;
    }
    DecimalText::Value(if negative { -magnitude } else { magnitude })
}

fn parse_exponent(b: &[u8]) -> Option<i64> {
    let (negative, digits) = match b.first()? {
        b'-' => (true, &b[1..]),
        b'+' => (false, &b[1..]),
        _ => (false, b),
    };
    if digits.is_empty() || digits.len() > 9 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let e = digits.iter().fold(0i64, |e, c| e * 10 + i64::from(c - b'0'));
    Some(if negative { -e } else { e })
}

/// `digits * 10^shift`, half up; `next` is the digit that follows `digits`.
fn rescale(digits: i128, shift: i64, next: Option<u8>) -> Option<i128> {
    if digits == 0 && next.unwrap_or(0) == 0 {
        return Some(0);
    }
    if shift > 0 {
        if shift > 38 {
            return None;
        }
        return digits.checked_mul(10i128.pow(shift as u32));
    }
    if shift == 0 {
        return Some(digits + i128::from(next.is_some_and(|d| d >= 5)));
    }
    if shift < -38 {
        return Some(0);
    }
    let unit = 10i128.pow((-shift) as u32);
    Some(digits / unit + i128::from(digits % unit >= unit / 2))
}

/// Strips the characters that Java's `trim` strips.
pub(crate) fn java_trim(b: &[u8]) -> &[u8] {
    let start = b.iter().position(|&c| c > b' ').unwrap_or(b.len());
    let end = b.iter().rposition(|&c| c > b' ').map_or(start, |e| e + 1);
    &b[start..end]
}

/// `Long.parseLong` within bounds.
#[inline]
pub(crate) fn parse_integer(b: &[u8], min: i64, max: i64) -> Option<i64> {
    let (negative, digits) = match b.first()? {
        b'-' => (true, &b[1..]),
        b'+' => (false, &b[1..]),
        _ => (false, b),
    };
    if digits.is_empty() {
        return None;
    }
    let mut v = 0i64;
    for c in digits {
        let d = c.wrapping_sub(b'0');
        if d > 9 {
            return None;
        }
        // Accumulates negatively, because i64::MIN has no positive twin.
        v = v.checked_mul(10)?.checked_sub(i64::from(d))?;
    }
    let v = if negative { v } else { v.checked_neg()? };
    (min..=max).contains(&v).then_some(v)
}

/// `Double.parseDouble`, without hexadecimal numbers.
pub(crate) fn parse_double(b: &[u8]) -> Option<f64> {
    let b = java_trim(b);
    let unsigned = b.strip_prefix(b"-").or_else(|| b.strip_prefix(b"+")).unwrap_or(b);
    match unsigned {
        b"NaN" => return Some(f64::NAN),
        b"Infinity" => {
            return Some(if b[0] == b'-' { f64::NEG_INFINITY } else { f64::INFINITY });
        }
        _ => {}
    }
    let text = match b.split_last()? {
        (b'd' | b'D' | b'f' | b'F', head) => head,
        _ => b,
    };
    if !text.iter().all(|c| matches!(c, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(f: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        f(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn doubles_as_java_writes_them() {
        for (v, s) in [
            (1e10, "1.0E10"),
            (0.001, "0.001"),
            (9999999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (1.5e-7, "1.5E-7"),
            (123.456, "123.456"),
            (0.00012, "1.2E-4"),
            (100.0, "100.0"),
            (-2.5, "-2.5"),
            (-0.0, "-0.0"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
            (1.7976931348623157e308, "1.7976931348623157E308"),
        ] {
            assert_eq!(text(|o| write_double(o, v)), s);
        }
        assert_eq!(text(|o| write_float(o, 0.001)), "0.001");
        assert_eq!(text(|o| write_float(o, 1.1)), "1.1");
        assert_eq!(text(|o| write_float(o, 3.4e38)), "3.4E38");
    }

    #[test]
    fn decimals_as_java_writes_them() {
        for (u, s, plain, sci) in [
            (10000, 2, "100.00", "100.00"),
            (1, -2, "100", "1E+2"),
            (27, 9, "0.000000027", "2.7E-8"),
            (-5, 1, "-0.5", "-0.5"),
            (0, 0, "0", "0"),
            (2700, 11, "0.00000002700", "2.700E-8"),
        ] {
            assert_eq!(text(|o| write_decimal_plain(o, u, s)), plain);
            assert_eq!(text(|o| write_decimal(o, u, s)), sci);
        }
        assert_eq!(strip_zeros(10000, 2), (1, -2));
    }

    #[test]
    fn decimals_are_rounded_half_up_and_overflow() {
        use DecimalText::*;
        assert_eq!(parse_decimal(b"1.005", 10, 2), Value(101));
        assert_eq!(parse_decimal(b"-1.005", 10, 2), Value(-101));
        assert_eq!(parse_decimal(b"1e2", 10, 2), Value(10000));
        assert_eq!(parse_decimal(b"12345678901.2", 10, 2), Overflow);
        assert_eq!(parse_decimal(b"1e999999", 10, 2), Overflow);
        assert_eq!(parse_decimal(b"1e-999999", 10, 2), Value(0));
        assert_eq!(parse_decimal(b"", 10, 2), Invalid);
        assert_eq!(parse_decimal(b"1.2.3", 10, 2), Invalid);
        let long = "1".repeat(60);
        assert_eq!(parse_decimal(long.as_bytes(), 38, 0), Overflow);
        let fine = format!("0.{}", "3".repeat(80));
        assert_eq!(parse_decimal(fine.as_bytes(), 10, 3), Value(333));
    }

    #[test]
    fn timestamps() {
        let sql = |s: &str| parse_timestamp(s.as_bytes(), TimestampStyle::Sql, false, 1000);
        assert_eq!(sql("1970-01-02 00:00:00.5"), Some(86_400_500));
        assert_eq!(sql("2024-02-30 00:00:00"), sql("2024-02-29 00:00:00"));
        assert_eq!(sql("2024-01-01 10:00"), None);
        assert_eq!(sql("2024-01-01T10:00:00"), None);
        assert_eq!(sql(""), None);
        assert_eq!(sql("2024-13-01 10:00:00"), None);
        assert_eq!(sql("1969-12-31 23:59:59.999"), Some(-1));
        let iso = |s: &str, z| parse_timestamp(s.as_bytes(), TimestampStyle::Iso, z, 1000);
        assert_eq!(iso("1970-01-01T00:01", false), Some(60_000));
        assert_eq!(iso("1970-01-01T00:01:00Z", true), Some(60_000));
        assert_eq!(iso("1970-01-01T00:01:00", true), None);
        let back = text(|o| write_timestamp(o, -1, 1000, TimestampStyle::Sql, true));
        assert_eq!(back, "1969-12-31 23:59:59.999Z");
    }

    #[test]
    fn integers_at_the_edges() {
        let p = |s: &str| parse_integer(s.as_bytes(), i64::MIN, i64::MAX);
        assert_eq!(p("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(p("9223372036854775808"), None);
        assert_eq!(p("+7"), Some(7));
        assert_eq!(p("-"), None);
        assert_eq!(parse_integer(b"128", -128, 127), None);
    }
}
