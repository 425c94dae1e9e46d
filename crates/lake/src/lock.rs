//! One commit at a time per table. Paimon's snapshot files are created by
//! "check, then rename", which two committers at once can both pass; the later
//! one would silently replace the snapshot of the other.
//!
//! Invariants: committers of this process exclude each other on every storage;
//! committers of all processes of this engine on local file systems, by a lock
//! file next to the snapshots.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use paimon::Table;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// Held while a snapshot is committed.
pub(crate) struct CommitLock {
    // Fields drop in order: the file is unlocked before the next task may take it.
    _file: Option<File>,
    _turn: OwnedMutexGuard<()>,
}

/// Waits for the table's turn to commit.
pub(crate) async fn commit_lock(table: &Table) -> CommitLock {
    let turn = turn_of(table.location()).lock_owned().await;
    let location = table.location().to_owned();
    let file = if location.contains("://") {
        None
    } else {
        tokio::task::spawn_blocking(move || lock_file(Path::new(&location))).await.ok().flatten()
    };
    CommitLock { _file: file, _turn: turn }
}

fn turn_of(location: &str) -> Arc<AsyncMutex<()>> {
    static TURNS: OnceLock<Mutex<HashMap<String, Arc<AsyncMutex<()>>>>> = OnceLock::new();
    let mut turns =
        TURNS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(turns.entry(location.to_owned()).or_default())
}

/// Locks the table for other processes. Where files cannot be locked, commits
/// exclude each other within the process only.
fn lock_file(location: &Path) -> Option<File> {
    let directory = location.join("snapshot");
    std::fs::create_dir_all(&directory).ok()?;
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(directory.join(".commit-lock"))
        .ok()?;
    file.lock().ok()?;
    Some(file)
}
