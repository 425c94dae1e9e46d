//! Dealing restored splits to the readers of a scan.
//!
//! Every reader of a restored job hands in the positions that it was given, be it
//! all of them or a share. When all have done so, each gets every n-th split.
//! The same split from two readers counts once, with the further progress.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard};

use serde::Serialize;
use serde::de::DeserializeOwned;
use weir_core::{Error, Result};

/// A split with its progress.
pub(crate) trait Progress: Clone + Serialize + DeserializeOwned {
    /// What identifies the split whatever its progress.
    type Id: Ord + Clone;
    fn id(&self) -> Self::Id;
    fn progress(&self) -> u64;
}

/// Collects and deals restored splits; one per scan, shared by its readers.
pub(crate) struct Dealer<T: Progress>(Mutex<State<T>>);

struct State<T: Progress> {
    readers: HashSet<usize>,
    splits: BTreeMap<T::Id, T>,
}

impl<T: Progress> Default for Dealer<T> {
    fn default() -> Self {
        Self(Mutex::new(State { readers: HashSet::new(), splits: BTreeMap::new() }))
    }
}

impl<T: Progress> Dealer<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Takes what one reader was given; returns it decoded.
    pub(crate) fn hand_in(&self, subtask: usize, positions: &[Vec<u8>]) -> Result<Vec<T>> {
        let splits = positions
            .iter()
            .map(|p| {
                serde_json::from_slice(p)
                    .map_err(|e| Error::data(format!("cannot read a source position: {e}")))
            })
            .collect::<Result<Vec<T>>>()?;
        let mut state = self.state();
        state.readers.insert(subtask);
        for split in &splits {
            let known = state.splits.entry(split.id()).or_insert_with(|| split.clone());
            if known.progress() < split.progress() {
                *known = split.clone();
            }
        }
        Ok(splits)
    }

    /// The splits of a reader, once all readers have handed theirs in.
    pub(crate) fn deal(&self, subtask: usize, parallelism: usize) -> Option<Vec<T>> {
        let state = self.state();
        if state.readers.len() < parallelism {
            return None;
        }
        Some(state.splits.values().skip(subtask).step_by(parallelism.max(1)).cloned().collect())
    }

    /// Whether the scan resumes, and then every split that was handed in.
    pub(crate) fn all(&self) -> Option<Vec<T::Id>> {
        let state = self.state();
        (!state.readers.is_empty()).then(|| state.splits.keys().cloned().collect())
    }
}

/// Splits as stored positions.
pub(crate) fn encode<'a, T: Progress + 'a>(
    splits: impl Iterator<Item = &'a T>,
) -> Result<Vec<Vec<u8>>> {
    splits
        .map(|s| {
            serde_json::to_vec(s).map_err(|e| Error::internal(format!("source position: {e}")))
        })
        .collect()
}
