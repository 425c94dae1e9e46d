//! The binder: syntax trees and catalogs in, logical plans out.
//!
//! Names are resolved, `*` expanded, every cast made explicit, every function
//! looked up, subqueries turned into joins. Errors carry the position of the
//! smallest offending piece of text.
//!
//! Where to look next: `query.rs` for the shape of a query, `select.rs` for one
//! SELECT block, `expr.rs` for expressions, `from.rs` for tables and joins.

mod aggregate;
mod call;
mod constant;
mod expr;
mod from;
mod join;
mod literal;
mod over;
mod query;
mod scope;
mod select;
mod subquery;
mod table;
mod types;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use weir_core::error::Position;
use weir_core::{DataType, Error, Result, Schema, Value};
use weir_functions::{ArgType, Expr};
use weir_parser::ast;
use weir_parser::span::Span;

use crate::rel::Rel;
use crate::session::Session;

pub use constant::{check_zone, local_to_utc_millis};
pub use literal::{cast_literal, interval_literal};
pub(crate) use scope::Scope;
pub use table::{is_rowtime_type, table_spec};
pub use types::bind_type;

/// An identifier in backticks.
pub fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// SQL LIKE on plain text, by the same function that queries use.
pub fn is_like(text: &str, pattern: &str) -> bool {
    make_call("LIKE", vec![literal::string(text), literal::string(pattern)])
        .and_then(|call| evaluate_constant(&call))
        .is_ok_and(|v| v == Value::Boolean(true))
}

/// Position of a piece of syntax.
pub fn position(span: Span) -> Position {
    Position { start: span.start, end: span.end }
}

/// Attaches the position of a piece of syntax to an error.
pub(crate) trait At<T> {
    fn at(self, span: Span) -> Result<T>;
}

impl<T> At<T> for Result<T> {
    fn at(self, span: Span) -> Result<T> {
        self.map_err(|e| e.at(position(span)))
    }
}

/// Binds queries against a session.
pub struct Binder<'s> {
    session: &'s Session,
    ctes: RefCell<HashMap<String, Rc<Rel>>>,
    depth: RefCell<usize>,
}

/// Views may be nested this deep.
const MAX_VIEW_DEPTH: usize = 64;

impl<'s> Binder<'s> {
    /// A binder without names beyond the session's.
    pub fn new(session: &'s Session) -> Self {
        Self { session, ctes: RefCell::default(), depth: RefCell::new(0) }
    }

    /// Binds a whole query.
    pub fn query(&self, query: &ast::Query) -> Result<Rel> {
        self.bind_query(query, None)
    }

    /// Binds a scalar expression over named columns (computed columns, watermarks).
    pub fn scalar(&self, expr: &ast::Expr, schema: &Schema) -> Result<Expr> {
        let scope = Scope::from_schema(None, schema);
        let mut pending = expr::Pending::default();
        let bound = expr::ExprBinder::new(self, &scope, &mut pending).bind(expr)?;
        if !pending.is_empty() {
            return Err(Error::unsupported("a subquery or OVER inside a column expression"))
                .at(expr.span);
        }
        Ok(bound)
    }

    /// Binds an expression that must be a constant and computes it.
    pub fn constant(&self, expr: &ast::Expr) -> Result<(Value, DataType)> {
        let bound = self.scalar(expr, &Schema::default())?;
        let ty = bound.ty().clone();
        Ok((evaluate_constant(&bound).at(expr.span)?, ty))
    }
}

/// The value of an expression without columns.
pub fn evaluate_constant(expr: &Expr) -> Result<Value> {
    if let Expr::Literal { value, .. } = expr {
        return Ok(value.clone());
    }
    constant::evaluate(expr)
}

/// A call with the registry's typing rules applied: arguments cast, result type known.
pub fn make_call(name: &str, args: Vec<Expr>) -> Result<Expr> {
    let types: Vec<ArgType<'_>> = args
        .iter()
        .map(|a| ArgType {
            ty: a.ty(),
            literal: match a {
                Expr::Literal { value, .. } => Some(value),
                _ => None,
            },
        })
        .collect();
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
