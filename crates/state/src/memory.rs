//! The memory budget of the process: how much may be resident, and when keyed tables
//! have to move rows to disk.
//!
//! What counts is what the operating system counts: resident memory, sampled every few
//! milliseconds by whichever worker asks. Above three quarters of the budget an *order* goes
//! out, and every table that can spill shrinks by a quarter once per order. Freed memory
//! goes back to the system late, if at all (new rows take its place), so a further order
//! waits until residence has grown again, or stays above the budget itself for a while.
//!
//! Where to look next: [`crate::cold`] for where the rows go, [`crate::table`] for who
//! goes.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use weir_core::{Error, Result};

use crate::cold::ColdStore;

/// Time between two looks at resident memory.
const SAMPLE: Duration = Duration::from_millis(20);
/// Time after which residence above the budget brings another order.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Resident bytes allowed, and the store that takes what does not fit.
#[derive(Debug)]
pub struct Budget {
    limit: AtomicU64,
    folder: PathBuf,
    started: Instant,
    /// Microseconds since `started` of the newest sample.
    sampled: AtomicU64,
    /// Orders given so far.
    orders: AtomicU64,
    /// Resident bytes at the newest order, and microseconds since `started` of it.
    ordered_at: (AtomicU64, AtomicU64),
    store: OnceLock<std::result::Result<ColdStore, String>>,
}

static BUDGET: OnceLock<Budget> = OnceLock::new();

/// Slots that a table may keep whatever the budget says; 0: as many as the budget allows.
static SLOTS: AtomicUsize = AtomicUsize::new(0);

/// Lets every table that can spill keep so many slots from one batch to the next, for
/// tests; 0 takes it back.
pub fn limit_slots(slots: usize) {
    SLOTS.store(slots, Relaxed);
}

/// What [`limit_slots`] said.
pub(crate) fn slots_limit() -> Option<usize> {
    Some(SLOTS.load(Relaxed)).filter(|&n| n > 0)
}

/// Sets the budget of the process: resident bytes and the folder for what does not fit.
/// The folder of the first call stays.
pub fn set_budget(limit: u64, folder: &Path) {
    BUDGET.get_or_init(|| Budget::new(limit, folder)).limit.store(limit, Relaxed);
}

/// The budget of the process, if one was set.
pub fn budget() -> Option<&'static Budget> {
    BUDGET.get()
}

/// Removes what this process keeps on disk; for its end.
pub fn clean_up() {
    if let Some(Ok(store)) = BUDGET.get().and_then(|b| b.store.get()) {
        store.remove();
    }
}

impl Budget {
    fn new(limit: u64, folder: &Path) -> Self {
        Self {
            limit: AtomicU64::new(limit),
            folder: folder.to_owned(),
            started: Instant::now(),
            sampled: AtomicU64::new(0),
            orders: AtomicU64::new(0),
            ordered_at: (AtomicU64::new(0), AtomicU64::new(0)),
            store: OnceLock::new(),
        }
    }

    /// Number of orders to shrink that have gone out; looks at resident memory if the
    /// newest look is some milliseconds old.
    pub fn orders(&self) -> u64 {
        let now = self.started.elapsed().as_micros() as u64;
        let sampled = self.sampled.load(Relaxed);
        if now.saturating_sub(sampled) >= SAMPLE.as_micros() as u64
            && self.sampled.compare_exchange(sampled, now, Relaxed, Relaxed).is_ok()
            && let Some(resident) = resident()
        {
            self.judge(resident, now);
        }
        self.orders.load(Relaxed)
    }

    fn judge(&self, resident: u64, now: u64) {
        let limit = self.limit.load(Relaxed);
        if resident < limit / 4 * 3 {
            return;
        }
        let (bytes, time) = (self.ordered_at.0.load(Relaxed), self.ordered_at.1.load(Relaxed));
        let grown = resident > bytes + limit / 24;
        let stays = resident > limit && now > time + PATIENCE.as_micros() as u64;
        if bytes == 0 || grown || stays {
            self.ordered_at.0.store(resident, Relaxed);
            self.ordered_at.1.store(now, Relaxed);
            self.orders.fetch_add(1, Relaxed);
        }
    }

    /// The store of the process, opened when first needed.
    ///
    /// # Errors
    ///
    /// The folder cannot be written.
    pub fn store(&self) -> Result<&ColdStore> {
        let opened =
            self.store.get_or_init(|| ColdStore::open(&self.folder).map_err(|e| e.to_string()));
        opened.as_ref().map_err(|e| Error::io(e.clone()))
    }
}

/// Memory of the machine or of the container in bytes, whichever is less, where the system
/// tells.
pub fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|l| l.starts_with("MemTotal:"))?;
    let machine = line.split_whitespace().nth(1)?.parse::<u64>().ok()? << 10;
    let container = std::fs::read_to_string("/sys/fs/cgroup/memory.max")
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok());
    Some(container.map_or(machine, |c| c.min(machine)))
}

/// Resident bytes of this process, where the system tells.
pub fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_go_out_when_residence_grows_or_stays() {
        let b = Budget::new(1000 << 20, Path::new("/nowhere"));
        let mib = |n: u64| n << 20;
        b.judge(mib(749), 1);
        assert_eq!(b.orders.load(Relaxed), 0);
        b.judge(mib(760), 2);
        b.judge(mib(762), 3);
        assert_eq!(b.orders.load(Relaxed), 1);
        b.judge(mib(960), 4);
        assert_eq!(b.orders.load(Relaxed), 2);
        let patient = PATIENCE.as_micros() as u64;
        b.judge(mib(990), 9 + patient);
        b.judge(mib(1001), 4 + patient);
        assert_eq!(b.orders.load(Relaxed), 2);
        b.judge(mib(1001), 5 + patient);
        assert_eq!(b.orders.load(Relaxed), 3);
    }

    #[test]
    fn residence_is_known_here() {
        assert!(resident().is_none_or(|bytes| bytes > 1 << 20));
    }
}
