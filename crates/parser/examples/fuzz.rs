//! Mutates scripts for a number of seconds and checks that the parser neither
//! panics nor loses what it printed.
//!
//! `cargo run --release -p weir-parser --example fuzz -- SECONDS [SEED]`

#[path = "../tests/common/mod.rs"]
mod common;

use common::{Random, SCRIPTS, check, mutate, pieces};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let seconds = args.next().and_then(|s| s.parse().ok()).unwrap_or(10);
    let seed = args.next().and_then(|s| s.parse().ok()).unwrap_or(42);
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut random = Random(seed);
    let scripts: Vec<_> = SCRIPTS.iter().map(|script| pieces(script)).collect();
    let (mut runs, mut failures) = (0u64, 0);
    while Instant::now() < until && failures < 20 {
        let text = mutate(&scripts[random.below(scripts.len())], &mut random);
        runs += 1;
        if catch_unwind(AssertUnwindSafe(|| check(&text))).is_err() {
            failures += 1;
            println!("fails: {text}\n");
        }
    }
    println!("{runs} texts, {failures} failures");
    ExitCode::from(u8::from(failures > 0))
}
