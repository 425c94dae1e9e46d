//! `weir sql`: the interactive shell.

use std::borrow::Cow;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Editor, Helper, history::DefaultHistory};
use weir_job::Engine;
use weir_parser::parse_script;

use crate::output::Printer;
use crate::run::Next;
use crate::{SessionArgs, report, run};

/// `weir sql`
pub fn run(args: &SessionArgs) -> Result<ExitCode> {
    let mut engine = run::engine(args)?;
    run::catch_interrupts()?;
    let mut editor: Editor<SqlHelper, DefaultHistory> = Editor::new()?;
    editor.set_helper(Some(SqlHelper { words: words(&engine) }));
    let history = history_file();
    if let Some(file) = &history {
        // The first start has no history yet.
        let _ = editor.load_history(file);
    }
    println!(
        "Weir {}. End a statement with `;`, leave with QUIT; or Ctrl-D.",
        env!("CARGO_PKG_VERSION")
    );
    let mut printer = Printer::new(args.format);
    if std::io::stdout().is_terminal() {
        let size = editor.dimensions();
        printer.set_live(Some(size.map_or(24, |(_, rows)| usize::from(rows))));
    }
    loop {
        match editor.readline("weir> ") {
            Ok(text) => {
                if text.trim().is_empty() {
                    continue;
                }
                editor.add_history_entry(&text)?;
                if !execute(&mut engine, &text, &mut printer) {
                    break;
                }
                if let Some(helper) = editor.helper_mut() {
                    helper.words = words(&engine);
                }
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(e) => return Err(e.into()),
        }
    }
    if let Some(file) = &history {
        if let Some(dir) = file.parent() {
            std::fs::create_dir_all(dir)?;
        }
        editor.save_history(file)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs the statements of one input; false when the shell should end.
fn execute(engine: &mut Engine, text: &str, printer: &mut Printer) -> bool {
    let script = parse_script(text);
    for e in &script.errors {
        report::parse_error(e, text, "input");
    }
    for s in &script.statements {
        run::clear_interrupt();
        match run::statement(engine, &s.stmt, text, printer, None) {
            Ok(Next::Statement) => {}
            Ok(Next::Stopped) => return true,
            Ok(Next::Quit) => return false,
            Err(e) => {
                report::error(&e, text, "input");
                return true;
            }
        }
    }
    true
}

fn history_file() -> Option<PathBuf> {
    let home = std::env::var_os("HOME")?;
    Some(PathBuf::from(home).join(".local/state/weir/history"))
}

/// Words that start or shape statements.
const KEYWORDS: [&str; 60] = [
    "ADD",
    "ALTER",
    "AS",
    "BEGIN",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "CATALOG",
    "CATALOGS",
    "COLUMN",
    "CREATE",
    "CROSS",
    "CURRENT",
    "DATABASE",
    "DATABASES",
    "DESCRIBE",
    "DISTINCT",
    "DROP",
    "ELSE",
    "END",
    "EXECUTE",
    "EXISTS",
    "EXPLAIN",
    "FROM",
    "FULL",
    "FUNCTIONS",
    "GROUP",
    "HAVING",
    "INNER",
    "INSERT",
    "INTERVAL",
    "INTO",
    "JOIN",
    "LEFT",
    "LIKE",
    "LIMIT",
    "NOT",
    "ORDER",
    "OVER",
    "OVERWRITE",
    "PARTITION",
    "PARTITIONED",
    "PRIMARY",
    "QUIT",
    "RESET",
    "RIGHT",
    "SELECT",
    "SET",
    "SHOW",
    "STATEMENT",
    "TABLE",
    "TABLES",
    "TEMPORARY",
    "UNION",
    "USE",
    "VALUES",
    "VIEW",
    "WATERMARK",
    "WHERE",
];

/// Keywords, functions and the names of the session.
fn words(engine: &Engine) -> Vec<String> {
    let mut words: Vec<String> = KEYWORDS.iter().map(|w| (*w).to_owned()).collect();
    words.extend(weir_functions::function_names().iter().map(|n| (*n).to_string()));
    let session = &engine.session;
    for catalog in session.list_catalogs() {
        words.push(catalog);
    }
    let here = session.list_tables(session.current_catalog(), session.current_database());
    words.extend(here.unwrap_or_default());
    words.sort();
    words.dedup();
    words
}

/// Multi-line editing (a statement ends at `;`) and completion of words.
struct SqlHelper {
    words: Vec<String>,
}

impl Helper for SqlHelper {}

impl Highlighter for SqlHelper {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(
        &'s self,
        prompt: &'p str,
        _default: bool,
    ) -> Cow<'b, str> {
        Cow::Owned(format!("\x1b[36m{prompt}\x1b[0m"))
    }
}

impl Hinter for SqlHelper {
    type Hint = String;
}

impl Validator for SqlHelper {
    fn validate(&self, ctx: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = ctx.input().trim_end();
        let done = text.is_empty() || text.ends_with(';') && !inside_statement_set(text);
        Ok(if done { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

/// Whether BEGIN STATEMENT SET is still open.
fn inside_statement_set(text: &str) -> bool {
    let upper = text.to_uppercase();
    upper.contains("STATEMENT SET") && !upper.trim_end_matches(';').trim_end().ends_with("END")
}

impl Completer for SqlHelper {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _ctx: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let head = &line[..pos];
        let start = head
            .rfind(|c: char| !c.is_alphanumeric() && c != '_')
            .map_or(0, |i| i + head[i..].chars().next().map_or(1, char::len_utf8));
        let prefix = &head[start..];
        if prefix.is_empty() {
            return Ok((pos, Vec::new()));
        }
        let matches = self
            .words
            .iter()
            .filter(|w| w.len() >= prefix.len() && w.is_char_boundary(prefix.len()))
            .filter(|w| w[..prefix.len()].eq_ignore_ascii_case(prefix))
            .map(|w| Pair { display: w.clone(), replacement: w.clone() })
            .collect();
        Ok((start, matches))
    }
}
