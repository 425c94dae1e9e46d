//! The in-memory catalog: what `default_catalog` is, and `'type' = 'generic_in_memory'`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use weir_core::{Error, Options, Result};
use weir_spec::{Catalog, CatalogDatabase, CatalogTable, PartitionSpec};

#[derive(Debug, Default)]
struct Database {
    definition: CatalogDatabase,
    tables: BTreeMap<String, CatalogTable>,
    /// Partitions that were added, by table.
    partitions: BTreeMap<String, Vec<PartitionSpec>>,
}

/// A catalog that lives as long as its session.
#[derive(Debug)]
pub struct MemoryCatalog {
    options: Options,
    default_database: String,
    databases: Mutex<BTreeMap<String, Database>>,
}

impl MemoryCatalog {
    /// A catalog with one empty database.
    pub fn new(options: Options, default_database: impl Into<String>) -> Self {
        let default_database = default_database.into();
        let databases = BTreeMap::from([(default_database.clone(), Database::default())]);
        Self { options, default_database, databases: Mutex::new(databases) }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Database>> {
        self.databases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_database<T>(
        &self,
        name: &str,
        f: impl FnOnce(&mut Database) -> Result<T>,
    ) -> Result<T> {
        let mut all = self.lock();
        let database = all
            .get_mut(name)
            .ok_or_else(|| Error::validation(format!("Database {name} does not exist")))?;
        f(database)
    }
}

/// Whether two name the same partition, in whatever order.
fn same(a: &PartitionSpec, b: &PartitionSpec) -> bool {
    a.len() == b.len() && a.iter().all(|part| b.contains(part))
}

fn missing(database: &str, name: &str) -> Error {
    Error::validation(format!("Table (or view) {database}.{name} does not exist"))
}

fn exists(database: &str, name: &str) -> Error {
    Error::validation(format!("Table (or view) {database}.{name} already exists"))
        .hint("use CREATE TABLE IF NOT EXISTS, or DROP it first")
}

impl Catalog for MemoryCatalog {
    fn options(&self) -> &Options {
        &self.options
    }

    fn default_database(&self) -> &str {
        &self.default_database
    }

    fn list_databases(&self) -> Result<Vec<String>> {
        Ok(self.lock().keys().cloned().collect())
    }

    fn database(&self, name: &str) -> Result<Option<CatalogDatabase>> {
        Ok(self.lock().get(name).map(|d| d.definition.clone()))
    }

    fn create_database(&self, name: &str, database: CatalogDatabase) -> Result<()> {
        let mut all = self.lock();
        if all.contains_key(name) {
            return Err(Error::validation(format!("Database {name} already exists")));
        }
        all.insert(name.to_owned(), Database { definition: database, ..Database::default() });
        Ok(())
    }

    fn alter_database(&self, name: &str, database: CatalogDatabase) -> Result<()> {
        self.with_database(name, |d| {
            d.definition = database;
            Ok(())
        })
    }

    fn drop_database(&self, name: &str, cascade: bool) -> Result<()> {
        let mut all = self.lock();
        let database = all
            .get(name)
            .ok_or_else(|| Error::validation(format!("Database {name} does not exist")))?;
        if !cascade && !database.tables.is_empty() {
            return Err(Error::validation(format!("Database {name} is not empty"))
                .hint(format!("DROP DATABASE {name} CASCADE")));
        }
        all.remove(name);
        Ok(())
    }

    fn list_tables(&self, database: &str) -> Result<Vec<String>> {
        self.with_database(database, |d| Ok(d.tables.keys().cloned().collect()))
    }

    fn table(&self, database: &str, name: &str) -> Result<Option<CatalogTable>> {
        Ok(self.lock().get(database).and_then(|d| d.tables.get(name).cloned()))
    }

    fn create_table(&self, database: &str, name: &str, table: CatalogTable) -> Result<()> {
        self.with_database(database, |d| {
            if d.tables.contains_key(name) {
                return Err(exists(database, name));
            }
            d.tables.insert(name.to_owned(), table);
            Ok(())
        })
    }

    fn alter_table(&self, database: &str, name: &str, table: CatalogTable) -> Result<()> {
        self.with_database(database, |d| {
            *d.tables.get_mut(name).ok_or_else(|| missing(database, name))? = table;
            Ok(())
        })
    }

    fn rename_table(&self, database: &str, name: &str, new_name: &str) -> Result<()> {
        self.with_database(database, |d| {
            if d.tables.contains_key(new_name) {
                return Err(exists(database, new_name));
            }
            let table = d.tables.remove(name).ok_or_else(|| missing(database, name))?;
            d.tables.insert(new_name.to_owned(), table);
            if let Some(partitions) = d.partitions.remove(name) {
                d.partitions.insert(new_name.to_owned(), partitions);
            }
            Ok(())
        })
    }

    fn drop_table(&self, database: &str, name: &str) -> Result<()> {
        self.with_database(database, |d| {
            d.partitions.remove(name);
            d.tables.remove(name).map(drop).ok_or_else(|| missing(database, name))
        })
    }

    fn list_partitions(&self, database: &str, name: &str) -> Result<Vec<PartitionSpec>> {
        self.with_database(database, |d| Ok(d.partitions.get(name).cloned().unwrap_or_default()))
    }

    fn add_partition(
        &self,
        database: &str,
        name: &str,
        spec: PartitionSpec,
        if_not_exists: bool,
    ) -> Result<()> {
        self.with_database(database, |d| {
            let all = d.partitions.entry(name.to_owned()).or_default();
            match all.iter().any(|p| same(p, &spec)) {
                true if if_not_exists => {}
                true => {
                    return Err(Error::validation(format!(
                        "a partition {spec:?} of table {database}.{name} already exists"
                    ))
                    .hint("use ADD IF NOT EXISTS PARTITION"));
                }
                false => all.push(spec),
            }
            Ok(())
        })
    }

    fn drop_partition(
        &self,
        database: &str,
        name: &str,
        spec: &PartitionSpec,
        if_exists: bool,
    ) -> Result<()> {
        self.with_database(database, |d| {
            let all = d.partitions.entry(name.to_owned()).or_default();
            match all.iter().position(|p| same(p, spec)) {
                Some(at) => drop(all.remove(at)),
                None if if_exists => {}
                None => {
                    return Err(Error::validation(format!(
                        "there is no partition {spec:?} of table {database}.{name}"
                    ))
                    .hint("use DROP IF EXISTS PARTITION"));
                }
            }
            Ok(())
        })
    }
}
