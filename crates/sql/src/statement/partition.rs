//! Partitions of tables: ALTER TABLE ADD and DROP PARTITION, SHOW PARTITIONS.
//!
//! A catalog in memory lists what was added, as Flink's does; a lake catalog lists what
//! its tables hold.

use weir_core::{Error, Result};
use weir_parser::ast::{self, AlterTableAction};
use weir_spec::{CatalogTable, PartitionSpec};

use super::insert::static_partition;
use crate::bind::At as _;
use crate::session::{Session, TablePath};

fn shown(spec: &PartitionSpec) -> String {
    spec.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("/")
}

fn check_partitioned(path: &TablePath, table: &CatalogTable) -> Result<()> {
    if table.partition_keys.is_empty() {
        return Err(Error::validation(format!(
            "Table {}.{} in catalog {} is not partitioned.",
            path.database, path.table, path.catalog
        )));
    }
    Ok(())
}

/// The values of some partition columns, as they are written.
fn some_of(
    session: &Session,
    table: &CatalogTable,
    entries: &[ast::PartitionEntry],
) -> Result<PartitionSpec> {
    if let Some(e) = entries.iter().find(|e| e.value.is_none()) {
        return Err(Error::validation(format!(
            "partition column '{}' needs a value",
            e.column.value
        )))
        .at(e.span);
    }
    let given = static_partition(session, table, entries)?;
    Ok(given.into_iter().map(|(name, _, text)| (name, text)).collect())
}

/// A whole partition.
fn whole(
    session: &Session,
    path: &TablePath,
    table: &CatalogTable,
    entries: &[ast::PartitionEntry],
) -> Result<PartitionSpec> {
    let spec = some_of(session, table, entries)?;
    if spec.len() != table.partition_keys.len()
        || !table.partition_keys.iter().all(|k| spec.iter().any(|(n, _)| n == k))
    {
        return Err(Error::validation(format!(
            "PartitionSpec {{{}}} does not match partition keys [{}] of table {path}",
            shown(&spec),
            table.partition_keys.join(", ")
        )));
    }
    Ok(spec)
}

/// ALTER TABLE ADD and DROP PARTITION; `None` for other actions.
pub(super) fn alter(
    session: &Session,
    path: &TablePath,
    table: &CatalogTable,
    action: &AlterTableAction,
) -> Result<Option<()>> {
    use AlterTableAction as A;
    if !matches!(action, A::AddPartitions { .. } | A::DropPartitions { .. }) {
        return Ok(None);
    }
    check_partitioned(path, table)?;
    let catalog = session.catalog(&path.catalog)?;
    match action {
        A::AddPartitions { if_not_exists, partitions } => {
            for p in partitions {
                if let Some(o) = p.options.first() {
                    return Err(Error::unsupported("options of a partition")).at(o.span);
                }
                let spec = whole(session, path, table, &p.spec)?;
                catalog.add_partition(&path.database, &path.table, spec, *if_not_exists)?;
            }
        }
        A::DropPartitions { if_exists, partitions } => {
            for p in partitions {
                let spec = whole(session, path, table, p)?;
                catalog.drop_partition(&path.database, &path.table, &spec, *if_exists)?;
            }
        }
        _ => {}
    }
    Ok(Some(()))
}

/// The partitions that SHOW PARTITIONS lists.
pub(super) fn list(
    session: &Session,
    path: &TablePath,
    table: &CatalogTable,
    filter: &[ast::PartitionEntry],
) -> Result<Vec<String>> {
    check_partitioned(path, table)?;
    let filter = some_of(session, table, filter)?;
    let all = session.catalog(&path.catalog)?.list_partitions(&path.database, &path.table)?;
    let matching = all.iter().filter(|p| filter.iter().all(|f| p.contains(f)));
    Ok(matching.map(shown).collect())
}
