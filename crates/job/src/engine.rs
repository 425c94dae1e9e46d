//! The engine: statements in, results and jobs out.

use std::time::Duration;

use weir_core::{Error, Options, Result};
use weir_functions::{EvalContext, Zone};
use weir_parser::ast;
use weir_plan::{Planner, Settings, SinkRequest, explain};
use weir_runtime::RunConfig;
use weir_spec::Plan;
use weir_sql::{Effect, Insert, Rel, ResultTable, Session};

use crate::adapters::NotNull;
use crate::connectors::{CheckConnectors, ConnectorSet, register_catalogs};
use crate::graph::{self, JobSettings};
use crate::running::{Query, RunningJob};

/// Batches that may wait for a slow client.
const COLLECT_BATCHES: usize = 16;

/// How often written data becomes visible when 'execution.checkpointing.interval' is not set.
const DEFAULT_COMMIT_INTERVAL: Duration = Duration::from_secs(10);

/// What a statement came to.
pub enum Outcome {
    /// Nothing to show.
    Done,
    /// Rows to show at once.
    Table(ResultTable),
    /// Text to show (EXPLAIN).
    Text(String),
    /// A running query.
    Query(Box<Query>),
    /// A running INSERT job.
    Job(Box<RunningJob>),
    /// The client should end.
    Quit,
}

/// A session with everything it needs to run statements.
pub struct Engine {
    /// Names, options and catalogs.
    pub session: Session,
    connectors: ConnectorSet,
}

impl Default for Engine {
    fn default() -> Self {
        let mut session = Session::default();
        register_catalogs(&mut session);
        Self { session, connectors: ConnectorSet::default() }
    }
}

impl Engine {
    /// An engine that changes nothing outside: lake catalogs are replaced by empty ones in memory.
    pub fn for_check() -> Self {
        Self { session: Session::for_check(), connectors: ConnectorSet::default() }
    }

    /// Runs a statement; `source` is the script it stands in.
    pub fn execute(&mut self, statement: &ast::Statement, source: &str) -> Result<Outcome> {
        match weir_sql::execute(&mut self.session, statement, source)? {
            Effect::Done => Ok(Outcome::Done),
            Effect::Quit => Ok(Outcome::Quit),
            Effect::Table(t) => Ok(Outcome::Table(t)),
            Effect::Query(rel) => self.start_query(*rel),
            Effect::Inserts(inserts) => self.start_inserts(inserts),
            Effect::Explain { what, changelog_mode } => self.explain(*what, changelog_mode),
        }
    }

    /// Plans a statement without running it or opening lake tables, to find what
    /// is wrong with it; returns warnings.
    pub fn check(&mut self, statement: &ast::Statement, source: &str) -> Result<Vec<String>> {
        let effect = match weir_sql::execute(&mut self.session, statement, source)? {
            Effect::Explain { what, .. } => *what,
            effect => effect,
        };
        let mut planner = Planner::new(self.settings()?, &CheckConnectors);
        match effect {
            Effect::Query(rel) => planner.add_query(*rel).map(|_| vec![]),
            Effect::Inserts(inserts) => {
                let mut warnings = Vec::new();
                for i in inserts {
                    warnings.extend(i.warnings);
                    let request =
                        SinkRequest { rel: i.rel, sink: i.sink, on_conflict: i.on_conflict };
                    planner.add_sink(request)?;
                }
                Ok(warnings)
            }
            _ => Ok(vec![]),
        }
    }

    fn settings(&self) -> Result<Settings> {
        Settings::from_options(&self.session.options, self.time_zone())
    }

    /// The session's time zone.
    pub fn time_zone(&self) -> &str {
        match self.session.option_or("table.local-time-zone", "default") {
            "default" => "UTC",
            zone => zone,
        }
    }

    fn plan_query(&self, rel: Rel) -> Result<(Plan, usize)> {
        let mut planner = Planner::new(self.settings()?, &self.connectors);
        let root = planner.add_query(rel)?;
        Ok((planner.finish(), root))
    }

    fn plan_inserts(&self, inserts: Vec<Insert>) -> Result<(Plan, Vec<usize>)> {
        let mut planner = Planner::new(self.settings()?, &self.connectors);
        let roots = inserts
            .into_iter()
            .map(|i| {
                planner.add_sink(SinkRequest {
                    rel: i.rel,
                    sink: i.sink,
                    on_conflict: i.on_conflict,
                })
            })
            .collect::<Result<_>>()?;
        Ok((planner.finish(), roots))
    }

    fn start_query(&self, rel: Rel) -> Result<Outcome> {
        let schema = rel.schema.clone();
        let (plan, _) = self.plan_query(rel)?;
        let (sender, rows) = crossbeam_channel::bounded(COLLECT_BATCHES);
        let built = graph::build(
            &plan,
            &self.connectors,
            &self.job_settings()?,
            NotNull::Error,
            Some(&sender),
        )?;
        drop(sender);
        let job = self.start(built)?;
        Ok(Outcome::Query(Box::new(Query { schema, rows, job })))
    }

    fn start_inserts(&self, inserts: Vec<Insert>) -> Result<Outcome> {
        let (plan, _) = self.plan_inserts(inserts)?;
        let enforcer = match self.session.option_or("table.exec.sink.not-null-enforcer", "error") {
            v if v.eq_ignore_ascii_case("drop") => NotNull::Drop,
            _ => NotNull::Error,
        };
        let built = graph::build(&plan, &self.connectors, &self.job_settings()?, enforcer, None)?;
        Ok(Outcome::Job(Box::new(self.start(built)?)))
    }

    fn start(&self, built: graph::Built) -> Result<RunningJob> {
        let options = &self.session.options;
        let parallelism = parallelism(options)?;
        let config = RunConfig {
            name: options.get("pipeline.name").unwrap_or("weir").to_owned(),
            parallelism,
            max_parallelism: match options.i64_opt("pipeline.max-parallelism")? {
                Some(n @ 1..=32768) => n as u32,
                Some(n) => {
                    return Err(weir_core::config::bad_value(
                        "pipeline.max-parallelism",
                        &n.to_string(),
                        "a number from 1 to 32768",
                    ));
                }
                None => weir_core::keys::DEFAULT_MAX_PARALLELISM,
            },
            ..RunConfig::default()
        };
        let interval = match options.duration_opt("execution.checkpointing.interval")? {
            Some(i) => Some(i),
            None if !built.bounded => Some(DEFAULT_COMMIT_INTERVAL),
            None => None,
        };
        let handle = weir_runtime::run(built.graph, config)?;
        Ok(RunningJob::new(handle, built.committers, interval))
    }

    fn job_settings(&self) -> Result<JobSettings> {
        let batch = self.session.is_batch();
        let zone = Zone::parse(self.time_zone())?;
        let ttl = self.session.options.duration_opt("table.exec.state.ttl")?;
        Ok(JobSettings {
            eval: EvalContext { zone, streaming: !batch, ..EvalContext::default() },
            time_zone: self.time_zone().to_owned(),
            state_ttl: ttl.map_or(0, |d| d.as_millis() as i64),
            batch,
        })
    }

    fn explain(&self, what: Effect, changelog_mode: bool) -> Result<Outcome> {
        let (plan, roots) = match what {
            Effect::Query(rel) => {
                let (plan, root) = self.plan_query(*rel)?;
                let below = plan.nodes[root].inputs[0].node;
                (plan, vec![below])
            }
            Effect::Inserts(inserts) => self.plan_inserts(inserts)?,
            _ => return Err(Error::validation("EXPLAIN takes a query or an INSERT")),
        };
        let mut text = String::from("== Optimized Execution Plan ==\n");
        for root in roots {
            text.push_str(&explain::explain(&plan, root, changelog_mode));
        }
        Ok(Outcome::Text(text))
    }
}

/// `parallelism.default`, else `table.exec.resource.default-parallelism`, else 1.
fn parallelism(options: &Options) -> Result<usize> {
    for key in ["table.exec.resource.default-parallelism", "parallelism.default"] {
        match options.i64_opt(key)? {
            None | Some(-1) => {}
            Some(n @ 1..=1024) => return Ok(n as usize),
            Some(n) => {
                return Err(weir_core::config::bad_value(
                    key,
                    &n.to_string(),
                    "a number from 1 to 1024",
                ));
            }
        }
    }
    Ok(1)
}
