//! Identities of operators that last: what a checkpoint calls its state by.
//!
//! A source is named by its table, a sink by its table. Every other operator is named by
//! its kind and its path: the sink, then the operators with state on the way up to it, with
//! the number of the input where there are several. Filters and projections that come or
//! go, other queries of the same job and the parallelism leave the path as it is.

use std::collections::HashMap;

use weir_core::keys::hash_key;
use weir_spec::{NodeSpec, OpSpec};

/// Gives every node its identity. Inputs stand before their consumers.
pub(super) fn assign(nodes: &mut [NodeSpec]) {
    let paths = paths(nodes);
    let mut order: Vec<usize> = (0..nodes.len()).collect();
    order.sort_by(|&a, &b| (&paths[a], a).cmp(&(&paths[b], b)));
    let mut taken: HashMap<String, usize> = HashMap::new();
    for i in order {
        let uid = match &nodes[i].op {
            OpSpec::Source(s) => format!("source-{}", s.table.identifier),
            OpSpec::Sink(_) | OpSpec::Collect => paths[i].clone(),
            op => format!("{}-{:016x}", kind(op), hash_key(paths[i].as_bytes())),
        };
        let n = taken.entry(uid.clone()).and_modify(|n| *n += 1).or_insert(1);
        nodes[i].uid = if *n == 1 { uid } else { format!("{uid}#{n}") };
    }
}

/// The path of every node; of several consumers the one with the first path counts.
fn paths(nodes: &[NodeSpec]) -> Vec<String> {
    let mut paths: Vec<Option<String>> = vec![None; nodes.len()];
    let mut sinks: HashMap<String, usize> = HashMap::new();
    for (i, node) in nodes.iter().enumerate() {
        let root = match &node.op {
            OpSpec::Sink(s) => format!("sink-{}", s.table.identifier),
            OpSpec::Collect => "collect".to_owned(),
            _ => continue,
        };
        let n = sinks.entry(root.clone()).and_modify(|n| *n += 1).or_insert(1);
        paths[i] = Some(if *n == 1 { root } else { format!("{root}#{n}") });
    }
    for i in (0..nodes.len()).rev() {
        let node = &nodes[i];
        let mut path = paths[i].take().unwrap_or_default();
        if has_path_element(&node.op) {
            path = format!("{path}/{}", kind(&node.op));
        }
        for (number, input) in node.inputs.iter().enumerate() {
            let below = match node.inputs.len() {
                1 => path.clone(),
                _ => format!("{path}:{number}"),
            };
            let known = &mut paths[input.node];
            if known.as_ref().is_none_or(|k| below < *k) {
                *known = Some(below);
            }
        }
        paths[i] = Some(path);
    }
    paths.into_iter().map(Option::unwrap_or_default).collect()
}

/// Whether the operator counts on the way from a sink to what feeds it.
fn has_path_element(op: &OpSpec) -> bool {
    !matches!(
        op,
        OpSpec::Source(_)
            | OpSpec::Values(_)
            | OpSpec::Calc { .. }
            | OpSpec::WatermarkAssigner { .. }
            | OpSpec::Union
            | OpSpec::WindowTableFunction(_)
            | OpSpec::Unnest { .. }
            | OpSpec::Expand(_)
            | OpSpec::Branches(_)
            | OpSpec::ToChangelog { .. }
            | OpSpec::FromChangelog { .. }
            | OpSpec::DropUpdateBefore
            | OpSpec::DropLate { .. }
            | OpSpec::Sink(_)
            | OpSpec::Collect
    )
}

/// The operator in one word, without `-`: the first part of its identity.
fn kind(op: &OpSpec) -> &'static str {
    match op {
        OpSpec::Source(_) => "source",
        OpSpec::Values(_) => "values",
        OpSpec::Calc { .. } => "calc",
        OpSpec::WatermarkAssigner { .. } => "watermark",
        OpSpec::Union => "union",
        OpSpec::GroupAggregate { .. } => "group_aggregate",
        OpSpec::WindowTableFunction(_) => "window_table_function",
        OpSpec::WindowAggregate { .. } => "window_aggregate",
        OpSpec::Join(_) => "join",
        OpSpec::MultiJoin(_) => "multi_join",
        OpSpec::IntervalJoin { .. } => "interval_join",
        OpSpec::WindowJoin { .. } => "window_join",
        OpSpec::TemporalJoin { .. } => "temporal_join",
        OpSpec::LookupJoin(_) => "lookup_join",
        OpSpec::DeltaJoin(_) => "delta_join",
        OpSpec::Unnest { .. } => "unnest",
        OpSpec::Expand(_) => "expand",
        OpSpec::Branches(_) => "branches",
        OpSpec::Rank(_) => "rank",
        OpSpec::WindowRank { .. } => "window_rank",
        OpSpec::Deduplicate { .. } => "deduplicate",
        OpSpec::Over(_) => "over",
        OpSpec::Match(_) => "match",
        OpSpec::ToChangelog { .. } => "to_changelog",
        OpSpec::FromChangelog { .. } => "from_changelog",
        OpSpec::ChangelogNormalize { .. } => "changelog_normalize",
        OpSpec::Conflicts { .. } => "conflicts",
        OpSpec::DropUpdateBefore => "drop_update_before",
        OpSpec::DropLate { .. } => "drop_late",
        OpSpec::Sort { .. } => "sort",
        OpSpec::Limit { .. } => "limit",
        OpSpec::Sink(_) => "sink",
        OpSpec::Collect => "collect",
    }
}

#[cfg(test)]
mod tests {
    use weir_core::{DataType, Schema};
    use weir_functions::Expr;
    use weir_spec::{ChangelogMode, Distribution, InputSpec};

    use super::*;

    fn node(op: OpSpec, inputs: &[usize]) -> NodeSpec {
        let edge = |&node: &usize| InputSpec { node, distribution: Distribution::Forward };
        NodeSpec {
            uid: String::new(),
            name: String::new(),
            op,
            inputs: inputs.iter().map(edge).collect(),
            schema: Schema::default(),
            changelog: ChangelogMode::INSERT_ONLY,
            upsert_keys: vec![],
        }
    }

    fn limit() -> OpSpec {
        OpSpec::Limit { offset: 0, fetch: None, update_before: true }
    }

    fn calc() -> OpSpec {
        OpSpec::Calc { filter: None, projection: vec![Expr::column(0, DataType::bigint())] }
    }

    fn uids(mut nodes: Vec<NodeSpec>) -> Vec<String> {
        assign(&mut nodes);
        nodes.into_iter().map(|n| n.uid).collect()
    }

    #[test]
    fn projections_leave_the_state_its_name() {
        let values = || node(OpSpec::Values(vec![]), &[]);
        let plain = uids(vec![values(), node(limit(), &[0]), node(OpSpec::Collect, &[1])]);
        let more = uids(vec![
            values(),
            node(calc(), &[0]),
            node(limit(), &[1]),
            node(calc(), &[2]),
            node(OpSpec::Collect, &[3]),
        ]);
        assert_eq!(plain[1], more[2]);
        assert!(plain[1].starts_with("limit-"), "{plain:?}");
        assert_eq!(plain[2], "collect");
    }

    #[test]
    fn twins_have_names_of_their_own() {
        let all = uids(vec![
            node(OpSpec::Values(vec![]), &[]),
            node(limit(), &[0]),
            node(limit(), &[1]),
            node(limit(), &[0]),
            node(OpSpec::Union, &[2, 3]),
            node(OpSpec::Collect, &[4]),
        ]);
        let mut distinct = all.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), all.len(), "{all:?}");
    }
}
