//! DISTINCT: passes a value on when its first row comes and its last row goes.

use std::collections::BTreeSet;

use arrow::array::{Array, ArrayRef};
use hashbrown::HashMap;
use weir_core::{DataType, Result};
use weir_state::bytes::{put_bytes, put_i64, put_varint};
use weir_state::{Reader, RowCodec};

use super::Accumulator;
use super::fold::*;

/// Rows and first-seen number per value.
type Seen = HashMap<Box<[u8]>, (i64, u64)>;

struct Distinct {
    inner: Box<dyn Accumulator>,
    codec: RowCodec,
    /// Rows per value, in first-seen order by `seq`.
    slots: Vec<Seen>,
    seq: u64,
    ops: Vec<u8>,
}

/// Wraps an accumulator over arguments of the given types.
pub fn wrap(inner: Box<dyn Accumulator>, types: &[DataType]) -> Box<dyn Accumulator> {
    Box::new(Distinct {
        inner,
        codec: RowCodec::of_types(types.iter().cloned()),
        slots: Vec::new(),
        seq: 0,
        ops: Vec::new(),
    })
}

impl Accumulator for Distinct {
    fn resize(&mut self, slots: usize) {
        self.slots.resize_with(slots, HashMap::new);
        self.inner.resize(slots);
    }
    fn clear(&mut self, slot: usize) {
        self.slots[slot].clear();
        self.inner.clear(slot);
    }
    fn update(&mut self, rows: &Rows<'_>, args: &[ArrayRef]) -> Result<()> {
        let encoded = self.codec.encode(args, rows.slots.len());
        self.ops.clear();
        self.ops.resize(rows.slots.len(), SKIP);
        let (slots, ops, seq) = (&mut self.slots, &mut self.ops, &mut self.seq);
        let nulls: Vec<_> = args.iter().filter_map(|a| a.logical_nulls()).collect();
        rows.each(|i, s, op| {
            // A NULL argument is nothing to any aggregate that skips NULLs, and once something to others.
            if args.len() == 1 && nulls.first().is_some_and(|n| n.is_null(i)) {
                ops[i] = SKIP;
                return;
            }
            let set = &mut slots[s];
            let delta = if op & MINUS == 0 { 1 } else { -1 };
            match set.get_mut(encoded.row(i)) {
                Some((n, _)) if *n + delta != 0 => *n += delta,
                Some(_) => {
                    set.remove(encoded.row(i));
                    ops[i] = op;
                }
                None if delta > 0 => {
                    *seq += 1;
                    set.insert(encoded.row(i).into(), (1, *seq));
                    ops[i] = op;
                }
                None => {}
            }
        });
        self.inner.update(&Rows { slots: rows.slots, ops: Some(&self.ops) }, args)
    }
    fn finish(&self, slots: &[u32]) -> Result<ArrayRef> {
        self.inner.finish(slots)
    }
    fn write(&self, slot: usize, out: &mut Vec<u8>) {
        let order: BTreeSet<_> = self.slots[slot].iter().map(|(k, (n, seq))| (seq, k, n)).collect();
        put_varint(out, order.len() as u64);
        for (_, k, n) in order {
            put_bytes(out, k);
            put_i64(out, *n);
        }
    }
    fn merge(&mut self, slot: usize, input: &mut Reader<'_>) -> Result<()> {
        let mut fresh = Vec::new();
        for _ in 0..input.varint()? {
            let key = input.bytes()?;
            let n = input.i64()?;
            let set = &mut self.slots[slot];
            match set.get_mut(key) {
                Some((m, _)) => *m += n,
                None => {
                    self.seq += 1;
                    set.insert(key.into(), (n, self.seq));
                    fresh.push(key);
                }
            }
        }
        if fresh.is_empty() {
            return Ok(());
        }
        let slots = vec![slot as u32; fresh.len()];
        let columns = self.codec.decode(fresh)?;
        self.inner.update(&Rows { slots: &slots, ops: None }, &columns)
    }
}
