//! Keys and entries as bytes, and runs of them.

use std::cmp::Ordering;
use std::io::Write;

use weir_core::keys::hash_key;
use weir_core::{Error, Result};

use super::{DELETE, END, KEY, KEY_CLEARED, NO_STAMP, PUT, PUT_STAMPED, RUN_VERSION};
use crate::bytes::{Reader, put_bytes, put_i64, put_varint};

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
}

impl Entries {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes) }
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
        Self { bytes }
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
        put_head(&mut self.bytes, sub, stamp);
        put_sized(&mut self.bytes, write);
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
            put_head(out, e.sub, e.stamp);
            put_bytes(out, value);
        }
    }
}

fn put_head(out: &mut Vec<u8>, sub: &[u8], stamp: i64) {
    out.push(if stamp == NO_STAMP { PUT } else { PUT_STAMPED });
    put_bytes(out, sub);
    if stamp != NO_STAMP {
        put_i64(out, stamp);
    }
}

/// Appends length and bytes, as [`put_bytes`] does, of what `write` appends: the bytes are
/// written where they stay, behind two bytes of room for their length.
fn put_sized(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    const ROOM: usize = 2;
    let at = out.len();
    out.extend_from_slice(&[0; ROOM]);
    write(out);
    let length = out.len() - at - ROOM;
    if length < 1 << (7 * ROOM) {
        // A varint of two bytes, also where one would do.
        out[at] = (length & 0x7f) as u8 | 0x80;
        out[at + 1] = (length >> 7) as u8;
        return;
    }
    let mut varint = Vec::new();
    put_varint(&mut varint, length as u64);
    out.splice(at..at + ROOM, varint);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_any_length_are_read_back() {
        for length in [0, 1, 127, 128, 16_383, 16_384, 3_000_000] {
            let value = vec![7; length];
            let mut entries = Entries::default();
            entries.put(b"s", 5, |out| out.extend_from_slice(&value));
            entries.put(b"", NO_STAMP, |out| out.push(1));
            let mut seen = Vec::new();
            each_entry(entries.bytes(), |e| {
                seen.push((e.sub.to_vec(), e.stamp, e.value.map(<[u8]>::to_vec)));
                Ok(())
            })
            .unwrap();
            let first = (b"s".to_vec(), 5, Some(value));
            assert_eq!(seen, [first, (vec![], NO_STAMP, Some(vec![1]))], "{length}");
        }
    }
}
