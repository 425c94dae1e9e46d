//! What instances report about barriers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Sender;
use weir_state::PieceSink;

use crate::message::{Barrier, BarrierKind};
use crate::operator::Seal;

/// One node instance has passed a barrier (or will never pass it).
#[derive(Debug, Clone)]
pub struct Report {
    /// The barrier; kind `EndOfInput` when the instance ended by itself.
    pub barrier: Barrier,
    /// Node, as an index into the graph.
    pub node: usize,
    /// Instance.
    pub subtask: usize,
    /// State, committables, positions.
    pub seal: Seal,
    /// What the barrier cost this instance.
    pub cost: Cost,
    /// The instance has ended. Its seal counts from `barrier.epoch` on.
    pub finished: bool,
}

/// What a barrier cost an instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// From the barrier's first arrival on an input to its last.
    pub alignment: Duration,
    /// Sealing, on the worker.
    pub seal: Duration,
}

/// Takes large tables of checkpoints while they are sealed.
pub trait PieceStore: Send + Sync + fmt::Debug {
    /// The sink for the seal of one node instance.
    fn sink(&self, epoch: u64, node: usize, subtask: usize) -> Arc<dyn PieceSink>;

    /// The sink for what one node instance seals before the next barrier comes, where
    /// barriers come by themselves.
    fn ahead(&self, node: usize, subtask: usize) -> Option<Arc<dyn PieceSink>>;
}

pub(crate) struct Reporter {
    pub sender: Sender<Report>,
    pub subtask: usize,
    pub pieces: Option<Arc<dyn PieceStore>>,
}

impl Reporter {
    /// The sink for large tables at a barrier; savepoints are written elsewhere.
    pub fn pieces(&self, barrier: Barrier, node: usize) -> Option<Arc<dyn PieceSink>> {
        let store = self.pieces.as_ref().filter(|_| barrier.kind == BarrierKind::Checkpoint)?;
        Some(store.sink(barrier.epoch, node, self.subtask))
    }

    /// The sink for what a node seals ahead.
    pub fn ahead(&self, node: usize) -> Option<Arc<dyn PieceSink>> {
        self.pieces.as_ref()?.ahead(node, self.subtask)
    }

    pub fn send(&self, node: usize, barrier: Barrier, seal: Seal, cost: Cost, finished: bool) {
        // Nobody listens any more once the handle is gone.
        let report = Report { barrier, node, subtask: self.subtask, seal, cost, finished };
        let _ = self.sender.send(report);
    }
}
