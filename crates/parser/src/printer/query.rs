//! Queries.

use super::Printer;
use crate::ast::*;

impl Printer<'_> {
    pub(super) fn query(&mut self, query: &Query) {
        if let Some(with) = &query.with {
            self.put(if with.recursive { "WITH RECURSIVE " } else { "WITH " });
            self.separated(&with.ctes, ", ", Self::cte);
            self.clause();
        }
        // ORDER BY names the columns of the SELECT before it.
        if let SetExpr::Select(select) = &query.body {
            self.enter(select);
            self.select_clauses(select);
            self.ordered(query);
            self.leave();
        } else {
            self.set_expr(&query.body, 0);
            self.ordered(query);
        }
    }

    fn ordered(&mut self, query: &Query) {
        if !query.order_by.is_empty() {
            self.clause();
            self.order_by("", &query.order_by);
        }
        let in_full = self.names.is_some();
        if !in_full {
            self.count_clause("LIMIT ", query.limit.as_ref(), "");
        }
        self.count_clause("OFFSET ", query.offset.as_ref(), " ROWS");
        let fetch = query.fetch.as_ref().or(query.limit.as_ref().filter(|_| in_full));
        self.count_clause("FETCH NEXT ", fetch, " ROWS ONLY");
    }

    fn enter(&mut self, select: &Select) {
        if let Some(names) = self.names.as_mut() {
            names.enter(select);
        }
    }

    fn leave(&mut self) {
        if let Some(names) = self.names.as_mut() {
            names.leave();
        }
    }

    fn count_clause(&mut self, before: &str, count: Option<&Expr>, after: &str) {
        if let Some(count) = count {
            self.clause();
            self.put(before);
            self.expr(count, 0);
            self.put(after);
        }
    }

    fn cte(&mut self, cte: &Cte) {
        self.ident(&cte.name);
        if !cte.columns.is_empty() {
            self.put(" ");
            self.idents(&cte.columns);
        }
        self.paren_query(" AS ", &cte.query);
        if let Some(names) = self.names.as_mut() {
            names.define(cte);
        }
    }

    /// Prints a body; set operators that bind no tighter than `min` get
    /// parentheses.
    fn set_expr(&mut self, body: &SetExpr, min: u8) {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Values(values) => self.values(values),
            SetExpr::Table(name) => {
                self.put("TABLE ");
                self.object_name(name);
            }
            SetExpr::Query(query) => self.paren_query("", query),
            SetExpr::SetOp(operation) => {
                let open = binding(operation.op) <= min;
                self.put_if(open, "(");
                self.set_operation(operation);
                self.put_if(open, ")");
            }
        }
    }

    fn set_operation(&mut self, operation: &SetOperation) {
        let binding = binding(operation.op);
        self.set_expr(&operation.left, binding - 1);
        self.clause();
        self.put(match operation.op {
            SetOp::Union => "UNION",
            SetOp::Intersect => "INTERSECT",
            SetOp::Except => "EXCEPT",
        });
        self.put_if(operation.all, " ALL");
        self.clause();
        self.set_expr(&operation.right, binding);
    }

    fn values(&mut self, values: &Values) {
        self.put("VALUES ");
        self.list(&values.rows, Self::values_row);
    }

    pub(super) fn values_row(&mut self, row: &ValuesRow) {
        self.put_if(self.names.is_some(), "ROW");
        self.put("(");
        self.exprs(&row.exprs);
        self.put(")");
    }

    fn select(&mut self, select: &Select) {
        self.enter(select);
        self.select_clauses(select);
        self.leave();
    }

    fn select_clauses(&mut self, select: &Select) {
        self.put("SELECT");
        self.hints(&select.hints);
        self.put(" ");
        self.put_if(select.stream, "STREAM ");
        self.set_quantifier(select.quantifier);
        self.list(&select.projection, Self::select_item);
        if !select.from.is_empty() {
            self.clause();
            self.put("FROM ");
            self.list(&select.from, Self::table_with_joins);
        }
        self.condition("WHERE ", select.selection.as_ref());
        if let Some(group_by) = &select.group_by {
            self.clause();
            self.put("GROUP BY ");
            self.set_quantifier(group_by.quantifier);
            self.list(&group_by.elements, Self::grouping_element);
        }
        self.condition("HAVING ", select.having.as_ref());
        if !select.windows.is_empty() {
            self.clause();
            self.put("WINDOW ");
            self.list(&select.windows, |p, window| {
                p.ident(&window.name);
                p.put(" AS ");
                p.window_spec(&window.spec);
            });
        }
        self.condition("QUALIFY ", select.qualify.as_ref());
    }

    pub(super) fn condition(&mut self, word: &str, condition: Option<&Expr>) {
        if let Some(condition) = condition {
            self.clause();
            self.put(word);
            self.expr(condition, 0);
        }
    }

    fn select_item(&mut self, item: &SelectItem) {
        match item {
            SelectItem::Wildcard(_) => {
                if !self.star(None) {
                    self.put("*");
                }
            }
            SelectItem::QualifiedWildcard { qualifier, .. } => {
                if !self.star(Some(qualifier)) {
                    self.object_name(qualifier);
                    self.put(".*");
                }
            }
            SelectItem::ExprWildcard { expr, .. } => {
                self.base(expr);
                self.put(".*");
            }
            SelectItem::Expr { expr, alias, .. } => {
                self.expr(expr, 0);
                self.alias(alias.as_ref());
            }
        }
    }

    /// Prints the columns that a star stands for, if names are put in full.
    fn star(&mut self, qualifier: Option<&ObjectName>) -> bool {
        let columns = self.names.as_ref().and_then(|n| n.star(qualifier));
        if let Some(columns) = &columns {
            self.list(columns, Self::object_name);
        }
        columns.is_some()
    }

    pub(super) fn alias(&mut self, alias: Option<&Ident>) {
        if let Some(alias) = alias {
            self.put(" AS ");
            self.ident(alias);
        }
    }

    fn grouping_element(&mut self, element: &GroupingElement) {
        match element {
            GroupingElement::Empty => self.put("()"),
            GroupingElement::Expr(expr) => self.expr(expr, 0),
            GroupingElement::Exprs(exprs) => {
                self.put("(");
                self.exprs(exprs);
                self.put(")");
            }
            GroupingElement::GroupingSets(list) => self.grouping_list("GROUPING SETS ", list),
            GroupingElement::Cube(list) => self.grouping_list("CUBE ", list),
            GroupingElement::Rollup(list) => self.grouping_list("ROLLUP ", list),
        }
    }

    fn grouping_list(&mut self, words: &str, list: &[GroupingElement]) {
        self.put(words);
        self.paren_list(list, Self::grouping_element);
    }

    /// `before`, then `ORDER BY ..`; nothing for an empty list.
    pub(super) fn order_by(&mut self, before: &str, items: &[OrderByExpr]) {
        if !items.is_empty() {
            self.put(before);
            self.put("ORDER BY ");
            self.list(items, Self::order_item);
        }
    }

    pub(super) fn order_item(&mut self, item: &OrderByExpr) {
        self.expr(&item.expr, 0);
        self.put_if(item.desc, " DESC");
        match item.nulls_first {
            Some(true) => self.put(" NULLS FIRST"),
            Some(false) => self.put(" NULLS LAST"),
            None => {}
        }
    }
}

fn binding(op: SetOp) -> u8 {
    match op {
        SetOp::Union | SetOp::Except => 1,
        SetOp::Intersect => 2,
    }
}
