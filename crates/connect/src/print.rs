//! The `print` connector: rows on standard output or error, spelled as Flink's
//! print sink spells them (`+I[1, a]`).

use std::io::Write as _;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    Date32Type, Decimal128Type, DurationMillisecondType, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalYearMonthType, Time32MillisecondType,
};
use weir_core::types::ticks_per_second;
use weir_core::{ChangeBatch, DataType, Error, Result, RowKind, Schema, TypeKind};
use weir_spec::{ChangelogMode, SinkSpec};

use crate::api::{ConnectorFactory, Sink, SinkWriter};
use crate::format::json::encode::ticks;
use crate::format::text::{
    Fraction, split_ticks, write_date, write_decimal, write_double, write_float, write_time,
};
use crate::options;

const OPTIONS: &[&str] = &["print-identifier", "standard-error", "sink.parallelism"];

/// Creates `print` sinks.
pub struct PrintFactory;

impl ConnectorFactory for PrintFactory {
    fn identifier(&self) -> &'static str {
        "print"
    }
    fn sink(&self, spec: &SinkSpec, schema: &Schema) -> Result<Box<dyn Sink>> {
        let o = &spec.table.options;
        options::check(o, "print", OPTIONS, &[])?;
        Ok(Box::new(Print {
            schema: schema.clone(),
            identifier: o.get("print-identifier").unwrap_or("").to_owned(),
            standard_error: o.bool_or("standard-error", false)?,
            parallelism: options::parallelism(o, "sink.parallelism")?,
        }))
    }
}

struct Print {
    schema: Schema,
    identifier: String,
    standard_error: bool,
    parallelism: Option<usize>,
}

impl Sink for Print {
    fn changelog_mode(&self) -> ChangelogMode {
        ChangelogMode::ALL
    }
    fn writer(&self, subtask: usize, parallelism: usize) -> Result<Box<dyn SinkWriter>> {
        let parts: Vec<String> = [
            (!self.identifier.is_empty()).then(|| self.identifier.clone()),
            (parallelism > 1).then(|| (subtask + 1).to_string()),
        ]
        .into_iter()
        .flatten()
        .collect();
        let prefix = if parts.is_empty() { String::new() } else { parts.join(":") + "> " };
        let types = self.schema.fields.iter().map(|f| f.ty.clone()).collect();
        Ok(Box::new(PrintWriter {
            prefix,
            types,
            standard_error: self.standard_error,
            out: Vec::new(),
        }))
    }
    fn max_parallelism(&self) -> Option<usize> {
        self.parallelism
    }
}

struct PrintWriter {
    prefix: String,
    types: Vec<DataType>,
    standard_error: bool,
    out: Vec<u8>,
}

impl SinkWriter for PrintWriter {
    fn write(&mut self, batch: &ChangeBatch) -> Result<()> {
        self.out.clear();
        for row in 0..batch.len() {
            self.out.extend_from_slice(self.prefix.as_bytes());
            write_row(&mut self.out, batch.kind(row), batch.rows.columns(), &self.types, row);
            self.out.push(b'\n');
        }
        let written = if self.standard_error {
            std::io::stderr().lock().write_all(&self.out)
        } else {
            let mut lock = std::io::stdout().lock();
            lock.write_all(&self.out).and_then(|()| lock.flush())
        };
        written.map_err(|e| Error::io(format!("cannot print: {e}")))
    }
    fn prepare_commit(&mut self, _epoch: u64) -> Result<Vec<Vec<u8>>> {
        Ok(Vec::new())
    }
}

/// Appends a row in the form of Flink's `Row.toString`.
pub(crate) fn write_row(
    out: &mut Vec<u8>,
    kind: RowKind,
    columns: &[ArrayRef],
    types: &[DataType],
    row: usize,
) {
    out.extend_from_slice(kind.symbol().as_bytes());
    out.push(b'[');
    for (i, (column, ty)) in columns.iter().zip(types).enumerate() {
        if i > 0 {
            out.extend_from_slice(b", ");
        }
        write_value(out, column, ty, row);
    }
    out.push(b']');
}

fn write_value(out: &mut Vec<u8>, a: &ArrayRef, ty: &DataType, row: usize) {
    if a.is_null(row) {
        return out.extend_from_slice(b"null");
    }
    let put = |out: &mut Vec<u8>, v: &dyn std::fmt::Display| {
        out.extend_from_slice(v.to_string().as_bytes());
    };
    match &ty.kind {
        TypeKind::Null => out.extend_from_slice(b"null"),
        TypeKind::Boolean => put(out, &a.as_boolean().value(row)),
        TypeKind::TinyInt => put(out, &a.as_primitive::<Int8Type>().value(row)),
        TypeKind::SmallInt => put(out, &a.as_primitive::<Int16Type>().value(row)),
        TypeKind::Int => put(out, &a.as_primitive::<Int32Type>().value(row)),
        TypeKind::BigInt => put(out, &a.as_primitive::<Int64Type>().value(row)),
        TypeKind::Float => write_float(out, a.as_primitive::<Float32Type>().value(row)),
        TypeKind::Double => write_double(out, a.as_primitive::<Float64Type>().value(row)),
        TypeKind::Decimal(_, s) => {
            write_decimal(out, a.as_primitive::<Decimal128Type>().value(row), i32::from(*s));
        }
        TypeKind::Char(_) | TypeKind::Varchar(_) | TypeKind::Variant => {
            out.extend_from_slice(a.as_string::<i32>().value(row).as_bytes());
        }
        TypeKind::Binary(_) | TypeKind::Varbinary(_) | TypeKind::Bitmap | TypeKind::Raw(..) => {
            let bytes: Vec<String> =
                a.as_binary::<i32>().value(row).iter().map(|b| (*b as i8).to_string()).collect();
            put(out, &format!("[{}]", bytes.join(", ")));
        }
        TypeKind::Date => write_date(out, a.as_primitive::<Date32Type>().value(row).into()),
        TypeKind::Time(_) => {
            let millis = i64::from(a.as_primitive::<Time32MillisecondType>().value(row));
            write_time(out, millis * 1_000_000, Fraction::Groups, true);
        }
        TypeKind::Timestamp(p, _) | TypeKind::TimestampLtz(p, _) => {
            let zone = matches!(ty.kind, TypeKind::TimestampLtz(..));
            let (days, nanos) = split_ticks(ticks(a, row, *p), ticks_per_second(*p));
            write_date(out, days);
            out.push(b'T');
            write_time(out, nanos, Fraction::Groups, !zone);
            if zone {
                out.push(b'Z');
            }
        }
        TypeKind::IntervalYearMonth(..) => {
            put(out, &period(a.as_primitive::<IntervalYearMonthType>().value(row)));
        }
        TypeKind::IntervalDayTime(..) => {
            put(out, &duration(a.as_primitive::<DurationMillisecondType>().value(row)));
        }
        TypeKind::Array(e) => {
            let values = a.as_list::<i32>().value(row);
            out.push(b'[');
            for i in 0..values.len() {
                if i > 0 {
                    out.extend_from_slice(b", ");
                }
                write_value(out, &values, e, i);
            }
            out.push(b']');
        }
        TypeKind::Map(k, v) => write_map(out, a, k, v, row),
        TypeKind::Multiset(e) => write_map(out, a, e, &DataType::int(), row),
        TypeKind::Row(fields) | TypeKind::Structured(_, fields) => {
            let types: Vec<DataType> = fields.iter().map(|f| f.ty.clone()).collect();
            write_row(out, RowKind::Insert, a.as_struct().columns(), &types, row);
        }
    }
}

fn write_map(out: &mut Vec<u8>, a: &ArrayRef, key: &DataType, value: &DataType, row: usize) {
    let entries = a.as_map().value(row);
    out.push(b'{');
    for i in 0..entries.len() {
        if i > 0 {
            out.extend_from_slice(b", ");
        }
        write_value(out, entries.column(0), key, i);
        out.push(b'=');
        write_value(out, entries.column(1), value, i);
    }
    out.push(b'}');
}

/// Java's `Period.toString`.
fn period(months: i32) -> String {
    match (months / 12, months % 12) {
        (0, 0) => "P0D".into(),
        (y, 0) => format!("P{y}Y"),
        (0, m) => format!("P{m}M"),
        (y, m) => format!("P{y}Y{m}M"),
    }
}

/// Java's `Duration.toString`.
fn duration(millis: i64) -> String {
    if millis == 0 {
        return "PT0S".into();
    }
    let seconds = millis / 1000;
    let (h, m, s, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60, millis % 1000);
    let mut text = String::from("PT");
    if h != 0 {
        text += &format!("{h}H");
    }
    if m != 0 {
        text += &format!("{m}M");
    }
    if rest != 0 {
        let sign = if millis < 0 { "-" } else { "" };
        let part = format!("{:03}", rest.abs());
        text += &format!("{sign}{}.{}S", s.abs(), part.trim_end_matches('0'));
    } else if s != 0 {
        text += &format!("{s}S");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_core::{Field, Value};

    #[test]
    fn rows_as_flink_prints_them() {
        let row = TypeKind::Row(vec![
            Field::new("x", DataType::int()),
            Field::new("y", DataType::string()),
        ]);
        let map = TypeKind::Map(Box::new(DataType::string()), Box::new(DataType::int()));
        let s = |t: &str| Value::String(t.into());
        let cells: Vec<(DataType, Value)> = vec![
            (DataType::int(), Value::Int(1)),
            (DataType::decimal(20, 11), Value::Decimal(2700)),
            (DataType::double(), Value::Double(1e10)),
            (DataType::bytes(), Value::Bytes(vec![1, 2, 255])),
            (DataType::timestamp(0), Value::Timestamp(1704103200000)),
            (DataType::timestamp(3), Value::Timestamp(1704103200120)),
            (DataType::timestamp_ltz(3), Value::Timestamp(1704103200000)),
            (TypeKind::Time(0).into(), Value::Time(0)),
            (
                TypeKind::Array(Box::new(DataType::string())).into(),
                Value::Array(vec![s("a"), Value::Null]),
            ),
            (row.into(), Value::Row(vec![Value::Int(1), s("x")])),
            (map.into(), Value::Map(vec![(s("k"), Value::Int(1))])),
            (DataType::string(), Value::Null),
        ];
        let columns: Vec<ArrayRef> = cells.iter().map(|(t, v)| v.to_array(t).unwrap()).collect();
        let types: Vec<DataType> = cells.into_iter().map(|(t, _)| t).collect();
        let mut out = Vec::new();
        write_row(&mut out, RowKind::UpdateAfter, &columns, &types, 0);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "+U[1, 2.700E-8, 1.0E10, [1, 2, -1], 2024-01-01T10:00, 2024-01-01T10:00:00.120, \
             2024-01-01T10:00:00Z, 00:00, [a, null], +I[1, x], {k=1}, null]"
        );
        assert_eq!(duration(90_061_500), "PT25H1M1.5S");
    }
}
