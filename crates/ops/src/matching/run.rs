//! A partial match of one key: the rows it has taken.

use std::sync::Arc;

use weir_core::Value;

/// A row of the input.
#[derive(Debug, PartialEq)]
pub struct Event {
    /// Event time, or the time of arrival.
    pub ts: i64,
    /// Position of the row among those of its time, as a comparable byte string.
    pub sort: Box<[u8]>,
    /// Its columns.
    pub values: Box<[Value]>,
    /// Bit `v`: it is known what the row-wise part of variable `v`'s condition yields.
    pub tested: u64,
    /// Bit `v`: that part holds.
    pub passed: u64,
}

/// Order of a row among all rows of its key.
pub type EventId = (i64, u64);

/// A row taken into a variable.
#[derive(Debug)]
pub struct Node {
    /// The row.
    pub event: Arc<Event>,
    /// Its place in the order of rows.
    pub id: EventId,
    /// Position of the variable in the pattern.
    pub variable: usize,
    /// The row taken before.
    pub previous: Option<Arc<Node>>,
}

impl Drop for Node {
    /// Without recursion, however long the match is.
    fn drop(&mut self) {
        let mut next = self.previous.take();
        while let Some(mut node) = next.and_then(Arc::into_inner) {
            next = node.previous.take();
        }
    }
}

/// From the last row to the first.
pub fn backwards(tail: Option<&Arc<Node>>) -> impl Iterator<Item = &Node> {
    std::iter::successors(tail.map(Arc::as_ref), |n| n.previous.as_deref())
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Run {
    /// State of the automaton.
    pub state: usize,
    /// Last row taken.
    pub tail: Option<Arc<Node>>,
    /// First row taken.
    pub start: Option<EventId>,
}

impl Run {
    /// The run that waits for a first row.
    pub fn waiting(state: usize) -> Self {
        Self { state, tail: None, start: None }
    }

    /// Sort key in a queue of runs.
    pub fn order(&self) -> EventId {
        self.start.unwrap_or((i64::MAX, u64::MAX))
    }
}
