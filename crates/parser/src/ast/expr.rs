//! Expressions.

use super::{DataType, Ident, IntervalQualifier, ObjectName, OrderByItem, Query, TimeUnit};
use crate::span::Span;

/// An expression and its place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Expr {
    pub kind: ExprKind,
    pub span: Span,
}

impl Expr {
    /// An expression that does not come from a text.
    pub fn new(kind: ExprKind) -> Self {
        Self {
            kind,
            span: Span::default(),
        }
    }

    /// The same expression at `span`.
    pub fn at(kind: ExprKind, span: Span) -> Self {
        Self { kind, span }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ExprKind {
    /// `a`, `t.a`, `db.t.a`, `t.a.b`: which parts are a table and which are fields, the binder decides.
    Column(ObjectName),
    Literal(Literal),
    Unary {
        op: UnaryOp,
        expr: Box<Expr>,
    },
    Binary {
        left: Box<Expr>,
        op: BinaryOp,
        right: Box<Expr>,
    },
    /// `expr IS [NOT] NULL | TRUE | FALSE | UNKNOWN | JSON ..`.
    Is {
        expr: Box<Expr>,
        negated: bool,
        test: IsTest,
    },
    Between {
        expr: Box<Expr>,
        negated: bool,
        symmetric: bool,
        low: Box<Expr>,
        high: Box<Expr>,
    },
    Like {
        expr: Box<Expr>,
        negated: bool,
        kind: LikeKind,
        pattern: Box<Expr>,
        escape: Option<Box<Expr>>,
    },
    InList {
        expr: Box<Expr>,
        negated: bool,
        list: Vec<Expr>,
    },
    InSubquery {
        expr: Box<Expr>,
        negated: bool,
        query: Box<Query>,
    },
    Exists(Box<Query>),
    /// `expr = ANY (..)`.
    Quantified {
        left: Box<Expr>,
        op: BinaryOp,
        quantifier: Quantifier,
        right: QuantifiedSet,
    },
    Case {
        operand: Option<Box<Expr>>,
        branches: Vec<CaseBranch>,
        otherwise: Option<Box<Expr>>,
    },
    /// CAST and, when `safe`, TRY_CAST.
    Cast {
        expr: Box<Expr>,
        to: DataType,
        safe: bool,
    },
    Function(Box<FunctionCall>),
    Extract {
        unit: TimeUnit,
        expr: Box<Expr>,
    },
    /// `POSITION(needle IN haystack [FROM start])`.
    Position {
        needle: Box<Expr>,
        haystack: Box<Expr>,
        from: Option<Box<Expr>>,
    },
    /// `SUBSTRING(expr FROM start [FOR length])`; the comma form is a [`FunctionCall`].
    Substring {
        expr: Box<Expr>,
        from: Box<Expr>,
        length: Option<Box<Expr>>,
    },
    /// `TRIM([side] [what FROM] expr)`; plain `TRIM(expr)` has side BOTH and no `what`.
    Trim {
        side: TrimSide,
        what: Option<Box<Expr>>,
        expr: Box<Expr>,
    },
    /// `OVERLAY(expr PLACING with FROM start [FOR length])`; the comma form is a [`FunctionCall`].
    Overlay {
        expr: Box<Expr>,
        placing: Box<Expr>,
        from: Box<Expr>,
        length: Option<Box<Expr>>,
    },
    /// `FLOOR(expr TO unit)`.
    FloorTo {
        expr: Box<Expr>,
        unit: TimeUnit,
    },
    /// `CEIL(expr TO unit)`, also written CEILING.
    CeilTo {
        expr: Box<Expr>,
        unit: TimeUnit,
    },
    /// `TIMESTAMPADD(unit, count, expr)`.
    TimestampAdd {
        unit: TimeUnit,
        count: Box<Expr>,
        expr: Box<Expr>,
    },
    /// `TIMESTAMPDIFF(unit, from, to)`.
    TimestampDiff {
        unit: TimeUnit,
        from: Box<Expr>,
        to: Box<Expr>,
    },
    Json(Box<JsonExpr>),
    /// `ROW(..)` and, when not `explicit`, `(a, b, ..)` of two or more.
    Row {
        items: Vec<Expr>,
        explicit: bool,
    },
    Array(Vec<Expr>),
    ArrayQuery(Box<Query>),
    Map(Vec<(Expr, Expr)>),
    MapQuery(Box<Query>),
    Multiset(Vec<Expr>),
    MultisetQuery(Box<Query>),
    /// `expr[index]`.
    Subscript {
        expr: Box<Expr>,
        index: Box<Expr>,
    },
    /// `expr.field` where `expr` is not a plain name.
    Field {
        expr: Box<Expr>,
        field: Ident,
    },
    /// `expr:path[0]:x`, access into a VARIANT (extension).
    VariantPath {
        expr: Box<Expr>,
        path: Vec<VariantStep>,
    },
    Subquery(Box<Query>),
    /// `expr AT TIME ZONE zone`.
    AtTimeZone {
        expr: Box<Expr>,
        zone: Box<Expr>,
    },
    /// `DESCRIPTOR(a, b)`.
    Descriptor(Vec<Ident>),
    /// RUNNING or FINAL before an expression of MEASURES.
    MatchSemantics {
        is_final: bool,
        expr: Box<Expr>,
    },
    /// The word DEFAULT as an argument.
    Default,
    /// `?`, numbered from 0.
    Parameter(u32),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Literal {
    Null,
    Bool(bool),
    /// Digits as written: `12`, `1.50`, `.5`, `1e-3`. Never signed.
    Number(String),
    String(String),
    /// `x'..'`.
    Binary(Vec<u8>),
    Date(String),
    Time(String),
    Timestamp(String),
    /// `TIMESTAMP WITH LOCAL TIME ZONE '..'`.
    TimestampLtz(String),
    /// `INTERVAL [-] '..' unit [TO unit]`.
    Interval {
        negative: bool,
        value: String,
        qualifier: IntervalQualifier,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    Plus,
    Minus,
    Not,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    Or,
    And,
    Eq,
    /// `<>` or `!=`.
    NotEq,
    Lt,
    LtEq,
    Gt,
    GtEq,
    IsDistinctFrom,
    IsNotDistinctFrom,
    Plus,
    Minus,
    Multiply,
    Divide,
    /// `%`.
    Modulo,
    /// `||`.
    Concat,
    Overlaps,
    MemberOf,
    NotMemberOf,
    SubmultisetOf,
    NotSubmultisetOf,
    MultisetUnion,
    MultisetUnionAll,
    MultisetIntersect,
    MultisetIntersectAll,
    MultisetExcept,
    MultisetExceptAll,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IsTest {
    Null,
    True,
    False,
    Unknown,
    /// `IS JSON` and `IS JSON VALUE`.
    JsonValue,
    JsonObject,
    JsonArray,
    JsonScalar,
    /// `IS A SET`.
    ASet,
    /// `IS EMPTY`.
    Empty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LikeKind {
    Like,
    /// Extension: Flink itself rejects it.
    ILike,
    SimilarTo,
    /// Extension: regular expression match.
    Rlike,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quantifier {
    Any,
    Some,
    All,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum QuantifiedSet {
    Query(Box<Query>),
    List(Vec<Expr>),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CaseBranch {
    /// One value, or several in `CASE x WHEN 1, 2 THEN ..`; a condition in the searched form.
    pub when: Vec<Expr>,
    pub then: Expr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TrimSide {
    Both,
    Leading,
    Trailing,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum VariantStep {
    /// `:name` or `.name`.
    Field(Ident),
    /// `[0]`, counted from 0 as the extension's origin does.
    Index(Expr),
}

/// A call of a scalar, aggregate, window, table or process table function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FunctionCall {
    pub name: ObjectName,
    /// False for CURRENT_DATE and its like, written without parentheses.
    pub parens: bool,
    /// DISTINCT or ALL before the arguments.
    pub quantifier: Option<SetQuantifier>,
    pub args: Vec<FunctionArg>,
    /// ORDER BY inside the parentheses.
    pub order_by: Vec<OrderByItem>,
    pub null_treatment: Option<NullTreatment>,
    pub within_group: Vec<OrderByItem>,
    /// FILTER (WHERE ..).
    pub filter: Option<Expr>,
    pub over: Option<Over>,
    pub span: Span,
}

impl FunctionCall {
    /// A plain call without clauses.
    pub fn plain(name: ObjectName, args: Vec<Expr>) -> Self {
        Self {
            name,
            parens: true,
            quantifier: None,
            args: args.into_iter().map(FunctionArg::positional).collect(),
            order_by: Vec::new(),
            null_treatment: None,
            within_group: Vec::new(),
            filter: None,
            over: None,
            span: Span::default(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SetQuantifier {
    All,
    Distinct,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NullTreatment {
    Ignore,
    Respect,
}

/// An argument, `name => value` when named.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FunctionArg {
    pub name: Option<Ident>,
    pub value: ArgValue,
    pub span: Span,
}

impl FunctionArg {
    /// An unnamed expression.
    pub fn positional(expr: Expr) -> Self {
        Self {
            name: None,
            span: expr.span,
            value: ArgValue::Expr(expr),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ArgValue {
    Expr(Expr),
    /// `*` as in COUNT(*).
    Star,
    Table(TableArg),
    /// `MODEL name`.
    Model(ObjectName),
}

/// `TABLE t [PARTITION BY ..] [ORDER BY ..]` or `(query) PARTITION BY ..` as an argument.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableArg {
    pub source: TableArgSource,
    pub partition_by: Vec<Expr>,
    pub order_by: Vec<OrderByItem>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TableArgSource {
    Name(ObjectName),
    /// `TABLE(f(..))` or a nested window function: `TABLE TUMBLE(..)`.
    Function(Box<FunctionCall>),
    Query(Box<Query>),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Over {
    Name(Ident),
    Spec(Box<WindowSpec>),
}

/// `[base] [PARTITION BY ..] [ORDER BY ..] [frame]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct WindowSpec {
    pub base: Option<Ident>,
    pub partition_by: Vec<Expr>,
    pub order_by: Vec<OrderByItem>,
    pub frame: Option<WindowFrame>,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WindowFrame {
    pub unit: FrameUnit,
    pub start: FrameBound,
    /// Absent when BETWEEN was not written; then CURRENT ROW is meant.
    pub end: Option<FrameBound>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FrameUnit {
    Rows,
    Range,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FrameBound {
    UnboundedPreceding,
    Preceding(Box<Expr>),
    CurrentRow,
    Following(Box<Expr>),
    UnboundedFollowing,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum JsonExpr {
    Exists {
        input: Expr,
        path: Expr,
        passing: Vec<JsonPassing>,
        on_error: Option<JsonExistsError>,
    },
    Value {
        input: Expr,
        path: Expr,
        passing: Vec<JsonPassing>,
        returning: Option<DataType>,
        on_empty: Option<JsonValueBehavior>,
        on_error: Option<JsonValueBehavior>,
    },
    Query {
        input: Expr,
        path: Expr,
        passing: Vec<JsonPassing>,
        returning: Option<DataType>,
        wrapper: Option<JsonWrapper>,
        on_empty: Option<JsonQueryBehavior>,
        on_error: Option<JsonQueryBehavior>,
    },
    Object {
        entries: Vec<JsonEntry>,
        on_null: Option<JsonOnNull>,
    },
    Array {
        items: Vec<JsonItem>,
        on_null: Option<JsonOnNull>,
    },
    ObjectAgg {
        entry: JsonEntry,
        on_null: Option<JsonOnNull>,
        filter: Option<Expr>,
        over: Option<Over>,
    },
    ArrayAgg {
        item: JsonItem,
        order_by: Vec<OrderByItem>,
        on_null: Option<JsonOnNull>,
        filter: Option<Expr>,
        over: Option<Over>,
    },
}

/// `PASSING expr AS name`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JsonPassing {
    pub value: Expr,
    pub name: Ident,
}

/// A value of JSON_ARRAY, JSON_OBJECT and the aggregates.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JsonItem {
    pub value: Expr,
    /// FORMAT JSON.
    pub format_json: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JsonEntry {
    pub key: Expr,
    pub value: JsonItem,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JsonOnNull {
    Null,
    Absent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JsonExistsError {
    True,
    False,
    Unknown,
    Error,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum JsonValueBehavior {
    Null,
    Error,
    Default(Box<Expr>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JsonQueryBehavior {
    Null,
    Error,
    EmptyArray,
    EmptyObject,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JsonWrapper {
    Without,
    Conditional,
    Unconditional,
}
