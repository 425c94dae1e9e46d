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
//! Where to look next: [`records`] writes, [`read`] reads, [`merge`] merges;
//! [`crate::table`] seals and restores.

use std::fmt;
use std::io::{Cursor, Read, Write};
use std::sync::Arc;

use weir_core::{Error, Result};

mod merge;
mod read;
mod records;

pub use merge::{MergeRules, merge_runs};
pub use read::RunReader;
pub use records::{Entries, Entry, RunWriter, each_entry, key_order};
pub(crate) use records::{each_record, key_of_record, run_end, run_start};

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
