//! What the encoding and the meaning of an operator's state depend on, as a hash: a
//! checkpoint's state is only given to an operator with the same one.

use serde_json::Value;
use weir_core::{Field, TypeKind};
use weir_functions::Expr;
use weir_ops::shown::StateSpec;
use weir_spec::{Distribution, InputSpec, NodeSpec, OpSpec, Plan};
use xxhash_rust::xxh3::xxh3_64;

use crate::recovery::NodeState;

/// Name of key columns that are not shown.
pub const UNUSED: &str = "$";

/// The nodes of a plan, as far as their state is concerned.
pub fn node_states(plan: &Plan) -> Vec<NodeState> {
    plan.nodes
        .iter()
        .map(|n| {
            let layout = layout(n, plan);
            let key = if layout.is_empty() { Vec::new() } else { key(n, plan) };
            let (uid, name, spec) = (n.uid.clone(), n.name.clone(), spec(n, plan));
            NodeState { uid, name, layout, key, spec }
        })
        .collect()
}

/// The columns that an operator's state is kept by: its window, those that its rows are
/// distributed by.
fn key(node: &NodeSpec, plan: &Plan) -> Vec<Field> {
    let mut fields = window(&node.op);
    fields.extend(distributed_by(node, plan));
    fields
}

/// Where the state is kept by windows: end and start of them, or the end of the slices that
/// they consist of.
fn window(op: &OpSpec) -> Vec<Field> {
    let names = match op {
        OpSpec::WindowAggregate { attached: Some(_), .. }
        | OpSpec::WindowJoin { .. }
        | OpSpec::WindowRank { .. } => ["window_end", "window_start"],
        OpSpec::WindowAggregate { window, .. }
            if !matches!(window.kind, weir_spec::WindowKind::Session { .. }) =>
        {
            ["slice_end", UNUSED]
        }
        _ => return Vec::new(),
    };
    let ty = || TypeKind::Timestamp(3, weir_core::TimeAttribute::None).into();
    names.into_iter().map(|name| Field::new(name, ty())).collect()
}

fn distributed_by(node: &NodeSpec, plan: &Plan) -> Vec<Field> {
    match node.inputs.first() {
        Some(InputSpec { node: input, distribution: Distribution::Hash(columns) }) => {
            let fields = &plan.nodes[*input].schema.fields;
            let named = |&c: &usize| {
                let ty = fields.get(c)?.ty.clone();
                Some(Field::new(column_name(plan, *input, c)?, ty))
            };
            columns.iter().filter_map(named).collect()
        }
        _ => Vec::new(),
    }
}

/// What the values of an operator's state are read by, where they can be shown.
fn spec(node: &NodeSpec, plan: &Plan) -> Option<Value> {
    if !StateSpec::describes(&node.op) {
        return None;
    }
    let named = |input: &InputSpec| {
        let mut schema = plan.nodes[input.node].schema.clone();
        for (c, field) in schema.fields.iter_mut().enumerate() {
            field.name = column_name(plan, input.node, c).unwrap_or_default();
        }
        schema
    };
    let inputs = node.inputs.iter().map(named).collect();
    let first = node.inputs.first().map(|i| plan.nodes[i.node].changelog);
    let retracts = first.is_none_or(|mode| !mode.is_insert_only());
    serde_json::to_value(StateSpec { op: node.op.clone(), inputs, retracts }).ok()
}

/// The name of a node's column, or of the input's that it repeats: binders name columns
/// between operators by number.
fn column_name(plan: &Plan, node: usize, column: usize) -> Option<String> {
    let spec = &plan.nodes[node];
    let own = &spec.schema.fields.get(column)?.name;
    let below = match &spec.op {
        OpSpec::Calc { projection, .. } => match projection.get(column) {
            Some(Expr::Column { index, .. }) => Some(*index),
            _ => None,
        },
        OpSpec::WatermarkAssigner { .. } => Some(column),
        _ => None,
    };
    let traced = below.filter(|_| own.starts_with('$')).and_then(|below| {
        let input = spec.inputs.first()?.node;
        column_name(plan, input, below)
    });
    Some(traced.unwrap_or_else(|| own.clone()))
}

/// The hash; empty for operators without state.
fn layout(node: &NodeSpec, plan: &Plan) -> String {
    let text = match &node.op {
        OpSpec::Calc { .. }
        | OpSpec::Union
        | OpSpec::WindowTableFunction(_)
        | OpSpec::Unnest { .. }
        | OpSpec::Expand(_)
        | OpSpec::Branches(_)
        | OpSpec::ToChangelog { .. }
        | OpSpec::FromChangelog { .. }
        | OpSpec::DropUpdateBefore => return String::new(),
        // Positions and committables are the connector's business, whatever columns are used.
        OpSpec::Source(s) => format!("source {}", connector(&s.table.options)),
        OpSpec::Sink(s) => format!("sink {}", connector(&s.table.options)),
        OpSpec::Values(_) => "values".to_owned(),
        OpSpec::WatermarkAssigner { .. } => "watermark".to_owned(),
        op => {
            let inputs: Vec<_> =
                node.inputs.iter().map(|i| &plan.nodes[i.node].schema.fields).collect();
            let mut op = serde_json::to_value(op).unwrap_or(Value::Null);
            strip(&mut op);
            format!("{op} {}", serde_json::to_value(inputs).unwrap_or(Value::Null))
        }
    };
    format!("{:016x}", xxh3_64(text.as_bytes()))
}

fn connector(options: &weir_core::Options) -> &str {
    options.get("connector").unwrap_or("paimon")
}

/// Removes what changes the output but not the state.
fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|k, _| k != "update_before" && k != "state_ttl");
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use weir_core::Schema;
    use weir_spec::ChangelogMode;

    use super::*;

    fn hash(keys: Vec<usize>, update_before: bool) -> String {
        let op = OpSpec::ChangelogNormalize { keys, update_before };
        let node = NodeSpec {
            uid: "u".into(),
            name: "n".into(),
            op,
            inputs: vec![],
            schema: Schema::default(),
            changelog: ChangelogMode::ALL,
            upsert_keys: vec![],
        };
        layout(&node, &Plan::default())
    }

    #[test]
    fn keys_count_and_what_the_consumer_wants_does_not() {
        assert_eq!(hash(vec![0], true), hash(vec![0], false));
        assert_ne!(hash(vec![0], true), hash(vec![1], true));
    }
}
