//! Aggregates that keep values one by one: FIRST_VALUE, LAST_VALUE, LISTAGG,
//! ARRAY_AGG, COLLECT, the JSON aggregates, SINGLE_VALUE.

use arrow::array::{Array, ArrayRef};
use weir_core::value::values_to_array;
use weir_core::{DataType, Error, Result, Value};
use weir_functions::BitmapFold;
use weir_functions::java_map::count_values;
use weir_spec::AggregateCall;
use weir_state::bytes::put_varint;
use weir_state::{Reader, read_value, write_value};

use super::Accumulator;
use super::fold::*;

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    First,
    Last,
    Single,
    /// The first argument of the row whose second is largest (or smallest).
    ArgExtreme {
        max: bool,
    },
    Percentile,
    /// The value this many rows before the last one.
    Lag(usize),
    List,
    Array,
    Multiset,
    JsonObject {
        null: bool,
    },
    JsonArray {
        null: bool,
    },
    /// Of numbers, or of bitmaps.
    Bitmap(Option<BitmapFold>),
}

struct Values {
    what: What,
    ty: DataType,
    types: Vec<DataType>,
    /// Keep NULL arguments.
    nulls: bool,
    /// Only the first (or last) value matters.
    one: bool,
    separator: String,
    /// Of LAG, before there are enough rows.
    default: Value,
    slots: Vec<Vec<Vec<Value>>>,
}

/// Builds the aggregate, or refuses its name.
pub fn build(
    call: &AggregateCall,
    types: &[DataType],
    retracts: bool,
) -> Result<Box<dyn Accumulator>> {
    let literal = |i: usize| call.literals.get(i).and_then(Option::as_ref);
    let name = call.function.as_str();
    let what =
        match name {
            "FIRST_VALUE" | "ANY_VALUE" => What::First,
            "ARG_MAX" => What::ArgExtreme { max: true },
            "ARG_MIN" => What::ArgExtreme { max: false },
            "PERCENTILE" | "APPROX_PERCENTILE" => What::Percentile,
            "LAST_VALUE" => What::Last,
            "SINGLE_VALUE" => What::Single,
            "LAG" => match literal(1) {
                None if call.args.len() > 1 => {
                    return Err(Error::unsupported("LAG with an offset that is not a constant"));
                }
                None => What::Lag(1),
                Some(n) => What::Lag(n.as_i64().and_then(|n| usize::try_from(n).ok()).ok_or_else(
                    || Error::validation("the offset of LAG must be a number that is not negative"),
                )?),
            },
            "LISTAGG" | "STRING_AGG" => What::List,
            "ARRAY_AGG" => What::Array,
            "COLLECT" => What::Multiset,
            "BITMAP_BUILD_AGG" | "BITMAP_BUILD_CARDINALITY_AGG" => What::Bitmap(None),
            "BITMAP_AND_AGG" | "BITMAP_AND_CARDINALITY_AGG" => What::Bitmap(Some(BitmapFold::And)),
            "BITMAP_OR_AGG" | "BITMAP_OR_CARDINALITY_AGG" => What::Bitmap(Some(BitmapFold::Or)),
            "BITMAP_XOR_AGG" | "BITMAP_XOR_CARDINALITY_AGG" => What::Bitmap(Some(BitmapFold::Xor)),
            // The last argument is the ON NULL clause.
            "JSON_OBJECTAGG" => What::JsonObject { null: !clause(literal(2)).contains("ABSENT") },
            "JSON_ARRAYAGG" => What::JsonArray { null: clause(literal(1)).starts_with("NULL") },
            other => return Err(Error::unsupported(format!("aggregate function {other}"))),
        };
    let separator = match literal(1) {
        Some(Value::String(s)) => s.clone(),
        _ => ",".to_owned(),
    };
    let nulls = matches!(what, What::Single | What::Array | What::Lag(_) | What::ArgExtreme { .. })
        || matches!(what, What::JsonObject { .. } | What::JsonArray { null: true });
    let one = !retracts && matches!(what, What::First | What::Last | What::ArgExtreme { .. });
    let (types, ty) = (types.to_vec(), call.ty.clone());
    let default = literal(2).cloned().unwrap_or(Value::Null);
    Ok(Box::new(Values { what, ty, types, nulls, one, separator, default, slots: Vec::new() }))
}

/// Text of a clause argument.
fn clause(literal: Option<&Value>) -> &str {
    literal.and_then(Value::as_str).unwrap_or_default()
}

/// PERCENTILE over (value, fraction or fractions[, frequency]) rows, interpolated linearly.
fn percentile(rows: &[Vec<Value>]) -> Value {
    let number = |v: &Value| match v {
        Value::Double(x) => *x,
        Value::Float(x) => f64::from(*x),
        other => other.as_i64().map_or(0.0, |x| x as f64),
    };
    let weight = |r: &[Value]| r.get(2).map_or(1, |f| f.as_i64().unwrap_or(0).max(0));
    let mut sorted: Vec<(f64, i64)> = rows.iter().map(|r| (number(&r[0]), weight(r))).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: i64 = sorted.iter().map(|r| r.1).sum();
    let at = |mut index: i64| {
        let found = sorted.iter().find(|r| {
            index -= r.1;
            index < 0
        });
        found.map_or(0.0, |r| r.0)
    };
    let of = |fraction: &Value| {
        let position = number(fraction) * (total - 1) as f64;
        let (low, part) = (position.floor(), position.fract());
        let (a, b) = (at(low as i64), at((low as i64 + 1).min(total - 1)));
        Value::Double(if part == 0.0 { a } else { a + (b - a) * part })
    };
    match rows.first().and_then(|r| r.get(1)) {
        Some(_) if total == 0 => Value::Null,
        Some(Value::Array(fractions)) => Value::Array(fractions.iter().map(of).collect()),
        Some(fraction) => of(fraction),
        None => Value::Null,
    }
}

/// Whether `new` takes the place of `old` as the row with the extreme second value.
fn more_extreme(new: &[Value], old: &[Value], max: bool) -> bool {
    let order = new[1].total_cmp(&old[1]);
    if max { order.is_gt() } else { order.is_lt() }
}

impl Values {
    fn result(&self, rows: &[Vec<Value>]) -> Result<Value> {
        let firsts = || rows.iter().filter_map(|r| r.first());
        Ok(match self.what {
            What::First => rows.first().map_or(Value::Null, |r| r[0].clone()),
            What::Last => rows.last().map_or(Value::Null, |r| r[0].clone()),
            What::Single if rows.len() > 1 => {
                return Err(Error::data("SingleValueAggFunction received more than one element."));
            }
            What::Single => rows.first().map_or(Value::Null, |r| r[0].clone()),
            What::Percentile => percentile(rows),
            What::ArgExtreme { max } => rows
                .iter()
                .reduce(|best, r| if more_extreme(r, best, max) { r } else { best })
                .map_or(Value::Null, |r| r[0].clone()),
            What::Lag(n) => {
                let at = rows.len().checked_sub(n + 1);
                at.map_or(self.default.clone(), |i| rows[i][0].clone())
            }
            What::List if rows.is_empty() => Value::Null,
            What::List => {
                let texts: Vec<&str> = firsts().filter_map(Value::as_str).collect();
                Value::String(texts.join(&self.separator))
            }
            What::Array if rows.is_empty() => Value::Null,
            What::Array => Value::Array(firsts().cloned().collect()),
            What::Multiset => Value::Map(count_values(firsts(), &self.types[0])),
            What::Bitmap(_) if rows.is_empty() => Value::Null,
            What::Bitmap(fold) => self.bitmap(fold, rows)?,
            What::JsonObject { null } => self.object(rows, null),
            What::JsonArray { .. } => {
                let items: Vec<String> = firsts().map(|v| json(v).to_owned()).collect();
                Value::String(format!("[{}]", items.join(",")))
            }
        })
    }

    /// The bitmap of the rows' numbers, or of their bitmaps; its cardinality if that is asked.
    fn bitmap(&self, fold: Option<BitmapFold>, rows: &[Vec<Value>]) -> Result<Value> {
        let firsts = rows.iter().filter_map(|r| r.first());
        let bytes = match fold {
            None => weir_functions::bitmap_of(firsts.filter_map(Value::as_i64))?,
            Some(fold) => weir_functions::fold_bitmaps(
                fold,
                firsts.filter_map(|v| match v {
                    Value::Bytes(b) => Some(b.as_slice()),
                    _ => None,
                }),
            )?,
        };
        if self.ty.kind == weir_core::TypeKind::Bitmap {
            return Ok(Value::Bytes(bytes));
        }
        Ok(Value::Int(weir_functions::bitmap_cardinality(&bytes)? as i64))
    }

    fn object(&self, rows: &[Vec<Value>], null: bool) -> Value {
        let mut entries = std::collections::BTreeMap::new();
        for r in rows {
            if let (Some(k), Some(v)) = (r[0].as_str(), r.get(1))
                && (null || !v.is_null())
            {
                entries.insert(quote(k), json(v).to_owned());
            }
        }
        let items: Vec<String> = entries.into_iter().map(|(k, v)| format!("{k}:{v}")).collect();
        Value::String(format!("{{{}}}", items.join(",")))
    }
}

/// The JSON text that the planner made of a value with JSON_STRING.
fn json(v: &Value) -> &str {
    v.as_str().unwrap_or("null")
}

fn quote(s: &str) -> String {
    let mut out = String::with_capacity(s.len() + 2);
    out.push('"');
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

impl Accumulator for Values {
    fn resize(&mut self, slots: usize) {
        self.slots.resize_with(slots, Vec::new);
    }
    fn clear(&mut self, slot: usize) {
        self.slots[slot].clear();
    }
    fn update(&mut self, rows: &Rows<'_>, args: &[ArrayRef]) -> Result<()> {
        let (slots, what, one, nulls) = (&mut self.slots, self.what, self.one, self.nulls);
        let first_only = one && what == What::First;
        rows.each(|i, s, op| {
            let list = &mut slots[s];
            if (!nulls && args[0].is_null(i)) || (first_only && !list.is_empty()) {
                return;
            }
            let row: Vec<Value> = args.iter().map(|a| Value::from_array(a.as_ref(), i)).collect();
            if let What::ArgExtreme { max } = what {
                let worse = |old: &Vec<Value>| one && !more_extreme(&row, old, max);
                if row[1].is_null() || list.first().is_some_and(worse) {
                    return;
                }
            }
            if op & MINUS == 0 {
                if one {
                    list.clear();
                }
                list.push(row);
                if let (What::Lag(n), true) = (what, list.len() > 1) {
                    list.drain(..list.len().saturating_sub(n + 1));
                }
            } else if let Some(at) = list.iter().position(|r| *r == row) {
                list.remove(at);
            }
        });
        Ok(())
    }
    fn finish(&self, slots: &[u32]) -> Result<ArrayRef> {
        let values = slots
            .iter()
            .map(|&s| self.result(&self.slots[s as usize]))
            .collect::<Result<Vec<_>>>()?;
        values_to_array(&values, &self.ty)
    }
    fn write(&self, slot: usize, out: &mut Vec<u8>) {
        put_varint(out, self.slots[slot].len() as u64);
        for row in &self.slots[slot] {
            row.iter().for_each(|v| write_value(v, out));
        }
    }
    fn merge(&mut self, slot: usize, input: &mut Reader<'_>) -> Result<()> {
        for _ in 0..input.varint()? {
            let row =
                (0..self.types.len()).map(|_| read_value(input)).collect::<Result<Vec<_>>>()?;
            let list = &mut self.slots[slot];
            if self.one && self.what == What::Last {
                list.clear();
            }
            if let (What::ArgExtreme { max }, true, Some(old)) = (self.what, self.one, list.first())
            {
                if !more_extreme(&row, old, max) {
                    continue;
                }
                list.clear();
            }
            if !(self.one && self.what == What::First && !list.is_empty()) {
                list.push(row);
            }
        }
        Ok(())
    }
}
