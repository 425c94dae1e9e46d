//! Bytes per second of the JSON decoder on nested Nexmark events, all bid columns read.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use weir_connect::format::json::JsonFormat;
use weir_connect::format::{FormatColumn, ReadSchema, RecordFormat};
use weir_core::{DataType, Field, Options, Schema, TypeKind};

fn row(fields: &[(&str, DataType)]) -> DataType {
    TypeKind::Row(fields.iter().map(|(n, t)| Field::new(*n, t.clone())).collect()).into()
}

fn schema() -> Schema {
    let (l, s, t) = (DataType::bigint(), DataType::string(), DataType::timestamp(3));
    let person = row(&[("id", l.clone()), ("name", s.clone()), ("dateTime", t.clone())]);
    let auction = row(&[("id", l.clone()), ("itemName", s.clone()), ("dateTime", t.clone())]);
    let bid = row(&[
        ("auction", l.clone()),
        ("bidder", l.clone()),
        ("price", l),
        ("channel", s.clone()),
        ("url", s.clone()),
        ("dateTime", t),
        ("extra", s),
    ]);
    Schema::new(vec![
        Field::new("event_type", DataType::int()),
        Field::new("person", person),
        Field::new("auction", auction),
        Field::new("bid", bid),
    ])
}

/// Lines like the Nexmark generator's, without its other event kinds.
fn bids(bytes: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes + 400);
    let mut x = 42u64;
    while out.len() < bytes {
        x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let r = x >> 33;
        let extra: String =
            (0..30 + r % 40).map(|i| (b'a' + ((r >> (i % 13)) % 26) as u8) as char).collect();
        out.extend_from_slice(
            format!(
                "{{\"event_type\":2,\"person\":null,\"auction\":null,\"bid\":{{\"auction\":{},\
                 \"bidder\":{},\"price\":{},\"channel\":\"channel-{}\",\"url\":\
                 \"https://www.nexmark.com/abcd/efgh/ijkl/item.htm?query=1&channel_id={}\",\
                 \"dateTime\":\"2015-07-15 00:{:02}:{:02}.{:03}\",\"extra\":\"{extra}\"}}}}\n",
                1000 + r % 100000,
                1000 + r % 7777,
                r % 10_000_000,
                r % 10000,
                r % 1_000_000,
                r % 60,
                r / 60 % 60,
                r % 1000,
            )
            .as_bytes(),
        );
    }
    out
}

fn bench(c: &mut Criterion) {
    let text = bids(16 << 20);
    let schema = schema();
    let format = JsonFormat::new(&Options::new(), "json.").expect("options");
    let mut group = c.benchmark_group("json");
    group.throughput(Throughput::Bytes(text.len() as u64)).sample_size(20);
    let paths = |fields: &[usize]| ReadSchema {
        physical: schema.clone(),
        columns: fields.iter().map(|f| FormatColumn::Path(vec![3, *f])).collect(),
        primary_key: Vec::new(),
    };
    for (name, read) in [
        ("all bid columns", paths(&[0, 1, 2, 3, 4, 5, 6])),
        ("three bid columns", paths(&[0, 2, 5])),
    ] {
        let mut decoder = format.decoder(&read).expect("decoder");
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut at = 0;
                while at < text.len() {
                    at += decoder.decode_stream(&text[at..], true, 8192).expect("decodes");
                    std::hint::black_box(decoder.finish().expect("arrays"));
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
