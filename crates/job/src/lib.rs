//! From statements to running jobs: the engine that a client talks to.
//!
//! [`Engine`] owns a session and the connectors. It plans queries and INSERTs,
//! builds the graph of running operators from their specs ([`graph`]), starts it
//! on the runtime and drives barriers and commits ([`running`]).
//!
//! Invariants: one statement is one job; a job's failure is an error of that
//! job; written data becomes visible only by commits.

mod adapters;
mod collapse;
mod connectors;
mod engine;
mod graph;
mod running;

pub use connectors::ConnectorSet;
pub use engine::{Engine, Outcome};
pub use running::{Progress, Query, RunningJob};
