//! Rewrites of the logical plan, in a fixed order: predicates go down, columns
//! that nobody reads vanish, neighbouring projections merge.

mod merge;
mod prune;
mod pushdown;

pub use merge::substitute;
use weir_sql::rel::Rel;

/// Whether a sub-tree's meaning depends on event time, so that its watermarks matter.
fn uses_event_time(rel: &Rel) -> bool {
    prune::uses_event_time(rel)
}

/// Rewrites a logical plan. The root's columns stay the same.
pub fn optimize(rel: Rel) -> Rel {
    let keep_watermarks = uses_event_time(&rel);
    let rel = pushdown::push_filters(rel);
    let rel = prune::prune_root(rel, keep_watermarks);
    merge::merge_projects(rel)
}
