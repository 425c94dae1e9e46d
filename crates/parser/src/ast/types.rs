//! Data types and time units.

use super::{Ident, ObjectName, StringLit};
use crate::span::Span;

/// A data type as written; ranges of lengths and precisions are checked by the binder.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DataType {
    pub kind: DataTypeKind,
    /// `Some(false)`: NOT NULL; `Some(true)`: explicit NULL; `None`: nothing written (nullable).
    pub nullable: Option<bool>,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DataTypeKind {
    Boolean,
    TinyInt,
    SmallInt,
    /// INT or INTEGER.
    Int,
    BigInt,
    /// FLOAT or REAL.
    Float,
    /// DOUBLE or DOUBLE PRECISION.
    Double,
    /// DECIMAL, DEC or NUMERIC.
    Decimal {
        precision: Option<u32>,
        scale: Option<u32>,
    },
    Char(Option<u32>),
    Varchar(Option<u32>),
    String,
    Binary(Option<u32>),
    Varbinary(Option<u32>),
    Bytes,
    Date,
    Time {
        precision: Option<u32>,
        zone: ZoneKind,
    },
    Timestamp {
        precision: Option<u32>,
        zone: ZoneKind,
    },
    Interval(IntervalQualifier),
    Array(Box<DataType>),
    Multiset(Box<DataType>),
    Map(Box<DataType>, Box<DataType>),
    Row(Vec<RowField>),
    /// `STRUCTURED<'class', name TYPE, ..>`.
    Structured {
        class: StringLit,
        fields: Vec<RowField>,
    },
    /// `RAW('class', 'serializer')`.
    Raw {
        class: StringLit,
        serializer: StringLit,
    },
    Null,
    Variant,
    Bitmap,
    Descriptor,
    Uuid,
    Geography,
    /// Any other name; the binder reports unknown ones.
    Named(ObjectName),
}

/// How a TIME or TIMESTAMP type treats zones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ZoneKind {
    /// Nothing or WITHOUT TIME ZONE.
    Without,
    /// WITH LOCAL TIME ZONE or TIMESTAMP_LTZ.
    Local,
    /// WITH TIME ZONE.
    With,
}

/// One field of a ROW or STRUCTURED type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RowField {
    pub name: Ident,
    pub data_type: DataType,
    pub comment: Option<StringLit>,
}

/// `DAY(2) TO SECOND(3)` of an interval literal or type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IntervalQualifier {
    pub from: TimeUnit,
    /// Digits of the leading field.
    pub precision: Option<u32>,
    pub to: Option<TimeUnit>,
    /// Digits after the second's point.
    pub fraction: Option<u32>,
}

impl IntervalQualifier {
    /// A single unit without precisions.
    pub const fn unit(from: TimeUnit) -> Self {
        Self {
            from,
            precision: None,
            to: None,
            fraction: None,
        }
    }
}

/// Units of intervals, EXTRACT, FLOOR/CEIL and TIMESTAMPADD/DIFF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeUnit {
    Millennium,
    Century,
    Decade,
    Year,
    Quarter,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    Nanosecond,
    /// Day of week, Sunday = 1.
    Dow,
    /// ISO day of week, Monday = 1.
    Isodow,
    /// Day of year.
    Doy,
    Isoyear,
    Epoch,
}

impl TimeUnit {
    /// All units with their canonical spelling.
    pub const ALL: [(TimeUnit, &'static str); 19] = [
        (TimeUnit::Millennium, "MILLENNIUM"),
        (TimeUnit::Century, "CENTURY"),
        (TimeUnit::Decade, "DECADE"),
        (TimeUnit::Year, "YEAR"),
        (TimeUnit::Quarter, "QUARTER"),
        (TimeUnit::Month, "MONTH"),
        (TimeUnit::Week, "WEEK"),
        (TimeUnit::Day, "DAY"),
        (TimeUnit::Hour, "HOUR"),
        (TimeUnit::Minute, "MINUTE"),
        (TimeUnit::Second, "SECOND"),
        (TimeUnit::Millisecond, "MILLISECOND"),
        (TimeUnit::Microsecond, "MICROSECOND"),
        (TimeUnit::Nanosecond, "NANOSECOND"),
        (TimeUnit::Dow, "DOW"),
        (TimeUnit::Isodow, "ISODOW"),
        (TimeUnit::Doy, "DOY"),
        (TimeUnit::Isoyear, "ISOYEAR"),
        (TimeUnit::Epoch, "EPOCH"),
    ];

    /// Canonical spelling.
    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(u, _)| *u == self)
            .map_or("", |(_, s)| s)
    }
}
