//! Tables that seal ahead come back as those that do not, whatever happens in between.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, Int64Array};
use weir_core::keys::EncodedKeys;

use super::*;
use crate::bytes::put_i64;
use crate::pieces::{PieceSink, sorted_run};

/// A growing list, of which a seal writes what is new.
#[derive(Debug, Default, Clone, PartialEq)]
struct List {
    items: Vec<i64>,
    sealed: usize,
}

impl StateValue for List {
    fn write(&self, _: &mut Vec<u8>) {}
    fn read(_: &mut Reader<'_>) -> Result<Self> {
        Ok(Self::default())
    }
    fn write_entries(&self, stamp: i64, out: &mut Entries) {
        for i in &self.items {
            out.put(&i.to_be_bytes(), stamp, |bytes| put_i64(bytes, *i));
        }
    }
    fn write_changes(&self, stamp: i64, out: &mut Entries) -> bool {
        for i in &self.items[self.sealed..] {
            out.put(&i.to_be_bytes(), stamp, |bytes| put_i64(bytes, *i));
        }
        false
    }
    fn sealed(&mut self) {
        self.sealed = self.items.len();
    }
    fn apply(&mut self, entry: &Entry<'_>) -> Result<()> {
        if let Some(value) = entry.value {
            self.items.push(Reader::new(value).i64()?);
        }
        Ok(())
    }
}

/// What one table's sinks have taken, by key group.
type Shelf = BTreeMap<u32, Vec<Vec<u8>>>;

#[derive(Debug, Default)]
struct Shelves {
    ahead: Mutex<Shelf>,
    sealed: Mutex<Shelf>,
}

#[derive(Debug)]
struct Sink {
    to: Arc<Shelves>,
    ahead: bool,
}

impl PieceSink for Sink {
    fn take(&self, _: usize, key_group: u32, piece: Vec<u8>) -> Vec<u8> {
        let shelf = if self.ahead { &self.to.ahead } else { &self.to.sealed };
        shelf.lock().unwrap().entry(key_group).or_default().push(piece);
        Vec::new()
    }
    fn least_keys(&self) -> usize {
        7
    }
    fn piece_bytes(&self) -> usize {
        100
    }
    fn wants_ahead(&self) -> bool {
        true
    }
    fn adopt(&self) {
        let mut ahead = std::mem::take(&mut *self.to.ahead.lock().unwrap());
        let mut sealed = self.to.sealed.lock().unwrap();
        assert!(ahead.is_empty() || sealed.is_empty());
        sealed.append(&mut ahead);
    }
    fn forget_ahead(&self, _: usize) {
        self.to.ahead.lock().unwrap().clear();
    }
}

fn target(to: &Arc<Shelves>, ahead: bool) -> PieceTarget {
    PieceTarget { sink: Arc::new(Sink { to: Arc::clone(to), ahead }), table: 0 }
}

fn table() -> KeyedTable<Vec<List>> {
    let spec = TableSpec {
        name: "t".into(),
        version: 1,
        ttl: 0,
        max_parallelism: 4,
        prefix: 0,
        spills: true,
    };
    KeyedTable::new(spec, Vec::new())
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

type Model = BTreeMap<i64, Vec<i64>>;

fn keys(of: &[i64]) -> EncodedKeys {
    let a: ArrayRef = Arc::new(Int64Array::from(of.to_vec()));
    EncodedKeys::encode(&[a], of.len()).unwrap()
}

/// Adds an item to some keys and takes one of them away.
fn change(t: &mut KeyedTable<Vec<List>>, model: &mut Model, random: &mut Random, item: i64) {
    let newest = item * 3;
    let mut some: Vec<i64> = (newest..newest + 12).collect();
    some.extend((0..random.below(4)).map(|_| random.below(newest as u64 + 1) as i64));
    some.sort_unstable();
    some.dedup();
    let (keys, mut slots) = (keys(&some), Vec::new());
    t.hydrate(&keys, 0, &mut slots).unwrap();
    for (&k, &s) in some.iter().zip(&slots) {
        t.store[s as usize].items.push(item);
        model.entry(k).or_default().push(item);
    }
    let gone = random.below(some.len() as u64) as usize;
    t.remove(slots[gone]);
    model.remove(&some[gone]);
}

/// The seal as it is read back.
fn stored(mut sealed: SealedTable, shelves: &Shelves) -> SealedTable {
    let pieces = std::mem::take(&mut *shelves.sealed.lock().unwrap());
    for g in &mut sealed.groups {
        if matches!(g.run, Run::Pieces) {
            g.run = sorted_run(&pieces[&g.key_group]).unwrap().into();
        }
    }
    sealed
}

fn restored(chain: &[SealedTable]) -> Model {
    let mut t = table();
    for sealed in chain {
        t.restore(sealed, |_| true).unwrap();
    }
    let key = |s: u32| i64::from_le_bytes(t.key(s)[1..].try_into().unwrap());
    t.live().map(|s| (key(s), t.store[s as usize].items.clone())).collect()
}

#[test]
fn seals_hold_the_same_whatever_left_ahead_of_them() {
    let mut ahead = 0;
    for seed in 0..200 {
        let mut random = Random(seed);
        let shelves = Arc::new(Shelves::default());
        let (mut t, mut model, mut chain) = (table(), Model::new(), Vec::new());
        t.write_ahead(target(&shelves, true));
        let mut anew = seed % 2 == 0;
        for item in 0..120 {
            change(&mut t, &mut model, &mut random, item);
            match random.below(12) {
                0 | 1 => {
                    ahead += shelves.ahead.lock().unwrap().len();
                    let sealed =
                        t.seal_to(std::mem::take(&mut anew), Some(&target(&shelves, false)));
                    let sealed = stored(sealed.unwrap(), &shelves);
                    if sealed.full {
                        chain.clear();
                    }
                    chain.push(sealed);
                    assert_eq!(restored(&chain), model, "seed {seed}, item {item}");
                }
                // A savepoint stands alone, and the next checkpoint replaces all before it.
                2 if random.below(3) == 0 => {
                    let sealed = t.seal_to(true, None).unwrap();
                    assert_eq!(restored(&[sealed]), model, "seed {seed}, item {item}");
                    anew = true;
                }
                _ => {}
            }
        }
    }
    assert!(ahead > 500, "{ahead}");
}
