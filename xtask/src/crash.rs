//! The corpus with crashes: every case runs with checkpoints, its process is aborted in
//! their middle and started again from the newest one at another parallelism, a few
//! times over; the rows at the end must be those of the plain case.
//!
//! Sources hand out one or two rows at a time, so that every case, small as it is, has
//! checkpoints between any two of its rows, and every other time with two keys in memory
//! at most; the steps at which the process dies follow
//! from the case's name and `--seed`.

use std::path::Path;

use anyhow::{Result, bail};

use crate::script::{Ended, execute};

/// Deaths per case.
const CRASHES: usize = 4;

/// A case's runs.
pub struct Crashes {
    seed: u64,
    /// Workers of the runs.
    parallelism: &'static [usize],
    /// How often the process has died.
    pub deaths: usize,
}

impl Crashes {
    /// `fixed`: always one worker, for cases whose result depends on the order of rows.
    pub fn new(name: &str, seed: u64, fixed: bool) -> Self {
        let hash = |h: u64, b: u8| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3);
        let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325 ^ seed, hash);
        Self { seed, parallelism: if fixed { &[1] } else { &[1, 2, 3] }, deaths: 0 }
    }

    fn random(&mut self, bound: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.seed >> 33) % bound
    }

    /// Runs a script to its end over crashes; the last run's outcome.
    pub fn run(&mut self, script: &Path, scratch: &Path) -> Result<Ended> {
        let state = scratch.join("state").to_string_lossy().into_owned();
        loop {
            let p = self.parallelism[self.random(self.parallelism.len() as u64) as usize];
            let mut args = vec![
                "-p".to_owned(),
                p.to_string(),
                "--from-savepoint".to_owned(),
                format!("latest:{state}"),
            ];
            let mut set = |key: &str, value: &str| {
                args.extend(["--set".to_owned(), format!("{key}={value}")]);
            };
            set("execution.checkpointing.dir", &state);
            set("execution.checkpointing.interval", "1 ms");
            set("weir.testing.batch-rows", &(1 + self.seed % 2).to_string());
            if self.random(2) == 0 {
                set("weir.testing.resident-keys", "2");
            }
            if self.random(2) == 0 {
                set("execution.checkpointing.max-concurrent-checkpoints", "3");
            }
            if self.deaths < CRASHES {
                let step = 1 + self.random(24);
                set("weir.testing.crash-at-step", &step.to_string());
            }
            let ended = execute(script, scratch, &args)?;
            // Aborted: by signal, without a code.
            if ended.code.is_some() {
                return Ok(ended);
            }
            self.deaths += 1;
            if self.deaths > CRASHES {
                bail!("died without being asked to: {}", ended.err);
            }
        }
    }
}
