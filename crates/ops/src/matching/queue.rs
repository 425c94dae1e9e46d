//! A binary heap in the layout of `java.util.PriorityQueue`.
//!
//! Runs with equal starts are ordered by nothing but their place in the heap,
//! and which of them wins decides which match is reported. So the layout is part
//! of the semantics.

use super::run::Run;

/// Runs, earliest start first; those that have not begun come last.
#[derive(Debug, Default)]
pub struct RunQueue(Vec<Run>);

impl RunQueue {
    /// The runs in heap order.
    pub fn runs(&self) -> &[Run] {
        &self.0
    }

    /// The runs in heap order.
    pub fn into_runs(self) -> Vec<Run> {
        self.0
    }

    /// Runs that `runs` returned once.
    pub fn from_runs(runs: Vec<Run>) -> Self {
        Self(runs)
    }

    /// The first run.
    pub fn peek(&self) -> Option<&Run> {
        self.0.first()
    }

    /// Adds a run.
    pub fn push(&mut self, run: Run) {
        self.0.push(run);
        let mut at = self.0.len() - 1;
        while at > 0 {
            let parent = (at - 1) / 2;
            if self.0[at].order() >= self.0[parent].order() {
                break;
            }
            self.0.swap(at, parent);
            at = parent;
        }
    }

    /// Takes the first run.
    pub fn pop(&mut self) -> Option<Run> {
        if self.0.is_empty() {
            return None;
        }
        let first = self.0.swap_remove(0);
        self.sift_down(0);
        Some(first)
    }

    fn sift_down(&mut self, mut at: usize) {
        loop {
            let mut child = 2 * at + 1;
            if child >= self.0.len() {
                return;
            }
            if child + 1 < self.0.len() && self.0[child].order() > self.0[child + 1].order() {
                child += 1;
            }
            if self.0[at].order() <= self.0[child].order() {
                return;
            }
            self.0.swap(at, child);
            at = child;
        }
    }

    /// Drops runs.
    pub fn retain(&mut self, keep: impl Fn(&Run) -> bool) {
        let before = self.0.len();
        self.0.retain(keep);
        if self.0.len() < before {
            (0..self.0.len() / 2).rev().for_each(|at| self.sift_down(at));
        }
    }
}
