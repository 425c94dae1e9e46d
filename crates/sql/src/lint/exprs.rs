//! The expressions of one SELECT.

use weir_parser::ast::{self, Expr, JoinConstraint, SelectItem};

/// The expressions of a SELECT itself.
pub(super) fn exprs_of(s: &ast::Select) -> Vec<&Expr> {
    let mut all: Vec<&Expr> = s
        .projection
        .iter()
        .filter_map(|i| match i {
            SelectItem::Expr { expr, .. } => Some(expr),
            _ => None,
        })
        .collect();
    for t in &s.from {
        all.extend(t.joins.iter().filter_map(|j| match &j.constraint {
            JoinConstraint::On(e) => Some(e),
            _ => None,
        }));
    }
    all.extend(s.selection.iter().chain(&s.having));
    if let Some(g) = &s.group_by {
        all.extend(g.elements.iter().filter_map(|e| match e {
            ast::GroupingElement::Expr(e) => Some(e),
            _ => None,
        }));
    }
    all
}

/// Calls `f` on an expression and all inside it; subqueries are left out.
pub(super) fn each_expr<'e>(e: &'e Expr, f: &mut dyn FnMut(&'e Expr)) {
    f(e);
    for c in crate::bind::children(e) {
        each_expr(c, f);
    }
}
