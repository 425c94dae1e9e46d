//! ANALYZE TABLE. The planner reads the statistics that tables keep of themselves (file
//! footers, snapshots) whenever it plans, so nothing has to be gathered beforehand: the
//! statement checks what it names.

use weir_core::{Error, Result};
use weir_parser::ast;
use weir_spec::TableKind;

use super::alter::existing;
use super::create::path_of;
use super::effect::Effect;
use crate::bind::At as _;
use crate::session::Session;

pub(super) fn analyze_table(session: &Session, a: &ast::AnalyzeTable) -> Result<Effect> {
    let path = path_of(session, &a.table)?;
    let Some(table) = existing(session, &path)? else {
        return Err(Error::validation(format!(
            "Table {path} doesn't exist or is a temporary table."
        )))
        .at(a.table.span());
    };
    if matches!(table.kind, TableKind::View { .. }) {
        return Err(Error::validation("ANALYZE TABLE for a view is not allowed."))
            .at(a.table.span());
    }
    for e in &a.partition {
        if !table.partition_keys.contains(&e.column.value) {
            return Err(Error::validation(format!(
                "Invalid ANALYZE TABLE statement. '{}' is no partition column of {path}.",
                e.column.value
            )))
            .at(e.span);
        }
    }
    if let ast::AnalyzeColumns::List(columns) = &a.columns {
        for c in columns {
            if !table.columns.iter().any(|known| known.name() == c.value) {
                return Err(Error::validation(format!(
                    "Column: {} does not exist in the table: {path}.",
                    c.value
                )))
                .at(c.span);
            }
        }
    }
    if !session.is_batch() {
        return Err(Error::unsupported("ANALYZE TABLE in streaming mode"));
    }
    Ok(Effect::Done)
}
