//! Full names.

/// `catalog.database.table`, fully qualified.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TablePath {
    /// Catalog.
    pub catalog: String,
    /// Database.
    pub database: String,
    /// Table or view.
    pub table: String,
}

impl std::fmt::Display for TablePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.catalog, self.database, self.table)
    }
}
