//! OVER calls: collected while expressions are bound, attached as one node per window.

use weir_core::types::TimeAttribute;
use weir_core::{DataType, Error, Field, Result, Value};
use weir_functions::Expr;
use weir_parser::ast::{self, ArgValue, FrameBound};
use weir_spec::{FrameEdge, OverFrame, OverSpec};

use super::aggregate_call::{Projection, SortExpr, resolve_call};
use super::at::At;
use super::binder::Binder;
use super::expr_binder::ExprBinder;
use super::pending::OverCall;
use super::stand_in::OVER;
use super::typed::evaluate_constant;
use crate::rel::{Rel, RelOp};

impl ExprBinder<'_, '_> {
    pub(super) fn over_call(&mut self, call: &ast::FunctionCall, name: &str) -> Result<Expr> {
        let spec = self.window_spec(call)?;
        let star = matches!(call.args.as_slice(), [a] if matches!(a.value, ArgValue::Star));
        super::call::plain_star(call, star)?;
        let args = if star { vec![] } else { self.arguments(call)? };
        let distinct = call.quantifier == Some(ast::SetQuantifier::Distinct);
        let filter = call.filter.as_ref().map(|f| self.bind_condition(f)).transpose()?;
        let args = fold_constants(name, args).at(call.span)?;
        check_offset_default(name, &args, self.binder.session.is_batch())?;
        let mut bound = resolve_call(name, args, distinct, filter, vec![])?;
        let partition =
            spec.partition_by.iter().map(|e| self.bind(e)).collect::<Result<Vec<_>>>()?;
        let order = self.sort_items(&spec.order_by)?;
        let frame = match &spec.frame {
            // Functions of the place do not look at a frame.
            Some(f) if !(is_ranking(name) && self.binder.session.is_batch()) => {
                self.binder.frame(f).at(f.span)?
            }
            _ if self.binder.session.is_batch() => default_frame(&order),
            _ if name == "ROW_NUMBER" => OverFrame::Rows(None),
            _ => OverFrame::Range(None),
        };
        if always_has_rows(&frame) {
            bound.over_rows();
        } else if bound.function != "COUNT" {
            bound.ty = bound.ty.null();
        }
        let ty = bound.ty.clone();
        self.pending.over.push(OverCall { call: bound, partition, order, frame });
        Ok(Expr::column(OVER + self.pending.over.len() - 1, ty))
    }

    /// The window of a call with named windows resolved.
    fn window_spec(&self, call: &ast::FunctionCall) -> Result<ast::WindowSpec> {
        let find = |name: &ast::Ident| {
            self.windows
                .iter()
                .find(|w| w.name.value == name.value)
                .map(|w| w.spec.clone())
                .ok_or_else(|| Error::validation(format!("Window '{}' not found", name.value)))
                .at(name.span)
        };
        match &call.over {
            Some(ast::WindowRef::Name(name)) => find(name),
            Some(ast::WindowRef::Spec(spec)) => {
                let Some(base) = &spec.base else { return Ok(spec.clone()) };
                let mut full = find(base)?;
                if !spec.order_by.is_empty() {
                    full.order_by.clone_from(&spec.order_by);
                }
                if spec.frame.is_some() {
                    full.frame.clone_from(&spec.frame);
                }
                Ok(full)
            }
            None => Err(Error::internal("a call without OVER")),
        }
    }
}

/// Offsets and defaults of LAG and LEAD, and NTILE's buckets, as literals where they are constant.
fn fold_constants(name: &str, args: Vec<Expr>) -> Result<Vec<Expr>> {
    let first = match name {
        "LAG" | "LEAD" => 1,
        "NTILE" => 0,
        _ => return Ok(args),
    };
    args.into_iter()
        .enumerate()
        .map(|(i, e)| {
            let mut columns = Vec::new();
            e.collect_columns(&mut columns);
            if i < first || !columns.is_empty() {
                return Ok(e);
            }
            Ok(Expr::literal(evaluate_constant(&e)?, e.ty().clone()))
        })
        .collect()
}

/// Flink wants the default of LAG and LEAD in the type of the value.
fn check_offset_default(name: &str, args: &[Expr], batch: bool) -> Result<()> {
    if !matches!(name, "LAG" | "LEAD") {
        return Ok(());
    }
    if let [value, _, default] = args
        && !(batch && weir_functions::offset_default_fits(default.ty(), value.ty()))
        && !default.ty().same_kind(value.ty())
        && !matches!(default.ty().kind, weir_core::TypeKind::Null)
        && !(default.ty().is_string() && value.ty().is_string())
    {
        return Err(Error::validation(format!(
            "Please explicitly cast default value {} to {}",
            default.ty(),
            value.ty()
        )));
    }
    Ok(())
}

fn is_ranking(name: &str) -> bool {
    matches!(
        name,
        "ROW_NUMBER"
            | "RANK"
            | "DENSE_RANK"
            | "PERCENT_RANK"
            | "CUME_DIST"
            | "NTILE"
            | "LAG"
            | "LEAD"
    )
}

/// Whether no frame can be empty, as Flink's types see it: bounds with a distance may be.
fn always_has_rows(frame: &OverFrame) -> bool {
    match frame {
        OverFrame::Rows(start) => matches!(start, None | Some(0)),
        OverFrame::Range(start) => matches!(start, None | Some(0)),
        OverFrame::Between { start, end, .. } => {
            let open =
                |edge: &FrameEdge| matches!(edge, FrameEdge::Unbounded | FrameEdge::Offset(0));
            open(start) && open(end)
        }
    }
}

/// The frame of a batch query that names none: the partition, or its part up to the peers.
fn default_frame(order: &[SortExpr]) -> OverFrame {
    let end = if order.is_empty() { FrameEdge::Unbounded } else { FrameEdge::Offset(0) };
    OverFrame::Between { rows: false, start: FrameEdge::Unbounded, end }
}

impl Binder<'_> {
    fn frame(&self, f: &ast::WindowFrame) -> Result<OverFrame> {
        if self.session.is_batch() {
            let start = self.frame_edge(&f.start, f.rows, false)?;
            let end = match &f.end {
                Some(end) => self.frame_edge(end, f.rows, true)?,
                None => FrameEdge::Offset(0),
            };
            return Ok(OverFrame::Between { rows: f.rows, start, end });
        }
        if !matches!(f.end, None | Some(FrameBound::CurrentRow)) {
            return Err(Error::unsupported("OVER frames that end after the current row")
                .hint("end the frame with CURRENT ROW"));
        }
        let bound = match &f.start {
            FrameBound::UnboundedPreceding => None,
            FrameBound::CurrentRow => Some(0),
            FrameBound::Preceding(e) => Some(match self.constant(e)? {
                (Value::Int(n), _) if f.rows && n >= 0 => n,
                (Value::Millis(n), _) if !f.rows && n >= 0 => n,
                _ => {
                    let expected = if f.rows { "a row count" } else { "an interval" };
                    return Err(Error::validation(format!("this frame takes {expected}")))
                        .at(e.span);
                }
            }),
            _ => return Err(Error::validation("a frame cannot start after the current row")),
        };
        Ok(if f.rows { OverFrame::Rows(bound.map(|n| n as u64)) } else { OverFrame::Range(bound) })
    }

    fn frame_edge(&self, bound: &FrameBound, rows: bool, is_end: bool) -> Result<FrameEdge> {
        let distance = |e: &ast::Expr| match self.constant(e)? {
            (Value::Int(n), _) if n >= 0 => Ok(n),
            (Value::Millis(n), _) if !rows && n >= 0 => Ok(n),
            _ => {
                let expected = if rows { "a row count" } else { "an interval or a whole number" };
                Err(Error::validation(format!("this frame takes {expected}"))).at(e.span)
            }
        };
        Ok(match bound {
            FrameBound::UnboundedPreceding if !is_end => FrameEdge::Unbounded,
            FrameBound::UnboundedFollowing if is_end => FrameEdge::Unbounded,
            FrameBound::CurrentRow => FrameEdge::Offset(0),
            FrameBound::Preceding(e) => FrameEdge::Offset(-distance(e)?),
            FrameBound::Following(e) => FrameEdge::Offset(distance(e)?),
            _ if is_end => {
                return Err(Error::validation("a frame cannot end with UNBOUNDED PRECEDING"));
            }
            _ => return Err(Error::validation("a frame cannot start with UNBOUNDED FOLLOWING")),
        })
    }

    /// Attaches OVER calls to their input; returns where each call's column is.
    pub(super) fn attach_over(&self, rel: Rel, calls: Vec<OverCall>) -> Result<(Rel, Vec<usize>)> {
        if calls.is_empty() {
            return Ok((rel, vec![]));
        }
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for (i, c) in calls.iter().enumerate() {
            match groups.iter_mut().find(|g| calls[g[0]].same_window(c)) {
                Some(g) => g.push(i),
                None => groups.push(vec![i]),
            }
        }
        if groups.len() > 1 && !self.session.is_batch() {
            return Err(Error::validation(
                "Over Agg: Unsupported use of OVER windows. All aggregates must be computed on the same window.",
            )
            .hint("compute the second OVER window in an outer query"));
        }
        let mut projection = Projection { exprs: rel.columns(), first_argument: 0 };
        let specs: Vec<OverSpec> = groups
            .iter()
            .map(|g| self.over_spec(g, &calls, &mut projection, &rel))
            .collect::<Result<_>>()?;
        let mut rel = projection.onto_named(rel);
        let mut places = vec![0; calls.len()];
        for (group, over) in groups.iter().zip(specs) {
            let mut schema = rel.schema.clone();
            for (&i, c) in group.iter().zip(&over.calls) {
                places[i] = schema.len();
                schema.fields.push(Field::new(c.name.clone(), c.ty.clone()));
            }
            rel = Rel::new(RelOp::Over { input: Box::new(rel), over }, schema);
        }
        Ok((rel, places))
    }

    fn over_spec(
        &self,
        group: &[usize],
        calls: &[OverCall],
        projection: &mut Projection,
        rel: &Rel,
    ) -> Result<OverSpec> {
        let first = &calls[group[0]];
        if first.order.is_empty() && !self.session.is_batch() {
            return Err(Error::validation(
                "OVER windows' ordering in stream mode must be defined: an ORDER BY is missing",
            ));
        }
        let time = |t: &DataType| t.time_attribute() != TimeAttribute::None;
        let time_ordered = first.order.first().is_some_and(|(e, descending, _)| {
            !descending
                && matches!(e, Expr::Column { index, .. } if time(&rel.schema.fields[*index].ty))
        });
        Ok(OverSpec {
            partition: first.partition.iter().map(|e| projection.add(e)).collect(),
            order_by: projection.sort_keys(&first.order),
            time_ordered,
            frame: first.frame.clone(),
            calls: group
                .iter()
                .map(|&i| projection.call(&calls[i].call, format!("w0$o{i}")))
                .collect(),
        })
    }
}
