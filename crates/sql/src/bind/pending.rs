//! Work that expressions leave for the owner of their clause.

use weir_core::DataType;
use weir_functions::Expr;
use weir_spec::OverFrame;

use super::aggregate_call::{BoundCall, SortExpr};
use crate::rel::Rel;

/// Work that expressions left for the owner of their clause.
#[derive(Default)]
pub(crate) struct Pending {
    pub subqueries: Vec<Subquery>,
    pub over: Vec<OverCall>,
}

impl Pending {
    pub fn is_empty(&self) -> bool {
        self.subqueries.is_empty() && self.over.is_empty()
    }
}

/// A subquery waiting to be joined to the clause that uses it.
pub(crate) struct Subquery {
    /// Its plan, enclosing columns numbered from `OUTER` on (`stand_in.rs`).
    pub(super) rel: Rel,
    pub(super) question: Question,
    /// Type of the answer.
    pub ty: DataType,
}

/// What is asked of a subquery.
pub(super) enum Question {
    /// Its one value.
    Scalar,
    /// Whether it has rows.
    Exists,
    /// Whether `values op row` holds for some row.
    Any { values: Vec<Expr>, op: &'static str },
}

impl Subquery {
    /// The values that are compared with the subquery's rows.
    pub fn values(&self) -> &[Expr] {
        match &self.question {
            Question::Any { values, .. } => values,
            Question::Scalar | Question::Exists => &[],
        }
    }

    /// Applies a function to the values that are compared with the subquery's rows.
    pub fn map_values(&mut self, f: impl Fn(Expr) -> Expr) {
        if let Question::Any { values, .. } = &mut self.question {
            *values = std::mem::take(values).into_iter().map(f).collect();
        }
    }
}

/// An OVER call whose parts are expressions over the clause's input.
pub(crate) struct OverCall {
    pub call: BoundCall,
    pub partition: Vec<Expr>,
    pub order: Vec<SortExpr>,
    pub frame: OverFrame,
}

impl OverCall {
    pub fn same_window(&self, other: &OverCall) -> bool {
        self.partition == other.partition && self.order == other.order && self.frame == other.frame
    }
}
