//! Running prepared plans: their rows enter the runtime as a source.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use datafusion_execution::TaskContext;
use datafusion_execution::config::SessionConfig;
use datafusion_execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion_execution::memory_pool::FairSpillPool;
use datafusion_execution::runtime_env::RuntimeEnvBuilder;
use datafusion_physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::{FutureExt, StreamExt};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use weir_core::{ChangeBatch, Error, Result};
use weir_runtime::{SourcePoll, SourceTask};
use weir_spec::{NodeSpec, OpSpec, Plan};

use crate::config::Config;
use crate::convert::Converter;
use crate::error::from_df;
use crate::schema::to_changes;

/// Rows of a batch.
const BATCH_ROWS: usize = 8192;

/// Batches that may wait for a slow consumer, per partition.
const READY_BATCHES: usize = 4;

/// How long a poll waits for rows.
const PATIENCE: Duration = Duration::from_millis(5);

/// Memory when no option says how much: half of the machine's, at least 256 MiB.
pub fn default_memory() -> u64 {
    weir_state::memory::available().map_or(1 << 30, |bytes| (bytes / 2).max(256 << 20))
}

/// Execution plans of a job, one per root.
pub struct Prepared {
    roots: Vec<Root>,
}

#[derive(Clone)]
struct Root {
    node: usize,
    plan: Arc<dyn ExecutionPlan>,
    schema: SchemaRef,
    engine: Arc<Engine>,
}

/// Turns a plan of batch mode into execution plans. `None` if the plan reads or
/// shows changes: such jobs run on the streaming operators alone.
pub fn prepare(plan: &Plan, config: &Config) -> Result<Option<Prepared>> {
    let changes = |n: &NodeSpec| match n.op {
        OpSpec::Source(_) => !n.changelog.is_insert_only(),
        OpSpec::FromChangelog { .. } | OpSpec::ToChangelog { .. } => true,
        _ => false,
    };
    if plan.nodes.iter().any(changes) {
        return Ok(None);
    }
    let engine = Arc::new(Engine::new(config)?);
    let converter = Converter { plan, config };
    let mut roots = Vec::new();
    for (node, spec) in plan.nodes.iter().enumerate() {
        if matches!(spec.op, OpSpec::Sink(_) | OpSpec::Collect) {
            let below = spec.inputs[0].node;
            roots.push(Root {
                node,
                plan: converter.node(below)?.plan,
                schema: plan.nodes[below].schema.to_arrow(),
                engine: Arc::clone(&engine),
            });
        }
    }
    Ok(Some(Prepared { roots }))
}

impl Prepared {
    /// The roots: sinks and the client, as nodes of the plan.
    pub fn roots(&self) -> impl Iterator<Item = usize> {
        self.roots.iter().map(|r| r.node)
    }

    /// Makes the tasks that hand out the rows below a root, one per instance.
    pub fn tasks(
        &self,
        root: usize,
    ) -> Option<impl Fn(usize, usize) -> Box<dyn SourceTask> + Send + Sync + 'static> {
        let root = self.roots.iter().find(|r| r.node == root)?.clone();
        Some(move |subtask, parallelism| -> Box<dyn SourceTask> {
            Box::new(Task { root: root.clone(), subtask, parallelism, rows: None })
        })
    }

    /// The execution plan below a root as text.
    pub fn explain(&self, root: usize) -> Option<String> {
        let root = self.roots.iter().find(|r| r.node == root)?;
        Some(datafusion_physical_plan::displayable(root.plan.as_ref()).indent(false).to_string())
    }
}

/// Threads and memory of one execution.
struct Engine {
    runtime: Mutex<Option<Runtime>>,
    handle: Handle,
    context: Arc<TaskContext>,
}

impl Engine {
    fn new(config: &Config) -> Result<Self> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(config.parallelism).thread_name("weir-batch").enable_time();
        let runtime =
            builder.build().map_err(|e| Error::io(format!("cannot start batch threads: {e}")))?;
        let disk = match config.spill_directories.as_slice() {
            [] => DiskManagerMode::OsTmpDirectory,
            dirs => DiskManagerMode::Directories(dirs.to_vec()),
        };
        let memory = usize::try_from(config.memory).unwrap_or(usize::MAX);
        let env = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(memory)))
            .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(disk))
            .build_arc()
            .map_err(|e| from_df(&e))?;
        let session = SessionConfig::new()
            .with_batch_size(BATCH_ROWS)
            .with_target_partitions(config.parallelism);
        let context = TaskContext::default().with_session_config(session).with_runtime(env);
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Mutex::new(Some(runtime)),
            context: Arc::new(context),
        })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let runtime = self.runtime.get_mut().map(Option::take);
        if let Ok(Some(runtime)) = runtime {
            runtime.shutdown_background();
        }
    }
}

/// The partitions of a root that one instance hands out.
struct Task {
    root: Root,
    subtask: usize,
    parallelism: usize,
    rows: Option<Receiver<Result<ChangeBatch>>>,
}

impl Task {
    fn start(&self) -> Receiver<Result<ChangeBatch>> {
        let (sender, rows) = channel(READY_BATCHES);
        let partitions = self.root.plan.output_partitioning().partition_count();
        for partition in (self.subtask..partitions).step_by(self.parallelism) {
            let (root, sender) = (self.root.clone(), sender.clone());
            self.root.engine.handle.spawn(async move {
                let work = AssertUnwindSafe(run(&root, partition, &sender)).catch_unwind().await;
                let failed = match work {
                    Ok(Ok(())) => return,
                    Ok(Err(e)) => e,
                    Err(panic) => Error::internal(format!("batch task: {}", text_of(&panic))),
                };
                // A consumer that is gone needs no error.
                let _ = sender.send(Err(failed)).await;
            });
        }
        rows
    }
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default()
}

/// Sends the rows of a partition until they end or nobody wants them any more.
async fn run(root: &Root, partition: usize, sender: &Sender<Result<ChangeBatch>>) -> Result<()> {
    let context = Arc::clone(&root.engine.context);
    let mut rows = root.plan.execute(partition, context).map_err(|e| from_df(&e))?;
    while let Some(batch) = rows.next().await {
        let batch = to_changes(&batch.map_err(|e| from_df(&e))?, &root.schema)?;
        if sender.send(Ok(batch)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

impl SourceTask for Task {
    fn poll(&mut self) -> Result<SourcePoll> {
        if self.rows.is_none() {
            self.rows = Some(self.start());
        }
        let Some(rows) = &mut self.rows else { return Ok(SourcePoll::End) };
        let handle = &self.root.engine.handle;
        match handle.block_on(async { tokio::time::timeout(PATIENCE, rows.recv()).await }) {
            Ok(Some(batch)) => batch.map(SourcePoll::Batch),
            Ok(None) => Ok(SourcePoll::End),
            Err(_) => Ok(SourcePoll::Pending(Duration::ZERO)),
        }
    }
}
