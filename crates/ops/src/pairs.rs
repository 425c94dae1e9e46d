//! Joined rows from encoded rows of both sides, for the joins that keep both
//! sides' rows until event time allows to match them.

use std::sync::Arc;

use arrow::array::Array;
use arrow::datatypes::SchemaRef;
use weir_core::batch::TARGET_ROWS;
use weir_core::{ChangeBatch, Result, Schema};
use weir_functions::{EvalContext, Expr};
use weir_runtime::Out;
use weir_state::{RowCodec, RowDecoder};

use crate::program::Predicate;
use crate::util::batch_of;

/// Both sides' codecs and the residual predicate.
pub struct Pairs {
    pub codecs: [RowCodec; 2],
    condition: Option<Predicate>,
    joined: SchemaRef,
    schema: SchemaRef,
    context: EvalContext,
}

impl Pairs {
    /// For rows of the two inputs.
    pub fn new(
        inputs: [&Schema; 2],
        output: &Schema,
        condition: Option<&Expr>,
        context: EvalContext,
    ) -> Result<Self> {
        let mut fields = inputs[0].fields.clone();
        fields.extend(inputs[1].fields.iter().cloned());
        Ok(Self {
            codecs: [RowCodec::new(inputs[0]), RowCodec::new(inputs[1])],
            condition: condition.map(Predicate::new).transpose()?,
            joined: Schema::new(fields).to_arrow(),
            schema: output.to_arrow(),
            context,
        })
    }

    /// Which pairs pass the residual predicate.
    pub fn passing(&self, pairs: &[(&[u8], &[u8])]) -> Result<Vec<bool>> {
        let Some(condition) = &self.condition else { return Ok(vec![true; pairs.len()]) };
        let mut mask = Vec::with_capacity(pairs.len());
        for chunk in pairs.chunks(TARGET_ROWS) {
            let mut columns = self.codecs[0].decode(chunk.iter().map(|p| p.0))?;
            columns.extend(self.codecs[1].decode(chunk.iter().map(|p| p.1))?);
            let joined = Arc::clone(&self.joined);
            let rows = ChangeBatch::from_columns(joined, columns, chunk.len(), None)?;
            let passed = condition.eval(&rows.rows, &self.context)?;
            mask.extend((0..chunk.len()).map(|i| passed.is_valid(i) && passed.value(i)));
        }
        Ok(mask)
    }

    /// Starts to collect output.
    pub fn output(&self) -> PairOut {
        PairOut {
            sides: [self.codecs[0].decoder(64), self.codecs[1].decoder(64)],
            kinds: Vec::new(),
            schema: Arc::clone(&self.schema),
        }
    }
}

/// Collects joined rows; None is a side padded with NULLs.
pub struct PairOut {
    sides: [RowDecoder; 2],
    kinds: Vec<u8>,
    schema: SchemaRef,
}

impl PairOut {
    /// Adds a row.
    pub fn push(&mut self, left: Option<&[u8]>, right: Option<&[u8]>, kind: u8) -> Result<()> {
        for (side, row) in self.sides.iter_mut().zip([left, right]) {
            match row {
                Some(row) => side.push(row)?,
                None => side.push_null(),
            }
        }
        self.kinds.push(kind);
        Ok(())
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// Emits what was collected, columns of the left side only if the output has no others.
    pub fn emit(self, out: &mut Out) -> Result<()> {
        if self.kinds.is_empty() {
            return Ok(());
        }
        let [left, right] = self.sides;
        let mut columns = left.finish()?;
        columns.extend(right.finish()?);
        columns.truncate(self.schema.fields().len());
        out.data(batch_of(&self.schema, columns, self.kinds)?);
        Ok(())
    }
}
