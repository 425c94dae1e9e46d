//! Function calls: arguments, windows, hints, and the clauses of the JSON
//! functions.

use super::{DataType, Expr, Ident, Literal, ObjectName, OrderByExpr, Query, SqlOption};
use crate::span::Span;

/// A call with ordinary call syntax.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FunctionCall {
    /// The function.
    pub name: ObjectName,
    /// False for `CURRENT_DATE` and its kin, which stand without parentheses.
    pub parens: bool,
    /// `f(DISTINCT ..)` or `f(ALL ..)`
    pub quantifier: Option<SetQuantifier>,
    /// The arguments.
    pub args: Vec<FunctionArg>,
    /// `f(a ORDER BY b)`
    pub order_by: Vec<OrderByExpr>,
    /// `RESPECT NULLS` or `IGNORE NULLS`, inside or after the parentheses
    pub nulls: Option<NullTreatment>,
    /// `WITHIN GROUP (ORDER BY ..)`
    pub within_group: Vec<OrderByExpr>,
    /// `FILTER (WHERE ..)`
    pub filter: Option<Box<Expr>>,
    /// `OVER ..`
    pub over: Option<WindowRef>,
    /// The whole call.
    pub span: Span,
}

impl FunctionCall {
    /// A plain call `name(args)` without clauses.
    pub fn new(name: ObjectName, args: Vec<FunctionArg>, span: Span) -> Self {
        FunctionCall {
            name,
            parens: true,
            quantifier: None,
            args,
            order_by: Vec::new(),
            nulls: None,
            within_group: Vec::new(),
            filter: None,
            over: None,
            span,
        }
    }
}

/// DISTINCT or ALL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SetQuantifier {
    /// `ALL`
    All,
    /// `DISTINCT`
    Distinct,
}

/// RESPECT NULLS or IGNORE NULLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NullTreatment {
    /// `RESPECT NULLS`
    Respect,
    /// `IGNORE NULLS`
    Ignore,
}

/// An argument, perhaps named: `[name =>] value`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FunctionArg {
    /// The name before `=>`.
    pub name: Option<Ident>,
    /// The value.
    pub value: ArgValue,
    /// Name and value.
    pub span: Span,
}

/// The value of an argument.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ArgValue {
    /// An expression.
    Expr(Expr),
    /// `*`, as in `COUNT(*)`
    Star,
    /// `TABLE t [PARTITION BY ..] [ORDER BY ..]`
    Table(Box<TableArg>),
    /// `MODEL m`
    Model(ObjectName),
    /// `DESCRIPTOR(a, b)`
    Descriptor(Vec<DescriptorColumn>),
}

/// A column named in DESCRIPTOR, perhaps with a type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DescriptorColumn {
    /// The column.
    pub name: Ident,
    /// Its type, for descriptors that declare columns.
    pub data_type: Option<DataType>,
}

/// A table passed to a table function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableArg {
    /// The table.
    pub source: TableArgSource,
    /// `PARTITION BY`
    pub partition_by: Vec<Expr>,
    /// `ORDER BY`
    pub order_by: Vec<OrderByExpr>,
    /// The whole argument.
    pub span: Span,
}

/// Where the rows of a [`TableArg`] come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TableArgSource {
    /// `TABLE name [/*+ hints */]`
    Name {
        /// The table or view.
        name: ObjectName,
        /// Its hints.
        hints: Vec<Hint>,
    },
    /// `(SELECT ..) PARTITION BY ..`
    Query(Box<Query>),
    /// `TABLE f(..)`
    Function(Box<FunctionCall>),
}

/// `name(args)` in a `/*+ .. */` comment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hint {
    /// The hint.
    pub name: Ident,
    /// Its arguments.
    pub args: Vec<HintArg>,
    /// The whole hint.
    pub span: Span,
}

/// An argument of a hint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HintArg {
    /// `'key' = 'value'`, the key perhaps an identifier
    KeyValue(SqlOption),
    /// A table or column name.
    Name(ObjectName),
    /// A string or number.
    Literal(Literal),
}

/// What stands after OVER.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum WindowRef {
    /// `OVER w`
    Name(Ident),
    /// `OVER (..)`
    Spec(WindowSpec),
}

/// `([base] [PARTITION BY ..] [ORDER BY ..] [frame])`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WindowSpec {
    /// The named window it extends.
    pub base: Option<Ident>,
    /// `PARTITION BY`
    pub partition_by: Vec<Expr>,
    /// `ORDER BY`
    pub order_by: Vec<OrderByExpr>,
    /// `ROWS ..` or `RANGE ..`
    pub frame: Option<WindowFrame>,
    /// The whole specification.
    pub span: Span,
}

/// `ROWS | RANGE start` or `.. BETWEEN start AND end`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WindowFrame {
    /// ROWS, else RANGE.
    pub rows: bool,
    /// Where the frame begins.
    pub start: FrameBound,
    /// Where it ends; absent in the short form, which ends at CURRENT ROW.
    pub end: Option<FrameBound>,
    /// The whole frame.
    pub span: Span,
}

/// A bound of a frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FrameBound {
    /// `UNBOUNDED PRECEDING`
    UnboundedPreceding,
    /// `n PRECEDING`
    Preceding(Box<Expr>),
    /// `CURRENT ROW`
    CurrentRow,
    /// `n FOLLOWING`
    Following(Box<Expr>),
    /// `UNBOUNDED FOLLOWING`
    UnboundedFollowing,
}

/// Which JSON `IS JSON` tests for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JsonKind {
    /// Any value.
    Value,
    /// An array.
    Array,
    /// An object.
    Object,
    /// A scalar.
    Scalar,
}

/// `.. ON ERROR` of JSON_EXISTS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JsonExistsOnError {
    /// `TRUE`
    True,
    /// `FALSE`
    False,
    /// `UNKNOWN`
    Unknown,
    /// `ERROR`
    Error,
}

/// `.. ON EMPTY` and `.. ON ERROR` of JSON_VALUE.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum JsonValueBehavior {
    /// `NULL`
    Null,
    /// `ERROR`
    Error,
    /// `DEFAULT expr`
    Default(Box<Expr>),
}

/// `.. ON EMPTY` and `.. ON ERROR` of JSON_QUERY.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JsonQueryBehavior {
    /// `NULL`
    Null,
    /// `ERROR`
    Error,
    /// `EMPTY ARRAY`
    EmptyArray,
    /// `EMPTY OBJECT`
    EmptyObject,
}

/// The wrapper clause of JSON_QUERY.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JsonWrapper {
    /// `WITHOUT [ARRAY] WRAPPER`
    Without,
    /// `WITH CONDITIONAL [ARRAY] WRAPPER`
    Conditional,
    /// `WITH [UNCONDITIONAL] [ARRAY] WRAPPER`
    Unconditional,
}

/// What JSON constructors do with NULL values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JsonOnNull {
    /// `NULL ON NULL`
    Null,
    /// `ABSENT ON NULL`
    Absent,
}

/// `KEY k VALUE v`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JsonEntry {
    /// The key.
    pub key: Expr,
    /// The value.
    pub value: Expr,
}
