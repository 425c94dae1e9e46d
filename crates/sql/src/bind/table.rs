//! Tables and views by name: scans with metadata and computed columns, watermarks, hints.

use std::rc::Rc;

use weir_core::types::TimeAttribute;
use weir_core::{Error, Field, Options, Result, Schema, TypeKind, nearest};
use weir_functions::Expr;
use weir_parser::ast;
use weir_spec::{CatalogColumn, CatalogTable, ReadColumn, TableKind, TableSpec};

use super::at::{At, position};
use super::binder::Binder;
use super::typed::coerce;
use crate::rel::{Rel, RelOp, Scan};
use crate::session::TablePath;

/// Views may be nested this deep.
const MAX_VIEW_DEPTH: usize = 64;

impl Binder<'_> {
    /// A CTE, view or table by name; also its last name, the default alias.
    pub(super) fn bind_table(
        &self,
        name: &ast::ObjectName,
        hints: &[ast::Hint],
        extra: Option<(&str, String)>,
    ) -> Result<(Rel, String)> {
        let parts: Vec<&str> = name.parts().collect();
        let alias = parts.last().copied().unwrap_or_default().to_owned();
        if let [one] = parts.as_slice()
            && let Some(cte) = self.ctes.borrow().get(*one)
        {
            return Ok((Rel::clone(cte), alias));
        }
        let (path, table) = self.session.find(&parts).at(name.span())?;
        let Some(mut table) = table else {
            let e = self.unknown_table(&path, &parts);
            if e.hint_text().is_none() {
                self.session.note_undeclared(&path.table, position(name.span()));
            }
            return Err(e).at(name.span());
        };
        self.apply_hints(&mut table, hints)?;
        if let Some((key, value)) = extra {
            table.options.set(key, value);
        }
        let rel = match &table.kind {
            TableKind::View { expanded, .. } => self.bind_view(&path, &table, expanded),
            TableKind::Table => self.bind_scan(&path, &table),
        };
        Ok((rel.at(name.span())?, alias))
    }

    fn unknown_table(&self, path: &TablePath, parts: &[&str]) -> Error {
        let shown = parts.join(".");
        let error = Error::validation(format!(
            "Object '{shown}' not found: table or view {path} does not exist"
        ));
        // The same name elsewhere is the usual slip after USE CATALOG.
        for catalog in self.session.list_catalogs() {
            let Ok(c) = self.session.catalog(&catalog) else { continue };
            for database in c.list_databases().unwrap_or_default() {
                let known = self.session.list_tables(&catalog, &database).unwrap_or_default();
                if known.contains(&path.table) {
                    return error
                        .hint(format!("did you mean `{catalog}`.`{database}`.`{}`?", path.table));
                }
            }
        }
        let here = self.session.list_tables(&path.catalog, &path.database).unwrap_or_default();
        match nearest(&path.table, here.iter().map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error,
        }
    }

    /// `/*+ OPTIONS('k' = 'v') */`
    fn apply_hints(&self, table: &mut CatalogTable, hints: &[ast::Hint]) -> Result<()> {
        for h in hints {
            if !h.name.value.eq_ignore_ascii_case("OPTIONS") {
                return Err(Error::validation(format!("unknown table hint {}", h.name.value))
                    .hint("write /*+ OPTIONS('key' = 'value') */"))
                .at(h.span);
            }
            let enabled =
                self.session.options.bool_or("table.dynamic-table-options.enabled", true)?;
            if !enabled {
                return Err(Error::validation(
                    "OPTIONS hints are switched off by 'table.dynamic-table-options.enabled'",
                ))
                .at(h.span);
            }
            for a in &h.args {
                let ast::HintArg::KeyValue(option) = a else {
                    return Err(Error::validation("OPTIONS takes 'key' = 'value' pairs"))
                        .at(h.span);
                };
                table.options.set(option.key.value.clone(), option.value.value.clone());
            }
        }
        Ok(())
    }

    fn bind_view(&self, path: &TablePath, table: &CatalogTable, text: &str) -> Result<Rel> {
        if *self.depth.borrow() >= MAX_VIEW_DEPTH {
            return Err(Error::validation(format!(
                "view {path} is nested too deeply, or refers to itself"
            )));
        }
        let query = weir_parser::parse_query(text).map_err(|e| {
            Error::internal(format!("the stored text of view {path} does not parse: {}", e.message))
        })?;
        let ctes = std::mem::take(&mut *self.ctes.borrow_mut());
        *self.depth.borrow_mut() += 1;
        let bound = self.bind_query(&query, None);
        *self.depth.borrow_mut() -= 1;
        *self.ctes.borrow_mut() = ctes;
        let mut rel = bound.map_err(|e| e.context(format!("view {path}")))?;
        if rel.schema.len() == table.columns.len() {
            for (f, c) in rel.schema.fields.iter_mut().zip(&table.columns) {
                c.name().clone_into(&mut f.name);
            }
        }
        Ok(rel)
    }

    /// Scan, then computed columns, then the watermark.
    fn bind_scan(&self, path: &TablePath, table: &CatalogTable) -> Result<Rel> {
        let spec = table_spec(path, table)?;
        let (mut columns, mut fields) = (Vec::new(), Vec::new());
        let mut physical = 0;
        for c in &table.columns {
            match c {
                CatalogColumn::Physical { name, ty, .. } => {
                    columns.push(ReadColumn::Physical { path: vec![physical] });
                    fields.push(Field::new(name.clone(), ty.clone()));
                    physical += 1;
                }
                CatalogColumn::Metadata { name, ty, key, .. } => {
                    let key = key.clone().unwrap_or_else(|| name.clone());
                    columns.push(ReadColumn::Metadata { key });
                    fields.push(Field::new(name.clone(), ty.clone()));
                }
                CatalogColumn::Computed { .. } => {}
            }
        }
        let scan = Scan {
            table: spec,
            columns,
            limit: None,
            filter: None,
            state_ttl: None,
            multi_join: false,
        };
        let rel = Rel::new(RelOp::Scan(scan), Schema::new(fields));
        let rel = self.with_computed(rel, table)?;
        self.with_watermark(rel, table)
    }

    fn with_computed(&self, rel: Rel, table: &CatalogTable) -> Result<Rel> {
        let computed = |c: &CatalogColumn| matches!(c, CatalogColumn::Computed { .. });
        if !table.columns.iter().any(computed) {
            return Ok(rel);
        }
        let mut exprs = Vec::with_capacity(table.columns.len());
        let mut names = Vec::with_capacity(table.columns.len());
        for c in &table.columns {
            names.push(c.name().to_owned());
            exprs.push(match c {
                CatalogColumn::Computed { expression, .. } => {
                    self.stored_expression(expression, &rel.schema)?
                }
                _ => {
                    let at = rel.schema.index_of(c.name()).unwrap_or_default();
                    Expr::column(at, rel.schema.fields[at].ty.clone())
                }
            });
        }
        Ok(rel.project(exprs, names))
    }

    /// Binds the stored text of a computed column or watermark.
    pub(crate) fn stored_expression(&self, text: &str, schema: &Schema) -> Result<Expr> {
        let e = weir_parser::parse_expr(text).map_err(|e| {
            Error::internal(format!("the stored expression {text} does not parse: {}", e.message))
        })?;
        self.scalar(&e, schema)
    }

    fn with_watermark(&self, rel: Rel, table: &CatalogTable) -> Result<Rel> {
        let Some(w) = &table.watermark else { return Ok(rel) };
        let rowtime = rel.schema.index_of(&w.column).ok_or_else(|| {
            Error::validation(format!("the watermark's column {} does not exist", w.column))
        })?;
        let watermark = self.stored_expression(&w.expression, &rel.schema)?;
        let ty = rel.schema.fields[rowtime].ty.clone();
        let watermark = coerce(watermark, &ty);
        let mut schema = rel.schema.clone();
        schema.fields[rowtime].ty = ty.with_time_attribute(TimeAttribute::Rowtime);
        Ok(Rel::new(RelOp::Watermark { input: Box::new(rel), rowtime, watermark }, schema))
    }

    /// Remembers a plan under a name, as WITH does.
    pub fn define(&self, name: &str, rel: Rel) {
        self.ctes.borrow_mut().insert(name.to_owned(), Rc::new(rel));
    }
}

/// A table as connectors see it.
pub fn table_spec(path: &TablePath, table: &CatalogTable) -> Result<TableSpec> {
    let physical =
        Schema::new(table.physical_columns().map(|(n, t)| Field::new(n, t.clone())).collect());
    let position = |name: &String| {
        physical.index_of(name).ok_or_else(|| {
            Error::validation(format!(
                "key or partition column {name} is not a physical column of {path}"
            ))
        })
    };
    let primary_key = match &table.primary_key {
        Some(k) => k.columns.iter().map(position).collect::<Result<_>>()?,
        None => vec![],
    };
    let partition_keys = table.partition_keys.iter().map(position).collect::<Result<_>>()?;
    let options: Options =
        table.options.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    Ok(TableSpec { identifier: path.to_string(), physical, primary_key, partition_keys, options })
}

/// Whether a type can be a rowtime column.
pub fn is_rowtime_type(kind: &TypeKind) -> bool {
    matches!(kind, TypeKind::Timestamp(0..=3, _) | TypeKind::TimestampLtz(0..=3, _))
}
