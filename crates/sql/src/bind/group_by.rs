//! The GROUP BY clause: keys, grouping sets, group windows.

use weir_core::types::TimeAttribute;
use weir_core::{Error, Result, Value};
use weir_functions::Expr;
use weir_parser::ast::{self, ArgValue, ExprKind, GroupingElement};
use weir_spec::{WindowKind, WindowSpec};

use super::at::At;
use super::binder::Binder;
use super::expr_binder::ExprBinder;
use super::grouping::Grouping;
use super::pending::Pending;
use super::scope::Scope;
use super::syntax::{function_name, has_aggregate};

impl Binder<'_> {
    /// Binds GROUP BY over the FROM clause.
    pub(super) fn bind_grouping(
        &self,
        group_by: Option<&ast::GroupBy>,
        scope: &Scope<'_>,
        items: &[ast::SelectItem],
    ) -> Result<Grouping> {
        let mut g = Grouping {
            keys: vec![],
            calls: vec![],
            window: None,
            sets: None,
            pending: Pending::default(),
            written: vec![],
        };
        let Some(group_by) = group_by else { return Ok(g) };
        let simple = group_by
            .elements
            .iter()
            .all(|e| matches!(e, GroupingElement::Expr(_) | GroupingElement::Exprs(_)));
        let mut sets: Vec<Vec<usize>> = vec![vec![]];
        for element in &group_by.elements {
            let own = self.grouping_element(element, scope, items, &mut g)?;
            sets = sets
                .iter()
                .flat_map(|a| own.iter().map(move |b| a.iter().chain(b).copied().collect()))
                .collect();
        }
        if !simple {
            let flags =
                sets.iter().map(|s| (0..g.keys.len()).map(|k| s.contains(&k)).collect()).collect();
            g.sets = Some(flags);
        }
        Ok(g)
    }

    /// The grouping sets (as key positions) that an element stands for.
    fn grouping_element(
        &self,
        element: &GroupingElement,
        scope: &Scope<'_>,
        items: &[ast::SelectItem],
        g: &mut Grouping,
    ) -> Result<Vec<Vec<usize>>> {
        let part = |e: &GroupingElement, g: &mut Grouping| -> Result<Vec<usize>> {
            Ok(self.grouping_element(e, scope, items, g)?.into_iter().flatten().collect())
        };
        Ok(match element {
            GroupingElement::Empty => vec![vec![]],
            GroupingElement::Expr(e) => vec![self.group_key(e, scope, items, g)?],
            GroupingElement::Exprs(list) => {
                let mut set = Vec::new();
                for e in list {
                    set.extend(self.group_key(e, scope, items, g)?);
                }
                vec![set]
            }
            GroupingElement::GroupingSets(list) => {
                let mut sets = Vec::new();
                for e in list {
                    sets.extend(self.grouping_element(e, scope, items, g)?);
                }
                sets
            }
            GroupingElement::Rollup(list) => {
                let parts = list.iter().map(|e| part(e, g)).collect::<Result<Vec<_>>>()?;
                (0..=parts.len()).rev().map(|n| parts[..n].concat()).collect()
            }
            GroupingElement::Cube(list) => {
                let parts = list.iter().map(|e| part(e, g)).collect::<Result<Vec<_>>>()?;
                if parts.len() > 12 {
                    return Err(Error::validation("CUBE takes at most 12 elements"));
                }
                (0..1usize << parts.len())
                    .rev()
                    .map(|bits| {
                        (0..parts.len())
                            .filter(|i| bits >> (parts.len() - 1 - i) & 1 == 1)
                            .flat_map(|i| parts[i].clone())
                            .collect()
                    })
                    .collect()
            }
        })
    }

    fn group_key(
        &self,
        e: &ast::Expr,
        scope: &Scope<'_>,
        items: &[ast::SelectItem],
        g: &mut Grouping,
    ) -> Result<Vec<usize>> {
        if let ExprKind::Function(call) = &e.kind {
            let name = function_name(call);
            if ["TUMBLE", "HOP", "SESSION"].contains(&name.as_str()) {
                if g.window.is_some() {
                    return Err(Error::validation("only one group window is allowed")).at(e.span);
                }
                g.window =
                    Some((self.group_window(call, &name, scope).at(e.span)?, (**call).clone()));
                return Ok(vec![]);
            }
        }
        let e = group_item(e, items);
        if has_aggregate(e) {
            return Err(Error::validation("GROUP BY must not contain an aggregate")).at(e.span);
        }
        if let Some((_, at)) = g.written.iter().find(|(written, _)| written == e) {
            return Ok(vec![*at]);
        }
        let before = g.pending.subqueries.len();
        let key = ExprBinder::new(self, scope, &mut g.pending).bind(e)?;
        if !g.pending.over.is_empty() {
            return Err(Error::validation("OVER is not allowed in GROUP BY")
                .hint("compute it in a subquery"))
            .at(e.span);
        }
        let at = g.keys.iter().position(|k| *k == key).unwrap_or_else(|| {
            g.keys.push(key);
            g.keys.len() - 1
        });
        if g.pending.subqueries.len() > before {
            g.written.push((e.clone(), at));
        }
        Ok(vec![at])
    }

    /// `TUMBLE(time, size)`, `HOP(time, slide, size)`, `SESSION(time, gap)` in GROUP BY.
    fn group_window(
        &self,
        call: &ast::FunctionCall,
        name: &str,
        scope: &Scope<'_>,
    ) -> Result<WindowSpec> {
        let mut args = Vec::new();
        for a in &call.args {
            let ArgValue::Expr(e) = &a.value else {
                return Err(Error::validation("a group window takes a time column and intervals"));
            };
            args.push((e, e.span));
        }
        let Some(((time, _), rest)) = args.split_first() else {
            return Err(Error::validation(format!("{name} needs a time column")));
        };
        let mut pending = Pending::default();
        let time_expr = ExprBinder::new(self, scope, &mut pending).bind(time)?;
        let attribute = time_expr.ty().time_attribute();
        let Expr::Column { index, .. } = time_expr else {
            return Err(Error::validation("a group window needs a time attribute column"));
        };
        if attribute == TimeAttribute::None {
            return Err(Error::validation(
                "Window aggregate can only be defined over a time attribute column, but this column is no time attribute",
            )
            .hint("declare WATERMARK FOR it in its CREATE TABLE"));
        }
        let lengths =
            rest.iter().map(|(e, _)| self.interval_millis(e)).collect::<Result<Vec<_>>>()?;
        let kind = match (name, lengths.as_slice()) {
            ("TUMBLE", [size]) => WindowKind::Tumble { size: *size, offset: 0 },
            ("HOP", [slide, size]) => WindowKind::Hop { slide: *slide, size: *size, offset: 0 },
            ("SESSION", [gap]) => WindowKind::Session { gap: *gap, partition: vec![] },
            _ => {
                return Err(Error::validation(format!("wrong number of arguments for {name}")));
            }
        };
        Ok(WindowSpec {
            kind,
            time_column: index,
            event_time: attribute == TimeAttribute::Rowtime,
            time_type: time_expr.ty().clone(),
        })
    }

    /// A constant day-time interval in milliseconds.
    pub(super) fn interval_millis(&self, e: &ast::Expr) -> Result<i64> {
        match self.constant(e)? {
            (Value::Millis(m), _) if m > 0 => Ok(m),
            (Value::Millis(_), _) => {
                Err(Error::validation("a window length must be positive")).at(e.span)
            }
            _ => Err(Error::validation("expected an interval such as INTERVAL '10' SECOND"))
                .at(e.span),
        }
    }
}

/// GROUP BY an alias or an ordinal of the select list means that item.
fn group_item<'e>(e: &'e ast::Expr, items: &'e [ast::SelectItem]) -> &'e ast::Expr {
    let ExprKind::Literal(ast::Literal::Number(n)) = &e.kind else { return e };
    let item = n.parse::<usize>().ok().and_then(|n| items.get(n.checked_sub(1)?));
    match item {
        Some(ast::SelectItem::Expr { expr, .. }) => expr,
        _ => e,
    }
}
