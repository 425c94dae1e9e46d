//! CREATE TABLE (AS, LIKE), CREATE VIEW, CREATE CATALOG, CREATE DATABASE.

use weir_core::{DataType, Error, Options, Result, Schema};
use weir_core::{Field, types::TimeAttribute};
use weir_parser::ast::{self, ColumnKind, LikeFeature, LikeStrategy};
use weir_spec::{
    CatalogColumn, CatalogDatabase, CatalogTable, PrimaryKey, TableKind, WatermarkSpec,
};

use super::effect::Effect;
use super::expand::expanded_query;
use super::insert::{insert_into, options_of};
use super::text::{canonical_expr, source_text};
use crate::bind::{At as _, Binder, bind_type, is_rowtime_type};
use crate::rel::Rel;
use crate::session::{Session, TablePath};

/// Qualifies an object's name.
pub(super) fn path_of(session: &Session, name: &ast::ObjectName) -> Result<TablePath> {
    let parts: Vec<&str> = name.parts().collect();
    session.qualify(&parts).at(name.span())
}

pub(super) fn create_table(session: &mut Session, t: &ast::CreateTable) -> Result<Effect> {
    if t.mode != ast::CreateMode::Create {
        return replace_table(session, t);
    }
    let path = path_of(session, &t.name)?;
    let exists = session.table(&path)?.is_some();
    if exists && (!t.temporary || session.is_temporary(&path)) {
        if t.if_not_exists {
            return Ok(Effect::Done);
        }
        return Err(Error::validation(format!("Table (or view) {path} already exists"))
            .hint("use CREATE TABLE IF NOT EXISTS, or DROP it first"))
        .at(t.name.span());
    }
    let query = match &t.query {
        Some(q) => Some(Binder::new(session).query(q)?),
        None => None,
    };
    let table = table_definition(session, t, query.as_ref())?;
    check_connector(&table)?;
    store(session, &path, table, t.temporary)?;
    match query {
        None => Ok(Effect::Done),
        Some(rel) => {
            let columns: Vec<String> = rel.schema.fields.iter().map(|f| f.name.clone()).collect();
            Ok(Effect::Inserts(vec![insert_into(session, &path, rel, Some(columns))?]))
        }
    }
}

/// REPLACE TABLE and CREATE OR REPLACE TABLE: the old definition goes, with its
/// rows where the catalog keeps them; the query is bound before, so that it may read
/// what it replaces.
fn replace_table(session: &mut Session, t: &ast::CreateTable) -> Result<Effect> {
    let path = path_of(session, &t.name)?;
    let Some(query) = &t.query else {
        return Err(Error::validation(
            "REPLACE TABLE and CREATE OR REPLACE TABLE need AS and a query",
        )
        .hint("DROP TABLE t; CREATE TABLE t (..) for a table without a query"))
        .at(t.name.span());
    };
    let rel = Binder::new(session).query(query)?;
    let existing = session.table(&path)?;
    match &existing {
        None if t.mode == ast::CreateMode::Replace => {
            return Err(Error::validation(format!(
                "The table '{path}' to be replaced doesn't exist."
            ))
            .hint("CREATE OR REPLACE TABLE creates it when it is missing"))
            .at(t.name.span());
        }
        Some(found) if found.kind != TableKind::Table => {
            return Err(Error::validation(format!(
                "{path} is a view; REPLACE TABLE needs a table"
            )))
            .at(t.name.span());
        }
        _ => {}
    }
    if existing.is_some() && rel.reads(&path.to_string()) {
        return Err(Error::validation(format!("{path} is read by the query that replaces it"))
            .hint("write into another table, then ALTER TABLE .. RENAME TO"))
        .at(t.name.span());
    }
    let table = table_definition(session, t, Some(&rel))?;
    check_connector(&table)?;
    if existing.is_some() {
        session.catalog(&path.catalog)?.drop_table(&path.database, &path.table)?;
    }
    store(session, &path, table, false)?;
    let columns: Vec<String> = rel.schema.fields.iter().map(|f| f.name.clone()).collect();
    Ok(Effect::Inserts(vec![insert_into(session, &path, rel, Some(columns))?]))
}

fn store(
    session: &mut Session,
    path: &TablePath,
    table: CatalogTable,
    temporary: bool,
) -> Result<()> {
    session.note_created(path);
    if temporary {
        return session.create_temporary(path.clone(), table);
    }
    let catalog = session.catalog(&path.catalog)?;
    if catalog.database(&path.database)?.is_none() {
        return Err(Error::validation(format!(
            "Database {} does not exist in catalog {}",
            path.database, path.catalog
        )));
    }
    catalog.create_table(&path.database, &path.table, table)
}

/// What can be said of a table's options before it is used.
fn check_connector(table: &CatalogTable) -> Result<()> {
    if let Some(e) = table.options.get("connector").and_then(weir_spec::external::external) {
        return check_external(e, &table.options);
    }
    Ok(())
}

/// Options of a connector that cannot run yet are checked all the same.
fn check_external(e: &weir_spec::external::External, options: &Options) -> Result<()> {
    for (key, _) in options.iter() {
        if !weir_spec::external::knows(e, key) {
            let error = Error::option(format!("unknown option '{key}' of connector '{}'", e.name));
            let known = e.options.iter().copied().filter(|k| !k.ends_with('*'));
            return Err(match weir_core::nearest(key, known.clone()) {
                Some(near) => error.hint(format!("did you mean '{near}'?")),
                None => error.hint(format!("known are: {}", known.collect::<Vec<_>>().join(", "))),
            });
        }
    }
    Ok(())
}

/// The definition that a CREATE TABLE describes.
fn table_definition(
    session: &Session,
    t: &ast::CreateTable,
    query: Option<&Rel>,
) -> Result<CatalogTable> {
    let mut table = match &t.like {
        Some(like) => like_base(session, like)?,
        None => empty_table(),
    };
    add_columns(session, &mut table, &t.schema.columns, query)?;
    if let Some(rel) = query {
        add_query_columns(&mut table, &t.schema.columns, rel);
    }
    if let Some(w) = &t.schema.watermark {
        if table.watermark.is_some() && !overwrites(t.like.as_ref(), LikeFeature::Watermarks) {
            return Err(Error::validation("the base table of LIKE has a watermark already")
                .hint("add OVERWRITING WATERMARKS or EXCLUDING WATERMARKS"))
            .at(w.span);
        }
        table.watermark = Some(watermark(session, &table, w)?);
    }
    if let Some(key) = primary_key(&t.schema)? {
        set_primary_key(&mut table, &key)?;
    }
    if !t.partitioned_by.is_empty() {
        table.partition_keys = t.partitioned_by.iter().map(|i| i.value.clone()).collect();
        for p in &t.partitioned_by {
            if !table.columns.iter().any(|c| c.name() == p.value) {
                return Err(Error::validation(format!(
                    "partition column '{}' not defined in the schema",
                    p.value
                )))
                .at(p.span);
            }
        }
    }
    if let Some(d) = &t.distribution {
        table.distribution = Some(distribution_text(d));
    }
    if let Some(c) = &t.comment {
        table.comment = Some(c.value.clone());
    }
    for (k, v) in options_of(&t.options).iter() {
        table.options.set(k, v);
    }
    Ok(table)
}

/// `DISTRIBUTED BY HASH(`a`) INTO 4 BUCKETS`
pub(super) fn distribution_text(d: &ast::Distribution) -> String {
    let mut out = "DISTRIBUTED".to_owned();
    if !d.columns.is_empty() {
        let names: Vec<String> = d.columns.iter().map(|c| crate::bind::quote(&c.value)).collect();
        let kind = match d.kind {
            Some(ast::DistributionKind::Hash) => "HASH",
            Some(ast::DistributionKind::Range) => "RANGE",
            _ => "",
        };
        out.push_str(&format!(" BY {kind}({})", names.join(", ")));
    }
    if let Some(n) = d.buckets {
        out.push_str(&format!(" INTO {n} BUCKETS"));
    }
    out
}

fn empty_table() -> CatalogTable {
    CatalogTable {
        kind: TableKind::Table,
        columns: vec![],
        watermark: None,
        primary_key: None,
        partition_keys: vec![],
        distribution: None,
        options: Options::new(),
        comment: None,
    }
}

/// The strategy that LIKE applies to a feature (the default is INCLUDING ALL OVERWRITING OPTIONS).
fn strategy(like: &ast::TableLike, feature: LikeFeature) -> LikeStrategy {
    let find = |f: LikeFeature| like.options.iter().find(|o| o.feature == f).map(|o| o.strategy);
    find(feature).or_else(|| find(LikeFeature::All)).unwrap_or(match feature {
        LikeFeature::Options => LikeStrategy::Overwriting,
        _ => LikeStrategy::Including,
    })
}

fn overwrites(like: Option<&ast::TableLike>, feature: LikeFeature) -> bool {
    like.is_none_or(|l| strategy(l, feature) == LikeStrategy::Overwriting)
}

fn like_base(session: &Session, like: &ast::TableLike) -> Result<CatalogTable> {
    let path = path_of(session, &like.table)?;
    let Some(mut base) = session.table(&path)? else {
        return Err(Error::validation(format!("the table {path} of LIKE does not exist")))
            .at(like.table.span());
    };
    if base.kind != TableKind::Table {
        return Err(Error::validation(format!("{path} is a view; LIKE needs a table")))
            .at(like.table.span());
    }
    let keeps = |f| strategy(like, f) != LikeStrategy::Excluding;
    base.columns.retain(|c| match c {
        CatalogColumn::Physical { .. } => true,
        CatalogColumn::Computed { .. } => keeps(LikeFeature::Generated),
        CatalogColumn::Metadata { .. } => keeps(LikeFeature::Metadata),
    });
    if !keeps(LikeFeature::Watermarks) {
        base.watermark = None;
    }
    if !keeps(LikeFeature::Constraints) {
        base.primary_key = None;
    }
    if !keeps(LikeFeature::Partitions) {
        base.partition_keys.clear();
    }
    if !keeps(LikeFeature::Distribution) {
        base.distribution = None;
    }
    if !keeps(LikeFeature::Options) {
        base.options = Options::new();
    }
    base.comment = None;
    Ok(base)
}

/// Adds declared columns: physical and metadata ones first, then computed ones, which see them.
fn add_columns(
    session: &Session,
    table: &mut CatalogTable,
    columns: &[ast::ColumnDef],
    query: Option<&Rel>,
) -> Result<()> {
    let mut schema = physical_schema(table);
    for c in columns {
        if let ColumnKind::Physical { data_type, .. } | ColumnKind::Metadata { data_type, .. } =
            &c.kind
        {
            schema.fields.push(Field::new(c.name.value.clone(), bind_type(data_type)?));
        }
    }
    for f in query.iter().flat_map(|rel| &rel.schema.fields) {
        if schema.index_of(&f.name).is_none() {
            schema.fields.push(f.clone());
        }
    }
    for c in columns {
        if table.columns.iter().any(|x| x.name() == c.name.value) {
            return Err(Error::validation(format!(
                "A column named '{}' already exists in the table",
                c.name.value
            )))
            .at(c.span);
        }
        let column = column(session, c, &schema)?;
        table.columns.extend(column);
    }
    Ok(())
}

/// The columns that computed columns and watermarks can see.
pub(super) fn physical_schema(table: &CatalogTable) -> Schema {
    Schema::new(
        table
            .columns
            .iter()
            .filter(|c| !matches!(c, CatalogColumn::Computed { .. }))
            .map(|c| Field::new(c.name(), c.ty().clone()))
            .collect(),
    )
}

/// One declared column; `None` for a bare name of CREATE TABLE AS.
pub(super) fn column(
    session: &Session,
    c: &ast::ColumnDef,
    schema: &Schema,
) -> Result<Option<CatalogColumn>> {
    let name = c.name.value.clone();
    let comment = c.comment.as_ref().map(|s| s.value.clone());
    Ok(Some(match &c.kind {
        ColumnKind::Physical { data_type, constraint } => {
            let ty = bind_type(data_type)?;
            let ty = if constraint.is_some() { ty.not_null() } else { ty };
            CatalogColumn::Physical { name, ty, comment }
        }
        ColumnKind::Metadata { data_type, from, is_virtual } => CatalogColumn::Metadata {
            name,
            ty: bind_type(data_type)?,
            key: from.as_ref().map(|s| s.value.clone()),
            is_virtual: *is_virtual,
            comment,
        },
        ColumnKind::Computed(e) => {
            let ty = Binder::new(session).scalar(e, schema)?.ty().clone();
            CatalogColumn::Computed { name, expression: canonical_expr(e), ty, comment }
        }
        ColumnKind::NameOnly => return Ok(None),
    }))
}

/// CREATE TABLE AS: the query's columns follow, or take the order of bare names. One that
/// is declared too keeps the declared type and stands among the query's.
fn add_query_columns(table: &mut CatalogTable, declared: &[ast::ColumnDef], rel: &Rel) {
    let physical = |f: &Field| CatalogColumn::Physical {
        name: f.name.clone(),
        ty: f.ty.clone().with_time_attribute(TimeAttribute::None),
        comment: None,
    };
    let names: Vec<&str> = declared
        .iter()
        .filter(|c| matches!(c.kind, ColumnKind::NameOnly))
        .map(|c| c.name.value.as_str())
        .collect();
    let mut fields: Vec<&Field> = rel.schema.fields.iter().collect();
    if !names.is_empty() {
        fields.sort_by_key(|f| names.iter().position(|n| *n == f.name).unwrap_or(usize::MAX));
    }
    for f in fields {
        let column = match table.columns.iter().position(|c| c.name() == f.name) {
            Some(at) => table.columns.remove(at),
            None => physical(f),
        };
        table.columns.push(column);
    }
}

/// Checks and stores a watermark.
pub(super) fn watermark(
    session: &Session,
    table: &CatalogTable,
    w: &ast::WatermarkDef,
) -> Result<WatermarkSpec> {
    let name = w.column.to_string();
    let Some(column) = table.columns.iter().find(|c| c.name() == name) else {
        return Err(Error::validation(format!(
            "The rowtime attribute field '{name}' is not defined in the table schema"
        )))
        .at(w.column.span());
    };
    if !is_rowtime_type(&column.ty().kind) {
        return Err(Error::validation(format!(
            "Invalid data type of time field for watermark definition. The field must be of type TIMESTAMP(p) or TIMESTAMP_LTZ(p) with p from 0 to 3, but the time field type is {}",
            column.ty()
        ))
        .hint(format!("declare {name} TIMESTAMP(3)")))
        .at(w.column.span());
    }
    let schema =
        Schema::new(table.columns.iter().map(|c| Field::new(c.name(), c.ty().clone())).collect());
    let e = Binder::new(session).scalar(&w.expr, &schema)?;
    let ok = |t: &DataType| t.is_timestamp();
    if !ok(e.ty()) {
        return Err(Error::validation(format!(
            "the watermark expression must be a timestamp, but is {}",
            e.ty()
        )))
        .at(w.expr.span);
    }
    Ok(WatermarkSpec { column: name, expression: canonical_expr(&w.expr) })
}

/// The one primary key of a schema.
fn primary_key(schema: &ast::TableSchema) -> Result<Option<ast::TableConstraint>> {
    let mut keys: Vec<ast::TableConstraint> = schema.constraints.clone();
    for c in &schema.columns {
        if let ColumnKind::Physical { constraint: Some(k), .. } = &c.kind {
            keys.push(ast::TableConstraint { columns: vec![c.name.clone()], ..k.clone() });
        }
    }
    if let Some(second) = keys.get(1) {
        return Err(Error::validation("Duplicate primary key definition")).at(second.span);
    }
    Ok(keys.pop())
}

pub(super) fn set_primary_key(table: &mut CatalogTable, key: &ast::TableConstraint) -> Result<()> {
    if key.kind == ast::ConstraintKind::Unique {
        return Err(Error::validation("UNIQUE constraint is not supported yet by Flink"))
            .at(key.span);
    }
    if key.enforced != Some(false) {
        return Err(Error::validation(
            "Flink doesn't support ENFORCED mode for PRIMARY KEY constraint",
        )
        .hint("write PRIMARY KEY (...) NOT ENFORCED"))
        .at(key.span);
    }
    let names: Vec<String> = key.columns.iter().map(|c| c.value.clone()).collect();
    for c in &key.columns {
        let found = table.columns.iter_mut().find(|x| x.name() == c.value);
        match found {
            Some(CatalogColumn::Physical { ty, .. }) => *ty = ty.clone().not_null(),
            Some(_) => {
                return Err(Error::validation(format!(
                    "primary key column '{}' is not a physical column",
                    c.value
                )))
                .at(c.span);
            }
            None => {
                return Err(Error::validation(format!(
                    "primary key column '{}' is not defined in the schema",
                    c.value
                )))
                .at(c.span);
            }
        }
    }
    let name = match &key.name {
        Some(n) => n.value.clone(),
        None => format!("PK_{}", names.join("_")),
    };
    table.primary_key = Some(PrimaryKey { name, columns: names });
    Ok(())
}

pub(super) fn create_view(
    session: &mut Session,
    v: &ast::CreateView,
    source: &str,
) -> Result<Effect> {
    let path = path_of(session, &v.name)?;
    let exists = session.table(&path)?.is_some();
    if exists && (!v.temporary || session.is_temporary(&path)) {
        if v.if_not_exists {
            return Ok(Effect::Done);
        }
        if !v.or_replace {
            return Err(Error::validation(format!("Table (or view) {path} already exists"))
                .hint("use CREATE VIEW IF NOT EXISTS, or DROP it first"))
            .at(v.name.span());
        }
    }
    let table = view_definition(session, &v.query, &v.columns, source)?;
    let table = CatalogTable { comment: v.comment.as_ref().map(|c| c.value.clone()), ..table };
    if exists && v.or_replace {
        session.alter_table(&path, table)?;
    } else {
        store(session, &path, table, v.temporary)?;
    }
    Ok(Effect::Done)
}

pub(super) fn view_definition(
    session: &Session,
    query: &ast::Query,
    names: &[ast::ViewColumn],
    source: &str,
) -> Result<CatalogTable> {
    let rel = Binder::new(session).view_query(query, !names.is_empty())?;
    if !names.is_empty() && names.len() != rel.schema.len() {
        return Err(Error::validation(format!(
            "VIEW definition and input fields not match: {} names for {} columns",
            names.len(),
            rel.schema.len()
        )));
    }
    let columns = rel
        .schema
        .fields
        .iter()
        .enumerate()
        .map(|(i, f)| CatalogColumn::Physical {
            name: names.get(i).map_or_else(|| f.name.clone(), |n| n.name.value.clone()),
            ty: f.ty.clone(),
            comment: names.get(i).and_then(|n| n.comment.as_ref()).map(|c| c.value.clone()),
        })
        .collect();
    let kind = TableKind::View {
        original: source_text(source, query.span),
        expanded: expanded_query(session, query, &rel.schema),
    };
    Ok(CatalogTable { kind, columns, ..empty_table() })
}

pub(super) fn create_catalog(session: &mut Session, c: &ast::CreateCatalog) -> Result<Effect> {
    if session.has_catalog(&c.name.value) && c.if_not_exists {
        return Ok(Effect::Done);
    }
    session.create_catalog(&c.name.value, &options_of(&c.options)).at(c.name.span)?;
    if let Some(text) = &c.comment {
        session.set_catalog_comment(&c.name.value, &text.value);
    }
    Ok(Effect::Done)
}

pub(super) fn create_database(session: &mut Session, d: &ast::CreateDatabase) -> Result<Effect> {
    let (catalog, name) = database_of(session, &d.name)?;
    let catalog = session.catalog(&catalog)?;
    if d.if_not_exists && catalog.database(&name)?.is_some() {
        return Ok(Effect::Done);
    }
    let database = CatalogDatabase {
        comment: d.comment.as_ref().map(|c| c.value.clone()),
        options: options_of(&d.options),
    };
    catalog.create_database(&name, database).at(d.name.span())?;
    Ok(Effect::Done)
}

/// `[catalog.]database`
pub(super) fn database_of(session: &Session, name: &ast::ObjectName) -> Result<(String, String)> {
    let parts: Vec<&str> = name.parts().collect();
    match parts.as_slice() {
        [d] => Ok((session.current_catalog().to_owned(), (*d).to_owned())),
        [c, d] => Ok(((*c).to_owned(), (*d).to_owned())),
        _ => Err(Error::validation("a database name is [catalog.]database")).at(name.span()),
    }
}
