//! What the coordinator knows of one node instance.

use std::collections::VecDeque;

use super::manifest::{Blob, InstanceState, RunRef};

/// A seal of an instance.
#[derive(Debug)]
pub struct Ack {
    /// For which barrier.
    pub epoch: u64,
    /// The instance has ended.
    pub finished: bool,
    /// Where sources are.
    pub positions: Vec<Blob>,
    /// What sinks prepared.
    pub committables: Vec<Vec<u8>>,
    /// Its tables.
    pub run: Run,
}

/// Where the tables of a seal are.
#[derive(Debug)]
pub enum Run {
    /// There are none.
    None,
    /// On their way to storage.
    Awaited,
    /// Stored.
    Stored(RunRef),
}

/// What is known of an instance: everything up to the last complete checkpoint, then its seals.
#[derive(Debug, Default)]
pub struct Instance {
    /// Up to the last complete checkpoint.
    pub state: InstanceState,
    /// What its sink prepared and nobody has committed.
    pub prepared: Vec<Vec<u8>>,
    /// Seals since, oldest first.
    pub acks: VecDeque<Ack>,
}

impl Instance {
    /// Whether its part of a checkpoint is known.
    pub fn sealed(&self, epoch: u64) -> bool {
        self.state.finished
            || self.acks.iter().any(|a| a.epoch == epoch || (a.finished && a.epoch <= epoch))
    }

    /// Whether it is also stored.
    pub fn ready(&self, epoch: u64) -> bool {
        let stored = |a: &Ack| a.epoch > epoch || !matches!(a.run, Run::Awaited);
        self.sealed(epoch) && self.acks.iter().all(stored)
    }

    /// Takes over all seals up to an epoch. A savepoint's runs do not continue the chain.
    pub fn fold(&mut self, epoch: u64, savepoint: bool) -> Option<RunRef> {
        let mut last = None;
        while let Some(ack) = self.acks.pop_front_if(|a| a.epoch <= epoch) {
            self.state.finished |= ack.finished;
            if ack.finished {
                // The last seal is full: what it does not hold nothing asks again, and may
                // have gone out since it was sealed.
                self.state.runs.clear();
            }
            // None at all is a position as well: everything of this instance has been read.
            self.state.positions = ack.positions;
            self.prepared.extend(ack.committables);
            if let Run::Stored(run) = ack.run {
                if savepoint && ack.epoch == epoch && !ack.finished {
                    last = Some(run);
                } else {
                    self.state.runs.push(run);
                    prune(&mut self.state.runs);
                }
            }
        }
        last
    }

    /// What a manifest says of it; `run`: its only run, for a savepoint.
    pub fn snapshot(&self, run: Option<RunRef>) -> InstanceState {
        let mut state = self.state.clone();
        state.committables = self.prepared.iter().cloned().map(Blob).collect();
        if let Some(run) = run {
            state.runs = vec![run];
        }
        state
    }
}

/// Drops runs whose tables have all been sealed in full since.
pub fn prune(runs: &mut Vec<RunRef>) {
    let kept: Vec<bool> = (0..runs.len())
        .map(|i| {
            let later = &runs[i + 1..];
            let replaced =
                |name: &str| later.iter().flat_map(|r| &r.tables).any(|t| t.full && t.name == name);
            runs[i].tables.iter().any(|t| !replaced(&t.name))
        })
        .collect();
    let mut keep = kept.into_iter();
    runs.retain(|_| keep.next().unwrap_or(true));
}
