//! The roots of a job: table sinks and the client.

use weir_core::{Error, Result, Schema};
use weir_spec::{ChangelogMode, ConflictAction, Distribution, OpSpec, SinkSpec};
use weir_sql::rel::{Rel, RelOp, Scan};

use super::{Built, Planner, Props, hash_or_single};
use crate::optimize::{optimize, optimize_batch};

/// One INSERT: the query, already cast to the sink's columns, and the sink.
#[derive(Debug, Clone)]
pub struct SinkRequest {
    /// Rows to write.
    pub rel: Rel,
    /// Where to.
    pub sink: SinkSpec,
    /// ON CONFLICT DO ..: keys that differ are accepted.
    pub on_conflict: Option<ConflictAction>,
}

impl Planner<'_> {
    /// Adds a query whose rows go to the client. Returns the root node.
    pub fn add_query(&mut self, rel: Rel) -> Result<usize> {
        let rel =
            self.optimized(vec![rel], false).pop().ok_or_else(|| Error::internal("no plan"))?;
        let built = self.build(&rel, true)?;
        let mode = self.mode(&built);
        let edge = vec![(built.node, Distribution::Single)];
        Ok(self.add("Collect", OpSpec::Collect, edge, rel.schema, mode))
    }

    /// `event_time`: a consumer acts on watermarks.
    fn optimized(&self, rels: Vec<Rel>, event_time: bool) -> Vec<Rel> {
        if !self.settings.batch {
            return optimize(rels, event_time);
        }
        let rows = |scan: &Scan, schema: &Schema| {
            self.connectors.table_rows(&self.source_spec(scan), schema)
        };
        rels.into_iter().map(|r| optimize_batch(r, &rows)).collect()
    }

    /// Adds all INSERTs of the job. Returns their root nodes.
    pub fn add_sinks(&mut self, mut requests: Vec<SinkRequest>) -> Result<Vec<usize>> {
        let empty = || Rel::new(RelOp::Values(Vec::new()), Schema::new(Vec::new()));
        let rels = requests.iter_mut().map(|r| std::mem::replace(&mut r.rel, empty())).collect();
        // Partitions of files may be announced by the watermark.
        let event_time = requests.iter().any(|r| {
            r.sink.table.options.get("sink.partition-commit.trigger") == Some("partition-time")
        });
        let rels = self.optimized(rels, event_time);
        requests
            .into_iter()
            .zip(rels)
            .map(|(r, rel)| self.add_sink(SinkRequest { rel, ..r }))
            .collect()
    }

    fn add_sink(&mut self, request: SinkRequest) -> Result<usize> {
        let SinkRequest { rel, sink, on_conflict } = request;
        let accepted = self.connectors.sink_mode(&sink, &rel.schema)?;
        let partitions = self.connectors.sink_partitions(&sink, &rel.schema)?;
        let retracts = accepted.update_before || on_conflict.is_some();
        let built = match self.try_delta_join(&rel, retracts)? {
            Some(built) => built,
            None => self.build(&rel, retracts)?,
        };
        if on_conflict.is_some() {
            check_conflict_clause(accepted, &sink)?;
        }
        let (built, mode) = match on_conflict {
            Some(action) if self.may_conflict(&built, &sink) => {
                self.resolve_conflicts(built, action, &sink)
            }
            _ => self.by_key(built, accepted, &sink)?,
        };
        self.check_mode(mode, accepted, &built, &sink)?;
        let distribution = if partitions {
            Distribution::SinkBucket
        } else if !mode.is_insert_only() && !sink.table.primary_key.is_empty() {
            hash_or_single(&sink.table.primary_key)
        } else {
            Distribution::Forward
        };
        let name = format!("Sink: {}", sink.table.identifier);
        let edge = vec![(built.node, distribution)];
        Ok(self.add(&name, OpSpec::Sink(sink), edge, rel.schema, mode))
    }

    /// The query as the sink takes it: without -U rows where updates go by its key.
    fn by_key(
        &mut self,
        built: Built,
        accepted: ChangelogMode,
        sink: &SinkSpec,
    ) -> Result<(Built, ChangelogMode)> {
        let mut mode = self.mode(&built);
        if mode.update_after && !accepted.update_before {
            self.check_keys(&built, sink)?;
        }
        if !mode.update_before || accepted.update_before || !accepted.update_after {
            return Ok((built, mode));
        }
        mode.update_before = false;
        let schema = self.schema(&built).clone();
        let edge = vec![(built.node, Distribution::Forward)];
        let node = self.add("DropUpdateBefore", OpSpec::DropUpdateBefore, edge, schema, mode);
        Ok((Built { node, props: built.props }, mode))
    }

    /// Whether rows of several keys of the query can meet on the sink's primary key.
    fn may_conflict(&self, built: &Built, sink: &SinkSpec) -> bool {
        let key = &sink.table.primary_key;
        let matches = built.props.unique.iter().any(|u| u.iter().all(|c| key.contains(c)));
        !matches && !key.is_empty()
    }

    /// Puts the choice among rows of one primary key in front of a sink.
    fn resolve_conflicts(
        &mut self,
        built: Built,
        action: ConflictAction,
        sink: &SinkSpec,
    ) -> (Built, ChangelogMode) {
        let keys = sink.table.primary_key.clone();
        let schema = self.schema(&built).clone();
        let edge = vec![(built.node, Distribution::Hash(keys.clone()))];
        let op = OpSpec::Conflicts { keys: keys.clone(), action };
        let mode = ChangelogMode::UPSERT;
        let node = self.add("Conflicts", op, edge, schema, mode);
        (Built { node, props: Props { unique: vec![keys], window: None } }, mode)
    }

    /// Updates may only reach an upsert sink when they identify rows by its primary key.
    fn check_keys(&self, built: &Built, sink: &SinkSpec) -> Result<()> {
        let key = &sink.table.primary_key;
        if !self.may_conflict(built, sink) {
            return Ok(());
        }
        let schema = self.schema(built);
        let names = |k: &[usize]| {
            k.iter().map(|&c| schema.fields[c].name.as_str()).collect::<Vec<_>>().join(", ")
        };
        let upsert = built.props.unique.first().map_or("none".to_owned(), |u| names(u));
        Err(Error::validation(format!(
            "the query updates table {} by upsert key [{upsert}], which differs from its primary key [{}]",
            sink.table.identifier,
            names(key)
        ))
        .hint("make the primary key the columns that the query groups or ranks by, or say how to resolve conflicts: INSERT INTO ... ON CONFLICT DO DEDUPLICATE"))
    }

    fn check_mode(
        &self,
        mode: ChangelogMode,
        accepted: ChangelogMode,
        built: &Built,
        sink: &SinkSpec,
    ) -> Result<()> {
        let what = if mode.update_after && !accepted.update_after {
            "update"
        } else if mode.delete && !accepted.delete {
            "delete"
        } else {
            return Ok(());
        };
        let producer = &self.nodes[built.node].name;
        Err(Error::validation(format!(
            "Table sink '{}' doesn't support consuming {what} changes which is produced by node {producer}",
            sink.table.identifier
        ))
        .hint("write to a table with a PRIMARY KEY in an upsert store (paimon, upsert-kafka), or run in batch mode"))
    }
}

/// ON CONFLICT needs a sink that takes updates by key.
fn check_conflict_clause(accepted: ChangelogMode, sink: &SinkSpec) -> Result<()> {
    if accepted.update_after && !accepted.update_before {
        return Ok(());
    }
    Err(Error::validation(format!(
        "ON CONFLICT clause is only allowed for upsert sinks. The sink '{}' is not an upsert sink",
        sink.table.identifier
    ))
    .hint("leave the clause out"))
}
