//! Scalar expressions.
//!
//! Subqueries and OVER calls cannot be evaluated in place: the binder leaves a
//! column with a number from [`SUBQUERY`] or [`OVER`] on and notes the work in
//! [`Pending`]; whoever owns the clause attaches it to its input afterwards.

use weir_core::{DataType, Error, Result, TypeKind, Value};
use weir_functions::Expr;
use weir_parser::ast::{self, BinaryOp, ExprKind, IsTest, UnaryOp};

use super::aggregate::Grouping;
use super::literal::{bind_literal, number, string};
use super::over::OverCall;
use super::scope::{Scope, field_access};
use super::subquery::ScalarSubquery;
use super::types::bind_type;
use super::{At, Binder, coerce, make_call, null_literal};

/// Columns from here on stand for scalar subqueries.
pub(crate) const SUBQUERY: usize = 1 << 33;
/// Columns from here on stand for OVER calls.
pub(crate) const OVER: usize = 1 << 34;

/// Work that expressions left for the owner of their clause.
#[derive(Default)]
pub(crate) struct Pending {
    pub subqueries: Vec<ScalarSubquery>,
    pub over: Vec<OverCall>,
}

impl Pending {
    pub fn is_empty(&self) -> bool {
        self.subqueries.is_empty() && self.over.is_empty()
    }
}

/// Binds expressions of one clause.
pub(crate) struct ExprBinder<'a, 's> {
    pub binder: &'a Binder<'s>,
    pub scope: &'a Scope<'a>,
    pub pending: &'a mut Pending,
    /// Set behind GROUP BY: columns then mean keys and aggregates.
    pub grouping: Option<&'a mut Grouping>,
    /// The WINDOW clause.
    pub windows: &'a [ast::NamedWindow],
    /// Inside an aggregate's argument.
    pub in_aggregate: bool,
}

impl<'a, 's> ExprBinder<'a, 's> {
    /// A binder for a clause in front of GROUP BY.
    pub fn new(binder: &'a Binder<'s>, scope: &'a Scope<'a>, pending: &'a mut Pending) -> Self {
        Self { binder, scope, pending, grouping: None, windows: &[], in_aggregate: false }
    }

    /// Binds an expression.
    pub fn bind(&mut self, e: &ast::Expr) -> Result<Expr> {
        if self.grouping.is_some()
            && let Some(bound) = self.bind_grouped(e)?
        {
            return Ok(bound);
        }
        self.bind_kind(e).at(e.span)
    }

    fn bind_all(&mut self, list: &[ast::Expr]) -> Result<Vec<Expr>> {
        list.iter().map(|e| self.bind(e)).collect()
    }

    /// Binds an expression that must be BOOLEAN.
    pub fn bind_condition(&mut self, e: &ast::Expr) -> Result<Expr> {
        let bound = self.bind(e)?;
        match bound.ty().kind {
            TypeKind::Boolean => Ok(bound),
            TypeKind::Null => Ok(coerce(bound, &DataType::boolean())),
            _ => Err(Error::validation(format!(
                "a condition must be BOOLEAN, but this expression is {}",
                bound.ty()
            )))
            .at(e.span),
        }
    }

    fn call(&mut self, name: &str, args: &[&ast::Expr]) -> Result<Expr> {
        let args = args.iter().map(|a| self.bind(a)).collect::<Result<Vec<_>>>()?;
        make_call(name, args)
    }

    fn bind_kind(&mut self, e: &ast::Expr) -> Result<Expr> {
        match &e.kind {
            ExprKind::Identifier(name) => self.scope.resolve(name),
            ExprKind::Literal(l) => bind_literal(l),
            ExprKind::Unary { op, expr } => self.unary(*op, expr),
            ExprKind::Binary { left, op, right } => self.binary(left, *op, right),
            ExprKind::Is { expr, negated, test } => self.is_test(expr, *negated, *test),
            ExprKind::IsJson { expr, kind, negated } => {
                let kind = match kind {
                    ast::JsonKind::Value => "VALUE",
                    ast::JsonKind::Object => "OBJECT",
                    ast::JsonKind::Array => "ARRAY",
                    ast::JsonKind::Scalar => "SCALAR",
                };
                let not = if *negated { "NOT " } else { "" };
                self.call(&format!("IS {not}JSON {kind}"), &[expr])
            }
            ExprKind::Between { expr, negated, symmetric, low, high } => {
                self.between(expr, *negated, *symmetric, low, high)
            }
            ExprKind::Like { expr, kind, negated, pattern, escape } => {
                self.like(expr, *kind, *negated, pattern, escape.as_deref())
            }
            ExprKind::InList { expr, negated, list } => self.in_list(expr, *negated, list),
            ExprKind::Case { operand, branches, else_result } => {
                self.case(operand.as_deref(), branches, else_result.as_deref())
            }
            ExprKind::Cast { try_cast, expr, data_type, .. } => {
                let arg = self.bind(expr)?;
                self.cast(arg, bind_type(data_type)?, *try_cast)
            }
            ExprKind::Function(call) => self.function(call),
            ExprKind::Extract { unit, expr } => {
                let value = self.bind(expr)?;
                make_call("EXTRACT", vec![string(unit.as_str()), value])
            }
            ExprKind::Position { needle, haystack, from } => match from {
                None => self.call("POSITION", &[needle, haystack]),
                Some(f) => self.call("LOCATE", &[needle, haystack, f]),
            },
            ExprKind::Substring { expr, from, len } => match len {
                None => self.call("SUBSTRING", &[expr, from]),
                Some(l) => self.call("SUBSTRING", &[expr, from, l]),
            },
            ExprKind::Trim { side, chars, expr } => self.trim(*side, chars.as_deref(), expr),
            ExprKind::Overlay { expr, placing, from, len } => match len {
                None => self.call("OVERLAY", &[expr, placing, from]),
                Some(l) => self.call("OVERLAY", &[expr, placing, from, l]),
            },
            ExprKind::RoundTo { ceil, expr, unit } => {
                let value = self.bind(expr)?;
                let name = if *ceil { "CEIL" } else { "FLOOR" };
                make_call(name, vec![value, string(unit.as_str())])
            }
            ExprKind::TimestampAdd { unit, count, expr } => {
                let (n, t) = (self.bind(count)?, self.bind(expr)?);
                make_call("TIMESTAMPADD", vec![string(unit.as_str()), n, t])
            }
            ExprKind::TimestampDiff { unit, from, to } => {
                let (a, b) = (self.bind(from)?, self.bind(to)?);
                make_call("TIMESTAMPDIFF", vec![string(unit.as_str()), a, b])
            }
            ExprKind::Row(items) | ExprKind::Tuple(items) => {
                let args = self.bind_all(items)?;
                make_call("ROW", args)
            }
            ExprKind::Array(items) => {
                let args = self.bind_all(items)?;
                make_call("ARRAY", args)
            }
            ExprKind::Map(entries) => {
                let args = self.bind_all(entries)?;
                make_call("MAP", args)
            }
            ExprKind::Subscript { expr, index } => self.call("ITEM", &[expr, index]),
            ExprKind::FieldAccess { expr, field } => {
                let row = self.bind(expr)?;
                field_access(row, &field.value).at(field.span)
            }
            ExprKind::VariantPath { expr, steps } => self.variant_path(expr, steps),
            ExprKind::Subquery(query) => self.scalar_subquery(query),
            ExprKind::JsonExists { .. }
            | ExprKind::JsonValue { .. }
            | ExprKind::JsonQuery { .. }
            | ExprKind::JsonObject { .. }
            | ExprKind::JsonArray { .. } => self.json(e),
            ExprKind::InSubquery { .. } | ExprKind::Exists(_) | ExprKind::Quantified { .. } => {
                Err(Error::unsupported(
                    "IN, EXISTS or a quantified comparison with a subquery, other than as a condition of WHERE joined by AND",
                ))
            }
            _ => Err(Error::unsupported("this expression")),
        }
    }

    fn unary(&mut self, op: UnaryOp, expr: &ast::Expr) -> Result<Expr> {
        match op {
            UnaryOp::Plus => self.bind(expr),
            UnaryOp::Not => self.call("NOT", &[expr]),
            UnaryOp::Minus => {
                if let ExprKind::Literal(ast::Literal::Number(n)) = &expr.kind {
                    return number(n, true);
                }
                let value = self.bind(expr)?;
                make_call("-", vec![value])
            }
        }
    }

    fn binary(&mut self, left: &ast::Expr, op: BinaryOp, right: &ast::Expr) -> Result<Expr> {
        let name = match op {
            BinaryOp::Or => "OR",
            BinaryOp::And => "AND",
            BinaryOp::Eq => "=",
            BinaryOp::NotEq => "<>",
            BinaryOp::Lt => "<",
            BinaryOp::LtEq => "<=",
            BinaryOp::Gt => ">",
            BinaryOp::GtEq => ">=",
            BinaryOp::IsDistinctFrom => "IS DISTINCT FROM",
            BinaryOp::IsNotDistinctFrom => "IS NOT DISTINCT FROM",
            BinaryOp::Plus => "+",
            BinaryOp::Minus => "-",
            BinaryOp::Multiply => "*",
            BinaryOp::Divide => "/",
            BinaryOp::Modulo => "%",
            BinaryOp::Concat => "||",
            BinaryOp::Overlaps => return self.overlaps(left, right),
            _ => return Err(Error::unsupported("this operator on multisets or periods")),
        };
        self.call(name, &[left, right])
    }

    /// `(a, b) OVERLAPS (c, d)`
    fn overlaps(&mut self, left: &ast::Expr, right: &ast::Expr) -> Result<Expr> {
        let mut args = Vec::new();
        for side in [left, right] {
            match &side.kind {
                ExprKind::Row(items) | ExprKind::Tuple(items) => args.extend(self.bind_all(items)?),
                ExprKind::Period { start, end } => {
                    args.push(self.bind(start)?);
                    args.push(self.bind(end)?);
                }
                _ => return Err(Error::validation("OVERLAPS compares two pairs (start, end)")),
            }
        }
        make_call("OVERLAPS", args)
    }

    fn is_test(&mut self, expr: &ast::Expr, negated: bool, test: IsTest) -> Result<Expr> {
        let name = match (test, negated) {
            (IsTest::Null, false) => "IS NULL",
            (IsTest::Null, true) => "IS NOT NULL",
            (IsTest::True, false) => "IS TRUE",
            (IsTest::True, true) => "IS NOT TRUE",
            (IsTest::False, false) => "IS FALSE",
            (IsTest::False, true) => "IS NOT FALSE",
            (IsTest::Unknown, false) => "IS NULL",
            (IsTest::Unknown, true) => "IS NOT NULL",
            _ => return Err(Error::unsupported("IS A SET and IS EMPTY")),
        };
        self.call(name, &[expr])
    }

    fn between(
        &mut self,
        expr: &ast::Expr,
        negated: bool,
        symmetric: bool,
        low: &ast::Expr,
        high: &ast::Expr,
    ) -> Result<Expr> {
        let x = self.bind(expr)?;
        let (low, high) = (self.bind(low)?, self.bind(high)?);
        let within = |a: &Expr, b: &Expr| -> Result<Expr> {
            let lower = make_call(">=", vec![x.clone(), a.clone()])?;
            let upper = make_call("<=", vec![x.clone(), b.clone()])?;
            make_call("AND", vec![lower, upper])
        };
        let mut result = within(&low, &high)?;
        if symmetric {
            result = make_call("OR", vec![result, within(&high, &low)?])?;
        }
        if negated { make_call("NOT", vec![result]) } else { Ok(result) }
    }

    fn like(
        &mut self,
        expr: &ast::Expr,
        kind: ast::LikeKind,
        negated: bool,
        pattern: &ast::Expr,
        escape: Option<&ast::Expr>,
    ) -> Result<Expr> {
        let name = match kind {
            ast::LikeKind::Like => "LIKE",
            ast::LikeKind::SimilarTo => "SIMILAR TO",
            ast::LikeKind::ILike => {
                return Err(Error::validation("ILIKE is not a Flink operator")
                    .hint("write LOWER(x) LIKE LOWER(pattern)"));
            }
            ast::LikeKind::RLike => "REGEXP",
        };
        let mut args = vec![self.bind(expr)?, self.bind(pattern)?];
        if let Some(e) = escape {
            args.push(self.bind(e)?);
        }
        let test = make_call(name, args)?;
        if negated { make_call("NOT", vec![test]) } else { Ok(test) }
    }

    fn in_list(&mut self, expr: &ast::Expr, negated: bool, list: &[ast::Expr]) -> Result<Expr> {
        let x = self.bind(expr)?;
        let mut any: Option<Expr> = None;
        for item in list {
            let value = self.bind(item)?;
            let same = make_call("=", vec![x.clone(), value]).at(item.span)?;
            any = Some(match any {
                Some(e) => make_call("OR", vec![e, same])?,
                None => same,
            });
        }
        let any = any.ok_or_else(|| Error::validation("IN needs at least one value"))?;
        if negated { make_call("NOT", vec![any]) } else { Ok(any) }
    }

    fn case(
        &mut self,
        operand: Option<&ast::Expr>,
        branches: &[ast::CaseBranch],
        otherwise: Option<&ast::Expr>,
    ) -> Result<Expr> {
        let operand = operand.map(|o| self.bind(o)).transpose()?;
        let mut bound = Vec::with_capacity(branches.len());
        for b in branches {
            bound.push((self.case_condition(operand.as_ref(), b)?, self.bind(&b.then)?));
        }
        let otherwise = otherwise.map(|e| self.bind(e)).transpose()?;
        let mut types: Vec<DataType> = bound.iter().map(|(_, r)| r.ty().clone()).collect();
        types.push(otherwise.as_ref().map_or(TypeKind::Null.into(), |e| e.ty().clone()));
        let ty = weir_functions::common_type(&types).ok_or_else(|| {
            Error::validation(format!(
                "the results of CASE have no common type: {}",
                types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            ))
            .hint("CAST the branches to one type")
        })?;
        let otherwise = otherwise.unwrap_or_else(|| null_literal(&ty));
        let branches = bound.into_iter().map(|(c, r)| (c, coerce(r, &ty))).collect();
        Ok(Expr::Case { branches, otherwise: Box::new(coerce(otherwise, &ty)), ty })
    }

    fn case_condition(&mut self, operand: Option<&Expr>, b: &ast::CaseBranch) -> Result<Expr> {
        let Some(x) = operand else {
            let [condition] = b.when.as_slice() else {
                return Err(Error::validation("a searched CASE takes one condition per WHEN"));
            };
            return self.bind_condition(condition);
        };
        let mut any: Option<Expr> = None;
        for w in &b.when {
            let value = self.bind(w)?;
            let same = make_call("=", vec![x.clone(), value]).at(w.span)?;
            any = Some(match any {
                Some(e) => make_call("OR", vec![e, same])?,
                None => same,
            });
        }
        any.ok_or_else(|| Error::validation("WHEN needs a value"))
    }

    fn cast(&mut self, arg: Expr, to: DataType, safe: bool) -> Result<Expr> {
        let from = arg.ty().clone();
        if !matches!(from.kind, TypeKind::Null)
            && !weir_functions::explicit_cast_allowed(&from, &to)
        {
            return Err(Error::validation(format!(
                "Cast function cannot convert value of type {from} to type {to}"
            ))
            .hint(cast_hint(&from, &to)));
        }
        let ty = to.with_nullable(safe || from.nullable);
        if from.same_kind(&ty) && from.time_attribute() == ty.time_attribute() {
            return Ok(arg);
        }
        if let Expr::Literal { value: Value::Null, .. } = arg {
            return Ok(null_literal(&ty));
        }
        Ok(Expr::Cast { arg: Box::new(arg), ty, safe })
    }

    fn trim(
        &mut self,
        side: Option<ast::TrimSide>,
        chars: Option<&ast::Expr>,
        expr: &ast::Expr,
    ) -> Result<Expr> {
        let side = match side {
            None | Some(ast::TrimSide::Both) => "BOTH",
            Some(ast::TrimSide::Leading) => "LEADING",
            Some(ast::TrimSide::Trailing) => "TRAILING",
        };
        let chars = match chars {
            Some(c) => self.bind(c)?,
            None => string(" "),
        };
        let value = self.bind(expr)?;
        make_call("TRIM", vec![string(side), chars, value])
    }

    /// `v:a[0].b`: the extension counts from 0, Flink's subscript from 1.
    fn variant_path(&mut self, expr: &ast::Expr, steps: &[ast::VariantStep]) -> Result<Expr> {
        let mut value = self.bind(expr)?;
        for step in steps {
            let index = match step {
                ast::VariantStep::Field(f) => string(&f.value),
                ast::VariantStep::Index(i) => {
                    let n = self.bind(i)?;
                    let one = Expr::literal(Value::Int(1), DataType::int().not_null());
                    make_call("+", vec![n, one])?
                }
            };
            value = make_call("ITEM", vec![value, index])?;
        }
        Ok(value)
    }

    fn scalar_subquery(&mut self, query: &ast::Query) -> Result<Expr> {
        let subquery = self.binder.scalar_subquery(query, self.scope)?;
        let ty = subquery.ty.clone();
        self.pending.subqueries.push(subquery);
        Ok(Expr::column(SUBQUERY + self.pending.subqueries.len() - 1, ty))
    }
}

fn cast_hint(from: &DataType, to: &DataType) -> String {
    use TypeKind as K;
    match (&from.kind, &to.kind) {
        (K::Timestamp(..) | K::TimestampLtz(..), _) if to.is_numeric() => {
            "write UNIX_TIMESTAMP(CAST(x AS STRING)) for seconds since 1970".to_owned()
        }
        (_, K::Timestamp(..) | K::TimestampLtz(..)) if from.is_numeric() => {
            "write TO_TIMESTAMP_LTZ(x, 0) for seconds or TO_TIMESTAMP_LTZ(x, 3) for milliseconds"
                .to_owned()
        }
        _ => "cast through STRING if that is what you mean".to_owned(),
    }
}

/// The expressions directly inside an expression, subqueries left out.
pub(crate) fn children(e: &ast::Expr) -> Vec<&ast::Expr> {
    fn opt<'e>(e: &'e Option<Box<ast::Expr>>, out: &mut Vec<&'e ast::Expr>) {
        out.extend(e.as_deref());
    }
    let mut out: Vec<&ast::Expr> = Vec::new();
    match &e.kind {
        ExprKind::Unary { expr, .. }
        | ExprKind::Is { expr, .. }
        | ExprKind::IsJson { expr, .. }
        | ExprKind::InSubquery { expr, .. }
        | ExprKind::Cast { expr, .. }
        | ExprKind::Extract { expr, .. }
        | ExprKind::RoundTo { expr, .. }
        | ExprKind::FieldAccess { expr, .. }
        | ExprKind::VariantPath { expr, .. }
        | ExprKind::MatchSemantics { expr, .. } => out.push(expr),
        ExprKind::Binary { left, right, .. } => out.extend([&**left, &**right]),
        ExprKind::Between { expr, low, high, .. } => out.extend([&**expr, &**low, &**high]),
        ExprKind::Like { expr, pattern, escape, .. } => {
            out.extend([&**expr, &**pattern]);
            opt(escape, &mut out);
        }
        ExprKind::InList { expr, list, .. } => {
            out.push(expr);
            out.extend(list);
        }
        ExprKind::Case { operand, branches, else_result } => {
            opt(operand, &mut out);
            for b in branches {
                out.extend(&b.when);
                out.push(&b.then);
            }
            opt(else_result, &mut out);
        }
        ExprKind::Function(call) => {
            for a in &call.args {
                if let ast::ArgValue::Expr(e) = &a.value {
                    out.push(e);
                }
            }
            opt(&call.filter, &mut out);
        }
        ExprKind::Position { needle, haystack, from } => {
            out.extend([&**needle, &**haystack]);
            opt(from, &mut out);
        }
        ExprKind::Substring { expr, from, len } => {
            out.extend([&**expr, &**from]);
            opt(len, &mut out);
        }
        ExprKind::Trim { chars, expr, .. } => {
            opt(chars, &mut out);
            out.push(expr);
        }
        ExprKind::Overlay { expr, placing, from, len } => {
            out.extend([&**expr, &**placing, &**from]);
            opt(len, &mut out);
        }
        ExprKind::TimestampAdd { count, expr, .. } => out.extend([&**count, &**expr]),
        ExprKind::TimestampDiff { from, to, .. } => out.extend([&**from, &**to]),
        ExprKind::Row(items)
        | ExprKind::Tuple(items)
        | ExprKind::Array(items)
        | ExprKind::Map(items)
        | ExprKind::Multiset(items) => out.extend(items),
        ExprKind::Subscript { expr, index } => out.extend([&**expr, &**index]),
        ExprKind::JsonExists { input, path, .. }
        | ExprKind::JsonValue { input, path, .. }
        | ExprKind::JsonQuery { input, path, .. } => out.extend([&**input, &**path]),
        ExprKind::JsonObject { entries, .. } => {
            out.extend(entries.iter().flat_map(|e| [&e.key, &e.value]));
        }
        ExprKind::JsonArray { items, .. } => out.extend(items),
        _ => {}
    }
    out
}
