//! From canonical names to kernels.

use weir_core::{DataType, Error, Result};

use crate::args::Kernel;
use crate::site::{Family, Site};
use crate::{arith, bitmap, collection, compare, hash, json, logic, math, string, temporal};

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
