//! Questions that syntax trees answer before anything is bound.

use weir_parser::ast::{self, ExprKind};

/// The expressions directly inside an expression, subqueries left out.
pub(crate) fn children(e: &ast::Expr) -> Vec<&ast::Expr> {
    fn opt<'e>(e: &'e Option<Box<ast::Expr>>, out: &mut Vec<&'e ast::Expr>) {
        out.extend(e.as_deref());
    }
    let mut out: Vec<&ast::Expr> = Vec::new();
    match &e.kind {
        ExprKind::Unary { expr, .. }
        | ExprKind::Is { expr, .. }
        | ExprKind::IsJson { expr, .. }
        | ExprKind::InSubquery { expr, .. }
        | ExprKind::Quantified { left: expr, .. }
        | ExprKind::Cast { expr, .. }
        | ExprKind::Extract { expr, .. }
        | ExprKind::RoundTo { expr, .. }
        | ExprKind::FieldAccess { expr, .. }
        | ExprKind::VariantPath { expr, .. }
        | ExprKind::MatchSemantics { expr, .. } => out.push(expr),
        ExprKind::Binary { left, right, .. } => out.extend([&**left, &**right]),
        ExprKind::Between { expr, low, high, .. } => out.extend([&**expr, &**low, &**high]),
        ExprKind::Like { expr, pattern, escape, .. } => {
            out.extend([&**expr, &**pattern]);
            opt(escape, &mut out);
        }
        ExprKind::InList { expr, list, .. } => {
            out.push(expr);
            out.extend(list);
        }
        ExprKind::Case { operand, branches, else_result } => {
            opt(operand, &mut out);
            for b in branches {
                out.extend(&b.when);
                out.push(&b.then);
            }
            opt(else_result, &mut out);
        }
        ExprKind::Function(call) => {
            for a in &call.args {
                if let ast::ArgValue::Expr(e) = &a.value {
                    out.push(e);
                }
            }
            opt(&call.filter, &mut out);
        }
        ExprKind::Position { needle, haystack, from } => {
            out.extend([&**needle, &**haystack]);
            opt(from, &mut out);
        }
        ExprKind::Substring { expr, from, len } => {
            out.extend([&**expr, &**from]);
            opt(len, &mut out);
        }
        ExprKind::Trim { chars, expr, .. } => {
            opt(chars, &mut out);
            out.push(expr);
        }
        ExprKind::Overlay { expr, placing, from, len } => {
            out.extend([&**expr, &**placing, &**from]);
            opt(len, &mut out);
        }
        ExprKind::TimestampAdd { count, expr, .. } => out.extend([&**count, &**expr]),
        ExprKind::TimestampDiff { from, to, .. }
        | ExprKind::TimeDifference { from, minus: to, .. } => out.extend([&**from, &**to]),
        ExprKind::Row(items)
        | ExprKind::Tuple(items)
        | ExprKind::Array(items)
        | ExprKind::Map(items)
        | ExprKind::Multiset(items) => out.extend(items),
        ExprKind::Subscript { expr, index } => out.extend([&**expr, &**index]),
        ExprKind::JsonExists { input, path, .. }
        | ExprKind::JsonValue { input, path, .. }
        | ExprKind::JsonQuery { input, path, .. } => out.extend([&**input, &**path]),
        ExprKind::JsonObject { entries, .. } => {
            out.extend(entries.iter().flat_map(|e| [&e.key, &e.value]));
        }
        ExprKind::JsonArray { items, .. } => out.extend(items),
        _ => {}
    }
    out
}

/// The upper-case name of a call without qualifiers.
pub(crate) fn function_name(call: &ast::FunctionCall) -> String {
    call.name.0.last().map_or(String::new(), |i| i.value.to_ascii_uppercase())
}

/// Names that aggregate rows.
pub(super) const AGGREGATES: [&str; 34] = [
    "COUNT",
    "SUM",
    "SUM0",
    "AVG",
    "MIN",
    "MAX",
    "STDDEV_POP",
    "STDDEV_SAMP",
    "STDDEV",
    "VAR_POP",
    "VAR_SAMP",
    "VARIANCE",
    "COLLECT",
    "ARRAY_AGG",
    "LISTAGG",
    "FIRST_VALUE",
    "LAST_VALUE",
    "PERCENTILE",
    "APPROX_COUNT_DISTINCT",
    "SINGLE_VALUE",
    "JSON_OBJECTAGG",
    "JSON_ARRAYAGG",
    "BITMAP_BUILD_AGG",
    "BITMAP_BUILD_CARDINALITY_AGG",
    "BITMAP_AND_AGG",
    "BITMAP_OR_AGG",
    "BITMAP_XOR_AGG",
    "BITMAP_AND_CARDINALITY_AGG",
    "BITMAP_OR_CARDINALITY_AGG",
    "COUNT_IF",
    "ANY_VALUE",
    "ARG_MAX",
    "ARG_MIN",
    "APPROX_PERCENTILE",
];

/// Whether a call aggregates (and is no OVER call).
pub(crate) fn is_aggregate(e: &ast::Expr) -> bool {
    match &e.kind {
        ExprKind::Function(c) => {
            c.over.is_none() && AGGREGATES.contains(&function_name(c).as_str())
        }
        ExprKind::JsonObjectAgg { over, .. } | ExprKind::JsonArrayAgg { over, .. } => {
            over.is_none()
        }
        _ => false,
    }
}

/// Whether an expression is an OVER call.
pub(crate) fn is_over(e: &ast::Expr) -> bool {
    matches!(&e.kind, ExprKind::Function(c) if c.over.is_some())
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
