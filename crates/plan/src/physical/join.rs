//! The join family: which join a condition describes, and its keys.

use weir_core::types::TimeAttribute;
use weir_core::{Error, Field, Result, Schema, Value};
use weir_functions::Expr;
use weir_spec::{ChangelogMode, Distribution, JoinKind, JoinSpec, OpSpec};
use weir_sql::rel::{Rel, conjunction, conjuncts, join_schema};

use super::{Built, Planner, Props, WindowColumns, hash_or_single, identity};

/// An equality between the two sides.
pub(super) struct KeyPair {
    pub left: Expr,
    pub right: Expr,
    pub null_safe: bool,
}

impl KeyPair {
    /// The comparison over the columns of both sides again.
    pub fn into_condition(self, width: usize) -> Expr {
        let right = self.right.map_columns(&mut |i, ty| Expr::column(i + width, ty));
        let function = if self.null_safe { "IS NOT DISTINCT FROM" } else { "=" };
        Expr::call(function, vec![self.left, right], weir_core::DataType::boolean())
    }
}

pub(super) fn columns_of(expr: &Expr) -> Vec<usize> {
    let mut columns = Vec::new();
    expr.collect_columns(&mut columns);
    columns
}

fn is_left(expr: &Expr, width: usize) -> bool {
    let c = columns_of(expr);
    !c.is_empty() && c.iter().all(|&i| i < width)
}

fn is_right(expr: &Expr, width: usize) -> bool {
    let c = columns_of(expr);
    !c.is_empty() && c.iter().all(|&i| i >= width)
}

fn to_right(expr: Expr, width: usize) -> Expr {
    expr.map_columns(&mut |i, ty| Expr::column(i - width, ty))
}

/// Splits a join condition into key equalities and the rest.
pub(super) fn split_condition(condition: &Expr, width: usize) -> (Vec<KeyPair>, Vec<Expr>) {
    let (mut keys, mut rest) = (Vec::new(), Vec::new());
    for c in conjuncts(condition.clone()) {
        match key_pair(&c, width) {
            Some(k) => keys.push(k),
            None => rest.push(c),
        }
    }
    (keys, rest)
}

/// The sides of a comparison that keys can be made of: their types are the same.
fn comparison<'a>(expr: &'a Expr, name: &str) -> Option<(&'a Expr, &'a Expr)> {
    let Expr::Call { function, args, .. } = expr else { return None };
    let [a, b] = args.as_slice() else { return None };
    (function == name && a.ty().to_arrow() == b.ty().to_arrow()).then_some((a, b))
}

/// The sides of an equality that holds for no NULL.
pub(super) fn equality(expr: &Expr) -> Option<(&Expr, &Expr)> {
    comparison(expr, "=")
}

fn key_pair(expr: &Expr, width: usize) -> Option<KeyPair> {
    let safe = comparison(expr, "IS NOT DISTINCT FROM");
    let null_safe = safe.is_some();
    let (a, b) = safe.or_else(|| equality(expr))?;
    if is_left(a, width) && is_right(b, width) {
        let right = to_right(b.clone(), width);
        return Some(KeyPair { left: a.clone(), right, null_safe });
    }
    if is_right(a, width) && is_left(b, width) {
        let right = to_right(a.clone(), width);
        return Some(KeyPair { left: b.clone(), right, null_safe });
    }
    None
}

/// Both sides with their key columns; computed keys were appended.
struct Keyed {
    left: Built,
    right: Built,
    left_keys: Vec<usize>,
    right_keys: Vec<usize>,
    null_safe: Vec<bool>,
    /// Column counts without the appended keys.
    widths: (usize, usize),
}

impl Planner<'_> {
    /// Appends computed key expressions to one side.
    pub(super) fn with_keys(&mut self, input: Built, keys: Vec<Expr>) -> (Built, Vec<usize>) {
        let schema = self.schema(&input).clone();
        let mut projection = identity(&schema);
        let mut fields = schema.fields.clone();
        let mut positions = Vec::with_capacity(keys.len());
        for key in keys {
            if let Expr::Column { index, .. } = key {
                positions.push(index);
                continue;
            }
            positions.push(projection.len());
            fields.push(Field::new(format!("$key{}", projection.len()), key.ty().clone()));
            projection.push(key);
        }
        if projection.len() == schema.len() {
            return (input, positions);
        }
        (self.calc(input, None, projection, Schema::new(fields)), positions)
    }

    fn key_sides(&mut self, left: Built, right: Built, keys: Vec<KeyPair>) -> Keyed {
        let widths = (self.schema(&left).len(), self.schema(&right).len());
        let null_safe = keys.iter().map(|k| k.null_safe).collect();
        let (l, r) = keys.into_iter().map(|k| (k.left, k.right)).unzip();
        let (left, left_keys) = self.with_keys(left, l);
        let (right, right_keys) = self.with_keys(right, r);
        Keyed { left, right, left_keys, right_keys, null_safe, widths }
    }

    /// Output of a join over keyed sides, appended keys included.
    fn joined_schema(&self, k: &Keyed, kind: JoinKind) -> Schema {
        join_schema(self.schema(&k.left), self.schema(&k.right), kind)
    }

    /// Residual condition in terms of the keyed sides.
    fn residual(&self, k: &Keyed, rest: Vec<Expr>) -> Option<Expr> {
        if rest.is_empty() {
            return None;
        }
        let shift = self.schema(&k.left).len() - k.widths.0;
        let width = k.widths.0;
        Some(
            conjunction(rest)
                .map_columns(&mut |i, ty| Expr::column(if i < width { i } else { i + shift }, ty)),
        )
    }

    /// Drops appended keys from a join's output.
    fn without_keys(&mut self, built: Built, k: &Keyed, kind: JoinKind, rel: &Rel) -> Built {
        let left_width = self.schema(&k.left).len();
        let mut columns: Vec<usize> = (0..k.widths.0).collect();
        if !matches!(kind, JoinKind::Semi | JoinKind::Anti) {
            columns.extend(left_width..left_width + k.widths.1);
        }
        let built = self.select(built, &columns);
        let projection = rel.columns();
        if self.schema(&built) == &rel.schema {
            return built;
        }
        self.calc(built, None, projection, rel.schema.clone())
    }

    fn join_spec(&self, k: &Keyed, kind: JoinKind, condition: Option<Expr>) -> JoinSpec {
        let unique = |b: &Built| b.props.unique.first().cloned();
        JoinSpec {
            kind,
            left_keys: k.left_keys.clone(),
            right_keys: k.right_keys.clone(),
            null_safe: k.null_safe.clone(),
            condition,
            left_unique: unique(&k.left),
            right_unique: unique(&k.right),
            state_ttl: [self.hinted_ttl(k.left.node), self.hinted_ttl(k.right.node)],
        }
    }

    fn join_edges(k: &Keyed) -> Vec<(usize, Distribution)> {
        vec![
            (k.left.node, hash_or_single(&k.left_keys)),
            (k.right.node, hash_or_single(&k.right_keys)),
        ]
    }

    pub(super) fn build_join(
        &mut self,
        left: &Rel,
        right: &Rel,
        kind: JoinKind,
        condition: &Expr,
        rel: &Rel,
    ) -> Result<Built> {
        if let Some(built) = self.try_multi_join(rel)? {
            return Ok(built);
        }
        let left = self.build(left, true)?;
        let right = self.build(right, true)?;
        if let (Some(l), Some(r)) = (left.props.window, right.props.window)
            && let Some(built) =
                self.try_window_join(left.clone(), right.clone(), (l, r), kind, condition, rel)
        {
            return Ok(built);
        }
        let width = self.schema(&left).len();
        let (keys, rest) = split_condition(condition, width);
        let insert_only = self.mode(&left).is_insert_only() && self.mode(&right).is_insert_only();
        if !self.settings.batch {
            let times = (self.time_columns(&left), self.time_columns(&right));
            if let Some(bounds) = interval_bounds(&rest, width, &times) {
                if !insert_only {
                    return Err(Error::validation(
                        "an interval join doesn't support consuming update and delete changes, which an input produces",
                    )
                    .hint("CAST the time attributes to TIMESTAMP(3) for a regular join"));
                }
                return Ok(self.interval_join(left, right, keys, bounds, kind, rel));
            }
        }
        self.refuse_unless_delta_join()?;
        let keyed = self.key_sides(left, right, keys);
        let condition = self.residual(&keyed, rest);
        let spec = self.join_spec(&keyed, kind, condition);
        let unique = join_keys(&JoinSides {
            unique: [&keyed.left.props.unique, &keyed.right.props.unique],
            keys: [&spec.left_keys, &spec.right_keys],
            left_width: self.schema(&keyed.left).len(),
            kind,
        });
        let mode = self.join_mode(&keyed, kind);
        let schema = self.joined_schema(&keyed, kind);
        let node = self.add("Join", OpSpec::Join(spec), Self::join_edges(&keyed), schema, mode);
        let built = Built { node, props: Props { unique, window: None } };
        Ok(self.without_keys(built, &keyed, kind, rel))
    }

    fn join_mode(&self, k: &Keyed, kind: JoinKind) -> ChangelogMode {
        let insert_only =
            self.mode(&k.left).is_insert_only() && self.mode(&k.right).is_insert_only();
        let monotone = matches!(kind, JoinKind::Inner | JoinKind::Semi);
        if self.settings.batch || (insert_only && monotone) {
            ChangelogMode::INSERT_ONLY
        } else {
            ChangelogMode::ALL
        }
    }

    fn time_columns(&self, built: &Built) -> TimeColumns {
        time_columns(self.schema(built))
    }

    fn try_window_join(
        &mut self,
        left: Built,
        right: Built,
        (l, r): (WindowColumns, WindowColumns),
        kind: JoinKind,
        condition: &Expr,
        rel: &Rel,
    ) -> Option<Built> {
        let width = self.schema(&left).len();
        let (mut keys, rest) = split_condition(condition, width);
        let is = |k: &KeyPair, a: usize, b: usize| {
            matches!((&k.left, &k.right),
                (Expr::Column { index: x, .. }, Expr::Column { index: y, .. }) if *x == a && *y == b)
        };
        let has_start = keys.iter().any(|k| is(k, l.start, r.start));
        let has_end = keys.iter().any(|k| is(k, l.end, r.end));
        if !has_start || !has_end {
            return None;
        }
        keys.retain(|k| !is(k, l.start, r.start) && !is(k, l.end, r.end));
        let (left, right) = if self.same_source(&left, &right) && l.event_time {
            // Flink's join takes turns between its inputs: of two parts of one table the one
            // that has fewer rows is ahead, and hardly ever behind the watermark of both.
            match (self.filtered(&left), self.filtered(&right)) {
                (true, false) => (left, self.drop_late(right, r)),
                (_, true) => (self.drop_late(left, l), right),
                (false, false) => (self.drop_late(left, l), self.drop_late(right, r)),
            }
        } else {
            (left, right)
        };
        let keyed = self.key_sides(left, right, keys);
        let condition = self.residual(&keyed, rest);
        let join = self.join_spec(&keyed, kind, condition);
        let op = OpSpec::WindowJoin {
            join,
            left_window: (l.start, l.end),
            right_window: (r.start, r.end),
        };
        let schema = self.joined_schema(&keyed, kind);
        let mode = ChangelogMode::INSERT_ONLY;
        let node = self.add("WindowJoin", op, Self::join_edges(&keyed), schema, mode);
        let window = (!matches!(kind, JoinKind::Right | JoinKind::Full)).then_some(l);
        let built = Built { node, props: Props { unique: vec![], window } };
        Some(self.without_keys(built, &keyed, kind, rel))
    }

    /// Whether both sides read one and the same table and nothing else.
    fn same_source(&self, left: &Built, right: &Built) -> bool {
        let table = |built: &Built| {
            let mut at = built.node;
            while let [input] = self.nodes[at].inputs.as_slice() {
                at = input.node;
            }
            match &self.nodes[at].op {
                OpSpec::Source(source) => Some(&source.table),
                _ => None,
            }
        };
        !self.settings.batch && table(left).is_some() && table(left) == table(right)
    }

    /// Whether rows are filtered anywhere below a node with one input.
    fn filtered(&self, built: &Built) -> bool {
        let mut at = built.node;
        loop {
            let node = &self.nodes[at];
            if matches!(&node.op, OpSpec::Calc { filter: Some(_), .. }) {
                return true;
            }
            match node.inputs.as_slice() {
                [input] => at = input.node,
                _ => return false,
            }
        }
    }

    fn drop_late(&mut self, input: Built, window: WindowColumns) -> Built {
        let (schema, mode) = (self.schema(&input).clone(), self.mode(&input));
        let op = OpSpec::DropLate { window_end: window.end };
        let edge = vec![(input.node, Distribution::Forward)];
        let node = self.add("DropLate", op, edge, schema, mode);
        Built { node, props: input.props }
    }

    fn interval_join(
        &mut self,
        left: Built,
        right: Built,
        keys: Vec<KeyPair>,
        bounds: Interval,
        kind: JoinKind,
        rel: &Rel,
    ) -> Built {
        let keyed = self.key_sides(left, right, keys);
        let condition = self.residual(&keyed, bounds.rest);
        let op = OpSpec::IntervalJoin {
            join: self.join_spec(&keyed, kind, condition),
            left_time: bounds.left_time,
            right_time: bounds.right_time,
            lower: bounds.lower,
            upper: bounds.upper,
            event_time: bounds.event_time,
        };
        let schema = self.joined_schema(&keyed, kind);
        let mode = ChangelogMode::INSERT_ONLY;
        let node = self.add("IntervalJoin", op, Self::join_edges(&keyed), schema, mode);
        let built = Built { node, props: Props::default() };
        self.without_keys(built, &keyed, kind, rel)
    }

    pub(super) fn build_temporal_join(
        &mut self,
        left: &Rel,
        right: &Rel,
        kind: JoinKind,
        condition: &Expr,
        left_time: usize,
        rel: &Rel,
    ) -> Result<Built> {
        let left = self.build(left, true)?;
        let right = self.build(right, true)?;
        let width = self.schema(&left).len();
        let right_time = self
            .time_columns(&right)
            .into_iter()
            .find(|(_, a)| *a == TimeAttribute::Rowtime)
            .map(|(c, _)| c)
            .ok_or_else(|| {
                Error::validation("the versioned table of a temporal join needs a rowtime column")
                    .hint("declare WATERMARK FOR its time column")
            })?;
        let (keys, rest) = split_condition(condition, width);
        let right_keys: Vec<usize> = keys.iter().flat_map(|k| columns_of(&k.right)).collect();
        let versioned = right.props.unique.iter().any(|u| u.iter().all(|c| right_keys.contains(c)));
        if !versioned {
            return Err(Error::validation(
                "Temporal Table Join requires primary key in versioned table, but no primary key can be found, or the join condition does not use all of it",
            )
            .hint("declare PRIMARY KEY (...) NOT ENFORCED on the versioned table and join on it"));
        }
        let keyed = self.key_sides(left, right, keys);
        let condition = self.residual(&keyed, rest);
        let join = self.join_spec(&keyed, kind, condition);
        let op = OpSpec::TemporalJoin { join, left_time, right_time };
        let schema = self.joined_schema(&keyed, kind);
        let mode = self.mode(&keyed.left);
        let node = self.add("TemporalJoin", op, Self::join_edges(&keyed), schema, mode);
        let props = Props { unique: keyed.left.props.unique.clone(), window: None };
        Ok(self.without_keys(Built { node, props }, &keyed, kind, rel))
    }
}

/// What upsert keys of a join's output follow from.
pub(super) struct JoinSides<'a> {
    /// Upsert keys of the two sides.
    pub unique: [&'a [Vec<usize>]; 2],
    /// Columns that are equal in pairs.
    pub keys: [&'a [usize]; 2],
    pub left_width: usize,
    pub kind: JoinKind,
}

/// Upsert keys of a join's output.
pub(super) fn join_keys(sides: &JoinSides<'_>) -> Vec<Vec<usize>> {
    let [left, right] = sides.unique;
    if matches!(sides.kind, JoinKind::Semi | JoinKind::Anti) {
        return left.to_vec();
    }
    // Whether a row of the other side meets at most one of this side.
    let once = |side: usize| {
        sides.unique[side].first().is_some_and(|u| u.iter().all(|c| sides.keys[side].contains(c)))
    };
    let shifted = |u: &Vec<usize>| u.iter().map(|c| c + sides.left_width).collect::<Vec<_>>();
    let mut out = Vec::new();
    if once(1) && matches!(sides.kind, JoinKind::Inner | JoinKind::Left) {
        out.extend(left.iter().cloned());
    }
    if once(0) && matches!(sides.kind, JoinKind::Inner | JoinKind::Right) {
        out.extend(right.iter().map(shifted));
    }
    if let (Some(l), Some(r)) = (left.first(), right.first()) {
        out.push([l.clone(), shifted(r)].concat());
    }
    out
}

/// Bounds of `left.time - right.time` found in a condition.
pub(super) struct Interval {
    left_time: usize,
    right_time: usize,
    lower: i64,
    upper: i64,
    event_time: bool,
    rest: Vec<Expr>,
}

type TimeColumns = Vec<(usize, TimeAttribute)>;

/// The time attributes among the columns.
pub(super) fn time_columns(schema: &Schema) -> TimeColumns {
    let time = |(i, f): (usize, &Field)| (i, f.ty.time_attribute());
    let fields = schema.fields.iter().enumerate().map(time);
    fields.filter(|(_, a)| *a != TimeAttribute::None).collect()
}

pub(super) fn interval_bounds(
    conditions: &[Expr],
    width: usize,
    (left, right): &(TimeColumns, TimeColumns),
) -> Option<Interval> {
    for &(l, la) in left {
        for &(r, ra) in right {
            if la != ra {
                continue;
            }
            let (mut lower, mut upper) = (None::<i64>, None::<i64>);
            let mut rest = Vec::new();
            for c in conditions {
                match difference_bound(c, l, r + width) {
                    Some(Bound::Lower(n)) => lower = Some(lower.map_or(n, |x| x.max(n))),
                    Some(Bound::Upper(n)) => upper = Some(upper.map_or(n, |x| x.min(n))),
                    Some(Bound::Equal(n)) => {
                        lower = Some(n);
                        upper = Some(n);
                    }
                    None => rest.push(c.clone()),
                }
            }
            if let (Some(lower), Some(upper)) = (lower, upper) {
                let event_time = la == TimeAttribute::Rowtime;
                return Some(Interval {
                    left_time: l,
                    right_time: r,
                    lower,
                    upper,
                    event_time,
                    rest,
                });
            }
        }
    }
    None
}

enum Bound {
    Lower(i64),
    Upper(i64),
    Equal(i64),
}

/// `column + milliseconds`, through casts and interval arithmetic.
fn linear(expr: &Expr) -> Option<(usize, i64)> {
    match expr {
        Expr::Column { index, .. } => Some((*index, 0)),
        Expr::Cast { arg, .. } => linear(arg),
        Expr::Call { function, args, .. } => {
            let [a, b] = args.as_slice() else { return None };
            let millis = |e: &Expr| match e {
                Expr::Literal { value: Value::Millis(m), .. } => Some(*m),
                _ => None,
            };
            match (function.as_str(), millis(a), millis(b)) {
                ("+", _, Some(m)) => linear(a).map(|(c, x)| (c, x + m)),
                ("-", _, Some(m)) => linear(a).map(|(c, x)| (c, x - m)),
                ("+", Some(m), _) => linear(b).map(|(c, x)| (c, x + m)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Reads a comparison as a bound on `columns[left] - columns[right]`, in milliseconds.
fn difference_bound(expr: &Expr, left: usize, right: usize) -> Option<Bound> {
    let Expr::Call { function, args, .. } = expr else { return None };
    let [a, b] = args.as_slice() else { return None };
    let (ca, ka) = linear(a)?;
    let (cb, kb) = linear(b)?;
    // a op b with a = left + ka, b = right + kb: left - right op kb - ka.
    let (op, n) = if (ca, cb) == (left, right) {
        (function.as_str(), kb - ka)
    } else if (ca, cb) == (right, left) {
        let flipped = match function.as_str() {
            "<" => ">",
            "<=" => ">=",
            ">" => "<",
            ">=" => "<=",
            other => other,
        };
        (flipped, ka - kb)
    } else {
        return None;
    };
    match op {
        ">=" => Some(Bound::Lower(n)),
        ">" => Some(Bound::Lower(n + 1)),
        "<=" => Some(Bound::Upper(n)),
        "<" => Some(Bound::Upper(n - 1)),
        "=" => Some(Bound::Equal(n)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use weir_core::DataType;

    use super::*;

    fn ts(i: usize) -> Expr {
        Expr::column(i, DataType::timestamp(3))
    }

    #[test]
    fn between_becomes_bounds() {
        let five = Expr::literal(
            Value::Millis(5000),
            weir_core::TypeKind::IntervalDayTime(
                weir_core::types::IntervalField::Second,
                weir_core::types::IntervalField::Second,
            )
            .into(),
        );
        let low = Expr::call("-", vec![ts(3), five], DataType::timestamp(3));
        let e = Expr::call(">=", vec![ts(1), low], DataType::boolean());
        assert!(matches!(difference_bound(&e, 1, 3), Some(Bound::Lower(-5000))));
        let e = Expr::call(">", vec![ts(3), ts(1)], DataType::boolean());
        assert!(matches!(difference_bound(&e, 1, 3), Some(Bound::Upper(-1))));
    }
}
