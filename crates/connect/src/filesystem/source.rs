//! Reading: readers take splits from one shared queue as they get free.
//!
//! A checkpoint holds, per reader, its split in progress and the splits it has
//! finished; whatever no reader has is still to be read. After a restore the queue
//! therefore opens only when all readers have handed in what they know
//! (see [`crate::restore`]).

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use ::parquet::arrow::arrow_reader::ArrowReaderMetadata;
use arrow::array::ArrayRef;
use regex::Regex;
use weir_core::config::bad_value;
use weir_core::{Error, Result, Schema, Value};
use weir_spec::{ChangelogMode, SourceSpec};

use super::list::{self, Split};
use super::partition;
use crate::api::{Poll, Source, SourceReader};
use crate::assemble::{Extra, Layout, constant};
use crate::format::parquet::{self, ParquetReader};
use crate::format::pruning::Pruning;
use crate::format::{Decoder, Format, from_options};
use crate::restore::{self, Dealer, Progress};

/// Bytes read at once.
const CHUNK: usize = 512 << 10;
/// Rows of a batch at most.
const MAX_ROWS: usize = 8192;
/// Encoded bytes of a batch, about.
const MAX_BYTES: usize = 2 << 20;
/// Bytes of a text record, for guesses.
const ROW_BYTES: u64 = 100;
/// Large text files are read in ranges of this size by several readers, in batch jobs.
const RANGE: u64 = 32 << 20;
/// A record longer than this is an error.
const MAX_RECORD: usize = 1 << 30;

/// A scan of files.
pub(super) struct FileSource {
    shared: Arc<Shared>,
    mode: ChangelogMode,
}

struct Shared {
    root: PathBuf,
    format: Format,
    layout: Layout,
    /// Names of the physical columns, for partition columns.
    names: Vec<String>,
    default_name: String,
    monitor: Option<Duration>,
    pattern: Option<Regex>,
    range: Option<u64>,
    /// Parquet files are read by row group, as far as these tests let them, in batch jobs.
    pruning: Option<Pruning>,
    footers: Mutex<HashMap<PathBuf, ArrowReaderMetadata>>,
    queue: Mutex<Queue>,
    dealer: Dealer<Split>,
    /// Rows of a batch at most.
    max_rows: usize,
}

#[derive(Default)]
struct Queue {
    splits: VecDeque<Split>,
    /// Splits that are assigned, done or queued.
    known: HashSet<(PathBuf, u64)>,
    listed: Option<Instant>,
}

impl FileSource {
    pub(super) fn new(spec: &SourceSpec, schema: &Schema) -> Result<Self> {
        let o = &spec.table.options;
        let format = from_options(o, "format")?;
        let layout =
            Layout::new(spec, schema, super::METADATA, &spec.table.partition_keys, "value.")?;
        // Mistakes in columns and types are reported now, not when the first file is opened.
        let (mode, splittable) = match &format {
            Format::Record(f) => {
                f.decoder(&layout.read)?;
                (f.read_mode(), matches!(f.identifier(), "json" | "raw"))
            }
            Format::Parquet(_) => (ChangelogMode::INSERT_ONLY, false),
        };
        let pattern = o
            .get("source.path.regex-pattern")
            .map(|p| {
                Regex::new(&format!("^(?:{p})$"))
                    .map_err(|_| bad_value("source.path.regex-pattern", p, "a regular expression"))
            })
            .transpose()?;
        let monitor = o.duration_opt("source.monitor-interval")?.filter(|_| !spec.batch);
        if monitor.is_some_and(|m| m.is_zero()) {
            return Err(bad_value("source.monitor-interval", "0", "a duration above 0"));
        }
        let pruning = match &format {
            Format::Parquet(_) if spec.batch => {
                let (filter, columns) = (spec.filter.as_ref(), &spec.columns);
                Some(Pruning::new(filter, columns, &spec.table.physical)?)
            }
            _ => None,
        };
        let shared = Shared {
            root: super::root(o)?,
            format,
            layout,
            names: spec.table.physical.fields.iter().map(|f| f.name.clone()).collect(),
            default_name: o
                .get("partition.default-name")
                .unwrap_or(partition::DEFAULT_NAME)
                .to_owned(),
            monitor,
            pattern,
            // Ranges read side by side would bring event time out of order.
            range: (spec.batch && splittable).then_some(RANGE),
            pruning,
            footers: Mutex::default(),
            queue: Mutex::default(),
            dealer: Dealer::default(),
            max_rows: MAX_ROWS,
        };
        Ok(Self { shared: Arc::new(shared), mode })
    }

    #[cfg(test)]
    pub(super) fn set_range(&mut self, bytes: u64) {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.range = Some(bytes);
        }
    }
}

impl Source for FileSource {
    fn is_bounded(&self) -> bool {
        self.shared.monitor.is_none()
    }

    fn changelog_mode(&self) -> ChangelogMode {
        self.mode
    }

    fn row_count(&self) -> Option<u64> {
        // What is wrong with the files is reported when they are read.
        self.shared.row_count().ok()
    }

    fn limit_batches(&mut self, rows: usize) {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.max_rows = rows.min(MAX_ROWS);
        }
    }

    fn reader(&self, subtask: usize, parallelism: usize) -> Result<Box<dyn SourceReader>> {
        Ok(Box::new(FileReader {
            shared: Arc::clone(&self.shared),
            subtask,
            parallelism,
            undealt: false,
            waiting: VecDeque::new(),
            done: Vec::new(),
            open: None,
            decoder: match &self.shared.format {
                Format::Record(f) => Some(f.decoder(&self.shared.layout.read)?),
                Format::Parquet(_) => None,
            },
            buffer: Vec::new(),
        }))
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Lists files anew if it is time to.
    fn refresh(&self, queue: &mut Queue) -> Result<()> {
        let due = match (queue.listed, self.monitor) {
            (None, _) => true,
            (Some(at), Some(interval)) => at.elapsed() >= interval,
            (Some(_), None) => false,
        };
        if !due {
            return Ok(());
        }
        if queue.listed.is_none() {
            queue.known.extend(self.dealer.all().unwrap_or_default());
        }
        queue.listed = Some(Instant::now());
        let root = &self.root;
        if self.monitor.is_some() && !root.exists() {
            return Ok(());
        }
        for file in list::files(root, self.pattern.as_ref())? {
            for split in self.splits(&file)? {
                if queue.known.insert(split.id()) {
                    queue.splits.push_back(split);
                }
            }
        }
        Ok(())
    }

    fn splits(&self, file: &Path) -> Result<Vec<Split>> {
        match &self.pruning {
            Some(p) => Ok(list::row_groups(file, &p.row_groups(&self.footer(file)?))),
            None => list::splits(file, self.range),
        }
    }

    /// The footer of a Parquet file, read once.
    fn footer(&self, path: &Path) -> Result<ArrowReaderMetadata> {
        let mut footers = self.footers.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(footer) = footers.get(path) {
            return Ok(footer.clone());
        }
        let footer = parquet::footer(path)?;
        footers.insert(path.to_path_buf(), footer.clone());
        Ok(footer)
    }

    /// Rows of the table: exact for Parquet, guessed from the size of text files.
    fn row_count(&self) -> Result<u64> {
        list::files(&self.root, self.pattern.as_ref())?
            .iter()
            .map(|file| match &self.format {
                Format::Parquet(_) => {
                    let rows = self.footer(file)?.metadata().file_metadata().num_rows();
                    Ok(rows.max(0) as u64)
                }
                Format::Record(_) => Ok(list::facts(file)?.size / ROW_BYTES),
            })
            .sum()
    }

    /// Values of the columns that the path and the file itself give.
    fn extras(&self, path: &Path) -> Result<Vec<Value>> {
        let relative = path.strip_prefix(&self.root).unwrap_or(path);
        let needs_facts = self.layout.extra.iter().any(|(e, _)| matches!(e, Extra::Metadata(_)));
        let facts = if needs_facts { Some(list::facts(path)?) } else { None };
        self.layout
            .extra
            .iter()
            .map(|(extra, ty)| match extra {
                Extra::Physical(column) => {
                    let name = &self.names[*column];
                    let text = partition::find(relative, name).ok_or_else(|| {
                        Error::data(format!(
                            "file '{}' is in no directory '{name}=...', but the table is \
                             PARTITIONED BY ({name})",
                            path.display()
                        ))
                    })?;
                    partition::parse(&text, ty, &self.default_name)
                        .map_err(|e| e.context(format!("file '{}'", path.display())))
                }
                Extra::Metadata(key) => Ok(match (key.as_str(), &facts) {
                    ("file.path", _) => Value::String(path.display().to_string()),
                    ("file.name", _) => Value::String(
                        path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                    ),
                    ("file.size", Some(f)) => Value::Int(f.size as i64),
                    ("file.modification-time", Some(f)) => Value::Timestamp(f.modified_millis),
                    _ => Value::Null,
                }),
            })
            .collect()
    }
}

/// A split being read.
struct Open {
    split: Split,
    extras: Vec<Value>,
    /// Constant columns of the longest batch so far, to be sliced.
    extra_columns: HashMap<usize, ArrayRef>,
    input: Input,
}

enum Input {
    Text {
        file: File,
        /// File position of the first byte in the buffer's unread part.
        position: u64,
        /// Unread part of the reader's buffer begins here.
        at: usize,
        ended: bool,
    },
    Parquet {
        reader: Box<ParquetReader>,
        row: u64,
    },
}

struct FileReader {
    shared: Arc<Shared>,
    subtask: usize,
    parallelism: usize,
    /// Restored splits are not dealt yet.
    undealt: bool,
    /// Splits in progress that a restore gave to this reader.
    waiting: VecDeque<Split>,
    done: Vec<Split>,
    open: Option<Open>,
    decoder: Option<Box<dyn Decoder>>,
    buffer: Vec<u8>,
}

impl FileReader {
    /// Opens the next split; `false` if there is none now.
    fn advance(&mut self) -> Result<Option<Poll>> {
        if self.undealt && !self.take_restored() {
            return Ok(Some(Poll::Pending(Duration::from_millis(2))));
        }
        let next = match self.waiting.pop_front() {
            Some(split) => Some(split),
            None => {
                let shared = Arc::clone(&self.shared);
                let mut queue = shared.queue();
                shared.refresh(&mut queue)?;
                queue.splits.pop_front()
            }
        };
        match (next, self.shared.monitor) {
            (Some(split), _) => {
                self.open = Some(self.open(split)?);
                Ok(None)
            }
            (None, Some(interval)) => {
                Ok(Some(Poll::Pending(interval.min(Duration::from_millis(100)))))
            }
            (None, None) => Ok(Some(Poll::End)),
        }
    }

    /// Takes this reader's share of the restored splits; `false` if it is not known yet.
    fn take_restored(&mut self) -> bool {
        let Some(splits) = self.shared.dealer.deal(self.subtask, self.parallelism) else {
            return false;
        };
        self.undealt = false;
        let (done, waiting): (Vec<Split>, Vec<Split>) = splits.into_iter().partition(|s| s.done);
        self.done = done;
        self.waiting = waiting.into();
        true
    }

    fn open(&mut self, mut split: Split) -> Result<Open> {
        let shared = &self.shared;
        let extras = shared.extras(&split.path)?;
        let input = match &shared.format {
            Format::Parquet(_) => {
                let row = split.position.unwrap_or(0);
                let reader = ParquetReader::open(
                    &split.path,
                    shared.footer(&split.path)?,
                    shared.pruning.is_some().then_some(split.start as usize),
                    &shared.layout.read,
                    row as usize,
                    shared.max_rows,
                )?;
                Input::Parquet { reader: Box::new(reader), row }
            }
            Format::Record(_) => {
                self.buffer.clear();
                let mut file = File::open(&split.path).map_err(|e| failed(&split.path, &e))?;
                let position = match split.position {
                    Some(p) => p,
                    None if split.start == 0 => 0,
                    None => {
                        first_record(&mut file, split.start).map_err(|e| failed(&split.path, &e))?
                    }
                };
                file.seek(SeekFrom::Start(position)).map_err(|e| failed(&split.path, &e))?;
                Input::Text { file, position, at: 0, ended: false }
            }
        };
        split.position.get_or_insert(match &input {
            Input::Text { position, .. } => *position,
            Input::Parquet { row, .. } => *row,
        });
        Ok(Open { split, extras, extra_columns: HashMap::new(), input })
    }

    /// Reads until a batch is full or the split ends.
    fn fill(&mut self) -> Result<Option<Poll>> {
        let Some(open) = &mut self.open else { return Ok(None) };
        let (columns, rows, kinds, ended) = match &mut open.input {
            Input::Parquet { reader, row } => match reader.next_batch()? {
                Some((columns, rows)) => {
                    *row += rows as u64;
                    open.split.position = Some(*row);
                    (columns, rows, None, false)
                }
                None => (Vec::new(), 0, None, true),
            },
            Input::Text { file, position, at, ended } => {
                let decoder = self
                    .decoder
                    .as_mut()
                    .ok_or_else(|| Error::internal("text split without decoder"))?;
                let mut bytes = 0;
                let end = open.split.end;
                let max_rows = self.shared.max_rows;
                while decoder.rows() < max_rows && bytes < MAX_BYTES && *position < end {
                    if *at == self.buffer.len() || bytes > 0 {
                        refill(file, &mut self.buffer, at, ended)
                            .map_err(|e| failed(&open.split.path, &e))?;
                    }
                    let unread = &self.buffer[*at..];
                    if unread.is_empty() {
                        break;
                    }
                    // Only records that begin before the end of the range are ours.
                    let ours = own_part(unread, end.saturating_sub(*position));
                    let last = *ended || ours < unread.len();
                    let used = decoder
                        .decode_stream(&unread[..ours], last, max_rows)
                        .map_err(|e| e.context(format!("file '{}'", open.split.path.display())))?;
                    *at += used;
                    *position += used as u64;
                    bytes += used;
                    if used == 0 {
                        if *ended {
                            break;
                        }
                        if unread.len() > MAX_RECORD {
                            return Err(Error::data(format!(
                                "file '{}': a record is longer than 1 GiB",
                                open.split.path.display()
                            )));
                        }
                        refill(file, &mut self.buffer, at, ended)
                            .map_err(|e| failed(&open.split.path, &e))?;
                    }
                }
                open.split.position = Some(*position);
                let exhausted = (*ended && *at == self.buffer.len()) || *position >= end;
                let decoded = decoder.finish()?;
                (decoded.columns, decoded.rows, decoded.kinds, exhausted)
            }
        };
        let batch = if rows > 0 {
            let extra = open.extra_columns(&self.shared.layout, rows)?;
            Some(self.shared.layout.batch(&columns, &extra, rows, kinds)?)
        } else {
            None
        };
        if ended && let Some(open) = self.open.take() {
            self.done.push(Split { done: true, ..open.split });
        }
        Ok(batch.map(Poll::Batch))
    }
}

impl Open {
    fn extra_columns(&mut self, layout: &Layout, rows: usize) -> Result<Vec<ArrayRef>> {
        layout
            .extra
            .iter()
            .zip(&self.extras)
            .enumerate()
            .map(|(i, ((_, ty), value))| {
                let longest = match self.extra_columns.get(&i) {
                    Some(a) if a.len() >= rows => a.clone(),
                    _ => {
                        let a = constant(value, ty, rows)?;
                        self.extra_columns.insert(i, a.clone());
                        a
                    }
                };
                Ok(longest.slice(0, rows))
            })
            .collect()
    }
}

fn failed(path: &Path, e: &std::io::Error) -> Error {
    Error::io(format!("cannot read file '{}': {e}", path.display()))
}

/// Drops the part of the buffer before `at` and reads the next chunk behind the rest.
fn refill(
    file: &mut File,
    buffer: &mut Vec<u8>,
    at: &mut usize,
    ended: &mut bool,
) -> std::io::Result<()> {
    if *ended {
        return Ok(());
    }
    buffer.drain(..*at);
    *at = 0;
    // Grows with the record, so that a very long one is not scanned again too often.
    let wanted = CHUNK.max(buffer.len()) as u64;
    let read = file.by_ref().take(wanted).read_to_end(buffer)?;
    *ended = read == 0;
    Ok(())
}

/// How many bytes of `unread` hold records that begin in the next `left` bytes.
fn own_part(unread: &[u8], left: u64) -> usize {
    let left = usize::try_from(left).unwrap_or(usize::MAX);
    if left >= unread.len() {
        return unread.len();
    }
    if left == 0 {
        return 0;
    }
    memchr::memchr(b'\n', &unread[left - 1..]).map_or(unread.len(), |i| left + i)
}

/// Position of the first record that begins at or after `start`.
fn first_record(file: &mut File, start: u64) -> std::io::Result<u64> {
    let mut position = start - 1;
    file.seek(SeekFrom::Start(position))?;
    let mut chunk = vec![0u8; 64 << 10];
    loop {
        let n = file.read(&mut chunk)?;
        if n == 0 {
            return Ok(position);
        }
        if let Some(i) = memchr::memchr(b'\n', &chunk[..n]) {
            return Ok(position + i as u64 + 1);
        }
        position += n as u64;
    }
}

impl SourceReader for FileReader {
    fn poll(&mut self) -> Result<Poll> {
        let begun = Instant::now();
        loop {
            if self.open.is_none()
                && let Some(answer) = self.advance()?
            {
                return Ok(answer);
            }
            if let Some(batch) = self.fill()? {
                return Ok(batch);
            }
            // Many empty files or much skipped text: give the worker a turn.
            if begun.elapsed() > Duration::from_millis(5) {
                return Ok(Poll::Pending(Duration::ZERO));
            }
        }
    }

    fn position(&mut self) -> Result<Vec<Vec<u8>>> {
        let open = self.open.iter().map(|o| &o.split);
        restore::encode(open.chain(&self.waiting).chain(&self.done))
    }

    fn restore(&mut self, splits: Vec<Vec<u8>>) -> Result<()> {
        self.waiting = self.shared.dealer.hand_in(self.subtask, &splits)?.into();
        self.undealt = true;
        Ok(())
    }
}
