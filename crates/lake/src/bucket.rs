//! The table's own bucket function in front of the writers.
//!
//! Invariant: all rows of one partition and bucket go to one writer; the bucket
//! is the one that the writer computes again from the same columns.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType as ArrowType, Int32Type, Int64Type, Schema as ArrowSchema};
use paimon::spec::{
    BucketFunctionType, DataField, TableSchema, batch_hash_codes, batch_to_serialized_bytes,
};
use weir_connect::api::SinkPartitioner;
use weir_core::{ChangeBatch, Error, Result};

use crate::conform::conform;
use crate::rt::lake_error;

/// Routes rows by partition and bucket.
pub(crate) struct BucketPartitioner {
    /// Input position and table field of each needed column.
    columns: Vec<(usize, DataField)>,
    arrow: Arc<ArrowSchema>,
    /// Positions in `columns`.
    partition: Vec<usize>,
    key: Vec<usize>,
    function: BucketFunctionType,
    buckets: i32,
}

impl BucketPartitioner {
    /// A partitioner for a table with fixed buckets, or `None` if rows need no
    /// routing or cannot be routed. `input` gives the input position of a column.
    pub(crate) fn new(
        schema: &TableSchema,
        input: &dyn Fn(&str) -> Option<usize>,
    ) -> Result<Option<Self>> {
        let options = schema.core_options();
        let buckets = options.bucket();
        let function = options.bucket_function_type().map_err(lake_error)?;
        if buckets < 1 || function == BucketFunctionType::Hive {
            return Ok(None);
        }
        let mut columns: Vec<(usize, DataField)> = Vec::new();
        let mut place = |name: &String| -> Result<usize> {
            if let Some(i) = columns.iter().position(|(_, f)| f.name() == name) {
                return Ok(i);
            }
            let field = schema.fields().iter().find(|f| f.name() == name);
            match (field, input(name)) {
                (Some(f), Some(at)) => {
                    columns.push((at, f.clone()));
                    Ok(columns.len() - 1)
                }
                _ => Err(Error::internal(format!("bucket column '{name}' is not written"))),
            }
        };
        let partition =
            schema.partition_keys().iter().map(&mut place).collect::<Result<Vec<_>>>()?;
        let key = schema.bucket_keys().iter().map(&mut place).collect::<Result<Vec<_>>>()?;
        let fields: Vec<DataField> = columns.iter().map(|(_, f)| f.clone()).collect();
        let arrow = paimon::arrow::build_target_arrow_schema(&fields).map_err(lake_error)?;
        // Routing must not fail on NULLs; the writer reports them.
        let nullable = arrow.fields().iter().map(|f| f.as_ref().clone().with_nullable(true));
        let arrow = Arc::new(ArrowSchema::new(nullable.collect::<Vec<_>>()));
        Ok(Some(Self { columns, arrow, partition, key, function, buckets }))
    }

    fn needed(&self, batch: &ChangeBatch) -> Result<RecordBatch> {
        let arrays = self
            .columns
            .iter()
            .zip(self.arrow.fields())
            .map(|((at, _), f)| conform(batch.column(*at), f.data_type()))
            .collect::<Result<Vec<ArrayRef>>>()?;
        Ok(RecordBatch::try_new(Arc::clone(&self.arrow), arrays)?)
    }

    fn buckets(&self, rows: &RecordBatch, fields: &[DataField]) -> Result<Vec<i32>> {
        if self.buckets == 1 || self.key.is_empty() {
            return Ok(vec![0; rows.num_rows()]);
        }
        if self.function == BucketFunctionType::Mod {
            return mod_buckets(rows.column(self.key[0]), self.buckets);
        }
        let codes = batch_hash_codes(rows, &self.key, fields).map_err(lake_error)?;
        Ok(codes.into_iter().map(|h| (h % self.buckets).wrapping_abs()).collect())
    }
}

/// The `mod` bucket function: NULL goes to bucket 0.
fn mod_buckets(column: &ArrayRef, buckets: i32) -> Result<Vec<i32>> {
    let value = |i: usize| -> Option<i64> {
        if column.is_null(i) {
            return Some(0);
        }
        match column.data_type() {
            ArrowType::Int32 => Some(column.as_primitive::<Int32Type>().value(i).into()),
            ArrowType::Int64 => Some(column.as_primitive::<Int64Type>().value(i)),
            _ => None,
        }
    };
    (0..column.len())
        .map(|i| {
            value(i).map(|v| v.rem_euclid(i64::from(buckets)) as i32).ok_or_else(|| {
                Error::option("'bucket-function.type' = 'mod' needs one INT or BIGINT bucket key")
            })
        })
        .collect()
}

impl SinkPartitioner for BucketPartitioner {
    fn route(&self, batch: &ChangeBatch, parallelism: usize, out: &mut Vec<u32>) -> Result<()> {
        let n = parallelism.max(1) as u64;
        if n == 1 {
            out.resize(out.len() + batch.len(), 0);
            return Ok(());
        }
        let rows = self.needed(batch)?;
        let fields: Vec<DataField> = self.columns.iter().map(|(_, f)| f.clone()).collect();
        let buckets = self.buckets(&rows, &fields)?;
        if self.partition.is_empty() {
            out.extend(buckets.into_iter().map(|b| (b as u64 % n) as u32));
            return Ok(());
        }
        let partitions =
            batch_to_serialized_bytes(&rows, &self.partition, &fields).map_err(lake_error)?;
        for (partition, bucket) in partitions.iter().zip(buckets) {
            let mut hasher = DefaultHasher::new();
            partition.hash(&mut hasher);
            out.push(((hasher.finish() % n + bucket as u64) % n) as u32);
        }
        Ok(())
    }
}
