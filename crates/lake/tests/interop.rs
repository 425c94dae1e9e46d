//! Tables shared with pypaimon, both ways. Runs only when the environment names
//! an interpreter that has pypaimon: `WEIR_PYTHON=.../python`.

mod common;

use std::io::Write;
use std::process::{Command, Stdio};

use common::*;
use weir_core::{DataType, Value};
use weir_spec::Catalog;

/// Runs the script; `None` when no interpreter is named.
fn python(dir: &std::path::Path, args: &[&str], input: &str) -> Option<Vec<String>> {
    let interpreter = std::env::var("WEIR_PYTHON").ok()?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pypaimon_read.py");
    let mut child = Command::new(interpreter)
        .arg(script)
        .arg(args[0])
        .arg(dir)
        .args(&args[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "{args:?} failed");
    let text = String::from_utf8(out.stdout).unwrap();
    Some(sorted(text.lines().map(str::to_owned).collect()))
}

fn columns() -> Vec<(&'static str, DataType)> {
    vec![
        ("id", DataType::bigint().not_null()),
        ("name", DataType::string()),
        ("price", DataType::double()),
    ]
}

fn row(id: i64, name: &str, price: f64) -> Vec<Value> {
    vec![int(id), s(name), Value::Double(price)]
}

/// Name, key, partition columns, options.
type Case = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
    &'static [(&'static str, &'static str)],
);

#[test]
fn pypaimon_reads_what_we_write() {
    let dir = tempfile::tempdir().unwrap();
    let cat = catalog(dir.path());
    let cases: [Case; 5] = [
        ("append", &[], &[], &[]),
        ("keyed", &["id"], &[], &[("bucket", "3")]),
        ("dynamic", &["id"], &[], &[("bucket", "-1")]),
        ("parted", &["id", "name"], &["name"], &[("bucket", "2")]),
        ("changelog", &["id"], &[], &[("bucket", "1"), ("changelog-producer", "input")]),
    ];
    for (name, key, partition, with) in cases {
        cat.create_table("default", name, table(&columns(), key, partition, with)).unwrap();
        let mut job = Job::new(&sink_spec(spec(&cat, name, &[])), 2);
        job.write(&[(0, row(1, "a", 1.5)), (0, row(2, "b", 2.5))]);
        job.commit(1);
        let mut wanted = vec![r#"[1, "a", 1.5]"#, r#"[2, "b", 2.5]"#];
        if key.is_empty() {
            job.write(&[(0, row(3, "c", 3.5))]);
            wanted.push(r#"[3, "c", 3.5]"#);
        } else {
            job.write(&[(2, row(1, "a", 9.5)), (3, row(2, "b", 2.5))]);
            wanted = vec![r#"[1, "a", 9.5]"#];
        }
        job.commit(2);
        let Some(got) = python(dir.path(), &["read", &format!("default.{name}")], "") else {
            return;
        };
        assert_eq!(got, wanted, "{name}");
    }
}

#[test]
fn we_read_and_continue_what_pypaimon_writes() {
    let dir = tempfile::tempdir().unwrap();
    for (name, keys, options, parts) in [
        ("append", "[]", "{}", "[]"),
        ("keyed", r#"["id"]"#, r#"{"bucket":"2"}"#, "[]"),
        ("parted", r#"["id","name"]"#, r#"{"bucket":"2"}"#, r#"["name"]"#),
    ] {
        let table = format!("default.{name}");
        let spec_json = format!(
            r#"{{"fields":[{{"name":"id","type":"bigint"}},{{"name":"name","type":"string"}},
               {{"name":"price","type":"double"}}],"keys":{keys},"partitions":{parts},
               "options":{options}}}"#
        );
        if python(dir.path(), &["create", &table, &spec_json], "").is_none() {
            return;
        }
        let rows = "[1, \"a\", 1.5]\n[2, \"b\", null]\n";
        python(dir.path(), &["write", &table], rows).unwrap();
        let cat = catalog(dir.path());
        let scan = source_spec(spec(&cat, name, &[]), true);
        assert_eq!(read(&scan, 2), ["+I[1, a, Double(1.5)]", "+I[2, b, null]"], "{name}");
        let mut job = Job::new(&sink_spec(spec(&cat, name, &[])), 2);
        job.write(&[(0, row(2, "b", 7.0)), (0, row(3, "c", 8.0))]);
        job.commit(1);
        python(dir.path(), &["write", &table], "[4, \"d\", 4.0]\n").unwrap();
        let got = python(dir.path(), &["read", &table], "").unwrap();
        let expected = if keys == "[]" { 5 } else { 4 };
        assert_eq!(got.len(), expected, "{name}: {got:?}");
        let ours = read(&source_spec(spec(&cat, name, &[]), true), 1);
        assert_eq!(ours.len(), expected, "{name}");
        assert!(ours.contains(&"+I[2, b, Double(7.0)]".to_owned()), "{name}");
    }
}
