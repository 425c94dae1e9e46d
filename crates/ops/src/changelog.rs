//! Row kinds as data: TO_CHANGELOG writes them into a column, FROM_CHANGELOG
//! reads them from one.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::SchemaRef;
use weir_core::{ChangeBatch, Error, Result, Schema};
use weir_runtime::{Barrier, Mark, Operator, Out, Seal, Step, TaskContext};

use crate::util::*;

/// Every change becomes an inserted row that begins with the code of its kind.
pub struct ToChangelog {
    /// By row kind; rows of kinds without a code are dropped.
    codes: Vec<Option<String>>,
    schema: SchemaRef,
}

impl ToChangelog {
    /// Builds the operator.
    pub fn new(codes: &[Option<String>], output: &Schema) -> Self {
        Self { codes: codes.to_vec(), schema: output.to_arrow() }
    }

    fn code(&self, kind: u8) -> Option<&str> {
        self.codes.get(kind as usize)?.as_deref()
    }
}

impl Operator for ToChangelog {
    fn push(&mut self, _: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        let kept = match self.codes.iter().all(Option::is_some) {
            true => batch,
            false => {
                let keep = (0..batch.len()).map(|i| Some(self.code(batch.kind(i) as u8).is_some()));
                batch.filter(&keep.collect())?
            }
        };
        let codes = (0..kept.len()).map(|i| self.code(kept.kind(i) as u8));
        let mut columns: Vec<ArrayRef> = vec![Arc::new(codes.collect::<StringArray>())];
        columns.extend(kept.rows.columns().iter().cloned());
        let schema = Arc::clone(&self.schema);
        out.data(ChangeBatch::from_columns(schema, columns, kept.len(), None)?);
        Ok(Step::Done)
    }
}

/// Every row becomes a change of the kind that its code says.
pub struct FromChangelog {
    column: usize,
    codes: Vec<(String, u8)>,
    schema: SchemaRef,
}

impl FromChangelog {
    /// Builds the operator; `column` holds the codes.
    pub fn new(column: usize, codes: &[(String, u8)], output: &Schema) -> Self {
        Self { column, codes: codes.to_vec(), schema: output.to_arrow() }
    }

    fn kind(&self, code: Option<&str>) -> Result<u8> {
        self.codes.iter().find(|c| Some(c.0.as_str()) == code).map(|c| c.1).ok_or_else(|| {
            let known: Vec<&str> = self.codes.iter().map(|c| c.0.as_str()).collect();
            Error::data(format!(
                "Received invalid op code '{}'. Defined op codes are: [{}].",
                code.unwrap_or("null"),
                known.join(", ")
            ))
        })
    }
}

impl Operator for FromChangelog {
    fn push(&mut self, _: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        let codes = batch.column(self.column).as_string::<i32>();
        let kinds = (0..batch.len())
            .map(|i| self.kind(codes.is_valid(i).then(|| codes.value(i))))
            .collect::<Result<Vec<u8>>>()?;
        let mut columns = batch.rows.columns().to_vec();
        columns.remove(self.column);
        out.data(batch_of(&self.schema, columns, kinds)?);
        Ok(Step::Done)
    }
}

/// Gives an operator its rows one by one, so that it emits every change and not
/// only what a whole batch has changed: in front of TO_CHANGELOG, which shows changes.
pub struct RowByRow(Box<dyn Operator>);

impl RowByRow {
    /// Wraps an operator.
    pub fn new(inner: Box<dyn Operator>) -> Self {
        Self(inner)
    }
}

impl Operator for RowByRow {
    fn open(&mut self, context: &TaskContext) -> Result<()> {
        self.0.open(context)
    }
    fn push(&mut self, input: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        for row in 0..batch.len() {
            let mut step = self.0.push(input, batch.slice(row, 1), out)?;
            while step == Step::More {
                step = self.0.more(out)?;
            }
        }
        Ok(Step::Done)
    }
    fn more(&mut self, out: &mut Out) -> Result<Step> {
        self.0.more(out)
    }
    fn watermark(&mut self, mark: Mark, out: &mut Out) -> Result<Step> {
        self.0.watermark(mark, out)
    }
    fn finish(&mut self, out: &mut Out) -> Result<Step> {
        self.0.finish(out)
    }
    fn flush(&mut self, out: &mut Out) -> Result<Step> {
        self.0.flush(out)
    }
    fn barrier(&mut self, barrier: &Barrier, seal: &mut Seal) -> Result<()> {
        self.0.barrier(barrier, seal)
    }
    fn restore(&mut self, seal: &Seal, context: &TaskContext) -> Result<()> {
        self.0.restore(seal, context)
    }
    fn next_timer(&self) -> Option<i64> {
        self.0.next_timer()
    }
    fn on_timer(&mut self, now: i64, out: &mut Out) -> Result<Step> {
        self.0.on_timer(now, out)
    }
}
