//! All connectors and catalogs of the binary in one place.

use std::sync::{Arc, Once};

use weir_connect::api::{Sink, Source};
use weir_core::{Error, ErrorKind, Result, Schema};
use weir_plan::physical::Connectors;
use weir_spec::external::{External, ExternalSink, external};
use weir_spec::lookup::{is_lookup_option, max_retries};
use weir_spec::{
    Catalog, CatalogTable, ChangelogMode, LookupCache, ReadColumn, Reload, SinkSpec, SourceSpec,
    TableSpec,
};
use weir_sql::{Session, TablePath};

static LAKE: Once = Once::new();
static PAIMON: weir_lake::PaimonConnector = weir_lake::PaimonConnector;

/// The connectors that jobs may use.
pub struct ConnectorSet(());

impl Default for ConnectorSet {
    fn default() -> Self {
        LAKE.call_once(|| weir_connect::register(&PAIMON));
        Self(())
    }
}

impl ConnectorSet {
    /// Opens a scan.
    pub fn source(&self, spec: &SourceSpec, schema: &Schema) -> Result<Box<dyn Source>> {
        let factory = weir_connect::factory(&spec.table.options)?;
        if !needs_filling(&spec.table) {
            return factory.source(spec, schema);
        }
        let mut spec = spec.clone();
        fill_in(&mut spec.table)?;
        factory.source(&spec, schema)
    }

    /// What the table's connector says of its content; see [`ConnectorFactory::version`].
    ///
    /// [`ConnectorFactory::version`]: weir_connect::ConnectorFactory::version
    pub(crate) fn version(&self, table: &TableSpec) -> Result<Option<u64>> {
        let mut table = table.clone();
        fill_in(&mut table)?;
        weir_connect::factory(&table.options)?.version(&table)
    }

    /// Opens a sink.
    pub fn sink(&self, spec: &SinkSpec, schema: &Schema) -> Result<Box<dyn Sink>> {
        let factory = weir_connect::factory(&spec.table.options)?;
        if !needs_filling(&spec.table) {
            return factory.sink(spec, schema);
        }
        let mut spec = spec.clone();
        fill_in(&mut spec.table)?;
        factory.sink(&spec, schema)
    }
}

/// The name in `${NAME}`.
fn placeholder(value: &str) -> Option<&str> {
    value.strip_prefix("${")?.strip_suffix('}').filter(|n| !n.is_empty())
}

fn needs_filling(table: &TableSpec) -> bool {
    table.options.iter().any(|(k, v)| placeholder(v).is_some() || is_lookup_option(k))
}

/// Takes `'${NAME}'` from the environment, when the table is opened and not before:
/// definitions and what SHOW prints of them keep the placeholder. Options of lookup
/// joins are checked here and kept from the connector.
fn fill_in(table: &mut TableSpec) -> Result<()> {
    if table.options.iter().any(|(k, _)| is_lookup_option(k)) {
        LookupCache::from_options(&table.options, Reload::Never)?;
        max_retries(&table.options)?;
        let kept = table.options.iter().filter(|(k, _)| !is_lookup_option(k));
        table.options = kept.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    }
    let named: Vec<(String, String)> = table
        .options
        .iter()
        .filter_map(|(k, v)| Some((k.to_owned(), placeholder(v)?.to_owned())))
        .collect();
    for (key, name) in named {
        let value = std::env::var(&name).map_err(|_| {
            Error::option(format!("option '{key}' is ${{{name}}}, but {name} is not set"))
                .hint(format!("set the environment variable {name}"))
        })?;
        table.options.set(key, value);
    }
    Ok(())
}

impl Connectors for ConnectorSet {
    fn source_mode(&self, spec: &SourceSpec, schema: &Schema) -> Result<ChangelogMode> {
        Ok(self.source(spec, schema)?.changelog_mode())
    }

    fn table_rows(&self, spec: &SourceSpec, schema: &Schema) -> Option<u64> {
        // What is wrong with the table is reported when it is planned.
        self.source(spec, schema).ok()?.row_count()
    }

    fn sink_mode(&self, spec: &SinkSpec, schema: &Schema) -> Result<ChangelogMode> {
        Ok(self.sink(spec, schema)?.changelog_mode())
    }

    fn sink_partitions(&self, spec: &SinkSpec, schema: &Schema) -> Result<bool> {
        Ok(self.sink(spec, schema)?.partitioner().is_some())
    }
}

/// Connectors for checking a script: options are checked, lake tables are not opened.
pub(crate) struct CheckConnectors;

fn is_lake(options: &weir_core::Options) -> bool {
    options.get("connector").is_none_or(|c| c == "paimon")
}

impl Connectors for CheckConnectors {
    fn source_mode(&self, spec: &SourceSpec, schema: &Schema) -> Result<ChangelogMode> {
        if is_lake(&spec.table.options) {
            return Ok(match spec.table.primary_key.is_empty() {
                true => ChangelogMode::INSERT_ONLY,
                false => ChangelogMode::ALL,
            });
        }
        if let Some(e) = external_of(&spec.table) {
            let keyed = !spec.table.primary_key.is_empty();
            let changes = keyed && (e.sink == ExternalSink::Keyed || e.name.ends_with("-cdc"));
            return Ok(if changes { ChangelogMode::ALL } else { ChangelogMode::INSERT_ONLY });
        }
        ConnectorSet::default().source_mode(spec, schema)
    }

    fn sink_mode(&self, spec: &SinkSpec, schema: &Schema) -> Result<ChangelogMode> {
        if let Some(e) = external_of(&spec.table) {
            if e.sink == ExternalSink::None {
                return Err(Error::validation(format!(
                    "connector '{}' only reads: {} cannot be written",
                    e.name, spec.table.identifier
                )));
            }
            let keyed = e.sink == ExternalSink::Keyed && !spec.table.primary_key.is_empty();
            return Ok(if keyed { ChangelogMode::UPSERT } else { ChangelogMode::INSERT_ONLY });
        }
        if is_lake(&spec.table.options) {
            return Ok(match spec.table.primary_key.is_empty() {
                true => ChangelogMode::INSERT_ONLY,
                false => ChangelogMode::UPSERT,
            });
        }
        ConnectorSet::default().sink_mode(spec, schema)
    }

    fn sink_partitions(&self, _spec: &SinkSpec, _schema: &Schema) -> Result<bool> {
        Ok(false)
    }
}

fn external_of(table: &TableSpec) -> Option<&'static External> {
    table.options.get("connector").and_then(external)
}

/// Names and values of a table's options, without opening anything.
pub(crate) fn check_options(path: &TablePath, table: &CatalogTable) -> Result<()> {
    let spec = weir_sql::bind::table_spec(path, table)?;
    if external_of(&spec).is_some() {
        return Ok(());
    }
    if is_lake(&spec.options) {
        return weir_lake::check_table_options(&spec.options);
    }
    let set = ConnectorSet::default();
    let schema = spec.physical.clone();
    let columns = (0..schema.len()).map(|i| ReadColumn::Physical { path: vec![i] }).collect();
    let source =
        SourceSpec { table: spec.clone(), columns, filter: None, limit: None, batch: false };
    let Err(read) = set.source(&source, &schema) else { return Ok(()) };
    let sink =
        SinkSpec { table: spec, metadata_keys: vec![], overwrite: false, static_partition: vec![] };
    let Err(write) = set.sink(&sink, &schema) else { return Ok(()) };
    // A table that can be opened neither way, because of an option.
    let wrong = |e: &Error| {
        e.kind() == ErrorKind::Option
            && ["unknown", "invalid value"].iter().any(|w| e.message().starts_with(w))
    };
    match (wrong(&read), wrong(&write)) {
        (true, _) => Err(read),
        (_, true) => Err(write),
        _ => Ok(()),
    }
}

/// Makes the lake catalogs available to CREATE CATALOG.
pub(crate) fn register_catalogs(session: &mut Session) {
    session.register_catalog_type("paimon", |_, options| {
        let catalog: Arc<dyn Catalog> = Arc::new(weir_lake::PaimonCatalog::open(options.clone())?);
        Ok(catalog)
    });
}
