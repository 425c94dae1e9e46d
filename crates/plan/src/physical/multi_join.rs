//! Chains of inner and left joins over a common key, as one operator that keeps the rows of
//! its inputs and none of the results between them.
//!
//! A chain is taken whole where all of its inputs share a key; else the regular path plans
//! its last join alone and asks again for what is below. Windows and joins bounded by time
//! have operators of their own and are left to them.

use weir_core::{Result, Schema};
use weir_functions::Expr;
use weir_spec::{ChangelogMode, JoinKind, MultiJoinInput, MultiJoinSpec, OpSpec};
use weir_sql::rel::{Rel, RelOp, conjunction, conjuncts, join_schema};

use super::join::{
    JoinSides, columns_of, equality, interval_bounds, join_keys, split_condition, time_columns,
};
use super::{Built, Planner, Props, hash_or_single};

/// Joins from left to right. Conditions and the output count the columns of all inputs.
struct Chain<'a> {
    inputs: Vec<&'a Rel>,
    links: Vec<Link>,
    output: Vec<usize>,
}

/// How an input is joined with those before it.
struct Link {
    left: bool,
    condition: Expr,
}

impl Link {
    fn kind(&self) -> JoinKind {
        if self.left { JoinKind::Left } else { JoinKind::Inner }
    }
}

/// One column of the key: an expression over each input's own columns.
type KeyColumn = Vec<Expr>;

impl<'a> Chain<'a> {
    fn single(rel: &'a Rel) -> Self {
        Self { inputs: vec![rel], links: vec![], output: (0..rel.schema.len()).collect() }
    }

    /// The chain of the topmost joins; below them everything is an input.
    fn of(rel: &'a Rel, joins: usize) -> Self {
        match &rel.op {
            RelOp::Join { left, right, kind, condition }
                if joins > 0 && matches!(kind, JoinKind::Inner | JoinKind::Left) =>
            {
                let mut chain = Self::of(left, joins - 1);
                let (width, base) = (left.schema.len(), chain.width());
                let place = |i: usize| if i < width { chain.output[i] } else { base + i - width };
                let condition =
                    condition.clone().map_columns(&mut |i, ty| Expr::column(place(i), ty));
                chain.inputs.push(right);
                chain.links.push(Link { left: *kind == JoinKind::Left, condition });
                chain.output.extend(base..base + right.schema.len());
                chain
            }
            RelOp::Project { input, exprs } if joins > 0 => {
                let columns: Option<Vec<usize>> = exprs.iter().map(column).collect();
                let below = Self::of(input, joins);
                match columns {
                    Some(columns) if !below.links.is_empty() => {
                        let output = columns.iter().map(|&c| below.output[c]).collect();
                        Self { output, ..below }
                    }
                    _ => Self::single(rel),
                }
            }
            _ => Self::single(rel),
        }
    }

    fn width(&self) -> usize {
        self.inputs.iter().map(|i| i.schema.len()).sum()
    }

    /// Where the columns of each input begin, and the end of all.
    fn starts(&self) -> Vec<usize> {
        let mut starts = vec![0];
        for input in &self.inputs {
            starts.push(starts[starts.len() - 1] + input.schema.len());
        }
        starts
    }

    /// The columns of the key that all inputs share; none where they share none.
    fn common_key(&self) -> Vec<KeyColumn> {
        let starts = self.starts();
        let mut classes: Vec<Vec<Term>> = Vec::new();
        for (i, link) in self.links.iter().enumerate() {
            for part in conjuncts(link.condition.clone()) {
                if let Some((a, b)) = terms(&part, &starts, i + 1) {
                    unite(&mut classes, a, b);
                }
            }
        }
        let column = |class: Vec<Term>| -> Option<KeyColumn> {
            let of = |i| class.iter().find(|t| t.input == i).map(|t| t.expr.clone());
            (0..self.inputs.len()).map(of).collect()
        };
        classes.into_iter().filter_map(column).collect()
    }

    /// Whether an equality holds for all rows under one key: both sides are columns of it,
    /// and the one before `input` is no left join's, which may lack its row.
    fn implied(&self, part: &Expr, starts: &[usize], input: usize, key: &[KeyColumn]) -> bool {
        let Some((a, b)) = terms(part, starts, input) else { return false };
        let (before, own) = if a.input == input { (b, a) } else { (a, b) };
        let always = before.input == 0 || !self.links[before.input - 1].left;
        always && key.iter().any(|k| k[before.input] == before.expr && k[own.input] == own.expr)
    }

    /// Whether windows or bounds on time make one of the joins another kind of join.
    fn has_time(&self) -> bool {
        let mut left = self.inputs[0].schema.clone();
        let bounded = self.links.iter().zip(&self.inputs[1..]).any(|(link, right)| {
            let times = (time_columns(&left), time_columns(&right.schema));
            let parts = conjuncts(link.condition.clone());
            let bounded = interval_bounds(&parts, left.len(), &times).is_some();
            left = join_schema(&left, &right.schema, link.kind());
            bounded
        });
        bounded || self.inputs.iter().any(|i| has_window(i))
    }
}

/// An expression over the columns of one input.
#[derive(PartialEq)]
struct Term {
    input: usize,
    expr: Expr,
}

impl Term {
    fn of(expr: &Expr, starts: &[usize]) -> Option<Self> {
        let columns = columns_of(expr);
        let input = starts.iter().rposition(|&s| columns.first().is_some_and(|&c| s <= c))?;
        let within = starts[input]..*starts.get(input + 1)?;
        let expr = expr.clone().map_columns(&mut |c, ty| Expr::column(c - within.start, ty));
        columns.iter().all(|c| within.contains(c)).then_some(Self { input, expr })
    }
}

/// The two sides of an equality between `input` and one before it.
fn terms(part: &Expr, starts: &[usize], input: usize) -> Option<(Term, Term)> {
    let (a, b) = equality(part)?;
    let (a, b) = (Term::of(a, starts)?, Term::of(b, starts)?);
    let related = (a.input == input) != (b.input == input);
    (related && a.input.max(b.input) == input).then_some((a, b))
}

/// Says that two terms are equal.
fn unite(classes: &mut Vec<Vec<Term>>, a: Term, b: Term) {
    let find = |classes: &[Vec<Term>], t: &Term| classes.iter().position(|c| c.contains(t));
    match (find(classes, &a), find(classes, &b)) {
        (Some(x), Some(y)) if x != y => {
            let moved = classes.remove(x.max(y));
            classes[x.min(y)].extend(moved);
        }
        (Some(_), Some(_)) => {}
        (Some(x), None) => classes[x].push(b),
        (None, Some(y)) => classes[y].push(a),
        (None, None) => classes.push(vec![a, b]),
    }
}

fn column(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Column { index, .. } => Some(*index),
        _ => None,
    }
}

fn has_window(rel: &Rel) -> bool {
    matches!(rel.op, RelOp::WindowTvf { .. }) || rel.inputs().into_iter().any(has_window)
}

/// Whether a MULTI_JOIN hint names the table.
fn hinted(rel: &Rel) -> bool {
    match &rel.op {
        RelOp::Scan(scan) => scan.multi_join,
        _ => rel.inputs().first().is_some_and(|i| hinted(i)),
    }
}

impl Planner<'_> {
    /// One operator for the joins that end in this one, where that is asked for and possible.
    pub(super) fn try_multi_join(&mut self, rel: &Rel) -> Result<Option<Built>> {
        if self.settings.batch {
            return Ok(None);
        }
        let longest = Chain::of(rel, usize::MAX).links.len();
        for joins in (2..=longest).rev() {
            let chain = Chain::of(rel, joins);
            let asked = self.settings.multi_join || chain.inputs.iter().all(|i| hinted(i));
            if !asked || chain.has_time() {
                continue;
            }
            let key = chain.common_key();
            if !key.is_empty() {
                return self.build_multi_join(&chain, &key, rel).map(Some);
            }
        }
        Ok(None)
    }

    fn build_multi_join(
        &mut self,
        chain: &Chain<'_>,
        key: &[KeyColumn],
        rel: &Rel,
    ) -> Result<Built> {
        self.refuse_unless_delta_join()?;
        let starts = chain.starts();
        let (mut inputs, mut edges, mut sides) = (Vec::new(), Vec::new(), Vec::new());
        let mut schema = Schema::default();
        // Where each column of the chain is in the operator's output, keys that are
        // computed between them.
        let mut places: Vec<usize> = Vec::new();
        for (i, input) in chain.inputs.iter().enumerate() {
            let built = self.build(input, true)?;
            let (keyed, keys) =
                self.with_keys(built.clone(), key.iter().map(|k| k[i].clone()).collect());
            let keyed_schema = self.schema(&keyed).clone();
            places.extend((0..input.schema.len()).map(|c| schema.len() + c));
            let link = i.checked_sub(1).map(|l| &chain.links[l]);
            schema = match link {
                None => keyed_schema,
                Some(link) => join_schema(&schema, &keyed_schema, link.kind()),
            };
            let rest: Vec<Expr> = link.map_or(Vec::new(), |l| {
                let mut parts = conjuncts(l.condition.clone());
                parts.retain(|p| !chain.implied(p, &starts, i, key));
                parts
            });
            let condition = (!rest.is_empty())
                .then(|| conjunction(rest).map_columns(&mut |c, ty| Expr::column(places[c], ty)));
            edges.push((keyed.node, hash_or_single(&keys)));
            inputs.push(MultiJoinInput {
                keys,
                left: link.is_some_and(|l| l.left),
                condition,
                state_ttl: self.hinted_ttl(keyed.node),
            });
            sides.push(built);
        }
        let insert_only =
            sides.iter().all(|s| self.mode(s).is_insert_only()) && inputs.iter().all(|i| !i.left);
        let mode = if insert_only { ChangelogMode::INSERT_ONLY } else { ChangelogMode::ALL };
        let op = OpSpec::MultiJoin(MultiJoinSpec { inputs });
        let node = self.add("MultiJoin", op, edges, schema, mode);
        let unique = chain_keys(chain, &sides, &starts);
        let mut built = Built { node, props: Props::default() };
        let columns: Vec<usize> = chain.output.iter().map(|&c| places[c]).collect();
        if self.schema(&built) != &rel.schema || columns.iter().enumerate().any(|(i, &c)| i != c) {
            let fields = columns.iter().zip(&rel.schema.fields);
            let projection = fields.map(|(&c, f)| Expr::column(c, f.ty.clone())).collect();
            built = self.calc(built, None, projection, rel.schema.clone());
        }
        let place = |c: &usize| chain.output.iter().position(|o| o == c);
        built.props.unique = unique.iter().filter_map(|u| u.iter().map(place).collect()).collect();
        Ok(built)
    }
}

/// Upsert keys of the chain, as of its joins one after the other.
fn chain_keys(chain: &Chain<'_>, sides: &[Built], starts: &[usize]) -> Vec<Vec<usize>> {
    let mut unique = sides[0].props.unique.clone();
    for (i, link) in chain.links.iter().enumerate() {
        let width = starts[i + 1];
        let (keys, _) = split_condition(&link.condition, width);
        let pairs = keys.iter().filter_map(|k| Some((column(&k.left)?, column(&k.right)?)));
        let (left_keys, right_keys): (Vec<_>, Vec<_>) = pairs.unzip();
        unique = join_keys(&JoinSides {
            unique: [&unique, &sides[i + 1].props.unique],
            keys: [&left_keys, &right_keys],
            left_width: width,
            kind: link.kind(),
        });
    }
    unique
}
