//! The engine: statements in, results and jobs out.

use std::collections::HashMap;

use crossbeam_channel::Sender;
use weir_core::{ChangeBatch, Error, Options, Result};
use weir_functions::{EvalContext, Zone};
use weir_parser::ast;
use weir_plan::physical::Connectors as _;
use weir_plan::{Planner, Settings, SinkRequest, explain};
use weir_runtime::RunConfig;
use weir_spec::{OpSpec, Plan};
use weir_sql::{Effect, ExplainDetails, Insert, Rel, ResultTable, Session};

use crate::adapters::NotNull;
use crate::checkpoint::options::CheckpointOptions;
use crate::checkpoint::storage::Places;
use crate::compiled;
use crate::connectors::{ConnectorSet, register_catalogs};
use crate::driver::{self, Builder, JobSpec};
use crate::graph::{self, JobSettings};
use crate::memory;
use crate::restart::RestartStrategy;
use crate::running::{Query, RunningJob};
use crate::testing::Testing;

/// Batches that may wait for a slow client.
const COLLECT_BATCHES: usize = 16;

/// Memory of a batch job's sorts, aggregations and joins, by Flink's name for it.
const BATCH_MEMORY: &str = "taskmanager.memory.managed.size";

/// What a statement came to.
pub enum Outcome {
    /// Nothing to show.
    Done,
    /// Rows to show at once.
    Table(ResultTable),
    /// Text to show (EXPLAIN).
    Text(String),
    /// The running jobs are to be shown.
    ShowJobs,
    /// A job is to be stopped.
    StopJob {
        /// Its identifier.
        id: String,
        /// With a savepoint, of which the path is shown.
        savepoint: bool,
        /// Where savepoints go, by 'execution.checkpointing.savepoint-dir'.
        dir: Option<String>,
    },
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
    /// How often each set of sinks was written: tells jobs of one script apart.
    statements: HashMap<String, usize>,
}

impl Default for Engine {
    fn default() -> Self {
        let mut session = Session::default();
        register_catalogs(&mut session);
        Self { session, connectors: ConnectorSet::default(), statements: HashMap::new() }
    }
}

impl Engine {
    /// Runs a statement; `source` is the script it stands in.
    pub fn execute(&mut self, statement: &ast::Statement, source: &str) -> Result<Outcome> {
        match weir_sql::execute(&mut self.session, statement, source)? {
            Effect::Done => Ok(Outcome::Done),
            Effect::Quit => Ok(Outcome::Quit),
            Effect::Table(t) => Ok(Outcome::Table(t)),
            Effect::ShowJobs => Ok(Outcome::ShowJobs),
            Effect::StopJob { id, savepoint } => Ok(Outcome::StopJob {
                id,
                savepoint,
                dir: CheckpointOptions::parse(&self.session.options)?.savepoint_dir,
            }),
            Effect::Query(rel) => self.start_query(*rel),
            Effect::Inserts(inserts) => self.start_inserts(inserts),
            Effect::Explain { what, details } => self.explain(*what, details),
            Effect::CompilePlan { inserts, path, if_not_exists, execute } => {
                self.compile_plan(inserts, &path, if_not_exists, execute)
            }
            Effect::ExecutePlan { path } => {
                let plan = compiled::read(&path, self.session.is_batch())?;
                self.run_plan(plan)
            }
        }
    }

    fn settings(&self) -> Result<Settings> {
        settings(&self.session)
    }

    /// The session's time zone.
    pub fn time_zone(&self) -> &str {
        time_zone(&self.session)
    }

    fn plan_query(&self, rel: Rel) -> Result<(Plan, usize)> {
        let mut planner = Planner::new(self.settings()?, &self.connectors);
        let root = planner.add_query(rel)?;
        Ok((planner.finish(), root))
    }

    fn plan_inserts(&self, inserts: Vec<Insert>) -> Result<(Plan, Vec<usize>)> {
        let mut planner = Planner::new(self.settings()?, &self.connectors);
        let roots = planner.add_sinks(inserts.into_iter().map(sink_request).collect())?;
        Ok((planner.finish(), roots))
    }

    fn start_query(&mut self, rel: Rel) -> Result<Outcome> {
        let schema = rel.schema.clone();
        let (plan, _) = self.plan_query(rel)?;
        let (sender, rows) = crossbeam_channel::bounded(COLLECT_BATCHES);
        let job = self.start(plan, "collect".to_owned(), NotNull::Error, Some(sender))?;
        Ok(Outcome::Query(Box::new(Query { schema, rows, job })))
    }

    fn start_inserts(&mut self, inserts: Vec<Insert>) -> Result<Outcome> {
        let (plan, _) = self.plan_inserts(inserts)?;
        self.run_plan(plan)
    }

    /// Plans INSERTs and keeps the plan in a file.
    fn compile_plan(
        &mut self,
        inserts: Vec<Insert>,
        path: &str,
        if_not_exists: bool,
        execute: bool,
    ) -> Result<Outcome> {
        let batch = self.session.is_batch();
        let replace = self.session.options.bool_or("table.plan.force-recompile", false)?;
        if compiled::exists(path)? && !replace {
            if !if_not_exists {
                return Err(Error::validation(format!("Cannot overwrite the plan file '{path}'"))
                    .hint("remove the file, use IF NOT EXISTS, or SET 'table.plan.force-recompile' = 'true'"));
            }
            return match execute {
                true => self.run_plan(compiled::read(path, batch)?),
                false => Ok(Outcome::Done),
            };
        }
        let (plan, _) = self.plan_inserts(inserts)?;
        compiled::write(path, &plan, batch)?;
        if execute { self.run_plan(plan) } else { Ok(Outcome::Done) }
    }

    /// Runs the plan of INSERTs as one job.
    fn run_plan(&mut self, plan: Plan) -> Result<Outcome> {
        let mut sinks: Vec<String> = plan
            .nodes
            .iter()
            .filter_map(|n| match &n.op {
                OpSpec::Sink(s) => Some(s.table.identifier.clone()),
                _ => None,
            })
            .collect();
        sinks.sort();
        let enforcer = match self.session.option_or("table.exec.sink.not-null-enforcer", "error") {
            v if v.eq_ignore_ascii_case("drop") => NotNull::Drop,
            _ => NotNull::Error,
        };
        let name = format!("insert-into_{}", sinks.join(","));
        Ok(Outcome::Job(Box::new(self.start(plan, name, enforcer, None)?)))
    }

    fn batch_config(&self, settings: &JobSettings) -> Result<weir_batch::Config> {
        let options = &self.session.options;
        let directories = options.get("io.tmp.dirs").unwrap_or_default();
        Ok(weir_batch::Config {
            parallelism: parallelism(options)?,
            max_parallelism: max_parallelism(options)?
                .unwrap_or(weir_core::keys::DEFAULT_MAX_PARALLELISM),
            eval: settings.eval,
            time_zone: settings.time_zone.clone(),
            memory: match options.memory_opt(BATCH_MEMORY)? {
                Some(bytes) => bytes,
                None => match memory::process_size(options)? {
                    Some(bytes) => bytes / 10 * 6,
                    None => weir_batch::default_memory(),
                },
            },
            spill_directories: directories
                .split([',', ':', '|'])
                .filter(|d| !d.is_empty())
                .map(Into::into)
                .collect(),
            lookups: Some(std::sync::Arc::new(crate::lookup::lookups())),
        })
    }

    /// Starts the job of a plan. `name` names what it writes and, with 'pipeline.name' and how
    /// many jobs before it wrote the same, tells its checkpoints from those of other jobs.
    fn start(
        &mut self,
        plan: Plan,
        name: String,
        not_null: NotNull,
        collect: Option<Sender<ChangeBatch>>,
    ) -> Result<RunningJob> {
        let options = self.session.options.clone();
        memory::set_budget(&options)?;
        let settings = self.job_settings()?;
        let max_parallelism = max_parallelism(&options)?;
        let pipeline = options.get("pipeline.name");
        let statement = format!("{}\n{name}", pipeline.unwrap_or_default());
        let occurrence = self.statements.entry(statement.clone()).or_insert(0);
        *occurrence += 1;
        let prefix = xxhash_rust::xxh3::xxh3_64(format!("{statement}\n{occurrence}").as_bytes());
        let mut checkpoints = CheckpointOptions::parse(&options)?;
        let query = collect.is_some();
        if settings.batch {
            // As in Flink: batch jobs start again from the beginning.
            checkpoints.interval = None;
        }
        let testing = settings.testing;
        let batch = settings.batch.then(|| self.batch_config(&settings)).transpose()?;
        let build: Builder = Box::new(move |job_id, durable| {
            let settings = JobSettings { job_id: job_id.to_owned(), durable, ..settings.clone() };
            let connectors = ConnectorSet::default();
            let collect = collect.as_ref();
            if let Some(config) = &batch
                && let Some(prepared) = weir_batch::prepare(&plan, config)?
            {
                // In batch mode a batch execution feeds the roots of the plan.
                return graph::build_batch(
                    &plan,
                    &prepared,
                    &connectors,
                    &settings,
                    not_null,
                    collect,
                );
            }
            graph::build(&plan, &connectors, &settings, not_null, collect)
        });
        driver::start(JobSpec {
            testing,
            // The client has rows already that a further run would give it once more.
            restart: match query {
                true => RestartStrategy::None,
                false => RestartStrategy::parse(&options, checkpoints.interval.is_some())?,
            },
            name: pipeline.map_or(name, str::to_owned),
            prefix: format!("{prefix:016x}"),
            build,
            config: RunConfig {
                name: pipeline.unwrap_or("weir").to_owned(),
                parallelism: parallelism(&options)?,
                max_parallelism: max_parallelism
                    .unwrap_or(weir_core::keys::DEFAULT_MAX_PARALLELISM),
                ..RunConfig::default()
            },
            places: Places::new(options),
            max_parallelism_set: max_parallelism.is_some(),
            checkpoints,
            query,
        })
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
            job_id: String::new(),
            durable: false,
            testing: if batch {
                Testing::default()
            } else {
                Testing::parse(&self.session.options)?
            },
        })
    }

    /// The sections of Flink's EXPLAIN: the plan as bound, as optimized, as it runs.
    fn explain(&self, what: Effect, details: ExplainDetails) -> Result<Outcome> {
        let mut text = String::from("== Abstract Syntax Tree ==\n");
        let (plan, roots) = match what {
            Effect::Query(rel) => {
                text.push_str(&explain::logical(&rel));
                let (plan, root) = self.plan_query(*rel)?;
                let below = plan.nodes[root].inputs[0].node;
                (plan, vec![below])
            }
            Effect::Inserts(inserts) => {
                for i in &inserts {
                    text.push_str(&explain::logical_sink(&i.sink.table.identifier, &i.rel));
                }
                self.plan_inserts(inserts)?
            }
            _ => return Err(Error::validation("EXPLAIN takes a query or an INSERT")),
        };
        text.push_str(match details.advice {
            true => "\n== Optimized Physical Plan With Advice ==\n",
            false => "\n== Optimized Physical Plan ==\n",
        });
        let rows = match details.cost {
            true => explain::estimated_rows(&plan, &|source, schema| {
                self.connectors.table_rows(source, schema)
            }),
            false => vec![],
        };
        for root in &roots {
            let details = explain::Details { modes: true, rows: &rows, state_ttl: None };
            text.push_str(&explain::explain(&plan, *root, details));
        }
        if details.advice {
            text.push('\n');
            text.push_str(&explain::advice(&plan));
        }
        text.push_str("\n== Optimized Execution Plan ==\n");
        let settings = settings(&self.session)?;
        let state_ttl = (!settings.batch).then_some(settings.state_ttl);
        for root in &roots {
            let details = explain::Details { modes: details.changelog_mode, rows: &[], state_ttl };
            text.push_str(&explain::explain(&plan, *root, details));
        }
        if details.json {
            text.push_str("\n== Physical Execution Plan ==\n");
            text.push_str(&explain::json(&plan, parallelism(&self.session.options)?));
        }
        Ok(Outcome::Text(text))
    }
}

/// The planner's settings of a session.
pub(crate) fn settings(session: &Session) -> Result<Settings> {
    Settings::from_options(&session.options, time_zone(session))
}

fn time_zone(session: &Session) -> &str {
    match session.option_or("table.local-time-zone", "default") {
        "default" => "UTC",
        zone => zone,
    }
}

/// `pipeline.max-parallelism`: the number of key groups, if set.
fn max_parallelism(options: &Options) -> Result<Option<u32>> {
    match options.i64_opt("pipeline.max-parallelism")? {
        None => Ok(None),
        Some(n @ 1..=32768) => Ok(Some(n as u32)),
        Some(n) => Err(weir_core::config::bad_value(
            "pipeline.max-parallelism",
            &n.to_string(),
            "a number from 1 to 32768",
        )),
    }
}

fn sink_request(insert: Insert) -> SinkRequest {
    SinkRequest { rel: insert.rel, sink: insert.sink, on_conflict: insert.on_conflict }
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
