//! Expressions with Flink's typing applied: calls, casts, constants.

use weir_core::{DataType, Result, TypeKind, Value};
use weir_functions::{ArgType, Expr};

use super::constant;
use super::literal::cast_literal;

/// `CAST(0.1 AS FLOAT)` of a literal: Flink compares the number as it is written.
fn written_number(e: Expr) -> Expr {
    match e {
        Expr::Cast { arg, ty, safe: false }
            if ty.kind == TypeKind::Float
                && matches!(*arg, Expr::Literal { .. })
                && arg.ty().is_numeric() =>
        {
            *arg
        }
        other => other,
    }
}

/// A call with the registry's typing rules applied: arguments cast, result type known.
pub fn make_call(name: &str, mut args: Vec<Expr>) -> Result<Expr> {
    let exact = |e: &Expr| {
        matches!(e, Expr::Literal { .. }) && matches!(e.ty().kind, TypeKind::Decimal(..))
    };
    if matches!(name, "=" | "<>" | "<" | "<=" | ">" | ">=") && args.iter().any(exact) {
        args = args.into_iter().map(written_number).collect();
    }
    let types: Vec<ArgType<'_>> = args.iter().map(ArgType::expr).collect();
    let signature = weir_functions::resolve_scalar(name, &types)?;
    let args = args.into_iter().zip(&signature.arg_types).map(|(a, ty)| coerce(a, ty)).collect();
    Ok(Expr::call(signature.name, args, signature.return_type))
}

/// An implicit cast, left out where the representation is the same anyway.
pub fn coerce(expr: Expr, ty: &DataType) -> Expr {
    if expr.ty().same_kind(ty) {
        return expr;
    }
    let target = ty.clone().with_nullable(expr.ty().nullable);
    if let Expr::Literal { value, ty: from } = &expr
        && let Some(value) = cast_literal(value, from, &target)
    {
        return Expr::literal(value, target);
    }
    Expr::Cast { arg: Box::new(expr), ty: target, safe: false }
}

/// NULL of a type.
pub fn null_literal(ty: &DataType) -> Expr {
    Expr::literal(Value::Null, ty.clone().null())
}

/// The value of an expression without columns.
pub fn evaluate_constant(expr: &Expr) -> Result<Value> {
    if let Expr::Literal { value, .. } = expr {
        return Ok(value.clone());
    }
    constant::evaluate(expr)
}
