//! The streaming operators, one file each, built from operator specs.
//!
//! [`build`] makes the instance of a node for one worker, [`build_source`] the
//! one source that needs no connector (VALUES). Sources and sinks over tables
//! are connectors' and are adapted elsewhere.
//!
//! Invariants: operators take {-U, -D} as minus and {+I, +U} as plus, in any
//! order; within a batch a keyed operator emits one change per touched key; no
//! call emits much more than 8,192 rows before it returns `Step::More`; all
//! state is in tables of `weir-state`, so that a barrier can seal it.
//!
//! Where to look next: [`agg`] for aggregate functions, [`window`] for window
//! arithmetic, [`shown`] for state that people look at, then the operator you care about.

pub mod agg;
pub mod bucket;
pub mod calc;
pub mod changelog;
mod conflicts;
mod delta_join;
mod event_time;
pub mod first_row;
pub mod group_aggregate;
pub mod interval_join;
pub mod join;
pub mod last_row;
pub mod late;
mod listed;
pub mod lookup_join;
pub mod lookup_table;
pub mod matching;
pub mod multi_join;
pub mod over;
pub mod over_values;
pub mod over_whole;
pub mod pairs;
pub mod program;
pub mod rank;
pub mod session;
pub mod shown;
pub mod simple;
pub mod sort;
pub mod temporal_join;
pub mod util;
pub mod watermark;
pub mod window;
pub mod window_aggregate;
pub mod window_join;

use weir_core::{Error, Result, Schema};
use weir_functions::EvalContext;
use weir_runtime::{Operator, SourceTask, TaskContext};
use weir_spec::{ChangelogMode, LookupSpec, NodeSpec, OpSpec, OverFrame};

/// What operators need to know beside their spec.
#[derive(Clone)]
pub struct OpContext {
    /// Session settings that expressions see.
    pub eval: EvalContext,
    /// Which instance is built.
    pub task: TaskContext,
    /// Row kinds of the inputs.
    pub inputs: Vec<ChangelogMode>,
    /// `table.exec.state.ttl` in milliseconds for operators without their own; 0 = never.
    pub state_ttl: i64,
    /// `table.local-time-zone`.
    pub time_zone: String,
    /// Some expression of the job looks at the watermark (CURRENT_WATERMARK).
    pub exact_watermarks: bool,
    /// The tables that lookup joins read, where the job has any.
    pub lookups: Option<std::sync::Arc<lookup_table::Lookups>>,
}

impl OpContext {
    fn input_mode(&self, input: usize) -> ChangelogMode {
        self.inputs.get(input).copied().unwrap_or(ChangelogMode::ALL)
    }
}

/// Builds a source that needs no connector.
pub fn build_source(node: &NodeSpec, context: &OpContext) -> Result<Box<dyn SourceTask>> {
    match &node.op {
        OpSpec::Values(rows) => {
            Ok(Box::new(simple::Values::new(rows, &node.schema, context.task.subtask)?))
        }
        _ => Err(Error::internal(format!("{} is not a source of its own", node.name))),
    }
}

/// Builds the instance of a node for one worker.
pub fn build(node: &NodeSpec, inputs: &[Schema], context: &OpContext) -> Result<Box<dyn Operator>> {
    let Some(input) = inputs.first() else {
        return Err(Error::internal(format!("{} has no input", node.name)));
    };
    let output = &node.schema;
    let groups = context.task.max_parallelism;
    let retracts = !context.input_mode(0).is_insert_only();
    let eval = || context.eval;
    Ok(match &node.op {
        OpSpec::Calc { filter, projection } => {
            Box::new(calc::Calc::new(filter.as_ref(), projection, input, output, eval())?)
        }
        OpSpec::WatermarkAssigner { rowtime, watermark, idle_timeout, interval } => {
            Box::new(watermark::WatermarkAssigner::new(
                *rowtime,
                watermark,
                *idle_timeout,
                *interval,
                context.exact_watermarks,
                eval(),
            )?)
        }
        OpSpec::Union | OpSpec::Collect => Box::new(simple::Pass::new(output)),
        OpSpec::DropUpdateBefore => Box::new(simple::Pass::without_update_before(output)),
        OpSpec::GroupAggregate { keys, calls, update_before, input_retracts, state_ttl } => {
            Box::new(group_aggregate::GroupAggregate::new(
                keys,
                calls,
                *update_before,
                *input_retracts,
                *state_ttl,
                input,
                output,
                groups,
            )?)
        }
        OpSpec::WindowTableFunction(spec) => match window::Aligned::new(&spec.kind)? {
            Some(aligned) => Box::new(simple::WindowTableFunction::new(
                spec,
                aligned,
                &context.time_zone,
                output,
            )?),
            None => Box::new(session::SessionWindows::table_function(
                spec,
                &context.time_zone,
                (input, output),
                groups,
            )?),
        },
        OpSpec::WindowAggregate { window, attached, keys, calls, time_zone, oldest_first } => {
            let session = matches!(window.kind, weir_spec::WindowKind::Session { .. });
            if session && attached.is_none() {
                Box::new(session::SessionWindows::aggregate(
                    window,
                    keys,
                    calls,
                    time_zone,
                    (input, output),
                    retracts,
                    groups,
                )?)
            } else {
                Box::new(window_aggregate::WindowAggregate::new(
                    window,
                    *attached,
                    keys,
                    calls,
                    time_zone,
                    *oldest_first,
                    retracts,
                    input,
                    output,
                    groups,
                )?)
            }
        }
        OpSpec::Branches(branches) => {
            Box::new(calc::Branches::new(branches, input, output, context.eval)?)
        }
        OpSpec::Expand(projections) => Box::new(simple::Expand::new(projections, output, eval())?),
        OpSpec::Unnest { collection, flatten, ordinality, condition, outer } => {
            Box::new(simple::Unnest::new(
                collection,
                *flatten,
                *ordinality,
                condition.as_ref(),
                *outer,
                output,
                eval(),
            )?)
        }
        OpSpec::Join(spec) => Box::new(join::Join::new(
            spec,
            two(node, inputs)?,
            [context.input_mode(0), context.input_mode(1)],
            output,
            eval(),
            context.state_ttl,
            groups,
        )?),
        OpSpec::MultiJoin(spec) => Box::new(multi_join::MultiJoin::new(
            spec,
            inputs,
            &context.inputs,
            output,
            eval(),
            context.state_ttl,
            groups,
        )?),
        OpSpec::Sort { order_by, offset, fetch, by_rowtime } => Box::new(sort::Sort::new(
            order_by,
            *offset,
            *fetch,
            *by_rowtime,
            input,
            output,
            groups,
        )?),
        OpSpec::Limit { offset, fetch, update_before } if retracts => {
            Box::new(rank::Rank::limit(*offset, *fetch, *update_before, input, output, groups)?)
        }
        OpSpec::Limit { offset, fetch, .. } => Box::new(rank::Limit::new(*offset, *fetch, output)),
        OpSpec::Rank(spec) => {
            Box::new(rank::Rank::new(spec, retracts, context.state_ttl, input, output, groups)?)
        }
        OpSpec::Deduplicate { keys, rowtime: Some(rowtime), keep_last: false, .. } => {
            let ttl = context.state_ttl;
            Box::new(first_row::FirstRow::new(keys, *rowtime, ttl, input, output, groups))
        }
        OpSpec::Deduplicate { keys, rowtime, keep_last, update_before } => {
            let keep =
                if *keep_last { last_row::Keep::Last(*rowtime) } else { last_row::Keep::First };
            let ttl = context.state_ttl;
            Box::new(last_row::LastRow::new(keys, keep, *update_before, ttl, input, output, groups))
        }
        OpSpec::ChangelogNormalize { keys, update_before } => Box::new(last_row::LastRow::new(
            keys,
            last_row::Keep::Upserted,
            *update_before,
            context.state_ttl,
            input,
            output,
            groups,
        )),
        OpSpec::Conflicts { keys, action } => {
            Box::new(conflicts::Conflicts::new(keys, *action, context.state_ttl, input, groups))
        }
        OpSpec::IntervalJoin { join, left_time, right_time, lower, upper, event_time } => {
            Box::new(interval_join::IntervalJoin::new(
                join,
                [*left_time, *right_time],
                (*lower, *upper),
                *event_time,
                two(node, inputs)?,
                output,
                eval(),
                groups,
            )?)
        }
        OpSpec::DropLate { window_end } => {
            Box::new(late::DropLate::new(*window_end, input, &context.time_zone)?)
        }
        OpSpec::WindowJoin { join, left_window, right_window } => {
            Box::new(window_join::WindowJoin::new(
                join,
                [*left_window, *right_window],
                two(node, inputs)?,
                output,
                &context.time_zone,
                eval(),
                groups,
            )?)
        }
        OpSpec::TemporalJoin { join, left_time, right_time } => {
            Box::new(temporal_join::TemporalJoin::new(
                join,
                [*left_time, *right_time],
                two(node, inputs)?,
                output,
                eval(),
                groups,
            )?)
        }
        OpSpec::LookupJoin(spec) => {
            let table = lookups(context)?.table(&node.uid, spec, eval())?;
            Box::new(lookup_join::LookupJoin::new(spec, table, input, output, eval(), groups)?)
        }
        OpSpec::DeltaJoin(sides) => {
            let [left, right] = two(node, inputs)?;
            let side = |spec: &LookupSpec, input| -> Result<_> {
                let table = lookups(context)?.table(&node.uid, spec, eval())?;
                lookup_join::LookupJoin::new(spec, table, input, output, eval(), groups)
            };
            Box::new(delta_join::DeltaJoin::new(side(&sides[0], left)?, side(&sides[1], right)?))
        }
        OpSpec::WindowRank { rank, window } => Box::new(window_join::WindowRank::new(
            rank,
            *window,
            retracts,
            input,
            output,
            &context.time_zone,
            groups,
        )?),
        OpSpec::Over(spec) if matches!(spec.frame, OverFrame::Between { .. }) => {
            Box::new(over_whole::OverWhole::new(spec, input, output)?)
        }
        OpSpec::Over(spec) if spec.time_ordered => {
            Box::new(over::Over::new(spec, input, output, groups)?)
        }
        OpSpec::Over(spec) => Box::new(over_values::OverValues::new(
            spec,
            retracts,
            context.state_ttl,
            input,
            output,
            groups,
        )?),
        OpSpec::ToChangelog { codes } => Box::new(changelog::ToChangelog::new(codes, output)),
        OpSpec::FromChangelog { column, codes } => {
            Box::new(changelog::FromChangelog::new(*column, codes, output))
        }
        OpSpec::Match(spec) => {
            Box::new(matching::MatchRecognize::new(spec, input, output, eval(), groups)?)
        }
        OpSpec::Source(_) | OpSpec::Sink(_) | OpSpec::Values(_) => {
            return Err(Error::internal(format!("{} is not built here", node.name)));
        }
    })
}

fn lookups(context: &OpContext) -> Result<&lookup_table::Lookups> {
    context.lookups.as_deref().ok_or_else(|| Error::internal("a lookup join without tables"))
}

fn two<'a>(node: &NodeSpec, inputs: &'a [Schema]) -> Result<[&'a Schema; 2]> {
    match inputs {
        [left, right] => Ok([left, right]),
        _ => Err(Error::internal(format!("{} needs two inputs", node.name))),
    }
}
