//! Expressions behind GROUP BY: aggregate calls, keys, GROUPING, the columns of group windows.

use weir_core::{DataType, Error, Result, Value};
use weir_functions::Expr;
use weir_parser::ast::{self, ArgValue, ExprKind};

use super::aggregate_call::{BoundCall, SortExpr, resolve_call};
use super::at::At;
use super::call::on_null_literal;
use super::expr_binder::ExprBinder;
use super::grouping::over_keys;
use super::stand_in::WINDOW;
use super::syntax::{children, function_name, is_aggregate, is_over};
use super::typed::make_call;

fn needs_grouped_walk(e: &ast::Expr) -> bool {
    is_aggregate(e)
        || is_over(e)
        || matches!(
            &e.kind,
            ExprKind::Subquery(_)
                | ExprKind::InSubquery { .. }
                | ExprKind::Exists(_)
                | ExprKind::Quantified { .. }
        )
        || matches!(&e.kind, ExprKind::Function(c) if is_group_function(&function_name(c)))
        || children(e).into_iter().any(needs_grouped_walk)
}

const GROUP_FUNCTIONS: [&str; 3] = ["GROUPING", "GROUPING_ID", "GROUP_ID"];

fn is_group_function(name: &str) -> bool {
    GROUP_FUNCTIONS.contains(&name) || window_part(name).is_some()
}

/// `TUMBLE_START` and its kin: (window function, which column).
fn window_part(name: &str) -> Option<(&'static str, usize)> {
    ["TUMBLE", "HOP", "SESSION"].into_iter().find_map(|w| {
        let part = name.strip_prefix(w)?.strip_prefix('_')?;
        let column = match part {
            "START" => 0,
            "END" => 1,
            "ROWTIME" | "PROCTIME" => 2,
            _ => return None,
        };
        Some((w, column))
    })
}

impl ExprBinder<'_, '_> {
    /// Binds behind GROUP BY; `None` when the node has to be taken apart further.
    pub(super) fn bind_grouped(&mut self, e: &ast::Expr) -> Result<Option<Expr>> {
        if let Some(g) = self.grouping.as_deref()
            && let Some((_, at)) = g.written.iter().find(|(written, _)| written == e)
        {
            return Ok(Some(Expr::column(*at, g.key_type(*at))));
        }
        if is_aggregate(e) {
            let call = self.aggregate_call(e).at(e.span)?;
            return Ok(self.grouping.as_deref_mut().map(|g| g.register(call)));
        }
        if let ExprKind::Function(call) = &e.kind {
            let name = function_name(call);
            if call.over.is_none() && is_group_function(&name) {
                return self.group_function(call, &name).at(e.span).map(Some);
            }
        }
        if needs_grouped_walk(e) {
            return Ok(None);
        }
        let bound = {
            let mut plain = ExprBinder {
                binder: self.binder,
                scope: self.scope,
                pending: &mut *self.pending,
                grouping: None,
                windows: self.windows,
                in_aggregate: false,
                matching: None,
            };
            plain.bind(e)?
        };
        let Some(g) = self.grouping.as_deref() else { return Ok(Some(bound)) };
        match over_keys(bound, g) {
            Ok(expr) => Ok(Some(expr)),
            Err(column) => {
                let name = self.scope.columns.get(column).map_or("?", |c| c.name.as_str());
                Err(Error::validation(format!("Expression '{name}' is not being grouped"))
                    .hint(format!("add {name} to GROUP BY, or aggregate it, as in MAX({name})")))
                .at(e.span)
            }
        }
    }

    /// Binds the parts of an aggregate call over the FROM clause.
    fn aggregate_call(&mut self, e: &ast::Expr) -> Result<BoundCall> {
        // Subqueries of arguments belong in front of the grouping.
        let mut pending = self
            .grouping
            .as_deref_mut()
            .map(|g| std::mem::take(&mut g.pending))
            .unwrap_or_default();
        let mut inner = ExprBinder {
            binder: self.binder,
            scope: self.scope,
            pending: &mut pending,
            grouping: None,
            windows: &[],
            in_aggregate: true,
            matching: None,
        };
        let parts = inner.aggregate_parts(e);
        match self.grouping.as_deref_mut() {
            Some(g) => g.pending = pending,
            None => self.pending.subqueries.extend(pending.subqueries),
        }
        parts
    }

    pub(super) fn aggregate_parts(&mut self, e: &ast::Expr) -> Result<BoundCall> {
        match &e.kind {
            ExprKind::Function(call) => {
                let name = function_name(call);
                let star = matches!(call.args.as_slice(), [a] if matches!(a.value, ArgValue::Star));
                super::call::plain_star(call, star)?;
                let args = if star { vec![] } else { self.arguments(call)? };
                let distinct = call.quantifier == Some(ast::SetQuantifier::Distinct);
                if !call.within_group.is_empty() {
                    return Err(Error::validation(format!(
                        "Aggregate expression '{name}' must not contain a WITHIN GROUP clause"
                    )));
                }
                let order_by = self.sort_items(&call.order_by)?;
                let filter = call.filter.as_ref().map(|f| self.bind_condition(f)).transpose()?;
                resolve_call(&name, args, distinct, filter, order_by)
            }
            ExprKind::JsonObjectAgg { entry, on_null, filter, .. } => {
                let clause = on_null_literal(*on_null, ast::JsonOnNull::Null);
                let value = json_text(self.bind(&entry.value)?)?;
                let args = vec![self.bind(&entry.key)?, value, clause];
                let filter = filter.as_ref().map(|f| self.bind_condition(f)).transpose()?;
                resolve_call("JSON_OBJECTAGG", args, false, filter, vec![])
            }
            ExprKind::JsonArrayAgg { item, order_by, on_null, filter, .. } => {
                let clause = on_null_literal(*on_null, ast::JsonOnNull::Absent);
                let args = vec![json_text(self.bind(item)?)?, clause];
                let order_by = self.sort_items(order_by)?;
                let filter = filter.as_ref().map(|f| self.bind_condition(f)).transpose()?;
                resolve_call("JSON_ARRAYAGG", args, false, filter, order_by)
            }
            _ => Err(Error::internal("not an aggregate")),
        }
    }

    pub(super) fn sort_items(&mut self, items: &[ast::OrderByExpr]) -> Result<Vec<SortExpr>> {
        items
            .iter()
            .map(|o| Ok((self.bind(&o.expr)?, o.desc, o.nulls_first.unwrap_or(!o.desc))))
            .collect()
    }

    /// GROUPING(..) and the auxiliary functions of group windows.
    fn group_function(&mut self, call: &ast::FunctionCall, name: &str) -> Result<Expr> {
        if let Some((window, column)) = window_part(name) {
            let Some((spec, group_call)) = self.grouping.as_deref().and_then(|g| g.window.as_ref())
            else {
                return Err(Error::validation(format!(
                    "{name} needs {window}(..) with the same arguments in GROUP BY"
                )));
            };
            if function_name(group_call) != window || group_call.args != call.args {
                return Err(Error::validation(format!(
                    "the arguments of {name} differ from those of the group window"
                )));
            }
            let ty = match column {
                2 => spec.time_type.clone().null(),
                _ => DataType::timestamp(3).not_null(),
            };
            return Ok(Expr::column(WINDOW + column, ty));
        }
        let args: Vec<Expr> = call
            .args
            .iter()
            .filter_map(|a| match &a.value {
                ArgValue::Expr(e) => Some(self.bind(e)),
                _ => None,
            })
            .collect::<Result<_>>()?;
        let ty = DataType::bigint().not_null();
        let Some(g) = self.grouping.as_deref() else {
            return Err(Error::validation(format!("{name} needs GROUP BY")));
        };
        let Some(sets) = &g.sets else { return Ok(Expr::literal(Value::Int(0), ty)) };
        let of_set: Vec<i64> = if name == "GROUP_ID" {
            // Which one of equal sets this is.
            (0..sets.len())
                .map(|i| sets[..i].iter().filter(|s| **s == sets[i]).count() as i64)
                .collect()
        } else {
            let key = |a: &Expr| match a {
                Expr::Column { index, .. } if *index < g.keys.len() => Ok(*index),
                _ => {
                    Err(Error::validation(format!("the argument of {name} is no GROUP BY column")))
                }
            };
            let keys = args.iter().map(key).collect::<Result<Vec<_>>>()?;
            let bits =
                |set: &Vec<bool>| keys.iter().fold(0i64, |b, &k| b << 1 | i64::from(!set[k]));
            sets.iter().map(bits).collect()
        };
        // The set's number is a column; what is asked for follows from the number.
        let set_column = Expr::column(g.keys.len(), ty.clone());
        let mut branches = Vec::new();
        for (i, value) in of_set.into_iter().enumerate() {
            let number = Expr::literal(Value::Int(i as i64), ty.clone());
            let condition = make_call("=", vec![set_column.clone(), number])?;
            branches.push((condition, Expr::literal(Value::Int(value), ty.clone())));
        }
        let otherwise = Box::new(Expr::literal(Value::Int(0), ty.clone()));
        Ok(Expr::Case { branches, otherwise, ty })
    }
}

/// What the JSON aggregates gather: the JSON text of every value.
fn json_text(value: Expr) -> Result<Expr> {
    make_call("JSON_STRING", vec![value])
}
