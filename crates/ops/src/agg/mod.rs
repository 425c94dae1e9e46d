//! Aggregate functions over group slots: typed columns folded per batch.
//!
//! An [`AggSet`] holds the accumulators of all calls of one operator; slot `s`
//! of every accumulator belongs to group `s` of the operator's key table. The
//! fold runs per accumulator over the whole batch, never per row over
//! accumulators.
//!
//! Where to look next: [`fold`] for the loops, [`numeric`], [`extreme`],
//! [`values`] for the functions, [`shared`] and [`distinct`] for DISTINCT.

mod distinct;
mod extreme;
mod fold;
mod numeric;
mod place;
mod shared;
mod values;
mod variance;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType as ArrowType;
use weir_core::{ChangeBatch, DataType, Error, Result};
use weir_spec::AggregateCall;
use weir_state::bytes::put_bytes;
use weir_state::{Reader, SlotStore};

use shared::SharedDistinct;

/// Before the name of a variance that is computed from sums.
const BY_SUMS: &str = "$";

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
    /// Types of the columns that can hold the state, where it has such a form.
    fn partial_types(&self) -> Option<Vec<ArrowType>> {
        None
    }
    /// The state of the slots in columns of [`Accumulator::partial_types`].
    fn partial(&self, slots: &[u32]) -> Result<Vec<ArrayRef>> {
        let _ = slots;
        Err(Error::internal("the state has no columns"))
    }
    /// Adds the state of each row of such columns to the row's slot.
    fn merge_partial(&mut self, slots: &[u32], state: &[ArrayRef]) -> Result<()> {
        let _ = (slots, state);
        Err(Error::internal("the state has no columns"))
    }
}

struct Call {
    args: Vec<usize>,
    filter: Option<usize>,
    accumulator: Box<dyn Accumulator>,
}

/// What is folded at once.
enum Unit {
    Call(Call),
    /// DISTINCT calls over the same arguments.
    Shared(Box<dyn SharedDistinct>),
}

impl Unit {
    fn update(
        &mut self,
        batch: &ChangeBatch,
        slots: &[u32],
        ops: Option<&[u8]>,
        filtered: &mut Vec<u8>,
    ) -> Result<()> {
        let c = match self {
            Unit::Call(c) => c,
            Unit::Shared(s) => return s.update(batch, slots, ops),
        };
        let args: Vec<ArrayRef> = c.args.iter().map(|&a| batch.column(a).clone()).collect();
        let ops = match c.filter {
            None => ops,
            Some(f) => {
                let mask = batch.column(f).as_boolean();
                filtered.clear();
                filtered.extend((0..batch.len()).map(|i| {
                    let keep = mask.is_valid(i) && mask.value(i);
                    ops.map_or(0, |o| o[i]) | if keep { 0 } else { SKIP }
                }));
                Some(filtered.as_slice())
            }
        };
        c.accumulator.update(&Rows { slots, ops }, &args)
    }

    fn write(&self, slot: usize, out: &mut Vec<u8>) {
        match self {
            Unit::Call(c) => c.accumulator.write(slot, out),
            Unit::Shared(s) => s.write(slot, out),
        }
    }

    fn merge(&mut self, slot: usize, input: &mut Reader<'_>) -> Result<()> {
        match self {
            Unit::Call(c) => c.accumulator.merge(slot, input),
            Unit::Shared(s) => s.merge(slot, input),
        }
    }
}

/// The accumulators of one operator.
pub struct AggSet {
    units: Vec<Unit>,
    /// Unit of every call, and its place among the calls of that unit.
    places: Vec<(usize, usize)>,
    ops: Vec<u8>,
    slots: usize,
}

impl AggSet {
    /// The accumulators of an OVER window or of MATCH_RECOGNIZE, whose variances are taken
    /// from sums of squares.
    pub fn by_sums(calls: &[AggregateCall], input: &[DataType], retracts: bool) -> Result<Self> {
        let rename = |call: &AggregateCall| {
            let mut call = call.clone();
            if call.function.starts_with("STDDEV") || call.function.starts_with("VAR") {
                call.function.insert_str(0, BY_SUMS);
            }
            call
        };
        Self::new(&calls.iter().map(rename).collect::<Vec<_>>(), input, retracts)
    }

    /// Builds the accumulators; `input` are the types of the columns that calls refer to.
    pub fn new(calls: &[AggregateCall], input: &[DataType], retracts: bool) -> Result<Self> {
        let mut units = Vec::new();
        let mut places = vec![(0, 0); calls.len()];
        for (args, members) in shared_sets(calls, retracts) {
            let types = argument_types(&calls[members[0]], input)?;
            for (place, &call) in members.iter().enumerate() {
                places[call] = (units.len(), place);
            }
            let inner = members
                .iter()
                .map(|&c| Ok((calls[c].filter, function(&calls[c], &types, false)?)))
                .collect::<Result<_>>()?;
            units.push(Unit::Shared(shared::build(args, &types, inner)));
        }
        for (i, c) in calls.iter().enumerate() {
            if !shares(c, retracts) {
                places[i] = (units.len(), 0);
                let accumulator = build(c, input, retracts)?;
                units.push(Unit::Call(Call {
                    args: c.args.clone(),
                    filter: c.filter,
                    accumulator,
                }));
            }
        }
        Ok(Self { units, places, ops: Vec::new(), slots: 0 })
    }

    /// Number of calls.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is no call.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Folds a batch; `slots` has one slot per row.
    pub fn update(&mut self, batch: &ChangeBatch, slots: &[u32], ops: Option<&[u8]>) -> Result<()> {
        let filtered = &mut self.ops;
        self.units.iter_mut().try_for_each(|u| u.update(batch, slots, ops, filtered))
    }

    /// Result columns of the slots, one per call.
    pub fn finish(&self, slots: &[u32]) -> Result<Vec<ArrayRef>> {
        let result = |&(unit, call): &(usize, usize)| match &self.units[unit] {
            Unit::Call(c) => c.accumulator.finish(slots),
            Unit::Shared(s) => s.finish(call, slots),
        };
        self.places.iter().map(result).collect()
    }

    /// Types of the columns that can hold the state of a single call, where it has such a form.
    pub fn partial_types(&self) -> Option<Vec<ArrowType>> {
        match self.units.as_slice() {
            [Unit::Call(c)] => c.accumulator.partial_types(),
            _ => None,
        }
    }

    /// The state of the slots in columns of [`AggSet::partial_types`].
    pub fn partial(&self, slots: &[u32]) -> Result<Vec<ArrayRef>> {
        match self.units.as_slice() {
            [Unit::Call(c)] => c.accumulator.partial(slots),
            _ => Err(Error::internal("the state has no columns")),
        }
    }

    /// Adds the state of each row of such columns to the row's slot.
    pub fn merge_partial(&mut self, slots: &[u32], state: &[ArrayRef]) -> Result<()> {
        match self.units.as_mut_slice() {
            [Unit::Call(c)] => c.accumulator.merge_partial(slots, state),
            _ => Err(Error::internal("the state has no columns")),
        }
    }

    /// Adds what `write` appended, to a slot that may hold something already.
    pub fn merge(&mut self, slot: usize, input: &mut Reader<'_>) -> Result<()> {
        self.units.iter_mut().try_for_each(|u| u.merge(slot, &mut Reader::new(input.bytes()?)))
    }
}

/// DISTINCT calls that need neither rows per value nor their order.
fn shares(call: &AggregateCall, retracts: bool) -> bool {
    let ordered = !matches!(call.function.as_str(), "COUNT" | "SUM" | "$SUM0" | "SUM0" | "AVG");
    call.distinct && !retracts && !ordered && !call.args.is_empty() && call.order_by.is_empty()
}

/// The argument lists that calls share a set of values for, and those calls.
fn shared_sets(calls: &[AggregateCall], retracts: bool) -> Vec<(Vec<usize>, Vec<usize>)> {
    let mut sets: Vec<(Vec<usize>, Vec<usize>)> = Vec::new();
    for (i, c) in calls.iter().enumerate().filter(|(_, c)| shares(c, retracts)) {
        let known = sets.iter_mut().find(|(a, m)| *a == c.args && m.len() < shared::MAX_CALLS);
        match known {
            Some((_, members)) => members.push(i),
            None => sets.push((c.args.clone(), vec![i])),
        }
    }
    sets
}

impl SlotStore for AggSet {
    fn resize(&mut self, slots: usize) {
        if slots > self.slots {
            self.slots = slots;
            for u in &mut self.units {
                match u {
                    Unit::Call(c) => c.accumulator.resize(slots),
                    Unit::Shared(s) => s.resize(slots),
                }
            }
        }
    }
    fn clear(&mut self, slot: usize) {
        for u in &mut self.units {
            match u {
                Unit::Call(c) => c.accumulator.clear(slot),
                Unit::Shared(s) => s.clear(slot),
            }
        }
    }
    fn write(&self, slot: usize, out: &mut Vec<u8>) {
        let mut one = Vec::new();
        for u in &self.units {
            one.clear();
            u.write(slot, &mut one);
            put_bytes(out, &one);
        }
    }
    fn read(&mut self, slot: usize, input: &mut Reader<'_>) -> Result<()> {
        self.merge(slot, input)
    }
}

fn argument_types(call: &AggregateCall, input: &[DataType]) -> Result<Vec<DataType>> {
    let ty = |&a: &usize| {
        input.get(a).cloned().ok_or_else(|| {
            Error::internal(format!("{} reads column {a}, which does not exist", call.function))
        })
    };
    call.args.iter().map(ty).collect()
}

fn build(call: &AggregateCall, input: &[DataType], retracts: bool) -> Result<Box<dyn Accumulator>> {
    let types = argument_types(call, input)?;
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
    if matches!(name, "RANK" | "DENSE_RANK") {
        return Ok(Box::new(place::Places::new(name == "DENSE_RANK")));
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
            Box::new(variance::Variance::new(name, ty))
        }
        _ if name.starts_with(BY_SUMS) => {
            numeric::variance(name.trim_start_matches(BY_SUMS), arg, ty)?
        }
        "BIT_AND" | "BIT_OR" | "BIT_XOR" | "BITAND_AGG" | "BITOR_AGG" | "BITXOR_AGG" => {
            numeric::bits(name, arg, ty)?
        }
        "MIN" | "EVERY" | "BOOL_AND" => extreme::build(arg, ty, true, retracts)?,
        "MAX" | "ANY" | "SOME" | "BOOL_OR" => extreme::build(arg, ty, false, retracts)?,
        _ => values::build(call, types, retracts)?,
    })
}
