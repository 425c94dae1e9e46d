//! Small things that several operators share.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute;
use arrow::datatypes::{
    DataType as ArrowType, SchemaRef, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType,
};
use weir_core::{ChangeBatch, Error, Result, RowKind, Schema};
use weir_runtime::{Barrier, BarrierKind, Seal, TaskContext};
use weir_spec::SortKey;
use weir_state::rows::ROW_VERSION;
use weir_state::{KeyedTable, PieceSink, PieceTarget, RowCodec, RowDecoder, SlotStore, TableSpec};

pub const PLUS_I: u8 = RowKind::Insert as u8;
pub const MINUS_U: u8 = RowKind::UpdateBefore as u8;
pub const PLUS_U: u8 = RowKind::UpdateAfter as u8;
pub const MINUS_D: u8 = RowKind::Delete as u8;

/// Whether a kind byte takes a row away.
pub fn is_minus(kind: u8) -> bool {
    kind == MINUS_U || kind == MINUS_D
}

/// The columns at some positions.
pub fn columns(batch: &ChangeBatch, positions: &[usize]) -> Vec<ArrayRef> {
    positions.iter().map(|&i| Arc::clone(batch.column(i))).collect()
}

/// Takes rows of every column.
pub fn take_all(columns: &[ArrayRef], indices: &UInt32Array) -> Result<Vec<ArrayRef>> {
    Ok(columns.iter().map(|c| compute::take(c, indices, None)).collect::<Result<_, _>>()?)
}

/// Milliseconds of a timestamp column; NULLs stay NULL.
pub struct Times {
    array: ArrayRef,
    values: Vec<i64>,
}

impl Times {
    /// Reads a timestamp column of any precision.
    pub fn of(array: &ArrayRef) -> Result<Self> {
        let values = match array.data_type() {
            ArrowType::Timestamp(TimeUnit::Millisecond, _) => {
                array.as_primitive::<TimestampMillisecondType>().values().to_vec()
            }
            ArrowType::Timestamp(TimeUnit::Microsecond, _) => {
                let a = array.as_primitive::<TimestampMicrosecondType>();
                a.values().iter().map(|v| v.div_euclid(1_000)).collect()
            }
            ArrowType::Timestamp(TimeUnit::Nanosecond, _) => {
                let a = array.as_primitive::<TimestampNanosecondType>();
                a.values().iter().map(|v| v.div_euclid(1_000_000)).collect()
            }
            other => return Err(Error::internal(format!("{other} is not a time attribute"))),
        };
        Ok(Self { array: Arc::clone(array), values })
    }

    /// Milliseconds of a row; None for NULL.
    pub fn get(&self, row: usize) -> Option<i64> {
        self.array.is_valid(row).then(|| self.values[row])
    }

    /// Milliseconds of a row that must have a time.
    pub fn need(&self, row: usize) -> Result<i64> {
        self.get(row).ok_or_else(|| {
            Error::data(
                "RowTime field should not be null, please convert it to a non-null long value.",
            )
        })
    }
}

/// Builds output from encoded rows and kinds.
pub struct RowsOut {
    decoder: RowDecoder,
    kinds: Vec<u8>,
}

impl RowsOut {
    pub fn new(codec: &RowCodec) -> Self {
        Self { decoder: codec.decoder(64), kinds: Vec::new() }
    }
    pub fn push(&mut self, row: &[u8], kind: u8) -> Result<()> {
        self.kinds.push(kind);
        self.decoder.push(row)
    }
    pub fn len(&self) -> usize {
        self.kinds.len()
    }
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }
    /// The columns and kinds.
    pub fn finish(self) -> Result<(Vec<ArrayRef>, Vec<u8>)> {
        Ok((self.decoder.finish()?, self.kinds))
    }
    /// A batch whose columns are the rows'.
    pub fn batch(self, schema: &SchemaRef) -> Result<ChangeBatch> {
        let (columns, kinds) = self.finish()?;
        batch_of(schema, columns, kinds)
    }
}

/// A batch from columns and kinds; a column of another type than the schema says is a defect.
pub fn batch_of(schema: &SchemaRef, columns: Vec<ArrayRef>, kinds: Vec<u8>) -> Result<ChangeBatch> {
    let rows = kinds.len();
    let kinds = kinds.iter().any(|&k| k != 0).then(|| kinds.into());
    ChangeBatch::from_columns(Arc::clone(schema), columns, rows, kinds)
}

/// Arrow's options of a sort key.
pub fn sort_options(key: &SortKey) -> compute::SortOptions {
    compute::SortOptions { descending: key.descending, nulls_first: key.nulls_first }
}

/// A byte string per row whose order is the sort order.
pub fn sort_rows(batch: &ChangeBatch, keys: &[SortKey]) -> Result<arrow::row::Rows> {
    let fields = keys
        .iter()
        .map(|k| {
            let ty = batch.column(k.column).data_type().clone();
            arrow::row::SortField::new_with_options(ty, sort_options(k))
        })
        .collect();
    let columns: Vec<ArrayRef> = keys.iter().map(|k| Arc::clone(batch.column(k.column))).collect();
    Ok(arrow::row::RowConverter::new(fields)?.convert_columns(&columns)?)
}

/// Rule of a keyed table in the current row layout.
pub fn table_spec(name: &str, ttl: i64, max_parallelism: u32) -> TableSpec {
    let name = name.to_owned();
    TableSpec { name, version: ROW_VERSION, ttl, max_parallelism, prefix: 0, spills: false }
}

/// Rule of a keyed table whose rows may leave memory between two batches.
pub fn spilling_spec(name: &str, ttl: i64, max_parallelism: u32) -> TableSpec {
    TableSpec { spills: true, ..table_spec(name, ttl, max_parallelism) }
}

/// Seals one table for a barrier: all of it where the barrier says so (and the first
/// time), else what changed since the last one; nothing when the input has ended.
pub fn seal_table<S: SlotStore>(
    table: &mut KeyedTable<S>,
    barrier: &Barrier,
    seal: &mut Seal,
) -> Result<()> {
    // Behind the end of all input nothing asks the state again.
    if barrier.kind != BarrierKind::EndOfInput {
        let target =
            |sink: &Arc<_>| PieceTarget { sink: Arc::clone(sink), table: seal.tables.len() };
        let target = seal.pieces.as_ref().map(target);
        seal.tables.push(table.seal_to(barrier.full, target.as_ref())?);
    }
    Ok(())
}

/// Lets a table seal ahead; `number`: its place among the tables of the operator's seals.
pub fn seal_ahead<S: SlotStore>(
    table: &mut KeyedTable<S>,
    number: usize,
    sink: &Arc<dyn PieceSink>,
) {
    table.write_ahead(PieceTarget { sink: Arc::clone(sink), table: number });
}

/// Seals times of an instance (its watermark), beside its tables.
pub fn seal_times(times: &[i64], seal: &mut Seal) {
    // The lowest number is kept for "nothing restored yet".
    let sealed = |t: &i64| (*t).max(i64::MIN + 1).to_le_bytes();
    seal.positions.push(times.iter().flat_map(sealed).collect());
}

/// Restores times: after a rescale the lowest of all instances counts, so that nothing
/// is late that was not. Instances whose input had ended do not count.
pub fn restore_times<const N: usize>(times: [&mut i64; N], seal: &Seal) {
    let Some(sealed) = seal.positions.iter().find(|p| p.len() == N * 8) else { return };
    for (time, bytes) in times.into_iter().zip(sealed.chunks_exact(8)) {
        let sealed = bytes.try_into().map_or(i64::MAX, i64::from_le_bytes);
        if sealed != i64::MAX {
            *time = if *time == i64::MIN { sealed } else { sealed.min(*time) };
        }
    }
}

/// Restores one table from a seal; see [`KeyedTable::restore_with`].
pub fn restore_table_with<S: SlotStore>(
    table: &mut KeyedTable<S>,
    seal: &Seal,
    context: &TaskContext,
    mut each: impl FnMut(&mut S, usize, &[u8], &mut dyn FnMut(i64)) -> Result<()>,
) -> Result<()> {
    for t in &seal.tables {
        table.restore_with(t, |g| context.owns(g), &mut each)?;
    }
    Ok(())
}

/// Restores one table from a seal.
pub fn restore_table<S: SlotStore>(
    table: &mut KeyedTable<S>,
    seal: &Seal,
    context: &TaskContext,
) -> Result<()> {
    for t in &seal.tables {
        table.restore(t, |g| context.owns(g))?;
    }
    Ok(())
}

/// Types of the columns.
pub fn types(schema: &Schema) -> Vec<weir_core::DataType> {
    schema.fields.iter().map(|f| f.ty.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restored(instances: &[i64]) -> i64 {
        let mut time = i64::MIN;
        for &t in instances {
            let mut seal = Seal::default();
            seal_times(&[t], &mut seal);
            restore_times([&mut time], &seal);
        }
        time
    }

    #[test]
    fn the_lowest_time_counts_but_not_that_of_ended_instances() {
        assert_eq!(restored(&[5, 3, 9]), 3);
        assert_eq!(restored(&[5, i64::MAX]), 5);
        for order in [[i64::MIN, 5], [5, i64::MIN]] {
            assert_eq!(restored(&order), i64::MIN + 1);
        }
        assert_eq!(restored(&[i64::MIN, i64::MAX]), i64::MIN + 1);
    }
}
