//! A call for which a kernel is wanted, as the families of kernels see it.

use weir_core::{DataType, Error, Result, Value};

use crate::args::Kernel;
use crate::expr::Expr;

/// A call under compilation: families look at literal arguments to prepare
/// patterns, paths and formats once.
pub(crate) struct Site<'a> {
    pub name: &'a str,
    pub args: &'a [Expr],
    pub ret: &'a DataType,
}

impl<'a> Site<'a> {
    pub fn ty(&self, i: usize) -> Option<&'a DataType> {
        self.args.get(i).map(Expr::ty)
    }
    /// The text of a literal argument.
    pub fn text(&self, i: usize) -> Option<&'a str> {
        match self.args.get(i) {
            Some(Expr::Literal { value: Value::String(s), .. }) => Some(s),
            _ => None,
        }
    }
    /// The text of a keyword argument, which is always a literal.
    pub fn keyword(&self, i: usize) -> Result<&'a str> {
        self.text(i).ok_or_else(|| {
            Error::internal(format!("argument {} of {} is no literal keyword", i + 1, self.name))
        })
    }
}

/// The part of a module that knows the kernels of one family.
pub(crate) type Family = fn(&Site<'_>) -> Result<Option<Kernel>>;
