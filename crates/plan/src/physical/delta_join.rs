//! Delta joins: an inner join of two tables that answer lookups by key, which keeps neither
//! of them in state.
//!
//! Flink plans them for sources with an index; here those are Paimon tables with a primary
//! key, whose files are sorted by it. Unless it is forced, such a join keeps its inputs in
//! state as it does on Flink, where Paimon has no index.
//!
//! Invariant: what the join emits is right for a sink that takes the newest row of each key,
//! and for no other consumer. Hence rows are never deleted, and what decides whether two rows
//! match (join key, filters, other conditions) never changes for a key.
//!
//! Where to look next: the operator in `delta_join.rs` of the operators.

use weir_core::{Error, Options, Result, Schema};
use weir_functions::Expr;
use weir_spec::lookup::max_retries;
use weir_spec::{
    ChangelogMode, Distribution, JoinKind, JoinSpec, LookupCache, LookupHint, LookupSpec, OpSpec,
    SourceSpec,
};
use weir_sql::rel::{Rel, RelOp, conjunction};

use super::join::{
    JoinSides, columns_of, interval_bounds, join_keys, split_condition, time_columns,
};
use super::lookup::{Looked, looked};
use super::{Built, Planner, Props, hash_or_single, scan_key};
use crate::optimize::is_deterministic;

const STRATEGY: &str = "table.optimizer.delta-join.strategy";
const CACHED: &str = "table.exec.delta-join.cache-enabled";
const SIZES: [&str; 2] =
    ["table.exec.delta-join.left.cache-size", "table.exec.delta-join.right.cache-size"];
/// Keys that are kept of a table when nothing is said.
const DEFAULT_SIZE: i64 = 10_000;

/// What delta joins keep of their tables in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeltaCaches {
    /// Keys of the left and of the right table; None = every batch of rows reads anew.
    pub keys: Option<[u64; 2]>,
}

impl DeltaCaches {
    /// The session's caches where it forces delta joins; else None.
    pub fn from_options(options: &Options) -> Result<Option<Self>> {
        let cached = options.bool_or(CACHED, true)?;
        let size = |key: &str| match options.i64_opt(key)?.unwrap_or(DEFAULT_SIZE) {
            n if n > 0 => Ok(n as u64),
            n => Err(weir_core::config::bad_value(key, &n.to_string(), "a positive number")),
        };
        let keys = [size(SIZES[0])?, size(SIZES[1])?];
        let Some(strategy) = options.get(STRATEGY) else { return Ok(None) };
        match strategy.to_ascii_uppercase().as_str() {
            "AUTO" | "NONE" => Ok(None),
            "FORCE" => Ok(Some(Self { keys: cached.then_some(keys) })),
            _ => Err(weir_core::config::bad_value(STRATEGY, strategy, "AUTO, FORCE or NONE")),
        }
    }
}

fn refused(why: impl std::fmt::Display) -> Error {
    Error::validation(format!(
        "The current sql doesn't support to do delta join optimization: {why}"
    ))
    .hint(format!("SET '{STRATEGY}' = 'AUTO' for a join that keeps its inputs in state"))
}

/// One table of the join.
struct Side<'a> {
    table: Looked<'a>,
    source: SourceSpec,
    mode: ChangelogMode,
    /// Its primary key, in columns of the scan.
    key: Vec<usize>,
    schema: &'a Schema,
}

impl Side<'_> {
    fn name(&self) -> &str {
        &self.source.table.identifier
    }

    /// Whether an expression over the scan stays the same for a primary key.
    fn is_fixed(&self, expr: &Expr) -> bool {
        self.mode.is_insert_only() || columns_of(expr).iter().all(|c| self.key.contains(c))
    }

    fn check(&self, join_key: &[usize], conditions: &[usize]) -> Result<()> {
        let name = self.name();
        let all = self.table.columns.iter().chain(&self.table.filters);
        if !all.clone().all(is_deterministic) {
            return Err(refused(format!(
                "table {name} is read with values that change by themselves"
            )));
        }
        let first = self.key[0];
        let is_first = |c: &usize| matches!(self.table.columns[*c], Expr::Column { index, .. } if index == first);
        if !join_key.iter().any(is_first) {
            return Err(refused(format!(
                "the join does not compare `{}`, which the primary key of table {name} begins with",
                self.table.schema.fields[first].name
            )));
        }
        let used = join_key.iter().chain(conditions).map(|&c| &self.table.columns[c]);
        match used.chain(&self.table.filters).all(|e| self.is_fixed(e)) {
            true => Ok(()),
            false => Err(refused(format!(
                "rows of table {name} are updated, and its conditions use columns outside its primary key"
            ))),
        }
    }
}

impl Planner<'_> {
    /// The query of a sink as a delta join, where they are forced and it is a regular inner
    /// join of two tables, projected perhaps.
    pub(super) fn try_delta_join(&mut self, rel: &Rel, retracts: bool) -> Result<Option<Built>> {
        let Some(caches) = self.settings.only_delta_joins else { return Ok(None) };
        if self.settings.batch || retracts {
            return Ok(None);
        }
        self.delta_query(rel, caches)
    }

    /// Refuses a join that keeps state where the session wants none.
    pub(super) fn refuse_unless_delta_join(&self) -> Result<()> {
        match self.settings.only_delta_joins {
            Some(_) if !self.settings.batch => Err(refused(
                "only an inner join of two Paimon tables is, whose rows go to a table that takes updates by key",
            )),
            _ => Ok(()),
        }
    }

    fn delta_query(&mut self, rel: &Rel, caches: DeltaCaches) -> Result<Option<Built>> {
        let built = match &rel.op {
            RelOp::Project { input, exprs } => {
                let Some(built) = self.delta_query(input, caches)? else { return Ok(None) };
                if !exprs.iter().all(is_deterministic) {
                    return Err(refused(
                        "its rows are projected to values that change by themselves",
                    ));
                }
                self.calc(built, None, exprs.clone(), rel.schema.clone())
            }
            RelOp::Join { left, right, kind: JoinKind::Inner, condition } => {
                let (Ok(l), Ok(r)) = (looked(left), looked(right)) else { return Ok(None) };
                let width = left.schema.len();
                let times = (time_columns(&left.schema), time_columns(&right.schema));
                if interval_bounds(&split_condition(condition, width).1, width, &times).is_some() {
                    return Ok(None);
                }
                let sides = [self.delta_side(l, &left.schema)?, self.delta_side(r, &right.schema)?];
                self.delta_join(sides, condition, rel, caches)?
            }
            _ => return Ok(None),
        };
        self.nodes[built.node].upsert_keys.clone_from(&built.props.unique);
        Ok(Some(built))
    }

    fn delta_side<'a>(&self, table: Looked<'a>, schema: &'a Schema) -> Result<Side<'a>> {
        let source = self.source_spec(table.scan);
        let name = &source.table.identifier;
        if !matches!(source.table.options.get("connector"), Some("paimon") | None) {
            return Err(refused(format!("table {name} has no index to look rows up by")));
        }
        let mode = self
            .connectors
            .source_mode(&source, table.schema)
            .map_err(|e| e.context(format!("table {name}")))?;
        if mode.delete {
            return Err(refused(format!(
                "rows of table {name} may be deleted; a table with 'ignore-delete' = 'true' or 'merge-engine' = 'first-row' has no deletions"
            )));
        }
        match scan_key(&source) {
            Some(key) => Ok(Side { table, source, mode, key, schema }),
            None => Err(refused(format!(
                "table {name} has no PRIMARY KEY, or the query does not keep it"
            ))),
        }
    }

    fn delta_join(
        &mut self,
        [left, right]: [Side<'_>; 2],
        condition: &Expr,
        rel: &Rel,
        caches: DeltaCaches,
    ) -> Result<Built> {
        let width = left.schema.len();
        let (pairs, rest) = split_condition(condition, width);
        let column = |e: &Expr| match e {
            Expr::Column { index, .. } => Some(*index),
            _ => None,
        };
        // What is no equality of columns is a condition like any other.
        let (mut keys, mut conditions) = ([Vec::new(), Vec::new()], rest);
        for pair in pairs {
            match (column(&pair.left), column(&pair.right)) {
                (Some(l), Some(r)) if !pair.null_safe => {
                    keys[0].push(l);
                    keys[1].push(r);
                }
                _ => conditions.push(pair.into_condition(width)),
            }
        }
        let used: Vec<usize> = conditions.iter().flat_map(columns_of).collect();
        let (used_left, used_right): (Vec<_>, Vec<_>) = used.into_iter().partition(|&c| c < width);
        let used_right: Vec<usize> = used_right.into_iter().map(|c| c - width).collect();
        left.check(&keys[0], &used_left)?;
        right.check(&keys[1], &used_right)?;
        let condition = (!conditions.is_empty()).then(|| conjunction(conditions));
        let other_width = right.schema.len();
        let turned = condition.clone().map(|c| {
            let place = |i: usize| if i < width { i + other_width } else { i - width };
            c.map_columns(&mut |i, ty| Expr::column(place(i), ty))
        });
        let sizes = caches.keys;
        let lookups = [
            lookup(&right, [&keys[0], &keys[1]], condition, sizes.map(|s| s[1]))?,
            lookup(&left, [&keys[1], &keys[0]], turned, sizes.map(|s| s[0]))?,
        ];
        let inputs = [self.changes(&left), self.changes(&right)];
        let unique = join_keys(&JoinSides {
            unique: [&inputs[0].props.unique, &inputs[1].props.unique],
            keys: [&keys[0], &keys[1]],
            left_width: width,
            kind: JoinKind::Inner,
        });
        let edges: Vec<(usize, Distribution)> =
            inputs.iter().zip(&keys).map(|(i, k)| (i.node, hash_or_single(k))).collect();
        let mode = ChangelogMode { update_after: true, ..ChangelogMode::INSERT_ONLY };
        let op = OpSpec::DeltaJoin(Box::new(lookups));
        let node = self.add("DeltaJoin", op, edges, rel.schema.clone(), mode);
        Ok(Built { node, props: Props { unique, window: None } })
    }

    /// The rows of a table as they come, an update as its new row alone.
    fn changes(&mut self, side: &Side<'_>) -> Built {
        let name = format!("Source: {}", side.name());
        let (op, schema) = (OpSpec::Source(side.source.clone()), side.table.schema.clone());
        let mut node = self.add(&name, op, vec![], schema.clone(), side.mode);
        if side.mode.update_before {
            let mode = ChangelogMode { update_before: false, ..side.mode };
            let edge = vec![(node, Distribution::Forward)];
            node = self.add("DropUpdateBefore", OpSpec::DropUpdateBefore, edge, schema, mode);
        }
        let unique = vec![side.key.clone()];
        let rows = Built { node, props: Props { unique, window: None } };
        let filters = &side.table.filters;
        let filter = (!filters.is_empty()).then(|| conjunction(filters.clone()));
        self.calc(rows, filter, side.table.columns.clone(), side.schema.clone())
    }
}

/// The lookup of a table by rows of the other one, with its present content.
fn lookup(
    table: &Side<'_>,
    [asking, asked]: [&[usize]; 2],
    condition: Option<Expr>,
    keys: Option<u64>,
) -> Result<LookupSpec> {
    let mut source = SourceSpec { batch: true, ..table.source.clone() };
    let options = &source.table.options;
    let max_retries = max_retries(options)?;
    // Where the scan begins to stream says nothing about a lookup.
    let kept = options.iter().filter(|(k, _)| !k.starts_with("scan."));
    source.table.options = kept.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    Ok(LookupSpec {
        join: JoinSpec {
            kind: JoinKind::Inner,
            left_keys: asking.to_vec(),
            right_keys: asked.to_vec(),
            null_safe: vec![false; asking.len()],
            condition,
            left_unique: None,
            right_unique: None,
            state_ttl: [None, None],
        },
        source,
        source_schema: table.table.schema.clone(),
        filter: (!table.table.filters.is_empty()).then(|| conjunction(table.table.filters.clone())),
        projection: table.table.columns.clone(),
        columns: table.schema.clone(),
        cache: keys.map_or(LookupCache::None, |n| LookupCache::Partial {
            max_rows: Some(n),
            after_write: None,
            after_access: None,
            missing: true,
        }),
        max_retries,
        hint: LookupHint::default(),
    })
}
