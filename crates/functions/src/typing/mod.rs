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
mod casting;
mod collection;
mod common;
mod json;
mod names;
mod operators;
mod table;
mod temporal;

use weir_core::{DataType, Error, Result, TypeKind, Value};

pub use aggregate::{AggregateSignature, resolve_aggregate};
pub use casting::{explicit_cast_allowed, implicit_cast_allowed, store_assignment_allowed};
pub use common::{
    common_type, comparison_type, decimal_add_type, decimal_divide_type, decimal_literal_type,
    decimal_modulo_type, decimal_multiply_type, integer_literal_type,
};
pub use names::{function_names, nearest_names, unknown_function};

/// A bound argument as the resolver sees it.
#[derive(Debug, Clone, Copy)]
pub struct ArgType<'a> {
    /// Its type.
    pub ty: &'a DataType,
    /// Its value if it is a literal.
    pub literal: Option<&'a Value>,
}

impl<'a> ArgType<'a> {
    /// An argument that is no literal.
    pub fn of(ty: &'a DataType) -> Self {
        Self { ty, literal: None }
    }
}

/// How a call of a scalar function is typed.
#[derive(Debug, Clone, PartialEq)]
pub struct ScalarSignature {
    /// Canonical name, the one to put into [`crate::Expr::Call`].
    pub name: String,
    /// Types to cast the arguments to; equal types need no cast. Nullability
    /// of an entry is that of the argument and asks for nothing.
    pub arg_types: Vec<DataType>,
    /// Result type with inferred nullability.
    pub return_type: DataType,
    /// Whether equal arguments always give the equal result.
    pub deterministic: bool,
}

/// Type of `INTERVAL .. SECOND` and every other day-time interval.
pub fn day_time_interval() -> DataType {
    use weir_core::types::IntervalField::Second;
    TypeKind::IntervalDayTime(Second, Second).into()
}

/// Type of every year-month interval.
pub fn year_month_interval() -> DataType {
    use weir_core::types::IntervalField::Month;
    TypeKind::IntervalYearMonth(Month, Month).into()
}

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

/// The call under resolution, with the helpers every family uses.
pub(crate) struct Call<'a> {
    pub name: &'a str,
    pub args: &'a [ArgType<'a>],
}

impl<'a> Call<'a> {
    pub fn ty(&self, i: usize) -> &'a DataType {
        self.args[i].ty
    }
    /// Number of arguments.
    pub fn len(&self) -> usize {
        self.args.len()
    }
    /// Whether any argument is nullable.
    pub fn any_nullable(&self) -> bool {
        self.args.iter().any(|a| a.ty.nullable)
    }
    /// The text of a string literal argument.
    pub fn text(&self, i: usize) -> Result<&'a str> {
        self.args
            .get(i)
            .and_then(|a| a.literal)
            .and_then(Value::as_str)
            .ok_or_else(|| self.reject("a string literal where the syntax has a keyword"))
    }
    /// Fails unless the number of arguments is in the range.
    pub fn count(&self, min: usize, max: usize) -> Result<()> {
        if (min..=max).contains(&self.args.len()) {
            return Ok(());
        }
        let expected = if min == max {
            format!("{min} argument(s)")
        } else if max == usize::MAX {
            format!("at least {min} argument(s)")
        } else {
            format!("{min} to {max} arguments")
        };
        Err(self.reject(&expected))
    }
    /// The error for arguments that do not fit, naming what would.
    pub fn reject(&self, expected: &str) -> Error {
        Error::validation(format!(
            "Cannot apply '{}' to arguments of type '{}'; expected {expected}",
            self.name,
            self.spelling()
        ))
    }
    fn spelling(&self) -> String {
        let types: Vec<String> =
            self.args.iter().map(|a| a.ty.clone().null().to_string()).collect();
        format!("{}({})", self.name, types.join(", "))
    }
    /// A signature with the given argument and result types.
    pub fn sig(&self, arg_types: Vec<DataType>, return_type: DataType) -> ScalarSignature {
        ScalarSignature { name: self.name.to_owned(), arg_types, return_type, deterministic: true }
    }
    /// A signature that takes the arguments as they are.
    pub fn keep(&self, return_type: DataType) -> ScalarSignature {
        self.sig(self.args.iter().map(|a| a.ty.clone()).collect(), return_type)
    }
    /// The argument's own type, or `default` if it is the bare NULL.
    pub fn or_default(&self, i: usize, default: DataType) -> DataType {
        if self.ty(i).kind == TypeKind::Null { default } else { self.ty(i).clone() }
    }
}

#[cfg(test)]
mod tests;
