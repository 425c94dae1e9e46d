//! From encoded key to dense slot number.
//!
//! Key bytes live in one arena; the hash table holds (hash, slot), so that
//! probing and growing never touch the keys unless the full hash agrees. Freed
//! slots are reused, the arena is compacted when more than half of it is dead.

use hashbrown::HashTable;
use weir_core::keys::EncodedKeys;

#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u64,
    slot: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Span {
    start: usize,
    hash: u64,
    len: u32,
    /// [`LIVE`], and whatever the owner of the index keeps per slot.
    flags: u16,
}

/// Flag of slots that hold a key; the other bits are the owner's.
pub const LIVE: u16 = 1;

/// Hash index over encoded keys.
#[derive(Debug, Default)]
pub struct KeyIndex {
    table: HashTable<Entry>,
    spans: Vec<Span>,
    arena: Vec<u8>,
    dead: usize,
    free: Vec<u32>,
}

impl KeyIndex {
    /// Number of live keys.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether no key is present.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// One more than the highest slot ever used; columns need this length.
    pub fn slots(&self) -> usize {
        self.spans.len()
    }

    /// Slot of a key, if present.
    pub fn get(&self, hash: u64, key: &[u8]) -> Option<u32> {
        self.table
            .find(hash, |e| e.hash == hash && key_at(&self.spans, &self.arena, e.slot) == key)
            .map(|e| e.slot)
    }

    /// Slot of a key and whether it was created now.
    pub fn get_or_insert(&mut self, hash: u64, key: &[u8]) -> (u32, bool) {
        if let Some(slot) = self.get(hash, key) {
            return (slot, false);
        }
        let span = Span { start: self.arena.len(), hash, len: key.len() as u32, flags: LIVE };
        self.arena.extend_from_slice(key);
        let slot = match self.free.pop() {
            Some(s) => {
                self.spans[s as usize] = span;
                s
            }
            None => {
                self.spans.push(span);
                (self.spans.len() - 1) as u32
            }
        };
        self.table.insert_unique(hash, Entry { hash, slot }, |e| e.hash);
        (slot, true)
    }

    /// Appends the slot of every key, creating what is missing.
    pub fn hydrate(&mut self, keys: &EncodedKeys, slots: &mut Vec<u32>) {
        slots.reserve(keys.len());
        for row in 0..keys.len() {
            slots.push(self.get_or_insert(keys.hash(row), keys.key(row)).0);
        }
    }

    /// Like [`KeyIndex::hydrate`]; returns the slots that were created.
    pub fn hydrate_new(&mut self, keys: &EncodedKeys, slots: &mut Vec<u32>) -> Vec<u32> {
        slots.reserve(keys.len());
        let mut new = Vec::new();
        for row in 0..keys.len() {
            let (slot, created) = self.get_or_insert(keys.hash(row), keys.key(row));
            slots.push(slot);
            if created {
                new.push(slot);
            }
        }
        new
    }

    /// Key bytes of a live slot.
    pub fn key(&self, slot: u32) -> &[u8] {
        key_at(&self.spans, &self.arena, slot)
    }

    /// Key hash of a live slot.
    pub fn hash(&self, slot: u32) -> u64 {
        self.spans[slot as usize].hash
    }

    /// Flags of a slot, [`LIVE`] among them.
    pub fn flags(&self, slot: u32) -> u16 {
        self.spans[slot as usize].flags
    }

    /// The flags of a live slot, to change the owner's bits.
    pub fn flags_mut(&mut self, slot: u32) -> &mut u16 {
        &mut self.spans[slot as usize].flags
    }

    /// Bytes held: keys, slots and hash table.
    pub fn memory(&self) -> usize {
        self.arena.len()
            + self.spans.len() * size_of::<Span>()
            + self.table.capacity() * (size_of::<Entry>() + 1)
            + self.free.len() * 4
    }

    /// All live slots, in slot order.
    pub fn live(&self) -> impl Iterator<Item = u32> + '_ {
        self.spans.iter().enumerate().filter(|(_, s)| s.flags & LIVE != 0).map(|(i, _)| i as u32)
    }

    /// Whether a slot holds a key.
    pub fn is_live(&self, slot: u32) -> bool {
        self.spans.get(slot as usize).is_some_and(|s| s.flags & LIVE != 0)
    }

    /// Forgets a key; its slot may be handed out again.
    pub fn remove(&mut self, slot: u32) {
        let span = self.spans[slot as usize];
        if span.flags & LIVE == 0 {
            return;
        }
        if let Ok(found) = self.table.find_entry(span.hash, |e| e.slot == slot) {
            found.remove();
        }
        self.spans[slot as usize] = Span::default();
        self.free.push(slot);
        self.dead += span.len as usize;
        if self.dead > 4096 && self.dead * 2 > self.arena.len() {
            self.compact();
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    fn compact(&mut self) {
        let mut arena = Vec::with_capacity(self.arena.len() - self.dead);
        for s in self.spans.iter_mut().filter(|s| s.flags & LIVE != 0) {
            let start = arena.len();
            arena.extend_from_slice(&self.arena[s.start..s.start + s.len as usize]);
            s.start = start;
        }
        self.arena = arena;
        self.dead = 0;
    }
}

fn key_at<'a>(spans: &[Span], arena: &'a [u8], slot: u32) -> &'a [u8] {
    let s = spans[slot as usize];
    &arena[s.start..s.start + s.len as usize]
}

#[cfg(test)]
mod tests {
    use weir_core::keys::hash_key;

    use super::*;

    fn put(index: &mut KeyIndex, key: &str) -> (u32, bool) {
        index.get_or_insert(hash_key(key.as_bytes()), key.as_bytes())
    }

    #[test]
    fn slots_are_dense_stable_and_reused() {
        let mut index = KeyIndex::default();
        assert_eq!(put(&mut index, "a"), (0, true));
        assert_eq!(put(&mut index, "b"), (1, true));
        assert_eq!(put(&mut index, "a"), (0, false));
        index.remove(0);
        assert_eq!(index.len(), 1);
        assert_eq!(put(&mut index, "c"), (0, true));
        assert_eq!(index.key(0), b"c");
        assert_eq!(index.slots(), 2);
    }

    #[test]
    fn compaction_keeps_live_keys() {
        let mut index = KeyIndex::default();
        for i in 0..2000 {
            put(&mut index, &format!("key-{i}"));
        }
        for i in 0..1999 {
            index.remove(i);
        }
        assert!(index.arena.len() < 5000, "{}", index.arena.len());
        assert_eq!(put(&mut index, "key-1999"), (1999, false));
        assert_eq!(index.live().collect::<Vec<_>>(), vec![1999]);
    }
}
