//! The unit of data: an Arrow batch with an optional row kind per row.
//!
//! Kinds stay outside the schema, so that projections and functions never see
//! them. There is no adjacency rule between -U and +U: operators treat
//! {-U, -D} as "minus" and {+I, +U} as "plus".

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::buffer::Buffer;
use arrow::compute;
use arrow::datatypes::SchemaRef;
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// How many rows an operator aims to put into one batch.
pub const TARGET_ROWS: usize = 8192;

/// Kind of a changelog row, with Flink's byte values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum RowKind {
    /// +I
    Insert = 0,
    /// -U, the old row of an update
    UpdateBefore = 1,
    /// +U, the new row of an update
    UpdateAfter = 2,
    /// -D
    Delete = 3,
}

impl RowKind {
    /// From Flink's byte value; other bytes do not occur.
    pub fn from_byte(byte: u8) -> Self {
        match byte {
            0 => RowKind::Insert,
            1 => RowKind::UpdateBefore,
            2 => RowKind::UpdateAfter,
            _ => RowKind::Delete,
        }
    }
    /// Whether the row adds (+I, +U) rather than takes away (-U, -D).
    pub fn is_plus(self) -> bool {
        matches!(self, RowKind::Insert | RowKind::UpdateAfter)
    }
    /// `+I`, `-U`, `+U`, `-D`
    pub fn symbol(self) -> &'static str {
        match self {
            RowKind::Insert => "+I",
            RowKind::UpdateBefore => "-U",
            RowKind::UpdateAfter => "+U",
            RowKind::Delete => "-D",
        }
    }
}

/// An Arrow batch with row kinds (absent = all +I).
#[derive(Debug, Clone)]
pub struct ChangeBatch {
    /// The user columns.
    pub rows: RecordBatch,
    /// One [`RowKind`] byte per row; `None` means insert-only.
    pub kinds: Option<Buffer>,
}

impl ChangeBatch {
    /// An insert-only batch.
    pub fn inserts(rows: RecordBatch) -> Self {
        Self { rows, kinds: None }
    }

    /// A batch with kinds; `kinds.len()` must be the row count. All-insert kinds are dropped.
    pub fn with_kinds(rows: RecordBatch, kinds: Vec<u8>) -> Self {
        debug_assert_eq!(rows.num_rows(), kinds.len());
        let kinds = kinds.iter().any(|&k| k != 0).then(|| Buffer::from_vec(kinds));
        Self { rows, kinds }
    }

    /// Builds a batch from columns, allowing zero columns.
    pub fn from_columns(
        schema: SchemaRef,
        columns: Vec<ArrayRef>,
        row_count: usize,
        kinds: Option<Buffer>,
    ) -> Result<Self> {
        let options = RecordBatchOptions::new().with_row_count(Some(row_count));
        let rows = RecordBatch::try_new_with_options(schema, columns, &options)?;
        Ok(Self { rows, kinds })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.num_rows()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Column by position.
    pub fn column(&self, index: usize) -> &ArrayRef {
        self.rows.column(index)
    }

    /// Kind of a row.
    pub fn kind(&self, row: usize) -> RowKind {
        self.kinds.as_ref().map_or(RowKind::Insert, |k| RowKind::from_byte(k[row]))
    }

    /// The kind bytes, if not insert-only.
    pub fn kind_bytes(&self) -> Option<&[u8]> {
        self.kinds.as_ref().map(|k| k.as_slice())
    }

    /// Whether every row is +I.
    pub fn is_insert_only(&self) -> bool {
        self.kinds.is_none()
    }

    /// Rows `offset .. offset + length`, without copying.
    #[must_use]
    pub fn slice(&self, offset: usize, length: usize) -> Self {
        Self {
            rows: self.rows.slice(offset, length),
            kinds: self.kinds.as_ref().map(|k| k.slice_with_length(offset, length)),
        }
    }

    /// The rows where `mask` is true (NULL counts as false).
    pub fn filter(&self, mask: &BooleanArray) -> Result<Self> {
        let rows = compute::filter_record_batch(&self.rows, mask)?;
        let kinds = self.kinds.as_ref().map(|k| {
            let kept = (0..mask.len())
                .filter(|&i| arrow::array::Array::is_valid(mask, i) && mask.value(i))
                .map(|i| k[i])
                .collect::<Vec<u8>>();
            Buffer::from_vec(kept)
        });
        Ok(Self { rows, kinds })
    }

    /// The rows at `indices`, in that order.
    pub fn take(&self, indices: &UInt32Array) -> Result<Self> {
        let columns = self
            .rows
            .columns()
            .iter()
            .map(|c| compute::take(c, indices, None))
            .collect::<Result<Vec<_>, _>>()?;
        let kinds = self.kinds.as_ref().map(|k| {
            Buffer::from_vec(indices.values().iter().map(|&i| k[i as usize]).collect::<Vec<u8>>())
        });
        Self::from_columns(self.rows.schema(), columns, indices.len(), kinds)
    }

    /// One batch with the rows of all; the schema is given for the empty case.
    pub fn concat(schema: &SchemaRef, batches: &[ChangeBatch]) -> Result<Self> {
        if let [one] = batches {
            return Ok(one.clone());
        }
        let rows: usize = batches.iter().map(ChangeBatch::len).sum();
        let columns = (0..schema.fields().len())
            .map(|c| {
                if batches.is_empty() {
                    return Ok(arrow::array::new_empty_array(schema.field(c).data_type()));
                }
                let parts: Vec<_> = batches.iter().map(|b| b.column(c).as_ref()).collect();
                compute::concat(&parts)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let kinds = batches.iter().any(|b| b.kinds.is_some()).then(|| {
            let mut all = Vec::with_capacity(rows);
            for b in batches {
                match b.kind_bytes() {
                    Some(k) => all.extend_from_slice(k),
                    None => all.resize(all.len() + b.len(), 0),
                }
            }
            Buffer::from_vec(all)
        });
        Self::from_columns(Arc::clone(schema), columns, rows, kinds)
    }

    /// Bytes held in memory, for channel bounds.
    pub fn memory_size(&self) -> usize {
        self.rows.get_array_memory_size() + self.kinds.as_ref().map_or(0, |k| k.len())
    }
}
