//! Helpers of the lake tests: tables as text, drained readers, committed writes.
#![allow(dead_code)]

use std::time::{Duration, Instant};

use weir_connect::api::{Committer, ConnectorFactory, Poll, Sink, SinkWriter, SourceReader};
use weir_core::value::values_to_array;
use weir_core::{ChangeBatch, DataType, Field, Options, Schema, Value};
use weir_lake::{PaimonCatalog, PaimonConnector};
use weir_spec::{
    Catalog, CatalogColumn, CatalogTable, PrimaryKey, ReadColumn, SinkSpec, SourceSpec, TableKind,
    TableSpec,
};

pub fn options(pairs: &[(&str, &str)]) -> Options {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

pub fn catalog(dir: &std::path::Path) -> PaimonCatalog {
    PaimonCatalog::open(options(&[("type", "paimon"), ("warehouse", dir.to_str().unwrap())]))
        .unwrap()
}

/// A table of physical columns.
pub fn table(
    columns: &[(&str, DataType)],
    key: &[&str],
    partition: &[&str],
    with: &[(&str, &str)],
) -> CatalogTable {
    CatalogTable {
        kind: TableKind::Table,
        columns: columns
            .iter()
            .map(|(n, t)| CatalogColumn::Physical {
                name: (*n).to_owned(),
                ty: t.clone(),
                comment: None,
            })
            .collect(),
        watermark: None,
        primary_key: (!key.is_empty()).then(|| PrimaryKey {
            name: "pk".into(),
            columns: key.iter().map(|k| (*k).to_owned()).collect(),
        }),
        partition_keys: partition.iter().map(|k| (*k).to_owned()).collect(),
        distribution: None,
        options: options(with),
        comment: None,
    }
}

/// The spec that a planner makes of a catalog table, with extra options.
pub fn spec(catalog: &PaimonCatalog, name: &str, with: &[(&str, &str)]) -> TableSpec {
    let t = catalog.table("default", name).unwrap().unwrap();
    let physical: Vec<Field> =
        t.physical_columns().map(|(n, ty)| Field::new(n, ty.clone())).collect();
    let at = |n: &String| physical.iter().position(|f| f.name == *n).unwrap();
    let mut all = t.options.clone();
    for (k, v) in with {
        all.set(*k, *v);
    }
    TableSpec {
        identifier: format!("lake.default.{name}"),
        primary_key: t.primary_key.iter().flat_map(|k| k.columns.iter().map(at)).collect(),
        partition_keys: t.partition_keys.iter().map(at).collect(),
        physical: Schema::new(physical),
        options: all,
    }
}

pub fn source_spec(table: TableSpec, batch: bool) -> SourceSpec {
    let columns =
        (0..table.physical.len()).map(|i| ReadColumn::Physical { path: vec![i] }).collect();
    SourceSpec { table, columns, filter: None, limit: None, batch }
}

pub fn batch(schema: &Schema, rows: &[(u8, Vec<Value>)]) -> ChangeBatch {
    let columns = schema
        .fields
        .iter()
        .enumerate()
        .map(|(i, f)| {
            let values: Vec<Value> = rows.iter().map(|(_, r)| r[i].clone()).collect();
            values_to_array(&values, &f.ty).unwrap()
        })
        .collect();
    let kinds: Vec<u8> = rows.iter().map(|(k, _)| *k).collect();
    let rows = arrow::array::RecordBatch::try_new(schema.to_arrow(), columns).unwrap();
    ChangeBatch::with_kinds(rows, kinds)
}

/// Rows as `+I[1, a]`, sorted.
pub fn text(batches: &[ChangeBatch]) -> Vec<String> {
    let mut out = Vec::new();
    for b in batches {
        for r in 0..b.len() {
            let row: Vec<String> =
                b.rows.columns().iter().map(|c| show(&Value::from_array(c, r))).collect();
            out.push(format!("{}[{}]", b.kind(r).symbol(), row.join(", ")));
        }
    }
    out
}

fn show(v: &Value) -> String {
    match v {
        Value::Null => "null".into(),
        Value::Int(x) | Value::Timestamp(x) => x.to_string(),
        Value::String(s) => s.clone(),
        other => format!("{other:?}"),
    }
}

pub fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}

/// Reads a bounded source with some parallelism.
pub fn read(spec: &SourceSpec, parallelism: usize) -> Vec<String> {
    let schema = produced(spec);
    let source = PaimonConnector.source(spec, &schema).unwrap();
    assert!(source.is_bounded());
    let mut rows = Vec::new();
    for i in 0..parallelism {
        let mut reader = source.reader(i, parallelism).unwrap();
        rows.extend(drain(reader.as_mut()));
    }
    sorted(text(&rows))
}

pub fn produced(spec: &SourceSpec) -> Schema {
    let fields = spec
        .columns
        .iter()
        .map(|c| match c {
            ReadColumn::Physical { path } => {
                let mut f = spec.table.physical.fields[path[0]].clone();
                for i in &path[1..] {
                    let inner = f.ty.fields().unwrap()[*i].clone();
                    f = Field::new(format!("{}_{}", f.name, inner.name), inner.ty);
                }
                f
            }
            ReadColumn::Metadata { key } => panic!("no metadata {key}"),
        })
        .collect();
    Schema::new(fields)
}

pub fn drain(reader: &mut dyn SourceReader) -> Vec<ChangeBatch> {
    let until = Instant::now() + Duration::from_secs(30);
    let mut out = Vec::new();
    loop {
        assert!(Instant::now() < until, "the reader does not end");
        match reader.poll().unwrap() {
            Poll::Batch(b) => out.push(b),
            Poll::Pending(d) => std::thread::sleep(d),
            Poll::End => return out,
        }
    }
}

/// Polls until `rows` rows came or a few seconds passed.
pub fn take(reader: &mut dyn SourceReader, rows: usize) -> Vec<String> {
    let until = Instant::now() + Duration::from_secs(10);
    let mut out = Vec::new();
    while out.len() < rows && Instant::now() < until {
        match reader.poll().unwrap() {
            Poll::Batch(b) => out.extend(text(&[b])),
            Poll::Pending(d) => std::thread::sleep(d),
            Poll::End => break,
        }
    }
    out
}

pub struct Job {
    pub schema: Schema,
    pub sink: Box<dyn Sink>,
    pub writers: Vec<Box<dyn SinkWriter>>,
    pub committer: Box<dyn Committer>,
}

impl Job {
    pub fn new(spec: &SinkSpec, parallelism: usize) -> Self {
        let schema = spec.table.physical.clone();
        let sink = PaimonConnector.sink(spec, &schema).unwrap();
        let n = sink.max_parallelism().unwrap_or(parallelism).min(parallelism);
        let writers = (0..n).map(|i| sink.writer(i, n).unwrap()).collect();
        let committer = sink.committer().unwrap().unwrap();
        Self { schema, sink, writers, committer }
    }

    /// Routes rows to the writers as the runtime does.
    pub fn write(&mut self, rows: &[(u8, Vec<Value>)]) {
        let all = batch(&self.schema, rows);
        let n = self.writers.len();
        let mut to = Vec::new();
        match self.sink.partitioner() {
            Some(p) => p.route(&all, n, &mut to).unwrap(),
            None => to.resize(all.len(), 0),
        }
        for (w, writer) in self.writers.iter_mut().enumerate() {
            let mine: Vec<u32> =
                (0..all.len() as u32).filter(|i| to[*i as usize] == w as u32).collect();
            writer.write(&all.take(&mine.into()).unwrap()).unwrap();
        }
    }

    pub fn prepare(&mut self, epoch: u64) -> Vec<Vec<u8>> {
        self.writers.iter_mut().flat_map(|w| w.prepare_commit(epoch).unwrap()).collect()
    }

    pub fn commit(&mut self, epoch: u64) {
        let prepared = self.prepare(epoch);
        self.committer.commit(epoch, prepared).unwrap();
    }
}

pub fn sink_spec(table: TableSpec) -> SinkSpec {
    SinkSpec { table, metadata_keys: vec![], overwrite: false, static_partition: vec![] }
}

pub fn int(x: i64) -> Value {
    Value::Int(x)
}

pub fn s(x: &str) -> Value {
    Value::String(x.to_owned())
}
