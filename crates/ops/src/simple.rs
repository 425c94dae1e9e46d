//! Operators without state of their own: UNION ALL, VALUES, EXPAND, UNNEST, the
//! window table function, dropping -U, handing rows to the client.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int32Array, Int64Array, UInt32Array};
use arrow::compute;
use arrow::datatypes::{DataType as ArrowType, SchemaRef};
use weir_core::value::{timestamp_array, values_to_array};
use weir_core::{ChangeBatch, Error, Result, Schema, Value};
use weir_functions::{EvalContext, Expr};
use weir_runtime::{Operator, Out, SourcePoll, SourceTask, Step, now_ms};
use weir_spec::WindowSpec;

use crate::program::{Predicate, Program};
use crate::util::*;
use crate::window::{Aligned, Zone};
use crate::window_aggregate::time_attribute_shape;

/// UNION ALL and the client's collector: rows pass, in the output's schema.
pub struct Pass {
    schema: SchemaRef,
    drop_update_before: bool,
}

impl Pass {
    /// Everything passes.
    pub fn new(output: &Schema) -> Self {
        Self { schema: output.to_arrow(), drop_update_before: false }
    }
    /// -U rows are dropped.
    pub fn without_update_before(output: &Schema) -> Self {
        Self { schema: output.to_arrow(), drop_update_before: true }
    }
}

impl Operator for Pass {
    fn push(&mut self, _: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        let batch = match batch.kind_bytes() {
            Some(kinds) if self.drop_update_before && kinds.contains(&MINUS_U) => {
                batch.filter(&kinds.iter().map(|&k| Some(k != MINUS_U)).collect())?
            }
            _ => batch,
        };
        let columns = batch.rows.columns().to_vec();
        let schema = Arc::clone(&self.schema);
        out.data(ChangeBatch::from_columns(schema, columns, batch.len(), batch.kinds)?);
        Ok(Step::Done)
    }
}

/// Constant rows; only subtask 0 has any.
pub struct Values {
    rows: Option<ChangeBatch>,
    /// This instance has handed them out, in this run or an earlier one.
    done: bool,
}

impl Values {
    /// Builds the source of one subtask.
    pub fn new(rows: &[Vec<Value>], output: &Schema, subtask: usize) -> Result<Self> {
        if subtask != 0 || rows.is_empty() {
            return Ok(Self { rows: None, done: false });
        }
        let columns = output
            .fields
            .iter()
            .enumerate()
            .map(|(i, f)| {
                let column: Option<Vec<Value>> = rows.iter().map(|r| r.get(i).cloned()).collect();
                let column = column.ok_or_else(|| Error::internal("VALUES row is too short"))?;
                values_to_array(&column, &f.ty)
            })
            .collect::<Result<Vec<_>>>()?;
        let batch = ChangeBatch::from_columns(output.to_arrow(), columns, rows.len(), None)?;
        Ok(Self { rows: Some(batch), done: false })
    }
}

impl SourceTask for Values {
    fn poll(&mut self) -> Result<SourcePoll> {
        let Some(rows) = self.rows.take() else { return Ok(SourcePoll::End) };
        self.done = true;
        Ok(SourcePoll::Batch(rows))
    }
    fn position(&mut self) -> Result<Vec<Vec<u8>>> {
        Ok(if self.done { vec![vec![1]] } else { Vec::new() })
    }
    fn restore(&mut self, splits: Vec<Vec<u8>>) -> Result<()> {
        if !splits.is_empty() {
            (self.rows, self.done) = (None, true);
        }
        Ok(())
    }
}

/// Each row once per projection (GROUPING SETS and the like).
pub struct Expand {
    projections: Vec<Vec<Program>>,
    schema: SchemaRef,
    context: EvalContext,
}

impl Expand {
    /// Builds the operator.
    pub fn new(projections: &[Vec<Expr>], output: &Schema, context: EvalContext) -> Result<Self> {
        let projections = projections.iter().map(|p| Program::all(p)).collect::<Result<_>>()?;
        Ok(Self { projections, schema: output.to_arrow(), context })
    }
}

impl Operator for Expand {
    fn push(&mut self, _: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        for p in &self.projections {
            let columns = p
                .iter()
                .map(|e| e.eval(&batch.rows, &self.context))
                .collect::<Result<Vec<ArrayRef>>>()?;
            let schema = Arc::clone(&self.schema);
            out.data(ChangeBatch::from_columns(schema, columns, batch.len(), batch.kinds.clone())?);
        }
        Ok(Step::Done)
    }
}

/// CROSS or LEFT JOIN UNNEST.
pub struct Unnest {
    collection: Program,
    flatten: bool,
    ordinality: bool,
    condition: Option<Predicate>,
    outer: bool,
    schema: SchemaRef,
    context: EvalContext,
}

impl Unnest {
    /// Builds the operator.
    pub fn new(
        collection: &Expr,
        flatten: bool,
        ordinality: bool,
        condition: Option<&Expr>,
        outer: bool,
        output: &Schema,
        context: EvalContext,
    ) -> Result<Self> {
        let collection = Program::new(collection)?;
        let condition = condition.map(Predicate::new).transpose()?;
        let schema = output.to_arrow();
        Ok(Self { collection, flatten, ordinality, condition, outer, schema, context })
    }

    /// The output rows of some matches.
    fn rows(&self, batch: &ChangeBatch, values: &[ArrayRef], m: &Matches) -> Result<ChangeBatch> {
        let rows = UInt32Array::from(m.rows.clone());
        let elements = UInt32Array::from(m.elements.clone());
        let mut columns = take_all(batch.rows.columns(), &rows)?;
        for v in values {
            columns.push(compute::take(v, &elements, None)?);
        }
        if self.ordinality {
            columns.push(Arc::new(Int32Array::from(m.ordinals.clone())));
        }
        let kinds = batch.kind_bytes().map_or_else(
            || vec![PLUS_I; rows.len()],
            |k| rows.values().iter().map(|&r| k[r as usize]).collect(),
        );
        batch_of(&self.schema, columns, kinds)
    }

    /// The matches whose elements pass; a kept row where none does.
    fn passing(&self, mask: &BooleanArray, m: &Matches) -> Matches {
        let mut out = Matches::default();
        let mut at = 0;
        while at < m.rows.len() {
            let row = m.rows[at];
            let before = out.rows.len();
            while at < m.rows.len() && m.rows[at] == row {
                if m.elements[at].is_some() && mask.is_valid(at) && mask.value(at) {
                    out.rows.push(row);
                    out.elements.push(m.elements[at]);
                    out.ordinals.push(m.ordinals[at]);
                }
                at += 1;
            }
            if self.outer && out.rows.len() == before {
                out.rows.push(row);
                out.elements.push(None);
                out.ordinals.push(None);
            }
        }
        out
    }

    /// (row, element, ordinal) triples; element None for a kept row without elements.
    fn matches(&self, array: &ArrayRef, multiset: Option<&Int32Array>) -> Result<Matches> {
        let mut m = Matches::default();
        let rows = match array.data_type() {
            ArrowType::List(_) if self.flatten => Some(array.as_list::<i32>().values()),
            _ => None,
        };
        for row in 0..array.len() {
            let range = match array.data_type() {
                _ if array.is_null(row) => 0..0,
                ArrowType::List(_) => {
                    let o = array.as_list::<i32>().value_offsets();
                    o[row]..o[row + 1]
                }
                ArrowType::Map(..) => {
                    let o = array.as_map().value_offsets();
                    o[row]..o[row + 1]
                }
                other => return Err(Error::internal(format!("UNNEST of {other}"))),
            };
            let before = m.rows.len();
            let mut ordinal = 0;
            for element in range {
                // A NULL row has no columns to show, and is left out.
                if rows.is_some_and(|r| r.is_null(element as usize)) {
                    continue;
                }
                let times = multiset.map_or(1, |c| c.value(element as usize).max(0));
                for _ in 0..times {
                    ordinal += 1;
                    m.rows.push(row as u32);
                    m.elements.push(Some(element as u32));
                    m.ordinals.push(Some(ordinal));
                }
            }
            if self.outer && m.rows.len() == before {
                m.rows.push(row as u32);
                m.elements.push(None);
                m.ordinals.push(None);
            }
        }
        Ok(m)
    }
}

#[derive(Default)]
struct Matches {
    rows: Vec<u32>,
    elements: Vec<Option<u32>>,
    ordinals: Vec<Option<i32>>,
}

impl Operator for Unnest {
    fn push(&mut self, _: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        let array = self.collection.eval(&batch.rows, &self.context)?;
        let extra = usize::from(self.ordinality);
        let appended = self.schema.fields().len().saturating_sub(batch.rows.num_columns() + extra);
        let (values, counts): (Vec<ArrayRef>, Option<ArrayRef>) = match array.data_type() {
            ArrowType::List(_) => {
                let v = array.as_list::<i32>().values();
                match v.data_type() {
                    ArrowType::Struct(_) if self.flatten => (struct_columns(v)?, None),
                    _ => (vec![Arc::clone(v)], None),
                }
            }
            ArrowType::Map(..) => {
                let (k, v) = (array.as_map().keys(), array.as_map().values());
                if appended == 2 && !self.flatten || v.data_type() != &ArrowType::Int32 {
                    (vec![Arc::clone(k), Arc::clone(v)], None)
                } else if appended == 1 {
                    (vec![Arc::clone(k)], Some(Arc::clone(v)))
                } else if self.flatten && k.data_type().is_nested() {
                    (struct_columns(k)?, Some(Arc::clone(v)))
                } else {
                    (vec![Arc::clone(k), Arc::clone(v)], None)
                }
            }
            other => return Err(Error::internal(format!("UNNEST of {other}"))),
        };
        let counts = counts.as_ref().and_then(|c| c.as_any().downcast_ref::<Int32Array>());
        let mut m = self.matches(&array, counts)?;
        if let Some(condition) = &self.condition {
            let all = self.rows(&batch, &values, &m)?;
            m = self.passing(&condition.eval(&all.rows, &self.context)?, &m);
        }
        out.data(self.rows(&batch, &values, &m)?);
        Ok(Step::Done)
    }
}

/// Fields of a struct column, NULL where the struct is NULL.
fn struct_columns(array: &ArrayRef) -> Result<Vec<ArrayRef>> {
    let s = array.as_struct();
    s.columns()
        .iter()
        .map(|c| {
            let Some(nulls) = s.nulls() else { return Ok(Arc::clone(c)) };
            let valid =
                UInt32Array::from_iter((0..s.len()).map(|i| nulls.is_valid(i).then_some(i as u32)));
            Ok(compute::take(c, &valid, None)?)
        })
        .collect()
}

/// TUMBLE, HOP, CUMULATE as table functions: every row once per window.
pub struct WindowTableFunction {
    aligned: Aligned,
    spec: WindowSpec,
    zone: Zone,
    schema: SchemaRef,
}

impl WindowTableFunction {
    /// Builds the operator.
    pub fn new(spec: &WindowSpec, aligned: Aligned, zone: &str, output: &Schema) -> Result<Self> {
        let zone = Zone::of(&spec.time_type, zone)?;
        Ok(Self { aligned, spec: spec.clone(), zone, schema: output.to_arrow() })
    }
}

impl Operator for WindowTableFunction {
    fn push(&mut self, _: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        let times = if self.spec.event_time {
            Some(Times::of(batch.column(self.spec.time_column))?)
        } else {
            None
        };
        let now = now_ms();
        let (mut rows, mut starts, mut ends, mut last) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for row in 0..batch.len() {
            // A row without time belongs to no window.
            let Some(ts) = times.as_ref().map_or(Some(now), |t| t.get(row)) else { continue };
            for (start, end) in self.aligned.windows(self.zone.to_local(ts)) {
                rows.push(row as u32);
                starts.push(start);
                ends.push(end);
                last.push(self.zone.to_epoch(end - 1));
            }
        }
        let indices = UInt32Array::from(rows);
        let picked = if self.aligned.is_tumbling() && indices.len() == batch.len() {
            batch
        } else {
            batch.take(&indices)?
        };
        let (precision, ltz) = time_attribute_shape(&self.spec.time_type);
        let mut columns = picked.rows.columns().to_vec();
        columns.push(timestamp_array(Int64Array::from(starts), 3, false));
        columns.push(timestamp_array(Int64Array::from(ends), 3, false));
        columns.push(timestamp_array(Int64Array::from(last), precision, ltz));
        let schema = Arc::clone(&self.schema);
        out.data(ChangeBatch::from_columns(schema, columns, indices.len(), picked.kinds)?);
        Ok(Step::Done)
    }
}
