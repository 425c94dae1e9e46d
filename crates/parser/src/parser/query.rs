//! Queries: WITH, set operators, SELECT, VALUES, ORDER BY and LIMIT.

use super::{PResult, Parser};
use crate::ast::*;
use crate::lexer::Symbol;

impl Parser<'_> {
    /// True when the token `ahead` begins a query that is not in parentheses.
    pub(super) fn query_starts_at(&self, ahead: usize) -> bool {
        match self.word_at(ahead).to_ascii_uppercase().as_str() {
            "SELECT" | "WITH" | "VALUES" => true,
            "VALUE" => self.symbol_at(ahead + 1) == Some(Symbol::LParen),
            "TABLE" => self.ident_at(ahead + 1),
            _ => false,
        }
    }

    pub(super) fn query_starts(&self) -> bool {
        self.query_starts_at(0)
    }

    /// True when the next word goes on with a query that stands before it.
    pub(super) fn query_continues(&self) -> bool {
        self.set_operator().is_some() || self.peek_any(&["ORDER", "LIMIT", "OFFSET", "FETCH"])
    }

    pub(crate) fn query(&mut self) -> PResult<Query> {
        self.nested(|p| {
            let start = p.here();
            let with = match p.peek_kw("WITH") {
                true => Some(p.with()?),
                false => None,
            };
            let body_start = p.here();
            let body = p.set_primary()?;
            let body = p.set_operations(body, body_start, 0)?;
            p.query_tail(with, body, start)
        })
    }

    /// A query in a box, so that callers stay small on the stack.
    pub(super) fn boxed_query(&mut self) -> PResult<Box<Query>> {
        self.query().map(Box::new)
    }

    /// `(query)`.
    pub(super) fn paren_query(&mut self) -> PResult<Box<Query>> {
        self.parens(Self::boxed_query)
    }

    /// The rest of a query whose first operand, in parentheses, is read.
    pub(super) fn query_after(&mut self, first: Box<Query>, start: u32) -> PResult<Box<Query>> {
        let operand_height = self.height;
        self.nested(|p| {
            p.height = operand_height;
            let body = p.set_operations(operand(*first), start, 0)?;
            p.query_tail(None, body, start).map(Box::new)
        })
    }

    fn query_tail(&mut self, with: Option<With>, body: SetExpr, start: u32) -> PResult<Query> {
        let mut query = Query::plain(body, Default::default());
        query.with = with;
        query.order_by = self.order_by()?;
        loop {
            if query.limit.is_none() && self.accept_kw("LIMIT") {
                if self.accept_kw("ALL") {
                    continue;
                }
                let first = self.expr()?;
                let comma = self.peek().span;
                if query.offset.is_none() && self.accept(Symbol::Comma) {
                    self.extension(comma, "LIMIT start, count; Flink writes LIMIT and OFFSET");
                    query.offset = Some(first);
                    query.limit = Some(self.expr()?);
                } else {
                    query.limit = Some(first);
                }
            } else if query.offset.is_none() && self.accept_kw("OFFSET") {
                query.offset = Some(self.expr()?);
                let _ = self.accept_kw("ROWS") || self.accept_kw("ROW");
            } else if query.fetch.is_none() && self.accept_kw("FETCH") {
                query.fetch = Some(self.fetch()?);
            } else {
                break;
            }
        }
        query.span = self.span_from(start);
        Ok(unwrap_query(query))
    }

    fn fetch(&mut self) -> PResult<Expr> {
        if !self.accept_kw("FIRST") {
            self.expect_kw("NEXT")?;
        }
        let count = match self.peek_any(&["ROW", "ROWS"]) {
            true => {
                let one = Literal::Number("1".to_string());
                Expr::new(ExprKind::Literal(one), self.peek().span)
            }
            false => self.expr()?,
        };
        if !self.accept_kw("ROWS") {
            self.expect_kw("ROW")?;
        }
        self.expect_kw("ONLY")?;
        Ok(count)
    }

    fn with(&mut self) -> PResult<With> {
        let start = self.here();
        self.expect_kw("WITH")?;
        let recursive = self.accept_kw("RECURSIVE");
        let ctes = self.comma_list(Self::cte)?;
        Ok(With { recursive, ctes, span: self.span_from(start) })
    }

    fn cte(&mut self) -> PResult<Cte> {
        let start = self.here();
        let name = self.ident()?;
        let columns = match self.peek_symbol(Symbol::LParen) {
            true => self.ident_list()?,
            false => Vec::new(),
        };
        self.expect_kw("AS")?;
        let query = self.paren_query()?;
        Ok(Cte { name, columns, query, span: self.span_from(start) })
    }

    // ---- set operators --------------------------------------------------

    fn set_operator(&self) -> Option<(SetOp, u8)> {
        Some(match self.word_at(0).to_ascii_uppercase().as_str() {
            "UNION" => (SetOp::Union, 1),
            "EXCEPT" | "MINUS" => (SetOp::Except, 1),
            "INTERSECT" => (SetOp::Intersect, 2),
            _ => return None,
        })
    }

    fn set_operations(&mut self, left: SetExpr, start: u32, min: u8) -> PResult<SetExpr> {
        let mut left = left;
        while let Some((op, binding)) = self.set_operator() {
            if binding <= min {
                break;
            }
            if self.peek_kw("MINUS") {
                self.extension(self.peek().span, "MINUS; Flink writes EXCEPT");
            }
            self.pos += 1;
            let all = self.accept_kw("ALL");
            if !all {
                self.accept_kw("DISTINCT");
            }
            let right_start = self.here();
            let right = self.set_primary()?;
            let right = self.set_operations(right, right_start, binding)?;
            let span = self.span_from(start);
            left = SetExpr::SetOp(Box::new(SetOperation { op, all, left, right, span }));
            self.grow()?;
        }
        Ok(left)
    }

    fn set_primary(&mut self) -> PResult<SetExpr> {
        if self.peek_symbol(Symbol::LParen) {
            return self.paren_query().map(|q| operand(*q));
        }
        if self.peek_kw("SELECT") {
            return self.nested(|p| p.select().map(|s| SetExpr::Select(Box::new(s))));
        }
        if self.peek_any(&["VALUES", "VALUE"]) {
            return self.nested(|p| p.values().map(SetExpr::Values));
        }
        if self.peek_kw("TABLE") && self.ident_at(1) {
            self.pos += 1;
            return self.object_name().map(SetExpr::Table);
        }
        self.tried("SELECT");
        self.tried("VALUES");
        self.unexpected_for("a query")
    }

    pub(super) fn values(&mut self) -> PResult<Values> {
        let start = self.here();
        if !self.accept_kw("VALUE") {
            self.expect_kw("VALUES")?;
        }
        let rows = self.comma_list(Self::values_row)?;
        Ok(Values { rows, span: self.span_from(start) })
    }

    pub(super) fn values_row(&mut self) -> PResult<ValuesRow> {
        let start = self.here();
        let expr = self.expr()?;
        let span = self.span_from(start);
        let exprs = match expr.kind {
            ExprKind::Tuple(list) => list,
            ExprKind::Row(list) if !list.is_empty() => list,
            _ => vec![expr],
        };
        Ok(ValuesRow { exprs, span })
    }

    // ---- SELECT ---------------------------------------------------------

    fn select(&mut self) -> PResult<Select> {
        let start = self.here();
        self.expect_kw("SELECT")?;
        let hints = self.hints()?;
        let stream = self.accept_kw("STREAM");
        let quantifier = self.set_quantifier();
        if self.peek_kw("FROM") {
            let hint = "name the columns, or write * for all of them";
            let message = "unexpected FROM: the select list is empty";
            return self.fail_hint(self.peek().span, message, hint.to_string());
        }
        let projection = self.comma_list(Self::select_item)?;
        let mut select = Select {
            hints,
            stream,
            quantifier,
            projection,
            from: Vec::new(),
            selection: None,
            group_by: None,
            having: None,
            windows: Vec::new(),
            qualify: None,
            span: Default::default(),
        };
        if self.accept_kw("FROM") {
            select.from = self.comma_list(Self::table_with_joins)?;
            self.select_clauses(&mut select)?;
        } else if self.peek_any(&["WHERE", "GROUP", "HAVING"]) {
            return self.clause_without_from();
        }
        select.span = self.span_from(start);
        Ok(select)
    }

    fn clause_without_from<T>(&mut self) -> PResult<T> {
        let token = self.peek();
        let message = format!("unexpected {} without FROM", self.text(token).to_uppercase());
        self.fail_hint(
            token.span,
            &message,
            "Flink wants a FROM here; for a single row write FROM (VALUES (1)) AS t(x)",
        )
    }

    fn select_clauses(&mut self, select: &mut Select) -> PResult<()> {
        if self.accept_kw("WHERE") {
            select.selection = Some(self.expr()?);
        }
        if self.peek_kws(&["GROUP", "BY"]) {
            select.group_by = Some(self.group_by()?);
        }
        if self.accept_kw("HAVING") {
            select.having = Some(self.expr()?);
        }
        if self.accept_kw("WINDOW") {
            select.windows = self.comma_list(|p| {
                let name = p.ident()?;
                p.expect_kw("AS")?;
                Ok(NamedWindow { name, spec: p.window_spec()? })
            })?;
        }
        if self.accept_kw("QUALIFY") {
            select.qualify = Some(self.expr()?);
        }
        Ok(())
    }

    fn select_item(&mut self) -> PResult<SelectItem> {
        let start = self.here();
        if self.accept(Symbol::Star) {
            return Ok(SelectItem::Wildcard(self.span_from(start)));
        }
        let expr = self.expr()?;
        if self.peek_symbol(Symbol::Dot) && self.symbol_at(1) == Some(Symbol::Star) {
            self.pos += 2;
            let span = self.span_from(start);
            return Ok(match expr.kind {
                ExprKind::Identifier(qualifier) => {
                    SelectItem::QualifiedWildcard { qualifier, span }
                }
                _ => SelectItem::ExprWildcard { expr, span },
            });
        }
        let alias = match self.accept_kw("AS") || self.ident_at(0) {
            true => Some(self.ident()?),
            false => None,
        };
        Ok(SelectItem::Expr { expr, alias, span: self.span_from(start) })
    }

    fn group_by(&mut self) -> PResult<GroupBy> {
        let start = self.here();
        self.expect_kws(&["GROUP", "BY"])?;
        let quantifier = self.set_quantifier();
        let elements = self.comma_list(Self::grouping_element)?;
        Ok(GroupBy { quantifier, elements, span: self.span_from(start) })
    }

    fn grouping_element(&mut self) -> PResult<GroupingElement> {
        if self.peek_kws(&["GROUPING", "SETS"]) {
            self.pos += 2;
            return self.grouping_list().map(GroupingElement::GroupingSets);
        }
        if self.peek_kw("CUBE") && self.symbol_at(1) == Some(Symbol::LParen) {
            self.pos += 1;
            return self.grouping_list().map(GroupingElement::Cube);
        }
        if self.peek_kw("ROLLUP") && self.symbol_at(1) == Some(Symbol::LParen) {
            self.pos += 1;
            return self.grouping_list().map(GroupingElement::Rollup);
        }
        if self.peek_symbol(Symbol::LParen) && self.symbol_at(1) == Some(Symbol::RParen) {
            self.pos += 2;
            return Ok(GroupingElement::Empty);
        }
        Ok(match self.expr()? {
            Expr { kind: ExprKind::Tuple(list), .. } => GroupingElement::Exprs(list),
            expr => GroupingElement::Expr(expr),
        })
    }

    fn grouping_list(&mut self) -> PResult<Vec<GroupingElement>> {
        self.nested(|p| p.paren_list(Self::grouping_element))
    }

    /// `ORDER BY ..`, if it is there.
    pub(super) fn order_by(&mut self) -> PResult<Vec<OrderByExpr>> {
        if !self.accept_kws(&["ORDER", "BY"]) {
            return Ok(Vec::new());
        }
        self.comma_list(Self::order_item)
    }

    pub(super) fn order_item(&mut self) -> PResult<OrderByExpr> {
        let start = self.here();
        let expr = self.expr()?;
        let desc = self.accept_kw("DESC");
        if !desc {
            self.accept_kw("ASC");
        }
        let nulls_first = if self.accept_kws(&["NULLS", "FIRST"]) {
            Some(true)
        } else if self.accept_kws(&["NULLS", "LAST"]) {
            Some(false)
        } else {
            None
        };
        Ok(OrderByExpr { expr, desc, nulls_first, span: self.span_from(start) })
    }
}

/// A query that is nothing but another query in parentheses is that query.
fn unwrap_query(mut query: Query) -> Query {
    if !query.is_plain() {
        return query;
    }
    match query.body {
        SetExpr::Query(inner) => *inner,
        body => {
            query.body = body;
            query
        }
    }
}

/// A query in parentheses as an operand: the parentheses stay only when the
/// query has clauses of its own.
fn operand(query: Query) -> SetExpr {
    match query.is_plain() {
        true => query.body,
        false => SetExpr::Query(Box::new(query)),
    }
}
