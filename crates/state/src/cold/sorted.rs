//! Sorted runs on disk: records in the order of their places, in blocks that an index in
//! memory finds, with a filter of their hashes.
//!
//! A run is written once, from its beginning to its end, to a file without a name; it goes
//! when nobody reads it any more. A record is the hash (u64), the length of the value (u32,
//! [`GONE`]: the key has none any more), the key group and the length of the key (u16 each),
//! all little-endian, then key and value.
//!
//! Where to look next: [`super::merge`] reads many runs as one.

use std::cmp::Ordering;
use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use weir_core::{Error, Result};

use super::filter::{Filter, Range as Hashes};
use super::{Place, failed};

/// Length of a record in front of its key.
const FRONT: usize = 16;
/// Length of the value of a key that is gone.
const GONE: u32 = u32::MAX;
/// Bytes from which on a block takes no further record.
const BLOCK: usize = 2 << 10;
/// Bytes written at once.
const PIECE: usize = 256 << 10;
/// Bytes that nobody asked for which are read rather than asked for separately.
const GAP: u64 = 4 << 10;
/// Bytes read at once for several keys.
const REACH: u64 = 64 << 10;

/// A record in a buffer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) group: u32,
    pub(super) hash: u64,
    pub(super) key: &'a [u8],
    /// `None`: the key is gone.
    pub(super) value: Option<&'a [u8]>,
}

impl<'a> Record<'a> {
    pub(super) fn place(&self) -> Place<'a> {
        (self.group, self.hash, self.key)
    }

    /// The record at the beginning of `bytes` with its length, or the number of bytes that
    /// it takes at least to tell.
    pub(super) fn read(bytes: &'a [u8]) -> std::result::Result<(Self, usize), usize> {
        let Some((front, rest)) = bytes.split_at_checked(FRONT) else { return Err(FRONT) };
        let hash = u64::from_le_bytes(front[..8].try_into().unwrap_or_default());
        let length = u32::from_le_bytes(front[8..12].try_into().unwrap_or_default());
        let group = u16::from_le_bytes(front[12..14].try_into().unwrap_or_default());
        let key = usize::from(u16::from_le_bytes(front[14..].try_into().unwrap_or_default()));
        let value = if length == GONE { 0 } else { length as usize };
        let Some(body) = rest.get(..key + value) else { return Err(FRONT + key + value) };
        let (key, body) = body.split_at(key);
        let value = Some(body).filter(|_| length != GONE);
        Ok((Self { group: group.into(), hash, key, value }, FRONT + key.len() + body.len()))
    }
}

fn write_record(
    out: &mut Vec<u8>,
    (group, hash, key): Place<'_>,
    value: Option<&[u8]>,
) -> Result<()> {
    let length = match value {
        Some(v) => u32::try_from(v.len()).ok().filter(|&n| n != GONE),
        None => Some(GONE),
    };
    let (Some(length), Ok(key_length)) = (length, u16::try_from(key.len())) else {
        return Err(Error::data("a row of keyed state is too long for local disk"));
    };
    out.extend_from_slice(&hash.to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&(group as u16).to_le_bytes());
    out.extend_from_slice(&key_length.to_le_bytes());
    out.extend_from_slice(key);
    out.extend_from_slice(value.unwrap_or_default());
    Ok(())
}

/// A key group and the upper bits of a hash: what sorts blocks.
fn mark(group: u32, hash: u64) -> u64 {
    u64::from(group) << 48 | hash >> 16
}

/// See the module.
#[derive(Debug)]
pub(super) struct SortedRun {
    file: File,
    /// [`mark`] of the first record of each block.
    marks: Vec<u64>,
    /// Where blocks begin, and where the last one ends.
    starts: Vec<u64>,
    filter: Option<Filter>,
    records: usize,
}

impl SortedRun {
    pub(super) fn records(&self) -> usize {
        self.records
    }

    /// Length in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.start(self.marks.len())
    }

    fn start(&self, block: usize) -> u64 {
        self.starts[block]
    }

    /// Least and greatest hash, if the run has a filter.
    pub(super) fn hashes(&self) -> Option<Hashes> {
        self.filter.as_ref().map(Filter::range)
    }

    /// Where the records of a key group begin, if there are any.
    pub(super) fn seek(&self, group: u32) -> u64 {
        let block = self.marks.partition_point(|&m| m < mark(group, 0));
        self.start(block.saturating_sub(1))
    }

    /// Reads some bytes.
    pub(super) fn read(&self, at: u64, bytes: &mut [u8]) -> Result<()> {
        self.file.read_exact_at(bytes, at).map_err(failed)
    }

    /// Whether the run may hold a key.
    pub(super) fn may_hold(&self, hash: u64) -> bool {
        self.filter.as_ref().is_none_or(|f| f.may_hold(hash))
    }

    /// The blocks that may hold a place, none of them in front of block `from`.
    fn blocks(&self, group: u32, hash: u64, from: usize) -> Range<usize> {
        let mark = mark(group, hash);
        // Places are asked for in order: the next one is rarely far.
        let mut step = 1;
        while self.marks.get(from + step).is_some_and(|&m| m < mark) {
            step *= 2;
        }
        let (low, high) = (from + step / 2, (from + step).min(self.marks.len()));
        let first = low + self.marks[low..high].partition_point(|&m| m < mark);
        let same = self.marks[first..].iter().take_while(|&&m| m == mark).count();
        first.saturating_sub(1).max(from)..first + same
    }

    /// Looks for places, given in order; `each` gets the number of a place and its value,
    /// `None` if the key is gone.
    pub(super) fn find<'p>(
        &self,
        places: impl Iterator<Item = Place<'p>>,
        buffer: &mut Vec<u8>,
        each: &mut impl FnMut(usize, Option<&[u8]>),
    ) -> Result<()> {
        let mut asked: Vec<(Range<usize>, Place<'p>)> = Vec::new();
        let mut from = 0;
        for place in places {
            let blocks = self.blocks(place.0, place.1, from);
            from = blocks.start;
            asked.push((blocks, place));
        }
        let mut at = 0;
        while at < asked.len() {
            let begin = self.start(asked[at].0.start);
            let (mut end, mut to) = (self.start(asked[at].0.end), at + 1);
            while let Some((blocks, _)) = asked.get(to)
                && self.start(blocks.start) <= end + GAP
                && self.start(blocks.end) <= begin + REACH
            {
                end = end.max(self.start(blocks.end));
                to += 1;
            }
            buffer.resize((end - begin) as usize, 0);
            self.read(begin, buffer)?;
            for (i, (blocks, place)) in asked[at..to].iter().enumerate() {
                let from = (self.start(blocks.start) - begin) as usize;
                if let Some(value) = search(&buffer[from..], *place)? {
                    each(at + i, value);
                }
            }
            at = to;
        }
        Ok(())
    }
}

/// The value of a place among records in order.
fn search<'a>(mut bytes: &'a [u8], place: Place<'_>) -> Result<Option<Option<&'a [u8]>>> {
    while !bytes.is_empty() {
        let (record, length) =
            Record::read(bytes).map_err(|_| Error::data("a run on local disk ends too early"))?;
        match record.place().cmp(&place) {
            Ordering::Less => bytes = &bytes[length..],
            Ordering::Equal => return Ok(Some(record.value)),
            Ordering::Greater => break,
        }
    }
    Ok(None)
}

/// Writes a run.
#[derive(Debug)]
pub(super) struct SortedWriter {
    run: SortedRun,
    buffer: Vec<u8>,
    /// Bytes in the file.
    written: u64,
}

impl SortedWriter {
    /// Begins a run; `filter`: it will be asked for single keys, has at most so many records,
    /// and their hashes are in this range.
    pub(super) fn new(folder: &Path, filter: Option<(usize, Hashes)>) -> Result<Self> {
        let run = SortedRun {
            file: tempfile::tempfile_in(folder).map_err(failed)?,
            marks: Vec::new(),
            starts: vec![0],
            filter: filter.map(|(records, hashes)| Filter::new(records, hashes)),
            records: 0,
        };
        Ok(Self { run, buffer: Vec::with_capacity(PIECE), written: 0 })
    }

    fn at(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Adds a record behind the others; `None`: the key is gone.
    pub(super) fn put(&mut self, place: Place<'_>, value: Option<&[u8]>) -> Result<()> {
        // `starts` holds the beginning of the block under way, `marks` only once it has a record.
        if self.run.marks.len() < self.run.starts.len() {
            self.run.marks.push(mark(place.0, place.1));
        }
        if let Some(filter) = &mut self.run.filter {
            filter.insert(place.1);
        }
        write_record(&mut self.buffer, place, value)?;
        self.run.records += 1;
        if self.at() - self.run.starts[self.run.marks.len() - 1] >= BLOCK as u64 {
            self.end_block()?;
        }
        Ok(())
    }

    fn end_block(&mut self) -> Result<()> {
        self.run.starts.push(self.at());
        if self.buffer.len() >= PIECE - 2 * BLOCK {
            self.write()?;
        }
        Ok(())
    }

    fn write(&mut self) -> Result<()> {
        self.run.file.write_all(&self.buffer).map_err(failed)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Ends the run.
    pub(super) fn finish(mut self) -> Result<SortedRun> {
        if self.run.starts.len() == self.run.marks.len() {
            self.run.starts.push(self.at());
        }
        self.write()?;
        self.run.marks.shrink_to_fit();
        self.run.starts.shrink_to_fit();
        Ok(self.run)
    }
}
