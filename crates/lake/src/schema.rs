//! Catalog tables and Paimon schemas, both ways.
//!
//! Computed and metadata columns and the watermark are kept among the Paimon
//! options under the keys that Flink's Paimon catalog uses (`schema.N.name`,
//! `.data-type`, `.expr`, `.metadata`, `.virtual`, `.comment`; `schema.watermark.0.rowtime`,
//! `.strategy.expr`, `.strategy.data-type`), so that both engines see them.
//!
//! Invariant: a table written by [`to_paimon`] and read by [`from_paimon`] is the
//! same table, but for the name of its primary key constraint.

use std::collections::{BTreeMap, HashMap};

use paimon::spec::{Schema as PaimonSchema, TableSchema};
use weir_core::{DataType, Error, Options, Result, Schema, TimeAttribute};
use weir_spec::{CatalogColumn, CatalogTable, PrimaryKey, TableKind, WatermarkSpec};

use crate::options::{self, CONNECTOR_KEYS};
use crate::rt::lake_error;
use crate::{storage, type_text, types};

const PREFIX: &str = "schema.";
const WATERMARK: &str = "schema.watermark.0.";

/// Options of a definition as they are stored in the table: canonical, without
/// those of the connector and the storage.
pub(crate) fn stored_options(options: &Options) -> Result<Options> {
    let canonical = options::canonical(options)?;
    options::check(&canonical, None)?;
    Ok(canonical
        .iter()
        .filter(|(k, _)| !CONNECTOR_KEYS.contains(k) && !storage::is_storage_key(k))
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect())
}

/// The Paimon schema of a table definition.
pub(crate) fn to_paimon(table: &CatalogTable) -> Result<PaimonSchema> {
    if let TableKind::View { .. } = table.kind {
        return Err(no_views());
    }
    let mut builder = PaimonSchema::builder();
    for column in &table.columns {
        if let CatalogColumn::Physical { name, ty, comment } = column {
            builder = builder.column_with_description(
                name.clone(),
                types::to_paimon(ty)?,
                comment.clone(),
            );
        }
    }
    if let Some(key) = &table.primary_key {
        builder = builder.primary_key(key.columns.iter().cloned());
    }
    builder
        .partition_keys(table.partition_keys.iter().cloned())
        .options(definition_options(table)?)
        .comment(table.comment.clone())
        .build()
        .map_err(lake_error)
}

/// Everything of a definition that is stored as a Paimon option.
pub(crate) fn definition_options(table: &CatalogTable) -> Result<HashMap<String, String>> {
    let own = stored_options(&table.options)?;
    let mut out: HashMap<String, String> =
        own.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    out.retain(|k, _| !k.starts_with(PREFIX));
    if let Some(text) = &table.distribution {
        add_distribution(text, &mut out)?;
    }
    out.extend(column_options(table));
    Ok(out)
}

/// `DISTRIBUTED BY` as Paimon's bucket options.
fn add_distribution(text: &str, out: &mut HashMap<String, String>) -> Result<()> {
    let upper = text.to_ascii_uppercase();
    if upper.contains("RANGE") {
        return Err(Error::unsupported("DISTRIBUTED BY RANGE on Paimon tables")
            .hint("use DISTRIBUTED BY HASH(..) INTO n BUCKETS or 'bucket' = 'n'"));
    }
    if let (Some(open), Some(close)) = (text.find('('), text.rfind(')')) {
        let columns: Vec<String> = text[open + 1..close]
            .split(',')
            .map(|c| c.trim().trim_matches('`').to_owned())
            .filter(|c| !c.is_empty())
            .collect();
        if !columns.is_empty() {
            out.entry("bucket-key".to_owned()).or_insert_with(|| columns.join(","));
        }
    }
    let words: Vec<&str> = upper.split_whitespace().collect();
    let into = words.iter().position(|w| *w == "INTO");
    if let Some(n) = into.and_then(|at| words.get(at + 1)?.parse::<u32>().ok()) {
        out.entry("bucket".to_owned()).or_insert_with(|| n.to_string());
    }
    Ok(())
}

/// Computed and metadata columns and the watermark as options.
fn column_options(table: &CatalogTable) -> HashMap<String, String> {
    let mut out = HashMap::new();
    for (i, column) in table.columns.iter().enumerate() {
        let mut put = |key: &str, value: String| out.insert(format!("{PREFIX}{i}.{key}"), value);
        match column {
            CatalogColumn::Physical { .. } => continue,
            CatalogColumn::Computed { expression, .. } => {
                put("expr", expression.clone());
            }
            CatalogColumn::Metadata { name, key, is_virtual, .. } => {
                put("metadata", key.clone().unwrap_or_else(|| name.clone()));
                put("virtual", is_virtual.to_string());
            }
        }
        put("name", column.name().to_owned());
        put("data-type", type_text::print(column.ty()));
        if let Some(comment) = column.comment() {
            put("comment", comment.to_owned());
        }
    }
    if let Some(w) = &table.watermark {
        let ty = rowtime_type(table, &w.column);
        out.insert(format!("{WATERMARK}rowtime"), w.column.clone());
        out.insert(format!("{WATERMARK}strategy.expr"), w.expression.clone());
        out.insert(format!("{WATERMARK}strategy.data-type"), ty);
    }
    out
}

fn rowtime_type(table: &CatalogTable, column: &str) -> String {
    let found = table.columns.iter().find(|c| c.name() == column);
    found.map_or_else(|| "TIMESTAMP(3)".to_owned(), |c| type_text::print(c.ty()))
}

/// The definition of a stored table.
pub(crate) fn from_paimon(schema: &TableSchema, location: &str) -> Result<CatalogTable> {
    let mut columns = Vec::new();
    for field in schema.fields() {
        columns.push(CatalogColumn::Physical {
            name: field.name().to_owned(),
            ty: types::from_paimon(field.data_type())?,
            comment: field.description().map(str::to_owned),
        });
    }
    for (at, column) in stored_columns(schema.options())? {
        let at = at.min(columns.len());
        columns.insert(at, column);
    }
    let keys = schema.primary_keys();
    let primary_key = (!keys.is_empty())
        .then(|| PrimaryKey { name: format!("PK_{}", keys.join("_")), columns: keys.to_vec() });
    Ok(CatalogTable {
        kind: TableKind::Table,
        columns,
        watermark: stored_watermark(schema.options()),
        primary_key,
        partition_keys: schema.partition_keys().to_vec(),
        distribution: None,
        options: returned_options(schema, location),
        comment: schema.comment().filter(|c| !c.is_empty()).map(str::to_owned),
    })
}

/// Options that a catalog shows: connector and path, then the stored ones sorted.
fn returned_options(schema: &TableSchema, location: &str) -> Options {
    let mut out = Options::new();
    out.set("connector", "paimon");
    out.set("path", location);
    let sorted: BTreeMap<_, _> = schema.options().iter().collect();
    for (key, value) in sorted {
        if !key.starts_with(PREFIX) && !CONNECTOR_KEYS.contains(&key.as_str()) {
            out.set(key, value);
        }
    }
    out
}

/// Computed and metadata columns by their position in the declaration.
fn stored_columns(options: &HashMap<String, String>) -> Result<BTreeMap<usize, CatalogColumn>> {
    let mut out = BTreeMap::new();
    for (key, name) in options {
        let index = key.strip_prefix(PREFIX).and_then(|k| k.strip_suffix(".name"));
        let Some(index) = index.and_then(|i| i.parse::<usize>().ok()) else { continue };
        let get = |part: &str| options.get(&format!("{PREFIX}{index}.{part}")).cloned();
        let Some(text) = get("data-type") else { continue };
        let ty = type_text::parse(&text)?;
        let (name, comment) = (name.clone(), get("comment"));
        let column = if let Some(expression) = get("expr") {
            let ty = computed_type(&expression, ty);
            CatalogColumn::Computed { name, expression, ty, comment }
        } else if let Some(key) = get("metadata") {
            let is_virtual = get("virtual").is_some_and(|v| v.eq_ignore_ascii_case("true"));
            let key = (key != name).then_some(key);
            CatalogColumn::Metadata { name, ty, key, is_virtual, comment }
        } else {
            continue;
        };
        out.insert(index, column);
    }
    Ok(out)
}

/// `PROCTIME()` is a time attribute again; the stored type text cannot say so.
fn computed_type(expression: &str, ty: DataType) -> DataType {
    let bare: String = expression.chars().filter(|c| !c.is_whitespace() && *c != '`').collect();
    if bare.eq_ignore_ascii_case("PROCTIME()") {
        ty.with_time_attribute(TimeAttribute::Proctime)
    } else {
        ty
    }
}

fn stored_watermark(options: &HashMap<String, String>) -> Option<WatermarkSpec> {
    Some(WatermarkSpec {
        column: options.get(&format!("{WATERMARK}rowtime"))?.clone(),
        expression: options.get(&format!("{WATERMARK}strategy.expr"))?.clone(),
    })
}

/// A definition for `'auto-create'`: the physical columns of a resolved table.
pub(crate) fn from_spec(
    physical: &Schema,
    primary_key: &[usize],
    partition_keys: &[usize],
    options: &Options,
) -> Result<PaimonSchema> {
    let name = |i: &usize| physical.fields.get(*i).map(|f| f.name.clone()).unwrap_or_default();
    let table = CatalogTable {
        kind: TableKind::Table,
        columns: physical
            .fields
            .iter()
            .map(|f| CatalogColumn::Physical {
                name: f.name.clone(),
                ty: f.ty.clone(),
                comment: None,
            })
            .collect(),
        watermark: None,
        primary_key: (!primary_key.is_empty()).then(|| PrimaryKey {
            name: "PK".to_owned(),
            columns: primary_key.iter().map(name).collect(),
        }),
        partition_keys: partition_keys.iter().map(name).collect(),
        distribution: None,
        options: options
            .iter()
            .filter(|(k, _)| !options::SCAN_KEYS.contains(k))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect(),
        comment: None,
    };
    to_paimon(&table)
}

/// Views need a metastore that Paimon's filesystem catalog does not have.
pub(crate) fn no_views() -> Error {
    Error::unsupported("views in a Paimon filesystem catalog, which can store tables only")
        .hint("create the view in the default catalog or with CREATE TEMPORARY VIEW")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> CatalogTable {
        CatalogTable {
            kind: TableKind::Table,
            columns: vec![
                CatalogColumn::Physical {
                    name: "id".into(),
                    ty: DataType::bigint().not_null(),
                    comment: Some("the key".into()),
                },
                CatalogColumn::Computed {
                    name: "pt".into(),
                    expression: "PROCTIME()".into(),
                    ty: DataType::timestamp_ltz(3)
                        .not_null()
                        .with_time_attribute(TimeAttribute::Proctime),
                    comment: None,
                },
                CatalogColumn::Physical {
                    name: "ts".into(),
                    ty: DataType::timestamp(3),
                    comment: None,
                },
            ],
            watermark: Some(WatermarkSpec {
                column: "ts".into(),
                expression: "`ts` - INTERVAL '5' SECOND".into(),
            }),
            primary_key: Some(PrimaryKey { name: "PK_id".into(), columns: vec!["id".into()] }),
            partition_keys: vec![],
            distribution: None,
            options: [("bucket".to_owned(), "2".to_owned())].into_iter().collect(),
            comment: Some("a table".into()),
        }
    }

    #[test]
    fn definition_survives() {
        let table = sample();
        let stored = TableSchema::new(0, &to_paimon(&table).unwrap());
        assert_eq!(stored.options()["schema.1.name"], "pt");
        assert_eq!(
            stored.options()["schema.1.data-type"],
            "TIMESTAMP(3) WITH LOCAL TIME ZONE NOT NULL"
        );
        assert_eq!(stored.options()["schema.watermark.0.rowtime"], "ts");
        let back = from_paimon(&stored, "/w/db.db/t").unwrap();
        assert_eq!(back.columns, table.columns);
        assert_eq!(back.watermark, table.watermark);
        assert_eq!(back.primary_key, table.primary_key);
        assert_eq!(back.comment, table.comment);
        assert_eq!(back.options.get("connector"), Some("paimon"));
        assert_eq!(back.options.get("path"), Some("/w/db.db/t"));
        assert_eq!(back.options.get("bucket"), Some("2"));
    }

    #[test]
    fn distribution_becomes_buckets() {
        let mut table = sample();
        table.options = Options::new();
        table.distribution = Some("HASH(`id`) INTO 4 BUCKETS".into());
        let options = definition_options(&table).unwrap();
        assert_eq!(options["bucket"], "4");
        assert_eq!(options["bucket-key"], "id");
    }
}
