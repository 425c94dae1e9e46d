//! Named keyed tables: index, slot store, time to live, seal and restore.
//!
//! Where to look next: [`ahead`] for what is sealed before its barrier comes, [`spill`] for
//! the rows that leave memory, [`timers`] for those that are due at a time, [`walk`] for all
//! of them, [`restore`], [`crate::run`] for what is sealed.

use std::collections::BTreeMap;

use weir_core::Result;
use weir_core::keys::{EncodedKeys, hash_key, key_group};

use self::ahead::Ahead;
use self::spill::Spill;
use self::timers::Timers;
use crate::bytes::Reader;
use crate::index::KeyIndex;
use crate::loose::Loose;
use crate::pieces::PieceTarget;
use crate::run::{Entries, Entry, NO_STAMP, Run, SealedTable};

mod ahead;
mod restore;
mod spill;
mod timers;
mod walk;

/// Changed since the last seal.
const DIRTY: u16 = 2;
/// The last seals hold the key.
const SEALED: u16 = 4;
/// Removed, and kept until a seal has said so.
const GONE: u16 = 8;
/// Emptied since the last seal: what older runs hold of the key does not count.
const CLEARED: u16 = 16;
/// Used since the clock hand of the spill passed.
const HOT: u16 = 32;
/// The record on disk says what the slot says.
const FRESH: u16 = 64;
/// There is a record on disk, of now or of earlier.
const COLD: u16 = 128;
/// Sealed ahead of the next seal, and not changed since.
const AHEAD: u16 = 256;

/// Values of a table, addressed by dense slot: typed columns or a plain vector.
///
/// A store whose values are long lists can keep one entry per element (see
/// [`Entries`]), so that a seal writes changed elements only; the defaults keep one
/// entry per key.
pub trait SlotStore {
    /// Makes room for slots `0..slots`; new ones are empty.
    fn resize(&mut self, slots: usize);
    /// Empties a slot.
    fn clear(&mut self, slot: usize);
    /// Appends the slot's value.
    fn write(&self, slot: usize, out: &mut Vec<u8>);
    /// Fills an empty slot from what `write` appended.
    fn read(&mut self, slot: usize, input: &mut Reader<'_>) -> Result<()>;

    /// Adds all entries of the slot. `stamp` is the time of the last write, if kept.
    fn write_entries(&self, slot: usize, stamp: i64, out: &mut Entries) {
        out.put(&[], stamp, |bytes| self.write(slot, bytes));
    }
    /// Adds the entries that changed since [`SlotStore::sealed`]; true if they are all
    /// there is, so that older entries do not count.
    fn write_changes(&self, slot: usize, stamp: i64, out: &mut Entries) -> bool {
        self.write_entries(slot, stamp, out);
        true
    }
    /// All changes of the slot have been sealed.
    fn sealed(&mut self, slot: usize) {
        let _ = slot;
    }
    /// Applies an entry; the slot is empty before its first one unless `write_changes` says false.
    fn apply(&mut self, slot: usize, entry: &Entry<'_>) -> Result<()> {
        self.clear(slot);
        match entry.value {
            Some(value) => self.read(slot, &mut Reader::new(value)),
            None => Ok(()),
        }
    }
}

/// One value of a row-wise table; the methods with defaults are those of [`SlotStore`].
pub trait StateValue: Default {
    /// Appends the value.
    fn write(&self, out: &mut Vec<u8>);
    /// Reads what `write` appended.
    fn read(input: &mut Reader<'_>) -> Result<Self>;

    /// Adds all entries.
    fn write_entries(&self, stamp: i64, out: &mut Entries) {
        out.put(&[], stamp, |bytes| self.write(bytes));
    }
    /// Adds the changed entries; true if they are all there is.
    fn write_changes(&self, stamp: i64, out: &mut Entries) -> bool {
        self.write_entries(stamp, out);
        true
    }
    /// All changes have been sealed.
    fn sealed(&mut self) {}
    /// Applies an entry.
    fn apply(&mut self, entry: &Entry<'_>) -> Result<()> {
        *self = match entry.value {
            Some(value) => Self::read(&mut Reader::new(value))?,
            None => Self::default(),
        };
        Ok(())
    }
}

impl<T: StateValue> SlotStore for Vec<T> {
    fn resize(&mut self, slots: usize) {
        if slots > self.len() {
            self.resize_with(slots, T::default);
        }
    }
    fn clear(&mut self, slot: usize) {
        self[slot] = T::default();
    }
    fn write(&self, slot: usize, out: &mut Vec<u8>) {
        self[slot].write(out);
    }
    fn read(&mut self, slot: usize, input: &mut Reader<'_>) -> Result<()> {
        self[slot] = T::read(input)?;
        Ok(())
    }
    fn write_entries(&self, slot: usize, stamp: i64, out: &mut Entries) {
        self[slot].write_entries(stamp, out);
    }
    fn write_changes(&self, slot: usize, stamp: i64, out: &mut Entries) -> bool {
        self[slot].write_changes(stamp, out)
    }
    fn sealed(&mut self, slot: usize) {
        self[slot].sealed();
    }
    fn apply(&mut self, slot: usize, entry: &Entry<'_>) -> Result<()> {
        self[slot].apply(entry)
    }
}

/// Identity and rules of a table.
#[derive(Debug, Clone)]
pub struct TableSpec {
    /// Name within the operator.
    pub name: String,
    /// Version of the value encoding; a seal of another version is refused.
    pub version: u16,
    /// Milliseconds after the last write until an entry is gone; 0 = never.
    pub ttl: i64,
    /// Number of key groups of the job.
    pub max_parallelism: u32,
    /// Bytes at the front of keys (window bounds) that do not choose the key group.
    pub prefix: usize,
    /// Rows may leave memory between two loads: the owner keeps no slots across them except
    /// in timers ([`KeyedTable::set_timer`]), asks for other keys with
    /// [`KeyedTable::fetch`] first, and walks all of them with [`KeyedTable::bring_group`].
    pub spills: bool,
}

/// A keyed table, in memory as far as the budget of the process allows.
#[derive(Debug)]
pub struct KeyedTable<S> {
    spec: TableSpec,
    index: KeyIndex,
    stamps: Vec<i64>,
    sweep: u32,
    /// Keys that were removed and are kept for the next seal.
    gone: usize,
    /// A full seal has been made, deltas can follow.
    sealed: bool,
    spill: Spill,
    timers: Timers,
    ahead: Option<Ahead>,
    /// The values, addressed by slot.
    pub store: S,
}

impl<S: SlotStore> KeyedTable<S> {
    /// An empty table over the given store.
    pub fn new(spec: TableSpec, store: S) -> Self {
        Self {
            spec,
            index: KeyIndex::default(),
            stamps: Vec::new(),
            sweep: 0,
            gone: 0,
            sealed: false,
            spill: Spill::default(),
            timers: Timers::default(),
            ahead: None,
            store,
        }
    }

    /// Number of keys in memory.
    pub fn len(&self) -> usize {
        self.index.len() - self.gone
    }

    /// Whether the table is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a slot holds a key.
    pub fn is_live(&self, slot: u32) -> bool {
        self.index.is_live(slot) && self.index.flags(slot) & GONE == 0
    }

    /// The slots that hold keys, in slot order.
    pub fn live(&self) -> impl Iterator<Item = u32> + '_ {
        self.index.live().filter(|&s| self.index.flags(s) & GONE == 0)
    }

    /// Key bytes of a slot that holds a key.
    pub fn key(&self, slot: u32) -> &[u8] {
        self.index.key(slot)
    }

    /// One more than the highest slot ever used.
    pub fn slots(&self) -> usize {
        self.index.slots()
    }

    /// Replaces `slots` by the slot of every key, creating what is missing and
    /// emptying what has expired at `now` (milliseconds). The slots count as changed.
    pub fn hydrate(&mut self, keys: &EncodedKeys, now: i64, slots: &mut Vec<u32>) -> Result<()> {
        self.load(keys, now, slots)?;
        slots.iter().for_each(|&slot| self.touch(slot));
        Ok(())
    }

    /// Like [`KeyedTable::hydrate`], but only slots that are told to
    /// [`KeyedTable::touch`] count as changed.
    pub fn load(&mut self, keys: &EncodedKeys, now: i64, slots: &mut Vec<u32>) -> Result<()> {
        slots.clear();
        if self.spec.spills {
            self.relieve()?;
        }
        self.seal_ahead(keys.len());
        if self.spill.is_active() {
            self.load_cold(keys, slots)?;
        } else {
            self.index.hydrate(keys, slots);
            self.store.resize(self.index.slots());
        }
        if self.gone > 0 {
            slots.iter().for_each(|&s| self.revive(s));
        }
        if self.spec.ttl > 0 {
            self.stamps.resize(self.index.slots(), NO_STAMP);
            self.sweep(now, slots.len());
            slots.iter().for_each(|&s| self.renew(s, now));
        }
        Ok(())
    }

    /// Slot of one key, created if missing; it counts as changed.
    pub fn slot(&mut self, key: &[u8], now: i64) -> Result<u32> {
        let (slot, created) = self.index.get_or_insert(hash_key(key), key);
        self.store.resize(self.index.slots());
        if created {
            self.recall(&[slot])?;
        }
        self.revive(slot);
        if self.spec.ttl > 0 {
            self.stamps.resize(self.index.slots(), NO_STAMP);
            self.renew(slot, now);
        }
        self.touch(slot);
        Ok(slot)
    }

    /// Slot of a present and unexpired key, without creating or touching it.
    pub fn peek(&self, hash: u64, key: &[u8], now: i64) -> Option<u32> {
        self.index
            .get(hash, key)
            .filter(|&s| !self.expired(s, now) && self.index.flags(s) & GONE == 0)
    }

    /// Says that the slot's value has changed.
    pub fn touch(&mut self, slot: u32) {
        let flags = self.index.flags_mut(slot);
        *flags = (*flags | DIRTY) & !(FRESH | AHEAD);
    }

    fn expired(&self, slot: u32, now: i64) -> bool {
        self.spec.ttl > 0
            && self
                .stamps
                .get(slot as usize)
                .is_some_and(|&t| t <= now.saturating_sub(self.spec.ttl))
    }

    /// Takes a removed key back; its value stays empty.
    fn revive(&mut self, slot: u32) {
        let flags = self.index.flags_mut(slot);
        if *flags & GONE != 0 {
            *flags &= !GONE;
            self.gone -= 1;
        }
    }

    /// Empties a slot that has expired and stamps it.
    fn renew(&mut self, slot: u32, now: i64) {
        if self.expired(slot, now) {
            self.store.clear(slot as usize);
            *self.index.flags_mut(slot) |= CLEARED | DIRTY;
        }
        *self.index.flags_mut(slot) &= !(FRESH | AHEAD);
        self.stamps[slot as usize] = now;
    }

    /// Drops a key and empties its slot.
    pub fn remove(&mut self, slot: u32) {
        if !self.is_live(slot) {
            return;
        }
        self.store.clear(slot as usize);
        if let Some(stamp) = self.stamps.get_mut(slot as usize) {
            *stamp = NO_STAMP;
        }
        let flags = self.index.flags_mut(slot);
        if *flags & (SEALED | COLD) != 0 {
            *flags = (*flags | GONE | DIRTY | CLEARED) & !(FRESH | AHEAD);
            self.gone += 1;
        } else {
            self.index.remove(slot);
        }
    }

    /// Looks at a few slots per call and drops the expired ones, so that cleaning costs
    /// in proportion to the traffic. The slots just hydrated are younger than `now`.
    fn sweep(&mut self, now: i64, traffic: usize) {
        let limit = now.saturating_sub(self.spec.ttl);
        for _ in 0..(traffic * 2).min(self.stamps.len()) {
            let s = self.sweep as usize % self.stamps.len();
            self.sweep = (s + 1) as u32;
            // Only long-dead entries: those of this batch are still to be emptied by the caller.
            if self.index.is_live(s as u32) && self.stamps[s] < limit.saturating_sub(self.spec.ttl)
            {
                self.remove(s as u32);
            }
        }
    }

    /// The key group that the exchange in front of the operator sends a key to.
    fn group(&self, hash: u64, key: &[u8]) -> u32 {
        let routing = match self.spec.prefix {
            0 => hash,
            n => hash_key(key.get(n..).unwrap_or_default()),
        };
        key_group(routing, self.spec.max_parallelism)
    }

    /// Seals the table: everything if `full` (and the first time), else what changed
    /// since the last seal, deletes included. One run per key group.
    pub fn seal(&mut self, full: bool) -> Result<SealedTable> {
        self.seal_to(full, None)
    }

    /// Like [`KeyedTable::seal`]; the records of a large seal go to `target` as they are
    /// made, and its runs are [`Run::Pieces`].
    pub fn seal_to(&mut self, full: bool, target: Option<&PieceTarget>) -> Result<SealedTable> {
        let first = !std::mem::replace(&mut self.sealed, true);
        let ahead = self.settle_ahead(full && !first, target);
        let full = full || first;
        let slots = self.to_seal(full, ahead);
        // What is on disk is merged with what is in memory when the run is written.
        let least = |t: &&PieceTarget| ahead || slots.len() >= t.sink.least_keys();
        let target = target.filter(|_| !self.spill.is_active()).filter(least);
        let groups = match target {
            Some(target) => self.sealed_pieces(full, &slots, target),
            None => self.sealed_runs(full, &slots)?,
        };
        let groups = self.spill.sealed_groups(full, groups);
        self.mark_sealed(full, &slots)?;
        self.begin_ahead();
        let (name, version) = (self.spec.name.clone(), self.spec.version);
        Ok(SealedTable { name, version, full, groups })
    }

    fn sealed_runs(&self, full: bool, slots: &[u32]) -> Result<BTreeMap<u32, Run>> {
        let mut loose = Loose::default();
        for &slot in slots {
            let (group, hash, _) = self.place(slot);
            let place = (group, hash, self.index.key(slot));
            loose.key(place, |entries| self.entries_of(slot, full, entries));
        }
        loose.runs()
    }

    /// The slots that a seal holds, those that are sealed `ahead` left out.
    fn to_seal(&self, full: bool, ahead: bool) -> Vec<u32> {
        // A removed key has to hide its record on disk or among those sealed ahead.
        let hides = if ahead { COLD | SEALED } else { COLD };
        let taken = |&slot: &u32| match (self.index.flags(slot), full) {
            (flags, true) if flags & GONE != 0 => flags & hides != 0,
            (flags, true) => flags & AHEAD == 0,
            (flags, false) => flags & DIRTY != 0,
        };
        self.index.live().filter(taken).collect()
    }

    /// Group, hash and number of a slot.
    fn place(&self, slot: u32) -> (u32, u64, u32) {
        let hash = self.index.hash(slot);
        (self.group(hash, self.index.key(slot)), hash, slot)
    }

    /// Sorts (group, hash, slot) in the order of runs.
    fn sort(&self, slots: &mut [(u32, u64, u32)]) {
        slots.sort_unstable_by(|a, b| {
            (a.0, a.1).cmp(&(b.0, b.1)).then_with(|| self.index.key(a.2).cmp(self.index.key(b.2)))
        });
    }

    /// Adds what a seal has to say of a slot; whether older entries do not count.
    fn entries_of(&self, slot: u32, full: bool, entries: &mut Entries) -> bool {
        let flags = self.index.flags(slot);
        let stamp = self.stamps.get(slot as usize).copied().unwrap_or(NO_STAMP);
        if flags & GONE != 0 {
            true
        } else if full || flags & CLEARED != 0 || flags & SEALED == 0 {
            self.store.write_entries(slot as usize, stamp, entries);
            true
        } else {
            self.store.write_changes(slot as usize, stamp, entries)
        }
    }

    fn mark_sealed(&mut self, full: bool, slots: &[u32]) -> Result<()> {
        for &slot in slots {
            let flags = self.index.flags_mut(slot);
            if *flags & GONE != 0 {
                continue;
            }
            *flags = (*flags & !(DIRTY | CLEARED)) | SEALED;
            self.store.sealed(slot as usize);
        }
        if self.gone > 0 {
            let gone = |&s: &u32| self.index.flags(s) & GONE != 0;
            let gone: Vec<u32> = if full {
                self.index.live().filter(gone).collect()
            } else {
                slots.iter().copied().filter(gone).collect()
            };
            self.forget(&gone)?;
        }
        self.spill.sealed();
        Ok(())
    }
}

#[cfg(test)]
mod ahead_tests;
#[cfg(test)]
mod tests;
