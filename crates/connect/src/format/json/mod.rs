//! The JSON format: one object per record, or an array of objects.
//!
//! [`scan`] knows JSON text, [`decode`] the schema, [`encode`] writes. UTF-8 is
//! checked once per stretch of the stream, so that strings are copied unchecked.

pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod scan;
#[cfg(test)]
mod tests;

use weir_core::config::bad_value;
use weir_core::{Error, Options, Result, Schema};

use super::column::Column;
use super::projection::Projection;
use super::text::TimestampStyle;
use super::{Decoded, Decoder, Encoder, FormatColumn, ReadSchema, RecordFormat, shown};
use decode::{JsonReader, ObjectReader, Rules};
use encode::{EncodeRules, MapNullKey};
use scan::{Cursor, Fault};

/// Options of the format, without prefix.
pub const OPTIONS: &[&str] = &[
    "fail-on-missing-field",
    "ignore-parse-errors",
    "timestamp-format.standard",
    "map-null-key.mode",
    "map-null-key.literal",
    "encode.decimal-as-plain-number",
    "encode.ignore-null-fields",
    "decode.json-parser.enabled",
];

/// The JSON format with its options.
#[derive(Debug, Clone)]
pub struct JsonFormat {
    pub(crate) rules: Rules,
    pub(crate) encode: EncodeRules,
    pub(crate) prefix: String,
}

impl JsonFormat {
    /// Reads the format's options, whose full names start with `prefix`.
    pub fn new(options: &Options, prefix: &str) -> Result<Self> {
        let style = timestamp_style(options, prefix)?;
        let rules = Rules {
            fail_on_missing: options.bool_or("fail-on-missing-field", false)?,
            ignore_errors: options.bool_or("ignore-parse-errors", false)?,
            style,
        };
        if rules.fail_on_missing && rules.ignore_errors {
            return Err(Error::option(format!(
                "'{prefix}fail-on-missing-field' and '{prefix}ignore-parse-errors' cannot both be true"
            )));
        }
        // Both of Flink's JSON parsers give the same rows; ours is neither.
        options.bool_or("decode.json-parser.enabled", true)?;
        Ok(Self { rules, encode: encode_rules(options, prefix, style)?, prefix: prefix.to_owned() })
    }
}

/// `timestamp-format.standard`
pub(crate) fn timestamp_style(options: &Options, prefix: &str) -> Result<TimestampStyle> {
    match options.get("timestamp-format.standard") {
        None | Some("SQL") => Ok(TimestampStyle::Sql),
        Some("ISO-8601") => Ok(TimestampStyle::Iso),
        Some(v) => {
            Err(bad_value(&format!("{prefix}timestamp-format.standard"), v, "'SQL' or 'ISO-8601'"))
        }
    }
}

/// The options for writing.
pub(crate) fn encode_rules(
    options: &Options,
    prefix: &str,
    style: TimestampStyle,
) -> Result<EncodeRules> {
    let literal = options.get("map-null-key.literal").unwrap_or("null").to_owned();
    let map_null_key = match options.get("map-null-key.mode").map(str::to_uppercase).as_deref() {
        None | Some("FAIL") => MapNullKey::Fail,
        Some("DROP") => MapNullKey::Drop,
        Some("LITERAL") => MapNullKey::Literal(literal),
        Some(v) => {
            let key = format!("{prefix}map-null-key.mode");
            return Err(bad_value(&key, v, "'FAIL', 'DROP' or 'LITERAL'"));
        }
    };
    Ok(EncodeRules {
        style,
        map_null_key,
        plain_decimals: options.bool_or("encode.decimal-as-plain-number", false)?,
        ignore_nulls: options.bool_or("encode.ignore-null-fields", false)?,
    })
}

impl RecordFormat for JsonFormat {
    fn identifier(&self) -> &'static str {
        "json"
    }
    fn decoder(&self, read: &ReadSchema) -> Result<Box<dyn Decoder>> {
        Ok(Box::new(JsonDecoder::new(self, read)?))
    }
    fn encoder(&self, schema: &Schema) -> Result<Box<dyn Encoder>> {
        Ok(Box::new(encode::JsonEncoder::new(schema, self.encode.clone())?))
    }
}

/// Rows being read: columns, and how objects go into them. Shared with the CDC formats.
pub(crate) struct RowReader {
    pub(crate) reader: JsonReader,
    object: ObjectReader,
    columns: Vec<Column>,
    projection: Projection,
    pub(crate) rows: usize,
}

impl RowReader {
    pub(crate) fn new(rules: Rules, physical: &Schema, paths: &[Vec<usize>]) -> Result<Self> {
        let projection = Projection::new(physical, paths, true)?;
        Ok(Self {
            reader: JsonReader::new(rules),
            object: ObjectReader::for_slots(&physical.fields, &projection.slots)?,
            columns: projection.slots.iter().map(|s| Column::new(&s.ty)).collect(),
            projection,
            rows: 0,
        })
    }

    /// Reads one object as the next row, without ending the row.
    pub(crate) fn fill(&mut self, c: &mut Cursor<'_>) -> Result<(), Fault> {
        let row = self.rows;
        let read = self.reader.object(c, &mut self.object, &mut self.columns, row);
        if read.is_err() {
            self.columns.iter_mut().for_each(|col| col.truncate(row));
        }
        read
    }

    /// Ends the row: fields that did not come are NULL.
    #[inline]
    pub(crate) fn end_row(&mut self) {
        self.rows += 1;
        for column in &mut self.columns {
            if column.len() < self.rows {
                column.push_null();
            }
        }
    }

    /// Drops the rows from `rows` on.
    pub(crate) fn truncate(&mut self, rows: usize) {
        self.columns.iter_mut().for_each(|c| c.truncate(rows));
        self.rows = rows;
    }

    /// The wanted columns.
    pub(crate) fn finish(&mut self) -> Result<(Vec<arrow::array::ArrayRef>, usize)> {
        let slots = self.columns.iter_mut().map(Column::finish).collect::<Result<Vec<_>>>()?;
        let rows = std::mem::take(&mut self.rows);
        Ok((self.projection.outputs(&slots)?, rows))
    }

    /// The error for a fault in a record.
    pub(crate) fn error(&mut self, fault: Fault, record: &[u8], prefix: &str) -> Error {
        let mut trail = std::mem::take(&mut self.reader.trail);
        trail.reverse();
        let what = match (fault.syntax, trail.is_empty()) {
            (true, _) => format!("broken at byte {}: expected {}", fault.at, fault.expected),
            (false, true) => format!("expected {}", fault.expected),
            (false, false) => format!("field '{}': expected {}", trail.join("."), fault.expected),
        };
        Error::data(format!("cannot read JSON record, {what}; record: {}", shown(record)))
            .hint(format!("set '{prefix}ignore-parse-errors' = 'true' to skip what cannot be read"))
    }
}

/// Whether bytes are UTF-8, checked a stretch at a time.
pub(crate) fn is_utf8(bytes: &[u8]) -> bool {
    simdutf8::basic::from_utf8(bytes).is_ok()
}

/// So many bytes are checked for UTF-8 before they are decoded, to stay in the cache.
const STRETCH: usize = 128 << 10;

/// Hands the lines of a stream to `line(bytes, is_utf8)` until it says stop; returns the bytes used.
pub(crate) fn for_lines(
    bytes: &[u8],
    last: bool,
    mut line: impl FnMut(&[u8], bool) -> Result<bool>,
) -> Result<usize> {
    let end = match memchr::memrchr(b'\n', bytes) {
        _ if last => bytes.len(),
        Some(at) => at + 1,
        None => return Ok(0),
    };
    let mut pos = 0;
    while pos < end {
        let window = &bytes[pos..end.min(pos + STRETCH)];
        let stretch = match memchr::memrchr(b'\n', window) {
            Some(at) => &bytes[pos..=pos + at],
            // One line longer than the stretch, or the unfinished last one.
            None => {
                let rest = &bytes[pos..end];
                &rest[..memchr::memchr(b'\n', rest).map_or(rest.len(), |i| i + 1)]
            }
        };
        let valid = is_utf8(stretch);
        let mut at = 0;
        while at < stretch.len() {
            let next = memchr::memchr(b'\n', &stretch[at..]).map_or(stretch.len(), |i| at + i);
            let text = &stretch[at..next];
            let go_on = line(text, valid || is_utf8(text))?;
            at = next + 1;
            if !go_on {
                return Ok((pos + at).min(end));
            }
        }
        pos += stretch.len();
    }
    Ok(end)
}

struct JsonDecoder {
    rows: RowReader,
    prefix: String,
}

impl JsonDecoder {
    fn new(format: &JsonFormat, read: &ReadSchema) -> Result<Self> {
        let paths = read
            .columns
            .iter()
            .map(|c| match c {
                FormatColumn::Path(p) => Ok(p.clone()),
                FormatColumn::Metadata(key) => {
                    Err(Error::validation(format!("format 'json' has no metadata column '{key}'")))
                }
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            rows: RowReader::new(format.rules, &read.physical, &paths)?,
            prefix: format.prefix.clone(),
        })
    }

    fn record(&mut self, record: &[u8], valid: bool) -> Result<()> {
        let before = self.rows.rows;
        let fault = if valid {
            match read_rows(&mut self.rows, record) {
                Ok(()) => return Ok(()),
                Err(f) => f,
            }
        } else {
            Fault { syntax: true, at: 0, expected: "UTF-8 text" }
        };
        self.rows.truncate(before);
        if self.rows.reader.rules.ignore_errors {
            self.rows.reader.trail.clear();
            return Ok(());
        }
        Err(self.rows.error(fault, record, &self.prefix))
    }
}

fn read_rows(rows: &mut RowReader, record: &[u8]) -> Result<(), Fault> {
    let mut c = Cursor::new(record);
    match c.peek() {
        b'{' => {
            rows.fill(&mut c)?;
            rows.end_row();
            Ok(())
        }
        // Blank lines and `null` carry no row.
        0 if c.pos == record.len() => Ok(()),
        b'n' => c.literal(b"null"),
        b'[' => read_array(rows, &mut c),
        _ => c.syntax("an object '{..}'"),
    }
}

fn read_array(rows: &mut RowReader, c: &mut Cursor<'_>) -> Result<(), Fault> {
    c.pos += 1;
    if c.peek() == b']' {
        return Ok(());
    }
    loop {
        if c.peek() == b'n' {
            c.literal(b"null")?;
        } else {
            rows.fill(c)?;
            rows.end_row();
        }
        match c.peek() {
            b',' => c.pos += 1,
            b']' => return Ok(()),
            _ => return c.syntax("',' or ']'"),
        }
    }
}

impl Decoder for JsonDecoder {
    fn decode_record(&mut self, record: &[u8]) -> Result<()> {
        let valid = is_utf8(record);
        self.record(record, valid)
    }

    fn decode_stream(&mut self, bytes: &[u8], last: bool, max_rows: usize) -> Result<usize> {
        for_lines(bytes, last, |line, valid| {
            self.record(line, valid)?;
            Ok(self.rows.rows < max_rows)
        })
    }

    fn rows(&self) -> usize {
        self.rows.rows
    }

    fn finish(&mut self) -> Result<Decoded> {
        let (columns, rows) = self.rows.finish()?;
        Ok(Decoded { columns, rows, kinds: None })
    }
}
