//! CREATE, ALTER and DROP.

use super::Printer;
use crate::ast::*;

impl Printer<'_> {
    pub(super) fn create_table(&mut self, create: &CreateTable) {
        self.put(match create.mode {
            CreateMode::Create => "CREATE ",
            CreateMode::CreateOrReplace => "CREATE OR REPLACE ",
            CreateMode::Replace => "REPLACE ",
        });
        self.put_if(create.temporary, "TEMPORARY ");
        self.put("TABLE ");
        self.put_if(create.if_not_exists, "IF NOT EXISTS ");
        self.object_name(&create.name);
        self.table_schema(&create.schema);
        self.comment_clause(create.comment.as_ref());
        self.distribution_clause(create.distribution.as_ref());
        self.partitioned_by(&create.partitioned_by);
        self.with_clause(&create.options);
        if let Some(like) = &create.like {
            self.table_like(like);
        }
        self.as_query(create.query.as_deref());
    }

    pub(super) fn as_query(&mut self, query: Option<&Query>) {
        if let Some(query) = query {
            self.clause();
            self.put("AS ");
            self.query(query);
        }
    }

    fn table_schema(&mut self, schema: &TableSchema) {
        if schema.is_empty() {
            return;
        }
        let columns = schema.columns.iter().map(Element::Column);
        let watermark = schema.watermark.iter().map(Element::Watermark);
        let constraints = schema.constraints.iter().map(Element::Constraint);
        let elements: Vec<_> = columns.chain(watermark).chain(constraints).collect();
        self.put(" ");
        self.block(&elements, |p, element| match element {
            Element::Column(column) => p.column(column),
            Element::Watermark(watermark) => p.watermark(watermark),
            Element::Constraint(constraint) => p.constraint(constraint),
        });
    }

    fn column(&mut self, column: &ColumnDef) {
        self.ident(&column.name);
        match &column.kind {
            ColumnKind::NameOnly => {}
            ColumnKind::Computed(expr) => {
                self.put(" AS ");
                self.expr(expr, 0);
            }
            ColumnKind::Physical { data_type, constraint } => {
                self.put(" ");
                self.data_type(data_type);
                if let Some(constraint) = constraint {
                    self.put(" ");
                    self.constraint(constraint);
                }
            }
            ColumnKind::Metadata { data_type, from, is_virtual } => {
                self.put(" ");
                self.data_type(data_type);
                self.put(" METADATA");
                if let Some(from) = from {
                    self.put(" FROM ");
                    self.string(&from.value);
                }
                self.put_if(*is_virtual, " VIRTUAL");
            }
        }
        if let Some(comment) = &column.comment {
            self.put(" COMMENT ");
            self.string(&comment.value);
        }
    }

    fn watermark(&mut self, watermark: &WatermarkDef) {
        self.put("WATERMARK FOR ");
        self.object_name(&watermark.column);
        self.put(" AS ");
        self.expr(&watermark.expr, 0);
    }

    fn constraint(&mut self, constraint: &TableConstraint) {
        if let Some(name) = &constraint.name {
            self.put("CONSTRAINT ");
            self.ident(name);
            self.put(" ");
        }
        self.put(match constraint.kind {
            ConstraintKind::PrimaryKey => "PRIMARY KEY",
            ConstraintKind::Unique => "UNIQUE",
        });
        if !constraint.columns.is_empty() {
            self.put(" ");
            self.idents(&constraint.columns);
        }
        match constraint.enforced {
            Some(true) => self.put(" ENFORCED"),
            Some(false) => self.put(" NOT ENFORCED"),
            None => {}
        }
    }

    fn comment_clause(&mut self, comment: Option<&StringLit>) {
        if let Some(comment) = comment {
            self.clause();
            self.put("COMMENT ");
            self.string(&comment.value);
        }
    }

    fn distribution_clause(&mut self, distribution: Option<&Distribution>) {
        if let Some(distribution) = distribution {
            self.clause();
            self.put("DISTRIBUTED");
            self.distribution(distribution);
        }
    }

    fn distribution(&mut self, distribution: &Distribution) {
        if !distribution.columns.is_empty() {
            self.put(match distribution.kind {
                Some(DistributionKind::Hash) => " BY HASH",
                Some(DistributionKind::Range) => " BY RANGE",
                None => " BY ",
            });
            self.idents(&distribution.columns);
        }
        if let Some(buckets) = distribution.buckets {
            self.put(" INTO ");
            self.number(buckets);
            self.put(" BUCKETS");
        }
    }

    fn partitioned_by(&mut self, columns: &[Ident]) {
        if !columns.is_empty() {
            self.clause();
            self.put("PARTITIONED BY ");
            self.idents(columns);
        }
    }

    fn with_clause(&mut self, options: &[SqlOption]) {
        if !options.is_empty() {
            self.clause();
            self.put("WITH ");
            self.options(options);
        }
    }

    pub(super) fn options(&mut self, options: &[SqlOption]) {
        self.block(options, Self::option);
    }

    pub(super) fn option(&mut self, option: &SqlOption) {
        self.string(&option.key.value);
        self.put(" = ");
        self.string(&option.value.value);
    }

    fn table_like(&mut self, like: &TableLike) {
        self.clause();
        self.put("LIKE ");
        self.object_name(&like.table);
        if like.options.is_empty() {
            return;
        }
        self.put(" (");
        self.separated(&like.options, " ", |p, option| {
            p.put(like_strategy(option.strategy));
            p.put(like_feature(option.feature));
        });
        self.put(")");
    }

    pub(super) fn create_materialized_table(&mut self, create: &CreateMaterializedTable) {
        self.put(if create.or_alter { "CREATE OR ALTER " } else { "CREATE " });
        self.put("MATERIALIZED TABLE ");
        self.put_if(create.if_not_exists, "IF NOT EXISTS ");
        self.object_name(&create.name);
        self.table_schema(&create.schema);
        self.comment_clause(create.comment.as_ref());
        self.distribution_clause(create.distribution.as_ref());
        self.partitioned_by(&create.partitioned_by);
        self.with_clause(&create.options);
        if let Some(mode) = &create.start_mode {
            self.clause();
            self.start_mode(mode);
        }
        if let Some(freshness) = &create.freshness {
            self.clause();
            self.put("FRESHNESS = ");
            self.interval(freshness);
        }
        if let Some(mode) = create.refresh_mode {
            self.clause();
            self.put(match mode {
                RefreshMode::Continuous => "REFRESH_MODE = CONTINUOUS",
                RefreshMode::Full => "REFRESH_MODE = FULL",
            });
        }
        self.as_query(Some(&create.query));
    }

    pub(super) fn start_mode(&mut self, mode: &StartMode) {
        self.put("START_MODE = ");
        let (word, argument) = match mode {
            StartMode::FromBeginning => ("FROM_BEGINNING", None),
            StartMode::FromNow(back) => ("FROM_NOW", back.as_deref()),
            StartMode::FromTimestamp(at) => ("FROM_TIMESTAMP", Some(&**at)),
            StartMode::ResumeOrFromBeginning => ("RESUME_OR_FROM_BEGINNING", None),
            StartMode::ResumeOrFromNow(back) => ("RESUME_OR_FROM_NOW", back.as_deref()),
            StartMode::ResumeOrFromTimestamp(at) => ("RESUME_OR_FROM_TIMESTAMP", Some(&**at)),
        };
        self.put(word);
        if let Some(argument) = argument {
            self.put("(");
            self.expr(argument, 0);
            self.put(")");
        }
    }

    pub(super) fn create_view(&mut self, create: &CreateView) {
        self.put("CREATE ");
        self.put_if(create.or_replace, "OR REPLACE ");
        self.put_if(create.temporary, "TEMPORARY ");
        self.put("VIEW ");
        self.put_if(create.if_not_exists, "IF NOT EXISTS ");
        self.object_name(&create.name);
        if !create.columns.is_empty() {
            self.put(" ");
            self.block(&create.columns, |p, column| {
                p.ident(&column.name);
                if let Some(comment) = &column.comment {
                    p.put(" COMMENT ");
                    p.string(&comment.value);
                }
            });
        }
        self.comment_clause(create.comment.as_ref());
        self.as_query(Some(&create.query));
    }

    pub(super) fn create_catalog(&mut self, create: &CreateCatalog) {
        self.put("CREATE CATALOG ");
        self.put_if(create.if_not_exists, "IF NOT EXISTS ");
        self.ident(&create.name);
        self.comment_clause(create.comment.as_ref());
        self.with_clause(&create.options);
    }

    pub(super) fn create_database(&mut self, create: &CreateDatabase) {
        self.put("CREATE DATABASE ");
        self.put_if(create.if_not_exists, "IF NOT EXISTS ");
        self.object_name(&create.name);
        self.comment_clause(create.comment.as_ref());
        self.with_clause(&create.options);
    }

    pub(super) fn create_function(&mut self, create: &CreateFunction) {
        self.put("CREATE ");
        self.put_if(create.temporary, "TEMPORARY ");
        self.put_if(create.system, "SYSTEM ");
        self.put("FUNCTION ");
        self.put_if(create.if_not_exists, "IF NOT EXISTS ");
        self.object_name(&create.name);
        self.put(" AS ");
        self.string(&create.class.value);
        self.language(create.language.as_ref());
        if !create.resources.is_empty() {
            self.clause();
            self.put("USING ");
            self.list(&create.resources, |p, resource| {
                p.put(match resource.kind {
                    ResourceKind::Jar => "JAR ",
                    ResourceKind::Artifact => "ARTIFACT ",
                    ResourceKind::File => "FILE ",
                    ResourceKind::Archive => "ARCHIVE ",
                });
                p.string(&resource.uri.value);
            });
        }
        self.with_clause(&create.options);
    }

    fn language(&mut self, language: Option<&Ident>) {
        if let Some(language) = language {
            self.put(" LANGUAGE ");
            self.put(&language.value);
        }
    }

    pub(super) fn create_model(&mut self, create: &CreateModel) {
        self.put("CREATE ");
        self.put_if(create.temporary, "TEMPORARY ");
        self.put("MODEL ");
        self.put_if(create.if_not_exists, "IF NOT EXISTS ");
        self.object_name(&create.name);
        for (word, columns) in [("INPUT ", &create.input), ("OUTPUT ", &create.output)] {
            if !columns.is_empty() {
                self.clause();
                self.put(word);
                self.paren_list(columns, Self::column);
            }
        }
        self.comment_clause(create.comment.as_ref());
        self.with_clause(&create.options);
        self.as_query(create.query.as_deref());
    }

    pub(super) fn create_connection(&mut self, create: &CreateConnection) {
        self.put("CREATE ");
        self.put_if(create.temporary, "TEMPORARY ");
        self.put_if(create.system, "SYSTEM ");
        self.put("CONNECTION ");
        self.put_if(create.if_not_exists, "IF NOT EXISTS ");
        self.object_name(&create.name);
        self.comment_clause(create.comment.as_ref());
        self.with_clause(&create.options);
    }

    pub(super) fn drop(&mut self, drop: &Drop) {
        self.put("DROP ");
        self.put_if(drop.temporary, "TEMPORARY ");
        self.put_if(drop.system, "SYSTEM ");
        self.put(drop.kind.as_str());
        self.put_if(drop.if_exists, " IF EXISTS");
        self.put(" ");
        self.object_name(&drop.name);
        match drop.behavior {
            Some(DropBehavior::Restrict) => self.put(" RESTRICT"),
            Some(DropBehavior::Cascade) => self.put(" CASCADE"),
            None => {}
        }
    }

    // ---- ALTER ----------------------------------------------------------

    pub(super) fn table_action(&mut self, action: &AlterTableAction) {
        match action {
            AlterTableAction::RenameTo(name) => {
                self.put("RENAME TO ");
                self.object_name(name);
            }
            AlterTableAction::RenameColumn { from, to } => {
                self.put("RENAME ");
                self.ident(from);
                self.put(" TO ");
                self.ident(to);
            }
            AlterTableAction::Add(elements) => self.schema_elements("ADD ", elements),
            AlterTableAction::Modify(elements) => self.schema_elements("MODIFY ", elements),
            AlterTableAction::DropColumns(columns) => {
                self.put("DROP ");
                match columns.as_slice() {
                    [one] => self.ident(one),
                    many => self.idents(many),
                }
            }
            AlterTableAction::DropPrimaryKey => self.put("DROP PRIMARY KEY"),
            AlterTableAction::DropConstraint(name) => {
                self.put("DROP CONSTRAINT ");
                self.ident(name);
            }
            AlterTableAction::DropWatermark => self.put("DROP WATERMARK"),
            AlterTableAction::DropDistribution => self.put("DROP DISTRIBUTION"),
            AlterTableAction::SetOptions(options) => self.set_options(options),
            AlterTableAction::ResetOptions(keys) => self.reset_options(keys),
            AlterTableAction::AddPartitions { if_not_exists, partitions } => {
                self.put("ADD");
                self.put_if(*if_not_exists, " IF NOT EXISTS");
                for partition in partitions {
                    self.partition(&partition.spec);
                    if !partition.options.is_empty() {
                        self.put(" WITH ");
                        self.options(&partition.options);
                    }
                }
            }
            AlterTableAction::DropPartitions { if_exists, partitions } => {
                self.put("DROP");
                self.put_if(*if_exists, " IF EXISTS");
                self.separated(partitions, ",", |p, spec| p.partition(spec));
            }
        }
    }

    pub(super) fn set_options(&mut self, options: &[SqlOption]) {
        self.put("SET ");
        self.options(options);
    }

    pub(super) fn reset_options(&mut self, keys: &[StringLit]) {
        self.put("RESET ");
        self.paren_list(keys, |p, key| p.string(&key.value));
    }

    fn schema_elements(&mut self, word: &str, elements: &[SchemaElement]) {
        self.put(word);
        match elements {
            [one] => self.schema_element(one),
            many => self.block(many, Self::schema_element),
        }
    }

    fn schema_element(&mut self, element: &SchemaElement) {
        match element {
            SchemaElement::Column { column, position } => {
                self.column(column);
                match position {
                    Some(ColumnPosition::First) => self.put(" FIRST"),
                    Some(ColumnPosition::After(other)) => {
                        self.put(" AFTER ");
                        self.ident(other);
                    }
                    None => {}
                }
            }
            SchemaElement::Watermark(watermark) => self.watermark(watermark),
            SchemaElement::Constraint(constraint) => self.constraint(constraint),
            SchemaElement::Distribution(distribution) => {
                self.put("DISTRIBUTION");
                self.distribution(distribution);
            }
        }
    }

    /// ` PARTITION (..)`, or nothing.
    pub(super) fn partition(&mut self, entries: &[PartitionEntry]) {
        if entries.is_empty() {
            return;
        }
        self.put(" PARTITION ");
        self.paren_list(entries, |p, entry| {
            p.ident(&entry.column);
            if let Some(value) = &entry.value {
                p.put(" = ");
                p.expr(value, 0);
            }
        });
    }

    pub(super) fn materialized_action(&mut self, action: &AlterMaterializedTableAction) {
        match action {
            AlterMaterializedTableAction::Suspend => self.put("SUSPEND"),
            AlterMaterializedTableAction::Resume(options) => {
                self.put("RESUME");
                self.with_clause(options);
            }
            AlterMaterializedTableAction::Refresh(spec) => {
                self.put("REFRESH");
                self.partition(spec);
            }
            AlterMaterializedTableAction::As { start_mode, query } => {
                if let Some(mode) = start_mode {
                    self.start_mode(mode);
                    self.clause();
                }
                self.put("AS ");
                self.query(query);
            }
            AlterMaterializedTableAction::Table(action) => self.table_action(action),
        }
    }

    pub(super) fn alter_function(&mut self, alter: &AlterFunction) {
        self.put("ALTER ");
        self.put_if(alter.temporary, "TEMPORARY ");
        self.put_if(alter.system, "SYSTEM ");
        self.put("FUNCTION ");
        self.put_if(alter.if_exists, "IF EXISTS ");
        self.object_name(&alter.name);
        self.put(" AS ");
        self.string(&alter.class.value);
        self.language(alter.language.as_ref());
    }
}

enum Element<'a> {
    Column(&'a ColumnDef),
    Watermark(&'a WatermarkDef),
    Constraint(&'a TableConstraint),
}

fn like_strategy(strategy: LikeStrategy) -> &'static str {
    match strategy {
        LikeStrategy::Including => "INCLUDING ",
        LikeStrategy::Excluding => "EXCLUDING ",
        LikeStrategy::Overwriting => "OVERWRITING ",
    }
}

fn like_feature(feature: LikeFeature) -> &'static str {
    match feature {
        LikeFeature::All => "ALL",
        LikeFeature::Constraints => "CONSTRAINTS",
        LikeFeature::Distribution => "DISTRIBUTION",
        LikeFeature::Generated => "GENERATED",
        LikeFeature::Metadata => "METADATA",
        LikeFeature::Options => "OPTIONS",
        LikeFeature::Partitions => "PARTITIONS",
        LikeFeature::Watermarks => "WATERMARKS",
    }
}
