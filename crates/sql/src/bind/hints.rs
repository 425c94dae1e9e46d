//! Hints behind SELECT: STATE_TTL, LOOKUP and MULTI_JOIN act on the tables they name, the
//! other join hints advise.

use weir_core::config::parse_duration;
use weir_core::{Error, Result};
use weir_parser::ast;

use super::at::At;
use super::binder::{Binder, MultiJoinHint, SelectHints, TtlHint};
use super::lookup::lookup_hints;
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
    /// Binds FROM under the hints of its SELECT; every table that they name must be there.
    pub(super) fn with_hints<T>(
        &self,
        hints: &[ast::Hint],
        bind: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let own = SelectHints {
            ttl: ttl_hints(hints)?,
            lookups: lookup_hints(hints)?,
            multi_joins: multi_join_hints(hints)?,
        };
        let outer = std::mem::replace(&mut *self.hints.borrow_mut(), own);
        let bound = bind();
        let own = std::mem::replace(&mut *self.hints.borrow_mut(), outer);
        let bound = bound?;
        own.all_used()?;
        Ok(bound)
    }

    /// Notes that MULTI_JOIN names a table of FROM: marks the first scan below it.
    pub(super) fn apply_multi_join_hint(&self, rel: &mut Rel, name: &str) {
        let mut hints = self.hints.borrow_mut();
        let Some(hint) = hints.multi_joins.iter_mut().find(|h| h.table == name) else { return };
        hint.used = true;
        let mut at = rel;
        loop {
            if let RelOp::Scan(scan) = &mut at.op {
                scan.multi_join = true;
                return;
            }
            match at.first_input_mut() {
                Some(input) => at = input,
                None => return,
            }
        }
    }

    /// Marks the scan below a table of FROM.
    pub(super) fn apply_ttl_hint(&self, rel: &mut Rel, name: &str) -> Result<()> {
        let mut hints = self.hints.borrow_mut();
        let Some(hint) = hints.ttl.iter_mut().find(|h| h.table == name) else { return Ok(()) };
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

impl SelectHints {
    fn all_used(&self) -> Result<()> {
        let unused = |table: &str, hint: &str| {
            Error::validation(format!(
                "The options of following hints cannot match the name of input tables or views: \n`{table}` in `{hint}`"
            ))
        };
        if let Some(h) = self.ttl.iter().find(|h| !h.used) {
            return Err(unused(&h.table, "STATE_TTL")).at(h.span);
        }
        if let Some(h) = self.lookups.iter().find(|h| !h.used) {
            return Err(unused(&h.table, "LOOKUP").hint(
                "'table' names a table, or its alias, that is joined FOR SYSTEM_TIME AS OF",
            ))
            .at(h.span);
        }
        if let Some(h) = self.multi_joins.iter().find(|h| !h.used) {
            return Err(unused(&h.table, "MULTI_JOIN")
                .hint("MULTI_JOIN names tables of FROM, or their aliases where they have one"))
            .at(h.span);
        }
        Ok(())
    }
}

fn multi_join_hints(hints: &[ast::Hint]) -> Result<Vec<MultiJoinHint>> {
    let mut found = Vec::new();
    for h in hints.iter().filter(|h| h.name.value.eq_ignore_ascii_case("MULTI_JOIN")) {
        let invalid = || {
            Error::validation(
                "Invalid hint: MULTI_JOIN, expecting at least one table or view specified in hint MULTI_JOIN.",
            )
            .hint("write MULTI_JOIN(a, b, c)")
        };
        if h.args.is_empty() {
            return Err(invalid()).at(h.span);
        }
        for a in &h.args {
            let table = match a {
                ast::HintArg::Name(name) => name.parts().last().map(ToString::to_string),
                ast::HintArg::Literal(ast::Literal::String(text)) => Some(text.clone()),
                _ => None,
            };
            let table = table.ok_or_else(invalid).at(h.span)?;
            found.push(MultiJoinHint { table, used: false, span: h.span });
        }
    }
    Ok(found)
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
