//! What a checkpoint or savepoint holds, for a reader: in short, and as tables for SQL.

mod key;
mod source;
mod views;

use weir_core::{Options, Result};
use weir_sql::ResultTable;
use weir_state::RunReader;

use crate::checkpoint::manifest::{InstanceState, Manifest, OperatorState};
use crate::checkpoint::storage::Places;
use crate::checkpoint::store::Found;
use crate::engine::Engine;
use crate::recovery;

use source::Shown;
use views::View;

/// The checkpoint at a path (`latest:DIR`: the newest below a directory). `options` are a
/// session's, for object stores.
fn find(path: &str, options: &Options) -> Result<Found> {
    let latest = recovery::resolve(path, "", &Places::new(options.clone()))?;
    latest.found.ok_or_else(|| {
        let e = weir_core::Error::io(format!("there is no complete checkpoint in {path}"));
        match latest.damaged.first() {
            Some(damaged) => e.hint(damaged.clone()),
            None => e,
        }
    })
}

/// An engine whose session has the checkpoint at a path as tables: `checkpoint`, `history`,
/// `operators`, `positions`, `state_tables`, `entries` (of all state tables) and one per
/// state table, with its key's columns. Queries run in batch mode.
pub fn state_engine(path: &str, options: &Options) -> Result<Engine> {
    let found = find(path, options)?;
    let mut views = vec![
        View::Checkpoint,
        View::History,
        View::Operators,
        View::Positions,
        View::StateTables,
        View::Entries,
    ];
    for (at, operator) in found.manifest.operators.iter().enumerate() {
        let names = views::state_names(operator);
        views.extend(names.into_iter().map(|(name, _)| View::State(at, name)));
    }
    let mut engine = Engine::default();
    let quoted = |name: &str| format!("`{}`", name.replace('`', "``"));
    for (number, view) in views.iter().enumerate() {
        let fields = view.fields(&found);
        let columns: Vec<String> =
            fields.iter().map(|f| format!("{} {}", quoted(&f.name), f.ty)).collect();
        let sql = format!(
            "CREATE TABLE {} ({}) WITH ('connector' = '{}', '{}' = '{number}')",
            quoted(&view.name(&found)),
            columns.join(", "),
            source::CONNECTOR,
            source::VIEW
        );
        for statement in weir_parser::parse_script(&sql).statements {
            engine.execute(&statement.stmt, &sql)?;
        }
    }
    source::show(Shown { found, views });
    engine.session.options.set("execution.runtime-mode", "batch");
    for (key, value) in options.iter() {
        engine.session.options.set(key, value);
    }
    Ok(engine)
}

/// A checkpoint in short: a table about itself, and one with a row per operator and state
/// table.
pub fn inspect(path: &str, options: &Options) -> Result<[ResultTable; 2]> {
    let found = find(path, options)?;
    let mut rows = Vec::new();
    for operator in &found.manifest.operators {
        operator_rows(&found, operator, &mut rows)?;
    }
    let columns = [
        "operator",
        "uid",
        "instances",
        "table",
        "version",
        "keys",
        "bytes",
        "positions",
        "commits",
    ];
    Ok([summary(&found), ResultTable::strings(&columns, rows)])
}

fn summary(found: &Found) -> ResultTable {
    let m: &Manifest = &found.manifest;
    let time = m.history.last().map(|s| s.triggered);
    let rows = [
        ("place", found.place.clone()),
        ("kind", format!("{:?}", m.kind).to_lowercase()),
        ("job", m.job_name.clone()),
        ("job id", m.job_id.clone()),
        ("number", m.epoch.to_string()),
        ("triggered (ms since 1970)", time.map_or_else(String::new, |t| t.to_string())),
        ("parallelism", m.parallelism.to_string()),
        ("max parallelism", m.max_parallelism.to_string()),
        ("bytes of state", m.state_bytes().to_string()),
    ];
    let rows = rows.into_iter().map(|(k, v)| vec![Some(k.to_owned()), Some(v)]).collect();
    ResultTable::strings(&["property", "value"], rows)
}

/// A row per table; one without a table for operators that have positions or commits only.
fn operator_rows(
    found: &Found,
    operator: &OperatorState,
    rows: &mut Vec<Vec<Option<String>>>,
) -> Result<()> {
    let instances: Vec<&InstanceState> =
        operator.instances.iter().filter(|i| recovery::holds_state(i)).collect();
    if instances.is_empty() {
        return Ok(());
    }
    let count = |of: fn(&InstanceState) -> usize| instances.iter().map(|i| of(i)).sum::<usize>();
    let (positions, commits) = (count(|i| i.positions.len()), count(|i| i.committables.len()));
    let mut tables: Vec<(String, u16, u64)> = Vec::new();
    for instance in &instances {
        for table in recovery::tables(found, instance)? {
            let at = tables.iter().position(|t| t.0 == table.name).unwrap_or_else(|| {
                tables.push((table.name.clone(), table.version, 0));
                tables.len() - 1
            });
            for group in &table.groups {
                let mut run = RunReader::new(group.run.open()?)?;
                while run.next_key()? {
                    tables[at].2 += 1;
                }
            }
        }
    }
    let bytes = |name: &str| -> u64 {
        let runs = instances.iter().flat_map(|i| &i.runs).flat_map(|r| &r.tables);
        runs.filter(|t| t.name == name).map(|t| t.bytes).sum()
    };
    let mut add = |table: Option<&(String, u16, u64)>| {
        rows.push(vec![
            Some(operator.name.clone()),
            Some(operator.uid.clone()),
            Some(instances.len().to_string()),
            table.map(|t| t.0.clone()),
            table.map(|t| t.1.to_string()),
            table.map(|t| t.2.to_string()),
            table.map(|t| bytes(&t.0).to_string()),
            Some(positions.to_string()),
            Some(commits.to_string()),
        ]);
    };
    if tables.is_empty() {
        add(None);
    }
    tables.iter().for_each(|t| add(Some(t)));
    Ok(())
}
