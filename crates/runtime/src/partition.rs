//! How a sink chooses where its rows go.

use weir_core::{ChangeBatch, Result};

/// Chooses a destination per row: a sink's own bucket function.
pub trait Partitioner: Send + Sync {
    /// Appends one destination in `0..parallelism` per row.
    fn route(&self, batch: &ChangeBatch, parallelism: usize, out: &mut Vec<u32>) -> Result<()>;
}
