//! Assigns watermarks with Flink's per-row effect.
//!
//! Flink raises the watermark with every row, forwards the row and emits the
//! watermark at once when it is more than `interval` ahead of the last one, else
//! by a timer. A batch is therefore cut behind rows that make a watermark due.
//!
//! Most cuts cannot be noticed and are left out: if every later row of the batch
//! is at least two milliseconds ahead of the watermark due here, no operator
//! downstream treats any of them as late, and none of them touches a window or
//! session that this watermark closes. The watermark is then emitted with the
//! next one, at the latest at the end of the batch. Plans that look at the
//! watermark itself (CURRENT_WATERMARK) ask for exact cuts.

use weir_core::{ChangeBatch, Result};
use weir_functions::{EvalContext, Expr};
use weir_runtime::{Barrier, Mark, Operator, Out, Seal, Step, TaskContext, now_ms};

use crate::program::Program;
use crate::util::{Times, restore_times, seal_times};

/// See the module.
pub struct WatermarkAssigner {
    rowtime: usize,
    watermark: Program,
    idle_timeout: i64,
    interval: i64,
    exact: bool,
    context: EvalContext,
    current: i64,
    emitted: i64,
    last_row: i64,
    idle: bool,
    next_emit: i64,
    /// After a restore: the operators below hear the watermark again before any row.
    repeat: bool,
}

impl WatermarkAssigner {
    /// Builds the operator.
    pub fn new(
        rowtime: usize,
        watermark: &Expr,
        idle_timeout: i64,
        interval: i64,
        exact: bool,
        context: EvalContext,
    ) -> Result<Self> {
        Ok(Self {
            rowtime,
            watermark: Program::new(watermark)?,
            idle_timeout,
            interval,
            exact,
            context,
            current: 0,
            emitted: 0,
            last_row: now_ms(),
            idle: false,
            next_emit: i64::MAX,
            repeat: false,
        })
    }

    fn repeat_restored(&mut self, out: &mut Out) {
        if std::mem::take(&mut self.repeat) && self.emitted > 0 {
            out.mark(Mark::Ts(self.emitted));
        }
    }

    fn advance(&mut self, to: i64, out: &mut Out) {
        if to > self.emitted {
            self.emitted = to;
            out.mark(Mark::Ts(to));
        }
    }

    /// Rows behind which the batch must be cut, with the watermark to emit there.
    fn cuts(&mut self, times: &Times, marks: &Times, rows: usize) -> Result<Vec<(usize, i64)>> {
        let mut due: Vec<(usize, i64)> = Vec::new();
        for row in 0..rows {
            times.need(row)?;
            if let Some(w) = marks.get(row) {
                self.current = self.current.max(w);
            }
            let last = due.last().map_or(self.emitted, |d| d.1);
            if self.current - last > self.interval {
                due.push((row + 1, self.current));
            }
        }
        if self.exact || due.is_empty() {
            return Ok(due);
        }
        // Walking backwards: the lowest time behind a cut decides whether it can be noticed.
        let mut kept = Vec::new();
        let mut lowest = i64::MAX;
        let mut row = rows;
        for (i, &(end, mark)) in due.iter().enumerate().rev() {
            while row > end {
                row -= 1;
                lowest = lowest.min(times.get(row).unwrap_or(i64::MIN));
            }
            if i + 1 == due.len() || lowest < mark.saturating_add(2) {
                kept.push((end, mark));
            }
        }
        kept.reverse();
        // The last one may wait for the end of the batch unless a row behind it would be late.
        if let Some(last) = kept.last_mut() {
            let behind = (last.0..rows).filter_map(|r| times.get(r)).min();
            if behind.is_none_or(|t| t >= last.1.saturating_add(2)) {
                last.0 = rows;
            }
        }
        Ok(kept)
    }
}

impl Operator for WatermarkAssigner {
    fn push(&mut self, _: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        if self.idle_timeout > 0 {
            self.last_row = now_ms();
        }
        self.repeat_restored(out);
        if std::mem::take(&mut self.idle) {
            out.mark(Mark::Active);
        }
        let times = Times::of(batch.column(self.rowtime))?;
        let marks = Times::of(&self.watermark.eval(&batch.rows, &self.context)?)?;
        let mut start = 0;
        for (end, mark) in self.cuts(&times, &marks, batch.len())? {
            out.data(batch.slice(start, end - start));
            self.advance(mark, out);
            start = end;
        }
        out.data(batch.slice(start, batch.len() - start));
        if self.current > self.emitted && self.next_emit == i64::MAX {
            self.next_emit = now_ms() + self.interval.max(1);
        }
        Ok(Step::Done)
    }

    fn watermark(&mut self, mark: Mark, out: &mut Out) -> Result<Step> {
        // Watermarks from above are replaced by our own; only the end counts.
        if mark == Mark::Ts(i64::MAX) {
            self.next_emit = i64::MAX;
            self.idle_timeout = 0;
            if std::mem::take(&mut self.idle) {
                out.mark(Mark::Active);
            }
            self.advance(i64::MAX, out);
        }
        Ok(Step::Done)
    }

    fn barrier(&mut self, _: &Barrier, seal: &mut Seal) -> Result<()> {
        // An instance that has ended tells nothing of event time.
        let ended = self.emitted == i64::MAX;
        let current = if ended { i64::MAX } else { self.current };
        seal_times(&[current, self.emitted], seal);
        Ok(())
    }

    fn restore(&mut self, seal: &Seal, _: &TaskContext) -> Result<()> {
        // The lowest of all instances'.
        let (mut current, mut emitted) = (i64::MIN, i64::MIN);
        if self.repeat {
            (current, emitted) = (self.current, self.emitted);
        }
        restore_times([&mut current, &mut emitted], seal);
        if current > i64::MIN {
            (self.current, self.emitted, self.repeat) = (current, emitted, true);
            self.next_emit = now_ms() + if current > emitted { self.interval.max(1) } else { 0 };
        }
        Ok(())
    }

    fn next_timer(&self) -> Option<i64> {
        if self.repeat {
            return Some(0);
        }
        let idle = self.idle_timeout > 0 && !self.idle;
        let idle_at = if idle { self.last_row + self.idle_timeout } else { i64::MAX };
        Some(idle_at.min(self.next_emit)).filter(|&t| t != i64::MAX)
    }

    fn on_timer(&mut self, now: i64, out: &mut Out) -> Result<Step> {
        self.repeat_restored(out);
        if now >= self.next_emit {
            self.next_emit = i64::MAX;
            self.advance(self.current, out);
        }
        if self.idle_timeout > 0 && !self.idle && now >= self.last_row + self.idle_timeout {
            self.idle = true;
            out.mark(Mark::Idle);
        }
        Ok(Step::Done)
    }
}
