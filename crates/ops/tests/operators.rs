//! Operators over small change batches, built from their specs as a job does.

use weir_core::types::{Field, TimeAttribute, TypeKind};
use weir_core::value::values_to_array;
use weir_core::{ChangeBatch, DataType, RowKind, Schema, Value};
use weir_functions::{EvalContext, Expr};
use weir_ops::{OpContext, build};
use weir_runtime::{Barrier, Mark, Operator, Out, Seal, Step, TaskContext};
use weir_spec::*;

fn context() -> OpContext {
    OpContext {
        eval: EvalContext::default(),
        task: TaskContext { subtask: 0, parallelism: 1, max_parallelism: 128 },
        inputs: vec![ChangelogMode::ALL, ChangelogMode::ALL],
        state_ttl: 0,
        time_zone: "UTC".into(),
        exact_watermarks: false,
        lookups: None,
    }
}

fn inserts() -> OpContext {
    OpContext { inputs: vec![ChangelogMode::INSERT_ONLY; 2], ..context() }
}

fn schema(types: &[DataType]) -> Schema {
    Schema::new(
        types.iter().enumerate().map(|(i, t)| Field::new(format!("c{i}"), t.clone())).collect(),
    )
}

fn rowtime() -> DataType {
    TypeKind::Timestamp(3, TimeAttribute::Rowtime).into()
}

fn node(op: OpSpec, schema: Schema) -> NodeSpec {
    let changelog = ChangelogMode::ALL;
    NodeSpec {
        uid: "x".into(),
        name: "x".into(),
        op,
        inputs: vec![],
        schema,
        changelog,
        upsert_keys: vec![],
    }
}

fn value(text: &str, ty: &DataType) -> Value {
    match ty.kind {
        _ if text == "-" => Value::Null,
        TypeKind::Timestamp(..) => Value::Timestamp(text.parse().unwrap()),
        TypeKind::Double => Value::Double(text.parse().unwrap()),
        _ if ty.is_string() => Value::String(text.into()),
        _ => Value::Int(text.parse().unwrap()),
    }
}

/// `+I 1 a` per row; columns separated by blanks, NULL is `-`.
fn batch(schema: &Schema, rows: &[&str]) -> ChangeBatch {
    let mut kinds = Vec::new();
    let mut columns = vec![Vec::new(); schema.len()];
    for row in rows {
        let mut parts = row.split(' ');
        kinds.push(match parts.next().unwrap() {
            "+I" => 0u8,
            "-U" => 1,
            "+U" => 2,
            _ => 3,
        });
        for (i, p) in parts.enumerate() {
            columns[i].push(value(p, &schema.fields[i].ty));
        }
    }
    let arrays = columns
        .iter()
        .zip(&schema.fields)
        .map(|(c, f)| values_to_array(c, &f.ty).unwrap())
        .collect();
    let b = ChangeBatch::from_columns(schema.to_arrow(), arrays, rows.len(), None).unwrap();
    ChangeBatch::with_kinds(b.rows, kinds)
}

fn show(b: &ChangeBatch, out: &mut Vec<String>) {
    for i in 0..b.len() {
        let mut line = RowKind::symbol(b.kind(i)).to_owned();
        for c in b.rows.columns() {
            line.push(' ');
            line.push_str(&match Value::from_array(c, i) {
                Value::Null => "-".into(),
                Value::Int(x) | Value::Timestamp(x) => x.to_string(),
                Value::Double(x) => x.to_string(),
                Value::String(s) => s,
                other => format!("{other:?}"),
            });
        }
        out.push(line);
    }
}

fn drain(mut step: Step, op: &mut dyn Operator, out: &mut Out) -> Vec<String> {
    while step == Step::More {
        step = op.more(out).unwrap();
    }
    let mut lines = Vec::new();
    for m in out.take_all() {
        match m {
            Ok(b) => show(&b, &mut lines),
            Err(Mark::Ts(t)) => lines.push(format!("wm {t}")),
            Err(other) => lines.push(format!("{other:?}")),
        }
    }
    lines
}

fn push(op: &mut dyn Operator, input: usize, b: ChangeBatch) -> Vec<String> {
    let mut out = Out::default();
    let step = op.push(input, b, &mut out).unwrap();
    drain(step, op, &mut out)
}

fn mark(op: &mut dyn Operator, ts: i64) -> Vec<String> {
    let mut out = Out::default();
    let step = op.watermark(Mark::Ts(ts), &mut out).unwrap();
    drain(step, op, &mut out)
}

fn finish(op: &mut dyn Operator) -> Vec<String> {
    let mut out = Out::default();
    let step = op.finish(&mut out).unwrap();
    drain(step, op, &mut out)
}

/// Seals an operator and restores it into a fresh one.
fn reborn(
    op: &mut dyn Operator,
    n: &NodeSpec,
    inputs: &[Schema],
    c: &OpContext,
) -> Box<dyn Operator> {
    let mut seal = Seal::default();
    op.barrier(&Barrier::checkpoint(1, true), &mut seal).unwrap();
    let mut fresh = build(n, inputs, c).unwrap();
    fresh.restore(&seal, &c.task).unwrap();
    fresh
}

fn call(function: &str, args: &[usize], ty: DataType) -> AggregateCall {
    AggregateCall {
        function: function.into(),
        args: args.to_vec(),
        literals: vec![None; args.len()],
        distinct: false,
        filter: None,
        order_by: vec![],
        ty,
        name: function.into(),
    }
}

#[test]
fn calc_filters_and_projects() {
    let input = schema(&[DataType::int(), DataType::int()]);
    let col = |i| Expr::column(i, DataType::int());
    let filter = Expr::call(">", vec![col(0), col(1)], DataType::boolean());
    let n = node(
        OpSpec::Calc { filter: Some(filter), projection: vec![col(1)] },
        schema(&[DataType::int()]),
    );
    let mut op = build(&n, std::slice::from_ref(&input), &context()).unwrap();
    let rows = push(op.as_mut(), 0, batch(&input, &["+I 2 1", "-U 1 2", "+U 5 4", "-D - 1"]));
    assert_eq!(rows, ["+I 1", "+U 4"]);
}

#[test]
fn watermarks_are_cut_only_where_a_row_is_late() {
    let input = schema(&[rowtime()]);
    let watermark = Expr::column(0, rowtime());
    let op = OpSpec::WatermarkAssigner { rowtime: 0, watermark, idle_timeout: 0, interval: 200 };
    let n = node(op, input.clone());
    let rows = batch(&input, &["+I 1000", "+I 1500", "+I 2000"]);
    let mut op = build(&n, std::slice::from_ref(&input), &context()).unwrap();
    assert_eq!(push(op.as_mut(), 0, rows.clone()), ["+I 1000", "+I 1500", "+I 2000", "wm 2000"]);
    let late = batch(&input, &["+I 3000", "+I 2500", "+I 3100"]);
    assert_eq!(push(op.as_mut(), 0, late), ["+I 3000", "wm 3000", "+I 2500", "+I 3100"]);
    let exact = OpContext { exact_watermarks: true, ..context() };
    let mut op = build(&n, std::slice::from_ref(&input), &exact).unwrap();
    let expected = ["+I 1000", "wm 1000", "+I 1500", "wm 1500", "+I 2000", "wm 2000"];
    assert_eq!(push(op.as_mut(), 0, rows), expected);
    assert_eq!(mark(op.as_mut(), i64::MAX), [format!("wm {}", i64::MAX)]);
}

#[test]
fn group_aggregate_folds_changes_per_key() {
    let input = schema(&[DataType::string(), DataType::int()]);
    let mut distinct = call("COUNT", &[1], DataType::bigint());
    distinct.distinct = true;
    let calls = vec![
        call("COUNT", &[], DataType::bigint()),
        call("SUM", &[1], DataType::int()),
        call("MAX", &[1], DataType::int()),
        call("AVG", &[1], DataType::int()),
        distinct,
    ];
    let out = schema(&[
        DataType::string(),
        DataType::bigint(),
        DataType::int(),
        DataType::int(),
        DataType::int(),
        DataType::bigint(),
    ]);
    let n = node(
        OpSpec::GroupAggregate {
            keys: vec![0],
            calls,
            update_before: true,
            input_retracts: true,
            state_ttl: 0,
        },
        out,
    );
    let inputs = [input.clone()];
    let mut op = build(&n, &inputs, &context()).unwrap();
    let first = batch(&input, &["+I a 1", "+I b -", "+I a 4", "-D c 1"]);
    assert_eq!(push(op.as_mut(), 0, first), ["+I a 2 5 4 2 2", "+I b 1 - - - 0"]);
    let mut op = reborn(op.as_mut(), &n, &inputs, &context());
    let second = batch(&input, &["-U a 4", "+U a 2", "-D b -"]);
    assert_eq!(
        push(op.as_mut(), 0, second),
        ["-U a 2 5 4 2 2", "+U a 2 3 2 1 2", "-D b 1 - - - 0"]
    );
    let silent = batch(&input, &["-U a 2", "+U a 2"]);
    assert!(push(op.as_mut(), 0, silent).is_empty());
}

fn window_schema() -> Schema {
    schema(&[
        DataType::string(),
        DataType::bigint(),
        DataType::timestamp(3),
        DataType::timestamp(3),
        rowtime(),
    ])
}

fn window_node(kind: WindowKind) -> (NodeSpec, Schema) {
    let input = schema(&[DataType::string(), rowtime(), DataType::bigint()]);
    let window = WindowSpec { kind, time_column: 1, event_time: true, time_type: rowtime() };
    let op = OpSpec::WindowAggregate {
        window,
        attached: None,
        keys: vec![0],
        calls: vec![call("SUM", &[2], DataType::bigint())],
        time_zone: "UTC".into(),
        oldest_first: false,
    };
    (node(op, window_schema()), input)
}

#[test]
fn tumbling_windows_fire_and_drop_late_rows() {
    let (n, input) = window_node(WindowKind::Tumble { size: 10, offset: 0 });
    let mut op = build(&n, std::slice::from_ref(&input), &inserts()).unwrap();
    push(op.as_mut(), 0, batch(&input, &["+I a 1 5", "+I b 12 6", "+I a 9 7"]));
    assert_eq!(mark(op.as_mut(), 9), ["+I a 12 0 10 9", "wm 9"]);
    let mut op = reborn(op.as_mut(), &n, std::slice::from_ref(&input), &inserts());
    push(op.as_mut(), 0, batch(&input, &["+I a 3 100", "+I b 19 1"]));
    assert_eq!(
        mark(op.as_mut(), i64::MAX),
        ["+I b 7 10 20 19".to_owned(), format!("wm {}", i64::MAX)]
    );
}

#[test]
fn hopping_windows_share_slices() {
    let (n, input) = window_node(WindowKind::Hop { slide: 5, size: 10, offset: 0 });
    let mut op = build(&n, std::slice::from_ref(&input), &inserts()).unwrap();
    push(op.as_mut(), 0, batch(&input, &["+I a 1 1", "+I a 7 2", "+I b 11 4"]));
    let fired = mark(op.as_mut(), 14);
    assert_eq!(
        fired,
        ["+I a 1 -5 5 4", "+I a 3 0 10 9", "+I b 4 5 15 14", "+I a 2 5 15 14", "wm 14"]
    );
    // The window 0..10 is over, but 5..15's slice went with it: 10..20 still takes the row.
    push(op.as_mut(), 0, batch(&input, &["+I a 12 8", "+I a 7 100"]));
    let rest = mark(op.as_mut(), 19);
    assert_eq!(rest, ["+I b 4 10 20 19", "+I a 8 10 20 19", "wm 19"]);
}

#[test]
fn cumulating_windows_grow() {
    let (n, input) = window_node(WindowKind::Cumulate { step: 5, max_size: 10, offset: 0 });
    let mut op = build(&n, std::slice::from_ref(&input), &inserts()).unwrap();
    push(op.as_mut(), 0, batch(&input, &["+I a 1 1", "+I a 7 2"]));
    assert_eq!(mark(op.as_mut(), 20), ["+I a 1 0 5 4", "+I a 3 0 10 9", "wm 20"]);
}

#[test]
fn sessions_merge() {
    let (n, input) = window_node(WindowKind::Session { gap: 5, partition: vec![0] });
    let mut op = build(&n, std::slice::from_ref(&input), &inserts()).unwrap();
    let rows = ["+I a 1 1", "+I a 9 2", "+I b 2 4", "+I a 5 8"];
    push(op.as_mut(), 0, batch(&input, &rows));
    let mut op = reborn(op.as_mut(), &n, std::slice::from_ref(&input), &inserts());
    assert_eq!(mark(op.as_mut(), 13), ["+I b 4 2 7 6", "+I a 11 1 14 13", "wm 13"]);
    // Behind the watermark, but its own session is not over.
    push(op.as_mut(), 0, batch(&input, &["+I a 8 32", "+I a 10 16"]));
    assert_eq!(mark(op.as_mut(), 14), ["+I a 16 10 15 14", "wm 14"]);
}

fn join_node(kind: JoinKind, condition: Option<Expr>) -> (NodeSpec, [Schema; 2]) {
    let side = schema(&[DataType::int(), DataType::string()]);
    let t = [DataType::int(), DataType::string(), DataType::int(), DataType::string()];
    let semi = matches!(kind, JoinKind::Semi | JoinKind::Anti);
    let spec = JoinSpec {
        kind,
        left_keys: vec![0],
        right_keys: vec![0],
        null_safe: vec![false],
        condition,
        left_unique: None,
        right_unique: None,
        state_ttl: [None; 2],
    };
    (node(OpSpec::Join(spec), schema(&t[..if semi { 2 } else { 4 }])), [side.clone(), side])
}

#[test]
fn inner_joins_keep_kinds() {
    let (n, s) = join_node(JoinKind::Inner, None);
    let mut op = build(&n, &s, &context()).unwrap();
    assert!(push(op.as_mut(), 0, batch(&s[0], &["+I 1 a", "+I 1 a", "+I - n"])).is_empty());
    let mut op = reborn(op.as_mut(), &n, &s, &context());
    let rows = push(op.as_mut(), 1, batch(&s[1], &["+U 1 x", "+I - n"]));
    assert_eq!(rows, ["+U 1 a 1 x", "+U 1 a 1 x"]);
    assert_eq!(push(op.as_mut(), 0, batch(&s[0], &["-D 1 a"])), ["-D 1 a 1 x"]);
    assert_eq!(push(op.as_mut(), 1, batch(&s[1], &["-D 1 x"])), ["-D 1 a 1 x"]);
}

#[test]
fn outer_joins_pad_and_unpad() {
    let (n, s) = join_node(JoinKind::Full, None);
    let mut op = build(&n, &s, &context()).unwrap();
    let padded = push(op.as_mut(), 0, batch(&s[0], &["+I 1 a", "+I - n"]));
    assert_eq!(padded, ["+I 1 a - -", "+I - n - -"]);
    let joined = push(op.as_mut(), 1, batch(&s[1], &["+I 1 x", "+I 2 y"]));
    assert_eq!(joined, ["-D 1 a - -", "+I 1 a 1 x", "+I - - 2 y"]);
    let gone = push(op.as_mut(), 0, batch(&s[0], &["-D 1 a"]));
    assert_eq!(gone, ["-D 1 a 1 x", "+I - - 1 x"]);
}

#[test]
fn residual_predicates_count_as_matches() {
    let c = |i| Expr::column(i, DataType::string());
    let less = Expr::call("<", vec![c(1), c(3)], DataType::boolean());
    let (n, s) = join_node(JoinKind::Left, Some(less));
    let mut op = build(&n, &s, &context()).unwrap();
    push(op.as_mut(), 0, batch(&s[0], &["+I 1 m"]));
    assert!(push(op.as_mut(), 1, batch(&s[1], &["+I 1 a"])).is_empty());
    assert_eq!(push(op.as_mut(), 1, batch(&s[1], &["+I 1 z"])), ["-D 1 m - -", "+I 1 m 1 z"]);
}

#[test]
fn semi_and_anti_joins_follow_the_right_side() {
    for (kind, expected) in [(JoinKind::Semi, [0, 1, 1]), (JoinKind::Anti, [1, 1, 1])] {
        let (n, s) = join_node(kind, None);
        let mut op = build(&n, &s, &context()).unwrap();
        let a = push(op.as_mut(), 0, batch(&s[0], &["+I 1 a"]));
        let b = push(op.as_mut(), 1, batch(&s[1], &["+I 1 x", "+I 1 y", "-D 1 x"]));
        let c = push(op.as_mut(), 1, batch(&s[1], &["-D 1 y"]));
        assert_eq!([a.len(), b.len(), c.len()], expected, "{kind:?}");
    }
}

fn top(start: u64, end: u64, output_rank: bool) -> (NodeSpec, Schema) {
    let input = schema(&[DataType::string(), DataType::int()]);
    let mut types = vec![DataType::string(), DataType::int()];
    if output_rank {
        types.push(DataType::bigint());
    }
    let spec = RankSpec {
        partition: vec![0],
        order_by: vec![SortKey { column: 1, descending: true, nulls_first: false }],
        start,
        end,
        function: "ROW_NUMBER".into(),
        output_rank,
        update_before: true,
    };
    (node(OpSpec::Rank(spec), schema(&types)), input)
}

#[test]
fn ranks_move() {
    let (n, input) = top(1, 2, true);
    let mut op = build(&n, std::slice::from_ref(&input), &context()).unwrap();
    let first = push(op.as_mut(), 0, batch(&input, &["+I a 1", "+I a 2", "+I a 3"]));
    assert_eq!(first, ["+I a 3 1", "+I a 2 2"]);
    let mut op = reborn(op.as_mut(), &n, std::slice::from_ref(&input), &context());
    let second = push(op.as_mut(), 0, batch(&input, &["-D a 3"]));
    assert_eq!(second, ["-U a 3 1", "+U a 2 1", "-U a 2 2", "+U a 1 2"]);
}

#[test]
fn top_n_without_rank_and_top_1() {
    let (n, input) = top(1, 2, false);
    let mut op = build(&n, std::slice::from_ref(&input), &inserts()).unwrap();
    push(op.as_mut(), 0, batch(&input, &["+I a 1", "+I a 2"]));
    assert_eq!(push(op.as_mut(), 0, batch(&input, &["+I a 3", "+I a 0"])), ["-D a 1", "+I a 3"]);
    let (n, input) = top(1, 1, false);
    let mut op = build(&n, std::slice::from_ref(&input), &inserts()).unwrap();
    push(op.as_mut(), 0, batch(&input, &["+I a 1"]));
    assert_eq!(push(op.as_mut(), 0, batch(&input, &["+I a 2"])), ["-U a 1", "+U a 2"]);
}

#[test]
fn last_rows_by_time_and_normalisation() {
    let input = schema(&[DataType::string(), rowtime()]);
    let op = OpSpec::Deduplicate {
        keys: vec![0],
        rowtime: Some(1),
        keep_last: true,
        update_before: true,
    };
    let mut op = build(&node(op, input.clone()), std::slice::from_ref(&input), &inserts()).unwrap();
    assert_eq!(push(op.as_mut(), 0, batch(&input, &["+I a 5", "+I a 3"])), ["+I a 5"]);
    assert_eq!(push(op.as_mut(), 0, batch(&input, &["+I a 4", "+I a 9"])), ["-U a 5", "+U a 9"]);
    let op = OpSpec::ChangelogNormalize { keys: vec![0], update_before: true };
    let mut op = build(&node(op, input.clone()), std::slice::from_ref(&input), &context()).unwrap();
    assert_eq!(push(op.as_mut(), 0, batch(&input, &["+U a 5", "+I b 3"])), ["+I a 5", "+I b 3"]);
    let rows = push(op.as_mut(), 0, batch(&input, &["+U a 6", "-D b -"]));
    assert_eq!(rows, ["-U a 5", "+U a 6", "-D b 3"]);
}

#[test]
fn limit_and_sort() {
    let input = schema(&[DataType::int()]);
    let op = OpSpec::Limit { offset: 1, fetch: Some(2), update_before: true };
    let mut limit =
        build(&node(op.clone(), input.clone()), std::slice::from_ref(&input), &inserts()).unwrap();
    let rows = batch(&input, &["+I 3", "+I 1", "+I 2", "+I 5"]);
    assert_eq!(push(limit.as_mut(), 0, rows.clone()), ["+I 1", "+I 2"]);
    let mut changelog =
        build(&node(op, input.clone()), std::slice::from_ref(&input), &context()).unwrap();
    push(changelog.as_mut(), 0, rows.clone());
    assert_eq!(push(changelog.as_mut(), 0, batch(&input, &["-D 3"])), ["-D 1", "+I 5"]);
    let order_by = vec![SortKey { column: 0, descending: false, nulls_first: true }];
    let op = OpSpec::Sort { order_by, offset: 1, fetch: Some(2), by_rowtime: false };
    let mut sort =
        build(&node(op, input.clone()), std::slice::from_ref(&input), &context()).unwrap();
    push(sort.as_mut(), 0, rows);
    push(sort.as_mut(), 0, batch(&input, &["-D 2", "+I -"]));
    assert_eq!(finish(sort.as_mut()), ["+I 1", "+I 3"]);
}

#[test]
fn over_rows_and_ranges_and_lateness() {
    let input = schema(&[DataType::string(), rowtime(), DataType::bigint()]);
    let out = schema(&[DataType::string(), rowtime(), DataType::bigint(), DataType::bigint()]);
    let over = |frame| {
        OpSpec::Over(OverSpec {
            partition: vec![0],
            order_by: vec![SortKey { column: 1, descending: false, nulls_first: true }],
            time_ordered: true,
            frame,
            calls: vec![call("SUM", &[2], DataType::bigint())],
        })
    };
    let rows = batch(&input, &["+I a 3 1", "+I a 1 2", "+I b 2 4", "+I a 3 8", "+I a 9 16"]);
    let n = node(over(OverFrame::Rows(Some(1))), out.clone());
    let mut op = build(&n, std::slice::from_ref(&input), &inserts()).unwrap();
    push(op.as_mut(), 0, rows.clone());
    let fired = mark(op.as_mut(), 5);
    assert_eq!(fired, ["+I a 1 2 2", "+I b 2 4 4", "+I a 3 1 3", "+I a 3 8 9", "wm 5"]);
    let mut op = reborn(op.as_mut(), &n, std::slice::from_ref(&input), &inserts());
    // Behind the watermark but ahead of the last released row of the key: still counts.
    push(op.as_mut(), 0, batch(&input, &["+I a 4 32", "+I a 3 64"]));
    assert_eq!(mark(op.as_mut(), 9), ["+I a 4 32 40", "+I a 9 16 48", "wm 9"]);
    let n = node(over(OverFrame::Range(None)), out);
    let mut op = build(&n, std::slice::from_ref(&input), &inserts()).unwrap();
    push(op.as_mut(), 0, rows);
    let fired = mark(op.as_mut(), 5);
    assert_eq!(fired, ["+I a 1 2 2", "+I b 2 4 4", "+I a 3 1 11", "+I a 3 8 11", "wm 5"]);
    push(op.as_mut(), 0, batch(&input, &["+I a 4 32"]));
    assert_eq!(mark(op.as_mut(), 9), ["+I a 9 16 27", "wm 9"]);
}

/// A key's clean-up that a later row puts off moves the border of late rows when its time
/// comes, in another life as well.
#[test]
fn over_keeps_put_off_cleanups() {
    let input = schema(&[DataType::string(), rowtime(), DataType::bigint()]);
    let out = schema(&[DataType::string(), rowtime(), DataType::bigint(), DataType::bigint()]);
    let over = OpSpec::Over(OverSpec {
        partition: vec![0],
        order_by: vec![SortKey { column: 1, descending: false, nulls_first: true }],
        time_ordered: true,
        frame: OverFrame::Range(Some(10)),
        calls: vec![call("SUM", &[2], DataType::bigint())],
    });
    let n = node(over, out);
    for restored in [false, true] {
        let mut op = build(&n, std::slice::from_ref(&input), &inserts()).unwrap();
        // Due at 16, then at 22.
        push(op.as_mut(), 0, batch(&input, &["+I a 0 1", "+I a 6 2"]));
        mark(op.as_mut(), 6);
        if restored {
            op = reborn(op.as_mut(), &n, std::slice::from_ref(&input), &inserts());
        }
        mark(op.as_mut(), 16);
        push(op.as_mut(), 0, batch(&input, &["+I a 16 4", "+I a 17 8"]));
        assert_eq!(mark(op.as_mut(), 17), ["+I a 17 8 8", "wm 17"], "restored: {restored}");
    }
}

/// Seals before and after a watermark and restores both seals, oldest first.
fn reborn_behind(
    op: &mut dyn Operator,
    watermark: i64,
    n: &NodeSpec,
    inputs: &[Schema],
    c: &OpContext,
) -> Box<dyn Operator> {
    let (mut first, mut second) = (Seal::default(), Seal::default());
    op.barrier(&Barrier::checkpoint(1, false), &mut first).unwrap();
    mark(op, watermark);
    op.barrier(&Barrier::checkpoint(2, false), &mut second).unwrap();
    second.tables.splice(0..0, first.tables);
    let mut fresh = build(n, inputs, c).unwrap();
    fresh.restore(&second, &c.task).unwrap();
    fresh
}

#[test]
fn what_a_watermark_released_is_gone_from_the_next_checkpoint() {
    let input = schema(&[DataType::string(), rowtime(), DataType::bigint()]);
    let out = schema(&[DataType::string(), rowtime(), DataType::bigint(), DataType::bigint()]);
    let over = OpSpec::Over(OverSpec {
        partition: vec![0],
        order_by: vec![SortKey { column: 1, descending: false, nulls_first: true }],
        time_ordered: true,
        frame: OverFrame::Rows(None),
        calls: vec![call("SUM", &[2], DataType::bigint())],
    });
    let n = node(over, out);
    let mut op = build(&n, std::slice::from_ref(&input), &inserts()).unwrap();
    push(op.as_mut(), 0, batch(&input, &["+I a 3 1", "+I a 9 2"]));
    let mut op = reborn_behind(op.as_mut(), 5, &n, std::slice::from_ref(&input), &inserts());
    assert_eq!(mark(op.as_mut(), 9), ["+I a 9 2 3", "wm 9"]);

    let (join, s, joined) = timed_spec(JoinKind::Left);
    let n = node(OpSpec::TemporalJoin { join, left_time: 1, right_time: 1 }, joined);
    let mut op = build(&n, &s, &context()).unwrap();
    push(op.as_mut(), 0, batch(&s[0], &["+I a 3", "+I a 12"]));
    let mut op = reborn_behind(op.as_mut(), 5, &n, &s, &context());
    assert_eq!(mark(op.as_mut(), 12), ["+I a 12 - -", "wm 12"]);

    let dedup = OpSpec::Deduplicate {
        keys: vec![0],
        rowtime: Some(1),
        keep_last: false,
        update_before: false,
    };
    let n = node(dedup, input.clone());
    let mut op = build(&n, std::slice::from_ref(&input), &inserts()).unwrap();
    push(op.as_mut(), 0, batch(&input, &["+I a 4 1", "+I a 3 2", "+I b 9 3"]));
    let mut op = reborn_behind(op.as_mut(), 5, &n, std::slice::from_ref(&input), &inserts());
    push(op.as_mut(), 0, batch(&input, &["+I a 7 4", "+I b 5 5", "+I b 8 6"]));
    assert_eq!(mark(op.as_mut(), 9), ["+I b 8 6", "wm 9"]);
}

fn timed_spec(kind: JoinKind) -> (JoinSpec, [Schema; 2], Schema) {
    let side = schema(&[DataType::string(), rowtime()]);
    let joined = schema(&[DataType::string(), rowtime(), DataType::string(), rowtime()]);
    let join = JoinSpec {
        kind,
        left_keys: vec![0],
        right_keys: vec![0],
        null_safe: vec![false],
        condition: None,
        left_unique: None,
        right_unique: None,
        state_ttl: [None; 2],
    };
    (join, [side.clone(), side], joined)
}

#[test]
fn interval_joins_pad_when_nothing_can_come() {
    let (join, s, joined) = timed_spec(JoinKind::Left);
    let op = OpSpec::IntervalJoin {
        join,
        left_time: 1,
        right_time: 1,
        lower: -5,
        upper: 5,
        event_time: true,
    };
    let n = node(op, joined);
    let mut op = build(&n, &s, &inserts()).unwrap();
    assert!(push(op.as_mut(), 0, batch(&s[0], &["+I a 10", "+I b 10"])).is_empty());
    let mut op = reborn(op.as_mut(), &n, &s, &inserts());
    assert_eq!(push(op.as_mut(), 1, batch(&s[1], &["+I a 15", "+I b 16"])), ["+I a 10 a 15"]);
    assert_eq!(mark(op.as_mut(), 15), ["wm 10"]);
    assert_eq!(mark(op.as_mut(), 16), ["+I b 10 - -", "wm 11"]);
}

#[test]
fn temporal_joins_see_the_version_of_their_time() {
    let (join, s, joined) = timed_spec(JoinKind::Left);
    let n = node(OpSpec::TemporalJoin { join, left_time: 1, right_time: 1 }, joined);
    let mut op = build(&n, &s, &context()).unwrap();
    push(op.as_mut(), 0, batch(&s[0], &["+I a 7", "+I a 3", "+I a 12"]));
    push(op.as_mut(), 1, batch(&s[1], &["+I a 5", "+U a 10"]));
    let mut op = reborn(op.as_mut(), &n, &s, &context());
    assert_eq!(mark(op.as_mut(), 11), ["+I a 3 - -", "+I a 7 a 5", "wm 11"]);
    push(op.as_mut(), 1, batch(&s[1], &["-D a 11"]));
    assert_eq!(mark(op.as_mut(), 12), ["+I a 12 - -", "wm 12"]);
}

#[test]
fn window_joins_and_window_ranks_fire_at_the_end() {
    let t = DataType::timestamp(3);
    let side = schema(&[DataType::string(), t.clone(), t.clone()]);
    let (mut join, _, _) = timed_spec(JoinKind::Full);
    join.left_keys = vec![0];
    let six = [&side.fields[..], &side.fields[..]].concat();
    let op = OpSpec::WindowJoin { join, left_window: (1, 2), right_window: (1, 2) };
    let s = [side.clone(), side.clone()];
    let n = node(op, Schema::new(six));
    let mut op = build(&n, &s, &inserts()).unwrap();
    push(op.as_mut(), 0, batch(&side, &["+I a 0 10", "+I b 0 10", "+I a 10 20"]));
    push(op.as_mut(), 1, batch(&side, &["+I a 0 10"]));
    let mut op = reborn(op.as_mut(), &n, &s, &inserts());
    let mut fired = mark(op.as_mut(), 9);
    fired.sort();
    assert_eq!(fired, ["+I a 0 10 a 0 10", "+I b 0 10 - - -", "wm 9"]);
    let spec = RankSpec {
        partition: vec![],
        order_by: vec![SortKey { column: 0, descending: true, nulls_first: false }],
        start: 1,
        end: 1,
        function: "ROW_NUMBER".into(),
        output_rank: false,
        update_before: false,
    };
    let n = node(OpSpec::WindowRank { rank: spec, window: (1, 2) }, side.clone());
    let mut op = build(&n, std::slice::from_ref(&side), &inserts()).unwrap();
    push(op.as_mut(), 0, batch(&side, &["+I a 0 10", "+I c 0 10", "+I b 0 10", "+I z 10 20"]));
    assert_eq!(mark(op.as_mut(), 9), ["+I c 0 10", "wm 9"]);
}

#[test]
fn over_values_updates_following_rows() {
    let input = schema(&[DataType::string(), DataType::int()]);
    let t = [DataType::string(), DataType::int(), DataType::bigint(), DataType::bigint()];
    let spec = OverSpec {
        partition: vec![0],
        order_by: vec![SortKey { column: 1, descending: false, nulls_first: true }],
        time_ordered: false,
        frame: OverFrame::Rows(None),
        calls: vec![
            call("ROW_NUMBER", &[], DataType::bigint()),
            call("COUNT", &[1], DataType::bigint()),
        ],
    };
    let n = node(OpSpec::Over(spec), schema(&t));
    let mut op = build(&n, std::slice::from_ref(&input), &context()).unwrap();
    let first = push(op.as_mut(), 0, batch(&input, &["+I a 5", "+I a 9"]));
    assert_eq!(first, ["+I a 5 1 1", "+I a 9 2 2"]);
    let mut op = reborn(op.as_mut(), &n, std::slice::from_ref(&input), &context());
    let second = push(op.as_mut(), 0, batch(&input, &["+I a 7"]));
    assert_eq!(second, ["+I a 7 2 2", "-U a 9 2 2", "+U a 9 3 3"]);
    let third = push(op.as_mut(), 0, batch(&input, &["-D a 5"]));
    assert_eq!(third, ["-D a 5 1 1", "-U a 7 2 2", "+U a 7 1 1", "-U a 9 3 3", "+U a 9 2 2"]);
}

/// `A B* C` over (key, value, time): A above 5, B at most 5, C above A.
fn match_spec() -> MatchSpec {
    let field = |variable, first| MatchRef::Field { variable, column: 1, first, offset: 0 };
    let condition = |function: &str, right: Expr, refs: Vec<MatchRef>| {
        let args = vec![Expr::column(0, DataType::int()), right];
        Some(MatchExpr { expr: Expr::call(function, args, DataType::boolean()), refs })
    };
    let five = || Expr::literal(Value::Int(5), DataType::int());
    let term = |name: &str, min, max, greedy, condition| PatternTerm {
        name: name.into(),
        min,
        max,
        greedy,
        condition,
    };
    let a = condition(">", five(), vec![field(Some(0), false)]);
    let b = condition("<=", five(), vec![field(Some(1), false)]);
    let above = vec![field(Some(2), false), field(Some(0), false)];
    let c = condition(">", Expr::column(1, DataType::int()), above);
    let measure = |r| MatchExpr { expr: Expr::column(0, DataType::int()), refs: vec![r] };
    MatchSpec {
        partition: vec![0],
        order_by: vec![SortKey { column: 2, descending: false, nulls_first: true }],
        event_time: true,
        pattern: vec![
            term("A", 1, Some(1), false, a),
            term("B", 0, None, true, b),
            term("C", 1, Some(1), false, c),
        ],
        skip: SkipStrategy::PastLastRow,
        within: Some(100),
        measures: vec![
            measure(field(Some(0), false)),
            measure(field(Some(1), true)),
            measure(field(Some(2), false)),
        ],
    }
}

#[test]
fn matches_survive_a_restart_between_any_two_rows() {
    let input = schema(&[DataType::int(), DataType::int(), rowtime()]);
    let n = node(OpSpec::Match(match_spec()), schema(&vec![DataType::int(); 4]));
    let inputs = std::slice::from_ref(&input);
    let rows = ["7 1", "3 2", "9 3", "8 4", "4 5", "2 6", "1 7", "20 8", "6 9", "5 150", "30 151"];
    let run = |restart: bool| {
        let c = inserts();
        let mut op = build(&n, inputs, &c).unwrap();
        let mut lines = Vec::new();
        for row in rows {
            let row = format!("+I 1 {row}");
            lines.extend(push(op.as_mut(), 0, batch(&input, &[&row])));
            if restart {
                op = reborn(op.as_mut(), &n, inputs, &c);
            }
            let ts: i64 = row.rsplit(' ').next().unwrap().parse().unwrap();
            lines.extend(mark(op.as_mut(), ts - 1));
        }
        lines.extend(mark(op.as_mut(), i64::MAX));
        lines.retain(|l| !l.starts_with("wm"));
        lines
    };
    // The run that begins at 6 has ended when 30 comes: WITHIN.
    assert_eq!(run(false), ["+I 1 7 3 9", "+I 1 8 4 20"]);
    assert_eq!(run(true), run(false));
}
