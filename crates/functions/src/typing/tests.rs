//! Result types as Flink 2.3 reports them, recorded in `flink_types.tsv`
//! (call, TAB, type) over the columns of [`column`].

use weir_core::{DataType, Field, TypeKind, Value};

use super::*;

fn column(name: &str) -> Option<DataType> {
    use TypeKind::*;
    let string = DataType::string();
    Some(match name {
        "ti" => TinyInt.into(),
        "si" => SmallInt.into(),
        "i" => Int.into(),
        "b" => BigInt.into(),
        "f" => Float.into(),
        "d" => Double.into(),
        "de" => DataType::decimal(10, 2),
        "bo" => Boolean.into(),
        "s" => string,
        "c3" => Char(3).into(),
        "v5" => Varchar(5).into(),
        "dt" => Date.into(),
        "tm" => Time(0).into(),
        "t0" => DataType::timestamp(0),
        "ts" => DataType::timestamp(3),
        "t6" => DataType::timestamp(6),
        "l3" => DataType::timestamp_ltz(3),
        "ai" => Array(Box::new(DataType::int())).into(),
        "as_" => Array(Box::new(string)).into(),
        "m" => Map(Box::new(string), Box::new(DataType::int())).into(),
        "r" => Row(vec![Field::new("a", DataType::int()), Field::new("b", string)]).into(),
        "va" => Variant.into(),
        "i_" => DataType::int().not_null(),
        "s_" => string.not_null(),
        "ts_" => DataType::timestamp(3).not_null(),
        "de_" => DataType::decimal(10, 2).not_null(),
        "ai_" => DataType::from(Array(Box::new(DataType::int().not_null()))).not_null(),
        _ => return None,
    })
}

fn argument(text: &str) -> (DataType, Option<Value>) {
    if let Some(ty) = column(text) {
        return (ty, None);
    }
    if let Some(s) = text.strip_prefix('\'').and_then(|t| t.strip_suffix('\'')) {
        let n = s.chars().count() as u32;
        return (DataType::from(TypeKind::Char(n)).not_null(), Some(Value::String(s.into())));
    }
    match text.parse::<i64>() {
        Ok(n) => (integer_literal_type(n), Some(Value::Int(n))),
        Err(_) if text == "TRUE" => (DataType::boolean().not_null(), Some(Value::Boolean(true))),
        Err(_) => (decimal_literal_type(text).expect("a literal"), None),
    }
}

fn split(args: &str) -> Vec<String> {
    let (mut out, mut current, mut quoted) = (Vec::new(), String::new(), false);
    for c in args.chars() {
        quoted ^= c == '\'';
        if c == ',' && !quoted {
            out.push(std::mem::take(&mut current).trim().to_owned());
        } else {
            current.push(c);
        }
    }
    if !current.trim().is_empty() {
        out.push(current.trim().to_owned());
    }
    out
}

#[test]
fn calls_have_the_types_that_flink_reports() {
    let mut wrong = Vec::new();
    for line in include_str!("flink_types.tsv").lines() {
        let (call, expected) = line.split_once('\t').expect("two columns");
        let (name, rest) = call.split_once('(').expect("a call");
        let args: Vec<_> =
            split(rest.strip_suffix(')').expect("a call")).iter().map(|a| argument(a)).collect();
        let args: Vec<ArgType<'_>> =
            args.iter().map(|(ty, v)| ArgType { ty, literal: v.as_ref() }).collect();
        let found = if names::AGGREGATES.contains(&name) || name == "VARIANCE" {
            resolve_aggregate(name, &args, false).map(|s| s.return_type)
        } else {
            resolve_scalar(name, &args).map(|s| s.return_type)
        };
        let found = found.map_or_else(|e| e.to_string(), |t| t.to_string());
        if found != expected {
            wrong.push(format!("{call}: {found}, expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn binary(op: &str, a: DataType, b: DataType) -> String {
    resolve_scalar(op, &[ArgType::of(&a), ArgType::of(&b)])
        .map_or_else(|e| e.to_string(), |s| s.return_type.to_string())
}

#[test]
fn arithmetic_follows_calcite_with_38_digits() {
    let d = DataType::decimal;
    assert_eq!(binary("+", d(5, 2), d(7, 4)), "DECIMAL(8, 4)");
    assert_eq!(binary("*", d(20, 2), d(20, 4)), "DECIMAL(38, 6)");
    assert_eq!(binary("/", d(5, 2), d(7, 4)), "DECIMAL(17, 10)");
    assert_eq!(binary("+", d(38, 10), d(38, 2)), "DECIMAL(38, 6)");
    assert_eq!(binary("%", d(5, 2), d(7, 4)), "DECIMAL(7, 4)");
    assert_eq!(binary("+", DataType::int(), DataType::bigint()), "BIGINT");
    assert_eq!(binary("%", DataType::bigint(), DataType::int()), "INT");
    assert_eq!(binary("+", TypeKind::Float.into(), d(10, 2)), "DOUBLE");
    assert_eq!(binary("*", day_time_interval(), DataType::int()), "INTERVAL SECOND(3)");
    assert!(binary("+", DataType::int(), DataType::string()).contains("Cannot apply '+'"));
}

#[test]
fn unknown_functions_name_the_nearest_ones() {
    let error = resolve_scalar("FROBNICATE", &[ArgType::of(&DataType::int())]).unwrap_err();
    assert!(
        error.to_string().contains("No match found for function signature FROBNICATE(<NUMERIC>)")
    );
    let error = resolve_scalar("SUBSTRNG", &[]).unwrap_err();
    assert!(error.to_string().contains("did you mean SUBSTRING"), "{error}");
}

#[test]
fn common_types() {
    let common = |a: DataType, b: DataType| common_type(&[a, b]).map(|t| t.to_string());
    let char_n = |n| DataType::from(TypeKind::Char(n)).not_null();
    assert_eq!(common(char_n(1), char_n(3)).as_deref(), Some("VARCHAR(3) NOT NULL"));
    assert_eq!(common(DataType::int(), DataType::decimal(2, 1)).as_deref(), Some("DECIMAL(11, 1)"));
    let wide = common(DataType::decimal(38, 2), DataType::decimal(20, 5));
    assert_eq!(wide.as_deref(), Some("DECIMAL(38, 2)"));
    assert_eq!(common(DataType::int(), DataType::string()), None);
    assert_eq!(common(TypeKind::Null.into(), DataType::int().not_null()).as_deref(), Some("INT"));
}
