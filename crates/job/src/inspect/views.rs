//! The tables that a checkpoint is shown as, and their rows.

use serde::Deserialize;
use weir_core::{DataType, Field, Result, TypeKind, Value};
use weir_functions::{Zone, format_value, hex_into};
use weir_ops::shown::{StateSpec, ValueReader};
use weir_state::{NO_STAMP, RunReader, SealedGroup, SealedTable};

use super::key;
use crate::checkpoint::manifest::{InstanceState, OperatorState};
use crate::checkpoint::store::Found;
use crate::layout::UNUSED;
use crate::recovery;

/// One row.
pub type Row = Vec<Value>;

/// Which table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View {
    /// The checkpoint itself, one row.
    Checkpoint,
    /// Times and sizes of it and those before.
    History,
    /// The operators.
    Operators,
    /// Where sources were.
    Positions,
    /// Sizes of the state tables.
    StateTables,
    /// Entries of all state tables.
    Entries,
    /// Entries of one state table: (operator's number, name).
    State(usize, String),
}

fn field(name: &str, ty: DataType) -> Field {
    Field::new(name, ty)
}

fn text(value: impl Into<String>) -> Value {
    Value::String(value.into())
}

fn number(value: impl TryInto<i64>) -> Value {
    value.try_into().map_or(Value::Null, Value::Int)
}

fn hex(bytes: &[u8]) -> Value {
    let mut out = String::with_capacity(bytes.len() * 2);
    hex_into(bytes, &mut out);
    Value::String(out)
}

fn ltz() -> DataType {
    TypeKind::TimestampLtz(3, weir_core::TimeAttribute::None).into()
}

/// What every entry has.
fn entry_fields() -> Vec<Field> {
    vec![
        field("instance", DataType::int()),
        field("key_group", DataType::int()),
        field("key_hex", DataType::string()),
        field("sub_key_hex", DataType::string()),
        field("value_text", DataType::string()),
        field("value_hex", DataType::string()),
        field("value_bytes", DataType::int()),
        field("written", ltz()),
    ]
}

/// Columns of an operator's key under names that are not taken.
pub fn key_fields(operator: &OperatorState) -> Vec<Field> {
    let mut fields: Vec<Field> = entry_fields();
    let taken = fields.len();
    for key in operator.key.iter().filter(|k| k.name != UNUSED) {
        let mut name = key.name.clone();
        while fields.iter().any(|f| f.name == name) {
            name.push('_');
        }
        fields.push(Field::new(name, DataType { nullable: true, ..key.ty.clone() }));
    }
    fields.split_off(taken)
}

impl View {
    /// Name in SQL.
    pub fn name(&self, found: &Found) -> String {
        match self {
            View::Checkpoint => "checkpoint".to_owned(),
            View::History => "history".to_owned(),
            View::Operators => "operators".to_owned(),
            View::Positions => "positions".to_owned(),
            View::StateTables => "state_tables".to_owned(),
            View::Entries => "entries".to_owned(),
            View::State(at, state) => table_name(found, *at, state),
        }
    }

    /// Its columns.
    pub fn fields(&self, found: &Found) -> Vec<Field> {
        let (string, int, bigint) = (DataType::string, DataType::int, DataType::bigint);
        match self {
            View::Checkpoint => vec![
                field("place", string()),
                field("kind", string()),
                field("job_id", string()),
                field("job_name", string()),
                field("generation", bigint()),
                field("number", bigint()),
                field("parallelism", int()),
                field("max_parallelism", int()),
                field("bytes", bigint()),
            ],
            View::History => vec![
                field("number", bigint()),
                field("status", string()),
                field("savepoint", DataType::boolean()),
                field("triggered", ltz()),
                field("aligned_ms", bigint()),
                field("decided_ms", bigint()),
                field("alignment_p99_us", bigint()),
                field("longest_seal_us", bigint()),
                field("written_bytes", bigint()),
                field("state_bytes", bigint()),
                field("failure", string()),
            ],
            View::Operators => vec![
                field("uid", string()),
                field("operator", string()),
                field("layout", string()),
                field("key_columns", string()),
                field("instances", int()),
                field("positions", int()),
                field("commits", int()),
                field("bytes", bigint()),
            ],
            View::Positions => vec![
                field("uid", string()),
                field("operator", string()),
                field("instance", int()),
                field("content", string()),
                field("content_hex", string()),
            ],
            View::StateTables => vec![
                field("uid", string()),
                field("operator", string()),
                field("state", string()),
                field("table_name", string()),
                field("version", int()),
                field("key_count", bigint()),
                field("row_count", bigint()),
                field("bytes", bigint()),
                field("ttl", DataType::boolean()),
            ],
            View::Entries => {
                let mut fields = vec![
                    field("uid", string()),
                    field("operator", string()),
                    field("state", string()),
                    field("key_text", string()),
                ];
                fields.extend(entry_fields());
                fields
            }
            View::State(at, _) => {
                let mut fields = key_fields(&found.manifest.operators[*at]);
                fields.extend(entry_fields());
                fields
            }
        }
    }

    /// Rows of a table that is small.
    pub fn small(&self, found: &Found) -> Result<Vec<Row>> {
        let m = &found.manifest;
        Ok(match self {
            View::Checkpoint => vec![vec![
                text(&found.place),
                text(format!("{:?}", m.kind).to_lowercase()),
                text(&m.job_id),
                text(&m.job_name),
                number(m.generation),
                number(m.epoch),
                number(m.parallelism),
                number(m.max_parallelism),
                number(m.state_bytes()),
            ]],
            View::History => m.history.iter().map(history_row).collect(),
            View::Operators => m.operators.iter().map(operator_row).collect(),
            View::Positions => m.operators.iter().flat_map(position_rows).collect(),
            View::StateTables => {
                let mut rows = Vec::new();
                for at in 0..m.operators.len() {
                    state_table_rows(found, at, &mut rows)?;
                }
                rows
            }
            View::Entries | View::State(..) => Vec::new(),
        })
    }

    /// Whether it shows entries of a state table.
    pub fn shows(&self, operator: usize, state: &str) -> bool {
        match self {
            View::Entries => true,
            View::State(at, name) => *at == operator && name == state,
            _ => false,
        }
    }
}

fn history_row(s: &crate::checkpoint::history::CheckpointStats) -> Row {
    vec![
        number(s.epoch),
        text(format!("{:?}", s.status).to_lowercase()),
        Value::Boolean(s.savepoint),
        Value::Timestamp(s.triggered),
        number(s.aligned),
        number(s.decided),
        number(s.alignment_p99),
        number(s.seal_max),
        number(s.written),
        number(s.state),
        s.failure.as_ref().map_or(Value::Null, text),
    ]
}

fn operator_row(o: &OperatorState) -> Row {
    let count = |of: fn(&InstanceState) -> usize| number(o.instances.iter().map(of).sum::<usize>());
    let runs = o.instances.iter().flat_map(|i| &i.runs);
    let key = o.key.iter().filter(|f| f.name != UNUSED);
    let key: Vec<String> = key.map(|f| format!("{} {}", f.name, f.ty)).collect();
    vec![
        text(&o.uid),
        text(&o.name),
        text(&o.layout),
        if key.is_empty() { Value::Null } else { text(key.join(", ")) },
        number(o.instances.iter().filter(|i| recovery::holds_state(i)).count()),
        count(|i| i.positions.len()),
        count(|i| i.committables.len()),
        number(runs.map(crate::checkpoint::manifest::RunRef::bytes).sum::<u64>()),
    ]
}

fn position_rows(o: &OperatorState) -> impl Iterator<Item = Row> {
    o.instances.iter().flat_map(move |i| {
        i.positions.iter().map(move |p| {
            let readable = std::str::from_utf8(&p.0)
                .ok()
                .filter(|t| t.chars().all(|c| !c.is_control() || c == '\n'));
            let content = readable.map_or(Value::Null, text);
            vec![text(&o.uid), text(&o.name), number(i.subtask), content, hex(&p.0)]
        })
    })
}

/// (name, version) of an operator's state tables.
pub fn state_names(operator: &OperatorState) -> Vec<(String, u16)> {
    let mut names: Vec<(String, u16)> = Vec::new();
    for t in operator.instances.iter().flat_map(|i| &i.runs).flat_map(|r| &r.tables) {
        match names.iter_mut().find(|(name, _)| *name == t.name) {
            Some(known) => known.1 = t.version,
            None => names.push((t.name.clone(), t.version)),
        }
    }
    names
}

/// `<kind of operator>_<state>`, with a number where an earlier operator has the same.
fn table_name(found: &Found, at: usize, state: &str) -> String {
    let base = |o: &OperatorState| recovery::kind_of(&o.uid).replace(['.', '-'], "_");
    let operators = &found.manifest.operators;
    let own = base(&operators[at]);
    let has = |o: &&OperatorState| base(o) == own && state_names(o).iter().any(|n| n.0 == state);
    match operators[..at].iter().filter(has).count() {
        0 => format!("{own}_{state}"),
        n => format!("{own}_{state}_{}", n + 1),
    }
}

fn state_table_rows(found: &Found, at: usize, rows: &mut Vec<Row>) -> Result<()> {
    let operator = &found.manifest.operators[at];
    let names = state_names(operator);
    let mut counts = vec![(0_u64, 0_u64, false); names.len()];
    for instance in &operator.instances {
        for table in recovery::tables(found, instance)? {
            let Some(n) = names.iter().position(|(name, _)| *name == table.name) else { continue };
            let (keys, entries, ttl) = &mut counts[n];
            for group in &table.groups {
                let mut run = RunReader::new(group.run.open()?)?;
                while run.next_key()? {
                    *keys += 1;
                    while run.advance()? {
                        *entries += 1;
                        *ttl |= run.entry().stamp != NO_STAMP;
                    }
                }
            }
        }
    }
    let runs = || operator.instances.iter().flat_map(|i| &i.runs).flat_map(|r| &r.tables);
    for ((name, version), (keys, entries, ttl)) in names.iter().zip(counts) {
        rows.push(vec![
            text(&operator.uid),
            text(&operator.name),
            text(name),
            text(table_name(found, at, name)),
            number(*version),
            number(keys),
            number(entries),
            number(runs().filter(|t| t.name == *name).map(|t| t.bytes).sum::<u64>()),
            Value::Boolean(ttl),
        ]);
    }
    Ok(())
}

/// Entries of one key group.
pub struct Group {
    /// The operator's number.
    pub operator: usize,
    /// The instance that sealed it.
    pub instance: usize,
    /// Name of the state table.
    pub state: String,
    /// The entries.
    pub group: SealedGroup,
}

/// The key groups that a view shows of an instance's tables.
pub fn groups(
    view: &View,
    operator: usize,
    instance: usize,
    tables: Vec<SealedTable>,
) -> impl Iterator<Item = Group> {
    let shown = tables.into_iter().filter(move |t| view.shows(operator, &t.name));
    shown.flat_map(move |t| {
        let state = t.name;
        t.groups.into_iter().map(move |group| {
            let state = state.clone();
            Group { operator, instance, state, group }
        })
    })
}

/// Rows of a key group.
pub fn group_rows(view: &View, found: &Found, group: &Group) -> Result<Vec<Row>> {
    let operator = &found.manifest.operators[group.operator];
    let keys = key_fields(operator);
    let mut reader = value_reader(operator, &group.state);
    let mut rows = Vec::new();
    let mut run = RunReader::new(group.group.run.open()?)?;
    while run.next_key()? {
        let decoded = shown_key(operator, run.key());
        let head = match view {
            View::Entries => vec![
                text(&operator.uid),
                text(&operator.name),
                text(&group.state),
                decoded.map_or(Ok(Value::Null), |values| key_text(&keys, &values))?,
            ],
            _ => decoded.unwrap_or_else(|| vec![Value::Null; keys.len()]),
        };
        let key_hex = hex(run.key());
        while run.advance()? {
            let entry = run.entry();
            let mut row = head.clone();
            row.extend([
                number(group.instance),
                number(group.group.key_group),
                key_hex.clone(),
                hex(entry.sub),
                entry.value.map_or(Value::Null, |v| value_text(reader.as_mut(), v)),
                entry.value.map_or(Value::Null, hex),
                entry.value.map_or(Value::Null, |v| number(v.len())),
                if entry.stamp == NO_STAMP { Value::Null } else { Value::Timestamp(entry.stamp) },
            ]);
            rows.push(row);
        }
    }
    Ok(rows)
}

/// The values of [`key_fields`].
fn shown_key(operator: &OperatorState, key: &[u8]) -> Option<Row> {
    let (values, _) = key::decode(&operator.key, key)?;
    let shown = operator.key.iter().zip(values).filter(|(k, _)| k.name != UNUSED);
    Some(shown.map(|(_, value)| value).collect())
}

/// What reads the values of a state table; none where that is not known.
fn value_reader(operator: &OperatorState, state: &str) -> Option<ValueReader> {
    let spec = StateSpec::deserialize(operator.spec.as_ref()?).ok()?;
    spec.reader(state).ok()
}

/// What a value holds; NULL where it is not known.
fn value_text(reader: Option<&mut ValueReader>, value: &[u8]) -> Value {
    reader.and_then(|r| r.text(value).ok()).map_or(Value::Null, text)
}

/// `name=value, name=value`
fn key_text(fields: &[Field], values: &[Value]) -> Result<Value> {
    let mut parts = Vec::new();
    for (f, v) in fields.iter().zip(values) {
        let array = weir_core::value::values_to_array(std::slice::from_ref(v), &f.ty)?;
        let shown = format_value(&array, 0, &f.ty, Zone::UTC);
        parts.push(format!("{}={}", f.name, shown.as_deref().unwrap_or("NULL")));
    }
    Ok(text(parts.join(", ")))
}
