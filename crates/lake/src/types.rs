//! Flink types and Paimon types, both ways.
//!
//! Invariant: a type that maps to Paimon and back is the same type, but for time
//! attributes (they live in the watermark) and structured names (refused).

use paimon::spec as p;
use weir_core::types::MAX_LENGTH;
use weir_core::{DataType, Error, Field, Result, TimeAttribute, TypeKind};

use crate::rt::lake_error;

/// The Paimon type of a Flink type.
pub(crate) fn to_paimon(ty: &DataType) -> Result<p::DataType> {
    let null = ty.nullable;
    let bad = lake_error;
    Ok(match &ty.kind {
        TypeKind::Boolean => p::DataType::Boolean(p::BooleanType::with_nullable(null)),
        TypeKind::TinyInt => p::DataType::TinyInt(p::TinyIntType::with_nullable(null)),
        TypeKind::SmallInt => p::DataType::SmallInt(p::SmallIntType::with_nullable(null)),
        TypeKind::Int => p::DataType::Int(p::IntType::with_nullable(null)),
        TypeKind::BigInt => p::DataType::BigInt(p::BigIntType::with_nullable(null)),
        TypeKind::Float => p::DataType::Float(p::FloatType::with_nullable(null)),
        TypeKind::Double => p::DataType::Double(p::DoubleType::with_nullable(null)),
        TypeKind::Decimal(precision, scale) => p::DataType::Decimal(
            p::DecimalType::with_nullable(null, u32::from(*precision), u32::from(*scale))
                .map_err(bad)?,
        ),
        TypeKind::Char(n) => {
            p::DataType::Char(p::CharType::with_nullable(null, *n as usize).map_err(bad)?)
        }
        TypeKind::Varchar(n) => {
            p::DataType::VarChar(p::VarCharType::with_nullable(null, *n).map_err(bad)?)
        }
        TypeKind::Binary(n) => {
            p::DataType::Binary(p::BinaryType::with_nullable(null, *n as usize).map_err(bad)?)
        }
        TypeKind::Varbinary(n) => {
            p::DataType::VarBinary(p::VarBinaryType::try_new(null, *n).map_err(bad)?)
        }
        TypeKind::Date => p::DataType::Date(p::DateType::with_nullable(null)),
        TypeKind::Time(precision) => {
            p::DataType::Time(p::TimeType::with_nullable(null, u32::from(*precision)).map_err(bad)?)
        }
        TypeKind::Timestamp(precision, _) => p::DataType::Timestamp(
            p::TimestampType::with_nullable(null, u32::from(*precision)).map_err(bad)?,
        ),
        TypeKind::TimestampLtz(precision, _) => p::DataType::LocalZonedTimestamp(
            p::LocalZonedTimestampType::with_nullable(null, u32::from(*precision)).map_err(bad)?,
        ),
        TypeKind::Array(e) => p::DataType::Array(p::ArrayType::with_nullable(null, to_paimon(e)?)),
        TypeKind::Multiset(e) => {
            p::DataType::Multiset(p::MultisetType::with_nullable(null, to_paimon(e)?))
        }
        TypeKind::Map(k, v) => {
            p::DataType::Map(p::MapType::with_nullable(null, to_paimon(k)?, to_paimon(v)?))
        }
        TypeKind::Row(fields) => p::DataType::Row(p::RowType::with_nullable(null, row(fields)?)),
        TypeKind::Variant => p::DataType::Variant(p::VariantType::with_nullable(null)),
        TypeKind::Null
        | TypeKind::IntervalYearMonth(..)
        | TypeKind::IntervalDayTime(..)
        | TypeKind::Structured(..)
        | TypeKind::Bitmap
        | TypeKind::Raw(..) => {
            return Err(Error::validation(format!("Paimon tables cannot store type {ty}"))
                .hint("cast the column to a type that Paimon has, for example STRING or BIGINT"));
        }
    })
}

fn row(fields: &[Field]) -> Result<Vec<p::DataField>> {
    fields
        .iter()
        .enumerate()
        .map(|(i, f)| Ok(p::DataField::new(i as i32, f.name.clone(), to_paimon(&f.ty)?)))
        .collect()
}

/// The Flink type of a Paimon type.
pub(crate) fn from_paimon(ty: &p::DataType) -> Result<DataType> {
    let small = |x: u32| u8::try_from(x).map_err(|_| Error::validation(format!("precision {x}")));
    let kind = match ty {
        p::DataType::Boolean(_) => TypeKind::Boolean,
        p::DataType::TinyInt(_) => TypeKind::TinyInt,
        p::DataType::SmallInt(_) => TypeKind::SmallInt,
        p::DataType::Int(_) => TypeKind::Int,
        p::DataType::BigInt(_) => TypeKind::BigInt,
        p::DataType::Float(_) => TypeKind::Float,
        p::DataType::Double(_) => TypeKind::Double,
        p::DataType::Decimal(d) => TypeKind::Decimal(small(d.precision())?, small(d.scale())?),
        p::DataType::Char(c) => TypeKind::Char(c.length() as u32),
        p::DataType::VarChar(c) => TypeKind::Varchar(c.length().min(MAX_LENGTH)),
        p::DataType::Binary(b) => TypeKind::Binary(b.length() as u32),
        p::DataType::VarBinary(b) => TypeKind::Varbinary(b.length().min(MAX_LENGTH)),
        p::DataType::Blob(_) => TypeKind::Varbinary(MAX_LENGTH),
        p::DataType::Date(_) => TypeKind::Date,
        p::DataType::Time(t) => TypeKind::Time(small(t.precision())?),
        p::DataType::Timestamp(t) => {
            TypeKind::Timestamp(small(t.precision())?, TimeAttribute::None)
        }
        p::DataType::LocalZonedTimestamp(t) => {
            TypeKind::TimestampLtz(small(t.precision())?, TimeAttribute::None)
        }
        p::DataType::Array(a) => TypeKind::Array(Box::new(from_paimon(a.element_type())?)),
        p::DataType::Vector(v) => TypeKind::Array(Box::new(from_paimon(v.element_type())?)),
        p::DataType::Multiset(m) => TypeKind::Multiset(Box::new(from_paimon(m.element_type())?)),
        p::DataType::Map(m) => TypeKind::Map(
            Box::new(from_paimon(m.key_type())?),
            Box::new(from_paimon(m.value_type())?),
        ),
        p::DataType::Row(r) => TypeKind::Row(
            r.fields()
                .iter()
                .map(|f| Ok(Field::new(f.name(), from_paimon(f.data_type())?)))
                .collect::<Result<_>>()?,
        ),
        p::DataType::Variant(_) => TypeKind::Variant,
    };
    Ok(DataType { kind, nullable: ty.is_nullable() })
}

/// Equal but for nullability and time attributes at any depth.
pub(crate) fn same(a: &DataType, b: &DataType) -> bool {
    match (&a.kind, &b.kind) {
        (TypeKind::Array(x), TypeKind::Array(y))
        | (TypeKind::Multiset(x), TypeKind::Multiset(y)) => same(x, y),
        (TypeKind::Map(k, v), TypeKind::Map(l, w)) => same(k, l) && same(v, w),
        (TypeKind::Row(x), TypeKind::Row(y)) => {
            x.len() == y.len()
                && x.iter().zip(y).all(|(f, g)| f.name == g.name && same(&f.ty, &g.ty))
        }
        _ => a.same_kind(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_survive_the_round_trip() {
        let types = [
            "BOOLEAN NOT NULL",
            "TINYINT",
            "DECIMAL(38, 18)",
            "CHAR(7)",
            "VARCHAR(2147483647)",
            "BINARY(4)",
            "TIME(3)",
            "TIMESTAMP(0)",
            "TIMESTAMP(9)",
            "TIMESTAMP(6) WITH LOCAL TIME ZONE",
            "ARRAY<INT NOT NULL>",
            "MULTISET<VARCHAR(5)>",
            "MAP<VARCHAR(2147483647), ROW<`x` INT, `y` DOUBLE NOT NULL>>",
        ];
        for text in types {
            let ty = crate::type_text::parse(text).unwrap();
            assert_eq!(from_paimon(&to_paimon(&ty).unwrap()).unwrap(), ty, "{text}");
        }
        assert!(to_paimon(&crate::type_text::parse("INTERVAL YEAR").unwrap()).is_err());
    }
}
