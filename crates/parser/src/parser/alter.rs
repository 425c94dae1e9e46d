//! ALTER.

use super::{PResult, Parser};
use crate::ast::*;
use crate::lexer::Symbol;

impl Parser<'_> {
    pub(super) fn alter(&mut self) -> PResult<StatementKind> {
        self.expect_kw("ALTER")?;
        let temporary = self.accept_kw("TEMPORARY");
        let system = temporary && self.accept_kw("SYSTEM");
        if temporary && !self.peek_kw("FUNCTION") {
            self.tried("FUNCTION");
            return self.unexpected();
        }
        match self.object_kind()? {
            ObjectKind::Table => self.alter_table(),
            ObjectKind::MaterializedTable => self.alter_materialized_table(),
            ObjectKind::View => self.alter_view(),
            ObjectKind::Catalog => self.alter_catalog(),
            ObjectKind::Database => self.alter_database(),
            ObjectKind::Function => self.alter_function(temporary, system),
            ObjectKind::Model => {
                let if_exists = self.if_exists();
                let (name, action) = (self.object_name()?, self.object_action()?);
                Ok(StatementKind::AlterModel(AlterModel { if_exists, name, action }))
            }
            ObjectKind::Connection => {
                let if_exists = self.if_exists();
                let (name, action) = (self.object_name()?, self.object_action()?);
                Ok(StatementKind::AlterConnection(AlterConnection { if_exists, name, action }))
            }
        }
    }

    fn object_action(&mut self) -> PResult<AlterObjectAction> {
        if self.accept_kws(&["RENAME", "TO"]) {
            return self.object_name().map(AlterObjectAction::RenameTo);
        }
        if self.accept_kw("SET") {
            return self.options().map(AlterObjectAction::SetOptions);
        }
        self.expect_kw("RESET")?;
        self.keys().map(AlterObjectAction::ResetOptions)
    }

    /// `('key', ..)`, perhaps empty: the planner says so.
    fn keys(&mut self) -> PResult<Vec<StringLit>> {
        self.paren_list0(Self::string)
    }

    fn alter_table(&mut self) -> PResult<StatementKind> {
        let if_exists = self.if_exists();
        let name = self.object_name()?;
        let action = self.table_action()?;
        Ok(StatementKind::AlterTable(Box::new(AlterTable { if_exists, name, action })))
    }

    fn table_action(&mut self) -> PResult<AlterTableAction> {
        if self.accept_kw("RENAME") {
            return self.rename_action();
        }
        if self.accept_kw("SET") {
            return self.options().map(AlterTableAction::SetOptions);
        }
        if self.accept_kw("RESET") {
            return self.keys().map(AlterTableAction::ResetOptions);
        }
        if self.accept_kw("ADD") {
            return self.add_action();
        }
        if self.accept_kw("MODIFY") {
            return self.schema_elements().map(AlterTableAction::Modify);
        }
        self.expect_kw("DROP")?;
        self.drop_action()
    }

    fn rename_action(&mut self) -> PResult<AlterTableAction> {
        if self.accept_kw("TO") {
            return self.object_name().map(AlterTableAction::RenameTo);
        }
        let from = self.ident()?;
        self.expect_kw("TO")?;
        Ok(AlterTableAction::RenameColumn { from, to: self.ident()? })
    }

    fn add_action(&mut self) -> PResult<AlterTableAction> {
        let if_not_exists = self.if_not_exists();
        if !if_not_exists && !self.peek_kw("PARTITION") {
            return self.schema_elements().map(AlterTableAction::Add);
        }
        let mut partitions = Vec::new();
        while self.peek_kw("PARTITION") || partitions.is_empty() {
            if !self.peek_kw("PARTITION") {
                self.tried("PARTITION");
                return self.unexpected();
            }
            let spec = self.partition_clause()?;
            partitions.push(PartitionDef { spec, options: self.with_options()? });
            self.accept(Symbol::Comma);
        }
        Ok(AlterTableAction::AddPartitions { if_not_exists, partitions })
    }

    fn schema_elements(&mut self) -> PResult<Vec<SchemaElement>> {
        match self.peek_symbol(Symbol::LParen) {
            true => self.paren_list(Self::schema_change),
            false => Ok(vec![self.schema_change()?]),
        }
    }

    fn schema_change(&mut self) -> PResult<SchemaElement> {
        if self.watermark_starts() {
            return self.watermark().map(SchemaElement::Watermark);
        }
        if self.constraint_starts() {
            return self.constraint(true).map(SchemaElement::Constraint);
        }
        if self.peek_kw("DISTRIBUTION") && (self.kw_at(1, "BY") || self.kw_at(1, "INTO")) {
            let start = self.here();
            self.pos += 1;
            return self.distribution_from(start).map(SchemaElement::Distribution);
        }
        let column = self.column()?;
        if column.kind == ColumnKind::NameOnly {
            return self.unexpected_for("a data type");
        }
        let position = if self.accept_kw("FIRST") {
            Some(ColumnPosition::First)
        } else if self.accept_kw("AFTER") {
            Some(ColumnPosition::After(self.ident()?))
        } else {
            None
        };
        Ok(SchemaElement::Column { column, position })
    }

    fn drop_action(&mut self) -> PResult<AlterTableAction> {
        if self.accept_kws(&["PRIMARY", "KEY"]) {
            return Ok(AlterTableAction::DropPrimaryKey);
        }
        if self.accept_kw("CONSTRAINT") {
            return self.ident().map(AlterTableAction::DropConstraint);
        }
        if self.accept_kw("WATERMARK") {
            return Ok(AlterTableAction::DropWatermark);
        }
        if self.accept_kw("DISTRIBUTION") {
            return Ok(AlterTableAction::DropDistribution);
        }
        let if_exists = self.if_exists();
        if if_exists || self.peek_kw("PARTITION") {
            let partitions = self.comma_list(|p| match p.peek_kw("PARTITION") {
                true => p.partition_clause(),
                false => p.unexpected_for("PARTITION"),
            })?;
            return Ok(AlterTableAction::DropPartitions { if_exists, partitions });
        }
        let columns = match self.peek_symbol(Symbol::LParen) {
            true => self.ident_list()?,
            false => vec![self.ident()?],
        };
        Ok(AlterTableAction::DropColumns(columns))
    }

    fn alter_materialized_table(&mut self) -> PResult<StatementKind> {
        let name = self.object_name()?;
        let action = if self.accept_kw("SUSPEND") {
            AlterMaterializedTableAction::Suspend
        } else if self.accept_kw("RESUME") {
            AlterMaterializedTableAction::Resume(self.with_options()?)
        } else if self.accept_kw("REFRESH") {
            AlterMaterializedTableAction::Refresh(self.partition_clause()?)
        } else if self.peek_any(&["AS", "START_MODE"]) {
            let start_mode = match self.accept_kw("START_MODE") {
                true => Some(self.start_mode()?),
                false => None,
            };
            self.expect_kw("AS")?;
            AlterMaterializedTableAction::As { start_mode, query: self.boxed_query()? }
        } else {
            self.tried("SUSPEND");
            AlterMaterializedTableAction::Table(self.table_action()?)
        };
        let alter = AlterMaterializedTable { name, action };
        Ok(StatementKind::AlterMaterializedTable(Box::new(alter)))
    }

    fn alter_view(&mut self) -> PResult<StatementKind> {
        let name = self.object_name()?;
        let action = if self.accept_kws(&["RENAME", "TO"]) {
            AlterViewAction::RenameTo(self.object_name()?)
        } else if self.accept_kw("SET") {
            AlterViewAction::SetOptions(self.options()?)
        } else {
            self.expect_kw("AS")?;
            AlterViewAction::As(self.boxed_query()?)
        };
        Ok(StatementKind::AlterView(Box::new(AlterView { name, action })))
    }

    fn alter_catalog(&mut self) -> PResult<StatementKind> {
        let name = self.ident()?;
        let action = if self.accept_kw("SET") {
            AlterCatalogAction::SetOptions(self.options()?)
        } else if self.accept_kw("RESET") {
            AlterCatalogAction::ResetOptions(self.keys()?)
        } else {
            self.expect_kw("COMMENT")?;
            AlterCatalogAction::Comment(self.string()?)
        };
        Ok(StatementKind::AlterCatalog(AlterCatalog { name, action }))
    }

    fn alter_database(&mut self) -> PResult<StatementKind> {
        let name = self.object_name()?;
        self.expect_kw("SET")?;
        Ok(StatementKind::AlterDatabase { name, options: self.options()? })
    }

    fn alter_function(&mut self, temporary: bool, system: bool) -> PResult<StatementKind> {
        let if_exists = self.if_exists();
        let name = self.object_name()?;
        self.expect_kw("AS")?;
        let class = self.string()?;
        let language = self.function_language()?;
        Ok(StatementKind::AlterFunction(AlterFunction {
            temporary,
            system,
            if_exists,
            name,
            class,
            language,
        }))
    }
}
