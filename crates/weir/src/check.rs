//! `weir check`: every finding of a script at once, or its canonical form.

use std::process::ExitCode;

use anyhow::Result;
use weir_core::error::Position;
use weir_job::Engine;
use weir_parser::{parse_script, print_statement};

use crate::{CheckArgs, report, run};

/// `weir check FILE.sql [--print]`
pub fn run(args: &CheckArgs) -> Result<ExitCode> {
    let (text, name) = run::read_script(&args.file)?;
    let script = parse_script(&text);
    let mut findings: Vec<(u32, String)> = script
        .errors
        .iter()
        .map(|e| (e.span.start, report::render_parse_error(e, &text, &name)))
        .collect();
    if args.print {
        for s in &script.statements {
            println!("{};\n", print_statement(&s.stmt));
        }
    }
    let mut engine = Engine::for_check();
    for s in &script.statements {
        let whole = Position { start: s.span.start, end: s.span.end };
        match engine.check(&s.stmt, &text) {
            Ok(warnings) => findings.extend(
                warnings.iter().map(|w| (whole.start, report::warning(w, whole, &text, &name))),
            ),
            Err(e) => {
                let at = e.position().unwrap_or(whole);
                findings.push((at.start, report::render(&e.to_string(), Some(at), &text, &name)));
            }
        }
    }
    findings.sort();
    for (_, f) in &findings {
        eprintln!("{f}");
    }
    if findings.is_empty() {
        eprintln!("{name}: {} statements, nothing found", script.statements.len());
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("{name}: {} finding(s)", findings.len());
    Ok(ExitCode::FAILURE)
}
