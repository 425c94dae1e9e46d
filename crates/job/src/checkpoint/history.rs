//! Times and sizes of checkpoints.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use weir_runtime::Cost;

/// How many checkpoints are remembered.
const KEPT: usize = 100;

/// How many of them a manifest repeats.
const IN_MANIFEST: usize = 20;

/// What became of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CheckpointStatus {
    /// Decided and committed.
    Completed,
    /// Given up.
    Failed,
}

/// One checkpoint; times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointStats {
    /// Its number.
    pub epoch: u64,
    /// What became of it.
    pub status: CheckpointStatus,
    /// Asked for by a user.
    pub savepoint: bool,
    /// Wall-clock time of the trigger, since 1970.
    pub triggered: i64,
    /// From the trigger to the last instance's seal.
    pub aligned: u64,
    /// From the trigger to the decision.
    pub decided: u64,
    /// Bytes written for this checkpoint.
    pub written: u64,
    /// Bytes of state that it references.
    pub state: u64,
    /// 99th percentile of the alignment of its instances, microseconds.
    pub alignment_p99: u64,
    /// Longest sealing on a worker, microseconds.
    pub seal_max: u64,
    /// Why it failed.
    pub failure: Option<String>,
}

/// The last checkpoints of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    entries: VecDeque<CheckpointStats>,
    /// Completed since the job started.
    pub completed: u64,
    /// Failed since the job started.
    pub failed: u64,
}

impl History {
    /// Remembers a checkpoint.
    pub fn add(&mut self, stats: CheckpointStats) {
        match stats.status {
            CheckpointStatus::Completed => self.completed += 1,
            CheckpointStatus::Failed => self.failed += 1,
        }
        if self.entries.len() == KEPT {
            self.entries.pop_front();
        }
        self.entries.push_back(stats);
    }

    /// Takes over what a restored manifest remembers; the counters start anew.
    pub fn restore(&mut self, entries: Vec<CheckpointStats>) {
        self.entries = entries.into();
    }

    /// Oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &CheckpointStats> {
        self.entries.iter()
    }

    /// The last one that completed.
    pub fn last_completed(&self) -> Option<&CheckpointStats> {
        self.entries.iter().rev().find(|e| e.status == CheckpointStatus::Completed)
    }

    /// What goes into a manifest.
    pub fn tail(&self) -> Vec<CheckpointStats> {
        let skip = self.entries.len().saturating_sub(IN_MANIFEST);
        self.entries.iter().skip(skip).cloned().collect()
    }

    /// 99th percentile of the alignments of the remembered checkpoints.
    pub fn alignment_p99(&self) -> Duration {
        let mut all: Vec<u64> = self.entries.iter().map(|e| e.alignment_p99).collect();
        Duration::from_micros(p99(&mut all))
    }
}

/// The 99th percentile by nearest rank; 0 of nothing.
fn p99(values: &mut [u64]) -> u64 {
    values.sort_unstable();
    let rank = (values.len() * 99).div_ceil(100);
    rank.checked_sub(1).map_or(0, |i| values[i])
}

/// (99th percentile of alignment, longest seal) in microseconds.
pub fn summarise(costs: &[Cost]) -> (u64, u64) {
    let mut alignments: Vec<u64> = costs.iter().map(|c| c.alignment.as_micros() as u64).collect();
    let seal = costs.iter().map(|c| c.seal.as_micros() as u64).max().unwrap_or(0);
    (p99(&mut alignments), seal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentile_by_nearest_rank() {
        assert_eq!(p99(&mut []), 0);
        assert_eq!(p99(&mut [7]), 7);
        assert_eq!(p99(&mut (1..=200).collect::<Vec<_>>()), 198);
    }
}
