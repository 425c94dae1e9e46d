//! Queries: WITH, set operations, VALUES, ORDER BY, LIMIT.

use std::rc::Rc;

use weir_core::{DataType, Error, Field, Result, Schema, TypeKind, Value};
use weir_functions::Expr;
use weir_parser::ast::{self, SetExpr, SetOp};
use weir_spec::{AggregateCall, JoinKind, OverFrame, OverSpec, SortKey};

use super::at::At;
use super::binder::Binder;
use super::columns::{duplicate, generated_name, rename_columns};
use super::expr_binder::ExprBinder;
use super::pending::Pending;
use super::scope::Scope;
use super::select::BoundSelect;
use super::typed::{coerce, make_call};
use crate::rel::{Rel, RelOp, conjunction};

impl Binder<'_> {
    /// Binds a query; `outer` are the columns of the enclosing query.
    pub(crate) fn bind_query(&self, q: &ast::Query, outer: Option<&Scope<'_>>) -> Result<Rel> {
        let shadowed = match &q.with {
            Some(with) => self.enter_with(with)?,
            None => vec![],
        };
        let result = self.bind_query_body(q, outer);
        let mut ctes = self.ctes.borrow_mut();
        for (name, old) in shadowed.into_iter().rev() {
            match old {
                Some(rel) => ctes.insert(name, rel),
                None => ctes.remove(&name),
            };
        }
        result
    }

    fn enter_with(&self, with: &ast::With) -> Result<Vec<(String, Option<Rc<Rel>>)>> {
        if with.recursive {
            return Err(Error::unsupported("WITH RECURSIVE (Flink has no plan for it either)"))
                .at(with.span);
        }
        let mut shadowed = Vec::new();
        for cte in &with.ctes {
            let rel = self.bind_query(&cte.query, None)?;
            let rel = rename_columns(rel, &cte.columns).at(cte.span)?;
            if let Some(name) = duplicate(&rel.schema) {
                return Err(Error::validation(format!(
                    "Column has duplicate column name '{name}' and no column list specified"
                ))
                .hint("give the columns names: WITH t (a, b) AS (..)"))
                .at(cte.span);
            }
            let name = cte.name.value.clone();
            let old = self.ctes.borrow_mut().insert(name.clone(), Rc::new(rel));
            shadowed.push((name, old));
        }
        Ok(shadowed)
    }

    fn bind_query_body(&self, q: &ast::Query, outer: Option<&Scope<'_>>) -> Result<Rel> {
        let bound = match &q.body {
            SetExpr::Select(s) => self.bind_select(s, &q.order_by, outer)?,
            body => {
                let rel = self.bind_set(body, outer)?;
                let sort = self.sort_output(&rel, &q.order_by)?;
                BoundSelect { visible: rel.schema.len(), rel, sort }
            }
        };
        let offset = self.row_count(q.offset.as_ref())?.unwrap_or(0);
        let fetch = self.row_count(q.fetch.as_ref().or(q.limit.as_ref()))?;
        let BoundSelect { mut rel, visible, sort } = bound;
        let width = rel.schema.len();
        if !sort.is_empty() || offset > 0 || fetch.is_some() {
            let schema = rel.schema.clone();
            let op = RelOp::Sort { input: Box::new(rel), keys: sort, offset, fetch };
            rel = Rel::new(op, schema);
        }
        if width > visible {
            let columns: Vec<usize> = (0..visible).collect();
            rel = rel.select(&columns);
        }
        Ok(rel)
    }

    /// ORDER BY of a set operation or VALUES: only output columns can be named.
    fn sort_output(&self, rel: &Rel, order_by: &[ast::OrderByExpr]) -> Result<Vec<SortKey>> {
        let scope = Scope::from_schema(None, &rel.schema);
        order_by
            .iter()
            .map(|o| {
                let column = match &o.expr.kind {
                    ast::ExprKind::Literal(ast::Literal::Number(n)) => {
                        n.parse::<usize>().ok().and_then(|n| n.checked_sub(1))
                    }
                    ast::ExprKind::Identifier(name) => match scope.resolve(name)? {
                        Expr::Column { index, .. } => Some(index),
                        _ => None,
                    },
                    _ => None,
                };
                match column {
                    Some(column) if column < rel.schema.len() => Ok(SortKey {
                        column,
                        descending: o.desc,
                        nulls_first: o.nulls_first.unwrap_or(!o.desc),
                    }),
                    _ => Err(Error::validation(
                        "ORDER BY behind a set operation names output columns only",
                    ))
                    .at(o.span),
                }
            })
            .collect()
    }

    fn row_count(&self, e: Option<&ast::Expr>) -> Result<Option<u64>> {
        let Some(e) = e else { return Ok(None) };
        match self.constant(e)? {
            (Value::Int(n), _) if n >= 0 => Ok(Some(n as u64)),
            _ => Err(Error::validation(
                "unexpected value: LIMIT, OFFSET and FETCH take a number of rows",
            ))
            .at(e.span),
        }
    }

    fn bind_set(&self, body: &SetExpr, outer: Option<&Scope<'_>>) -> Result<Rel> {
        match body {
            SetExpr::Select(s) => Ok(self.bind_select(s, &[], outer)?.rel),
            SetExpr::Values(v) => self.bind_values(v, outer),
            SetExpr::Table(name) => Ok(self.bind_table(name, &[], None)?.0),
            SetExpr::Query(q) => self.bind_query(q, outer),
            SetExpr::SetOp(op) => self.bind_set_op(op, outer),
        }
    }

    fn bind_values(&self, v: &ast::Values, outer: Option<&Scope<'_>>) -> Result<Rel> {
        let empty = Scope { columns: vec![], outer };
        let mut rows = Vec::with_capacity(v.rows.len());
        for row in &v.rows {
            let mut bound = Vec::with_capacity(row.exprs.len());
            for e in &row.exprs {
                let mut pending = Pending::default();
                let value = ExprBinder::new(self, &empty, &mut pending).bind(e)?;
                if !pending.is_empty() {
                    return Err(Error::unsupported("a subquery inside VALUES")).at(e.span);
                }
                bound.push(value);
            }
            rows.push(bound);
        }
        let width = rows.first().map_or(0, Vec::len);
        if let Some(at) = rows.iter().position(|r| r.len() != width) {
            return Err(Error::validation(format!(
                "Values passed to VALUES operator must have compatible types: rows of {width} and {} \
                 columns",
                rows[at].len()
            )))
            .at(v.rows[at].span);
        }
        let types = (0..width)
            .map(|c| {
                let types: Vec<DataType> = rows.iter().map(|r| r[c].ty().clone()).collect();
                common_column(&types, c).at(v.span)
            })
            .collect::<Result<Vec<_>>>()?;
        let fields =
            types.iter().enumerate().map(|(i, t)| Field::new(generated_name(i), t.clone()));
        let schema = Schema::new(fields.collect());
        Ok(values_rel(rows, &types, schema))
    }

    fn bind_set_op(&self, s: &ast::SetOperation, outer: Option<&Scope<'_>>) -> Result<Rel> {
        let left = self.bind_set(&s.left, outer)?;
        let right = self.bind_set(&s.right, outer)?;
        if left.schema.len() != right.schema.len() {
            let name = match s.op {
                SetOp::Union => "UNION",
                SetOp::Intersect => "INTERSECT",
                SetOp::Except => "EXCEPT",
            };
            return Err(Error::validation(format!(
                "Column count mismatch in {name}: the left query has {} columns, the right one {}; both must have the same number",
                left.schema.len(),
                right.schema.len()
            )))
            .at(s.span);
        }
        let mut fields = Vec::with_capacity(left.schema.len());
        for (i, (l, r)) in left.schema.fields.iter().zip(&right.schema.fields).enumerate() {
            let ty = common_column(&[l.ty.clone(), r.ty.clone()], i).at(s.span)?;
            fields.push(Field::new(l.name.clone(), ty));
        }
        let schema = Schema::new(fields);
        let (left, right) = (cast_columns(left, &schema), cast_columns(right, &schema));
        match s.op {
            SetOp::Union => {
                let union = Rel::new(RelOp::Union(vec![left, right]), schema);
                Ok(if s.all { union } else { union.distinct() })
            }
            SetOp::Intersect if !s.all => Ok(semi(left.distinct(), right, JoinKind::Semi)?),
            SetOp::Except if !s.all => Ok(semi(left.distinct(), right, JoinKind::Anti)?),
            SetOp::Intersect => bag_operation(left, right, JoinKind::Semi),
            SetOp::Except => bag_operation(left, right, JoinKind::Anti),
        }
    }
}

/// Common type of the values in one column.
fn common_column(types: &[DataType], column: usize) -> Result<DataType> {
    let common = match types {
        [one] => Some(one.clone()),
        _ => weir_functions::common_type(types),
    };
    match common {
        Some(t) if types.len() == 1 && matches!(t.kind, TypeKind::Null) => {
            Err(Error::validation("a bare NULL has no type here")
                .hint("write CAST(NULL AS INT) or another type"))
        }
        Some(t) => Ok(t),
        None => Err(Error::validation(format!(
            "Type mismatch in column {}: {} have no common type",
            column + 1,
            types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        ))),
    }
}

/// Literal rows as one node, computed ones as projections of a single row.
fn values_rel(rows: Vec<Vec<Expr>>, types: &[DataType], schema: Schema) -> Rel {
    let cast: Vec<Vec<Expr>> = rows
        .into_iter()
        .map(|r| r.into_iter().zip(types).map(|(e, t)| coerce(e, t)).collect())
        .collect();
    let constants: Option<Vec<Vec<Value>>> =
        cast.iter().map(|r| r.iter().map(|e| e.as_literal().cloned()).collect()).collect();
    if let Some(rows) = constants {
        return Rel::new(RelOp::Values(rows), schema);
    }
    let names: Vec<String> = schema.fields.iter().map(|f| f.name.clone()).collect();
    let mut inputs: Vec<Rel> = cast
        .into_iter()
        .map(|r| {
            let mut rel = Rel::one_row().project(r, names.clone());
            rel.schema = schema.clone();
            rel
        })
        .collect();
    match inputs.len() {
        1 => inputs.remove(0),
        _ => Rel::new(RelOp::Union(inputs), schema),
    }
}

/// Casts a plan's columns to the types of a schema.
pub(crate) fn cast_columns(rel: Rel, schema: &Schema) -> Rel {
    if rel.schema == *schema {
        return rel;
    }
    let exprs =
        rel.columns().into_iter().zip(&schema.fields).map(|(e, f)| coerce(e, &f.ty)).collect();
    let names = schema.fields.iter().map(|f| f.name.clone()).collect();
    let mut out = rel.project(exprs, names);
    out.schema = schema.clone();
    out
}

/// INTERSECT and EXCEPT: NULLs count as equal.
fn semi(left: Rel, right: Rel, kind: JoinKind) -> Result<Rel> {
    let width = left.schema.len();
    let conditions = (0..width)
        .map(|i| {
            let l = Expr::column(i, left.schema.fields[i].ty.clone());
            let r = Expr::column(width + i, right.schema.fields[i].ty.clone());
            make_call("IS NOT DISTINCT FROM", vec![l, r])
        })
        .collect::<Result<Vec<_>>>()?;
    let schema = left.schema.clone();
    let op = RelOp::Join {
        left: Box::new(left),
        right: Box::new(right),
        kind,
        condition: conjunction(conditions),
    };
    Ok(Rel::new(op, schema))
}

/// INTERSECT ALL and EXCEPT ALL: equal rows are numbered on both sides, and a row
/// meets the one of the same number.
fn bag_operation(left: Rel, right: Rel, kind: JoinKind) -> Result<Rel> {
    let columns: Vec<usize> = (0..left.schema.len()).collect();
    let joined = semi(numbered(left), numbered(right), kind)?;
    Ok(joined.select(&columns))
}

/// Appends the number of each row among its equals.
fn numbered(rel: Rel) -> Rel {
    let ty = DataType::bigint().not_null();
    let call = AggregateCall::row_number("$n");
    // Within a partition of equal rows any order is as good as another.
    let order_by = vec![SortKey { column: 0, descending: false, nulls_first: true }];
    let over = OverSpec {
        partition: (0..rel.schema.len()).collect(),
        order_by,
        time_ordered: false,
        frame: OverFrame::Rows(None),
        calls: vec![call],
    };
    let mut schema = rel.schema.clone();
    schema.fields.push(Field::new("$n", ty));
    Rel::new(RelOp::Over { input: Box::new(rel), over }, schema)
}
