//! Sealed tables as one object: the bytes of all key groups, then an index with their
//! places and checksums, then the index's length and checksum.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Cursor, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use weir_core::{Error, Result};
use weir_state::{Run, RunSource, SealedGroup, SealedTable, sorted_run};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::manifest::RunTable;

/// First bytes of a run file.
const MAGIC: &[u8; 8] = b"WEIRRUN2";

/// The same before there were pieces.
const MAGIC_WITHOUT_PIECES: &[u8; 8] = b"WEIRRUN1";

/// Length and checksum of the index.
const TRAILER: usize = 16;

/// (key group, offset, length, checksum)
type Extent = (u32, u64, u64, u64);

#[derive(Serialize, Deserialize)]
struct Index {
    tables: Vec<TableIndex>,
}

#[derive(Serialize, Deserialize)]
struct TableIndex {
    name: String,
    version: u16,
    full: bool,
    /// A run each.
    groups: Vec<Extent>,
    /// Records of a key group, unsorted and in several places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pieces: Vec<Extent>,
}

/// Bytes of the tables' runs, if all of them are in memory.
pub fn in_memory(tables: &[SealedTable]) -> Option<usize> {
    let runs = tables.iter().flat_map(|t| &t.groups).map(|g| match &g.run {
        Run::Bytes(bytes) => Some(bytes.len()),
        Run::Stream(_) | Run::Pieces => None,
    });
    runs.sum()
}

/// Whether parts of the tables were handed over while they were sealed.
pub fn has_pieces(tables: &[SealedTable]) -> bool {
    tables.iter().flat_map(|t| &t.groups).any(|g| matches!(g.run, Run::Pieces))
}

/// The object of an instance's tables, and what it contains.
pub fn encode(tables: &[SealedTable]) -> Result<(Vec<u8>, Vec<RunTable>)> {
    let mut out = Vec::new();
    let (_, summary) = write(tables, &mut out)?;
    Ok((out, summary))
}

/// Writes the object of an instance's tables; its length in bytes and what it contains.
pub fn write(tables: &[SealedTable], out: &mut dyn Write) -> Result<(u64, Vec<RunTable>)> {
    let (_, length, summary) = Writer::new(out)?.finish(tables)?;
    Ok((length, summary))
}

/// Writes one object, pieces first.
pub struct Writer<W> {
    out: W,
    at: u64,
    /// By table.
    pieces: BTreeMap<usize, Vec<Extent>>,
}

impl<W: Write> Writer<W> {
    /// Begins an object.
    pub fn new(mut out: W) -> Result<Self> {
        out.write_all(MAGIC)?;
        Ok(Self { out, at: MAGIC.len() as u64, pieces: BTreeMap::new() })
    }

    /// Adds records of a key group of the seal's table number `table`.
    pub fn piece(&mut self, table: usize, key_group: u32, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes)?;
        let length = bytes.len() as u64;
        let extent = (key_group, self.at, length, xxh3_64(bytes));
        self.pieces.entry(table).or_default().push(extent);
        self.at += length;
        Ok(())
    }

    /// Forgets the pieces of a table so far.
    pub fn forget(&mut self, table: usize) {
        self.pieces.remove(&table);
    }

    /// Where the object is written to.
    pub fn out(&mut self) -> &mut W {
        &mut self.out
    }

    /// Adds the runs that are not in pieces, and the index; the writer, the length of the
    /// object in bytes and what it contains.
    pub fn finish(mut self, tables: &[SealedTable]) -> Result<(W, u64, Vec<RunTable>)> {
        let mut index = Index { tables: Vec::new() };
        for (number, t) in tables.iter().enumerate() {
            let (groups, pieces) = (self.runs(t)?, self.pieces.remove(&number));
            let (name, version, full) = (t.name.clone(), t.version, t.full);
            let pieces = pieces.unwrap_or_default();
            index.tables.push(TableIndex { name, version, full, groups, pieces });
        }
        let summary = index.tables.iter().map(|t| RunTable {
            name: t.name.clone(),
            version: t.version,
            full: t.full,
            bytes: t.groups.iter().chain(&t.pieces).map(|&(_, _, length, _)| length).sum(),
        });
        let summary = summary.collect();
        let index =
            serde_json::to_vec(&index).map_err(|e| Error::internal(format!("run index: {e}")))?;
        self.out.write_all(&index)?;
        self.out.write_all(&(index.len() as u64).to_le_bytes())?;
        self.out.write_all(&xxh3_64(&index).to_le_bytes())?;
        Ok((self.out, self.at + (index.len() + TRAILER) as u64, summary))
    }

    fn runs(&mut self, t: &SealedTable) -> Result<Vec<Extent>> {
        let mut groups = Vec::new();
        for g in t.groups.iter().filter(|g| !matches!(g.run, Run::Pieces)) {
            let mut summed = Summed { out: &mut self.out, sum: Xxh3::new() };
            let length = g.run.write_to(&mut summed)?;
            groups.push((g.key_group, self.at, length, summed.sum.digest()));
            self.at += length;
        }
        Ok(groups)
    }
}

/// Adds up a checksum of what passes.
struct Summed<'a, W> {
    out: &'a mut W,
    sum: Xxh3,
}

impl<W: Write> Write for Summed<'_, W> {
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

/// Where the bytes of an object are.
#[derive(Debug)]
enum Object {
    File(File),
    Memory(Vec<u8>),
}

impl Object {
    fn read_at(&self, out: &mut [u8], at: u64) -> std::io::Result<usize> {
        match self {
            Object::File(file) => file.read_at(out, at),
            Object::Memory(bytes) => {
                let rest = bytes.get(at as usize..).unwrap_or_default();
                let n = rest.len().min(out.len());
                out[..n].copy_from_slice(&rest[..n]);
                Ok(n)
            }
        }
    }
}

/// Opens a local object: its checksums are tested now, its runs are read when they are
/// needed; an error where bytes were lost or changed.
pub fn open(path: &Path) -> Result<Vec<SealedTable>> {
    let failed = |e: std::io::Error| Error::io(format!("cannot read {}: {e}", path.display()));
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    tables(Object::File(file), length).map_err(|e| e.context(path.display().to_string()))
}

/// Reads an object back; an error where bytes were lost or changed.
pub fn decode(bytes: Vec<u8>) -> Result<Vec<SealedTable>> {
    let length = bytes.len() as u64;
    tables(Object::Memory(bytes), length)
}

fn tables(object: Object, length: u64) -> Result<Vec<SealedTable>> {
    let object = Arc::new(object);
    let (index, end) = read_index(&object, length)?;
    index.tables.into_iter().map(|t| table(&object, t, end)).collect()
}

/// The index, and where it begins.
fn read_index(object: &Arc<Object>, length: u64) -> Result<(Index, u64)> {
    let part = |at: u64, end: u64| Part { object: Arc::clone(object), at, end };
    let magic = part(0, length.min(MAGIC.len() as u64)).whole()?;
    if length < (MAGIC.len() + TRAILER) as u64
        || ![MAGIC, MAGIC_WITHOUT_PIECES].iter().any(|m| magic == m.as_slice())
    {
        return Err(bad("it is too short or not a run"));
    }
    let body = length - TRAILER as u64;
    let trailer = part(body, length).whole()?;
    let mut numbers = trailer.chunks_exact(8).filter_map(|b| b.try_into().ok());
    let mut number = || numbers.next().map_or(0, u64::from_le_bytes);
    let (index_length, sum) = (number(), number());
    let start = body
        .checked_sub(index_length)
        .filter(|&s| s >= MAGIC.len() as u64)
        .ok_or_else(|| bad("its index is cut off"))?;
    let index = part(start, body).whole()?;
    if xxh3_64(&index) != sum {
        return Err(bad("the checksum of its index is wrong"));
    }
    Ok((serde_json::from_slice(&index).map_err(|e| bad(&e.to_string()))?, start))
}

/// A table whose runs end before `end`.
fn table(object: &Arc<Object>, t: TableIndex, end: u64) -> Result<SealedTable> {
    let part = |&(key_group, at, length, sum): &Extent| {
        let part = Part { object: Arc::clone(object), at, end: at.saturating_add(length) };
        if part.end > end || part.sum()? != sum {
            return Err(bad(&format!("key group {key_group} of table '{}'", t.name)));
        }
        Ok((key_group, part))
    };
    let mut groups = BTreeMap::new();
    for extent in &t.groups {
        let (key_group, part) = part(extent)?;
        groups.insert(key_group, run(object, part)?);
    }
    let mut pieces: BTreeMap<u32, Pieces> = BTreeMap::new();
    for extent in &t.pieces {
        let (key_group, part) = part(extent)?;
        pieces.entry(key_group).or_default().0.push(part);
    }
    for (key_group, pieces) in pieces {
        groups.insert(key_group, run(object, pieces)?);
    }
    let groups = groups.into_iter().map(|(key_group, run)| SealedGroup { key_group, run });
    Ok(SealedTable { name: t.name, version: t.version, full: t.full, groups: groups.collect() })
}

fn run(object: &Object, source: impl RunSource + 'static) -> Result<Run> {
    match object {
        Object::File(_) => Ok(Run::Stream(Arc::new(source))),
        Object::Memory(_) => {
            let mut bytes = Vec::new();
            source.write_to(&mut bytes)?;
            Ok(bytes.into())
        }
    }
}

/// Part of an object.
#[derive(Debug, Clone)]
struct Part {
    object: Arc<Object>,
    at: u64,
    end: u64,
}

impl Part {
    fn sum(&self) -> Result<u64> {
        let mut reader = self.clone();
        let mut sum = Xxh3::new();
        let mut buffer = vec![0; (self.end - self.at).min(1 << 18) as usize];
        loop {
            match reader.read(&mut buffer)? {
                0 if reader.at < reader.end => return Err(bad("it is cut off")),
                0 => return Ok(sum.digest()),
                n => sum.update(&buffer[..n]),
            }
        }
    }

    fn whole(&self) -> Result<Vec<u8>> {
        let mut bytes = vec![0; (self.end - self.at) as usize];
        self.clone().read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

impl Read for Part {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = (self.end - self.at).min(out.len() as u64) as usize;
        let n = self.object.read_at(&mut out[..n], self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl RunSource for Part {
    fn open(&self) -> Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(BufReader::with_capacity(1 << 16, self.clone())))
    }
}

/// The pieces of a key group.
#[derive(Debug, Default)]
struct Pieces(Vec<Part>);

impl RunSource for Pieces {
    fn open(&self) -> Result<Box<dyn Read + Send + '_>> {
        let pieces = self.0.iter().map(Part::whole).collect::<Result<Vec<_>>>()?;
        Ok(Box::new(Cursor::new(sorted_run(&pieces)?)))
    }
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
        assert_eq!(decode(bytes.clone()).unwrap(), [table]);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run");
        std::fs::write(&path, &bytes).unwrap();
        let opened = open(&path).unwrap();
        assert_eq!(in_memory(&opened), None);
        assert_eq!(encode(&opened).unwrap().0, bytes);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert!(decode(damaged.clone()).is_err(), "byte {at}");
            std::fs::write(&path, &damaged).unwrap();
            assert!(open(&path).is_err(), "byte {at}");
            std::fs::write(&path, &bytes[..at]).unwrap();
            assert!(open(&path).is_err(), "length {at}");
            assert!(decode(bytes[..at].to_vec()).is_err(), "length {at}");
        }
    }
}
