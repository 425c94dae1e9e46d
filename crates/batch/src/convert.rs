//! From operator specs to DataFusion's physical operators.

use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::DataType as ArrowType;
use datafusion_physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion_physical_plan::aggregates::{AggregateExec, AggregateMode, PhysicalGroupBy};
use datafusion_physical_plan::filter::FilterExecBuilder;
use datafusion_physical_plan::limit::GlobalLimitExec;
use datafusion_physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion_physical_plan::sorts::sort::SortExec;
use datafusion_physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion_physical_plan::union::UnionExec;
use datafusion_physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use weir_connect::api::{Poll, Source, SourceReader};
use weir_core::{DataType, Error, Result, Schema};
use weir_functions::{Expr, selectivity};
use weir_ops::OpContext;
use weir_runtime::{SourcePoll, SourceTask, TaskContext};
use weir_spec::{AggregateCall, Distribution, NodeSpec, OpSpec, Plan, SortKey, SourceSpec};

use crate::aggregate::{Lowered, lower};
use crate::config::Config;
use crate::error::from_df;
use crate::expr::physical;
use crate::join::join;
use crate::scan::ScanExec;
use crate::schema::{column, internal};
use crate::sized::{Sized, hashed, single};
use crate::streaming::{Recipe, StreamingExec};

/// Rows of a source that cannot tell.
const UNKNOWN_ROWS: f64 = 1e6;

/// Converts the nodes of one plan.
pub struct Converter<'a> {
    /// The specs.
    pub plan: &'a Plan,
    /// Session settings.
    pub config: &'a Config,
}

impl Converter<'_> {
    /// The execution plan of a node.
    pub fn node(&self, index: usize) -> Result<Sized> {
        let node = &self.plan.nodes[index];
        let mut inputs =
            node.inputs.iter().map(|i| self.node(i.node)).collect::<Result<Vec<_>>>()?;
        match (&node.op, inputs.as_mut_slice()) {
            (OpSpec::Source(spec), _) => self.source(spec, node),
            (OpSpec::Values(rows), _) => Ok(self.values(node, rows.len())),
            (OpSpec::Calc { filter, projection }, [input]) => {
                self.calc(input, filter.as_ref(), projection)
            }
            (OpSpec::Union, _) => union(inputs),
            (OpSpec::GroupAggregate { keys, calls, .. }, [input]) if self.groups(node, keys) => {
                self.aggregate(input, keys, calls, self.input_schema(node, 0))
            }
            (OpSpec::Join(spec), [left, right]) if self.joins(node, &spec.left_keys) => {
                let schemas = [self.input_schema(node, 0), self.input_schema(node, 1)];
                let (left, right) = (left.clone(), right.clone());
                join(spec, left, right, schemas, self.config)
            }
            (OpSpec::Sort { order_by, offset, fetch, .. }, [input])
                if order_by.iter().all(|k| orderable(self.input_schema(node, 0), k.column)) =>
            {
                sort(input, order_by, *offset, *fetch)
            }
            _ => self.streaming(node, inputs),
        }
    }

    fn input_schema(&self, node: &NodeSpec, input: usize) -> &Schema {
        &self.plan.nodes[node.inputs[input].node].schema
    }

    fn groups(&self, node: &NodeSpec, keys: &[usize]) -> bool {
        keys.iter().all(|&k| orderable(self.input_schema(node, 0), k))
    }

    fn joins(&self, node: &NodeSpec, keys: &[usize]) -> bool {
        keys.iter().all(|&k| orderable(self.input_schema(node, 0), k))
    }

    fn source(&self, spec: &SourceSpec, node: &NodeSpec) -> Result<Sized> {
        let table = &spec.table.identifier;
        let source = weir_connect::factory(&spec.table.options)
            .and_then(|f| f.source(spec, &node.schema))
            .map_err(|e| e.context(format!("table {table}")))?;
        if !source.is_bounded() {
            return Err(Error::validation(format!(
                "Querying an unbounded table '{table}' in batch mode is not allowed. The table source is unbounded."
            ))
            .hint("bound the source by its options, or SET 'execution.runtime-mode' = 'streaming'"));
        }
        let rows = source.row_count().map_or(UNKNOWN_ROWS, |n| n as f64);
        let (source, partitions): (Arc<dyn Source>, _) =
            (Arc::from(source), self.config.parallelism);
        let open = Arc::new(move |partition| {
            let task: Box<dyn SourceTask> =
                Box::new(Reading(source.reader(partition, partitions)?));
            Ok(task)
        });
        let schema = internal(&node.schema);
        let plan = Arc::new(ScanExec::new(node.name.clone(), schema, partitions, open));
        Ok(Sized { plan, rows, base: rows })
    }

    fn values(&self, node: &NodeSpec, rows: usize) -> Sized {
        let (spec, context) = (node.clone(), self.op_context());
        let open = Arc::new(move |_| weir_ops::build_source(&spec, &context));
        let schema = internal(&node.schema);
        let plan = Arc::new(ScanExec::new(node.name.clone(), schema, 1, open));
        Sized { plan, rows: rows as f64, base: rows as f64 }
    }

    fn calc(&self, input: &Sized, filter: Option<&Expr>, projection: &[Expr]) -> Result<Sized> {
        let mut plan = Arc::clone(&input.plan);
        let mut rows = input.rows;
        let mut projection = projection.to_vec();
        if let Some(predicate) = filter {
            let share = selectivity(predicate);
            // Only columns that the projection reads are copied.
            let mut used = Vec::new();
            projection.iter().for_each(|e| e.collect_columns(&mut used));
            let predicate = physical(predicate, &plan.schema(), &self.config.eval)?;
            let built = FilterExecBuilder::new(predicate, plan)
                .apply_projection(Some(used.clone()))
                .and_then(FilterExecBuilder::build)
                .map_err(|e| from_df(&e))?;
            plan = Arc::new(built);
            rows *= share;
            projection = projection
                .into_iter()
                .map(|e| {
                    e.map_columns(&mut |i, ty| {
                        Expr::column(used.iter().position(|&u| u == i).unwrap_or_default(), ty)
                    })
                })
                .collect();
        }
        let schema = plan.schema();
        let exprs = projection
            .iter()
            .enumerate()
            .map(|(i, e)| {
                let expr = physical(e, &schema, &self.config.eval)?;
                Ok(ProjectionExpr { expr, alias: format!("c{i}") })
            })
            .collect::<Result<Vec<_>>>()?;
        let plan = Arc::new(ProjectionExec::try_new(exprs, plan).map_err(|e| from_df(&e))?);
        Ok(Sized { plan, rows, base: input.base })
    }

    fn aggregate(
        &self,
        input: &Sized,
        keys: &[usize],
        calls: &[AggregateCall],
        schema: &Schema,
    ) -> Result<Sized> {
        let columns = input.plan.schema();
        let types: Vec<DataType> = schema.fields.iter().map(|f| f.ty.clone()).collect();
        let lowered =
            calls.iter().map(|c| lower(c, &types, &columns)).collect::<Result<Vec<_>>>()?;
        let group = PhysicalGroupBy::new_single(
            keys.iter().map(|&k| (column(&columns, k), format!("k{k}"))).collect(),
        );
        let rows = if keys.is_empty() { 1.0 } else { (input.rows * 0.2).max(1.0) };
        let plan = self.aggregated(Arc::clone(&input.plan), group, &lowered, keys)?;
        Ok(Sized { plan, rows, base: input.base })
    }

    /// One pass where all rows of a group meet in one partition anyway, else two.
    fn aggregated(
        &self,
        input: Arc<dyn ExecutionPlan>,
        group: PhysicalGroupBy,
        lowered: &[Lowered],
        keys: &[usize],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let partitions = self.config.parallelism;
        let columns = input.schema();
        let pass = |mode, group: PhysicalGroupBy, input: Arc<dyn ExecutionPlan>| {
            let exprs = lowered.iter().map(|l| Arc::clone(&l.expr)).collect();
            let filters = lowered.iter().map(|l| l.filter.clone()).collect();
            AggregateExec::try_new(mode, group, exprs, filters, input, Arc::clone(&columns))
                .map(|a| Arc::new(a) as Arc<dyn ExecutionPlan>)
                .map_err(|e| from_df(&e))
        };
        if partitions == 1 {
            return pass(AggregateMode::Single, group, single(input));
        }
        if !keys.is_empty() && !lowered.iter().all(|l| l.cheap_state) {
            let input = hashed(input, keys, partitions)?;
            return pass(AggregateMode::SinglePartitioned, group, input);
        }
        let partial = pass(AggregateMode::Partial, group.clone(), input)?;
        if keys.is_empty() {
            return pass(AggregateMode::Final, group.as_final(), single(partial));
        }
        let places: Vec<usize> = (0..keys.len()).collect();
        let partial = hashed(partial, &places, partitions)?;
        pass(AggregateMode::FinalPartitioned, group.as_final(), partial)
    }

    fn op_context(&self) -> OpContext {
        OpContext {
            eval: self.config.eval,
            task: TaskContext {
                subtask: 0,
                parallelism: 1,
                max_parallelism: self.config.max_parallelism,
            },
            inputs: Vec::new(),
            state_ttl: 0,
            time_zone: self.config.time_zone.clone(),
            exact_watermarks: false,
            lookups: self.config.lookups.clone(),
        }
    }

    /// An operator that DataFusion does not have.
    fn streaming(&self, node: &NodeSpec, inputs: Vec<Sized>) -> Result<Sized> {
        let rows = inputs.iter().map(|i| i.rows).fold(1.0, f64::max);
        let base = inputs.iter().map(|i| i.base).fold(1.0, f64::max);
        let partitions = self.config.parallelism;
        let mut plans = Vec::with_capacity(inputs.len());
        for (input, edge) in inputs.into_iter().zip(&node.inputs) {
            plans.push(match &edge.distribution {
                _ if partitions == 1 => single(input.plan),
                Distribution::Hash(keys) => hashed(input.plan, keys, partitions)?,
                Distribution::Single => single(input.plan),
                _ => input.plan,
            });
        }
        let recipe = Recipe {
            node: node.clone(),
            inputs: node.inputs.iter().map(|i| self.plan.nodes[i.node].schema.clone()).collect(),
            context: self.op_context(),
        };
        Ok(Sized { plan: Arc::new(StreamingExec::new(recipe, plans)), rows, base })
    }
}

fn union(inputs: Vec<Sized>) -> Result<Sized> {
    let rows = inputs.iter().map(|i| i.rows).sum();
    let base = inputs.iter().map(|i| i.base).fold(1.0, f64::max);
    let plans = inputs.into_iter().map(|i| i.plan).collect();
    Ok(Sized { plan: UnionExec::try_new(plans).map_err(|e| from_df(&e))?, rows, base })
}

/// Whether DataFusion's hashing and Arrow's row format know a column's type.
fn orderable(schema: &Schema, column: usize) -> bool {
    fn known(t: &ArrowType) -> bool {
        match t {
            ArrowType::List(f) => known(f.data_type()),
            ArrowType::Struct(f) => f.iter().all(|f| known(f.data_type())),
            ArrowType::Map(..) => false,
            _ => true,
        }
    }
    known(&schema.fields[column].ty.to_arrow())
}

fn sort(input: &Sized, keys: &[SortKey], offset: u64, fetch: Option<u64>) -> Result<Sized> {
    let limit = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let reach = fetch.map(|f| limit(f.saturating_add(offset)));
    let plan = Arc::clone(&input.plan);
    let schema = plan.schema();
    let order = LexOrdering::new(keys.iter().map(|k| PhysicalSortExpr {
        expr: column(&schema, k.column),
        options: SortOptions { descending: k.descending, nulls_first: k.nulls_first },
    }));
    // What is cut to nothing needs no order.
    let sorted: Arc<dyn ExecutionPlan> = match order.filter(|_| reach != Some(0)) {
        None => single(plan),
        Some(order) => {
            let several = plan.output_partitioning().partition_count() > 1;
            let sort = SortExec::new(order.clone(), plan)
                .with_preserve_partitioning(several)
                .with_fetch(reach);
            match several {
                true => {
                    let merge = SortPreservingMergeExec::new(order, Arc::new(sort));
                    Arc::new(merge.with_fetch(reach))
                }
                false => Arc::new(sort),
            }
        }
    };
    let rows = reach.map_or(input.rows, |r| input.rows.min(r as f64));
    let plan = match (offset, fetch) {
        (0, None) => sorted,
        _ => Arc::new(GlobalLimitExec::new(sorted, limit(offset), fetch.map(limit)))
            as Arc<dyn ExecutionPlan>,
    };
    Ok(Sized { plan, rows, base: input.base })
}

/// A connector's reader as a source task.
struct Reading(Box<dyn SourceReader>);

impl SourceTask for Reading {
    fn poll(&mut self) -> Result<SourcePoll> {
        Ok(match self.0.poll()? {
            Poll::Batch(b) => SourcePoll::Batch(b),
            Poll::Pending(d) => SourcePoll::Pending(d),
            Poll::End => SourcePoll::End,
        })
    }
}
