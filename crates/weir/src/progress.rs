//! One progress line per INSERT on standard error, when that is a terminal.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use weir_job::{Progress, RunningJob};

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
    pub fn tick(&mut self, job: &RunningJob) {
        if self.on && self.last.elapsed() >= Duration::from_millis(250) {
            self.last = Instant::now();
            self.draw(&job.progress());
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
    tail.push_str(&checkpoints(progress));
    progress
        .nodes
        .iter()
        .filter_map(|n| Some((n.name.strip_prefix("Sink: ")?, n.rows_in)))
        .map(|(table, rows)| format!("{table}: in {}, out {}{tail}", rate(rows_in), rate(rows)))
        .collect()
}

/// `, 3 checkpoints (last 12.5 MiB in 40 ms, alignment p99 2 ms, 1 failed), 2 restarts`
fn checkpoints(progress: &Progress) -> String {
    let mut text = String::new();
    if progress.commits + progress.failed > 0 {
        text.push_str(&format!(", {} checkpoints", progress.commits));
        let mut details = Vec::new();
        if let Some(last) = &progress.last {
            details.push(format!("last {} in {} ms", size(last.state), last.decided));
            let p99 = progress.alignment_p99.as_secs_f64() * 1000.0;
            details.push(format!("alignment p99 {p99:.0} ms"));
        }
        if progress.failed > 0 {
            details.push(format!("{} failed", progress.failed));
        }
        if !details.is_empty() {
            text.push_str(&format!(" ({})", details.join(", ")));
        }
    }
    if progress.restarts > 0 {
        text.push_str(&format!(", {} restarts", progress.restarts));
    }
    text
}

/// Bytes for a reader.
fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

fn now_ms() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |d| d.as_millis() as i64)
}

/// A time in UTC, seconds precise: what a glance at a watermark needs.
fn instant(ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(ms)
        .map_or_else(|| ms.to_string(), |t| t.format("%Y-%m-%d %H:%M:%S").to_string())
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
