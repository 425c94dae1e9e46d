//! Running nodes from operator specs.

use std::sync::Arc;

use crossbeam_channel::Sender;
use weir_connect::api::{Committer, Sink, SinkIdentity};
use weir_core::{ChangeBatch, Error, Result, Schema};
use weir_functions::{EvalContext, Expr};
use weir_ops::OpContext;
use weir_runtime::{Edge, Exchange, JobGraph, Node, NodeBody, NodeFactory, TaskContext};
use weir_spec::{Distribution, NodeSpec, OpSpec, Plan, SinkSpec};

use crate::adapters::{NotNull, PartitionerAdapter, ResultCheck, SinkAdapter, SourceAdapter};
use crate::collect::Collect;
use crate::connectors::ConnectorSet;
use crate::recovery::NodeState;
use crate::testing::{Testing, Untimed};

/// A graph ready to run, and who commits its sinks.
pub struct Built {
    /// The graph.
    pub graph: JobGraph,
    /// Committers by sink node.
    pub committers: Vec<(usize, Box<dyn Committer>)>,
    /// Every source ends by itself.
    pub bounded: bool,
    /// The nodes, as far as their state is concerned.
    pub states: Vec<NodeState>,
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
    /// Identifier of the job over all its runs.
    pub job_id: String,
    /// Checkpoints are kept outside the process.
    pub durable: bool,
    /// What tests of recovery ask for; nothing in batch mode.
    pub testing: Testing,
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
    let lookups = Arc::new(crate::lookup::lookups());
    for (i, node) in plan.nodes.iter().enumerate() {
        let mut partitioner = None;
        let factory: NodeFactory = match &node.op {
            OpSpec::Source(spec) => {
                let mut source = connectors
                    .source(spec, &node.schema)
                    .map_err(|e| e.context(format!("table {}", spec.table.identifier)))?;
                bounded &= source.is_bounded();
                if let Some(rows) = settings.testing.batch_rows {
                    source.limit_batches(rows);
                }
                let source: Arc<dyn weir_connect::api::Source> = Arc::from(source);
                let testing = settings.testing;
                Arc::new(move |t| {
                    let reader = source.reader(t.subtask, t.parallelism)?;
                    Ok(testing.pace(NodeBody::Source(Box::new(SourceAdapter(reader))), t))
                })
            }
            OpSpec::Sink(_) | OpSpec::Collect => {
                let root = root(node, connectors, settings, not_null, collect)?;
                committers.extend(root.committer.map(|c| (i, c)));
                partitioner = root.partitioner;
                root.factory
            }
            _ => operator_factory(node, plan, settings, &lookups),
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
    Ok(Built { graph, committers, bounded, states: crate::layout::node_states(plan) })
}

/// Builds the graph of a plan whose rows come from a batch execution: per root,
/// a source that hands them out, and the root itself.
pub fn build_batch(
    plan: &Plan,
    prepared: &weir_batch::Prepared,
    connectors: &ConnectorSet,
    settings: &JobSettings,
    not_null: NotNull,
    collect: Option<&Sender<ChangeBatch>>,
) -> Result<Built> {
    let mut graph = JobGraph::default();
    let mut committers = Vec::new();
    for at in prepared.roots() {
        let node = &plan.nodes[at];
        let tasks =
            prepared.tasks(at).ok_or_else(|| Error::internal("a root without a batch plan"))?;
        let source = graph.nodes.len();
        graph.nodes.push(Node {
            uid: format!("{}-batch", node.uid),
            name: "Batch".to_owned(),
            inputs: Vec::new(),
            factory: Arc::new(move |t| Ok(NodeBody::Source(tasks(t.subtask, t.parallelism)))),
        });
        let root = root(node, connectors, settings, not_null, collect)?;
        committers.extend(root.committer.map(|c| (source + 1, c)));
        let distribution = &node.inputs[0].distribution;
        let exchange = exchange(distribution, root.partitioner.as_ref());
        graph.nodes.push(Node {
            uid: node.uid.clone(),
            name: node.name.clone(),
            inputs: vec![Edge { node: source, exchange }],
            factory: root.factory,
        });
    }
    let nodes = graph.nodes.iter();
    let states = nodes
        .map(|n| NodeState {
            uid: n.uid.clone(),
            name: n.name.clone(),
            layout: String::new(),
            key: Vec::new(),
            spec: None,
        })
        .collect();
    Ok(Built { graph, committers, bounded: true, states })
}

/// A sink or the client, ready to run.
struct Root {
    factory: NodeFactory,
    committer: Option<Box<dyn Committer>>,
    partitioner: Option<Arc<dyn weir_connect::api::SinkPartitioner>>,
}

fn root(
    node: &NodeSpec,
    connectors: &ConnectorSet,
    settings: &JobSettings,
    not_null: NotNull,
    collect: Option<&Sender<ChangeBatch>>,
) -> Result<Root> {
    if let OpSpec::Sink(spec) = &node.op {
        let mut sink = connectors
            .sink(spec, &node.schema)
            .map_err(|e| e.context(format!("table {}", spec.table.identifier)))?;
        sink.identify(SinkIdentity {
            job: settings.job_id.clone(),
            sink: node.uid.clone(),
            durable: settings.durable,
        });
        let (committer, partitioner) = (sink.committer()?, sink.partitioner());
        let factory = sink_factory(spec, Arc::from(sink), not_null);
        return Ok(Root { factory, committer, partitioner });
    }
    let not_null_rule = not_null;
    let columns: Vec<(usize, String)> = node
        .schema
        .fields
        .iter()
        .enumerate()
        .filter(|(_, f)| !f.ty.nullable)
        .map(|(i, f)| (i, f.name.clone()))
        .collect();
    let sender = collect.cloned().ok_or_else(|| Error::internal("a query without a client"))?;
    let (schema, durable) = (node.schema.clone(), settings.durable && !settings.batch);
    let factory: NodeFactory = Arc::new(move |task| {
        let sender = sender.clone();
        let collect = match durable {
            true => Collect::durable(sender, &schema, task),
            false => Collect::new(sender),
        };
        let check = ResultCheck { not_null: columns.clone(), enforcer: not_null_rule };
        Ok(NodeBody::Operator(Box::new(collect.checked(check))))
    });
    Ok(Root { factory, committer: None, partitioner: None })
}

fn operator_factory(
    node: &NodeSpec,
    plan: &Plan,
    settings: &JobSettings,
    lookups: &Arc<weir_ops::lookup_table::Lookups>,
) -> NodeFactory {
    let producers = || node.inputs.iter().map(|i| &plan.nodes[i.node]);
    let inputs: Vec<Schema> = producers().map(|n| n.schema.clone()).collect();
    let modes: Vec<_> = producers().map(|n| n.changelog).collect();
    let exact_watermarks = plan.nodes.iter().any(reads_watermark);
    let collapse = settings.batch && weir_batch::updates(&node.op);
    let row_by_row = (weir_batch::updates(&node.op)
        || matches!(node.op, OpSpec::Join(_) | OpSpec::MultiJoin(_)))
        && !matches!(node.op, OpSpec::Conflicts { .. })
        && plan.nodes.iter().any(shows_changes);
    let (node, settings, lookups) = (node.clone(), settings.clone(), Arc::clone(lookups));
    Arc::new(move |task: &TaskContext| {
        let context = OpContext {
            eval: settings.eval,
            task: *task,
            inputs: modes.clone(),
            state_ttl: settings.state_ttl,
            time_zone: settings.time_zone.clone(),
            exact_watermarks,
            lookups: Some(Arc::clone(&lookups)),
        };
        if matches!(node.op, OpSpec::Values(_)) {
            let body = NodeBody::Source(weir_ops::build_source(&node, &context)?);
            return Ok(settings.testing.pace(body, task));
        }
        let operator = weir_ops::build(&node, &inputs, &context)?;
        let slow = settings.testing.batch_rows.is_some();
        Ok(NodeBody::Operator(if slow && matches!(node.op, OpSpec::WatermarkAssigner { .. }) {
            Box::new(Untimed(operator))
        } else if collapse {
            weir_batch::final_rows(&node.op, operator)
        } else if row_by_row {
            Box::new(weir_ops::changelog::RowByRow::new(operator))
        } else {
            operator
        }))
    })
}

/// Whether a node's result is its input's changes themselves, or depends on their order, so
/// that nothing below it may fold those of a batch into one: TO_CHANGELOG, files of a
/// changelog format, ON CONFLICT, aggregates that keep the order of what updates.
fn shows_changes(node: &NodeSpec) -> bool {
    match &node.op {
        OpSpec::ToChangelog { .. } | OpSpec::Conflicts { .. } => true,
        OpSpec::GroupAggregate { calls, input_retracts, .. } => {
            *input_retracts && calls.iter().any(|c| keeps_order(&c.function))
        }
        OpSpec::Sink(sink) => {
            let option = |key: &str| sink.table.options.get(key);
            option("connector") == Some("filesystem")
                && option("format").is_some_and(weir_connect::format::is_changelog)
        }
        _ => false,
    }
}

fn keeps_order(function: &str) -> bool {
    matches!(
        function,
        "FIRST_VALUE" | "LAST_VALUE" | "LISTAGG" | "STRING_AGG" | "ARRAY_AGG" | "JSON_ARRAYAGG"
    )
}

fn reads_watermark(node: &NodeSpec) -> bool {
    fn calls(e: &Expr) -> bool {
        matches!(e, Expr::Call { function, .. } if function == "CURRENT_WATERMARK")
            || e.children().into_iter().any(calls)
    }
    match &node.op {
        OpSpec::Calc { filter, projection } => filter.iter().chain(projection).any(calls),
        OpSpec::Branches(all) => {
            all.iter().any(|b| b.filter.iter().chain(&b.projection).any(calls))
        }
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
