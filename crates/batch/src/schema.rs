//! Columns inside DataFusion plans: named by position, all nullable.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType as ArrowType, Field, Schema as ArrowSchema, SchemaRef};
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::Column;
use weir_core::{ChangeBatch, Result, Schema};

/// The schema of a node's output inside a DataFusion plan.
pub fn internal(schema: &Schema) -> SchemaRef {
    of_types(schema.fields.iter().map(|f| f.ty.to_arrow()))
}

/// Such a schema of Arrow types.
pub fn of_types(types: impl IntoIterator<Item = ArrowType>) -> SchemaRef {
    let fields: Vec<Field> =
        types.into_iter().enumerate().map(|(i, t)| Field::new(format!("c{i}"), t, true)).collect();
    Arc::new(ArrowSchema::new(fields))
}

/// A reference to a column of `schema`.
pub fn column(schema: &ArrowSchema, index: usize) -> Arc<dyn PhysicalExpr> {
    Arc::new(Column::new(schema.field(index).name(), index))
}

/// The same columns under another schema of equal types.
pub fn relabel(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    batch_of(schema, batch.columns().to_vec(), batch.num_rows())
}

/// A batch that may have no columns.
pub fn batch_of(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

/// Rows that leave a DataFusion plan, under the schema of our operators.
pub fn to_changes(batch: &RecordBatch, schema: &SchemaRef) -> Result<ChangeBatch> {
    Ok(ChangeBatch { rows: relabel(batch, schema)?, kinds: None })
}
