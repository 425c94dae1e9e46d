//! Arrays, maps, rows, structured values and bitmaps.

use weir_core::{DataType, Field, Result, TypeKind};

use super::call::{Call, ScalarSignature};
use super::casting::implicit_cast_allowed;
use super::common::common_type;
use super::table::{Arg, coerce};

pub(crate) fn resolve(call: &Call<'_>) -> Option<Result<ScalarSignature>> {
    Some(match call.name {
        "ITEM" => item(call),
        "CARDINALITY" => cardinality(call),
        "ELEMENT" => element(call).map(|e| call.keep(e.with_nullable_if(call.any_nullable()))),
        "ARRAY_MAX" | "ARRAY_MIN" => {
            call.count(1, 1).and_then(|()| element(call)).map(|e| call.keep(e.null()))
        }
        "ARRAY_APPEND" | "ARRAY_PREPEND" => append(call),
        "ARRAY_CONTAINS" | "ARRAY_POSITION" | "ARRAY_REMOVE" => search(call),
        "ARRAY_CONCAT" | "ARRAY_UNION" | "ARRAY_INTERSECT" | "ARRAY_EXCEPT" => merge(call),
        "ARRAY_DISTINCT" | "ARRAY_REVERSE" => {
            call.count(1, 1).and_then(|()| element(call)).map(|_| call.keep(call.ty(0).clone()))
        }
        "ARRAY_SLICE" => slice(call),
        "ARRAY_SORT" => sort(call),
        "ARRAY_JOIN" => join(call),
        "MAP_KEYS" => map_part(call, |k, _| k),
        "MAP_VALUES" => map_part(call, |_, v| v),
        "MAP_ENTRIES" => map_part(call, |k, v| {
            TypeKind::Row(vec![Field::new("key", k), Field::new("value", v)]).into()
        }),
        "MAP_FROM_ARRAYS" => map_from_arrays(call),
        "MAP_UNION" => map_union(call),
        "OBJECT_OF" => object_of(call),
        "OBJECT_UPDATE" => object_update(call),
        name if name.starts_with("BITMAP_") => return bitmap(call),
        _ => return None,
    })
}

trait NullableIf {
    fn with_nullable_if(self, nullable: bool) -> Self;
}

impl NullableIf for DataType {
    fn with_nullable_if(self, nullable: bool) -> Self {
        let nullable = nullable || self.nullable;
        self.with_nullable(nullable)
    }
}

/// Element type of the array in the first argument.
fn element(call: &Call<'_>) -> Result<DataType> {
    call.count(1, usize::MAX)?;
    match &call.ty(0).kind {
        TypeKind::Array(e) => Ok(e.as_ref().clone()),
        _ => Err(call.reject("an ARRAY as argument 1")),
    }
}

fn array_of(e: DataType) -> DataType {
    TypeKind::Array(Box::new(e)).into()
}

/// Subscript of an array, map or VARIANT; of a row by a literal name or position.
fn item(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(2, 2)?;
    let (c, k) = (call.ty(0), call.ty(1));
    match &c.kind {
        TypeKind::Array(e) => {
            let index = coerce(Arg::I, call, 1)?;
            Ok(call.sig(vec![c.clone(), index], e.as_ref().clone().null()))
        }
        TypeKind::Map(key, value) => {
            if !implicit_cast_allowed(k, key) {
                return Err(call.reject(&format!("a key of type {key}")));
            }
            // A literal may be longer than CHAR(n) keys: compare it as it is.
            let key_type =
                if key.is_string() && k.is_string() { k.clone() } else { key.as_ref().clone() };
            Ok(call.sig(vec![c.clone(), key_type], value.as_ref().clone().null()))
        }
        TypeKind::Variant if k.is_string() || k.is_integer() => {
            let key =
                if k.is_integer() { DataType::int().with_nullable(k.nullable) } else { k.clone() };
            Ok(call.sig(vec![c.clone(), key], DataType::from(TypeKind::Variant)))
        }
        TypeKind::Row(fields) => {
            let position = match call.args[1].literal {
                Some(weir_core::Value::Int(i)) => usize::try_from(*i - 1).ok(),
                Some(weir_core::Value::String(s)) => fields.iter().position(|f| f.name == *s),
                _ => None,
            };
            let field = position.and_then(|p| fields.get(p));
            let field =
                field.ok_or_else(|| call.reject("the literal name or position of a field"))?;
            Ok(call.keep(field.ty.clone().with_nullable_if(c.nullable)))
        }
        _ => Err(call.reject("an ARRAY, MAP, ROW or VARIANT and its index")),
    }
}

fn cardinality(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(1, 1)?;
    match call.ty(0).kind {
        TypeKind::Array(_) | TypeKind::Map(..) | TypeKind::Multiset(_) => {
            Ok(call.keep(DataType::int().with_nullable(call.any_nullable())))
        }
        _ => Err(call.reject("an ARRAY, MAP or MULTISET")),
    }
}

/// The element type after a value of another type joins.
fn joined(call: &Call<'_>, e: &DataType, value: &DataType) -> Result<DataType> {
    if value.kind == TypeKind::Null {
        return Ok(e.clone().null());
    }
    let common = common_type(&[e.clone(), value.clone()]);
    match common {
        Some(t) if implicit_cast_allowed(value, e) || t.same_kind(e) => {
            Ok(if t.is_string() { t } else { e.clone().with_nullable(t.nullable) })
        }
        _ => Err(call.reject(&format!("a value of type {e}"))),
    }
}

fn append(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(2, 2)?;
    let e = joined(call, &element(call)?, call.ty(1))?;
    let array = array_of(e.clone()).with_nullable(call.ty(0).nullable);
    let value = e.with_nullable(call.ty(1).nullable);
    let ret = array.clone().with_nullable(call.any_nullable());
    Ok(call.sig(vec![array, value], ret))
}

fn search(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(2, 2)?;
    let element = element(call)?;
    let e = joined(call, &element, call.ty(1))?;
    let array = call.ty(0);
    let kept = array_of(e.clone().with_nullable(element.nullable)).with_nullable(array.nullable);
    let value = e.with_nullable(call.ty(1).nullable);
    let ret = match call.name {
        "ARRAY_CONTAINS" => DataType::boolean().with_nullable(array.nullable),
        "ARRAY_POSITION" => DataType::int().with_nullable(call.any_nullable()),
        _ => kept.clone(),
    };
    Ok(call.sig(vec![kept, value], ret))
}

pub(super) fn merge(call: &Call<'_>) -> Result<ScalarSignature> {
    let (min, max) = if call.name == "ARRAY_CONCAT" { (1, usize::MAX) } else { (2, 2) };
    call.count(min, max)?;
    let types: Vec<DataType> = call.args.iter().map(|a| a.ty.clone()).collect();
    if types.iter().any(|t| !matches!(t.kind, TypeKind::Array(_) | TypeKind::Null)) {
        return Err(call.reject("arrays"));
    }
    let common = common_type(&types).ok_or_else(|| call.reject("arrays of a common type"))?;
    let args = types.iter().map(|t| common.clone().with_nullable(t.nullable)).collect();
    let ret = if call.name == "ARRAY_EXCEPT" {
        match &common.kind {
            TypeKind::Array(e) => {
                array_of(e.as_ref().clone().with_nullable(element(call)?.nullable))
            }
            _ => common,
        }
    } else {
        common
    };
    Ok(call.sig(args, ret.with_nullable(call.any_nullable())))
}

fn slice(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(2, 3)?;
    element(call)?;
    let mut args = vec![call.ty(0).clone()];
    for i in 1..call.len() {
        args.push(coerce(Arg::I, call, i)?);
    }
    Ok(call.sig(args, call.ty(0).clone().with_nullable(call.any_nullable())))
}

fn sort(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(1, 3)?;
    element(call)?;
    let mut args = vec![call.ty(0).clone()];
    for i in 1..call.len() {
        args.push(coerce(Arg::B, call, i)?);
    }
    Ok(call.sig(args, call.ty(0).clone().with_nullable(call.any_nullable())))
}

fn join(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(2, 3)?;
    if !element(call)?.is_string() {
        return Err(call.reject("an array of character strings"));
    }
    let mut args = vec![call.ty(0).clone()];
    for i in 1..call.len() {
        args.push(coerce(Arg::S, call, i)?);
    }
    Ok(call.sig(args, DataType::string().with_nullable(call.any_nullable())))
}

fn key_value(call: &Call<'_>, i: usize) -> Result<(DataType, DataType)> {
    match call.args.get(i).map(|a| &a.ty.kind) {
        Some(TypeKind::Map(k, v)) => Ok((k.as_ref().clone(), v.as_ref().clone())),
        _ => Err(call.reject(&format!("a MAP as argument {}", i + 1))),
    }
}

fn map_part(
    call: &Call<'_>,
    part: impl Fn(DataType, DataType) -> DataType,
) -> Result<ScalarSignature> {
    call.count(1, 1)?;
    let (k, v) = key_value(call, 0)?;
    Ok(call.keep(array_of(part(k, v)).with_nullable(call.any_nullable())))
}

fn map_from_arrays(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(2, 2)?;
    match (&call.ty(0).kind, &call.ty(1).kind) {
        (TypeKind::Array(k), TypeKind::Array(v)) => {
            let map = DataType::from(TypeKind::Map(k.clone(), v.clone()));
            Ok(call.keep(map.with_nullable(call.any_nullable())))
        }
        _ => Err(call.reject("two arrays")),
    }
}

fn map_union(call: &Call<'_>) -> Result<ScalarSignature> {
    call.count(1, usize::MAX)?;
    key_value(call, 0)?;
    let types: Vec<DataType> = call.args.iter().map(|a| a.ty.clone()).collect();
    let common = common_type(&types).ok_or_else(|| call.reject("maps of a common type"))?;
    let args = types.iter().map(|t| common.clone().with_nullable(t.nullable)).collect();
    Ok(call.sig(args, common))
}

/// OBJECT_OF('Class', 'field', value, ..).
fn object_of(call: &Call<'_>) -> Result<ScalarSignature> {
    if call.len().is_multiple_of(2) {
        return Err(call.reject("a class name and pairs of field name and value"));
    }
    let class = call.text(0)?.to_owned();
    let mut fields = Vec::new();
    for i in (1..call.len()).step_by(2) {
        fields.push(Field::new(call.text(i)?, call.ty(i + 1).clone()));
    }
    Ok(call.keep(TypeKind::Structured(class, fields).into()))
}

/// OBJECT_UPDATE(object, 'field', value, ..).
fn object_update(call: &Call<'_>) -> Result<ScalarSignature> {
    let TypeKind::Structured(class, fields) = &call.ty(0).kind else {
        return Err(call.reject("a structured value"));
    };
    if call.len() < 3 || call.len().is_multiple_of(2) {
        return Err(call.reject("pairs of field name and value"));
    }
    let mut fields = fields.clone();
    for i in (1..call.len()).step_by(2) {
        let name = call.text(i)?;
        let Some(field) = fields.iter_mut().find(|f| f.name == name) else {
            return Err(call.reject(&format!("a field of {class}, but it has no '{name}'")));
        };
        field.ty = call.ty(i + 1).clone();
    }
    let ty = DataType::from(TypeKind::Structured(class.clone(), fields));
    Ok(call.keep(ty.with_nullable(call.ty(0).nullable)))
}

fn bitmap(call: &Call<'_>) -> Option<Result<ScalarSignature>> {
    let nullable = call.any_nullable();
    let bitmap = DataType::from(TypeKind::Bitmap).with_nullable(nullable);
    let is_bitmap = |i: usize| call.args.get(i).is_some_and(|a| a.ty.kind == TypeKind::Bitmap);
    let one = |ret: DataType| {
        call.count(1, 1)?;
        if is_bitmap(0) {
            Ok(call.keep(ret.with_nullable(nullable)))
        } else {
            Err(call.reject("a BITMAP"))
        }
    };
    Some(match call.name {
        "BITMAP_BUILD" => element(call).and_then(|e| {
            if !e.is_integer() {
                return Err(call.reject("an ARRAY<INT>"));
            }
            let ints = array_of(DataType::int().with_nullable(e.nullable));
            Ok(call.sig(vec![ints.with_nullable(nullable)], bitmap))
        }),
        "BITMAP_FROM_BYTES" => coerce(Arg::Y, call, 0).map(|t| call.sig(vec![t], bitmap)),
        "BITMAP_TO_BYTES" => one(DataType::bytes()),
        "BITMAP_TO_ARRAY" => one(array_of(DataType::int())),
        "BITMAP_TO_STRING" => one(DataType::string()),
        "BITMAP_CARDINALITY" => one(DataType::bigint()),
        "BITMAP_AND" | "BITMAP_OR" | "BITMAP_XOR" | "BITMAP_ANDNOT" => {
            if call.len() == 2 && is_bitmap(0) && is_bitmap(1) {
                Ok(call.keep(bitmap))
            } else {
                Err(call.reject("two BITMAPs"))
            }
        }
        _ => return None,
    })
}
