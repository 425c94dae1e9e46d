//! Data types as written to logical types.

use weir_core::types::{IntervalField, MAX_LENGTH, TimeAttribute};
use weir_core::{DataType, Error, Field, Result, TypeKind};
use weir_parser::ast;

use super::at::At;

/// Resolves a written type; nullable unless NOT NULL stands behind it.
pub fn bind_type(ty: &ast::DataType) -> Result<DataType> {
    use ast::DataTypeKind as K;
    let length = |n: Option<u32>, what: &str| match n {
        Some(0) => Err(Error::validation(format!("the length of {what} must be at least 1"))),
        Some(n) => Ok(n),
        None => Ok(1),
    };
    let precision = |p: Option<u32>, default: u8, what: &str| match p {
        None => Ok(default),
        Some(p) if p <= 9 => Ok(p as u8),
        Some(p) => Err(Error::validation(format!(
            "the precision of {what} must be between 0 and 9, got {p}"
        ))),
    };
    let kind = match &ty.kind {
        K::Null => TypeKind::Null,
        K::Boolean => TypeKind::Boolean,
        K::TinyInt => TypeKind::TinyInt,
        K::SmallInt => TypeKind::SmallInt,
        K::Int => TypeKind::Int,
        K::BigInt => TypeKind::BigInt,
        K::Float => TypeKind::Float,
        K::Double => TypeKind::Double,
        K::Decimal { precision, scale } => {
            return decimal(*precision, *scale).map(|k| finish(k, ty)).at(ty.span);
        }
        K::Char(n) => TypeKind::Char(length(*n, "CHAR").at(ty.span)?),
        // Without a length these are STRING and BYTES.
        K::Varchar(None) => TypeKind::Varchar(MAX_LENGTH),
        K::Varbinary(None) => TypeKind::Varbinary(MAX_LENGTH),
        K::Varchar(n) => TypeKind::Varchar(length(*n, "VARCHAR").at(ty.span)?),
        K::String => TypeKind::Varchar(MAX_LENGTH),
        K::Binary(n) => TypeKind::Binary(length(*n, "BINARY").at(ty.span)?),
        K::Varbinary(n) => TypeKind::Varbinary(length(*n, "VARBINARY").at(ty.span)?),
        K::Bytes => TypeKind::Varbinary(MAX_LENGTH),
        K::Date => TypeKind::Date,
        K::Time(p) => TypeKind::Time(precision(*p, 0, "TIME").at(ty.span)?),
        K::Timestamp(p) => {
            TypeKind::Timestamp(precision(*p, 6, "TIMESTAMP").at(ty.span)?, TimeAttribute::None)
        }
        K::TimestampLtz(p) => TypeKind::TimestampLtz(
            precision(*p, 6, "TIMESTAMP_LTZ").at(ty.span)?,
            TimeAttribute::None,
        ),
        K::Interval(q) => interval_kind(q),
        K::Array(e) => TypeKind::Array(Box::new(bind_type(e)?)),
        K::Multiset(e) => TypeKind::Multiset(Box::new(bind_type(e)?)),
        K::Map(k, v) => TypeKind::Map(Box::new(bind_type(k)?), Box::new(bind_type(v)?)),
        K::Row(fields) => TypeKind::Row(row_fields(fields)?),
        K::Structured { class, fields } => {
            TypeKind::Structured(class.value.clone(), row_fields(fields)?)
        }
        K::Raw { class, serializer } => {
            TypeKind::Raw(class.value.clone(), serializer.value.clone())
        }
        K::Variant => TypeKind::Variant,
        K::Bitmap => TypeKind::Bitmap,
        K::Named(name) => {
            return Err(Error::validation(format!(
                "Unknown identifier '{name}': no such data type"
            )))
            .at(ty.span);
        }
        _ => return Err(Error::validation("unsupported data type")).at(ty.span),
    };
    Ok(finish(kind, ty))
}

fn finish(kind: TypeKind, ty: &ast::DataType) -> DataType {
    DataType::from(kind).with_nullable(ty.nullable != Some(false))
}

fn decimal(precision: Option<u32>, scale: Option<u32>) -> Result<TypeKind> {
    let p = precision.unwrap_or(10);
    let s = scale.unwrap_or(0);
    if p == 0 || p > 38 || s > p {
        return Err(Error::validation(format!(
            "DECIMAL({p}, {s}): the precision must be between 1 and 38, the scale between 0 and the precision"
        )));
    }
    Ok(TypeKind::Decimal(p as u8, s as u8))
}

fn row_fields(fields: &[ast::RowField]) -> Result<Vec<Field>> {
    fields.iter().map(|f| Ok(Field::new(f.name.value.clone(), bind_type(&f.data_type)?))).collect()
}

/// The interval type of a qualifier: Flink knows one per family, in its finest field.
pub fn interval_kind(q: &ast::IntervalQualifier) -> TypeKind {
    match q.from {
        ast::TimeUnit::Year | ast::TimeUnit::Quarter | ast::TimeUnit::Month => {
            TypeKind::IntervalYearMonth(IntervalField::Month, IntervalField::Month)
        }
        _ => TypeKind::IntervalDayTime(IntervalField::Second, IntervalField::Second),
    }
}
