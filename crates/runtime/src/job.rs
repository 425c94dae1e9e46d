//! Starting a job and the handle to it: completion, cancellation, barriers,
//! metrics.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use weir_core::{Error, Result};

use crate::channel::{Wake, channel};
use crate::exchange::ExchangeWriter;
use crate::gate::Gate;
use crate::graph::{Exchange, JobGraph, Layout, NodeBody, PipelineLayout, Route};
use crate::message::{Barrier, Control};
use crate::metrics::{NodeMetrics, NodeSnapshot, snapshot};
use crate::operator::{Out, Seal, TaskContext};
use crate::pipeline::{Head, Pipeline, Stage, Target};
use crate::report::{PieceStore, Report, Reporter};
use crate::shared::JobShared;
use crate::worker::Worker;

/// Seals of an earlier run by node uid, one per instance of that run.
pub type RestoredState = HashMap<String, Vec<Seal>>;

/// How a job runs.
#[derive(Debug, Clone)]
pub struct RunConfig {
    /// Name for threads.
    pub name: String,
    /// Number of workers.
    pub parallelism: usize,
    /// Number of key groups; part of the job's identity.
    pub max_parallelism: u32,
    /// Bound of one channel in bytes.
    pub channel_bytes: usize,
    /// Barriers are aligned (exactly once) or not (at least once).
    pub aligned: bool,
    /// Number of the last barrier of earlier runs: those of this run are greater.
    pub epoch: u64,
    /// State to start from.
    pub restore: RestoredState,
    /// Takes large tables of checkpoints while they are sealed.
    pub pieces: Option<Arc<dyn PieceStore>>,
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            name: "job".into(),
            parallelism: 1,
            max_parallelism: weir_core::keys::DEFAULT_MAX_PARALLELISM,
            channel_bytes: 4 << 20,
            aligned: true,
            epoch: 0,
            restore: RestoredState::new(),
            pieces: None,
        }
    }
}

/// A running job. Dropping the handle cancels the job.
pub struct JobHandle {
    shared: Arc<JobShared>,
    threads: Vec<JoinHandle<()>>,
    control: Vec<Sender<Control>>,
    reports: Receiver<Report>,
    metrics: Vec<(String, String, Vec<Arc<NodeMetrics>>)>,
}

impl JobHandle {
    /// Stops the job without emitting what is left.
    pub fn cancel(&self) {
        if self.shared.running.load(Ordering::SeqCst) > 0 {
            self.shared.cancelled.store(true, Ordering::SeqCst);
        }
        self.shared.halt();
    }

    /// Whether [`JobHandle::cancel`] ended the job.
    pub fn is_cancelled(&self) -> bool {
        self.shared.cancelled.load(Ordering::SeqCst)
    }

    /// Whether all workers have ended.
    pub fn is_finished(&self) -> bool {
        self.shared.running.load(Ordering::SeqCst) == 0
    }

    /// Waits until the job has ended or the time is over; whether it has ended.
    pub fn wait_for(&self, timeout: Duration) -> bool {
        let guard = self.shared.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let running = |_: &mut ()| self.shared.running.load(Ordering::SeqCst) > 0;
        drop(self.shared.ended_signal.wait_timeout_while(guard, timeout, running));
        self.is_finished()
    }

    /// Waits for the end; the first error of any worker.
    pub fn wait(&mut self) -> Result<()> {
        for t in self.threads.drain(..) {
            // Panics were caught inside and recorded.
            let _ = t.join();
        }
        self.error().map_or(Ok(()), Err)
    }

    /// The first error, if the job has failed.
    pub fn error(&self) -> Option<Error> {
        self.shared.error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Injects a barrier at all sources. Every node instance answers with one
    /// [`Report`] of this epoch, or has sent or will send one with `finished`.
    pub fn trigger_barrier(&self, barrier: Barrier) {
        self.tell(Control::Barrier(barrier));
    }

    /// Tells the sources that the positions they reported are durable.
    pub fn completed(&self) {
        self.tell(Control::Completed);
    }

    fn tell(&self, control: Control) {
        for c in &self.control {
            let _ = c.send(control);
        }
        self.shared.wakes.iter().for_each(|w| w.wake());
    }

    /// Where the reports of barriers and of ended instances arrive.
    pub fn reports(&self) -> &Receiver<Report> {
        &self.reports
    }

    /// Number of node instances, for counting reports.
    pub fn instances(&self) -> usize {
        self.metrics.iter().map(|m| m.2.len()).sum()
    }

    /// Live counters, one entry per node of the graph.
    pub fn metrics(&self) -> Vec<NodeSnapshot> {
        self.metrics.iter().map(|(uid, name, tasks)| snapshot(uid, name, tasks)).collect()
    }
}

impl Drop for JobHandle {
    fn drop(&mut self) {
        self.cancel();
        for t in self.threads.drain(..) {
            let _ = t.join();
        }
    }
}

/// Starts a job: builds all instances (errors come from here), then the worker threads.
pub fn run(graph: JobGraph, config: RunConfig) -> Result<JobHandle> {
    let parallelism = config.parallelism.max(1);
    if parallelism > config.max_parallelism as usize {
        return Err(Error::option(format!(
            "parallelism {parallelism} is above 'pipeline.max-parallelism' = {}",
            config.max_parallelism
        )));
    }
    let layout = graph.layout(parallelism)?;
    let wakes: Vec<Arc<Wake>> = (0..parallelism).map(|_| Arc::default()).collect();
    let shared = Arc::new(JobShared {
        running: AtomicUsize::new(parallelism),
        wakes: wakes.clone(),
        ..JobShared::default()
    });
    let mut wiring = Wiring::new(&graph, &layout, &config, &wakes);
    let (report_sender, reports) = unbounded();
    let mut control = Vec::new();
    let mut workers = Vec::new();
    for (subtask, wake) in wakes.iter().enumerate() {
        let context = TaskContext { subtask, parallelism, max_parallelism: config.max_parallelism };
        let mut pipelines = Vec::new();
        for p in &layout.pipelines {
            let (sender, pieces) = (report_sender.clone(), config.pieces.clone());
            let reporter = Reporter { sender, subtask, pieces };
            pipelines.push(wiring.pipeline(p, &context, reporter)?);
        }
        let (sender, receiver) = unbounded();
        control.push(sender);
        workers.push(Worker {
            context,
            pipelines,
            wake: Arc::clone(wake),
            control: receiver,
            shared: Arc::clone(&shared),
        });
    }
    let metrics = wiring.metrics;
    let metrics =
        graph.nodes.iter().zip(metrics).map(|(n, m)| (n.uid.clone(), n.name.clone(), m)).collect();
    let mut handle = JobHandle { shared, threads: Vec::new(), control, reports, metrics };
    for worker in workers {
        let name = format!("{}-{}", config.name, worker.context.subtask);
        let thread = std::thread::Builder::new().name(name).spawn(move || worker.run())?;
        handle.threads.push(thread);
    }
    Ok(handle)
}

/// Builds instances and connects them.
struct Wiring<'a> {
    graph: &'a JobGraph,
    layout: &'a Layout,
    config: &'a RunConfig,
    /// Senders per edge and producer worker.
    senders: Vec<Vec<Vec<crate::channel::Sender>>>,
    /// Receivers per edge and consumer worker.
    receivers: Vec<Vec<Vec<crate::channel::Receiver>>>,
    metrics: Vec<Vec<Arc<NodeMetrics>>>,
}

impl<'a> Wiring<'a> {
    fn new(
        graph: &'a JobGraph,
        layout: &'a Layout,
        config: &'a RunConfig,
        wakes: &[Arc<Wake>],
    ) -> Self {
        let n = wakes.len();
        let none = || (0..n).map(|_| Vec::new()).collect::<Vec<_>>();
        let mut senders = Vec::new();
        let mut receivers = Vec::new();
        for edge in &layout.edges {
            let exchange = &graph.nodes[edge.consumer].inputs[edge.input].exchange;
            let mut from: Vec<Vec<_>> = none();
            let mut to: Vec<Vec<_>> = (0..n).map(|_| Vec::new()).collect();
            for (producer, sender_list) in from.iter_mut().enumerate() {
                let consumers = match exchange {
                    Exchange::Forward => producer..producer + 1,
                    Exchange::Single => 0..1,
                    _ => 0..n,
                };
                for consumer in consumers {
                    let (s, r) = channel(
                        config.channel_bytes,
                        Arc::clone(&wakes[producer]),
                        Arc::clone(&wakes[consumer]),
                    );
                    sender_list.push(s);
                    to[consumer].push(r);
                }
            }
            senders.push(from);
            receivers.push(to);
        }
        let metrics = graph.nodes.iter().map(|_| Vec::new()).collect();
        Self { graph, layout, config, senders, receivers, metrics }
    }

    fn pipeline(
        &mut self,
        layout: &PipelineLayout,
        context: &TaskContext,
        reporter: Reporter,
    ) -> Result<Pipeline> {
        let mut exchanges = Vec::new();
        let mut stages = Vec::new();
        let mut source = None;
        for (node, routes) in &layout.stages {
            let operator = match self.instance(*node, context)? {
                NodeBody::Source(s) => {
                    source = Some(s);
                    None
                }
                NodeBody::Operator(o) => Some(o),
            };
            let mut targets = Vec::new();
            for route in routes {
                targets.push(match *route {
                    Route::Stage(s) => Target::Stage(s),
                    Route::Channel(edge) => {
                        exchanges.push(self.writer(edge, context));
                        Target::Exchange(exchanges.len() - 1)
                    }
                });
            }
            let metrics = Arc::new(NodeMetrics::default());
            self.metrics[*node].push(Arc::clone(&metrics));
            stages.push(Stage {
                node: *node,
                name: self.graph.nodes[*node].name.clone(),
                operator,
                targets,
                out: Out::for_node(Arc::clone(&metrics)),
                metrics,
                held: Vec::new(),
                held_rows: 0,
            });
        }
        let head = match source {
            Some(task) => Head::Source { task, not_before: None },
            None => Head::Gate(self.gate(layout.stages[0].0, context)),
        };
        Ok(Pipeline::new(head, stages, exchanges, reporter, self.config.epoch))
    }

    fn instance(&self, node: usize, context: &TaskContext) -> Result<NodeBody> {
        let node = &self.graph.nodes[node];
        let mut body = (node.factory)(context).map_err(|e| e.context(node.name.clone()))?;
        let seals = self.config.restore.get(&node.uid).map_or(&[][..], Vec::as_slice);
        match &mut body {
            NodeBody::Source(source) if node.inputs.is_empty() => {
                if !seals.is_empty() {
                    source.restore(seals.iter().flat_map(|s| s.positions.clone()).collect())?;
                }
            }
            NodeBody::Operator(operator) if !node.inputs.is_empty() => {
                for seal in seals {
                    operator.restore(seal, context)?;
                }
            }
            _ => {
                return Err(Error::internal(format!(
                    "node {} has inputs and is a source, or has none and is not",
                    node.name
                )));
            }
        }
        Ok(body)
    }

    fn writer(&mut self, edge: usize, context: &TaskContext) -> ExchangeWriter {
        let e = self.layout.edges[edge];
        let exchange = self.graph.nodes[e.consumer].inputs[e.input].exchange.clone();
        let senders = std::mem::take(&mut self.senders[edge][context.subtask]);
        ExchangeWriter::new(exchange, senders, context.subtask, context.max_parallelism)
    }

    fn gate(&mut self, node: usize, context: &TaskContext) -> Gate {
        let mut channels = Vec::new();
        for (i, e) in self.layout.edges.iter().enumerate() {
            if e.consumer == node {
                let receivers = std::mem::take(&mut self.receivers[i][context.subtask]);
                channels.extend(receivers.into_iter().map(|r| (e.input, r)));
            }
        }
        Gate::new(channels, self.config.aligned)
    }
}
