//! SHOW, DESCRIBE and EXPLAIN.

use super::{PResult, Parser};
use crate::ast::*;

impl Parser<'_> {
    pub(super) fn show(&mut self) -> PResult<StatementKind> {
        self.expect_kw("SHOW")?;
        let object = self.show_object()?;
        let (from, like) = match object {
            ShowObject::Create { .. }
            | ShowObject::Partitions { .. }
            | ShowObject::CurrentCatalog
            | ShowObject::CurrentDatabase
            | ShowObject::Jars
            | ShowObject::Jobs
            | ShowObject::Modules { .. } => (None, None),
            _ => (self.show_from()?, self.show_like()?),
        };
        if object == ShowObject::Columns && from.is_none() {
            self.tried("FROM");
            return self.unexpected();
        }
        Ok(StatementKind::Show(Show { object, from, like }))
    }

    fn show_object(&mut self) -> PResult<ShowObject> {
        if self.accept_kw("CREATE") {
            let kind = self.object_kind()?;
            return Ok(ShowObject::Create { kind, name: self.object_name()? });
        }
        if self.accept_kw("PARTITIONS") {
            let table = self.object_name()?;
            return Ok(ShowObject::Partitions { table, spec: self.partition_clause()? });
        }
        const PLAIN: [(&[&str], ShowObject); 17] = [
            (&["CATALOGS"], ShowObject::Catalogs),
            (&["CURRENT", "CATALOG"], ShowObject::CurrentCatalog),
            (&["DATABASES"], ShowObject::Databases),
            (&["CURRENT", "DATABASE"], ShowObject::CurrentDatabase),
            (&["TABLES"], ShowObject::Tables),
            (&["VIEWS"], ShowObject::Views),
            (&["MATERIALIZED", "TABLES"], ShowObject::MaterializedTables),
            (&["MODELS"], ShowObject::Models),
            (&["CONNECTIONS"], ShowObject::Connections),
            (&["COLUMNS"], ShowObject::Columns),
            (&["PROCEDURES"], ShowObject::Procedures),
            (&["FUNCTIONS"], ShowObject::Functions { user: false }),
            (&["USER", "FUNCTIONS"], ShowObject::Functions { user: true }),
            (&["MODULES"], ShowObject::Modules { full: false }),
            (&["FULL", "MODULES"], ShowObject::Modules { full: true }),
            (&["JARS"], ShowObject::Jars),
            (&["JOBS"], ShowObject::Jobs),
        ];
        for (words, object) in PLAIN {
            if self.accept_kws(words) {
                return Ok(object);
            }
        }
        self.unexpected()
    }

    fn show_from(&mut self) -> PResult<Option<ShowFrom>> {
        let uses_in = self.accept_kw("IN");
        if !uses_in && !self.accept_kw("FROM") {
            return Ok(None);
        }
        Ok(Some(ShowFrom { uses_in, name: self.object_name()? }))
    }

    fn show_like(&mut self) -> PResult<Option<ShowLike>> {
        let negated = self.accept_kw("NOT");
        let case_insensitive = self.accept_kw("ILIKE");
        if case_insensitive || self.accept_kw("LIKE") {
            let pattern = self.string()?;
            return Ok(Some(ShowLike { negated, case_insensitive, pattern }));
        }
        match negated {
            true => self.unexpected(),
            false => Ok(None),
        }
    }

    pub(super) fn describe(&mut self) -> PResult<StatementKind> {
        if !self.accept_kw("DESCRIBE") {
            self.expect_kw("DESC")?;
        }
        let mut extended = false;
        let target = if self.describes("CATALOG") {
            extended = self.extended();
            DescribeTarget::Catalog(self.ident()?)
        } else if self.describes("DATABASE") {
            extended = self.extended();
            DescribeTarget::Database(self.object_name()?)
        } else if self.accept_kw("FUNCTION") {
            extended = self.extended();
            DescribeTarget::Function(self.object_name()?)
        } else if self.describes("MODEL") {
            extended = self.extended();
            DescribeTarget::Model(self.object_name()?)
        } else if self.describes("CONNECTION") {
            extended = self.extended();
            DescribeTarget::Connection(self.object_name()?)
        } else if self.peek_kw("JOB") && self.string_at(1) {
            self.pos += 1;
            DescribeTarget::Job(self.string()?)
        } else {
            self.accept_kws(&["MATERIALIZED", "TABLE"]);
            self.accept_kw("TABLE");
            extended = self.extended();
            DescribeTarget::Table(self.object_name()?)
        };
        Ok(StatementKind::Describe(Describe { target, extended }))
    }

    /// Takes the word of a kind when a name follows it: a table may be called
    /// by such a word, too.
    fn describes(&mut self, kind: &'static str) -> bool {
        let named = self.ident_at(1) || self.kw_at(1, "EXTENDED");
        named && self.accept_kw(kind)
    }

    fn extended(&mut self) -> bool {
        self.accept_kw("EXTENDED")
    }

    pub(super) fn explain(&mut self) -> PResult<StatementKind> {
        self.expect_kw("EXPLAIN")?;
        let mut details = Vec::new();
        if self.accept_kw("PLAN") {
            self.expect_kw("FOR")?;
        } else if let Some(first) = self.explain_detail() {
            details.push(first);
            while self.accept(crate::lexer::Symbol::Comma) {
                match self.explain_detail() {
                    Some(detail) => details.push(detail),
                    None => return self.unexpected(),
                }
            }
        }
        let statement = Box::new(self.explained()?);
        Ok(StatementKind::Explain(Explain { details, statement }))
    }

    fn explain_detail(&mut self) -> Option<ExplainDetail> {
        const DETAILS: [(&str, ExplainDetail); 4] = [
            ("ESTIMATED_COST", ExplainDetail::EstimatedCost),
            ("CHANGELOG_MODE", ExplainDetail::ChangelogMode),
            ("JSON_EXECUTION_PLAN", ExplainDetail::JsonExecutionPlan),
            ("PLAN_ADVICE", ExplainDetail::PlanAdvice),
        ];
        let found = DETAILS.iter().find(|(word, _)| self.accept_kw(word));
        found.map(|&(_, detail)| detail)
    }

    fn explained(&mut self) -> PResult<Statement> {
        let start = self.here();
        let kind = match self.word_at(0).to_ascii_uppercase().as_str() {
            "INSERT" => StatementKind::Insert(Box::new(self.insert()?)),
            "STATEMENT" => self.statement_set()?,
            "EXECUTE" => self.execute()?,
            "CREATE" => self.create()?,
            "REPLACE" => self.replace_table()?,
            "UPDATE" => self.update()?,
            "DELETE" => self.delete()?,
            _ => StatementKind::Query(self.boxed_query()?),
        };
        Ok(Statement { kind, span: self.span_from(start) })
    }
}
