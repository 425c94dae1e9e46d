//! ALTER and DROP.

use weir_core::{Error, Field, Result, Schema};
use weir_parser::ast::{self, AlterTableAction as A, ColumnPosition, ObjectKind, SchemaElement};
use weir_spec::{CatalogColumn, CatalogTable, TableKind};

use super::create::{column, database_of, path_of, set_primary_key, view_definition, watermark};
use super::effect::Effect;
use super::insert::options_of;
use crate::bind::At as _;
use crate::session::{Session, TablePath};

/// ALTER CATALOG: options and comment of a catalog, as CREATE CATALOG set them. The
/// catalog is opened again with the new options.
pub(super) fn alter_catalog(session: &mut Session, c: &ast::AlterCatalog) -> Result<Effect> {
    use ast::AlterCatalogAction as Action;
    let mut options = session.catalog(&c.name.value).at(c.name.span)?.options().clone();
    match &c.action {
        Action::SetOptions(new) => {
            for o in new {
                if o.key.value == "type" {
                    return Err(Error::validation(
                        "ALTER CATALOG does not support changing 'type'",
                    ))
                    .at(o.span);
                }
                options.set(o.key.value.clone(), o.value.value.clone());
            }
        }
        Action::ResetOptions(keys) => {
            if keys.is_empty() {
                return Err(Error::validation("ALTER CATALOG RESET does not support empty key"))
                    .at(c.name.span);
            }
            for k in keys {
                if k.value == "type" {
                    return Err(Error::validation(
                        "ALTER CATALOG RESET does not support changing 'type'",
                    ))
                    .at(k.span);
                }
                options.remove(&k.value);
            }
        }
        Action::Comment(text) => {
            session.set_catalog_comment(&c.name.value, &text.value);
            return Ok(Effect::Done);
        }
    }
    session.reopen_catalog(&c.name.value, &options).at(c.name.span)?;
    Ok(Effect::Done)
}

pub(super) fn alter_database(
    session: &mut Session,
    name: &ast::ObjectName,
    options: &[ast::SqlOption],
) -> Result<Effect> {
    let (catalog, database) = database_of(session, name)?;
    let catalog = session.catalog(&catalog)?;
    let Some(mut definition) = catalog.database(&database)? else {
        return Err(Error::validation(format!("Database {database} does not exist")))
            .at(name.span());
    };
    for (k, v) in options_of(options).iter() {
        definition.options.set(k, v);
    }
    catalog.alter_database(&database, definition)?;
    Ok(Effect::Done)
}

pub(super) fn existing(session: &Session, path: &TablePath) -> Result<Option<CatalogTable>> {
    session.table(path)
}

fn missing(path: &TablePath) -> Error {
    Error::validation(format!("Table {path} doesn't exist"))
}

pub(super) fn alter_table(session: &mut Session, a: &ast::AlterTable) -> Result<Effect> {
    let path = path_of(session, &a.name)?;
    let Some(mut table) = existing(session, &path)? else {
        if a.if_exists {
            return Ok(Effect::Done);
        }
        return Err(missing(&path)).at(a.name.span());
    };
    if table.kind != TableKind::Table {
        return Err(Error::validation(format!("ALTER TABLE: {path} is a view"))).at(a.name.span());
    }
    if let A::RenameTo(new_name) = &a.action {
        let new_path = path_of(session, new_name)?;
        session.catalog(&path.catalog)?.rename_table(
            &path.database,
            &path.table,
            &new_path.table,
        )?;
        return Ok(Effect::Done);
    }
    if super::partition::alter(session, &path, &table, &a.action)?.is_some() {
        return Ok(Effect::Done);
    }
    change(session, &mut table, &a.action)?;
    retype_computed(session, &mut table)?;
    session.alter_table(&path, table)?;
    Ok(Effect::Done)
}

/// Computed columns follow the types of the columns that they read.
fn retype_computed(session: &Session, table: &mut CatalogTable) -> Result<()> {
    let schema = super::create::physical_schema(table);
    let binder = crate::bind::Binder::new(session);
    for c in &mut table.columns {
        if let CatalogColumn::Computed { expression, ty, .. } = c {
            *ty = binder.stored_expression(expression, &schema)?.ty().clone();
        }
    }
    Ok(())
}

fn change(session: &Session, table: &mut CatalogTable, action: &A) -> Result<()> {
    match action {
        A::SetOptions(options) => {
            for (k, v) in options_of(options).iter() {
                table.options.set(k, v);
            }
        }
        A::ResetOptions(keys) => {
            if keys.is_empty() {
                return Err(Error::validation("ALTER TABLE RESET does not support empty key"));
            }
            for k in keys {
                table.options.remove(&k.value);
            }
        }
        A::Add(elements) => {
            for e in elements {
                add(session, table, e)?;
            }
        }
        A::Modify(elements) => {
            for e in elements {
                modify(session, table, e)?;
            }
        }
        A::DropColumns(names) => {
            for n in names {
                check_unused(table, &n.value).at(n.span)?;
                let at = find(table, n)?;
                table.columns.remove(at);
            }
        }
        A::RenameColumn { from, to } => rename_column(table, from, to)?,
        A::DropPrimaryKey => table.primary_key = None,
        A::DropConstraint(name) => {
            if table.primary_key.as_ref().is_none_or(|k| k.name != name.value) {
                return Err(Error::validation(format!("no constraint named {}", name.value)))
                    .at(name.span);
            }
            table.primary_key = None;
        }
        A::DropWatermark => table.watermark = None,
        A::DropDistribution => table.distribution = None,
        A::RenameTo(_) => {}
        // Done before: they leave the definition as it is.
        A::AddPartitions { .. } | A::DropPartitions { .. } => {}
    }
    Ok(())
}

fn find(table: &CatalogTable, name: &ast::Ident) -> Result<usize> {
    table
        .columns
        .iter()
        .position(|c| c.name() == name.value)
        .ok_or_else(|| {
            Error::validation(format!("The column '{}' does not exist in the table", name.value))
        })
        .at(name.span)
}

fn place(table: &CatalogTable, position: Option<&ColumnPosition>) -> Result<usize> {
    match position {
        None => Ok(table.columns.len()),
        Some(ColumnPosition::First) => Ok(0),
        Some(ColumnPosition::After(name)) => Ok(find(table, name)? + 1),
    }
}

fn visible(table: &CatalogTable) -> Schema {
    Schema::new(table.columns.iter().map(|c| Field::new(c.name(), c.ty().clone())).collect())
}

fn add(session: &Session, table: &mut CatalogTable, e: &SchemaElement) -> Result<()> {
    match e {
        SchemaElement::Column { column: c, position } => {
            if table.columns.iter().any(|x| x.name() == c.name.value) {
                return Err(Error::validation(format!(
                    "Try to add a column '{}' which already exists in the table",
                    c.name.value
                )))
                .at(c.span);
            }
            let at = place(table, position.as_ref())?;
            if let Some(new) = column(session, c, &visible(table))? {
                table.columns.insert(at, new);
            }
        }
        SchemaElement::Watermark(w) => {
            if table.watermark.is_some() {
                return Err(Error::validation(
                    "The base table has already defined the watermark strategy",
                )
                .hint("ALTER TABLE .. MODIFY WATERMARK FOR ..."))
                .at(w.span);
            }
            table.watermark = Some(watermark(session, table, w)?);
        }
        SchemaElement::Constraint(k) => {
            if table.primary_key.is_some() {
                return Err(Error::validation(
                    "The base table has already defined the primary key constraint",
                ))
                .at(k.span);
            }
            set_primary_key(table, k)?;
        }
        SchemaElement::Distribution(d) => {
            table.distribution = Some(super::create::distribution_text(d));
        }
    }
    Ok(())
}

fn modify(session: &Session, table: &mut CatalogTable, e: &SchemaElement) -> Result<()> {
    match e {
        SchemaElement::Column { column: c, position } => {
            let at = find(table, &c.name)?;
            let Some(mut new) = column(session, c, &visible(table))? else { return Ok(()) };
            keep_comment(&mut new, &table.columns[at]);
            if position.is_none() {
                table.columns[at] = new;
                return Ok(());
            }
            table.columns.remove(at);
            let at = place(table, position.as_ref())?;
            table.columns.insert(at, new);
        }
        SchemaElement::Watermark(w) => {
            table.watermark = Some(watermark(session, table, w)?);
        }
        SchemaElement::Constraint(k) => set_primary_key(table, k)?,
        SchemaElement::Distribution(d) => {
            table.distribution = Some(super::create::distribution_text(d));
        }
    }
    Ok(())
}

/// A modified column keeps its comment unless a new one is given.
fn keep_comment(new: &mut CatalogColumn, old: &CatalogColumn) {
    let kept = old.comment().map(str::to_owned);
    match new {
        CatalogColumn::Physical { comment, .. }
        | CatalogColumn::Computed { comment, .. }
        | CatalogColumn::Metadata { comment, .. } => {
            if comment.is_none() {
                *comment = kept;
            }
        }
    }
}

fn check_unused(table: &CatalogTable, name: &str) -> Result<()> {
    let quoted = |text: &str| {
        text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name)
    };
    let used_by =
        |what: String| Err(Error::validation(format!("The column '{name}' is used by {what}")));
    for c in &table.columns {
        if let CatalogColumn::Computed { name: other, expression, .. } = c
            && other != name
            && quoted(expression)
        {
            return used_by(format!("the computed column '{other}'"));
        }
    }
    if table.primary_key.as_ref().is_some_and(|k| k.columns.iter().any(|c| c == name)) {
        return used_by("the primary key".to_owned());
    }
    if table.partition_keys.iter().any(|c| c == name) {
        return used_by("the partition keys".to_owned());
    }
    if table.watermark.as_ref().is_some_and(|w| w.column == name || quoted(&w.expression)) {
        return used_by("the watermark".to_owned());
    }
    Ok(())
}

fn rename_column(table: &mut CatalogTable, from: &ast::Ident, to: &ast::Ident) -> Result<()> {
    if table.columns.iter().any(|c| c.name() == to.value) {
        return Err(Error::validation(format!(
            "The column '{}' already exists in the table",
            to.value
        )))
        .at(to.span);
    }
    let at = find(table, from)?;
    for c in &table.columns {
        if let CatalogColumn::Computed { name, expression, .. } = c
            && *name != from.value
            && expression.contains(&from.value)
        {
            return Err(Error::validation(format!(
                "The column '{}' is referenced by the computed column '{name}'",
                from.value
            )))
            .at(from.span);
        }
    }
    match &mut table.columns[at] {
        CatalogColumn::Physical { name, .. }
        | CatalogColumn::Computed { name, .. }
        | CatalogColumn::Metadata { name, .. } => name.clone_from(&to.value),
    }
    let rename = |n: &mut String| {
        if *n == from.value {
            n.clone_from(&to.value);
        }
    };
    if let Some(k) = &mut table.primary_key {
        k.columns.iter_mut().for_each(rename);
    }
    table.partition_keys.iter_mut().for_each(|n| {
        if *n == from.value {
            n.clone_from(&to.value);
        }
    });
    Ok(())
}

pub(super) fn alter_view(
    session: &mut Session,
    a: &ast::AlterView,
    source: &str,
) -> Result<Effect> {
    let path = path_of(session, &a.name)?;
    let Some(table) = existing(session, &path)? else {
        return Err(missing(&path)).at(a.name.span());
    };
    if table.kind == TableKind::Table {
        return Err(Error::validation(format!("ALTER VIEW: {path} is a table"))).at(a.name.span());
    }
    match &a.action {
        ast::AlterViewAction::RenameTo(new_name) => {
            let new_path = path_of(session, new_name)?;
            session.catalog(&path.catalog)?.rename_table(
                &path.database,
                &path.table,
                &new_path.table,
            )?;
        }
        ast::AlterViewAction::As(query) => {
            let view = view_definition(session, query, &[], source)?;
            session.alter_table(&path, CatalogTable { comment: table.comment, ..view })?;
        }
        ast::AlterViewAction::SetOptions(_) => {
            return Err(Error::validation("ALTER VIEW SET: a view has no options")
                .hint("ALTER VIEW v AS query, or ALTER VIEW v RENAME TO name"))
            .at(a.name.span());
        }
    }
    Ok(Effect::Done)
}

pub(super) fn drop_object(session: &mut Session, d: &ast::Drop) -> Result<Effect> {
    match d.kind {
        ObjectKind::Table | ObjectKind::View => drop_table(session, d),
        ObjectKind::Catalog => {
            let name = d.name.to_string();
            if d.if_exists && !session.has_catalog(&name) {
                return Ok(Effect::Done);
            }
            session.drop_catalog(&name).at(d.name.span())?;
            Ok(Effect::Done)
        }
        ObjectKind::Database => {
            let (catalog, name) = database_of(session, &d.name)?;
            if catalog == session.current_catalog() && name == session.current_database() {
                return Err(Error::validation("Cannot drop a database which is currently in use.")
                    .hint("USE another database first"))
                .at(d.name.span());
            }
            let catalog = session.catalog(&catalog)?;
            if d.if_exists && catalog.database(&name)?.is_none() {
                return Ok(Effect::Done);
            }
            let cascade = d.behavior == Some(ast::DropBehavior::Cascade);
            catalog.drop_database(&name, cascade).at(d.name.span())?;
            Ok(Effect::Done)
        }
        _ => super::model::drop_other(session, d),
    }
}

fn drop_table(session: &mut Session, d: &ast::Drop) -> Result<Effect> {
    let path = path_of(session, &d.name)?;
    let view = d.kind == ObjectKind::View;
    let found = existing(session, &path)?;
    let Some(table) = found else {
        if d.if_exists {
            return Ok(Effect::Done);
        }
        let kind = d.kind.as_str().to_lowercase();
        return Err(Error::validation(format!("{kind} with identifier '{path}' does not exist")))
            .at(d.name.span());
    };
    if view == (table.kind == TableKind::Table) {
        let other = if view { "table" } else { "view" };
        return Err(Error::validation(format!(
            "{path} is a {other}, not a {}",
            d.kind.as_str().to_lowercase()
        )))
        .at(d.name.span());
    }
    if session.is_temporary(&path) {
        if !d.temporary {
            return Err(Error::validation(format!(
                "Temporary object '{path}' exists; drop it first"
            ))
            .hint(format!("DROP TEMPORARY {} {}", d.kind.as_str(), path.table)))
            .at(d.name.span());
        }
        session.drop_temporary(&path);
        return Ok(Effect::Done);
    }
    if d.temporary {
        if d.if_exists {
            return Ok(Effect::Done);
        }
        return Err(Error::validation(format!("Temporary object '{path}' does not exist")))
            .at(d.name.span());
    }
    session.catalog(&path.catalog)?.drop_table(&path.database, &path.table)?;
    Ok(Effect::Done)
}
