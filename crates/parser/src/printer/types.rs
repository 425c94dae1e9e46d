//! Data types, literals, intervals.

use super::Printer;
use crate::ast::*;

impl Printer<'_> {
    pub(super) fn data_type(&mut self, data_type: &DataType) {
        self.type_kind(&data_type.kind);
        match data_type.nullable {
            Some(false) => self.put(" NOT NULL"),
            Some(true) => self.put(" NULL"),
            None => {}
        }
    }

    fn type_kind(&mut self, kind: &DataTypeKind) {
        match kind {
            DataTypeKind::Char(n) => self.sized("CHAR", *n),
            DataTypeKind::Varchar(n) => self.sized("VARCHAR", *n),
            DataTypeKind::Binary(n) => self.sized("BINARY", *n),
            DataTypeKind::Varbinary(n) => self.sized("VARBINARY", *n),
            DataTypeKind::Time(n) => self.sized("TIME", *n),
            DataTypeKind::Timestamp(n) => self.sized("TIMESTAMP", *n),
            DataTypeKind::TimestampLtz(n) => self.sized("TIMESTAMP_LTZ", *n),
            DataTypeKind::TimestampTz(n) => {
                self.sized("TIMESTAMP", *n);
                self.put(" WITH TIME ZONE");
            }
            DataTypeKind::Decimal { precision, scale } => self.decimal(*precision, *scale),
            DataTypeKind::Interval(qualifier) => {
                self.put("INTERVAL ");
                self.interval_qualifier(qualifier);
            }
            DataTypeKind::Array(element) => self.wrapped_type("ARRAY", element),
            DataTypeKind::Multiset(element) => self.wrapped_type("MULTISET", element),
            DataTypeKind::Map(key, value) => {
                self.put("MAP<");
                self.data_type(key);
                self.put(", ");
                self.data_type(value);
                self.put(">");
            }
            DataTypeKind::Row(fields) => {
                self.put("ROW<");
                self.list(fields, Self::row_field);
                self.put(">");
            }
            DataTypeKind::Structured { class, fields } => {
                self.put("STRUCTURED<");
                self.string(&class.value);
                for field in fields {
                    self.put(", ");
                    self.row_field(field);
                }
                self.put(">");
            }
            DataTypeKind::Raw { class, serializer } => {
                self.put("RAW(");
                self.string(&class.value);
                self.put(", ");
                self.string(&serializer.value);
                self.put(")");
            }
            DataTypeKind::Named(name) => self.named_type(name),
            other => self.put(plain_type(other)),
        }
    }

    /// A name that is always quoted, so that it is never taken for a built-in
    /// type.
    fn named_type(&mut self, name: &ObjectName) {
        let quote_all = std::mem::replace(&mut self.options.quote_all, true);
        self.object_name(name);
        self.options.quote_all = quote_all;
    }

    fn sized(&mut self, name: &str, size: Option<u32>) {
        self.put(name);
        self.size(size);
    }

    fn size(&mut self, size: Option<u32>) {
        if let Some(n) = size {
            self.put("(");
            self.number(n);
            self.put(")");
        }
    }

    fn decimal(&mut self, precision: Option<u32>, scale: Option<u32>) {
        self.put("DECIMAL");
        if let Some(p) = precision {
            self.put("(");
            self.number(p);
            if let Some(s) = scale {
                self.put(", ");
                self.number(s);
            }
            self.put(")");
        }
    }

    fn wrapped_type(&mut self, name: &str, element: &DataType) {
        self.put(name);
        self.put("<");
        self.data_type(element);
        self.put(">");
    }

    fn row_field(&mut self, field: &RowField) {
        self.ident(&field.name);
        self.put(" ");
        self.data_type(&field.data_type);
        if let Some(comment) = &field.comment {
            self.put(" ");
            self.string(&comment.value);
        }
    }

    // ---- literals -------------------------------------------------------

    pub(super) fn literal(&mut self, literal: &Literal) {
        match literal {
            Literal::Number(text) => self.put(text),
            Literal::String(text) => self.string(text),
            Literal::Boolean(true) => self.put("TRUE"),
            Literal::Boolean(false) => self.put("FALSE"),
            Literal::Null => self.put("NULL"),
            Literal::Unknown => self.put("UNKNOWN"),
            Literal::Binary(digits) => self.typed_literal("X", digits),
            Literal::Date(text) => self.typed_literal("DATE ", text),
            Literal::Time(text) => self.typed_literal("TIME ", text),
            Literal::Timestamp(text) => self.typed_literal("TIMESTAMP ", text),
            Literal::Interval(interval) => self.interval(interval),
        }
    }

    fn typed_literal(&mut self, name: &str, text: &str) {
        self.put(name);
        self.string(text);
    }

    pub(super) fn interval(&mut self, interval: &IntervalLit) {
        self.put("INTERVAL ");
        self.put_if(interval.negative, "-");
        self.string(&interval.value);
        self.put(" ");
        self.interval_qualifier(&interval.qualifier);
    }

    pub(super) fn interval_qualifier(&mut self, qualifier: &IntervalQualifier) {
        self.put(qualifier.from.as_str());
        match (qualifier.precision, qualifier.fraction, qualifier.to) {
            (Some(precision), Some(fraction), None) => {
                self.put("(");
                self.number(precision);
                self.put(", ");
                self.number(fraction);
                self.put(")");
            }
            (precision, _, _) => self.size(precision),
        }
        if let Some(to) = qualifier.to {
            self.put(" TO ");
            self.put(to.as_str());
            self.size(qualifier.fraction);
        }
    }
}

fn plain_type(kind: &DataTypeKind) -> &'static str {
    match kind {
        DataTypeKind::String => "STRING",
        DataTypeKind::Boolean => "BOOLEAN",
        DataTypeKind::Bytes => "BYTES",
        DataTypeKind::TinyInt => "TINYINT",
        DataTypeKind::SmallInt => "SMALLINT",
        DataTypeKind::Int => "INT",
        DataTypeKind::BigInt => "BIGINT",
        DataTypeKind::Float => "FLOAT",
        DataTypeKind::Double => "DOUBLE",
        DataTypeKind::Date => "DATE",
        DataTypeKind::Variant => "VARIANT",
        DataTypeKind::Bitmap => "BITMAP",
        DataTypeKind::Descriptor => "DESCRIPTOR",
        _ => "NULL",
    }
}
