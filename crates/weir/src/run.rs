//! `weir run`: the statements of a script in order.

use std::io::Read;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use weir_core::{ErrorKind, Options};
use weir_job::{Checker, Engine, Outcome};
use weir_parser::parse_script;
use weir_sql::lint::Severity;

use crate::control::Shown;
use crate::jobs;
use crate::live::LiveTable;
use crate::output::{Materialised, Printer};
use crate::progress::ProgressLine;
use crate::term::{Stopping, Term};
use crate::{Format, RunArgs, SessionArgs, report};

/// Set by Ctrl-C.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Whether Ctrl-C was pressed since the last call.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Forgets an earlier Ctrl-C.
pub fn clear_interrupt() {
    INTERRUPTED.store(false, Ordering::SeqCst);
}

/// Makes Ctrl-C stop the running job cleanly; a second one ends the process.
pub fn catch_interrupts() -> Result<()> {
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
    })
    .context("cannot catch Ctrl-C")
}

/// An engine with the options of the command line.
pub fn engine(args: &SessionArgs) -> Result<Engine> {
    let mut engine = Engine::default();
    if let Some(p) = args.parallelism {
        engine.session.options.set("parallelism.default", p.to_string());
    }
    if let Some(size) = &args.memory {
        engine.session.options.set("taskmanager.memory.process.size", size);
    }
    for (key, value) in options(&args.options)?.iter() {
        engine.session.options.set(key, value);
    }
    Ok(engine)
}

/// What `--set KEY=VALUE` comes to.
pub fn options(given: &[String]) -> Result<Options> {
    let mut options = Options::new();
    for option in given {
        let Some((key, value)) = option.split_once('=') else {
            bail!("--set takes KEY=VALUE, got '{option}'");
        };
        options.set(key.trim(), value.trim());
    }
    Ok(options)
}

/// The text of a script and its name for messages.
pub fn read_script(file: &str) -> Result<(String, String)> {
    if file == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
        return Ok((text, "<stdin>".to_owned()));
    }
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
    Ok((text, file.to_owned()))
}

/// `weir run`
pub fn run(args: &RunArgs) -> Result<ExitCode> {
    let (text, name) = match (&args.execute, &args.file) {
        (Some(sql), _) => (sql.clone(), "<command line>".to_owned()),
        (None, Some(file)) => read_script(file)?,
        (None, None) => bail!("a script is missing: weir run FILE.sql, or weir run -e 'SELECT 1'"),
    };
    let mut engine = engine(&args.session)?;
    let options = &mut engine.session.options;
    if let Some(path) = &args.from_savepoint {
        options.set("execution.state-recovery.path", path);
    }
    if args.allow_lost_state {
        options.set("execution.state-recovery.ignore-unclaimed-state", "true");
    }
    catch_interrupts()?;
    let term = args.savepoint_on_term.as_ref().map(|dir| Term::catch(dir.clone())).transpose()?;
    script(&mut engine, &text, &name, args.session.format, term.as_ref())
}

/// Runs the statements of a script in order.
pub fn script(
    engine: &mut Engine,
    text: &str,
    name: &str,
    format: Format,
    term: Option<&Term>,
) -> Result<ExitCode> {
    let script = parse_script(text);
    if !script.errors.is_empty() {
        for e in &script.errors {
            report::parse_error(e, text, name);
        }
        return Ok(ExitCode::FAILURE);
    }
    if !check_first(engine, &script, text, name) {
        return Ok(ExitCode::FAILURE);
    }
    let mut printer = Printer::new(format);
    for s in &script.statements {
        match statement(engine, &s.stmt, text, &mut printer, term) {
            Ok(Next::Statement) => {}
            Ok(Next::Stopped | Next::Quit) => break,
            Err(e) => {
                let e = if e.position().is_none() && e.kind() != ErrorKind::Internal {
                    e.at(weir_core::error::Position { start: s.span.start, end: s.span.end })
                } else {
                    e
                };
                report::error(&e, text, name);
                return Ok(ExitCode::FAILURE);
            }
        }
        if interrupted() {
            return Ok(ExitCode::from(130));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Binds the whole script before its first statement runs, so that nothing is done
/// of a script that cannot end; false when something is wrong. Other spellings that
/// were understood are told once.
fn check_first(engine: &Engine, script: &weir_parser::Script, text: &str, name: &str) -> bool {
    let index = weir_parser::LineIndex::new(text);
    let line_of = |p: weir_core::error::Position| index.position(p.start).line;
    let mut checker = Checker::before_running(engine);
    let mut good = true;
    for s in &script.statements {
        let found = checker.statement(&mut s.stmt.clone(), text, &line_of);
        for f in found.iter().filter(|f| f.severity != Severity::Warning) {
            good &= f.severity != Severity::Error;
            eprint!("{}", report::finding(f, text, name));
        }
    }
    good
}

/// What a statement leaves to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The next statement.
    Statement,
    /// Nothing of the script: its job was stopped with a savepoint or from outside.
    Stopped,
    /// The client should end.
    Quit,
}

/// Runs one statement to its end.
pub fn statement(
    engine: &mut Engine,
    statement: &weir_parser::ast::Statement,
    text: &str,
    printer: &mut Printer,
    term: Option<&Term>,
) -> weir_core::Result<Next> {
    let mut stopping = Stopping::new(term);
    let mut stopped_from_outside = false;
    let outcome = engine.execute(statement, text)?;
    printer.set_zone(engine.time_zone());
    match outcome {
        Outcome::Done => {}
        Outcome::Quit => return Ok(Next::Quit),
        Outcome::Table(t) => printer.table(&t)?,
        Outcome::Text(t) => printer.text(&t)?,
        Outcome::ShowJobs => printer.table(&jobs::table()?)?,
        Outcome::StopJob { id, savepoint, dir } => {
            printer.table(&jobs::stop(&id, savepoint, dir.as_deref())?)?;
        }
        Outcome::Query(mut query) => {
            let rows = Materialised::new(&query.schema);
            let mut live = LiveTable::new(printer);
            let rows = std::cell::RefCell::new(rows);
            let stop = query.job.stopper();
            let shown = Shown::new(&query.job);
            let result = query.drain(
                |batch| printer.changes(&batch, &mut rows.borrow_mut()),
                || {
                    live.tick(&rows.borrow())?;
                    stopping.tick(&stop);
                    Ok(!interrupted())
                },
            );
            live.close()?;
            report::notices(&query.job);
            report::late(&query.job.progress());
            stopped_from_outside = shown.stopped();
            result?;
            printer.finish(&rows.borrow())?;
        }
        Outcome::Job(mut job) => {
            let mut line = ProgressLine::new();
            let stop = job.stopper();
            let shown = Shown::new(&job);
            let result = job.wait(|job| {
                stopping.tick(&stop);
                report::notices(job);
                line.tick(job);
                !interrupted()
            });
            report::notices(&job);
            stopped_from_outside = shown.stopped();
            result?;
            line.done(&job.progress());
            report::late(&job.progress());
        }
    }
    Ok(match stopping.stopped() || stopped_from_outside {
        true => Next::Stopped,
        false => Next::Statement,
    })
}
