//! Patterns of `java.time.format.DateTimeFormatter`, English names. Some functions read with
//! `java.text.SimpleDateFormat` instead, see [`Pattern::parse_lenient`].

use weir_core::{Error, Result};

use crate::calendar::{
    civil_from_days, day_of_week, day_of_year, days_from_civil, iso_day_of_week, smart_date,
};
use crate::context::Zone;
use crate::format::digits;

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pattern(Vec<Item>);

#[derive(Debug, Clone, PartialEq)]
enum Item {
    Literal(String),
    /// A letter and how often it is repeated.
    Field(u8, usize),
}

/// A local date and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DateTime {
    /// Seconds since the epoch, local.
    pub seconds: i64,
    /// Nanoseconds of the second.
    pub nanos: i64,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const LETTERS: &[u8] = b"yuYMLdDHhKkmsSnAaEecQqwWFGXxZzVN";

impl Pattern {
    pub fn new(text: &str) -> Result<Self> {
        let mut items: Vec<Item> = Vec::new();
        let mut chars = text.chars().peekable();
        let literal = |items: &mut Vec<Item>, c: char| match items.last_mut() {
            Some(Item::Literal(t)) => t.push(c),
            _ => items.push(Item::Literal(c.to_string())),
        };
        while let Some(c) = chars.next() {
            if c == '\'' {
                if chars.peek() == Some(&'\'') {
                    chars.next();
                    literal(&mut items, '\'');
                    continue;
                }
                loop {
                    match chars.next() {
                        Some('\'') if chars.peek() == Some(&'\'') => {
                            chars.next();
                            literal(&mut items, '\'');
                        }
                        Some('\'') => break,
                        Some(c) => literal(&mut items, c),
                        None => return Err(bad(text, "a quote is not closed")),
                    }
                }
            } else if c.is_ascii_alphabetic() {
                if !LETTERS.contains(&(c as u8)) {
                    return Err(bad(text, &format!("unknown or unsupported pattern letter '{c}'")));
                }
                let mut count = 1;
                while chars.peek() == Some(&c) {
                    chars.next();
                    count += 1;
                }
                items.push(Item::Field(c as u8, count));
            } else if !matches!(c, '[' | ']') {
                literal(&mut items, c);
            }
        }
        Ok(Self(items))
    }

    /// Appends the text of a time; `zone` and `offset` (seconds) are those of the session.
    pub fn format(&self, t: DateTime, zone: Zone, out: &mut String) {
        let days = t.seconds.div_euclid(86_400);
        let clock = t.seconds.rem_euclid(86_400);
        let (year, month, day) = civil_from_days(days);
        let hour = clock / 3600;
        for item in &self.0 {
            let (letter, n) = match item {
                Item::Literal(text) => {
                    out.push_str(text);
                    continue;
                }
                Item::Field(letter, n) => (*letter, *n),
            };
            match letter {
                b'y' | b'u' if n == 2 => digits(out, year.rem_euclid(100), 2),
                b'y' | b'u' => digits(out, year, n),
                b'M' | b'L' => name_or_number(out, MONTHS[(month - 1) as usize], month, n),
                b'd' => digits(out, day, n),
                b'D' => digits(out, day_of_year(days), n),
                b'H' => digits(out, hour, n),
                b'k' => digits(out, if hour == 0 { 24 } else { hour }, n),
                b'K' => digits(out, hour % 12, n),
                b'h' => digits(out, (hour + 11) % 12 + 1, n),
                b'm' => digits(out, clock / 60 % 60, n),
                b's' => digits(out, clock % 60, n),
                b'S' => {
                    let shown = n.min(9);
                    digits(out, t.nanos / 10i64.pow(9 - shown as u32), shown);
                    out.extend(std::iter::repeat_n('0', n - shown));
                }
                b'n' => digits(out, t.nanos, n),
                b'A' => digits(out, clock * 1000 + t.nanos / 1_000_000, n),
                b'N' => digits(out, clock * 1_000_000_000 + t.nanos, n),
                b'a' => out.push_str(if hour < 12 { "AM" } else { "PM" }),
                b'E' => {
                    let name = DAYS[(iso_day_of_week(days) - 1) as usize];
                    out.push_str(if n == 4 { name } else { &name[..3] });
                }
                b'e' => digits(out, iso_day_of_week(days) % 7 + 1, n),
                b'c' => digits(out, iso_day_of_week(days) % 7 + 1, n),
                b'W' => digits(out, us_week_of_month(days, day), n),
                b'F' => digits(out, (day - 1) % 7 + 1, n),
                b'Q' | b'q' => quarter(out, (month + 2) / 3, n),
                b'w' => digits(out, us_week(days).1, n),
                b'Y' => digits(out, us_week(days).0, n),
                b'G' => out.push_str(if year > 0 { "AD" } else { "BC" }),
                b'V' | b'z' => zone_name(out, zone),
                _ => zone_offset(out, letter, n, zone.offset_at_local(t.seconds)),
            }
        }
    }

    /// Reads a time; parts that the pattern lacks are those of 1970-01-01 00:00:00.
    /// None if the text does not fit. The second value is a parsed offset in seconds.
    pub fn parse(&self, text: &str) -> Option<(DateTime, Option<i64>)> {
        let (parts, rest) = self.read(text, false)?;
        if rest.is_empty() { parts.finish() } else { None }
    }

    /// Reads like `SimpleDateFormat` in its lenient mode: spaces in front of a field don't
    /// count, what overflows a field is carried on, and the text may go on.
    pub fn parse_lenient(&self, text: &str) -> Option<(DateTime, Option<i64>)> {
        Some(self.read(text, true)?.0.finish_lenient())
    }

    fn read<'a>(&self, text: &'a str, lenient: bool) -> Option<(Parts, &'a str)> {
        let mut state = Parts { lenient, ..Parts::default() };
        let mut rest = text;
        for (i, item) in self.0.iter().enumerate() {
            match item {
                // A fraction may be missing together with its point.
                Item::Literal(t)
                    if rest.is_empty()
                        && t == "."
                        && matches!(self.0.get(i + 1), Some(Item::Field(b'S', _))) => {}
                Item::Literal(t) => rest = rest.strip_prefix(t.as_str())?,
                Item::Field(letter, n) => {
                    let adjacent =
                        matches!(self.0.get(i + 1), Some(Item::Field(l, _)) if is_number(*l));
                    if lenient {
                        rest = rest.trim_start_matches([' ', '\t']);
                    }
                    rest = state.read(*letter, *n, adjacent, rest)?;
                }
            }
        }
        Some((state, rest))
    }
}

fn is_number(letter: u8) -> bool {
    !matches!(letter, b'a' | b'E' | b'G' | b'X' | b'x' | b'Z' | b'z' | b'V')
}

fn bad(pattern: &str, why: &str) -> Error {
    Error::data(format!("invalid date pattern '{pattern}': {why}"))
        .hint("patterns are those of Java's DateTimeFormatter, such as 'yyyy-MM-dd HH:mm:ss.SSS'")
}

fn name_or_number(out: &mut String, name: &str, number: i64, n: usize) {
    match n {
        0..=2 => digits(out, number, n),
        3 => out.push_str(&name[..3]),
        4 => out.push_str(name),
        _ => out.push_str(&name[..1]),
    }
}

fn zone_name(out: &mut String, zone: Zone) {
    match zone {
        Zone::Region(tz) => out.push_str(tz.name()),
        Zone::Fixed(0) => out.push_str("UTC"),
        Zone::Fixed(_) => zone_offset(out, b'x', 3, zone.offset_at(0)),
    }
}

fn zone_offset(out: &mut String, letter: u8, n: usize, seconds: i64) {
    if letter == b'X' && seconds == 0 {
        out.push('Z');
        return;
    }
    out.push(if seconds < 0 { '-' } else { '+' });
    let minutes = seconds.abs() / 60;
    digits(out, minutes / 60, 2);
    if letter != b'Z' && n == 1 && minutes % 60 == 0 {
        return;
    }
    if n == 3 && letter != b'Z' || n == 5 {
        out.push(':');
    }
    digits(out, minutes % 60, 2);
}

fn quarter(out: &mut String, number: i64, n: usize) {
    match n {
        0..=2 => digits(out, number, n),
        3 => out.push_str(&format!("Q{number}")),
        _ => {
            let th = ["st", "nd", "rd", "th"][(number - 1).clamp(0, 3) as usize];
            out.push_str(&format!("{number}{th} quarter"));
        }
    }
}

/// Week of the month where weeks start on Sunday and the first one holds the first day.
fn us_week_of_month(days: i64, day: i64) -> i64 {
    let first = days - (day - 1);
    (day - 1 + day_of_week(first) - 1) / 7 + 1
}

/// Week-based year and week where weeks start on Sunday and the first one holds
/// the first of January.
fn us_week(days: i64) -> (i64, i64) {
    let (y, _, _) = civil_from_days(days);
    let start = |year: i64| {
        let first = days_from_civil(year, 1, 1);
        first - (day_of_week(first) - 1)
    };
    if days >= start(y + 1) { (y + 1, 1) } else { (y, (days - start(y)) / 7 + 1) }
}

/// Fields read so far.
struct Parts {
    /// Numbers have any number of digits.
    lenient: bool,
    year: i64,
    month: i64,
    day: i64,
    day_of_year: Option<i64>,
    hour: i64,
    hour12: Option<i64>,
    pm: bool,
    minute: i64,
    second: i64,
    nanos: i64,
    offset: Option<i64>,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            lenient: false,
            year: 1970,
            month: 1,
            day: 1,
            day_of_year: None,
            hour: 0,
            hour12: None,
            pm: false,
            minute: 0,
            second: 0,
            nanos: 0,
            offset: None,
        }
    }
}

impl Parts {
    /// Reads one field and returns what is left.
    fn read<'a>(&mut self, letter: u8, n: usize, adjacent: bool, text: &'a str) -> Option<&'a str> {
        match letter {
            b'a' => {
                let (half, rest) = text.split_at_checked(2)?;
                self.pm = match half.to_ascii_uppercase().as_str() {
                    "AM" => false,
                    "PM" => true,
                    _ => return None,
                };
                return Some(rest);
            }
            b'E' => return skip_name(text, &DAYS, n).map(|(_, rest)| rest),
            b'G' => return text.strip_prefix("AD"),
            b'M' | b'L' if n >= 3 => {
                let (month, rest) = skip_name(text, &MONTHS, n)?;
                self.month = month as i64 + 1;
                return Some(rest);
            }
            b'X' | b'x' | b'Z' | b'z' | b'V' => return self.read_offset(text),
            b'S' => {
                // Any number of digits, as Flink reads fractions.
                let len = text.bytes().take_while(u8::is_ascii_digit).count();
                let kept = len.min(9);
                let value: i64 = if kept == 0 { 0 } else { text[..kept].parse().ok()? };
                self.nanos = value * 10i64.pow(9 - kept as u32);
                return Some(&text[len..]);
            }
            _ => {}
        }
        // A field before another number has a fixed width; otherwise Flink takes
        // fewer digits than letters too.
        let (min, max) = match (letter, n) {
            (b'y' | b'u', 2) => (2, 2),
            _ if self.lenient && !adjacent => (1, 9),
            (b'y' | b'u', _) => (n, if adjacent { n } else { 19 }),
            (b'D' | b'n' | b'A' | b'N', _) => (1, 19),
            _ if adjacent => (n, n),
            _ => (1, n.max(2)),
        };
        let (value, rest) = number(text, min, max)?;
        match letter {
            b'y' | b'u' => self.year = if n == 2 { 2000 + value } else { value },
            b'M' | b'L' => self.month = value,
            b'd' => self.day = value,
            b'D' => self.day_of_year = Some(value),
            b'H' => self.hour = value,
            b'k' => self.hour = value % 24,
            b'h' => self.hour12 = Some(value % 12),
            b'K' => self.hour12 = Some(value),
            b'm' => self.minute = value,
            b's' => self.second = value,
            b'n' => self.nanos = value,
            b'A' => {
                self.hour = value / 3_600_000;
                self.minute = value / 60_000 % 60;
                self.second = value / 1000 % 60;
                self.nanos = value % 1000 * 1_000_000;
            }
            b'Q' | b'q' => self.month = (value - 1) * 3 + 1,
            _ => {}
        }
        Some(rest)
    }

    fn read_offset<'a>(&mut self, text: &'a str) -> Option<&'a str> {
        if let Some(rest) = text.strip_prefix('Z') {
            self.offset = Some(0);
            return Some(rest);
        }
        let end = text
            .find(|c: char| {
                !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | ':' | '/' | '_'))
            })
            .unwrap_or(text.len());
        let word = &text[..end];
        let spaced = if word.len() == 5 && word.starts_with(['+', '-']) {
            format!("{}:{}", &word[..3], &word[3..])
        } else {
            word.to_owned()
        };
        self.offset = Some(Zone::try_parse(&spaced)?.offset_at(0));
        Some(&text[end..])
    }

    fn hour(&self) -> i64 {
        self.hour12.map_or(self.hour, |h| h + if self.pm { 12 } else { 0 })
    }

    fn finish(self) -> Option<(DateTime, Option<i64>)> {
        let hour = self.hour();
        let midnight = (hour, self.minute, self.second, self.nanos) == (24, 0, 0, 0);
        if hour > 23 && !midnight || self.minute > 59 || self.second > 59 {
            return None;
        }
        let days = match self.day_of_year {
            Some(d) => days_from_civil(self.year, 1, 1) + d - 1,
            None => smart_date(self.year, self.month, self.day)?,
        };
        Some(self.on(days))
    }

    /// Everything is added up.
    fn finish_lenient(self) -> (DateTime, Option<i64>) {
        let (month, day) = self.day_of_year.map_or((self.month, self.day), |d| (1, d));
        let months = self.year * 12 + month - 1;
        let first = days_from_civil(months.div_euclid(12), months.rem_euclid(12) + 1, 1);
        self.on(first + day - 1)
    }

    /// The time of day, on a day.
    fn on(&self, days: i64) -> (DateTime, Option<i64>) {
        let seconds = days * 86_400 + (self.hour() * 60 + self.minute) * 60 + self.second;
        (DateTime { seconds, nanos: self.nanos }, self.offset)
    }
}

fn number(text: &str, min: usize, max: usize) -> Option<(i64, &str)> {
    let len = text.bytes().take(max).take_while(u8::is_ascii_digit).count();
    if len < min || len == 0 {
        return None;
    }
    Some((text[..len].parse().ok()?, &text[len..]))
}

fn skip_name<'a>(text: &'a str, names: &[&str], n: usize) -> Option<(usize, &'a str)> {
    names.iter().enumerate().find_map(|(i, name)| {
        let wanted = if n == 4 { name } else { &name[..3] };
        text.strip_prefix(wanted).map(|rest| (i, rest))
    })
}
