//! Decorrelation: conditions that mention enclosing columns move to the top of a
//! subquery's plan, where a join can take them.
//!
//! Through projections they travel as extra columns, through aggregates as extra
//! keys, through LIMIT as a Top-N per key. Where they are no equalities, or where an
//! enclosing column is used other than in a condition, the plan is first joined to
//! the distinct values of the enclosing columns (the *domain*; Neumann and Kemper,
//! "Unnesting Arbitrary Queries", 2015), after which equalities with the domain are all
//! that is left to move.
//!
//! Invariant: what [`decorrelate`] returns has the columns of the plan it was given
//! first, in their order; columns that only conditions read stand behind them.

use weir_core::{DataType, Error, Field, Result, Schema, Value};
use weir_functions::Expr;
use weir_spec::{AggregateCall, JoinKind, OverFrame, OverSpec, SortKey};

use super::stand_in::{OUTER, SUBQUERY};
use super::typed::make_call;
use crate::rel::{Rel, RelOp, conjunction, conjuncts, join_schema};

/// A plan without enclosing columns, and the conditions that were pulled out of it.
pub(crate) struct Decorrelated {
    pub rel: Rel,
    /// Over enclosing columns from [`OUTER`] on and the plan's columns.
    pub conditions: Vec<Expr>,
}

fn is_outer(column: usize) -> bool {
    (OUTER..SUBQUERY).contains(&column)
}

fn is_correlated(e: &Expr) -> bool {
    let mut columns = Vec::new();
    e.collect_columns(&mut columns);
    columns.into_iter().any(is_outer)
}

fn refuse() -> Error {
    Error::unsupported("a correlated subquery of this shape")
        .hint("correlate in its WHERE clause, or write it as a JOIN")
}

fn mentions_outer(rel: &Rel) -> bool {
    let own = match &rel.op {
        RelOp::Project { exprs, .. } => exprs.iter().any(is_correlated),
        RelOp::Filter { predicate, .. } => is_correlated(predicate),
        RelOp::Join { condition, .. }
        | RelOp::TemporalJoin { condition, .. }
        | RelOp::LookupJoin { condition, .. } => is_correlated(condition),
        RelOp::Unnest { collection, .. } => is_correlated(collection),
        _ => false,
    };
    own || rel.inputs().into_iter().any(mentions_outer)
}

/// Pulls correlated conditions to the top of a plan; `domain` is the enclosing
/// query's input.
pub(crate) fn decorrelate(rel: Rel, domain: &Rel) -> Result<Decorrelated> {
    if !mentions_outer(&rel) {
        return Ok(Decorrelated { rel, conditions: vec![] });
    }
    let schema = rel.schema;
    match rel.op {
        RelOp::Filter { input, predicate } => {
            let mut d = decorrelate(*input, domain)?;
            let (up, stay): (Vec<_>, Vec<_>) =
                conjuncts(predicate).into_iter().partition(is_correlated);
            if !stay.is_empty() {
                d.rel = d.rel.filter(conjunction(stay));
            }
            d.conditions.extend(up);
            Ok(d)
        }
        RelOp::Project { input, exprs } => {
            let mut d = decorrelate(*input, domain)?;
            let mut exprs = exprs;
            if exprs.iter().any(is_correlated) {
                let columns = outer_columns(exprs.iter().chain(&d.conditions));
                let at;
                (d, at) = d.with_domain(columns, domain)?;
                exprs = exprs.into_iter().map(|e| at.place(e)).collect();
            }
            Ok(d.project(exprs, &schema))
        }
        RelOp::Aggregate { input, keys, calls } => {
            let d = decorrelate(*input, domain)?.keyed(domain)?;
            aggregate_through(d, keys, calls, &schema)
        }
        RelOp::Sort { input, keys, offset, fetch } => {
            let d = decorrelate(*input, domain)?;
            if fetch.is_none() && offset == 0 {
                return Ok(d);
            }
            sort_through(d.keyed(domain)?, keys, offset, fetch)
        }
        RelOp::Over { input, over } => {
            let width = input.schema.len();
            let d = decorrelate(*input, domain)?.keyed(domain)?;
            over_through(d, over, width, &schema)
        }
        RelOp::Join { left, right, kind, condition } => {
            join_through(*left, *right, kind, condition, domain)
        }
        RelOp::Unnest { condition: Some(_), .. } => Err(refuse()),
        RelOp::Unnest { input, collection, flatten, ordinality, condition, outer } => {
            let width = input.schema.len();
            let d = decorrelate(*input, domain)?;
            let columns = outer_columns(std::iter::once(&collection).chain(&d.conditions));
            let (d, at) = d.with_domain(columns, domain)?;
            let inner = d.rel.schema.len();
            let mut out = d.rel.schema.clone();
            out.fields.extend(schema.fields[width..].iter().cloned());
            let op = RelOp::Unnest {
                input: Box::new(d.rel),
                collection: at.place(collection),
                flatten,
                ordinality,
                condition,
                outer,
            };
            let rel = Rel::new(op, out);
            let exprs = (0..width).chain(inner..rel.schema.len());
            let exprs = exprs.map(|c| Expr::column(c, rel.schema.fields[c].ty.clone())).collect();
            Ok(Decorrelated { rel, conditions: d.conditions }.project(exprs, &schema))
        }
        RelOp::Union(inputs) => union_through(inputs, &schema, domain),
        _ => Err(refuse()),
    }
}

/// The enclosing columns in expressions, each once.
fn outer_columns<'e>(exprs: impl Iterator<Item = &'e Expr>) -> Vec<(usize, DataType)> {
    fn walk(e: &Expr, out: &mut Vec<(usize, DataType)>) {
        if let Expr::Column { index, ty } = e
            && is_outer(*index)
            && !out.iter().any(|(i, _)| i == index)
        {
            out.push((*index, ty.clone()));
        }
        for c in e.children() {
            walk(c, out);
        }
    }
    let mut out = Vec::new();
    exprs.for_each(|e| walk(e, &mut out));
    out.sort_by_key(|(i, _)| *i);
    out
}

/// Where the columns of the domain are.
struct DomainColumns {
    outer: Vec<usize>,
    first: usize,
}

impl DomainColumns {
    /// Replaces enclosing columns by those of the domain.
    fn place(&self, e: Expr) -> Expr {
        e.map_columns(&mut |i, ty| match self.outer.iter().position(|&o| o == i) {
            Some(at) => Expr::column(self.first + at, ty),
            None => Expr::column(i, ty),
        })
    }
}

impl Decorrelated {
    /// Makes every condition an equality of a plan column with enclosing columns.
    fn keyed(self, domain: &Rel) -> Result<Self> {
        if self.conditions.iter().all(|c| inner_key(c).is_some()) {
            return Ok(self);
        }
        let columns = outer_columns(self.conditions.iter());
        Ok(self.with_domain(columns, domain)?.0)
    }

    /// Joins the distinct values of enclosing columns to the plan, under its
    /// conditions; only equalities with these values remain as conditions.
    fn with_domain(
        self,
        columns: Vec<(usize, DataType)>,
        domain: &Rel,
    ) -> Result<(Self, DomainColumns)> {
        let first = self.rel.schema.len();
        let outer: Vec<usize> = columns.iter().map(|(i, _)| *i).collect();
        let own: Vec<usize> = outer.iter().map(|i| i - OUTER).collect();
        if own.iter().any(|&c| c >= domain.schema.len()) {
            return Err(refuse());
        }
        let at = DomainColumns { outer, first };
        let values = domain.clone().select(&own).distinct();
        let condition = conjunction(self.conditions.into_iter().map(|c| at.place(c)).collect());
        let schema = join_schema(&self.rel.schema, &values.schema, JoinKind::Inner);
        let op = RelOp::Join {
            left: Box::new(self.rel),
            right: Box::new(values),
            kind: JoinKind::Inner,
            condition,
        };
        let conditions = columns
            .into_iter()
            .enumerate()
            .map(|(n, (i, ty))| {
                let own = Expr::column(first + n, ty.clone());
                make_call("IS NOT DISTINCT FROM", vec![own, Expr::column(i, ty)])
            })
            .collect::<Result<_>>()?;
        Ok((Self { rel: Rel::new(op, schema), conditions }, at))
    }

    /// Projects the expressions and, behind them, the columns that conditions read.
    pub fn project(self, exprs: Vec<Expr>, schema: &Schema) -> Self {
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
        let conditions = self
            .conditions
            .into_iter()
            .map(|c| {
                c.map_columns(&mut |i, ty| match i >= OUTER {
                    true => Expr::column(i, ty),
                    false => place(i, ty),
                })
            })
            .collect();
        let mut rel = self.rel.project(exprs, names);
        for (f, wanted) in rel.schema.fields.iter_mut().zip(&schema.fields) {
            f.ty = wanted.ty.clone();
        }
        Self { rel, conditions }
    }

    /// The plan columns that are compared with enclosing ones; for keyed plans only.
    pub fn key_columns(&self) -> Result<Vec<usize>> {
        let mut keys = Vec::new();
        for c in &self.conditions {
            let key = inner_key(c).ok_or_else(refuse)?;
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        Ok(keys)
    }

    /// Aggregates per enclosing row: output = key columns, then the calls.
    pub fn aggregate(self, calls: Vec<AggregateCall>, domain: &Rel) -> Result<Self> {
        let d = self.keyed(domain)?;
        let fields = calls.iter().map(|c| Field::new(c.name.clone(), c.ty.clone())).collect();
        aggregate_through(d, vec![], calls, &Schema::new(fields))
    }
}

/// `own = enclosing` as the column on the inner side.
fn inner_key(condition: &Expr) -> Option<usize> {
    let Expr::Call { function, args, .. } = condition else { return None };
    if function != "=" && function != "IS NOT DISTINCT FROM" {
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
    let mut all = keys.clone();
    for c in d.key_columns()? {
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
    Ok(Decorrelated { rel: grouped, conditions }.project(exprs, schema))
}

/// ORDER BY .. LIMIT becomes a Top-N per correlation key; a bare ORDER BY has no meaning here.
fn sort_through(
    d: Decorrelated,
    order_by: Vec<SortKey>,
    offset: u64,
    fetch: Option<u64>,
) -> Result<Decorrelated> {
    let partition = d.key_columns()?;
    let width = d.rel.schema.len();
    // Without ORDER BY any row is as good as another.
    let order_by = match order_by.is_empty() {
        true => vec![SortKey { column: 0, descending: false, nulls_first: true }],
        false => order_by,
    };
    let bigint = DataType::bigint().not_null();
    let call = AggregateCall::row_number("$rn");
    let over = OverSpec {
        partition,
        order_by,
        time_ordered: false,
        frame: OverFrame::Rows(None),
        calls: vec![call],
    };
    let mut schema = d.rel.schema.clone();
    schema.fields.push(Field::new("$rn", bigint.clone()));
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

/// OVER calls are computed per correlation key as well.
fn over_through(
    d: Decorrelated,
    mut over: OverSpec,
    width: usize,
    schema: &Schema,
) -> Result<Decorrelated> {
    for c in d.key_columns()? {
        if !over.partition.contains(&c) {
            over.partition.push(c);
        }
    }
    let inner = d.rel.schema.len();
    let mut out = d.rel.schema.clone();
    out.fields.extend(schema.fields[width..].iter().cloned());
    let rel = Rel::new(RelOp::Over { input: Box::new(d.rel), over }, out);
    let columns = (0..width).chain(inner..rel.schema.len());
    let exprs = columns.map(|c| Expr::column(c, rel.schema.fields[c].ty.clone())).collect();
    Ok(Decorrelated { rel, conditions: d.conditions }.project(exprs, schema))
}

/// Both sides may be correlated; their conditions go above an inner join. Other joins
/// take them as part of their own condition, over the domain on their left.
fn join_through(
    left: Rel,
    right: Rel,
    kind: JoinKind,
    condition: Expr,
    domain: &Rel,
) -> Result<Decorrelated> {
    let old = (left.schema.len(), right.schema.len());
    let old_schema = join_schema(&left.schema, &right.schema, kind);
    let mut l = decorrelate(left, domain)?;
    let r = decorrelate(right, domain)?;
    // The join's own condition reads the right side behind the left side's old width.
    let shift = |e: Expr, from: usize, to: usize| {
        e.map_columns(&mut |i, ty| {
            Expr::column(if (from..OUTER).contains(&i) { i - from + to } else { i }, ty)
        })
    };
    let mut above = Vec::new();
    let mut stay = Vec::new();
    let width;
    if kind == JoinKind::Inner {
        width = l.rel.schema.len();
        above.append(&mut l.conditions);
        above.extend(r.conditions.into_iter().map(|c| shift(c, 0, width)));
        let (up, own): (Vec<_>, Vec<_>) =
            conjuncts(shift(condition, old.0, width)).into_iter().partition(is_correlated);
        above.extend(up);
        stay.extend(own);
    } else {
        let from_right = outer_columns(r.conditions.iter().chain([&condition]));
        if from_right.is_empty() {
            width = l.rel.schema.len();
            stay.push(shift(condition, old.0, width));
        } else if matches!(kind, JoinKind::Left | JoinKind::Semi | JoinKind::Anti) {
            let mut columns = outer_columns(l.conditions.iter());
            columns.extend(from_right);
            columns.sort_by_key(|(i, _)| *i);
            columns.dedup_by_key(|(i, _)| *i);
            let at;
            (l, at) = l.with_domain(columns, domain)?;
            width = l.rel.schema.len();
            stay.push(at.place(shift(condition, old.0, width)));
            stay.extend(r.conditions.into_iter().map(|c| at.place(shift(c, 0, width))));
        } else {
            return Err(refuse());
        }
        if !l.conditions.is_empty() && matches!(kind, JoinKind::Right | JoinKind::Full) {
            return Err(refuse());
        }
        above.append(&mut l.conditions);
    }
    let schema = join_schema(&l.rel.schema, &r.rel.schema, kind);
    let op = RelOp::Join {
        left: Box::new(l.rel),
        right: Box::new(r.rel),
        kind,
        condition: conjunction(stay),
    };
    let rel = Rel::new(op, schema);
    let mut columns: Vec<usize> = (0..old.0).collect();
    if !matches!(kind, JoinKind::Semi | JoinKind::Anti) {
        columns.extend(width..width + old.1);
    }
    let exprs = columns.iter().map(|&c| Expr::column(c, rel.schema.fields[c].ty.clone())).collect();
    Ok(Decorrelated { rel, conditions: above }.project(exprs, &old_schema))
}

/// Every input of a UNION ALL joined to the same domain.
fn union_through(inputs: Vec<Rel>, schema: &Schema, domain: &Rel) -> Result<Decorrelated> {
    let width = schema.len();
    let parts = inputs.into_iter().map(|i| decorrelate(i, domain)).collect::<Result<Vec<_>>>()?;
    let columns = outer_columns(parts.iter().flat_map(|d| &d.conditions));
    let mut out = schema.clone();
    let mut conditions = Vec::new();
    for (n, (i, ty)) in columns.iter().enumerate() {
        out.fields.push(Field::new(format!("$c{}", width + n), ty.clone()));
        let own = Expr::column(width + n, ty.clone());
        let enclosing = Expr::column(*i, ty.clone());
        conditions.push(make_call("IS NOT DISTINCT FROM", vec![own, enclosing])?);
    }
    let inputs = parts
        .into_iter()
        .map(|d| {
            let (d, at) = d.with_domain(columns.clone(), domain)?;
            let order: Vec<usize> = (0..width).chain(at.first..at.first + columns.len()).collect();
            let mut rel = d.rel.select(&order);
            rel.schema = out.clone();
            Ok(rel)
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Decorrelated { rel: Rel::new(RelOp::Union(inputs), out), conditions })
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

/// Renames the enclosing columns of a plan; `map` gets positions in the enclosing
/// query's FROM clause, columns of queries further out are left alone.
pub(crate) fn map_outer(rel: Rel, map: &dyn Fn(usize, DataType) -> Result<Expr>) -> Result<Rel> {
    let mut failed = None;
    let rel = map_rel(rel, &mut |i, ty| {
        if !is_outer(i) || i - OUTER >= OUTER {
            return Expr::column(i, ty);
        }
        match map(i - OUTER, ty.clone()) {
            Ok(Expr::Column { index, ty }) => Expr::column(index + OUTER, ty),
            Ok(e) => e,
            Err(e) => {
                failed = Some(e);
                Expr::column(i, ty)
            }
        }
    });
    failed.map_or(Ok(rel), Err)
}

fn map_rel(rel: Rel, mut f: &mut dyn FnMut(usize, DataType) -> Expr) -> Rel {
    let schema = rel.schema;
    fn boxed(r: Box<Rel>, f: &mut dyn FnMut(usize, DataType) -> Expr) -> Box<Rel> {
        Box::new(map_rel(*r, f))
    }
    let op = match rel.op {
        RelOp::Project { input, exprs } => RelOp::Project {
            input: boxed(input, f),
            exprs: exprs.into_iter().map(|e| e.map_columns(&mut f)).collect(),
        },
        RelOp::Filter { input, predicate } => {
            RelOp::Filter { input: boxed(input, f), predicate: predicate.map_columns(&mut f) }
        }
        RelOp::Join { left, right, kind, condition } => RelOp::Join {
            left: boxed(left, f),
            right: boxed(right, f),
            kind,
            condition: condition.map_columns(&mut f),
        },
        RelOp::TemporalJoin { left, right, kind, condition, left_time } => RelOp::TemporalJoin {
            left: boxed(left, f),
            right: boxed(right, f),
            kind,
            condition: condition.map_columns(&mut f),
            left_time,
        },
        RelOp::LookupJoin { input, table, kind, condition, hint } => RelOp::LookupJoin {
            input: boxed(input, f),
            table,
            kind,
            condition: condition.map_columns(&mut f),
            hint,
        },
        RelOp::Unnest { input, collection, flatten, ordinality, condition, outer } => {
            RelOp::Unnest {
                input: boxed(input, f),
                collection: collection.map_columns(&mut f),
                flatten,
                ordinality,
                condition: condition.map(|c| c.map_columns(&mut f)),
                outer,
            }
        }
        RelOp::Union(inputs) => RelOp::Union(inputs.into_iter().map(|i| map_rel(i, f)).collect()),
        RelOp::Aggregate { input, keys, calls } => {
            RelOp::Aggregate { input: boxed(input, f), keys, calls }
        }
        RelOp::Sort { input, keys, offset, fetch } => {
            RelOp::Sort { input: boxed(input, f), keys, offset, fetch }
        }
        RelOp::Over { input, over } => RelOp::Over { input: boxed(input, f), over },
        // Enclosing columns below other operators are refused by `decorrelate`.
        other => other,
    };
    Rel::new(op, schema)
}
