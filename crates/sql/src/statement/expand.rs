//! The text of a view with every name in full, so that it means the same in any
//! current database, as Flink stores it.

use weir_core::Schema;
use weir_parser::ast::{self, Ident, ObjectName, SelectItem, SetExpr, TableFactorKind};
use weir_parser::printer::{Names, print_query_in_full};

use super::text::canonical_query;
use crate::bind::Binder;
use crate::session::Session;

/// The query in full; in canonical form where a name cannot be put in full safely.
pub fn expanded_query(session: &Session, query: &ast::Query, schema: &Schema) -> String {
    let mut names = FullNames { session, with: Vec::new(), levels: Vec::new() };
    let text = print_query_in_full(query, &mut names);
    let same = weir_parser::parse_query(&text)
        .ok()
        .and_then(|q| Binder::new(session).view_query(&q, true).ok())
        .is_some_and(|rel| rel.schema == *schema);
    if same { text } else { canonical_query(query) }
}

/// A table of FROM: its alias and its columns.
type Item = (String, Vec<String>);

struct FullNames<'s> {
    session: &'s Session,
    /// Queries of WITH and their columns.
    with: Vec<Item>,
    /// The tables of the SELECTs around a place, innermost last; `None` where one is
    /// a table function or the like, whose columns stay as written.
    levels: Vec<Option<Vec<Item>>>,
}

fn name_of(parts: &[&str]) -> ObjectName {
    ObjectName(parts.iter().map(|p| Ident::new(*p)).collect())
}

impl FullNames<'_> {
    fn items(&self, from: &[ast::TableWithJoins]) -> Option<Vec<Item>> {
        let mut items = Vec::new();
        for t in from {
            self.add(&t.relation, &mut items)?;
            for join in &t.joins {
                if join.natural || matches!(join.constraint, ast::JoinConstraint::Using(_)) {
                    return None;
                }
                self.add(&join.right, &mut items)?;
            }
        }
        Some(items)
    }

    fn add(&self, factor: &ast::TableFactor, items: &mut Vec<Item>) -> Option<()> {
        let alias = factor.alias.as_ref();
        let (name, columns) = match &factor.kind {
            TableFactorKind::Table { name, .. } => {
                (Some(name.last().to_owned()), self.table_columns(name)?)
            }
            TableFactorKind::Derived { query, .. } => (None, self.columns(query)?),
            TableFactorKind::Unnest { .. } if alias.is_some_and(|a| !a.columns.is_empty()) => {
                (None, Vec::new())
            }
            _ => return None,
        };
        let columns = match alias {
            Some(a) if !a.columns.is_empty() => a.columns.iter().map(|c| c.value.clone()).collect(),
            _ => columns,
        };
        items.push((alias.map(|a| a.name.value.clone()).or(name)?, columns));
        Some(())
    }

    fn table_columns(&self, name: &ObjectName) -> Option<Vec<String>> {
        if let Some(cte) = self.defined(name) {
            return Some(cte.1.clone());
        }
        let parts: Vec<&str> = name.parts().collect();
        let (_, table) = self.session.find(&parts).ok()?;
        Some(table?.columns.iter().map(|c| c.name().to_owned()).collect())
    }

    fn defined(&self, name: &ObjectName) -> Option<&Item> {
        let single = name.single()?;
        self.with.iter().rev().find(|(n, _)| *n == single.value)
    }

    /// Names of a query's columns.
    fn columns(&self, query: &ast::Query) -> Option<Vec<String>> {
        if query.with.is_some() {
            return None;
        }
        let mut body = &query.body;
        while let SetExpr::SetOp(op) = body {
            body = &op.left;
        }
        match body {
            SetExpr::Select(s) => self.select_columns(s),
            SetExpr::Values(v) => {
                let width = v.rows.first()?.exprs.len();
                Some((0..width).map(|i| format!("EXPR${i}")).collect())
            }
            SetExpr::Query(q) => self.columns(q),
            _ => None,
        }
    }

    fn select_columns(&self, select: &ast::Select) -> Option<Vec<String>> {
        let mut columns = Vec::new();
        for item in &select.projection {
            match item {
                SelectItem::Wildcard(_) => {
                    columns.extend(self.items(&select.from)?.into_iter().flat_map(|i| i.1));
                }
                SelectItem::QualifiedWildcard { qualifier, .. } => {
                    let wanted = qualifier.single()?;
                    let items = self.items(&select.from)?;
                    columns.extend(items.into_iter().find(|i| i.0 == wanted.value)?.1);
                }
                SelectItem::Expr { alias: Some(a), .. } => columns.push(a.value.clone()),
                SelectItem::Expr { expr, .. } => match &expr.kind {
                    ast::ExprKind::Identifier(name) => columns.push(name.last().to_owned()),
                    _ => columns.push(format!("EXPR${}", columns.len())),
                },
                SelectItem::ExprWildcard { .. } => return None,
            }
        }
        Some(columns)
    }
}

impl Names for FullNames<'_> {
    fn define(&mut self, cte: &ast::Cte) {
        let columns = if cte.columns.is_empty() {
            self.columns(&cte.query).unwrap_or_default()
        } else {
            cte.columns.iter().map(|c| c.value.clone()).collect()
        };
        self.with.push((cte.name.value.clone(), columns));
    }

    fn enter(&mut self, select: &ast::Select) {
        let items = self.items(&select.from);
        self.levels.push(items);
    }

    fn leave(&mut self) {
        self.levels.pop();
    }

    fn column(&self, name: &ObjectName) -> Option<ObjectName> {
        let first = name.0.first()?;
        for level in self.levels.iter().rev() {
            let items = level.as_ref()?;
            if name.0.len() > 1 && items.iter().any(|i| i.0 == first.value) {
                return None;
            }
            let mut having = items.iter().filter(|i| i.1.contains(&first.value));
            if let (Some(item), None) = (having.next(), having.next()) {
                let mut full = vec![Ident::new(item.0.as_str())];
                full.extend(name.0.iter().cloned());
                return Some(ObjectName(full));
            }
        }
        None
    }

    fn table(&self, name: &ObjectName) -> Option<ObjectName> {
        if self.defined(name).is_some() {
            return None;
        }
        let parts: Vec<&str> = name.parts().collect();
        let (path, _) = self.session.find(&parts).ok()?;
        Some(name_of(&[&path.catalog, &path.database, &path.table]))
    }

    fn star(&self, qualifier: Option<&ObjectName>) -> Option<Vec<ObjectName>> {
        let items = self.levels.last()?.as_ref()?;
        let wanted = |item: &&Item| match qualifier {
            Some(q) => q.single().is_some_and(|q| q.value == item.0),
            None => true,
        };
        let columns: Vec<ObjectName> = items
            .iter()
            .filter(wanted)
            .flat_map(|(alias, columns)| columns.iter().map(|c| name_of(&[alias, c])))
            .collect();
        (!columns.is_empty()).then_some(columns)
    }
}
