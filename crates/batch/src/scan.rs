//! Sources as leaves of a DataFusion plan.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion_common::Result as DfResult;
use datafusion_execution::{SendableRecordBatchStream, TaskContext};
use datafusion_physical_expr::{EquivalenceProperties, Partitioning};
use datafusion_physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion_physical_plan::stream::RecordBatchStreamAdapter;
use datafusion_physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use weir_core::{Error, Result};
use weir_runtime::{SourcePoll, SourceTask};

use crate::error::to_df;
use crate::schema::relabel;

/// Opens the part of a source that one partition reads.
pub type OpenTask = Arc<dyn Fn(usize) -> Result<Box<dyn SourceTask>> + Send + Sync>;

/// Reads a source, one task per partition.
pub struct ScanExec {
    name: String,
    open: OpenTask,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl ScanExec {
    /// A scan with `partitions` tasks.
    pub fn new(name: String, schema: SchemaRef, partitions: usize, open: OpenTask) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self { name, open, schema, properties: Arc::new(properties) }
    }
}

impl fmt::Debug for ScanExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScanExec({})", self.name)
    }
}

impl DisplayAs for ScanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "ScanExec: {}", self.name)
    }
}

impl ExecutionPlan for ScanExec {
    fn name(&self) -> &str {
        "ScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(
        &self,
        partition: usize,
        _: Arc<TaskContext>,
    ) -> DfResult<SendableRecordBatchStream> {
        let task = (self.open)(partition).map_err(to_df)?;
        let context = self.name.clone();
        let schema = Arc::clone(&self.schema);
        let rows = futures::stream::try_unfold(task, move |mut task| {
            let (context, schema) = (context.clone(), Arc::clone(&schema));
            async move {
                loop {
                    match task.poll().map_err(|e| to_df(e.context(context.clone())))? {
                        SourcePoll::Batch(b) if b.is_empty() => tokio::task::yield_now().await,
                        SourcePoll::Batch(b) if b.kinds.is_some() => {
                            let e = Error::data(format!(
                                "{context} produced updates in batch mode, which reads insert-only rows"
                            ));
                            return Err(to_df(e));
                        }
                        SourcePoll::Batch(b) => {
                            let batch = relabel(&b.rows, &schema).map_err(to_df)?;
                            return Ok(Some((batch, task)));
                        }
                        SourcePoll::Pending(wait) => tokio::time::sleep(wait).await,
                        SourcePoll::End => return Ok(None),
                    }
                }
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows)))
    }
}
