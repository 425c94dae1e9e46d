//! Flink's built-in functions: one registry for streaming and batch, with the
//! typing rules the binder asks and the vectorised kernels the operators run.

pub mod expr;
pub mod typing;

pub use expr::Expr;
pub use typing::{
    AggregateSignature, ArgType, ScalarSignature, common_type, comparison_type,
    decimal_literal_type, explicit_cast_allowed, function_names, implicit_cast_allowed,
    nearest_names, resolve_aggregate, resolve_scalar, store_assignment_allowed, unknown_function,
};
