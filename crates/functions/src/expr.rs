//! Typed scalar expressions, as the binder leaves them: every cast explicit,
//! every function resolved by name, every node with its result type.
//!
//! The tree is serialisable, so that plans can be stored and shipped.

use serde::{Deserialize, Serialize};
use weir_core::{DataType, Value};

/// A typed expression over the columns of one input row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Expr {
    /// Input column by position.
    Column {
        /// Position in the input schema.
        index: usize,
        /// Its type.
        ty: DataType,
    },
    /// A constant.
    Literal {
        /// The value.
        value: Value,
        /// Its type.
        ty: DataType,
    },
    /// A built-in function or operator by its canonical upper-case name
    /// (`+`, `=`, `AND`, `IS NULL`, `UPPER`, ...); arguments have exactly the
    /// types that [`crate::resolve_scalar`] asked for.
    Call {
        /// Canonical name.
        function: String,
        /// Arguments.
        args: Vec<Expr>,
        /// Result type.
        ty: DataType,
    },
    /// CAST, or TRY_CAST if `safe` (NULL instead of an error).
    Cast {
        /// What to cast.
        arg: Box<Expr>,
        /// Target type.
        ty: DataType,
        /// TRY_CAST.
        safe: bool,
    },
    /// Searched CASE; branches after the first true one are not evaluated for a row.
    Case {
        /// (condition, result) pairs; results have the type of the whole.
        branches: Vec<(Expr, Expr)>,
        /// ELSE; a NULL literal when absent.
        otherwise: Box<Expr>,
        /// Result type.
        ty: DataType,
    },
    /// Field of a ROW or structured value by position.
    Field {
        /// The row.
        arg: Box<Expr>,
        /// Field position.
        index: usize,
        /// Field type (nullable if the row is).
        ty: DataType,
    },
}

impl Expr {
    /// An input column.
    pub fn column(index: usize, ty: DataType) -> Self {
        Expr::Column { index, ty }
    }

    /// A constant.
    pub fn literal(value: Value, ty: DataType) -> Self {
        Expr::Literal { value, ty }
    }

    /// A function call with a known result type.
    pub fn call(function: impl Into<String>, args: Vec<Expr>, ty: DataType) -> Self {
        Expr::Call { function: function.into(), args, ty }
    }

    /// The boolean constant TRUE.
    pub fn true_literal() -> Self {
        Expr::literal(Value::Boolean(true), DataType::boolean().not_null())
    }

    /// The value of a literal.
    pub fn as_literal(&self) -> Option<&Value> {
        match self {
            Expr::Literal { value, .. } => Some(value),
            _ => None,
        }
    }
    /// Result type.
    pub fn ty(&self) -> &DataType {
        match self {
            Expr::Column { ty, .. }
            | Expr::Literal { ty, .. }
            | Expr::Call { ty, .. }
            | Expr::Cast { ty, .. }
            | Expr::Case { ty, .. }
            | Expr::Field { ty, .. } => ty,
        }
    }

    /// Direct sub-expressions.
    pub fn children(&self) -> Vec<&Expr> {
        match self {
            Expr::Column { .. } | Expr::Literal { .. } => Vec::new(),
            Expr::Call { args, .. } => args.iter().collect(),
            Expr::Cast { arg, .. } | Expr::Field { arg, .. } => vec![arg],
            Expr::Case { branches, otherwise, .. } => {
                branches.iter().flat_map(|(c, r)| [c, r]).chain([otherwise.as_ref()]).collect()
            }
        }
    }

    /// Rebuilds the tree bottom-up; `f` sees every node after its children.
    #[must_use]
    pub fn transform(self, f: &mut impl FnMut(Expr) -> Expr) -> Expr {
        let rebuilt = match self {
            Expr::Call { function, args, ty } => Expr::Call {
                function,
                args: args.into_iter().map(|a| a.transform(f)).collect(),
                ty,
            },
            Expr::Cast { arg, ty, safe } => {
                Expr::Cast { arg: Box::new(arg.transform(f)), ty, safe }
            }
            Expr::Field { arg, index, ty } => {
                Expr::Field { arg: Box::new(arg.transform(f)), index, ty }
            }
            Expr::Case { branches, otherwise, ty } => Expr::Case {
                branches: branches
                    .into_iter()
                    .map(|(c, r)| (c.transform(f), r.transform(f)))
                    .collect(),
                otherwise: Box::new(otherwise.transform(f)),
                ty,
            },
            leaf => leaf,
        };
        f(rebuilt)
    }

    /// Replaces every column `i` by `f(i, type)`.
    #[must_use]
    pub fn map_columns(self, f: &mut impl FnMut(usize, DataType) -> Expr) -> Expr {
        self.transform(&mut |e| match e {
            Expr::Column { index, ty } => f(index, ty),
            other => other,
        })
    }

    /// Adds the positions of all columns in the tree to `out`.
    pub fn collect_columns(&self, out: &mut Vec<usize>) {
        if let Expr::Column { index, .. } = self
            && !out.contains(index)
        {
            out.push(*index);
        }
        for c in self.children() {
            c.collect_columns(out);
        }
    }
}
