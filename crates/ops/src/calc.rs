//! Filter, then project.
//!
//! Columns that the projection does not read are dropped before rows are
//! copied; rows that the filter drops are never projected, so that their
//! errors (division by zero, failing casts) do not occur.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use weir_core::{ChangeBatch, Result, Schema};
use weir_functions::{EvalContext, Expr};
use weir_runtime::{Mark, Operator, Out, Step, now_ms};
use weir_spec::Branch;

use crate::program::{Predicate, Program};

/// See the module.
pub struct Calc {
    filter: Option<Predicate>,
    /// Input columns that the projection reads.
    used: Vec<usize>,
    used_schema: SchemaRef,
    projection: Vec<Program>,
    schema: SchemaRef,
    context: EvalContext,
}

impl Calc {
    /// Builds the operator.
    pub fn new(
        filter: Option<&Expr>,
        projection: &[Expr],
        input: &Schema,
        output: &Schema,
        context: EvalContext,
    ) -> Result<Self> {
        let mut used = Vec::new();
        projection.iter().for_each(|e| e.collect_columns(&mut used));
        let remap = |e: &Expr| {
            e.clone().map_columns(&mut |i, ty| {
                Expr::column(used.iter().position(|&u| u == i).unwrap_or_default(), ty)
            })
        };
        let projection =
            projection.iter().map(|e| Program::new(&remap(e))).collect::<Result<_>>()?;
        Ok(Self {
            filter: filter.map(Predicate::new).transpose()?,
            used_schema: input.project(&used).to_arrow(),
            used,
            projection,
            schema: output.to_arrow(),
            context,
        })
    }

    fn pruned(&self, batch: &ChangeBatch) -> Result<ChangeBatch> {
        let columns = crate::util::columns(batch, &self.used);
        let schema = Arc::clone(&self.used_schema);
        ChangeBatch::from_columns(schema, columns, batch.len(), batch.kinds.clone())
    }
}

impl Operator for Calc {
    fn push(&mut self, _: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        if self.context.streaming {
            self.context.now_ms = now_ms();
        }
        let rows = match &self.filter {
            None => self.pruned(&batch)?,
            Some(filter) => {
                let mask = filter.eval(&batch.rows, &self.context)?;
                match mask.true_count() {
                    0 => return Ok(Step::Done),
                    n if n == batch.len() => self.pruned(&batch)?,
                    _ => self.pruned(&batch)?.filter(&mask)?,
                }
            }
        };
        let columns: Vec<ArrayRef> = self
            .projection
            .iter()
            .map(|p| p.eval(&rows.rows, &self.context))
            .collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let projected =
            RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        out.data(ChangeBatch { rows: projected, kinds: rows.kinds });
        Ok(Step::Done)
    }

    fn watermark(&mut self, mark: Mark, out: &mut Out) -> Result<Step> {
        if let Mark::Ts(ts) = mark {
            crate::program::set_watermark(&mut self.context, ts);
        }
        out.mark(mark);
        Ok(Step::Done)
    }
}
/// UNION ALL of several [`Calc`]s of one input. Were each to pass its rows and watermarks
/// through a channel of its own, one could run ahead of what the other finds late.
pub struct Branches {
    calcs: Vec<Calc>,
    /// What is being handed out, and which branch comes next.
    pending: Option<(ChangeBatch, usize)>,
}

impl Branches {
    /// Builds the operator.
    pub fn new(
        branches: &[Branch],
        input: &Schema,
        output: &Schema,
        context: EvalContext,
    ) -> Result<Self> {
        let calc = |b: &Branch| Calc::new(b.filter.as_ref(), &b.projection, input, output, context);
        Ok(Self { calcs: branches.iter().map(calc).collect::<Result<_>>()?, pending: None })
    }
}

impl Operator for Branches {
    fn push(&mut self, _: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        self.pending = Some((batch, 0));
        self.more(out)
    }

    fn more(&mut self, out: &mut Out) -> Result<Step> {
        let Some((batch, at)) = self.pending.take() else { return Ok(Step::Done) };
        let Some(calc) = self.calcs.get_mut(at) else { return Ok(Step::Done) };
        calc.push(0, batch.clone(), out)?;
        if at + 1 == self.calcs.len() {
            return Ok(Step::Done);
        }
        self.pending = Some((batch, at + 1));
        Ok(Step::More)
    }

    fn watermark(&mut self, mark: Mark, out: &mut Out) -> Result<Step> {
        for calc in &mut self.calcs {
            calc.watermark(mark, &mut Out::default())?;
        }
        out.mark(mark);
        Ok(Step::Done)
    }
}
