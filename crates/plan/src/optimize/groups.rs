//! Aggregations of batch mode that are joined by a key compute only the groups that the
//! other side can ask for.
//!
//! In `Join(l, Aggregate(x, k))` on `l.c = k`, where `c` is a column of a table of `l` that a
//! filter leaves few rows of, groups with another `k` meet no row: the aggregation reads
//! `Semi(x, filtered table)` instead of `x`. The filtered table is read twice, which is why
//! nothing but a scan and a filter counts as one.

use weir_functions::Expr;
use weir_spec::JoinKind;
use weir_sql::rel::{Rel, RelOp, conjuncts};

use super::merge::map_inputs;
use super::order::{TableRows, equal_columns, size};
use super::pushdown::is_deterministic;

/// Share of its table up to which a filtered one counts.
const FEW: f64 = 0.1;

/// Rewrites the joins of a plan. The columns of every node stay the same.
pub fn reduce_groups(rel: Rel, rows: TableRows<'_>) -> Rel {
    let Rel { op, schema } = map_inputs(rel, &|r| reduce_groups(r, rows));
    let op = match op {
        RelOp::Join { left, mut right, kind, condition }
            if matches!(kind, JoinKind::Inner | JoinKind::Left) =>
        {
            if let Some((key, table)) = asked(&left, &right, &condition, rows) {
                right = Box::new(restrict(*right, key, table));
            }
            RelOp::Join { left, right, kind, condition }
        }
        op => op,
    };
    Rel::new(op, schema)
}

/// A column of the right side that is a key of its aggregation, and the filtered table
/// (of one column) whose values alone it is compared with.
fn asked(left: &Rel, right: &Rel, condition: &Expr, rows: TableRows<'_>) -> Option<(usize, Rel)> {
    let width = left.schema.len();
    conjuncts(condition.clone()).iter().find_map(|part| {
        let (asking, key) = equal_sides(part, width)?;
        let grouped = size(aggregated(right, key)?, rows).rows;
        let (table, column) = filtered_table(left, asking)?;
        let few = size(table, rows);
        let pays = few.rows < FEW * few.base && few.rows < grouped;
        pays.then(|| (key, table.clone().select(&[column])))
    })
}

/// Columns of the two sides that are equal, the second one counted from its side's first.
fn equal_sides(part: &Expr, width: usize) -> Option<(usize, usize)> {
    let (a, b) = equal_columns(part)?;
    let (left, right) = (a.min(b), a.max(b));
    (left < width && right >= width).then(|| (left, right - width))
}

/// The input of the aggregation that a column is a key of.
fn aggregated(rel: &Rel, column: usize) -> Option<&Rel> {
    match &rel.op {
        RelOp::Project { input, exprs } => match &exprs[column] {
            Expr::Column { index, .. } => aggregated(input, *index),
            _ => None,
        },
        RelOp::Filter { input, .. } => aggregated(input, column),
        RelOp::Aggregate { input, keys, .. } => (column < keys.len()).then_some(input),
        _ => None,
    }
}

/// The filtered table that all values of a column come from.
fn filtered_table(rel: &Rel, column: usize) -> Option<(&Rel, usize)> {
    match &rel.op {
        RelOp::Project { input, exprs } => match &exprs[column] {
            Expr::Column { index, .. } => filtered_table(input, *index),
            _ => None,
        },
        RelOp::Filter { input, predicate } if is_table(input) => {
            is_deterministic(predicate).then_some((rel, column))
        }
        RelOp::Filter { input, .. } => filtered_table(input, column),
        RelOp::Join { left, right, kind, .. } => {
            let first = left.schema.len();
            match kind {
                _ if column < first && !matches!(kind, JoinKind::Right | JoinKind::Full) => {
                    filtered_table(left, column)
                }
                JoinKind::Inner => filtered_table(right, column - first),
                _ => None,
            }
        }
        _ => None,
    }
}

fn is_table(rel: &Rel) -> bool {
    match &rel.op {
        RelOp::Scan(_) => true,
        RelOp::Watermark { input, .. } => is_table(input),
        RelOp::Project { input, exprs } => is_table(input) && exprs.iter().all(is_deterministic),
        _ => false,
    }
}

/// The same with fewer groups.
fn restrict(rel: Rel, column: usize, table: Rel) -> Rel {
    let Rel { op, schema } = rel;
    let op = match op {
        RelOp::Project { input, exprs } => {
            let below = match &exprs[column] {
                Expr::Column { index, .. } => *index,
                _ => return Rel::new(RelOp::Project { input, exprs }, schema),
            };
            RelOp::Project { input: Box::new(restrict(*input, below, table)), exprs }
        }
        RelOp::Filter { input, predicate } => {
            RelOp::Filter { input: Box::new(restrict(*input, column, table)), predicate }
        }
        RelOp::Aggregate { input, keys, calls } => {
            let input = Box::new(semi_join(*input, keys[column], table));
            RelOp::Aggregate { input, keys, calls }
        }
        op => op,
    };
    Rel::new(op, schema)
}

fn semi_join(input: Rel, column: usize, table: Rel) -> Rel {
    let schema = input.schema.clone();
    let own = Expr::column(column, schema.fields[column].ty.clone());
    let other = Expr::column(schema.len(), table.schema.fields[0].ty.clone());
    let nullable = own.ty().nullable || other.ty().nullable;
    let ty = weir_core::DataType::boolean().with_nullable(nullable);
    let condition = Expr::call("=", vec![own, other], ty);
    let (left, right) = (Box::new(input), Box::new(table));
    Rel::new(RelOp::Join { left, right, kind: JoinKind::Semi, condition }, schema)
}
