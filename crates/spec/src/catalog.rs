//! Table definitions as catalogs store them, and the trait of a catalog.

use serde::{Deserialize, Serialize};
use weir_core::{DataType, Error, Options, Result};

/// What a catalog entry is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TableKind {
    /// A table with a connector.
    Table,
    /// A view: the query as written and in canonical form.
    View {
        /// Query text as the user wrote it.
        original: String,
        /// Canonical query text with qualified names.
        expanded: String,
    },
}

/// A declared column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum CatalogColumn {
    /// Stored by the connector.
    Physical {
        /// Name.
        name: String,
        /// Type with nullability.
        ty: DataType,
        /// COMMENT.
        comment: Option<String>,
    },
    /// `name AS expression`
    Computed {
        /// Name.
        name: String,
        /// Canonical SQL text of the expression.
        expression: String,
        /// Inferred type.
        ty: DataType,
        /// COMMENT.
        comment: Option<String>,
    },
    /// `name TYPE METADATA [FROM 'key'] [VIRTUAL]`
    Metadata {
        /// Name.
        name: String,
        /// Declared type.
        ty: DataType,
        /// Key, if another than the name.
        key: Option<String>,
        /// VIRTUAL: not part of the sink schema.
        is_virtual: bool,
        /// COMMENT.
        comment: Option<String>,
    },
}

impl CatalogColumn {
    /// Column name.
    pub fn name(&self) -> &str {
        match self {
            CatalogColumn::Physical { name, .. }
            | CatalogColumn::Computed { name, .. }
            | CatalogColumn::Metadata { name, .. } => name,
        }
    }
    /// Column type.
    pub fn ty(&self) -> &DataType {
        match self {
            CatalogColumn::Physical { ty, .. }
            | CatalogColumn::Computed { ty, .. }
            | CatalogColumn::Metadata { ty, .. } => ty,
        }
    }
    /// COMMENT of the column.
    pub fn comment(&self) -> Option<&str> {
        match self {
            CatalogColumn::Physical { comment, .. }
            | CatalogColumn::Computed { comment, .. }
            | CatalogColumn::Metadata { comment, .. } => comment.as_deref(),
        }
    }
    /// Whether an INSERT writes the column.
    pub fn is_persisted(&self) -> bool {
        match self {
            CatalogColumn::Physical { .. } => true,
            CatalogColumn::Computed { .. } => false,
            CatalogColumn::Metadata { is_virtual, .. } => !is_virtual,
        }
    }
}

/// `WATERMARK FOR column AS expression`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatermarkSpec {
    /// Rowtime column name.
    pub column: String,
    /// Canonical SQL text of the watermark expression.
    pub expression: String,
}

/// PRIMARY KEY .. NOT ENFORCED
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrimaryKey {
    /// Constraint name, generated (`PK_...`) if not declared.
    pub name: String,
    /// Column names.
    pub columns: Vec<String>,
}

/// The values of a table's partition columns as (column, value), in their order.
pub type PartitionSpec = Vec<(String, String)>;

/// A table or view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CatalogTable {
    /// Table or view.
    pub kind: TableKind,
    /// Columns in declaration order.
    pub columns: Vec<CatalogColumn>,
    /// Watermark, if any.
    pub watermark: Option<WatermarkSpec>,
    /// Primary key, if any.
    pub primary_key: Option<PrimaryKey>,
    /// PARTITIONED BY columns.
    pub partition_keys: Vec<String>,
    /// DISTRIBUTED BY clause in canonical text, if any.
    pub distribution: Option<String>,
    /// WITH options.
    pub options: Options,
    /// COMMENT.
    pub comment: Option<String>,
}

impl CatalogTable {
    /// The physical columns as (name, type), in order.
    pub fn physical_columns(&self) -> impl Iterator<Item = (&str, &DataType)> {
        self.columns.iter().filter_map(|c| match c {
            CatalogColumn::Physical { name, ty, .. } => Some((name.as_str(), ty)),
            _ => None,
        })
    }
}

/// A database of a catalog.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogDatabase {
    /// COMMENT.
    pub comment: Option<String>,
    /// WITH options.
    pub options: Options,
}

/// A catalog: databases and their tables. Calls are synchronous and may do IO;
/// they happen while statements are planned, never while rows move.
///
/// A table that a lake catalog returns carries `'connector'` and `'path'` among
/// its options, so that a source or sink can be built from its definition alone.
pub trait Catalog: Send + Sync {
    /// Options of CREATE CATALOG, `type` included.
    fn options(&self) -> &Options;
    /// Name of the database that is current after USE CATALOG.
    fn default_database(&self) -> &str {
        "default"
    }
    /// Names of all databases, sorted.
    fn list_databases(&self) -> Result<Vec<String>>;
    /// A database, if it exists.
    fn database(&self, name: &str) -> Result<Option<CatalogDatabase>>;
    /// Creates a database that does not exist yet.
    fn create_database(&self, name: &str, database: CatalogDatabase) -> Result<()>;
    /// Replaces the properties of a database.
    fn alter_database(&self, name: &str, database: CatalogDatabase) -> Result<()>;
    /// Drops a database; a non-empty one only with `cascade`.
    fn drop_database(&self, name: &str, cascade: bool) -> Result<()>;
    /// Names of tables and views, sorted.
    fn list_tables(&self, database: &str) -> Result<Vec<String>>;
    /// A table or view, if it exists.
    fn table(&self, database: &str, name: &str) -> Result<Option<CatalogTable>>;
    /// Creates a table or view that does not exist yet.
    fn create_table(&self, database: &str, name: &str, table: CatalogTable) -> Result<()>;
    /// Replaces the definition of an existing table.
    fn alter_table(&self, database: &str, name: &str, table: CatalogTable) -> Result<()>;
    /// Renames a table within its database.
    fn rename_table(&self, database: &str, name: &str, new_name: &str) -> Result<()>;
    /// Drops an existing table or view.
    fn drop_table(&self, database: &str, name: &str) -> Result<()>;
    /// Partition specs of a partitioned table as (key, value) lists.
    fn list_partitions(&self, _database: &str, name: &str) -> Result<Vec<PartitionSpec>> {
        Err(Error::unsupported(format!("SHOW PARTITIONS of table {name} in this catalog")))
    }
    /// Notes a partition of a partitioned table.
    fn add_partition(
        &self,
        _database: &str,
        name: &str,
        _spec: PartitionSpec,
        _if_not_exists: bool,
    ) -> Result<()> {
        Err(Error::unsupported(format!(
            "ALTER TABLE ADD PARTITION of table {name} in this catalog"
        ))
        .hint("its tables have the partitions that INSERT writes"))
    }
    /// Forgets a partition of a partitioned table.
    fn drop_partition(
        &self,
        _database: &str,
        name: &str,
        _spec: &PartitionSpec,
        _if_exists: bool,
    ) -> Result<()> {
        Err(Error::unsupported(format!(
            "ALTER TABLE DROP PARTITION of table {name} in this catalog"
        ))
        .hint("DELETE FROM the table WHERE its partition columns have the values"))
    }
}
