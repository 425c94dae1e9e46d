//! OVER aggregation ordered by values, over a changelog: frames from the start of
//! the partition to the current row.
//!
//! Every partition keeps its rows in order. After a batch the results of the
//! touched partitions are computed anew and the difference leaves: rows whose
//! result changed as -U and +U.

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute;
use arrow::datatypes::SchemaRef;
use hashbrown::HashMap;
use weir_core::batch::TARGET_ROWS;
use weir_core::keys::EncodedKeys;
use weir_core::{ChangeBatch, DataType, Error, Result, Schema};
use weir_runtime::{Barrier, Operator, Out, Seal, Step, TaskContext, now_ms};
use weir_spec::{AggregateCall, OverFrame, OverSpec};
use weir_state::{KeyedTable, RowCodec, SlotStore};

use crate::agg::AggSet;
use crate::rank::{Function, Partition, sort_key_bytes};
use crate::util::*;

/// A column that OVER appends.
enum Column {
    /// The nth of the aggregates.
    Aggregate(usize),
    /// A rank.
    Rank(Function, DataType),
}

/// Output rows of a partition by the bytes of their input row, in order.
type Outputs = Vec<(Box<[u8]>, Box<[u8]>)>;

/// See the module.
pub struct OverValues {
    spec: OverSpec,
    /// Peers (rows of equal order) share their result.
    peers: bool,
    columns: Vec<Column>,
    aggregates: Vec<AggregateCall>,
    input_types: Vec<DataType>,
    retracts: bool,
    ttl: i64,
    table: KeyedTable<Vec<Partition>>,
    codec: RowCodec,
    output_codec: RowCodec,
    input: SchemaRef,
    schema: SchemaRef,
}

impl OverValues {
    /// Builds the operator.
    pub fn new(
        spec: &OverSpec,
        retracts: bool,
        ttl: i64,
        input: &Schema,
        output: &Schema,
        max_parallelism: u32,
    ) -> Result<Self> {
        let peers = match spec.frame {
            OverFrame::Rows(None) => false,
            OverFrame::Range(None) => true,
            _ => {
                return Err(Error::unsupported("bounded OVER frames ordered by values")
                    .hint("order by a time attribute or start the frame at UNBOUNDED PRECEDING"));
            }
        };
        let mut aggregates = Vec::new();
        let mut columns = Vec::new();
        for c in &spec.calls {
            columns.push(match Function::parse(&c.function) {
                Ok(f) => Column::Rank(f, c.ty.clone()),
                Err(_) => {
                    aggregates.push(c.clone());
                    Column::Aggregate(aggregates.len() - 1)
                }
            });
        }
        AggSet::by_sums(&aggregates, &types(input), false)?;
        Ok(Self {
            spec: spec.clone(),
            peers,
            columns,
            aggregates,
            input_types: types(input),
            retracts,
            ttl,
            table: KeyedTable::new(spilling_spec("rows", ttl, max_parallelism), Vec::new()),
            codec: RowCodec::new(input),
            output_codec: RowCodec::new(output),
            input: input.to_arrow(),
            schema: output.to_arrow(),
        })
    }

    /// The output rows of a partition.
    fn outputs(&self, slot: u32) -> Result<Outputs> {
        let partition = &self.table.store[slot as usize];
        let rank = partition.visible(1, u64::MAX, Function::Rank);
        if rank.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.codec.decode(rank.iter().map(|r| &*r.1))?;
        let batch = batch_of(&self.input, rows, vec![PLUS_I; rank.len()])?;
        let results = self.fold(&batch, &rank)?;
        let mut columns = batch.rows.columns().to_vec();
        for c in &self.columns {
            columns.push(match c {
                Column::Aggregate(i) => results[*i].clone(),
                Column::Rank(f, ty) => {
                    let ranks = partition.visible(1, u64::MAX, *f);
                    let values = ranks.iter().map(|r| r.0 as i64).collect();
                    crate::agg::ints_to_array(values, Vec::new(), ty)?
                }
            });
        }
        let encoded = self.output_codec.encode(&columns, rank.len());
        Ok(rank.iter().enumerate().map(|(i, r)| ((*r.1).into(), encoded.row(i).into())).collect())
    }

    /// Running results, one column per aggregate.
    fn fold(
        &self,
        batch: &ChangeBatch,
        rank: &[(u64, std::sync::Arc<[u8]>)],
    ) -> Result<Vec<ArrayRef>> {
        if self.aggregates.is_empty() {
            return Ok(Vec::new());
        }
        let mut aggs = AggSet::by_sums(&self.aggregates, &self.input_types, false)?;
        aggs.resize(1);
        let mut parts: Vec<Vec<ArrayRef>> = Vec::new();
        let mut positions = Vec::with_capacity(rank.len());
        let mut at = 0;
        while at < rank.len() {
            let mut end = at + 1;
            while self.peers && end < rank.len() && rank[end].0 == rank[at].0 {
                end += 1;
            }
            aggs.update(&batch.slice(at, end - at), &vec![0; end - at], None)?;
            positions.resize(end, parts.len() as u32);
            parts.push(aggs.finish(&[0])?);
            at = end;
        }
        let positions = UInt32Array::from(positions);
        (0..self.aggregates.len())
            .map(|c| {
                let column: Vec<_> = parts.iter().map(|p| p[c].as_ref()).collect();
                Ok(compute::take(&compute::concat(&column)?, &positions, None)?)
            })
            .collect()
    }

    fn difference(old: &Outputs, new: &Outputs, out: &mut RowsOut) -> Result<()> {
        // Equal input rows are told apart by their order of occurrence.
        let mut before: HashMap<&[u8], Vec<&[u8]>> = HashMap::new();
        for (row, result) in old.iter().rev() {
            before.entry(row).or_default().push(result);
        }
        let mut changes = Vec::new();
        for (row, result) in new {
            match before.get_mut(&**row).and_then(Vec::pop) {
                Some(o) if *o == **result => {}
                Some(o) => changes.push((Some(o), &**result)),
                None => changes.push((None, &**result)),
            }
        }
        for gone in before.into_values().flatten() {
            out.push(gone, MINUS_D)?;
        }
        for (old, new) in changes {
            match old {
                Some(old) => {
                    out.push(old, MINUS_U)?;
                    out.push(new, PLUS_U)?;
                }
                None => out.push(new, PLUS_I)?,
            }
        }
        Ok(())
    }
}

impl Operator for OverValues {
    fn push(&mut self, _: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        let now = if self.ttl > 0 { now_ms() } else { 0 };
        let encoded = EncodedKeys::encode(&columns(&batch, &self.spec.partition), batch.len())?;
        let mut slots = Vec::new();
        self.table.hydrate(&encoded, now, &mut slots)?;
        let (codec, input, order) = (&self.codec, &self.input, &self.spec.order_by);
        self.table.each_recalled(|p| p.rebuild_keys(codec, input, order))?;
        let keys = sort_key_bytes(&batch, &self.spec.order_by)?;
        let rows = self.codec.encode(batch.rows.columns(), batch.len());
        let mut touched: Vec<(u32, Outputs)> = Vec::new();
        let mut seen = hashbrown::HashSet::new();
        for &slot in &slots {
            if seen.insert(slot) {
                touched.push((slot, self.outputs(slot)?));
            }
        }
        for (i, &slot) in slots.iter().enumerate() {
            let key = keys.as_ref().map_or(&[][..], |k| k.row(i).data());
            let partition = &mut self.table.store[slot as usize];
            if self.retracts && is_minus(batch.kind(i) as u8) {
                partition.remove(key, rows.row(i));
            } else {
                partition.insert(key, rows.row(i));
            }
        }
        let mut result = RowsOut::new(&self.output_codec);
        for (slot, old) in touched {
            let new = self.outputs(slot)?;
            Self::difference(&old, &new, &mut result)?;
            if new.is_empty() {
                self.table.remove(slot);
            }
            if result.len() >= TARGET_ROWS {
                let full = std::mem::replace(&mut result, RowsOut::new(&self.output_codec));
                out.data(full.batch(&self.schema)?);
            }
        }
        out.data(result.batch(&self.schema)?);
        Ok(Step::Done)
    }

    fn barrier(&mut self, barrier: &Barrier, seal: &mut Seal) -> Result<()> {
        seal_table(&mut self.table, barrier, seal)
    }

    fn restore(&mut self, seal: &Seal, context: &TaskContext) -> Result<()> {
        restore_table(&mut self.table, seal, context)?;
        for p in &mut self.table.store {
            p.rebuild_keys(&self.codec, &self.input, &self.spec.order_by)?;
        }
        Ok(())
    }

    fn wants_full_batches(&self) -> bool {
        true
    }
}
