//! Keyed operator state: named tables with a schema version, dense slots per
//! key, our own versioned bytes for checkpoints.
//!
//! The contract of one bundle (usually one batch) is *hydrate, fold, seal*:
//! 1. [`KeyedTable::hydrate`] turns the encoded keys of a batch into dense slot
//!    numbers, creating what is missing;
//! 2. the operator folds over its typed columns with those slots: plain
//!    synchronous code that never misses;
//! 3. at a barrier [`KeyedTable::seal`] writes what changed since the last seal
//!    (or everything), one run per key group, and [`KeyedTable::restore`] reads
//!    chains of such runs back, whatever the parallelism was when they were
//!    written; [`merge_runs`] makes one run of a chain.
//!
//! A table whose spec says so moves rows to disk when the process comes near its memory
//! budget; `hydrate` brings them back, and operators see nothing of it.
//!
//! Where to look next: [`table`] for the contract, [`run`] for what is sealed,
//! [`rows`] for how rows are kept, [`index`] for the hash index, [`memory`] for the
//! budget and [`cold`] for the rows on disk.

pub mod bytes;
pub mod cold;
pub mod index;
mod loose;
pub mod memory;
mod pieces;
pub mod rows;
pub mod run;
pub mod table;
mod value;

pub use bytes::Reader;
pub use index::KeyIndex;
pub use pieces::{PieceSink, PieceTarget, sorted_run};
pub use rows::{EncodedRows, RowCodec, RowDecoder};
pub use run::{
    Entries, Entry, MergeRules, NO_STAMP, Run, RunReader, RunSource, RunWriter, SealedGroup,
    SealedTable, merge_runs,
};
pub use table::{KeyedTable, SlotStore, StateValue, TableSpec};
pub use value::{read_value, write_value};
