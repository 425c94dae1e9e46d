//! INSERT: columns that look swapped.

use weir_parser::ast::{self, ExprKind, SelectItem, SetExpr};
use weir_spec::CatalogColumn;

use crate::bind::position;
use crate::dialect::visit::{self, Visitor};
use crate::finding::Finding;
use crate::session::Session;

/// Columns match by position: a query column with the name of another sink
/// column is probably in the wrong place.
pub(super) fn insert(session: &Session, i: &ast::Insert, out: &mut Vec<Finding>) {
    if i.by_name {
        return;
    }
    let parts: Vec<&str> = i.table.parts().collect();
    let targets: Vec<String> = match i.columns.as_slice() {
        [] => match session.find(&parts) {
            Ok((_, Some(t))) => persisted(&t.columns),
            _ => return,
        },
        named => named.iter().map(|n| n.last().to_owned()).collect(),
    };
    let SetExpr::Select(select) = &i.source.body else { return };
    let Some(names) = item_names(select) else { return };
    if names.len() != targets.len() {
        return;
    }
    let swapped: Vec<usize> = (0..names.len())
        .filter(|&k| {
            let (n, t) = (&names[k].0, &targets[k]);
            n != t && targets.contains(n)
        })
        .collect();
    for k in swapped {
        let (name, span) = &names[k];
        let target = &targets[k];
        let columns = targets.join(", ");
        out.push(
            Finding::warning(
                position(*span),
                format!(
                    "query column '{name}' is written to column '{target}' of {}, which also has a column '{name}': columns match by position",
                    i.table
                ),
            )
            .hint(format!(
                "INSERT INTO {} BY NAME SELECT .. matches them by name; or select them in the order {columns}",
                i.table
            )),
        );
    }
}

fn persisted(columns: &[CatalogColumn]) -> Vec<String> {
    columns.iter().filter(|c| c.is_persisted()).map(|c| c.name().to_owned()).collect()
}

/// The names of the select list, if it has no wildcard.
fn item_names(s: &ast::Select) -> Option<Vec<(String, weir_parser::span::Span)>> {
    s.projection
        .iter()
        .map(|i| match i {
            SelectItem::Expr { alias: Some(a), .. } => Some((a.value.clone(), a.span)),
            SelectItem::Expr { expr, span, .. } => Some((
                match &expr.kind {
                    ExprKind::Identifier(n) => n.last().to_owned(),
                    ExprKind::FieldAccess { field, .. } => field.value.clone(),
                    _ => String::new(),
                },
                *span,
            )),
            _ => None,
        })
        .collect()
}

/// CREATE TABLE .. AS a query over the table itself.
pub(super) fn reads_itself(t: &ast::CreateTable, out: &mut Vec<Finding>) {
    struct Reads<'n>(&'n ast::ObjectName, Option<weir_parser::span::Span>);
    impl Visitor for Reads<'_> {
        fn table(&mut self, name: &mut ast::ObjectName) {
            if name == self.0 {
                self.1.get_or_insert(name.span());
            }
        }
    }
    let Some(q) = &t.query else { return };
    let mut reads = Reads(&t.name, None);
    visit::query(&mut q.clone(), &mut reads);
    if let Some(span) = reads.1 {
        let message = format!("{} is created from a query that reads {} itself", t.name, t.name);
        out.push(Finding::error(position(span), message).hint(format!(
            "give the new table another name: CREATE TABLE {}_new .. AS SELECT .. FROM {}",
            t.name, t.name
        )));
    }
}

/// Functions of UPDATE and DELETE that nothing registers.
pub(super) fn unknown_functions(
    session: &Session,
    statement: &ast::Statement,
    out: &mut Vec<Finding>,
) {
    struct Calls<'s>(&'s Session, Vec<Finding>);
    impl Visitor for Calls<'_> {
        fn call(&mut self, c: &mut ast::FunctionCall) {
            let name = c.name.last();
            let known =
                weir_functions::function_names().iter().any(|n| n.eq_ignore_ascii_case(name))
                    || self.0.objects.functions.keys().any(|k| {
                        k.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case(name))
                    });
            if !known {
                let message = format!("No match found for function signature {name}");
                self.1.push(Finding::error(position(c.name.span()), message).hint(format!(
                    "register it first: CREATE TEMPORARY FUNCTION {name} AS 'module.{name}' LANGUAGE PYTHON"
                )));
            }
        }
    }
    let mut calls = Calls(session, Vec::new());
    visit::statement(&mut statement.clone(), &mut calls);
    out.append(&mut calls.1);
}
