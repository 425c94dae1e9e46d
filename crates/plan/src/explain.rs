//! EXPLAIN: the plan as an indented tree, with row kinds and keys per node.

use std::fmt::Write;

use weir_core::Schema;
use weir_functions::Expr;
use weir_spec::{
    Distribution, LookupSpec, MultiJoinInput, MultiJoinSpec, NodeSpec, OpSpec, Plan, SourceSpec,
};
use weir_sql::rel::{Rel, RelOp};

/// What is said of the operators beside what they do.
#[derive(Debug, Clone, Copy, Default)]
pub struct Details<'a> {
    /// The row kinds that leave them.
    pub modes: bool,
    /// The numbers of [`estimated_rows`].
    pub rows: &'a [Option<f64>],
    /// Their state tables; milliseconds of `table.exec.state.ttl`.
    pub state_ttl: Option<i64>,
}

/// Prints the tree below a root node.
pub fn explain(plan: &Plan, root: usize, details: Details<'_>) -> String {
    let mut out = String::new();
    write_node(plan, root, 0, details, &mut out);
    out
}

/// Rows that leave each node of a plan, where that can be told without reading data: from
/// the numbers that tables know of themselves, the selectivity of filters and limits.
pub fn estimated_rows(
    plan: &Plan,
    table_rows: &dyn Fn(&SourceSpec, &Schema) -> Option<u64>,
) -> Vec<Option<f64>> {
    let mut rows: Vec<Option<f64>> = Vec::with_capacity(plan.nodes.len());
    for n in &plan.nodes {
        let input = n.inputs.first().and_then(|i| rows[i.node]);
        let least = |fetch: &Option<u64>| match (input, fetch) {
            (Some(r), Some(n)) => Some(r.min(*n as f64)),
            (r, n) => r.or(n.map(|n| n as f64)),
        };
        rows.push(match &n.op {
            OpSpec::Source(s) => table_rows(s, &n.schema).map(|r| r as f64),
            OpSpec::Values(v) => Some(v.len() as f64),
            OpSpec::Calc { filter: Some(f), .. } => {
                input.map(|r| r * weir_functions::selectivity(f))
            }
            OpSpec::Union => n.inputs.iter().map(|i| rows[i.node]).sum(),
            OpSpec::Limit { fetch, .. } | OpSpec::Sort { fetch, .. } => least(fetch),
            OpSpec::Calc { .. }
            | OpSpec::WatermarkAssigner { .. }
            | OpSpec::ChangelogNormalize { .. }
            | OpSpec::Conflicts { .. }
            | OpSpec::DropUpdateBefore
            | OpSpec::Over(_)
            | OpSpec::Sink(_)
            | OpSpec::Collect => input,
            OpSpec::GroupAggregate { keys, .. } if keys.is_empty() => Some(1.0),
            OpSpec::Expand(sets) => input.map(|r| r * sets.len() as f64),
            _ => None,
        });
    }
    rows
}

/// What EXPLAIN PLAN_ADVICE says of a plan.
pub fn advice(plan: &Plan) -> String {
    let unbounded = |op: &OpSpec| matches!(op, OpSpec::GroupAggregate { keys, state_ttl: 0, .. } if !keys.is_empty());
    let grows = plan.nodes.iter().filter(|n| unbounded(&n.op)).count();
    if grows == 0 {
        return "No available advice...\n".to_owned();
    }
    format!(
        "advice[1]: [ADVICE] The state of {grows} GroupAggregate(s) grows with every new key. \
         'table.exec.state.ttl' or a STATE_TTL hint forgets keys that are not used any more.\n"
    )
}

/// The plan as it was bound: one logical operator a line.
pub fn logical(rel: &Rel) -> String {
    let mut out = String::new();
    write_rel(rel, 0, &mut out);
    out
}

/// The same below a sink.
pub fn logical_sink(table: &str, rel: &Rel) -> String {
    let columns: Vec<&str> = rel.schema.fields.iter().map(|f| f.name.as_str()).collect();
    let mut out = format!("LogicalSink(table=[{table}], fields=[{}])\n", columns.join(", "));
    write_rel(rel, 1, &mut out);
    out
}

fn write_rel(rel: &Rel, depth: usize, out: &mut String) {
    let indent = if depth == 0 { String::new() } else { format!("{}+- ", "   ".repeat(depth - 1)) };
    let _ = writeln!(out, "{indent}{}", logical_operator(rel));
    for i in rel.inputs() {
        write_rel(i, depth + 1, out);
    }
}

fn logical_operator(rel: &Rel) -> String {
    let columns =
        |list: &[usize]| list.iter().map(|c| format!("${c}")).collect::<Vec<_>>().join(", ");
    match &rel.op {
        RelOp::Scan(s) => {
            format!("LogicalTableScan(table=[[{}]])", s.table.identifier.replace('.', ", "))
        }
        RelOp::Values(rows) => format!("LogicalValues(tuples=[{} rows])", rows.len()),
        RelOp::Project { exprs, .. } => {
            let named = exprs.iter().zip(&rel.schema.fields);
            let list: Vec<String> =
                named.map(|(e, f)| format!("{}=[{}]", f.name, show(e))).collect();
            format!("LogicalProject({})", list.join(", "))
        }
        RelOp::Filter { predicate, .. } => {
            format!("LogicalFilter(condition=[{}])", show(predicate))
        }
        RelOp::Watermark { rowtime, watermark, .. } => {
            format!(
                "LogicalWatermarkAssigner(rowtime=[${rowtime}], watermark=[{}])",
                show(watermark)
            )
        }
        RelOp::Aggregate { keys, calls, .. } | RelOp::GroupWindowAggregate { keys, calls, .. } => {
            let calls: Vec<String> =
                calls.iter().map(|c| format!("{}({})", c.function, columns(&c.args))).collect();
            format!("LogicalAggregate(group=[{{{}}}], calls=[{}])", columns(keys), calls.join(", "))
        }
        RelOp::WindowTvf { window, .. } => {
            format!("LogicalTableFunctionScan(window=[{:?}])", window.kind)
        }
        RelOp::Expand { projections, .. } => format!("LogicalExpand(sets=[{}])", projections.len()),
        RelOp::Join { kind, condition, .. } => {
            format!(
                "LogicalJoin(condition=[{}], joinType=[{}])",
                show(condition),
                format!("{kind:?}").to_lowercase()
            )
        }
        RelOp::TemporalJoin { kind, condition, .. } => {
            format!(
                "LogicalTemporalJoin(condition=[{}], joinType=[{}])",
                show(condition),
                format!("{kind:?}").to_lowercase()
            )
        }
        RelOp::LookupJoin { kind, condition, .. } => {
            format!(
                "LogicalLookupJoin(condition=[{}], joinType=[{}])",
                show(condition),
                format!("{kind:?}").to_lowercase()
            )
        }
        RelOp::Unnest { collection, .. } => {
            format!("LogicalUncollect(collection=[{}])", show(collection))
        }
        RelOp::Union(_) => "LogicalUnion(all=[true])".to_owned(),
        RelOp::Sort { keys, offset, fetch, .. } => {
            let keys: Vec<String> = keys
                .iter()
                .map(|k| format!("${} {}", k.column, if k.descending { "DESC" } else { "ASC" }))
                .collect();
            let fetch = fetch.map_or(String::new(), |n| format!(", fetch=[{n}]"));
            format!("LogicalSort(sort=[{}], offset=[{offset}]{fetch})", keys.join(", "))
        }
        RelOp::Over { .. } => "LogicalWindow()".to_owned(),
        RelOp::Match { .. } => "LogicalMatch()".to_owned(),
        RelOp::ToChangelog { .. } => "LogicalTableFunctionScan(TO_CHANGELOG)".to_owned(),
        RelOp::FromChangelog { .. } => "LogicalTableFunctionScan(FROM_CHANGELOG)".to_owned(),
    }
}

/// The graph as Flink's JSON: nodes with what they read and how rows get there.
pub fn json(plan: &Plan, parallelism: usize) -> String {
    let quoted = |s: &str| {
        let mut out = String::from("\"");
        for c in s.chars() {
            match c {
                '"' | '\\' => out.extend(['\\', c]),
                c if c.is_control() => {
                    let _ = write!(out, "\\u{:04x}", u32::from(c));
                }
                c => out.push(c),
            }
        }
        out.push('"');
        out
    };
    let mut nodes = Vec::new();
    for (id, n) in plan.nodes.iter().enumerate() {
        let predecessors: Vec<String> = n
            .inputs
            .iter()
            .map(|i| {
                let names = &plan.nodes[i.node].schema;
                let how = distribution(&i.distribution, |c| names.fields[c].name.clone());
                let how = quoted(&how.to_uppercase());
                format!(
                    "{{\"id\": {}, \"ship_strategy\": {how}, \"side\": \"second\"}}",
                    i.node + 1
                )
            })
            .collect();
        let pact = if n.inputs.is_empty() { "Data Source" } else { "Operator" };
        nodes.push(format!(
            "    {{\"id\": {}, \"type\": {}, \"pact\": \"{pact}\", \"parallelism\": {parallelism}, \"predecessors\": [{}]}}",
            id + 1,
            quoted(&n.name),
            predecessors.join(", ")
        ));
    }
    format!("{{\n  \"nodes\": [\n{}\n  ]\n}}\n", nodes.join(",\n"))
}

fn write_node(plan: &Plan, node: usize, depth: usize, shown: Details<'_>, out: &mut String) {
    let n = &plan.nodes[node];
    let indent = if depth == 0 { String::new() } else { format!("{}+- ", "   ".repeat(depth - 1)) };
    let columns: Vec<&str> = n.schema.fields.iter().map(|f| f.name.as_str()).collect();
    let _ = write!(out, "{indent}{}({}columns=[{}]", n.name, details(n), columns.join(", "));
    if shown.modes {
        let _ = write!(out, ", changelogMode=[{}]", n.changelog);
    }
    if !n.upsert_keys.is_empty() {
        let key = |k: &Vec<usize>| {
            let names: Vec<&str> = k.iter().map(|&c| columns[c]).collect();
            format!("({})", names.join(", "))
        };
        let keys: Vec<String> = n.upsert_keys.iter().map(key).collect();
        let _ = write!(out, ", upsertKeys=[{}]", keys.join(", "));
    }
    if let Some(ttl) = shown.state_ttl {
        let tables = crate::state::tables(plan, node, ttl);
        let tables: Vec<String> =
            tables.iter().map(|(name, kept)| format!("{name}: ttl={kept}")).collect();
        if !tables.is_empty() {
            let _ = write!(out, ", state=[{}]", tables.join(", "));
        }
    }
    out.push(')');
    match shown.rows.get(node) {
        Some(Some(n)) => drop(write!(out, ": rowcount = {}", n.round())),
        Some(None) => out.push_str(": rowcount unknown"),
        None => {}
    }
    out.push('\n');
    for i in &n.inputs {
        let mut depth = depth + 1;
        if i.distribution != Distribution::Forward {
            let names = &plan.nodes[i.node].schema;
            let how = distribution(&i.distribution, |c| names.fields[c].name.clone());
            let indent = format!("{}+- ", "   ".repeat(depth - 1));
            let _ = writeln!(out, "{indent}Exchange(distribution=[{how}])");
            depth += 1;
        }
        write_node(plan, i.node, depth, shown, out);
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
        OpSpec::MultiJoin(m) => multi_join(m),
        OpSpec::Branches(branches) => {
            let filters: Vec<String> =
                branches.iter().map(|b| b.filter.as_ref().map_or("all".to_owned(), show)).collect();
            format!("branches=[{}], ", filters.join("; "))
        }
        OpSpec::LookupJoin(l) => lookup(l),
        OpSpec::DeltaJoin(sides) => {
            let [left, right] = &**sides;
            format!("leftLookup=[{}], rightLookup=[{}], ", lookup(left), lookup(right))
        }
        OpSpec::Rank(r) | OpSpec::WindowRank { rank: r, .. } => format!(
            "rankType=[{}], rankRange=[{}..{}], partitionBy={:?}, ",
            r.function, r.start, r.end, r.partition
        ),
        _ => String::new(),
    }
}

fn lookup(l: &LookupSpec) -> String {
    let rest =
        l.join.condition.as_ref().map_or(String::new(), |c| format!("where=[{}], ", show(c)));
    format!(
        "table=[{}], joinType=[{:?}], leftKeys={:?}, rightKeys={:?}, cache=[{:?}], {rest}",
        l.source.table.identifier, l.join.kind, l.join.left_keys, l.join.right_keys, l.cache
    )
}

fn multi_join(spec: &MultiJoinSpec) -> String {
    let later = || spec.inputs.iter().skip(1);
    let kinds: Vec<&str> = later().map(|i| if i.left { "LEFT" } else { "INNER" }).collect();
    let keys: Vec<String> = spec.inputs.iter().map(|i| format!("{:?}", i.keys)).collect();
    let rest = |i: &MultiJoinInput| i.condition.as_ref().map_or("true".to_owned(), show);
    let rest: Vec<String> = later().map(rest).collect();
    format!(
        "joinTypes=[{}], commonJoinKey=[{}], joinConditions=[{}], ",
        kinds.join(", "),
        keys.join(", "),
        rest.join(", ")
    )
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
