//! Byte positions in the source text and their line/column form.
//!
//! A [`Span`] never takes part in comparison: two syntax trees are equal when they say the same thing,
//! wherever it was written. Use [`Span::same_place`] to compare positions.

use std::hash::{Hash, Hasher};

/// Half-open byte range `start..end` of the source text.
#[derive(Clone, Copy, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

impl Span {
    /// The range `start..end`; texts beyond 4 GiB are refused before any span is made.
    pub const fn new(start: u32, end: u32) -> Self {
        Self { start, end }
    }

    /// From here to the end of `other`.
    pub const fn to(self, other: Span) -> Span {
        Span {
            start: self.start,
            end: other.end,
        }
    }

    /// True when both cover the same bytes (`==` always holds, see the module docs).
    pub const fn same_place(self, other: Span) -> bool {
        self.start == other.start && self.end == other.end
    }

    /// True for the default span, which marks a node made by hand.
    pub const fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// The text covered by this span, or "" when it does not fit `source`.
    pub fn text(self, source: &str) -> &str {
        source
            .get(self.start as usize..self.end as usize)
            .unwrap_or("")
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

impl std::fmt::Debug for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

/// 1-based line and column (counted in characters).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    pub line: u32,
    pub column: u32,
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Maps byte offsets of one text to lines and columns.
#[derive(Debug, Clone)]
pub struct LineIndex {
    line_starts: Vec<u32>,
}

impl LineIndex {
    /// Scans `source` once for its line starts.
    pub fn new(source: &str) -> Self {
        let mut line_starts = vec![0];
        line_starts.extend(
            source
                .bytes()
                .enumerate()
                .filter(|(_, b)| *b == b'\n')
                .map(|(i, _)| i as u32 + 1),
        );
        Self { line_starts }
    }

    /// Line and column of `offset` in `source` (the text this index was made from).
    pub fn locate(&self, source: &str, offset: u32) -> Location {
        let line = self.line_starts.partition_point(|s| *s <= offset).max(1);
        let start = self.line_starts[line - 1];
        let before = source
            .get(start as usize..(offset as usize).min(source.len()))
            .unwrap_or("");
        Location {
            line: line as u32,
            column: before.chars().count() as u32 + 1,
        }
    }

    /// The text of a 1-based line without its line end, or "" beyond the last line.
    pub fn line_text<'a>(&self, source: &'a str, line: u32) -> &'a str {
        let index = (line as usize).saturating_sub(1);
        let Some(start) = self.line_starts.get(index) else {
            return "";
        };
        let end = self
            .line_starts
            .get(index + 1)
            .map_or(source.len(), |e| *e as usize);
        source
            .get(*start as usize..end)
            .unwrap_or("")
            .trim_end_matches(['\n', '\r'])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_characters() {
        let text = "SELECT 'é',\r\n  x";
        let index = LineIndex::new(text);
        let x = text.rfind('x').unwrap() as u32;
        assert_eq!(index.locate(text, x), Location { line: 2, column: 3 });
        assert_eq!(index.locate(text, 0), Location { line: 1, column: 1 });
        let comma = text.find(',').unwrap() as u32;
        assert_eq!(index.locate(text, comma).column, 11);
        assert_eq!(index.line_text(text, 1), "SELECT 'é',");
        assert_eq!(index.line_text(text, 2), "  x");
        assert_eq!(index.line_text(text, 9), "");
    }
}
