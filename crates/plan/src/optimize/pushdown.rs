//! Predicate push-down: conjuncts move towards the scans as far as the meaning allows.
//!
//! They pass projections (by substitution), unions, inner joins and the
//! preserved side of outer joins, and grouping keys. They stop at watermarks:
//! rows that a filter drops still move event time, as in Flink.
//!
//! A conjunct over both sides of an inner join stays there, but what it implies of one side
//! goes down that side, too, see [`implied`].

use weir_core::DataType;
use weir_functions::Expr;
use weir_spec::JoinKind;
use weir_sql::rel::{Rel, RelOp, conjunction, conjuncts};

use super::merge::{map_inputs, substitute};

fn filtered(rel: Rel, parts: Vec<Expr>) -> Rel {
    if parts.is_empty() { rel } else { rel.filter(conjunction(parts)) }
}

/// Functions whose value depends on when or how often they run.
pub fn is_deterministic(expr: &Expr) -> bool {
    const VOLATILE: [&str; 9] = [
        "RAND",
        "RAND_INTEGER",
        "UUID",
        "PROCTIME",
        "CURRENT_ROW_TIMESTAMP",
        "CURRENT_WATERMARK",
        "NOW",
        "CURRENT_TIMESTAMP",
        "LOCALTIMESTAMP",
    ];
    let own = !matches!(expr, Expr::Call { function, .. } if VOLATILE.contains(&function.as_str()));
    own && expr.children().into_iter().all(is_deterministic)
}

/// The conjuncts of a condition, with what all branches of an OR have in common
/// taken out of it: `(a AND b) OR (a AND c)` is `a AND (b OR c)`.
fn factors(condition: Expr) -> Vec<Expr> {
    conjuncts(condition).into_iter().flat_map(pull_factors).collect()
}

fn pull_factors(expr: Expr) -> Vec<Expr> {
    let mut branches = Vec::new();
    disjuncts(&expr, &mut branches);
    let Some((first, others)) = branches.split_first() else { return vec![expr] };
    let is_common = |c: &Expr| others.iter().all(|b| b.contains(c));
    let common: Vec<Expr> =
        first.iter().filter(|c| is_deterministic(c) && is_common(c)).cloned().collect();
    if others.is_empty() || common.is_empty() {
        return vec![expr];
    }
    let rests = branches
        .into_iter()
        .map(|b| conjunction(b.into_iter().filter(|c| !common.contains(c)).collect()));
    let rest = rests.reduce(or);
    common.into_iter().chain(rest).collect()
}

fn or(a: Expr, b: Expr) -> Expr {
    let nullable = a.ty().nullable || b.ty().nullable;
    Expr::call("OR", vec![a, b], DataType::boolean().with_nullable(nullable))
}

/// What an OR over both sides of a join says of the left and of the right side alone: where
/// every branch has conjuncts over one side, one of these must hold. `(l1 AND r1) OR (l2 AND
/// r2)` implies `l1 OR l2` and `r1 OR r2`. Flink derives the same, for inner joins only: what
/// the other side guards is not evaluated below an outer one.
fn implied(condition: &Expr, left_width: usize) -> (Option<Expr>, Option<Expr>) {
    let mut branches = Vec::new();
    disjuncts(condition, &mut branches);
    if branches.len() < 2 {
        return (None, None);
    }
    let of = |wanted: Side| -> Option<Expr> {
        let own = |e: &Expr| is_deterministic(e) && side(e, left_width) == wanted;
        let parts = branches.iter().map(|branch| {
            let parts: Vec<Expr> = branch.iter().filter(|e| own(e)).cloned().collect();
            (!parts.is_empty()).then(|| conjunction(parts))
        });
        parts.collect::<Option<Vec<_>>>()?.into_iter().reduce(or)
    };
    (of(Side::Left), of(Side::Right))
}

/// The branches of an OR, each as its conjuncts.
fn disjuncts(expr: &Expr, out: &mut Vec<Vec<Expr>>) {
    match expr {
        Expr::Call { function, args, .. } if function == "OR" => {
            args.iter().for_each(|a| disjuncts(a, out));
        }
        e => out.push(conjuncts(e.clone())),
    }
}

/// Moves all filters of a plan down.
pub fn push_filters(rel: Rel) -> Rel {
    push(rel, Vec::new())
}

/// `rel` under the given conjuncts over its output columns.
fn push(rel: Rel, mut parts: Vec<Expr>) -> Rel {
    let schema = rel.schema.clone();
    match rel.op {
        RelOp::Filter { input, predicate } => {
            let own = factors(predicate);
            if own.iter().all(is_deterministic) {
                parts.splice(0..0, own);
                return push(*input, parts);
            }
            filtered(push(*input, Vec::new()).filter(conjunction(own)), parts)
        }
        RelOp::Project { input, exprs } if exprs.iter().all(is_deterministic) => {
            let below = parts.into_iter().map(|p| substitute(p, &exprs)).collect();
            Rel::new(RelOp::Project { input: Box::new(push(*input, below)), exprs }, schema)
        }
        RelOp::Union(inputs) => {
            let inputs = inputs.into_iter().map(|i| push(i, parts.clone())).collect();
            Rel::new(RelOp::Union(inputs), schema)
        }
        RelOp::Join { left, right, kind, condition } => {
            push_into_join(*left, *right, kind, condition, parts, schema)
        }
        RelOp::Aggregate { input, keys, calls } if !keys.is_empty() => {
            let (down, stay) = split(parts, |p| max_column(p).is_none_or(|m| m < keys.len()));
            let down = down
                .into_iter()
                .map(|p| p.map_columns(&mut |i, ty| Expr::column(keys[i], ty)))
                .collect();
            let input = Box::new(push(*input, down));
            filtered(Rel::new(RelOp::Aggregate { input, keys, calls }, schema), stay)
        }
        op => filtered(map_inputs(Rel::new(op, schema), &push_filters), parts),
    }
}

fn split(parts: Vec<Expr>, down: impl Fn(&Expr) -> bool) -> (Vec<Expr>, Vec<Expr>) {
    parts.into_iter().partition(|p| is_deterministic(p) && down(p))
}

fn max_column(expr: &Expr) -> Option<usize> {
    let mut columns = Vec::new();
    expr.collect_columns(&mut columns);
    columns.into_iter().max()
}

fn min_column(expr: &Expr) -> Option<usize> {
    let mut columns = Vec::new();
    expr.collect_columns(&mut columns);
    columns.into_iter().min()
}

/// Side of a join that a conjunct talks about.
#[derive(PartialEq)]
enum Side {
    Left,
    Right,
    Both,
}

fn side(expr: &Expr, left_width: usize) -> Side {
    match (min_column(expr), max_column(expr)) {
        (Some(_), Some(max)) if max < left_width => Side::Left,
        (Some(min), Some(_)) if min >= left_width => Side::Right,
        _ => Side::Both,
    }
}

fn push_into_join(
    left: Rel,
    right: Rel,
    kind: JoinKind,
    condition: Expr,
    parts: Vec<Expr>,
    schema: weir_core::Schema,
) -> Rel {
    let width = left.schema.len();
    let shift = |e: Expr| e.map_columns(&mut |i, ty| Expr::column(i - width, ty));
    let (mut to_left, mut to_right, mut on, mut above) = (vec![], vec![], vec![], vec![]);
    // Conditions of WHERE: filter a side if the side is preserved, else stay above.
    for p in parts {
        let movable = is_deterministic(&p);
        match (side(&p, width), kind) {
            (Side::Left, JoinKind::Inner | JoinKind::Left | JoinKind::Semi | JoinKind::Anti)
                if movable =>
            {
                to_left.push(p);
            }
            (Side::Right, JoinKind::Inner | JoinKind::Right) if movable => to_right.push(shift(p)),
            (_, JoinKind::Inner) if movable => on.push(p),
            _ => above.push(p),
        }
    }
    // Conditions of ON: filter the side that is not preserved.
    for p in factors(condition) {
        let movable = is_deterministic(&p);
        match (side(&p, width), kind) {
            (Side::Left, JoinKind::Inner | JoinKind::Right | JoinKind::Semi) if movable => {
                to_left.push(p);
            }
            (Side::Right, JoinKind::Inner | JoinKind::Left | JoinKind::Semi | JoinKind::Anti)
                if movable =>
            {
                to_right.push(shift(p))
            }
            _ => on.push(p),
        }
    }
    if kind == JoinKind::Inner {
        let add = |to: &mut Vec<Expr>, e: Option<Expr>| {
            to.extend(e.filter(|e| !to.contains(e)));
        };
        for p in &on {
            let (of_left, of_right) = implied(p, width);
            add(&mut to_left, of_left);
            add(&mut to_right, of_right.map(shift));
        }
    }
    let join = RelOp::Join {
        left: Box::new(push(left, to_left)),
        right: Box::new(push(right, to_right)),
        kind,
        condition: conjunction(on),
    };
    filtered(Rel::new(join, schema), above)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_or_over_both_sides_says_something_of_each() {
        let call = |f: &str, args| Expr::call(f, args, DataType::boolean());
        let column = |i| Expr::column(i, DataType::boolean());
        let and = |a, b| call("AND", vec![column(a), column(b)]);
        let or = |a, b| call("OR", vec![a, b]);
        // Columns 0 and 1 are of the left side, 2 and 3 of the right one.
        let both = or(and(0, 2), and(1, 3));
        let of_right = Some(or(column(2), column(3)));
        assert_eq!(implied(&both, 2), (Some(or(column(0), column(1))), of_right.clone()));
        // A branch that says nothing of a side leaves it open.
        let of_left = Some(or(column(0), column(1)));
        assert_eq!(implied(&or(and(0, 2), column(1)), 2), (of_left, None));
        assert_eq!(implied(&or(column(0), column(2)), 2), (None, None));
        assert_eq!(implied(&and(0, 2), 2), (None, None));
        // What can't be repeated implies nothing.
        let chance = call("RAND", vec![]);
        let unsure = or(call("AND", vec![chance, column(2)]), and(1, 3));
        assert_eq!(implied(&unsure, 2), (None, of_right));
    }

    #[test]
    fn common_factors_leave_an_or() {
        let call = |f: &str, args| Expr::call(f, args, DataType::boolean());
        let column = |i| Expr::column(i, DataType::boolean());
        let and = |a, b| call("AND", vec![column(a), column(b)]);
        let or = call("OR", vec![and(0, 1), and(2, 0)]);
        let expected = vec![column(0), call("OR", vec![column(1), column(2)])];
        assert_eq!(factors(or), expected);
        let unlike = call("OR", vec![and(0, 1), and(2, 3)]);
        assert_eq!(factors(unlike.clone()), [unlike]);
        // One branch is the common part alone: the rest is TRUE.
        let absorbed = call("OR", vec![column(0), and(0, 1)]);
        assert_eq!(factors(absorbed)[0], column(0));
    }
}
