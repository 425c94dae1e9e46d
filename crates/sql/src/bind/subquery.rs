//! Subqueries: bound with the enclosing columns in reach, then decorrelated into joins.
//!
//! [`decorrelate`] pulls the conditions that mention enclosing columns up to the
//! top of the subquery's plan. Through projections they travel as extra columns,
//! through aggregates as extra keys, through LIMIT as a Top-N per key; what it
//! cannot move is refused with a clear error.

use weir_core::{DataType, Error, Result, Schema, Value};
use weir_functions::Expr;
use weir_parser::ast;
use weir_spec::{AggregateCall, JoinKind, OverFrame, OverSpec, SortKey};

use super::expr::SUBQUERY;
use super::scope::{OUTER, Scope};
use super::{Binder, make_call};
use crate::rel::{Rel, RelOp, conjunction, conjuncts};

/// A scalar subquery waiting to be joined to the clause that uses it.
pub(crate) struct ScalarSubquery {
    /// Its plan; the value is column 0.
    rel: Rel,
    /// Conditions over enclosing columns (numbered from [`OUTER`]) and the plan's columns.
    conditions: Vec<Expr>,
    /// Type of the value: nullable, since there may be no row.
    pub ty: DataType,
    /// COUNT answers 0 where the join finds no row.
    zero_when_empty: bool,
}

fn is_correlated(e: &Expr) -> bool {
    let mut columns = Vec::new();
    e.collect_columns(&mut columns);
    columns.iter().any(|c| (OUTER..SUBQUERY).contains(c))
}

fn refuse() -> Error {
    Error::unsupported("a correlated subquery of this shape")
        .hint("correlate by equalities in its WHERE clause, or write it as a JOIN")
}

/// A plan without enclosing columns, and the conditions that were pulled out of it.
pub(crate) struct Decorrelated {
    pub rel: Rel,
    /// Over enclosing columns from [`OUTER`] on and the plan's columns.
    pub conditions: Vec<Expr>,
}

fn mentions_outer(rel: &Rel) -> bool {
    let own = match &rel.op {
        RelOp::Project { exprs, .. } => exprs.iter().any(is_correlated),
        RelOp::Filter { predicate, .. } => is_correlated(predicate),
        RelOp::Join { condition, .. } | RelOp::TemporalJoin { condition, .. } => {
            is_correlated(condition)
        }
        RelOp::Unnest { collection, .. } => is_correlated(collection),
        _ => false,
    };
    own || rel.inputs().into_iter().any(mentions_outer)
}

/// Pulls correlated conditions to the top of a plan.
pub(crate) fn decorrelate(rel: Rel) -> Result<Decorrelated> {
    if !mentions_outer(&rel) {
        return Ok(Decorrelated { rel, conditions: vec![] });
    }
    let schema = rel.schema;
    match rel.op {
        RelOp::Filter { input, predicate } => {
            let mut d = decorrelate(*input)?;
            let (up, stay): (Vec<_>, Vec<_>) =
                conjuncts(predicate).into_iter().partition(is_correlated);
            if !stay.is_empty() {
                d.rel = d.rel.filter(conjunction(stay));
            }
            d.conditions.extend(up);
            Ok(d)
        }
        RelOp::Project { input, exprs } => {
            if exprs.iter().any(is_correlated) {
                return Err(refuse());
            }
            let d = decorrelate(*input)?;
            Ok(project_through(d, exprs, &schema))
        }
        RelOp::Aggregate { input, keys, calls } => {
            let d = decorrelate(*input)?;
            aggregate_through(d, keys, calls, &schema)
        }
        RelOp::Sort { input, keys, offset, fetch } => {
            let d = decorrelate(*input)?;
            sort_through(d, keys, offset, fetch)
        }
        RelOp::Join { left, right, kind: JoinKind::Inner, condition } => {
            join_through(*left, *right, condition)
        }
        _ => Err(refuse()),
    }
}

/// Projects the expressions and, behind them, the columns that conditions read.
fn project_through(d: Decorrelated, exprs: Vec<Expr>, schema: &Schema) -> Decorrelated {
    let mut exprs = exprs;
    let mut names: Vec<String> = schema.fields.iter().map(|f| f.name.clone()).collect();
    let mut place = |column: usize, ty: DataType| {
        let wanted = Expr::column(column, ty.clone());
        let at = exprs.iter().position(|e| *e == wanted).unwrap_or_else(|| {
            names.push(format!("$c{column}"));
            exprs.push(wanted);
            exprs.len() - 1
        });
        Expr::column(at, ty)
    };
    let conditions = d
        .conditions
        .into_iter()
        .map(|c| {
            c.map_columns(&mut |i, ty| if i >= OUTER { Expr::column(i, ty) } else { place(i, ty) })
        })
        .collect();
    Decorrelated { rel: d.rel.project(exprs, names), conditions }
}

/// `own = enclosing` as the column on the inner side.
fn inner_key(condition: &Expr) -> Option<usize> {
    let Expr::Call { function, args, .. } = condition else { return None };
    if function != "=" {
        return None;
    }
    match args.as_slice() {
        [Expr::Column { index, .. }, other] | [other, Expr::Column { index, .. }]
            if *index < OUTER && only_outer(other) =>
        {
            Some(*index)
        }
        _ => None,
    }
}

fn only_outer(e: &Expr) -> bool {
    let mut columns = Vec::new();
    e.collect_columns(&mut columns);
    columns.iter().all(|c| *c >= OUTER)
}

/// Equalities become extra grouping keys.
fn aggregate_through(
    d: Decorrelated,
    keys: Vec<usize>,
    calls: Vec<AggregateCall>,
    schema: &Schema,
) -> Result<Decorrelated> {
    let correlated: Vec<usize> =
        d.conditions.iter().map(|c| inner_key(c).ok_or_else(refuse)).collect::<Result<_>>()?;
    let mut all = keys.clone();
    for c in correlated {
        if !all.contains(&c) {
            all.push(c);
        }
    }
    let mut fields: Vec<_> = all.iter().map(|&k| d.rel.schema.fields[k].clone()).collect();
    fields.extend(schema.fields[keys.len()..].iter().cloned());
    let conditions = d
        .conditions
        .into_iter()
        .map(|c| {
            c.map_columns(&mut |i, ty| match all.iter().position(|&k| k == i) {
                Some(at) if i < OUTER => Expr::column(at, ty),
                _ => Expr::column(i, ty),
            })
        })
        .collect();
    let width = all.len();
    let grouped = Rel::new(
        RelOp::Aggregate { input: Box::new(d.rel), keys: all, calls },
        Schema::new(fields),
    );
    // Back to the original column order, the added keys last.
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.extend(width..grouped.schema.len());
    let exprs =
        order.iter().zip(&schema.fields).map(|(&c, f)| Expr::column(c, f.ty.clone())).collect();
    Ok(project_through(Decorrelated { rel: grouped, conditions }, exprs, schema))
}

/// ORDER BY .. LIMIT becomes a Top-N per correlation key; a bare ORDER BY has no meaning here.
fn sort_through(
    d: Decorrelated,
    order_by: Vec<SortKey>,
    offset: u64,
    fetch: Option<u64>,
) -> Result<Decorrelated> {
    if fetch.is_none() && offset == 0 {
        return Ok(d);
    }
    let partition: Vec<usize> =
        d.conditions.iter().map(|c| inner_key(c).ok_or_else(refuse)).collect::<Result<_>>()?;
    if order_by.is_empty() {
        return Err(refuse());
    }
    let width = d.rel.schema.len();
    let bigint = DataType::bigint().not_null();
    let call = AggregateCall {
        function: "ROW_NUMBER".to_owned(),
        args: vec![],
        literals: vec![],
        distinct: false,
        filter: None,
        order_by: vec![],
        ty: bigint.clone(),
        name: "$rn".to_owned(),
    };
    let over = OverSpec {
        partition,
        order_by,
        time_ordered: false,
        frame: OverFrame::Rows(None),
        calls: vec![call],
    };
    let mut schema = d.rel.schema.clone();
    schema.fields.push(weir_core::Field::new("$rn", bigint.clone()));
    let ranked = Rel::new(RelOp::Over { input: Box::new(d.rel), over }, schema);
    let rank = Expr::column(width, bigint.clone());
    let number = |n: u64| Expr::literal(Value::Int(n as i64), bigint.clone());
    let mut bounds = vec![make_call(">", vec![rank.clone(), number(offset)])?];
    if let Some(n) = fetch {
        bounds.push(make_call("<=", vec![rank, number(offset.saturating_add(n))])?);
    }
    let columns: Vec<usize> = (0..width).collect();
    let rel = ranked.filter(conjunction(bounds)).select(&columns);
    Ok(Decorrelated { rel, conditions: d.conditions })
}

/// Both sides may be correlated; their conditions go above the join.
fn join_through(left: Rel, right: Rel, condition: Expr) -> Result<Decorrelated> {
    let old_width = left.schema.len();
    let l = decorrelate(left)?;
    let r = decorrelate(right)?;
    let width = l.rel.schema.len();
    let old_right = r.rel.schema.len();
    let shift = |e: Expr, from: usize| {
        e.map_columns(&mut |i, ty| {
            let i = if (from..OUTER).contains(&i) { i - from + width } else { i };
            Expr::column(i, ty)
        })
    };
    let (up, stay): (Vec<_>, Vec<_>) =
        conjuncts(shift(condition, old_width)).into_iter().partition(is_correlated);
    let mut conditions = l.conditions;
    conditions.extend(r.conditions.into_iter().map(|c| shift(c, 0)));
    conditions.extend(up);
    let mut fields = l.rel.schema.fields.clone();
    fields.extend(r.rel.schema.fields.iter().take(old_right).cloned());
    let rel = Rel::new(
        RelOp::Join {
            left: Box::new(l.rel),
            right: Box::new(r.rel),
            kind: JoinKind::Inner,
            condition: conjunction(stay),
        },
        Schema::new(fields),
    );
    if width != old_width {
        return Err(refuse());
    }
    Ok(Decorrelated { rel, conditions })
}

/// Conditions of a decorrelated right side in terms of a join's columns.
pub(crate) fn join_condition(conditions: Vec<Expr>, left_width: usize) -> Vec<Expr> {
    conditions
        .into_iter()
        .map(|c| {
            c.map_columns(&mut |i, ty| {
                let at = if i >= OUTER { i - OUTER } else { i + left_width };
                Expr::column(at, ty)
            })
        })
        .collect()
}

impl Binder<'_> {
    /// Binds a subquery used as a value.
    pub(super) fn scalar_subquery(
        &self,
        query: &ast::Query,
        scope: &Scope<'_>,
    ) -> Result<ScalarSubquery> {
        let rel = self.bind_query(query, Some(scope))?;
        if rel.schema.len() != 1 {
            return Err(Error::validation(format!(
                "a subquery used as a value must have one column, this one has {}",
                rel.schema.len()
            )));
        }
        let ty = rel.schema.fields[0].ty.clone().null();
        let single = is_single_row(&rel);
        let zero_when_empty = single && counts(&rel);
        let d = decorrelate(rel)?;
        let (rel, conditions) = if single {
            (d.rel, d.conditions)
        } else {
            let keys: Vec<usize> = d
                .conditions
                .iter()
                .map(|c| inner_key(c).ok_or_else(refuse))
                .collect::<Result<_>>()?;
            single_value(d, keys, &ty)
        };
        Ok(ScalarSubquery { rel, conditions, ty, zero_when_empty })
    }

    /// Joins scalar subqueries to a plan; returns where each value is.
    pub(super) fn attach_subqueries(
        &self,
        mut rel: Rel,
        subqueries: Vec<ScalarSubquery>,
    ) -> Result<(Rel, Vec<Expr>)> {
        let mut values = Vec::with_capacity(subqueries.len());
        for s in subqueries {
            let width = rel.schema.len();
            let condition = conjunction(join_condition(s.conditions, width));
            let mut schema = rel.schema.clone();
            schema.fields.extend(s.rel.schema.fields.iter().cloned().map(|mut f| {
                f.ty = f.ty.null();
                f
            }));
            let join = RelOp::Join {
                left: Box::new(rel),
                right: Box::new(s.rel),
                kind: JoinKind::Left,
                condition,
            };
            rel = Rel::new(join, schema);
            let value = Expr::column(width, s.ty.clone());
            values.push(if s.zero_when_empty {
                let zero = Expr::literal(Value::Int(0), DataType::bigint().not_null());
                make_call("COALESCE", vec![value, zero])?
            } else {
                value
            });
        }
        Ok((rel, values))
    }
}

/// Whether a plan yields exactly one row: a global aggregate below projections.
fn is_single_row(rel: &Rel) -> bool {
    match &rel.op {
        RelOp::Project { input, .. } => is_single_row(input),
        RelOp::Aggregate { keys, .. } => keys.is_empty(),
        _ => false,
    }
}

fn counts(rel: &Rel) -> bool {
    match &rel.op {
        RelOp::Project { input, exprs } => {
            matches!(exprs.as_slice(), [Expr::Column { .. }]) && counts(input)
        }
        RelOp::Aggregate { calls, .. } => {
            matches!(calls.as_slice(), [c] if c.function == "COUNT")
        }
        _ => false,
    }
}

/// Guards a subquery that might return several rows.
fn single_value(d: Decorrelated, keys: Vec<usize>, ty: &DataType) -> (Rel, Vec<Expr>) {
    let mut distinct = keys;
    distinct.sort_unstable();
    distinct.dedup();
    let call = AggregateCall {
        function: "SINGLE_VALUE".to_owned(),
        args: vec![0],
        literals: vec![None],
        distinct: false,
        filter: None,
        order_by: vec![],
        ty: ty.clone(),
        name: "$single".to_owned(),
    };
    let mut fields: Vec<_> = distinct.iter().map(|&k| d.rel.schema.fields[k].clone()).collect();
    fields.push(weir_core::Field::new("$single", ty.clone()));
    let width = distinct.len();
    let conditions: Vec<Expr> = d
        .conditions
        .into_iter()
        .map(|c| {
            c.map_columns(&mut |i, ty| match distinct.iter().position(|&k| k == i) {
                Some(at) if i < OUTER => Expr::column(at + 1, ty),
                _ => Expr::column(i, ty),
            })
        })
        .collect();
    let op = RelOp::Aggregate { input: Box::new(d.rel), keys: distinct, calls: vec![call] };
    let grouped = Rel::new(op, Schema::new(fields));
    let mut order = vec![width];
    order.extend(0..width);
    (grouped.select(&order), conditions)
}
