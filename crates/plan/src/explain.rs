//! EXPLAIN: the plan as an indented tree, with row kinds and keys per node.

use std::fmt::Write;

use weir_functions::Expr;
use weir_spec::{Distribution, NodeSpec, OpSpec, Plan};

/// Prints the tree below a root node. `modes` adds the row kinds of every edge.
pub fn explain(plan: &Plan, root: usize, modes: bool) -> String {
    let mut out = String::new();
    write_node(plan, root, 0, modes, &mut out);
    out
}

fn write_node(plan: &Plan, node: usize, depth: usize, modes: bool, out: &mut String) {
    let n = &plan.nodes[node];
    let indent = if depth == 0 { String::new() } else { format!("{}+- ", "   ".repeat(depth - 1)) };
    let columns: Vec<&str> = n.schema.fields.iter().map(|f| f.name.as_str()).collect();
    let _ = write!(out, "{indent}{}({}columns=[{}]", n.name, details(n), columns.join(", "));
    if modes {
        let _ = write!(out, ", changelogMode=[{}]", n.changelog);
    }
    out.push_str(")\n");
    for i in &n.inputs {
        let mut depth = depth + 1;
        if i.distribution != Distribution::Forward {
            let names = &plan.nodes[i.node].schema;
            let how = distribution(&i.distribution, |c| names.fields[c].name.clone());
            let indent = format!("{}+- ", "   ".repeat(depth - 1));
            let _ = writeln!(out, "{indent}Exchange(distribution=[{how}])");
            depth += 1;
        }
        write_node(plan, i.node, depth, modes, out);
    }
}

fn distribution(d: &Distribution, name: impl Fn(usize) -> String) -> String {
    match d {
        Distribution::Forward => "forward".to_owned(),
        Distribution::Hash(k) => {
            format!("hash[{}]", k.iter().map(|&c| name(c)).collect::<Vec<_>>().join(", "))
        }
        Distribution::Single => "single".to_owned(),
        Distribution::Rebalance => "rebalance".to_owned(),
        Distribution::SinkBucket => "bucket".to_owned(),
    }
}

fn details(node: &NodeSpec) -> String {
    match &node.op {
        OpSpec::Calc { filter, projection } => {
            let list: Vec<String> = projection.iter().map(show).collect();
            let filter =
                filter.as_ref().map_or(String::new(), |f| format!("where=[{}], ", show(f)));
            format!("select=[{}], {filter}", list.join(", "))
        }
        OpSpec::WatermarkAssigner { rowtime, watermark, .. } => {
            format!("rowtime=[${rowtime}], watermark=[{}], ", show(watermark))
        }
        OpSpec::GroupAggregate { keys, calls, .. } => {
            let calls: Vec<String> = calls.iter().map(call).collect();
            format!("groupBy={keys:?}, select=[{}], ", calls.join(", "))
        }
        OpSpec::WindowAggregate { keys, calls, window, .. } => {
            let calls: Vec<String> = calls.iter().map(call).collect();
            format!("groupBy={keys:?}, window={:?}, select=[{}], ", window.kind, calls.join(", "))
        }
        OpSpec::Join(j)
        | OpSpec::IntervalJoin { join: j, .. }
        | OpSpec::WindowJoin { join: j, .. }
        | OpSpec::TemporalJoin { join: j, .. } => {
            let rest =
                j.condition.as_ref().map_or(String::new(), |c| format!("where=[{}], ", show(c)));
            format!(
                "joinType=[{:?}], leftKeys={:?}, rightKeys={:?}, {rest}",
                j.kind, j.left_keys, j.right_keys
            )
        }
        OpSpec::Rank(r) | OpSpec::WindowRank { rank: r, .. } => format!(
            "rankType=[{}], rankRange=[{}..{}], partitionBy={:?}, ",
            r.function, r.start, r.end, r.partition
        ),
        _ => String::new(),
    }
}

fn call(c: &weir_spec::AggregateCall) -> String {
    let args: Vec<String> = c.args.iter().map(|a| format!("${a}")).collect();
    let distinct = if c.distinct { "DISTINCT " } else { "" };
    let args = if args.is_empty() { "*".to_owned() } else { args.join(", ") };
    format!("{}({distinct}{args}) AS {}", c.function, c.name)
}

/// A compact rendering of an expression with `$n` for columns.
fn show(e: &Expr) -> String {
    match e {
        Expr::Column { index, .. } => format!("${index}"),
        Expr::Literal { value, .. } => format!("{value:?}"),
        Expr::Call { function, args, .. } => {
            let args: Vec<String> = args.iter().map(show).collect();
            format!("{function}({})", args.join(", "))
        }
        Expr::Cast { arg, ty, safe } => {
            format!("{}({} AS {ty})", if *safe { "TRY_CAST" } else { "CAST" }, show(arg))
        }
        Expr::Case { branches, otherwise, .. } => {
            let mut s = "CASE".to_owned();
            for (c, r) in branches {
                let _ = write!(s, " WHEN {} THEN {}", show(c), show(r));
            }
            format!("{s} ELSE {} END", show(otherwise))
        }
        Expr::Field { arg, index, .. } => format!("{}.${index}", show(arg)),
    }
}
