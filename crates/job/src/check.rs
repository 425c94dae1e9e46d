//! Checking a script: each statement is bound and planned against what the
//! statements before it declare, and nothing happens outside.
//!
//! [`Checker::new`] knows only the script (names it does not declare may exist
//! elsewhere); [`Checker::before_running`] knows the session's catalogs.

use weir_core::error::Position;
use weir_core::{Error, ErrorKind, Result};
use weir_parser::ast::{Insert, ObjectName, Statement, StatementKind};
use weir_plan::{Planner, SinkRequest};
use weir_sql::lint::{self, Declarations, Finding};
use weir_sql::{Effect, Session};

use crate::connectors::CheckConnectors;
use crate::engine::{Engine, settings};

/// Finds what is wrong with the statements of a script, one after the other.
pub struct Checker {
    session: Session,
    declared: Declarations,
    /// Blocks of a document stand for themselves: each may declare a table again.
    document: bool,
}

impl Default for Checker {
    fn default() -> Self {
        Self::new()
    }
}

impl Checker {
    /// For a script on its own: lake catalogs are not opened.
    pub fn new() -> Self {
        Self { session: Session::for_check(), declared: Declarations::default(), document: false }
    }

    /// For statements that `engine` is about to run.
    pub fn before_running(engine: &Engine) -> Self {
        Self {
            session: engine.session.dry_run(),
            declared: Declarations::default(),
            document: false,
        }
    }

    /// From here on the statements are those of a document whose parts show the same
    /// tables and catalogs more than once.
    pub fn document(&mut self) {
        self.document = true;
    }

    /// Makes room for what a document declares again.
    fn forget(&mut self, statement: &Statement) {
        if let StatementKind::CreateTable(t) = &statement.kind
            && !t.if_not_exists
        {
            let parts: Vec<&str> = t.name.parts().collect();
            if let Ok(path) = self.session.qualify(&parts)
                && let Ok(catalog) = self.session.catalog(&path.catalog)
            {
                // It may well be the first.
                let _ = catalog.drop_table(&path.database, &path.table);
            }
        }
    }

    /// The session as the statements so far leave it.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Puts canonical options into a statement and finds what is wrong with it.
    /// `source` is its script, `line_of` tells the line of a place in it.
    pub fn statement(
        &mut self,
        statement: &mut Statement,
        source: &str,
        line_of: &dyn Fn(Position) -> u32,
    ) -> Vec<Finding> {
        let whole = Position { start: statement.span.start, end: statement.span.end };
        let mut found = weir_sql::dialect::canonicalise(statement);
        found.extend(lint::statement(&self.session, statement));
        found.extend(self.declared.statement(statement, line_of));
        found.extend(missing_options(&self.session, statement));
        self.session.take_log();
        if self.document {
            self.forget(statement);
        }
        let bound = match &statement.kind {
            StatementKind::CreateCatalog(c)
                if self.document && self.session.has_catalog(&c.name.value) =>
            {
                Ok(())
            }
            _ => self.bind(statement, source, &mut found),
        };
        let log = self.session.take_log();
        let open = self.session.is_open_world();
        for e in &log.errors {
            found.push(Finding::of_error(e, whole));
        }
        if open {
            found.extend(log.undeclared.iter().map(|(name, at)| undeclared(name, *at)));
        }
        if let Err(e) = bound {
            found.extend(self.finding(
                statement,
                &e,
                whole,
                open && !log.undeclared.is_empty(),
                !log.errors.is_empty(),
            ));
        }
        found.iter_mut().for_each(|f| self.declared.owners(f));
        found.sort_by_key(|f| (f.position.start, f.severity));
        found.dedup();
        found
    }

    /// What an error of binding or planning comes to. `undeclared`: the script does
    /// not declare all names; `recovered`: other errors were found before.
    fn finding(
        &mut self,
        statement: &Statement,
        e: &Error,
        whole: Position,
        undeclared: bool,
        recovered: bool,
    ) -> Vec<Finding> {
        let open = self.session.is_open_world();
        let mut f = Finding::of_error(e, whole);
        if !open {
            return vec![f];
        }
        if e.kind() == ErrorKind::Unsupported {
            f.severity = lint::Severity::Warning;
            return vec![f];
        }
        // A table may lack what only running it needs.
        let lacks = ["needs option", "missing required option"];
        if e.kind() == ErrorKind::Option
            && lacks.iter().any(|l| e.message().contains(l))
            && !matches!(statement.kind, StatementKind::CreateModel(_))
        {
            f.severity = lint::Severity::Warning;
        }
        // What follows from something found already says nothing new.
        if undeclared || recovered {
            return vec![];
        }
        match &statement.kind {
            StatementKind::Insert(i) if e.message().starts_with("Cannot find table") => {
                self.undeclared_sink(i, f)
            }
            _ => vec![f],
        }
    }

    /// A sink that no statement declares: with the table to paste where the query is
    /// known, and with what is wrong with the query.
    fn undeclared_sink(&mut self, i: &Insert, mut f: Finding) -> Vec<Finding> {
        let rel = weir_sql::Binder::new(&self.session).query(&i.source);
        let log = self.session.take_log();
        if let Ok(rel) = &rel
            && log.errors.is_empty()
            && self.is_in_memory(&i.table)
        {
            let columns: Vec<String> = rel
                .schema
                .fields
                .iter()
                .map(|c| format!("{} {}", weir_sql::bind::quote(&c.name), c.ty.clone().null()))
                .collect();
            let columns = columns.join(", ");
            f.hint = Some(format!(
                "declare it first: CREATE TABLE {} ({columns}) WITH ('connector' = '...')",
                i.table
            ));
            return vec![f];
        }
        let whole = Position { start: i.span.start, end: i.span.end };
        let mut found: Vec<Finding> =
            log.errors.iter().map(|e| Finding::of_error(e, whole)).collect();
        if let Err(e) = &rel
            && log.errors.is_empty()
            && log.undeclared.is_empty()
            && e.kind() != ErrorKind::Unsupported
        {
            found.push(Finding::of_error(e, whole));
        }
        found.extend(log.undeclared.iter().map(|(name, at)| undeclared(name, *at)));
        found.push(undeclared(i.table.last(), f.position));
        found
    }

    /// Whether a table of that name would be in a catalog of this session only.
    fn is_in_memory(&self, name: &ObjectName) -> bool {
        let parts: Vec<&str> = name.parts().collect();
        let Ok(path) = self.session.qualify(&parts) else { return false };
        let catalog = self.session.catalog(&path.catalog);
        catalog.is_ok_and(|c| c.options().get("type") == Some("generic_in_memory"))
    }

    fn bind(
        &mut self,
        statement: &Statement,
        source: &str,
        found: &mut Vec<Finding>,
    ) -> Result<()> {
        let effect = match weir_sql::execute(&mut self.session, statement, source)? {
            Effect::Explain { what, .. } => *what,
            Effect::CompilePlan { inserts, .. } => Effect::Inserts(inserts),
            effect => effect,
        };
        if !self.session.is_open_world() {
            // Planning opens sources; a file may be written by a statement before.
            return Ok(());
        }
        let mut planner = Planner::new(settings(&self.session)?, &CheckConnectors);
        match effect {
            Effect::Query(rel) => planner.add_query(*rel).map(drop),
            Effect::Inserts(inserts) => {
                for i in inserts {
                    let keyless_doris = i.sink.table.options.get("connector") == Some("doris")
                        && i.sink.table.primary_key.is_empty();
                    let name = i.sink.table.identifier.clone();
                    let width = i.sink.table.physical.len();
                    found.extend(self.declared.other_widths(statement, width));
                    let request =
                        SinkRequest { rel: i.rel, sink: i.sink, on_conflict: i.on_conflict };
                    match planner.add_sinks(vec![request]) {
                        Err(e) if keyless_doris && e.message().contains("update") => {
                            let at =
                                Position { start: statement.span.start, end: statement.span.end };
                            found.push(Finding::warning(at, format!("updates of the query become duplicate rows: {name} has no key, as a DUPLICATE KEY table of Doris")).hint("give the table a UNIQUE KEY in Doris, and PRIMARY KEY (..) NOT ENFORCED here"));
                        }
                        other => drop(other?),
                    }
                }
                Ok(())
            }
            Effect::Done => self.declared_table(statement),
            _ => Ok(()),
        }
    }

    /// Options of a table that was just declared.
    fn declared_table(&self, statement: &Statement) -> Result<()> {
        let StatementKind::CreateTable(t) = &statement.kind else { return Ok(()) };
        let parts: Vec<&str> = t.name.parts().collect();
        let (path, Some(table)) = self.session.find(&parts)? else { return Ok(()) };
        if table.options.get("connector").is_none() {
            return Ok(());
        }
        crate::connectors::check_options(&path, &table).map_err(|e| {
            let place = option_place(statement, &e).unwrap_or_default();
            e.at(place)
        })
    }
}

fn undeclared(name: &str, at: Position) -> Finding {
    Finding::warning(at, format!("'{name}' is not declared in this script and was not checked"))
        .hint(
            "declare it before its first use, or check the script together with the one that does",
        )
}

/// The option that an error names, or the table's name.
fn option_place(statement: &Statement, e: &Error) -> Option<Position> {
    let StatementKind::CreateTable(t) = &statement.kind else { return None };
    let named = t.options.iter().find(|o| {
        e.message().contains(&format!("'{}'", o.key.value)) && o.key.value != "connector"
    });
    let span = named.map_or(t.name.span(), |o| o.span);
    Some(Position { start: span.start, end: span.end })
}

/// A table of a catalog in memory that does not say where its rows are.
fn no_connector(session: &Session, t: &weir_parser::ast::CreateTable) -> Vec<Finding> {
    let parts: Vec<&str> = t.name.parts().collect();
    let Ok(path) = session.qualify(&parts) else { return vec![] };
    let kind = session.catalog(&path.catalog).ok().and_then(|c| c.options().get("type"));
    if kind != Some("generic_in_memory") || t.like.is_some() {
        return vec![];
    }
    let span = t.name.span();
    let message = format!(
        "table {} has no option 'connector': it can be declared, not read or written",
        t.name
    );
    let at = Position { start: span.start, end: span.end };
    vec![
        Finding::warning(at, message)
            .hint("add WITH ('connector' = 'filesystem' or 'kafka', 'paimon', 'datagen', ..)"),
    ]
}

/// Options without which a table cannot be read or written.
fn missing_options(session: &Session, statement: &Statement) -> Vec<Finding> {
    let StatementKind::CreateTable(t) = &statement.kind else { return vec![] };
    let get = |k: &str| t.options.iter().find(|o| o.key.value == k).map(|o| o.value.value.as_str());
    let Some(connector) = get("connector") else { return no_connector(session, t) };
    let required: &[&str] = match connector {
        "kafka" | "upsert-kafka" => &["properties.bootstrap.servers"],
        other => match weir_spec::external::external(other) {
            Some(e) => e.required,
            None => &[],
        },
    };
    let span = t.name.span();
    required
        .iter()
        .filter(|k| get(k).is_none())
        .map(|k| {
            Finding::warning(
                Position { start: span.start, end: span.end },
                format!(
                    "table {} lacks option '{k}', which connector '{connector}' needs to run",
                    t.name
                ),
            )
            .hint(format!("add '{k}' = '...' to the WITH clause"))
        })
        .collect()
}
