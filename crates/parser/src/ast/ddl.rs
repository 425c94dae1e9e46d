//! CREATE, ALTER and DROP.

use super::{
    DataType, Expr, Ident, IntervalLit, ObjectName, PartitionEntry, Query, SqlOption, StartMode,
    StringLit,
};
use crate::span::Span;

/// `CREATE [OR REPLACE] [TEMPORARY] TABLE ..`, with or without AS.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreateTable {
    /// CREATE, CREATE OR REPLACE or REPLACE.
    pub mode: CreateMode,
    /// `TEMPORARY`
    pub temporary: bool,
    /// `IF NOT EXISTS`
    pub if_not_exists: bool,
    /// The table.
    pub name: ObjectName,
    /// Columns, watermark and constraints.
    pub schema: TableSchema,
    /// `COMMENT`
    pub comment: Option<StringLit>,
    /// `DISTRIBUTED ..`
    pub distribution: Option<Distribution>,
    /// `PARTITIONED BY (..)`
    pub partitioned_by: Vec<Ident>,
    /// `WITH (..)`
    pub options: Vec<SqlOption>,
    /// `LIKE other (..)`
    pub like: Option<TableLike>,
    /// `AS query`
    pub query: Option<Box<Query>>,
}

/// How a CREATE treats what exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CreateMode {
    /// `CREATE`
    Create,
    /// `CREATE OR REPLACE`
    CreateOrReplace,
    /// `REPLACE`
    Replace,
}

/// What stands between the parentheses of CREATE TABLE.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TableSchema {
    /// The columns in order.
    pub columns: Vec<ColumnDef>,
    /// `WATERMARK FOR ..`
    pub watermark: Option<WatermarkDef>,
    /// `PRIMARY KEY (..)` and its kin
    pub constraints: Vec<TableConstraint>,
}

impl TableSchema {
    /// True when nothing is declared.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty() && self.watermark.is_none() && self.constraints.is_empty()
    }
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ColumnDef {
    /// Its name.
    pub name: Ident,
    /// What kind of column.
    pub kind: ColumnKind,
    /// `COMMENT`
    pub comment: Option<StringLit>,
    /// The whole definition.
    pub span: Span,
}

/// The kinds of column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ColumnKind {
    /// `name type [PRIMARY KEY ..]`
    Physical {
        /// The type, `NOT NULL` included.
        data_type: DataType,
        /// A key declared with the column; its `columns` is empty.
        constraint: Option<TableConstraint>,
    },
    /// `name type METADATA [FROM 'key'] [VIRTUAL]`
    Metadata {
        /// The type.
        data_type: DataType,
        /// The metadata key.
        from: Option<StringLit>,
        /// `VIRTUAL`
        is_virtual: bool,
    },
    /// `name AS expr`
    Computed(Expr),
    /// `name` alone: reorders the columns of the query in CREATE TABLE AS
    NameOnly,
}

/// `WATERMARK FOR column AS expr`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WatermarkDef {
    /// The column, perhaps a field path.
    pub column: ObjectName,
    /// The watermark.
    pub expr: Expr,
    /// The whole definition.
    pub span: Span,
}

/// `[CONSTRAINT name] PRIMARY KEY | UNIQUE (columns) [[NOT] ENFORCED]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableConstraint {
    /// Its name.
    pub name: Option<Ident>,
    /// Which kind.
    pub kind: ConstraintKind,
    /// The columns; empty when declared with a column.
    pub columns: Vec<Ident>,
    /// `ENFORCED` is `Some(true)`, `NOT ENFORCED` is `Some(false)`.
    pub enforced: Option<bool>,
    /// The whole constraint.
    pub span: Span,
}

/// The kinds of constraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConstraintKind {
    /// `PRIMARY KEY`
    PrimaryKey,
    /// `UNIQUE`
    Unique,
}

/// `DISTRIBUTED BY [HASH | RANGE] (..) [INTO n BUCKETS]` or
/// `DISTRIBUTED INTO n BUCKETS`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Distribution {
    /// HASH or RANGE.
    pub kind: Option<DistributionKind>,
    /// The columns; empty without BY.
    pub columns: Vec<Ident>,
    /// The number of buckets.
    pub buckets: Option<u32>,
    /// The whole clause.
    pub span: Span,
}

/// How rows are distributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DistributionKind {
    /// `HASH`
    Hash,
    /// `RANGE`
    Range,
}

/// `LIKE table (INCLUDING ..)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableLike {
    /// The other table.
    pub table: ObjectName,
    /// What is taken over.
    pub options: Vec<LikeOption>,
    /// The whole clause.
    pub span: Span,
}

/// `INCLUDING | EXCLUDING | OVERWRITING feature`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LikeOption {
    /// How it merges.
    pub strategy: LikeStrategy,
    /// What merges.
    pub feature: LikeFeature,
    /// The whole option.
    pub span: Span,
}

/// How LIKE merges a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LikeStrategy {
    /// `INCLUDING`
    Including,
    /// `EXCLUDING`
    Excluding,
    /// `OVERWRITING`
    Overwriting,
}

/// What LIKE merges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LikeFeature {
    /// `ALL`
    All,
    /// `CONSTRAINTS`
    Constraints,
    /// `DISTRIBUTION`
    Distribution,
    /// `GENERATED`
    Generated,
    /// `METADATA`
    Metadata,
    /// `OPTIONS`
    Options,
    /// `PARTITIONS`
    Partitions,
    /// `WATERMARKS`
    Watermarks,
}

/// `ALTER TABLE [IF EXISTS] name action`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AlterTable {
    /// `IF EXISTS`
    pub if_exists: bool,
    /// The table.
    pub name: ObjectName,
    /// What changes.
    pub action: AlterTableAction,
}

/// What ALTER TABLE does. ALTER MATERIALIZED TABLE shares it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AlterTableAction {
    /// `RENAME TO name`
    RenameTo(ObjectName),
    /// `RENAME a TO b`
    RenameColumn {
        /// The column.
        from: Ident,
        /// Its new name.
        to: Ident,
    },
    /// `ADD ..`
    Add(Vec<SchemaElement>),
    /// `MODIFY ..`
    Modify(Vec<SchemaElement>),
    /// `DROP a` or `DROP (a, b)`
    DropColumns(Vec<Ident>),
    /// `DROP PRIMARY KEY`
    DropPrimaryKey,
    /// `DROP CONSTRAINT name`
    DropConstraint(Ident),
    /// `DROP WATERMARK`
    DropWatermark,
    /// `DROP DISTRIBUTION`
    DropDistribution,
    /// `SET (..)`
    SetOptions(Vec<SqlOption>),
    /// `RESET (..)`
    ResetOptions(Vec<StringLit>),
    /// `ADD [IF NOT EXISTS] PARTITION (..) [WITH (..)] ..`
    AddPartitions {
        /// `IF NOT EXISTS`
        if_not_exists: bool,
        /// The partitions.
        partitions: Vec<PartitionDef>,
    },
    /// `DROP [IF EXISTS] PARTITION (..), ..`
    DropPartitions {
        /// `IF EXISTS`
        if_exists: bool,
        /// The partitions.
        partitions: Vec<Vec<PartitionEntry>>,
    },
}

/// A partition to add, with its options.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PartitionDef {
    /// The partition.
    pub spec: Vec<PartitionEntry>,
    /// `WITH (..)`
    pub options: Vec<SqlOption>,
}

/// One element of ALTER TABLE ADD or MODIFY.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SchemaElement {
    /// A column and its place.
    Column {
        /// The column.
        column: ColumnDef,
        /// `FIRST` or `AFTER c`
        position: Option<ColumnPosition>,
    },
    /// A watermark.
    Watermark(WatermarkDef),
    /// A key.
    Constraint(TableConstraint),
    /// A distribution.
    Distribution(Distribution),
}

/// Where a column goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ColumnPosition {
    /// `FIRST`
    First,
    /// `AFTER column`
    After(Ident),
}

/// `CREATE [TEMPORARY] VIEW ..`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreateView {
    /// `OR REPLACE`, an extension
    pub or_replace: bool,
    /// `TEMPORARY`
    pub temporary: bool,
    /// `IF NOT EXISTS`
    pub if_not_exists: bool,
    /// The view.
    pub name: ObjectName,
    /// The column names.
    pub columns: Vec<ViewColumn>,
    /// `COMMENT`
    pub comment: Option<StringLit>,
    /// The query.
    pub query: Box<Query>,
}

/// A column name of a view.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ViewColumn {
    /// Its name.
    pub name: Ident,
    /// `COMMENT`
    pub comment: Option<StringLit>,
}

/// `ALTER VIEW name ..`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AlterView {
    /// The view.
    pub name: ObjectName,
    /// What changes.
    pub action: AlterViewAction,
}

/// What ALTER VIEW does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AlterViewAction {
    /// `RENAME TO name`
    RenameTo(ObjectName),
    /// `AS query`
    As(Box<Query>),
    /// `SET (..)`
    SetOptions(Vec<SqlOption>),
}

/// `CREATE CATALOG [IF NOT EXISTS] name [COMMENT ..] WITH (..)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreateCatalog {
    /// `IF NOT EXISTS`
    pub if_not_exists: bool,
    /// The catalog.
    pub name: Ident,
    /// `COMMENT`
    pub comment: Option<StringLit>,
    /// `WITH (..)`
    pub options: Vec<SqlOption>,
}

/// `ALTER CATALOG name ..`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AlterCatalog {
    /// The catalog.
    pub name: Ident,
    /// What changes.
    pub action: AlterCatalogAction,
}

/// What ALTER CATALOG does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AlterCatalogAction {
    /// `SET (..)`
    SetOptions(Vec<SqlOption>),
    /// `RESET (..)`
    ResetOptions(Vec<StringLit>),
    /// `COMMENT '..'`
    Comment(StringLit),
}

/// `CREATE DATABASE [IF NOT EXISTS] name [COMMENT ..] [WITH (..)]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreateDatabase {
    /// `IF NOT EXISTS`
    pub if_not_exists: bool,
    /// The database.
    pub name: ObjectName,
    /// `COMMENT`
    pub comment: Option<StringLit>,
    /// `WITH (..)`
    pub options: Vec<SqlOption>,
}

/// `CREATE [TEMPORARY [SYSTEM]] FUNCTION ..`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreateFunction {
    /// `TEMPORARY`
    pub temporary: bool,
    /// `SYSTEM`
    pub system: bool,
    /// `IF NOT EXISTS`
    pub if_not_exists: bool,
    /// The function.
    pub name: ObjectName,
    /// `AS 'class'`
    pub class: StringLit,
    /// `LANGUAGE x`
    pub language: Option<Ident>,
    /// `USING JAR '..', ..`
    pub resources: Vec<FunctionResource>,
    /// `WITH (..)`
    pub options: Vec<SqlOption>,
}

/// `JAR 'uri'` of USING.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FunctionResource {
    /// Which kind.
    pub kind: ResourceKind,
    /// Where it lies.
    pub uri: StringLit,
}

/// Kinds of function resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResourceKind {
    /// `JAR`
    Jar,
    /// `ARTIFACT`
    Artifact,
    /// `FILE`
    File,
    /// `ARCHIVE`
    Archive,
}

/// `ALTER [TEMPORARY [SYSTEM]] FUNCTION [IF EXISTS] name AS 'class' ..`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AlterFunction {
    /// `TEMPORARY`
    pub temporary: bool,
    /// `SYSTEM`
    pub system: bool,
    /// `IF EXISTS`
    pub if_exists: bool,
    /// The function.
    pub name: ObjectName,
    /// `AS 'class'`
    pub class: StringLit,
    /// `LANGUAGE x`
    pub language: Option<Ident>,
}

/// `CREATE [TEMPORARY] MODEL ..`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreateModel {
    /// `TEMPORARY`
    pub temporary: bool,
    /// `IF NOT EXISTS`
    pub if_not_exists: bool,
    /// The model.
    pub name: ObjectName,
    /// `INPUT (..)`
    pub input: Vec<ColumnDef>,
    /// `OUTPUT (..)`
    pub output: Vec<ColumnDef>,
    /// `COMMENT`
    pub comment: Option<StringLit>,
    /// `WITH (..)`
    pub options: Vec<SqlOption>,
    /// `AS query`
    pub query: Option<Box<Query>>,
}

/// `ALTER MODEL [IF EXISTS] name ..`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AlterModel {
    /// `IF EXISTS`
    pub if_exists: bool,
    /// The model.
    pub name: ObjectName,
    /// What changes.
    pub action: AlterObjectAction,
}

/// What ALTER MODEL and ALTER CONNECTION do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AlterObjectAction {
    /// `RENAME TO name`
    RenameTo(ObjectName),
    /// `SET (..)`
    SetOptions(Vec<SqlOption>),
    /// `RESET (..)`
    ResetOptions(Vec<StringLit>),
}

/// `CREATE [TEMPORARY [SYSTEM]] CONNECTION ..`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreateConnection {
    /// `TEMPORARY`
    pub temporary: bool,
    /// `SYSTEM`
    pub system: bool,
    /// `IF NOT EXISTS`
    pub if_not_exists: bool,
    /// The connection.
    pub name: ObjectName,
    /// `COMMENT`
    pub comment: Option<StringLit>,
    /// `WITH (..)`
    pub options: Vec<SqlOption>,
}

/// `ALTER CONNECTION [IF EXISTS] name ..`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AlterConnection {
    /// `IF EXISTS`
    pub if_exists: bool,
    /// The connection.
    pub name: ObjectName,
    /// What changes.
    pub action: AlterObjectAction,
}

/// `CREATE [OR ALTER] MATERIALIZED TABLE ..`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreateMaterializedTable {
    /// `OR ALTER`
    pub or_alter: bool,
    /// `IF NOT EXISTS`
    pub if_not_exists: bool,
    /// The table.
    pub name: ObjectName,
    /// Columns, watermark and constraints.
    pub schema: TableSchema,
    /// `COMMENT`
    pub comment: Option<StringLit>,
    /// `DISTRIBUTED ..`
    pub distribution: Option<Distribution>,
    /// `PARTITIONED BY (..)`
    pub partitioned_by: Vec<Ident>,
    /// `WITH (..)`
    pub options: Vec<SqlOption>,
    /// `START_MODE = ..`
    pub start_mode: Option<StartMode>,
    /// `FRESHNESS = INTERVAL ..`
    pub freshness: Option<IntervalLit>,
    /// `REFRESH_MODE = ..`
    pub refresh_mode: Option<RefreshMode>,
    /// `AS query`
    pub query: Box<Query>,
}

/// How a materialized table refreshes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefreshMode {
    /// `CONTINUOUS`
    Continuous,
    /// `FULL`
    Full,
}

/// `ALTER MATERIALIZED TABLE name ..`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AlterMaterializedTable {
    /// The table.
    pub name: ObjectName,
    /// What changes.
    pub action: AlterMaterializedTableAction,
}

/// What ALTER MATERIALIZED TABLE does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AlterMaterializedTableAction {
    /// `SUSPEND`
    Suspend,
    /// `RESUME [WITH (..)]`
    Resume(Vec<SqlOption>),
    /// `REFRESH [PARTITION (..)]`
    Refresh(Vec<PartitionEntry>),
    /// `AS query`
    As {
        /// `START_MODE = ..` before AS
        start_mode: Option<StartMode>,
        /// The query.
        query: Box<Query>,
    },
    /// What ALTER TABLE does too.
    Table(AlterTableAction),
}

/// `DROP [TEMPORARY [SYSTEM]] kind [IF EXISTS] name [RESTRICT | CASCADE]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Drop {
    /// What kind of object.
    pub kind: ObjectKind,
    /// `TEMPORARY`
    pub temporary: bool,
    /// `SYSTEM`
    pub system: bool,
    /// `IF EXISTS`
    pub if_exists: bool,
    /// The object.
    pub name: ObjectName,
    /// `RESTRICT` or `CASCADE`
    pub behavior: Option<DropBehavior>,
}

/// Kinds of catalog object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    /// `CATALOG`
    Catalog,
    /// `DATABASE`
    Database,
    /// `TABLE`
    Table,
    /// `MATERIALIZED TABLE`
    MaterializedTable,
    /// `VIEW`
    View,
    /// `FUNCTION`
    Function,
    /// `MODEL`
    Model,
    /// `CONNECTION`
    Connection,
}

impl ObjectKind {
    /// The words of the kind.
    pub fn as_str(self) -> &'static str {
        match self {
            ObjectKind::Catalog => "CATALOG",
            ObjectKind::Database => "DATABASE",
            ObjectKind::Table => "TABLE",
            ObjectKind::MaterializedTable => "MATERIALIZED TABLE",
            ObjectKind::View => "VIEW",
            ObjectKind::Function => "FUNCTION",
            ObjectKind::Model => "MODEL",
            ObjectKind::Connection => "CONNECTION",
        }
    }
}

/// What DROP DATABASE does with contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropBehavior {
    /// `RESTRICT`
    Restrict,
    /// `CASCADE`
    Cascade,
}
