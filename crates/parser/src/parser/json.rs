//! The JSON functions, whose clauses are joined by words.

use super::special::Form;
use super::{PResult, Parser};
use crate::ast::*;
use crate::lexer::Symbol;

/// The clause a behaviour ends with.
#[derive(Clone, Copy, PartialEq)]
enum On {
    Empty,
    Error,
}

impl Parser<'_> {
    /// How to read the JSON function `word` (upper case), if it is one.
    pub(super) fn json_form(word: &str) -> Option<Form<Self>> {
        Some(match word {
            "JSON_EXISTS" => Self::json_exists,
            "JSON_VALUE" => Self::json_value,
            "JSON_QUERY" => Self::json_query,
            "JSON_OBJECT" => Self::json_object,
            "JSON_ARRAY" => Self::json_array,
            "JSON_OBJECTAGG" => Self::json_object_agg,
            "JSON_ARRAYAGG" => Self::json_array_agg,
            _ => return None,
        })
    }

    /// What follows `IS [NOT] JSON`.
    pub(super) fn json_kind(&mut self) -> JsonKind {
        if self.accept_kw("OBJECT") {
            JsonKind::Object
        } else if self.accept_kw("ARRAY") {
            JsonKind::Array
        } else if self.accept_kw("SCALAR") {
            JsonKind::Scalar
        } else {
            self.accept_kw("VALUE");
            JsonKind::Value
        }
    }

    /// `(input, path`
    fn json_input(&mut self) -> PResult<(Box<Expr>, Box<Expr>)> {
        self.pos += 1;
        self.expect(Symbol::LParen)?;
        let input = self.boxed_expr()?;
        self.expect(Symbol::Comma)?;
        Ok((input, self.boxed_expr()?))
    }

    fn returning(&mut self) -> PResult<Option<DataType>> {
        match self.accept_kw("RETURNING") {
            true => self.data_type().map(Some),
            false => Ok(None),
        }
    }

    fn on(&mut self) -> PResult<On> {
        self.expect_kw("ON")?;
        if self.accept_kw("EMPTY") {
            return Ok(On::Empty);
        }
        self.expect_kw("ERROR")?;
        Ok(On::Error)
    }

    fn json_exists(&mut self) -> PResult<ExprKind> {
        let (input, path) = self.json_input()?;
        let on_error = if self.accept_kw("TRUE") {
            Some(JsonExistsOnError::True)
        } else if self.accept_kw("FALSE") {
            Some(JsonExistsOnError::False)
        } else if self.accept_kw("UNKNOWN") {
            Some(JsonExistsOnError::Unknown)
        } else if self.accept_kw("ERROR") {
            Some(JsonExistsOnError::Error)
        } else {
            None
        };
        if on_error.is_some() {
            self.expect_kws(&["ON", "ERROR"])?;
        }
        self.expect(Symbol::RParen)?;
        Ok(ExprKind::JsonExists { input, path, on_error })
    }

    fn json_value(&mut self) -> PResult<ExprKind> {
        let (input, path) = self.json_input()?;
        let returning = self.returning()?;
        let (mut on_empty, mut on_error) = (None, None);
        while !self.accept(Symbol::RParen) {
            let behavior = if self.accept_kw("NULL") {
                JsonValueBehavior::Null
            } else if self.accept_kw("ERROR") {
                JsonValueBehavior::Error
            } else {
                self.expect_kw("DEFAULT")?;
                JsonValueBehavior::Default(self.boxed_expr()?)
            };
            match self.on()? {
                On::Empty if on_empty.is_none() => on_empty = Some(behavior),
                On::Error if on_error.is_none() => on_error = Some(behavior),
                _ => return self.twice(),
            }
        }
        Ok(ExprKind::JsonValue { input, path, returning, on_empty, on_error })
    }

    fn twice<T>(&self) -> PResult<T> {
        self.fail(self.peek().span, "unexpected clause: ON EMPTY and ON ERROR stand once each")
    }

    fn json_query(&mut self) -> PResult<ExprKind> {
        let (input, path) = self.json_input()?;
        let returning = self.returning()?;
        let wrapper = self.json_wrapper()?;
        let (mut on_empty, mut on_error) = (None, None);
        while !self.accept(Symbol::RParen) {
            let behavior = if self.accept_kw("NULL") {
                JsonQueryBehavior::Null
            } else if self.accept_kw("ERROR") {
                JsonQueryBehavior::Error
            } else {
                self.expect_kw("EMPTY")?;
                match self.accept_kw("OBJECT") {
                    true => JsonQueryBehavior::EmptyObject,
                    false => {
                        self.expect_kw("ARRAY")?;
                        JsonQueryBehavior::EmptyArray
                    }
                }
            };
            match self.on()? {
                On::Empty if on_empty.is_none() => on_empty = Some(behavior),
                On::Error if on_error.is_none() => on_error = Some(behavior),
                _ => return self.twice(),
            }
        }
        Ok(ExprKind::JsonQuery { input, path, returning, wrapper, on_empty, on_error })
    }

    fn json_wrapper(&mut self) -> PResult<Option<JsonWrapper>> {
        let wrapper = if self.accept_kw("WITHOUT") {
            JsonWrapper::Without
        } else if self.accept_kw("WITH") {
            if self.accept_kw("CONDITIONAL") {
                JsonWrapper::Conditional
            } else {
                self.accept_kw("UNCONDITIONAL");
                JsonWrapper::Unconditional
            }
        } else {
            return Ok(None);
        };
        self.accept_kw("ARRAY");
        self.expect_kw("WRAPPER")?;
        Ok(Some(wrapper))
    }

    fn on_null(&mut self) -> PResult<Option<JsonOnNull>> {
        let on_null = if self.peek_kws(&["NULL", "ON"]) {
            JsonOnNull::Null
        } else if self.peek_kws(&["ABSENT", "ON"]) {
            JsonOnNull::Absent
        } else {
            return Ok(None);
        };
        self.pos += 2;
        self.expect_kw("NULL")?;
        Ok(Some(on_null))
    }

    /// `[KEY] k VALUE v` or `k : v`.
    fn json_entry(&mut self) -> PResult<JsonEntry> {
        if self.peek_kw("KEY") && !matches!(self.symbol_at(1), Some(Symbol::Colon | Symbol::Dot)) {
            self.pos += 1;
        }
        let outer = std::mem::replace(&mut self.colon_ends, true);
        let key = self.expr();
        self.colon_ends = outer;
        let key = key?;
        if !self.accept(Symbol::Colon) {
            self.expect_kw("VALUE")?;
        }
        let value = self.inside(Self::expr)?;
        Ok(JsonEntry { key, value })
    }

    fn json_object(&mut self) -> PResult<ExprKind> {
        self.pos += 1;
        self.parens(|p| {
            let empty = p.peek_symbol(Symbol::RParen) || p.on_null_ahead();
            let entries = match empty {
                true => Vec::new(),
                false => p.comma_list(Self::json_entry)?,
            };
            Ok(ExprKind::JsonObject { entries, on_null: p.on_null()? })
        })
    }

    fn on_null_ahead(&self) -> bool {
        self.peek_kws(&["NULL", "ON"]) || self.peek_kws(&["ABSENT", "ON"])
    }

    fn json_array(&mut self) -> PResult<ExprKind> {
        self.pos += 1;
        self.parens(|p| {
            let empty = p.peek_symbol(Symbol::RParen) || p.on_null_ahead();
            let items = match empty {
                true => Vec::new(),
                false => p.comma_list(Self::expr)?,
            };
            Ok(ExprKind::JsonArray { items, on_null: p.on_null()? })
        })
    }

    fn json_object_agg(&mut self) -> PResult<ExprKind> {
        self.pos += 1;
        let (entry, on_null) = self.parens(|p| Ok((Box::new(p.json_entry()?), p.on_null()?)))?;
        let (filter, over) = (self.filter()?, self.over()?.map(Box::new));
        Ok(ExprKind::JsonObjectAgg { entry, on_null, filter, over })
    }

    fn json_array_agg(&mut self) -> PResult<ExprKind> {
        self.pos += 1;
        let (item, order_by, on_null) =
            self.parens(|p| Ok((p.boxed_expr()?, p.order_by()?, p.on_null()?)))?;
        let (filter, over) = (self.filter()?, self.over()?.map(Box::new));
        Ok(ExprKind::JsonArrayAgg { item, order_by, on_null, filter, over })
    }
}
