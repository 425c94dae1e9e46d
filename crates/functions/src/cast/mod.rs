//! CAST and TRY_CAST between all of Flink's types.
//!
//! Numbers narrow by wrapping, decimals that do not fit become NULL, text that
//! does not parse is an error (NULL with `safe`).

mod binary;
mod nested;
mod number;
pub(crate) mod text;
mod time;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::Int64Type;
use weir_core::value::null_column;
use weir_core::{DataType, Result, TypeKind};

use crate::args::build_text;
use crate::context::EvalContext;
use crate::format::{Style, writer};
use crate::intervals::interval_array;

/// Casts a column between logical types; `safe` turns errors into NULL.
pub fn cast_array(
    array: &ArrayRef,
    from: &DataType,
    to: &DataType,
    safe: bool,
    ctx: &EvalContext,
) -> Result<ArrayRef> {
    cast_column(array, from, to, safe, ctx)
}

pub(crate) fn cast_column(
    array: &ArrayRef,
    from: &DataType,
    to: &DataType,
    safe: bool,
    ctx: &EvalContext,
) -> Result<ArrayRef> {
    if from.kind == TypeKind::Null || array.data_type().is_null() {
        return Ok(null_column(to, array.len()));
    }
    if to.is_string() {
        return to_text(array, from, to, ctx);
    }
    if from.same_kind(to) && *array.data_type() == to.to_arrow() {
        return Ok(array.clone());
    }
    if from.is_string() {
        return text::parse(array, to, safe, ctx);
    }
    match (&from.kind, &to.kind) {
        (_, TypeKind::Binary(_) | TypeKind::Varbinary(_)) => binary::cast(array, to),
        _ if from.is_numeric() && to.is_numeric() => number::cast(array, to),
        _ if from.is_numeric() && to.kind == TypeKind::Boolean => number::to_boolean(array),
        (TypeKind::Boolean, _) if to.is_numeric() => number::from_boolean(array, to),
        _ if from.is_datetime() && to.is_datetime() => time::cast(array, from, to, ctx.zone),
        _ if from.is_integer() && to.is_interval() => {
            let wide = number::cast(array, &DataType::bigint())?;
            interval_array(wide.as_primitive::<Int64Type>().clone(), to)
        }
        _ if from.is_interval() && to.is_interval() => Ok(array.clone()),
        _ if from.is_interval() && to.is_integer() => number::from_interval(array, to),
        _ => nested::cast(array, from, to, safe, &|a, f, t| cast_column(a, f, t, safe, ctx)),
    }
}

/// CAST AS CHAR and VARCHAR: the value's text, cut and padded to the length.
fn to_text(
    array: &ArrayRef,
    from: &DataType,
    to: &DataType,
    ctx: &EvalContext,
) -> Result<ArrayRef> {
    let (limit, pad) = match to.kind {
        TypeKind::Char(n) => (n as usize, true),
        TypeKind::Varchar(n) => (n as usize, false),
        _ => (usize::MAX, false),
    };
    let unlimited = limit == weir_core::types::MAX_LENGTH as usize;
    if from.is_string() {
        let fits = match (&from.kind, &to.kind) {
            (TypeKind::Char(n) | TypeKind::Varchar(n), TypeKind::Varchar(m)) => n <= m,
            (TypeKind::Char(n), TypeKind::Char(m)) => n == m,
            _ => false,
        };
        if unlimited || fits {
            return Ok(array.clone());
        }
    }
    let write = writer(array.as_ref(), from, ctx.zone, Style::Cast)?;
    build_text(array.len(), array.logical_nulls(), |i, out| {
        let start = out.len();
        write(i, out);
        if !unlimited {
            fit(out, start, limit, pad);
        }
        Ok(true)
    })
}

/// Cuts the text after `start` to `limit` characters, or pads it with spaces.
pub(crate) fn fit(out: &mut String, start: usize, limit: usize, pad: bool) {
    if let Some((at, _)) = out[start..].char_indices().nth(limit) {
        out.truncate(start + at);
    } else if pad {
        let have = out[start..].chars().count();
        out.extend(std::iter::repeat_n(' ', limit - have));
    }
}
