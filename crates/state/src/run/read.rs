//! A run read key by key, without trusting its bytes.

use std::cmp::Ordering;
use std::io::Read;

use weir_core::keys::hash_key;
use weir_core::{Error, Result};

use super::{DELETE, END, Entry, KEY, KEY_CLEARED, NO_STAMP, PUT, PUT_STAMPED, RUN_VERSION};

/// Reads a run key by key, entry by entry.
pub struct RunReader<R> {
    input: R,
    /// Tag of the record that comes next.
    next: u8,
    hash: u64,
    pub(super) key: Vec<u8>,
    pub(super) cleared: bool,
    pub(super) sub: Vec<u8>,
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

    pub(super) fn order(&self, other: &Self) -> Ordering {
        self.hash.cmp(&other.hash).then_with(|| self.key.cmp(&other.key))
    }
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
