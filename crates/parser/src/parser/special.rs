//! Primaries with a syntax of their own: typed literals, CASE, CAST,
//! constructors, and functions whose arguments are joined by words.

use super::{PResult, Parser};
use crate::ast::*;
use crate::keywords;
use crate::lexer::{Symbol, TokenKind};

/// Reads one special form from its first word on.
pub(super) type Form<P> = fn(&mut P) -> PResult<ExprKind>;

impl Parser<'_> {
    /// Reads the special form that begins with `word` (upper case), or takes
    /// nothing when the word begins none here.
    pub(super) fn special(&mut self, word: &str) -> PResult<Option<ExprKind>> {
        let call = self.symbol_at(1) == Some(Symbol::LParen);
        if call && let Some(kind) = self.special_call(word)? {
            return Ok(Some(kind));
        }
        let literal = match word {
            "TRUE" => Literal::Boolean(true),
            "FALSE" => Literal::Boolean(false),
            "NULL" => Literal::Null,
            "UNKNOWN" => Literal::Unknown,
            "DEFAULT" => {
                self.pos += 1;
                return Ok(Some(ExprKind::Default));
            }
            _ => return self.special_words(word),
        };
        self.pos += 1;
        Ok(Some(ExprKind::Literal(literal)))
    }

    fn special_words(&mut self, word: &str) -> PResult<Option<ExprKind>> {
        let bracket = self.symbol_at(1) == Some(Symbol::LBracket);
        let form: Form<Self> = match word {
            "DATE" | "TIME" | "TIMESTAMP" if self.string_at(1) => Self::typed_literal,
            "TIMESTAMP" if self.kw_at(1, "WITH") && self.kw_at(2, "LOCAL") => Self::local_timestamp,
            "INTERVAL" => Self::interval_expr,
            "CASE" => Self::case,
            "ARRAY" if bracket => |p| p.bracket_list().map(ExprKind::Array),
            "MAP" if bracket => Self::map_literal,
            "MULTISET" if bracket => |p| p.bracket_list().map(ExprKind::Multiset),
            "NEXT" | "CURRENT" if self.kw_at(1, "VALUE") => Self::sequence_value,
            "RUNNING" | "FINAL" if self.semantics_follows() => Self::match_semantics,
            _ => return Ok(None),
        };
        form(self).map(Some)
    }

    fn special_call(&mut self, word: &str) -> PResult<Option<ExprKind>> {
        let form: Form<Self> = match word {
            "EXISTS" => |p| p.word_query().map(ExprKind::Exists),
            "UNIQUE" => |p| p.word_query().map(ExprKind::Unique),
            "CURSOR" => |p| p.word_query().map(ExprKind::Cursor),
            "ARRAY" => |p| p.word_query().map(ExprKind::ArrayQuery),
            "MULTISET" => |p| p.word_query().map(ExprKind::MultisetQuery),
            "MAP" if self.query_starts_at(2) => |p| p.word_query().map(ExprKind::MapQuery),
            "CAST" | "TRY_CAST" => Self::cast,
            "ROW" => Self::row,
            "PERIOD" => Self::period,
            "EXTRACT" => Self::extract,
            "POSITION" => Self::position,
            "SUBSTRING" => Self::substring,
            "TRIM" => Self::trim,
            "OVERLAY" => Self::overlay,
            "FLOOR" | "CEIL" | "CEILING" => Self::round_to,
            "TIMESTAMPADD" => Self::timestamp_add,
            "TIMESTAMPDIFF" => Self::timestamp_diff,
            _ => match Self::json_form(word) {
                Some(form) => form,
                None => return Ok(None),
            },
        };
        form(self).map(Some)
    }

    fn row(&mut self) -> PResult<ExprKind> {
        self.pos += 1;
        self.paren_list0(Self::expr).map(ExprKind::Row)
    }

    /// `WORD (query)`.
    fn word_query(&mut self) -> PResult<Box<Query>> {
        self.pos += 1;
        self.paren_query()
    }

    fn bracket_list(&mut self) -> PResult<Vec<Expr>> {
        self.pos += 1;
        self.expect(Symbol::LBracket)?;
        if self.accept(Symbol::RBracket) {
            return Ok(Vec::new());
        }
        let list = self.inside(|p| p.comma_list(Self::expr))?;
        self.expect(Symbol::RBracket)?;
        Ok(list)
    }

    fn map_literal(&mut self) -> PResult<ExprKind> {
        let start = self.here();
        let list = self.bracket_list()?;
        if !list.len().is_multiple_of(2) {
            let span = self.span_from(start);
            return self.fail(span, "MAP takes pairs of key and value: MAP['a', 1, 'b', 2]");
        }
        Ok(ExprKind::Map(list))
    }

    fn typed_literal(&mut self) -> PResult<ExprKind> {
        let word = self.word_at(0).to_ascii_uppercase();
        self.pos += 1;
        let value = self.string()?.value;
        Ok(ExprKind::Literal(match word.as_str() {
            "DATE" => Literal::Date(value),
            "TIME" => Literal::Time(value),
            _ => Literal::Timestamp(value),
        }))
    }

    /// `TIMESTAMP WITH LOCAL TIME ZONE '..'`, which is a cast of the text with
    /// as many digits of the second as the text has.
    fn local_timestamp(&mut self) -> PResult<ExprKind> {
        let start = self.here();
        self.expect_kws(&["TIMESTAMP", "WITH", "LOCAL", "TIME", "ZONE"])?;
        let text = self.string()?;
        let digits = text.value.rsplit_once('.').map_or(0, |(_, fraction)| fraction.len());
        let kind = DataTypeKind::TimestampLtz(Some(digits.min(9) as u32));
        let data_type = DataType { kind, nullable: None, span: self.span_from(start) };
        let literal = ExprKind::Literal(Literal::String(text.value));
        let expr = Box::new(Expr::new(literal, text.span));
        Ok(ExprKind::Cast { try_cast: false, expr, data_type, format: None })
    }

    /// `{d '..'}`, `{t '..'}` and `{ts '..'}`, as JDBC clients write them.
    pub(super) fn braced_literal(&mut self) -> PResult<ExprKind> {
        self.expect(Symbol::LBrace)?;
        let word = self.word_at(0).to_ascii_lowercase();
        let literal: fn(String) -> Literal = match word.as_str() {
            "d" => Literal::Date,
            "t" => Literal::Time,
            "ts" => Literal::Timestamp,
            _ => return self.unexpected(),
        };
        self.pos += 1;
        let value = self.string()?.value;
        self.expect(Symbol::RBrace)?;
        Ok(ExprKind::Literal(literal(value)))
    }

    fn interval_expr(&mut self) -> PResult<ExprKind> {
        let start = self.here();
        self.pos += 1;
        let negative = self.accept(Symbol::Minus);
        if !negative {
            self.accept(Symbol::Plus);
        }
        if self.string_at(0) {
            let value = self.string()?.value;
            let qualifier = self.interval_qualifier()?;
            let span = self.span_from(start);
            let interval = IntervalLit { negative, value, qualifier, span };
            return Ok(ExprKind::Literal(Literal::Interval(interval)));
        }
        let value = Box::new(self.interval_amount()?);
        let qualifier = self.interval_qualifier()?;
        Ok(ExprKind::IntervalExpr { negative, value, qualifier })
    }

    /// The amount of an interval that is no string: a number, a name or a
    /// parenthesised expression.
    fn interval_amount(&mut self) -> PResult<Expr> {
        let start = self.here();
        match self.peek().kind {
            TokenKind::Symbol(Symbol::LParen) => self.parens(Self::expr),
            TokenKind::Number => {
                let token = self.advance();
                let number = Literal::Number(self.text(token).to_string());
                Ok(Expr::new(ExprKind::Literal(number), token.span))
            }
            _ if self.ident_at(0) => {
                let name = self.object_name()?;
                Ok(Expr::new(ExprKind::Identifier(name), self.span_from(start)))
            }
            _ => self.unexpected_for("a string in single quotes"),
        }
    }

    /// `INTERVAL '..' unit` where nothing else will do.
    pub(super) fn interval_literal(&mut self) -> PResult<IntervalLit> {
        let start = self.here();
        if self.peek_kw("INTERVAL")
            && let ExprKind::Literal(Literal::Interval(interval)) = self.interval_expr()?
        {
            return Ok(interval);
        }
        let span = self.span_from(start).to(self.peek().span);
        self.fail(span, "unexpected value: this must be an interval such as INTERVAL '1' MINUTE")
    }

    fn case(&mut self) -> PResult<ExprKind> {
        self.pos += 1;
        let operand = match self.peek_kw("WHEN") {
            true => None,
            false => Some(self.boxed_expr()?),
        };
        let mut branches = Vec::new();
        while self.accept_kw("WHEN") {
            let when = match operand.is_some() {
                true => self.comma_list(Self::expr)?,
                false => vec![self.expr()?],
            };
            self.expect_kw("THEN")?;
            branches.push(CaseBranch { when, then: self.expr()? });
        }
        if branches.is_empty() {
            return self.unexpected();
        }
        let else_result = match self.accept_kw("ELSE") {
            true => Some(self.boxed_expr()?),
            false => None,
        };
        self.expect_kw("END")?;
        Ok(ExprKind::Case { operand, branches, else_result })
    }

    fn cast(&mut self) -> PResult<ExprKind> {
        let try_cast = self.peek_kw("TRY_CAST");
        self.pos += 1;
        self.parens(|p| {
            let expr = p.boxed_expr()?;
            p.expect_kw("AS")?;
            let data_type = p.data_type()?;
            let format = match p.accept_kw("FORMAT") {
                true => Some(p.string()?.value),
                false => None,
            };
            Ok(ExprKind::Cast { try_cast, expr, data_type, format })
        })
    }

    fn period(&mut self) -> PResult<ExprKind> {
        self.pos += 1;
        self.parens(|p| {
            let start = p.boxed_expr()?;
            p.expect(Symbol::Comma)?;
            Ok(ExprKind::Period { start, end: p.boxed_expr()? })
        })
    }

    fn extract(&mut self) -> PResult<ExprKind> {
        self.pos += 1;
        self.parens(|p| {
            let unit = p.time_unit()?;
            p.expect_kw("FROM")?;
            Ok(ExprKind::Extract { unit, expr: p.boxed_expr()? })
        })
    }

    fn position(&mut self) -> PResult<ExprKind> {
        self.pos += 1;
        self.parens(|p| {
            let needle = Box::new(p.expr_above(crate::precedence::LIKE)?);
            p.expect_kw("IN")?;
            let haystack = p.boxed_expr()?;
            let from = match p.accept_kw("FROM") {
                true => Some(p.boxed_expr()?),
                false => None,
            };
            Ok(ExprKind::Position { needle, haystack, from })
        })
    }

    fn substring(&mut self) -> PResult<ExprKind> {
        self.pos += 1;
        self.parens(|p| {
            let expr = p.boxed_expr()?;
            let commas = p.accept(Symbol::Comma);
            if !commas {
                p.expect_kw("FROM")?;
            }
            let from = p.boxed_expr()?;
            let more = match commas {
                true => p.accept(Symbol::Comma),
                false => p.accept_kw("FOR"),
            };
            let len = match more {
                true => Some(p.boxed_expr()?),
                false => None,
            };
            Ok(ExprKind::Substring { expr, from, len })
        })
    }

    fn trim(&mut self) -> PResult<ExprKind> {
        self.pos += 1;
        self.parens(|p| {
            let side = p.trim_side();
            if side.is_some() && p.accept_kw("FROM") {
                return Ok(ExprKind::Trim { side, chars: None, expr: p.boxed_expr()? });
            }
            let first = p.boxed_expr()?;
            if p.accept_kw("FROM") {
                let expr = p.boxed_expr()?;
                return Ok(ExprKind::Trim { side, chars: Some(first), expr });
            }
            if side.is_some() {
                return p.unexpected();
            }
            Ok(ExprKind::Trim { side, chars: None, expr: first })
        })
    }

    fn trim_side(&mut self) -> Option<TrimSide> {
        if self.accept_kw("BOTH") {
            Some(TrimSide::Both)
        } else if self.accept_kw("LEADING") {
            Some(TrimSide::Leading)
        } else if self.accept_kw("TRAILING") {
            Some(TrimSide::Trailing)
        } else {
            None
        }
    }

    fn overlay(&mut self) -> PResult<ExprKind> {
        self.pos += 1;
        self.parens(|p| {
            let expr = p.boxed_expr()?;
            let commas = p.accept(Symbol::Comma);
            if !commas {
                p.expect_kw("PLACING")?;
            }
            let placing = p.boxed_expr()?;
            match commas {
                true => p.expect(Symbol::Comma)?,
                false => p.expect_kw("FROM")?,
            }
            let from = p.boxed_expr()?;
            let more = match commas {
                true => p.accept(Symbol::Comma),
                false => p.accept_kw("FOR"),
            };
            let len = match more {
                true => Some(p.boxed_expr()?),
                false => None,
            };
            Ok(ExprKind::Overlay { expr, placing, from, len })
        })
    }

    /// `FLOOR(a [TO unit])`, `CEIL(a [TO unit])`; also other arguments.
    fn round_to(&mut self) -> PResult<ExprKind> {
        let ceil = !self.peek_kw("FLOOR");
        let name = self.any_word();
        self.expect(Symbol::LParen)?;
        let start = self.here();
        if self.accept(Symbol::RParen) {
            return self.fail(name.span, format!("{} takes an argument", name.value));
        }
        let expr = self.expr()?;
        if self.accept_kw("TO") {
            let unit = self.time_unit()?;
            self.expect(Symbol::RParen)?;
            return Ok(ExprKind::RoundTo { ceil, expr: Box::new(expr), unit });
        }
        let span = self.span_from(start);
        let mut args = vec![FunctionArg { name: None, value: ArgValue::Expr(expr), span }];
        while self.accept(Symbol::Comma) {
            args.push(self.function_arg()?);
        }
        self.expect(Symbol::RParen)?;
        let span = self.span_from(name.span.start);
        Ok(ExprKind::Function(Box::new(FunctionCall::new(name.into(), args, span))))
    }

    fn timestamp_add(&mut self) -> PResult<ExprKind> {
        self.pos += 1;
        self.parens(|p| {
            let unit = p.time_unit()?;
            p.expect(Symbol::Comma)?;
            let count = p.boxed_expr()?;
            p.expect(Symbol::Comma)?;
            Ok(ExprKind::TimestampAdd { unit, count, expr: p.boxed_expr()? })
        })
    }

    fn timestamp_diff(&mut self) -> PResult<ExprKind> {
        self.pos += 1;
        self.parens(|p| {
            let unit = p.time_unit()?;
            p.expect(Symbol::Comma)?;
            let from = p.boxed_expr()?;
            p.expect(Symbol::Comma)?;
            Ok(ExprKind::TimestampDiff { unit, from, to: p.boxed_expr()? })
        })
    }

    fn sequence_value(&mut self) -> PResult<ExprKind> {
        let next = self.peek_kw("NEXT");
        self.pos += 2;
        self.expect_kw("FOR")?;
        Ok(ExprKind::SequenceValue { next, name: self.object_name()? })
    }

    fn semantics_follows(&self) -> bool {
        let function = self.ident_at(1) || keywords::is_function_word(self.word_at(1));
        match self.symbol_at(2) {
            Some(Symbol::LParen) => function,
            // `FINAL a.x`
            Some(Symbol::Dot) => self.ident_at(1),
            _ => false,
        }
    }

    fn match_semantics(&mut self) -> PResult<ExprKind> {
        let is_final = self.peek_kw("FINAL");
        self.pos += 1;
        let expr = Box::new(self.expr_above(crate::precedence::SIGN)?);
        Ok(ExprKind::MatchSemantics { is_final, expr })
    }
}
