//! Named keyed tables: index, slot store, time to live, seal and restore.

use weir_core::keys::{EncodedKeys, hash_key, key_group};
use weir_core::{Error, Result};

use crate::bytes::{Reader, put_bytes, put_i64, put_varint};
use crate::index::KeyIndex;

/// Version of the bytes of a [`SealedGroup`].
const RUN_VERSION: u8 = 1;

/// Values of a table, addressed by dense slot: typed columns or a plain vector.
pub trait SlotStore {
    /// Makes room for slots `0..slots`; new ones are empty.
    fn resize(&mut self, slots: usize);
    /// Empties a slot.
    fn clear(&mut self, slot: usize);
    /// Appends the slot's value.
    fn write(&self, slot: usize, out: &mut Vec<u8>);
    /// Fills an empty slot from what `write` appended.
    fn read(&mut self, slot: usize, input: &mut Reader<'_>) -> Result<()>;
}

/// One value of a row-wise table.
pub trait StateValue: Default {
    /// Appends the value.
    fn write(&self, out: &mut Vec<u8>);
    /// Reads what `write` appended.
    fn read(input: &mut Reader<'_>) -> Result<Self>;
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
}

/// A sealed table: one run of bytes per non-empty key group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedTable {
    /// Table name within the operator.
    pub name: String,
    /// Version of the value encoding.
    pub version: u16,
    /// The runs, ordered by key group.
    pub groups: Vec<SealedGroup>,
}

/// The entries of one key group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedGroup {
    /// The key group.
    pub key_group: u32,
    /// Versioned bytes.
    pub bytes: Vec<u8>,
}

/// A keyed table in memory.
#[derive(Debug)]
pub struct KeyedTable<S> {
    spec: TableSpec,
    index: KeyIndex,
    stamps: Vec<i64>,
    sweep: u32,
    /// The values, addressed by slot.
    pub store: S,
}

impl<S: SlotStore> KeyedTable<S> {
    /// An empty table over the given store.
    pub fn new(spec: TableSpec, store: S) -> Self {
        Self { spec, index: KeyIndex::default(), stamps: Vec::new(), sweep: 0, store }
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether the table is empty.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The key index.
    pub fn index(&self) -> &KeyIndex {
        &self.index
    }

    /// Replaces `slots` by the slot of every key, creating what is missing and
    /// emptying what has expired at `now` (milliseconds).
    pub fn hydrate(&mut self, keys: &EncodedKeys, now: i64, slots: &mut Vec<u32>) {
        slots.clear();
        self.index.hydrate(keys, slots);
        self.store.resize(self.index.slots());
        if self.spec.ttl > 0 {
            self.stamps.resize(self.index.slots(), i64::MAX);
            self.sweep(now, slots.len());
            for &s in slots.iter() {
                let stamp = &mut self.stamps[s as usize];
                if *stamp <= now.saturating_sub(self.spec.ttl) {
                    self.store.clear(s as usize);
                }
                *stamp = now;
            }
        }
    }

    /// Slot of one key, created if missing.
    pub fn slot(&mut self, key: &[u8], now: i64) -> u32 {
        let (slot, _) = self.index.get_or_insert(hash_key(key), key);
        self.store.resize(self.index.slots());
        if self.spec.ttl > 0 {
            self.stamps.resize(self.index.slots(), i64::MAX);
            if self.stamps[slot as usize] <= now.saturating_sub(self.spec.ttl) {
                self.store.clear(slot as usize);
            }
            self.stamps[slot as usize] = now;
        }
        slot
    }

    /// Slot of a present and unexpired key, without creating or touching it.
    pub fn peek(&self, hash: u64, key: &[u8], now: i64) -> Option<u32> {
        self.index.get(hash, key).filter(|&s| !self.expired(s, now))
    }

    fn expired(&self, slot: u32, now: i64) -> bool {
        self.spec.ttl > 0
            && self
                .stamps
                .get(slot as usize)
                .is_some_and(|&t| t <= now.saturating_sub(self.spec.ttl))
    }

    /// Drops a key and empties its slot.
    pub fn remove(&mut self, slot: u32) {
        self.index.remove(slot);
        self.store.clear(slot as usize);
        if let Some(stamp) = self.stamps.get_mut(slot as usize) {
            *stamp = i64::MAX;
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

    /// The hash that the exchange in front of the operator used.
    fn routing_hash(&self, slot: u32) -> u64 {
        match self.spec.prefix {
            0 => self.index.hash(slot),
            n => hash_key(self.index.key(slot).get(n..).unwrap_or_default()),
        }
    }

    /// Writes the whole table, one run per key group.
    pub fn seal(&self) -> SealedTable {
        let mut slots: Vec<(u32, u32)> = self
            .index
            .live()
            .map(|s| (key_group(self.routing_hash(s), self.spec.max_parallelism), s))
            .collect();
        slots.sort_unstable();
        let mut groups = Vec::new();
        let mut value = Vec::new();
        for chunk in slots.chunk_by(|a, b| a.0 == b.0) {
            let mut bytes = vec![RUN_VERSION];
            put_varint(&mut bytes, chunk.len() as u64);
            for &(_, slot) in chunk {
                put_bytes(&mut bytes, self.index.key(slot));
                put_i64(&mut bytes, self.stamps.get(slot as usize).copied().unwrap_or(i64::MAX));
                value.clear();
                self.store.write(slot as usize, &mut value);
                put_bytes(&mut bytes, &value);
            }
            groups.push(SealedGroup { key_group: chunk[0].0, bytes });
        }
        SealedTable { name: self.spec.name.clone(), version: self.spec.version, groups }
    }

    /// Adds the runs of a sealed table whose key groups `owned` accepts.
    pub fn restore(&mut self, sealed: &SealedTable, owned: impl Fn(u32) -> bool) -> Result<()> {
        if sealed.name != self.spec.name {
            return Ok(());
        }
        if sealed.version != self.spec.version {
            return Err(Error::data(format!(
                "state table '{}' was written in version {}, this build reads version {}",
                sealed.name, sealed.version, self.spec.version
            )));
        }
        for group in sealed.groups.iter().filter(|g| owned(g.key_group)) {
            self.restore_run(&group.bytes)?;
        }
        Ok(())
    }

    fn restore_run(&mut self, bytes: &[u8]) -> Result<()> {
        let mut r = Reader::new(bytes);
        let version = r.u8()?;
        if version != RUN_VERSION {
            return Err(Error::data(format!("state run has unknown version {version}")));
        }
        for _ in 0..r.varint()? {
            let key = r.bytes()?;
            let stamp = r.i64()?;
            let (slot, _) = self.index.get_or_insert(hash_key(key), key);
            self.store.resize(self.index.slots());
            if self.spec.ttl > 0 {
                self.stamps.resize(self.index.slots(), i64::MAX);
                self.stamps[slot as usize] = stamp;
            }
            self.store.read(slot as usize, &mut Reader::new(r.bytes()?))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};

    use super::*;

    impl StateValue for i64 {
        fn write(&self, out: &mut Vec<u8>) {
            put_i64(out, *self);
        }
        fn read(input: &mut Reader<'_>) -> Result<Self> {
            input.i64()
        }
    }

    fn keys(of: &[i64]) -> EncodedKeys {
        let a: ArrayRef = Arc::new(Int64Array::from(of.to_vec()));
        EncodedKeys::encode(&[a], of.len()).unwrap()
    }

    fn table(ttl: i64) -> KeyedTable<Vec<i64>> {
        let spec = TableSpec { name: "t".into(), version: 1, ttl, max_parallelism: 128, prefix: 0 };
        KeyedTable::new(spec, Vec::new())
    }

    #[test]
    fn seal_and_restore_split_by_key_group() {
        let mut t = table(0);
        let mut slots = Vec::new();
        let all: Vec<i64> = (0..1000).collect();
        t.hydrate(&keys(&all), 0, &mut slots);
        for (i, &s) in slots.iter().enumerate() {
            t.store[s as usize] = i as i64 * 10;
        }
        let sealed = t.seal();
        let (mut low, mut high) = (table(0), table(0));
        low.restore(&sealed, |g| g < 64).unwrap();
        high.restore(&sealed, |g| g >= 64).unwrap();
        assert_eq!(low.len() + high.len(), 1000);
        let k = keys(&[7]);
        let (half, other) =
            if key_group(k.hash(0), 128) < 64 { (&low, &high) } else { (&high, &low) };
        let slot = half.peek(k.hash(0), k.key(0), 0).unwrap();
        assert_eq!(half.store[slot as usize], 70);
        assert!(other.peek(k.hash(0), k.key(0), 0).is_none());
    }

    #[test]
    fn expired_entries_read_as_empty() {
        let mut t = table(100);
        let mut slots = Vec::new();
        t.hydrate(&keys(&[1]), 0, &mut slots);
        t.store[slots[0] as usize] = 5;
        t.hydrate(&keys(&[1]), 50, &mut slots);
        assert_eq!(t.store[slots[0] as usize], 5);
        t.hydrate(&keys(&[1]), 150, &mut slots);
        assert_eq!(t.store[slots[0] as usize], 0);
        t.hydrate(&keys(&[2]), 1000, &mut slots);
        t.hydrate(&keys(&[2]), 1000, &mut slots);
        assert_eq!(t.len(), 1);
    }

    #[test]
    fn other_versions_are_refused() {
        let mut sealed = table(0).seal();
        sealed.version = 9;
        assert!(table(0).restore(&sealed, |_| true).is_err());
    }
}
