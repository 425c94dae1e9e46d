//! The options of checkpoints, by Flink 2.3's names.

use std::time::Duration;

use weir_core::config::bad_value;
use weir_core::{Error, Options, Result};

/// When the job keeps its checkpoints after its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// Deleted at any end that the process survives.
    Never,
    /// Kept after failures only.
    OnFailure,
    /// Kept after failures and cancellations.
    OnCancellation,
}

/// Everything that configures checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointOptions {
    /// Time between triggers, if set.
    pub interval: Option<Duration>,
    /// Exactly once; otherwise at least once.
    pub aligned: bool,
    /// A checkpoint that takes longer is given up.
    pub timeout: Duration,
    /// Least time from the end of one to the trigger of the next.
    pub min_pause: Duration,
    /// Checkpoints that may be in flight at a time, at least 1.
    pub max_concurrent: usize,
    /// Failures in a row that the job survives.
    pub tolerable_failures: u32,
    /// Checkpoints to keep.
    pub retained: usize,
    /// What stays after the end.
    pub retention: Retention,
    /// Where checkpoints go.
    pub dir: Option<String>,
    /// Where savepoints go when nothing else is said.
    pub savepoint_dir: Option<String>,
    /// What to start from: a path, or `latest:DIR`.
    pub recovery: Option<String>,
    /// State that no operator claims may be dropped.
    pub ignore_unclaimed: bool,
}

impl CheckpointOptions {
    /// Reads and checks the options.
    pub fn parse(options: &Options) -> Result<Self> {
        let duration =
            |key: &str, default: Duration| options.duration_opt(key).map(|d| d.unwrap_or(default));
        Ok(Self {
            interval: options.duration_opt("execution.checkpointing.interval")?,
            aligned: aligned(options)?,
            timeout: duration("execution.checkpointing.timeout", Duration::from_secs(600))?,
            min_pause: duration("execution.checkpointing.min-pause", Duration::ZERO)?,
            max_concurrent: max_concurrent(options)?,
            tolerable_failures: count(
                options,
                "execution.checkpointing.tolerable-failed-checkpoints",
                0,
            )? as u32,
            retained: match count(options, "execution.checkpointing.num-retained", 1)? {
                0 => {
                    let key = "execution.checkpointing.num-retained";
                    return Err(bad_value(key, "0", "a number of at least 1"));
                }
                n => n,
            },
            retention: retention(options)?,
            dir: either(options, "execution.checkpointing.dir", "state.checkpoints.dir")?,
            savepoint_dir: either(
                options,
                "execution.checkpointing.savepoint-dir",
                "state.savepoints.dir",
            )?,
            recovery: either(options, "execution.state-recovery.path", "execution.savepoint.path")?,
            ignore_unclaimed: options
                .bool_or("execution.state-recovery.ignore-unclaimed-state", false)?
                || options.bool_or("execution.savepoint.ignore-unclaimed-state", false)?,
        })
    }
}

fn aligned(options: &Options) -> Result<bool> {
    let key = "execution.checkpointing.mode";
    match options.get(key).map(|v| v.to_ascii_uppercase().replace('-', "_")).as_deref() {
        None | Some("EXACTLY_ONCE") => Ok(true),
        Some("AT_LEAST_ONCE") => Ok(false),
        Some(other) => Err(bad_value(key, other, "EXACTLY_ONCE or AT_LEAST_ONCE")),
    }
}

/// Checkpoints overlap only where their barriers stay apart: aligned ones wait for each
/// other in every operator.
fn max_concurrent(options: &Options) -> Result<usize> {
    let key = "execution.checkpointing.max-concurrent-checkpoints";
    match count(options, key, 1)? {
        0 => Err(bad_value(key, "0", "a number of at least 1")),
        n if n > 1 && !aligned(options)? => Err(bad_value(
            key,
            &n.to_string(),
            "1 where 'execution.checkpointing.mode' = 'AT_LEAST_ONCE'",
        )),
        n => Ok(n),
    }
}

fn retention(options: &Options) -> Result<Retention> {
    let key = "execution.checkpointing.externalized-checkpoint-retention";
    match options.get(key).map(|v| v.to_ascii_uppercase().replace('-', "_")).as_deref() {
        Some("RETAIN_ON_CANCELLATION") => Ok(Retention::OnCancellation),
        Some("DELETE_ON_CANCELLATION") => Ok(Retention::OnFailure),
        None | Some("NO_EXTERNALIZED_CHECKPOINTS") => Ok(Retention::Never),
        Some(other) => Err(bad_value(
            key,
            other,
            "RETAIN_ON_CANCELLATION, DELETE_ON_CANCELLATION or NO_EXTERNALIZED_CHECKPOINTS",
        )),
    }
}

fn count(options: &Options, key: &str, default: usize) -> Result<usize> {
    match options.i64_opt(key)? {
        None => Ok(default),
        Some(n) => usize::try_from(n)
            .ok()
            .filter(|&n| n <= 1_000_000)
            .ok_or_else(|| bad_value(key, &n.to_string(), "a number from 0 to 1000000")),
    }
}

/// An option or its old name; an error when both are set and differ.
fn either(options: &Options, key: &str, old: &str) -> Result<Option<String>> {
    match (options.get(key), options.get(old)) {
        (Some(a), Some(b)) if a != b => Err(Error::option(format!(
            "'{key}' = '{a}' and its old name '{old}' = '{b}' are both set"
        ))
        .hint(format!("RESET '{old}'"))),
        (a, b) => Ok(a.or(b).filter(|v| !v.is_empty()).map(str::to_owned)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<CheckpointOptions> {
        let mut o = Options::new();
        for (k, v) in pairs {
            o.set(*k, *v);
        }
        CheckpointOptions::parse(&o)
    }

    #[test]
    fn names_and_defaults() {
        let o =
            parse(&[("state.checkpoints.dir", "/c"), ("execution.savepoint.path", "/s")]).unwrap();
        assert_eq!(o.dir.as_deref(), Some("/c"));
        assert_eq!(o.recovery.as_deref(), Some("/s"));
        assert!(o.aligned && o.retained == 1 && o.tolerable_failures == 0);
        let o = parse(&[("execution.checkpointing.mode", "at_least_once")]).unwrap();
        assert!(!o.aligned);
    }

    #[test]
    fn wrong_values_are_refused_by_name() {
        for (key, value) in [
            ("execution.checkpointing.max-concurrent-checkpoints", "0"),
            ("execution.checkpointing.mode", "SOMETIMES"),
            ("execution.checkpointing.num-retained", "0"),
            ("execution.checkpointing.externalized-checkpoint-retention", "MAYBE"),
            ("execution.checkpointing.tolerable-failed-checkpoints", "-1"),
        ] {
            let e = parse(&[(key, value)]).unwrap_err();
            assert!(e.to_string().contains(key), "{e}");
        }
        let concurrent = ("execution.checkpointing.max-concurrent-checkpoints", "2");
        assert_eq!(parse(&[concurrent]).unwrap().max_concurrent, 2);
        assert!(parse(&[concurrent, ("execution.checkpointing.mode", "AT_LEAST_ONCE")]).is_err());
        let both = [("execution.checkpointing.dir", "/a"), ("state.checkpoints.dir", "/b")];
        assert!(parse(&both).is_err());
    }
}
