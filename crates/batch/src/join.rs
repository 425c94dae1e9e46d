//! Joins: DataFusion's hash join on equal keys, else its nested loops.
//!
//! The smaller side is the one that a hash join keeps in memory. Where even that
//! is thought not to fit, both sides are sorted and merged, which spills.

use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::Schema as ArrowSchema;
use datafusion_common::{JoinSide, JoinType, NullEquality};
use datafusion_physical_expr::{LexOrdering, PhysicalExpr, PhysicalSortExpr};
use datafusion_physical_plan::ExecutionPlan;
use datafusion_physical_plan::joins::utils::{ColumnIndex, JoinFilter};
use datafusion_physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, PartitionMode, SortMergeJoinExec,
};
use datafusion_physical_plan::sorts::sort::SortExec;
use weir_core::{DataType, Result, Schema};
use weir_functions::{EvalContext, Expr};
use weir_spec::{JoinKind, JoinSpec};

use crate::config::Config;
use crate::error::from_df;
use crate::expr::physical;
use crate::schema::{column, of_types};
use crate::sized::{Sized, hashed, single};

/// Build sides up to this many rows are read by every partition instead of being exchanged.
const SMALL_ROWS: f64 = 100_000.0;

fn join_type(kind: JoinKind) -> JoinType {
    match kind {
        JoinKind::Inner => JoinType::Inner,
        JoinKind::Left => JoinType::Left,
        JoinKind::Right => JoinType::Right,
        JoinKind::Full => JoinType::Full,
        JoinKind::Semi => JoinType::LeftSemi,
        JoinKind::Anti => JoinType::LeftAnti,
    }
}

/// Builds a join; `schemas` are the columns of the inputs.
pub fn join(
    spec: &JoinSpec,
    left: Sized,
    right: Sized,
    schemas: [&Schema; 2],
    config: &Config,
) -> Result<Sized> {
    let context = &config.eval;
    let rows = estimate(spec, &left, &right);
    let base = left.base.max(right.base);
    let (condition, null_equality) = condition(spec, schemas);
    let filter = condition.map(|c| filter(&c, schemas, context)).transpose()?;
    let plan = if spec.left_keys.is_empty() {
        loops(spec.kind, left, right, filter)?
    } else {
        keyed(spec, left, right, filter, null_equality, config)?
    };
    Ok(Sized { plan, rows, base })
}

/// The residual predicate, and how NULL keys match. Where only some pairs match
/// NULL with NULL, all do and the predicate refuses the others.
fn condition(spec: &JoinSpec, schemas: [&Schema; 2]) -> (Option<Expr>, NullEquality) {
    let safe = spec.null_safe.iter().filter(|s| **s).count();
    if safe == 0 {
        return (spec.condition.clone(), NullEquality::NullEqualsNothing);
    }
    let mut all = spec.condition.clone();
    for (&key, safe) in spec.left_keys.iter().zip(&spec.null_safe) {
        if !safe {
            let ty = schemas[0].fields[key].ty.clone();
            let boolean = DataType::boolean().not_null();
            let not_null = Expr::call("IS NOT NULL", vec![Expr::column(key, ty)], boolean.clone());
            all = Some(match all {
                Some(c) => Expr::call("AND", vec![c, not_null], DataType::boolean()),
                None => not_null,
            });
        }
    }
    (all, NullEquality::NullEqualsNull)
}

fn filter(condition: &Expr, schemas: [&Schema; 2], context: &EvalContext) -> Result<JoinFilter> {
    let width = schemas[0].len();
    let mut used = Vec::new();
    condition.collect_columns(&mut used);
    let ty = |i: usize| match i < width {
        true => schemas[0].fields[i].ty.to_arrow(),
        false => schemas[1].fields[i - width].ty.to_arrow(),
    };
    let schema = of_types(used.iter().map(|&i| ty(i)));
    let moved = condition.clone().map_columns(&mut |i, ty| {
        Expr::column(used.iter().position(|&u| u == i).unwrap_or_default(), ty)
    });
    let indices = used
        .iter()
        .map(|&i| match i < width {
            true => ColumnIndex { index: i, side: JoinSide::Left },
            false => ColumnIndex { index: i - width, side: JoinSide::Right },
        })
        .collect();
    Ok(JoinFilter::new(physical(&moved, &schema, context)?, indices, schema))
}

fn loops(
    kind: JoinKind,
    left: Sized,
    right: Sized,
    filter: Option<JoinFilter>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let swap = right.rows < left.rows;
    if filter.is_none() && kind == JoinKind::Inner {
        let (l, r) = (left.plan, right.plan);
        if swap {
            let cross = CrossJoinExec::new(l, single(r));
            return cross.swap_inputs().map_err(|e| from_df(&e));
        }
        return Ok(Arc::new(CrossJoinExec::new(single(l), r)));
    }
    let ty = join_type(kind);
    let build =
        |l, r| NestedLoopJoinExec::try_new(l, r, filter, &ty, None).map_err(|e| from_df(&e));
    if swap {
        let join = build(left.plan, single(right.plan))?;
        return join.swap_inputs().map_err(|e| from_df(&e));
    }
    Ok(Arc::new(build(single(left.plan), right.plan)?))
}

fn keyed(
    spec: &JoinSpec,
    left: Sized,
    right: Sized,
    filter: Option<JoinFilter>,
    null_equality: NullEquality,
    config: &Config,
) -> Result<Arc<dyn ExecutionPlan>> {
    let smaller = if right.rows < left.rows { &right } else { &left };
    // The other half is for the rest of the plan.
    if smaller.rows * row_bytes(&smaller.plan.schema()) > config.memory as f64 / 2.0 {
        return merge(spec, left, right, filter, null_equality, config.parallelism);
    }
    hash(spec, left, right, filter, null_equality, config.parallelism)
}

/// Bytes of a row in memory, about.
fn row_bytes(schema: &ArrowSchema) -> f64 {
    schema.fields().iter().map(|f| f.data_type().primitive_width().unwrap_or(32) as f64).sum()
}

/// Both sides sorted by the keys, then merged.
fn merge(
    spec: &JoinSpec,
    left: Sized,
    right: Sized,
    filter: Option<JoinFilter>,
    null_equality: NullEquality,
    partitions: usize,
) -> Result<Arc<dyn ExecutionPlan>> {
    let options = vec![SortOptions::default(); spec.left_keys.len()];
    let side = |plan: Arc<dyn ExecutionPlan>, keys: &[usize]| -> Result<Arc<dyn ExecutionPlan>> {
        let plan = if partitions == 1 { single(plan) } else { hashed(plan, keys, partitions)? };
        let schema = plan.schema();
        let order = keys
            .iter()
            .zip(&options)
            .map(|(&k, &options)| PhysicalSortExpr { expr: column(&schema, k), options });
        match LexOrdering::new(order) {
            Some(order) => {
                Ok(Arc::new(SortExec::new(order, plan).with_preserve_partitioning(partitions > 1)))
            }
            None => Ok(plan),
        }
    };
    let left = side(left.plan, &spec.left_keys)?;
    let right = side(right.plan, &spec.right_keys)?;
    let on = on(spec, &left.schema(), &right.schema());
    let ty = join_type(spec.kind);
    let join = SortMergeJoinExec::try_new(left, right, on, filter, ty, options, null_equality);
    Ok(Arc::new(join.map_err(|e| from_df(&e))?))
}

fn on(spec: &JoinSpec, left: &ArrowSchema, right: &ArrowSchema) -> Keys {
    let pairs = spec.left_keys.iter().zip(&spec.right_keys);
    pairs.map(|(&l, &r)| (column(left, l), column(right, r))).collect()
}

type Keys = Vec<(Arc<dyn PhysicalExpr>, Arc<dyn PhysicalExpr>)>;

fn hash(
    spec: &JoinSpec,
    left: Sized,
    right: Sized,
    filter: Option<JoinFilter>,
    null_equality: NullEquality,
    partitions: usize,
) -> Result<Arc<dyn ExecutionPlan>> {
    // The build side is DataFusion's left one.
    let swap = right.rows < left.rows;
    let build_rows = left.rows.min(right.rows);
    let on = on(spec, &left.plan.schema(), &right.plan.schema());
    let (mode, l, r) = if partitions == 1 || build_rows <= SMALL_ROWS {
        let both_single = partitions == 1;
        let (l, r) = match (swap, both_single) {
            (_, true) => (single(left.plan), single(right.plan)),
            (false, _) => (single(left.plan), right.plan),
            (true, _) => (left.plan, single(right.plan)),
        };
        (PartitionMode::CollectLeft, l, r)
    } else {
        let l = hashed(left.plan, &spec.left_keys, partitions)?;
        let r = hashed(right.plan, &spec.right_keys, partitions)?;
        (PartitionMode::Partitioned, l, r)
    };
    let join = HashJoinExec::try_new(
        l,
        r,
        on,
        filter,
        &join_type(spec.kind),
        None,
        mode,
        null_equality,
        false,
    )
    .map_err(|e| from_df(&e))?;
    if swap {
        return join.swap_inputs(mode).map_err(|e| from_df(&e));
    }
    Ok(Arc::new(join))
}

/// Rows of a join: every row of the bigger table finds its partner unless the
/// smaller one was filtered.
fn estimate(spec: &JoinSpec, left: &Sized, right: &Sized) -> f64 {
    let (l, r) = (left.rows, right.rows);
    let matched =
        if spec.left_keys.is_empty() { l * r } else { l * r / left.base.min(right.base).max(1.0) };
    match spec.kind {
        JoinKind::Inner => matched,
        JoinKind::Left => matched.max(l),
        JoinKind::Right => matched.max(r),
        JoinKind::Full => matched.max(l) + r,
        JoinKind::Semi | JoinKind::Anti => l * 0.5,
    }
}
