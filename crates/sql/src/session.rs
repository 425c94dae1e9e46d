//! A session: options, catalogs, current names, temporary objects.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use indexmap::IndexMap;
use weir_core::{Error, Options, Result};
use weir_spec::{Catalog, CatalogTable};

use crate::memory_catalog::MemoryCatalog;
use crate::objects::Objects;
use crate::overlay::OverlayCatalog;
pub use crate::path::TablePath;

/// Name of the built-in catalog.
pub const DEFAULT_CATALOG: &str = "default_catalog";
/// Name of the built-in catalog's database.
pub const DEFAULT_DATABASE: &str = "default_database";

/// Creates catalogs of one `'type'`; the binary registers those of the lake crates.
pub type CatalogFactory = fn(name: &str, options: &Options) -> Result<Arc<dyn Catalog>>;

/// Everything that statements read and change besides data.
pub struct Session {
    /// Options changed by SET, in Flink's spelling.
    pub options: Options,
    catalogs: IndexMap<String, Arc<dyn Catalog>>,
    factories: BTreeMap<&'static str, CatalogFactory>,
    current_catalog: String,
    current_database: String,
    temporary: BTreeMap<TablePath, CatalogTable>,
    /// Tables and views that this session created, by their last name: they stay
    /// in reach after USE, where Flink would look only in the current catalog.
    created: BTreeMap<String, TablePath>,
    /// Models, functions, modules, jars.
    pub objects: Objects,
    /// COMMENTs of catalogs.
    comments: BTreeMap<String, String>,
    mode: Mode,
    log: Mutex<CheckLog>,
}

/// What statements may touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Everything.
    Run,
    /// Nothing: changes stay in memory, catalogs are read.
    DryRun,
    /// Nothing, and catalogs are not even opened: names that a script does not
    /// declare may exist in them.
    Check,
}

/// What binding noticed beside its result.
#[derive(Debug, Default)]
pub struct CheckLog {
    /// Names that the script does not declare.
    pub undeclared: Vec<(String, weir_core::error::Position)>,
    /// Errors that binding went on after.
    pub errors: Vec<Error>,
}

impl Default for Session {
    fn default() -> Self {
        let options: Options =
            [("type".to_owned(), "generic_in_memory".to_owned())].into_iter().collect();
        let memory: Arc<dyn Catalog> = Arc::new(MemoryCatalog::new(options, DEFAULT_DATABASE));
        let mut session = Self {
            options: Options::new(),
            catalogs: IndexMap::from([(DEFAULT_CATALOG.to_owned(), memory)]),
            factories: BTreeMap::new(),
            current_catalog: DEFAULT_CATALOG.to_owned(),
            current_database: DEFAULT_DATABASE.to_owned(),
            temporary: BTreeMap::new(),
            created: BTreeMap::new(),
            objects: Objects::default(),
            comments: BTreeMap::new(),
            mode: Mode::Run,
            log: Mutex::default(),
        };
        session.register_catalog_type("generic_in_memory", |_, options| {
            let database = options.get("default-database").unwrap_or("default");
            Ok(Arc::new(MemoryCatalog::new(options.clone(), database)))
        });
        session
    }
}

impl Session {
    /// A session whose catalogs all live in memory, for checking scripts.
    pub fn for_check() -> Self {
        let mut session = Self { mode: Mode::Check, ..Self::default() };
        for kind in ["paimon", "iceberg", "fluss", "jdbc", "hive", "hudi", "doris"] {
            session.register_catalog_type(kind, |_, options| {
                Ok(Arc::new(MemoryCatalog::new(options.clone(), "default")))
            });
        }
        session
    }

    /// A session like this one whose statements change nothing outside it.
    #[must_use]
    pub fn dry_run(&self) -> Self {
        let over = |c: &Arc<dyn Catalog>| -> Arc<dyn Catalog> {
            Arc::new(OverlayCatalog::new(Arc::clone(c)))
        };
        Self {
            options: self.options.clone(),
            catalogs: self.catalogs.iter().map(|(n, c)| (n.clone(), over(c))).collect(),
            factories: self.factories.clone(),
            current_catalog: self.current_catalog.clone(),
            current_database: self.current_database.clone(),
            temporary: self.temporary.clone(),
            created: self.created.clone(),
            objects: self.objects.clone(),
            comments: self.comments.clone(),
            mode: Mode::DryRun,
            log: Mutex::default(),
        }
    }

    /// Whether statements are only looked at.
    pub fn is_checking(&self) -> bool {
        self.mode != Mode::Run
    }

    /// Whether names that the script does not declare may exist all the same.
    pub fn is_open_world(&self) -> bool {
        self.mode == Mode::Check
    }

    /// Notes a name that the script does not declare.
    pub fn note_undeclared(&self, name: &str, at: weir_core::error::Position) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.undeclared.push((name.to_owned(), at));
    }

    /// Notes an error that binding goes on after; false when it must not.
    pub(crate) fn note_error(&self, e: &Error) -> bool {
        if self.mode != Mode::Check {
            return false;
        }
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.errors.push(e.clone());
        true
    }

    /// What binding noticed since the last call.
    pub fn take_log(&self) -> CheckLog {
        std::mem::take(&mut *self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where a name of one part points that is not in the current database.
    pub(crate) fn elsewhere(&self, name: &str) -> Option<TablePath> {
        let here = self.qualify(&[name]).ok()?;
        match self.find(&[name]) {
            Ok((path, Some(_))) if path != here => Some(path),
            _ => None,
        }
    }

    /// Makes a catalog type available to CREATE CATALOG.
    pub fn register_catalog_type(&mut self, kind: &'static str, factory: CatalogFactory) {
        self.factories.insert(kind, factory);
    }

    /// CREATE CATALOG
    pub fn create_catalog(&mut self, name: &str, options: &Options) -> Result<()> {
        let kind = options.require("type")?;
        let factory = self.factories.get(kind).ok_or_else(|| {
            let known: Vec<_> = self.factories.keys().copied().collect();
            Error::option(format!(
                "unknown catalog type '{kind}'; known types: {}",
                known.join(", ")
            ))
        })?;
        let mut catalog = factory(name, options)?;
        if self.mode == Mode::DryRun {
            catalog = Arc::new(OverlayCatalog::new(catalog));
        }
        if self.catalogs.contains_key(name) {
            return Err(Error::validation(format!("Catalog {name} already exists"))
                .hint("use CREATE CATALOG IF NOT EXISTS"));
        }
        self.catalogs.insert(name.to_owned(), catalog);
        Ok(())
    }

    /// ALTER CATALOG .. COMMENT
    pub fn set_catalog_comment(&mut self, name: &str, comment: &str) {
        self.comments.insert(name.to_owned(), comment.to_owned());
    }

    /// COMMENT of a catalog.
    pub fn catalog_comment(&self, name: &str) -> Option<&str> {
        self.comments.get(name).map(String::as_str)
    }

    /// Opens a catalog again with other options. One in memory would lose its
    /// tables, so only its options may be looked at.
    pub fn reopen_catalog(&mut self, name: &str, options: &Options) -> Result<()> {
        let kind = options.require("type")?.to_owned();
        if kind == "generic_in_memory" && self.mode == Mode::Run {
            return Err(Error::unsupported("ALTER CATALOG of a catalog in memory"));
        }
        let factory = self.factories.get(kind.as_str()).ok_or_else(|| no_catalog(name))?;
        if self.mode != Mode::Run {
            return Ok(());
        }
        let catalog = factory(name, options)?;
        self.catalogs.insert(name.to_owned(), catalog);
        Ok(())
    }

    /// DROP CATALOG
    pub fn drop_catalog(&mut self, name: &str) -> Result<()> {
        if name == self.current_catalog {
            return Err(Error::validation(format!("Cannot drop the current catalog {name}"))
                .hint("USE CATALOG another one first"));
        }
        self.catalogs.shift_remove(name).map(drop).ok_or_else(|| no_catalog(name))
    }

    /// Names of all catalogs, sorted.
    pub fn list_catalogs(&self) -> Vec<String> {
        let mut names: Vec<_> = self.catalogs.keys().cloned().collect();
        names.sort();
        names
    }

    /// Whether a catalog exists.
    pub fn has_catalog(&self, name: &str) -> bool {
        self.catalogs.contains_key(name)
    }

    /// A catalog by name.
    pub fn catalog(&self, name: &str) -> Result<&Arc<dyn Catalog>> {
        self.catalogs.get(name).ok_or_else(|| no_catalog(name))
    }

    /// Name of the current catalog.
    pub fn current_catalog(&self) -> &str {
        &self.current_catalog
    }

    /// Name of the current database.
    pub fn current_database(&self) -> &str {
        &self.current_database
    }

    /// A catalog that exists outside, as far as a check can tell.
    pub(crate) fn assume_catalog(&mut self, name: &str) {
        let options: Options = [("type".to_owned(), "unknown".to_owned())].into_iter().collect();
        let catalog = Arc::new(MemoryCatalog::new(options, "default"));
        self.catalogs.insert(name.to_owned(), catalog);
    }

    /// USE CATALOG
    pub fn use_catalog(&mut self, name: &str) -> Result<()> {
        let database = self.catalog(name)?.default_database().to_owned();
        self.current_catalog = name.to_owned();
        self.current_database = database;
        Ok(())
    }

    /// USE [catalog.]database
    pub fn use_database(&mut self, catalog: Option<&str>, database: &str) -> Result<()> {
        let catalog = catalog.unwrap_or(&self.current_catalog).to_owned();
        if self.catalog(&catalog)?.database(database)?.is_none() {
            return Err(Error::validation(format!(
                "A database with name [{database}] does not exist in the catalog: [{catalog}]"
            )));
        }
        self.current_catalog = catalog;
        self.current_database = database.to_owned();
        Ok(())
    }

    /// Qualifies a name of one to three parts.
    pub fn qualify(&self, parts: &[&str]) -> Result<TablePath> {
        let (catalog, database, table) = match parts {
            [t] => (self.current_catalog.as_str(), self.current_database.as_str(), *t),
            [d, t] => (self.current_catalog.as_str(), *d, *t),
            [c, d, t] => (*c, *d, *t),
            _ => {
                return Err(Error::validation(format!(
                    "a table name has at most three parts, got `{}`",
                    parts.join(".")
                )));
            }
        };
        Ok(TablePath {
            catalog: catalog.to_owned(),
            database: database.to_owned(),
            table: table.to_owned(),
        })
    }

    /// A table or view: temporary ones shadow those of the catalog.
    pub fn table(&self, path: &TablePath) -> Result<Option<CatalogTable>> {
        if let Some(t) = self.temporary.get(path) {
            return Ok(Some(t.clone()));
        }
        match self.catalogs.get(&path.catalog) {
            Some(c) => c.table(&path.database, &path.table),
            None => Ok(None),
        }
    }

    /// Remembers that this session created a table.
    pub fn note_created(&mut self, path: &TablePath) {
        self.created.insert(path.table.clone(), path.clone());
    }

    /// Where a name of one part points: the current database, or else a table
    /// of that name that this session created elsewhere.
    pub fn find(&self, parts: &[&str]) -> Result<(TablePath, Option<CatalogTable>)> {
        let path = self.qualify(parts)?;
        let here = self.table(&path)?;
        if let (None, [name]) = (&here, parts)
            && let Some(other) = self.created.get(*name)
            && let Some(table) = self.table(other)?
        {
            return Ok((other.clone(), Some(table)));
        }
        Ok((path, here))
    }

    /// Whether the name is a temporary object.
    pub fn is_temporary(&self, path: &TablePath) -> bool {
        self.temporary.contains_key(path)
    }

    /// Adds a temporary table or view.
    pub fn create_temporary(&mut self, path: TablePath, table: CatalogTable) -> Result<()> {
        if self.temporary.contains_key(&path) {
            return Err(Error::validation(format!("Temporary table '{path}' already exists")));
        }
        self.temporary.insert(path, table);
        Ok(())
    }

    /// Replaces the definition of a table, wherever it lives.
    pub fn alter_table(&mut self, path: &TablePath, table: CatalogTable) -> Result<()> {
        if let Some(t) = self.temporary.get_mut(path) {
            *t = table;
            return Ok(());
        }
        self.catalog(&path.catalog)?.alter_table(&path.database, &path.table, table)
    }

    /// Drops a temporary object; false if there is none of that name.
    pub fn drop_temporary(&mut self, path: &TablePath) -> bool {
        self.temporary.remove(path).is_some()
    }

    /// Names of tables and views of a database, temporary ones included, sorted.
    pub fn list_tables(&self, catalog: &str, database: &str) -> Result<Vec<String>> {
        let mut names = self.catalog(catalog)?.list_tables(database)?;
        names.extend(
            self.temporary
                .keys()
                .filter(|p| p.catalog == catalog && p.database == database)
                .map(|p| p.table.clone()),
        );
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// An option as SET or its default.
    pub fn option_or<'a>(&'a self, key: &str, default: &'a str) -> &'a str {
        self.options.get(key).unwrap_or(default)
    }

    /// Whether `execution.runtime-mode` is BATCH.
    pub fn is_batch(&self) -> bool {
        self.option_or("execution.runtime-mode", "streaming").eq_ignore_ascii_case("batch")
    }
}

fn no_catalog(name: &str) -> Error {
    Error::validation(format!("A catalog with name [{name}] does not exist"))
}
