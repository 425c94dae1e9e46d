//! Batch execution on DataFusion's physical operators.
//!
//! [`prepare`] turns a plan of batch mode into DataFusion execution plans, one
//! per root (a sink or the client), and [`Prepared::task`] hands their rows to
//! the runtime as a source. Calc, sort, limit, union, GROUP BY and joins are
//! DataFusion's operators, with spilling under a memory limit; scans are our
//! connectors' ([`scan`]); everything that DataFusion lacks runs as the
//! streaming operator over bounded input ([`streaming`]).
//!
//! Invariants: no expression is DataFusion's own, so that none of its coercion
//! rules can change Flink's semantics ([`expr`]); inside a DataFusion plan all
//! columns are nullable and named by position, names and NOT NULL come back at
//! the borders; rows are insert-only.
//!
//! Where to look next: [`convert`] for the choice of operators, [`aggregate`]
//! for our aggregate functions, [`join`] for sides and spilling.

mod aggregate;
mod collapse;
mod config;
mod convert;
mod error;
mod expr;
mod join;
mod run;
mod scan;
mod schema;
mod sized;
mod streaming;

pub use config::Config;
pub use run::{Prepared, default_memory, prepare};
pub use streaming::{final_rows, updates};
