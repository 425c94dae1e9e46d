//! Expressions against the results of Flink 2.3, recorded in `flink_values.tsv`
//! (expression, type, printed value; `<NULL>` for NULL).

mod mini;

use std::sync::Arc;

use arrow::array::{Array, AsArray, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType as ArrowType, Field, Int32Type, Schema};
use weir_core::{DataType, Value};

use super::compile;
use crate::context::{EvalContext, Zone};
use crate::expr::Expr;
use crate::format_value;

fn batch(rows: usize) -> RecordBatch {
    let n = Int32Array::from_iter_values((0..rows as i32).map(|i| i % 3));
    let schema = Schema::new(vec![Field::new("n", ArrowType::Int32, true)]);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(n)]).expect("a batch")
}

/// Type and printed value of a constant expression.
fn run(text: &str) -> (String, String) {
    let expr = match mini::parse(text) {
        Ok(e) => e,
        Err(e) => return ("ERROR".into(), e),
    };
    let ty = expr.ty().to_string();
    let ctx = EvalContext { now_ms: 1_709_164_800_000, ..EvalContext::default() };
    let result = compile(&expr).and_then(|c| c.eval(&batch(2), &ctx));
    let value = match result {
        Ok(a) => match format_value(a.as_ref(), 1, expr.ty(), ctx.zone) {
            Some(v) => format!("[{v}]"),
            None => "<NULL>".into(),
        },
        Err(e) => return ("ERROR".into(), e.to_string()),
    };
    (ty, value)
}

#[test]
fn expressions_give_what_flink_gives() {
    let mut wrong = Vec::new();
    for line in include_str!("flink_values.tsv").lines().filter(|l| !l.starts_with('#')) {
        let parts: Vec<&str> = line.split('\t').collect();
        let (ty, value) = run(parts[0]);
        let expected = (parts.get(1).copied(), parts.get(2).copied());
        if expected.0.is_some_and(|t| t.starts_with("ERROR")) {
            if ty != "ERROR" {
                wrong.push(format!("{}: {ty} {value}, expected an error", parts[0]));
            }
        } else if Some(ty.as_str()) != expected.0 || Some(value.as_str()) != expected.1 {
            wrong.push(format!("{}: {ty} {value}\n      flink {expected:?}", parts[0]));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_session_zone_decides() {
    let zone = Zone::parse("Asia/Shanghai").expect("a zone");
    let ctx = EvalContext { zone, now_ms: 1_709_164_800_000, watermark: None, streaming: true };
    for (text, expected) in [
        ("FROM_UNIXTIME(0)", "1970-01-01 08:00:00"),
        ("UNIX_TIMESTAMP('1970-01-01 08:00:00')", "0"),
        ("TO_TIMESTAMP_LTZ(0, 3)", "1970-01-01 08:00:00.000"),
        ("CAST(TO_TIMESTAMP_LTZ(0, 3) AS STRING)", "1970-01-01 08:00:00.000"),
        ("CAST(TIMESTAMP '1970-01-01 08:00:00' AS TIMESTAMP_LTZ(3))", "1970-01-01 08:00:00.000"),
        ("CURRENT_DATE()", "2024-02-29"),
        ("FLOOR(TO_TIMESTAMP_LTZ(0, 3) TO DAY)", "1970-01-01 00:00:00.000"),
        ("DATE_ADD('2024-02-28', 2)", "2024-03-01"),
        ("DATEDIFF('2024-03-01', '2024-02-28')", "2"),
        ("UNIX_TIMESTAMP(DATE '1970-01-02')", "57600"),
        ("UNIX_TIMESTAMP('1970-01-02')", "57600"),
        ("UNIX_TIMESTAMP('1970-01')", "-9223372036854775808"),
        ("TO_DATE('x', 'yyyy-MM-dd')", "NULL"),
        ("TO_DATE('999999999-01-01', 'yyyy-MM-dd')", "NULL"),
        ("CAST('23:59:59.9996' AS TIME)", "23:59:59"),
        ("CAST(CAST(2E23 AS DOUBLE) AS STRING)", "2.0E23"),
        ("NVL(CAST(NULL AS INT), 3)", "3"),
        ("IF(FALSE, 1, NULL)", "NULL"),
    ] {
        let expr = mini::parse(text).expect(text);
        let out = compile(&expr).and_then(|c| c.eval(&batch(1), &ctx)).expect(text);
        let shown = format_value(out.as_ref(), 0, expr.ty(), zone);
        assert_eq!(shown.as_deref().unwrap_or("NULL"), expected, "{text}");
    }
}

fn column() -> Expr {
    Expr::column(0, DataType::int())
}

fn int(x: i64) -> Expr {
    Expr::literal(Value::Int(x), DataType::int().not_null())
}

#[test]
fn a_guard_protects_the_division_behind_it() {
    let guard = mini::call("<>", vec![column(), int(0)]).expect("a call");
    let division = mini::call("/", vec![int(10), column()]).expect("a call");
    let case = Expr::Case {
        branches: vec![(guard.clone(), division.clone())],
        otherwise: Box::new(int(-1)),
        ty: DataType::int(),
    };
    let ctx = EvalContext::default();
    let out = compile(&case).and_then(|c| c.eval(&batch(4), &ctx)).expect("a guarded division");
    assert_eq!(out.as_primitive::<Int32Type>().values(), &[-1, 10, 5, -1]);
    let condition = mini::call(">", vec![division.clone(), int(6)]).expect("a call");
    let both = mini::call("AND", vec![guard, condition]).expect("a call");
    let hits =
        compile(&both).and_then(|c| c.eval_filter(&batch(4), &ctx)).expect("a guarded filter");
    assert_eq!(hits.true_count(), 1);
    let bare = compile(&division).and_then(|c| c.eval(&batch(4), &ctx));
    assert!(bare.unwrap_err().to_string().contains("/ by zero"));
}

#[test]
fn null_columns_and_empty_batches_are_fine() {
    let s = Expr::column(0, DataType::string());
    let upper = mini::call("UPPER", vec![s.clone()]).expect("a call");
    let expr = mini::call("||", vec![upper, s]).expect("a call");
    let compiled = compile(&expr).expect("compiles");
    let schema = Arc::new(Schema::new(vec![Field::new("s", ArrowType::Utf8, true)]));
    for values in [vec![], vec![None, Some("a")]] {
        let rows = values.len();
        let column = Arc::new(StringArray::from(values));
        let batch = RecordBatch::try_new(schema.clone(), vec![column]).expect("a batch");
        let out = compiled.eval(&batch, &EvalContext::default()).expect("a result");
        assert_eq!(out.len(), rows);
        if rows == 2 {
            assert!(out.is_null(0));
            assert_eq!(out.as_string::<i32>().value(1), "Aa");
        }
    }
}

#[test]
#[ignore = "a measurement, run with --release -- --ignored --nocapture"]
fn throughput() {
    let rows = 8192;
    let s = StringArray::from_iter_values((0..rows).map(|i| format!("https://host/{i}/path/x")));
    let schema = Schema::new(vec![Field::new("s", ArrowType::Utf8, true)]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(s)]).expect("a batch");
    let s = || Expr::column(0, DataType::string());
    let text = |t: &str| Expr::literal(Value::String(t.into()), DataType::string().not_null());
    let cases = [
        ("SPLIT_INDEX", vec![s(), text("/"), int(3)]),
        ("LIKE", vec![s(), text("%77%")]),
        ("REGEXP_EXTRACT", vec![s(), text("host/([0-9]+)/"), int(1)]),
        ("UPPER", vec![s()]),
        ("CHAR_LENGTH", vec![s()]),
        ("+", vec![mini::call("CHAR_LENGTH", vec![s()]).expect("a call"), int(7)]),
        ("=", vec![s(), text("https://host/7/path/x")]),
        (
            "DATE_FORMAT",
            vec![
                mini::call(
                    "TO_TIMESTAMP_LTZ",
                    vec![mini::call("CHAR_LENGTH", vec![s()]).expect("a call")],
                )
                .expect("a call"),
                text("yyyy-MM-dd HH:mm:ss"),
            ],
        ),
    ];
    for (name, args) in cases {
        let c = mini::call(name, args).map(|e| compile(&e).expect("compiles")).expect("a call");
        let ctx = EvalContext::default();
        let start = std::time::Instant::now();
        for _ in 0..200 {
            c.eval(&batch, &ctx).expect("a result");
        }
        let ns = start.elapsed().as_nanos() as f64 / (200.0 * rows as f64);
        println!("{name}: {ns:.1} ns per row");
    }
}
