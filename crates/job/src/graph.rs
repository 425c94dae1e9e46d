//! Running nodes from operator specs.

use std::sync::Arc;

use crossbeam_channel::Sender;
use weir_connect::api::{Committer, Sink};
use weir_core::{ChangeBatch, Error, Result, Schema};
use weir_functions::{EvalContext, Expr};
use weir_ops::OpContext;
use weir_runtime::{Edge, Exchange, JobGraph, Node, NodeBody, NodeFactory, TaskContext};
use weir_spec::{Distribution, JoinKind, NodeSpec, OpSpec, Plan, SinkSpec};

use crate::adapters::{CollectAdapter, NotNull, PartitionerAdapter, SinkAdapter, SourceAdapter};
use crate::collapse::Collapse;
use crate::connectors::ConnectorSet;

/// A graph ready to run, and who commits its sinks.
pub struct Built {
    /// The graph.
    pub graph: JobGraph,
    /// Committers by sink node.
    pub committers: Vec<(usize, Box<dyn Committer>)>,
    /// Every source ends by itself.
    pub bounded: bool,
}

/// Session settings that operators see.
#[derive(Debug, Clone)]
pub struct JobSettings {
    /// What expressions see.
    pub eval: EvalContext,
    /// `table.local-time-zone`
    pub time_zone: String,
    /// `table.exec.state.ttl` in milliseconds; 0 = never.
    pub state_ttl: i64,
    /// Batch mode: only final rows leave an operator.
    pub batch: bool,
}

/// Builds the graph of a plan. `collect` receives the rows of a query.
pub fn build(
    plan: &Plan,
    connectors: &ConnectorSet,
    settings: &JobSettings,
    not_null: NotNull,
    collect: Option<&Sender<ChangeBatch>>,
) -> Result<Built> {
    let mut graph = JobGraph::default();
    let mut committers = Vec::new();
    let mut bounded = true;
    for (i, node) in plan.nodes.iter().enumerate() {
        let mut partitioner = None;
        let factory: NodeFactory = match &node.op {
            OpSpec::Source(spec) => {
                let source = connectors
                    .source(spec, &node.schema)
                    .map_err(|e| e.context(format!("table {}", spec.table.identifier)))?;
                bounded &= source.is_bounded();
                let source: Arc<dyn weir_connect::api::Source> = Arc::from(source);
                Arc::new(move |t| {
                    let reader = source.reader(t.subtask, t.parallelism)?;
                    Ok(NodeBody::Source(Box::new(SourceAdapter(reader))))
                })
            }
            OpSpec::Sink(spec) => {
                let sink = connectors
                    .sink(spec, &node.schema)
                    .map_err(|e| e.context(format!("table {}", spec.table.identifier)))?;
                if let Some(c) = sink.committer()? {
                    committers.push((i, c));
                }
                partitioner = sink.partitioner();
                sink_factory(spec, Arc::from(sink), not_null)
            }
            OpSpec::Collect => {
                let sender =
                    collect.cloned().ok_or_else(|| Error::internal("a query without a client"))?;
                Arc::new(move |_| Ok(NodeBody::Operator(Box::new(CollectAdapter(sender.clone())))))
            }
            _ => operator_factory(node, plan, settings),
        };
        let inputs = node
            .inputs
            .iter()
            .map(|input| Edge {
                node: input.node,
                exchange: exchange(&input.distribution, partitioner.as_ref()),
            })
            .collect();
        graph.nodes.push(Node { uid: node.uid.clone(), name: node.name.clone(), inputs, factory });
    }
    Ok(Built { graph, committers, bounded })
}

fn operator_factory(node: &NodeSpec, plan: &Plan, settings: &JobSettings) -> NodeFactory {
    let producers = || node.inputs.iter().map(|i| &plan.nodes[i.node]);
    let inputs: Vec<Schema> = producers().map(|n| n.schema.clone()).collect();
    let modes: Vec<_> = producers().map(|n| n.changelog).collect();
    let exact_watermarks = plan.nodes.iter().any(reads_watermark);
    let collapse = settings.batch && updates(&node.op);
    let (node, settings) = (node.clone(), settings.clone());
    Arc::new(move |task: &TaskContext| {
        let context = OpContext {
            eval: settings.eval,
            task: *task,
            inputs: modes.clone(),
            state_ttl: settings.state_ttl,
            time_zone: settings.time_zone.clone(),
            exact_watermarks,
        };
        if matches!(node.op, OpSpec::Values(_)) {
            return Ok(NodeBody::Source(weir_ops::build_source(&node, &context)?));
        }
        let operator = weir_ops::build(&node, &inputs, &context)?;
        Ok(NodeBody::Operator(if collapse { Box::new(Collapse::new(operator)) } else { operator }))
    })
}

/// Operators that may take back what they emitted.
fn updates(op: &OpSpec) -> bool {
    match op {
        OpSpec::GroupAggregate { .. }
        | OpSpec::Rank(_)
        | OpSpec::Deduplicate { .. }
        | OpSpec::ChangelogNormalize { .. }
        | OpSpec::Limit { .. } => true,
        OpSpec::Over(over) => !over.time_ordered,
        OpSpec::Join(j) => !matches!(j.kind, JoinKind::Inner | JoinKind::Semi),
        _ => false,
    }
}

fn reads_watermark(node: &NodeSpec) -> bool {
    fn calls(e: &Expr) -> bool {
        matches!(e, Expr::Call { function, .. } if function == "CURRENT_WATERMARK")
            || e.children().into_iter().any(calls)
    }
    match &node.op {
        OpSpec::Calc { filter, projection } => filter.iter().chain(projection).any(calls),
        _ => false,
    }
}

fn sink_factory(spec: &SinkSpec, sink: Arc<dyn Sink>, enforcer: NotNull) -> NodeFactory {
    let table = spec.table.identifier.clone();
    let not_null: Vec<(usize, String)> = spec
        .table
        .physical
        .fields
        .iter()
        .enumerate()
        .filter(|(_, f)| !f.ty.nullable)
        .map(|(i, f)| (i, f.name.clone()))
        .collect();
    Arc::new(move |t| {
        let writer = sink.writer(t.subtask, t.parallelism)?;
        Ok(NodeBody::Operator(Box::new(SinkAdapter {
            writer,
            table: table.clone(),
            not_null: not_null.clone(),
            enforcer,
        })))
    })
}

fn exchange(
    distribution: &Distribution,
    partitioner: Option<&Arc<dyn weir_connect::api::SinkPartitioner>>,
) -> Exchange {
    match distribution {
        Distribution::Forward => Exchange::Forward,
        Distribution::Hash(columns) => Exchange::Hash(columns.clone()),
        Distribution::Single => Exchange::Single,
        Distribution::Rebalance => Exchange::Rebalance,
        Distribution::SinkBucket => match partitioner {
            Some(p) => Exchange::Custom(Arc::new(PartitionerAdapter(Arc::clone(p)))),
            None => Exchange::Forward,
        },
    }
}
