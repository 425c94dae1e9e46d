//! A checkpoint as tables of the engine: the connector behind `weir state PATH -e 'SQL'`.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use weir_connect::api::{ConnectorFactory, Poll, Source, SourceReader};
use weir_core::value::values_to_array;
use weir_core::{ChangeBatch, Error, Result, Schema, Value};
use weir_spec::{ReadColumn, SourceSpec};

use super::views::{Group, Row, View, group_rows, groups};
use crate::checkpoint::store::Found;
use crate::recovery;

/// The connector's name.
pub const CONNECTOR: &str = "weir-state";

/// Option with the number of the view.
pub const VIEW: &str = "view";

/// Rows of a batch.
const BATCH: usize = 4096;

/// The one checkpoint that is being looked at.
static SHOWN: RwLock<Option<Arc<Shown>>> = RwLock::new(None);

/// A checkpoint and the tables that it is shown as.
pub struct Shown {
    /// The checkpoint.
    pub found: Found,
    /// Its tables.
    pub views: Vec<View>,
}

/// Makes a checkpoint the one that the connector reads.
pub fn show(shown: Shown) {
    *SHOWN.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(shown));
    weir_connect::register(&StateFactory);
}

struct StateFactory;

impl ConnectorFactory for StateFactory {
    fn identifier(&self) -> &'static str {
        CONNECTOR
    }

    fn source(&self, spec: &SourceSpec, schema: &Schema) -> Result<Box<dyn Source>> {
        let shown = SHOWN.read().unwrap_or_else(PoisonError::into_inner).clone();
        let number = spec.table.options.i64_opt(VIEW)?.and_then(|n| usize::try_from(n).ok());
        let (Some(shown), Some(view)) = (shown, number) else {
            return Err(Error::option(format!("'{CONNECTOR}' is for `weir state` only")));
        };
        if view >= shown.views.len() {
            return Err(Error::option(format!("'{VIEW}' = '{view}': there is no such table")));
        }
        let columns = spec
            .columns
            .iter()
            .map(|c| match c {
                ReadColumn::Physical { path } if path.len() == 1 => Ok(path[0]),
                _ => Err(Error::unsupported("parts of columns of a state table")),
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Box::new(StateSource { shown, view, columns, schema: schema.clone() }))
    }
}

struct StateSource {
    shown: Arc<Shown>,
    view: usize,
    columns: Vec<usize>,
    schema: Schema,
}

impl Source for StateSource {
    fn is_bounded(&self) -> bool {
        true
    }

    fn reader(&self, subtask: usize, parallelism: usize) -> Result<Box<dyn SourceReader>> {
        let found = &self.shown.found;
        let view = &self.shown.views[self.view];
        let rows = if subtask == 0 { view.small(found)? } else { Vec::new() };
        let operators = found.manifest.operators.iter().enumerate();
        let instances = operators
            .flat_map(|(at, o)| (0..o.instances.len()).map(move |i| (at, i)))
            .filter(|_| matches!(view, View::Entries | View::State(..)))
            .filter(|&(at, _)| !matches!(view, View::State(own, _) if *own != at))
            .enumerate()
            .filter(|(n, _)| n % parallelism.max(1) == subtask)
            .map(|(_, instance)| instance)
            .collect();
        Ok(Box::new(StateReader {
            shown: Arc::clone(&self.shown),
            view: self.view,
            columns: self.columns.clone(),
            schema: self.schema.clone(),
            instances,
            groups: VecDeque::new(),
            rows: rows.into(),
        }))
    }
}

/// One instance's state is in memory at a time.
struct StateReader {
    shown: Arc<Shown>,
    view: usize,
    columns: Vec<usize>,
    schema: Schema,
    instances: VecDeque<(usize, usize)>,
    groups: VecDeque<Group>,
    rows: VecDeque<Row>,
}

impl StateReader {
    fn batch(&mut self) -> Result<ChangeBatch> {
        let count = self.rows.len().min(BATCH);
        let rows: Vec<Row> = self.rows.drain(..count).collect();
        let mut arrays = Vec::new();
        for (&column, field) in self.columns.iter().zip(&self.schema.fields) {
            let values: Vec<Value> = rows.iter().map(|r| r[column].clone()).collect();
            arrays.push(values_to_array(&values, &field.ty)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(self.schema.to_arrow(), arrays, &options)?;
        Ok(ChangeBatch::inserts(batch))
    }
}

impl SourceReader for StateReader {
    fn poll(&mut self) -> Result<Poll> {
        let view = &self.shown.views[self.view];
        let found = &self.shown.found;
        if !self.rows.is_empty() {
            return Ok(Poll::Batch(self.batch()?));
        }
        if let Some(group) = self.groups.pop_front() {
            self.rows = group_rows(view, found, &group)?.into();
            return Ok(Poll::Pending(Duration::ZERO));
        }
        let Some((operator, instance)) = self.instances.pop_front() else { return Ok(Poll::End) };
        let state = &found.manifest.operators[operator].instances[instance];
        let tables = recovery::tables(found, state)?;
        self.groups = groups(view, operator, state.subtask, tables).collect();
        Ok(Poll::Pending(Duration::ZERO))
    }

    fn position(&mut self) -> Result<Vec<Vec<u8>>> {
        Ok(Vec::new())
    }

    fn restore(&mut self, _splits: Vec<Vec<u8>>) -> Result<()> {
        Err(Error::unsupported("starting from a checkpoint of a query over a checkpoint"))
    }
}
