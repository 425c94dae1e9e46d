//! Expressions over batches: plain columns are passed on without evaluation,
//! everything else is compiled by `weir-functions`.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use weir_core::Result;
use weir_functions::{CompiledExpr, EvalContext, Expr};

/// A compiled expression.
pub enum Program {
    /// An input column as it is.
    Column(usize),
    /// Anything else.
    Compiled(CompiledExpr),
}

impl Program {
    /// Compiles an expression.
    pub fn new(expr: &Expr) -> Result<Self> {
        Ok(match expr {
            Expr::Column { index, .. } => Program::Column(*index),
            other => Program::Compiled(weir_functions::compile(other)?),
        })
    }

    /// Compiles several.
    pub fn all(exprs: &[Expr]) -> Result<Vec<Self>> {
        exprs.iter().map(Self::new).collect()
    }

    /// One value per row.
    pub fn eval(&self, rows: &RecordBatch, context: &EvalContext) -> Result<ArrayRef> {
        match self {
            Program::Column(i) => Ok(Arc::clone(rows.column(*i))),
            Program::Compiled(c) => c.eval(rows, context),
        }
    }
}

/// A compiled predicate.
pub struct Predicate(CompiledExpr);

impl Predicate {
    /// Compiles a BOOLEAN expression.
    pub fn new(expr: &Expr) -> Result<Self> {
        Ok(Self(weir_functions::compile(expr)?))
    }

    /// True where the row passes; NULL counts as false.
    pub fn eval(&self, rows: &RecordBatch, context: &EvalContext) -> Result<BooleanArray> {
        self.0.eval_filter(rows, context)
    }
}

/// Tells CURRENT_WATERMARK where event time is.
pub fn set_watermark(context: &mut EvalContext, ts: i64) {
    context.watermark = Some(ts);
}
