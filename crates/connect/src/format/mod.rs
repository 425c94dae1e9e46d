//! Formats: how records of bytes become rows and back.
//!
//! A [`RecordFormat`] is made from a table's options by [`from_options`]; it
//! makes a [`Decoder`] for exactly the columns that a query reads and an
//! [`Encoder`] for the columns that a sink gets. Parquet is a file format, not a
//! record format, and lives in [`parquet`].
//!
//! Where to look next: [`json`] (the hot path), [`cdc`], [`csv`], [`raw`].

pub mod cdc;
pub(crate) mod column;
pub mod csv;
pub mod json;
pub mod parquet;
pub mod projection;
pub mod pruning;
pub mod raw;
pub(crate) mod text;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use weir_core::{DataType, Error, Options, Result, Schema, nearest};
use weir_spec::ChangelogMode;

/// What a decoder has to produce.
#[derive(Debug, Clone)]
pub struct ReadSchema {
    /// The columns that a record carries, in order.
    pub physical: Schema,
    /// The columns wanted, in order.
    pub columns: Vec<FormatColumn>,
    /// Primary key columns: positions in `physical`.
    pub primary_key: Vec<usize>,
}

/// One wanted column.
#[derive(Debug, Clone, PartialEq)]
pub enum FormatColumn {
    /// A column of the record, or a field inside it (see `ReadColumn::Physical`).
    Path(Vec<usize>),
    /// A metadata column of the format, by its key.
    Metadata(String),
}

impl ReadSchema {
    /// Reads all columns of a schema.
    pub fn all(physical: &Schema) -> Self {
        Self {
            columns: (0..physical.len()).map(|i| FormatColumn::Path(vec![i])).collect(),
            physical: physical.clone(),
            primary_key: Vec::new(),
        }
    }

    /// Type of a wanted column.
    pub fn column_type(&self, column: &FormatColumn) -> Result<DataType> {
        match column {
            FormatColumn::Path(path) => projection::path_type(&self.physical, path),
            FormatColumn::Metadata(key) => Err(Error::internal(format!("metadata '{key}'"))),
        }
    }
}

/// Decoded rows.
#[derive(Debug)]
pub struct Decoded {
    /// The wanted columns.
    pub columns: Vec<ArrayRef>,
    /// Number of rows.
    pub rows: usize,
    /// Row kinds, if any row is not +I.
    pub kinds: Option<Vec<u8>>,
}

/// Turns records into rows. Not thread-safe: one per reader.
pub trait Decoder: Send {
    /// Decodes one whole record (a message). It may give no row, one or several.
    /// After an error the rows before the record are still intact.
    fn decode_record(&mut self, record: &[u8]) -> Result<()>;

    /// Decodes records of a text stream until its end or until `max_rows` rows are
    /// waiting; returns how many bytes are done with. A record that is cut off at
    /// the end is left over unless `last`.
    fn decode_stream(&mut self, bytes: &[u8], last: bool, max_rows: usize) -> Result<usize>;

    /// Rows waiting.
    fn rows(&self) -> usize;

    /// Takes the waiting rows out.
    fn finish(&mut self) -> Result<Decoded>;
}

/// Turns rows into records.
pub trait Encoder: Send {
    /// Appends one record per row to `out` and its end to `ends`.
    /// `kinds` are the row kinds (`None` = all +I).
    fn encode(
        &mut self,
        columns: &[ArrayRef],
        rows: usize,
        kinds: Option<&[u8]>,
        out: &mut Vec<u8>,
        ends: &mut Vec<usize>,
    ) -> Result<()>;

    /// What stands between two records in a file.
    fn delimiter(&self) -> &'static [u8] {
        b"\n"
    }
}

/// A format whose files and messages are records.
pub trait RecordFormat: Send + Sync {
    /// The `'format'` value.
    fn identifier(&self) -> &'static str;
    /// Row kinds that reading gives.
    fn read_mode(&self) -> ChangelogMode {
        ChangelogMode::INSERT_ONLY
    }
    /// Row kinds that can be written.
    fn write_mode(&self) -> ChangelogMode {
        ChangelogMode::INSERT_ONLY
    }
    /// Metadata columns that reading offers: (key, Flink type text).
    fn readable_metadata(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
    /// A decoder for the wanted columns.
    fn decoder(&self, read: &ReadSchema) -> Result<Box<dyn Decoder>>;
    /// An encoder for rows with these columns.
    fn encoder(&self, schema: &Schema) -> Result<Box<dyn Encoder>>;
}

/// A format as a table's options name it.
#[derive(Clone)]
pub enum Format {
    /// Records.
    Record(Arc<dyn RecordFormat>),
    /// Parquet files.
    Parquet(parquet::ParquetOptions),
}

/// The identifiers of all formats.
pub const IDENTIFIERS: &[&str] =
    &["json", "csv", "raw", "parquet", "debezium-json", "canal-json", "maxwell-json", "ogg-json"];

/// Whether records of a format are changes, each with its row kind.
pub fn is_changelog(name: &str) -> bool {
    matches!(name, "debezium-json" | "canal-json" | "maxwell-json" | "ogg-json")
}

/// Format identifiers of features.md's seeds that mean another one.
fn alias(name: &str) -> &str {
    if name == "text" { "raw" } else { name }
}

/// Builds the format that option `key` ('format', 'value.format', 'key.format') names.
/// Its own options have the prefix of the key and the identifier: `json.x`, `value.json.x`.
pub fn from_options(options: &Options, key: &str) -> Result<Format> {
    let named = options.get(key).ok_or_else(|| {
        Error::option(format!("missing required option '{key}'"))
            .hint(format!("add '{key}' = 'json' (or {}) to the WITH clause", quoted(IDENTIFIERS)))
    })?;
    let name = alias(named);
    let prefix = option_prefix(key, name);
    let own = options.with_prefix(&prefix);
    let checked = |known: &[&str]| check_own_options(&own, &prefix, known);
    Ok(Format::Record(match name {
        "json" => {
            checked(json::OPTIONS)?;
            Arc::new(json::JsonFormat::new(&own, &prefix)?)
        }
        "csv" => {
            checked(csv::OPTIONS)?;
            Arc::new(csv::CsvFormat::new(&own, &prefix)?)
        }
        "raw" => {
            checked(raw::OPTIONS)?;
            Arc::new(raw::RawFormat::new(&own, &prefix)?)
        }
        name if is_changelog(name) => {
            let dialect = cdc::Dialect::from_identifier(name);
            checked(dialect.options())?;
            Arc::new(cdc::CdcFormat::new(dialect, &own, &prefix)?)
        }
        "parquet" => {
            return Ok(Format::Parquet(parquet::ParquetOptions::new(&own, &prefix)?));
        }
        other => return Err(unknown_format(key, other)),
    }))
}

/// Like [`from_options`], for connectors that move records (Kafka).
pub fn record_format(options: &Options, key: &str) -> Result<Arc<dyn RecordFormat>> {
    match from_options(options, key)? {
        Format::Record(f) => Ok(f),
        Format::Parquet(_) => Err(Error::option(format!(
            "format 'parquet' of option '{key}' is a file format and cannot hold single messages"
        ))
        .hint("use 'json', 'csv', 'raw' or a CDC format")),
    }
}

/// Prefix of a format's own options.
pub fn option_prefix(key: &str, name: &str) -> String {
    match key.strip_suffix("format") {
        Some(outer) => format!("{outer}{}.", alias(name)),
        None => format!("{}.", alias(name)),
    }
}

/// Refuses options of formats that the table does not use. `keys` are the options that
/// can name a format; `exact` are other options that begin with `key.` or `value.`.
pub fn check_foreign_options(options: &Options, keys: &[&str], exact: &[&str]) -> Result<()> {
    let used: Vec<String> =
        keys.iter().filter_map(|k| options.get(k).map(|name| option_prefix(k, name))).collect();
    for (key, _) in options.iter() {
        let outer = ["key.", "value."].into_iter().find(|p| key.starts_with(p)).unwrap_or("");
        let inner = &key[outer.len()..];
        let of_format =
            IDENTIFIERS.iter().any(|f| inner.strip_prefix(f).is_some_and(|r| r.starts_with('.')));
        let concerned = of_format || !outer.is_empty();
        if !concerned || exact.contains(&key) || used.iter().any(|p| key.starts_with(p)) {
            continue;
        }
        let prefixes = used.iter().map(|p| format!("'{p}...'")).collect::<Vec<_>>().join(", ");
        return Err(Error::option(format!("option '{key}' belongs to no format of the table"))
            .hint(format!("options of the table's formats begin with {prefixes}")));
    }
    Ok(())
}

fn check_own_options(own: &Options, prefix: &str, known: &[&str]) -> Result<()> {
    for (k, _) in own.iter() {
        if !known.contains(&k) {
            let error = Error::option(format!("unknown option '{prefix}{k}'"));
            let hint = match nearest(k, known.iter().copied()) {
                Some(n) => format!("did you mean '{prefix}{n}'?"),
                None => format!("known are: {}", quoted(known)),
            };
            return Err(error.hint(hint));
        }
    }
    Ok(())
}

fn unknown_format(key: &str, name: &str) -> Error {
    let later = ["avro", "avro-confluent", "protobuf", "orc", "debezium-avro-confluent"];
    if later.contains(&name) {
        return Error::unsupported(format!("format '{name}'"))
            .hint(format!("formats of this version: {}", quoted(IDENTIFIERS)));
    }
    let error = Error::option(format!("unknown format '{name}' in option '{key}'"));
    match nearest(name, IDENTIFIERS.iter().copied()) {
        Some(n) => error.hint(format!("did you mean '{n}'? Formats: {}", quoted(IDENTIFIERS))),
        None => error.hint(format!("formats: {}", quoted(IDENTIFIERS))),
    }
}

pub(crate) fn quoted(names: &[&str]) -> String {
    names.iter().map(|n| format!("'{n}'")).collect::<Vec<_>>().join(", ")
}

/// A record as it appears in an error message: text, at most 200 characters.
pub(crate) fn shown(record: &[u8]) -> String {
    let text = String::from_utf8_lossy(&record[..record.len().min(800)]);
    let text = text.trim_end();
    match text.char_indices().nth(200) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}

/// NULLs of an outer value laid over a field of it.
pub(crate) fn field_of(outer: &ArrayRef, path: &[usize]) -> Result<ArrayRef> {
    use arrow::array::AsArray;
    let mut array = Arc::clone(outer);
    for &i in path {
        let Some(row) = array.as_struct_opt() else {
            return Err(Error::internal("a nested path leads through a column that is no ROW"));
        };
        let field = Arc::clone(row.column(i));
        let nulls = arrow::buffer::NullBuffer::union(row.nulls(), field.nulls());
        let data = field.to_data().into_builder().nulls(nulls).build()?;
        array = arrow::array::make_array(data);
    }
    Ok(array)
}
