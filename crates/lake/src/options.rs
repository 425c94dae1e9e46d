//! Options of Paimon tables: which are known, other spellings of them, and the
//! error for anything else.
//!
//! Invariant: a key is accepted only if this engine or the table itself acts on
//! it: read, write, retention and trigger options act here, the others are finer
//! properties of the table that steer compaction by engines that have them.

use std::collections::HashMap;

use weir_core::config::{bad_value, parse_duration, parse_memory};
use weir_core::{Error, Options, Result};

use crate::storage;
pub(crate) use crate::unknown::unknown_key;

/// Options of the connector itself, never stored in a table.
pub(crate) const CONNECTOR_KEYS: &[&str] =
    &["connector", "path", "auto-create", "sink.parallelism"];

/// Options that choose what a scan reads; they are per query and not stored
/// when they come from a hint.
pub(crate) const SCAN_KEYS: &[&str] = &[
    "scan.mode",
    "scan.snapshot-id",
    "scan.timestamp-millis",
    "scan.timestamp",
    "scan.tag-name",
    "scan.version",
    "scan.watermark",
    "scan.bounded.watermark",
    "incremental-between",
    "incremental-between-timestamp",
    "incremental-between-scan-mode",
    "continuous.discovery-interval",
];

/// Table options that act while reading or writing.
const ACTING: &[&str] = &[
    "bucket",
    "bucket-key",
    "bucket-function.type",
    "changelog-producer",
    "changelog-file.compression",
    "changelog-file.format",
    "changelog-file.prefix",
    "changelog-file.stats-mode",
    "commit.max-retries",
    "commit.max-retry-wait",
    "commit.min-retry-wait",
    "commit.timeout",
    "data-file.path-directory",
    "data-file.prefix",
    "deletion-vectors.enabled",
    "dynamic-bucket.max-buckets",
    "dynamic-bucket.target-row-num",
    "dynamic-partition-overwrite",
    "file-index.read.enabled",
    "file.compression",
    "file.compression.zstd-level",
    "file.format",
    "ignore-delete",
    "ignore-update-before",
    "index-file-in-data-file-dir",
    "manifest.compression",
    "manifest.target-file-size",
    "merge-engine",
    "metadata.stats-dense-store",
    "metadata.stats-keep-first-n-columns",
    "metadata.stats-mode",
    "parquet.filter.columnindex.enabled",
    "parquet.write-page-index.enabled",
    "partial-update.ignore-delete",
    "partial-update.remove-record-on-delete",
    "partial-update.remove-record-on-sequence-group",
    "partition.default-name",
    "partition.legacy-name",
    "primary-key",
    "partition",
    "read.batch-size",
    "rowkind.field",
    "sequence.field",
    "sequence.field.sort-order",
    "snapshot.expire.limit",
    "snapshot.num-retained.max",
    "snapshot.num-retained.min",
    "snapshot.time-retained",
    "source.split.open-file-cost",
    "source.split.target-size",
    "write-buffer-size",
    "write-only",
];

/// Properties of the table that whoever compacts it follows, and sizes of files.
const STORED: &[&str] = &[
    "aggregation.remove-record-on-delete",
    "changelog.num-retained.max",
    "changelog.num-retained.min",
    "changelog.time-retained",
    "compaction.max-size-amplification-percent",
    "compaction.min.file-num",
    "compaction.offpeak-ratio",
    "compaction.offpeak.end.hour",
    "compaction.offpeak.start.hour",
    "compaction.optimization-interval",
    "compaction.parallelism",
    "compaction.size-ratio",
    "file-index.in-manifest-threshold",
    "manifest.full-compaction-threshold-size",
    "manifest.merge-min-count",
    "num-levels",
    "num-sorted-run.compaction-trigger",
    "num-sorted-run.stop-trigger",
    "page-size",
    "sort-compaction.range-strategy",
    "sort-spill-threshold",
    "target-file-size",
    "target-file-row-num",
    "type",
];

/// Buffering options of the Java writer that have one meaning here: rows are
/// buffered in memory up to `write-buffer-size` and then written as a file.
const BUFFERING: &[&str] =
    &["write-buffer-spillable", "write-buffer-for-append", "write.parquet-buffer-size"];

/// Key families with free parts.
const FAMILIES: &[&str] = &["fields.", "schema.", "file-index.", "parquet.", "orc."];

/// Known Paimon keys that need what this version lacks.
const NOT_YET: &[(&str, &str)] = &[
    ("scan.parallelism", "a parallelism of its own for one scan"),
    ("consumer-id", "consumer progress files"),
    ("consumer.mode", "consumer progress files"),
    ("full-compaction.delta-commits", "compaction"),
    ("partition.expiration-time", "partition expiry"),
    ("record-level.expire-time", "record expiry"),
    ("tag.automatic-creation", "automatic tags"),
    ("lookup.async", "lookups beside the join"),
    ("scan.file-creation-time-millis", "scans by file creation time"),
    ("scan.creation-time-millis", "scans by creation time"),
    ("incremental-to-auto-tag", "incremental reads up to automatic tags"),
    ("row-tracking.enabled", "row tracking"),
    ("data-evolution.enabled", "data evolution tables"),
];

/// The options under their canonical keys and values: other spellings replaced,
/// scan selectors with the word `null` dropped.
pub(crate) fn canonical(options: &Options) -> Result<Options> {
    let mut out = Options::new();
    for (key, value) in options.iter() {
        let Some((key, value)) = alias(key, value)? else { continue };
        if SCAN_KEYS.contains(&key) && value.eq_ignore_ascii_case("null") {
            continue;
        }
        out.set(key, value);
    }
    Ok(out)
}

fn alias<'a>(key: &'a str, value: &'a str) -> Result<Option<(&'a str, &'a str)>> {
    Ok(Some(match key {
        "scan.mode" => {
            let mode = match value.trim() {
                "auto" => "default",
                "compiled" => "compacted-full",
                "full" => "latest-full",
                other => other,
            };
            (key, mode)
        }
        // Paimon compacts by universal compaction only: naming it changes nothing.
        "compaction.strategy" if value.eq_ignore_ascii_case("universal") => return Ok(None),
        "compaction.strategy" => return Err(bad_value(key, value, "universal")),
        "compaction.max.file-num" => ("num-sorted-run.compaction-trigger", value),
        "compaction.max.file-size" => ("target-file-size", value),
        "log.changelog-mode" | "log.scan" | "log.system" => {
            return Err(Error::option(format!(
                "option '{key}' belongs to Paimon log systems, which Paimon has removed"
            ))
            .hint("drop the option; 'changelog-producer' = 'input' keeps a changelog"));
        }
        other => (other, value),
    }))
}

/// Checks keys and simple values of canonical options. Pairs that `stored` has
/// are taken as they are: another engine may have written them.
pub(crate) fn check(options: &Options, stored: Option<&HashMap<String, String>>) -> Result<()> {
    for (key, value) in options.iter() {
        if stored.and_then(|s| s.get(key)).is_some_and(|v| v == value) {
            continue;
        }
        check_key(key)?;
        check_value(key, value)?;
    }
    Ok(())
}

fn check_key(key: &str) -> Result<()> {
    let known = CONNECTOR_KEYS.contains(&key)
        || SCAN_KEYS.contains(&key)
        || ACTING.contains(&key)
        || STORED.contains(&key)
        || BUFFERING.contains(&key)
        || FAMILIES.iter().any(|f| key.starts_with(f))
        || weir_spec::lookup::is_lookup_option(key)
        || storage::is_storage_key(key);
    if known {
        return Ok(());
    }
    if let Some((_, what)) = NOT_YET.iter().find(|(k, _)| *k == key) {
        return Err(Error::unsupported(format!("option '{key}' of Paimon tables ({what})")));
    }
    let all = CONNECTOR_KEYS
        .iter()
        .chain(SCAN_KEYS)
        .chain(ACTING)
        .chain(STORED)
        .chain(BUFFERING)
        .map(|k| (*k).to_owned());
    Err(unknown_key(key, all, "option of Paimon tables"))
}

fn check_value(key: &str, value: &str) -> Result<()> {
    let size = ["write-buffer-size", "target-file-size", "write.parquet-buffer-size", "page-size"];
    let time = ["snapshot.time-retained", "continuous.discovery-interval", "commit.timeout"];
    let boolean = [
        "auto-create",
        "write-buffer-spillable",
        "write-buffer-for-append",
        "deletion-vectors.enabled",
        "ignore-delete",
        "dynamic-partition-overwrite",
    ];
    let number = ["bucket", "snapshot.num-retained.min", "snapshot.num-retained.max"];
    let one_of = |allowed: &[&str]| {
        if allowed.iter().any(|a| value.eq_ignore_ascii_case(a)) {
            Ok(())
        } else {
            Err(bad_value(key, value, &format!("one of {}", allowed.join(", "))))
        }
    };
    match key {
        k if size.contains(&k) && parse_memory(value).is_none() => {
            Err(bad_value(key, value, "a size such as '64 mb'"))
        }
        k if time.contains(&k) && parse_duration(value).is_none() => {
            Err(bad_value(key, value, "a duration such as '10 s'"))
        }
        k if boolean.contains(&k) => one_of(&["true", "false"]),
        k if number.contains(&k) && value.trim().parse::<i32>().is_err() => {
            Err(bad_value(key, value, "an integer"))
        }
        "merge-engine" => one_of(&["deduplicate", "partial-update", "aggregation", "first-row"]),
        "changelog-producer" => one_of(&["none", "input", "lookup", "full-compaction"]),
        "file.format" => one_of(&["parquet", "orc", "avro"]),
        "bucket-function.type" => one_of(&["default", "mod", "hive"]),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Options {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn other_spellings() {
        let c = canonical(&options(&[
            ("scan.mode", "compiled"),
            ("scan.snapshot-id", "null"),
            ("compaction.strategy", "universal"),
            ("compaction.max.file-size", "128 mb"),
        ]))
        .unwrap();
        assert_eq!(c.get("scan.mode"), Some("compacted-full"));
        assert_eq!(c.get("scan.snapshot-id"), None);
        assert_eq!(c.get("target-file-size"), Some("128 mb"));
        assert_eq!(c.len(), 2);
    }

    #[test]
    fn unknown_keys_name_the_nearest() {
        let e = check(&options(&[("buckt", "4")]), None).unwrap_err();
        assert!(e.to_string().contains("'bucket'"), "{e}");
        assert!(check(&options(&[("bucket", "four")]), None).is_err());
        check(&options(&[("snapshot.time-retained", "1h"), ("fields.a.x", "y")]), None).unwrap();
    }
}
