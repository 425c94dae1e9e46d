//! Metadata columns of CDC envelopes, read from the parsed envelope only when a
//! query asks for them.

use weir_core::types::ticks_per_second;
use weir_core::{DataType, Error, Result, Value};

use super::Dialect;
use crate::format::text::{TimestampStyle, parse_timestamp};

/// A metadata column: where it stands in the envelope.
pub(super) struct Metadata {
    pub(super) path: &'static [&'static str],
    pub(super) ty: DataType,
    pub(super) values: Vec<Value>,
}

impl Metadata {
    pub(super) fn new(dialect: Dialect, key: &str) -> Result<Self> {
        let strings =
            |t| weir_core::TypeKind::Map(Box::new(DataType::string()), Box::new(t)).into();
        let list: DataType = weir_core::TypeKind::Array(Box::new(DataType::string())).into();
        let time = DataType::timestamp_ltz(if dialect == Dialect::Ogg { 6 } else { 3 });
        let (path, ty): (&[&str], DataType) = match (dialect, key) {
            (Dialect::Debezium, "schema") => (&["schema"], DataType::string()),
            (Dialect::Debezium, "ingestion-timestamp") => (&["ts_ms"], time),
            (Dialect::Debezium, "source.timestamp") => (&["source", "ts_ms"], time),
            (Dialect::Debezium, "source.database") => (&["source", "db"], DataType::string()),
            (Dialect::Debezium, "source.schema") => (&["source", "schema"], DataType::string()),
            (Dialect::Debezium, "source.table") => (&["source", "table"], DataType::string()),
            (Dialect::Debezium, "source.properties") => (&["source"], strings(DataType::string())),
            (Dialect::Canal | Dialect::Maxwell, "database") => (&["database"], DataType::string()),
            (_, "table") if dialect != Dialect::Debezium => (&["table"], DataType::string()),
            (Dialect::Canal, "sql-type") => (&["sqlType"], strings(DataType::int())),
            (Dialect::Canal, "pk-names") => (&["pkNames"], list),
            (Dialect::Canal, "ingestion-timestamp") => (&["ts"], time),
            (Dialect::Canal, "event-timestamp") => (&["es"], time),
            (Dialect::Maxwell, "primary-key-columns") => (&["primary_key_columns"], list),
            (Dialect::Maxwell, "ingestion-timestamp") => (&["ts"], time),
            (Dialect::Ogg, "primary-keys") => (&["primary_keys"], list),
            (Dialect::Ogg, "ingestion-timestamp") => (&["current_ts"], time),
            (Dialect::Ogg, "event-timestamp") => (&["op_ts"], time),
            _ => {
                return Err(Error::validation(format!(
                    "format '{}' has no metadata column '{key}'",
                    dialect.identifier()
                )));
            }
        };
        Ok(Self { path, ty, values: Vec::new() })
    }

    pub(super) fn read(&self, envelope: &serde_json::Value) -> Value {
        let mut v = envelope;
        for name in self.path {
            match v.get(name) {
                Some(inner) => v = inner,
                None => return Value::Null,
            }
        }
        metadata_value(v, &self.ty)
    }
}

fn text_of(v: &serde_json::Value) -> Value {
    match v {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::String(s) => Value::String(s.clone()),
        other => Value::String(other.to_string()),
    }
}

fn metadata_value(v: &serde_json::Value, ty: &DataType) -> Value {
    use weir_core::TypeKind;
    match &ty.kind {
        TypeKind::TimestampLtz(p, _) => match v {
            serde_json::Value::String(s) => {
                let text = s.as_bytes();
                [TimestampStyle::Sql, TimestampStyle::Iso]
                    .into_iter()
                    .find_map(|style| parse_timestamp(text, style, false, ticks_per_second(*p)))
                    .map_or(Value::Null, Value::Timestamp)
            }
            other => other.as_i64().map_or(Value::Null, Value::Timestamp),
        },
        TypeKind::Array(_) => match v.as_array() {
            Some(items) => Value::Array(items.iter().map(text_of).collect()),
            None => Value::Null,
        },
        TypeKind::Map(_, value) => match v.as_object() {
            Some(map) => Value::Map(
                map.iter()
                    .map(|(k, v)| {
                        let v = if value.is_string() {
                            text_of(v)
                        } else {
                            v.as_i64().map_or(Value::Null, Value::Int)
                        };
                        (Value::String(k.clone()), v)
                    })
                    .collect(),
            ),
            None => Value::Null,
        },
        _ => text_of(v),
    }
}
