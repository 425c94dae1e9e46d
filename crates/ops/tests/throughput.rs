//! How fast the hot operators are; run with
//! `cargo test --release -p weir-ops --test throughput -- --ignored --nocapture`.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMillisecondArray};
use weir_core::types::{Field, TimeAttribute, TypeKind};
use weir_core::{ChangeBatch, DataType, Schema};
use weir_functions::{EvalContext, Expr};
use weir_ops::{OpContext, build};
use weir_runtime::{Mark, Out, Step, TaskContext};
use weir_spec::*;

const ROWS: usize = 8192;
const BATCHES: usize = 200;

fn rowtime() -> DataType {
    TypeKind::Timestamp(3, TimeAttribute::Rowtime).into()
}

fn input() -> Schema {
    Schema::new(vec![
        Field::new("k", DataType::bigint()),
        Field::new("s", DataType::string()),
        Field::new("v", DataType::bigint()),
        Field::new("t", rowtime()),
    ])
}

fn batches() -> Vec<ChangeBatch> {
    let mut x = 1u64;
    (0..BATCHES)
        .map(|b| {
            let keys: Vec<i64> = (0..ROWS)
                .map(|_| {
                    x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    ((x >> 33) % 10_000) as i64
                })
                .collect();
            let text: Vec<String> = keys.iter().map(|k| format!("channel-{k}")).collect();
            let values: Vec<i64> = keys.iter().map(|k| k * 7 % 1000).collect();
            let times: Vec<i64> = (0..ROWS).map(|i| ((b * ROWS + i) / 10) as i64).collect();
            let columns: Vec<ArrayRef> = vec![
                Arc::new(Int64Array::from(keys)),
                Arc::new(StringArray::from(text)),
                Arc::new(Int64Array::from(values)),
                Arc::new(TimestampMillisecondArray::from(times)),
            ];
            ChangeBatch::from_columns(input().to_arrow(), columns, ROWS, None).unwrap()
        })
        .collect()
}

fn call(function: &str, args: &[usize]) -> AggregateCall {
    AggregateCall {
        function: function.into(),
        args: args.to_vec(),
        literals: vec![None; args.len()],
        distinct: false,
        filter: None,
        order_by: vec![],
        ty: DataType::bigint(),
        name: function.into(),
    }
}

fn measure(name: &str, op: OpSpec, schema: Schema, sides: usize) {
    let context = OpContext {
        eval: EvalContext::default(),
        task: TaskContext { subtask: 0, parallelism: 1, max_parallelism: 128 },
        inputs: vec![ChangelogMode::INSERT_ONLY; 2],
        state_ttl: 0,
        time_zone: "UTC".into(),
        exact_watermarks: false,
        lookups: None,
    };
    let changelog = ChangelogMode::ALL;
    let node = NodeSpec {
        uid: "x".into(),
        name: name.into(),
        op,
        inputs: vec![],
        schema,
        changelog,
        upsert_keys: vec![],
    };
    let mut op = build(&node, &vec![input(); sides], &context).unwrap();
    let data = batches();
    let mut out = Out::default();
    let start = Instant::now();
    let mut rows_out = 0;
    for (i, b) in data.into_iter().enumerate() {
        let mut step = op.push(i % sides, b, &mut out).unwrap();
        loop {
            rows_out += out.take_batches().iter().map(ChangeBatch::len).sum::<usize>();
            if step == Step::Done {
                break;
            }
            step = op.more(&mut out).unwrap();
        }
        let mark = Mark::Ts(((i * ROWS) / 10) as i64);
        step = op.watermark(mark, &mut out).unwrap();
        while step == Step::More {
            step = op.more(&mut out).unwrap();
        }
        rows_out += out.take_batches().iter().map(ChangeBatch::len).sum::<usize>();
    }
    let nanos = start.elapsed().as_nanos() as f64 / (ROWS * BATCHES) as f64;
    println!("{name:24} {nanos:8.1} ns/row in, {rows_out} rows out");
}

#[test]
#[ignore = "a measurement, not a check"]
fn throughput() {
    let big = || Field::new("x", DataType::bigint());
    let aggregate = |keys: Vec<usize>| OpSpec::GroupAggregate {
        keys,
        calls: vec![call("COUNT", &[]), call("SUM", &[2]), call("MAX", &[2])],
        update_before: false,
        input_retracts: false,
        state_ttl: 0,
    };
    let key = |i: usize| input().fields[i].clone();
    let out = |i| Schema::new(vec![key(i), big(), big(), big()]);
    measure("group by bigint", aggregate(vec![0]), out(0), 1);
    measure("group by string", aggregate(vec![1]), out(1), 1);
    let col = |i: usize| Expr::column(i, input().fields[i].ty.clone());
    let limit = Expr::literal(weir_core::Value::Int(500), DataType::bigint());
    let filter = Expr::call(">", vec![col(2), limit], DataType::boolean());
    let projection = vec![col(1), Expr::call("+", vec![col(0), col(2)], DataType::bigint())];
    let schema = Schema::new(vec![key(1), big()]);
    measure("calc", OpSpec::Calc { filter: Some(filter), projection }, schema, 1);
    let t = |n: &str| Field::new(n, DataType::timestamp(3));
    let schema = Schema::new(vec![key(0), big(), t("s"), t("e"), Field::new("w", rowtime())]);
    for (name, kind) in [
        ("tumble", WindowKind::Tumble { size: 10_000, offset: 0 }),
        ("hop 5", WindowKind::Hop { slide: 2_000, size: 10_000, offset: 0 }),
    ] {
        let window = WindowSpec { kind, time_column: 3, event_time: true, time_type: rowtime() };
        let op = OpSpec::WindowAggregate {
            window,
            attached: None,
            keys: vec![0],
            calls: vec![call("SUM", &[2])],
            time_zone: "UTC".into(),
            oldest_first: false,
        };
        measure(name, op, schema.clone(), 1);
    }
    let op = OpSpec::Deduplicate {
        keys: vec![0],
        rowtime: Some(3),
        keep_last: true,
        update_before: false,
    };
    measure("deduplicate last", op, input(), 1);
    let spec = RankSpec {
        partition: vec![0],
        order_by: vec![SortKey { column: 2, descending: true, nulls_first: false }],
        start: 1,
        end: 10,
        function: "ROW_NUMBER".into(),
        output_rank: false,
        update_before: false,
    };
    measure("top 10", OpSpec::Rank(spec), input(), 1);
    let join = JoinSpec {
        kind: JoinKind::Inner,
        left_keys: vec![0, 3],
        right_keys: vec![0, 3],
        null_safe: vec![false; 2],
        condition: None,
        left_unique: None,
        right_unique: None,
        state_ttl: [None; 2],
    };
    let joined = Schema::new([input().fields, input().fields].concat());
    measure("inner join", OpSpec::Join(join), joined, 2);
}
