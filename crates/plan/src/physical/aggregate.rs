//! Group and window aggregation, window table functions, OVER, sorting and limits.

use weir_core::types::TimeAttribute;
use weir_core::{DataType, Error, Field, Result, Schema};
use weir_functions::Expr;
use weir_spec::{
    AggregateCall, ChangelogMode, Distribution, OpSpec, OverSpec, RankSpec, SortKey, WindowKind,
    WindowSpec,
};
use weir_sql::rel::{Rel, RelOp};

use super::{Built, Planner, Props, WindowColumns, hash_or_single, is_time_attribute};

/// What a column is once the window function below it is taken out.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Column {
    Plain(usize),
    Start,
    End,
    Time,
}

/// A plan whose window function was taken out, to let the aggregate assign windows itself.
struct Stripped {
    rel: Rel,
    columns: Vec<Column>,
    window: WindowSpec,
}

/// Takes a window function out from under projections and filters that do not
/// compute with its columns.
fn strip_window(rel: &Rel) -> Option<Stripped> {
    match &rel.op {
        RelOp::WindowTvf { input, window } => {
            let width = input.schema.len();
            let mut columns: Vec<Column> = (0..width).map(Column::Plain).collect();
            columns.extend([Column::Start, Column::End, Column::Time]);
            Some(Stripped { rel: (**input).clone(), columns, window: window.clone() })
        }
        RelOp::Filter { input, predicate } => {
            let s = strip_window(input)?;
            let predicate = plain(predicate, &s.columns)?;
            Some(Stripped { rel: s.rel.filter(predicate), ..s })
        }
        RelOp::Project { input, exprs } => strip_project(strip_window(input)?, exprs, &rel.schema),
        _ => None,
    }
}

fn strip_project(s: Stripped, exprs: &[Expr], schema: &Schema) -> Option<Stripped> {
    let (mut kept, mut names, mut columns) = (Vec::new(), Vec::new(), Vec::new());
    for (e, f) in exprs.iter().zip(&schema.fields) {
        if let Expr::Column { index, .. } = e
            && !matches!(s.columns[*index], Column::Plain(_))
        {
            columns.push(s.columns[*index]);
            continue;
        }
        columns.push(Column::Plain(kept.len()));
        kept.push(plain(e, &s.columns)?);
        names.push(f.name.clone());
    }
    let time = s.window.time_column;
    kept.push(Expr::column(time, s.rel.schema.fields[time].ty.clone()));
    names.push(s.rel.schema.fields[time].name.clone());
    let mut window = s.window;
    window.time_column = kept.len() - 1;
    if let WindowKind::Session { partition, .. } = &mut window.kind {
        for p in partition {
            *p = kept.iter().position(|e| matches!(e, Expr::Column { index, .. } if index == p))?;
        }
    }
    Some(Stripped { rel: s.rel.project(kept, names), columns, window })
}

/// The expression over the stripped input, unless it reads a window column.
fn plain(expr: &Expr, columns: &[Column]) -> Option<Expr> {
    let mut used = Vec::new();
    expr.collect_columns(&mut used);
    if used.iter().any(|&c| !matches!(columns[c], Column::Plain(_))) {
        return None;
    }
    Some(expr.clone().map_columns(&mut |i, ty| match columns[i] {
        Column::Plain(p) => Expr::column(p, ty),
        _ => Expr::column(i, ty),
    }))
}

/// An aggregate's keys and calls over a stripped input.
fn strip_aggregate(
    stripped: &Stripped,
    keys: &[usize],
    calls: &[AggregateCall],
) -> Option<(Vec<usize>, Vec<AggregateCall>)> {
    let at = |c: usize| match stripped.columns[c] {
        Column::Plain(p) => Some(p),
        _ => None,
    };
    let has = |w| keys.iter().any(|&k| stripped.columns[k] == w);
    if !has(Column::Start) || !has(Column::End) {
        return None;
    }
    let plain_keys: Vec<usize> = keys.iter().filter_map(|&k| at(k)).collect();
    if let WindowKind::Session { partition, .. } = &stripped.window.kind {
        let mut a = partition.clone();
        let mut b = plain_keys.clone();
        a.sort_unstable();
        b.sort_unstable();
        if a != b {
            return None;
        }
    }
    let calls = calls
        .iter()
        .map(|c| {
            let mut c = c.clone();
            for a in &mut c.args {
                *a = at(*a)?;
            }
            if let Some(f) = c.filter {
                c.filter = Some(at(f)?);
            }
            for k in &mut c.order_by {
                k.column = at(k.column)?;
            }
            Some(c)
        })
        .collect::<Option<Vec<_>>>()?;
    Some((plain_keys, calls))
}

impl Planner<'_> {
    pub(super) fn build_aggregate(
        &mut self,
        input: &Rel,
        keys: &[usize],
        calls: &[AggregateCall],
        rel: &Rel,
        ub: bool,
    ) -> Result<Built> {
        if let Some(s) = strip_window(input)
            && let Some((plain_keys, plain_calls)) = strip_aggregate(&s, keys, calls)
        {
            divides(&s.window.kind)?;
            let below = self.build(&s.rel, true)?;
            if s.window.event_time {
                self.keeps_event_time(
                    &below,
                    "The window function requires the timecol is a time attribute type",
                )?;
            }
            let built =
                self.window_aggregate(below, s.window.clone(), None, &plain_keys, &plain_calls)?;
            let roles: Vec<Column> = keys.iter().map(|&k| s.columns[k]).collect();
            return Ok(self.arrange_window(built, &roles, &plain_keys, calls.len(), rel));
        }
        let built = self.build(input, true)?;
        if let Some(w) = built.props.window
            && keys.contains(&w.start)
            && keys.contains(&w.end)
        {
            return self.attached_aggregate(built, w, keys, calls, rel);
        }
        self.group_aggregate(built, keys, calls, rel, ub)
    }

    fn group_aggregate(
        &mut self,
        input: Built,
        keys: &[usize],
        calls: &[AggregateCall],
        rel: &Rel,
        ub: bool,
    ) -> Result<Built> {
        let input_mode = self.mode(&input);
        let op = OpSpec::GroupAggregate {
            keys: keys.to_vec(),
            calls: calls.to_vec(),
            update_before: ub,
            input_retracts: input_mode.update_before || input_mode.delete,
            state_ttl: self.hinted_ttl(input.node).unwrap_or(self.settings.state_ttl),
        };
        let mode = if self.settings.batch || (calls.is_empty() && input_mode.is_insert_only()) {
            ChangelogMode::INSERT_ONLY
        } else {
            ChangelogMode {
                update_before: ub,
                update_after: true,
                delete: !keys.is_empty() && !input_mode.is_insert_only(),
            }
        };
        let edge = vec![(input.node, hash_or_single(keys))];
        let node = self.add("GroupAggregate", op, edge, rel.schema.clone(), mode);
        let unique = vec![(0..keys.len()).collect()];
        Ok(Built { node, props: Props { unique, window: None } })
    }

    /// Adds a WindowAggregate; output = keys, calls, start, end, time.
    fn window_aggregate(
        &mut self,
        input: Built,
        window: WindowSpec,
        attached: Option<(usize, usize, usize)>,
        keys: &[usize],
        calls: &[AggregateCall],
    ) -> Result<Built> {
        let schema = self.schema(&input);
        let mut fields: Vec<Field> = keys.iter().map(|&k| schema.fields[k].clone()).collect();
        fields.extend(calls.iter().map(|c| Field::new(c.name.clone(), c.ty.clone())));
        fields.extend(window_fields(&window.time_type));
        let (k, c) = (keys.len(), calls.len());
        let event_time = window.event_time;
        let op = OpSpec::WindowAggregate {
            window,
            attached,
            keys: keys.to_vec(),
            calls: calls.to_vec(),
            time_zone: self.settings.time_zone.clone(),
            oldest_first: false,
        };
        let edge = vec![(input.node, hash_or_single(keys))];
        let mode = ChangelogMode::INSERT_ONLY;
        let node = self.add("WindowAggregate", op, edge, Schema::new(fields), mode);
        let mut unique: Vec<usize> = (0..k).collect();
        unique.extend([k + c, k + c + 1]);
        let window =
            WindowColumns { start: k + c, end: k + c + 1, time: Some(k + c + 2), event_time };
        Ok(Built { node, props: Props { unique: vec![unique], window: Some(window) } })
    }

    /// Brings a WindowAggregate's columns into the order of the logical aggregate.
    fn arrange_window(
        &mut self,
        built: Built,
        roles: &[Column],
        plain_keys: &[usize],
        calls: usize,
        rel: &Rel,
    ) -> Built {
        let k = plain_keys.len();
        let mut next = 0;
        let mut columns: Vec<usize> = roles
            .iter()
            .map(|r| match r {
                Column::Start => k + calls,
                Column::End => k + calls + 1,
                Column::Time => k + calls + 2,
                Column::Plain(_) => {
                    next += 1;
                    next - 1
                }
            })
            .collect();
        columns.extend(k..k + calls);
        let projection = columns
            .iter()
            .zip(&rel.schema.fields)
            .map(|(&c, f)| Expr::column(c, f.ty.clone()))
            .collect();
        self.calc(built, None, projection, rel.schema.clone())
    }

    /// Aggregation of rows that carry window columns already.
    fn attached_aggregate(
        &mut self,
        input: Built,
        w: WindowColumns,
        keys: &[usize],
        calls: &[AggregateCall],
        rel: &Rel,
    ) -> Result<Built> {
        let time = w.time.unwrap_or(w.end);
        let time_type = self.schema(&input).fields[time].ty.clone();
        let window = WindowSpec {
            kind: WindowKind::Tumble { size: 0, offset: 0 },
            time_column: time,
            event_time: w.event_time,
            time_type,
        };
        let role = |c: usize| match c {
            c if c == w.start => Column::Start,
            c if c == w.end => Column::End,
            c if Some(c) == w.time => Column::Time,
            c => Column::Plain(c),
        };
        let roles: Vec<Column> = keys.iter().map(|&k| role(k)).collect();
        let plain_keys: Vec<usize> =
            keys.iter().copied().filter(|&k| matches!(role(k), Column::Plain(_))).collect();
        let attached = Some((w.start, w.end, time));
        let built = self.window_aggregate(input, window, attached, &plain_keys, calls)?;
        Ok(self.arrange_window(built, &roles, &plain_keys, calls.len(), rel))
    }

    pub(super) fn build_group_window(
        &mut self,
        input: &Rel,
        window: &WindowSpec,
        keys: &[usize],
        calls: &[AggregateCall],
        rel: &Rel,
    ) -> Result<Built> {
        let below = self.build(input, true)?;
        let mut window = window.clone();
        if let WindowKind::Session { partition, .. } = &mut window.kind {
            *partition = keys.to_vec();
        }
        let built = self.window_aggregate(below, window, None, keys, calls)?;
        if let OpSpec::WindowAggregate { oldest_first, .. } = &mut self.nodes[built.node].op {
            *oldest_first = true;
        }
        let projection = rel.columns();
        Ok(self.calc(built, None, projection, rel.schema.clone()))
    }

    pub(super) fn build_window_tvf(
        &mut self,
        input: &Rel,
        window: &WindowSpec,
        rel: &Rel,
    ) -> Result<Built> {
        let built = self.build(input, true)?;
        if window.event_time {
            self.keeps_event_time(
                &built,
                "The window function requires the timecol is a time attribute type",
            )?;
        }
        let mode = self.mode(&built);
        let width = input.schema.len();
        let distribution = match &window.kind {
            WindowKind::Session { partition, .. } => hash_or_single(partition),
            _ => Distribution::Forward,
        };
        let op = OpSpec::WindowTableFunction(window.clone());
        let edge = vec![(built.node, distribution)];
        let node = self.add("WindowTableFunction", op, edge, rel.schema.clone(), mode);
        let columns = WindowColumns {
            start: width,
            end: width + 1,
            time: Some(width + 2),
            event_time: window.event_time,
        };
        Ok(Built { node, props: Props { unique: vec![], window: Some(columns) } })
    }

    /// Behind a join without a time bound and behind an aggregation rows come in any
    /// order: what was a time attribute below is an ordinary column.
    pub(super) fn keeps_event_time(&self, built: &Built, demand: &str) -> Result<()> {
        let mut at = built.node;
        loop {
            let node = &self.nodes[at];
            match (&node.op, node.inputs.as_slice()) {
                (OpSpec::Join(_) | OpSpec::MultiJoin(_) | OpSpec::GroupAggregate { .. }, _)
                    if !self.settings.batch =>
                {
                    return Err(Error::validation(format!(
                        "{demand}, but behind a join without a bound on time, and behind an aggregation, time attributes are ordinary columns"
                    ))
                    .hint("bound the join by time (a.ts BETWEEN b.ts - INTERVAL .. AND b.ts), or go by time before it"));
                }
                (
                    OpSpec::Calc { .. } | OpSpec::Unnest { .. } | OpSpec::DropUpdateBefore,
                    [input],
                ) => {
                    at = input.node;
                }
                _ => return Ok(()),
            }
        }
    }

    pub(super) fn build_over(&mut self, input: &Rel, over: &OverSpec, rel: &Rel) -> Result<Built> {
        // A number over a descending order may still be a Top-N that a filter above makes.
        let ranks = over.calls.iter().all(|c| super::rank::RANKING.contains(&c.function.as_str()));
        let descending = over.order_by.first().is_some_and(|k| k.descending);
        if !self.settings.batch && descending && !ranks {
            return Err(Error::validation("The window can only be ordered in ASCENDING mode.")
                .hint("a Top-N (ROW_NUMBER with a filter on the number) may be ordered DESC"));
        }
        if !self.settings.batch && over.time_ordered && over.order_by.len() > 1 {
            return Err(Error::validation(
                "The window can only be ordered by a single time column.",
            ));
        }
        let built = self.build(input, true)?;
        let mut over = over.clone();
        over.time_ordered &= self.keeps_event_time(&built, "").is_ok();
        let over = &over;
        let mode = if over.time_ordered || self.settings.batch {
            if !self.mode(&built).is_insert_only() {
                return Err(Error::validation(
                    "OVER windows over a time attribute need an insert-only input, but the input carries updates",
                ));
            }
            ChangelogMode::INSERT_ONLY
        } else {
            ChangelogMode::ALL
        };
        let edge = vec![(built.node, hash_or_single(&over.partition))];
        let node =
            self.add("OverAggregate", OpSpec::Over(over.clone()), edge, rel.schema.clone(), mode);
        Ok(Built { node, props: Props { unique: vec![], window: built.props.window } })
    }

    pub(super) fn build_sort(
        &mut self,
        input: &Rel,
        keys: &[SortKey],
        offset: u64,
        fetch: Option<u64>,
        rel: &Rel,
        ub: bool,
    ) -> Result<Built> {
        let built = self.build(input, true)?;
        let mode = self.mode(&built);
        let single = vec![(built.node, Distribution::Single)];
        let schema = rel.schema.clone();
        let props = built.props.clone();
        if self.settings.batch {
            let op = OpSpec::Sort { order_by: keys.to_vec(), offset, fetch, by_rowtime: false };
            let node = self.add("Sort", op, single, schema, ChangelogMode::INSERT_ONLY);
            return Ok(Built { node, props });
        }
        let Some(first) = keys.first() else {
            let op = OpSpec::Limit { offset, fetch, update_before: ub };
            let out = if mode.is_insert_only() { mode } else { ChangelogMode::ALL };
            let node = self.add("Limit", op, single, schema, out);
            return Ok(Built { node, props });
        };
        if let Some(n) = fetch {
            let rank = RankSpec {
                partition: vec![],
                order_by: keys.to_vec(),
                start: offset + 1,
                end: offset.saturating_add(n),
                function: "ROW_NUMBER".to_owned(),
                output_rank: false,
                update_before: true,
            };
            let node =
                self.add("SortLimit", OpSpec::Rank(rank), single, schema, ChangelogMode::ALL);
            return Ok(Built { node, props });
        }
        if !first.descending && is_time_attribute(&input.schema, first.column) && offset == 0 {
            if !mode.is_insert_only() {
                return Err(Error::validation(
                    "ORDER BY a time attribute needs an insert-only input, but the input carries updates",
                ));
            }
            self.keeps_event_time(
                &built,
                "Sort on a non-time-attribute field is not supported in streaming mode",
            )?;
            let op = OpSpec::Sort { order_by: keys.to_vec(), offset, fetch, by_rowtime: true };
            let node = self.add("TemporalSort", op, single, schema, mode);
            return Ok(Built { node, props });
        }
        Err(Error::validation("Sort on a non-time-attribute field is not supported in streaming mode")
            .hint("add LIMIT n (Top-N), order by the rowtime column first, or SET 'execution.runtime-mode' = 'batch'"))
    }
}

/// Aggregates collect rows in panes, of which every window must have a whole number.
fn divides(window: &WindowKind) -> Result<()> {
    match window {
        WindowKind::Hop { slide, size, .. } if size % slide != 0 => {
            Err(Error::validation(format!(
                "HOP table function based aggregate requires size must be an integral multiple of slide, but got size {size} ms and slide {slide} ms"
            )))
        }
        _ => Ok(()),
    }
}

/// window_start, window_end, window_time
pub(super) fn window_fields(time_type: &DataType) -> [Field; 3] {
    let boundary = DataType::timestamp(3).not_null();
    let time = match time_type.time_attribute() {
        TimeAttribute::Proctime => time_type.clone(),
        _ => time_type.clone().with_time_attribute(TimeAttribute::Rowtime),
    };
    [
        Field::new("window_start", boundary.clone()),
        Field::new("window_end", boundary),
        Field::new("window_time", time.not_null()),
    ]
}
