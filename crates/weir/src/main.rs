//! The `weir` command: run a script, check a script, an interactive shell.

mod check;
mod control;
mod document;
mod jobs;
mod live;
mod output;
mod progress;
mod report;
mod run;
mod shell;
mod term;

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
    /// Show what a checkpoint or savepoint holds: operators, tables, keys, sizes.
    State(StateArgs),
    /// Show the jobs that run on this machine.
    Jobs(JobsArgs),
    /// Take a savepoint of a running job and print its path.
    Savepoint(SavepointArgs),
    /// Parse and bind a whole script; report every finding with its place and the fix.
    Check(CheckArgs),
}

#[derive(Debug, Args)]
struct SessionArgs {
    /// Number of workers ('parallelism.default').
    #[arg(short, long, value_name = "N")]
    parallelism: Option<usize>,
    /// Memory that the process may take, such as 4g; state beyond it goes to local disk
    /// ('taskmanager.memory.process.size', 'io.tmp.dirs').
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
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
    /// Start from a savepoint or checkpoint; `latest:DIR`: from the newest checkpoint below DIR,
    /// afresh where there is none ('execution.state-recovery.path').
    #[arg(long, value_name = "PATH|latest:DIR")]
    from_savepoint: Option<String>,
    /// Start even if state of the savepoint finds no operator ('execution.state-recovery.ignore-unclaimed-state').
    #[arg(long)]
    allow_lost_state: bool,
    /// SIGTERM stops a running job with a savepoint below DIR, or below
    /// 'execution.checkpointing.savepoint-dir'.
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true)]
    savepoint_on_term: Option<Option<String>>,
    #[command(flatten)]
    session: SessionArgs,
}

#[derive(Debug, Args)]
struct StateArgs {
    /// Directory of a checkpoint or savepoint; `latest:DIR`: the newest checkpoint below DIR.
    #[arg(value_name = "PATH|latest:DIR")]
    path: String,
    /// SQL over the tables `operators`, `state_tables`, `entries`, `positions`, `history`,
    /// `checkpoint` and one per state table (SHOW TABLES).
    #[arg(short, long, value_name = "SQL")]
    execute: Option<String>,
    /// An option, as SET 'KEY' = 'VALUE' would set it: 's3.endpoint' and the like.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    options: Vec<String>,
    /// How the tables look.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Args)]
struct JobsArgs {
    /// How the table looks.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Args)]
struct SavepointArgs {
    /// The job: its id or the start of it, its name, or its directory of checkpoints (`weir jobs`
    /// shows them).
    #[arg(value_name = "JOB")]
    job: String,
    /// Where the savepoint goes; otherwise below the job's 'execution.checkpointing.savepoint-dir'.
    #[arg(value_name = "DIR")]
    dir: Option<String>,
    /// The job ends with the savepoint and emits nothing after it.
    #[arg(long)]
    stop: bool,
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// Scripts, checked as one; `-` reads standard input. Of a Markdown document the SQL blocks are checked.
    #[arg(value_name = "FILE.sql", required = true)]
    files: Vec<String>,
    /// Print the script in canonical Flink SQL.
    #[arg(long)]
    print: bool,
    /// Fail on warnings too.
    #[arg(long)]
    strict: bool,
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

/// `weir state`
fn state(args: &StateArgs) -> anyhow::Result<ExitCode> {
    let options = run::options(&args.options)?;
    if let Some(sql) = &args.execute {
        let mut engine = weir_job::state_engine(&args.path, &options)?;
        return run::script(&mut engine, sql, "<command line>", args.format, None);
    }
    let mut printer = output::Printer::new(args.format);
    for table in weir_job::inspect(&args.path, &options)? {
        printer.table(&table)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// `weir jobs`
fn show_jobs(args: &JobsArgs) -> anyhow::Result<ExitCode> {
    output::Printer::new(args.format).table(&jobs::table()?)?;
    Ok(ExitCode::SUCCESS)
}

/// `weir savepoint`
fn savepoint(args: &SavepointArgs) -> anyhow::Result<ExitCode> {
    println!("{}", jobs::savepoint(&args.job, args.dir.as_deref(), args.stop)?);
    Ok(ExitCode::SUCCESS)
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let _cleanup = control::Cleanup;
    let result = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Sql(args) => shell::run(&args),
        Command::State(args) => state(&args),
        Command::Jobs(args) => show_jobs(&args),
        Command::Savepoint(args) => savepoint(&args),
        Command::Check(args) => check::run(&args),
    };
    weir_job::clean_up();
    match result {
        Ok(code) => code,
        Err(e) => {
            eprintln!("error: {e:#}");
            ExitCode::FAILURE
        }
    }
}
