//! Where the fuzzer runs its queries, and what two outcomes of one mean.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::data::Data;
use super::query::Query;
use crate::crash::Crashes;
use crate::csv::{self, Row};
use crate::script::{Ended, execute};

/// A scratch folder in which scripts run.
pub struct Bench {
    dir: PathBuf,
    /// Runs over crashes against undisturbed ones, else streaming against batch.
    crash: bool,
}

impl Bench {
    /// An empty one.
    pub fn new(name: &str, crash: bool) -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("weir-fuzz-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        Ok(Self { dir, crash })
    }

    /// Runs queries in as few processes as their errors allow. `reference`: the run that
    /// the other one is compared with.
    pub fn outcomes(
        &self,
        data: &Data,
        queries: &[Query],
        reference: bool,
    ) -> Result<Vec<Outcome>> {
        data.write(&self.dir)?;
        let mut outcomes: Vec<Outcome> = Vec::new();
        while outcomes.len() < queries.len() {
            let mut rest = &queries[outcomes.len()..];
            if self.crash && !reference {
                // Each query in processes of its own: crashes come early.
                rest = &rest[..1];
            }
            let script = data.script(&self.dir, rest, reference && !self.crash);
            let (blocks, error) = self.execute(&script, reference)?;
            let done = blocks.len();
            outcomes.extend(blocks.into_iter().map(Outcome::Rows));
            if done < rest.len() {
                let error = error.context("a script ended early without an error")?;
                outcomes.push(Outcome::Failed(error));
            }
        }
        Ok(outcomes)
    }

    fn execute(&self, script: &str, reference: bool) -> Result<(Vec<Vec<Row>>, Option<String>)> {
        let path = self.dir.join("fuzz.sql");
        std::fs::write(&path, script)?;
        let ended = match (reference, self.crash) {
            (false, true) => {
                let state = self.dir.join("state");
                if state.exists() {
                    std::fs::remove_dir_all(state)?;
                }
                // The same crashes wherever the folder is.
                let name = script.replace(&*self.dir.to_string_lossy(), "");
                Crashes::new(&name, 0, false).run(&path, &self.dir)
            }
            // Behind an exchange every file is a batch of its own, so that results change.
            (true, false) => execute(&path, &self.dir, &["-p".into(), "1".into()]),
            _ => execute(&path, &self.dir, &["-p".into(), "2".into()]),
        };
        // No end in time is an outcome like any other.
        let ended = ended.unwrap_or_else(|e| Ended {
            code: None,
            out: String::new(),
            err: format!("{e:#}"),
        });
        let mut blocks = csv::blocks(&ended.out);
        for b in &mut blocks {
            b[1..].sort();
        }
        let error = (ended.code != Some(0)).then(|| ended.err.trim().to_owned());
        Ok((blocks, error.map(|e| if e.is_empty() { "no end".to_owned() } else { e })))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// What a mode made of a query.
pub enum Outcome {
    /// Its rows with their header, sorted.
    Rows(Vec<Row>),
    /// Its error.
    Failed(String),
}

/// What comparing two outcomes says.
pub enum Verdict {
    /// They are the same.
    Same,
    /// Neither mode, or by its own word not both modes, can run the query.
    Refused(String),
    /// How they differ.
    Different(String),
}

/// Compares the outcomes of a query.
pub fn verdict(bench: &Bench, query: &Query, streaming: &Outcome, batch: &Outcome) -> Verdict {
    use Outcome::{Failed, Rows};
    // A mode may refuse a query that has no meaning in it; anything else is a failure.
    let refusal = |e: &str| !e.contains("internal") && !e.contains("panic");
    match (streaming, batch) {
        (Rows(s), Rows(b)) if s == b => Verdict::Same,
        // Over no rows an aggregate without keys is silent in a stream and one row in batch mode.
        (Rows(s), Rows(b))
            if !bench.crash && query.is_global() && s.len() == 1 && is_of_nothing(b) =>
        {
            Verdict::Same
        }
        (Rows(s), Rows(b)) => Verdict::Different(format!(
            "{} rows, {} expected",
            s.len().saturating_sub(1),
            b.len().saturating_sub(1)
        )),
        (Failed(s), Failed(b)) if refusal(s) && refusal(b) => Verdict::Refused(s.clone()),
        (Failed(e), Rows(_)) | (Rows(_), Failed(e)) if is_mode_refusal(e) => {
            Verdict::Refused(e.clone())
        }
        (Failed(e), Rows(_)) => {
            Verdict::Different(format!("fails, and the reference does not: {e}"))
        }
        (Rows(_), Failed(e)) => Verdict::Different(format!("only the reference fails: {e}")),
        (Failed(s), Failed(b)) => Verdict::Different(format!("both fail: {s} / {b}")),
    }
}

/// A header, and one row of aggregates of nothing.
fn is_of_nothing(rows: &[Row]) -> bool {
    let none = |row: &Row| row.iter().all(|cell| cell.as_deref().is_none_or(|c| c == "0"));
    rows.len() == 2 && rows.iter().any(none)
}

/// Errors that say that a query exists in one mode only.
fn is_mode_refusal(error: &str) -> bool {
    let error = error.to_lowercase();
    ["mode", "insert-only", "time attribute", "not supported", "unsupported"]
        .iter()
        .any(|s| error.contains(s))
}

/// Whether the modes still disagree about a query.
pub fn differs(bench: &Bench, data: &Data, query: &Query) -> Result<bool> {
    let queries = std::slice::from_ref(query);
    let s = bench.outcomes(data, queries, false)?;
    let b = bench.outcomes(data, queries, true)?;
    Ok(matches!(verdict(bench, query, &s[0], &b[0]), Verdict::Different(_)))
}
