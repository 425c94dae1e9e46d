//! Joins: ON, USING, NATURAL, LATERAL, temporal joins.

use weir_core::types::TimeAttribute;
use weir_core::{Error, Result};
use weir_functions::Expr;
use weir_parser::ast::{self, JoinConstraint, TableFactorKind};
use weir_spec::JoinKind;

use super::at::At;
use super::binder::Binder;
use super::decorrelate::{decorrelate, join_condition};
use super::expr_binder::ExprBinder;
use super::from::{Bound, named};
use super::pending::Pending;
use super::scope::{Scope, ScopeColumn};
use super::typed::make_call;
use crate::rel::{Rel, RelOp, conjunction, join_schema};

/// What joins `left` and `right` have in common before the condition is known.
fn join_kind(kind: ast::JoinKind) -> Result<JoinKind> {
    Ok(match kind {
        ast::JoinKind::Inner | ast::JoinKind::Cross | ast::JoinKind::CrossApply => JoinKind::Inner,
        ast::JoinKind::Left | ast::JoinKind::OuterApply => JoinKind::Left,
        ast::JoinKind::Right => JoinKind::Right,
        ast::JoinKind::Full => JoinKind::Full,
        ast::JoinKind::LeftSemi => JoinKind::Semi,
        ast::JoinKind::LeftAnti => JoinKind::Anti,
        ast::JoinKind::Asof | ast::JoinKind::LeftAsof => {
            return Err(Error::unsupported("ASOF JOIN (Flink has no plan for it either)")
                .hint("write FOR SYSTEM_TIME AS OF on a versioned table"));
        }
    })
}

/// `PROCTIME()`
fn is_proctime(e: &ast::Expr) -> bool {
    matches!(&e.kind, ast::ExprKind::Function(c) if c.name.last().eq_ignore_ascii_case("PROCTIME"))
}

impl Binder<'_> {
    /// Joins a table to what stands left of it.
    pub(super) fn join_factor<'a>(
        &self,
        left: Bound<'a>,
        right: &ast::TableFactor,
        kind: ast::JoinKind,
        natural: bool,
        constraint: &JoinConstraint,
        outer: Option<&'a Scope<'a>>,
    ) -> Result<Bound<'a>> {
        let kind = join_kind(kind)?;
        match &right.kind {
            TableFactorKind::Unnest { exprs, with_ordinality, .. } => {
                let outer_join = kind == JoinKind::Left;
                let alias = right.alias.as_ref();
                match (kind, constraint) {
                    (JoinKind::Inner | JoinKind::Left, c) if is_trivial(c) => {
                        self.unnest(left, exprs, *with_ordinality, alias, outer_join)
                    }
                    (JoinKind::Inner, JoinConstraint::On(condition)) => {
                        let (rel, scope) =
                            self.unnest(left, exprs, *with_ordinality, alias, false)?;
                        Ok((self.bind_where(rel, &scope, condition)?, scope))
                    }
                    (JoinKind::Left, JoinConstraint::On(on)) => {
                        let (mut rel, scope) =
                            self.unnest(left, exprs, *with_ordinality, alias, true)?;
                        let mut pending = Pending::default();
                        let bound =
                            ExprBinder::new(self, &scope, &mut pending).bind_condition(on)?;
                        if !pending.is_empty() {
                            return Err(Error::unsupported("a subquery in a join condition"))
                                .at(on.span);
                        }
                        if let RelOp::Unnest { condition, .. } = &mut rel.op {
                            *condition = Some(bound);
                        }
                        Ok((rel, scope))
                    }
                    _ => Err(Error::unsupported("UNNEST other than CROSS, INNER and LEFT JOIN"))
                        .at(right.span),
                }
            }
            TableFactorKind::Table { name, hints, system_time: Some(time) } => {
                match self.left_time(&left, time) {
                    Some(time) => {
                        self.temporal_join(left, right, name, hints, time, kind, constraint)
                    }
                    // To check a lookup it is enough to know both sides' columns.
                    None if self.session.is_open_world() && is_proctime(time) => {
                        let (rel, name) = self.bind_table(name, hints, None)?;
                        let right = named(rel, right.alias.as_ref(), Some(&name))?;
                        self.join(left, right, kind, natural, constraint, vec![], outer)
                    }
                    None => {
                        let right = self.bind_factor(right, None, outer)?;
                        self.join(left, right, kind, natural, constraint, vec![], outer)
                    }
                }
            }
            TableFactorKind::Derived { lateral: true, .. } => {
                let (rel, scope) = self.bind_factor(right, Some(&left.1), outer)?;
                let d = decorrelate(rel, &left.0)?;
                let width = left.0.schema.len();
                let visible: Vec<usize> = (0..scope.columns.len()).collect();
                let conditions = join_condition(d.conditions, width);
                let hidden = d.rel.schema.len() > visible.len();
                let (rel, scope) =
                    self.join(left, (d.rel, scope), kind, false, constraint, conditions, outer)?;
                if !hidden {
                    return Ok((rel, scope));
                }
                let columns: Vec<usize> = (0..width + visible.len()).collect();
                Ok((rel.select(&columns), scope))
            }
            _ => {
                let right = self.bind_factor(right, None, outer)?;
                self.join(left, right, kind, natural, constraint, vec![], outer)
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a join clause")]
    fn join<'a>(
        &self,
        left: Bound<'a>,
        right: Bound<'a>,
        kind: JoinKind,
        natural: bool,
        constraint: &JoinConstraint,
        mut conditions: Vec<Expr>,
        outer: Option<&'a Scope<'a>>,
    ) -> Result<Bound<'a>> {
        let (left, left_scope) = left;
        let (right, right_scope) = right;
        let using = match constraint {
            JoinConstraint::Using(columns) => {
                columns.iter().map(|c| c.value.clone()).collect::<Vec<_>>()
            }
            _ if natural => common_names(&left_scope, &right_scope),
            _ => vec![],
        };
        for name in &using {
            let l = unique_column(&left_scope, name)?;
            let r = unique_column(&right_scope, name)?;
            let l = Expr::column(l, left.schema.fields[l].ty.clone());
            let r_ty = right.schema.fields[r].ty.clone();
            let r = Expr::column(left.schema.len() + r, r_ty);
            conditions.push(make_call("=", vec![l, r])?);
        }
        let mut scope = left_scope.join(right_scope);
        scope.outer = outer;
        let (mut subqueries, mut above) = (Vec::new(), Vec::new());
        if let JoinConstraint::On(e) = constraint {
            let on = self.bind_on(e, &scope, kind)?;
            conditions.extend(on.conditions);
            (subqueries, above) = (on.subqueries, on.above);
        }
        let left_width = left.schema.len();
        let mut rel = if subqueries.is_empty() {
            let schema = join_schema(&left.schema, &right.schema, kind);
            let (left, right) = (Box::new(left), Box::new(right));
            let condition = conjunction(conditions);
            Rel::new(RelOp::Join { left, right, kind, condition }, schema)
        } else {
            self.join_on_answers((left, right), kind, conditions, subqueries)?
        };
        for condition in above {
            rel = self.bind_where(rel, &scope, condition)?;
        }
        scope.columns.truncate(rel.schema.len());
        let scope = scope.retyped(&rel.schema);
        let joined = (rel, scope);
        if using.is_empty() { Ok(joined) } else { merge_using(joined, &using, left_width, kind) }
    }

    /// The left time attribute that FOR SYSTEM_TIME AS OF names, if it names one.
    fn left_time(&self, left: &Bound<'_>, time: &ast::Expr) -> Option<Expr> {
        let mut pending = Pending::default();
        let e = ExprBinder::new(self, &left.1, &mut pending).bind(time).ok()?;
        (e.ty().time_attribute() != TimeAttribute::None).then_some(e)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a join clause")]
    fn temporal_join<'a>(
        &self,
        left: Bound<'a>,
        factor: &ast::TableFactor,
        name: &ast::ObjectName,
        hints: &[ast::Hint],
        time: Expr,
        kind: JoinKind,
        constraint: &JoinConstraint,
    ) -> Result<Bound<'a>> {
        let processing = time.ty().time_attribute() == TimeAttribute::Proctime;
        if !matches!(kind, JoinKind::Inner | JoinKind::Left) {
            return Err(Error::validation(
                "Temporal table join currently only supports INNER JOIN and LEFT JOIN",
            ))
            .at(factor.span);
        }
        let (right, alias) = self.bind_table(name, hints, None)?;
        let relation = factor.alias.as_ref().map_or(alias.as_str(), |a| a.name.value.as_str());
        let right_scope = Scope::from_schema(Some(relation), &right.schema);
        let (left, left_scope) = left;
        let scope = left_scope.join(right_scope);
        let JoinConstraint::On(on) = constraint else {
            return Err(Error::validation("a temporal join needs an ON condition")).at(factor.span);
        };
        let mut pending = Pending::default();
        let condition = ExprBinder::new(self, &scope, &mut pending).bind_condition(on)?;
        if !pending.is_empty() {
            return Err(Error::unsupported("a subquery in a join condition")).at(on.span);
        }
        let schema = join_schema(&left.schema, &right.schema, kind);
        let scope = scope.retyped(&schema);
        let op = match time {
            _ if processing => RelOp::LookupJoin {
                input: Box::new(left),
                table: Box::new(right),
                kind,
                condition,
                hint: self.lookup_hint(relation),
            },
            Expr::Column { index: left_time, .. } => RelOp::TemporalJoin {
                left: Box::new(left),
                right: Box::new(right),
                kind,
                condition,
                left_time,
            },
            _ => {
                return Err(Error::validation(
                    "FOR SYSTEM_TIME AS OF takes a time attribute column of the left side",
                ))
                .at(factor.span);
            }
        };
        Ok((Rel::new(op, schema), scope))
    }
}

fn is_trivial(c: &JoinConstraint) -> bool {
    match c {
        JoinConstraint::None => true,
        JoinConstraint::On(e) => {
            matches!(e.kind, ast::ExprKind::Literal(ast::Literal::Boolean(true)))
        }
        _ => false,
    }
}

fn common_names(left: &Scope<'_>, right: &Scope<'_>) -> Vec<String> {
    let visible = |s: &Scope<'_>| -> Vec<String> {
        s.columns.iter().filter(|c| !c.hidden).map(|c| c.name.clone()).collect()
    };
    let right = visible(right);
    visible(left).into_iter().filter(|n| right.contains(n)).collect()
}

fn unique_column(scope: &Scope<'_>, name: &str) -> Result<usize> {
    let found: Vec<usize> = scope
        .columns
        .iter()
        .enumerate()
        .filter(|(_, c)| !c.hidden && c.name == name)
        .map(|(i, _)| i)
        .collect();
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(Error::validation(format!("Column '{name}' of USING not found on both sides"))),
        _ => Err(Error::validation(format!("Column '{name}' of USING is ambiguous"))),
    }
}

/// The columns of USING once, in front; both originals stay reachable by their tables' names.
fn merge_using<'a>(
    (rel, scope): Bound<'a>,
    using: &[String],
    left_width: usize,
    kind: JoinKind,
) -> Result<Bound<'a>> {
    if matches!(kind, JoinKind::Semi | JoinKind::Anti) {
        return Ok((rel, scope));
    }
    let columns = rel.columns();
    let (mut exprs, mut names) = (Vec::new(), Vec::new());
    let mut merged = Vec::new();
    for name in using {
        let find = |range: std::ops::Range<usize>| {
            range.into_iter().find(|&i| !scope.columns[i].hidden && scope.columns[i].name == *name)
        };
        let (Some(l), Some(r)) = (find(0..left_width), find(left_width..columns.len())) else {
            return Err(Error::internal("a USING column vanished"));
        };
        let value = make_call("COALESCE", vec![columns[l].clone(), columns[r].clone()])?;
        merged.push(ScopeColumn {
            relation: None,
            name: name.clone(),
            ty: value.ty().clone(),
            hidden: false,
        });
        exprs.push(value);
        names.push(name.clone());
    }
    let originals = scope.columns.into_iter().zip(columns).map(|(mut c, e)| {
        c.hidden = c.hidden || using.contains(&c.name);
        (c, e)
    });
    let mut all = merged;
    for (c, e) in originals {
        names.push(c.name.clone());
        exprs.push(e);
        all.push(c);
    }
    Ok((rel.project(exprs, names), Scope { columns: all, outer: scope.outer }))
}
