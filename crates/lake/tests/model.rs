//! Random upserts, deletions, crashes and restarts against a plain map.

mod common;

use std::collections::BTreeMap;

use common::*;
use weir_connect::api::{ConnectorFactory, Poll, SourceReader};
use weir_core::{DataType, RowKind, Value};
use weir_lake::PaimonConnector;
use weir_spec::{Catalog, SourceSpec};

/// A small generator; the tests must not depend on chance.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

type Model = BTreeMap<i64, (String, String)>;

/// Rows of one epoch, applied to the model if the epoch will be committed.
fn ops(dice: &mut Dice, model: &mut Model) -> Vec<(u8, Vec<Value>)> {
    let mut out = Vec::new();
    for _ in 0..dice.roll(30) + 1 {
        let id = dice.roll(40) as i64;
        let part = format!("p{}", id % 3);
        let old = model.get(&id).cloned();
        let row = |v: &str| vec![int(id), s(&part), s(v)];
        if let Some((_, v)) = &old {
            if dice.roll(3) == 0 {
                out.push((3, row(v)));
                model.remove(&id);
                continue;
            }
            out.push((1, row(v)));
        }
        let new = format!("v{}", dice.roll(1000));
        out.push((if old.is_some() { 2 } else { 0 }, row(&new)));
        model.insert(id, (part, new));
    }
    out
}

fn lines(model: &Model) -> Vec<String> {
    sorted(model.iter().map(|(id, (p, v))| format!("+I[{id}, {p}, {v}]")).collect())
}

/// Streaming readers whose positions survive their restarts.
struct Follower {
    spec: SourceSpec,
    readers: Vec<Box<dyn SourceReader>>,
    state: Model,
    retracts: bool,
}

impl Follower {
    fn new(spec: SourceSpec, parallelism: usize, retracts: bool) -> Self {
        let source = PaimonConnector.source(&spec, &produced(&spec)).unwrap();
        let readers = (0..parallelism).map(|i| source.reader(i, parallelism).unwrap()).collect();
        Self { spec, readers, state: Model::new(), retracts }
    }

    fn poll_some(&mut self, times: u64) -> usize {
        let mut rows = 0;
        for _ in 0..times {
            for reader in &mut self.readers {
                match reader.poll().unwrap() {
                    Poll::Batch(b) => {
                        rows += b.len();
                        for i in 0..b.len() {
                            let row: Vec<Value> =
                                b.rows.columns().iter().map(|c| Value::from_array(c, i)).collect();
                            apply(&mut self.state, b.kind(i), &row, self.retracts);
                        }
                    }
                    Poll::Pending(d) => std::thread::sleep(d),
                    Poll::End => panic!("a followed table has no end"),
                }
            }
        }
        rows
    }

    /// Stops all readers and starts another number of them from the positions.
    fn restart(&mut self, parallelism: usize) {
        let mut positions = Vec::new();
        for r in &mut self.readers {
            positions.extend(r.position().unwrap());
        }
        self.readers.clear();
        let source = PaimonConnector.source(&self.spec, &produced(&self.spec)).unwrap();
        for i in 0..parallelism {
            let mut reader = source.reader(i, parallelism).unwrap();
            // As the engine does: everything to everybody.
            reader.restore(positions.clone()).unwrap();
            self.readers.push(reader);
        }
    }
}

fn apply(state: &mut Model, kind: RowKind, row: &[Value], retracts: bool) {
    let (Value::Int(id), Value::String(p), Value::String(v)) = (&row[0], &row[1], &row[2]) else {
        panic!("unexpected row {row:?}")
    };
    let value = (p.clone(), v.clone());
    if kind.is_plus() {
        let old = state.insert(*id, value);
        assert!(!retracts || old.is_none(), "row {id} added twice: {old:?}");
    } else {
        let old = state.remove(id);
        assert!(!retracts || old == Some(value), "row {id} taken away, was {old:?}");
    }
}

fn run(seed: u64, producer: &str, bucket: &str, partitioned: bool) {
    let dir = tempfile::tempdir().unwrap();
    let cat = catalog(dir.path());
    let columns = [
        ("id", DataType::bigint().not_null()),
        ("part", DataType::string().not_null()),
        ("v", DataType::string()),
    ];
    let (key, parts): (&[&str], &[&str]) =
        if partitioned { (&["id", "part"], &["part"]) } else { (&["id"], &[]) };
    // Buckets are compacted all the time, and snapshots never expire.
    let with = [
        ("bucket", bucket),
        ("changelog-producer", producer),
        ("num-sorted-run.compaction-trigger", "2"),
    ];
    cat.create_table("default", "t", table(&columns, key, parts, &with)).unwrap();
    let sink = sink_spec(spec(&cat, "t", &[]));
    let follow = spec(&cat, "t", &[("continuous.discovery-interval", "5 ms")]);
    let mut dice = Dice(seed * 7919 + 1);
    let mut model = Model::new();
    let mut follower = None;
    let mut job = Job::new(&sink, 3);
    for epoch in 1..=25u64 {
        let before = model.clone();
        let rows = ops(&mut dice, &mut model);
        job.write(&rows);
        match dice.roll(6) {
            0 => {
                // Crash before the epoch is complete: its rows never happened.
                job = Job::new(&sink, 3);
                model = before;
            }
            1 => {
                // Crash between decision and commit: the next run commits it.
                let prepared = job.prepare(epoch);
                job = Job::new(&sink, 3);
                job.committer.commit(epoch, prepared).unwrap();
            }
            2 => {
                // Crash after the commit: the next run repeats it.
                let prepared = job.prepare(epoch);
                job.committer.commit(epoch, prepared.clone()).unwrap();
                job = Job::new(&sink, 3);
                job.committer.commit(epoch, prepared).unwrap();
            }
            _ => job.commit(epoch),
        }
        if epoch == 5 {
            follower =
                Some(Follower::new(source_spec(follow.clone(), false), 2, producer == "input"));
        }
        if let Some(f) = &mut follower {
            f.poll_some(dice.roll(10));
            if dice.roll(4) == 0 {
                f.restart(dice.roll(3) as usize + 1);
            }
        }
        if epoch % 6 == 0 {
            let got = read(&source_spec(spec(&cat, "t", &[]), true), 1 + (epoch as usize % 3));
            assert_eq!(got, lines(&model), "seed {seed} epoch {epoch}");
        }
    }
    let f = follower.as_mut().unwrap();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while f.state != model && std::time::Instant::now() < until {
        f.poll_some(5);
    }
    assert_eq!(f.state, model, "seed {seed}");
    f.poll_some(20);
    assert_eq!(f.state, model, "seed {seed}, later");
}

#[test]
fn fixed_buckets() {
    for seed in 1..=3 {
        run(seed, "none", "3", false);
    }
}

#[test]
fn changelog() {
    for seed in 4..=6 {
        run(seed, "input", "2", false);
    }
}

#[test]
fn partitions() {
    for seed in 7..=8 {
        run(seed, "input", "2", true);
        run(seed, "none", "2", true);
    }
}

#[test]
fn dynamic_buckets() {
    for seed in 9..=11 {
        run(seed, "none", "-1", seed == 11);
    }
}
