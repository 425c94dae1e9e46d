//! Statements.

use super::Printer;
use crate::ast::*;

impl Printer<'_> {
    pub(super) fn statement(&mut self, statement: &Statement) {
        match &statement.kind {
            StatementKind::Query(query) => self.query(query),
            StatementKind::Insert(insert) => self.insert(insert),
            StatementKind::Execute(inner) => {
                self.put("EXECUTE ");
                self.statement(inner);
            }
            StatementKind::StatementSet(set) => {
                self.put("EXECUTE ");
                self.statement_set(set);
            }
            StatementKind::BeginStatementSet => self.put("BEGIN STATEMENT SET"),
            StatementKind::EndStatementSet => self.put("END"),
            StatementKind::CompilePlan(plan) => self.compile_plan(plan),
            StatementKind::ExecutePlan(path) => self.word_and_string("EXECUTE PLAN ", path),
            StatementKind::Update(update) => self.update(update),
            StatementKind::Delete(delete) => self.delete(delete),
            StatementKind::Merge(merge) => self.merge(merge),
            StatementKind::Truncate(name) => self.word_and_name("TRUNCATE TABLE ", name),
            StatementKind::Call(call) => {
                self.put("CALL ");
                self.table_function(call);
            }
            StatementKind::Analyze(analyze) => self.analyze(analyze),
            StatementKind::Describe(describe) => self.describe(describe),
            StatementKind::Explain(explain) => self.explain(explain),
            StatementKind::Show(show) => self.show(show),
            other => self.definition(other),
        }
    }

    fn definition(&mut self, kind: &StatementKind) {
        match kind {
            StatementKind::CreateTable(create) => self.create_table(create),
            StatementKind::CreateView(create) => self.create_view(create),
            StatementKind::CreateCatalog(create) => self.create_catalog(create),
            StatementKind::CreateDatabase(create) => self.create_database(create),
            StatementKind::CreateFunction(create) => self.create_function(create),
            StatementKind::CreateModel(create) => self.create_model(create),
            StatementKind::CreateConnection(create) => self.create_connection(create),
            StatementKind::CreateMaterializedTable(create) => {
                self.create_materialized_table(create)
            }
            StatementKind::Drop(drop) => self.drop(drop),
            StatementKind::AlterFunction(alter) => self.alter_function(alter),
            StatementKind::AlterTable(alter) => {
                self.put("ALTER TABLE ");
                self.put_if(alter.if_exists, "IF EXISTS ");
                self.object_name(&alter.name);
                self.put(" ");
                self.table_action(&alter.action);
            }
            StatementKind::AlterMaterializedTable(alter) => {
                self.word_and_name("ALTER MATERIALIZED TABLE ", &alter.name);
                self.put(" ");
                self.materialized_action(&alter.action);
            }
            StatementKind::AlterView(alter) => self.alter_view(alter),
            StatementKind::AlterCatalog(alter) => self.alter_catalog(alter),
            StatementKind::AlterDatabase { name, options } => {
                self.word_and_name("ALTER DATABASE ", name);
                self.put(" ");
                self.set_options(options);
            }
            StatementKind::AlterModel(alter) => {
                self.alter_object("MODEL ", alter.if_exists, &alter.name, &alter.action)
            }
            StatementKind::AlterConnection(alter) => {
                self.alter_object("CONNECTION ", alter.if_exists, &alter.name, &alter.action)
            }
            other => self.session_statement(other),
        }
    }

    fn session_statement(&mut self, kind: &StatementKind) {
        match kind {
            StatementKind::UseCatalog(name) => {
                self.put("USE CATALOG ");
                self.ident(name);
            }
            StatementKind::UseDatabase(name) => self.word_and_name("USE ", name),
            StatementKind::UseModules(names) => {
                self.put("USE MODULES ");
                self.list(names, Self::ident);
            }
            StatementKind::LoadModule { name, options } => {
                self.put("LOAD MODULE ");
                self.ident(name);
                if !options.is_empty() {
                    self.put(" WITH ");
                    self.options(options);
                }
            }
            StatementKind::UnloadModule(name) => {
                self.put("UNLOAD MODULE ");
                self.ident(name);
            }
            StatementKind::ShowSettings => self.put("SET"),
            StatementKind::Set(option) => {
                self.put("SET ");
                self.option(option);
            }
            StatementKind::Reset(None) => self.put("RESET"),
            StatementKind::Reset(Some(key)) => self.word_and_string("RESET ", key),
            StatementKind::AddJar(path) => self.word_and_string("ADD JAR ", path),
            StatementKind::RemoveJar(path) => self.word_and_string("REMOVE JAR ", path),
            StatementKind::Source(path) => self.word_and_string("SOURCE ", path),
            StatementKind::StopJob(stop) => {
                self.word_and_string("STOP JOB ", &stop.id);
                self.put_if(stop.with_savepoint, " WITH SAVEPOINT");
                self.put_if(stop.with_drain, " WITH DRAIN");
            }
            StatementKind::Help => self.put("HELP"),
            StatementKind::Quit => self.put("QUIT"),
            StatementKind::Clear => self.put("CLEAR"),
            // Everything else was printed before it came here.
            _ => {}
        }
    }

    fn word_and_string(&mut self, word: &str, text: &StringLit) {
        self.put(word);
        self.string(&text.value);
    }

    fn word_and_name(&mut self, word: &str, name: &ObjectName) {
        self.put(word);
        self.object_name(name);
    }

    fn insert(&mut self, insert: &Insert) {
        let word = if insert.overwrite { "INSERT OVERWRITE " } else { "INSERT INTO " };
        self.word_and_name(word, &insert.table);
        self.hints(&insert.hints);
        self.partition(&insert.partition);
        if !insert.columns.is_empty() {
            self.put(" ");
            self.paren_list(&insert.columns, Self::object_name);
        }
        self.put_if(insert.by_name, " BY NAME");
        self.clause();
        self.query(&insert.source);
        if let Some(action) = insert.on_conflict {
            self.clause();
            self.put(match action {
                ConflictAction::Nothing => "ON CONFLICT DO NOTHING",
                ConflictAction::Error => "ON CONFLICT DO ERROR",
                ConflictAction::Deduplicate => "ON CONFLICT DO DEDUPLICATE",
            });
        }
    }

    fn statement_set(&mut self, set: &StatementSet) {
        self.put("STATEMENT SET BEGIN");
        for insert in &set.inserts {
            self.clause();
            self.insert(insert);
            self.put(";");
        }
        self.clause();
        self.put("END");
    }

    /// A statement inside another, where a set stands without EXECUTE.
    fn subject(&mut self, statement: &Statement) {
        match &statement.kind {
            StatementKind::StatementSet(set) => self.statement_set(set),
            _ => self.statement(statement),
        }
    }

    fn compile_plan(&mut self, plan: &CompilePlan) {
        let words = if plan.execute { "COMPILE AND EXECUTE PLAN " } else { "COMPILE PLAN " };
        self.word_and_string(words, &plan.path);
        self.put_if(plan.if_not_exists, " IF NOT EXISTS");
        self.put(" FOR");
        self.clause();
        self.subject(&plan.statement);
    }

    fn assignment(&mut self, assignment: &Assignment) {
        self.object_name(&assignment.target);
        self.put(" = ");
        self.expr(&assignment.value, 0);
    }

    fn update(&mut self, update: &Update) {
        self.word_and_name("UPDATE ", &update.table);
        self.hints(&update.hints);
        self.alias(update.alias.as_ref());
        self.clause();
        self.put("SET ");
        self.list(&update.assignments, Self::assignment);
        self.condition("WHERE ", update.selection.as_ref());
    }

    fn delete(&mut self, delete: &Delete) {
        self.word_and_name("DELETE FROM ", &delete.table);
        self.hints(&delete.hints);
        self.alias(delete.alias.as_ref());
        self.condition("WHERE ", delete.selection.as_ref());
    }

    fn merge(&mut self, merge: &Merge) {
        self.word_and_name("MERGE INTO ", &merge.table);
        self.alias(merge.alias.as_ref());
        self.clause();
        self.put("USING ");
        self.table_factor(&merge.source);
        self.put(" ON ");
        self.expr(&merge.on, 0);
        if !merge.update.is_empty() {
            self.clause();
            self.put("WHEN MATCHED THEN UPDATE SET ");
            self.list(&merge.update, Self::assignment);
        }
        if let Some(insert) = &merge.insert {
            self.clause();
            self.put("WHEN NOT MATCHED THEN INSERT ");
            if !insert.columns.is_empty() {
                self.idents(&insert.columns);
                self.put(" ");
            }
            self.put("VALUES ");
            self.values_row(&insert.values);
        }
    }

    fn analyze(&mut self, analyze: &AnalyzeTable) {
        self.word_and_name("ANALYZE TABLE ", &analyze.table);
        self.partition(&analyze.partition);
        self.put(" COMPUTE STATISTICS");
        match &analyze.columns {
            AnalyzeColumns::None => {}
            AnalyzeColumns::All => self.put(" FOR ALL COLUMNS"),
            AnalyzeColumns::List(columns) => {
                self.put(" FOR COLUMNS ");
                self.list(columns, Self::ident);
            }
        }
    }

    fn alter_view(&mut self, alter: &AlterView) {
        self.word_and_name("ALTER VIEW ", &alter.name);
        match &alter.action {
            AlterViewAction::RenameTo(name) => self.word_and_name(" RENAME TO ", name),
            AlterViewAction::As(query) => self.as_query(Some(query)),
            AlterViewAction::SetOptions(options) => {
                self.put(" ");
                self.set_options(options);
            }
        }
    }

    fn alter_catalog(&mut self, alter: &AlterCatalog) {
        self.put("ALTER CATALOG ");
        self.ident(&alter.name);
        self.put(" ");
        match &alter.action {
            AlterCatalogAction::SetOptions(options) => self.set_options(options),
            AlterCatalogAction::ResetOptions(keys) => self.reset_options(keys),
            AlterCatalogAction::Comment(comment) => self.word_and_string("COMMENT ", comment),
        }
    }

    fn alter_object(
        &mut self,
        kind: &str,
        if_exists: bool,
        name: &ObjectName,
        action: &AlterObjectAction,
    ) {
        self.put("ALTER ");
        self.put(kind);
        self.put_if(if_exists, "IF EXISTS ");
        self.object_name(name);
        self.put(" ");
        match action {
            AlterObjectAction::RenameTo(name) => self.word_and_name("RENAME TO ", name),
            AlterObjectAction::SetOptions(options) => self.set_options(options),
            AlterObjectAction::ResetOptions(keys) => self.reset_options(keys),
        }
    }

    // ---- DESCRIBE, EXPLAIN, SHOW ----------------------------------------

    fn describe(&mut self, describe: &Describe) {
        let (kind, name) = match &describe.target {
            DescribeTarget::Table(name) => ("", name.clone()),
            DescribeTarget::Catalog(name) => ("CATALOG ", name.clone().into()),
            DescribeTarget::Database(name) => ("DATABASE ", name.clone()),
            DescribeTarget::Function(name) => ("FUNCTION ", name.clone()),
            DescribeTarget::Model(name) => ("MODEL ", name.clone()),
            DescribeTarget::Connection(name) => ("CONNECTION ", name.clone()),
            DescribeTarget::Job(id) => return self.word_and_string("DESCRIBE JOB ", id),
        };
        self.put("DESCRIBE ");
        self.put(kind);
        self.put_if(describe.extended, "EXTENDED ");
        self.object_name(&name);
    }

    fn explain(&mut self, explain: &Explain) {
        self.put("EXPLAIN ");
        if explain.details.is_empty() {
            self.put("PLAN FOR");
        } else {
            self.list(&explain.details, |p, detail| p.put(detail.as_str()));
        }
        self.clause();
        self.subject(&explain.statement);
    }

    fn show(&mut self, show: &Show) {
        self.put("SHOW ");
        match &show.object {
            ShowObject::Create { kind, name } => {
                self.put("CREATE ");
                self.put(kind.as_str());
                self.word_and_name(" ", name);
            }
            ShowObject::Partitions { table, spec } => {
                self.word_and_name("PARTITIONS ", table);
                self.partition(spec);
            }
            other => self.put(show_words(other)),
        }
        if let Some(from) = &show.from {
            self.word_and_name(if from.uses_in { " IN " } else { " FROM " }, &from.name);
        }
        if let Some(like) = &show.like {
            self.put_if(like.negated, " NOT");
            let word = if like.case_insensitive { " ILIKE " } else { " LIKE " };
            self.word_and_string(word, &like.pattern);
        }
    }
}

fn show_words(object: &ShowObject) -> &'static str {
    match object {
        ShowObject::Catalogs => "CATALOGS",
        ShowObject::CurrentCatalog => "CURRENT CATALOG",
        ShowObject::Databases => "DATABASES",
        ShowObject::CurrentDatabase => "CURRENT DATABASE",
        ShowObject::Tables => "TABLES",
        ShowObject::Views => "VIEWS",
        ShowObject::MaterializedTables => "MATERIALIZED TABLES",
        ShowObject::Models => "MODELS",
        ShowObject::Connections => "CONNECTIONS",
        ShowObject::Columns => "COLUMNS",
        ShowObject::Procedures => "PROCEDURES",
        ShowObject::Functions { user: false } => "FUNCTIONS",
        ShowObject::Functions { user: true } => "USER FUNCTIONS",
        ShowObject::Modules { full: false } => "MODULES",
        ShowObject::Modules { full: true } => "FULL MODULES",
        ShowObject::Jars => "JARS",
        ShowObject::Jobs => "JOBS",
        ShowObject::Create { .. } | ShowObject::Partitions { .. } => "",
    }
}
