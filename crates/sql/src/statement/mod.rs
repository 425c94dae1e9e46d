//! What each statement does to the session, or asks its caller to run.

mod alter;
mod analyze;
mod create;
mod effect;
mod expand;
mod insert;
mod model;
mod partition;
mod rows;
mod show;
mod text;

use weir_core::{Error, Result};
use weir_parser::ast::{self, StatementKind};

pub use crate::secret::is_secret;
pub use effect::{Effect, ExplainDetails, Insert, ResultTable};

use crate::bind::{At as _, Binder, check_zone, position};
use crate::session::Session;

/// Runs a statement against the session. `source` is the script it stands in.
pub fn execute(session: &mut Session, statement: &ast::Statement, source: &str) -> Result<Effect> {
    let mut statement = statement.clone();
    crate::dialect::canonicalise(&mut statement);
    run(session, &statement, source).at(statement.span)
}

fn run(session: &mut Session, statement: &ast::Statement, source: &str) -> Result<Effect> {
    use StatementKind as K;
    match &statement.kind {
        K::Query(q) => Ok(Effect::Query(Box::new(Binder::new(session).typed_query(q)?))),
        K::Insert(i) => Ok(Effect::Inserts(vec![insert::bind_insert(session, i)?])),
        K::Update(u) => Ok(Effect::Inserts(vec![rows::bind_update(session, u)?])),
        K::Delete(d) => Ok(Effect::Inserts(vec![rows::bind_delete(session, d)?])),
        K::Truncate(name) => Ok(Effect::Inserts(vec![rows::bind_truncate(session, name)?])),
        K::StatementSet(set) => {
            let inserts = set
                .inserts
                .iter()
                .map(|i| insert::bind_insert(session, i).at(i.span))
                .collect::<Result<Vec<_>>>()?;
            Ok(Effect::Inserts(inserts))
        }
        K::Execute(inner) => run(session, inner, source),
        K::Explain(e) => {
            let what = Box::new(run(session, &e.statement, source)?);
            if !matches!(*what, Effect::Query(_) | Effect::Inserts(_)) {
                return Err(Error::validation("EXPLAIN takes a query or an INSERT"));
            }
            use ast::ExplainDetail as Detail;
            let asked = |d: Detail| e.details.contains(&d);
            let details = ExplainDetails {
                changelog_mode: asked(Detail::ChangelogMode),
                json: asked(Detail::JsonExecutionPlan),
                cost: asked(Detail::EstimatedCost),
                advice: asked(Detail::PlanAdvice),
            };
            if details.advice && session.is_batch() {
                return Err(Error::unsupported("EXPLAIN PLAN_ADVICE in batch mode"));
            }
            Ok(Effect::Explain { what, details })
        }
        K::Analyze(a) => analyze::analyze_table(session, a),
        K::CreateTable(t) => create::create_table(session, t),
        K::CreateView(v) => create::create_view(session, v, source),
        K::CreateCatalog(c) => create::create_catalog(session, c),
        K::CreateDatabase(d) => create::create_database(session, d),
        K::AlterCatalog(c) => alter::alter_catalog(session, c),
        K::CreateModel(m) => model::create_model(session, m),
        K::AlterModel(m) => model::alter_model(session, m),
        K::CreateFunction(f) => model::create_function(session, f),
        K::AlterFunction(f) => model::alter_function(session, f),
        K::LoadModule { name, .. } => model::load(session, name),
        K::UnloadModule(name) => model::unload(session, name),
        K::UseModules(names) => model::use_modules(session, names),
        K::AddJar(path) => model::jar(session, path, true),
        K::RemoveJar(path) => model::jar(session, path, false),
        K::AlterDatabase { name, options } => alter::alter_database(session, name, options),
        K::AlterTable(a) => alter::alter_table(session, a),
        K::AlterView(a) => alter::alter_view(session, a, source),
        K::Drop(d) => alter::drop_object(session, d),
        K::Describe(d) => show::describe(session, d),
        K::Show(s) => show::show(session, s),
        K::UseCatalog(name) => {
            if session.is_open_world() && !session.has_catalog(&name.value) {
                session.note_undeclared(&name.value, position(name.span));
                session.assume_catalog(&name.value);
            }
            session.use_catalog(&name.value).at(name.span)?;
            Ok(Effect::Done)
        }
        K::UseDatabase(name) => {
            let parts: Vec<&str> = name.parts().collect();
            match parts.as_slice() {
                [database] => session.use_database(None, database),
                [catalog, database] => session.use_database(Some(catalog), database),
                _ => Err(Error::validation("USE takes [catalog.]database")),
            }
            .at(name.span())?;
            Ok(Effect::Done)
        }
        K::Set(option) => {
            set_option(session, option)?;
            Ok(Effect::Done)
        }
        K::ShowSettings => {
            let rows = session
                .options
                .iter()
                .map(|(k, v)| vec![Some(k.to_owned()), Some(crate::secret::masked(k, v))])
                .collect();
            Ok(Effect::Table(ResultTable::strings(&["key", "value"], rows)))
        }
        K::Reset(key) => {
            match key {
                Some(key) => drop(session.options.remove(&key.value)),
                None => session.options = weir_core::Options::new(),
            }
            Ok(Effect::Done)
        }
        K::StopJob(stop) if stop.with_drain => {
            Err(Error::unsupported("STOP JOB .. WITH DRAIN").at(position(statement.span)))
        }
        K::StopJob(stop) => {
            Ok(Effect::StopJob { id: stop.id.value.clone(), savepoint: stop.with_savepoint })
        }
        K::Quit => Ok(Effect::Quit),
        K::Clear => Ok(Effect::Done),
        K::CompilePlan(c) => match run(session, &c.statement, source)? {
            Effect::Inserts(inserts) => Ok(Effect::CompilePlan {
                inserts,
                path: c.path.value.clone(),
                if_not_exists: c.if_not_exists,
                execute: c.execute,
            }),
            _ => Err(Error::validation("COMPILE PLAN takes an INSERT or a statement set")),
        },
        K::ExecutePlan(path) => Ok(Effect::ExecutePlan { path: path.value.clone() }),
        other => Err(Error::unsupported(statement_name(other))),
    }
}

/// SET: values that would not be understood later are refused now.
fn set_option(session: &mut Session, option: &ast::SqlOption) -> Result<()> {
    let (key, value) = (option.key.value.as_str(), option.value.value.as_str());
    let lower = value.to_ascii_lowercase();
    let expected = match key {
        "execution.runtime-mode" => {
            (!["streaming", "batch"].contains(&lower.as_str())).then_some("STREAMING or BATCH")
        }
        "table.local-time-zone" => {
            check_zone(value).is_err().then_some("a zone such as Asia/Shanghai or UTC")
        }
        "parallelism.default" | "table.exec.resource.default-parallelism" => {
            value.parse::<u16>().is_err().then_some("a number")
        }
        "table.exec.sink.not-null-enforcer" => {
            (!["error", "drop"].contains(&lower.as_str())).then_some("ERROR or DROP")
        }
        "table.sql-dialect" => (lower != "default").then_some("default"),
        _ => None,
    };
    if let Some(expected) = expected {
        return Err(
            weir_core::config::bad_value(key, value, expected).at(position(option.value.span))
        );
    }
    session.options.set(key, value);
    Ok(())
}

/// A statement kind for "not yet supported".
fn statement_name(kind: &StatementKind) -> &'static str {
    use StatementKind as K;
    match kind {
        K::Merge(_) => "MERGE",
        K::Call(_) => "CALL",
        K::CreateConnection(_) | K::AlterConnection(_) => "CREATE and ALTER CONNECTION",
        K::CreateMaterializedTable(_) | K::AlterMaterializedTable(_) => "MATERIALIZED TABLE",
        K::BeginStatementSet | K::EndStatementSet => {
            "a statement set that is not closed in the same script"
        }
        _ => "this statement",
    }
}
