//! What the thread of [`super::io`] is given to do.

use super::facts::Command;
use super::history::CheckpointStats;

/// Barrier, node and instance of a seal.
pub type SealId = (u64, usize, usize);

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
    /// A command.
    Task(Task),
    /// Nothing comes after this.
    End,
}
