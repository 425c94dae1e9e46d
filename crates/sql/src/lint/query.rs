//! One SELECT: outer joins undone by WHERE, predicates that are never true, rows
//! that age out without being taken back, divisions by a sum that may be zero.

use weir_parser::ast::{
    self, BinaryOp, Expr, ExprKind, IsTest, JoinKind, Literal, SelectItem, SetExpr, TableFactorKind,
};

use super::epoch;
use super::exprs::exprs_of;
use crate::bind::position;
use crate::dialect::visit::{self, Visitor};
use crate::finding::Finding;
use crate::session::Session;

/// All SELECTs of a query, subqueries included.
pub(super) fn query(session: &Session, q: &ast::Query, out: &mut Vec<Finding>) {
    struct Selects<'f> {
        streaming: bool,
        out: &'f mut Vec<Finding>,
    }
    impl Visitor for Selects<'_> {
        fn select(&mut self, s: &mut ast::Select) {
            epoch::select(s, self.out);
            undone_outer_joins(s, self.out);
            never_true(s, self.out);
            divisions(s, self.out);
            if self.streaming {
                ageing(s, self.out);
            }
        }
    }
    let mut copy = q.clone();
    visit::query(&mut copy, &mut Selects { streaming: !session.is_batch(), out });
}

fn conjuncts<'e>(e: &'e Expr, out: &mut Vec<&'e Expr>) {
    match &e.kind {
        ExprKind::Binary { left, op: BinaryOp::And, right } => {
            conjuncts(left, out);
            conjuncts(right, out);
        }
        _ => out.push(e),
    }
}

fn conditions(s: &ast::Select) -> Vec<&Expr> {
    let mut parts = Vec::new();
    if let Some(w) = &s.selection {
        conjuncts(w, &mut parts);
    }
    parts
}

fn alias(f: &ast::TableFactor) -> Option<&str> {
    match (&f.alias, &f.kind) {
        (Some(a), _) => Some(&a.name.value),
        (None, TableFactorKind::Table { name, .. }) => Some(name.last()),
        _ => None,
    }
}

fn undone_outer_joins(s: &ast::Select, out: &mut Vec<Finding>) {
    for t in &s.from {
        let mut left: Vec<&str> = alias(&t.relation).into_iter().collect();
        for j in &t.joins {
            let right = alias(&j.right);
            let padded: Vec<&str> = match j.kind {
                JoinKind::Left => right.into_iter().collect(),
                JoinKind::Right => left.clone(),
                JoinKind::Full => left.iter().copied().chain(right).collect(),
                _ => vec![],
            };
            for c in conditions(s) {
                if let Some(table) = padded.iter().find(|a| rejects_null(c, a)) {
                    let kind = match j.kind {
                        JoinKind::Left => "LEFT",
                        JoinKind::Right => "RIGHT",
                        _ => "FULL",
                    };
                    let shown = shown(c);
                    out.push(
                        Finding::warning(
                            position(c.span),
                            format!(
                                "the {kind} JOIN is undone by WHERE: {shown} is never true for rows without a match in '{table}'"
                            ),
                        )
                        .hint(format!(
                            "move {shown} into the ON condition of '{table}', or write an inner JOIN"
                        )),
                    );
                }
            }
            left.extend(right);
        }
    }
}

fn shown(e: &Expr) -> String {
    weir_parser::printer::print_expr_with(e, weir_parser::printer::PrintOptions::ONE_LINE)
}

fn of_table(e: &Expr, table: &str) -> bool {
    match &e.kind {
        ExprKind::Identifier(n) => n.0.len() > 1 && n.0[n.0.len() - 2].value == table,
        ExprKind::Cast { expr, .. } | ExprKind::Unary { expr, .. } => of_table(expr, table),
        ExprKind::Binary { left, op, right } if arithmetic(*op) => {
            of_table(left, table) || of_table(right, table)
        }
        _ => false,
    }
}

fn arithmetic(op: BinaryOp) -> bool {
    use BinaryOp as B;
    matches!(op, B::Plus | B::Minus | B::Multiply | B::Divide | B::Modulo | B::Concat)
}

fn compares(op: BinaryOp) -> bool {
    use BinaryOp as B;
    matches!(op, B::Eq | B::NotEq | B::Lt | B::LtEq | B::Gt | B::GtEq)
}

/// Whether a condition cannot be true where all columns of the table are NULL.
fn rejects_null(e: &Expr, table: &str) -> bool {
    match &e.kind {
        ExprKind::Binary { left, op, right } if compares(*op) => {
            of_table(left, table) || of_table(right, table)
        }
        ExprKind::Binary { left, op: BinaryOp::Or, right } => {
            rejects_null(left, table) && rejects_null(right, table)
        }
        ExprKind::Between { expr, .. }
        | ExprKind::Like { expr, .. }
        | ExprKind::InList { expr, .. }
        | ExprKind::Is { expr, test: IsTest::Null, negated: true }
        | ExprKind::Is { expr, test: IsTest::True | IsTest::False, negated: false } => {
            of_table(expr, table)
        }
        _ => false,
    }
}

fn never_true(s: &ast::Select, out: &mut Vec<Finding>) {
    let parts = conditions(s);
    for c in &parts {
        if let Some((reason, fix)) = contradiction(s, c) {
            let message = format!("this predicate can never be true: {reason}");
            out.push(Finding::warning(position(c.span), message).hint(fix));
        }
    }
    let bounds: Vec<(String, BinaryOp, String, &Expr)> =
        parts.iter().filter_map(|c| bound(c).map(|(n, op, v)| (n, op, v, *c))).collect();
    for (i, (name, op, value, _)) in bounds.iter().enumerate() {
        for (other, op2, value2, at) in &bounds[i + 1..] {
            if name == other && exclude(*op, value, *op2, value2) {
                out.push(
                    Finding::warning(
                        position(at.span),
                        format!("this predicate can never be true together with the one before: no {name} meets both"),
                    )
                    .hint("join them by OR, or correct one of the values"),
                );
            }
        }
    }
}

fn contradiction(s: &ast::Select, c: &Expr) -> Option<(String, String)> {
    match &c.kind {
        ExprKind::Binary { left, op, right } if compares(*op) => {
            let null = |e: &Expr| matches!(e.kind, ExprKind::Literal(Literal::Null));
            if null(left) || null(right) {
                let other = if null(left) { right } else { left };
                let not = if *op == BinaryOp::NotEq { "NOT " } else { "" };
                return Some((
                    "a comparison with NULL is unknown".to_owned(),
                    format!("write {} IS {not}NULL", shown(other)),
                ));
            }
            if let (ExprKind::Literal(a), ExprKind::Literal(b)) = (&left.kind, &right.kind)
                && *op == BinaryOp::Eq
                && a != b
            {
                return Some(("the two literals differ".to_owned(), "leave it out".to_owned()));
            }
            beyond_extreme(s, left, *op, right)
        }
        ExprKind::Between { low, high, negated: false, symmetric: false, .. } => {
            let (a, b) = (number(low)?, number(high)?);
            (a > b).then(|| {
                ("the lower bound is above the upper one".to_owned(), "swap the bounds".to_owned())
            })
        }
        ExprKind::Literal(Literal::Boolean(false)) => {
            Some(("it is FALSE".to_owned(), "leave it out".to_owned()))
        }
        _ => None,
    }
}

/// `x > (SELECT MAX(x) FROM t)` in a query over `t`.
fn beyond_extreme(
    s: &ast::Select,
    left: &Expr,
    op: BinaryOp,
    right: &Expr,
) -> Option<(String, String)> {
    let ExprKind::Identifier(column) = &left.kind else { return None };
    let ExprKind::Subquery(q) = &right.kind else { return None };
    let SetExpr::Select(inner) = &q.body else { return None };
    let [SelectItem::Expr { expr, .. }] = inner.projection.as_slice() else { return None };
    let ExprKind::Function(call) = &expr.kind else { return None };
    let extreme = call.name.last().to_ascii_uppercase();
    let wanted = match op {
        BinaryOp::Gt => "MAX",
        BinaryOp::Lt => "MIN",
        _ => return None,
    };
    let [ast::FunctionArg { value: ast::ArgValue::Expr(arg), .. }] = call.args.as_slice() else {
        return None;
    };
    let ExprKind::Identifier(of) = &arg.kind else { return None };
    let same = |a: &ast::Select| match a.from.as_slice() {
        [t] if t.joins.is_empty() => match &t.relation.kind {
            TableFactorKind::Table { name, .. } => Some(name.to_string()),
            _ => None,
        },
        _ => None,
    };
    let whole = inner.selection.is_none() && inner.group_by.is_none();
    let table = same(inner)?;
    (extreme == wanted && whole && of.last() == column.last() && same(s)? == table).then(|| {
        let than = if wanted == "MAX" {
            "greater than its own maximum"
        } else {
            "less than its own minimum"
        };
        (
            format!("no {} of {table} is {than}", column.last()),
            format!(
                "compare with the {extreme} of another table, or with {} of rows read before",
                column.last()
            ),
        )
    })
}

fn number(e: &Expr) -> Option<f64> {
    match &e.kind {
        ExprKind::Literal(Literal::Number(n)) => n.parse().ok(),
        ExprKind::Unary { op: ast::UnaryOp::Minus, expr } => number(expr).map(|n| -n),
        _ => None,
    }
}

/// `column op literal`
fn bound(e: &Expr) -> Option<(String, BinaryOp, String)> {
    let ExprKind::Binary { left, op, right } = &e.kind else { return None };
    let ExprKind::Identifier(n) = &left.kind else { return None };
    let value = match &right.kind {
        ExprKind::Literal(Literal::String(s)) => format!("'{s}"),
        _ => number(right)?.to_string(),
    };
    compares(*op).then(|| (n.to_string(), *op, value))
}

fn exclude(op: BinaryOp, a: &str, op2: BinaryOp, b: &str) -> bool {
    use BinaryOp as B;
    let numbers = (a.parse::<f64>(), b.parse::<f64>());
    match (op, op2, numbers) {
        (B::Eq, B::Eq, _) => a != b,
        (B::Gt | B::GtEq, B::Lt, (Ok(low), Ok(high)))
        | (B::Lt, B::Gt | B::GtEq, (Ok(high), Ok(low))) => low >= high,
        (B::GtEq, B::LtEq, (Ok(low), Ok(high))) | (B::LtEq, B::GtEq, (Ok(high), Ok(low))) => {
            low > high
        }
        (B::Gt, B::LtEq, (Ok(low), Ok(high))) | (B::LtEq, B::Gt, (Ok(high), Ok(low))) => {
            low >= high
        }
        (B::Eq, B::Gt, (Ok(v), Ok(low))) | (B::Gt, B::Eq, (Ok(low), Ok(v))) => v <= low,
        (B::Eq, B::Lt, (Ok(v), Ok(high))) | (B::Lt, B::Eq, (Ok(high), Ok(v))) => v >= high,
        _ => false,
    }
}

/// `ts > CURRENT_TIMESTAMP - INTERVAL ..` in a continuous query: rows stay when they
/// grow too old.
fn ageing(s: &ast::Select, out: &mut Vec<Finding>) {
    for c in conditions(s) {
        let ExprKind::Binary { left, op, right } = &c.kind else { continue };
        let (column, time) = match op {
            BinaryOp::Gt | BinaryOp::GtEq => (left, right),
            BinaryOp::Lt | BinaryOp::LtEq => (right, left),
            _ => continue,
        };
        let ExprKind::Identifier(name) = &column.kind else { continue };
        if reads_clock(time) {
            out.push(
                Finding::warning(
                    position(c.span),
                    format!("in a continuous query a row is tested once, when it arrives: rows that grow older than {} are not taken back", shown(time)),
                )
                .hint(format!("keep the newest rows with a window over {}, or bound state by 'table.exec.state.ttl'", name.last())),
            );
        }
    }
}

fn reads_clock(e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Binary { left, op: BinaryOp::Minus, .. } => reads_clock(left),
        ExprKind::Function(c) => matches!(
            c.name.last().to_ascii_uppercase().as_str(),
            "CURRENT_TIMESTAMP" | "NOW" | "LOCALTIMESTAMP" | "CURRENT_DATE"
        ),
        _ => false,
    }
}

/// `x / SUM(y)` that no CASE or NULLIF guards.
fn divisions(s: &ast::Select, out: &mut Vec<Finding>) {
    for e in exprs_of(s) {
        unguarded(e, &[], out);
    }
}

fn unguarded(e: &Expr, guards: &[String], out: &mut Vec<Finding>) {
    if let ExprKind::Case { branches, .. } = &e.kind {
        for b in branches {
            let mut inner = guards.to_vec();
            inner.extend(b.when.iter().map(shown));
            unguarded(&b.then, &inner, out);
        }
        return;
    }
    if let ExprKind::Binary { left, op: BinaryOp::Divide, right } = &e.kind
        && let ExprKind::Function(c) = &right.kind
        && c.name.last().eq_ignore_ascii_case("SUM")
    {
        let divisor = shown(right);
        if !guards.iter().any(|g| g.contains(&divisor)) {
            out.push(
                Finding::warning(
                    position(e.span),
                    format!("division by {divisor}, which may be zero"),
                )
                .hint(format!("write {} / NULLIF({divisor}, 0)", shown(left))),
            );
        }
    }
    for c in crate::bind::children(e) {
        unguarded(c, guards, out);
    }
}
