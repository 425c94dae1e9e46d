use std::time::{Duration, Instant};

use rdkafka::mocking::MockCluster;
use weir_core::{ChangeBatch, DataType, Field, RowKind, Value};
use weir_spec::ReadColumn;

use super::*;
use crate::api::{Poll, SourceReader};

fn schema() -> Schema {
    Schema::new(vec![Field::new("id", DataType::int()), Field::new("v", DataType::string())])
}

fn table(servers: &str, more: &[(&str, &str)]) -> TableSpec {
    let options: Options = [("topic", "t"), ("properties.bootstrap.servers", servers)]
        .iter()
        .chain(more)
        .filter(|(_, v)| !v.is_empty())
        .map(|(k, v)| (k.to_string(), v.to_string()))
        .collect();
    TableSpec {
        identifier: "c.d.t".into(),
        physical: schema(),
        primary_key: vec![0],
        partition_keys: vec![],
        options,
    }
}

fn source(upsert: bool, table: &TableSpec, meta: &[(&str, DataType)]) -> Result<Box<dyn Source>> {
    let mut columns: Vec<ReadColumn> =
        (0..2).map(|i| ReadColumn::Physical { path: vec![i] }).collect();
    let mut s = schema();
    for (key, ty) in meta {
        columns.push(ReadColumn::Metadata { key: (*key).to_owned() });
        s.fields.push(Field::new(*key, ty.clone()));
    }
    let spec =
        SourceSpec { table: table.clone(), columns, filter: None, limit: None, batch: false };
    KafkaFactory { upsert }.source(&spec, &s)
}

fn batch(rows: &[(i64, &str)], kinds: &[RowKind]) -> ChangeBatch {
    let s = schema();
    let ids: Vec<Value> = rows.iter().map(|r| Value::Int(r.0)).collect();
    let texts: Vec<Value> = rows.iter().map(|r| Value::String(r.1.into())).collect();
    let columns = vec![
        weir_core::value::values_to_array(&ids, &s.fields[0].ty).unwrap(),
        weir_core::value::values_to_array(&texts, &s.fields[1].ty).unwrap(),
    ];
    let b = ChangeBatch::from_columns(s.to_arrow(), columns, rows.len(), None).unwrap();
    ChangeBatch::with_kinds(b.rows, kinds.iter().map(|k| *k as u8).collect())
}

fn write(upsert: bool, table: &TableSpec, b: &ChangeBatch) {
    let spec = SinkSpec {
        table: table.clone(),
        metadata_keys: vec![],
        overwrite: false,
        static_partition: vec![],
    };
    let sink = KafkaFactory { upsert }.sink(&spec, &schema()).unwrap();
    let mut w = sink.writer(0, 1).unwrap();
    w.write(b).unwrap();
    assert!(w.prepare_commit(1).unwrap().is_empty());
}

fn drain(readers: &mut [Box<dyn SourceReader>]) -> Result<Vec<(RowKind, Vec<Value>)>> {
    let begun = Instant::now();
    let mut rows = Vec::new();
    let mut ended = vec![false; readers.len()];
    while ended.contains(&false) {
        assert!(begun.elapsed() < Duration::from_secs(30), "the scan does not end");
        for (r, end) in readers.iter_mut().zip(&mut ended) {
            match r.poll()? {
                Poll::Batch(b) => {
                    for i in 0..b.len() {
                        let cells = b.rows.columns().iter();
                        rows.push((b.kind(i), cells.map(|c| Value::from_array(c, i)).collect()));
                    }
                }
                Poll::Pending(d) => std::thread::sleep(d),
                Poll::End => *end = true,
            }
        }
    }
    Ok(rows)
}

const BOUNDED: [(&str, &str); 3] = [
    ("format", "json"),
    ("scan.startup.mode", "earliest-offset"),
    ("scan.bounded.mode", "latest-offset"),
];

#[test]
fn round_trip_with_metadata_over_two_readers() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", 3, 1).unwrap();
    let servers = cluster.bootstrap_servers();
    let mut options = BOUNDED.to_vec();
    let sink_options = [("format", "json"), ("sink.partitioner", "round-robin")];
    let rows: Vec<(i64, &str)> = (0..100).map(|i| (i, "x")).collect();
    write(false, &table(&servers, &sink_options), &batch(&rows, &[RowKind::Insert; 100]));

    let meta = [
        ("partition", DataType::int()),
        ("offset", DataType::bigint()),
        ("topic", DataType::string()),
    ];
    let s = source(false, &table(&servers, &options), &meta).unwrap();
    assert!(s.is_bounded());
    let mut readers = [s.reader(0, 2).unwrap(), s.reader(1, 2).unwrap()];
    let got = drain(&mut readers).unwrap();
    let mut ids: Vec<i64> = got.iter().map(|(_, r)| r[0].as_i64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..100).collect::<Vec<_>>());
    let partitions: std::collections::HashSet<i64> =
        got.iter().map(|(_, r)| r[2].as_i64().unwrap()).collect();
    assert_eq!(partitions.len(), 3);
    assert!(got.iter().all(|(_, r)| r[4] == Value::String("t".into())));

    // Positions are offsets: nothing is read again, and new rows are.
    let mut positions = readers[0].position().unwrap();
    positions.extend(readers[1].position().unwrap());
    options[2] = ("", "");
    write(false, &table(&servers, &sink_options), &batch(&[(100, "new")], &[RowKind::Insert]));
    let s = source(false, &table(&servers, &options[..2]), &[]).unwrap();
    let mut r = s.reader(0, 1).unwrap();
    let open: Vec<Vec<u8>> = positions
        .iter()
        .map(|p| {
            let mut v: serde_json::Value = serde_json::from_slice(p).unwrap();
            v["stop"] = serde_json::Value::Null;
            serde_json::to_vec(&v).unwrap()
        })
        .collect();
    r.restore(open).unwrap();
    let begun = Instant::now();
    let b = loop {
        match r.poll().unwrap() {
            Poll::Batch(b) => break b,
            _ => std::thread::sleep(Duration::from_millis(2)),
        }
        assert!(begun.elapsed() < Duration::from_secs(20));
    };
    assert_eq!((b.len(), Value::from_array(b.column(0), 0)), (1, Value::Int(100)));
}

#[test]
fn upserts_have_keys_and_tombstones() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", 1, 1).unwrap();
    let options = [
        ("key.format", "json"),
        ("value.format", "json"),
        ("value.fields-include", "EXCEPT_KEY"),
        ("scan.bounded.mode", "latest-offset"),
    ];
    let t = table(&cluster.bootstrap_servers(), &options);
    let kinds = [RowKind::Insert, RowKind::UpdateAfter, RowKind::Delete];
    write(true, &t, &batch(&[(1, "a"), (1, "b"), (2, "c")], &kinds));
    let s = source(true, &t, &[]).unwrap();
    assert_eq!(s.changelog_mode(), weir_spec::ChangelogMode::UPSERT);
    let got = drain(&mut [s.reader(0, 1).unwrap()]).unwrap();
    let text = |t: &str| Value::String(t.into());
    assert_eq!(
        got,
        [
            (RowKind::UpdateAfter, vec![Value::Int(1), text("a")]),
            (RowKind::UpdateAfter, vec![Value::Int(1), text("b")]),
            (RowKind::Delete, vec![Value::Int(2), Value::Null]),
        ]
    );
}

#[test]
fn a_wrong_broker_is_named_within_seconds() {
    let t = table("127.0.0.1:1", &BOUNDED);
    let begun = Instant::now();
    let s = source(false, &t, &[]).unwrap();
    let e = drain(&mut [s.reader(0, 1).unwrap()]).unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(e.message().contains("127.0.0.1:1"), "{e}");
    assert!(e.hint_text().unwrap().contains("'properties.bootstrap.servers'"));
}

#[test]
fn mistakes_are_named() {
    let fail = |more: &[(&str, &str)]| source(false, &table("k:9092", more), &[]).err().unwrap();
    assert!(fail(&[]).message().contains("'format'"));
    let e = fail(&[("format", "json"), ("startup-mode", "earliest-offset")]);
    assert!(e.hint_text().unwrap().contains("'scan.startup.mode'"), "{e}");
    let e = fail(&[("format", "json")]);
    assert!(e.message().contains("'properties.group.id'"), "{e}");
    let e = fail(&[("format", "json"), ("scan.startup.mode", "earliest")]);
    assert!(e.message().contains("'scan.startup.mode'"), "{e}");
    let e = fail(&[
        ("format", "json"),
        ("scan.startup.mode", "specific-offsets"),
        ("scan.startup.specific-offsets", "0:1"),
    ]);
    assert!(e.message().contains("partition:0,offset:42"), "{e}");
    let e = fail(&[("format", "json"), ("value.csv.null-literal", "x")]);
    assert!(e.message().contains("'value.csv.null-literal'"), "{e}");
    let e = fail(&[("format", "json"), ("key.fields", "id")]);
    assert!(e.message().contains("'key.format'"), "{e}");
}

/// Ids of a topic that a reader of committed records sees.
fn committed(servers: &str, topic: &str) -> Vec<i64> {
    let mut options = BOUNDED.to_vec();
    options.extend([("topic", topic), ("properties.isolation.level", "read_committed")]);
    let s = source(false, &table(servers, &options), &[]).unwrap();
    let rows = drain(&mut [s.reader(0, 1).unwrap()]).unwrap();
    let mut ids: Vec<i64> = rows.iter().map(|(_, r)| r[0].as_i64().unwrap()).collect();
    ids.sort_unstable();
    ids
}

#[test]
#[ignore = "needs a broker at WEIR_KAFKA; cargo xtask test starts one"]
fn transactions_of_a_dead_run_are_resumed_or_aborted() {
    let servers = std::env::var("WEIR_KAFKA").unwrap();
    let topic = format!("eos-{}", uuid::Uuid::new_v4().simple());
    let (topic, prefix) = (topic.as_str(), topic.as_str());
    let options = [
        ("topic", topic),
        ("format", "json"),
        ("sink.delivery-guarantee", "exactly-once"),
        ("sink.transactional-id-prefix", prefix),
    ];
    let run = || {
        let spec = SinkSpec {
            table: table(&servers, &options),
            metadata_keys: vec![],
            overwrite: false,
            static_partition: vec![],
        };
        let mut sink = KafkaFactory { upsert: false }.sink(&spec, &schema()).unwrap();
        sink.identify(crate::api::SinkIdentity {
            job: "job".into(),
            sink: "3-Sink".into(),
            durable: true,
        });
        let committer = sink.committer().unwrap().unwrap();
        (sink, committer)
    };
    let rows = |id: i64| batch(&[(id, "x"), (id + 1, "y")], &[RowKind::Insert; 2]);
    let (sink, mut c) = run();
    c.recover(None).unwrap();
    let mut w = sink.writer(0, 1).unwrap();
    assert!(w.prepare_commit(1).unwrap().is_empty(), "no rows, no transaction");
    // Several epochs in the normal course, with producers used again.
    for epoch in 2..8 {
        w.write(&rows(epoch * 10)).unwrap();
        let prepared = w.prepare_commit(epoch as u64).unwrap();
        assert_eq!(prepared.len(), 1);
        c.commit(epoch as u64, prepared.clone()).unwrap();
        c.commit(epoch as u64, prepared).unwrap();
    }
    let mut expected: Vec<i64> = (2..8).flat_map(|e| [e * 10, e * 10 + 1]).collect();
    assert_eq!(committed(&servers, topic), expected);
    // Epoch 8 is decided but not committed, epoch 9 is complete, epoch 10 is open.
    w.write(&rows(80)).unwrap();
    let eighth = w.prepare_commit(8).unwrap();
    w.write(&rows(90)).unwrap();
    w.prepare_commit(9).unwrap();
    w.write(&rows(100)).unwrap();
    std::mem::forget((sink, c, w));
    // Restored twice from epoch 8: the second time the first one has begun a transaction.
    for _ in 0..2 {
        let (sink, mut c) = run();
        c.recover(Some((8, eighth.clone()))).unwrap();
        let mut w = sink.writer(0, 1).unwrap();
        w.write(&rows(90)).unwrap();
        let ninth = w.prepare_commit(9).unwrap();
        std::mem::forget((sink, c, w, ninth));
    }
    let (sink, mut c) = run();
    c.recover(Some((8, eighth))).unwrap();
    let mut w = sink.writer(0, 1).unwrap();
    w.write(&rows(90)).unwrap();
    c.commit(9, w.prepare_commit(9).unwrap()).unwrap();
    // Rows after the last checkpoint of a stopped job are taken back.
    w.write(&rows(200)).unwrap();
    drop(w);
    expected.extend([80, 81, 90, 91]);
    assert_eq!(committed(&servers, topic), expected);
}

#[test]
fn exactly_once_needs_its_options() {
    let fail = |more: &[(&str, &str)]| {
        let mut options = vec![("format", "json"), ("sink.delivery-guarantee", "exactly-once")];
        options.extend_from_slice(more);
        let spec = SinkSpec {
            table: table("k:1", &options),
            metadata_keys: vec![],
            overwrite: false,
            static_partition: vec![],
        };
        KafkaFactory { upsert: false }.sink(&spec, &schema()).err().unwrap()
    };
    assert!(fail(&[]).message().contains("'sink.transactional-id-prefix'"));
    let prefix = ("sink.transactional-id-prefix", "p");
    let e = fail(&[prefix, ("sink.transaction-naming-strategy", "x")]);
    assert!(e.to_string().contains("'POOLING' or 'INCREMENTING'"), "{e}");
    let e = fail(&[prefix, ("properties.security.protocol", "SASL_PLAINTEXT")]);
    assert!(e.message().contains("GSSAPI"), "{e}");
}
