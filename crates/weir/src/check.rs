//! `weir check`: every finding of a script at once, or its canonical form.
//!
//! Several files are checked as one script. Markdown documents and Python programs are
//! checked too: [`crate::document`] finds their SQL.

use std::process::ExitCode;

use anyhow::Result;
use weir_core::error::Position;
use weir_job::Checker;
use weir_parser::printer::print_statement_with;
use weir_parser::{LineIndex, PrintOptions, parse_script};
use weir_sql::lint::{Finding, Severity};

use crate::{CheckArgs, document, report, run};

/// Findings by severity.
#[derive(Default)]
struct Counts {
    errors: usize,
    warnings: usize,
    /// Warnings of other spellings that were understood.
    spellings: usize,
    statements: usize,
}

/// `weir check FILE.sql.. [--print] [--strict]`
pub fn run(args: &CheckArgs) -> Result<ExitCode> {
    let mut checker = Checker::new();
    let mut counts = Counts::default();
    for file in &args.files {
        let (text, name) = run::read_script(file)?;
        let sql = document::sql_of(&name, &text);
        if let std::borrow::Cow::Owned(_) = &sql {
            checker.document();
        }
        let text = sql;
        check(&mut checker, &text, &name, args.print, &mut counts);
    }
    let Counts { errors, warnings, spellings, statements } = counts;
    let name = args.files.join(", ");
    if errors + warnings + spellings == 0 {
        eprintln!("{name}: {statements} statements, nothing found");
    } else {
        eprintln!(
            "{name}: {statements} statements, {errors} error(s), {} warning(s)",
            warnings + spellings
        );
    }
    Ok(match errors > 0 || args.strict && warnings > 0 {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

fn check(checker: &mut Checker, text: &str, name: &str, print: bool, counts: &mut Counts) {
    let mut script = parse_script(text);
    let index = LineIndex::new(text);
    let line_of = |p: Position| index.position(p.start).line;
    let mut reports: Vec<(u32, String)> = script
        .errors
        .iter()
        .map(|e| (e.span.start, report::render_parse_error(e, text, name)))
        .collect();
    counts.errors += script.errors.len();
    counts.statements += script.statements.len();
    let options = PrintOptions { strict: true, ..PrintOptions::default() };
    for s in &mut script.statements {
        let mut found = checker.statement(&mut s.stmt, text, &line_of);
        found.extend(s.extensions.iter().map(|e| {
            let at = Position { start: e.span.start, end: e.span.end };
            Finding::notice(at, format!("beyond Flink SQL: {}", e.message))
        }));
        for f in &found {
            match f.severity {
                Severity::Error => counts.errors += 1,
                Severity::Warning => counts.warnings += 1,
                Severity::Notice => counts.spellings += 1,
            }
            reports.push((f.position.start, report::finding(f, text, name)));
        }
        if print {
            let strict = weir_sql::dialect::strict(&s.stmt, checker.session());
            println!("{};\n", print_statement_with(&strict, options));
        }
    }
    reports.sort_by_key(|(at, _)| *at);
    for (_, r) in &reports {
        eprintln!("{r}");
    }
}
