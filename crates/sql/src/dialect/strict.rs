//! Rewrites of what only this engine reads into Flink SQL: `DATE_SUB`, `DATE(..)`,
//! `UNIX_TIMESTAMP` of dates and timestamps, lookups `AS OF PROCTIME()`, a table's
//! alias as a row, names that another catalog's USE put out of reach.

use weir_parser::ast::{
    self, ArgValue, BinaryOp, Expr, ExprKind, FunctionCall, Ident, Literal, ObjectName, Query,
    Select, SelectItem, SetExpr, Statement, TableFactor, TableFactorKind,
};
use weir_parser::span::Span;

use super::visit::{self, Visitor};
use crate::session::Session;

/// The statement as a Flink cluster takes it. `session` is what the statement
/// sees: names that it finds in another catalog come out qualified.
pub fn strict(statement: &Statement, session: &Session) -> Statement {
    let mut s = statement.clone();
    visit::statement(&mut s, &mut Functions);
    visit::statement(&mut s, &mut Rows);
    visit::statement(&mut s, &mut Lookups);
    visit::statement(&mut s, &mut Names(session));
    s
}

fn parse(text: &str) -> Option<ExprKind> {
    weir_parser::parse_expr(text).ok().map(|e| e.kind)
}

fn text(e: &Expr) -> String {
    weir_parser::printer::print_expr_with(e, weir_parser::printer::PrintOptions::ONE_LINE)
}

fn name_of(e: &Expr) -> Option<(String, &FunctionCall)> {
    match &e.kind {
        ExprKind::Function(c) => Some((c.name.last().to_ascii_uppercase(), c)),
        _ => None,
    }
}

fn args(call: &FunctionCall) -> Option<Vec<&Expr>> {
    call.args
        .iter()
        .map(|a| match &a.value {
            ArgValue::Expr(e) => Some(e),
            _ => None,
        })
        .collect()
}

/// Functions of Hive and MySQL.
struct Functions;

impl Visitor for Functions {
    fn expr(&mut self, e: &mut Expr) {
        let Some((name, call)) = name_of(e) else { return };
        let Some(args) = args(call) else { return };
        let new = match (name.as_str(), args.as_slice()) {
            ("DATE_SUB" | "DATE_ADD", [date, days]) => shifted(&name, date, days),
            ("DATE", [x]) => match name_of(x) {
                Some((f, _)) if f == "FROM_UNIXTIME" => {
                    Some(format!("CAST(TO_TIMESTAMP({}) AS DATE)", text(x)))
                }
                _ => Some(format!("CAST({} AS DATE)", text(x))),
            },
            ("UNIX_TIMESTAMP", [x]) => seconds(x),
            ("NVL", [a, b]) => Some(format!("COALESCE({}, {})", text(a), text(b))),
            _ => None,
        };
        if let Some(kind) = new.as_deref().and_then(parse) {
            e.kind = kind;
        }
    }
}

fn shifted(name: &str, date: &Expr, days: &Expr) -> Option<String> {
    let sign = if name == "DATE_SUB" { "-" } else { "+" };
    Some(match &days.kind {
        ExprKind::Literal(Literal::Number(n)) => {
            format!("{} {sign} INTERVAL '{n}' DAY", text(date))
        }
        _ => format!("TIMESTAMPADD(DAY, {sign}({}), {})", text(days), text(date)),
    })
}

/// UNIX_TIMESTAMP of something that is no text in the default format.
fn seconds(x: &Expr) -> Option<String> {
    let shown = text(x);
    match shape(x) {
        Shape::Date => Some(format!("UNIX_TIMESTAMP(CAST({shown} AS STRING), 'yyyy-MM-dd')")),
        Shape::Timestamp => {
            Some(format!("UNIX_TIMESTAMP(DATE_FORMAT({shown}, 'yyyy-MM-dd HH:mm:ss'))"))
        }
        Shape::DateText => Some(format!("UNIX_TIMESTAMP({shown}, 'yyyy-MM-dd')")),
        Shape::Other => None,
    }
}

#[derive(PartialEq)]
enum Shape {
    Date,
    Timestamp,
    DateText,
    Other,
}

fn shape(e: &Expr) -> Shape {
    match &e.kind {
        ExprKind::Literal(Literal::Date(_)) => Shape::Date,
        ExprKind::Literal(Literal::Timestamp(_)) => Shape::Timestamp,
        ExprKind::Literal(Literal::String(s)) => {
            let b = s.as_bytes();
            let date = b.len() == 10 && b[4] == b'-' && b[7] == b'-';
            // `{{ ds }}` and its kin stand for a date.
            let template = s.starts_with("{{") && s.contains("ds");
            if date || template { Shape::DateText } else { Shape::Other }
        }
        ExprKind::Cast { data_type, .. } => {
            match weir_parser::printer::print_data_type(data_type).as_str() {
                "DATE" => Shape::Date,
                t if t.starts_with("TIMESTAMP") => Shape::Timestamp,
                _ => Shape::Other,
            }
        }
        ExprKind::Binary { left, op: BinaryOp::Plus | BinaryOp::Minus, .. } => shape(left),
        ExprKind::Function(c) => match c.name.last().to_ascii_uppercase().as_str() {
            "CURRENT_DATE" | "TO_DATE" | "DATE" | "DATE_SUB" | "DATE_ADD" => Shape::Date,
            "CURRENT_TIMESTAMP"
            | "LOCALTIMESTAMP"
            | "NOW"
            | "CURRENT_ROW_TIMESTAMP"
            | "TO_TIMESTAMP"
            | "TO_TIMESTAMP_LTZ" => Shape::Timestamp,
            _ => Shape::Other,
        },
        _ => Shape::Other,
    }
}

/// Lookups `FOR SYSTEM_TIME AS OF PROCTIME()`: Flink wants a processing-time
/// column of the left side.
struct Lookups;

impl Visitor for Lookups {
    fn select(&mut self, s: &mut Select) {
        for t in &mut s.from {
            let mut any = false;
            let Some(alias) = alias_of(&t.relation) else { continue };
            for j in &mut t.joins {
                let TableFactorKind::Table { system_time: Some(time), .. } = &mut j.right.kind
                else {
                    continue;
                };
                if name_of(time).is_some_and(|(n, _)| n == "PROCTIME") {
                    let column = ObjectName(vec![alias.clone(), Ident::new("proc_time")]);
                    time.kind = ExprKind::Identifier(column);
                    any = true;
                }
            }
            if any {
                with_proctime(&mut t.relation, &alias);
            }
        }
    }
}

fn alias_of(f: &TableFactor) -> Option<Ident> {
    match (&f.alias, &f.kind) {
        (Some(a), _) => Some(a.name.clone()),
        (None, TableFactorKind::Table { name, .. }) => name.0.last().cloned(),
        _ => None,
    }
}

/// `t` becomes `(SELECT *, PROCTIME() AS proc_time FROM t) AS t`.
fn with_proctime(f: &mut TableFactor, alias: &Ident) {
    let Ok(mut query) = weir_parser::parse_query("SELECT *, PROCTIME() AS proc_time FROM t") else {
        return;
    };
    let SetExpr::Select(select) = &mut query.body else { return };
    let span = f.span;
    select.from[0].relation = TableFactor { alias: None, ..f.clone() };
    if !matches!(f.kind, TableFactorKind::Table { .. }) {
        select.from[0].relation.alias.clone_from(&f.alias);
    }
    f.kind = TableFactorKind::Derived { lateral: false, query: Box::new(query) };
    f.alias = Some(ast::TableAlias { name: alias.clone(), columns: Vec::new(), span });
    f.sample = None;
}

/// A table's alias as a row: `SELECT r FROM t AS r`, with `r.x` outside, becomes
/// the columns themselves.
struct Rows;

impl Visitor for Rows {
    fn select(&mut self, s: &mut Select) {
        for i in 0..s.from.len() {
            let rows = match &mut s.from[i].relation.kind {
                TableFactorKind::Derived { query, .. } => row_items(query),
                _ => continue,
            };
            for alias in rows {
                let mut used = Fields { alias: alias.clone(), names: Vec::new() };
                for item in &mut s.projection {
                    if let SelectItem::Expr { expr, .. } = item {
                        visit::expr(expr, &mut used);
                    }
                }
                for e in [&mut s.selection, &mut s.having].into_iter().flatten() {
                    visit::expr(e, &mut used);
                }
                if let TableFactorKind::Derived { query, .. } = &mut s.from[i].relation.kind {
                    flatten(query, &alias, &used.names);
                }
            }
        }
    }
}

fn plain_select(query: &mut Query) -> Option<&mut Select> {
    match &mut query.body {
        SetExpr::Select(s) => Some(s),
        _ => None,
    }
}

/// The items of a SELECT that are bare aliases of its own tables.
fn row_items(query: &mut Query) -> Vec<Ident> {
    let Some(s) = plain_select(query) else { return Vec::new() };
    let aliases: Vec<String> =
        s.from.iter().filter_map(|t| alias_of(&t.relation)).map(|i| i.value).collect();
    s.projection
        .iter()
        .filter_map(|i| match i {
            SelectItem::Expr { expr, alias: None, .. } => match &expr.kind {
                ExprKind::Identifier(n) => {
                    n.single().filter(|i| aliases.contains(&i.value)).cloned()
                }
                _ => None,
            },
            _ => None,
        })
        .collect()
}

/// Puts the used fields in the place of the row.
fn flatten(query: &mut Query, row: &Ident, names: &[Ident]) {
    let Some(s) = plain_select(query) else { return };
    let Some(at) = s.projection.iter().position(|i| matches!(i, SelectItem::Expr { expr, .. } if matches!(&expr.kind, ExprKind::Identifier(n) if n.single() == Some(row)))) else {
        return;
    };
    let fields = names.iter().map(|n| {
        let name = ObjectName(vec![row.clone(), n.clone()]);
        let expr = Expr::new(ExprKind::Identifier(name), Span::default());
        SelectItem::Expr { expr, alias: None, span: Span::default() }
    });
    s.projection.splice(at..=at, fields);
}

/// Collects `alias.field` and leaves `field`.
struct Fields {
    alias: Ident,
    names: Vec<Ident>,
}

impl Visitor for Fields {
    fn expr(&mut self, e: &mut Expr) {
        let ExprKind::Identifier(name) = &mut e.kind else { return };
        if name.0.len() > 1 && name.0[0].value == self.alias.value {
            if !self.names.contains(&name.0[1]) {
                self.names.push(name.0[1].clone());
            }
            name.0.remove(0);
        }
    }
}

/// Names of one part that are found in another catalog.
struct Names<'s>(&'s Session);

impl Visitor for Names<'_> {
    fn table(&mut self, name: &mut ObjectName) {
        let Some(one) = name.single() else { return };
        let Some(path) = self.0.elsewhere(&one.value) else { return };
        name.0 = [path.catalog, path.database, path.table].iter().map(Ident::new).collect();
    }
}
