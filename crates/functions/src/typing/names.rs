//! Names of the built-ins: aliases, the list for SHOW FUNCTIONS, near misses.

use weir_core::{DataType, Error, TypeKind};

use super::call::ArgType;
use super::table::TABLE;

/// Names of the aggregate and ranking functions.
pub(crate) const AGGREGATES: &[&str] = &[
    "ANY_VALUE",
    "APPROX_COUNT_DISTINCT",
    "ARG_MAX",
    "ARG_MIN",
    "ARRAY_AGG",
    "AVG",
    "BITMAP_AND_AGG",
    "BITMAP_BUILD_AGG",
    "BITMAP_OR_AGG",
    "BITMAP_XOR_AGG",
    "BITMAP_BUILD_CARDINALITY_AGG",
    "BITMAP_AND_CARDINALITY_AGG",
    "BITMAP_OR_CARDINALITY_AGG",
    "BITMAP_XOR_CARDINALITY_AGG",
    "COLLECT",
    "COUNT",
    "COUNT_IF",
    "CUME_DIST",
    "DENSE_RANK",
    "FIRST_VALUE",
    "JSON_ARRAYAGG",
    "JSON_OBJECTAGG",
    "LAG",
    "LAST_VALUE",
    "LEAD",
    "LISTAGG",
    "MAX",
    "MIN",
    "NTILE",
    "PERCENTILE",
    "APPROX_PERCENTILE",
    "PERCENT_RANK",
    "RANK",
    "ROW_NUMBER",
    "SINGLE_VALUE",
    "STDDEV_POP",
    "STDDEV_SAMP",
    "SUM",
    "VAR_POP",
    "VAR_SAMP",
];

/// Functions that are not in the type table because their typing is special.
const SPECIAL: &[&str] = &[
    "ABS",
    "ARRAY_APPEND",
    "ARRAY_CONCAT",
    "ARRAY_CONTAINS",
    "ARRAY_DISTINCT",
    "ARRAY_EXCEPT",
    "ARRAY_INTERSECT",
    "ARRAY_JOIN",
    "ARRAY_MAX",
    "ARRAY_MIN",
    "ARRAY_POSITION",
    "ARRAY_PREPEND",
    "ARRAY_REMOVE",
    "ARRAY_REVERSE",
    "ARRAY_SLICE",
    "ARRAY_SORT",
    "ARRAY_UNION",
    "BITMAP_AND",
    "BITMAP_ANDNOT",
    "BITMAP_BUILD",
    "BITMAP_CARDINALITY",
    "BITMAP_FROM_BYTES",
    "BITMAP_OR",
    "BITMAP_TO_ARRAY",
    "BITMAP_TO_BYTES",
    "BITMAP_TO_STRING",
    "BITMAP_XOR",
    "CARDINALITY",
    "CAST",
    "CEIL",
    "COALESCE",
    "CONCAT",
    "CONVERT_TZ",
    "CURRENT_DATE",
    "CURRENT_ROW_TIMESTAMP",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "CURRENT_WATERMARK",
    "DATE",
    "DATEDIFF",
    "DATE_ADD",
    "DATE_FORMAT",
    "DATE_SUB",
    "DAYOFMONTH",
    "DAYOFWEEK",
    "DAYOFYEAR",
    "ELEMENT",
    "ELT",
    "EXTRACT",
    "FLOOR",
    "FROM_UNIXTIME",
    "GET_JSON_OBJECT",
    "GREATEST",
    "HOUR",
    "IF",
    "IFNULL",
    "JSON",
    "JSON_ARRAY",
    "JSON_EXISTS",
    "JSON_OBJECT",
    "JSON_QUERY",
    "JSON_STRING",
    "JSON_VALUE",
    "LAST_DAY",
    "LEAST",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "MAP_ENTRIES",
    "MAP_FROM_ARRAYS",
    "MAP_KEYS",
    "MAP_UNION",
    "MAP_VALUES",
    "MINUTE",
    "MOD",
    "MONTH",
    "MONTHS_BETWEEN",
    "NOW",
    "NULLIF",
    "NVL2",
    "OBJECT_OF",
    "OBJECT_UPDATE",
    "OVERLAPS",
    "OVERLAY",
    "PARSE_JSON",
    "PROCTIME",
    "QUARTER",
    "ROUND",
    "ROW",
    "SECOND",
    "SIGN",
    "SIZE",
    "SOURCE_WATERMARK",
    "TIMESTAMPADD",
    "TIMESTAMPDIFF",
    "TO_DATE",
    "TO_TIMESTAMP",
    "TO_TIMESTAMP_LTZ",
    "TRIM",
    "TRUNCATE",
    "TRY_CAST",
    "TRY_PARSE_JSON",
    "TYPEOF",
    "UNIX_TIMESTAMP",
    "WEEK",
    "YEAR",
    "GROUPING",
    "GROUPING_ID",
    "GROUP_ID",
    "CEILING",
    "CHARACTER_LENGTH",
    "NVL",
    "STDDEV",
    "SUBSTR",
    "VARIANCE",
];

/// Upper-case name with the aliases resolved.
pub(crate) fn canonical(name: &str) -> String {
    let upper = name.trim().to_ascii_uppercase();
    let alias = match upper.as_str() {
        "!=" => "<>",
        "==" => "=",
        "CEILING" => "CEIL",
        "CHARACTER_LENGTH" | "LENGTH" => "CHAR_LENGTH",
        "SUBSTR" => "SUBSTRING",
        "POW" => "POWER",
        "MOD" => "%",
        "NVL" => "IFNULL",
        "SIZE" => "CARDINALITY",
        "LCASE" => "LOWER",
        "UCASE" => "UPPER",
        "TRANSLATE3" => "TRANSLATE",
        "RLIKE" => "REGEXP",
        "TO_VARIANT" => "PARSE_JSON",
        _ => return upper,
    };
    alias.to_owned()
}

/// Functions whose result may differ between two evaluations.
pub(crate) fn is_nondeterministic(name: &str) -> bool {
    matches!(
        name,
        "RAND"
            | "RAND_INTEGER"
            | "UUID"
            | "NOW"
            | "CURRENT_TIMESTAMP"
            | "CURRENT_DATE"
            | "CURRENT_TIME"
            | "LOCALTIME"
            | "LOCALTIMESTAMP"
            | "CURRENT_ROW_TIMESTAMP"
            | "PROCTIME"
            | "CURRENT_WATERMARK"
            | "SOURCE_WATERMARK"
            | "UNIX_TIMESTAMP"
    )
}

/// Every built-in function, lower case and sorted, as SHOW FUNCTIONS lists them.
pub fn function_names() -> Vec<String> {
    let mut names: Vec<String> = TABLE
        .iter()
        .map(|e| e.name)
        .chain(SPECIAL.iter().copied())
        .chain(AGGREGATES.iter().copied())
        .filter(|n| n.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
        .map(str::to_ascii_lowercase)
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Up to three known names that look like the given one, best first.
pub fn nearest_names(name: &str) -> Vec<String> {
    let wanted = name.to_ascii_lowercase();
    let limit = wanted.len() / 3 + 1;
    let mut scored: Vec<(usize, String)> = function_names()
        .into_iter()
        .map(|n| (distance(&wanted, &n), n))
        .filter(|(d, _)| *d <= limit)
        .collect();
    scored.sort();
    scored.into_iter().take(3).map(|(_, n)| n.to_ascii_uppercase()).collect()
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<u8> = b.bytes().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replace = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// The error for a function that does not exist, with the nearest names.
pub fn unknown_function(name: &str, args: &[ArgType<'_>]) -> Error {
    let families: Vec<&str> = args.iter().map(|a| family(a.ty)).collect();
    let error = Error::validation(format!(
        "No match found for function signature {}({})",
        name.to_ascii_uppercase(),
        families.join(", ")
    ));
    match nearest_names(name).as_slice() {
        [] => error.hint("SHOW FUNCTIONS lists the functions that exist"),
        names => error.hint(format!("did you mean {}?", names.join(" or "))),
    }
}

fn family(t: &DataType) -> &'static str {
    match t.kind {
        TypeKind::Null => "<NULL>",
        TypeKind::Boolean => "<BOOLEAN>",
        TypeKind::Date => "<DATE>",
        TypeKind::Time(_) => "<TIME>",
        TypeKind::Timestamp(..) | TypeKind::TimestampLtz(..) => "<TIMESTAMP>",
        _ if t.is_numeric() => "<NUMERIC>",
        _ if t.is_string() => "<CHARACTER>",
        _ if t.is_binary() => "<BINARY>",
        _ => "<ANY>",
    }
}
