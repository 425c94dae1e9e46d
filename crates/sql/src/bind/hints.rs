//! Hints behind SELECT: STATE_TTL acts on the tables it names, join hints advise.

use weir_core::config::parse_duration;
use weir_core::{Error, Result};
use weir_parser::ast;

use super::at::At;
use super::binder::{Binder, TtlHint};
use super::lookup::{all_used, lookup_hints};
use crate::rel::{Rel, RelOp};

const KNOWN: [&str; 7] = [
    "STATE_TTL",
    "BROADCAST",
    "SHUFFLE_HASH",
    "SHUFFLE_MERGE",
    "NEST_LOOP",
    "LOOKUP",
    "MULTI_JOIN",
];

impl Binder<'_> {
    /// Binds FROM under the hints of its SELECT; every table that STATE_TTL names must be there.
    pub(super) fn with_hints<T>(
        &self,
        hints: &[ast::Hint],
        bind: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let lookups = lookup_hints(hints)?;
        let outer = std::mem::replace(&mut *self.ttl_hints.borrow_mut(), ttl_hints(hints)?);
        let lookups = std::mem::replace(&mut *self.lookup_hints.borrow_mut(), lookups);
        let bound = bind();
        let own = std::mem::replace(&mut *self.ttl_hints.borrow_mut(), outer);
        let lookups = std::mem::replace(&mut *self.lookup_hints.borrow_mut(), lookups);
        let bound = bound?;
        all_used(&lookups)?;
        match own.iter().find(|h| !h.used) {
            None => Ok(bound),
            Some(h) => Err(Error::validation(format!(
                "The options of following hints cannot match the name of input tables or views: \n`{}` in `STATE_TTL`",
                h.table
            )))
            .at(h.span),
        }
    }

    /// Marks the scan below a table of FROM.
    pub(super) fn apply_ttl_hint(&self, rel: &mut Rel, name: &str) -> Result<()> {
        let mut hints = self.ttl_hints.borrow_mut();
        let Some(hint) = hints.iter_mut().find(|h| h.table == name) else { return Ok(()) };
        hint.used = true;
        let mut at = rel;
        loop {
            match &mut at.op {
                RelOp::Scan(scan) => {
                    scan.state_ttl = Some(hint.millis);
                    return Ok(());
                }
                RelOp::Project { input, .. }
                | RelOp::Filter { input, .. }
                | RelOp::Watermark { input, .. } => at = input,
                _ => {
                    return Err(Error::unsupported(format!(
                        "STATE_TTL of '{name}', which is more than a filtered table"
                    )));
                }
            }
        }
    }
}

fn ttl_hints(hints: &[ast::Hint]) -> Result<Vec<TtlHint>> {
    let mut found = Vec::new();
    for h in hints {
        let name = h.name.value.to_ascii_uppercase();
        if !KNOWN.contains(&name.as_str()) {
            return Err(Error::validation(format!("unknown hint {}", h.name.value))
                .hint(format!("known hints: {}", KNOWN.join(", "))))
            .at(h.span);
        }
        if name != "STATE_TTL" {
            continue;
        }
        for a in &h.args {
            let ast::HintArg::KeyValue(o) = a else {
                return Err(Error::validation("STATE_TTL takes 'table' = 'duration' pairs"))
                    .at(h.span);
            };
            let Some(ttl) = parse_duration(&o.value.value) else {
                return Err(Error::validation(format!("'{}' is not a duration", o.value.value))
                    .hint("write '1 d', '2 h' or '10 min'"))
                .at(h.span);
            };
            found.push(TtlHint {
                table: o.key.value.clone(),
                millis: ttl.as_millis() as i64,
                used: false,
                span: h.span,
            });
        }
    }
    Ok(found)
}
