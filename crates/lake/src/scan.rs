//! Where a scan starts and ends: `scan.mode`, time travel selectors and
//! incremental ranges, with Flink's meaning in batch and in streaming mode.
//!
//! Invariant: a [`Stage`] names snapshots by id (or tag), so a stored position
//! reads the same rows after a restart as long as the snapshot exists.

use std::time::Duration;

use chrono::{Local, NaiveDateTime, TimeZone};
use paimon::Table;
use paimon::spec::{CommitKind, Snapshot};
use serde::{Deserialize, Serialize};
use weir_core::config::bad_value;
use weir_core::{Error, Options, Result};

use crate::compact::COMPACT_USER;
use crate::rt::lake_error;

/// `scan.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    LatestFull,
    Latest,
    CompactedFull,
    FromTimestamp,
    FromSnapshot,
    FromSnapshotFull,
    Incremental,
}

/// What names a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Selector {
    Snapshot(i64),
    Timestamp(i64),
    Tag(String),
    Version(String),
    Watermark(i64),
}

/// A piece of work that a position can point into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// The whole table at a snapshot.
    Full {
        /// Snapshot id.
        snapshot: i64,
        /// Tag that keeps the snapshot, when it was chosen by one.
        tag: Option<String>,
    },
    /// Rows that changed in `(from, to]`, read in batch mode.
    Range {
        /// Exclusive start.
        from: i64,
        /// Inclusive end.
        to: i64,
    },
    /// The changes of one snapshot, which may not exist yet.
    Changes {
        /// Snapshot id.
        snapshot: i64,
    },
    /// Nothing is left.
    Done,
}

/// Options of a scan, checked.
#[derive(Debug, Clone)]
pub(crate) struct ScanOptions {
    mode: Mode,
    selector: Option<Selector>,
    between: Option<(String, String)>,
    between_timestamps: Option<(i64, i64)>,
    /// Batch mode: read what is there and end.
    pub(crate) batch: bool,
    /// How often to look for new snapshots.
    pub(crate) interval: Duration,
    /// End before the first snapshot with a later watermark.
    pub(crate) bounded_watermark: Option<i64>,
    /// `incremental-between-scan-mode`.
    pub(crate) range_mode: RangeMode,
}

/// How the rows of an incremental range are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RangeMode {
    /// Changelog if the table has one, else the changed rows.
    Auto,
    /// Files added by the snapshots.
    Delta,
    /// Changelog files.
    Changelog,
    /// Comparison of the two states.
    Diff,
}

impl ScanOptions {
    /// Reads canonical options.
    pub(crate) fn new(options: &Options, batch: bool) -> Result<Self> {
        let selector = selector(options)?;
        let between = pair(options, "incremental-between")?;
        let stamps = pair(options, "incremental-between-timestamp")?;
        let between_timestamps =
            stamps.map(|(a, b)| Ok::<_, Error>((millis(&a)?, millis(&b)?))).transpose()?;
        let incremental = between.is_some() || between_timestamps.is_some();
        let mode = mode(options, selector.as_ref(), incremental)?;
        check(mode, selector.as_ref(), incremental, batch)?;
        Ok(Self {
            mode,
            selector,
            between,
            between_timestamps,
            batch,
            interval: options
                .duration_opt("continuous.discovery-interval")?
                .unwrap_or(Duration::from_secs(10))
                .max(Duration::from_millis(1)),
            bounded_watermark: options.i64_opt("scan.bounded.watermark")?,
            range_mode: range_mode(options)?,
        })
    }

    /// The first stage, with the snapshots that exist now.
    pub(crate) async fn start(&self, table: &Table) -> Result<Stage> {
        if self.batch { self.batch_start(table).await } else { self.stream_start(table).await }
    }

    async fn batch_start(&self, table: &Table) -> Result<Stage> {
        if self.mode == Mode::Incremental {
            return self.range(table).await;
        }
        if let Some(selector) = &self.selector {
            return full_at(table, selector).await;
        }
        let chosen = match self.mode {
            Mode::CompactedFull => compacted(table).await?,
            _ => latest(table).await?,
        };
        Ok(chosen.map_or(Stage::Done, |s| Stage::Full { snapshot: s.id(), tag: None }))
    }

    async fn stream_start(&self, table: &Table) -> Result<Stage> {
        let manager = table.snapshot_manager();
        let first_or_full = |s: Option<Snapshot>| match s {
            Some(s) => Stage::Full { snapshot: s.id(), tag: None },
            None => Stage::Changes { snapshot: 1 },
        };
        Ok(match (self.mode, &self.selector) {
            (Mode::Latest, _) => {
                let last = latest(table).await?.map_or(0, |s| s.id());
                Stage::Changes { snapshot: last + 1 }
            }
            (Mode::CompactedFull, _) => first_or_full(compacted(table).await?),
            (Mode::FromSnapshotFull, Some(selector)) => full_at(table, selector).await?,
            (Mode::FromSnapshot, Some(Selector::Snapshot(id))) => {
                let earliest = manager.earliest_snapshot_id().await.map_err(lake_error)?;
                Stage::Changes { snapshot: (*id).max(earliest.unwrap_or(1)) }
            }
            (Mode::FromTimestamp, Some(Selector::Timestamp(at))) => {
                let before =
                    manager.earlier_or_equal_time_millis(*at - 1).await.map_err(lake_error)?;
                let earliest = manager.earliest_snapshot_id().await.map_err(lake_error)?;
                Stage::Changes { snapshot: before.map_or(earliest.unwrap_or(1), |s| s.id() + 1) }
            }
            _ => first_or_full(latest(table).await?),
        })
    }

    async fn range(&self, table: &Table) -> Result<Stage> {
        if let Some((a, b)) = &self.between {
            let (from, to) = (point(table, a).await?, point(table, b).await?);
            return range_stage(from, to);
        }
        let Some((a, b)) = self.between_timestamps else {
            return Err(Error::option(
                "'scan.mode' = 'incremental' needs 'incremental-between' = 'start,end'",
            ));
        };
        let manager = table.snapshot_manager();
        let at = |s: Option<Snapshot>| s.map_or(0, |s| s.id());
        let from = at(manager.earlier_or_equal_time_millis(a).await.map_err(lake_error)?);
        let to = at(manager.earlier_or_equal_time_millis(b).await.map_err(lake_error)?);
        range_stage(from, to)
    }
}

fn range_stage(from: i64, to: i64) -> Result<Stage> {
    if from > to {
        return Err(Error::option(format!(
            "the incremental range ends at snapshot {to}, before its start {from}"
        )));
    }
    Ok(if from == to { Stage::Done } else { Stage::Range { from, to } })
}

fn pair(options: &Options, key: &str) -> Result<Option<(String, String)>> {
    let Some(text) = options.get(key) else { return Ok(None) };
    match text.split_once(',') {
        Some((a, b)) if !a.trim().is_empty() && !b.trim().is_empty() => {
            Ok(Some((a.trim().to_owned(), b.trim().to_owned())))
        }
        _ => Err(bad_value(key, text, "'start,end'")),
    }
}

fn millis(text: &str) -> Result<i64> {
    match text.parse() {
        Ok(ms) => Ok(ms),
        Err(_) => local_millis(text),
    }
}

/// Milliseconds of a local date and time.
fn local_millis(text: &str) -> Result<i64> {
    let bad = || bad_value("scan.timestamp", text, "a time such as '2025-01-31 10:00:00'");
    let full = if text.trim().len() == 10 { format!("{text} 00:00:00") } else { text.to_owned() };
    let parsed = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"]
        .iter()
        .find_map(|f| NaiveDateTime::parse_from_str(full.trim(), f).ok())
        .ok_or_else(bad)?;
    let zoned = Local.from_local_datetime(&parsed).earliest().ok_or_else(bad)?;
    Ok(zoned.timestamp_millis())
}

fn selector(options: &Options) -> Result<Option<Selector>> {
    let mut found = Vec::new();
    if let Some(id) = options.i64_opt("scan.snapshot-id")? {
        found.push(("scan.snapshot-id", Selector::Snapshot(id)));
    }
    if let Some(at) = options.i64_opt("scan.timestamp-millis")? {
        found.push(("scan.timestamp-millis", Selector::Timestamp(at)));
    }
    if let Some(text) = options.get("scan.timestamp") {
        found.push(("scan.timestamp", Selector::Timestamp(local_millis(text)?)));
    }
    if let Some(tag) = options.get("scan.tag-name") {
        found.push(("scan.tag-name", Selector::Tag(tag.to_owned())));
    }
    if let Some(v) = options.get("scan.version") {
        found.push(("scan.version", Selector::Version(v.to_owned())));
    }
    if let Some(w) = options.i64_opt("scan.watermark")? {
        found.push(("scan.watermark", Selector::Watermark(w)));
    }
    if found.len() > 1 {
        let keys: Vec<String> = found.iter().map(|(k, _)| format!("'{k}'")).collect();
        return Err(Error::option(format!("options {} exclude each other", keys.join(" and ")))
            .hint("keep one of them"));
    }
    Ok(found.pop().map(|(_, s)| s))
}

fn mode(options: &Options, selector: Option<&Selector>, incremental: bool) -> Result<Mode> {
    let named = options.get("scan.mode").unwrap_or("default");
    Ok(match named.trim().to_ascii_lowercase().as_str() {
        "default" => match selector {
            _ if incremental => Mode::Incremental,
            Some(Selector::Timestamp(_)) => Mode::FromTimestamp,
            Some(_) => Mode::FromSnapshot,
            None => Mode::LatestFull,
        },
        "latest-full" => Mode::LatestFull,
        "latest" => Mode::Latest,
        "compacted-full" => Mode::CompactedFull,
        "from-timestamp" => Mode::FromTimestamp,
        "from-snapshot" => Mode::FromSnapshot,
        "from-snapshot-full" => Mode::FromSnapshotFull,
        "incremental" => Mode::Incremental,
        "from-creation-timestamp" | "from-file-creation-time" => {
            return Err(Error::unsupported(format!("'scan.mode' = '{named}'"))
                .hint("use 'from-timestamp' with 'scan.timestamp-millis'"));
        }
        _ => {
            return Err(bad_value(
                "scan.mode",
                named,
                "default, latest-full, latest, compacted-full, from-timestamp, from-snapshot, \
                 from-snapshot-full or incremental",
            ));
        }
    })
}

fn check(mode: Mode, selector: Option<&Selector>, incremental: bool, batch: bool) -> Result<()> {
    let need = |key: &str| {
        Err(Error::option(format!("this 'scan.mode' needs option '{key}'"))
            .hint(format!("add '{key}' = '...'")))
    };
    match (mode, selector) {
        (Mode::FromTimestamp, Some(Selector::Timestamp(_))) => {}
        (Mode::FromTimestamp, _) => return need("scan.timestamp-millis"),
        (Mode::FromSnapshot | Mode::FromSnapshotFull, None) => return need("scan.snapshot-id"),
        (Mode::FromSnapshot, Some(Selector::Snapshot(_))) => {}
        (Mode::FromSnapshot, Some(_)) if !batch => {
            return Err(Error::option(
                "a streaming scan can start from 'scan.snapshot-id' or 'scan.timestamp-millis' only",
            )
            .hint("use 'scan.mode' = 'from-snapshot-full' to read the tagged state first"));
        }
        (Mode::LatestFull | Mode::Latest | Mode::CompactedFull, Some(_)) => {
            return Err(Error::option(
                "'scan.mode' does not go together with an option that selects a snapshot",
            )
            .hint("drop 'scan.mode', or drop the scan.* option"));
        }
        _ => {}
    }
    if mode == Mode::Incremental && !batch {
        return Err(Error::option("'incremental-between' is read in batch mode only")
            .hint("SET 'execution.runtime-mode' = 'batch'"));
    }
    if mode == Mode::Incremental && !incremental {
        return need("incremental-between");
    }
    Ok(())
}

fn range_mode(options: &Options) -> Result<RangeMode> {
    let key = "incremental-between-scan-mode";
    Ok(match options.get(key).unwrap_or("auto") {
        "auto" => RangeMode::Auto,
        "delta" => RangeMode::Delta,
        "changelog" => RangeMode::Changelog,
        "diff" => RangeMode::Diff,
        other => return Err(bad_value(key, other, "auto, delta, changelog or diff")),
    })
}

async fn latest(table: &Table) -> Result<Option<Snapshot>> {
    table.snapshot_manager().get_latest_snapshot().await.map_err(lake_error)
}

/// The newest snapshot that a compaction made, else the newest of all.
async fn compacted(table: &Table) -> Result<Option<Snapshot>> {
    let manager = table.snapshot_manager();
    let Some(last) = manager.get_latest_snapshot().await.map_err(lake_error)? else {
        return Ok(None);
    };
    let earliest = manager.earliest_snapshot_id().await.map_err(lake_error)?.unwrap_or(last.id());
    for id in (earliest..=last.id()).rev() {
        let snapshot = manager.get_snapshot(id).await.map_err(lake_error)?;
        let ours = snapshot.commit_user().starts_with(COMPACT_USER);
        if ours || snapshot.commit_kind() == &CommitKind::COMPACT {
            return Ok(Some(snapshot));
        }
    }
    Ok(Some(last))
}

async fn full_at(table: &Table, selector: &Selector) -> Result<Stage> {
    let manager = table.snapshot_manager();
    let none = |what: String| Error::option(format!("no snapshot of the table {what}"));
    let found = match selector {
        Selector::Snapshot(id) => {
            return match manager.get_snapshot(*id).await {
                Ok(s) => Ok(Stage::Full { snapshot: s.id(), tag: None }),
                Err(_) => Err(missing_snapshot(table, *id).await),
            };
        }
        Selector::Tag(tag) => return tagged(table, tag).await,
        Selector::Version(text) => {
            if table.tag_manager().tag_exists(text).await.map_err(lake_error)? {
                return tagged(table, text).await;
            }
            let other = match text.strip_prefix("watermark-").map(str::parse) {
                Some(Ok(w)) => Selector::Watermark(w),
                Some(Err(_)) => return Err(bad_value("scan.version", text, "watermark-<millis>")),
                None => Selector::Snapshot(text.parse().map_err(|_| {
                    bad_value("scan.version", text, "an existing tag or a snapshot id")
                })?),
            };
            return Box::pin(full_at(table, &other)).await;
        }
        Selector::Timestamp(at) => manager
            .earlier_or_equal_time_millis(*at)
            .await
            .map_err(lake_error)?
            .ok_or_else(|| none(format!("is as old as {at} ms since the epoch")))?,
        Selector::Watermark(w) => {
            manager
                .later_or_equal_watermark(*w)
                .await
                .map_err(lake_error)?
                .ok_or_else(|| none(format!("has a watermark of {w} or later")))?
        }
    };
    Ok(Stage::Full { snapshot: found.id(), tag: None })
}

async fn tagged(table: &Table, tag: &str) -> Result<Stage> {
    let found = table.tag_manager().get(tag).await.map_err(lake_error)?;
    match found {
        Some(s) => Ok(Stage::Full { snapshot: s.id(), tag: Some(tag.to_owned()) }),
        None => Err(Error::option(format!("tag '{tag}' does not exist"))),
    }
}

async fn missing_snapshot(table: &Table, id: i64) -> Error {
    let manager = table.snapshot_manager();
    let earliest = manager.earliest_snapshot_id().await.ok().flatten();
    let latest = manager.get_latest_snapshot_id().await.ok().flatten();
    let error = Error::option(format!("snapshot {id} does not exist"));
    match (earliest, latest) {
        (Some(a), Some(b)) => error.hint(format!("the table has snapshots {a} to {b}")),
        _ => error.hint("the table has no snapshot yet"),
    }
}

/// A snapshot id or tag of an incremental range.
async fn point(table: &Table, text: &str) -> Result<i64> {
    if table.tag_manager().tag_exists(text).await.map_err(lake_error)? {
        let found = table.tag_manager().get(text).await.map_err(lake_error)?;
        return found
            .map(|s| s.id())
            .ok_or_else(|| Error::option(format!("tag '{text}' does not exist")));
    }
    text.parse()
        .map_err(|_| bad_value("incremental-between", text, "a snapshot id or an existing tag"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(pairs: &[(&str, &str)], batch: bool) -> Result<ScanOptions> {
        let options: Options =
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        ScanOptions::new(&options, batch)
    }

    #[test]
    fn modes_follow_the_selectors() {
        assert_eq!(scan(&[], false).unwrap().mode, Mode::LatestFull);
        assert_eq!(scan(&[("scan.snapshot-id", "3")], false).unwrap().mode, Mode::FromSnapshot);
        assert_eq!(
            scan(&[("scan.timestamp", "2024-01-01 00:00:00")], true).unwrap().mode,
            Mode::FromTimestamp
        );
        assert_eq!(scan(&[("incremental-between", "1,2")], true).unwrap().mode, Mode::Incremental);
    }

    #[test]
    fn contradictions_are_refused() {
        assert!(scan(&[("scan.snapshot-id", "3"), ("scan.tag-name", "x")], true).is_err());
        assert!(scan(&[("incremental-between", "1,2")], false).is_err());
        assert!(scan(&[("scan.mode", "from-timestamp")], true).is_err());
        assert!(scan(&[("scan.mode", "newest")], true).is_err());
        assert!(scan(&[("scan.mode", "latest"), ("scan.snapshot-id", "1")], true).is_err());
    }
}
