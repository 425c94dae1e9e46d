//! OVER calls: collected while expressions are bound, attached as one node per window.

use weir_core::types::TimeAttribute;
use weir_core::{DataType, Error, Field, Result, Value};
use weir_functions::Expr;
use weir_parser::ast::{self, ArgValue, FrameBound};
use weir_spec::{OverFrame, OverSpec};

use super::aggregate::{BoundCall, Projection, SortExpr, resolve_call};
use super::expr::{ExprBinder, OVER};
use super::{At, Binder};
use crate::rel::{Rel, RelOp};

/// An OVER call whose parts are expressions over the clause's input.
pub(crate) struct OverCall {
    pub call: BoundCall,
    pub partition: Vec<Expr>,
    pub order: Vec<SortExpr>,
    pub frame: OverFrame,
}

impl OverCall {
    /// Frames may differ within one window of a streaming query, partitions and orders not.
    fn same_order(&self, other: &OverCall) -> bool {
        self.partition == other.partition && self.order == other.order
    }

    fn same_window(&self, other: &OverCall) -> bool {
        self.partition == other.partition && self.order == other.order && self.frame == other.frame
    }
}

impl ExprBinder<'_, '_> {
    pub(super) fn over_call(&mut self, call: &ast::FunctionCall, name: &str) -> Result<Expr> {
        let spec = self.window_spec(call)?;
        let star = matches!(call.args.as_slice(), [a] if matches!(a.value, ArgValue::Star));
        let args = if star { vec![] } else { self.arguments(call)? };
        let distinct = call.quantifier == Some(ast::SetQuantifier::Distinct);
        let filter = call.filter.as_ref().map(|f| self.bind_condition(f)).transpose()?;
        check_offset_default(name, &args)?;
        let mut bound = resolve_call(name, args, distinct, filter, vec![])?;
        let partition =
            spec.partition_by.iter().map(|e| self.bind(e)).collect::<Result<Vec<_>>>()?;
        let order = self.sort_items(&spec.order_by)?;
        let frame = match &spec.frame {
            Some(f) => self.binder.frame(f).at(f.span)?,
            None if is_ranking(name) => OverFrame::Rows(None),
            None => OverFrame::Range(None),
        };
        let empty_frame = frame != OverFrame::Rows(None) && frame != OverFrame::Range(None);
        if bound.function != "COUNT" && empty_frame {
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

/// Flink wants the default of LAG and LEAD in the type of the value.
fn check_offset_default(name: &str, args: &[Expr]) -> Result<()> {
    if !matches!(name, "LAG" | "LEAD") {
        return Ok(());
    }
    if let [value, _, default] = args
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

impl Binder<'_> {
    fn frame(&self, f: &ast::WindowFrame) -> Result<OverFrame> {
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
        let one_order = groups.iter().all(|g| calls[g[0]].same_order(&calls[groups[0][0]]));
        if !one_order && !self.session.is_batch() {
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
