//! State values as text, for people who look at a checkpoint: the rows or the results of
//! aggregates that a value holds, read by the code that restores it.

use arrow::array::ArrayRef;
use serde::{Deserialize, Serialize};
use weir_core::{Error, Field, Result, Schema};
use weir_functions::{Zone, format_value};
use weir_spec::{AggregateCall, OpSpec};
use weir_state::{Reader, RowCodec, SlotStore, StateValue};

use crate::bucket::Bucket;
use crate::listed::{Held, Listed};
use crate::{first_row, group_aggregate, interval_join, last_row, multi_join, rank, temporal_join};
use crate::{window_aggregate, window_join};

/// What is needed to read an operator's state: part of a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StateSpec {
    /// The operator.
    pub op: OpSpec,
    /// Columns of its inputs.
    pub inputs: Vec<Schema>,
    /// The first input carries -U or -D.
    pub retracts: bool,
}

impl StateSpec {
    /// Whether the state of such an operator can be shown. What can name tables, whose
    /// options may hold secrets, cannot.
    pub fn describes(op: &OpSpec) -> bool {
        use weir_spec::WindowKind::Session;
        match op {
            OpSpec::WindowAggregate { window, attached, .. } => {
                attached.is_some() || !matches!(window.kind, Session { .. })
            }
            OpSpec::GroupAggregate { .. }
            | OpSpec::Join(_)
            | OpSpec::MultiJoin(_)
            | OpSpec::Rank(_)
            | OpSpec::Deduplicate { .. }
            | OpSpec::ChangelogNormalize { .. }
            | OpSpec::IntervalJoin { .. }
            | OpSpec::WindowJoin { .. }
            | OpSpec::WindowRank { .. }
            | OpSpec::TemporalJoin { .. } => true,
            _ => false,
        }
    }

    /// A reader of the values of one of the operator's tables.
    ///
    /// # Errors
    ///
    /// The operator has no such table, or the spec is of another version.
    pub fn reader(&self, table: &str) -> Result<ValueReader> {
        let read: Read = match (&self.op, table) {
            (OpSpec::GroupAggregate { calls, input_retracts, .. }, "groups") => {
                let mut groups = group_aggregate::store(calls, self.input(0)?, *input_retracts)?;
                self.aggregates(calls, move |value| {
                    groups.resize(1);
                    groups.clear(0);
                    groups.read(0, &mut Reader::new(value))?;
                    Ok((groups.counts[0], groups.aggs.finish(&[0])?))
                })?
            }
            (OpSpec::WindowAggregate { calls, .. }, "slices") => {
                let mut groups = window_aggregate::store(calls, self.input(0)?, self.retracts)?;
                self.aggregates(calls, move |value| {
                    groups.resize(1);
                    groups.clear(0);
                    groups.read(0, &mut Reader::new(value))?;
                    Ok((groups.counts[0], groups.aggs.finish(&[0])?))
                })?
            }
            (OpSpec::Join(_), "left") => self.rows::<Bucket>(&[0])?,
            (OpSpec::Join(_), "right") => self.rows::<Bucket>(&[1])?,
            (OpSpec::MultiJoin(spec), table) => {
                let input = (0..spec.inputs.len()).find(|&i| multi_join::state_name(i) == table);
                let missing = || Error::unsupported(format!("showing state '{table}'"));
                self.rows::<Bucket>(&[input.ok_or_else(missing)?])?
            }
            (OpSpec::Rank(_), "rows") => self.rows::<rank::Partition>(&[0])?,
            (OpSpec::WindowRank { .. }, "windows") => self.rows::<rank::Partition>(&[0])?,
            (OpSpec::Deduplicate { rowtime: Some(_), keep_last: false, .. }, "rows") => {
                self.rows::<first_row::First>(&[0])?
            }
            (OpSpec::Deduplicate { .. } | OpSpec::ChangelogNormalize { .. }, "rows") => {
                self.rows::<last_row::Kept>(&[0])?
            }
            (OpSpec::IntervalJoin { .. }, "rows") => self.rows::<interval_join::Both>(&[0, 1])?,
            (OpSpec::WindowJoin { .. }, "windows") => self.rows::<window_join::Both>(&[0, 1])?,
            (OpSpec::TemporalJoin { .. }, "versions") => {
                self.rows::<temporal_join::Key>(&[0, 1])?
            }
            _ => return Err(Error::unsupported(format!("showing state '{table}'"))),
        };
        Ok(ValueReader(read))
    }

    fn input(&self, number: usize) -> Result<&Schema> {
        let missing = || Error::data("the description of an operator lacks an input");
        self.inputs.get(number).ok_or_else(missing)
    }

    /// Values whose rows have the columns of these inputs.
    fn rows<V: StateValue + Listed>(&self, inputs: &[usize]) -> Result<Read> {
        let named = inputs.len() > 1;
        let mut sides = Vec::new();
        for &i in inputs {
            let schema = self.input(i)?;
            sides.push((RowCodec::new(schema), schema.fields.clone()));
        }
        Ok(Box::new(move |value| {
            let value = V::read(&mut Reader::new(value))?;
            let mut parts = Vec::new();
            let mut failed = Ok(());
            value.list(&mut |held| match row_text(&held, &sides, named) {
                Ok(part) => parts.push(part),
                Err(e) => failed = Err(e),
            });
            failed.map(|()| parts.join(", "))
        }))
    }

    fn aggregates(
        &self,
        calls: &[AggregateCall],
        mut results: impl FnMut(&[u8]) -> Result<(i64, Vec<ArrayRef>)> + Send + 'static,
    ) -> Result<Read> {
        let fields = &self.input(0)?.fields;
        let calls = calls.iter().map(|c| Field::new(call_text(c, fields), c.ty.clone()));
        let calls: Vec<Field> = calls.collect();
        Ok(Box::new(move |value| {
            let (count, results) = results(value)?;
            Ok(format!("rows={count}, {}", values_text(&calls, &results)))
        }))
    }
}

type Read = Box<dyn FnMut(&[u8]) -> Result<String> + Send>;

/// Makes text of values of one table.
pub struct ValueReader(Read);

impl ValueReader {
    /// The rows as `{column=value, ...}`, or the results as `call=value, ...`.
    ///
    /// # Errors
    ///
    /// The bytes are not such a value.
    pub fn text(&mut self, value: &[u8]) -> Result<String> {
        (self.0)(value)
    }
}

/// The call as it is written, over named columns.
fn call_text(call: &AggregateCall, fields: &[Field]) -> String {
    let column = |&c: &usize| fields.get(c).map_or("?", |f| f.name.as_str());
    let args: Vec<&str> = call.args.iter().map(column).collect();
    let args = if args.is_empty() { "*".to_owned() } else { args.join(", ") };
    let distinct = if call.distinct { "DISTINCT " } else { "" };
    format!("{}({distinct}{args})", call.function)
}

fn row_text(held: &Held<'_>, sides: &[(RowCodec, Vec<Field>)], named: bool) -> Result<String> {
    let mut text = String::new();
    if named && held.row.is_some() {
        text.push_str(if held.input == 0 { "left " } else { "right " });
    }
    if let Some(row) = held.row {
        let missing = || Error::internal("a row of an input that does not exist");
        let side = if named { held.input } else { 0 };
        let (codec, fields) = sides.get(side).ok_or_else(missing)?;
        text.push_str(&format!("{{{}}}", values_text(fields, &codec.decode([row])?)));
    }
    if let Some(note) = &held.note {
        text.push_str(if text.is_empty() { "" } else { " " });
        text.push_str(note);
    }
    Ok(text)
}

/// `name=value, ...` of the first row.
fn values_text(fields: &[Field], columns: &[ArrayRef]) -> String {
    let shown = |(f, c): (&Field, &ArrayRef)| {
        let value = format_value(c, 0, &f.ty, Zone::UTC);
        format!("{}={}", f.name, value.as_deref().unwrap_or("NULL"))
    };
    fields.iter().zip(columns).map(shown).collect::<Vec<_>>().join(", ")
}
