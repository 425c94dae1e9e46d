//! The syntax tree.
//!
//! Every node carries the [`Span`] of the text it came from; spans take no
//! part in `==`. The tree is normalised where two spellings mean the same
//! (`!=` and `<>`, `INTEGER` and `INT`, redundant parentheses), so that
//! printing and parsing again gives an equal tree.

mod call;
mod ddl;
mod expr;
mod query;
mod statement;
mod types;

pub use call::*;
pub use ddl::*;
pub use expr::*;
pub use query::*;
pub use statement::*;
pub use types::*;

use crate::span::Span;
use std::fmt;

/// An identifier. `value` is the name without quotes, case preserved.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ident {
    /// The name itself, unquoted and unescaped.
    pub value: String,
    /// Whether the source wrote it in backticks.
    pub quoted: Quoted,
    /// Where it stands.
    pub span: Span,
}

impl Ident {
    /// An unquoted identifier without a place in a source text.
    pub fn new(value: impl Into<String>) -> Self {
        Ident { value: value.into(), quoted: Quoted(false), span: Span::default() }
    }

    /// True when the source wrote the name in backticks.
    pub fn is_quoted(&self) -> bool {
        self.quoted.0
    }
}

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.value)
    }
}

/// Whether an identifier was quoted. Like a span it records the spelling and
/// takes no part in `==`: names are case-sensitive either way in Flink.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quoted(pub bool);

impl PartialEq for Quoted {
    fn eq(&self, _: &Quoted) -> bool {
        true
    }
}

impl Eq for Quoted {}

impl std::hash::Hash for Quoted {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

/// A name of one or more parts, such as `catalog.db.table`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectName(pub Vec<Ident>);

impl ObjectName {
    /// The span from the first to the last part.
    pub fn span(&self) -> Span {
        match (self.0.first(), self.0.last()) {
            (Some(a), Some(b)) => a.span.to(b.span),
            _ => Span::default(),
        }
    }

    /// The last part, which names the object itself.
    pub fn last(&self) -> &str {
        self.0.last().map_or("", |i| i.value.as_str())
    }

    /// The only part of a name without qualifiers.
    pub fn single(&self) -> Option<&Ident> {
        match self.0.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }

    /// The parts as text.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|i| i.value.as_str())
    }
}

impl From<Ident> for ObjectName {
    fn from(ident: Ident) -> Self {
        ObjectName(vec![ident])
    }
}

/// The parts joined by dots, unquoted: for messages, not for SQL.
impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, part) in self.0.iter().enumerate() {
            let dot = if i == 0 { "" } else { "." };
            write!(f, "{dot}{part}")?;
        }
        Ok(())
    }
}

/// A character string as the source meant it (escapes resolved).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StringLit {
    /// The text without quotes.
    pub value: String,
    /// Where it stands, quotes included.
    pub span: Span,
}

impl StringLit {
    /// A string without a place in a source text.
    pub fn new(value: impl Into<String>) -> Self {
        StringLit { value: value.into(), span: Span::default() }
    }
}

/// One `'key' = 'value'` of a WITH, SET or hint list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SqlOption {
    /// The option name.
    pub key: StringLit,
    /// The option value.
    pub value: StringLit,
    /// Key to value.
    pub span: Span,
}

/// One `col [= literal]` of a PARTITION clause.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PartitionEntry {
    /// The partition column.
    pub column: Ident,
    /// The value, absent for a dynamic partition.
    pub value: Option<Expr>,
    /// The whole entry.
    pub span: Span,
}
