//! The dialect layer: read generously, mean Flink.
//!
//! [`canonicalise`] replaces option names and values of other spellings by those of
//! Flink 2.3 and its connectors, with a notice for each; it runs in front of every
//! statement. [`strict`] rewrites what only this engine understands (`DATE_SUB`,
//! `FOR SYSTEM_TIME AS OF PROCTIME()`, a table's alias as a row) into what a
//! cluster takes; it runs in front of the printer.

mod options;
mod strict;
pub(crate) mod visit;

use weir_core::nearest;
use weir_parser::ast::{
    self, AlterTableAction, ArgValue, ExprKind, FunctionCall, HintArg, Literal, SqlOption,
    Statement, StatementKind, TableFactor, TableFactorKind,
};

use crate::bind::position;
use crate::finding::Finding;
use options::Rewrite;

pub use strict::strict;

/// Puts canonical options into a statement; tells what changed and why.
pub fn canonicalise(statement: &mut Statement) -> Vec<Finding> {
    let mut notices = Vec::new();
    ddl(statement, &mut notices);
    visit::statement(statement, &mut Hints(&mut notices));
    notices
}

fn ddl(statement: &mut Statement, notices: &mut Vec<Finding>) {
    use StatementKind as K;
    match &mut statement.kind {
        K::CreateTable(t) => {
            let connector = value(&t.options, "connector").unwrap_or_default().to_owned();
            table_options(&connector, &mut t.options, notices);
        }
        K::AlterTable(a) => {
            if let AlterTableAction::SetOptions(options) = &mut a.action {
                let connector = value(options, "connector").unwrap_or_default().to_owned();
                table_options(&connector, options, notices);
            }
        }
        K::CreateCatalog(c) => {
            let kind = value(&c.options, "type").unwrap_or_default().to_owned();
            let what = format!("catalogs of type '{kind}'");
            rewrite(&mut c.options, &what, notices, |k, _| options::catalog(&kind, k));
        }
        K::CreateModel(m) => {
            rewrite(&mut m.options, "models", notices, |k, _| options::model(k));
        }
        K::Set(option) => {
            if let Some(r) = options::setting(&option.key.value, &option.value.value) {
                apply(option, &r, "sessions", notices);
            } else {
                near_setting(option, notices);
            }
        }
        K::Explain(e) => ddl(&mut e.statement, notices),
        _ => {}
    }
}

fn value<'o>(options: &'o [SqlOption], key: &str) -> Option<&'o str> {
    options.iter().find(|o| o.key.value == key).map(|o| o.value.value.as_str())
}

fn table_options(connector: &str, list: &mut Vec<SqlOption>, notices: &mut Vec<Finding>) {
    let what = format!("connector '{connector}'");
    rewrite(list, &what, notices, |k, v| options::table(connector, k, v));
}

fn rewrite(
    list: &mut Vec<SqlOption>,
    what: &str,
    notices: &mut Vec<Finding>,
    rule: impl Fn(&str, &str) -> Option<Rewrite>,
) {
    list.retain_mut(|o| match rule(&o.key.value, &o.value.value) {
        Some(r) => apply(o, &r, what, notices),
        None => true,
    });
}

/// Changes an option; false when it goes.
fn apply(o: &mut SqlOption, rewrite: &Rewrite, what: &str, notices: &mut Vec<Finding>) -> bool {
    let shown =
        |key: &str, value: &str| format!("'{key}' = '{}'", crate::secret::masked(key, value));
    let was = shown(&o.key.value, &o.value.value);
    let at = position(o.span);
    let (key, value) = match rewrite {
        Rewrite::Drop(reason) => {
            let hint = "leave the option out";
            let message = format!("{was} is no option of {what}: {reason}");
            notices.push(Finding::notice(at, message).hint(hint));
            return false;
        }
        Rewrite::Key(key) => ((*key).to_owned(), o.value.value.clone()),
        Rewrite::Pair(key, value) => (key.clone(), value.clone()),
    };
    let hint = format!("write {}", shown(&key, &value));
    let message = format!("{was} is taken as another spelling in {what}");
    notices.push(Finding::notice(at, message).hint(hint));
    o.key.value = key;
    o.value.value = value;
    true
}

fn near_setting(o: &SqlOption, notices: &mut Vec<Finding>) {
    let key = o.key.value.as_str();
    if options::SETTINGS.contains(&key) {
        return;
    }
    let close = options::SETTINGS.iter().copied().filter(|s| s.len().abs_diff(key.len()) <= 3);
    if let Some(near) = nearest(key, close).filter(|n| strsim_like(n, key)) {
        let message = format!("'{key}' is no option that has an effect");
        notices.push(
            Finding::warning(position(o.key.span), message).hint(format!("did you mean '{near}'?")),
        );
    }
}

/// Whether two dotted keys differ in one part only.
fn strsim_like(a: &str, b: &str) -> bool {
    let (a, b): (Vec<_>, Vec<_>) = (a.split('.').collect(), b.split('.').collect());
    a.len() == b.len() && a.iter().zip(&b).filter(|(x, y)| x != y).count() == 1
}

/// Options in hints and in the CONFIG of ML_PREDICT.
struct Hints<'n>(&'n mut Vec<Finding>);

impl visit::Visitor for Hints<'_> {
    fn factor(&mut self, factor: &mut TableFactor) {
        let TableFactorKind::Table { hints, .. } = &mut factor.kind else { return };
        for h in hints.iter_mut().filter(|h| h.name.value.eq_ignore_ascii_case("OPTIONS")) {
            h.args.retain_mut(|a| match a {
                // Only the scan options of lake tables have other spellings in hints.
                HintArg::KeyValue(o) => {
                    match options::table("paimon", &o.key.value, &o.value.value) {
                        Some(r) => apply(o, &r, "table hints", self.0),
                        None => true,
                    }
                }
                _ => true,
            });
        }
        hints.retain(|h| !h.args.is_empty() || !h.name.value.eq_ignore_ascii_case("OPTIONS"));
    }

    fn call(&mut self, call: &mut FunctionCall) {
        if !call.name.last().eq_ignore_ascii_case("ML_PREDICT") {
            return;
        }
        for a in &mut call.args {
            let ArgValue::Expr(ast::Expr { kind: ExprKind::Map(items), .. }) = &mut a.value else {
                continue;
            };
            for key in items.iter_mut().step_by(2) {
                let span = key.span;
                let ExprKind::Literal(Literal::String(s)) = &mut key.kind else { continue };
                if let Some(new) = options::predict_config(s) {
                    let message = format!("'{s}' is taken as another spelling in CONFIG");
                    let mut hint = format!("write '{new}'");
                    if new == "batch-size" {
                        hint.push_str("; Flink has no such key: leave it out on a cluster");
                    }
                    self.0.push(Finding::notice(position(span), message).hint(hint));
                    new.clone_into(s);
                }
            }
        }
    }
}
