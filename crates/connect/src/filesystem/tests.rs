use std::path::Path;

use weir_core::{ChangeBatch, DataType, Error, Field, Result, Schema, TypeKind, Value};
use weir_spec::{ReadColumn, SinkSpec, SourceSpec, TableSpec};

use super::*;
use crate::api::{Poll, SourceReader};

fn table(dir: &Path, format: &str, more: &[(&str, &str)]) -> TableSpec {
    let mut options: Options =
        [("connector", "filesystem"), ("path", dir.to_str().unwrap()), ("format", format)]
            .iter()
            .chain(more)
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect();
    let partition_keys =
        if options.remove("test.partitioned").is_some() { vec![2] } else { vec![] };
    TableSpec {
        identifier: "c.d.t".into(),
        physical: Schema::new(vec![
            Field::new("id", DataType::int()),
            Field::new("v", DataType::string()),
            Field::new("dt", DataType::from(TypeKind::Date)),
        ]),
        primary_key: vec![],
        partition_keys,
        options,
    }
}

fn scan(table: &TableSpec, batch: bool) -> Box<dyn Source> {
    let columns = (0..3).map(|i| ReadColumn::Physical { path: vec![i] }).collect();
    let spec = SourceSpec { table: table.clone(), columns, filter: None, limit: None, batch };
    FilesystemFactory.source(&spec, &table.physical).unwrap()
}

fn drain(readers: &mut [Box<dyn SourceReader>]) -> Result<Vec<Vec<Value>>> {
    let mut rows = Vec::new();
    let mut ended = vec![false; readers.len()];
    while ended.contains(&false) {
        for (r, end) in readers.iter_mut().zip(&mut ended) {
            match r.poll()? {
                Poll::Batch(b) => rows.extend(values(&b)),
                Poll::Pending(d) => std::thread::sleep(d),
                Poll::End => *end = true,
            }
        }
    }
    Ok(rows)
}

fn values(b: &ChangeBatch) -> Vec<Vec<Value>> {
    (0..b.len())
        .map(|r| b.rows.columns().iter().map(|c| Value::from_array(c, r)).collect())
        .collect()
}

fn read(table: &TableSpec) -> Vec<Vec<Value>> {
    let source = scan(table, false);
    let mut readers = [source.reader(0, 1).unwrap()];
    let mut rows = drain(&mut readers).unwrap();
    rows.sort_by(|a, b| a[0].total_cmp(&b[0]));
    rows
}

fn batch(rows: &[(i64, &str, i32)], schema: &Schema) -> ChangeBatch {
    let columns = (0..3)
        .map(|c| {
            let values: Vec<Value> = rows
                .iter()
                .map(|(id, v, d)| match c {
                    0 => Value::Int(*id),
                    1 => Value::String((*v).to_owned()),
                    _ if *d < 0 => Value::Null,
                    _ => Value::Date(*d),
                })
                .collect();
            weir_core::value::values_to_array(&values, &schema.fields[c].ty).unwrap()
        })
        .collect();
    ChangeBatch::from_columns(schema.to_arrow(), columns, rows.len(), None).unwrap()
}

fn write(table: &TableSpec, overwrite: bool, rows: &[(i64, &str, i32)]) {
    let spec = SinkSpec {
        table: table.clone(),
        metadata_keys: vec![],
        overwrite,
        static_partition: vec![],
    };
    let sink = FilesystemFactory.sink(&spec, &table.physical).unwrap();
    let mut writer = sink.writer(0, 1).unwrap();
    writer.write(&batch(rows, &table.physical)).unwrap();
    let committables = writer.prepare_commit(1).unwrap();
    assert!(!committables.is_empty());
    let mut committer = sink.committer().unwrap().unwrap();
    committer.commit(1, committables.clone()).unwrap();
    committer.commit(1, committables).unwrap();
}

fn row(id: i64, v: &str, d: i32) -> Vec<Value> {
    let d = if d < 0 { Value::Null } else { Value::Date(d) };
    vec![Value::Int(id), Value::String(v.into()), d]
}

#[test]
fn round_trips_in_all_formats() {
    for format in ["json", "csv", "parquet"] {
        let dir = tempfile::tempdir().unwrap();
        let t = table(&dir.path().join("a/b"), format, &[]);
        write(&t, false, &[(1, "x", 10), (2, "y, \"z\"", 11)]);
        write(&t, false, &[(3, "é", 12)]);
        assert_eq!(
            read(&t),
            [row(1, "x", 10), row(2, "y, \"z\"", 11), row(3, "é", 12)],
            "{format}"
        );
        write(&t, true, &[(9, "only", 1)]);
        assert_eq!(read(&t), [row(9, "only", 1)], "{format}");
    }
}

#[test]
fn partitions_come_from_the_path() {
    let dir = tempfile::tempdir().unwrap();
    let more = [
        ("test.partitioned", ""),
        ("sink.partition-commit.policy.kind", "success-file"),
        ("csv.field-delimiter", "|"),
    ];
    let t = table(dir.path(), "csv", &more);
    write(&t, false, &[(1, "a", 19723), (2, "b", -1), (3, "c", 19723)]);
    assert!(dir.path().join("dt=2024-01-01/_SUCCESS").exists());
    assert!(dir.path().join("dt=__DEFAULT_PARTITION__").is_dir());
    let expected = [row(1, "a", 19723), row(2, "b", -1), row(3, "c", 19723)];
    assert_eq!(read(&t), expected);
    // Overwriting touches only the partitions that are written.
    write(&t, true, &[(4, "d", 19723)]);
    assert_eq!(read(&t), [row(2, "b", -1), row(4, "d", 19723)]);
    std::fs::write(dir.path().join("loose.csv"), "1|x\n").unwrap();
    let e = drain(&mut [scan(&t, false).reader(0, 1).unwrap()]).unwrap_err();
    assert!(e.to_string().contains("PARTITIONED BY (dt)"), "{e}");
}

#[test]
fn nothing_is_visible_before_the_commit() {
    let dir = tempfile::tempdir().unwrap();
    let t = table(dir.path(), "json", &[("sink.rolling-policy.file-size", "10b")]);
    let spec = SinkSpec {
        table: t.clone(),
        metadata_keys: vec![],
        overwrite: false,
        static_partition: vec![],
    };
    let sink = FilesystemFactory.sink(&spec, &t.physical).unwrap();
    let mut writer = sink.writer(0, 1).unwrap();
    writer.write(&batch(&[(1, "x", 1)], &t.physical)).unwrap();
    writer.write(&batch(&[(2, "y", 1)], &t.physical)).unwrap();
    assert!(read(&t).is_empty());
    // Each batch filled a file.
    assert_eq!(writer.prepare_commit(1).unwrap().len(), 2);
    drop(writer);
    assert!(read(&t).is_empty());
}

#[test]
fn checkpoints_resume_in_the_middle_of_files() {
    let dir = tempfile::tempdir().unwrap();
    for f in 0..3 {
        let text: String = (0..20_000)
            .map(|i| format!("{{\"id\":{},\"v\":\"{}\"}}\n", f * 20_000 + i, "x".repeat(i % 50)))
            .collect();
        std::fs::write(dir.path().join(format!("f{f}.json")), text).unwrap();
    }
    let t = table(dir.path(), "json", &[]);
    let source = scan(&t, false);
    let mut readers = [source.reader(0, 2).unwrap(), source.reader(1, 2).unwrap()];
    let mut ids: Vec<i64> = Vec::new();
    let mut take = |b: Poll| {
        if let Poll::Batch(b) = b {
            ids.extend(values(&b).iter().map(|r| r[0].as_i64().unwrap()));
        }
    };
    for _ in 0..4 {
        take(readers[0].poll().unwrap());
    }
    let mut positions = readers[0].position().unwrap();
    // Reader 1 takes its first split only after reader 0's checkpoint.
    take(readers[1].poll().unwrap());
    positions.extend(readers[1].position().unwrap());
    let source = scan(&t, false);
    let mut readers: Vec<_> = (0..3).map(|i| source.reader(i, 3).unwrap()).collect();
    let (a, b) = positions.split_at(1);
    readers[0].restore(b.to_vec()).unwrap();
    assert!(matches!(readers[0].poll().unwrap(), Poll::Pending(_)));
    readers[1].restore(a.to_vec()).unwrap();
    // Handing the same positions to several readers is fine as well.
    readers[2].restore(positions.clone()).unwrap();
    ids.extend(drain(&mut readers).unwrap().iter().map(|r| r[0].as_i64().unwrap()));
    ids.sort_unstable();
    assert_eq!(ids, (0..60_000).collect::<Vec<_>>());
}

#[test]
fn ranges_of_one_file_give_every_record_once() {
    let dir = tempfile::tempdir().unwrap();
    let text: String = (0..1000).map(|i| format!("{{\"id\":{i},\"v\":\"é{i}\"}}\n")).collect();
    let path = dir.path().join("f.json");
    std::fs::write(&path, &text).unwrap();
    for range in [7, 64, 1000, 5_000] {
        let t = table(dir.path(), "json", &[]);
        let columns = (0..3).map(|i| ReadColumn::Physical { path: vec![i] }).collect();
        let spec = SourceSpec { table: t.clone(), columns, filter: None, limit: None, batch: true };
        let mut source = source::FileSource::new(&spec, &t.physical).unwrap();
        source.set_range(range);
        let mut readers = [source.reader(0, 2).unwrap(), source.reader(1, 2).unwrap()];
        let mut ids: Vec<i64> =
            drain(&mut readers).unwrap().iter().map(|r| r[0].as_i64().unwrap()).collect();
        ids.sort_unstable();
        assert_eq!(ids, (0..1000).collect::<Vec<_>>(), "range {range}");
    }
}

#[test]
fn metadata_and_monitoring() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.csv"), "1,x,\n").unwrap();
    std::fs::write(dir.path().join("_hidden.csv"), "9,x,\n").unwrap();
    let t = table(dir.path(), "csv", &[("source.monitor-interval", "10 ms")]);
    let schema = Schema::new(vec![
        Field::new("n", DataType::string()),
        Field::new("s", DataType::bigint()),
        Field::new("id", DataType::int()),
    ]);
    let columns = vec![
        ReadColumn::Metadata { key: "file.name".into() },
        ReadColumn::Metadata { key: "file.size".into() },
        ReadColumn::Physical { path: vec![0] },
    ];
    let spec = SourceSpec { table: t, columns, filter: None, limit: None, batch: false };
    let source = FilesystemFactory.source(&spec, &schema).unwrap();
    assert!(!source.is_bounded());
    let mut reader = source.reader(0, 1).unwrap();
    let mut next = || loop {
        match reader.poll().unwrap() {
            Poll::Batch(b) => return values(&b),
            Poll::Pending(d) => std::thread::sleep(d),
            Poll::End => panic!("unbounded"),
        }
    };
    let name = |n: &str| Value::String(n.into());
    assert_eq!(next(), [vec![name("a.csv"), Value::Int(5), Value::Int(1)]]);
    std::fs::write(dir.path().join("b.csv"), "22,y,\n").unwrap();
    assert_eq!(next(), [vec![name("b.csv"), Value::Int(6), Value::Int(22)]]);
}

#[test]
fn mistakes_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let fail = |more: &[(&str, &str)]| -> Error {
        let t = table(dir.path(), "json", more);
        let spec =
            SourceSpec { columns: vec![], table: t, filter: None, limit: None, batch: false };
        FilesystemFactory.source(&spec, &Schema::default()).err().unwrap()
    };
    assert!(fail(&[("format", "jsn")]).hint_text().unwrap().contains("'json'"));
    assert!(fail(&[("json.ignore-errors", "true")]).message().contains("'json.ignore-errors'"));
    assert!(fail(&[("csv.null-literal", "x")]).message().contains("'csv.null-literal'"));
    assert!(fail(&[("pth", "x")]).hint_text().unwrap().contains("'path'"));
    assert!(fail(&[("auto-compaction", "true")]).message().starts_with("not yet supported"));
    assert!(fail(&[("path", "s3://b/x")]).message().contains("s3://"));
    let t = table(&dir.path().join("missing"), "json", &[]);
    let e = drain(&mut [scan(&t, false).reader(0, 1).unwrap()]).unwrap_err();
    assert!(e.message().contains("missing"), "{e}");
}

/// A sink of a job that keeps durable checkpoints, opened anew as a restored run does.
fn durable(t: &TableSpec) -> Box<dyn Sink> {
    let spec = SinkSpec {
        table: t.clone(),
        metadata_keys: vec![],
        overwrite: false,
        static_partition: vec![],
    };
    let mut sink = FilesystemFactory.sink(&spec, &t.physical).unwrap();
    sink.identify(crate::api::SinkIdentity { job: "j".into(), sink: "s".into(), durable: true });
    sink
}

#[test]
fn a_recovery_publishes_what_the_checkpoint_holds_and_removes_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    for format in ["json", "csv", "parquet"] {
        let t = table(&dir.path().join(format), format, &[]);
        let sink = durable(&t);
        let mut w = sink.writer(0, 1).unwrap();
        let mut c = sink.committer().unwrap().unwrap();
        c.recover(None).unwrap();
        w.write(&batch(&[(1, "a", 1)], &t.physical)).unwrap();
        let first = w.prepare_commit(1).unwrap();
        c.commit(1, first).unwrap();
        // A text file goes on after a checkpoint.
        assert_eq!(read(&t).len(), usize::from(format == "parquet"), "{format}");
        w.write(&batch(&[(2, "b", 1)], &t.physical)).unwrap();
        let second = w.prepare_commit(2).unwrap();
        w.write(&batch(&[(3, "c", 1)], &t.physical)).unwrap();
        w.prepare_commit(3).unwrap();
        // The process dies before epoch 2 is committed and epoch 3 is decided.
        drop((w, c));
        for _ in 0..2 {
            let sink = durable(&t);
            let mut c = sink.committer().unwrap().unwrap();
            c.recover(Some((2, second.clone()))).unwrap();
            assert_eq!(read(&t), [row(1, "a", 1), row(2, "b", 1)], "{format}");
            let mut w = sink.writer(0, 1).unwrap();
            w.write(&batch(&[(3, "c", 1)], &t.physical)).unwrap();
            w.prepare_commit(3).unwrap();
        }
        let sink = durable(&t);
        let mut c = sink.committer().unwrap().unwrap();
        c.recover(Some((2, second.clone()))).unwrap();
        let mut w = sink.writer(0, 1).unwrap();
        w.write(&batch(&[(3, "c", 1)], &t.physical)).unwrap();
        w.end_of_input().unwrap();
        c.commit(3, w.prepare_commit(3).unwrap()).unwrap();
        assert_eq!(read(&t), [row(1, "a", 1), row(2, "b", 1), row(3, "c", 1)], "{format}");
        let hidden = std::fs::read_dir(dir.path().join(format)).unwrap();
        let hidden =
            hidden.filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
        assert_eq!(hidden.count(), 0, "{format}");
    }
}

#[test]
fn what_was_prepared_for_a_checkpoint_that_was_given_up_is_not_cut_from_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let t = table(dir.path(), "json", &[]);
    let sink = durable(&t);
    let mut w = sink.writer(0, 1).unwrap();
    w.write(&batch(&[(1, "a", 1)], &t.physical)).unwrap();
    let mut prepared = w.prepare_commit(1).unwrap();
    w.write(&batch(&[(2, "b", 1)], &t.physical)).unwrap();
    w.end_of_input().unwrap();
    prepared.extend(w.prepare_commit(2).unwrap());
    drop(w);
    durable(&t).committer().unwrap().unwrap().recover(Some((2, prepared))).unwrap();
    assert_eq!(read(&t), [row(1, "a", 1), row(2, "b", 1)]);
}

#[test]
fn partitions_are_announced_when_the_watermark_passes_them() {
    let dir = tempfile::tempdir().unwrap();
    let t = table(
        dir.path(),
        "json",
        &[
            ("test.partitioned", ""),
            ("sink.partition-commit.trigger", "partition-time"),
            ("sink.partition-commit.delay", "1 d"),
            ("sink.partition-commit.policy.kind", "success-file"),
            ("sink.partition-commit.success-file.name", "_DONE"),
        ],
    );
    const DAY: i64 = 86_400_000;
    let done = |day: &str| dir.path().join(format!("dt={day}/_DONE")).exists();
    let sink = durable(&t);
    let mut w = sink.writer(0, 1).unwrap();
    let mut c = sink.committer().unwrap().unwrap();
    w.write(&batch(&[(1, "a", 19723), (2, "b", 19724)], &t.physical)).unwrap();
    w.watermark(19724 * DAY).unwrap();
    c.commit(1, w.prepare_commit(1).unwrap()).unwrap();
    assert!(!done("2024-01-01"));
    w.watermark(19724 * DAY + 1).unwrap();
    c.commit(2, w.prepare_commit(2).unwrap()).unwrap();
    assert!(done("2024-01-01") && !done("2024-01-02"));
    // The file of the announced partition is there, the other one still open.
    assert_eq!(read(&t).len(), 1);
    let third = w.prepare_commit(3).unwrap();
    // A restored run knows what is left to announce.
    let sink = durable(&t);
    let mut c = sink.committer().unwrap().unwrap();
    c.recover(Some((3, third))).unwrap();
    let mut w = sink.writer(0, 1).unwrap();
    w.watermark(19725 * DAY + 1).unwrap();
    c.commit(4, w.prepare_commit(4).unwrap()).unwrap();
    assert!(done("2024-01-02"));
    assert_eq!(read(&t).len(), 2);
}
