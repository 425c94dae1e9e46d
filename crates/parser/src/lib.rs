//! Lexer, syntax tree, parser and canonical printer for Flink SQL.
//!
//! The crate knows syntax only: it resolves no names and knows no catalog.

pub mod ast;
pub mod error;
pub mod keywords;
pub mod lexer;
mod literal;
pub mod parser;
mod precedence;
pub mod printer;
pub mod span;

pub use error::ParseError;
pub use parser::{
    Extension, ParsedStatement, Script, parse_data_type, parse_expr, parse_query, parse_script,
    parse_statement,
};
pub use printer::{PrintOptions, print_data_type, print_expr, print_query, print_statement};
pub use span::{LineColumn, LineIndex, Span};
