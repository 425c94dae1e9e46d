//! The checkpoint coordinator as a pure state machine: facts in, commands out. It does
//! no IO and reads no clock, so that every interleaving and every crash point is a
//! unit test.
//!
//! The oldest checkpoint in flight goes through these phases:
//! *idle* -> `Inject` -> *collecting* seals (`Store` them) -> `Decide` -> *deciding* ->
//! `Commit` -> *committing* -> idle. A checkpoint that fails or takes too long is given
//! up: what sinks prepared for it is carried to the next one, which seals in full.
//!
//! Where the policy lets several be in flight, younger ones collect seals behind it, and are
//! given up with it: their seals may be deltas on what it sealed. Savepoints and requests
//! wait until nothing is in flight.
//!
//! An instance whose input has ended sends one last seal, which counts from its epoch
//! on. When all have ended, one final decision (kind `Finished`) ends the job.

use std::collections::{BTreeMap, VecDeque};

use weir_runtime::{Barrier, Cost};

use super::facts::*;
use super::history::{CheckpointStats, CheckpointStatus, History, summarise};
use super::instance::{Ack, Instance, Run};
use super::manifest::{Blob, InstanceState, ManifestKind, RunRef};

/// Runs in a chain before the next checkpoint seals in full.
const LONGEST_CHAIN: usize = 24;

#[derive(Debug)]
enum Phase {
    Idle,
    Collecting(Flight),
    Deciding(Flight),
    Committing(Flight),
    Over,
}

#[derive(Debug)]
struct Flight {
    epoch: u64,
    kind: ManifestKind,
    request: Option<Request>,
    started: Millis,
    costs: Vec<Cost>,
    stats: CheckpointStats,
}

impl Flight {
    fn stops(&self) -> bool {
        self.request.as_ref().is_some_and(|r| r.stop)
    }
}

/// Decides about the checkpoints of one run of a job.
#[derive(Debug)]
pub struct Coordinator {
    policy: Policy,
    instances: BTreeMap<InstanceId, Instance>,
    /// Of the oldest flight.
    phase: Phase,
    /// Younger flights, oldest first; empty when idle.
    behind: VecDeque<Flight>,
    /// The last number given to a barrier.
    epoch: u64,
    requests: VecDeque<Request>,
    last_trigger: Millis,
    last_end: Millis,
    failures_in_a_row: u32,
    full: bool,
    ended: bool,
    /// What happened to the checkpoints so far.
    pub history: History,
}

impl Coordinator {
    /// For a job whose earlier checkpoints went up to `epoch`.
    pub fn new(
        policy: Policy,
        instances: impl IntoIterator<Item = InstanceId>,
        epoch: u64,
        now: Millis,
    ) -> Self {
        let instance = |id: InstanceId| {
            let state = InstanceState { subtask: id.1, ..InstanceState::default() };
            (id, Instance { state, ..Instance::default() })
        };
        Self {
            policy,
            instances: instances.into_iter().map(instance).collect(),
            phase: Phase::Idle,
            behind: VecDeque::new(),
            epoch,
            requests: VecDeque::new(),
            last_trigger: now,
            last_end: now,
            failures_in_a_row: 0,
            full: true,
            ended: false,
            history: History::default(),
        }
    }

    /// Takes a fact; returns what is to be done now, in this order.
    pub fn handle(&mut self, fact: Fact, now: Millis) -> Vec<Command> {
        let mut out = Vec::new();
        match fact {
            Fact::Tick => {}
            Fact::Sealed(sealed) => self.sealed(sealed, now, &mut out),
            Fact::Stored { id, epoch, run } => self.stored(id, epoch, run),
            Fact::StoreFailed { epoch, error } => {
                // A seal that is lost breaks the chain whatever checkpoint it was for.
                self.forget_awaited(epoch);
                self.full = true;
                let why = format!("state cannot be stored: {error}");
                if self.collecting().is_some_and(|f| f.epoch == epoch) {
                    self.give_up(why, now, &mut out);
                } else if let Some(at) = self.behind.iter().position(|f| f.epoch == epoch) {
                    self.give_up_behind(at, why, &mut out);
                }
            }
            Fact::Decided { epoch, written, state } => {
                self.decided(epoch, written, state, now, &mut out);
            }
            Fact::DecisionFailed { epoch, error } => {
                if matches!(&self.phase, Phase::Deciding(f) if f.epoch == epoch) {
                    self.give_up(format!("the manifest cannot be written: {error}"), now, &mut out);
                }
            }
            Fact::Committed { epoch } => self.committed(epoch, now, &mut out),
            Fact::Requested(request) => self.requests.push_back(request),
            Fact::Ended => self.ended = true,
        }
        self.advance(now, &mut out);
        out
    }

    /// Whether a checkpoint is in flight.
    pub fn in_flight(&self) -> bool {
        !matches!(self.phase, Phase::Idle | Phase::Over)
    }

    /// The number of the last barrier.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The flight that collects seals of a barrier.
    fn collecting_for(&mut self, epoch: u64) -> Option<&mut Flight> {
        let oldest = match &mut self.phase {
            Phase::Collecting(f) => Some(f),
            _ => None,
        };
        oldest.into_iter().chain(&mut self.behind).find(|f| f.epoch == epoch)
    }

    fn collecting(&self) -> Option<&Flight> {
        if let Phase::Collecting(f) = &self.phase { Some(f) } else { None }
    }

    fn sealed(&mut self, sealed: Sealed, now: Millis, out: &mut Vec<Command>) {
        let ended = |i: &Instance| i.state.finished || i.acks.iter().any(|a| a.finished);
        if self.instances.get(&sealed.id).is_none_or(ended) {
            // The same end once more, in answer to a barrier.
            return;
        }
        let mut savepoint = None;
        if let Some(f) = self.collecting_for(sealed.epoch) {
            f.costs.push(sealed.cost);
            f.stats.aligned = (now - f.started).max(0) as u64;
            savepoint = f.request.as_ref().and_then(|r| r.savepoint.clone());
        }
        let stores = self.policy.durable && !sealed.tables.is_empty();
        let Some(instance) = self.instances.get_mut(&sealed.id) else { return };
        instance.acks.push_back(Ack {
            epoch: sealed.epoch,
            finished: sealed.finished,
            positions: sealed.positions.into_iter().map(Blob).collect(),
            committables: sealed.committables,
            run: if stores { Run::Awaited } else { Run::None },
        });
        if stores {
            let savepoint = savepoint.filter(|_| !sealed.finished);
            let (id, epoch, tables) = (sealed.id, sealed.epoch, sealed.tables);
            out.push(Command::Store { id, epoch, savepoint, tables });
        }
    }

    fn stored(&mut self, id: InstanceId, epoch: u64, run: RunRef) {
        if let Some(f) = self.collecting_for(epoch) {
            f.stats.written += run.bytes();
        }
        let Some(instance) = self.instances.get_mut(&id) else { return };
        for ack in instance.acks.iter_mut().filter(|a| a.epoch == epoch) {
            if matches!(ack.run, Run::Awaited) {
                ack.run = Run::Stored(run);
                return;
            }
        }
    }

    fn forget_awaited(&mut self, epoch: u64) {
        let acks = self.instances.values_mut().flat_map(|i| &mut i.acks);
        for ack in acks.filter(|a| a.epoch == epoch && matches!(a.run, Run::Awaited)) {
            ack.run = Run::None;
        }
    }

    fn decided(
        &mut self,
        epoch: u64,
        written: u64,
        state: u64,
        now: Millis,
        out: &mut Vec<Command>,
    ) {
        let Phase::Deciding(_) = &self.phase else { return };
        let Phase::Deciding(mut flight) = std::mem::replace(&mut self.phase, Phase::Idle) else {
            return;
        };
        if flight.epoch != epoch {
            self.phase = Phase::Deciding(flight);
            return;
        }
        flight.stats.decided = (now - flight.started).max(0) as u64;
        flight.stats.written += written;
        flight.stats.state = state;
        self.commit(flight, now, out);
    }

    /// After the decision: sinks commit. A savepoint that does not stop the job leaves that
    /// to the next checkpoint.
    fn commit(&mut self, flight: Flight, now: Millis, out: &mut Vec<Command>) {
        let epoch = flight.epoch;
        if flight.kind == ManifestKind::Savepoint && !flight.stops() {
            self.full = true;
            self.complete(flight, now, out);
            return;
        }
        let mut committables: BTreeMap<usize, Vec<Vec<u8>>> = BTreeMap::new();
        for (&(node, _), instance) in &mut self.instances {
            let prepared = std::mem::take(&mut instance.prepared);
            if !prepared.is_empty() {
                committables.entry(node).or_default().extend(prepared);
            }
        }
        self.phase = Phase::Committing(flight);
        out.push(Command::Commit { epoch, committables });
    }

    fn committed(&mut self, epoch: u64, now: Millis, out: &mut Vec<Command>) {
        if !matches!(&self.phase, Phase::Committing(f) if f.epoch == epoch) {
            return;
        }
        if let Phase::Committing(flight) = std::mem::replace(&mut self.phase, Phase::Idle) {
            out.push(Command::Completed { epoch });
            self.complete(flight, now, out);
        }
    }

    fn complete(&mut self, flight: Flight, now: Millis, out: &mut Vec<Command>) {
        self.phase = Phase::Idle;
        self.failures_in_a_row = 0;
        self.last_end = now;
        self.history.add(flight.stats.clone());
        if let Some(request) = &flight.request {
            out.push(Command::Answer { id: request.id, result: Ok(()) });
        }
        if flight.kind == ManifestKind::Finished {
            self.over(Command::Finish, "the job has ended", out);
        } else if flight.stops() {
            self.over(Command::Stop, "the job has stopped", out);
        }
    }

    fn over(&mut self, last: Command, why: &str, out: &mut Vec<Command>) {
        self.phase = Phase::Over;
        for request in self.requests.drain(..) {
            out.push(Command::Answer { id: request.id, result: Err(why.to_owned()) });
        }
        out.push(last);
    }

    fn give_up(&mut self, why: String, now: Millis, out: &mut Vec<Command>) {
        let phase = std::mem::replace(&mut self.phase, Phase::Idle);
        let (Phase::Collecting(mut flight) | Phase::Deciding(mut flight)) = phase else {
            self.phase = phase;
            return;
        };
        self.last_end = now;
        self.full = true;
        self.failures_in_a_row += 1;
        self.drop_behind(0, &format!("checkpoint {} failed", flight.epoch));
        flight.stats.status = CheckpointStatus::Failed;
        flight.stats.failure = Some(why.clone());
        self.history.add(flight.stats.clone());
        let what = format!("checkpoint {} failed: {why}", flight.epoch);
        if let Some(request) = flight.request {
            out.push(Command::Answer { id: request.id, result: Err(what.clone()) });
            // Sources have halted behind a stopping barrier: only a restart wakes them.
            if !request.stop {
                return;
            }
            self.phase = Phase::Over;
            out.push(Command::Fail(what));
        } else if self.ended || self.failures_in_a_row > self.policy.tolerable_failures {
            self.fail(what, out);
        } else {
            out.push(Command::Notice(what));
        }
    }

    /// Gives up a younger flight and those behind it.
    fn give_up_behind(&mut self, at: usize, why: String, out: &mut Vec<Command>) {
        let what = format!("checkpoint {} failed: {why}", self.behind[at].epoch);
        self.full = true;
        self.failures_in_a_row += 1;
        self.drop_behind(at, &why);
        if self.failures_in_a_row > self.policy.tolerable_failures {
            self.fail(what, out);
        } else {
            out.push(Command::Notice(what));
        }
    }

    fn drop_behind(&mut self, at: usize, why: &str) {
        for mut flight in self.behind.drain(at..) {
            flight.stats.status = CheckpointStatus::Failed;
            flight.stats.failure = Some(why.to_owned());
            self.history.add(flight.stats);
        }
    }

    fn fail(&mut self, what: String, out: &mut Vec<Command>) {
        self.phase = Phase::Over;
        out.push(Command::Fail(format!(
            "{what}; 'execution.checkpointing.tolerable-failed-checkpoints' = {}",
            self.policy.tolerable_failures
        )));
    }

    /// Whatever can happen next without a further fact.
    fn advance(&mut self, now: Millis, out: &mut Vec<Command>) {
        if matches!(self.phase, Phase::Idle)
            && let Some(next) = self.behind.pop_front()
        {
            self.phase = Phase::Collecting(next);
        }
        if let Some(f) = self.collecting() {
            let epoch = f.epoch;
            let late = now - f.started >= self.policy.timeout.as_millis() as i64;
            if self.ended && f.request.as_ref().is_none_or(|r| r.savepoint.is_none()) {
                // The final decision covers everything that this one would.
                self.abandon_for_end(out);
            } else if self.instances.values().all(|i| i.ready(epoch)) {
                self.decide(now, out);
            } else if late {
                let seconds = self.policy.timeout.as_secs_f64();
                let why = format!("{} within {seconds} s", self.open(epoch));
                self.give_up(why, now, out);
            }
        }
        if matches!(self.phase, Phase::Idle) {
            if self.ended {
                self.end(now, out);
            } else if let Some(request) = self.requests.pop_front() {
                self.trigger(Some(request), now, out);
            } else if self.due(now) {
                self.trigger(None, now, out);
            }
        } else if self.may_overlap() && self.due(now) {
            self.trigger(None, now, out);
        }
    }

    /// Whether a checkpoint may start while others are in flight.
    fn may_overlap(&self) -> bool {
        let oldest = match &self.phase {
            Phase::Collecting(f) | Phase::Deciding(f) | Phase::Committing(f) => f,
            Phase::Idle | Phase::Over => return false,
        };
        let plain = oldest.kind == ManifestKind::Checkpoint && oldest.request.is_none();
        // A pause between two is none where they overlap.
        plain
            && !self.ended
            && self.requests.is_empty()
            && self.policy.min_pause.is_zero()
            && self.behind.len() + 1 < self.policy.max_concurrent
    }

    fn due(&self, now: Millis) -> bool {
        self.policy.interval.is_some_and(|interval| {
            now - self.last_trigger >= interval.as_millis() as i64
                && now - self.last_end >= self.policy.min_pause.as_millis() as i64
        })
    }

    fn flight(&mut self, kind: ManifestKind, request: Option<Request>, now: Millis) -> Flight {
        self.epoch += 1;
        self.last_trigger = now;
        let stats = CheckpointStats {
            epoch: self.epoch,
            status: CheckpointStatus::Completed,
            savepoint: kind == ManifestKind::Savepoint,
            triggered: now,
            aligned: 0,
            decided: 0,
            written: 0,
            state: 0,
            alignment_p99: 0,
            seal_max: 0,
            failure: None,
        };
        Flight { epoch: self.epoch, kind, request, started: now, costs: Vec::new(), stats }
    }

    fn trigger(&mut self, request: Option<Request>, now: Millis, out: &mut Vec<Command>) {
        let stop = request.as_ref().is_some_and(|r| r.stop);
        let savepoint = request.as_ref().is_some_and(|r| r.savepoint.is_some());
        let kind = if savepoint { ManifestKind::Savepoint } else { ManifestKind::Checkpoint };
        let longest = self.instances.values().map(|i| i.state.runs.len()).max().unwrap_or(0);
        let full = std::mem::take(&mut self.full) || longest >= LONGEST_CHAIN;
        let flight = self.flight(kind, request, now);
        let epoch = flight.epoch;
        let oldest = match &self.phase {
            Phase::Collecting(f) => f.epoch,
            _ => self.behind.front().map_or(epoch, |f| f.epoch),
        };
        let barrier = match savepoint {
            true => Barrier::savepoint(epoch, stop),
            false => Barrier { stop, oldest, ..Barrier::checkpoint(epoch, full) },
        };
        match self.phase {
            Phase::Idle => self.phase = Phase::Collecting(flight),
            _ => self.behind.push_back(flight),
        }
        out.push(Command::Inject(barrier));
    }

    fn abandon_for_end(&mut self, out: &mut Vec<Command>) {
        self.behind.clear();
        if let Phase::Collecting(f) = std::mem::replace(&mut self.phase, Phase::Idle)
            && let Some(request) = f.request
        {
            let result = Err("the job has ended".to_owned());
            out.push(Command::Answer { id: request.id, result });
        }
    }

    /// The last decision, once the last seals are stored.
    fn end(&mut self, now: Millis, out: &mut Vec<Command>) {
        if self.instances.values().flat_map(|i| &i.acks).any(|a| matches!(a.run, Run::Awaited)) {
            return;
        }
        let flight = self.flight(ManifestKind::Finished, None, now);
        self.phase = Phase::Collecting(flight);
        self.decide(now, out);
    }

    fn decide(&mut self, now: Millis, out: &mut Vec<Command>) {
        let Phase::Collecting(mut flight) = std::mem::replace(&mut self.phase, Phase::Idle) else {
            return;
        };
        let savepoint = flight.kind == ManifestKind::Savepoint;
        (flight.stats.alignment_p99, flight.stats.seal_max) = summarise(&flight.costs);
        let mut nodes: BTreeMap<usize, Vec<InstanceState>> = BTreeMap::new();
        for (&(node, _), instance) in &mut self.instances {
            // The final decision covers seals of whatever epoch.
            let limit = if flight.kind == ManifestKind::Finished { u64::MAX } else { flight.epoch };
            let run = instance.fold(limit, savepoint);
            nodes.entry(node).or_default().push(instance.snapshot(run));
        }
        if !self.policy.durable {
            self.commit(flight, now, out);
            return;
        }
        out.push(Command::Decide(Decision {
            kind: flight.kind,
            epoch: flight.epoch,
            savepoint: flight.request.as_ref().and_then(|r| r.savepoint.clone()),
            stop: flight.stops(),
            nodes,
            stats: flight.stats.clone(),
        }));
        self.phase = Phase::Deciding(flight);
    }
}

mod waiting;

#[cfg(test)]
#[path = "coordinator_tests.rs"]
mod tests;
