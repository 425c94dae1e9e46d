//! Timers of a table: when its owner wants to look at which slots.
//!
//! A timer is a time and a slot. When a slot leaves memory its timers go to disk as well,
//! and when one of them is due they bring the slot back: nothing is kept in memory for a
//! key that is not. A timer may outlive what it was set for (the slot was removed, a
//! restart read an older state first), so owners look at what the slot says.

use std::collections::BTreeSet;

use weir_core::Result;

use super::{KeyedTable, SlotStore};
use crate::cold::{Cold, ColdTimers};

/// Timers that come back from disk at once.
const PIECE: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Timers {
    memory: BTreeSet<(i64, u32)>,
    cold: Option<Box<ColdTimers>>,
}

impl Timers {
    pub(super) fn set(&mut self, at: i64, slot: u32) {
        self.memory.insert((at, slot));
    }

    /// Moves the timers of slots that leave memory, given with their places, to disk;
    /// those of slots without a key are forgotten.
    pub(super) fn evict<'a>(
        &mut self,
        rows: &Cold,
        places: &[(u32, u64, u32)],
        key: impl Fn(u32) -> Option<&'a [u8]>,
    ) -> Result<()> {
        if self.memory.is_empty() {
            return Ok(());
        }
        let places: hashbrown::HashMap<u32, (u32, u64)> =
            places.iter().map(|&(group, hash, slot)| (slot, (group, hash))).collect();
        let mut records = Vec::new();
        self.memory.retain(|&(at, slot)| {
            let Some(&(group, hash)) = places.get(&slot) else { return true };
            records.extend(key(slot).map(|key| ColdTimers::timer(at, (group, hash, key))));
            false
        });
        if records.is_empty() {
            return Ok(());
        }
        records.sort_unstable();
        if self.cold.is_none() {
            self.cold = Some(Box::new(rows.timers()));
        }
        self.cold.as_mut().map_or(Ok(()), |cold| cold.add(&records))
    }

    fn first(&self) -> Option<i64> {
        let cold = self.cold.as_ref().and_then(|c| c.first());
        [self.memory.first().map(|t| t.0), cold].into_iter().flatten().min()
    }

    /// Whether a timer on disk may be the first one, and is not after `until`.
    fn cold_is_due(&self, until: i64) -> bool {
        let at = self.cold.as_ref().and_then(|c| c.first()).filter(|&at| at <= until);
        at.is_some_and(|at| self.memory.first().is_none_or(|m| at <= m.0))
    }
}

impl<S: SlotStore> KeyedTable<S> {
    /// Sets a timer; a slot may have many.
    pub fn set_timer(&mut self, at: i64, slot: u32) {
        self.timers.set(at, slot);
    }

    /// Takes a timer back, if it is in memory.
    pub fn unset_timer(&mut self, at: i64, slot: u32) {
        self.timers.memory.remove(&(at, slot));
    }

    /// A time that no timer is before.
    pub fn first_timer(&self) -> Option<i64> {
        self.timers.first()
    }

    /// Takes the first timer that is not after `until`, and brings its slot back to memory.
    /// Slots that the owner holds stay valid; [`KeyedTable::make_room`] between calls.
    pub fn due(&mut self, until: i64) -> Result<Option<(i64, u32)>> {
        self.bring_due(until)?;
        Ok(self.pop_due(until))
    }

    /// First half of [`KeyedTable::due`], for owners that derive something from what comes
    /// back ([`KeyedTable::each_recalled`]).
    pub fn bring_due(&mut self, until: i64) -> Result<()> {
        self.spill.recalled.clear();
        self.drop_dead_timers(until);
        while self.timers.cold_is_due(until) && self.spill.recalled.is_empty() {
            let taken = match &mut self.timers.cold {
                Some(cold) => cold.take(until, PIECE)?,
                None => Vec::new(),
            };
            let (mut due, mut created) = (Vec::with_capacity(taken.len()), Vec::new());
            for (at, hash, key) in taken {
                let (slot, new) = self.index.get_or_insert(hash, &key);
                due.push((at, slot));
                if new {
                    created.push(slot);
                }
            }
            self.store.resize(self.index.slots());
            self.recall(&created)?;
            self.drop_missing(&created);
            due.retain(|t| self.is_live(t.1));
            for (at, slot) in due {
                self.timers.set(at, slot);
            }
        }
        Ok(())
    }

    /// Forgets timers of removed keys up to the first one that counts: one on disk that is
    /// due later must not wait behind them.
    fn drop_dead_timers(&mut self, until: i64) {
        while let Some(&timer) = self.timers.memory.first().filter(|t| t.0 <= until)
            && !self.is_live(timer.1)
        {
            self.timers.memory.pop_first();
        }
    }

    /// Second half of [`KeyedTable::due`]: nothing is removed between the two.
    pub fn pop_due(&mut self, until: i64) -> Option<(i64, u32)> {
        self.timers.memory.first().filter(|t| t.0 <= until)?;
        self.timers.memory.pop_first()
    }

    /// Follows the memory budget; for owners that work through timers, where they hold no
    /// slots.
    pub fn make_room(&mut self) -> Result<()> {
        if self.spec.spills { self.relieve() } else { Ok(()) }
    }
}
