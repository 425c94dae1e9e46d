//! Tables: two append tables in event-time order with jitter, and views over them
//! that update and retract.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;

use super::query::Query;
use super::random::Random;

/// One row: `k, v, d, s, ts`; NULL is absent.
#[derive(Clone)]
pub struct Line {
    k: Option<u64>,
    v: Option<i64>,
    d: Option<i64>,
    s: Option<&'static str>,
    /// Milliseconds of event time.
    ts: u64,
}

impl Line {
    fn csv(&self) -> String {
        let decimal = |n: i64| {
            format!("{}{}.{:02}", if n < 0 { "-" } else { "" }, n.abs() / 100, n.abs() % 100)
        };
        format!(
            "{},{},{},{},{}\n",
            self.k.map_or(String::new(), |k| k.to_string()),
            self.v.map_or(String::new(), |v| v.to_string()),
            self.d.map_or(String::new(), decimal),
            self.s.unwrap_or(""),
            timestamp(self.ts)
        )
    }
}

/// The rows of the two tables, and how they are joined in streaming mode.
#[derive(Clone)]
pub struct Data {
    /// Rows of `a` and `b`.
    pub tables: [Vec<Line>; 2],
    /// Chains of joins are one operator.
    multi_join: bool,
    /// Joins and aggregations take one row at a time, so that every change is made and undone.
    row_by_row: bool,
}

/// Rows arrive at most this much out of order, and watermarks lag by more.
const JITTER_MS: u64 = 4_000;

impl Data {
    /// Small tables with few keys, so that keys meet.
    pub fn random(r: &mut Random) -> Self {
        let keys = 2 + r.below(5);
        let mut table = || {
            let rows = r.below(24);
            (0..rows).map(|i| line(r, i, keys)).collect()
        };
        let tables = [table(), table()];
        Self { tables, multi_join: r.one_in(2), row_by_row: !r.one_in(3) }
    }

    /// Writes the folders `a` and `b`: files of a few rows, which arrive as batches of their
    /// own, so that results are updated and taken back.
    pub fn write(&self, dir: &Path) -> Result<()> {
        for (name, rows) in ["a", "b"].iter().zip(&self.tables) {
            let folder = dir.join(name);
            let _ = std::fs::remove_dir_all(&folder);
            std::fs::create_dir_all(&folder)?;
            for (i, part) in rows.chunks(3).enumerate() {
                let text: String = part.iter().map(Line::csv).collect();
                std::fs::write(folder.join(format!("part-{i:02}.csv")), text)?;
            }
        }
        Ok(())
    }

    /// The tables, the views and the queries.
    pub fn script(&self, dir: &Path, queries: &[Query], batch: bool) -> String {
        let mut out = String::new();
        if batch {
            out.push_str("SET 'execution.runtime-mode' = 'batch';\n");
        }
        if self.multi_join {
            out.push_str("SET 'table.optimizer.multi-join.enabled' = 'true';\n");
        }
        for name in ["a", "b"] {
            let _ = writeln!(
                out,
                "CREATE TABLE {name} (k INT, v INT, d DECIMAL(10, 2), s STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH ('connector' = 'filesystem', 'path' = '{}/{name}', 'format' = 'csv', 'csv.null-literal' = '');",
                dir.display()
            );
        }
        out.push_str(VIEWS);
        for q in queries {
            let sql = q.sql();
            // What shows its changes gets them row by row.
            let _ = match batch || !self.row_by_row {
                true => writeln!(out, "{sql};"),
                false => writeln!(
                    out,
                    "SELECT * FROM FROM_CHANGELOG(input => (SELECT * FROM TO_CHANGELOG(input => ({sql}))));"
                ),
            };
        }
        out
    }
}

/// Relations whose rows are updated and taken back, with the columns of the tables but `ts`.
const VIEWS: &str = "\
CREATE VIEW u AS SELECT k, CAST(COUNT(*) AS INT) AS v, SUM(d) AS d, MAX(s) AS s FROM a GROUP BY k;
CREATE VIEW l AS SELECT k, v, d, s FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC, v DESC, d DESC, s DESC) AS rn FROM b) WHERE rn = 1;
CREATE VIEW n AS SELECT v AS k, CAST(SUM(k) AS INT) AS v, MIN(d) AS d, MIN(s) AS s FROM b GROUP BY v;
CREATE VIEW w AS SELECT a.k, b.v, a.d, b.s FROM a LEFT JOIN b ON a.k = b.k AND a.v < b.v;
";

fn line(r: &mut Random, i: u64, keys: u64) -> Line {
    const WORDS: [&str; 5] = ["x", "y", "ab", "b c", "zz"];
    let sometimes = |r: &mut Random, n: u64| !r.one_in(n);
    Line {
        k: sometimes(r, 8).then(|| r.below(keys)),
        v: sometimes(r, 6).then(|| r.below(12) as i64 - 3),
        d: sometimes(r, 6).then(|| r.below(4000) as i64 - 1000),
        s: sometimes(r, 5).then(|| WORDS[r.below(5) as usize]),
        // Distinct times, so that an order by time is one.
        ts: (i * 1_700 + r.below(JITTER_MS)) / 100 * 100 + i,
    }
}

fn timestamp(ms: u64) -> String {
    let s = ms / 1000;
    format!("2024-01-01 {:02}:{:02}:{:02}.{:03}", s / 3600, s / 60 % 60, s % 60, ms % 1000)
}
