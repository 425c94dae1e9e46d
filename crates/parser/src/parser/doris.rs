//! CREATE TABLE as Doris writes it, read into the Flink table that stands for it.
//!
//! `UNIQUE KEY(..)` becomes the primary key, `DISTRIBUTED BY HASH(..) BUCKETS n`
//! a distribution, `PROPERTIES(..)` the connector's `table.create.properties.*`,
//! range partitions `PARTITIONED BY`. What is printed is therefore Flink SQL.

use super::{PResult, Parser};
use crate::ast::*;
use crate::lexer::{Symbol, TokenKind};

/// COMMENT, DISTRIBUTED, PARTITIONED BY and WITH of the table.
pub(super) type Clauses = (Option<StringLit>, Option<Distribution>, Vec<Ident>, Vec<SqlOption>);

impl Parser<'_> {
    /// True where a clause begins that only Doris has.
    pub(super) fn doris_clauses_follow(&self) -> bool {
        self.peek_kw("ENGINE") && self.symbol_at(1) == Some(Symbol::Eq) && self.kw_at(2, "OLAP")
            || self.peek_kws(&["DUPLICATE", "KEY"])
            || self.peek_kws(&["UNIQUE", "KEY"])
            || self.peek_kw("PROPERTIES") && self.symbol_at(1) == Some(Symbol::LParen)
    }

    /// Everything behind the columns of a Doris table.
    pub(super) fn doris_clauses(
        &mut self,
        name: &ObjectName,
        schema: &mut TableSchema,
    ) -> PResult<Clauses> {
        let start = self.here();
        let doris = |key: &str, value: &str| SqlOption {
            key: StringLit::new(key),
            value: StringLit::new(value),
            span: name.span(),
        };
        if self.accept_kw("ENGINE") {
            self.expect(Symbol::Eq)?;
            self.expect_kw("OLAP")?;
        }
        let mut options =
            vec![doris("connector", "doris"), doris("table.identifier", &name.to_string())];
        self.doris_key(schema)?;
        let comment = self.doris_comment()?;
        let partitioned_by = self.doris_partitions()?;
        let distribution = self.doris_distribution()?;
        if self.accept_kw("PROPERTIES") {
            options.extend(self.paren_list(Self::doris_property)?);
        }
        let span = self.span_from(start);
        self.extension(
            span,
            "a Doris table; Flink declares it with 'connector' = 'doris', PRIMARY KEY for UNIQUE KEY and without the partition ranges",
        );
        Ok((comment, distribution, partitioned_by, options))
    }

    fn doris_key(&mut self, schema: &mut TableSchema) -> PResult<()> {
        let start = self.here();
        if self.accept_kws(&["DUPLICATE", "KEY"]) {
            // Rows are kept as they come: no key in Flink's sense.
            self.ident_list()?;
        } else if self.accept_kws(&["UNIQUE", "KEY"]) {
            let columns = self.ident_list()?;
            schema.constraints.push(TableConstraint {
                name: None,
                kind: ConstraintKind::PrimaryKey,
                columns,
                enforced: Some(false),
                span: self.span_from(start),
            });
        }
        Ok(())
    }

    fn doris_comment(&mut self) -> PResult<Option<StringLit>> {
        match self.accept_kw("COMMENT") {
            true => self.doris_string().map(Some),
            false => Ok(None),
        }
    }

    /// `PARTITION BY RANGE(c) (PARTITION p VALUES [("a"), ("b")), ..)`: the columns.
    fn doris_partitions(&mut self) -> PResult<Vec<Ident>> {
        self.accept_kw("AUTO");
        if !self.accept_kws(&["PARTITION", "BY"]) {
            return Ok(Vec::new());
        }
        if !self.accept_kw("RANGE") {
            self.expect_kw("LIST")?;
        }
        let columns = self.ident_list()?;
        if self.accept(Symbol::LParen) {
            while !self.accept(Symbol::RParen) {
                self.doris_partition()?;
                if !self.accept(Symbol::Comma) {
                    self.expect(Symbol::RParen)?;
                    break;
                }
            }
        }
        Ok(columns)
    }

    fn doris_partition(&mut self) -> PResult<()> {
        self.expect_kw("PARTITION")?;
        self.if_not_exists();
        self.ident()?;
        self.expect_kw("VALUES")?;
        if self.accept_kws(&["LESS", "THAN"]) {
            return match self.accept_kw("MAXVALUE") {
                true => Ok(()),
                false => self.paren_list(Self::doris_bound).map(drop),
            };
        }
        if self.accept_kw("IN") {
            return self.paren_list(Self::doris_bound).map(drop);
        }
        // A half-open range: `[("a"), ("b"))`.
        self.expect(Symbol::LBracket)?;
        self.paren_list(Self::doris_bound)?;
        self.expect(Symbol::Comma)?;
        self.paren_list(Self::doris_bound)?;
        self.expect(Symbol::RParen)
    }

    fn doris_bound(&mut self) -> PResult<()> {
        if self.peek_symbol(Symbol::LParen) {
            return self.paren_list(Self::doris_bound).map(drop);
        }
        match self.peek().kind {
            TokenKind::DoubleQuoted | TokenKind::Number => {
                self.pos += 1;
                Ok(())
            }
            _ if self.accept_kw("MAXVALUE") => Ok(()),
            _ => self.string().map(drop),
        }
    }

    fn doris_distribution(&mut self) -> PResult<Option<Distribution>> {
        let start = self.here();
        if !self.accept_kws(&["DISTRIBUTED", "BY"]) {
            return Ok(None);
        }
        let (mut kind, mut columns) = (None, Vec::new());
        if self.accept_kw("HASH") {
            kind = Some(DistributionKind::Hash);
            columns = self.ident_list()?;
        } else {
            self.expect_kw("RANDOM")?;
        }
        let buckets = match self.accept_kw("BUCKETS") {
            true if self.accept_kw("AUTO") => None,
            true => Some(self.unsigned()?),
            false => None,
        };
        if columns.is_empty() && buckets.is_none() {
            return Ok(None);
        }
        Ok(Some(Distribution { kind, columns, buckets, span: self.span_from(start) }))
    }

    fn doris_property(&mut self) -> PResult<SqlOption> {
        let start = self.here();
        let mut key = self.doris_string()?;
        self.expect(Symbol::Eq)?;
        let value = self.doris_string()?;
        key.value.insert_str(0, "table.create.properties.");
        Ok(SqlOption { key, value, span: self.span_from(start) })
    }

    /// A string in either kind of quotes.
    fn doris_string(&mut self) -> PResult<StringLit> {
        if self.peek().kind != TokenKind::DoubleQuoted {
            return self.string();
        }
        let token = self.advance();
        let value = crate::literal::unquote(self.text(token), '"');
        Ok(StringLit { value, span: token.span })
    }
}
