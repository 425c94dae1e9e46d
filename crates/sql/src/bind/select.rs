//! One SELECT block.

use weir_core::{Error, Result};
use weir_functions::Expr;
use weir_parser::ast::{self, ExprKind, SelectItem};
use weir_spec::{JoinKind, SortKey};

use super::at::At;
use super::binder::Binder;
use super::columns::generated_name;
use super::decorrelate::{decorrelate, join_condition};
use super::expr_binder::ExprBinder;
use super::grouping::{Grouping, aggregate_rel};
use super::pending::Pending;
use super::scope::Scope;
use super::stand_in::{OUTER, OVER, SUBQUERY, WINDOW};
use super::subquery::{boolean, check_width, comparison, comparisons, is_single_row, negated};
use super::syntax::has_aggregate;
use super::typed::make_call;
use crate::rel::{Rel, RelOp, conjunction};

/// A bound SELECT before ORDER BY and LIMIT: hidden sort columns stand behind the visible ones.
pub(crate) struct BoundSelect {
    pub rel: Rel,
    pub visible: usize,
    pub sort: Vec<SortKey>,
}

impl Binder<'_> {
    pub(super) fn bind_select(
        &self,
        s: &ast::Select,
        order_by: &[ast::OrderByExpr],
        outer: Option<&Scope<'_>>,
    ) -> Result<BoundSelect> {
        let (rel, mut scope) = self.with_hints(&s.hints, || self.bind_from(&s.from, outer))?;
        scope.outer = outer;
        let rel = match &s.selection {
            Some(w) if s.from.is_empty() => {
                return Err(Error::validation("WHERE needs a FROM clause")).at(w.span);
            }
            Some(w) => self.bind_where(rel, &scope, w)?,
            None => rel,
        };
        let mut grouping = match is_grouped(s, order_by) {
            true => Some(self.bind_grouping(s.group_by.as_ref(), &scope, &s.projection)?),
            false => None,
        };
        let mut pending = Pending::default();
        let (items, having, qualify, sort_exprs) = {
            let mut b = ExprBinder {
                binder: self,
                scope: &scope,
                pending: &mut pending,
                grouping: grouping.as_mut(),
                windows: &s.windows,
                in_aggregate: false,
                matching: None,
            };
            let items = bind_items(&mut b, &s.projection)?;
            let having = s.having.as_ref().map(|h| b.bind_condition(h)).transpose()?;
            let qualify = match &s.qualify {
                Some(q) => Some(b.bind_condition(&unalias(q, &s.projection))?),
                None => None,
            };
            let sort = bind_order(&mut b, order_by, &items)?;
            (items, having, qualify, sort)
        };
        if s.having.is_some() && grouping.is_none() {
            return Err(Error::validation("HAVING needs GROUP BY or an aggregate"));
        }
        let rel = match &mut grouping {
            Some(g) => {
                let subqueries = std::mem::take(&mut g.pending.subqueries);
                let (rel, answers) = self.attach_subqueries(rel, subqueries)?;
                g.resolve(&answers);
                aggregate_rel(rel, g)?
            }
            None => rel,
        };
        let places = Places { window: window_start(grouping.as_ref()), ..Places::default() };
        self.finish_select(rel, s, items, having, qualify, sort_exprs, pending, places)
    }

    #[expect(clippy::too_many_arguments, reason = "the clauses of one block")]
    fn finish_select(
        &self,
        rel: Rel,
        s: &ast::Select,
        items: Vec<(Expr, String)>,
        having: Option<Expr>,
        qualify: Option<Expr>,
        sort: Vec<SortTarget>,
        pending: Pending,
        mut places: Places,
    ) -> Result<BoundSelect> {
        let mut subqueries = pending.subqueries;
        for s in &mut subqueries {
            s.map_values(|v| places.resolve_window(v));
        }
        let (mut rel, values) = self.attach_subqueries(rel, subqueries)?;
        places.subqueries = values;
        if let Some(h) = having {
            rel = rel.filter(places.resolve(h));
        }
        let over = pending
            .over
            .into_iter()
            .map(|mut o| {
                o.call.args = o.call.args.into_iter().map(|a| places.resolve(a)).collect();
                o.call.filter = o.call.filter.map(|f| places.resolve(f));
                o.partition = o.partition.into_iter().map(|p| places.resolve(p)).collect();
                o.order = o.order.into_iter().map(|(e, d, n)| (places.resolve(e), d, n)).collect();
                o
            })
            .collect();
        (rel, places.over) = self.attach_over(rel, over)?;
        if let Some(q) = qualify {
            rel = rel.filter(places.resolve(q));
        }
        let visible = items.len();
        let (mut exprs, mut names): (Vec<Expr>, Vec<String>) =
            items.into_iter().map(|(e, n)| (places.resolve(e), n)).unzip();
        let mut keys = Vec::with_capacity(sort.len());
        for (i, t) in sort.into_iter().enumerate() {
            let column = match t.target {
                Target::Item(column) => column,
                Target::Expr(e) => {
                    exprs.push(places.resolve(e));
                    names.push(format!("$s{i}"));
                    exprs.len() - 1
                }
            };
            keys.push(SortKey { column, descending: t.descending, nulls_first: t.nulls_first });
        }
        let hidden = exprs.len() > visible;
        let mut rel = rel.project(exprs, names);
        if s.quantifier == Some(ast::SetQuantifier::Distinct) {
            if hidden {
                return Err(Error::validation(
                    "ORDER BY expression is not in the select clause of SELECT DISTINCT",
                ));
            }
            rel = rel.distinct();
        }
        Ok(BoundSelect { rel, visible, sort: keys })
    }

    /// WHERE: IN and EXISTS become semi or anti joins, the rest a filter.
    pub(super) fn bind_where(
        &self,
        rel: Rel,
        scope: &Scope<'_>,
        condition: &ast::Expr,
    ) -> Result<Rel> {
        let mut parts = Vec::new();
        ast_conjuncts(condition, &mut parts);
        let mut rel = rel;
        let width = rel.schema.len();
        let mut plain = Vec::new();
        for p in parts {
            if has_aggregate(p) {
                return Err(Error::validation("Aggregate expression is illegal in WHERE clause")
                    .hint("move the condition to HAVING"))
                .at(p.span);
            }
            match membership(p) {
                Some(m) => rel = self.bind_membership(rel, scope, &m).at(p.span)?,
                None => plain.push(p),
            }
        }
        let mut pending = Pending::default();
        let mut bound = Vec::with_capacity(plain.len());
        for p in plain {
            let mut b = ExprBinder::new(self, scope, &mut pending);
            bound.push(b.bind_condition(p)?);
        }
        if !pending.over.is_empty() {
            return Err(Error::validation("OVER is not allowed in WHERE")
                .hint("compute it in a subquery, or use QUALIFY"))
            .at(condition.span);
        }
        if bound.is_empty() {
            return Ok(rel);
        }
        let attached = !pending.subqueries.is_empty();
        let (rel, subqueries) = self.attach_subqueries(rel, pending.subqueries)?;
        let places = Places { subqueries, ..Places::default() };
        let rel = rel.filter(places.resolve(conjunction(bound)));
        if !attached {
            return Ok(rel);
        }
        let columns: Vec<usize> = (0..width).collect();
        Ok(rel.select(&columns))
    }

    /// A semi join (some row of the subquery holds) or an anti join (none does).
    fn bind_membership(&self, rel: Rel, scope: &Scope<'_>, m: &Membership<'_>) -> Result<Rel> {
        let inner = self.bind_query(m.query, Some(scope))?;
        let width = rel.schema.len();
        let mut values = Vec::new();
        let mut op = "=";
        if let Some((value, o)) = m.comparison {
            op = o;
            let list = match &value.kind {
                ExprKind::Row(items) | ExprKind::Tuple(items) => items.iter().collect(),
                _ => vec![value],
            };
            check_width(list.len(), &inner)?;
            let mut pending = Pending::default();
            for e in list {
                values.push(ExprBinder::new(self, scope, &mut pending).bind(e)?);
            }
            if !pending.is_empty() {
                return Err(Error::unsupported("a subquery or OVER in front of IN"));
            }
        } else if is_single_row(&inner) {
            // An aggregate without keys has one row whatever it reads.
            return Ok(if m.negated { rel.filter(boolean(false)) } else { rel });
        }
        let mut d = decorrelate(inner, &rel)?;
        let own = d.rel.columns();
        for (mut same, (v, column)) in
            comparisons(&values, op, &d.rel)?.into_iter().zip(values.iter().zip(own))
        {
            if m.negated {
                // NOT IN is unknown, hence not true, where a NULL takes part.
                let v = v.clone().map_columns(&mut |i, ty| Expr::column(i + OUTER, ty));
                for side in [v, column] {
                    if side.ty().nullable {
                        let null = make_call("IS NULL", vec![side])?;
                        same = make_call("OR", vec![same, null])?;
                    }
                }
            }
            d.conditions.push(same);
        }
        let schema = rel.schema.clone();
        let kind = if m.negated { JoinKind::Anti } else { JoinKind::Semi };
        let join = RelOp::Join {
            left: Box::new(rel),
            right: Box::new(d.rel),
            kind,
            condition: conjunction(join_condition(d.conditions, width)),
        };
        Ok(Rel::new(join, schema))
    }
}

fn is_grouped(s: &ast::Select, order_by: &[ast::OrderByExpr]) -> bool {
    let item = |i: &SelectItem| matches!(i, SelectItem::Expr { expr, .. } if has_aggregate(expr));
    s.group_by.is_some()
        || s.projection.iter().any(item)
        || s.having.as_ref().is_some_and(has_aggregate)
        || s.qualify.as_ref().is_some_and(has_aggregate)
        || order_by.iter().any(|o| has_aggregate(&o.expr))
}

/// Column of window_start behind a group window's keys and calls.
fn window_start(g: Option<&Grouping>) -> usize {
    g.map_or(0, |g| g.keys.len() + g.calls.len())
}

/// Where the stand-in columns of [`Pending`] work ended up.
#[derive(Default)]
struct Places {
    subqueries: Vec<Expr>,
    over: Vec<usize>,
    window: usize,
}

impl Places {
    /// Replaces the stand-ins of a group window's columns only.
    fn resolve_window(&self, e: Expr) -> Expr {
        e.map_columns(&mut |i, ty| match i {
            i if i >= WINDOW => Expr::column(self.window + i - WINDOW, ty),
            _ => Expr::column(i, ty),
        })
    }

    fn resolve(&self, e: Expr) -> Expr {
        e.map_columns(&mut |i, ty| match i {
            i if i >= WINDOW => Expr::column(self.window + i - WINDOW, ty),
            i if i >= OVER => Expr::column(self.over[i - OVER], ty),
            i if i >= SUBQUERY => self.subqueries[i - SUBQUERY].clone(),
            _ => Expr::column(i, ty),
        })
    }
}

fn bind_items(
    b: &mut ExprBinder<'_, '_>,
    projection: &[SelectItem],
) -> Result<Vec<(Expr, String)>> {
    let mut items = Vec::new();
    for item in projection {
        match item {
            SelectItem::Wildcard(span) => {
                let star = b.scope.star(None);
                if star.is_empty() {
                    return Err(Error::validation("SELECT * needs a FROM clause")).at(*span);
                }
                for (index, name) in star {
                    items.push((b.column(index, *span)?, name));
                }
            }
            SelectItem::QualifiedWildcard { qualifier, span } => {
                let last = qualifier.0.last().map_or("", |i| i.value.as_str());
                if b.scope.is_relation(last) {
                    for (index, name) in b.scope.star(Some(last)) {
                        items.push((b.column(index, *span)?, name));
                    }
                } else {
                    let row = b.scope.resolve(qualifier)?;
                    items.extend(row_fields(row).at(*span)?);
                }
            }
            SelectItem::ExprWildcard { expr, span } => {
                let row = b.bind(expr)?;
                items.extend(row_fields(row).at(*span)?);
            }
            SelectItem::Expr { expr, alias, .. } => {
                let value = super::literal::subscript_default(b.bind(expr)?);
                let name = match alias {
                    Some(a) => a.value.clone(),
                    None => item_name(expr).unwrap_or_else(|| generated_name(items.len())),
                };
                items.push((value, name));
            }
        }
    }
    Ok(items)
}

/// `row.*`
fn row_fields(row: Expr) -> Result<Vec<(Expr, String)>> {
    let Some(fields) = row.ty().fields().map(<[_]>::to_vec) else {
        return Err(Error::validation("`.*` needs a table or a ROW in front of it"));
    };
    Ok(fields
        .into_iter()
        .enumerate()
        .map(|(index, f)| {
            let ty = if row.ty().nullable { f.ty.null() } else { f.ty };
            (Expr::Field { arg: Box::new(row.clone()), index, ty }, f.name)
        })
        .collect())
}

/// The name that an expression gives its column.
fn item_name(e: &ast::Expr) -> Option<String> {
    match &e.kind {
        ExprKind::Identifier(name) => name.0.last().map(|i| i.value.clone()),
        ExprKind::FieldAccess { field, .. } => Some(field.value.clone()),
        _ => None,
    }
}

impl ExprBinder<'_, '_> {
    /// A column of the scope, as a grouped expression behind GROUP BY.
    fn column(&mut self, index: usize, span: weir_parser::span::Span) -> Result<Expr> {
        let c = &self.scope.columns[index];
        if self.grouping.is_none() {
            return Ok(Expr::column(index, c.ty.clone()));
        }
        let mut parts = Vec::new();
        parts.extend(c.relation.iter().map(ast::Ident::new));
        parts.push(ast::Ident::new(&c.name));
        let e = ast::Expr::new(ExprKind::Identifier(ast::ObjectName(parts)), span);
        self.bind(&e)
    }
}

/// A sort key before the projection is known.
struct SortTarget {
    target: Target,
    descending: bool,
    nulls_first: bool,
}

enum Target {
    Item(usize),
    Expr(Expr),
}

fn bind_order(
    b: &mut ExprBinder<'_, '_>,
    order_by: &[ast::OrderByExpr],
    items: &[(Expr, String)],
) -> Result<Vec<SortTarget>> {
    order_by
        .iter()
        .map(|o| {
            let target = order_target(b, &o.expr, items)?;
            let nulls_first = o.nulls_first.unwrap_or(!o.desc);
            Ok(SortTarget { target, descending: o.desc, nulls_first })
        })
        .collect()
}

fn order_target(
    b: &mut ExprBinder<'_, '_>,
    e: &ast::Expr,
    items: &[(Expr, String)],
) -> Result<Target> {
    if let ExprKind::Literal(ast::Literal::Number(n)) = &e.kind {
        return match n.parse::<usize>() {
            Ok(n) if (1..=items.len()).contains(&n) => Ok(Target::Item(n - 1)),
            _ => Err(Error::validation(format!("ORDER BY position {n} is not in the select list")))
                .at(e.span),
        };
    }
    if let ExprKind::Identifier(name) = &e.kind
        && let [one] = name.0.as_slice()
        && let Some(at) = items.iter().position(|(_, n)| *n == one.value)
    {
        return Ok(Target::Item(at));
    }
    let bound = b.bind(e)?;
    Ok(match items.iter().position(|(i, _)| *i == bound) {
        Some(at) => Target::Item(at),
        None => Target::Expr(bound),
    })
}

/// QUALIFY may use aliases of the select list.
fn unalias(e: &ast::Expr, projection: &[SelectItem]) -> ast::Expr {
    let mut e = e.clone();
    replace_aliases(&mut e, projection);
    e
}

fn replace_aliases(e: &mut ast::Expr, projection: &[SelectItem]) {
    if let ExprKind::Identifier(name) = &e.kind
        && let [one] = name.0.as_slice()
    {
        let found = projection.iter().find_map(|i| match i {
            SelectItem::Expr { expr, alias: Some(a), .. } if a.value == one.value => Some(expr),
            _ => None,
        });
        if let Some(expr) = found {
            *e = expr.clone();
            return;
        }
    }
    match &mut e.kind {
        ExprKind::Binary { left, right, .. } => {
            replace_aliases(left, projection);
            replace_aliases(right, projection);
        }
        ExprKind::Unary { expr, .. } | ExprKind::Is { expr, .. } => {
            replace_aliases(expr, projection);
        }
        ExprKind::Between { expr, low, high, .. } => {
            for x in [expr, low, high] {
                replace_aliases(x, projection);
            }
        }
        _ => {}
    }
}

pub(super) fn ast_conjuncts<'e>(e: &'e ast::Expr, out: &mut Vec<&'e ast::Expr>) {
    match &e.kind {
        ExprKind::Binary { left, op: ast::BinaryOp::And, right } => {
            ast_conjuncts(left, out);
            ast_conjuncts(right, out);
        }
        _ => out.push(e),
    }
}

/// IN, EXISTS, quantified comparisons and their negations as a condition of WHERE.
struct Membership<'e> {
    /// `value op` some row.
    comparison: Option<(&'e ast::Expr, &'static str)>,
    query: &'e ast::Query,
    /// No row may hold.
    negated: bool,
}

fn membership(e: &ast::Expr) -> Option<Membership<'_>> {
    match &e.kind {
        ExprKind::InSubquery { expr, negated, query } => {
            Some(Membership { comparison: Some((expr, "=")), query, negated: *negated })
        }
        ExprKind::Exists(query) => Some(Membership { comparison: None, query, negated: false }),
        ExprKind::Unary { op: ast::UnaryOp::Not, expr } => {
            membership(expr).map(|m| Membership { negated: !m.negated, ..m })
        }
        ExprKind::Quantified {
            left,
            op,
            quantifier,
            source: ast::QuantifiedSource::Query(query),
        } => {
            let op = comparison(*op).ok()?;
            let all = *quantifier == ast::Quantifier::All;
            let op = if all { negated(op) } else { op };
            Some(Membership { comparison: Some((left, op)), query, negated: all })
        }
        _ => None,
    }
}
