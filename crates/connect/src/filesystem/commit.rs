//! When a partition is complete, and what tells readers so (`sink.partition-commit.*`).
//!
//! Pending partitions are kept by the committer and are part of every checkpoint, so that
//! a restored job still announces them. Announcing twice is harmless: the success file
//! is only written again.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use weir_core::config::bad_value;
use weir_core::{Error, Options, Result};
use weir_functions::Zone;

use super::partition;
use crate::format::text::{TimestampStyle, parse_date, parse_timestamp};

const DAY_MILLIS: i64 = 86_400_000;

/// What makes a partition complete.
#[derive(Debug, Clone)]
enum Trigger {
    /// Some time after its first row.
    ProcessTime,
    /// The watermark has passed the time that its values name.
    PartitionTime { pattern: Option<String>, zone: Zone },
}

/// Trigger and policy of a sink.
#[derive(Debug, Clone)]
pub(super) struct CommitPolicy {
    trigger: Trigger,
    delay: Duration,
    /// Name of the success file.
    pub(super) success_file: String,
}

/// Partitions that wait: directory and processing time of the first row.
pub(super) type Pending = BTreeMap<String, i64>;

/// What a writer knows at a barrier.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Partitions with rows since the last barrier, or not announced yet.
    pub(super) pending: Pending,
    /// Event time in milliseconds.
    pub(super) watermark: i64,
    /// Processing time in milliseconds.
    pub(super) now: i64,
    /// No more rows come from this writer.
    pub(super) ended: bool,
    /// An earlier epoch has removed what INSERT OVERWRITE replaces.
    pub(super) cleared: bool,
}

impl CommitPolicy {
    /// The policy of a table; `None` without `sink.partition-commit.policy.kind`.
    pub(super) fn new(o: &Options, partitions: &[String]) -> Result<Option<Self>> {
        let zone = match o.get("sink.partition-commit.watermark-time-zone") {
            None => Zone::UTC,
            Some(id) => Zone::try_parse(id).ok_or_else(|| {
                bad_value(
                    "sink.partition-commit.watermark-time-zone",
                    id,
                    "a zone such as 'Asia/Shanghai' or 'UTC+08:00'",
                )
            })?,
        };
        extractor(o)?;
        let pattern = o.get("partition.time-extractor.timestamp-pattern").map(str::to_owned);
        let trigger = match o.get("sink.partition-commit.trigger") {
            None | Some("process-time") => Trigger::ProcessTime,
            Some("partition-time") if partitions.is_empty() => {
                return Err(Error::option(
                    "'sink.partition-commit.trigger' = 'partition-time' needs PARTITIONED BY (..)",
                ));
            }
            Some("partition-time") => Trigger::PartitionTime { pattern, zone },
            Some(v) => {
                let key = "sink.partition-commit.trigger";
                return Err(bad_value(key, v, "'process-time' or 'partition-time'"));
            }
        };
        let delay = o.duration_opt("sink.partition-commit.delay")?.unwrap_or(Duration::ZERO);
        let name = o.get("sink.partition-commit.success-file.name").unwrap_or("_SUCCESS");
        if name.is_empty() || name.contains('/') {
            let key = "sink.partition-commit.success-file.name";
            return Err(bad_value(key, name, "the name of a file"));
        }
        let key = "sink.partition-commit.policy.kind";
        let Some(kinds) = o.get(key) else { return Ok(None) };
        for kind in kinds.split(',').map(str::trim) {
            match kind {
                "success-file" => {}
                "metastore" => {
                    return Err(Error::option(format!(
                        "'{key}' = 'metastore' works on tables of a metastore, a filesystem \
                         table has none"
                    ))
                    .hint(format!("use '{key}' = 'success-file'")));
                }
                "custom" => {
                    return Err(Error::unsupported(format!("'{key}' = 'custom' (a Java class)"))
                        .hint(format!("use '{key}' = 'success-file'")));
                }
                other => return Err(bad_value(key, other, "'success-file'")),
            }
        }
        Ok(Some(Self { trigger, delay, success_file: name.to_owned() }))
    }

    /// Whether a partition is complete; `now` and `watermark` in milliseconds.
    pub(super) fn is_due(
        &self,
        directory: &str,
        created: i64,
        now: i64,
        watermark: i64,
    ) -> Result<bool> {
        let delay = self.delay.as_millis() as i64;
        Ok(match &self.trigger {
            Trigger::ProcessTime => delay == 0 || now > created.saturating_add(delay),
            Trigger::PartitionTime { pattern, zone } => {
                let local = partition_time(directory, pattern.as_deref())?;
                watermark > zone.to_instant(local, 1000).saturating_add(delay)
            }
        })
    }

    /// Removes the complete partitions from `pending` and returns them.
    pub(super) fn take_due(
        &self,
        pending: &mut Pending,
        progress: &[Progress],
    ) -> Result<Vec<String>> {
        let ended = !progress.is_empty() && progress.iter().all(|p| p.ended);
        let now = progress.iter().map(|p| p.now).min().unwrap_or(i64::MIN);
        let watermark = progress.iter().map(|p| p.watermark).min().unwrap_or(i64::MIN);
        let mut due = Vec::new();
        for (directory, created) in pending.iter() {
            if ended || self.is_due(directory, *created, now, watermark)? {
                due.push(directory.clone());
            }
        }
        for d in &due {
            pending.remove(d);
        }
        Ok(due)
    }
}

fn extractor(o: &Options) -> Result<()> {
    match o.get("partition.time-extractor.kind") {
        None | Some("default") => {}
        Some("custom") => {
            return Err(Error::unsupported(
                "'partition.time-extractor.kind' = 'custom' (a Java class)",
            )
            .hint("use 'default' with 'partition.time-extractor.timestamp-pattern'"));
        }
        Some(v) => return Err(bad_value("partition.time-extractor.kind", v, "'default'")),
    }
    match o.get("partition.time-extractor.timestamp-formatter") {
        None | Some("yyyy-MM-dd HH:mm:ss") => Ok(()),
        Some(v) => Err(Error::unsupported(format!(
            "'partition.time-extractor.timestamp-formatter' = '{v}'"
        ))
        .hint(
            "give the time as 'yyyy-MM-dd HH:mm:ss' by \
             'partition.time-extractor.timestamp-pattern'",
        )),
    }
}

/// The local time that a partition's values name, in milliseconds: the pattern with `$column`
/// replaced by values, or the first value.
fn partition_time(directory: &str, pattern: Option<&str>) -> Result<i64> {
    let mut values: Vec<(String, String)> = directory
        .split('/')
        .filter_map(|p| p.split_once('='))
        .map(|(k, v)| (partition::unescape(k), partition::unescape(v)))
        .collect();
    let text = match pattern {
        None => values.first().map(|(_, v)| v.clone()).unwrap_or_default(),
        Some(pattern) => {
            // A longer name first: $hour_of_day before $hour.
            values.sort_by_key(|(k, _)| std::cmp::Reverse(k.len()));
            let fill = |text: String, (k, v): &(String, String)| text.replace(&format!("${k}"), v);
            values.iter().fold(pattern.to_owned(), fill)
        }
    };
    let time = parse_timestamp(text.as_bytes(), TimestampStyle::Sql, false, 1000);
    time.or_else(|| parse_date(text.as_bytes(), false).map(|d| i64::from(d) * DAY_MILLIS))
        .ok_or_else(|| {
            Error::data(format!("partition '{directory}' names no time: '{text}'")).hint(
                "set 'partition.time-extractor.timestamp-pattern' so that it gives \
                 'yyyy-MM-dd HH:mm:ss', for instance '$dt $hour:00:00'",
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(options: &[(&str, &str)]) -> Result<Option<CommitPolicy>> {
        let all = options.iter().map(|(k, v)| (format!("sink.partition-commit.{k}"), v));
        let o: Options =
            all.map(|(k, v)| (k.replace("sink.partition-commit.+", ""), (*v).into())).collect();
        CommitPolicy::new(&o, &["dt".into()])
    }

    #[test]
    fn partition_time_needs_the_watermark() {
        let p = policy(&[
            ("trigger", "partition-time"),
            ("delay", "1 h"),
            ("policy.kind", "success-file"),
            ("watermark-time-zone", "Asia/Shanghai"),
            ("+partition.time-extractor.timestamp-pattern", "$dt $hour:00:00"),
        ])
        .unwrap()
        .unwrap();
        let mut pending = Pending::from([
            ("dt=2024-01-01/hour=10".into(), 0),
            ("dt=2024-01-01/hour=11".into(), 0),
        ]);
        // 10:00 in Shanghai and one hour is 03:00 UTC.
        let at = |watermark, ended| Progress { watermark, ended, ..Progress::default() };
        let three = 1_704_078_000_000;
        assert!(p.take_due(&mut pending, &[at(three, false)]).unwrap().is_empty());
        let two = [at(three + 1, false), at(three + 5, true)];
        assert_eq!(p.take_due(&mut pending, &two).unwrap(), ["dt=2024-01-01/hour=10"]);
        assert_eq!(p.take_due(&mut pending, &[at(0, true)]).unwrap().len(), 1);
        assert!(pending.is_empty());
        assert!(p.is_due("dt=x/hour=1", 0, 0, 0).unwrap_err().message().contains("dt=x"));
    }

    #[test]
    fn process_time_counts_from_the_first_row() {
        let p = policy(&[("delay", "5 s"), ("policy.kind", "success-file")]).unwrap().unwrap();
        assert!(!p.is_due("dt=a", 1000, 6000, i64::MIN).unwrap());
        assert!(p.is_due("dt=a", 1000, 6001, i64::MIN).unwrap());
        assert!(policy(&[]).unwrap().is_none());
        let e = policy(&[("policy.kind", "metastore,success-file")]).unwrap_err();
        assert!(e.message().contains("has none"));
    }
}
