//! The `blackhole` connector: a sink that forgets its rows.

use weir_core::{ChangeBatch, Result, Schema};
use weir_spec::{ChangelogMode, SinkSpec};

use crate::api::{ConnectorFactory, Sink, SinkWriter};
use crate::options;

/// Creates `blackhole` sinks.
pub struct BlackholeFactory;

impl ConnectorFactory for BlackholeFactory {
    fn identifier(&self) -> &'static str {
        "blackhole"
    }
    fn sink(&self, spec: &SinkSpec, _schema: &Schema) -> Result<Box<dyn Sink>> {
        options::check(&spec.table.options, "blackhole", &[], &[])?;
        Ok(Box::new(Blackhole))
    }
}

struct Blackhole;

impl Sink for Blackhole {
    fn changelog_mode(&self) -> ChangelogMode {
        ChangelogMode::ALL
    }
    fn writer(&self, _subtask: usize, _parallelism: usize) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(Blackhole))
    }
}

impl SinkWriter for Blackhole {
    fn write(&mut self, _batch: &ChangeBatch) -> Result<()> {
        Ok(())
    }
    fn prepare_commit(&mut self, _epoch: u64) -> Result<Vec<Vec<u8>>> {
        Ok(Vec::new())
    }
}
