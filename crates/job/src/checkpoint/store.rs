//! The directory of a job's checkpoints: claims, manifests, markers, garbage; and how
//! the newest complete checkpoint is found.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use weir_core::{Error, Result};
use weir_state::SealedTable;

use super::manifest::{Manifest, ManifestKind, RunData};
use super::run_file;
use super::staged;
use super::storage::{Places, Storage};

/// Name of a manifest within its directory.
pub const METADATA: &str = "_metadata";

/// Name of the note that sinks have committed a checkpoint.
const COMMITTED: &str = "_committed";

/// Said of a committed checkpoint that is passed over.
const WRITTEN_TWICE: &str = "; its rows were committed already: sinks without a key write them \
    a second time";

/// One job's checkpoints below a checkpoint directory.
#[derive(Clone)]
pub struct JobStore {
    /// The checkpoint directory; names start with the job's identifier.
    pub root: Arc<dyn Storage>,
    /// The job.
    pub job_id: String,
    /// The claim under which this run writes.
    pub generation: u64,
}

impl JobStore {
    /// Claims the next generation: runs with an older one may not decide any more.
    pub fn claim(root: Arc<dyn Storage>, job_id: String) -> Result<Self> {
        let mut store = Self { root, job_id, generation: 0 };
        loop {
            store.generation = store.newest_claim()? + 1;
            let name = format!("{}/owner/{}", store.job_id, store.generation);
            let owner = format!("process {}, {}\n", std::process::id(), weir_runtime::now_ms());
            if store.root.create(&name, owner.as_bytes())? {
                if let Some(old) = store.generation.checked_sub(8) {
                    store.root.delete(&format!("{}/owner/{old}", store.job_id))?;
                }
                // What an earlier run was writing when it died.
                if let Some(shared) = store.root.local_path(&format!("{}/shared", store.job_id)) {
                    staged::clear(&shared)?;
                }
                return Ok(store);
            }
        }
    }

    fn newest_claim(&self) -> Result<u64> {
        let prefix = format!("{}/owner/", self.job_id);
        let names = self.root.list(&prefix)?;
        Ok(names.iter().filter_map(|n| n[prefix.len()..].parse().ok()).max().unwrap_or(0))
    }

    /// An error once another run has claimed the job.
    pub fn check_owner(&self) -> Result<()> {
        let newest = self.newest_claim()?;
        if newest > self.generation {
            return Err(Error::io(format!(
                "another run has taken over job {}: generation {newest} is claimed, this one is {}",
                self.job_id, self.generation
            )));
        }
        Ok(())
    }

    /// The newest decided number; 0 if there is none.
    pub fn newest_epoch(&self) -> Result<u64> {
        Ok(epochs(self.root.as_ref(), &self.job_id)?.pop_last().unwrap_or(0))
    }

    fn checkpoint(&self, epoch: u64, file: &str) -> String {
        format!("{}/chk-{epoch}/{file}", self.job_id)
    }

    /// Name of a run file.
    pub fn run_name(&self, epoch: u64, node: usize, subtask: usize) -> String {
        format!("{}/shared/{}-{epoch}-{node}-{subtask}.run", self.job_id, self.generation)
    }

    /// Where a run file lies, if it is a local one.
    pub fn run_path(&self, epoch: u64, node: usize, subtask: usize) -> Option<PathBuf> {
        self.root.local_path(&self.run_name(epoch, node, subtask))
    }

    /// Writes the manifest: the decision. The owner is checked before and after, so that a
    /// run that lost its job never commits what its successor does not know of.
    pub fn decide(&self, manifest: &Manifest) -> Result<u64> {
        self.check_owner()?;
        let bytes = manifest.encode()?;
        let name = self.checkpoint(manifest.epoch, METADATA);
        if !self.root.create(&name, &bytes)? && self.root.get(&name)?.as_deref() != Some(&bytes) {
            // Only a run that lost its job can have written it; it has not committed.
            self.root.put(&name, &bytes)?;
        }
        self.check_owner()?;
        Ok(bytes.len() as u64)
    }

    /// Notes that the sinks have committed a checkpoint.
    pub fn mark_committed(&self, epoch: u64) -> Result<()> {
        self.root.create(&self.checkpoint(epoch, COMMITTED), b"")?;
        Ok(())
    }

    /// Deletes checkpoints but the newest `retained`, then run files that no manifest names.
    /// Files of checkpoints after `epoch` may be in the making and stay.
    pub fn collect_garbage(&self, retained: usize, epoch: u64) -> Result<()> {
        let epochs = epochs(self.root.as_ref(), &self.job_id)?;
        let drop = epochs.len().saturating_sub(retained);
        for &old in epochs.iter().take(drop).filter(|&&e| e < epoch) {
            self.delete_checkpoint(old)?;
        }
        let mut used = HashSet::new();
        for &kept in epochs.iter().skip(drop) {
            match read(self.root.as_ref(), &self.checkpoint(kept, METADATA)) {
                Ok(manifest) => used.extend(files(&manifest).map(str::to_owned)),
                // What an unreadable manifest names is unknown: keep everything.
                Err(_) => return Ok(()),
            }
        }
        let shared = format!("{}/shared/", self.job_id);
        for name in self.root.list(&shared)? {
            let mut parts = name[shared.len()..].split('-');
            let generation = parts.next().and_then(|p| p.parse::<u64>().ok());
            let made = parts.next().and_then(|p| p.parse::<u64>().ok());
            let open = generation == Some(self.generation) && made.is_none_or(|m| m > epoch);
            if !used.contains(&name) && !open {
                self.root.delete(&name)?;
            }
        }
        Ok(())
    }

    fn delete_checkpoint(&self, epoch: u64) -> Result<()> {
        // The manifest goes first: without it the rest is garbage.
        self.root.delete(&self.checkpoint(epoch, METADATA))?;
        for name in self.root.list(&format!("{}/chk-{epoch}/", self.job_id))? {
            self.root.delete(&name)?;
        }
        Ok(())
    }

    /// Deletes all checkpoints of the job but, if `finished`, the note that it has ended.
    pub fn delete_all(&self, finished: bool) -> Result<()> {
        let keep = epochs(self.root.as_ref(), &self.job_id)?.pop_last().filter(|_| finished);
        let kept = keep.map(|e| format!("{}/chk-{e}/", self.job_id));
        for name in self.root.list(&format!("{}/", self.job_id))? {
            if kept.as_ref().is_none_or(|k| !name.starts_with(k.as_str())) {
                self.root.delete(&name)?;
            }
        }
        Ok(())
    }
}

/// Files that a manifest references.
pub fn files(manifest: &Manifest) -> impl Iterator<Item = &str> {
    let runs = manifest.operators.iter().flat_map(|o| &o.instances).flat_map(|i| &i.runs);
    runs.filter_map(|r| match &r.data {
        RunData::File { path, .. } => Some(path.as_str()),
        RunData::Inline(_) => None,
    })
}

fn epochs(root: &dyn Storage, job_id: &str) -> Result<BTreeSet<u64>> {
    let prefix = format!("{job_id}/chk-");
    let names = root.list(&format!("{job_id}/"))?;
    let epoch = |n: &String| {
        n.strip_prefix(&prefix)?.strip_suffix(METADATA)?.strip_suffix('/')?.parse().ok()
    };
    Ok(names.iter().filter_map(epoch).collect())
}

fn read(root: &dyn Storage, name: &str) -> Result<Manifest> {
    let place = || format!("{}/{name}", root.uri());
    let bytes = root.get(name)?.ok_or_else(|| Error::io(format!("there is no {}", place())))?;
    Manifest::decode(&bytes).map_err(|e| e.context(place()))
}

/// A checkpoint to start from, and where its files are.
#[derive(Clone)]
pub struct Found {
    /// The checkpoint.
    pub manifest: Manifest,
    /// Its files are relative to this place.
    pub root: Arc<dyn Storage>,
    /// How users write its place.
    pub place: String,
    /// Where files outside of the place are found.
    pub places: Places,
    /// What was read to see that the checkpoint is complete, until it is asked for.
    verified: Verified,
}

/// Tables by the name of their file.
type Verified = Arc<Mutex<HashMap<String, Vec<SealedTable>>>>;

impl Found {
    /// The tables of a run's file.
    pub fn read_run(&self, path: &str) -> Result<Vec<SealedTable>> {
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
        if let Some(tables) = verified {
            return Ok(tables);
        }
        read_run(self.root.as_ref(), path, &self.places)
    }
}

/// What `latest:DIR` comes to.
#[derive(Default)]
pub struct Latest {
    /// The newest complete checkpoint that can be read.
    pub found: Option<Found>,
    /// Job whose directory exists, if without a complete checkpoint.
    pub job_id: Option<String>,
    /// Checkpoints that were passed over, and why.
    pub damaged: Vec<String>,
}

/// The newest complete checkpoint of the statement's jobs below a directory; `prefix` is
/// how identifiers of its jobs start.
pub fn latest(root: &Arc<dyn Storage>, prefix: &str, places: &Places) -> Result<Latest> {
    let names = root.list("")?;
    let jobs: BTreeSet<&str> = names
        .iter()
        .filter(|n| n.starts_with(prefix))
        .filter_map(|n| n.split_once('/'))
        .map(|(job, _)| job)
        .collect();
    let mut result = Latest::default();
    let mut newest: Option<Found> = None;
    for job in jobs {
        result.job_id = Some(job.to_owned());
        for epoch in epochs(root.as_ref(), job)?.into_iter().rev() {
            let name = format!("{job}/chk-{epoch}/{METADATA}");
            match read(root.as_ref(), &name).and_then(|m| complete(root.as_ref(), m, places)) {
                Ok((manifest, verified)) => {
                    if newest.as_ref().is_none_or(|n| decided(&n.manifest) < decided(&manifest)) {
                        let place = format!("{}/{job}/chk-{epoch}", root.uri());
                        let (root, places) = (Arc::clone(root), places.clone());
                        newest = Some(Found { manifest, root, place, places, verified });
                    }
                    break;
                }
                Err(e) => {
                    let committed = root.get(&format!("{job}/chk-{epoch}/{COMMITTED}"))?.is_some();
                    let more = if committed { WRITTEN_TWICE } else { "" };
                    result.damaged.push(format!("{e}{more}"));
                }
            }
        }
    }
    result.found = newest;
    Ok(result)
}

fn decided(manifest: &Manifest) -> i64 {
    manifest.history.last().map_or(0, |s| s.triggered)
}

/// Checks that every run of a manifest can be read.
fn complete(
    root: &dyn Storage,
    manifest: Manifest,
    places: &Places,
) -> Result<(Manifest, Verified)> {
    let mut verified = HashMap::new();
    for name in files(&manifest).collect::<BTreeSet<_>>() {
        let tables = read_run(root, name, places).map_err(|e| e.context(name.to_owned()))?;
        verified.insert(name.to_owned(), tables);
    }
    Ok((manifest, Arc::new(Mutex::new(verified))))
}

/// The tables of a run's file, as they are needed if it is a local one.
fn read_run(root: &dyn Storage, path: &str, places: &Places) -> Result<Vec<SealedTable>> {
    let local = match path.rsplit_once('/').filter(|_| is_absolute(path)) {
        Some((folder, name)) => places.open(folder)?.local_path(name),
        None => root.local_path(path),
    };
    match local {
        Some(path) => run_file::open(&path),
        None => run_file::decode(read_file(root, path, places)?),
    }
}

/// A run's bytes; `path` is relative to the root or a URI of its own.
pub fn read_file(root: &dyn Storage, path: &str, places: &Places) -> Result<Vec<u8>> {
    let found = match path.rsplit_once('/').filter(|_| is_absolute(path)) {
        Some((folder, name)) => places.open(folder)?.get(name)?,
        None => root.get(path)?,
    };
    found.ok_or_else(|| Error::io(format!("there is no {path} in {}", root.uri())))
}

/// Whether a run's path stands for itself.
pub fn is_absolute(path: &str) -> bool {
    path.starts_with('/') || path.contains("://")
}

/// Opens the checkpoint or savepoint at a path: its directory or its manifest.
pub fn open_path(path: &str, places: &Places) -> Result<Found> {
    let folder = path.trim_end_matches('/').trim_end_matches(METADATA).trim_end_matches('/');
    let place = places.open(folder)?;
    let manifest = read(place.as_ref(), METADATA)?;
    let own = place.uri().to_owned();
    let root = match manifest.kind {
        ManifestKind::Savepoint => place,
        // DIR/<job-id>/chk-<n>: files are relative to DIR.
        _ => {
            let up = own.rsplitn(3, '/').nth(2).unwrap_or("");
            places.open(if up.is_empty() { "/" } else { up })?
        }
    };
    let (places, verified) = (places.clone(), Verified::default());
    Ok(Found { manifest, root, place: own, places, verified })
}

#[cfg(test)]
mod tests {
    use super::super::manifest::tests::manifest;
    use super::*;

    fn root() -> (tempfile::TempDir, Arc<dyn Storage>) {
        let dir = tempfile::tempdir().unwrap();
        let root = Places::default().open(dir.path().to_str().unwrap()).unwrap();
        (dir, root)
    }

    #[test]
    fn a_newer_claim_fences_the_old_owner() {
        let (_dir, root) = root();
        let old = JobStore::claim(Arc::clone(&root), "k1".into()).unwrap();
        old.decide(&manifest(1)).unwrap();
        let new = JobStore::claim(Arc::clone(&root), "k1".into()).unwrap();
        assert_eq!((old.generation, new.generation), (1, 2));
        assert!(old.decide(&manifest(2)).unwrap_err().to_string().contains("another run"));
        new.decide(&manifest(2)).unwrap();
    }

    #[test]
    fn latest_passes_over_damage_and_other_statements() {
        let (dir, root) = root();
        assert!(latest(&root, "k", &Places::default()).unwrap().found.is_none());
        let store = JobStore::claim(Arc::clone(&root), "k1".into()).unwrap();
        assert_eq!(latest(&root, "k", &Places::default()).unwrap().job_id.as_deref(), Some("k1"));
        store.decide(&manifest(1)).unwrap();
        store.decide(&manifest(2)).unwrap();
        assert_eq!(
            latest(&root, "k", &Places::default()).unwrap().found.unwrap().manifest.epoch,
            2
        );
        assert!(latest(&root, "x", &Places::default()).unwrap().found.is_none());
        std::fs::write(dir.path().join("k1/chk-2/_metadata"), b"garbage").unwrap();
        let l = latest(&root, "k", &Places::default()).unwrap();
        assert_eq!(l.found.unwrap().manifest.epoch, 1);
        assert_eq!(l.damaged.len(), 1);
    }

    #[test]
    fn garbage_is_what_no_manifest_names() {
        let (_dir, root) = root();
        let store = JobStore::claim(Arc::clone(&root), "k1".into()).unwrap();
        let mut names = Vec::new();
        for epoch in 1..=3 {
            let name = store.run_name(epoch, 0, 0);
            root.put(&name, b"x").unwrap();
            names.push(name.clone());
            let mut m = manifest(epoch);
            m.operators[0].instances[0].runs.push(super::super::manifest::RunRef {
                epoch,
                tables: vec![],
                data: RunData::File { path: name, bytes: 1 },
            });
            store.decide(&m).unwrap();
        }
        let open = store.run_name(4, 0, 0);
        root.put(&open, b"x").unwrap();
        store.collect_garbage(2, 3).unwrap();
        let shared = root.list("k1/shared/").unwrap();
        assert_eq!(shared, [names[1].clone(), names[2].clone(), open]);
        assert!(root.get("k1/chk-1/_metadata").unwrap().is_none());
        store.delete_all(true).unwrap();
        assert_eq!(root.list("").unwrap(), ["k1/chk-3/_metadata"]);
    }
}
