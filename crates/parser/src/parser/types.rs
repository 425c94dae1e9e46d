//! Data types, time units and interval qualifiers.

use super::{PResult, Parser};
use crate::ast::*;
use crate::lexer::{Symbol, TokenKind};

impl Parser<'_> {
    pub(crate) fn data_type(&mut self) -> PResult<DataType> {
        self.nested(|p| {
            let start = p.here();
            let mut kind = p.type_kind()?;
            let mut nullable = p.nullability();
            loop {
                let wrap = if p.accept_kw("ARRAY") {
                    DataTypeKind::Array
                } else if p.accept_kw("MULTISET") {
                    DataTypeKind::Multiset
                } else {
                    break;
                };
                let span = p.span_from(start);
                kind = wrap(Box::new(DataType { kind, nullable, span }));
                p.grow()?;
                nullable = p.nullability();
            }
            Ok(DataType { kind, nullable, span: p.span_from(start) })
        })
    }

    fn nullability(&mut self) -> Option<bool> {
        if self.accept_kws(&["NOT", "NULL"]) {
            Some(false)
        } else if !self.kw_at(1, "ON") && self.accept_kw("NULL") {
            Some(true)
        } else {
            None
        }
    }

    fn type_kind(&mut self) -> PResult<DataTypeKind> {
        if self.peek().kind == TokenKind::QuotedWord {
            return self.object_name().map(DataTypeKind::Named);
        }
        let word = self.word_at(0).to_ascii_uppercase();
        if word.is_empty() || self.symbol_at(1) == Some(Symbol::Dot) {
            return match self.ident_at(0) {
                true => self.object_name().map(DataTypeKind::Named),
                false => self.unexpected_for("a data type"),
            };
        }
        if let Some(kind) = plain_type(&word) {
            self.pos += 1;
            return Ok(kind);
        }
        let start = self.pos;
        self.pos += 1;
        match self.type_with_arguments(&word)? {
            Some(kind) => Ok(kind),
            None => {
                self.pos = start;
                match self.ident_at(0) {
                    true => self.object_name().map(DataTypeKind::Named),
                    false => self.unexpected_for("a data type"),
                }
            }
        }
    }

    /// The types whose name, already taken, may be followed by more.
    fn type_with_arguments(&mut self, word: &str) -> PResult<Option<DataTypeKind>> {
        Ok(Some(match word {
            "CHAR" | "CHARACTER" => match self.accept_kw("VARYING") {
                true => DataTypeKind::Varchar(self.length()?),
                false => DataTypeKind::Char(self.length()?),
            },
            "VARCHAR" => DataTypeKind::Varchar(self.length()?),
            "BINARY" => match self.accept_kw("VARYING") {
                true => DataTypeKind::Varbinary(self.length()?),
                false => DataTypeKind::Binary(self.length()?),
            },
            "VARBINARY" => DataTypeKind::Varbinary(self.length()?),
            "DECIMAL" | "DEC" | "NUMERIC" => self.decimal()?,
            "DOUBLE" => {
                self.accept_kw("PRECISION");
                DataTypeKind::Double
            }
            "TIME" => {
                let precision = self.length()?;
                self.accept_kws(&["WITHOUT", "TIME", "ZONE"]);
                DataTypeKind::Time(precision)
            }
            "TIMESTAMP" => self.timestamp()?,
            "TIMESTAMP_LTZ" => DataTypeKind::TimestampLtz(self.length()?),
            "INTERVAL" => DataTypeKind::Interval(self.interval_qualifier()?),
            "ARRAY" => DataTypeKind::Array(self.element_type()?),
            "MULTISET" => DataTypeKind::Multiset(self.element_type()?),
            "MAP" if self.peek_symbol(Symbol::Lt) => self.map_type()?,
            "ROW" => DataTypeKind::Row(self.row_fields()?),
            "STRUCTURED" if self.peek_symbol(Symbol::Lt) => self.structured()?,
            "RAW" if self.peek_symbol(Symbol::LParen) => self.raw()?,
            _ => return Ok(None),
        }))
    }

    /// `(n)`, if it is there.
    fn length(&mut self) -> PResult<Option<u32>> {
        match self.peek_symbol(Symbol::LParen) {
            true => self.parens(Self::unsigned).map(Some),
            false => Ok(None),
        }
    }

    fn decimal(&mut self) -> PResult<DataTypeKind> {
        if !self.accept(Symbol::LParen) {
            return Ok(DataTypeKind::Decimal { precision: None, scale: None });
        }
        let precision = Some(self.unsigned()?);
        let scale = match self.accept(Symbol::Comma) {
            true => Some(self.unsigned()?),
            false => None,
        };
        self.expect(Symbol::RParen)?;
        Ok(DataTypeKind::Decimal { precision, scale })
    }

    fn timestamp(&mut self) -> PResult<DataTypeKind> {
        let precision = self.length()?;
        if self.accept_kw("WITHOUT") {
            self.expect_kws(&["TIME", "ZONE"])?;
        } else if self.accept_kws(&["WITH", "LOCAL", "TIME", "ZONE"]) {
            return Ok(DataTypeKind::TimestampLtz(precision));
        } else if self.accept_kws(&["WITH", "TIME", "ZONE"]) {
            return Ok(DataTypeKind::TimestampTz(precision));
        }
        Ok(DataTypeKind::Timestamp(precision))
    }

    fn element_type(&mut self) -> PResult<Box<DataType>> {
        self.expect(Symbol::Lt)?;
        let element = self.data_type()?;
        self.expect(Symbol::Gt)?;
        Ok(Box::new(element))
    }

    fn map_type(&mut self) -> PResult<DataTypeKind> {
        self.expect(Symbol::Lt)?;
        let key = self.data_type()?;
        self.expect(Symbol::Comma)?;
        let value = self.data_type()?;
        self.expect(Symbol::Gt)?;
        Ok(DataTypeKind::Map(Box::new(key), Box::new(value)))
    }

    fn row_fields(&mut self) -> PResult<Vec<RowField>> {
        if self.accept(Symbol::NotEq) {
            return Ok(Vec::new());
        }
        if self.peek_symbol(Symbol::LParen) {
            return self.paren_list0(Self::row_field);
        }
        self.expect(Symbol::Lt)?;
        if self.accept(Symbol::Gt) {
            return Ok(Vec::new());
        }
        let fields = self.comma_list(Self::row_field)?;
        self.expect(Symbol::Gt)?;
        Ok(fields)
    }

    fn row_field(&mut self) -> PResult<RowField> {
        let start = self.here();
        let name = self.ident()?;
        let data_type = self.data_type()?;
        let comment = match self.string_at(0) {
            true => Some(self.string()?),
            false => None,
        };
        Ok(RowField { name, data_type, comment, span: self.span_from(start) })
    }

    fn structured(&mut self) -> PResult<DataTypeKind> {
        self.expect(Symbol::Lt)?;
        let class = self.string()?;
        let mut fields = Vec::new();
        while self.accept(Symbol::Comma) {
            fields.push(self.row_field()?);
        }
        self.expect(Symbol::Gt)?;
        Ok(DataTypeKind::Structured { class, fields })
    }

    fn raw(&mut self) -> PResult<DataTypeKind> {
        self.parens(|p| {
            let class = p.string()?;
            p.expect(Symbol::Comma)?;
            Ok(DataTypeKind::Raw { class, serializer: p.string()? })
        })
    }

    // ---- units ----------------------------------------------------------

    pub(super) fn time_unit(&mut self) -> PResult<TimeUnit> {
        match unit_of(self.word_at(0)) {
            Some(unit) => {
                self.pos += 1;
                Ok(unit)
            }
            None => self.unexpected_for("a time unit such as SECOND or DAY"),
        }
    }

    pub(super) fn interval_qualifier(&mut self) -> PResult<IntervalQualifier> {
        let from = self.time_unit()?;
        let mut qualifier = IntervalQualifier::unit(from);
        if self.accept(Symbol::LParen) {
            qualifier.precision = Some(self.unsigned()?);
            if from == TimeUnit::Second && self.accept(Symbol::Comma) {
                qualifier.fraction = Some(self.unsigned()?);
            }
            self.expect(Symbol::RParen)?;
        }
        if self.peek_kw("TO") && unit_of(self.word_at(1)).is_some_and(|to| is_range(from, to)) {
            self.pos += 1;
            let to = self.time_unit()?;
            qualifier.to = Some(to);
            if to == TimeUnit::Second {
                qualifier.fraction = self.length()?;
            }
        }
        Ok(qualifier)
    }
}

/// The types that are one word, always.
fn plain_type(word: &str) -> Option<DataTypeKind> {
    Some(match word {
        "STRING" => DataTypeKind::String,
        "BOOLEAN" => DataTypeKind::Boolean,
        "BYTES" => DataTypeKind::Bytes,
        "TINYINT" => DataTypeKind::TinyInt,
        "SMALLINT" => DataTypeKind::SmallInt,
        "INT" | "INTEGER" => DataTypeKind::Int,
        "BIGINT" => DataTypeKind::BigInt,
        "FLOAT" | "REAL" => DataTypeKind::Float,
        "DATE" => DataTypeKind::Date,
        "NULL" => DataTypeKind::Null,
        "VARIANT" => DataTypeKind::Variant,
        "BITMAP" => DataTypeKind::Bitmap,
        "DESCRIPTOR" => DataTypeKind::Descriptor,
        _ => return None,
    })
}

/// True for the ranges that intervals know, such as DAY TO SECOND.
fn is_range(from: TimeUnit, to: TimeUnit) -> bool {
    use TimeUnit::*;
    match from {
        Year => to == Month,
        Day => matches!(to, Hour | Minute | Second),
        Hour => matches!(to, Minute | Second),
        Minute => to == Second,
        _ => false,
    }
}

fn unit_of(word: &str) -> Option<TimeUnit> {
    Some(match word.to_ascii_uppercase().as_str() {
        "MILLENNIUM" => TimeUnit::Millennium,
        "CENTURY" => TimeUnit::Century,
        "DECADE" => TimeUnit::Decade,
        "YEAR" | "YEARS" | "SQL_TSI_YEAR" => TimeUnit::Year,
        "ISOYEAR" => TimeUnit::IsoYear,
        "QUARTER" | "QUARTERS" | "SQL_TSI_QUARTER" => TimeUnit::Quarter,
        "MONTH" | "MONTHS" | "SQL_TSI_MONTH" => TimeUnit::Month,
        "WEEK" | "WEEKS" | "SQL_TSI_WEEK" => TimeUnit::Week,
        "DAY" | "DAYS" | "SQL_TSI_DAY" => TimeUnit::Day,
        "DOY" | "DAYOFYEAR" => TimeUnit::Doy,
        "DOW" | "DAYOFWEEK" => TimeUnit::Dow,
        "ISODOW" => TimeUnit::IsoDow,
        "HOUR" | "HOURS" | "SQL_TSI_HOUR" => TimeUnit::Hour,
        "MINUTE" | "MINUTES" | "SQL_TSI_MINUTE" => TimeUnit::Minute,
        "SECOND" | "SECONDS" | "SQL_TSI_SECOND" => TimeUnit::Second,
        "MILLISECOND" | "MILLISECONDS" => TimeUnit::Millisecond,
        "FRAC_SECOND" | "MICROSECOND" | "MICROSECONDS" | "SQL_TSI_MICROSECOND" => {
            TimeUnit::Microsecond
        }
        "NANOSECOND" | "NANOSECONDS" | "SQL_TSI_FRAC_SECOND" => TimeUnit::Nanosecond,
        "EPOCH" => TimeUnit::Epoch,
        _ => return None,
    })
}
