//! The binder: syntax trees and catalogs in, logical plans out.
//!
//! Names are resolved, `*` expanded, every cast made explicit, every function
//! looked up, subqueries turned into joins. Errors carry the position of the
//! smallest offending piece of text.
//!
//! Where to look next: `query.rs` for the shape of a query, `select.rs` for one
//! SELECT block, `expr.rs` for expressions, `from.rs` for tables and joins.
//!
//! Queries hold expressions and expressions hold queries, so the methods call each other;
//! the files do not. What they share lies below them: [`Binder`] (`binder.rs`) for a query,
//! `expr_binder.rs` for a clause's expressions, `pending.rs` and `grouping.rs` for what
//! these leave to their SELECT. Each file above adds the methods that bind one part.

mod aggregate;
mod aggregate_call;
mod at;
mod binder;
mod call;
mod changelog;
mod columns;
mod constant;
mod decorrelate;
mod expr;
mod expr_binder;
mod from;
mod group_by;
mod grouping;
mod hints;
mod join;
mod literal;
mod lookup;
mod match_rows;
mod matching;
mod model;
mod on;
mod over;
mod pending;
mod query;
mod scope;
mod select;
mod stand_in;
mod subquery;
mod syntax;
mod table;
mod typed;
mod types;

use weir_core::{DataType, Error, Result, Schema, Value};
use weir_functions::Expr;
use weir_parser::ast;

use crate::rel::Rel;
use columns::{duplicate, make_unique, untyped};
use expr_binder::ExprBinder;
use pending::Pending;

pub(crate) use at::At;
pub use at::position;
pub use binder::Binder;
pub use constant::{check_zone, local_to_utc_millis};
pub use literal::{cast_literal, interval_literal};
pub(crate) use scope::{IN_REACH, Scope};
pub(crate) use syntax::children;
pub use table::{is_rowtime_type, table_spec};
pub use typed::{coerce, evaluate_constant, make_call, null_literal};
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

impl Binder<'_> {
    /// Binds a whole query.
    pub fn query(&self, query: &ast::Query) -> Result<Rel> {
        let mut rel = self.bind_query(query, None)?;
        make_unique(&mut rel.schema);
        Ok(rel)
    }

    /// Binds a query whose columns all need a type of their own.
    pub fn typed_query(&self, query: &ast::Query) -> Result<Rel> {
        let rel = self.query(query)?;
        untyped(&rel.schema).at(query.span)?;
        Ok(rel)
    }

    /// Binds the query of a view: without a list of names its own must differ.
    pub fn view_query(&self, query: &ast::Query, named: bool) -> Result<Rel> {
        let rel = self.bind_query(query, None)?;
        untyped(&rel.schema).at(query.span)?;
        match duplicate(&rel.schema).filter(|_| !named) {
            Some(name) => Err(Error::validation(format!(
                "A column with the same name `{name}` has been defined"
            ))
            .hint("give it another name with AS"))
            .at(query.span),
            None => Ok(rel),
        }
    }

    /// Binds a scalar expression over named columns (computed columns, watermarks).
    pub fn scalar(&self, expr: &ast::Expr, schema: &Schema) -> Result<Expr> {
        let scope = Scope::from_schema(None, schema);
        let mut pending = Pending::default();
        let bound = ExprBinder::new(self, &scope, &mut pending).bind(expr)?;
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
