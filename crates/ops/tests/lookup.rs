//! Rows that a lookup join tries again are state: they survive a checkpoint and a restart.

use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use weir_core::types::Field;
use weir_core::value::{Value, values_to_array};
use weir_core::{ChangeBatch, DataType, Options, Result, Schema};
use weir_functions::{EvalContext, Expr};
use weir_ops::lookup_table::{LookupReader, Lookups};
use weir_ops::{OpContext, build};
use weir_runtime::{Barrier, Mark, Operator, Out, Seal, TaskContext};
use weir_spec::*;

fn two() -> Schema {
    Schema::new(vec![Field::new("k", DataType::bigint()), Field::new("v", DataType::bigint())])
}

fn rows(values: &[(i64, i64)]) -> RecordBatch {
    let column = |f: fn(&(i64, i64)) -> i64| {
        let values: Vec<Value> = values.iter().map(|v| Value::Int(f(v))).collect();
        values_to_array(&values, &DataType::bigint()).unwrap()
    };
    RecordBatch::try_new(two().to_arrow(), vec![column(|v| v.0), column(|v| v.1)]).unwrap()
}

type Content = Arc<Mutex<Vec<(i64, i64)>>>;

struct Memory(Content);

impl LookupReader for Memory {
    fn read(&mut self, _: Option<Expr>) -> Result<Vec<RecordBatch>> {
        Ok(vec![rows(&self.0.lock().unwrap())])
    }
    fn version(&mut self) -> Result<Option<u64>> {
        Ok(None)
    }
}

fn spec() -> LookupSpec {
    let column = |i| Expr::column(i, DataType::bigint());
    LookupSpec {
        join: JoinSpec {
            kind: JoinKind::Left,
            left_keys: vec![0],
            right_keys: vec![0],
            null_safe: vec![false],
            condition: None,
            left_unique: None,
            right_unique: None,
            state_ttl: [None, None],
        },
        source: SourceSpec {
            table: TableSpec {
                identifier: "dim".into(),
                physical: two(),
                primary_key: vec![],
                partition_keys: vec![],
                options: Options::new(),
            },
            columns: vec![],
            filter: None,
            limit: None,
            batch: true,
        },
        source_schema: two(),
        filter: None,
        projection: vec![column(0), column(1)],
        columns: two(),
        cache: LookupCache::None,
        max_retries: 0,
        hint: LookupHint { retry: Some(LookupRetry { delay: 0, attempts: 2 }), shuffle: false },
    }
}

fn operator(content: &Content) -> (Box<dyn Operator>, OpContext) {
    let shared = Arc::clone(content);
    let lookups = Lookups::new(Box::new(move |_, _| Ok(Box::new(Memory(Arc::clone(&shared))))));
    let context = OpContext {
        eval: EvalContext::default(),
        task: TaskContext { subtask: 0, parallelism: 1, max_parallelism: 128 },
        inputs: vec![ChangelogMode::INSERT_ONLY],
        state_ttl: 0,
        time_zone: "UTC".into(),
        exact_watermarks: false,
        lookups: Some(Arc::new(lookups)),
    };
    let mut schema = two();
    schema.fields.extend(two().fields);
    let node = NodeSpec {
        uid: "lookup".into(),
        name: "LookupJoin".into(),
        op: OpSpec::LookupJoin(Box::new(spec())),
        inputs: vec![],
        schema,
        changelog: ChangelogMode::INSERT_ONLY,
        upsert_keys: vec![],
    };
    (build(&node, &[two()], &context).unwrap(), context)
}

/// Key and looked-up value of the rows that come out.
fn shown(out: &mut Out) -> Vec<(i64, Option<i64>)> {
    let number = |b: &ChangeBatch, c: usize, r: usize| Value::from_array(b.column(c), r).as_i64();
    out.take_batches()
        .iter()
        .flat_map(|b| {
            (0..b.len()).map(|r| (number(b, 0, r).unwrap(), number(b, 3, r))).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn waiting_rows_survive_a_restart() {
    let content = Content::default();
    content.lock().unwrap().push((1, 10));
    let (mut op, _) = operator(&content);
    let mut out = Out::default();
    op.push(0, ChangeBatch::inserts(rows(&[(1, 0), (2, 0), (3, 0)])), &mut out).unwrap();
    assert_eq!(shown(&mut out), [(1, Some(10))]);
    op.watermark(Mark::Ts(7), &mut out).unwrap();
    assert!(out.take_all().is_empty(), "the watermark waits with the rows");
    let mut seal = Seal::default();
    op.barrier(&Barrier::checkpoint(1, false), &mut seal).unwrap();

    let (mut op, context) = operator(&content);
    op.restore(&seal, &context.task).unwrap();
    content.lock().unwrap().push((2, 20));
    let due = op.next_timer().unwrap();
    op.on_timer(due, &mut out).unwrap();
    assert_eq!(shown(&mut out), [(2, Some(20))]);
    // The second attempt is the last one: the row stays alone.
    op.on_timer(op.next_timer().unwrap(), &mut out).unwrap();
    assert_eq!(shown(&mut out), [(3, None)]);
    assert_eq!(op.next_timer(), None);
    // What was answered is gone from the next checkpoint.
    let mut seal = Seal::default();
    op.barrier(&Barrier::checkpoint(2, true), &mut seal).unwrap();
    let (mut op, context) = operator(&content);
    op.restore(&seal, &context.task).unwrap();
    assert_eq!(op.next_timer(), None);
}

#[test]
fn rows_of_one_key_keep_their_order() {
    let content = Content::default();
    let (mut op, _) = operator(&content);
    let mut out = Out::default();
    op.push(0, ChangeBatch::inserts(rows(&[(5, 1)])), &mut out).unwrap();
    content.lock().unwrap().push((5, 50));
    op.push(0, ChangeBatch::inserts(rows(&[(5, 2)])), &mut out).unwrap();
    assert!(shown(&mut out).is_empty(), "the second row waits behind the first");
    op.finish(&mut out).unwrap();
    let seconds: Vec<Option<i64>> = out
        .take_batches()
        .iter()
        .flat_map(|b| {
            (0..b.len()).map(|r| Value::from_array(b.column(1), r).as_i64()).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(seconds, [Some(1), Some(2)]);
}
