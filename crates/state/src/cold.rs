//! What does not fit in memory: the rows of keyed tables in sorted runs on local disk.
//!
//! A record's place is the key group, the hash and the key bytes, so that a key group is one
//! range in the order of sealed runs; its value is the entries of the key, as
//! [`crate::run::Entries`] encodes them. What leaves memory at once becomes one run; runs are
//! merged in the background. They are scratch space in files without names: what lasts is in
//! checkpoints.
//!
//! Changes that leave memory between two seals are also written to a *pending* file, as
//! sealed runs, because the next delta has to hold them.
//!
//! Where to look next: [`crate::table`] decides what goes and comes, [`sorted`] has the
//! layout, [`merge`] reads many runs as one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{Cursor, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use weir_core::{Error, Result};

use self::merge::{Runs, scan};
use self::sorted::{SortedRun, SortedWriter};
use crate::run::{MergeRules, Run, RunSource, RunWriter, merge_runs};

mod filter;
mod merge;
mod sorted;
mod timers;

pub use timers::ColdTimers;

/// Start of the names of folders; the process number follows.
const PREFIX: &str = "weir-state-";

/// The folder of the process for what does not fit.
#[derive(Debug)]
pub struct ColdStore {
    folder: PathBuf,
}

fn failed(e: std::io::Error) -> Error {
    Error::io(format!("state on local disk: {e}")).hint("see 'io.tmp.dirs' and its free space")
}

impl ColdStore {
    /// Makes an empty folder below `parent`; [`ColdStore::remove`] takes it away. What
    /// processes that were killed have left there is removed.
    ///
    /// # Errors
    ///
    /// The folder cannot be written.
    pub fn open(parent: &Path) -> Result<Self> {
        std::fs::create_dir_all(parent)?;
        remove_abandoned(parent)?;
        let folder = parent.join(format!("{PREFIX}{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    /// Removes the folder; for the end of the process.
    pub fn remove(&self) {
        // What is left is removed by the next process that needs the folder.
        let _ = std::fs::remove_dir_all(&self.folder);
    }

    /// An empty place for rows.
    pub fn table(&self) -> Cold {
        Cold {
            folder: self.folder.clone(),
            runs: Runs::default(),
            groups: BTreeSet::new(),
            pending: Vec::new(),
        }
    }
}

/// Removes the folders of processes that are gone.
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

/// Takes the number of a place and its entries.
pub type Found<'a> = &'a mut dyn FnMut(usize, &[u8]);

/// The part of a keyed table that is not in memory.
pub struct Cold {
    folder: PathBuf,
    runs: Runs,
    /// Key groups that have records.
    groups: BTreeSet<u32>,
    pending: Vec<Arc<Pending>>,
}

impl fmt::Debug for Cold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cold").field("pending", &self.pending.len()).finish_non_exhaustive()
    }
}

/// The rows on disk as they were at some time.
#[derive(Debug, Clone)]
pub struct Snapshot(Arc<[Arc<SortedRun>]>);

impl Cold {
    /// An empty place for the timers of the table.
    pub fn timers(&self) -> ColdTimers {
        ColdTimers::new(&self.folder)
    }

    /// Tells `found` the numbers and entries of those places, given in their order, that have
    /// a record.
    pub fn find(&self, places: &[Place<'_>], found: Found<'_>) -> Result<()> {
        let mut open: Vec<u32> = (0..places.len() as u32).collect();
        let (mut buffer, mut candidates) = (Vec::new(), Vec::<u32>::new());
        let mut done = vec![false; places.len()];
        for run in self.runs.all().iter().rev() {
            candidates.clear();
            candidates.extend(open.iter().filter(|&&i| run.may_hold(places[i as usize].1)));
            if candidates.is_empty() {
                continue;
            }
            let asked = candidates.iter().map(|&i| places[i as usize]);
            run.find(asked, &mut buffer, &mut |i, entries| {
                let place = candidates[i] as usize;
                done[place] = true;
                entries.into_iter().for_each(|e| found(place, e));
            })?;
            open.retain(|&i| !done[i as usize]);
            if open.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Calls `each` with hash, key and entries of the records of a key group, in order.
    pub fn scan(
        &self,
        group: u32,
        each: impl FnMut(u64, &[u8], &[u8]) -> Result<()>,
    ) -> Result<()> {
        scan(self.runs.all(), group, each)
    }

    /// Writes the records that `fill` puts in the order of their places, and makes them visible
    /// at once; a record without entries is gone. They are of keys with these hashes.
    pub fn write(
        &mut self,
        hashes: impl Iterator<Item = u64>,
        fill: impl FnOnce(Put<'_>) -> Result<()>,
    ) -> Result<()> {
        let of = |(n, least, most): (usize, u64, u64), h: u64| (n + 1, least.min(h), most.max(h));
        let (count, least, most) = hashes.fold((0, u64::MAX, 0), of);
        let mut writer = None;
        fill(&mut |place: Place<'_>, entries: Option<&[u8]>| {
            if entries.is_some() {
                self.groups.insert(place.0);
            }
            let writer = match &mut writer {
                Some(writer) => writer,
                none => {
                    let filter = Some((count, (least, most)));
                    none.insert(SortedWriter::new(&self.folder, filter)?)
                }
            };
            writer.put(place, entries)
        })?;
        match writer {
            Some(writer) => self.runs.push(writer.finish()?, &self.folder),
            None => Ok(()),
        }
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
        Snapshot(self.runs.all().into())
    }

    /// All records of a key group in a snapshot, with those in memory on top.
    pub fn whole(&self, snapshot: &Snapshot, group: u32, newest: Option<Run>) -> Run {
        Run::Stream(Arc::new(Whole { snapshot: snapshot.clone(), group, newest }))
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

type Readers<'a> = Vec<Box<dyn Read + Send + 'a>>;

/// One run of some on disk, oldest first, and the newest in memory.
fn merged<'a>(
    mut runs: Readers<'a>,
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
        let mut runs: Readers<'_> = Vec::new();
        for p in &self.pending {
            runs.push(Box::new(Cursor::new(p.read(self.group)?)));
        }
        merged(runs, self.newest.as_ref(), false)
    }
}

struct Whole {
    snapshot: Snapshot,
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
        scan(&self.snapshot.0, self.group, |_, key, entries| {
            cold.key(key, true)?;
            cold.entries(entries)
        })?;
        let runs: Readers<'_> = vec![Box::new(Cursor::new(cold.finish()?.0))];
        merged(runs, self.newest.as_ref(), true)
    }
}
