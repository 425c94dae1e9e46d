//! Expressions, with the parentheses their tree needs.

use super::Printer;
use crate::ast::*;
use crate::precedence as prec;

impl Printer<'_> {
    /// Prints an expression where operators bind at least as tight as `min`,
    /// in parentheses if it does not.
    pub(super) fn expr(&mut self, expr: &Expr, min: u8) {
        let open = precedence(&expr.kind) < min || self.colon_would_end(&expr.kind);
        self.put_if(open, "(");
        self.expr_kind(&expr.kind);
        self.put_if(open, ")");
    }

    fn colon_would_end(&self, kind: &ExprKind) -> bool {
        self.in_json_key && matches!(kind, ExprKind::VariantPath { .. })
    }

    pub(super) fn exprs(&mut self, exprs: &[Expr]) {
        self.list(exprs, |p, e| p.expr(e, 0));
    }

    fn expr_kind(&mut self, kind: &ExprKind) {
        match kind {
            ExprKind::Identifier(name) => match self.names.as_ref().and_then(|n| n.column(name)) {
                Some(full) => self.object_name(&full),
                None => self.object_name(name),
            },
            ExprKind::Literal(literal) => self.literal(literal),
            ExprKind::IntervalExpr { negative, value, qualifier } => {
                self.interval_expr(*negative, value, qualifier)
            }
            ExprKind::Unary { op, expr } => self.unary(*op, expr),
            ExprKind::Binary { left, op, right } => self.binary(left, *op, right),
            ExprKind::Is { expr, test, negated } => {
                self.expr(expr, prec::IS);
                self.put(if *negated { " IS NOT " } else { " IS " });
                self.put(is_test(*test));
            }
            ExprKind::IsJson { expr, kind, negated } => {
                self.expr(expr, prec::IS);
                self.put(if *negated { " IS NOT JSON" } else { " IS JSON" });
                self.put(json_kind(*kind));
            }
            ExprKind::Between { .. }
            | ExprKind::Like { .. }
            | ExprKind::InList { .. }
            | ExprKind::InSubquery { .. }
            | ExprKind::Quantified { .. } => self.predicate(kind),
            ExprKind::Case { operand, branches, else_result } => {
                self.case(operand.as_deref(), branches, else_result.as_deref())
            }
            ExprKind::Function(call) => self.function_call(call),
            ExprKind::Subscript { expr, index } => {
                self.base(expr);
                self.put("[");
                self.expr(index, 0);
                self.put("]");
            }
            ExprKind::FieldAccess { expr, field } => {
                self.field_base(expr);
                self.put(".");
                self.ident(field);
            }
            ExprKind::VariantPath { expr, steps } => self.variant_path(expr, steps),
            ExprKind::AtTimeZone { expr, zone } => {
                self.expr(expr, prec::AT_TIME_ZONE);
                self.put(" AT TIME ZONE ");
                self.expr(zone, prec::AT_TIME_ZONE + 1);
            }
            ExprKind::MatchSemantics { is_final, expr } => {
                self.put(if *is_final { "FINAL " } else { "RUNNING " });
                self.expr(expr, prec::PRIMARY);
            }
            ExprKind::TimeDifference { from, minus, qualifier } => {
                self.put("(");
                self.binary(from, BinaryOp::Minus, minus);
                self.put(") ");
                self.interval_qualifier(qualifier);
            }
            ExprKind::Default => self.put("DEFAULT"),
            ExprKind::SequenceValue { next, name } => {
                self.put(if *next { "NEXT VALUE FOR " } else { "CURRENT VALUE FOR " });
                self.object_name(name);
            }
            _ => self.constructor(kind),
        }
    }

    /// Rows, collections and subqueries.
    fn constructor(&mut self, kind: &ExprKind) {
        match kind {
            ExprKind::Row(items) => self.bracketed("ROW(", items, ")"),
            ExprKind::Tuple(items) => self.bracketed("(", items, ")"),
            ExprKind::Array(items) => self.bracketed("ARRAY[", items, "]"),
            ExprKind::Map(items) => self.bracketed("MAP[", items, "]"),
            ExprKind::Multiset(items) => self.bracketed("MULTISET[", items, "]"),
            ExprKind::Subquery(query) => self.paren_query("", query),
            ExprKind::Exists(query) => self.paren_query("EXISTS ", query),
            ExprKind::Unique(query) => self.paren_query("UNIQUE ", query),
            ExprKind::Cursor(query) => self.paren_query("CURSOR", query),
            ExprKind::ArrayQuery(query) => self.paren_query("ARRAY", query),
            ExprKind::MapQuery(query) => self.paren_query("MAP", query),
            ExprKind::MultisetQuery(query) => self.paren_query("MULTISET", query),
            ExprKind::Period { start, end } => {
                self.put("PERIOD(");
                self.expr(start, 0);
                self.put(", ");
                self.expr(end, 0);
                self.put(")");
            }
            other => self.word_function(other),
        }
    }

    fn bracketed(&mut self, open: &str, items: &[Expr], close: &str) {
        self.put(open);
        self.exprs(items);
        self.put(close);
    }

    pub(super) fn paren_query(&mut self, word: &str, query: &Query) {
        self.put(word);
        self.put("(");
        self.query(query);
        self.put(")");
    }

    fn interval_expr(&mut self, negative: bool, value: &Expr, qualifier: &IntervalQualifier) {
        self.put("INTERVAL ");
        self.put_if(negative, "-");
        let bare =
            matches!(value.kind, ExprKind::Identifier(_) | ExprKind::Literal(Literal::Number(_)));
        self.put_if(!bare, "(");
        self.expr(value, 0);
        self.put_if(!bare, ")");
        self.put(" ");
        self.interval_qualifier(qualifier);
    }

    fn unary(&mut self, op: UnaryOp, expr: &Expr) {
        match op {
            UnaryOp::Not => {
                self.put("NOT ");
                self.expr(expr, prec::NOT + 1);
            }
            UnaryOp::Plus | UnaryOp::Minus => {
                self.put(if op == UnaryOp::Plus { "+" } else { "-" });
                self.put_if(self.names.is_some(), " ");
                // Two signs in a row would begin a comment.
                self.expr(expr, prec::SIGN + 1);
            }
        }
    }

    fn binary(&mut self, left: &Expr, op: BinaryOp, right: &Expr) {
        let binding = prec::binary(op);
        let right_min = match op {
            BinaryOp::IsDistinctFrom | BinaryOp::IsNotDistinctFrom => prec::COMPARISON + 1,
            _ => binding + 1,
        };
        self.expr(left, binding);
        self.put(" ");
        self.put(operator(op));
        self.put(" ");
        self.expr(right, right_min);
    }

    fn predicate(&mut self, kind: &ExprKind) {
        match kind {
            ExprKind::Between { expr, negated, symmetric, low, high } => {
                self.tested(expr, *negated, "BETWEEN ");
                self.put_if(*symmetric, "SYMMETRIC ");
                self.put_if(!*symmetric && self.names.is_some(), "ASYMMETRIC ");
                self.expr(low, prec::LIKE + 1);
                self.put(" AND ");
                self.expr(high, prec::LIKE + 1);
            }
            ExprKind::Like { expr, kind, negated, pattern, escape } => {
                self.tested(expr, *negated, like_word(*kind));
                self.expr(pattern, prec::LIKE + 1);
                if let Some(escape) = escape {
                    self.put(" ESCAPE ");
                    self.expr(escape, prec::LIKE + 1);
                }
            }
            ExprKind::InList { expr, negated, list } => {
                self.tested(expr, *negated, "IN ");
                self.bracketed("(", list, ")");
            }
            ExprKind::InSubquery { expr, negated, query } => {
                self.tested(expr, *negated, "IN ");
                self.paren_query("", query);
            }
            ExprKind::Quantified { left, op, quantifier, source } => {
                self.expr(left, prec::COMPARISON);
                self.put(" ");
                self.put(operator(*op));
                self.put(match quantifier {
                    Quantifier::Any => " ANY ",
                    Quantifier::Some => " SOME ",
                    Quantifier::All => " ALL ",
                });
                match source {
                    QuantifiedSource::Query(query) => self.paren_query("", query),
                    QuantifiedSource::List(list) => self.bracketed("(", list, ")"),
                }
            }
            _ => {}
        }
    }

    fn tested(&mut self, expr: &Expr, negated: bool, word: &str) {
        self.expr(expr, prec::LIKE);
        self.put(if negated { " NOT " } else { " " });
        self.put(word);
    }

    fn case(&mut self, operand: Option<&Expr>, branches: &[CaseBranch], else_: Option<&Expr>) {
        self.put("CASE");
        if let Some(operand) = operand {
            self.put(" ");
            self.expr(operand, 0);
        }
        for branch in branches {
            self.put(" WHEN ");
            self.exprs(&branch.when);
            self.put(" THEN ");
            self.expr(&branch.then, 0);
        }
        if let Some(else_) = else_ {
            self.put(" ELSE ");
            self.expr(else_, 0);
        }
        self.put(" END");
    }

    /// What a subscript or a field is taken of.
    pub(super) fn base(&mut self, expr: &Expr) {
        let open = matches!(
            expr.kind,
            ExprKind::Literal(_)
                | ExprKind::VariantPath { .. }
                | ExprKind::IntervalExpr { .. }
                | ExprKind::SequenceValue { .. }
        );
        self.put_if(open, "(");
        self.expr(expr, if open { 0 } else { prec::PRIMARY });
        self.put_if(open, ")");
    }

    /// What a field is taken of: a name needs parentheses, or the field would
    /// be one more part of it.
    fn field_base(&mut self, expr: &Expr) {
        let name = matches!(expr.kind, ExprKind::Identifier(_));
        self.put_if(name, "(");
        self.base(expr);
        self.put_if(name, ")");
    }

    fn variant_path(&mut self, expr: &Expr, steps: &[VariantStep]) {
        self.base(expr);
        if self.options.strict {
            return steps.iter().for_each(|s| self.strict_step(s));
        }
        for step in steps {
            match step {
                VariantStep::Field(name) => {
                    self.put(":");
                    self.ident(name);
                }
                VariantStep::Index(index) => {
                    self.put("[");
                    self.expr(index, 0);
                    self.put("]");
                }
            }
        }
    }

    /// A step as a subscript; Flink counts from 1.
    fn strict_step(&mut self, step: &VariantStep) {
        self.put("[");
        match step {
            VariantStep::Field(name) => self.string(&name.value),
            VariantStep::Index(Expr { kind: ExprKind::Literal(Literal::Number(n)), .. }) => {
                match n.parse::<u64>().ok().and_then(|n| n.checked_add(1)) {
                    Some(next) => self.put(&next.to_string()),
                    None => self.put(n),
                }
            }
            VariantStep::Index(Expr { kind: ExprKind::Literal(Literal::String(key)), .. }) => {
                self.string(key)
            }
            VariantStep::Index(index) => {
                self.expr(index, prec::ADD);
                self.put(" + 1");
            }
        }
        self.put("]");
    }
}

fn precedence(kind: &ExprKind) -> u8 {
    match kind {
        ExprKind::Binary { op, .. } => prec::binary(*op),
        ExprKind::Unary { op: UnaryOp::Not, .. } => prec::NOT,
        ExprKind::Unary { .. } | ExprKind::MatchSemantics { .. } => prec::SIGN,
        ExprKind::Is { .. } | ExprKind::IsJson { .. } => prec::IS,
        ExprKind::Between { .. }
        | ExprKind::Like { .. }
        | ExprKind::InList { .. }
        | ExprKind::InSubquery { .. } => prec::LIKE,
        ExprKind::Quantified { .. } => prec::COMPARISON,
        ExprKind::AtTimeZone { .. } => prec::AT_TIME_ZONE,
        _ => prec::PRIMARY,
    }
}

/// How an operator is written.
pub(crate) fn operator(op: BinaryOp) -> &'static str {
    match op {
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
        BinaryOp::Overlaps => "OVERLAPS",
        BinaryOp::Contains => "CONTAINS",
        BinaryOp::Equals => "EQUALS",
        BinaryOp::Precedes => "PRECEDES",
        BinaryOp::Succeeds => "SUCCEEDS",
        BinaryOp::ImmediatelyPrecedes => "IMMEDIATELY PRECEDES",
        BinaryOp::ImmediatelySucceeds => "IMMEDIATELY SUCCEEDS",
        BinaryOp::MemberOf => "MEMBER OF",
        BinaryOp::SubmultisetOf => "SUBMULTISET OF",
        BinaryOp::MultisetUnion => "MULTISET UNION",
        BinaryOp::MultisetUnionDistinct => "MULTISET UNION DISTINCT",
        BinaryOp::MultisetIntersect => "MULTISET INTERSECT",
        BinaryOp::MultisetIntersectDistinct => "MULTISET INTERSECT DISTINCT",
        BinaryOp::MultisetExcept => "MULTISET EXCEPT",
        BinaryOp::MultisetExceptDistinct => "MULTISET EXCEPT DISTINCT",
    }
}

fn is_test(test: IsTest) -> &'static str {
    match test {
        IsTest::Null => "NULL",
        IsTest::True => "TRUE",
        IsTest::False => "FALSE",
        IsTest::Unknown => "UNKNOWN",
        IsTest::ASet => "A SET",
        IsTest::Empty => "EMPTY",
    }
}

fn json_kind(kind: JsonKind) -> &'static str {
    match kind {
        JsonKind::Value => " VALUE",
        JsonKind::Array => " ARRAY",
        JsonKind::Object => " OBJECT",
        JsonKind::Scalar => " SCALAR",
    }
}

fn like_word(kind: LikeKind) -> &'static str {
    match kind {
        LikeKind::Like => "LIKE ",
        LikeKind::ILike => "ILIKE ",
        LikeKind::RLike => "RLIKE ",
        LikeKind::SimilarTo => "SIMILAR TO ",
    }
}
