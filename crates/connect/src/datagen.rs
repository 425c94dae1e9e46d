//! The `datagen` connector: random values and sequences, with Flink's field options.
//!
//! Row n of the table (counted over all subtasks) has the value `start + n` in a
//! sequence. A split is an arithmetic progression of row numbers, so that it can
//! move to another subtask.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use weir_core::config::bad_value;
use weir_core::types::ticks_per_second;
use weir_core::{DataType, Error, Options, Result, Schema, TypeKind};
use weir_spec::SourceSpec;

use crate::api::{ConnectorFactory, Poll, Source, SourceReader};
use crate::assemble::Layout;
use crate::format::FormatColumn;
use crate::format::column::{Column, Data};
use crate::format::projection::Projection;
use crate::options;
use crate::restore::{self, Dealer, Progress};

const OPTIONS: &[&str] = &["rows-per-second", "number-of-rows", "scan.parallelism", "fields.*"];
const MAX_BATCH: u64 = 8192;
const BATCH_BYTES: usize = 1 << 20;

/// Creates `datagen` sources.
pub struct DatagenFactory;

impl ConnectorFactory for DatagenFactory {
    fn identifier(&self) -> &'static str {
        "datagen"
    }

    fn source(&self, spec: &SourceSpec, schema: &Schema) -> Result<Box<dyn Source>> {
        let o = &spec.table.options;
        options::check(o, "datagen", OPTIONS, &[])?;
        let mut fields = FieldOptions { options: o, used: HashSet::new() };
        let mut generators = Vec::new();
        let mut limit = o.i64_opt("number-of-rows")?.map(|n| n.max(0) as u64);
        for f in &spec.table.physical.fields {
            let g = FieldGenerator::new(&format!("fields.{}", f.name), &f.ty, &mut fields)?;
            if let Generator::Sequence { start, end } = &g.generator {
                let rows = (*end as i128 - *start as i128 + 1).max(0);
                let rows = u64::try_from(rows).unwrap_or(u64::MAX);
                limit = Some(limit.map_or(rows, |l| l.min(rows)));
            }
            generators.push(g);
        }
        fields.check_all_used()?;
        let rate = o.i64_opt("rows-per-second")?.unwrap_or(10_000);
        if rate <= 0 {
            return Err(bad_value("rows-per-second", &rate.to_string(), "a number above 0"));
        }
        let layout = Layout::new(spec, schema, &[], &[], "")?;
        let paths = layout
            .read
            .columns
            .iter()
            .map(|c| match c {
                FormatColumn::Path(p) => Ok(p.clone()),
                FormatColumn::Metadata(key) => Err(Error::validation(format!(
                    "connector 'datagen' has no metadata column '{key}'"
                ))),
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Box::new(Datagen {
            projection: Projection::new(&spec.table.physical, &paths, false)?,
            parallelism: options::parallelism(o, "scan.parallelism")?,
            dealer: Arc::default(),
            max_rows: MAX_BATCH,
            generators,
            limit,
            rate: rate as u64,
            layout,
        }))
    }
}

/// The `fields.*` options and which of them took effect.
struct FieldOptions<'a> {
    options: &'a Options,
    used: HashSet<String>,
}

impl FieldOptions<'_> {
    fn text(&mut self, field: &str, option: &str) -> Option<(String, String)> {
        let key = format!("{field}.{option}");
        let value = self.options.get(&key)?.to_owned();
        self.used.insert(key.clone());
        Some((key, value))
    }

    fn parsed<T: std::str::FromStr>(
        &mut self,
        field: &str,
        option: &str,
        expected: &str,
    ) -> Result<Option<T>> {
        self.text(field, option)
            .map(|(key, v)| v.trim().parse().map_err(|_| bad_value(&key, &v, expected)))
            .transpose()
    }

    fn check_all_used(&self) -> Result<()> {
        for (key, _) in self.options.iter().filter(|(k, _)| k.starts_with("fields.")) {
            if !self.used.contains(key) {
                return Err(Error::option(format!(
                    "option '{key}' of connector 'datagen' has no effect"
                ))
                .hint(
                    "options are fields.COLUMN.kind, null-rate; for kind 'random': min, max \
                         (numbers), max-past (timestamps), length, var-len (strings, bytes, \
                         collections); for kind 'sequence': start, end",
                ));
            }
        }
        Ok(())
    }
}

#[derive(Debug, Clone)]
struct FieldGenerator {
    generator: Generator,
    null_rate: f64,
}

#[derive(Debug, Clone)]
enum Generator {
    Sequence { start: i64, end: i64 },
    Boolean,
    Integer(i64, i64),
    Real(f64, f64),
    Decimal(i128, i128),
    Text { length: usize, variable: bool },
    Bytes { length: usize, variable: bool },
    Date,
    Time,
    Timestamp { max_past: i64 },
    Array(Box<FieldGenerator>, usize),
    Map(Box<FieldGenerator>, Box<FieldGenerator>, usize),
    Row(Vec<FieldGenerator>),
}

impl FieldGenerator {
    fn new(field: &str, ty: &DataType, o: &mut FieldOptions<'_>) -> Result<Self> {
        let kind = o.text(field, "kind");
        let sequence = match kind.as_ref().map(|(_, v)| v.as_str()) {
            None | Some("random") => false,
            Some("sequence") => true,
            Some(v) => {
                return Err(bad_value(&format!("{field}.kind"), v, "'random' or 'sequence'"));
            }
        };
        let generator = if sequence {
            let fits = ty.is_numeric() || ty.is_string();
            if !fits {
                return Err(Error::option(format!(
                    "'{field}.kind' = 'sequence' does not fit type {ty}"
                )));
            }
            let mut bound = |name: &str| -> Result<i64> {
                o.parsed(field, name, "an integer")?.ok_or_else(|| {
                    Error::option(format!("missing required option '{field}.{name}'"))
                        .hint("a sequence needs 'start' and 'end'")
                })
            };
            let (start, end) = (bound("start")?, bound("end")?);
            Generator::Sequence { start, end }
        } else {
            Generator::random(field, ty, o)?
        };
        let null_rate: f64 = if sequence {
            0.0
        } else {
            o.parsed(field, "null-rate", "a number from 0 to 1")?.unwrap_or(0.0)
        };
        if !(0.0..=1.0).contains(&null_rate) {
            let key = format!("{field}.null-rate");
            return Err(bad_value(&key, &null_rate.to_string(), "a number from 0 to 1"));
        }
        Ok(Self { generator, null_rate })
    }
}

impl Generator {
    fn random(field: &str, ty: &DataType, o: &mut FieldOptions<'_>) -> Result<Self> {
        let integer = |o: &mut FieldOptions<'_>, low: i64, high: i64| -> Result<Self> {
            let min = o.parsed(field, "min", "an integer")?.unwrap_or(low);
            let max = o.parsed(field, "max", "an integer")?.unwrap_or(high);
            ordered(field, min, max)?;
            if min < low || max > high {
                return Err(Error::option(format!(
                    "'{field}.min' and '{field}.max' must be within {low} and {high}"
                )));
            }
            Ok(Generator::Integer(min, max))
        };
        let real = |o: &mut FieldOptions<'_>, low: f64, high: f64| -> Result<Self> {
            let min = o.parsed(field, "min", "a number")?.unwrap_or(low);
            let max = o.parsed(field, "max", "a number")?.unwrap_or(high);
            ordered(field, min, max)?;
            Ok(Generator::Real(min, max))
        };
        let length = |o: &mut FieldOptions<'_>, default: usize| -> Result<usize> {
            Ok(o.parsed(field, "length", "a length")?.unwrap_or(default))
        };
        let variable = |o: &mut FieldOptions<'_>| -> Result<bool> {
            Ok(o.parsed(field, "var-len", "true or false")?.unwrap_or(false))
        };
        let bounded = |n: u32| if n == weir_core::types::MAX_LENGTH { 100 } else { n as usize };
        Ok(match &ty.kind {
            TypeKind::Boolean => Generator::Boolean,
            TypeKind::TinyInt => integer(o, i8::MIN.into(), i8::MAX.into())?,
            TypeKind::SmallInt => integer(o, i16::MIN.into(), i16::MAX.into())?,
            TypeKind::Int => integer(o, i32::MIN.into(), i32::MAX.into())?,
            TypeKind::BigInt => integer(o, i64::MIN, i64::MAX)?,
            TypeKind::IntervalYearMonth(..) => integer(o, 0, 120_000)?,
            TypeKind::IntervalDayTime(..) => integer(o, 0, i64::MAX)?,
            TypeKind::Float => real(o, f64::from(f32::MIN), f64::from(f32::MAX))?,
            TypeKind::Double => real(o, f64::MIN, f64::MAX)?,
            TypeKind::Decimal(p, s) => {
                let scale = 10f64.powi(i32::from(*s));
                let highest = 10i128.pow(u32::from(*p)) - 1;
                let mut bound = |name: &str, default: i128| -> Result<i128> {
                    let v: Option<f64> = o.parsed(field, name, "a number")?;
                    Ok(v.map_or(default, |v| {
                        ((v * scale).round() as i128).clamp(-highest, highest)
                    }))
                };
                let (min, max) = (bound("min", -highest)?, bound("max", highest)?);
                ordered(field, min, max)?;
                Generator::Decimal(min, max)
            }
            TypeKind::Char(n) => Generator::Text { length: *n as usize, variable: false },
            TypeKind::Varchar(n) => {
                Generator::Text { length: length(o, bounded(*n))?, variable: variable(o)? }
            }
            TypeKind::Binary(n) => Generator::Bytes { length: *n as usize, variable: false },
            TypeKind::Varbinary(n) => {
                Generator::Bytes { length: length(o, bounded(*n))?, variable: variable(o)? }
            }
            TypeKind::Date => Generator::Date,
            TypeKind::Time(_) => Generator::Time,
            TypeKind::Timestamp(..) | TypeKind::TimestampLtz(..) => {
                let past = o.text(field, "max-past");
                let max_past = match past {
                    None => 0,
                    Some((key, v)) => weir_core::config::parse_duration(&v)
                        .ok_or_else(|| bad_value(&key, &v, "a duration such as '10 s'"))?
                        .as_millis() as i64,
                };
                Generator::Timestamp { max_past }
            }
            TypeKind::Array(e) => {
                let element = FieldGenerator::new(&format!("{field}.element"), e, o)?;
                Generator::Array(Box::new(element), length(o, 3)?)
            }
            TypeKind::Multiset(e) => {
                let element = FieldGenerator::new(&format!("{field}.element"), e, o)?;
                let count = FieldGenerator { generator: Generator::Integer(1, 10), null_rate: 0.0 };
                Generator::Map(Box::new(element), Box::new(count), length(o, 3)?)
            }
            TypeKind::Map(k, v) => {
                let key = FieldGenerator::new(&format!("{field}.key"), k, o)?;
                let value = FieldGenerator::new(&format!("{field}.value"), v, o)?;
                Generator::Map(Box::new(key), Box::new(value), length(o, 3)?)
            }
            TypeKind::Row(fields) | TypeKind::Structured(_, fields) => Generator::Row(
                fields
                    .iter()
                    .map(|f| FieldGenerator::new(&format!("{field}.{}", f.name), &f.ty, o))
                    .collect::<Result<_>>()?,
            ),
            _ => {
                return Err(Error::validation(format!(
                    "connector 'datagen' cannot generate type {ty} ({field})"
                )));
            }
        })
    }
}

fn ordered<T: PartialOrd>(field: &str, min: T, max: T) -> Result<()> {
    if min > max {
        return Err(Error::option(format!("'{field}.min' is above '{field}.max'")));
    }
    Ok(())
}

/// The clock of one batch.
struct Now {
    millis: i64,
}

impl FieldGenerator {
    fn push(&self, column: &mut Column, row: u64, rng: &mut SmallRng, now: &Now) {
        if self.null_rate > 0.0 && rng.random::<f64>() < self.null_rate {
            return column.push_null();
        }
        match &self.generator {
            Generator::Sequence { start, .. } => {
                push_number(column, start.wrapping_add(row as i64))
            }
            Generator::Boolean => column.push_bool(rng.random()),
            Generator::Integer(min, max) => column.push_integer(rng.random_range(*min..=*max)),
            Generator::Real(min, max) => {
                // min + u * (max - min) without overflow of the difference.
                let u: f64 = rng.random();
                let v = min * (1.0 - u) + max * u;
                match column.data {
                    Data::F32(_) => column.push_f32(v as f32),
                    _ => column.push_f64(v),
                }
            }
            Generator::Decimal(min, max) => column.push_i128(rng.random_range(*min..=*max)),
            Generator::Text { length, variable } => {
                let length = drawn(*length, *variable, rng);
                let text: String = (0..length)
                    .map(|_| char::from_digit(rng.random_range(0..16), 16).unwrap_or('0'))
                    .collect();
                column.push_str(&text);
            }
            Generator::Bytes { length, variable } => {
                let mut bytes = vec![0u8; drawn(*length, *variable, rng)];
                rng.fill(bytes.as_mut_slice());
                column.push_bytes(&bytes);
            }
            Generator::Date => column.push_i32(now.millis.div_euclid(86_400_000) as i32),
            Generator::Time => column.push_i32(now.millis.rem_euclid(86_400_000) as i32),
            Generator::Timestamp { max_past } => {
                let millis = now.millis - rng.random_range(0..=*max_past);
                let per_second = match column.ty().kind {
                    TypeKind::Timestamp(p, _) | TypeKind::TimestampLtz(p, _) => ticks_per_second(p),
                    _ => 1000,
                };
                column.push_i64(millis * (per_second / 1000));
            }
            Generator::Array(element, length) => {
                if let Data::List { offsets, child } = &mut column.data {
                    (0..*length).for_each(|_| element.push(child, row, rng, now));
                    offsets.push(child.len() as i32);
                }
                column.valid();
            }
            Generator::Map(k, v, length) => {
                if let Data::Map { offsets, key, value } = &mut column.data {
                    for _ in 0..*length {
                        k.push(key, row, rng, now);
                        v.push(value, row, rng, now);
                    }
                    offsets.push(key.len() as i32);
                }
                column.valid();
            }
            Generator::Row(fields) => {
                if let Data::Struct(children) = &mut column.data {
                    for (f, c) in fields.iter().zip(children) {
                        f.push(c, row, rng, now);
                    }
                }
                column.valid();
            }
        }
    }
}

fn drawn(length: usize, variable: bool, rng: &mut SmallRng) -> usize {
    if variable && length > 0 { rng.random_range(1..=length) } else { length }
}

fn push_number(column: &mut Column, v: i64) {
    match &column.data {
        Data::F32(_) => column.push_f32(v as f32),
        Data::F64(_) => column.push_f64(v as f64),
        Data::I128(_) => {
            let scale = match column.ty().kind {
                TypeKind::Decimal(_, s) => s,
                _ => 0,
            };
            column.push_i128(i128::from(v) * 10i128.pow(u32::from(scale)));
        }
        Data::Bytes { .. } => column.push_str(&v.to_string()),
        _ => column.push_integer(v),
    }
}

struct Datagen {
    projection: Projection,
    layout: Layout,
    generators: Vec<FieldGenerator>,
    limit: Option<u64>,
    rate: u64,
    parallelism: Option<usize>,
    dealer: Arc<Dealer<Split>>,
    /// Rows of a batch at most.
    max_rows: u64,
}

impl Source for Datagen {
    fn is_bounded(&self) -> bool {
        self.limit.is_some()
    }

    fn limit_batches(&mut self, rows: usize) {
        self.max_rows = self.max_rows.min(rows as u64);
    }

    fn reader(&self, subtask: usize, parallelism: usize) -> Result<Box<dyn SourceReader>> {
        let active = self.parallelism.unwrap_or(parallelism).min(parallelism).max(1);
        let splits = if subtask < active {
            vec![Split { next: subtask as u64, step: active as u64 }]
        } else {
            Vec::new()
        };
        Ok(Box::new(DatagenReader {
            splits,
            dealer: Arc::clone(&self.dealer),
            subtask,
            parallelism,
            undealt: false,
            limit: self.limit,
            rate: (self.rate / active as u64).max(1),
            generators: self.generators.clone(),
            columns: self.projection.slots.iter().map(|s| Column::new(&s.ty)).collect(),
            projection: self.projection.clone(),
            layout: self.layout.clone(),
            rng: SmallRng::from_os_rng(),
            started: None,
            produced: 0,
            max_rows: self.max_rows,
        }))
    }
}

/// Row numbers `next`, `next + step`, ...
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Split {
    next: u64,
    step: u64,
}

impl Progress for Split {
    type Id = (u64, u64);
    fn id(&self) -> (u64, u64) {
        (self.step, self.next % self.step.max(1))
    }
    fn progress(&self) -> u64 {
        self.next
    }
}

struct DatagenReader {
    splits: Vec<Split>,
    dealer: Arc<Dealer<Split>>,
    subtask: usize,
    parallelism: usize,
    /// Restored splits are not dealt yet.
    undealt: bool,
    limit: Option<u64>,
    rate: u64,
    generators: Vec<FieldGenerator>,
    columns: Vec<Column>,
    projection: Projection,
    layout: Layout,
    rng: SmallRng,
    started: Option<Instant>,
    produced: u64,
    max_rows: u64,
}

impl DatagenReader {
    /// Takes this reader's share of the restored splits; false if it is not known yet.
    fn take_restored(&mut self) -> bool {
        if self.undealt
            && let Some(splits) = self.dealer.deal(self.subtask, self.parallelism)
        {
            self.splits = splits;
            self.undealt = false;
        }
        !self.undealt
    }

    /// Rows that the rate still allows; a second's worth at its beginning.
    fn allowance(&mut self) -> (u64, Duration) {
        let elapsed = self.started.get_or_insert_with(Instant::now).elapsed();
        let allowed = (elapsed.as_secs() + 1).saturating_mul(self.rate);
        let next = Duration::from_nanos(1_000_000_000 - u64::from(elapsed.subsec_nanos()));
        (allowed.saturating_sub(self.produced), next)
    }
}

impl SourceReader for DatagenReader {
    fn poll(&mut self) -> Result<Poll> {
        if !self.take_restored() {
            return Ok(Poll::Pending(Duration::from_millis(2)));
        }
        let limit = self.limit;
        self.splits.retain(|s| limit.is_none_or(|l| s.next < l));
        if self.splits.is_empty() {
            return Ok(Poll::End);
        }
        let (allowed, wait) = self.allowance();
        if allowed == 0 {
            return Ok(Poll::Pending(wait.min(Duration::from_millis(100))));
        }
        let millis =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
        let now = Now { millis };
        // Splits advance together, so that rows come in the order of their numbers.
        let mut rows = 0u64;
        let target = allowed.min(self.max_rows);
        let mut wide = 0usize;
        'batch: while !self.splits.is_empty() {
            for split in &mut self.splits {
                if rows == target || (rows.is_multiple_of(64) && wide > BATCH_BYTES) {
                    break 'batch;
                }
                for (slot, column) in self.projection.slots.iter().zip(&mut self.columns) {
                    self.generators[slot.path[0]].push(column, split.next, &mut self.rng, &now);
                }
                split.next += split.step;
                rows += 1;
            }
            wide = self.columns.iter().map(byte_length).sum();
            self.splits.retain(|s| limit.is_none_or(|l| s.next < l));
        }
        self.produced += rows;
        let slots = self.columns.iter_mut().map(Column::finish).collect::<Result<Vec<_>>>()?;
        let outputs = self.projection.outputs(&slots)?;
        Ok(Poll::Batch(self.layout.batch(&outputs, &[], rows as usize, None)?))
    }

    fn position(&mut self) -> Result<Vec<Vec<u8>>> {
        // A reader that names splits of others would bring back those that they have finished.
        self.take_restored();
        restore::encode(self.splits.iter())
    }

    fn restore(&mut self, splits: Vec<Vec<u8>>) -> Result<()> {
        self.splits = self.dealer.hand_in(self.subtask, &splits)?;
        self.undealt = true;
        Ok(())
    }
}

fn byte_length(column: &Column) -> usize {
    match &column.data {
        Data::Bytes { bytes, .. } => bytes.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::AsArray;
    use arrow::datatypes::{Int32Type, Int64Type};
    use weir_core::{ChangeBatch, Field};
    use weir_spec::{ReadColumn, TableSpec};

    fn spec(options: &[(&str, &str)]) -> (SourceSpec, Schema) {
        let schema = Schema::new(vec![
            Field::new("id", DataType::bigint()),
            Field::new("b", DataType::int()),
            Field::new("s", DataType::string()),
        ]);
        let table = TableSpec {
            identifier: "c.d.g".into(),
            physical: schema.clone(),
            primary_key: vec![],
            partition_keys: vec![],
            options: options.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
        };
        let columns = (0..3).map(|i| ReadColumn::Physical { path: vec![i] }).collect();
        (SourceSpec { table, columns, filter: None, limit: None, batch: false }, schema)
    }

    fn all(r: &mut dyn SourceReader) -> Vec<ChangeBatch> {
        let mut out = Vec::new();
        loop {
            match r.poll().unwrap() {
                Poll::Batch(b) => out.push(b),
                Poll::End => return out,
                Poll::Pending(d) => std::thread::sleep(d),
            }
        }
    }

    #[test]
    fn sequences_over_subtasks_and_restore() {
        let (spec, schema) = spec(&[
            ("connector", "datagen"),
            ("number-of-rows", "20"),
            ("fields.id.kind", "sequence"),
            ("fields.id.start", "1"),
            ("fields.id.end", "30"),
            ("fields.b.min", "5"),
            ("fields.b.max", "6"),
            ("fields.s.length", "4"),
        ]);
        let source = DatagenFactory.source(&spec, &schema).unwrap();
        assert!(source.is_bounded());
        let mut ids = Vec::new();
        for subtask in 0..3 {
            for b in all(&mut *source.reader(subtask, 3).unwrap()) {
                ids.extend_from_slice(b.column(0).as_primitive::<Int64Type>().values());
                assert!(
                    b.column(1)
                        .as_primitive::<Int32Type>()
                        .values()
                        .iter()
                        .all(|v| (5..=6).contains(v))
                );
                assert_eq!(b.column(2).as_string::<i32>().value(0).len(), 4);
            }
        }
        ids.sort_unstable();
        assert_eq!(ids, (1..=20).collect::<Vec<_>>());

        let mut positions = source.reader(0, 2).unwrap().position().unwrap();
        positions.extend(source.reader(1, 2).unwrap().position().unwrap());
        let mut one = source.reader(0, 1).unwrap();
        one.restore(positions).unwrap();
        let rows: usize = all(&mut *one).iter().map(ChangeBatch::len).sum();
        assert_eq!(rows, 20);
    }

    #[test]
    fn a_finished_split_does_not_come_back_through_a_reader_that_has_not_begun() {
        let (spec, schema) = spec(&[
            ("connector", "datagen"),
            ("number-of-rows", "4"),
            ("fields.id.kind", "sequence"),
            ("fields.id.start", "1"),
            ("fields.id.end", "4"),
        ]);
        let source = DatagenFactory.source(&spec, &schema).unwrap();
        let positions = [0, 1].map(|i| source.reader(i, 2).unwrap().position().unwrap()).concat();
        let source = DatagenFactory.source(&spec, &schema).unwrap();
        let mut readers = [0, 1].map(|i| source.reader(i, 2).unwrap());
        readers.iter_mut().for_each(|r| r.restore(positions.clone()).unwrap());
        let first = all(readers[0].as_mut());
        let left = [readers[0].position().unwrap(), readers[1].position().unwrap()].concat();
        let source = DatagenFactory.source(&spec, &schema).unwrap();
        let mut one = source.reader(0, 1).unwrap();
        one.restore(left).unwrap();
        let rest = all(one.as_mut());
        let rows = |b: &[ChangeBatch]| b.iter().map(ChangeBatch::len).sum::<usize>();
        assert_eq!((rows(&first), rows(&rest)), (2, 2));
    }

    #[test]
    fn options_without_effect_are_refused() {
        for (key, value) in [
            ("fields.x.min", "1"),
            ("fields.s.min", "1"),
            ("fields.b.kind", "fancy"),
            ("fields.b.min", "z"),
            ("rows-per-sec", "1"),
            ("fields.b.null-rate", "2"),
        ] {
            let (spec, schema) = spec(&[("connector", "datagen"), (key, value)]);
            let e = DatagenFactory.source(&spec, &schema).err().unwrap();
            assert!(e.message().contains(key), "{e}");
        }
    }
}
