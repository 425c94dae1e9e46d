//! Top-N, deduplication and window Top-N, recognised as a filter on a ranking call.

use weir_core::{Result, Schema, Value};
use weir_functions::Expr;
use weir_spec::{ChangelogMode, OpSpec, OverSpec, RankSpec};
use weir_sql::rel::{Rel, RelOp, conjuncts};

use super::{Built, Planner, Props, hash_or_single, is_time_attribute};

pub(super) const RANKING: [&str; 3] = ["ROW_NUMBER", "RANK", "DENSE_RANK"];

/// Bounds on the rank column found in a filter, and what else the filter says.
struct Bounds {
    start: u64,
    end: u64,
    rest: Vec<Expr>,
}

/// `rank op literal` as (operator, n), whichever side the column is on.
fn rank_comparison(expr: &Expr, rank: usize) -> Option<(&str, i64)> {
    let Expr::Call { function, args, .. } = expr else { return None };
    let [a, b] = args.as_slice() else { return None };
    let is_rank = |e: &Expr| match e {
        Expr::Column { index, .. } => *index == rank,
        Expr::Cast { arg, .. } => matches!(**arg, Expr::Column { index, .. } if index == rank),
        _ => false,
    };
    let number = |e: &Expr| integer_literal(e);
    if is_rank(a) {
        return Some((function, number(b)?));
    }
    if is_rank(b) {
        let flipped = match function.as_str() {
            "<" => ">",
            "<=" => ">=",
            ">" => "<",
            ">=" => "<=",
            other => other,
        };
        return Some((flipped, number(a)?));
    }
    None
}

fn integer_literal(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Literal { value: Value::Int(n), .. } => Some(*n),
        Expr::Cast { arg, .. } => integer_literal(arg),
        _ => None,
    }
}

fn bounds(predicate: &Expr, rank: usize) -> Option<Bounds> {
    let (mut start, mut end) = (1i64, i64::MAX);
    let mut rest = Vec::new();
    for c in conjuncts(predicate.clone()) {
        match rank_comparison(&c, rank) {
            Some(("=", n)) => {
                start = start.max(n);
                end = end.min(n);
            }
            Some(("<", n)) => end = end.min(n - 1),
            Some(("<=", n)) => end = end.min(n),
            Some((">", n)) => start = start.max(n + 1),
            Some((">=", n)) => start = start.max(n),
            _ => rest.push(c),
        }
    }
    (end < i64::MAX).then_some(Bounds { start: start as u64, end: end.max(0) as u64, rest })
}

/// The OVER below a filter, when it is a single ranking call.
fn ranking_over(input: &Rel) -> Option<(&Rel, &OverSpec)> {
    let RelOp::Over { input, over } = &input.op else { return None };
    let [call] = over.calls.as_slice() else { return None };
    RANKING.contains(&call.function.as_str()).then_some((&**input, over))
}

impl Planner<'_> {
    /// Whether a filter above this node is a Top-N.
    pub(super) fn is_rank(&self, input: &Rel, predicate: &Expr) -> bool {
        ranking_over(input)
            .is_some_and(|(below, _)| bounds(predicate, below.schema.len()).is_some())
    }

    /// Plans a filter on a ranking call; `None` if it is not one.
    pub(super) fn try_rank(
        &mut self,
        input: &Rel,
        predicate: &Expr,
        ub: bool,
        rank_used: bool,
    ) -> Result<Option<Built>> {
        let Some((below, over)) = ranking_over(input) else { return Ok(None) };
        let rank_column = below.schema.len();
        let Some(b) = bounds(predicate, rank_column) else { return Ok(None) };
        let mut rest_columns = Vec::new();
        b.rest.iter().for_each(|e| e.collect_columns(&mut rest_columns));
        let output_rank = rank_used || rest_columns.contains(&rank_column);
        let built = self.build(below, true)?;
        let need_before = ub || !b.rest.is_empty();
        let rank = RankSpec {
            partition: over.partition.clone(),
            order_by: over.order_by.clone(),
            start: b.start,
            end: b.end,
            function: over.calls[0].function.clone(),
            output_rank: output_rank && b.start != b.end || over.calls[0].function != "ROW_NUMBER",
            update_before: need_before,
        };
        let ranked = self.rank_operator(built, rank, need_before)?;
        let full = self.restore_rank(ranked, &input.schema, b.start);
        Ok(Some(match b.rest.into_iter().reduce(and) {
            Some(p) => self.filter(full, p),
            None => full,
        }))
    }

    fn rank_operator(&mut self, input: Built, rank: RankSpec, ub: bool) -> Result<Built> {
        let schema = self.schema(&input).clone();
        let mut out = schema.clone();
        if rank.output_rank {
            out.fields
                .push(weir_core::Field::new("rank", weir_core::DataType::bigint().not_null()));
        }
        if let Some(w) = input.props.window
            && rank.partition.contains(&w.start)
            && rank.partition.contains(&w.end)
        {
            let mut rank = rank;
            rank.partition.retain(|&c| c != w.start && c != w.end && Some(c) != w.time);
            let distribution = hash_or_single(&rank.partition);
            let op = OpSpec::WindowRank { rank, window: (w.start, w.end) };
            let edge = vec![(input.node, distribution)];
            let node = self.add("WindowRank", op, edge, out, ChangelogMode::INSERT_ONLY);
            return Ok(Built { node, props: Props { unique: vec![], window: Some(w) } });
        }
        let unique = if rank.end == rank.start && rank.function == "ROW_NUMBER" {
            vec![rank.partition.clone()]
        } else {
            vec![]
        };
        let edge = vec![(input.node, hash_or_single(&rank.partition))];
        let insert_only = self.mode(&input).is_insert_only();
        let props = Props { unique, window: None };
        if self.settings.batch {
            let mode = ChangelogMode::INSERT_ONLY;
            let node = self.add("Rank", OpSpec::Rank(rank), edge, out, mode);
            return Ok(Built { node, props });
        }
        if let (Some(dedup), true) = (deduplicate(&rank, &schema, ub), insert_only) {
            let mode = if dedup_emits_updates(&dedup) {
                ChangelogMode { update_before: ub, update_after: true, delete: false }
            } else {
                ChangelogMode::INSERT_ONLY
            };
            let node = self.add("Deduplicate", dedup, edge, out, mode);
            return Ok(Built { node, props });
        }
        let mode = ChangelogMode { update_before: ub, update_after: true, delete: true };
        let node = self.add("Rank", OpSpec::Rank(rank), edge, out, mode);
        Ok(Built { node, props })
    }

    /// Puts the rank column back when the operator does not produce it: it is constant then, or unread.
    fn restore_rank(&mut self, built: Built, schema: &Schema, start: u64) -> Built {
        if self.schema(&built).len() == schema.len() {
            let projection = super::identity(schema);
            return self.calc(built, None, projection, schema.clone());
        }
        let width = schema.len() - 1;
        let mut projection: Vec<Expr> = super::identity(schema);
        projection.truncate(width);
        projection.push(Expr::literal(Value::Int(start as i64), schema.fields[width].ty.clone()));
        self.calc(built, None, projection, schema.clone())
    }
}

fn and(a: Expr, b: Expr) -> Expr {
    let nullable = a.ty().nullable || b.ty().nullable;
    Expr::call("AND", vec![a, b], weir_core::DataType::boolean().with_nullable(nullable))
}

/// First or last row by a time attribute.
fn deduplicate(rank: &RankSpec, schema: &Schema, ub: bool) -> Option<OpSpec> {
    let [key] = rank.order_by.as_slice() else { return None };
    let first = rank.start == 1 && rank.end == 1 && rank.function == "ROW_NUMBER";
    if !first || rank.output_rank || !is_time_attribute(schema, key.column) {
        return None;
    }
    let event =
        schema.fields[key.column].ty.time_attribute() == weir_core::types::TimeAttribute::Rowtime;
    Some(OpSpec::Deduplicate {
        keys: rank.partition.clone(),
        rowtime: event.then_some(key.column),
        keep_last: key.descending,
        update_before: ub,
    })
}

/// Keep-first never changes its mind: by event time it waits for the watermark.
fn dedup_emits_updates(op: &OpSpec) -> bool {
    !matches!(op, OpSpec::Deduplicate { keep_last: false, .. })
}
