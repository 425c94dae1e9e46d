//! Times at which slots that have left memory are due, in time order on disk.
//!
//! Timers are records of sorted runs without values, in key group 0, with the time
//! (order-preserving) as hash and the place of the row as key. A cursor for each run stands
//! at its first timer that was not taken.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use weir_core::Result;

use super::Place;
use super::merge::{Cursor, merge};
use super::sorted::{Record, SortedRun, SortedWriter};

/// Bytes of key group and hash in front of the key.
const FRONT: usize = 10;
/// Bytes read at once from each run.
const PIECE: usize = 16 << 10;
/// Runs from which on the smaller ones are merged.
const MOST: usize = 16;
/// Runs that are left as they are then.
const LARGE: usize = 3;

/// Timers of one table instance.
#[derive(Debug)]
pub struct ColdTimers {
    folder: PathBuf,
    cursors: Vec<Cursor>,
}

/// A timer for [`ColdTimers::add`]: its time, and the place of its row.
pub type Timer = (i64, Vec<u8>);

/// A timer that was taken: time, hash and bytes of the key.
pub type Taken = (i64, u64, Vec<u8>);

fn time_of(record: &Record<'_>) -> i64 {
    (record.hash ^ 1 << 63) as i64
}

fn taken(record: &Record<'_>) -> Option<Taken> {
    let (front, key) = record.key.split_at_checked(FRONT)?;
    let hash = u64::from_be_bytes(front[2..].try_into().ok()?);
    Some((time_of(record), hash, key.to_vec()))
}

impl ColdTimers {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), cursors: Vec::new() }
    }

    /// A timer for [`ColdTimers::add`].
    pub fn timer(at: i64, (group, hash, key): Place<'_>) -> Timer {
        let mut place = Vec::with_capacity(FRONT + key.len());
        place.extend_from_slice(&(group as u16).to_be_bytes());
        place.extend_from_slice(&hash.to_be_bytes());
        place.extend_from_slice(key);
        (at, place)
    }

    /// The time that no timer is before; `None` if there is no timer.
    pub fn first(&self) -> Option<i64> {
        self.cursors.iter().filter_map(|c| c.record()).map(|r| time_of(&r)).min()
    }

    /// Adds timers, in their order and without repetition.
    pub fn add(&mut self, timers: &[Timer]) -> Result<()> {
        let mut writer = SortedWriter::new(&self.folder, None)?;
        for (at, place) in timers {
            writer.put((0, *at as u64 ^ 1 << 63, place), Some(&[]))?;
        }
        self.push(writer.finish()?)?;
        self.cursors.retain(|c| c.record().is_some());
        if self.cursors.len() > MOST { self.merge_small() } else { Ok(()) }
    }

    fn push(&mut self, run: SortedRun) -> Result<()> {
        self.cursors.push(Cursor::new(Arc::new(run), 0, PIECE)?);
        Ok(())
    }

    fn merge_small(&mut self) -> Result<()> {
        self.cursors.sort_by_key(|c| std::cmp::Reverse(c.rest()));
        let mut small = self.cursors.split_off(LARGE);
        let mut writer = SortedWriter::new(&self.folder, None)?;
        merge(&mut small, |timer| writer.put(timer.place(), timer.value).map(|()| true))?;
        self.push(writer.finish()?)
    }

    /// Takes up to `count` timers that are not after `until`, earliest first.
    pub fn take(&mut self, until: i64, count: usize) -> Result<Vec<Taken>> {
        let mut all = Vec::new();
        merge(&mut self.cursors, |timer| {
            let due = time_of(&timer) <= until && all.len() < count;
            all.extend(taken(&timer).filter(|_| due));
            Ok(due)
        })?;
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cold::ColdStore;

    #[test]
    fn timers_come_in_time_order_and_once() {
        let dir = tempfile::tempdir().unwrap();
        let store = ColdStore::open(dir.path()).unwrap();
        let mut timers = store.table().timers();
        let put = |timers: &mut ColdTimers, times: &[i64]| {
            let mut new: Vec<_> =
                times.iter().map(|&t| ColdTimers::timer(t, (3, 9, b"k"))).collect();
            new.sort();
            timers.add(&new).unwrap();
        };
        assert_eq!(timers.first(), None);
        put(&mut timers, &[5, -7, 100]);
        put(&mut timers, &[6, 5]);
        assert_eq!(timers.first(), Some(-7));
        let times = |t: Vec<Taken>| t.into_iter().map(|t| t.0).collect::<Vec<_>>();
        assert_eq!(times(timers.take(50, 2).unwrap()), [-7, 5]);
        assert_eq!(timers.first(), Some(6));
        put(&mut timers, &[1]);
        assert_eq!(timers.first(), Some(1));
        let taken = timers.take(50, 9).unwrap();
        assert_eq!(taken[0], (1, 9, b"k".to_vec()));
        assert_eq!(times(taken), [1, 6]);
        assert_eq!(timers.first(), Some(100));
        for n in 200..300 {
            put(&mut timers, &[n, n - 150, n * 2]);
        }
        let all = times(timers.take(i64::MAX, 1000).unwrap());
        let mut expected: Vec<i64> = (50..150).chain(200..300).collect();
        expected.extend((200..300).map(|n| n * 2));
        expected.sort_unstable();
        expected.dedup();
        assert_eq!(all, expected);
        assert_eq!(timers.first(), None);
    }
}
