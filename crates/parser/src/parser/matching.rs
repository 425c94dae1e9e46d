//! MATCH_RECOGNIZE.

use super::{PResult, Parser};
use crate::ast::*;
use crate::lexer::{Symbol, TokenKind};

impl Parser<'_> {
    /// What follows the word MATCH_RECOGNIZE.
    pub(super) fn match_recognize(&mut self) -> PResult<MatchRecognize> {
        let start = self.here();
        self.expect(Symbol::LParen)?;
        let mut partition_by = Vec::new();
        if self.accept_kws(&["PARTITION", "BY"]) {
            partition_by = self.comma_list(Self::expr)?;
        }
        let order_by = self.order_by()?;
        let mut measures = Vec::new();
        if self.accept_kw("MEASURES") {
            measures = self.comma_list(Self::measure)?;
        }
        let rows_per_match = self.rows_per_match()?;
        let after_match = self.after_match()?;
        self.expect_kw("PATTERN")?;
        let (pattern, anchor_start, anchor_end) = self.parens(Self::anchored_pattern)?;
        let within = match self.accept_kw("WITHIN") {
            true => Some(self.expr()?),
            false => None,
        };
        let mut subsets = Vec::new();
        if self.accept_kw("SUBSET") {
            subsets = self.comma_list(Self::pattern_subset)?;
        }
        self.expect_kw("DEFINE")?;
        let defines = self.comma_list(Self::pattern_define)?;
        self.expect(Symbol::RParen)?;
        Ok(MatchRecognize {
            partition_by,
            order_by,
            measures,
            rows_per_match,
            after_match,
            pattern,
            anchor_start,
            anchor_end,
            within,
            subsets,
            defines,
            span: self.span_from(start),
        })
    }

    fn measure(&mut self) -> PResult<Measure> {
        let expr = self.expr()?;
        self.expect_kw("AS")?;
        Ok(Measure { expr, alias: self.ident()? })
    }

    fn rows_per_match(&mut self) -> PResult<Option<RowsPerMatch>> {
        let (rows, word) = if self.accept_kw("ONE") {
            (RowsPerMatch::One, "ROW")
        } else if self.accept_kw("ALL") {
            (RowsPerMatch::All, "ROWS")
        } else {
            return Ok(None);
        };
        self.expect_kws(&[word, "PER", "MATCH"])?;
        Ok(Some(rows))
    }

    fn after_match(&mut self) -> PResult<Option<AfterMatch>> {
        if !self.accept_kw("AFTER") {
            return Ok(None);
        }
        self.expect_kws(&["MATCH", "SKIP"])?;
        if self.accept_kw("PAST") {
            self.expect_kws(&["LAST", "ROW"])?;
            return Ok(Some(AfterMatch::PastLastRow));
        }
        self.expect_kw("TO")?;
        if self.accept_kw("NEXT") {
            self.expect_kw("ROW")?;
            return Ok(Some(AfterMatch::ToNextRow));
        }
        if self.peek_kw("FIRST") && self.ident_at(1) {
            self.pos += 1;
            return self.ident().map(AfterMatch::ToFirst).map(Some);
        }
        if self.peek_kw("LAST") && self.ident_at(1) {
            self.pos += 1;
        }
        self.ident().map(AfterMatch::ToLast).map(Some)
    }

    fn pattern_subset(&mut self) -> PResult<PatternSubset> {
        let name = self.ident()?;
        self.expect(Symbol::Eq)?;
        Ok(PatternSubset { name, members: self.ident_list()? })
    }

    fn pattern_define(&mut self) -> PResult<PatternDefine> {
        let name = self.ident()?;
        self.expect_kw("AS")?;
        Ok(PatternDefine { name, condition: self.expr()? })
    }

    // ---- the pattern ----------------------------------------------------

    fn anchored_pattern(&mut self) -> PResult<(Pattern, bool, bool)> {
        let anchor_start = self.accept(Symbol::Caret);
        let pattern = self.pattern()?;
        let anchor_end = self.accept(Symbol::Dollar);
        Ok((pattern, anchor_start, anchor_end))
    }

    /// Alternatives, each a sequence.
    fn pattern(&mut self) -> PResult<Pattern> {
        self.nested(|p| {
            let start = p.here();
            let mut options = vec![p.pattern_sequence()?];
            while p.accept(Symbol::Pipe) {
                options.push(p.pattern_sequence()?);
            }
            Ok(p.one_or(options, PatternKind::Alternation, start))
        })
    }

    fn one_or(
        &self,
        mut list: Vec<Pattern>,
        many: fn(Vec<Pattern>) -> PatternKind,
        start: u32,
    ) -> Pattern {
        match (list.pop(), list.is_empty()) {
            (Some(only), true) => only,
            (last, _) => {
                list.extend(last);
                Pattern { kind: many(list), span: self.span_from(start) }
            }
        }
    }

    fn pattern_sequence(&mut self) -> PResult<Pattern> {
        let start = self.here();
        let mut parts = vec![self.pattern_factor()?];
        while self.pattern_starts() {
            parts.push(self.pattern_factor()?);
        }
        Ok(self.one_or(parts, PatternKind::Concat, start))
    }

    fn pattern_starts(&self) -> bool {
        let exclusion =
            self.peek_symbol(Symbol::LBrace) && self.symbol_at(1) == Some(Symbol::Minus);
        self.ident_at(0) || exclusion || self.peek_symbol(Symbol::LParen) || self.peek_kw("PERMUTE")
    }

    fn pattern_factor(&mut self) -> PResult<Pattern> {
        let start = self.here();
        let pattern = self.pattern_primary()?;
        let Some(quantifier) = self.pattern_quantifier()? else {
            return Ok(pattern);
        };
        let reluctant = self.accept(Symbol::Question);
        let pattern = Box::new(pattern);
        self.grow()?;
        let kind = PatternKind::Repeat { pattern, quantifier, reluctant };
        Ok(Pattern { kind, span: self.span_from(start) })
    }

    fn pattern_primary(&mut self) -> PResult<Pattern> {
        let start = self.here();
        if self.peek_symbol(Symbol::LParen) {
            return self.parens(Self::pattern);
        }
        let kind = if self.accept_kw("PERMUTE") {
            PatternKind::Permute(self.paren_list(Self::pattern)?)
        } else if self.accept(Symbol::LBrace) {
            self.expect(Symbol::Minus)?;
            let inside = Box::new(self.pattern()?);
            self.expect(Symbol::Minus)?;
            self.expect(Symbol::RBrace)?;
            PatternKind::Exclude(inside)
        } else {
            PatternKind::Variable(self.ident()?)
        };
        Ok(Pattern { kind, span: self.span_from(start) })
    }

    fn pattern_quantifier(&mut self) -> PResult<Option<PatternQuantifier>> {
        let simple = match self.symbol_at(0) {
            Some(Symbol::Star) => PatternQuantifier::ZeroOrMore,
            Some(Symbol::Plus) => PatternQuantifier::OneOrMore,
            Some(Symbol::Question) => PatternQuantifier::ZeroOrOne,
            Some(Symbol::LBrace) if self.symbol_at(1) != Some(Symbol::Minus) => {
                return self.counted_quantifier().map(Some);
            }
            _ => return Ok(None),
        };
        self.pos += 1;
        Ok(Some(simple))
    }

    fn counted_quantifier(&mut self) -> PResult<PatternQuantifier> {
        self.expect(Symbol::LBrace)?;
        let quantifier = if self.accept(Symbol::Comma) {
            PatternQuantifier::AtMost(self.unsigned()?)
        } else {
            let low = self.unsigned()?;
            if !self.accept(Symbol::Comma) {
                PatternQuantifier::Exactly(low)
            } else if self.peek().kind == TokenKind::Number {
                PatternQuantifier::Between(low, self.unsigned()?)
            } else {
                PatternQuantifier::AtLeast(low)
            }
        };
        self.expect(Symbol::RBrace)?;
        Ok(quantifier)
    }
}
