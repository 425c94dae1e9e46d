//! `'connector' = 'paimon'`: checks options against the table at `'path'` and
//! builds its scan or sink.
//!
//! Invariant: options of the statement override those stored in the table, but
//! not the ones that shape its files.

use std::collections::HashMap;
use std::sync::Arc;

use paimon::Table;
use paimon::spec::{BucketFunctionType, ChangelogProducer, MergeEngine, TableSchema};
use weir_connect::api::{ConnectorFactory, Sink, Source};
use weir_core::{DataType, Error, Options, Result, Schema};
use weir_spec::{ChangelogMode, ReadColumn, SinkSpec, SourceSpec, TableSpec};

use crate::bucket::BucketPartitioner;
use crate::options::{self, CONNECTOR_KEYS, SCAN_KEYS};
use crate::rt::{lake_error, wait};
use crate::scan::ScanOptions;
use crate::sink::{Layout, Overwrite, PaimonSink};
use crate::source::{Output, PaimonSource, Scan};
use crate::table::{FIXED_OPTIONS, Location, identifier};
use crate::{predicate, schema, storage, types};

/// Write-buffer bytes of a writer without `write-buffer-size`.
const DEFAULT_BUFFER: u64 = 128 << 20;
/// Less memory than this only makes files too small to be useful.
const MIN_BUFFER: u64 = 1 << 20;
/// Rows that the reader decodes at once.
const READ_BATCH: &str = "4096";

/// Sources and sinks over Paimon tables.
#[derive(Debug, Clone, Copy, Default)]
pub struct PaimonConnector;

impl ConnectorFactory for PaimonConnector {
    fn identifier(&self) -> &'static str {
        "paimon"
    }

    fn source(&self, spec: &SourceSpec, schema: &Schema) -> Result<Box<dyn Source>> {
        in_table(&spec.table, source(spec, schema))
    }

    fn version(&self, table: &TableSpec) -> Result<Option<u64>> {
        let table = open(table)?.table;
        let newest = wait(async move {
            table.snapshot_manager().get_latest_snapshot_id().await.map_err(lake_error)
        })?;
        Ok(Some(newest.unwrap_or(0) as u64))
    }

    fn sink(&self, spec: &SinkSpec, schema: &Schema) -> Result<Box<dyn Sink>> {
        in_table(&spec.table, sink(spec, schema))
    }
}

fn in_table<T>(spec: &TableSpec, result: Result<T>) -> Result<T> {
    result.map_err(|e| e.context(format!("table {}", spec.identifier)))
}

/// A table with the options of a statement.
struct Opened {
    table: Table,
    /// Canonical options: those of the statement over those of the table.
    options: Options,
}

/// Opens the table at `'path'`, creating it with `'auto-create'`.
fn open(spec: &TableSpec) -> Result<Opened> {
    let given = options::canonical(&spec.options)?;
    let path = storage::normalize(given.require("path")?)?;
    let location = Location::open(&path, &storage::storage_options(&given)?)?;
    let stored = match location.schema()? {
        Some(stored) => stored,
        None if given.bool_or("auto-create", false)? => {
            options::check(&given, None)?;
            location.create(&schema::from_spec(
                &spec.physical,
                &spec.primary_key,
                &spec.partition_keys,
                &given,
            )?)?
        }
        None => {
            return Err(Error::option(format!("there is no Paimon table at '{path}'")).hint(
                "create it in a Paimon catalog, or add 'auto-create' = 'true' to create it \
                 from this definition",
            ));
        }
    };
    options::check(&given, Some(stored.options()))?;
    check_fixed(&given, &stored)?;
    let mut merged: Options = options::canonical(&sorted(stored.options()))?;
    for (key, value) in given.iter() {
        merged.set(key, value);
    }
    // The statement's word 'null' unsets a stored selector.
    for (key, value) in spec.options.iter() {
        if SCAN_KEYS.contains(&key) && value.eq_ignore_ascii_case("null") {
            merged.remove(key);
        }
    }
    let table_options: HashMap<String, String> = merged
        .iter()
        .filter(|(k, _)| {
            !SCAN_KEYS.contains(k) && !CONNECTOR_KEYS.contains(k) && !storage::is_storage_key(k)
        })
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect();
    let effective = stored.copy_with_replaced_options(table_options);
    Ok(Opened { table: location.table(&identifier(&spec.identifier), effective), options: merged })
}

fn sorted(options: &HashMap<String, String>) -> Options {
    let sorted: std::collections::BTreeMap<_, _> = options.iter().collect();
    sorted.into_iter().map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// The statement may not contradict how the table's files are laid out.
fn check_fixed(given: &Options, stored: &TableSchema) -> Result<()> {
    for key in FIXED_OPTIONS {
        let Some(wanted) = given.get(key) else { continue };
        let default = match *key {
            "bucket" => Some("-1"),
            "merge-engine" => Some("deduplicate"),
            "bucket-function.type" => Some("default"),
            _ => None,
        };
        let actual = stored.options().get(*key).map(String::as_str).or(default);
        if actual != Some(wanted) {
            return Err(Error::option(format!(
                "option '{key}' = '{wanted}' contradicts the table, which has {}",
                actual.map_or_else(|| "none".to_owned(), |a| format!("'{a}'"))
            ))
            .hint(format!("drop '{key}' from the statement")));
        }
    }
    Ok(())
}

fn source(spec: &SourceSpec, produced: &Schema) -> Result<Box<dyn Source>> {
    let Opened { table, options } = open(&spec.table)?;
    let scan_options = ScanOptions::new(&options, spec.batch)?;
    let (projection, outputs) = projection(spec, &table)?;
    let mode = if spec.batch { ChangelogMode::INSERT_ONLY } else { stream_mode(&table)? };
    let filter = filter(spec, &table, mode);
    let table =
        table.copy_with_options(HashMap::from([("read.batch-size".into(), read_batch(&options))]));
    let (for_start, planned) = (table.clone(), scan_options.clone());
    let start = wait(async move { planned.start(&for_start).await })?;
    let limit = spec.limit.filter(|_| spec.batch && spec.filter.is_none());
    Ok(Box::new(PaimonSource::new(Scan {
        table,
        projection,
        outputs,
        schema: produced.to_arrow(),
        filter,
        options: scan_options,
        start,
        mode,
        limit,
    })))
}

fn read_batch(options: &Options) -> String {
    options.get("read.batch-size").unwrap_or(READ_BATCH).to_owned()
}

/// Row kinds of a streaming scan.
fn stream_mode(table: &Table) -> Result<ChangelogMode> {
    let schema = table.schema();
    let options = schema.core_options();
    let engine = options.merge_engine().map_err(lake_error)?;
    let producer = options.try_changelog_producer().map_err(lake_error)?;
    Ok(if schema.primary_keys().is_empty() || engine == MergeEngine::FirstRow {
        ChangelogMode::INSERT_ONLY
    } else if producer != ChangelogProducer::None {
        ChangelogMode { delete: !options.ignore_delete(), ..ChangelogMode::ALL }
    } else if engine == MergeEngine::Deduplicate {
        ChangelogMode { delete: !options.ignore_delete(), ..ChangelogMode::UPSERT }
    } else {
        return Err(Error::unsupported(format!(
            "streaming reads of a table with 'merge-engine' = '{}' and without a changelog",
            schema.options().get("merge-engine").map_or("", String::as_str)
        ))
        .hint("read it in batch mode, or keep a changelog with 'changelog-producer'"));
    })
}

/// The declared type of a column must be the stored one, but for nullability.
fn check_type(name: &str, declared: &DataType, table: &Table) -> Result<()> {
    let fields = table.schema().fields();
    let field = fields.iter().find(|f| f.name() == name).ok_or_else(|| no_column(name, table))?;
    let stored = types::from_paimon(field.data_type())?;
    if types::same(declared, &stored) {
        return Ok(());
    }
    Err(Error::validation(format!(
        "column '{name}' is declared as {declared}, the Paimon table has {stored}"
    ))
    .hint(format!("declare `{name}` {stored}")))
}

/// Columns to read from the table, and where each produced column comes from.
fn projection(spec: &SourceSpec, table: &Table) -> Result<(Vec<String>, Vec<Output>)> {
    let mut names: Vec<String> = Vec::new();
    let mut outputs = Vec::with_capacity(spec.columns.len());
    for column in &spec.columns {
        let path = match column {
            ReadColumn::Physical { path } => path,
            ReadColumn::Metadata { key } => {
                return Err(Error::validation(format!(
                    "connector 'paimon' has no metadata column '{key}'"
                )));
            }
        };
        let (&first, rest) =
            path.split_first().ok_or_else(|| Error::internal("an empty column path"))?;
        let declared = spec
            .table
            .physical
            .fields
            .get(first)
            .ok_or_else(|| Error::internal("a column path outside the table"))?;
        let name = &declared.name;
        check_type(name, &declared.ty, table)?;
        let at = names.iter().position(|n| n == name).unwrap_or_else(|| {
            names.push(name.clone());
            names.len() - 1
        });
        outputs.push(Output { column: at, path: rest.to_vec() });
    }
    if let (true, Some(any)) = (names.is_empty(), cheapest(table)) {
        names.push(any);
    }
    Ok((names, outputs))
}

fn no_column(name: &str, table: &Table) -> Error {
    let known: Vec<&str> = table.schema().fields().iter().map(|f| f.name()).collect();
    Error::validation(format!("the Paimon table has no column '{name}'"))
        .hint(format!("its columns are {}", known.join(", ")))
}

/// A column to count rows by: a key column, else the first one.
fn cheapest(table: &Table) -> Option<String> {
    let schema = table.schema();
    let key = schema.primary_keys().first().cloned();
    key.or_else(|| schema.fields().first().map(|f| f.name().to_owned()))
}

/// The part of the filter that may skip rows. In a changelog only key columns
/// qualify: dropping one version of a row must drop all of them.
fn filter(
    spec: &SourceSpec,
    table: &Table,
    mode: ChangelogMode,
) -> Option<paimon::spec::Predicate> {
    let keys = table.schema().primary_keys();
    let column = |i: usize| match spec.columns.get(i) {
        Some(ReadColumn::Physical { path }) if path.len() == 1 => {
            let name = &spec.table.physical.fields.get(path[0])?.name;
            (mode.is_insert_only() || keys.contains(name)).then(|| name.clone())
        }
        _ => None,
    };
    predicate::translate(spec.filter.as_ref()?, table.schema().fields(), &column)
}

fn sink(spec: &SinkSpec, arriving: &Schema) -> Result<Box<dyn Sink>> {
    if let Some(key) = spec.metadata_keys.first() {
        return Err(Error::validation(format!(
            "connector 'paimon' cannot write metadata column '{key}'"
        )));
    }
    let Opened { table, options } = open(&spec.table)?;
    check_writable(&table)?;
    let layout = layout(spec, arriving, &table)?;
    let input = |name: &str| spec.table.physical.index_of(name);
    let partitioner = BucketPartitioner::new(table.schema(), &input)?.map(Arc::new);
    let max_parallelism = max_parallelism(&table, &options)?;
    let buffer = options.memory_opt("write-buffer-size")?.unwrap_or(DEFAULT_BUFFER).max(MIN_BUFFER);
    let overwrite = overwrite(spec, &table, &options)?;
    Ok(Box::new(PaimonSink {
        mode: sink_mode(&table)?,
        layout: Arc::new(layout),
        partitioner: partitioner.filter(|_| max_parallelism != Some(1)),
        max_parallelism,
        buffer,
        spill: spills(&table).then_some(buffer),
        overwrite,
        user: format!("weir-{}", uuid::Uuid::new_v4()),
        table,
    }))
}

/// Refuses tables whose readers would not see what is written here.
fn check_writable(table: &Table) -> Result<()> {
    let schema = table.schema();
    let options = schema.core_options();
    let keyed = !schema.primary_keys().is_empty();
    let needs_compaction = |what: &str| {
        Error::unsupported(format!(
            "writing a Paimon table with {what}: its readers see only compacted files, \
             and this version does not compact"
        ))
    };
    match options.try_changelog_producer().map_err(lake_error)? {
        ChangelogProducer::None | ChangelogProducer::Input => {}
        other => {
            return Err(Error::unsupported(format!(
                "writing a Paimon table with 'changelog-producer' = '{}', whose changelog is \
                 made by compaction",
                other.as_str()
            ))
            .hint("use 'changelog-producer' = 'input', or 'none'"));
        }
    }
    if keyed && schema.options().get("deletion-vectors.enabled").is_some_and(|v| v == "true") {
        return Err(needs_compaction("'deletion-vectors.enabled' = 'true'")
            .hint("use 'deletion-vectors.enabled' = 'false' (merge on read)"));
    }
    if keyed && options.merge_engine().map_err(lake_error)? == MergeEngine::FirstRow {
        return Err(needs_compaction("'merge-engine' = 'first-row'")
            .hint("use 'merge-engine' = 'deduplicate' behind a deduplicating query"));
    }
    if options.bucket() == -2 {
        return Err(needs_compaction("'bucket' = '-2' (postponed buckets)")
            .hint("use a fixed number of buckets, such as 'bucket' = '4'"));
    }
    if options.file_format().eq_ignore_ascii_case("orc") {
        return Err(Error::unsupported("writing Paimon tables with 'file.format' = 'orc'")
            .hint("use 'file.format' = 'parquet'"));
    }
    Ok(())
}

fn layout(spec: &SinkSpec, arriving: &Schema, table: &Table) -> Result<Layout> {
    let schema = table.schema();
    for f in &spec.table.physical.fields {
        check_type(&f.name, &f.ty, table)?;
    }
    let mut columns = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let at = spec.table.physical.index_of(field.name());
        if at.is_none() && !field.data_type().is_nullable() {
            return Err(Error::validation(format!(
                "column '{}' of the Paimon table is NOT NULL and missing in the definition",
                field.name()
            )));
        }
        columns.push(at);
    }
    let arrow = paimon::arrow::build_target_arrow_schema(schema.fields()).map_err(lake_error)?;
    let keyed = !schema.primary_keys().is_empty();
    let options = schema.core_options();
    let with_kind = keyed && options.rowkind_field().is_none() && !cross_partition(table);
    Ok(Layout {
        columns,
        arrow: if with_kind { Layout::kind_schema(&arrow) } else { arrow },
        input: arriving.to_arrow(),
        with_kind,
        ignore_minus: options.ignore_delete(),
        name: spec.table.identifier.clone(),
    })
}

/// A dynamic-bucket table whose key does not contain its partition columns: an
/// update may move a row, which the crate's writer does from insertions alone.
fn cross_partition(table: &Table) -> bool {
    let schema = table.schema();
    !schema.primary_keys().is_empty()
        && schema.core_options().bucket() == -1
        && schema.partition_keys().iter().any(|p| !schema.primary_keys().contains(p))
}

fn sink_mode(table: &Table) -> Result<ChangelogMode> {
    let schema = table.schema();
    let options = schema.core_options();
    let ignore = options.ignore_delete();
    if schema.primary_keys().is_empty() {
        return Ok(if ignore { ChangelogMode::ALL } else { ChangelogMode::INSERT_ONLY });
    }
    if options.rowkind_field().is_some() {
        return Ok(ChangelogMode::INSERT_ONLY);
    }
    if cross_partition(table) {
        return Ok(ChangelogMode { update_after: true, ..ChangelogMode::INSERT_ONLY });
    }
    let engine = options.merge_engine().map_err(lake_error)?;
    let producer = options.try_changelog_producer().map_err(lake_error)?;
    let folds = engine == MergeEngine::Aggregation
        || (engine == MergeEngine::PartialUpdate
            && schema.options().keys().any(|k| k.ends_with(".aggregate-function")));
    Ok(if producer == ChangelogProducer::Input || folds {
        ChangelogMode::ALL
    } else {
        ChangelogMode::UPSERT
    })
}

/// One writer where the bucket of a row cannot be computed in front of it.
fn max_parallelism(table: &Table, options: &Options) -> Result<Option<usize>> {
    let schema = table.schema();
    let core = schema.core_options();
    let keyed = !schema.primary_keys().is_empty();
    let function = core.bucket_function_type().map_err(lake_error)?;
    let wanted = match options.i64_opt("sink.parallelism")? {
        Some(n) if n < 1 => {
            return Err(weir_core::config::bad_value(
                "sink.parallelism",
                &n.to_string(),
                "a positive number",
            ));
        }
        other => other.map(|n| n as usize),
    };
    let by_layout = if (keyed && core.bucket() < 1) || function == BucketFunctionType::Hive {
        Some(1)
    } else if core.bucket() >= 1 && schema.partition_keys().is_empty() {
        Some(core.bucket() as usize)
    } else {
        None
    };
    Ok(match (wanted, by_layout) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    })
}

/// Whether a writer may finish files in the middle of an epoch: not with dynamic
/// buckets, whose index is written once per epoch, and not for one append file.
fn spills(table: &Table) -> bool {
    let schema = table.schema();
    let fixed = schema.core_options().bucket() >= 1;
    fixed || (schema.primary_keys().is_empty() && !schema.partition_keys().is_empty())
}

fn overwrite(spec: &SinkSpec, table: &Table, options: &Options) -> Result<Option<Overwrite>> {
    if !spec.overwrite {
        return Ok(None);
    }
    let schema = table.schema();
    let mut values = HashMap::new();
    for (key, text) in &spec.static_partition {
        let field =
            schema.partition_fields().into_iter().find(|f| f.name() == key).ok_or_else(|| {
                Error::validation(format!("'{key}' is not a partition column of the table"))
            })?;
        let is_null = text == schema.core_options().partition_default_name();
        let value =
            if is_null { None } else { Some(predicate::partition_datum(text, field.data_type())?) };
        values.insert(key.clone(), value);
    }
    let dynamic = options.bool_or("dynamic-partition-overwrite", true)?;
    let partitioned = !schema.partition_keys().is_empty();
    let partition = (!values.is_empty() || (partitioned && !dynamic)).then_some(values);
    Ok(Some(Overwrite { partition }))
}
