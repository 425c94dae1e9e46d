//! Runs: the sealed entries of one key group, sorted, mergeable by key without
//! knowing what the values are.
//!
//! Layout (version [`RUN_VERSION`]): the version byte, then records, then END with
//! the number of keys as a varint. A key record opens a key: `1` or `2`, length and
//! bytes; `2` means that whatever older runs hold of the key is gone. Its entries
//! follow: `3` put (sub-key, value), `4` put with the time of the last write
//! (sub-key, i64 milliseconds, value), `5` delete (sub-key); sub-keys and values are
//! length and bytes. A table with one value per key uses the empty sub-key; a table
//! whose values are lists has one entry per element, so that a change of one element
//! costs one entry.
//!
//! Keys are ordered by (hash, bytes), sub-keys by bytes. A run is *full* (the table
//! seals say so) or a *delta* on top of older runs; [`merge_runs`] makes one run of a
//! chain.
//!
//! Where to look next: [`crate::table`] writes and restores runs.

use std::cmp::Ordering;
use std::fmt;
use std::io::{Cursor, Read, Write};
use std::sync::Arc;

use weir_core::keys::hash_key;
use weir_core::{Error, Result};

use crate::bytes::{Reader, put_bytes, put_i64, put_varint};

/// Version of the bytes of a run.
pub const RUN_VERSION: u8 = 2;

/// The stamp of entries without time to live.
pub const NO_STAMP: i64 = i64::MAX;

const END: u8 = 0;
const KEY: u8 = 1;
const KEY_CLEARED: u8 = 2;
const PUT: u8 = 3;
const PUT_STAMPED: u8 = 4;
const DELETE: u8 = 5;

/// A sealed table: one run per non-empty key group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedTable {
    /// Table name within the operator.
    pub name: String,
    /// Version of the value encoding.
    pub version: u16,
    /// Whether the runs replace everything sealed before for this table and instance;
    /// else they are a delta on top.
    pub full: bool,
    /// The runs, ordered by key group.
    pub groups: Vec<SealedGroup>,
}

/// The entries of one key group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedGroup {
    /// The key group.
    pub key_group: u32,
    /// Its entries.
    pub run: Run,
}

/// Where the bytes of a run come from when they are not in memory.
pub trait RunSource: Send + Sync + fmt::Debug {
    /// A reader over the whole run, from its beginning; may be called more than once.
    fn open(&self) -> Result<Box<dyn Read + Send + '_>>;

    /// Writes the whole run; returns its length in bytes.
    fn write_to(&self, out: &mut dyn Write) -> Result<u64> {
        Ok(std::io::copy(&mut self.open()?, out)?)
    }
}

/// The bytes of a run: in memory, or to be streamed by the thread that stores them.
#[derive(Debug, Clone)]
pub enum Run {
    /// In memory.
    Bytes(Vec<u8>),
    /// Produced while it is read, off the worker thread.
    Stream(Arc<dyn RunSource>),
    /// Its records went to a [`crate::PieceSink`] while the seal was made; whoever stores
    /// the seal knows where they are.
    Pieces,
}

fn away() -> Error {
    Error::internal("the records of this run are with the sink that took them")
}

impl Run {
    /// A reader over the run.
    pub fn open(&self) -> Result<Box<dyn Read + Send + '_>> {
        match self {
            Run::Bytes(bytes) => Ok(Box::new(Cursor::new(bytes.as_slice()))),
            Run::Stream(source) => source.open(),
            Run::Pieces => Err(away()),
        }
    }

    /// Writes the run; returns its length in bytes.
    pub fn write_to(&self, out: &mut dyn Write) -> Result<u64> {
        match self {
            Run::Bytes(bytes) => {
                out.write_all(bytes)?;
                Ok(bytes.len() as u64)
            }
            Run::Stream(source) => source.write_to(out),
            Run::Pieces => Err(away()),
        }
    }

    /// The run as bytes in memory.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.write_to(&mut bytes)?;
        Ok(bytes)
    }
}

impl From<Vec<u8>> for Run {
    fn from(bytes: Vec<u8>) -> Self {
        Run::Bytes(bytes)
    }
}

impl PartialEq for Run {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Run::Bytes(a), Run::Bytes(b)) => a == b,
            (Run::Stream(a), Run::Stream(b)) => Arc::ptr_eq(a, b),
            (Run::Pieces, Run::Pieces) => true,
            _ => false,
        }
    }
}

impl Eq for Run {}

/// One entry of a key; no value = the entry is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Which element of the key's value; empty where a key has one value.
    pub sub: &'a [u8],
    /// Milliseconds of the last write, [`NO_STAMP`] without time to live.
    pub stamp: i64,
    /// The value.
    pub value: Option<&'a [u8]>,
}

/// The encoded entries of one key.
#[derive(Debug, Default, Clone)]
pub struct Entries {
    bytes: Vec<u8>,
    value: Vec<u8>,
}

impl Entries {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), value: Vec::new() }
    }

    /// Begins the record of a key, whose older entries count.
    pub(crate) fn open_key(&mut self, key: &[u8]) {
        put_key(&mut self.bytes, key, false);
    }

    /// Says of the record that begins at a byte that older entries do not count.
    pub(crate) fn clear_older(&mut self, start: usize) {
        self.bytes[start] = KEY_CLEARED;
    }

    /// Adds records to bytes that may be none.
    pub(crate) fn on(bytes: Vec<u8>) -> Self {
        Self { bytes, value: Vec::new() }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Forgets all entries.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The encoded entries.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds an entry whose value `write` appends.
    pub fn put(&mut self, sub: &[u8], stamp: i64, write: impl FnOnce(&mut Vec<u8>)) {
        self.value.clear();
        write(&mut self.value);
        put_entry(&mut self.bytes, &Entry { sub, stamp, value: Some(&self.value) });
    }

    /// Says that an entry is gone.
    pub fn delete(&mut self, sub: &[u8]) {
        put_entry(&mut self.bytes, &Entry { sub, stamp: NO_STAMP, value: None });
    }
}

fn put_entry(out: &mut Vec<u8>, e: &Entry<'_>) {
    match e.value {
        None => {
            out.push(DELETE);
            put_bytes(out, e.sub);
        }
        Some(value) => {
            out.push(if e.stamp == NO_STAMP { PUT } else { PUT_STAMPED });
            put_bytes(out, e.sub);
            if e.stamp != NO_STAMP {
                put_i64(out, e.stamp);
            }
            put_bytes(out, value);
        }
    }
}

/// Appends what a run begins with.
pub(crate) fn run_start(out: &mut Vec<u8>) {
    out.push(RUN_VERSION);
}

/// Appends what a run of this many keys ends with.
pub(crate) fn run_end(out: &mut Vec<u8>, keys: u64) {
    out.push(END);
    put_varint(out, keys);
}

/// Opens a key; its encoded entries are to follow.
pub(crate) fn put_key(out: &mut Vec<u8>, key: &[u8], cleared: bool) {
    out.push(if cleared { KEY_CLEARED } else { KEY });
    put_bytes(out, key);
}

/// Key bytes of a record that [`put_key`] began.
pub(crate) fn key_of_record(record: &[u8]) -> &[u8] {
    let mut r = Reader::new(record.get(1..).unwrap_or_default());
    r.bytes().unwrap_or_default()
}

/// Calls `each` with key and bytes of every record of `piece`.
///
/// # Errors
///
/// The bytes are not whole records.
pub(crate) fn each_record<'a>(
    piece: &'a [u8],
    mut each: impl FnMut(&'a [u8], &'a [u8]),
) -> Result<()> {
    let mut at = 0;
    while at < piece.len() {
        let mut r = Reader::new(&piece[at..]);
        let tag = r.u8()?;
        if tag != KEY && tag != KEY_CLEARED {
            return Err(Error::data(format!("a piece of state holds an unknown record {tag}")));
        }
        let key = r.bytes()?;
        while r.peek().is_some_and(|tag| (PUT..=DELETE).contains(&tag)) {
            let tag = r.u8()?;
            r.bytes()?;
            if tag == PUT_STAMPED {
                r.i64()?;
            }
            if tag != DELETE {
                r.bytes()?;
            }
        }
        let end = piece.len() - r.remaining();
        each(key, &piece[at..end]);
        at = end;
    }
    Ok(())
}

/// Writes a run: keys in the order of [`key_order`].
#[derive(Debug)]
pub struct RunWriter<W> {
    out: W,
    buffer: Vec<u8>,
    keys: u64,
}

impl<W: Write> RunWriter<W> {
    /// Starts a run.
    pub fn new(out: W) -> Self {
        let mut buffer = Vec::new();
        run_start(&mut buffer);
        Self { out, buffer, keys: 0 }
    }

    /// Opens a key; `cleared`: older runs' entries of it are gone.
    pub fn key(&mut self, key: &[u8], cleared: bool) -> Result<()> {
        put_key(&mut self.buffer, key, cleared);
        self.keys += 1;
        self.spill(1 << 16)
    }

    /// Adds an entry to the key opened last.
    pub fn entry(&mut self, entry: &Entry<'_>) -> Result<()> {
        put_entry(&mut self.buffer, entry);
        self.spill(1 << 16)
    }

    /// Adds entries to the key opened last.
    pub fn entries(&mut self, encoded: &[u8]) -> Result<()> {
        if encoded.len() > 1 << 16 {
            self.spill(0)?;
            self.out.write_all(encoded)?;
            return Ok(());
        }
        self.buffer.extend_from_slice(encoded);
        self.spill(1 << 16)
    }

    fn spill(&mut self, above: usize) -> Result<()> {
        if self.buffer.len() > above {
            self.out.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Ends the run; the writer and the number of keys.
    pub fn finish(mut self) -> Result<(W, u64)> {
        run_end(&mut self.buffer, self.keys);
        self.spill(0)?;
        Ok((self.out, self.keys))
    }
}

/// Order of keys within a run.
pub fn key_order(a: &[u8], b: &[u8]) -> Ordering {
    hash_key(a).cmp(&hash_key(b)).then_with(|| a.cmp(b))
}

/// Reads a run key by key, entry by entry.
pub struct RunReader<R> {
    input: R,
    /// Tag of the record that comes next.
    next: u8,
    hash: u64,
    key: Vec<u8>,
    cleared: bool,
    sub: Vec<u8>,
    stamp: i64,
    value: Vec<u8>,
    deleted: bool,
    keys: u64,
}

impl<R: Read> RunReader<R> {
    /// Starts reading; refuses other versions.
    pub fn new(mut input: R) -> Result<Self> {
        let version = byte(&mut input)?;
        if version != RUN_VERSION {
            return Err(Error::data(format!(
                "a state run was written in version {version}, this build reads version {RUN_VERSION}"
            )));
        }
        let next = byte(&mut input)?;
        Ok(Self {
            input,
            next,
            hash: 0,
            key: Vec::new(),
            cleared: false,
            sub: Vec::new(),
            stamp: NO_STAMP,
            value: Vec::new(),
            deleted: false,
            keys: 0,
        })
    }

    /// Goes to the next key; false at the end of the run.
    pub fn next_key(&mut self) -> Result<bool> {
        while self.advance()? {}
        match self.next {
            KEY | KEY_CLEARED => {
                self.cleared = self.next == KEY_CLEARED;
                read_bytes(&mut self.input, &mut self.key)?;
                self.hash = hash_key(&self.key);
                self.keys += 1;
                self.next = byte(&mut self.input)?;
                Ok(true)
            }
            END => {
                let keys = varint(&mut self.input)?;
                if keys != self.keys {
                    return Err(Error::data(format!(
                        "a state run says it holds {keys} keys and holds {}",
                        self.keys
                    )));
                }
                // Asked again it still is at its end.
                self.next = u8::MAX;
                Ok(false)
            }
            u8::MAX => Ok(false),
            tag => Err(Error::data(format!("a state run holds an unknown record {tag}"))),
        }
    }

    /// The current key.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// Whether older runs' entries of the current key are gone.
    pub fn cleared(&self) -> bool {
        self.cleared
    }

    /// Goes to the next entry of the current key; false when there is none.
    pub fn advance(&mut self) -> Result<bool> {
        if !(PUT..=DELETE).contains(&self.next) {
            return Ok(false);
        }
        self.deleted = self.next == DELETE;
        self.stamp = NO_STAMP;
        read_bytes(&mut self.input, &mut self.sub)?;
        if self.next == PUT_STAMPED {
            let mut b = [0; 8];
            self.input.read_exact(&mut b).map_err(cut)?;
            self.stamp = i64::from_le_bytes(b);
        }
        if !self.deleted {
            read_bytes(&mut self.input, &mut self.value)?;
        }
        self.next = byte(&mut self.input)?;
        Ok(true)
    }

    /// The entry that [`RunReader::advance`] went to.
    pub fn entry(&self) -> Entry<'_> {
        let value = (!self.deleted).then_some(self.value.as_slice());
        Entry { sub: &self.sub, stamp: self.stamp, value }
    }

    fn order(&self, other: &Self) -> Ordering {
        self.hash.cmp(&other.hash).then_with(|| self.key.cmp(&other.key))
    }
}

/// Calls `each` for every entry of bytes that [`Entries`] made.
pub fn each_entry(encoded: &[u8], mut each: impl FnMut(&Entry<'_>) -> Result<()>) -> Result<()> {
    let mut r = Reader::new(encoded);
    while !r.is_empty() {
        let tag = r.u8()?;
        let sub = r.bytes()?;
        let stamp = if tag == PUT_STAMPED { r.i64()? } else { NO_STAMP };
        let value = match tag {
            PUT | PUT_STAMPED => Some(r.bytes()?),
            DELETE => None,
            _ => return Err(Error::data(format!("state entries hold an unknown record {tag}"))),
        };
        each(&Entry { sub, stamp, value })?;
    }
    Ok(())
}

fn cut(e: std::io::Error) -> Error {
    if e.kind() == std::io::ErrorKind::UnexpectedEof {
        return Error::data("a state run ends too early");
    }
    e.into()
}

fn byte(input: &mut impl Read) -> Result<u8> {
    let mut b = [0];
    input.read_exact(&mut b).map_err(cut)?;
    Ok(b[0])
}

fn varint(input: &mut impl Read) -> Result<u64> {
    let mut x = 0u64;
    for shift in (0..64).step_by(7) {
        let b = byte(input)?;
        x |= u64::from(b & 0x7f) << shift;
        if b < 0x80 {
            return Ok(x);
        }
    }
    Err(Error::data("a state run holds a varint that is too long"))
}

/// Length and bytes, without trusting the length before the bytes are there.
fn read_bytes(input: &mut impl Read, out: &mut Vec<u8>) -> Result<()> {
    let n = varint(input)?;
    out.clear();
    if n <= 1 << 16 {
        out.resize(n as usize, 0);
        return input.read_exact(out).map_err(cut);
    }
    if input.take(n).read_to_end(out)? as u64 != n {
        return Err(Error::data("a state run ends too early"));
    }
    Ok(())
}

/// What [`merge_runs`] may leave out.
#[derive(Debug, Clone, Copy, Default)]
pub struct MergeRules {
    /// The oldest run is full: there is nothing below it that deletes must hide.
    pub full: bool,
    /// Entries written last at or before this time (milliseconds) have expired.
    pub expired: Option<i64>,
}

/// Merges runs of one key group, oldest first, into one: of every entry the newest
/// stays. Memory is bounded by one entry per run. Returns the number of keys.
pub fn merge_runs<'a, W: Write>(
    runs: impl IntoIterator<Item = Box<dyn Read + Send + 'a>>,
    rules: MergeRules,
    out: W,
) -> Result<(W, u64)> {
    let mut out = RunWriter::new(out);
    let mut open = Vec::new();
    for run in runs {
        let mut reader = RunReader::new(run)?;
        if reader.next_key()? {
            open.push(reader);
        }
    }
    while !open.is_empty() {
        merge_key(&mut open, rules, &mut out)?;
    }
    out.finish()
}

/// Merges the entries of the smallest key and moves the runs that have it on.
fn merge_key<R: Read, W: Write>(
    open: &mut Vec<RunReader<R>>,
    rules: MergeRules,
    out: &mut RunWriter<W>,
) -> Result<()> {
    let mut first = 0;
    for i in 1..open.len() {
        if open[i].order(&open[first]).is_lt() {
            first = i;
        }
    }
    let have: Vec<usize> =
        (0..open.len()).filter(|&i| open[i].order(&open[first]).is_eq()).collect();
    // Newest first; what is older than a clearing run does not count.
    let mut take: Vec<usize> = Vec::new();
    let mut cleared = false;
    for &i in have.iter().rev() {
        take.push(i);
        if open[i].cleared {
            cleared = true;
            break;
        }
    }
    let mut opened = false;
    let open_key = |out: &mut RunWriter<W>, key: &[u8]| out.key(key, cleared);
    if !rules.full {
        open_key(out, &open[first].key)?;
        opened = true;
    }
    let mut at: Vec<bool> = Vec::with_capacity(take.len());
    for &i in &take {
        at.push(open[i].advance()?);
    }
    loop {
        let live = (0..take.len()).filter(|&p| at[p]);
        let Some(p) = live.min_by(|&a, &b| open[take[a]].sub.cmp(&open[take[b]].sub)) else {
            break;
        };
        // `min_by` gives the first of equals: the newest.
        let reader = &open[take[p]];
        let mut entry = reader.entry();
        if entry.value.is_some() && rules.expired.is_some_and(|t| entry.stamp <= t) {
            entry.value = None;
        }
        if entry.value.is_some() || !(rules.full || cleared) {
            if !opened {
                open_key(out, &reader.key)?;
                opened = true;
            }
            out.entry(&entry)?;
        }
        let sub = reader.sub.clone();
        for q in 0..take.len() {
            if at[q] && open[take[q]].sub == sub {
                at[q] = open[take[q]].advance()?;
            }
        }
    }
    for &i in have.iter().rev() {
        if !open[i].next_key()? {
            open.remove(i);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Content = Vec<(&'static str, bool, Vec<(&'static str, Option<&'static str>)>)>;

    fn run(mut content: Content) -> Vec<u8> {
        content.sort_by(|a, b| key_order(a.0.as_bytes(), b.0.as_bytes()));
        let mut w = RunWriter::new(Vec::new());
        for (key, cleared, entries) in content {
            w.key(key.as_bytes(), cleared).unwrap();
            for (sub, value) in entries {
                let (sub, value) = (sub.as_bytes(), value.map(str::as_bytes));
                w.entry(&Entry { sub, stamp: NO_STAMP, value }).unwrap();
            }
        }
        w.finish().unwrap().0
    }

    fn merged(runs: &[Vec<u8>], full: bool) -> Vec<u8> {
        let rules = MergeRules { full, expired: None };
        let runs = runs.iter().map(|r| Box::new(&r[..]) as Box<dyn Read + Send>);
        merge_runs(runs, rules, Vec::new()).unwrap().0
    }

    #[test]
    fn the_newest_entry_wins_and_a_full_base_needs_no_deletes() {
        let base = run(vec![
            ("a", true, vec![("", Some("1"))]),
            ("b", true, vec![("", Some("2"))]),
            ("list", true, vec![("1", Some("x")), ("2", Some("y")), ("3", Some("z"))]),
        ]);
        let delta = run(vec![
            ("a", true, vec![]),
            ("c", true, vec![("", Some("3"))]),
            ("list", false, vec![("2", None), ("4", Some("w"))]),
        ]);
        let expected = run(vec![
            ("b", true, vec![("", Some("2"))]),
            ("c", true, vec![("", Some("3"))]),
            ("list", true, vec![("1", Some("x")), ("3", Some("z")), ("4", Some("w"))]),
        ]);
        assert_eq!(merged(&[base.clone(), delta.clone()], true), expected);
        // Two deltas keep what hides older entries, and say the same on top of a base.
        let later =
            run(vec![("b", true, vec![]), ("list", false, vec![("3", None), ("2", Some("v"))])]);
        let deltas = merged(&[delta, later], false);
        let expected = run(vec![
            ("c", true, vec![("", Some("3"))]),
            ("list", true, vec![("1", Some("x")), ("2", Some("v")), ("4", Some("w"))]),
        ]);
        assert_eq!(merged(&[base, deltas], true), expected);
    }

    #[test]
    fn cut_runs_and_other_versions_are_errors() {
        let whole = run(vec![("a", true, vec![("", Some("1"))]), ("b", true, vec![])]);
        for n in 0..whole.len() {
            let mut reader = match RunReader::new(&whole[..n]) {
                Ok(r) => r,
                Err(_) => continue,
            };
            let read = (|| {
                while reader.next_key()? {}
                Ok::<_, Error>(())
            })();
            assert!(read.is_err(), "{n} bytes of {} are a run", whole.len());
        }
        assert!(RunReader::new(&[1u8, 0, 0][..]).is_err());
    }

    #[test]
    fn expired_entries_vanish() {
        let mut w = RunWriter::new(Vec::new());
        w.key(b"k", true).unwrap();
        w.entry(&Entry { sub: b"", stamp: 5, value: Some(b"v") }).unwrap();
        let bytes = w.finish().unwrap().0;
        for (at, keys) in [(4, 1), (5, 0)] {
            let rules = MergeRules { full: true, expired: Some(at) };
            let one = [Box::new(&bytes[..]) as Box<dyn Read + Send>];
            assert_eq!(merge_runs(one, rules, Vec::new()).unwrap().1, keys);
        }
    }
}
