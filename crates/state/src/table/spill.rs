//! The rows of a table that are not in memory: who goes, who comes back.
//!
//! Slots go when the budget of the process orders it, oldest use first (a clock hand over
//! the slots), between two batches; they come back when a batch asks for their key. A
//! slot that goes is written to the cold store unless its record there is still true,
//! and, where deltas are sealed, its changes to the pending runs of the next one.

use std::collections::BTreeMap;

use weir_core::Result;
use weir_core::keys::EncodedKeys;

use super::{COLD, DIRTY, FRESH, GONE, HOT, KeyedTable, SlotStore, StateValue};
use crate::cold::{Cold, Place};
use crate::memory;
use crate::run::{Entries, NO_STAMP, Run, RunWriter, SealedGroup};

/// Slots that a table keeps whatever the budget says.
const FLOOR: usize = 8192;
/// Keys that are looked for on disk at once.
const PIECE: usize = 1024;
/// Longest key on disk, bytes; longer ones stay in memory.
pub(super) const MAX_KEY: usize = 60_000;

/// What a table knows of its rows on disk.
#[derive(Debug, Default)]
pub(super) struct Spill {
    pub(super) cold: Option<Box<Cold>>,
    /// Orders of the budget that were followed.
    orders: u64,
    /// Slots to keep in memory at most.
    cap: usize,
    /// Clock hand.
    hand: u32,
    pub(super) recalled: Vec<u32>,
}

impl Spill {
    pub(super) fn is_active(&self) -> bool {
        self.cold.is_some()
    }

    /// The runs of a seal: those in memory, joined with what is on disk when they are read.
    pub(super) fn sealed_groups(
        &self,
        full: bool,
        mut memory: BTreeMap<u32, Run>,
    ) -> Vec<SealedGroup> {
        let mut groups: BTreeMap<u32, Run> = BTreeMap::new();
        match &self.cold {
            Some(cold) if full => {
                let snapshot = cold.snapshot();
                groups.extend(
                    cold.groups().map(|g| (g, cold.whole(&snapshot, g, memory.remove(&g)))),
                );
            }
            Some(cold) => {
                let pending = cold.pending_groups();
                groups.extend(pending.into_iter().map(|g| (g, cold.changes(g, memory.remove(&g)))));
            }
            None => {}
        }
        groups.extend(memory);
        groups.into_iter().map(|(key_group, run)| SealedGroup { key_group, run }).collect()
    }

    /// What was pending has been sealed.
    pub(super) fn sealed(&mut self) {
        if let Some(cold) = &mut self.cold {
            cold.sealed();
        }
    }
}

impl<T: StateValue> KeyedTable<Vec<T>> {
    /// Calls `each` for the values that the last [`KeyedTable::load`] or
    /// [`KeyedTable::fetch`] brought back from disk: for owners that derive something.
    pub fn each_recalled(&mut self, mut each: impl FnMut(&mut T) -> Result<()>) -> Result<()> {
        for &slot in &self.spill.recalled {
            each(&mut self.store[slot as usize])?;
        }
        Ok(())
    }
}

impl<S: SlotStore> KeyedTable<S> {
    /// Follows the orders of the budget of the process.
    pub(super) fn relieve(&mut self) -> Result<()> {
        let Some(budget) = memory::budget() else { return Ok(()) };
        let len = self.index.len();
        if let Some(slots) = memory::slots_limit() {
            self.spill.cap = slots;
        } else if !self.follow(budget.orders(), len) {
            return Ok(());
        }
        if len <= self.spill.cap {
            return Ok(());
        }
        if self.spill.cold.is_none() {
            self.end_ahead();
            self.spill.cold = Some(Box::new(budget.store()?.table()));
        }
        self.evict(len - self.spill.cap)
    }

    /// Adapts the cap to the orders given so far; whether the table is too far above it.
    fn follow(&mut self, orders: u64, len: usize) -> bool {
        if orders != self.spill.orders {
            self.spill.orders = orders;
            let known = if self.spill.cap == 0 { len } else { self.spill.cap.min(len) };
            self.spill.cap = (known / 4 * 3).max(FLOOR);
            return true;
        }
        // Slots go in batches large enough for a file of their own.
        self.spill.cap > 0 && len > self.spill.cap + (self.spill.cap / 4).max(FLOOR)
    }

    /// Up to `count` slots that were not used lately, and all removed ones, in the order
    /// of runs.
    fn victims(&mut self, count: usize) -> Vec<(u32, u64, u32)> {
        let mut victims = Vec::new();
        let slots = self.index.slots();
        let mut taken = 0;
        for _ in 0..slots * 2 {
            if taken >= count {
                break;
            }
            let slot = self.spill.hand;
            self.spill.hand = (slot + 1) % slots as u32;
            if !self.index.is_live(slot) {
                continue;
            }
            let flags = self.index.flags(slot);
            if flags & HOT != 0 {
                *self.index.flags_mut(slot) &= !HOT;
                continue;
            }
            if flags & GONE == 0 {
                if self.index.key(slot).len() > MAX_KEY {
                    continue;
                }
                taken += 1;
            }
            // The second round meets those of the first again, and passes them by.
            *self.index.flags_mut(slot) |= HOT;
            victims.push(self.place(slot));
        }
        self.sort(&mut victims);
        victims
    }

    /// Moves slots to disk.
    pub(super) fn evict(&mut self, count: usize) -> Result<()> {
        let victims = self.victims(count);
        self.dismiss(&victims)?;
        // What has to stay is not looked at again before there is more of it.
        self.spill.cap = self.spill.cap.max(self.index.len());
        Ok(())
    }

    /// Moves slots, given with their places in the order of runs, to disk.
    pub(super) fn dismiss(&mut self, victims: &[(u32, u64, u32)]) -> Result<()> {
        let Some(mut cold) = self.spill.cold.take() else { return Ok(()) };
        let done = self.write_cold(&mut cold, victims);
        let index = &self.index;
        let key = |s: u32| Some(index.key(s)).filter(|_| index.flags(s) & GONE == 0);
        let done = done.and_then(|()| self.timers.evict(&cold, victims, key));
        self.spill.cold = Some(cold);
        done?;
        for &(_, _, slot) in victims {
            if self.index.flags(slot) & GONE != 0 {
                self.gone -= 1;
            } else {
                self.store.clear(slot as usize);
            }
            self.drop_slot(slot);
        }
        Ok(())
    }

    fn write_cold(&mut self, cold: &mut Cold, victims: &[(u32, u64, u32)]) -> Result<()> {
        let mut pending = BTreeMap::new();
        let mut entries = Entries::default();
        for chunk in victims.chunk_by(|a, b| a.0 == b.0).filter(|_| self.sealed) {
            let mut run = RunWriter::new(Vec::new());
            let dirty = chunk.iter().filter(|v| self.index.flags(v.2) & DIRTY != 0);
            for &(_, _, slot) in dirty {
                entries.clear();
                let cleared = self.entries_of(slot, false, &mut entries);
                run.key(self.index.key(slot), cleared)?;
                run.entries(entries.bytes())?;
            }
            let (run, keys) = run.finish()?;
            if keys > 0 {
                pending.insert(chunk[0].0, run);
            }
        }
        cold.keep(&pending)?;
        cold.write(victims.iter().map(|v| v.1), |put| {
            for &(group, hash, slot) in victims {
                let flags = self.index.flags(slot);
                let place = (group, hash, self.index.key(slot));
                if flags & GONE == 0 && flags & FRESH == 0 {
                    let stamp = self.stamps.get(slot as usize).copied().unwrap_or(NO_STAMP);
                    entries.clear();
                    self.store.write_entries(slot as usize, stamp, &mut entries);
                    put(place, Some(entries.bytes()))?;
                } else if flags & (GONE | COLD) == GONE | COLD {
                    put(place, None)?;
                }
            }
            Ok(())
        })
    }

    /// Forgets removed keys, on disk as well.
    pub(super) fn forget(&mut self, gone: &[u32]) -> Result<()> {
        if let Some(mut cold) = self.spill.cold.take() {
            let done = self.delete_cold(&mut cold, gone);
            self.spill.cold = Some(cold);
            done?;
        }
        self.gone -= gone.len();
        gone.iter().for_each(|&s| self.drop_slot(s));
        Ok(())
    }

    fn delete_cold(&self, cold: &mut Cold, gone: &[u32]) -> Result<()> {
        let mut places: Vec<(u32, u64, u32)> = gone
            .iter()
            .filter(|&&s| self.index.flags(s) & COLD != 0)
            .map(|&s| self.place(s))
            .collect();
        self.sort(&mut places);
        cold.write(places.iter().map(|p| p.1), |put| {
            places
                .iter()
                .try_for_each(|&(g, hash, slot)| put((g, hash, self.index.key(slot)), None))
        })
    }

    /// Drops new slots that had no record on disk.
    pub(super) fn drop_missing(&mut self, created: &[u32]) {
        for &slot in created {
            if self.index.flags(slot) & COLD == 0 {
                self.drop_slot(slot);
            }
        }
    }

    fn drop_slot(&mut self, slot: u32) {
        if let Some(stamp) = self.stamps.get_mut(slot as usize) {
            *stamp = NO_STAMP;
        }
        self.index.remove(slot);
    }

    /// The slots of a batch's keys, those on disk brought back.
    pub(super) fn load_cold(&mut self, keys: &EncodedKeys, slots: &mut Vec<u32>) -> Result<()> {
        let created = self.index.hydrate_new(keys, slots);
        self.store.resize(self.index.slots());
        self.recall(&created)?;
        for &slot in slots.iter() {
            *self.index.flags_mut(slot) |= HOT;
        }
        Ok(())
    }

    /// Brings the keys that are on disk back, so that [`KeyedTable::peek`] sees them;
    /// creates nothing.
    pub fn fetch(&mut self, keys: &EncodedKeys) -> Result<()> {
        if !self.spill.is_active() {
            return Ok(());
        }
        let mut slots = Vec::new();
        let created = self.index.hydrate_new(keys, &mut slots);
        self.store.resize(self.index.slots());
        self.recall(&created)?;
        self.drop_missing(&created);
        for slot in slots {
            if self.index.is_live(slot) {
                *self.index.flags_mut(slot) |= HOT;
            }
        }
        Ok(())
    }

    /// Fills new slots from disk where there is a record.
    pub(super) fn recall(&mut self, slots: &[u32]) -> Result<()> {
        self.spill.recalled.clear();
        let Some(mut cold) = self.spill.cold.take() else { return Ok(()) };
        let done = self.read_cold(&mut cold, slots);
        self.spill.cold = Some(cold);
        done
    }

    fn read_cold(&mut self, cold: &mut Cold, slots: &[u32]) -> Result<()> {
        let mut places: Vec<(u32, u64, u32)> = slots.iter().map(|&s| self.place(s)).collect();
        self.sort(&mut places);
        let (mut bytes, mut found) = (Vec::new(), Vec::new());
        // In pieces, as the records of a piece are held until all of them are found.
        for piece in places.chunks(PIECE) {
            let asked: Vec<Place<'_>> =
                piece.iter().map(|&(g, hash, slot)| (g, hash, self.index.key(slot))).collect();
            bytes.clear();
            found.clear();
            cold.find(&asked, &mut |i, entries| {
                let start = bytes.len();
                bytes.extend_from_slice(entries);
                found.push((piece[i].2, start..bytes.len()));
            })?;
            for (slot, range) in found.drain(..) {
                self.fill(slot, &bytes[range])?;
                self.spill.recalled.push(slot);
            }
        }
        Ok(())
    }
}
