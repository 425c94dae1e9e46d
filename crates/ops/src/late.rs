//! Drops rows whose window is over by their own input's event time.
//!
//! A window join sees the lower watermark of its inputs. Where both come from one
//! table, Flink reads that table once and both sides move in step; here each side
//! is read for itself, and this node keeps a side that is ahead from letting in
//! what the other would find late.

use weir_core::{ChangeBatch, DataType, Result, Schema};
use weir_runtime::{Barrier, Mark, Operator, Out, Seal, Step, TaskContext};

use crate::util::*;
use crate::window::Zone;

/// See the module.
pub struct DropLate {
    window_end: usize,
    zone: Zone,
    watermark: i64,
}

impl DropLate {
    /// Builds the operator; `zone` is the session's.
    pub fn new(window_end: usize, input: &Schema, zone: &str) -> Result<Self> {
        let time = input
            .fields
            .iter()
            .map(|f| &f.ty)
            .rfind(|t| t.time_attribute() != weir_core::TimeAttribute::None);
        let zone = Zone::of(time.unwrap_or(&DataType::timestamp(3)), zone)?;
        Ok(Self { window_end, zone, watermark: i64::MIN })
    }
}

impl Operator for DropLate {
    fn push(&mut self, _: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        let ends = Times::of(batch.column(self.window_end))?;
        let kept = (0..batch.len())
            .map(|i| Ok(self.zone.to_epoch(ends.need(i)? - 1) > self.watermark))
            .collect::<Result<Vec<bool>>>()?;
        let late = kept.iter().filter(|k| !**k).count();
        if late == 0 {
            out.data(batch);
        } else {
            out.count_late(late as u64);
            out.data(batch.filter(&kept.into())?);
        }
        Ok(Step::Done)
    }

    fn watermark(&mut self, mark: Mark, out: &mut Out) -> Result<Step> {
        if let Mark::Ts(ts) = mark {
            self.watermark = self.watermark.max(ts);
        }
        out.mark(mark);
        Ok(Step::Done)
    }

    fn barrier(&mut self, _: &Barrier, seal: &mut Seal) -> Result<()> {
        seal_times(&[self.watermark], seal);
        Ok(())
    }

    fn restore(&mut self, seal: &Seal, _: &TaskContext) -> Result<()> {
        restore_times([&mut self.watermark], seal);
        Ok(())
    }
}
