//! Semi-joins in batch mode go below inner joins when they are thought to keep few rows:
//! what they drop needs no partner.
//!
//! `Semi(Inner(a, b), s)` whose condition speaks of `a` and `s` alone is
//! `Inner(Semi(a, s), b)`: an inner join neither adds nor changes rows of `a`.

use weir_functions::Expr;
use weir_spec::JoinKind;
use weir_sql::rel::{Rel, RelOp};

use super::merge::map_inputs;
use super::order::{TableRows, size};
use super::pushdown::is_deterministic;

/// Share of its left side up to which a semi-join goes down.
const SMALL: f64 = 0.5;

/// A semi-join on its way down.
struct Semi {
    right: Rel,
    /// Over the columns of the left side, then those of `right`.
    condition: Expr,
}

/// Moves the semi-joins of a plan down. The columns of every node stay the same.
pub fn push_semi_joins(rel: Rel, rows: TableRows<'_>) -> Rel {
    let Rel { op, schema } = map_inputs(rel, &|r| push_semi_joins(r, rows));
    match op {
        RelOp::Join { left, right, kind: JoinKind::Semi, condition }
            if is_deterministic(&condition) =>
        {
            place(*left, Semi { right: *right, condition }, rows)
        }
        op => Rel::new(op, schema),
    }
}

impl Semi {
    fn above(self, left: Rel) -> Rel {
        let schema = left.schema.clone();
        let (left, right) = (Box::new(left), Box::new(self.right));
        let op = RelOp::Join { left, right, kind: JoinKind::Semi, condition: self.condition };
        Rel::new(op, schema)
    }

    /// The columns of the left side that the condition reads.
    fn columns(&self, width: usize) -> Vec<usize> {
        let mut columns = Vec::new();
        self.condition.collect_columns(&mut columns);
        columns.retain(|&c| c < width);
        columns
    }

    /// The same over another left side: `to` gives what the columns of the old one are.
    fn over(self, width: usize, new_width: usize, to: impl Fn(usize) -> Expr) -> Self {
        let condition = self.condition.map_columns(&mut |i, ty| match i < width {
            true => to(i),
            false => Expr::column(i - width + new_width, ty),
        });
        Semi { condition, ..self }
    }
}

/// The semi-join over `left`, as deep as it pays.
fn place(left: Rel, semi: Semi, rows: TableRows<'_>) -> Rel {
    let width = left.schema.len();
    let columns = semi.columns(width);
    let Rel { op, schema } = left;
    match op {
        RelOp::Project { input, exprs }
            if columns.iter().all(|&c| matches!(exprs[c], Expr::Column { .. })) =>
        {
            let below = semi.over(width, input.schema.len(), |i| exprs[i].clone());
            let input = Box::new(place(*input, below, rows));
            Rel::new(RelOp::Project { input, exprs }, schema)
        }
        RelOp::Join { left, right, kind: JoinKind::Inner, condition } => {
            let first = left.schema.len();
            let pays = |side: &Rel| size(&semi.right, rows).rows < SMALL * size(side, rows).base;
            let on_left = columns.iter().all(|&c| c < first) && pays(&left);
            let on_right = columns.iter().all(|&c| c >= first) && pays(&right);
            let (left, right) = if on_left {
                let types = left.schema.clone();
                let below =
                    semi.over(width, first, |i| Expr::column(i, types.fields[i].ty.clone()));
                (Box::new(place(*left, below, rows)), right)
            } else if on_right {
                let types = right.schema.clone();
                let below = semi.over(width, types.len(), |i| {
                    Expr::column(i - first, types.fields[i - first].ty.clone())
                });
                (left, Box::new(place(*right, below, rows)))
            } else {
                let op = RelOp::Join { left, right, kind: JoinKind::Inner, condition };
                return semi.above(Rel::new(op, schema));
            };
            Rel::new(RelOp::Join { left, right, kind: JoinKind::Inner, condition }, schema)
        }
        op => semi.above(Rel::new(op, schema)),
    }
}
