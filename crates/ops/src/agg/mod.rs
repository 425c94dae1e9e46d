//! Aggregate functions over group slots: typed columns folded per batch.
//!
//! An [`AggSet`] holds the accumulators of all calls of one operator; slot `s`
//! of every accumulator belongs to group `s` of the operator's key table. The
//! fold runs per accumulator over the whole batch, never per row over
//! accumulators.
//!
//! Where to look next: [`fold`] for the loops, [`numeric`], [`extreme`],
//! [`values`] for the functions, [`distinct`] for DISTINCT.

mod distinct;
mod extreme;
mod fold;
mod numeric;
mod values;

use arrow::array::{Array, ArrayRef, AsArray};
use weir_core::{ChangeBatch, DataType, Error, Result};
use weir_spec::AggregateCall;
use weir_state::bytes::put_bytes;
use weir_state::{Reader, SlotStore};

pub use fold::{MINUS, RESET, Rows, SKIP, ints_to_array};

/// One aggregate function over slots.
pub trait Accumulator: Send {
    /// Makes room for slots `0..slots`.
    fn resize(&mut self, slots: usize);
    /// Empties a slot.
    fn clear(&mut self, slot: usize);
    /// Folds rows into their slots.
    fn update(&mut self, rows: &Rows<'_>, args: &[ArrayRef]) -> Result<()>;
    /// Results of the slots.
    fn finish(&self, slots: &[u32]) -> Result<ArrayRef>;
    /// Appends the slot's state.
    fn write(&self, slot: usize, out: &mut Vec<u8>);
    /// Adds a written state to a slot: restores into an empty one, merges windows otherwise.
    fn merge(&mut self, slot: usize, input: &mut Reader<'_>) -> Result<()>;
}

struct Call {
    args: Vec<usize>,
    filter: Option<usize>,
    accumulator: Box<dyn Accumulator>,
}

/// The accumulators of one operator.
pub struct AggSet {
    calls: Vec<Call>,
    ops: Vec<u8>,
    slots: usize,
}

impl AggSet {
    /// Builds the accumulators; `input` are the types of the columns that calls refer to.
    pub fn new(calls: &[AggregateCall], input: &[DataType], retracts: bool) -> Result<Self> {
        let calls = calls
            .iter()
            .map(|c| {
                Ok(Call {
                    args: c.args.clone(),
                    filter: c.filter,
                    accumulator: build(c, input, retracts)?,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self { calls, ops: Vec::new(), slots: 0 })
    }

    /// Number of calls.
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether there is no call.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Folds a batch; `slots` has one slot per row.
    pub fn update(&mut self, batch: &ChangeBatch, slots: &[u32], ops: Option<&[u8]>) -> Result<()> {
        for c in &mut self.calls {
            let args: Vec<ArrayRef> = c.args.iter().map(|&a| batch.column(a).clone()).collect();
            let ops = match c.filter {
                None => ops,
                Some(f) => {
                    let mask = batch.column(f).as_boolean();
                    self.ops.clear();
                    self.ops.extend((0..batch.len()).map(|i| {
                        let keep = mask.is_valid(i) && mask.value(i);
                        ops.map_or(0, |o| o[i]) | if keep { 0 } else { SKIP }
                    }));
                    Some(self.ops.as_slice())
                }
            };
            c.accumulator.update(&Rows { slots, ops }, &args)?;
        }
        Ok(())
    }

    /// Result columns of the slots, one per call.
    pub fn finish(&self, slots: &[u32]) -> Result<Vec<ArrayRef>> {
        self.calls.iter().map(|c| c.accumulator.finish(slots)).collect()
    }

    /// Adds what `write` appended, to a slot that may hold something already.
    pub fn merge(&mut self, slot: usize, input: &mut Reader<'_>) -> Result<()> {
        for c in &mut self.calls {
            c.accumulator.merge(slot, &mut Reader::new(input.bytes()?))?;
        }
        Ok(())
    }
}

impl SlotStore for AggSet {
    fn resize(&mut self, slots: usize) {
        if slots > self.slots {
            self.slots = slots;
            self.calls.iter_mut().for_each(|c| c.accumulator.resize(slots));
        }
    }
    fn clear(&mut self, slot: usize) {
        self.calls.iter_mut().for_each(|c| c.accumulator.clear(slot));
    }
    fn write(&self, slot: usize, out: &mut Vec<u8>) {
        let mut one = Vec::new();
        for c in &self.calls {
            one.clear();
            c.accumulator.write(slot, &mut one);
            put_bytes(out, &one);
        }
    }
    fn read(&mut self, slot: usize, input: &mut Reader<'_>) -> Result<()> {
        self.merge(slot, input)
    }
}

fn build(call: &AggregateCall, input: &[DataType], retracts: bool) -> Result<Box<dyn Accumulator>> {
    let types = call
        .args
        .iter()
        .map(|&a| {
            input.get(a).cloned().ok_or_else(|| {
                Error::internal(format!("{} reads column {a}, which does not exist", call.function))
            })
        })
        .collect::<Result<Vec<_>>>()?;
    if !call.order_by.is_empty() {
        return Err(Error::unsupported(format!("ORDER BY inside {}", call.function)));
    }
    // Behind DISTINCT a value arrives once and leaves once.
    let inner = function(call, &types, retracts)?;
    let indifferent = matches!(call.function.as_str(), "MIN" | "MAX");
    if call.distinct && !call.args.is_empty() && (retracts || !indifferent) {
        return Ok(distinct::wrap(inner, &types));
    }
    Ok(inner)
}

fn function(
    call: &AggregateCall,
    types: &[DataType],
    retracts: bool,
) -> Result<Box<dyn Accumulator>> {
    let ty = &call.ty;
    let name = call.function.as_str();
    if let ("COUNT", true) = (name, types.iter().all(|t| !t.nullable)) {
        return Ok(Box::new(numeric::Count::new(0)));
    }
    if name == "COUNT" {
        return Ok(Box::new(numeric::Count::new(types.len())));
    }
    if name == "ROW_NUMBER" {
        return Ok(Box::new(numeric::Count::new(0)));
    }
    let Some(arg) = types.first() else {
        return Err(Error::validation(format!("{name} needs an argument")));
    };
    Ok(match name {
        "COUNT_IF" => numeric::sum(arg, ty, true)?,
        "APPROX_COUNT_DISTINCT" => distinct::wrap(Box::new(numeric::Count::new(0)), types),
        "SUM" => numeric::sum(arg, ty, false)?,
        "$SUM0" | "SUM0" => numeric::sum(arg, ty, true)?,
        "AVG" => numeric::avg(arg, ty)?,
        "STDDEV_POP" | "STDDEV_SAMP" | "STDDEV" | "VAR_POP" | "VAR_SAMP" | "VARIANCE" => {
            numeric::variance(name, arg, ty)?
        }
        "BIT_AND" | "BIT_OR" | "BIT_XOR" | "BITAND_AGG" | "BITOR_AGG" | "BITXOR_AGG" => {
            numeric::bits(name, arg, ty)?
        }
        "MIN" | "EVERY" | "BOOL_AND" => extreme::build(arg, ty, true, retracts)?,
        "MAX" | "ANY" | "SOME" | "BOOL_OR" => extreme::build(arg, ty, false, retracts)?,
        _ => values::build(call, types, retracts)?,
    })
}
