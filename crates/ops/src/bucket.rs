//! Rows of one join or rank key: a plain vector, with a hash index once it is
//! long and rows have to be found.

use hashbrown::HashTable;
use weir_core::Result;
use weir_core::keys::{EncodedKeys, hash_key};
use weir_state::bytes::{put_bytes, put_varint};
use weir_state::{KeyedTable, Reader, StateValue};

use crate::listed::{Held, Listed};

/// Rows up to which a linear search is used.
const INDEX_ABOVE: usize = 16;

/// A row in a bucket.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// The encoded row.
    pub row: Box<[u8]>,
    /// Its unique key, if the input has one that is used; else empty.
    id: Box<[u8]>,
    /// Rows of the other side that match (kept by outer, semi and anti joins only).
    pub matches: u32,
}

impl Entry {
    fn identity(&self) -> &[u8] {
        if self.id.is_empty() { &self.row } else { &self.id }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Bucket {
    rows: Vec<Entry>,
    /// Hash and position; few buckets get as long as to need one.
    index: Option<Box<HashTable<(u64, u32)>>>,
}

impl Bucket {
    /// The rows.
    pub fn rows(&self) -> &[Entry] {
        &self.rows
    }

    /// The rows, to change their match counts.
    pub fn rows_mut(&mut self) -> &mut [Entry] {
        &mut self.rows
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Position of a row by its identity (its unique key if given, else its bytes).
    pub fn find(&self, identity: &[u8]) -> Option<usize> {
        let Some(index) = &self.index else {
            return self.rows.iter().position(|e| e.identity() == identity);
        };
        let hash = hash_key(identity);
        let same = |e: &(u64, u32)| e.0 == hash && self.rows[e.1 as usize].identity() == identity;
        index.find(hash, same).map(|e| e.1 as usize)
    }

    /// Adds a row; with `findable`, later `find`s may ask for it.
    pub fn push(&mut self, row: &[u8], id: &[u8], matches: u32, findable: bool) {
        // Most keys of a join have one row: no room for more until there are.
        if self.rows.capacity() == 0 {
            self.rows.reserve_exact(1);
        }
        self.rows.push(Entry { row: row.into(), id: id.into(), matches });
        if !findable {
            return;
        }
        if self.index.is_some() {
            self.add_to_index(self.rows.len() - 1);
        } else if self.rows.len() > INDEX_ABOVE {
            self.index = Some(Box::default());
            (0..self.rows.len()).for_each(|i| self.add_to_index(i));
        }
    }

    fn add_to_index(&mut self, at: usize) {
        let hash = hash_key(self.rows[at].identity());
        if let Some(index) = &mut self.index {
            index.insert_unique(hash, (hash, at as u32), |e| e.0);
        }
    }

    fn forget(&mut self, at: usize) {
        let hash = hash_key(self.rows[at].identity());
        let Some(index) = &mut self.index else { return };
        if let Ok(found) = index.find_entry(hash, |e| e.1 as usize == at) {
            found.remove();
        }
    }

    /// Takes a row out; the last one moves into its place.
    pub fn remove(&mut self, at: usize) -> Entry {
        let indexed = self.index.is_some();
        let last = self.rows.len() - 1;
        if indexed {
            self.forget(at);
            if last != at {
                self.forget(last);
            }
        }
        let entry = self.rows.swap_remove(at);
        if indexed && last != at {
            self.add_to_index(at);
        }
        entry
    }

    /// Gives a row with the same unique key new content.
    pub fn replace(&mut self, at: usize, row: &[u8]) {
        self.rows[at].row = row.into();
    }
}

/// Drops the keys of a batch, `slots` by row, that have no rows any more.
pub fn drop_empty(table: &mut KeyedTable<Vec<Bucket>>, keys: &EncodedKeys, slots: &[u32]) {
    for (row, &slot) in slots.iter().enumerate() {
        let gone = table.store[slot as usize].is_empty();
        if gone && table.is_live(slot) && table.key(slot) == keys.key(row) {
            table.remove(slot);
        }
    }
}

impl StateValue for Bucket {
    fn write(&self, out: &mut Vec<u8>) {
        put_varint(out, self.rows.len() as u64);
        for e in &self.rows {
            put_bytes(out, &e.row);
            put_bytes(out, &e.id);
            put_varint(out, e.matches.into());
        }
    }
    fn read(input: &mut Reader<'_>) -> Result<Self> {
        let mut bucket = Bucket::default();
        for _ in 0..input.varint()? {
            let (row, id) = (input.bytes()?, input.bytes()?);
            bucket.push(row, id, input.varint()? as u32, true);
        }
        Ok(bucket)
    }
}

impl Listed for Bucket {
    fn list(&self, each: &mut dyn FnMut(Held<'_>)) {
        for e in &self.rows {
            let row = Held::row(0, &e.row);
            each(if e.matches > 0 { row.with(format!("matches {}", e.matches)) } else { row });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_before_and_after_indexing() {
        let mut b = Bucket::default();
        for i in 0..40u8 {
            b.push(&[i], &[], 0, true);
        }
        for i in (0..40u8).step_by(3) {
            let at = b.find(&[i]).unwrap();
            assert_eq!(*b.remove(at).row, [i]);
        }
        for i in 0..40u8 {
            assert_eq!(b.find(&[i]).is_some(), i % 3 != 0);
        }
    }
}
