//! The order of inner joins in batch mode.
//!
//! A tree of inner joins is taken apart into its inputs and the conjuncts over
//! them, and put together greedily: the two parts whose join is thought to be
//! smallest are joined first, parts without a common condition last ("greedy
//! operator ordering", Fegaras 1998). The size of a join is that of the product
//! over the number of values of the join column, which is at most the row count
//! of the smallest table with an equal column.

use weir_functions::{Expr, selectivity};
use weir_spec::JoinKind;
use weir_sql::rel::{Rel, RelOp, Scan, conjunction, conjuncts, join_schema};

use super::merge::map_inputs;
use super::pushdown::is_deterministic;

/// Rows of a scan, where its source can tell.
pub type TableRows<'a> = &'a dyn Fn(&Scan, &weir_core::Schema) -> Option<u64>;

/// Rows of a table that cannot tell.
const UNKNOWN_ROWS: f64 = 1e6;

/// Sizes of a plan's output.
#[derive(Clone, Copy)]
pub struct Size {
    /// Rows that leave it.
    pub rows: f64,
    /// Rows of its biggest table before any filter.
    pub base: f64,
}

/// Orders the inner joins of a plan. The columns of every node stay the same.
pub fn order_joins(rel: Rel, rows: TableRows<'_>) -> Rel {
    let is_inner = |r: &Rel| matches!(&r.op, RelOp::Join { kind: JoinKind::Inner, condition, .. } if is_deterministic(condition));
    if !is_inner(&rel) {
        return map_inputs(rel, &|r| order_joins(r, rows));
    }
    let schema = rel.schema.clone();
    let (mut leaves, mut conditions) = (Vec::new(), Vec::new());
    flatten(rel, 0, &is_inner, &mut leaves, &mut conditions);
    let leaves: Vec<Rel> = leaves.into_iter().map(|l| order_joins(l, rows)).collect();
    let joined = Joining::new(leaves, conditions, rows).run();
    // The original order of the columns.
    let mut places = vec![0; joined.columns.len()];
    joined.columns.iter().enumerate().for_each(|(at, &c)| places[c] = at);
    if places.iter().enumerate().all(|(i, &p)| i == p) {
        return Rel::new(joined.rel.op, schema);
    }
    let exprs =
        places.iter().zip(&schema.fields).map(|(&at, f)| Expr::column(at, f.ty.clone())).collect();
    Rel::new(RelOp::Project { input: Box::new(joined.rel), exprs }, schema)
}

/// Takes a tree of inner joins apart; `first` is the position of its first column.
fn flatten(
    rel: Rel,
    first: usize,
    is_inner: &impl Fn(&Rel) -> bool,
    leaves: &mut Vec<Rel>,
    conditions: &mut Vec<Expr>,
) {
    if !is_inner(&rel) {
        leaves.push(rel);
        return;
    }
    if let RelOp::Join { left, right, condition, .. } = rel.op {
        let width = left.schema.len();
        flatten(*left, first, is_inner, leaves, conditions);
        flatten(*right, first + width, is_inner, leaves, conditions);
        let moved = condition.map_columns(&mut |i, ty| Expr::column(i + first, ty));
        conditions.extend(conjuncts(moved));
    }
}

/// A joined part.
struct Part {
    rel: Rel,
    /// Its columns as positions in the original order.
    columns: Vec<usize>,
    rows: f64,
}

struct Joining {
    parts: Vec<Part>,
    conditions: Vec<Expr>,
    /// Number of values that a column can have at most, by original position.
    values: Vec<f64>,
}

fn columns_of(e: &Expr) -> Vec<usize> {
    let mut out = Vec::new();
    e.collect_columns(&mut out);
    out
}

/// The columns of an equality.
pub(super) fn equal_columns(e: &Expr) -> Option<(usize, usize)> {
    match e {
        Expr::Call { function, args, .. } if function == "=" => match args.as_slice() {
            [Expr::Column { index: a, .. }, Expr::Column { index: b, .. }] => Some((*a, *b)),
            _ => None,
        },
        _ => None,
    }
}

impl Joining {
    fn new(leaves: Vec<Rel>, conditions: Vec<Expr>, rows: TableRows<'_>) -> Self {
        let mut parts = Vec::with_capacity(leaves.len());
        let mut values = Vec::new();
        for rel in leaves {
            let size = size(&rel, rows);
            let first = values.len();
            values.resize(first + rel.schema.len(), size.base);
            parts.push(Part { columns: (first..values.len()).collect(), rel, rows: size.rows });
        }
        // Equal columns have the values of the smallest table.
        loop {
            let mut changed = false;
            for (a, b) in conditions.iter().filter_map(equal_columns) {
                let least = values[a].min(values[b]);
                changed |= values[a] != least || values[b] != least;
                values[a] = least;
                values[b] = least;
            }
            if !changed {
                break;
            }
        }
        Self { parts, conditions, values }
    }

    fn run(mut self) -> Part {
        while self.parts.len() > 1 {
            let (a, b) = self.best();
            let right = self.parts.remove(b);
            let left = self.parts.remove(a);
            let joined = self.join(left, right);
            self.parts.insert(a, joined);
        }
        self.parts.remove(0)
    }

    /// The pair to join next: connected, with the smallest result.
    fn best(&self) -> (usize, usize) {
        let mut best = (0, 1);
        let mut least = (true, f64::INFINITY);
        for a in 0..self.parts.len() {
            for b in a + 1..self.parts.len() {
                let (connected, rows) = self.result(&self.parts[a], &self.parts[b]);
                if (!connected, rows) < least {
                    least = (!connected, rows);
                    best = (a, b);
                }
            }
        }
        best
    }

    /// Whether an equality connects two parts, and how many rows their join gives.
    fn result(&self, a: &Part, b: &Part) -> (bool, f64) {
        let mut values = 0.0f64;
        let mut rest = 1.0;
        for c in self.applicable(a, b) {
            match equal_columns(c) {
                Some((x, y)) => values = values.max(self.values[x].min(self.values[y])),
                None => rest *= selectivity(c),
            }
        }
        (values > 0.0, a.rows * b.rows * rest / values.max(1.0))
    }

    /// Conditions over both parts and nothing else.
    fn applicable<'s>(&'s self, a: &'s Part, b: &'s Part) -> impl Iterator<Item = &'s Expr> {
        self.conditions.iter().filter(move |c| {
            columns_of(c).iter().all(|i| a.columns.contains(i) || b.columns.contains(i))
        })
    }

    fn join(&mut self, left: Part, right: Part) -> Part {
        let (_, rows) = self.result(&left, &right);
        let columns: Vec<usize> = left.columns.iter().chain(&right.columns).copied().collect();
        let (now, later) = std::mem::take(&mut self.conditions)
            .into_iter()
            .partition(|c| columns_of(c).iter().all(|i| columns.contains(i)));
        self.conditions = later;
        let at = |i: usize| columns.iter().position(|&c| c == i).unwrap_or_default();
        let condition = conjunction(now).map_columns(&mut |i, ty| Expr::column(at(i), ty));
        let schema = join_schema(&left.rel.schema, &right.rel.schema, JoinKind::Inner);
        let op = RelOp::Join {
            left: Box::new(left.rel),
            right: Box::new(right.rel),
            kind: JoinKind::Inner,
            condition,
        };
        Part { rel: Rel::new(op, schema), columns, rows: rows.max(1.0) }
    }
}

/// Estimates the output of a plan.
pub fn size(rel: &Rel, table_rows: TableRows<'_>) -> Size {
    let of = |r: &Rel| size(r, table_rows);
    match &rel.op {
        RelOp::Scan(scan) => {
            let rows = table_rows(scan, &rel.schema).map_or(UNKNOWN_ROWS, |n| n as f64).max(1.0);
            Size { rows, base: rows }
        }
        RelOp::Values(rows) => {
            let rows = rows.len().max(1) as f64;
            Size { rows, base: rows }
        }
        RelOp::Filter { input, predicate } => {
            let s = of(input);
            Size { rows: (s.rows * selectivity(predicate)).max(1.0), ..s }
        }
        RelOp::Aggregate { input, keys, .. } => {
            let s = of(input);
            let rows = if keys.is_empty() { 1.0 } else { (s.rows * 0.2).max(1.0) };
            Size { rows, base: rows.max(s.base * 0.2) }
        }
        RelOp::Sort { input, fetch: Some(n), .. } => {
            let s = of(input);
            Size { rows: s.rows.min(*n as f64), ..s }
        }
        RelOp::Union(inputs) => {
            inputs.iter().map(of).fold(Size { rows: 0.0, base: 1.0 }, |a, b| Size {
                rows: a.rows + b.rows,
                base: a.base + b.base,
            })
        }
        RelOp::Join { left, right, kind, .. } => {
            let (l, r) = (of(left), of(right));
            match kind {
                JoinKind::Semi => {
                    let kept = (r.rows / l.base.max(1.0)).min(0.5);
                    Size { rows: (l.rows * kept).max(1.0), base: l.base }
                }
                JoinKind::Anti => Size { rows: l.rows * 0.5, base: l.base },
                _ => Size {
                    rows: l.rows * r.rows / l.base.min(r.base).max(1.0),
                    base: l.base.max(r.base),
                },
            }
        }
        _ => rel.inputs().into_iter().map(of).fold(Size { rows: 1.0, base: 1.0 }, |a, b| Size {
            rows: a.rows.max(b.rows),
            base: a.base.max(b.base),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_core::{DataType, Field, Options, Schema};
    use weir_spec::TableSpec;

    fn table(name: &str, columns: &[&str]) -> Rel {
        let schema = Schema::new(columns.iter().map(|c| Field::new(*c, DataType::int())).collect());
        let table = TableSpec {
            identifier: name.into(),
            physical: schema.clone(),
            primary_key: vec![],
            partition_keys: vec![],
            options: Options::new(),
        };
        let op = RelOp::Scan(Scan {
            table,
            columns: vec![],
            limit: None,
            filter: None,
            state_ttl: None,
            multi_join: false,
        });
        Rel::new(op, schema)
    }

    fn inner(left: Rel, right: Rel, condition: Expr) -> Rel {
        let schema = join_schema(&left.schema, &right.schema, JoinKind::Inner);
        let kind = JoinKind::Inner;
        let (left, right) = (Box::new(left), Box::new(right));
        Rel::new(RelOp::Join { left, right, kind, condition }, schema)
    }

    fn equal(a: usize, b: usize) -> Expr {
        let column = |i| Expr::column(i, DataType::int());
        Expr::call("=", vec![column(a), column(b)], DataType::boolean())
    }

    fn has_cross_join(rel: &Rel) -> bool {
        let own = matches!(&rel.op, RelOp::Join { condition, .. } if conjuncts(condition.clone()).is_empty());
        own || rel.inputs().into_iter().any(has_cross_join)
    }

    #[test]
    fn cross_joins_vanish_where_a_condition_leads_around() {
        // FROM part, supplier, lineitem WHERE both join lineitem.
        let cross = inner(table("part", &["p"]), table("supplier", &["s"]), Expr::true_literal());
        let both = conjunction(vec![equal(0, 2), equal(1, 3)]);
        let rel = inner(cross, table("lineitem", &["lp", "ls"]), both);
        let schema = rel.schema.clone();
        assert!(has_cross_join(&rel));
        let rows = |scan: &Scan, _: &Schema| match scan.table.identifier.as_str() {
            "lineitem" => Some(6_000_000),
            _ => Some(10_000),
        };
        let ordered = order_joins(rel, &rows);
        assert!(!has_cross_join(&ordered));
        assert_eq!(ordered.schema, schema);
    }

    #[test]
    fn a_common_column_of_few_values_is_no_good_key() {
        // nation joins both others; joining these on the nation alone multiplies rows.
        let rel = inner(
            inner(table("customer", &["c", "cn"]), table("supplier", &["s", "sn"]), equal(1, 3)),
            inner(table("nation", &["n"]), table("orders", &["o", "oc"]), Expr::true_literal()),
            conjunction(vec![equal(3, 4), equal(0, 6)]),
        );
        let rows = |scan: &Scan, _: &Schema| match scan.table.identifier.as_str() {
            "nation" => Some(25),
            "supplier" => Some(10_000),
            "customer" => Some(150_000),
            _ => Some(1_500_000),
        };
        let joining = {
            let (mut leaves, mut conditions) = (vec![], vec![]);
            let is_inner = |r: &Rel| matches!(r.op, RelOp::Join { .. });
            flatten(rel, 0, &is_inner, &mut leaves, &mut conditions);
            Joining::new(leaves, conditions, &rows)
        };
        assert_eq!(joining.values[1], 25.0);
        assert_eq!(joining.values[0], 150_000.0);
    }
}
