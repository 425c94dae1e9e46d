//! The CSV format, read and written as Flink (Jackson) does: lenient about white
//! space around values, short lines are padded with NULL, long ones are errors.

mod read;
mod write;

use weir_core::config::bad_value;
use weir_core::{Error, Options, Result, Schema, TypeKind};

use super::{Decoder, Encoder, ReadSchema, RecordFormat};

/// Options of the format, without prefix.
pub const OPTIONS: &[&str] = &[
    "field-delimiter",
    "disable-quote-character",
    "quote-character",
    "allow-comments",
    "ignore-parse-errors",
    "array-element-delimiter",
    "escape-character",
    "null-literal",
    "write-bigdecimal-in-scientific-notation",
];

/// The CSV format with its options.
#[derive(Debug, Clone)]
pub struct CsvFormat {
    pub(crate) delimiter: u8,
    pub(crate) quote: Option<u8>,
    pub(crate) escape: Option<u8>,
    pub(crate) comments: bool,
    pub(crate) ignore_errors: bool,
    pub(crate) element_delimiter: String,
    pub(crate) null_literal: Option<String>,
    pub(crate) scientific: bool,
    pub(crate) prefix: String,
}

impl CsvFormat {
    /// Reads the format's options, whose full names start with `prefix`.
    pub fn new(options: &Options, prefix: &str) -> Result<Self> {
        let delimiter = character(options, prefix, "field-delimiter")?.unwrap_or(b',');
        let no_quotes = options.bool_or("disable-quote-character", false)?;
        let quote = character(options, prefix, "quote-character")?;
        if no_quotes && quote.is_some() {
            return Err(Error::option(format!(
                "'{prefix}quote-character' and '{prefix}disable-quote-character' exclude each other"
            )));
        }
        Ok(Self {
            delimiter,
            quote: if no_quotes { None } else { Some(quote.unwrap_or(b'"')) },
            escape: character(options, prefix, "escape-character")?,
            comments: options.bool_or("allow-comments", false)?,
            ignore_errors: options.bool_or("ignore-parse-errors", false)?,
            element_delimiter: options.get("array-element-delimiter").unwrap_or(";").to_owned(),
            null_literal: options.get("null-literal").map(str::to_owned),
            scientific: options.bool_or("write-bigdecimal-in-scientific-notation", true)?,
            prefix: prefix.to_owned(),
        })
    }
}

/// A one-character option; Java escapes such as `\t` and `\u0001` are understood.
fn character(options: &Options, prefix: &str, key: &str) -> Result<Option<u8>> {
    let Some(text) = options.get(key) else { return Ok(None) };
    let one = match text {
        "\\t" => b'\t',
        "\\\\" => b'\\',
        _ if text.len() == 1 => text.as_bytes()[0],
        _ => text
            .strip_prefix("\\u")
            .filter(|h| h.len() == 4)
            .and_then(|h| u8::from_str_radix(h, 16).ok())
            .filter(u8::is_ascii)
            .ok_or_else(|| bad_value(&format!("{prefix}{key}"), text, "one ASCII character"))?,
    };
    Ok(Some(one))
}

impl RecordFormat for CsvFormat {
    fn identifier(&self) -> &'static str {
        "csv"
    }
    fn decoder(&self, read: &ReadSchema) -> Result<Box<dyn Decoder>> {
        check(&read.physical)?;
        Ok(Box::new(read::CsvDecoder::new(self.clone(), read)?))
    }
    fn encoder(&self, schema: &Schema) -> Result<Box<dyn Encoder>> {
        check(schema)?;
        Ok(Box::new(write::CsvEncoder::new(self.clone(), schema)))
    }
}

/// Flat types, and one level of ARRAY or ROW.
fn check(schema: &Schema) -> Result<()> {
    let flat = |kind: &TypeKind| {
        !matches!(
            kind,
            TypeKind::Array(_)
                | TypeKind::Map(..)
                | TypeKind::Multiset(_)
                | TypeKind::Row(_)
                | TypeKind::Structured(..)
                | TypeKind::Variant
                | TypeKind::Bitmap
                | TypeKind::Raw(..)
        )
    };
    for f in &schema.fields {
        let fine = match &f.ty.kind {
            TypeKind::Array(e) => flat(&e.kind),
            TypeKind::Row(fields) => fields.iter().all(|x| flat(&x.ty.kind)),
            kind => flat(kind),
        };
        if !fine {
            return Err(Error::validation(format!(
                "the CSV format cannot hold column {} of type {}",
                f.name, f.ty
            ))
            .hint("use format 'json' for nested columns"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::ArrayRef;
    use weir_core::{DataType, Field, Value};

    fn format(options: &[(&str, &str)]) -> CsvFormat {
        let o: Options = options.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        CsvFormat::new(&o, "csv.").unwrap()
    }

    fn rows(f: &CsvFormat, s: &Schema, text: &str) -> Result<Vec<Vec<Value>>> {
        let mut d = f.decoder(&ReadSchema::all(s))?;
        assert_eq!(d.decode_stream(text.as_bytes(), true, 1000)?, text.len());
        let out = d.finish()?;
        Ok((0..out.rows)
            .map(|r| out.columns.iter().map(|c| Value::from_array(c, r)).collect())
            .collect())
    }

    fn s(t: &str) -> Value {
        Value::String(t.into())
    }

    fn schema() -> Schema {
        Schema::new(vec![
            Field::new("i", DataType::int()),
            Field::new("s", DataType::string()),
            Field::new("d", DataType::double()),
            Field::new("ts", DataType::timestamp(3)),
            Field::new("b", DataType::boolean()),
            Field::new("a", TypeKind::Array(Box::new(DataType::string())).into()),
        ])
    }

    /// What Flink 2.3 gave for the same lines.
    #[test]
    fn reads_as_flink() {
        let text = "1,\"quoted, x\",1.5,2024-01-01 10:00:00.5,true,a;b;c\n2,plain  ,,,,\n# comment\n3,\"with \"\"quote\"\"\", 2.5 ,2024-01-01 10:00:00,TRUE,\n\"4\",\"multi\nline\",NULL,2024-01-01T10:00:00,1,x\n\n5,short\n6,long,1,2024-01-01 10:00:00,false,a,extra\nx7,bad,1,2024-01-01 10:00:00,false,a\n 8 ,'single',1e3,2024-01-01 10:00,f,;\n9,mid\"quote,1,2024-01-01 10:00:00.123Z,false,\"a;b\"\n";
        let f = format(&[("ignore-parse-errors", "true"), ("allow-comments", "true")]);
        let r = rows(&f, &schema(), text).unwrap();
        let n = Value::Null;
        let list = |x: &[&str]| Value::Array(x.iter().map(|t| s(t)).collect());
        assert_eq!(r.len(), 8);
        assert_eq!(r[0][1], s("quoted, x"));
        assert_eq!(r[0][5], list(&["a", "b", "c"]));
        assert_eq!(
            r[1],
            [Value::Int(2), s("plain  "), n.clone(), n.clone(), Value::Boolean(false), list(&[])]
        );
        assert_eq!(r[2][1], s("with \"quote\""));
        assert_eq!(r[2][2], Value::Double(2.5));
        assert_eq!(r[3][1], s("multi\nline"));
        assert_eq!(r[3][2..4], [n.clone(), n.clone()]);
        assert_eq!(r[4], [Value::Int(5), s("short"), n.clone(), n.clone(), n.clone(), n.clone()]);
        assert_eq!(r[5][..2], [n.clone(), s("bad")]);
        assert_eq!(r[6][0], Value::Int(8));
        assert_eq!(r[6][5], list(&["", ""]));
        assert_eq!(r[7][1], s("mid\"quote"));
    }

    #[test]
    fn errors_name_the_column() {
        let e = rows(&format(&[]), &schema(), "x,y\n").unwrap_err();
        assert!(e.message().contains("column 'i'"), "{e}");
        assert!(e.hint_text().unwrap().contains("'csv.ignore-parse-errors' = 'true'"));
        let e = rows(&format(&[]), &schema(), "1,2,3,2024-01-01 10:00:00,true,,7\n").unwrap_err();
        assert!(e.message().contains("more than 6 columns"), "{e}");
    }

    #[test]
    fn null_literal_escape_and_delimiter() {
        let two = Schema::new(vec![
            Field::new("i", DataType::int()),
            Field::new("s", DataType::string()),
        ]);
        let f = format(&[
            ("null-literal", "n/a"),
            ("escape-character", "\\"),
            ("field-delimiter", "|"),
        ]);
        let r = rows(&f, &two, "n/a|a\\|b\n2|n/a\n3|\"x\\\"y\"\r\n").unwrap();
        assert_eq!(r[0], [Value::Null, s("a|b")]);
        assert_eq!(r[1], [Value::Int(2), Value::Null]);
        assert_eq!(r[2][1], s("x\"y"));
    }

    #[test]
    fn an_open_quote_waits_for_more() {
        let two = Schema::new(vec![
            Field::new("i", DataType::int()),
            Field::new("s", DataType::string()),
        ]);
        let mut d = format(&[]).decoder(&ReadSchema::all(&two)).unwrap();
        assert_eq!(d.decode_stream(b"1,a\n2,\"b\nc", false, 100).unwrap(), 4);
        assert_eq!(d.rows(), 1);
    }

    #[test]
    fn writes_as_flink() {
        let row = TypeKind::Row(vec![
            Field::new("x", DataType::int()),
            Field::new("y", DataType::string()),
        ]);
        let fields = vec![
            Field::new("i", DataType::int()),
            Field::new("d", DataType::decimal(10, 2)),
            Field::new("f", DataType::double()),
            Field::new("s", DataType::string()),
            Field::new("by", DataType::bytes()),
            Field::new("ts", DataType::timestamp(3)),
            Field::new("tl", DataType::timestamp_ltz(3)),
            Field::new("dt", TypeKind::Date.into()),
            Field::new("a", TypeKind::Array(Box::new(DataType::string())).into()),
            Field::new("r", row.into()),
            Field::new("b", DataType::boolean()),
            Field::new("n", DataType::string()),
            Field::new("long", DataType::string()),
        ];
        let values = [
            Value::Int(1),
            Value::Decimal(10000),
            Value::Double(1e10),
            s("q\"uo, te"),
            Value::Bytes(vec![1, 2, 255]),
            Value::Timestamp(1704103200120),
            Value::Timestamp(1704103200120),
            Value::Date(19724),
            Value::Array(vec![s("a"), s("b c"), Value::Null]),
            Value::Row(vec![Value::Int(1), s("x")]),
            Value::Boolean(true),
            Value::Null,
            s("abcdefghijklmnopqrstuvwxyz"),
        ];
        let schema = Schema::new(fields);
        let columns: Vec<ArrayRef> =
            values.iter().zip(&schema.fields).map(|(v, f)| v.to_array(&f.ty).unwrap()).collect();
        let (mut out, mut ends) = (Vec::new(), Vec::new());
        let mut e = format(&[]).encoder(&schema).unwrap();
        e.encode(&columns, 1, None, &mut out, &mut ends).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "1,1E+2,1.0E10,\"q\"\"uo, te\",AQL/,\"2024-01-01 10:00:00.12\",\
             \"2024-01-01 10:00:00.12Z\",2024-01-02,\"a;b c;\",1;x,true,,\
             \"abcdefghijklmnopqrstuvwxyz\""
        );
    }
}
