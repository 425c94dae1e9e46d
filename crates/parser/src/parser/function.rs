//! Function calls: arguments, aggregate clauses, OVER; and hints.

use super::{PResult, Parser};
use crate::ast::*;
use crate::lexer::{Symbol, TokenKind, tokenize_range};

impl Parser<'_> {
    /// A call whose name has been read; the parenthesis comes next.
    pub(super) fn call_after_name(&mut self, name: ObjectName) -> PResult<FunctionCall> {
        self.nested(|p| {
            let start = name.span().start;
            let mut call = FunctionCall::new(name, Vec::new(), Default::default());
            p.expect(Symbol::LParen)?;
            p.inside(|p| p.call_inside(&mut call))?;
            p.call_clauses(&mut call)?;
            call.span = p.span_from(start);
            Ok(call)
        })
    }

    fn call_inside(&mut self, call: &mut FunctionCall) -> PResult<()> {
        if self.accept(Symbol::RParen) {
            return Ok(());
        }
        call.quantifier = self.set_quantifier();
        call.args = self.comma_list(Self::function_arg)?;
        call.nulls = self.null_treatment();
        call.order_by = self.order_by()?;
        self.expect(Symbol::RParen)
    }

    pub(super) fn set_quantifier(&mut self) -> Option<SetQuantifier> {
        if self.accept_kw("DISTINCT") {
            Some(SetQuantifier::Distinct)
        } else if self.accept_kw("ALL") {
            Some(SetQuantifier::All)
        } else {
            None
        }
    }

    fn null_treatment(&mut self) -> Option<NullTreatment> {
        if self.accept_kws(&["IGNORE", "NULLS"]) {
            Some(NullTreatment::Ignore)
        } else if self.accept_kws(&["RESPECT", "NULLS"]) {
            Some(NullTreatment::Respect)
        } else {
            None
        }
    }

    fn call_clauses(&mut self, call: &mut FunctionCall) -> PResult<()> {
        if call.nulls.is_none() {
            call.nulls = self.null_treatment();
        }
        if self.accept_kws(&["WITHIN", "GROUP"]) {
            call.within_group = self.parens(|p| {
                p.expect_kws(&["ORDER", "BY"])?;
                p.comma_list(Self::order_item)
            })?;
        }
        call.filter = self.filter()?;
        if call.nulls.is_none() {
            call.nulls = self.null_treatment();
        }
        call.over = self.over()?;
        Ok(())
    }

    pub(super) fn filter(&mut self) -> PResult<Option<Box<Expr>>> {
        if !self.accept_kw("FILTER") {
            return Ok(None);
        }
        let filter = self.parens(|p| {
            p.expect_kw("WHERE")?;
            p.boxed_expr()
        });
        filter.map(Some)
    }

    pub(super) fn over(&mut self) -> PResult<Option<WindowRef>> {
        if !self.accept_kw("OVER") {
            return Ok(None);
        }
        let window = match self.peek_symbol(Symbol::LParen) {
            true => WindowRef::Spec(self.window_spec()?),
            false => WindowRef::Name(self.ident()?),
        };
        Ok(Some(window))
    }

    // ---- arguments ------------------------------------------------------

    pub(super) fn function_arg(&mut self) -> PResult<FunctionArg> {
        let start = self.here();
        let is_word = matches!(self.peek().kind, TokenKind::Word | TokenKind::QuotedWord);
        let name = match is_word && self.symbol_at(1) == Some(Symbol::Arrow) {
            true => {
                let name = self.any_word();
                self.pos += 1;
                Some(name)
            }
            false => None,
        };
        let value = self.arg_value()?;
        Ok(FunctionArg { name, value, span: self.span_from(start) })
    }

    fn arg_value(&mut self) -> PResult<ArgValue> {
        if self.accept(Symbol::Star) {
            return Ok(ArgValue::Star);
        }
        if self.peek_kw("TABLE") {
            return self.table_arg().map(|arg| ArgValue::Table(Box::new(arg)));
        }
        if self.peek_kw("MODEL") && self.ident_at(1) {
            self.pos += 1;
            return Ok(ArgValue::Model(self.object_name()?));
        }
        if self.peek_kw("DESCRIPTOR") && self.symbol_at(1) == Some(Symbol::LParen) {
            self.pos += 1;
            return Ok(ArgValue::Descriptor(self.paren_list0(Self::descriptor_column)?));
        }
        let start = self.here();
        let expr = self.expr()?;
        match expr.kind {
            ExprKind::Subquery(query) if self.table_arg_clause_follows() => {
                let arg = self.table_arg_clauses(TableArgSource::Query(query), start)?;
                Ok(ArgValue::Table(Box::new(arg)))
            }
            _ => Ok(ArgValue::Expr(expr)),
        }
    }

    fn descriptor_column(&mut self) -> PResult<DescriptorColumn> {
        let name = self.ident()?;
        let ends = matches!(self.symbol_at(0), Some(Symbol::Comma | Symbol::RParen));
        let data_type = match ends {
            true => None,
            false => Some(self.data_type()?),
        };
        Ok(DescriptorColumn { name, data_type })
    }

    fn table_arg_clause_follows(&self) -> bool {
        self.peek_kws(&["PARTITION", "BY"])
    }

    fn table_arg(&mut self) -> PResult<TableArg> {
        let start = self.here();
        self.pos += 1;
        if self.peek_symbol(Symbol::LParen) {
            return self.fail_hint(
                self.peek().span,
                "unexpected subquery: a table argument is TABLE and a name",
                "make the subquery a view: CREATE TEMPORARY VIEW v AS ..; then TABLE v",
            );
        }
        let name = self.object_name()?;
        let source = match self.peek_symbol(Symbol::LParen) {
            true => TableArgSource::Function(Box::new(self.call_after_name(name)?)),
            false => TableArgSource::Name { name, hints: self.hints()? },
        };
        self.table_arg_clauses(source, start)
    }

    fn table_arg_clauses(&mut self, source: TableArgSource, start: u32) -> PResult<TableArg> {
        let mut partition_by = Vec::new();
        if self.accept_kws(&["PARTITION", "BY"]) {
            partition_by = match self.expr()? {
                Expr { kind: ExprKind::Tuple(list), .. } => list,
                single => vec![single],
            };
        }
        let mut order_by = Vec::new();
        if self.accept_kws(&["ORDER", "BY"]) {
            order_by = match self.peek_symbol(Symbol::LParen) {
                true => self.paren_list(Self::order_item)?,
                false => vec![self.order_item()?],
            };
        }
        Ok(TableArg { source, partition_by, order_by, span: self.span_from(start) })
    }

    // ---- windows --------------------------------------------------------

    pub(super) fn window_spec(&mut self) -> PResult<WindowSpec> {
        let start = self.here();
        self.expect(Symbol::LParen)?;
        let base = match self.ident_at(0) {
            true => Some(self.ident()?),
            false => None,
        };
        let mut partition_by = Vec::new();
        if self.accept_kws(&["PARTITION", "BY"]) {
            partition_by = self.comma_list(Self::expr)?;
        }
        let order_by = self.order_by()?;
        let frame = match self.peek_any(&["ROWS", "RANGE"]) {
            true => Some(self.window_frame()?),
            false => None,
        };
        self.expect(Symbol::RParen)?;
        let span = self.span_from(start);
        Ok(WindowSpec { base, partition_by, order_by, frame, span })
    }

    fn window_frame(&mut self) -> PResult<WindowFrame> {
        let start_at = self.here();
        let rows = self.accept_kw("ROWS");
        if !rows {
            self.expect_kw("RANGE")?;
        }
        let (start, end) = if self.accept_kw("BETWEEN") {
            let start = self.frame_bound()?;
            self.expect_kw("AND")?;
            (start, Some(self.frame_bound()?))
        } else {
            (self.frame_bound()?, None)
        };
        Ok(WindowFrame { rows, start, end, span: self.span_from(start_at) })
    }

    fn frame_bound(&mut self) -> PResult<FrameBound> {
        if self.accept_kws(&["CURRENT", "ROW"]) {
            return Ok(FrameBound::CurrentRow);
        }
        if self.accept_kws(&["UNBOUNDED", "PRECEDING"]) {
            return Ok(FrameBound::UnboundedPreceding);
        }
        if self.accept_kws(&["UNBOUNDED", "FOLLOWING"]) {
            return Ok(FrameBound::UnboundedFollowing);
        }
        let amount = Box::new(self.expr_above(crate::precedence::LIKE)?);
        if self.accept_kw("PRECEDING") {
            return Ok(FrameBound::Preceding(amount));
        }
        self.expect_kw("FOLLOWING")?;
        Ok(FrameBound::Following(amount))
    }

    // ---- hints ----------------------------------------------------------

    /// The hints that stand before the next token, where hints may stand.
    pub(super) fn hints(&mut self) -> PResult<Vec<Hint>> {
        let mut hints = Vec::new();
        let next = self.pos;
        let found = self.tokens.hints.iter().filter(|(at, _)| *at == next);
        let ranges: Vec<_> = found.map(|&(_, range)| range).collect();
        for range in ranges {
            let mut inner = Parser::new(self.source, tokenize_range(self.source, range));
            inner.depth = self.depth;
            while !inner.at_end() {
                hints.push(inner.hint()?);
                inner.accept(Symbol::Comma);
            }
        }
        Ok(hints)
    }

    fn hint(&mut self) -> PResult<Hint> {
        let start = self.here();
        let name = match self.peek().kind {
            TokenKind::Word | TokenKind::QuotedWord => self.any_word(),
            _ => return self.unexpected_for("a hint such as OPTIONS('key' = 'value')"),
        };
        let args = match self.peek_symbol(Symbol::LParen) {
            true => self.paren_list0(Self::hint_arg)?,
            false => Vec::new(),
        };
        Ok(Hint { name, args, span: self.span_from(start) })
    }

    fn hint_arg(&mut self) -> PResult<HintArg> {
        let start = self.here();
        if self.symbol_at(1) == Some(Symbol::Eq) {
            let key = match self.string_at(0) {
                true => self.string()?,
                false => {
                    let Ident { value, span, .. } = self.ident()?;
                    StringLit { value, span }
                }
            };
            self.pos += 1;
            let value = self.string()?;
            let span = self.span_from(start);
            return Ok(HintArg::KeyValue(SqlOption { key, value, span }));
        }
        if self.string_at(0) {
            return Ok(HintArg::Literal(Literal::String(self.string()?.value)));
        }
        if self.peek().kind == TokenKind::Number {
            let token = self.advance();
            return Ok(HintArg::Literal(Literal::Number(self.text(token).to_string())));
        }
        self.object_name().map(HintArg::Name)
    }
}
