//! Filters that Paimon can use to skip partitions, buckets, files and rows.
//!
//! Invariant: a translated filter keeps every row that the original keeps; what
//! cannot be translated exactly is left out, for the engine filters again.

use paimon::spec::{DataField, DataType, Datum, Predicate, PredicateBuilder};
use weir_core::types::ticks_per_second;
use weir_core::{DataType as FlinkType, TypeKind, Value};
use weir_functions::Expr;

/// Translates what it can of a filter. `column` names the table column behind a
/// produced column, or `None` where no filter may be pushed.
pub(crate) fn translate(
    filter: &Expr,
    fields: &[DataField],
    column: &dyn Fn(usize) -> Option<String>,
) -> Option<Predicate> {
    let t = Translator { fields, builder: PredicateBuilder::new(fields), column };
    t.any(filter)
}

struct Translator<'a> {
    fields: &'a [DataField],
    builder: PredicateBuilder,
    column: &'a dyn Fn(usize) -> Option<String>,
}

impl Translator<'_> {
    /// A weaker or equal filter.
    fn any(&self, e: &Expr) -> Option<Predicate> {
        match e {
            Expr::Call { function, args, .. } if function == "AND" => {
                let parts: Vec<Predicate> = args.iter().filter_map(|a| self.any(a)).collect();
                (!parts.is_empty()).then(|| Predicate::and(parts))
            }
            other => self.exact(other),
        }
    }

    fn exact(&self, e: &Expr) -> Option<Predicate> {
        let Expr::Call { function, args, .. } = e else { return None };
        match (function.as_str(), args.as_slice()) {
            ("AND", _) => {
                let parts: Option<Vec<Predicate>> = args.iter().map(|a| self.exact(a)).collect();
                parts.map(Predicate::and)
            }
            ("OR", _) => {
                // A weaker branch of an OR is still right.
                let parts: Option<Vec<Predicate>> = args.iter().map(|a| self.any(a)).collect();
                parts.map(Predicate::or)
            }
            ("IS NULL", [c]) => self.builder.is_null(&self.name(c)?).ok(),
            ("IS NOT NULL", [c]) => self.builder.is_not_null(&self.name(c)?).ok(),
            ("IN", [c, items @ ..]) if !items.is_empty() => {
                let name = self.name(c)?;
                let data: Option<Vec<Datum>> =
                    items.iter().map(|i| self.literal(&name, i)).collect();
                self.builder.is_in(&name, data?).ok()
            }
            (op, [a, b]) => {
                if let Some(name) = self.name(a) {
                    self.compare(op, &name, b)
                } else {
                    self.compare(mirror(op)?, &self.name(b)?, a)
                }
            }
            _ => None,
        }
    }

    fn compare(&self, op: &str, name: &str, literal: &Expr) -> Option<Predicate> {
        let datum = self.literal(name, literal)?;
        match op {
            "=" => self.builder.equal(name, datum),
            "<>" => self.builder.not_equal(name, datum),
            "<" => self.builder.less_than(name, datum),
            "<=" => self.builder.less_or_equal(name, datum),
            ">" => self.builder.greater_than(name, datum),
            ">=" => self.builder.greater_or_equal(name, datum),
            _ => return None,
        }
        .ok()
    }

    fn name(&self, e: &Expr) -> Option<String> {
        match e {
            Expr::Column { index, .. } => (self.column)(*index),
            _ => None,
        }
    }

    fn literal(&self, name: &str, e: &Expr) -> Option<Datum> {
        let Expr::Literal { value, ty } = e else { return None };
        let field = self.fields.iter().find(|f| f.name() == name)?;
        datum(value, ty, field.data_type())
    }
}

fn mirror(op: &str) -> Option<&'static str> {
    Some(match op {
        "=" => "=",
        "<>" => "<>",
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        _ => return None,
    })
}

/// The literal as a value of the column, if it is exactly one.
fn datum(value: &Value, ty: &FlinkType, column: &DataType) -> Option<Datum> {
    Some(match (value, column) {
        (Value::Boolean(x), DataType::Boolean(_)) => Datum::Bool(*x),
        (Value::Int(x), DataType::TinyInt(_)) => Datum::TinyInt(i8::try_from(*x).ok()?),
        (Value::Int(x), DataType::SmallInt(_)) => Datum::SmallInt(i16::try_from(*x).ok()?),
        (Value::Int(x), DataType::Int(_)) => Datum::Int(i32::try_from(*x).ok()?),
        (Value::Int(x), DataType::BigInt(_)) => Datum::Long(*x),
        (Value::String(x), DataType::VarChar(_)) => Datum::String(x.clone()),
        (Value::Date(x), DataType::Date(_)) => Datum::Date(*x),
        (Value::Time(x), DataType::Time(_)) => Datum::Time(*x),
        (Value::Timestamp(x), DataType::Timestamp(t)) => {
            let (millis, nanos) = split_ticks(*x, ty, t.precision())?;
            Datum::Timestamp { millis, nanos }
        }
        (Value::Timestamp(x), DataType::LocalZonedTimestamp(t)) => {
            let (millis, nanos) = split_ticks(*x, ty, t.precision())?;
            Datum::LocalZonedTimestamp { millis, nanos }
        }
        (Value::Decimal(x), DataType::Decimal(d)) => match ty.kind {
            TypeKind::Decimal(_, s) if u32::from(s) == d.scale() => {
                Datum::Decimal { unscaled: *x, precision: d.precision(), scale: d.scale() }
            }
            _ => return None,
        },
        _ => return None,
    })
}

fn split_ticks(ticks: i64, ty: &FlinkType, column_precision: u32) -> Option<(i64, i32)> {
    let precision = match ty.kind {
        TypeKind::Timestamp(p, _) | TypeKind::TimestampLtz(p, _) => p,
        _ => return None,
    };
    // A finer literal than the column has no exact value there.
    if u32::from(precision) > column_precision.max(3) {
        return None;
    }
    let per_milli = ticks_per_second(precision) / 1000;
    let millis = ticks.div_euclid(per_milli);
    let nanos = ticks.rem_euclid(per_milli) * (1_000_000 / per_milli);
    Some((millis, nanos as i32))
}

/// The value of a partition column written as text in PARTITION (k = 'v').
pub(crate) fn partition_datum(text: &str, column: &DataType) -> weir_core::Result<Datum> {
    use weir_core::Error;
    let bad =
        || Error::validation(format!("partition value '{text}' is not a value of type {column}"));
    let t = text.trim();
    Ok(match column {
        DataType::Boolean(_) => Datum::Bool(t.to_ascii_lowercase().parse().map_err(|_| bad())?),
        DataType::TinyInt(_) => Datum::TinyInt(t.parse().map_err(|_| bad())?),
        DataType::SmallInt(_) => Datum::SmallInt(t.parse().map_err(|_| bad())?),
        DataType::Int(_) => Datum::Int(t.parse().map_err(|_| bad())?),
        DataType::BigInt(_) => Datum::Long(t.parse().map_err(|_| bad())?),
        DataType::VarChar(_) | DataType::Char(_) => Datum::String(text.to_owned()),
        DataType::Date(_) => Datum::Date(parse_date(t).ok_or_else(bad)?),
        other => {
            return Err(Error::unsupported(format!(
                "PARTITION (..) with a static value for a column of type {other}"
            )));
        }
    })
}

/// Days since 1970-01-01 of `yyyy-mm-dd`.
fn parse_date(text: &str) -> Option<i32> {
    use arrow::compute::kernels::cast_utils::Parser;
    arrow::datatypes::Date32Type::parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use paimon::spec::{BigIntType, VarCharType};

    fn fields() -> Vec<DataField> {
        vec![
            DataField::new(0, "id".into(), DataType::BigInt(BigIntType::new())),
            DataField::new(1, "s".into(), DataType::VarChar(VarCharType::string_type())),
        ]
    }

    fn col(i: usize) -> Expr {
        Expr::column(i, FlinkType::bigint())
    }

    fn lit(v: i64) -> Expr {
        Expr::literal(Value::Int(v), FlinkType::bigint())
    }

    fn call(f: &str, args: Vec<Expr>) -> Expr {
        Expr::call(f, args, FlinkType::boolean())
    }

    #[test]
    fn conjuncts_are_taken_one_by_one() {
        let names = |i: usize| Some(["id", "s"][i].to_owned());
        let good = call("<", vec![lit(5), col(0)]);
        let bad = call("=", vec![call("UPPER", vec![col(1)]), lit(1)]);
        let p = translate(&call("AND", vec![good, bad.clone()]), &fields(), &names).unwrap();
        assert_eq!(p.to_string(), "id > 5");
        assert!(translate(&bad, &fields(), &names).is_none());
        let either = call("OR", vec![call("=", vec![col(0), lit(1)]), bad]);
        assert!(translate(&either, &fields(), &names).is_none());
    }
}
