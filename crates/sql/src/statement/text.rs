//! Canonical text of expressions and queries that catalogs store.

use weir_parser::ast;
use weir_parser::printer::{PrintOptions, print_expr_with};

/// The text of a span, trimmed.
pub fn source_text(source: &str, span: weir_parser::Span) -> String {
    source.get(span.start as usize..span.end as usize).unwrap_or_default().trim().to_owned()
}

/// An expression as DESCRIBE and SHOW CREATE TABLE print it.
pub fn canonical_expr(e: &ast::Expr) -> String {
    print_expr_with(e, PrintOptions::SERIALIZABLE)
}

/// A query as SHOW CREATE VIEW prints it.
pub fn canonical_query(q: &ast::Query) -> String {
    weir_parser::print_query(q)
}
