//! Queries: SELECT, VALUES, set operators, FROM and MATCH_RECOGNIZE.

use super::{Expr, FunctionCall, Hint, Ident, ObjectName, SetQuantifier, WindowSpec};
use crate::span::Span;

/// `[WITH ..] body [ORDER BY ..] [LIMIT ..] [OFFSET ..] [FETCH ..]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Query {
    /// `WITH`
    pub with: Option<With>,
    /// The rows.
    pub body: SetExpr,
    /// `ORDER BY`
    pub order_by: Vec<OrderByExpr>,
    /// `LIMIT n`; `LIMIT ALL` is absent
    pub limit: Option<Expr>,
    /// `OFFSET n`, also the first number of `LIMIT m, n`
    pub offset: Option<Expr>,
    /// `FETCH FIRST n ROWS ONLY`
    pub fetch: Option<Expr>,
    /// The whole query.
    pub span: Span,
}

impl Query {
    /// A query that is nothing but its body.
    pub fn plain(body: SetExpr, span: Span) -> Self {
        Query {
            with: None,
            body,
            order_by: Vec::new(),
            limit: None,
            offset: None,
            fetch: None,
            span,
        }
    }

    /// True when the query is nothing but its body.
    pub fn is_plain(&self) -> bool {
        self.with.is_none()
            && self.order_by.is_empty()
            && self.limit.is_none()
            && self.offset.is_none()
            && self.fetch.is_none()
    }
}

/// `WITH [RECURSIVE] a AS (..), b AS (..)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct With {
    /// `RECURSIVE`
    pub recursive: bool,
    /// The named queries.
    pub ctes: Vec<Cte>,
    /// The whole clause.
    pub span: Span,
}

/// `name [(columns)] AS (query)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cte {
    /// Its name.
    pub name: Ident,
    /// Its column names.
    pub columns: Vec<Ident>,
    /// Its query.
    pub query: Box<Query>,
    /// The whole item.
    pub span: Span,
}

/// The body of a query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SetExpr {
    /// `SELECT ..`
    Select(Box<Select>),
    /// `VALUES ..`
    Values(Values),
    /// `TABLE t`
    Table(ObjectName),
    /// A query in parentheses that has clauses of its own (WITH, ORDER BY,
    /// LIMIT ..). Other parentheses leave no node.
    Query(Box<Query>),
    /// `a UNION [ALL] b` and its kin
    SetOp(Box<SetOperation>),
}

/// Two bodies joined by a set operator.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SetOperation {
    /// Which operator.
    pub op: SetOp,
    /// `ALL`; otherwise duplicates go.
    pub all: bool,
    /// Left operand.
    pub left: SetExpr,
    /// Right operand.
    pub right: SetExpr,
    /// The whole operation.
    pub span: Span,
}

/// The set operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SetOp {
    /// `UNION`
    Union,
    /// `INTERSECT`
    Intersect,
    /// `EXCEPT`, also MINUS
    Except,
}

/// `VALUES (1, 'a'), (2, 'b')`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Values {
    /// The rows.
    pub rows: Vec<ValuesRow>,
    /// The whole clause.
    pub span: Span,
}

/// A row of VALUES.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ValuesRow {
    /// The columns.
    pub exprs: Vec<Expr>,
    /// The row.
    pub span: Span,
}

/// A SELECT block.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Select {
    /// `/*+ .. */` after SELECT
    pub hints: Vec<Hint>,
    /// `STREAM`, an old Calcite word
    pub stream: bool,
    /// `DISTINCT` or `ALL`
    pub quantifier: Option<SetQuantifier>,
    /// The select list.
    pub projection: Vec<SelectItem>,
    /// `FROM`, comma-separated; empty when there is none
    pub from: Vec<TableWithJoins>,
    /// `WHERE`
    pub selection: Option<Expr>,
    /// `GROUP BY`
    pub group_by: Option<GroupBy>,
    /// `HAVING`
    pub having: Option<Expr>,
    /// `WINDOW w AS (..)`
    pub windows: Vec<NamedWindow>,
    /// `QUALIFY`
    pub qualify: Option<Expr>,
    /// The whole block.
    pub span: Span,
}

/// An item of a select list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SelectItem {
    /// `*`
    Wildcard(Span),
    /// `t.*`, or `col.*` on a row column
    QualifiedWildcard {
        /// What stands before the star.
        qualifier: ObjectName,
        /// The whole item.
        span: Span,
    },
    /// `expr.*` on an expression that is no plain name
    ExprWildcard {
        /// The row.
        expr: Expr,
        /// The whole item.
        span: Span,
    },
    /// `expr [[AS] alias]`
    Expr {
        /// The value.
        expr: Expr,
        /// Its name.
        alias: Option<Ident>,
        /// The whole item.
        span: Span,
    },
}

/// `GROUP BY [DISTINCT | ALL] ..`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GroupBy {
    /// `DISTINCT` or `ALL`
    pub quantifier: Option<SetQuantifier>,
    /// The elements.
    pub elements: Vec<GroupingElement>,
    /// The whole clause.
    pub span: Span,
}

/// An element of GROUP BY or of GROUPING SETS.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum GroupingElement {
    /// `()`
    Empty,
    /// One expression.
    Expr(Expr),
    /// `(a, b)`
    Exprs(Vec<Expr>),
    /// `GROUPING SETS (..)`
    GroupingSets(Vec<GroupingElement>),
    /// `CUBE (..)`
    Cube(Vec<GroupingElement>),
    /// `ROLLUP (..)`
    Rollup(Vec<GroupingElement>),
}

/// `name AS (specification)` of a WINDOW clause.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NamedWindow {
    /// Its name.
    pub name: Ident,
    /// What it is.
    pub spec: WindowSpec,
}

/// `expr [ASC | DESC] [NULLS FIRST | LAST]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OrderByExpr {
    /// The key.
    pub expr: Expr,
    /// `DESC`; ASC is the default and leaves no trace.
    pub desc: bool,
    /// `NULLS FIRST` is `Some(true)`, `NULLS LAST` is `Some(false)`.
    pub nulls_first: Option<bool>,
    /// The whole item.
    pub span: Span,
}

/// One comma-separated item of FROM.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableWithJoins {
    /// The first table.
    pub relation: TableFactor,
    /// What is joined to it, left to right.
    pub joins: Vec<Join>,
}

/// A join.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Join {
    /// Which join.
    pub kind: JoinKind,
    /// `NATURAL`
    pub natural: bool,
    /// The right side.
    pub right: TableFactor,
    /// `ON` or `USING`
    pub constraint: JoinConstraint,
    /// From the join word to the end of the constraint.
    pub span: Span,
}

/// The kinds of join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JoinKind {
    /// `[INNER] JOIN`
    Inner,
    /// `LEFT [OUTER] JOIN`
    Left,
    /// `RIGHT [OUTER] JOIN`
    Right,
    /// `FULL [OUTER] JOIN`
    Full,
    /// `CROSS JOIN`
    Cross,
    /// `LEFT SEMI JOIN`, an extension
    LeftSemi,
    /// `LEFT ANTI JOIN`, an extension
    LeftAnti,
    /// `ASOF JOIN .. MATCH_CONDITION ..`; Flink has no plan for it
    Asof,
    /// `LEFT ASOF JOIN`
    LeftAsof,
    /// `CROSS APPLY`
    CrossApply,
    /// `OUTER APPLY`
    OuterApply,
}

/// The condition of a join.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum JoinConstraint {
    /// None.
    None,
    /// `ON expr`
    On(Expr),
    /// `USING (a, b)`
    Using(Vec<Ident>),
    /// `MATCH_CONDITION expr ON expr`, for ASOF
    MatchCondition {
        /// The comparison of times.
        condition: Expr,
        /// The equalities.
        on: Expr,
    },
}

/// A table in FROM.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableFactor {
    /// What it is.
    pub kind: TableFactorKind,
    /// `TABLESAMPLE`
    pub sample: Option<TableSample>,
    /// `[AS] alias [(columns)]`
    pub alias: Option<TableAlias>,
    /// The whole factor.
    pub span: Span,
}

/// What stands in FROM.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TableFactorKind {
    /// A table or view by name.
    Table {
        /// The name.
        name: ObjectName,
        /// `/*+ OPTIONS(..) */`
        hints: Vec<Hint>,
        /// `FOR SYSTEM_TIME AS OF expr`
        system_time: Option<Box<Expr>>,
    },
    /// `[LATERAL] (SELECT ..)`, also `(VALUES ..)`
    Derived {
        /// `LATERAL`
        lateral: bool,
        /// The query.
        query: Box<Query>,
    },
    /// `[LATERAL] TABLE(f(..))` or the bare `f(..)`
    Function {
        /// `LATERAL`
        lateral: bool,
        /// Written with `TABLE( )` around it.
        wrapped: bool,
        /// The call.
        call: Box<FunctionCall>,
    },
    /// `UNNEST(a, ..) [WITH ORDINALITY]`
    Unnest {
        /// `LATERAL`
        lateral: bool,
        /// The arrays, maps or multisets.
        exprs: Vec<Expr>,
        /// `WITH ORDINALITY`
        with_ordinality: bool,
    },
    /// `(a JOIN b ON ..)`
    Nested(Box<TableWithJoins>),
    /// `input MATCH_RECOGNIZE (..)`
    MatchRecognize {
        /// The rows.
        input: Box<TableFactor>,
        /// The clauses.
        spec: Box<MatchRecognize>,
    },
    /// `input PIVOT (..)`; Flink has no plan for it
    Pivot {
        /// The rows.
        input: Box<TableFactor>,
        /// The clauses.
        spec: Box<Pivot>,
    },
    /// `input UNPIVOT (..)`; Flink has no plan for it
    Unpivot {
        /// The rows.
        input: Box<TableFactor>,
        /// The clauses.
        spec: Box<Unpivot>,
    },
}

/// `[AS] name [(columns)]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableAlias {
    /// The name.
    pub name: Ident,
    /// The column names.
    pub columns: Vec<Ident>,
    /// The whole alias.
    pub span: Span,
}

/// `TABLESAMPLE BERNOULLI(10) [REPEATABLE(3)]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableSample {
    /// The method.
    pub method: SampleMethod,
    /// The argument: a percentage, or a name for `SUBSTITUTE`.
    pub value: Box<Expr>,
    /// The seed.
    pub repeatable: Option<Box<Expr>>,
    /// The whole clause.
    pub span: Span,
}

/// The methods of TABLESAMPLE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SampleMethod {
    /// `BERNOULLI`
    Bernoulli,
    /// `SYSTEM`
    System,
    /// `SUBSTITUTE`
    Substitute,
}

/// The clauses of MATCH_RECOGNIZE.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MatchRecognize {
    /// `PARTITION BY`
    pub partition_by: Vec<Expr>,
    /// `ORDER BY`
    pub order_by: Vec<OrderByExpr>,
    /// `MEASURES expr AS name, ..`
    pub measures: Vec<Measure>,
    /// `ONE ROW PER MATCH` or `ALL ROWS PER MATCH`
    pub rows_per_match: Option<RowsPerMatch>,
    /// `AFTER MATCH SKIP ..`
    pub after_match: Option<AfterMatch>,
    /// `PATTERN (..)`
    pub pattern: Pattern,
    /// `^` at the start of the pattern
    pub anchor_start: bool,
    /// `$` at the end of the pattern
    pub anchor_end: bool,
    /// `WITHIN interval`
    pub within: Option<Expr>,
    /// `SUBSET a = (b, c)`
    pub subsets: Vec<PatternSubset>,
    /// `DEFINE a AS condition`
    pub defines: Vec<PatternDefine>,
    /// The whole clause.
    pub span: Span,
}

/// `expr AS name` of MEASURES.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Measure {
    /// The value.
    pub expr: Expr,
    /// Its name.
    pub alias: Ident,
}

/// How many rows a match gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowsPerMatch {
    /// `ONE ROW PER MATCH`
    One,
    /// `ALL ROWS PER MATCH`
    All,
}

/// Where matching goes on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AfterMatch {
    /// `SKIP TO NEXT ROW`
    ToNextRow,
    /// `SKIP PAST LAST ROW`
    PastLastRow,
    /// `SKIP TO FIRST a`
    ToFirst(Ident),
    /// `SKIP TO [LAST] a`
    ToLast(Ident),
}

/// A row pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// What it is.
    pub kind: PatternKind,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of row pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PatternKind {
    /// A pattern variable.
    Variable(Ident),
    /// `a b c`
    Concat(Vec<Pattern>),
    /// `a | b | c`
    Alternation(Vec<Pattern>),
    /// `a*`, `a+?`, `a{2,3}`
    Repeat {
        /// What is repeated.
        pattern: Box<Pattern>,
        /// How often.
        quantifier: PatternQuantifier,
        /// A `?` after the quantifier.
        reluctant: bool,
    },
    /// `PERMUTE(a, b)`
    Permute(Vec<Pattern>),
    /// `{- a -}`
    Exclude(Box<Pattern>),
}

/// How often a pattern repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PatternQuantifier {
    /// `*`
    ZeroOrMore,
    /// `+`
    OneOrMore,
    /// `?`
    ZeroOrOne,
    /// `{n}`
    Exactly(u32),
    /// `{n,}`
    AtLeast(u32),
    /// `{,m}`
    AtMost(u32),
    /// `{n,m}`
    Between(u32, u32),
}

/// `name = (a, b)` of SUBSET.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PatternSubset {
    /// The union variable.
    pub name: Ident,
    /// Its members.
    pub members: Vec<Ident>,
}

/// `name AS condition` of DEFINE.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PatternDefine {
    /// The pattern variable.
    pub name: Ident,
    /// When a row is one.
    pub condition: Expr,
}

/// `PIVOT (aggs FOR columns IN (values))`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pivot {
    /// The aggregates with their aliases.
    pub aggregates: Vec<(Expr, Option<Ident>)>,
    /// The columns after FOR.
    pub columns: Vec<Ident>,
    /// The values with their aliases.
    pub values: Vec<(Expr, Option<Ident>)>,
    /// The whole clause.
    pub span: Span,
}

/// `UNPIVOT [INCLUDE | EXCLUDE NULLS] (measures FOR columns IN (..))`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Unpivot {
    /// `INCLUDE NULLS` is `Some(true)`, `EXCLUDE NULLS` is `Some(false)`.
    pub include_nulls: Option<bool>,
    /// The columns before FOR.
    pub measures: Vec<Ident>,
    /// The columns after FOR.
    pub axes: Vec<Ident>,
    /// The column groups, each with its value after AS.
    pub columns: Vec<(Vec<Ident>, Option<Expr>)>,
    /// The whole clause.
    pub span: Span,
}
