//! Physical operator specs of one job: a tree of nodes flattened in topological
//! order (inputs before consumers).

use serde::{Deserialize, Serialize};
use weir_core::{DataType, Options, Schema, Value};
use weir_functions::Expr;

/// Milliseconds.
pub type TimeUnitMs = i64;

/// Which row kinds an edge carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangelogMode {
    /// -U rows occur.
    pub update_before: bool,
    /// +U rows occur.
    pub update_after: bool,
    /// -D rows occur.
    pub delete: bool,
}

impl ChangelogMode {
    /// Only +I.
    pub const INSERT_ONLY: Self = Self { update_before: false, update_after: false, delete: false };
    /// All four kinds.
    pub const ALL: Self = Self { update_before: true, update_after: true, delete: true };
    /// +I, +U, -D.
    pub const UPSERT: Self = Self { update_before: false, update_after: true, delete: true };

    /// Whether only +I occurs.
    pub fn is_insert_only(self) -> bool {
        self == Self::INSERT_ONLY
    }
}

impl std::fmt::Display for ChangelogMode {
    /// Flink's form: `I,UB,UA,D`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("I")?;
        for (on, name) in
            [(self.update_before, ",UB"), (self.update_after, ",UA"), (self.delete, ",D")]
        {
            if on {
                f.write_str(name)?;
            }
        }
        Ok(())
    }
}

/// How rows of an input reach the subtasks of its consumer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Distribution {
    /// Same subtask, no exchange.
    Forward,
    /// By key group of the columns.
    Hash(Vec<usize>),
    /// Everything to subtask 0.
    Single,
    /// Round robin of batches.
    Rebalance,
    /// By the sink's own bucket function, to keep one writer per bucket.
    SinkBucket,
}

/// One input edge of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputSpec {
    /// Producing node (index into [`Plan::nodes`]).
    pub node: usize,
    /// How its rows are distributed.
    pub distribution: Distribution,
}

/// A filter and projection of a shared input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Branch {
    /// Rows that count.
    pub filter: Option<Expr>,
    /// Output columns.
    pub projection: Vec<Expr>,
}

/// One operator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeSpec {
    /// Stable identity of the operator's state across plan changes.
    pub uid: String,
    /// Display name.
    pub name: String,
    /// What it does.
    pub op: OpSpec,
    /// Where its rows come from.
    pub inputs: Vec<InputSpec>,
    /// Its output columns.
    pub schema: Schema,
    /// Row kinds of its output.
    pub changelog: ChangelogMode,
    /// Sets of columns that each tell its output's rows apart, as far as known.
    #[serde(default)]
    pub upsert_keys: Vec<Vec<usize>>,
}

/// All operators of a job; several sinks make one job.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Plan {
    /// Nodes, inputs before consumers.
    pub nodes: Vec<NodeSpec>,
}

/// A resolved table, as connectors see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableSpec {
    /// `catalog.database.table`
    pub identifier: String,
    /// Physical columns in declaration order.
    pub physical: Schema,
    /// PRIMARY KEY columns: positions in `physical`.
    pub primary_key: Vec<usize>,
    /// PARTITIONED BY columns: positions in `physical`.
    pub partition_keys: Vec<usize>,
    /// WITH options, hints applied.
    pub options: Options,
}

/// One column that a source must produce.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ReadColumn {
    /// A physical column, or a field inside a ROW column, flattened: the path's
    /// first element is a position in `TableSpec::physical`, the rest are field
    /// positions. NULL where a ROW on the way is NULL.
    Physical {
        /// Positions from the outer column inwards.
        path: Vec<usize>,
    },
    /// A metadata column by key.
    Metadata {
        /// Key, such as `offset`.
        key: String,
    },
}

/// A table scan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceSpec {
    /// The table.
    pub table: TableSpec,
    /// The columns to produce; the node's schema gives names and types.
    pub columns: Vec<ReadColumn>,
    /// Filter over the produced columns that a source may use to skip data;
    /// it is evaluated again above the source.
    pub filter: Option<Expr>,
    /// No more rows than this are needed.
    pub limit: Option<u64>,
    /// The job reads bounded data only (batch mode).
    pub batch: bool,
}

/// A table write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SinkSpec {
    /// The table. The input columns are its physical columns, then its
    /// persisted metadata columns.
    pub table: TableSpec,
    /// Keys of the persisted metadata columns.
    pub metadata_keys: Vec<String>,
    /// INSERT OVERWRITE.
    pub overwrite: bool,
    /// PARTITION (k = v) of the statement: static partition values as text.
    pub static_partition: Vec<(String, String)>,
}

/// What ON CONFLICT does with rows of different keys of the query and one primary key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConflictAction {
    /// The first one to arrive stays.
    Nothing,
    /// The job fails.
    Error,
    /// The last one to arrive stays.
    Deduplicate,
}

/// One aggregate call over the input columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AggregateCall {
    /// Canonical upper-case name (`COUNT`, `SUM`, ...). COUNT without arguments is COUNT(*).
    pub function: String,
    /// Argument columns.
    pub args: Vec<usize>,
    /// Constant arguments in the same positions, where the argument is a literal.
    pub literals: Vec<Option<Value>>,
    /// DISTINCT.
    pub distinct: bool,
    /// FILTER (WHERE ..): a boolean column.
    pub filter: Option<usize>,
    /// ORDER BY inside the call.
    pub order_by: Vec<SortKey>,
    /// Result type.
    pub ty: DataType,
    /// Output column name.
    pub name: String,
}

impl AggregateCall {
    /// ROW_NUMBER() as a column of this name.
    pub fn row_number(name: &str) -> Self {
        Self {
            function: "ROW_NUMBER".to_owned(),
            args: vec![],
            literals: vec![],
            distinct: false,
            filter: None,
            order_by: vec![],
            ty: DataType::bigint().not_null(),
            name: name.to_owned(),
        }
    }
}

/// A sort column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SortKey {
    /// Column position.
    pub column: usize,
    /// DESC.
    pub descending: bool,
    /// NULLS FIRST (Flink: NULLs are the lowest values).
    pub nulls_first: bool,
}

/// Kinds of windows; all lengths in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum WindowKind {
    /// TUMBLE
    Tumble {
        /// Length.
        size: TimeUnitMs,
        /// Shift of all windows.
        offset: TimeUnitMs,
    },
    /// HOP
    Hop {
        /// Step between starts.
        slide: TimeUnitMs,
        /// Length.
        size: TimeUnitMs,
        /// Shift of all windows.
        offset: TimeUnitMs,
    },
    /// CUMULATE
    Cumulate {
        /// Step between ends.
        step: TimeUnitMs,
        /// Longest window.
        max_size: TimeUnitMs,
        /// Shift of all windows.
        offset: TimeUnitMs,
    },
    /// SESSION
    Session {
        /// Inactivity gap.
        gap: TimeUnitMs,
        /// PARTITION BY columns.
        partition: Vec<usize>,
    },
}

/// A window over a time attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowSpec {
    /// Kind and lengths.
    pub kind: WindowKind,
    /// Time attribute column of the input.
    pub time_column: usize,
    /// Event time (else processing time).
    pub event_time: bool,
    /// Precision and zone-ness of the time attribute decide window_time's type.
    pub time_type: DataType,
}

/// Join kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum JoinKind {
    /// INNER
    Inner,
    /// LEFT OUTER
    Left,
    /// RIGHT OUTER
    Right,
    /// FULL OUTER
    Full,
    /// Left semi (IN, EXISTS)
    Semi,
    /// Left anti (NOT EXISTS, NOT IN)
    Anti,
}

/// A two-input join on equal keys with an optional residual predicate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JoinSpec {
    /// Kind.
    pub kind: JoinKind,
    /// Key columns of the left input.
    pub left_keys: Vec<usize>,
    /// Key columns of the right input, pairwise equal to the left ones.
    pub right_keys: Vec<usize>,
    /// Per key pair: NULL matches NULL (IS NOT DISTINCT FROM).
    pub null_safe: Vec<bool>,
    /// Residual predicate over left columns followed by right columns.
    pub condition: Option<Expr>,
    /// Unique key of the left input, if one is known.
    pub left_unique: Option<Vec<usize>>,
    /// Unique key of the right input, if one is known.
    pub right_unique: Option<Vec<usize>>,
    /// State retention per side in milliseconds, where a STATE_TTL hint says it.
    #[serde(default)]
    pub state_ttl: [Option<TimeUnitMs>; 2],
}

/// A chain of inner and left joins whose inputs share a key: the rows of input 0, joined
/// with input 1, the result with input 2, and so on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MultiJoinSpec {
    /// The inputs, at least two.
    pub inputs: Vec<MultiJoinInput>,
}

/// One input of a [`MultiJoinSpec`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MultiJoinInput {
    /// Columns of the common key, pairwise equal to those of the other inputs.
    pub keys: Vec<usize>,
    /// LEFT JOIN: rows of the inputs before this one stay where it has no partner.
    pub left: bool,
    /// Residual predicate over the columns of the inputs up to and with this one.
    pub condition: Option<Expr>,
    /// State retention in milliseconds, where a STATE_TTL hint says it.
    pub state_ttl: Option<TimeUnitMs>,
}

/// Top-N per partition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RankSpec {
    /// PARTITION BY columns.
    pub partition: Vec<usize>,
    /// ORDER BY columns.
    pub order_by: Vec<SortKey>,
    /// First rank kept, 1-based.
    pub start: u64,
    /// Last rank kept, inclusive; `u64::MAX` keeps all.
    pub end: u64,
    /// `ROW_NUMBER`, `RANK` or `DENSE_RANK`.
    pub function: String,
    /// The rank itself is an output column (the last one).
    pub output_rank: bool,
    /// -U rows are wanted by the consumer.
    pub update_before: bool,
}

/// Frame of an OVER window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OverFrame {
    /// ROWS BETWEEN n PRECEDING AND CURRENT ROW; `None` = UNBOUNDED.
    Rows(Option<u64>),
    /// RANGE BETWEEN interval PRECEDING AND CURRENT ROW in milliseconds; `None` = UNBOUNDED.
    Range(Option<TimeUnitMs>),
    /// Any frame; of bounded input only (batch mode).
    Between {
        /// ROWS, else RANGE.
        rows: bool,
        /// Where the frame begins.
        start: FrameEdge,
        /// Where the frame ends.
        end: FrameEdge,
    },
}

/// Start or end of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FrameEdge {
    /// UNBOUNDED PRECEDING for a start, UNBOUNDED FOLLOWING for an end.
    Unbounded,
    /// Distance from the current row in rows, milliseconds or units of the order column;
    /// negative for PRECEDING, 0 for CURRENT ROW.
    Offset(i64),
}

/// OVER aggregation that appends one column per call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OverSpec {
    /// PARTITION BY columns.
    pub partition: Vec<usize>,
    /// ORDER BY columns; the first is a time attribute in streaming mode unless `generic_order`.
    pub order_by: Vec<SortKey>,
    /// Ordered by a time attribute (else by values, with retractions).
    pub time_ordered: bool,
    /// Frame.
    pub frame: OverFrame,
    /// The calls.
    pub calls: Vec<AggregateCall>,
}

/// Row pattern matching over rows in time order. Output = partition columns, then measures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MatchSpec {
    /// PARTITION BY columns.
    pub partition: Vec<usize>,
    /// ORDER BY columns; the first is the time attribute.
    pub order_by: Vec<SortKey>,
    /// Ordered by event time (else by arrival).
    pub event_time: bool,
    /// The pattern: variables that follow each other without a gap.
    pub pattern: Vec<PatternTerm>,
    /// AFTER MATCH.
    pub skip: SkipStrategy,
    /// WITHIN: a match may not last longer.
    pub within: Option<TimeUnitMs>,
    /// MEASURES.
    pub measures: Vec<MatchExpr>,
}

/// A pattern variable with its quantifier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PatternTerm {
    /// Name of the variable.
    pub name: String,
    /// Least number of rows.
    pub min: u32,
    /// Greatest number of rows; `None` = no limit.
    pub max: Option<u32>,
    /// The next variable takes no row that this one could take.
    pub greedy: bool,
    /// DEFINE; without one every row matches.
    pub condition: Option<MatchExpr>,
}

/// Where matching goes on after a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SkipStrategy {
    /// Behind its last row.
    PastLastRow,
    /// At the row after its first.
    ToNextRow,
    /// At the first row of a variable (position in the pattern).
    ToFirst(usize),
    /// At the last row of a variable (position in the pattern).
    ToLast(usize),
}

/// An expression over a match: column `i` of `expr` is the value of `refs[i]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MatchExpr {
    /// The expression over the references.
    pub expr: Expr,
    /// What it looks at.
    pub refs: Vec<MatchRef>,
}

/// What an expression takes from a match. `variable` is a position in the
/// pattern, `None` stands for all rows. In a condition the row under test
/// belongs to the variable that is being defined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant)] // a handful per plan
pub enum MatchRef {
    /// A column of one row: NULL if there is no such row.
    Field {
        /// Whose rows.
        variable: Option<usize>,
        /// Input column.
        column: usize,
        /// Counted from the first row, else from the last.
        first: bool,
        /// How many rows further in.
        offset: u32,
    },
    /// An aggregate over the rows of a variable.
    Aggregate {
        /// Whose rows.
        variable: Option<usize>,
        /// The arguments over the input columns.
        args: Vec<Expr>,
        /// The call over the arguments.
        call: AggregateCall,
    },
    /// MATCH_ROWTIME: event time of the match.
    Rowtime,
}

/// The operators.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum OpSpec {
    /// Reads a table.
    Source(SourceSpec),
    /// Constant rows (emitted by subtask 0).
    Values(Vec<Vec<Value>>),
    /// Filter, then project; evaluated in this order over the input columns.
    Calc {
        /// Rows to keep.
        filter: Option<Expr>,
        /// Output columns.
        projection: Vec<Expr>,
    },
    /// Assigns event-time watermarks per row.
    WatermarkAssigner {
        /// Rowtime column.
        rowtime: usize,
        /// Watermark expression over the input columns.
        watermark: Expr,
        /// `table.exec.source.idle-timeout`; 0 = never idle.
        idle_timeout: TimeUnitMs,
        /// `pipeline.auto-watermark-interval`.
        interval: TimeUnitMs,
    },
    /// UNION ALL of all inputs.
    Union,
    /// Unbounded GROUP BY; output = keys, then calls.
    GroupAggregate {
        /// Key columns.
        keys: Vec<usize>,
        /// Aggregates.
        calls: Vec<AggregateCall>,
        /// -U rows are wanted by the consumer.
        update_before: bool,
        /// The input carries -U or -D.
        input_retracts: bool,
        /// `table.exec.state.ttl`; 0 = never.
        state_ttl: TimeUnitMs,
    },
    /// Window TVF: appends window_start, window_end, window_time to every row,
    /// one output row per window.
    WindowTableFunction(WindowSpec),
    /// GROUP BY window and keys; output = keys, then calls, then
    /// window_start, window_end, window_time (TIMESTAMP(3), TIMESTAMP(3), time type).
    WindowAggregate {
        /// The window. `None` when the input has window columns already (`attached`).
        window: WindowSpec,
        /// The input has window columns (start, end, time positions); no assignment is done.
        attached: Option<(usize, usize, usize)>,
        /// Other key columns.
        keys: Vec<usize>,
        /// Aggregates.
        calls: Vec<AggregateCall>,
        /// Zone of LTZ time attributes.
        time_zone: String,
        /// The slices of a hopping window are merged in the order of time, and not into the
        /// newest one: aggregates that keep an order show it.
        oldest_first: bool,
    },
    /// Regular join of two changelogs.
    Join(JoinSpec),
    /// Regular joins of several changelogs over one key.
    MultiJoin(MultiJoinSpec),
    /// Interval join of two insert-only inputs: `left.time BETWEEN right.time + lower AND right.time + upper`.
    IntervalJoin {
        /// Keys, kind and residual predicate.
        join: JoinSpec,
        /// Time column of the left input.
        left_time: usize,
        /// Time column of the right input.
        right_time: usize,
        /// Lower bound of left.time - right.time.
        lower: TimeUnitMs,
        /// Upper bound of left.time - right.time.
        upper: TimeUnitMs,
        /// Event time (else processing time).
        event_time: bool,
    },
    /// Window join: both inputs have window columns; rows match within equal windows.
    WindowJoin {
        /// Keys (window columns not included), kind, residual predicate.
        join: JoinSpec,
        /// window_start, window_end positions of the left input.
        left_window: (usize, usize),
        /// window_start, window_end positions of the right input.
        right_window: (usize, usize),
    },
    /// Event-time temporal join `FOR SYSTEM_TIME AS OF left.rowtime`.
    TemporalJoin {
        /// Keys, kind (inner or left) and residual predicate.
        join: JoinSpec,
        /// Rowtime of the probe side.
        left_time: usize,
        /// Rowtime of the versioned side.
        right_time: usize,
    },
    /// Processing-time lookup join: every row meets what the table holds when it arrives.
    LookupJoin(Box<crate::LookupSpec>),
    /// Inner join of two tables that answer lookups: a row of either looks up the other
    /// table, and nothing is state. The first lookup is that of left rows; output = left
    /// columns, then right columns, whichever row came.
    DeltaJoin(Box<[crate::LookupSpec; 2]>),
    /// CROSS JOIN UNNEST: one output row per element of a collection column;
    /// output = input columns, then element columns (then ordinality).
    Unnest {
        /// ARRAY, MAP or MULTISET expression over the input columns.
        collection: Expr,
        /// Element is a ROW whose fields become columns.
        flatten: bool,
        /// WITH ORDINALITY.
        ordinality: bool,
        /// Which elements count, over the output columns.
        condition: Option<Expr>,
        /// LEFT JOIN: keep rows without elements.
        outer: bool,
    },
    /// Each input row once per entry, with the columns of the entry's projection
    /// (GROUPING SETS and the like).
    Expand(Vec<Vec<Expr>>),
    /// UNION ALL of filters and projections of one input: both see the rows and the
    /// watermark in step.
    Branches(Vec<Branch>),
    /// Top-N.
    Rank(RankSpec),
    /// Drops rows whose window ended before the watermark of this very input.
    DropLate {
        /// The window's end.
        window_end: usize,
    },
    /// Window Top-N: like Rank within every window, emitted when it closes.
    WindowRank {
        /// The rank; `partition` excludes the window columns.
        rank: RankSpec,
        /// window_start, window_end positions.
        window: (usize, usize),
    },
    /// First or last row per key.
    Deduplicate {
        /// Key columns.
        keys: Vec<usize>,
        /// Order column; `None` = arrival order (processing time).
        rowtime: Option<usize>,
        /// Keep the last row (else the first).
        keep_last: bool,
        /// -U rows are wanted by the consumer.
        update_before: bool,
    },
    /// OVER aggregation.
    Over(OverSpec),
    /// MATCH_RECOGNIZE.
    Match(MatchSpec),
    /// Changes as inserted rows: code of the row kind, then the input columns.
    ToChangelog {
        /// Code by row kind (byte); kinds without one are dropped.
        codes: Vec<Option<String>>,
    },
    /// Rows as changes: the input columns without the one of the codes.
    FromChangelog {
        /// Column of the codes.
        column: usize,
        /// Row kind (byte) by code; another code fails the job.
        codes: Vec<(String, u8)>,
    },
    /// Turns an upsert or unclean changelog into a clean one by key.
    ChangelogNormalize {
        /// Unique key columns.
        keys: Vec<usize>,
        /// -U rows are wanted by the consumer.
        update_before: bool,
    },
    /// Rows that meet on a sink's primary key: one of them is passed on.
    Conflicts {
        /// Primary key columns.
        keys: Vec<usize>,
        /// Which one.
        action: ConflictAction,
    },
    /// Drops -U rows (the consumer is happy with +U alone).
    DropUpdateBefore,
    /// Sorts bounded input at its end, or sorts by time attribute in event-time order.
    Sort {
        /// Keys.
        order_by: Vec<SortKey>,
        /// OFFSET.
        offset: u64,
        /// LIMIT.
        fetch: Option<u64>,
        /// Emit rows as the watermark passes (streaming ORDER BY rowtime) instead of at the end.
        by_rowtime: bool,
    },
    /// LIMIT / OFFSET without order, of a changelog.
    Limit {
        /// OFFSET.
        offset: u64,
        /// LIMIT.
        fetch: Option<u64>,
        /// -U rows are wanted by the consumer.
        update_before: bool,
    },
    /// Writes to a table.
    Sink(SinkSpec),
    /// Hands the changelog to the client.
    Collect,
}
