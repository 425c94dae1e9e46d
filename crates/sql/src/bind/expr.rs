//! Scalar expressions.
//!
//! Subqueries and OVER calls cannot be evaluated in place: the binder leaves a
//! stand-in column (`stand_in.rs`) and notes the work (`pending.rs`); whoever owns the
//! clause attaches it to its input afterwards.

use weir_core::{DataType, Error, Result, TypeKind, Value};
use weir_functions::Expr;
use weir_parser::ast::{self, BinaryOp, ExprKind, IsTest, UnaryOp};

use super::at::At;
use super::expr_binder::ExprBinder;
use super::literal::{bind_literal, number, string};
use super::scope::field_access;
use super::typed::{coerce, make_call, null_literal};
use super::types::bind_type;

impl ExprBinder<'_, '_> {
    /// Binds an expression.
    pub fn bind(&mut self, e: &ast::Expr) -> Result<Expr> {
        if self.grouping.is_some()
            && let Some(bound) = self.bind_grouped(e)?
        {
            return Ok(bound);
        }
        if self.matching.is_some()
            && let Some(bound) = self.bind_matched(e).at(e.span)?
        {
            return Ok(bound);
        }
        self.bind_kind(e).at(e.span)
    }

    pub(super) fn bind_all(&mut self, list: &[ast::Expr]) -> Result<Vec<Expr>> {
        list.iter().map(|e| self.bind(e)).collect()
    }

    /// Binds an expression that must be BOOLEAN.
    pub fn bind_condition(&mut self, e: &ast::Expr) -> Result<Expr> {
        let bound = self.bind(e)?;
        match bound.ty().kind {
            TypeKind::Boolean => Ok(bound),
            TypeKind::Null => Ok(coerce(bound, &DataType::boolean())),
            _ => Err(Error::validation(format!(
                "Expected a boolean type, but this expression is {}",
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
            ExprKind::Identifier(name) => match self.scope.resolve(name) {
                Err(e) => match name.single() {
                    // Calcite's one function that may stand without parentheses.
                    Some(n) if n.value.eq_ignore_ascii_case("PI") => make_call("PI", vec![]),
                    // A check goes on, to find what else is wrong.
                    _ if self.binder.session.note_error(&e) => {
                        Ok(null_literal(&TypeKind::Null.into()))
                    }
                    _ => Err(e),
                },
                resolved => resolved,
            },
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
                if let ast::DataTypeKind::Interval(q) = &data_type.kind
                    && arg.ty().kind == TypeKind::Int
                    && matches!(arg, Expr::Literal { .. })
                {
                    return self.units(arg, q);
                }
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
            ExprKind::TimeDifference { from, minus, qualifier } => {
                let (a, b) = (self.bind(from)?, self.bind(minus)?);
                make_call("MINUS_DATE", vec![a, b, string(qualifier.from.as_str())])
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
            ExprKind::InSubquery { expr, negated, query } => {
                self.any_subquery(expr, "=", query, *negated)
            }
            ExprKind::Exists(query) => {
                let subquery = self.binder.exists_subquery(query, self.scope)?;
                self.subquery(subquery)
            }
            ExprKind::Quantified { left, op, quantifier, source } => {
                self.quantified(left, *op, *quantifier, source)
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
        let compares = matches!(
            op,
            BinaryOp::Eq
                | BinaryOp::NotEq
                | BinaryOp::Lt
                | BinaryOp::LtEq
                | BinaryOp::Gt
                | BinaryOp::GtEq
        );
        if compares {
            let (mut a, mut b) = (self.bind(left)?, self.bind(right)?);
            // `v:a.b = 'x'`: a path is compared as what stands on the other side.
            if matches!(left.kind, ExprKind::VariantPath { .. }) {
                a = as_other(a, &b);
            } else if matches!(right.kind, ExprKind::VariantPath { .. }) {
                b = as_other(b, &a);
            }
            // MySQL keeps truth values in TINYINT columns.
            let flag = |e: &Expr| matches!(e.ty().kind, TypeKind::TinyInt);
            let truth = |e: &Expr| matches!(e.ty().kind, TypeKind::Boolean);
            if flag(&a) && truth(&b) {
                a = Expr::Cast {
                    ty: DataType::boolean().with_nullable(a.ty().nullable),
                    arg: Box::new(a),
                    safe: false,
                };
            } else if truth(&a) && flag(&b) {
                b = Expr::Cast {
                    ty: DataType::boolean().with_nullable(b.ty().nullable),
                    arg: Box::new(b),
                    safe: false,
                };
            }
            return make_call(name, vec![a, b]);
        }
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
            let (left, value) = match (x.ty().is_numeric(), value.ty().is_numeric()) {
                (true, false) if value.ty().is_string() => {
                    (x.clone(), coerce(value, &x.ty().clone().null()))
                }
                (false, true) if x.ty().is_string() => {
                    (coerce(x.clone(), &value.ty().clone().null()), value)
                }
                // Unlike `=`, IN takes the text for a truth value.
                _ if value.ty().is_string() && x.ty().kind == TypeKind::Boolean => {
                    (x.clone(), coerce(value, &x.ty().clone().null()))
                }
                _ => (x.clone(), value),
            };
            let same = make_call("=", vec![left, value]).at(item.span)?;
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
        // Flink folds a number's literal as it is written, not as FLOAT holds it.
        if let Expr::Cast { arg: written, ty: float, safe: false } = &arg
            && float.kind == TypeKind::Float
            && matches!(**written, Expr::Literal { .. })
            && written.ty().is_numeric()
            && ty.is_numeric()
            && ty.kind != TypeKind::Float
        {
            return Ok(Expr::Cast { arg: written.clone(), ty, safe });
        }
        if from.same_kind(&ty) && from.time_attribute() == ty.time_attribute() {
            return Ok(arg);
        }
        if let Expr::Literal { value: Value::Null, .. } = arg {
            return Ok(null_literal(&ty));
        }
        Ok(Expr::Cast { arg: Box::new(arg), ty, safe })
    }

    /// `CAST(5 AS INTERVAL DAY)`: five of the unit; of anything but an INT literal Flink
    /// takes the number for milliseconds or months.
    fn units(&mut self, n: Expr, qualifier: &ast::IntervalQualifier) -> Result<Expr> {
        if qualifier.to.is_some() {
            return self.cast(n, super::types::interval_kind(qualifier).into(), false);
        }
        let one = super::literal::interval_literal(&ast::IntervalLit {
            negative: false,
            value: "1".into(),
            qualifier: *qualifier,
            span: weir_parser::Span::default(),
        })?;
        make_call("*", vec![n, one])
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
}

/// A VARIANT as the type of what it is compared with; NULL where it has another.
fn as_other(variant: Expr, other: &Expr) -> Expr {
    let ty = match &other.ty().kind {
        TypeKind::Variant | TypeKind::Null => return variant,
        TypeKind::Char(_) | TypeKind::Varchar(_) => DataType::string(),
        _ => other.ty().clone().null(),
    };
    match variant.ty().kind {
        TypeKind::Variant => Expr::Cast { arg: Box::new(variant), ty, safe: true },
        _ => variant,
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
