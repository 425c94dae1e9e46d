//! What a checkpoint waits for, in words: told when it takes long and when it is given up.

use std::collections::BTreeSet;

use super::{Coordinator, Millis, Phase};

impl Coordinator {
    /// Nodes that the checkpoint in flight waits for: they have not sealed.
    pub fn unsealed(&self) -> BTreeSet<usize> {
        let Some(epoch) = self.collecting().map(|f| f.epoch) else { return BTreeSet::new() };
        self.instances.iter().filter(|(_, i)| !i.sealed(epoch)).map(|(id, _)| id.0).collect()
    }

    /// The checkpoint in flight, since when, and what it waits for.
    pub fn waiting(&self) -> Option<(u64, Millis, String)> {
        let (flight, what) = match &self.phase {
            Phase::Idle | Phase::Over => return None,
            Phase::Collecting(f) => (f, self.open(f.epoch)),
            Phase::Deciding(f) => (f, "its manifest is being written".to_owned()),
            Phase::Committing(f) => (f, "its sinks are committing".to_owned()),
        };
        Some((flight.epoch, flight.started, what))
    }

    /// What a checkpoint still waits for.
    pub(super) fn open(&self, epoch: u64) -> String {
        let open = self.instances.values().filter(|i| !i.ready(epoch));
        let (sealed, unsealed): (Vec<_>, Vec<_>) = open.partition(|i| i.sealed(epoch));
        match (unsealed.len(), sealed.len()) {
            (0, n) => format!("the state of {n} instances is not stored"),
            (n, _) => format!("{n} instances have not sealed"),
        }
    }
}
