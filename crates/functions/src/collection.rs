//! Constructors and functions of arrays, maps, rows and structured values.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, ListArray, MapArray, StructArray, UInt32Array,
};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType as ArrowType, Int32Type};
use weir_core::value::values_to_array;
use weir_core::{Error, Result, TypeKind, Value};

use crate::args::{Args, Kernel, with_nulls};
use crate::compare::equal;
use crate::expr::Expr;
use crate::site::Site;

pub(crate) fn kernel(site: &Site<'_>) -> Result<Option<Kernel>> {
    let row: RowFn = match site.name {
        "ITEM" => return Ok(Some(item(site)?)),
        "ARRAY" => return Ok(Some(Arc::new(array_of))),
        "MAP" => return Ok(Some(Arc::new(map_of))),
        "ROW" => return Ok(Some(Arc::new(|a| row_of(a, &(0..a.len()).collect::<Vec<_>>())))),
        "OBJECT_OF" => {
            return Ok(Some(Arc::new(|a| row_of(a, &(2..a.len()).step_by(2).collect::<Vec<_>>()))));
        }
        "OBJECT_UPDATE" => return Ok(Some(object_update(site)?)),
        "CARDINALITY" => return Ok(Some(Arc::new(cardinality))),
        "ARRAY_CONTAINS" => return Ok(Some(Arc::new(contains))),
        "CONCAT" | "ARRAY_CONCAT" => |a| Ok(Value::Array(a.iter().flat_map(items).collect())),
        "ELEMENT" => |a| {
            let mut v = items(&a[0]);
            match v.len() {
                0 => Ok(Value::Null),
                1 => Ok(v.remove(0)),
                n => Err(Error::data(format!("Array has more than one element: ELEMENT of {n}"))),
            }
        },
        "ARRAY_MAX" => |a| Ok(extremum(&a[0], Ordering::Greater)),
        "ARRAY_MIN" => |a| Ok(extremum(&a[0], Ordering::Less)),
        "ARRAY_DISTINCT" => |a| Ok(Value::Array(distinct(items(&a[0])))),
        "ARRAY_REVERSE" => |a| Ok(Value::Array(items(&a[0]).into_iter().rev().collect())),
        "ARRAY_UNION" => {
            |a| Ok(Value::Array(distinct(items(&a[0]).into_iter().chain(items(&a[1])).collect())))
        }
        "ARRAY_INTERSECT" => |a| {
            let other = items(&a[1]);
            let kept = items(&a[0]).into_iter().filter(|x| other.iter().any(|y| equal(x, y)));
            Ok(Value::Array(distinct(kept.collect())))
        },
        "ARRAY_EXCEPT" => |a| {
            let other = items(&a[1]);
            let kept = items(&a[0]).into_iter().filter(|x| !other.iter().any(|y| equal(x, y)));
            Ok(Value::Array(distinct(kept.collect())))
        },
        "ARRAY_SLICE" => |a| Ok(slice(a)),
        "ARRAY_SORT" => return Ok(Some(by_row_any(sort))),
        "ARRAY_APPEND" => return Ok(Some(by_row_any(|a| Ok(add(a, |items, v| items.push(v)))))),
        "ARRAY_PREPEND" => {
            return Ok(Some(by_row_any(|a| Ok(add(a, |items, v| items.insert(0, v))))));
        }
        "ARRAY_REMOVE" => {
            return Ok(Some(by_row_any(|a| {
                Ok(if a[0].is_null() {
                    Value::Null
                } else {
                    Value::Array(items(&a[0]).into_iter().filter(|x| !equal(x, &a[1])).collect())
                })
            })));
        }
        "ARRAY_POSITION" => |a| {
            let at = items(&a[0]).iter().position(|x| equal(x, &a[1]));
            Ok(Value::Int(at.map_or(0, |p| p as i64 + 1)))
        },
        "ARRAY_JOIN" => |a| Ok(join(a)),
        "MAP_KEYS" => |a| Ok(Value::Array(entries(&a[0]).into_iter().map(|(k, _)| k).collect())),
        "MAP_VALUES" => |a| Ok(Value::Array(entries(&a[0]).into_iter().map(|(_, v)| v).collect())),
        "MAP_ENTRIES" => |a| {
            let rows = entries(&a[0]).into_iter().map(|(k, v)| Value::Row(vec![k, v]));
            Ok(Value::Array(rows.collect()))
        },
        "MAP_FROM_ARRAYS" => |a| {
            let (k, v) = (items(&a[0]), items(&a[1]));
            if k.len() != v.len() {
                return Err(Error::data(format!(
                    "Invalid function MAP_FROM_ARRAYS call: the array of {} keys and the array of {} values differ in length",
                    k.len(),
                    v.len()
                )));
            }
            Ok(Value::Map(put_all(k.into_iter().zip(v))))
        },
        // Later maps come first.
        "MAP_UNION" => |a| {
            let mut union: Vec<(Value, Value)> = Vec::new();
            for (k, v) in a.iter().rev().flat_map(entries) {
                if !union.iter().any(|(seen, _)| equal(seen, &k)) {
                    union.push((k, v));
                }
            }
            Ok(Value::Map(union))
        },
        _ => return Ok(None),
    };
    Ok(Some(Arc::new(move |a| by_row(a, row, true))))
}

/// A function of one row's values; no argument is NULL unless asked for.
type RowFn = fn(&[Value]) -> Result<Value>;

fn by_row_any(f: RowFn) -> Kernel {
    Arc::new(move |a| by_row(a, f, false))
}

fn by_row(a: &Args<'_>, f: RowFn, strict: bool) -> Result<ArrayRef> {
    let mut out = Vec::with_capacity(a.rows);
    let mut values = Vec::with_capacity(a.len());
    for i in 0..a.rows {
        values.clear();
        values.extend((0..a.len()).map(|n| Value::from_array(a.col(n), a.at(n, i))));
        let null = strict && values.iter().any(Value::is_null);
        out.push(if null { Value::Null } else { f(&values)? });
    }
    values_to_array(&out, a.ret)
}

fn items(v: &Value) -> Vec<Value> {
    match v {
        Value::Array(items) => items.clone(),
        _ => Vec::new(),
    }
}

fn entries(v: &Value) -> Vec<(Value, Value)> {
    match v {
        Value::Map(entries) => entries.clone(),
        _ => Vec::new(),
    }
}

fn distinct(values: Vec<Value>) -> Vec<Value> {
    let mut out: Vec<Value> = Vec::with_capacity(values.len());
    for v in values {
        if !out.iter().any(|o| equal(o, &v)) {
            out.push(v);
        }
    }
    out
}

/// Later entries replace earlier ones of the same key.
fn put_all(entries: impl Iterator<Item = (Value, Value)>) -> Vec<(Value, Value)> {
    let mut out: Vec<(Value, Value)> = Vec::new();
    for (k, v) in entries {
        match out.iter_mut().find(|(o, _)| equal(o, &k)) {
            Some(entry) => entry.1 = v,
            None => out.push((k, v)),
        }
    }
    out
}

fn extremum(v: &Value, wanted: Ordering) -> Value {
    let present = items(v).into_iter().filter(|x| !x.is_null());
    present
        .reduce(|best, x| if x.total_cmp(&best) == wanted { x } else { best })
        .unwrap_or(Value::Null)
}

fn add(a: &[Value], put: impl Fn(&mut Vec<Value>, Value)) -> Value {
    let Value::Array(items) = &a[0] else { return Value::Null };
    let mut items = items.clone();
    put(&mut items, a[1].clone());
    Value::Array(items)
}

/// ARRAY_SLICE(array, start[, end]), both inclusive, negative ones from the end.
fn slice(a: &[Value]) -> Value {
    let v = items(&a[0]);
    let n = v.len() as i64;
    let place = |x: i64| match x {
        0 => 1,
        x if x < 0 => n + x + 1,
        x => x,
    };
    let start = place(a[1].as_i64().unwrap_or(1));
    let end = place(a.get(2).and_then(Value::as_i64).unwrap_or(n));
    if start > end || start > n || end < 1 || n == 0 {
        return Value::Array(Vec::new());
    }
    let (start, end) = (start.max(1) as usize, end.min(n) as usize);
    Value::Array(v[start - 1..end].to_vec())
}

/// ARRAY_SORT(array[, ascending[, NULLs first]]).
fn sort(a: &[Value]) -> Result<Value> {
    if a.iter().any(Value::is_null) {
        return Ok(Value::Null);
    }
    let flag = |i: usize| match a.get(i) {
        Some(Value::Boolean(b)) => Some(*b),
        _ => None,
    };
    let ascending = flag(1).unwrap_or(true);
    let nulls_first = flag(2).unwrap_or(ascending);
    let (mut nulls, mut rest): (Vec<_>, Vec<_>) =
        items(&a[0]).into_iter().partition(Value::is_null);
    rest.sort_by(|x, y| if ascending { x.total_cmp(y) } else { y.total_cmp(x) });
    Ok(Value::Array(if nulls_first {
        nulls.append(&mut rest);
        nulls
    } else {
        rest.append(&mut nulls);
        rest
    }))
}

/// ARRAY_JOIN(array, delimiter[, text for NULL]).
fn join(a: &[Value]) -> Value {
    let null_text = a.get(2).and_then(Value::as_str);
    let parts: Vec<String> =
        items(&a[0]).iter().filter_map(|x| x.as_str().or(null_text).map(str::to_owned)).collect();
    Value::String(parts.join(a[1].as_str().unwrap_or_default()))
}

fn contains(a: &Args<'_>) -> Result<ArrayRef> {
    let mut out = Vec::with_capacity(a.rows);
    for i in 0..a.rows {
        if a.is_null(0, i) {
            out.push(None);
            continue;
        }
        let wanted = Value::from_array(a.col(1), a.at(1, i));
        let array = Value::from_array(a.col(0), a.at(0, i));
        out.push(Some(items(&array).iter().any(|x| equal(x, &wanted))));
    }
    Ok(Arc::new(BooleanArray::from(out)))
}

fn cardinality(a: &Args<'_>) -> Result<ArrayRef> {
    let offsets = offsets_of(a.col(0))?;
    Ok(Arc::new(a.plain::<Int32Type>(|i| {
        let r = a.at(0, i);
        offsets[r + 1] - offsets[r]
    })))
}

fn offsets_of(array: &dyn Array) -> Result<&[i32]> {
    match array.data_type() {
        ArrowType::List(_) => Ok(array.as_list::<i32>().value_offsets()),
        ArrowType::Map(..) => Ok(array.as_map().value_offsets()),
        other => Err(Error::internal(format!("{other} where a collection was planned"))),
    }
}

/// Subscripts: positions of the parts are computed, then one `take`.
fn item(site: &Site<'_>) -> Result<Kernel> {
    match site.ty(0).map(|t| &t.kind) {
        Some(TypeKind::Array(_)) => Ok(Arc::new(array_item)),
        Some(TypeKind::Map(..)) => Ok(Arc::new(map_item)),
        Some(TypeKind::Row(fields)) => {
            let position = match site.args.get(1) {
                Some(Expr::Literal { value: Value::Int(i), .. }) => usize::try_from(*i - 1).ok(),
                Some(Expr::Literal { value: Value::String(s), .. }) => {
                    fields.iter().position(|f| f.name == *s)
                }
                _ => None,
            };
            let position =
                position.ok_or_else(|| Error::internal("a row subscript that is no literal"))?;
            Ok(Arc::new(move |a| {
                let row = a.col(0).as_struct();
                let out = with_nulls(&row.columns()[position], row.nulls())?;
                let col = if a.cols[0].is_scalar() {
                    crate::args::Col::Scalar(out)
                } else {
                    crate::args::Col::Array(out)
                };
                col.into_array(a.rows)
            }))
        }
        _ => Err(Error::internal("a subscript of no collection")),
    }
}

fn array_item(a: &Args<'_>) -> Result<ArrayRef> {
    let list = a.col(0).as_list::<i32>();
    let index = a.nums::<Int32Type>(1)?;
    let nulls = a.nulls();
    let mut positions = Vec::with_capacity(a.rows);
    for i in 0..a.rows {
        if nulls.as_ref().is_some_and(|n| n.is_null(i)) {
            positions.push(None);
            continue;
        }
        let r = a.at(0, i);
        let (start, end) = (list.value_offsets()[r], list.value_offsets()[r + 1]);
        let at = index.get(i);
        if at < 1 {
            return Err(Error::data(format!(
                "Array element access needs an index starting at 1 but was {at}."
            )));
        }
        positions.push((at <= end - start).then(|| (start + at - 1) as u32));
    }
    Ok(arrow::compute::take(list.values(), &UInt32Array::from(positions), None)?)
}

fn map_item(a: &Args<'_>) -> Result<ArrayRef> {
    let map = a.col(0).as_map();
    let nulls = a.nulls();
    let text = map.keys().as_string_opt::<i32>();
    let wanted = if text.is_some() { Some(a.strs(1)?) } else { None };
    let mut positions = Vec::with_capacity(a.rows);
    for i in 0..a.rows {
        if nulls.as_ref().is_some_and(|n| n.is_null(i)) {
            positions.push(None);
            continue;
        }
        let r = a.at(0, i);
        let mut range = map.value_offsets()[r] as usize..map.value_offsets()[r + 1] as usize;
        let found = match (text, wanted) {
            (Some(keys), Some(wanted)) => {
                let wanted = wanted.get(i);
                range.find(|j| keys.is_valid(*j) && keys.value(*j) == wanted)
            }
            _ => {
                let wanted = Value::from_array(a.col(1), a.at(1, i));
                range.find(|j| equal(&Value::from_array(map.keys(), *j), &wanted))
            }
        };
        positions.push(found.map(|j| j as u32));
    }
    Ok(arrow::compute::take(map.values(), &UInt32Array::from(positions), None)?)
}

/// Interleaves the given argument columns row by row.
fn weave(a: &Args<'_>, which: &[usize]) -> Result<ArrayRef> {
    let arrays: Vec<&dyn Array> = which.iter().map(|n| a.col(*n)).collect();
    let indices: Vec<(usize, usize)> = (0..a.rows)
        .flat_map(|i| which.iter().enumerate().map(move |(k, n)| (k, *n, i)))
        .map(|(k, n, i)| (k, a.at(n, i)))
        .collect();
    Ok(arrow::compute::interleave(&arrays, &indices)?)
}

fn even_offsets(rows: usize, width: usize) -> Result<OffsetBuffer<i32>> {
    let offsets = (0..=rows)
        .map(|i| i32::try_from(i * width))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| Error::data("a batch of arrays is too large"))?;
    Ok(OffsetBuffer::new(ScalarBuffer::from(offsets)))
}

fn array_of(a: &Args<'_>) -> Result<ArrayRef> {
    let ArrowType::List(field) = a.ret.to_arrow() else {
        return Err(Error::internal("ARRAY without list type"));
    };
    let values = weave(a, &(0..a.len()).collect::<Vec<_>>())?;
    Ok(Arc::new(ListArray::try_new(field, even_offsets(a.rows, a.len())?, values, None)?))
}

fn map_of(a: &Args<'_>) -> Result<ArrayRef> {
    if a.len() > 2 || a.col(0).null_count() > 0 {
        // Equal keys: the last one wins.
        let mut out = Vec::with_capacity(a.rows);
        for i in 0..a.rows {
            let value = |n: usize| Value::from_array(a.col(n), a.at(n, i));
            out.push(Value::Map(put_all(
                (0..a.len()).step_by(2).map(|n| (value(n), value(n + 1))),
            )));
        }
        return values_to_array(&out, a.ret);
    }
    let ArrowType::Map(field, _) = a.ret.to_arrow() else {
        return Err(Error::internal("MAP without map type"));
    };
    let ArrowType::Struct(parts) = field.data_type().clone() else {
        return Err(Error::internal("MAP without entries"));
    };
    let entries = StructArray::try_new(parts, vec![weave(a, &[0])?, weave(a, &[1])?], None)?;
    Ok(Arc::new(MapArray::try_new(field, even_offsets(a.rows, 1)?, entries, None, false)?))
}

fn row_of(a: &Args<'_>, which: &[usize]) -> Result<ArrayRef> {
    let ArrowType::Struct(fields) = a.ret.to_arrow() else {
        return Err(Error::internal("ROW without struct type"));
    };
    if which.is_empty() {
        return Ok(Arc::new(StructArray::new_empty_fields(a.rows, None)));
    }
    let columns =
        which.iter().map(|n| a.cols[*n].clone().into_array(a.rows)).collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(StructArray::try_new(fields, columns, None)?))
}

fn object_update(site: &Site<'_>) -> Result<Kernel> {
    let fields = site.ret.fields().unwrap_or_default();
    let mut changes = Vec::new();
    for n in (1..site.args.len()).step_by(2) {
        let name = site.keyword(n)?;
        let position = fields.iter().position(|f| f.name == name);
        let position = position.ok_or_else(|| Error::internal(format!("no field {name}")))?;
        changes.push((position, n + 1));
    }
    Ok(Arc::new(move |a| {
        let object = a.cols[0].clone().into_array(a.rows)?;
        let row = object.as_struct();
        let mut columns = row.columns().to_vec();
        for (position, n) in &changes {
            columns[*position] = a.cols[*n].clone().into_array(a.rows)?;
        }
        let ArrowType::Struct(fields) = a.ret.to_arrow() else {
            return Err(Error::internal("an object without struct type"));
        };
        Ok(Arc::new(StructArray::try_new(fields, columns, row.nulls().cloned())?))
    }))
}
