//! Which casts exist: written by the user, inserted by the engine, and at sinks.

use weir_core::{DataType, TypeKind};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Root {
    Null,
    Str,
    Bin,
    Bool,
    Num,
    Date,
    Time,
    Ts,
    Ltz,
    YearMonth,
    DayTime,
    Raw,
}

fn root(t: &DataType) -> Option<Root> {
    Some(match t.kind {
        TypeKind::Null => Root::Null,
        TypeKind::Char(_) | TypeKind::Varchar(_) => Root::Str,
        TypeKind::Binary(_) | TypeKind::Varbinary(_) => Root::Bin,
        TypeKind::Boolean => Root::Bool,
        TypeKind::Date => Root::Date,
        TypeKind::Time(_) => Root::Time,
        TypeKind::Timestamp(..) => Root::Ts,
        TypeKind::TimestampLtz(..) => Root::Ltz,
        TypeKind::IntervalYearMonth(..) => Root::YearMonth,
        TypeKind::IntervalDayTime(..) => Root::DayTime,
        TypeKind::Raw(..) => Root::Raw,
        _ if t.is_numeric() => Root::Num,
        _ => return None,
    })
}

/// Whether `CAST(from AS to)` exists in Flink.
pub fn explicit_cast_allowed(from: &DataType, to: &DataType) -> bool {
    use Root::*;
    if from.kind == TypeKind::Null {
        return to.kind != TypeKind::Variant || from.kind == to.kind;
    }
    if from.kind == TypeKind::Variant || to.kind == TypeKind::Variant {
        return from.kind == to.kind;
    }
    if let Some(nested) = nested_cast(from, to, explicit_cast_allowed) {
        return nested;
    }
    let (a, b) = (root(from), root(to));
    if b == Some(Str) {
        return from.kind != TypeKind::Bitmap || a.is_some();
    }
    let (Some(a), Some(b)) = (a, b) else {
        return from.kind == to.kind;
    };
    match (a, b) {
        (Str, b) => !matches!(b, YearMonth | DayTime | Raw),
        (Bin, Bin | Raw) => true,
        (Bool, Bool | Num) | (Num, Num | Bool) => true,
        (Num, YearMonth | DayTime) => from.is_integer(),
        (Date, Date | Ts | Ltz) => true,
        (Time, Time | Ts | Ltz) => true,
        (Ts, Date | Time | Ts | Ltz) | (Ltz, Date | Time | Ts | Ltz) => true,
        (YearMonth, YearMonth) | (DayTime, DayTime) | (Raw, Bin) => true,
        _ => from.kind == to.kind,
    }
}

/// Whether the engine may insert the cast by itself: no information is lost.
pub fn implicit_cast_allowed(from: &DataType, to: &DataType) -> bool {
    use TypeKind::*;
    if from.kind == Null || from.same_kind(to) {
        return true;
    }
    if let Some(nested) = nested_cast(from, to, implicit_cast_allowed) {
        return nested;
    }
    match (&from.kind, &to.kind) {
        (Char(_) | Varchar(_), Char(_) | Varchar(_)) => true,
        (Binary(_) | Varbinary(_), Binary(_) | Varbinary(_)) => true,
        (Timestamp(..), Timestamp(..)) | (TimestampLtz(..), TimestampLtz(..)) => true,
        (Date, Timestamp(..)) => true,
        (Time(_), Time(_)) => true,
        (IntervalYearMonth(..), IntervalYearMonth(..)) => true,
        (IntervalDayTime(..), IntervalDayTime(..)) => true,
        _ => from.is_numeric() && to.is_numeric() && rank(from) <= rank(to),
    }
}

fn rank(t: &DataType) -> u8 {
    match t.kind {
        TypeKind::TinyInt => 1,
        TypeKind::SmallInt => 2,
        TypeKind::Int => 3,
        TypeKind::BigInt => 4,
        TypeKind::Decimal(..) => 5,
        TypeKind::Float => 6,
        _ => 7,
    }
}

/// Whether a query column may be written into a sink column of the other type
/// without an explicit CAST.
pub fn store_assignment_allowed(from: &DataType, to: &DataType) -> bool {
    use TypeKind::*;
    if matches!((&from.kind, &to.kind), (Date, Timestamp(..))) {
        return false;
    }
    if implicit_cast_allowed(from, to) {
        return true;
    }
    if let Some(nested) = nested_cast(from, to, store_assignment_allowed) {
        return nested;
    }
    matches!(
        (&from.kind, &to.kind),
        (Timestamp(..), TimestampLtz(..) | Date | Time(_))
            | (TimestampLtz(..), Timestamp(..) | Date | Time(_))
            | (Float | Double, Decimal(..))
    )
}

/// Casts between constructed types: field by field; None if neither is one.
fn nested_cast(
    from: &DataType,
    to: &DataType,
    allowed: fn(&DataType, &DataType) -> bool,
) -> Option<bool> {
    use TypeKind::*;
    Some(match (&from.kind, &to.kind) {
        (Array(a), Array(b)) | (Multiset(a), Multiset(b)) => allowed(a, b),
        (Map(k1, v1), Map(k2, v2)) => allowed(k1, k2) && allowed(v1, v2),
        (Row(_) | Structured(..), Row(_) | Structured(..)) => {
            let (x, y) = (from.fields()?, to.fields()?);
            x.len() == y.len() && x.iter().zip(y).all(|(f, g)| allowed(&f.ty, &g.ty))
        }
        _ => return None,
    })
}
