//! The vocabulary that every other crate shares: Flink's data types and their
//! Arrow form, single values, change batches, key encoding and key groups,
//! configuration options, errors.
//!
//! Invariants: nothing here knows SQL text, threads or IO. A type that only two
//! crates need belongs to the lower of the two, not here.
//!
//! Where to look next: `weir-functions` (typed expressions over these types),
//! `weir-runtime` (how [`ChangeBatch`]es move).

pub mod batch;
pub mod config;
pub mod error;
pub mod keys;
pub mod names;
pub mod types;
pub mod value;

pub use batch::{ChangeBatch, RowKind};
pub use config::Options;
pub use error::{Error, ErrorKind, Position, Result};
pub use names::nearest;
pub use types::{DataType, Field, Schema, TimeAttribute, TypeKind};
pub use value::Value;
