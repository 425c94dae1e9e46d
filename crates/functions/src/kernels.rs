//! From canonical names to kernels.

use weir_core::{DataType, Error, Result, Value};

use crate::args::Kernel;
use crate::expr::Expr;
use crate::{arith, bitmap, collection, compare, hash, json, logic, math, string, temporal};

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

/// The kernel of a call.
pub(crate) fn lookup(site: &Site<'_>) -> Result<Kernel> {
    let families: [Family; 10] = [
        compare::kernel,
        arith::kernel,
        logic::kernel,
        math::kernel,
        string::kernel,
        temporal::kernel,
        json::kernel,
        collection::kernel,
        hash::kernel,
        bitmap::kernel,
    ];
    for family in families {
        if let Some(kernel) = family(site)? {
            return Ok(kernel);
        }
    }
    Err(Error::unsupported(format!("the function {}", site.name)))
}

/// Whether a function can fail on some values, so that it must not run on rows
/// that a condition excludes.
pub(crate) fn can_fail(name: &str, ret: &DataType) -> bool {
    match name {
        "/" | "%" => !ret.is_approximate(),
        "PARSE_JSON" | "JSON_VALUE" | "JSON_QUERY" | "JSON_EXISTS" | "ELEMENT" | "REGEXP"
        | "LIKE" | "SIMILAR TO" | "ITEM" | "JSON_STRING" | "ARRAY_SLICE" | "RAND_INTEGER"
        | "JSON" | "JSON_UNQUOTE" | "DATE_FORMAT" | "DATE" | "DATE_ADD" | "DATE_SUB"
        | "DATEDIFF" => true,
        _ => false,
    }
}
