//! From logical plans to operator specs: rewrites, changelog and key inference,
//! the choice of physical operators, EXPLAIN.
//!
//! Invariants: a rewrite never changes the columns of the root; the planner
//! knows operators only by their specs. Where to look next: [`optimize`] for the
//! rewrites, [`physical`] for the choice of operators.

pub mod explain;
pub mod optimize;
pub mod physical;
pub mod state;

pub use optimize::optimize;
pub use physical::{Planner, Settings, SinkRequest};
