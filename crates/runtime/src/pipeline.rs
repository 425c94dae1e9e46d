//! How events move through one pipeline: an explicit stack of frames instead of
//! nested calls, so that a full channel or a long emission can stop anywhere and
//! go on later, with nothing queued but what one call emitted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use weir_core::batch::TARGET_ROWS;
use weir_core::{ChangeBatch, Result};

use crate::exchange::ExchangeWriter;
use crate::gate::{Gate, SMALL_ROWS};
use crate::message::{Barrier, BarrierKind, Mark, Message};
use crate::metrics::NodeMetrics;
use crate::operator::{Operator, Out, Seal, SourcePoll, SourceTask, Step};
use crate::report::{Cost, Reporter};
use crate::time::now_ms;

/// Head events handled before other pipelines of the worker get their turn.
const BUDGET: usize = 4;

/// Where events of a pipeline come from.
pub(crate) enum Head {
    Source { task: Box<dyn SourceTask>, not_before: Option<Instant> },
    Gate(Gate),
}

#[derive(Clone, Copy)]
pub(crate) enum Target {
    Stage(usize),
    Exchange(usize),
}

/// One node instance in a pipeline.
pub(crate) struct Stage {
    pub node: usize,
    pub name: String,
    /// None for a source.
    pub operator: Option<Box<dyn Operator>>,
    pub targets: Vec<Target>,
    pub out: Out,
    pub metrics: Arc<NodeMetrics>,
    /// Small batches waiting to be joined, in front of operators that want full ones.
    pub held: Vec<ChangeBatch>,
    pub held_rows: usize,
}

enum Frame {
    Deliver { stage: usize, input: usize, message: Message },
    More { stage: usize },
    Emit { stage: usize, messages: VecDeque<Message>, target: usize },
    Flush { exchange: usize },
    Seal { stage: usize, barrier: Barrier },
}

/// What a turn of a pipeline came to.
pub(crate) enum Turn {
    /// Did something; there may be more.
    Progress,
    /// Waits for credit of a channel.
    Blocked,
    /// Waits for input, at most this long if known.
    Idle(Option<Duration>),
    /// All is done.
    Finished,
}

/// A tree of fused operators in one worker.
pub(crate) struct Pipeline {
    pub head: Head,
    pub stages: Vec<Stage>,
    pub exchanges: Vec<ExchangeWriter>,
    pub reporter: Reporter,
    stack: Vec<Frame>,
    ended: bool,
    /// Barriers to be emitted, oldest first.
    barriers: VecDeque<Barrier>,
    /// A stopping barrier has left the source: nothing comes after it.
    halted: bool,
    /// Last epoch that all stages sealed or that was answered by `finished`.
    pub sealed_epoch: u64,
    /// Stage that runs at the moment, for panics.
    pub current: usize,
}

impl Pipeline {
    pub fn new(
        head: Head,
        stages: Vec<Stage>,
        exchanges: Vec<ExchangeWriter>,
        reporter: Reporter,
        sealed_epoch: u64,
    ) -> Self {
        Self {
            head,
            stages,
            exchanges,
            reporter,
            stack: Vec::new(),
            ended: false,
            barriers: VecDeque::new(),
            halted: false,
            sealed_epoch,
            current: 0,
        }
    }

    /// Asks a source pipeline to emit a barrier between two batches.
    pub fn request_barrier(&mut self, barrier: Barrier) {
        if matches!(self.head, Head::Source { .. }) {
            self.barriers.retain(|b| b.epoch >= barrier.oldest);
            self.barriers.push_back(barrier);
        }
    }

    /// The positions reported so far are durable.
    pub fn completed(&mut self) -> Result<()> {
        match &mut self.head {
            Head::Source { task, .. } => task.completed(),
            Head::Gate(_) => Ok(()),
        }
    }

    /// Runs until the budget is used, a channel is full, or there is no input.
    pub fn run(&mut self) -> Result<Turn> {
        let mut progressed = false;
        let mut pulled = 0;
        loop {
            while let Some(frame) = self.stack.pop() {
                if !self.step(frame)? {
                    return Ok(if progressed { Turn::Progress } else { Turn::Blocked });
                }
                progressed = true;
            }
            if self.ended {
                return Ok(Turn::Finished);
            }
            let timer = self.due_timer()?;
            if !self.stack.is_empty() {
                continue;
            }
            if pulled == BUDGET {
                return Ok(Turn::Progress);
            }
            pulled += 1;
            let wait = self.pull()?;
            if self.stack.is_empty() && !self.release_held()? {
                if progressed {
                    return Ok(Turn::Progress);
                }
                return Ok(Turn::Idle(wait.into_iter().chain(timer).min()));
            }
        }
    }

    /// Calls the operator whose timer is due; else the time until the next one.
    fn due_timer(&mut self) -> Result<Option<Duration>> {
        let mut next: Option<(i64, usize)> = None;
        for (i, s) in self.stages.iter().enumerate() {
            if let Some(t) = s.operator.as_ref().and_then(|o| o.next_timer()) {
                next = Some(next.map_or((t, i), |n| n.min((t, i))));
            }
        }
        let Some((time, stage)) = next else { return Ok(None) };
        let now = now_ms();
        if time > now {
            return Ok(Some(Duration::from_millis((time - now) as u64)));
        }
        self.deliver_held(stage)?;
        self.call(stage, |op, out| op.on_timer(now, out))?;
        Ok(Some(Duration::ZERO))
    }

    /// Takes one event from the head; if there is none, the time to wait if known.
    fn pull(&mut self) -> Result<Option<Duration>> {
        match &mut self.head {
            Head::Gate(gate) => {
                if let Some(event) = gate.next()? {
                    self.ended = matches!(event.message, Message::End);
                    let (input, message) = (event.input, event.message);
                    self.stack.push(Frame::Deliver { stage: 0, input, message });
                }
                Ok(None)
            }
            Head::Source { task, not_before } => {
                if let Some(barrier) = self.barriers.pop_front() {
                    let start = Instant::now();
                    let seal = Seal { positions: task.position()?, ..Seal::default() };
                    let cost = Cost { alignment: Duration::ZERO, seal: start.elapsed() };
                    self.reporter.send(self.stages[0].node, barrier, seal, cost, false);
                    self.sealed_epoch = barrier.epoch;
                    self.halted |= barrier.stop;
                    self.emit(0, [Message::Barrier(barrier)]);
                    return Ok(None);
                }
                if self.halted {
                    return Ok(None);
                }
                let start = Instant::now();
                if let Some(left) = not_before.and_then(|t| t.checked_duration_since(start))
                    && !left.is_zero()
                {
                    return Ok(Some(left));
                }
                *not_before = None;
                self.current = 0;
                let stage = &self.stages[0];
                let polled = task.poll().map_err(|e| e.context(stage.name.clone()))?;
                stage.metrics.busy_nanos.fetch_add(start.elapsed().as_nanos() as u64, Relaxed);
                match polled {
                    SourcePoll::Batch(batch) if batch.is_empty() => Ok(Some(Duration::ZERO)),
                    SourcePoll::Batch(batch) => {
                        self.emit(0, [Message::Data(batch)]);
                        Ok(None)
                    }
                    SourcePoll::Pending(wait) => {
                        *not_before = Some(start + wait);
                        Ok(Some(wait))
                    }
                    SourcePoll::End => {
                        self.ended = true;
                        let seal = Seal { positions: task.position()?, ..Seal::default() };
                        let barrier = self.final_barrier();
                        let node = self.stages[0].node;
                        self.reporter.send(node, barrier, seal, Cost::default(), true);
                        self.emit(0, [Message::Mark(Mark::Ts(i64::MAX)), Message::End]);
                        Ok(None)
                    }
                }
            }
        }
    }

    fn final_barrier(&self) -> Barrier {
        Barrier::end_of_input(self.sealed_epoch + 1)
    }

    fn emit(&mut self, stage: usize, messages: impl IntoIterator<Item = Message>) {
        let messages = messages.into_iter().collect();
        self.stack.push(Frame::Emit { stage, messages, target: 0 });
    }

    /// Executes one frame; false if a channel is full (the frame stays on the stack).
    fn step(&mut self, frame: Frame) -> Result<bool> {
        match frame {
            Frame::Deliver { stage, input, message } => self.deliver(stage, input, message)?,
            Frame::More { stage } => self.call(stage, |op, out| op.more(out))?,
            Frame::Emit { stage, messages, target } => return self.route(stage, messages, target),
            Frame::Flush { exchange } => {
                if !self.exchanges[exchange].flush() {
                    self.stack.push(Frame::Flush { exchange });
                    return Ok(false);
                }
            }
            Frame::Seal { stage, barrier } => self.seal(stage, barrier)?,
        }
        Ok(true)
    }

    fn deliver(&mut self, stage: usize, input: usize, message: Message) -> Result<()> {
        let s = &mut self.stages[stage];
        match message {
            Message::Data(batch) => {
                s.metrics.rows_in.fetch_add(batch.len() as u64, Relaxed);
                s.metrics.batches_in.fetch_add(1, Relaxed);
                let wants = s.operator.as_ref().is_some_and(|o| o.wants_full_batches());
                if wants && stage > 0 && batch.len() < SMALL_ROWS {
                    s.held_rows += batch.len();
                    s.held.push(batch);
                    if s.held_rows >= TARGET_ROWS / 2 {
                        self.deliver_held(stage)?;
                    }
                    return Ok(());
                }
                if !s.held.is_empty() {
                    self.stack.push(Frame::Deliver { stage, input, message: Message::Data(batch) });
                    return self.deliver_held(stage);
                }
                self.call(stage, |op, out| op.push(input, batch, out))
            }
            control if !s.held.is_empty() => {
                self.stack.push(Frame::Deliver { stage, input, message: control });
                self.deliver_held(stage)
            }
            Message::Mark(mark) => {
                if let Mark::Ts(ts) = mark {
                    s.metrics.watermark.store(ts, Relaxed);
                }
                self.call(stage, |op, out| op.watermark(mark, out))
            }
            Message::Barrier(barrier) => {
                self.stack.push(Frame::Seal { stage, barrier });
                self.call(stage, |op, out| op.flush(out))
            }
            Message::End => {
                let barrier = self.final_barrier();
                self.stack.push(Frame::Seal { stage, barrier });
                self.call(stage, |op, out| op.finish(out))
            }
        }
    }

    fn deliver_held(&mut self, stage: usize) -> Result<()> {
        let s = &mut self.stages[stage];
        s.held_rows = 0;
        let parts = std::mem::take(&mut s.held);
        let Some(first) = parts.first() else { return Ok(()) };
        let batch = ChangeBatch::concat(&first.rows.schema(), &parts)?;
        self.call(stage, |op, out| op.push(0, batch, out))
    }

    /// Without input, held batches go on; true if there were any.
    fn release_held(&mut self) -> Result<bool> {
        let Some(stage) = self.stages.iter().position(|s| !s.held.is_empty()) else {
            return Ok(false);
        };
        self.deliver_held(stage)?;
        Ok(true)
    }

    fn seal(&mut self, stage: usize, barrier: Barrier) -> Result<()> {
        let s = &mut self.stages[stage];
        self.current = stage;
        let pieces = self.reporter.pieces(barrier, s.node);
        let mut seal = Seal { pieces, ..Seal::default() };
        let start = Instant::now();
        if let Some(op) = &mut s.operator {
            op.barrier(&barrier, &mut seal).map_err(|e| e.context(s.name.clone()))?;
        }
        seal.pieces = None;
        let alignment = match &self.head {
            Head::Gate(gate) => gate.alignment,
            Head::Source { .. } => Duration::ZERO,
        };
        let cost = Cost { alignment, seal: start.elapsed() };
        let node = s.node;
        let last = barrier.kind == BarrierKind::EndOfInput;
        self.reporter.send(node, barrier, seal, cost, last);
        if !last {
            self.sealed_epoch = barrier.epoch;
        }
        self.emit(stage, [if last { Message::End } else { Message::Barrier(barrier) }]);
        Ok(())
    }

    /// Calls an operator and schedules what it emitted.
    fn call(
        &mut self,
        stage: usize,
        f: impl FnOnce(&mut dyn Operator, &mut Out) -> Result<Step>,
    ) -> Result<()> {
        self.current = stage;
        let s = &mut self.stages[stage];
        let Some(op) = &mut s.operator else { return Ok(()) };
        let start = Instant::now();
        let step = f(op.as_mut(), &mut s.out).map_err(|e| e.context(s.name.clone()))?;
        s.metrics.busy_nanos.fetch_add(start.elapsed().as_nanos() as u64, Relaxed);
        if step == Step::More {
            self.stack.push(Frame::More { stage });
        }
        if !s.out.queue.is_empty() {
            let messages = std::mem::take(&mut s.out.queue);
            self.stack.push(Frame::Emit { stage, messages, target: 0 });
        }
        Ok(())
    }

    /// Passes the first message on to the next target.
    fn route(
        &mut self,
        stage: usize,
        mut messages: VecDeque<Message>,
        target: usize,
    ) -> Result<bool> {
        let s = &self.stages[stage];
        let Some(message) = messages.front() else { return Ok(true) };
        if let (0, Message::Data(b)) = (target, message) {
            s.metrics.rows_out.fetch_add(b.len() as u64, Relaxed);
        }
        let last = target + 1 >= s.targets.len();
        let Some(&to) = s.targets.get(target) else {
            messages.pop_front();
            self.stack.push(Frame::Emit { stage, messages, target: 0 });
            return Ok(true);
        };
        let message = if last { messages.pop_front() } else { messages.front().cloned() };
        let Some(message) = message else { return Ok(true) };
        if !messages.is_empty() {
            let target = if last { 0 } else { target + 1 };
            self.stack.push(Frame::Emit { stage, messages, target });
        }
        match to {
            Target::Stage(stage) => self.stack.push(Frame::Deliver { stage, input: 0, message }),
            Target::Exchange(exchange) => {
                self.exchanges[exchange].offer(message)?;
                if !self.exchanges[exchange].flush() {
                    self.stack.push(Frame::Flush { exchange });
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Answers a barrier that will not pass any more because the pipeline has ended.
    pub fn answer_finished(&mut self, barrier: Barrier) {
        if barrier.epoch > self.sealed_epoch {
            self.sealed_epoch = barrier.epoch;
            for s in &self.stages {
                self.reporter.send(s.node, barrier, Seal::default(), Cost::default(), true);
            }
        }
    }
}
