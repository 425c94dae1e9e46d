//! Live counters per node.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Counters of one node instance, written by its worker only.
#[derive(Debug)]
pub(crate) struct NodeMetrics {
    pub rows_in: AtomicU64,
    pub rows_out: AtomicU64,
    pub batches_in: AtomicU64,
    pub late: AtomicU64,
    pub busy_nanos: AtomicU64,
    pub watermark: AtomicI64,
}

impl Default for NodeMetrics {
    fn default() -> Self {
        Self {
            rows_in: AtomicU64::new(0),
            rows_out: AtomicU64::new(0),
            batches_in: AtomicU64::new(0),
            late: AtomicU64::new(0),
            busy_nanos: AtomicU64::new(0),
            watermark: AtomicI64::new(i64::MIN),
        }
    }
}

/// Counters of a node, summed over its instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSnapshot {
    /// Stable identity.
    pub uid: String,
    /// Display name.
    pub name: String,
    /// Rows received.
    pub rows_in: u64,
    /// Rows emitted.
    pub rows_out: u64,
    /// Batches received.
    pub batches_in: u64,
    /// Rows dropped because they came too late.
    pub late: u64,
    /// Time spent in the node itself.
    pub busy: Duration,
    /// Lowest watermark of the instances, once all have one.
    pub watermark: Option<i64>,
}

pub(crate) fn snapshot(uid: &str, name: &str, tasks: &[Arc<NodeMetrics>]) -> NodeSnapshot {
    let sum = |f: fn(&NodeMetrics) -> &AtomicU64| tasks.iter().map(|t| f(t).load(Relaxed)).sum();
    let watermark = tasks.iter().map(|t| t.watermark.load(Relaxed)).min();
    NodeSnapshot {
        uid: uid.to_owned(),
        name: name.to_owned(),
        rows_in: sum(|m| &m.rows_in),
        rows_out: sum(|m| &m.rows_out),
        batches_in: sum(|m| &m.batches_in),
        late: sum(|m| &m.late),
        busy: Duration::from_nanos(sum(|m| &m.busy_nanos)),
        watermark: watermark.filter(|&w| w != i64::MIN),
    }
}
