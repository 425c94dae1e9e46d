//! Names and types of a query's columns.

use std::collections::HashSet;

use weir_core::{Error, Result, Schema};
use weir_parser::ast;

use crate::rel::Rel;

/// `EXPR$0` and so on where nothing names a column.
pub(crate) fn generated_name(position: usize) -> String {
    format!("EXPR${position}")
}

/// Gives a plan other column names (CTE and table aliases).
pub(crate) fn rename_columns(mut rel: Rel, names: &[ast::Ident]) -> Result<Rel> {
    if names.is_empty() {
        return Ok(rel);
    }
    if names.len() != rel.schema.len() {
        return Err(Error::validation(format!(
            "List of column aliases must have same degree as table: {} names for {} columns",
            names.len(),
            rel.schema.len()
        )));
    }
    for (f, n) in rel.schema.fields.iter_mut().zip(names) {
        f.name.clone_from(&n.value);
    }
    Ok(rel)
}

/// Names the columns of a result apart as Flink does: a second `id` becomes `id0`.
pub(super) fn make_unique(schema: &mut Schema) {
    let mut used = HashSet::new();
    for field in &mut schema.fields {
        if used.insert(field.name.clone()) {
            continue;
        }
        let free = (0..).map(|n| format!("{}{n}", field.name)).find(|n| !used.contains(n));
        if let Some(name) = free {
            used.insert(name.clone());
            field.name = name;
        }
    }
}

/// A name that two columns have.
pub(super) fn duplicate(schema: &Schema) -> Option<&str> {
    let mut used = HashSet::new();
    schema.fields.iter().map(|f| f.name.as_str()).find(|n| !used.insert(*n))
}

/// Refuses columns of nothing but NULL.
pub(super) fn untyped(schema: &Schema) -> Result<()> {
    match schema.fields.iter().find(|f| f.ty.kind == weir_core::TypeKind::Null) {
        Some(f) => Err(Error::validation(format!("Illegal use of 'NULL' in column '{}'", f.name))
            .hint("write CAST(NULL AS INT) or another type")),
        None => Ok(()),
    }
}
