//! Flink SQL from syntax trees to logical plans and catalog changes.
//!
//! Duty: sessions and catalogs ([`session`]), name and type resolution
//! ([`bind`]), the logical plan ([`rel`]), and what every statement does
//! ([`statement`]). Nothing here runs a query: [`statement::execute`] hands
//! plans to its caller.
//!
//! Where to look next: `weir-plan` for what becomes of the plans.

pub mod bind;
pub mod dialect;
mod finding;
pub mod lint;
pub mod memory_catalog;
pub mod objects;
mod overlay;
mod path;
pub mod rel;
mod secret;
pub mod session;
pub mod statement;

pub use bind::Binder;
pub use rel::{Rel, RelOp};
pub use session::{Session, TablePath};
pub use statement::{Effect, ExplainDetails, Insert, ResultTable, execute};
