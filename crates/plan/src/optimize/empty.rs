//! Aggregations over inputs that the plan alone shows to be empty.
//!
//! A streaming aggregation without keys shows nothing before its first row. Flink's optimizer
//! replaces one over an empty input by its one row, so that it does show.

use std::cmp::Ordering;

use weir_core::Value;
use weir_functions::Expr;
use weir_spec::{AggregateCall, JoinKind};
use weir_sql::rel::{Rel, RelOp, conjuncts};

use super::merge::map_inputs;
use super::pushdown::is_deterministic;

/// Replaces aggregations over empty inputs by their rows.
pub fn fold_empty_aggregates(rel: Rel) -> Rel {
    let Rel { op, schema } = map_inputs(rel, &fold_empty_aggregates);
    let row = match &op {
        RelOp::Aggregate { input, keys, calls } if keys.is_empty() && is_empty(input) => {
            calls.iter().map(of_nothing).collect::<Option<Vec<_>>>()
        }
        _ => None,
    };
    Rel::new(row.map_or(op, |row| RelOp::Values(vec![row])), schema)
}

/// The result of an aggregate without rows, for those that Flink folds.
fn of_nothing(call: &AggregateCall) -> Option<Value> {
    match call.function.as_str() {
        "COUNT" | "$SUM0" => Some(Value::Int(0)),
        "SUM" | "MIN" | "MAX" => Some(Value::Null),
        _ => None,
    }
}

/// Whether a node never has rows.
fn is_empty(rel: &Rel) -> bool {
    match &rel.op {
        RelOp::Values(rows) => rows.is_empty(),
        RelOp::Filter { input, predicate } => is_never_true(predicate) || is_empty(input),
        RelOp::Sort { input, fetch, .. } => *fetch == Some(0) || is_empty(input),
        RelOp::Aggregate { input, keys, .. } => !keys.is_empty() && is_empty(input),
        RelOp::Project { input, .. } | RelOp::Watermark { input, .. } => is_empty(input),
        RelOp::Join { left, right, kind, condition } => {
            let (left, right) = (is_empty(left), is_empty(right));
            match kind {
                JoinKind::Inner | JoinKind::Semi => left || right || is_never_true(condition),
                JoinKind::Left | JoinKind::Anti => left,
                JoinKind::Right => right,
                JoinKind::Full => left && right,
            }
        }
        RelOp::Union(inputs) => inputs.iter().all(is_empty),
        _ => false,
    }
}

/// Whether a condition holds for no row: one part is constant, or two contradict each other.
fn is_never_true(condition: &Expr) -> bool {
    let parts = conjuncts(condition.clone());
    if parts.iter().any(is_constant_untrue) {
        return true;
    }
    let bounds: Vec<Bound<'_>> = parts.iter().filter_map(Bound::of).collect();
    bounds.iter().enumerate().any(|(i, a)| bounds[..i].iter().any(|b| a.contradicts(b)))
}

fn is_constant_untrue(e: &Expr) -> bool {
    fn has_column(e: &Expr) -> bool {
        matches!(e, Expr::Column { .. }) || e.children().into_iter().any(has_column)
    }
    !has_column(e)
        && is_deterministic(e)
        && weir_sql::bind::evaluate_constant(e)
            .is_ok_and(|v| matches!(v, Value::Null | Value::Boolean(false)))
}

/// What one part of a condition asks of a column.
enum Bound<'a> {
    Null(usize),
    Compare(usize, &'a str, &'a Value),
}

impl<'a> Bound<'a> {
    fn of(e: &'a Expr) -> Option<Self> {
        let Expr::Call { function, args, .. } = e else { return None };
        match (function.as_str(), args.as_slice()) {
            ("IS NULL", [Expr::Column { index, .. }]) => Some(Bound::Null(*index)),
            (
                op @ ("=" | "<" | "<=" | ">" | ">="),
                [Expr::Column { index, .. }, Expr::Literal { value, .. }],
            ) if !value.is_null() => Some(Bound::Compare(*index, op, value)),
            _ => None,
        }
    }

    fn contradicts(&self, other: &Self) -> bool {
        match (self, other) {
            (Bound::Null(a), Bound::Compare(b, ..)) | (Bound::Compare(b, ..), Bound::Null(a)) => {
                a == b
            }
            (Bound::Compare(a, x, v), Bound::Compare(b, y, w)) if a == b => {
                let order = v.total_cmp(w);
                apart(x, y, order) || apart(y, x, order.reverse())
            }
            _ => false,
        }
    }
}

/// Whether `c x v` and `c y w` exclude each other, `order` being v's to w: everything that `x`
/// allows lies below what `y` allows.
fn apart(x: &str, y: &str, order: Ordering) -> bool {
    let closed = |op: &str| matches!(op, "=" | "<=" | ">=");
    matches!(x, "=" | "<" | "<=")
        && matches!(y, "=" | ">" | ">=")
        && (order.is_lt() || order.is_eq() && !(closed(x) && closed(y)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_exclude_each_other() {
        assert!(apart("<", ">", Ordering::Less) && apart("<", ">=", Ordering::Equal));
        assert!(!apart("<=", ">=", Ordering::Equal) && !apart("<", ">", Ordering::Greater));
        assert!(apart("=", "=", Ordering::Less) && !apart("=", "=", Ordering::Equal));
        assert!(!apart(">", "<", Ordering::Less));
    }
}
