//! Aggregate functions: DataFusion's where they agree with Flink, else our own
//! accumulators behind its interfaces.
//!
//! COUNT, and MIN and MAX over exact types, are DataFusion's. Everything else is
//! an [`AggSet`] of one call whose slots are DataFusion's group numbers. Its
//! partial state is typed columns for sums and averages of exact numbers, else one
//! BINARY column, so that it can be spilled and merged.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex};

use arrow::array::{Array, ArrayRef, AsArray, BinaryBuilder, BooleanArray};
use arrow::datatypes::{DataType as ArrowType, Field, FieldRef, SchemaRef};
use datafusion_common::{Result as DfResult, ScalarValue};
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};
use datafusion_functions_aggregate::count::count_udaf;
use datafusion_functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion_physical_expr::expressions::lit;
use weir_core::{ChangeBatch, DataType, Result, TypeKind};
use weir_ops::agg::{AggSet, SKIP};
use weir_spec::AggregateCall;
use weir_state::{Reader, SlotStore};

use crate::error::{from_df, to_df};
use crate::schema::{column, of_types};

/// An aggregate call over the columns of a node.
pub struct Lowered {
    /// The function with its arguments.
    pub expr: Arc<AggregateFunctionExpr>,
    /// FILTER (WHERE ..).
    pub filter: Option<Arc<dyn PhysicalExpr>>,
    /// Its partial state is small and typed, so that aggregating twice pays.
    pub cheap_state: bool,
}

/// Lowers a call; `types` are the input's column types.
pub fn lower(call: &AggregateCall, types: &[DataType], input: &SchemaRef) -> Result<Lowered> {
    let args: Vec<Arc<dyn PhysicalExpr>> = call.args.iter().map(|&a| column(input, a)).collect();
    let arg_types: Vec<DataType> = call.args.iter().map(|&a| types[a].clone()).collect();
    let native = native(call, &arg_types);
    let (function, cheap_state) = match native {
        Some(f) => (f, true),
        None => {
            let ours = Ours::new(call, arg_types)?;
            let cheap = ours.partial.is_some();
            (Arc::new(AggregateUDF::from(ours)), cheap)
        }
    };
    // DataFusion wants an argument even for COUNT(*).
    let args = if args.is_empty() { vec![lit(1i64)] } else { args };
    let expr = AggregateExprBuilder::new(function, args)
        .schema(Arc::clone(input))
        .alias(call.name.clone())
        .build()
        .map_err(|e| from_df(&e))?;
    let filter = call.filter.map(|f| column(input, f));
    Ok(Lowered { expr: Arc::new(expr), filter, cheap_state })
}

/// DataFusion's function, where it gives the same as Flink's.
fn native(call: &AggregateCall, types: &[DataType]) -> Option<Arc<AggregateUDF>> {
    let exact = |t: &DataType| {
        matches!(
            t.kind,
            TypeKind::TinyInt
                | TypeKind::SmallInt
                | TypeKind::Int
                | TypeKind::BigInt
                | TypeKind::Decimal(..)
                | TypeKind::Varchar(_)
                | TypeKind::Date
                | TypeKind::Timestamp(..)
                | TypeKind::TimestampLtz(..)
        )
    };
    let distinct = call.distinct && !call.args.is_empty();
    match (call.function.as_str(), types) {
        ("COUNT", [] | [_]) if !distinct => Some(count_udaf()),
        ("MIN", [t]) if exact(t) => Some(min_udaf()),
        ("MAX", [t]) if exact(t) => Some(max_udaf()),
        _ => None,
    }
}

/// One of our aggregate functions.
#[derive(Debug)]
struct Ours {
    /// The call over its own argument columns.
    call: AggregateCall,
    types: Vec<DataType>,
    schema: SchemaRef,
    signature: Signature,
    result: ArrowType,
    /// Columns of the partial state, where it has any.
    partial: Option<Vec<ArrowType>>,
}

impl Ours {
    fn new(call: &AggregateCall, types: Vec<DataType>) -> Result<Self> {
        let mut call = call.clone();
        call.args = (0..call.args.len()).collect();
        call.filter = None;
        // What cannot be built is reported when the query is planned.
        let set = AggSet::new(std::slice::from_ref(&call), &types, false)?;
        Ok(Self {
            partial: set.partial_types(),
            result: call.ty.to_arrow(),
            schema: of_types(types.iter().map(DataType::to_arrow)),
            signature: Signature::variadic_any(Volatility::Immutable),
            call,
            types,
        })
    }

    fn slots(&self) -> Result<Slots> {
        Slots::new(&self.call, &self.types, &self.schema)
    }
}

impl PartialEq for Ours {
    fn eq(&self, other: &Self) -> bool {
        self.call == other.call && self.types == other.types
    }
}

impl Eq for Ours {}

impl Hash for Ours {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.call.function.hash(state);
        self.call.name.hash(state);
    }
}

impl AggregateUDFImpl for Ours {
    #[allow(clippy::misnamed_getters)] // DataFusion shows it as the function's name
    fn name(&self) -> &str {
        &self.call.function
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[ArrowType]) -> DfResult<ArrowType> {
        Ok(self.result.clone())
    }

    fn accumulator(&self, _: AccumulatorArgs) -> DfResult<Box<dyn Accumulator>> {
        Ok(Box::new(OneGroup(Mutex::new(self.slots().map_err(to_df)?))))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> DfResult<Vec<FieldRef>> {
        let types = self.partial.clone().unwrap_or_else(|| vec![ArrowType::Binary]);
        let field = |(i, ty)| Arc::new(Field::new(format!("{}[state {i}]", args.name), ty, true));
        Ok(types.into_iter().enumerate().map(field).collect())
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        _: AccumulatorArgs,
    ) -> DfResult<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(self.slots().map_err(to_df)?))
    }
}

/// Accumulators of one call, a slot per group.
struct Slots {
    call: AggregateCall,
    types: Vec<DataType>,
    schema: SchemaRef,
    set: AggSet,
    /// Whether the partial state has columns of its own.
    typed: bool,
    groups: usize,
    /// Bytes of argument values that a collecting function may have kept.
    kept: usize,
}

/// Bytes that a slot of a simple accumulator takes, about.
const SLOT_BYTES: usize = 40;

impl Slots {
    fn new(call: &AggregateCall, types: &[DataType], schema: &SchemaRef) -> Result<Self> {
        let set = AggSet::new(std::slice::from_ref(call), types, false)?;
        Ok(Self {
            typed: set.partial_types().is_some(),
            set,
            call: call.clone(),
            types: types.to_vec(),
            schema: Arc::clone(schema),
            groups: 0,
            kept: 0,
        })
    }

    fn grow(&mut self, groups: usize) {
        if groups > self.groups {
            self.groups = groups;
            self.set.resize(groups);
        }
    }

    fn update(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.grow(total);
        let columns = values[..self.types.len()].to_vec();
        if self.keeps_values() {
            self.kept += columns.iter().map(|c| c.get_array_memory_size()).sum::<usize>();
        }
        let batch =
            ChangeBatch::from_columns(Arc::clone(&self.schema), columns, groups.len(), None)?;
        let slots: Vec<u32> = groups.iter().map(|&g| g as u32).collect();
        let ops: Option<Vec<u8>> = filter.map(|f| {
            (0..f.len()).map(|i| if f.is_valid(i) && f.value(i) { 0 } else { SKIP }).collect()
        });
        self.set.update(&batch, &slots, ops.as_deref())
    }

    fn keeps_values(&self) -> bool {
        self.call.distinct
            || !matches!(
                self.call.function.as_str(),
                "COUNT"
                    | "SUM"
                    | "$SUM0"
                    | "SUM0"
                    | "AVG"
                    | "MIN"
                    | "MAX"
                    | "STDDEV_POP"
                    | "STDDEV_SAMP"
                    | "STDDEV"
                    | "VAR_POP"
                    | "VAR_SAMP"
                    | "VARIANCE"
            )
    }

    /// Empties the first `n` slots and moves the others down.
    fn drop_first(&mut self, n: usize) -> Result<()> {
        let mut rest = AggSet::new(std::slice::from_ref(&self.call), &self.types, false)?;
        let left = self.groups - n;
        rest.resize(left);
        if self.typed && left > 0 {
            let from: Vec<u32> = (n as u32..(n + left) as u32).collect();
            let to: Vec<u32> = (0..left as u32).collect();
            rest.merge_partial(&to, &self.set.partial(&from)?)?;
            self.set = rest;
            self.groups = left;
            return Ok(());
        }
        let mut state = Vec::new();
        for slot in 0..left {
            state.clear();
            self.set.write(n + slot, &mut state);
            rest.merge(slot, &mut Reader::new(&state))?;
        }
        self.kept = (self.kept * left).checked_div(self.groups).unwrap_or(0);
        self.set = rest;
        self.groups = left;
        Ok(())
    }

    fn emitted(&self, emit_to: EmitTo) -> usize {
        match emit_to {
            EmitTo::All => self.groups,
            EmitTo::First(n) => n,
        }
    }

    fn finish(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let n = self.emitted(emit_to);
        let slots: Vec<u32> = (0..n as u32).collect();
        let result = self.set.finish(&slots)?;
        self.drop_first(n)?;
        result.into_iter().next().ok_or_else(|| weir_core::Error::internal("no aggregate result"))
    }

    /// The partial state of the first groups, which are forgotten.
    fn written(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let n = self.emitted(emit_to);
        if self.typed {
            let slots: Vec<u32> = (0..n as u32).collect();
            let state = self.set.partial(&slots)?;
            self.drop_first(n)?;
            return Ok(state);
        }
        let mut out = BinaryBuilder::new();
        let mut state = Vec::new();
        for slot in 0..n {
            state.clear();
            self.set.write(slot, &mut state);
            out.append_value(&state);
        }
        self.drop_first(n)?;
        Ok(vec![Arc::new(out.finish())])
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.grow(total);
        if self.typed {
            let slots: Vec<u32> = groups.iter().map(|&g| g as u32).collect();
            return self.set.merge_partial(&slots, states);
        }
        let states = states[0].as_binary::<i32>();
        if self.keeps_values() {
            self.kept += states.get_array_memory_size();
        }
        for (row, &group) in groups.iter().enumerate() {
            if states.is_valid(row) {
                self.set.merge(group, &mut Reader::new(states.value(row)))?;
            }
        }
        Ok(())
    }
}

impl GroupsAccumulator for Slots {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> DfResult<()> {
        self.update(values, groups, filter, total).map_err(to_df)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> DfResult<ArrayRef> {
        self.finish(emit_to).map_err(to_df)
    }

    fn state(&mut self, emit_to: EmitTo) -> DfResult<Vec<ArrayRef>> {
        self.written(emit_to).map_err(to_df)
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        _: Option<&BooleanArray>,
        total: usize,
    ) -> DfResult<()> {
        self.merge(values, groups, total).map_err(to_df)
    }

    /// Every row as a group of its own, for input that aggregating hardly shrinks.
    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> DfResult<Vec<ArrayRef>> {
        let rows = values.first().map_or(0, |v| v.len());
        let groups: Vec<usize> = (0..rows).collect();
        let mut alone = Slots::new(&self.call, &self.types, &self.schema).map_err(to_df)?;
        alone.update(values, &groups, filter, rows).map_err(to_df)?;
        alone.written(EmitTo::All).map_err(to_df)
    }

    fn supports_convert_to_state(&self) -> bool {
        self.typed
    }

    fn size(&self) -> usize {
        self.groups * SLOT_BYTES + self.kept
    }
}

/// The accumulator of an aggregation without keys. DataFusion wants it shareable;
/// nobody ever waits for the lock.
#[derive(Debug)]
struct OneGroup(Mutex<Slots>);

impl OneGroup {
    fn slots(&mut self) -> &mut Slots {
        let slots = self.0.get_mut().unwrap_or_else(|e| e.into_inner());
        slots.grow(1);
        slots
    }
}

impl std::fmt::Debug for Slots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} groups", self.call.function, self.groups)
    }
}

impl Accumulator for OneGroup {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        let rows = values.first().map_or(0, |v| v.len());
        self.slots().update(values, &vec![0; rows], None, 1).map_err(to_df)
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        ScalarValue::try_from_array(&self.slots().finish(EmitTo::All).map_err(to_df)?, 0)
    }

    fn size(&self) -> usize {
        self.0.lock().map_or(SLOT_BYTES, |s| s.size())
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        let state = self.slots().written(EmitTo::All).map_err(to_df)?;
        state.iter().map(|column| ScalarValue::try_from_array(column, 0)).collect()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DfResult<()> {
        self.slots().merge(states, &vec![0; states[0].len()], 1).map_err(to_df)
    }
}
