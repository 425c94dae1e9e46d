//! A table at a location: opening, creating, changing its schema.
//!
//! Invariant: a schema version is written once; two writers of the same version
//! do not overwrite each other on storages with an existence check.

use std::collections::HashMap;

use bytes::Bytes;
use paimon::Table;
use paimon::catalog::Identifier;
use paimon::io::FileIO;
use paimon::spec::{Schema, SchemaChange, TableSchema};
use paimon::table::SchemaManager;
use weir_core::{Error, Result};

use crate::rt::{lake_error, wait};
use crate::storage;

/// Options that shape the files or keys of a table and cannot change later.
pub(crate) const FIXED_OPTIONS: &[&str] = &[
    "bucket",
    "bucket-key",
    "bucket-function.type",
    "merge-engine",
    "sequence.field",
    "rowkind.field",
    "type",
    "index-file-in-data-file-dir",
    "data-file.path-directory",
    "partition.legacy-name",
];

/// A location with its storage.
#[derive(Debug, Clone)]
pub(crate) struct Location {
    /// Normalised path.
    pub(crate) path: String,
    io: FileIO,
}

impl Location {
    /// Opens a normalised path with storage options.
    pub(crate) fn open(path: &str, storage: &HashMap<String, String>) -> Result<Self> {
        let storage = storage::resolve(path, storage.clone());
        Ok(Self { path: path.to_owned(), io: storage::file_io(path, &storage)? })
    }

    /// The newest schema, if there is a table.
    pub(crate) fn schema(&self) -> Result<Option<TableSchema>> {
        let manager = SchemaManager::new(self.io.clone(), self.path.clone());
        wait(async move {
            let latest = manager.latest().await.map_err(lake_error)?;
            Ok(latest.map(|s| s.as_ref().clone()))
        })
    }

    /// The table with a schema read before.
    pub(crate) fn table(&self, name: &Identifier, schema: TableSchema) -> Table {
        Table::new(self.io.clone(), name.clone(), self.path.clone(), schema, None)
    }

    /// Creates the table; fails if there is one already.
    pub(crate) fn create(&self, schema: &Schema) -> Result<TableSchema> {
        let first = TableSchema::new(0, schema);
        self.write_schema(first.clone())?;
        Ok(first)
    }

    /// Writes a schema version as it is.
    pub(crate) fn create_version(&self, schema: TableSchema) -> Result<()> {
        self.write_schema(schema)
    }

    /// Applies changes to the newest schema.
    pub(crate) fn alter(&self, name: &str, changes: Vec<SchemaChange>) -> Result<()> {
        let current = self
            .schema()?
            .ok_or_else(|| Error::validation(format!("table {name} does not exist")))?;
        check_fixed_options(&current, &changes)?;
        let next = current.apply_changes(changes).map_err(lake_error)?;
        self.write_schema(next)
    }

    fn write_schema(&self, schema: TableSchema) -> Result<()> {
        let (io, path) = (self.io.clone(), self.path.clone());
        wait(async move {
            let manager = SchemaManager::new(io.clone(), path.clone());
            let file = manager.schema_path(schema.id());
            if io.exists(&file).await.map_err(lake_error)? {
                return Err(Error::validation(format!(
                    "version {} of the schema of table {path} exists already",
                    schema.id()
                ))
                .hint("somebody else created or altered the table; run the statement again"));
            }
            let text = serde_json::to_string(&schema)
                .map_err(|e| Error::internal(format!("cannot write schema: {e}")))?;
            io.mkdirs(&format!("{path}/schema")).await.map_err(lake_error)?;
            let out = io.new_output(&file).map_err(lake_error)?;
            out.write(Bytes::from(text)).await.map_err(lake_error)
        })
    }

    /// Deletes the table's directory.
    pub(crate) fn delete(&self) -> Result<()> {
        let (io, path) = (self.io.clone(), self.path.clone());
        wait(async move { io.delete_dir(&path).await.map_err(lake_error) })
    }
}

fn check_fixed_options(current: &TableSchema, changes: &[SchemaChange]) -> Result<()> {
    for change in changes {
        let (key, new) = match change {
            SchemaChange::SetOption { key, value } => (key, Some(value)),
            SchemaChange::RemoveOption { key } => (key, None),
            _ => continue,
        };
        if FIXED_OPTIONS.contains(&key.as_str()) && current.options().get(key) != new {
            return Err(Error::option(format!(
                "option '{key}' of a Paimon table cannot change after the table exists"
            ))
            .hint("create a new table with the wanted value and INSERT INTO it"));
        }
    }
    Ok(())
}

/// The identifier that errors of the paimon crate show.
pub(crate) fn identifier(name: &str) -> Identifier {
    let mut parts = name.rsplit('.');
    let table = parts.next().unwrap_or("table").replace(['/', '\\', '$'], "_");
    let database = parts.next().unwrap_or("default").replace(['/', '\\'], "_");
    Identifier::new(database, table)
}
