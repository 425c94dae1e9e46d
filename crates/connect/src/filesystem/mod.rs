//! The `filesystem` connector: files of a local directory as a table.
//!
//! [`list`] finds files and splits, [`source`] reads them, [`sink`] writes part
//! files that become visible by a commit, [`commit`] announces complete partitions,
//! [`partition`] knows `k=v` directories.

mod commit;
mod list;
mod partition;
mod sink;
mod source;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use weir_core::{Error, Options, Result, Schema};
use weir_spec::{SinkSpec, SourceSpec};

use crate::api::{ConnectorFactory, Sink, Source};
use crate::format::check_foreign_options;
use crate::options;

const OPTIONS: &[&str] = &[
    "path",
    "format",
    "json.*",
    "csv.*",
    "raw.*",
    "parquet.*",
    "debezium-json.*",
    "canal-json.*",
    "maxwell-json.*",
    "ogg-json.*",
    "partition.default-name",
    "source.monitor-interval",
    "source.path.regex-pattern",
    "sink.rolling-policy.file-size",
    "sink.rolling-policy.rollover-interval",
    "sink.rolling-policy.inactivity-interval",
    "sink.rolling-policy.check-interval",
    "sink.partition-commit.trigger",
    "sink.partition-commit.delay",
    "sink.partition-commit.policy.kind",
    "sink.partition-commit.success-file.name",
    "sink.partition-commit.watermark-time-zone",
    "partition.time-extractor.kind",
    "partition.time-extractor.timestamp-pattern",
    "partition.time-extractor.timestamp-formatter",
    "sink.parallelism",
];

/// Options that Flink has and this version refuses.
const NOT_YET: &[&str] = &[
    "source.report-statistics",
    "sink.shuffle-by-partition.enable",
    "sink.partition-commit.*",
    "partition.time-extractor.class",
    "auto-compaction",
    "compaction.*",
];

/// Metadata columns of files.
pub(crate) const METADATA: &[(&str, &str)] = &[
    ("file.path", "STRING NOT NULL"),
    ("file.name", "STRING NOT NULL"),
    ("file.size", "BIGINT NOT NULL"),
    ("file.modification-time", "TIMESTAMP_LTZ(3) NOT NULL"),
];

/// Creates `filesystem` sources and sinks.
pub struct FilesystemFactory;

impl ConnectorFactory for FilesystemFactory {
    fn identifier(&self) -> &'static str {
        "filesystem"
    }
    fn readable_metadata(&self) -> &'static [(&'static str, &'static str)] {
        METADATA
    }
    fn source(&self, spec: &SourceSpec, schema: &Schema) -> Result<Box<dyn Source>> {
        check(&spec.table.options)?;
        Ok(Box::new(source::FileSource::new(spec, schema)?))
    }
    fn version(&self, table: &weir_spec::TableSpec) -> Result<Option<u64>> {
        list::version(&root(&table.options)?).map(Some)
    }
    fn sink(&self, spec: &SinkSpec, schema: &Schema) -> Result<Box<dyn Sink>> {
        check(&spec.table.options)?;
        Ok(Box::new(sink::FileSink::new(spec, schema)?))
    }
}

fn check(o: &Options) -> Result<()> {
    options::check(o, "filesystem", OPTIONS, NOT_YET)?;
    check_foreign_options(o, &["format"], &[])
}

/// The table's directory or file.
fn root(options: &Options) -> Result<PathBuf> {
    let text = options.require("path")?;
    let local = match text.split_once("://") {
        Some(("file", rest)) => rest,
        Some((scheme, _)) => {
            return Err(Error::unsupported(format!("scheme '{scheme}://' in option 'path'"))
                .hint("use a local path, with or without file://"));
        }
        None => text.strip_prefix("file:").unwrap_or(text),
    };
    if local.is_empty() {
        return Err(Error::option("option 'path' is empty").hint("give a file or directory"));
    }
    Ok(PathBuf::from(local))
}
