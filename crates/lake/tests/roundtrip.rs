//! Tables written and read back: append, upserts, partitions, time travel,
//! two-phase commits, streaming follow.

mod common;

use common::*;
use weir_connect::api::ConnectorFactory;
use weir_core::{DataType, Field, TypeKind, Value};
use weir_functions::Expr;
use weir_lake::PaimonConnector;
use weir_spec::{Catalog, CatalogColumn, ChangelogMode, ReadColumn};

fn columns() -> Vec<(&'static str, DataType)> {
    vec![("id", DataType::bigint().not_null()), ("name", DataType::string())]
}

#[test]
fn append_table_keeps_duplicates_and_filters() {
    let dir = tempfile::tempdir().unwrap();
    let cat = catalog(dir.path());
    cat.create_table("default", "t", table(&columns(), &[], &[], &[])).unwrap();
    let mut job = Job::new(&sink_spec(spec(&cat, "t", &[])), 2);
    job.write(&[(0, vec![int(1), s("a")]), (0, vec![int(1), s("a")]), (0, vec![int(2), s("b")])]);
    job.commit(1);
    job.write(&[(0, vec![int(3), Value::Null])]);
    job.commit(2);
    let mut scan = source_spec(spec(&cat, "t", &[]), true);
    let all = ["+I[1, a]", "+I[1, a]", "+I[2, b]", "+I[3, null]"];
    assert_eq!(read(&scan, 1), all);
    assert_eq!(read(&scan, 3), all);
    let filter = Expr::call(
        ">",
        vec![Expr::column(0, DataType::bigint()), Expr::literal(Value::Int(1), DataType::bigint())],
        DataType::boolean(),
    );
    scan.filter = Some(filter);
    assert_eq!(read(&scan, 2), ["+I[2, b]", "+I[3, null]"]);
    scan.filter = None;
    scan.columns = vec![ReadColumn::Physical { path: vec![1] }];
    assert_eq!(read(&scan, 1), ["+I[a]", "+I[a]", "+I[b]", "+I[null]"]);
    scan.columns = vec![];
    assert_eq!(read(&scan, 1).len(), 4);
    // A deletion has no place in a table without key.
    assert!(job.sink.changelog_mode().is_insert_only());
}

#[test]
fn keyed_table_merges_upserts_and_deletes() {
    let dir = tempfile::tempdir().unwrap();
    let cat = catalog(dir.path());
    for (name, bucket, parallelism) in [("fixed", "4", 3), ("dynamic", "-1", 3)] {
        let t = table(&columns(), &["id"], &[], &[("bucket", bucket)]);
        cat.create_table("default", name, t).unwrap();
        let mut job = Job::new(&sink_spec(spec(&cat, name, &[])), parallelism);
        assert_eq!(job.sink.changelog_mode(), ChangelogMode::UPSERT);
        let rows: Vec<_> = (0..50).map(|i| (0u8, vec![int(i), s("old")])).collect();
        job.write(&rows);
        job.commit(1);
        job.write(&[(2, vec![int(7), s("new")]), (3, vec![int(8), s("old")])]);
        job.commit(2);
        // A second run continues where the first one ended.
        let mut job = Job::new(&sink_spec(spec(&cat, name, &[])), parallelism);
        job.write(&[(2, vec![int(9), s("newer")])]);
        job.commit(1);
        let got = read(&source_spec(spec(&cat, name, &[]), true), 3);
        assert_eq!(got.len(), 49, "{name}");
        assert!(got.contains(&"+I[7, new]".to_owned()));
        assert!(got.contains(&"+I[9, newer]".to_owned()));
        assert!(!got.iter().any(|r| r.starts_with("+I[8,")));
    }
}

#[test]
fn partitions_are_listed_pruned_and_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let cat = catalog(dir.path());
    let mut cols = columns();
    cols.push(("dt", DataType::string()));
    cat.create_table("default", "p", table(&cols, &[], &["dt"], &[])).unwrap();
    let mut job = Job::new(&sink_spec(spec(&cat, "p", &[])), 1);
    job.write(&[
        (0, vec![int(1), s("a"), s("d1")]),
        (0, vec![int(2), s("b"), s("d2")]),
        (0, vec![int(3), s("c"), s("d2")]),
    ]);
    job.commit(1);
    let parts = cat.list_partitions("default", "p").unwrap();
    let dt = |v: &str| vec![("dt".to_owned(), v.to_owned())];
    assert_eq!(parts, vec![dt("d1"), dt("d2")]);

    let overwrite = |with: &[(&str, &str)], rows: &[(u8, Vec<Value>)]| {
        let mut sink = sink_spec(spec(&cat, "p", &[]));
        sink.overwrite = true;
        sink.static_partition =
            with.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut job = Job::new(&sink, 1);
        if !rows.is_empty() {
            job.write(rows);
        }
        job.commit(1);
        read(&source_spec(spec(&cat, "p", &[]), true), 2)
    };
    let got = overwrite(&[], &[(0, vec![int(4), s("x"), s("d2")])]);
    assert_eq!(got, ["+I[1, a, d1]", "+I[4, x, d2]"]);
    let got = overwrite(&[("dt", "d1")], &[(0, vec![int(5), s("y"), s("d1")])]);
    assert_eq!(got, ["+I[4, x, d2]", "+I[5, y, d1]"]);
    let got = overwrite(&[("dt", "d1")], &[]);
    assert_eq!(got, ["+I[4, x, d2]"]);

    // A repeated overwrite does not undo what the same job added after it.
    let mut sink = sink_spec(spec(&cat, "p", &[]));
    sink.overwrite = true;
    let mut job = Job::new(&sink, 1);
    job.write(&[(0, vec![int(6), s("z"), s("d2")])]);
    let first = job.prepare(1);
    job.committer.commit(1, first.clone()).unwrap();
    job.write(&[(0, vec![int(7), s("z"), s("d2")])]);
    let second = job.prepare(2);
    job.committer.commit(2, second.clone()).unwrap();
    job.committer.commit(2, second.clone()).unwrap();
    let mut again = Job::new(&sink, 1);
    again.committer.commit(2, second).unwrap();
    let scan = source_spec(spec(&cat, "p", &[]), true);
    assert_eq!(read(&scan, 1), ["+I[6, z, d2]", "+I[7, z, d2]"]);
}

#[test]
fn a_commit_repeated_after_a_restart_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let cat = catalog(dir.path());
    cat.create_table("default", "t", table(&columns(), &[], &[], &[])).unwrap();
    let mut job = Job::new(&sink_spec(spec(&cat, "t", &[])), 2);
    job.write(&[(0, vec![int(1), s("a")])]);
    let first = job.prepare(1);
    // Prepared is not visible.
    let scan = source_spec(spec(&cat, "t", &[]), true);
    assert!(read(&scan, 1).is_empty());
    job.committer.commit(1, first.clone()).unwrap();
    job.committer.commit(1, first.clone()).unwrap();
    job.write(&[(0, vec![int(2), s("b")])]);
    let second = job.prepare(2);
    drop(job);
    // Another run recovers: the first epoch is known, the second is not.
    let mut again = Job::new(&sink_spec(spec(&cat, "t", &[])), 2);
    again.committer.commit(1, first).unwrap();
    again.committer.commit(2, second.clone()).unwrap();
    again.committer.commit(2, second).unwrap();
    again.write(&[(0, vec![int(3), s("c")])]);
    again.commit(3);
    assert_eq!(read(&scan, 1), ["+I[1, a]", "+I[2, b]", "+I[3, c]"]);
    // A new run counts its epochs from 1 again.
    let mut other = Job::new(&sink_spec(spec(&cat, "t", &[])), 1);
    other.write(&[(0, vec![int(4), s("d")])]);
    other.commit(1);
    assert_eq!(read(&scan, 1).len(), 4);
}

#[test]
fn time_travel() {
    let dir = tempfile::tempdir().unwrap();
    let cat = catalog(dir.path());
    let t = table(&columns(), &["id"], &[], &[("bucket", "1")]);
    cat.create_table("default", "t", t).unwrap();
    let mut job = Job::new(&sink_spec(spec(&cat, "t", &[])), 1);
    job.write(&[(0, vec![int(1), s("a")])]);
    job.commit(1);
    std::thread::sleep(std::time::Duration::from_millis(30));
    let between = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_millis()
        .to_string();
    std::thread::sleep(std::time::Duration::from_millis(30));
    job.write(&[(2, vec![int(1), s("b")]), (0, vec![int(2), s("c")])]);
    job.commit(2);
    let at = |with: &[(&str, &str)]| read(&source_spec(spec(&cat, "t", with), true), 1);
    assert_eq!(at(&[]), ["+I[1, b]", "+I[2, c]"]);
    assert_eq!(at(&[("scan.mode", "latest"), ("scan.snapshot-id", "null")]).len(), 2);
    assert_eq!(at(&[("scan.mode", "compiled")]).len(), 2);
    assert_eq!(at(&[("scan.snapshot-id", "1")]), ["+I[1, a]"]);
    assert_eq!(at(&[("scan.version", "1")]), ["+I[1, a]"]);
    assert_eq!(at(&[("scan.timestamp-millis", &between)]), ["+I[1, a]"]);
    assert_eq!(at(&[("incremental-between", "1,2")]), ["+I[1, b]", "+I[2, c]"]);
    assert_eq!(at(&[("incremental-between", "0,1")]), ["+I[1, a]"]);
    let missing = source_spec(spec(&cat, "t", &[("scan.snapshot-id", "9")]), true);
    let e = PaimonConnector.source(&missing, &produced(&missing)).err().unwrap().to_string();
    assert!(e.contains("snapshots 1 to 2"), "{e}");
}

#[test]
fn streaming_reads_the_state_then_follows() {
    let dir = tempfile::tempdir().unwrap();
    let cat = catalog(dir.path());
    let fast = [("continuous.discovery-interval", "10 ms")];
    for (name, producer) in [("upsert", "none"), ("changelog", "input")] {
        let with = [("bucket", "2"), ("changelog-producer", producer)];
        cat.create_table("default", name, table(&columns(), &["id"], &[], &with)).unwrap();
        let mut job = Job::new(&sink_spec(spec(&cat, name, &[])), 2);
        job.write(&[(0, vec![int(1), s("a")]), (0, vec![int(2), s("b")])]);
        job.commit(1);
        let scan = source_spec(spec(&cat, name, &fast), false);
        let source = PaimonConnector.source(&scan, &produced(&scan)).unwrap();
        assert!(!source.is_bounded());
        let mut reader = source.reader(0, 1).unwrap();
        assert_eq!(sorted(take(reader.as_mut(), 2)), ["+I[1, a]", "+I[2, b]"]);
        job.write(&[
            (1, vec![int(1), s("a")]),
            (2, vec![int(1), s("x")]),
            (3, vec![int(2), s("b")]),
        ]);
        job.commit(2);
        let wanted: &[&str] = if producer == "none" {
            assert_eq!(source.changelog_mode(), ChangelogMode::UPSERT);
            &["+U[1, x]", "-D[2, b]"]
        } else {
            assert_eq!(source.changelog_mode(), ChangelogMode::ALL);
            &["+U[1, x]", "-D[2, b]", "-U[1, a]"]
        };
        assert_eq!(sorted(take(reader.as_mut(), wanted.len())), wanted);
        // Nothing more, and the position leads on from here.
        assert!(take_briefly(reader.as_mut()).is_empty());
        let position = reader.position().unwrap();
        drop(reader);
        job.write(&[(0, vec![int(3), s("c")])]);
        job.commit(3);
        let source = PaimonConnector.source(&scan, &produced(&scan)).unwrap();
        let mut reader = source.reader(0, 1).unwrap();
        reader.restore(position).unwrap();
        assert_eq!(take(reader.as_mut(), 1), ["+I[3, c]"]);
        assert!(take_briefly(reader.as_mut()).is_empty());
    }
}

fn take_briefly(reader: &mut dyn weir_connect::api::SourceReader) -> Vec<String> {
    let until = std::time::Instant::now() + std::time::Duration::from_millis(200);
    let mut out = Vec::new();
    while std::time::Instant::now() < until {
        match reader.poll().unwrap() {
            weir_connect::api::Poll::Batch(b) => out.extend(text(&[b])),
            weir_connect::api::Poll::Pending(d) => std::thread::sleep(d),
            weir_connect::api::Poll::End => break,
        }
    }
    out
}

#[test]
fn streaming_from_latest_and_from_a_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let cat = catalog(dir.path());
    cat.create_table("default", "t", table(&columns(), &[], &[], &[])).unwrap();
    let mut job = Job::new(&sink_spec(spec(&cat, "t", &[])), 1);
    for i in 1..=3u64 {
        job.write(&[(0, vec![int(i as i64), s("x")])]);
        job.commit(i);
    }
    let open = |with: &[(&str, &str)]| {
        let mut all = vec![("continuous.discovery-interval", "10 ms")];
        all.extend_from_slice(with);
        let scan = source_spec(spec(&cat, "t", &all), false);
        PaimonConnector.source(&scan, &produced(&scan)).unwrap().reader(0, 1).unwrap()
    };
    let mut from = open(&[("scan.snapshot-id", "2")]);
    assert_eq!(take(from.as_mut(), 2), ["+I[2, x]", "+I[3, x]"]);
    let mut full = open(&[("scan.mode", "from-snapshot-full"), ("scan.snapshot-id", "2")]);
    assert_eq!(sorted(take(full.as_mut(), 3)).len(), 3);
    let mut latest = open(&[("scan.mode", "latest")]);
    assert!(take_briefly(latest.as_mut()).is_empty());
    job.write(&[(0, vec![int(4), s("y")])]);
    job.commit(4);
    assert_eq!(take(latest.as_mut(), 1), ["+I[4, y]"]);
}

#[test]
fn a_position_inside_a_split_continues_there() {
    let dir = tempfile::tempdir().unwrap();
    let cat = catalog(dir.path());
    cat.create_table("default", "t", table(&columns(), &[], &[], &[])).unwrap();
    let mut job = Job::new(&sink_spec(spec(&cat, "t", &[])), 1);
    let rows: Vec<_> = (0..20_000).map(|i| (0u8, vec![int(i), s("row")])).collect();
    job.write(&rows);
    job.commit(1);
    let scan = source_spec(spec(&cat, "t", &[]), true);
    let source = PaimonConnector.source(&scan, &produced(&scan)).unwrap();
    let mut reader = source.reader(0, 1).unwrap();
    let mut seen = take(reader.as_mut(), 4000);
    let position = reader.position().unwrap();
    drop(reader);
    let mut reader = source.reader(0, 1).unwrap();
    reader.restore(position).unwrap();
    seen.extend(text(&drain(reader.as_mut())));
    assert_eq!(seen.len(), 20_000);
    assert_eq!(sorted(seen).iter().collect::<std::collections::BTreeSet<_>>().len(), 20_000);
}

#[test]
fn all_types_survive() {
    let dir = tempfile::tempdir().unwrap();
    let cat = catalog(dir.path());
    let row = DataType::from(TypeKind::Row(vec![
        Field::new("x", DataType::int()),
        Field::new("y", DataType::string()),
    ]));
    let map =
        DataType::from(TypeKind::Map(Box::new(DataType::string()), Box::new(DataType::bigint())));
    let cols: Vec<(&str, DataType)> = vec![
        ("b", DataType::boolean()),
        ("t", TypeKind::TinyInt.into()),
        ("d", DataType::decimal(20, 4)),
        ("ts0", DataType::timestamp(0)),
        ("ts3", DataType::timestamp(3)),
        ("ts9", DataType::timestamp(9)),
        ("ltz", DataType::timestamp_ltz(6)),
        ("day", TypeKind::Date.into()),
        ("tm", TypeKind::Time(3).into()),
        ("bin", DataType::bytes()),
        ("arr", TypeKind::Array(Box::new(DataType::int())).into()),
        ("map", map),
        ("row", row),
        ("v", TypeKind::Variant.into()),
        ("ms", TypeKind::Multiset(Box::new(DataType::string())).into()),
    ];
    cat.create_table("default", "t", table(&cols, &[], &[], &[])).unwrap();
    let read_back = cat.table("default", "t").unwrap().unwrap();
    for ((_, ty), c) in cols.iter().zip(&read_back.columns) {
        assert_eq!(c.ty(), ty);
    }
    let values = vec![
        Value::Boolean(true),
        Value::Int(-3),
        Value::Decimal(123_456),
        Value::Timestamp(1_700_000_000_000),
        Value::Timestamp(1_700_000_000_123),
        Value::Timestamp(1_700_000_000_123_456_789),
        Value::Timestamp(1_700_000_000_123_456),
        Value::Date(19_000),
        Value::Time(3_600_123),
        Value::Bytes(vec![1, 2]),
        Value::Array(vec![Value::Int(1), Value::Null]),
        Value::Map(vec![(s("k"), Value::Int(5))]),
        Value::Row(vec![Value::Int(1), s("z")]),
        s("{\"a\":1}"),
        Value::Map(vec![(s("e"), Value::Int(2))]),
    ];
    let nulls = vec![Value::Null; values.len()];
    let mut job = Job::new(&sink_spec(spec(&cat, "t", &[])), 1);
    job.write(&[(0, values.clone()), (0, nulls.clone())]);
    job.commit(1);
    let mut scan = source_spec(spec(&cat, "t", &[]), true);
    let source = PaimonConnector.source(&scan, &produced(&scan)).unwrap();
    let got = drain(source.reader(0, 1).unwrap().as_mut());
    let at = |r: usize| -> Vec<Value> {
        got[0].rows.columns().iter().map(|c| Value::from_array(c, r)).collect()
    };
    assert_eq!(at(0), values);
    assert_eq!(at(1), nulls);
    // A field inside a row, and NULL inside a NULL row.
    scan.columns = vec![ReadColumn::Physical { path: vec![12, 1] }];
    assert_eq!(read(&scan, 1), ["+I[null]", "+I[z]"]);
}

#[test]
fn alter_table_evolves_the_schema() {
    let dir = tempfile::tempdir().unwrap();
    let cat = catalog(dir.path());
    cat.create_table("default", "t", table(&columns(), &[], &[], &[])).unwrap();
    let mut job = Job::new(&sink_spec(spec(&cat, "t", &[])), 1);
    job.write(&[(0, vec![int(1), s("a")])]);
    job.commit(1);
    let mut t = cat.table("default", "t").unwrap().unwrap();
    t.columns[1] = CatalogColumn::Physical {
        name: "title".into(),
        ty: DataType::string(),
        comment: Some("renamed".into()),
    };
    t.columns.insert(
        1,
        CatalogColumn::Physical { name: "extra".into(), ty: DataType::int(), comment: None },
    );
    t.options.set("snapshot.time-retained", "2 h");
    // A rename is only seen at its old place: rename first, add after.
    let mut renamed = t.clone();
    renamed.columns.remove(1);
    cat.alter_table("default", "t", renamed).unwrap();
    cat.alter_table("default", "t", t.clone()).unwrap();
    let now = cat.table("default", "t").unwrap().unwrap();
    assert_eq!(now.columns, t.columns);
    assert_eq!(now.options.get("snapshot.time-retained"), Some("2 h"));
    assert_eq!(read(&source_spec(spec(&cat, "t", &[]), true), 1), ["+I[1, null, a]"]);
    let mut bucket = now.clone();
    bucket.options.set("bucket", "7");
    assert!(cat.alter_table("default", "t", bucket).is_err());
    cat.rename_table("default", "t", "u").unwrap();
    assert_eq!(cat.list_tables("default").unwrap(), ["u"]);
    assert_eq!(read(&source_spec(spec(&cat, "u", &[]), true), 1), ["+I[1, null, a]"]);
    cat.drop_table("default", "u").unwrap();
    assert!(cat.table("default", "u").unwrap().is_none());
}

#[test]
fn databases_and_external_tables() {
    let dir = tempfile::tempdir().unwrap();
    let cat = catalog(&dir.path().join("w"));
    cat.create_database("ods", Default::default()).unwrap();
    assert_eq!(cat.list_databases().unwrap(), ["default", "ods"]);
    assert!(cat.create_database("ods", Default::default()).is_err());
    let path = dir.path().join("elsewhere").to_string_lossy().into_owned();
    let t = table(&columns(), &[], &[], &[("path", &path)]);
    cat.create_table("default", "ext", t).unwrap();
    let found = cat.table("default", "ext").unwrap().unwrap();
    assert_eq!(found.options.get("path"), Some(path.as_str()));
    let mut job = Job::new(&sink_spec(spec(&cat, "ext", &[])), 1);
    job.write(&[(0, vec![int(1), s("a")])]);
    job.commit(1);
    assert_eq!(read(&source_spec(spec(&cat, "ext", &[]), true), 1), ["+I[1, a]"]);
    cat.drop_table("default", "ext").unwrap();
    assert!(dir.path().join("elsewhere/snapshot").exists());
    cat.create_table("ods", "t", table(&columns(), &[], &[], &[])).unwrap();
    assert!(cat.drop_database("ods", false).is_err());
    cat.drop_database("ods", true).unwrap();
    assert!(cat.database("ods").unwrap().is_none());
}

#[test]
fn auto_create_and_refusals() {
    let dir = tempfile::tempdir().unwrap();
    let cat = catalog(dir.path());
    let path = dir.path().join("auto").to_string_lossy().into_owned();
    cat.create_table("default", "model", table(&columns(), &["id"], &[], &[("bucket", "1")]))
        .unwrap();
    let mut t = spec(&cat, "model", &[]);
    t.options = options(&[("connector", "paimon"), ("path", &path), ("bucket", "1")]);
    let missing = PaimonConnector.sink(&sink_spec(t.clone()), &t.physical).err().unwrap();
    assert!(missing.to_string().contains("auto-create"), "{missing}");
    t.options.set("auto-create", "true");
    let mut job = Job::new(&sink_spec(t.clone()), 1);
    job.write(&[(0, vec![int(1), s("a")])]);
    job.commit(1);
    assert_eq!(read(&source_spec(t.clone(), true), 1), ["+I[1, a]"]);

    let refused = |with: (&str, &str), says: &str| {
        let mut t = spec(&cat, "model", &[]);
        t.options.set(with.0, with.1);
        let e = PaimonConnector.sink(&sink_spec(t.clone()), &t.physical).err().unwrap();
        assert!(e.to_string().contains(says), "{e}");
    };
    refused(("changelog-producer", "lookup"), "compaction");
    refused(("deletion-vectors.enabled", "true"), "compact");
    refused(("bucket", "3"), "contradicts");
    refused(("snapshot.time-retaind", "1 h"), "snapshot.time-retained");
    let first_row = table(&columns(), &["id"], &[], &[("merge-engine", "first-row")]);
    cat.create_table("default", "fr", first_row).unwrap();
    let t = spec(&cat, "fr", &[]);
    assert!(PaimonConnector.sink(&sink_spec(t.clone()), &t.physical).is_err());
    let mut t = spec(&cat, "model", &[]);
    t.physical.fields[1].ty = DataType::bigint();
    let scan = source_spec(t, true);
    let e = PaimonConnector.source(&scan, &produced(&scan)).err().unwrap().to_string();
    assert!(e.contains("STRING"), "{e}");
    let view_like = table(&columns(), &[], &[], &[("connector", "kafka")]);
    assert!(cat.create_table("default", "k", view_like).is_err());
    let e = weir_lake::PaimonCatalog::open(options(&[
        ("type", "paimon"),
        ("warehouse", &path),
        ("metastore", "hive"),
    ]));
    assert!(e.err().unwrap().to_string().contains("hive"));
}

#[test]
fn merge_engines() {
    let dir = tempfile::tempdir().unwrap();
    let cat = catalog(dir.path());
    let cols = [
        ("id", DataType::bigint().not_null()),
        ("a", DataType::bigint()),
        ("b", DataType::bigint()),
    ];
    let partial = [("bucket", "1"), ("merge-engine", "partial-update")];
    cat.create_table("default", "pu", table(&cols, &["id"], &[], &partial)).unwrap();
    let mut job = Job::new(&sink_spec(spec(&cat, "pu", &[])), 1);
    job.write(&[(0, vec![int(1), int(10), Value::Null])]);
    job.commit(1);
    job.write(&[(0, vec![int(1), Value::Null, int(20)])]);
    job.commit(2);
    assert_eq!(read(&source_spec(spec(&cat, "pu", &[]), true), 1), ["+I[1, 10, 20]"]);
    let sum = [
        ("bucket", "1"),
        ("merge-engine", "aggregation"),
        ("fields.a.aggregate-function", "sum"),
        ("fields.b.aggregate-function", "max"),
    ];
    cat.create_table("default", "agg", table(&cols, &["id"], &[], &sum)).unwrap();
    let mut job = Job::new(&sink_spec(spec(&cat, "agg", &[])), 1);
    job.write(&[(0, vec![int(1), int(10), int(3)]), (0, vec![int(1), int(5), int(2)])]);
    job.commit(1);
    job.write(&[(0, vec![int(1), int(1), int(9)])]);
    job.commit(2);
    assert_eq!(read(&source_spec(spec(&cat, "agg", &[]), true), 1), ["+I[1, 16, 9]"]);
}

#[test]
fn old_snapshots_expire_and_keep_what_others_need() {
    let dir = tempfile::tempdir().unwrap();
    let cat = catalog(dir.path());
    let with = [
        ("bucket", "1"),
        ("changelog-producer", "input"),
        ("snapshot.num-retained.min", "2"),
        ("snapshot.num-retained.max", "3"),
        ("num-sorted-run.compaction-trigger", "1000"),
    ];
    cat.create_table("default", "t", table(&columns(), &["id"], &[], &with)).unwrap();
    let mut job = Job::new(&sink_spec(spec(&cat, "t", &[])), 1);
    for epoch in 1..=25u64 {
        job.write(&[(0, vec![int(epoch as i64), s("x")])]);
        job.commit(epoch);
    }
    let count = |what: &str| {
        let at = dir.path().join("default.db/t").join(what);
        std::fs::read_dir(at)
            .unwrap()
            .filter(|f| {
                let name = f.as_ref().unwrap().file_name().to_string_lossy().into_owned();
                name.starts_with("snapshot-") || name.starts_with("changelog-")
            })
            .count()
    };
    // A committer looks after its first commit and every tenth one after that.
    settle(&mut job);
    job.write(&[(0, vec![int(26), s("x")])]);
    job.commit(26);
    settle(&mut job);
    assert_eq!(count("snapshot"), 3);
    assert_eq!(count("bucket-0"), 3);
    let scan = source_spec(spec(&cat, "t", &[]), true);
    assert_eq!(read(&scan, 1).len(), 26);
    assert_eq!(
        read(&source_spec(spec(&cat, "t", &[("scan.snapshot-id", "24")]), true), 1).len(),
        24
    );
    let gone = source_spec(spec(&cat, "t", &[("scan.snapshot-id", "3")]), true);
    let e = PaimonConnector.source(&gone, &produced(&gone)).err().unwrap().to_string();
    assert!(e.contains("snapshots 24 to 26"), "{e}");
    // Overwritten files go with the snapshots that had them.
    for _ in 0..4 {
        let mut sink = sink_spec(spec(&cat, "t", &[]));
        sink.overwrite = true;
        let mut job = Job::new(&sink, 1);
        job.write(&[(0, vec![int(1), s("only")])]);
        job.commit(1);
    }
    assert_eq!(read(&scan, 1), ["+I[1, only]"]);
    let data = std::fs::read_dir(dir.path().join("default.db/t/bucket-0")).unwrap().count();
    assert!(data <= 6, "{data} files left");
}

#[test]
fn a_small_buffer_writes_more_files_and_the_same_rows() {
    let dir = tempfile::tempdir().unwrap();
    let cat = catalog(dir.path());
    let mut cols = columns();
    cols.push(("p", DataType::string().not_null()));
    let with = [("bucket", "2"), ("write-buffer-size", "1 mb"), ("changelog-producer", "input")];
    cat.create_table("default", "t", table(&cols, &["id", "p"], &["p"], &with)).unwrap();
    let mut job = Job::new(&sink_spec(spec(&cat, "t", &[])), 2);
    let text = "x".repeat(100);
    for round in 0..3 {
        for chunk in 0..4i64 {
            let row = |i: i64| {
                let name = format!("{text}{round}");
                (
                    if round == 0 { 0u8 } else { 2 },
                    vec![int(i), s(&name), s(&format!("p{}", i % 5))],
                )
            };
            let rows: Vec<_> = (chunk * 5000..(chunk + 1) * 5000).map(row).collect();
            job.write(&rows);
        }
    }
    let prepared = job.prepare(1);
    assert!(prepared.len() > 10, "{} messages", prepared.len());
    job.committer.commit(1, prepared).unwrap();
    let got = read(&source_spec(spec(&cat, "t", &[]), true), 2);
    assert_eq!(got.len(), 20_000);
    assert!(got.iter().all(|r| r.contains("x2, p")));
}

#[test]
fn tags_and_consumers_keep_their_snapshots() {
    let dir = tempfile::tempdir().unwrap();
    let cat = catalog(dir.path());
    let with = [
        ("bucket", "1"),
        ("snapshot.num-retained.min", "1"),
        ("snapshot.num-retained.max", "1"),
        ("num-sorted-run.compaction-trigger", "1000"),
    ];
    cat.create_table("default", "t", table(&columns(), &["id"], &[], &with)).unwrap();
    let home = dir.path().join("default.db/t");
    let mut job = Job::new(&sink_spec(spec(&cat, "t", &[])), 1);
    for epoch in 1..=2u64 {
        job.write(&[(0, vec![int(epoch as i64), s("x")])]);
        job.commit(epoch);
    }
    // A tag is a copy of the snapshot file, a consumer names its next snapshot.
    std::fs::create_dir_all(home.join("tag")).unwrap();
    std::fs::copy(home.join("snapshot/snapshot-2"), home.join("tag/tag-two")).unwrap();
    std::fs::create_dir_all(home.join("consumer")).unwrap();
    std::fs::write(home.join("consumer/consumer-c"), r#"{"nextSnapshot": 8}"#).unwrap();
    for epoch in 3..=11u64 {
        job.write(&[(0, vec![int(epoch as i64), s("x")])]);
        job.commit(epoch);
    }
    settle(&mut job);
    job.write(&[(0, vec![int(12), s("x")])]);
    job.commit(12);
    settle(&mut job);
    assert!(!home.join("snapshot/snapshot-2").exists());
    assert!(!home.join("snapshot/snapshot-7").exists());
    assert!(home.join("snapshot/snapshot-8").exists());
    let at = |with: &[(&str, &str)]| read(&source_spec(spec(&cat, "t", with), true), 1);
    assert_eq!(at(&[("scan.tag-name", "two")]), ["+I[1, x]", "+I[2, x]"]);
    assert_eq!(at(&[("scan.version", "two")]).len(), 2);
    assert_eq!(at(&[("scan.snapshot-id", "8")]).len(), 8);
    assert_eq!(at(&[]).len(), 12);
    // The tag survives an overwrite and the expiry of everything before it.
    std::fs::remove_file(home.join("consumer/consumer-c")).unwrap();
    for _ in 0..3 {
        let mut sink = sink_spec(spec(&cat, "t", &[]));
        sink.overwrite = true;
        let mut job = Job::new(&sink, 1);
        job.write(&[(0, vec![int(1), s("only")])]);
        job.commit(1);
    }
    assert_eq!(at(&[("scan.tag-name", "two")]), ["+I[1, x]", "+I[2, x]"]);
    assert_eq!(at(&[]), ["+I[1, only]"]);
}

/// Waits for maintenance: a committer that goes away does.
fn settle(job: &mut Job) {
    job.committer = job.sink.committer().unwrap().unwrap();
}

#[test]
fn compaction_keeps_the_rows_and_drops_the_runs() {
    let dir = tempfile::tempdir().unwrap();
    let cat = catalog(dir.path());
    let cols = [
        ("id", DataType::bigint().not_null()),
        ("a", DataType::bigint()),
        ("b", DataType::bigint()),
    ];
    let few = [
        ("bucket", "1"),
        ("snapshot.num-retained.min", "1"),
        ("snapshot.num-retained.max", "1"),
        ("num-sorted-run.compaction-trigger", "3"),
    ];
    let engines: [&[(&str, &str)]; 3] = [
        &[("changelog-producer", "input")],
        &[("merge-engine", "partial-update")],
        &[("merge-engine", "aggregation"), ("fields.a.aggregate-function", "sum")],
    ];
    for (i, engine) in engines.into_iter().enumerate() {
        let name = format!("t{i}");
        let mut with = few.to_vec();
        with.extend_from_slice(engine);
        cat.create_table("default", &name, table(&cols, &["id"], &[], &with)).unwrap();
        let mut job = Job::new(&sink_spec(spec(&cat, &name, &[])), 1);
        for epoch in 1..=31i64 {
            job.write(&[
                (0, vec![int(1), int(1), int(epoch)]),
                (0, vec![int(epoch % 7 + 2), int(1), Value::Null]),
            ]);
            job.commit(epoch as u64);
            settle(&mut job);
            if epoch % 3 == 0 {
                // The committer counts its own commits; this one has seen one only.
                let mut merging = job.sink.committer().unwrap().unwrap();
                for extra in 1..=3u64 {
                    job.write(&[(0, vec![int(9), int(1), int(0)])]);
                    let prepared = job.prepare(1000 * epoch as u64 + extra);
                    merging.commit(1000 * epoch as u64 + extra, prepared).unwrap();
                }
            }
        }
        let got = read(&source_spec(spec(&cat, &name, &[]), true), 1);
        let a = if i == 2 { 31 } else { 1 };
        assert!(got.contains(&format!("+I[1, {a}, 31]")), "{name}: {got:?}");
        assert_eq!(got.len(), 9, "{name}: {got:?}");
        let data = std::fs::read_dir(dir.path().join(format!("default.db/{name}/bucket-0")));
        let files = data.unwrap().count();
        assert!(files < 40, "{name}: {files} files left of more than 60");
        if let Ok(python) = std::env::var("WEIR_PYTHON") {
            let out = std::process::Command::new(python)
                .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pypaimon_read.py"))
                .arg("read")
                .arg(dir.path())
                .arg(format!("default.{name}"))
                .output()
                .unwrap();
            let lines = String::from_utf8(out.stdout).unwrap();
            assert_eq!(lines.lines().count(), 9, "{lines}");
            assert!(lines.contains(&format!("[1, {a}, 31]")), "{lines}");
        }
    }
}

#[test]
fn committers_at_the_same_time_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let cat = catalog(dir.path());
    cat.create_table("default", "t", table(&columns(), &[], &[], &[])).unwrap();
    let sink = sink_spec(spec(&cat, "t", &[]));
    std::thread::scope(|scope| {
        for thread in 0..4i64 {
            let sink = &sink;
            scope.spawn(move || {
                let mut job = Job::new(sink, 1);
                for epoch in 1..=20u64 {
                    job.write(&[(0, vec![int(thread * 100 + epoch as i64), s("x")])]);
                    job.commit(epoch);
                }
            });
        }
    });
    assert_eq!(read(&source_spec(spec(&cat, "t", &[]), true), 2).len(), 80);
}

/// Figures for a report: `cargo test --release -p weir-lake -- --ignored --nocapture throughput`.
#[test]
#[ignore = "a measurement, not a check"]
fn throughput() {
    let dir = tempfile::tempdir().unwrap();
    let cat = catalog(dir.path());
    let n = 2_000_000i64;
    for (name, key, bucket) in [("append", vec![], "-1"), ("keyed", vec!["id"], "4")] {
        let t = table(&columns(), &key, &[], &[("bucket", bucket)]);
        cat.create_table("default", name, t).unwrap();
        let mut job = Job::new(&sink_spec(spec(&cat, name, &[])), 2);
        let chunks: Vec<_> = (0..n / 8192 + 1)
            .map(|c| {
                let rows: Vec<_> = (0..8192)
                    .map(|i| (0u8, vec![int((c * 8192 + i) * 7919 % n), s(&format!("text {i}"))]))
                    .collect();
                batch(&job.schema, &rows)
            })
            .collect();
        let start = std::time::Instant::now();
        let mut done = 0;
        for one in &chunks {
            let n = job.writers.len();
            let mut to = Vec::new();
            if let Some(p) = job.sink.partitioner() {
                p.route(one, n, &mut to).unwrap();
            } else {
                to.resize(one.len(), 0);
            }
            for w in 0..n {
                let mine: Vec<u32> =
                    (0..one.len() as u32).filter(|i| to[*i as usize] == w as u32).collect();
                job.writers[w].write(&one.take(&mine.into()).unwrap()).unwrap();
            }
            done += one.len() as i64;
        }
        job.commit(1);
        let wrote = start.elapsed();
        let start = std::time::Instant::now();
        let scan = source_spec(spec(&cat, name, &[]), true);
        let source = PaimonConnector.source(&scan, &produced(&scan)).unwrap();
        let rows: usize =
            drain(source.reader(0, 1).unwrap().as_mut()).iter().map(|b| b.len()).sum();
        let per = |d: std::time::Duration, r: i64| r as f64 / d.as_secs_f64() / 1e6;
        println!(
            "{name}: wrote {done} rows at {:.2} M/s, read {rows} rows at {:.2} M/s",
            per(wrote, done),
            per(start.elapsed(), rows as i64)
        );
    }
}
