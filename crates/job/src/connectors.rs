//! All connectors and catalogs of the binary in one place.

use std::sync::{Arc, Once};

use weir_connect::api::{Sink, Source};
use weir_core::{Result, Schema};
use weir_plan::physical::Connectors;
use weir_spec::{Catalog, ChangelogMode, SinkSpec, SourceSpec};
use weir_sql::Session;

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
        weir_connect::factory(&spec.table.options)?.source(spec, schema)
    }

    /// Opens a sink.
    pub fn sink(&self, spec: &SinkSpec, schema: &Schema) -> Result<Box<dyn Sink>> {
        weir_connect::factory(&spec.table.options)?.sink(spec, schema)
    }
}

impl Connectors for ConnectorSet {
    fn source_mode(&self, spec: &SourceSpec, schema: &Schema) -> Result<ChangelogMode> {
        Ok(self.source(spec, schema)?.changelog_mode())
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
        ConnectorSet::default().source_mode(spec, schema)
    }

    fn sink_mode(&self, spec: &SinkSpec, schema: &Schema) -> Result<ChangelogMode> {
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

/// Makes the lake catalogs available to CREATE CATALOG.
pub(crate) fn register_catalogs(session: &mut Session) {
    session.register_catalog_type("paimon", |_, options| {
        let catalog: Arc<dyn Catalog> = Arc::new(weir_lake::PaimonCatalog::open(options.clone())?);
        Ok(catalog)
    });
}
