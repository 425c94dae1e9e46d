//! Rewrites of the logical plan, in a fixed order: predicates go down, columns
//! that nobody reads vanish, neighbouring projections merge.

mod empty;
mod groups;
mod merge;
mod order;
mod prune;
mod pushdown;
mod semi;

pub use merge::substitute;
pub use order::TableRows;
pub(crate) use pushdown::is_deterministic;
use weir_sql::rel::{Rel, RelOp};

/// Whether a sub-tree's meaning depends on event time, so that its watermarks matter.
fn uses_event_time(rel: &Rel) -> bool {
    prune::uses_event_time(rel)
}

/// Rewrites the logical plans of one streaming job. The columns of the roots stay the same.
/// `event_time`: a consumer of the plans acts on watermarks itself.
pub fn optimize(rels: Vec<Rel>, event_time: bool) -> Vec<Rel> {
    let keep_watermarks = event_time || rels.iter().any(uses_event_time);
    let rels: Vec<Rel> =
        rels.into_iter().map(|r| pushdown::push_filters(empty::fold_empty_aggregates(r))).collect();
    let mut stems = prune::Stems::default();
    rels.iter().for_each(|r| stems.collect(r, keep_watermarks));
    rels.into_iter().map(|r| merge::merge_projects(stems.prune(r, keep_watermarks))).collect()
}

/// Rewrites a plan for batch mode: groups that nobody asks for are not computed, semi-joins
/// that keep little go down, inner joins are ordered by the sizes of their tables, scans learn
/// what is filtered above them, each use of a table reads its own columns.
pub fn optimize_batch(rel: Rel, rows: TableRows<'_>) -> Rel {
    let keep_watermarks = uses_event_time(&rel);
    let rel = groups::reduce_groups(pushdown::push_filters(rel), rows);
    let rel = semi::push_semi_joins(rel, rows);
    let rel = order::order_joins(rel, rows);
    filter_scans(merge::merge_projects(prune::prune_alone(rel, keep_watermarks)))
}

/// Tells scans the predicate above them, so that they can skip data.
fn filter_scans(rel: Rel) -> Rel {
    let Rel { op, schema } = merge::map_inputs(rel, &filter_scans);
    let op = match op {
        RelOp::Filter { mut input, predicate } => {
            if let RelOp::Scan(scan) = &mut input.op
                && pushdown::is_deterministic(&predicate)
            {
                scan.filter = Some(predicate.clone());
            }
            RelOp::Filter { input, predicate }
        }
        other => other,
    };
    Rel::new(op, schema)
}
