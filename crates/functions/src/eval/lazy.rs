//! AND, OR, CASE, COALESCE: parts that can fail run only where they are needed.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute;
use weir_core::value::null_column;
use weir_core::{DataType, Error, Result};

use super::node::{Input, Node};
use crate::args::Col;

/// Three-valued AND or OR from left to right.
pub(super) fn logic(all: bool, parts: &[Node], input: &Input<'_>) -> Result<Col> {
    let mut result: Option<Col> = None;
    for part in parts {
        let Some(left) = result.take() else {
            result = Some(part.eval(input)?);
            continue;
        };
        result = Some(combine(all, left, part, input)?);
    }
    result.ok_or_else(|| Error::internal("AND or OR without arguments"))
}

fn boolean(col: &Col) -> Result<&BooleanArray> {
    col.array().as_boolean_opt().ok_or_else(|| Error::internal("AND or OR over no BOOLEAN"))
}

fn combine(all: bool, left: Col, right: &Node, input: &Input<'_>) -> Result<Col> {
    let decided = |b: &BooleanArray, i: usize| b.is_valid(i) && b.value(i) != all;
    if left.is_scalar() && decided(boolean(&left)?, 0) {
        return Ok(left);
    }
    let right_col = if right.can_fail() && !left.is_scalar() {
        let b = boolean(&left)?;
        let open = BooleanBuffer::collect_bool(b.len(), |i| !decided(b, i));
        eval_where(right, &open, &DataType::boolean(), input)?
    } else {
        right.eval(input)?
    };
    if left.is_scalar() && right_col.is_scalar() {
        let out = kleene(all, boolean(&left)?, boolean(&right_col)?)?;
        return Ok(Col::Scalar(out));
    }
    let left = left.into_array(input.rows)?;
    let right = right_col.into_array(input.rows)?;
    Ok(Col::Array(kleene(all, left.as_boolean(), right.as_boolean())?))
}

fn kleene(all: bool, a: &BooleanArray, b: &BooleanArray) -> Result<ArrayRef> {
    Ok(Arc::new(if all { compute::and_kleene(a, b)? } else { compute::or_kleene(a, b)? }))
}

/// Evaluates a node on the marked rows only; the others are NULL.
fn eval_where(node: &Node, rows: &BooleanBuffer, ty: &DataType, input: &Input<'_>) -> Result<Col> {
    let count = rows.count_set_bits();
    if count == input.rows {
        return node.eval(input);
    }
    if count == 0 {
        return Ok(Col::Scalar(null_column(ty, 1)));
    }
    let mask = BooleanArray::new(rows.clone(), None);
    let mut used = vec![false; input.columns.len()];
    mark_columns(node, &mut used);
    let columns = input
        .columns
        .iter()
        .zip(&used)
        .map(|(c, used)| Ok(if *used { compute::filter(c, &mask)? } else { c.slice(0, 0) }))
        .collect::<Result<Vec<_>>>()?;
    let part = Input { columns: &columns, rows: count, ctx: input.ctx };
    let col = node.eval(&part)?;
    if col.is_scalar() {
        return Ok(col);
    }
    let mut next = 0u32;
    let indices: UInt32Array = rows
        .iter()
        .map(|set| {
            set.then(|| {
                next += 1;
                next - 1
            })
        })
        .collect();
    Ok(Col::Array(compute::take(col.array(), &indices, None)?))
}

fn mark_columns(node: &Node, used: &mut [bool]) {
    match node {
        Node::Column(i) => {
            if let Some(u) = used.get_mut(*i) {
                *u = true;
            }
        }
        Node::Const(_) => {}
        Node::Call(c) => c.args.iter().for_each(|a| mark_columns(a, used)),
        Node::Logic(_, parts) | Node::Coalesce(parts, _) => {
            parts.iter().for_each(|a| mark_columns(a, used));
        }
        Node::Case { branches, otherwise, .. } => {
            for (c, r) in branches {
                mark_columns(c, used);
                mark_columns(r, used);
            }
            mark_columns(otherwise, used);
        }
        Node::Cast { arg, .. } | Node::Field(arg, _) => mark_columns(arg, used),
    }
}

/// Searched CASE.
pub(super) fn case(
    branches: &[(Node, Node)],
    otherwise: &Node,
    ty: &DataType,
    input: &Input<'_>,
) -> Result<Col> {
    let rows = input.rows;
    // Which part gives each row's value: parts.len() at the end is ELSE.
    let mut choice = vec![u32::MAX; rows];
    let mut open = BooleanBuffer::new_set(rows);
    let mut parts: Vec<Col> = Vec::new();
    for (condition, result) in branches {
        let hit = condition_rows(condition, &open, input)?;
        let count = hit.count_set_bits();
        if count == 0 {
            continue;
        }
        let value = eval_part(result, &hit, ty, input)?;
        if count == rows {
            return Ok(value);
        }
        let number = parts.len() as u32;
        hit.set_indices().for_each(|i| choice[i] = number);
        parts.push(value);
        open = &open & &!&hit;
        if open.count_set_bits() == 0 {
            return select(&parts, &choice);
        }
    }
    let value = eval_part(otherwise, &open, ty, input)?;
    if parts.is_empty() {
        return Ok(value);
    }
    let number = parts.len() as u32;
    open.set_indices().for_each(|i| choice[i] = number);
    parts.push(value);
    select(&parts, &choice)
}

fn condition_rows(
    condition: &Node,
    open: &BooleanBuffer,
    input: &Input<'_>,
) -> Result<BooleanBuffer> {
    let col = eval_part(condition, open, &DataType::boolean(), input)?;
    let b = boolean(&col)?;
    if col.is_scalar() {
        let hit = b.is_valid(0) && b.value(0);
        return Ok(if hit { open.clone() } else { BooleanBuffer::new_unset(input.rows) });
    }
    let hit = match b.nulls() {
        Some(n) => b.values() & n.inner(),
        None => b.values().clone(),
    };
    Ok(&hit & open)
}

fn eval_part(node: &Node, rows: &BooleanBuffer, ty: &DataType, input: &Input<'_>) -> Result<Col> {
    if node.can_fail() { eval_where(node, rows, ty, input) } else { node.eval(input) }
}

/// Picks row i from part `choice[i]`.
fn select(parts: &[Col], choice: &[u32]) -> Result<Col> {
    let arrays: Vec<&dyn Array> = parts.iter().map(|p| p.array().as_ref()).collect();
    let scalar: Vec<bool> = parts.iter().map(Col::is_scalar).collect();
    let indices: Vec<(usize, usize)> = choice
        .iter()
        .enumerate()
        .map(|(i, &p)| (p as usize, if scalar[p as usize] { 0 } else { i }))
        .collect();
    Ok(Col::Array(compute::interleave(&arrays, &indices)?))
}

/// The first value that is not NULL.
pub(super) fn coalesce(parts: &[Node], ty: &DataType, input: &Input<'_>) -> Result<Col> {
    let mut values: Vec<Col> = Vec::new();
    let mut choice = vec![0u32; input.rows];
    let mut open = BooleanBuffer::new_set(input.rows);
    for part in parts {
        let col = eval_part(part, &open, ty, input)?;
        if col.is_scalar() && col.array().is_null(0) {
            continue;
        }
        let present = match col.array().nulls() {
            Some(n) if !col.is_scalar() => n.inner() & &open,
            _ => open.clone(),
        };
        if values.is_empty() && present.count_set_bits() == input.rows {
            return Ok(col);
        }
        let number = values.len() as u32;
        present.set_indices().for_each(|i| choice[i] = number);
        values.push(col);
        open = &open & &!&present;
        if open.count_set_bits() == 0 {
            break;
        }
    }
    if open.count_set_bits() > 0 {
        let number = values.len() as u32;
        open.set_indices().for_each(|i| choice[i] = number);
        values.push(Col::Scalar(null_column(ty, 1)));
    }
    if values.len() == 1 && input.rows == 1 {
        return Ok(values.remove(0));
    }
    select(&values, &choice)
}
