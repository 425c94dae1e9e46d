//! From statements to running jobs: the engine that a client talks to.
//!
//! [`Engine`] owns a session and the connectors. It plans queries and INSERTs,
//! builds the graph of running operators from their specs ([`graph`]), starts it
//! on the runtime; a thread per job drives it (`driver`), by decisions of the checkpoint
//! coordinator ([`checkpoint`]).
//!
//! Invariants: one statement is one job; a job's failure is an error of that
//! job; written data becomes visible only by commits.

mod adapters;
mod check;
pub mod checkpoint;
mod collect;
mod compiled;
mod connectors;
mod driver;
mod engine;
mod graph;
mod inspect;
mod layout;
mod lookup;
mod memory;
pub mod recovery;
pub mod restart;
mod running;
mod testing;

pub use check::Checker;
pub use connectors::ConnectorSet;
pub use engine::{Engine, Outcome};
pub use inspect::{inspect, state_engine};
pub use memory::clean_up;
pub use running::{Progress, Query, RunningJob, Stopper};
