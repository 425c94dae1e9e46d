//! A plan with its estimated size, and the exchanges between partitions.

use std::sync::Arc;

use datafusion_physical_expr::Partitioning;
use datafusion_physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion_physical_plan::repartition::RepartitionExec;
use datafusion_physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use weir_core::Result;

use crate::error::from_df;
use crate::schema::column;

/// A plan and how many rows it is thought to give.
#[derive(Clone)]
pub struct Sized {
    /// The plan.
    pub plan: Arc<dyn ExecutionPlan>,
    /// Rows that leave it.
    pub rows: f64,
    /// Rows of its biggest table before any filter.
    pub base: f64,
}

/// All partitions as one.
pub fn single(plan: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    if plan.output_partitioning().partition_count() == 1 {
        return plan;
    }
    Arc::new(CoalescePartitionsExec::new(plan))
}

/// Rows by hash of columns over all partitions.
pub fn hashed(
    plan: Arc<dyn ExecutionPlan>,
    keys: &[usize],
    partitions: usize,
) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = plan.schema();
    let exprs = keys.iter().map(|&k| column(&schema, k)).collect();
    let repartition = RepartitionExec::try_new(plan, Partitioning::Hash(exprs, partitions));
    Ok(Arc::new(repartition.map_err(|e| from_df(&e))?))
}
