//! Numeric functions.

use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, Float64Array, Int32Array, StringArray};
use arrow::datatypes::{
    Decimal128Type, DurationMillisecondType, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, IntervalYearMonthType,
};
use weir_core::{Error, Result, TypeKind, Value};

use crate::args::{Args, Kernel};
use crate::decimal::{decimal, pow10};
use crate::expr::Expr;
use crate::site::Site;

pub(crate) fn kernel(site: &Site<'_>) -> Result<Option<Kernel>> {
    let unary: fn(f64) -> f64 = match site.name {
        "SQRT" => f64::sqrt,
        "LN" => f64::ln,
        "LOG10" => f64::log10,
        "LOG2" => log2,
        "LOG" if site.args.len() == 1 => f64::ln,
        "EXP" => f64::exp,
        "SIN" => f64::sin,
        "SINH" => f64::sinh,
        "COS" => f64::cos,
        "COSH" => f64::cosh,
        "TAN" => f64::tan,
        "TANH" => f64::tanh,
        "COT" => |x| 1.0 / x.tan(),
        "ASIN" => f64::asin,
        "ACOS" => f64::acos,
        "ATAN" => f64::atan,
        "DEGREES" => f64::to_degrees,
        "RADIANS" => f64::to_radians,
        _ => return other(site),
    };
    Ok(Some(Arc::new(move |a| {
        let x = a.nums::<Float64Type>(0)?;
        Ok(Arc::new(a.plain::<Float64Type>(|i| unary(x.get(i)))))
    })))
}

/// Quotient of natural logarithms, as Flink computes it.
fn log2(x: f64) -> f64 {
    x.ln() / 2f64.ln()
}

fn other(site: &Site<'_>) -> Result<Option<Kernel>> {
    let binary: fn(f64, f64) -> f64 = match site.name {
        "POWER" => f64::powf,
        "ATAN2" => f64::atan2,
        "LOG" => |base, x| x.ln() / base.ln(),
        _ => return special(site),
    };
    Ok(Some(Arc::new(move |a| {
        let (x, y) = (a.nums::<Float64Type>(0)?, a.nums::<Float64Type>(1)?);
        Ok(Arc::new(a.plain::<Float64Type>(|i| binary(x.get(i), y.get(i)))))
    })))
}

fn special(site: &Site<'_>) -> Result<Option<Kernel>> {
    let interval_arg = site.ty(1).is_some_and(|t| t.is_string());
    Ok(Some(match site.name {
        "ABS" => Arc::new(abs),
        "SIGN" => Arc::new(sign),
        "ROUND" => Arc::new(|a| round(a, true)),
        "TRUNCATE" => Arc::new(|a| round(a, false)),
        "CEIL" if !interval_arg => Arc::new(|a| integral(a, true)),
        "FLOOR" if !interval_arg => Arc::new(|a| integral(a, false)),
        "PI" => constant(std::f64::consts::PI),
        "E" => constant(std::f64::consts::E),
        "RAND" => rand_kernel(site),
        "RAND_INTEGER" => rand_integer(site),
        "UUID" => Arc::new(|a| {
            let ids = (0..a.rows).map(|_| uuid::Uuid::new_v4().to_string());
            Ok(Arc::new(StringArray::from_iter_values(ids)))
        }),
        "BIN" => Arc::new(|a| {
            let x = a.nums::<Int64Type>(0)?;
            a.text(|i, out| {
                out.push_str(&format!("{:b}", x.get(i)));
                Ok(true)
            })
        }),
        _ => return Ok(None),
    }))
}

fn constant(x: f64) -> Kernel {
    Arc::new(move |a| Ok(Arc::new(Float64Array::from(vec![x; a.rows]))))
}

fn unsupported(a: &Args<'_>) -> Error {
    Error::internal(format!("a numeric function over {}", a.types[0]))
}

fn abs(a: &Args<'_>) -> Result<ArrayRef> {
    macro_rules! go {
        ($t:ty, $f:expr) => {{
            let x = a.nums::<$t>(0)?;
            Arc::new(a.plain::<$t>(|i| $f(x.get(i))))
        }};
    }
    Ok(match a.ret.kind {
        TypeKind::TinyInt => go!(Int8Type, i8::wrapping_abs),
        TypeKind::SmallInt => go!(Int16Type, i16::wrapping_abs),
        TypeKind::Int => go!(Int32Type, i32::wrapping_abs),
        TypeKind::BigInt => go!(Int64Type, i64::wrapping_abs),
        TypeKind::Float => go!(Float32Type, f32::abs),
        TypeKind::Double => go!(Float64Type, f64::abs),
        TypeKind::IntervalYearMonth(..) => go!(IntervalYearMonthType, i32::wrapping_abs),
        TypeKind::IntervalDayTime(..) => go!(DurationMillisecondType, i64::wrapping_abs),
        TypeKind::Decimal(p, s) => {
            let x = a.nums::<Decimal128Type>(0)?;
            decimal(a.plain(|i| x.get(i).abs()), p, s)?
        }
        _ => return Err(unsupported(a)),
    })
}

fn sign(a: &Args<'_>) -> Result<ArrayRef> {
    macro_rules! go {
        ($t:ty, $f:expr) => {{
            let x = a.nums::<$t>(0)?;
            Arc::new(a.plain::<$t>(|i| $f(x.get(i))))
        }};
    }
    Ok(match a.ret.kind {
        TypeKind::TinyInt => go!(Int8Type, i8::signum),
        TypeKind::SmallInt => go!(Int16Type, i16::signum),
        TypeKind::Int => go!(Int32Type, i32::signum),
        TypeKind::BigInt => go!(Int64Type, i64::signum),
        TypeKind::Float => {
            go!(Float32Type, |x: f32| if x == 0.0 || x.is_nan() { x } else { x.signum() })
        }
        TypeKind::Double => {
            go!(Float64Type, |x: f64| if x == 0.0 || x.is_nan() { x } else { x.signum() })
        }
        TypeKind::Decimal(p, s) => {
            let (x, one) = (a.nums::<Decimal128Type>(0)?, pow10(s));
            decimal(a.plain(|i| x.get(i).signum() * one), p, s)?
        }
        _ => return Err(unsupported(a)),
    })
}

/// ROUND (half up) and TRUNCATE to a number of decimals, negative ones included.
fn round(a: &Args<'_>, half_up: bool) -> Result<ArrayRef> {
    let digits = if a.len() > 1 { Some(a.nums::<Int32Type>(1)?) } else { None };
    let places = |i: usize| digits.map_or(0, |d| d.get(i));
    macro_rules! ints {
        ($t:ty, $n:ty) => {{
            let x = a.nums::<$t>(0)?;
            Arc::new(a.plain::<$t>(|i| round_units(x.get(i).into(), places(i), half_up) as $n))
        }};
    }
    Ok(match (&a.types[0].kind, &a.ret.kind) {
        (TypeKind::TinyInt, _) => ints!(Int8Type, i8),
        (TypeKind::SmallInt, _) => ints!(Int16Type, i16),
        (TypeKind::Int, _) => ints!(Int32Type, i32),
        (TypeKind::BigInt, _) => ints!(Int64Type, i64),
        (TypeKind::Float, _) => {
            let x = a.nums::<Float32Type>(0)?;
            Arc::new(a.plain::<Float32Type>(|i| {
                let v = x.get(i);
                if v.is_finite() {
                    round_text(&format!("{v}"), places(i), half_up) as f32
                } else {
                    v
                }
            }))
        }
        (TypeKind::Double, _) => {
            let x = a.nums::<Float64Type>(0)?;
            Arc::new(a.plain::<Float64Type>(|i| {
                let v = x.get(i);
                if v.is_finite() { round_text(&format!("{v}"), places(i), half_up) } else { v }
            }))
        }
        (TypeKind::Decimal(_, s), TypeKind::Decimal(p, t)) => {
            let (x, s, t, limit) = (a.nums::<Decimal128Type>(0)?, *s, *t, pow10(*p));
            let out = a.number::<Decimal128Type>(|i| {
                let rounded = round_units(x.get(i), places(i) - i32::from(s), half_up);
                let moved = if t >= s {
                    rounded.checked_mul(pow10(t - s))
                } else {
                    Some(rounded / pow10(s - t))
                };
                Ok(moved.filter(|v| v.abs() < limit))
            })?;
            decimal(out, *p, t)?
        }
        _ => return Err(unsupported(a)),
    })
}

/// Rounds an integer to 10^-places; places at or above zero change nothing.
fn round_units(x: i128, places: i32, half_up: bool) -> i128 {
    if places >= 0 {
        return x;
    }
    let Some(unit) = 10i128.checked_pow(places.unsigned_abs()) else { return 0 };
    let cut = x - x % unit;
    let carry = half_up && (x % unit).abs() >= unit - unit / 2;
    if carry { cut + x.signum() * unit } else { cut }
}

/// Rounds a number by its shortest decimal text, as BigDecimal does.
fn round_text(text: &str, places: i32, half_up: bool) -> f64 {
    let parsed = || text.parse::<f64>().unwrap_or(f64::NAN);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if places >= fraction.len() as i32 {
        return parsed();
    }
    let Ok(unscaled) = format!("{whole}{fraction}").parse::<i128>() else { return parsed() };
    let rounded = round_units(unscaled, places - fraction.len() as i32, half_up);
    format!("{rounded}e-{}", fraction.len()).parse().unwrap_or(f64::NAN)
}

fn integral(a: &Args<'_>, up: bool) -> Result<ArrayRef> {
    Ok(match (&a.types[0].kind, &a.ret.kind) {
        (TypeKind::Float, _) => {
            let x = a.nums::<Float32Type>(0)?;
            Arc::new(
                a.plain::<Float32Type>(|i| if up { x.get(i).ceil() } else { x.get(i).floor() }),
            )
        }
        (TypeKind::Double, _) => {
            let x = a.nums::<Float64Type>(0)?;
            Arc::new(
                a.plain::<Float64Type>(|i| if up { x.get(i).ceil() } else { x.get(i).floor() }),
            )
        }
        (TypeKind::Decimal(_, s), TypeKind::Decimal(p, _)) => {
            let (x, unit) = (a.nums::<Decimal128Type>(0)?, pow10(*s));
            let out = a.plain(|i| {
                let v: i128 = x.get(i);
                let q = v.div_euclid(unit);
                q + i128::from(up && v.rem_euclid(unit) != 0)
            });
            decimal(out, *p, 0)?
        }
        _ => a.cols[0].array().clone(),
    })
}

/// java.util.Random, so that seeded sequences agree.
struct JavaRandom(u64);

impl JavaRandom {
    fn new(seed: i64) -> Self {
        Self((seed as u64 ^ 0x5_DEEC_E66D) & ((1 << 48) - 1))
    }
    fn next(&mut self, bits: u32) -> i32 {
        self.0 = self.0.wrapping_mul(0x5_DEEC_E66D).wrapping_add(0xB) & ((1 << 48) - 1);
        (self.0 >> (48 - bits)) as i32
    }
    fn double(&mut self) -> f64 {
        let high = i64::from(self.next(26)) << 27;
        (high + i64::from(self.next(27))) as f64 * (1.0 / (1u64 << 53) as f64)
    }
    fn below(&mut self, bound: i32) -> i32 {
        let mut r = self.next(31);
        let m = bound - 1;
        if bound & m == 0 {
            return ((i64::from(bound) * i64::from(r)) >> 31) as i32;
        }
        loop {
            let u = r;
            r = u % bound;
            if u.wrapping_sub(r).wrapping_add(m) >= 0 {
                return r;
            }
            r = self.next(31);
        }
    }
}

/// The generator of a call: seeded by a literal, or from the system.
fn generator(seed: Option<&Expr>) -> Mutex<JavaRandom> {
    let seed = match seed {
        Some(Expr::Literal { value: Value::Int(s), .. }) => *s,
        _ => rand::random(),
    };
    Mutex::new(JavaRandom::new(seed))
}

fn rand_kernel(site: &Site<'_>) -> Kernel {
    let random = generator(site.args.first());
    Arc::new(move |a| {
        let mut random = random.lock().map_err(|_| Error::internal("RAND is poisoned"))?;
        let values: Vec<f64> = (0..a.rows).map(|_| random.double()).collect();
        Ok(Arc::new(Float64Array::from(values)))
    })
}

fn rand_integer(site: &Site<'_>) -> Kernel {
    let seeded = site.args.len() == 2;
    let random = generator(seeded.then(|| site.args.first()).flatten());
    Arc::new(move |a| {
        let mut random = random.lock().map_err(|_| Error::internal("RAND_INTEGER is poisoned"))?;
        let bound = a.nums::<Int32Type>(a.len() - 1)?;
        let out: Int32Array = a.number::<Int32Type>(|i| {
            if bound.get(i) <= 0 {
                return Err(Error::data("RAND_INTEGER: the bound must be positive"));
            }
            Ok(Some(random.below(bound.get(i))))
        })?;
        Ok(Arc::new(out))
    })
}
