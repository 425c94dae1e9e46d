//! FROM: tables, joins, MATCH_RECOGNIZE, PIVOT.

use super::Printer;
use crate::ast::*;

impl Printer<'_> {
    pub(super) fn table_with_joins(&mut self, table: &TableWithJoins) {
        self.table_factor(&table.relation);
        for join in &table.joins {
            self.clause();
            self.join(join);
        }
    }

    fn join(&mut self, join: &Join) {
        self.put_if(join.natural, "NATURAL ");
        self.put(join_words(join.kind));
        self.table_factor(&join.right);
        match &join.constraint {
            JoinConstraint::None => {}
            JoinConstraint::On(condition) => {
                self.put(" ON ");
                self.expr(condition, 0);
            }
            JoinConstraint::Using(columns) => {
                self.put(" USING ");
                self.idents(columns);
            }
            JoinConstraint::MatchCondition { condition, on } => {
                self.put(" MATCH_CONDITION ");
                self.expr(condition, 0);
                self.put(" ON ");
                self.expr(on, 0);
            }
        }
    }

    pub(super) fn table_factor(&mut self, factor: &TableFactor) {
        self.table_kind(&factor.kind);
        if let (Some(_), None, TableFactorKind::Table { name, .. }) =
            (&self.names, &factor.alias, &factor.kind)
        {
            self.alias(name.0.last());
        }
        if let Some(alias) = &factor.alias {
            self.alias(Some(&alias.name));
            if !alias.columns.is_empty() {
                self.put(" ");
                self.idents(&alias.columns);
            }
        }
        if let Some(sample) = &factor.sample {
            self.sample(sample);
        }
    }

    fn table_kind(&mut self, kind: &TableFactorKind) {
        match kind {
            TableFactorKind::Table { name, hints, system_time } => {
                match self.names.as_ref().and_then(|n| n.table(name)) {
                    Some(full) => self.object_name(&full),
                    None => self.object_name(name),
                }
                self.hints(hints);
                if let Some(time) = system_time {
                    self.put(" FOR SYSTEM_TIME AS OF ");
                    self.expr(time, 0);
                }
            }
            TableFactorKind::Derived { lateral, query } => {
                self.put_if(*lateral, "LATERAL ");
                self.paren_query("", query);
            }
            TableFactorKind::Function { lateral, wrapped, call } => {
                self.put_if(*lateral, "LATERAL ");
                self.put_if(*wrapped, "TABLE(");
                self.table_function(call);
                self.put_if(*wrapped, ")");
            }
            TableFactorKind::Unnest { lateral, exprs, with_ordinality } => {
                self.put_if(*lateral, "LATERAL ");
                self.put("UNNEST(");
                self.exprs(exprs);
                self.put(")");
                self.put_if(*with_ordinality, " WITH ORDINALITY");
            }
            TableFactorKind::Nested(inner) => {
                self.put("(");
                self.table_with_joins(inner);
                self.put(")");
            }
            TableFactorKind::MatchRecognize { input, spec } => {
                self.input(input);
                self.match_recognize(spec);
            }
            TableFactorKind::Pivot { input, spec } => {
                self.input(input);
                self.pivot(spec);
            }
            TableFactorKind::Unpivot { input, spec } => {
                self.input(input);
                self.unpivot(spec);
            }
        }
    }

    /// A call whose name is read as a plain name, so that even the names of
    /// functions must be quoted when they are reserved.
    pub(super) fn table_function(&mut self, call: &FunctionCall) {
        match call.name.single() {
            Some(name) => self.put(&super::quote_if_needed(&name.value)),
            None => self.object_name(&call.name),
        }
        self.call_after_name(call);
    }

    /// What a clause such as MATCH_RECOGNIZE works on.
    fn input(&mut self, factor: &TableFactor) {
        let done = factor.alias.is_some() || factor.sample.is_some();
        let open = done
            || matches!(
                factor.kind,
                TableFactorKind::MatchRecognize { .. }
                    | TableFactorKind::Pivot { .. }
                    | TableFactorKind::Unpivot { .. }
            );
        self.put_if(open, "(");
        self.table_factor(factor);
        self.put_if(open, ")");
    }

    fn sample(&mut self, sample: &TableSample) {
        self.put(match sample.method {
            SampleMethod::Bernoulli => " TABLESAMPLE BERNOULLI(",
            SampleMethod::System => " TABLESAMPLE SYSTEM(",
            SampleMethod::Substitute => " TABLESAMPLE SUBSTITUTE(",
        });
        self.expr(&sample.value, 0);
        self.put(")");
        if let Some(seed) = &sample.repeatable {
            self.put(" REPEATABLE(");
            self.expr(seed, 0);
            self.put(")");
        }
    }

    // ---- PIVOT ----------------------------------------------------------

    fn ident_or_list(&mut self, idents: &[Ident]) {
        match idents {
            [one] => self.ident(one),
            many => self.idents(many),
        }
    }

    fn aliased(&mut self, (expr, alias): &(Expr, Option<Ident>)) {
        self.expr(expr, 0);
        self.alias(alias.as_ref());
    }

    fn pivot(&mut self, pivot: &Pivot) {
        self.put(" PIVOT (");
        self.list(&pivot.aggregates, Self::aliased);
        self.put(" FOR ");
        self.ident_or_list(&pivot.columns);
        self.put(" IN ");
        self.paren_list(&pivot.values, Self::aliased);
        self.put(")");
    }

    fn unpivot(&mut self, unpivot: &Unpivot) {
        self.put(match unpivot.include_nulls {
            Some(true) => " UNPIVOT INCLUDE NULLS (",
            Some(false) => " UNPIVOT EXCLUDE NULLS (",
            None => " UNPIVOT (",
        });
        self.ident_or_list(&unpivot.measures);
        self.put(" FOR ");
        self.ident_or_list(&unpivot.axes);
        self.put(" IN ");
        self.paren_list(&unpivot.columns, |p, (columns, value)| {
            p.ident_or_list(columns);
            if let Some(value) = value {
                p.put(" AS ");
                p.expr(value, 0);
            }
        });
        self.put(")");
    }

    // ---- MATCH_RECOGNIZE ------------------------------------------------

    fn match_recognize(&mut self, spec: &MatchRecognize) {
        self.put(" MATCH_RECOGNIZE (");
        if !spec.partition_by.is_empty() {
            self.match_clause("PARTITION BY ");
            self.exprs(&spec.partition_by);
        }
        if !spec.order_by.is_empty() {
            self.match_clause("");
            self.order_by("", &spec.order_by);
        }
        if !spec.measures.is_empty() {
            self.match_clause("MEASURES ");
            self.list(&spec.measures, |p, measure| {
                p.expr(&measure.expr, 0);
                p.alias(Some(&measure.alias));
            });
        }
        match spec.rows_per_match {
            Some(RowsPerMatch::One) => self.match_clause("ONE ROW PER MATCH"),
            Some(RowsPerMatch::All) => self.match_clause("ALL ROWS PER MATCH"),
            None => {}
        }
        if let Some(after) = &spec.after_match {
            self.after_match(after);
        }
        self.match_clause("PATTERN (");
        self.put_if(spec.anchor_start, "^ ");
        self.pattern(&spec.pattern, 0);
        self.put_if(spec.anchor_end, " $");
        self.put(")");
        if let Some(within) = &spec.within {
            self.put(" WITHIN ");
            self.expr(within, 0);
        }
        self.match_definitions(spec);
        self.clause_end();
        self.put(")");
    }

    fn match_definitions(&mut self, spec: &MatchRecognize) {
        if !spec.subsets.is_empty() {
            self.match_clause("SUBSET ");
            self.list(&spec.subsets, |p, subset| {
                p.ident(&subset.name);
                p.put(" = ");
                p.idents(&subset.members);
            });
        }
        self.match_clause("DEFINE ");
        self.list(&spec.defines, |p, define| {
            p.ident(&define.name);
            p.put(" AS ");
            p.expr(&define.condition, 0);
        });
    }

    fn match_clause(&mut self, words: &str) {
        if !self.options.one_line {
            self.put("\n  ");
        } else if !self.out.ends_with('(') {
            self.put(" ");
        }
        self.put(words);
    }

    fn clause_end(&mut self) {
        self.put_if(!self.options.one_line, "\n");
    }

    fn after_match(&mut self, after: &AfterMatch) {
        self.match_clause("AFTER MATCH SKIP ");
        match after {
            AfterMatch::ToNextRow => self.put("TO NEXT ROW"),
            AfterMatch::PastLastRow => self.put("PAST LAST ROW"),
            AfterMatch::ToFirst(name) => {
                self.put("TO FIRST ");
                self.ident(name);
            }
            AfterMatch::ToLast(name) => {
                self.put("TO LAST ");
                self.ident(name);
            }
        }
    }

    /// Prints a pattern; `level` says what stands around it: 0 nothing, 1 a
    /// sequence, 2 a quantifier.
    fn pattern(&mut self, pattern: &Pattern, level: u8) {
        let own = match &pattern.kind {
            PatternKind::Alternation(_) => 0,
            PatternKind::Concat(_) => 1,
            PatternKind::Repeat { .. } => 2,
            _ => 3,
        };
        let open = own < level + u8::from(level > 0);
        self.put_if(open, "(");
        self.pattern_kind(&pattern.kind);
        self.put_if(open, ")");
    }

    fn pattern_kind(&mut self, kind: &PatternKind) {
        match kind {
            PatternKind::Variable(name) => self.ident(name),
            PatternKind::Concat(parts) => self.separated(parts, " ", |p, x| p.pattern(x, 1)),
            PatternKind::Alternation(parts) => self.separated(parts, " | ", |p, x| {
                let nested = matches!(x.kind, PatternKind::Alternation(_));
                p.put_if(nested, "(");
                p.pattern(x, 0);
                p.put_if(nested, ")");
            }),
            PatternKind::Repeat { pattern, quantifier, reluctant } => {
                self.pattern(pattern, 2);
                self.quantifier(*quantifier);
                self.put_if(*reluctant, "?");
            }
            PatternKind::Permute(parts) => {
                self.put("PERMUTE");
                self.paren_list(parts, |p, x| p.pattern(x, 0));
            }
            PatternKind::Exclude(inside) => {
                self.put("{- ");
                self.pattern(inside, 0);
                self.put(" -}");
            }
        }
    }

    fn quantifier(&mut self, quantifier: PatternQuantifier) {
        let text = match quantifier {
            PatternQuantifier::ZeroOrMore => "*".to_string(),
            PatternQuantifier::OneOrMore => "+".to_string(),
            PatternQuantifier::ZeroOrOne => "?".to_string(),
            PatternQuantifier::Exactly(n) => format!("{{{n}}}"),
            PatternQuantifier::AtLeast(n) => format!("{{{n},}}"),
            PatternQuantifier::AtMost(n) => format!("{{,{n}}}"),
            PatternQuantifier::Between(low, high) => format!("{{{low},{high}}}"),
        };
        self.put(&text);
    }
}

fn join_words(kind: JoinKind) -> &'static str {
    match kind {
        JoinKind::Inner => "INNER JOIN ",
        JoinKind::Left => "LEFT JOIN ",
        JoinKind::Right => "RIGHT JOIN ",
        JoinKind::Full => "FULL JOIN ",
        JoinKind::Cross => "CROSS JOIN ",
        JoinKind::LeftSemi => "LEFT SEMI JOIN ",
        JoinKind::LeftAnti => "LEFT ANTI JOIN ",
        JoinKind::Asof => "ASOF JOIN ",
        JoinKind::LeftAsof => "LEFT ASOF JOIN ",
        JoinKind::CrossApply => "CROSS APPLY ",
        JoinKind::OuterApply => "OUTER APPLY ",
    }
}
