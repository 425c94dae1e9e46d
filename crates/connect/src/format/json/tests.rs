use super::*;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type};
use proptest::prelude::*;
use weir_core::{DataType, Field, TypeKind, Value};

fn format(options: &[(&str, &str)]) -> JsonFormat {
    let o: Options = options.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    JsonFormat::new(&o, "json.").unwrap()
}

fn schema(fields: &[(&str, DataType)]) -> Schema {
    Schema::new(fields.iter().map(|(n, t)| Field::new(*n, t.clone())).collect())
}

fn read(options: &[(&str, &str)], schema: &Schema, text: &str) -> Result<Vec<Vec<Value>>> {
    let mut d = format(options).decoder(&ReadSchema::all(schema))?;
    let used = d.decode_stream(text.as_bytes(), true, usize::MAX)?;
    assert_eq!(used, text.len());
    let out = d.finish()?;
    Ok(values(&out.columns, out.rows))
}

fn values(columns: &[ArrayRef], rows: usize) -> Vec<Vec<Value>> {
    (0..rows).map(|r| columns.iter().map(|c| Value::from_array(c, r)).collect()).collect()
}

const LENIENT: &[(&str, &str)] = &[("ignore-parse-errors", "true")];

/// What Flink 2.3 gave for the same lines.
#[test]
fn conversions_are_flinks() {
    let s = schema(&[
        ("i", DataType::int()),
        ("l", DataType::bigint()),
        ("b", DataType::boolean()),
        ("s", DataType::string()),
        ("d", DataType::decimal(10, 2)),
        ("f", DataType::double()),
    ]);
    let text = r#"{"i":1.7,"l":"12 ","b":"TRUE","s":{"a": [1, 2.50],"b":"x\u00e9"},"d":1.005,"f":1e400}
{"i":2147483648,"l":true,"b":1,"s":12.50,"d":"12345678901.2","f":"NaN"}
{"i":3,"i":4,"s":true} trailing garbage

null
[{"i":5},{"i":6}]
{"i":8,"s":"bad \x escape"}
{"i":9,"s":"lone \ud800 x \ud83d\ude00"}
{"i":10,"s":"unterminated
{"i":"0x10","l":1e3,"d":1e2,"f":"1e3"}
{"i":12,"s":"x",}
"just"
"#;
    let rows = read(LENIENT, &s, text).unwrap();
    let s = |t: &str| Value::String(t.into());
    let n = Value::Null;
    assert_eq!(rows.len(), 7);
    assert_eq!(
        rows[0],
        [
            Value::Int(1),
            Value::Int(12),
            Value::Boolean(true),
            s("{\"a\":[1,2.5],\"b\":\"xé\"}"),
            Value::Decimal(101),
            Value::Double(f64::INFINITY)
        ]
    );
    assert_eq!(rows[1][..5], [n.clone(), n.clone(), Value::Boolean(false), s("12.50"), n.clone()]);
    assert_eq!(rows[2], [Value::Int(4), n.clone(), n.clone(), s("true"), n.clone(), n.clone()]);
    assert_eq!(rows[3][0], Value::Int(5));
    assert_eq!(rows[5][3], s("lone ? x 😀"));
    assert_eq!(
        rows[6],
        [n.clone(), Value::Int(1000), n.clone(), n, Value::Decimal(10000), Value::Double(1000.0)]
    );
}

#[test]
fn errors_name_field_record_and_fix() {
    let row = DataType::from(TypeKind::Row(vec![Field::new("x", DataType::int())]));
    let s = schema(&[("r", row)]);
    let e = read(&[], &s, "{\"r\":{\"x\":1}}\n{\"r\":{\"x\":\"oops\"}}").unwrap_err();
    assert_eq!(
        e.message(),
        "cannot read JSON record, field 'r.x': expected an INT; record: {\"r\":{\"x\":\"oops\"}}"
    );
    assert!(e.hint_text().unwrap().contains("'json.ignore-parse-errors' = 'true'"));
    let e = read(&[], &s, "not json").unwrap_err();
    assert!(e.message().contains("expected"), "{e}");
    let e = read(&[("fail-on-missing-field", "true")], &s, "{}").unwrap_err();
    assert!(e.message().contains("all fields"), "{e}");
}

#[test]
fn nested_columns_keep_good_fields() {
    let row = DataType::from(TypeKind::Row(vec![
        Field::new("x", DataType::int()),
        Field::new("y", DataType::string()),
    ]));
    let map =
        DataType::from(TypeKind::Map(Box::new(DataType::string()), Box::new(DataType::int())));
    let array = DataType::from(TypeKind::Array(Box::new(DataType::int())));
    let s = schema(&[("r", row), ("m", map), ("a", array)]);
    let rows = read(
        LENIENT,
        &s,
        r#"{"r":{"x":"oops","y":"keep"}, "a":[1,"no",3], "m":{"k":"no","j":2}}
{"r":"str","a":{"k":1},"m":[1]}
{"r":{},"a":[],"m":{}}"#,
    )
    .unwrap();
    let s = |t: &str| Value::String(t.into());
    assert_eq!(rows[0][0], Value::Row(vec![Value::Null, s("keep")]));
    assert_eq!(rows[0][1], Value::Map(vec![(s("j"), Value::Int(2)), (s("k"), Value::Null)]));
    assert_eq!(rows[0][2], Value::Array(vec![Value::Int(1), Value::Null, Value::Int(3)]));
    assert_eq!(rows[1], [Value::Null, Value::Null, Value::Null]);
    assert_eq!(rows[2][0], Value::Row(vec![Value::Null, Value::Null]));
}

#[test]
fn only_wanted_paths_are_read() {
    let row = DataType::from(TypeKind::Row(vec![
        Field::new("x", DataType::int()),
        Field::new("y", DataType::string()),
    ]));
    let s = schema(&[("a", DataType::bigint()), ("r", row)]);
    let read = ReadSchema {
        physical: s.clone(),
        columns: vec![FormatColumn::Path(vec![1, 1]), FormatColumn::Path(vec![0])],
        primary_key: Vec::new(),
    };
    let mut d = format(&[]).decoder(&read).unwrap();
    // The unread field x would not convert.
    let text = b"{\"a\":1,\"r\":{\"x\":\"oops\",\"y\":\"p\"}}\n{\"r\":null,\"a\":2}\n{\"a\":3,\"r\":{\"y\":null}}\n{\"a\":4";
    let used = d.decode_stream(text, false, 100).unwrap();
    assert_eq!(&text[used..], b"{\"a\":4");
    let out = d.finish().unwrap();
    assert_eq!(out.rows, 3);
    assert_eq!(out.columns[0].as_string::<i32>().value(0), "p");
    assert_eq!(out.columns[0].null_count(), 2);
    assert_eq!(out.columns[1].as_primitive::<Int64Type>().values(), &[1, 2, 3]);
}

#[test]
fn max_rows_stops_at_a_record_end() {
    let s = schema(&[("a", DataType::int())]);
    let mut d = format(&[]).decoder(&ReadSchema::all(&s)).unwrap();
    let text = b"{\"a\":1}\n{\"a\":2}\n{\"a\":3}";
    let used = d.decode_stream(text, true, 2).unwrap();
    assert_eq!((used, d.rows()), (16, 2));
    assert_eq!(d.decode_stream(&text[used..], true, 9).unwrap(), 7);
    assert_eq!(d.finish().unwrap().columns[0].as_primitive::<Int32Type>().values(), &[1, 2, 3]);
}

#[test]
fn bad_bytes_and_deep_nesting_are_faults() {
    let s = schema(&[("a", DataType::string())]);
    let mut d = format(LENIENT).decoder(&ReadSchema::all(&s)).unwrap();
    let deep = format!("{{\"b\":{}", "[".repeat(100_000));
    let mut text = b"{\"a\":\"\xff\"}\n{\"a\":\"ok\"}\n".to_vec();
    text.extend_from_slice(deep.as_bytes());
    text.push(b'\n');
    text.extend_from_slice(format!("{{\"a\":{}}}", "[".repeat(400)).as_bytes());
    d.decode_stream(&text, true, 10).unwrap();
    assert_eq!(d.rows(), 1);
}

#[test]
fn every_prefix_of_a_record_is_refused_without_panic() {
    let s = schema(&[("a", DataType::string()), ("n", DataType::double())]);
    let text = r#"{"a":"x\"\u00e9","skip":[1,{"k":"v"}],"n":-1.5e-3}"#;
    for end in 0..text.len() {
        let rows = read(LENIENT, &s, &text[..end]);
        assert!(rows.unwrap().is_empty(), "prefix {end}");
    }
    assert_eq!(read(LENIENT, &s, text).unwrap()[0][1], Value::Double(-0.0015));
}

#[test]
fn writes_what_flink_writes() {
    let s = schema(&[
        ("i", DataType::int()),
        ("d", DataType::decimal(10, 2)),
        ("f", DataType::double()),
        ("s", DataType::string()),
        ("by", DataType::bytes()),
        ("ts", DataType::timestamp(3)),
        ("tl", DataType::timestamp_ltz(3)),
        ("a", TypeKind::Array(Box::new(DataType::string())).into()),
    ]);
    let row = [
        Value::Null,
        Value::Decimal(10000),
        Value::Double(1e10),
        Value::String("q\"uo\u{1} é \\ /".into()),
        Value::Bytes(vec![1, 2, 255]),
        Value::Timestamp(1704103200120),
        Value::Timestamp(1704103200000),
        Value::Array(vec![Value::String("a".into()), Value::Null]),
    ];
    let columns: Vec<ArrayRef> =
        row.iter().zip(&s.fields).map(|(v, f)| v.to_array(&f.ty).unwrap()).collect();
    let write = |options: &[(&str, &str)]| {
        let (mut out, mut ends) = (Vec::new(), Vec::new());
        let mut e = format(options).encoder(&s).unwrap();
        e.encode(&columns, 1, None, &mut out, &mut ends).unwrap();
        assert_eq!(ends, [out.len()]);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(
        write(&[]),
        "{\"i\":null,\"d\":1E+2,\"f\":1.0E10,\"s\":\"q\\\"uo\\u0001 é \\\\ /\",\"by\":\"AQL/\",\
         \"ts\":\"2024-01-01 10:00:00.12\",\"tl\":\"2024-01-01 10:00:00Z\",\"a\":[\"a\",null]}"
    );
    let other = write(&[
        ("encode.ignore-null-fields", "true"),
        ("encode.decimal-as-plain-number", "true"),
        ("timestamp-format.standard", "ISO-8601"),
    ]);
    assert!(other.starts_with("{\"d\":100,"), "{other}");
    assert!(other.contains("\"ts\":\"2024-01-01T10:00:00.12\""), "{other}");
}

fn json_value() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value as J;
    let leaf = prop_oneof![
        Just(J::Null),
        any::<bool>().prop_map(J::from),
        any::<i64>().prop_map(J::from),
        any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(J::from),
        any::<String>().prop_map(J::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(J::from),
            prop::collection::vec(("[a-d]|.{0,3}", inner), 0..5)
                .prop_map(|m| J::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn same_as_serde_json(docs in prop::collection::vec(prop::collection::vec(("[a-f]", json_value()), 0..6), 1..6), pretty in any::<bool>()) {
        let s = schema(&[
            ("a", DataType::bigint()),
            ("b", DataType::string()),
            ("c", DataType::double()),
            ("d", TypeKind::Array(Box::new(DataType::string())).into()),
        ]);
        let mut d = format(LENIENT).decoder(&ReadSchema::all(&s)).unwrap();
        let docs: Vec<serde_json::Map<_, _>> = docs.into_iter().map(|v| v.into_iter().collect()).collect();
        for doc in &docs {
            let text = if pretty { serde_json::to_string_pretty(doc) } else { serde_json::to_string(doc) };
            d.decode_record(text.unwrap().as_bytes()).unwrap();
        }
        let out = d.finish().unwrap();
        prop_assert_eq!(out.rows, docs.len());
        for (i, doc) in docs.iter().enumerate() {
            if let Some(n) = doc.get("a").and_then(serde_json::Value::as_i64) {
                prop_assert_eq!(out.columns[0].as_primitive::<Int64Type>().value(i), n);
            }
            match doc.get("b") {
                Some(serde_json::Value::String(t)) => {
                    prop_assert_eq!(out.columns[1].as_string::<i32>().value(i), t);
                }
                Some(serde_json::Value::Null) | None => prop_assert!(out.columns[1].is_null(i)),
                Some(v @ (serde_json::Value::Array(_) | serde_json::Value::Object(_))) => {
                    // serde_json's own float parsing may be off by one bit, in both.
                    let again: serde_json::Value = serde_json::from_str(&v.to_string()).unwrap();
                    prop_assert_eq!(out.columns[1].as_string::<i32>().value(i), &again.to_string());
                }
                Some(_) => prop_assert!(out.columns[1].is_valid(i)),
            }
            if let Some(serde_json::Value::Number(n)) = doc.get("c") {
                prop_assert_eq!(out.columns[2].as_primitive::<Float64Type>().value(i), n.as_f64().unwrap());
            }
            if let Some(serde_json::Value::Array(items)) = doc.get("d") {
                prop_assert_eq!(out.columns[3].as_list::<i32>().value(i).len(), items.len());
            }
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), tail in "[{}\\[\\]\":,a-c0-9.eE\\\\u\n-]{0,80}") {
        let s = schema(&[("a", DataType::bigint()), ("b", DataType::string()), ("c", DataType::decimal(38, 10))]);
        let mut d = format(LENIENT).decoder(&ReadSchema::all(&s)).unwrap();
        let mut text = tail.into_bytes();
        text.extend_from_slice(&bytes);
        d.decode_stream(&text, true, 1000).unwrap();
        d.finish().unwrap();
    }
}
