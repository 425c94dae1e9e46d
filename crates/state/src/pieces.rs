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
use std::io::{Cursor, Read};
use std::sync::Arc;

use weir_core::Result;
use weir_core::keys::hash_key;

use crate::run::{
    Entries, MergeRules, Run, RunWriter, each_record, merge_runs, run_end, run_start,
};

/// Bytes of all pieces of a table that are being filled, about: few enough to stay in the
/// processor's caches until they are written.
const FILLING: usize = 2 << 20;
/// Bytes of a piece, where its sink does not want smaller ones.
const PIECE: (usize, usize) = (4 << 10, 16 << 10);

/// Takes the pieces of one operator instance's seal.
pub trait PieceSink: Send + Sync + fmt::Debug {
    /// Takes records of a key group of the seal's table number `table`; answers with an
    /// empty buffer for the next ones. Waits for storage a short while at most.
    fn take(&self, table: usize, key_group: u32, piece: Vec<u8>) -> Vec<u8>;

    /// Seals of fewer keys stay in memory, and fewer of the newest keys are not sealed ahead.
    fn least_keys(&self) -> usize;

    /// Bytes of a piece at most, about.
    fn piece_bytes(&self) -> usize;

    /// Whether it is time to seal ahead, and pieces are written faster than they come.
    fn wants_ahead(&self) -> bool;

    /// The pieces that the instance sealed ahead belong to this seal.
    fn adopt(&self);

    /// What the instance sealed ahead of a table does not count.
    fn forget_ahead(&self, table: usize);
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
pub(crate) struct Pieces {
    /// By key group.
    filling: Vec<Entries>,
    used: BTreeSet<u32>,
    limit: usize,
}

impl Pieces {
    pub(crate) fn new(target: &PieceTarget, max_parallelism: u32) -> Self {
        let limit = (FILLING / max_parallelism.max(1) as usize).clamp(PIECE.0, PIECE.1);
        let limit = limit.min(target.sink.piece_bytes());
        Self { filling: Vec::new(), used: BTreeSet::new(), limit }
    }

    /// Adds a key with the entries that `write` adds, each key once; `write` answers
    /// whether older runs' entries of the key are gone. What is full goes to `target`.
    pub(crate) fn key(
        &mut self,
        target: &PieceTarget,
        group: u32,
        key: &[u8],
        write: impl FnOnce(&mut Entries) -> bool,
    ) {
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
            *entries = Entries::on(target.sink.take(target.table, group, piece));
        }
    }

    /// Hands over what is left; the key groups that have records. Begins anew.
    pub(crate) fn finish(&mut self, target: &PieceTarget) -> BTreeMap<u32, Run> {
        for (group, entries) in self.filling.iter_mut().enumerate() {
            if !entries.is_empty() {
                let piece = std::mem::take(entries).into_bytes();
                target.sink.take(target.table, group as u32, piece);
            }
        }
        std::mem::take(&mut self.used).into_iter().map(|group| (group, Run::Pieces)).collect()
    }

    /// Forgets what is being filled.
    pub(crate) fn clear(&mut self) {
        self.filling.clear();
        self.used.clear();
    }
}

/// The run of all records that pieces of one key group hold; what was sealed ahead and
/// then changed has several, oldest first.
///
/// # Errors
///
/// The bytes are not whole records.
pub fn sorted_run(pieces: &[Vec<u8>]) -> Result<Vec<u8>> {
    let mut records = Vec::new();
    for piece in pieces {
        each_record(piece, |key, record| records.push((hash_key(key), key, record)))?;
    }
    records.sort_by_key(|&(hash, key, _)| (hash, key));
    let bytes = pieces.iter().map(Vec::len).sum::<usize>();
    let mut runs: Vec<(Vec<u8>, u64)> = Vec::new();
    for same in records.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        for (age, (_, _, record)) in same.iter().enumerate() {
            if age == runs.len() {
                let mut run = Vec::with_capacity(if age == 0 { bytes + 16 } else { 0 });
                run_start(&mut run);
                runs.push((run, 0));
            }
            runs[age].0.extend_from_slice(record);
            runs[age].1 += 1;
        }
    }
    for (run, keys) in &mut runs {
        run_end(run, *keys);
    }
    if runs.len() > 1 {
        let open = runs.iter().map(|(run, _)| Box::new(Cursor::new(run)) as Box<dyn Read + Send>);
        return Ok(merge_runs(open, MergeRules::default(), Vec::new())?.0);
    }
    match runs.pop() {
        Some((run, _)) => Ok(run),
        None => Ok(RunWriter::new(Vec::new()).finish()?.0),
    }
}
