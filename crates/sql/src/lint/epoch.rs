//! Seconds and milliseconds since 1970 in one statement.
//!
//! What unit a BIGINT column has shows in its name (`ts_second`, `timestamp_ms`) and
//! in how it is used (`x / 1000`, `x >= UNIX_TIMESTAMP(..) * 1000`); a use that
//! disagrees is a finding.

use std::collections::BTreeMap;

use weir_parser::ast::{self, BinaryOp, ExprKind, Literal};
use weir_parser::span::Span;

use super::exprs::{each_expr, exprs_of};
use crate::bind::position;
use crate::finding::Finding;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Seconds,
    Millis,
}

/// Where the unit of a column is known from.
#[derive(Debug, Clone)]
struct Evidence {
    unit: Unit,
    why: String,
}

/// Computed columns of CREATE TABLE.
pub(super) fn columns(schema: &ast::TableSchema, out: &mut Vec<Finding>) {
    for c in &schema.columns {
        if let ast::ColumnKind::Computed(e) = &c.kind {
            each_expr(e, &mut |x| check_use(x, &BTreeMap::new(), out));
        }
    }
}

/// The expressions of one SELECT.
pub(super) fn select(s: &ast::Select, out: &mut Vec<Finding>) {
    let mut known = BTreeMap::new();
    for e in exprs_of(s) {
        each_expr(e, &mut |x| learn(x, &mut known));
    }
    for e in exprs_of(s) {
        each_expr(e, &mut |x| check_use(x, &known, out));
        each_expr(e, &mut |x| check_comparison(x, &known, out));
    }
}

fn column(e: &ast::Expr) -> Option<(String, Span)> {
    match &e.kind {
        ExprKind::Identifier(n) => Some((n.last().to_owned(), e.span)),
        _ => None,
    }
}

fn is_number(e: &ast::Expr, wanted: &[&str]) -> bool {
    matches!(&e.kind, ExprKind::Literal(Literal::Number(n)) if wanted.contains(&n.as_str()))
}

fn call(e: &ast::Expr) -> Option<(String, Vec<&ast::Expr>)> {
    let ExprKind::Function(c) = &e.kind else { return None };
    let args = c.args.iter().filter_map(|a| match &a.value {
        ast::ArgValue::Expr(e) => Some(e),
        _ => None,
    });
    Some((c.name.last().to_ascii_uppercase(), args.collect()))
}

/// Seconds, or milliseconds when multiplied by 1000.
fn clock(e: &ast::Expr) -> Option<Unit> {
    match &e.kind {
        ExprKind::Binary { left, op: BinaryOp::Multiply, right } => {
            (clock(left) == Some(Unit::Seconds) && is_number(right, &["1000"]))
                .then_some(Unit::Millis)
        }
        _ => call(e).filter(|(n, _)| n == "UNIX_TIMESTAMP").map(|_| Unit::Seconds),
    }
}

fn by_name(name: &str) -> Option<Unit> {
    let lower = name.to_lowercase();
    let words: Vec<&str> = lower.split('_').collect();
    let timely = |w: &&str| matches!(*w, "ts" | "time" | "timestamp" | "epoch");
    let last = *words.last()?;
    if matches!(last, "ms" | "millis" | "milliseconds") {
        return words.iter().any(timely).then_some(Unit::Millis);
    }
    if matches!(last, "second" | "seconds" | "sec" | "s") {
        return words.iter().any(timely).then_some(Unit::Seconds);
    }
    None
}

fn note(known: &mut BTreeMap<String, Evidence>, name: String, unit: Unit, why: String) {
    known.entry(name).or_insert(Evidence { unit, why });
}

fn learn(e: &ast::Expr, known: &mut BTreeMap<String, Evidence>) {
    if let Some((name, _)) = column(e)
        && let Some(unit) = by_name(&name)
    {
        known.insert(name, Evidence { unit, why: "its name".to_owned() });
    }
    let ExprKind::Binary { left, op, right } = &e.kind else { return };
    let comparison = matches!(op, BinaryOp::Lt | BinaryOp::LtEq | BinaryOp::Gt | BinaryOp::GtEq);
    if comparison && let (Some((name, _)), Some(unit)) = (column(left), clock(right)) {
        note(known, name, unit, "the comparison with UNIX_TIMESTAMP".to_owned());
    }
}

fn unit_of(name: &str, known: &BTreeMap<String, Evidence>) -> Option<Evidence> {
    known
        .get(name)
        .cloned()
        .or_else(|| by_name(name).map(|unit| Evidence { unit, why: "its name".to_owned() }))
}

/// FROM_UNIXTIME and TO_TIMESTAMP_LTZ of a column of the other unit.
fn check_use(e: &ast::Expr, known: &BTreeMap<String, Evidence>, out: &mut Vec<Finding>) {
    let Some((name, args)) = call(e) else { return };
    let reads = match (name.as_str(), args.as_slice()) {
        ("FROM_UNIXTIME", [x, ..]) => Some((*x, Unit::Seconds)),
        ("TO_TIMESTAMP_LTZ", [x, p]) if is_number(p, &["0"]) => Some((*x, Unit::Seconds)),
        ("TO_TIMESTAMP_LTZ", [x, p]) if is_number(p, &["3"]) => Some((*x, Unit::Millis)),
        _ => None,
    };
    let Some((arg, unit)) = reads else { return };
    let Some((col, span)) = column(arg) else { return };
    let evidence = unit_of(&col, known);
    match evidence {
        Some(found) if found.unit != unit => out.push(wrong(&name, &col, span, &found)),
        None if unit == Unit::Seconds && name == "TO_TIMESTAMP_LTZ" && vague(&col) => out.push(
            Finding::warning(
                position(span),
                format!("TO_TIMESTAMP_LTZ({col}, 0) reads seconds; values of 13 digits are milliseconds and would land far in the future"),
            )
            .hint(format!("if {col} holds milliseconds, write TO_TIMESTAMP_LTZ({col}, 3)")),
        ),
        _ => {}
    }
}

/// A name of an event's time that says no unit: producers mostly send milliseconds.
fn vague(name: &str) -> bool {
    let lower = name.to_lowercase();
    lower.ends_with("timestamp") || lower.ends_with("eventtime") || lower.ends_with("event_time")
}

fn wrong(function: &str, col: &str, span: Span, found: &Evidence) -> Finding {
    let (is, fix) = match (found.unit, function) {
        (Unit::Millis, "FROM_UNIXTIME") => ("milliseconds", format!("FROM_UNIXTIME({col} / 1000)")),
        (Unit::Millis, _) => ("milliseconds", format!("TO_TIMESTAMP_LTZ({col}, 3)")),
        (Unit::Seconds, _) => ("seconds", format!("TO_TIMESTAMP_LTZ({col}, 0)")),
    };
    let reads = if is == "seconds" { "milliseconds" } else { "seconds" };
    Finding::warning(
        position(span),
        format!(
            "wrong epoch unit: {function} reads {reads}, but '{col}' holds {is} (by {})",
            found.why
        ),
    )
    .hint(format!("write {fix}"))
}

/// Seconds compared with milliseconds.
fn check_comparison(e: &ast::Expr, known: &BTreeMap<String, Evidence>, out: &mut Vec<Finding>) {
    let pairs: Vec<(&ast::Expr, &ast::Expr)> = match &e.kind {
        ExprKind::Binary {
            left,
            op: BinaryOp::Lt | BinaryOp::LtEq | BinaryOp::Gt | BinaryOp::GtEq | BinaryOp::Eq,
            right,
        } => vec![(left, right), (right, left)],
        ExprKind::Between { expr, low, .. } => vec![(expr, low)],
        _ => return,
    };
    for (a, b) in pairs {
        let Some((name, span)) = column(a) else { continue };
        let Some(own) = unit_of(&name, known) else { continue };
        let other =
            clock(b).or_else(|| shifted(b).and_then(|n| unit_of(&n, known)).map(|e| e.unit));
        if let Some(other) = other
            && other != own.unit
        {
            let (is, fix) = match own.unit {
                Unit::Millis => ("milliseconds", format!("{name} / 1000")),
                Unit::Seconds => ("seconds", format!("{name} * 1000")),
            };
            let against = if other == Unit::Seconds { "seconds" } else { "milliseconds" };
            out.push(
                Finding::warning(
                    position(span),
                    format!("wrong epoch unit: '{name}' holds {is} (by {}) and is compared with {against}", own.why),
                )
                .hint(format!("compare {fix}")),
            );
            return;
        }
    }
}

/// The column in `column + number`.
fn shifted(e: &ast::Expr) -> Option<String> {
    match &e.kind {
        ExprKind::Binary { left, op: BinaryOp::Plus | BinaryOp::Minus, right }
            if matches!(right.kind, ExprKind::Literal(Literal::Number(_))) =>
        {
            column(left).map(|(n, _)| n)
        }
        _ => column(e).map(|(n, _)| n),
    }
}
