//! INSERT: columns matched by position or name, implicit casts, static partitions.

use weir_core::{DataType, Error, Field, Options, Result, Schema};
use weir_functions::Expr;
use weir_parser::ast;
use weir_spec::{CatalogColumn, CatalogTable, ConflictAction, SinkSpec, TableKind};

use super::effect::Insert;
use crate::bind::{At as _, Binder, coerce, null_literal, table_spec};
use crate::rel::Rel;
use crate::session::{Session, TablePath};

/// WITH and hint lists as options.
pub(super) fn options_of(list: &[ast::SqlOption]) -> Options {
    list.iter().map(|o| (o.key.value.clone(), o.value.value.clone())).collect()
}

pub(super) fn bind_insert(session: &Session, i: &ast::Insert) -> Result<Insert> {
    let parts: Vec<&str> = i.table.parts().collect();
    let (path, table) = session.find(&parts).at(i.table.span())?;
    if i.overwrite && !session.is_batch() {
        return Err(Error::validation("Streaming mode does not support INSERT OVERWRITE")
            .hint("SET 'execution.runtime-mode' = 'batch' first"))
        .at(i.span);
    }
    let Some(mut table) = table else {
        return Err(Error::validation(format!("Cannot find table '{path}' to insert into")))
            .at(i.table.span());
    };
    for h in &i.hints {
        for a in &h.args {
            if let ast::HintArg::KeyValue(o) = a {
                table.options.set(o.key.value.clone(), o.value.value.clone());
            }
        }
    }
    let rel = Binder::new(session).query(&i.source)?;
    let partition = static_partition(session, &table, &i.partition)?;
    let names: Option<Vec<String>> = if i.by_name {
        Some(rel.schema.fields.iter().map(|f| f.name.clone()).collect())
    } else if i.columns.is_empty() {
        None
    } else {
        Some(i.columns.iter().map(ToString::to_string).collect())
    };
    let mut insert = build(&path, &table, rel, names, &partition)
        .map_err(|e| with_columns(e, i))
        .at(i.table.span())?;
    insert.sink.overwrite = i.overwrite;
    insert.on_conflict = i.on_conflict.map(conflict_action);
    Ok(insert)
}

fn conflict_action(action: ast::ConflictAction) -> ConflictAction {
    match action {
        ast::ConflictAction::Nothing => ConflictAction::Nothing,
        ast::ConflictAction::Error => ConflictAction::Error,
        ast::ConflictAction::Deduplicate => ConflictAction::Deduplicate,
    }
}

fn with_columns(e: Error, i: &ast::Insert) -> Error {
    if e.hint_text().is_some() || i.by_name {
        e
    } else {
        e.hint("INSERT INTO t BY NAME SELECT .. matches columns by name")
    }
}

/// INSERT of a bound query, as CREATE TABLE AS does.
pub(super) fn insert_into(
    session: &Session,
    path: &TablePath,
    rel: Rel,
    columns: Option<Vec<String>>,
) -> Result<Insert> {
    let table =
        session.table(path)?.ok_or_else(|| Error::internal(format!("table {path} vanished")))?;
    build(path, &table, rel, columns, &[])
}

/// `PARTITION (k = 'v', ..)`: (column, value, text).
pub(super) fn static_partition(
    session: &Session,
    table: &CatalogTable,
    entries: &[ast::PartitionEntry],
) -> Result<Vec<(String, Expr, String)>> {
    let mut out = Vec::new();
    for p in entries {
        let name = &p.column.value;
        if !table.partition_keys.contains(name) {
            return Err(Error::validation(format!("'{name}' is no partition column"))).at(p.span);
        }
        if let Some(value) = &p.value {
            let bound = Binder::new(session).scalar(value, &Schema::default())?;
            let text = match &bound {
                Expr::Literal { value: weir_core::Value::String(s), .. } => s.clone(),
                Expr::Literal { value: weir_core::Value::Int(n), .. } => n.to_string(),
                _ => return Err(Error::validation("a partition value is a literal")).at(p.span),
            };
            out.push((name.clone(), bound, text));
        }
    }
    Ok(out)
}

fn build(
    path: &TablePath,
    table: &CatalogTable,
    rel: Rel,
    names: Option<Vec<String>>,
    partition: &[(String, Expr, String)],
) -> Result<Insert> {
    if table.kind != TableKind::Table {
        return Err(Error::validation(format!("{path} is a view; INSERT needs a table")));
    }
    let persisted: Vec<&CatalogColumn> =
        table.columns.iter().filter(|c| c.is_persisted()).collect();
    let is_static = |c: &str| partition.iter().any(|(p, ..)| p == c);
    let targets: Vec<&str> = match &names {
        Some(names) => {
            for (i, n) in names.iter().enumerate() {
                if !persisted.iter().any(|c| c.name() == n) {
                    return Err(unknown_target(path, n, &persisted));
                }
                if names[..i].contains(n) {
                    return Err(Error::validation(format!(
                        "Target column '{n}' is assigned more than once"
                    )));
                }
            }
            names.iter().map(String::as_str).collect()
        }
        None => persisted.iter().map(|c| c.name()).filter(|c| !is_static(c)).collect(),
    };
    if targets.len() != rel.schema.len() {
        return Err(column_mismatch(
            path,
            "Different number of columns",
            &rel.schema,
            &targets,
            table,
        ));
    }
    let columns = rel.columns();
    let mut exprs = Vec::new();
    let (mut physical, mut metadata) = (Vec::new(), Vec::new());
    for c in &persisted {
        let value = match targets.iter().position(|t| *t == c.name()) {
            Some(at) => {
                let e = columns[at].clone();
                if !weir_functions::store_assignment_allowed(e.ty(), c.ty()) {
                    let cause = format!(
                        "Incompatible types for sink column '{}' at position {at}: {} cannot be written to {}",
                        c.name(),
                        e.ty(),
                        c.ty()
                    );
                    return Err(column_mismatch(path, &cause, &rel.schema, &targets, table));
                }
                coerce(e, &c.ty().clone().null())
            }
            None => match partition.iter().find(|(p, ..)| p == c.name()) {
                Some((_, e, _)) => coerce(e.clone(), &c.ty().clone().null()),
                None => null_literal(c.ty()),
            },
        };
        match c {
            CatalogColumn::Metadata { key, name, .. } => {
                metadata.push((key.clone().unwrap_or_else(|| name.clone()), value));
            }
            _ => physical.push((c.name().to_owned(), value)),
        }
    }
    let mut out_names = Vec::new();
    for (n, e) in physical.into_iter().chain(metadata.iter().cloned()) {
        out_names.push(n);
        exprs.push(e);
    }
    let spec = table_spec(path, table)?;
    let not_null = spec
        .physical
        .fields
        .iter()
        .enumerate()
        .filter(|(_, f)| !f.ty.nullable)
        .map(|(i, _)| i)
        .collect();
    let sink = SinkSpec {
        table: spec,
        metadata_keys: metadata.into_iter().map(|(k, _)| k).collect(),
        overwrite: false,
        static_partition: partition.iter().map(|(n, _, t)| (n.clone(), t.clone())).collect(),
    };
    Ok(Insert { rel: rel.project(exprs, out_names), sink, not_null, on_conflict: None })
}

fn unknown_target(path: &TablePath, name: &str, columns: &[&CatalogColumn]) -> Error {
    let names: Vec<&str> = columns.iter().map(|c| c.name()).collect();
    Error::validation(format!("Unknown target column '{name}' in table {path}"))
        .hint(format!("its columns are {}", names.join(", ")))
}

/// Flink's message, with the by-name form to paste where the names allow it.
fn column_mismatch(
    path: &TablePath,
    cause: &str,
    query: &Schema,
    targets: &[&str],
    table: &CatalogTable,
) -> Error {
    let show = |fields: &mut dyn Iterator<Item = (String, DataType)>| {
        fields.map(|(n, t)| format!("{n}: {t}")).collect::<Vec<_>>().join(", ")
    };
    let query_text = show(&mut query.fields.iter().map(|f: &Field| (f.name.clone(), f.ty.clone())));
    let sink_text = show(&mut targets.iter().map(|t| {
        let ty = table.columns.iter().find(|c| c.name() == *t).map(|c| c.ty().clone());
        ((*t).to_owned(), ty.unwrap_or_else(DataType::string))
    }));
    let error = Error::validation(format!(
        "Column types of query result and sink for '{path}' do not match.\n  Cause: {cause}.\n  Query schema: [{query_text}]\n  Sink schema:  [{sink_text}]"
    ));
    let common: Vec<&str> =
        targets.iter().copied().filter(|t| query.index_of(t).is_some()).collect();
    if common.len() == targets.len() && query.len() > targets.len() {
        return error.hint(format!("name the columns: SELECT {}", common.join(", ")));
    }
    error
}
