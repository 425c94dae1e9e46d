//! Times at which slots that have left memory are due, in time order on disk.
//!
//! A record's key is the time (order-preserving), then the place of the row; it has no
//! value. In memory is only a lower bound of the times.

use std::fmt;

use fjall::Keyspace;
use weir_core::Result;

use super::{Place, failed};

/// Bytes of time, key group and hash in front of the key.
const FRONT: usize = 18;

/// Timers of one table instance.
pub struct ColdTimers {
    database: fjall::Database,
    keyspace: Keyspace,
    /// No record is before it; what was taken lies in front of it.
    from: Vec<u8>,
    /// No record has an earlier time; `None`: there is no record.
    first: Option<i64>,
}

impl fmt::Debug for ColdTimers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ColdTimers").field("first", &self.first).finish_non_exhaustive()
    }
}

impl Drop for ColdTimers {
    fn drop(&mut self) {
        // The database goes with the process in any case.
        let _ = self.database.delete_keyspace(self.keyspace.clone());
    }
}

/// A timer that was taken: time, hash and bytes of the key.
pub type Taken = (i64, u64, Vec<u8>);

fn encode_time(at: i64) -> [u8; 8] {
    (at as u64 ^ 1 << 63).to_be_bytes()
}

fn decode(record: &[u8]) -> Option<Taken> {
    let (front, key) = record.split_at_checked(FRONT)?;
    let at = u64::from_be_bytes(front[..8].try_into().ok()?) ^ 1 << 63;
    Some((at as i64, u64::from_be_bytes(front[10..].try_into().ok()?), key.to_vec()))
}

impl ColdTimers {
    pub(super) fn new(database: fjall::Database, keyspace: Keyspace) -> Self {
        Self { database, keyspace, from: Vec::new(), first: None }
    }

    /// A record for [`ColdTimers::add`].
    pub fn record(at: i64, (group, hash, key): Place<'_>) -> Vec<u8> {
        let mut out = Vec::with_capacity(FRONT + key.len());
        out.extend_from_slice(&encode_time(at));
        out.extend_from_slice(&(group as u16).to_be_bytes());
        out.extend_from_slice(&hash.to_be_bytes());
        out.extend_from_slice(key);
        out
    }

    /// A time that no timer is before; `None` if there is no timer.
    pub fn first(&self) -> Option<i64> {
        self.first
    }

    /// Adds records, in their order and without repetition.
    pub fn add(&mut self, records: &[Vec<u8>]) -> Result<()> {
        let Some(least) = records.first() else { return Ok(()) };
        let mut ingestion = self.keyspace.start_ingestion().map_err(failed)?;
        for record in records {
            ingestion.write(record.as_slice(), b"".as_slice()).map_err(failed)?;
        }
        ingestion.finish().map_err(failed)?;
        if *least < self.from {
            self.from.clone_from(least);
        }
        let at = decode(least).map(|t| t.0);
        self.first = [self.first, at].into_iter().flatten().min();
        Ok(())
    }

    /// Takes up to `count` timers that are not after `until`, earliest first.
    pub fn take(&mut self, until: i64, count: usize) -> Result<Vec<Taken>> {
        let (mut taken, mut records) = (Vec::new(), Vec::new());
        self.first = None;
        for record in self.keyspace.range(self.from.clone()..) {
            let record = record.key().map_err(failed)?;
            let Some(timer) = decode(&record) else { continue };
            if timer.0 > until || taken.len() == count {
                self.first = Some(timer.0);
                self.from = record.to_vec();
                break;
            }
            records.push(record);
            taken.push(timer);
        }
        let Some(last) = records.last() else { return Ok(taken) };
        if self.first.is_none() {
            self.from = [&last[..], &[0]].concat();
        }
        let mut ingestion = self.keyspace.start_ingestion().map_err(failed)?;
        for record in records {
            ingestion.write_tombstone(record).map_err(failed)?;
        }
        ingestion.finish().map_err(failed)?;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cold::ColdStore;

    #[test]
    fn timers_come_in_time_order_and_once() {
        let dir = tempfile::tempdir().unwrap();
        let store = ColdStore::open(dir.path(), 64 << 20).unwrap();
        let mut timers = store.table().unwrap().timers().unwrap();
        let put = |timers: &mut ColdTimers, times: &[i64]| {
            let mut records: Vec<_> =
                times.iter().map(|&t| ColdTimers::record(t, (3, 9, b"k"))).collect();
            records.sort();
            timers.add(&records).unwrap();
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
        assert_eq!(times(timers.take(100, 9).unwrap()), [100]);
        assert_eq!(timers.first(), None);
    }
}
