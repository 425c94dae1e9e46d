//! Lookup joins: what is looked up, how it is cached, when a miss is tried again.
//!
//! The options are Flink's `lookup.*`; [`LookupCache::from_options`] reads them from the
//! table, [`is_lookup_option`] tells connectors' options apart from them.

use serde::{Deserialize, Serialize};
use weir_core::{Error, Options, Result, Schema};
use weir_functions::Expr;

use crate::{JoinSpec, SourceSpec};

/// What a lookup join asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LookupSpec {
    /// Keys, kind (inner or left) and residual predicate over the left columns and `columns`.
    pub join: JoinSpec,
    /// The table's scan, always of its present content.
    pub source: SourceSpec,
    /// What the scan produces.
    pub source_schema: Schema,
    /// Rows of the table that count, over the scan's columns.
    pub filter: Option<Expr>,
    /// The right columns and then computed keys, over the scan's columns.
    pub projection: Vec<Expr>,
    /// The columns of `projection`.
    pub columns: Schema,
    /// What is kept of the table.
    pub cache: LookupCache,
    /// How often a failed read is repeated (`lookup.max-retries`).
    pub max_retries: u32,
    /// What the LOOKUP hint says.
    pub hint: LookupHint,
}

/// What a lookup join keeps of its table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum LookupCache {
    /// Every batch of rows reads its keys.
    None,
    /// Keys that were asked before.
    Partial {
        /// `lookup.partial-cache.max-rows`
        max_rows: Option<u64>,
        /// `lookup.partial-cache.expire-after-write` in milliseconds.
        after_write: Option<i64>,
        /// `lookup.partial-cache.expire-after-access` in milliseconds.
        after_access: Option<i64>,
        /// `lookup.partial-cache.cache-missing-key`
        missing: bool,
    },
    /// The whole table.
    Full(Reload),
}

/// When a full cache is read again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Reload {
    /// Never.
    Never,
    /// This many milliseconds after the last time.
    Every(i64),
    /// At a time of the day (milliseconds after midnight UTC), every so many days.
    Daily {
        /// Time of day.
        at: i64,
        /// `lookup.full-cache.timed-reload.interval-in-days`
        days: i64,
    },
}

/// What a LOOKUP hint asks for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LookupHint {
    /// Misses are looked up again.
    pub retry: Option<LookupRetry>,
    /// Rows of one key meet in one instance.
    pub shuffle: bool,
}

/// A miss is looked up again after a fixed delay.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LookupRetry {
    /// Milliseconds between two attempts.
    pub delay: i64,
    /// Attempts beyond the first one.
    pub attempts: u32,
}

const CACHE: &str = "lookup.cache";
const MAX_RETRIES: &str = "lookup.max-retries";
const MAX_ROWS: &str = "lookup.partial-cache.max-rows";
const AFTER_WRITE: &str = "lookup.partial-cache.expire-after-write";
const AFTER_ACCESS: &str = "lookup.partial-cache.expire-after-access";
const MISSING: &str = "lookup.partial-cache.cache-missing-key";
const STRATEGY: &str = "lookup.full-cache.reload-strategy";
const INTERVAL: &str = "lookup.full-cache.periodic-reload.interval";
const SCHEDULE: &str = "lookup.full-cache.periodic-reload.schedule-mode";
const ISO_TIME: &str = "lookup.full-cache.timed-reload.iso-time";
const DAYS: &str = "lookup.full-cache.timed-reload.interval-in-days";

const KNOWN: [&str; 11] = [
    CACHE,
    MAX_RETRIES,
    MAX_ROWS,
    AFTER_WRITE,
    AFTER_ACCESS,
    MISSING,
    STRATEGY,
    INTERVAL,
    SCHEDULE,
    ISO_TIME,
    DAYS,
];

/// Whether an option belongs to lookup joins, so that scans and sinks pass it over.
pub fn is_lookup_option(key: &str) -> bool {
    KNOWN.contains(&key)
}

/// `lookup.max-retries`
pub fn max_retries(options: &Options) -> Result<u32> {
    match options.get(MAX_RETRIES) {
        None => Ok(3),
        Some(n) => n.trim().parse().map_err(|_| bad(MAX_RETRIES, n, "a number")),
    }
}

fn bad(key: &str, value: &str, expected: &str) -> Error {
    Error::option(format!("invalid value '{value}' for option '{key}': expected {expected}"))
}

impl LookupCache {
    /// Reads a table's options. `default`: what a table without `lookup.cache` does.
    pub fn from_options(options: &Options, default: Reload) -> Result<Self> {
        let partial =
            [MAX_ROWS, AFTER_WRITE, AFTER_ACCESS, MISSING].iter().any(|k| options.get(k).is_some());
        let full =
            [STRATEGY, INTERVAL, SCHEDULE, ISO_TIME, DAYS].iter().any(|k| options.get(k).is_some());
        let named = options.get(CACHE).map(str::to_ascii_uppercase);
        let misplaced = |other: &str| {
            Error::option(format!("the options lookup.{other}.* have no effect with this cache"))
                .hint("'lookup.cache' is NONE, PARTIAL or FULL; drop the options of the others")
        };
        match named.as_deref() {
            Some("NONE") if partial => Err(misplaced("partial-cache")),
            Some("NONE" | "PARTIAL") if full => Err(misplaced("full-cache")),
            Some("FULL") if partial => Err(misplaced("partial-cache")),
            Some("NONE") => Ok(LookupCache::None),
            Some("PARTIAL") => Self::partial(options),
            Some("FULL") if full => Reload::from_options(options).map(LookupCache::Full),
            // Paimon's words for its own choice.
            Some("FULL" | "AUTO") | None if !partial && !full => Ok(LookupCache::Full(default)),
            None if partial && !full => Self::partial(options),
            None if full && !partial => Reload::from_options(options).map(LookupCache::Full),
            Some("AUTO") | None => Err(misplaced("partial-cache")),
            Some(_) => {
                let value = options.get(CACHE).unwrap_or_default();
                Err(bad(CACHE, value, "NONE, PARTIAL or FULL"))
            }
        }
    }

    fn partial(options: &Options) -> Result<Self> {
        let millis = |key: &str| -> Result<Option<i64>> {
            Ok(options.duration_opt(key)?.map(|d| d.as_millis() as i64))
        };
        let max_rows = match options.get(MAX_ROWS) {
            None => None,
            Some(n) => Some(n.trim().parse().map_err(|_| bad(MAX_ROWS, n, "a number"))?),
        };
        let (after_write, after_access) = (millis(AFTER_WRITE)?, millis(AFTER_ACCESS)?);
        if max_rows.is_none() && after_write.is_none() && after_access.is_none() {
            return Err(Error::option(
                "'lookup.cache' = 'PARTIAL' without a bound would grow for ever",
            )
            .hint(format!("set '{MAX_ROWS}', '{AFTER_WRITE}' or '{AFTER_ACCESS}'")));
        }
        let missing = options.bool_or(MISSING, true)?;
        Ok(LookupCache::Partial { max_rows, after_write, after_access, missing })
    }
}

impl Reload {
    fn from_options(options: &Options) -> Result<Self> {
        let strategy = options.get(STRATEGY).unwrap_or("PERIODIC");
        if let Some(mode) = options.get(SCHEDULE)
            && !["FIXED_DELAY", "FIXED_RATE"].iter().any(|m| mode.eq_ignore_ascii_case(m))
        {
            return Err(bad(SCHEDULE, mode, "FIXED_DELAY or FIXED_RATE"));
        }
        if strategy.eq_ignore_ascii_case("PERIODIC") {
            let Some(interval) = options.duration_opt(INTERVAL)? else {
                return Err(Error::option(format!(
                    "a full lookup cache with periodic reloads needs '{INTERVAL}'"
                )));
            };
            return Ok(Reload::Every((interval.as_millis() as i64).max(1)));
        }
        if !strategy.eq_ignore_ascii_case("TIMED") {
            return Err(bad(STRATEGY, strategy, "PERIODIC or TIMED"));
        }
        let text = options.get(ISO_TIME).ok_or_else(|| {
            Error::option(format!("a full lookup cache with timed reloads needs '{ISO_TIME}'"))
        })?;
        let at = iso_time(text)
            .ok_or_else(|| bad(ISO_TIME, text, "a time such as '10:15' or '10:15Z'"))?;
        let days = match options.get(DAYS) {
            None => 1,
            Some(n) => n
                .trim()
                .parse::<i64>()
                .ok()
                .filter(|n| *n > 0)
                .ok_or_else(|| bad(DAYS, n, "a number of days"))?,
        };
        Ok(Reload::Daily { at, days })
    }

    /// When a cache that was read at `loaded` is due again (milliseconds since 1970).
    pub fn due(&self, loaded: i64) -> Option<i64> {
        const DAY: i64 = 86_400_000;
        match self {
            Reload::Never => None,
            Reload::Every(ms) => Some(loaded.saturating_add(*ms)),
            Reload::Daily { at, days } => {
                let today = loaded.div_euclid(DAY) * DAY + at;
                let first = if today > loaded { today } else { today + DAY };
                Some(first + (days - 1) * DAY)
            }
        }
    }
}

/// `10:15`, `10:15:30`, with `Z` or an offset such as `+07:00`; milliseconds after midnight UTC.
fn iso_time(text: &str) -> Option<i64> {
    let text = text.trim();
    let (clock, offset) = match text.find(['Z', '+', '-']) {
        None => (text, 0),
        Some(at) if text[at..].eq_ignore_ascii_case("Z") => (&text[..at], 0),
        Some(at) => {
            let sign = if text[at..].starts_with('-') { -1 } else { 1 };
            (&text[..at], sign * clock_millis(&text[at + 1..])?)
        }
    };
    Some((clock_millis(clock)? - offset).rem_euclid(86_400_000))
}

fn clock_millis(text: &str) -> Option<i64> {
    let parts: Vec<i64> = text.split(':').map(|p| p.parse().ok()).collect::<Option<_>>()?;
    let (h, m, s) = match parts.as_slice() {
        [h, m] => (*h, *m, 0),
        [h, m, s] => (*h, *m, *s),
        _ => return None,
    };
    let ok = (0..24).contains(&h) && (0..60).contains(&m) && (0..60).contains(&s);
    ok.then_some(((h * 60 + m) * 60 + s) * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(pairs: &[(&str, &str)]) -> Result<LookupCache> {
        let options: Options =
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        LookupCache::from_options(&options, Reload::Never)
    }

    #[test]
    fn options_choose_the_cache() {
        assert_eq!(cache(&[]).unwrap(), LookupCache::Full(Reload::Never));
        assert_eq!(cache(&[(CACHE, "none")]).unwrap(), LookupCache::None);
        assert_eq!(
            cache(&[(CACHE, "FULL"), (INTERVAL, "5 s")]).unwrap(),
            LookupCache::Full(Reload::Every(5000))
        );
        assert!(matches!(
            cache(&[(MAX_ROWS, "10")]).unwrap(),
            LookupCache::Partial { max_rows: Some(10), missing: true, .. }
        ));
        for wrong in [
            &[(CACHE, "some")][..],
            &[(CACHE, "PARTIAL")],
            &[(CACHE, "NONE"), (MAX_ROWS, "10")],
            &[(CACHE, "FULL"), (STRATEGY, "TIMED")],
            &[(INTERVAL, "5 s"), (MAX_ROWS, "10")],
        ] {
            assert!(cache(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_timed_reload_is_due_at_its_time() {
        let reload = Reload::Daily { at: iso_time("02:30+01:00").unwrap(), days: 2 };
        let hour = 3_600_000;
        assert_eq!(reload.due(hour), Some(hour * 3 / 2 + 24 * hour));
        assert_eq!(reload.due(2 * hour), Some(hour * 3 / 2 + 48 * hour));
    }
}
