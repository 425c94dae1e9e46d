//! Flink's serialisable type strings, in which computed columns and watermarks
//! of a table are kept among the Paimon options (`schema.N.data-type`).
//!
//! Invariant: [`parse`] reads what [`print`] writes and what Flink's
//! `asSerializableString` writes for the same type.

use weir_core::types::{IntervalField, MAX_LENGTH};
use weir_core::{DataType, Error, Field, Result, TimeAttribute, TypeKind};

/// The serialisable string of a type.
pub(crate) fn print(ty: &DataType) -> String {
    let base = match &ty.kind {
        TypeKind::Varchar(n) => format!("VARCHAR({n})"),
        TypeKind::Varbinary(n) => format!("VARBINARY({n})"),
        TypeKind::TimestampLtz(p, _) => format!("TIMESTAMP({p}) WITH LOCAL TIME ZONE"),
        TypeKind::Array(e) => format!("ARRAY<{}>", print(e)),
        TypeKind::Multiset(e) => format!("MULTISET<{}>", print(e)),
        TypeKind::Map(k, v) => format!("MAP<{}, {}>", print(k), print(v)),
        TypeKind::Row(fields) => {
            let parts: Vec<String> = fields
                .iter()
                .map(|f| format!("`{}` {}", f.name.replace('`', "``"), print(&f.ty)))
                .collect();
            format!("ROW<{}>", parts.join(", "))
        }
        other => other.to_string(),
    };
    if ty.nullable { base } else { format!("{base} NOT NULL") }
}

/// Reads a serialisable type string.
pub(crate) fn parse(text: &str) -> Result<DataType> {
    let mut p = Parser { text, at: 0 };
    let ty = p.data_type()?;
    p.space();
    if p.at < text.len() {
        return Err(p.error("the end"));
    }
    Ok(ty)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn error(&self, expected: &str) -> Error {
        Error::validation(format!(
            "cannot read the stored type '{}': expected {expected} at position {}",
            self.text, self.at
        ))
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn eat(&mut self, symbol: char) -> bool {
        self.space();
        let found = self.rest().starts_with(symbol);
        if found {
            self.at += symbol.len_utf8();
        }
        found
    }

    fn expect(&mut self, symbol: char) -> Result<()> {
        if self.eat(symbol) { Ok(()) } else { Err(self.error(&format!("'{symbol}'"))) }
    }

    fn peek_word(&mut self) -> String {
        self.space();
        self.rest()
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect::<String>()
    }

    fn word(&mut self) -> String {
        let w = self.peek_word();
        self.at += w.len();
        w.to_ascii_uppercase()
    }

    fn eat_words(&mut self, words: &[&str]) -> bool {
        let start = self.at;
        for w in words {
            if self.word() != *w {
                self.at = start;
                return false;
            }
        }
        true
    }

    fn number(&mut self) -> Result<u32> {
        let w = self.peek_word();
        let n = w.parse().map_err(|_| self.error("a number"))?;
        self.at += w.len();
        Ok(n)
    }

    /// `(n)` if present.
    fn length(&mut self) -> Result<Option<u32>> {
        if !self.eat('(') {
            return Ok(None);
        }
        let n = self.number()?;
        self.expect(')')?;
        Ok(Some(n))
    }

    fn precision(&mut self, default: u8) -> Result<u8> {
        let p = self.length()?.unwrap_or(u32::from(default));
        u8::try_from(p).ok().filter(|p| *p <= 9).ok_or_else(|| self.error("a precision up to 9"))
    }

    fn name(&mut self) -> Result<String> {
        if !self.eat('`') {
            let w = self.peek_word();
            if w.is_empty() {
                return Err(self.error("a field name"));
            }
            self.at += w.len();
            return Ok(w);
        }
        let mut out = String::new();
        loop {
            let Some(c) = self.rest().chars().next() else {
                return Err(self.error("'`'"));
            };
            self.at += c.len_utf8();
            if c != '`' {
                out.push(c);
            } else if self.rest().starts_with('`') {
                self.at += 1;
                out.push('`');
            } else {
                return Ok(out);
            }
        }
    }

    fn data_type(&mut self) -> Result<DataType> {
        let kind = self.kind()?;
        let mut ty = DataType::from(kind);
        if self.eat_words(&["NOT", "NULL"]) {
            ty.nullable = false;
        } else {
            self.eat_words(&["NULL"]);
        }
        Ok(ty)
    }

    fn kind(&mut self) -> Result<TypeKind> {
        let start = self.at;
        let word = self.word();
        Ok(match word.as_str() {
            "BOOLEAN" => TypeKind::Boolean,
            "TINYINT" => TypeKind::TinyInt,
            "SMALLINT" => TypeKind::SmallInt,
            "INT" | "INTEGER" => TypeKind::Int,
            "BIGINT" => TypeKind::BigInt,
            "FLOAT" => TypeKind::Float,
            "DOUBLE" => TypeKind::Double,
            "DECIMAL" | "NUMERIC" | "DEC" => self.decimal()?,
            "CHAR" => TypeKind::Char(self.length()?.unwrap_or(1)),
            "VARCHAR" => TypeKind::Varchar(self.length()?.unwrap_or(1)),
            "STRING" => TypeKind::Varchar(MAX_LENGTH),
            "BINARY" => TypeKind::Binary(self.length()?.unwrap_or(1)),
            "VARBINARY" => TypeKind::Varbinary(self.length()?.unwrap_or(1)),
            "BYTES" => TypeKind::Varbinary(MAX_LENGTH),
            "DATE" => TypeKind::Date,
            "TIME" => TypeKind::Time(self.precision(0)?),
            "TIMESTAMP" => self.timestamp()?,
            "TIMESTAMP_LTZ" => TypeKind::TimestampLtz(self.precision(6)?, TimeAttribute::None),
            "INTERVAL" => self.interval()?,
            "ARRAY" => TypeKind::Array(Box::new(self.element()?)),
            "MULTISET" => TypeKind::Multiset(Box::new(self.element()?)),
            "MAP" => {
                self.expect('<')?;
                let key = self.data_type()?;
                self.expect(',')?;
                let value = self.data_type()?;
                self.expect('>')?;
                TypeKind::Map(Box::new(key), Box::new(value))
            }
            "ROW" => TypeKind::Row(self.fields()?),
            "VARIANT" => TypeKind::Variant,
            "BITMAP" => TypeKind::Bitmap,
            _ => {
                self.at = start;
                return Err(self.error("a type name"));
            }
        })
    }

    fn decimal(&mut self) -> Result<TypeKind> {
        if !self.eat('(') {
            return Ok(TypeKind::Decimal(10, 0));
        }
        let p = self.number()?;
        let s = if self.eat(',') { self.number()? } else { 0 };
        self.expect(')')?;
        match (u8::try_from(p), u8::try_from(s)) {
            (Ok(p), Ok(s)) if p <= 38 && s <= p => Ok(TypeKind::Decimal(p, s)),
            _ => Err(self.error("a decimal precision up to 38")),
        }
    }

    fn timestamp(&mut self) -> Result<TypeKind> {
        let p = self.precision(6)?;
        if self.eat_words(&["WITH", "LOCAL", "TIME", "ZONE"]) {
            return Ok(TypeKind::TimestampLtz(p, TimeAttribute::None));
        }
        self.eat_words(&["WITHOUT", "TIME", "ZONE"]);
        Ok(TypeKind::Timestamp(p, TimeAttribute::None))
    }

    fn interval_field(&mut self) -> Result<IntervalField> {
        let start = self.at;
        let field = match self.word().as_str() {
            "YEAR" => IntervalField::Year,
            "MONTH" => IntervalField::Month,
            "DAY" => IntervalField::Day,
            "HOUR" => IntervalField::Hour,
            "MINUTE" => IntervalField::Minute,
            "SECOND" => IntervalField::Second,
            _ => {
                self.at = start;
                return Err(self.error("an interval field"));
            }
        };
        self.length()?;
        Ok(field)
    }

    fn interval(&mut self) -> Result<TypeKind> {
        let from = self.interval_field()?;
        let to = if self.eat_words(&["TO"]) { self.interval_field()? } else { from };
        Ok(match from {
            IntervalField::Year | IntervalField::Month => TypeKind::IntervalYearMonth(from, to),
            _ => TypeKind::IntervalDayTime(from, to),
        })
    }

    fn element(&mut self) -> Result<DataType> {
        self.expect('<')?;
        let ty = self.data_type()?;
        self.expect('>')?;
        Ok(ty)
    }

    fn fields(&mut self) -> Result<Vec<Field>> {
        self.expect('<')?;
        let mut fields = Vec::new();
        if self.eat('>') {
            return Ok(fields);
        }
        loop {
            let name = self.name()?;
            let ty = self.data_type()?;
            self.space();
            if self.rest().starts_with('\'') {
                self.skip_comment()?;
            }
            fields.push(Field::new(name, ty));
            if !self.eat(',') {
                self.expect('>')?;
                return Ok(fields);
            }
        }
    }

    fn skip_comment(&mut self) -> Result<()> {
        self.expect('\'')?;
        loop {
            let Some(end) = self.rest().find('\'') else {
                return Err(self.error("the end of the comment"));
            };
            self.at += end + 1;
            if !self.rest().starts_with('\'') {
                return Ok(());
            }
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips() {
        for text in [
            "INT NOT NULL",
            "VARCHAR(2147483647)",
            "DECIMAL(10, 2)",
            "TIMESTAMP(3) WITH LOCAL TIME ZONE NOT NULL",
            "ROW<`a``b` INT, `c` ARRAY<MAP<VARCHAR(3) NOT NULL, DOUBLE>>>",
            "INTERVAL DAY TO SECOND(3)",
        ] {
            assert_eq!(print(&parse(text).unwrap()), text);
        }
        assert!(parse("WIDGET").is_err());
        assert!(parse("INT x").is_err());
    }
}
