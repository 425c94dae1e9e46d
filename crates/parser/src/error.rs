//! What is wrong with a text, and what would be right.

use crate::span::{LineIndex, Span};
use std::fmt;

/// A place where a text is not Flink SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Where parsing stopped.
    pub span: Span,
    /// What was found there.
    pub message: String,
    /// What could have stood there: keywords as they are, other things in
    /// words.
    pub expected: Vec<String>,
    /// How to put it right.
    pub hint: Option<String>,
}

impl ParseError {
    /// An error with nothing but its message.
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        ParseError { span, message: message.into(), expected: Vec::new(), hint: None }
    }

    /// Adds advice.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The error with its line and a mark under the place.
    pub fn render(&self, source: &str) -> String {
        let index = LineIndex::new(source);
        let at = index.position(self.span.start);
        let line = index.line_text(at.line);
        let column = at.column as usize - 1;
        let wide = self.span.text(source).lines().next().unwrap_or("");
        let mark = "^".repeat(wide.chars().count().max(1));
        let blank: String =
            line.chars().take(column).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        format!("{at}: {self}\n  {line}\n  {blank}{mark}")
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "parse error: {}", self.message)?;
        match self.expected.as_slice() {
            [] => {}
            [one] => write!(f, "; expected {one}")?,
            [most @ .., last] => write!(f, "; expected {} or {last}", most.join(", "))?,
        }
        match &self.hint {
            Some(hint) => write!(f, " (hint: {hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ParseError {}
