//! Plans that need more memory than they may have: the rows stay the same.

use weir_batch::{Config, prepare};
use weir_core::{DataType, Field, Options, Schema, Value};
use weir_functions::EvalContext;
use weir_runtime::SourcePoll;
use weir_spec::{
    AggregateCall, ChangelogMode, Distribution, InputSpec, JoinKind, JoinSpec, NodeSpec, OpSpec,
    Plan, ReadColumn, SortKey, SourceSpec, TableSpec,
};

const ROWS: i64 = 60_000;

fn config(memory: u64, parallelism: usize) -> Config {
    Config {
        parallelism,
        max_parallelism: 128,
        eval: EvalContext { streaming: false, ..EvalContext::default() },
        time_zone: "UTC".into(),
        memory,
        spill_directories: vec![],
        lookups: None,
    }
}

fn node(op: OpSpec, inputs: Vec<(usize, Distribution)>, schema: &Schema) -> NodeSpec {
    NodeSpec {
        uid: "n".into(),
        name: "n".into(),
        op,
        inputs: inputs
            .into_iter()
            .map(|(node, distribution)| InputSpec { node, distribution })
            .collect(),
        schema: schema.clone(),
        changelog: ChangelogMode::INSERT_ONLY,
        upsert_keys: vec![],
    }
}

/// `id` counts from 1, `pad` is 100 random characters.
fn numbers() -> NodeSpec {
    let schema = Schema::new(vec![
        Field::new("id", DataType::bigint()),
        Field::new("pad", DataType::string()),
    ]);
    let options = [
        ("connector", "datagen".to_owned()),
        ("number-of-rows", ROWS.to_string()),
        ("fields.id.kind", "sequence".to_owned()),
        ("fields.id.start", "1".to_owned()),
        ("fields.id.end", ROWS.to_string()),
        ("fields.pad.length", "100".to_owned()),
    ];
    let table = TableSpec {
        identifier: "numbers".into(),
        physical: schema.clone(),
        primary_key: vec![],
        partition_keys: vec![],
        options: options.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<Options>(),
    };
    let columns = (0..2).map(|i| ReadColumn::Physical { path: vec![i] }).collect();
    let op = OpSpec::Source(SourceSpec { table, columns, filter: None, limit: None, batch: true });
    node(op, vec![], &schema)
}

/// Runs a plan whose last node is the client.
fn run(plan: &Plan, config: &Config) -> Vec<Vec<Value>> {
    let prepared = prepare(plan, config).unwrap().expect("insert-only sources");
    let root = prepared.roots().next().unwrap();
    let tasks = prepared.tasks(root).unwrap();
    let mut rows = Vec::new();
    for subtask in 0..config.parallelism {
        let mut task = tasks(subtask, config.parallelism);
        loop {
            match task.poll().unwrap() {
                SourcePoll::Batch(b) => {
                    rows.extend((0..b.len()).map(|r| {
                        b.rows.columns().iter().map(|c| Value::from_array(c, r)).collect()
                    }))
                }
                SourcePoll::Pending(_) => {}
                SourcePoll::End => break,
            }
        }
    }
    rows
}

fn collect(below: usize, schema: &Schema) -> NodeSpec {
    node(OpSpec::Collect, vec![(below, Distribution::Single)], schema)
}

#[test]
fn a_large_sort_spills() {
    let source = numbers();
    let schema = source.schema.clone();
    let key = SortKey { column: 1, descending: false, nulls_first: true };
    let op = OpSpec::Sort { order_by: vec![key], offset: 0, fetch: None, by_rowtime: false };
    let sort = node(op, vec![(0, Distribution::Single)], &schema);
    let plan = Plan { nodes: vec![source, sort, collect(1, &schema)] };
    let rows = run(&plan, &config(16 << 20, 1));
    assert_eq!(rows.len() as i64, ROWS);
    let text = |row: &Vec<Value>| match &row[1] {
        Value::String(s) => s.clone(),
        other => panic!("{other:?}"),
    };
    assert!(rows.windows(2).all(|w| text(&w[0]) <= text(&w[1])));
}

#[test]
fn a_large_aggregation_spills() {
    let source = numbers();
    let (keys, calls) = (
        vec![1],
        vec![AggregateCall {
            function: "SUM".into(),
            args: vec![0],
            literals: vec![None],
            distinct: false,
            filter: None,
            order_by: vec![],
            ty: DataType::bigint(),
            name: "total".into(),
        }],
    );
    let schema = Schema::new(vec![
        Field::new("pad", DataType::string()),
        Field::new("total", DataType::bigint()),
    ]);
    let op = OpSpec::GroupAggregate {
        keys: keys.clone(),
        calls,
        update_before: false,
        input_retracts: false,
        state_ttl: 0,
    };
    let group = node(op, vec![(0, Distribution::Hash(keys))], &schema);
    let plan = Plan { nodes: vec![source, group, collect(1, &schema)] };
    for parallelism in [1, 2] {
        let rows = run(&plan, &config(24 << 20, parallelism));
        let total: i64 = rows
            .iter()
            .map(|r| match r[1] {
                Value::Int(n) => n,
                ref other => panic!("{other:?}"),
            })
            .sum();
        assert_eq!(total, ROWS * (ROWS + 1) / 2, "parallelism {parallelism}");
    }
}

#[test]
fn a_join_beyond_memory_merges_sorted_sides() {
    let (left, right) = (numbers(), numbers());
    let schema = weir_core::Schema::new(
        left.schema.fields.iter().chain(&right.schema.fields).cloned().collect(),
    );
    let spec = JoinSpec {
        kind: JoinKind::Inner,
        left_keys: vec![0],
        right_keys: vec![0],
        null_safe: vec![false],
        condition: None,
        left_unique: None,
        right_unique: None,
        state_ttl: [None; 2],
    };
    let edges = vec![(0, Distribution::Hash(vec![0])), (1, Distribution::Hash(vec![0]))];
    let join = node(OpSpec::Join(spec), edges, &schema);
    let plan = Plan { nodes: vec![left, right, join, collect(2, &schema)] };
    for memory in [32 << 20, 1 << 30] {
        let config = config(memory, 2);
        let text = prepare(&plan, &config).unwrap().unwrap().explain(3).unwrap();
        assert_eq!(text.contains("SortMergeJoin"), memory < 1 << 30, "{text}");
        let rows = run(&plan, &config);
        assert_eq!(rows.len() as i64, ROWS);
        assert!(rows.iter().all(|r| r[0] == r[2]));
    }
}
