//! The choice of physical operators: logical plan in, [`Plan`] of specs out.
//!
//! [`Planner::build`] walks bottom-up. The caller says whether it needs -U rows
//! (the update-kind demand of Flink's planner); every built node answers with
//! its [`Props`]: row kinds, unique keys, window columns. Equal nodes are shared,
//! so that two INSERTs from one source read it once.
//!
//! Where to look next: `aggregate.rs` for windows, `rank.rs` for Top-N and
//! deduplication, `join.rs` for the join family, `multi_join.rs` for chains of joins,
//! `delta_join.rs` for joins without state, `sink.rs` for the roots.

mod aggregate;
mod delta_join;
mod join;
mod lookup;
mod multi_join;
mod rank;
mod sink;
mod uid;

use std::collections::HashMap;

use weir_core::types::TimeAttribute;
use weir_core::{Error, Options, Result, RowKind, Schema};
use weir_functions::Expr;
use weir_spec::{
    Branch, ChangelogMode, Distribution, InputSpec, MatchSpec, NodeSpec, OpSpec, Plan, SinkSpec,
    SourceSpec,
};
use weir_sql::rel::{Rel, RelOp, Scan};

pub use delta_join::DeltaCaches;
pub use sink::SinkRequest;

/// Options of the session that shape the plan.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `execution.runtime-mode` is BATCH.
    pub batch: bool,
    /// `table.exec.source.idle-timeout` in milliseconds; 0 = never idle.
    pub idle_timeout: i64,
    /// `pipeline.auto-watermark-interval` in milliseconds.
    pub watermark_interval: i64,
    /// `table.exec.state.ttl` in milliseconds; 0 = never.
    pub state_ttl: i64,
    /// `table.local-time-zone`
    pub time_zone: String,
    /// `table.optimizer.multi-join.enabled`: chains of joins over one key are one operator.
    pub multi_join: bool,
    /// `table.optimizer.delta-join.strategy` is FORCE: regular joins are refused, delta
    /// joins keep so much of their tables in memory.
    pub only_delta_joins: Option<DeltaCaches>,
}

impl Settings {
    /// Reads the session options; a malformed value is an error that names the option.
    pub fn from_options(options: &Options, time_zone: &str) -> Result<Self> {
        let millis = |key: &str, default: i64| -> Result<i64> {
            Ok(options.duration_opt(key)?.map_or(default, |d| d.as_millis() as i64))
        };
        Ok(Self {
            batch: options
                .get("execution.runtime-mode")
                .is_some_and(|m| m.eq_ignore_ascii_case("batch")),
            idle_timeout: millis("table.exec.source.idle-timeout", 0)?,
            watermark_interval: millis("pipeline.auto-watermark-interval", 200)?,
            state_ttl: millis("table.exec.state.ttl", 0)?,
            time_zone: time_zone.to_owned(),
            multi_join: options.bool_or("table.optimizer.multi-join.enabled", false)?,
            only_delta_joins: DeltaCaches::from_options(options)?,
        })
    }
}

/// What the planner must know of connectors.
pub trait Connectors {
    /// Row kinds that a scan produces.
    fn source_mode(&self, spec: &SourceSpec, schema: &Schema) -> Result<ChangelogMode>;
    /// Rows of a bounded table, where its source can tell without reading it.
    fn table_rows(&self, spec: &SourceSpec, schema: &Schema) -> Option<u64> {
        let _ = (spec, schema);
        None
    }
    /// Row kinds that a sink accepts.
    fn sink_mode(&self, spec: &SinkSpec, schema: &Schema) -> Result<ChangelogMode>;
    /// Whether the sink wants rows of one bucket in one writer.
    fn sink_partitions(&self, spec: &SinkSpec, schema: &Schema) -> Result<bool>;
}

/// Positions of the window columns of an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WindowColumns {
    start: usize,
    end: usize,
    time: Option<usize>,
    event_time: bool,
}

/// What is known of a node's output.
#[derive(Debug, Clone, Default)]
pub(crate) struct Props {
    /// Sets of columns that identify a row (upsert keys).
    unique: Vec<Vec<usize>>,
    /// Window columns, when rows belong to windows.
    window: Option<WindowColumns>,
}

/// A built node and what is known of it.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    node: usize,
    props: Props,
}

/// Builds the plan of one job.
pub struct Planner<'a> {
    nodes: Vec<NodeSpec>,
    settings: Settings,
    connectors: &'a dyn Connectors,
    /// What STATE_TTL hints say of source nodes.
    ttl_hints: HashMap<usize, i64>,
}

impl<'a> Planner<'a> {
    /// An empty plan.
    pub fn new(settings: Settings, connectors: &'a dyn Connectors) -> Self {
        Self { nodes: Vec::new(), settings, connectors, ttl_hints: HashMap::new() }
    }

    /// The finished plan.
    pub fn finish(mut self) -> Plan {
        uid::assign(&mut self.nodes);
        Plan { nodes: self.nodes }
    }

    fn schema(&self, built: &Built) -> &Schema {
        &self.nodes[built.node].schema
    }

    fn mode(&self, built: &Built) -> ChangelogMode {
        self.nodes[built.node].changelog
    }

    /// Adds a node, or finds an equal one.
    fn add(
        &mut self,
        name: &str,
        op: OpSpec,
        inputs: Vec<(usize, Distribution)>,
        schema: Schema,
        changelog: ChangelogMode,
    ) -> usize {
        let inputs: Vec<InputSpec> = inputs
            .into_iter()
            .map(|(node, distribution)| InputSpec { node, distribution })
            .collect();
        let shared = !matches!(op, OpSpec::Sink(_) | OpSpec::Collect);
        if shared
            && let Some(i) = self
                .nodes
                .iter()
                .position(|n| n.op == op && n.inputs == inputs && n.schema == schema)
        {
            return i;
        }
        // Given when the plan is finished: it depends on the consumers.
        let uid = String::new();
        let (name, upsert_keys) = (name.to_owned(), Vec::new());
        self.nodes.push(NodeSpec { uid, name, op, inputs, schema, changelog, upsert_keys });
        self.nodes.len() - 1
    }

    /// A filter and projection above a built node.
    fn calc(
        &mut self,
        input: Built,
        filter: Option<Expr>,
        projection: Vec<Expr>,
        schema: Schema,
    ) -> Built {
        let places: Vec<Option<usize>> = (0..self.schema(&input).len())
            .map(|c| {
                projection
                    .iter()
                    .position(|e| matches!(e, Expr::Column { index, .. } if *index == c))
            })
            .collect();
        let props = Props {
            unique: map_keys(&input.props.unique, &places),
            window: input.props.window.and_then(|w| map_window(w, &places)),
        };
        let mode = self.mode(&input);
        let op = OpSpec::Calc { filter, projection };
        let node = self.add("Calc", op, vec![(input.node, Distribution::Forward)], schema, mode);
        Built { node, props }
    }

    /// A projection of a built node to the given columns.
    fn select(&mut self, input: Built, columns: &[usize]) -> Built {
        let schema = self.schema(&input).project(columns);
        let width = self.schema(&input).len();
        if columns.len() == width && columns.iter().enumerate().all(|(i, &c)| i == c) {
            return input;
        }
        let projection = columns
            .iter()
            .zip(&schema.fields)
            .map(|(&c, f)| Expr::column(c, f.ty.clone()))
            .collect();
        self.calc(input, None, projection, schema)
    }

    fn filter(&mut self, input: Built, predicate: Expr) -> Built {
        let schema = self.schema(&input).clone();
        let projection = identity(&schema);
        self.calc(input, Some(predicate), projection, schema)
    }

    /// Turns a logical node into operators. `ub`: the consumer needs -U rows.
    pub(crate) fn build(&mut self, rel: &Rel, ub: bool) -> Result<Built> {
        let built = self.build_op(rel, ub)?;
        self.nodes[built.node].upsert_keys.clone_from(&built.props.unique);
        Ok(built)
    }

    fn build_op(&mut self, rel: &Rel, ub: bool) -> Result<Built> {
        match &rel.op {
            RelOp::Scan(scan) => self.build_scan(scan, &rel.schema, ub),
            RelOp::Values(rows) => {
                let op = OpSpec::Values(rows.clone());
                let schema = rel.schema.clone();
                let node = self.add("Values", op, vec![], schema, ChangelogMode::INSERT_ONLY);
                Ok(Built { node, props: Props::default() })
            }
            RelOp::Project { input, exprs } => self.build_project(input, exprs, rel, ub),
            RelOp::Filter { input, predicate } => self.build_filter(input, predicate, ub, true),
            // Batch mode sees all rows before any result: nothing is late.
            RelOp::Watermark { input, .. } if self.settings.batch => self.build(input, ub),
            RelOp::Watermark { input, rowtime, watermark } => {
                let input = self.build(input, ub)?;
                let mode = self.mode(&input);
                let op = OpSpec::WatermarkAssigner {
                    rowtime: *rowtime,
                    watermark: watermark.clone(),
                    idle_timeout: self.settings.idle_timeout,
                    interval: self.settings.watermark_interval,
                };
                let edge = vec![(input.node, Distribution::Forward)];
                let node = self.add("WatermarkAssigner", op, edge, rel.schema.clone(), mode);
                Ok(Built { node, props: input.props })
            }
            RelOp::Aggregate { input, keys, calls } => {
                self.build_aggregate(input, keys, calls, rel, ub)
            }
            RelOp::GroupWindowAggregate { input, window, keys, calls } => {
                self.build_group_window(input, window, keys, calls, rel)
            }
            RelOp::WindowTvf { input, window } => self.build_window_tvf(input, window, rel),
            RelOp::Expand { input, projections } => {
                let input = self.build(input, true)?;
                let mode = self.mode(&input);
                let op = OpSpec::Expand(projections.clone());
                let edge = vec![(input.node, Distribution::Forward)];
                let node = self.add("Expand", op, edge, rel.schema.clone(), mode);
                let window = input.props.window.and_then(|w| expanded_window(w, projections));
                Ok(Built { node, props: Props { unique: vec![], window } })
            }
            RelOp::Join { left, right, kind, condition } => {
                self.build_join(left, right, *kind, condition, rel)
            }
            RelOp::TemporalJoin { left, right, kind, condition, left_time } => {
                self.build_temporal_join(left, right, *kind, condition, *left_time, rel)
            }
            RelOp::LookupJoin { input, table, kind, condition, hint } => {
                self.build_lookup_join(input, table, *kind, condition, hint, rel)
            }
            RelOp::Unnest { input, collection, flatten, ordinality, condition, outer } => {
                let input = self.build(input, true)?;
                let mode = self.mode(&input);
                let op = OpSpec::Unnest {
                    collection: collection.clone(),
                    flatten: *flatten,
                    ordinality: *ordinality,
                    condition: condition.clone(),
                    outer: *outer,
                };
                let edge = vec![(input.node, Distribution::Forward)];
                let node = self.add("Unnest", op, edge, rel.schema.clone(), mode);
                let window = input.props.window;
                Ok(Built { node, props: Props { unique: vec![], window } })
            }
            RelOp::Union(inputs) => self.build_union(inputs, rel, ub),
            RelOp::Sort { input, keys, offset, fetch } => {
                self.build_sort(input, keys, *offset, *fetch, rel, ub)
            }
            RelOp::Over { input, over } => self.build_over(input, over, rel),
            RelOp::Match { input, spec } => self.build_match(input, spec, rel),
            RelOp::ToChangelog { input, codes } => {
                let built = self.build(input, true)?;
                let op = OpSpec::ToChangelog { codes: codes.clone() };
                Ok(self.changelog_function(&built, op, rel, ChangelogMode::INSERT_ONLY))
            }
            RelOp::FromChangelog { input, column, codes } => {
                let built = self.build(input, true)?;
                if !self.mode(&built).is_insert_only() {
                    return Err(Error::validation(format!(
                        "FROM_CHANGELOG doesn't support consuming update and delete changes, which its input ({}) produces",
                        self.nodes[built.node].name
                    )));
                }
                let has = |kind: RowKind| codes.iter().any(|c| c.1 == kind as u8);
                let mode = ChangelogMode {
                    update_before: has(RowKind::UpdateBefore),
                    update_after: has(RowKind::UpdateAfter),
                    delete: has(RowKind::Delete),
                };
                let op = OpSpec::FromChangelog { column: *column, codes: codes.clone() };
                let width = input.schema.len();
                let mut function = self.changelog_function(&built, op, rel, mode);
                // What tells rows of the input apart tells their changes apart.
                let places: Vec<Option<usize>> = (0..width)
                    .map(|c| (c != *column).then(|| c - usize::from(c > *column)))
                    .collect();
                function.props.unique = map_keys(&built.props.unique, &places);
                Ok(function)
            }
        }
    }

    fn source_spec(&self, scan: &Scan) -> SourceSpec {
        SourceSpec {
            table: scan.table.clone(),
            columns: scan.columns.clone(),
            filter: scan.filter.clone(),
            limit: scan.limit,
            batch: self.settings.batch,
        }
    }

    fn build_scan(&mut self, scan: &Scan, schema: &Schema, ub: bool) -> Result<Built> {
        let spec = self.source_spec(scan);
        let mode = self
            .connectors
            .source_mode(&spec, schema)
            .map_err(|e| e.context(format!("table {}", scan.table.identifier)))?;
        let key = scan_key(&spec);
        let name = format!("Source: {}", scan.table.identifier);
        let node = self.add(&name, OpSpec::Source(spec), vec![], schema.clone(), mode);
        if let Some(ttl) = scan.state_ttl {
            self.ttl_hints.insert(node, ttl);
        }
        let unique = key.clone().into_iter().collect();
        let built = Built { node, props: Props { unique, window: None } };
        // An upsert source (no -U) under a consumer that needs them is normalised by its key.
        let upsert = !mode.is_insert_only() && !mode.update_before;
        match key {
            Some(keys) if upsert => Ok(self.normalize(built, keys, ub)),
            None if upsert => Err(Error::validation(format!(
                "table {} produces updates by key, but no PRIMARY KEY is declared, or the query does not keep it",
                scan.table.identifier
            ))
            .hint("declare PRIMARY KEY (...) NOT ENFORCED")),
            _ => Ok(built),
        }
    }

    /// What a STATE_TTL hint says of the table that a node reads, with no state between.
    fn hinted_ttl(&self, mut node: usize) -> Option<i64> {
        loop {
            let spec = &self.nodes[node];
            match (&spec.op, spec.inputs.as_slice()) {
                (OpSpec::Source(_), _) => return self.ttl_hints.get(&node).copied(),
                (
                    OpSpec::Calc { .. }
                    | OpSpec::WatermarkAssigner { .. }
                    | OpSpec::ChangelogNormalize { .. },
                    [input],
                ) => node = input.node,
                _ => return None,
            }
        }
    }

    fn normalize(&mut self, input: Built, keys: Vec<usize>, ub: bool) -> Built {
        let schema = self.schema(&input).clone();
        let op = OpSpec::ChangelogNormalize { keys: keys.clone(), update_before: ub };
        let mode = if ub { ChangelogMode::ALL } else { ChangelogMode::UPSERT };
        let edge = vec![(input.node, Distribution::Hash(keys))];
        let node = self.add("ChangelogNormalize", op, edge, schema, mode);
        Built { node, props: input.props }
    }

    fn build_project(&mut self, input: &Rel, exprs: &[Expr], rel: &Rel, ub: bool) -> Result<Built> {
        // A filter below a projection runs in the same Calc, and a Top-N whose
        // rank nobody reads need not produce it.
        if let RelOp::Filter { input: below, predicate } = &input.op {
            let uses_last = uses_column(exprs, input.schema.len().wrapping_sub(1));
            if self.is_rank(below, predicate) {
                let built = self.build_filter(below, predicate, ub, uses_last)?;
                return Ok(self.calc(built, None, exprs.to_vec(), rel.schema.clone()));
            }
            let built = self.build(below, true)?;
            let filter = Some(predicate.clone());
            return Ok(self.calc(built, filter, exprs.to_vec(), rel.schema.clone()));
        }
        let built = self.build(input, ub)?;
        Ok(self.calc(built, None, exprs.to_vec(), rel.schema.clone()))
    }

    fn build_filter(
        &mut self,
        input: &Rel,
        predicate: &Expr,
        ub: bool,
        rank_used: bool,
    ) -> Result<Built> {
        if let Some(built) = self.try_rank(input, predicate, ub, rank_used)? {
            return Ok(built);
        }
        // Above updates a filter needs -U: a row may leave the result by an update.
        let built = self.build(input, true)?;
        Ok(self.filter(built, predicate.clone()))
    }

    fn changelog_function(
        &mut self,
        input: &Built,
        op: OpSpec,
        rel: &Rel,
        mode: ChangelogMode,
    ) -> Built {
        let edge = vec![(input.node, Distribution::Forward)];
        let node = self.add("ProcessTableFunction", op, edge, rel.schema.clone(), mode);
        Built { node, props: Props::default() }
    }

    fn build_match(&mut self, input: &Rel, spec: &MatchSpec, rel: &Rel) -> Result<Built> {
        let built = self.build(input, true)?;
        if !self.settings.batch && !self.mode(&built).is_insert_only() {
            return Err(Error::validation(format!(
                "Match Recognize doesn't support consuming update changes, which its input ({}) produces",
                self.nodes[built.node].name
            )));
        }
        if spec.event_time {
            self.keeps_event_time(
                &built,
                "You must specify either rowtime or proctime for order by as the first one",
            )?;
        }
        let edge = vec![(built.node, hash_or_single(&spec.partition))];
        let (op, schema) = (OpSpec::Match(spec.clone()), rel.schema.clone());
        let node = self.add("Match", op, edge, schema, ChangelogMode::INSERT_ONLY);
        Ok(Built { node, props: Props::default() })
    }

    /// A union whose inputs only filter and project one and the same table.
    fn branches_of_one(&mut self, inputs: &[Rel], rel: &Rel) -> Result<Option<Built>> {
        let parts: Option<Vec<_>> = inputs.iter().map(branch).collect();
        let Some(parts) = parts.filter(|_| !self.settings.batch) else { return Ok(None) };
        let Some((stem, _)) = parts.first() else { return Ok(None) };
        let stem: &Rel = stem;
        if parts.len() < 2 || parts.iter().any(|(s, _)| *s != stem) {
            return Ok(None);
        }
        let built = self.build(stem, true)?;
        let mode = self.mode(&built);
        let op = OpSpec::Branches(parts.iter().map(|(_, b)| b.clone()).collect());
        let edge = vec![(built.node, Distribution::Forward)];
        let node = self.add("Union", op, edge, rel.schema.clone(), mode);
        Ok(Some(Built { node, props: Props::default() }))
    }

    fn build_union(&mut self, inputs: &[Rel], rel: &Rel, ub: bool) -> Result<Built> {
        if let Some(branches) = self.branches_of_one(inputs, rel)? {
            return Ok(branches);
        }
        let mut edges = Vec::with_capacity(inputs.len());
        let mut mode = ChangelogMode::INSERT_ONLY;
        for i in inputs {
            let built = self.build(i, ub)?;
            let m = self.mode(&built);
            mode = ChangelogMode {
                update_before: mode.update_before || m.update_before,
                update_after: mode.update_after || m.update_after,
                delete: mode.delete || m.delete,
            };
            edges.push((built.node, Distribution::Forward));
        }
        let node = self.add("Union", OpSpec::Union, edges, rel.schema.clone(), mode);
        Ok(Built { node, props: Props::default() })
    }
}

/// What a filter and projection do to the table below them.
fn branch(rel: &Rel) -> Option<(&Rel, Branch)> {
    let table = |r: &Rel| matches!(r.op, RelOp::Watermark { .. } | RelOp::Scan(_));
    match &rel.op {
        RelOp::Project { input, exprs } => match &input.op {
            RelOp::Filter { input, predicate } if table(input) => {
                let filter = Some(predicate.clone());
                Some((input, Branch { filter, projection: exprs.clone() }))
            }
            _ if table(input) => Some((input, Branch { filter: None, projection: exprs.clone() })),
            _ => None,
        },
        RelOp::Filter { input, predicate } if table(input) => {
            let filter = Some(predicate.clone());
            Some((input, Branch { filter, projection: identity(&rel.schema) }))
        }
        _ if table(rel) => Some((rel, Branch { filter: None, projection: identity(&rel.schema) })),
        _ => None,
    }
}

/// The primary key of a scanned table in terms of the scan's columns, if all of it is read.
fn scan_key(spec: &SourceSpec) -> Option<Vec<usize>> {
    use weir_spec::ReadColumn;
    if spec.table.primary_key.is_empty() {
        return None;
    }
    spec.table
        .primary_key
        .iter()
        .map(|&k| {
            spec.columns
                .iter()
                .position(|c| matches!(c, ReadColumn::Physical { path } if *path == [k]))
        })
        .collect()
}

fn uses_column(exprs: &[Expr], column: usize) -> bool {
    let mut used = Vec::new();
    exprs.iter().for_each(|e| e.collect_columns(&mut used));
    used.contains(&column)
}

/// One column reference per field.
fn identity(schema: &Schema) -> Vec<Expr> {
    schema.fields.iter().enumerate().map(|(i, f)| Expr::column(i, f.ty.clone())).collect()
}

/// Keys in terms of other positions; keys with a vanished column are gone.
fn map_keys(keys: &[Vec<usize>], places: &[Option<usize>]) -> Vec<Vec<usize>> {
    keys.iter().filter_map(|k| k.iter().map(|&c| places[c]).collect::<Option<Vec<_>>>()).collect()
}

fn map_window(w: WindowColumns, places: &[Option<usize>]) -> Option<WindowColumns> {
    Some(WindowColumns {
        start: places[w.start]?,
        end: places[w.end]?,
        time: w.time.and_then(|t| places[t]),
        event_time: w.event_time,
    })
}

/// Window columns that every grouping set keeps.
fn expanded_window(w: WindowColumns, projections: &[Vec<Expr>]) -> Option<WindowColumns> {
    let kept = |column: usize| {
        let at = |p: &Vec<Expr>| {
            p.iter().position(|e| matches!(e, Expr::Column { index, .. } if *index == column))
        };
        let first = at(projections.first()?)?;
        projections.iter().all(|p| at(p) == Some(first)).then_some(first)
    };
    Some(WindowColumns {
        start: kept(w.start)?,
        end: kept(w.end)?,
        time: w.time.and_then(kept),
        event_time: w.event_time,
    })
}

/// Whether a column is a time attribute.
fn is_time_attribute(schema: &Schema, column: usize) -> bool {
    schema.fields[column].ty.time_attribute() != TimeAttribute::None
}

fn hash_or_single(keys: &[usize]) -> Distribution {
    if keys.is_empty() { Distribution::Single } else { Distribution::Hash(keys.to_vec()) }
}
