//! The functions whose typing is regular: one line each.

use weir_core::types::MAX_LENGTH;
use weir_core::{DataType, Result, TypeKind};

use super::call::{Call, ScalarSignature};

/// Class of an argument.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arg {
    /// CHAR or VARCHAR, kept.
    S,
    /// An integer, cast to INT.
    I,
    /// An integer, cast to BIGINT.
    L,
    /// A number, cast to DOUBLE.
    D,
    /// A number, kept.
    N,
    /// BOOLEAN
    B,
    /// BINARY or VARBINARY, kept.
    Y,
    /// Character or binary string, kept.
    SY,
    /// Number or string, kept.
    NS,
    /// Integer or string, kept.
    IS,
    /// Anything, kept.
    A,
}

/// Result type.
#[derive(Clone, Copy)]
pub(crate) enum Ret {
    Str,
    Bytes,
    Int,
    Bigint,
    Double,
    Bool,
    Char(u32),
    Varchar(u32),
    ArrayOfStrings,
    MapOfStrings,
    /// The kind of the first argument.
    First,
    /// VARCHAR as long as the first argument.
    VarcharFirst,
}

/// Nullability of the result.
#[derive(Clone, Copy)]
pub(crate) enum Nulls {
    /// Nullable if any argument is.
    Any,
    /// Always nullable.
    Yes,
    /// Never.
    No,
}

/// One regular function: `args[..min]` are required, and the last one repeats if `variadic`.
pub(crate) struct Entry {
    pub name: &'static str,
    args: &'static [Arg],
    min: usize,
    variadic: bool,
    ret: Ret,
    nulls: Nulls,
}

const fn f(name: &'static str, args: &'static [Arg], ret: Ret, nulls: Nulls) -> Entry {
    Entry { name, args, min: args.len(), variadic: false, ret, nulls }
}

const fn opt(
    name: &'static str,
    args: &'static [Arg],
    min: usize,
    ret: Ret,
    nulls: Nulls,
) -> Entry {
    Entry { name, args, min, variadic: false, ret, nulls }
}

const fn var(name: &'static str, args: &'static [Arg], ret: Ret, nulls: Nulls) -> Entry {
    Entry { name, args, min: args.len(), variadic: true, ret, nulls }
}

use Arg::*;
use Nulls::{Any, No, Yes};

pub(crate) const TABLE: &[Entry] = &[
    // arithmetic
    f("POWER", &[D, D], Ret::Double, Any),
    f("SQRT", &[D], Ret::Double, Any),
    f("LN", &[D], Ret::Double, Any),
    f("LOG10", &[D], Ret::Double, Any),
    f("LOG2", &[D], Ret::Double, Any),
    opt("LOG", &[D, D], 1, Ret::Double, Any),
    f("EXP", &[D], Ret::Double, Any),
    f("SIN", &[D], Ret::Double, Any),
    f("SINH", &[D], Ret::Double, Any),
    f("COS", &[D], Ret::Double, Any),
    f("COSH", &[D], Ret::Double, Any),
    f("TAN", &[D], Ret::Double, Any),
    f("TANH", &[D], Ret::Double, Any),
    f("COT", &[D], Ret::Double, Any),
    f("ASIN", &[D], Ret::Double, Any),
    f("ACOS", &[D], Ret::Double, Any),
    f("ATAN", &[D], Ret::Double, Any),
    f("ATAN2", &[D, D], Ret::Double, Any),
    f("DEGREES", &[D], Ret::Double, Any),
    f("RADIANS", &[D], Ret::Double, Any),
    f("PI", &[], Ret::Double, No),
    f("E", &[], Ret::Double, No),
    opt("RAND", &[I], 0, Ret::Double, Any),
    opt("RAND_INTEGER", &[I, I], 1, Ret::Int, Any),
    f("UUID", &[], Ret::Char(36), No),
    f("BIN", &[L], Ret::Str, Any),
    f("HEX", &[IS], Ret::Str, Any),
    f("UNHEX", &[S], Ret::Bytes, Yes),
    // strings
    var("CONCAT_WS", &[S, S], Ret::Str, Any),
    f("CHAR_LENGTH", &[S], Ret::Int, Any),
    f("OCTET_LENGTH", &[SY], Ret::Int, Any),
    f("UPPER", &[S], Ret::First, Any),
    f("LOWER", &[S], Ret::First, Any),
    f("INITCAP", &[S], Ret::First, Any),
    opt("POSITION", &[S, S, I], 2, Ret::Int, Any),
    opt("LTRIM", &[S, S], 1, Ret::VarcharFirst, Any),
    opt("RTRIM", &[S, S], 1, Ret::VarcharFirst, Any),
    opt("BTRIM", &[S, S], 1, Ret::Str, Any),
    f("REPEAT", &[S, I], Ret::Str, Any),
    f("REVERSE", &[S], Ret::Str, Yes),
    f("REPLACE", &[S, S, S], Ret::Str, Any),
    f("TRANSLATE", &[S, S, S], Ret::Str, Any),
    opt("SUBSTRING", &[S, I, I], 2, Ret::VarcharFirst, Yes),
    f("LEFT", &[S, I], Ret::VarcharFirst, Yes),
    f("RIGHT", &[S, I], Ret::VarcharFirst, Yes),
    f("LPAD", &[S, I, S], Ret::Str, Any),
    f("RPAD", &[S, I, S], Ret::Str, Any),
    f("ASCII", &[S], Ret::Int, Any),
    f("CHR", &[L], Ret::Str, Yes),
    f("ENCODE", &[S, S], Ret::Bytes, Any),
    f("DECODE", &[Y, S], Ret::Str, Any),
    f("FROM_BASE64", &[SY], Ret::Str, Any),
    f("TO_BASE64", &[SY], Ret::Str, Any),
    opt("INSTR", &[S, S, I, I], 2, Ret::Int, Any),
    opt("LOCATE", &[S, S, I], 2, Ret::Int, Any),
    Entry { min: 1, ..var("PRINTF", &[S, A], Ret::Str, Yes) },
    f("STARTSWITH", &[SY, SY], Ret::Bool, Any),
    f("ENDSWITH", &[SY, SY], Ret::Bool, Any),
    f("SPLIT", &[S, S], Ret::ArrayOfStrings, Any),
    f("SPLIT_INDEX", &[S, IS, I], Ret::Str, Yes),
    opt("STR_TO_MAP", &[S, S, S], 1, Ret::MapOfStrings, Yes),
    opt("PARSE_URL", &[S, S, S], 2, Ret::Str, Yes),
    f("INET_ATON", &[S], Ret::Bigint, Yes),
    f("INET_NTOA", &[L], Ret::Str, Yes),
    f("URL_ENCODE", &[S], Ret::Str, Yes),
    f("URL_DECODE", &[S], Ret::Str, Yes),
    f("TRY_URL_DECODE", &[S], Ret::Str, Yes),
    f("REGEXP", &[S, S], Ret::Bool, Any),
    f("REGEXP_COUNT", &[S, S], Ret::Int, Yes),
    opt("REGEXP_EXTRACT", &[S, S, I], 2, Ret::Str, Yes),
    opt("REGEXP_EXTRACT_ALL", &[S, S, I], 2, Ret::ArrayOfStrings, Yes),
    f("REGEXP_INSTR", &[S, S], Ret::Int, Yes),
    f("REGEXP_SUBSTR", &[S, S], Ret::Str, Yes),
    f("REGEXP_REPLACE", &[S, S, S], Ret::Str, Any),
    f("IS_VALID_UTF8", &[Y], Ret::Bool, Any),
    f("MAKE_VALID_UTF8", &[Y], Ret::Str, Any),
    // predicates on text
    f("IS_ALPHA", &[NS], Ret::Bool, No),
    f("IS_DECIMAL", &[NS], Ret::Bool, No),
    f("IS_DIGIT", &[NS], Ret::Bool, No),
    // hashes
    f("MD5", &[SY], Ret::Char(32), Any),
    f("SHA1", &[SY], Ret::Char(40), Any),
    f("SHA224", &[SY], Ret::Char(56), Any),
    f("SHA256", &[SY], Ret::Char(64), Any),
    f("SHA384", &[SY], Ret::Char(96), Any),
    f("SHA512", &[SY], Ret::Char(128), Any),
    f("SHA2", &[SY, I], Ret::Varchar(128), Any),
    // JSON helpers
    f("JSON_QUOTE", &[S], Ret::Str, Any),
    f("JSON_UNQUOTE", &[S], Ret::Str, Any),
];

pub(crate) fn resolve(call: &Call<'_>) -> Option<Result<ScalarSignature>> {
    let entry = TABLE.iter().find(|e| e.name == call.name)?;
    Some(apply(entry, call))
}

fn apply(entry: &Entry, call: &Call<'_>) -> Result<ScalarSignature> {
    let max = if entry.variadic { usize::MAX } else { entry.args.len() };
    call.count(entry.min, max)?;
    let mut types = Vec::with_capacity(call.len());
    for i in 0..call.len() {
        let class = entry.args[i.min(entry.args.len() - 1)];
        types.push(coerce(class, call, i)?);
    }
    let nullable = match entry.nulls {
        Any => call.any_nullable(),
        Yes => true,
        No => false,
    };
    let ret = result(entry.ret, types.first()).with_nullable(nullable);
    Ok(call.sig(types, ret))
}

fn result(ret: Ret, first: Option<&DataType>) -> DataType {
    match ret {
        Ret::Str => DataType::string(),
        Ret::Bytes => DataType::bytes(),
        Ret::Int => DataType::int(),
        Ret::Bigint => DataType::bigint(),
        Ret::Double => DataType::double(),
        Ret::Bool => DataType::boolean(),
        Ret::Char(n) => TypeKind::Char(n).into(),
        Ret::Varchar(n) => TypeKind::Varchar(n).into(),
        Ret::ArrayOfStrings => TypeKind::Array(Box::new(DataType::string())).into(),
        Ret::MapOfStrings => {
            TypeKind::Map(Box::new(DataType::string()), Box::new(DataType::string())).into()
        }
        Ret::First => first.cloned().unwrap_or_else(DataType::string),
        Ret::VarcharFirst => TypeKind::Varchar(first.map_or(MAX_LENGTH, string_length)).into(),
    }
}

/// Declared length of a character string.
pub(crate) fn string_length(t: &DataType) -> u32 {
    match t.kind {
        TypeKind::Char(n) | TypeKind::Varchar(n) => n,
        _ => MAX_LENGTH,
    }
}

/// The type an argument of the class is cast to.
pub(crate) fn coerce(class: Arg, call: &Call<'_>, i: usize) -> Result<DataType> {
    let t = call.ty(i);
    let null = t.kind == TypeKind::Null;
    let (fits, target, expected) = match class {
        S => (t.is_string(), None, "a character string"),
        I => (t.is_integer(), Some(DataType::int()), "an integer"),
        L => (t.is_integer(), Some(DataType::bigint()), "an integer"),
        D => (t.is_numeric(), Some(DataType::double()), "a number"),
        N => (t.is_numeric(), None, "a number"),
        B => (t.kind == TypeKind::Boolean, Some(DataType::boolean()), "a BOOLEAN"),
        Y => (t.is_binary(), None, "a binary string"),
        SY => (t.is_string() || t.is_binary(), None, "a character or binary string"),
        NS => (t.is_string() || t.is_numeric(), None, "a number or character string"),
        IS => (t.is_string() || t.is_integer(), None, "an integer or character string"),
        A => (true, None, "any value"),
    };
    if null {
        return Ok(target.unwrap_or(match class {
            N => DataType::int(),
            Y => DataType::bytes(),
            _ => DataType::string(),
        }));
    }
    if !fits {
        return Err(call.reject(&format!("{expected} as argument {}", i + 1)));
    }
    Ok(match target {
        Some(target) => target.with_nullable(t.nullable),
        None => t.clone(),
    })
}
