//! The parser: recursive descent, with precedence climbing for expressions.
//!
//! This file holds what all parts share: the token cursor, names and lists,
//! the limit on nesting, and the making of error messages. The grammar itself
//! is in the files below.

mod alter;
mod create;
mod dml;
mod doris;
mod expr;
mod from;
mod function;
mod json;
mod matching;
mod query;
mod script;
mod show;
mod special;
mod statement;
mod types;

pub use script::{
    Extension, ParsedStatement, Script, parse_data_type, parse_expr, parse_query, parse_script,
    parse_statement,
};

use crate::ast::{Ident, ObjectName, Quoted, StringLit};
use crate::error::ParseError;
use crate::keywords;
use crate::lexer::{LexError, Symbol, Token, TokenKind, Tokens, ascii_twin};
use crate::literal;
use crate::span::Span;

/// How deep the grammar may nest (parentheses, subqueries, types).
const MAX_DEPTH: u32 = 128;

/// How high a syntax tree may grow; long operator chains count one per
/// operator. Everything that walks a tree may recurse this far.
const MAX_HEIGHT: u32 = 500;

pub(crate) type PResult<T> = Result<T, Box<ParseError>>;

pub(crate) struct Parser<'a> {
    source: &'a str,
    tokens: Tokens,
    pos: usize,
    depth: u32,
    height: u32,
    /// What was tried at token `tried_at` and not found.
    tried: Vec<&'static str>,
    tried_at: usize,
    /// Inside the key of JSON_OBJECT, where a colon ends the key.
    colon_ends: bool,
    extensions: Vec<Extension>,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(source: &'a str, tokens: Tokens) -> Self {
        Parser {
            source,
            tokens,
            pos: 0,
            depth: 0,
            height: 0,
            tried: Vec::new(),
            tried_at: 0,
            colon_ends: false,
            extensions: Vec::new(),
        }
    }

    // ---- the cursor -----------------------------------------------------

    fn token_at(&self, ahead: usize) -> Token {
        let list = &self.tokens.list;
        let end = Token {
            kind: TokenKind::Eof,
            span: Span::new(self.source.len() as u32, self.source.len() as u32),
        };
        let token = list.get(self.pos + ahead).or(list.last());
        token.copied().unwrap_or(end)
    }

    fn peek(&self) -> Token {
        self.token_at(0)
    }

    fn advance(&mut self) -> Token {
        let token = self.peek();
        if token.kind != TokenKind::Eof {
            self.pos += 1;
        }
        token
    }

    fn at_end(&self) -> bool {
        self.peek().kind == TokenKind::Eof
    }

    /// Where the next token begins.
    fn here(&self) -> u32 {
        self.peek().span.start
    }

    /// The span from an earlier [`here`](Self::here) to the last token taken.
    fn span_from(&self, start: u32) -> Span {
        let last = self.pos.checked_sub(1).and_then(|i| self.tokens.list.get(i));
        Span::new(start, last.map_or(start, |t| t.span.end).max(start))
    }

    fn text(&self, token: Token) -> &'a str {
        token.span.text(self.source)
    }

    /// The text of an unquoted word, or `""`.
    fn word_at(&self, ahead: usize) -> &'a str {
        let token = self.token_at(ahead);
        match token.kind {
            TokenKind::Word => self.text(token),
            _ => "",
        }
    }

    // ---- keywords and symbols -------------------------------------------

    fn kw_at(&self, ahead: usize, keyword: &str) -> bool {
        self.word_at(ahead).eq_ignore_ascii_case(keyword)
    }

    fn peek_kw(&self, keyword: &str) -> bool {
        self.kw_at(0, keyword)
    }

    fn peek_kws(&self, keywords: &[&str]) -> bool {
        keywords.iter().enumerate().all(|(i, k)| self.kw_at(i, k))
    }

    fn peek_any(&self, keywords: &[&str]) -> bool {
        keywords.iter().any(|k| self.peek_kw(k))
    }

    fn accept_kw(&mut self, keyword: &'static str) -> bool {
        let found = self.peek_kw(keyword);
        if found {
            self.pos += 1;
        } else {
            self.tried(keyword);
        }
        found
    }

    /// Takes several keywords in a row, or none.
    fn accept_kws(&mut self, keywords: &[&'static str]) -> bool {
        let found = self.peek_kws(keywords);
        if found {
            self.pos += keywords.len();
        } else if let Some(first) = keywords.first() {
            self.tried(first);
        }
        found
    }

    fn expect_kw(&mut self, keyword: &'static str) -> PResult<()> {
        if self.accept_kw(keyword) {
            return Ok(());
        }
        self.unexpected()
    }

    fn expect_kws(&mut self, keywords: &[&'static str]) -> PResult<()> {
        keywords.iter().try_for_each(|k| self.expect_kw(k))
    }

    fn symbol_at(&self, ahead: usize) -> Option<Symbol> {
        match self.token_at(ahead).kind {
            TokenKind::Symbol(s) => Some(s),
            _ => None,
        }
    }

    fn peek_symbol(&self, symbol: Symbol) -> bool {
        self.symbol_at(0) == Some(symbol)
    }

    fn accept(&mut self, symbol: Symbol) -> bool {
        let found = self.peek_symbol(symbol);
        if found {
            self.pos += 1;
        } else {
            self.tried(symbol_text(symbol));
        }
        found
    }

    fn expect(&mut self, symbol: Symbol) -> PResult<()> {
        if self.accept(symbol) {
            return Ok(());
        }
        self.unexpected()
    }

    // ---- names and literals ---------------------------------------------

    /// True when an identifier stands `ahead`: quoted, or not reserved.
    fn ident_at(&self, ahead: usize) -> bool {
        match self.token_at(ahead).kind {
            TokenKind::QuotedWord => true,
            TokenKind::Word => !keywords::is_reserved(self.word_at(ahead)),
            _ => false,
        }
    }

    fn ident(&mut self) -> PResult<Ident> {
        if !self.ident_at(0) {
            return self.unexpected_for("an identifier");
        }
        Ok(self.any_word())
    }

    /// Takes a word as an identifier without asking whether it is reserved.
    fn any_word(&mut self) -> Ident {
        let token = self.advance();
        let text = self.text(token);
        let quoted = token.kind == TokenKind::QuotedWord && text.starts_with('`');
        let value = if quoted { literal::unquote(text, '`') } else { text.to_string() };
        Ident { value, quoted: Quoted(quoted), span: token.span }
    }

    fn object_name(&mut self) -> PResult<ObjectName> {
        let mut parts = vec![self.ident()?];
        while self.accept(Symbol::Dot) {
            parts.push(self.ident()?);
        }
        Ok(ObjectName(parts))
    }

    fn string_at(&self, ahead: usize) -> bool {
        let kind = self.token_at(ahead).kind;
        matches!(kind, TokenKind::String | TokenKind::UnicodeString)
    }

    /// A character string; strings that follow each other are one.
    fn string(&mut self) -> PResult<StringLit> {
        let start = self.here();
        if !self.string_at(0) {
            return self.unexpected_for("a string in single quotes");
        }
        let mut value = String::new();
        while self.string_at(0) {
            value.push_str(&self.string_part()?);
        }
        let span = self.span_from(start);
        Ok(StringLit { value, span })
    }

    fn string_part(&mut self) -> PResult<String> {
        let token = self.advance();
        let text = self.text(token);
        if token.kind == TokenKind::String {
            let quote = text.find('\'').unwrap_or(0);
            return Ok(literal::unquote(text.get(quote..).unwrap_or(""), '\''));
        }
        let body = literal::unquote(text.get(2..).unwrap_or(""), '\'');
        let mut escape = '\\';
        if self.accept_kw("UESCAPE") {
            let given = self.string()?;
            let mut chars = given.value.chars();
            match (chars.next(), chars.next()) {
                (Some(c), None) => escape = c,
                _ => {
                    let error = ParseError::new(given.span, "UESCAPE takes a single character");
                    return Err(Box::new(error));
                }
            }
        }
        literal::decode_unicode(&body, escape)
            .map_err(|why| Box::new(ParseError::new(token.span, why)))
    }

    fn unsigned(&mut self) -> PResult<u32> {
        let token = self.peek();
        if token.kind != TokenKind::Number {
            return self.unexpected_for("a whole number");
        }
        match self.text(token).parse() {
            Ok(n) => {
                self.pos += 1;
                Ok(n)
            }
            Err(_) => self.fail(token.span, "this must be a whole number of at most 4294967295"),
        }
    }

    // ---- lists ----------------------------------------------------------

    /// Reads what stands in brackets, where a colon is again a path.
    fn inside<T>(&mut self, body: impl FnOnce(&mut Self) -> PResult<T>) -> PResult<T> {
        let outer = std::mem::replace(&mut self.colon_ends, false);
        let value = body(self);
        self.colon_ends = outer;
        value
    }

    fn comma_list<T>(&mut self, mut item: impl FnMut(&mut Self) -> PResult<T>) -> PResult<Vec<T>> {
        let mut list = vec![item(self)?];
        while self.accept(Symbol::Comma) {
            list.push(item(self)?);
        }
        Ok(list)
    }

    /// `(item, ..)`, at least one.
    fn paren_list<T>(&mut self, item: impl FnMut(&mut Self) -> PResult<T>) -> PResult<Vec<T>> {
        self.expect(Symbol::LParen)?;
        let list = self.inside(|p| p.comma_list(item))?;
        self.expect(Symbol::RParen)?;
        Ok(list)
    }

    /// `(item, ..)` or `()`.
    fn paren_list0<T>(&mut self, item: impl FnMut(&mut Self) -> PResult<T>) -> PResult<Vec<T>> {
        if self.peek_symbol(Symbol::LParen) && self.symbol_at(1) == Some(Symbol::RParen) {
            self.pos += 2;
            return Ok(Vec::new());
        }
        self.paren_list(item)
    }

    fn parens<T>(&mut self, inside: impl FnOnce(&mut Self) -> PResult<T>) -> PResult<T> {
        self.expect(Symbol::LParen)?;
        let value = self.inside(inside)?;
        self.expect(Symbol::RParen)?;
        Ok(value)
    }

    fn ident_list(&mut self) -> PResult<Vec<Ident>> {
        self.paren_list(Self::ident)
    }

    // ---- limits ---------------------------------------------------------

    /// Runs one level of the grammar, guarding the depth of recursion and the
    /// height of the tree that comes out.
    fn nested<T>(&mut self, level: impl FnOnce(&mut Self) -> PResult<T>) -> PResult<T> {
        if self.depth >= MAX_DEPTH {
            return self.too_deep();
        }
        self.depth += 1;
        let beside = std::mem::take(&mut self.height);
        let result = level(self);
        self.depth -= 1;
        let grown = self.grow();
        self.height = self.height.max(beside);
        let value = result?;
        grown?;
        Ok(value)
    }

    /// Counts one more node above what the current level has built so far.
    fn grow(&mut self) -> PResult<()> {
        self.height += 1;
        if self.height > MAX_HEIGHT {
            return self.too_deep();
        }
        Ok(())
    }

    fn too_deep<T>(&self) -> PResult<T> {
        let error = ParseError::new(
            self.peek().span,
            format!(
                "the statement nests too deeply (at most {MAX_DEPTH} levels, {MAX_HEIGHT} \
                 operators in a chain)"
            ),
        );
        Err(Box::new(
            error.with_hint("split it with WITH or a view, or write a long OR as IN (..)"),
        ))
    }

    // ---- errors ---------------------------------------------------------

    fn tried(&mut self, what: &'static str) {
        if self.tried_at != self.pos {
            self.tried.clear();
            self.tried_at = self.pos;
        }
        if !self.tried.contains(&what) {
            self.tried.push(what);
        }
    }

    fn fail<T>(&self, span: Span, message: impl Into<String>) -> PResult<T> {
        Err(Box::new(ParseError::new(span, message)))
    }

    fn fail_hint<T>(&self, span: Span, message: &str, hint: impl Into<String>) -> PResult<T> {
        Err(Box::new(ParseError::new(span, message).with_hint(hint)))
    }

    /// The error that the next token is not `what`.
    fn unexpected_for<T>(&mut self, what: &'static str) -> PResult<T> {
        self.tried(what);
        self.unexpected()
    }

    /// The error that the next token is none of what was tried.
    fn unexpected<T>(&mut self) -> PResult<T> {
        let token = self.peek();
        if let Some(error) = self.lexical(token) {
            return Err(Box::new(error));
        }
        let mut expected: Vec<String> = match self.tried_at == self.pos {
            true => self.tried.iter().map(|s| s.to_string()).collect(),
            false => Vec::new(),
        };
        expected.truncate(16);
        let found = self.found(token);
        let mut error = ParseError::new(token.span, format!("unexpected {found}"));
        error.hint = self.advice(token, &expected);
        error.expected = expected;
        Err(Box::new(error))
    }

    fn found(&self, token: Token) -> String {
        let text = self.text(token);
        let short: String = text.chars().take(40).collect();
        match token.kind {
            TokenKind::Eof => "end of statement".to_string(),
            TokenKind::Symbol(Symbol::Semicolon) => "end of statement (`;`)".to_string(),
            TokenKind::QuotedWord => short,
            TokenKind::Word if keywords::is_reserved(text) => {
                format!("reserved word `{short}`")
            }
            _ => format!("`{short}`"),
        }
    }

    /// The error of a token that no statement can hold.
    fn lexical(&self, token: Token) -> Option<ParseError> {
        let text = self.text(token);
        let error = |message: &str| ParseError::new(token.span, message);
        Some(match token.kind {
            TokenKind::Invalid(LexError::OpenString) => {
                error("unexpected end: this string is never closed")
                    .with_hint("close it with a quote; a quote inside a string is written twice")
            }
            TokenKind::Invalid(LexError::OpenIdentifier) => {
                error("unexpected end: this quoted identifier is never closed")
            }
            TokenKind::Invalid(LexError::OpenComment) => {
                error("unexpected end: this comment is never closed").with_hint("close it with */")
            }
            TokenKind::Invalid(LexError::EmptyIdentifier) => {
                error("unexpected ``: an identifier cannot be empty")
            }
            TokenKind::Invalid(LexError::Character) => {
                let first = text.chars().next().unwrap_or(' ');
                let shown = error(&format!("unexpected character `{}`", first.escape_debug()));
                match ascii_twin(first) {
                    Some(twin) => shown.with_hint(format!("use the ASCII character {twin}")),
                    None => shown,
                }
            }
            TokenKind::Symbol(Symbol::Ellipsis) => error(
                "unexpected `...`: the text is elided here (column list elided)",
            )
            .with_hint("write out the columns, options or values that the three dots stand for"),
            TokenKind::DoubleQuoted => {
                let inner = text.trim_matches('"');
                error(&format!("unexpected {text}: double quotes have no meaning in Flink SQL"))
                    .with_hint(format!("a string is '{inner}', an identifier is `{inner}`"))
            }
            _ => return None,
        })
    }

    /// A suggestion for the most likely slip at a token.
    fn advice(&self, token: Token, expected: &[String]) -> Option<String> {
        let text = self.text(token);
        let wants_name = expected.iter().any(|e| e.contains("identifier") || e == "an expression");
        if token.kind == TokenKind::Word {
            let keywords = expected.iter().map(String::as_str);
            if let Some(near) = keywords::nearest(text, keywords) {
                return Some(format!("did you mean {near}?"));
            }
            let after_as = self.pos > 0 && self.previous_word().eq_ignore_ascii_case("AS");
            if keywords::is_reserved(text) && (wants_name || after_as) {
                return Some(format!(
                    "`{text}` is a reserved word; to use it as a name, quote it: `{text}`"
                ));
            }
        }
        if matches!(token.kind, TokenKind::Symbol(Symbol::LBrace | Symbol::Dollar)) {
            return Some("a template placeholder must be filled in before parsing".to_string());
        }
        let before = self.previous_word();
        if !before.is_empty()
            && !keywords::is_reserved(before)
            && let Some(near) = keywords::nearest_keyword(before)
        {
            return Some(format!("`{before}` before it looks like a misspelt {near}"));
        }
        None
    }

    fn previous_word(&self) -> &'a str {
        let token = self.pos.checked_sub(1).and_then(|i| self.tokens.list.get(i));
        match token {
            Some(t) if t.kind == TokenKind::Word => self.text(*t),
            _ => "",
        }
    }
}

fn symbol_text(symbol: Symbol) -> &'static str {
    match symbol {
        Symbol::LParen => "`(`",
        Symbol::RParen => "`)`",
        Symbol::LBracket => "`[`",
        Symbol::RBracket => "`]`",
        Symbol::LBrace => "`{`",
        Symbol::RBrace => "`}`",
        Symbol::Comma => "`,`",
        Symbol::Semicolon => "`;`",
        Symbol::Dot => "`.`",
        Symbol::Ellipsis => "`...`",
        Symbol::Colon => "`:`",
        Symbol::Plus => "`+`",
        Symbol::Minus => "`-`",
        Symbol::Star => "`*`",
        Symbol::Slash => "`/`",
        Symbol::Percent => "`%`",
        Symbol::Concat => "`||`",
        Symbol::Pipe => "`|`",
        Symbol::Eq => "`=`",
        Symbol::NotEq => "`<>`",
        Symbol::Lt => "`<`",
        Symbol::LtEq => "`<=`",
        Symbol::Gt => "`>`",
        Symbol::GtEq => "`>=`",
        Symbol::Arrow => "`=>`",
        Symbol::Question => "`?`",
        Symbol::Caret => "`^`",
        Symbol::Dollar => "`$`",
    }
}
