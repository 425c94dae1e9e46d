//! The logical plan: a tree of relational operators over typed expressions.
//!
//! The binder builds it, `weir-plan` rewrites it and turns it into operator
//! specs. Every node knows its output [`Schema`]; expressions refer to input
//! columns by position, joins to left columns followed by right columns.

use weir_core::{DataType, Field, Schema, Value};
use weir_functions::Expr;
use weir_spec::{
    AggregateCall, JoinKind, LookupHint, MatchSpec, OverSpec, ReadColumn, SortKey, TableSpec,
    WindowSpec,
};

/// A logical operator with its output columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Rel {
    /// The operator.
    pub op: RelOp,
    /// Its output columns.
    pub schema: Schema,
}

/// A table scan.
#[derive(Debug, Clone, PartialEq)]
pub struct Scan {
    /// The table as connectors see it.
    pub table: TableSpec,
    /// What the columns of the node read.
    pub columns: Vec<ReadColumn>,
    /// Bounds found for the source (set by the optimizer).
    pub limit: Option<u64>,
    /// Predicate over the node's columns that the source may use (set by the optimizer).
    pub filter: Option<Expr>,
    /// Milliseconds that a STATE_TTL hint keeps the state of this table.
    pub state_ttl: Option<i64>,
    /// A MULTI_JOIN hint names this table.
    pub multi_join: bool,
}

/// The logical operators.
#[derive(Debug, Clone, PartialEq)]
pub enum RelOp {
    /// Reads a table.
    Scan(Scan),
    /// Constant rows.
    Values(Vec<Vec<Value>>),
    /// Computes columns.
    Project {
        /// Input.
        input: Box<Rel>,
        /// One expression per output column.
        exprs: Vec<Expr>,
    },
    /// Keeps rows.
    Filter {
        /// Input.
        input: Box<Rel>,
        /// Condition.
        predicate: Expr,
    },
    /// Assigns event-time watermarks.
    Watermark {
        /// Input.
        input: Box<Rel>,
        /// Rowtime column.
        rowtime: usize,
        /// Watermark expression.
        watermark: Expr,
    },
    /// GROUP BY; output = keys, then calls.
    Aggregate {
        /// Input.
        input: Box<Rel>,
        /// Key columns.
        keys: Vec<usize>,
        /// Aggregates.
        calls: Vec<AggregateCall>,
    },
    /// GROUP BY with a group window function; output = keys, calls, window_start,
    /// window_end, window_time.
    GroupWindowAggregate {
        /// Input.
        input: Box<Rel>,
        /// Window.
        window: WindowSpec,
        /// Key columns.
        keys: Vec<usize>,
        /// Aggregates.
        calls: Vec<AggregateCall>,
    },
    /// Window table-valued function: appends window_start, window_end, window_time.
    WindowTvf {
        /// Input.
        input: Box<Rel>,
        /// Window.
        window: WindowSpec,
    },
    /// Each row once per projection (GROUPING SETS).
    Expand {
        /// Input.
        input: Box<Rel>,
        /// One projection per grouping set.
        projections: Vec<Vec<Expr>>,
    },
    /// Join; semi and anti joins output the left columns only.
    Join {
        /// Left input.
        left: Box<Rel>,
        /// Right input.
        right: Box<Rel>,
        /// Kind.
        kind: JoinKind,
        /// Condition over both sides' columns.
        condition: Expr,
    },
    /// `left JOIN right FOR SYSTEM_TIME AS OF left.time`.
    TemporalJoin {
        /// Left input.
        left: Box<Rel>,
        /// Versioned right input.
        right: Box<Rel>,
        /// Inner or left.
        kind: JoinKind,
        /// Condition over both sides' columns.
        condition: Expr,
        /// Time attribute column of the left input.
        left_time: usize,
    },
    /// `left JOIN table FOR SYSTEM_TIME AS OF left.proctime`: what the table holds when a
    /// left row arrives.
    LookupJoin {
        /// Left input.
        input: Box<Rel>,
        /// The table, which is looked up and not read as an input.
        table: Box<Rel>,
        /// Inner or left.
        kind: JoinKind,
        /// Condition over both sides' columns.
        condition: Expr,
        /// What a LOOKUP hint says.
        hint: LookupHint,
    },
    /// One row per element of a collection; output = input columns, element columns.
    Unnest {
        /// Input.
        input: Box<Rel>,
        /// Collection over the input columns.
        collection: Expr,
        /// ROW elements become several columns.
        flatten: bool,
        /// WITH ORDINALITY.
        ordinality: bool,
        /// Which elements count, over the output columns.
        condition: Option<Expr>,
        /// Keep rows without elements.
        outer: bool,
    },
    /// UNION ALL.
    Union(Vec<Rel>),
    /// ORDER BY, OFFSET, FETCH; without keys only the bounds.
    Sort {
        /// Input.
        input: Box<Rel>,
        /// Keys.
        keys: Vec<SortKey>,
        /// OFFSET.
        offset: u64,
        /// LIMIT.
        fetch: Option<u64>,
    },
    /// OVER calls of one window; output = input columns, then one column per call.
    Over {
        /// Input.
        input: Box<Rel>,
        /// Window and calls. Ranking functions keep their names.
        over: OverSpec,
    },
    /// MATCH_RECOGNIZE; output = partition columns, then measures.
    Match {
        /// Input.
        input: Box<Rel>,
        /// Pattern, conditions and measures.
        spec: Box<MatchSpec>,
    },
    /// TO_CHANGELOG; output = code of the row kind, then the input columns.
    ToChangelog {
        /// Input.
        input: Box<Rel>,
        /// Code by row kind; kinds without one are dropped.
        codes: Vec<Option<String>>,
    },
    /// FROM_CHANGELOG; output = input columns without the one of the codes.
    FromChangelog {
        /// Input.
        input: Box<Rel>,
        /// Column of the codes.
        column: usize,
        /// Row kind by code.
        codes: Vec<(String, u8)>,
    },
}

impl Rel {
    /// Builds a node.
    pub fn new(op: RelOp, schema: Schema) -> Self {
        Self { op, schema }
    }

    /// Direct inputs.
    pub fn inputs(&self) -> Vec<&Rel> {
        match &self.op {
            RelOp::Scan(_) | RelOp::Values(_) => Vec::new(),
            RelOp::Project { input, .. }
            | RelOp::Filter { input, .. }
            | RelOp::Watermark { input, .. }
            | RelOp::Aggregate { input, .. }
            | RelOp::GroupWindowAggregate { input, .. }
            | RelOp::WindowTvf { input, .. }
            | RelOp::Expand { input, .. }
            | RelOp::LookupJoin { input, .. }
            | RelOp::Unnest { input, .. }
            | RelOp::Sort { input, .. }
            | RelOp::Over { input, .. }
            | RelOp::Match { input, .. }
            | RelOp::ToChangelog { input, .. }
            | RelOp::FromChangelog { input, .. } => vec![input],
            RelOp::Join { left, right, .. } | RelOp::TemporalJoin { left, right, .. } => {
                vec![left, right]
            }
            RelOp::Union(inputs) => inputs.iter().collect(),
        }
    }

    /// The first of the direct inputs.
    pub fn first_input_mut(&mut self) -> Option<&mut Rel> {
        match &mut self.op {
            RelOp::Scan(_) | RelOp::Values(_) => None,
            RelOp::Project { input, .. }
            | RelOp::Filter { input, .. }
            | RelOp::Watermark { input, .. }
            | RelOp::Aggregate { input, .. }
            | RelOp::GroupWindowAggregate { input, .. }
            | RelOp::WindowTvf { input, .. }
            | RelOp::Expand { input, .. }
            | RelOp::LookupJoin { input, .. }
            | RelOp::Unnest { input, .. }
            | RelOp::Sort { input, .. }
            | RelOp::Over { input, .. }
            | RelOp::Match { input, .. }
            | RelOp::ToChangelog { input, .. }
            | RelOp::FromChangelog { input, .. }
            | RelOp::Join { left: input, .. }
            | RelOp::TemporalJoin { left: input, .. } => Some(input),
            RelOp::Union(inputs) => inputs.first_mut(),
        }
    }

    /// Whether a scan below reads the table of that identifier.
    pub fn reads(&self, identifier: &str) -> bool {
        match &self.op {
            RelOp::Scan(s) => s.table.identifier == identifier,
            RelOp::LookupJoin { input, table, .. } => {
                input.reads(identifier) || table.reads(identifier)
            }
            _ => self.inputs().into_iter().any(|i| i.reads(identifier)),
        }
    }

    /// One row without columns, for SELECT without FROM.
    pub fn one_row() -> Self {
        Self::new(RelOp::Values(vec![vec![]]), Schema::default())
    }

    /// A projection of this node; `names` are the output columns.
    #[must_use]
    pub fn project(self, exprs: Vec<Expr>, names: Vec<String>) -> Rel {
        let fields =
            names.into_iter().zip(&exprs).map(|(n, e)| Field::new(n, e.ty().clone())).collect();
        Rel::new(RelOp::Project { input: Box::new(self), exprs }, Schema::new(fields))
    }

    /// The rows of this node for which `predicate` is true.
    #[must_use]
    pub fn filter(self, predicate: Expr) -> Rel {
        let schema = self.schema.clone();
        Rel::new(RelOp::Filter { input: Box::new(self), predicate }, schema)
    }

    /// References to all columns of this node.
    pub fn columns(&self) -> Vec<Expr> {
        self.schema.fields.iter().enumerate().map(|(i, f)| Expr::column(i, f.ty.clone())).collect()
    }

    /// A projection to the given columns.
    #[must_use]
    pub fn select(self, columns: &[usize]) -> Rel {
        let exprs =
            columns.iter().map(|&i| Expr::column(i, self.schema.fields[i].ty.clone())).collect();
        let names = columns.iter().map(|&i| self.schema.fields[i].name.clone()).collect();
        self.project(exprs, names)
    }

    /// Duplicate rows removed: a grouping by all columns.
    #[must_use]
    pub fn distinct(self) -> Rel {
        let schema = self.schema.clone();
        let keys = (0..schema.len()).collect();
        Rel::new(RelOp::Aggregate { input: Box::new(self), keys, calls: vec![] }, schema)
    }
}

/// Splits a condition at its top-level ANDs; TRUE has no parts.
pub fn conjuncts(expr: Expr) -> Vec<Expr> {
    match expr {
        Expr::Call { function, args, .. } if function == "AND" => {
            args.into_iter().flat_map(conjuncts).collect()
        }
        e if e == Expr::true_literal() => Vec::new(),
        e => vec![e],
    }
}

/// ANDs conditions; TRUE for none.
pub fn conjunction(parts: Vec<Expr>) -> Expr {
    parts
        .into_iter()
        .reduce(|a, b| {
            let nullable = a.ty().nullable || b.ty().nullable;
            Expr::call("AND", vec![a, b], DataType::boolean().with_nullable(nullable))
        })
        .unwrap_or_else(Expr::true_literal)
}

/// Output columns of a join: the sides that an outer join fills up become
/// nullable, semi and anti joins have the left columns only.
pub fn join_schema(left: &Schema, right: &Schema, kind: JoinKind) -> Schema {
    let side = |schema: &Schema, null: bool| {
        schema
            .fields
            .iter()
            .map(|f| {
                let ty = if null { f.ty.clone().null() } else { f.ty.clone() };
                Field::new(f.name.clone(), ty)
            })
            .collect::<Vec<_>>()
    };
    let mut fields = side(left, matches!(kind, JoinKind::Right | JoinKind::Full));
    if !matches!(kind, JoinKind::Semi | JoinKind::Anti) {
        fields.extend(side(right, matches!(kind, JoinKind::Left | JoinKind::Full)));
    }
    Schema::new(fields)
}
