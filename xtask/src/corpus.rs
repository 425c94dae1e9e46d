//! Runs a corpus of whole pipelines against the binary.
//!
//! A case is a folder with `case.sql` (`${CASE_DIR}` and `${OUT_DIR}` are filled
//! in), its inputs, and `expected.csv` (with `expected_types.json`) or
//! `expected_error.txt` with a `match:` line of alternatives. Rows compare as a
//! multiset, in order where the script says `-- @ordered`. `pending.txt` beside
//! the cases lists those that cannot pass yet, with the reason; a pending case
//! that passes fails the run, so that the list stays honest.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use regex::RegexBuilder;

use crate::crash::Crashes;
use crate::csv::{self, Row};
use crate::script::{Ended, execute};
use crate::tools;

/// `corpus [-v] [--only TEXT] [DIR..]`
pub fn run(args: &[String]) -> Result<()> {
    tools::build()?;
    check(args)
}

/// The same with the binary as it is.
pub fn check(args: &[String]) -> Result<()> {
    let (mut verbose, mut only, mut dirs) = (false, String::new(), Vec::new());
    let (mut crash, mut seed) = (false, 0);
    let mut args = args.iter();
    while let Some(a) = args.next() {
        match a.as_str() {
            "-v" => verbose = true,
            "--crash" => crash = true,
            "--seed" => seed = args.next().context("--seed takes a number")?.parse()?,
            "--only" => only = args.next().cloned().unwrap_or_default(),
            dir => dirs.push(PathBuf::from(dir)),
        }
    }
    let crash = crash.then_some(seed);
    if dirs.is_empty() {
        dirs.push(tools::root().join("tests/sql"));
    }
    let (mut passed, mut failed, mut pending, mut deaths) = (0, 0, 0, 0);
    for dir in dirs {
        let known = reasons(&dir.join("pending.txt"))?;
        let one_worker = reasons(&dir.join("one_worker.txt"))?;
        let undisturbed = reasons(&dir.join("undisturbed.txt"))?;
        for case in cases(&dir, &only)? {
            let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if crash.is_some() && undisturbed.contains_key(&name) {
                continue;
            }
            let fixed = one_worker.contains_key(&name) || (crash.is_some() && has_late(&case)?);
            let mut crashes = crash.map(|seed| Crashes::new(&name, seed, fixed));
            let verdict = run_case(&case, crashes.as_mut());
            deaths += crashes.map_or(0, |c| c.deaths);
            match (verdict, known.get(&name)) {
                (Ok(()), None) => passed += 1,
                (Ok(()), Some(_)) => {
                    failed += 1;
                    println!("FAIL {name}: passes now, take it off pending.txt");
                }
                (Err(_), Some(_)) => pending += 1,
                (Err(e), None) => {
                    failed += 1;
                    println!("FAIL {name}");
                    if verbose || only.is_empty() {
                        println!("     {e:#}");
                    }
                }
            }
        }
    }
    match crash {
        Some(_) => println!("corpus: {pending} pending, {deaths} crashes"),
        None => println!("corpus: {pending} pending"),
    }
    println!("{passed} passed, {failed} failed");
    if failed > 0 {
        bail!("the corpus failed");
    }
    Ok(())
}

/// `name: reason` lines.
fn reasons(file: &Path) -> Result<BTreeMap<String, String>> {
    if !file.exists() {
        return Ok(BTreeMap::new());
    }
    Ok(fs::read_to_string(file)?
        .lines()
        .filter(|l| !l.starts_with('#') && !l.trim().is_empty())
        .filter_map(|l| l.split_once(": ").map(|(n, r)| (n.to_owned(), r.to_owned())))
        .collect())
}

fn cases(dir: &Path, only: &str) -> Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir)
        .with_context(|| format!("no corpus in {}", dir.display()))?
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| p.join("case.sql").exists() && p.to_string_lossy().contains(only))
        .collect();
    found.sort();
    Ok(found)
}

/// A folder that goes away with its owner.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("weir-corpus-{}-{name}", std::process::id()));
        fs::create_dir_all(&dir)?;
        Ok(Self(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A case's script and inputs in a folder of their own.
struct Prepared {
    /// As it is in the corpus.
    text: String,
    script: PathBuf,
    scratch: Scratch,
}

impl Prepared {
    fn new(case: &Path) -> Result<Self> {
        let name = case.file_name().unwrap_or_default().to_string_lossy();
        let scratch = Scratch::new(&name)?;
        let (input, output) = (scratch.0.join("in"), scratch.0.join("out"));
        fs::create_dir_all(&input)?;
        fs::create_dir_all(&output)?;
        copy_inputs(case, &input)?;
        let text = fs::read_to_string(case.join("case.sql"))?;
        let filled = text
            .replace("${CASE_DIR}", &input.to_string_lossy())
            .replace("${OUT_DIR}", &output.to_string_lossy());
        let script = scratch.0.join("case.sql");
        fs::write(&script, filled)?;
        Ok(Self { text, script, scratch })
    }

    /// Runs it to its end with one worker.
    fn undisturbed(&self) -> Result<Ended> {
        execute(&self.script, &self.scratch.0, &["-p".into(), "1".into()])
    }
}

/// Whether a case drops late rows. With several workers it depends on who reads first
/// which rows are late, in Flink as well; so such a case restarts with one.
fn has_late(case: &Path) -> Result<bool> {
    let prepared = Prepared::new(case)?;
    if !prepared.text.to_ascii_uppercase().contains("WATERMARK") {
        return Ok(false);
    }
    Ok(prepared.undisturbed()?.err.contains("came too late"))
}

fn run_case(case: &Path, crashes: Option<&mut Crashes>) -> Result<()> {
    let prepared = Prepared::new(case)?;
    let (path, scratch) = (&prepared.script, &prepared.scratch.0);
    let Ended { code, out, err } = match crashes {
        None => prepared.undisturbed()?,
        Some(crashes) => crashes.run(path, scratch)?,
    };
    let error_file = case.join("expected_error.txt");
    if error_file.exists() {
        return check_error(&fs::read_to_string(error_file)?, code, &err);
    }
    if code != Some(0) {
        bail!("failed ({code:?}): {}", first_lines(&err));
    }
    let types: Vec<Vec<String>> = match fs::read_to_string(case.join("expected_types.json")) {
        Ok(t) => serde_json::from_str(&t)?,
        Err(_) => Vec::new(),
    };
    let expected = csv::blocks(&fs::read_to_string(case.join("expected.csv"))?);
    compare(&expected, &csv::blocks(&out), &types, prepared.text.contains("@ordered"))
}

fn copy_inputs(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with("expected") {
            continue;
        }
        let target = to.join(&name);
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&target)?;
            copy_inputs(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn first_lines(text: &str) -> String {
    text.lines().take(3).collect::<Vec<_>>().join(" | ")
}

/// The `match:` line is a regular expression, searched without regard to case.
fn check_error(expected: &str, code: Option<i32>, err: &str) -> Result<()> {
    let pattern = expected
        .lines()
        .find_map(|l| l.strip_prefix("match: "))
        .context("expected_error.txt has no match: line")?;
    if code == Some(0) {
        bail!("expected an error ({pattern}), got success");
    }
    if !matches(pattern, err)? {
        bail!("the error does not match {pattern}: {}", first_lines(err));
    }
    Ok(())
}

fn matches(pattern: &str, text: &str) -> Result<bool> {
    let regex =
        RegexBuilder::new(pattern).case_insensitive(true).dot_matches_new_line(true).build()?;
    Ok(regex.is_match(text))
}

fn compare(
    expected: &[Vec<Row>],
    got: &[Vec<Row>],
    types: &[Vec<String>],
    ordered: bool,
) -> Result<()> {
    if expected.len() != got.len() {
        bail!("expected {} result blocks, got {}", expected.len(), got.len());
    }
    for (i, (e, g)) in expected.iter().zip(got).enumerate() {
        let tolerances: Vec<f64> =
            types.get(i).map_or_else(Vec::new, |t| t.iter().map(|t| tolerance(t)).collect());
        compare_block(e, g, &tolerances, ordered).with_context(|| format!("block {}", i + 1))?;
    }
    Ok(())
}

fn tolerance(ty: &str) -> f64 {
    if ty.starts_with("DOUBLE") {
        1e-9
    } else if ty.starts_with("FLOAT") {
        1e-6
    } else {
        0.0
    }
}

fn compare_block(e: &[Row], g: &[Row], tolerances: &[f64], ordered: bool) -> Result<()> {
    if e.len() == 2 && e[1].len() == 1 && e[1][0].as_deref() == Some("<ANY>") {
        return Ok(());
    }
    let generated = |n: &Option<String>| n.as_deref().is_some_and(|n| n.starts_with("EXPR$"));
    let same_names =
        e[0].len() == g[0].len() && e[0].iter().zip(&g[0]).all(|(x, y)| x == y || generated(x));
    if !same_names {
        bail!("columns: expected {:?}, got {:?}", e[0], g[0]);
    }
    let (e, g) = (&e[1..], &g[1..]);
    if ordered {
        if e.len() != g.len() {
            bail!("expected {} rows, got {}", e.len(), g.len());
        }
        for (i, (x, y)) in e.iter().zip(g).enumerate() {
            if !same_row(x, y, tolerances) {
                bail!("row {i}: expected {x:?}, got {y:?}");
            }
        }
        return Ok(());
    }
    let mut surplus: Vec<&Row> = g.iter().collect();
    let mut missing = Vec::new();
    for row in e {
        match surplus.iter().position(|r| same_row(row, r, tolerances)) {
            Some(at) => drop(surplus.swap_remove(at)),
            None => missing.push(row),
        }
    }
    if !missing.is_empty() || !surplus.is_empty() {
        missing.truncate(3);
        surplus.truncate(3);
        bail!(
            "{} rows expected, {} got; missing {missing:?}; surplus {surplus:?}",
            e.len(),
            g.len()
        );
    }
    Ok(())
}

fn same_row(a: &Row, b: &Row, tolerances: &[f64]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).enumerate().all(|(i, (x, y))| {
            same_value(x.as_deref(), y.as_deref(), tolerances.get(i).copied().unwrap_or(0.0))
        })
}

fn same_value(a: Option<&str>, b: Option<&str>, tolerance: f64) -> bool {
    let (Some(a), Some(b)) = (a, b) else { return a == b };
    let folded = |s: &str| s.split_whitespace().collect::<Vec<_>>().join(" ");
    if a == b || (a.contains('\n') || b.contains('\n')) && folded(a) == folded(b) {
        return true;
    }
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(x), Ok(y)) if tolerance > 0.0 => {
            x.is_nan() && y.is_nan() || x == y || (x - y).abs() <= tolerance * x.abs().max(y.abs())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        assert!(
            matches("(column|field).*(not found|unknown)", "Column 'x'\nNOT FOUND in t").unwrap()
        );
        assert!(!matches("parse|syntax", "all fine").unwrap());
    }

    #[test]
    fn rows_compare_as_bags_with_tolerance() {
        let e = csv::parse("a\n1.0\n2.0\n");
        let g = csv::parse("a\n2.0\n1.0000000000001\n");
        assert!(compare_block(&e, &g, &[1e-9], false).is_ok());
        assert!(compare_block(&e, &g, &[1e-9], true).is_err());
        assert!(compare_block(&e, &g, &[0.0], false).is_err());
    }
}
