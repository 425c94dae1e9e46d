//! Tests of keyed tables.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};

use super::*;
use crate::bytes::put_i64;
use crate::cold::ColdStore;
use crate::pieces::{PieceSink, sorted_run};
use crate::run::RunReader;

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
    let spec = TableSpec {
        name: "t".into(),
        version: 1,
        ttl,
        max_parallelism: 128,
        prefix: 0,
        spills: true,
    };
    KeyedTable::new(spec, Vec::new())
}

fn put(t: &mut KeyedTable<Vec<i64>>, of: &[i64], value: impl Fn(i64) -> i64) {
    let mut slots = Vec::new();
    t.hydrate(&keys(of), 0, &mut slots).unwrap();
    for (k, &s) in of.iter().zip(&slots) {
        t.store[s as usize] = value(*k);
    }
}

fn get(t: &KeyedTable<Vec<i64>>, key: i64) -> Option<i64> {
    let k = keys(&[key]);
    t.peek(k.hash(0), k.key(0), 0).map(|s| t.store[s as usize])
}

#[test]
fn seal_and_restore_split_by_key_group() {
    let mut t = table(0);
    let all: Vec<i64> = (0..1000).collect();
    put(&mut t, &all, |k| k * 10);
    let sealed = t.seal(true).unwrap();
    let (mut low, mut high) = (table(0), table(0));
    low.restore(&sealed, |g| g < 64).unwrap();
    high.restore(&sealed, |g| g >= 64).unwrap();
    assert_eq!(low.len() + high.len(), 1000);
    let k = keys(&[7]);
    let (half, other) = if key_group(k.hash(0), 128) < 64 { (&low, &high) } else { (&high, &low) };
    assert_eq!(get(half, 7), Some(70));
    assert_eq!(get(other, 7), None);
}

#[test]
fn deltas_hold_changes_and_deletes_only() {
    let mut t = table(0);
    let all: Vec<i64> = (0..1000).collect();
    put(&mut t, &all, |k| k);
    let base = t.seal(false).unwrap();
    assert!(base.full);
    put(&mut t, &[1, 2, 2000], |k| -k);
    for key in [3, 2000, 5] {
        let k = keys(&[key]);
        let slot = t.peek(k.hash(0), k.key(0), 0).unwrap();
        t.remove(slot);
    }
    put(&mut t, &[5], |_| 55);
    assert_eq!(t.len(), 999);
    let delta = t.seal(false).unwrap();
    assert!(!delta.full);
    let mut changed = Vec::new();
    for g in &delta.groups {
        let mut r = RunReader::new(g.run.open().unwrap()).unwrap();
        while r.next_key().unwrap() {
            changed.push(i64::from_le_bytes(r.key()[1..].try_into().unwrap()));
        }
    }
    changed.sort_unstable();
    // Key 2000 came and went between two seals.
    assert_eq!(changed, [1, 2, 3, 5]);
    assert!(t.seal(false).unwrap().groups.is_empty());
    let mut restored = table(0);
    restored.restore(&base, |_| true).unwrap();
    restored.restore(&delta, |_| true).unwrap();
    assert_eq!(restored.len(), 999);
    for (key, value) in [(1, Some(-1)), (3, None), (5, Some(55)), (6, Some(6)), (2000, None)] {
        assert_eq!(get(&restored, key), value, "key {key}");
        assert_eq!(get(&t, key), value, "key {key}");
    }
    // The first seal after a restore is full again, and the same as the original's.
    let sorted = |t: &mut KeyedTable<Vec<i64>>| {
        let sealed = t.seal(true).unwrap();
        assert!(sealed.full);
        sealed.groups
    };
    assert_eq!(sorted(&mut restored), sorted(&mut t));
}

#[test]
fn expired_entries_read_as_empty() {
    let mut t = table(100);
    let mut slots = Vec::new();
    t.hydrate(&keys(&[1]), 0, &mut slots).unwrap();
    t.store[slots[0] as usize] = 5;
    t.hydrate(&keys(&[1]), 50, &mut slots).unwrap();
    assert_eq!(t.store[slots[0] as usize], 5);
    t.hydrate(&keys(&[1]), 150, &mut slots).unwrap();
    assert_eq!(t.store[slots[0] as usize], 0);
    t.hydrate(&keys(&[2]), 1000, &mut slots).unwrap();
    t.hydrate(&keys(&[2]), 1000, &mut slots).unwrap();
    assert_eq!(t.len(), 1);
}

#[test]
fn stamps_survive_a_restore() {
    let mut t = table(100);
    let mut slots = Vec::new();
    t.hydrate(&keys(&[1]), 40, &mut slots).unwrap();
    let sealed = t.seal(true).unwrap();
    let mut restored = table(100);
    restored.restore(&sealed, |_| true).unwrap();
    let k = keys(&[1]);
    assert!(restored.peek(k.hash(0), k.key(0), 139).is_some());
    assert!(restored.peek(k.hash(0), k.key(0), 140).is_none());
}

#[test]
fn other_versions_are_refused() {
    let mut sealed = table(0).seal(true).unwrap();
    sealed.version = 9;
    assert!(table(0).restore(&sealed, |_| true).is_err());
}

/// A table that has a place on disk.
fn spilling(folder: &std::path::Path) -> (ColdStore, KeyedTable<Vec<i64>>) {
    let store = ColdStore::open(folder).unwrap();
    let mut t = table(0);
    t.spill.cold = Some(Box::new(store.table()));
    (store, t)
}

fn in_memory_and_on_disk(t: &mut KeyedTable<Vec<i64>>, key: i64) -> Option<i64> {
    t.fetch(&keys(&[key])).unwrap();
    get(t, key)
}

#[test]
fn slots_go_to_disk_and_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, mut t) = spilling(dir.path());
    let all: Vec<i64> = (0..1000).collect();
    put(&mut t, &all, |k| k);
    t.evict(900).unwrap();
    assert_eq!(t.len(), 100);
    put(&mut t, &[1, 2, 3], |k| k * 100);
    t.evict(usize::MAX).unwrap();
    assert_eq!(t.len(), 0);
    assert_eq!(in_memory_and_on_disk(&mut t, 2), Some(200));
    assert_eq!(in_memory_and_on_disk(&mut t, 4), Some(4));
    assert_eq!(in_memory_and_on_disk(&mut t, 5000), None);
    assert_eq!(t.len(), 2);
}

/// A table that spills against a map: random writes, removals, evictions and seals; the
/// chain of seals restores what the map holds.
#[test]
fn seals_of_a_spilling_table_hold_everything() {
    let dir = tempfile::tempdir().unwrap();
    let mut seed = 1u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) % below
    };
    for round in 0..20 {
        let (_store, mut t) = spilling(&dir.path().join(round.to_string()));
        let mut model = std::collections::BTreeMap::new();
        let mut chain: Vec<SealedTable> = Vec::new();
        for step in 0..200 {
            let key = random(60) as i64;
            match random(10) {
                0..5 => {
                    put(&mut t, &[key], |_| step);
                    model.insert(key, step);
                }
                5 | 6 => {
                    t.fetch(&keys(&[key])).unwrap();
                    let k = keys(&[key]);
                    assert_eq!(get(&t, key), model.remove(&key), "round {round} step {step}");
                    if let Some(slot) = t.peek(k.hash(0), k.key(0), 0) {
                        t.remove(slot);
                    }
                }
                7 | 8 => t.evict(random(30) as usize).unwrap(),
                _ => {
                    let sealed = t.seal(random(4) == 0).unwrap();
                    if sealed.full {
                        chain.clear();
                    }
                    chain.push(sealed);
                }
            }
        }
        chain.push(t.seal(false).unwrap());
        let mut restored = table(0);
        chain.iter().for_each(|s| restored.restore(s, |_| true).unwrap());
        let (_other, mut spilled) = spilling(&dir.path().join(format!("{round}-restored")));
        for sealed in &chain {
            spilled.restore(sealed, |_| true).unwrap();
            spilled.evict(20).unwrap();
        }
        for key in 0..60 {
            let expected = model.get(&key).copied();
            assert_eq!(get(&restored, key), expected, "round {round} key {key}");
            assert_eq!(in_memory_and_on_disk(&mut spilled, key), expected, "round {round} {key}");
            assert_eq!(in_memory_and_on_disk(&mut t, key), expected, "round {round} {key}");
        }
    }
}

/// Takes the timers up to a time, with the keys they belong to.
fn due(t: &mut KeyedTable<Vec<i64>>, until: i64) -> Vec<(i64, i64)> {
    let mut all = Vec::new();
    while let Some((at, slot)) = t.due(until).unwrap() {
        all.push((at, t.store[slot as usize]));
    }
    all
}

#[test]
fn timers_bring_slots_back_in_time_order() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, mut t) = spilling(dir.path());
    let set = |t: &mut KeyedTable<Vec<i64>>, key: i64, at: i64| {
        put(t, &[key], |k| k);
        let k = keys(&[key]);
        let slot = t.peek(k.hash(0), k.key(0), 0).unwrap();
        t.set_timer(at, slot);
    };
    (0..100).for_each(|key| set(&mut t, key, 1000 - key));
    set(&mut t, 5, 7);
    t.evict(usize::MAX).unwrap();
    // One more key in memory, one that is back, one that is gone.
    set(&mut t, 200, 950);
    t.fetch(&keys(&[50, 60])).unwrap();
    let k = keys(&[60]);
    let slot = t.peek(k.hash(0), k.key(0), 0).unwrap();
    t.remove(slot);
    assert_eq!((t.len(), t.first_timer()), (2, Some(7)));
    assert_eq!(due(&mut t, 901), [(7, 5), (901, 99)]);
    assert_eq!(t.first_timer(), Some(902));
    t.evict(usize::MAX).unwrap();
    let rest: Vec<(i64, i64)> = due(&mut t, i64::MAX);
    let mut expected: Vec<(i64, i64)> =
        (0..99).filter(|&k| k != 60).map(|k| (1000 - k, k)).chain([(950, 200)]).collect();
    expected.sort_unstable();
    assert_eq!(rest, expected);
    assert_eq!(t.first_timer(), None);
}

#[test]
fn a_timer_of_a_removed_key_hides_none_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, mut t) = spilling(dir.path());
    put(&mut t, &[7], |k| k);
    let k = keys(&[7]);
    let slot = t.peek(k.hash(0), k.key(0), 0).unwrap();
    t.set_timer(70, slot);
    t.evict(usize::MAX).unwrap();
    put(&mut t, &[8], |k| k);
    let k = keys(&[8]);
    let slot = t.peek(k.hash(0), k.key(0), 0).unwrap();
    t.set_timer(60, slot);
    t.remove(slot);
    assert_eq!(due(&mut t, 100), [(70, 7)]);
}

#[test]
fn a_restore_sets_timers_of_slots_that_leave_memory_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut t = table(0);
    put(&mut t, &(0..50).collect::<Vec<_>>(), |k| k);
    let sealed = t.seal(true).unwrap();
    let (_store, mut restored) = spilling(dir.path());
    for half in [0..64, 64..128] {
        let timer = |s: &mut Vec<i64>, slot: usize, _: &[u8], set: &mut dyn FnMut(i64)| {
            set(100 + s[slot]);
            Ok(())
        };
        restored.restore_with(&sealed, |g| half.contains(&g), timer).unwrap();
        restored.evict(usize::MAX).unwrap();
    }
    assert_eq!(due(&mut restored, 149), (0..50).map(|k| (100 + k, k)).collect::<Vec<_>>());
}

#[test]
fn groups_come_whole_and_go_again() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, mut t) = spilling(dir.path());
    put(&mut t, &(0..500).collect::<Vec<_>>(), |k| k);
    t.seal(false).unwrap();
    t.evict(400).unwrap();
    let odd = |key: &[u8]| key[1] % 2 == 1;
    let mut seen: Vec<i64> = Vec::new();
    let residents = t.by_group(odd);
    let mut groups = t.groups_on_disk();
    groups.extend(residents.iter().map(|r| r.0));
    for group in groups {
        let slots = t.bring_group(group, odd).unwrap();
        let here = residents.iter().filter(|r| r.0 == group).map(|r| r.1);
        let all: Vec<u32> = slots.into_iter().chain(here).collect();
        seen.extend(all.iter().map(|&s| t.store[s as usize]));
        all.iter().for_each(|&s| t.remove(s));
        t.dismiss_slots(&all).unwrap();
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..500).step_by(2).collect::<Vec<_>>());
    let delta = t.seal(false).unwrap();
    let mut deleted = 0;
    for g in &delta.groups {
        let mut r = RunReader::new(g.run.open().unwrap()).unwrap();
        while r.next_key().unwrap() {
            assert!(r.cleared() && odd(r.key()) && !r.advance().unwrap());
            deleted += 1;
        }
    }
    assert_eq!(deleted, 250);
    assert_eq!(in_memory_and_on_disk(&mut t, 7), None);
    assert_eq!(in_memory_and_on_disk(&mut t, 8), Some(8));
}

/// Keeps pieces by key group.
#[derive(Debug, Default)]
struct Taken(std::sync::Mutex<BTreeMap<u32, Vec<Vec<u8>>>>);

impl PieceSink for Taken {
    fn take(&self, table: usize, key_group: u32, piece: Vec<u8>) -> Vec<u8> {
        assert_eq!(table, 3);
        self.0.lock().unwrap().entry(key_group).or_default().push(piece);
        Vec::new()
    }
    fn least_keys(&self) -> usize {
        100
    }
    fn piece_bytes(&self) -> usize {
        usize::MAX
    }
    fn wants_ahead(&self) -> bool {
        true
    }
    fn adopt(&self) {}
    fn forget_ahead(&self, _: usize) {
        self.0.lock().unwrap().clear();
    }
}

#[test]
fn pieces_hold_what_a_seal_in_memory_holds() {
    let taken = Arc::new(Taken::default());
    let target = PieceTarget { sink: taken.clone(), table: 3 };
    let (mut direct, mut pieced) = (table(0), table(0));
    let all: Vec<i64> = (0..500_000).collect();
    for t in [&mut direct, &mut pieced] {
        put(t, &all, |k| k * 10);
    }
    for round in 0..3 {
        let expected = direct.seal(false).unwrap();
        let mut sealed = pieced.seal_to(false, Some(&target)).unwrap();
        let pieces = std::mem::take(&mut *taken.0.lock().unwrap());
        // Many changes leave at once, few stay.
        assert_eq!(pieces.is_empty(), round == 2);
        assert_eq!(pieces.values().any(|p| p.len() > 1), round == 0);
        for g in &mut sealed.groups {
            if let Some(pieces) = pieces.get(&g.key_group) {
                assert_eq!(g.run, Run::Pieces);
                assert!(g.run.open().is_err());
                g.run = sorted_run(pieces).unwrap().into();
            }
            g.run = g.run.to_bytes().unwrap().into();
        }
        let bytes = |t: SealedTable| -> Vec<_> {
            t.groups.iter().map(|g| (g.key_group, g.run.to_bytes().unwrap())).collect()
        };
        assert_eq!(bytes(sealed), bytes(expected));
        let changed = if round == 0 { 1000 } else { 50 };
        for t in [&mut direct, &mut pieced] {
            put(t, &all[..changed], |k| -k);
            let k = keys(&[17]);
            let slot = t.peek(k.hash(0), k.key(0), 0).unwrap();
            t.remove(slot);
        }
    }
    let cut = taken_piece(&mut pieced, &target, &taken);
    assert!(sorted_run(&[cut]).is_err());
}

/// A piece without its last byte.
fn taken_piece(t: &mut KeyedTable<Vec<i64>>, target: &PieceTarget, taken: &Taken) -> Vec<u8> {
    t.seal_to(true, Some(target)).unwrap();
    let mut piece = taken.0.lock().unwrap().pop_first().unwrap().1.remove(0);
    piece.pop();
    piece
}
