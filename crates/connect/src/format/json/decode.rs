//! Schema-driven reading: from JSON text straight into columns, in one pass.
//!
//! An [`ObjectReader`] remembers the order in which keys came last time and
//! compares the next key with the expected one first; only wanted values are
//! parsed, all others are skipped. Value conversions are those of Flink's JSON
//! format: numbers may come as strings and the other way round.

use weir_core::types::ticks_per_second;
use weir_core::{DataType, Error, Field, Result, TypeKind};

use super::scan::{Cursor, Fault, Scan, unescape};
use crate::format::column::{Column, Data};
use crate::format::projection::Slot;
use crate::format::text::{
    DecimalText, TimestampStyle, java_trim, parse_date, parse_decimal, parse_double, parse_integer,
    parse_time, parse_timestamp,
};

/// Rules of a table's JSON format.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub fail_on_missing: bool,
    pub ignore_errors: bool,
    pub style: TimestampStyle,
}

/// How a value goes into its column.
#[derive(Debug)]
enum Reader {
    Bool,
    Integer(i64, i64),
    I64,
    I32,
    F32,
    F64,
    Decimal(u8, u8),
    Text,
    Binary,
    Date,
    Time,
    Timestamp { zone: bool, per_second: i64 },
    Array(Box<Reader>),
    Map(Box<Reader>, Box<Reader>),
    Row(Box<ObjectReader>),
}

impl Reader {
    fn new(ty: &DataType) -> Result<Self> {
        Ok(match &ty.kind {
            TypeKind::Boolean => Reader::Bool,
            TypeKind::TinyInt => Reader::Integer(i8::MIN.into(), i8::MAX.into()),
            TypeKind::SmallInt => Reader::Integer(i16::MIN.into(), i16::MAX.into()),
            TypeKind::Int | TypeKind::IntervalYearMonth(..) => Reader::I32,
            TypeKind::BigInt | TypeKind::IntervalDayTime(..) => Reader::I64,
            TypeKind::Float => Reader::F32,
            TypeKind::Double => Reader::F64,
            TypeKind::Decimal(p, s) => Reader::Decimal(*p, *s),
            TypeKind::Char(_) | TypeKind::Varchar(_) => Reader::Text,
            TypeKind::Binary(_) | TypeKind::Varbinary(_) => Reader::Binary,
            TypeKind::Date => Reader::Date,
            TypeKind::Time(_) => Reader::Time,
            TypeKind::Timestamp(p, _) => {
                Reader::Timestamp { zone: false, per_second: ticks_per_second(*p) }
            }
            TypeKind::TimestampLtz(p, _) => {
                Reader::Timestamp { zone: true, per_second: ticks_per_second(*p) }
            }
            TypeKind::Array(e) => Reader::Array(Box::new(Reader::new(e)?)),
            TypeKind::Map(k, v) => Reader::map(k, v)?,
            TypeKind::Multiset(e) => Reader::map(e, &DataType::int())?,
            TypeKind::Row(fields) | TypeKind::Structured(_, fields) => {
                Reader::Row(Box::new(ObjectReader::whole(fields)?))
            }
            _ => {
                return Err(Error::validation(format!("the JSON format cannot read type {ty}")));
            }
        })
    }

    fn map(key: &DataType, value: &DataType) -> Result<Self> {
        if !key.is_string() {
            return Err(Error::validation(format!(
                "the JSON format reads maps with string keys only, not with key type {key}"
            )));
        }
        Ok(Reader::Map(Box::new(Reader::new(key)?), Box::new(Reader::new(value)?)))
    }
}

/// What to do with a known field.
#[derive(Debug)]
enum Target {
    /// Read it into the column with this position.
    Column(usize, Reader),
    /// Read wanted fields of it into columns of the same row.
    Nested(Box<ObjectReader>),
}

#[derive(Debug)]
struct FieldReader {
    name: String,
    target: Target,
}

/// A key as it stands in the text, with its quotes, and the field it belongs to.
#[derive(Debug)]
struct Expected {
    key: Box<[u8]>,
    field: Option<usize>,
}

/// Reads the wanted fields of JSON objects into columns.
#[derive(Debug)]
pub(crate) struct ObjectReader {
    fields: Vec<FieldReader>,
    /// Keys in the order of arrival; learnt, bounded.
    shape: Vec<Expected>,
}

/// So many different keys of one object are remembered.
const MAX_SHAPE: usize = 256;

impl ObjectReader {
    /// Reads the slots (disjoint paths) of records with these fields.
    pub(crate) fn for_slots(fields: &[Field], slots: &[Slot]) -> Result<Self> {
        let all: Vec<(usize, &[usize])> =
            slots.iter().enumerate().map(|(i, s)| (i, s.path.as_slice())).collect();
        Self::nested(fields, &all, slots)
    }

    fn nested(fields: &[Field], paths: &[(usize, &[usize])], slots: &[Slot]) -> Result<Self> {
        let mut readers = Vec::new();
        for (i, field) in fields.iter().enumerate() {
            let inside: Vec<(usize, &[usize])> =
                paths.iter().filter(|(_, p)| p[0] == i).map(|(s, p)| (*s, &p[1..])).collect();
            let target = match inside.as_slice() {
                [] => continue,
                [(slot, [])] => Target::Column(*slot, Reader::new(&slots[*slot].ty)?),
                more => {
                    let inner = field
                        .ty
                        .fields()
                        .ok_or_else(|| Error::internal("nested path in a column that is no ROW"))?;
                    Target::Nested(Box::new(Self::nested(inner, more, slots)?))
                }
            };
            readers.push(FieldReader { name: field.name.clone(), target });
        }
        Ok(Self { fields: readers, shape: Vec::new() })
    }

    /// Reads all fields into columns of the same positions.
    fn whole(fields: &[Field]) -> Result<Self> {
        let fields = fields
            .iter()
            .enumerate()
            .map(|(i, f)| {
                let target = Target::Column(i, Reader::new(&f.ty)?);
                Ok(FieldReader { name: f.name.clone(), target })
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { fields, shape: Vec::new() })
    }

    /// The field of the key at the cursor, which stands on its opening quote.
    #[inline]
    fn match_key(&mut self, c: &mut Cursor<'_>, guess: &mut usize) -> Scan<Option<usize>> {
        if let Some(e) = self.shape.get(*guess)
            && c.bytes[c.pos..].starts_with(&e.key)
        {
            c.pos += e.key.len();
            *guess += 1;
            return Ok(e.field);
        }
        self.find_key(c, guess)
    }

    #[inline(never)]
    fn find_key(&mut self, c: &mut Cursor<'_>, guess: &mut usize) -> Scan<Option<usize>> {
        let start = c.pos;
        let text = c.string()?;
        let raw = &c.bytes[start..c.pos];
        if let Some(at) = self.shape.iter().position(|e| &*e.key == raw) {
            *guess = at + 1;
            return Ok(self.shape[at].field);
        }
        let mut name = Vec::new();
        unescape(text.raw, &mut name);
        let field = self.fields.iter().position(|f| f.name.as_bytes() == name);
        if self.shape.len() < MAX_SHAPE {
            let at = (*guess).min(self.shape.len());
            self.shape.insert(at, Expected { key: raw.into(), field });
            *guess = at + 1;
        }
        Ok(field)
    }
}

/// Reading state that every level shares.
pub(crate) struct JsonReader {
    pub rules: Rules,
    /// Keep a column's first value of a row instead of its last.
    pub keep_first: bool,
    /// Field that a fault came from, innermost first.
    pub trail: Vec<String>,
    scratch: Vec<u8>,
}

impl JsonReader {
    pub(crate) fn new(rules: Rules) -> Self {
        Self { rules, keep_first: false, trail: Vec::new(), scratch: Vec::new() }
    }

    /// Reads one object into row `row` of the columns. Columns of missing fields
    /// stay short; the caller pads them.
    pub(crate) fn object(
        &mut self,
        c: &mut Cursor<'_>,
        reader: &mut ObjectReader,
        columns: &mut [Column],
        row: usize,
    ) -> Scan<()> {
        c.expect(b'{', "an object '{..}'")?;
        if c.peek() == b'}' {
            c.pos += 1;
            return self.check_missing(c, reader, columns, row);
        }
        let mut guess = 0;
        loop {
            if c.bytes.get(c.pos) != Some(&b'"') && c.peek() != b'"' {
                return c.syntax("a key in double quotes");
            }
            let field = reader.match_key(c, &mut guess)?;
            c.expect(b':', "':' after the key")?;
            match field {
                None => c.skip()?,
                Some(i) => {
                    let f = &mut reader.fields[i];
                    if let Err(fault) = self.field(c, &mut f.target, columns, row) {
                        self.trail.push(f.name.clone());
                        return Err(fault);
                    }
                }
            }
            match c.peek() {
                b',' => c.pos += 1,
                b'}' => {
                    c.pos += 1;
                    return self.check_missing(c, reader, columns, row);
                }
                _ => return c.syntax("',' or '}'"),
            }
        }
    }

    #[inline]
    fn field(
        &mut self,
        c: &mut Cursor<'_>,
        target: &mut Target,
        columns: &mut [Column],
        row: usize,
    ) -> Scan<()> {
        match target {
            Target::Column(i, reader) => {
                let column = &mut columns[*i];
                if column.len() > row {
                    if self.keep_first {
                        return c.skip();
                    }
                    column.truncate(row);
                }
                self.value(c, reader, column)
            }
            Target::Nested(inner) => match c.peek() {
                b'n' => c.literal(b"null"),
                b'{' => self.object(c, inner, columns, row),
                _ if self.rules.ignore_errors => c.skip(),
                _ => Err(Fault { syntax: false, at: c.pos, expected: "an object '{..}'" }),
            },
        }
    }

    fn check_missing(
        &self,
        c: &Cursor<'_>,
        reader: &ObjectReader,
        columns: &[Column],
        row: usize,
    ) -> Scan<()> {
        if self.rules.fail_on_missing {
            for f in &reader.fields {
                if let Target::Column(i, _) = &f.target
                    && columns[*i].len() <= row
                {
                    return Err(Fault { syntax: false, at: c.pos, expected: "all fields" });
                }
            }
        }
        Ok(())
    }

    /// Reads one value into the column; a value of another type becomes NULL or a fault.
    #[inline]
    fn value(&mut self, c: &mut Cursor<'_>, reader: &mut Reader, column: &mut Column) -> Scan<()> {
        let first = c.peek();
        if first == b'n' {
            c.literal(b"null")?;
            column.push_null();
            return Ok(());
        }
        let start = c.pos;
        let len = column.len();
        match self.convert(c, first, reader, column) {
            Err(f) if !f.syntax && self.rules.ignore_errors => {
                c.pos = start;
                c.skip()?;
                column.truncate(len);
                column.push_null();
                Ok(())
            }
            other => other,
        }
    }

    #[inline]
    fn convert(
        &mut self,
        c: &mut Cursor<'_>,
        first: u8,
        reader: &mut Reader,
        column: &mut Column,
    ) -> Scan<()> {
        match reader {
            Reader::I64 => {
                let v = self.integer(c, first, i64::MIN, i64::MAX, "a BIGINT")?;
                column.push_i64(v);
            }
            Reader::Text => return self.text(c, first, column),
            Reader::Timestamp { zone, per_second } => {
                let (zone, per_second, style) = (*zone, *per_second, self.rules.style);
                let v = self.with_text(c, first, timestamp_form(style, zone), |b| {
                    parse_timestamp(b, style, zone, per_second)
                })?;
                column.push_i64(v);
            }
            Reader::I32 => {
                let v = self.integer(c, first, i32::MIN.into(), i32::MAX.into(), "an INT")?;
                column.push_i32(v as i32);
            }
            Reader::Integer(min, max) => {
                let v = self.integer(c, first, *min, *max, "an integer within its type")?;
                column.push_integer(v);
            }
            Reader::F64 => {
                let v = self.with_scalar(c, first, "a DOUBLE", parse_double)?;
                column.push_f64(v);
            }
            Reader::F32 => {
                let v = self.with_scalar(c, first, "a FLOAT", |b| {
                    let text = std::str::from_utf8(java_trim(b)).ok()?;
                    parse_double(b).map(|d| text.parse::<f32>().unwrap_or(d as f32))
                })?;
                column.push_f32(v);
            }
            Reader::Decimal(p, s) => {
                let (p, s) = (*p, *s);
                let v = self.with_scalar(c, first, "a DECIMAL", |b| {
                    match parse_decimal(java_trim(b), p, s) {
                        DecimalText::Value(v) => Some(Some(v)),
                        DecimalText::Overflow => Some(None),
                        DecimalText::Invalid => None,
                    }
                })?;
                match v {
                    Some(v) => column.push_i128(v),
                    None => column.push_null(),
                }
            }
            Reader::Bool => {
                let v = match first {
                    b't' => {
                        c.literal(b"true")?;
                        true
                    }
                    b'f' => {
                        c.literal(b"false")?;
                        false
                    }
                    _ => self.with_scalar(c, first, "a BOOLEAN", |b| {
                        Some(java_trim(b).eq_ignore_ascii_case(b"true"))
                    })?,
                };
                column.push_bool(v);
            }
            Reader::Date => {
                let v =
                    self.with_text(c, first, "a DATE 'yyyy-MM-dd'", |b| parse_date(b, false))?;
                column.push_i32(v);
            }
            Reader::Time => {
                let v = self.with_text(c, first, "a TIME 'HH:mm:ss'", |b| parse_time(b, false))?;
                column.push_i32((v / 1_000_000) as i32);
            }
            Reader::Binary => {
                use base64::Engine as _;
                let v = self.with_text(c, first, "BYTES in base64", |b| {
                    base64::engine::general_purpose::STANDARD.decode(b).ok()
                })?;
                column.push_bytes(&v);
            }
            Reader::Array(element) => return self.array(c, first, element, column),
            Reader::Map(key, value) => return self.map(c, first, key, value, column),
            Reader::Row(inner) => return self.row(c, first, inner, column),
        }
        Ok(())
    }

    /// A number or the text of a string, parsed by `parse`.
    #[inline]
    fn with_scalar<T>(
        &mut self,
        c: &mut Cursor<'_>,
        first: u8,
        expected: &'static str,
        parse: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Scan<T> {
        if first == b'"' {
            return self.with_text(c, first, expected, parse);
        }
        let at = c.pos;
        let parsed = match first {
            b'-' | b'0'..=b'9' => parse(c.number()?),
            b't' | b'f' | b'{' | b'[' => None,
            _ => return c.syntax("a JSON value"),
        };
        parsed.ok_or(Fault { syntax: false, at, expected })
    }

    #[inline]
    fn with_text<T>(
        &mut self,
        c: &mut Cursor<'_>,
        first: u8,
        expected: &'static str,
        parse: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Scan<T> {
        let at = c.pos;
        if first != b'"' {
            return match first {
                b'-' | b'0'..=b'9' | b't' | b'f' | b'{' | b'[' => {
                    Err(Fault { syntax: false, at, expected })
                }
                _ => c.syntax("a JSON value"),
            };
        }
        let text = c.string()?;
        let parsed = if text.escaped {
            self.scratch.clear();
            unescape(text.raw, &mut self.scratch);
            parse(&self.scratch)
        } else {
            parse(text.raw)
        };
        parsed.ok_or(Fault { syntax: false, at, expected })
    }

    #[inline]
    fn integer(
        &mut self,
        c: &mut Cursor<'_>,
        first: u8,
        min: i64,
        max: i64,
        expected: &'static str,
    ) -> Scan<i64> {
        // The common case: up to 18 digits and then the end of the value.
        let bytes = &c.bytes[c.pos..];
        let negative = first == b'-';
        let mut i = usize::from(negative);
        let mut v = 0i64;
        let limit = bytes.len().min(18 + i);
        let begin = i;
        while i < limit {
            let d = bytes[i].wrapping_sub(b'0');
            if d > 9 {
                break;
            }
            v = v * 10 + i64::from(d);
            i += 1;
        }
        let ended = matches!(bytes.get(i), None | Some(b',' | b'}' | b']' | b' ' | b'\r'));
        if i > begin && ended && (bytes[begin] != b'0' || i == begin + 1) {
            let v = if negative { -v } else { v };
            if (min..=max).contains(&v) {
                c.pos += i;
                return Ok(v);
            }
        }
        self.odd_integer(c, first, min, max, expected)
    }

    /// Fractions and exponents are cut off, strings are parsed.
    #[inline(never)]
    fn odd_integer(
        &mut self,
        c: &mut Cursor<'_>,
        first: u8,
        min: i64,
        max: i64,
        expected: &'static str,
    ) -> Scan<i64> {
        let quoted = first == b'"';
        self.with_scalar(c, first, expected, |b| {
            if quoted {
                return parse_integer(java_trim(b), min, max);
            }
            parse_integer(b, min, max).or_else(|| {
                if !b.iter().any(|c| matches!(c, b'.' | b'e' | b'E')) {
                    return None;
                }
                let d = parse_double(b)?.trunc();
                // 2^63 itself is not an i64; every double below it is.
                (d >= min as f64 && d <= max as f64 && d < 9_223_372_036_854_775_808.0)
                    .then_some(d as i64)
            })
        })
    }

    #[inline]
    fn text(&mut self, c: &mut Cursor<'_>, first: u8, column: &mut Column) -> Scan<()> {
        if first == b'"' {
            let text = c.string()?;
            if !text.escaped {
                column.push_bytes(text.raw);
                return Ok(());
            }
            if let Data::Bytes { offsets, bytes } = &mut column.data {
                unescape(text.raw, bytes);
                offsets.push(bytes.len() as i32);
            }
            column.valid();
            return Ok(());
        }
        let start = c.pos;
        c.skip()?;
        let raw = &c.bytes[start..c.pos];
        if matches!(first, b'{' | b'[') {
            // As Flink does, the nested value is printed again, without white space.
            let mut compact = serde_json::from_slice::<serde_json::Value>(raw)
                .map_err(|_| Fault { syntax: true, at: start, expected: "a JSON value" })?;
            plain_numbers(&mut compact);
            column.push_str(&compact.to_string());
        } else {
            column.push_bytes(raw);
        }
        Ok(())
    }

    fn array(
        &mut self,
        c: &mut Cursor<'_>,
        first: u8,
        element: &mut Reader,
        column: &mut Column,
    ) -> Scan<()> {
        if first != b'[' {
            return wrong(c, first, "an array '[..]'");
        }
        let Data::List { offsets, child } = &mut column.data else { return Ok(()) };
        c.pos += 1;
        if c.peek() == b']' {
            c.pos += 1;
        } else {
            loop {
                self.value(c, element, child)?;
                match c.peek() {
                    b',' => c.pos += 1,
                    b']' => {
                        c.pos += 1;
                        break;
                    }
                    _ => return c.syntax("',' or ']'"),
                }
            }
        }
        offsets.push(child.len() as i32);
        column.valid();
        Ok(())
    }

    fn map(
        &mut self,
        c: &mut Cursor<'_>,
        first: u8,
        key_reader: &mut Reader,
        value_reader: &mut Reader,
        column: &mut Column,
    ) -> Scan<()> {
        if first != b'{' {
            return wrong(c, first, "an object '{..}' for a MAP");
        }
        let Data::Map { offsets, key, value } = &mut column.data else { return Ok(()) };
        c.pos += 1;
        if c.peek() == b'}' {
            c.pos += 1;
        } else {
            loop {
                if c.peek() != b'"' {
                    return c.syntax("a key in double quotes");
                }
                self.value(c, key_reader, key)?;
                c.expect(b':', "':' after the key")?;
                self.value(c, value_reader, value)?;
                match c.peek() {
                    b',' => c.pos += 1,
                    b'}' => {
                        c.pos += 1;
                        break;
                    }
                    _ => return c.syntax("',' or '}'"),
                }
            }
        }
        offsets.push(key.len() as i32);
        column.valid();
        Ok(())
    }

    fn row(
        &mut self,
        c: &mut Cursor<'_>,
        first: u8,
        inner: &mut ObjectReader,
        column: &mut Column,
    ) -> Scan<()> {
        if first != b'{' {
            return wrong(c, first, "an object '{..}' for a ROW");
        }
        let row = column.len();
        let Data::Struct(children) = &mut column.data else { return Ok(()) };
        self.object(c, inner, children, row)?;
        for child in children.iter_mut() {
            if child.len() <= row {
                child.push_null();
            }
        }
        column.valid();
        Ok(())
    }
}

fn wrong(c: &Cursor<'_>, first: u8, expected: &'static str) -> Scan<()> {
    match first {
        b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'{' | b'[' => {
            Err(Fault { syntax: false, at: c.pos, expected })
        }
        _ => c.syntax("a JSON value"),
    }
}

fn timestamp_form(style: TimestampStyle, zone: bool) -> &'static str {
    match (style, zone) {
        (TimestampStyle::Sql, false) => "a TIMESTAMP 'yyyy-MM-dd HH:mm:ss.SSS'",
        (TimestampStyle::Sql, true) => "a TIMESTAMP_LTZ 'yyyy-MM-dd HH:mm:ss.SSSZ' with a final Z",
        (TimestampStyle::Iso, false) => "a TIMESTAMP 'yyyy-MM-ddTHH:mm:ss.SSS'",
        (TimestampStyle::Iso, true) => "a TIMESTAMP_LTZ 'yyyy-MM-ddTHH:mm:ss.SSSZ'",
    }
}

/// Fractions as doubles print them, whatever the JSON library keeps of their digits:
/// another crate of the build may switch it to exact digits.
fn plain_numbers(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Number(n) if n.as_i64().is_none() && n.as_u64().is_none() => {
            if let Some(exact) = n.as_f64().and_then(serde_json::Number::from_f64) {
                *n = exact;
            }
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(plain_numbers),
        serde_json::Value::Object(members) => members.values_mut().for_each(plain_numbers),
        _ => {}
    }
}
