//! Reading CSV: a record is split into cells, wanted cells are converted.

use weir_core::types::ticks_per_second;
use weir_core::{Error, Result, TypeKind};

use super::CsvFormat;
use crate::format::column::{Column, Data};
use crate::format::json::is_utf8;
use crate::format::projection::Projection;
use crate::format::text::{
    DecimalText, TimestampStyle, java_trim, parse_date, parse_decimal, parse_double, parse_integer,
    parse_time, parse_timestamp,
};
use crate::format::{Decoded, Decoder, FormatColumn, ReadSchema, shown};

/// One cell: a stretch of the input, or of the scratch buffer if quotes or escapes were removed.
#[derive(Debug, Clone, Copy)]
struct Cell {
    start: usize,
    end: usize,
    scratch: bool,
}

pub(super) struct CsvDecoder {
    format: CsvFormat,
    names: Vec<String>,
    projection: Projection,
    columns: Vec<Column>,
    cells: Vec<Cell>,
    scratch: Vec<u8>,
    rows: usize,
}

/// Outcome of splitting one record.
enum Split {
    /// Cells are filled; the next record starts here.
    Record(usize),
    /// A comment or a blank line among comments; the next record starts here.
    Nothing(usize),
    /// The record goes on after the end of the bytes.
    Unfinished,
}

impl CsvDecoder {
    pub(super) fn new(format: CsvFormat, read: &ReadSchema) -> Result<Self> {
        let paths = read
            .columns
            .iter()
            .map(|c| match c {
                FormatColumn::Path(p) => Ok(p.clone()),
                FormatColumn::Metadata(key) => {
                    Err(Error::validation(format!("format 'csv' has no metadata column '{key}'")))
                }
            })
            .collect::<Result<Vec<_>>>()?;
        let projection = Projection::new(&read.physical, &paths, false)?;
        Ok(Self {
            format,
            names: read.physical.fields.iter().map(|f| f.name.clone()).collect(),
            columns: projection.slots.iter().map(|s| Column::new(&s.ty)).collect(),
            projection,
            cells: Vec::new(),
            scratch: Vec::new(),
            rows: 0,
        })
    }

    /// Splits the record at `pos`. Without `last` a record must end with a line feed.
    fn split(&mut self, bytes: &[u8], mut pos: usize, last: bool) -> Split {
        self.cells.clear();
        self.scratch.clear();
        // Where comments are allowed, blank lines count as such; else they are rows.
        match bytes[pos] {
            b'\n' if self.format.comments => return Split::Nothing(pos + 1),
            b'\r' if self.format.comments && bytes.get(pos + 1) == Some(&b'\n') => {
                return Split::Nothing(pos + 2);
            }
            b'#' if self.format.comments => {
                return match memchr::memchr(b'\n', &bytes[pos..]) {
                    Some(i) => Split::Nothing(pos + i + 1),
                    None if last => Split::Nothing(bytes.len()),
                    None => Split::Unfinished,
                };
            }
            _ => {}
        }
        loop {
            let cell_end = match self.quote_at(bytes, pos) {
                Some(at) => self.quoted(bytes, at + 1),
                None => self.plain(bytes, pos),
            };
            let Some((cell, end)) = cell_end else {
                return Split::Unfinished;
            };
            self.cells.push(cell);
            match bytes.get(end) {
                Some(&b) if b == self.format.delimiter => pos = end + 1,
                Some(b'\n') => return Split::Record(end + 1),
                Some(b'\r') => return Split::Record((end + 2).min(bytes.len())),
                Some(_) => return Split::Record(end + 1),
                None if last => return Split::Record(bytes.len()),
                None => return Split::Unfinished,
            }
            if pos >= bytes.len() && !last {
                return Split::Unfinished;
            }
        }
    }

    /// Where a quoted cell opens, past leading blanks.
    fn quote_at(&self, bytes: &[u8], pos: usize) -> Option<usize> {
        let quote = self.format.quote?;
        let mut at = pos;
        while let Some(&b) = bytes.get(at) {
            if b == quote {
                return Some(at);
            }
            if (b != b' ' && b != b'\t') || b == self.format.delimiter {
                return None;
            }
            at += 1;
        }
        None
    }

    /// A cell without quotes: up to the delimiter or line end.
    fn plain(&mut self, bytes: &[u8], pos: usize) -> Option<(Cell, usize)> {
        let delimiter = self.format.delimiter;
        let rest = &bytes[pos.min(bytes.len())..];
        let length = memchr::memchr2(delimiter, b'\n', rest).unwrap_or(rest.len());
        let mut end = pos + length;
        if let Some(escape) = self.format.escape
            && memchr::memchr(escape, &bytes[pos..end]).is_some()
        {
            return Some(self.plain_escaped(bytes, pos, escape));
        }
        if end > pos && bytes.get(end) != Some(&delimiter) && bytes[end - 1] == b'\r' {
            end -= 1;
        }
        Some((Cell { start: pos, end, scratch: false }, end))
    }

    fn plain_escaped(&mut self, bytes: &[u8], pos: usize, escape: u8) -> (Cell, usize) {
        let start = self.scratch.len();
        let mut at = pos;
        while let Some(&b) = bytes.get(at) {
            if b == escape && at + 1 < bytes.len() {
                self.scratch.push(unescaped(bytes[at + 1]));
                at += 2;
                continue;
            }
            if b == self.format.delimiter || b == b'\n' {
                break;
            }
            if b == b'\r' && bytes.get(at + 1) == Some(&b'\n') {
                break;
            }
            self.scratch.push(b);
            at += 1;
        }
        (Cell { start, end: self.scratch.len(), scratch: true }, at)
    }

    /// A quoted cell; `pos` is after the opening quote. `None` if it does not end.
    fn quoted(&mut self, bytes: &[u8], pos: usize) -> Option<(Cell, usize)> {
        let quote = self.format.quote?;
        let start = self.scratch.len();
        let mut at = pos;
        let mut from = pos;
        loop {
            let step = match self.format.escape {
                Some(e) => memchr::memchr2(quote, e, bytes.get(at..)?)?,
                None => memchr::memchr(quote, bytes.get(at..)?)?,
            };
            at += step;
            if bytes[at] != quote {
                // An escape character: the next byte stands for itself.
                let next = *bytes.get(at + 1)?;
                self.scratch.extend_from_slice(&bytes[from..at]);
                self.scratch.push(unescaped(next));
                at += 2;
                from = at;
                continue;
            }
            if bytes.get(at + 1) == Some(&quote) {
                self.scratch.extend_from_slice(&bytes[from..=at]);
                at += 2;
                from = at;
                continue;
            }
            let cell = if self.scratch.len() == start {
                Cell { start: pos, end: at, scratch: false }
            } else {
                self.scratch.extend_from_slice(&bytes[from..at]);
                Cell { start, end: self.scratch.len(), scratch: true }
            };
            let mut end = at + 1;
            // Blanks between the closing quote and the delimiter are dropped.
            while matches!(bytes.get(end), Some(b' ' | b'\t'))
                && bytes.get(end) != Some(&self.format.delimiter)
            {
                end += 1;
            }
            return Some((cell, end));
        }
    }

    /// Converts the cells of a record into the next row.
    fn row(&mut self, record: &[u8], bytes: &[u8]) -> Result<()> {
        let count = self.names.len();
        let fault = if self.cells.len() > count {
            Some(format!("it has more than {count} columns"))
        } else if !is_utf8(record) {
            Some("it is not UTF-8".to_owned())
        } else {
            None
        };
        if let Some(fault) = fault {
            if self.format.ignore_errors {
                return Ok(());
            }
            return Err(self.error(&fault, record));
        }
        for i in 0..self.columns.len() {
            let physical = self.projection.slots[i].path[0];
            let column = &mut self.columns[i];
            let Some(cell) = self.cells.get(physical) else {
                column.push_null();
                continue;
            };
            let source = if cell.scratch { self.scratch.as_slice() } else { bytes };
            let text = &source[cell.start..cell.end];
            if convert(text, column, &self.format).is_some() {
                continue;
            }
            column.truncate(self.rows);
            if self.format.ignore_errors {
                column.push_null();
                continue;
            }
            let fault = format!(
                "column '{}': '{}' is no {}",
                self.names[physical],
                shown(text),
                column.ty()
            );
            self.columns.iter_mut().for_each(|c| c.truncate(self.rows));
            return Err(self.error(&fault, record));
        }
        if self.cells.len() < count && !self.format.ignore_errors {
            let fault = format!(
                "Row length mismatch. {count} fields expected but was {}",
                self.cells.len()
            );
            self.columns.iter_mut().for_each(|c| c.truncate(self.rows));
            return Err(self.error(&fault, record));
        }
        self.rows += 1;
        Ok(())
    }

    fn error(&self, fault: &str, record: &[u8]) -> Error {
        let prefix = &self.format.prefix;
        Error::data(format!("cannot read CSV record, {fault}; record: {}", shown(record))).hint(
            format!(
                "set '{prefix}ignore-parse-errors' = 'true' to skip what cannot be read, or \
                 '{prefix}null-literal' to the text that stands for NULL"
            ),
        )
    }
}

fn unescaped(b: u8) -> u8 {
    match b {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'0' => 0,
        other => other,
    }
}

/// Appends the value of a cell; `None` if it does not convert.
fn convert(text: &[u8], column: &mut Column, format: &CsvFormat) -> Option<()> {
    if format.null_literal.as_ref().is_some_and(|n| n.as_bytes() == text) {
        column.push_null();
        return Some(());
    }
    let (min, max) = match column.ty().kind {
        TypeKind::TinyInt => (i8::MIN.into(), i8::MAX.into()),
        TypeKind::SmallInt => (i16::MIN.into(), i16::MAX.into()),
        TypeKind::Int | TypeKind::IntervalYearMonth(..) => (i32::MIN.into(), i32::MAX.into()),
        _ => (i64::MIN, i64::MAX),
    };
    match &column.ty().kind {
        TypeKind::Char(_) | TypeKind::Varchar(_) => column.push_bytes(text),
        TypeKind::TinyInt
        | TypeKind::SmallInt
        | TypeKind::Int
        | TypeKind::BigInt
        | TypeKind::IntervalYearMonth(..)
        | TypeKind::IntervalDayTime(..) => {
            column.push_integer(parse_integer(java_trim(text), min, max)?);
        }
        TypeKind::Boolean => {
            column.push_bool(java_trim(text).eq_ignore_ascii_case(b"true"));
        }
        TypeKind::Float => {
            let d = parse_double(text)?;
            let exact = std::str::from_utf8(java_trim(text)).ok().and_then(|t| t.parse().ok());
            column.push_f32(exact.unwrap_or(d as f32));
        }
        TypeKind::Double => column.push_f64(parse_double(text)?),
        TypeKind::Decimal(p, s) => match parse_decimal(java_trim(text), *p, *s) {
            DecimalText::Value(v) => column.push_i128(v),
            DecimalText::Overflow => column.push_null(),
            DecimalText::Invalid => return None,
        },
        TypeKind::Binary(_) | TypeKind::Varbinary(_) => {
            use base64::Engine as _;
            let v = base64::engine::general_purpose::STANDARD.decode(java_trim(text)).ok()?;
            column.push_bytes(&v);
        }
        TypeKind::Date => column.push_i32(parse_date(java_trim(text), false)?),
        TypeKind::Time(_) => {
            column.push_i32((parse_time(java_trim(text), true)? / 1_000_000) as i32);
        }
        TypeKind::Timestamp(p, _) => column.push_i64(timestamp(text, false, *p)?),
        TypeKind::TimestampLtz(p, _) => column.push_i64(timestamp(text, true, *p)?),
        TypeKind::Array(_) => return convert_array(text, column, format),
        TypeKind::Row(_) => return convert_row(text, column, format),
        _ => return None,
    }
    Some(())
}

fn timestamp(text: &[u8], zone: bool, precision: u8) -> Option<i64> {
    parse_timestamp(java_trim(text), TimestampStyle::Sql, zone, ticks_per_second(precision))
}

/// Parts of a nested cell; an empty cell has none.
fn parts<'a>(text: &'a [u8], format: &'a CsvFormat) -> impl Iterator<Item = &'a [u8]> {
    // Cells were checked to be UTF-8.
    let text = std::str::from_utf8(text).unwrap_or("");
    let empty = text.is_empty();
    text.split(format.element_delimiter.as_str()).filter(move |_| !empty).map(str::as_bytes)
}

fn convert_array(text: &[u8], column: &mut Column, format: &CsvFormat) -> Option<()> {
    let Data::List { offsets, child } = &mut column.data else { return None };
    for part in parts(text, format) {
        convert_element(part, child, format)?;
    }
    offsets.push(child.len() as i32);
    column.valid();
    Some(())
}

fn convert_row(text: &[u8], column: &mut Column, format: &CsvFormat) -> Option<()> {
    let Data::Struct(children) = &mut column.data else { return None };
    let mut found = parts(text, format);
    for child in children.iter_mut() {
        match found.next() {
            Some(part) => convert_element(part, child, format)?,
            None => child.push_null(),
        }
    }
    column.valid();
    Some(())
}

fn convert_element(part: &[u8], child: &mut Column, format: &CsvFormat) -> Option<()> {
    let len = child.len();
    match convert(part, child, format) {
        None if format.ignore_errors => {
            child.truncate(len);
            child.push_null();
            Some(())
        }
        other => other,
    }
}

impl Decoder for CsvDecoder {
    fn decode_record(&mut self, record: &[u8]) -> Result<()> {
        if record.is_empty() {
            return Ok(());
        }
        match self.split(record, 0, true) {
            Split::Record(_) => self.row(record, record),
            Split::Nothing(_) => Ok(()),
            Split::Unfinished if self.format.ignore_errors => Ok(()),
            Split::Unfinished => Err(self.error("a quoted value does not end", record)),
        }
    }

    fn decode_stream(&mut self, bytes: &[u8], last: bool, max_rows: usize) -> Result<usize> {
        let mut pos = 0;
        while pos < bytes.len() && self.rows < max_rows {
            match self.split(bytes, pos, last) {
                Split::Record(next) => {
                    self.row(&bytes[pos..next], bytes)?;
                    pos = next;
                }
                Split::Nothing(next) => pos = next,
                Split::Unfinished if !last => break,
                Split::Unfinished if self.format.ignore_errors => pos = bytes.len(),
                Split::Unfinished => {
                    return Err(self.error("a quoted value does not end", &bytes[pos..]));
                }
            }
        }
        Ok(pos)
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn finish(&mut self) -> Result<Decoded> {
        let slots = self.columns.iter_mut().map(Column::finish).collect::<Result<Vec<_>>>()?;
        let columns = self.projection.outputs(&slots)?;
        Ok(Decoded { columns, rows: std::mem::take(&mut self.rows), kinds: None })
    }
}
