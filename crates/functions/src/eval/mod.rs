//! Compiled expressions: a tree of vectorised kernels.
//!
//! Constants stay constants (arrays of length one), columns are evaluated a
//! batch at a time. AND, OR, CASE and COALESCE evaluate a part that can fail
//! only on the rows that need it, so that a guard such as
//! `CASE WHEN y <> 0 THEN x / y END` works as it does row by row.

mod lazy;
mod node;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use weir_core::{DataType, Error, Result, TypeKind};

use crate::args::{Args, Col, with_nulls};
use crate::cast::cast_column;
use crate::context::EvalContext;
use crate::expr::Expr;
use crate::kernels;
use crate::site::Site;
use node::{CallNode, Input, Node};

/// An expression ready to run over batches of its input schema.
#[derive(Clone)]
pub struct CompiledExpr {
    root: Arc<Node>,
    ty: DataType,
}

impl std::fmt::Debug for CompiledExpr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CompiledExpr({})", self.ty)
    }
}

/// Compiles an expression: kernels are looked up, constant patterns prepared,
/// constant deterministic parts computed.
pub fn compile(expr: &Expr) -> Result<CompiledExpr> {
    Ok(CompiledExpr { root: Arc::new(build(expr)?), ty: expr.ty().clone() })
}

impl CompiledExpr {
    /// The result type.
    pub fn ty(&self) -> &DataType {
        &self.ty
    }

    /// The result column of a batch.
    pub fn eval(&self, batch: &RecordBatch, ctx: &EvalContext) -> Result<ArrayRef> {
        let input = Input { columns: batch.columns(), rows: batch.num_rows(), ctx };
        self.root.eval(&input)?.into_array(batch.num_rows())
    }

    /// The rows for which a BOOLEAN expression is TRUE; the array has no NULLs.
    pub fn eval_filter(&self, batch: &RecordBatch, ctx: &EvalContext) -> Result<BooleanArray> {
        let array = self.eval(batch, ctx)?;
        let Some(b) = array.as_boolean_opt() else {
            return Err(Error::internal(format!("a filter of type {}", self.ty)));
        };
        Ok(match b.nulls() {
            Some(n) if n.null_count() > 0 => BooleanArray::new(b.values() & n.inner(), None),
            _ => BooleanArray::new(b.values().clone(), None),
        })
    }
}

/// Functions that must see every row even if all arguments are constants.
fn varies_per_row(name: &str) -> bool {
    matches!(name, "RAND" | "RAND_INTEGER" | "UUID")
}

/// Functions whose result depends on the context, never folded at compile time.
fn depends_on_context(e: &Expr) -> bool {
    match e {
        Expr::Call { function, args, .. } => {
            // Text and local timestamps convert in the session zone.
            let zoned = matches!(
                function.as_str(),
                "FROM_UNIXTIME"
                    | "UNIX_TIMESTAMP"
                    | "TO_TIMESTAMP_LTZ"
                    | "DATE_FORMAT"
                    | "RAND"
                    | "RAND_INTEGER"
                    | "UUID"
                    | "NOW"
                    | "CURRENT_TIMESTAMP"
                    | "CURRENT_DATE"
                    | "CURRENT_TIME"
                    | "LOCALTIME"
                    | "LOCALTIMESTAMP"
                    | "CURRENT_ROW_TIMESTAMP"
                    | "PROCTIME"
                    | "CURRENT_WATERMARK"
                    | "SOURCE_WATERMARK"
            );
            zoned || args.iter().any(|a| has_ltz(a.ty()))
        }
        Expr::Cast { arg, ty, .. } => has_ltz(ty) || has_ltz(arg.ty()),
        _ => false,
    }
}

fn has_ltz(t: &DataType) -> bool {
    match &t.kind {
        TypeKind::TimestampLtz(..) => true,
        TypeKind::Array(e) | TypeKind::Multiset(e) => has_ltz(e),
        TypeKind::Map(k, v) => has_ltz(k) || has_ltz(v),
        _ => t.fields().unwrap_or_default().iter().any(|f| has_ltz(&f.ty)),
    }
}

fn foldable(e: &Expr) -> bool {
    !matches!(e, Expr::Column { .. })
        && !depends_on_context(e)
        && e.children().into_iter().all(foldable)
}

fn build(expr: &Expr) -> Result<Node> {
    let node = build_node(expr)?;
    if matches!(node, Node::Const(_) | Node::Column(_)) || !foldable(expr) {
        return Ok(node);
    }
    let ctx = EvalContext::default();
    let input = Input { columns: &[], rows: 1, ctx: &ctx };
    // A constant that fails must fail when a row needs it, not before.
    match node.eval(&input) {
        Ok(col) => Ok(Node::Const(col.array().clone())),
        Err(_) => Ok(node),
    }
}

/// Like [`build`], with a bare NULL as NULL of the wanted type.
fn build_as(expr: &Expr, ty: &DataType) -> Result<Node> {
    if expr.ty().kind == TypeKind::Null {
        return Ok(Node::Const(weir_core::value::null_column(ty, 1)));
    }
    build(expr)
}

fn build_node(expr: &Expr) -> Result<Node> {
    Ok(match expr {
        Expr::Column { index, .. } => Node::Column(*index),
        Expr::Literal { value, ty } => Node::Const(value.to_array(ty)?),
        Expr::Cast { arg, ty, safe } => Node::Cast {
            arg: Box::new(build(arg)?),
            from: arg.ty().clone(),
            to: ty.clone(),
            safe: *safe,
        },
        Expr::Case { branches, otherwise, ty } => Node::Case {
            branches: branches
                .iter()
                .map(|(c, r)| Ok((build(c)?, build_as(r, ty)?)))
                .collect::<Result<_>>()?,
            otherwise: Box::new(build_as(otherwise, ty)?),
            ty: ty.clone(),
        },
        Expr::Field { arg, index, .. } => Node::Field(Box::new(build(arg)?), *index),
        Expr::Call { function, args, ty } => build_call(function, args, ty)?,
    })
}

fn build_call(name: &str, args: &[Expr], ty: &DataType) -> Result<Node> {
    let typed = matches!(name, "COALESCE" | "IFNULL" | "IF" | "NVL2");
    let mut nodes = args
        .iter()
        .map(|a| if typed { build_as(a, ty) } else { build(a) })
        .collect::<Result<Vec<_>>>()?;
    match (name, nodes.len()) {
        ("AND", _) => return Ok(Node::Logic(true, nodes)),
        ("OR", _) => return Ok(Node::Logic(false, nodes)),
        ("COALESCE" | "IFNULL", _) => return Ok(Node::Coalesce(nodes, ty.clone())),
        ("IF" | "NVL2", 3) => {
            let otherwise = Box::new(nodes.remove(2));
            let then = nodes.remove(1);
            let condition = if name == "IF" {
                nodes.remove(0)
            } else {
                build(&Expr::call(
                    "IS NOT NULL",
                    vec![args[0].clone()],
                    DataType::boolean().not_null(),
                ))?
            };
            return Ok(Node::Case { branches: vec![(condition, then)], otherwise, ty: ty.clone() });
        }
        _ => {}
    }
    let site = Site { name, args, ret: ty };
    Ok(Node::Call(CallNode {
        name: name.to_owned(),
        kernel: kernels::lookup(&site)?,
        args: nodes,
        types: args.iter().map(|a| a.ty().clone()).collect(),
        ret: ty.clone(),
        per_row: varies_per_row(name),
    }))
}

impl Node {
    pub(crate) fn eval(&self, input: &Input<'_>) -> Result<Col> {
        match self {
            Node::Column(i) => input
                .columns
                .get(*i)
                .map(|c| Col::Array(c.clone()))
                .ok_or_else(|| Error::internal(format!("no input column {i}"))),
            Node::Const(a) => Ok(Col::Scalar(a.clone())),
            Node::Call(call) => call.eval(input),
            Node::Logic(all, parts) => lazy::logic(*all, parts, input),
            Node::Case { branches, otherwise, ty } => lazy::case(branches, otherwise, ty, input),
            Node::Coalesce(parts, ty) => lazy::coalesce(parts, ty, input),
            Node::Cast { arg, from, to, safe } => {
                let col = arg.eval(input)?;
                let out = cast_column(col.array(), from, to, *safe, input.ctx)?;
                Ok(if col.is_scalar() { Col::Scalar(out) } else { Col::Array(out) })
            }
            Node::Field(arg, index) => field(arg.eval(input)?, *index),
        }
    }

    /// Whether evaluation can end in an error that depends on the data.
    pub(crate) fn can_fail(&self) -> bool {
        match self {
            Node::Column(_) | Node::Const(_) => false,
            Node::Call(c) => {
                kernels::can_fail(&c.name, &c.ret) || c.args.iter().any(Node::can_fail)
            }
            Node::Logic(_, parts) | Node::Coalesce(parts, _) => parts.iter().any(Node::can_fail),
            Node::Case { branches, otherwise, .. } => {
                otherwise.can_fail() || branches.iter().any(|(c, r)| c.can_fail() || r.can_fail())
            }
            Node::Cast { arg, from, safe, .. } => {
                arg.can_fail() || !(*safe || from.is_numeric() || from.is_datetime())
            }
            Node::Field(arg, _) => arg.can_fail(),
        }
    }
}

impl CallNode {
    fn eval(&self, input: &Input<'_>) -> Result<Col> {
        let cols = self.args.iter().map(|a| a.eval(input)).collect::<Result<Vec<_>>>()?;
        let constant = !self.per_row && cols.iter().all(Col::is_scalar);
        let rows = if constant { 1 } else { input.rows };
        let args = Args { cols: &cols, types: &self.types, ret: &self.ret, rows, ctx: input.ctx };
        let out = (self.kernel)(&args)?;
        debug_assert_eq!(out.len(), rows, "{} returned another number of rows", self.name);
        Ok(if constant { Col::Scalar(out) } else { Col::Array(out) })
    }
}

fn field(col: Col, index: usize) -> Result<Col> {
    let scalar = col.is_scalar();
    let Some(row) = col.array().as_struct_opt() else {
        return Err(Error::internal("field access on a value that is no row"));
    };
    let Some(child) = row.columns().get(index) else {
        return Err(Error::internal(format!("no field {index} in {}", row.data_type())));
    };
    let out = with_nulls(child, row.nulls())?;
    Ok(if scalar { Col::Scalar(out) } else { Col::Array(out) })
}

#[cfg(test)]
mod tests;
