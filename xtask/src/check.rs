//! `cargo xtask check`: formatting, clippy, crate layers, licences.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, bail};

use crate::tools;

/// The crates from the bottom up; a crate may depend only on crates before it
/// in one of the lists, as far as the table of ARCHITECTURE.md says.
const LAYERS: [(&str, &[&str]); 15] = [
    ("weir-core", &[]),
    ("weir-parser", &[]),
    ("weir-functions", &["weir-core"]),
    ("weir-spec", &["weir-core", "weir-functions"]),
    ("weir-sql", &["weir-core", "weir-parser", "weir-functions", "weir-spec"]),
    ("weir-plan", &["weir-core", "weir-functions", "weir-spec", "weir-sql"]),
    ("weir-state", &["weir-core"]),
    ("weir-runtime", &["weir-core", "weir-state"]),
    ("weir-ops", &["weir-core", "weir-functions", "weir-spec", "weir-state", "weir-runtime"]),
    ("weir-connect", &["weir-core", "weir-functions", "weir-spec"]),
    ("weir-lake", &["weir-core", "weir-functions", "weir-spec", "weir-connect"]),
    (
        "weir-batch",
        &[
            "weir-core",
            "weir-functions",
            "weir-spec",
            "weir-state",
            "weir-runtime",
            "weir-ops",
            "weir-connect",
        ],
    ),
    (
        "weir-job",
        &[
            "weir-batch",
            "weir-core",
            "weir-parser",
            "weir-functions",
            "weir-spec",
            "weir-sql",
            "weir-plan",
            "weir-state",
            "weir-runtime",
            "weir-ops",
            "weir-connect",
            "weir-lake",
        ],
    ),
    ("weir", &["weir-core", "weir-functions", "weir-parser", "weir-sql", "weir-job"]),
    ("xtask", &[]),
];

/// All checks.
pub fn run() -> Result<()> {
    layers()?;
    tools::cargo(&["fmt", "--all", "--check"], &[])?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    tools::cargo(&clippy, &[])?;
    if tools::has("cargo-deny", "--version") {
        return tools::cargo(&["deny", "check", "licenses", "bans", "sources"], &[]);
    }
    eprintln!("licences not checked: type `cargo install --locked cargo-deny` first");
    Ok(())
}

/// Fails when a crate depends on one that its layer may not see.
pub fn layers() -> Result<()> {
    let allowed: BTreeMap<&str, &[&str]> = LAYERS.into_iter().collect();
    let mut manifests = vec![tools::root().join("xtask/Cargo.toml")];
    for entry in fs::read_dir(tools::root().join("crates"))? {
        manifests.push(entry?.path().join("Cargo.toml"));
    }
    let mut faults = Vec::new();
    for manifest in manifests {
        let text = fs::read_to_string(&manifest)
            .with_context(|| format!("cannot read {}", manifest.display()))?;
        let name = text
            .lines()
            .find_map(|l| l.strip_prefix("name = "))
            .map(|n| n.trim_matches('"'))
            .context("a manifest without a name")?;
        let Some(below) = allowed.get(name) else {
            faults.push(format!("{name} has no layer in xtask/src/check.rs"));
            continue;
        };
        for dependency in dependencies(&text) {
            if dependency.starts_with("weir") && !below.contains(&dependency) {
                faults.push(format!("{name} must not depend on {dependency}"));
            }
        }
    }
    if !faults.is_empty() {
        bail!("crate layers: {}", faults.join("; "));
    }
    Ok(())
}

/// Names in `[dependencies]`.
fn dependencies(manifest: &str) -> Vec<&str> {
    manifest
        .lines()
        .skip_while(|l| l.trim() != "[dependencies]")
        .skip(1)
        .take_while(|l| !l.starts_with('['))
        .filter_map(|l| l.split(['.', ' ', '=']).next())
        .filter(|n| !n.is_empty() && !n.starts_with('#'))
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn dependencies_are_read() {
        let toml = "[package]\nname = \"x\"\n[dependencies]\nweir-core.workspace = true\narrow = \"1\"\n[dev-dependencies]\nweir-job.workspace = true\n";
        assert_eq!(super::dependencies(toml), ["weir-core", "arrow"]);
    }
}
