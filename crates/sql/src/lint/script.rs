//! What needs the statements before: tables declared twice.

use std::collections::BTreeMap;

use weir_core::error::Position;
use weir_parser::ast::{CreateTable, Statement, StatementKind};
use weir_parser::printer::{PrintOptions, print_data_type_with, print_expr_with};

use crate::bind::position;
use crate::finding::Finding;

/// Columns as text, in order.
type Columns = Vec<(String, String)>;

/// The tables that a script has declared so far.
#[derive(Debug, Default)]
pub struct Declarations {
    by_name: BTreeMap<String, (Columns, Position)>,
    by_place: BTreeMap<String, (String, Columns, Position)>,
    /// Name, line and number of written columns of every declaration.
    widths: Vec<(String, u32, usize)>,
}

impl Declarations {
    /// Takes a statement; finds another declaration of the same table, or of the
    /// same place under another name, with other columns. `line_of` tells lines.
    pub fn statement(
        &mut self,
        s: &Statement,
        line_of: &dyn Fn(Position) -> u32,
    ) -> Option<Finding> {
        match &s.kind {
            StatementKind::CreateTable(t) if t.like.is_none() && t.query.is_none() => {
                self.table(t, line_of)
            }
            StatementKind::Drop(d) => {
                self.by_name.remove(d.name.last());
                None
            }
            _ => None,
        }
    }

    /// An INSERT by position that fits the table it finds (`width` columns) and not
    /// another declaration of the same name.
    pub fn other_widths(&self, s: &Statement, width: usize) -> Option<Finding> {
        let StatementKind::Insert(i) = &s.kind else { return None };
        if !i.columns.is_empty() || i.by_name || !i.partition.is_empty() {
            return None;
        }
        let (name, line, other) =
            self.widths.iter().find(|(n, _, w)| n == i.table.last() && *w != width)?;
        let message = format!(
            "table '{name}' as declared at line {line} has {other} columns to write, but the query has {width}: Different number of columns"
        );
        let hint = format!("name the columns, or INSERT INTO {name} BY NAME SELECT ..");
        Some(Finding::warning(position(i.table.span()), message).hint(hint))
    }

    /// Completes a finding about a column that no table of the query has: which of the
    /// declared tables have it, and what they could be joined by.
    pub fn owners(&self, f: &mut Finding) {
        let Some((column, reach)) = unknown_column(f) else { return };
        let owners: Vec<(&str, Option<&str>)> = self
            .by_name
            .iter()
            .filter(|(_, (columns, _))| columns.iter().any(|(c, _)| *c == column))
            .map(|(name, (columns, _))| {
                let key = columns.iter().find(|(c, _)| reach.contains(c) && *c != column);
                (name.as_str(), key.map(|(c, _)| c.as_str()))
            })
            .take(4)
            .collect();
        let shown: Vec<String> = owners
            .iter()
            .map(|(table, key)| match key {
                Some(key) => format!("{table} (join on {key})"),
                None => (*table).to_owned(),
            })
            .collect();
        if !shown.is_empty() {
            let before = f.hint.take().unwrap_or_default();
            f.hint = Some(format!("{before}; {column} is a column of {}", shown.join(", ")));
        }
    }

    fn table(&mut self, t: &CreateTable, line_of: &dyn Fn(Position) -> u32) -> Option<Finding> {
        let columns = columns(t);
        if columns.is_empty() {
            return None;
        }
        let at = position(t.name.span());
        let name = t.name.last().to_owned();
        self.widths.push((name.clone(), line_of(at), written(t)));
        let mut found = None;
        if let Some((other, first)) = self.by_name.get(&name) {
            if *other != columns {
                let keeps = match t.if_not_exists {
                    true => "; with IF NOT EXISTS the first one stays",
                    false => "",
                };
                found = Some(
                    Finding::warning(
                        at,
                        format!(
                            "table '{name}' is declared twice with different columns, first at line {}{keeps}: {}",
                            line_of(*first),
                            difference(other, &columns)
                        ),
                    )
                    .hint("give both the same columns, or the second another name"),
                );
            }
        } else if let Some(place) = place(t) {
            if let Some((other_name, other, first)) = self.by_place.get(&place)
                && *other_name != name
                && *other != columns
            {
                found = Some(
                    Finding::warning(
                        at,
                        format!(
                            "tables '{other_name}' (line {}) and '{name}' are the same data ({place}) with different columns: {}",
                            line_of(*first),
                            difference(other, &columns)
                        ),
                    )
                    .hint(format!("declare it once, or CREATE TABLE {name} LIKE {other_name}")),
                );
            }
            self.by_place.entry(place).or_insert((name.clone(), columns.clone(), at));
        }
        self.by_name.entry(name).or_insert((columns, at));
        found
    }
}

fn columns(t: &CreateTable) -> Columns {
    use weir_parser::ast::ColumnKind as K;
    t.schema
        .columns
        .iter()
        .map(|c| {
            let ty = match &c.kind {
                K::Physical { data_type, .. } => {
                    print_data_type_with(data_type, PrintOptions::ONE_LINE)
                }
                K::Metadata { data_type, .. } => {
                    format!("{} METADATA", print_data_type_with(data_type, PrintOptions::ONE_LINE))
                }
                K::Computed(e) => format!("AS {}", print_expr_with(e, PrintOptions::ONE_LINE)),
                K::NameOnly => String::new(),
            };
            (c.name.value.clone(), ty)
        })
        .collect()
}

/// The number of columns that an INSERT by position writes.
fn written(t: &CreateTable) -> usize {
    use weir_parser::ast::ColumnKind as K;
    let persisted = |k: &K| match k {
        K::Physical { .. } => true,
        K::Metadata { is_virtual, .. } => !is_virtual,
        K::Computed(_) | K::NameOnly => false,
    };
    t.schema.columns.iter().filter(|c| persisted(&c.kind)).count()
}

/// Where the rows of a lake or warehouse table lie. Topics are left out: reading
/// one with fewer columns is usual.
fn place(t: &CreateTable) -> Option<String> {
    let get =
        |key: &str| t.options.iter().find(|o| o.key.value == key).map(|o| o.value.value.as_str());
    let connector = get("connector")?;
    let key = match connector {
        "paimon" | "hudi" => "path",
        "doris" => "table.identifier",
        _ => return None,
    };
    Some(format!("'{key}' = '{}'", get(key)?))
}

fn difference(first: &Columns, second: &Columns) -> String {
    let mut parts = Vec::new();
    for (n, t) in first {
        match second.iter().find(|(m, _)| m == n) {
            None => parts.push(format!("- {n} {t}")),
            Some((_, other)) if other != t => parts.push(format!("{n}: {t} / {other}")),
            Some(_) => {}
        }
    }
    for (n, t) in second {
        if !first.iter().any(|(m, _)| m == n) {
            parts.push(format!("+ {n} {t}"));
        }
    }
    if parts.is_empty() { "the order of the columns".to_owned() } else { parts.join(", ") }
}

/// The column that a finding says is in no table, and the columns there are.
fn unknown_column(f: &Finding) -> Option<(String, Vec<String>)> {
    let name = f.message.strip_prefix("Column '")?.strip_suffix("' not found in any table")?;
    let reach = f.hint.as_deref()?.strip_prefix(crate::bind::IN_REACH)?;
    let column = name.rsplit('.').next().unwrap_or(name);
    Some((column.to_owned(), reach.split(", ").map(str::to_owned).collect()))
}
