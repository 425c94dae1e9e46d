//! Walks over keys that are not all in memory, key group by key group.

use std::collections::BTreeSet;

use weir_core::Result;

use super::spill::MAX_KEY;
use super::{CLEARED, COLD, DIRTY, FRESH, KeyedTable, SEALED, SlotStore};
use crate::run::{NO_STAMP, each_entry};

impl<S: SlotStore> KeyedTable<S> {
    /// Whether rows have left memory; from then on live slots are not all there is.
    pub fn is_spilled(&self) -> bool {
        self.spill.is_active()
    }

    /// Slots in memory whose key `accept` takes, with their key groups, in the order of these.
    pub fn by_group(&self, accept: impl Fn(&[u8]) -> bool) -> Vec<(u32, u32)> {
        let accepted = self.live().filter(|&s| accept(self.key(s)));
        let mut slots: Vec<(u32, u32)> = accepted.map(|s| (self.place(s).0, s)).collect();
        slots.sort_unstable();
        slots
    }

    /// Key groups that may have rows on disk.
    pub fn groups_on_disk(&self) -> BTreeSet<u32> {
        self.spill.cold.iter().flat_map(|c| c.groups()).collect()
    }

    /// Brings the rows of a key group that are on disk only, and whose keys `accept` takes,
    /// back to memory, and returns their slots. Nothing leaves memory meanwhile.
    pub fn bring_group(&mut self, group: u32, accept: impl Fn(&[u8]) -> bool) -> Result<Vec<u32>> {
        let mut slots = Vec::new();
        let Some(cold) = self.spill.cold.take() else { return Ok(slots) };
        let done = cold.scan(group, |hash, key, entries| {
            if accept(key) && self.index.get(hash, key).is_none() {
                let slot = self.index.get_or_insert(hash, key).0;
                self.fill(slot, entries)?;
                slots.push(slot);
            }
            Ok(())
        });
        self.spill.cold = Some(cold);
        done?;
        Ok(slots)
    }

    /// Fills a new slot with the entries of its record on disk.
    pub(super) fn fill(&mut self, slot: u32, entries: &[u8]) -> Result<()> {
        self.store.resize(self.index.slots());
        if self.spec.ttl > 0 {
            self.stamps.resize(self.index.slots(), NO_STAMP);
        }
        each_entry(entries, |entry| {
            if let Some(stamp) = self.stamps.get_mut(slot as usize) {
                *stamp = entry.stamp;
            }
            self.store.apply(slot as usize, entry)
        })?;
        self.store.sealed(slot as usize);
        let flags = self.index.flags_mut(slot);
        *flags = (*flags | SEALED | COLD | FRESH) & !(DIRTY | CLEARED);
        Ok(())
    }

    /// Moves slots, each given once, to disk, removed ones as well.
    pub fn dismiss_slots(&mut self, slots: &[u32]) -> Result<()> {
        let may_go = |&&s: &&u32| self.index.is_live(s) && self.key(s).len() <= MAX_KEY;
        let there = slots.iter().filter(may_go);
        let mut victims: Vec<(u32, u64, u32)> = there.map(|&s| self.place(s)).collect();
        self.sort(&mut victims);
        self.dismiss(&victims)
    }
}
