//! The tree that an expression is compiled to.

use arrow::array::ArrayRef;
use weir_core::DataType;

use crate::args::Kernel;
use crate::context::EvalContext;

/// Columns under evaluation.
pub(crate) struct Input<'a> {
    pub columns: &'a [ArrayRef],
    pub rows: usize,
    pub ctx: &'a EvalContext,
}

/// A part of a compiled expression.
pub(crate) enum Node {
    Column(usize),
    Const(ArrayRef),
    Call(CallNode),
    /// AND (`true`) or OR (`false`).
    Logic(bool, Vec<Node>),
    Case {
        branches: Vec<(Node, Node)>,
        otherwise: Box<Node>,
        ty: DataType,
    },
    Coalesce(Vec<Node>, DataType),
    Cast {
        arg: Box<Node>,
        from: DataType,
        to: DataType,
        safe: bool,
    },
    Field(Box<Node>, usize),
}

/// A call of a kernel.
pub(crate) struct CallNode {
    pub name: String,
    pub kernel: Kernel,
    pub args: Vec<Node>,
    pub types: Vec<DataType>,
    pub ret: DataType,
    /// A new value per row even without arguments.
    pub per_row: bool,
}
