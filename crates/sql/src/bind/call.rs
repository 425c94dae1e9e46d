//! Function calls in expressions: scalar functions, JSON forms, and where
//! aggregates and OVER calls branch off.

use weir_core::{DataType, Error, Result};
use weir_functions::Expr;
use weir_parser::ast::{self, ArgValue, ExprKind};

use super::at::At;
use super::expr_binder::ExprBinder;
use super::literal::string;
use super::syntax::{AGGREGATES, function_name};
use super::typed::{coerce, make_call, null_literal};
use super::types::bind_type;

/// Names that only have a meaning with OVER.
const WINDOW_ONLY: [&str; 9] = [
    "ROW_NUMBER",
    "RANK",
    "DENSE_RANK",
    "PERCENT_RANK",
    "CUME_DIST",
    "NTILE",
    "LEAD",
    "LAG",
    "NTH_VALUE",
];

impl ExprBinder<'_, '_> {
    pub(super) fn function(&mut self, call: &ast::FunctionCall) -> Result<Expr> {
        let name = function_name(call);
        if call.over.is_some() {
            return self.over_call(call, &name);
        }
        if AGGREGATES.contains(&name.as_str()) {
            let what = if self.in_aggregate {
                "Aggregate expressions cannot be nested".to_owned()
            } else {
                format!("aggregate function {name} is not allowed in this clause")
            };
            return Err(Error::validation(what)
                .hint("aggregate in a subquery, or move the condition to HAVING"));
        }
        if WINDOW_ONLY.contains(&name.as_str()) {
            return Err(Error::validation(format!("{name} needs an OVER clause"))
                .hint(format!("{name}() OVER (PARTITION BY .. ORDER BY ..)")));
        }
        if call.quantifier == Some(ast::SetQuantifier::Distinct) {
            return Err(Error::validation(format!("DISTINCT has no meaning for {name}")));
        }
        if call.filter.is_some() {
            return Err(Error::validation(format!(
                "FILTER needs an aggregate function, and {name} is not one"
            )));
        }
        let args = self.arguments(call)?;
        if name == "CURRENT_DATABASE" && args.is_empty() {
            let database = self.binder.session.current_database().to_owned();
            return Ok(Expr::literal(
                weir_core::Value::String(database),
                DataType::string().not_null(),
            ));
        }
        make_call(&name, args)
    }

    /// Positional scalar arguments.
    pub(super) fn arguments(&mut self, call: &ast::FunctionCall) -> Result<Vec<Expr>> {
        let mut out = Vec::with_capacity(call.args.len());
        for a in &call.args {
            match &a.value {
                ArgValue::Expr(e) if a.name.is_none() => out.push(self.bind(e)?),
                ArgValue::Star => {
                    return Err(Error::validation("`*` is only an argument of COUNT")).at(a.span);
                }
                _ => {
                    return Err(Error::validation(
                        "this argument is only allowed in table functions",
                    ))
                    .at(a.span);
                }
            }
        }
        Ok(out)
    }

    /// JSON functions: their clauses travel as string literals behind the arguments.
    pub(super) fn json(&mut self, e: &ast::Expr) -> Result<Expr> {
        match &e.kind {
            ExprKind::JsonExists { input, path, on_error } => {
                let on_error = match on_error {
                    None | Some(ast::JsonExistsOnError::False) => "FALSE",
                    Some(ast::JsonExistsOnError::True) => "TRUE",
                    Some(ast::JsonExistsOnError::Unknown) => "UNKNOWN",
                    Some(ast::JsonExistsOnError::Error) => "ERROR",
                };
                let (input, path) = (self.bind(input)?, self.bind(path)?);
                make_call("JSON_EXISTS", vec![input, path, string(on_error)])
            }
            ExprKind::JsonValue { input, path, returning, on_empty, on_error } => {
                let (input, path) = (self.bind(input)?, self.bind(path)?);
                let ty = match returning {
                    Some(t) => bind_type(t)?,
                    None => DataType::string(),
                };
                let (empty, empty_default) = self.json_behavior(on_empty.as_ref(), &ty)?;
                let (error, error_default) = self.json_behavior(on_error.as_ref(), &ty)?;
                make_call(
                    "JSON_VALUE",
                    vec![
                        input,
                        path,
                        null_literal(&ty),
                        string(empty),
                        empty_default,
                        string(error),
                        error_default,
                    ],
                )
            }
            ExprKind::JsonQuery { input, path, returning, wrapper, on_empty, on_error } => {
                let (input, path) = (self.bind(input)?, self.bind(path)?);
                let ty = match returning {
                    Some(t) => bind_type(t)?,
                    None => DataType::string(),
                };
                let wrapper = match wrapper {
                    None | Some(ast::JsonWrapper::Without) => "WITHOUT",
                    Some(ast::JsonWrapper::Conditional) => "CONDITIONAL",
                    Some(ast::JsonWrapper::Unconditional) => "UNCONDITIONAL",
                };
                let behavior = |b: &Option<ast::JsonQueryBehavior>| match b {
                    None | Some(ast::JsonQueryBehavior::Null) => "NULL",
                    Some(ast::JsonQueryBehavior::Error) => "ERROR",
                    Some(ast::JsonQueryBehavior::EmptyArray) => "EMPTY ARRAY",
                    Some(ast::JsonQueryBehavior::EmptyObject) => "EMPTY OBJECT",
                };
                make_call(
                    "JSON_QUERY",
                    vec![
                        input,
                        path,
                        null_literal(&ty),
                        string(wrapper),
                        string(behavior(on_empty)),
                        string(behavior(on_error)),
                    ],
                )
            }
            ExprKind::JsonObject { entries, on_null } => {
                let mut args = Vec::with_capacity(entries.len() * 2 + 1);
                for entry in entries {
                    args.push(self.bind(&entry.key)?);
                    args.push(self.json_item(&entry.value)?);
                }
                args.push(on_null_literal(*on_null, ast::JsonOnNull::Null));
                make_call("JSON_OBJECT", args)
            }
            ExprKind::JsonArray { items, on_null } => {
                let mut args = Vec::with_capacity(items.len() + 1);
                for item in items {
                    args.push(self.json_item(item)?);
                }
                args.push(on_null_literal(*on_null, ast::JsonOnNull::Absent));
                make_call("JSON_ARRAY", args)
            }
            _ => Err(Error::internal("not a JSON function")),
        }
    }

    /// A value inside JSON_OBJECT or JSON_ARRAY; other JSON functions are embedded, not quoted.
    fn json_item(&mut self, e: &ast::Expr) -> Result<Expr> {
        let value = self.bind(e)?;
        if let Expr::Call { function, .. } = &value
            && matches!(function.as_str(), "JSON_OBJECT" | "JSON_ARRAY")
        {
            let ty = value.ty().clone();
            return Ok(Expr::call("JSON", vec![value], ty));
        }
        Ok(value)
    }

    fn json_behavior(
        &mut self,
        behavior: Option<&ast::JsonValueBehavior>,
        ty: &DataType,
    ) -> Result<(&'static str, Expr)> {
        Ok(match behavior {
            None | Some(ast::JsonValueBehavior::Null) => ("NULL", null_literal(ty)),
            Some(ast::JsonValueBehavior::Error) => ("ERROR", null_literal(ty)),
            Some(ast::JsonValueBehavior::Default(e)) => {
                let value = self.bind(e)?;
                ("DEFAULT", coerce(value, ty))
            }
        })
    }
}

/// The NULL clause of a JSON constructor as its trailing argument.
pub(crate) fn on_null_literal(clause: Option<ast::JsonOnNull>, default: ast::JsonOnNull) -> Expr {
    string(match clause.unwrap_or(default) {
        ast::JsonOnNull::Null => "NULL ON NULL",
        ast::JsonOnNull::Absent => "ABSENT ON NULL",
    })
}

/// `*` stands alone in a call: `COUNT(DISTINCT *)` counts nothing that could be distinct.
pub(super) fn plain_star(call: &ast::FunctionCall, star: bool) -> Result<()> {
    if star && call.quantifier.is_some() {
        return Err(Error::validation("unexpected `*` behind DISTINCT or ALL")
            .hint("name a column: COUNT(DISTINCT x)"))
        .at(call.span);
    }
    Ok(())
}
