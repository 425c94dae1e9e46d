//! The state of one key: rows that wait for the watermark, and runs.

use std::collections::HashMap;
use std::sync::Arc;

use weir_core::{Error, Result};
use weir_state::bytes::{put_bytes, put_i64, put_varint};
use weir_state::{Reader, StateValue, read_value, write_value};

use super::queue::RunQueue;
use super::runs::{Event, EventId, Matcher, Node, Run};

/// What is kept per key.
#[derive(Debug, Default)]
pub struct KeyState {
    /// Rows not matched yet, by time, then order.
    pub pending: Vec<Arc<Event>>,
    /// The runs.
    pub matcher: Matcher,
}

impl KeyState {
    /// Inserts a waiting row at its place.
    pub fn insert(&mut self, event: Event) {
        let place = (event.ts, &event.sort);
        let at = self.pending.partition_point(|e| (e.ts, &e.sort) <= place);
        self.pending.insert(at, Arc::new(event));
    }
}

fn write_event(e: &Event, out: &mut Vec<u8>) {
    put_i64(out, e.ts);
    put_bytes(out, &e.sort);
    put_varint(out, e.tested);
    put_varint(out, e.passed);
    put_varint(out, e.values.len() as u64);
    e.values.iter().for_each(|v| write_value(v, out));
}

fn read_event(r: &mut Reader<'_>) -> Result<Event> {
    let (ts, sort) = (r.i64()?, r.bytes()?.into());
    let (tested, passed) = (r.varint()?, r.varint()?);
    let n = r.varint()?;
    let values = (0..n).map(|_| read_value(r)).collect::<Result<_>>()?;
    Ok(Event { ts, sort, values, tested, passed })
}

/// Numbers shared rows so that each is written once, earlier rows first.
#[derive(Default)]
struct NodeTable<'a> {
    numbers: HashMap<*const Node, u64>,
    nodes: Vec<&'a Arc<Node>>,
}

impl<'a> NodeTable<'a> {
    fn add(&mut self, run: &'a Run) {
        let mut chain = Vec::new();
        let mut next = run.tail.as_ref();
        while let Some(n) = next.filter(|n| !self.numbers.contains_key(&Arc::as_ptr(n))) {
            chain.push(n);
            next = n.previous.as_ref();
        }
        for n in chain.into_iter().rev() {
            self.numbers.insert(Arc::as_ptr(n), self.nodes.len() as u64);
            self.nodes.push(n);
        }
    }

    /// 0 for none.
    fn number(&self, node: Option<&Arc<Node>>) -> u64 {
        node.map_or(0, |n| self.numbers[&Arc::as_ptr(n)] + 1)
    }

    fn write(&self, out: &mut Vec<u8>) {
        // Runs that took the same row into different variables share the row itself.
        let mut events: HashMap<*const Event, u64> = HashMap::new();
        put_varint(out, self.nodes.len() as u64);
        for n in &self.nodes {
            let new = events.len() as u64;
            let number = *events.entry(Arc::as_ptr(&n.event)).or_insert(new);
            put_varint(out, number);
            if number == new {
                write_event(&n.event, out);
            }
            write_id(n.id, out);
            put_varint(out, n.variable as u64);
            put_varint(out, self.number(n.previous.as_ref()));
        }
    }
}

fn write_id(id: EventId, out: &mut Vec<u8>) {
    put_i64(out, id.0);
    put_varint(out, id.1);
}

fn read_id(r: &mut Reader<'_>) -> Result<EventId> {
    Ok((r.i64()?, r.varint()?))
}

fn damaged() -> Error {
    Error::data("the state of MATCH_RECOGNIZE refers to a row that it does not hold")
}

fn at<T>(list: &[Arc<T>], number: u64) -> Result<Arc<T>> {
    list.get(number as usize).cloned().ok_or_else(damaged)
}

fn read_nodes(r: &mut Reader<'_>) -> Result<Vec<Arc<Node>>> {
    let mut events: Vec<Arc<Event>> = Vec::new();
    let mut nodes: Vec<Arc<Node>> = Vec::new();
    for _ in 0..r.varint()? {
        let number = r.varint()?;
        if number == events.len() as u64 {
            events.push(Arc::new(read_event(r)?));
        }
        let event = at(&events, number)?;
        let (id, variable) = (read_id(r)?, r.varint()? as usize);
        let previous = previous(r, &nodes)?;
        nodes.push(Arc::new(Node { event, id, variable, previous }));
    }
    Ok(nodes)
}

fn previous(r: &mut Reader<'_>, nodes: &[Arc<Node>]) -> Result<Option<Arc<Node>>> {
    r.varint()?.checked_sub(1).map(|n| at(nodes, n)).transpose()
}

fn read_runs(r: &mut Reader<'_>, nodes: &[Arc<Node>]) -> Result<RunQueue> {
    let mut runs = Vec::new();
    for _ in 0..r.varint()? {
        let state = r.varint()? as usize;
        let tail = previous(r, nodes)?;
        let start = if r.u8()? == 1 { Some(read_id(r)?) } else { None };
        runs.push(Run { state, tail, start });
    }
    Ok(RunQueue::from_runs(runs))
}

impl StateValue for KeyState {
    fn write(&self, out: &mut Vec<u8>) {
        put_varint(out, self.pending.len() as u64);
        self.pending.iter().for_each(|e| write_event(e, out));
        let mut nodes = NodeTable::default();
        let queues = [&self.matcher.partial, &self.matcher.complete];
        queues.iter().flat_map(|q| q.runs()).for_each(|r| nodes.add(r));
        nodes.write(out);
        for queue in queues {
            put_varint(out, queue.runs().len() as u64);
            for run in queue.runs() {
                put_varint(out, run.state as u64);
                put_varint(out, nodes.number(run.tail.as_ref()));
                out.push(u8::from(run.start.is_some()));
                if let Some(id) = run.start {
                    write_id(id, out);
                }
            }
        }
        put_varint(out, self.matcher.rows);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self> {
        let n = r.varint()?;
        let pending = (0..n).map(|_| Ok(Arc::new(read_event(r)?))).collect::<Result<_>>()?;
        let nodes = read_nodes(r)?;
        let partial = read_runs(r, &nodes)?;
        let complete = read_runs(r, &nodes)?;
        Ok(Self { pending, matcher: Matcher { partial, complete, rows: r.varint()? } })
    }
}
