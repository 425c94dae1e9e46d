//! RANK and DENSE_RANK over rows that arrive in order: the rows of a slot in one
//! update are peers.

use arrow::array::ArrayRef;
use weir_core::{DataType, Result};
use weir_state::Reader;
use weir_state::bytes::put_i64;

use super::Accumulator;
use super::fold::*;

#[derive(Clone, Copy, Default)]
struct Place {
    rows: i64,
    groups: i64,
    /// Rank of the group that came last.
    rank: i64,
}

/// See the module.
pub struct Places {
    dense: bool,
    slots: Vec<Place>,
}

impl Places {
    pub fn new(dense: bool) -> Self {
        Self { dense, slots: Vec::new() }
    }
}

impl Accumulator for Places {
    fn resize(&mut self, slots: usize) {
        self.slots.resize(slots, Place::default());
    }
    fn clear(&mut self, slot: usize) {
        self.slots[slot] = Place::default();
    }
    fn update(&mut self, rows: &Rows<'_>, _: &[ArrayRef]) -> Result<()> {
        let mut group = usize::MAX;
        rows.each(|_, slot, _| {
            let place = &mut self.slots[slot];
            if slot != group {
                place.rank = place.rows + 1;
                place.groups += 1;
                group = slot;
            }
            place.rows += 1;
        });
        Ok(())
    }
    fn finish(&self, slots: &[u32]) -> Result<ArrayRef> {
        let of = |s: &u32| {
            let place = self.slots[*s as usize];
            if self.dense { place.groups } else { place.rank }
        };
        ints_to_array(slots.iter().map(of).collect(), Vec::new(), &DataType::bigint())
    }
    fn write(&self, slot: usize, out: &mut Vec<u8>) {
        let place = self.slots[slot];
        for number in [place.rows, place.groups, place.rank] {
            put_i64(out, number);
        }
    }
    fn merge(&mut self, slot: usize, input: &mut Reader<'_>) -> Result<()> {
        self.slots[slot] = Place { rows: input.i64()?, groups: input.i64()?, rank: input.i64()? };
        Ok(())
    }
}
