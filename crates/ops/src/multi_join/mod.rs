//! Multi-way join: a chain of inner and left joins over a common key in one operator.
//!
//! Each input keeps its rows by the common key; the results between the joins are kept
//! nowhere. A change of one input is taken through the inputs in the order of the chain,
//! level by level: at each level the rows of that input under the key are tried (at the
//! level of the changed input the row itself), and where a left join finds none the tuple
//! goes on without. This yields just the results that the change adds or takes away,
//! because no other input changes meanwhile; only where the changed input is the right side
//! of a left join, a row that is the first or the last partner of a tuple also takes back,
//! or gives back, the tuple without partner.
//!
//! Tuples of a level are handled in chunks ([`tuples::Frame`]), so that a key with many
//! rows takes neither more memory nor more than one batch of output at a time.
//!
//! Rows with a NULL in the key match nothing. They are not kept, and have results only
//! where they come from the first input.

mod tuples;

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, UInt32Array};
use arrow::compute;
use arrow::datatypes::SchemaRef;
use weir_core::batch::TARGET_ROWS;
use weir_core::keys::EncodedKeys;
use weir_core::{ChangeBatch, Result, Schema};
use weir_functions::{EvalContext, Expr};
use weir_runtime::{Barrier, Operator, Out, Seal, Step, TaskContext, now_ms};
use weir_spec::{ChangelogMode, MultiJoinSpec};
use weir_state::{EncodedRows, KeyedTable, PieceSink, RowCodec};

use self::tuples::{Candidate, Frame, NONE, Tuples};
use crate::bucket::{Bucket, drop_empty};
use crate::program::Predicate;
use crate::util::*;

/// A predicate over the columns of some of the inputs.
struct Condition {
    predicate: Predicate,
    inputs: Vec<usize>,
    schema: SchemaRef,
}

impl Condition {
    /// `expr` counts the columns of all inputs.
    fn new(expr: &Expr, schemas: &[Schema]) -> Result<Self> {
        let mut used = Vec::new();
        expr.collect_columns(&mut used);
        let (mut inputs, mut fields) = (Vec::new(), Vec::new());
        let (mut at, mut place) = (0, Vec::new());
        for (i, schema) in schemas.iter().enumerate() {
            let uses = used.iter().any(|&c| (at..at + schema.len()).contains(&c));
            for (c, _) in schema.fields.iter().enumerate() {
                place.push(if uses { fields.len() + c } else { usize::MAX });
            }
            if uses {
                inputs.push(i);
                fields.extend(schema.fields.iter().map(|f| {
                    let mut field = f.clone();
                    field.ty = field.ty.null();
                    field
                }));
            }
            at += schema.len();
        }
        let expr = expr.clone().map_columns(&mut |i, ty| Expr::column(place[i], ty));
        let schema = Schema::new(fields).to_arrow();
        Ok(Self { predicate: Predicate::new(&expr)?, inputs, schema })
    }
}

struct Input {
    keys: Vec<usize>,
    left: bool,
    condition: Option<Condition>,
    insert_only: bool,
    codec: RowCodec,
    table: KeyedTable<Vec<Bucket>>,
}

/// A batch being processed.
struct Current {
    input: usize,
    batch: ChangeBatch,
    keys: EncodedKeys,
    rows: EncodedRows,
    own: Vec<u32>,
    /// By input and row: the slot of the key (none for the input itself).
    slots: Vec<Vec<Option<u32>>>,
    null_key: Vec<bool>,
    /// By row: its input has other rows of the key.
    others: Vec<bool>,
    /// Rows that are in state only when the frames are done.
    unkept: Vec<usize>,
    /// First row that was not begun.
    at: usize,
    frames: Vec<Frame>,
}

/// See the module.
pub struct MultiJoin {
    inputs: Vec<Input>,
    /// Outer joins speak of inserts and deletes only.
    any_left: bool,
    schema: SchemaRef,
    current: Option<Current>,
    context: EvalContext,
    expires: bool,
}

impl MultiJoin {
    /// Builds the operator. `ttl`: milliseconds that state is kept where no hint says it.
    pub fn new(
        spec: &MultiJoinSpec,
        schemas: &[Schema],
        modes: &[ChangelogMode],
        output: &Schema,
        context: EvalContext,
        ttl: i64,
        max_parallelism: u32,
    ) -> Result<Self> {
        let input = |(i, input): (usize, &weir_spec::MultiJoinInput)| {
            let ttl = input.state_ttl.unwrap_or(ttl);
            let spec = spilling_spec(&state_name(i), ttl, max_parallelism);
            let condition = input.condition.as_ref();
            Ok(Input {
                keys: input.keys.clone(),
                left: input.left,
                condition: condition.map(|c| Condition::new(c, &schemas[..=i])).transpose()?,
                insert_only: modes[i].is_insert_only(),
                codec: RowCodec::new(&schemas[i]),
                table: KeyedTable::new(spec, Vec::new()),
            })
        };
        Ok(Self {
            inputs: spec.inputs.iter().enumerate().map(input).collect::<Result<_>>()?,
            any_left: spec.inputs.iter().any(|i| i.left),
            schema: output.to_arrow(),
            current: None,
            context,
            expires: spec.inputs.iter().any(|i| i.state_ttl.unwrap_or(ttl) > 0),
        })
    }

    fn start(&mut self, input: usize, batch: ChangeBatch) -> Result<Current> {
        let now = if self.expires { now_ms() } else { 0 };
        let key_columns = columns(&batch, &self.inputs[input].keys);
        let keys = EncodedKeys::encode(&key_columns, batch.len())?;
        let mut null_key = vec![false; batch.len()];
        for nulls in key_columns.iter().filter_map(|c| c.logical_nulls()) {
            null_key.iter_mut().enumerate().for_each(|(i, n)| *n |= nulls.is_null(i));
        }
        let rows = self.inputs[input].codec.encode(batch.rows.columns(), batch.len());
        let mut own = Vec::new();
        self.inputs[input].table.hydrate(&keys, now, &mut own)?;
        let mut slots = Vec::with_capacity(self.inputs.len());
        for (i, other) in self.inputs.iter_mut().enumerate() {
            if i == input {
                slots.push(Vec::new());
                continue;
            }
            other.table.fetch(&keys)?;
            let slot = |row| {
                let find = || other.table.peek(keys.hash(row), keys.key(row), now);
                if null_key[row] { None } else { find() }
            };
            slots.push((0..batch.len()).map(slot).collect());
        }
        let (others, unkept) = (vec![false; batch.len()], Vec::new());
        let frames = Vec::new();
        Ok(Current {
            input,
            batch,
            keys,
            rows,
            own,
            slots,
            null_key,
            others,
            unkept,
            at: 0,
            frames,
        })
    }

    /// Begins the rows whose tuples can be looked at together; false when there are none.
    fn next_stretch(&mut self, c: &mut Current) -> bool {
        for row in std::mem::take(&mut c.unkept) {
            self.keep(c, row);
        }
        let input = &self.inputs[c.input];
        // A left join with a condition asks which of its own rows are partners, so a row
        // must not be there before its turn.
        let one_by_one = input.left && input.condition.is_some();
        let (first, mut seen) = (c.at, HashSet::new());
        while c.at < c.batch.len() && (!one_by_one || seen.insert(c.own[c.at])) {
            let (row, minus) = (c.at, is_minus(c.batch.kind(c.at) as u8));
            c.at += 1;
            if minus {
                self.keep(c, row);
            }
            c.others[row] = !self.own_rows(c, row as u32).is_empty();
            match (minus, one_by_one) {
                (true, _) => {}
                (false, true) => c.unkept.push(row),
                (false, false) => self.keep(c, row),
            }
        }
        let rows: Vec<u32> = (first..c.at)
            .filter(|&row| c.input == 0 || !c.null_key[row])
            .map(|row| row as u32)
            .collect();
        let kinds = rows.iter().map(|&row| self.kind(c.batch.kind(row as usize) as u8)).collect();
        c.frames.push(Frame::new(Tuples::start(rows, kinds)));
        first < c.at
    }

    fn kind(&self, kind: u8) -> u8 {
        match (self.any_left, is_minus(kind)) {
            (false, _) => kind,
            (true, true) => MINUS_D,
            (true, false) => PLUS_I,
        }
    }

    fn own_rows(&self, c: &Current, row: u32) -> &Bucket {
        &self.inputs[c.input].table.store[c.own[row as usize] as usize]
    }

    /// Applies a row to the state of its input.
    fn keep(&mut self, c: &Current, row: usize) {
        if c.null_key[row] {
            return;
        }
        let input = &mut self.inputs[c.input];
        let bucket = &mut input.table.store[c.own[row] as usize];
        let bytes = c.rows.row(row);
        if !is_minus(c.batch.kind(row) as u8) {
            bucket.push(bytes, &[], 0, !input.insert_only);
        } else if let Some(at) = bucket.find(bytes) {
            bucket.remove(at);
        }
    }

    /// How many rows of an input a row of the batch can meet.
    fn partners(&self, c: &Current, input: usize, row: u32) -> u32 {
        if input == c.input {
            return 1;
        }
        let table = &self.inputs[input].table;
        c.slots[input][row as usize].map_or(0, |s| table.store[s as usize].rows().len() as u32)
    }

    /// Takes a chunk of the topmost frame one level up.
    fn climb(&self, c: &mut Current, mut frame: Frame) -> Result<()> {
        let level = frame.tuples.level();
        let chunk = frame.chunk(TARGET_ROWS, |row| self.partners(c, level, row));
        let own = level == c.input;
        let candidates: Vec<Candidate> = if own {
            let row = |&(t, _): &Candidate| (t, frame.tuples.rows[t as usize]);
            chunk.candidates.iter().map(row).collect()
        } else {
            chunk.candidates
        };
        let mask = self.passing(c, &frame.tuples, &candidates, false)?;
        let passes = |i: usize| mask.as_ref().is_none_or(|m| m.value(i));
        let alone = if own && self.inputs[level].left {
            let passed = (0..candidates.len()).filter(|&i| passes(i)).map(|i| candidates[i].0);
            self.without_others(c, &frame.tuples, passed.collect())?
        } else {
            HashSet::new()
        };
        let mut above = frame.tuples.above();
        let mut next = 0;
        let mut matched = chunk.matched;
        for tuple in chunk.first..frame.tuples.len().min(chunk.end + 1) {
            let kind = frame.tuples.kinds[tuple];
            while candidates.get(next).is_some_and(|k| k.0 as usize == tuple) {
                if passes(next) {
                    matched = true;
                    let turns = alone.contains(&(tuple as u32));
                    if turns && !is_minus(kind) {
                        above.push(&frame.tuples, tuple, NONE, MINUS_D);
                    }
                    above.push(&frame.tuples, tuple, candidates[next].1, kind);
                    if turns && is_minus(kind) {
                        above.push(&frame.tuples, tuple, NONE, PLUS_I);
                    }
                }
                next += 1;
            }
            if tuple >= chunk.end {
                break;
            }
            if !matched && !own && self.inputs[level].left {
                above.push(&frame.tuples, tuple, NONE, kind);
            }
            matched = false;
        }
        frame.set_matched(matched);
        if !frame.done() {
            c.frames.push(frame);
        }
        if above.len() > 0 {
            c.frames.push(Frame::new(above));
        }
        Ok(())
    }

    /// Which candidates at the level of the tuples pass its condition. `kept`: those of the
    /// changed input are rows of its state, not of the batch.
    fn passing(
        &self,
        c: &Current,
        tuples: &Tuples,
        candidates: &[Candidate],
        kept: bool,
    ) -> Result<Option<BooleanArray>> {
        let level = tuples.level();
        let Some(condition) = &self.inputs[level].condition else { return Ok(None) };
        let mut columns = Vec::new();
        for &input in &condition.inputs {
            let place = |&(t, pick): &Candidate| {
                let t = t as usize;
                let pick = if input == level { pick } else { tuples.picks[input][t] };
                (tuples.rows[t], pick)
            };
            columns.extend(self.part(c, input, kept, candidates.iter().map(place))?);
        }
        let schema = Arc::clone(&condition.schema);
        let rows = ChangeBatch::from_columns(schema, columns, candidates.len(), None)?;
        Ok(Some(condition.predicate.eval(&rows.rows, &self.context)?))
    }

    /// Those of some tuples that meet no other row of the changed input.
    fn without_others(&self, c: &Current, tuples: &Tuples, some: Vec<u32>) -> Result<HashSet<u32>> {
        if self.inputs[c.input].condition.is_none() {
            let alone = |t: &u32| !c.others[tuples.rows[*t as usize] as usize];
            return Ok(some.into_iter().filter(alone).collect());
        }
        let mut alone: HashSet<u32> = some.iter().copied().collect();
        let mut pairs = some.iter().flat_map(|&t| {
            let n = self.own_rows(c, tuples.rows[t as usize]).rows().len() as u32;
            (0..n).map(move |p| (t, p))
        });
        loop {
            let chunk: Vec<Candidate> = pairs.by_ref().take(TARGET_ROWS).collect();
            if chunk.is_empty() {
                return Ok(alone);
            }
            if let Some(mask) = self.passing(c, tuples, &chunk, true)? {
                for (i, pair) in chunk.iter().enumerate() {
                    if mask.value(i) {
                        alone.remove(&pair.0);
                    }
                }
            }
        }
    }

    /// Columns of one input for rows of the batch and places.
    fn part(
        &self,
        c: &Current,
        input: usize,
        kept: bool,
        places: impl ExactSizeIterator<Item = (u32, u32)>,
    ) -> Result<Vec<ArrayRef>> {
        let side = &self.inputs[input];
        if input == c.input && !kept {
            let rows: UInt32Array =
                places.map(|(_, pick)| (pick != NONE).then_some(pick)).collect();
            return take_all(c.batch.rows.columns(), &rows);
        }
        let slots = |row: u32| {
            if input == c.input { Some(c.own[row as usize]) } else { c.slots[input][row as usize] }
        };
        let mut decoder = side.codec.decoder(places.len());
        for (row, pick) in places {
            match slots(row).filter(|_| pick != NONE) {
                Some(slot) => {
                    let rows = side.table.store[slot as usize].rows();
                    decoder.push(&rows[pick as usize].row)?;
                }
                None => decoder.push_null(),
            }
        }
        decoder.finish()
    }

    fn emit(&self, c: &Current, done: &Tuples, out: &mut Out) -> Result<()> {
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        for (input, picks) in done.picks.iter().enumerate() {
            let places = done.rows.iter().copied().zip(picks.iter().copied());
            columns.extend(self.part(c, input, false, places)?);
        }
        for (column, field) in columns.iter_mut().zip(self.schema.fields()) {
            if column.data_type() != field.data_type() {
                *column = compute::cast(column, field.data_type())?;
            }
        }
        out.data(batch_of(&self.schema, columns, done.kinds.clone())?);
        Ok(())
    }

    /// Works until there is one batch of output; false when the rows are done.
    fn advance(&mut self, c: &mut Current, out: &mut Out) -> Result<bool> {
        loop {
            match c.frames.pop() {
                None if !self.next_stretch(c) => return Ok(false),
                None => {}
                Some(frame) if frame.tuples.level() == self.inputs.len() => {
                    self.emit(c, &frame.tuples, out)?;
                    return Ok(true);
                }
                Some(frame) if frame.done() => {}
                Some(frame) => self.climb(c, frame)?,
            }
        }
    }
}

/// What the table of an input is called.
pub fn state_name(input: usize) -> String {
    format!("input{input}")
}

impl Operator for MultiJoin {
    fn push(&mut self, input: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        self.current = Some(self.start(input, batch)?);
        self.more(out)
    }

    fn more(&mut self, out: &mut Out) -> Result<Step> {
        let Some(mut c) = self.current.take() else { return Ok(Step::Done) };
        if self.advance(&mut c, out)? {
            self.current = Some(c);
            return Ok(Step::More);
        }
        drop_empty(&mut self.inputs[c.input].table, &c.keys, &c.own);
        Ok(Step::Done)
    }

    fn seal_ahead(&mut self, sink: &Arc<dyn PieceSink>) {
        for (number, input) in self.inputs.iter_mut().enumerate() {
            seal_ahead(&mut input.table, number, sink);
        }
    }

    fn barrier(&mut self, barrier: &Barrier, seal: &mut Seal) -> Result<()> {
        self.inputs.iter_mut().try_for_each(|i| seal_table(&mut i.table, barrier, seal))
    }

    fn restore(&mut self, seal: &Seal, context: &TaskContext) -> Result<()> {
        self.inputs.iter_mut().try_for_each(|i| restore_table(&mut i.table, seal, context))
    }

    fn wants_full_batches(&self) -> bool {
        true
    }
}
