//! ON conditions with subqueries.
//!
//! Of an inner join they are conditions of a WHERE above it. Of an outer join the answers
//! become columns of the side that the subquery reads (of the left one if it reads none),
//! which the join's condition uses and its output leaves out. Flink has no plan where a
//! subquery reads both sides, and neither have we for outer joins.

use std::cell::RefCell;

use weir_core::{DataType, Error, Result};
use weir_functions::Expr;
use weir_parser::ast;
use weir_spec::JoinKind;

use super::at::At;
use super::binder::Binder;
use super::decorrelate::map_outer;
use super::expr_binder::ExprBinder;
use super::pending::{Pending, Subquery};
use super::scope::Scope;
use super::select::ast_conjuncts;
use super::stand_in::SUBQUERY;
use crate::rel::{Rel, RelOp, conjunction, join_schema};

/// A bound ON clause.
pub(super) struct On<'e> {
    /// Conditions, answers of subqueries as stand-ins.
    pub conditions: Vec<Expr>,
    pub subqueries: Vec<Subquery>,
    /// What is left for a WHERE above the join.
    pub above: Vec<&'e ast::Expr>,
}

impl Binder<'_> {
    pub(super) fn bind_on<'e>(
        &self,
        on: &'e ast::Expr,
        scope: &Scope<'_>,
        kind: JoinKind,
    ) -> Result<On<'e>> {
        let mut parts = Vec::new();
        ast_conjuncts(on, &mut parts);
        let mut bound = On { conditions: vec![], subqueries: vec![], above: vec![] };
        let mut pending = Pending::default();
        for part in parts {
            let known = pending.subqueries.len();
            let e = ExprBinder::new(self, scope, &mut pending).bind_condition(part)?;
            if !pending.over.is_empty() {
                return Err(Error::validation("OVER is not allowed in a join condition")
                    .hint("compute it in a subquery"))
                .at(part.span);
            }
            if kind == JoinKind::Inner && pending.subqueries.len() > known {
                pending.subqueries.truncate(known);
                bound.above.push(part);
            } else {
                bound.conditions.push(e);
            }
        }
        bound.subqueries = pending.subqueries;
        Ok(bound)
    }

    /// A join whose conditions use the answers of subqueries.
    pub(super) fn join_on_answers(
        &self,
        (left, right): (Rel, Rel),
        kind: JoinKind,
        conditions: Vec<Expr>,
        subqueries: Vec<Subquery>,
    ) -> Result<Rel> {
        let schema = join_schema(&left.schema, &right.schema, kind);
        let (width, right_width) = (left.schema.len(), right.schema.len());
        let (mut of_left, mut of_right, mut order) = (Vec::new(), Vec::new(), Vec::new());
        for subquery in subqueries {
            let right_only = reads_right(&subquery, width)?;
            order.push(right_only);
            match right_only {
                true => of_right.push(subquery.of_right(width)?),
                false => of_left.push(subquery),
            }
        }
        let (left, answers) = self.attach_subqueries(left, of_left)?;
        let (right, right_answers) = self.attach_subqueries(right, of_right)?;
        let shift = left.schema.len();
        let (mut answers, mut right_answers) = (answers.into_iter(), right_answers.into_iter());
        let shifted = |e: Expr| e.map_columns(&mut |i, ty| Expr::column(i + shift, ty));
        let answers: Vec<Expr> = order
            .into_iter()
            .filter_map(|right| match right {
                true => right_answers.next().map(shifted),
                false => answers.next(),
            })
            .collect();
        let mut place = |i: usize, ty: DataType| match i.checked_sub(SUBQUERY) {
            Some(n) => answers[n].clone(),
            None if i < width => Expr::column(i, ty),
            None => Expr::column(i - width + shift, ty),
        };
        let condition = conjunction(conditions).map_columns(&mut place);
        let joined = join_schema(&left.schema, &right.schema, kind);
        let op = RelOp::Join { left: Box::new(left), right: Box::new(right), kind, condition };
        let mut columns: Vec<usize> = (0..width).collect();
        if schema.len() > width {
            columns.extend(shift..shift + right_width);
        }
        let mut rel = Rel::new(op, joined).select(&columns);
        rel.schema = schema;
        Ok(rel)
    }
}

/// Whether a subquery reads the right side; columns of the left one are below `width`.
fn reads_right(subquery: &Subquery, width: usize) -> Result<bool> {
    let columns = subquery.columns()?;
    let right = columns.iter().any(|&c| c >= width);
    if right && columns.iter().any(|&c| c < width) {
        return Err(Error::unsupported(
            "a subquery in the condition of an outer join that reads both sides",
        )
        .hint("join the subquery's tables to one of the sides first"));
    }
    Ok(right)
}

impl Subquery {
    /// The columns of the join that it reads.
    fn columns(&self) -> Result<Vec<usize>> {
        let columns = RefCell::new(Vec::new());
        map_outer(self.rel.clone(), &|i, ty| {
            columns.borrow_mut().push(i);
            Ok(Expr::column(i, ty))
        })?;
        let mut columns = columns.into_inner();
        self.values().iter().for_each(|v| v.collect_columns(&mut columns));
        if columns.iter().any(|&c| c >= SUBQUERY) {
            return Err(Error::unsupported("a subquery in front of IN in a join condition"));
        }
        Ok(columns)
    }

    /// The same over the columns of the right side alone.
    fn of_right(mut self, width: usize) -> Result<Self> {
        self.rel = map_outer(self.rel, &|i, ty| Ok(Expr::column(i - width, ty)))?;
        self.map_values(|v| v.map_columns(&mut |i, ty| Expr::column(i - width, ty)));
        Ok(self)
    }
}
