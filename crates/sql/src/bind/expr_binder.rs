//! What an expression is bound against. The methods that bind are in the files named after
//! what they bind: `expr.rs`, `call.rs`, `subquery.rs`, `aggregate.rs`, `over.rs`, `matching/`.

use weir_parser::ast;

use super::binder::Binder;
use super::grouping::Grouping;
use super::match_rows::Matching;
use super::pending::Pending;
use super::scope::Scope;

/// Binds expressions of one clause.
pub(crate) struct ExprBinder<'a, 's> {
    pub binder: &'a Binder<'s>,
    pub scope: &'a Scope<'a>,
    pub pending: &'a mut Pending,
    /// Set behind GROUP BY: columns then mean keys and aggregates.
    pub grouping: Option<&'a mut Grouping>,
    /// The WINDOW clause.
    pub windows: &'a [ast::NamedWindow],
    /// Inside an aggregate's argument.
    pub in_aggregate: bool,
    /// Set inside MATCH_RECOGNIZE: columns then mean rows of a match.
    pub matching: Option<&'a mut Matching>,
}

impl<'a, 's> ExprBinder<'a, 's> {
    /// A binder for a clause in front of GROUP BY.
    pub fn new(binder: &'a Binder<'s>, scope: &'a Scope<'a>, pending: &'a mut Pending) -> Self {
        Self {
            binder,
            scope,
            pending,
            grouping: None,
            windows: &[],
            in_aggregate: false,
            matching: None,
        }
    }
}
