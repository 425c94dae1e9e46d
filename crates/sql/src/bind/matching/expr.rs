//! Expressions over the rows of a match.
//!
//! `A.x` in a condition or measure is a row of variable `A`; a bare `x` one of
//! all rows of the match. Either becomes a [`MatchRef`], and the expression reads it as a
//! column. FIRST, LAST and aggregates say which rows are meant.

use weir_core::types::TimeAttribute;
use weir_core::{DataType, Error, Result, Value};
use weir_functions::Expr;
use weir_parser::ast::{self, ArgValue, ExprKind};
use weir_parser::print_expr;
use weir_spec::{AggregateCall, MatchRef};

use crate::bind::at::At;
use crate::bind::expr_binder::ExprBinder;
use crate::bind::syntax::{function_name, is_aggregate};
use crate::bind::typed::make_call;

impl ExprBinder<'_, '_> {
    /// Binds what means something else inside MATCH_RECOGNIZE; `None`: nothing does here.
    pub(crate) fn bind_matched(&mut self, e: &ast::Expr) -> Result<Option<Expr>> {
        let Some(m) = self.matching.as_deref() else { return Ok(None) };
        let defining = m.defining.is_some();
        match &e.kind {
            ExprKind::Identifier(name) => self.matched_column(name).map(Some),
            ExprKind::MatchSemantics { .. } if defining => {
                Err(Error::validation("Cannot use RUNNING/FINAL in DEFINE"))
            }
            ExprKind::MatchSemantics { is_final: false, .. } => {
                Err(Error::unsupported("RUNNING in MEASURES (Flink has no code for it either)")
                    .hint("with ONE ROW PER MATCH it means the same as FINAL: leave it out"))
            }
            ExprKind::MatchSemantics { expr, .. } => self.bind(expr).map(Some),
            ExprKind::Subquery(_) => Err(Error::unsupported("a subquery inside MATCH_RECOGNIZE")),
            _ if is_aggregate(e) && !m.aggregating => self.matched_aggregate(e).map(Some),
            ExprKind::Function(call) if call.over.is_none() => self.matched_function(call),
            _ => Ok(None),
        }
    }

    fn matched_column(&mut self, name: &ast::ObjectName) -> Result<Expr> {
        let Some(m) = self.matching.as_deref_mut() else {
            return Err(Error::internal("not inside MATCH_RECOGNIZE"));
        };
        let mut variable = None;
        let mut rest = name.clone();
        if let [first, _, ..] = name.0.as_slice() {
            variable = m.variable(&first.value);
            let is_column = self.scope.columns.iter().any(|c| c.name == first.value);
            if variable.is_some() {
                rest.0.remove(0);
            } else if !is_column {
                let names: Vec<&str> = m.pattern.iter().map(|t| t.name.as_str()).collect();
                return Err(Error::validation(format!("Table '{}' not found", first.value))
                    .hint(format!("the pattern variables are {}", names.join(", "))))
                .at(first.span);
            }
        }
        let value = self.scope.resolve(&rest)?;
        if !m.named.contains(&variable) {
            m.named.push(variable);
        }
        if m.aggregating {
            return Ok(value);
        }
        Ok(value.map_columns(&mut |column, ty| m.field(variable, column, ty)))
    }

    /// Runs `f` and returns the one variable that it named, after its result.
    fn one_variable<T>(
        &mut self,
        shown: &ast::Expr,
        f: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<(T, Option<Option<usize>>)> {
        let outer = self.matching.as_deref_mut().map(|m| std::mem::take(&mut m.named));
        let result = f(self);
        let mut named = outer.unwrap_or_default();
        if let Some(m) = self.matching.as_deref_mut() {
            std::mem::swap(&mut named, &mut m.named);
        }
        let result = result?;
        match named.as_slice() {
            [] => Ok((result, None)),
            [one] => {
                if let Some(m) = self.matching.as_deref_mut()
                    && !m.named.contains(one)
                {
                    m.named.push(*one);
                }
                Ok((result, Some(*one)))
            }
            _ => Err(Error::validation(format!(
                "Multiple pattern variables in '{}'",
                print_expr(shown)
            ))),
        }
    }

    fn matched_aggregate(&mut self, e: &ast::Expr) -> Result<Expr> {
        let mut star = false;
        if let ExprKind::Function(call) = &e.kind {
            if call.quantifier.is_some() {
                return Err(Error::validation(format!(
                    "DISTINCT/ALL not allowed with {} function in MATCH_RECOGNIZE",
                    print_expr(e)
                )));
            }
            if call.filter.is_some() {
                return Err(Error::unsupported("FILTER in MATCH_RECOGNIZE")
                    .hint("aggregate CASE WHEN .. THEN .. END"));
            }
            star = matches!(call.args.as_slice(), [a] if matches!(a.value, ArgValue::Star));
        }
        if self.matching.as_deref().is_some_and(|m| m.navigating) {
            return Err(Error::validation("an aggregate inside FIRST or LAST"));
        }
        let (bound, variable) = self.one_variable(e, |b| {
            b.set_aggregating(true);
            let bound = b.aggregate_parts(e);
            b.set_aggregating(false);
            bound
        })?;
        let variable = match variable {
            Some(v) => v,
            None if star => None,
            None => {
                return Err(Error::validation(format!(
                    "No pattern variable specified in aggregate: Null parameters in '{}'",
                    print_expr(e)
                ))
                .hint("name a column, as in COUNT(A.x), or write COUNT(*)"));
            }
        };
        let literal = |a: &Expr| a.as_literal().cloned();
        // A variable may have no rows, so only counts and collections are never NULL.
        let sure = ["COUNT", "APPROX_COUNT_DISTINCT", "COLLECT"];
        let ty = match sure.contains(&bound.function.as_str()) {
            true => bound.ty.not_null(),
            false => bound.ty.null(),
        };
        let call = AggregateCall {
            function: bound.function,
            args: (0..bound.args.len()).collect(),
            literals: bound.args.iter().map(literal).collect(),
            distinct: false,
            filter: None,
            order_by: Vec::new(),
            ty: ty.clone(),
            name: "EXPR$0".to_owned(),
        };
        let Some(m) = self.matching.as_deref_mut() else {
            return Err(Error::internal("not inside MATCH_RECOGNIZE"));
        };
        Ok(m.register(MatchRef::Aggregate { variable, args: bound.args, call }, ty))
    }

    fn set_aggregating(&mut self, on: bool) {
        self.in_aggregate = on;
        if let Some(m) = self.matching.as_deref_mut() {
            m.aggregating = on;
        }
    }

    fn matched_function(&mut self, call: &ast::FunctionCall) -> Result<Option<Expr>> {
        let name = function_name(call);
        Ok(Some(match name.as_str() {
            "FIRST" | "LAST" => self.navigation(call, name == "FIRST")?,
            "PREV" | "NEXT" => self.physical_navigation(call, &name)?,
            "MATCH_ROWTIME" => self.match_rowtime(call)?,
            "MATCH_PROCTIME" => make_call("PROCTIME", vec![])?,
            "CLASSIFIER" => {
                return Err(Error::unsupported("CLASSIFIER() (Flink has no code for it either)"));
            }
            _ => return Ok(None),
        }))
    }

    /// `FIRST(x [, n])`, `LAST(x [, n])`.
    fn navigation(&mut self, call: &ast::FunctionCall, first: bool) -> Result<Expr> {
        let (value, offset) = self.navigation_arguments(call, 0)?;
        let shown = ast::Expr { kind: ExprKind::Function(Box::new(call.clone())), span: call.span };
        if self.matching.as_deref().is_some_and(|m| m.navigating) {
            return Err(Error::validation(format!(
                "Cannot nest PREV/NEXT under LAST/FIRST '{}'",
                print_expr(&shown)
            )));
        }
        let enter = |b: &mut Self, first, offset, navigating| {
            if let Some(m) = b.matching.as_deref_mut() {
                (m.first, m.offset, m.navigating) = (first, offset, navigating);
            }
        };
        let (bound, variable) = self.one_variable(&shown, |b| {
            enter(b, first, offset, true);
            let bound = b.bind(value);
            enter(b, false, 0, false);
            bound
        })?;
        if variable.is_none() {
            return Err(Error::validation(format!("Null parameters in '{}'", print_expr(&shown))));
        }
        Ok(bound)
    }

    fn physical_navigation(&mut self, call: &ast::FunctionCall, name: &str) -> Result<Expr> {
        let (value, offset) = self.navigation_arguments(call, 1)?;
        if self.matching.as_deref().is_some_and(|m| m.defining.is_none()) {
            return Err(Error::validation(format!("Cannot use PREV/NEXT in MEASURE '{name}'"))
                .hint("LAST(x, 1) is the row before the last one of the variable"));
        }
        if offset != 0 {
            return Err(Error::validation(
                "Flink does not support physical offsets within partition.",
            )
            .hint(format!("write LAST(x, 1) instead of {name}(x)")));
        }
        self.bind(value)
    }

    fn navigation_arguments<'c>(
        &self,
        call: &'c ast::FunctionCall,
        default: u32,
    ) -> Result<(&'c ast::Expr, u32)> {
        let name = function_name(call);
        let values: Vec<&ast::Expr> = call
            .args
            .iter()
            .filter_map(|a| match &a.value {
                ArgValue::Expr(e) if a.name.is_none() => Some(e),
                _ => None,
            })
            .collect();
        match values.as_slice() {
            [value] if call.args.len() == 1 => Ok((value, default)),
            [value, offset] => match self.binder.constant(offset).map(|c| c.0) {
                Ok(Value::Int(n)) if u32::try_from(n).is_ok() => Ok((value, n as u32)),
                _ => Err(Error::validation(format!(
                    "the offset of {name} is a number of rows, such as {name}(x, 1)"
                )))
                .at(offset.span),
            },
            _ => Err(Error::validation(format!("{name} takes a value and an offset"))),
        }
    }

    /// `MATCH_ROWTIME([time attribute])`
    fn match_rowtime(&mut self, call: &ast::FunctionCall) -> Result<Expr> {
        let ty = match call.args.as_slice() {
            [] => DataType::timestamp(3).not_null().with_time_attribute(TimeAttribute::Rowtime),
            [a] => {
                let ArgValue::Expr(e) = &a.value else {
                    return Err(Error::validation("MATCH_ROWTIME takes a time attribute"));
                };
                let ty = self.bind(e)?.ty().clone();
                if ty.time_attribute() != TimeAttribute::Rowtime {
                    return Err(Error::validation(format!(
                        "The function MATCH_ROWTIME requires argument to be a row time attribute type, but is '{ty}'."
                    )))
                    .at(a.span);
                }
                ty
            }
            _ => return Err(Error::validation("MATCH_ROWTIME takes at most one argument")),
        };
        let Some(m) = self.matching.as_deref_mut() else {
            return Err(Error::internal("not inside MATCH_RECOGNIZE"));
        };
        Ok(m.register(MatchRef::Rowtime, ty))
    }
}
