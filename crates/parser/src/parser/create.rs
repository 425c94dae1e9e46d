//! CREATE and DROP.

use super::{PResult, Parser};
use crate::ast::*;
use crate::lexer::Symbol;

/// The words between CREATE and the kind of object.
#[derive(Clone, Copy, Default)]
struct Prefix {
    or_replace: bool,
    or_alter: bool,
    temporary: bool,
    system: bool,
}

impl Parser<'_> {
    pub(super) fn create(&mut self) -> PResult<StatementKind> {
        self.expect_kw("CREATE")?;
        let mut prefix = Prefix::default();
        if self.accept_kw("OR") {
            prefix.or_alter = self.accept_kw("ALTER");
            if !prefix.or_alter {
                self.expect_kw("REPLACE")?;
                prefix.or_replace = true;
            }
        }
        prefix.temporary = self.accept_kw("TEMPORARY");
        prefix.system = self.accept_kw("SYSTEM");
        let start = self.peek().span;
        let kind = self.object_kind()?;
        self.check_prefix(prefix, kind, start)?;
        match kind {
            ObjectKind::Table => self.create_table(prefix),
            ObjectKind::MaterializedTable => self.create_materialized_table(prefix),
            ObjectKind::View => self.create_view(prefix),
            ObjectKind::Catalog => self.create_catalog(),
            ObjectKind::Database => self.create_database(),
            ObjectKind::Function => self.create_function(prefix),
            ObjectKind::Model => self.create_model(prefix),
            ObjectKind::Connection => self.create_connection(prefix),
        }
    }

    pub(super) fn object_kind(&mut self) -> PResult<ObjectKind> {
        const KINDS: [(&[&str], ObjectKind); 8] = [
            (&["TABLE"], ObjectKind::Table),
            (&["VIEW"], ObjectKind::View),
            (&["CATALOG"], ObjectKind::Catalog),
            (&["DATABASE"], ObjectKind::Database),
            (&["FUNCTION"], ObjectKind::Function),
            (&["MODEL"], ObjectKind::Model),
            (&["MATERIALIZED", "TABLE"], ObjectKind::MaterializedTable),
            (&["CONNECTION"], ObjectKind::Connection),
        ];
        for (words, kind) in KINDS {
            if self.accept_kws(words) {
                return Ok(kind);
            }
        }
        self.unexpected()
    }

    fn check_prefix(&self, prefix: Prefix, kind: ObjectKind, at: crate::Span) -> PResult<()> {
        use ObjectKind::*;
        let wrong = if prefix.or_alter && kind != MaterializedTable {
            "OR ALTER"
        } else if prefix.or_replace && !matches!(kind, Table | View) {
            "OR REPLACE"
        } else if prefix.system && !matches!(kind, Function | Connection) {
            "SYSTEM"
        } else if prefix.temporary && matches!(kind, Catalog | Database | MaterializedTable) {
            "TEMPORARY"
        } else {
            return Ok(());
        };
        self.fail(at, format!("unexpected {}: CREATE {wrong} does not go with it", kind.as_str()))
    }

    pub(super) fn if_not_exists(&mut self) -> bool {
        self.accept_kws(&["IF", "NOT", "EXISTS"])
    }

    pub(super) fn if_exists(&mut self) -> bool {
        self.accept_kws(&["IF", "EXISTS"])
    }

    // ---- shared clauses -------------------------------------------------

    pub(super) fn comment(&mut self) -> PResult<Option<StringLit>> {
        match self.accept_kw("COMMENT") {
            true => self.string().map(Some),
            false => Ok(None),
        }
    }

    /// `WITH ('key' = 'value', ..)`, if it is there.
    pub(super) fn with_options(&mut self) -> PResult<Vec<SqlOption>> {
        match self.accept_kw("WITH") {
            true => self.options(),
            false => Ok(Vec::new()),
        }
    }

    /// `('key' = 'value', ..)`. A comma after the last is let pass.
    pub(super) fn options(&mut self) -> PResult<Vec<SqlOption>> {
        let mut list = Vec::new();
        self.expect(Symbol::LParen)?;
        while !self.accept(Symbol::RParen) {
            list.push(self.option()?);
            let comma = self.peek().span;
            if !self.accept(Symbol::Comma) {
                self.expect(Symbol::RParen)?;
                break;
            }
            if self.peek_symbol(Symbol::RParen) {
                self.extension(comma, "a comma after the last option");
            }
        }
        Ok(list)
    }

    fn option(&mut self) -> PResult<SqlOption> {
        let start = self.here();
        if !self.string_at(0) && self.symbol_at(1) == Some(Symbol::Eq) {
            let span = self.peek().span;
            let key = self.text(self.peek()).trim_matches(['`', '"']).to_string();
            return self.fail_hint(
                span,
                &format!("unexpected `{key}`: option keys are strings"),
                format!("write '{key}' in single quotes"),
            );
        }
        let key = self.string()?;
        self.expect(Symbol::Eq)?;
        if !self.string_at(0) && self.lexical(self.peek()).is_none() && !self.at_end() {
            let span = self.peek().span;
            let value = self.text(self.peek()).to_string();
            return self.fail_hint(
                span,
                &format!("unexpected `{value}`: option values are strings"),
                format!("write '{value}' in single quotes"),
            );
        }
        let value = self.string()?;
        Ok(SqlOption { key, value, span: self.span_from(start) })
    }

    /// `PARTITION (a = 1, b)`, if it is there.
    pub(super) fn partition_clause(&mut self) -> PResult<Vec<PartitionEntry>> {
        match self.accept_kw("PARTITION") {
            true => self.paren_list(Self::partition_entry),
            false => Ok(Vec::new()),
        }
    }

    fn partition_entry(&mut self) -> PResult<PartitionEntry> {
        let start = self.here();
        let column = self.ident()?;
        let value = match self.accept(Symbol::Eq) {
            true => Some(self.expr()?),
            false => None,
        };
        Ok(PartitionEntry { column, value, span: self.span_from(start) })
    }

    // ---- tables ---------------------------------------------------------

    /// `REPLACE TABLE ..`.
    pub(super) fn replace_table(&mut self) -> PResult<StatementKind> {
        self.expect_kws(&["REPLACE", "TABLE"])?;
        self.table_after_kind(CreateMode::Replace, false)
    }

    fn create_table(&mut self, prefix: Prefix) -> PResult<StatementKind> {
        let mode = match prefix.or_replace {
            true => CreateMode::CreateOrReplace,
            false => CreateMode::Create,
        };
        self.table_after_kind(mode, prefix.temporary)
    }

    fn table_after_kind(&mut self, mode: CreateMode, temporary: bool) -> PResult<StatementKind> {
        let if_not_exists = self.if_not_exists();
        let name = self.object_name()?;
        let mut schema = self.table_schema()?;
        if self.doris_clauses_follow() {
            let (comment, distribution, partitioned_by, options) =
                self.doris_clauses(&name, &mut schema)?;
            let query = self.table_query()?;
            return Ok(StatementKind::CreateTable(Box::new(CreateTable {
                mode,
                temporary,
                if_not_exists,
                name,
                schema,
                comment,
                distribution,
                partitioned_by,
                options,
                like: None,
                query,
            })));
        }
        let comment = self.comment()?;
        let distribution = self.distribution()?;
        let partitioned_by = self.partitioned_by()?;
        let options = match self.peek_kw("WITH") && !self.ident_at(1) {
            true => self.with_options()?,
            false => Vec::new(),
        };
        let like = match self.peek_kw("LIKE") {
            true => Some(self.table_like()?),
            false => None,
        };
        let query = self.table_query()?;
        Ok(StatementKind::CreateTable(Box::new(CreateTable {
            mode,
            temporary,
            if_not_exists,
            name,
            schema,
            comment,
            distribution,
            partitioned_by,
            options,
            like,
            query,
        })))
    }

    fn table_query(&mut self) -> PResult<Option<Box<Query>>> {
        if self.accept_kw("AS") {
            return self.boxed_query().map(Some);
        }
        if !self.query_starts() {
            return Ok(None);
        }
        self.extension(self.peek().span, "CREATE TABLE .. SELECT; Flink writes AS SELECT");
        self.boxed_query().map(Some)
    }

    /// `(columns, watermark, keys)`, if it is there.
    fn table_schema(&mut self) -> PResult<TableSchema> {
        let mut schema = TableSchema::default();
        if !self.peek_symbol(Symbol::LParen) {
            return Ok(schema);
        }
        self.paren_list0(|p| p.schema_element(&mut schema))?;
        Ok(schema)
    }

    fn schema_element(&mut self, schema: &mut TableSchema) -> PResult<()> {
        if self.watermark_starts() {
            let watermark = self.watermark()?;
            if schema.watermark.is_some() {
                return self.fail(watermark.span, "unexpected second WATERMARK: one per table");
            }
            schema.watermark = Some(watermark);
        } else if self.constraint_starts() {
            schema.constraints.push(self.constraint(true)?);
        } else {
            schema.columns.push(self.column()?);
        }
        Ok(())
    }

    pub(super) fn watermark_starts(&self) -> bool {
        self.peek_kws(&["WATERMARK", "FOR"])
    }

    pub(super) fn watermark(&mut self) -> PResult<WatermarkDef> {
        let start = self.here();
        self.expect_kws(&["WATERMARK", "FOR"])?;
        let column = self.object_name()?;
        self.expect_kw("AS")?;
        let expr = self.expr()?;
        Ok(WatermarkDef { column, expr, span: self.span_from(start) })
    }

    pub(super) fn constraint_starts(&self) -> bool {
        self.peek_any(&["CONSTRAINT", "PRIMARY", "UNIQUE"])
    }

    /// A key; `with_columns` when it stands on its own.
    pub(super) fn constraint(&mut self, with_columns: bool) -> PResult<TableConstraint> {
        let start = self.here();
        let name = match self.accept_kw("CONSTRAINT") {
            true => Some(self.ident()?),
            false => None,
        };
        let kind = if self.accept_kw("UNIQUE") {
            ConstraintKind::Unique
        } else {
            self.expect_kws(&["PRIMARY", "KEY"])?;
            ConstraintKind::PrimaryKey
        };
        let columns = match with_columns {
            true => self.ident_list()?,
            false => Vec::new(),
        };
        let enforced = if self.accept_kws(&["NOT", "ENFORCED"]) {
            Some(false)
        } else if self.accept_kw("ENFORCED") {
            Some(true)
        } else {
            None
        };
        Ok(TableConstraint { name, kind, columns, enforced, span: self.span_from(start) })
    }

    pub(super) fn column(&mut self) -> PResult<ColumnDef> {
        let start = self.here();
        let name = self.ident()?;
        let kind = if self.accept_kw("AS") {
            ColumnKind::Computed(self.expr()?)
        } else if matches!(self.symbol_at(0), Some(Symbol::Comma | Symbol::RParen)) {
            ColumnKind::NameOnly
        } else {
            self.typed_column()?
        };
        let comment = self.comment()?;
        Ok(ColumnDef { name, kind, comment, span: self.span_from(start) })
    }

    fn typed_column(&mut self) -> PResult<ColumnKind> {
        let data_type = self.data_type()?;
        if self.accept_kw("METADATA") {
            let from = match self.accept_kw("FROM") {
                true => Some(self.string()?),
                false => None,
            };
            let is_virtual = self.accept_kw("VIRTUAL");
            return Ok(ColumnKind::Metadata { data_type, from, is_virtual });
        }
        let constraint = match self.constraint_starts() {
            true => Some(self.constraint(false)?),
            false => None,
        };
        Ok(ColumnKind::Physical { data_type, constraint })
    }

    pub(super) fn distribution(&mut self) -> PResult<Option<Distribution>> {
        match self.peek_kw("DISTRIBUTED") {
            true => {
                let start = self.here();
                self.pos += 1;
                self.distribution_from(start).map(Some)
            }
            false => Ok(None),
        }
    }

    /// What follows DISTRIBUTED or DISTRIBUTION.
    pub(super) fn distribution_from(&mut self, start: u32) -> PResult<Distribution> {
        let mut kind = None;
        let mut columns = Vec::new();
        if self.accept_kw("BY") {
            if self.accept_kw("HASH") {
                kind = Some(DistributionKind::Hash);
            } else if self.accept_kw("RANGE") {
                kind = Some(DistributionKind::Range);
            }
            columns = self.ident_list()?;
        } else if !self.peek_kw("INTO") {
            self.tried("BY");
            self.tried("INTO");
            return self.unexpected();
        }
        let buckets = match self.accept_kw("INTO") {
            true => {
                let n = self.unsigned()?;
                self.expect_kw("BUCKETS")?;
                Some(n)
            }
            false => None,
        };
        Ok(Distribution { kind, columns, buckets, span: self.span_from(start) })
    }

    fn partitioned_by(&mut self) -> PResult<Vec<Ident>> {
        match self.accept_kws(&["PARTITIONED", "BY"]) {
            true => self.paren_list0(Self::ident),
            false => Ok(Vec::new()),
        }
    }

    fn table_like(&mut self) -> PResult<TableLike> {
        let start = self.here();
        self.expect_kw("LIKE")?;
        let table = self.object_name()?;
        let mut options = Vec::new();
        if self.accept(Symbol::LParen) {
            while !self.accept(Symbol::RParen) {
                options.push(self.like_option()?);
            }
        }
        Ok(TableLike { table, options, span: self.span_from(start) })
    }

    fn like_option(&mut self) -> PResult<LikeOption> {
        let start = self.here();
        let strategy = if self.accept_kw("INCLUDING") {
            LikeStrategy::Including
        } else if self.accept_kw("EXCLUDING") {
            LikeStrategy::Excluding
        } else {
            self.expect_kw("OVERWRITING")?;
            LikeStrategy::Overwriting
        };
        const FEATURES: [(&str, LikeFeature); 8] = [
            ("ALL", LikeFeature::All),
            ("CONSTRAINTS", LikeFeature::Constraints),
            ("DISTRIBUTION", LikeFeature::Distribution),
            ("GENERATED", LikeFeature::Generated),
            ("METADATA", LikeFeature::Metadata),
            ("OPTIONS", LikeFeature::Options),
            ("PARTITIONS", LikeFeature::Partitions),
            ("WATERMARKS", LikeFeature::Watermarks),
        ];
        for (word, feature) in FEATURES {
            if self.accept_kw(word) {
                return Ok(LikeOption { strategy, feature, span: self.span_from(start) });
            }
        }
        self.unexpected()
    }

    fn create_materialized_table(&mut self, prefix: Prefix) -> PResult<StatementKind> {
        let if_not_exists = self.if_not_exists();
        let name = self.object_name()?;
        let schema = self.table_schema()?;
        let comment = self.comment()?;
        let distribution = self.distribution()?;
        let partitioned_by = self.partitioned_by()?;
        let options = self.with_options()?;
        let (mut start_mode, mut freshness, mut refresh_mode) = (None, None, None);
        loop {
            if start_mode.is_none() && self.accept_kw("START_MODE") {
                start_mode = Some(self.start_mode()?);
            } else if freshness.is_none() && self.accept_kw("FRESHNESS") {
                self.expect(Symbol::Eq)?;
                freshness = Some(self.interval_literal()?);
            } else if refresh_mode.is_none() && self.accept_kw("REFRESH_MODE") {
                refresh_mode = Some(self.refresh_mode()?);
            } else {
                break;
            }
        }
        self.expect_kw("AS")?;
        let query = self.boxed_query()?;
        Ok(StatementKind::CreateMaterializedTable(Box::new(CreateMaterializedTable {
            or_alter: prefix.or_alter,
            if_not_exists,
            name,
            schema,
            comment,
            distribution,
            partitioned_by,
            options,
            start_mode,
            freshness,
            refresh_mode,
            query,
        })))
    }

    fn refresh_mode(&mut self) -> PResult<RefreshMode> {
        self.expect(Symbol::Eq)?;
        if self.accept_kw("FULL") {
            return Ok(RefreshMode::Full);
        }
        self.expect_kw("CONTINUOUS")?;
        Ok(RefreshMode::Continuous)
    }

    /// What follows the word START_MODE.
    pub(super) fn start_mode(&mut self) -> PResult<StartMode> {
        self.expect(Symbol::Eq)?;
        if self.accept_kw("FROM_BEGINNING") {
            return Ok(StartMode::FromBeginning);
        }
        if self.accept_kw("RESUME_OR_FROM_BEGINNING") {
            return Ok(StartMode::ResumeOrFromBeginning);
        }
        if self.accept_kw("FROM_NOW") {
            return self.optional_argument().map(StartMode::FromNow);
        }
        if self.accept_kw("RESUME_OR_FROM_NOW") {
            return self.optional_argument().map(StartMode::ResumeOrFromNow);
        }
        if self.accept_kw("FROM_TIMESTAMP") {
            return self.parens(Self::boxed_expr).map(StartMode::FromTimestamp);
        }
        self.expect_kw("RESUME_OR_FROM_TIMESTAMP")?;
        self.parens(Self::boxed_expr).map(StartMode::ResumeOrFromTimestamp)
    }

    fn optional_argument(&mut self) -> PResult<Option<Box<Expr>>> {
        match self.peek_symbol(Symbol::LParen) {
            true => self.parens(Self::boxed_expr).map(Some),
            false => Ok(None),
        }
    }

    // ---- other objects --------------------------------------------------

    fn create_view(&mut self, prefix: Prefix) -> PResult<StatementKind> {
        if prefix.or_replace {
            self.extension(
                self.peek().span,
                "CREATE OR REPLACE VIEW; Flink knows CREATE VIEW only",
            );
        }
        let if_not_exists = self.if_not_exists();
        let name = self.object_name()?;
        let mut columns = Vec::new();
        if self.peek_symbol(Symbol::LParen) {
            columns =
                self.paren_list(|p| Ok(ViewColumn { name: p.ident()?, comment: p.comment()? }))?;
        }
        let comment = self.comment()?;
        self.expect_kw("AS")?;
        let query = self.boxed_query()?;
        Ok(StatementKind::CreateView(Box::new(CreateView {
            or_replace: prefix.or_replace,
            temporary: prefix.temporary,
            if_not_exists,
            name,
            columns,
            comment,
            query,
        })))
    }

    fn create_catalog(&mut self) -> PResult<StatementKind> {
        let if_not_exists = self.if_not_exists();
        let name = self.ident()?;
        let comment = self.comment()?;
        let options = self.with_options()?;
        Ok(StatementKind::CreateCatalog(CreateCatalog { if_not_exists, name, comment, options }))
    }

    fn create_database(&mut self) -> PResult<StatementKind> {
        let if_not_exists = self.if_not_exists();
        let name = self.object_name()?;
        let comment = self.comment()?;
        let options = self.with_options()?;
        Ok(StatementKind::CreateDatabase(CreateDatabase { if_not_exists, name, comment, options }))
    }

    fn create_function(&mut self, prefix: Prefix) -> PResult<StatementKind> {
        let if_not_exists = self.if_not_exists();
        let name = self.object_name()?;
        self.expect_kw("AS")?;
        let class = self.string()?;
        let language = self.function_language()?;
        let mut resources = Vec::new();
        if self.accept_kw("USING") {
            resources = self.comma_list(Self::function_resource)?;
        }
        let options = self.with_options()?;
        Ok(StatementKind::CreateFunction(Box::new(CreateFunction {
            temporary: prefix.temporary,
            system: prefix.system,
            if_not_exists,
            name,
            class,
            language,
            resources,
            options,
        })))
    }

    pub(super) fn function_language(&mut self) -> PResult<Option<Ident>> {
        if !self.accept_kw("LANGUAGE") {
            return Ok(None);
        }
        let word = self.word_at(0).to_ascii_uppercase();
        if !["JAVA", "SCALA", "PYTHON"].contains(&word.as_str()) {
            return self.unexpected_for("JAVA, SCALA or PYTHON");
        }
        let mut language = self.any_word();
        language.value = word;
        Ok(Some(language))
    }

    fn function_resource(&mut self) -> PResult<FunctionResource> {
        let kind = if self.accept_kw("JAR") {
            ResourceKind::Jar
        } else if self.accept_kw("ARTIFACT") {
            ResourceKind::Artifact
        } else if self.accept_kw("FILE") {
            ResourceKind::File
        } else {
            self.expect_kw("ARCHIVE")?;
            ResourceKind::Archive
        };
        Ok(FunctionResource { kind, uri: self.string()? })
    }

    fn create_model(&mut self, prefix: Prefix) -> PResult<StatementKind> {
        let if_not_exists = self.if_not_exists();
        let name = self.object_name()?;
        let input = match self.accept_kw("INPUT") {
            true => self.paren_list(Self::column)?,
            false => Vec::new(),
        };
        let output = match self.accept_kw("OUTPUT") {
            true => self.paren_list(Self::column)?,
            false => Vec::new(),
        };
        let comment = self.comment()?;
        let options = self.with_options()?;
        let query = match self.accept_kw("AS") {
            true => Some(self.boxed_query()?),
            false => None,
        };
        Ok(StatementKind::CreateModel(Box::new(CreateModel {
            temporary: prefix.temporary,
            if_not_exists,
            name,
            input,
            output,
            comment,
            options,
            query,
        })))
    }

    fn create_connection(&mut self, prefix: Prefix) -> PResult<StatementKind> {
        let if_not_exists = self.if_not_exists();
        let name = self.object_name()?;
        let comment = self.comment()?;
        let options = self.with_options()?;
        Ok(StatementKind::CreateConnection(CreateConnection {
            temporary: prefix.temporary,
            system: prefix.system,
            if_not_exists,
            name,
            comment,
            options,
        }))
    }

    // ---- DROP -----------------------------------------------------------

    pub(super) fn drop_statement(&mut self) -> PResult<StatementKind> {
        self.expect_kw("DROP")?;
        let temporary = self.accept_kw("TEMPORARY");
        let system = self.accept_kw("SYSTEM");
        let kind = self.object_kind()?;
        let if_exists = self.if_exists();
        let name = match kind {
            ObjectKind::Catalog => self.ident()?.into(),
            _ => self.object_name()?,
        };
        let mut behavior = None;
        if kind == ObjectKind::Database {
            if self.accept_kw("RESTRICT") {
                behavior = Some(DropBehavior::Restrict);
            } else if self.accept_kw("CASCADE") {
                behavior = Some(DropBehavior::Cascade);
            }
        }
        let drop = Drop { kind, temporary, system, if_exists, name, behavior };
        Ok(StatementKind::Drop(drop))
    }
}
