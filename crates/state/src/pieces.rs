//! Seals that leave the worker while they are made.
//!
//! The seal of a large table is not collected in memory: the records of each key group
//! fill a small buffer, and full buffers go to a [`PieceSink`] at once, in the order of
//! the slots. The file that they end up in holds the records of a key group unsorted and
//! in several places; [`sorted_run`] makes a run of them when they are read.
//!
//! Where to look next: [`crate::table`] fills the pieces, [`crate::loose`] collects the
//! seals that stay in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use weir_core::Result;
use weir_core::keys::hash_key;

use crate::run::{Entries, Run, each_record, run_end, run_start};

/// Bytes of all pieces of a table that are being filled, about: few enough to stay in the
/// processor's caches until they are written.
const FILLING: usize = 2 << 20;
/// Bytes of a piece.
const PIECE: (usize, usize) = (4 << 10, 16 << 10);

/// Takes the pieces of one operator instance's seal.
pub trait PieceSink: Send + Sync + fmt::Debug {
    /// Takes records of a key group of the seal's table number `table`; answers with an
    /// empty buffer for the next ones. Waits for storage a short while at most.
    fn take(&self, table: usize, key_group: u32, piece: Vec<u8>) -> Vec<u8>;

    /// Seals of fewer keys stay in memory.
    fn least_keys(&self) -> usize;
}

/// Where the seal of one table goes.
#[derive(Debug, Clone)]
pub struct PieceTarget {
    /// Who takes the pieces.
    pub sink: Arc<dyn PieceSink>,
    /// Number of the table within the seal.
    pub table: usize,
}

/// The pieces of a table that are being filled.
#[derive(Debug)]
pub(crate) struct Pieces<'a> {
    target: &'a PieceTarget,
    /// By key group.
    filling: Vec<Entries>,
    used: BTreeSet<u32>,
    limit: usize,
}

impl<'a> Pieces<'a> {
    pub(crate) fn new(target: &'a PieceTarget, max_parallelism: u32) -> Self {
        let limit = (FILLING / max_parallelism.max(1) as usize).clamp(PIECE.0, PIECE.1);
        Self { target, filling: Vec::new(), used: BTreeSet::new(), limit }
    }

    /// Adds a key with the entries that `write` adds, each key once; `write` answers
    /// whether older runs' entries of the key are gone.
    pub(crate) fn key(&mut self, group: u32, key: &[u8], write: impl FnOnce(&mut Entries) -> bool) {
        let at = group as usize;
        if at >= self.filling.len() {
            self.filling.resize_with(at + 1, Entries::default);
        }
        let entries = &mut self.filling[at];
        if entries.is_empty() {
            self.used.insert(group);
        }
        let start = entries.bytes().len();
        entries.open_key(key);
        if write(entries) {
            entries.clear_older(start);
        }
        if entries.bytes().len() >= self.limit {
            let piece = std::mem::take(entries).into_bytes();
            *entries = Entries::on(self.target.sink.take(self.target.table, group, piece));
        }
    }

    /// Hands over what is left; the key groups that have records.
    pub(crate) fn finish(self) -> BTreeMap<u32, Run> {
        for (group, entries) in self.filling.into_iter().enumerate() {
            if !entries.is_empty() {
                self.target.sink.take(self.target.table, group as u32, entries.into_bytes());
            }
        }
        self.used.into_iter().map(|group| (group, Run::Pieces)).collect()
    }
}

/// The run of all records that pieces of one key group hold.
///
/// # Errors
///
/// The bytes are not whole records.
pub fn sorted_run(pieces: &[Vec<u8>]) -> Result<Vec<u8>> {
    let mut records = Vec::new();
    for piece in pieces {
        each_record(piece, |key, record| records.push((hash_key(key), key, record)))?;
    }
    records.sort_unstable_by_key(|&(hash, key, _)| (hash, key));
    let mut run = Vec::with_capacity(pieces.iter().map(Vec::len).sum::<usize>() + 16);
    run_start(&mut run);
    for (_, _, record) in &records {
        run.extend_from_slice(record);
    }
    run_end(&mut run, records.len() as u64);
    Ok(run)
}
