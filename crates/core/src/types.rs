//! Flink's logical types, their spelling, and the Arrow type that holds each.
//!
//! | Flink | Arrow |
//! |---|---|
//! | BOOLEAN, TINYINT..BIGINT, FLOAT, DOUBLE | the same |
//! | DECIMAL(p, s) | Decimal128(p, s) |
//! | CHAR, VARCHAR, STRING, VARIANT | Utf8 (a VARIANT is its canonical JSON text) |
//! | BINARY, VARBINARY, BYTES, BITMAP, RAW | Binary |
//! | DATE | Date32 |
//! | TIME(p) | Time32(ms) |
//! | TIMESTAMP(p), TIMESTAMP_LTZ(p) | Timestamp ms (p <= 3), us (p <= 6) or ns; LTZ with zone "UTC" |
//! | INTERVAL year-month | Interval(YearMonth) |
//! | INTERVAL day-second | Duration(ms) |
//! | ARRAY | List |
//! | MAP, MULTISET | Map (a MULTISET maps element to INT count) |
//! | ROW, structured | Struct |

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{
    DataType as ArrowType, Field as ArrowField, Fields, IntervalUnit, Schema as ArrowSchema,
    SchemaRef, TimeUnit,
};
use serde::{Deserialize, Serialize};

/// Length of STRING and BYTES.
pub const MAX_LENGTH: u32 = i32::MAX as u32;

/// Whether a timestamp column is a time attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum TimeAttribute {
    /// An ordinary timestamp.
    #[default]
    None,
    /// Event time with a watermark.
    Rowtime,
    /// Processing time.
    Proctime,
}

/// Fields of an INTERVAL type, from the coarse to the fine one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum IntervalField {
    /// Years.
    Year,
    /// Months.
    Month,
    /// Days.
    Day,
    /// Hours.
    Hour,
    /// Minutes.
    Minute,
    /// Seconds with fraction.
    Second,
}

/// A column or field: name and type.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Field {
    /// Name as declared (case-sensitive).
    pub name: String,
    /// Type with nullability.
    pub ty: DataType,
}

impl Field {
    /// Builds a field.
    pub fn new(name: impl Into<String>, ty: DataType) -> Self {
        Self { name: name.into(), ty }
    }
}

/// The kinds of Flink's logical types.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TypeKind {
    /// Type of the bare NULL literal.
    Null,
    /// BOOLEAN
    Boolean,
    /// TINYINT
    TinyInt,
    /// SMALLINT
    SmallInt,
    /// INT
    Int,
    /// BIGINT
    BigInt,
    /// FLOAT
    Float,
    /// DOUBLE
    Double,
    /// DECIMAL(precision, scale)
    Decimal(u8, u8),
    /// CHAR(n)
    Char(u32),
    /// VARCHAR(n); STRING is the longest one.
    Varchar(u32),
    /// BINARY(n)
    Binary(u32),
    /// VARBINARY(n); BYTES is the longest one.
    Varbinary(u32),
    /// DATE
    Date,
    /// TIME(p)
    Time(u8),
    /// TIMESTAMP(p)
    Timestamp(u8, TimeAttribute),
    /// TIMESTAMP(p) WITH LOCAL TIME ZONE
    TimestampLtz(u8, TimeAttribute),
    /// INTERVAL YEAR, MONTH, YEAR TO MONTH; value in months.
    IntervalYearMonth(IntervalField, IntervalField),
    /// INTERVAL DAY .. SECOND; value in milliseconds.
    IntervalDayTime(IntervalField, IntervalField),
    /// ARRAY<element>
    Array(Box<DataType>),
    /// MULTISET<element>
    Multiset(Box<DataType>),
    /// MAP<key, value>
    Map(Box<DataType>, Box<DataType>),
    /// ROW<fields>
    Row(Vec<Field>),
    /// A structured type by class name.
    Structured(String, Vec<Field>),
    /// VARIANT
    Variant,
    /// BITMAP
    Bitmap,
    /// RAW('class', 'serializer')
    Raw(String, String),
}

/// A logical type: kind and nullability.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DataType {
    /// What it is.
    pub kind: TypeKind,
    /// Whether NULL is a value of it.
    pub nullable: bool,
}

impl From<TypeKind> for DataType {
    fn from(kind: TypeKind) -> Self {
        Self { kind, nullable: true }
    }
}

impl DataType {
    /// STRING
    pub fn string() -> Self {
        TypeKind::Varchar(MAX_LENGTH).into()
    }
    /// BYTES
    pub fn bytes() -> Self {
        TypeKind::Varbinary(MAX_LENGTH).into()
    }
    /// BOOLEAN
    pub fn boolean() -> Self {
        TypeKind::Boolean.into()
    }
    /// INT
    pub fn int() -> Self {
        TypeKind::Int.into()
    }
    /// BIGINT
    pub fn bigint() -> Self {
        TypeKind::BigInt.into()
    }
    /// DOUBLE
    pub fn double() -> Self {
        TypeKind::Double.into()
    }
    /// DECIMAL(p, s)
    pub fn decimal(precision: u8, scale: u8) -> Self {
        TypeKind::Decimal(precision, scale).into()
    }
    /// TIMESTAMP(p)
    pub fn timestamp(precision: u8) -> Self {
        TypeKind::Timestamp(precision, TimeAttribute::None).into()
    }
    /// TIMESTAMP_LTZ(p)
    pub fn timestamp_ltz(precision: u8) -> Self {
        TypeKind::TimestampLtz(precision, TimeAttribute::None).into()
    }
    /// The same kind, NOT NULL.
    #[must_use]
    pub fn not_null(mut self) -> Self {
        self.nullable = false;
        self
    }
    /// The same kind, nullable.
    #[must_use]
    pub fn null(mut self) -> Self {
        self.nullable = true;
        self
    }
    /// The same kind with the given nullability.
    #[must_use]
    pub fn with_nullable(mut self, nullable: bool) -> Self {
        self.nullable = nullable;
        self
    }
    /// CHAR or VARCHAR.
    pub fn is_string(&self) -> bool {
        matches!(self.kind, TypeKind::Char(_) | TypeKind::Varchar(_))
    }
    /// BINARY or VARBINARY.
    pub fn is_binary(&self) -> bool {
        matches!(self.kind, TypeKind::Binary(_) | TypeKind::Varbinary(_))
    }
    /// TINYINT to BIGINT.
    pub fn is_integer(&self) -> bool {
        matches!(
            self.kind,
            TypeKind::TinyInt | TypeKind::SmallInt | TypeKind::Int | TypeKind::BigInt
        )
    }
    /// FLOAT or DOUBLE.
    pub fn is_approximate(&self) -> bool {
        matches!(self.kind, TypeKind::Float | TypeKind::Double)
    }
    /// Any number.
    pub fn is_numeric(&self) -> bool {
        self.is_integer() || self.is_approximate() || matches!(self.kind, TypeKind::Decimal(..))
    }
    /// TIMESTAMP or TIMESTAMP_LTZ.
    pub fn is_timestamp(&self) -> bool {
        matches!(self.kind, TypeKind::Timestamp(..) | TypeKind::TimestampLtz(..))
    }
    /// DATE, TIME or a timestamp.
    pub fn is_datetime(&self) -> bool {
        self.is_timestamp() || matches!(self.kind, TypeKind::Date | TypeKind::Time(_))
    }
    /// An INTERVAL type.
    pub fn is_interval(&self) -> bool {
        matches!(self.kind, TypeKind::IntervalYearMonth(..) | TypeKind::IntervalDayTime(..))
    }
    /// The time attribute of a timestamp column.
    pub fn time_attribute(&self) -> TimeAttribute {
        match self.kind {
            TypeKind::Timestamp(_, a) | TypeKind::TimestampLtz(_, a) => a,
            _ => TimeAttribute::None,
        }
    }
    /// The same timestamp type with another time attribute; other types unchanged.
    #[must_use]
    pub fn with_time_attribute(mut self, attribute: TimeAttribute) -> Self {
        if let TypeKind::Timestamp(_, a) | TypeKind::TimestampLtz(_, a) = &mut self.kind {
            *a = attribute;
        }
        self
    }
    /// Fields of a ROW or structured type.
    pub fn fields(&self) -> Option<&[Field]> {
        match &self.kind {
            TypeKind::Row(f) | TypeKind::Structured(_, f) => Some(f),
            _ => None,
        }
    }
    /// Equal but for nullability and time attribute at the top level.
    pub fn same_kind(&self, other: &DataType) -> bool {
        self.clone().null().with_time_attribute(TimeAttribute::None)
            == other.clone().null().with_time_attribute(TimeAttribute::None)
    }

    /// The Arrow type that holds columns of this type.
    pub fn to_arrow(&self) -> ArrowType {
        match &self.kind {
            TypeKind::Null => ArrowType::Null,
            TypeKind::Boolean => ArrowType::Boolean,
            TypeKind::TinyInt => ArrowType::Int8,
            TypeKind::SmallInt => ArrowType::Int16,
            TypeKind::Int => ArrowType::Int32,
            TypeKind::BigInt => ArrowType::Int64,
            TypeKind::Float => ArrowType::Float32,
            TypeKind::Double => ArrowType::Float64,
            TypeKind::Decimal(p, s) => ArrowType::Decimal128(*p, *s as i8),
            TypeKind::Char(_) | TypeKind::Varchar(_) | TypeKind::Variant => ArrowType::Utf8,
            TypeKind::Binary(_) | TypeKind::Varbinary(_) | TypeKind::Bitmap | TypeKind::Raw(..) => {
                ArrowType::Binary
            }
            TypeKind::Date => ArrowType::Date32,
            TypeKind::Time(_) => ArrowType::Time32(TimeUnit::Millisecond),
            TypeKind::Timestamp(p, _) => ArrowType::Timestamp(timestamp_unit(*p), None),
            TypeKind::TimestampLtz(p, _) => {
                ArrowType::Timestamp(timestamp_unit(*p), Some("UTC".into()))
            }
            TypeKind::IntervalYearMonth(..) => ArrowType::Interval(IntervalUnit::YearMonth),
            TypeKind::IntervalDayTime(..) => ArrowType::Duration(TimeUnit::Millisecond),
            TypeKind::Array(e) => {
                ArrowType::List(Arc::new(ArrowField::new("item", e.to_arrow(), true)))
            }
            TypeKind::Multiset(e) => map_arrow(e, &DataType::int()),
            TypeKind::Map(k, v) => map_arrow(k, v),
            TypeKind::Row(fields) | TypeKind::Structured(_, fields) => {
                ArrowType::Struct(arrow_fields(fields))
            }
        }
    }
}

/// Arrow time unit of TIMESTAMP(precision).
pub fn timestamp_unit(precision: u8) -> TimeUnit {
    match precision {
        0..=3 => TimeUnit::Millisecond,
        4..=6 => TimeUnit::Microsecond,
        _ => TimeUnit::Nanosecond,
    }
}

/// Ticks per second of the unit that holds TIMESTAMP(precision).
pub fn ticks_per_second(precision: u8) -> i64 {
    match precision {
        0..=3 => 1_000,
        4..=6 => 1_000_000,
        _ => 1_000_000_000,
    }
}

fn map_arrow(key: &DataType, value: &DataType) -> ArrowType {
    let entries = ArrowType::Struct(Fields::from(vec![
        ArrowField::new("key", key.to_arrow(), false),
        ArrowField::new("value", value.to_arrow(), true),
    ]));
    ArrowType::Map(Arc::new(ArrowField::new("entries", entries, false)), false)
}

/// Arrow fields for Flink fields. All are nullable for Arrow: NOT NULL is
/// enforced at sinks, as Flink does, and inner batches may carry NULLs of outer joins.
pub fn arrow_fields(fields: &[Field]) -> Fields {
    fields.iter().map(|f| ArrowField::new(&f.name, f.ty.to_arrow(), true)).collect()
}

impl fmt::Display for DataType {
    /// Flink's summary string: `DECIMAL(10, 2) NOT NULL`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        if !self.nullable {
            f.write_str(" NOT NULL")?;
        }
        match self.time_attribute() {
            TimeAttribute::Rowtime => f.write_str(" *ROWTIME*"),
            TimeAttribute::Proctime => f.write_str(" *PROCTIME*"),
            TimeAttribute::None => Ok(()),
        }
    }
}

impl fmt::Display for TypeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TypeKind::Null => f.write_str("NULL"),
            TypeKind::Boolean => f.write_str("BOOLEAN"),
            TypeKind::TinyInt => f.write_str("TINYINT"),
            TypeKind::SmallInt => f.write_str("SMALLINT"),
            TypeKind::Int => f.write_str("INT"),
            TypeKind::BigInt => f.write_str("BIGINT"),
            TypeKind::Float => f.write_str("FLOAT"),
            TypeKind::Double => f.write_str("DOUBLE"),
            TypeKind::Decimal(p, s) => write!(f, "DECIMAL({p}, {s})"),
            TypeKind::Char(n) => write!(f, "CHAR({n})"),
            TypeKind::Varchar(MAX_LENGTH) => f.write_str("STRING"),
            TypeKind::Varchar(n) => write!(f, "VARCHAR({n})"),
            TypeKind::Binary(n) => write!(f, "BINARY({n})"),
            TypeKind::Varbinary(MAX_LENGTH) => f.write_str("BYTES"),
            TypeKind::Varbinary(n) => write!(f, "VARBINARY({n})"),
            TypeKind::Date => f.write_str("DATE"),
            TypeKind::Time(p) => write!(f, "TIME({p})"),
            TypeKind::Timestamp(p, _) => write!(f, "TIMESTAMP({p})"),
            TypeKind::TimestampLtz(p, _) => write!(f, "TIMESTAMP_LTZ({p})"),
            TypeKind::IntervalYearMonth(a, b) | TypeKind::IntervalDayTime(a, b) => {
                fmt_interval(f, *a, *b)
            }
            TypeKind::Array(e) => write!(f, "ARRAY<{e}>"),
            TypeKind::Multiset(e) => write!(f, "MULTISET<{e}>"),
            TypeKind::Map(k, v) => write!(f, "MAP<{k}, {v}>"),
            TypeKind::Row(fields) => {
                f.write_str("ROW<")?;
                for (i, x) in fields.iter().enumerate() {
                    let sep = if i > 0 { ", " } else { "" };
                    write!(f, "{sep}`{}` {}", x.name.replace('`', "``"), x.ty)?;
                }
                f.write_str(">")
            }
            TypeKind::Structured(name, fields) => {
                write!(f, "STRUCTURED<'{name}'")?;
                for x in fields {
                    write!(f, ", `{}` {}", x.name.replace('`', "``"), x.ty)?;
                }
                f.write_str(">")
            }
            TypeKind::Variant => f.write_str("VARIANT"),
            TypeKind::Bitmap => f.write_str("BITMAP"),
            TypeKind::Raw(c, s) => write!(f, "RAW('{c}', '{s}')"),
        }
    }
}

fn fmt_interval(f: &mut fmt::Formatter<'_>, from: IntervalField, to: IntervalField) -> fmt::Result {
    let name = |x, last: bool| match x {
        IntervalField::Year => "YEAR",
        IntervalField::Month => "MONTH",
        IntervalField::Day => "DAY",
        IntervalField::Hour => "HOUR",
        IntervalField::Minute => "MINUTE",
        IntervalField::Second if last => "SECOND(3)",
        IntervalField::Second => "SECOND",
    };
    write!(f, "INTERVAL {}", name(from, from == to))?;
    if from != to {
        write!(f, " TO {}", name(to, true))?;
    }
    Ok(())
}

/// Columns of a table, an operator's output or a query result.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Schema {
    /// The columns in order.
    pub fields: Vec<Field>,
}

impl Schema {
    /// Builds a schema.
    pub fn new(fields: Vec<Field>) -> Self {
        Self { fields }
    }
    /// Number of columns.
    pub fn len(&self) -> usize {
        self.fields.len()
    }
    /// Whether there is no column.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
    /// Position of a column by its exact name.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|f| f.name == name)
    }
    /// The Arrow schema of batches with these columns.
    pub fn to_arrow(&self) -> SchemaRef {
        Arc::new(ArrowSchema::new(arrow_fields(&self.fields)))
    }
    /// The columns at the given positions.
    #[must_use]
    pub fn project(&self, indices: &[usize]) -> Self {
        Self::new(indices.iter().map(|&i| self.fields[i].clone()).collect())
    }
}
