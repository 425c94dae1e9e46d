//! Flink's built-in functions: one registry for streaming and batch, with the
//! typing rules the binder asks and the vectorised kernels the operators run.

pub mod expr;

pub use expr::Expr;
