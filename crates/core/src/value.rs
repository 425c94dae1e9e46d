//! Single values: literals in plans, and the row-at-a-time corners (printing,
//! ordered multisets, options) where a column would be the wrong tool.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array,
    DurationMillisecondArray, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array,
    Int64Array, IntervalYearMonthArray, ListArray, MapArray, NullArray, StringArray, StructArray,
    Time32MillisecondArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray, new_null_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{
    DataType as ArrowType, Date32Type, Decimal128Type, DurationMillisecondType, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalYearMonthType,
    Time32MillisecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType,
};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::types::{DataType, TypeKind, timestamp_unit};

/// One value. Its logical type travels beside it; numbers of one family share a variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// NULL of any type.
    Null,
    /// BOOLEAN
    Boolean(bool),
    /// TINYINT to BIGINT
    Int(i64),
    /// FLOAT
    Float(f32),
    /// DOUBLE
    Double(f64),
    /// DECIMAL: the unscaled value; the scale is the type's.
    Decimal(i128),
    /// CHAR, VARCHAR, VARIANT (canonical JSON)
    String(String),
    /// BINARY, VARBINARY, BITMAP, RAW
    Bytes(Vec<u8>),
    /// DATE: days since 1970-01-01
    Date(i32),
    /// TIME: milliseconds of the day
    Time(i32),
    /// TIMESTAMP and TIMESTAMP_LTZ: ticks since the epoch in the unit of the type's precision
    Timestamp(i64),
    /// INTERVAL year-month: months
    Months(i32),
    /// INTERVAL day-second: milliseconds
    Millis(i64),
    /// ARRAY
    Array(Vec<Value>),
    /// MAP and MULTISET, in entry order
    Map(Vec<(Value, Value)>),
    /// ROW and structured types
    Row(Vec<Value>),
}

impl Value {
    /// Whether this is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The text of a string value.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(s) => Some(s),
            _ => None,
        }
    }

    /// The integer of an integer-like value.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Int(x) | Value::Timestamp(x) | Value::Millis(x) => Some(*x),
            Value::Date(x) | Value::Time(x) | Value::Months(x) => Some(i64::from(*x)),
            _ => None,
        }
    }

    /// Reads row `row` of a column.
    pub fn from_array(array: &dyn Array, row: usize) -> Value {
        if array.is_null(row) {
            return Value::Null;
        }
        match array.data_type() {
            ArrowType::Boolean => Value::Boolean(array.as_boolean().value(row)),
            ArrowType::Int8 => Value::Int(array.as_primitive::<Int8Type>().value(row).into()),
            ArrowType::Int16 => Value::Int(array.as_primitive::<Int16Type>().value(row).into()),
            ArrowType::Int32 => Value::Int(array.as_primitive::<Int32Type>().value(row).into()),
            ArrowType::Int64 => Value::Int(array.as_primitive::<Int64Type>().value(row)),
            ArrowType::Float32 => Value::Float(array.as_primitive::<Float32Type>().value(row)),
            ArrowType::Float64 => Value::Double(array.as_primitive::<Float64Type>().value(row)),
            ArrowType::Decimal128(..) => {
                Value::Decimal(array.as_primitive::<Decimal128Type>().value(row))
            }
            ArrowType::Utf8 => Value::String(array.as_string::<i32>().value(row).to_owned()),
            ArrowType::Binary => Value::Bytes(array.as_binary::<i32>().value(row).to_owned()),
            ArrowType::Date32 => Value::Date(array.as_primitive::<Date32Type>().value(row)),
            ArrowType::Time32(_) => {
                Value::Time(array.as_primitive::<Time32MillisecondType>().value(row))
            }
            ArrowType::Timestamp(..) => Value::Timestamp(timestamp_ticks(array, row)),
            ArrowType::Interval(_) => {
                Value::Months(array.as_primitive::<IntervalYearMonthType>().value(row))
            }
            ArrowType::Duration(_) => {
                Value::Millis(array.as_primitive::<DurationMillisecondType>().value(row))
            }
            ArrowType::List(_) => Value::Array(all_values(&array.as_list::<i32>().value(row))),
            ArrowType::Map(..) => {
                let entries = array.as_map().value(row);
                let keys = all_values(entries.column(0));
                let values = all_values(entries.column(1));
                Value::Map(keys.into_iter().zip(values).collect())
            }
            ArrowType::Struct(_) => Value::Row(
                array.as_struct().columns().iter().map(|c| Value::from_array(c, row)).collect(),
            ),
            _ => Value::Null,
        }
    }

    /// A column of one row with this value.
    pub fn to_array(&self, ty: &DataType) -> Result<ArrayRef> {
        values_to_array(std::slice::from_ref(self), ty)
    }

    /// Total order within one type: NULL first (Flink sorts NULLs as lowest), NaN last.
    pub fn total_cmp(&self, other: &Value) -> Ordering {
        use Value::*;
        match (self, other) {
            (Null, Null) => Ordering::Equal,
            (Null, _) => Ordering::Less,
            (_, Null) => Ordering::Greater,
            (Boolean(a), Boolean(b)) => a.cmp(b),
            (Int(a), Int(b)) | (Timestamp(a), Timestamp(b)) | (Millis(a), Millis(b)) => a.cmp(b),
            (Float(a), Float(b)) => a.total_cmp(b),
            (Double(a), Double(b)) => a.total_cmp(b),
            (Decimal(a), Decimal(b)) => a.cmp(b),
            (String(a), String(b)) => a.cmp(b),
            (Bytes(a), Bytes(b)) => a.cmp(b),
            (Date(a), Date(b)) | (Time(a), Time(b)) | (Months(a), Months(b)) => a.cmp(b),
            (Array(a), Array(b)) | (Row(a), Row(b)) => cmp_lists(a.iter(), b.iter()),
            (Map(a), Map(b)) => {
                cmp_lists(a.iter().flat_map(|(k, v)| [k, v]), b.iter().flat_map(|(k, v)| [k, v]))
            }
            _ => Ordering::Equal,
        }
    }
}

fn cmp_lists<'a>(
    mut a: impl Iterator<Item = &'a Value>,
    mut b: impl Iterator<Item = &'a Value>,
) -> Ordering {
    loop {
        match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
            (Some(x), Some(y)) => match x.total_cmp(y) {
                Ordering::Equal => {}
                o => return o,
            },
        }
    }
}

/// Ticks of a timestamp column in its own unit.
fn timestamp_ticks(array: &dyn Array, row: usize) -> i64 {
    match array.data_type() {
        ArrowType::Timestamp(TimeUnit::Microsecond, _) => {
            array.as_primitive::<TimestampMicrosecondType>().value(row)
        }
        ArrowType::Timestamp(TimeUnit::Nanosecond, _) => {
            array.as_primitive::<TimestampNanosecondType>().value(row)
        }
        _ => array.as_primitive::<TimestampMillisecondType>().value(row),
    }
}

fn all_values(array: &ArrayRef) -> Vec<Value> {
    (0..array.len()).map(|i| Value::from_array(array, i)).collect()
}

/// Builds a column of the given type from values; a value of another variant is an internal error.
pub fn values_to_array(values: &[Value], ty: &DataType) -> Result<ArrayRef> {
    macro_rules! collect {
        ($array:ty, $($pat:pat => $val:expr),+) => {{
            let mut out = Vec::with_capacity(values.len());
            for v in values {
                out.push(match v {
                    Value::Null => None,
                    $($pat => Some($val),)+
                    other => return Err(mismatch(other, ty)),
                });
            }
            <$array>::from_iter(out)
        }};
    }
    Ok(match &ty.kind {
        TypeKind::Null => Arc::new(NullArray::new(values.len())),
        TypeKind::Boolean => Arc::new(collect!(BooleanArray, Value::Boolean(x) => *x)),
        TypeKind::TinyInt => Arc::new(collect!(Int8Array, Value::Int(x) => *x as i8)),
        TypeKind::SmallInt => Arc::new(collect!(Int16Array, Value::Int(x) => *x as i16)),
        TypeKind::Int => Arc::new(collect!(Int32Array, Value::Int(x) => *x as i32)),
        TypeKind::BigInt => Arc::new(collect!(Int64Array, Value::Int(x) => *x)),
        TypeKind::Float => Arc::new(collect!(Float32Array, Value::Float(x) => *x)),
        TypeKind::Double => Arc::new(collect!(Float64Array, Value::Double(x) => *x)),
        TypeKind::Decimal(p, s) => Arc::new(
            collect!(Decimal128Array, Value::Decimal(x) => *x)
                .with_precision_and_scale(*p, *s as i8)?,
        ),
        TypeKind::Char(_) | TypeKind::Varchar(_) | TypeKind::Variant => {
            Arc::new(collect!(StringArray, Value::String(x) => x.as_str()))
        }
        TypeKind::Binary(_) | TypeKind::Varbinary(_) | TypeKind::Bitmap | TypeKind::Raw(..) => {
            Arc::new(collect!(BinaryArray, Value::Bytes(x) => x.as_slice()))
        }
        TypeKind::Date => Arc::new(collect!(Date32Array, Value::Date(x) => *x)),
        TypeKind::Time(_) => Arc::new(collect!(Time32MillisecondArray, Value::Time(x) => *x)),
        TypeKind::Timestamp(p, _) => {
            timestamp_array(collect!(Int64Array, Value::Timestamp(x) => *x), *p, false)
        }
        TypeKind::TimestampLtz(p, _) => {
            timestamp_array(collect!(Int64Array, Value::Timestamp(x) => *x), *p, true)
        }
        TypeKind::IntervalYearMonth(..) => {
            Arc::new(collect!(IntervalYearMonthArray, Value::Months(x) => *x))
        }
        TypeKind::IntervalDayTime(..) => {
            Arc::new(collect!(DurationMillisecondArray, Value::Millis(x) => *x))
        }
        TypeKind::Array(e) => list_array(values, ty, e)?,
        TypeKind::Map(k, v) => map_array(values, ty, k, v)?,
        TypeKind::Multiset(e) => map_array(values, ty, e, &DataType::int())?,
        TypeKind::Row(fields) | TypeKind::Structured(_, fields) => {
            struct_array(values, ty, fields)?
        }
    })
}

/// Gives a column of ticks the timestamp type of the precision, with zone "UTC" if `ltz`.
pub fn timestamp_array(ticks: Int64Array, precision: u8, ltz: bool) -> ArrayRef {
    let (_, values, nulls) = ticks.into_parts();
    let zone: Option<Arc<str>> = ltz.then(|| "UTC".into());
    match timestamp_unit(precision) {
        TimeUnit::Microsecond => {
            Arc::new(TimestampMicrosecondArray::new(values, nulls).with_timezone_opt(zone))
        }
        TimeUnit::Nanosecond => {
            Arc::new(TimestampNanosecondArray::new(values, nulls).with_timezone_opt(zone))
        }
        _ => Arc::new(TimestampMillisecondArray::new(values, nulls).with_timezone_opt(zone)),
    }
}

fn mismatch(value: &Value, ty: &DataType) -> Error {
    Error::internal(format!("value {value:?} does not fit type {ty}"))
}

fn list_array(values: &[Value], ty: &DataType, element: &DataType) -> Result<ArrayRef> {
    let mut flat = Vec::new();
    let mut offsets = vec![0i32];
    for v in values {
        match v {
            Value::Null => {}
            Value::Array(items) => flat.extend_from_slice(items),
            other => return Err(mismatch(other, ty)),
        }
        offsets.push(flat.len() as i32);
    }
    let ArrowType::List(field) = ty.to_arrow() else {
        return Err(Error::internal("ARRAY without list type"));
    };
    Ok(Arc::new(ListArray::try_new(
        field,
        OffsetBuffer::new(ScalarBuffer::from(offsets)),
        values_to_array(&flat, element)?,
        nulls_of(values),
    )?))
}

fn map_array(values: &[Value], ty: &DataType, k: &DataType, v: &DataType) -> Result<ArrayRef> {
    let (mut keys, mut vals) = (Vec::new(), Vec::new());
    let mut offsets = vec![0i32];
    for x in values {
        match x {
            Value::Null => {}
            Value::Map(entries) => {
                for (a, b) in entries {
                    keys.push(a.clone());
                    vals.push(b.clone());
                }
            }
            other => return Err(mismatch(other, ty)),
        }
        offsets.push(keys.len() as i32);
    }
    let ArrowType::Map(field, _) = ty.to_arrow() else {
        return Err(Error::internal("MAP without map type"));
    };
    let ArrowType::Struct(fields) = field.data_type().clone() else {
        return Err(Error::internal("MAP without entry type"));
    };
    let entries = StructArray::try_new(
        fields,
        vec![values_to_array(&keys, k)?, values_to_array(&vals, v)?],
        None,
    )?;
    Ok(Arc::new(MapArray::try_new(
        field,
        OffsetBuffer::new(ScalarBuffer::from(offsets)),
        entries,
        nulls_of(values),
        false,
    )?))
}

fn struct_array(
    values: &[Value],
    ty: &DataType,
    fields: &[crate::types::Field],
) -> Result<ArrayRef> {
    let mut columns = Vec::with_capacity(fields.len());
    for (i, field) in fields.iter().enumerate() {
        let mut column = Vec::with_capacity(values.len());
        for v in values {
            column.push(match v {
                Value::Null => Value::Null,
                Value::Row(r) if r.len() == fields.len() => r[i].clone(),
                other => return Err(mismatch(other, ty)),
            });
        }
        columns.push(values_to_array(&column, &field.ty)?);
    }
    let ArrowType::Struct(arrow_fields) = ty.to_arrow() else {
        return Err(Error::internal("ROW without struct type"));
    };
    if columns.is_empty() {
        return Ok(Arc::new(StructArray::new_empty_fields(values.len(), nulls_of(values))));
    }
    Ok(Arc::new(StructArray::try_new(arrow_fields, columns, nulls_of(values))?))
}

fn nulls_of(values: &[Value]) -> Option<NullBuffer> {
    let valid: Vec<bool> = values.iter().map(|v| !v.is_null()).collect();
    valid.contains(&false).then(|| NullBuffer::from(valid))
}

/// A column of `rows` NULLs of the type.
pub fn null_column(ty: &DataType, rows: usize) -> ArrayRef {
    new_null_array(&ty.to_arrow(), rows)
}
