//! The lexer: text to tokens.
//!
//! Tokens are small and point into the text; the text of a literal is decoded
//! only when the parser asks for it. Comments vanish. Hint comments
//! (`/*+ .. */`) are set aside with the token they stand before, so that the
//! parser takes them where the grammar has a place for them and they are
//! plain comments everywhere else.

use crate::span::Span;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// An unquoted identifier or a keyword.
    Word,
    /// An identifier in backticks, or a template variable `{name}`.
    QuotedWord,
    /// A number without sign.
    Number,
    /// `'..'`
    String,
    /// `U&'..'`
    UnicodeString,
    /// `x'..'`
    Binary,
    /// `"..`: no token of Flink SQL, kept for a good message
    DoubleQuoted,
    /// An operator or punctuation mark.
    Symbol(Symbol),
    /// Something that no token begins with, or a literal that never ends.
    Invalid(LexError),
    /// The end of the text.
    Eof,
}

/// Operators and punctuation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Symbol {
    LParen,
    RParen,
    LBracket,
    RBracket,
    LBrace,
    RBrace,
    Comma,
    Semicolon,
    Dot,
    Ellipsis,
    Colon,
    Plus,
    Minus,
    Star,
    Slash,
    Percent,
    Concat,
    Pipe,
    Eq,
    NotEq,
    Lt,
    LtEq,
    Gt,
    GtEq,
    Arrow,
    Question,
    Caret,
    Dollar,
}

/// Why a piece of text is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LexError {
    /// A character that begins no token.
    Character,
    /// A string without its closing quote.
    OpenString,
    /// A quoted identifier without its closing backtick.
    OpenIdentifier,
    /// A comment without its `*/`.
    OpenComment,
    /// `` `` ``
    EmptyIdentifier,
}

/// A token and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it stands.
    pub span: Span,
}

/// The tokens of a text, the last always [`TokenKind::Eof`].
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The tokens.
    pub list: Vec<Token>,
    /// The inside of each hint comment with the index of the token after it.
    pub hints: Vec<(usize, Span)>,
}

/// Splits a text into tokens. Texts are limited to 4 GiB less one byte; what
/// lies beyond is not read.
pub fn tokenize(source: &str) -> Tokens {
    let limit = source.len().min(u32::MAX as usize - 1);
    tokenize_range(source, Span::new(0, limit as u32))
}

/// Splits a part of a text into tokens whose spans refer to the whole.
pub fn tokenize_range(source: &str, range: Span) -> Tokens {
    let mut lexer = Lexer {
        text: source.get(..range.end as usize).unwrap_or(source),
        pos: range.start as usize,
        out: Tokens { list: Vec::new(), hints: Vec::new() },
    };
    lexer.run();
    lexer.out
}

struct Lexer<'a> {
    text: &'a str,
    pos: usize,
    out: Tokens,
}

impl<'a> Lexer<'a> {
    fn run(&mut self) {
        loop {
            if let Err(start) = self.skip_blanks() {
                self.pos = self.text.len();
                self.push(TokenKind::Invalid(LexError::OpenComment), start);
            }
            let start = self.pos;
            let Some(c) = self.peek() else { break };
            let kind = self.token(c);
            self.push(kind, start);
        }
        self.push(TokenKind::Eof, self.pos);
    }

    fn push(&mut self, kind: TokenKind, start: usize) {
        let span = Span::new(start as u32, self.pos as u32);
        self.out.list.push(Token { kind, span });
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.pos..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn byte(&self, ahead: usize) -> u8 {
        let bytes = self.text.as_bytes();
        bytes.get(self.pos + ahead).copied().unwrap_or(0)
    }

    /// Skips white space and comments; an error is the start of a comment
    /// without end.
    fn skip_blanks(&mut self) -> Result<(), usize> {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
            self.pos += rest.len() - trimmed.len();
            if trimmed.starts_with("--") || trimmed.starts_with("//") {
                self.pos += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if trimmed.starts_with("/*") {
                let start = self.pos;
                let Some(len) = trimmed.get(2..).and_then(|t| t.find("*/")) else {
                    return Err(start);
                };
                if trimmed.starts_with("/*+") && len > 0 {
                    let inside = Span::new(start as u32 + 3, (start + 2 + len) as u32);
                    self.out.hints.push((self.out.list.len(), inside));
                }
                self.pos += len + 4;
            } else {
                return Ok(());
            }
        }
    }

    fn token(&mut self, c: char) -> TokenKind {
        match c {
            '\'' => self.quoted(0, TokenKind::String),
            '`' => self.quoted_identifier(),
            '"' => self.double_quoted(),
            '{' if self.template_len().is_some() => {
                self.pos += self.template_len().unwrap_or(0);
                TokenKind::QuotedWord
            }
            '0'..='9' => self.number(),
            '.' if self.byte(1).is_ascii_digit() => self.number(),
            _ if is_word_start(c) => self.word(),
            '$' if is_word_part(self.byte(1) as char) => self.word(),
            _ => self.symbol(c),
        }
    }

    /// Reads a string whose quote stands `prefix` bytes ahead.
    fn quoted(&mut self, prefix: usize, kind: TokenKind) -> TokenKind {
        self.pos += prefix;
        if self.take_delimited('\'') { kind } else { TokenKind::Invalid(LexError::OpenString) }
    }

    fn quoted_identifier(&mut self) -> TokenKind {
        let start = self.pos;
        if !self.take_delimited('`') {
            TokenKind::Invalid(LexError::OpenIdentifier)
        } else if self.pos - start == 2 {
            TokenKind::Invalid(LexError::EmptyIdentifier)
        } else {
            TokenKind::QuotedWord
        }
    }

    /// The length of `{name}` here: a variable that a template engine has not filled in.
    fn template_len(&self) -> Option<usize> {
        let inside = self.rest().strip_prefix('{')?;
        let len = inside.find(|c| !is_word_part(c))?;
        let named = inside.starts_with(is_word_start) && inside[len..].starts_with('}');
        named.then_some(len + 2)
    }

    fn double_quoted(&mut self) -> TokenKind {
        if self.take_delimited('"') {
            TokenKind::DoubleQuoted
        } else {
            TokenKind::Invalid(LexError::OpenString)
        }
    }

    /// Reads from a quote to the quote that ends it; two quotes stand for
    /// one. False when the text ends first.
    fn take_delimited(&mut self, quote: char) -> bool {
        self.pos += 1;
        while let Some(len) = self.rest().find(quote) {
            self.pos += len + 1;
            if self.byte(0) != quote as u8 {
                return true;
            }
            self.pos += 1;
        }
        self.pos = self.text.len();
        false
    }

    fn digits(&mut self) {
        while self.byte(0).is_ascii_digit() {
            self.pos += 1;
        }
    }

    fn number(&mut self) -> TokenKind {
        self.digits();
        if self.byte(0) == b'.' && self.byte(1) != b'.' {
            self.pos += 1;
            self.digits();
        }
        let sign = usize::from(matches!(self.byte(1), b'+' | b'-'));
        if matches!(self.byte(0), b'e' | b'E') && self.byte(1 + sign).is_ascii_digit() {
            self.pos += 1 + sign;
            self.digits();
        }
        TokenKind::Number
    }

    fn word(&mut self) -> TokenKind {
        let rest = self.rest();
        let len = rest.find(|c| !is_word_part(c)).unwrap_or(rest.len());
        let word = rest.get(..len).unwrap_or("");
        let quote = rest.as_bytes().get(len).copied() == Some(b'\'');
        if quote && word.eq_ignore_ascii_case("x") {
            return self.quoted(1, TokenKind::Binary);
        }
        if quote && (word.eq_ignore_ascii_case("n") || is_charset(word)) {
            return self.quoted(len, TokenKind::String);
        }
        if word.eq_ignore_ascii_case("u") && rest.get(1..3) == Some("&'") {
            return self.quoted(2, TokenKind::UnicodeString);
        }
        self.pos += len;
        TokenKind::Word
    }

    fn symbol(&mut self, c: char) -> TokenKind {
        let rest = self.rest();
        let (symbol, len) = match c {
            '(' => (Symbol::LParen, 1),
            ')' => (Symbol::RParen, 1),
            '[' => (Symbol::LBracket, 1),
            ']' => (Symbol::RBracket, 1),
            '{' => (Symbol::LBrace, 1),
            '}' => (Symbol::RBrace, 1),
            ',' => (Symbol::Comma, 1),
            ';' => (Symbol::Semicolon, 1),
            '.' if rest.starts_with("...") => (Symbol::Ellipsis, 3),
            '.' => (Symbol::Dot, 1),
            '…' => (Symbol::Ellipsis, c.len_utf8()),
            ':' => (Symbol::Colon, 1),
            '+' => (Symbol::Plus, 1),
            '-' => (Symbol::Minus, 1),
            '*' => (Symbol::Star, 1),
            '/' => (Symbol::Slash, 1),
            '%' => (Symbol::Percent, 1),
            '|' if rest.starts_with("||") => (Symbol::Concat, 2),
            '|' => (Symbol::Pipe, 1),
            '=' if rest.starts_with("=>") => (Symbol::Arrow, 2),
            '=' => (Symbol::Eq, 1),
            '!' if rest.starts_with("!=") => (Symbol::NotEq, 2),
            '<' if rest.starts_with("<>") => (Symbol::NotEq, 2),
            '<' if rest.starts_with("<=") => (Symbol::LtEq, 2),
            '<' => (Symbol::Lt, 1),
            '>' if rest.starts_with(">=") => (Symbol::GtEq, 2),
            '>' => (Symbol::Gt, 1),
            '?' => (Symbol::Question, 1),
            '^' => (Symbol::Caret, 1),
            '$' => (Symbol::Dollar, 1),
            _ => {
                self.pos += c.len_utf8();
                return TokenKind::Invalid(LexError::Character);
            }
        };
        self.pos += len;
        TokenKind::Symbol(symbol)
    }
}

fn is_word_start(c: char) -> bool {
    c == '_' || c.is_alphabetic()
}

/// True for a character that can continue an unquoted identifier.
pub fn is_word_part(c: char) -> bool {
    c == '_' || c == '$' || c.is_alphanumeric()
}

/// True for the introducer of a character set, as in `_UTF8'text'`.
fn is_charset(word: &str) -> bool {
    const CHARSETS: [&str; 5] = ["_UTF8", "_UTF16", "_UTF16LE", "_ISO8859_1", "_LATIN1"];
    CHARSETS.iter().any(|c| c.eq_ignore_ascii_case(word))
}

/// The ASCII mark that a full-width or typographic character stands for.
pub fn ascii_twin(c: char) -> Option<char> {
    Some(match c {
        '，' | '、' => ',',
        '；' => ';',
        '（' => '(',
        '）' => ')',
        '：' => ':',
        '‘' | '’' | '“' | '”' | '＇' | '＂' => '\'',
        '。' | '．' => '.',
        '＝' => '=',
        '＊' => '*',
        '＜' => '<',
        '＞' => '>',
        '－' | '–' | '—' => '-',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(source: &str) -> Vec<TokenKind> {
        tokenize(source).list.iter().map(|t| t.kind).collect()
    }

    #[test]
    fn words_numbers_and_strings() {
        use TokenKind::*;
        assert_eq!(kinds("a1 `b``c` 'it''s'"), [Word, QuotedWord, String, Eof]);
        assert_eq!(kinds("1 1.5 .5 1e3 2E-1"), [Number, Number, Number, Number, Number, Eof]);
        assert_eq!(kinds("x'0a' U&'\\00e9' N'q'"), [Binary, UnicodeString, String, Eof]);
        assert_eq!(kinds("1e x"), [Number, Word, Word, Eof]);
    }

    #[test]
    fn comments_vanish_and_hints_are_set_aside() {
        let tokens = tokenize("a -- x ; y\n /* ; */ b // z\n /*+ H(1) */ c");
        assert_eq!(tokens.list.len(), 4);
        assert_eq!(tokens.hints.len(), 1);
        assert_eq!(tokens.hints[0].0, 2);
        assert_eq!(tokens.hints[0].1.text("a -- x ; y\n /* ; */ b // z\n /*+ H(1) */ c"), " H(1) ");
    }

    #[test]
    fn what_never_ends_is_one_invalid_token() {
        use TokenKind::*;
        assert_eq!(kinds("'abc"), [Invalid(LexError::OpenString), Eof]);
        assert_eq!(kinds("`abc"), [Invalid(LexError::OpenIdentifier), Eof]);
        assert_eq!(kinds("a /* b"), [Word, Invalid(LexError::OpenComment), Eof]);
        assert_eq!(kinds("``"), [Invalid(LexError::EmptyIdentifier), Eof]);
        assert_eq!(kinds("，"), [Invalid(LexError::Character), Eof]);
    }

    #[test]
    fn dots_and_dollars() {
        use Symbol::*;
        use TokenKind::Symbol as S;
        assert_eq!(kinds("..."), [S(Ellipsis), TokenKind::Eof]);
        assert_eq!(kinds("$ {"), [S(Dollar), S(LBrace), TokenKind::Eof]);
        assert_eq!(kinds("/*+*/"), [TokenKind::Eof]);
    }
}
