//! Sealed tables as one object: the bytes of all key groups, then an index with their
//! places and checksums, then the index's length and checksum.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use weir_core::{Error, Result};
use weir_state::{Run, RunSource, SealedGroup, SealedTable};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::manifest::RunTable;

/// First bytes of a run file.
const MAGIC: &[u8; 8] = b"WEIRRUN1";

/// Length and checksum of the index.
const TRAILER: usize = 16;

#[derive(Serialize, Deserialize)]
struct Index {
    tables: Vec<TableIndex>,
}

#[derive(Serialize, Deserialize)]
struct TableIndex {
    name: String,
    version: u16,
    full: bool,
    /// (key group, offset, length, checksum)
    groups: Vec<(u32, u64, u64, u64)>,
}

/// Bytes of the tables' runs, if all of them are in memory.
pub fn in_memory(tables: &[SealedTable]) -> Option<usize> {
    let runs = tables.iter().flat_map(|t| &t.groups).map(|g| match &g.run {
        Run::Bytes(bytes) => Some(bytes.len()),
        Run::Stream(_) => None,
    });
    runs.sum()
}

/// The object of an instance's tables, and what it contains.
pub fn encode(tables: &[SealedTable]) -> Result<(Vec<u8>, Vec<RunTable>)> {
    let mut out = Vec::new();
    let (_, summary) = write(tables, &mut out)?;
    Ok((out, summary))
}

/// Writes the object of an instance's tables; its length in bytes and what it contains.
pub fn write(tables: &[SealedTable], out: &mut dyn Write) -> Result<(u64, Vec<RunTable>)> {
    out.write_all(MAGIC)?;
    let mut at = MAGIC.len() as u64;
    let mut index = Index { tables: Vec::new() };
    let mut summary = Vec::new();
    for t in tables {
        let start = at;
        let mut groups = Vec::new();
        for g in &t.groups {
            let mut summed = Summed { out: &mut *out, sum: Xxh3::new() };
            let length = g.run.write_to(&mut summed)?;
            groups.push((g.key_group, at, length, summed.sum.digest()));
            at += length;
        }
        let (name, version, full) = (t.name.clone(), t.version, t.full);
        summary.push(RunTable { name: name.clone(), version, full, bytes: at - start });
        index.tables.push(TableIndex { name, version, full, groups });
    }
    let index =
        serde_json::to_vec(&index).map_err(|e| Error::internal(format!("run index: {e}")))?;
    out.write_all(&index)?;
    out.write_all(&(index.len() as u64).to_le_bytes())?;
    out.write_all(&xxh3_64(&index).to_le_bytes())?;
    Ok((at + (index.len() + TRAILER) as u64, summary))
}

/// Adds up a checksum of what passes.
struct Summed<'a> {
    out: &'a mut dyn Write,
    sum: Xxh3,
}

impl Write for Summed<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.sum.update(&bytes[..n]);
        Ok(n)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

fn bad(why: &str) -> Error {
    Error::data(format!("a state run is damaged: {why}"))
}

fn damaged(t: &TableIndex, key_group: u32) -> Error {
    bad(&format!("key group {key_group} of table '{}'", t.name))
}

/// Length and checksum of the index.
fn trailer(bytes: &[u8]) -> Result<(u64, u64)> {
    let number = |at: usize| {
        let part = bytes.get(at..at + 8).and_then(|b| b.try_into().ok());
        part.map(u64::from_le_bytes).ok_or_else(|| bad("it is too short"))
    };
    Ok((number(0)?, number(8)?))
}

fn read_index(bytes: &[u8], sum: u64) -> Result<Index> {
    if xxh3_64(bytes) != sum {
        return Err(bad("the checksum of its index is wrong"));
    }
    serde_json::from_slice(bytes).map_err(|e| bad(&e.to_string()))
}

/// Opens a local object: its checksums are tested now, its runs are read when they are
/// needed; an error where bytes were lost or changed.
pub fn open(path: &Path) -> Result<Vec<SealedTable>> {
    let failed = |e: std::io::Error| Error::io(format!("cannot read {}: {e}", path.display()));
    let file = Arc::new(File::open(path).map_err(failed)?);
    let length = file.metadata().map_err(failed)?.len();
    let mut magic = [0; MAGIC.len()];
    if length < (MAGIC.len() + TRAILER) as u64
        || file.read_exact_at(&mut magic, 0).is_err()
        || &magic != MAGIC
    {
        return Err(bad("it is too short or not a run"));
    }
    let body = length - TRAILER as u64;
    let mut end = [0; TRAILER];
    file.read_exact_at(&mut end, body).map_err(failed)?;
    let (index_length, sum) = trailer(&end)?;
    let start = body
        .checked_sub(index_length)
        .filter(|&s| s >= MAGIC.len() as u64)
        .ok_or_else(|| bad("its index is cut off"))?;
    let mut index = vec![0; index_length as usize];
    file.read_exact_at(&mut index, start).map_err(failed)?;
    let index = read_index(&index, sum)?;
    let mut tables = Vec::new();
    for t in index.tables {
        let mut groups = Vec::new();
        for &(key_group, at, length, sum) in &t.groups {
            let part = Part { file: Arc::clone(&file), at, end: at.saturating_add(length) };
            if part.end > start || part.sum().map_err(failed)? != sum {
                return Err(damaged(&t, key_group));
            }
            groups.push(SealedGroup { key_group, run: Run::Stream(Arc::new(part)) });
        }
        tables.push(SealedTable { name: t.name, version: t.version, full: t.full, groups });
    }
    Ok(tables)
}

/// Part of a file.
#[derive(Debug, Clone)]
struct Part {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Part {
    fn sum(&self) -> std::io::Result<u64> {
        let mut reader = self.clone();
        let mut sum = Xxh3::new();
        let mut buffer = vec![0; 1 << 18];
        loop {
            match reader.read(&mut buffer)? {
                0 if reader.at < reader.end => return Err(ErrorKind::UnexpectedEof.into()),
                0 => return Ok(sum.digest()),
                n => sum.update(&buffer[..n]),
            }
        }
    }
}

impl Read for Part {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = (self.end - self.at).min(out.len() as u64) as usize;
        let n = self.file.read_at(&mut out[..n], self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl RunSource for Part {
    fn open(&self) -> Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(BufReader::with_capacity(1 << 16, self.clone())))
    }
}

/// Reads an object back; an error where bytes were lost or changed.
pub fn decode(bytes: &[u8]) -> Result<Vec<SealedTable>> {
    if !bytes.starts_with(MAGIC) || bytes.len() < MAGIC.len() + TRAILER {
        return Err(bad("it is too short or not a run"));
    }
    let (body, end) = bytes.split_at(bytes.len() - TRAILER);
    let (length, sum) = trailer(end)?;
    let start = (body.len() as u64)
        .checked_sub(length)
        .filter(|&s| s >= MAGIC.len() as u64)
        .ok_or_else(|| bad("its index is cut off"))? as usize;
    let index = read_index(&body[start..], sum)?;
    let mut tables = Vec::new();
    for t in index.tables {
        let mut groups = Vec::new();
        for &(key_group, at, length, sum) in &t.groups {
            let data = body
                .get(at as usize..at.saturating_add(length) as usize)
                .filter(|d| xxh3_64(d) == sum)
                .ok_or_else(|| damaged(&t, key_group))?;
            groups.push(SealedGroup { key_group, run: data.to_vec().into() });
        }
        tables.push(SealedTable { name: t.name, version: t.version, full: t.full, groups });
    }
    Ok(tables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_damage() {
        let table = SealedTable {
            name: "t".into(),
            version: 2,
            full: true,
            groups: vec![
                SealedGroup { key_group: 1, run: vec![1, 2, 3].into() },
                SealedGroup { key_group: 9, run: vec![4].into() },
            ],
        };
        let (bytes, summary) = encode(std::slice::from_ref(&table)).unwrap();
        assert_eq!(summary[0].bytes, 4);
        assert_eq!(decode(&bytes).unwrap(), [table]);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run");
        std::fs::write(&path, &bytes).unwrap();
        let opened = open(&path).unwrap();
        assert_eq!(in_memory(&opened), None);
        assert_eq!(encode(&opened).unwrap().0, bytes);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert!(decode(&damaged).is_err(), "byte {at}");
            std::fs::write(&path, &damaged).unwrap();
            assert!(open(&path).is_err(), "byte {at}");
            std::fs::write(&path, &bytes[..at]).unwrap();
            assert!(open(&path).is_err(), "length {at}");
            assert!(decode(&bytes[..at]).is_err(), "length {at}");
        }
    }
}
