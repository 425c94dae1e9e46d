//! Our compiled expressions as DataFusion's physical expressions.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema as ArrowSchema};
use datafusion_common::Result as DfResult;
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExpr;
use weir_core::Result;
use weir_functions::{CompiledExpr, EvalContext, Expr};

use crate::error::to_df;
use crate::schema::column;

/// An expression of ours over the columns of a batch.
#[derive(Debug)]
pub struct Kernel {
    expr: Expr,
    compiled: CompiledExpr,
    context: EvalContext,
    /// The columns it reads.
    children: Vec<Arc<dyn PhysicalExpr>>,
}

/// The physical form of an expression; plain columns stay DataFusion's.
pub fn physical(
    expr: &Expr,
    input: &ArrowSchema,
    context: &EvalContext,
) -> Result<Arc<dyn PhysicalExpr>> {
    if let Expr::Column { index, .. } = expr {
        return Ok(column(input, *index));
    }
    let mut used = Vec::new();
    expr.collect_columns(&mut used);
    Ok(Arc::new(Kernel {
        compiled: weir_functions::compile(expr)?,
        expr: expr.clone(),
        context: *context,
        children: used.into_iter().map(|i| column(input, i)).collect(),
    }))
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.expr {
            Expr::Call { function, .. } => write!(f, "{function}(..)"),
            Expr::Cast { ty, .. } => write!(f, "CAST(.. AS {ty})"),
            Expr::Case { .. } => f.write_str("CASE"),
            Expr::Field { index, .. } => write!(f, "field {index}"),
            Expr::Literal { value, .. } => write!(f, "{value:?}"),
            Expr::Column { index, .. } => write!(f, "c{index}"),
        }
    }
}

impl PartialEq for Kernel {
    fn eq(&self, other: &Self) -> bool {
        self.expr == other.expr && self.children == other.children
    }
}

impl Eq for Kernel {}

impl Hash for Kernel {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.to_string().hash(state);
        self.children.hash(state);
    }
}

impl PhysicalExpr for Kernel {
    fn data_type(&self, _: &ArrowSchema) -> DfResult<DataType> {
        Ok(self.expr.ty().to_arrow())
    }

    fn nullable(&self, _: &ArrowSchema) -> DfResult<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> DfResult<ColumnarValue> {
        Ok(ColumnarValue::Array(self.compiled.eval(batch, &self.context).map_err(to_df)?))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.children.iter().collect()
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> DfResult<Arc<dyn PhysicalExpr>> {
        let moved = |e: &Arc<dyn PhysicalExpr>| {
            e.downcast_ref::<datafusion_physical_expr::expressions::Column>().map(|c| c.index())
        };
        let from: Vec<Option<usize>> = self.children.iter().map(&moved).collect();
        let to: Vec<Option<usize>> = children.iter().map(moved).collect();
        let mut unknown = false;
        let expr = self.expr.clone().map_columns(&mut |i, ty| {
            let at = from.iter().position(|f| *f == Some(i)).and_then(|p| to[p]);
            unknown |= at.is_none();
            Expr::column(at.unwrap_or(i), ty)
        });
        if unknown {
            return datafusion_common::internal_err!("{self} over something else than columns");
        }
        let compiled = weir_functions::compile(&expr).map_err(to_df)?;
        Ok(Arc::new(Kernel { expr, compiled, context: self.context, children }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
