//! `CREATE CATALOG .. WITH ('type' = 'paimon')`: databases and tables of a
//! filesystem warehouse, in the layout that every Paimon engine shares.
//!
//! A table with an explicit `'path'` outside the warehouse is an external one:
//! the warehouse holds only a pointer (a schema whose `path` option leads to it).
//! Dropping it drops the pointer and keeps the data.

use std::collections::HashMap;

use paimon::catalog::Catalog as _;
use paimon::spec::{Schema as PaimonSchema, TableSchema};
use paimon::{FileSystemCatalog, Options as PaimonOptions};
use weir_core::{Error, Options, Result};
use weir_spec::{Catalog, CatalogDatabase, CatalogTable, TableKind};

use crate::rt::{lake_error, wait};
use crate::table::{Location, identifier};
use crate::{evolve, options, schema, storage};

/// Options of CREATE CATALOG besides those of the storage.
const CATALOG_KEYS: [&str; 6] =
    ["type", "warehouse", "metastore", "default-database", "table-default.", "lock.enabled"];

const POINTER: &str = "path";

/// A Paimon catalog over a warehouse directory.
pub struct PaimonCatalog {
    options: Options,
    default_database: String,
    warehouse: String,
    storage: HashMap<String, String>,
    table_defaults: Options,
    inner: FileSystemCatalog,
}

impl PaimonCatalog {
    /// Opens a catalog by the options of CREATE CATALOG; the default database is created.
    pub fn open(options: Options) -> Result<Self> {
        check_options(&options)?;
        let warehouse = storage::normalize(options.require("warehouse")?)?;
        let storage = storage::storage_options(&options)?;
        storage::register(&warehouse, &storage);
        let mut inner_options = PaimonOptions::from_map(storage.clone());
        inner_options.set("warehouse", warehouse.clone());
        let inner = FileSystemCatalog::new(inner_options).map_err(lake_error)?;
        let catalog = Self {
            default_database: options.get("default-database").unwrap_or("default").to_owned(),
            table_defaults: options.with_prefix("table-default."),
            options,
            warehouse,
            storage,
            inner,
        };
        let (inner, name) = (catalog.inner.clone(), catalog.default_database.clone());
        wait(async move {
            inner.create_database(&name, true, HashMap::new()).await.map_err(lake_error)
        })?;
        Ok(catalog)
    }

    fn warehouse_path(&self, database: &str, name: &str) -> String {
        format!("{}/{database}.db/{name}", self.warehouse)
    }

    fn warehouse_location(&self, database: &str, name: &str) -> Result<Location> {
        check_name("database", database)?;
        check_name("table", name)?;
        Location::open(&self.warehouse_path(database, name), &self.storage)
    }

    /// The table's own location and newest schema, pointers followed.
    fn find(&self, database: &str, name: &str) -> Result<Option<(Location, TableSchema)>> {
        let home = self.warehouse_location(database, name)?;
        let Some(stored) = home.schema()? else { return Ok(None) };
        let Some(target) = stored.options().get(POINTER) else { return Ok(Some((home, stored))) };
        let target = storage::normalize(target)?;
        if target == home.path {
            return Ok(Some((home, stored)));
        }
        let external = Location::open(&target, &self.storage)?;
        match external.schema()? {
            Some(s) => Ok(Some((external, s))),
            None => Err(Error::validation(format!(
                "external table {database}.{name}: there is no Paimon table at '{target}'"
            ))
            .hint("drop the table, or restore the files at that path")),
        }
    }

    fn must_find(&self, database: &str, name: &str) -> Result<(Location, TableSchema)> {
        self.find(database, name)?
            .ok_or_else(|| Error::validation(format!("table {database}.{name} does not exist")))
    }

    fn must_have_database(&self, name: &str) -> Result<()> {
        match self.database(name)? {
            Some(_) => Ok(()),
            None => Err(Error::validation(format!("database {name} does not exist"))),
        }
    }

    /// Options of a definition with the catalog's table defaults.
    fn with_defaults(&self, mut table: CatalogTable) -> CatalogTable {
        for (key, value) in self.table_defaults.iter() {
            if table.options.get(key).is_none() {
                table.options.set(key, value);
            }
        }
        table
    }

    fn create_external(
        &self,
        home: &Location,
        target: &str,
        table: &CatalogTable,
        definition: &PaimonSchema,
    ) -> Result<()> {
        let external = Location::open(target, &self.storage)?;
        match external.schema()? {
            None => {
                external.create(definition)?;
            }
            Some(existing) => check_same_columns(&existing, table, target)?,
        }
        let pointer = TableSchema::new(0, definition);
        let options = HashMap::from([(POINTER.to_owned(), target.to_owned())]);
        home.create_version(pointer.copy_with_replaced_options(options))
    }
}

fn check_options(options: &Options) -> Result<()> {
    for (key, _) in options.iter() {
        let known = CATALOG_KEYS.contains(&key)
            || key.starts_with("table-default.")
            || storage::is_storage_key(key);
        if !known {
            let all = CATALOG_KEYS.iter().map(|k| (*k).to_owned());
            return Err(options::unknown_key(key, all, "option of a Paimon catalog"));
        }
    }
    if options.bool_or("lock.enabled", false)? {
        return Err(Error::unsupported("'lock.enabled' = 'true' of a Paimon catalog"));
    }
    match options.get("metastore") {
        None | Some("filesystem") => Ok(()),
        Some(other) => {
            Err(Error::unsupported(format!("'metastore' = '{other}' of a Paimon catalog"))
                .hint("use 'metastore' = 'filesystem' with a 'warehouse' directory or s3:// path"))
        }
    }
}

fn check_name(what: &str, name: &str) -> Result<()> {
    if let Some((table, part)) = name.split_once('$') {
        return Err(Error::unsupported(format!("'${part}' of Paimon table {table}"))
            .hint("system tables and branches by name are for a later version"));
    }
    let bad = name.trim().is_empty()
        || name.starts_with('.')
        || name.contains(['/', '\\', '$'])
        || name.chars().any(char::is_control);
    if bad {
        return Err(Error::validation(format!(
            "'{name}' cannot be a {what} name in a Paimon catalog"
        ))
        .hint("names become directories: use letters, digits, '_' and '-'"));
    }
    Ok(())
}

fn check_same_columns(existing: &TableSchema, table: &CatalogTable, at: &str) -> Result<()> {
    let stored: Vec<&str> = existing.fields().iter().map(|f| f.name()).collect();
    let wanted: Vec<&str> = table.physical_columns().map(|(n, _)| n).collect();
    if stored == wanted {
        return Ok(());
    }
    Err(Error::validation(format!(
        "the Paimon table at '{at}' has columns ({}), the statement declares ({})",
        stored.join(", "),
        wanted.join(", ")
    ))
    .hint("declare the columns of the existing table, or choose another path"))
}

impl Catalog for PaimonCatalog {
    fn options(&self) -> &Options {
        &self.options
    }

    fn default_database(&self) -> &str {
        &self.default_database
    }

    fn list_databases(&self) -> Result<Vec<String>> {
        let inner = self.inner.clone();
        let mut names = wait(async move { inner.list_databases().await.map_err(lake_error) })?;
        names.sort();
        Ok(names)
    }

    fn database(&self, name: &str) -> Result<Option<CatalogDatabase>> {
        check_name("database", name)?;
        let (inner, name) = (self.inner.clone(), name.to_owned());
        wait(async move {
            match inner.get_database(&name).await {
                Ok(_) => Ok(Some(CatalogDatabase::default())),
                Err(paimon::Error::DatabaseNotExist { .. }) => Ok(None),
                Err(e) => Err(lake_error(e)),
            }
        })
    }

    /// The filesystem warehouse has no place for properties of a database; its
    /// comment is not kept, as in Flink.
    fn create_database(&self, name: &str, database: CatalogDatabase) -> Result<()> {
        check_name("database", name)?;
        no_database_options(&database)?;
        let (inner, name) = (self.inner.clone(), name.to_owned());
        wait(async move {
            inner.create_database(&name, false, HashMap::new()).await.map_err(lake_error)
        })
    }

    fn alter_database(&self, name: &str, database: CatalogDatabase) -> Result<()> {
        self.must_have_database(name)?;
        no_database_options(&database)
    }

    fn drop_database(&self, name: &str, cascade: bool) -> Result<()> {
        check_name("database", name)?;
        let (inner, name) = (self.inner.clone(), name.to_owned());
        wait(async move { inner.drop_database(&name, false, cascade).await.map_err(lake_error) })
    }

    fn list_tables(&self, database: &str) -> Result<Vec<String>> {
        check_name("database", database)?;
        let (inner, database) = (self.inner.clone(), database.to_owned());
        let mut names =
            wait(async move { inner.list_tables(&database).await.map_err(lake_error) })?;
        names.sort();
        Ok(names)
    }

    fn table(&self, database: &str, name: &str) -> Result<Option<CatalogTable>> {
        match self.find(database, name)? {
            Some((location, stored)) => schema::from_paimon(&stored, &location.path).map(Some),
            None => Ok(None),
        }
    }

    fn create_table(&self, database: &str, name: &str, table: CatalogTable) -> Result<()> {
        if let TableKind::View { .. } = table.kind {
            return Err(schema::no_views());
        }
        self.must_have_database(database)?;
        if let Some(other) = table.options.get("connector").filter(|c| *c != "paimon") {
            return Err(Error::option(format!(
                "a Paimon catalog stores Paimon tables only, table {name} has 'connector' = '{other}'"
            ))
            .hint("create it with CREATE TEMPORARY TABLE, or in the default catalog"));
        }
        let table = self.with_defaults(table);
        let definition = schema::to_paimon(&table)?;
        let home = self.warehouse_location(database, name)?;
        if home.schema()?.is_some() {
            return Err(Error::validation(format!("table {database}.{name} exists already")));
        }
        match table.options.get("path").map(storage::normalize).transpose()? {
            Some(target) if target != home.path => {
                self.create_external(&home, &target, &table, &definition)
            }
            _ => home.create(&definition).map(|_| ()),
        }
    }

    fn alter_table(&self, database: &str, name: &str, table: CatalogTable) -> Result<()> {
        let (location, stored) = self.must_find(database, name)?;
        if let Some(path) = table.options.get("path")
            && storage::normalize(path)? != location.path
        {
            return Err(Error::option("the 'path' of a Paimon table cannot change"));
        }
        let changes = evolve::changes(&stored, &table)?;
        if changes.is_empty() {
            return Ok(());
        }
        location.alter(name, changes)
    }

    fn rename_table(&self, database: &str, name: &str, new_name: &str) -> Result<()> {
        self.must_find(database, name)?;
        check_name("table", new_name)?;
        let inner = self.inner.clone();
        let from = paimon::catalog::Identifier::new(database, name);
        let to = paimon::catalog::Identifier::new(database, new_name);
        wait(async move { inner.rename_table(&from, &to, false).await.map_err(lake_error) })
    }

    fn drop_table(&self, database: &str, name: &str) -> Result<()> {
        let home = self.warehouse_location(database, name)?;
        if home.schema()?.is_none() {
            return Err(Error::validation(format!("table {database}.{name} does not exist")));
        }
        home.delete()
    }

    fn list_partitions(&self, database: &str, name: &str) -> Result<Vec<Vec<(String, String)>>> {
        let (location, stored) = self.must_find(database, name)?;
        if stored.partition_keys().is_empty() {
            return Err(Error::validation(format!("table {database}.{name} is not partitioned")));
        }
        let keys = stored.partition_keys().to_vec();
        let table = location.table(&identifier(&format!("{database}.{name}")), stored);
        let found = wait(async move {
            paimon::catalog::list_partitions_from_file_system(&table).await.map_err(lake_error)
        })?;
        let mut out: Vec<Vec<(String, String)>> = found
            .into_iter()
            .map(|p| {
                keys.iter()
                    .map(|k| (k.clone(), p.spec.get(k).cloned().unwrap_or_default()))
                    .collect()
            })
            .collect();
        out.sort();
        Ok(out)
    }
}

fn no_database_options(database: &CatalogDatabase) -> Result<()> {
    match database.options.iter().next() {
        None => Ok(()),
        Some((key, _)) => Err(Error::option(format!(
            "option '{key}': a database of a Paimon filesystem catalog has no options"
        ))
        .hint("remove the WITH clause; the database lives in the catalog's 'warehouse'")),
    }
}
