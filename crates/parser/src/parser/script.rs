//! The entry points: scripts, single statements, and parts of statements.

use super::{PResult, Parser};
use crate::ast::*;
use crate::error::ParseError;
use crate::lexer::{Symbol, TokenKind, tokenize};
use crate::span::Span;

/// A place where a text uses more than Flink SQL allows. The text parses all
/// the same; a cluster would refuse it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Where.
    pub span: Span,
    /// What, and what Flink has in its place.
    pub message: String,
}

/// A statement of a script with the text it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedStatement {
    /// The statement.
    pub stmt: Statement,
    /// Where it stands in the script.
    pub span: Span,
    /// Its text, without the semicolon.
    pub text: String,
    /// Where it goes beyond Flink SQL.
    pub extensions: Vec<Extension>,
}

/// A parsed script: what could be read, and what could not.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// The statements without errors, in order.
    pub statements: Vec<ParsedStatement>,
    /// One error per statement that could not be read, in order.
    pub errors: Vec<ParseError>,
}

impl Parser<'_> {
    pub(super) fn extension(&mut self, span: Span, message: &str) {
        let message = message.to_string();
        self.extensions.push(Extension { span, message });
    }

    fn finished<T>(&mut self, value: T) -> PResult<T> {
        self.accept(Symbol::Semicolon);
        match self.at_end() {
            true => Ok(value),
            false => self.unexpected_for("end of text"),
        }
    }

    fn parsed_statement(&mut self) -> Result<ParsedStatement, ParseError> {
        let first = self.pos;
        self.extensions.clear();
        self.depth = 0;
        self.height = 0;
        self.colon_ends = false;
        match self.statement() {
            Ok(stmt) => {
                let span = stmt.span;
                let text = span.text(self.source).to_string();
                let extensions = std::mem::take(&mut self.extensions);
                Ok(ParsedStatement { stmt, span, text, extensions })
            }
            Err(error) => {
                self.skip_statement(first);
                Err(self.in_other_dialect(first).unwrap_or(*error))
            }
        }
    }

    /// Goes to the end of the statement that began at token `first`: to its
    /// semicolon, or for a statement set to the semicolon after END.
    fn skip_statement(&mut self, first: usize) {
        let reached = self.pos;
        self.pos = first;
        let in_set = self.in_statement_set();
        self.pos = if in_set { first } else { reached };
        let mut ended = !in_set;
        while !self.at_end() {
            if in_set && self.peek_kw("END") {
                ended = !self.is_case_end();
            }
            if ended && self.peek_symbol(Symbol::Semicolon) {
                return;
            }
            self.pos += 1;
        }
        if in_set && !ended {
            // No END: go on after the first semicolon of the set.
            self.pos = first;
            while !self.at_end() && !self.peek_symbol(Symbol::Semicolon) {
                self.pos += 1;
            }
        }
    }

    fn in_statement_set(&self) -> bool {
        (0..16).any(|i| {
            self.kw_at(i, "STATEMENT")
                && self.kw_at(i + 1, "SET")
                && (i > 0 && self.kw_at(i - 1, "BEGIN") || self.kw_at(i + 2, "BEGIN"))
                && (0..i).all(|j| self.symbol_at(j) != Some(Symbol::Semicolon))
        })
    }

    /// END closes a set when a semicolon or nothing follows and a semicolon
    /// stands before it; otherwise it closes a CASE.
    fn is_case_end(&self) -> bool {
        let before = self.pos.checked_sub(1).and_then(|i| self.tokens.list.get(i));
        let semicolon = TokenKind::Symbol(Symbol::Semicolon);
        !before.is_some_and(|t| t.kind == semicolon)
    }

    /// The error of a statement that is no Flink SQL but that of a neighbour.
    fn in_other_dialect(&self, first: usize) -> Option<ParseError> {
        let mut probe = Parser::new(
            self.source,
            crate::lexer::Tokens {
                list: self.tokens.list.get(first..self.pos)?.to_vec(),
                hints: Vec::new(),
            },
        );
        while probe.pos < probe.tokens.list.len() {
            if let Some((dialect, words)) = probe.foreign_words() {
                let span = probe.peek().span;
                let message =
                    format!("unexpected {words}: this is a {dialect} statement, not Flink SQL");
                let hint = format!("run it on {dialect}, or declare the table with a connector");
                return Some(ParseError::new(span, message).with_hint(hint));
            }
            probe.pos += 1;
        }
        None
    }

    /// A phrase here that only another dialect has.
    fn foreign_words(&self) -> Option<(&'static str, &'static str)> {
        let engine = self.peek_kw("ENGINE") && self.symbol_at(1) == Some(Symbol::Eq);
        Some(if engine && !self.kw_at(2, "OLAP") {
            ("MySQL", "ENGINE")
        } else if self.peek_kws(&["AGGREGATE", "KEY"]) {
            ("Doris", "AGGREGATE KEY")
        } else if self.peek_kws(&["ROUTINE", "LOAD"]) {
            ("Doris", "ROUTINE LOAD")
        } else if self.peek_kw("AUTO_INCREMENT") {
            ("MySQL", "AUTO_INCREMENT")
        } else if self.peek_kws(&["ON", "UPDATE", "CURRENT_TIMESTAMP"]) {
            ("MySQL", "ON UPDATE CURRENT_TIMESTAMP")
        } else {
            return None;
        })
    }
}

/// Parses a script of statements separated by semicolons. An error ends only
/// its own statement, so that one pass finds the errors of them all.
pub fn parse_script(source: &str) -> Script {
    let mut parser = Parser::new(source, tokenize(source));
    let mut script = Script::default();
    loop {
        while parser.peek_symbol(Symbol::Semicolon) {
            parser.pos += 1;
        }
        if parser.at_end() {
            return script;
        }
        match parser.parsed_statement() {
            Ok(statement) => script.statements.push(statement),
            Err(error) => script.errors.push(error),
        }
    }
}

/// Parses exactly one statement; a semicolon may follow it.
pub fn parse_statement(source: &str) -> Result<ParsedStatement, ParseError> {
    let mut parser = Parser::new(source, tokenize(source));
    let statement = parser.parsed_statement()?;
    parser.finished(statement).map_err(|e| *e)
}

/// Parses a query; a semicolon may follow it.
pub fn parse_query(source: &str) -> Result<Query, ParseError> {
    whole(source, Parser::query)
}

/// Parses an expression.
pub fn parse_expr(source: &str) -> Result<Expr, ParseError> {
    whole(source, Parser::expr)
}

/// Parses a data type.
pub fn parse_data_type(source: &str) -> Result<DataType, ParseError> {
    whole(source, Parser::data_type)
}

fn whole<'a, T>(
    source: &'a str,
    part: impl FnOnce(&mut Parser<'a>) -> PResult<T>,
) -> Result<T, ParseError> {
    let mut parser = Parser::new(source, tokenize(source));
    let value = part(&mut parser).map_err(|e| *e)?;
    parser.finished(value).map_err(|e| *e)
}
