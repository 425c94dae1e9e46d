//! What GROUP BY means for the clauses behind it, and its plan.

use weir_core::{DataType, Error, Field, Result, Schema, Value};
use weir_functions::Expr;
use weir_parser::ast;
use weir_spec::{AggregateCall, WindowSpec};

use super::aggregate_call::{BoundCall, Projection};
use super::pending::Pending;
use super::stand_in::{OUTER, SUBQUERY};
use super::typed::null_literal;
use crate::rel::{Rel, RelOp};

/// What GROUP BY means for the clauses behind it.
pub(crate) struct Grouping {
    /// Key expressions over the FROM clause.
    pub keys: Vec<Expr>,
    /// Aggregates found so far.
    pub calls: Vec<BoundCall>,
    /// TUMBLE, HOP or SESSION in GROUP BY, with the call's syntax.
    pub window: Option<(WindowSpec, ast::FunctionCall)>,
    /// Which keys each grouping set has; `None` without grouping sets.
    pub sets: Option<Vec<Vec<bool>>>,
    /// Subqueries inside keys and arguments, to be attached to the FROM clause.
    pub pending: Pending,
    /// Keys that hold subqueries, as they were written.
    pub(super) written: Vec<(ast::Expr, usize)>,
}

impl Grouping {
    /// Where the calls start in the output.
    fn calls_at(&self) -> usize {
        self.keys.len() + usize::from(self.sets.is_some())
    }

    /// The output type of a key; NULL where a grouping set lacks it.
    pub fn key_type(&self, i: usize) -> DataType {
        let ty = self.keys[i].ty().clone();
        // NULL where some set leaves the key out.
        match &self.sets {
            Some(sets) if sets.iter().any(|set| !set[i]) => ty.null(),
            _ => ty,
        }
    }

    /// The output column of a call, registered once.
    pub fn register(&mut self, mut call: BoundCall) -> Expr {
        if !self.keys.is_empty() || self.window.is_some() {
            call.over_rows();
        }
        let at = self.calls.iter().position(|c| *c == call).unwrap_or_else(|| {
            self.calls.push(call.clone());
            self.calls.len() - 1
        });
        Expr::column(self.calls_at() + at, call.ty)
    }

    /// Replaces the stand-ins of subqueries in keys and arguments.
    pub fn resolve(&mut self, answers: &[Expr]) {
        let resolve = |e: &mut Expr| {
            let taken = std::mem::replace(e, Expr::true_literal());
            *e = taken.map_columns(&mut |i, ty| match i.checked_sub(SUBQUERY) {
                Some(n) if n < answers.len() => answers[n].clone(),
                _ => Expr::column(i, ty),
            });
        };
        self.keys.iter_mut().for_each(resolve);
        for c in &mut self.calls {
            c.args.iter_mut().chain(&mut c.filter).for_each(resolve);
            c.order_by.iter_mut().for_each(|(e, ..)| resolve(e));
        }
    }
}

/// Rewrites an expression over the FROM clause to one over the keys; the first
/// column that is no key is the error.
pub(super) fn over_keys(e: Expr, g: &Grouping) -> Result<Expr, usize> {
    if let Some(i) = g.keys.iter().position(|k| *k == e) {
        return Ok(Expr::column(i, g.key_type(i)));
    }
    Ok(match e {
        Expr::Column { index, ty } if index >= OUTER => Expr::Column { index, ty },
        Expr::Column { index, .. } => return Err(index),
        Expr::Literal { .. } => e,
        Expr::Call { function, args, ty } => Expr::Call {
            function,
            args: args.into_iter().map(|a| over_keys(a, g)).collect::<Result<_, _>>()?,
            ty,
        },
        Expr::Cast { arg, ty, safe } => Expr::Cast { arg: Box::new(over_keys(*arg, g)?), ty, safe },
        Expr::Field { arg, index, ty } => {
            Expr::Field { arg: Box::new(over_keys(*arg, g)?), index, ty }
        }
        Expr::Case { branches, otherwise, ty } => Expr::Case {
            branches: branches
                .into_iter()
                .map(|(c, r)| Ok((over_keys(c, g)?, over_keys(r, g)?)))
                .collect::<Result<_, usize>>()?,
            otherwise: Box::new(over_keys(*otherwise, g)?),
            ty,
        },
    })
}

/// The plan of a grouping over its input; output = keys, (set number), calls, (window columns).
pub(crate) fn aggregate_rel(input: Rel, g: &Grouping) -> Result<Rel> {
    let mut projection = Projection::default();
    projection.exprs.extend(g.keys.iter().cloned());
    if g.sets.is_some() {
        // An argument equal to a key must not become NULL with it.
        projection.first_argument = g.keys.len();
    }
    let mut calls: Vec<AggregateCall> =
        g.calls.iter().enumerate().map(|(i, c)| projection.call(c, format!("EXPR${i}"))).collect();
    let mut fields: Vec<Field> =
        (0..g.keys.len()).map(|i| Field::new(format!("$k{i}"), g.key_type(i))).collect();
    let mut keys: Vec<usize> = (0..g.keys.len()).collect();
    let window = g.window.as_ref().map(|(spec, _)| {
        let mut spec = spec.clone();
        let time = Expr::column(spec.time_column, spec.time_type.clone());
        spec.time_column = projection.add(&time);
        spec
    });
    if g.window.is_some() && g.sets.is_some() {
        return Err(Error::unsupported("GROUPING SETS together with a group window"));
    }
    let mut rel = projection.onto(input);
    if let Some(sets) = &g.sets {
        rel = expand(rel, sets, g.keys.len());
        let set_column = rel.schema.len() - 1;
        keys.push(set_column);
        fields.push(Field::new("$e", DataType::bigint().not_null()));
    }
    for c in &mut calls {
        fields.push(Field::new(c.name.clone(), c.ty.clone()));
    }
    let input = Box::new(rel);
    if let Some(window) = window {
        let boundary = DataType::timestamp(3).not_null();
        fields.push(Field::new("window_start", boundary.clone()));
        fields.push(Field::new("window_end", boundary));
        fields.push(Field::new("window_time", window.time_type.clone().not_null()));
        let op = RelOp::GroupWindowAggregate { input, window, keys, calls };
        return Ok(Rel::new(op, Schema::new(fields)));
    }
    Ok(Rel::new(RelOp::Aggregate { input, keys, calls }, Schema::new(fields)))
}

/// One copy of every row per grouping set, with absent keys NULL and the set's number last.
/// Aggregate arguments are separate columns, so that a key used as an argument keeps its value.
fn expand(input: Rel, sets: &[Vec<bool>], keys: usize) -> Rel {
    let number = DataType::bigint().not_null();
    let columns = input.columns();
    let mut fields: Vec<Field> = input.schema.fields.clone();
    for (k, f) in fields.iter_mut().enumerate().take(keys) {
        if sets.iter().any(|set| !set[k]) {
            f.ty = f.ty.clone().null();
        }
    }
    fields.push(Field::new("$e", number.clone()));
    let projections = sets
        .iter()
        .enumerate()
        .map(|(i, set)| {
            let mut p: Vec<Expr> = columns.clone();
            for (k, slot) in p.iter_mut().take(keys).enumerate() {
                if !set[k] {
                    *slot = null_literal(&columns[k].ty().clone().null());
                }
            }
            p.push(Expr::literal(Value::Int(i as i64), number.clone()));
            p
        })
        .collect();
    let op = RelOp::Expand { input: Box::new(input), projections };
    Rel::new(op, Schema::new(fields))
}
