//! What a JSON path is read into: paths hold filters, and filters hold paths.

use crate::string::JavaRegex;

use super::doc::Json;

/// A compiled path.
#[derive(Debug, Clone)]
pub(super) struct Path {
    /// A missing part is an error instead of an empty result.
    pub strict: bool,
    pub(super) steps: Vec<Step>,
    /// Whether the path can select several values, so that it gives an array.
    pub(super) indefinite: bool,
}

/// One step of a path.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Key(String),
    Index(i64),
    /// `[0,2]`: several positions.
    Several(Vec<Step>),
    /// `['a','b']`: an object of some members.
    Keys(Vec<String>),
    /// `[from:to]`, counted from the end where negative.
    Slice(Option<i64>, Option<i64>),
    Filter(Filter),
    /// `.length()`
    Length,
    All,
    /// `..`: every descendant.
    Deep,
}

/// A condition on one element.
#[derive(Debug, Clone)]
pub(super) enum Filter {
    Any(Vec<Filter>),
    All(Vec<Filter>),
    Not(Box<Filter>),
    /// The path selects something.
    Exists(Path),
    Compare(Operand, Op, Operand),
    Matches(Operand, JavaRegex),
    /// Whether the value is one of the list; negated.
    In(Operand, Vec<Json>, bool),
}

/// One side of a comparison.
#[derive(Debug, Clone)]
pub(super) enum Operand {
    Path(Path),
    Value(Json),
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Op {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// Why a path cannot be used.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Bad {
    /// It is no path: what reads it finds nothing, as ON ERROR says.
    Malformed,
    /// It is one, but not built here.
    Unsupported(String),
}
