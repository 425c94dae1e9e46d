//! What a statement leaves to its caller.

use weir_core::{DataType, Field, Schema};
use weir_spec::{ConflictAction, SinkSpec};

use crate::rel::Rel;

/// What is left to do for the caller.
#[derive(Debug)]
pub enum Effect {
    /// Nothing; the session has changed.
    Done,
    /// Rows to show.
    Table(ResultTable),
    /// Show the running jobs.
    ShowJobs,
    /// Stop a running job.
    StopJob {
        /// Its identifier.
        id: String,
        /// With a savepoint.
        savepoint: bool,
    },
    /// A query to run, its rows to show.
    Query(Box<Rel>),
    /// INSERTs to run as one job.
    Inserts(Vec<Insert>),
    /// EXPLAIN of a query or of INSERTs.
    Explain {
        /// What is explained.
        what: Box<Effect>,
        /// What else was asked for.
        details: ExplainDetails,
    },
    /// COMPILE PLAN: INSERTs are planned and the plan is kept in a file.
    CompilePlan {
        /// The INSERTs.
        inserts: Vec<Insert>,
        /// The file.
        path: String,
        /// A file that is there already is left alone.
        if_not_exists: bool,
        /// The plan is run as well.
        execute: bool,
    },
    /// EXECUTE PLAN: a plan from a file is run.
    ExecutePlan {
        /// The file.
        path: String,
    },
    /// The client should end.
    Quit,
}

/// Rows that a statement answers at once (SHOW, DESCRIBE).
#[derive(Debug, Clone, PartialEq)]
pub struct ResultTable {
    /// Columns.
    pub schema: Schema,
    /// Cells as text; NULL where absent.
    pub rows: Vec<Vec<Option<String>>>,
}

impl ResultTable {
    /// A table of STRING columns.
    pub fn strings(columns: &[&str], rows: Vec<Vec<Option<String>>>) -> Self {
        let fields = columns.iter().map(|c| Field::new(*c, DataType::string())).collect();
        Self { schema: Schema::new(fields), rows }
    }

    /// One column, one row per value.
    pub fn list(column: &str, values: impl IntoIterator<Item = String>) -> Self {
        Self::strings(&[column], values.into_iter().map(|v| vec![Some(v)]).collect())
    }
}

/// One INSERT, bound and cast to its sink.
#[derive(Debug, Clone)]
pub struct Insert {
    /// Rows in the sink's column order.
    pub rel: Rel,
    /// The sink.
    pub sink: SinkSpec,
    /// NOT NULL columns of the sink, by position.
    pub not_null: Vec<usize>,
    /// The ON CONFLICT clause.
    pub on_conflict: Option<ConflictAction>,
}

/// What EXPLAIN shows beside the plans.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExplainDetails {
    /// CHANGELOG_MODE was asked for.
    pub changelog_mode: bool,
    /// JSON_EXECUTION_PLAN was asked for.
    pub json: bool,
    /// ESTIMATED_COST was asked for.
    pub cost: bool,
    /// PLAN_ADVICE was asked for.
    pub advice: bool,
}
