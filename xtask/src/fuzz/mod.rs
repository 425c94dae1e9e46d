//! `fuzz [--crash] [--queries N] [--seed S]`: streaming against batch.
//!
//! Random small tables (with NULLs, and with retractions through views that
//! aggregate or deduplicate) and random queries over them: the final rows of the
//! streaming run must be those of the batch run; with `--crash` a streaming run that is aborted in
//! the middle of checkpoints and started again must give what an undisturbed one gives. A difference is made smaller and
//! kept as a folder that can become a corpus case.
//!
//! Where to look next: [`data`] for tables, [`query`] for the grammar, [`bench`] for
//! running and comparing, [`shrink`] for making a failure smaller.

mod bench;
mod data;
mod query;
mod random;
mod shrink;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, bail};

use crate::tools;
use bench::{Bench, Verdict, verdict};
use data::Data;
use query::Query;
use random::Random;

/// Queries per process.
const BATCH: u64 = 25;

/// `fuzz [--crash] [--queries N] [--seed S]`
pub fn run(args: &[String]) -> Result<()> {
    tools::build()?;
    check(args)
}

/// The same with the binary as it is.
pub fn check(args: &[String]) -> Result<()> {
    let (mut queries, mut seed) = (1000u64, 1u64);
    let mut crash = false;
    let mut args = args.iter();
    while let Some(a) = args.next() {
        if a == "--crash" {
            crash = true;
            continue;
        }
        let number = args.next().and_then(|n| n.parse().ok());
        match (a.as_str(), number) {
            ("--queries", Some(n)) => queries = n,
            ("--seed", Some(n)) => seed = n,
            _ => bail!("usage: cargo xtask fuzz [--crash] [--queries N] [--seed S]"),
        }
    }
    let mut tally = Tally::default();
    let start = Instant::now();
    while tally.compared < queries {
        if tally.refused > 20 * (tally.compared + BATCH) {
            bail!("nearly every query is refused: {}", tally.last_refusal);
        }
        round(seed, crash, &mut tally)?;
        seed += 1;
        if seed.is_multiple_of(20) {
            println!("fuzz: {} compared, {} differ", tally.compared, tally.different.len());
        }
    }
    println!(
        "fuzz: {} queries compared in {:?}, {} refused alike, {} different",
        tally.compared,
        start.elapsed(),
        tally.refused,
        tally.different.len()
    );
    match tally.different.is_empty() {
        true => Ok(()),
        false => bail!("runs differ, see {:?}", tally.different),
    }
}

#[derive(Default)]
struct Tally {
    compared: u64,
    refused: u64,
    different: Vec<PathBuf>,
    last_refusal: String,
}

/// The tables and queries of one seed.
fn round(seed: u64, crash: bool, tally: &mut Tally) -> Result<()> {
    let mut random = Random::new(seed);
    let data = Data::random(&mut random);
    let queries: Vec<Query> = (0..BATCH).map(|_| Query::random(&mut random)).collect();
    let bench = Bench::new(&format!("{seed}"), crash)?;
    let streaming = bench.outcomes(&data, &queries, false)?;
    let batch = bench.outcomes(&data, &queries, true)?;
    for (query, (s, b)) in queries.iter().zip(streaming.iter().zip(&batch)) {
        match verdict(&bench, query, s, b) {
            Verdict::Same => tally.compared += 1,
            Verdict::Refused(why) => {
                tally.refused += 1;
                tally.last_refusal = why;
            }
            Verdict::Different(why) => {
                tally.compared += 1;
                let (data, query) = shrink::shrink(&bench, &data, query)?;
                let folder = keep(seed, tally.different.len(), &data, &query)?;
                println!(
                    "fuzz: seed {seed}: {why}\n  {}\n  kept in {}",
                    query.sql(),
                    folder.display()
                );
                tally.different.push(folder);
            }
        }
    }
    Ok(())
}

/// Writes a failure as a case: the batch rows are what it expects.
fn keep(seed: u64, number: usize, data: &Data, query: &Query) -> Result<PathBuf> {
    let folder = tools::target_dir().join(format!("fuzz/seed_{seed}_{number}"));
    std::fs::create_dir_all(&folder)?;
    data.write(&folder)?;
    let script = data.script(Path::new("${CASE_DIR}"), std::slice::from_ref(query), false);
    std::fs::write(folder.join("case.sql"), script)?;
    Ok(folder)
}
