//! Restart strategies by Flink's options.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rand::Rng;
use weir_core::config::bad_value;
use weir_core::{Options, Result};

/// When a failed job starts again.
#[derive(Debug, Clone, PartialEq)]
pub enum RestartStrategy {
    /// Never.
    None,
    /// So many times, after the same delay.
    FixedDelay { attempts: u32, delay: Duration },
    /// As long as failures are rare.
    FailureRate { max: u32, interval: Duration, delay: Duration },
    /// After growing delays.
    ExponentialDelay {
        initial: Duration,
        max: Duration,
        multiplier: f64,
        /// Running this long without a failure starts the delays anew.
        reset: Duration,
        /// Share by which a delay is varied at random.
        jitter: f64,
        /// Failures without a reset that the job survives; none = any number.
        attempts: Option<u32>,
    },
}

impl RestartStrategy {
    /// Reads the options. Without a type: exponential delay where checkpoints are on, else none.
    pub fn parse(options: &Options, checkpointing: bool) -> Result<Self> {
        let key = "restart-strategy.type";
        let kind = options.get(key).or_else(|| options.get("restart-strategy"));
        let kind = kind.map(|k| k.to_ascii_lowercase().replace('-', ""));
        let duration = |key: &str, default: u64| {
            let value = options.duration_opt(&format!("restart-strategy.{key}"));
            value.map(|d| d.unwrap_or(Duration::from_secs(default)))
        };
        match kind.as_deref() {
            Some("none" | "off" | "disable") => Ok(Self::None),
            None if !checkpointing => Ok(Self::None),
            Some("fixeddelay") => Ok(Self::FixedDelay {
                attempts: count(options, "restart-strategy.fixed-delay.attempts")?.unwrap_or(1),
                delay: duration("fixed-delay.delay", 1)?,
            }),
            Some("failurerate") => Ok(Self::FailureRate {
                max: count(options, "restart-strategy.failure-rate.max-failures-per-interval")?
                    .unwrap_or(1),
                interval: duration("failure-rate.failure-rate-interval", 60)?,
                delay: duration("failure-rate.delay", 1)?,
            }),
            None | Some("exponentialdelay") => Ok(Self::ExponentialDelay {
                initial: duration("exponential-delay.initial-backoff", 1)?,
                max: duration("exponential-delay.max-backoff", 60)?,
                multiplier: number(options, "backoff-multiplier", 1.5, 1.0..=1000.0)?,
                reset: duration("exponential-delay.reset-backoff-threshold", 3600)?,
                jitter: number(options, "jitter-factor", 0.1, 0.0..=1.0)?,
                attempts: count(
                    options,
                    "restart-strategy.exponential-delay.attempts-before-reset-backoff",
                )?,
            }),
            Some(_) => Err(bad_value(
                key,
                options.get(key).or(options.get("restart-strategy")).unwrap_or_default(),
                "none, fixed-delay, failure-rate or exponential-delay",
            )),
        }
    }
}

fn count(options: &Options, key: &str) -> Result<Option<u32>> {
    options
        .i64_opt(key)?
        .map(|n| u32::try_from(n).map_err(|_| bad_value(key, &n.to_string(), "a number from 0")))
        .transpose()
}

fn number(
    options: &Options,
    key: &str,
    default: f64,
    range: std::ops::RangeInclusive<f64>,
) -> Result<f64> {
    let key = format!("restart-strategy.exponential-delay.{key}");
    let Some(text) = options.get(&key) else { return Ok(default) };
    text.parse()
        .ok()
        .filter(|v| range.contains(v))
        .ok_or_else(|| bad_value(&key, text, &format!("a number in {range:?}")))
}

/// Follows the failures of a job.
#[derive(Debug)]
pub struct Restarts {
    strategy: RestartStrategy,
    failures: VecDeque<Instant>,
    backoff: Duration,
    attempts: u32,
}

impl Restarts {
    /// Nothing has failed yet.
    pub fn new(strategy: RestartStrategy) -> Self {
        Self { strategy, failures: VecDeque::new(), backoff: Duration::ZERO, attempts: 0 }
    }

    /// The job has failed now: the delay before it starts again, or none if it does not.
    pub fn next(&mut self, now: Instant) -> Option<Duration> {
        let last = self.failures.back().copied();
        self.failures.push_back(now);
        if self.failures.len() > 1000 {
            self.failures.pop_front();
        }
        self.attempts += 1;
        match &self.strategy {
            RestartStrategy::None => None,
            RestartStrategy::FixedDelay { attempts, delay } => {
                (self.attempts <= *attempts).then_some(*delay)
            }
            RestartStrategy::FailureRate { max, interval, delay } => {
                let recent = |f: &&Instant| now.duration_since(**f) < *interval;
                (self.failures.iter().filter(recent).count() <= *max as usize).then_some(*delay)
            }
            RestartStrategy::ExponentialDelay {
                initial,
                max,
                multiplier,
                reset,
                jitter,
                attempts,
            } => {
                if last.is_none_or(|l| now.duration_since(l) >= *reset + self.backoff) {
                    self.backoff = *initial;
                    self.attempts = 1;
                } else {
                    self.backoff = self.backoff.mul_f64(*multiplier).min(*max);
                }
                if attempts.is_some_and(|a| self.attempts > a) {
                    return None;
                }
                let vary = 1.0 + jitter * rand::rng().random_range(-1.0..=1.0);
                Some(self.backoff.mul_f64(vary).min(*max))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)], checkpointing: bool) -> Result<RestartStrategy> {
        let mut o = Options::new();
        for (k, v) in pairs {
            o.set(*k, *v);
        }
        RestartStrategy::parse(&o, checkpointing)
    }

    #[test]
    fn defaults_depend_on_checkpoints() {
        assert_eq!(parse(&[], false).unwrap(), RestartStrategy::None);
        assert!(matches!(parse(&[], true).unwrap(), RestartStrategy::ExponentialDelay { .. }));
        assert!(parse(&[("restart-strategy.type", "sometimes")], true).is_err());
    }

    #[test]
    fn fixed_delay_counts() {
        let mut r = Restarts::new(
            parse(
                &[
                    ("restart-strategy.type", "fixed-delay"),
                    ("restart-strategy.fixed-delay.attempts", "2"),
                    ("restart-strategy.fixed-delay.delay", "3 s"),
                ],
                false,
            )
            .unwrap(),
        );
        let now = Instant::now();
        let three = Some(Duration::from_secs(3));
        assert_eq!([r.next(now), r.next(now), r.next(now)], [three, three, None]);
    }

    #[test]
    fn failure_rate_forgets() {
        let mut r = Restarts::new(
            parse(
                &[
                    ("restart-strategy.type", "failure-rate"),
                    ("restart-strategy.failure-rate.failure-rate-interval", "10 s"),
                ],
                false,
            )
            .unwrap(),
        );
        let now = Instant::now();
        assert!(r.next(now).is_some());
        assert!(r.next(now + Duration::from_secs(11)).is_some());
        assert!(r.next(now + Duration::from_secs(12)).is_none());
    }

    #[test]
    fn exponential_delay_grows_to_its_limit_and_resets() {
        let mut r = Restarts::new(
            parse(
                &[
                    ("restart-strategy.type", "exponential-delay"),
                    ("restart-strategy.exponential-delay.jitter-factor", "0"),
                    ("restart-strategy.exponential-delay.backoff-multiplier", "2"),
                    ("restart-strategy.exponential-delay.max-backoff", "3 s"),
                    ("restart-strategy.exponential-delay.reset-backoff-threshold", "1 h"),
                ],
                true,
            )
            .unwrap(),
        );
        let now = Instant::now();
        let seconds: Vec<u64> = (0..3).map(|_| r.next(now).unwrap().as_secs()).collect();
        assert_eq!(seconds, [1, 2, 3]);
        assert_eq!(r.next(now + Duration::from_secs(3700)).unwrap().as_secs(), 1);
    }
}
