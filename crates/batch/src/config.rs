//! Settings of an execution.

use std::path::PathBuf;
use std::sync::Arc;

use weir_functions::EvalContext;

/// Settings of one execution.
#[derive(Debug, Clone)]
pub struct Config {
    /// Partitions and threads.
    pub parallelism: usize,
    /// Key groups, for streaming operators.
    pub max_parallelism: u32,
    /// What expressions see.
    pub eval: EvalContext,
    /// `table.local-time-zone`
    pub time_zone: String,
    /// Bytes for sorts, aggregations and joins together; beyond it they spill.
    pub memory: u64,
    /// Where to spill; empty = the system's temporary directory.
    pub spill_directories: Vec<PathBuf>,
    /// The tables that lookup joins read.
    pub lookups: Option<Arc<weir_ops::lookup_table::Lookups>>,
}
