//! Sealing ahead: new keys leave for the next checkpoint's file before its barrier comes, a
//! few per batch, so that a barrier finds little left to write and nobody waits for the disk.
//!
//! From the middle of the interval between two barriers on, a hand goes over the slots in the
//! order of their creation, some way behind the newest ones, whose values still change. A key
//! that changes behind the hand is sealed again at the barrier; where that happens to most of
//! them the table stops sealing ahead. What was there before the hand began is left to the
//! barrier, and so is what the disk is too slow for.
//!
//! Invariant: a slot with [`AHEAD`] says what its record ahead says. Seals that do not go
//! where the records are (savepoints, seals that replace earlier ones) take everything back
//! first, and so does a table whose rows begin to leave memory.

use std::collections::BTreeMap;

use super::{AHEAD, CLEARED, DIRTY, GONE, KeyedTable, SEALED, SlotStore};
use crate::index::LIVE;
use crate::pieces::{PieceTarget, Pieces};
use crate::run::Run;

/// Slots that are looked at per row of a batch: in the second half of an interval the hand
/// goes over the new keys of all of it.
const PACE: usize = 4;
/// Slots between two looks at whether the disk keeps up.
const STRIDE: usize = 64;

/// What a table has sealed for a barrier to come.
#[derive(Debug)]
pub(super) struct Ahead {
    /// Where it goes.
    target: PieceTarget,
    pieces: Pieces,
    /// The slots `began..next` were looked at since the last seal.
    began: usize,
    next: usize,
}

impl<S: SlotStore> KeyedTable<S> {
    /// From now on new keys are sealed ahead, to `target`.
    pub fn write_ahead(&mut self, target: PieceTarget) {
        let pieces = Pieces::new(&target, self.spec.max_parallelism);
        let next = self.index.slots();
        self.ahead = Some(Ahead { target, pieces, began: next, next });
    }

    /// Seals the next slots, as many as a batch of `rows` may cost.
    pub(super) fn seal_ahead(&mut self, rows: usize) {
        let Some(mut ahead) = self.ahead.take() else { return };
        let sink = &ahead.target.sink;
        let end = (self.index.slots() + 1).saturating_sub(sink.least_keys());
        let end = end.min(ahead.next + PACE * rows);
        while ahead.next < end && sink.wants_ahead() {
            let stop = end.min(ahead.next + STRIDE);
            for slot in ahead.next as u32..stop as u32 {
                self.seal_slot(slot, &mut ahead.pieces, &ahead.target);
            }
            ahead.next = stop;
        }
        self.ahead = Some(ahead);
    }

    fn seal_slot(&mut self, slot: u32, pieces: &mut Pieces, target: &PieceTarget) {
        if self.index.flags(slot) & (LIVE | DIRTY | GONE) != LIVE | DIRTY {
            return;
        }
        self.add_to(pieces, target, slot, false);
        self.store.sealed(slot as usize);
        let flags = self.index.flags_mut(slot);
        *flags = (*flags & !(DIRTY | CLEARED)) | SEALED | AHEAD;
    }

    /// Decides at a barrier what becomes of the records sealed ahead: whether there are any
    /// that count. `anew`: the seal replaces earlier ones.
    pub(super) fn settle_ahead(&mut self, anew: bool, target: Option<&PieceTarget>) -> bool {
        let Some(mut ahead) = self.ahead.take() else { return false };
        let any = ahead.began < ahead.next;
        let counts = any && !anew && target.is_some();
        if any && !counts {
            // The seal may have adopted what other tables sealed ahead.
            let sink = &target.unwrap_or(&ahead.target).sink;
            sink.forget_ahead(ahead.target.table);
            self.take_back(&mut ahead);
        }
        self.ahead = Some(ahead);
        counts
    }

    /// Seals ahead no more: rows are about to leave memory.
    pub(super) fn end_ahead(&mut self) {
        if let Some(mut ahead) = self.ahead.take() {
            ahead.target.sink.forget_ahead(ahead.target.table);
            self.take_back(&mut ahead);
        }
    }

    /// The slots sealed ahead are again to be sealed, as if they never were.
    fn take_back(&mut self, ahead: &mut Ahead) {
        ahead.pieces.clear();
        for slot in ahead.began as u32..ahead.next as u32 {
            let flags = self.index.flags_mut(slot);
            if *flags & LIVE != 0 {
                *flags = (*flags | DIRTY | CLEARED) & !AHEAD;
            }
        }
        ahead.began = ahead.next;
    }

    /// The records of a barrier's seal behind those sealed ahead, if any; the key groups of
    /// both.
    pub(super) fn sealed_pieces(
        &mut self,
        full: bool,
        slots: &[u32],
        target: &PieceTarget,
    ) -> BTreeMap<u32, Run> {
        target.sink.adopt();
        let mut ahead = self.ahead.take();
        let mut none = None;
        let pieces = match &mut ahead {
            Some(ahead) => &mut ahead.pieces,
            None => none.insert(Pieces::new(target, self.spec.max_parallelism)),
        };
        slots.iter().for_each(|&slot| self.add_to(pieces, target, slot, full));
        let groups = pieces.finish(target);
        self.ahead = ahead;
        groups
    }

    /// Adds what a seal has to say of a slot.
    fn add_to(&self, pieces: &mut Pieces, target: &PieceTarget, slot: u32, full: bool) {
        let key = self.index.key(slot);
        let group = self.group(self.index.hash(slot), key);
        pieces.key(target, group, key, |entries| self.entries_of(slot, full, entries));
    }

    /// Begins anew behind a seal, unless most of what was sealed ahead had to be sealed again.
    pub(super) fn begin_ahead(&mut self) {
        let Some(mut ahead) = self.ahead.take() else { return };
        let slots = ahead.next - ahead.began;
        let mut current = 0;
        for slot in ahead.began as u32..ahead.next as u32 {
            let flags = self.index.flags_mut(slot);
            current += usize::from(*flags & AHEAD != 0);
            *flags &= !AHEAD;
        }
        ahead.began = ahead.next;
        if slots <= ahead.target.sink.least_keys() || current >= slots / 2 {
            self.ahead = Some(ahead);
        }
    }
}
