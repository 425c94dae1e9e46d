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
    /// The oldest barrier that still counts; those before it have been given up.
    pub oldest: u64,
    /// Why.
    pub kind: BarrierKind,
    /// State must be sealed whole, not as a difference to the seal before.
    pub full: bool,
    /// Sources hand out nothing after this barrier: the job stops with it.
    pub stop: bool,
}

impl Barrier {
    /// A periodic checkpoint.
    pub fn checkpoint(epoch: u64, full: bool) -> Self {
        Self { epoch, oldest: epoch, kind: BarrierKind::Checkpoint, full, stop: false }
    }

    /// A savepoint; with `stop` the job's last barrier.
    pub fn savepoint(epoch: u64, stop: bool) -> Self {
        Self { epoch, oldest: epoch, kind: BarrierKind::Savepoint, full: true, stop }
    }

    /// The seal of an instance whose input has ended.
    pub(crate) fn end_of_input(epoch: u64) -> Self {
        Self { epoch, oldest: epoch, kind: BarrierKind::EndOfInput, full: true, stop: false }
    }
}

/// What the job's handle tells its workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    /// Inject a barrier at the sources.
    Barrier(Barrier),
    /// The positions reported up to this epoch are durable.
    Completed,
}

/// One in-band message.
#[derive(Debug, Clone)]
pub(crate) enum Message {
    Data(ChangeBatch),
    Mark(Mark),
    Barrier(Barrier),
    End,
}
