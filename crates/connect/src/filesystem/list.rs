//! Finding the files of a table and cutting them into splits.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use regex::Regex;
use serde::{Deserialize, Serialize};
use weir_core::{Error, Result};

use crate::restore::Progress;

/// A stretch of one file. Ranges of text files begin and end anywhere; a range owns
/// the records that begin in it. Of Parquet files it is the whole file or one row
/// group, from its number to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Split {
    pub path: PathBuf,
    /// First byte of the range, or the row group.
    pub start: u64,
    /// One past the last byte of the range or the row group; `u64::MAX` = end of file.
    pub end: u64,
    /// Where reading goes on: a byte (text) or a row (Parquet). `None` = not begun.
    pub position: Option<u64>,
    /// Read to its end.
    pub done: bool,
}

impl Progress for Split {
    type Id = (PathBuf, u64);
    fn id(&self) -> (PathBuf, u64) {
        (self.path.clone(), self.start)
    }
    fn progress(&self) -> u64 {
        if self.done { u64::MAX } else { self.position.unwrap_or(0) }
    }
}

/// Facts about a file.
#[derive(Debug, Clone)]
pub(super) struct FileFacts {
    pub size: u64,
    pub modified_millis: i64,
}

pub(super) fn facts(path: &Path) -> Result<FileFacts> {
    let meta = std::fs::metadata(path).map_err(|e| unreadable(path, &e))?;
    let modified_millis = meta
        .modified()
        .ok()
        .and_then(|t| t.duration_since(UNIX_EPOCH).ok())
        .map_or(0, |d| d.as_millis() as i64);
    Ok(FileFacts { size: meta.len(), modified_millis })
}

fn unreadable(path: &Path, e: &std::io::Error) -> Error {
    Error::io(format!("cannot read '{}': {e}", path.display()))
        .hint("check option 'path' of the table")
}

/// Whether files and directories of this name are not part of a table.
pub(super) fn is_hidden(name: &str) -> bool {
    name.starts_with('_') || name.starts_with('.')
}

/// A number that changes when files come, go, grow or are written again.
pub(super) fn version(root: &Path) -> Result<u64> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    for file in files(root, None)? {
        let FileFacts { size, modified_millis } = facts(&file)?;
        (file, size, modified_millis).hash(&mut hasher);
    }
    Ok(hasher.finish())
}

/// All files below `root` (or `root` itself), sorted by path.
pub(super) fn files(root: &Path, pattern: Option<&Regex>) -> Result<Vec<PathBuf>> {
    let mut out = Vec::new();
    let meta = std::fs::metadata(root).map_err(|e| unreadable(root, &e))?;
    if meta.is_file() {
        out.push(root.to_path_buf());
    } else {
        walk(root, &mut out)?;
    }
    if let Some(p) = pattern {
        out.retain(|f| p.is_match(&f.to_string_lossy()));
    }
    out.sort();
    Ok(out)
}

fn walk(dir: &Path, out: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(dir).map_err(|e| unreadable(dir, &e))?;
    for entry in entries {
        let entry = entry.map_err(|e| unreadable(dir, &e))?;
        if is_hidden(&entry.file_name().to_string_lossy()) {
            continue;
        }
        let path = entry.path();
        // Follows links, as Flink's local file system does.
        match std::fs::metadata(&path) {
            Ok(m) if m.is_dir() => walk(&path, out)?,
            Ok(_) => out.push(path),
            // Files may vanish while a directory is listed.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(unreadable(&path, &e)),
        }
    }
    Ok(())
}

/// One split per row group.
pub(super) fn row_groups(path: &Path, groups: &[usize]) -> Vec<Split> {
    let split = |g: u64| Split {
        path: path.to_path_buf(),
        start: g,
        end: g + 1,
        position: None,
        done: false,
    };
    groups.iter().map(|&g| split(g as u64)).collect()
}

/// Splits of a file: one, or ranges of about `range` bytes.
pub(super) fn splits(path: &Path, range: Option<u64>) -> Result<Vec<Split>> {
    let whole =
        |start, end| Split { path: path.to_path_buf(), start, end, position: None, done: false };
    let Some(range) = range else { return Ok(vec![whole(0, u64::MAX)]) };
    let size = facts(path)?.size;
    let count = (size / range).max(1);
    Ok((0..count)
        .map(|i| whole(i * range, if i + 1 == count { u64::MAX } else { (i + 1) * range }))
        .collect())
}
