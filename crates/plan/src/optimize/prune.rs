//! Column pruning, down to single fields of nested rows.
//!
//! A requirement is a [`Path`]: an output column, then field positions inside
//! it. `prune` returns a node that offers one column per required path. Scans
//! read exactly the paths asked for, so a decoder never builds a struct that is
//! only taken apart again. A table that a job uses several times is read once:
//! [`Stems`] first collects what all its uses read, then gives each use the same
//! scan, which the planner recognises as equal nodes.

use std::cell::RefCell;
use std::collections::BTreeMap;

use weir_core::{DataType, Field, Schema, TimeAttribute};
use weir_functions::Expr;
use weir_spec::{AggregateCall, JoinKind, OverSpec, ReadColumn, SortKey, WindowKind, WindowSpec};
use weir_sql::rel::{Rel, RelOp, Scan, join_schema};

/// An output column, then field positions inside it.
type Path = Vec<usize>;

/// Where each required path is in the output of the pruned node.
type Places = BTreeMap<Path, usize>;

/// Prunes a plan whose tables are read once per use; the root keeps all its columns.
pub fn prune_alone(rel: Rel, keep_watermarks: bool) -> Rel {
    prune_root(rel, &Pruner { keep_watermarks, stems: None })
}

/// Prunes a whole plan; the root keeps all its columns.
fn prune_root(rel: Rel, pruner: &Pruner) -> Rel {
    let schema = rel.schema.clone();
    let needed = (0..schema.len()).map(|i| vec![i]).collect();
    let (pruned, places) = pruner.prune(rel, needed);
    let exprs = (0..schema.len())
        .map(|i| Expr::column(places[&vec![i]], schema.fields[i].ty.clone()))
        .collect();
    Rel::new(RelOp::Project { input: Box::new(pruned), exprs }, schema)
}

/// Whether any operator of the plan acts on event time.
pub fn uses_event_time(rel: &Rel) -> bool {
    let rowtime = |t: &DataType| t.time_attribute() == TimeAttribute::Rowtime;
    let own = match &rel.op {
        RelOp::WindowTvf { .. }
        | RelOp::GroupWindowAggregate { .. }
        | RelOp::TemporalJoin { .. } => true,
        RelOp::Over { over, .. } => over.time_ordered,
        RelOp::Match { spec, .. } => spec.event_time,
        RelOp::Join { left, right, .. } => {
            // A possible interval join.
            [left, right].iter().all(|s| s.schema.fields.iter().any(|f| rowtime(&f.ty)))
        }
        RelOp::Sort { input, keys, .. } => {
            keys.first().is_some_and(|k| rowtime(&input.schema.fields[k.column].ty))
        }
        RelOp::Project { exprs, .. } => exprs.iter().any(calls_watermark),
        RelOp::Filter { predicate, .. } => calls_watermark(predicate),
        _ => false,
    };
    own || rel.inputs().into_iter().any(uses_event_time)
}

fn calls_watermark(expr: &Expr) -> bool {
    matches!(expr, Expr::Call { function, .. } if function == "CURRENT_WATERMARK")
        || expr.children().into_iter().any(calls_watermark)
}

/// The path of a column or of a field chain over one.
fn as_path(expr: &Expr) -> Option<Path> {
    match expr {
        Expr::Column { index, .. } => Some(vec![*index]),
        Expr::Field { arg, index, .. } => {
            let mut path = as_path(arg)?;
            path.push(*index);
            Some(path)
        }
        _ => None,
    }
}

/// Adds the maximal paths that an expression reads.
fn collect_paths(expr: &Expr, out: &mut Vec<Path>) {
    if let Some(path) = as_path(expr) {
        if !out.contains(&path) {
            out.push(path);
        }
        return;
    }
    for c in expr.children() {
        collect_paths(c, out);
    }
}

/// Rewrites an expression to read its paths from their places.
fn relocate(expr: Expr, places: &Places) -> Expr {
    if let Some(path) = as_path(&expr) {
        return Expr::column(places[&path], expr.ty().clone());
    }
    match expr {
        Expr::Call { function, args, ty } => Expr::Call {
            function,
            args: args.into_iter().map(|a| relocate(a, places)).collect(),
            ty,
        },
        Expr::Cast { arg, ty, safe } => {
            Expr::Cast { arg: Box::new(relocate(*arg, places)), ty, safe }
        }
        Expr::Field { arg, index, ty } => {
            Expr::Field { arg: Box::new(relocate(*arg, places)), index, ty }
        }
        Expr::Case { branches, otherwise, ty } => Expr::Case {
            branches: branches
                .into_iter()
                .map(|(c, r)| (relocate(c, places), relocate(r, places)))
                .collect(),
            otherwise: Box::new(relocate(*otherwise, places)),
            ty,
        },
        leaf => leaf,
    }
}

/// `expr` followed by field accesses.
fn with_fields(mut expr: Expr, fields: &[usize]) -> Expr {
    for &index in fields {
        let nullable = expr.ty().nullable;
        let ty = match expr.ty().fields() {
            Some(f) => f[index].ty.clone(),
            None => return expr,
        };
        let ty = if nullable { ty.null() } else { ty };
        expr = Expr::Field { arg: Box::new(expr), index, ty };
    }
    expr
}

/// Name and type at a path below a schema.
fn field_at(schema: &Schema, path: &[usize]) -> Field {
    let mut field = schema.fields[path[0]].clone();
    for &i in &path[1..] {
        let nullable = field.ty.nullable;
        if let Some(inner) = field.ty.fields().map(|f| f[i].clone()) {
            field = inner;
            if nullable {
                field.ty = field.ty.null();
            }
        }
    }
    field
}

fn add(paths: &mut Vec<Path>, path: Path) {
    if !paths.contains(&path) {
        paths.push(path);
    }
}

/// Adds the columns that a call reads.
fn call_paths(call: &AggregateCall, out: &mut Vec<Path>) {
    let sorts = call.order_by.iter().map(|k| k.column);
    for i in call.args.iter().copied().chain(call.filter).chain(sorts) {
        add(out, vec![i]);
    }
}

fn relocate_call(call: &mut AggregateCall, places: &Places) {
    let at = |i: usize| places[&vec![i]];
    call.args.iter_mut().for_each(|a| *a = at(*a));
    call.filter = call.filter.map(at);
    for k in &mut call.order_by {
        *k = relocate_key(*k, places);
    }
}

fn relocate_key(key: SortKey, places: &Places) -> SortKey {
    SortKey { column: places[&vec![key.column]], ..key }
}

/// A table with its computed columns and watermark, and what all its uses read.
struct Stem {
    rel: Rel,
    needed: Vec<Path>,
}

/// The tables of a job. A table that is used several times is read once, with
/// the columns of all its uses.
#[derive(Default)]
pub struct Stems(Vec<Stem>);

impl Stems {
    fn is_stem(rel: &Rel) -> bool {
        matches!(rel.op, RelOp::Watermark { .. } | RelOp::Scan(_))
    }

    fn of(&mut self, rel: &Rel) -> &mut Vec<Path> {
        let at = self.0.iter().position(|s| s.rel == *rel).unwrap_or_else(|| {
            self.0.push(Stem { rel: rel.clone(), needed: Vec::new() });
            self.0.len() - 1
        });
        &mut self.0[at].needed
    }

    /// Notes what a plan reads of its tables.
    pub fn collect(&mut self, rel: &Rel, keep_watermarks: bool) {
        let pruner = Pruner { keep_watermarks, stems: Some(RefCell::new(std::mem::take(self))) };
        prune_root(rel.clone(), &pruner);
        *self = pruner.stems.map(RefCell::into_inner).unwrap_or_default();
    }

    /// Prunes a plan whose tables have been collected; the root keeps all its columns.
    pub fn prune(&mut self, rel: Rel, keep_watermarks: bool) -> Rel {
        let pruner = Pruner { keep_watermarks, stems: Some(RefCell::new(std::mem::take(self))) };
        let pruned = prune_root(rel, &pruner);
        *self = pruner.stems.map(RefCell::into_inner).unwrap_or_default();
        pruned
    }
}

struct Pruner {
    /// Without it, watermark nodes vanish.
    keep_watermarks: bool,
    /// None inside of a stem.
    stems: Option<RefCell<Stems>>,
}

impl Pruner {
    /// A node that offers at least the paths of `needed`, and the place of each.
    fn prune(&self, rel: Rel, needed: Vec<Path>) -> (Rel, Places) {
        match &self.stems {
            Some(stems) if Stems::is_stem(&rel) => {
                let mut stems = stems.borrow_mut();
                let all = stems.of(&rel);
                needed.into_iter().for_each(|p| add(all, p));
                let inside = Pruner { keep_watermarks: self.keep_watermarks, stems: None };
                inside.prune_node(rel, all.clone())
            }
            _ => self.prune_node(rel, needed),
        }
    }

    /// Like `prune`, with exactly the columns of `needed`: in front of operators
    /// that send or keep whole rows.
    fn prune_exact(&self, rel: Rel, needed: Vec<Path>) -> (Rel, Places) {
        let (rel, places) = self.prune(rel, needed.clone());
        if rel.schema.len() == needed.len() {
            return (rel, places);
        }
        let at: Vec<usize> = needed.iter().map(|p| places[p]).collect();
        (rel.select(&at), places_of(&needed))
    }

    fn prune_node(&self, rel: Rel, needed: Vec<Path>) -> (Rel, Places) {
        let schema = rel.schema;
        match rel.op {
            RelOp::Scan(scan) => prune_scan(scan, &schema, needed),
            RelOp::Project { input, exprs } => self.prune_project(*input, exprs, &schema, needed),
            RelOp::Filter { input, predicate } => {
                let mut below = needed.clone();
                collect_paths(&predicate, &mut below);
                let (input, places) = self.prune(*input, below);
                let predicate = relocate(predicate, &places);
                (input.filter(predicate), places)
            }
            RelOp::Watermark { input, rowtime, watermark } => {
                if !self.keep_watermarks {
                    return self.prune(*input, needed);
                }
                let mut below = needed;
                add(&mut below, vec![rowtime]);
                collect_paths(&watermark, &mut below);
                let (input, places) = self.prune(*input, below);
                let watermark = relocate(watermark, &places);
                let rowtime = places[&vec![rowtime]];
                let mut out = input.schema.clone();
                out.fields[rowtime].ty =
                    out.fields[rowtime].ty.clone().with_time_attribute(TimeAttribute::Rowtime);
                let op = RelOp::Watermark { input: Box::new(input), rowtime, watermark };
                (Rel::new(op, out), places)
            }
            RelOp::Join { left, right, kind, condition } => {
                self.prune_join(*left, *right, kind, condition, needed)
            }
            RelOp::WindowTvf { input, window } => {
                self.prune_window_tvf(*input, window, &schema, needed)
            }
            RelOp::Over { input, over } => self.prune_over(*input, over, &schema, needed),
            RelOp::Sort { input, keys, offset, fetch } => {
                let mut below = needed.clone();
                keys.iter().for_each(|k| add(&mut below, vec![k.column]));
                let (input, places) = self.prune_exact(*input, below);
                let keys = keys.into_iter().map(|k| relocate_key(k, &places)).collect();
                let schema = input.schema.clone();
                let input = Box::new(input);
                (Rel::new(RelOp::Sort { input, keys, offset, fetch }, schema), places)
            }
            RelOp::Union(inputs) => self.prune_union(inputs, &schema, needed),
            op => {
                let whole = self.prune_whole(Rel::new(op, schema));
                expose_fields(whole, needed)
            }
        }
    }

    fn prune_project(
        &self,
        input: Rel,
        exprs: Vec<Expr>,
        schema: &Schema,
        needed: Vec<Path>,
    ) -> (Rel, Places) {
        let wanted: Vec<Expr> =
            needed.iter().map(|p| with_fields(exprs[p[0]].clone(), &p[1..])).collect();
        let mut below = Vec::new();
        for e in &wanted {
            collect_paths(e, &mut below);
        }
        let (input, places) = self.prune(input, below);
        let names = needed.iter().map(|p| field_at(schema, p).name).collect();
        let mut out =
            input.project(wanted.into_iter().map(|e| relocate(e, &places)).collect(), names);
        for (f, p) in out.schema.fields.iter_mut().zip(&needed) {
            f.ty = field_at(schema, p).ty;
        }
        (out, places_of(&needed))
    }

    fn prune_join(
        &self,
        left: Rel,
        right: Rel,
        kind: JoinKind,
        condition: Expr,
        needed: Vec<Path>,
    ) -> (Rel, Places) {
        let width = left.schema.len();
        let mut all = needed;
        collect_paths(&condition, &mut all);
        let (mut on_left, mut on_right) = (Vec::new(), Vec::new());
        for p in &all {
            if p[0] < width {
                on_left.push(p.clone());
            } else {
                let mut q = p.clone();
                q[0] -= width;
                on_right.push(q);
            }
        }
        let (left, left_places) = self.prune_exact(left, on_left);
        let (right, right_places) = self.prune_exact(right, on_right);
        let new_width = left.schema.len();
        let mut places = left_places;
        for (mut p, at) in right_places {
            p[0] += width;
            places.insert(p, at + new_width);
        }
        let condition = relocate(condition, &places);
        let schema = join_schema(&left.schema, &right.schema, kind);
        let op = RelOp::Join { left: Box::new(left), right: Box::new(right), kind, condition };
        (Rel::new(op, schema), places)
    }

    /// Output = the input columns that are needed, then the window columns.
    fn prune_window_tvf(
        &self,
        input: Rel,
        mut window: WindowSpec,
        schema: &Schema,
        needed: Vec<Path>,
    ) -> (Rel, Places) {
        let width = input.schema.len();
        let (mut below, own): (Vec<Path>, Vec<Path>) =
            needed.into_iter().partition(|p| p[0] < width);
        add(&mut below, vec![window.time_column]);
        if let WindowKind::Session { partition, .. } = &window.kind {
            partition.iter().for_each(|&p| add(&mut below, vec![p]));
        }
        let (input, mut places) = self.prune(input, below);
        window.time_column = places[&vec![window.time_column]];
        if let WindowKind::Session { partition, .. } = &mut window.kind {
            partition.iter_mut().for_each(|p| *p = places[&vec![*p]]);
        }
        let new_width = input.schema.len();
        places.extend(own.into_iter().map(|p| (p.clone(), p[0] - width + new_width)));
        let mut out = input.schema.clone();
        out.fields.extend(schema.fields[width..].iter().cloned());
        (Rel::new(RelOp::WindowTvf { input: Box::new(input), window }, out), places)
    }

    /// Output = the input columns that are needed, then all calls.
    fn prune_over(
        &self,
        input: Rel,
        mut over: OverSpec,
        schema: &Schema,
        needed: Vec<Path>,
    ) -> (Rel, Places) {
        let width = input.schema.len();
        let (mut below, own): (Vec<Path>, Vec<Path>) =
            needed.into_iter().partition(|p| p[0] < width);
        over.partition.iter().for_each(|&c| add(&mut below, vec![c]));
        over.order_by.iter().for_each(|k| add(&mut below, vec![k.column]));
        over.calls.iter().for_each(|c| call_paths(c, &mut below));
        let (input, mut places) = self.prune_exact(input, below);
        over.partition.iter_mut().for_each(|c| *c = places[&vec![*c]]);
        over.order_by = over.order_by.into_iter().map(|k| relocate_key(k, &places)).collect();
        over.calls.iter_mut().for_each(|c| relocate_call(c, &places));
        let new_width = input.schema.len();
        let mut out = input.schema.clone();
        out.fields.extend(schema.fields[width..].iter().cloned());
        let mut op = Rel::new(RelOp::Over { input: Box::new(input), over }, out);
        if own.iter().all(|p| p.len() == 1) {
            places.extend(own.into_iter().map(|p| (p.clone(), p[0] - width + new_width)));
            return (op, places);
        }
        // Fields of a nested result (FIRST_VALUE of a row) need a projection of their own.
        let mut exprs = op.columns();
        let mut names: Vec<String> = op.schema.fields.iter().map(|f| f.name.clone()).collect();
        for p in own {
            let column = exprs[p[0] - width + new_width].clone();
            exprs.push(with_fields(column, &p[1..]));
            names.push(field_at(schema, &p).name);
            places.insert(p, exprs.len() - 1);
        }
        op = op.project(exprs, names);
        (op, places)
    }

    /// Every input gives the needed paths in the same order.
    fn prune_union(&self, inputs: Vec<Rel>, schema: &Schema, needed: Vec<Path>) -> (Rel, Places) {
        let fields: Vec<Field> = needed.iter().map(|p| field_at(schema, p)).collect();
        let inputs = inputs
            .into_iter()
            .map(|input| {
                let (input, places) = self.prune(input, needed.clone());
                let at: Vec<usize> = needed.iter().map(|p| places[p]).collect();
                let mut out = input.select(&at);
                for (own, f) in out.schema.fields.iter_mut().zip(&fields) {
                    own.name.clone_from(&f.name);
                }
                out
            })
            .collect();
        (Rel::new(RelOp::Union(inputs), Schema::new(fields)), places_of(&needed))
    }

    /// Operators that keep all their columns, or whose inputs are read by whole columns.
    fn prune_whole(&self, rel: Rel) -> Rel {
        let schema = rel.schema;
        match rel.op {
            RelOp::Aggregate { input, keys, calls } => {
                let (input, keys, calls) = self.prune_grouping(*input, keys, calls, &[]);
                Rel::new(RelOp::Aggregate { input, keys, calls }, schema)
            }
            RelOp::GroupWindowAggregate { input, mut window, keys, calls } => {
                let (input, mut keys, calls) =
                    self.prune_grouping(*input, keys, calls, &[window.time_column]);
                window.time_column = keys.pop().unwrap_or(0);
                Rel::new(RelOp::GroupWindowAggregate { input, window, keys, calls }, schema)
            }
            op => {
                let rel = Rel::new(op, schema);
                super::merge::map_inputs(rel, &|i| self.all_columns(i))
            }
        }
    }

    fn prune_grouping(
        &self,
        input: Rel,
        keys: Vec<usize>,
        mut calls: Vec<AggregateCall>,
        extra: &[usize],
    ) -> (Box<Rel>, Vec<usize>, Vec<AggregateCall>) {
        let mut below: Vec<Path> = Vec::new();
        for &k in keys.iter().chain(extra) {
            add(&mut below, vec![k]);
        }
        calls.iter().for_each(|c| call_paths(c, &mut below));
        let (input, places) = self.prune_exact(input, below);
        let at = |i: usize| places[&vec![i]];
        calls.iter_mut().for_each(|c| relocate_call(c, &places));
        let keys = keys.into_iter().chain(extra.iter().copied()).map(at).collect();
        (Box::new(input), keys, calls)
    }

    /// A sub-plan pruned inside, with all its own columns in place.
    fn all_columns(&self, rel: Rel) -> Rel {
        prune_root(rel, self)
    }
}

fn places_of(needed: &[Path]) -> Places {
    needed.iter().cloned().enumerate().map(|(i, p)| (p, i)).collect()
}

/// Adds a projection for required fields of an operator that offers only whole columns.
fn expose_fields(rel: Rel, needed: Vec<Path>) -> (Rel, Places) {
    if needed.iter().all(|p| p.len() == 1) {
        let places = needed.into_iter().map(|p| (p.clone(), p[0])).collect();
        return (rel, places);
    }
    let columns = rel.columns();
    let names = needed.iter().map(|p| field_at(&rel.schema, p).name).collect();
    let exprs = needed.iter().map(|p| with_fields(columns[p[0]].clone(), &p[1..])).collect();
    (rel.project(exprs, names), places_of(&needed))
}

/// The primary key is always read: a source of updates by key is normalised by it.
fn prune_scan(scan: Scan, schema: &Schema, mut needed: Vec<Path>) -> (Rel, Places) {
    for &key in &scan.table.primary_key {
        let physical =
            |c: &ReadColumn| matches!(c, ReadColumn::Physical { path } if *path == [key]);
        if let Some(column) = scan.columns.iter().position(physical) {
            add(&mut needed, vec![column]);
        }
    }
    let mut columns = Vec::with_capacity(needed.len());
    let mut fields = Vec::with_capacity(needed.len());
    for p in &needed {
        fields.push(field_at(schema, p));
        columns.push(match &scan.columns[p[0]] {
            ReadColumn::Physical { path } => {
                ReadColumn::Physical { path: path.iter().chain(&p[1..]).copied().collect() }
            }
            metadata @ ReadColumn::Metadata { .. } => metadata.clone(),
        });
    }
    let scan = Scan { columns, ..scan };
    (Rel::new(RelOp::Scan(scan), Schema::new(fields)), places_of(&needed))
}
