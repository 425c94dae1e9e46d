//! Flink's built-in functions: one registry for streaming and batch, with the
//! typing rules the binder asks and the vectorised kernels the operators run.

//!
//! Invariants: [`resolve_scalar`] and the kernels know a function by the same
//! canonical name; a kernel gets exactly the types that the resolver asked for;
//! nothing here panics on data.
//!
//! Where to look next: [`typing`] for the rules the binder asks, [`compile`] for
//! evaluation, `cast` for conversions, `format` for how values are printed.

mod args;
mod arith;
mod bitmap;
mod calendar;
mod cast;
mod collection;
mod compare;
mod context;
mod decimal;
mod estimate;
mod eval;
pub mod expr;
mod format;
mod hash;
mod intervals;
pub mod java_map;
mod json;
mod kernels;
mod logic;
mod math;
mod site;
mod string;
mod temporal;
mod ticks;
pub mod typing;

pub use bitmap::{BitmapFold, bitmap_cardinality, bitmap_of, fold_bitmaps};
pub use cast::cast_array;
pub use context::{EvalContext, Zone};
pub use estimate::selectivity;
pub use eval::{CompiledExpr, compile};
pub use expr::Expr;
pub use format::format_value;
pub use hash::hex_into;
pub use typing::{
    AggregateSignature, ArgType, ScalarSignature, common_type, comparison_type,
    decimal_literal_type, explicit_cast_allowed, function_names, implicit_cast_allowed,
    nearest_names, offset_default_fits, resolve_aggregate, resolve_scalar,
    store_assignment_allowed, unknown_function,
};
