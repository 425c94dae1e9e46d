//! The `weir` command: run a script, check a script, an interactive shell.

mod check;
mod output;
mod progress;
mod report;
mod run;
mod shell;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Weir runs Flink SQL, streaming and batch, in one process.
#[derive(Debug, Parser)]
#[command(name = "weir", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a script and print its results.
    Run(RunArgs),
    /// Open an interactive SQL shell.
    Sql(SessionArgs),
    /// Parse and bind a whole script; report every finding with its place and the fix.
    Check(CheckArgs),
}

#[derive(Debug, Args)]
struct SessionArgs {
    /// Number of workers ('parallelism.default').
    #[arg(short, long, value_name = "N")]
    parallelism: Option<usize>,
    /// An option, as SET 'KEY' = 'VALUE' would set it.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    options: Vec<String>,
    /// How results look.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Args)]
struct RunArgs {
    /// The script; `-` reads standard input.
    #[arg(value_name = "FILE.sql", required_unless_present = "execute")]
    file: Option<String>,
    /// SQL to run instead of a file.
    #[arg(short, long, value_name = "SQL", conflicts_with = "file")]
    execute: Option<String>,
    #[command(flatten)]
    session: SessionArgs,
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// The script; `-` reads standard input.
    #[arg(value_name = "FILE.sql")]
    file: String,
    /// Print the script in canonical Flink SQL.
    #[arg(long)]
    print: bool,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// An aligned table of the final rows.
    Table,
    /// CSV blocks of the final rows, separated by `---`.
    Csv,
    /// One JSON object per final row.
    Json,
    /// Every change as it happens, with its row kind.
    Changelog,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Sql(args) => shell::run(&args),
        Command::Check(args) => check::run(&args),
    };
    match result {
        Ok(code) => code,
        Err(e) => {
            eprintln!("error: {e:#}");
            ExitCode::FAILURE
        }
    }
}
