//! The tables of lookup joins, read through their connectors.

use arrow::array::RecordBatch;
use weir_connect::api::Poll;
use weir_core::{Result, Schema};
use weir_functions::Expr;
use weir_ops::lookup_table::{LookupReader, Lookups};
use weir_spec::SourceSpec;

use crate::connectors::ConnectorSet;

/// The lookup tables of one job.
pub(crate) fn lookups() -> Lookups {
    Lookups::new(Box::new(|spec, schema| {
        Ok(Box::new(TableReader { spec: spec.clone(), schema: schema.clone() }))
    }))
}

/// Scans a table from its beginning each time it is asked.
struct TableReader {
    spec: SourceSpec,
    schema: Schema,
}

impl LookupReader for TableReader {
    fn read(&mut self, filter: Option<Expr>) -> Result<Vec<RecordBatch>> {
        let spec = SourceSpec { filter, ..self.spec.clone() };
        let source = ConnectorSet::default().source(&spec, &self.schema)?;
        let mut reader = source.reader(0, 1)?;
        let mut out = Vec::new();
        loop {
            match reader.poll()? {
                Poll::Batch(batch) => out.push(batch.rows),
                Poll::Pending(wait) => std::thread::sleep(wait),
                Poll::End => return Ok(out),
            }
        }
    }

    fn version(&mut self) -> Result<Option<u64>> {
        ConnectorSet::default().version(&self.spec.table)
    }
}
