//! What the thread of [`super::io`] is given to do.

use super::facts::Command;
use super::history::CheckpointStats;

/// Barrier, node and instance of a seal.
pub type SealId = (u64, usize, usize);

/// Stands for the barrier that comes next, whose number is not known yet.
pub const AHEAD: u64 = 0;

/// Records of a key group.
pub struct Piece {
    /// Of which seal.
    pub seal: SealId,
    /// Number of the table within the seal.
    pub table: usize,
    /// The key group.
    pub key_group: u32,
    /// The records.
    pub bytes: Vec<u8>,
}

/// A task: a command of the coordinator that needs IO, with the history for manifests.
pub struct Task {
    /// What is to be done.
    pub command: Command,
    /// Earlier checkpoints, for the manifest.
    pub history: Vec<CheckpointStats>,
}

/// What the thread is given to do.
pub enum Work {
    /// Part of a seal.
    Piece(Piece),
    /// What the instance sealed ahead belongs to this seal.
    Adopt(SealId),
    /// What the instance sealed ahead of a table does not count, nor does what the seal has
    /// adopted of it.
    Forget(SealId, usize),
    /// A command.
    Task(Task),
    /// Nothing comes after this.
    End,
}
