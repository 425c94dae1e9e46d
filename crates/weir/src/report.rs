//! Errors with their place in the script.

use weir_core::Error;
use weir_core::error::Position;
use weir_parser::{LineIndex, ParseError};
use weir_sql::lint::Finding;

/// Prints an error to standard error: place, text, the line itself, the fix.
pub fn error(e: &Error, source: &str, name: &str) {
    eprint!("{}", render(&e.to_string(), e.position(), source, name));
}

/// Prints what a job has to say.
pub fn notices(job: &weir_job::RunningJob) {
    for text in job.notices() {
        eprintln!("{text}");
    }
}

/// Says how many rows the operators of a job dropped because they were late.
pub fn late(progress: &weir_job::Progress) {
    for node in progress.nodes.iter().filter(|n| n.late > 0) {
        eprintln!("{}: {} rows came too late and were dropped", node.name, node.late);
    }
}

/// Prints a syntax error likewise.
pub fn parse_error(e: &ParseError, source: &str, name: &str) {
    eprint!("{}", render_parse_error(e, source, name));
}

/// The report of a syntax error.
pub fn render_parse_error(e: &ParseError, source: &str, name: &str) -> String {
    let mut message = format!("SQL parse failed: {}", e.message);
    if let Some(hint) = &e.hint {
        message.push_str(&format!("\n  hint: {hint}"));
    }
    render(&message, Some(Position { start: e.span.start, end: e.span.end }), source, name)
}

/// The report of a finding of any severity.
pub fn finding(f: &Finding, source: &str, name: &str) -> String {
    render_as(f.severity.as_str(), &f.text(), Some(f.position), source, name)
}

/// The report of a finding.
pub fn render(message: &str, position: Option<Position>, source: &str, name: &str) -> String {
    render_as("error", message, position, source, name)
}

/// A line of a script as it may be shown: the value of `'..password..' = '..'` is not.
fn without_secret(line: &str) -> std::borrow::Cow<'_, str> {
    let Some((key, value)) = line.split_once('=') else { return line.into() };
    let (Some(first), Some(last)) = (value.find('\''), value.rfind('\'')) else {
        return line.into();
    };
    let plain = value[first..].starts_with("'${") || !weir_sql::statement::is_secret(key);
    if plain || first == last {
        return line.into();
    }
    format!("{key}={}'******{}", &value[..first], &value[last..]).into()
}

fn render_as(
    level: &str,
    message: &str,
    position: Option<Position>,
    source: &str,
    name: &str,
) -> String {
    let Some(p) = position else { return format!("{level}: {message}\n") };
    let index = LineIndex::new(source);
    let at = index.position(p.start);
    let (first, rest) = message.split_once('\n').unwrap_or((message, ""));
    let mut out = format!("{level}: {first}\n  --> {name}:{}:{}\n", at.line, at.column);
    if let Some(text) = source.lines().nth(at.line as usize - 1) {
        let column = at.column as usize - 1;
        let end = index.position(p.end);
        let width = if end.line == at.line {
            (end.column as usize).saturating_sub(at.column as usize).max(1)
        } else {
            text.chars().count().saturating_sub(column).max(1)
        };
        let width = width.min(text.chars().count().saturating_sub(column).max(1));
        let number = at.line.to_string();
        let pad = " ".repeat(number.len());
        let text = without_secret(text);
        out.push_str(&format!(" {pad} |\n {number} | {text}\n {pad} | "));
        out.push_str(&format!("{}{}\n", " ".repeat(column), "^".repeat(width)));
    }
    if !rest.is_empty() {
        out.push_str(rest);
        out.push('\n');
    }
    out
}
