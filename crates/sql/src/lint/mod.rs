//! What runs, or seems to, but is a mistake: findings that no single error covers.
//!
//! [`statement`] looks at one syntax tree with the tables of the session; nothing
//! here needs a statement to bind, so that a script with unknown tables is still
//! read to its end. `query.rs` holds the rules for one SELECT, `epoch.rs` those for
//! units of time, `script.rs` what needs the statements before.

mod epoch;
mod exprs;
mod insert;
mod query;
mod script;

use weir_parser::ast::{Statement, StatementKind};

use crate::session::Session;

pub use crate::finding::{Finding, Severity};
pub use script::Declarations;

/// The findings of one statement's syntax tree.
pub fn statement(session: &Session, statement: &Statement) -> Vec<Finding> {
    use StatementKind as K;
    let mut out = Vec::new();
    match &statement.kind {
        K::Query(q) => query::query(session, q, &mut out),
        K::Insert(i) => {
            insert::insert(session, i, &mut out);
            query::query(session, &i.source, &mut out);
        }
        K::StatementSet(set) => {
            for i in &set.inserts {
                insert::insert(session, i, &mut out);
                query::query(session, &i.source, &mut out);
            }
        }
        K::CreateView(v) => query::query(session, &v.query, &mut out),
        K::Update(_) | K::Delete(_) => insert::unknown_functions(session, statement, &mut out),
        K::CreateTable(t) => {
            if let Some(q) = &t.query {
                insert::reads_itself(t, &mut out);
                query::query(session, q, &mut out);
            }
            epoch::columns(&t.schema, &mut out);
        }
        K::Execute(inner) => return self::statement(session, inner),
        K::Explain(e) => return self::statement(session, &e.statement),
        _ => {}
    }
    out
}
