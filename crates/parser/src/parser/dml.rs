//! INSERT, UPDATE, DELETE, MERGE, statement sets, plans and jobs.

use super::{PResult, Parser};
use crate::ast::*;
use crate::lexer::Symbol;

impl Parser<'_> {
    pub(super) fn insert(&mut self) -> PResult<Insert> {
        let start = self.here();
        self.expect_kw("INSERT")?;
        let overwrite = self.accept_kw("OVERWRITE");
        if !overwrite {
            self.expect_kw("INTO")?;
        } else {
            self.accept_kw("TABLE");
        }
        let table = self.object_name()?;
        let hints = self.hints()?;
        let partition = self.partition_clause()?;
        let columns = match self.column_list_follows() {
            true => self.paren_list(Self::object_name)?,
            false => Vec::new(),
        };
        let at = self.peek().span;
        let by_name = self.accept_kws(&["BY", "NAME"]);
        if by_name {
            self.extension(at, "INSERT .. BY NAME; Flink matches columns by position");
        }
        let source = self.boxed_query()?;
        let on_conflict = self.on_conflict()?;
        let span = self.span_from(start);
        Ok(Insert {
            overwrite,
            table,
            hints,
            partition,
            columns,
            by_name,
            source,
            on_conflict,
            span,
        })
    }

    /// True for `(` that opens a column list and no query.
    fn column_list_follows(&self) -> bool {
        let mut ahead = 0;
        while self.symbol_at(ahead) == Some(Symbol::LParen) {
            ahead += 1;
        }
        ahead > 0 && !self.query_starts_at(ahead)
    }

    fn on_conflict(&mut self) -> PResult<Option<ConflictAction>> {
        if !self.accept_kws(&["ON", "CONFLICT"]) {
            return Ok(None);
        }
        self.expect_kw("DO")?;
        let action = if self.accept_kw("NOTHING") {
            ConflictAction::Nothing
        } else if self.accept_kw("ERROR") {
            ConflictAction::Error
        } else {
            self.expect_kw("DEDUPLICATE")?;
            ConflictAction::Deduplicate
        };
        Ok(Some(action))
    }

    pub(super) fn update(&mut self) -> PResult<StatementKind> {
        self.expect_kw("UPDATE")?;
        let table = self.object_name()?;
        let hints = self.hints()?;
        let alias = self.dml_alias()?;
        self.expect_kw("SET")?;
        let assignments = self.comma_list(Self::assignment)?;
        let selection = self.where_clause()?;
        let update = Update { table, hints, alias, assignments, selection };
        Ok(StatementKind::Update(Box::new(update)))
    }

    fn dml_alias(&mut self) -> PResult<Option<Ident>> {
        match self.accept_kw("AS") || self.ident_at(0) {
            true => self.ident().map(Some),
            false => Ok(None),
        }
    }

    fn where_clause(&mut self) -> PResult<Option<Expr>> {
        match self.accept_kw("WHERE") {
            true => self.expr().map(Some),
            false => Ok(None),
        }
    }

    fn assignment(&mut self) -> PResult<Assignment> {
        let start = self.here();
        let target = self.object_name()?;
        self.expect(Symbol::Eq)?;
        let value = self.expr()?;
        Ok(Assignment { target, value, span: self.span_from(start) })
    }

    pub(super) fn delete(&mut self) -> PResult<StatementKind> {
        self.expect_kws(&["DELETE", "FROM"])?;
        let table = self.object_name()?;
        let hints = self.hints()?;
        let alias = self.dml_alias()?;
        let selection = self.where_clause()?;
        Ok(StatementKind::Delete(Box::new(Delete { table, hints, alias, selection })))
    }

    pub(super) fn merge(&mut self) -> PResult<StatementKind> {
        self.expect_kws(&["MERGE", "INTO"])?;
        let table = self.object_name()?;
        let alias = self.dml_alias()?;
        self.expect_kw("USING")?;
        let source = self.table_factor()?;
        self.expect_kw("ON")?;
        let on = self.expr()?;
        let mut update = Vec::new();
        if self.accept_kws(&["WHEN", "MATCHED"]) {
            self.expect_kws(&["THEN", "UPDATE", "SET"])?;
            update = self.comma_list(Self::assignment)?;
        }
        let mut insert = None;
        if self.accept_kws(&["WHEN", "NOT", "MATCHED"]) {
            self.expect_kws(&["THEN", "INSERT"])?;
            let columns = match self.peek_symbol(Symbol::LParen) {
                true => self.ident_list()?,
                false => Vec::new(),
            };
            self.expect_kw("VALUES")?;
            insert = Some(MergeInsert { columns, values: self.values_row()? });
        }
        if update.is_empty() && insert.is_none() {
            return self.unexpected();
        }
        let merge = Merge { table, alias, source, on, update, insert };
        Ok(StatementKind::Merge(Box::new(merge)))
    }

    pub(super) fn truncate(&mut self) -> PResult<StatementKind> {
        self.expect_kws(&["TRUNCATE", "TABLE"])?;
        self.object_name().map(StatementKind::Truncate)
    }

    pub(super) fn call(&mut self) -> PResult<StatementKind> {
        self.expect_kw("CALL")?;
        let call = self.function_call()?;
        Ok(StatementKind::Call(Box::new(call)))
    }

    pub(super) fn analyze(&mut self) -> PResult<StatementKind> {
        self.expect_kws(&["ANALYZE", "TABLE"])?;
        let table = self.object_name()?;
        let partition = self.partition_clause()?;
        self.expect_kws(&["COMPUTE", "STATISTICS"])?;
        let columns = if !self.accept_kw("FOR") {
            AnalyzeColumns::None
        } else if self.accept_kw("ALL") {
            self.expect_kw("COLUMNS")?;
            AnalyzeColumns::All
        } else {
            self.expect_kw("COLUMNS")?;
            AnalyzeColumns::List(self.comma_list(Self::ident)?)
        };
        Ok(StatementKind::Analyze(AnalyzeTable { table, partition, columns }))
    }

    // ---- statement sets and plans ---------------------------------------

    /// `EXECUTE STATEMENT SET`, `EXECUTE PLAN` or `EXECUTE statement`.
    pub(super) fn execute(&mut self) -> PResult<StatementKind> {
        let start = self.here();
        self.expect_kw("EXECUTE")?;
        if self.accept_kws(&["STATEMENT", "SET"]) {
            self.expect_kw("BEGIN")?;
            return self.set_members(start).map(StatementKind::StatementSet);
        }
        if self.accept_kw("PLAN") {
            return self.string().map(StatementKind::ExecutePlan);
        }
        let inner = self.here();
        let kind = match self.peek_kw("INSERT") {
            true => StatementKind::Insert(Box::new(self.insert()?)),
            false => {
                self.tried("INSERT");
                StatementKind::Query(self.boxed_query()?)
            }
        };
        let span = self.span_from(inner);
        Ok(StatementKind::Execute(Box::new(Statement { kind, span })))
    }

    /// `BEGIN STATEMENT SET; ..; END`, or only its first line.
    pub(super) fn begin(&mut self) -> PResult<StatementKind> {
        let start = self.here();
        self.expect_kws(&["BEGIN", "STATEMENT", "SET"])?;
        let alone = self.at_end()
            || self.peek_symbol(Symbol::Semicolon)
                && self.token_at(1).kind == crate::lexer::TokenKind::Eof;
        if alone {
            return Ok(StatementKind::BeginStatementSet);
        }
        self.expect(Symbol::Semicolon)?;
        self.set_members(start).map(StatementKind::StatementSet)
    }

    /// The inserts up to END.
    fn set_members(&mut self, start: u32) -> PResult<StatementSet> {
        let mut inserts = Vec::new();
        while !self.accept_kw("END") {
            inserts.push(self.insert()?);
            self.expect(Symbol::Semicolon)?;
        }
        if inserts.is_empty() {
            return self.fail(self.span_from(start), "unexpected END: the statement set is empty");
        }
        Ok(StatementSet { inserts, span: self.span_from(start) })
    }

    /// An INSERT or a statement set, after COMPILE PLAN .. FOR.
    fn plan_subject(&mut self) -> PResult<Box<Statement>> {
        let start = self.here();
        let kind = if self.peek_kw("INSERT") {
            StatementKind::Insert(Box::new(self.insert()?))
        } else {
            self.statement_set()?
        };
        Ok(Box::new(Statement { kind, span: self.span_from(start) }))
    }

    /// `[EXECUTE] STATEMENT SET BEGIN .. END`, as a part of a statement.
    pub(super) fn statement_set(&mut self) -> PResult<StatementKind> {
        let start = self.here();
        self.accept_kw("EXECUTE");
        self.expect_kws(&["STATEMENT", "SET", "BEGIN"])?;
        self.set_members(start).map(StatementKind::StatementSet)
    }

    pub(super) fn compile(&mut self) -> PResult<StatementKind> {
        self.expect_kw("COMPILE")?;
        let execute = self.accept_kws(&["AND", "EXECUTE"]);
        self.expect_kw("PLAN")?;
        let path = self.string()?;
        let if_not_exists = !execute && self.if_not_exists();
        self.expect_kw("FOR")?;
        let statement = self.plan_subject()?;
        let plan = CompilePlan { execute, path, if_not_exists, statement };
        Ok(StatementKind::CompilePlan(plan))
    }

    pub(super) fn stop_job(&mut self) -> PResult<StatementKind> {
        self.expect_kws(&["STOP", "JOB"])?;
        let mut stop = StopJob { id: self.string()?, with_savepoint: false, with_drain: false };
        while self.accept_kw("WITH") {
            if self.accept_kw("SAVEPOINT") {
                stop.with_savepoint = true;
            } else {
                self.expect_kw("DRAIN")?;
                stop.with_drain = true;
            }
        }
        Ok(StatementKind::StopJob(stop))
    }
}
