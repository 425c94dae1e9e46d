//! Window arithmetic: which windows and slices a time belongs to, time zones.
//!
//! All times are milliseconds. Windows over TIMESTAMP_LTZ attributes are cut in
//! local time of the session zone, as Flink does.

use chrono::{DateTime, LocalResult, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;
use weir_core::types::TypeKind;
use weir_core::{DataType, Error, Result};
use weir_spec::WindowKind;

/// Start of the aligned interval of `size` that contains `ts`.
pub fn floor(ts: i64, offset: i64, size: i64) -> i64 {
    ts - (ts - offset).rem_euclid(size)
}

/// Shifts between epoch and local time.
#[derive(Debug, Clone, Copy)]
pub enum Zone {
    /// TIMESTAMP attributes, or UTC.
    None,
    /// A fixed offset in milliseconds.
    Fixed(i64),
    /// A zone with rules.
    Named(Tz),
}

impl Zone {
    /// The zone for windows over an attribute of the type.
    pub fn of(ty: &DataType, zone: &str) -> Result<Self> {
        if !matches!(ty.kind, TypeKind::TimestampLtz(..)) || matches!(zone, "" | "UTC" | "Z") {
            return Ok(Zone::None);
        }
        if let Ok(tz) = zone.parse::<Tz>() {
            return Ok(Zone::Named(tz));
        }
        let digits = zone.trim_start_matches("GMT").trim_start_matches("UTC");
        let sign = if digits.starts_with('-') { -1 } else { 1 };
        let mut parts = digits.trim_start_matches(['+', '-']).split(':');
        let mut number = || parts.next().map_or(Some(0), |p| p.parse::<i64>().ok());
        match (number(), number()) {
            (Some(h), Some(m)) if h <= 18 && m < 60 => {
                Ok(Zone::Fixed(sign * (h * 3_600_000 + m * 60_000)))
            }
            _ => Err(Error::option(format!("unknown time zone '{zone}'")).hint(
                "'table.local-time-zone' takes names such as 'Asia/Shanghai' or 'GMT+08:00'",
            )),
        }
    }

    /// Local wall clock of an instant.
    pub fn to_local(self, epoch: i64) -> i64 {
        match self {
            Zone::None => epoch,
            Zone::Fixed(o) => epoch + o,
            Zone::Named(tz) => DateTime::from_timestamp_millis(epoch).map_or(epoch, |t| {
                let offset = tz.offset_from_utc_datetime(&t.naive_utc()).fix();
                epoch + i64::from(offset.local_minus_utc()) * 1000
            }),
        }
    }

    /// Instant of a local wall clock; in a gap the later, in an overlap the earlier one.
    pub fn to_epoch(self, local: i64) -> i64 {
        if local == i64::MAX {
            return local;
        }
        match self {
            Zone::None => local,
            Zone::Fixed(o) => local - o,
            Zone::Named(tz) => {
                let Some(naive) = naive(local) else { return local };
                match tz.from_local_datetime(&naive) {
                    LocalResult::Single(t) | LocalResult::Ambiguous(t, _) => t.timestamp_millis(),
                    LocalResult::None => {
                        let later = naive + chrono::TimeDelta::hours(1);
                        match tz.from_local_datetime(&later).earliest() {
                            Some(t) => t.timestamp_millis() - 3_600_000,
                            None => local,
                        }
                    }
                }
            }
        }
    }
}

fn naive(local: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_millis(local).map(|t| t.naive_utc())
}

/// Aligned windows and the slices they share.
#[derive(Debug, Clone, Copy)]
pub struct Aligned {
    /// Length of a slice.
    slice: i64,
    /// Step between window ends.
    step: i64,
    /// Longest window.
    size: i64,
    offset: i64,
    cumulate: bool,
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Aligned {
    /// For TUMBLE, HOP, CUMULATE; None for SESSION.
    pub fn new(kind: &WindowKind) -> Result<Option<Self>> {
        let (slice, step, size, offset, cumulate) = match *kind {
            WindowKind::Tumble { size, offset } => (size, size, size, offset, false),
            WindowKind::Hop { slide, size, offset } => {
                (gcd(size, slide), slide, size, offset, false)
            }
            WindowKind::Cumulate { step, max_size, offset } => (step, step, max_size, offset, true),
            WindowKind::Session { .. } => return Ok(None),
        };
        if slice <= 0 || step <= 0 || size <= 0 {
            return Err(Error::validation("window lengths must be positive"));
        }
        Ok(Some(Self { slice, step, size, offset, cumulate }))
    }

    /// Whether every slice is a window of its own.
    pub fn is_tumbling(&self) -> bool {
        !self.cumulate && self.slice == self.size
    }

    /// End of the slice of a time.
    pub fn slice_end(&self, ts: i64) -> i64 {
        floor(ts, self.offset, self.slice) + self.slice
    }

    /// Ends of all windows that contain the slice, ascending.
    pub fn window_ends(&self, slice_end: i64) -> impl Iterator<Item = i64> + use<> {
        let at = slice_end - self.slice;
        let (first, last) = if self.cumulate {
            (slice_end, floor(at, self.offset, self.size) + self.size)
        } else {
            // Window ends are aligned like offset + size + k * slide.
            let aligned = floor(slice_end - 1, self.offset + self.size, self.step) + self.step;
            (aligned, floor(at, self.offset, self.step) + self.size)
        };
        (0..)
            .map({
                let step = self.step;
                move |i| first + i * step
            })
            .take_while(move |&e| e <= last)
    }

    /// Start of the window with this end.
    pub fn start_of(&self, end: i64) -> i64 {
        if self.cumulate { floor(end - 1, self.offset, self.size) } else { end - self.size }
    }

    /// (start, end) of all windows of a time, in Flink's order.
    pub fn windows(&self, ts: i64) -> Vec<(i64, i64)> {
        let mut all: Vec<(i64, i64)> =
            self.window_ends(self.slice_end(ts)).map(|e| (self.start_of(e), e)).collect();
        if !self.cumulate {
            all.reverse();
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aligned(kind: WindowKind) -> Aligned {
        Aligned::new(&kind).unwrap().unwrap()
    }

    #[test]
    fn windows_of_a_time() {
        let t = aligned(WindowKind::Tumble { size: 10, offset: 3 });
        assert_eq!(t.windows(12), [(3, 13)]);
        assert_eq!(t.windows(-8), [(-17, -7)]);
        let h = aligned(WindowKind::Hop { slide: 4, size: 10, offset: 0 });
        assert_eq!(h.windows(9), [(8, 18), (4, 14), (0, 10)]);
        assert_eq!(h.windows(10), [(8, 18), (4, 14)]);
        let sparse = aligned(WindowKind::Hop { slide: 10, size: 4, offset: 0 });
        assert_eq!(sparse.windows(3), [(0, 4)]);
        assert!(sparse.windows(5).is_empty());
        let c = aligned(WindowKind::Cumulate { step: 5, max_size: 15, offset: 0 });
        assert_eq!(c.windows(6), [(0, 10), (0, 15)]);
    }

    #[test]
    fn zones_shift_both_ways() {
        let ty = DataType::timestamp_ltz(3);
        let z = Zone::of(&ty, "Asia/Shanghai").unwrap();
        assert_eq!(z.to_local(0), 8 * 3_600_000);
        assert_eq!(z.to_epoch(8 * 3_600_000), 0);
        let f = Zone::of(&ty, "GMT-05:30").unwrap();
        assert_eq!(f.to_local(0), -19_800_000);
        assert!(Zone::of(&ty, "Nowhere/Else").is_err());
        assert!(matches!(Zone::of(&DataType::timestamp(3), "Asia/Shanghai"), Ok(Zone::None)));
    }
}
