//! Writing: one writer task per subtask, one committer per table.
//!
//! A writer hands its rows to a task on the IO threads, which encodes files while
//! the worker goes on; `prepare_commit` waits until the files of the epoch are
//! complete. A committable carries the commit user that made it, so that a commit
//! repeated after a restart is recognised by (user, epoch) in the table itself.
//!
//! Invariants: nothing is visible before the committer ran; rows of one bucket
//! come from one writer.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use arrow::array::{ArrayRef, BooleanArray, Int8Array, RecordBatch, new_null_array};
use arrow::datatypes::{
    DataType as ArrowType, Field as ArrowField, Schema as ArrowSchema, SchemaRef,
};
use paimon::spec::Datum;
use paimon::table::COMMIT_MESSAGE_SERIALIZER_VERSION;
use paimon::{CommitMessage, Table, TableWrite};
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};
use weir_connect::api::{Committer, Sink, SinkIdentity, SinkPartitioner, SinkWriter};
use weir_core::batch::TARGET_ROWS;
use weir_core::{ChangeBatch, Error, Result, RowKind};
use weir_spec::ChangelogMode;

use crate::bucket::BucketPartitioner;
use crate::conform::conform;
use crate::lock::commit_lock;
use crate::rt::{lake_error, runtime, wait};
use crate::{compact, expire};

/// Batches on their way to a writer task.
const WRITE_AHEAD: usize = 4;
/// Bytes of small batches that are put together before they go to the task.
const GATHER_BYTES: usize = 1 << 20;

/// Commits between two looks for expired snapshots.
const EXPIRE_EVERY: u64 = 10;
/// How long the end of a job waits for maintenance that is under way.
const MAINTENANCE_GRACE_MS: u32 = 2000;

/// `_VALUE_KIND`, the row kind column of key-value writes.
const VALUE_KIND: &str = "_VALUE_KIND";

/// How rows of the job become rows of the table.
pub(crate) struct Layout {
    /// Input position per table column; `None` writes NULL.
    pub(crate) columns: Vec<Option<usize>>,
    /// Paimon's Arrow schema, with the row kind column if it is written.
    pub(crate) arrow: SchemaRef,
    /// Arrow schema of the arriving batches.
    pub(crate) input: SchemaRef,
    /// The row kind is written as a column.
    pub(crate) with_kind: bool,
    /// Rows that take away are dropped rather than refused.
    pub(crate) ignore_minus: bool,
    /// Table name for messages.
    pub(crate) name: String,
}

impl Layout {
    /// The row kind column, appended to the table's.
    pub(crate) fn kind_schema(table: &SchemaRef) -> SchemaRef {
        let mut fields: Vec<ArrowField> =
            table.fields().iter().map(|f| f.as_ref().clone()).collect();
        fields.push(ArrowField::new(VALUE_KIND, ArrowType::Int8, false));
        Arc::new(ArrowSchema::new(fields))
    }

    fn convert(&self, batch: &ChangeBatch) -> Result<Option<RecordBatch>> {
        let kept;
        let batch = if self.with_kind || batch.is_insert_only() {
            batch
        } else {
            kept = self.plus_rows(batch)?;
            &kept
        };
        if batch.is_empty() {
            return Ok(None);
        }
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.arrow.fields().len());
        for (from, field) in self.columns.iter().zip(self.arrow.fields()) {
            columns.push(match from {
                Some(at) => conform(batch.column(*at), field.data_type())?,
                None => new_null_array(field.data_type(), batch.len()),
            });
        }
        if self.with_kind {
            let kinds = match batch.kind_bytes() {
                Some(k) => Int8Array::from_iter_values(k.iter().map(|b| *b as i8)),
                None => Int8Array::from(vec![0; batch.len()]),
            };
            columns.push(Arc::new(kinds));
        }
        let rows = RecordBatch::try_new(Arc::clone(&self.arrow), columns)
            .map_err(|e| Error::data(format!("cannot write rows to table {}: {e}", self.name)))?;
        Ok(Some(rows))
    }

    /// The rows that add, of a table without a key.
    fn plus_rows(&self, batch: &ChangeBatch) -> Result<ChangeBatch> {
        let plus: Vec<bool> = (0..batch.len()).map(|i| batch.kind(i).is_plus()).collect();
        if !self.ignore_minus
            && let Some(i) = plus.iter().position(|p| !p)
        {
            return Err(Error::data(format!(
                "table {} cannot take a {} row",
                self.name,
                batch.kind(i).symbol()
            ))
            .hint("declare a PRIMARY KEY, or set 'ignore-delete' = 'true' to drop such rows"));
        }
        batch.filter(&BooleanArray::from(plus))
    }
}

/// A sink into a Paimon table.
pub(crate) struct PaimonSink {
    pub(crate) table: Table,
    pub(crate) layout: Arc<Layout>,
    pub(crate) partitioner: Option<Arc<BucketPartitioner>>,
    pub(crate) mode: ChangelogMode,
    pub(crate) max_parallelism: Option<usize>,
    /// Write-buffer bytes of one writer.
    pub(crate) buffer: u64,
    /// A writer's buckets share the buffer: when they hold this much together, all
    /// are written out. `None` where an epoch can be written out only once.
    pub(crate) spill: Option<u64>,
    pub(crate) overwrite: Option<Overwrite>,
    /// Identity of this run's commits.
    pub(crate) user: String,
}

/// What INSERT OVERWRITE replaces.
#[derive(Debug, Clone)]
pub(crate) struct Overwrite {
    /// Values of PARTITION (..); `None` replaces the partitions that get rows
    /// (or the whole table, if it has no partitions).
    pub(crate) partition: Option<HashMap<String, Option<Datum>>>,
}

impl Sink for PaimonSink {
    fn identify(&mut self, identity: SinkIdentity) {
        self.user = format!("weir-{}", identity.name());
    }

    fn changelog_mode(&self) -> ChangelogMode {
        self.mode
    }

    fn writer(&self, _subtask: usize, _parallelism: usize) -> Result<Box<dyn SinkWriter>> {
        let options =
            HashMap::from([("write.parquet-buffer-size".to_owned(), self.buffer.to_string())]);
        let keyed = !self.table.schema().primary_keys().is_empty();
        let table = if keyed { self.table.copy_with_options(options) } else { self.table.clone() };
        let mut builder =
            table.new_write_builder().with_commit_user(self.user.clone()).map_err(lake_error)?;
        if self.overwrite.is_some() {
            builder = builder.with_overwrite();
        }
        let write = builder.new_write().map_err(lake_error)?;
        let (tx, rx) = channel(WRITE_AHEAD);
        let failure = Arc::new(Mutex::new(None));
        runtime()?.spawn(write_loop(write, self.spill, rx, Arc::clone(&failure)));
        Ok(Box::new(Writer {
            layout: Arc::clone(&self.layout),
            user: self.user.clone(),
            tx,
            failure,
            gathered: Vec::new(),
            rows: 0,
            bytes: 0,
        }))
    }

    fn committer(&self) -> Result<Option<Box<dyn Committer>>> {
        Ok(Some(Box::new(TableCommitter {
            table: self.table.clone(),
            user: self.user.clone(),
            overwrite: self.overwrite.clone(),
            overwritten: None,
            tried: BTreeMap::new(),
            recovering: false,
            commits: 0,
            busy: Arc::new(AtomicBool::new(false)),
        })))
    }

    fn partitioner(&self) -> Option<Arc<dyn SinkPartitioner>> {
        self.partitioner.as_ref().map(|p| Arc::clone(p) as Arc<dyn SinkPartitioner>)
    }

    fn max_parallelism(&self) -> Option<usize> {
        self.max_parallelism
    }
}

type Prepared = Result<Vec<CommitMessage>>;

enum Command {
    Rows(RecordBatch),
    Prepare(mpsc::SyncSender<Prepared>),
}

/// The writer's task: owns the open files.
async fn write_loop(
    mut write: TableWrite,
    spill: Option<u64>,
    mut commands: Receiver<Command>,
    failure: Arc<Mutex<Option<Error>>>,
) {
    let fail = |e: Error| *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(e);
    // Files of the epoch that were finished early, to bound memory.
    let mut early: Vec<CommitMessage> = Vec::new();
    let mut held = 0u64;
    while let Some(command) = commands.recv().await {
        match command {
            Command::Rows(batch) => {
                held += batch.get_array_memory_size() as u64;
                let mut written = write.write_arrow_batch(&batch).await;
                if written.is_ok() && spill.is_some_and(|s| held >= s) {
                    held = 0;
                    written = write.prepare_commit().await.map(|m| early.extend(m));
                }
                if let Err(e) = written {
                    fail(lake_error(e));
                    break;
                }
            }
            Command::Prepare(reply) => {
                held = 0;
                let prepared = write.prepare_commit().await.map_err(lake_error);
                let failed = prepared.is_err();
                let all = prepared.map(|m| early.drain(..).chain(m).collect());
                // The writer may be gone; its files are then swept by maintenance.
                let _ = reply.send(all);
                if failed {
                    break;
                }
            }
        }
    }
    write.close().await;
}

struct Writer {
    layout: Arc<Layout>,
    user: String,
    tx: Sender<Command>,
    failure: Arc<Mutex<Option<Error>>>,
    gathered: Vec<ChangeBatch>,
    rows: usize,
    bytes: usize,
}

impl Writer {
    fn send(&self, mut command: Command) -> Result<()> {
        loop {
            match self.tx.try_send(command) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(c)) => {
                    command = c;
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(TrySendError::Closed(_)) => return Err(self.stopped()),
            }
        }
    }

    fn stopped(&self) -> Error {
        let found = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        found
            .unwrap_or_else(|| Error::internal("the writer task stopped"))
            .context(format!("while writing table {}", self.layout.name))
    }

    fn flush(&mut self) -> Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let gathered = std::mem::take(&mut self.gathered);
        (self.rows, self.bytes) = (0, 0);
        let batch = ChangeBatch::concat(&self.layout.input, &gathered)?;
        match self.layout.convert(&batch)? {
            Some(rows) => self.send(Command::Rows(rows)),
            None => Ok(()),
        }
    }
}

impl SinkWriter for Writer {
    fn write(&mut self, batch: &ChangeBatch) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        self.rows += batch.len();
        self.bytes += batch.memory_size();
        self.gathered.push(batch.clone());
        if self.rows >= TARGET_ROWS || self.bytes >= GATHER_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn prepare_commit(&mut self, _epoch: u64) -> Result<Vec<Vec<u8>>> {
        self.flush()?;
        let (reply, prepared) = mpsc::sync_channel(1);
        self.send(Command::Prepare(reply))?;
        let messages = prepared.recv().map_err(|_| self.stopped())??;
        messages.iter().map(|m| encode(&self.user, m)).collect()
    }
}

/// A committable: length of the user, the user, Paimon's own message.
fn encode(user: &str, message: &CommitMessage) -> Result<Vec<u8>> {
    let body = message.serialize().map_err(lake_error)?;
    let mut out = Vec::with_capacity(4 + user.len() + body.len());
    out.extend((user.len() as u32).to_le_bytes());
    out.extend(user.as_bytes());
    out.extend(body);
    Ok(out)
}

fn decode(bytes: &[u8]) -> Result<(String, CommitMessage)> {
    let bad = || Error::data("not a committable of a Paimon sink");
    let (length, rest) = bytes.split_at_checked(4).ok_or_else(bad)?;
    let length = u32::from_le_bytes(length.try_into().map_err(|_| bad())?) as usize;
    let (user, body) = rest.split_at_checked(length).ok_or_else(bad)?;
    let user = String::from_utf8(user.to_vec()).map_err(|_| bad())?;
    let message =
        CommitMessage::deserialize(COMMIT_MESSAGE_SERIALIZER_VERSION, body).map_err(lake_error)?;
    Ok((user, message))
}

struct TableCommitter {
    table: Table,
    user: String,
    overwrite: Option<Overwrite>,
    /// The commit that replaced the old rows; later ones add to it.
    overwritten: Option<(String, u64)>,
    /// Last epoch tried per commit user.
    tried: BTreeMap<String, u64>,
    /// What is committed now comes from an earlier run, and may be in the table already.
    recovering: bool,
    /// Commits of this run.
    commits: u64,
    /// Maintenance runs on the IO threads.
    busy: Arc<AtomicBool>,
}

impl TableCommitter {
    fn commit_one(&mut self, user: &str, epoch: u64, messages: Vec<CommitMessage>) -> Result<()> {
        let identifier =
            i64::try_from(epoch).map_err(|_| Error::internal("the epoch is out of range"))?;
        let own = user == self.user;
        // A first try of this run cannot have happened before; everything else is
        // looked up in the table.
        let repeated = self.recovering || !own || self.tried.get(user).is_some_and(|t| epoch <= *t);
        if self.overwrite.is_some() && self.overwritten.is_none() && (self.recovering || !own) {
            self.overwritten = self.first_commit_of(user, epoch)?;
        }
        let replaces = match &self.overwritten {
            None => true,
            Some((who, when)) => who == user && *when == epoch,
        };
        let overwrite = self.overwrite.clone().filter(|_| replaces);
        let newest = self.tried.entry(user.to_owned()).or_insert(epoch);
        *newest = epoch.max(*newest);
        let commit = self
            .table
            .new_write_builder()
            .with_commit_user(user)
            .and_then(|b| if overwrite.is_some() { b.with_overwrite() } else { b }.try_new_commit())
            .map_err(lake_error)?;
        let table = self.table.clone();
        let done = wait(async move {
            let _lock = commit_lock(&table).await;
            match overwrite {
                Some(o) => {
                    commit.overwrite_with_identifier(messages, o.partition, identifier).await
                }
                None if repeated => {
                    commit.filter_and_commit(vec![(identifier, messages)]).await.map(|_| ())
                }
                None => commit.commit_with_identifier(messages, identifier).await,
            }
            .map_err(lake_error)
        });
        if done.is_ok() {
            self.overwritten.get_or_insert_with(|| (user.to_owned(), epoch));
        }
        done
    }

    /// The earliest commit that an interrupted run made, if it made one.
    fn first_commit_of(&self, user: &str, epoch: u64) -> Result<Option<(String, u64)>> {
        let (manager, user) = (self.table.snapshot_manager(), user.to_owned());
        wait(async move {
            let all = manager.list_all().await.map_err(lake_error)?;
            let first = all
                .iter()
                .filter(|s| s.commit_user() == user)
                .filter_map(|s| u64::try_from(s.commit_identifier()).ok())
                .min();
            Ok(first.filter(|e| *e <= epoch).map(|e| (user, e)))
        })
    }

    /// Compacts buckets and expires snapshots now and then, on the IO threads. It
    /// is not part of the commit: what fails is done by the next run.
    fn maintain(&mut self) -> Result<()> {
        self.commits += 1;
        let compaction = compact::Policy::of(&self.table)
            .filter(|p| self.commits.is_multiple_of(p.trigger as u64));
        let expiry = expire::Policy::of(&self.table).filter(|_| self.commits % EXPIRE_EVERY == 1);
        if (compaction.is_none() && expiry.is_none()) || self.busy.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let (table, busy) = (self.table.clone(), Arc::clone(&self.busy));
        runtime()?.spawn(async move {
            if let Some(policy) = compaction {
                let _ = compact::compact(&table, &policy).await;
            }
            if let Some(policy) = expiry {
                let _ = expire::expire(&table, &policy).await;
            }
            busy.store(false, Ordering::Release);
        });
        Ok(())
    }
}

impl Drop for TableCommitter {
    /// Gives the last maintenance a moment, for jobs that end right after a commit.
    fn drop(&mut self) {
        for _ in 0..MAINTENANCE_GRACE_MS {
            if !self.busy.load(Ordering::Acquire) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Committer for TableCommitter {
    fn recover(&mut self, restored: Option<(u64, Vec<Vec<u8>>)>) -> Result<()> {
        let Some((epoch, committables)) = restored else { return Ok(()) };
        self.recovering = true;
        let done = if committables.is_empty() { Ok(()) } else { self.commit(epoch, committables) };
        self.recovering = false;
        if self.overwrite.is_some() && self.overwritten.is_none() {
            self.overwritten = self.first_commit_of(&self.user.clone(), epoch)?;
        }
        done
    }

    fn commit(&mut self, epoch: u64, committables: Vec<Vec<u8>>) -> Result<()> {
        let mut by_user: BTreeMap<String, Vec<CommitMessage>> = BTreeMap::new();
        for bytes in &committables {
            let (user, message) = decode(bytes)?;
            by_user.entry(user).or_default().push(message);
        }
        if by_user.is_empty() && self.overwrite.is_some() && self.overwritten.is_none() {
            // Nothing was inserted, the old rows still go.
            by_user.insert(self.user.clone(), Vec::new());
        }
        if by_user.is_empty() {
            return Ok(());
        }
        for (user, messages) in by_user {
            self.commit_one(&user, epoch, messages).map_err(|e| {
                e.context(format!("while committing epoch {epoch} to a Paimon table"))
            })?;
        }
        self.maintain()
    }
}

/// The kinds that a byte of the row kind column stands for are Flink's own.
const _: () = assert!(RowKind::Delete as u8 == 3 && RowKind::UpdateBefore as u8 == 1);
