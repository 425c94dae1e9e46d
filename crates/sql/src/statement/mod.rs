//! What each statement does to the session, or asks its caller to run.

mod alter;
mod create;
mod insert;
mod show;
mod text;

use weir_core::{DataType, Error, Field, Result, Schema};
use weir_parser::ast::{self, StatementKind};
use weir_spec::SinkSpec;

use crate::bind::{At as _, Binder, check_zone, position};
use crate::rel::Rel;
use crate::session::Session;

/// Rows that a statement answers at once (SHOW, DESCRIBE).
#[derive(Debug, Clone, PartialEq)]
pub struct ResultTable {
    /// Columns.
    pub schema: Schema,
    /// Cells as text; NULL where absent.
    pub rows: Vec<Vec<Option<String>>>,
}

impl ResultTable {
    /// A table of STRING columns.
    pub fn strings(columns: &[&str], rows: Vec<Vec<Option<String>>>) -> Self {
        let fields = columns.iter().map(|c| Field::new(*c, DataType::string())).collect();
        Self { schema: Schema::new(fields), rows }
    }

    /// One column, one row per value.
    pub fn list(column: &str, values: impl IntoIterator<Item = String>) -> Self {
        Self::strings(&[column], values.into_iter().map(|v| vec![Some(v)]).collect())
    }
}

/// One INSERT, bound and cast to its sink.
#[derive(Debug, Clone)]
pub struct Insert {
    /// Rows in the sink's column order.
    pub rel: Rel,
    /// The sink.
    pub sink: SinkSpec,
    /// NOT NULL columns of the sink, by position.
    pub not_null: Vec<usize>,
    /// An ON CONFLICT clause was given.
    pub on_conflict: bool,
    /// What runs but looks like a mistake.
    pub warnings: Vec<String>,
}

/// What is left to do for the caller.
#[derive(Debug)]
pub enum Effect {
    /// Nothing; the session has changed.
    Done,
    /// Rows to show.
    Table(ResultTable),
    /// A query to run, its rows to show.
    Query(Box<Rel>),
    /// INSERTs to run as one job.
    Inserts(Vec<Insert>),
    /// EXPLAIN of a query or of INSERTs.
    Explain {
        /// What is explained.
        what: Box<Effect>,
        /// CHANGELOG_MODE was asked for.
        changelog_mode: bool,
    },
    /// The client should end.
    Quit,
}

/// Runs a statement against the session. `source` is the script it stands in.
pub fn execute(session: &mut Session, statement: &ast::Statement, source: &str) -> Result<Effect> {
    run(session, statement, source).at(statement.span)
}

fn run(session: &mut Session, statement: &ast::Statement, source: &str) -> Result<Effect> {
    use StatementKind as K;
    match &statement.kind {
        K::Query(q) => Ok(Effect::Query(Box::new(Binder::new(session).query(q)?))),
        K::Insert(i) => Ok(Effect::Inserts(vec![insert::bind_insert(session, i)?])),
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
            let changelog_mode = e.details.contains(&ast::ExplainDetail::ChangelogMode);
            Ok(Effect::Explain { what, changelog_mode })
        }
        K::CreateTable(t) => create::create_table(session, t, source),
        K::CreateView(v) => create::create_view(session, v, source),
        K::CreateCatalog(c) => create::create_catalog(session, c),
        K::CreateDatabase(d) => create::create_database(session, d),
        K::AlterDatabase { name, options } => alter::alter_database(session, name, options),
        K::AlterTable(a) => alter::alter_table(session, a, source),
        K::AlterView(a) => alter::alter_view(session, a, source),
        K::Drop(d) => alter::drop_object(session, d),
        K::Describe(d) => show::describe(session, d),
        K::Show(s) => show::show(session, s),
        K::UseCatalog(name) => {
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
                .map(|(k, v)| vec![Some(k.to_owned()), Some(v.to_owned())])
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
        K::Quit => Ok(Effect::Quit),
        K::Clear => Ok(Effect::Done),
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
        K::CompilePlan(_) | K::ExecutePlan(_) => "COMPILE PLAN and EXECUTE PLAN",
        K::Update(_) => "UPDATE",
        K::Delete(_) => "DELETE",
        K::Merge(_) => "MERGE",
        K::Truncate(_) => "TRUNCATE TABLE",
        K::Call(_) => "CALL",
        K::Analyze(_) => "ANALYZE TABLE",
        K::AlterCatalog(_) => "ALTER CATALOG",
        K::CreateFunction(_) | K::AlterFunction(_) => "CREATE and ALTER FUNCTION",
        K::CreateModel(_) | K::AlterModel(_) => "CREATE and ALTER MODEL",
        K::CreateConnection(_) | K::AlterConnection(_) => "CREATE and ALTER CONNECTION",
        K::CreateMaterializedTable(_) | K::AlterMaterializedTable(_) => "MATERIALIZED TABLE",
        K::UseModules(_) | K::LoadModule { .. } | K::UnloadModule(_) => "modules",
        K::AddJar(_) | K::RemoveJar(_) => "ADD JAR and REMOVE JAR",
        K::StopJob(_) => "STOP JOB",
        K::BeginStatementSet | K::EndStatementSet => {
            "a statement set that is not closed in the same script"
        }
        _ => "this statement",
    }
}
