//! What moves between operators, in band.

use weir_core::ChangeBatch;

/// A watermark, or a change of a channel's idleness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// No row at or before this event time (milliseconds) is expected any more.
    Ts(i64),
    /// Nothing comes for now; do not wait for this input.
    Idle,
    /// Rows come again.
    Active,
}

/// Why a barrier was injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BarrierKind {
    /// Periodic checkpoint.
    Checkpoint,
    /// Retained full checkpoint.
    Savepoint,
    /// All input has ended: the last commit of a bounded job.
    EndOfInput,
}

/// Cuts the streams of a job consistently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Barrier {
    /// Checkpoint number, growing.
    pub epoch: u64,
    /// Why.
    pub kind: BarrierKind,
}

/// One in-band message.
#[derive(Debug, Clone)]
pub(crate) enum Message {
    Data(ChangeBatch),
    Mark(Mark),
    Barrier(Barrier),
    End,
}
