//! The job as the caller describes it, and its layout as pipelines.

use std::sync::Arc;

use weir_core::{Error, Result};

use crate::operator::{Operator, SourceTask, TaskContext};
use crate::partition::Partitioner;

/// An instance of a node.
pub enum NodeBody {
    /// Reads from outside; has no inputs.
    Source(Box<dyn SourceTask>),
    /// Everything else, sinks included.
    Operator(Box<dyn Operator>),
}

/// One instance's place, as factories see it.
pub type Subtask = TaskContext;

/// Builds the instance of a node for one worker.
pub type NodeFactory = Arc<dyn Fn(&Subtask) -> Result<NodeBody> + Send + Sync>;

/// How rows of an input reach the instances of its consumer.
#[derive(Clone)]
pub enum Exchange {
    /// To the instance in the same worker.
    Forward,
    /// By key group of the columns.
    Hash(Vec<usize>),
    /// Everything to instance 0.
    Single,
    /// Round robin of batches.
    Rebalance,
    /// By a sink's own function.
    Custom(Arc<dyn Partitioner>),
}

/// An input of a node.
#[derive(Clone)]
pub struct Edge {
    /// Producing node.
    pub node: usize,
    /// Distribution of its rows.
    pub exchange: Exchange,
}

/// A node of a job.
#[derive(Clone)]
pub struct Node {
    /// Stable identity, names the state.
    pub uid: String,
    /// Display name.
    pub name: String,
    /// Inputs; none for a source.
    pub inputs: Vec<Edge>,
    /// Builds the instances.
    pub factory: NodeFactory,
}

/// A job: nodes with producers before their consumers.
#[derive(Clone, Default)]
pub struct JobGraph {
    /// The nodes.
    pub nodes: Vec<Node>,
}

/// Where rows of a node go: into the same pipeline or through a channel edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// To a stage of the same pipeline.
    Stage(usize),
    /// To a channel edge, by its number.
    Channel(usize),
}

/// A channel edge: (consumer node, input number).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChannelEdge {
    pub consumer: usize,
    pub input: usize,
}

/// Nodes fused into one tree; stage 0 is the head.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PipelineLayout {
    /// (node, routes of its output) per stage.
    pub stages: Vec<(usize, Vec<Route>)>,
}

/// All pipelines of a job; the same for every worker.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    pub pipelines: Vec<PipelineLayout>,
    pub edges: Vec<ChannelEdge>,
}

impl JobGraph {
    fn is_head(&self, node: usize, parallelism: usize) -> bool {
        match self.nodes[node].inputs.as_slice() {
            [one] => parallelism > 1 && !matches!(one.exchange, Exchange::Forward),
            _ => true,
        }
    }

    /// Cuts the graph into pipelines: at exchanges (unless there is one worker only)
    /// and in front of nodes with several inputs, so that every pipeline is a tree.
    pub(crate) fn layout(&self, parallelism: usize) -> Result<Layout> {
        let count = self.nodes.len();
        let mut consumers: Vec<Vec<ChannelEdge>> = vec![Vec::new(); count];
        for (consumer, node) in self.nodes.iter().enumerate() {
            for (input, edge) in node.inputs.iter().enumerate() {
                if edge.node >= consumer {
                    return Err(Error::internal(format!(
                        "node {consumer} of the job reads node {}, which does not come before it",
                        edge.node
                    )));
                }
                consumers[edge.node].push(ChannelEdge { consumer, input });
            }
        }
        let mut layout = Layout::default();
        for node in (0..count).filter(|&n| self.is_head(n, parallelism)) {
            let mut pipeline = PipelineLayout::default();
            pipeline.stages.push((node, Vec::new()));
            let mut at = 0;
            while at < pipeline.stages.len() {
                for &edge in &consumers[pipeline.stages[at].0] {
                    let route = if self.is_head(edge.consumer, parallelism) {
                        layout.edges.push(edge);
                        Route::Channel(layout.edges.len() - 1)
                    } else {
                        pipeline.stages.push((edge.consumer, Vec::new()));
                        Route::Stage(pipeline.stages.len() - 1)
                    };
                    pipeline.stages[at].1.push(route);
                }
                at += 1;
            }
            layout.pipelines.push(pipeline);
        }
        Ok(layout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(inputs: &[usize], exchange: Exchange) -> Node {
        Node {
            uid: String::new(),
            name: String::new(),
            inputs: inputs.iter().map(|&node| Edge { node, exchange: exchange.clone() }).collect(),
            factory: Arc::new(|_| Err(Error::internal("not built"))),
        }
    }

    fn diamond() -> JobGraph {
        JobGraph {
            nodes: vec![
                node(&[], Exchange::Forward),
                node(&[0], Exchange::Forward),
                node(&[0], Exchange::Hash(vec![0])),
                node(&[1, 2], Exchange::Forward),
            ],
        }
    }

    #[test]
    fn one_worker_fuses_everything_but_joins() {
        let layout = diamond().layout(1).unwrap();
        let nodes: Vec<Vec<usize>> =
            layout.pipelines.iter().map(|p| p.stages.iter().map(|s| s.0).collect()).collect();
        assert_eq!(nodes, vec![vec![0, 1, 2], vec![3]]);
        assert_eq!(layout.edges.len(), 2);
    }

    #[test]
    fn several_workers_cut_at_exchanges() {
        let layout = diamond().layout(2).unwrap();
        assert_eq!(layout.pipelines.len(), 3);
        assert_eq!(layout.edges.len(), 3);
    }

    #[test]
    fn cycles_are_refused() {
        let g = JobGraph { nodes: vec![node(&[0], Exchange::Forward)] };
        assert!(g.layout(1).is_err());
    }
}
