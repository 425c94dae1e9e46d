//! Conditions and measures: expressions over the rows of a match.
//!
//! A condition is split at its ANDs. The part that looks at the row under test
//! alone is evaluated once per row and by column when the row arrives; only what
//! looks back at the match is evaluated per run.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use weir_core::value::values_to_array;
use weir_core::{ChangeBatch, DataType, Field, Result, Schema, Value};
use weir_functions::{CompiledExpr, EvalContext, Expr};
use weir_spec::{AggregateCall, MatchExpr, MatchRef, PatternTerm};

use super::runs::{Event, Node, Tester, backwards};
use crate::agg::AggSet;
use crate::program::{Predicate, Program};
use crate::util::types;

/// Variables whose row-wise parts are remembered per row.
const REMEMBERED: usize = 64;

/// One match, complete or under way.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// Its last row.
    pub tail: Option<&'a Arc<Node>>,
    /// The row under test and the variable that it is tested for.
    pub current: Option<(&'a Event, usize)>,
    /// Event time of the match.
    pub rowtime: i64,
}

impl<'a> View<'a> {
    /// The rows of a variable (`None`: all), last one first.
    fn rows(self, variable: Option<usize>) -> impl Iterator<Item = &'a Event> {
        let wanted = move |v: usize| variable.is_none_or(|x| x == v);
        let current = self.current.filter(|c| wanted(c.1)).map(|c| c.0);
        let taken = backwards(self.tail).filter(move |n| wanted(n.variable));
        current.into_iter().chain(taken.map(|n| &*n.event))
    }
}

/// An aggregate over the rows of a variable.
struct Fold {
    variable: Option<usize>,
    /// Input columns that the arguments read.
    columns: Vec<usize>,
    schema: SchemaRef,
    types: Vec<DataType>,
    args: Vec<Program>,
    arg_schema: SchemaRef,
    set: AggSet,
}

impl Fold {
    fn new(
        variable: Option<usize>,
        args: &[Expr],
        call: &AggregateCall,
        input: &Schema,
    ) -> Result<Self> {
        let mut columns = Vec::new();
        args.iter().for_each(|a| a.collect_columns(&mut columns));
        let place = |c: usize| columns.iter().position(|&x| x == c).unwrap_or(0);
        let args: Vec<Expr> = args
            .iter()
            .map(|a| a.clone().map_columns(&mut |i, ty| Expr::column(place(i), ty)))
            .collect();
        let own = input.project(&columns);
        let fields = args.iter().map(|a| Field::new("a", a.ty().clone())).collect();
        let arg_schema = Schema::new(fields);
        let set = AggSet::by_sums(std::slice::from_ref(call), &types(&arg_schema), false)?;
        Ok(Self {
            variable,
            types: types(&own),
            schema: own.to_arrow(),
            columns,
            args: Program::all(&args)?,
            arg_schema: arg_schema.to_arrow(),
            set,
        })
    }

    fn value(&mut self, view: View<'_>, context: &EvalContext) -> Result<Value> {
        use weir_state::SlotStore;
        let mut rows: Vec<&Event> = view.rows(self.variable).collect();
        rows.reverse();
        self.set.resize(1);
        self.set.clear(0);
        if !rows.is_empty() {
            let columns = self
                .columns
                .iter()
                .zip(&self.types)
                .map(|(&c, ty)| {
                    let values: Vec<Value> = rows.iter().map(|e| e.values[c].clone()).collect();
                    values_to_array(&values, ty)
                })
                .collect::<Result<Vec<_>>>()?;
            let input = record_batch(&self.schema, columns, rows.len())?;
            let args =
                self.args.iter().map(|a| a.eval(&input, context)).collect::<Result<Vec<_>>>()?;
            let args =
                ChangeBatch::from_columns(Arc::clone(&self.arg_schema), args, rows.len(), None)?;
            self.set.update(&args, &vec![0; rows.len()], None)?;
        }
        Ok(Value::from_array(&self.set.finish(&[0])?[0], 0))
    }
}

enum Source {
    Field { variable: Option<usize>, column: usize, first: bool, offset: usize },
    Fold(Box<Fold>),
    Rowtime { ticks: i64 },
}

impl Source {
    fn new(r: &MatchRef, ty: &DataType, input: &Schema) -> Result<Self> {
        Ok(match r {
            MatchRef::Field { variable, column, first, offset } => Source::Field {
                variable: *variable,
                column: *column,
                first: *first,
                offset: *offset as usize,
            },
            MatchRef::Aggregate { variable, args, call } => {
                Source::Fold(Box::new(Fold::new(*variable, args, call, input)?))
            }
            MatchRef::Rowtime => {
                let precision = match ty.kind {
                    weir_core::TypeKind::Timestamp(p, _)
                    | weir_core::TypeKind::TimestampLtz(p, _) => p,
                    _ => 3,
                };
                Source::Rowtime { ticks: weir_core::types::ticks_per_second(precision) / 1000 }
            }
        })
    }

    fn value(&mut self, view: View<'_>, context: &EvalContext) -> Result<Value> {
        Ok(match self {
            Source::Rowtime { ticks } => Value::Timestamp(view.rowtime.saturating_mul(*ticks)),
            Source::Fold(fold) => fold.value(view, context)?,
            Source::Field { variable, column, first: false, offset } => {
                view.rows(*variable).nth(*offset).map_or(Value::Null, |e| e.values[*column].clone())
            }
            Source::Field { variable, column, offset, .. } => {
                let rows: Vec<&Event> = view.rows(*variable).collect();
                let at = rows.len().checked_sub(*offset + 1);
                at.map_or(Value::Null, |at| rows[at].values[*column].clone())
            }
        })
    }
}

/// A compiled expression over matches.
pub struct MatchProgram {
    sources: Vec<Source>,
    types: Vec<DataType>,
    schema: SchemaRef,
    program: CompiledExpr,
}

impl MatchProgram {
    /// Compiles an expression over the references that it uses.
    pub fn new(e: &MatchExpr, input: &Schema) -> Result<Self> {
        let mut used = Vec::new();
        e.expr.collect_columns(&mut used);
        let mut types = vec![DataType::boolean(); used.len()];
        let expr = e.expr.clone().map_columns(&mut |i, ty| {
            let at = used.iter().position(|&u| u == i).unwrap_or(0);
            types[at] = ty.clone();
            Expr::column(at, ty)
        });
        let sources = used
            .iter()
            .zip(&types)
            .map(|(&u, ty)| Source::new(&e.refs[u], ty, input))
            .collect::<Result<_>>()?;
        let fields = types.iter().map(|t| Field::new("r", t.clone())).collect();
        let schema = Schema::new(fields).to_arrow();
        Ok(Self { sources, types, schema, program: weir_functions::compile(&expr)? })
    }

    fn inputs(&mut self, views: &[View<'_>], context: &EvalContext) -> Result<RecordBatch> {
        let mut columns = Vec::with_capacity(self.sources.len());
        for (source, ty) in self.sources.iter_mut().zip(&self.types) {
            let values =
                views.iter().map(|v| source.value(*v, context)).collect::<Result<Vec<_>>>()?;
            columns.push(values_to_array(&values, ty)?);
        }
        record_batch(&self.schema, columns, views.len())
    }

    /// One value per match.
    pub fn eval(&mut self, views: &[View<'_>], context: &EvalContext) -> Result<ArrayRef> {
        let inputs = self.inputs(views, context)?;
        self.program.eval(&inputs, context)
    }

    fn holds(&mut self, view: View<'_>, context: &EvalContext) -> Result<bool> {
        let result = self.eval(&[view], context)?;
        let result = result.as_boolean();
        Ok(result.is_valid(0) && result.value(0))
    }
}

/// A batch of columns whose nullability nobody promised.
fn record_batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

#[derive(Default)]
struct Condition {
    /// The part over the row's own columns.
    row: Option<Predicate>,
    /// The part that looks at the match.
    back: Option<MatchProgram>,
}

impl Condition {
    fn new(variable: usize, e: &MatchExpr, input: &Schema) -> Result<Self> {
        let own_row = |r: &MatchRef| match r {
            MatchRef::Field { variable: v, column, first: false, offset: 0 } => {
                v.is_none_or(|v| v == variable).then_some(*column)
            }
            _ => None,
        };
        let (mut row, mut back) = (Vec::new(), Vec::new());
        for part in conjuncts(e.expr.clone()) {
            let mut used = Vec::new();
            part.collect_columns(&mut used);
            let own = used.iter().all(|&u| own_row(&e.refs[u]).is_some());
            if own && variable < REMEMBERED { row.push(part) } else { back.push(part) }
        }
        let row = conjunction(row).map(|part| {
            part.map_columns(&mut |i, ty| Expr::column(own_row(&e.refs[i]).unwrap_or(0), ty))
        });
        let back = conjunction(back).map(|expr| MatchExpr { expr, refs: e.refs.clone() });
        Ok(Self {
            row: row.map(|e| Predicate::new(&e)).transpose()?,
            back: back.map(|e| MatchProgram::new(&e, input)).transpose()?,
        })
    }
}

fn conjuncts(e: Expr) -> Vec<Expr> {
    match e {
        Expr::Call { function, args, .. } if function == "AND" => {
            args.into_iter().flat_map(conjuncts).collect()
        }
        e => vec![e],
    }
}

fn conjunction(parts: Vec<Expr>) -> Option<Expr> {
    let and = |a, b| Expr::call("AND", vec![a, b], DataType::boolean());
    parts.into_iter().reduce(and)
}

/// The conditions of a pattern.
pub struct Conditions {
    each: Vec<Condition>,
    context: EvalContext,
    schema: SchemaRef,
    types: Vec<DataType>,
}

impl Conditions {
    /// Compiles DEFINE.
    pub fn new(pattern: &[PatternTerm], input: &Schema, context: EvalContext) -> Result<Self> {
        let each = pattern
            .iter()
            .enumerate()
            .map(|(v, term)| match &term.condition {
                Some(e) => Condition::new(v, e, input),
                None => Ok(Condition::default()),
            })
            .collect::<Result<_>>()?;
        Ok(Self { each, context, schema: input.to_arrow(), types: types(input) })
    }

    /// Evaluates the row-wise parts: per row (tested, passed). A part that fails for some row
    /// of the batch is left to the test itself, which may never ask for that row.
    pub fn row_wise(&self, rows: &RecordBatch) -> Vec<(u64, u64)> {
        let mut out = vec![(0, 0); rows.num_rows()];
        for (v, condition) in self.each.iter().enumerate().take(REMEMBERED) {
            let Some(predicate) = &condition.row else { continue };
            let Ok(mask) = predicate.eval(rows, &self.context) else { continue };
            for (i, o) in out.iter_mut().enumerate() {
                o.0 |= 1 << v;
                o.1 |= u64::from(mask.is_valid(i) && mask.value(i)) << v;
            }
        }
        out
    }

    fn row_part(&self, variable: usize, event: &Event) -> Result<bool> {
        let Some(predicate) = &self.each[variable].row else { return Ok(true) };
        let bit = 1 << variable;
        if event.tested & bit != 0 {
            return Ok(event.passed & bit != 0);
        }
        let columns = event
            .values
            .iter()
            .zip(&self.types)
            .map(|(v, ty)| values_to_array(std::slice::from_ref(v), ty))
            .collect::<Result<Vec<_>>>()?;
        let mask = predicate.eval(&record_batch(&self.schema, columns, 1)?, &self.context)?;
        Ok(mask.is_valid(0) && mask.value(0))
    }
}

impl Tester for Conditions {
    fn test(&mut self, variable: usize, tail: Option<&Arc<Node>>, event: &Event) -> Result<bool> {
        if !self.row_part(variable, event)? {
            return Ok(false);
        }
        let context = self.context;
        match &mut self.each[variable].back {
            None => Ok(true),
            Some(program) => {
                let current = Some((event, variable));
                program.holds(View { tail, current, rowtime: event.ts }, &context)
            }
        }
    }
}
