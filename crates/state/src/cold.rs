//! What does not fit in memory: the rows of keyed tables in an LSM tree on local disk.
//!
//! One database per process, one keyspace per table instance. A record's key is the key
//! group (u16, big-endian), the hash (u64, big-endian) and the key bytes, so that a key
//! group is one range in the order of runs; its value is the entries of the key, as
//! [`crate::run::Entries`] encodes them. Records are written by sorted ingestion, without
//! a journal: the database is scratch space, what lasts is in checkpoints.
//!
//! Changes that leave memory between two seals are also written to a *pending* file, as
//! runs, because the next delta has to hold them.
//!
//! Where to look next: [`crate::table`] decides what goes and comes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{Cursor, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use fjall::config::{
    BloomConstructionPolicy, CompressionPolicy, FilterPolicy, FilterPolicyEntry, HashRatioPolicy,
};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, Readable, Snapshot};
use weir_core::{Error, Result};

use crate::run::{MergeRules, Run, RunSource, RunWriter, merge_runs};

mod timers;

pub use timers::ColdTimers;

/// Start of the names of databases; the process number follows.
const PREFIX: &str = "weir-state-";

/// The database of the process.
pub struct ColdStore {
    database: Database,
    folder: PathBuf,
    /// Keyspaces handed out, and pending files made.
    names: AtomicU64,
}

impl fmt::Debug for ColdStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ColdStore").field("folder", &self.folder).finish_non_exhaustive()
    }
}

fn failed(e: fjall::Error) -> Error {
    Error::io(format!("state on local disk: {e}")).hint("see 'io.tmp.dirs' and its free space")
}

impl ColdStore {
    /// Opens an empty database below `parent`; [`ColdStore::remove`] takes it away. What
    /// processes that were killed have left there is removed. `memory` is the budget of
    /// the process in bytes, of which the block cache takes a sixteenth.
    ///
    /// # Errors
    ///
    /// The folder cannot be written.
    pub fn open(parent: &Path, memory: u64) -> Result<Self> {
        std::fs::create_dir_all(parent)?;
        remove_abandoned(parent)?;
        let folder = parent.join(format!("{PREFIX}{}", std::process::id()));
        let database = Database::builder(&folder)
            .cache_size((memory / 16).clamp(4 << 20, 512 << 20))
            .worker_threads(1)
            .manual_journal_persist(true)
            .temporary(true)
            .open()
            .map_err(failed)?;
        Ok(Self { database, folder, names: AtomicU64::new(0) })
    }

    /// Removes the files; for the end of the process.
    pub fn remove(&self) {
        // What is left is removed by the next process that needs the folder.
        let _ = std::fs::remove_dir_all(&self.folder);
    }

    /// An empty place for rows.
    pub fn table(&self) -> Result<Cold> {
        let name = format!("t{}", self.names.fetch_add(1, Relaxed));
        Ok(Cold {
            database: self.database.clone(),
            keyspace: open_keyspace(&self.database, &name)?,
            name,
            folder: self.folder.clone(),
            groups: BTreeSet::new(),
            pending: Vec::new(),
            record: Vec::new(),
        })
    }
}

fn open_keyspace(database: &Database, name: &str) -> Result<Keyspace> {
    let options = || {
        KeyspaceCreateOptions::default()
            .manual_journal_persist(true)
            .max_memtable_size(1 << 20)
            .data_block_hash_ratio_policy(HashRatioPolicy::all(0.75))
            .data_block_compression_policy(CompressionPolicy::disabled())
            .filter_policy(FilterPolicy::all(FilterPolicyEntry::Bloom(
                BloomConstructionPolicy::BitsPerKey(10.0),
            )))
    };
    database.keyspace(name, options).map_err(failed)
}

/// Removes the databases of processes that are gone.
fn remove_abandoned(parent: &Path) -> Result<()> {
    for entry in std::fs::read_dir(parent)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|n| n.strip_prefix(PREFIX)) else { continue };
        if pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists() {
            // Another process may be at it as well.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

/// Key group, hash and key bytes of a record.
pub type Place<'a> = (u32, u64, &'a [u8]);

/// Takes a record: its place and its entries, `None` if it is gone.
pub type Put<'a> = &'a mut dyn FnMut(Place<'_>, Option<&[u8]>) -> Result<()>;

/// The part of a keyed table that is not in memory.
pub struct Cold {
    database: Database,
    keyspace: Keyspace,
    name: String,
    folder: PathBuf,
    /// Key groups that have records.
    groups: BTreeSet<u32>,
    pending: Vec<Arc<Pending>>,
    record: Vec<u8>,
}

impl fmt::Debug for Cold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cold").field("pending", &self.pending.len()).finish_non_exhaustive()
    }
}

impl Drop for Cold {
    fn drop(&mut self) {
        // The database goes with the process in any case.
        let _ = self.database.delete_keyspace(self.keyspace.clone());
    }
}

fn encode(out: &mut Vec<u8>, (group, hash, key): Place<'_>) {
    out.clear();
    out.extend_from_slice(&(group as u16).to_be_bytes());
    out.extend_from_slice(&hash.to_be_bytes());
    out.extend_from_slice(key);
}

impl Cold {
    /// An empty place for the timers of the table.
    pub fn timers(&self) -> Result<ColdTimers> {
        let keyspace = open_keyspace(&self.database, &format!("{}-timers", self.name))?;
        Ok(ColdTimers::new(self.database.clone(), keyspace))
    }

    /// The encoded entries of a key.
    pub fn get(&mut self, place: Place<'_>) -> Result<Option<impl AsRef<[u8]> + use<>>> {
        encode(&mut self.record, place);
        self.keyspace.get(&self.record).map_err(failed)
    }

    /// Calls `each` with hash, key and entries of the records of a key group.
    pub fn scan(
        &self,
        group: u32,
        mut each: impl FnMut(u64, &[u8], &[u8]) -> Result<()>,
    ) -> Result<()> {
        for record in self.keyspace.prefix((group as u16).to_be_bytes()) {
            let (place, entries) = record.into_inner().map_err(failed)?;
            let Some((front, key)) = place.split_at_checked(10) else { continue };
            let hash = u64::from_be_bytes(front[2..].try_into().unwrap_or_default());
            each(hash, key, &entries)?;
        }
        Ok(())
    }

    /// Writes the records that `fill` puts, in the order of their places, and makes them
    /// visible at once; a record without entries is gone.
    pub fn write(&mut self, fill: impl FnOnce(Put<'_>) -> Result<()>) -> Result<()> {
        let mut ingestion = self.keyspace.start_ingestion().map_err(failed)?;
        let (groups, record) = (&mut self.groups, &mut self.record);
        fill(&mut |place: Place<'_>, entries: Option<&[u8]>| {
            encode(record, place);
            match entries {
                Some(entries) => {
                    groups.insert(place.0);
                    ingestion.write(record.as_slice(), entries)
                }
                None => ingestion.write_tombstone(record.as_slice()),
            }
            .map_err(failed)
        })?;
        ingestion.finish().map_err(failed)
    }

    /// Keeps runs (by key group) for the next delta.
    pub fn keep(&mut self, runs: &BTreeMap<u32, Vec<u8>>) -> Result<()> {
        if !runs.is_empty() {
            self.pending.push(Arc::new(Pending::write(&self.folder, runs)?));
        }
        Ok(())
    }

    /// Key groups that may have records.
    pub fn groups(&self) -> impl Iterator<Item = u32> + '_ {
        self.groups.iter().copied()
    }

    /// Key groups that have pending changes.
    pub fn pending_groups(&self) -> BTreeSet<u32> {
        self.pending.iter().flat_map(|p| p.groups.keys().copied()).collect()
    }

    /// The pending changes of a key group with those in memory on top.
    pub fn changes(&self, group: u32, newest: Option<Run>) -> Run {
        let pending =
            self.pending.iter().filter(|p| p.groups.contains_key(&group)).cloned().collect();
        Run::Stream(Arc::new(Changes { group, pending, newest }))
    }

    /// Everything as it is now, for [`Cold::whole`].
    pub fn snapshot(&self) -> Snapshot {
        self.database.snapshot()
    }

    /// All records of a key group in a snapshot, with those in memory on top.
    pub fn whole(&self, snapshot: &Snapshot, group: u32, newest: Option<Run>) -> Run {
        let (snapshot, keyspace) = (snapshot.clone(), self.keyspace.clone());
        Run::Stream(Arc::new(Whole { snapshot, keyspace, group, newest }))
    }

    /// The pending changes have been sealed.
    pub fn sealed(&mut self) {
        self.pending.clear();
    }
}

/// Runs in an unlinked file.
struct Pending {
    file: File,
    /// Offset and length in bytes, by key group.
    groups: BTreeMap<u32, (u64, usize)>,
}

impl Pending {
    fn write(folder: &Path, runs: &BTreeMap<u32, Vec<u8>>) -> Result<Self> {
        let mut file = tempfile::tempfile_in(folder)?;
        let mut at = 0;
        let mut groups = BTreeMap::new();
        for (&group, run) in runs {
            file.write_all(run)?;
            groups.insert(group, (at, run.len()));
            at += run.len() as u64;
        }
        Ok(Self { file, groups })
    }

    fn read(&self, group: u32) -> Result<Vec<u8>> {
        let (at, len) = self.groups.get(&group).copied().unwrap_or_default();
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }
}

type Runs<'a> = Vec<Box<dyn Read + Send + 'a>>;

/// One run of some on disk, oldest first, and the newest in memory.
fn merged<'a>(
    mut runs: Runs<'a>,
    newest: Option<&'a Run>,
    full: bool,
) -> Result<Box<dyn Read + Send>> {
    if let Some(newest) = newest {
        runs.push(newest.open()?);
    }
    let rules = MergeRules { full, expired: None };
    Ok(Box::new(Cursor::new(merge_runs(runs, rules, Vec::new())?.0)))
}

struct Changes {
    group: u32,
    pending: Vec<Arc<Pending>>,
    newest: Option<Run>,
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").field("group", &self.group).finish_non_exhaustive()
    }
}

impl RunSource for Changes {
    fn open(&self) -> Result<Box<dyn Read + Send + '_>> {
        let mut runs: Runs<'_> = Vec::new();
        for p in &self.pending {
            runs.push(Box::new(Cursor::new(p.read(self.group)?)));
        }
        merged(runs, self.newest.as_ref(), false)
    }
}

struct Whole {
    snapshot: Snapshot,
    keyspace: Keyspace,
    group: u32,
    newest: Option<Run>,
}

impl fmt::Debug for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Whole").field("group", &self.group).finish_non_exhaustive()
    }
}

impl RunSource for Whole {
    fn open(&self) -> Result<Box<dyn Read + Send + '_>> {
        let mut cold = RunWriter::new(Vec::new());
        for record in self.snapshot.prefix(&self.keyspace, (self.group as u16).to_be_bytes()) {
            let (key, entries) = record.into_inner().map_err(failed)?;
            cold.key(key.get(10..).unwrap_or_default(), true)?;
            cold.entries(&entries)?;
        }
        let runs: Runs<'_> = vec![Box::new(Cursor::new(cold.finish()?.0))];
        merged(runs, self.newest.as_ref(), true)
    }
}
