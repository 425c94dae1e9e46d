//! Statements that are no DDL, and the sum of all statements.

use super::*;

/// A statement and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Statement {
    /// What it is.
    pub kind: StatementKind,
    /// Where it stands, without the closing semicolon.
    pub span: Span,
}

/// Every statement.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StatementKind {
    /// A query.
    Query(Box<Query>),
    /// `INSERT ..`
    Insert(Box<Insert>),
    /// `EXECUTE INSERT ..` or `EXECUTE SELECT ..`
    Execute(Box<Statement>),
    /// `EXECUTE STATEMENT SET BEGIN .. END` or
    /// `BEGIN STATEMENT SET; ..; END`
    StatementSet(StatementSet),
    /// `BEGIN STATEMENT SET` on its own, as a client sends it line by line
    BeginStatementSet,
    /// `END` on its own
    EndStatementSet,
    /// `COMPILE PLAN 'path' [IF NOT EXISTS] FOR ..`
    CompilePlan(CompilePlan),
    /// `EXECUTE PLAN 'path'`
    ExecutePlan(StringLit),
    /// `UPDATE ..`
    Update(Box<Update>),
    /// `DELETE FROM ..`
    Delete(Box<Delete>),
    /// `MERGE INTO ..`
    Merge(Box<Merge>),
    /// `TRUNCATE TABLE ..`
    Truncate(ObjectName),
    /// `CALL procedure(..)`
    Call(Box<FunctionCall>),
    /// `ANALYZE TABLE ..`
    Analyze(AnalyzeTable),
    /// `CREATE TABLE ..`
    CreateTable(Box<CreateTable>),
    /// `ALTER TABLE ..`
    AlterTable(Box<AlterTable>),
    /// `CREATE VIEW ..`
    CreateView(Box<CreateView>),
    /// `ALTER VIEW ..`
    AlterView(Box<AlterView>),
    /// `CREATE CATALOG ..`
    CreateCatalog(CreateCatalog),
    /// `ALTER CATALOG ..`
    AlterCatalog(AlterCatalog),
    /// `CREATE DATABASE ..`
    CreateDatabase(CreateDatabase),
    /// `ALTER DATABASE name SET (..)`
    AlterDatabase {
        /// The database.
        name: ObjectName,
        /// The options.
        options: Vec<SqlOption>,
    },
    /// `CREATE FUNCTION ..`
    CreateFunction(Box<CreateFunction>),
    /// `ALTER FUNCTION ..`
    AlterFunction(AlterFunction),
    /// `CREATE MODEL ..`
    CreateModel(Box<CreateModel>),
    /// `ALTER MODEL ..`
    AlterModel(AlterModel),
    /// `CREATE CONNECTION ..`
    CreateConnection(CreateConnection),
    /// `ALTER CONNECTION ..`
    AlterConnection(AlterConnection),
    /// `CREATE MATERIALIZED TABLE ..`
    CreateMaterializedTable(Box<CreateMaterializedTable>),
    /// `ALTER MATERIALIZED TABLE ..`
    AlterMaterializedTable(Box<AlterMaterializedTable>),
    /// `DROP ..`
    Drop(Drop),
    /// `DESCRIBE ..`
    Describe(Describe),
    /// `EXPLAIN ..`
    Explain(Explain),
    /// `SHOW ..`
    Show(Show),
    /// `USE CATALOG name`
    UseCatalog(Ident),
    /// `USE name`
    UseDatabase(ObjectName),
    /// `USE MODULES a, b`
    UseModules(Vec<Ident>),
    /// `LOAD MODULE name [WITH (..)]`
    LoadModule {
        /// The module.
        name: Ident,
        /// `WITH (..)`
        options: Vec<SqlOption>,
    },
    /// `UNLOAD MODULE name`
    UnloadModule(Ident),
    /// `SET` alone: list the settings
    ShowSettings,
    /// `SET 'key' = 'value'`, also unquoted
    Set(SqlOption),
    /// `RESET` or `RESET 'key'`
    Reset(Option<StringLit>),
    /// `ADD JAR 'path'`
    AddJar(StringLit),
    /// `REMOVE JAR 'path'`
    RemoveJar(StringLit),
    /// `STOP JOB 'id' [WITH SAVEPOINT] [WITH DRAIN]`
    StopJob(StopJob),
    /// `HELP`
    Help,
    /// `QUIT` or `EXIT`
    Quit,
    /// `CLEAR`
    Clear,
    /// `SOURCE 'file'`
    Source(StringLit),
}

/// `INSERT INTO | OVERWRITE ..`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Insert {
    /// OVERWRITE, else INTO.
    pub overwrite: bool,
    /// The table.
    pub table: ObjectName,
    /// `/*+ OPTIONS(..) */`
    pub hints: Vec<Hint>,
    /// `PARTITION (..)`
    pub partition: Vec<PartitionEntry>,
    /// `(a, b)`; each perhaps a field path
    pub columns: Vec<ObjectName>,
    /// `BY NAME`, an extension: columns match by name
    pub by_name: bool,
    /// The rows.
    pub source: Box<Query>,
    /// `ON CONFLICT DO ..`
    pub on_conflict: Option<ConflictAction>,
    /// The whole statement.
    pub span: Span,
}

/// What happens to rows that meet on a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConflictAction {
    /// `DO NOTHING`
    Nothing,
    /// `DO ERROR`
    Error,
    /// `DO DEDUPLICATE`
    Deduplicate,
}

/// Inserts that run as one job.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StatementSet {
    /// The inserts.
    pub inserts: Vec<Insert>,
    /// The whole set.
    pub span: Span,
}

/// `COMPILE [AND EXECUTE] PLAN 'path' [IF NOT EXISTS] FOR ..`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CompilePlan {
    /// `AND EXECUTE`
    pub execute: bool,
    /// The file.
    pub path: StringLit,
    /// `IF NOT EXISTS`
    pub if_not_exists: bool,
    /// An INSERT or a statement set.
    pub statement: Box<Statement>,
}

/// `UPDATE t [AS a] SET .. [WHERE ..]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Update {
    /// The table.
    pub table: ObjectName,
    /// Its hints.
    pub hints: Vec<Hint>,
    /// Its alias.
    pub alias: Option<Ident>,
    /// The assignments.
    pub assignments: Vec<Assignment>,
    /// `WHERE`
    pub selection: Option<Expr>,
}

/// `column = value`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Assignment {
    /// The column, perhaps a field path.
    pub target: ObjectName,
    /// The value.
    pub value: Expr,
    /// The whole assignment.
    pub span: Span,
}

/// `DELETE FROM t [AS a] [WHERE ..]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Delete {
    /// The table.
    pub table: ObjectName,
    /// Its hints.
    pub hints: Vec<Hint>,
    /// Its alias.
    pub alias: Option<Ident>,
    /// `WHERE`
    pub selection: Option<Expr>,
}

/// `MERGE INTO t USING s ON .. WHEN ..`; Flink refuses it after parsing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Merge {
    /// The table.
    pub table: ObjectName,
    /// Its alias.
    pub alias: Option<Ident>,
    /// The source rows.
    pub source: TableFactor,
    /// The condition.
    pub on: Expr,
    /// `WHEN MATCHED THEN UPDATE SET ..`
    pub update: Vec<Assignment>,
    /// `WHEN NOT MATCHED THEN INSERT ..`
    pub insert: Option<MergeInsert>,
}

/// The INSERT of a MERGE.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MergeInsert {
    /// `(a, b)`
    pub columns: Vec<Ident>,
    /// The row.
    pub values: ValuesRow,
}

/// `ANALYZE TABLE t [PARTITION (..)] COMPUTE STATISTICS [FOR ..]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AnalyzeTable {
    /// The table.
    pub table: ObjectName,
    /// `PARTITION (..)`
    pub partition: Vec<PartitionEntry>,
    /// Which columns.
    pub columns: AnalyzeColumns,
}

/// Which columns ANALYZE TABLE looks at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AnalyzeColumns {
    /// Only the row count.
    None,
    /// `FOR ALL COLUMNS`
    All,
    /// `FOR COLUMNS a, b`
    List(Vec<Ident>),
}

/// `DESCRIBE [kind] [EXTENDED] name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Describe {
    /// What is described.
    pub target: DescribeTarget,
    /// `EXTENDED`
    pub extended: bool,
}

/// What DESCRIBE shows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DescribeTarget {
    /// A table or view.
    Table(ObjectName),
    /// `CATALOG`
    Catalog(Ident),
    /// `DATABASE`
    Database(ObjectName),
    /// `FUNCTION`
    Function(ObjectName),
    /// `MODEL`
    Model(ObjectName),
    /// `CONNECTION`
    Connection(ObjectName),
    /// `JOB 'id'`
    Job(StringLit),
}

/// `EXPLAIN [details | PLAN FOR] statement`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Explain {
    /// The details; empty for `PLAN FOR` and for the bare form.
    pub details: Vec<ExplainDetail>,
    /// What is explained.
    pub statement: Box<Statement>,
}

/// What EXPLAIN adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExplainDetail {
    /// `ESTIMATED_COST`
    EstimatedCost,
    /// `CHANGELOG_MODE`
    ChangelogMode,
    /// `JSON_EXECUTION_PLAN`
    JsonExecutionPlan,
    /// `PLAN_ADVICE`
    PlanAdvice,
}

impl ExplainDetail {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            ExplainDetail::EstimatedCost => "ESTIMATED_COST",
            ExplainDetail::ChangelogMode => "CHANGELOG_MODE",
            ExplainDetail::JsonExecutionPlan => "JSON_EXECUTION_PLAN",
            ExplainDetail::PlanAdvice => "PLAN_ADVICE",
        }
    }
}

/// `SHOW object [FROM | IN name] [[NOT] LIKE | ILIKE 'pattern']`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Show {
    /// What is shown.
    pub object: ShowObject,
    /// Of which database, catalog or table.
    pub from: Option<ShowFrom>,
    /// The filter.
    pub like: Option<ShowLike>,
}

/// `FROM name` or `IN name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ShowFrom {
    /// IN, else FROM.
    pub uses_in: bool,
    /// The name.
    pub name: ObjectName,
}

/// `[NOT] LIKE 'p'` or `[NOT] ILIKE 'p'`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ShowLike {
    /// `NOT`
    pub negated: bool,
    /// ILIKE, else LIKE.
    pub case_insensitive: bool,
    /// The pattern.
    pub pattern: StringLit,
}

/// What SHOW lists.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ShowObject {
    /// `CATALOGS`
    Catalogs,
    /// `CURRENT CATALOG`
    CurrentCatalog,
    /// `DATABASES`
    Databases,
    /// `CURRENT DATABASE`
    CurrentDatabase,
    /// `TABLES`
    Tables,
    /// `VIEWS`
    Views,
    /// `MATERIALIZED TABLES`
    MaterializedTables,
    /// `MODELS`
    Models,
    /// `CONNECTIONS`
    Connections,
    /// `COLUMNS`; the table stands in [`Show::from`]
    Columns,
    /// `PARTITIONS t [PARTITION (..)]`
    Partitions {
        /// The table.
        table: ObjectName,
        /// The filter.
        spec: Vec<PartitionEntry>,
    },
    /// `PROCEDURES`
    Procedures,
    /// `[USER] FUNCTIONS`
    Functions {
        /// `USER`
        user: bool,
    },
    /// `[FULL] MODULES`
    Modules {
        /// `FULL`
        full: bool,
    },
    /// `JARS`
    Jars,
    /// `JOBS`
    Jobs,
    /// `CREATE kind name`
    Create {
        /// Kind of the object.
        kind: ObjectKind,
        /// The object.
        name: ObjectName,
    },
}

/// `STOP JOB 'id' [WITH SAVEPOINT] [WITH DRAIN]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StopJob {
    /// The job.
    pub id: StringLit,
    /// `WITH SAVEPOINT`
    pub with_savepoint: bool,
    /// `WITH DRAIN`
    pub with_drain: bool,
}
