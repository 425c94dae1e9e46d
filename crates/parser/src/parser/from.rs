//! FROM: tables, joins, table functions, PIVOT.

use super::{PResult, Parser};
use crate::ast::*;
use crate::lexer::Symbol;

impl Parser<'_> {
    pub(super) fn table_with_joins(&mut self) -> PResult<TableWithJoins> {
        let relation = self.table_factor()?;
        let mut joins = Vec::new();
        loop {
            let start = self.here();
            let Some((kind, natural)) = self.join_words()? else { break };
            joins.push(self.join(kind, natural, start)?);
        }
        Ok(TableWithJoins { relation, joins })
    }

    /// The words up to JOIN or APPLY, if a join follows.
    fn join_words(&mut self) -> PResult<Option<(JoinKind, bool)>> {
        let natural = self.accept_kw("NATURAL");
        let kind = if self.accept_kw("JOIN") {
            return Ok(Some((JoinKind::Inner, natural)));
        } else if self.accept_kw("INNER") {
            JoinKind::Inner
        } else if self.accept_kw("LEFT") {
            self.left_join_kind()
        } else if self.accept_kw("RIGHT") {
            self.accept_kw("OUTER");
            JoinKind::Right
        } else if self.accept_kw("FULL") {
            self.accept_kw("OUTER");
            JoinKind::Full
        } else if !natural && self.accept_kws(&["CROSS", "APPLY"]) {
            self.extension(self.peek().span, "CROSS APPLY; Flink writes CROSS JOIN LATERAL");
            return Ok(Some((JoinKind::CrossApply, false)));
        } else if !natural && self.accept_kws(&["OUTER", "APPLY"]) {
            self.extension(self.peek().span, "OUTER APPLY; Flink writes LEFT JOIN LATERAL");
            return Ok(Some((JoinKind::OuterApply, false)));
        } else if !natural && self.accept_kw("CROSS") {
            JoinKind::Cross
        } else if !natural && self.accept_kw("ASOF") {
            JoinKind::Asof
        } else if natural {
            return self.unexpected();
        } else {
            return Ok(None);
        };
        self.expect_kw("JOIN")?;
        Ok(Some((kind, natural)))
    }

    fn left_join_kind(&mut self) -> JoinKind {
        if self.accept_kw("OUTER") {
            return JoinKind::Left;
        }
        let span = self.peek().span;
        if self.accept_kw("SEMI") {
            self.extension(span, "LEFT SEMI JOIN; Flink writes WHERE EXISTS or IN");
            return JoinKind::LeftSemi;
        }
        if self.accept_kw("ANTI") {
            self.extension(span, "LEFT ANTI JOIN; Flink writes WHERE NOT EXISTS");
            return JoinKind::LeftAnti;
        }
        match self.accept_kw("ASOF") {
            true => JoinKind::LeftAsof,
            false => JoinKind::Left,
        }
    }

    fn join(&mut self, kind: JoinKind, natural: bool, start: u32) -> PResult<Join> {
        let right = self.table_factor()?;
        let constraint = match kind {
            JoinKind::Cross | JoinKind::CrossApply | JoinKind::OuterApply => JoinConstraint::None,
            JoinKind::Asof | JoinKind::LeftAsof => {
                self.expect_kw("MATCH_CONDITION")?;
                let condition = self.expr()?;
                self.expect_kw("ON")?;
                JoinConstraint::MatchCondition { condition, on: self.expr()? }
            }
            _ if natural => JoinConstraint::None,
            _ => self.join_constraint()?,
        };
        Ok(Join { kind, natural, right, constraint, span: self.span_from(start) })
    }

    fn join_constraint(&mut self) -> PResult<JoinConstraint> {
        if self.accept_kw("ON") {
            return self.expr().map(JoinConstraint::On);
        }
        if self.accept_kw("USING") {
            return self.ident_list().map(JoinConstraint::Using);
        }
        Ok(JoinConstraint::None)
    }

    // ---- tables ---------------------------------------------------------

    pub(super) fn table_factor(&mut self) -> PResult<TableFactor> {
        self.nested(|p| {
            let start = p.here();
            let mut factor = p.table_primary()?;
            factor = p.pivot_clause(factor, start)?;
            if p.accept_kw("MATCH_RECOGNIZE") {
                let spec = Box::new(p.match_recognize()?);
                let input = Box::new(factor);
                factor = p.plain_factor(TableFactorKind::MatchRecognize { input, spec }, start);
            }
            p.sample_clause(&mut factor)?;
            factor = p.alias_clause(factor, start)?;
            p.sample_clause(&mut factor)?;
            factor.span = p.span_from(start);
            Ok(factor)
        })
    }

    fn plain_factor(&self, kind: TableFactorKind, start: u32) -> TableFactor {
        TableFactor { kind, sample: None, alias: None, span: self.span_from(start) }
    }

    fn table_primary(&mut self) -> PResult<TableFactor> {
        let start = self.here();
        if !self.peek_kw("LATERAL") && self.peek_symbol(Symbol::LParen) {
            return self.paren_table();
        }
        let lateral = self.accept_kw("LATERAL");
        let kind = if self.peek_symbol(Symbol::LParen) {
            TableFactorKind::Derived { lateral, query: self.paren_query()? }
        } else if self.accept_kw("UNNEST") {
            let exprs = self.paren_list(Self::expr)?;
            let with_ordinality = self.accept_kws(&["WITH", "ORDINALITY"]);
            TableFactorKind::Unnest { lateral, exprs, with_ordinality }
        } else if self.peek_kw("TABLE") && self.symbol_at(1) == Some(Symbol::LParen) {
            self.pos += 1;
            let call = self.parens(Self::function_call)?;
            TableFactorKind::Function { lateral, wrapped: true, call: Box::new(call) }
        } else {
            return self.named_table(lateral, start);
        };
        Ok(self.plain_factor(kind, start))
    }

    pub(super) fn function_call(&mut self) -> PResult<FunctionCall> {
        let name = self.object_name()?;
        self.call_after_name(name)
    }

    fn named_table(&mut self, lateral: bool, start: u32) -> PResult<TableFactor> {
        if !self.ident_at(0) {
            self.tried("`(`");
            return self.unexpected_for("an identifier");
        }
        let name = self.object_name()?;
        if lateral || self.peek_symbol(Symbol::LParen) {
            let call = Box::new(self.call_after_name(name)?);
            let kind = TableFactorKind::Function { lateral, wrapped: false, call };
            return Ok(self.plain_factor(kind, start));
        }
        let hints = self.hints()?;
        let system_time = self.system_time()?;
        let kind = TableFactorKind::Table { name, hints, system_time };
        Ok(self.plain_factor(kind, start))
    }

    fn system_time(&mut self) -> PResult<Option<Box<Expr>>> {
        if !self.accept_kw("FOR") {
            return Ok(None);
        }
        self.expect_kws(&["SYSTEM_TIME", "AS", "OF"])?;
        self.boxed_expr().map(Some)
    }

    /// `(query)`, `(a JOIN b)` or a table in needless parentheses.
    fn paren_table(&mut self) -> PResult<TableFactor> {
        let start = self.here();
        self.expect(Symbol::LParen)?;
        if self.query_starts() {
            let query = self.boxed_query()?;
            self.expect(Symbol::RParen)?;
            let kind = TableFactorKind::Derived { lateral: false, query };
            return Ok(self.plain_factor(kind, start));
        }
        let mut inner = self.nested(Self::table_with_joins)?;
        if self.query_continues() && is_bare_query(&inner) {
            let query = match inner.relation.kind {
                TableFactorKind::Derived { query, .. } => self.query_after(query, start)?,
                _ => return self.unexpected(),
            };
            self.expect(Symbol::RParen)?;
            let kind = TableFactorKind::Derived { lateral: false, query };
            return Ok(self.plain_factor(kind, start));
        }
        self.expect(Symbol::RParen)?;
        if inner.joins.is_empty() {
            inner.relation.span = self.span_from(start);
            return Ok(inner.relation);
        }
        Ok(self.plain_factor(TableFactorKind::Nested(Box::new(inner)), start))
    }

    // ---- what follows a table -------------------------------------------

    fn alias_clause(&mut self, mut factor: TableFactor, start: u32) -> PResult<TableFactor> {
        let Some(alias) = self.table_alias()? else {
            return Ok(factor);
        };
        if factor.alias.is_some() {
            let inner = TableWithJoins { relation: factor, joins: Vec::new() };
            factor = self.plain_factor(TableFactorKind::Nested(Box::new(inner)), start);
        }
        factor.alias = Some(alias);
        let at = self.peek().span;
        if let TableFactorKind::Table { system_time, .. } = &mut factor.kind
            && system_time.is_none()
            && self.peek_kws(&["FOR", "SYSTEM_TIME"])
        {
            *system_time = self.system_time()?;
            self.extension(at, "FOR SYSTEM_TIME after the alias; Flink wants it before");
        }
        Ok(factor)
    }

    pub(super) fn table_alias(&mut self) -> PResult<Option<TableAlias>> {
        let start = self.here();
        let explicit = self.accept_kw("AS");
        let joins = self.peek_kw("MATCH_CONDITION") || self.peek_kws(&["ASOF", "JOIN"]);
        if !explicit && (joins || !self.ident_at(0)) {
            return Ok(None);
        }
        let name = self.ident()?;
        let columns = match self.peek_symbol(Symbol::LParen) {
            true => self.ident_list()?,
            false => Vec::new(),
        };
        Ok(Some(TableAlias { name, columns, span: self.span_from(start) }))
    }

    fn sample_clause(&mut self, factor: &mut TableFactor) -> PResult<()> {
        let start = self.here();
        if factor.sample.is_some() || !self.accept_kw("TABLESAMPLE") {
            return Ok(());
        }
        let method = if self.accept_kw("BERNOULLI") {
            SampleMethod::Bernoulli
        } else if self.accept_kw("SYSTEM") {
            SampleMethod::System
        } else {
            self.expect_kw("SUBSTITUTE")?;
            SampleMethod::Substitute
        };
        let value = self.parens(Self::boxed_expr)?;
        let repeatable = match self.accept_kw("REPEATABLE") {
            true => Some(self.parens(Self::boxed_expr)?),
            false => None,
        };
        let span = self.span_from(start);
        factor.sample = Some(TableSample { method, value, repeatable, span });
        Ok(())
    }

    fn pivot_clause(&mut self, factor: TableFactor, start: u32) -> PResult<TableFactor> {
        let paren = self.symbol_at(1) == Some(Symbol::LParen);
        if self.peek_kw("PIVOT") && paren {
            self.pos += 1;
            let spec = Box::new(self.pivot()?);
            let kind = TableFactorKind::Pivot { input: Box::new(factor), spec };
            return Ok(self.plain_factor(kind, start));
        }
        if self.peek_kw("UNPIVOT") && (paren || self.kw_at(2, "NULLS")) {
            self.pos += 1;
            let spec = Box::new(self.unpivot()?);
            let kind = TableFactorKind::Unpivot { input: Box::new(factor), spec };
            return Ok(self.plain_factor(kind, start));
        }
        Ok(factor)
    }

    fn aliased(&mut self) -> PResult<(Expr, Option<Ident>)> {
        let expr = self.expr()?;
        let alias = match self.accept_kw("AS") || self.ident_at(0) {
            true => Some(self.ident()?),
            false => None,
        };
        Ok((expr, alias))
    }

    /// `a` or `(a, b)`.
    fn ident_or_list(&mut self) -> PResult<Vec<Ident>> {
        match self.peek_symbol(Symbol::LParen) {
            true => self.ident_list(),
            false => Ok(vec![self.ident()?]),
        }
    }

    fn pivot(&mut self) -> PResult<Pivot> {
        let start = self.here();
        let mut pivot = self.parens(|p| {
            let aggregates = p.comma_list(Self::aliased)?;
            p.expect_kw("FOR")?;
            let columns = p.ident_or_list()?;
            p.expect_kw("IN")?;
            let values = p.paren_list(Self::aliased)?;
            Ok(Pivot { aggregates, columns, values, span: Default::default() })
        })?;
        pivot.span = self.span_from(start);
        Ok(pivot)
    }

    fn unpivot(&mut self) -> PResult<Unpivot> {
        let start = self.here();
        let include_nulls = if self.accept_kws(&["INCLUDE", "NULLS"]) {
            Some(true)
        } else if self.accept_kws(&["EXCLUDE", "NULLS"]) {
            Some(false)
        } else {
            None
        };
        let mut unpivot = self.parens(|p| {
            let measures = p.ident_or_list()?;
            p.expect_kw("FOR")?;
            let axes = p.ident_or_list()?;
            p.expect_kw("IN")?;
            let columns = p.paren_list(|p| {
                let columns = p.ident_or_list()?;
                let value = match p.accept_kw("AS") {
                    true => Some(p.expr()?),
                    false => None,
                };
                Ok((columns, value))
            })?;
            Ok(Unpivot { include_nulls, measures, axes, columns, span: Default::default() })
        })?;
        unpivot.span = self.span_from(start);
        Ok(unpivot)
    }
}

/// True for `(query)` without alias or anything else.
fn is_bare_query(table: &TableWithJoins) -> bool {
    let factor = &table.relation;
    let derived = matches!(factor.kind, TableFactorKind::Derived { lateral: false, .. });
    derived && table.joins.is_empty() && factor.alias.is_none() && factor.sample.is_none()
}
