//! A whole job over exchanges, stopped in its middle and restored at another
//! parallelism: the collapsed result must be the one of an undisturbed run.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array};
use weir_core::types::Field;
use weir_core::{ChangeBatch, DataType, Result, Schema, Value};
use weir_functions::EvalContext;
use weir_ops::{OpContext, build};
use weir_runtime::*;
use weir_spec::*;

type Collapsed = Arc<Mutex<HashMap<Vec<i64>, i64>>>;

fn schema(columns: usize) -> Schema {
    Schema::new((0..columns).map(|i| Field::new(format!("c{i}"), DataType::bigint())).collect())
}

/// Numbers `next..end` with key `number % 50`, dealt to the subtasks in turn.
struct Numbers {
    next: i64,
    end: i64,
    step: i64,
    /// Counts the sources that wait for a barrier instead of ending.
    waiting: Option<Arc<AtomicUsize>>,
    counted: bool,
}

impl SourceTask for Numbers {
    fn poll(&mut self) -> Result<SourcePoll> {
        let values: Vec<i64> =
            (0..100).map(|i| self.next + i * self.step).take_while(|&v| v < self.end).collect();
        self.next += 100 * self.step;
        if self.waiting.is_some() {
            std::thread::sleep(Duration::from_micros(200));
        }
        if values.is_empty() {
            let Some(waiting) = &self.waiting else { return Ok(SourcePoll::End) };
            if !std::mem::replace(&mut self.counted, true) {
                waiting.fetch_add(1, Ordering::SeqCst);
            }
            return Ok(SourcePoll::Pending(Duration::from_millis(1)));
        }
        let keys: ArrayRef = Arc::new(Int64Array::from_iter_values(values.iter().map(|v| v % 50)));
        let rows = values.len();
        let columns = vec![keys, Arc::new(Int64Array::from(values)) as ArrayRef];
        Ok(SourcePoll::Batch(ChangeBatch::from_columns(schema(2).to_arrow(), columns, rows, None)?))
    }
}

struct Collapse(Collapsed);

impl Operator for Collapse {
    fn push(&mut self, _: usize, b: ChangeBatch, _: &mut Out) -> Result<Step> {
        let mut rows = self.0.lock().unwrap();
        for i in 0..b.len() {
            let number = |c: &ArrayRef| Value::from_array(c, i).as_i64().unwrap_or(i64::MIN);
            let row: Vec<i64> = b.rows.columns().iter().map(number).collect();
            let count = rows.entry(row.clone()).or_insert(0);
            *count += if b.kind(i).is_plus() { 1 } else { -1 };
            if *count == 0 {
                rows.remove(&row);
            }
        }
        Ok(Step::Done)
    }
}

fn aggregate(keys: Vec<usize>, function: &str, arg: usize, columns: usize) -> NodeSpec {
    let call = |function: &str, args: Vec<usize>| AggregateCall {
        function: function.into(),
        literals: vec![None; args.len()],
        args,
        distinct: false,
        filter: None,
        order_by: vec![],
        ty: DataType::bigint(),
        name: function.into(),
    };
    NodeSpec {
        uid: format!("aggregate-{function}"),
        name: function.into(),
        op: OpSpec::GroupAggregate {
            keys,
            calls: vec![call("COUNT", vec![]), call(function, vec![arg])],
            update_before: true,
            input_retracts: true,
            state_ttl: 0,
        },
        inputs: vec![],
        schema: schema(columns),
        changelog: ChangelogMode::ALL,
        upsert_keys: vec![],
    }
}

fn operator(spec: NodeSpec, input: usize, from: usize, exchange: Exchange) -> Node {
    let (uid, name) = (spec.uid.clone(), spec.name.clone());
    let factory: NodeFactory = Arc::new(move |task| {
        let context = OpContext {
            eval: EvalContext::default(),
            task: *task,
            inputs: vec![ChangelogMode::ALL],
            state_ttl: 0,
            time_zone: "UTC".into(),
            exact_watermarks: false,
            lookups: None,
        };
        Ok(NodeBody::Operator(build(&spec, &[schema(input)], &context)?))
    });
    Node { uid, name, inputs: vec![Edge { node: from, exchange }], factory }
}

/// Runs the numbers `from..to`; with `stop`, takes checkpoints on the way and
/// one behind them, and returns their state.
fn run_part(
    from: i64,
    to: i64,
    p: usize,
    restore: RestoredState,
    result: &Collapsed,
    stop: bool,
) -> RestoredState {
    let waiting = Arc::new(AtomicUsize::new(0));
    let held = stop.then(|| Arc::clone(&waiting));
    let result = Arc::clone(result);
    let source = Node {
        uid: "source".into(),
        name: "source".into(),
        inputs: vec![],
        factory: Arc::new(move |t| {
            let (next, step) = (from + t.subtask as i64, t.parallelism as i64);
            Ok(NodeBody::Source(Box::new(Numbers {
                next,
                end: to,
                step,
                waiting: held.clone(),
                counted: false,
            })))
        }),
    };
    let sink = Node {
        uid: "sink".into(),
        name: "sink".into(),
        inputs: vec![Edge { node: 2, exchange: Exchange::Single }],
        factory: Arc::new(move |_| Ok(NodeBody::Operator(Box::new(Collapse(Arc::clone(&result)))))),
    };
    let nodes = vec![
        source,
        operator(aggregate(vec![0], "SUM", 1, 3), 2, 0, Exchange::Hash(vec![0])),
        // How many keys have which count, and the largest sum among them.
        operator(aggregate(vec![1], "MAX", 2, 3), 3, 1, Exchange::Hash(vec![1])),
        sink,
    ];
    let uids: Vec<String> = nodes.iter().map(|n| n.uid.clone()).collect();
    let config = RunConfig { parallelism: p, restore, ..RunConfig::default() };
    let mut handle = run(JobGraph { nodes }, config).unwrap();
    let mut state = RestoredState::new();
    if !stop {
        assert!(handle.wait_for(Duration::from_secs(60)), "the job hangs");
        handle.wait().unwrap();
        return state;
    }
    // The first seal is full, the next ones are what has changed, taken while rows flow.
    for epoch in 1..=4 {
        while epoch == 4 && waiting.load(Ordering::SeqCst) < p {
            assert!(!handle.wait_for(Duration::from_millis(1)), "the job ended by itself");
        }
        handle.trigger_barrier(Barrier::checkpoint(epoch, false));
        collect(&handle, &uids, &mut state);
    }
    state
}

/// Adds the seals of one barrier to the state.
fn collect(handle: &JobHandle, uids: &[String], state: &mut RestoredState) {
    // Instances without input (of the single sink) have ended long ago, and say so again.
    let mut heard = HashSet::new();
    while heard.len() < handle.instances() {
        let report = handle.reports().recv_timeout(Duration::from_secs(60)).unwrap();
        heard.insert((report.node, report.subtask));
        if !uids[report.node].starts_with("source") {
            state.entry(uids[report.node].clone()).or_default().push(report.seal);
        }
    }
}

#[test]
fn state_moves_between_parallelisms() {
    let whole = Collapsed::default();
    run_part(0, 10_020, 1, RestoredState::new(), &whole, false);
    for (first, second) in [(1, 4), (4, 1), (3, 2)] {
        let parts = Collapsed::default();
        let state = run_part(0, 5_000, first, RestoredState::new(), &parts, true);
        run_part(5_000, 10_020, second, state, &parts, false);
        assert_eq!(*parts.lock().unwrap(), *whole.lock().unwrap());
    }
    assert_eq!(whole.lock().unwrap().len(), 2);
}
