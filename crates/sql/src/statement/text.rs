//! Canonical text of expressions and queries that catalogs store.

use weir_parser::ast;

/// The text of a span, trimmed.
pub fn source_text(source: &str, span: weir_parser::Span) -> String {
    source.get(span.start as usize..span.end as usize).unwrap_or_default().trim().to_owned()
}

/// An expression as DESCRIBE and SHOW CREATE TABLE print it.
pub fn canonical_expr(e: &ast::Expr, source: &str) -> String {
    source_text(source, e.span)
}

/// A query as SHOW CREATE VIEW prints it.
pub fn canonical_query(q: &ast::Query, source: &str) -> String {
    source_text(source, q.span)
}
