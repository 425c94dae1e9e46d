//! Writing: part files with hidden names that a commit renames.
//!
//! Every checkpoint closes the open files, so a part file belongs to one epoch. The
//! committable of a file is its hidden and its final path; renaming twice changes
//! nothing, which makes the commit idempotent.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;
use serde::{Deserialize, Serialize};
use weir_core::config::bad_value;
use weir_core::{ChangeBatch, DataType, Error, Result, Schema};
use weir_spec::{ChangelogMode, SinkSpec};

use super::{list, partition};
use crate::api::{Committer, Sink, SinkWriter};
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
    overwrite: bool,
    static_partition: Vec<(String, String)>,
    success_file: Option<String>,
    parallelism: Option<usize>,
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
        // Part files are rolled at every checkpoint and checked at every batch.
        o.duration_opt("sink.rolling-policy.check-interval")?;
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
            overwrite: spec.overwrite,
            static_partition: spec.static_partition.clone(),
            success_file: success_file(o)?,
            parallelism: options::parallelism(o, "sink.parallelism")?,
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

/// The partition commit policy: only `success-file` at once is known.
fn success_file(o: &weir_core::Options) -> Result<Option<String>> {
    let name = o.get("sink.partition-commit.success-file.name").unwrap_or("_SUCCESS").to_owned();
    match o.get("sink.partition-commit.trigger") {
        None | Some("process-time") => {}
        Some(v) => {
            return Err(Error::unsupported(format!("'sink.partition-commit.trigger' = '{v}'"))
                .hint("use 'process-time'"));
        }
    }
    if o.duration_opt("sink.partition-commit.delay")?.is_some_and(|d| !d.is_zero()) {
        return Err(Error::unsupported("'sink.partition-commit.delay' above 0"));
    }
    match o.get("sink.partition-commit.policy.kind") {
        None => Ok(None),
        Some("success-file") => Ok(Some(name)),
        Some(v) => Err(bad_value("sink.partition-commit.policy.kind", v, "'success-file'")),
    }
}

impl Sink for FileSink {
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
            prefix: format!("part-{}-{subtask}", uuid::Uuid::new_v4()),
            counter: 0,
            open: HashMap::new(),
            closed: Vec::new(),
            bytes: Vec::new(),
            ends: Vec::new(),
        }))
    }

    fn committer(&self) -> Result<Option<Box<dyn Committer>>> {
        Ok(Some(Box::new(FileCommitter { settings: self.settings.clone(), cleared: false })))
    }

    fn max_parallelism(&self) -> Option<usize> {
        self.settings.parallelism
    }
}

/// A finished part file.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Committable {
    hidden: PathBuf,
    visible: PathBuf,
}

enum Output {
    Text(BufWriter<File>, u64),
    Parquet(Box<ParquetWriter<BufWriter<File>>>),
}

struct Part {
    output: Output,
    files: Committable,
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
    /// Open files by partition directory (empty = no partitions).
    open: HashMap<String, Part>,
    closed: Vec<Committable>,
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
        let files = Committable {
            hidden: dir.join(format!(".{name}.inprogress")),
            visible: dir.join(name),
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
        if part.size() >= self.settings.file_size
            || part.created.elapsed() >= self.settings.rollover
        {
            return self.close(part);
        }
        self.open.insert(directory.to_owned(), part);
        Ok(())
    }

    fn close(&mut self, part: Part) -> Result<()> {
        let path = part.files.hidden.clone();
        let buffered = match part.output {
            Output::Text(out, _) => out,
            Output::Parquet(w) => w.close()?,
        };
        buffered
            .into_inner()
            .map_err(|e| e.into_error())
            .and_then(|file| file.sync_data())
            .map_err(|e| failed(&path, &e))?;
        self.closed.push(part.files);
        Ok(())
    }

    fn close_idle(&mut self) -> Result<()> {
        let idle: Vec<String> = self
            .open
            .iter()
            .filter(|(_, p)| p.written.elapsed() >= self.settings.inactivity)
            .map(|(d, _)| d.clone())
            .collect();
        for directory in idle {
            if let Some(part) = self.open.remove(&directory) {
                self.close(part)?;
            }
        }
        Ok(())
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
            return self.close_idle();
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
        self.close_idle()
    }

    fn prepare_commit(&mut self, _epoch: u64) -> Result<Vec<Vec<u8>>> {
        for (_, part) in std::mem::take(&mut self.open) {
            self.close(part)?;
        }
        std::mem::take(&mut self.closed)
            .iter()
            .map(|c| serde_json::to_vec(c).map_err(|e| Error::internal(e.to_string())))
            .collect()
    }
}

impl Drop for FileWriter {
    /// Files that no checkpoint took over are of no use.
    fn drop(&mut self) {
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
    cleared: bool,
}

impl FileCommitter {
    /// INSERT OVERWRITE: removes what was visible before. Partitioned tables lose only
    /// the partitions that are written, or the static partition.
    fn clear(&mut self, new: &[Committable]) -> Result<()> {
        let s = &self.settings;
        if self.cleared || !s.overwrite {
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
        self.cleared = true;
        Ok(())
    }
}

impl Committer for FileCommitter {
    fn commit(&mut self, _epoch: u64, committables: Vec<Vec<u8>>) -> Result<()> {
        let parts = committables
            .iter()
            .map(|c| {
                serde_json::from_slice(c)
                    .map_err(|e| Error::data(format!("cannot read a file committable: {e}")))
            })
            .collect::<Result<Vec<Committable>>>()?;
        self.clear(&parts)?;
        if parts.is_empty() && !self.settings.root.exists() {
            let root = &self.settings.root;
            fs::create_dir_all(root).map_err(|e| failed(root, &e))?;
        }
        let mut directories = BTreeSet::new();
        for part in &parts {
            match fs::rename(&part.hidden, &part.visible) {
                Ok(()) => {}
                // Committed before.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound && part.visible.exists() => {}
                Err(e) => return Err(failed(&part.visible, &e)),
            }
            directories.extend(part.visible.parent().map(Path::to_path_buf));
        }
        for dir in &directories {
            if let Some(name) = &self.settings.success_file {
                let path = dir.join(name);
                File::create(&path).map_err(|e| failed(&path, &e))?;
            }
            // Makes the renames durable.
            File::open(dir).and_then(|d| d.sync_all()).map_err(|e| failed(dir, &e))?;
        }
        Ok(())
    }
}
