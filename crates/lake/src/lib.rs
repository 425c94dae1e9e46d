//! Apache Paimon tables: a filesystem catalog, a source that reads batches and
//! follows snapshots, and a two-phase-commit sink.
//!
//! Invariants:
//! * every call into the `paimon` crate runs on the shared runtime of [`rt`];
//!   a worker thread only waits for short metadata calls, rows travel through
//!   bounded channels;
//! * one writer owns a bucket (the sink's partitioner uses the table's own
//!   bucket function), and one committer publishes snapshots;
//! * a commit is identified by the commit user and epoch that travel inside the
//!   committable, so a repeated commit changes nothing;
//! * compaction is only an optimisation: table kinds whose readers depend on it
//!   (they skip files that are not compacted yet) are refused for writing.
//!
//! Where to look next: [`catalog`] for DDL, [`connector`] for the entry points
//! of jobs, [`scan`] for start positions, [`source`] and [`sink`] for rows.

pub mod catalog;
pub mod connector;
pub mod objects;

mod bucket;
mod compact;
mod conform;
mod evolve;
mod expire;
mod lock;
mod options;
mod predicate;
mod rt;
mod scan;
mod schema;
mod sink;
mod source;
mod storage;
mod table;
mod type_text;
mod types;
mod unknown;
mod variant;

pub use catalog::PaimonCatalog;
pub use connector::PaimonConnector;

/// Checks names and values of a table's options without opening the table.
pub fn check_table_options(options: &weir_core::Options) -> weir_core::Result<()> {
    options::check(&options::canonical(options)?, None)
}

// The vendored OpenSSL is linked for the S3 client of the paimon crate.
use openssl as _;
