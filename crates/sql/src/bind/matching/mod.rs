//! The MATCH_RECOGNIZE clause. Its expressions are bound in `expr.rs`.

mod expr;
mod pattern;

use weir_core::types::TimeAttribute;
use weir_core::{Error, Field, Result, Schema, Value};
use weir_functions::Expr;
use weir_parser::ast;
use weir_spec::{MatchExpr, MatchRef, MatchSpec, PatternTerm, SortKey};

use super::at::At;
use super::binder::Binder;
use super::expr_binder::ExprBinder;
use super::from::Bound;
use super::match_rows::Matching;
use super::pending::Pending;
use super::scope::Scope;
use crate::rel::{Rel, RelOp};
use pattern::{pattern_terms, skip_strategy};

impl Binder<'_> {
    /// Binds `input MATCH_RECOGNIZE (..)`.
    pub(crate) fn match_recognize(
        &self,
        input: Bound<'_>,
        clause: &ast::MatchRecognize,
    ) -> Result<Rel> {
        if clause.rows_per_match == Some(ast::RowsPerMatch::All) {
            return Err(Error::unsupported("ALL ROWS PER MATCH (not supported by Flink either)")
                .hint("write ONE ROW PER MATCH"));
        }
        if let Some(s) = clause.subsets.first() {
            return Err(Error::unsupported("SUBSET (Flink takes it and yields NULL)"))
                .at(s.name.span);
        }
        let (rel, scope) = input;
        let mut pattern = pattern_terms(&clause.pattern)?;
        let partition = clause
            .partition_by
            .iter()
            .map(|e| self.match_column(e, &scope))
            .collect::<Result<Vec<_>>>()?;
        let (order_by, event_time) = self.match_order(clause, &scope, &rel.schema)?;
        let conditions = self.match_conditions(clause, &pattern, &scope)?;
        for (term, condition) in pattern.iter_mut().zip(conditions) {
            term.condition = condition;
        }
        let mut measures = Vec::new();
        let mut fields: Vec<Field> =
            partition.iter().map(|&p| rel.schema.fields[p].clone()).collect();
        for m in &clause.measures {
            let bound = self.match_expr(&m.expr, Matching::new(&pattern, None), &scope)?;
            if fields.iter().any(|f| f.name == m.alias.value) {
                return Err(Error::validation(format!(
                    "Columns ambiguously defined: {{{}}}",
                    m.alias.value
                )))
                .at(m.alias.span);
            }
            fields.push(Field::new(m.alias.value.clone(), bound.expr.ty().clone()));
            measures.push(bound);
        }
        let within = match &clause.within {
            None => None,
            Some(e) => match self.constant(e)?.0 {
                Value::Millis(ms) => Some(ms),
                _ => return Err(Error::validation(
                    "Only constant intervals with millisecond resolution are supported as time constraints of patterns.",
                )
                .hint("write WITHIN INTERVAL '10' SECOND"))
                .at(e.span),
            },
        };
        let skip = skip_strategy(clause.after_match.as_ref(), &pattern)?;
        let spec = MatchSpec { partition, order_by, event_time, pattern, skip, within, measures };
        let (rel, spec) = narrow(rel, spec);
        let op = RelOp::Match { input: Box::new(rel), spec: Box::new(spec) };
        Ok(Rel::new(op, Schema::new(fields)))
    }

    fn match_column(&self, e: &ast::Expr, scope: &Scope<'_>) -> Result<usize> {
        let mut pending = Pending::default();
        match ExprBinder::new(self, scope, &mut pending).bind(e)? {
            Expr::Column { index, .. } => Ok(index),
            _ => {
                Err(Error::validation("PARTITION BY and ORDER BY of MATCH_RECOGNIZE take columns"))
                    .at(e.span)
            }
        }
    }

    /// The order, and whether it is one of event time.
    fn match_order(
        &self,
        clause: &ast::MatchRecognize,
        scope: &Scope<'_>,
        schema: &Schema,
    ) -> Result<(Vec<SortKey>, bool)> {
        let mut keys = Vec::new();
        for o in &clause.order_by {
            keys.push(SortKey {
                column: self.match_column(&o.expr, scope)?,
                descending: o.desc,
                nulls_first: o.nulls_first.unwrap_or(!o.desc),
            });
        }
        let Some(first) = keys.first() else {
            return Err(Error::validation(
                "You must specify either rowtime or proctime for order by.",
            )
            .hint("add ORDER BY and the table's time attribute"))
            .at(clause.span);
        };
        let ty = &schema.fields[first.column].ty;
        let attribute = ty.time_attribute();
        let time = match self.session.is_batch() {
            true => ty.is_timestamp(),
            false => attribute != TimeAttribute::None,
        };
        let at = clause.order_by[0].expr.span;
        if !time {
            return Err(Error::validation(format!(
                "You must specify either rowtime or proctime for order by as the first one, but this column is {ty}"
            ))
            .hint("declare WATERMARK FOR it in its CREATE TABLE"))
            .at(at);
        }
        if first.descending {
            return Err(Error::validation(
                "Primary sort order of a streaming table must be ascending on time.",
            ))
            .at(at);
        }
        Ok((keys, attribute != TimeAttribute::Proctime))
    }

    /// DEFINE, by position in the pattern.
    fn match_conditions(
        &self,
        clause: &ast::MatchRecognize,
        pattern: &[PatternTerm],
        scope: &Scope<'_>,
    ) -> Result<Vec<Option<MatchExpr>>> {
        let mut conditions = vec![None; pattern.len()];
        for (i, d) in clause.defines.iter().enumerate() {
            if clause.defines[..i].iter().any(|x| x.name.value == d.name.value) {
                return Err(Error::validation(format!(
                    "Pattern variable '{}' has already been defined",
                    d.name.value
                )))
                .at(d.name.span);
            }
            // Flink ignores conditions of variables that the pattern does not name.
            let Some(v) = pattern.iter().position(|t| t.name == d.name.value) else { continue };
            let bound = self.match_expr(&d.condition, Matching::new(pattern, Some(v)), scope)?;
            if bound.expr.ty().kind != weir_core::TypeKind::Boolean {
                return Err(Error::validation(format!(
                    "DEFINE clause must be a condition, but this is {}",
                    bound.expr.ty()
                )))
                .at(d.condition.span);
            }
            conditions[v] = Some(bound);
        }
        Ok(conditions)
    }

    fn match_expr(
        &self,
        e: &ast::Expr,
        mut matching: Matching,
        scope: &Scope<'_>,
    ) -> Result<MatchExpr> {
        let mut pending = Pending::default();
        let mut binder = ExprBinder::new(self, scope, &mut pending);
        binder.matching = Some(&mut matching);
        let expr = binder.bind(e)?;
        if !pending.is_empty() {
            return Err(Error::unsupported("a subquery or OVER inside MATCH_RECOGNIZE")).at(e.span);
        }
        Ok(MatchExpr { expr, refs: matching.refs })
    }
}

/// Keeps only the input columns that are read.
fn narrow(rel: Rel, mut spec: MatchSpec) -> (Rel, MatchSpec) {
    let mut used: Vec<usize> = Vec::new();
    let mut note = |c: usize| {
        if !used.contains(&c) {
            used.push(c);
        }
    };
    spec.partition.iter().for_each(|&c| note(c));
    spec.order_by.iter().for_each(|k| note(k.column));
    for r in refs(&mut spec) {
        match r {
            MatchRef::Field { column, .. } => note(*column),
            MatchRef::Aggregate { args, .. } => {
                let mut columns = Vec::new();
                args.iter().for_each(|a| a.collect_columns(&mut columns));
                columns.into_iter().for_each(&mut note);
            }
            MatchRef::Rowtime => {}
        }
    }
    let place = |c: usize| used.iter().position(|&u| u == c).unwrap_or(0);
    spec.partition.iter_mut().for_each(|c| *c = place(*c));
    spec.order_by.iter_mut().for_each(|k| k.column = place(k.column));
    for r in refs(&mut spec) {
        match r {
            MatchRef::Field { column, .. } => *column = place(*column),
            MatchRef::Aggregate { args, .. } => {
                for a in args {
                    *a = a.clone().map_columns(&mut |c, ty| Expr::column(place(c), ty));
                }
            }
            MatchRef::Rowtime => {}
        }
    }
    (rel.select(&used), spec)
}

fn refs(spec: &mut MatchSpec) -> impl Iterator<Item = &mut MatchRef> {
    let conditions = spec.pattern.iter_mut().filter_map(|t| t.condition.as_mut());
    conditions.chain(&mut spec.measures).flat_map(|e| &mut e.refs)
}
