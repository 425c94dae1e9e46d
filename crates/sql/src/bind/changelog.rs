//! The process table functions TO_CHANGELOG and FROM_CHANGELOG: row kinds as a
//! column of codes, and back.

use std::collections::HashMap;

use weir_core::types::TimeAttribute;
use weir_core::{DataType, Error, Field, Result, RowKind, Schema, Value};
use weir_parser::ast::{self, ArgValue, ExprKind, TableArgSource};

use super::at::{At, position};
use super::binder::Binder;
use super::syntax::function_name;
use crate::rel::{Rel, RelOp};

/// Flink's names of the row kinds, by their byte.
const OPERATIONS: [&str; 4] = ["INSERT", "UPDATE_BEFORE", "UPDATE_AFTER", "DELETE"];

/// The table argument: `TABLE t`, or a query in parentheses.
#[derive(Clone, Copy)]
enum Input<'c> {
    Table(&'c ast::TableArg),
    Query(&'c ast::Query),
}

/// The arguments, by position or by name.
struct Arguments<'c> {
    table: Input<'c>,
    op: String,
    op_span: Option<weir_parser::Span>,
    mapping: Option<(Vec<(String, String)>, weir_parser::Span)>,
}

impl<'c> Arguments<'c> {
    fn collect(binder: &Binder<'_>, call: &'c ast::FunctionCall, name: &str) -> Result<Self> {
        const NAMES: [&str; 5] = ["input", "op", "op_mapping", "on_time", "uid"];
        let mut slots: HashMap<&str, &ast::FunctionArg> = HashMap::new();
        for (i, a) in call.args.iter().enumerate() {
            let key = match &a.name {
                Some(n) => NAMES.iter().find(|x| x.eq_ignore_ascii_case(&n.value)),
                None => NAMES.get(i),
            };
            let Some(key) = key else {
                return Err(Error::validation(format!(
                    "{name} has no such argument: it takes input, op, op_mapping and uid"
                )))
                .at(a.span);
            };
            slots.insert(key, a);
        }
        let table = match slots.get("input").map(|a| &a.value) {
            Some(ArgValue::Table(table)) => {
                if !table.partition_by.is_empty() {
                    return Err(Error::validation(format!(
                        "Only tables with set semantics may be partitioned: PARTITION BY is not allowed in {name}"
                    )))
                    .at(table.span);
                }
                Input::Table(table)
            }
            Some(ArgValue::Expr(ast::Expr { kind: ExprKind::Subquery(q), .. })) => Input::Query(q),
            _ => {
                return Err(Error::validation(format!(
                    "No match found for function signature {name}(): its argument input is a table"
                ))
                .hint(format!("{name}(input => TABLE t)")));
            }
        };
        if let Some(a) = slots.get("on_time") {
            return Err(Error::unsupported(format!("on_time of {name}"))).at(a.span);
        }
        let mut op = "op".to_owned();
        if let Some(a) = slots.get("op") {
            let ArgValue::Descriptor(columns) = &a.value else {
                return Err(Error::validation("the argument op is DESCRIPTOR(column)")).at(a.span);
            };
            let [column] = columns.as_slice() else {
                return Err(Error::validation(
                    "The descriptor for argument 'op' must contain exactly one column name.",
                ))
                .at(a.span);
            };
            op.clone_from(&column.name.value);
        }
        let mapping = match slots.get("op_mapping") {
            None => None,
            Some(a) => binder.mapping(&a.value).at(a.span)?.map(|m| (m, a.span)),
        };
        if let Some(a) = slots.get("uid") {
            let text = match &a.value {
                ArgValue::Expr(e) => binder.constant(e).at(a.span)?.0,
                _ => Value::Null,
            };
            if text.as_str().is_none() {
                return Err(Error::validation("the argument uid is a string")).at(a.span);
            }
        }
        Ok(Self { table, op, op_span: slots.get("op").map(|a| a.span), mapping })
    }
}

impl Binder<'_> {
    /// `MAP['c, r', 'INSERT', ..]`; `None` for NULL.
    fn mapping(&self, value: &ArgValue) -> Result<Option<Vec<(String, String)>>> {
        let wrong =
            || Error::validation("The 'op_mapping' argument must be a constant MAP literal.");
        let ArgValue::Expr(e) = value else { return Err(wrong()) };
        let entries = match self.constant(e).map_err(|_| wrong())?.0 {
            Value::Null => return Ok(None),
            Value::Map(entries) => entries,
            _ => return Err(wrong()),
        };
        let text = |v: &Value| v.as_str().map(str::to_owned).ok_or_else(wrong);
        let pairs: Result<Vec<_>> = entries.iter().map(|(k, v)| Ok((text(k)?, text(v)?))).collect();
        pairs.map(Some)
    }

    /// `TO_CHANGELOG(..)` or `FROM_CHANGELOG(..)` in FROM.
    pub(super) fn changelog_function(&self, call: &ast::FunctionCall) -> Result<Rel> {
        let name = function_name(call);
        let args = Arguments::collect(self, call, &name)?;
        if self.session.is_batch() {
            return Err(Error::unsupported(format!(
                "{name} in batch mode (Flink has no plan for it either)"
            ))
            .hint("SET 'execution.runtime-mode' = 'streaming'"));
        }
        let input = match args.table {
            Input::Query(q) => self.bind_query(q, None)?,
            Input::Table(t) => match &t.source {
                TableArgSource::Name { name, hints } => self.bind_table(name, hints, None)?.0,
                TableArgSource::Query(q) => self.bind_query(q, None)?,
                TableArgSource::Function(f) => self.table_function(f).at(f.span)?,
            },
        };
        match name.as_str() {
            "TO_CHANGELOG" => to_changelog(input, &args),
            _ => from_changelog(input, &args),
        }
    }
}

fn operation(name: &str) -> Result<u8> {
    OPERATIONS.iter().position(|o| *o == name).map(|at| at as u8).ok_or_else(|| {
        Error::validation(format!(
            "Invalid target mapping for argument 'op_mapping'. Unknown change operation: '{name}'. Valid values are: [{}].",
            OPERATIONS.join(", ")
        ))
    })
}

/// The columns of a table function's result: no time attributes.
fn plain(fields: impl Iterator<Item = Field>) -> Vec<Field> {
    fields.map(|f| Field::new(f.name, f.ty.with_time_attribute(TimeAttribute::None))).collect()
}

fn to_changelog(input: Rel, args: &Arguments<'_>) -> Result<Rel> {
    let mut codes: [Option<String>; 4] = OPERATIONS.map(|o| Some(o.to_owned()));
    if let Some((pairs, span)) = &args.mapping {
        codes = Default::default();
        for (operations, code) in pairs {
            for name in operations.split(',').map(str::trim) {
                let slot = &mut codes[operation(name).at(*span)? as usize];
                if slot.replace(code.clone()).is_some() {
                    return Err(Error::validation(format!(
                        "Invalid target mapping for argument 'op_mapping'. Duplicate change operation: '{name}'."
                    )))
                    .at(*span);
                }
            }
        }
    }
    if input.schema.index_of(&args.op).is_some() {
        let error = Error::validation(format!(
            "Field names must be unique. Found duplicates: [{}]",
            args.op
        ))
        .hint("name the column of operations by op => DESCRIPTOR(other_name)");
        return match args.op_span {
            Some(span) => Err(error).at(span),
            None => Err(error),
        };
    }
    let mut fields = vec![Field::new(args.op.clone(), DataType::string())];
    fields.extend(plain(input.schema.fields.iter().cloned()));
    let op = RelOp::ToChangelog { input: Box::new(input), codes: codes.to_vec() };
    Ok(Rel::new(op, Schema::new(fields)))
}

fn from_changelog(input: Rel, args: &Arguments<'_>) -> Result<Rel> {
    let at_op = |e: Error| match args.op_span {
        Some(span) => e.at(position(span)),
        None => e,
    };
    let Some(column) = input.schema.index_of(&args.op) else {
        return Err(at_op(
            Error::validation(format!(
                "The op column '{}' does not exist in the input schema.",
                args.op
            ))
            .hint("name it by op => DESCRIPTOR(column)"),
        ));
    };
    let ty = &input.schema.fields[column].ty;
    if !ty.is_string() {
        return Err(at_op(Error::validation(format!(
            "The op column '{}' must be of STRING type, but was '{ty}'.",
            args.op
        ))));
    }
    let mut codes: Vec<(String, u8)> =
        OPERATIONS.iter().zip(0..).map(|(o, kind)| ((*o).to_owned(), kind)).collect();
    if let Some((pairs, span)) = &args.mapping {
        codes = mapped_codes(pairs).at(*span)?;
    }
    let fields = plain(
        input.schema.fields.iter().enumerate().filter(|(i, _)| *i != column).map(|f| f.1.clone()),
    );
    let op = RelOp::FromChangelog { input: Box::new(input), column, codes };
    Ok(Rel::new(op, Schema::new(fields)))
}

fn mapped_codes(pairs: &[(String, String)]) -> Result<Vec<(String, u8)>> {
    // Of two entries with one key the later one counts.
    let last = |i: usize, key: &String| pairs[i + 1..].iter().all(|p| p.0 != *key);
    let pairs: Vec<&(String, String)> =
        pairs.iter().enumerate().filter(|(i, p)| last(*i, &p.0)).map(|p| p.1).collect();
    let mut codes = Vec::new();
    for (i, (keys, name)) in pairs.iter().enumerate() {
        let kind = operation(name)?;
        if pairs[..i].iter().any(|p| p.1 == *name) {
            return Err(Error::validation(format!(
                "Invalid target mapping for argument 'op_mapping'. Duplicate change operation: '{name}'. Use comma-separated keys to map multiple codes to the same operation (e.g., MAP['c, r', 'INSERT'])."
            )));
        }
        codes.extend(keys.split(',').map(|code| (code.trim().to_owned(), kind)));
    }
    let has = |kind: RowKind| codes.iter().any(|c| c.1 == kind as u8);
    if has(RowKind::UpdateAfter) && !has(RowKind::UpdateBefore) {
        return Err(Error::validation(
            "The 'op_mapping' must include UPDATE_BEFORE for retract mode. Upsert mode (without UPDATE_BEFORE) is not supported in this version.",
        ));
    }
    Ok(codes)
}
