//! What is known while one query is bound; the files beside this one bind its parts.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use weir_spec::LookupHint;

use crate::rel::Rel;
use crate::session::Session;

/// Binds queries against a session.
pub struct Binder<'s> {
    pub(super) session: &'s Session,
    /// The WITH queries in reach.
    pub(super) ctes: RefCell<HashMap<String, Rc<Rel>>>,
    /// How many views the query being bound stands in.
    pub(super) depth: RefCell<usize>,
    /// Hints of the SELECT whose FROM is being bound.
    pub(super) hints: RefCell<SelectHints>,
}

impl<'s> Binder<'s> {
    /// A binder without names beyond the session's.
    pub fn new(session: &'s Session) -> Self {
        Self {
            session,
            ctes: RefCell::default(),
            depth: RefCell::new(0),
            hints: RefCell::default(),
        }
    }
}

/// What the hints of one SELECT say of its tables.
#[derive(Default)]
pub(super) struct SelectHints {
    pub ttl: Vec<TtlHint>,
    pub lookups: Vec<TableHint>,
    pub multi_joins: Vec<MultiJoinHint>,
}

/// A table that MULTI_JOIN names.
pub(super) struct MultiJoinHint {
    pub table: String,
    pub used: bool,
    pub span: weir_parser::Span,
}

/// How long the state of one table is kept.
pub(super) struct TtlHint {
    pub table: String,
    pub millis: i64,
    pub used: bool,
    pub span: weir_parser::Span,
}

/// What a LOOKUP hint says of one table.
pub(super) struct TableHint {
    pub table: String,
    pub hint: LookupHint,
    pub used: bool,
    pub span: weir_parser::Span,
}
