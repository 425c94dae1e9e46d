//! A call as the typing rules see it, and what they say about it.

use weir_core::{DataType, Error, Result, TypeKind, Value};

use crate::expr::Expr;

/// A bound argument as the resolver sees it.
#[derive(Debug, Clone, Copy)]
pub struct ArgType<'a> {
    /// Its type.
    pub ty: &'a DataType,
    /// Its value if it is a literal.
    pub literal: Option<&'a Value>,
}

impl<'a> ArgType<'a> {
    /// A bound expression.
    pub fn expr(e: &'a Expr) -> Self {
        Self { ty: e.ty(), literal: e.as_literal() }
    }
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
