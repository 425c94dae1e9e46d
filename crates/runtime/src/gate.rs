//! The input side of a pipeline: fair reading of its channels, watermark and
//! barrier alignment, re-assembly of small batches.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use weir_core::batch::TARGET_ROWS;
use weir_core::{ChangeBatch, Result};

use crate::channel::Receiver;
use crate::message::{Barrier, Mark, Message};

/// Batches below this size are joined with what is queued behind them.
pub(crate) const SMALL_ROWS: usize = TARGET_ROWS / 8;

struct Channel {
    receiver: Receiver,
    input: usize,
    watermark: i64,
    idle: bool,
    /// Has delivered the current barrier.
    passed: bool,
    ended: bool,
}

/// What a gate hands to its pipeline, with the input number for data.
#[derive(Debug)]
pub(crate) struct GateEvent {
    pub input: usize,
    pub message: Message,
}

/// All channels into one pipeline head.
pub(crate) struct Gate {
    channels: Vec<Channel>,
    cursor: usize,
    ready: VecDeque<Message>,
    /// The barrier that some channels have delivered, and when the first did.
    barrier: Option<(Barrier, Instant)>,
    /// Channels that have delivered a barrier wait for the others (exactly once).
    aligned: bool,
    /// Time between the first and the last arrival of the barrier released last.
    pub alignment: Duration,
    watermark: i64,
    idle: bool,
    ended: bool,
}

impl Gate {
    /// A gate over (input number, channel) pairs. Without `aligned`, channels go on
    /// while a barrier is still missing on others: rows may count twice after a restore.
    pub fn new(channels: Vec<(usize, Receiver)>, aligned: bool) -> Self {
        let channels: Vec<Channel> = channels
            .into_iter()
            .map(|(input, receiver)| Channel {
                receiver,
                input,
                watermark: i64::MIN,
                idle: false,
                passed: false,
                ended: false,
            })
            .collect();
        Self {
            channels,
            cursor: 0,
            ready: VecDeque::new(),
            barrier: None,
            aligned,
            alignment: Duration::ZERO,
            watermark: i64::MIN,
            idle: false,
            ended: false,
        }
    }

    /// The next event, if some unblocked channel has one.
    pub fn next(&mut self) -> Result<Option<GateEvent>> {
        if self.channels.iter().all(|c| c.ended) && !self.ended {
            self.finish();
        }
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Ok(Some(GateEvent { input: 0, message }));
            }
            let n = self.channels.len();
            let found = (0..n).map(|i| (self.cursor + i) % n).find_map(|i| {
                let c = &self.channels[i];
                if self.waits(c) || c.ended { None } else { c.receiver.pop().map(|m| (i, m)) }
            });
            let Some((i, message)) = found else { return Ok(None) };
            match message {
                Message::Data(batch) => {
                    self.cursor = (i + 1) % n;
                    let batch = self.assemble(i, batch)?;
                    let input = self.channels[i].input;
                    return Ok(Some(GateEvent { input, message: Message::Data(batch) }));
                }
                Message::Mark(mark) => self.on_mark(i, mark),
                Message::Barrier(barrier) => {
                    self.on_barrier(i, barrier);
                }
                Message::End => {
                    self.channels[i].ended = true;
                    self.release_barrier();
                    self.merge_marks();
                    if self.channels.iter().all(|c| c.ended) {
                        self.finish();
                    }
                }
            }
        }
    }

    /// Adds queued small batches of the same channel, then of its input's other channels.
    fn assemble(&self, first: usize, batch: ChangeBatch) -> Result<ChangeBatch> {
        let mut rows = batch.len();
        if rows >= SMALL_ROWS {
            return Ok(batch);
        }
        let input = self.channels[first].input;
        let n = self.channels.len();
        let mut parts = vec![batch];
        for i in (0..n).map(|i| (first + i) % n) {
            let c = &self.channels[i];
            if c.input != input || self.waits(c) || c.ended {
                continue;
            }
            while let Some(Message::Data(more)) = c.receiver.pop_data(TARGET_ROWS - rows) {
                rows += more.len();
                parts.push(more);
            }
        }
        let schema = parts[0].rows.schema();
        ChangeBatch::concat(&schema, &parts)
    }

    fn on_mark(&mut self, channel: usize, mark: Mark) {
        let c = &mut self.channels[channel];
        match mark {
            Mark::Ts(ts) => {
                c.watermark = c.watermark.max(ts);
                c.idle = false;
            }
            Mark::Idle => c.idle = true,
            Mark::Active => c.idle = false,
        }
        self.merge_marks();
    }

    fn merge_marks(&mut self) {
        let waiting = self.channels.iter().filter(|c| !c.ended);
        let active = waiting.clone().filter(|c| !c.idle);
        match active.map(|c| c.watermark).min() {
            Some(ts) => {
                if self.idle {
                    self.idle = false;
                    self.ready.push_back(Message::Mark(Mark::Active));
                }
                self.advance(ts);
            }
            None if waiting.clone().next().is_some() && !self.idle => {
                // Nobody holds event time back any more: go as far as the inputs have come.
                let ts = waiting.map(|c| c.watermark).max().unwrap_or(i64::MIN);
                self.idle = true;
                self.advance(ts);
                self.ready.push_back(Message::Mark(Mark::Idle));
            }
            None => {}
        }
    }

    fn advance(&mut self, ts: i64) {
        if ts > self.watermark {
            self.watermark = ts;
            self.ready.push_back(Message::Mark(Mark::Ts(ts)));
        }
    }

    fn waits(&self, channel: &Channel) -> bool {
        self.aligned && channel.passed
    }

    /// A newer barrier replaces one that some sources have skipped because it was given up.
    fn on_barrier(&mut self, channel: usize, barrier: Barrier) {
        match &self.barrier {
            Some((current, _)) if current.epoch > barrier.epoch => return,
            Some((current, _)) if current.epoch == barrier.epoch => {}
            _ => {
                self.channels.iter_mut().for_each(|c| c.passed = false);
                self.barrier = Some((barrier, Instant::now()));
            }
        }
        self.channels[channel].passed = true;
        self.release_barrier();
    }

    fn release_barrier(&mut self) {
        if !self.channels.iter().all(|c| c.passed || c.ended) {
            return;
        }
        if let Some((barrier, since)) = self.barrier.take() {
            self.alignment = since.elapsed();
            for c in &mut self.channels {
                c.passed = false;
            }
            self.ready.push_back(Message::Barrier(barrier));
        }
    }

    fn finish(&mut self) {
        self.ended = true;
        self.advance(i64::MAX);
        self.ready.push_back(Message::End);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch};

    use super::*;
    use crate::channel::{Sender, Wake, channel};

    fn pair() -> (Sender, Receiver) {
        channel(1 << 20, Arc::new(Wake::default()), Arc::new(Wake::default()))
    }

    fn data(x: i64) -> Message {
        let a: ArrayRef = Arc::new(Int64Array::from(vec![x]));
        Message::Data(ChangeBatch::inserts(RecordBatch::try_from_iter([("x", a)]).unwrap()))
    }

    fn barrier() -> Message {
        Message::Barrier(Barrier::checkpoint(1, false))
    }

    fn all(gate: &mut Gate) -> Vec<String> {
        let mut out = Vec::new();
        while let Some(e) = gate.next().unwrap() {
            out.push(match e.message {
                Message::Data(b) => format!("{}:{} rows", e.input, b.len()),
                Message::Mark(m) => format!("{m:?}"),
                Message::Barrier(_) => "barrier".into(),
                Message::End => "end".into(),
            });
        }
        out
    }

    #[test]
    fn barriers_block_until_aligned() {
        let ((a, ra), (b, rb)) = (pair(), pair());
        let mut gate = Gate::new(vec![(0, ra), (1, rb)], true);
        for m in [data(1), barrier(), data(2)] {
            a.send(m).unwrap();
        }
        b.send(data(3)).unwrap();
        assert_eq!(all(&mut gate), ["0:1 rows", "1:1 rows"]);
        b.send(barrier()).unwrap();
        assert_eq!(all(&mut gate), ["barrier", "0:1 rows"]);
    }

    #[test]
    fn a_newer_barrier_replaces_one_that_was_given_up() {
        let ((a, ra), (b, rb)) = (pair(), pair());
        let mut gate = Gate::new(vec![(0, ra), (1, rb)], true);
        let second = || Message::Barrier(Barrier::checkpoint(2, true));
        for m in [barrier(), data(1), second()] {
            a.send(m).unwrap();
        }
        b.send(data(2)).unwrap();
        b.send(second()).unwrap();
        assert_eq!(all(&mut gate), ["1:1 rows", "0:1 rows", "barrier"]);
    }

    #[test]
    fn without_alignment_rows_pass() {
        let ((a, ra), (b, rb)) = (pair(), pair());
        let mut gate = Gate::new(vec![(0, ra), (1, rb)], false);
        for m in [barrier(), data(1)] {
            a.send(m).unwrap();
        }
        assert_eq!(all(&mut gate), ["0:1 rows"]);
        b.send(barrier()).unwrap();
        assert_eq!(all(&mut gate), ["barrier"]);
    }

    #[test]
    fn an_ended_channel_does_not_hold_barriers() {
        let ((a, ra), (b, rb)) = (pair(), pair());
        let mut gate = Gate::new(vec![(0, ra), (0, rb)], true);
        a.send(barrier()).unwrap();
        b.send(Message::End).unwrap();
        a.send(Message::End).unwrap();
        assert_eq!(all(&mut gate), ["barrier", "Ts(9223372036854775807)", "end"]);
    }

    #[test]
    fn watermark_is_the_minimum_of_active_inputs() {
        let ((a, ra), (b, rb)) = (pair(), pair());
        let mut gate = Gate::new(vec![(0, ra), (1, rb)], true);
        a.send(Message::Mark(Mark::Ts(10))).unwrap();
        assert!(all(&mut gate).is_empty());
        b.send(Message::Mark(Mark::Ts(5))).unwrap();
        assert_eq!(all(&mut gate), ["Ts(5)"]);
        b.send(Message::Mark(Mark::Idle)).unwrap();
        assert_eq!(all(&mut gate), ["Ts(10)"]);
        a.send(Message::Mark(Mark::Idle)).unwrap();
        assert_eq!(all(&mut gate), ["Idle"]);
        b.send(Message::Mark(Mark::Ts(20))).unwrap();
        assert_eq!(all(&mut gate), ["Active", "Ts(20)"]);
    }

    #[test]
    fn small_batches_are_assembled_within_an_input() {
        let ((a, ra), (b, rb)) = (pair(), pair());
        let mut gate = Gate::new(vec![(0, ra), (0, rb)], true);
        for x in 0..3 {
            a.send(data(x)).unwrap();
            b.send(data(x)).unwrap();
        }
        assert_eq!(all(&mut gate), ["0:6 rows"]);
    }
}
