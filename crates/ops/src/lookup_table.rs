//! What a lookup join knows of its table: rows by key, read whole, in part or anew.
//!
//! [`Lookups`] is shared by all instances of a job's lookup joins, so that a full cache is
//! in memory once; partial caches belong to their instance, as in Flink.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard};

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use lru::LruCache;
use weir_core::keys::EncodedKeys;
use weir_core::{Error, Result, Schema, Value};
use weir_functions::{EvalContext, Expr};
use weir_runtime::now_ms;
use weir_spec::{LookupCache, LookupSpec, Reload, SourceSpec};

use crate::program::{Predicate, Program};

/// More keys than this are not told to the source: it is read whole.
const MAX_PUSHED_KEYS: usize = 1000;

/// Reads a table's present content.
pub trait LookupReader: Send {
    /// The rows; a source may leave out what the filter excludes.
    fn read(&mut self, filter: Option<Expr>) -> Result<Vec<RecordBatch>>;
    /// A number that changes with the content, where the table can tell.
    fn version(&mut self) -> Result<Option<u64>>;
}

/// Opens the reader of a table.
pub type Opener = Box<dyn Fn(&SourceSpec, &Schema) -> Result<Box<dyn LookupReader>> + Send + Sync>;

/// The tables that lookup joins of one job read.
pub struct Lookups {
    open: Opener,
    full: Mutex<HashMap<String, Arc<FullTable>>>,
}

impl std::fmt::Debug for Lookups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lookups")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

impl Lookups {
    /// No table has been read.
    pub fn new(open: Opener) -> Self {
        Self { open, full: Mutex::default() }
    }

    /// The table of one instance of the node `uid`.
    pub(crate) fn table(
        &self,
        uid: &str,
        spec: &LookupSpec,
        context: EvalContext,
    ) -> Result<Table> {
        let reader = Reader {
            reader: (self.open)(&spec.source, &spec.source_schema)?,
            shape: Arc::new(Shape::new(spec, context)?),
            max_retries: spec.max_retries,
        };
        Ok(match &spec.cache {
            LookupCache::None => Table::Direct(reader),
            LookupCache::Full(reload) => {
                let mut full = lock(&self.full);
                let table = full.entry(uid.to_owned()).or_insert_with(|| {
                    Arc::new(FullTable {
                        reload: reload.clone(),
                        reader: Mutex::new(reader),
                        state: Mutex::default(),
                    })
                });
                Table::Full(Arc::clone(table))
            }
            LookupCache::Partial { max_rows, after_write, after_access, missing } => {
                Table::Partial(Partial {
                    reader,
                    after_write: *after_write,
                    after_access: *after_access,
                    missing: *missing,
                    entries: match max_rows {
                        None => LruCache::unbounded(),
                        Some(n) => {
                            let n = usize::try_from(*n).unwrap_or(usize::MAX);
                            LruCache::new(NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN))
                        }
                    },
                })
            }
        })
    }
}

/// How rows of the scan become rows of the join.
struct Shape {
    filter: Option<Predicate>,
    projection: Vec<Program>,
    schema: SchemaRef,
    keys: Vec<usize>,
    /// Scan columns behind the keys, where they are columns.
    pushed: Vec<Option<Expr>>,
    null_safe: Vec<bool>,
    context: EvalContext,
}

impl Shape {
    fn new(spec: &LookupSpec, context: EvalContext) -> Result<Self> {
        let keys = spec.join.right_keys.clone();
        let pushed = keys
            .iter()
            .map(|k| spec.projection.get(*k).filter(|e| matches!(e, Expr::Column { .. })).cloned())
            .collect();
        Ok(Self {
            filter: spec.filter.as_ref().map(Predicate::new).transpose()?,
            projection: Program::all(&spec.projection)?,
            schema: spec.columns.to_arrow(),
            keys,
            pushed,
            null_safe: spec.join.null_safe.clone(),
            context,
        })
    }

    /// Rows of the join; `wanted`: the keys that count, where not all do.
    fn rows(&self, batches: &[RecordBatch], wanted: Option<&Wanted<'_>>) -> Result<RecordBatch> {
        let mut out = Vec::with_capacity(batches.len());
        for batch in batches {
            let kept = match &self.filter {
                None => batch.clone(),
                Some(f) => {
                    arrow::compute::filter_record_batch(batch, &f.eval(batch, &self.context)?)?
                }
            };
            let columns: Vec<ArrayRef> = self
                .projection
                .iter()
                .map(|p| p.eval(&kept, &self.context))
                .collect::<Result<_>>()?;
            let options =
                arrow::array::RecordBatchOptions::new().with_row_count(Some(kept.num_rows()));
            let rows =
                RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
            out.push(match wanted {
                None => rows,
                Some(wanted) => self.only(&rows, wanted)?,
            });
        }
        Ok(concat_batches(&self.schema, &out)?)
    }

    /// The rows with wanted keys: a source may have left nothing out.
    fn only(&self, rows: &RecordBatch, wanted: &Wanted<'_>) -> Result<RecordBatch> {
        let keys: Vec<ArrayRef> = self.keys.iter().map(|k| Arc::clone(rows.column(*k))).collect();
        let keys = EncodedKeys::encode(&keys, rows.num_rows())?;
        let found = |&row: &u32| wanted.contains(keys.key(row as usize));
        let found: Vec<u32> = (0..rows.num_rows() as u32).filter(found).collect();
        match found.len() == rows.num_rows() {
            true => Ok(rows.clone()),
            false => take(rows, &found),
        }
    }

    /// Whether the key of a row equals nothing.
    fn is_null(&self, wanted: &[ArrayRef], row: usize) -> bool {
        wanted.iter().zip(&self.null_safe).any(|(c, safe)| !safe && c.is_null(row))
    }

    /// What the source may skip rows by.
    fn filter_of(&self, wanted: &[ArrayRef], rows: &[u32]) -> Option<Expr> {
        if rows.len() > MAX_PUSHED_KEYS {
            return None;
        }
        let mut parts: Vec<Expr> = Vec::new();
        for (column, values) in self.pushed.iter().zip(wanted) {
            let Some(column) = column else { continue };
            let ty = column.ty().clone().not_null();
            let mut items = vec![column.clone()];
            for &row in rows {
                if values.is_null(row as usize) {
                    return None;
                }
                let value = Value::from_array(values.as_ref(), row as usize);
                items.push(Expr::literal(value, ty.clone()));
            }
            parts.push(Expr::call("IN", items, weir_core::DataType::boolean()));
        }
        match parts.len() {
            0 => None,
            1 => parts.pop(),
            _ => Some(Expr::call("AND", parts, weir_core::DataType::boolean())),
        }
    }
}

/// Encoded keys.
type Wanted<'a> = HashSet<&'a [u8]>;

pub(crate) struct Reader {
    reader: Box<dyn LookupReader>,
    shape: Arc<Shape>,
    max_retries: u32,
}

impl Reader {
    fn read(&mut self, filter: Option<&Expr>, wanted: Option<&Wanted<'_>>) -> Result<RecordBatch> {
        let mut attempt = 0;
        loop {
            match self.reader.read(filter.cloned()) {
                Ok(batches) => return self.shape.rows(&batches, wanted),
                Err(e) if attempt >= self.max_retries => return Err(e.context("lookup join")),
                Err(_) => attempt += 1,
            }
            std::thread::sleep(std::time::Duration::from_millis(100 * u64::from(attempt)));
        }
    }
}

/// Rows by key.
pub(crate) struct Snapshot {
    /// The join's right columns.
    pub rows: RecordBatch,
    index: HashMap<Box<[u8]>, Vec<u32>>,
}

impl Snapshot {
    fn new(rows: RecordBatch, keys: &[usize]) -> Result<Self> {
        let columns: Vec<ArrayRef> = keys.iter().map(|k| Arc::clone(rows.column(*k))).collect();
        let encoded = EncodedKeys::encode(&columns, rows.num_rows())?;
        let mut index: HashMap<Box<[u8]>, Vec<u32>> = HashMap::new();
        for row in 0..rows.num_rows() {
            match index.get_mut(encoded.key(row)) {
                Some(list) => list.push(row as u32),
                None => {
                    index.insert(encoded.key(row).into(), vec![row as u32]);
                }
            }
        }
        Ok(Self { rows, index })
    }

    /// Rows of a key.
    pub fn get(&self, key: &[u8]) -> &[u32] {
        self.index.get(key).map_or(&[], Vec::as_slice)
    }
}

/// A table as one instance sees it.
pub(crate) enum Table {
    Direct(Reader),
    Partial(Partial),
    Full(Arc<FullTable>),
}

impl Table {
    /// The rows for some keys (perhaps more). `wanted`: the key columns of the rows that ask.
    /// `again`: what was not found before may be there now.
    pub fn find(
        &mut self,
        keys: &EncodedKeys,
        wanted: &[ArrayRef],
        again: bool,
    ) -> Result<Arc<Snapshot>> {
        match self {
            Table::Full(table) => table.current(),
            Table::Direct(reader) => {
                let mut seen = HashSet::new();
                let rows: Vec<u32> = (0..keys.len())
                    .filter(|&i| !reader.shape.is_null(wanted, i) && seen.insert(keys.key(i)))
                    .map(|i| i as u32)
                    .collect();
                if rows.is_empty() {
                    let none = RecordBatch::new_empty(Arc::clone(&reader.shape.schema));
                    return Ok(Arc::new(Snapshot::new(none, &reader.shape.keys)?));
                }
                let filter = reader.shape.filter_of(wanted, &rows);
                let found = reader.read(filter.as_ref(), Some(&seen))?;
                Ok(Arc::new(Snapshot::new(found, &reader.shape.keys)?))
            }
            Table::Partial(table) => table.find(keys, wanted, again),
        }
    }
}

impl Table {
    /// Drops what is cached of keys whose rows have changed.
    pub fn forget(&mut self, keys: &EncodedKeys) {
        if let Table::Partial(table) = self {
            for i in 0..keys.len() {
                table.entries.pop(keys.key(i));
            }
        }
    }

    /// When a full cache wants to be read again; [`Table::reload`] starts that.
    pub fn next_reload(&self) -> Option<i64> {
        match self {
            Table::Full(table) => table.next_reload(),
            _ => None,
        }
    }

    /// Reads what is due again, beside the workers.
    pub fn reload(&self) -> Result<()> {
        match self {
            Table::Full(table) if table.next_reload().is_some() => table.current().map(drop),
            _ => Ok(()),
        }
    }
}

/// The whole table, shared by the instances.
pub(crate) struct FullTable {
    reload: Reload,
    reader: Mutex<Reader>,
    state: Mutex<FullState>,
}

#[derive(Default)]
struct FullState {
    snapshot: Option<Arc<Snapshot>>,
    loaded: i64,
    version: Option<u64>,
    loading: bool,
    failed: Option<Error>,
}

impl FullTable {
    fn current(self: &Arc<Self>) -> Result<Arc<Snapshot>> {
        let mut state = lock(&self.state);
        if let Some(e) = state.failed.take() {
            return Err(e);
        }
        let Some(snapshot) = state.snapshot.clone() else {
            // The first one to come reads the table, the others wait for it.
            self.load(&mut state)?;
            return state.snapshot.clone().ok_or_else(|| Error::internal("a table was not read"));
        };
        let due = self.reload.due(state.loaded).is_some_and(|at| now_ms() >= at);
        if due && !state.loading {
            state.loading = true;
            let table = Arc::clone(self);
            std::thread::Builder::new()
                .name("lookup-reload".to_owned())
                .spawn(move || table.refresh())
                .map_err(|e| Error::internal(format!("cannot start a thread: {e}")))?;
        }
        Ok(snapshot)
    }

    /// When the table wants to be read again.
    fn next_reload(&self) -> Option<i64> {
        const WHILE_LOADING_MS: i64 = 50;
        let state = lock(&self.state);
        state.snapshot.as_ref()?;
        let due = self.reload.due(state.loaded)?;
        Some(if state.loading { now_ms() + WHILE_LOADING_MS } else { due })
    }

    fn load(&self, state: &mut FullState) -> Result<()> {
        let mut reader = lock(&self.reader);
        let loaded = now_ms();
        let version = reader.reader.version()?;
        let rows = reader.read(None, None)?;
        state.snapshot = Some(Arc::new(Snapshot::new(rows, &reader.shape.keys)?));
        (state.loaded, state.version) = (loaded, version);
        Ok(())
    }

    /// Reads the table again beside the workers, unless it says that it has not changed.
    fn refresh(&self) {
        let mut fresh = FullState::default();
        let known = lock(&self.state).version;
        let same = known.is_some()
            && matches!(lock(&self.reader).reader.version(), Ok(now) if now == known);
        let result = if same { Ok(()) } else { self.load(&mut fresh) };
        let mut state = lock(&self.state);
        state.loading = false;
        match result {
            Err(e) => state.failed = Some(e),
            Ok(()) if same => state.loaded = now_ms(),
            Ok(()) => *state = fresh,
        }
    }
}

/// Keys that were asked before, with the rows they had.
pub(crate) struct Partial {
    reader: Reader,
    after_write: Option<i64>,
    after_access: Option<i64>,
    missing: bool,
    entries: LruCache<Box<[u8]>, Entry>,
}

struct Entry {
    rows: RecordBatch,
    written: i64,
    used: i64,
}

impl Partial {
    fn find(
        &mut self,
        keys: &EncodedKeys,
        wanted: &[ArrayRef],
        again: bool,
    ) -> Result<Arc<Snapshot>> {
        let now = now_ms();
        let mut seen = HashSet::new();
        let (mut parts, mut ask) = (Vec::new(), Vec::new());
        for i in 0..keys.len() {
            let key = keys.key(i);
            if self.reader.shape.is_null(wanted, i) || !seen.insert(key) {
                continue;
            }
            match self.cached(key, now).filter(|rows| !again || rows.num_rows() > 0) {
                Some(rows) => parts.push(rows),
                None => ask.push(i as u32),
            }
        }
        if !ask.is_empty() {
            let filter = self.reader.shape.filter_of(wanted, &ask);
            let keys_asked = ask.iter().map(|&i| keys.key(i as usize)).collect();
            let found = self.reader.read(filter.as_ref(), Some(&keys_asked))?;
            let found = Snapshot::new(found, &self.reader.shape.keys)?;
            for &i in &ask {
                let key = keys.key(i as usize);
                let rows = take(&found.rows, found.get(key))?;
                parts.push(rows.clone());
                self.keep(key, rows, now);
            }
        }
        let rows = concat_batches(&self.reader.shape.schema, &parts)?;
        Ok(Arc::new(Snapshot::new(rows, &self.reader.shape.keys)?))
    }

    fn cached(&mut self, key: &[u8], now: i64) -> Option<RecordBatch> {
        let entry = self.entries.get_mut(key)?;
        let old = |limit: Option<i64>, since: i64| limit.is_some_and(|ms| now - since >= ms);
        if old(self.after_write, entry.written) || old(self.after_access, entry.used) {
            self.entries.pop(key);
            return None;
        }
        entry.used = now;
        Some(entry.rows.clone())
    }

    fn keep(&mut self, key: &[u8], rows: RecordBatch, now: i64) {
        if rows.num_rows() == 0 && !self.missing {
            self.entries.pop(key);
            return;
        }
        self.entries.put(key.into(), Entry { rows, written: now, used: now });
    }
}

fn take(rows: &RecordBatch, which: &[u32]) -> Result<RecordBatch> {
    let indices = UInt32Array::from(which.to_vec());
    Ok(arrow::compute::take_record_batch(rows, &indices)?)
}
