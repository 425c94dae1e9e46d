//! Expressions: operators by precedence, primaries, and what follows them.

use super::{PResult, Parser};
use crate::ast::*;
use crate::keywords;
use crate::lexer::{Symbol, TokenKind};
use crate::precedence as prec;

/// Fields that may stand behind a difference of two times.
const DIFFERENCE_UNITS: &[&str] = &["YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"];

impl Parser<'_> {
    pub(crate) fn expr(&mut self) -> PResult<Expr> {
        self.expr_above(0)
    }

    /// An expression whose operators all bind tighter than `min`.
    pub(super) fn expr_above(&mut self, min: u8) -> PResult<Expr> {
        self.nested(|p| {
            let start = p.here();
            let mut left = p.prefix()?;
            while let Some(op) = p.infix_operator(min) {
                left = p.infix(left, op, start)?;
                p.grow()?;
            }
            Ok(left)
        })
    }

    pub(super) fn boxed_expr(&mut self) -> PResult<Box<Expr>> {
        self.expr().map(Box::new)
    }

    fn boxed_above(&mut self, min: u8) -> PResult<Box<Expr>> {
        self.expr_above(min).map(Box::new)
    }

    /// What the next token is as an operator, if it binds tighter than `min`.
    fn infix_operator(&mut self, min: u8) -> Option<Infix> {
        let op = match self.peek().kind {
            TokenKind::Symbol(symbol) => Infix::Binary(symbol_operator(symbol)?, 1),
            TokenKind::Word => self.word_operator()?,
            _ => return None,
        };
        (op.precedence() > min).then_some(op)
    }

    fn word_operator(&self) -> Option<Infix> {
        let word = self.word_at(0).to_ascii_uppercase();
        Some(match word.as_str() {
            "AND" => Infix::Binary(BinaryOp::And, 1),
            "OR" => Infix::Binary(BinaryOp::Or, 1),
            "IS" => Infix::Is,
            "NOT" => Infix::Predicate(self.predicate_at(1)?, true),
            "BETWEEN" | "IN" | "LIKE" | "ILIKE" | "RLIKE" | "SIMILAR" => {
                Infix::Predicate(self.predicate_at(0)?, false)
            }
            "OVERLAPS" => Infix::Binary(BinaryOp::Overlaps, 1),
            "CONTAINS" => Infix::Binary(BinaryOp::Contains, 1),
            "EQUALS" => Infix::Binary(BinaryOp::Equals, 1),
            "PRECEDES" => Infix::Binary(BinaryOp::Precedes, 1),
            "SUCCEEDS" => Infix::Binary(BinaryOp::Succeeds, 1),
            "IMMEDIATELY" if self.kw_at(1, "PRECEDES") => {
                Infix::Binary(BinaryOp::ImmediatelyPrecedes, 2)
            }
            "IMMEDIATELY" if self.kw_at(1, "SUCCEEDS") => {
                Infix::Binary(BinaryOp::ImmediatelySucceeds, 2)
            }
            "MEMBER" => Infix::Binary(BinaryOp::MemberOf, 1 + usize::from(self.kw_at(1, "OF"))),
            "SUBMULTISET" => {
                Infix::Binary(BinaryOp::SubmultisetOf, 1 + usize::from(self.kw_at(1, "OF")))
            }
            "MULTISET" => self.multiset_operator()?,
            "AT" if self.kw_at(1, "TIME") && self.kw_at(2, "ZONE") => Infix::AtTimeZone,
            _ => return None,
        })
    }

    fn predicate_at(&self, ahead: usize) -> Option<Predicate> {
        Some(match self.word_at(ahead).to_ascii_uppercase().as_str() {
            "BETWEEN" => Predicate::Between,
            "IN" => Predicate::In,
            "LIKE" => Predicate::Like(LikeKind::Like),
            "ILIKE" => Predicate::Like(LikeKind::ILike),
            "RLIKE" if !matches!(self.symbol_at(ahead + 1), Some(Symbol::Comma | Symbol::Dot)) => {
                Predicate::Like(LikeKind::RLike)
            }
            "SIMILAR" if self.kw_at(ahead + 1, "TO") => Predicate::Like(LikeKind::SimilarTo),
            _ => return None,
        })
    }

    fn multiset_operator(&self) -> Option<Infix> {
        let distinct = self.kw_at(2, "DISTINCT");
        let words = 2 + usize::from(distinct || self.kw_at(2, "ALL"));
        let op = match self.word_at(1).to_ascii_uppercase().as_str() {
            "UNION" if distinct => BinaryOp::MultisetUnionDistinct,
            "UNION" => BinaryOp::MultisetUnion,
            "INTERSECT" if distinct => BinaryOp::MultisetIntersectDistinct,
            "INTERSECT" => BinaryOp::MultisetIntersect,
            "EXCEPT" if distinct => BinaryOp::MultisetExceptDistinct,
            "EXCEPT" => BinaryOp::MultisetExcept,
            _ => return None,
        };
        Some(Infix::Binary(op, words))
    }

    fn infix(&mut self, left: Expr, op: Infix, start: u32) -> PResult<Expr> {
        let kind = match op {
            Infix::Binary(op, tokens) => {
                let token = self.peek();
                if self.text(token) == "!=" {
                    self.extension(token.span, "!=; Flink writes <>");
                }
                self.pos += tokens;
                self.binary(left, op)?
            }
            Infix::Is => {
                self.pos += 1;
                self.is_test(left)?
            }
            Infix::Predicate(predicate, negated) => {
                self.pos += usize::from(negated) + 1;
                self.predicate(left, predicate, negated)?
            }
            Infix::AtTimeZone => {
                self.extension(self.peek().span, "AT TIME ZONE; Flink has CONVERT_TZ");
                self.pos += 3;
                ExprKind::AtTimeZone {
                    expr: Box::new(left),
                    zone: self.boxed_above(prec::AT_TIME_ZONE)?,
                }
            }
        };
        Ok(Expr::new(kind, self.span_from(start)))
    }

    fn binary(&mut self, left: Expr, op: BinaryOp) -> PResult<ExprKind> {
        let left = Box::new(left);
        if prec::is_comparison(op)
            && self.symbol_at(1) == Some(Symbol::LParen)
            && let Some(quantifier) = self.quantifier()
        {
            self.pos += 1;
            let source = self.quantified_source()?;
            return Ok(ExprKind::Quantified { left, op, quantifier, source });
        }
        let right = self.boxed_above(prec::binary(op))?;
        Ok(ExprKind::Binary { left, op, right })
    }

    fn quantifier(&self) -> Option<Quantifier> {
        Some(match self.word_at(0).to_ascii_uppercase().as_str() {
            "ANY" => Quantifier::Any,
            "SOME" => Quantifier::Some,
            "ALL" => Quantifier::All,
            _ => return None,
        })
    }

    fn quantified_source(&mut self) -> PResult<QuantifiedSource> {
        let mut list = self.in_list()?;
        match (list.pop(), list.is_empty()) {
            (Some(Expr { kind: ExprKind::Subquery(q), .. }), true) => {
                Ok(QuantifiedSource::Query(q))
            }
            (last, _) => {
                list.extend(last);
                Ok(QuantifiedSource::List(list))
            }
        }
    }

    /// `(a, b)` or `(query)`; a query comes as the only element, a subquery.
    fn in_list(&mut self) -> PResult<Vec<Expr>> {
        let start = self.here();
        self.expect(Symbol::LParen)?;
        let inside = self.inside(|p| p.parenthesised(start))?;
        Ok(match inside {
            Parenthesised::Query(q) => {
                vec![Expr::new(ExprKind::Subquery(q), self.span_from(start))]
            }
            Parenthesised::List(list) => list,
        })
    }

    fn predicate(&mut self, left: Expr, which: Predicate, negated: bool) -> PResult<ExprKind> {
        let expr = Box::new(left);
        match which {
            Predicate::Between => self.between(expr, negated),
            Predicate::In => self.in_predicate(expr, negated),
            Predicate::Like(kind) => {
                if kind == LikeKind::SimilarTo {
                    self.expect_kw("TO")?;
                }
                let pattern = self.boxed_above(prec::LIKE)?;
                let escape = match self.accept_kw("ESCAPE") {
                    true => Some(self.boxed_above(prec::LIKE)?),
                    false => None,
                };
                Ok(ExprKind::Like { expr, kind, negated, pattern, escape })
            }
        }
    }

    fn between(&mut self, expr: Box<Expr>, negated: bool) -> PResult<ExprKind> {
        let symmetric = self.accept_kw("SYMMETRIC");
        if !symmetric {
            self.accept_kw("ASYMMETRIC");
        }
        let low = self.boxed_above(prec::LIKE)?;
        if self.peek_any(&["PRECEDING", "FOLLOWING"]) {
            return self.frame_outside_over();
        }
        self.expect_kw("AND")?;
        let high = self.boxed_above(prec::LIKE)?;
        Ok(ExprKind::Between { expr, negated, symmetric, low, high })
    }

    fn frame_outside_over<T>(&self) -> PResult<T> {
        self.fail_hint(
            self.peek().span,
            "unexpected window frame: PRECEDING and FOLLOWING have a meaning only inside OVER (..)",
            "either filter by time, as in `ts >= CURRENT_TIMESTAMP - INTERVAL '1' DAY`, or \
             aggregate over a window, as in `SUM(x) OVER (PARTITION BY k ORDER BY ts RANGE \
             BETWEEN INTERVAL '1' DAY PRECEDING AND CURRENT ROW)`",
        )
    }

    fn in_predicate(&mut self, expr: Box<Expr>, negated: bool) -> PResult<ExprKind> {
        let mut list = self.in_list()?;
        if list.len() == 1
            && let Some(Expr { kind: ExprKind::Subquery(_), .. }) = list.first()
            && let Some(Expr { kind: ExprKind::Subquery(query), .. }) = list.pop()
        {
            return Ok(ExprKind::InSubquery { expr, negated, query });
        }
        Ok(ExprKind::InList { expr, negated, list })
    }

    fn is_test(&mut self, left: Expr) -> PResult<ExprKind> {
        let negated = self.accept_kw("NOT");
        if self.accept_kws(&["DISTINCT", "FROM"]) {
            let op = match negated {
                true => BinaryOp::IsNotDistinctFrom,
                false => BinaryOp::IsDistinctFrom,
            };
            let right = self.boxed_above(prec::COMPARISON)?;
            return Ok(ExprKind::Binary { left: Box::new(left), op, right });
        }
        let expr = Box::new(left);
        if self.accept_kw("JSON") {
            let kind = self.json_kind();
            return Ok(ExprKind::IsJson { expr, kind, negated });
        }
        const TESTS: [(&[&str], IsTest); 6] = [
            (&["NULL"], IsTest::Null),
            (&["TRUE"], IsTest::True),
            (&["FALSE"], IsTest::False),
            (&["UNKNOWN"], IsTest::Unknown),
            (&["A", "SET"], IsTest::ASet),
            (&["EMPTY"], IsTest::Empty),
        ];
        for (words, test) in TESTS {
            if self.accept_kws(words) {
                return Ok(ExprKind::Is { expr, test, negated });
            }
        }
        self.unexpected()
    }

    // ---- primaries ------------------------------------------------------

    fn prefix(&mut self) -> PResult<Expr> {
        let start = self.here();
        match self.peek().kind {
            TokenKind::Symbol(Symbol::Plus) => self.unary(UnaryOp::Plus, prec::SIGN),
            TokenKind::Symbol(Symbol::Minus) => self.unary(UnaryOp::Minus, prec::SIGN),
            TokenKind::Word if self.peek_kw("NOT") => self.unary(UnaryOp::Not, prec::NOT),
            _ => {
                let primary = self.primary()?;
                self.postfix(primary, start)
            }
        }
    }

    fn unary(&mut self, op: UnaryOp, binding: u8) -> PResult<Expr> {
        let start = self.here();
        self.pos += 1;
        let expr = self.boxed_above(binding)?;
        Ok(Expr::new(ExprKind::Unary { op, expr }, self.span_from(start)))
    }

    fn primary(&mut self) -> PResult<Expr> {
        let start = self.here();
        let kind = match self.peek().kind {
            TokenKind::Number => {
                let token = self.advance();
                ExprKind::Literal(Literal::Number(self.text(token).to_string()))
            }
            TokenKind::String | TokenKind::UnicodeString => {
                ExprKind::Literal(Literal::String(self.string()?.value))
            }
            TokenKind::Binary => self.binary_literal()?,
            TokenKind::Symbol(Symbol::LParen) => return self.paren_expr(),
            TokenKind::Symbol(Symbol::LBrace) if self.string_at(2) => self.braced_literal()?,
            TokenKind::QuotedWord => self.name_or_call()?,
            TokenKind::Word => self.word_primary()?,
            _ => return self.unexpected_for("an expression"),
        };
        Ok(Expr::new(kind, self.span_from(start)))
    }

    fn binary_literal(&mut self) -> PResult<ExprKind> {
        let mut digits = String::new();
        let start = self.here();
        let token = self.advance();
        let text = self.text(token);
        digits.push_str(text.get(2..text.len().saturating_sub(1)).unwrap_or(""));
        while self.peek().kind == TokenKind::String {
            digits.push_str(&self.string_part()?);
        }
        let even = digits.len().is_multiple_of(2);
        if !even || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            let span = self.span_from(start);
            return self.fail(span, "a binary literal takes pairs of hexadecimal digits");
        }
        digits.make_ascii_uppercase();
        Ok(ExprKind::Literal(Literal::Binary(digits)))
    }

    fn word_primary(&mut self) -> PResult<ExprKind> {
        let word = self.word_at(0).to_ascii_uppercase();
        if let Some(kind) = self.special(&word)? {
            return Ok(kind);
        }
        let call = self.symbol_at(1) == Some(Symbol::LParen);
        if !call && keywords::is_bare_function(&word) {
            return Ok(self.bare_function());
        }
        if keywords::is_reserved(&word) && !(call && keywords::is_function_word(&word)) {
            return self.unexpected_for("an expression");
        }
        self.name_or_call()
    }

    fn bare_function(&mut self) -> ExprKind {
        let mut name = self.any_word();
        name.value.make_ascii_uppercase();
        let span = name.span;
        let mut call = FunctionCall::new(name.into(), Vec::new(), span);
        call.parens = false;
        ExprKind::Function(Box::new(call))
    }

    /// `a`, `a.b.c`, `f(..)` or `db.f(..)`.
    fn name_or_call(&mut self) -> PResult<ExprKind> {
        let mut parts = vec![self.any_word()];
        while self.peek_symbol(Symbol::Dot) && self.symbol_at(1) != Some(Symbol::Star) {
            self.pos += 1;
            parts.push(self.ident()?);
        }
        let name = ObjectName(parts);
        if self.peek_symbol(Symbol::LParen) {
            return Ok(ExprKind::Function(Box::new(self.call_after_name(name)?)));
        }
        Ok(ExprKind::Identifier(name))
    }

    fn paren_expr(&mut self) -> PResult<Expr> {
        let start = self.here();
        self.expect(Symbol::LParen)?;
        let inside = self.inside(|p| p.parenthesised(start))?;
        let span = self.span_from(start);
        Ok(match inside {
            Parenthesised::Query(q) => Expr::new(ExprKind::Subquery(q), span),
            Parenthesised::List(mut list) => match (list.pop(), list.is_empty()) {
                (Some(only), true) if self.peek_any(DIFFERENCE_UNITS) => {
                    self.time_difference(only, start)?
                }
                (Some(only), true) => only,
                (last, _) => {
                    list.extend(last);
                    Expr::new(ExprKind::Tuple(list), span)
                }
            },
        })
    }

    /// `(a - b) DAY TO SECOND`; the units are reserved words, so no alias is meant.
    fn time_difference(&mut self, inside: Expr, start: u32) -> PResult<Expr> {
        let ExprKind::Binary { left, op: BinaryOp::Minus, right } = inside.kind else {
            return Ok(inside);
        };
        let qualifier = self.interval_qualifier()?;
        let kind = ExprKind::TimeDifference { from: left, minus: right, qualifier };
        Ok(Expr::new(kind, self.span_from(start)))
    }

    /// What stands between `(`, already taken, and `)`, which it takes: a
    /// query or expressions. A query may itself begin with parentheses, which
    /// look like a scalar subquery until a set operator or clause follows.
    fn parenthesised(&mut self, start: u32) -> PResult<Parenthesised> {
        if self.query_starts() {
            let query = self.boxed_query()?;
            self.expect(Symbol::RParen)?;
            return Ok(Parenthesised::Query(query));
        }
        let mut list = vec![self.expr()?];
        if self.query_continues()
            && let Some(Expr { kind: ExprKind::Subquery(_), .. }) = list.first()
            && let Some(Expr { kind: ExprKind::Subquery(left), .. }) = list.pop()
        {
            let query = self.query_after(left, start)?;
            self.expect(Symbol::RParen)?;
            return Ok(Parenthesised::Query(query));
        }
        while self.accept(Symbol::Comma) {
            list.push(self.expr()?);
        }
        if self.peek_any(&["PRECEDING", "FOLLOWING"]) {
            return self.frame_outside_over();
        }
        self.expect(Symbol::RParen)?;
        Ok(Parenthesised::List(list))
    }

    // ---- what follows a primary -----------------------------------------

    fn postfix(&mut self, mut expr: Expr, start: u32) -> PResult<Expr> {
        loop {
            let kind = match self.symbol_at(0) {
                Some(Symbol::LBracket) => {
                    ExprKind::Subscript { expr: Box::new(expr), index: Box::new(self.index()?) }
                }
                Some(Symbol::Dot) if self.symbol_at(1) != Some(Symbol::Star) => {
                    self.pos += 1;
                    ExprKind::FieldAccess { expr: Box::new(expr), field: self.ident()? }
                }
                Some(Symbol::Colon) if self.variant_path_follows(&expr) => {
                    self.variant_path(expr, start)?
                }
                _ => return Ok(expr),
            };
            expr = Expr::new(kind, self.span_from(start));
            self.grow()?;
        }
    }

    fn index(&mut self) -> PResult<Expr> {
        self.expect(Symbol::LBracket)?;
        let index = self.inside(Self::expr)?;
        self.expect(Symbol::RBracket)?;
        Ok(index)
    }

    fn variant_path_follows(&self, expr: &Expr) -> bool {
        !self.colon_ends && self.ident_at(1) && !matches!(expr.kind, ExprKind::Literal(_))
    }

    fn variant_path(&mut self, expr: Expr, start: u32) -> PResult<ExprKind> {
        let mut steps = Vec::new();
        loop {
            match self.symbol_at(0) {
                Some(Symbol::Colon) if self.ident_at(1) => {
                    self.pos += 1;
                    steps.push(VariantStep::Field(self.ident()?));
                }
                Some(Symbol::Dot) if self.symbol_at(1) != Some(Symbol::Star) => {
                    self.pos += 1;
                    steps.push(VariantStep::Field(self.ident()?));
                }
                Some(Symbol::LBracket) => steps.push(VariantStep::Index(self.index()?)),
                _ => break,
            }
        }
        let span = self.span_from(start);
        self.extension(span, "`col:path` reads a VARIANT; Flink writes col['path']");
        Ok(ExprKind::VariantPath { expr: Box::new(expr), steps })
    }
}

enum Parenthesised {
    Query(Box<Query>),
    List(Vec<Expr>),
}

#[derive(Clone, Copy)]
enum Infix {
    /// An operator of so many tokens.
    Binary(BinaryOp, usize),
    Is,
    /// A predicate, perhaps after NOT.
    Predicate(Predicate, bool),
    AtTimeZone,
}

#[derive(Clone, Copy)]
enum Predicate {
    Between,
    In,
    Like(LikeKind),
}

impl Infix {
    fn precedence(self) -> u8 {
        match self {
            Infix::Binary(op, _) => prec::binary(op),
            Infix::Is => prec::IS,
            Infix::Predicate(..) => prec::LIKE,
            Infix::AtTimeZone => prec::AT_TIME_ZONE,
        }
    }
}

fn symbol_operator(symbol: Symbol) -> Option<BinaryOp> {
    Some(match symbol {
        Symbol::Plus => BinaryOp::Plus,
        Symbol::Minus => BinaryOp::Minus,
        Symbol::Star => BinaryOp::Multiply,
        Symbol::Slash => BinaryOp::Divide,
        Symbol::Percent => BinaryOp::Modulo,
        Symbol::Concat => BinaryOp::Concat,
        Symbol::Eq => BinaryOp::Eq,
        Symbol::NotEq => BinaryOp::NotEq,
        Symbol::Lt => BinaryOp::Lt,
        Symbol::LtEq => BinaryOp::LtEq,
        Symbol::Gt => BinaryOp::Gt,
        Symbol::GtEq => BinaryOp::GtEq,
        _ => return None,
    })
}
