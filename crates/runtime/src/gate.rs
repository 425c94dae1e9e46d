//! The input side of a pipeline: fair reading of its channels, watermark and
//! barrier alignment, re-assembly of small batches.

use std::collections::VecDeque;

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
    blocked: bool,
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
    barrier: Option<Barrier>,
    watermark: i64,
    idle: bool,
    ended: bool,
}

impl Gate {
    /// A gate over (input number, channel) pairs.
    pub fn new(channels: Vec<(usize, Receiver)>) -> Self {
        let channels: Vec<Channel> = channels
            .into_iter()
            .map(|(input, receiver)| Channel {
                receiver,
                input,
                watermark: i64::MIN,
                idle: false,
                blocked: false,
                ended: false,
            })
            .collect();
        Self {
            channels,
            cursor: 0,
            ready: VecDeque::new(),
            barrier: None,
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
                if c.blocked || c.ended { None } else { c.receiver.pop().map(|m| (i, m)) }
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
                    self.channels[i].blocked = true;
                    self.barrier = Some(barrier);
                    self.release_barrier();
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
            if c.input != input || c.blocked || c.ended {
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

    fn release_barrier(&mut self) {
        if !self.channels.iter().all(|c| c.blocked || c.ended) {
            return;
        }
        if let Some(barrier) = self.barrier.take() {
            for c in &mut self.channels {
                c.blocked = false;
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
    use crate::message::BarrierKind;

    fn pair() -> (Sender, Receiver) {
        channel(1 << 20, Arc::new(Wake::default()), Arc::new(Wake::default()))
    }

    fn data(x: i64) -> Message {
        let a: ArrayRef = Arc::new(Int64Array::from(vec![x]));
        Message::Data(ChangeBatch::inserts(RecordBatch::try_from_iter([("x", a)]).unwrap()))
    }

    fn barrier() -> Message {
        Message::Barrier(Barrier { epoch: 1, kind: BarrierKind::Checkpoint })
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
        let mut gate = Gate::new(vec![(0, ra), (1, rb)]);
        for m in [data(1), barrier(), data(2)] {
            a.send(m).unwrap();
        }
        b.send(data(3)).unwrap();
        assert_eq!(all(&mut gate), ["0:1 rows", "1:1 rows"]);
        b.send(barrier()).unwrap();
        assert_eq!(all(&mut gate), ["barrier", "0:1 rows"]);
    }

    #[test]
    fn an_ended_channel_does_not_hold_barriers() {
        let ((a, ra), (b, rb)) = (pair(), pair());
        let mut gate = Gate::new(vec![(0, ra), (0, rb)]);
        a.send(barrier()).unwrap();
        b.send(Message::End).unwrap();
        a.send(Message::End).unwrap();
        assert_eq!(all(&mut gate), ["barrier", "Ts(9223372036854775807)", "end"]);
    }

    #[test]
    fn watermark_is_the_minimum_of_active_inputs() {
        let ((a, ra), (b, rb)) = (pair(), pair());
        let mut gate = Gate::new(vec![(0, ra), (1, rb)]);
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
        let mut gate = Gate::new(vec![(0, ra), (0, rb)]);
        for x in 0..3 {
            a.send(data(x)).unwrap();
            b.send(data(x)).unwrap();
        }
        assert_eq!(all(&mut gate), ["0:6 rows"]);
    }
}
