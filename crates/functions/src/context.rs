//! What an evaluation depends on besides its input: session zone, clock, watermark.

use arrow::datatypes::DataType as ArrowType;
use chrono::{DateTime, FixedOffset, NaiveDateTime, Offset, TimeZone as _, Utc};
use weir_core::{Error, Result};

/// The session time zone (`table.local-time-zone`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// A region such as Asia/Shanghai.
    Region(chrono_tz::Tz),
    /// A fixed offset such as GMT+08:00, in seconds east.
    Fixed(i32),
}

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Zone = Zone::Fixed(0);

    /// Reads a zone id as Java does: a region, `UTC`, `GMT+8`, `UTC-03:30`, `+02:00`.
    pub fn parse(id: &str) -> Result<Zone> {
        Self::try_parse(id).ok_or_else(|| {
            Error::validation(format!("unknown time zone '{id}'"))
                .hint("use a region such as 'Asia/Shanghai' or an offset such as 'GMT+08:00'")
        })
    }

    /// Like [`Zone::parse`], None if the id is unknown.
    pub fn try_parse(id: &str) -> Option<Zone> {
        let rest = id
            .strip_prefix("UTC")
            .or_else(|| id.strip_prefix("GMT"))
            .or_else(|| id.strip_prefix("UT"));
        match rest {
            Some("") => return Some(Zone::UTC),
            Some(offset) if offset.starts_with(['+', '-']) => return parse_offset(offset),
            _ => {}
        }
        if id == "Z" {
            return Some(Zone::UTC);
        }
        if id.starts_with(['+', '-']) {
            return parse_offset(id);
        }
        id.parse::<chrono_tz::Tz>().ok().map(Zone::Region)
    }

    /// Seconds east of UTC at an instant.
    pub(crate) fn offset_at(&self, utc_seconds: i64) -> i64 {
        match self {
            Zone::Fixed(s) => i64::from(*s),
            Zone::Region(tz) => DateTime::<Utc>::from_timestamp(utc_seconds, 0).map_or(0, |t| {
                i64::from(tz.offset_from_utc_datetime(&t.naive_utc()).fix().local_minus_utc())
            }),
        }
    }

    /// Seconds east of UTC at a local time; the earlier offset where it occurs
    /// twice, the offset before the gap where it does not occur.
    pub(crate) fn offset_at_local(&self, local_seconds: i64) -> i64 {
        let tz = match self {
            Zone::Fixed(s) => return i64::from(*s),
            Zone::Region(tz) => tz,
        };
        let Some(local) = DateTime::<Utc>::from_timestamp(local_seconds, 0) else { return 0 };
        let naive: NaiveDateTime = local.naive_utc();
        match tz.offset_from_local_datetime(&naive) {
            chrono::LocalResult::Single(o) | chrono::LocalResult::Ambiguous(o, _) => {
                i64::from(o.fix().local_minus_utc())
            }
            chrono::LocalResult::None => self.offset_at(local_seconds - 86_400),
        }
    }

    /// Local ticks of an instant; `per_second` is the unit.
    pub(crate) fn to_local(self, ticks: i64, per_second: i64) -> i64 {
        ticks + self.offset_at(ticks.div_euclid(per_second)) * per_second
    }

    /// The instant of local ticks.
    pub fn to_instant(self, local: i64, per_second: i64) -> i64 {
        local - self.offset_at_local(local.div_euclid(per_second)) * per_second
    }
}

impl From<FixedOffset> for Zone {
    fn from(offset: FixedOffset) -> Self {
        Zone::Fixed(offset.local_minus_utc())
    }
}

fn parse_offset(text: &str) -> Option<Zone> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let mut parts = text[1..].split(':');
    let hours: i32 = parts.next()?.parse().ok()?;
    let minutes: i32 = parts.next().map_or(Some(0), |m| m.parse().ok())?;
    (hours <= 18 && minutes < 60 && parts.next().is_none())
        .then_some(Zone::Fixed(sign * (hours * 3600 + minutes * 60)))
}

/// Circumstances of one evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvalContext {
    /// Session time zone.
    pub zone: Zone,
    /// The clock in milliseconds since the epoch: start of the query in batch
    /// mode, of the batch of rows in streaming mode.
    pub now_ms: i64,
    /// Current event-time watermark in milliseconds, if one has arrived.
    pub watermark: Option<i64>,
    /// Streaming mode.
    pub streaming: bool,
}

impl Default for EvalContext {
    fn default() -> Self {
        let now_ms = Utc::now().timestamp_millis();
        Self { zone: Zone::UTC, now_ms, watermark: None, streaming: true }
    }
}

/// The zone tag of local timestamps in Arrow.
pub(crate) fn is_ltz(ty: &ArrowType) -> bool {
    matches!(ty, ArrowType::Timestamp(_, Some(_)))
}
