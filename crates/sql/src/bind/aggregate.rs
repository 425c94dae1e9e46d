//! GROUP BY: keys, aggregate calls, grouping sets, group windows.

use weir_core::types::TimeAttribute;
use weir_core::{DataType, Error, Field, Result, Schema, Value};
use weir_functions::{ArgType, Expr};
use weir_parser::ast::{self, ArgValue, ExprKind, GroupingElement};
use weir_spec::{AggregateCall, SortKey, WindowKind, WindowSpec};

use super::call::{function_name, is_aggregate, is_over, on_null_literal};
use super::expr::{ExprBinder, Pending, children};
use super::{At, Binder, Scope, coerce};
use crate::rel::{Rel, RelOp};

/// Columns from here on stand for window_start, window_end, window_time of a group window.
pub(crate) const WINDOW: usize = 1 << 35;

/// A sort item over expressions: (value, descending, nulls first).
pub(crate) type SortExpr = (Expr, bool, bool);

/// An aggregate whose arguments are still expressions over the FROM clause.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BoundCall {
    pub function: String,
    pub args: Vec<Expr>,
    pub distinct: bool,
    pub filter: Option<Expr>,
    pub order_by: Vec<SortExpr>,
    pub ty: DataType,
}

/// What GROUP BY means for the clauses behind it.
pub(crate) struct Grouping {
    /// Key expressions over the FROM clause.
    pub keys: Vec<Expr>,
    /// Aggregates found so far.
    pub calls: Vec<BoundCall>,
    /// TUMBLE, HOP or SESSION in GROUP BY, with the call's syntax.
    pub window: Option<(WindowSpec, ast::FunctionCall)>,
    /// Which keys each grouping set has; `None` without grouping sets.
    pub sets: Option<Vec<Vec<bool>>>,
}

impl Grouping {
    /// Where the calls start in the output.
    fn calls_at(&self) -> usize {
        self.keys.len() + usize::from(self.sets.is_some())
    }

    fn key_type(&self, i: usize) -> DataType {
        let ty = self.keys[i].ty().clone();
        if self.sets.is_some() { ty.null() } else { ty }
    }

    /// The output column of a call, registered once.
    fn register(&mut self, call: BoundCall) -> Expr {
        let at = self.calls.iter().position(|c| *c == call).unwrap_or_else(|| {
            self.calls.push(call.clone());
            self.calls.len() - 1
        });
        Expr::column(self.calls_at() + at, call.ty)
    }
}

/// Whether an expression contains an aggregate call outside of subqueries and OVER calls' own function.
pub(crate) fn has_aggregate(e: &ast::Expr) -> bool {
    is_aggregate(e) || over_parts(e).into_iter().any(has_aggregate)
}

/// Children, for OVER calls with the window's expressions too.
fn over_parts(e: &ast::Expr) -> Vec<&ast::Expr> {
    let mut parts = children(e);
    if let ExprKind::Function(call) = &e.kind
        && let Some(ast::WindowRef::Spec(spec)) = &call.over
    {
        parts.extend(&spec.partition_by);
        parts.extend(spec.order_by.iter().map(|o| &o.expr));
    }
    parts
}

fn needs_grouped_walk(e: &ast::Expr) -> bool {
    is_aggregate(e)
        || is_over(e)
        || matches!(&e.kind, ExprKind::Subquery(_))
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

impl<'s> Binder<'s> {
    /// Binds GROUP BY over the FROM clause.
    pub(super) fn bind_grouping(
        &self,
        group_by: Option<&ast::GroupBy>,
        scope: &Scope<'_>,
        items: &[ast::SelectItem],
    ) -> Result<Grouping> {
        let mut g = Grouping { keys: vec![], calls: vec![], window: None, sets: None };
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
        let mut pending = Pending::default();
        let key = ExprBinder::new(self, scope, &mut pending).bind(e)?;
        if !pending.is_empty() {
            return Err(Error::unsupported("a subquery or OVER in GROUP BY")).at(e.span);
        }
        let at = g.keys.iter().position(|k| *k == key).unwrap_or_else(|| {
            g.keys.push(key);
            g.keys.len() - 1
        });
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

impl ExprBinder<'_, '_> {
    /// Binds behind GROUP BY; `None` when the node has to be taken apart further.
    pub(super) fn bind_grouped(&mut self, e: &ast::Expr) -> Result<Option<Expr>> {
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
        let mut inner = ExprBinder {
            binder: self.binder,
            scope: self.scope,
            pending: &mut *self.pending,
            grouping: None,
            windows: &[],
            in_aggregate: true,
        };
        inner.aggregate_parts(e)
    }

    pub(super) fn aggregate_parts(&mut self, e: &ast::Expr) -> Result<BoundCall> {
        match &e.kind {
            ExprKind::Function(call) => {
                let name = function_name(call);
                let star = matches!(call.args.as_slice(), [a] if matches!(a.value, ArgValue::Star));
                let args = if star { vec![] } else { self.arguments(call)? };
                let distinct = call.quantifier == Some(ast::SetQuantifier::Distinct);
                let sorted =
                    if call.within_group.is_empty() { &call.order_by } else { &call.within_group };
                let order_by = self.sort_items(sorted)?;
                let filter = call.filter.as_ref().map(|f| self.bind_condition(f)).transpose()?;
                resolve_call(&name, args, distinct, filter, order_by)
            }
            ExprKind::JsonObjectAgg { entry, on_null, filter, .. } => {
                let clause = on_null_literal(*on_null, ast::JsonOnNull::Null);
                let args = vec![self.bind(&entry.key)?, self.bind(&entry.value)?, clause];
                let filter = filter.as_ref().map(|f| self.bind_condition(f)).transpose()?;
                resolve_call("JSON_OBJECTAGG", args, false, filter, vec![])
            }
            ExprKind::JsonArrayAgg { item, order_by, on_null, filter, .. } => {
                let clause = on_null_literal(*on_null, ast::JsonOnNull::Absent);
                let args = vec![self.bind(item)?, clause];
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
                2 => spec.time_type.clone().not_null(),
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
        let keys: Vec<usize> = if name == "GROUP_ID" {
            return Ok(Expr::literal(Value::Int(0), ty));
        } else {
            args.iter()
                .map(|a| match a {
                    Expr::Column { index, .. } if *index < g.keys.len() => Ok(*index),
                    _ => Err(Error::validation(format!(
                        "the argument of {name} is no GROUP BY column"
                    ))),
                })
                .collect::<Result<_>>()?
        };
        // The set's number is a column; its bits follow from the number.
        let set_column = Expr::column(g.keys.len(), ty.clone());
        let mut branches = Vec::new();
        for (i, set) in sets.iter().enumerate() {
            let bits = keys.iter().fold(0i64, |b, &k| b << 1 | i64::from(!set[k]));
            let number = Expr::literal(Value::Int(i as i64), ty.clone());
            let condition = super::make_call("=", vec![set_column.clone(), number])?;
            branches.push((condition, Expr::literal(Value::Int(bits), ty.clone())));
        }
        let otherwise = Box::new(Expr::literal(Value::Int(0), ty.clone()));
        Ok(Expr::Case { branches, otherwise, ty })
    }
}

/// Applies the registry's typing rules to an aggregate call.
pub(super) fn resolve_call(
    name: &str,
    args: Vec<Expr>,
    distinct: bool,
    filter: Option<Expr>,
    order_by: Vec<SortExpr>,
) -> Result<BoundCall> {
    let types: Vec<ArgType<'_>> = args
        .iter()
        .map(|a| ArgType {
            ty: a.ty(),
            literal: match a {
                Expr::Literal { value, .. } => Some(value),
                _ => None,
            },
        })
        .collect();
    let signature = weir_functions::resolve_aggregate(name, &types, distinct)?;
    let args = args.into_iter().zip(&signature.arg_types).map(|(a, ty)| coerce(a, ty)).collect();
    Ok(BoundCall {
        function: signature.name,
        args,
        distinct,
        filter,
        order_by,
        ty: signature.return_type,
    })
}

/// Rewrites an expression over the FROM clause to one over the keys; the first
/// column that is no key is the error.
fn over_keys(e: Expr, g: &Grouping) -> Result<Expr, usize> {
    if let Some(i) = g.keys.iter().position(|k| *k == e) {
        return Ok(Expr::column(i, g.key_type(i)));
    }
    Ok(match e {
        Expr::Column { index, ty } if index >= super::scope::OUTER => Expr::Column { index, ty },
        Expr::Column { index, .. } => return Err(index),
        Expr::Literal { .. } => e,
        Expr::Call { function, args, ty } => Expr::Call {
            function,
            args: args.into_iter().map(|a| over_keys(a, g)).collect::<Result<_, _>>()?,
            ty,
        },
        Expr::Cast { arg, ty, safe } => Expr::Cast { arg: Box::new(over_keys(*arg, g)?), ty, safe },
        Expr::Field { arg, index, ty } => {
            Expr::Field { arg: Box::new(over_keys(*arg, g)?), index, ty }
        }
        Expr::Case { branches, otherwise, ty } => Expr::Case {
            branches: branches
                .into_iter()
                .map(|(c, r)| Ok((over_keys(c, g)?, over_keys(r, g)?)))
                .collect::<Result<_, usize>>()?,
            otherwise: Box::new(over_keys(*otherwise, g)?),
            ty,
        },
    })
}

/// Collects expressions as columns of a projection, each once.
#[derive(Default)]
pub(crate) struct Projection {
    pub exprs: Vec<Expr>,
    /// Columns before this one are not reused.
    pub first_argument: usize,
}

impl Projection {
    pub fn add(&mut self, e: &Expr) -> usize {
        let found = self.exprs.iter().skip(self.first_argument).position(|x| x == e);
        found.map_or_else(
            || {
                self.exprs.push(e.clone());
                self.exprs.len() - 1
            },
            |at| at + self.first_argument,
        )
    }

    pub fn sort_keys(&mut self, items: &[SortExpr]) -> Vec<SortKey> {
        items
            .iter()
            .map(|(e, descending, nulls_first)| SortKey {
                column: self.add(e),
                descending: *descending,
                nulls_first: *nulls_first,
            })
            .collect()
    }

    /// Like [`Projection::onto`], keeping the names of the input's own columns.
    pub fn onto_named(self, input: Rel) -> Rel {
        let own = input.schema.len();
        let names = (0..self.exprs.len())
            .map(|i| match i < own {
                true => input.schema.fields[i].name.clone(),
                false => format!("$f{i}"),
            })
            .collect();
        input.project(self.exprs, names)
    }

    pub fn onto(self, input: Rel) -> Rel {
        let names = (0..self.exprs.len()).map(|i| format!("$f{i}")).collect();
        input.project(self.exprs, names)
    }

    /// The call over the projection's columns.
    pub fn call(&mut self, c: &BoundCall, name: String) -> AggregateCall {
        let literals = c
            .args
            .iter()
            .map(|a| match a {
                Expr::Literal { value, .. } => Some(value.clone()),
                _ => None,
            })
            .collect();
        AggregateCall {
            function: c.function.clone(),
            args: c.args.iter().map(|a| self.add(a)).collect(),
            literals,
            distinct: c.distinct,
            filter: c.filter.as_ref().map(|f| self.add(f)),
            order_by: self.sort_keys(&c.order_by),
            ty: c.ty.clone(),
            name,
        }
    }
}

/// The plan of a grouping over its input; output = keys, (set number), calls, (window columns).
pub(crate) fn aggregate_rel(input: Rel, g: &Grouping) -> Result<Rel> {
    let mut projection = Projection::default();
    projection.exprs.extend(g.keys.iter().cloned());
    if g.sets.is_some() {
        // An argument equal to a key must not become NULL with it.
        projection.first_argument = g.keys.len();
    }
    let mut calls: Vec<AggregateCall> =
        g.calls.iter().enumerate().map(|(i, c)| projection.call(c, format!("EXPR${i}"))).collect();
    let mut fields: Vec<Field> =
        (0..g.keys.len()).map(|i| Field::new(format!("$k{i}"), g.key_type(i))).collect();
    let mut keys: Vec<usize> = (0..g.keys.len()).collect();
    let window = g.window.as_ref().map(|(spec, _)| {
        let mut spec = spec.clone();
        let time = Expr::column(spec.time_column, spec.time_type.clone());
        spec.time_column = projection.add(&time);
        spec
    });
    if g.window.is_some() && g.sets.is_some() {
        return Err(Error::unsupported("GROUPING SETS together with a group window"));
    }
    let mut rel = projection.onto(input);
    if let Some(sets) = &g.sets {
        rel = expand(rel, sets, g.keys.len());
        let set_column = rel.schema.len() - 1;
        keys.push(set_column);
        fields.push(Field::new("$e", DataType::bigint().not_null()));
    }
    for c in &mut calls {
        fields.push(Field::new(c.name.clone(), c.ty.clone()));
    }
    let input = Box::new(rel);
    if let Some(window) = window {
        let boundary = DataType::timestamp(3).not_null();
        fields.push(Field::new("window_start", boundary.clone()));
        fields.push(Field::new("window_end", boundary));
        fields.push(Field::new("window_time", window.time_type.clone().not_null()));
        let op = RelOp::GroupWindowAggregate { input, window, keys, calls };
        return Ok(Rel::new(op, Schema::new(fields)));
    }
    Ok(Rel::new(RelOp::Aggregate { input, keys, calls }, Schema::new(fields)))
}

/// One copy of every row per grouping set, with absent keys NULL and the set's number last.
/// Aggregate arguments are separate columns, so that a key used as an argument keeps its value.
fn expand(input: Rel, sets: &[Vec<bool>], keys: usize) -> Rel {
    let number = DataType::bigint().not_null();
    let columns = input.columns();
    let mut fields: Vec<Field> = input.schema.fields.clone();
    for f in fields.iter_mut().take(keys) {
        f.ty = f.ty.clone().null();
    }
    fields.push(Field::new("$e", number.clone()));
    let projections = sets
        .iter()
        .enumerate()
        .map(|(i, set)| {
            let mut p: Vec<Expr> = columns.clone();
            for (k, slot) in p.iter_mut().take(keys).enumerate() {
                if !set[k] {
                    *slot = super::null_literal(&columns[k].ty().clone().null());
                }
            }
            p.push(Expr::literal(Value::Int(i as i64), number.clone()));
            p
        })
        .collect();
    let op = RelOp::Expand { input: Box::new(input), projections };
    Rel::new(op, Schema::new(fields))
}

/// `EXPR$0` and so on where nothing names a column.
pub(crate) fn generated_name(position: usize) -> String {
    format!("EXPR${position}")
}
