//! Lexer, syntax tree, parser and canonical printer for Flink SQL.
//!
//! The crate knows syntax only: it resolves no names and knows no catalog.

pub mod ast;
pub mod span;
