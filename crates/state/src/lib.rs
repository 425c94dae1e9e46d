//! Keyed operator state: named tables with a schema version, dense slots per
//! key, our own versioned bytes for checkpoints.
//!
//! The contract of one bundle (usually one batch) is *hydrate, fold, seal*:
//! 1. [`KeyedTable::hydrate`] turns the encoded keys of a batch into dense slot
//!    numbers, creating what is missing;
//! 2. the operator folds over its typed columns with those slots: plain
//!    synchronous code that never misses;
//! 3. at a barrier [`KeyedTable::seal`] writes the table, one run of bytes per
//!    key group, and [`KeyedTable::restore`] reads such runs back, whatever the
//!    parallelism was when they were written.
//!
//! Today the whole table lives in memory; a store below it changes what
//! `hydrate` does and nothing that operators see.
//!
//! Where to look next: [`table`] for the contract, [`rows`] for how rows are
//! kept, [`index`] for the hash index.

pub mod bytes;
pub mod index;
pub mod rows;
pub mod table;
mod value;

pub use bytes::Reader;
pub use index::KeyIndex;
pub use rows::{EncodedRows, RowCodec, RowDecoder};
pub use table::{KeyedTable, SealedGroup, SealedTable, SlotStore, StateValue, TableSpec};
pub use value::{read_value, write_value};
