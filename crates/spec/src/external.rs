//! Connectors that tables may name before the engine can run them: a script that
//! uses one is checked to the last option, and refused only when it runs.

/// A connector and the options it knows; a name ending in `*` is a prefix.
#[derive(Debug, Clone, Copy)]
pub struct External {
    /// Value of `'connector'`.
    pub name: &'static str,
    /// Option names.
    pub options: &'static [&'static str],
    /// Options that a table needs.
    pub required: &'static [&'static str],
    /// What a sink of it takes.
    pub sink: ExternalSink,
}

/// What an external sink makes of updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExternalSink {
    /// No sink.
    None,
    /// Rows are only appended, whatever the key.
    Append,
    /// Upserts where the table has a primary key, else appends.
    Keyed,
}

const LOOKUP: [&str; 2] = ["lookup.*", "scan.*"];

/// The connector of that name.
pub fn external(name: &str) -> Option<&'static External> {
    EXTERNAL.iter().find(|e| e.name == name)
}

/// Whether the connector knows an option.
pub fn knows(external: &External, key: &str) -> bool {
    let matches = |k: &&str| match k.strip_suffix('*') {
        Some(prefix) => key.starts_with(prefix),
        None => *k == key,
    };
    key == "connector" || external.options.iter().any(matches) || LOOKUP.iter().any(matches)
}

const MYSQL_CDC: &[&str] = &[
    "hostname",
    "port",
    "username",
    "password",
    "database-name",
    "table-name",
    "server-id",
    "server-time-zone",
    "connect.timeout",
    "connect.max-retries",
    "connection.pool.size",
    "jdbc.properties.*",
    "heartbeat.interval",
    "chunk-meta.group.size",
    "chunk-key.even-distribution.factor.*",
    "use.legacy.json.format",
    "debezium.*",
];
const POSTGRES_CDC: &[&str] = &[
    "hostname",
    "port",
    "username",
    "password",
    "database-name",
    "schema-name",
    "table-name",
    "slot.name",
    "decoding.plugin.name",
    "changelog-mode",
    "heartbeat.interval.ms",
    "connect.timeout",
    "connect.max-retries",
    "connection.pool.size",
    "chunk-meta.group.size",
    "debezium.*",
];
const OTHER_CDC: &[&str] = &[
    "hostname",
    "hosts",
    "port",
    "url",
    "username",
    "password",
    "database-name",
    "database",
    "collection",
    "schema-name",
    "table-name",
    "server-time-zone",
    "connect.timeout",
    "connect.max-retries",
    "connection.pool.size",
    "connection.options",
    "chunk-meta.group.size",
    "heartbeat.interval.ms",
    "debezium.*",
];
const ELASTICSEARCH: &[&str] = &[
    "hosts",
    "index",
    "document-type",
    "document-id.key-delimiter",
    "username",
    "password",
    "failure-handler",
    "sink.delivery-guarantee",
    "sink.flush-on-checkpoint",
    "sink.bulk-flush.*",
    "sink.parallelism",
    "connection.path-prefix",
    "connection.request-timeout",
    "connection.timeout",
    "socket.timeout",
    "ssl.*",
    "format",
    "json.*",
];
const HBASE: &[&str] = &[
    "table-name",
    "zookeeper.quorum",
    "zookeeper.znode.parent",
    "null-string-literal",
    "sink.buffer-flush.*",
    "sink.ignore-null-value",
    "sink.parallelism",
    "properties.*",
];

const fn of(
    name: &'static str,
    options: &'static [&'static str],
    required: &'static [&'static str],
    sink: ExternalSink,
) -> External {
    External { name, options, required, sink }
}

/// All external connectors.
pub const EXTERNAL: &[External] = &[
    of(
        "fluss",
        &[
            "bootstrap.servers",
            "bucket.num",
            "bucket.key",
            "auto-increment.fields",
            "table.*",
            "fields.*",
            "client.*",
            "sink.ignore-delete",
            "sink.bucket-shuffle",
            "sink.parallelism",
        ],
        &[],
        ExternalSink::Keyed,
    ),
    of(
        "doris",
        &[
            "fenodes",
            "benodes",
            "auto-redirect",
            "jdbc-url",
            "table.identifier",
            "username",
            "password",
            "doris.*",
            "sink.label-prefix",
            "sink.enable-2pc",
            "sink.enable-delete",
            "sink.check-interval",
            "sink.max-retries",
            "sink.buffer-size",
            "sink.buffer-count",
            "sink.enable.batch-mode",
            "sink.flush.queue-size",
            "sink.buffer-flush.max-rows",
            "sink.buffer-flush.max-bytes",
            "sink.buffer-flush.interval",
            "sink.ignore.update-before",
            "sink.ignore.commit-error",
            "sink.use-cache",
            "sink.write-mode",
            "sink.properties.*",
            "sink.parallelism",
            "source.*",
            "table.create.properties.*",
        ],
        &["fenodes", "table.identifier"],
        ExternalSink::Keyed,
    ),
    of(
        "jdbc",
        &[
            "url",
            "driver",
            "username",
            "password",
            "table-name",
            "compatible-mode",
            "connection.max-retry-timeout",
            "connection.pool.initial-size",
            "connection.pool.max-size",
            "connection.pool.max-idle-timeout",
            "sink.buffer-flush.max-rows",
            "sink.buffer-flush.interval",
            "sink.max-retries",
            "sink.parallelism",
            "filter.handling.policy",
            "properties.*",
        ],
        &["url", "table-name"],
        ExternalSink::Keyed,
    ),
    of(
        "mysql-cdc",
        MYSQL_CDC,
        &["hostname", "username", "password", "database-name", "table-name"],
        ExternalSink::None,
    ),
    of(
        "postgres-cdc",
        POSTGRES_CDC,
        &[
            "hostname",
            "username",
            "password",
            "database-name",
            "schema-name",
            "table-name",
            "slot.name",
        ],
        ExternalSink::None,
    ),
    of("oracle-cdc", OTHER_CDC, &[], ExternalSink::None),
    of("sqlserver-cdc", OTHER_CDC, &[], ExternalSink::None),
    of("mongodb-cdc", OTHER_CDC, &[], ExternalSink::None),
    of("tidb-cdc", OTHER_CDC, &[], ExternalSink::None),
    of("db2-cdc", OTHER_CDC, &[], ExternalSink::None),
    of("oceanbase-cdc", OTHER_CDC, &[], ExternalSink::None),
    of("elasticsearch-6", ELASTICSEARCH, &["hosts", "index", "document-type"], ExternalSink::Keyed),
    of("elasticsearch-7", ELASTICSEARCH, &["hosts", "index"], ExternalSink::Keyed),
    of("elasticsearch-8", ELASTICSEARCH, &["hosts", "index"], ExternalSink::Keyed),
    of("hbase-1.4", HBASE, &["table-name", "zookeeper.quorum"], ExternalSink::Keyed),
    of("hbase-2.2", HBASE, &["table-name", "zookeeper.quorum"], ExternalSink::Keyed),
    of("hbase-2.6", HBASE, &["table-name", "zookeeper.quorum"], ExternalSink::Keyed),
    of(
        "redis",
        &[
            "host",
            "port",
            "hostname",
            "nodes",
            "cluster-nodes",
            "password",
            "username",
            "database",
            "mode",
            "redis-mode",
            "command",
            "data-type",
            "key",
            "key-column",
            "value-column",
            "value.data.structure",
            "additional-key",
            "ttl",
            "timeout",
            "max.idle",
            "connect.timeout",
            "sink.*",
        ],
        &[],
        ExternalSink::Keyed,
    ),
    of(
        "iceberg",
        &[
            "catalog-name",
            "catalog-type",
            "catalog-impl",
            "catalog-database",
            "catalog-table",
            "catalog-*",
            "warehouse",
            "uri",
            "format-version",
            "hive-conf-dir",
            "io-impl",
            "s3.*",
            "write.*",
            "read.*",
            "commit.*",
            "streaming",
            "monitor-interval",
            "snapshot-id",
            "start-snapshot-id",
            "as-of-timestamp",
            "upsert-enabled",
        ],
        &[],
        ExternalSink::Keyed,
    ),
    of(
        "hudi",
        &[
            "path",
            "table.type",
            "precombine.field",
            "payload.class",
            "index.*",
            "write.*",
            "read.*",
            "compaction.*",
            "clustering.*",
            "clean.*",
            "archive.*",
            "metadata.*",
            "changelog.enabled",
            "hoodie.*",
            "hive_sync.*",
        ],
        &["path"],
        ExternalSink::Keyed,
    ),
    of(
        "mongodb",
        &["uri", "database", "collection", "sink.*"],
        &["uri", "database", "collection"],
        ExternalSink::Keyed,
    ),
    of(
        "starrocks",
        &["jdbc-url", "load-url", "database-name", "table-name", "username", "password", "sink.*"],
        &[],
        ExternalSink::Keyed,
    ),
    of(
        "clickhouse",
        &["url", "database-name", "table-name", "username", "password", "sink.*", "catalog.*"],
        &["url"],
        ExternalSink::Keyed,
    ),
    of(
        "pulsar",
        &[
            "topics",
            "service-url",
            "admin-url",
            "source.*",
            "sink.*",
            "pulsar.*",
            "format",
            "json.*",
            "key.*",
            "value.*",
            "explicit",
        ],
        &["topics", "service-url"],
        ExternalSink::Append,
    ),
    of(
        "kinesis",
        &["stream", "stream.arn", "aws.*", "source.*", "sink.*", "format", "json.*"],
        &[],
        ExternalSink::Append,
    ),
    of(
        "rabbitmq",
        &[
            "host",
            "port",
            "queue",
            "exchange",
            "username",
            "password",
            "virtual-host",
            "format",
            "json.*",
        ],
        &[],
        ExternalSink::Append,
    ),
    of(
        "socket",
        &["hostname", "port", "byte-delimiter", "format", "json.*", "csv.*"],
        &["hostname", "port"],
        ExternalSink::None,
    ),
    of(
        "http",
        &["url", "method", "headers", "header.*", "body", "format", "json.*", "http.*", "gid.*"],
        &["url"],
        ExternalSink::Append,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_prefixes() {
        let doris = external("doris").expect("doris");
        assert!(knows(doris, "sink.properties.timezone") && knows(doris, "lookup.jdbc.async"));
        assert!(!knows(doris, "sink.batch.size"));
        assert!(external("kafka").is_none());
    }
}
