//! Walks over syntax trees, changing them in place.

use weir_parser::ast::{
    ArgValue, Expr, ExprKind, FunctionCall, JoinConstraint, Query, Select, SelectItem, SetExpr,
    Statement, StatementKind, TableArgSource, TableFactor, TableFactorKind, TableWithJoins,
};

/// What a walk does at each place; every method may change what it is given.
/// Expressions and table factors are visited from the inside out.
pub(crate) trait Visitor {
    /// A SELECT block, its parts visited already.
    fn select(&mut self, _select: &mut Select) {}
    /// A table, subquery or function in FROM.
    fn factor(&mut self, _factor: &mut TableFactor) {}
    /// The name of a table in FROM, in a TABLE argument or behind INSERT INTO.
    fn table(&mut self, _name: &mut weir_parser::ast::ObjectName) {}
    /// A call in FROM or in an expression.
    fn call(&mut self, _call: &mut FunctionCall) {}
    /// An expression.
    fn expr(&mut self, _expr: &mut Expr) {}
}

/// Visits everything in a statement.
pub(crate) fn statement(s: &mut Statement, v: &mut dyn Visitor) {
    use StatementKind as K;
    match &mut s.kind {
        K::Query(q) => query(q, v),
        K::Insert(i) => {
            v.table(&mut i.table);
            query(&mut i.source, v);
        }
        K::StatementSet(set) => {
            for i in &mut set.inserts {
                v.table(&mut i.table);
                query(&mut i.source, v);
            }
        }
        K::Execute(inner) => statement(inner, v),
        K::Explain(e) => statement(&mut e.statement, v),
        K::CompilePlan(c) => statement(&mut c.statement, v),
        K::CreateView(c) => query(&mut c.query, v),
        K::CreateTable(c) => {
            if let Some(q) = &mut c.query {
                query(q, v);
            }
            for column in &mut c.schema.columns {
                if let weir_parser::ast::ColumnKind::Computed(e) = &mut column.kind {
                    expr(e, v);
                }
            }
        }
        K::CreateMaterializedTable(c) => query(&mut c.query, v),
        K::Update(u) => {
            for a in &mut u.assignments {
                expr(&mut a.value, v);
            }
            opt(&mut u.selection, v);
        }
        K::Delete(d) => opt(&mut d.selection, v),
        _ => {}
    }
}

fn opt(e: &mut Option<Expr>, v: &mut dyn Visitor) {
    if let Some(e) = e {
        expr(e, v);
    }
}

fn opt_box(e: &mut Option<Box<Expr>>, v: &mut dyn Visitor) {
    if let Some(e) = e {
        expr(e, v);
    }
}

pub(crate) fn query(q: &mut Query, v: &mut dyn Visitor) {
    if let Some(with) = &mut q.with {
        for cte in &mut with.ctes {
            query(&mut cte.query, v);
        }
    }
    set_expr(&mut q.body, v);
    for o in &mut q.order_by {
        expr(&mut o.expr, v);
    }
}

fn set_expr(body: &mut SetExpr, v: &mut dyn Visitor) {
    match body {
        SetExpr::Select(s) => select(s, v),
        SetExpr::Values(values) => {
            values.rows.iter_mut().flat_map(|r| &mut r.exprs).for_each(|e| expr(e, v));
        }
        SetExpr::Table(name) => v.table(name),
        SetExpr::Query(q) => query(q, v),
        SetExpr::SetOp(op) => {
            set_expr(&mut op.left, v);
            set_expr(&mut op.right, v);
        }
    }
}

fn select(s: &mut Select, v: &mut dyn Visitor) {
    s.from.iter_mut().for_each(|t| with_joins(t, v));
    for item in &mut s.projection {
        if let SelectItem::Expr { expr: e, .. } | SelectItem::ExprWildcard { expr: e, .. } = item {
            expr(e, v);
        }
    }
    opt(&mut s.selection, v);
    if let Some(g) = &mut s.group_by {
        g.elements.iter_mut().for_each(|e| grouping(e, v));
    }
    opt(&mut s.having, v);
    opt(&mut s.qualify, v);
    v.select(s);
}

fn grouping(e: &mut weir_parser::ast::GroupingElement, v: &mut dyn Visitor) {
    use weir_parser::ast::GroupingElement as G;
    match e {
        G::Empty => {}
        G::Expr(e) => expr(e, v),
        G::Exprs(list) => list.iter_mut().for_each(|e| expr(e, v)),
        G::GroupingSets(list) | G::Cube(list) | G::Rollup(list) => {
            list.iter_mut().for_each(|e| grouping(e, v));
        }
    }
}

fn with_joins(t: &mut TableWithJoins, v: &mut dyn Visitor) {
    factor(&mut t.relation, v);
    for j in &mut t.joins {
        factor(&mut j.right, v);
        match &mut j.constraint {
            JoinConstraint::On(e) => expr(e, v),
            JoinConstraint::MatchCondition { condition, on } => {
                expr(condition, v);
                expr(on, v);
            }
            JoinConstraint::None | JoinConstraint::Using(_) => {}
        }
    }
}

fn factor(f: &mut TableFactor, v: &mut dyn Visitor) {
    match &mut f.kind {
        TableFactorKind::Table { name, .. } => v.table(name),
        TableFactorKind::Derived { query: q, .. } => query(q, v),
        TableFactorKind::Function { call: c, .. } => call(c, v),
        TableFactorKind::Unnest { exprs, .. } => exprs.iter_mut().for_each(|e| expr(e, v)),
        TableFactorKind::Nested(inner) => with_joins(inner, v),
        TableFactorKind::MatchRecognize { input, .. }
        | TableFactorKind::Pivot { input, .. }
        | TableFactorKind::Unpivot { input, .. } => factor(input, v),
    }
    v.factor(f);
}

fn call(c: &mut FunctionCall, v: &mut dyn Visitor) {
    for a in &mut c.args {
        match &mut a.value {
            ArgValue::Expr(e) => expr(e, v),
            ArgValue::Table(t) => match &mut t.source {
                TableArgSource::Name { name, .. } => v.table(name),
                TableArgSource::Query(q) => query(q, v),
                TableArgSource::Function(f) => call(f, v),
            },
            ArgValue::Star | ArgValue::Model(_) | ArgValue::Descriptor(_) => {}
        }
    }
    opt_box(&mut c.filter, v);
    v.call(c);
}

/// Visits an expression and all in it, subqueries included.
pub(crate) fn expr(e: &mut Expr, v: &mut dyn Visitor) {
    match &mut e.kind {
        ExprKind::Unary { expr: x, .. }
        | ExprKind::Is { expr: x, .. }
        | ExprKind::IsJson { expr: x, .. }
        | ExprKind::Cast { expr: x, .. }
        | ExprKind::Extract { expr: x, .. }
        | ExprKind::RoundTo { expr: x, .. }
        | ExprKind::FieldAccess { expr: x, .. }
        | ExprKind::VariantPath { expr: x, .. }
        | ExprKind::MatchSemantics { expr: x, .. } => expr(x, v),
        ExprKind::Binary { left, right, .. } => {
            expr(left, v);
            expr(right, v);
        }
        ExprKind::Between { expr: x, low, high, .. } => {
            expr(x, v);
            expr(low, v);
            expr(high, v);
        }
        ExprKind::Like { expr: x, pattern, escape, .. } => {
            expr(x, v);
            expr(pattern, v);
            opt_box(escape, v);
        }
        ExprKind::InList { expr: x, list, .. } => {
            expr(x, v);
            list.iter_mut().for_each(|i| expr(i, v));
        }
        ExprKind::InSubquery { expr: x, query: q, .. } => {
            expr(x, v);
            query(q, v);
        }
        ExprKind::Exists(q) | ExprKind::Unique(q) | ExprKind::Subquery(q) => query(q, v),
        ExprKind::Case { operand, branches, else_result } => {
            opt_box(operand, v);
            for b in branches {
                b.when.iter_mut().for_each(|w| expr(w, v));
                expr(&mut b.then, v);
            }
            opt_box(else_result, v);
        }
        ExprKind::Function(c) => call(c, v),
        ExprKind::Position { needle, haystack, from } => {
            expr(needle, v);
            expr(haystack, v);
            opt_box(from, v);
        }
        ExprKind::Substring { expr: x, from, len } => {
            expr(x, v);
            expr(from, v);
            opt_box(len, v);
        }
        ExprKind::Trim { chars, expr: x, .. } => {
            opt_box(chars, v);
            expr(x, v);
        }
        ExprKind::TimestampAdd { count, expr: x, .. } => {
            expr(count, v);
            expr(x, v);
        }
        ExprKind::TimestampDiff { from, to, .. }
        | ExprKind::TimeDifference { from, minus: to, .. } => {
            expr(from, v);
            expr(to, v);
        }
        ExprKind::Row(items)
        | ExprKind::Tuple(items)
        | ExprKind::Array(items)
        | ExprKind::Map(items)
        | ExprKind::Multiset(items) => items.iter_mut().for_each(|i| expr(i, v)),
        ExprKind::Subscript { expr: x, index } => {
            expr(x, v);
            expr(index, v);
        }
        _ => {}
    }
    v.expr(e);
}
