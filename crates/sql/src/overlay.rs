//! A catalog as it would be after statements that have not run: reads fall through
//! to the real one, changes stay here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use weir_core::{Error, Options, Result};
use weir_spec::{Catalog, CatalogDatabase, CatalogTable, PartitionSpec};

#[derive(Default)]
struct Changes {
    /// `None` where dropped.
    databases: BTreeMap<String, Option<CatalogDatabase>>,
    tables: BTreeMap<(String, String), Option<CatalogTable>>,
}

/// The real catalog under changes in memory.
pub(crate) struct OverlayCatalog {
    base: Arc<dyn Catalog>,
    changes: Mutex<Changes>,
}

impl OverlayCatalog {
    /// No changes yet.
    pub fn new(base: Arc<dyn Catalog>) -> Self {
        Self { base, changes: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn in_memory(&self) -> bool {
        self.base.options().get("type") == Some("generic_in_memory")
    }

    fn names_of_base(&self, database: &str) -> Vec<String> {
        // A database that only exists here has no tables below.
        match self.base.database(database) {
            Ok(Some(_)) => self.base.list_tables(database).unwrap_or_default(),
            _ => Vec::new(),
        }
    }
}

fn missing(what: &str, name: &str) -> Error {
    Error::validation(format!("{what} {name} does not exist"))
}

impl Catalog for OverlayCatalog {
    fn options(&self) -> &Options {
        self.base.options()
    }

    fn default_database(&self) -> &str {
        self.base.default_database()
    }

    fn list_databases(&self) -> Result<Vec<String>> {
        let mut names = self.base.list_databases()?;
        for (name, d) in &self.lock().databases {
            names.retain(|n| n != name);
            if d.is_some() {
                names.push(name.clone());
            }
        }
        names.sort();
        Ok(names)
    }

    fn database(&self, name: &str) -> Result<Option<CatalogDatabase>> {
        if let Some(changed) = self.lock().databases.get(name) {
            return Ok(changed.clone());
        }
        self.base.database(name)
    }

    fn create_database(&self, name: &str, database: CatalogDatabase) -> Result<()> {
        if self.database(name)?.is_some() {
            return Err(Error::validation(format!("Database {name} already exists")));
        }
        self.lock().databases.insert(name.to_owned(), Some(database));
        Ok(())
    }

    fn alter_database(&self, name: &str, database: CatalogDatabase) -> Result<()> {
        self.lock().databases.insert(name.to_owned(), Some(database));
        Ok(())
    }

    fn drop_database(&self, name: &str, cascade: bool) -> Result<()> {
        if self.database(name)?.is_none() {
            return Err(missing("Database", name));
        }
        let tables = self.list_tables(name)?;
        if !cascade && !tables.is_empty() {
            return Err(Error::validation(format!("Database {name} is not empty"))
                .hint(format!("DROP DATABASE {name} CASCADE")));
        }
        let mut changes = self.lock();
        for t in tables {
            changes.tables.insert((name.to_owned(), t), None);
        }
        changes.databases.insert(name.to_owned(), None);
        Ok(())
    }

    fn list_tables(&self, database: &str) -> Result<Vec<String>> {
        let mut names = self.names_of_base(database);
        for ((d, name), t) in &self.lock().tables {
            if d == database {
                names.retain(|n| n != name);
                if t.is_some() {
                    names.push(name.clone());
                }
            }
        }
        names.sort();
        Ok(names)
    }

    fn table(&self, database: &str, name: &str) -> Result<Option<CatalogTable>> {
        let key = (database.to_owned(), name.to_owned());
        if let Some(changed) = self.lock().tables.get(&key) {
            return Ok(changed.clone());
        }
        match self.lock().databases.get(database) {
            Some(_) => Ok(None),
            None => self.base.table(database, name),
        }
    }

    fn create_table(&self, database: &str, name: &str, table: CatalogTable) -> Result<()> {
        if self.table(database, name)?.is_some() {
            return Err(Error::validation(format!(
                "Table (or view) {database}.{name} already exists"
            )));
        }
        self.lock().tables.insert((database.to_owned(), name.to_owned()), Some(table));
        Ok(())
    }

    fn alter_table(&self, database: &str, name: &str, table: CatalogTable) -> Result<()> {
        if self.table(database, name)?.is_none() {
            return Err(missing("Table (or view)", name));
        }
        self.lock().tables.insert((database.to_owned(), name.to_owned()), Some(table));
        Ok(())
    }

    fn rename_table(&self, database: &str, name: &str, new_name: &str) -> Result<()> {
        let table = self.table(database, name)?.ok_or_else(|| missing("Table (or view)", name))?;
        self.create_table(database, new_name, table)?;
        self.drop_table(database, name)
    }

    fn drop_table(&self, database: &str, name: &str) -> Result<()> {
        if self.table(database, name)?.is_none() {
            return Err(missing("Table (or view)", name));
        }
        self.lock().tables.insert((database.to_owned(), name.to_owned()), None);
        Ok(())
    }

    fn list_partitions(&self, database: &str, name: &str) -> Result<Vec<Vec<(String, String)>>> {
        let key = (database.to_owned(), name.to_owned());
        match self.lock().tables.get(&key) {
            Some(_) => Ok(Vec::new()),
            None => self.base.list_partitions(database, name),
        }
    }

    fn add_partition(&self, d: &str, name: &str, spec: PartitionSpec, lenient: bool) -> Result<()> {
        // Other catalogs refuse it, and change nothing.
        if self.in_memory() { Ok(()) } else { self.base.add_partition(d, name, spec, lenient) }
    }

    fn drop_partition(
        &self,
        d: &str,
        name: &str,
        spec: &PartitionSpec,
        lenient: bool,
    ) -> Result<()> {
        if self.in_memory() { Ok(()) } else { self.base.drop_partition(d, name, spec, lenient) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory_catalog::MemoryCatalog;

    #[test]
    fn changes_do_not_reach_the_catalog_below() {
        let base: Arc<dyn Catalog> = Arc::new(MemoryCatalog::new(Options::new(), "d"));
        let over = OverlayCatalog::new(base.clone());
        over.create_database("e", CatalogDatabase::default()).expect("new");
        assert_eq!(over.list_databases().expect("list"), ["d", "e"]);
        assert_eq!(base.list_databases().expect("list"), ["d"]);
        assert!(over.table("e", "t").expect("look").is_none());
        over.drop_database("e", false).expect("empty");
        assert!(over.database("e").expect("look").is_none());
    }
}
