//! `weir run`: the statements of a script in order.

use std::io::Read;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use weir_core::ErrorKind;
use weir_job::{Engine, Outcome};
use weir_parser::parse_script;

use crate::output::{Materialised, Printer};
use crate::progress::ProgressLine;
use crate::{RunArgs, SessionArgs, report};

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
    for option in &args.options {
        let Some((key, value)) = option.split_once('=') else {
            bail!("--set takes KEY=VALUE, got '{option}'");
        };
        engine.session.options.set(key.trim(), value.trim());
    }
    Ok(engine)
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
    catch_interrupts()?;
    let script = parse_script(&text);
    if !script.errors.is_empty() {
        for e in &script.errors {
            report::parse_error(e, &text, &name);
        }
        return Ok(ExitCode::FAILURE);
    }
    let mut printer = Printer::new(args.session.format);
    for s in &script.statements {
        match statement(&mut engine, &s.stmt, &text, &mut printer) {
            Ok(true) => {}
            Ok(false) => break,
            Err(e) => {
                let e = if e.position().is_none() && e.kind() != ErrorKind::Internal {
                    e.at(weir_core::error::Position { start: s.span.start, end: s.span.end })
                } else {
                    e
                };
                report::error(&e, &text, &name);
                return Ok(ExitCode::FAILURE);
            }
        }
        if interrupted() {
            return Ok(ExitCode::from(130));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs one statement to its end; false when the client should end.
pub fn statement(
    engine: &mut Engine,
    statement: &weir_parser::ast::Statement,
    text: &str,
    printer: &mut Printer,
) -> weir_core::Result<bool> {
    let outcome = engine.execute(statement, text)?;
    printer.set_zone(engine.time_zone());
    match outcome {
        Outcome::Done => {}
        Outcome::Quit => return Ok(false),
        Outcome::Table(t) => printer.table(&t)?,
        Outcome::Text(t) => printer.text(&t)?,
        Outcome::Query(mut query) => {
            let mut rows = Materialised::new(&query.schema);
            query.drain(|batch| {
                printer.changes(&batch, &mut rows)?;
                Ok(!interrupted())
            })?;
            printer.finish(&rows)?;
        }
        Outcome::Job(mut job) => {
            let mut line = ProgressLine::new();
            job.wait(|p| {
                line.tick(p);
                !interrupted()
            })?;
            line.done(&job.progress());
        }
    }
    Ok(true)
}
