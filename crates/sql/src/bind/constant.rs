//! Constants: expressions without columns, computed while binding.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::Schema as ArrowSchema;
use weir_core::{Result, Value};
use weir_functions::{EvalContext, Expr, Zone};

/// The value of an expression without columns.
pub(super) fn evaluate(expr: &Expr) -> Result<Value> {
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let empty = Arc::new(ArrowSchema::empty());
    let one_row = RecordBatch::try_new_with_options(empty, vec![], &options)?;
    let column = weir_functions::compile(expr)?.eval(&one_row, &EvalContext::default())?;
    Ok(Value::from_array(&column, 0))
}

/// Fails for an unknown zone.
pub fn check_zone(zone: &str) -> Result<()> {
    Zone::parse(zone).map(drop)
}

/// UTC milliseconds of a local time.
pub fn local_to_utc_millis(millis: i64, zone: &str) -> Result<i64> {
    Ok(Zone::parse(zone)?.to_instant(millis, 1000))
}
