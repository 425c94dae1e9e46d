//! Scans: the table at a snapshot, a range of changes, or the table followed by
//! the changes of every new snapshot.
//!
//! A scan is cut into shards. In batch mode a shard takes every n-th split; in
//! streaming mode a shard owns whole buckets, so that changes of one key stay in
//! order. One task per shard reads ahead on the IO threads into a bounded
//! channel; a position says stage, split and rows within the split.
//!
//! Invariants: splits of a stage are sorted, so that a position means the same
//! after a restart; the position that travels with a batch is the one after it.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use futures::{Stream, StreamExt};
use paimon::spec::{MergeEngine, Predicate};
use paimon::table::{IncrementalPlan, IncrementalScanMode, IncrementalSplit, ReadBuilder};
use paimon::{DataSplit, Table};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TryRecvError};
use tokio::task::JoinHandle;
use weir_connect::api::{Poll, Source, SourceReader};
use weir_core::batch::TARGET_ROWS;
use weir_core::{ChangeBatch, Error, Result, RowKind};
use weir_spec::ChangelogMode;

use crate::conform::{conform, dig};
use crate::rt::{lake_error, runtime};
use crate::scan::{RangeMode, ScanOptions, Stage};

/// Batches read ahead per shard.
const READ_AHEAD: usize = 4;
/// How long a worker leaves an empty reader alone while rows are being read ahead,
/// and how long when none came for some time.
const BUSY: Duration = Duration::from_micros(500);
const IDLE: Duration = Duration::from_millis(10);
/// Empty polls after which a reader counts as idle.
const PATIENCE: u32 = 40;

/// One produced column: a column of the projection and a path into it.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    /// Position in [`Scan::projection`].
    pub(crate) column: usize,
    /// Field positions inside a ROW.
    pub(crate) path: Vec<usize>,
}

/// Everything a shard needs to read.
pub(crate) struct Scan {
    /// The table, without scan selectors among its options.
    pub(crate) table: Table,
    /// Columns to read.
    pub(crate) projection: Vec<String>,
    /// Columns to produce.
    pub(crate) outputs: Vec<Output>,
    /// Arrow schema of the produced batches.
    pub(crate) schema: SchemaRef,
    /// Filter for skipping data.
    pub(crate) filter: Option<Predicate>,
    /// Start, end and interval.
    pub(crate) options: ScanOptions,
    /// First stage.
    pub(crate) start: Stage,
    /// Row kinds that are produced.
    pub(crate) mode: ChangelogMode,
    /// No more rows than this are needed.
    pub(crate) limit: Option<u64>,
}

/// A scan of a Paimon table.
pub(crate) struct PaimonSource {
    scan: Arc<Scan>,
    /// Rows of a batch at most.
    batch_rows: usize,
}

impl PaimonSource {
    pub(crate) fn new(scan: Scan) -> Self {
        Self { scan: Arc::new(scan), batch_rows: TARGET_ROWS }
    }
}

impl Source for PaimonSource {
    fn is_bounded(&self) -> bool {
        self.scan.options.batch || self.scan.options.bounded_watermark.is_some()
    }

    fn changelog_mode(&self) -> ChangelogMode {
        self.scan.mode
    }

    fn limit_batches(&mut self, rows: usize) {
        self.batch_rows = rows.min(TARGET_ROWS);
    }

    fn reader(&self, subtask: usize, parallelism: usize) -> Result<Box<dyn SourceReader>> {
        let first = Position {
            shard: subtask as u64,
            of: parallelism.max(1) as u64,
            stage: self.scan.start.clone(),
            split: 0,
            rows: 0,
        };
        Ok(Box::new(Reader {
            scan: Arc::clone(&self.scan),
            batch_rows: self.batch_rows,
            subtask,
            parallelism: parallelism.max(1),
            shards: vec![Shard::new(first)],
            started: false,
            next: 0,
            produced: 0,
            empty_polls: 0,
        }))
    }
}

/// Where a shard is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    shard: u64,
    of: u64,
    stage: Stage,
    /// Splits of this shard that are finished in the stage.
    split: u64,
    /// Rows of the next split that are finished.
    rows: u64,
}

impl Position {
    fn at(&self, stage: Stage) -> Self {
        Self { stage, split: 0, rows: 0, ..self.clone() }
    }
}

/// What a shard's task sends: rows or none, and the position after them.
type Item = Result<(Option<ChangeBatch>, Position)>;

struct Shard {
    position: Position,
    queue: VecDeque<(ChangeBatch, Option<Position>)>,
    receiver: Option<Receiver<Item>>,
    task: Option<JoinHandle<()>>,
}

impl Shard {
    fn new(position: Position) -> Self {
        Self { position, queue: VecDeque::new(), receiver: None, task: None }
    }

    fn start(&mut self, scan: &Arc<Scan>) -> Result<()> {
        let (tx, rx) = channel(READ_AHEAD);
        let (scan, position) = (Arc::clone(scan), self.position.clone());
        self.receiver = Some(rx);
        self.task = Some(runtime()?.spawn(async move {
            if let Err(e) = run(&scan, position, &tx).await {
                let _ = tx.send(Err(e.context("while reading a Paimon table"))).await;
            }
        }));
        Ok(())
    }

    /// The next rows of this shard, if there are any now.
    fn take(&mut self, rows: usize) -> Result<Option<ChangeBatch>> {
        loop {
            if let Some((batch, after)) = self.queue.pop_front() {
                match after {
                    Some(p) => self.position = p,
                    None => self.position.rows += batch.len() as u64,
                }
                return Ok(Some(batch));
            }
            let Some(receiver) = &mut self.receiver else { return Ok(None) };
            match receiver.try_recv() {
                Ok(Ok((Some(batch), after))) => self.enqueue(batch, after, rows),
                Ok(Ok((None, after))) => self.position = after,
                Ok(Err(e)) => return Err(e),
                Err(TryRecvError::Empty) => return Ok(None),
                Err(TryRecvError::Disconnected) => {
                    self.receiver = None;
                    if self.position.stage != Stage::Done {
                        return Err(Error::internal("a Paimon reader stopped before its end"));
                    }
                    return Ok(None);
                }
            }
        }
    }

    /// Cuts a batch into pieces of the engine's size.
    fn enqueue(&mut self, batch: ChangeBatch, after: Position, most: usize) {
        let rows = batch.len();
        let mut at = 0;
        while at < rows {
            let n = most.min(rows - at);
            let last = at + n == rows;
            self.queue.push_back((batch.slice(at, n), last.then(|| after.clone())));
            at += n;
        }
    }

    fn finished(&self) -> bool {
        self.queue.is_empty() && self.position.stage == Stage::Done
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

struct Reader {
    scan: Arc<Scan>,
    batch_rows: usize,
    subtask: usize,
    parallelism: usize,
    shards: Vec<Shard>,
    started: bool,
    next: usize,
    produced: u64,
    empty_polls: u32,
}

impl SourceReader for Reader {
    fn poll(&mut self) -> Result<Poll> {
        if self.scan.limit.is_some_and(|l| self.produced >= l) {
            return Ok(Poll::End);
        }
        if !self.started {
            self.started = true;
            for shard in &mut self.shards {
                shard.start(&self.scan)?;
            }
        }
        for _ in 0..self.shards.len() {
            let i = self.next % self.shards.len();
            self.next = i + 1;
            if let Some(batch) = self.shards[i].take(self.batch_rows)? {
                self.produced += batch.len() as u64;
                self.empty_polls = 0;
                return Ok(Poll::Batch(batch));
            }
        }
        let bounded = self.scan.options.batch || self.scan.options.bounded_watermark.is_some();
        if bounded && self.shards.iter().all(Shard::finished) {
            return Ok(Poll::End);
        }
        self.empty_polls = self.empty_polls.saturating_add(1);
        Ok(Poll::Pending(if self.empty_polls < PATIENCE { BUSY } else { IDLE }))
    }

    fn position(&mut self) -> Result<Vec<Vec<u8>>> {
        self.shards
            .iter()
            .map(|s| {
                serde_json::to_vec(&s.position)
                    .map_err(|e| Error::internal(format!("cannot store a scan position: {e}")))
            })
            .collect()
    }

    fn restore(&mut self, splits: Vec<Vec<u8>>) -> Result<()> {
        let mut positions = splits
            .iter()
            .map(|s| {
                serde_json::from_slice(s)
                    .map_err(|e| Error::data(format!("not a position of a Paimon scan: {e}")))
            })
            .collect::<Result<Vec<Position>>>()?;
        positions.sort_by_key(|p| (p.of, p.shard));
        // Every reader is given all of them and takes its share.
        let mine = positions.into_iter().skip(self.subtask).step_by(self.parallelism);
        self.shards = mine.map(Shard::new).collect();
        Ok(())
    }
}

/// The life of a shard: stage after stage.
async fn run(scan: &Scan, mut position: Position, tx: &Sender<Item>) -> Result<()> {
    loop {
        let next = match position.stage.clone() {
            Stage::Done => return Ok(()),
            Stage::Full { snapshot, tag } => {
                read_full(scan, &position, snapshot, tag.as_deref(), tx).await?;
                if scan.options.batch {
                    Stage::Done
                } else {
                    Stage::Changes { snapshot: snapshot + 1 }
                }
            }
            Stage::Range { from, to } => {
                read_range(scan, &position, from, to, tx).await?;
                Stage::Done
            }
            Stage::Changes { snapshot } => {
                if await_snapshot(scan, snapshot, tx).await? {
                    read_changes(scan, &position, snapshot, tx).await?;
                    Stage::Changes { snapshot: snapshot + 1 }
                } else {
                    Stage::Done
                }
            }
        };
        position = position.at(next);
        if tx.send(Ok((None, position.clone()))).await.is_err() {
            return Ok(());
        }
    }
}

/// Waits for a snapshot; false when the scan ends before it.
async fn await_snapshot(scan: &Scan, id: i64, tx: &Sender<Item>) -> Result<bool> {
    let manager = scan.table.snapshot_manager();
    loop {
        let latest = manager.get_latest_snapshot_id().await.map_err(lake_error)?;
        if latest.is_some_and(|l| l >= id) {
            break;
        }
        if tx.is_closed() {
            return Ok(false);
        }
        tokio::time::sleep(scan.options.interval).await;
    }
    let snapshot = match manager.get_snapshot(id).await {
        Ok(s) => s,
        Err(e) => return Err(gone(scan, id, e).await),
    };
    let past = |bound: i64| snapshot.watermark().is_some_and(|w| w > bound);
    Ok(!scan.options.bounded_watermark.is_some_and(past))
}

/// Why a snapshot cannot be read.
async fn gone(scan: &Scan, id: i64, error: paimon::Error) -> Error {
    let earliest = scan.table.snapshot_manager().earliest_snapshot_id().await.ok().flatten();
    match earliest {
        Some(first) if first > id => Error::data(format!(
            "snapshot {id} has expired before it was read, the table starts at {first} now"
        ))
        .hint(
            "keep snapshots longer ('snapshot.time-retained'), or start without the stored state",
        ),
        _ => lake_error(error),
    }
}

fn builder<'a>(scan: &Scan, table: &'a Table) -> Result<ReadBuilder<'a>> {
    let mut builder = table.new_read_builder();
    let names: Vec<&str> = scan.projection.iter().map(String::as_str).collect();
    builder.with_projection(&names).map_err(lake_error)?;
    if let Some(filter) = &scan.filter {
        builder.with_filter(filter.clone());
    }
    Ok(builder)
}

/// A sort key that is the same on every run: partition, bucket, files.
fn split_key(split: &DataSplit) -> (Vec<u8>, i32, i64, String) {
    let files = split.data_files();
    let sequence = files.iter().map(|f| f.min_sequence_number).min().unwrap_or(0);
    let name = files.first().map(|f| f.file_name.clone()).unwrap_or_default();
    (split.partition().data().to_vec(), split.bucket(), sequence, name)
}

fn owner_of(split: &DataSplit, of: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (split.partition().data(), split.bucket()).hash(&mut hasher);
    hasher.finish() % of
}

/// The splits of a shard, sorted.
fn deal(scan: &Scan, position: &Position, mut splits: Vec<DataSplit>) -> Vec<DataSplit> {
    splits.sort_by_cached_key(split_key);
    let mut index = 0;
    splits.retain(|s| {
        let owner = if scan.options.batch { index % position.of } else { owner_of(s, position.of) };
        index += 1;
        owner == position.shard
    });
    splits
}

async fn read_full(
    scan: &Scan,
    position: &Position,
    snapshot: i64,
    tag: Option<&str>,
    tx: &Sender<Item>,
) -> Result<()> {
    if tag.is_none()
        && let Err(e) = scan.table.snapshot_manager().get_snapshot(snapshot).await
    {
        return Err(gone(scan, snapshot, e).await);
    }
    let selector = match tag {
        Some(tag) => ("scan.tag-name".to_owned(), tag.to_owned()),
        None => ("scan.snapshot-id".to_owned(), snapshot.to_string()),
    };
    let table = scan.table.copy_with_options(HashMap::from([selector]));
    let builder = builder(scan, &table)?;
    let plan = builder.new_scan().plan().await.map_err(lake_error)?;
    let mut splits = deal(scan, position, plan.into_splits());
    if let Some(level) = first_level(scan) {
        splits = splits.iter().map(|s| above(s, level)).collect::<Result<Vec<_>>>()?;
    }
    let read = builder.new_read().map_err(lake_error)?;
    for (i, split) in splits.into_iter().enumerate().skip(position.split as usize) {
        if split.data_files().is_empty() {
            continue;
        }
        let rows = read.to_arrow(std::slice::from_ref(&split)).map_err(lake_error)?;
        if !pump(scan, position, i as u64, rows, Kinds::Absent, tx).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// The lowest level whose rows the changelog of a followed table has told already.
/// Compaction writes that changelog, so rows that it has not seen come later.
fn first_level(scan: &Scan) -> Option<i32> {
    if scan.options.batch {
        return None;
    }
    let options = scan.table.schema().options();
    let number = |key: &str| options.get(key).and_then(|v| v.trim().parse::<i32>().ok());
    match scan.table.schema().core_options().changelog_producer() {
        "lookup" => Some(1),
        "full-compaction" => {
            let runs = number("num-sorted-run.compaction-trigger").unwrap_or(5);
            Some(number("num-levels").unwrap_or(runs + 1) - 1)
        }
        _ => None,
    }
}

/// The part of a split at a level and above.
fn above(split: &DataSplit, level: i32) -> Result<DataSplit> {
    let files = split.data_files();
    if files.iter().all(|f| f.level >= level) {
        return Ok(split.clone());
    }
    let kept: Vec<usize> = (0..files.len()).filter(|i| files[*i].level >= level).collect();
    let mut builder = DataSplit::builder()
        .with_snapshot(split.snapshot_id())
        .with_partition(split.partition().clone())
        .with_bucket(split.bucket())
        .with_bucket_path(split.bucket_path().to_owned())
        .with_total_buckets(split.total_buckets())
        .with_data_files(kept.iter().map(|i| files[*i].clone()).collect());
    if let Some(deleted) = split.data_deletion_files() {
        builder =
            builder.with_data_deletion_files(kept.iter().map(|i| deleted[*i].clone()).collect());
    }
    builder.build().map_err(lake_error)
}

async fn read_changes(
    scan: &Scan,
    position: &Position,
    snapshot: i64,
    tx: &Sender<Item>,
) -> Result<()> {
    let builder = builder(scan, &scan.table)?;
    let mode = if scan.table.schema().core_options().changelog_producer() == "none" {
        IncrementalScanMode::Delta
    } else {
        IncrementalScanMode::Changelog
    };
    let plan = builder
        .new_incremental_scan(mode, snapshot - 1, snapshot)
        .plan()
        .await
        .map_err(lake_error)?;
    let splits = deal(scan, position, plan.data_splits());
    let kinds = if scan.mode.is_insert_only() { Kinds::PlusOnly } else { Kinds::Produced };
    let read = builder.new_read().map_err(lake_error)?;
    for (i, split) in splits.into_iter().enumerate().skip(position.split as usize) {
        let one = IncrementalPlan::new(mode, vec![IncrementalSplit::Data(split)]);
        let rows = read.to_audit_log_arrow(&one).map_err(lake_error)?;
        if !pump(scan, position, i as u64, rows, kinds, tx).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// Batch read of a range: rows as they are after it, for keys that changed in it.
async fn read_range(
    scan: &Scan,
    position: &Position,
    from: i64,
    to: i64,
    tx: &Sender<Item>,
) -> Result<()> {
    let schema = scan.table.schema();
    let keyed = !schema.primary_keys().is_empty();
    let options = schema.core_options();
    let has_changelog = options.changelog_producer() != "none";
    let comparable = options.merge_engine().map_err(lake_error)? == MergeEngine::Deduplicate;
    let mode = match scan.options.range_mode {
        RangeMode::Changelog => IncrementalScanMode::Changelog,
        RangeMode::Auto if keyed && has_changelog && !comparable => IncrementalScanMode::Changelog,
        RangeMode::Delta | RangeMode::Auto if !keyed => IncrementalScanMode::Delta,
        RangeMode::Diff | RangeMode::Delta | RangeMode::Auto => IncrementalScanMode::Diff,
    };
    if mode == IncrementalScanMode::Diff && from == 0 {
        return read_full(scan, position, to, None, tx).await;
    }
    let builder = builder(scan, &scan.table)?;
    let plan = builder.new_incremental_scan(mode, from, to).plan().await.map_err(lake_error)?;
    let mut splits = plan.splits().to_vec();
    splits.sort_by_cached_key(|s| match s {
        IncrementalSplit::Data(d) => (d.snapshot_id(), split_key(d)),
        IncrementalSplit::DiffPair { before, after } => {
            let first = after.first().or(before.first());
            (0, first.map(split_key).unwrap_or_default())
        }
    });
    let mut index = 0u64;
    splits.retain(|_| {
        index += 1;
        (index - 1) % position.of == position.shard
    });
    let read = builder.new_read().map_err(lake_error)?;
    for (i, split) in splits.into_iter().enumerate().skip(position.split as usize) {
        let one = IncrementalPlan::new(mode, vec![split]);
        let more = if mode == IncrementalScanMode::Changelog {
            let rows = read.to_audit_log_arrow(&one).map_err(lake_error)?;
            pump(scan, position, i as u64, rows, Kinds::PlusOnly, tx).await?
        } else {
            let rows = read.to_incremental_arrow(&one).map_err(lake_error)?;
            pump(scan, position, i as u64, rows, Kinds::Absent, tx).await?
        };
        if !more {
            return Ok(());
        }
    }
    Ok(())
}

/// Sends the rows of one split; false when nobody listens any more.
async fn pump<S>(
    scan: &Scan,
    position: &Position,
    split: u64,
    rows: S,
    kinds: Kinds,
    tx: &Sender<Item>,
) -> Result<bool>
where
    S: Stream<Item = paimon::Result<RecordBatch>>,
{
    let mut skip = if split == position.split { position.rows as usize } else { 0 };
    let mut done = skip as u64;
    let mut rows = std::pin::pin!(rows);
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(lake_error)?;
        let skipped = skip.min(batch.num_rows());
        skip -= skipped;
        let batch = batch.slice(skipped, batch.num_rows() - skipped);
        if batch.num_rows() == 0 {
            continue;
        }
        done += batch.num_rows() as u64;
        let after = Position { split, rows: done, ..position.clone() };
        let changes = convert(scan, &batch, kinds)?;
        if tx.send(Ok((Some(changes), after))).await.is_err() {
            return Ok(false);
        }
    }
    let after = Position { split: split + 1, rows: 0, ..position.clone() };
    Ok(tx.send(Ok((None, after))).await.is_ok())
}

/// Which columns precede the projected ones, and what becomes of row kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kinds {
    /// No kinds: every row is an insertion.
    Absent,
    /// The first column holds kinds to be produced.
    Produced,
    /// The first column holds kinds; rows that take away are left out.
    PlusOnly,
}

/// Brings a Paimon batch into the produced columns and kinds.
fn convert(scan: &Scan, batch: &RecordBatch, kinds: Kinds) -> Result<ChangeBatch> {
    let before = batch
        .num_columns()
        .checked_sub(scan.projection.len())
        .ok_or_else(|| Error::internal("Paimon returned too few columns"))?;
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(scan.outputs.len());
    for (output, field) in scan.outputs.iter().zip(scan.schema.fields()) {
        let outer = batch.column(before + output.column);
        columns.push(conform(&dig(outer, &output.path)?, field.data_type())?);
    }
    let rows = batch.num_rows();
    let found = match kinds {
        Kinds::Absent => None,
        _ => kinds_of(batch.column(0), scan.mode)?,
    };
    let plus = match (kinds, &found) {
        (Kinds::PlusOnly, Some(k)) => {
            Some(k.iter().map(|b| RowKind::from_byte(*b).is_plus()).collect::<Vec<bool>>())
        }
        _ => None,
    };
    let produced = if kinds == Kinds::Produced { found } else { None };
    let out = ChangeBatch::from_columns(Arc::clone(&scan.schema), columns, rows, produced)?;
    match plus {
        Some(mask) => out.filter(&BooleanArray::from(mask)),
        None => Ok(out),
    }
}

fn kinds_of(column: &ArrayRef, mode: ChangelogMode) -> Result<Option<Buffer>> {
    let text = column
        .as_string_opt::<i32>()
        .ok_or_else(|| Error::internal("the row kind column of Paimon is not text"))?;
    let mut out = Vec::with_capacity(text.len());
    for i in 0..text.len() {
        let kind = match text.value(i) {
            "+I" => RowKind::Insert,
            // The table holds one row per key: an old row without its new one is a deletion.
            "-U" if !mode.update_before => RowKind::Delete,
            "-U" => RowKind::UpdateBefore,
            "+U" => RowKind::UpdateAfter,
            "-D" => RowKind::Delete,
            other => return Err(Error::data(format!("unknown row kind '{other}' in a table"))),
        };
        out.push(kind as u8);
    }
    Ok(out.iter().any(|k| *k != 0).then(|| Buffer::from_vec(out)))
}
