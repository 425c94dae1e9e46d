//! What instances report about barriers.

use std::time::Duration;

use crossbeam_channel::Sender;

use crate::message::Barrier;
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

pub(crate) struct Reporter {
    pub sender: Sender<Report>,
    pub subtask: usize,
}

impl Reporter {
    pub fn send(&self, node: usize, barrier: Barrier, seal: Seal, cost: Cost, finished: bool) {
        // Nobody listens any more once the handle is gone.
        let report = Report { barrier, node, subtask: self.subtask, seal, cost, finished };
        let _ = self.sender.send(report);
    }
}
