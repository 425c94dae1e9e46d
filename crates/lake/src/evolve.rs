//! ALTER TABLE: the schema changes that lead from the stored definition to a new one.
//!
//! A catalog only sees the whole new definition, so a rename is recognised by its
//! place: a column that disappears while another of the same type appears at the
//! same position. Paimon matches columns by field id, so a rename keeps the data.

use paimon::spec::{ColumnMove, SchemaChange, TableSchema};
use weir_core::{DataType, Error, Result};
use weir_spec::{CatalogColumn, CatalogTable};

use crate::{schema, types};

struct Column {
    name: String,
    ty: DataType,
    comment: Option<String>,
}

/// Changes from the stored schema to the wanted definition.
pub(crate) fn changes(stored: &TableSchema, wanted: &CatalogTable) -> Result<Vec<SchemaChange>> {
    check_keys(stored, wanted)?;
    let mut out = Vec::new();
    column_changes(stored, wanted, &mut out)?;
    option_changes(stored, wanted, &mut out)?;
    let comment = stored.comment().filter(|c| !c.is_empty());
    if comment != wanted.comment.as_deref() {
        out.push(SchemaChange::update_comment(wanted.comment.clone()));
    }
    Ok(out)
}

fn check_keys(stored: &TableSchema, wanted: &CatalogTable) -> Result<()> {
    let key = wanted.primary_key.as_ref().map(|k| k.columns.as_slice()).unwrap_or_default();
    if key != stored.primary_keys() {
        return Err(Error::unsupported("changing the primary key of a Paimon table")
            .hint("create a new table with the wanted key and INSERT INTO it"));
    }
    if wanted.partition_keys != stored.partition_keys() {
        return Err(Error::unsupported("changing the partition columns of a Paimon table")
            .hint("create a new table with the wanted partitions and INSERT INTO it"));
    }
    Ok(())
}

fn column_changes(
    stored: &TableSchema,
    wanted: &CatalogTable,
    out: &mut Vec<SchemaChange>,
) -> Result<()> {
    let mut now = Vec::new();
    for f in stored.fields() {
        now.push(Column {
            name: f.name().to_owned(),
            ty: types::from_paimon(f.data_type())?,
            comment: f.description().map(str::to_owned),
        });
    }
    let goal: Vec<Column> = wanted
        .columns
        .iter()
        .filter_map(|c| match c {
            CatalogColumn::Physical { name, ty, comment } => {
                Some(Column { name: name.clone(), ty: ty.clone(), comment: comment.clone() })
            }
            _ => None,
        })
        .collect();
    rename(&mut now, &goal, out);
    now.retain(|c| {
        let keep = goal.iter().any(|g| g.name == c.name);
        if !keep {
            out.push(SchemaChange::drop_column(c.name.clone()));
        }
        keep
    });
    for g in &goal {
        match now.iter().find(|c| c.name == g.name) {
            Some(c) => modify(c, g, out)?,
            None => {
                out.push(add(g)?);
                now.push(Column {
                    name: g.name.clone(),
                    ty: g.ty.clone(),
                    comment: g.comment.clone(),
                });
            }
        }
    }
    reorder(&mut now, &goal, out);
    Ok(())
}

fn rename(now: &mut [Column], goal: &[Column], out: &mut Vec<SchemaChange>) {
    for i in 0..now.len().min(goal.len()) {
        let gone = !goal.iter().any(|g| g.name == now[i].name);
        let new = !now.iter().any(|c| c.name == goal[i].name);
        if gone && new && now[i].ty.same_kind(&goal[i].ty) {
            out.push(SchemaChange::rename_column(now[i].name.clone(), goal[i].name.clone()));
            now[i].name.clone_from(&goal[i].name);
        }
    }
}

fn add(column: &Column) -> Result<SchemaChange> {
    if !column.ty.nullable {
        return Err(Error::validation(format!(
            "column '{}' cannot be added as NOT NULL: existing rows have no value for it",
            column.name
        ))
        .hint("add it without NOT NULL"));
    }
    let ty = types::to_paimon(&column.ty)?;
    Ok(match &column.comment {
        Some(c) => SchemaChange::add_column_with_description(column.name.clone(), ty, c.clone()),
        None => SchemaChange::add_column(column.name.clone(), ty),
    })
}

fn modify(now: &Column, goal: &Column, out: &mut Vec<SchemaChange>) -> Result<()> {
    if !now.ty.same_kind(&goal.ty) {
        // Nullability is a change of its own below.
        let ty = goal.ty.clone().with_nullable(now.ty.nullable);
        out.push(SchemaChange::update_column_type(goal.name.clone(), types::to_paimon(&ty)?));
    }
    if now.ty.nullable != goal.ty.nullable {
        out.push(SchemaChange::update_column_nullability(goal.name.clone(), goal.ty.nullable));
    }
    if now.comment != goal.comment {
        out.push(SchemaChange::update_column_comment(
            goal.name.clone(),
            goal.comment.clone().unwrap_or_default(),
        ));
    }
    Ok(())
}

fn reorder(now: &mut Vec<Column>, goal: &[Column], out: &mut Vec<SchemaChange>) {
    for i in 0..goal.len().min(now.len()) {
        if now[i].name == goal[i].name {
            continue;
        }
        let Some(from) = now.iter().position(|c| c.name == goal[i].name) else { continue };
        let moved = now.remove(from);
        now.insert(i, moved);
        let name = goal[i].name.clone();
        out.push(SchemaChange::update_column_position(match i {
            0 => ColumnMove::move_first(name),
            _ => ColumnMove::move_after(name, goal[i - 1].name.clone()),
        }));
    }
}

fn option_changes(
    stored: &TableSchema,
    wanted: &CatalogTable,
    out: &mut Vec<SchemaChange>,
) -> Result<()> {
    // Keys that another engine stored come back unchanged in the wanted definition.
    let mut own = wanted.clone();
    let foreign: Vec<(String, String)> = wanted
        .options
        .iter()
        .filter(|(k, v)| stored.options().get(*k).is_some_and(|s| s == v))
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect();
    for (key, _) in &foreign {
        own.options.remove(key);
    }
    let mut goal = schema::definition_options(&own)?;
    goal.extend(foreign);
    let mut keys: Vec<&String> = goal.keys().collect();
    keys.sort();
    for key in keys {
        if stored.options().get(key) != Some(&goal[key]) {
            out.push(SchemaChange::set_option(key.clone(), goal[key].clone()));
        }
    }
    let mut gone: Vec<&String> =
        stored.options().keys().filter(|k| !goal.contains_key(*k) && *k != "path").collect();
    gone.sort();
    out.extend(gone.into_iter().map(|k| SchemaChange::remove_option(k.clone())));
    Ok(())
}
