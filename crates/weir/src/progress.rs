//! One progress line per INSERT on standard error, when that is a terminal.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use weir_job::Progress;

/// Shows a job's counters at most a few times a second, one line per INSERT.
pub struct ProgressLine {
    on: bool,
    /// Lines on the screen that the next drawing replaces.
    drawn: usize,
    started: Instant,
    last: Instant,
}

impl ProgressLine {
    /// For a job that starts now.
    pub fn new() -> Self {
        let now = Instant::now();
        Self { on: std::io::stderr().is_terminal(), drawn: 0, started: now, last: now }
    }

    /// Redraws the lines when it is time.
    pub fn tick(&mut self, progress: &Progress) {
        if self.on && self.last.elapsed() >= Duration::from_millis(250) {
            self.last = Instant::now();
            self.draw(progress);
        }
    }

    /// Leaves the last state on lines of their own.
    pub fn done(&mut self, progress: &Progress) {
        if self.on {
            self.draw(progress);
        }
    }

    fn draw(&mut self, progress: &Progress) {
        let lines = describe(progress, self.started.elapsed());
        let up = if self.drawn > 0 { format!("\x1b[{}A", self.drawn) } else { String::new() };
        let text: String = lines.iter().map(|l| format!("\r\x1b[2K{l}\n")).collect();
        eprint!("{up}{text}");
        let _ = std::io::stderr().flush();
        self.drawn = lines.len();
    }
}

/// Per sink: `table: in 1000000 (250000/s), out 999000 (..), watermark .. (lag ..), 3 checkpoints`.
/// The input is that of the whole job: sinks of one job share their sources.
fn describe(progress: &Progress, elapsed: Duration) -> Vec<String> {
    let seconds = elapsed.as_secs_f64().max(0.001);
    let rate = |rows: u64| format!("{rows} ({:.0}/s)", rows as f64 / seconds);
    let sources = progress.nodes.iter().filter(|n| n.name.starts_with("Source:"));
    let rows_in: u64 = sources.map(|n| n.rows_out).sum();
    let late: u64 = progress.nodes.iter().map(|n| n.late).sum();
    let mut tail = String::new();
    let watermark = progress.nodes.iter().filter_map(|n| n.watermark).min();
    if let Some(w) = watermark.filter(|&w| w < i64::MAX / 2) {
        let lag = (now_ms() - w).max(0);
        tail.push_str(&format!(", watermark {} (lag {:.1} s)", instant(w), lag as f64 / 1000.0));
    }
    if late > 0 {
        tail.push_str(&format!(", {late} late"));
    }
    if progress.commits > 0 {
        tail.push_str(&format!(", {} checkpoints", progress.commits));
    }
    progress
        .nodes
        .iter()
        .filter_map(|n| Some((n.name.strip_prefix("Sink: ")?, n.rows_in)))
        .map(|(table, rows)| format!("{table}: in {}, out {}{tail}", rate(rows_in), rate(rows)))
        .collect()
}

fn now_ms() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |d| d.as_millis() as i64)
}

/// A time of day in UTC, seconds precise: what a glance at a watermark needs.
fn instant(ms: i64) -> String {
    let day = ms.div_euclid(86_400_000);
    let s = ms.rem_euclid(86_400_000) / 1000;
    let (y, m, d) = civil(day);
    format!("{y:04}-{m:02}-{d:02} {:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}

/// Year, month, day of a day number since 1970-01-01 (proleptic Gregorian).
fn civil(day: i64) -> (i64, i64, i64) {
    let z = day + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let d = doy - (153 * mp + 2) / 5 + 1;
    let m = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(m <= 2), m, d)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(instant(0), "1970-01-01 00:00:00");
        assert_eq!(instant(1_709_164_800_000), "2024-02-29 00:00:00");
    }
}
