//! Compiled plans: the physical plan of INSERTs in a file, for EXECUTE PLAN.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use weir_core::{Error, Result};
use weir_spec::Plan;

/// Plans of another version are refused: their operators may mean something else.
const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Compiled {
    weir_version: String,
    batch: bool,
    plan: Plan,
}

fn local(path: &str) -> Result<PathBuf> {
    match path.split_once("://") {
        None => Ok(PathBuf::from(path.strip_prefix("file:").unwrap_or(path))),
        Some(("file", rest)) => Ok(PathBuf::from(rest)),
        Some((scheme, _)) => Err(Error::unsupported(format!("plan files at '{scheme}://'"))
            .hint("use a local path, with or without file://")),
    }
}

/// Whether there is a plan at a path.
pub(crate) fn exists(path: &str) -> Result<bool> {
    Ok(local(path)?.exists())
}

/// Writes a plan.
pub(crate) fn write(path: &str, plan: &Plan, batch: bool) -> Result<()> {
    let compiled = Compiled { weir_version: VERSION.to_owned(), batch, plan: plan.clone() };
    let text = serde_json::to_string_pretty(&compiled)
        .map_err(|e| Error::internal(format!("a plan that cannot be written: {e}")))?;
    let file = local(path)?;
    let failed = |e: std::io::Error| Error::io(format!("cannot write the plan '{path}': {e}"));
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(&file, text).map_err(failed)
}

/// Reads a plan for a session in batch mode or not.
pub(crate) fn read(path: &str, batch: bool) -> Result<Plan> {
    let text = std::fs::read_to_string(local(path)?)
        .map_err(|e| Error::io(format!("cannot read the plan '{path}': {e}")))?;
    let version: serde_json::Value = serde_json::from_str(&text)
        .map_err(|e| Error::validation(format!("'{path}' is no compiled plan: {e}")))?;
    match version.get("weirVersion").and_then(serde_json::Value::as_str) {
        Some(VERSION) => {}
        Some(other) => {
            return Err(Error::validation(format!(
                "the plan '{path}' was compiled by version {other}, this is {VERSION}"
            ))
            .hint("compile it again"));
        }
        None => {
            return Err(Error::validation(format!(
                "'{path}' is no plan that this engine compiled"
            ))
            .hint("Flink's compiled plans cannot be run; compile the script here"));
        }
    }
    let compiled: Compiled = serde_json::from_value(version)
        .map_err(|e| Error::validation(format!("'{path}' is no compiled plan: {e}")))?;
    if compiled.batch != batch {
        let mode = if compiled.batch { "BATCH" } else { "STREAMING" };
        return Err(Error::validation(format!("the plan '{path}' was compiled in {mode} mode"))
            .hint(format!("SET 'execution.runtime-mode' = '{mode}'")));
    }
    Ok(compiled.plan)
}
