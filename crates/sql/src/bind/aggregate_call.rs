//! Aggregate calls, of GROUP BY and OVER alike: first over expressions, then over the
//! columns of a projection that computes these.

use weir_core::{DataType, Result};
use weir_functions::{ArgType, Expr};
use weir_spec::{AggregateCall, SortKey};

use super::typed::coerce;
use crate::rel::Rel;

/// A sort item over expressions: (value, descending, nulls first).
pub(crate) type SortExpr = (Expr, bool, bool);

/// An aggregate whose arguments are still expressions over the FROM clause.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BoundCall {
    pub function: String,
    pub args: Vec<Expr>,
    pub distinct: bool,
    pub filter: Option<Expr>,
    pub order_by: Vec<SortExpr>,
    pub ty: DataType,
    /// The type is nullable for empty groups alone.
    pub null_only_if_empty: bool,
}

impl BoundCall {
    /// Types the call for groups that have a row each; a FILTER can empty them again.
    pub fn over_rows(&mut self) {
        if self.null_only_if_empty && self.filter.is_none() {
            self.ty = self.ty.clone().not_null();
        }
    }
}

/// Applies the registry's typing rules to an aggregate call.
pub(super) fn resolve_call(
    name: &str,
    args: Vec<Expr>,
    distinct: bool,
    filter: Option<Expr>,
    order_by: Vec<SortExpr>,
) -> Result<BoundCall> {
    let types: Vec<ArgType<'_>> = args.iter().map(ArgType::expr).collect();
    let signature = weir_functions::resolve_aggregate(name, &types, distinct)?;
    let args = args.into_iter().zip(&signature.arg_types).map(|(a, ty)| coerce(a, ty)).collect();
    Ok(BoundCall {
        function: signature.name,
        args,
        distinct,
        filter,
        order_by,
        ty: signature.return_type,
        null_only_if_empty: signature.null_only_if_empty,
    })
}

/// Collects expressions as columns of a projection, each once.
#[derive(Default)]
pub(crate) struct Projection {
    pub exprs: Vec<Expr>,
    /// Columns before this one are not reused.
    pub first_argument: usize,
}

impl Projection {
    pub fn add(&mut self, e: &Expr) -> usize {
        let found = self.exprs.iter().skip(self.first_argument).position(|x| x == e);
        found.map_or_else(
            || {
                self.exprs.push(e.clone());
                self.exprs.len() - 1
            },
            |at| at + self.first_argument,
        )
    }

    pub fn sort_keys(&mut self, items: &[SortExpr]) -> Vec<SortKey> {
        items
            .iter()
            .map(|(e, descending, nulls_first)| SortKey {
                column: self.add(e),
                descending: *descending,
                nulls_first: *nulls_first,
            })
            .collect()
    }

    /// Like [`Projection::onto`], keeping the names of the input's own columns.
    pub fn onto_named(self, input: Rel) -> Rel {
        let own = input.schema.len();
        let names = (0..self.exprs.len())
            .map(|i| match i < own {
                true => input.schema.fields[i].name.clone(),
                false => format!("$f{i}"),
            })
            .collect();
        input.project(self.exprs, names)
    }

    pub fn onto(self, input: Rel) -> Rel {
        let names = (0..self.exprs.len()).map(|i| format!("$f{i}")).collect();
        input.project(self.exprs, names)
    }

    /// The call over the projection's columns.
    pub fn call(&mut self, c: &BoundCall, name: String) -> AggregateCall {
        let literals = c.args.iter().map(|a| a.as_literal().cloned()).collect();
        AggregateCall {
            function: c.function.clone(),
            args: c.args.iter().map(|a| self.add(a)).collect(),
            literals,
            distinct: c.distinct,
            filter: c.filter.as_ref().map(|f| self.add(f)),
            order_by: self.sort_keys(&c.order_by),
            ty: c.ty.clone(),
            name,
        }
    }
}
