//! Partial and complete matches of one key, and how a row moves them on.
//!
//! A [`Run`] is a state of the automaton with the rows taken so far. Rows of runs
//! that branched off each other are shared: a run holds its last row, every row
//! the one before.

use std::sync::Arc;

use weir_core::{Error, Result};
use weir_spec::{PatternTerm, SkipStrategy};

use super::nfa::{Automaton, FINAL};
use super::queue::RunQueue;
pub use super::run::{Event, EventId, Node, Run, backwards};

/// Says whether a row satisfies the condition of a variable behind a partial match.
pub trait Tester {
    /// `tail` is the last row of the partial match.
    fn test(&mut self, variable: usize, tail: Option<&Arc<Node>>, event: &Event) -> Result<bool>;
}

/// What matching follows.
#[derive(Debug)]
pub struct Rules {
    /// The automaton.
    pub nfa: Automaton,
    /// AFTER MATCH.
    pub skip: SkipStrategy,
    /// WITHIN in milliseconds.
    pub within: Option<i64>,
    /// Names for messages.
    pub names: Vec<String>,
}

impl Rules {
    /// The rules of a pattern.
    pub fn new(pattern: &[PatternTerm], skip: SkipStrategy, within: Option<i64>) -> Self {
        let names = pattern.iter().map(|t| t.name.clone()).collect();
        Self { nfa: Automaton::new(pattern), skip, within, names }
    }
}

/// The matches of one key.
#[derive(Debug, Default)]
pub struct Matcher {
    /// Runs that want more rows.
    pub partial: RunQueue,
    /// Matches that wait for an earlier run to end.
    pub complete: RunQueue,
    /// Rows seen.
    pub rows: u64,
}

impl Matcher {
    /// Whether nothing is remembered of earlier rows.
    pub fn is_idle(&self) -> bool {
        self.complete.peek().is_none() && self.partial.runs().iter().all(|r| r.start.is_none())
    }

    /// Moves all runs on by a row and returns the matches (their last rows) that are due.
    pub fn process(
        &mut self,
        rules: &Rules,
        event: &Arc<Event>,
        tester: &mut impl Tester,
    ) -> Result<Vec<Arc<Node>>> {
        self.rows += 1;
        let id = (event.ts, self.rows);
        let mut runs = std::mem::take(&mut self.partial).into_runs();
        if runs.is_empty() {
            runs.push(Run::waiting(rules.nfa.start));
        }
        let (mut next, mut done) = (RunQueue::default(), RunQueue::default());
        for run in runs {
            for new in advance(rules, run, event, id, tester)? {
                if new.state == FINAL { done.push(new) } else { next.push(new) }
            }
        }
        self.release(rules, next, done)
    }

    /// Ends runs that have lasted too long, and returns the matches that waited for them.
    pub fn advance_time(&mut self, rules: &Rules, now: i64) -> Result<Vec<Arc<Node>>> {
        let Some(within) = rules.within else { return Ok(Vec::new()) };
        let timed_out = |r: &Run| r.start.is_some_and(|(ts, _)| now.saturating_sub(ts) >= within);
        let mut next = RunQueue::default();
        for run in std::mem::take(&mut self.partial).into_runs() {
            if !timed_out(&run) {
                next.push(run);
            }
        }
        self.release(rules, next, RunQueue::default())
    }

    /// Reports complete matches unless a run that began earlier is still going on.
    fn release(
        &mut self,
        rules: &Rules,
        mut next: RunQueue,
        done: RunQueue,
    ) -> Result<Vec<Arc<Node>>> {
        let mut out = Vec::new();
        for run in done.into_runs() {
            self.complete.push(run);
        }
        while let Some(first) = self.complete.peek() {
            if next.peek().is_some_and(|p| first.order() > p.order()) {
                break;
            }
            let Some(found) = self.complete.pop().and_then(|r| r.tail) else { break };
            let keep = surviving(rules, &found)?;
            next.retain(&keep);
            self.complete.retain(&keep);
            out.push(found);
        }
        self.partial = next;
        Ok(out)
    }
}

/// The runs that follow from one run and a row, in the order in which Flink adds them.
fn advance(
    rules: &Rules,
    run: Run,
    event: &Arc<Event>,
    id: EventId,
    tester: &mut impl Tester,
) -> Result<Vec<Run>> {
    let states = &rules.nfa.states;
    let mut known: Vec<(usize, bool)> = Vec::new();
    let mut allowed = |when: &[super::nfa::Test]| -> Result<bool> {
        for t in when {
            let result = match known.iter().find(|k| k.0 == t.variable) {
                Some(k) => k.1,
                None => {
                    let result = tester.test(t.variable, run.tail.as_ref(), event)?;
                    known.push((t.variable, result));
                    result
                }
            };
            if result != t.holds {
                return Ok(false);
            }
        }
        Ok(true)
    };
    let mut out = Vec::new();
    let mut at = Some(run.state);
    while let Some(state) = at {
        let state = &states[state];
        if let Some(edge) = &state.take
            && allowed(&edge.when)?
        {
            let node = Node {
                event: Arc::clone(event),
                id,
                variable: state.variable,
                previous: run.tail.clone(),
            };
            let start = Some(run.start.unwrap_or(id));
            let taken = Run { state: edge.to, tail: Some(Arc::new(node)), start };
            // Behind the row the match may be complete already: the rest is optional.
            let mut end = Some(edge.to);
            while let Some(e) = end.filter(|&e| e != FINAL) {
                end = match &states[e].proceed {
                    Some(p) if allowed(&p.when)? => Some(p.to),
                    _ => None,
                };
            }
            let complete = (edge.to != FINAL && end == Some(FINAL))
                .then(|| Run { state: FINAL, ..taken.clone() });
            out.push(taken);
            out.extend(complete);
        }
        at = match &state.proceed {
            Some(edge) if allowed(&edge.when)? => Some(edge.to).filter(|&s| s != FINAL),
            _ => None,
        };
    }
    if run.start.is_none() {
        out.push(run);
    }
    Ok(out)
}

/// Which other runs remain after a match.
fn surviving(rules: &Rules, found: &Arc<Node>) -> Result<impl Fn(&Run) -> bool + use<>> {
    let first = backwards(Some(found)).last().map_or((i64::MIN, 0), |n| n.id);
    let target = |variable: usize, last: bool| -> Result<EventId> {
        let mut rows = backwards(Some(found)).filter(|n| n.variable == variable);
        let row = if last { rows.next() } else { rows.last() };
        match row {
            None => Err(Error::data(format!(
                "Could not skip to {}. No such element in the found match",
                rules.names[variable]
            ))),
            Some(n) if n.id == first => {
                Err(Error::data("Could not skip to first element of a match."))
            }
            Some(n) => Ok(n.id),
        }
    };
    // Runs that begin at or before the row are dropped; `inclusive`: also at it.
    let (row, inclusive) = match rules.skip {
        SkipStrategy::PastLastRow => (found.id, true),
        SkipStrategy::ToNextRow => (first, true),
        SkipStrategy::ToFirst(v) => (target(v, false)?, false),
        SkipStrategy::ToLast(v) => (target(v, true)?, false),
    };
    Ok(move |run: &Run| match run.start {
        None => true,
        Some(start) => start > row || (!inclusive && start == row),
    })
}
