//! Option names and values that real systems do not have, or no longer have, and
//! whose meaning is clear: what each one is called in Flink 2.3 and its connectors.

/// What becomes of an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rewrite {
    /// Another key, the same value.
    Key(&'static str),
    /// Another key, or the same, with another value.
    Pair(String, String),
    /// Left out, for this reason.
    Drop(&'static str),
}

use Rewrite::{Drop, Key};

fn pair(key: &str, value: impl Into<String>) -> Option<Rewrite> {
    Some(Rewrite::Pair(key.to_owned(), value.into()))
}

fn is_true(value: &str) -> bool {
    value.eq_ignore_ascii_case("true")
}

/// An option of a table with this connector.
pub(super) fn table(connector: &str, key: &str, value: &str) -> Option<Rewrite> {
    match connector {
        "fluss" => fluss(key, value),
        "doris" => doris(key, value),
        "paimon" => paimon(key, value),
        "kafka" | "upsert-kafka" => kafka(key),
        "filesystem" if key == "format" && value == "text" => pair("format", "raw"),
        _ => None,
    }
}

fn kafka(key: &str) -> Option<Rewrite> {
    Some(Key(match key {
        "startup-mode" | "scan.startup-mode" | "startup.mode" => "scan.startup.mode",
        "bootstrap.servers" | "properties.bootstrap.server" => "properties.bootstrap.servers",
        "group.id" | "group-id" => "properties.group.id",
        _ => return None,
    }))
}

fn fluss(key: &str, value: &str) -> Option<Rewrite> {
    match key {
        "table-path" | "path" => Some(Drop("Fluss places a table's files itself")),
        "format" if value.eq_ignore_ascii_case("columnar") => pair("table.log.format", "ARROW"),
        "format" => pair("table.log.format", value.to_uppercase()),
        "write.batch-size" => Some(Key("client.writer.batch-size")),
        "write.flush-interval" => Some(Key("client.writer.batch-timeout")),
        "write.parallelism" => Some(Key("sink.parallelism")),
        "read.columnar.enabled" => Some(Drop("reading by columns is what Fluss does")),
        "read.pushdown.projection" => Some(Drop("projections are always pushed down")),
        "lookup.cache.enabled" => {
            pair("lookup.cache", if is_true(value) { "PARTIAL" } else { "NONE" })
        }
        "lookup.cache.ttl" => Some(Key("lookup.partial-cache.expire-after-write")),
        "lookup.cache.size" | "lookup.cache.max-rows" => Some(Key("lookup.partial-cache.max-rows")),
        _ => None,
    }
}

fn doris(key: &str, value: &str) -> Option<Rewrite> {
    match key {
        "sink.batch.size" => Some(Key("sink.buffer-flush.max-rows")),
        "sink.batch.interval" => Some(Key("sink.buffer-flush.interval")),
        "table.identifier" => pair(key, value.strip_prefix("default_cluster.")?),
        _ => None,
    }
}

fn paimon(key: &str, value: &str) -> Option<Rewrite> {
    let selects = key.starts_with("scan.") || key.starts_with("incremental");
    match (key, value) {
        (_, "null") if selects => Some(Drop("the word null selects nothing")),
        ("scan.mode", "compiled") => pair(key, "compacted-full"),
        ("scan.mode", "auto") => pair(key, "default"),
        ("scan.mode", "full") => pair(key, "latest-full"),
        ("compaction.strategy", "universal") => {
            Some(Drop("universal compaction is the only one of Paimon"))
        }
        ("compaction.max.file-num", _) => Some(Key("num-sorted-run.compaction-trigger")),
        ("compaction.max.file-size", _) => Some(Key("target-file-size")),
        _ => s3(key),
    }
}

fn s3(key: &str) -> Option<Rewrite> {
    (key == "s3.path-style-access").then_some(Key("s3.path.style.access"))
}

/// An option of CREATE CATALOG of this type.
pub(super) fn catalog(kind: &str, key: &str) -> Option<Rewrite> {
    match kind {
        "fluss" if key == "fluss.server.address" => Some(Key("bootstrap.servers")),
        "fluss" if key == "fluss.metastore" || key.starts_with("fluss.storage.") => {
            Some(Drop("storage is set at the Fluss server, not in the catalog"))
        }
        "paimon" => s3(key),
        _ => None,
    }
}

/// An option of CREATE MODEL.
pub(super) fn model(key: &str) -> Option<Rewrite> {
    match key {
        "openai.endpoint" => Some(Key("endpoint")),
        "openai.api_key" | "openai.api-key" | "api_key" => Some(Key("api-key")),
        "openai.model" => Some(Key("model")),
        "system_prompt" => Some(Key("system-prompt")),
        "type" => Some(Drop("the provider says where the model runs")),
        _ => None,
    }
}

/// A key of the CONFIG map of ML_PREDICT.
pub(super) fn predict_config(key: &str) -> Option<&'static str> {
    match key {
        "batch_size" => Some("batch-size"),
        "max_concurrent_operations" | "capacity" => Some("max-concurrent-operations"),
        _ => None,
    }
}

/// A session option of SET.
pub(super) fn setting(key: &str, value: &str) -> Option<Rewrite> {
    if let Some(end) = key.strip_prefix("taskmanager.network.memory.") {
        return pair(&format!("taskmanager.memory.network.{end}"), value);
    }
    if key == "table.optimizer.delta-join.enabled" {
        let strategy = if is_true(value) { "AUTO" } else { "NONE" };
        return pair("table.optimizer.delta-join.strategy", strategy);
    }
    if key == "state.checkpoints.compression" {
        let on = !matches!(value, "none" | "false");
        return pair("execution.checkpointing.snapshot-compression", on.to_string());
    }
    if key == "state.backend.checkpoint-storage" {
        let kind = if value == "jobmanager" { value } else { "filesystem" };
        return pair("execution.checkpointing.storage", kind);
    }
    Some(Key(match key {
        "parallelism.max" => "pipeline.max-parallelism",
        "state.backend" => "state.backend.type",
        "state.backend.incremental" => "execution.checkpointing.incremental",
        "state.checkpoints.dir" => "execution.checkpointing.dir",
        "state.savepoints.dir" => "execution.checkpointing.savepoint-dir",
        "state.checkpoint-storage" => "execution.checkpointing.storage",
        "state.checkpoints.num-retained" => "execution.checkpointing.num-retained",
        "execution.savepoint.path" => "execution.state-recovery.path",
        "execution.savepoint.ignore-unclaimed-state" => {
            "execution.state-recovery.ignore-unclaimed-state"
        }
        "restart-strategy" => "restart-strategy.type",
        "state.backend.rocksdb.compaction.level.use-dynamic-max-bytes" => {
            "state.backend.rocksdb.compaction.level.use-dynamic-size"
        }
        _ => return None,
    }))
}

/// Session options by name, for near misses of SET.
pub(super) const SETTINGS: &[&str] = &[
    "execution.runtime-mode",
    "parallelism.default",
    "pipeline.max-parallelism",
    "pipeline.name",
    "pipeline.auto-watermark-interval",
    "pipeline.operator-chaining.enabled",
    "table.exec.resource.default-parallelism",
    "table.dml-sync",
    "execution.checkpointing.interval",
    "execution.checkpointing.mode",
    "execution.checkpointing.timeout",
    "execution.checkpointing.min-pause",
    "execution.checkpointing.dir",
    "execution.checkpointing.savepoint-dir",
    "execution.checkpointing.max-concurrent-checkpoints",
    "execution.checkpointing.tolerable-failed-checkpoints",
    "execution.checkpointing.externalized-checkpoint-retention",
    "execution.checkpointing.num-retained",
    "execution.state-recovery.path",
    "execution.state-recovery.ignore-unclaimed-state",
    "s3.endpoint",
    "s3.access-key",
    "s3.secret-key",
    "s3.path.style.access",
    "state.backend.type",
    "restart-strategy.type",
    "table.exec.state.ttl",
    "table.exec.mini-batch.enabled",
    "table.exec.mini-batch.allow-latency",
    "table.exec.mini-batch.size",
    "table.exec.source.idle-timeout",
    "table.exec.sink.upsert-materialize",
    "table.exec.sink.not-null-enforcer",
    "table.exec.sink.type-length-enforcer",
    "table.exec.sink.require-on-conflict",
    "table.optimizer.delta-join.strategy",
    "table.exec.delta-join.cache-enabled",
    "table.exec.delta-join.left.cache-size",
    "table.exec.delta-join.right.cache-size",
    "table.optimizer.multi-join.enabled",
    "table.optimizer.agg-phase-strategy",
    "table.optimizer.distinct-agg.split.enabled",
    "table.local-time-zone",
    "table.sql-dialect",
    "table.dynamic-table-options.enabled",
    "table.column-expansion-strategy",
    "sql-client.execution.result-mode",
    "sql-client.execution.max-table-result.rows",
    "sql-client.verbose",
];
