//! Snapshot expiry after commits, by the table's own `snapshot.*` options and with
//! Paimon's defaults (keep at least 10, keep those of the last hour).
//!
//! Files of expired snapshots go only if the first kept snapshot and all tags do
//! without them: a later snapshot uses what the first kept one has, or new files.
//! Snapshots that a consumer has yet to read stay; tables with branches are left alone.
//!
//! Invariants: the snapshot file goes last, so an interrupted run is finished by
//! the next one; whatever cannot be read is kept.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use paimon::Table;
use paimon::spec::{CommitKind, IndexManifest, ManifestList, Snapshot};
use paimon::table::{BranchManager, IncrementalScanMode};
use weir_core::config::parse_duration;

/// When snapshots expire.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    min: usize,
    max: usize,
    age: Duration,
    limit: usize,
}

impl Policy {
    /// The policy of a table; `None` when its writers must not expire anything.
    pub(crate) fn of(table: &Table) -> Option<Self> {
        let options = table.schema().options();
        if options.get("write-only").is_some_and(|v| v.eq_ignore_ascii_case("true")) {
            return None;
        }
        let number = |key: &str, default: usize| {
            options.get(key).and_then(|v| v.trim().parse().ok()).unwrap_or(default)
        };
        let age = options.get("snapshot.time-retained").and_then(|v| parse_duration(v));
        let min = number("snapshot.num-retained.min", 10).max(1);
        Some(Self {
            min,
            max: number("snapshot.num-retained.max", usize::MAX).max(min),
            age: age.unwrap_or(Duration::from_secs(3600)),
            limit: number("snapshot.expire.limit", 50),
        })
    }
}

/// Deletes expired snapshots and what only they used; returns how many went.
pub(crate) async fn expire(table: &Table, policy: &Policy) -> paimon::Result<usize> {
    let manager = table.snapshot_manager();
    let mut ids = manager.list_all_ids().await?;
    ids.sort_unstable();
    let mut doomed = choose(table, policy, &ids).await?;
    if doomed.is_empty() || has_branches(table).await? {
        return Ok(0);
    }
    // A consumer still wants its next snapshot and everything after it.
    let consumers = table.consumer_manager().list_all().await?;
    if let Some(next) = consumers.iter().map(|(_, next)| *next).min() {
        doomed.retain(|s| s.id() < next);
    }
    if doomed.is_empty() {
        return Ok(0);
    }
    let first_kept = manager.get_snapshot(ids[doomed.len()]).await?;
    let tags: Vec<(String, Snapshot)> = table.tag_manager().list_all().await?;
    let mut kept = Kept::default();
    kept.add(table, &first_kept).await?;
    for (_, snapshot) in &tags {
        kept.add(table, snapshot).await?;
    }
    delete_data(table, &doomed, &first_kept, &tags).await?;
    for snapshot in &doomed {
        if !tags.iter().any(|(_, t)| t.id() == snapshot.id()) {
            delete_changelog(table, snapshot).await;
            delete_metadata(table, snapshot, &kept).await;
        }
        manager.delete_snapshot(snapshot.id()).await?;
    }
    manager.write_earliest_hint(first_kept.id()).await?;
    Ok(doomed.len())
}

/// The oldest snapshots that the policy lets go, oldest first.
async fn choose(table: &Table, policy: &Policy, ids: &[i64]) -> paimon::Result<Vec<Snapshot>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let oldest_kept = now.saturating_sub(policy.age).as_millis() as u64;
    let spare = ids.len().saturating_sub(policy.min).min(policy.limit);
    let mut out = Vec::new();
    for (i, id) in ids.iter().take(spare).enumerate() {
        let snapshot = table.snapshot_manager().get_snapshot(*id).await?;
        let too_many = ids.len() - i > policy.max;
        if !too_many && snapshot.time_millis() >= oldest_kept {
            break;
        }
        out.push(snapshot);
    }
    Ok(out)
}

async fn has_branches(table: &Table) -> paimon::Result<bool> {
    let branches = BranchManager::new(table.file_io().clone(), table.location().to_owned());
    Ok(!branches.list_all().await?.is_empty())
}

/// Names of metadata files that must stay.
#[derive(Default)]
struct Kept {
    manifests: HashSet<String>,
    index_manifests: HashSet<String>,
    index_files: HashSet<String>,
}

impl Kept {
    async fn add(&mut self, table: &Table, snapshot: &Snapshot) -> paimon::Result<()> {
        let manager = table.snapshot_manager();
        for list in lists(snapshot) {
            self.manifests.insert(list.to_owned());
            let metas = ManifestList::read(table.file_io(), &manager.manifest_path(list)).await?;
            self.manifests.extend(metas.iter().map(|m| m.file_name().to_owned()));
        }
        if let Some(index) = snapshot.index_manifest() {
            self.index_manifests.insert(index.to_owned());
            let path = manager.manifest_path(index);
            for entry in IndexManifest::read(table.file_io(), &path).await? {
                self.index_files.insert(entry.index_file.file_name.clone());
            }
        }
        Ok(())
    }
}

fn lists(snapshot: &Snapshot) -> impl Iterator<Item = &str> {
    [snapshot.base_manifest_list(), snapshot.delta_manifest_list()]
        .into_iter()
        .chain(snapshot.changelog_manifest_list())
        .filter(|l| !l.is_empty())
}

/// Data files that an overwrite or compaction replaced before the first kept snapshot.
async fn delete_data(
    table: &Table,
    doomed: &[Snapshot],
    first_kept: &Snapshot,
    tags: &[(String, Snapshot)],
) -> paimon::Result<()> {
    let after = doomed.iter().skip(1).chain([first_kept]);
    let replaced: Vec<&Snapshot> = doomed
        .iter()
        .zip(after)
        .filter(|(_, next)| next.commit_kind() != &CommitKind::APPEND)
        .map(|(before, _)| before)
        .collect();
    if replaced.is_empty() {
        return Ok(());
    }
    let id = |s: &Snapshot| ("scan.snapshot-id", s.id().to_string());
    let mut alive = files(table, id(first_kept)).await?;
    for (name, _) in tags {
        alive.extend(files(table, ("scan.tag-name", name.clone())).await?);
    }
    for before in replaced {
        for path in files(table, id(before)).await?.difference(&alive) {
            // A file that is gone already was deleted by an interrupted run.
            let _ = table.file_io().delete_file(path).await;
        }
    }
    Ok(())
}

/// Paths of all data files of a snapshot.
async fn files(table: &Table, at: (&str, String)) -> paimon::Result<HashSet<String>> {
    let table = table.copy_with_options([(at.0.to_owned(), at.1)].into_iter().collect());
    let plan = table.new_read_builder().new_scan().with_scan_all_files().plan().await?;
    let mut out = HashSet::new();
    for split in plan.splits() {
        for file in split.data_files() {
            let path = split.data_file_path(file);
            let directory = path.rsplit_once('/').map_or("", |(d, _)| d);
            out.extend(file.extra_files.iter().map(|e| format!("{directory}/{e}")));
            out.insert(path);
        }
    }
    Ok(out)
}

async fn delete_changelog(table: &Table, snapshot: &Snapshot) {
    if snapshot.changelog_manifest_list().is_none() {
        return;
    }
    let builder = table.new_read_builder();
    let mode = IncrementalScanMode::Changelog;
    let scan = builder.new_incremental_scan(mode, snapshot.id() - 1, snapshot.id());
    let Ok(plan) = scan.plan().await else { return };
    for split in plan.data_splits() {
        for file in split.data_files() {
            let _ = table.file_io().delete_file(&split.data_file_path(file)).await;
        }
    }
}

async fn delete_metadata(table: &Table, snapshot: &Snapshot, kept: &Kept) {
    let manager = table.snapshot_manager();
    let io = table.file_io();
    for list in lists(snapshot) {
        let path = manager.manifest_path(list);
        let Ok(metas) = ManifestList::read(io, &path).await else { continue };
        for meta in metas.iter().filter(|m| !kept.manifests.contains(m.file_name())) {
            let _ = io.delete_file(&manager.manifest_path(meta.file_name())).await;
        }
        if !kept.manifests.contains(list) {
            let _ = io.delete_file(&path).await;
        }
    }
    let Some(index) = snapshot.index_manifest().filter(|i| !kept.index_manifests.contains(*i))
    else {
        return;
    };
    let path = manager.manifest_path(index);
    let in_data_dir = table
        .schema()
        .options()
        .get("index-file-in-data-file-dir")
        .is_some_and(|v| v.eq_ignore_ascii_case("true"));
    if let (false, Ok(entries)) = (in_data_dir, IndexManifest::read(io, &path).await) {
        for entry in entries {
            let name = &entry.index_file.file_name;
            if !kept.index_files.contains(name) {
                let _ = io.delete_file(&format!("{}/index/{name}", table.location())).await;
            }
        }
    }
    let _ = io.delete_file(&path).await;
}
