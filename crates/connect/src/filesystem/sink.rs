//! Writing: part files with hidden names that a commit renames.
//!
//! A finished file is renamed by the commit of its epoch; renaming twice changes nothing,
//! which makes the commit idempotent. Columnar files are finished at every checkpoint. Text
//! files of a job with durable checkpoints go on until the rolling policy ends them: the
//! checkpoint then holds their length, and a recovery cuts them there and publishes them.
//!
//! Hidden names begin with a hash of job and sink, so that a recovery knows what earlier
//! runs of the job left behind, and removes it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;
use serde::{Deserialize, Serialize};
use weir_core::{ChangeBatch, DataType, Error, Result, Schema};
use weir_spec::{ChangelogMode, SinkSpec};

use super::commit::{CommitPolicy, Pending, Progress};
use super::{list, partition};
use crate::api::{Committer, Sink, SinkIdentity, SinkWriter};
use crate::format::parquet::ParquetWriter;
use crate::format::{Encoder, Format, from_options};
use crate::options;

/// Settings of one sink.
#[derive(Clone)]
struct Settings {
    root: PathBuf,
    format: Format,
    /// Columns in the files.
    data: Vec<usize>,
    data_schema: Schema,
    /// Partition columns: position, name, type.
    partitions: Vec<(usize, String, DataType)>,
    default_name: String,
    file_size: u64,
    rollover: Duration,
    inactivity: Duration,
    check_interval: Duration,
    overwrite: bool,
    static_partition: Vec<(String, String)>,
    policy: Option<CommitPolicy>,
    parallelism: Option<usize>,
    /// Beginning of the names of part files: `part-` and a hash of job and sink.
    prefix: String,
    /// Checkpoints are durable: text files may outlive one.
    durable: bool,
    shared: Arc<Mutex<Shared>>,
}

/// What writers and committer of a sink share.
#[derive(Default)]
struct Shared {
    /// Partitions that are not announced yet.
    pending: Pending,
    /// INSERT OVERWRITE has removed what it replaces.
    cleared: bool,
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(|e| e.into_inner())
}

fn prefix(identity: &SinkIdentity) -> String {
    format!("part-{:016x}", weir_core::keys::hash_key(identity.name().as_bytes()))
}

fn now_millis() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_millis() as i64
}

/// A directory that is written.
pub(super) struct FileSink {
    settings: Settings,
    mode: ChangelogMode,
}

impl FileSink {
    pub(super) fn new(spec: &SinkSpec, schema: &Schema) -> Result<Self> {
        let o = &spec.table.options;
        let format = from_options(o, "format")?;
        if let Some(key) = spec.metadata_keys.first() {
            return Err(Error::validation(format!(
                "metadata column '{key}' of connector 'filesystem' cannot be written"
            ))
            .hint("declare it VIRTUAL"));
        }
        let partition_keys = &spec.table.partition_keys;
        let data: Vec<usize> =
            (0..spec.table.physical.len()).filter(|i| !partition_keys.contains(i)).collect();
        let data_schema = schema.project(&data);
        let mode = match &format {
            Format::Record(f) => {
                f.encoder(&data_schema)?;
                f.write_mode()
            }
            Format::Parquet(_) => ChangelogMode::INSERT_ONLY,
        };
        if data.is_empty() {
            return Err(Error::validation(format!(
                "table {} has partition columns only, a file needs at least one other column",
                spec.table.identifier
            )));
        }
        let partition_names: Vec<String> =
            partition_keys.iter().map(|&i| schema.fields[i].name.clone()).collect();
        let duration = |key: &str, minutes: u64| -> Result<Duration> {
            Ok(o.duration_opt(key)?.unwrap_or(Duration::from_secs(minutes * 60)))
        };
        let settings = Settings {
            root: super::root(o)?,
            format,
            partitions: partition_keys
                .iter()
                .map(|&i| (i, schema.fields[i].name.clone(), schema.fields[i].ty.clone()))
                .collect(),
            data,
            data_schema,
            default_name: o
                .get("partition.default-name")
                .unwrap_or(partition::DEFAULT_NAME)
                .to_owned(),
            file_size: o.memory_opt("sink.rolling-policy.file-size")?.unwrap_or(128 << 20),
            rollover: duration("sink.rolling-policy.rollover-interval", 30)?,
            inactivity: duration("sink.rolling-policy.inactivity-interval", 30)?,
            check_interval: duration("sink.rolling-policy.check-interval", 1)?,
            overwrite: spec.overwrite,
            static_partition: spec.static_partition.clone(),
            policy: CommitPolicy::new(o, &partition_names)?,
            parallelism: options::parallelism(o, "sink.parallelism")?,
            prefix: prefix(&SinkIdentity::ephemeral()),
            durable: false,
            shared: Arc::default(),
        };
        if settings.root.is_file() {
            return Err(Error::option(format!(
                "option 'path': '{}' is a file, a sink needs a directory",
                settings.root.display()
            )));
        }
        Ok(Self { settings, mode })
    }
}

impl Sink for FileSink {
    fn identify(&mut self, identity: SinkIdentity) {
        self.settings.prefix = prefix(&identity);
        self.settings.durable = identity.durable;
    }

    fn changelog_mode(&self) -> ChangelogMode {
        self.mode
    }

    fn writer(&self, subtask: usize, _parallelism: usize) -> Result<Box<dyn SinkWriter>> {
        let encoder = match &self.settings.format {
            Format::Record(f) => Some(f.encoder(&self.settings.data_schema)?),
            Format::Parquet(_) => None,
        };
        Ok(Box::new(FileWriter {
            settings: self.settings.clone(),
            encoder,
            // Another run of the job never makes the same name.
            prefix: format!(
                "{}-{:08x}-{subtask}",
                self.settings.prefix,
                uuid::Uuid::new_v4().as_fields().0
            ),
            subtask,
            watermark: i64::MIN,
            ended: false,
            checked: Instant::now(),
            touched: Pending::new(),
            counter: 0,
            open: HashMap::new(),
            closed: Vec::new(),
            bytes: Vec::new(),
            ends: Vec::new(),
        }))
    }

    fn committer(&self) -> Result<Option<Box<dyn Committer>>> {
        Ok(Some(Box::new(FileCommitter { settings: self.settings.clone() })))
    }

    fn max_parallelism(&self) -> Option<usize> {
        self.settings.parallelism
    }
}

/// A part file at a barrier.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct PartFile {
    hidden: PathBuf,
    visible: PathBuf,
    /// Bytes that belong to the epoch or earlier ones.
    length: u64,
    /// No more rows come; the commit renames it.
    finished: bool,
}

#[derive(Debug, Serialize, Deserialize)]
enum Committable {
    Part(PartFile),
    Progress(Progress),
}

fn encode(c: &Committable) -> Result<Vec<u8>> {
    serde_json::to_vec(c).map_err(|e| Error::internal(e.to_string()))
}

fn decode(committables: &[Vec<u8>]) -> Result<(Vec<PartFile>, Vec<Progress>)> {
    let (mut parts, mut progress) = (Vec::new(), Vec::new());
    for bytes in committables {
        match serde_json::from_slice(bytes)
            .map_err(|e| Error::data(format!("cannot read a file committable: {e}")))?
        {
            Committable::Part(p) => parts.push(p),
            Committable::Progress(p) => progress.push(p),
        }
    }
    Ok((parts, progress))
}

/// Each file once, as it was last: a checkpoint also holds what was prepared for one
/// before it that was given up.
fn newest(parts: Vec<PartFile>) -> Vec<PartFile> {
    let mut newest: BTreeMap<PathBuf, PartFile> = BTreeMap::new();
    for part in parts {
        let known = newest.entry(part.hidden.clone()).or_insert_with(|| part.clone());
        known.finished |= part.finished;
        known.length = known.length.max(part.length);
    }
    newest.into_values().collect()
}

enum Output {
    Text(BufWriter<File>, u64),
    Parquet(Box<ParquetWriter<BufWriter<File>>>),
}

struct Part {
    output: Output,
    files: PartFile,
    created: Instant,
    written: Instant,
}

impl Part {
    fn size(&self) -> u64 {
        match &self.output {
            Output::Text(_, size) => *size,
            Output::Parquet(w) => w.size() as u64,
        }
    }
}

struct FileWriter {
    settings: Settings,
    encoder: Option<Box<dyn Encoder>>,
    prefix: String,
    counter: u64,
    subtask: usize,
    watermark: i64,
    ended: bool,
    /// When the rolling policy last looked at the open files.
    checked: Instant,
    /// Partitions with rows since the last barrier.
    touched: Pending,
    /// Open files by partition directory (empty = no partitions).
    open: HashMap<String, Part>,
    closed: Vec<PartFile>,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

fn failed(path: &Path, e: &std::io::Error) -> Error {
    Error::io(format!("cannot write '{}': {e}", path.display()))
}

impl FileWriter {
    fn start(&mut self, directory: &str) -> Result<Part> {
        let dir = self.settings.root.join(directory);
        fs::create_dir_all(&dir).map_err(|e| failed(&dir, &e))?;
        let name = format!("{}-{}", self.prefix, self.counter);
        self.counter += 1;
        let files = PartFile {
            hidden: dir.join(format!(".{name}.inprogress")),
            visible: dir.join(name),
            length: 0,
            finished: false,
        };
        let file = File::create(&files.hidden).map_err(|e| failed(&files.hidden, &e))?;
        let buffered = BufWriter::with_capacity(256 << 10, file);
        let output = match &self.settings.format {
            Format::Record(_) => Output::Text(buffered, 0),
            Format::Parquet(options) => Output::Parquet(Box::new(ParquetWriter::new(
                buffered,
                &self.settings.data_schema,
                options,
            )?)),
        };
        let now = Instant::now();
        Ok(Part { output, files, created: now, written: now })
    }

    fn append(
        &mut self,
        directory: &str,
        columns: Vec<ArrayRef>,
        rows: usize,
        kinds: Option<&[u8]>,
    ) -> Result<()> {
        let mut part = match self.open.remove(directory) {
            Some(part) => part,
            None => self.start(directory)?,
        };
        part.written = Instant::now();
        if self.settings.policy.is_some() {
            self.touched.entry(directory.to_owned()).or_insert_with(now_millis);
        }
        match &mut part.output {
            Output::Parquet(w) => w.write(columns)?,
            Output::Text(out, size) => {
                let encoder = self
                    .encoder
                    .as_mut()
                    .ok_or_else(|| Error::internal("text file without encoder"))?;
                self.bytes.clear();
                self.ends.clear();
                encoder.encode(&columns, rows, kinds, &mut self.bytes, &mut self.ends)?;
                let delimiter = encoder.delimiter();
                let mut from = 0;
                for &end in &self.ends {
                    out.write_all(&self.bytes[from..end])
                        .and_then(|()| out.write_all(delimiter))
                        .map_err(|e| failed(&part.files.hidden, &e))?;
                    *size += (end - from + delimiter.len()) as u64;
                    from = end;
                }
            }
        }
        if part.size() >= self.settings.file_size {
            return self.close(part);
        }
        self.open.insert(directory.to_owned(), part);
        Ok(())
    }

    fn close(&mut self, mut part: Part) -> Result<()> {
        let path = part.files.hidden.clone();
        let buffered = match part.output {
            Output::Text(out, _) => out,
            Output::Parquet(w) => w.close()?,
        };
        buffered
            .into_inner()
            .map_err(|e| e.into_error())
            .and_then(|file| {
                part.files.length = file.metadata()?.len();
                file.sync_data()
            })
            .map_err(|e| failed(&path, &e))?;
        part.files.finished = true;
        self.closed.push(part.files);
        Ok(())
    }

    fn close_where(&mut self, over: impl Fn(&Settings, &str, &Part) -> Result<bool>) -> Result<()> {
        let mut directories = Vec::new();
        for (directory, part) in &self.open {
            if over(&self.settings, directory, part)? {
                directories.push(directory.clone());
            }
        }
        for directory in directories {
            if let Some(part) = self.open.remove(&directory) {
                self.close(part)?;
            }
        }
        Ok(())
    }

    /// What stays open over a checkpoint is written out, and its length is recorded.
    fn keep_open(&mut self) -> Result<Vec<PartFile>> {
        let mut out = Vec::new();
        for part in self.open.values_mut() {
            let Output::Text(file, size) = &mut part.output else { continue };
            file.flush()
                .and_then(|()| file.get_ref().sync_data())
                .map_err(|e| failed(&part.files.hidden, &e))?;
            out.push(PartFile { length: *size, finished: false, ..part.files.clone() });
        }
        Ok(out)
    }

    /// Ends files that are too old or have had no rows for too long, now and then.
    fn roll(&mut self) -> Result<()> {
        if self.checked.elapsed() < self.settings.check_interval {
            return Ok(());
        }
        self.checked = Instant::now();
        self.close_where(|s, _, part| {
            Ok(part.created.elapsed() >= s.rollover || part.written.elapsed() >= s.inactivity)
        })
    }

    /// Row positions per partition directory, in order of first appearance.
    fn directories(&self, batch: &ChangeBatch) -> Result<Vec<(String, Vec<u32>)>> {
        let mut order: Vec<(String, Vec<u32>)> = Vec::new();
        let mut known: HashMap<String, usize> = HashMap::new();
        let mut name = String::new();
        for row in 0..batch.len() {
            name.clear();
            for (i, (column, key, ty)) in self.settings.partitions.iter().enumerate() {
                if i > 0 {
                    name.push('/');
                }
                name.push_str(&partition::escape(key));
                name.push('=');
                let array = batch.column(*column);
                name.push_str(&partition::format(array, row, ty, &self.settings.default_name)?);
            }
            match known.get(&name) {
                Some(&i) => order[i].1.push(row as u32),
                None => {
                    known.insert(name.clone(), order.len());
                    order.push((name.clone(), vec![row as u32]));
                }
            }
        }
        Ok(order)
    }
}

impl SinkWriter for FileWriter {
    fn write(&mut self, batch: &ChangeBatch) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let data: Vec<ArrayRef> =
            self.settings.data.iter().map(|&i| batch.column(i).clone()).collect();
        if self.settings.partitions.is_empty() {
            self.append("", data, batch.len(), batch.kind_bytes())?;
            return self.roll();
        }
        for (directory, rows) in self.directories(batch)? {
            let kinds: Option<Vec<u8>> =
                batch.kind_bytes().map(|k| rows.iter().map(|&r| k[r as usize]).collect());
            let count = rows.len();
            let indices = UInt32Array::from(rows);
            let columns =
                data.iter().map(|c| Ok(take(c, &indices, None)?)).collect::<Result<Vec<_>>>()?;
            self.append(&directory, columns, count, kinds.as_deref())?;
        }
        self.roll()
    }

    fn watermark(&mut self, millis: i64) -> Result<()> {
        self.watermark = millis;
        Ok(())
    }

    fn end_of_input(&mut self) -> Result<()> {
        self.ended = true;
        Ok(())
    }

    fn next_timer(&self) -> Option<i64> {
        let left = self.settings.check_interval.saturating_sub(self.checked.elapsed());
        (!self.open.is_empty()).then(|| now_millis() + left.as_millis() as i64)
    }

    fn on_timer(&mut self, _now: i64) -> Result<()> {
        self.roll()
    }

    fn prepare_commit(&mut self, _epoch: u64) -> Result<Vec<Vec<u8>>> {
        let now = now_millis();
        let text = matches!(self.settings.format, Format::Record(_));
        if self.ended || !text || !self.settings.durable {
            self.close_where(|_, _, _| Ok(true))?;
        } else {
            // A partition is announced with all of its files.
            let known = lock(&self.settings.shared).pending.clone();
            let (touched, watermark) = (self.touched.clone(), self.watermark);
            self.close_where(|s, directory, _| {
                let created = known.get(directory).or(touched.get(directory));
                match &s.policy {
                    Some(p) => p.is_due(directory, created.copied().unwrap_or(now), now, watermark),
                    None => Ok(false),
                }
            })?;
        }
        let open = self.keep_open()?;
        let mut out = self
            .closed
            .drain(..)
            .chain(open)
            .map(|p| encode(&Committable::Part(p)))
            .collect::<Result<Vec<_>>>()?;
        if self.settings.policy.is_some() || self.settings.overwrite {
            let mut pending = std::mem::take(&mut self.touched);
            let shared = lock(&self.settings.shared);
            if self.subtask == 0 {
                pending.extend(shared.pending.iter().map(|(d, t)| (d.clone(), *t)));
            }
            let progress = Progress {
                pending,
                watermark: self.watermark,
                now,
                ended: self.ended,
                cleared: shared.cleared,
            };
            out.push(encode(&Committable::Progress(progress))?);
        }
        Ok(out)
    }
}

impl Drop for FileWriter {
    /// Files that no checkpoint took over are of no use. Where checkpoints are durable, a
    /// later run decides what is.
    fn drop(&mut self) {
        if self.settings.durable {
            return;
        }
        for (_, part) in self.open.drain() {
            let _ = fs::remove_file(&part.files.hidden);
        }
        for files in self.closed.drain(..) {
            let _ = fs::remove_file(&files.hidden);
        }
    }
}

struct FileCommitter {
    settings: Settings,
}

impl FileCommitter {
    /// INSERT OVERWRITE: removes what was visible before. Partitioned tables lose only
    /// the partitions that are written, or the static partition.
    fn clear(&mut self, new: &[PartFile]) -> Result<()> {
        let s = &self.settings;
        if !s.overwrite || lock(&s.shared).cleared {
            return Ok(());
        }
        let mut targets: BTreeSet<PathBuf> = BTreeSet::new();
        let all_static = s.static_partition.len() == s.partitions.len();
        if s.partitions.is_empty() || all_static {
            let mut dir = s.root.clone();
            for (_, name, _) in &s.partitions {
                if let Some((k, v)) = s.static_partition.iter().find(|(k, _)| k == name) {
                    dir.push(format!("{}={}", partition::escape(k), partition::escape(v)));
                }
            }
            targets.insert(dir);
        }
        targets.extend(new.iter().filter_map(|c| c.visible.parent().map(Path::to_path_buf)));
        let fresh: BTreeSet<&PathBuf> = new.iter().map(|c| &c.visible).collect();
        for dir in targets.iter().filter(|d| d.is_dir()) {
            for file in list::files(dir, None)? {
                if !fresh.contains(&file) {
                    fs::remove_file(&file).map_err(|e| failed(&file, &e))?;
                }
            }
        }
        lock(&s.shared).cleared = true;
        Ok(())
    }

    /// Gives finished files their names.
    fn publish(&self, parts: &[PartFile]) -> Result<()> {
        let mut directories = BTreeSet::new();
        for part in parts.iter().filter(|p| p.finished) {
            match fs::rename(&part.hidden, &part.visible) {
                Ok(()) => {}
                // Committed before.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound && part.visible.exists() => {}
                Err(e) => return Err(failed(&part.visible, &e)),
            }
            directories.extend(part.visible.parent().map(Path::to_path_buf));
        }
        // Makes the renames durable.
        for dir in &directories {
            File::open(dir).and_then(|d| d.sync_all()).map_err(|e| failed(dir, &e))?;
        }
        Ok(())
    }

    /// Announces the partitions that are complete.
    fn announce(&self, progress: Vec<Progress>) -> Result<()> {
        let s = &self.settings;
        let Some(policy) = &s.policy else { return Ok(()) };
        let due = {
            let mut shared = lock(&s.shared);
            for (directory, created) in progress.iter().flat_map(|p| &p.pending) {
                let known = shared.pending.entry(directory.clone()).or_insert(*created);
                *known = (*known).min(*created);
            }
            policy.take_due(&mut shared.pending, &progress)?
        };
        for directory in due {
            let path = s.root.join(directory).join(&policy.success_file);
            File::create(&path).map_err(|e| failed(&path, &e))?;
        }
        Ok(())
    }

    /// Cuts the files that were open at the checkpoint to what belongs to it.
    fn cut(parts: &mut [PartFile]) -> Result<()> {
        for part in parts {
            match File::options().write(true).open(&part.hidden) {
                Ok(file) => {
                    let length = file.metadata().map_err(|e| failed(&part.hidden, &e))?.len();
                    if length < part.length {
                        return Err(Error::data(format!(
                            "file '{}' has {length} bytes, the checkpoint counts {}",
                            part.hidden.display(),
                            part.length
                        )));
                    }
                    file.set_len(part.length)
                        .and_then(|()| file.sync_data())
                        .map_err(|e| failed(&part.hidden, &e))?;
                }
                Err(e) if e.kind() == std::io::ErrorKind::NotFound && part.visible.exists() => {}
                Err(e) => return Err(failed(&part.hidden, &e)),
            }
            part.finished = true;
        }
        Ok(())
    }

    /// Removes the hidden files that earlier runs left.
    fn sweep(&self) -> Result<()> {
        let root = &self.settings.root;
        if root.is_dir() { sweep(root, &format!(".{}-", self.settings.prefix)) } else { Ok(()) }
    }
}

fn sweep(dir: &Path, prefix: &str) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(|e| failed(dir, &e))? {
        let entry = entry.map_err(|e| failed(dir, &e))?;
        let kind = entry.file_type().map_err(|e| failed(dir, &e))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if kind.is_dir() {
            sweep(&entry.path(), prefix)?;
        } else if name.starts_with(prefix) && name.ends_with(".inprogress") {
            fs::remove_file(entry.path()).map_err(|e| failed(&entry.path(), &e))?;
        }
    }
    Ok(())
}

impl Committer for FileCommitter {
    fn commit(&mut self, _epoch: u64, committables: Vec<Vec<u8>>) -> Result<()> {
        let (parts, progress) = decode(&committables)?;
        if progress.iter().any(|p| p.cleared) {
            lock(&self.settings.shared).cleared = true;
        }
        self.clear(&parts)?;
        if parts.is_empty() && !self.settings.root.exists() {
            let root = &self.settings.root;
            fs::create_dir_all(root).map_err(|e| failed(root, &e))?;
        }
        self.publish(&parts)?;
        self.announce(progress)
    }

    fn recover(&mut self, restored: Option<(u64, Vec<Vec<u8>>)>) -> Result<()> {
        if let Some((_, committables)) = restored {
            let (parts, progress) = decode(&committables)?;
            let mut parts = newest(parts);
            if progress.iter().any(|p| p.cleared) {
                lock(&self.settings.shared).cleared = true;
            }
            Self::cut(&mut parts)?;
            self.clear(&parts)?;
            self.publish(&parts)?;
            self.announce(progress)?;
        }
        self.sweep()
    }
}
