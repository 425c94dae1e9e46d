//! The `kafka` and `upsert-kafka` connectors, over librdkafka.
//!
//! [`properties`] translates Java client properties, [`discovery`] finds partitions and
//! offsets, [`source`] reads, [`sink`] writes, [`transactions`] makes an epoch of the sink one
//! transaction and [`control`] (over [`wire`] and [`scram`]) ends those of earlier runs.
//! Readers assign partitions themselves; consumer groups serve only to store offsets.

mod control;
mod deliveries;
mod discovery;
mod properties;
mod scram;
mod sink;
mod source;
#[cfg(test)]
mod tests;
mod transactions;
mod wire;

use std::sync::Arc;

use weir_core::config::bad_value;
use weir_core::{Error, Options, Result, Schema};
use weir_spec::{SinkSpec, SourceSpec, TableSpec};

use crate::api::{ConnectorFactory, Sink, Source};
use crate::format::{RecordFormat, check_foreign_options, record_format};
use crate::options;

const OPTIONS: &[&str] = &[
    "topic",
    "topic-pattern",
    "properties.*",
    "format",
    "value.format",
    "key.format",
    "key.fields",
    "key.fields-prefix",
    "value.fields-include",
    "scan.startup.mode",
    "scan.startup.specific-offsets",
    "scan.startup.timestamp-millis",
    "scan.bounded.mode",
    "scan.bounded.specific-offsets",
    "scan.bounded.timestamp-millis",
    "scan.topic-partition-discovery.interval",
    "scan.parallelism",
    "sink.partitioner",
    "sink.delivery-guarantee",
    "sink.transactional-id-prefix",
    "sink.transaction-naming-strategy",
    "sink.parallelism",
    "json.*",
    "csv.*",
    "raw.*",
    "debezium-json.*",
    "canal-json.*",
    "maxwell-json.*",
    "ogg-json.*",
    "value.*",
    "key.*",
];

const UPSERT_OPTIONS: &[&str] = &[
    "topic",
    "properties.*",
    "value.format",
    "key.format",
    "key.fields-prefix",
    "value.fields-include",
    "scan.bounded.mode",
    "scan.bounded.specific-offsets",
    "scan.bounded.timestamp-millis",
    "scan.topic-partition-discovery.interval",
    "scan.parallelism",
    "sink.delivery-guarantee",
    "sink.transactional-id-prefix",
    "sink.transaction-naming-strategy",
    "sink.buffer-flush.max-rows",
    "sink.buffer-flush.interval",
    "sink.parallelism",
    "value.*",
    "key.*",
];

const METADATA: &[(&str, &str)] = &[
    ("topic", "STRING NOT NULL"),
    ("partition", "INT NOT NULL"),
    ("headers", "MAP<STRING, BYTES> NOT NULL"),
    ("leader-epoch", "INT"),
    ("offset", "BIGINT NOT NULL"),
    ("timestamp", "TIMESTAMP_LTZ(3) NOT NULL"),
    ("timestamp-type", "STRING NOT NULL"),
];

const WRITABLE: &[(&str, &str)] =
    &[("headers", "MAP<STRING, BYTES>"), ("timestamp", "TIMESTAMP_LTZ(3)")];

/// Creates `kafka` or `upsert-kafka` sources and sinks.
pub struct KafkaFactory {
    /// `upsert-kafka`
    pub upsert: bool,
}

impl KafkaFactory {
    fn check(&self, options: &Options) -> Result<()> {
        let known = if self.upsert { UPSERT_OPTIONS } else { OPTIONS };
        options::check(options, self.identifier(), known, &[])?;
        let exact = [
            "key.format",
            "key.fields",
            "key.fields-prefix",
            "value.format",
            "value.fields-include",
        ];
        check_foreign_options(options, &["format", "value.format", "key.format"], &exact)
    }
}

impl ConnectorFactory for KafkaFactory {
    fn identifier(&self) -> &'static str {
        if self.upsert { "upsert-kafka" } else { "kafka" }
    }
    fn readable_metadata(&self) -> &'static [(&'static str, &'static str)] {
        METADATA
    }
    fn writable_metadata(&self) -> &'static [(&'static str, &'static str)] {
        WRITABLE
    }
    fn source(&self, spec: &SourceSpec, schema: &Schema) -> Result<Box<dyn Source>> {
        self.check(&spec.table.options)?;
        Ok(Box::new(source::KafkaSource::new(spec, schema, self.upsert)?))
    }
    fn sink(&self, spec: &SinkSpec, schema: &Schema) -> Result<Box<dyn Sink>> {
        self.check(&spec.table.options)?;
        Ok(Box::new(sink::KafkaSink::new(spec, schema, self.upsert)?))
    }
}

/// How a table's columns are spread over key and value.
struct Layouts {
    value_format: Arc<dyn RecordFormat>,
    /// Key format, key columns (positions in the physical schema) and their names in the key.
    key: Option<(Arc<dyn RecordFormat>, Vec<usize>, Schema)>,
    /// Columns of the value.
    value_columns: Vec<usize>,
    /// Key columns are not in the value.
    except_key: bool,
}

impl Layouts {
    fn new(table: &TableSpec, upsert: bool) -> Result<Self> {
        let o = &table.options;
        let value_key = match (o.get("format"), o.get("value.format")) {
            (Some(_), Some(_)) => {
                return Err(Error::option("'format' and 'value.format' exclude each other"));
            }
            (None, Some(_)) => "value.format",
            _ if upsert => "value.format",
            _ => "format",
        };
        let value_format = record_format(o, value_key)?;
        if upsert && !value_format.read_mode().is_insert_only() {
            return Err(Error::option(format!(
                "'upsert-kafka' needs an insert-only 'value.format', not '{}'",
                value_format.identifier()
            )));
        }
        let key_columns = key_columns(table, upsert)?;
        let prefix = o.get("key.fields-prefix").unwrap_or("");
        let except_key = match o.get("value.fields-include").unwrap_or("ALL") {
            "ALL" => false,
            "EXCEPT_KEY" => true,
            v => return Err(bad_value("value.fields-include", v, "'ALL' or 'EXCEPT_KEY'")),
        };
        if !prefix.is_empty() && !except_key {
            return Err(Error::option(
                "'key.fields-prefix' needs 'value.fields-include' = 'EXCEPT_KEY'",
            ));
        }
        let key = match key_columns {
            None => None,
            Some(columns) => {
                let mut schema = table.physical.project(&columns);
                for f in &mut schema.fields {
                    f.name = f
                        .name
                        .strip_prefix(prefix)
                        .ok_or_else(|| {
                            Error::option(format!(
                                "key column '{}' does not begin with 'key.fields-prefix' = '{prefix}'",
                                f.name
                            ))
                        })?
                        .to_owned();
                }
                Some((record_format(o, "key.format")?, columns, schema))
            }
        };
        let in_key = |i: &usize| key.as_ref().is_some_and(|(_, c, _)| c.contains(i));
        let value_columns =
            (0..table.physical.len()).filter(|i| !(except_key && in_key(i))).collect();
        Ok(Self { value_format, key, value_columns, except_key })
    }
}

fn key_columns(table: &TableSpec, upsert: bool) -> Result<Option<Vec<usize>>> {
    let o = &table.options;
    if upsert {
        if table.primary_key.is_empty() {
            return Err(Error::validation(format!(
                "'upsert-kafka' table {} needs a PRIMARY KEY (..) NOT ENFORCED",
                table.identifier
            )));
        }
        o.require("key.format")?;
        return Ok(Some(table.primary_key.clone()));
    }
    match (o.get("key.format"), o.get("key.fields")) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(Error::option("'key.format' needs 'key.fields'")
            .hint("add 'key.fields' = 'a;b' with the key's columns")),
        (None, Some(_)) => Err(Error::option("'key.fields' needs 'key.format'")
            .hint("add 'key.format' = 'json' (or another format)")),
        (Some(_), Some(fields)) => fields
            .split(';')
            .map(|name| {
                table.physical.index_of(name).ok_or_else(|| {
                    bad_value("key.fields", name, "names of columns, separated by ';'")
                })
            })
            .collect::<Result<Vec<_>>>()
            .map(Some),
    }
}

/// The client error as an error of ours, naming the option to look at.
fn unreachable(servers: &str, e: &dyn std::fmt::Display) -> Error {
    Error::io(format!("cannot reach Kafka at '{servers}': {e}"))
        .hint("check option 'properties.bootstrap.servers' and that the brokers are up")
}
