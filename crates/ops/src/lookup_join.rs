//! Processing-time lookup join: every left row meets the rows that the table holds when
//! it arrives. Nothing of the table is state; rows that wait for another attempt are.
//!
//! A row that waits does not hold up those behind it, except rows of its own key. The
//! watermark waits with it.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::datatypes::SchemaRef;
use weir_core::batch::TARGET_ROWS;
use weir_core::keys::EncodedKeys;
use weir_core::{ChangeBatch, Result, Schema};
use weir_functions::EvalContext;
use weir_runtime::{Barrier, Mark, Operator, Out, Seal, Step, TaskContext, now_ms};
use weir_spec::{JoinKind, LookupRetry, LookupSpec};
use weir_state::bytes::{put_bytes, put_i64, put_varint};
use weir_state::{KeyedTable, Reader, RowCodec, StateValue};

use crate::lookup_table::{Snapshot, Table};
use crate::program::Predicate;
use crate::util::*;

/// A row that waits: attempts made, kind, bytes.
#[derive(Debug)]
struct Probe {
    attempts: u32,
    kind: u8,
    row: Box<[u8]>,
}

/// Rows of one key that wait, until when.
#[derive(Debug, Default)]
struct Waiting {
    due: i64,
    probes: Vec<Probe>,
}

impl StateValue for Waiting {
    fn write(&self, out: &mut Vec<u8>) {
        put_i64(out, self.due);
        put_varint(out, self.probes.len() as u64);
        for p in &self.probes {
            put_varint(out, u64::from(p.attempts));
            out.push(p.kind);
            put_bytes(out, &p.row);
        }
    }
    fn read(input: &mut Reader<'_>) -> Result<Self> {
        let mut waiting = Waiting { due: input.i64()?, probes: Vec::new() };
        for _ in 0..input.varint()? {
            let (attempts, kind) = (input.varint()? as u32, input.u8()?);
            waiting.probes.push(Probe { attempts, kind, row: input.bytes()?.into() });
        }
        Ok(waiting)
    }
}

/// Keys that the rows of a batch ask for; None where one is NULL.
type Asks<'k> = Vec<Option<&'k [u8]>>;

/// Misses that are tried again.
struct Retry {
    rule: LookupRetry,
    codec: RowCodec,
    table: KeyedTable<Vec<Waiting>>,
    /// (due, slot) of all keys with waiting rows.
    timers: BTreeSet<(i64, u32)>,
    /// The watermark that waits with the rows.
    held: Option<Mark>,
}

/// Joined rows that are being handed out: pairs of a left row and a table row.
struct Pending {
    left: ChangeBatch,
    right: Arc<Snapshot>,
    pairs: Vec<(u32, Option<u32>)>,
    at: usize,
}

/// See the module.
pub struct LookupJoin {
    keys: Vec<usize>,
    null_safe: Vec<bool>,
    outer: bool,
    condition: Option<Predicate>,
    joined: SchemaRef,
    output: SchemaRef,
    left_schema: SchemaRef,
    context: EvalContext,
    table: Table,
    pending: Vec<Pending>,
    retry: Option<Retry>,
    /// The columns of the table come first.
    table_first: bool,
    /// No more input comes.
    finishing: bool,
}

impl LookupJoin {
    /// Builds the operator.
    pub(crate) fn new(
        spec: &LookupSpec,
        table: Table,
        input: &Schema,
        output: &Schema,
        context: EvalContext,
        max_parallelism: u32,
    ) -> Result<Self> {
        let mut fields = input.fields.clone();
        fields.extend(spec.columns.fields.iter().cloned());
        let retry = spec.hint.retry.map(|rule| Retry {
            rule,
            codec: RowCodec::new(input),
            table: KeyedTable::new(table_spec("waiting", 0, max_parallelism), Vec::new()),
            timers: BTreeSet::new(),
            held: None,
        });
        Ok(Self {
            keys: spec.join.left_keys.clone(),
            null_safe: spec.join.null_safe.clone(),
            outer: spec.join.kind == JoinKind::Left,
            condition: spec.join.condition.as_ref().map(Predicate::new).transpose()?,
            joined: Schema::new(fields).to_arrow(),
            output: output.to_arrow(),
            left_schema: input.to_arrow(),
            context,
            table,
            pending: Vec::new(),
            retry,
            table_first: false,
            finishing: false,
        })
    }

    /// The same join with the columns of the table before those of the row.
    pub(crate) fn table_first(self) -> Self {
        Self { table_first: true, ..self }
    }

    /// The key of each row of a batch that looks up.
    pub(crate) fn keys_of(&self, batch: &ChangeBatch) -> Result<EncodedKeys> {
        EncodedKeys::encode(&columns(batch, &self.keys), batch.len())
    }

    /// Rows whose keys are known.
    pub(crate) fn push_keyed(
        &mut self,
        batch: ChangeBatch,
        keys: &EncodedKeys,
        out: &mut Out,
    ) -> Result<Step> {
        let (snapshot, asks) = self.look_up(&batch, keys, false)?;
        let skip = self.set_aside(&batch, &snapshot, &asks)?;
        self.join(batch, snapshot, &asks, &skip)?;
        self.emit(out)
    }

    /// Rows of the table under these keys have changed.
    pub(crate) fn forget(&mut self, keys: &EncodedKeys) {
        self.table.forget(keys);
    }

    /// The rows of the table for every row of a batch; None for keys that are NULL.
    fn look_up<'k>(
        &mut self,
        batch: &ChangeBatch,
        keys: &'k EncodedKeys,
        again: bool,
    ) -> Result<(Arc<Snapshot>, Asks<'k>)> {
        let key_columns = columns(batch, &self.keys);
        let snapshot = self.table.find(keys, &key_columns, again)?;
        let asks = (0..batch.len())
            .map(|i| {
                let null =
                    key_columns.iter().zip(&self.null_safe).any(|(c, safe)| !safe && c.is_null(i));
                (!null).then(|| keys.key(i))
            })
            .collect();
        Ok((snapshot, asks))
    }

    /// Joins rows; a row without a partner stays alone in a left join.
    fn join(
        &mut self,
        left: ChangeBatch,
        right: Arc<Snapshot>,
        asks: &[Option<&[u8]>],
        skip: &[bool],
    ) -> Result<()> {
        let mut candidates: Vec<(u32, u32)> = Vec::new();
        for (i, key) in asks.iter().enumerate() {
            if let Some(key) = key.filter(|_| !skip[i]) {
                candidates.extend(right.get(key).iter().map(|&r| (i as u32, r)));
            }
        }
        let passed = self.passing(&left, &right, &candidates)?;
        let mut hits =
            candidates.iter().zip(passed).filter(|(_, p)| *p).map(|(c, _)| *c).peekable();
        let mut pairs = Vec::with_capacity(left.len());
        for i in (0..left.len()).filter(|&i| !skip[i]) {
            let mut alone = true;
            while let Some((_, r)) = hits.next_if(|(l, _)| *l == i as u32) {
                pairs.push((i as u32, Some(r)));
                alone = false;
            }
            if alone && self.outer {
                pairs.push((i as u32, None));
            }
        }
        if !pairs.is_empty() {
            self.pending.push(Pending { left, right, pairs, at: 0 });
        }
        Ok(())
    }

    fn passing(
        &self,
        left: &ChangeBatch,
        right: &Snapshot,
        candidates: &[(u32, u32)],
    ) -> Result<Vec<bool>> {
        let Some(condition) = &self.condition else { return Ok(vec![true; candidates.len()]) };
        let mut passed = Vec::with_capacity(candidates.len());
        for chunk in candidates.chunks(TARGET_ROWS) {
            let l = UInt32Array::from_iter_values(chunk.iter().map(|c| c.0));
            let r = UInt32Array::from_iter_values(chunk.iter().map(|c| c.1));
            let mut all = take_all(left.rows.columns(), &l)?;
            all.extend(take_all(right.rows.columns(), &r)?);
            let rows = RecordBatch::try_new(Arc::clone(&self.joined), all)?;
            let mask = condition.eval(&rows, &self.context)?;
            passed.extend((0..chunk.len()).map(|i| mask.is_valid(i) && mask.value(i)));
        }
        Ok(passed)
    }

    /// Hands out joined rows, as many as one call may.
    fn emit(&mut self, out: &mut Out) -> Result<Step> {
        let mut left = TARGET_ROWS;
        while let Some(p) = self.pending.first_mut() {
            let chunk = &p.pairs[p.at..p.pairs.len().min(p.at + left)];
            let l = UInt32Array::from_iter_values(chunk.iter().map(|c| c.0));
            let r: UInt32Array = chunk.iter().map(|c| c.1).collect();
            let mut all: Vec<ArrayRef> = take_all(p.left.rows.columns(), &l)?;
            all.extend(take_all(p.right.rows.columns(), &r)?);
            if self.table_first {
                all.rotate_left(p.left.rows.num_columns());
            }
            all.truncate(self.output.fields().len());
            let kinds = chunk.iter().map(|c| p.left.kind(c.0 as usize) as u8).collect();
            out.data(batch_of(&self.output, all, kinds)?);
            p.at += chunk.len();
            left -= chunk.len();
            if p.at == p.pairs.len() {
                self.pending.remove(0);
            }
            if left == 0 && !self.pending.is_empty() {
                return Ok(Step::More);
            }
        }
        if let Some(retry) = &mut self.retry
            && retry.timers.is_empty()
            && let Some(mark) = retry.held.take()
        {
            out.mark(mark);
        }
        Ok(Step::Done)
    }

    /// Lets rows without a partner wait, and those whose key waits already.
    fn set_aside(
        &mut self,
        batch: &ChangeBatch,
        right: &Snapshot,
        asks: &[Option<&[u8]>],
    ) -> Result<Vec<bool>> {
        let mut skip = vec![false; batch.len()];
        let Some(retry) = &mut self.retry else { return Ok(skip) };
        let mut encoded = None;
        for (i, key) in asks.iter().enumerate() {
            let Some(key) = key else { continue };
            let hash = weir_core::keys::hash_key(key);
            if retry.table.peek(hash, key, 0).is_none() && !right.get(key).is_empty() {
                continue;
            }
            let rows = encoded
                .get_or_insert_with(|| retry.codec.encode(batch.rows.columns(), batch.len()));
            let slot = retry.table.slot(key, 0)?;
            let waiting = &mut retry.table.store[slot as usize];
            if waiting.probes.is_empty() {
                waiting.due = now_ms() + retry.rule.delay;
                retry.timers.insert((waiting.due, slot));
            }
            let row = rows.row(i).into();
            waiting.probes.push(Probe { attempts: 0, kind: batch.kind(i) as u8, row });
            skip[i] = true;
        }
        Ok(skip)
    }

    /// Looks up again what is due.
    fn try_again(&mut self, now: i64) -> Result<()> {
        let Some(retry) = &mut self.retry else { return Ok(()) };
        let mut probes: Vec<Probe> = Vec::new();
        let mut slots: Vec<u32> = Vec::new();
        while probes.len() < TARGET_ROWS
            && let Some(&(due, slot)) = retry.timers.first()
            && due <= now
        {
            retry.timers.pop_first();
            let waiting = std::mem::take(&mut retry.table.store[slot as usize]);
            slots.extend(std::iter::repeat_n(slot, waiting.probes.len()));
            probes.extend(waiting.probes);
        }
        if probes.is_empty() {
            return Ok(());
        }
        let decoded = retry.codec.decode(probes.iter().map(|p| &*p.row))?;
        let kinds = probes.iter().map(|p| p.kind).collect();
        let batch = batch_of(&self.left_schema, decoded, kinds)?;
        let keys = self.keys_of(&batch)?;
        let (snapshot, asks) = self.look_up(&batch, &keys, true)?;
        let skip = self.wait_on(now, probes, &slots, &snapshot, &asks);
        self.join(batch, snapshot, &asks, &skip)
    }

    /// Rows that miss again wait on, unless this was their last attempt.
    fn wait_on(
        &mut self,
        now: i64,
        probes: Vec<Probe>,
        slots: &[u32],
        right: &Snapshot,
        asks: &[Option<&[u8]>],
    ) -> Vec<bool> {
        let mut skip = vec![false; probes.len()];
        let Some(retry) = &mut self.retry else { return skip };
        for (i, (mut probe, &slot)) in probes.into_iter().zip(slots).enumerate() {
            let hit = asks[i].is_some_and(|key| !right.get(key).is_empty());
            probe.attempts += 1;
            if hit || probe.attempts >= retry.rule.attempts {
                continue;
            }
            skip[i] = true;
            let waiting = &mut retry.table.store[slot as usize];
            waiting.due = now + retry.rule.delay;
            waiting.probes.push(probe);
            retry.timers.insert((waiting.due, slot));
        }
        for &slot in slots {
            match retry.table.store[slot as usize].probes.is_empty() {
                true => retry.table.remove(slot),
                false => retry.table.touch(slot),
            }
        }
        skip
    }
}

impl Operator for LookupJoin {
    fn push(&mut self, _: usize, batch: ChangeBatch, out: &mut Out) -> Result<Step> {
        let keys = self.keys_of(&batch)?;
        self.push_keyed(batch, &keys, out)
    }

    fn more(&mut self, out: &mut Out) -> Result<Step> {
        if self.finishing { self.finish(out) } else { self.emit(out) }
    }

    fn watermark(&mut self, mark: Mark, out: &mut Out) -> Result<Step> {
        match &mut self.retry {
            Some(retry) if !retry.timers.is_empty() => retry.held = Some(mark),
            _ => out.mark(mark),
        }
        Ok(Step::Done)
    }

    fn finish(&mut self, out: &mut Out) -> Result<Step> {
        // No more input: only rows that wait are left.
        self.finishing = true;
        loop {
            if self.emit(out)? == Step::More {
                return Ok(Step::More);
            }
            let first = self.retry.as_ref().and_then(|r| r.timers.first().copied());
            let Some((due, _)) = first else { return Ok(Step::Done) };
            let rest = (due - now_ms()).clamp(0, 1000);
            std::thread::sleep(std::time::Duration::from_millis(rest as u64));
            self.try_again(now_ms())?;
        }
    }

    fn next_timer(&self) -> Option<i64> {
        let retry = self.retry.as_ref().and_then(|r| r.timers.first()).map(|t| t.0);
        [retry, self.table.next_reload()].into_iter().flatten().min()
    }

    fn on_timer(&mut self, now: i64, out: &mut Out) -> Result<Step> {
        self.table.reload()?;
        self.try_again(now)?;
        self.emit(out)
    }

    fn barrier(&mut self, barrier: &Barrier, seal: &mut Seal) -> Result<()> {
        match &mut self.retry {
            Some(retry) => seal_table(&mut retry.table, barrier, seal),
            None => Ok(()),
        }
    }

    fn restore(&mut self, seal: &Seal, context: &TaskContext) -> Result<()> {
        let Some(retry) = &mut self.retry else { return Ok(()) };
        restore_table(&mut retry.table, seal, context)?;
        let live: Vec<u32> = retry.table.live().collect();
        retry.timers = live.iter().map(|&s| (retry.table.store[s as usize].due, s)).collect();
        Ok(())
    }

    fn wants_full_batches(&self) -> bool {
        // Fewer batches are fewer reads where nothing is cached.
        matches!(self.table, Table::Direct(_) | Table::Partial(_))
    }
}
