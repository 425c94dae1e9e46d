//! ML_PREDICT: its arguments and output columns. Running a model comes later; a
//! check learns from here what columns there are.

use weir_core::{Error, Field, Result};
use weir_parser::ast::{self, ArgValue, TableArgSource};

use super::at::{At, position};
use super::binder::Binder;
use super::typed::null_literal;
use crate::objects::Model;
use crate::rel::Rel;

const ARGUMENTS: [&str; 4] = ["INPUT", "MODEL", "ARGS", "CONFIG"];

impl Binder<'_> {
    /// The input's columns with the model's output columns behind them.
    pub(super) fn ml_predict(&self, call: &ast::FunctionCall) -> Result<Rel> {
        let mut slots: [Option<&ArgValue>; 4] = [None; 4];
        for (i, a) in call.args.iter().enumerate() {
            let at = match &a.name {
                Some(n) => ARGUMENTS.iter().position(|x| x.eq_ignore_ascii_case(&n.value)),
                None => (i < ARGUMENTS.len()).then_some(i),
            };
            let Some(at) = at else { return Err(usage("an argument it does not know")).at(a.span) };
            slots[at] = Some(&a.value);
        }
        let (
            Some(ArgValue::Table(table)),
            Some(ArgValue::Model(name)),
            Some(ArgValue::Descriptor(args)),
        ) = (slots[0], slots[1], slots[2])
        else {
            return Err(usage("other arguments"));
        };
        let input = match &table.source {
            TableArgSource::Name { name, hints } => self.bind_table(name, hints, None)?.0,
            TableArgSource::Query(q) => self.bind_query(q, None)?,
            TableArgSource::Function(_) => return Err(usage("a table function as its input")),
        };
        let model = self.model(name)?;
        if !model.input.is_empty() && args.len() != model.input.len() {
            let columns: Vec<&str> = model.input.fields.iter().map(|f| f.name.as_str()).collect();
            return Err(Error::validation(format!(
                "model {name} takes {} input column(s) ({}), but ARGS names {}",
                columns.len(),
                columns.join(", "),
                args.len()
            )))
            .at(args.first().map_or(name.span(), |a| a.name.span));
        }
        for a in args {
            if input.schema.index_of(&a.name.value).is_none() {
                let known: Vec<&str> =
                    input.schema.fields.iter().map(|f| f.name.as_str()).collect();
                let e = Error::validation(format!(
                    "Column '{}' not found in the input of ML_PREDICT",
                    a.name.value
                ))
                .hint(format!("its columns are {}", known.join(", ")));
                return Err(e).at(a.name.span);
            }
        }
        if !self.session.is_open_world() {
            return Err(Error::unsupported("table function ML_PREDICT"));
        }
        let mut exprs = input.columns();
        let mut names: Vec<String> = input.schema.fields.iter().map(|f| f.name.clone()).collect();
        for f in &model.output.fields {
            exprs.push(null_literal(&f.ty));
            names.push(fresh(&names, f));
        }
        Ok(input.project(exprs, names))
    }

    fn model(&self, name: &ast::ObjectName) -> Result<&Model> {
        let parts: Vec<&str> = name.parts().collect();
        let path = self.session.qualify(&parts).at(name.span())?;
        match self.session.objects.models.get(&path) {
            Some(m) => Ok(m),
            None => {
                self.session.note_undeclared(&path.table, position(name.span()));
                Err(Error::validation(format!(
                    "Object '{name}' not found: model {path} does not exist"
                )))
                .at(name.span())
            }
        }
    }
}

/// A name that clashes with an input column gets a number behind it.
fn fresh(taken: &[String], f: &Field) -> String {
    let mut name = f.name.clone();
    let mut n = 0;
    while taken.contains(&name) {
        name = format!("{}{n}", f.name);
        n += 1;
    }
    name
}

fn usage(found: &str) -> Error {
    Error::validation(format!("ML_PREDICT got {found}")).hint(
        "ML_PREDICT(INPUT => TABLE t, MODEL => MODEL m, ARGS => DESCRIPTOR(column, ..), CONFIG => MAP['key', 'value'])",
    )
}
