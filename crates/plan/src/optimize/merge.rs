//! Merges neighbouring projections when that does not repeat work.

use weir_functions::Expr;
use weir_sql::rel::{Rel, RelOp};

/// Replaces the columns of `expr` by the expressions of the projection below it.
pub fn substitute(expr: Expr, below: &[Expr]) -> Expr {
    expr.map_columns(&mut |i, _| below[i].clone())
}

/// Whether an expression costs nothing to repeat.
fn is_trivial(expr: &Expr) -> bool {
    match expr {
        Expr::Column { .. } | Expr::Literal { .. } => true,
        Expr::Field { arg, .. } => is_trivial(arg),
        _ => false,
    }
}

fn count_uses(exprs: &[Expr], column: usize) -> usize {
    fn walk(e: &Expr, column: usize, n: &mut usize) {
        if matches!(e, Expr::Column { index, .. } if *index == column) {
            *n += 1;
        }
        for c in e.children() {
            walk(c, column, n);
        }
    }
    let mut n = 0;
    for e in exprs {
        walk(e, column, &mut n);
    }
    n
}

/// A projection above a projection becomes one, unless an expensive expression would run twice.
pub fn merge_projects(rel: Rel) -> Rel {
    let Rel { op, schema } = map_inputs(rel, &merge_projects);
    let RelOp::Project { input, exprs } = op else {
        return Rel::new(op, schema);
    };
    match input.op {
        RelOp::Project { input: inner, exprs: below }
            if below
                .iter()
                .enumerate()
                .all(|(i, e)| is_trivial(e) || count_uses(&exprs, i) <= 1) =>
        {
            let exprs = exprs.into_iter().map(|e| substitute(e, &below)).collect();
            Rel::new(RelOp::Project { input: inner, exprs }, schema)
        }
        other => {
            let input = Box::new(Rel::new(other, input.schema));
            if is_identity(&exprs, &input) {
                return Rel::new(input.op, schema);
            }
            Rel::new(RelOp::Project { input, exprs }, schema)
        }
    }
}

/// Whether a projection returns its input's columns as they are.
fn is_identity(exprs: &[Expr], input: &Rel) -> bool {
    exprs.len() == input.schema.len()
        && exprs
            .iter()
            .enumerate()
            .all(|(i, e)| matches!(e, Expr::Column { index, ty } if *index == i && *ty == input.schema.fields[i].ty))
}

/// Rebuilds a node with every direct input replaced by `f(input)`.
pub fn map_inputs(rel: Rel, f: &impl Fn(Rel) -> Rel) -> Rel {
    let b = |input: Box<Rel>| Box::new(f(*input));
    let op = match rel.op {
        leaf @ (RelOp::Scan(_) | RelOp::Values(_)) => leaf,
        RelOp::Project { input, exprs } => RelOp::Project { input: b(input), exprs },
        RelOp::Filter { input, predicate } => RelOp::Filter { input: b(input), predicate },
        RelOp::Watermark { input, rowtime, watermark } => {
            RelOp::Watermark { input: b(input), rowtime, watermark }
        }
        RelOp::Aggregate { input, keys, calls } => {
            RelOp::Aggregate { input: b(input), keys, calls }
        }
        RelOp::GroupWindowAggregate { input, window, keys, calls } => {
            RelOp::GroupWindowAggregate { input: b(input), window, keys, calls }
        }
        RelOp::WindowTvf { input, window } => RelOp::WindowTvf { input: b(input), window },
        RelOp::Expand { input, projections } => RelOp::Expand { input: b(input), projections },
        RelOp::Join { left, right, kind, condition } => {
            RelOp::Join { left: b(left), right: b(right), kind, condition }
        }
        RelOp::TemporalJoin { left, right, kind, condition, left_time } => {
            RelOp::TemporalJoin { left: b(left), right: b(right), kind, condition, left_time }
        }
        RelOp::LookupJoin { input, table, kind, condition, hint } => {
            RelOp::LookupJoin { input: b(input), table, kind, condition, hint }
        }
        RelOp::Unnest { input, collection, flatten, ordinality, condition, outer } => {
            RelOp::Unnest { input: b(input), collection, flatten, ordinality, condition, outer }
        }
        RelOp::Union(inputs) => RelOp::Union(inputs.into_iter().map(f).collect()),
        RelOp::Sort { input, keys, offset, fetch } => {
            RelOp::Sort { input: b(input), keys, offset, fetch }
        }
        RelOp::Over { input, over } => RelOp::Over { input: b(input), over },
        RelOp::Match { input, spec } => RelOp::Match { input: b(input), spec },
        RelOp::ToChangelog { input, codes } => RelOp::ToChangelog { input: b(input), codes },
        RelOp::FromChangelog { input, column, codes } => {
            RelOp::FromChangelog { input: b(input), column, codes }
        }
    };
    Rel::new(op, rel.schema)
}
