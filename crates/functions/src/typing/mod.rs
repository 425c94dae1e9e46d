//! Flink's type rules: which functions exist, which argument types they take,
//! what they return, and when the result is nullable.
//!
//! The binder asks [`resolve_scalar`] and [`resolve_aggregate`] with the types
//! of the bound arguments, inserts the casts of `arg_types` and builds a
//! [`crate::Expr::Call`] with the canonical name. The kernels (`crate::kernels`)
//! are looked up by the same name, so a name that resolves also runs.
//!
//! # Encoding of special syntax as arguments
//!
//! | SQL | call |
//! |---|---|
//! | `-x`, `x IS NOT TRUE` | `-`(x), `IS NOT TRUE`(x) |
//! | `x NOT LIKE p ESCAPE e` | `NOT`(`LIKE`(x, p, e)) |
//! | `a[i]`, `m[k]`, `v['f']` | `ITEM`(a, i) |
//! | `ARRAY[..]`, `MAP[k, v, ..]`, `ROW(..)` | `ARRAY`(..), `MAP`(k, v, ..), `ROW`(..) |
//! | `EXTRACT(u FROM x)`, `FLOOR(x TO u)` | `EXTRACT`('U', x), `FLOOR`(x, 'U') |
//! | `TIMESTAMPADD(u, n, x)`, `TIMESTAMPDIFF(u, a, b)` | the same with 'U' as first argument |
//! | `(a - b) DAY` | `MINUS_DATE`(a, b, 'DAY') |
//! | `TRIM(LEADING c FROM s)` | `TRIM`('LEADING', c, s) |
//! | `POSITION(a IN s)`, `OVERLAY(s PLACING r FROM i FOR n)` | `POSITION`(a, s), `OVERLAY`(s, r, i, n) |
//! | `(a, b) OVERLAPS (c, d)` | `OVERLAPS`(a, b, c, d) |
//! | `s IS JSON OBJECT` | `IS JSON OBJECT`(s); VALUE, SCALAR, ARRAY alike; negation is `IS NOT JSON ..` |
//! | `JSON_VALUE(j, p RETURNING t DEFAULT a ON EMPTY ERROR ON ERROR)` | `JSON_VALUE`(j, p, NULL of type t, 'DEFAULT', a, 'ERROR', NULL); two or seven arguments |
//! | `JSON_QUERY(j, p RETURNING t WITH WRAPPER EMPTY ARRAY ON EMPTY ..)` | `JSON_QUERY`(j, p, NULL of type t, 'UNCONDITIONAL', 'EMPTY ARRAY', 'NULL'); two or six; wrapper is WITHOUT, CONDITIONAL or UNCONDITIONAL |
//! | `JSON_EXISTS(j, p TRUE ON ERROR)` | `JSON_EXISTS`(j, p, 'TRUE'); default FALSE |
//! | `JSON_OBJECT(k VALUE v, .. ABSENT ON NULL)` | `JSON_OBJECT`(k, v, .., 'ABSENT ON NULL'); the last is always there, default 'NULL ON NULL' |
//! | `JSON_ARRAY(v, .. NULL ON NULL)` | `JSON_ARRAY`(v, .., 'NULL ON NULL'); default 'ABSENT ON NULL' |
//! | `JSON_OBJECTAGG(KEY k VALUE v ..)`, `JSON_ARRAYAGG(v ..)` | aggregates with the same trailing literal |
//!
//! Day-time intervals are `INTERVAL SECOND(3)` and year-month intervals
//! `INTERVAL MONTH` whatever their literal was, as Flink reports them.

mod aggregate;
mod call;
mod casting;
mod collection;
mod common;
mod json;
mod names;
mod operators;
mod table;
mod temporal;

use weir_core::Result;

pub use aggregate::{AggregateSignature, offset_default_fits, resolve_aggregate};
pub use call::{ArgType, ScalarSignature, day_time_interval, year_month_interval};
pub use casting::{explicit_cast_allowed, implicit_cast_allowed, store_assignment_allowed};
pub(crate) use common::never_equal;
pub use common::{
    common_type, comparison_type, decimal_add_type, decimal_divide_type, decimal_literal_type,
    decimal_modulo_type, decimal_multiply_type, integer_literal_type,
};
pub use names::{function_names, nearest_names, unknown_function};

use call::Call;

/// Types a call of a built-in function or operator.
///
/// The name is matched without regard to case. An unknown name is a validation
/// error that lists the nearest known names.
pub fn resolve_scalar(name: &str, args: &[ArgType<'_>]) -> Result<ScalarSignature> {
    let canonical = names::canonical(name);
    let call = Call { name: &canonical, args };
    let families: [Family; 5] =
        [operators::resolve, temporal::resolve, json::resolve, collection::resolve, table::resolve];
    for family in families {
        if let Some(result) = family(&call) {
            let mut signature = result?;
            signature.deterministic = !names::is_nondeterministic(&canonical);
            return Ok(signature);
        }
    }
    Err(unknown_function(name, args))
}

/// The part of a module that types one family; None for names it does not know.
type Family = fn(&Call<'_>) -> Option<Result<ScalarSignature>>;

#[cfg(test)]
mod tests;
