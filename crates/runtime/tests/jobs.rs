//! Whole small jobs: bounded, slow, failing and panicking sources, exchange,
//! barriers, back-pressure, cancellation.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use weir_core::{ChangeBatch, Error, Result};
use weir_runtime::*;

type Rows = Arc<Mutex<Vec<(usize, i64, i64)>>>;

fn batch(keys: Vec<i64>, values: Vec<i64>) -> ChangeBatch {
    let k: ArrayRef = Arc::new(Int64Array::from(keys));
    let v: ArrayRef = Arc::new(Int64Array::from(values));
    ChangeBatch::inserts(RecordBatch::try_from_iter([("k", k), ("v", v)]).unwrap())
}

/// Emits `batches` batches of `rows` rows; every `slow` polls it pauses.
struct Counter {
    next: i64,
    end: i64,
    rows: i64,
    slow: bool,
    fail_at: i64,
    panic_at: i64,
    subtask: i64,
    paused: bool,
}

impl SourceTask for Counter {
    fn poll(&mut self) -> Result<SourcePoll> {
        if self.slow {
            self.paused = !self.paused;
            if self.paused {
                return Ok(SourcePoll::Pending(Duration::from_millis(1)));
            }
        }
        if self.next >= self.fail_at {
            return Err(Error::data("broken record"));
        }
        assert!(self.next < self.panic_at, "the source exploded");
        if self.next >= self.end {
            return Ok(SourcePoll::End);
        }
        let to = (self.next + self.rows).min(self.end);
        let values: Vec<i64> = (self.next..to).map(|v| v + self.subtask * 1_000_000).collect();
        self.next = to;
        Ok(SourcePoll::Batch(batch(values.iter().map(|v| v % 17).collect(), values)))
    }
    fn position(&mut self) -> Result<Vec<Vec<u8>>> {
        Ok(vec![self.next.to_le_bytes().to_vec()])
    }
}

#[derive(Clone, Copy)]
struct SourceSpec {
    end: i64,
    rows: i64,
    slow: bool,
    fail_at: i64,
    panic_at: i64,
}

const PLAIN: SourceSpec =
    SourceSpec { end: 10_000, rows: 100, slow: false, fail_at: i64::MAX, panic_at: i64::MAX };

fn source(s: SourceSpec) -> Node {
    node("source", vec![], move |t| {
        NodeBody::Source(Box::new(Counter {
            next: 0,
            end: s.end,
            rows: s.rows,
            slow: s.slow,
            fail_at: s.fail_at,
            panic_at: s.panic_at,
            subtask: t.subtask as i64,
            paused: false,
        }))
    })
}

fn node(
    name: &str,
    inputs: Vec<(usize, Exchange)>,
    f: impl Fn(&Subtask) -> NodeBody + Send + Sync + 'static,
) -> Node {
    Node {
        uid: name.into(),
        name: name.into(),
        inputs: inputs.into_iter().map(|(node, exchange)| Edge { node, exchange }).collect(),
        factory: Arc::new(move |t| Ok(f(t))),
    }
}

/// Forwards rows; resumable in pieces of `piece` rows.
struct Pass {
    piece: usize,
    rest: Option<ChangeBatch>,
}

impl Operator for Pass {
    fn push(&mut self, _: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        self.rest = Some(batch);
        self.more(out)
    }
    fn more(&mut self, out: &mut Out) -> Result<Step> {
        let Some(b) = self.rest.take() else { return Ok(Step::Done) };
        if b.len() <= self.piece {
            out.data(b);
            return Ok(Step::Done);
        }
        out.data(b.slice(0, self.piece));
        self.rest = Some(b.slice(self.piece, b.len() - self.piece));
        Ok(Step::More)
    }
}

/// Collects rows; sleeps per batch if told to; commits the number of rows at barriers.
struct Collect {
    rows: Rows,
    subtask: usize,
    pause: Duration,
    seen: u64,
    marks: Arc<Mutex<Vec<Mark>>>,
}

impl Operator for Collect {
    fn push(&mut self, _: usize, b: ChangeBatch, _: &mut Out) -> Result<Step> {
        std::thread::sleep(self.pause);
        let k = b.column(0).as_primitive::<Int64Type>();
        let v = b.column(1).as_primitive::<Int64Type>();
        self.seen += b.len() as u64;
        let mut rows = self.rows.lock().unwrap();
        rows.extend((0..b.len()).map(|i| (self.subtask, k.value(i), v.value(i))));
        Ok(Step::Done)
    }
    fn watermark(&mut self, mark: Mark, _: &mut Out) -> Result<Step> {
        self.marks.lock().unwrap().push(mark);
        Ok(Step::Done)
    }
    fn barrier(&mut self, _: &Barrier, seal: &mut Seal) -> Result<()> {
        seal.committables.push(self.seen.to_le_bytes().to_vec());
        Ok(())
    }
}

fn sink(inputs: Vec<(usize, Exchange)>, rows: &Rows, pause: Duration) -> Node {
    let rows = Arc::clone(rows);
    node("sink", inputs, move |t| {
        NodeBody::Operator(Box::new(Collect {
            rows: Arc::clone(&rows),
            subtask: t.subtask,
            pause,
            seen: 0,
            marks: Arc::default(),
        }))
    })
}

fn pass(input: usize, exchange: Exchange, piece: usize) -> Node {
    node("pass", vec![(input, exchange)], move |_| {
        NodeBody::Operator(Box::new(Pass { piece, rest: None }))
    })
}

fn config(parallelism: usize) -> RunConfig {
    RunConfig { parallelism, channel_bytes: 4096, ..RunConfig::default() }
}

fn finish(handle: &mut JobHandle) -> Result<()> {
    assert!(handle.wait_for(Duration::from_secs(30)), "the job hangs");
    handle.wait()
}

fn values(rows: &Rows) -> Vec<i64> {
    let mut v: Vec<i64> = rows.lock().unwrap().iter().map(|r| r.2).collect();
    v.sort_unstable();
    v
}

#[test]
fn exchange_sends_every_key_to_one_worker_in_order() {
    for p in [1, 4] {
        let rows = Rows::default();
        let nodes = vec![
            source(PLAIN),
            pass(0, Exchange::Hash(vec![0]), 7),
            sink(vec![(1, Exchange::Forward)], &rows, Duration::ZERO),
        ];
        let mut handle = run(JobGraph { nodes }, config(p)).unwrap();
        finish(&mut handle).unwrap();
        let mut owner: HashMap<i64, usize> = HashMap::new();
        let mut last: HashMap<(i64, i64), i64> = HashMap::new();
        for &(worker, k, v) in rows.lock().unwrap().iter() {
            assert_eq!(*owner.entry(k).or_insert(worker), worker);
            let before = last.insert((k, v / 1_000_000), v);
            assert!(before < Some(v));
        }
        assert_eq!(rows.lock().unwrap().len(), 10_000 * p);
        let m = handle.metrics();
        assert_eq!((m[0].rows_out, m[1].rows_in, m[2].rows_in), {
            let n = 10_000 * p as u64;
            (n, n, n)
        });
        assert_eq!(m[2].watermark, Some(i64::MAX));
    }
}

#[test]
fn diamonds_and_self_joins_do_not_deadlock_under_back_pressure() {
    for p in [1, 3] {
        let (rows, other) = (Rows::default(), Rows::default());
        let nodes = vec![
            source(SourceSpec { end: 2000, ..PLAIN }),
            pass(0, Exchange::Hash(vec![1]), 10),
            pass(0, Exchange::Rebalance, 50),
            sink(
                vec![
                    (1, Exchange::Hash(vec![0])),
                    (2, Exchange::Hash(vec![0])),
                    (2, Exchange::Forward),
                ],
                &rows,
                Duration::from_micros(200),
            ),
            sink(vec![(0, Exchange::Single)], &other, Duration::from_millis(1)),
        ];
        let mut handle = run(JobGraph { nodes }, config(p)).unwrap();
        for epoch in 1..4 {
            handle.trigger_barrier(Barrier::checkpoint(epoch, false));
            std::thread::sleep(Duration::from_millis(3));
        }
        finish(&mut handle).unwrap();
        assert_eq!(rows.lock().unwrap().len(), 3 * 2000 * p);
        assert_eq!(other.lock().unwrap().len(), 2000 * p);
        assert!(other.lock().unwrap().iter().all(|r| r.0 == 0));
    }
}

#[test]
fn results_are_the_same_at_any_parallelism_of_a_single_source() {
    let mut results = Vec::new();
    for p in [1, 4] {
        let rows = Rows::default();
        let nodes = vec![
            node("source", vec![], |t| {
                let end = if t.subtask == 0 { 5000 } else { 0 };
                NodeBody::Source(Box::new(Counter {
                    next: 0,
                    end,
                    rows: 33,
                    slow: t.subtask > 1,
                    fail_at: i64::MAX,
                    panic_at: i64::MAX,
                    subtask: 0,
                    paused: false,
                }))
            }),
            pass(0, Exchange::Hash(vec![0]), 5),
            sink(vec![(1, Exchange::Single)], &rows, Duration::ZERO),
        ];
        finish(&mut run(JobGraph { nodes }, config(p)).unwrap()).unwrap();
        results.push(values(&rows));
    }
    assert_eq!(results[0], results[1]);
}

#[test]
fn barriers_cut_all_instances_consistently() {
    for p in [1, 4] {
        let rows = Rows::default();
        let nodes = vec![
            source(SourceSpec { end: 3000, rows: 10, slow: true, ..PLAIN }),
            pass(0, Exchange::Hash(vec![0]), 3),
            sink(vec![(1, Exchange::Rebalance)], &rows, Duration::ZERO),
        ];
        let mut handle = run(JobGraph { nodes }, config(p)).unwrap();
        std::thread::sleep(Duration::from_millis(30));
        handle.trigger_barrier(Barrier::checkpoint(7, false));
        let (mut sent, mut seen) = (0, 0);
        for _ in 0..handle.instances() {
            let r = handle.reports().recv_timeout(Duration::from_secs(10)).unwrap();
            assert_eq!(r.barrier, Barrier::checkpoint(7, false));
            let number = |b: &Vec<u8>| i64::from_le_bytes(b.as_slice().try_into().unwrap());
            sent += r.seal.positions.iter().map(number).sum::<i64>();
            seen += r.seal.committables.iter().map(number).sum::<i64>();
        }
        assert!(sent > 0);
        assert_eq!(sent, seen);
        finish(&mut handle).unwrap();
        let last = handle.reports().try_iter().filter(|r| r.finished).count();
        assert_eq!(last, handle.instances());
    }
}

#[test]
fn barriers_after_the_end_are_answered() {
    let rows = Rows::default();
    let nodes = vec![
        source(SourceSpec { end: 10, ..PLAIN }),
        source(SourceSpec { end: 300, rows: 1, slow: true, ..PLAIN }),
        sink(vec![(0, Exchange::Forward), (1, Exchange::Forward)], &rows, Duration::ZERO),
    ];
    let mut handle = run(JobGraph { nodes }, config(2)).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    handle.trigger_barrier(Barrier::checkpoint(1, false));
    let mut answers = 0;
    while answers < handle.instances() {
        let r = handle.reports().recv_timeout(Duration::from_secs(10)).unwrap();
        answers += usize::from(r.barrier.kind == BarrierKind::Checkpoint);
    }
    finish(&mut handle).unwrap();
}

#[test]
fn errors_and_panics_fail_the_job_only() {
    for (fail_at, panic_at, text) in
        [(500, i64::MAX, "broken record"), (i64::MAX, 500, "the source exploded")]
    {
        let rows = Rows::default();
        let nodes = vec![
            source(SourceSpec { fail_at, panic_at, ..PLAIN }),
            sink(vec![(0, Exchange::Hash(vec![0]))], &rows, Duration::ZERO),
        ];
        let mut handle = run(JobGraph { nodes }, config(2)).unwrap();
        let error = finish(&mut handle).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
        assert!(error.contains("source"), "{error}");
    }
}

#[test]
fn a_cancelled_job_ends_soon() {
    let rows = Rows::default();
    let nodes = vec![
        source(SourceSpec { end: i64::MAX, slow: true, ..PLAIN }),
        sink(vec![(0, Exchange::Hash(vec![0]))], &rows, Duration::ZERO),
    ];
    let mut handle = run(JobGraph { nodes }, config(3)).unwrap();
    assert!(!handle.wait_for(Duration::from_millis(30)));
    handle.cancel();
    finish(&mut handle).unwrap();
    assert!(handle.is_cancelled());
    assert!(!rows.lock().unwrap().is_empty());
}
