//! Between text, numbers and times: DATE_FORMAT, TO_TIMESTAMP, UNIX_TIMESTAMP, ...

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::buffer::NullBuffer;
use arrow::datatypes::{Date32Type, Float64Type, Int32Type, Int64Type};
use weir_core::{Error, Result, TypeKind};

use super::local::local_micros;
use super::pattern::{DateTime, Pattern};
use crate::args::{Args, Kernel, Strs};
use crate::cast::text::{sql_timestamp_of, timestamp_of};
use crate::context::Zone;
use crate::site::Site;
use crate::ticks::{timestamps, unit_of};

const DEFAULT: &str = "yyyy-MM-dd HH:mm:ss";

/// The patterns of a call: one if it is a literal or absent, else the last one used.
struct Patterns {
    arg: usize,
    fixed: Option<Pattern>,
}

impl Patterns {
    fn new(site: &Site<'_>, arg: usize) -> Self {
        let text = if site.args.len() > arg { site.text(arg) } else { Some(DEFAULT) };
        Self { arg, fixed: text.and_then(|t| Pattern::new(t).ok()) }
    }
    fn session<'a>(&'a self, a: &Args<'a>) -> Result<Session<'a>> {
        let texts = if self.arg < a.len() { Some(a.strs(self.arg)?) } else { None };
        Ok(Session { fixed: self.fixed.as_ref(), texts, last: None })
    }
}

struct Session<'a> {
    fixed: Option<&'a Pattern>,
    texts: Option<Strs<'a>>,
    last: Option<(&'a str, Pattern)>,
}

impl Session<'_> {
    fn get(&mut self, i: usize) -> Result<&Pattern> {
        if let Some(p) = self.fixed {
            return Ok(p);
        }
        let text = self.texts.map_or(DEFAULT, |t| t.get(i));
        if self.last.as_ref().is_none_or(|(t, _)| *t != text) {
            self.last = Some((text, Pattern::new(text)?));
        }
        match &self.last {
            Some((_, p)) => Ok(p),
            None => Err(weir_core::Error::internal("no date pattern")),
        }
    }
}

pub(super) fn kernel(site: &Site<'_>) -> Result<Option<Kernel>> {
    Ok(Some(match site.name {
        "DATE_FORMAT" => date_format(site),
        "TO_TIMESTAMP" => to_timestamp(site),
        "TO_DATE" => to_date(site),
        "TO_TIMESTAMP_LTZ" if site.ty(0).is_some_and(weir_core::DataType::is_numeric) => {
            Arc::new(instant_of_number)
        }
        "TO_TIMESTAMP_LTZ" => to_timestamp_ltz(site),
        "FROM_UNIXTIME" => from_unixtime(site),
        "UNIX_TIMESTAMP" => unix_timestamp(site),
        "CONVERT_TZ" => Arc::new(convert_tz),
        _ => return Ok(None),
    }))
}

fn date_format(site: &Site<'_>) -> Kernel {
    let patterns = Patterns::new(site, 1);
    if site.ty(0).is_some_and(weir_core::DataType::is_string) {
        return Arc::new(move |a| {
            let s = a.strs(0)?;
            let written = Pattern::new(DEFAULT)?;
            let mut session = patterns.session(a)?;
            a.text(|i, out| {
                let Some((t, _)) = written.parse_lenient(s.get(i)) else { return Ok(false) };
                session.get(i)?.format(t, a.ctx.zone, out);
                Ok(true)
            })
        });
    }
    Arc::new(move |a| {
        let t = local_micros(a, 0)?;
        // Nanoseconds below the microsecond, for TIMESTAMP(7) to (9).
        let fine = crate::ticks::Ticks::of(a.col(0)).ok().filter(|t| t.per_second == 1_000_000_000);
        let mut session = patterns.session(a)?;
        a.text(|i, out| {
            let micros = t(i);
            let below = fine.map_or(0, |f| f.get(a.at(0, i)).rem_euclid(1000));
            let at = DateTime {
                seconds: micros.div_euclid(1_000_000),
                nanos: micros.rem_euclid(1_000_000) * 1000 + below,
            };
            session.get(i)?.format(at, a.ctx.zone, out);
            Ok(true)
        })
    })
}

/// Parsed times as a timestamp column; unparsable text is NULL.
fn parsed(
    a: &Args<'_>,
    mut f: impl FnMut(usize) -> Result<Option<(i64, i64)>>,
) -> Result<ArrayRef> {
    let unit = unit_of(a.ret);
    let values = a.number::<Int64Type>(|i| {
        Ok(f(i)?.map(|(seconds, nanos)| seconds * unit + nanos / (1_000_000_000 / unit)))
    })?;
    let (_, values, nulls) = values.into_parts();
    Ok(timestamps(values.to_vec(), nulls, a.ret))
}

/// Time and offset by a pattern; text that doesn't fit is tried as what Java's SQL types print.
fn by_pattern(pattern: &Pattern, text: &str) -> Option<(DateTime, Option<i64>)> {
    let as_sql =
        || sql_timestamp_of(text).map(|(seconds, nanos)| (DateTime { seconds, nanos }, None));
    pattern.parse(text).or_else(as_sql)
}

fn to_timestamp(site: &Site<'_>) -> Kernel {
    let patterns = Patterns::new(site, 1);
    Arc::new(move |a| {
        let s = a.strs(0)?;
        if a.len() == 1 {
            return parsed(a, |i| Ok(timestamp_of(s.get(i))));
        }
        let mut session = patterns.session(a)?;
        parsed(a, |i| {
            let found = by_pattern(session.get(i)?, s.get(i));
            Ok(found.map(|(t, _)| (t.seconds, t.nanos)))
        })
    })
}

/// TO_TIMESTAMP_LTZ(text[, format[, zone]]); without a zone the text is UTC. Only with a
/// format is text that can't be read NULL.
fn to_timestamp_ltz(site: &Site<'_>) -> Kernel {
    let patterns = Patterns::new(site, 1);
    Arc::new(move |a| {
        let s = a.strs(0)?;
        let zones = if a.len() > 2 { Some(a.strs(2)?) } else { None };
        let mut session = patterns.session(a)?;
        parsed(a, |i| {
            let found = if a.len() == 1 {
                let (seconds, nanos) =
                    timestamp_of(s.get(i)).ok_or_else(|| unreadable(s.get(i)))?;
                Some((DateTime { seconds, nanos }, None))
            } else {
                by_pattern(session.get(i)?, s.get(i))
            };
            let Some((t, offset)) = found else { return Ok(None) };
            let zone = match zones {
                Some(z) => match Zone::try_parse(z.get(i)) {
                    Some(zone) => zone,
                    None => return Ok(None),
                },
                None => Zone::UTC,
            };
            let utc = offset.map_or_else(|| zone.to_instant(t.seconds, 1), |o| t.seconds - o);
            Ok(Some((utc, t.nanos)))
        })
    })
}

fn unreadable(text: &str) -> Error {
    Error::data(format!("TO_TIMESTAMP_LTZ: text '{text}' could not be parsed"))
        .hint("expected 'yyyy-MM-dd' or 'yyyy-MM-dd HH:mm:ss[.fff]'; with a format as second argument such text gives NULL")
}

/// TO_TIMESTAMP_LTZ(number[, precision]).
fn instant_of_number(a: &Args<'_>) -> Result<ArrayRef> {
    let unit = unit_of(a.ret);
    let precision = if a.len() > 1 { Some(a.nums::<Int32Type>(1)?) } else { None };
    let per_second = |i: usize| 10i64.pow(precision.map_or(3, |p| p.get(i).clamp(0, 9)) as u32);
    let values = if a.types[0].kind == TypeKind::BigInt {
        let x = a.nums::<Int64Type>(0)?;
        a.plain::<Int64Type>(|i| crate::ticks::rescale(x.get(i), per_second(i), unit))
    } else {
        let x = a.nums::<Float64Type>(0)?;
        a.plain::<Int64Type>(|i| (x.get(i) * unit as f64 / per_second(i) as f64) as i64)
    };
    let (_, values, nulls) = values.into_parts();
    Ok(timestamps(values.to_vec(), nulls, a.ret))
}

fn to_date(site: &Site<'_>) -> Kernel {
    let patterns = Patterns::new(site, 1);
    Arc::new(move |a| {
        let s = a.strs(0)?;
        let mut session = patterns.session(a)?;
        Ok(Arc::new(a.number::<Date32Type>(|i| {
            let seconds = if a.len() == 1 {
                return Ok(crate::cast::text::date_of(s.get(i)).map(|d| d as i32));
            } else {
                session.get(i)?.parse_lenient(s.get(i)).map(|(t, _)| t.seconds)
            };
            Ok(seconds.and_then(|s| i32::try_from(s.div_euclid(86_400)).ok()))
        })?))
    })
}

fn from_unixtime(site: &Site<'_>) -> Kernel {
    let patterns = Patterns::new(site, 1);
    Arc::new(move |a| {
        let x = a.nums::<Int64Type>(0)?;
        let mut session = patterns.session(a)?;
        a.text(|i, out| {
            let seconds = a.ctx.zone.to_local(x.get(i), 1);
            session.get(i)?.format(DateTime { seconds, nanos: 0 }, a.ctx.zone, out);
            Ok(true)
        })
    })
}

/// What Flink returns for text that it cannot parse.
const UNPARSABLE: i64 = i64::MIN;

fn unix_timestamp(site: &Site<'_>) -> Kernel {
    if site.args.is_empty() {
        return Arc::new(|a| Ok(Arc::new(a.plain::<Int64Type>(|_| a.ctx.now_ms.div_euclid(1000)))));
    }
    let patterns = Patterns::new(site, 1);
    if site.ty(0).is_some_and(weir_core::DataType::is_string) {
        return Arc::new(move |a| {
            let s = a.strs(0)?;
            let mut session = patterns.session(a)?;
            Ok(Arc::new(a.number::<Int64Type>(|i| {
                // A date alone is taken as midnight, which Flink doesn't.
                let found = session.get(i)?.parse_lenient(s.get(i)).or_else(|| {
                    let is_date = a.len() == 1 && !s.get(i).contains(' ');
                    let (seconds, nanos) = timestamp_of(s.get(i)).filter(|_| is_date)?;
                    Some((DateTime { seconds, nanos }, None))
                });
                Ok(Some(found.map_or(UNPARSABLE, |(t, offset)| {
                    offset.map_or_else(|| later_instant(a.ctx.zone, t.seconds), |o| t.seconds - o)
                })))
            })?))
        });
    }
    Arc::new(|a| {
        let t = local_micros(a, 0)?;
        let nulls = a.nulls();
        let valid = |i: usize| nulls.as_ref().is_none_or(|n: &NullBuffer| n.is_valid(i));
        Ok(Arc::new(a.plain::<Int64Type>(|i| {
            if valid(i) { a.ctx.zone.to_instant(t(i).div_euclid(1_000_000), 1) } else { 0 }
        })))
    })
}

/// CONVERT_TZ(text, from, to).
fn convert_tz(a: &Args<'_>) -> Result<ArrayRef> {
    let (s, from, to) = (a.strs(0)?, a.strs(1)?, a.strs(2)?);
    let shown = Pattern::new(DEFAULT)?;
    // Java takes an unknown zone for GMT.
    let zone = |id: &str| Zone::try_parse(id).unwrap_or(Zone::UTC);
    a.text(|i, out| {
        let Some((t, _)) = shown.parse_lenient(s.get(i)) else { return Ok(false) };
        let utc = later_instant(zone(from.get(i)), t.seconds);
        let seconds = zone(to.get(i)).to_local(utc, 1);
        shown.format(DateTime { seconds, nanos: 0 }, Zone::UTC, out);
        Ok(true)
    })
}

/// The instant of a local time; the later one of two, as `SimpleDateFormat` has it.
fn later_instant(zone: Zone, local: i64) -> i64 {
    let utc = zone.to_instant(local, 1);
    let again = [3600, 1800].into_iter().find(|d| zone.to_local(utc + d, 1) == local);
    utc + again.unwrap_or(0)
}
