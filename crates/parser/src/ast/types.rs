//! Data types, time units and literals.

use super::{Expr, Ident, ObjectName, StringLit};
use crate::span::Span;

/// A data type as written, with its optional nullability suffix.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DataType {
    /// Which type.
    pub kind: DataTypeKind,
    /// `NOT NULL` is `Some(false)`, an explicit `NULL` is `Some(true)`.
    pub nullable: Option<bool>,
    /// Where it stands.
    pub span: Span,
}

/// The types of Flink SQL. Synonyms are folded: `INTEGER` is [`Int`],
/// `NUMERIC` and `DEC` are [`Decimal`], `INT ARRAY` is [`Array`].
///
/// [`Int`]: DataTypeKind::Int
/// [`Decimal`]: DataTypeKind::Decimal
/// [`Array`]: DataTypeKind::Array
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DataTypeKind {
    /// `CHAR[(n)]`
    Char(Option<u32>),
    /// `VARCHAR[(n)]`
    Varchar(Option<u32>),
    /// `STRING`
    String,
    /// `BOOLEAN`
    Boolean,
    /// `BINARY[(n)]`
    Binary(Option<u32>),
    /// `VARBINARY[(n)]`
    Varbinary(Option<u32>),
    /// `BYTES`
    Bytes,
    /// `DECIMAL[(precision[, scale])]`
    Decimal {
        /// Total digits.
        precision: Option<u32>,
        /// Digits after the point.
        scale: Option<u32>,
    },
    /// `TINYINT`
    TinyInt,
    /// `SMALLINT`
    SmallInt,
    /// `INT`
    Int,
    /// `BIGINT`
    BigInt,
    /// `FLOAT`
    Float,
    /// `DOUBLE`
    Double,
    /// `DATE`
    Date,
    /// `TIME[(p)]`
    Time(Option<u32>),
    /// `TIMESTAMP[(p)]`, without time zone
    Timestamp(Option<u32>),
    /// `TIMESTAMP[(p)] WITH TIME ZONE`; Flink has no values of it
    TimestampTz(Option<u32>),
    /// `TIMESTAMP_LTZ[(p)]` or `TIMESTAMP[(p)] WITH LOCAL TIME ZONE`
    TimestampLtz(Option<u32>),
    /// `INTERVAL unit [TO unit]`
    Interval(IntervalQualifier),
    /// `ARRAY<t>` or `t ARRAY`
    Array(Box<DataType>),
    /// `MULTISET<t>` or `t MULTISET`
    Multiset(Box<DataType>),
    /// `MAP<k, v>`
    Map(Box<DataType>, Box<DataType>),
    /// `ROW<..>` or `ROW(..)`
    Row(Vec<RowField>),
    /// `STRUCTURED<'class', ..>`
    Structured {
        /// The class name.
        class: StringLit,
        /// The attributes.
        fields: Vec<RowField>,
    },
    /// `RAW('class', 'serializer snapshot')`
    Raw {
        /// The class name.
        class: StringLit,
        /// The serializer snapshot.
        serializer: StringLit,
    },
    /// `NULL`
    Null,
    /// `VARIANT`
    Variant,
    /// `BITMAP`
    Bitmap,
    /// `DESCRIPTOR`
    Descriptor,
    /// A user-defined type by name.
    Named(ObjectName),
}

/// One field of a ROW or structured type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RowField {
    /// Field name.
    pub name: Ident,
    /// Field type.
    pub data_type: DataType,
    /// The comment after the type.
    pub comment: Option<StringLit>,
    /// The whole field.
    pub span: Span,
}

/// A unit of time, in intervals, EXTRACT, FLOOR TO and TIMESTAMPADD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeUnit {
    /// `MILLENNIUM`
    Millennium,
    /// `CENTURY`
    Century,
    /// `DECADE`
    Decade,
    /// `YEAR`
    Year,
    /// `ISOYEAR`
    IsoYear,
    /// `QUARTER`
    Quarter,
    /// `MONTH`
    Month,
    /// `WEEK`
    Week,
    /// `DAY`
    Day,
    /// `DOY`, day of the year
    Doy,
    /// `DOW`, day of the week
    Dow,
    /// `ISODOW`
    IsoDow,
    /// `HOUR`
    Hour,
    /// `MINUTE`
    Minute,
    /// `SECOND`
    Second,
    /// `MILLISECOND`
    Millisecond,
    /// `MICROSECOND`
    Microsecond,
    /// `NANOSECOND`
    Nanosecond,
    /// `EPOCH`
    Epoch,
}

impl TimeUnit {
    /// The canonical spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            TimeUnit::Millennium => "MILLENNIUM",
            TimeUnit::Century => "CENTURY",
            TimeUnit::Decade => "DECADE",
            TimeUnit::Year => "YEAR",
            TimeUnit::IsoYear => "ISOYEAR",
            TimeUnit::Quarter => "QUARTER",
            TimeUnit::Month => "MONTH",
            TimeUnit::Week => "WEEK",
            TimeUnit::Day => "DAY",
            TimeUnit::Doy => "DOY",
            TimeUnit::Dow => "DOW",
            TimeUnit::IsoDow => "ISODOW",
            TimeUnit::Hour => "HOUR",
            TimeUnit::Minute => "MINUTE",
            TimeUnit::Second => "SECOND",
            TimeUnit::Millisecond => "MILLISECOND",
            TimeUnit::Microsecond => "MICROSECOND",
            TimeUnit::Nanosecond => "NANOSECOND",
            TimeUnit::Epoch => "EPOCH",
        }
    }
}

/// `YEAR(2) TO MONTH`, `DAY TO SECOND(3)`, `SECOND(2, 3)` and the like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IntervalQualifier {
    /// The first (or only) unit.
    pub from: TimeUnit,
    /// Digits of the first unit.
    pub precision: Option<u32>,
    /// The last unit of a range.
    pub to: Option<TimeUnit>,
    /// Digits of the fraction of a second.
    pub fraction: Option<u32>,
}

impl IntervalQualifier {
    /// A qualifier of a single unit.
    pub fn unit(from: TimeUnit) -> Self {
        IntervalQualifier { from, precision: None, to: None, fraction: None }
    }
}

/// `INTERVAL [-] '..' qualifier`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IntervalLit {
    /// A minus sign stood before the quotes.
    pub negative: bool,
    /// The text between the quotes.
    pub value: String,
    /// The units.
    pub qualifier: IntervalQualifier,
    /// The whole literal.
    pub span: Span,
}

/// A literal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Literal {
    /// A number without sign, kept as written (`1`, `1.50`, `1e3`).
    Number(String),
    /// A character string.
    String(String),
    /// `TRUE` or `FALSE`
    Boolean(bool),
    /// `NULL`
    Null,
    /// `UNKNOWN`
    Unknown,
    /// `x'0aff'`: the hexadecimal digits, upper case
    Binary(String),
    /// `DATE '..'`
    Date(String),
    /// `TIME '..'`
    Time(String),
    /// `TIMESTAMP '..'`
    Timestamp(String),
    /// `INTERVAL '..' unit`
    Interval(IntervalLit),
}

/// The value of `START_MODE` of a materialized table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StartMode {
    /// `FROM_BEGINNING`
    FromBeginning,
    /// `FROM_NOW` or `FROM_NOW(INTERVAL ..)`
    FromNow(Option<Box<Expr>>),
    /// `FROM_TIMESTAMP(..)`
    FromTimestamp(Box<Expr>),
    /// `RESUME_OR_FROM_BEGINNING`
    ResumeOrFromBeginning,
    /// `RESUME_OR_FROM_NOW` or `RESUME_OR_FROM_NOW(INTERVAL ..)`
    ResumeOrFromNow(Option<Box<Expr>>),
    /// `RESUME_OR_FROM_TIMESTAMP(..)`
    ResumeOrFromTimestamp(Box<Expr>),
}
