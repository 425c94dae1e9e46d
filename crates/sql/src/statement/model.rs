//! CREATE, ALTER, DROP, SHOW and DESCRIBE of models and functions; modules and jars.

use weir_core::{Error, Field, Result, Schema};
use weir_parser::ast::{self, AlterObjectAction, ColumnKind, ObjectKind};

use super::create::path_of;
use super::effect::{Effect, ResultTable};
use super::insert::options_of;
use crate::bind::{At as _, bind_type};
use crate::objects::{Function, Model};
use crate::session::{Session, TablePath};

fn columns(list: &[ast::ColumnDef]) -> Result<Schema> {
    let field = |c: &ast::ColumnDef| match &c.kind {
        ColumnKind::Physical { data_type, .. } => {
            Ok(Field::new(c.name.value.clone(), bind_type(data_type)?))
        }
        _ => Err(Error::validation("a model's columns are a name and a type")).at(c.span),
    };
    Ok(Schema::new(list.iter().map(field).collect::<Result<_>>()?))
}

pub(super) fn create_model(session: &mut Session, m: &ast::CreateModel) -> Result<Effect> {
    let path = path_of(session, &m.name)?;
    if m.query.is_some() {
        return Err(Error::unsupported("CREATE MODEL .. AS (Flink has no training either)"))
            .at(m.name.span());
    }
    if session.objects.models.contains_key(&path) {
        if m.if_not_exists {
            return Ok(Effect::Done);
        }
        return Err(Error::validation(format!("Model with identifier '{path}' already exists."))
            .hint("CREATE MODEL IF NOT EXISTS, or DROP MODEL first"))
        .at(m.name.span());
    }
    let options = options_of(&m.options);
    if options.get("provider").is_none() {
        return Err(Error::option("missing required option 'provider' of a model")
            .hint("add 'provider' = 'openai' to the WITH clause"))
        .at(m.name.span());
    }
    let model = Model {
        temporary: m.temporary,
        input: columns(&m.input)?,
        output: columns(&m.output)?,
        comment: m.comment.as_ref().map(|c| c.value.clone()),
        options,
    };
    session.objects.models.insert(path, model);
    Ok(Effect::Done)
}

pub(super) fn model_of<'s>(
    session: &'s Session,
    name: &ast::ObjectName,
) -> Result<(TablePath, &'s Model)> {
    let path = path_of(session, name)?;
    match session.objects.models.get(&path) {
        Some(m) => Ok((path, m)),
        None => Err(no_model(&path)).at(name.span()),
    }
}

fn no_model(path: &TablePath) -> Error {
    Error::validation(format!("Model with identifier '{path}' does not exist."))
}

pub(super) fn alter_model(session: &mut Session, a: &ast::AlterModel) -> Result<Effect> {
    let path = path_of(session, &a.name)?;
    if !session.objects.models.contains_key(&path) {
        return match a.if_exists {
            true => Ok(Effect::Done),
            false => Err(no_model(&path)).at(a.name.span()),
        };
    }
    if let AlterObjectAction::RenameTo(to) = &a.action {
        let new = path_of(session, to)?;
        if session.objects.models.contains_key(&new) {
            return Err(Error::validation(format!("Model '{new}' already exists."))).at(to.span());
        }
        if let Some(m) = session.objects.models.remove(&path) {
            session.objects.models.insert(new, m);
        }
        return Ok(Effect::Done);
    }
    let Some(model) = session.objects.models.get_mut(&path) else { return Ok(Effect::Done) };
    match &a.action {
        AlterObjectAction::SetOptions(options) => {
            for (k, v) in options_of(options).iter() {
                model.options.set(k, v);
            }
        }
        AlterObjectAction::ResetOptions(keys) => {
            if keys.is_empty() {
                return Err(Error::validation("ALTER MODEL RESET does not support empty key"));
            }
            for k in keys {
                model.options.remove(&k.value);
            }
        }
        AlterObjectAction::RenameTo(_) => {}
    }
    Ok(Effect::Done)
}

pub(super) fn drop_model(session: &mut Session, d: &ast::Drop) -> Result<Effect> {
    let path = path_of(session, &d.name)?;
    let fits = |m: &Model| m.temporary == d.temporary || !d.temporary;
    match session.objects.models.get(&path) {
        Some(m) if fits(m) => drop(session.objects.models.remove(&path)),
        _ if d.if_exists => {}
        _ => return Err(no_model(&path)).at(d.name.span()),
    }
    Ok(Effect::Done)
}

fn function_key(session: &Session, name: &ast::ObjectName, system: bool) -> Result<String> {
    if system {
        return Ok(name.to_string().to_lowercase());
    }
    Ok(path_of(session, name)?.to_string().to_lowercase())
}

pub(super) fn create_function(session: &mut Session, f: &ast::CreateFunction) -> Result<Effect> {
    let key = function_key(session, &f.name, f.system)?;
    if session.objects.functions.contains_key(&key) {
        if f.if_not_exists {
            return Ok(Effect::Done);
        }
        return Err(Error::validation(format!("Function {key} already exists."))).at(f.name.span());
    }
    let language = f.language.as_ref().map_or("JAVA".to_owned(), |l| l.value.to_uppercase());
    let function = Function {
        temporary: f.temporary,
        system: f.system,
        class: f.class.value.clone(),
        language,
        resources: f.resources.iter().map(|r| r.uri.value.clone()).collect(),
    };
    session.objects.functions.insert(key, function);
    Ok(Effect::Done)
}

pub(super) fn alter_function(session: &mut Session, f: &ast::AlterFunction) -> Result<Effect> {
    if f.system {
        return Err(Error::validation("Alter temporary system function is not supported"));
    }
    let key = function_key(session, &f.name, false)?;
    match session.objects.functions.get_mut(&key) {
        Some(found) => {
            found.class.clone_from(&f.class.value);
            if let Some(l) = &f.language {
                found.language = l.value.to_uppercase();
            }
        }
        None if f.if_exists => {}
        None => {
            return Err(Error::validation(format!("Function {key} does not exist.")))
                .at(f.name.span());
        }
    }
    Ok(Effect::Done)
}

pub(super) fn drop_function(session: &mut Session, d: &ast::Drop) -> Result<Effect> {
    let key = function_key(session, &d.name, d.system)?;
    if session.objects.functions.remove(&key).is_none() && !d.if_exists {
        return Err(Error::validation(format!("Function {key} does not exist."))).at(d.name.span());
    }
    Ok(Effect::Done)
}

/// The registered functions that SHOW USER FUNCTIONS lists here.
pub(super) fn user_functions(session: &Session) -> Vec<String> {
    let here =
        format!("{}.{}.", session.current_catalog(), session.current_database()).to_lowercase();
    session
        .objects
        .functions
        .iter()
        .filter_map(|(key, f)| match f.system {
            true => Some(key.clone()),
            false => key.strip_prefix(&here).map(str::to_owned),
        })
        .collect()
}

/// LOAD MODULE
pub(super) fn load(session: &mut Session, name: &ast::Ident) -> Result<Effect> {
    if session.objects.modules.iter().any(|(m, _)| *m == name.value) {
        return Err(Error::validation(format!(
            "A module with name '{}' already exists",
            name.value
        )))
        .at(name.span);
    }
    if name.value != "core" {
        return Err(Error::unsupported(format!("module '{}'", name.value)).hint(
            "module 'core' holds the built-in functions, those of Hive's that are common included",
        ))
        .at(name.span);
    }
    session.objects.modules.push((name.value.clone(), true));
    Ok(Effect::Done)
}

/// UNLOAD MODULE
pub(super) fn unload(session: &mut Session, name: &ast::Ident) -> Result<Effect> {
    let Some(at) = session.objects.modules.iter().position(|(m, _)| *m == name.value) else {
        return Err(Error::validation(format!("No module with name '{}' exists", name.value)))
            .at(name.span);
    };
    session.objects.modules.remove(at);
    Ok(Effect::Done)
}

/// USE MODULES
pub(super) fn use_modules(session: &mut Session, names: &[ast::Ident]) -> Result<Effect> {
    for n in names {
        if !session.objects.modules.iter().any(|(m, _)| *m == n.value) {
            return Err(Error::validation(format!("No module with name '{}' exists", n.value)))
                .at(n.span);
        }
    }
    let used = |m: &str| names.iter().position(|n| n.value == m);
    session.objects.modules.sort_by_key(|(m, _)| used(m).unwrap_or(usize::MAX));
    for (m, on) in &mut session.objects.modules {
        *on = used(m).is_some();
    }
    Ok(Effect::Done)
}

/// ADD JAR and REMOVE JAR: jars are listed, and named by functions; nothing loads them.
pub(super) fn jar(session: &mut Session, path: &ast::StringLit, add: bool) -> Result<Effect> {
    let jars = &mut session.objects.jars;
    let known = jars.iter().position(|j| *j == path.value);
    match (add, known) {
        (true, None) => {
            if !session.is_checking() && !std::path::Path::new(&path.value).exists() {
                return Err(Error::io(format!("no such file: {}", path.value))).at(path.span);
            }
            session.objects.jars.push(path.value.clone());
        }
        (true, Some(_)) => {}
        (false, Some(at)) => drop(jars.remove(at)),
        (false, None) => {
            return Err(Error::validation(format!("jar {} was not added", path.value)))
                .at(path.span);
        }
    }
    Ok(Effect::Done)
}

/// What DESCRIBE MODEL shows.
pub(super) fn describe(session: &Session, name: &ast::ObjectName) -> Result<Effect> {
    let (_, m) = model_of(session, name)?;
    let rows = |schema: &Schema, is_input: &str| -> Vec<Vec<Option<String>>> {
        schema
            .fields
            .iter()
            .map(|f| {
                vec![
                    Some(f.name.clone()),
                    Some(f.ty.clone().null().to_string()),
                    Some(if f.ty.nullable { "TRUE" } else { "FALSE" }.to_owned()),
                    Some(is_input.to_owned()),
                ]
            })
            .collect()
    };
    let mut all = rows(&m.input, "TRUE");
    all.extend(rows(&m.output, "FALSE"));
    let mut table = ResultTable::strings(&["name", "type", "null", "is input"], all);
    table.schema.fields[2].ty = weir_core::DataType::boolean();
    table.schema.fields[3].ty = weir_core::DataType::boolean();
    Ok(Effect::Table(table))
}

/// DROP of something that is neither a table nor a database.
pub(super) fn drop_other(session: &mut Session, d: &ast::Drop) -> Result<Effect> {
    match d.kind {
        ObjectKind::Model => drop_model(session, d),
        ObjectKind::Function => drop_function(session, d),
        // There are none.
        ObjectKind::MaterializedTable if d.if_exists => Ok(Effect::Done),
        ObjectKind::MaterializedTable => Err(Error::validation(format!(
            "Materialized Table with identifier '{}' does not exist.",
            d.name
        ))),
        kind => Err(Error::unsupported(format!("DROP {}", kind.as_str()))),
    }
}
