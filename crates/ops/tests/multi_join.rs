//! Multi-way joins: many rows under one key, and the partners of a left join that come and
//! go within one batch.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array};
use arrow::datatypes::Int32Type;
use weir_core::batch::TARGET_ROWS;
use weir_core::{ChangeBatch, DataType, Field, RowKind, Schema};
use weir_functions::{EvalContext, Expr};
use weir_ops::{OpContext, build};
use weir_runtime::{Operator, Out, Step, TaskContext};
use weir_spec::{ChangelogMode, MultiJoinInput, MultiJoinSpec, NodeSpec, OpSpec};

fn schema(columns: usize) -> Schema {
    let field = |i| Field::new(format!("c{i}"), DataType::int());
    Schema::new((0..columns).map(field).collect())
}

/// Three inputs of a key and a value.
fn operator(left: [bool; 2], conditions: [Option<Expr>; 2]) -> Box<dyn Operator> {
    let [b, c] = conditions;
    let input =
        |left, condition| MultiJoinInput { keys: vec![0], left, condition, state_ttl: None };
    let inputs = vec![input(false, None), input(left[0], b), input(left[1], c)];
    let node = NodeSpec {
        uid: "x".into(),
        name: "x".into(),
        op: OpSpec::MultiJoin(MultiJoinSpec { inputs }),
        inputs: vec![],
        schema: schema(6),
        changelog: ChangelogMode::ALL,
        upsert_keys: vec![],
    };
    let context = OpContext {
        eval: EvalContext::default(),
        task: TaskContext { subtask: 0, parallelism: 1, max_parallelism: 128 },
        inputs: vec![ChangelogMode::ALL; 3],
        state_ttl: 0,
        time_zone: "UTC".into(),
        exact_watermarks: false,
        lookups: None,
    };
    build(&node, &[schema(2), schema(2), schema(2)], &context).expect("an operator")
}

fn batch(rows: &[(RowKind, i32, i32)]) -> ChangeBatch {
    let column = |f: fn(&(RowKind, i32, i32)) -> i32| -> ArrayRef {
        Arc::new(rows.iter().map(f).collect::<Int32Array>())
    };
    let columns = vec![column(|r| r.1), column(|r| r.2)];
    let rows_only = ChangeBatch::from_columns(schema(2).to_arrow(), columns, rows.len(), None)
        .expect("two columns");
    ChangeBatch::with_kinds(rows_only.rows, rows.iter().map(|r| r.0 as u8).collect())
}

/// The batches of output.
fn push(op: &mut dyn Operator, input: usize, b: ChangeBatch) -> Vec<ChangeBatch> {
    let mut out = Out::default();
    let mut step = op.push(input, b, &mut out).expect("a step");
    while step == Step::More {
        step = op.more(&mut out).expect("a step");
    }
    out.take_all().into_iter().filter_map(std::result::Result::ok).collect()
}

type Row = Vec<Option<i32>>;

/// Applies changes; a row that is taken away must be there.
fn apply(state: &mut HashMap<Row, usize>, batches: &[ChangeBatch]) {
    for b in batches {
        for i in 0..b.len() {
            let value =
                |c: &ArrayRef| c.is_valid(i).then(|| c.as_primitive::<Int32Type>().value(i));
            let row: Row = b.rows.columns().iter().map(value).collect();
            if matches!(b.kind(i), RowKind::Delete | RowKind::UpdateBefore) {
                let n = state.get_mut(&row).unwrap_or_else(|| panic!("no {row:?}"));
                *n -= 1;
                if *n == 0 {
                    state.remove(&row);
                }
            } else {
                *state.entry(row).or_default() += 1;
            }
        }
    }
}

#[test]
fn a_key_with_many_rows_leaves_in_batches() {
    let mut op = operator([false; 2], [None, None]);
    let rows: Vec<_> = (0..400).map(|v| (RowKind::Insert, 1, v)).collect();
    assert!(push(op.as_mut(), 1, batch(&rows)).is_empty());
    assert!(push(op.as_mut(), 2, batch(&rows)).is_empty());
    let out = push(op.as_mut(), 0, batch(&[(RowKind::Insert, 1, 7), (RowKind::Insert, 2, 7)]));
    assert_eq!(out.iter().map(ChangeBatch::len).sum::<usize>(), 400 * 400);
    assert!(out.iter().all(|b| b.len() <= TARGET_ROWS));
    let mut state = HashMap::new();
    apply(&mut state, &out);
    assert_eq!(state.len(), 400 * 400, "every pair once");
    let out = push(op.as_mut(), 2, batch(&[(RowKind::Delete, 1, 3)]));
    apply(&mut state, &out);
    assert_eq!(state.len(), 400 * 399);
}

#[test]
fn partners_come_and_go_within_a_batch() {
    use RowKind::{Delete, Insert};
    // a LEFT JOIN b ON a.k = b.k AND b.v > a.v LEFT JOIN c ON a.k = c.k
    let int = DataType::int;
    let more =
        Expr::call(">", vec![Expr::column(3, int()), Expr::column(1, int())], DataType::boolean());
    let mut op = operator([true, true], [Some(more), None]);
    let mut state = HashMap::new();
    let mut step = |input, rows: &[(RowKind, i32, i32)]| {
        let out = push(op.as_mut(), input, batch(rows));
        apply(&mut state, &out);
        let mut shown: Vec<String> = state
            .iter()
            .map(|(row, n)| {
                let values = row.iter().map(|v| v.map_or("-".to_owned(), |v| v.to_string()));
                format!("{} x{n}", values.collect::<Vec<_>>().join(" "))
            })
            .collect();
        shown.sort();
        shown
    };
    assert_eq!(step(0, &[(Insert, 1, 5)]), ["1 5 - - - - x1"]);
    assert_eq!(step(1, &[(Insert, 1, 5)]), ["1 5 - - - - x1"]);
    // Two partners come, one goes, all of one key and in one batch.
    let all = [(Insert, 1, 6), (Insert, 1, 7), (Delete, 1, 6)];
    assert_eq!(step(1, &all), ["1 5 1 7 - - x1"]);
    assert_eq!(step(2, &[(Insert, 1, 9), (Insert, 1, 9)]), ["1 5 1 7 1 9 x2"]);
    assert_eq!(step(1, &[(Delete, 1, 7)]), ["1 5 - - 1 9 x2"]);
    assert_eq!(step(2, &[(Delete, 1, 9), (Delete, 1, 9)]), ["1 5 - - - - x1"]);
    assert_eq!(step(0, &[(Delete, 1, 5)]), Vec::<String>::new());
}
