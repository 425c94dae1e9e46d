//! SHOW and DESCRIBE.

use std::fmt::Write;

use weir_core::types::{MAX_LENGTH, TimeAttribute};
use weir_core::{DataType, Error, Field, Result, TypeKind};
use weir_parser::ast::{self, DescribeTarget, ObjectKind, ShowObject};
use weir_spec::{CatalogColumn, CatalogTable, TableKind};

use super::create::{database_of, path_of};
use super::effect::{Effect, ResultTable};
use crate::bind::{At as _, is_like, quote};
use crate::secret::masked;
use crate::session::{Session, TablePath};

fn table_of(session: &Session, name: &ast::ObjectName) -> Result<(TablePath, CatalogTable)> {
    let path = path_of(session, name)?;
    match session.table(&path)? {
        Some(t) => Ok((path, t)),
        None => Err(Error::validation(format!(
            "Tables or views with the identifier '{path}' doesn't exist"
        )))
        .at(name.span()),
    }
}

fn text(v: impl Into<String>) -> Option<String> {
    Some(v.into())
}

fn boolean(b: bool) -> Option<String> {
    text(if b { "TRUE" } else { "FALSE" })
}

pub(super) fn describe(session: &Session, d: &ast::Describe) -> Result<Effect> {
    match &d.target {
        DescribeTarget::Table(name) => {
            let (_, table) = table_of(session, name)?;
            Ok(Effect::Table(describe_table(&table)))
        }
        DescribeTarget::Catalog(name) => {
            let catalog = session.catalog(&name.value).at(name.span)?;
            let options = catalog.options();
            let mut rows = vec![
                vec![text("name"), text(name.value.clone())],
                vec![text("type"), text(options.get("type").unwrap_or_default())],
                vec![text("comment"), session.catalog_comment(&name.value).map(str::to_owned)],
            ];
            if d.extended {
                rows.extend(
                    options
                        .iter()
                        .filter(|(k, _)| *k != "type")
                        .map(|(k, v)| vec![text(format!("option:{k}")), text(masked(k, v))]),
                );
            }
            Ok(Effect::Table(ResultTable::strings(&["info name", "info value"], rows)))
        }
        DescribeTarget::Database(name) => {
            let (catalog, database) = database_of(session, name)?;
            let Some(definition) = session.catalog(&catalog)?.database(&database)? else {
                return Err(Error::validation(format!("Database {database} does not exist")))
                    .at(name.span());
            };
            let mut rows = vec![
                vec![text("catalog"), text(catalog)],
                vec![text("name"), text(database)],
                vec![text("comment"), definition.comment],
            ];
            if d.extended {
                rows.extend(
                    definition
                        .options
                        .iter()
                        .map(|(k, v)| vec![text(format!("option:{k}")), text(masked(k, v))]),
                );
            }
            Ok(Effect::Table(ResultTable::strings(&["info name", "info value"], rows)))
        }
        DescribeTarget::Model(name) => super::model::describe(session, name),
        DescribeTarget::Function(name) => describe_function(session, name),
        DescribeTarget::Connection(_) => Err(Error::unsupported("DESCRIBE CONNECTION")),
        DescribeTarget::Job(_) => {
            Err(Error::unsupported("DESCRIBE JOB: a process runs its own jobs only")
                .hint("EXPLAIN shows a job's operators, `weir state` what its checkpoints hold"))
        }
    }
}

/// Flink's DESCRIBE columns; `comment` only when a column has one.
fn describe_table(table: &CatalogTable) -> ResultTable {
    let commented = table.columns.iter().any(|c| c.comment().is_some());
    let mut columns = vec!["name", "type", "null", "key", "extras", "watermark"];
    if commented {
        columns.push("comment");
    }
    let rows = table
        .columns
        .iter()
        .map(|c| {
            let watermark = table.watermark.as_ref().filter(|w| w.column == c.name());
            let ty = match watermark {
                Some(_) => c.ty().clone().with_time_attribute(TimeAttribute::Rowtime),
                None => c.ty().clone(),
            };
            let mut row = vec![
                text(c.name()),
                text(ty.clone().null().to_string()),
                boolean(ty.nullable),
                key_of(table, c.name()),
                extras(c),
                watermark.map(|w| w.expression.clone()),
            ];
            if commented {
                row.push(c.comment().map(str::to_owned));
            }
            row
        })
        .collect();
    let mut result = ResultTable::strings(&columns, rows);
    result.schema.fields[2].ty = DataType::boolean();
    result
}

fn key_of(table: &CatalogTable, column: &str) -> Option<String> {
    let key = table.primary_key.as_ref()?;
    key.columns.iter().any(|c| c == column).then(|| format!("PRI({})", key.columns.join(", ")))
}

fn extras(c: &CatalogColumn) -> Option<String> {
    match c {
        CatalogColumn::Physical { .. } => None,
        CatalogColumn::Computed { expression, .. } => Some(format!("AS {expression}")),
        CatalogColumn::Metadata { key, is_virtual, .. } => {
            let mut s = "METADATA".to_owned();
            if let Some(k) = key {
                let _ = write!(s, " FROM '{k}'");
            }
            if *is_virtual {
                s.push_str(" VIRTUAL");
            }
            Some(s)
        }
    }
}

pub(super) fn show(session: &Session, s: &ast::Show) -> Result<Effect> {
    use ShowObject as O;
    let filter = Filter::new(s.like.as_ref());
    let table = match &s.object {
        O::Catalogs => filter.list("catalog name", session.list_catalogs()),
        O::CurrentCatalog => {
            ResultTable::list("current catalog name", [session.current_catalog().to_owned()])
        }
        O::CurrentDatabase => {
            ResultTable::list("current database name", [session.current_database().to_owned()])
        }
        O::Databases => {
            let catalog = match &s.from {
                Some(f) => f.name.to_string(),
                None => session.current_catalog().to_owned(),
            };
            filter.list("database name", session.catalog(&catalog)?.list_databases()?)
        }
        O::Tables => filter.list("table name", tables(session, s, |_| true)?),
        O::Views => filter.list("view name", tables(session, s, |t| t.kind != TableKind::Table)?),
        O::MaterializedTables => ResultTable::list("materialized table", []),
        O::Functions { user } => {
            let mut names = super::model::user_functions(session);
            if !*user {
                names.extend(weir_functions::function_names().iter().map(|n| n.to_lowercase()));
            }
            names.sort();
            names.dedup();
            filter.list("function name", names)
        }
        O::Modules { full } => {
            if *full {
                let rows =
                    session.objects.modules.iter().map(|(m, on)| vec![text(m), boolean(*on)]);
                let mut t = ResultTable::strings(&["module name", "used"], rows.collect());
                t.schema.fields[1].ty = DataType::boolean();
                t
            } else {
                let used = session.objects.modules.iter().filter(|(_, on)| *on);
                ResultTable::list("module name", used.map(|(m, _)| m.clone()))
            }
        }
        O::Columns => {
            let Some(from) = &s.from else {
                return Err(Error::validation("SHOW COLUMNS needs FROM and a table"));
            };
            let (_, table) = table_of(session, &from.name)?;
            filter.rows(describe_table(&table))
        }
        O::Partitions { table, spec } => {
            let (path, table) = table_of(session, table)?;
            let shown = super::partition::list(session, &path, &table, spec)?;
            ResultTable::list("partition name", shown)
        }
        O::Create { kind, name } => return show_create(session, *kind, name),
        O::Models => {
            let (catalog, database) = match &s.from {
                Some(f) => database_of(session, &f.name)?,
                None => {
                    (session.current_catalog().to_owned(), session.current_database().to_owned())
                }
            };
            let here = |p: &&TablePath| p.catalog == catalog && p.database == database;
            let names = session.objects.models.keys().filter(here).map(|p| p.table.clone());
            filter.list("model name", names.collect())
        }
        O::Procedures => ResultTable::list("procedure name", []),
        O::Jars => ResultTable::list("jars", session.objects.jars.iter().cloned()),
        O::Jobs => return Ok(Effect::ShowJobs),
        O::Connections => return Err(Error::unsupported("SHOW CONNECTIONS")),
    };
    Ok(Effect::Table(table))
}

fn tables(
    session: &Session,
    s: &ast::Show,
    keep: impl Fn(&CatalogTable) -> bool,
) -> Result<Vec<String>> {
    let (catalog, database) = match &s.from {
        Some(f) => database_of(session, &f.name)?,
        None => (session.current_catalog().to_owned(), session.current_database().to_owned()),
    };
    if session.catalog(&catalog)?.database(&database)?.is_none() {
        return Err(Error::validation(format!("Database {catalog}.{database} does not exist")));
    }
    let mut out = Vec::new();
    for name in session.list_tables(&catalog, &database)? {
        let path =
            TablePath { catalog: catalog.clone(), database: database.clone(), table: name.clone() };
        if session.table(&path)?.is_some_and(|t| keep(&t)) {
            out.push(name);
        }
    }
    Ok(out)
}

/// `[NOT] LIKE 'pattern'`
struct Filter<'a>(Option<&'a ast::ShowLike>);

impl<'a> Filter<'a> {
    fn new(like: Option<&'a ast::ShowLike>) -> Self {
        Self(like)
    }

    fn keeps(&self, name: &str) -> bool {
        let Some(like) = self.0 else { return true };
        let (mut pattern, mut name) = (like.pattern.value.clone(), name.to_owned());
        if like.case_insensitive {
            pattern = pattern.to_lowercase();
            name = name.to_lowercase();
        }
        is_like(&name, &pattern) != like.negated
    }

    fn list(&self, column: &str, names: Vec<String>) -> ResultTable {
        ResultTable::list(column, names.into_iter().filter(|n| self.keeps(n)))
    }

    fn rows(&self, mut table: ResultTable) -> ResultTable {
        table.rows.retain(|r| self.keeps(r[0].as_deref().unwrap_or_default()));
        table
    }
}

fn show_create(session: &Session, kind: ObjectKind, name: &ast::ObjectName) -> Result<Effect> {
    let shown = match kind {
        ObjectKind::Table => {
            let (path, table) = table_of(session, name)?;
            if table.kind != TableKind::Table {
                return Err(Error::validation(format!(
                    "SHOW CREATE TABLE is only supported for tables, but {path} is a view"
                ))
                .hint("SHOW CREATE VIEW"))
                .at(name.span());
            }
            create_table_text(&path, &table, session.is_temporary(&path))
        }
        ObjectKind::View => {
            let (path, table) = table_of(session, name)?;
            let TableKind::View { expanded, .. } = &table.kind else {
                return Err(
                    Error::validation(format!("{path} is a table")).hint("SHOW CREATE TABLE")
                )
                .at(name.span());
            };
            let columns: Vec<String> =
                table.columns.iter().map(|c| format!("  {}", quote(c.name()))).collect();
            let temporary = if session.is_temporary(&path) { "TEMPORARY " } else { "" };
            let comment = table
                .comment
                .as_ref()
                .map(|c| format!("COMMENT '{}'\n", c.replace('\'', "''")))
                .unwrap_or_default();
            format!(
                "CREATE {temporary}VIEW {} (\n{}\n)\n{comment}AS {expanded}\n",
                quoted_path(&path),
                columns.join(",\n")
            )
        }
        ObjectKind::Catalog => {
            let name = name.to_string();
            let options = session.catalog(&name)?.options();
            let comment = session
                .catalog_comment(&name)
                .map(|c| format!("COMMENT '{}'\n", c.replace('\'', "''")))
                .unwrap_or_default();
            format!(
                "CREATE CATALOG {}\n{comment}WITH (\n{}\n)\n",
                quote(&name),
                options_text(options.iter())
            )
        }
        ObjectKind::Model => create_model_text(session, name)?,
        other => return Err(Error::unsupported(format!("SHOW CREATE {}", other.as_str()))),
    };
    Ok(Effect::Table(ResultTable::list("result", [shown])))
}

fn create_model_text(session: &Session, name: &ast::ObjectName) -> Result<String> {
    let (path, m) = super::model::model_of(session, name)?;
    let columns = |s: &weir_core::Schema| {
        s.fields
            .iter()
            .map(|f| format!("{} {}", quote(&f.name), type_text(&f.ty)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let temporary = if m.temporary { "TEMPORARY " } else { "" };
    let mut out = format!("CREATE {temporary}MODEL {}\n", quoted_path(&path));
    if !m.input.is_empty() {
        let _ = writeln!(out, "INPUT ({})", columns(&m.input));
    }
    if !m.output.is_empty() {
        let _ = writeln!(out, "OUTPUT ({})", columns(&m.output));
    }
    if let Some(c) = &m.comment {
        let _ = writeln!(out, "COMMENT '{}'", c.replace('\'', "''"));
    }
    let _ = writeln!(out, "WITH (\n{}\n)", options_text(m.options.iter()));
    Ok(out)
}

fn describe_function(session: &Session, name: &ast::ObjectName) -> Result<Effect> {
    let bare = name.last().to_lowercase();
    let parts: Vec<&str> = name.parts().collect();
    let path = session.qualify(&parts).at(name.span())?.to_string().to_lowercase();
    let objects = &session.objects.functions;
    let rows = match objects.get(&bare).or_else(|| objects.get(&path)) {
        Some(f) => vec![
            vec![text("is system function"), text(f.system.to_string())],
            vec![text("is temporary"), text(f.temporary.to_string())],
            vec![text("class name"), text(f.class.clone())],
            vec![text("function language"), text(f.language.clone())],
            vec![text("resource uris"), text(format!("[{}]", f.resources.join(", ")))],
        ],
        None if weir_functions::function_names().iter().any(|n| n.eq_ignore_ascii_case(&bare)) => {
            vec![
                vec![text("is system function"), text("true")],
                vec![text("is temporary"), text("false")],
            ]
        }
        None => {
            return Err(Error::validation(format!("Function {name} doesn't exist.")))
                .at(name.span());
        }
    };
    Ok(Effect::Table(ResultTable::strings(&["info name", "info value"], rows)))
}

fn quoted_path(p: &TablePath) -> String {
    format!("{}.{}.{}", quote(&p.catalog), quote(&p.database), quote(&p.table))
}

/// Options in the order of their keys, as Flink's sorted map has them.
fn options_text<'a>(options: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut options: Vec<_> = options.collect();
    options.sort_unstable();
    options
        .into_iter()
        .map(|(k, v)| format!("  '{k}' = '{}'", masked(k, v).replace('\'', "''")))
        .collect::<Vec<_>>()
        .join(",\n")
}

/// A type in Flink's serialisable form: STRING and BYTES by their lengths.
fn type_text(ty: &DataType) -> String {
    let nested = |f: &Field| format!("{} {}", quote(&f.name), type_text(&f.ty));
    let kind = match &ty.kind {
        TypeKind::Varchar(MAX_LENGTH) => format!("VARCHAR({MAX_LENGTH})"),
        TypeKind::Varbinary(MAX_LENGTH) => format!("VARBINARY({MAX_LENGTH})"),
        TypeKind::TimestampLtz(p, _) => format!("TIMESTAMP({p}) WITH LOCAL TIME ZONE"),
        TypeKind::Array(e) => format!("ARRAY<{}>", type_text(e)),
        TypeKind::Multiset(e) => format!("MULTISET<{}>", type_text(e)),
        TypeKind::Map(k, v) => format!("MAP<{}, {}>", type_text(k), type_text(v)),
        TypeKind::Row(fields) => {
            format!("ROW<{}>", fields.iter().map(nested).collect::<Vec<_>>().join(", "))
        }
        kind => kind.to_string(),
    };
    if ty.nullable { kind } else { format!("{kind} NOT NULL") }
}

fn create_table_text(path: &TablePath, table: &CatalogTable, temporary: bool) -> String {
    let mut lines: Vec<String> = table.columns.iter().map(column_text).collect();
    if let Some(w) = &table.watermark {
        lines.push(format!("WATERMARK FOR {} AS {}", quote(&w.column), w.expression));
    }
    if let Some(k) = &table.primary_key {
        let columns: Vec<String> = k.columns.iter().map(|c| quote(c)).collect();
        lines.push(format!(
            "CONSTRAINT {} PRIMARY KEY ({}) NOT ENFORCED",
            quote(&k.name),
            columns.join(", ")
        ));
    }
    let temporary = if temporary { "TEMPORARY " } else { "" };
    let mut out =
        format!("CREATE {temporary}TABLE {} (\n  {}\n)\n", quoted_path(path), lines.join(",\n  "));
    if let Some(c) = &table.comment {
        let _ = writeln!(out, "COMMENT '{}'", c.replace('\'', "''"));
    }
    if let Some(d) = &table.distribution {
        let _ = writeln!(out, "{d}");
    }
    if !table.partition_keys.is_empty() {
        let keys: Vec<String> = table.partition_keys.iter().map(|k| quote(k)).collect();
        let _ = writeln!(out, "PARTITIONED BY ({})", keys.join(", "));
    }
    if !table.options.is_empty() {
        let _ = writeln!(out, "WITH (\n{}\n)", options_text(table.options.iter()));
    }
    out
}

fn column_text(c: &CatalogColumn) -> String {
    let mut s = quote(c.name());
    match c {
        CatalogColumn::Physical { ty, .. } => {
            let _ = write!(s, " {}", type_text(ty));
        }
        CatalogColumn::Computed { .. } => {
            let _ = write!(s, " {}", extras(c).unwrap_or_default());
        }
        CatalogColumn::Metadata { ty, .. } => {
            let _ = write!(s, " {} {}", type_text(ty), extras(c).unwrap_or_default());
        }
    }
    if let Some(comment) = c.comment() {
        let _ = write!(s, " COMMENT '{}'", comment.replace('\'', "''"));
    }
    s
}
