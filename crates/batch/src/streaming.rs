//! A streaming operator over bounded input as a DataFusion operator.
//!
//! The inputs are read to their ends one after the other, then event time
//! passes to its end; what an updating operator takes back never leaves
//! ([`crate::collapse`]).

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion_common::Result as DfResult;
use datafusion_execution::{SendableRecordBatchStream, TaskContext as DfContext};
use datafusion_physical_expr::{EquivalenceProperties, Partitioning};
use datafusion_physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion_physical_plan::stream::RecordBatchStreamAdapter;
use datafusion_physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
};
use futures::StreamExt;
use weir_core::{Result, Schema};
use weir_ops::OpContext;
use weir_runtime::{Mark, Operator, Out, Step, TaskContext};
use weir_spec::{ChangelogMode, JoinKind, NodeSpec, OpSpec, OverFrame};

use crate::collapse::Collapse;
use crate::error::to_df;
use crate::schema::{internal, relabel, to_changes};

/// What every instance of a node needs.
#[derive(Clone)]
pub struct Recipe {
    /// The node.
    pub node: NodeSpec,
    /// Columns of its inputs.
    pub inputs: Vec<Schema>,
    /// Session settings; the task is filled in per partition.
    pub context: OpContext,
}

impl Recipe {
    fn build(&self, task: TaskContext) -> Result<Box<dyn Operator>> {
        let context = OpContext {
            task,
            inputs: vec![ChangelogMode::INSERT_ONLY; self.inputs.len()],
            ..self.context.clone()
        };
        let operator = weir_ops::build(&self.node, &self.inputs, &context)?;
        let mut operator = final_rows(&self.node.op, operator);
        operator.open(&task)?;
        Ok(operator)
    }
}

/// The operator, wrapped so that only final rows leave it if it updates its results.
pub fn final_rows(op: &OpSpec, operator: Box<dyn Operator>) -> Box<dyn Operator> {
    if updates(op) { Box::new(Collapse::new(operator)) } else { operator }
}

/// Operators that may take back what they emitted.
pub fn updates(op: &OpSpec) -> bool {
    match op {
        OpSpec::GroupAggregate { .. }
        | OpSpec::Rank(_)
        | OpSpec::Deduplicate { .. }
        | OpSpec::ChangelogNormalize { .. }
        | OpSpec::Conflicts { .. }
        | OpSpec::Limit { .. } => true,
        OpSpec::Over(over) => {
            !over.time_ordered && !matches!(over.frame, OverFrame::Between { .. })
        }
        OpSpec::Join(j) => !matches!(j.kind, JoinKind::Inner | JoinKind::Semi),
        _ => false,
    }
}

/// See the module.
pub struct StreamingExec {
    recipe: Arc<Recipe>,
    inputs: Vec<Arc<dyn ExecutionPlan>>,
    /// The operator's own columns.
    output: SchemaRef,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl StreamingExec {
    /// Wraps a node; all inputs have equally many partitions.
    pub fn new(recipe: Recipe, inputs: Vec<Arc<dyn ExecutionPlan>>) -> Self {
        Self::of(Arc::new(recipe), inputs)
    }

    fn of(recipe: Arc<Recipe>, inputs: Vec<Arc<dyn ExecutionPlan>>) -> Self {
        let schema = internal(&recipe.node.schema);
        let partitions = inputs.iter().map(|i| i.output_partitioning().partition_count()).max();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(partitions.unwrap_or(1)),
            EmissionType::Both,
            Boundedness::Bounded,
        );
        let output = recipe.node.schema.to_arrow();
        Self { recipe, inputs, output, schema, properties: Arc::new(properties) }
    }
}

impl fmt::Debug for StreamingExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamingExec({})", self.recipe.node.name)
    }
}

impl DisplayAs for StreamingExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "StreamingExec: {}", self.recipe.node.name)
    }
}

impl ExecutionPlan for StreamingExec {
    fn name(&self) -> &str {
        "StreamingExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.inputs.iter().collect()
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self::of(Arc::clone(&self.recipe), children)))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<DfContext>,
    ) -> DfResult<SendableRecordBatchStream> {
        let task = TaskContext {
            subtask: partition,
            parallelism: self.properties.output_partitioning().partition_count(),
            max_parallelism: self.recipe.context.task.max_parallelism,
        };
        let operator =
            self.recipe.build(task).map_err(|e| to_df(e.context(self.recipe.node.name.clone())))?;
        let streams = self
            .inputs
            .iter()
            .map(|i| i.execute(partition, Arc::clone(&context)))
            .collect::<DfResult<VecDeque<_>>>()?;
        let run = Run {
            operator,
            streams,
            input: 0,
            schemas: self.recipe.inputs.iter().map(Schema::to_arrow).collect(),
            out: Out::default(),
            ready: VecDeque::new(),
            step: Step::Done,
            end: End::Open,
            output: Arc::clone(&self.schema),
            name: self.recipe.node.name.clone(),
        };
        debug_assert_eq!(self.output.fields().len(), self.schema.fields().len());
        let rows = futures::stream::try_unfold(run, |mut run| async move {
            Ok(run.next().await?.map(|b| (b, run)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows)))
    }
}

/// How far the end of all input has got.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Open,
    Marked,
    Finished,
}

/// One running instance.
struct Run {
    operator: Box<dyn Operator>,
    streams: VecDeque<SendableRecordBatchStream>,
    /// Number of the input at the front of `streams`.
    input: usize,
    schemas: Vec<SchemaRef>,
    out: Out,
    ready: VecDeque<RecordBatch>,
    step: Step,
    end: End,
    output: SchemaRef,
    name: String,
}

impl Run {
    async fn next(&mut self) -> DfResult<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            if self.step == Step::More {
                self.call(|op, out| op.more(out))?;
                continue;
            }
            if let Some(stream) = self.streams.front_mut() {
                match stream.next().await.transpose()? {
                    Some(batch) => {
                        let input = self.input;
                        let rows = to_changes(&batch, &self.schemas[input]).map_err(to_df)?;
                        self.call(|op, out| op.push(input, rows, out))?;
                    }
                    None => {
                        self.streams.pop_front();
                        self.input += 1;
                    }
                }
                continue;
            }
            match self.end {
                End::Open => {
                    self.end = End::Marked;
                    self.call(|op, out| op.watermark(Mark::Ts(i64::MAX), out))?;
                }
                End::Marked => {
                    self.end = End::Finished;
                    self.call(|op, out| op.finish(out))?;
                }
                End::Finished => return Ok(None),
            }
        }
    }

    fn call(
        &mut self,
        f: impl FnOnce(&mut dyn Operator, &mut Out) -> Result<Step>,
    ) -> DfResult<()> {
        self.step = f(self.operator.as_mut(), &mut self.out)
            .map_err(|e| to_df(e.context(self.name.clone())))?;
        for batch in self.out.take_batches() {
            self.ready.push_back(relabel(&batch.rows, &self.output).map_err(to_df)?);
        }
        Ok(())
    }
}
