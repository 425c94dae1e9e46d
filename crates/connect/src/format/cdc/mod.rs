//! Change events as JSON envelopes: Debezium, Canal, Maxwell, OGG. The envelope is
//! scanned for the places of its parts, whatever their order, and the rows inside
//! are read by the JSON format's own reader.

mod metadata;

use arrow::array::ArrayRef;
use regex::Regex;
use weir_core::config::bad_value;
use weir_core::value::values_to_array;
use weir_core::{Error, Options, Result, RowKind, Schema};
use weir_spec::ChangelogMode;

use metadata::Metadata;

use crate::format::json::decode::Rules;
use crate::format::json::encode::{EncodeRules, JsonEncoder};
use crate::format::json::scan::{Cursor, Fault, Scan, unescape};
use crate::format::json::{RowReader, encode_rules, for_lines, is_utf8, timestamp_style};
use crate::format::{Decoded, Decoder, Encoder, FormatColumn, ReadSchema, RecordFormat, shown};

/// Which envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `debezium-json`
    Debezium,
    /// `canal-json`
    Canal,
    /// `maxwell-json`
    Maxwell,
    /// `ogg-json`
    Ogg,
}

const COMMON: [&str; 6] = [
    "ignore-parse-errors",
    "timestamp-format.standard",
    "map-null-key.mode",
    "map-null-key.literal",
    "encode.decimal-as-plain-number",
    "encode.ignore-null-fields",
];

impl Dialect {
    /// From a format identifier.
    pub fn from_identifier(name: &str) -> Self {
        match name {
            "debezium-json" => Dialect::Debezium,
            "canal-json" => Dialect::Canal,
            "maxwell-json" => Dialect::Maxwell,
            _ => Dialect::Ogg,
        }
    }

    /// The `'format'` value.
    pub fn identifier(self) -> &'static str {
        match self {
            Dialect::Debezium => "debezium-json",
            Dialect::Canal => "canal-json",
            Dialect::Maxwell => "maxwell-json",
            Dialect::Ogg => "ogg-json",
        }
    }

    /// Options of the format, without prefix.
    pub fn options(self) -> &'static [&'static str] {
        const DEBEZIUM: &[&str] =
            &["schema-include", COMMON[0], COMMON[1], COMMON[2], COMMON[3], COMMON[4], COMMON[5]];
        const CANAL: &[&str] = &[
            "database.include",
            "table.include",
            COMMON[0],
            COMMON[1],
            COMMON[2],
            COMMON[3],
            COMMON[4],
            COMMON[5],
        ];
        match self {
            Dialect::Debezium => DEBEZIUM,
            Dialect::Canal => CANAL,
            Dialect::Maxwell | Dialect::Ogg => &COMMON,
        }
    }

    fn metadata(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Dialect::Debezium => &[
                ("schema", "STRING"),
                ("ingestion-timestamp", "TIMESTAMP_LTZ(3)"),
                ("source.timestamp", "TIMESTAMP_LTZ(3)"),
                ("source.database", "STRING"),
                ("source.schema", "STRING"),
                ("source.table", "STRING"),
                ("source.properties", "MAP<STRING, STRING>"),
            ],
            Dialect::Canal => &[
                ("database", "STRING"),
                ("table", "STRING"),
                ("sql-type", "MAP<STRING, INT>"),
                ("pk-names", "ARRAY<STRING>"),
                ("ingestion-timestamp", "TIMESTAMP_LTZ(3)"),
                ("event-timestamp", "TIMESTAMP_LTZ(3)"),
            ],
            Dialect::Maxwell => &[
                ("database", "STRING"),
                ("table", "STRING"),
                ("primary-key-columns", "ARRAY<STRING>"),
                ("ingestion-timestamp", "TIMESTAMP_LTZ(3)"),
            ],
            Dialect::Ogg => &[
                ("table", "STRING"),
                ("primary-keys", "ARRAY<STRING>"),
                ("ingestion-timestamp", "TIMESTAMP_LTZ(6)"),
                ("event-timestamp", "TIMESTAMP_LTZ(6)"),
            ],
        }
    }
}

/// A CDC format with its options.
#[derive(Debug, Clone)]
pub struct CdcFormat {
    dialect: Dialect,
    rules: Rules,
    encode: EncodeRules,
    schema_include: bool,
    database: Option<Regex>,
    table: Option<Regex>,
    prefix: String,
}

impl CdcFormat {
    /// Reads the format's options, whose full names start with `prefix`.
    pub fn new(dialect: Dialect, options: &Options, prefix: &str) -> Result<Self> {
        let style = timestamp_style(options, prefix)?;
        let pattern = |key: &str| {
            options
                .get(key)
                .map(|p| {
                    Regex::new(&format!("^(?:{p})$")).map_err(|_| {
                        bad_value(&format!("{prefix}{key}"), p, "a regular expression")
                    })
                })
                .transpose()
        };
        Ok(Self {
            dialect,
            rules: Rules {
                fail_on_missing: false,
                ignore_errors: options.bool_or("ignore-parse-errors", false)?,
                style,
            },
            encode: encode_rules(options, prefix, style)?,
            schema_include: options.bool_or("schema-include", false)?,
            database: pattern("database.include")?,
            table: pattern("table.include")?,
            prefix: prefix.to_owned(),
        })
    }
}

impl RecordFormat for CdcFormat {
    fn identifier(&self) -> &'static str {
        self.dialect.identifier()
    }
    fn read_mode(&self) -> ChangelogMode {
        ChangelogMode::ALL
    }
    fn write_mode(&self) -> ChangelogMode {
        ChangelogMode::ALL
    }
    fn readable_metadata(&self) -> &'static [(&'static str, &'static str)] {
        self.dialect.metadata()
    }
    fn decoder(&self, read: &ReadSchema) -> Result<Box<dyn Decoder>> {
        let mut paths = Vec::new();
        let mut sources = Vec::new();
        let mut metadata = Vec::new();
        for column in &read.columns {
            match column {
                FormatColumn::Path(p) => {
                    sources.push(Source::Row(paths.len()));
                    paths.push(p.clone());
                }
                FormatColumn::Metadata(key) => {
                    sources.push(Source::Metadata(metadata.len()));
                    metadata.push(Metadata::new(self.dialect, key)?);
                }
            }
        }
        Ok(Box::new(CdcDecoder {
            rows: RowReader::new(self.rules, &read.physical, &paths)?,
            format: self.clone(),
            kinds: Vec::new(),
            sources,
            metadata,
        }))
    }
    fn encoder(&self, schema: &Schema) -> Result<Box<dyn Encoder>> {
        if self.schema_include {
            return Err(Error::option(format!(
                "'{}schema-include' = 'true' is for reading only, writing would lack the schema",
                self.prefix
            )));
        }
        let json = JsonEncoder::new(schema, self.encode.clone())?;
        Ok(Box::new(CdcEncoder { json, dialect: self.dialect }))
    }
}

#[derive(Debug, Clone, Copy)]
enum Source {
    Row(usize),
    Metadata(usize),
}

struct CdcDecoder {
    format: CdcFormat,
    rows: RowReader,
    kinds: Vec<u8>,
    sources: Vec<Source>,
    metadata: Vec<Metadata>,
}

/// Places of an envelope's parts, by the order of the names asked for.
fn places<const N: usize>(c: &mut Cursor<'_>, names: [&str; N]) -> Scan<[Option<usize>; N]> {
    let mut found = [None; N];
    c.expect(b'{', "an object '{..}'")?;
    if c.peek() == b'}' {
        return Ok(found);
    }
    loop {
        if c.peek() != b'"' {
            return c.syntax("a key in double quotes");
        }
        let key = c.string()?;
        c.expect(b':', "':' after the key")?;
        c.peek();
        if let Some(i) = names.iter().position(|n| n.as_bytes() == key.raw) {
            found[i] = Some(c.pos);
        }
        c.skip()?;
        match c.peek() {
            b',' => c.pos += 1,
            b'}' => return Ok(found),
            _ => return c.syntax("',' or '}'"),
        }
    }
}

/// Text of the string at a place.
fn string_at(record: &[u8], place: Option<usize>) -> Option<String> {
    let pos = place.filter(|p| record.get(*p) == Some(&b'"'))?;
    let text = Cursor { bytes: record, pos }.string().ok()?;
    let mut out = Vec::new();
    unescape(text.raw, &mut out);
    String::from_utf8(out).ok()
}

/// Places of an array's elements.
fn elements(record: &[u8], pos: usize) -> Scan<Vec<usize>> {
    let mut c = Cursor { bytes: record, pos };
    let mut out = Vec::new();
    c.expect(b'[', "an array of rows")?;
    if c.peek() == b']' {
        return Ok(out);
    }
    loop {
        c.peek();
        out.push(c.pos);
        c.skip()?;
        match c.peek() {
            b',' => c.pos += 1,
            b']' => return Ok(out),
            _ => return c.syntax("',' or ']'"),
        }
    }
}

fn lacking(expected: &'static str) -> Fault {
    Fault { syntax: false, at: 0, expected }
}

const NO_BEFORE: &str = "the row before the change, but \"before\" is null (with Debezium for \
                         PostgreSQL set REPLICA IDENTITY FULL on the table)";

impl CdcDecoder {
    fn record(&mut self, record: &[u8], valid: bool) -> Result<()> {
        if record.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        let before = self.rows.rows;
        let read = if valid {
            self.events(record)
        } else {
            Err(Fault { syntax: true, at: 0, expected: "UTF-8 text" })
        };
        match read {
            Ok(()) => self.read_metadata(record, before),
            Err(fault) => {
                self.rows.truncate(before);
                self.kinds.truncate(before);
                if self.format.rules.ignore_errors {
                    self.rows.reader.trail.clear();
                    return Ok(());
                }
                Err(self
                    .rows
                    .error(fault, record, &self.format.prefix)
                    .context(format!("format '{}'", self.format.dialect.identifier())))
            }
        }
    }

    fn read_metadata(&mut self, record: &[u8], from: usize) -> Result<()> {
        if self.metadata.is_empty() || self.rows.rows == from {
            return Ok(());
        }
        let envelope: serde_json::Value = serde_json::from_slice(record).map_err(|e| {
            Error::data(format!("cannot read the envelope: {e}; record: {}", shown(record)))
        })?;
        let inner = match envelope.get("payload") {
            Some(payload) if self.format.schema_include => payload,
            _ => &envelope,
        };
        for m in &mut self.metadata {
            let root = if m.path == ["schema"] { &envelope } else { inner };
            let value = m.read(root);
            m.values.resize(self.rows.rows, value);
        }
        Ok(())
    }

    fn events(&mut self, record: &[u8]) -> Scan<()> {
        let mut c = Cursor::new(record);
        if c.peek() == b'n' {
            return c.literal(b"null");
        }
        match self.format.dialect {
            Dialect::Debezium => {
                if self.format.schema_include {
                    let [payload] = places(&mut c, ["payload"])?;
                    let pos = payload.ok_or(lacking(
                        "a \"payload\" (is 'debezium-json.schema-include' right?)",
                    ))?;
                    c = Cursor { bytes: record, pos };
                    if c.peek() == b'n' {
                        return Ok(());
                    }
                }
                let [op, old, new] = places(&mut c, ["op", "before", "after"])?;
                match string_at(record, op).as_deref() {
                    Some("c" | "r") => self.emit(record, new, RowKind::Insert, "\"after\""),
                    Some("u") => self.update(record, old, new),
                    Some("d") => self.emit(record, old, RowKind::Delete, NO_BEFORE),
                    _ => Err(lacking(
                        "\"op\" with 'c', 'r', 'u' or 'd' (is 'debezium-json.schema-include' right?)",
                    )),
                }
            }
            Dialect::Ogg => {
                let [op, old, new] = places(&mut c, ["op_type", "before", "after"])?;
                match string_at(record, op).as_deref() {
                    Some("I") => self.emit(record, new, RowKind::Insert, "\"after\""),
                    Some("U") => self.update(record, old, new),
                    Some("D") => self.emit(record, old, RowKind::Delete, NO_BEFORE),
                    Some("T") => Ok(()),
                    _ => Err(lacking("\"op_type\" with 'I', 'U', 'D' or 'T'")),
                }
            }
            Dialect::Maxwell => {
                let [kind, data, old] = places(&mut c, ["type", "data", "old"])?;
                match string_at(record, kind).as_deref() {
                    Some("insert" | "bootstrap-insert") => {
                        self.emit(record, data, RowKind::Insert, "\"data\"")
                    }
                    Some("update") => {
                        let (Some(data), Some(old)) = (data, old) else {
                            return Err(lacking("\"data\" and \"old\" of an update"));
                        };
                        self.overlaid(record, old, data)
                    }
                    Some("delete") => self.emit(record, data, RowKind::Delete, "\"data\""),
                    Some("bootstrap-start" | "bootstrap-complete") => Ok(()),
                    _ => Err(lacking("\"type\" with 'insert', 'update' or 'delete'")),
                }
            }
            Dialect::Canal => self.canal(record, &mut c),
        }
    }

    fn canal(&mut self, record: &[u8], c: &mut Cursor<'_>) -> Scan<()> {
        let [kind, data, old, database, table, ddl] =
            places(c, ["type", "data", "old", "database", "table", "isDdl"])?;
        let wanted = |filter: &Option<Regex>, place| match filter {
            Some(f) => string_at(record, place).is_some_and(|name| f.is_match(&name)),
            None => true,
        };
        let is_ddl = ddl.is_some_and(|p| record[p..].starts_with(b"true"));
        if is_ddl || !wanted(&self.format.database, database) || !wanted(&self.format.table, table)
        {
            return Ok(());
        }
        let kind = string_at(record, kind);
        if kind.as_deref() == Some("CREATE") {
            return Ok(());
        }
        let data = elements(record, data.ok_or(lacking("\"data\""))?)?;
        match kind.as_deref() {
            Some("INSERT") => data
                .into_iter()
                .try_for_each(|p| self.emit(record, Some(p), RowKind::Insert, "rows in \"data\"")),
            Some("DELETE") => data
                .into_iter()
                .try_for_each(|p| self.emit(record, Some(p), RowKind::Delete, "rows in \"data\"")),
            Some("UPDATE") => {
                let old = elements(record, old.ok_or(lacking("\"old\" of an UPDATE"))?)?;
                if old.len() != data.len() {
                    return Err(lacking("as many rows in \"old\" as in \"data\""));
                }
                old.into_iter().zip(data).try_for_each(|(o, d)| self.overlaid(record, o, d))
            }
            _ => Err(lacking("\"type\" with 'INSERT', 'UPDATE', 'DELETE' or 'CREATE'")),
        }
    }

    fn update(&mut self, record: &[u8], old: Option<usize>, new: Option<usize>) -> Scan<()> {
        self.emit(record, old, RowKind::UpdateBefore, NO_BEFORE)?;
        self.emit(record, new, RowKind::UpdateAfter, "\"after\" of an update")
    }

    /// The row at a place, which must be an object.
    fn emit(
        &mut self,
        record: &[u8],
        place: Option<usize>,
        kind: RowKind,
        expected: &'static str,
    ) -> Scan<()> {
        let pos = place.filter(|p| record.get(*p) == Some(&b'{')).ok_or(lacking(expected))?;
        self.rows.fill(&mut Cursor { bytes: record, pos })?;
        self.rows.end_row();
        self.kinds.push(kind as u8);
        Ok(())
    }

    /// An update whose `old` holds the changed fields only.
    fn overlaid(&mut self, record: &[u8], old: usize, data: usize) -> Scan<()> {
        if record.get(old) == Some(&b'{') {
            self.rows.fill(&mut Cursor { bytes: record, pos: old })?;
        }
        self.rows.reader.keep_first = true;
        let filled = self.rows.fill(&mut Cursor { bytes: record, pos: data });
        self.rows.reader.keep_first = false;
        filled?;
        self.rows.end_row();
        self.kinds.push(RowKind::UpdateBefore as u8);
        self.emit(record, Some(data), RowKind::UpdateAfter, "\"data\" of an update")
    }
}

impl Decoder for CdcDecoder {
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
        let (row_columns, rows) = self.rows.finish()?;
        let columns = self
            .sources
            .iter()
            .map(|s| match s {
                Source::Row(i) => Ok(row_columns[*i].clone()),
                Source::Metadata(i) => {
                    let m = &self.metadata[*i];
                    values_to_array(&m.values, &m.ty)
                }
            })
            .collect::<Result<Vec<_>>>()?;
        self.metadata.iter_mut().for_each(|m| m.values.clear());
        let kinds = std::mem::take(&mut self.kinds);
        Ok(Decoded { columns, rows, kinds: Some(kinds) })
    }
}

struct CdcEncoder {
    json: JsonEncoder,
    dialect: Dialect,
}

impl Encoder for CdcEncoder {
    fn encode(
        &mut self,
        columns: &[ArrayRef],
        rows: usize,
        kinds: Option<&[u8]>,
        out: &mut Vec<u8>,
        ends: &mut Vec<usize>,
    ) -> Result<()> {
        for row in 0..rows {
            let plus = kinds.is_none_or(|k| RowKind::from_byte(k[row]).is_plus());
            let (head, tail): (&[u8], &[u8]) = match (self.dialect, plus) {
                (Dialect::Debezium, true) => (b"{\"before\":null,\"after\":", b",\"op\":\"c\"}"),
                (Dialect::Debezium, false) => (b"{\"before\":", b",\"after\":null,\"op\":\"d\"}"),
                (Dialect::Ogg, true) => (b"{\"before\":null,\"after\":", b",\"op_type\":\"I\"}"),
                (Dialect::Ogg, false) => (b"{\"before\":", b",\"after\":null,\"op_type\":\"D\"}"),
                (Dialect::Canal, true) => (b"{\"data\":[", b"],\"type\":\"INSERT\"}"),
                (Dialect::Canal, false) => (b"{\"data\":[", b"],\"type\":\"DELETE\"}"),
                (Dialect::Maxwell, true) => (b"{\"data\":", b",\"type\":\"insert\"}"),
                (Dialect::Maxwell, false) => (b"{\"data\":", b",\"type\":\"delete\"}"),
            };
            out.extend_from_slice(head);
            self.json.write_row(columns, row, out)?;
            out.extend_from_slice(tail);
            ends.push(out.len());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_core::{DataType, Field, Value};

    fn schema() -> Schema {
        Schema::new(vec![Field::new("id", DataType::int()), Field::new("v", DataType::string())])
    }

    fn read(dialect: Dialect, options: &[(&str, &str)], text: &str) -> Result<Vec<String>> {
        let o: Options = options.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let mut d = CdcFormat::new(dialect, &o, "p.")?.decoder(&ReadSchema::all(&schema()))?;
        d.decode_stream(text.as_bytes(), true, 1000)?;
        let out = d.finish()?;
        let kinds = out.kinds.unwrap();
        Ok((0..out.rows)
            .map(|r| {
                let cell = |c: usize| match Value::from_array(&out.columns[c], r) {
                    Value::Int(i) => i.to_string(),
                    Value::String(s) => s,
                    _ => "-".into(),
                };
                format!("{}{} {}", RowKind::from_byte(kinds[r]).symbol(), cell(0), cell(1))
            })
            .collect())
    }

    #[test]
    fn debezium_with_schema_and_any_key_order() {
        let rows = read(
            Dialect::Debezium,
            &[("schema-include", "true")],
            r#"{"schema":{},"payload":{"before":null,"after":{"id":1,"v":"a"},"op":"c"}}
{"payload":{"op":"u","after":{"v":"b","id":1},"before":{"id":1,"v":"a"}},"schema":{}}
{"payload":{"before":{"id":1,"v":"b"},"after":null,"op":"d"}}
"#,
        )
        .unwrap();
        assert_eq!(rows, ["+I1 a", "-U1 a", "+U1 b", "-D1 b"]);
        let e = read(Dialect::Debezium, &[], "{\"before\":null,\"after\":{},\"op\":\"u\"}")
            .unwrap_err();
        assert!(e.to_string().contains("REPLICA IDENTITY FULL"), "{e}");
        let lenient = &[("ignore-parse-errors", "true")];
        assert!(read(Dialect::Debezium, lenient, "{\"op\":\"u\"}\nxx\n\n").unwrap().is_empty());
    }

    #[test]
    fn maxwell_and_canal_overlay_old_fields() {
        let rows = read(
            Dialect::Maxwell,
            &[],
            r#"{"type":"update","data":{"id":1,"v":"b"},"old":{"v":null}}
{"type":"delete","data":{"id":1,"v":"b"}}"#,
        )
        .unwrap();
        assert_eq!(rows, ["-U1 -", "+U1 b", "-D1 b"]);
        let canal = r#"{"data":[{"id":"1","v":"b"},{"id":"2","v":"d"}],"old":[{"v":"a"},{"id":"3"}],"type":"UPDATE","database":"db","table":"t"}
{"data":[{"id":9}],"type":"INSERT","database":"other","table":"t"}
{"data":null,"type":"ALTER","isDdl":true,"database":"db"}"#;
        let rows = read(Dialect::Canal, &[("database.include", "d.")], canal).unwrap();
        assert_eq!(rows, ["-U1 a", "+U1 b", "-U3 d", "+U2 d"]);
    }

    #[test]
    fn ogg_and_metadata() {
        let rows = read(
            Dialect::Ogg,
            &[],
            r#"{"table":"T","op_type":"I","before":null,"after":{"id":1,"v":"x"}}"#,
        )
        .unwrap();
        assert_eq!(rows, ["+I1 x"]);
        let read = ReadSchema {
            physical: schema(),
            columns: vec![
                FormatColumn::Metadata("source.table".into()),
                FormatColumn::Path(vec![0]),
                FormatColumn::Metadata("ingestion-timestamp".into()),
            ],
            primary_key: Vec::new(),
        };
        let f = CdcFormat::new(Dialect::Debezium, &Options::new(), "p.").unwrap();
        let mut d = f.decoder(&read).unwrap();
        d.decode_record(br#"{"after":{"id":7},"op":"c","source":{"table":"orders"},"ts_ms":1500}"#)
            .unwrap();
        let out = d.finish().unwrap();
        let row: Vec<Value> = out.columns.iter().map(|c| Value::from_array(c, 0)).collect();
        assert_eq!(row, [Value::String("orders".into()), Value::Int(7), Value::Timestamp(1500)]);
    }

    #[test]
    fn writes_envelopes() {
        let f = CdcFormat::new(Dialect::Debezium, &Options::new(), "p.").unwrap();
        let columns: Vec<ArrayRef> = [Value::Int(1), Value::String("a".into())]
            .iter()
            .zip(&schema().fields)
            .map(|(v, f)| v.to_array(&f.ty).unwrap())
            .collect();
        let (mut out, mut ends) = (Vec::new(), Vec::new());
        let kinds = [RowKind::Delete as u8];
        f.encoder(&schema())
            .unwrap()
            .encode(&columns, 1, Some(&kinds), &mut out, &mut ends)
            .unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, r#"{"before":{"id":1,"v":"a"},"after":null,"op":"d"}"#);
    }
}
