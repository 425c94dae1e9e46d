//! How windows go out: slices merged by group, a batch at a time.
//!
//! While all rows are in memory a window is merged at once. Once rows have left memory it
//! goes out in pieces of some key groups: their rows are brought back, merged, emitted and
//! sent away again, so that a window is never in memory as a whole.

use std::collections::BTreeSet;

use weir_core::Result;
use weir_core::batch::TARGET_ROWS;
use weir_core::keys::hash_key;
use weir_runtime::Out;
use weir_spec::WindowKind;
use weir_state::{KeyIndex, Reader, SlotStore};

use super::{SliceId, WindowAggregate, slice_of, window_columns};
use crate::agg::AggSet;
use crate::util::*;

/// Slots of a piece from which on it takes no further key group.
const PIECE: usize = 2 * TARGET_ROWS;

/// A window whose rows are being emitted.
pub struct Firing {
    start: i64,
    end: i64,
    /// Its slices, in the order in which they are merged.
    ids: Vec<SliceId>,
    /// Merged groups; None = the slots of the table.
    merged: Option<(AggSet, Vec<Box<[u8]>>)>,
    slots: Vec<u32>,
    at: usize,
    /// Slices to drop when done.
    drop: Vec<SliceId>,
    pieces: Option<Pieces>,
}

/// What is left of a window whose rows are not all in memory.
struct Pieces {
    /// Key groups to come, the next one last.
    groups: Vec<u32>,
    /// Key groups and slots of the rows that were in memory to begin with.
    residents: Vec<(u32, u32)>,
    /// Slots of the piece under way that leave memory behind it.
    leaving: Vec<u32>,
    /// Slots of the piece under way that are removed behind it.
    dropping: Vec<u32>,
}

impl WindowAggregate {
    /// Emits up to one batch of the first window that the watermark (or clock) has passed;
    /// true if there was one.
    pub(super) fn emit(&mut self, out: &mut Out) -> Result<bool> {
        let mut firing = match self.firing.take() {
            Some(firing) => firing,
            // One window at a time keeps merged copies few.
            None => match self.pending.first() {
                Some(&(end, start)) if self.fired(end) => {
                    self.pending.pop_first();
                    self.prepare(end, start)?
                }
                _ => return Ok(false),
            },
        };
        self.emit_batch(&mut firing, out)?;
        let done = firing.at == firing.slots.len() && !self.next_piece(&mut firing)?;
        if done {
            for slot in firing.drop.iter().flat_map(|id| self.slices.remove(id)).flatten() {
                self.table.remove(slot);
            }
        } else {
            self.firing = Some(firing);
        }
        Ok(true)
    }

    fn prepare(&mut self, end: i64, start: i64) -> Result<Firing> {
        let single = self.attached.is_some() || self.aligned.is_none_or(|a| a.is_tumbling());
        let ids = match single {
            true if self.attached.is_some() => vec![(end, start)],
            true => vec![(end, 0)],
            false => self.slices_of(start, end),
        };
        let drop = match single {
            true => ids.clone(),
            false => {
                let over = |id: &&SliceId| self.windows_of(**id).last().is_none_or(|w| w.0 <= end);
                ids.iter().filter(over).copied().collect()
            }
        };
        let (merged, slots) = (None, Vec::new());
        let mut firing = Firing { start, end, ids, merged, slots, at: 0, drop, pieces: None };
        if self.table.is_spilled() {
            firing.pieces = Some(self.pieces(&firing));
        } else if single {
            let all = firing.ids.iter().flat_map(|id| self.slices.get(id)).flatten().copied();
            let counts = &self.table.store.counts;
            firing.slots = all.filter(|&s| counts[s as usize] > 0).collect();
        } else {
            let all = firing.ids.iter().flat_map(|id| &self.slices[id]).copied();
            (firing.merged, firing.slots) = self.merge(all)?;
        }
        Ok(firing)
    }

    /// Slices of a window, in the order in which they are merged.
    fn slices_of(&self, start: i64, end: i64) -> Vec<SliceId> {
        let slices = self.slices.range((start + 1, i64::MIN)..=(end, i64::MAX));
        let mut ids: Vec<SliceId> = slices.map(|s| *s.0).collect();
        if matches!(self.spec.kind, WindowKind::Hop { .. }) && !self.oldest_first {
            // Flink merges older slices into the newest one: aggregates that keep an
            // order (LISTAGG, ARRAY_AGG) show it.
            ids.reverse();
        }
        ids
    }

    /// Merges slots of equal groups; also the merged slots that have rows.
    #[allow(clippy::type_complexity)]
    fn merge(
        &self,
        slots: impl Iterator<Item = u32>,
    ) -> Result<(Option<(AggSet, Vec<Box<[u8]>>)>, Vec<u32>)> {
        let mut aggs = AggSet::new(&self.recipe.calls, &self.recipe.types, self.recipe.retracts)?;
        let (mut index, mut counts, mut keys) = (KeyIndex::default(), Vec::new(), Vec::new());
        let mut bytes = Vec::new();
        let store = &self.table.store;
        for from in slots {
            let Some(key) = store.keys[from as usize].as_deref() else { continue };
            let (to, new) = index.get_or_insert(hash_key(key), key);
            if new {
                aggs.resize(index.slots());
                counts.push(0i64);
                keys.push(Box::from(key));
            }
            counts[to as usize] += store.counts[from as usize];
            bytes.clear();
            store.aggs.write(from as usize, &mut bytes);
            aggs.merge(to as usize, &mut Reader::new(&bytes))?;
        }
        let slots = (0..counts.len() as u32).filter(|&s| counts[s as usize] > 0).collect();
        Ok((Some((aggs, keys)), slots))
    }

    fn emit_batch(&mut self, f: &mut Firing, out: &mut Out) -> Result<()> {
        let to = (f.at + TARGET_ROWS).min(f.slots.len());
        let slots = &f.slots[f.at..to];
        let store = &self.table.store;
        let key = |s: u32| match &f.merged {
            Some((_, keys)) => &keys[s as usize][..],
            None => store.keys[s as usize].as_deref().unwrap_or_default(),
        };
        if !slots.is_empty() {
            let mut result = self.key_codec.decode(slots.iter().map(|&s| key(s)))?;
            let aggs = f.merged.as_ref().map_or(&store.aggs, |m| &m.0);
            result.extend(aggs.finish(slots)?);
            let (zone, ty) = (self.zone, &self.spec.time_type);
            result.extend(window_columns(f.start, f.end, zone, ty, slots.len()));
            out.data(batch_of(&self.schema, result, vec![PLUS_I; slots.len()])?);
        }
        f.at = to;
        Ok(())
    }

    fn pieces(&self, firing: &Firing) -> Pieces {
        let ids: BTreeSet<SliceId> = firing.ids.iter().copied().collect();
        let accept = |key: &[u8]| slice_of(key).is_ok_and(|id| ids.contains(&id));
        let residents = self.table.by_group(accept);
        let mut groups = self.table.groups_on_disk();
        groups.extend(residents.iter().map(|r| r.0));
        let groups = groups.into_iter().rev().collect();
        Pieces { groups, residents, leaving: Vec::new(), dropping: Vec::new() }
    }

    /// Ends the piece under way and brings the next one; false behind the last.
    fn next_piece(&mut self, firing: &mut Firing) -> Result<bool> {
        let Some(pieces) = &mut firing.pieces else { return Ok(false) };
        for slot in pieces.dropping.drain(..) {
            self.table.remove(slot);
        }
        self.table.dismiss_slots(&std::mem::take(&mut pieces.leaving))?;
        if pieces.groups.is_empty() {
            return Ok(false);
        }
        let ids: BTreeSet<SliceId> = firing.ids.iter().copied().collect();
        let accept = |key: &[u8]| slice_of(key).is_ok_and(|id| ids.contains(&id));
        let mut slots: Vec<u32> = Vec::new();
        while slots.len() < PIECE
            && let Some(group) = pieces.groups.pop()
        {
            let brought = self.table.bring_group(group, accept)?;
            pieces.leaving.extend(&brought);
            slots.extend(brought);
            let from = pieces.residents.partition_point(|r| r.0 < group);
            let to = pieces.residents.partition_point(|r| r.0 <= group);
            slots.extend(pieces.residents[from..to].iter().map(|r| r.1));
        }
        let brought: hashbrown::HashSet<u32> = pieces.leaving.iter().copied().collect();
        let rank = |id: SliceId| firing.ids.iter().position(|&i| i == id);
        let mut ranked = Vec::with_capacity(slots.len());
        for slot in slots {
            let id = slice_of(self.table.key(slot))?;
            ranked.push((rank(id), slot));
            if firing.drop.contains(&id) {
                pieces.dropping.push(slot);
                pieces.leaving.extend(Some(slot).filter(|s| !brought.contains(s)));
            }
        }
        ranked.sort_unstable();
        (firing.merged, firing.slots) = self.merge(ranked.into_iter().map(|r| r.1))?;
        firing.at = 0;
        Ok(true)
    }
}
