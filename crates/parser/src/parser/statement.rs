//! Which statement a text is, and the small statements.

use super::{PResult, Parser};
use crate::ast::*;
use crate::keywords;
use crate::lexer::{Symbol, TokenKind};

/// The words a statement can begin with.
const STARTS: &[&str] = &[
    "ADD", "ALTER", "ANALYZE", "BEGIN", "CALL", "CLEAR", "COMPILE", "CREATE", "DELETE", "DESC",
    "DESCRIBE", "DROP", "END", "EXECUTE", "EXIT", "EXPLAIN", "HELP", "INSERT", "LOAD", "MERGE",
    "QUIT", "REMOVE", "REPLACE", "RESET", "SELECT", "SET", "SHOW", "SOURCE", "STOP", "TRUNCATE",
    "UNLOAD", "UPDATE", "USE", "VALUES", "WITH",
];

impl Parser<'_> {
    pub(super) fn statement(&mut self) -> PResult<Statement> {
        let start = self.here();
        let kind = self.statement_kind()?;
        let span = self.span_from(start);
        if !self.at_end() && !self.peek_symbol(Symbol::Semicolon) {
            return self.unexpected_for("end of statement");
        }
        Ok(Statement { kind, span })
    }

    fn statement_kind(&mut self) -> PResult<StatementKind> {
        match self.word_at(0).to_ascii_uppercase().as_str() {
            "CREATE" => self.create(),
            "REPLACE" => self.replace_table(),
            "ALTER" => self.alter(),
            "DROP" => self.drop_statement(),
            "INSERT" => Ok(StatementKind::Insert(Box::new(self.insert()?))),
            "EXECUTE" => self.execute(),
            "BEGIN" => self.begin(),
            "COMPILE" => self.compile(),
            "UPDATE" => self.update(),
            "DELETE" => self.delete(),
            "MERGE" => self.merge(),
            "TRUNCATE" => self.truncate(),
            "CALL" => self.call(),
            "ANALYZE" => self.analyze(),
            "SHOW" => self.show(),
            "DESCRIBE" | "DESC" => self.describe(),
            "EXPLAIN" => self.explain(),
            "STOP" => self.stop_job(),
            "SELECT" | "WITH" | "VALUES" | "VALUE" | "TABLE" => self.query_statement(),
            _ if self.peek_symbol(Symbol::LParen) => self.query_statement(),
            _ => self.session_statement(),
        }
    }

    fn query_statement(&mut self) -> PResult<StatementKind> {
        Ok(StatementKind::Query(self.boxed_query()?))
    }

    /// The statements about the session and the client.
    fn session_statement(&mut self) -> PResult<StatementKind> {
        match self.word_at(0).to_ascii_uppercase().as_str() {
            "USE" => self.use_statement(),
            "LOAD" => self.load_module(),
            "UNLOAD" => {
                self.expect_kws(&["UNLOAD", "MODULE"])?;
                self.ident().map(StatementKind::UnloadModule)
            }
            "SET" => self.set(),
            "RESET" => self.reset(),
            "ADD" => {
                self.expect_kws(&["ADD", "JAR"])?;
                self.path().map(StatementKind::AddJar)
            }
            "REMOVE" => {
                self.expect_kws(&["REMOVE", "JAR"])?;
                self.path().map(StatementKind::RemoveJar)
            }
            "SOURCE" => {
                self.pos += 1;
                self.path().map(StatementKind::Source)
            }
            "HELP" => Ok(self.one_word(StatementKind::Help)),
            "QUIT" | "EXIT" => Ok(self.one_word(StatementKind::Quit)),
            "CLEAR" => Ok(self.one_word(StatementKind::Clear)),
            "END" => Ok(self.one_word(StatementKind::EndStatementSet)),
            _ => self.no_statement(),
        }
    }

    fn one_word(&mut self, kind: StatementKind) -> StatementKind {
        self.pos += 1;
        kind
    }

    fn no_statement(&mut self) -> PResult<StatementKind> {
        let near = keywords::nearest(self.word_at(0), STARTS.iter().copied());
        let mut error = match self.unexpected_for::<StatementKind>("a statement") {
            Err(error) => error,
            Ok(kind) => return Ok(kind),
        };
        if let Some(near) = near {
            error.hint = Some(format!("did you mean {near}?"));
        } else if self.peek_any(&["LEFT", "RIGHT", "FULL", "INNER", "CROSS", "JOIN"]) {
            let hint = "a join is a part of a query: SELECT .. FROM source JOIN ..";
            error.hint = Some(hint.to_string());
        } else if self.peek_any(&["FROM", "WHERE", "GROUP", "HAVING", "ORDER", "UNION"]) {
            error.hint = Some("a clause is a part of a query: SELECT .. FROM ..".to_string());
        } else if self.peek_any(&["PRIMARY", "INDEX", "KEY", "UNIQUE"]) {
            let hint = "a key stands inside CREATE TABLE: CREATE TABLE t (id BIGINT, \
                        PRIMARY KEY (id) NOT ENFORCED); Flink has no indexes";
            error.hint = Some(hint.to_string());
        }
        Err(error)
    }

    fn use_statement(&mut self) -> PResult<StatementKind> {
        self.expect_kw("USE")?;
        if self.peek_kw("CATALOG") && self.ident_at(1) {
            self.pos += 1;
            return self.ident().map(StatementKind::UseCatalog);
        }
        if self.peek_kw("MODULES") && self.ident_at(1) {
            self.pos += 1;
            return self.comma_list(Self::ident).map(StatementKind::UseModules);
        }
        if self.peek_kw("DATABASE") && self.ident_at(1) {
            self.extension(self.peek().span, "USE DATABASE; Flink writes USE");
            self.pos += 1;
        }
        self.object_name().map(StatementKind::UseDatabase)
    }

    fn load_module(&mut self) -> PResult<StatementKind> {
        self.expect_kws(&["LOAD", "MODULE"])?;
        let name = self.ident()?;
        Ok(StatementKind::LoadModule { name, options: self.with_options()? })
    }

    /// True when the statement is over.
    fn ends(&self) -> bool {
        self.at_end() || self.peek_symbol(Symbol::Semicolon)
    }

    fn set(&mut self) -> PResult<StatementKind> {
        self.expect_kw("SET")?;
        if self.ends() {
            return Ok(StatementKind::ShowSettings);
        }
        let start = self.here();
        let key = match self.string_at(0) {
            true => self.string()?,
            false => self.raw_until(Some(Symbol::Eq))?,
        };
        self.expect(Symbol::Eq)?;
        let value = match self.string_at(0) {
            true => self.string()?,
            false => self.raw_until(None)?,
        };
        let span = self.span_from(start);
        Ok(StatementKind::Set(SqlOption { key, value, span }))
    }

    fn reset(&mut self) -> PResult<StatementKind> {
        self.expect_kw("RESET")?;
        if self.ends() {
            return Ok(StatementKind::Reset(None));
        }
        let key = match self.string_at(0) {
            true => self.string()?,
            false => self.raw_until(None)?,
        };
        Ok(StatementKind::Reset(Some(key)))
    }

    fn path(&mut self) -> PResult<StringLit> {
        match self.string_at(0) {
            true => self.string(),
            false => self.raw_until(None),
        }
    }

    /// The text up to a symbol or to the end of the statement, as it stands:
    /// old scripts write keys and values without quotes.
    fn raw_until(&mut self, stop: Option<Symbol>) -> PResult<StringLit> {
        let start = self.here();
        while !self.ends() && stop.is_none_or(|s| !self.peek_symbol(s)) {
            let token = self.peek();
            if matches!(token.kind, TokenKind::Invalid(_)) {
                return self.unexpected();
            }
            self.pos += 1;
        }
        let span = self.span_from(start);
        let value = span.text(self.source).trim().to_string();
        if value.is_empty() {
            return self.unexpected_for("a string in single quotes");
        }
        Ok(StringLit { value, span })
    }
}
