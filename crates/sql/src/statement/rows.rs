//! UPDATE, DELETE and TRUNCATE TABLE, which become jobs that write changes into the
//! table they read.

use weir_core::{Error, Result, RowKind, Schema};
use weir_parser::ast;
use weir_parser::printer::{PrintOptions, print_expr_with, quote_identifier};
use weir_spec::CatalogTable;

use super::effect::Insert;
use super::insert::insert_into;
use crate::bind::{At as _, Binder};
use crate::rel::{Rel, RelOp};
use crate::session::{Session, TablePath};

/// `UPDATE t SET a = x WHERE c`: the rows with new values, as changes by key.
pub(super) fn bind_update(session: &Session, u: &ast::Update) -> Result<Insert> {
    let (path, table) = target(session, "UPDATE", &u.table, &u.hints)?;
    let keys = table.primary_key.as_ref().map(|k| k.columns.as_slice()).unwrap_or_default();
    for a in &u.assignments {
        let name = a.target.single().map(|i| i.value.as_str()).ok_or_else(|| {
            Error::unsupported("UPDATE of a field within a column")
                .hint("assign the whole ROW: SET c = ROW(..)")
        });
        let name = name.at(a.span)?;
        if !table.columns.iter().any(|c| c.name() == name) {
            return Err(Error::validation(format!("Column '{name}' not found in table {path}")))
                .at(a.span);
        }
        if keys.iter().any(|k| k == name) {
            return Err(Error::validation(format!(
                "UPDATE of the primary key column '{name}' of table {path}"
            ))
            .hint("DELETE the row and INSERT another one"))
            .at(a.span);
        }
    }
    let value = |column: &str| {
        u.assignments
            .iter()
            .find(|a| a.target.last() == column)
            .map_or_else(|| quote_identifier(column), |a| text(&a.value))
    };
    let values = table.columns.iter().map(|c| value(c.name())).collect();
    let from = (&path, u.alias.as_ref(), u.selection.as_ref());
    changes(session, from, values, RowKind::UpdateAfter).at(u.table.span())
}

/// `DELETE FROM t WHERE c`
pub(super) fn bind_delete(session: &Session, d: &ast::Delete) -> Result<Insert> {
    let (path, table) = target(session, "DELETE", &d.table, &d.hints)?;
    let values = table.columns.iter().map(|c| quote_identifier(c.name())).collect();
    let from = (&path, d.alias.as_ref(), d.selection.as_ref());
    changes(session, from, values, RowKind::Delete).at(d.table.span())
}

/// `TRUNCATE TABLE t`: an overwrite without rows.
pub(super) fn bind_truncate(session: &Session, name: &ast::ObjectName) -> Result<Insert> {
    let (path, table) = stored(session, "TRUNCATE TABLE", name)?;
    let schema = Schema::new(
        table.columns.iter().map(|c| weir_core::Field::new(c.name(), c.ty().clone())).collect(),
    );
    let rel = Rel::new(RelOp::Values(Vec::new()), schema);
    let mut insert = insert_into(session, &path, rel, None).at(name.span())?;
    insert.sink.overwrite = true;
    insert.sink.table.options.set("dynamic-partition-overwrite", "false");
    Ok(insert)
}

/// A table of the lake in batch mode.
fn stored(
    session: &Session,
    statement: &str,
    name: &ast::ObjectName,
) -> Result<(TablePath, CatalogTable)> {
    if !session.is_batch() {
        return Err(Error::validation(format!(
            "{statement} statement is not supported for streaming mode now."
        ))
        .hint("SET 'execution.runtime-mode' = 'batch' first"))
        .at(name.span());
    }
    let parts: Vec<&str> = name.parts().collect();
    let (path, table) = session.find(&parts).at(name.span())?;
    let Some(table) = table else {
        return Err(Error::validation(format!("Cannot find table '{path}'"))).at(name.span());
    };
    let connector = table.options.get("connector");
    let catalog = session.catalog(&path.catalog)?.options();
    let in_lake = connector.is_none() && catalog.get("type") == Some("paimon");
    if !in_lake && connector != Some("paimon") {
        return Err(Error::validation(format!(
            "Can't perform {statement} on table {path}, whose connector cannot change rows"
        ))
        .hint("tables in a Paimon catalog can"))
        .at(name.span());
    }
    Ok((path, table))
}

/// A table of the lake whose rows are found by key and replaced.
fn target(
    session: &Session,
    statement: &str,
    name: &ast::ObjectName,
    hints: &[ast::Hint],
) -> Result<(TablePath, CatalogTable)> {
    let (path, table) = stored(session, statement, name)?;
    if let Some(h) = hints.first() {
        return Err(Error::unsupported(format!("a hint on the table of {statement}"))).at(h.span);
    }
    if table.primary_key.is_none() {
        return Err(Error::validation(format!(
            "Can't perform {statement} on table {path}, which has no primary key"
        ))
        .hint("INSERT OVERWRITE the table with the rows that stay"))
        .at(name.span());
    }
    let engine = table.options.get("merge-engine").unwrap_or("deduplicate");
    if engine != "deduplicate" {
        return Err(Error::validation(format!(
            "Can't perform {statement} on table {path} with 'merge-engine' = '{engine}'"
        )))
        .at(name.span());
    }
    Ok((path, table))
}

fn text(e: &ast::Expr) -> String {
    print_expr_with(e, PrintOptions::SERIALIZABLE)
}

/// An error without its place, which lies in a text that nobody wrote.
fn unplaced(e: &Error) -> Error {
    let bare = Error::validation(e.message().to_owned());
    match e.hint_text() {
        Some(h) => bare.hint(h.to_owned()),
        None => bare,
    }
}

/// Rows of a table with some values, as changes of one kind to the same table.
fn changes(
    session: &Session,
    (path, alias, selection): (&TablePath, Option<&ast::Ident>, Option<&ast::Expr>),
    values: Vec<String>,
    kind: RowKind,
) -> Result<Insert> {
    let parts = [&path.catalog, &path.database, &path.table].map(|p| quote_identifier(p));
    let mut query =
        format!("SELECT 'x' AS `$kind`, {} FROM {}", values.join(", "), parts.join("."));
    if let Some(a) = alias {
        query.push_str(&format!(" AS {}", quote_identifier(&a.value)));
    }
    if let Some(e) = selection {
        query.push_str(&format!(" WHERE {}", text(e)));
    }
    let query = weir_parser::parse_query(&query)
        .map_err(|e| Error::internal(format!("{query} does not parse: {}", e.message)))?;
    let input = Binder::new(session).query(&query).map_err(|e| unplaced(&e))?;
    let schema = Schema::new(input.schema.fields[1..].to_vec());
    let op = RelOp::FromChangelog {
        input: Box::new(input),
        column: 0,
        codes: vec![("x".to_owned(), kind as u8)],
    };
    insert_into(session, path, Rel::new(op, schema), None)
}
