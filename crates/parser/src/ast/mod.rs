//! The syntax tree of Flink SQL.
//!
//! Every node that an error can point at carries a [`Span`]. Comparison ignores spans and how an
//! identifier was quoted, so `parse(print(tree)) == tree` holds. Parentheses are not kept; the printer
//! puts back those that are needed.

mod expr;
mod query;
mod stmt;
mod types;

pub use expr::*;
pub use query::*;
pub use stmt::*;
pub use types::*;

use crate::span::Span;
use std::hash::{Hash, Hasher};

/// One identifier part, with quotes removed and doubled back-ticks undone. Case is kept.
#[derive(Debug, Clone, Default)]
pub struct Ident {
    pub value: String,
    /// Written in back-ticks.
    pub quoted: bool,
    pub span: Span,
}

impl Ident {
    /// An identifier that does not come from a text.
    pub fn new(value: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            quoted: false,
            span: Span::default(),
        }
    }
}

impl PartialEq for Ident {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Eq for Ident {}

impl Hash for Ident {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}

impl From<&str> for Ident {
    fn from(value: &str) -> Self {
        Self::new(value)
    }
}

/// A dotted name: `catalog.database.object` or a part of it. Never empty when it comes from the parser.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ObjectName(pub Vec<Ident>);

impl ObjectName {
    /// A name of unquoted parts.
    pub fn of(parts: &[&str]) -> Self {
        Self(parts.iter().map(|p| Ident::new(*p)).collect())
    }

    /// The parts' text.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|i| i.value.as_str())
    }

    /// The last part, which names the object itself ("" for an empty name).
    pub fn base(&self) -> &str {
        self.0.last().map_or("", |i| i.value.as_str())
    }

    /// From the first to the last part.
    pub fn span(&self) -> Span {
        match (self.0.first(), self.0.last()) {
            (Some(first), Some(last)) => first.span.to(last.span),
            _ => Span::default(),
        }
    }
}

/// Parts joined with dots, unquoted: for messages, not for SQL (use the printer for that).
impl std::fmt::Display for ObjectName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, part) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(".")?;
            }
            f.write_str(&part.value)?;
        }
        Ok(())
    }
}

/// A string literal with its place.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct StringLit {
    pub value: String,
    pub span: Span,
}

impl StringLit {
    /// A string literal that does not come from a text.
    pub fn new(value: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            span: Span::default(),
        }
    }
}

/// One `'key' = 'value'` of a WITH, SET or OPTIONS list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Property {
    pub key: StringLit,
    pub value: StringLit,
}
