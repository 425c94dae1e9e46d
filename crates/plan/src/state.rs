//! The state tables that operators keep, as EXPLAIN shows them: their names are those of a
//! checkpoint, and a TTL is the time after its last change until an entry is forgotten.

use weir_spec::{OpSpec, OverFrame, Plan, WindowKind};

/// How long entries stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Milliseconds after the last change; 0 = forever.
    For(i64),
    /// Until the watermark says that nothing can need them any more.
    UntilWatermark,
}

impl std::fmt::Display for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Kept::For(0) => f.write_str("none"),
            Kept::For(ms) => write!(f, "{ms} ms"),
            Kept::UntilWatermark => f.write_str("watermark"),
        }
    }
}

/// The tables of one node; `ttl`: milliseconds of `table.exec.state.ttl`.
pub fn tables(plan: &Plan, node: usize, ttl: i64) -> Vec<(String, Kept)> {
    let node = &plan.nodes[node];
    let one = |name: &str, kept| vec![(name.to_owned(), kept)];
    match &node.op {
        OpSpec::GroupAggregate { state_ttl, .. } => one("groups", Kept::For(*state_ttl)),
        OpSpec::WindowTableFunction(window) => match window.kind {
            WindowKind::Session { .. } => one("sessions", Kept::UntilWatermark),
            _ => vec![],
        },
        OpSpec::WindowAggregate { window, attached, .. } => {
            let session = matches!(window.kind, WindowKind::Session { .. }) && attached.is_none();
            one(if session { "sessions" } else { "slices" }, Kept::UntilWatermark)
        }
        OpSpec::Join(join) => ["left", "right"]
            .iter()
            .zip(join.state_ttl)
            .map(|(name, hint)| ((*name).to_owned(), Kept::For(hint.unwrap_or(ttl))))
            .collect(),
        OpSpec::MultiJoin(join) => join
            .inputs
            .iter()
            .enumerate()
            .map(|(i, input)| (format!("input{i}"), Kept::For(input.state_ttl.unwrap_or(ttl))))
            .collect(),
        OpSpec::IntervalJoin { .. } => one("rows", Kept::UntilWatermark),
        OpSpec::WindowJoin { .. } | OpSpec::WindowRank { .. } => {
            one("windows", Kept::UntilWatermark)
        }
        OpSpec::TemporalJoin { .. } => one("versions", Kept::UntilWatermark),
        OpSpec::LookupJoin(_) => one("waiting", Kept::For(0)),
        OpSpec::Rank(_) | OpSpec::Deduplicate { .. } | OpSpec::ChangelogNormalize { .. } => {
            one("rows", Kept::For(ttl))
        }
        OpSpec::Limit { .. } => {
            let retracts =
                node.inputs.iter().any(|i| !plan.nodes[i.node].changelog.is_insert_only());
            if retracts { one("rows", Kept::For(0)) } else { vec![] }
        }
        OpSpec::Conflicts { .. } => one("rivals", Kept::For(ttl)),
        OpSpec::Over(over) if matches!(over.frame, OverFrame::Between { .. }) => vec![],
        OpSpec::Over(over) if over.time_ordered => one("over", Kept::UntilWatermark),
        OpSpec::Over(_) => one("rows", Kept::For(ttl)),
        OpSpec::Match(_) => one("match", Kept::UntilWatermark),
        OpSpec::Sort { .. } => one("buffer", Kept::UntilWatermark),
        _ => vec![],
    }
}
