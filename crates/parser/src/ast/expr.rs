//! Expressions.

use super::{
    ArgValue, DataType, FunctionArg, FunctionCall, Ident, IntervalQualifier, JsonEntry,
    JsonExistsOnError, JsonKind, JsonOnNull, JsonQueryBehavior, JsonValueBehavior, JsonWrapper,
    Literal, ObjectName, OrderByExpr, Query, TimeUnit, WindowRef,
};
use crate::span::Span;

/// An expression and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

impl Expr {
    /// An expression at a place.
    pub fn new(kind: ExprKind, span: Span) -> Self {
        Expr { kind, span }
    }

    /// The expression as an unnamed argument of a call.
    pub fn into_arg(self) -> FunctionArg {
        FunctionArg { name: None, span: self.span, value: ArgValue::Expr(self) }
    }
}

/// The kinds of expression. Parentheses leave no node: the shape of the tree
/// says it all, and the printer puts back those that are needed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ExprKind {
    /// `a`, `t.a`, `t.a.b`: a column, a field path, or a table alias used as
    /// a row. One node whatever the number of parts; the binder decides where
    /// the table ends and the fields begin.
    Identifier(ObjectName),
    /// A literal.
    Literal(Literal),
    /// `INTERVAL expr unit` where the amount is no quoted literal.
    IntervalExpr {
        /// A minus sign stood before the amount.
        negative: bool,
        /// The amount.
        value: Box<Expr>,
        /// The units.
        qualifier: IntervalQualifier,
    },
    /// `-a`, `+a`, `NOT a`
    Unary {
        /// Which operator.
        op: UnaryOp,
        /// Its operand.
        expr: Box<Expr>,
    },
    /// `a op b`
    Binary {
        /// Left operand.
        left: Box<Expr>,
        /// Which operator.
        op: BinaryOp,
        /// Right operand.
        right: Box<Expr>,
    },
    /// `a IS [NOT] NULL` and its kin
    Is {
        /// What is tested.
        expr: Box<Expr>,
        /// For what.
        test: IsTest,
        /// `IS NOT`
        negated: bool,
    },
    /// `a [NOT] BETWEEN [SYMMETRIC] low AND high`
    Between {
        /// What is tested.
        expr: Box<Expr>,
        /// `NOT BETWEEN`
        negated: bool,
        /// `SYMMETRIC`
        symmetric: bool,
        /// Lower bound.
        low: Box<Expr>,
        /// Upper bound.
        high: Box<Expr>,
    },
    /// `a [NOT] LIKE b [ESCAPE c]`, also ILIKE, RLIKE and SIMILAR TO
    Like {
        /// What is tested.
        expr: Box<Expr>,
        /// Which operator.
        kind: LikeKind,
        /// `NOT LIKE`
        negated: bool,
        /// The pattern.
        pattern: Box<Expr>,
        /// The escape character.
        escape: Option<Box<Expr>>,
    },
    /// `a [NOT] IN (b, c)`
    InList {
        /// What is tested.
        expr: Box<Expr>,
        /// `NOT IN`
        negated: bool,
        /// The values.
        list: Vec<Expr>,
    },
    /// `a [NOT] IN (SELECT ..)`
    InSubquery {
        /// What is tested.
        expr: Box<Expr>,
        /// `NOT IN`
        negated: bool,
        /// The query.
        query: Box<Query>,
    },
    /// `EXISTS (SELECT ..)`
    Exists(Box<Query>),
    /// `UNIQUE (SELECT ..)`
    Unique(Box<Query>),
    /// `(SELECT ..)` as a value
    Subquery(Box<Query>),
    /// `a > ALL (SELECT ..)`, `a = ANY (1, 2)`
    Quantified {
        /// Left operand.
        left: Box<Expr>,
        /// A comparison.
        op: BinaryOp,
        /// ANY, SOME or ALL.
        quantifier: Quantifier,
        /// What it ranges over.
        source: QuantifiedSource,
    },
    /// `CASE [a] WHEN b THEN c [ELSE d] END`
    Case {
        /// The operand of a simple CASE.
        operand: Option<Box<Expr>>,
        /// The WHEN branches, at least one.
        branches: Vec<CaseBranch>,
        /// The ELSE branch.
        else_result: Option<Box<Expr>>,
    },
    /// `CAST(a AS t [FORMAT 'f'])`, `TRY_CAST(..)`
    Cast {
        /// `TRY_CAST`
        try_cast: bool,
        /// What is cast.
        expr: Box<Expr>,
        /// To which type.
        data_type: DataType,
        /// The text after FORMAT.
        format: Option<String>,
    },
    /// A call of a function with ordinary call syntax. Also `CURRENT_DATE`
    /// and its kin, see [`FunctionCall::parens`].
    Function(Box<FunctionCall>),
    /// `EXTRACT(unit FROM a)`
    Extract {
        /// Which field.
        unit: TimeUnit,
        /// Of what.
        expr: Box<Expr>,
    },
    /// `POSITION(needle IN haystack [FROM start])`
    Position {
        /// What is sought.
        needle: Box<Expr>,
        /// Where.
        haystack: Box<Expr>,
        /// From which character.
        from: Option<Box<Expr>>,
    },
    /// `SUBSTRING(a FROM b [FOR c])`, also written `SUBSTRING(a, b[, c])`
    Substring {
        /// The text.
        expr: Box<Expr>,
        /// First character.
        from: Box<Expr>,
        /// Number of characters.
        len: Option<Box<Expr>>,
    },
    /// `TRIM([BOTH | LEADING | TRAILING] [chars] [FROM] a)`
    Trim {
        /// Which side; absent means both.
        side: Option<TrimSide>,
        /// What is taken off; absent means blanks.
        chars: Option<Box<Expr>>,
        /// The text.
        expr: Box<Expr>,
    },
    /// `OVERLAY(a PLACING b FROM c [FOR d])`, also written with commas
    Overlay {
        /// The text.
        expr: Box<Expr>,
        /// What is put in.
        placing: Box<Expr>,
        /// First character replaced.
        from: Box<Expr>,
        /// Number of characters replaced.
        len: Option<Box<Expr>>,
    },
    /// `FLOOR(a TO unit)`, `CEIL(a TO unit)`; without a unit an ordinary call
    RoundTo {
        /// CEIL, else FLOOR.
        ceil: bool,
        /// What is rounded.
        expr: Box<Expr>,
        /// To which unit.
        unit: TimeUnit,
    },
    /// `TIMESTAMPADD(unit, count, timestamp)`
    TimestampAdd {
        /// The unit counted in.
        unit: TimeUnit,
        /// How many.
        count: Box<Expr>,
        /// Added to what.
        expr: Box<Expr>,
    },
    /// `TIMESTAMPDIFF(unit, from, to)`
    TimestampDiff {
        /// The unit counted in.
        unit: TimeUnit,
        /// The earlier time.
        from: Box<Expr>,
        /// The later time.
        to: Box<Expr>,
    },
    /// `(a - b) DAY`, the difference of two times as an interval
    TimeDifference {
        /// The later time.
        from: Box<Expr>,
        /// What is taken away.
        minus: Box<Expr>,
        /// The fields of the interval.
        qualifier: IntervalQualifier,
    },
    /// `a IS [NOT] JSON [VALUE | ARRAY | OBJECT | SCALAR]`
    IsJson {
        /// What is tested.
        expr: Box<Expr>,
        /// For which kind of JSON.
        kind: JsonKind,
        /// `IS NOT`
        negated: bool,
    },
    /// `JSON_EXISTS(a, path [.. ON ERROR])`
    JsonExists {
        /// The JSON text.
        input: Box<Expr>,
        /// The path.
        path: Box<Expr>,
        /// What an error gives.
        on_error: Option<JsonExistsOnError>,
    },
    /// `JSON_VALUE(a, path [RETURNING t] [.. ON EMPTY] [.. ON ERROR])`
    JsonValue {
        /// The JSON text.
        input: Box<Expr>,
        /// The path.
        path: Box<Expr>,
        /// The result type.
        returning: Option<DataType>,
        /// What an empty result gives.
        on_empty: Option<JsonValueBehavior>,
        /// What an error gives.
        on_error: Option<JsonValueBehavior>,
    },
    /// `JSON_QUERY(a, path [RETURNING t] [wrapper] [.. ON EMPTY] [.. ON ERROR])`
    JsonQuery {
        /// The JSON text.
        input: Box<Expr>,
        /// The path.
        path: Box<Expr>,
        /// The result type.
        returning: Option<DataType>,
        /// Whether results are wrapped in an array.
        wrapper: Option<JsonWrapper>,
        /// What an empty result gives.
        on_empty: Option<JsonQueryBehavior>,
        /// What an error gives.
        on_error: Option<JsonQueryBehavior>,
    },
    /// `JSON_OBJECT(KEY k VALUE v, .. [NULL | ABSENT ON NULL])`
    JsonObject {
        /// The members.
        entries: Vec<JsonEntry>,
        /// What becomes of NULL values.
        on_null: Option<JsonOnNull>,
    },
    /// `JSON_ARRAY(a, .. [NULL | ABSENT ON NULL])`
    JsonArray {
        /// The elements.
        items: Vec<Expr>,
        /// What becomes of NULL values.
        on_null: Option<JsonOnNull>,
    },
    /// `JSON_OBJECTAGG(KEY k VALUE v [.. ON NULL]) [FILTER ..] [OVER ..]`
    JsonObjectAgg {
        /// Key and value.
        entry: Box<JsonEntry>,
        /// What becomes of NULL values.
        on_null: Option<JsonOnNull>,
        /// `FILTER (WHERE ..)`
        filter: Option<Box<Expr>>,
        /// `OVER ..`
        over: Option<Box<WindowRef>>,
    },
    /// `JSON_ARRAYAGG(a [ORDER BY ..] [.. ON NULL]) [FILTER ..] [OVER ..]`
    JsonArrayAgg {
        /// The element.
        item: Box<Expr>,
        /// Order of the elements.
        order_by: Vec<OrderByExpr>,
        /// What becomes of NULL values.
        on_null: Option<JsonOnNull>,
        /// `FILTER (WHERE ..)`
        filter: Option<Box<Expr>>,
        /// `OVER ..`
        over: Option<Box<WindowRef>>,
    },
    /// `ROW(a, b)`
    Row(Vec<Expr>),
    /// `(a, b)`, at least two elements
    Tuple(Vec<Expr>),
    /// `ARRAY[a, b]`
    Array(Vec<Expr>),
    /// `ARRAY(SELECT ..)`
    ArrayQuery(Box<Query>),
    /// `MAP[k, v, ..]`, keys and values alternating
    Map(Vec<Expr>),
    /// `MAP(SELECT ..)`
    MapQuery(Box<Query>),
    /// `MULTISET[a, b]`
    Multiset(Vec<Expr>),
    /// `MULTISET(SELECT ..)`
    MultisetQuery(Box<Query>),
    /// `PERIOD(a, b)`
    Period {
        /// Begin.
        start: Box<Expr>,
        /// End.
        end: Box<Expr>,
    },
    /// `a[i]`
    Subscript {
        /// The array, map, row or variant.
        expr: Box<Expr>,
        /// Index or key.
        index: Box<Expr>,
    },
    /// `expr.field` where `expr` is no plain name
    FieldAccess {
        /// The row.
        expr: Box<Expr>,
        /// The field.
        field: Ident,
    },
    /// `col:path[0]:x`, an extension: path access into a VARIANT, indexes
    /// counted from 0
    VariantPath {
        /// The variant.
        expr: Box<Expr>,
        /// The steps, the first always a field.
        steps: Vec<VariantStep>,
    },
    /// `a AT TIME ZONE b`
    AtTimeZone {
        /// The timestamp.
        expr: Box<Expr>,
        /// The zone.
        zone: Box<Expr>,
    },
    /// `RUNNING a`, `FINAL a` in MATCH_RECOGNIZE
    MatchSemantics {
        /// FINAL, else RUNNING.
        is_final: bool,
        /// The navigation or aggregate.
        expr: Box<Expr>,
    },
    /// `DEFAULT` in VALUES and in arguments
    Default,
    /// `NEXT VALUE FOR seq`, `CURRENT VALUE FOR seq`; no Flink catalog has
    /// sequences
    SequenceValue {
        /// NEXT, else CURRENT.
        next: bool,
        /// The sequence.
        name: ObjectName,
    },
    /// `CURSOR(SELECT ..)`
    Cursor(Box<Query>),
}

/// A prefix operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `NOT`
    Not,
}

/// An infix operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `OR`
    Or,
    /// `AND`
    And,
    /// `=`
    Eq,
    /// `<>`, also `!=`
    NotEq,
    /// `<`
    Lt,
    /// `<=`
    LtEq,
    /// `>`
    Gt,
    /// `>=`
    GtEq,
    /// `IS DISTINCT FROM`
    IsDistinctFrom,
    /// `IS NOT DISTINCT FROM`
    IsNotDistinctFrom,
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Modulo,
    /// `||`
    Concat,
    /// `OVERLAPS`
    Overlaps,
    /// `CONTAINS`
    Contains,
    /// `EQUALS`
    Equals,
    /// `PRECEDES`
    Precedes,
    /// `SUCCEEDS`
    Succeeds,
    /// `IMMEDIATELY PRECEDES`
    ImmediatelyPrecedes,
    /// `IMMEDIATELY SUCCEEDS`
    ImmediatelySucceeds,
    /// `MEMBER OF`
    MemberOf,
    /// `SUBMULTISET OF`
    SubmultisetOf,
    /// `MULTISET UNION`
    MultisetUnion,
    /// `MULTISET UNION DISTINCT`
    MultisetUnionDistinct,
    /// `MULTISET INTERSECT`
    MultisetIntersect,
    /// `MULTISET INTERSECT DISTINCT`
    MultisetIntersectDistinct,
    /// `MULTISET EXCEPT`
    MultisetExcept,
    /// `MULTISET EXCEPT DISTINCT`
    MultisetExceptDistinct,
}

/// What `IS [NOT]` tests for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IsTest {
    /// `NULL`
    Null,
    /// `TRUE`
    True,
    /// `FALSE`
    False,
    /// `UNKNOWN`
    Unknown,
    /// `A SET`
    ASet,
    /// `EMPTY`
    Empty,
}

/// The pattern operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LikeKind {
    /// `LIKE`
    Like,
    /// `ILIKE`; Flink refuses it after parsing
    ILike,
    /// `RLIKE`; Flink refuses it after parsing
    RLike,
    /// `SIMILAR TO`
    SimilarTo,
}

/// ANY, SOME or ALL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quantifier {
    /// `ANY`
    Any,
    /// `SOME`
    Some,
    /// `ALL`
    All,
}

/// What a quantified comparison ranges over.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum QuantifiedSource {
    /// `(SELECT ..)`
    Query(Box<Query>),
    /// `(a, b)`
    List(Vec<Expr>),
}

/// `WHEN condition THEN result`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CaseBranch {
    /// The conditions: one, or several with commas in a simple CASE.
    pub when: Vec<Expr>,
    /// The result.
    pub then: Expr,
}

/// Which side TRIM works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrimSide {
    /// `BOTH`
    Both,
    /// `LEADING`
    Leading,
    /// `TRAILING`
    Trailing,
}

/// A step of a [`ExprKind::VariantPath`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum VariantStep {
    /// `:name` or `.name`
    Field(Ident),
    /// `[i]`, counted from 0, or `['key']`
    Index(Expr),
}
