//! A local file that appears under its name when it is complete.
//!
//! Its bytes go past the page cache where the file system can do that: nobody reads them
//! before a restart, and filling fresh pages costs more than the write itself. The file
//! is written in blocks from an aligned buffer; a block that cannot be written stays in
//! the buffer, so that it can be tried again.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use weir_core::{Error, Result};

use super::patience::Patience;

/// Alignment of offsets, lengths and memory.
const PAGE: usize = 4096;
/// Bytes that are written at once.
const BLOCK: usize = 1 << 20;

/// A file that is being written. Dropped before [`Staged::publish`] it goes away.
pub struct Staged {
    file: File,
    path: PathBuf,
    staged: PathBuf,
    block: Block,
    /// Where the block begins within the file.
    at: u64,
    patience: Option<Patience>,
    published: bool,
}

impl Staged {
    /// Begins the file `path`. With patience writes are tried again within it.
    pub fn create(path: PathBuf, patience: Option<Patience>) -> Result<Self> {
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(|e| failed("create", folder, &e))?;
        let staged = folder.join(staged_name());
        let file = create(&staged).map_err(|e| failed("create", &staged, &e))?;
        let (block, at, published) = (Block::new(), 0, false);
        Ok(Self { file, path, staged, block, at, patience, published })
    }

    /// From now on the file is to appear as `path`, in the same folder, with this patience.
    pub fn redirect(&mut self, path: PathBuf, patience: Patience) {
        (self.path, self.patience) = (path, Some(patience));
    }

    /// Makes the file durable and visible.
    pub fn publish(mut self) -> Result<()> {
        self.settle(true)?;
        self.attempt(|s| {
            s.file.sync_all()?;
            std::fs::rename(&s.staged, &s.path)?;
            Ok(())
        })?;
        self.published = true;
        self.attempt(|s| File::open(s.path.parent().unwrap_or(Path::new(".")))?.sync_all())
    }

    /// Writes the whole pages of the block; at the end what is left, too.
    fn settle(&mut self, end: bool) -> Result<()> {
        let length = self.block.bytes().len();
        let pages = length / PAGE * PAGE;
        if end && length > pages {
            self.block.pad();
        }
        self.attempt(|s| {
            let bytes = s.block.bytes();
            let whole = bytes.len() / PAGE * PAGE;
            if let Err(e) = s.file.write_all_at(&bytes[..whole], s.at) {
                if e.kind() != ErrorKind::InvalidInput {
                    return Err(e);
                }
                // The file system takes such writes for its files only in name.
                s.file = OpenOptions::new().write(true).open(&s.staged)?;
                s.file.write_all_at(&bytes[..whole], s.at)?;
            }
            if end { s.file.set_len(s.at + length as u64) } else { Ok(()) }
        })?;
        self.at += pages as u64;
        self.block.shift(pages);
        Ok(())
    }

    fn attempt(&mut self, mut attempt: impl FnMut(&mut Self) -> io::Result<()>) -> Result<()> {
        let patience = self.patience.clone();
        let mut once = || attempt(self).map_err(|e| failed("write", &self.path, &e));
        match patience {
            Some(p) => p.persist("writing state", once),
            None => once(),
        }
    }
}

impl Write for Staged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len().min(BLOCK - self.block.bytes().len());
        self.block.append(&bytes[..n]);
        if self.block.bytes().len() == BLOCK {
            self.settle(false).map_err(|e| io::Error::other(e.to_string()))?;
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.published {
            let _ = std::fs::remove_file(&self.staged);
        }
    }
}

/// Name of a file that is not complete: listings pass over it.
pub fn staged_name() -> String {
    format!(".{}.tmp", uuid::Uuid::new_v4().simple())
}

/// Removes files that earlier processes left incomplete in a folder.
pub fn clear(folder: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with('.') && name.ends_with(".tmp") {
            match std::fs::remove_file(&path) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
    }
    Ok(())
}

fn failed(what: &str, path: &Path, e: &io::Error) -> Error {
    Error::io(format!("cannot {what} {}: {e}", path.display()))
}

/// Opens a new file, past the page cache if it can be.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(target_os = "linux")]
    {
        let direct = options.clone().custom_flags(libc::O_DIRECT).open(path);
        // The file may have been made although its flags were refused.
        if direct.as_ref().err().is_none_or(|e| e.kind() != ErrorKind::InvalidInput) {
            return direct;
        }
        let _ = std::fs::remove_file(path);
    }
    options.open(path)
}

/// Up to a block of bytes whose memory is aligned.
struct Block {
    memory: Vec<u8>,
    start: usize,
    length: usize,
}

impl Block {
    fn new() -> Self {
        let memory = vec![0; BLOCK + PAGE];
        let start = memory.as_ptr().align_offset(PAGE).min(PAGE);
        Self { memory, start, length: 0 }
    }

    fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.length]
    }

    fn append(&mut self, bytes: &[u8]) {
        let at = self.start + self.length;
        self.memory[at..at + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    /// Fills the last page with zeros.
    fn pad(&mut self) {
        let (at, length) = (self.start + self.length, self.length.next_multiple_of(PAGE));
        self.memory[at..self.start + length].fill(0);
        self.length = length;
    }

    /// Forgets the first bytes.
    fn shift(&mut self, bytes: usize) {
        self.memory.copy_within(self.start + bytes..self.start + self.length, self.start);
        self.length -= bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_there_when_published() {
        let dir = tempfile::tempdir().unwrap();
        for length in [0, 1, PAGE, BLOCK - 1, BLOCK, 2 * BLOCK + 5000] {
            let path = dir.path().join(format!("a/{length}"));
            let content: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let mut staged = Staged::create(path.clone(), None).unwrap();
            for part in content.chunks(70_000) {
                staged.write_all(part).unwrap();
            }
            assert!(!path.exists());
            staged.publish().unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), content);
        }
    }

    #[test]
    fn what_is_not_published_goes_away() {
        let dir = tempfile::tempdir().unwrap();
        let mut staged = Staged::create(dir.path().join("x"), None).unwrap();
        staged.write_all(&[1; 3 * BLOCK]).unwrap();
        drop(staged);
        std::mem::forget(Staged::create(dir.path().join("x"), None).unwrap());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        clear(dir.path()).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
