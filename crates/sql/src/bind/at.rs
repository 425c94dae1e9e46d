//! Where in the text an error is.

use weir_core::Result;
use weir_core::error::Position;
use weir_parser::span::Span;

/// Position of a piece of syntax.
pub fn position(span: Span) -> Position {
    Position { start: span.start, end: span.end }
}

/// Attaches the position of a piece of syntax to an error.
pub(crate) trait At<T> {
    fn at(self, span: Span) -> Result<T>;
}

impl<T> At<T> for Result<T> {
    fn at(self, span: Span) -> Result<T> {
        self.map_err(|e| e.at(position(span)))
    }
}
