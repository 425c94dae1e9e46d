use std::time::Duration;

use weir_state::SealedTable;

use super::super::facts::*;
use super::super::instance::prune;
use super::*;
use crate::checkpoint::manifest::{RunData, RunTable};

fn policy(durable: bool) -> Policy {
    Policy {
        interval: Some(Duration::from_millis(100)),
        timeout: Duration::from_secs(10),
        min_pause: Duration::ZERO,
        max_concurrent: 1,
        tolerable_failures: 1,
        durable,
    }
}

fn machine(durable: bool) -> Coordinator {
    Coordinator::new(policy(durable), [(0, 0), (1, 0)], 0, 0)
}

/// A source's seal.
fn source(epoch: u64, position: u8) -> Fact {
    Fact::Sealed(Sealed { id: (0, 0), epoch, positions: vec![vec![position]], ..Sealed::default() })
}

/// A sink's seal.
fn sink(epoch: u64, committable: u8) -> Fact {
    Fact::Sealed(Sealed {
        id: (1, 0),
        epoch,
        committables: vec![vec![committable]],
        ..Sealed::default()
    })
}

fn table(full: bool) -> SealedTable {
    SealedTable { name: "t".into(), version: 1, full, groups: vec![] }
}

fn stateful(epoch: u64) -> Fact {
    Fact::Sealed(Sealed { id: (1, 0), epoch, tables: vec![table(true)], ..Sealed::default() })
}

fn run(epoch: u64, full: bool) -> RunRef {
    RunRef {
        epoch,
        tables: vec![RunTable { name: "t".into(), version: 1, full, bytes: 1 }],
        data: RunData::Inline(Blob(vec![0])),
    }
}

fn ended(fact: Fact) -> Fact {
    let Fact::Sealed(s) = fact else { panic!() };
    Fact::Sealed(Sealed { finished: true, ..s })
}

fn names(commands: &[Command]) -> Vec<String> {
    commands
        .iter()
        .map(|c| match c {
            Command::Inject(b) => {
                format!("inject {}{}", b.epoch, if b.full { " full" } else { "" })
            }
            Command::Store { epoch, .. } => format!("store {epoch}"),
            Command::Decide(d) => format!("decide {} {:?}", d.epoch, d.kind),
            Command::Commit { epoch, committables } => {
                let all: Vec<u8> = committables.values().flatten().flatten().copied().collect();
                format!("commit {epoch} {all:?}")
            }
            Command::Completed { epoch } => format!("completed {epoch}"),
            Command::Notice(_) => "notice".into(),
            Command::Answer { result, .. } => format!("answer {}", result.is_ok()),
            Command::Stop => "stop".into(),
            Command::Finish => "finish".into(),
            Command::Fail(_) => "fail".into(),
        })
        .collect()
}

fn step(c: &mut Coordinator, fact: Fact, now: Millis) -> Vec<String> {
    names(&c.handle(fact, now))
}

fn decided(epoch: u64) -> Fact {
    Fact::Decided { epoch, written: 1, state: 1 }
}

#[test]
fn one_round_decides_before_it_commits() {
    let mut c = machine(true);
    assert!(step(&mut c, Fact::Tick, 99).is_empty());
    assert_eq!(step(&mut c, Fact::Tick, 100), ["inject 1 full"]);
    assert!(step(&mut c, source(1, 5), 101).is_empty());
    let out = c.handle(sink(1, 7), 102);
    let Command::Decide(d) = &out[0] else { panic!("{out:?}") };
    assert_eq!(d.nodes[&0][0].positions, [Blob(vec![5])]);
    assert_eq!(d.nodes[&1][0].committables, [Blob(vec![7])]);
    assert!(step(&mut c, Fact::Tick, 1000).is_empty(), "one in flight");
    assert_eq!(step(&mut c, decided(1), 1001), ["commit 1 [7]"]);
    // The next one seals only what has changed.
    assert_eq!(step(&mut c, Fact::Committed { epoch: 1 }, 1002), ["completed 1", "inject 2"]);
    assert_eq!(c.history.completed, 1);
    assert_eq!(c.history.last_completed().unwrap().decided, 901);
}

#[test]
fn without_storage_a_barrier_commits() {
    let mut c = machine(false);
    step(&mut c, Fact::Tick, 100);
    step(&mut c, source(1, 5), 101);
    assert_eq!(step(&mut c, sink(1, 7), 102), ["commit 1 [7]"]);
}

#[test]
fn the_decision_waits_for_stored_state() {
    let mut c = machine(true);
    step(&mut c, Fact::Tick, 100);
    step(&mut c, source(1, 5), 101);
    assert_eq!(step(&mut c, stateful(1), 102), ["store 1"]);
    let stored = Fact::Stored { id: (1, 0), epoch: 1, run: run(1, true) };
    assert_eq!(step(&mut c, stored, 103), ["decide 1 Checkpoint"]);
}

#[test]
fn a_late_checkpoint_is_given_up_and_its_commits_are_carried_on() {
    let mut c = machine(true);
    step(&mut c, Fact::Tick, 100);
    step(&mut c, sink(1, 7), 101);
    assert_eq!(step(&mut c, Fact::Tick, 10_100), ["notice", "inject 2 full"]);
    // The answer to the old barrier comes late.
    step(&mut c, source(1, 5), 10_101);
    step(&mut c, source(2, 6), 10_102);
    let out = c.handle(sink(2, 8), 10_103);
    let Command::Decide(d) = &out[0] else { panic!("{out:?}") };
    assert_eq!(d.nodes[&0][0].positions, [Blob(vec![6])]);
    assert_eq!(step(&mut c, decided(2), 10_104), ["commit 2 [7, 8]"]);
    assert_eq!(c.history.failed, 1);
}

#[test]
fn too_many_failures_in_a_row_fail_the_job() {
    let mut c = machine(true);
    step(&mut c, Fact::Tick, 100);
    assert_eq!(step(&mut c, Fact::Tick, 10_100), ["notice", "inject 2 full"]);
    assert_eq!(step(&mut c, Fact::Tick, 20_100), ["fail"]);
    assert!(step(&mut c, Fact::Tick, 90_000).is_empty());
}

#[test]
fn a_failed_decision_keeps_the_commits_for_the_next() {
    let mut c = machine(true);
    step(&mut c, Fact::Tick, 100);
    step(&mut c, source(1, 5), 101);
    step(&mut c, sink(1, 7), 102);
    let failed = Fact::DecisionFailed { epoch: 1, error: "disk full".into() };
    assert_eq!(step(&mut c, failed, 103), ["notice"]);
    assert_eq!(step(&mut c, Fact::Tick, 200), ["inject 2 full"]);
    step(&mut c, source(2, 6), 201);
    step(&mut c, sink(2, 8), 202);
    assert_eq!(step(&mut c, decided(2), 203), ["commit 2 [7, 8]"]);
}

#[test]
fn state_that_cannot_be_stored_gives_the_checkpoint_up() {
    let mut c = machine(true);
    step(&mut c, Fact::Tick, 100);
    step(&mut c, stateful(1), 102);
    let failed = Fact::StoreFailed { epoch: 1, error: "disk full".into() };
    assert_eq!(step(&mut c, failed, 103), ["notice"]);
    assert_eq!(step(&mut c, Fact::Tick, 200), ["inject 2 full"]);
}

#[test]
fn an_end_between_two_barriers_counts_from_the_second_on() {
    let mut c = machine(true);
    step(&mut c, Fact::Tick, 100);
    step(&mut c, source(1, 5), 101);
    // The source ends before the sink has answered the first barrier.
    step(&mut c, ended(source(2, 9)), 102);
    let out = c.handle(sink(1, 7), 103);
    let Command::Decide(d) = &out[0] else { panic!("{out:?}") };
    assert_eq!(d.nodes[&0][0].positions, [Blob(vec![5])]);
    assert!(!d.nodes[&0][0].finished);
    step(&mut c, decided(1), 104);
    step(&mut c, Fact::Committed { epoch: 1 }, 105);
    step(&mut c, Fact::Tick, 200);
    let out = c.handle(sink(2, 8), 201);
    let Command::Decide(d) = &out[0] else { panic!("{out:?}") };
    assert!(d.nodes[&0][0].finished);
    assert_eq!(d.nodes[&0][0].positions, [Blob(vec![9])]);
}

#[test]
fn the_end_is_decided_and_committed_once() {
    let mut c = machine(true);
    step(&mut c, ended(source(1, 9)), 10);
    assert!(step(&mut c, ended(sink(1, 7)), 11).is_empty());
    // A second report of the same end changes nothing.
    step(&mut c, ended(sink(1, 0)), 12);
    assert_eq!(step(&mut c, Fact::Ended, 13), ["decide 1 Finished"]);
    assert_eq!(step(&mut c, decided(1), 14), ["commit 1 [7]"]);
    assert_eq!(step(&mut c, Fact::Committed { epoch: 1 }, 15), ["completed 1", "finish"]);
}

#[test]
fn an_end_during_a_checkpoint_takes_its_place() {
    for durable in [false, true] {
        let mut c = machine(durable);
        step(&mut c, Fact::Tick, 100);
        step(&mut c, sink(1, 7), 101);
        step(&mut c, ended(source(1, 9)), 102);
        // In time the checkpoint is complete with the ended source.
        let next = if durable { "decide 1 Checkpoint" } else { "commit 1 [7]" };
        let mut d = machine(durable);
        step(&mut d, Fact::Tick, 100);
        step(&mut d, ended(source(1, 9)), 101);
        assert_eq!(step(&mut d, sink(1, 7), 102), [next]);
        // All have ended before anybody answers: only the final decision is made.
        let mut e = machine(durable);
        step(&mut e, Fact::Tick, 100);
        step(&mut e, Fact::Ended, 102);
        assert!(!e.history.entries().any(|h| h.failure.is_some()));
    }
}

#[test]
fn an_end_while_deciding_waits_for_that_decision() {
    let mut c = machine(true);
    step(&mut c, Fact::Tick, 100);
    step(&mut c, source(1, 5), 101);
    step(&mut c, sink(1, 7), 102);
    step(&mut c, ended(source(2, 9)), 103);
    step(&mut c, ended(sink(2, 8)), 104);
    assert!(step(&mut c, Fact::Ended, 105).is_empty());
    assert_eq!(step(&mut c, decided(1), 106), ["commit 1 [7]"]);
    let out = step(&mut c, Fact::Committed { epoch: 1 }, 107);
    assert_eq!(out, ["completed 1", "decide 2 Finished"]);
    assert_eq!(step(&mut c, decided(2), 108), ["commit 2 [8]"]);
}

#[test]
fn the_end_waits_for_stored_state() {
    let mut c = machine(true);
    step(&mut c, ended(source(1, 9)), 10);
    assert_eq!(step(&mut c, ended(stateful(1)), 11), ["store 1"]);
    assert!(step(&mut c, Fact::Ended, 12).is_empty());
    let stored = Fact::Stored { id: (1, 0), epoch: 1, run: run(1, true) };
    assert_eq!(step(&mut c, stored, 13), ["decide 1 Finished"]);
}

#[test]
fn a_savepoint_leaves_commits_to_the_next_checkpoint() {
    let mut c = machine(true);
    let request = Request { id: 1, savepoint: Some("/s".into()), stop: false };
    assert_eq!(step(&mut c, Fact::Requested(request), 1), ["inject 1 full"]);
    step(&mut c, source(1, 5), 2);
    assert_eq!(step(&mut c, sink(1, 7), 3), ["decide 1 Savepoint"]);
    assert_eq!(step(&mut c, decided(1), 4), ["answer true"]);
    assert_eq!(step(&mut c, Fact::Tick, 200), ["inject 2 full"]);
    step(&mut c, source(2, 6), 201);
    step(&mut c, sink(2, 8), 202);
    assert_eq!(step(&mut c, decided(2), 203), ["commit 2 [7, 8]"]);
}

#[test]
fn a_stopping_savepoint_commits_and_stops() {
    let mut c = machine(true);
    let request = Request { id: 1, savepoint: Some("/s".into()), stop: true };
    let out = c.handle(Fact::Requested(request), 1);
    assert!(matches!(&out[0], Command::Inject(b) if b.stop && b.full));
    step(&mut c, source(1, 5), 2);
    step(&mut c, sink(1, 7), 3);
    assert_eq!(step(&mut c, decided(1), 4), ["commit 1 [7]"]);
    let out = step(&mut c, Fact::Committed { epoch: 1 }, 5);
    assert_eq!(out, ["completed 1", "answer true", "stop"]);
    let late = Fact::Requested(Request { id: 2, savepoint: None, stop: false });
    assert!(!step(&mut c, late, 6).contains(&"inject 2".to_owned()));
}

#[test]
fn a_savepoint_does_not_continue_the_chain_of_runs() {
    let mut c = machine(true);
    let request = Request { id: 1, savepoint: Some("/s".into()), stop: false };
    step(&mut c, Fact::Requested(request), 1);
    step(&mut c, source(1, 5), 2);
    step(&mut c, stateful(1), 3);
    let out = c.handle(Fact::Stored { id: (1, 0), epoch: 1, run: run(1, true) }, 4);
    let Command::Decide(d) = &out[0] else { panic!("{out:?}") };
    assert_eq!(d.nodes[&1][0].runs.len(), 1);
    step(&mut c, decided(1), 5);
    step(&mut c, Fact::Tick, 200);
    step(&mut c, source(2, 6), 201);
    step(&mut c, stateful(2), 202);
    let out = c.handle(Fact::Stored { id: (1, 0), epoch: 2, run: run(2, true) }, 203);
    let Command::Decide(d) = &out[0] else { panic!("{out:?}") };
    assert_eq!(d.nodes[&1][0].runs, [run(2, true)]);
}

#[test]
fn min_pause_holds_back() {
    let mut c = machine(false);
    c.policy.min_pause = Duration::from_millis(500);
    assert!(step(&mut c, Fact::Tick, 100).is_empty());
    assert_eq!(step(&mut c, Fact::Tick, 500), ["inject 1 full"]);
}

#[test]
fn full_runs_replace_earlier_ones() {
    let mut runs = vec![run(1, true), run(2, false), run(3, true), run(4, false)];
    prune(&mut runs);
    assert_eq!(runs.iter().map(|r| r.epoch).collect::<Vec<_>>(), [3, 4]);
}

#[test]
fn a_source_that_has_read_everything_has_no_position_left() {
    let mut c = machine(true);
    step(&mut c, Fact::Tick, 100);
    step(&mut c, source(1, 5), 101);
    step(&mut c, sink(1, 7), 102);
    step(&mut c, decided(1), 103);
    step(&mut c, Fact::Committed { epoch: 1 }, 104);
    assert_eq!(step(&mut c, Fact::Tick, 205), ["inject 2"]);
    step(&mut c, Fact::Sealed(Sealed { id: (0, 0), epoch: 2, ..Sealed::default() }), 206);
    let out = c.handle(sink(2, 8), 207);
    let Command::Decide(d) = &out[0] else { panic!("{out:?}") };
    assert!(d.nodes[&0][0].positions.is_empty());
}

#[test]
fn an_ended_instance_leaves_no_earlier_state() {
    let mut c = machine(true);
    step(&mut c, Fact::Tick, 100);
    step(&mut c, source(1, 5), 101);
    assert_eq!(step(&mut c, stateful(1), 102), ["store 1"]);
    let stored = Fact::Stored { id: (1, 0), epoch: 1, run: run(1, true) };
    assert_eq!(step(&mut c, stored, 103), ["decide 1 Checkpoint"]);
    step(&mut c, decided(1), 104);
    step(&mut c, Fact::Committed { epoch: 1 }, 105);
    step(&mut c, Fact::Tick, 300);
    // What it held has gone out since: it must not go out again after a restart.
    step(&mut c, ended(sink(2, 8)), 301);
    let out = c.handle(source(2, 6), 302);
    let Some(Command::Decide(d)) = out.first() else { panic!("{:?}", names(&out)) };
    let runs: usize = d.nodes.values().flatten().map(|i| i.runs.len()).sum();
    assert_eq!(runs, 0);
}

fn overlapping(durable: bool) -> Coordinator {
    let policy = Policy { max_concurrent: 3, ..policy(durable) };
    Coordinator::new(policy, [(0, 0), (1, 0)], 0, 0)
}

#[test]
fn checkpoints_overlap_and_are_decided_in_order() {
    let mut c = overlapping(true);
    assert_eq!(step(&mut c, Fact::Tick, 100), ["inject 1 full"]);
    assert_eq!(step(&mut c, Fact::Tick, 200), ["inject 2"]);
    let out = c.handle(Fact::Tick, 300);
    assert_eq!(names(&out), ["inject 3"]);
    let Command::Inject(third) = &out[0] else { panic!() };
    assert_eq!(third.oldest, 1);
    assert!(step(&mut c, Fact::Tick, 400).is_empty(), "three in flight");
    step(&mut c, source(1, 5), 401);
    step(&mut c, source(2, 6), 402);
    assert_eq!(step(&mut c, sink(1, 7), 403), ["decide 1 Checkpoint"]);
    // The second is complete before the first is decided, and waits.
    assert!(step(&mut c, sink(2, 8), 404).is_empty());
    assert_eq!(step(&mut c, decided(1), 405), ["commit 1 [7]"]);
    let out = c.handle(Fact::Committed { epoch: 1 }, 406);
    assert_eq!(names(&out), ["completed 1", "decide 2 Checkpoint", "inject 4"]);
    let Command::Decide(d) = &out[1] else { panic!() };
    assert_eq!(d.nodes[&0][0].positions, [Blob(vec![6])]);
    let Command::Inject(fourth) = &out[2] else { panic!() };
    assert_eq!(fourth.oldest, 3);
    assert_eq!(step(&mut c, decided(2), 407), ["commit 2 [8]"]);
}

#[test]
fn younger_checkpoints_go_with_the_one_that_fails() {
    let mut c = overlapping(true);
    for now in [100, 200, 300] {
        step(&mut c, Fact::Tick, now);
    }
    for epoch in [1, 2] {
        step(&mut c, source(epoch, 5), 301);
        assert_eq!(step(&mut c, stateful(epoch), 302), [format!("store {epoch}")]);
    }
    let lost = Fact::StoreFailed { epoch: 1, error: "full".into() };
    let out = c.handle(lost, 303);
    assert_eq!(names(&out), ["notice"]);
    assert_eq!((c.history.failed, c.failures_in_a_row), (3, 1));
    // What 2 sealed is a delta on what was lost: only a full seal counts.
    let stored = |epoch| Fact::Stored { id: (1, 0), epoch, run: run(epoch, epoch == 4) };
    assert!(step(&mut c, stored(2), 304).is_empty());
    assert_eq!(step(&mut c, Fact::Tick, 400), ["inject 4 full"]);
    step(&mut c, source(3, 6), 401);
    step(&mut c, sink(3, 9), 402);
    step(&mut c, source(4, 7), 403);
    assert_eq!(step(&mut c, stateful(4), 404), ["store 4"]);
    let out = c.handle(stored(4), 405);
    let Command::Decide(d) = &out[0] else { panic!("{out:?}") };
    assert_eq!(d.nodes[&1][0].runs, [run(4, true)]);
    assert_eq!(d.nodes[&1][0].committables, [Blob(vec![9])]);
}

#[test]
fn a_younger_checkpoint_that_fails_leaves_the_older_ones() {
    let mut c = overlapping(true);
    for now in [100, 200, 300] {
        step(&mut c, Fact::Tick, now);
    }
    step(&mut c, source(1, 5), 301);
    step(&mut c, source(2, 5), 301);
    step(&mut c, stateful(1), 302);
    step(&mut c, stateful(2), 303);
    let lost = Fact::StoreFailed { epoch: 2, error: "full".into() };
    assert_eq!(step(&mut c, lost, 304), ["notice"]);
    let stored = Fact::Stored { id: (1, 0), epoch: 1, run: run(1, true) };
    let out = step(&mut c, stored, 305);
    assert_eq!(out, ["decide 1 Checkpoint"]);
    assert_eq!(step(&mut c, decided(1), 306), ["commit 1 []"]);
    let next = step(&mut c, Fact::Committed { epoch: 1 }, 400);
    assert_eq!(next, ["completed 1", "inject 4 full"]);
}

#[test]
fn savepoints_and_the_end_wait_for_what_is_in_flight() {
    let mut c = overlapping(false);
    step(&mut c, Fact::Tick, 100);
    step(&mut c, Fact::Tick, 200);
    let request = Request { id: 1, savepoint: Some("/s".into()), stop: false };
    assert!(step(&mut c, Fact::Requested(request), 300).is_empty());
    for epoch in [1, 2] {
        step(&mut c, source(epoch, 5), 301);
        assert_eq!(step(&mut c, sink(epoch, 7), 302), [format!("commit {epoch} [7]")]);
        let out = step(&mut c, Fact::Committed { epoch }, 303);
        let then: &[&str] =
            if epoch == 1 { &["completed 1"] } else { &["completed 2", "inject 3 full"] };
        assert_eq!(out, then);
    }
    let mut c = overlapping(false);
    step(&mut c, Fact::Tick, 100);
    step(&mut c, Fact::Tick, 200);
    step(&mut c, ended(source(1, 5)), 201);
    assert_eq!(step(&mut c, ended(sink(1, 7)), 202), ["commit 1 [7]"]);
    assert!(step(&mut c, Fact::Ended, 203).is_empty());
    let last = step(&mut c, Fact::Committed { epoch: 1 }, 204);
    assert_eq!(last, ["completed 1", "commit 3 []"]);
}
