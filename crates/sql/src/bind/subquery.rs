//! Subqueries inside expressions: bound with the enclosing columns in reach, then
//! joined to the input of the clause that uses them.
//!
//! As a condition of WHERE, IN and EXISTS are semi and anti joins (`select.rs`). Anywhere
//! else a subquery becomes columns of a left join: a scalar subquery its value, EXISTS
//! a count per enclosing row, IN and quantified comparisons a count of matches and,
//! where NULLs can decide between FALSE and UNKNOWN, counts of rows and of NULLs.

use weir_core::{DataType, Error, Result, Value};
use weir_functions::Expr;
use weir_parser::ast::{self, BinaryOp, ExprKind};
use weir_spec::{AggregateCall, JoinKind};

use super::at::At;
use super::binder::Binder;
use super::decorrelate::{Decorrelated, decorrelate, join_condition, map_outer};
use super::expr_binder::ExprBinder;
use super::grouping::Grouping;
use super::pending::{Question, Subquery};
use super::scope::Scope;
use super::stand_in::{OUTER, SUBQUERY};
use super::typed::{coerce, make_call, null_literal};
use crate::rel::{Rel, RelOp, conjunction};

impl Subquery {
    /// Rewrites enclosing columns from the FROM clause to the output of its grouping.
    fn behind_grouping(mut self, g: &Grouping, scope: &Scope<'_>) -> Result<Self> {
        self.rel = map_outer(self.rel, &|i, ty| {
            let key =
                g.keys.iter().position(|k| matches!(k, Expr::Column { index, .. } if *index == i));
            key.map(|at| Expr::column(at, ty)).ok_or_else(|| {
                let name = scope.columns.get(i).map_or("?", |c| c.name.as_str());
                Error::validation(format!("Expression '{name}' is not being grouped"))
                    .hint(format!("the subquery reads {name}: add it to GROUP BY"))
            })
        })?;
        Ok(self)
    }
}

fn call(function: &str, args: Vec<usize>, filter: Option<usize>, ty: DataType) -> AggregateCall {
    AggregateCall {
        function: function.to_owned(),
        literals: vec![None; args.len()],
        args,
        distinct: false,
        filter,
        order_by: vec![],
        ty,
        name: format!("${}", function.to_lowercase()),
    }
}

fn bigint() -> DataType {
    DataType::bigint().not_null()
}

fn count(filter: Option<usize>) -> AggregateCall {
    call("COUNT", vec![], filter, bigint())
}

fn zero() -> Expr {
    Expr::literal(Value::Int(0), bigint())
}

pub(super) fn boolean(value: bool) -> Expr {
    Expr::literal(Value::Boolean(value), DataType::boolean().not_null())
}

/// Conditions `values op columns` over enclosing and own columns; `values` are over
/// the enclosing query.
pub(crate) fn comparisons(values: &[Expr], op: &str, rel: &Rel) -> Result<Vec<Expr>> {
    values
        .iter()
        .zip(rel.columns())
        .map(|(v, column)| {
            let v = v.clone().map_columns(&mut |i, ty| Expr::column(i + OUTER, ty));
            make_call(op, vec![v, column])
        })
        .collect()
}

/// The comparison that holds exactly when `op` does not, NULLs aside.
pub(crate) fn negated(op: &str) -> &'static str {
    match op {
        "=" => "<>",
        "<>" => "=",
        "<" => ">=",
        "<=" => ">",
        ">" => "<=",
        _ => "<",
    }
}

/// The function name of a comparison operator.
pub(crate) fn comparison(op: ast::BinaryOp) -> Result<&'static str> {
    use ast::BinaryOp as B;
    Ok(match op {
        B::Eq => "=",
        B::NotEq => "<>",
        B::Lt => "<",
        B::LtEq => "<=",
        B::Gt => ">",
        B::GtEq => ">=",
        _ => return Err(Error::validation("ANY, SOME and ALL follow a comparison operator")),
    })
}

impl ExprBinder<'_, '_> {
    pub(super) fn scalar_subquery(&mut self, query: &ast::Query) -> Result<Expr> {
        let subquery = self.binder.scalar_subquery(query, self.scope)?;
        self.subquery(subquery)
    }

    /// The column that stands for a subquery's answer.
    pub(super) fn subquery(&mut self, subquery: Subquery) -> Result<Expr> {
        let subquery = match self.grouping.as_deref() {
            Some(g) => subquery.behind_grouping(g, self.scope)?,
            None => subquery,
        };
        let ty = subquery.ty.clone();
        self.pending.subqueries.push(subquery);
        Ok(Expr::column(SUBQUERY + self.pending.subqueries.len() - 1, ty))
    }

    /// `expr op ANY (query)`, or its negation.
    pub(super) fn any_subquery(
        &mut self,
        expr: &ast::Expr,
        op: &'static str,
        query: &ast::Query,
        negate: bool,
    ) -> Result<Expr> {
        let values = match &expr.kind {
            ExprKind::Row(items) | ExprKind::Tuple(items) => self.bind_all(items)?,
            _ => vec![self.bind(expr)?],
        };
        let subquery = self.binder.any_subquery(values, op, query, self.scope)?;
        let answer = self.subquery(subquery)?;
        if negate { make_call("NOT", vec![answer]) } else { Ok(answer) }
    }

    /// `left op ANY | ALL (..)`; ALL is the negation of ANY with the opposite comparison.
    pub(super) fn quantified(
        &mut self,
        left: &ast::Expr,
        op: BinaryOp,
        quantifier: ast::Quantifier,
        source: &ast::QuantifiedSource,
    ) -> Result<Expr> {
        let op = comparison(op)?;
        let all = quantifier == ast::Quantifier::All;
        let list = match source {
            ast::QuantifiedSource::Query(query) if all => {
                return self.any_subquery(left, negated(op), query, true);
            }
            ast::QuantifiedSource::Query(query) => {
                return self.any_subquery(left, op, query, false);
            }
            ast::QuantifiedSource::List(list) => list,
        };
        let x = self.bind(left)?;
        let mut tests = Vec::with_capacity(list.len());
        for item in list {
            let value = self.bind(item)?;
            tests.push(make_call(op, vec![x.clone(), value]).at(item.span)?);
        }
        let name = if all { "AND" } else { "OR" };
        let mut tests = tests.into_iter();
        let first =
            tests.next().ok_or_else(|| Error::validation("ANY needs at least one value"))?;
        tests.try_fold(first, |a, b| make_call(name, vec![a, b]))
    }
}

impl Binder<'_> {
    /// Binds a subquery used as a value.
    pub(super) fn scalar_subquery(
        &self,
        query: &ast::Query,
        scope: &Scope<'_>,
    ) -> Result<Subquery> {
        let rel = self.bind_query(query, Some(scope))?;
        if rel.schema.len() != 1 {
            return Err(Error::validation(format!(
                "a subquery used as a value must have one column, this one has {}",
                rel.schema.len()
            )));
        }
        let ty = rel.schema.fields[0].ty.clone().null();
        Ok(Subquery { rel, question: Question::Scalar, ty })
    }

    /// Binds EXISTS as a value.
    pub(super) fn exists_subquery(
        &self,
        query: &ast::Query,
        scope: &Scope<'_>,
    ) -> Result<Subquery> {
        let rel = self.bind_query(query, Some(scope))?;
        let ty = DataType::boolean().not_null();
        Ok(Subquery { rel, question: Question::Exists, ty })
    }

    /// Binds `values op ANY (query)` as a value.
    pub(super) fn any_subquery(
        &self,
        values: Vec<Expr>,
        op: &'static str,
        query: &ast::Query,
        scope: &Scope<'_>,
    ) -> Result<Subquery> {
        let rel = self.bind_query(query, Some(scope))?;
        check_width(values.len(), &rel)?;
        if values.len() > 1 && op != "=" {
            return Err(Error::validation("rows are compared with a subquery by = only"));
        }
        let nullable = values.iter().any(|v| v.ty().nullable)
            || rel.schema.fields.iter().any(|f| f.ty.nullable);
        let ty = DataType::boolean().with_nullable(nullable);
        Ok(Subquery { rel, question: Question::Any { values, op }, ty })
    }

    /// Joins subqueries to a plan; returns where each answer is.
    pub(super) fn attach_subqueries(
        &self,
        rel: Rel,
        subqueries: Vec<Subquery>,
    ) -> Result<(Rel, Vec<Expr>)> {
        let mut joined = rel.clone();
        let mut answers: Vec<Expr> = Vec::with_capacity(subqueries.len());
        for mut s in subqueries {
            // A value in front of IN may hold an earlier subquery.
            s.map_values(|v| {
                v.map_columns(&mut |i, ty| match i.checked_sub(SUBQUERY) {
                    Some(n) if n < answers.len() => answers[n].clone(),
                    _ => Expr::column(i, ty),
                })
            });
            let earlier = matches!(&s.question, Question::Any { values, .. }
                if values.iter().any(|v| reads_beyond(v, rel.schema.len())));
            let domain = if earlier { joined.clone() } else { rel.clone() };
            let answer;
            (joined, answer) = attach(joined, &domain, s)?;
            answers.push(answer);
        }
        Ok((joined, answers))
    }
}

fn reads_beyond(e: &Expr, width: usize) -> bool {
    let mut columns = Vec::new();
    e.collect_columns(&mut columns);
    columns.into_iter().any(|c| c >= width)
}

/// The number of values in front of IN and of the subquery's columns must agree.
pub(crate) fn check_width(values: usize, rel: &Rel) -> Result<()> {
    if values == rel.schema.len() {
        return Ok(());
    }
    Err(Error::validation(format!(
        "Values passed to IN operator must have compatible types: {values} value(s) beside {} \
         column(s) of the subquery",
        rel.schema.len()
    )))
}

fn attach(joined: Rel, domain: &Rel, s: Subquery) -> Result<(Rel, Expr)> {
    match s.question {
        Question::Scalar => attach_scalar(joined, domain, s.rel, &s.ty),
        // An aggregate without keys has one row whatever it reads.
        Question::Exists if is_single_row(&s.rel) => Ok((joined, boolean(true))),
        Question::Exists => {
            let d = decorrelate(s.rel, domain)?;
            let (joined, at) = attach_counts(joined, domain, d, vec![count(None)])?;
            let found = positive(at[0].clone())?;
            Ok((joined, found))
        }
        Question::Any { values, op } => attach_any(joined, domain, s.rel, values, op, &s.ty),
    }
}

/// Left-joins a decorrelated plan by its conditions; returns the first new column.
fn left_join(joined: Rel, d: Decorrelated) -> (Rel, usize) {
    let width = joined.schema.len();
    let condition = conjunction(join_condition(d.conditions, width));
    let mut schema = joined.schema.clone();
    schema.fields.extend(d.rel.schema.fields.iter().cloned().map(|mut f| {
        f.ty = f.ty.null();
        f
    }));
    let op = RelOp::Join {
        left: Box::new(joined),
        right: Box::new(d.rel),
        kind: JoinKind::Left,
        condition,
    };
    (Rel::new(op, schema), width)
}

/// Joins aggregates of a plan per enclosing row; NULL where it has no row.
fn attach_counts(
    joined: Rel,
    domain: &Rel,
    d: Decorrelated,
    calls: Vec<AggregateCall>,
) -> Result<(Rel, Vec<Expr>)> {
    let n = calls.len();
    let (joined, first) = left_join(joined, d.aggregate(calls, domain)?);
    let at = (first..first + n).map(|c| Expr::column(c, joined.schema.fields[c].ty.clone()));
    let at = at.collect();
    Ok((joined, at))
}

/// `COALESCE(count, 0) > 0`
fn positive(count: Expr) -> Result<Expr> {
    let count = make_call("COALESCE", vec![count, zero()])?;
    make_call(">", vec![count, zero()])
}

fn attach_any(
    joined: Rel,
    domain: &Rel,
    rel: Rel,
    values: Vec<Expr>,
    op: &str,
    ty: &DataType,
) -> Result<(Rel, Expr)> {
    let width = values.len();
    let mut matching = decorrelate(rel.clone(), domain)?;
    matching.conditions.extend(comparisons(&values, op, &matching.rel)?);
    let (joined, at) = attach_counts(joined, domain, matching, vec![count(None)])?;
    let found = positive(at[0].clone())?;
    if !ty.nullable {
        return Ok((joined, found));
    }
    // UNKNOWN where there is no match, but a row, and a NULL takes part.
    let mut all = decorrelate(rel, domain)?;
    let is_known = all
        .rel
        .columns()
        .into_iter()
        .take(width)
        .map(|c| make_call("IS NOT NULL", vec![c]))
        .collect::<Result<Vec<_>>>()?;
    let mut exprs = all.rel.columns();
    exprs.push(conjunction(is_known));
    let mut schema = all.rel.schema.clone();
    let known = schema.len();
    schema.fields.push(weir_core::Field::new("$known", DataType::boolean().not_null()));
    all = all.project(exprs, &schema);
    let (joined, at) = attach_counts(joined, domain, all, vec![count(None), count(Some(known))])?;
    let (rows, known) = (at[0].clone(), at[1].clone());
    let empty = make_call("NOT", vec![positive(rows.clone())?])?;
    let mut unknown = make_call("<", vec![known, rows])?;
    for v in values.into_iter().filter(|v| v.ty().nullable) {
        unknown = make_call("OR", vec![make_call("IS NULL", vec![v])?, unknown])?;
    }
    let otherwise = Box::new(coerce(boolean(false), ty));
    let branches = vec![
        (found, coerce(boolean(true), ty)),
        (empty, coerce(boolean(false), ty)),
        (unknown, null_literal(ty)),
    ];
    Ok((joined, Expr::Case { branches, otherwise, ty: ty.clone() }))
}

fn attach_scalar(joined: Rel, domain: &Rel, rel: Rel, ty: &DataType) -> Result<(Rel, Expr)> {
    if !is_single_row(&rel) {
        let single = call("SINGLE_VALUE", vec![0], None, ty.clone());
        let d = decorrelate(rel, domain)?.aggregate(vec![single], domain)?;
        let (joined, at) = left_join(joined, d);
        return Ok((joined, Expr::column(at, ty.clone())));
    }
    let empty = value_of_nothing(&rel, 0);
    let mut d = decorrelate(rel, domain)?;
    let is_null = matches!(empty, None | Some(Expr::Literal { value: Value::Null, .. }));
    let Some(empty) = empty.filter(|_| !is_null) else {
        let (joined, at) = left_join(joined, d);
        return Ok((joined, Expr::column(at, ty.clone())));
    };
    let mut exprs = d.rel.columns();
    let mut schema = d.rel.schema.clone();
    let marker = schema.len();
    exprs.push(boolean(true));
    schema.fields.push(weir_core::Field::new("$found", DataType::boolean().not_null()));
    d = d.project(exprs, &schema);
    let (joined, at) = left_join(joined, d);
    let found = Expr::column(at + marker, DataType::boolean());
    let missing = make_call("IS NULL", vec![found])?;
    let otherwise = Box::new(Expr::column(at, ty.clone()));
    let branches = vec![(missing, coerce(empty, ty))];
    Ok((joined, Expr::Case { branches, otherwise, ty: ty.clone() }))
}

/// Whether a plan yields exactly one row: a global aggregate below projections.
pub(super) fn is_single_row(rel: &Rel) -> bool {
    match &rel.op {
        RelOp::Project { input, .. } => is_single_row(input),
        RelOp::Aggregate { keys, .. } => keys.is_empty(),
        _ => false,
    }
}

/// What a column of a single-row plan is when it reads no rows: COUNT is 0, other
/// aggregates are NULL. `None` where that cannot be said without a row.
fn value_of_nothing(rel: &Rel, column: usize) -> Option<Expr> {
    match &rel.op {
        RelOp::Project { input, exprs } => {
            let e = exprs[column].clone();
            let mut used = Vec::new();
            e.collect_columns(&mut used);
            if used.iter().any(|&c| c >= OUTER) {
                return None;
            }
            let values: Vec<(usize, Expr)> = used
                .into_iter()
                .map(|c| Some((c, value_of_nothing(input, c)?)))
                .collect::<Option<_>>()?;
            Some(e.map_columns(&mut |i, ty| {
                let found = values.iter().find(|(c, _)| *c == i);
                found.map_or_else(|| Expr::column(i, ty), |(_, v)| v.clone())
            }))
        }
        RelOp::Aggregate { calls, .. } => {
            let c = calls.get(column)?;
            Some(match c.function.as_str() {
                "COUNT" | "APPROX_COUNT_DISTINCT" => zero(),
                _ => null_literal(&c.ty),
            })
        }
        _ => None,
    }
}
