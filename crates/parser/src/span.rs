//! Positions in source text.
//!
//! A [`Span`] is a half-open byte range into the text that was parsed. A
//! [`LineIndex`] turns byte offsets into 1-based lines and columns for people.

use std::fmt;
use std::hash::{Hash, Hasher};

/// A half-open range of byte offsets into the source text.
///
/// Spans say where a node came from, not what it means, so they take no part
/// in comparisons: all spans are equal and hash alike. Two syntax trees are
/// therefore `==` when they mean the same text, wherever they were written.
/// Use [`Span::same_place`] to compare the positions themselves.
#[derive(Clone, Copy, Default)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset just after the last byte.
    pub end: u32,
}

impl Span {
    /// A span from `start` (inclusive) to `end` (exclusive).
    pub const fn new(start: u32, end: u32) -> Self {
        Span { start, end }
    }

    /// The smallest span that covers both.
    pub fn to(self, other: Span) -> Span {
        Span::new(self.start.min(other.start), self.end.max(other.end))
    }

    /// True when the span covers no text.
    pub fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// Number of bytes covered.
    pub fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// True when both spans cover the same bytes.
    pub fn same_place(self, other: Span) -> bool {
        self.start == other.start && self.end == other.end
    }

    /// The text the span covers, or `""` when it does not fit the text.
    pub fn text(self, source: &str) -> &str {
        source.get(self.start as usize..self.end as usize).unwrap_or("")
    }
}

impl PartialEq for Span {
    fn eq(&self, _: &Span) -> bool {
        true
    }
}

impl Eq for Span {}

impl Hash for Span {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

/// A place in a text as people count it: line and column from 1, the column
/// in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LineColumn {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for LineColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Maps byte offsets of one text to lines and columns.
#[derive(Clone, Debug)]
pub struct LineIndex<'a> {
    source: &'a str,
    starts: Vec<u32>,
}

impl<'a> LineIndex<'a> {
    /// Indexes the line starts of `source`.
    pub fn new(source: &'a str) -> Self {
        let breaks = source.bytes().enumerate().filter(|&(_, b)| b == b'\n');
        let starts = std::iter::once(0).chain(breaks.map(|(i, _)| i as u32 + 1)).collect();
        LineIndex { source, starts }
    }

    /// Line and column of a byte offset; offsets past the end give the end.
    pub fn position(&self, offset: u32) -> LineColumn {
        let mut offset = (offset as usize).min(self.source.len());
        while !self.source.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.starts.partition_point(|&s| s as usize <= offset);
        let start = self.starts.get(line.wrapping_sub(1)).copied().unwrap_or(0);
        let before = self.source.get(start as usize..offset).unwrap_or("");
        LineColumn { line: line as u32, column: before.chars().count() as u32 + 1 }
    }

    /// Line and column of the first and of the last-plus-one byte of a span.
    pub fn range(&self, span: Span) -> (LineColumn, LineColumn) {
        (self.position(span.start), self.position(span.end))
    }

    /// The text of a 1-based line without its line break.
    pub fn line_text(&self, line: u32) -> &'a str {
        let index = (line as usize).saturating_sub(1);
        let Some(&start) = self.starts.get(index) else {
            return "";
        };
        let end = self.starts.get(index + 1).map_or(self.source.len(), |&e| e as usize);
        let text = self.source.get(start as usize..end).unwrap_or("");
        text.trim_end_matches(['\n', '\r'])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        let index = LineIndex::new("ab\n中文x\r\n\nz");
        let at = |offset| {
            let p = index.position(offset);
            (p.line, p.column)
        };
        assert_eq!(at(0), (1, 1));
        assert_eq!(at(2), (1, 3));
        assert_eq!(at(3), (2, 1));
        assert_eq!(at(9), (2, 3));
        assert_eq!(at(4), (2, 1), "inside a character falls back to its start");
        assert_eq!(at(13), (4, 1));
        assert_eq!(at(999), (4, 2));
        assert_eq!(index.line_text(2), "中文x");
        assert_eq!(index.line_text(9), "");
    }

    #[test]
    fn spans_join_and_never_differ() {
        let joined = Span::new(3, 5).to(Span::new(8, 9));
        assert!(joined.same_place(Span::new(3, 9)));
        assert_eq!(Span::new(1, 2), Span::new(7, 8));
        assert_eq!(Span::new(1, 3).text("abcd"), "bc");
        assert_eq!(Span::new(3, 30).text("abcd"), "");
    }
}
