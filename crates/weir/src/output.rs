//! Results on standard output: final rows as table, CSV or JSON, or the changelog.
//!
//! A query's result is its changelog applied: rows are kept as formatted cells
//! with their count, in order of arrival, so that -U and -D take back one equal row.

use std::io::{self, BufWriter, Write};

use arrow::array::ArrayRef;
use indexmap::IndexMap;
use unicode_width::UnicodeWidthStr;
use weir_core::{ChangeBatch, Result, Schema};
use weir_functions::Zone;
use weir_sql::ResultTable;

use crate::Format;

/// One row as text; NULL is `None`.
pub type Cells = Vec<Option<String>>;

/// Prints results of statements, one after the other.
pub struct Printer {
    format: Format,
    zone: Zone,
    blocks: usize,
    live: Option<usize>,
    out: BufWriter<io::Stdout>,
}

impl Printer {
    /// A printer to standard output. `zone` is the session's time zone.
    pub fn new(format: Format) -> Self {
        Self { format, zone: Zone::UTC, blocks: 0, live: None, out: BufWriter::new(io::stdout()) }
    }

    /// The height that a running query may be drawn in, if it is drawn at all.
    pub fn live_height(&self) -> Option<usize> {
        self.live.filter(|_| self.format == Format::Table)
    }

    /// Draws running queries as they change, on a terminal of this height.
    pub fn set_live(&mut self, height: Option<usize>) {
        self.live = height;
    }

    /// Sets the zone that TIMESTAMP_LTZ values are shown in.
    pub fn set_zone(&mut self, zone: &str) {
        self.zone = Zone::try_parse(zone).unwrap_or(Zone::UTC);
    }

    /// Rows known at once.
    pub fn table(&mut self, table: &ResultTable) -> io::Result<()> {
        let mut rows = Materialised::new(&table.schema);
        for row in &table.rows {
            rows.add(row.clone());
        }
        self.finish(&rows)
    }

    /// Text in one cell.
    pub fn text(&mut self, text: &str) -> io::Result<()> {
        if self.format == Format::Csv {
            return self.table(&ResultTable::list("result", [text.to_owned()]));
        }
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    /// Formats a batch: kinds and cells.
    pub fn cells(&self, batch: &ChangeBatch, schema: &Schema) -> Vec<Cells> {
        let columns: Vec<&ArrayRef> = batch.rows.columns().iter().collect();
        (0..batch.len())
            .map(|row| {
                columns
                    .iter()
                    .zip(&schema.fields)
                    .map(|(c, f)| weir_functions::format_value(c, row, &f.ty, self.zone))
                    .collect()
            })
            .collect()
    }

    /// Shows a batch of a running query, in changelog format at once.
    pub fn changes(&mut self, batch: &ChangeBatch, rows: &mut Materialised) -> Result<()> {
        for (i, cells) in self.cells(batch, &rows.schema).into_iter().enumerate() {
            let kind = batch.kind(i);
            if self.format == Format::Changelog {
                let shown: Vec<String> = cells.iter().map(|c| shown(c.as_deref())).collect();
                writeln!(self.out, "{}[{}]", kind.symbol(), shown.join(", "))?;
            } else if kind.is_plus() {
                rows.add(cells);
            } else {
                rows.remove(&cells);
            }
        }
        if self.format == Format::Changelog {
            self.out.flush()?;
        }
        Ok(())
    }

    /// Prints the final rows of a result.
    pub fn finish(&mut self, rows: &Materialised) -> io::Result<()> {
        match self.format {
            Format::Changelog if rows.is_empty() => {}
            Format::Csv => self.csv(rows)?,
            Format::Json => self.json(rows)?,
            Format::Table | Format::Changelog => self.aligned(rows)?,
        }
        self.blocks += 1;
        self.out.flush()
    }

    fn csv(&mut self, rows: &Materialised) -> io::Result<()> {
        if self.blocks > 0 {
            writeln!(self.out, "---")?;
        }
        let header: Vec<String> = rows.schema.fields.iter().map(|f| quoted(&f.name)).collect();
        writeln!(self.out, "{}", header.join(","))?;
        for row in rows.rows() {
            let cells: Vec<String> =
                row.iter().map(|c| c.as_deref().map_or(String::new(), quoted)).collect();
            writeln!(self.out, "{}", cells.join(","))?;
        }
        Ok(())
    }

    fn json(&mut self, rows: &Materialised) -> io::Result<()> {
        for row in rows.rows() {
            let object: serde_json::Map<String, serde_json::Value> = rows
                .schema
                .fields
                .iter()
                .zip(row)
                .map(|(f, c)| (f.name.clone(), json_value(c.as_deref(), f)))
                .collect();
            writeln!(self.out, "{}", serde_json::Value::Object(object))?;
        }
        Ok(())
    }

    fn aligned(&mut self, rows: &Materialised) -> io::Result<()> {
        let (text, n) = rows.drawn(usize::MAX);
        let plural = if n == 1 { "" } else { "s" };
        writeln!(self.out, "{text}{n} row{plural}")
    }
}

impl Materialised {
    /// The last `limit` rows as an aligned table, and how many rows there are.
    pub fn drawn(&self, limit: usize) -> (String, usize) {
        let names: Vec<String> = self.schema.fields.iter().map(|f| f.name.clone()).collect();
        let n = self.rows().count();
        let body: Vec<Vec<String>> = self
            .rows()
            .skip(n.saturating_sub(limit))
            .map(|r| r.iter().map(|c| shown(c.as_deref())).collect())
            .collect();
        let widths: Vec<usize> = (0..names.len())
            .map(|c| {
                let cells = body.iter().map(|r| width(&r[c]));
                cells.chain([width(&names[c])]).max().unwrap_or(0)
            })
            .collect();
        let rule: Vec<String> = widths.iter().map(|w| "-".repeat(w + 2)).collect();
        let rule = format!("+{}+", rule.join("+"));
        let mut text = format!("{rule}\n{}\n{rule}\n", line(&names, &widths));
        for row in &body {
            text.push_str(&line(row, &widths));
            text.push('\n');
        }
        text.push_str(&rule);
        text.push('\n');
        (text, n)
    }
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let padded: Vec<String> = cells
        .iter()
        .zip(widths)
        .map(|(c, w)| format!(" {c}{} ", " ".repeat(w - width(c))))
        .collect();
    format!("|{}|", padded.join("|"))
}

/// Columns on a terminal: East Asian wide characters take two.
fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

fn shown(cell: Option<&str>) -> String {
    cell.unwrap_or("<NULL>").replace('\n', "\\n")
}

fn json_value(cell: Option<&str>, field: &weir_core::Field) -> serde_json::Value {
    let Some(text) = cell else { return serde_json::Value::Null };
    let typed = field.ty.is_numeric() || matches!(field.ty.kind, weir_core::TypeKind::Boolean);
    if typed && let Ok(v) = serde_json::from_str(&text.to_lowercase()) {
        return v;
    }
    serde_json::Value::String(text.to_owned())
}

/// A CSV field; the empty string is quoted, so that it differs from NULL.
fn quoted(text: &str) -> String {
    if text.is_empty() || text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// The rows of a result, the changelog applied.
pub struct Materialised {
    /// Columns.
    pub schema: Schema,
    rows: IndexMap<Cells, usize>,
}

impl Materialised {
    /// No rows yet.
    pub fn new(schema: &Schema) -> Self {
        Self { schema: schema.clone(), rows: IndexMap::new() }
    }

    fn add(&mut self, cells: Cells) {
        *self.rows.entry(cells).or_insert(0) += 1;
    }

    fn remove(&mut self, cells: &Cells) {
        if let Some(count) = self.rows.get_mut(cells) {
            *count -= 1;
            if *count == 0 {
                // Order only matters for results without retractions.
                self.rows.swap_remove(cells);
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn rows(&self) -> impl Iterator<Item = &Cells> {
        self.rows.iter().flat_map(|(cells, &n)| std::iter::repeat_n(cells, n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_and_null_differ_in_csv() {
        assert_eq!(quoted(""), "\"\"");
        assert_eq!(quoted("a,b"), "\"a,b\"");
        assert_eq!(quoted("x"), "x");
    }

    #[test]
    fn a_retraction_takes_one_row_back() {
        let mut m = Materialised::new(&Schema::default());
        let row: Cells = vec![Some("1".into())];
        m.add(row.clone());
        m.add(row.clone());
        m.remove(&row);
        assert_eq!(m.rows().count(), 1);
        m.remove(&row);
        assert!(m.is_empty());
    }

    #[test]
    fn wide_characters() {
        assert_eq!(width("堰a"), 3);
    }
}
