//! OVER of bounded input: every frame and every function, in batch mode.
//!
//! The rows are kept until the input ends, then sorted by partition and order and
//! computed partition by partition. Frames slide: a row enters every aggregate once
//! and leaves it at most once.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, UInt32Array};
use arrow::compute;
use arrow::datatypes::{DataType as ArrowType, Float64Type, SchemaRef, TimeUnit};
use weir_core::batch::TARGET_ROWS;
use weir_core::keys::EncodedKeys;
use weir_core::{ChangeBatch, DataType, Error, Result, Schema, Value};
use weir_runtime::{Mark, Operator, Out, Step};
use weir_spec::{AggregateCall, FrameEdge, OverFrame, OverSpec};
use weir_state::SlotStore;

use crate::agg::{AggSet, MINUS};
use crate::util::*;

/// See the module.
pub struct OverWhole {
    spec: OverSpec,
    by_rows: bool,
    edges: [FrameEdge; 2],
    /// Calls that are folded over the frame.
    folded: Vec<AggregateCall>,
    input_types: Vec<DataType>,
    input: SchemaRef,
    schema: SchemaRef,
    kept: Vec<ChangeBatch>,
    results: std::vec::IntoIter<ChangeBatch>,
    held_mark: Option<Mark>,
}

/// Functions of the place in the partition; the frame does not matter.
fn positional(function: &str) -> bool {
    matches!(
        function,
        "ROW_NUMBER"
            | "RANK"
            | "DENSE_RANK"
            | "PERCENT_RANK"
            | "CUME_DIST"
            | "NTILE"
            | "LAG"
            | "LEAD"
    )
}

impl OverWhole {
    /// Builds the operator.
    pub fn new(spec: &OverSpec, input: &Schema, output: &Schema) -> Result<Self> {
        let OverFrame::Between { rows, start, end } = spec.frame else {
            return Err(Error::internal("OVER of bounded input without its frame"));
        };
        let folded: Vec<AggregateCall> =
            spec.calls.iter().filter(|c| !positional(&c.function)).cloned().collect();
        AggSet::by_sums(&folded, &types(input), false)?;
        Ok(Self {
            spec: spec.clone(),
            by_rows: rows,
            edges: [start, end],
            folded,
            input_types: types(input),
            input: input.to_arrow(),
            schema: output.to_arrow(),
            kept: Vec::new(),
            results: Vec::new().into_iter(),
            held_mark: None,
        })
    }

    /// All rows in order, and where each partition lies.
    fn sorted(&mut self) -> Result<(ChangeBatch, Vec<Range<usize>>)> {
        let all = ChangeBatch::concat(&self.input, &std::mem::take(&mut self.kept))?;
        let keys = EncodedKeys::encode(&columns(&all, &self.spec.partition), all.len())?;
        let mut order: Vec<u32> = (0..all.len() as u32).collect();
        let key = |i: u32| keys.key(i as usize);
        if self.spec.order_by.is_empty() {
            order.sort_by(|&a, &b| key(a).cmp(key(b)));
        } else {
            let rows = sort_rows(&all, &self.spec.order_by)?;
            order.sort_by(|&a, &b| {
                (key(a), rows.row(a as usize)).cmp(&(key(b), rows.row(b as usize)))
            });
        }
        let mut partitions = Vec::new();
        let mut from = 0;
        for at in 1..=order.len() {
            if at == order.len() || key(order[at]) != key(order[from]) {
                partitions.push(from..at);
                from = at;
            }
        }
        Ok((all.take(&UInt32Array::from(order))?, partitions))
    }

    fn compute(&mut self) -> Result<Vec<ChangeBatch>> {
        let (all, partitions) = self.sorted()?;
        if all.is_empty() {
            return Ok(Vec::new());
        }
        let mut appended: Vec<Vec<ArrayRef>> = vec![Vec::new(); self.spec.calls.len()];
        for range in partitions {
            let part = all.slice(range.start, range.len());
            for (to, column) in appended.iter_mut().zip(self.partition(&part)?) {
                to.push(column);
            }
        }
        let mut result = all.rows.columns().to_vec();
        for parts in &appended {
            let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
            result.push(compute::concat(&parts)?);
        }
        let whole = batch_of(&self.schema, result, vec![PLUS_I; all.len()])?;
        let cuts = (0..all.len()).step_by(TARGET_ROWS);
        Ok(cuts.map(|at| whole.slice(at, TARGET_ROWS.min(all.len() - at))).collect())
    }

    /// The appended columns of one partition, whose rows are in order.
    fn partition(&self, part: &ChangeBatch) -> Result<Vec<ArrayRef>> {
        let peers = Peers::of(part, &self.spec)?;
        let mut folded = self.fold(part, &peers)?.into_iter();
        self.spec
            .calls
            .iter()
            .map(|c| {
                if positional(&c.function) {
                    return place(c, part, &peers);
                }
                folded.next().ok_or_else(|| Error::internal("OVER lost an aggregate"))
            })
            .collect()
    }

    fn fold(&self, part: &ChangeBatch, peers: &Peers) -> Result<Vec<ArrayRef>> {
        if self.folded.is_empty() {
            return Ok(Vec::new());
        }
        let frames = self.frames(part, peers)?;
        let moves = frames.windows(2).any(|w| w[0].start != w[1].start);
        let mut aggs = AggSet::by_sums(&self.folded, &self.input_types, moves)?;
        aggs.resize(1);
        let (mut low, mut high) = (0, 0);
        let mut parts: Vec<Vec<ArrayRef>> = Vec::new();
        let mut positions = Vec::with_capacity(frames.len());
        for (i, frame) in frames.iter().enumerate() {
            if i > 0 && *frame == frames[i - 1] {
                positions.push(parts.len() as u32 - 1);
                continue;
            }
            let enter = high.max(frame.start)..frame.end;
            if !enter.is_empty() {
                let rows = part.slice(enter.start, enter.len());
                aggs.update(&rows, &vec![0; enter.len()], None)?;
            }
            // Rows that were passed over without entering need not leave.
            let leave = low..frame.start.min(high);
            if !leave.is_empty() {
                let rows = part.slice(leave.start, leave.len());
                aggs.update(&rows, &vec![0; leave.len()], Some(&vec![MINUS; leave.len()]))?;
            }
            low = low.max(frame.start);
            high = high.max(frame.end).max(low);
            positions.push(parts.len() as u32);
            parts.push(aggs.finish(&[0])?);
        }
        let positions = UInt32Array::from(positions);
        (0..self.folded.len())
            .map(|c| {
                let column: Vec<_> = parts.iter().map(|p| p[c].as_ref()).collect();
                Ok(compute::take(&compute::concat(&column)?, &positions, None)?)
            })
            .collect()
    }

    /// The rows of every row's frame.
    fn frames(&self, part: &ChangeBatch, peers: &Peers) -> Result<Vec<Range<usize>>> {
        let n = part.len();
        let [start, end] = self.edges;
        let offset = |e: FrameEdge| matches!(e, FrameEdge::Offset(d) if d != 0);
        let distances = if !self.by_rows && (offset(start) || offset(end)) {
            Some(self.distances(part)?)
        } else {
            None
        };
        let edge = |i: usize, e: FrameEdge, is_end: bool| match e {
            FrameEdge::Unbounded if is_end => n,
            FrameEdge::Unbounded => 0,
            FrameEdge::Offset(d) if self.by_rows => {
                let at = i as i64 + d + i64::from(is_end);
                at.clamp(0, n as i64) as usize
            }
            FrameEdge::Offset(d) => match distances.as_ref().map(|v| (v, v[i])) {
                Some((all, Some(x))) => {
                    let limit = x + d as f64;
                    let first = all.iter().position(Option::is_some).unwrap_or(0);
                    let last = all.iter().rposition(Option::is_some).map_or(0, |l| l + 1);
                    let before = |v: &Option<f64>| {
                        v.is_some_and(|v| if is_end { v <= limit } else { v < limit })
                    };
                    first + all[first..last].partition_point(before)
                }
                _ if is_end => peers.range(i).end,
                _ => peers.range(i).start,
            },
        };
        Ok((0..n)
            .map(|i| {
                let (from, to) = (edge(i, start, false), edge(i, end, true));
                from.min(to)..to
            })
            .collect())
    }

    /// The order column as rising numbers.
    fn distances(&self, part: &ChangeBatch) -> Result<Vec<Option<f64>>> {
        let [key] = self.spec.order_by.as_slice() else {
            return Err(Error::validation(
                "a RANGE frame with a distance takes one ORDER BY column",
            ));
        };
        let column = part.column(key.column);
        let numbers = match column.data_type() {
            ArrowType::Timestamp(..) => {
                let millis = ArrowType::Timestamp(TimeUnit::Millisecond, None);
                let whole = compute::cast(&compute::cast(column, &millis)?, &ArrowType::Int64)?;
                compute::cast(&whole, &ArrowType::Float64)?
            }
            ArrowType::Date32 => {
                let days = compute::cast(column, &ArrowType::Int32)?;
                let days = compute::cast(&days, &ArrowType::Float64)?;
                let values = days.as_primitive::<Float64Type>();
                Arc::new(values.unary::<_, Float64Type>(|d| d * 86_400_000.0)) as ArrayRef
            }
            _ => compute::cast(column, &ArrowType::Float64)?,
        };
        let sign = if key.descending { -1.0 } else { 1.0 };
        Ok(numbers.as_primitive::<Float64Type>().iter().map(|v| v.map(|v| v * sign)).collect())
    }
}

/// Rows of equal order within a partition.
struct Peers {
    /// First row of every group.
    starts: Vec<usize>,
    /// Group of every row.
    of_row: Vec<usize>,
}

impl Peers {
    fn of(part: &ChangeBatch, spec: &OverSpec) -> Result<Self> {
        let mut peers = Self { starts: vec![0], of_row: vec![0; part.len()] };
        if spec.order_by.is_empty() {
            return Ok(peers);
        }
        let rows = sort_rows(part, &spec.order_by)?;
        for i in 1..part.len() {
            if rows.row(i) != rows.row(i - 1) {
                peers.starts.push(i);
            }
            peers.of_row[i] = peers.starts.len() - 1;
        }
        Ok(peers)
    }

    fn range(&self, row: usize) -> Range<usize> {
        let group = self.of_row[row];
        let end = self.starts.get(group + 1).copied().unwrap_or(self.of_row.len());
        self.starts[group]..end
    }
}

/// A function of the place of a row.
fn place(call: &AggregateCall, part: &ChangeBatch, peers: &Peers) -> Result<ArrayRef> {
    let n = part.len();
    let literal = |i: usize| call.literals.get(i).and_then(Option::as_ref).and_then(Value::as_i64);
    let whole = |f: &dyn Fn(usize) -> i64| -> Result<ArrayRef> {
        Ok(Arc::new(Int64Array::from_iter_values((0..n).map(f))))
    };
    let part_of_all = |f: &dyn Fn(usize) -> f64| -> Result<ArrayRef> {
        Ok(Arc::new(Float64Array::from_iter_values((0..n).map(f))))
    };
    match call.function.as_str() {
        "ROW_NUMBER" => whole(&|i| i as i64 + 1),
        "RANK" => whole(&|i| peers.range(i).start as i64 + 1),
        "DENSE_RANK" => whole(&|i| peers.of_row[i] as i64 + 1),
        "PERCENT_RANK" if n == 1 => part_of_all(&|_| 0.0),
        "PERCENT_RANK" => part_of_all(&|i| peers.range(i).start as f64 / (n - 1) as f64),
        "CUME_DIST" => part_of_all(&|i| peers.range(i).end as f64 / n as f64),
        "NTILE" => {
            let tiles = literal(0).filter(|t| *t > 0).ok_or_else(|| {
                Error::validation("NTILE takes a constant number of buckets above zero")
            })?;
            whole(&|i| tile(i, n, tiles as usize))
        }
        "LAG" | "LEAD" => {
            let distance = match (call.args.len(), literal(1)) {
                (1, _) => 1,
                (_, Some(d)) => d,
                _ => {
                    return Err(Error::unsupported(format!(
                        "{} with an offset that is not a constant",
                        call.function
                    )));
                }
            };
            shifted(call, part, if call.function == "LAG" { -distance } else { distance })
        }
        other => Err(Error::internal(format!("{other} is not a function of the place"))),
    }
}

/// Bucket of row `i` of `n`: the first buckets hold one row more where it does not divide.
fn tile(i: usize, n: usize, tiles: usize) -> i64 {
    let (small, larger) = (n / tiles, n % tiles);
    let border = larger * (small + 1);
    let bucket = if i < border { i / (small + 1) } else { larger + (i - border) / small.max(1) };
    bucket as i64 + 1
}

/// The value of the row at a distance, or the default of the row itself.
fn shifted(call: &AggregateCall, part: &ChangeBatch, distance: i64) -> Result<ArrayRef> {
    let n = part.len();
    let values = part.column(call.args[0]);
    let default = call.args.get(2).map(|&d| part.column(d));
    let target = |i: usize| {
        let at = i as i64 + distance;
        (0..n as i64).contains(&at).then_some(at as usize)
    };
    let Some(default) = default else {
        let indices: UInt32Array = (0..n).map(|i| target(i).map(|t| t as u32)).collect();
        return Ok(compute::take(values, &indices, None)?);
    };
    let picks: Vec<(usize, usize)> = (0..n).map(|i| target(i).map_or((1, i), |t| (0, t))).collect();
    Ok(compute::interleave(&[values.as_ref(), default.as_ref()], &picks)?)
}

impl Operator for OverWhole {
    fn push(&mut self, _: usize, batch: ChangeBatch, _: &mut Out) -> Result<Step> {
        if !batch.is_empty() {
            self.kept.push(batch);
        }
        Ok(Step::Done)
    }

    fn watermark(&mut self, mark: Mark, _: &mut Out) -> Result<Step> {
        self.held_mark = Some(mark);
        Ok(Step::Done)
    }

    fn finish(&mut self, out: &mut Out) -> Result<Step> {
        self.results = self.compute()?.into_iter();
        self.more(out)
    }

    fn more(&mut self, out: &mut Out) -> Result<Step> {
        if let Some(batch) = self.results.next() {
            out.data(batch);
            return Ok(Step::More);
        }
        if let Some(mark) = self.held_mark.take() {
            out.mark(mark);
        }
        Ok(Step::Done)
    }
}
